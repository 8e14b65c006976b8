//! The sandbox: the effects of its numbers and cards, and its clock.

use crate::support::shop::ending;
use crate::support::{
    Merchant, assert_fields, assert_money, id, instant, json, key, open, open_two, shown, wait_for,
};
use serde_json::Value;

/// Collects 100.00 USD from this number and waits for the final status.
#[track_caller]
fn taken(shop: &Merchant, digits: &str) -> Value {
    let first = shop.take(shop.momo("COLLECTION", &ending(digits)), "USD", "100.00");
    shop.settled("collection", &first)
}

/// Pays 100.00 USD out to this number and waits for the final status.
#[track_caller]
fn sent(shop: &Merchant, digits: &str) -> Value {
    let first = shop.send(shop.momo("PAYOUT", &ending(digits)), "USD", "100.00");
    shop.settled("payout", &first)
}

#[test]
fn payers_that_fail() {
    let (server, shop) = open();
    for digits in ["019", "029", "039", "049", "069"] {
        let invoice = shop.invoice("USD", "100.00");
        let account = shop.momo("COLLECTION", &ending(digits));
        let first = shop.collect(shop.checkout(invoice), account, "USD", &key()).ok();
        let failed = shop.settled("collection", &first);
        assert_eq!(failed["status"], "FAILED", "{digits}");
        assert!(
            failed["gateway_message"].as_str().is_some_and(|m| !m.is_empty()),
            "{digits}: {failed}"
        );
        assert_eq!(shop.source_status("invoices", invoice), "ACTIVE", "{digits}");
    }
    shop.assert_balance("USD", "0.00", "0.00");
    server.verify_ledger();
}

#[test]
fn payers_that_fail_can_still_be_paid() {
    let (server, shop) = open();
    server.fund(&shop, "USD", "1000.00");
    for digits in ["019", "029", "039", "049", "069"] {
        assert_eq!(sent(&shop, digits)["status"], "COMPLETED", "{digits}");
    }
    shop.assert_balance("USD", "492.50", "0.00");
    server.verify_ledger();
}

#[test]
fn payees_that_fail_give_the_money_back() {
    let (server, shop) = open();
    server.fund(&shop, "USD", "1000.00");
    for digits in ["089", "099", "119"] {
        let failed = sent(&shop, digits);
        assert_eq!(failed["status"], "FAILED", "{digits}");
        assert!(
            failed["gateway_message"].as_str().is_some_and(|m| !m.is_empty()),
            "{digits}: {failed}"
        );
        shop.assert_balance("USD", "1000.00", "0.00");
    }
    server.verify_ledger();
}

#[test]
fn payees_that_fail_pay_but_are_not_refunded() {
    let (server, shop) = open();
    server.fund(&shop, "USD", "1000.00");
    for digits in ["089", "099", "119"] {
        let paid = taken(&shop, digits);
        assert_eq!(paid["status"], "COMPLETED", "{digits}");
        let back = shop.refund(&paid, "50.00");
        assert_eq!(shop.settled("refund", &back)["status"], "FAILED", "{digits}");
    }
    shop.assert_balance("USD", "1300.00", "0.00");
    server.verify_ledger();
}

#[test]
fn a_slow_payer_completes_after_a_quarter_of_an_hour() {
    let (server, shop) = open();
    let reference = key();
    let invoice = shop.invoice("USD", "100.00");
    let first = shop
        .collect(shop.checkout(invoice), shop.momo("COLLECTION", &ending("129")), "USD", &reference)
        .ok();
    assert_eq!(first["status"], "PROCESSING");
    shop.advance(14 * 60);
    assert_eq!(shop.status("collection", &reference)["status"], "PROCESSING");
    assert_eq!(shop.source_status("invoices", invoice), "PROCESSING");
    shop.assert_balance("USD", "0.00", "0.00");
    shop.advance(60);
    let last = wait_for("the provider's word", || {
        let now = shop.status("collection", &reference);
        (now["status"] != "PROCESSING").then_some(now)
    });
    assert_fields(&last, &[("status", "COMPLETED"), ("payer_amount", "103.00")]);
    shop.assert_balance("USD", "100.00", "0.00");
    server.verify_ledger();
}

