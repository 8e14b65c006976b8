//! pawaPay contradicts itself or kola: what moved is booked, and a person decides about the rest.

use serde_json::{Value, json};

use super::stage::Stage;
use crate::support::shop::{GOOD, ending};
use crate::support::{assert_money, shown};

/// The balance of the merchant's suspense accounts, of each currency that has one.
fn suspense(stage: &Stage) -> Vec<Vec<String>> {
    stage.server.database.rows(
        "SELECT currency, CAST(sum(balance_minor) AS TEXT) FROM accounts \
         WHERE kind = 'SUSPENSE' AND balance_minor <> 0 GROUP BY currency ORDER BY currency",
    )
}

pub(super) fn receipt_of(stage: &Stage, paid: &Value) -> Value {
    let shop = &stage.shop;
    let intent = format!("/v1/payment-intents/retrieve/{}", shown(paid, "payment_intent_id"));
    let invoice = shown(&shop.api.get(&intent).ok(), "source_id");
    shop.api.get(&format!("/v1/invoices/receipt/{invoice}")).ok()
}

#[test]
fn a_success_after_a_failure_is_in_suspense_and_in_review() {
    let stage = Stage::open();
    let shop = &stage.shop;
    let failed = shop.take(shop.momo("COLLECTION", &ending("049")), "USD", "100.00");
    let failed = stage.becomes("collection", &failed, "FAILED");
    assert!(shown(&failed, "gateway_message").contains("INSUFFICIENT_BALANCE"), "{failed}");
    stage.change_at_pawapay(&failed, &json!({"status": "COMPLETED"}));
    assert_eq!(stage.review_of(&failed)["kind"], "SUCCESS_AFTER_FAILURE");
    assert_eq!(stage.now("collection", &failed)["status"], "FAILED");
    shop.assert_balance("USD", "0.00", "0.00");
    assert_eq!(suspense(&stage), [["USD", "10300"]]);
    // Told again, it is booked once.
    assert_eq!(stage.call_back(&failed, &json!({"copies": 3})), [200; 3]);
    assert_eq!(suspense(&stage), [["USD", "10300"]]);
    stage.assert_books_equal();
}

#[test]
fn a_failure_days_after_the_success_is_in_suspense_and_nothing_of_it_can_be_refunded() {
    let stage = Stage::open();
    let days = 3 * 86_400;
    stage.pawapay_fault("/v2/deposits", "REVERSED", &json!({"seconds": days}));
    let shop = &stage.shop;
    let paid = shop.take(shop.momo("COLLECTION", GOOD), "USD", "100.00");
    let paid = stage.becomes("collection", &paid, "COMPLETED");
    let back = shop.refund(&paid, "30.00");
    stage.becomes("refund", &back, "COMPLETED");
    assert_money(&receipt_of(&stage, &paid), &[("refundable_amount", "73.00")]);
    // Its callback is dated three days ahead, so that pawaPay tells it again when clocks agree.
    stage.fakes.advance(days);
    stage.fakes.flush_on_threads();
    stage.fakes.advance(-days);
    assert_eq!(stage.at_pawapay(&paid)["status"], "FAILED");
    assert_eq!(stage.call_back(&paid, &json!({})), [200]);
    assert_eq!(stage.review_of(&paid)["kind"], "FAILURE_AFTER_SUCCESS");
    assert_eq!(stage.now("collection", &paid)["status"], "COMPLETED");
    assert_eq!(suspense(&stage), [["USD", "-10300"]]);
    assert_money(&receipt_of(&stage, &paid), &[("refundable_amount", "0.00")]);
    shop.open_refund(&paid["payment_intent_id"], "1.00")
        .state_fault("body.original_payment_intent_id");
    stage.assert_books_equal();
}

#[test]
fn a_payout_that_failed_and_was_paid_after_all_is_in_review() {
    let stage = Stage::open();
    let shop = &stage.shop;
    let paid = shop.take(shop.momo("COLLECTION", GOOD), "USD", "100.00");
    stage.becomes("collection", &paid, "COMPLETED");
    let failed = shop.send(shop.momo("PAYOUT", &ending("089")), "USD", "20.00");
    let failed = stage.becomes("payout", &failed, "FAILED");
    shop.assert_balance("USD", "100.00", "0.00");
    stage.change_at_pawapay(&failed, &json!({"status": "COMPLETED"}));
    assert_eq!(stage.review_of(&failed)["kind"], "SUCCESS_AFTER_FAILURE");
    assert_eq!(suspense(&stage), [["USD", "-2000"]]);
    stage.assert_books_equal();
}

