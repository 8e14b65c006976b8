//! Refused executions, which leave their session usable.

use crate::support::shop::GOOD;
use crate::support::{Merchant, id, json, key, open, shown};

/// The card's fixed fee is higher than the invoice, so nothing would be left for the payee.
#[test]
fn a_collection_that_leaves_nothing_is_refused() {
    let (_server, shop) = open();
    let card = shop.account(shop.party(), "COLLECTION", "CREDIT_CARD", Some("pm_card_visa"));
    for amount in ["0.20", "0.31"] {
        let invoice = shop.source("invoices", "USD", "PAYEE", amount);
        let session = shop.checkout(invoice);
        shop.collect(session, card, "USD", &key()).refused(422);
        assert_eq!(shop.source_status("invoices", invoice), "ACTIVE");
        assert_eq!(shop.session_status("checkout", session), "ACTIVE");
    }
}

#[test]
fn a_payout_execution_names_the_sessions_account_or_none() {
    let (server, shop) = open();
    server.fund(&shop, "USD", "1000.00");
    let (account, other) = (shop.momo("PAYOUT", GOOD), shop.momo("PAYOUT", GOOD));
    let session = id(&shop.open_payout(account, "USD", "10.00").ok());
    let body = json!({"session_id": session, "payout_account_id": other, "reference_id": key()});
    shop.api.post("/v1/executions/payout", &body).state_fault("body.payout_account_id");
    shop.assert_balance("USD", "1000.00", "0.00");
    assert_eq!(shop.session_status("payout", session), "ACTIVE");
}

#[test]
fn a_session_has_one_execution() {
    let (server, shop) = open();
    server.fund(&shop, "USD", "1000.00");
    let session = id(&shop.open_payout(shop.momo("PAYOUT", GOOD), "USD", "100.00").ok());
    shop.execute("payout", session, &key()).ok();
    shop.execute("payout", session, &key()).state_fault("body.session_id");
    shop.assert_balance("USD", "898.50", "0.00");
}

#[test]
fn an_execution_needs_a_known_session_of_its_kind() {
    let (_server, shop) = open();
    let account = shop.momo("COLLECTION", GOOD);
    shop.collect(987_654, account, "USD", &key()).state_fault("body.session_id");
    let session = id(&shop.open_transfer(shop.customer(), "USD", "1.00").ok());
    for kind in ["payout", "refund"] {
        shop.execute(kind, 987_654, &key()).state_fault("body.session_id");
        shop.execute(kind, session, &key()).state_fault("body.session_id");
    }
    shop.collect(session, account, "USD", &key()).state_fault("body.session_id");
}

#[test]
fn an_unknown_session_and_an_unknown_account_are_told_at_once() {
    let (_server, shop) = open();
    let answer = shop.collect(987_654, 987_653, "USD", &key());
    answer.faults_are_at(&["body.session_id", "body.payment_account_id"]);
}

#[test]
fn a_collection_needs_an_account_made_for_collections() {
    let (_server, shop) = open();
    let session = shop.checkout(shop.invoice("USD", "5.00"));
    shop.collect(session, 987_654, "USD", &key()).state_fault("body.payment_account_id");
    shop.collect(session, shop.momo("PAYOUT", GOOD), "USD", &key())
        .state_fault("body.payment_account_id");
    assert_eq!(shop.session_status("checkout", session), "ACTIVE");
}

#[test]
fn a_collection_needs_a_currency_that_the_method_takes() {
    let (_server, shop) = open();
    let session = shop.checkout(shop.invoice("USD", "5.00"));
    shop.collect(session, shop.momo("COLLECTION", GOOD), "RWF", &key())
        .state_fault("body.currency");
    let rwandan = shop.account(shop.party(), "COLLECTION", "AIRTEL_RWA", Some("250730000001"));
    shop.collect(session, rwandan, "USD", &key()).state_fault("body.currency");
    assert_eq!(shop.session_status("checkout", session), "ACTIVE");
}

#[test]
fn an_executions_missing_fields_are_named() {
    let (_server, shop) = open();
    let fields =
        ["body.session_id", "body.payment_account_id", "body.currency", "body.reference_id"];
    shop.api.post("/v1/executions/collection", &json!({})).faults_are_at(&fields);
    for kind in ["payout", "transfer", "refund"] {
        let reply = shop.api.post(&format!("/v1/executions/{kind}"), &json!({}));
        reply.faults_are_at(&["body.session_id", "body.reference_id"]);
    }
}

/// An execution repeats all checks of the session's creation. A refusal leaves the session usable.
#[test]
fn what_changed_since_the_session_is_checked_again() {
    let (server, shop) = open();
    server.fund(&shop, "USD", "1000.00");
    let session = id(&shop.open_payout(shop.momo("PAYOUT", GOOD), "USD", "100.00").ok());
    let reference = key();
    server.set_wallet(shop.wallet("USD"), "FROZEN");
    shop.execute("payout", session, &reference).refused(422);
    assert_eq!(shop.session_status("payout", session), "ACTIVE");
    server.set_wallet(shop.wallet("USD"), "ACTIVE");
    assert_eq!(shop.execute("payout", session, &reference).ok()["status"], "COMPLETED");
}

#[test]
fn a_source_canceled_since_the_session_is_not_collected() {
    let (_server, shop) = open();
    let invoice = shop.invoice("USD", "5.00");
    let session = shop.checkout(invoice);
    shop.api.call("DELETE", &format!("/v1/invoices/cancel/{invoice}"), None).ok();
    shop.collect(session, shop.momo("COLLECTION", GOOD), "USD", &key()).refused(422);
    assert_eq!(shop.session_status("checkout", session), "ACTIVE");
    assert_eq!(shop.source_status("invoices", invoice), "CANCELED");
}

#[test]
fn a_status_is_found_under_its_own_operation_only() {
    let (_server, shop) = open();
    let reference = shown(&shop.paid_hundred(), "reference_id");
    for kind in ["payout", "transfer", "refund"] {
        shop.api.get(&format!("/v1/status/{kind}/{reference}")).refused(404);
    }
    shop.api.get(&format!("/v1/status/collection/{}", key())).refused(404);
    assert_eq!(
        shop.status("collection", &reference.to_uppercase())["reference_id"],
        json!(reference)
    );
}

fn unverified() -> (crate::support::Server, Merchant) {
    let database = crate::support::Database::new();
    let credentials = database.merchant_with("New Shop", &[]);
    let server = crate::support::Server::start(database, &[]);
    let shop = server.sign_in(&credentials);
    server.fund(&shop, "USD", "500.00");
    (server, shop)
}

#[test]
fn an_unverified_merchant_collects_but_does_not_send() {
    let (_server, shop) = unverified();
    let paid = shop.paid_hundred();
    let sessions = [
        ("payout", shop.open_payout(shop.momo("PAYOUT", GOOD), "USD", "10.00")),
        ("transfer", shop.open_transfer(shop.customer(), "USD", "10.00")),
        ("refund", shop.open_refund(&paid["payment_intent_id"], "10.00")),
    ];
    for (kind, opened) in sessions {
        // The server may refuse the session or only its execution. No money moves in either case.
        let refused = if opened.status == 200 {
            shop.execute(kind, id(&opened.body), &key())
        } else {
            opened
        };
        refused.refused_in_words(403);
    }
    shop.assert_balance("USD", "600.00", "0.00");
}
