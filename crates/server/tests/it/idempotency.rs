//! One `reference_id` has one effect: replays, other bodies, other operations, other merchants.

use crate::support::shop::{GOOD, ending};
use crate::support::{Merchant, Reply, id, json, key, open, open_two, spawn};

#[track_caller]
fn is_duplicate(reply: &Reply) {
    assert_eq!(reply.fault("body.reference_id").kind, "value_error.duplicate");
}

fn collection(shop: &Merchant) -> (i64, i64) {
    (shop.checkout(shop.invoice("USD", "100.00")), shop.momo("COLLECTION", GOOD))
}

#[test]
fn a_replay_answers_the_stored_execution() {
    let (server, shop) = open();
    server.fund(&shop, "USD", "1000.00");
    let session = id(&shop.open_payout(shop.momo("PAYOUT", GOOD), "USD", "100.00").ok());
    let reference = key();
    let first = shop.execute("payout", session, &reference).ok();
    for _ in 0..3 {
        assert_eq!(shop.execute("payout", session, &reference).ok(), first);
    }
    shop.assert_balance("USD", "898.50", "0.00");
    assert_eq!(shop.api.get("/v1/payment-intents/list").rows().len(), 1);
    server.verify_ledger();
}

#[test]
fn a_replay_of_a_failure_stays_a_failure() {
    let (server, shop) = open();
    let session = id(&shop.open_payout(shop.momo("PAYOUT", GOOD), "USD", "100.00").ok());
    let reference = key();
    let first = shop.execute("payout", session, &reference).ok();
    assert_eq!(first["status"], "FAILED");
    server.fund(&shop, "USD", "1000.00");
    assert_eq!(shop.execute("payout", session, &reference).ok(), first);
    shop.assert_balance("USD", "1000.00", "0.00");
}

#[test]
fn a_replay_of_a_refused_payment_stays_failed() {
    let (_server, shop) = open();
    let session = shop.checkout(shop.invoice("USD", "100.00"));
    let (account, reference) = (shop.momo("COLLECTION", &ending("049")), key());
    let first = shop.collect(session, account, "USD", &reference).ok();
    assert_eq!(first["status"], "FAILED");
    assert_eq!(shop.collect(session, account, "USD", &reference).ok(), first);
}

#[test]
fn every_operation_replays() {
    let (server, shop) = open();
    server.fund(&shop, "USD", "1000.00");
    let paid = shop.paid_hundred();
    let transfer = id(&shop.open_transfer(shop.customer(), "USD", "5.00").ok());
    let refund = id(&shop.open_refund(&paid["payment_intent_id"], "5.00").ok());
    for (kind, session) in [("transfer", transfer), ("refund", refund)] {
        let reference = key();
        let first = shop.execute(kind, session, &reference).ok();
        assert_eq!(shop.execute(kind, session, &reference).ok(), first, "{kind}");
    }
    let (session, account) = collection(&shop);
    let reference = key();
    let first = shop.collect(session, account, "USD", &reference).ok();
    assert_eq!(shop.collect(session, account, "USD", &reference).ok(), first);
    shop.assert_balance("USD", "1190.00", "0.00");
}

#[test]
fn a_key_is_one_in_any_case() {
    let (_server, shop) = open();
    let (session, account) = collection(&shop);
    let reference = key();
    let first = shop.collect(session, account, "USD", &reference.to_uppercase()).ok();
    assert_eq!(first["reference_id"], json!(reference));
    assert_eq!(shop.collect(session, account, "USD", &reference).ok(), first);
    assert_eq!(shop.status("collection", &reference), first);
    shop.assert_balance("USD", "100.00", "0.00");
}

#[test]
fn a_replay_may_spell_its_ids_and_add_unknown_fields() {
    let (_server, shop) = open();
    let (session, account) = collection(&shop);
    let reference = key();
    let first = shop.collect(session, account, "USD", &reference).ok();
    let body = json!({"session_id": session.to_string(), "payment_account_id": account.to_string(), "currency": "USD",
        "reference_id": reference, "attempt": 2});
    assert_eq!(shop.api.post("/v1/executions/collection", &body).ok(), first);
}

#[test]
fn a_key_with_another_body_is_a_duplicate() {
    let (_server, shop) = open();
    let (session, account) = collection(&shop);
    let reference = key();
    shop.collect(session, account, "USD", &reference).ok();
    is_duplicate(&shop.collect(session, shop.momo("COLLECTION", GOOD), "USD", &reference));
    is_duplicate(&shop.collect(session, account, "LRD", &reference));
    is_duplicate(&shop.collect(
        shop.checkout(shop.invoice("USD", "1.00")),
        account,
        "USD",
        &reference,
    ));
    shop.assert_balance("USD", "100.00", "0.00");
}

/// The key is checked before the state: whether the other session exists is not looked up.
#[test]
fn a_duplicate_is_told_before_the_state() {
    let (_server, shop) = open();
    let (session, account) = collection(&shop);
    let reference = key();
    shop.collect(session, account, "USD", &reference).ok();
    is_duplicate(&shop.collect(987_654, account, "USD", &reference));
}

