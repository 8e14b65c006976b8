"""Merchants that trade until they are stopped: payments that end well and badly, through the sandbox and
through a network, with webhooks and a listener."""

import json
import os
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from loopback import done, http
from shop import KOLA, Shop

# What they do is in docs/sandbox.md. The last one leaves a review, with money in suspense.
GOOD, REFUSED, SILENT, CONTRADICTED = "231880000001", "231880000049", "231880000149", "231880000179"


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(500 if self.path == "/broken" else 204)
        self.end_headers()

    def log_message(self, *_):
        pass


def account(shop, number, operation="COLLECTION"):
    party = shop.post("/v1/parties/create", {"fullname": "Ama Kollie", "phone": number})
    new = {"account_name": "Ama Kollie", "provider": "PAWAPAY", "method": "MTN_MOMO_LBR"}
    new |= {"party_id": party["id"], "insensitive_account_number": number}
    return shop.post(f"/v1/payment-accounts/create?operation_type={operation}", new)


def pay(shop, by):
    session, reference = shop.declare()
    execution = {"session_id": session, "payment_account_id": by["id"], "currency": "USD"}
    shop.post("/v1/executions/collection", execution | {"reference_id": reference})


def listen(shop):
    request = urllib.request.Request(f"{KOLA}/v1/events/stream", headers={"Authorization": f"Bearer {shop.token}"})
    with urllib.request.urlopen(request) as stream:
        for _ in stream:
            pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
threading.Thread(target=server.serve_forever, daemon=True).start()
sandbox = Shop()
os.environ["MERCHANT"] = os.environ["TEST_MERCHANT"]
test = Shop()
for path in ("/hooks", "/broken"):
    sandbox.post("/v1/webhook-endpoints/create", {"url": f"http://127.0.0.1:{server.server_port}{path}"})
threading.Thread(target=listen, args=[sandbox], daemon=True).start()
payers = [account(sandbox, number) for number in (GOOD, REFUSED, SILENT, CONTRADICTED)]
round_ = 0
while True:
    for payer in payers:
        pay(sandbox, payer)
    pay(test, test.account)
    http("GET", f"{KOLA}/nowhere/{round_}")
    round_ += 1
    if round_ == 3:
        print("trading", flush=True)
    time.sleep(0.3)
