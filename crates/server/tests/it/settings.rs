//! Settings of a server: the lifetimes of sessions and the deadlines of payments.

use serde_json::Value;

use crate::support::shop::{GOOD, ending, new_phone};
use crate::support::{
    Database, Merchant, after, id, instant, json, key, open_with, shown, wait_for,
};

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// The seconds between two times of an answer.
#[track_caller]
fn seconds(answer: &Value, from: &str, to: &str) -> i64 {
    instant(&answer[to]).as_second() - instant(&answer[from]).as_second()
}

fn payout_until(shop: &Merchant, account: i64, expires: &str) -> crate::support::Reply {
    let body = json!({"wallet_id": shop.wallet("USD"), "payment_account_id": account, "amount": 10, "currency": "USD",
        "expires_at": expires});
    shop.api.post("/v1/sessions/payout", &body)
}

#[test]
fn sessions_live_as_long_as_is_set() {
    let (_server, shop) =
        open_with(&[("KOLA_CHECKOUT_MINUTES", "1"), ("KOLA_PAYOUT_MINUTES", "2")]);
    let body =
        json!({"payout_account_id": shop.momo("PAYOUT", GOOD), "amount": 10, "currency": "USD"});
    let payout = shop.api.post("/v1/sessions/payout", &body).ok();
    assert_eq!(seconds(&payout, "created_at", "expires_at"), 120);
    let body = json!({"source_id": shop.invoice("USD", "5.00"), "source_type": "INVOICE"});
    let checkout = shop.api.post("/v1/sessions/checkout", &body).ok();
    assert_eq!(seconds(&checkout, "created_at", "expires_at"), 60);
    shop.advance(60);
    shop.collect(id(&checkout), shop.momo("COLLECTION", GOOD), "USD", &key())
        .state_fault("body.session_id");
}

#[test]
fn an_expiry_is_as_far_ahead_as_is_set() {
    let (_server, shop) = open_with(&[("KOLA_EXPIRY_MAX_DAYS", "7")]);
    let account = shop.momo("PAYOUT", GOOD);
    payout_until(&shop, account, &after(7 * DAY - 60)).ok();
    let far = "expires_at is more than 7 days ahead";
    payout_until(&shop, account, &after(7 * DAY + 60))
        .fault("body.expires_at")
        .says(far, "value_error.expires_at");
    let page = json!({"mode": "HOSTED", "source_kind": "ORDER", "party_phone": new_phone(), "currency": "USD",
        "items": [{"name": "Rice", "currency": "USD", "amount": 12}], "expires_at": after(7 * DAY + 60)});
    shop.api
        .post("/v1/checkouts/create", &page)
        .fault("body.expires_at")
        .says(far, "value_error.expires_at");
}

#[test]
fn an_execution_call_waits_as_long_as_is_set() {
    // This provider's answer comes 50 ms after its callback.
    let slow =
        |shop: &Merchant| shop.take(shop.momo("COLLECTION", &ending("169")), "USD", "100.00");
    let (_patient, shop) = open_with(&[]);
    assert_eq!(slow(&shop)["status"], "COMPLETED");
    let (server, shop) = open_with(&[("KOLA_ANSWER_WITHIN_MS", "5")]);
    // On a slow machine the callback may come within the 5 ms after all, so this is tried several
    // times.
    let first = (0..20)
        .map(|_| slow(&shop))
        .find(|first| first["status"] == "PENDING")
        .expect("a call that did not wait");
    assert_eq!(shop.settled("collection", &first)["status"], "COMPLETED");
    server.verify_ledger();
}

#[test]
fn a_payer_has_as_long_to_confirm_as_is_set() {
    let (server, shop) = open_with(&[("KOLA_ACTION_MINUTES", "5")]);
    let account = shop.account(
        shop.party(),
        "COLLECTION",
        "CREDIT_CARD",
        Some("pm_card_authenticationRequired"),
    );
    let reference = shown(&shop.take(account, "USD", "10.00"), "reference_id");
    shop.advance(4 * 60);
    assert_eq!(shop.status("collection", &reference)["requires_action"], json!(true));
    shop.advance(60);
    wait_for("the end of the payment", || {
        (shop.status("collection", &reference)["status"] == "FAILED").then_some(())
    });
    server.verify_ledger();
}

#[test]
fn a_payment_without_a_final_word_is_reviewed_after_as_long_as_is_set() {
    // The provider takes a week, by whichever clock it counts.
    let (server, shop) =
        open_with(&[("KOLA_REVIEW_AFTER_HOURS", "2"), ("KOLA_SANDBOX_DELAY_MS", "604800000")]);
    server.fund(&shop, "USD", "1000.00");
    let first = shop.send(shop.momo("PAYOUT", GOOD), "USD", "100.00");
    let reviews = || server.kola(&["review", "list", "--json"]).ok();
    let intent =
        shop.api.get(&format!("/v1/payment-intents/retrieve/{}", first["payment_intent_id"])).ok();
    assert_eq!(seconds(&intent, "created_at", "deadline_at"), 2 * HOUR);
    shop.advance(HOUR);
    assert_eq!(reviews().trim(), "[]");
    shop.advance(HOUR);
    wait_for("the review", || reviews().contains("DEADLINE_PASSED").then_some(()));
    assert_eq!(shop.status("payout", &shown(&first, "reference_id"))["status"], "PROCESSING");
    server.verify_ledger();
}

#[test]
fn nonsense_is_not_set() {
    let database = Database::new();
    database.merchant("Shop");
    for (flag, most) in [
        ("--expiry-max-days", 3_650),
        ("--checkout-minutes", 1_440),
        ("--payout-minutes", 1_440),
        ("--answer-within-ms", 10_000),
        ("--action-minutes", 1_440),
        ("--review-after-hours", 720),
        ("--refund-exchanged-days", 3_650),
        ("--transfer-fill-max", 4_000_000_000_000_000_000_i64),
        ("--transfer-recipients-per-hour", 1_000_000),
        ("--page-payments-per-phone", 1_000_000),
        ("--page-payments-per-link", 1_000_000),
        ("--page-payments-per-address", 1_000_000),
    ] {
        for value in ["0", "-1", "1.5", "soon", &(most + 1).to_string()] {
            let said = database.kola(&["serve", "--listen", "127.0.0.1:0", flag, value]).refused();
            assert!(said.contains(flag) && said.contains(value), "{said}");
        }
    }
}

#[cfg(feature = "otlp")]
#[test]
fn traces_are_not_sent_nowhere() {
    let database = Database::new();
    database.merchant("Shop");
    for (flag, value) in [
        ("--traces-sampled", "1.5"),
        ("--traces-sampled", "-1"),
        ("--traces-sampled", "some"),
        ("--otlp-endpoint", "127.0.0.1:4318"),
        ("--otlp-endpoint", "grpc://127.0.0.1:4317"),
    ] {
        let said = database.kola(&["serve", "--listen", "127.0.0.1:0", flag, value]).refused();
        assert!(said.contains(flag) && said.contains(value), "{said}");
    }
    let with_password = "http://kola:hunter2-the-secret@127.0.0.1:4318";
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--otlp-endpoint", with_password];
    assert!(database.kola(&arguments).refused().contains("no user, password or query"));
}
