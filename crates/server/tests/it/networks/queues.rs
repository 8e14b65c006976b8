//! What waits at pawaPay or for it: queues of operators, reconciliation, refunds one after the other.

use serde_json::{Value, json};

use super::stage::Stage;
use crate::support::shop::GOOD;
use crate::support::{key, shown};

fn paid_hundred(stage: &Stage) -> Value {
    let paid = stage.shop.take(stage.shop.momo("COLLECTION", GOOD), "USD", "100.00");
    stage.becomes("collection", &paid, "COMPLETED")
}

#[test]
fn a_payout_waits_in_the_queue_of_a_delayed_operator() {
    let stage = Stage::open();
    stage.lose_pawapay_callbacks();
    paid_hundred(&stage);
    let shop = &stage.shop;
    let operator = |status: &str| json!({"provider": "MTN_MOMO_LBR", "status": status});
    stage.control("/pawapay/operators", &operator("DELAYED"));
    let (first, second) = (
        shop.send(shop.momo("PAYOUT", GOOD), "USD", "20.00"),
        shop.send(shop.momo("PAYOUT", GOOD), "USD", "30.00"),
    );
    for sent in [&first, &second] {
        assert_eq!(stage.at_pawapay(sent)["status"], "ENQUEUED");
        let waiting = stage.waits_for("payout", sent, "in the network's queue");
        assert_eq!(waiting["status"], "PROCESSING", "{waiting}");
    }
    let told = |sent: &Value| {
        let filter = format!("type=payout.enqueued&subject_id={}", sent["payment_intent_id"]);
        shop.api.get(&format!("/v1/events/list?{filter}")).rows().len()
    };
    assert_eq!((told(&first), told(&second)), (1, 1));
    // 20.30 and 30.45 with their fees.
    shop.assert_balance("USD", "49.25", "50.75");
    // Taken out of the queue, as pawaPay's dashboard does it: only pawaPay's word fails it.
    stage.change_at_pawapay(
        &first,
        &json!({"status": "FAILED", "failure_code": "MANUALLY_CANCELLED"}),
    );
    let canceled = stage.becomes("payout", &first, "FAILED");
    assert!(shown(&canceled, "gateway_message").contains("MANUALLY_CANCELLED"), "{canceled}");
    stage.control("/pawapay/operators", &operator("OPERATIONAL"));
    stage.becomes("payout", &second, "COMPLETED");
    shop.assert_balance("USD", "69.55", "0.00");
    stage.assert_books_equal();
}

#[test]
fn a_payment_in_reconciliation_waits_for_days() {
    let stage = Stage::open();
    stage.lose_pawapay_callbacks();
    let three_days = 3 * 86_400;
    stage.pawapay_fault("/v2/deposits", "IN_RECONCILIATION", &json!({"seconds": three_days}));
    let shop = &stage.shop;
    let paid = shop.take(shop.momo("COLLECTION", GOOD), "USD", "100.00");
    stage.waits_for("collection", &paid, "finding out from the mobile operator");
    stage.pass_deadlines();
    assert_eq!(stage.review_of(&paid)["kind"], "DEADLINE_PASSED");
    let waiting = stage.waits_for("collection", &paid, "finding out from the mobile operator");
    assert_eq!(waiting["status"], "PROCESSING", "{waiting}");
    stage.fakes.advance(three_days);
    stage.becomes("collection", &paid, "COMPLETED");
    stage.assert_no_review(&paid);
    stage.assert_books_equal();
}

#[test]
fn an_unknown_word_is_an_alarm_and_no_outcome() {
    let stage = Stage::spawn();
    stage.lose_pawapay_callbacks();
    stage.pawapay_fault("/v2/deposits", "WORD", &json!({"status": "PAUSED"}));
    stage.pawapay_fault("/v2/deposits", "STUCK", &json!({}));
    let shop = &stage.shop;
    let paid = shop.take(shop.momo("COLLECTION", GOOD), "USD", "100.00");
    let asked = stage.waits_for("collection", &paid, "did not answer");
    assert_eq!(asked["status"], "PROCESSING", "{asked}");
    let log = stage.server.log();
    let alarm = log.lines().find(|line| line.contains("PAUSED")).unwrap_or_default();
    assert!(alarm.contains("ERROR") && alarm.contains("not known here"), "{log}");
    stage.change_at_pawapay(&paid, &json!({"status": "COMPLETED"}));
    stage.becomes("collection", &paid, "COMPLETED");
    stage.assert_books_equal();
}

