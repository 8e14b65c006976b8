"""Messages of webhooks, verified by the packages `standardwebhooks` and `svix`. Writes what was received,
with the secrets, to the file that it is given."""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import standardwebhooks
import svix
from loopback import equal, refused, until
from shop import Shop

received = []


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        headers = {name.lower(): value for name, value in self.headers.items()}
        received.append({"path": self.path, "headers": headers, "body": body})
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
threading.Thread(target=server.serve_forever, daemon=True).start()
shop = Shop()


def endpoint(path, **more):
    body = {"url": f"http://127.0.0.1:{server.server_port}{path}", **more}
    return shop.post("/v1/webhook-endpoints/create", body)


def told(path, kind):
    def look():
        return [one for one in received if one["path"] == path and json.loads(one["body"])["type"] == kind]

    return until(f"{kind} at {path}", look)


def verify(secret, message):
    """Both packages take it. That of Svix answers nothing, and raises what it does not take."""
    content = json.loads(message["body"])
    equal(standardwebhooks.Webhook(secret).verify(message["body"], message["headers"]), content)
    names = {name.replace("webhook", "svix"): value for name, value in message["headers"].items()}
    for headers in (message["headers"], names):
        svix.Webhook(secret).verify(message["body"], headers)


def rejects(secret, message):
    for package in (standardwebhooks, svix):
        refused(package.WebhookVerificationError, lambda: package.Webhook(secret).verify(message["body"], message["headers"]))


made = endpoint("/hooks")
other = endpoint("/others", event_types=["wallet.status"])
shop.pay(*shop.declare())
paid = told("/hooks", "execution.completed")[0]
verify(made["secret"], paid)
rejects(other["secret"], paid)
rejects(made["secret"], paid | {"body": paid["body"].replace("COMPLETED", "FAILED")})

# Both secrets sign while the old one still holds.
rotated = shop.post(f"/v1/webhook-endpoints/rotate-secret/{made['id']}", {"overlap_hours": 1})
assert rotated["secret"] != made["secret"]
shop.post(f"/v1/webhook-endpoints/test/{made['id']}", {})
tested = told("/hooks", "webhook.test")[0]
verify(made["secret"], tested)
verify(rotated["secret"], tested)

with open(sys.argv[1], "w") as file:
    secrets = [made["secret"], rotated["secret"]]
    json.dump({"wrong": other["secret"], "secrets": secrets, "paid": paid, "tested": tested}, file)
print(f"{len(received)} messages, verified by standardwebhooks and svix")
