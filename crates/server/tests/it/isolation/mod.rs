//! No merchant reads, uses or changes rows of another one: every route that takes an id, in path,
//! query or body, is called with the ids of another merchant.

mod estate;
mod late;
mod locks;
mod roles;

use serde_json::Value;

use crate::support::shop::{GOOD, source_for};
use crate::support::{json, key, number, open_two, soon};
use estate::{Estate, Own, Source};

/// Every route of the server: its method, and its path with `{id}`.
pub(crate) fn routes() -> Vec<(String, String)> {
    kola::api::route_list()
}

/// A call with another merchant's id.
struct Probe {
    method: &'static str,
    path: String,
    body: Option<Value>,
    /// 404 if the id is in the path, 422 if it is in the body.
    status: u16,
}

fn path(method: &'static str, path: String, body: Option<Value>) -> Probe {
    Probe { method, path, body, status: 404 }
}

fn body(method: &'static str, path: &str, body: Value) -> Probe {
    Probe { method, path: path.to_owned(), body: Some(body), status: 422 }
}

fn path_probes(theirs: &Estate) -> Vec<Probe> {
    let mut probes = vec![
        path("GET", format!("/v1/parties/retrieve/{}", theirs.party), None),
        path(
            "PUT",
            format!("/v1/parties/update/{}", theirs.party),
            Some(json!({"fullname": "Somebody Else", "email": null})),
        ),
        path("GET", format!("/v1/counterparties/retrieve/{}", theirs.counterparty), None),
        path(
            "PUT",
            format!("/v1/counterparties/update/{}", theirs.counterparty),
            Some(json!({"relationship_type": "DONOR"})),
        ),
        path("GET", format!("/v1/payment-intents/retrieve/{}", theirs.intent), None),
        path("GET", format!("/v1/payment-intents/{}/exchanges", theirs.intent), None),
        path("POST", format!("/v1/payment-intents/check/{}", theirs.intent), None),
        path("POST", format!("/v1/payment-intents/cancel/{}", theirs.intent), None),
        path("POST", format!("/v1/api-keys/revoke/{}", theirs.api_key), None),
        path("GET", format!("/v1/events/retrieve/{}", theirs.event), None),
        path("POST", format!("/v1/approvals/approve/{}", theirs.approval), None),
        path("POST", format!("/v1/approvals/refuse/{}", theirs.approval), None),
        path("GET", format!("/v1/reviews/retrieve/{}", theirs.review), None),
        path("GET", format!("/v1/payment-links/retrieve/{}", theirs.link), None),
        path("GET", format!("/v1/payment-links/{}/qr.svg", theirs.link), None),
        path("POST", format!("/v1/payment-links/deactivate/{}", theirs.link), None),
        path("GET", format!("/v1/webhook-deliveries/retrieve/{}", theirs.delivery), None),
        path("POST", format!("/v1/webhook-deliveries/resend/{}", theirs.delivery), None),
        path(
            "POST",
            format!("/v1/sandbox/executions/{}/authenticate", theirs.waiting),
            Some(json!({"success": true})),
        ),
    ];
    let of_endpoint = |method, what: &str, body| {
        path(method, format!("/v1/webhook-endpoints/{what}/{}", theirs.endpoint), body)
    };
    probes.extend([
        of_endpoint("GET", "retrieve", None),
        of_endpoint("PUT", "update", Some(json!({"enabled": false}))),
        of_endpoint("POST", "rotate-secret", Some(json!({}))),
        of_endpoint("POST", "recover", Some(json!({"since": "2026-01-01T00:00:00Z"}))),
        of_endpoint("POST", "test", None),
        of_endpoint("POST", "delete", None),
    ]);
    for account in [theirs.collection_account, theirs.payout_account] {
        probes.push(path("GET", format!("/v1/payment-accounts/retrieve/{account}"), None));
        probes.push(path("POST", format!("/v1/payment-accounts/deactivate/{account}"), None));
    }
    let (merchant, prediction) =
        (theirs.merchant, "target_currency=USD&payment_method=CREDIT_CARD&provider=STRIPE");
    for question in [
        format!("/v1/merchants/merchant-info?merchant_id={merchant}&merchant_type=ORGANIZATION"),
        format!("/v1/fees/merchant-tier?owner_id={merchant}&owner_type=ORGANIZATION"),
        format!(
            "/v1/predictions/amount-and-fees?{prediction}&base_amount=1&base_currency=USD&operation_type=COLLECTION\
             &fee_bearer=PAYER&owner_type=ORGANIZATION&owner_id={merchant}"
        ),
    ] {
        probes.push(path("GET", question, None));
    }
    for (kind, source) in [("INVOICE", &theirs.sources[0]), ("ORDER", &theirs.sources[1])] {
        let (id, number) = (source.published, &source.paid_number);
        let asked = format!("{prediction}&source_type={kind}&source_id={id}");
        probes.push(path(
            "GET",
            format!("/v1/predictions/payment-source/amount-and-fees?{asked}"),
            None,
        ));
        for what in ["pay", "receipt"] {
            probes.push(path(
                "GET",
                format!("/v1/links/{what}?source_type={kind}&source_number={number}"),
                None,
            ));
        }
    }
    // Whoever has a page's token may see the page. A merchant that guesses a token finds nothing.
    for page in ["pay", "receipt"] {
        probes.push(path("GET", format!("/{page}/{merchant:032}"), None));
    }
    for wallet in [theirs.wallet, theirs.party_wallet] {
        probes.push(path("GET", format!("/v1/wallets/retrieve/{wallet}"), None));
        for what in ["entries", "entries/export", "statement?month=2026-01"] {
            probes.push(path("GET", format!("/v1/wallets/{wallet}/{what}"), None));
        }
    }
    for (kind, session) in &theirs.sessions {
        probes.push(path("GET", format!("/v1/sessions/{kind}/retrieve/{session}"), None));
        probes.push(path("POST", format!("/v1/sessions/{kind}/cancel/{session}"), None));
    }
    for (kind, reference) in &theirs.references {
        probes.push(path("GET", format!("/v1/status/{kind}/{reference}"), None));
    }
    probes.extend(theirs.sources.iter().flat_map(source_probes));
    probes
}

