//! Reviews: a provider that contradicts itself, or never answers, and the person who decides.

use crate::support::shop::{GOOD, ending};
use crate::support::{Merchant, Server, id, json, open, open_with, shown, wait_for};
use serde_json::Value;

fn list(server: &Server) -> Vec<Value> {
    let printed = server.kola(&["review", "list", "--json"]).ok();
    serde_json::from_str(&printed).unwrap_or_else(|e| panic!("not a JSON array: {e}: {printed}"))
}

pub(crate) fn find(server: &Server, reference: &str) -> Option<Value> {
    list(server).into_iter().find(|r| r["reference_id"] == json!(reference))
}

/// A collection of 100.00 USD that failed, and whose money came all the same. Answers execution and review.
fn late_success(server: &Server, shop: &Merchant) -> (Value, Value) {
    let first = shop.take(shop.momo("COLLECTION", &ending("179")), "USD", "100.00");
    assert_eq!(first["status"], "FAILED");
    let review = wait_for("the review", || find(server, &shown(&first, "reference_id")));
    (first, review)
}

/// A payout of 100.00 USD of which the provider says nothing for more than a day. Answers execution and review.
fn overdue(kind: &str) -> (Server, Merchant, Value, Value) {
    // The provider finishes in a week, on whichever clock it counts.
    let (server, shop) = open_with(&[("KOLA_SANDBOX_DELAY_MS", "604800000")]);
    server.fund(&shop, "USD", "1000.00");
    let first = match kind {
        "payout" => shop.send(shop.momo("PAYOUT", GOOD), "USD", "100.00"),
        _ => shop.take(shop.momo("COLLECTION", GOOD), "USD", "100.00"),
    };
    assert_eq!(first["status"], "PROCESSING");
    shop.advance(25 * 3600);
    let review = wait_for("the review", || find(&server, &shown(&first, "reference_id")));
    (server, shop, first, review)
}

pub(crate) fn resolve(server: &Server, review: &Value, how: &[&str]) -> crate::support::process::Run {
    let number = id(review).to_string();
    let mut arguments = vec!["review", "resolve", &number];
    arguments.extend(how);
    server.kola(&arguments)
}

#[track_caller]
fn is_closed(server: &Server, review: &Value) {
    let now = list(server).into_iter().find(|r| r["id"] == review["id"]);
    assert!(now.is_none_or(|r| r["status"] != review["status"]), "still open: {review}");
    server.verify_ledger();
}

#[test]
fn a_success_after_a_failure_opens_a_review() {
    let (server, shop) = open();
    let (failed, review) = late_success(&server, &shop);
    assert_eq!(review["kind"], "SUCCESS_AFTER_FAILURE");
    assert_eq!(review["merchant_id"], json!(shop.credentials.merchant_id));
    assert_eq!(review["currency"], "USD");
    assert!(review["execution_id"].is_i64(), "{review}");
    assert_eq!(shop.status("collection", &shown(&failed, "reference_id"))["status"], "FAILED");
    shop.assert_balance("USD", "0.00", "0.00");
    server.verify_ledger();
}

#[test]
fn late_money_is_given_to_the_wallet() {
    let (server, shop) = open();
    let (failed, review) = late_success(&server, &shop);
    resolve(&server, &review, &["--to", "wallet", "--evidence", "statement of the provider, line 7"]).ok();
    let available = crate::support::cents(&shop.money_in(shop.wallet("USD")).0);
    // What of the 103.00 are fees is not the review's to say here.
    assert!((10_000..=10_300).contains(&available), "{available}");
    assert_eq!(shop.status("collection", &shown(&failed, "reference_id"))["status"], "FAILED");
    is_closed(&server, &review);
}

#[test]
fn late_money_is_given_back_to_the_payer() {
    let (server, shop) = open();
    let (failed, review) = late_success(&server, &shop);
    resolve(&server, &review, &["--to", "payer", "--evidence", "returned by the provider, receipt 9"]).ok();
    shop.assert_balance("USD", "0.00", "0.00");
    assert_eq!(shop.status("collection", &shown(&failed, "reference_id"))["status"], "FAILED");
    is_closed(&server, &review);
}

