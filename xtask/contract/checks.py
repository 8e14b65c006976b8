"""What Schemathesis must know beyond the document to test kola. Loaded by `cargo xtask test --contract`."""

import atexit
import json
import os
import uuid
from collections import Counter
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import schemathesis
from hypothesis import strategies as st
from jsonschema_rs import Draft202012Validator
from schemathesis.specs.openapi.checks import negative_data_rejection

# Formats ------------------------------------------------------------------------------------------------------------

# A time that is in order everywhere: expiries lie in the future, and within a year.
_SOON = st.integers(min_value=120, max_value=300 * 86400).map(
    lambda seconds: (datetime.now(timezone.utc) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
)
schemathesis.openapi.format("date-time", _SOON)
# Keys are of version 4, which the name of the format does not say.
schemathesis.openapi.format("uuid", st.uuids(version=4).map(str))
schemathesis.openapi.format("email", st.from_regex(r"\A[a-z][a-z0-9]{0,9}(\.[a-z0-9]{1,9})?@[a-z0-9]{1,9}\.[a-z]{2,5}\Z"))


# The merchant ---------------------------------------------------------------------------------------------------------


def _post(path, body, token=None):
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
    with urlopen(Request(os.environ["KOLA_URL"] + path, json.dumps(body).encode(), headers)) as answer:
        return json.load(answer)


def _words(case):
    words = case.path.strip("/").split("/")
    return words[1:] if words[0] == "v1" else words


_MERCHANT = json.loads(os.environ["MERCHANT"])
# Its keys may be revoked and its passcode be locked: whatever else is tested is tested as the other one.
_ASIDE = json.loads(os.environ["ASIDE"])


def _who(case):
    words = _words(case)
    return _ASIDE if words[0] == "api-keys" or "passcode" in words else _MERCHANT


def _obtain_token(merchant):
    secrets = {name: merchant[name] for name in ("client_id", "client_secret")}
    return _post("/v1/jwt/client/obtain/token", secrets)["access_token"]


@schemathesis.auth(cache_by_key=lambda case, context: _who(case)["client_id"])
class Token:
    def get(self, case, context):
        return _obtain_token(_who(case))

    def set(self, case, data, context):
        case.headers["Authorization"] = f"Bearer {data}"


class Shop:
    """What a payment points at. Random requests seldom make all of it, and less often in the right order."""

    def __init__(self):
        self.token = _obtain_token(_MERCHANT)
        self.wallet = next(wallet["id"] for wallet in _MERCHANT["wallets"] if wallet["currency"] == "USD")
        self.paid = []
        # No merchant has this phone, and the sandbox lets every payment of this number succeed.
        self.phone = "231880000001"
        party = self.make("parties/create", {"fullname": "Contract", "phone": self.phone})
        self.counterparty = self.make("counterparties/create", {"relationship_type": "CUSTOMER", "party_id": party})
        account = {
            "account_name": "Mobile",
            "provider": "PAWAPAY",
            "method": "MTN_MOMO_LBR",
            "party_id": party,
            "insensitive_account_number": self.phone,
        }
        self.payer, self.payee = (
            self.make(f"payment-accounts/create?operation_type={operation}", account) for operation in ("COLLECTION", "PAYOUT")
        )

    def make(self, path, body):
        return _post(f"/v1/{path}", body, self.token)["id"]

    def session(self, operation):
        """The body of an execution that can be carried out; `None` where there is nothing to carry out."""
        until = (datetime.now(timezone.utc) + timedelta(days=1)).isoformat()
        money = {"amount": 5, "currency": "USD", "expires_at": until}
        if operation == "collection":
            item = {"name": "A thing", "currency": "USD", "amount": 5}
            body = {"mode": "HOSTED", "source_kind": "ORDER", "party_phone": self.phone, "currency": "USD", "items": [item]}
            source = _post("/v1/checkouts/create", body, self.token)["source_id"]
            session = self.make("sessions/checkout", {"source_id": source, "source_type": "ORDER"})
            return {"session_id": session, "payment_account_id": self.payer, "currency": "USD"}
        if operation == "payout":
            body = {"wallet_id": self.wallet, "payment_account_id": self.payee, **money}
            return {"session_id": self.make("sessions/payout", body), "payout_account_id": None}
        if operation == "transfer":
            body = {"from_wallet_id": self.wallet, "to_counterparty_id": self.counterparty, **money}
            return {"session_id": self.make("sessions/transfer", body)}
        if self.paid:
            body = {"original_payment_intent_id": self.paid.pop(), "amount": 1, "expires_at": until}
            return {"session_id": self.make("sessions/refund", body)}
        return None


_SHOP = []


def _shop():
    if not _SHOP:
        _SHOP.append(Shop())
    return _SHOP[0]


def _session(operation):
    """A session that can be executed. A request may have deactivated an account of the shop: then it gets new ones."""
    try:
        return _shop().session(operation)
    except HTTPError:
        _SHOP.clear()
        return _shop().session(operation)


# Objects that are there -------------------------------------------------------------------------------------------------

# Ids that answers gave, by what they are ids of. A request that is right by the document gets them in place of ids that
# nothing has, every other time, so that more than refusals is seen.
_SEEN = {}
_CALLS = [0]
_KINDS = {
    "parties": "party",
    "counterparties": "counterparty",
    "payment-accounts": "payment_account",
    "invoices": "invoice",
    "orders": "order",
    "wallets": "wallet",
    "payment-intents": "payment_intent",
}
_FIELDS = {
    "party_id": "party",
    "counterparty_id": "counterparty",
    "to_counterparty_id": "counterparty",
    "payment_account_id": "payment_account",
    "payout_account_id": "payment_account",
    "wallet_id": "wallet",
    "from_wallet_id": "wallet",
    "invoice_id": "invoice",
    "order_id": "order",
    "original_payment_intent_id": "payment_intent",
}


def _kind_of_id(words, place):
    """What `id` in a path or an answer is the id of."""
    if "items" in words:
        return f"{words[0]}-item"
    if words[0] == "sessions":
        return f"{words[1] if words[1] != '{kind}' else (place or {}).get('kind')}-session"
    return _KINDS.get(words[0])


def _remember(kind, value):
    if kind and isinstance(value, int):
        seen = _SEEN.setdefault(kind, [])
        if value not in seen:
            seen.append(value)
            del seen[:-20]


def _known(kind):
    seen = _SEEN.get(kind)
    return seen[_CALLS[0] % len(seen)] if seen else None


@schemathesis.hook
def before_call(context, case, kwargs):
    _CALLS[0] += 1
    body, path, words = case.body, case.path_parameters or {}, _words(case)
    if words[0] == "sandbox" and isinstance(body, dict) and isinstance(body.get("seconds"), int) and 1 <= body["seconds"]:
        # By a second, lest every expiry lies in the past.
        body["seconds"] = 1
    if case.meta is None or not case.meta.generation.mode.is_positive or _CALLS[0] % 2:
        return
    for name in path:
        kind = _kind_of_id(words, path) if name == "id" else _FIELDS.get(name)
        if _known(kind) is not None:
            path[name] = _known(kind)
    if not isinstance(body, dict):
        return
    for name in body:
        kind = _FIELDS.get(name)
        if name == "session_id":
            kind = f"{ {'collection': 'checkout'}.get(words[1], words[1]) }-session"
        elif name == "source_id":
            kind = str(body.get("source_type")).lower()
        if body[name] is not None and _known(kind) is not None:
            body[name] = _known(kind)
    if words[0] == "executions":
        body.update(_session(words[1]) or {}, reference_id=str(uuid.uuid4()))
        return
    # Money that can move: what nearly every wallet, account and item here is in.
    if _CALLS[0] % 4 == 0:
        for name, value in {"currency": "USD", "amount": 5, "method": "MTN_MOMO_LBR", "provider": "PAWAPAY"}.items():
            if name in body:
                body[name] = value


_ANSWERS = Counter()
atexit.register(lambda: print("answers by status:", dict(sorted(_ANSWERS.items()))))


@schemathesis.hook
def after_call(context, case, response):
    _ANSWERS[response.status_code] += 1
    # The QR code of a payment link is a picture, and has no ids.
    if response.status_code != 200 or not response.content.lstrip().startswith((b"{", b"[")):
        return
    words = _words(case)
    answer = response.json()
    for row in answer if isinstance(answer, list) else [answer]:
        if isinstance(row, dict):
            _remember(_kind_of_id(words, case.path_parameters), row.get("id"))
            _remember("payment_intent", row.get("payment_intent_id"))
            if words == ["executions", "collection"] and row.get("status") == "COMPLETED":
                _shop().paid.append(row["payment_intent_id"])


@schemathesis.hook
def filter_case(context, case):
    """An empty value in a query is as good as none, for clients send such: no schema can say that of a number."""
    return not any(_is_empty(value) for value in (case.query or {}).values())


def _is_empty(value):
    """Whether it is written as nothing: `''`, `[]`, `{}`, and lists of such."""
    if isinstance(value, list):
        return all(_is_empty(one) for one in value)
    return value is None or value in ("", {})


# Checks -----------------------------------------------------------------------------------------------------------------

_BY_SHAPE = (
    "type_error.",
    "value_error.missing",
    "value_error.number.",
    "value_error.any_str.",
    "value_error.list.",
    "value_error.str.",
    "value_error.email",
    "value_error.datetime",
    "value_error.jsondecode",
    "value_error.uuid",
)


def _sent(case, loc):
    value = case.body if loc[0] == "body" else case.query
    for step in loc[1:]:
        value = value[step]
    return value


# The most of a currency with four decimals, which has the fewest major units of all.
_FEWEST_MAJOR_UNITS = 10**11


def _is_too_much(fault, case):
    """Whether an amount is above a limit that some currency has."""
    limit = fault["ctx"]["limit_value"]
    return limit >= _FEWEST_MAJOR_UNITS and Decimal(str(_sent(case, fault["loc"]))) > limit


def _is_beyond_a_schema(fault, case):
    kind, field = fault["type"], fault["loc"][-1]
    return (
        # How large an amount is, and how many decimals it has, is a matter of its currency; the name of a network one of the
        # method beside it. Which methods there are is said by the tariff's rows.
        (kind == "value_error.number.not_le" and field in ("amount", "base_amount") and _is_too_much(fault, case))
        or (kind == "type_error.enum" and field in ("provider", "method", "payment_method"))
        # Which of two fields names a payout's account decides which others are needed: the document has one object for both.
        or (kind == "value_error.missing" and _words(case) == ["sessions", "payout"] and not case.body.get("payout_account_id"))
        # To JSON Schema 1e16 is an integer. Not here: one is written without an exponent.
        or (kind == "type_error.integer" and isinstance(_sent(case, fault["loc"]), float))
    )


@schemathesis.check
def what_the_document_allows_is_not_malformed(context, response, case):
    """A request that is right by the document is never refused for its shape; for what is stored it may be."""
    if response.status_code != 422 or case.meta is None or not case.meta.generation.mode.is_positive:
        return
    detail = response.json()["detail"]
    for fault in detail if isinstance(detail, list) else []:
        if fault["type"].startswith(_BY_SHAPE) and not _is_beyond_a_schema(fault, case):
            raise AssertionError(f"refused for its shape: {fault}")


# What the server reads beyond its document, which describes one way to write each thing so that generators make plain types
# of it: numbers in texts, words for `true` and `false`. What nothing decides by is not looked at, nor is a passcode where the
# merchant has set none.
_TRUE, _FALSE = {"1", "true", "t", "on", "yes", "y"}, {"0", "false", "f", "off", "no", "n"}
_NOT_LOOKED_AT = {"device", "user_id", "phone"}
_DOCUMENT = []


def _document():
    if not _DOCUMENT:
        with urlopen(os.environ["KOLA_URL"] + "/openapi.json") as answer:
            _DOCUMENT.append(json.load(answer))
    return _DOCUMENT[0]


def _resolved(schema):
    while "$ref" in schema:
        schema = _document()["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    return schema


def _plain(value, schema):
    """The value, written as the document has it where the server reads it so."""
    schema = _resolved(schema)
    if "anyOf" in schema and value is not None:
        schema = _resolved(next(form for form in schema["anyOf"] if form != {"type": "null"}))
    types = schema.get("type", [])
    types = [types] if isinstance(types, str) else types
    if "object" in types and isinstance(value, dict):
        fields = schema.get("properties", {})
        ignored = _NOT_LOOKED_AT if "code" in fields or "token" in fields else {"passcode"}
        return {
            name: _plain(field, fields[name]) if name in fields else field
            for name, field in value.items()
            if name not in ignored
        }
    if "array" in types and isinstance(value, list):
        return [_plain(item, schema["items"]) for item in value]
    text = str(value).strip().lower() if isinstance(value, (str, int)) else ""
    if "boolean" in types and (text in _TRUE or text in _FALSE):
        return text in _TRUE
    try:
        number = Decimal(text)
        if "integer" in types and number == number.to_integral_value():
            return int(number)
        if "number" in types:
            return float(number)
    except (ArithmeticError, ValueError):
        pass
    return value


def _is_read(value, schema):
    whole = {**schema, "components": _document()["components"]}
    return Draft202012Validator(whole).is_valid(_plain(value, schema))


def _is_read_all_the_same(case):
    """Whether a request is right once what the server reads beyond the document is written as the document has it."""
    operation = _document()["paths"][case.operation.path][case.operation.method.lower()]
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    query = [parameter for parameter in operation.get("parameters", []) if parameter["in"] == "query"]
    asked = case.query or {}
    # Schemathesis marks a body that is not sent by a value of its own.
    is_sent = type(case.body).__name__ != "NotSet"
    may_be_left_out = not operation.get("requestBody", {}).get("required", False)
    is_read = _is_read(case.body, body) if body is not None and is_sent else may_be_left_out
    return is_read and all(
        _is_read(asked[parameter["name"]], parameter["schema"]) if parameter["name"] in asked else not parameter["required"]
        for parameter in query
    )


@schemathesis.check
def what_the_document_forbids_is_refused(context, response, case):
    """A request that is wrong by the document is refused, unless the server says that it reads it."""
    if response.status_code == 200 and _is_read_all_the_same(case):
        return None
    return negative_data_rejection(context, response, case)
