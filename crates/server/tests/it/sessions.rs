//! The four kinds of session: their answers, and their states before they are executed.

use crate::support::shop::GOOD;
use crate::support::{
    after, assert_fields, assert_money, id, instant, json, key, number, open, soon,
};

#[test]
fn a_checkout_session_answers_the_documents_table() {
    let (_server, shop) = open();
    let invoice = shop.invoice("USD", "100.00");
    let session = shop
        .api
        .post("/v1/sessions/checkout", &json!({"source_id": invoice, "source_type": "INVOICE"}))
        .ok();
    assert!(session["id"].is_i64());
    assert_eq!(session["source_id"], json!(invoice));
    assert_fields(
        &session,
        &[("source_type", "INVOICE"), ("status", "ACTIVE"), ("payment_account_id", "null")],
    );
    assert!(session.as_object().expect("an object").contains_key("payment_account_id"));
    assert_eq!(instant(&session["created_at"]), instant(&session["updated_at"]));
}

#[test]
fn a_checkout_session_lives_half_an_hour() {
    let (_server, shop) = open();
    let invoice = shop.invoice("USD", "100.00");
    let session = shop
        .api
        .post("/v1/sessions/checkout", &json!({"source_id": invoice, "source_type": "INVOICE"}))
        .ok();
    let life = instant(&session["expires_at"]).duration_since(instant(&session["created_at"]));
    assert_eq!(life.as_secs(), 30 * 60);
}

#[test]
fn a_checkout_session_shows_its_account_once_executed() {
    let (_server, shop) = open();
    let account = shop.momo("COLLECTION", GOOD);
    let session = shop.checkout(shop.invoice("USD", "100.00"));
    shop.collect(session, account, "USD", &key()).ok();
    let now = shop.api.get(&format!("/v1/sessions/checkout/retrieve/{session}")).ok();
    assert_eq!(now["payment_account_id"], json!(account));
    assert_eq!(now["status"], "EXECUTED");
}

#[test]
fn an_order_can_be_checked_out() {
    let (_server, shop) = open();
    let order = shop.source("orders", "USD", "PAYER", "12.50");
    let session = shop
        .api
        .post("/v1/sessions/checkout", &json!({"source_id": order, "source_type": "ORDER"}))
        .ok();
    assert_eq!(session["source_id"], json!(order));
    assert_fields(&session, &[("source_type", "ORDER"), ("status", "ACTIVE")]);
}

#[test]
fn a_payout_session_in_the_documents_words() {
    let (_server, shop) = open();
    let account = shop.momo("PAYOUT", GOOD);
    let expires = soon();
    let body = json!({"wallet_id": shop.wallet("USD"), "payment_account_id": account, "amount": number("500.00"),
        "currency": "USD", "expires_at": expires});
    let session = shop.api.post("/v1/sessions/payout", &body).ok();
    assert_eq!(session["wallet_id"], json!(shop.wallet("USD")));
    assert_eq!(session["payment_account_id"], json!(account));
    assert_eq!(session["payout_account_id"], json!(account));
    assert_money(&session, &[("amount", "500.00")]);
    assert_fields(&session, &[("currency", "USD"), ("status", "ACTIVE")]);
    assert_eq!(instant(&session["expires_at"]), instant(&json!(expires)));
}

#[test]
fn a_payout_session_in_the_newer_words_gets_wallet_and_a_quarter_of_an_hour() {
    let (_server, shop) = open();
    let account = shop.momo("PAYOUT", GOOD);
    let body = json!({"payout_account_id": account, "amount": number("500.00"), "currency": "USD"});
    let session = shop.api.post("/v1/sessions/payout", &body).ok();
    assert_eq!(session["wallet_id"], json!(shop.wallet("USD")));
    assert_eq!(session["payment_account_id"], json!(account));
    assert_eq!(session["payout_account_id"], json!(account));
    let life = instant(&session["expires_at"]).duration_since(instant(&session["created_at"]));
    assert_eq!(life.as_secs(), 15 * 60);
}

#[test]
fn the_newer_words_may_name_wallet_and_expiry_too() {
    let (_server, shop) = open();
    let expires = after(5000);
    let body = json!({"payout_account_id": shop.momo("PAYOUT", GOOD), "amount": 5, "currency": "LRD",
        "wallet_id": shop.wallet("LRD"), "expires_at": expires});
    let session = shop.api.post("/v1/sessions/payout", &body).ok();
    assert_eq!(session["wallet_id"], json!(shop.wallet("LRD")));
    assert_eq!(instant(&session["expires_at"]), instant(&json!(expires)));
    assert_money(&session, &[("amount", "5.00")]);
}

#[test]
fn a_payout_session_does_not_look_at_the_balance() {
    let (_server, shop) = open();
    shop.open_payout(shop.momo("PAYOUT", GOOD), "USD", "1000000.00").ok();
    shop.assert_balance("USD", "0.00", "0.00");
}

#[test]
fn a_transfer_session_answers_its_fields() {
    let (_server, shop) = open();
    let counterparty = shop.customer();
    let session = shop.open_transfer(counterparty, "USD", "20.00").ok();
    assert_eq!(session["from_wallet_id"], json!(shop.wallet("USD")));
    assert_eq!(session["to_counterparty_id"], json!(counterparty));
    assert_money(&session, &[("amount", "20.00")]);
    assert_fields(&session, &[("currency", "USD"), ("status", "ACTIVE")]);
}