#[test]
fn a_merchant_reads_how_a_review_was_resolved_but_not_the_operators_evidence() {
    let (server, shop) = open();
    let (_failed, review) = late_success(&server, &shop);
    resolve(&server, &review, &["--to", "payer", "--evidence", "ticket 7781: the analyst's own words"]).ok();
    let events = shop.api.get("/v1/events/list?subject_type=REVIEW").rows();
    let told = events.iter().find(|event| event["type"] == "review.resolved").expect("the event");
    assert_eq!(told["note"], "to payer");
    assert!(!json!(events).to_string().contains("7781"), "{events:?}");
}

#[test]
fn a_review_is_resolved_once() {
    let (server, shop) = open();
    let (_failed, review) = late_success(&server, &shop);
    let how = ["--to", "wallet", "--evidence", "statement"];
    resolve(&server, &review, &how).ok();
    let before = shop.money_in(shop.wallet("USD"));
    resolve(&server, &review, &how).refused();
    resolve(&server, &review, &["--to", "payer", "--evidence", "statement"]).refused();
    assert_eq!(shop.money_in(shop.wallet("USD")), before);
    server.verify_ledger();
}

#[test]
fn a_resolution_needs_evidence_and_a_choice() {
    let (server, shop) = open();
    let (_failed, review) = late_success(&server, &shop);
    resolve(&server, &review, &["--to", "wallet"]).refused();
    resolve(&server, &review, &["--evidence", "statement"]).refused();
    resolve(&server, &review, &["--to", "nobody", "--evidence", "statement"]).refused();
    resolve(&server, &review, &["--to", "wallet", "--outcome", "completed", "--evidence", "statement"]).refused();
    resolve(&server, &json!({"id": 987_654}), &["--to", "wallet", "--evidence", "statement"]).refused();
    assert_eq!(find(&server, &shown(&review, "reference_id")), Some(review));
    shop.assert_balance("USD", "0.00", "0.00");
}

#[test]
fn silence_for_a_day_opens_a_review_and_decides_nothing() {
    let (server, shop, first, review) = overdue("payout");
    assert_eq!(review["kind"], "DEADLINE_PASSED");
    assert_eq!(shop.status("payout", &shown(&first, "reference_id"))["status"], "PROCESSING");
    shop.assert_balance("USD", "898.50", "101.50");
    server.verify_ledger();
}

#[test]
fn an_overdue_payout_is_declared_completed() {
    let (server, shop, first, review) = overdue("payout");
    resolve(&server, &review, &["--outcome", "completed", "--evidence", "statement"]).ok();
    assert_eq!(shop.status("payout", &shown(&first, "reference_id"))["status"], "COMPLETED");
    shop.assert_balance("USD", "898.50", "0.00");
    is_closed(&server, &review);
}

#[test]
fn an_overdue_payout_is_declared_failed() {
    let (server, shop, first, review) = overdue("payout");
    resolve(&server, &review, &["--outcome", "failed", "--evidence", "statement"]).ok();
    assert_eq!(shop.status("payout", &shown(&first, "reference_id"))["status"], "FAILED");
    shop.assert_balance("USD", "1000.00", "0.00");
    is_closed(&server, &review);
}

#[test]
fn an_overdue_collection_is_declared_completed() {
    let (server, shop, first, review) = overdue("collection");
    resolve(&server, &review, &["--outcome", "completed", "--evidence", "statement"]).ok();
    assert_eq!(shop.status("collection", &shown(&first, "reference_id"))["status"], "COMPLETED");
    shop.assert_balance("USD", "1100.00", "0.00");
    is_closed(&server, &review);
}

#[test]
fn nothing_to_review_is_an_empty_list() {
    let (server, shop) = open();
    shop.paid_hundred();
    assert!(list(&server).is_empty());
}
