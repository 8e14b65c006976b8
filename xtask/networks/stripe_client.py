"""Stripe's own client against the fake of Stripe: what it sends is taken, what it is answered it
understands, and its verifier believes the events that the fake signs, and no others."""

import http.server
import os
import threading

import loopback
import stripe
from loopback import done, equal, http as ask, refused, until

STRIPE, CONTROL = os.environ["FAKE_STRIPE_URL"], os.environ["FAKE_CONTROL_URL"]
KEY, PUBLISHABLE_KEY = os.environ["FAKE_SECRET_KEY"], os.environ["FAKE_PUBLISHABLE_KEY"]
SECRET, NEXT_SECRET = "whsec_first00000000", "whsec_second0000000"
# The client is the one whose version of the API is the version that kola asks for.
equal(stripe.api_version, os.environ["API_VERSION"])
stripe.enable_telemetry = False
# Nothing is asked of the addresses that the library has by itself.
stripe.api_base = stripe.connect_api_base = stripe.upload_api_base = STRIPE
stripe.meter_events_api_base = STRIPE
calls = 0


class CountingClient(stripe.RequestsClient):
    def request(self, method, url, *arguments, **more):
        global calls
        calls += 1
        assert url.startswith(STRIPE + "/"), url
        return super().request(method, url, *arguments, **more)


def client(key=KEY, retries=0, version=None, timeout=60):
    bases = dict.fromkeys(("api", "connect", "files", "meter_events"), STRIPE)
    return stripe.StripeClient(
        key,
        base_addresses=bases,
        max_network_retries=retries,
        stripe_version=version,
        http_client=CountingClient(timeout=timeout),
    ).v1


def control(path, **body):
    return done("POST", CONTROL + path, body=body)


def fault(kind, method="POST", path="/v1/payment_intents", **more):
    match = {"method": method, "path": path}
    control("/faults", network="STRIPE", kind=kind, match=match, **more)