#[test]
fn a_key_of_another_operation_is_a_duplicate() {
    let (server, shop) = open();
    server.fund(&shop, "USD", "1000.00");
    let (session, account) = collection(&shop);
    let reference = key();
    shop.collect(session, account, "USD", &reference).ok();
    let payout = id(&shop.open_payout(shop.momo("PAYOUT", GOOD), "USD", "10.00").ok());
    let transfer = id(&shop.open_transfer(shop.customer(), "USD", "10.00").ok());
    is_duplicate(&shop.execute("payout", payout, &reference));
    is_duplicate(&shop.execute("transfer", transfer, &reference));
    assert_eq!(shop.session_status("payout", payout), "ACTIVE");
    assert_eq!(shop.session_status("transfer", transfer), "ACTIVE");
    shop.assert_balance("USD", "1100.00", "0.00");
}

#[test]
fn a_key_of_another_merchant_is_free() {
    let (_server, shop, other) = open_two();
    let reference = key();
    let answers: Vec<_> = [&shop, &other]
        .map(|m| {
            let (session, account) = collection(m);
            m.collect(session, account, "USD", &reference).ok()
        })
        .into();
    assert_ne!(answers[0]["payment_intent_id"], answers[1]["payment_intent_id"]);
    shop.assert_balance("USD", "100.00", "0.00");
    other.assert_balance("USD", "100.00", "0.00");
}

#[test]
fn a_key_is_a_version_4_uuid() {
    let (_server, shop) = open();
    let (session, account) = collection(&shop);
    for text in [
        "",
        "1",
        "not-a-uuid",
        "00000000-0000-0000-0000-000000000000",
        "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
        "74738ff5-5367-5958-9aee-98fffdcd1876",
        "018f4d0e-7b1c-7cc3-98c4-dc0c0c07398f",
        "g0a1b2c3-d4e5-4f60-8a9b-0c1d2e3f4a5b",
    ] {
        let fault = shop.collect(session, account, "USD", text).fault("body.reference_id");
        assert!(fault.msg.contains("invalid uuid"), "{text}: {}", fault.msg);
    }
    assert_eq!(shop.session_status("checkout", session), "ACTIVE");
}

#[test]
fn a_refusal_uses_up_neither_session_nor_key() {
    let (_server, shop) = open();
    let (session, account) = collection(&shop);
    let reference = key();
    shop.collect(session, shop.momo("PAYOUT", GOOD), "USD", &reference).refused(422);
    shop.collect(session, account, "RWF", &reference).refused(422);
    shop.collect(987_654, account, "USD", &reference).refused(422);
    shop.api.get(&format!("/v1/status/collection/{reference}")).refused(404);
    assert_eq!(shop.session_status("checkout", session), "ACTIVE");
    assert_eq!(shop.collect(session, account, "USD", &reference).ok()["status"], "COMPLETED");
}

#[test]
fn a_recorded_failure_uses_up_both() {
    let (server, shop) = open();
    let session = id(&shop.open_payout(shop.momo("PAYOUT", GOOD), "USD", "100.00").ok());
    let reference = key();
    assert_eq!(shop.execute("payout", session, &reference).ok()["status"], "FAILED");
    server.fund(&shop, "USD", "1000.00");
    shop.execute("payout", session, &key()).state_fault("body.session_id");
    let another = id(&shop.open_payout(shop.momo("PAYOUT", GOOD), "USD", "100.00").ok());
    is_duplicate(&shop.execute("payout", another, &reference));
    assert_eq!(shop.execute("payout", another, &key()).ok()["status"], "COMPLETED");
}

/// Keys never expire, not even after 24 hours.
#[test]
fn a_key_is_remembered_for_ever() {
    let (_server, shop) = open();
    let (session, account) = collection(&shop);
    let reference = key();
    let first = shop.collect(session, account, "USD", &reference).ok();
    shop.advance(31_622_400);
    assert_eq!(shop.collect(session, account, "USD", &reference).ok(), first);
    is_duplicate(&shop.collect(session, account, "LRD", &reference));
}

#[test]
fn a_key_survives_a_restart() {
    let (mut server, shop) = spawn();
    let (session, account) = collection(&shop);
    let reference = key();
    let first = shop.collect(session, account, "USD", &reference).ok();
    assert_eq!(server.terminate(), Some(0));
    server.restart(&[]);
    let shop = server.sign_in(&shop.credentials);
    assert_eq!(shop.collect(session, account, "USD", &reference).ok(), first);
    shop.assert_balance("USD", "100.00", "0.00");
}

#[test]
fn a_replay_must_still_be_well_formed() {
    let (_server, shop) = open();
    let (session, account) = collection(&shop);
    let reference = key();
    shop.collect(session, account, "USD", &reference).ok();
    let body = json!({"session_id": session, "reference_id": reference});
    shop.api
        .post("/v1/executions/collection", &body)
        .faults_are_at(&["body.payment_account_id", "body.currency"]);
}