#[test]
fn refunds_of_a_payment_go_one_after_the_other() {
    let stage = Stage::open();
    let paid = paid_hundred(&stage);
    let shop = &stage.shop;
    let stuck = json!({"times": 2});
    stage.pawapay_fault("/v2/refunds", "STUCK", &stuck);
    let first = shop.refund(&paid, "10.00");
    assert_eq!(first["status"], "PROCESSING", "{first}");
    let (second, third) = (shop.refund(&paid, "20.00"), shop.refund(&paid, "30.00"));
    let at_network = || stage.pawapay_requests("POST", "/v2/refunds").len();
    for waiting in [&second, &third] {
        assert_eq!(waiting["status"], "PENDING", "{waiting}");
        let waiting = stage.waits_for("refund", waiting, "another refund of this payment");
        assert_eq!(waiting["status"], "PENDING", "{waiting}");
    }
    assert_eq!(at_network(), 1);
    // It says what it waits for now, whatever it waited for before.
    let account = stage.pawapay.to_string();
    let set = |what| stage.server.kola(&["networks", what, "--account", &account]).ok();
    set("hold");
    stage.waits_for("refund", &second, "the operator");
    set("resume");
    stage.waits_for("refund", &second, "another refund of this payment");
    shop.open_refund(&paid["payment_intent_id"], "43.01").state_fault("body.amount");
    // One that fails lets the next one go, too.
    stage.change_at_pawapay(&first, &json!({"status": "FAILED"}));
    stage.becomes("refund", &first, "FAILED");
    let is_sent = |refund: &Value| stage.now("refund", refund)["status"] == "PROCESSING";
    let next = crate::support::wait_for("the next refund", || {
        stage.make_due();
        [&second, &third].into_iter().find(|refund| is_sent(refund))
    });
    assert_eq!(at_network(), 2);
    let last = if next == &second { &third } else { &second };
    stage.waits_for("refund", last, "another refund of this payment");
    stage.change_at_pawapay(next, &json!({"status": "COMPLETED"}));
    stage.becomes("refund", next, "COMPLETED");
    stage.becomes("refund", last, "COMPLETED");
    shop.assert_balance("USD", "50.00", "0.00");
    stage.assert_books_equal();
}

#[test]
fn a_refund_waits_for_one_that_was_begun_elsewhere() {
    let stage = Stage::open();
    let paid = paid_hundred(&stage);
    // In pawaPay's dashboard, for example.
    stage.pawapay_fault("/v2/refunds", "STUCK", &json!({}));
    let elsewhere = key();
    let body = json!({"refundId": elsewhere, "depositId": stage.at_pawapay(&paid)["id"],
        "amount": "5", "currency": "USD"});
    let address = stage.fakes.pawapay_url().trim_start_matches("http://").to_owned();
    let pawapay = crate::support::Api { address, token: Some(fakes::PAWAPAY_TOKEN.to_owned()) };
    assert_eq!(pawapay.post("/v2/refunds", &body).body["status"], "ACCEPTED");
    let shop = &stage.shop;
    let back = shop.refund(&paid, "30.00");
    assert_eq!(back["status"], "PENDING", "{back}");
    let waiting = stage.waits_for("refund", &back, "another refund of this payment");
    assert_eq!(waiting["status"], "PENDING", "{waiting}");
    stage.control("/pawapay/payments", &json!({"id": elsewhere, "status": "FAILED"}));
    stage.becomes("refund", &back, "COMPLETED");
    stage.assert_books_equal();
}