received = []


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        received.append((body, self.headers["Stripe-Signature"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


receiver = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
threading.Thread(target=receiver.serve_forever, daemon=True).start()
webhook_url = f"http://127.0.0.1:{receiver.server_port}/events"
control("/stripe/webhooks", url=webhook_url, secrets=[SECRET])
api = client()
CARD = {"amount": 2000, "currency": "usd", "payment_method_types": ["card"]}


def pay(card="pm_card_visa", **more):
    params = {**CARD, "payment_method": card, "confirm": True, **more}
    return api.payment_intents.create(params)


def in_steps():
    intent = api.payment_intents.create({**CARD, "metadata": {"order": "7", "of": "B & C"}})
    assert isinstance(intent, stripe.PaymentIntent)
    equal((intent.status, intent.amount, intent.livemode), ("requires_payment_method", 2000, False))
    assert intent.client_secret.startswith(intent.id + "_secret_")
    equal(intent.last_response.headers["Stripe-Version"], stripe.api_version)
    assert intent.last_response.request_id.startswith("req_")
    intent = api.payment_intents.update(intent.id, {"payment_method": "pm_card_visa"})
    equal(intent.status, "requires_confirmation")
    intent = api.payment_intents.confirm(intent.id)
    equal((intent.status, intent.amount_received), ("succeeded", 2000))
    found = api.payment_intents.retrieve(intent.id, {"expand": ["latest_charge"]})
    assert isinstance(found.latest_charge, stripe.Charge)
    equal((found.latest_charge.payment_intent, found.latest_charge.paid), (intent.id, True))
    equal(found.metadata.to_dict(), {"order": "7", "of": "B & C"})
    equal(api.charges.retrieve(found.latest_charge.id).amount, 2000)
    # A payer's page has only the publishable key, and the secret of the one payment.
    page = client(PUBLISHABLE_KEY).payment_intents
    equal(page.retrieve(intent.id, {"client_secret": intent.client_secret}).status, "succeeded")
    refused(stripe.AuthenticationError, lambda: page.retrieve(intent.id))
    error = refused(stripe.InvalidRequestError, lambda: api.payment_intents.cancel(intent.id))
    equal((error.http_status, error.code), (400, "payment_intent_unexpected_state"))
    equal(error.error.payment_intent.id, intent.id)


def authenticated():
    for success, status in ((True, "succeeded"), (False, "requires_payment_method")):
        intent = pay("pm_card_threeDSecure2Required", return_url="https://shop.example/back")
        equal((intent.status, intent.next_action.type), ("requires_action", "redirect_to_url"))
        equal(intent.next_action.redirect_to_url.return_url, "https://shop.example/back")
        control("/stripe/authenticate", payment_intent=intent.id, success=success)
        intent = api.payment_intents.retrieve(intent.id)
        equal(intent.status, status)
    equal(intent.last_payment_error.code, "payment_intent_authentication_failure")
    equal(pay("pm_card_threeDSecure2Required").next_action.type, "use_stripe_sdk")


def cancelled():
    intent = pay("pm_card_threeDSecure2Required")
    reason = {"cancellation_reason": "abandoned"}
    intent = api.payment_intents.cancel(intent.id, reason)
    equal((intent.status, intent.cancellation_reason), ("canceled", "abandoned"))
    refused(stripe.InvalidRequestError, lambda: api.payment_intents.confirm(intent.id))
    wrong = {"cancellation_reason": "tired"}
    refused(stripe.InvalidRequestError, lambda: api.payment_intents.cancel(intent.id, wrong))


def declined():
    for card, code, decline_code in (
        ("pm_card_visa_chargeDeclined", "card_declined", "generic_decline"),
        ("pm_card_visa_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", "expired_card"),
    ):
        error = refused(stripe.CardError, lambda: pay(card))
        equal((error.http_status, error.code), (402, code))
        equal((error.error.type, error.error.decline_code), ("card_error", decline_code))
        assert error.user_message and error.request_id.startswith("req_")
        intent = api.payment_intents.retrieve(error.error.payment_intent.id)
        equal((intent.status, intent.last_payment_error.code), ("requires_payment_method", code))
        charge = api.charges.retrieve(intent.latest_charge)
        equal((charge.status, charge.failure_code), ("failed", code))


def recognized():
    options = {"idempotency_key": "order-8"}
    params = {**CARD, "payment_method": "pm_card_visa", "confirm": True}
    first = api.payment_intents.create(params, options)
    again = api.payment_intents.create(params, options)
    equal((again.id, again.status), (first.id, "succeeded"))
    equal(first.last_response.idempotency_key, "order-8")
    equal(again.last_response.headers["Idempotent-Replayed"], "true")
    assert "Idempotent-Replayed" not in first.last_response.headers
    other = {**params, "amount": 2001}
    error = refused(stripe.IdempotencyError, lambda: api.payment_intents.create(other, options))
    equal(error.http_status, 400)


def tried_again():
    """Whatever becomes of a request, the client sends it again with its key, and pays once."""
    patient = client(retries=5, timeout=3).payment_intents
    params = {**CARD, "payment_method": "pm_card_visa", "confirm": True}
    for kind, more in (
        ("REQUEST_LOST", {}),
        ("ANSWER_LOST", {}),
        ("RESET", {}),
        ("REFUSED", {"status": 503}),
        ("REFUSED", {"status": 409}),
    ):
        before = len(done("GET", CONTROL + "/books")["stripe"]["payment_intents"])
        fault(kind, **more)
        equal(patient.create(params).status, "succeeded")
        equal(len(done("GET", CONTROL + "/books")["stripe"]["payment_intents"]), before + 1)
    for kind in ("BAD_GATEWAY", "CUT_ANSWER", "EMPTY_ANSWER"):
        # What cannot be read is no payment to the client, and with its key it is found.
        options = {"idempotency_key": f"order-{kind}"}
        fault(kind)
        refused(stripe.StripeError, lambda: api.payment_intents.create(params, options))
        found = api.payment_intents.create(params, options)
        equal(found.status, "succeeded")
        equal(found.last_response.headers["Idempotent-Replayed"], "true")
    # A stored error is repeated, whatever is tried.
    fault("SERVER_ERROR")
    error = refused(stripe.APIError, lambda: client(retries=2).payment_intents.create(params))
    equal(error.http_status, 500)


def refused_requests():
    intents = api.payment_intents
    for params, code, param in (
        ({"currency": "usd"}, "parameter_missing", "amount"),
        ({**CARD, "amount": 10}, "amount_too_small", "amount"),
        ({**CARD, "amount": 100_000_000}, "amount_too_large", "amount"),
        ({**CARD, "colour": "red"}, "parameter_unknown", "colour"),
        ({**CARD, "payment_method": "pm_nobody"}, "resource_missing", "payment_method"),
    ):
        error = refused(stripe.InvalidRequestError, lambda: intents.create(params))
        equal((error.code, error.param), (code, param))
    error = refused(stripe.InvalidRequestError, lambda: intents.retrieve("pi_nobody"))
    equal((error.http_status, error.code), (404, "resource_missing"))
    stranger = client("sk_test_stranger").payment_intents
    error = refused(stripe.AuthenticationError, lambda: stranger.create(CARD))
    equal(error.http_status, 401)
    fault("REFUSED", status=403)
    refused(stripe.PermissionError, lambda: intents.create(CARD))
    fault("REFUSED", status=429, retry_after=1)
    error = refused(stripe.RateLimitError, lambda: intents.create(CARD))
    equal((error.error.code, error.headers["Retry-After"]), ("rate_limit", "1"))
    # The next version of the API has lost this parameter.
    newer = client(version="2026-10-28.endive").payment_intents
    error = refused(stripe.InvalidRequestError, lambda: newer.create(CARD))
    equal((error.code, error.param), ("parameter_unknown", "payment_method_types"))


def refunded():
    intent = pay()
    part = {"payment_intent": intent.id, "amount": 500, "metadata": {"of": "7"}}
    first = api.refunds.create(part)
    assert isinstance(first, stripe.Refund)
    equal((first.status, first.amount, first.currency), ("succeeded", 500, "usd"))
    equal(api.refunds.retrieve(first.id).metadata.to_dict(), {"of": "7"})
    too_much = {"payment_intent": intent.id, "amount": 1501}
    refused(stripe.InvalidRequestError, lambda: api.refunds.create(too_much))
    rest = api.refunds.create({"charge": intent.latest_charge, "reason": "duplicate"})
    equal((rest.amount, rest.payment_intent), (1500, intent.id))
    whole = {"payment_intent": intent.id}
    error = refused(stripe.InvalidRequestError, lambda: api.refunds.create(whole))
    equal(error.code, "charge_already_refunded")
    equal([one.id for one in api.refunds.list(whole)], [rest.id, first.id])
    charge = api.charges.retrieve(intent.latest_charge)
    equal((charge.amount_refunded, charge.refunded), (2000, True))
    refused(stripe.InvalidRequestError, lambda: api.refunds.cancel(first.id))
    later = api.refunds.update(first.id, {"metadata": {"of": "8"}})
    equal(later.metadata.to_dict(), {"of": "8"})
    again = pay("pm_card_refundFail")
    broken = api.refunds.create({"payment_intent": again.id})
    control("/clock/advance", seconds=0)
    until("the end of the refund", lambda: api.refunds.retrieve(broken.id).status == "failed")
    equal(api.refunds.retrieve(broken.id).failure_reason, "expired_or_canceled_card")


def on_stripes_page():
    item = {"currency": "usd", "unit_amount": 750, "product_data": {"name": "Rice & beans"}}
    params = {
        "mode": "payment",
        "client_reference_id": "order-9",
        "line_items": [{"price_data": item, "quantity": 2}],
        "success_url": "http://127.0.0.1:1/paid",
        "cancel_url": "http://127.0.0.1:1/back",
        "payment_intent_data": {"metadata": {"order": "9"}},
    }
    sessions = api.checkout.sessions
    session = sessions.create(params)
    assert isinstance(session, stripe.checkout.Session)
    equal((session.status, session.payment_status), ("open", "unpaid"))
    equal((session.amount_total, session.client_reference_id), (1500, "order-9"))
    assert session.url.startswith(STRIPE)
    equal(ask("POST", session.url, form={"number": "4000000000000002"})[0], 200)
    equal(sessions.retrieve(session.id).status, "open")
    equal(ask("POST", session.url, form={"number": "4242424242424242"})[0], 303)
    paid = sessions.retrieve(session.id, {"expand": ["payment_intent"]})
    equal((paid.status, paid.payment_status), ("complete", "paid"))
    equal(paid.payment_intent.metadata.to_dict(), {"order": "9"})
    equal(paid.payment_intent.amount_received, 1500)
    refused(stripe.InvalidRequestError, lambda: sessions.expire(session.id))
    left = sessions.create(params)
    equal(sessions.expire(left.id).status, "expired")
    equal(sessions.retrieve(left.id).url, None)
    listed = [one.id for one in sessions.list({"limit": 2})]
    equal(listed, [left.id, session.id])


def listed():
    made = [pay().id for _ in range(5)]
    page = api.payment_intents.list({"limit": 2})
    equal(([one.id for one in page], page.has_more), ([made[4], made[3]], True))
    walked = []
    for intent in page.auto_paging_iter():
        walked.append(intent.id)
        if len(walked) == 5:
            break
    equal(walked, made[::-1])
    # Backwards from the oldest of them.
    before = api.payment_intents.list({"limit": 2, "ending_before": made[0]})
    equal(([one.id for one in before], before.has_more), ([made[2], made[1]], True))
    control("/stripe/settings", search_lag_ms=0)
    api.payment_intents.update(made[2], {"metadata": {"order": "10"}})
    found = api.payment_intents.search({"query": "metadata['order']:'10'"})
    equal([one.id for one in found], [made[2]])
    assert not api.payment_intents.search({"query": "metadata['order']:'11'"}).data


def in_the_balance():
    balance = api.balance.retrieve()
    assert isinstance(balance, stripe.Balance)
    intent = pay()
    charge = api.charges.retrieve(intent.latest_charge, {"expand": ["balance_transaction"]})
    moved = charge.balance_transaction
    assert isinstance(moved, stripe.BalanceTransaction)
    equal((moved.amount, moved.amount - moved.fee, moved.type), (2000, moved.net, "charge"))
    of_charge = api.balance_transactions.list({"source": charge.id})
    equal([one.id for one in of_charge], [moved.id])


def disputed():
    intent = pay("pm_card_createDispute")

    def look():
        return api.disputes.list({"payment_intent": intent.id}).data

    dispute = until("the dispute", look)[0]
    assert isinstance(dispute, stripe.Dispute)
    equal((dispute.charge, dispute.amount), (intent.latest_charge, 2000))
    error = refused(
        stripe.InvalidRequestError, lambda: api.refunds.create({"payment_intent": intent.id})
    )
    equal(error.code, "charge_disputed")


def believed():
    """Every event until now, as the receiver has got it."""

    def all_came():
        done("POST", CONTROL + "/flush")
        return len(received) == len(list(api.events.list({"limit": 40}).auto_paging_iter()))

    until("the events", all_came)
    kinds = set()
    for body, signature in received:
        event = stripe.Webhook.construct_event(body, signature, SECRET)
        assert isinstance(event, stripe.Event)
        equal(event.api_version, stripe.api_version)
        kinds.add(event.type)
        equal(event.data.object.to_dict()["object"].split(".")[-1], event.type.split(".")[-2])
        for changed in (body.replace(b'"usd"', b'"eur"'), body + b" ", body[1:]):
            doubted(changed, signature, SECRET)
        doubted(body, signature, NEXT_SECRET)
    for kind in (
        "payment_intent.succeeded",
        "payment_intent.payment_failed",
        "payment_intent.requires_action",
        "payment_intent.canceled",
        "checkout.session.completed",
        "checkout.session.expired",
        "charge.refunded",
        "refund.created",
        "refund.failed",
        "charge.dispute.created",
    ):
        assert kind in kinds, (kind, kinds)
    event = api.events.list({"type": "payment_intent.succeeded"}).data[0]
    equal(api.events.retrieve(event.id).data.object.status, "succeeded")
    return len(received), len(kinds)


def doubted(body, signature, secret):
    refused(
        stripe.SignatureVerificationError,
        lambda: stripe.Webhook.construct_event(body, signature, secret),
    )


def sent(**how):
    """An event that is sent again."""
    before = len(received)
    event = api.events.list({"type": "payment_intent.succeeded"}).data[0]
    control("/stripe/events", event=event.id, **how)
    until("the event", lambda: len(received) > before)
    return received[-1]


def doubted_events():
    for signature in ("FORGED", "EXPIRED", "TAMPERED"):
        body, header = sent(signature=signature)
        doubted(body, header, SECRET)
    body, header = sent(signature="UNSIGNED")
    equal(header, None)
    # While a secret is changed, either of both will do.
    control("/stripe/webhooks", url=webhook_url, secrets=[SECRET, NEXT_SECRET])
    body, header = sent()
    for secret in (SECRET, NEXT_SECRET):
        stripe.Webhook.construct_event(body, header, secret)
    control("/stripe/webhooks", url=webhook_url, secrets=[NEXT_SECRET])
    body, header = sent()
    stripe.Webhook.construct_event(body, header, NEXT_SECRET)
    doubted(body, header, SECRET)


PARTS = [
    in_steps,
    authenticated,
    cancelled,
    declined,
    recognized,
    tried_again,
    refused_requests,
    refunded,
    on_stripes_page,
    listed,
    in_the_balance,
    disputed,
]
for part in PARTS:
    part()
events, kinds = believed()
doubted_events()
receiver.shutdown()
said = f"{len(PARTS)} parts, {calls} calls, {events} events of {kinds} kinds"
print(f"Stripe's client {stripe.VERSION}: {said}")
