//! What each role may do, tried with an API key of each role on every operation of the API.

use std::collections::BTreeSet;

use serde_json::Value;

use super::estate::{Estate, Own};
use super::{body_probes, is_of, path_probes, routes};
use crate::payment_links;
use crate::support::process::Credentials;
use crate::support::shop::GOOD;
use crate::support::{Merchant, Reply, Server, id as id_of, json, key, number, open, shown, soon};

const ROLES: [&str; 6] = ["VIEWER", "SUPPORT", "DEVELOPER", "FINANCE", "MANAGER", "OWNER"];

const ALL: &str = "VSDFMO";
const SELL: &str = "SMO";
const CUSTOMERS: &str = "SFMO";
const FOLLOW_UP: &str = "SFMO";
const REFUND: &str = "SFMO";
const PAY_OUT: &str = "FMO";
const APPROVE: &str = "FO";
const WALLETS: &str = "FMO";
const INTEGRATION: &str = "DO";
const MANAGE: &str = "O";
const AUDIT: &str = "FMO";
const REVIEWS: &str = "SFMO";

/// Who may call what, by the first letters of their roles: the first line that fits counts.
const TABLE: &[(&str, &str, &str)] = &[
    ("POST", "/v1/parties/", CUSTOMERS),
    ("PUT", "/v1/parties/", CUSTOMERS),
    ("POST", "/v1/counterparties/", CUSTOMERS),
    ("PUT", "/v1/counterparties/", CUSTOMERS),
    ("POST", "/v1/payment-accounts/", CUSTOMERS),
    ("GET", "/v1/parties/", ALL),
    ("GET", "/v1/counterparties/", ALL),
    ("GET", "/v1/payment-accounts/", ALL),
    ("GET", "/v1/invoices/", ALL),
    ("GET", "/v1/orders/", ALL),
    ("", "/v1/invoices/", SELL),
    ("", "/v1/orders/", SELL),
    ("POST", "/v1/checkouts/create", SELL),
    // The token of a page is drawn when its link is first asked for.
    ("GET", "/v1/links/", FOLLOW_UP),
    ("GET", "/v1/payment-links/", ALL),
    ("POST", "/v1/payment-links/", SELL),
    ("GET", "/v1/sessions/", ALL),
    ("POST", "/v1/sessions/checkout", SELL),
    ("POST", "/v1/sessions/payout", PAY_OUT),
    ("POST", "/v1/sessions/transfer", PAY_OUT),
    ("POST", "/v1/sessions/refund", REFUND),
    ("POST", "/v1/executions/collection", SELL),
    ("POST", "/v1/executions/payout", PAY_OUT),
    ("POST", "/v1/executions/transfer", PAY_OUT),
    ("POST", "/v1/executions/refund", REFUND),
    ("GET", "/v1/approvals/", ALL),
    ("POST", "/v1/approvals/approve/", APPROVE),
    ("POST", "/v1/approvals/refuse/", PAY_OUT),
    ("GET", "/v1/status/", ALL),
    ("GET", "/v1/payment-intents/export", WALLETS),
    ("GET", "/v1/payment-intents/", ALL),
    ("POST", "/v1/payment-intents/check/", FOLLOW_UP),
    ("POST", "/v1/payment-intents/cancel/", PAY_OUT),
    ("GET", "/v1/search", ALL),
    ("GET", "/v1/figures", ALL),
    ("GET", "/v1/wallets/", WALLETS),
    ("GET", "/v1/audit/", AUDIT),
    ("GET", "/v1/reviews/", REVIEWS),
    ("", "/v1/api-keys/", INTEGRATION),
    ("GET", "/v1/event-types/", ALL),
    ("", "/v1/events/", INTEGRATION),
    ("GET", "/v1/requests/", INTEGRATION),
    ("", "/v1/webhook-endpoints/", INTEGRATION),
    ("", "/v1/webhook-deliveries/", INTEGRATION),
    ("POST", "/v1/merchants/passcode/", MANAGE),
    ("GET", "/v1/merchants/", ALL),
    ("GET", "/v1/fees/", ALL),
    ("GET", "/v1/predictions/", ALL),
    ("POST", "/v1/realtime-keys/", ALL),
    ("POST", "/v1/sandbox/", INTEGRATION),
];

