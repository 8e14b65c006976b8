"""A merchant of kola, for the programs of `cargo xtask test --clients`."""

import json
import os
import uuid

from loopback import done

KOLA = os.environ["KOLA_URL"]
PHONE = "231880000001"


class Shop:
    def __init__(self):
        credentials = json.loads(os.environ["MERCHANT"])
        credentials = {name: credentials[name] for name in ("client_id", "client_secret")}
        self.token = done("POST", f"{KOLA}/v1/jwt/client/obtain/token", body=credentials)["access_token"]
        party = self.post("/v1/parties/create", {"fullname": "Ama Kollie", "phone": PHONE})
        customer = {"relationship_type": "CUSTOMER", "party_id": party["id"]}
        self.customer = self.post("/v1/counterparties/create", customer)
        account = {"account_name": "Ama Kollie", "provider": "PAWAPAY", "method": "MTN_MOMO_LBR"}
        account |= {"party_id": party["id"], "sensitive_account_number": PHONE}
        self.account = self.post("/v1/payment-accounts/create?operation_type=COLLECTION", account)

    def call(self, method, path, body=None):
        return done(method, KOLA + path, body=body, token=self.token)

    def post(self, path, body):
        return self.call("POST", path, body)

    def declare(self):
        """The id of a session that is not executed yet, and the reference of its payment."""
        invoice = {"counterparty_id": self.customer["id"], "currency": "USD", "note": "Rice"}
        invoice |= {"fee_bearer": "PAYER", "as_payment_link": False}
        source = self.post("/v1/invoices/create", invoice)["id"]
        item = {"name": "Rice", "currency": "USD", "qty": 1, "amount": 100}
        self.post(f"/v1/invoices/{source}/items/add", item)
        self.call("PUT", f"/v1/invoices/publish/{source}")
        session = {"source_id": source, "source_type": "INVOICE"}
        return self.post("/v1/sessions/checkout", session)["id"], str(uuid.uuid4())

    def pay(self, session, reference):
        execution = {"session_id": session, "payment_account_id": self.account["id"]}
        execution |= {"currency": "USD", "reference_id": reference}
        return self.post("/v1/executions/collection", execution)