#[test]
fn a_slow_payee_completes_after_a_quarter_of_an_hour() {
    let (server, shop) = open();
    server.fund(&shop, "USD", "1000.00");
    let first = shop.send(shop.momo("PAYOUT", &ending("129")), "USD", "100.00");
    assert_eq!(first["status"], "PROCESSING");
    shop.assert_balance("USD", "898.50", "101.50");
    shop.advance(15 * 60);
    assert_eq!(shop.settled("payout", &first)["status"], "COMPLETED");
    shop.assert_balance("USD", "898.50", "0.00");
    server.verify_ledger();
}

#[test]
fn a_time_out_is_no_failure() {
    let (server, shop) = open();
    server.fund(&shop, "USD", "1000.00");
    for digits in ["139", "149"] {
        let first = shop.take(shop.momo("COLLECTION", &ending(digits)), "USD", "100.00");
        assert!(
            matches!(first["status"].as_str(), Some("PENDING" | "PROCESSING")),
            "{digits}: {first}"
        );
        assert_eq!(shop.settled("collection", &first)["status"], "COMPLETED", "{digits}");
        let first = shop.send(shop.momo("PAYOUT", &ending(digits)), "USD", "100.00");
        assert!(
            matches!(first["status"].as_str(), Some("PENDING" | "PROCESSING")),
            "{digits}: {first}"
        );
        assert_eq!(shop.settled("payout", &first)["status"], "COMPLETED", "{digits}");
    }
    shop.assert_balance("USD", "997.00", "0.00");
    server.verify_ledger();
}

#[test]
fn a_callback_twice_or_early_counts_once() {
    let (server, shop) = open();
    server.fund(&shop, "USD", "1000.00");
    for digits in ["159", "169"] {
        assert_eq!(taken(&shop, digits)["status"], "COMPLETED", "{digits}");
        assert_eq!(sent(&shop, digits)["status"], "COMPLETED", "{digits}");
    }
    shop.assert_balance("USD", "997.00", "0.00");
    server.verify_ledger();
}

#[test]
fn refunds_follow_the_numbers_too() {
    for digits in ["129", "139", "149", "159", "169", "001"] {
        // Each case has its own server: the shop's sessions expire within an hour, and each case
        // advances the clock by half an hour.
        let (server, shop) = open();
        server.fund(&shop, "USD", "1000.00");
        let paid = shop.take(shop.momo("COLLECTION", &ending(digits)), "USD", "10.00");
        shop.advance(15 * 60);
        let paid = shop.settled("collection", &paid);
        let back = shop.refund(&paid, "10.00");
        shop.advance(15 * 60);
        assert_eq!(shop.settled("refund", &back)["status"], "COMPLETED", "{digits}");
        // The payer bore the fees, so giving back the ten dollars that the payee got leaves the
        // wallet as it was.
        shop.assert_balance("USD", "1000.00", "0.00");
        server.verify_ledger();
    }
}

fn charged(shop: &Merchant, card: Option<&str>) -> Value {
    shop.take(shop.account(shop.party(), "COLLECTION", "CREDIT_CARD", card), "USD", "10.00")
}

#[test]
fn cards_succeed_by_default() {
    let (server, shop) = open();
    for card in [None, Some("pm_card_visa")] {
        let paid = charged(&shop, card);
        let paid = shop.settled("collection", &paid);
        assert_eq!(paid["status"], "COMPLETED", "{card:?}");
        assert_money(&paid, &[("payer_amount", "10.69")]);
    }
    shop.assert_balance("USD", "20.00", "0.00");
    server.verify_ledger();
}

#[test]
fn a_declined_card_fails() {
    let (_server, shop) = open();
    let failed = charged(&shop, Some("pm_card_chargeDeclined"));
    let failed = shop.settled("collection", &failed);
    assert_eq!(failed["status"], "FAILED");
    assert!(failed["gateway_message"].as_str().is_some_and(|m| !m.is_empty()), "{failed}");
}

fn authenticate(shop: &Merchant, execution: &Value, success: bool) -> crate::support::Reply {
    let path = format!("/v1/sandbox/executions/{}/authenticate", shown(execution, "reference_id"));
    shop.api.post(&path, &json!({"success": success}))
}

