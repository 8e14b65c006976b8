//! What is lost on the way to pawaPay or back: a payment is made once, and silence fails nothing.

use serde_json::{Value, json};

use super::stage::Stage;
use crate::support::shop::GOOD;
use crate::support::{shown, wait_for};

/// A collection, a payout and a refund, each of whose first request has this fault. All are completed
/// by asking, and each was made once, whatever was sent how often.
fn three_payments_with(fault: &str) {
    let stage = Stage::open();
    stage.lose_pawapay_callbacks();
    let shop = &stage.shop;
    stage.pawapay_fault("/v2/deposits", fault, &json!({}));
    let paid = shop.take(shop.momo("COLLECTION", GOOD), "USD", "100.00");
    let paid = stage.becomes("collection", &paid, "COMPLETED");
    stage.pawapay_fault("/v2/payouts", fault, &json!({}));
    let sent = shop.send(shop.momo("PAYOUT", GOOD), "USD", "20.00");
    stage.becomes("payout", &sent, "COMPLETED");
    stage.pawapay_fault("/v2/refunds", fault, &json!({}));
    let back = shop.refund(&paid, "30.00");
    stage.becomes("refund", &back, "COMPLETED");
    assert_eq!(stage.pawapay_payments().len(), 3);
    for (path, id) in
        [("/v2/deposits", "depositId"), ("/v2/payouts", "payoutId"), ("/v2/refunds", "refundId")]
    {
        let sent = stage.pawapay_requests("POST", path);
        assert!(!sent[0]["fault"].is_null(), "the first one had the fault: {sent:?}");
        assert!(sent.iter().all(|request| request["body"] == sent[0]["body"]), "{sent:?}");
        let body: Value = serde_json::from_str(&shown(&sent[0], "body")).expect("JSON");
        assert!(body[id].is_string(), "{body}");
    }
    stage.assert_books_equal();
}

#[test]
fn a_request_that_is_lost_is_sent_again_with_the_same_id() {
    three_payments_with("REQUEST_LOST");
}

#[test]
fn a_payment_whose_answer_is_lost_is_found_by_its_status() {
    three_payments_with("RESET");
}

#[test]
fn silence_is_processing_then_a_review_and_a_success_days_later_is_booked() {
    let stage = Stage::open();
    stage.lose_pawapay_callbacks();
    let three_days = 3 * 86_400;
    stage.pawapay_fault("/v2/deposits", "LATE", &json!({"seconds": three_days}));
    stage.pawapay_fault("/v2/deposits", "RESET", &json!({}));
    let shop = &stage.shop;
    let paid = shop.take(shop.momo("COLLECTION", GOOD), "USD", "100.00");
    assert_eq!(paid["status"], "PROCESSING", "{paid}");
    assert!(shown(&paid, "waiting_for").contains("did not answer"), "{paid}");
    stage.assert_no_review(&paid);
    stage.pass_deadlines();
    assert_eq!(stage.review_of(&paid)["kind"], "DEADLINE_PASSED");
    assert_eq!(stage.now("collection", &paid)["status"], "PROCESSING");
    stage.fakes.advance(three_days);
    stage.becomes("collection", &paid, "COMPLETED");
    stage.assert_no_review(&paid);
    shop.assert_balance("USD", "100.00", "0.00");
    stage.assert_books_equal();
}

#[test]
fn an_answer_that_cannot_be_read_says_nothing() {
    let stage = Stage::open();
    stage.lose_pawapay_callbacks();
    let shop = &stage.shop;
    for kind in ["BAD_GATEWAY", "CUT_ANSWER", "EMPTY_ANSWER", "SERVER_ERROR"] {
        stage.pawapay_fault("/v2/deposits", "STUCK", &json!({}));
        stage.pawapay_fault("/v2/deposits", kind, &json!({}));
        let questions = json!({"network": "PAWAPAY", "kind": kind, "times": 2,
            "match": {"method": "GET", "path": "/v2/deposits/*"}});
        stage.fault(&questions);
        let paid = shop.take(shop.momo("COLLECTION", GOOD), "USD", "10.00");
        assert_eq!(paid["status"], "PROCESSING", "{kind}: {paid}");
        assert!(shown(&paid, "waiting_for").contains("did not answer"), "{kind}: {paid}");
        wait_for("two questions with such an answer", || {
            stage.make_due();
            let left = stage.fakes.look("/faults").expect("faults");
            let left = left["pawapay"].as_array().cloned().unwrap_or_default();
            left.iter().all(|fault| fault["fault"]["kind"] == "CALLBACK_LOST").then_some(())
        });
        assert_eq!(stage.now("collection", &paid)["status"], "PROCESSING", "{kind}");
        stage.change_at_pawapay(&paid, &json!({"status": "COMPLETED"}));
        stage.becomes("collection", &paid, "COMPLETED");
    }
    assert_eq!(stage.pawapay_payments().len(), 4);
    stage.assert_books_equal();
}

