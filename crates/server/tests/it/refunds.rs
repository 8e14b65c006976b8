//! Refunds in one currency.

use crate::support::shop::{GOOD, ending};
use crate::support::{assert_fields, assert_money, id, key, open, open_with, shown};

/// The payer paid 103.00 and the shop got 100.00. The fees are not given back, so the wallet pays
/// the whole refund.
#[test]
fn a_full_refund_costs_the_wallet_what_the_payer_paid() {
    let (server, shop) = open();
    server.fund(&shop, "USD", "10.00");
    let paid = shop.paid_hundred();
    let back = shop.refund(&paid, "103.00");
    assert_fields(
        &back,
        &[
            ("status", "COMPLETED"),
            ("operation_type", "REFUND"),
            ("payer_currency", "USD"),
            ("payee_currency", "USD"),
        ],
    );
    assert_money(&back, &[("payer_amount", "103.00"), ("payee_amount", "103.00")]);
    shop.assert_balance("USD", "7.00", "0.00");
    server.verify_ledger();
}

#[test]
fn a_partial_refund_leaves_the_rest() {
    let (server, shop) = open();
    let paid = shop.paid_hundred();
    shop.refund(&paid, "30.00");
    shop.refund(&paid, "0.01");
    shop.assert_balance("USD", "69.99", "0.00");
    shop.open_refund(&paid["payment_intent_id"], "73.00").state_fault("body.amount");
    shop.open_refund(&paid["payment_intent_id"], "72.99").ok();
    server.verify_ledger();
}

/// Both sessions are declared while each refund would fit. The second execution is refused.
#[test]
fn a_refund_that_no_longer_fits_is_a_recorded_failure() {
    let (server, shop) = open();
    server.fund(&shop, "USD", "500.00");
    let paid = shop.paid_hundred();
    let first = id(&shop.open_refund(&paid["payment_intent_id"], "60.00").ok());
    let second = id(&shop.open_refund(&paid["payment_intent_id"], "60.00").ok());
    assert_eq!(shop.execute("refund", first, &key()).ok()["status"], "COMPLETED");
    let failed = shop.execute("refund", second, &key()).ok();
    assert_eq!(failed["status"], "FAILED");
    assert!(failed["gateway_message"].as_str().is_some_and(|m| !m.is_empty()), "{failed}");
    assert_eq!(shop.session_status("refund", second), "EXECUTED");
    shop.assert_balance("USD", "540.00", "0.00");
    server.verify_ledger();
}

#[test]
fn a_refund_without_the_money_fails() {
    let (server, shop) = open();
    let paid = shop.paid_hundred();
    let failed = shop.refund(&paid, "100.01");
    assert_eq!(failed["status"], "FAILED");
    assert!(failed["wallet_message"].as_str().is_some_and(|m| !m.is_empty()), "{failed}");
    shop.assert_balance("USD", "100.00", "0.00");
    assert_eq!(shop.refund(&paid, "100.00")["status"], "COMPLETED");
    shop.assert_balance("USD", "0.00", "0.00");
    server.verify_ledger();
}

#[test]
fn a_failed_refund_gives_its_room_and_its_money_back() {
    let (server, shop) = open();
    server.fund(&shop, "USD", "500.00");
    let paid = shop.take(shop.momo("COLLECTION", &ending("099")), "USD", "100.00");
    assert_eq!(paid["status"], "COMPLETED");
    let failed = shop.refund(&paid, "103.00");
    assert_eq!(shop.settled("refund", &failed)["status"], "FAILED");
    shop.assert_balance("USD", "600.00", "0.00");
    shop.open_refund(&paid["payment_intent_id"], "103.00").ok();
    server.verify_ledger();
}

/// The money that an open refund holds can neither be spent from the wallet nor refunded again.
#[test]
fn a_refund_in_flight_holds_money_and_room() {
    let (server, shop) = open_with(&[("KOLA_SANDBOX_DELAY_MS", "700")]);
    server.fund(&shop, "USD", "500.00");
    let invoice = shop.invoice("USD", "100.00");
    let paid =
        shop.collect(shop.checkout(invoice), shop.momo("COLLECTION", GOOD), "USD", &key()).ok();
    let paid = shop.settled("collection", &paid);
    let session = id(&shop.open_refund(&paid["payment_intent_id"], "60.00").ok());
    let pending = shop.execute("refund", session, &key()).ok();
    shop.open_refund(&paid["payment_intent_id"], "43.01").state_fault("body.amount");
    assert_eq!(shop.settled("refund", &pending)["status"], "COMPLETED");
    shop.assert_balance("USD", "540.00", "0.00");
    assert_eq!(shop.source_status("invoices", invoice), "PAID");
    server.verify_ledger();
}

#[test]
fn a_refunds_status_is_its_answer() {
    let (_server, shop) = open();
    let back = shop.refund(&shop.paid_hundred(), "5.00");
    assert_eq!(shop.status("refund", &shown(&back, "reference_id")), back);
}

/// The payee bore the fees: the payer paid 100.00, and the shop got 97.00.
#[test]
fn a_refund_of_a_payee_borne_payment_is_at_most_what_was_paid() {
    let (server, shop) = open();
    server.fund(&shop, "USD", "3.00");
    let invoice = shop.source("invoices", "USD", "PAYEE", "100.00");
    let paid =
        shop.collect(shop.checkout(invoice), shop.momo("COLLECTION", GOOD), "USD", &key()).ok();
    shop.open_refund(&paid["payment_intent_id"], "100.01").state_fault("body.amount");
    assert_money(
        &shop.refund(&paid, "100.00"),
        &[("payer_amount", "100.00"), ("payee_amount", "100.00")],
    );
    shop.assert_balance("USD", "0.00", "0.00");
    server.verify_ledger();
}
