//! Executions in one currency: exact amounts, fees, balances and refusals.

use crate::support::shop::GOOD;
use crate::support::{assert_fields, assert_money, id, json, key, number, open, open_with, shown};

#[test]
fn a_collection_adds_the_fees_to_what_the_payer_pays() {
    let (server, shop) = open();
    let invoice = shop.invoice("USD", "100.00");
    let reference = key();
    let done =
        shop.collect(shop.checkout(invoice), shop.momo("COLLECTION", GOOD), "USD", &reference).ok();
    assert_fields(
        &done,
        &[
            ("reference_id", &reference),
            ("status", "COMPLETED"),
            ("operation_type", "COLLECTION"),
            ("payer_currency", "USD"),
            ("payee_currency", "USD"),
        ],
    );
    assert_money(&done, &[("payer_amount", "103.00"), ("payee_amount", "100.00")]);
    assert!(done["payment_intent_id"].is_i64(), "{done}");
    for field in [
        "provider_transaction_id",
        "gateway_message",
        "wallet_message",
        "client_secret",
        "requires_action",
    ] {
        assert!(done.as_object().expect("an object").contains_key(field), "no {field} in {done}");
    }
    shop.assert_balance("USD", "100.00", "0.00");
    assert_eq!(shop.source_status("invoices", invoice), "PAID");
    server.verify_ledger();
}

#[test]
fn a_collection_takes_the_fees_from_the_payee() {
    let (server, shop) = open();
    let invoice = shop.source("invoices", "USD", "PAYEE", "100.00");
    let done =
        shop.collect(shop.checkout(invoice), shop.momo("COLLECTION", GOOD), "USD", &key()).ok();
    assert_money(&done, &[("payer_amount", "100.00"), ("payee_amount", "97.00")]);
    shop.assert_balance("USD", "97.00", "0.00");
    server.verify_ledger();
}

/// Each fee (1 % platform, 2 % mobile money) is rounded by itself, half away from zero, and never
/// to nothing.
#[test]
fn each_fee_is_rounded_once_half_away_from_zero() {
    let (server, shop) = open();
    let liberian = shop.momo("COLLECTION", GOOD);
    let rwandan = shop.account(shop.party(), "COLLECTION", "MTN_MOMO_RWA", Some("250780000001"));
    for (account, currency, amount, payer) in [
        (liberian, "USD", "33.33", "34.33"), // 0.3333 → 0.33, 0.6666 → 0.67
        (liberian, "USD", "0.50", "0.52"),   // 0.005 → 0.01, 0.010 → 0.01
        (liberian, "USD", "0.01", "0.03"),   // 0.0001 → 0.01, 0.0002 → 0.01
        (liberian, "USD", "0.25", "0.27"),   // 0.0025 → 0.01, 0.005 → 0.01
        (liberian, "LRD", "1250.50", "1288.02"), // 12.505 → 12.51, 25.01
        (rwandan, "RWF", "50", "52"),        // 0.5 → 1, 1.0 → 1
        (rwandan, "RWF", "49", "51"),        // 0.49 → 1, 0.98 → 1
        (rwandan, "RWF", "12345", "12715"),  // 123.45 → 123, 246.9 → 247
    ] {
        let done = shop.take(account, currency, amount);
        assert_fields(
            &done,
            &[("status", "COMPLETED"), ("payer_currency", currency), ("payee_currency", currency)],
        );
        assert_money(&done, &[("payer_amount", payer), ("payee_amount", amount)]);
    }
    server.verify_ledger();
}

/// A card costs 2.9 % and 0.30 USD: 0.29 + 0.30 of 10.00. The platform takes 1 %.
#[test]
fn a_card_costs_a_percentage_and_a_fixed_part() {
    let (_server, shop) = open();
    let card = shop.account(shop.party(), "COLLECTION", "CREDIT_CARD", Some("pm_card_visa"));
    assert_money(
        &shop.take(card, "USD", "10.00"),
        &[("payer_amount", "10.69"), ("payee_amount", "10.00")],
    );
    let payee = shop.source("invoices", "USD", "PAYEE", "99.99");
    let done = shop.collect(shop.checkout(payee), card, "USD", &key()).ok();
    // 2.89971 + 0.30 → 3.20 and 0.9999 → 1.00
    assert_money(&done, &[("payer_amount", "99.99"), ("payee_amount", "95.79")]);
}

