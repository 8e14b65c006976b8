"""Card payments of a test merchant of kola whose network is localstripe: created, authenticated,
told by a webhook, refunded. Prints what must be booked in the end."""

import json
import os
import uuid
from datetime import datetime, timedelta, timezone

from loopback import done, equal, http, until

KOLA, STRIPE = os.environ["KOLA_URL"], os.environ["LOCALSTRIPE_URL"]
MERCHANT, SECRETS = json.loads(os.environ["MERCHANT"]), json.loads(os.environ["SECRETS"])
CALLBACK = KOLA + os.environ["CALLBACK_PATH"]
# Cards of Stripe's documentation.
GOOD, CHALLENGED = "4242424242424242", "4000000000003220"
CHALLENGED_DECLINED = "4000008400001629"


def kola(method, path, body=None):
    return done(method, KOLA + path, body=body, token=TOKEN)


def stripe(method, path, form=None):
    return done(method, STRIPE + path, form=form, token=SECRETS["secret_key"])


def card(number):
    """A payment account in kola for a card that the payer's browser has given to Stripe."""
    details = {"number": number, "exp_month": "12", "exp_year": "2090", "cvc": "123"}
    form = {"type": "card", **{f"card[{name}]": value for name, value in details.items()}}
    method = stripe("POST", "/v1/payment_methods", form)
    account = {
        "account_name": "Ama Kollie",
        "provider": "STRIPE",
        "method": "CREDIT_CARD",
        "party_id": PARTY["id"],
        "insensitive_account_number": method["id"],
    }
    return kola("POST", "/v1/payment-accounts/create?operation_type=COLLECTION", account)["id"]


def charge(number, amount):
    """Executes a checkout session of an invoice with a card."""
    invoice = {"counterparty_id": CUSTOMER["id"], "currency": "USD", "note": "Rice"}
    invoice |= {"fee_bearer": "PAYER", "as_payment_link": False}
    source = kola("POST", "/v1/invoices/create", invoice)["id"]
    item = {"name": "Rice", "currency": "USD", "qty": 1, "amount": amount}
    kola("POST", f"/v1/invoices/{source}/items/add", item)
    kola("PUT", f"/v1/invoices/publish/{source}")
    session = kola("POST", "/v1/sessions/checkout", {"source_id": source, "source_type": "INVOICE"})
    execution = {"session_id": session["id"], "payment_account_id": card(number)}
    execution |= {"currency": "USD", "reference_id": str(uuid.uuid4())}
    return kola("POST", "/v1/executions/collection", execution)


def refund(paid, amount):
    tomorrow = datetime.now(timezone.utc) + timedelta(days=1)
    session = {"original_payment_intent_id": paid["payment_intent_id"], "amount": amount}
    session |= {"expires_at": tomorrow.isoformat(), "reason": "Returned"}
    session = kola("POST", "/v1/sessions/refund", session)
    execution = {"session_id": session["id"], "reference_id": str(uuid.uuid4())}
    return kola("POST", "/v1/executions/refund", execution)


def now(kind, execution):
    return kola("GET", f"/v1/status/{kind}/{execution['reference_id']}")


def becomes(kind, execution, status):
    def look():
        found = now(kind, execution)
        assert found["status"] in (status, "PENDING", "PROCESSING"), found
        return found["status"] == status and found

    return until(f"{kind} {status}", look)


def awaits_payer(execution):
    """The payment once its payer has to act, and its id at Stripe."""

    def look():
        found = now("collection", execution)
        return found["requires_action"] and found

    found = until("the payer's turn", look)
    equal(found["publishable_key"], SECRETS["publishable_key"])
    return found["client_secret"].split("_secret_")[0], found["client_secret"]


def authenticate(execution, success):
    """What Stripe.js does in the payer's browser, with the publishable key."""
    intent, secret = awaits_payer(execution)
    form = {"client_secret": secret, "success": "true" if success else "false"}
    form["key"] = SECRETS["publishable_key"]
    return http("POST", f"{STRIPE}/v1/payment_intents/{intent}/_authenticate", form=form)


def intent_of(execution):
    """The payment in localstripe's own books."""
    intents = stripe("GET", "/v1/payment_intents?limit=100")["data"]
    reference = execution["reference_id"]
    own = [one for one in intents if one["metadata"]["kola_reference_id"] == reference]
    equal(len(own), 1)
    return own[0]


def questions(answered):
    done("PUT" if answered else "DELETE", f"{STRIPE}/_config/questions")


credentials = {name: MERCHANT[name] for name in ("client_id", "client_secret")}
TOKEN = done("POST", f"{KOLA}/v1/jwt/client/obtain/token", body=credentials)["access_token"]
party = {"fullname": "Ama Kollie", "phone": "231880000001"}
PARTY = kola("POST", "/v1/parties/create", party)
customer = {"relationship_type": "CUSTOMER", "party_id": PARTY["id"]}
CUSTOMER = kola("POST", "/v1/counterparties/create", customer)
webhook = {"url": CALLBACK, "secret": SECRETS["webhook_secret"]}
done("POST", f"{STRIPE}/_config/webhooks/kola", body=webhook)

# Charged at once.
simple = becomes("collection", charge(GOOD, 20.00), "COMPLETED")
equal(intent_of(simple)["status"], "succeeded")

# Authenticated by the payer. As long as no question is answered, only the webhook can tell.
begun = charge(CHALLENGED, 30.00)
awaits_payer(begun)
questions(answered=False)
equal(authenticate(begun, success=True)[0], 200)
paid = becomes("collection", begun, "COMPLETED")
questions(answered=True)
equal(intent_of(paid)["status"], "succeeded")

# The same, signed by a stranger: kola refuses it and goes on waiting, until a question is answered.
done("POST", f"{STRIPE}/_config/webhooks/kola", body={**webhook, "secret": "whsec_of_a_stranger"})
begun = charge(CHALLENGED, 40.00)
awaits_payer(begun)
questions(answered=False)
equal(authenticate(begun, success=True)[0], 200)
refused = 'webhook "payment_intent.succeeded" failed with response code 401'
until("the refusal", lambda: refused in done("GET", f"{STRIPE}/_config/deliveries"))
equal(now("collection", begun)["status"], "PROCESSING")
questions(answered=True)
asked = becomes("collection", begun, "COMPLETED")
done("POST", f"{STRIPE}/_config/webhooks/kola", body=webhook)

# A card that is declined at once is left out: localstripe's error does not name the payment, and a
# repeated request makes another one, since localstripe does not know idempotency keys.
#
# The payer fails to authenticate; the bank declines an authenticated payment. Neither is final at
# Stripe: kola cancels them.
failed = charge(CHALLENGED, 50.00)
equal(authenticate(failed, success=False)[0], 200)
declined = charge(CHALLENGED_DECLINED, 60.00)
equal(authenticate(declined, success=True)[0], 402)
for execution in (failed, declined):
    becomes("collection", execution, "FAILED")
    equal(intent_of(execution)["status"], "canceled")

# In parts, and the whole.
becomes("refund", refund(paid, 12.50), "COMPLETED")
becomes("refund", refund(paid, 17.50), "COMPLETED")
becomes("refund", refund(simple, 20.00), "COMPLETED")

intents = stripe("GET", "/v1/payment_intents?limit=100")["data"]
refunds = stripe("GET", "/v1/refunds?limit=100")["data"]
equal((len(intents), len(refunds)), (5, 3))
received = sum(one["amount"] for one in intents if one["status"] == "succeeded")
given_back = sum(one["amount"] for one in refunds)
print(json.dumps({"payments": 5, "refunds": 3, "held_minor": received - given_back}))
