// The walkthrough of docs/realtime.md with the @supabase/supabase-js that is installed beside it: a
// payment from its recording to its end, one that has ended already, a token for another payment, and
// a server that restarts. It prints "ready" when the server may restart, and "done" at the end.
import { randomUUID } from "node:crypto";
import { WebSocket } from "ws";

globalThis.WebSocket ??= WebSocket;
const { watch } = await import("./watch.mjs");
const { KOLA_URL: url, ANON_KEY: anonKey, MERCHANT } = process.env;
const { client_id, client_secret } = JSON.parse(MERCHANT);

function fail(what) {
  console.log(`FAILED ${what}`);
  process.exit(1);
}
setTimeout(() => fail("not in time"), 150_000);
process.on("unhandledRejection", (error) => fail(error.stack));

async function kola(method, path, body, token) {
  const headers = { "content-type": "application/json", ...(token && { authorization: `Bearer ${token}` }) };
  const answer = await fetch(url + path, { method, headers, body: body && JSON.stringify(body) });
  if (!answer.ok) fail(`${method} ${path}: ${answer.status} ${await answer.text()}`);
  return answer.json();
}

const { access_token: api } = await kola("POST", "/v1/jwt/client/obtain/token", { client_id, client_secret });
const post = (path, body) => kola("POST", path, body, api);
const phone = "231880000001";
const party = await post("/v1/parties/create", { fullname: "Ama Kollie", phone });
const customer = await post("/v1/counterparties/create", { relationship_type: "CUSTOMER", party_id: party.id });
const account = await post("/v1/payment-accounts/create?operation_type=COLLECTION", {
  account_name: "Ama Kollie", provider: "PAWAPAY", method: "MTN_MOMO_LBR", party_id: party.id, sensitive_account_number: phone,
});

/** A session that is not executed yet, and a token for its payment. */
async function declared() {
  const source = await post("/v1/invoices/create", {
    counterparty_id: customer.id, currency: "USD", note: "Rice", fee_bearer: "PAYER", as_payment_link: false,
  });
  await post(`/v1/invoices/${source.id}/items/add`, { name: "Rice", currency: "USD", qty: 1, amount: 100 });
  await kola("PUT", `/v1/invoices/publish/${source.id}`, undefined, api);
  const session = await post("/v1/sessions/checkout", { source_id: source.id, source_type: "INVOICE" });
  const reference = randomUUID();
  const key = await post("/v1/realtime-keys/collection", { session_id: session.id, source_type: "INVOICE", reference_id: reference });
  return { url, anonKey, token: key.access_token, session: session.id, reference };
}

const pay = ({ session, reference }) =>
  post("/v1/executions/collection", { session_id: session, payment_account_id: account.id, currency: "USD", reference_id: reference });

/** Watches a payment; `seen` and `told` fill up, and `until` waits for something in them. */
async function watching(payment) {
  const seen = [], told = [];
  let wake = () => {};
  const channel = await watch(payment, (row) => { seen.push(row); wake(); }, (status, error) => {
    told.push(error ? `${status} ${error.message}` : status);
    wake();
  });
  const until = async (found) => {
    while (!found()) await new Promise((resolve) => { wake = resolve; });
  };
  return { channel, seen, told, until };
}

// From its recording to its end.
const first = await declared();
const page = await watching(first);
await page.until(() => page.told.includes("SUBSCRIBED"));
await pay(first);
await page.until(() => page.seen.some((row) => row.status === "COMPLETED"));
const last = page.seen.at(-1);
if (last.reference_id !== first.reference || last.payer_amount !== "103.00") fail(JSON.stringify(last));
if (page.seen.some((row) => row.session_id !== first.session)) fail("another payment");

// One that has ended.
const late = await watching(first);
await late.until(() => late.seen.some((row) => row.status === "COMPLETED"));

// A token for another payment.
const second = await declared();
const stranger = await watching({ ...second, token: first.token });
await stranger.until(() => stranger.told.some((what) => /^CHANNEL_ERROR "?Unauthorized: /.test(what)));
if (stranger.seen.length) fail("a stranger was told");
await stranger.channel.unsubscribe();

// A server that restarts: the client comes back by itself.
const patient = await watching(second);
await patient.until(() => patient.told.includes("SUBSCRIBED"));
console.log("ready");
await patient.until(() => patient.told.filter((what) => what === "SUBSCRIBED").length > 1);
await pay(second);
await patient.until(() => patient.seen.some((row) => row.status === "COMPLETED"));
await patient.channel.unsubscribe();
console.log("done");
process.exit(0);