#[test]
fn an_order_is_collected_like_an_invoice() {
    let (_server, shop) = open();
    let order = shop.source("orders", "LRD", "PAYER", "1000.00");
    let body = json!({"source_id": order, "source_type": "ORDER"});
    let session = id(&shop.api.post("/v1/sessions/checkout", &body).ok());
    let done = shop.collect(session, shop.momo("COLLECTION", GOOD), "LRD", &key()).ok();
    assert_money(&done, &[("payer_amount", "1030.00"), ("payee_amount", "1000.00")]);
    assert_eq!(shop.source_status("orders", order), "PAID");
    shop.assert_balance("LRD", "1000.00", "0.00");
}

#[test]
fn a_payout_costs_the_wallet_amount_and_fees() {
    let (server, shop) = open();
    server.fund(&shop, "USD", "1000.00");
    let done = shop.send(shop.momo("PAYOUT", GOOD), "USD", "100.00");
    assert_fields(
        &done,
        &[
            ("status", "COMPLETED"),
            ("operation_type", "PAYOUT"),
            ("payer_currency", "USD"),
            ("payee_currency", "USD"),
        ],
    );
    assert_money(&done, &[("payer_amount", "101.50"), ("payee_amount", "100.00")]);
    shop.assert_balance("USD", "898.50", "0.00");
    server.verify_ledger();
}

/// The platform takes 0.5 %, mobile money 1 %.
#[test]
fn the_fees_of_a_payout_are_rounded_too() {
    let (server, shop) = open();
    for currency in ["USD", "LRD", "RWF"] {
        server.fund(&shop, currency, "100000");
    }
    let liberian = shop.momo("PAYOUT", GOOD);
    let rwandan = shop.account(shop.party(), "PAYOUT", "MTN_MOMO_RWA", Some("250780000001"));
    for (account, currency, amount, payer) in [
        (liberian, "USD", "33.33", "33.83"), // 0.16665 → 0.17, 0.3333 → 0.33
        (liberian, "USD", "0.01", "0.03"),   // 0.00005 → 0.01, 0.0001 → 0.01
        (liberian, "USD", "1.00", "1.02"),   // 0.005 → 0.01, 0.01
        (liberian, "LRD", "1000.00", "1015.00"),
        (rwandan, "RWF", "99", "101"),  // 0.495 → 1, 0.99 → 1
        (rwandan, "RWF", "100", "102"), // 0.5 → 1, 1
    ] {
        assert_money(
            &shop.send(account, currency, amount),
            &[("payer_amount", payer), ("payee_amount", amount)],
        );
    }
    shop.assert_balance("USD", "99965.12", "0.00");
    shop.assert_balance("LRD", "98985.00", "0.00");
    shop.assert_balance("RWF", "99797", "0");
    server.verify_ledger();
}

#[test]
fn the_newer_words_execute_a_payout_too() {
    let (server, shop) = open();
    server.fund(&shop, "USD", "1000.00");
    let account = shop.momo("PAYOUT", GOOD);
    let body = json!({"payout_account_id": account, "amount": number("100.00"), "currency": "USD"});
    let session = id(&shop.api.post("/v1/sessions/payout", &body).ok());
    let passcode = json!({"token": {"code": "1234"}, "device": {"name": "till", "type": "POS", "platform": "linux",
        "user_agent": "t", "client_ip": "127.0.0.1"}});
    let body = json!({"session_id": session.to_string(), "payout_account_id": account.to_string(), "reference_id": key(),
        "passcode": passcode});
    let done = shop.api.post("/v1/executions/payout", &body).ok();
    assert_fields(&done, &[("status", "COMPLETED"), ("payer_amount", "101.50")]);
    shop.assert_balance("USD", "898.50", "0.00");
}

