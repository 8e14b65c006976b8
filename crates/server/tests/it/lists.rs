//! Lists: bare arrays, newest first, in pages.

use crate::support::shop::GOOD;
use crate::support::{Merchant, id, json, key, open, shown};
use serde_json::Value;

fn ids(rows: &[Value]) -> Vec<i64> {
    rows.iter().map(id).collect()
}

fn newest_first(mut made: Vec<i64>) -> Vec<i64> {
    made.reverse();
    made
}

#[test]
fn every_list_is_newest_first() {
    let (server, shop) = open();
    server.fund(&shop, "USD", "100.00");
    let parties: Vec<i64> = (0..3).map(|_| shop.party()).collect();
    let counterparties: Vec<i64> = parties.iter().map(|p| shop.counterparty(*p)).collect();
    let sessions: Vec<i64> =
        counterparties.iter().map(|c| id(&shop.open_transfer(*c, "USD", "1.00").ok())).collect();
    let intents: Vec<i64> = sessions
        .iter()
        .map(|s| {
            shop.execute("transfer", *s, &key()).ok()["payment_intent_id"].as_i64().expect("an id")
        })
        .collect();
    for (path, made) in [
        ("parties", parties),
        ("counterparties", counterparties),
        ("sessions/transfer", sessions),
        ("payment-intents", intents),
    ] {
        assert_eq!(
            ids(&shop.api.get(&format!("/v1/{path}/list")).rows()),
            newest_first(made),
            "{path}"
        );
    }
    for kind in ["invoices", "orders"] {
        let made: Vec<i64> = (0..3).map(|_| shop.draft(kind, "USD", "PAYER")).collect();
        assert_eq!(
            ids(&shop.api.get(&format!("/v1/{kind}/list")).rows()),
            newest_first(made),
            "{kind}"
        );
    }
}

#[test]
fn a_list_is_read_page_by_page() {
    let (_server, shop) = open();
    let made = newest_first((0..5).map(|_| shop.party()).collect());
    let first = shop.api.get("/v1/parties/list?limit=2");
    let link = first.header("link").expect("a link to the next page").to_owned();
    assert!(link.contains("rel=\"next\""), "{link}");
    let first = first.rows();
    assert_eq!(ids(&first), made[..2]);
    let second = shop.api.get(&format!("/v1/parties/list?limit=2&after_id={}", made[1])).rows();
    assert_eq!(ids(&second), made[2..4]);
    let last = shop.api.get(&format!("/v1/parties/list?limit=2&after_id={}", made[3]));
    assert_eq!(last.header("link"), None);
    assert_eq!(ids(&last.rows()), made[4..]);
}

#[test]
fn the_link_leads_to_the_next_page() {
    let (_server, shop) = open();
    let made = newest_first((0..3).map(|_| shop.party()).collect());
    let link = shop.api.get("/v1/parties/list?limit=2").header("link").expect("a link").to_owned();
    let target =
        link.split_once('<').and_then(|(_, rest)| rest.split_once('>')).expect("a target").0;
    let path = target.find("/v1/").and_then(|at| target.get(at..)).expect("a path");
    assert_eq!(ids(&shop.api.get(path).rows()), made[2..]);
}

#[test]
fn a_list_answers_a_hundred_rows_by_default() {
    let (_server, shop) = open();
    let made: Vec<i64> = (0..101).map(|_| shop.party()).collect();
    assert_eq!(ids(&shop.api.get("/v1/parties/list").rows()), newest_first(made)[..100]);
    assert_eq!(shop.api.get("/v1/parties/list?limit=1000").rows().len(), 101);
}

#[test]
fn a_limit_is_a_number() {
    let (_server, shop) = open();
    shop.api
        .get("/v1/parties/list?limit=many")
        .fault("query.limit")
        .says("value is not a valid integer", "type_error.integer");
    shop.api.get("/v1/parties/list?after_id=x").fault("query.after_id");
}

#[test]
fn a_list_continues_only_after_a_row_of_its_own() {
    let (server, shop) = open();
    server.fund(&shop, "USD", "10.00");
    let wallet = shop.wallet("USD");
    let theirs = server.sign_in(&server.database.merchant("Second Shop")).party();
    for list in [
        "parties/list",
        "counterparties/list",
        "invoices/list",
        "orders/list",
        "sessions/payout/list",
        "payment-intents/list",
        "payment-accounts/list",
        "payment-links/list",
        "wallets/list",
        "events/list",
        "api-keys/list",
        "fees/tiers",
        &format!("wallets/{wallet}/entries"),
    ] {
        for id in [987_654, theirs] {
            let reply = shop.api.get(&format!("/v1/{list}?after_id={id}"));
            assert_eq!(reply.fault("query.after_id").kind, "value_error.not_found", "{list}");
        }
    }
    let last = shop.party();
    assert!(shop.api.get(&format!("/v1/parties/list?after_id={last}")).rows().is_empty());
}

fn count(shop: &Merchant, query: &str) -> usize {
    shop.api.get(&format!("/v1/invoices/list{query}")).rows().len()
}

#[test]
fn sources_are_filtered_by_currency_and_status() {
    let (_server, shop) = open();
    shop.draft("invoices", "USD", "PAYER");
    shop.invoice("LRD", "5.00");
    let paid = shop.invoice("USD", "5.00");
    shop.collect(shop.checkout(paid), shop.momo("COLLECTION", GOOD), "USD", &key()).ok();
    assert_eq!(
        (count(&shop, ""), count(&shop, "?currency=USD"), count(&shop, "?status=ACTIVE")),
        (3, 2, 1)
    );
    assert_eq!(
        (count(&shop, "?currency=USD&status=PAID"), count(&shop, "?status=CANCELED")),
        (1, 0)
    );
    shop.api.get("/v1/invoices/list?currency=US").fault("query.currency");
    assert_eq!(
        shop.api.get("/v1/invoices/list?status=LOST").fault("query.status").kind,
        "type_error.enum"
    );
    let rows = shop.api.get("/v1/invoices/list?status=PAID").rows();
    assert_eq!(shown(&rows[0], "id"), paid.to_string());
}

#[test]
fn checkouts_of_a_list_say_what_they_are_for() {
    let (_server, shop) = open();
    let sources: Vec<i64> = (0..6)
        .map(|n| shop.source(["invoices", "orders"][n % 2], "USD", "PAYER", "5.00"))
        .collect();
    for (n, source) in sources.iter().enumerate() {
        let kind = ["INVOICE", "ORDER"][n % 2];
        let body = json!({"source_id": source, "source_type": kind});
        for _ in 0..2 {
            shop.api.post("/v1/sessions/checkout", &body).ok();
        }
    }
    let rows = shop.api.get("/v1/sessions/checkout/list").rows();
    assert_eq!(rows.len(), 12);
    for row in rows {
        let place =
            sources.iter().position(|source| row["source_id"] == *source).expect("one of ours");
        assert_eq!(row["source_type"], ["INVOICE", "ORDER"][place % 2], "{row}");
    }
}