/// Who may call an operation.
fn allowed(method: &str, path: &str) -> &'static str {
    let fits = |line: &&(&str, &str, &str)| {
        (line.0.is_empty() || line.0 == method) && path.starts_with(line.1)
    };
    let line = TABLE.iter().find(fits);
    line.unwrap_or_else(|| panic!("the table has no line for {method} {path}")).2
}

/// An API key that is limited so, signed in.
#[track_caller]
fn limited(server: &Server, by: &Merchant, rights: &Value) -> Merchant {
    let made = by.api.post("/v1/api-keys/create", rights).ok();
    let (client_id, client_secret) = (shown(&made, "client_id"), shown(&made, "client_secret"));
    server.sign_in(&Credentials { client_id, client_secret, ..by.credentials.clone() })
}

/// A call of every operation, on rows of the caller.
fn calls(estate: &Estate, own: &Own) -> Vec<(&'static str, String, Option<Value>)> {
    let probes = path_probes(estate).into_iter().chain(body_probes(estate, own));
    // Pages have no API key.
    let of_api = probes.filter(|probe| probe.path.starts_with("/v1/"));
    let mut calls: Vec<_> = of_api.map(|probe| (probe.method, probe.path, probe.body)).collect();
    let lists = routes().into_iter().filter(|(_, path)| path.ends_with("/list"));
    calls.extend(lists.map(|(_, path)| ("GET", path, None)));
    let source = estate.sources[0].paid;
    calls.extend(
        [
            ("POST", "/v1/api-keys/create", Some(json!({"role": "VIEWER"}))),
            ("POST", "/v1/parties/create", Some(json!({"fullname": "Ama Kollie", "phone": GOOD}))),
            ("POST", "/v1/payment-links/create", Some(payment_links::of_rice())),
            ("POST", "/v1/webhook-endpoints/create", Some(json!({"url": "https://shop.example/"}))),
            ("POST", "/v1/sandbox/clock/advance", Some(json!({"seconds": 1}))),
            ("GET", "/v1/audit/export", None),
            ("GET", "/v1/payment-intents/export", None),
            ("GET", "/v1/search?q=ama", None),
            ("GET", "/v1/figures", None),
            ("GET", "/v1/fees/platform", None),
            ("GET", "/v1/fees/gateway", None),
            ("GET", "/v1/fees/tiers", None),
            ("GET", "/v1/predictions/card-provider-info", None),
            ("GET", "/v1/predictions/mmo-provider-info?phone=231880000001", None),
        ]
        .map(|(method, path, body)| (method, path.to_owned(), body)),
    );
    let status = format!("/v1/status/source?source_type=INVOICE&source_id={source}");
    calls.push(("GET", status, None));
    // Last, because payouts need the passcode from then on.
    let passcode = json!({"passcode": "482913"});
    calls.push(("POST", "/v1/merchants/passcode/set".to_owned(), Some(passcode)));
    let current = json!({"current": "482913"});
    calls.push(("POST", "/v1/merchants/passcode/remove".to_owned(), Some(current)));
    calls
}

#[test]
fn each_role_may_do_what_the_table_says_and_nothing_else() {
    let (server, shop) = open();
    server.fund(&shop, "USD", "500.00");
    let (estate, own) = (Estate::build(&server, &shop), Own::build(&shop));
    let keys = ROLES.map(|role| (role, limited(&server, &shop, &json!({"role": role}))));
    let calls = calls(&estate, &own);
    let before = estate.view(&shop);
    for must_be_allowed in [false, true] {
        for (role, by) in &keys {
            for (method, path, body) in &calls {
                let may = allowed(method, path).contains(&role[..1]);
                if may != must_be_allowed {
                    continue;
                }
                let reply = by.api.call(method, path, body.as_ref());
                let is_denied = reply.status == 403
                    && shown(&reply.body, "detail")
                        .starts_with(&format!("the role {role} may not"));
                assert_eq!(is_denied, !may, "{role}: {method} {path} {body:?}: {reply:?}");
            }
        }
        if !must_be_allowed {
            for (was, is) in before.iter().zip(estate.view(&shop)) {
                assert_eq!(*was, is, "a call that was refused changed something");
            }
        }
    }
    server.verify_ledger();
}

