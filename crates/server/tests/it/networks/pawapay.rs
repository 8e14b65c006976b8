//! Mobile money through pawaPay.

use serde_json::json;

use super::stage::Stage;
use crate::support::shop::GOOD;
use crate::support::{key, shown, wait_for};

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

/// Sets how pawaPay's operator MTN in Liberia works.
fn set_operator(stage: &Stage, status: &str) {
    let operator = json!({"provider": "MTN_MOMO_LBR", "status": status});
    stage.control("/pawapay/operators", &operator);
    let account = stage.pawapay.to_string();
    stage.server.kola(&["networks", "refresh", "--account", &account]).ok();
}

#[test]
fn a_payout_in_the_networks_queue_is_taken_back_by_its_word() {
    let stage = Stage::open();
    let shop = &stage.shop;
    stage.server.fund(shop, "USD", "100.00");
    set_operator(&stage, "DELAYED");
    let sent = shop.send(shop.momo("PAYOUT", GOOD), "USD", "20.00");
    let reference = shown(&sent, "reference_id");
    let merchant = shop.credentials.merchant_id.to_string();
    wait_for("the network's queue", || {
        stage.make_due();
        let now = shop.status("payout", &reference);
        shown(&now, "waiting_for").contains("queue").then_some(())
    });
    let cancel = ["payouts", "cancel-enqueued", &reference, "--merchant", &merchant];
    stage.server.kola(&cancel).ok();
    let failed = stage.becomes("payout", &sent, "FAILED");
    assert!(!shown(&failed, "gateway_message").is_empty(), "{failed}");
    shop.assert_balance("USD", "100.00", "0.00");
    assert!(stage.server.kola(&cancel).refused().contains("FAILED"));
    stage.assert_books_equal();
}

#[test]
fn a_payout_that_was_not_sent_is_taken_back_at_once() {
    let stage = Stage::open();
    let shop = &stage.shop;
    stage.server.fund(shop, "USD", "100.00");
    let account = stage.pawapay.to_string();
    stage.server.kola(&["networks", "hold", "--account", &account]).ok();
    let sent = shop.send(shop.momo("PAYOUT", GOOD), "USD", "20.00");
    assert_eq!(sent["status"], "PENDING", "{sent}");
    let reference = shown(&sent, "reference_id");
    let merchant = shop.credentials.merchant_id.to_string();
    stage.server.kola(&["payouts", "cancel-enqueued", &reference, "--merchant", &merchant]).ok();
    assert_eq!(shop.status("payout", &reference)["status"], "FAILED");
    shop.assert_balance("USD", "100.00", "0.00");
    assert!(stage.pawapay_payments().is_empty());
    stage.assert_books_equal();
}

#[test]
fn what_the_network_would_refuse_is_refused_before_the_call() {
    let stage = Stage::open();
    let shop = &stage.shop;
    let account = shop.momo("COLLECTION", GOOD);
    let predict = |amount: &str| {
        shop.api.get(&format!(
            "/v1/predictions/amount-and-fees?base_amount={amount}&base_currency=USD&target_currency=USD&operation_type=COLLECTION\
             &payment_method=MTN_MOMO_LBR&provider=PAWAPAY&fee_bearer=PAYER"
        ))
    };
    // The operator takes 0.10 to 2,500 USD.
    for (amount, message) in [("0.05", "0.10 USD"), ("2500.00", "2500.00 USD")] {
        let session = shop.checkout(shop.invoice("USD", amount));
        let refused = shop.collect(session, account, "USD", &key());
        assert_eq!(refused.status, 422, "{}", refused.body);
        let said = refused.body.to_string();
        assert!(said.contains(message) && said.contains("payment_account_id"), "{said}");
        let predicted = predict(amount);
        assert_eq!(predicted.status, 422, "{}", predicted.body);
        assert!(predicted.body.to_string().contains(message), "{}", predicted.body);
    }
    set_operator(&stage, "CLOSED");
    let session = shop.checkout(shop.invoice("USD", "10.00"));
    let refused = shop.collect(session, account, "USD", &key());
    assert_eq!(refused.status, 422);
    assert!(refused.body.to_string().contains("temporarily unavailable"), "{}", refused.body);
    assert!(predict("10.00").body.to_string().contains("temporarily unavailable"));
    set_operator(&stage, "OPERATIONAL");
    let paid = shop.collect(session, account, "USD", &key()).ok();
    stage.becomes("collection", &paid, "COMPLETED");
    stage.assert_books_equal();
}
