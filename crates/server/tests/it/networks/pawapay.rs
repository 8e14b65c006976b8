//! Mobile money through pawaPay.

use serde_json::json;

use super::stage::Stage;
use crate::support::shop::GOOD;
use crate::support::shown;

#[test]
fn a_collection_a_payout_and_a_refund() {
    let stage = Stage::open();
    let shop = &stage.shop;
    let paid = shop.take(shop.momo("COLLECTION", GOOD), "USD", "100.00");
    let paid = stage.becomes("collection", &paid, "COMPLETED");
    let sent = shop.send(shop.momo("PAYOUT", GOOD), "USD", "20.00");
    stage.becomes("payout", &sent, "COMPLETED");
    let back = shop.refund(&paid, "30.00");
    stage.becomes("refund", &back, "COMPLETED");
    let payments = stage.pawapay_payments();
    let operations: Vec<String> =
        payments.iter().map(|payment| shown(payment, "operation")).collect();
    assert_eq!(operations, ["DEPOSIT", "PAYOUT", "REFUND"]);
    assert_eq!(payments[0]["client_reference"], paid["reference_id"]);
    stage.assert_books_equal();
    // What was said is on record, without the number.
    let said = stage.server.database.rows("SELECT request, answer FROM exchanges");
    assert!(said.len() >= 3, "{said:?}");
    assert!(said.iter().flatten().all(|text| !text.contains(GOOD)), "{said:?}");
}

#[test]
fn a_lost_answer_is_found_by_asking() {
    let stage = Stage::open();
    stage.fault(&json!({"network": "PAWAPAY", "kind": "ANSWER_LOST",
        "match": {"method": "POST", "path": "/v2/deposits"}}));
    stage.fault(&json!({"network": "PAWAPAY", "kind": "CALLBACK_LOST", "times": 10}));
    let shop = &stage.shop;
    let paid = shop.take(shop.momo("COLLECTION", GOOD), "USD", "100.00");
    stage.becomes("collection", &paid, "COMPLETED");
    assert_eq!(stage.pawapay_payments().len(), 1);
    stage.assert_books_equal();
}