/// A route that is added must be added to the calls, or named here.
#[test]
fn every_operation_is_tried_with_every_role() {
    /// They take no API key, stream for ever, or stand for a page.
    const OTHERS: [&str; 3] =
        ["/v1/jwt/client/obtain/token", "/v1/events/stream", "/v1/event-types/"];
    let (server, shop) = open();
    server.fund(&shop, "USD", "500.00");
    let calls = calls(&Estate::build(&server, &shop), &Own::build(&shop));
    let missing: BTreeSet<String> = routes()
        .into_iter()
        .filter(|(_, path)| path.starts_with("/v1/"))
        .filter(|(_, path)| !OTHERS.iter().any(|other| path.starts_with(other)))
        .filter(|(method, path)| {
            !calls.iter().any(|(called, at, _)| called == method && is_of(path, at))
        })
        .map(|(method, path)| format!("{method} {path}"))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn nobody_creates_a_key_that_may_do_more() {
    let (server, shop) = open();
    let developer = limited(&server, &shop, &json!({"role": "DEVELOPER"}));
    for role in ["FINANCE", "OWNER", "SUPPORT", "MANAGER"] {
        let refused = developer.api.post("/v1/api-keys/create", &json!({"role": role}));
        assert_eq!(refused.refused_in_words(403), "nobody can give more rights than their own");
    }
    // Without a role the key would be an owner's.
    developer.api.call("POST", "/v1/api-keys/create", None).refused_in_words(403);
    limited(&server, &developer, &json!({"role": "DEVELOPER"}));
    limited(&server, &developer, &json!({"role": "VIEWER"}));
    let two = ["create_api_key", "list_api_keys"];
    let narrow = limited(&server, &shop, &json!({"operations": two}));
    for rights in [json!({}), json!({"operations": ["retrieve_party"]}), json!({"role": "OWNER"})] {
        narrow.api.post("/v1/api-keys/create", &rights).refused_in_words(403);
    }
    let narrower = limited(&server, &narrow, &json!({"operations": ["list_api_keys"]}));
    assert_eq!(
        narrower.api.get("/v1/api-keys/list").rows()[0]["operations"],
        json!(["list_api_keys"])
    );
}

#[test]
fn a_key_is_limited_to_operations_by_their_names() {
    let (server, shop) = open();
    let rights = json!({"role": "MANAGER", "operations": ["list_wallets", "list_api_keys"]});
    let by = limited(&server, &shop, &rights);
    assert_eq!(by.api.get("/v1/wallets/list").rows().len(), 3);
    let refused = by.api.get("/v1/parties/list");
    assert_eq!(
        refused.refused_in_words(403),
        "this API key may not call list_parties: it is limited to list_api_keys, list_wallets"
    );
    // The role must allow it, too.
    let refused = by.api.get("/v1/api-keys/list");
    let words = refused.refused_in_words(403);
    assert!(words.starts_with("the role MANAGER may not read keys"), "{words}");
    let unknown = shop.api.post("/v1/api-keys/create", &json!({"operations": ["drop_tables"]}));
    let faults = unknown.refused(422);
    assert_eq!(faults[0]["type"], "type_error.enum");
    assert_eq!(faults[0]["loc"], json!(["body", "operations", 0]));
    for rights in [json!({"role": "OPERATOR"}), json!({"role": "KING"}), json!({"operations": []})]
    {
        shop.api.post("/v1/api-keys/create", &rights).refused(422);
    }
}

#[test]
fn names_and_phone_numbers_are_masked_for_who_may_not_see_them() {
    let (server, shop) = open();
    let party = shop.party();
    let counterparty = shop.counterparty(party);
    let account = shop.account(party, "PAYOUT", "MTN_MOMO_LBR", Some(GOOD));
    let whole = shop.api.get(&format!("/v1/parties/retrieve/{party}")).ok();
    let (name, phone) = (shown(&whole, "fullname"), shown(&whole, "phone"));
    for (role, sees) in ROLES.into_iter().zip([false, true, false, true, true, true]) {
        let by = limited(&server, &shop, &json!({"role": role}));
        for path in [
            format!("/v1/parties/retrieve/{party}"),
            "/v1/parties/list".to_owned(),
            format!("/v1/counterparties/retrieve/{counterparty}"),
            "/v1/counterparties/list".to_owned(),
            format!("/v1/payment-accounts/retrieve/{account}"),
            "/v1/payment-accounts/list".to_owned(),
        ] {
            let text = by.api.get(&path).ok().to_string();
            assert_eq!(text.contains(&name), sees, "{role} {path}: {text}");
            assert!(sees || !text.contains(&phone), "{role} {path}: {text}");
        }
        // Whoever does not see names does not find people by them either.
        for list in ["parties", "counterparties"] {
            let found = by.api.get(&format!("/v1/{list}/list?fullname=a"));
            assert_eq!(found.status, if sees { 200 } else { 403 }, "{role} {list}");
        }
    }
}

#[test]
fn support_refunds_a_payment_up_to_the_limit() {
    let (server, shop) = open();
    let paid = shop.paid_hundred();
    let support = limited(&server, &shop, &json!({"role": "SUPPORT"}));
    let intent = &paid["payment_intent_id"];
    let declare = |amount: &str| {
        let body = json!({
            "original_payment_intent_id": intent, "amount": number(amount), "currency": "USD", "expires_at": soon(),
        });
        support.api.post("/v1/sessions/refund", &body)
    };
    let above =
        |reply: &Reply| shown(&reply.body, "detail").contains("support may give back at most");
    let refused = declare("1.00");
    assert_eq!(refused.status, 403, "{refused:?}");
    assert!(above(&refused), "{refused:?}");
    let merchant = shop.credentials.merchant_id.to_string();
    let limit = |amount: &str| {
        let set = [
            "merchant",
            "limits",
            "--merchant",
            &merchant,
            "--currency",
            "USD",
            "--support-refund",
            amount,
        ];
        server.kola(&set)
    };
    for wrong in ["-1", "1.001", "much"] {
        limit(wrong).refused();
    }
    assert!(limit("50").ok().contains("50.00"));
    // In all, not one by one; and what was declared before the limit was lowered is judged by the new one.
    let (first, second, third) = (declare("30.00"), declare("20.00"), declare("25.00"));
    let execute = |declared: Reply| {
        let body = json!({"session_id": id_of(&declared.ok()), "reference_id": key()});
        support.api.post("/v1/executions/refund", &body)
    };
    execute(first).ok();
    assert!(above(&declare("20.01")));
    limit("49.99").ok();
    let refused = execute(second);
    assert!(refused.status == 403 && above(&refused), "{refused:?}");
    limit("100").ok();
    execute(third).ok();
    // Whoever may refund without a limit has none.
    limit("0").ok();
    let finance = limited(&server, &shop, &json!({"role": "FINANCE"}));
    finance.refund(&paid, "45.00");
    server.verify_ledger();
}

/// The timeline of a payment has entries with balances, and a transfer has a name.
#[test]
fn what_stands_beside_a_payment_is_shown_to_who_may_see_it() {
    let (server, shop) = open();
    server.fund(&shop, "USD", "500.00");
    let party = shop.party();
    let name = shown(&shop.api.get(&format!("/v1/parties/retrieve/{party}")).ok(), "fullname");
    let moved = shop.transfer(shop.counterparty(party), "USD", "5.00");
    let intent = format!("/v1/payment-intents/retrieve/{}", moved["payment_intent_id"]);
    for (role, wallets, contacts) in [
        ("VIEWER", false, false),
        ("SUPPORT", false, true),
        ("DEVELOPER", false, false),
        ("FINANCE", true, true),
        ("OWNER", true, true),
    ] {
        let by = limited(&server, &shop, &json!({"role": role}));
        let detail = by.api.get(&intent).ok();
        let entries = |row: &Value| row["entries"].as_array().is_some_and(|some| !some.is_empty());
        let timeline = detail["timeline"].as_array().expect("a timeline");
        assert_eq!(timeline.iter().any(entries), wallets, "{role}: {detail}");
        for text in [detail.to_string(), by.api.get("/v1/sessions/transfer/list").ok().to_string()]
        {
            assert_eq!(text.contains(&name), contacts, "{role}: {text}");
        }
        if role == "DEVELOPER" {
            assert!(!by.api.get("/v1/events/list").rows().iter().any(entries));
        }
    }
}
