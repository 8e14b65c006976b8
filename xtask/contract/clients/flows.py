"""The four flows, played with the client that openapi-python-client makes of the document."""

import json
import os
import time
import uuid
from datetime import datetime, timedelta, timezone

from kola_client import AuthenticatedClient, Client
from kola_client.api.checkouts import create_checkout
from kola_client.api.counterparties import create_counterparty
from kola_client.api.executions import execute_collection, execute_payout, execute_refund, execute_transfer
from kola_client.api.jwt import obtain_client_token
from kola_client.api.parties import create_party
from kola_client.api.payment_accounts import create_payment_account
from kola_client.api.sessions import (
    create_checkout_session,
    create_payout_session,
    create_refund_session,
    create_transfer_session,
    list_sessions,
)
from kola_client.api.status import get_collection_status, get_payout_status, get_refund_status, get_transfer_status
from kola_client.models import (
    CheckoutItem,
    ClientCredentialObtainToken,
    CreateCheckout,
    CreateCheckoutSession,
    CreateCounterparty,
    CreateParty,
    CreatePaymentAccount,
    CreatePayoutSession,
    CreateRefundSession,
    CreateTransferSession,
    Currency,
    ExecuteCollection,
    ExecutePayout,
    ExecuteSession,
    Operation,
    PageMode,
    Relationship,
    SourceType,
)

URL, MERCHANT = os.environ["KOLA_URL"], json.loads(os.environ["MERCHANT"])
PHONE = "231880000001"


def sent(module, **arguments):
    response = module.sync_detailed(client=client, **arguments)
    assert response.status_code == 200, (module.__name__, response.status_code, response.content)
    return response.parsed


def completed(module, reference):
    for _ in range(600):
        execution = sent(module, reference_id=reference)
        if execution.status in ("COMPLETED", "FAILED"):
            break
        time.sleep(0.1)
    assert execution.status == "COMPLETED", execution
    return execution


client = Client(base_url=URL)
secrets = ClientCredentialObtainToken(client_id=MERCHANT["client_id"], client_secret=MERCHANT["client_secret"])
client = AuthenticatedClient(base_url=URL, token=sent(obtain_client_token, body=secrets).access_token)

wallet = next(wallet["id"] for wallet in MERCHANT["wallets"] if wallet["currency"] == "USD")
party = sent(create_party, body=CreateParty(fullname="Ama Kollie", phone=PHONE))
customer = sent(
    create_counterparty, body=CreateCounterparty(relationship_type=Relationship("CUSTOMER"), party_id=party.id)
)
payer, payee = (
    sent(
        create_payment_account,
        operation_type=Operation(operation),
        body=CreatePaymentAccount(
            account_name="Mobile",
            provider="PAWAPAY",
            method="MTN_MOMO_LBR",
            party_id=party.id,
            insensitive_account_number=PHONE,
        ),
    )
    for operation in ("COLLECTION", "PAYOUT")
)
usd = Currency("USD")
tomorrow = datetime.now(timezone.utc) + timedelta(days=1)

checkout = sent(
    create_checkout,
    body=CreateCheckout(
        mode=PageMode("HOSTED"),
        source_kind=SourceType("ORDER"),
        party_phone=PHONE,
        currency=usd,
        items=[CheckoutItem(name="Coffee", currency=usd, amount=12.5)],
    ),
)
session = sent(
    create_checkout_session,
    body=CreateCheckoutSession(source_id=checkout.source_id, source_type=SourceType("ORDER")),
)
key = uuid.uuid4()
sent(
    execute_collection,
    body=ExecuteCollection(session_id=session.id, payment_account_id=payer.id, currency=usd, reference_id=key),
)
paid = completed(get_collection_status, key)

session = sent(
    create_payout_session,
    body=CreatePayoutSession(
        wallet_id=wallet, payment_account_id=payee.id, amount=5.0, currency=usd, expires_at=tomorrow
    ),
)
key = uuid.uuid4()
sent(execute_payout, body=ExecutePayout(session_id=session.id, reference_id=key))
completed(get_payout_status, key)

session = sent(
    create_transfer_session,
    body=CreateTransferSession(
        from_wallet_id=wallet, to_counterparty_id=customer.id, amount=2.0, currency=usd, expires_at=tomorrow
    ),
)
key = uuid.uuid4()
sent(execute_transfer, body=ExecuteSession(session_id=session.id, reference_id=key))
completed(get_transfer_status, key)

session = sent(
    create_refund_session,
    body=CreateRefundSession(original_payment_intent_id=paid.payment_intent_id, amount=1.25, expires_at=tomorrow),
)
key = uuid.uuid4()
sent(execute_refund, body=ExecuteSession(session_id=session.id, reference_id=key))
completed(get_refund_status, key)

assert sent(list_sessions, kind="payout")[0].wallet_id == wallet
refused = create_party.sync_detailed(client=client, body=CreateParty(fullname="Nobody", phone="0"))
assert refused.status_code == 422 and refused.parsed.detail[0].loc == ["body", "phone"], refused
print("4 flows")