#[test]
fn a_refund_session_answers_its_fields_and_the_currency() {
    let (_server, shop) = open();
    let paid = shop.paid_hundred();
    let session = shop.open_refund(&paid["payment_intent_id"], "40.00").ok();
    assert_eq!(session["original_payment_intent_id"], paid["payment_intent_id"]);
    assert_money(&session, &[("amount", "40.00")]);
    assert_fields(&session, &[("currency", "USD"), ("status", "ACTIVE"), ("reason", "Returned")]);
    let body = json!({"original_payment_intent_id": paid["payment_intent_id"], "amount": 1, "expires_at": soon()});
    assert_eq!(shop.api.post("/v1/sessions/refund", &body).ok()["reason"], json!(null));
}

#[test]
fn a_session_moves_and_reserves_nothing() {
    let (server, shop) = open();
    server.fund(&shop, "USD", "1000.00");
    let invoice = shop.invoice("USD", "100.00");
    shop.checkout(invoice);
    shop.open_payout(shop.momo("PAYOUT", GOOD), "USD", "1000.00").ok();
    shop.open_transfer(shop.customer(), "USD", "1000.00").ok();
    shop.assert_balance("USD", "1000.00", "0.00");
    assert_eq!(shop.source_status("invoices", invoice), "ACTIVE");
}

#[test]
fn a_session_is_retrieved_as_it_was_created() {
    let (_server, shop) = open();
    let paid = shop.paid_hundred();
    let created = [
        (
            "checkout",
            shop.api
                .post(
                    "/v1/sessions/checkout",
                    &json!({"source_id": shop.invoice("USD", "1.00"), "source_type": "INVOICE"}),
                )
                .ok(),
        ),
        ("payout", shop.open_payout(shop.momo("PAYOUT", GOOD), "USD", "1.00").ok()),
        ("transfer", shop.open_transfer(shop.customer(), "USD", "1.00").ok()),
        ("refund", shop.open_refund(&paid["payment_intent_id"], "1.00").ok()),
    ];
    for (kind, session) in created {
        assert_eq!(
            shop.api.get(&format!("/v1/sessions/{kind}/retrieve/{}", id(&session))).ok(),
            session
        );
        assert_eq!(
            shop.api.get(&format!("/v1/sessions/{kind}/list")).rows().first(),
            Some(&session)
        );
    }
}

#[test]
fn a_canceled_session_is_final() {
    let (server, shop) = open();
    server.fund(&shop, "USD", "100.00");
    let session = id(&shop.open_payout(shop.momo("PAYOUT", GOOD), "USD", "10.00").ok());
    let canceled =
        shop.api.call("POST", &format!("/v1/sessions/payout/cancel/{session}"), None).ok();
    assert_eq!(canceled["status"], "CANCELED");
    assert_eq!(canceled["id"], json!(session));
    shop.execute("payout", session, &key()).state_fault("body.session_id");
    assert_eq!(shop.session_status("payout", session), "CANCELED");
    shop.assert_balance("USD", "100.00", "0.00");
}

#[test]
fn an_executed_session_cannot_be_canceled() {
    let (server, shop) = open();
    server.fund(&shop, "USD", "100.00");
    let session = id(&shop.open_transfer(shop.customer(), "USD", "10.00").ok());
    shop.execute("transfer", session, &key()).ok();
    shop.api.call("POST", &format!("/v1/sessions/transfer/cancel/{session}"), None).refused(422);
    assert_eq!(shop.session_status("transfer", session), "EXECUTED");
}

#[test]
fn a_session_of_one_kind_is_not_found_among_another() {
    let (_server, shop) = open();
    let session = id(&shop.open_payout(shop.momo("PAYOUT", GOOD), "USD", "10.00").ok());
    for kind in ["checkout", "transfer", "refund"] {
        shop.api.get(&format!("/v1/sessions/{kind}/retrieve/{session}")).refused(404);
        shop.api.call("POST", &format!("/v1/sessions/{kind}/cancel/{session}"), None).refused(404);
        assert!(shop.api.get(&format!("/v1/sessions/{kind}/list")).rows().is_empty());
    }
    assert_eq!(shop.session_status("payout", session), "ACTIVE");
}

#[test]
fn ids_may_be_strings_of_digits_and_answers_hold_integers() {
    let (_server, shop) = open();
    let invoice = shop.invoice("USD", "1.00");
    let body = json!({"source_id": invoice.to_string(), "source_type": "INVOICE"});
    assert_eq!(shop.api.post("/v1/sessions/checkout", &body).ok()["source_id"], json!(invoice));
    let account = shop.momo("PAYOUT", GOOD);
    let body = json!({"wallet_id": shop.wallet("USD").to_string(), "payment_account_id": account.to_string(),
        "amount": 1, "currency": "USD", "expires_at": soon()});
    let session = shop.api.post("/v1/sessions/payout", &body).ok();
    assert_eq!(session["wallet_id"], json!(shop.wallet("USD")));
    assert_eq!(session["payment_account_id"], json!(account));
}

#[test]
fn an_explicit_null_means_absent() {
    let (_server, shop) = open();
    let account = shop.momo("PAYOUT", GOOD);
    let body = json!({"payout_account_id": null, "wallet_id": shop.wallet("USD"), "payment_account_id": account,
        "amount": 1, "currency": "USD", "expires_at": soon()});
    shop.api.post("/v1/sessions/payout", &body).ok();
    let body = json!({"payout_account_id": account, "wallet_id": null, "expires_at": null, "amount": 1, "currency": "USD"});
    shop.api.post("/v1/sessions/payout", &body).ok();
    let reply = shop
        .api
        .post("/v1/sessions/checkout", &json!({"source_id": null, "source_type": "INVOICE"}));
    reply.fault("body.source_id").is_missing();
}

#[test]
fn unknown_fields_are_ignored() {
    let (_server, shop) = open();
    let body = json!({"source_id": shop.invoice("USD", "1.00"), "source_type": "INVOICE", "wallet_id": "no", "x": {"y": [1]}});
    shop.api.post("/v1/sessions/checkout", &body).ok();
}