fn source_probes(theirs: &Source) -> Vec<Probe> {
    let (kind, draft, item, paid) = (theirs.kind, theirs.draft, theirs.item, theirs.paid);
    // Numbers are unique only within a merchant. This one is higher than all numbers of the caller.
    let number = &theirs.paid_number;
    let one = json!({"name": "Beans", "currency": "USD", "qty": 1, "amount": 1});
    vec![
        path("GET", format!("/v1/{kind}/retrieve/{paid}"), None),
        path("GET", format!("/v1/{kind}/retrieve/number/{number}"), None),
        path("GET", format!("/v1/{kind}/receipt/{paid}"), None),
        path("GET", format!("/v1/{kind}/receipt/number/{number}"), None),
        path("PUT", format!("/v1/{kind}/update/{draft}"), Some(json!({"note": "Mine"}))),
        path("PUT", format!("/v1/{kind}/publish/{draft}"), None),
        path("DELETE", format!("/v1/{kind}/cancel/{draft}"), None),
        path("DELETE", format!("/v1/{kind}/cancel/{}", theirs.published), None),
        path("POST", format!("/v1/{kind}/{draft}/items/add"), Some(one)),
        path("PUT", format!("/v1/{kind}/{draft}/items/{item}/update"), Some(json!({"qty": 7}))),
        path("DELETE", format!("/v1/{kind}/{draft}/items/{item}/remove"), None),
    ]
}