#[test]
fn a_payment_that_is_not_found_at_first_is_not_failed() {
    let stage = Stage::open();
    stage.lose_pawapay_callbacks();
    stage.pawapay_fault("/v2/deposits", "HIDDEN", &json!({"seconds": 3_600}));
    let shop = &stage.shop;
    let paid = shop.take(shop.momo("COLLECTION", GOOD), "USD", "100.00");
    let not_found = |count: usize| {
        wait_for("answers that it is not found", || {
            stage.make_due();
            let asked = stage.server.database.rows("SELECT answer FROM exchanges");
            let found = asked.iter().filter(|row| row[0].contains("NOT_FOUND")).count();
            (found >= count).then_some(found)
        })
    };
    let before = not_found(1);
    assert_eq!(stage.now("collection", &paid)["status"], "PROCESSING");
    // Not past its deadline either, as long as it was sent a moment ago.
    stage.pass_deadlines();
    not_found(before + 2);
    assert_eq!(stage.now("collection", &paid)["status"], "PROCESSING");
    stage.fakes.advance(3_600);
    stage.becomes("collection", &paid, "COMPLETED");
    assert_eq!(stage.pawapay_payments().len(), 1);
    shop.assert_balance("USD", "100.00", "0.00");
    stage.assert_books_equal();
}

#[test]
fn a_duplicate_of_which_nothing_is_told_is_asked_about() {
    let stage = Stage::open();
    stage.lose_pawapay_callbacks();
    for path in ["/v2/deposits", "/v2/payouts"] {
        stage.pawapay_fault(path, "SAYS_DUPLICATE", &json!({}));
        stage.pawapay_fault(path, "STUCK", &json!({}));
    }
    let shop = &stage.shop;
    let paid = shop.take(shop.momo("COLLECTION", GOOD), "USD", "100.00");
    assert_eq!(paid["status"], "PROCESSING", "{paid}");
    assert!(shown(&paid, "waiting_for").contains("its status is asked"), "{paid}");
    stage.change_at_pawapay(&paid, &json!({"status": "COMPLETED"}));
    stage.becomes("collection", &paid, "COMPLETED");
    let sent = shop.send(shop.momo("PAYOUT", GOOD), "USD", "20.00");
    assert_eq!(sent["status"], "PROCESSING", "{sent}");
    stage.change_at_pawapay(&sent, &json!({"status": "FAILED"}));
    stage.becomes("payout", &sent, "FAILED");
    assert_eq!(stage.pawapay_payments().len(), 2);
    stage.assert_books_equal();
}

/// The row as a process leaves it that is killed after the commit and before the call.
fn as_if_sent_and_lost(stage: &Stage) {
    stage.server.database.sql(
        "UPDATE provider_attempts SET gate = NULL, send_count = 1, sent_at = 1, lease_until = 1, next_check_at = 1 \
         WHERE next_check_at IS NOT NULL",
    );
}

#[test]
fn what_a_killed_process_has_not_sent_is_asked_about_and_then_sent() {
    let stage = Stage::open();
    let id = stage.pawapay.to_string();
    let set = |what| stage.server.kola(&["networks", what, "--account", &id]).ok();
    set("hold");
    let shop = &stage.shop;
    let paid = shop.take(shop.momo("COLLECTION", GOOD), "USD", "100.00");
    assert_eq!(paid["status"], "PENDING", "{paid}");
    as_if_sent_and_lost(&stage);
    // What is held is asked about, and not sent.
    wait_for("questions", || {
        stage.make_due();
        (stage.pawapay_requests("GET", "/v2/deposits/").len() > 2).then_some(())
    });
    assert!(stage.pawapay_requests("POST", "/v2/deposits").is_empty());
    set("resume");
    stage.becomes("collection", &paid, "COMPLETED");
    assert_eq!(stage.pawapay_payments().len(), 1);
    stage.assert_books_equal();
}