#[track_caller]
fn waits_for_its_owner(execution: &Value) {
    assert_fields(execution, &[("status", "PROCESSING"), ("requires_action", "true")]);
    assert!(execution["client_secret"].as_str().is_some_and(|s| !s.is_empty()), "{execution}");
}

#[test]
fn a_card_is_authenticated_by_its_owner() {
    let (server, shop) = open();
    for (success, end) in [(true, "COMPLETED"), (false, "FAILED")] {
        let first = charged(&shop, Some("pm_card_authenticationRequired"));
        waits_for_its_owner(&first);
        authenticate(&shop, &first, success).ok();
        let last = shop.settled("collection", &first);
        assert_eq!(last["status"], end);
        assert_ne!(last["requires_action"], json!(true));
    }
    shop.assert_balance("USD", "10.00", "0.00");
    server.verify_ledger();
}

#[test]
fn an_authentication_that_never_comes_is_canceled() {
    let (server, shop) = open();
    let first = charged(&shop, Some("pm_card_authenticationRequired"));
    waits_for_its_owner(&first);
    shop.advance(31 * 60);
    assert_eq!(shop.settled("collection", &first)["status"], "FAILED");
    shop.assert_balance("USD", "0.00", "0.00");
    server.verify_ledger();
}

#[test]
fn only_an_execution_that_waits_can_be_authenticated() {
    let (_server, shop) = open();
    authenticate(&shop, &json!({"reference_id": key()}), true).refused(404);
    let paid = charged(&shop, Some("pm_card_visa"));
    let paid = shop.settled("collection", &paid);
    let _any = authenticate(&shop, &paid, false);
    assert_eq!(shop.status("collection", &shown(&paid, "reference_id"))["status"], "COMPLETED");
    let waiting = charged(&shop, Some("pm_card_authenticationRequired"));
    let path = format!("/v1/sandbox/executions/{}/authenticate", shown(&waiting, "reference_id"));
    shop.api.post(&path, &json!({})).fault("body.success").is_missing();
    let fault = shop.api.post(&path, &json!({"success": "perhaps"})).fault("body.success");
    fault.says("value could not be parsed to a boolean", "type_error.bool");
}

#[test]
fn the_clock_goes_forward_only_and_not_too_far() {
    let (_server, shop) = open();
    for seconds in ["0", "-1", "31622401", "1e30", "\"soon\"", "null"] {
        let body = format!("{{\"seconds\": {seconds}}}");
        shop.api
            .post_bytes("/v1/sandbox/clock/advance", "application/json", body.as_bytes())
            .faults_are_at(&["body.seconds"]);
    }
    shop.api.post("/v1/sandbox/clock/advance", &json!({})).fault("body.seconds").is_missing();
    for seconds in [1, 31_622_400] {
        shop.advance(seconds);
    }
}

#[test]
fn the_clock_is_a_hundred_years_ahead_at_most() {
    let (_server, shop) = open();
    for _ in 0..100 {
        shop.advance(31_622_400);
    }
    shop.api.post("/v1/sandbox/clock/advance", &json!({"seconds": 1})).state_fault("body.seconds");
}

#[test]
fn the_clock_dates_what_is_made() {
    let (_server, shop) = open();
    let made = |counterparty: i64| {
        let session = shop.open_transfer(counterparty, "USD", "1.00").ok();
        instant(&session["created_at"]).as_second()
    };
    let counterparty = shop.customer();
    let before = made(counterparty);
    shop.advance(1000);
    let between = made(counterparty) - before;
    assert!((1000..1030).contains(&between), "{between} s");
}

#[test]
fn the_clock_is_one_merchants_own() {
    let (_server, shop, other) = open_two();
    shop.advance(24 * 3600);
    let session = id(&other.open_transfer(other.customer(), "USD", "1.00").ok());
    assert_eq!(other.session_status("transfer", session), "ACTIVE");
    let listed = other.api.get("/v1/sessions/transfer/list").rows();
    let drift = instant(&listed[0]["created_at"]).as_second() - jiff::Timestamp::now().as_second();
    assert!(drift.abs() < 30, "{drift} s");
}