/// Calls of a stranger with its own ids, of which one is replaced by another merchant's.
fn body_probes(theirs: &Estate, own: &Own) -> Vec<Probe> {
    let money = json!({"amount": number("1.00"), "currency": "USD", "expires_at": soon()});
    let with = |fields: Value| {
        let mut body = money.clone();
        body.as_object_mut()
            .expect("an object")
            .extend(fields.as_object().expect("an object").clone());
        body
    };
    let source = |kind: &str| {
        let fields = source_for(theirs.counterparty);
        body("POST", &format!("/v1/{kind}/create"), fields)
    };
    let run = |kind: &str, fields: Value| {
        let mut fields = fields;
        fields["reference_id"] = json!(key());
        body("POST", &format!("/v1/executions/{kind}"), fields)
    };
    let account = json!({"account_name": "x", "provider": "PAWAPAY", "method": "MTN_MOMO_LBR", "party_id": theirs.party,
        "insensitive_account_number": GOOD});
    let mut probes = vec![
        body(
            "POST",
            "/v1/counterparties/create",
            json!({"relationship_type": "FRIEND", "party_id": theirs.party}),
        ),
        body(
            "PUT",
            &format!("/v1/counterparties/update/{}", own.counterparty),
            json!({"party_id": theirs.party}),
        ),
        body("POST", "/v1/payment-accounts/create?operation_type=PAYOUT", account),
        source("invoices"),
        source("orders"),
        body(
            "POST",
            "/v1/checkouts/create",
            json!({"mode": "HOSTED", "source_kind": "ORDER", "party_phone": GOOD, "currency": "USD",
                "items": [{"name": "x", "currency": "USD", "amount": 1}], "counterparty_id": theirs.counterparty}),
        ),
        body(
            "POST",
            "/v1/realtime-keys/collection",
            json!({"session_id": theirs.session("checkout"), "source_type": "INVOICE", "reference_id": key()}),
        ),
        body(
            "POST",
            "/v1/sessions/checkout",
            json!({"source_id": theirs.sources[0].published, "source_type": "INVOICE"}),
        ),
        body(
            "POST",
            "/v1/sessions/checkout",
            json!({"source_id": theirs.sources[1].published, "source_type": "ORDER"}),
        ),
        body(
            "POST",
            "/v1/sessions/payout",
            with(json!({"wallet_id": theirs.wallet, "payment_account_id": own.payout_account})),
        ),
        body(
            "POST",
            "/v1/sessions/payout",
            with(
                json!({"wallet_id": theirs.party_wallet, "payment_account_id": own.payout_account}),
            ),
        ),
        body(
            "POST",
            "/v1/sessions/payout",
            with(json!({"wallet_id": own.wallet, "payment_account_id": theirs.payout_account})),
        ),
        body(
            "POST",
            "/v1/sessions/payout",
            with(json!({"payout_account_id": theirs.payout_account})),
        ),
        body(
            "POST",
            "/v1/sessions/transfer",
            with(json!({"from_wallet_id": theirs.wallet, "to_counterparty_id": own.counterparty})),
        ),
        body(
            "POST",
            "/v1/sessions/transfer",
            with(
                json!({"from_wallet_id": theirs.party_wallet, "to_counterparty_id": own.counterparty}),
            ),
        ),
        body(
            "POST",
            "/v1/sessions/transfer",
            with(json!({"from_wallet_id": own.wallet, "to_counterparty_id": theirs.counterparty})),
        ),
        body(
            "POST",
            "/v1/sessions/refund",
            with(json!({"original_payment_intent_id": theirs.intent})),
        ),
        run(
            "collection",
            json!({"session_id": theirs.session("checkout"), "payment_account_id": own.collection_account, "currency": "USD"}),
        ),
        run(
            "collection",
            json!({"session_id": own.checkout, "payment_account_id": theirs.collection_account, "currency": "USD"}),
        ),
        run(
            "payout",
            json!({"session_id": own.payout, "payout_account_id": theirs.payout_account}),
        ),
    ];
    probes.extend(
        ["payout", "transfer", "refund"]
            .map(|kind| run(kind, json!({"session_id": theirs.session(kind)}))),
    );
    probes
}

#[test]
fn a_strangers_calls_are_refused_and_change_nothing() {
    let (server, shop, stranger) = open_two();
    server.fund(&shop, "USD", "500.00");
    server.fund(&stranger, "USD", "500.00");
    let theirs = Estate::build(&server, &shop);
    let own = Own::build(&stranger);
    let before = theirs.view(&shop);
    for probe in path_probes(&theirs).into_iter().chain(body_probes(&theirs, &own)) {
        let reply = stranger.api.call(probe.method, &probe.path, probe.body.as_ref());
        assert_eq!(
            reply.status, probe.status,
            "{} {} {:?}: {}",
            probe.method, probe.path, probe.body, reply.body
        );
    }
    for (was, is) in before.iter().zip(theirs.view(&shop)) {
        assert_eq!(*was, is);
    }
    stranger.assert_balance("USD", "500.00", "0.00");
    server.verify_ledger();
}