#[test]
fn another_amount_or_currency_is_in_suspense_and_in_review() {
    let stage = Stage::open();
    let shop = &stage.shop;
    stage.pawapay_fault("/v2/deposits", "OTHER_AMOUNT", &json!({"amount": "102.99"}));
    let less = shop.take(shop.momo("COLLECTION", GOOD), "USD", "100.00");
    assert_eq!(stage.review_of(&less)["kind"], "AMOUNT_MISMATCH");
    assert_eq!(stage.now("collection", &less)["status"], "PROCESSING");
    assert_eq!(suspense(&stage), [["USD", "10299"]]);
    stage.pawapay_fault("/v2/deposits", "OTHER_CURRENCY", &json!({"currency": "LRD"}));
    let other = shop.take(shop.momo("COLLECTION", GOOD), "USD", "100.00");
    assert_eq!(stage.review_of(&other)["kind"], "AMOUNT_MISMATCH");
    assert_eq!(suspense(&stage), [["LRD", "10300"], ["USD", "10299"]]);
    shop.assert_balance("USD", "0.00", "0.00");
    stage.assert_books_equal();
}

#[test]
fn amounts_are_compared_as_numbers() {
    let stage = Stage::open();
    let shop = &stage.shop;
    // 103 is asked for, and 103.00 is told.
    let paid = shop.take(shop.momo("COLLECTION", GOOD), "USD", "100.00");
    stage.becomes("collection", &paid, "COMPLETED");
    let francs = shop.account(shop.party(), "COLLECTION", "MTN_MOMO_RWA", Some("250783456789"));
    let paid = shop.take(francs, "RWF", "100");
    stage.becomes("collection", &paid, "COMPLETED");
    let sent = stage.pawapay_requests("POST", "/v2/deposits");
    let amounts: Vec<Value> = sent
        .iter()
        .map(|request| serde_json::from_str::<Value>(&shown(request, "body")).expect("JSON"))
        .map(|body| body["amount"].clone())
        .collect();
    assert_eq!(amounts, ["103", "103"]);
    assert_eq!(suspense(&stage), Vec::<Vec<String>>::new());
    stage.assert_books_equal();
}

#[test]
fn a_payment_of_another_number_waits_for_a_person() {
    let stage = Stage::open();
    let shop = &stage.shop;
    stage.pawapay_fault("/v2/deposits", "OTHER_NUMBER", &json!({"phone": "231880000009"}));
    let paid = shop.take(shop.momo("COLLECTION", GOOD), "USD", "100.00");
    stage.waits_for("collection", &paid, "another number");
    // Without waiting for the deadline: nothing that the network says later would help.
    let review = stage.review_of(&paid);
    assert_eq!(review["kind"], "DEADLINE_PASSED", "{review}");
    shop.assert_balance("USD", "0.00", "0.00");
    let evidence = ["--outcome", "completed", "--evidence", "pawaPay's support, ticket 7"];
    crate::reviews::resolve(&stage.server, &review, &evidence).ok();
    assert_eq!(stage.now("collection", &paid)["status"], "COMPLETED");
    stage.assert_books_equal();
}

#[test]
fn a_success_of_another_number_after_a_failure_is_in_review() {
    let stage = Stage::open();
    let shop = &stage.shop;
    stage.pawapay_fault("/v2/deposits", "OTHER_NUMBER", &json!({"phone": "231880000009"}));
    let failed = shop.take(shop.momo("COLLECTION", &ending("049")), "USD", "100.00");
    let failed = stage.becomes("collection", &failed, "FAILED");
    stage.change_at_pawapay(&failed, &json!({"status": "COMPLETED"}));
    assert_eq!(stage.review_of(&failed)["kind"], "SUCCESS_AFTER_FAILURE");
    assert_eq!(suspense(&stage), [["USD", "10300"]]);
    stage.assert_books_equal();
}
