// Messages of webhooks, verified by the package `standardwebhooks`.
import { deepStrictEqual, throws } from "node:assert";
import { readFileSync } from "node:fs";
import { Webhook } from "standardwebhooks";

const { wrong, secrets, paid, tested } = JSON.parse(readFileSync(process.argv[2], "utf8"));
const takes = (secret, { headers, body }) => deepStrictEqual(new Webhook(secret).verify(body, headers), JSON.parse(body));
takes(secrets[0], paid);
secrets.forEach((secret) => takes(secret, tested));
throws(() => new Webhook(wrong).verify(paid.body, paid.headers));
throws(() => new Webhook(secrets[0]).verify(paid.body + " ", paid.headers));
console.log("verified by standardwebhooks of npm");