#[test]
fn a_payout_in_flight_holds_amount_and_fees() {
    let (server, shop) = open_with(&[("KOLA_SANDBOX_DELAY_MS", "604800000")]);
    server.fund(&shop, "USD", "1000.00");
    let pending = shop.send(shop.momo("PAYOUT", GOOD), "USD", "100.00");
    assert_fields(&pending, &[("status", "PROCESSING"), ("payer_amount", "101.50")]);
    shop.assert_balance("USD", "898.50", "101.50");
    server.verify_ledger();
}

#[test]
fn too_little_money_is_a_recorded_failure() {
    let (server, shop) = open();
    server.fund(&shop, "USD", "101.49");
    let session = id(&shop.open_payout(shop.momo("PAYOUT", GOOD), "USD", "100.00").ok());
    let reference = key();
    let failed = shop.execute("payout", session, &reference).ok();
    assert_eq!(failed["status"], "FAILED");
    assert!(failed["wallet_message"].as_str().is_some_and(|m| !m.is_empty()), "{failed}");
    shop.assert_balance("USD", "101.49", "0.00");
    assert_eq!(shop.session_status("payout", session), "EXECUTED");
    assert_eq!(shop.status("payout", &reference), failed);
    server.verify_ledger();
}

#[test]
fn money_for_amount_and_fees_to_the_cent_is_enough() {
    let (server, shop) = open();
    server.fund(&shop, "USD", "101.50");
    assert_eq!(shop.send(shop.momo("PAYOUT", GOOD), "USD", "100.00")["status"], "COMPLETED");
    shop.assert_balance("USD", "0.00", "0.00");
}

#[test]
fn a_status_is_what_the_execution_answered() {
    let (server, shop) = open();
    server.fund(&shop, "USD", "1000.00");
    let done = [
        ("collection", shop.paid_hundred()),
        ("payout", shop.send(shop.momo("PAYOUT", GOOD), "USD", "10.00")),
        ("transfer", shop.transfer(shop.customer(), "USD", "10.00")),
    ];
    for (kind, answer) in done {
        assert_eq!(shop.status(kind, &shown(&answer, "reference_id")), answer);
    }
}

#[test]
fn a_payment_intent_tells_its_story() {
    let (_server, shop) = open();
    let paid = shop.paid_hundred();
    let intent =
        shop.api.get(&format!("/v1/payment-intents/retrieve/{}", paid["payment_intent_id"])).ok();
    assert_eq!(intent["id"], paid["payment_intent_id"]);
    assert_eq!(intent["reference_id"], paid["reference_id"]);
    assert!(intent["timeline"].as_array().is_some_and(|t| !t.is_empty()), "{intent}");
    let listed = shop.api.get("/v1/payment-intents/list").rows();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0]["id"], paid["payment_intent_id"]);
    shop.api.get("/v1/payment-intents/retrieve/987654").refused(404);
}

#[test]
fn an_execution_in_flight_shows_its_next_check_and_deadline() {
    let (_server, shop) = open_with(&[("KOLA_SANDBOX_DELAY_MS", "604800000")]);
    let pending = shop.take(shop.momo("COLLECTION", GOOD), "USD", "5.00");
    let intent = shop
        .api
        .get(&format!("/v1/payment-intents/retrieve/{}", pending["payment_intent_id"]))
        .ok();
    let shown = format!("{pending}{intent}");
    assert!(shown.contains("next_check_at") && shown.contains("deadline"), "{shown}");
}

#[test]
fn a_delayed_execution_is_taken_first_and_finished_later() {
    let (_server, shop) = open_with(&[("KOLA_SANDBOX_DELAY_MS", "4000")]);
    let invoice = shop.invoice("USD", "100.00");
    let reference = key();
    let first =
        shop.collect(shop.checkout(invoice), shop.momo("COLLECTION", GOOD), "USD", &reference).ok();
    assert_eq!(first["status"], "PROCESSING");
    let last = crate::support::wait_for("the end of the delay", || {
        let now = shop.status("collection", &reference);
        (now["status"] != "PROCESSING").then_some(now)
    });
    assert_fields(&last, &[("status", "COMPLETED"), ("payer_amount", "103.00")]);
    assert_eq!(shop.source_status("invoices", invoice), "PAID");
    shop.assert_balance("USD", "100.00", "0.00");
}