#[test]
fn a_strangers_questions_find_nothing() {
    let (server, shop, stranger) = open_two();
    server.fund(&shop, "USD", "500.00");
    let theirs = Estate::build(&server, &shop);
    for (kind, source) in [("INVOICE", &theirs.sources[0]), ("ORDER", &theirs.sources[1])] {
        let path = format!("/v1/status/source?source_type={kind}&source_id={}", source.paid);
        stranger.api.get(&path).refused_as_unknown();
    }
    let reply = stranger.api.get(&format!("/v1/wallets/list?party_id={}", theirs.party));
    assert!(matches!(reply.status, 200 | 404 | 422), "{reply:?}");
    assert!(reply.status != 200 || reply.body == json!([]), "{reply:?}");
    for what in [
        "parties",
        "counterparties",
        "invoices",
        "orders",
        "payment-intents",
        "payment-accounts",
        "payment-links",
        "reviews",
        "webhook-endpoints",
        "webhook-deliveries",
        "sessions/checkout",
        "sessions/payout",
        "sessions/transfer",
        "sessions/refund",
    ] {
        assert!(stranger.api.get(&format!("/v1/{what}/list")).rows().is_empty(), "{what}");
    }
    assert_eq!(stranger.api.get("/v1/wallets/list").rows().len(), 3);
    let about = stranger.api.get(&format!("/v1/events/list?subject_id={}", theirs.intent));
    assert!(about.rows().is_empty());
    for filter in
        [format!("endpoint_id={}", theirs.endpoint), format!("execution_id={}", theirs.intent)]
    {
        let path = format!("/v1/webhook-deliveries/list?{filter}");
        assert!(stranger.api.get(&path).rows().is_empty(), "{filter}");
    }
    let about = stranger.api.get(&format!("/v1/audit/list?subject_id={}", theirs.intent));
    assert!(about.rows().is_empty());
    let after = stranger.api.get(&format!("/v1/parties/list?after_id={}", theirs.party));
    assert!(after.status != 200 || after.body == json!([]), "{after:?}");
}

/// Routes without ids in the path that take ids in the body or the query.
const WITH_IDS: [(&str, &str); 20] = [
    ("POST", "/v1/counterparties/create"),
    ("POST", "/v1/invoices/create"),
    ("POST", "/v1/orders/create"),
    ("POST", "/v1/payment-accounts/create"),
    ("POST", "/v1/sessions/checkout"),
    ("POST", "/v1/sessions/payout"),
    ("POST", "/v1/sessions/transfer"),
    ("POST", "/v1/sessions/refund"),
    ("POST", "/v1/executions/collection"),
    ("POST", "/v1/executions/payout"),
    ("POST", "/v1/executions/transfer"),
    ("POST", "/v1/executions/refund"),
    ("POST", "/v1/checkouts/create"),
    ("POST", "/v1/realtime-keys/collection"),
    ("GET", "/v1/links/pay"),
    ("GET", "/v1/links/receipt"),
    ("GET", "/v1/predictions/amount-and-fees"),
    ("GET", "/v1/predictions/payment-source/amount-and-fees"),
    ("GET", "/v1/fees/merchant-tier"),
    ("GET", "/v1/merchants/merchant-info"),
];

/// Routes that write and take no id.
const WITHOUT_IDS: [(&str, &str); 8] = [
    ("POST", "/v1/jwt/client/obtain/token"),
    ("POST", "/v1/api-keys/create"),
    ("POST", "/v1/merchants/passcode/set"),
    ("POST", "/v1/merchants/passcode/remove"),
    ("POST", "/v1/parties/create"),
    ("POST", "/v1/payment-links/create"),
    ("POST", "/v1/webhook-endpoints/create"),
    ("POST", "/v1/sandbox/clock/advance"),
];

/// Whether a path belongs to this route.
pub(crate) fn is_of(route: &str, path: &str) -> bool {
    let path = path.split('?').next().unwrap_or_default();
    let (mut parts, mut asked) = (route.split('/'), path.split('/'));
    loop {
        match (parts.next(), asked.next()) {
            (None, None) => return true,
            (Some(part), Some(_)) if part.starts_with('{') => {}
            (Some(part), Some(segment)) if part == segment => {}
            _ => return false,
        }
    }
}

/// A new route that takes an id must be added to the probes.
#[test]
fn every_route_with_an_id_is_probed() {
    let routes = routes();
    assert!(!routes.is_empty(), "the server's list of routes is not connected to this test");
    let (server, shop, stranger) = open_two();
    server.fund(&shop, "USD", "500.00");
    let theirs = Estate::build(&server, &shop);
    let mut probes = path_probes(&theirs);
    probes.extend(body_probes(&theirs, &Own::build(&stranger)));
    let listed = |list: &[(&str, &str)], method: &str, route: &str| {
        list.iter().any(|(m, r)| *m == method && *r == route)
    };
    let bare: Vec<String> = routes
        .iter()
        .filter(|(_, route)| route.starts_with("/v1/") && !route.ends_with("/list"))
        .filter(|(method, route)| {
            route.contains('{')
                || (method != "GET" && !listed(&WITHOUT_IDS, method, route))
                || listed(&WITH_IDS, method, route)
        })
        .filter(|(method, route)| {
            !probes.iter().any(|p| p.method == method && is_of(route, &p.path))
        })
        .map(|(method, route)| format!("{method} {route}"))
        .collect();
    assert!(bare.is_empty(), "these routes take ids, and no stranger was sent to them: {bare:?}");
}
