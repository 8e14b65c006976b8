//! Concurrent requests: one key has one effect, and nobody spends more money than there is.

use crate::support::shop::{GOOD, source_for};
use crate::support::{
    Merchant, all_at_once, cents, id, json, key, number, one_of_many, open, open_two, open_with,
    shown, soon, with_status,
};
use serde_json::Value;

#[test]
fn sixty_four_payouts_with_one_key_are_one_payout() {
    let (server, shop) = open();
    server.fund(&shop, "USD", "10000.00");
    let session = id(&shop.open_payout(shop.momo("PAYOUT", GOOD), "USD", "100.00").ok());
    let reference = key();
    let answers = all_at_once(&[(); 64], |()| shop.execute("payout", session, &reference).ok());
    for field in
        ["payment_intent_id", "reference_id", "payer_amount", "payee_amount", "operation_type"]
    {
        assert!(answers.iter().all(|a| a[field] == answers[0][field]), "{field}: {answers:?}");
    }
    let last = shop.settled("payout", &answers[0]);
    assert_eq!(last["status"], "COMPLETED");
    assert_eq!(shop.execute("payout", session, &reference).ok(), last);
    assert_eq!(shop.api.get("/v1/payment-intents/list").rows().len(), 1);
    shop.assert_balance("USD", "9898.50", "0.00");
    server.verify_ledger();
}

/// A transfer is final in its first commit, so every answer has the same bytes.
#[test]
fn sixty_four_transfers_with_one_key_answer_alike() {
    let (server, shop) = open();
    server.fund(&shop, "USD", "10000.00");
    let session = id(&shop.open_transfer(shop.customer(), "USD", "100.00").ok());
    let reference = key();
    let answers = all_at_once(&[(); 64], |()| shop.execute("transfer", session, &reference).ok());
    assert!(answers.iter().all(|a| *a == answers[0]), "{answers:?}");
    assert_eq!(answers[0]["status"], "COMPLETED");
    shop.assert_balance("USD", "9900.00", "0.00");
    server.verify_ledger();
}

#[test]
fn sixty_four_collections_with_one_key_are_one_collection() {
    let (server, shop) = open();
    let session = shop.checkout(shop.invoice("USD", "100.00"));
    let (account, reference) = (shop.momo("COLLECTION", GOOD), key());
    let answers =
        all_at_once(&[(); 64], |()| shop.collect(session, account, "USD", &reference).ok());
    assert!(
        answers.iter().all(|a| a["payment_intent_id"] == answers[0]["payment_intent_id"]),
        "{answers:?}"
    );
    assert_eq!(shop.settled("collection", &answers[0])["status"], "COMPLETED");
    shop.assert_balance("USD", "100.00", "0.00");
    server.verify_ledger();
}

#[test]
fn one_session_is_executed_under_one_of_many_keys() {
    let (server, shop) = open();
    server.fund(&shop, "USD", "10000.00");
    let session = id(&shop.open_payout(shop.momo("PAYOUT", GOOD), "USD", "100.00").ok());
    let keys: Vec<String> = (0..16).map(|_| key()).collect();
    let replies = all_at_once(&keys, |k| shop.execute("payout", session, k));
    one_of_many(&replies, "body.session_id");
    shop.assert_balance("USD", "9898.50", "0.00");
    server.verify_ledger();
}

#[test]
fn one_key_serves_one_of_many_sessions() {
    let (server, shop) = open();
    server.fund(&shop, "USD", "10000.00");
    let account = shop.momo("PAYOUT", GOOD);
    let sessions: Vec<i64> =
        (0..16).map(|_| id(&shop.open_payout(account, "USD", "100.00").ok())).collect();
    let reference = key();
    let replies = all_at_once(&sessions, |s| shop.execute("payout", *s, &reference));
    one_of_many(&replies, "body.reference_id");
    shop.assert_balance("USD", "9898.50", "0.00");
    server.verify_ledger();
}

/// 103.00 were paid, and 50 refunds of 5.00 are requested while each of them would fit: 20 do.
#[test]
fn refunds_never_exceed_the_payment() {
    let (server, shop) = open();
    server.fund(&shop, "USD", "1000.00");
    let paid = shop.paid_hundred();
    let sessions: Vec<i64> =
        (0..50).map(|_| id(&shop.open_refund(&paid["payment_intent_id"], "5.00").ok())).collect();
    let answers = all_at_once(&sessions, |s| shop.execute("refund", *s, &key()).ok());
    let ends: Vec<Value> = answers.iter().map(|a| shop.settled("refund", a)).collect();
    assert_eq!((with_status(&ends, "COMPLETED"), with_status(&ends, "FAILED")), (20, 30));
    shop.assert_balance("USD", "1000.00", "0.00");
    server.verify_ledger();
}

#[test]
fn refunds_in_flight_never_exceed_the_payment_either() {
    let (server, shop) = open_with(&[("KOLA_SANDBOX_DELAY_MS", "500")]);
    server.fund(&shop, "USD", "1000.00");
    let first = shop.take(shop.momo("COLLECTION", GOOD), "USD", "100.00");
    let paid = shop.settled("collection", &first);
    let sessions: Vec<i64> =
        (0..10).map(|_| id(&shop.open_refund(&paid["payment_intent_id"], "25.00").ok())).collect();
    let answers = all_at_once(&sessions, |s| shop.execute("refund", *s, &key()).ok());
    let ends: Vec<Value> = answers.iter().map(|a| shop.settled("refund", a)).collect();
    assert_eq!((with_status(&ends, "COMPLETED"), with_status(&ends, "FAILED")), (4, 6));
    shop.assert_balance("USD", "1000.00", "0.00");
    server.verify_ledger();
}

/// A payout costs 10.15, so nine of them fit into 100.00.
#[test]
fn payouts_never_take_more_than_there_is() {
    let (server, shop) = open();
    server.fund(&shop, "USD", "100.00");
    let account = shop.momo("PAYOUT", GOOD);
    let sessions: Vec<i64> =
        (0..30).map(|_| id(&shop.open_payout(account, "USD", "10.00").ok())).collect();
    let answers = all_at_once(&sessions, |s| {
        let answer = shop.execute("payout", *s, &key()).ok();
        let (available, held) = shop.money_in(shop.wallet("USD"));
        assert!(cents(&available) >= 0 && cents(&held) >= 0, "{available} {held}");
        answer
    });
    let ends: Vec<Value> = answers.iter().map(|a| shop.settled("payout", a)).collect();
    assert_eq!((with_status(&ends, "COMPLETED"), with_status(&ends, "FAILED")), (9, 21));
    shop.assert_balance("USD", "8.65", "0.00");
    server.verify_ledger();
}

#[test]
fn held_money_is_not_spent_twice() {
    let (server, shop) = open_with(&[("KOLA_SANDBOX_DELAY_MS", "604800000")]);
    server.fund(&shop, "USD", "100.00");
    let account = shop.momo("PAYOUT", GOOD);
    let sessions: Vec<i64> =
        (0..12).map(|_| id(&shop.open_payout(account, "USD", "40.00").ok())).collect();
    let answers = all_at_once(&sessions, |s| shop.execute("payout", *s, &key()).ok());
    assert_eq!((with_status(&answers, "PROCESSING"), with_status(&answers, "FAILED")), (2, 10));
    shop.assert_balance("USD", "18.80", "81.20");
    server.verify_ledger();
}

fn race_for_a_source(delay: &str) -> (usize, String) {
    let (server, shop) = open_with(&[("KOLA_SANDBOX_DELAY_MS", delay)]);
    let invoice = shop.invoice("USD", "100.00");
    let account = shop.momo("COLLECTION", GOOD);
    let sessions: Vec<i64> = (0..12).map(|_| shop.checkout(invoice)).collect();
    let replies = all_at_once(&sessions, |s| shop.collect(*s, account, "USD", &key()));
    for reply in replies.iter().filter(|r| r.status != 200) {
        reply.refused(422);
    }
    server.verify_ledger();
    (replies.iter().filter(|r| r.status == 200).count(), shop.source_status("invoices", invoice))
}

#[test]
fn only_one_of_many_open_sessions_collects_a_source() {
    assert_eq!(race_for_a_source("0"), (1, "PAID".to_owned()));
    assert_eq!(race_for_a_source("604800000"), (1, "PROCESSING".to_owned()));
}

#[test]
fn numbers_have_no_gap_and_no_repeat() {
    let (_server, shop) = open();
    let (customer, year) = (shop.customer(), shop.year());
    let body = source_for(customer);
    let mut numbers = all_at_once(&[(); 24], |()| {
        shown(&shop.api.post("/v1/invoices/create", &body).ok(), "invoice_number")
    });
    numbers.sort();
    let expected: Vec<String> = (1..=24).map(|n| format!("INV-{year}-{n:05}")).collect();
    assert_eq!(numbers, expected);
}

#[test]
fn a_partys_wallet_is_opened_once() {
    let (server, shop) = open();
    server.fund(&shop, "USD", "100.00");
    let party = shop.party();
    let counterparty = shop.counterparty(party);
    let sessions: Vec<i64> =
        (0..16).map(|_| id(&shop.open_transfer(counterparty, "USD", "1.00").ok())).collect();
    let answers = all_at_once(&sessions, |s| shop.execute("transfer", *s, &key()).ok());
    assert_eq!(with_status(&answers, "COMPLETED"), 16);
    assert_eq!(shop.api.get(&format!("/v1/wallets/list?party_id={party}")).rows().len(), 1);
    assert_eq!(shop.money_in(shop.wallet_of(party, "USD")).0, "16.00");
    shop.assert_balance("USD", "84.00", "0.00");
    server.verify_ledger();
}

fn collected(shop: &Merchant, amount: &str) -> Value {
    shop.take(shop.momo("COLLECTION", GOOD), "LRD", amount)
}

/// Two merchants make every kind of payment at once: nothing waits for ever, and the books balance.
#[test]
fn mixed_work_of_two_merchants_balances() {
    let (server, shop, other) = open_two();
    for merchant in [&shop, &other] {
        server.fund(merchant, "USD", "1000.00");
    }
    let work: Vec<usize> = (0..24).collect();
    let done = all_at_once(&work, |n| {
        let merchant = if n % 2 == 0 { &shop } else { &other };
        match n % 3 {
            0 => merchant.send(merchant.momo("PAYOUT", GOOD), "USD", "10.00"),
            1 => merchant.transfer(merchant.customer(), "USD", "10.00"),
            _ => collected(merchant, "100.00"),
        }
    });
    assert_eq!(with_status(&done, "COMPLETED"), 24);
    for merchant in [&shop, &other] {
        // 1,000.00 less four payouts of 10.15 and four transfers of 10.00. The four collections are
        // in LRD.
        merchant.assert_balance("USD", "919.40", "0.00");
        merchant.assert_balance("LRD", "400.00", "0.00");
    }
    server.verify_ledger();
}

#[test]
fn money_is_added_beside_a_running_server() {
    let (server, shop) = open();
    let account = shop.momo("PAYOUT", GOOD);
    let body = json!({"wallet_id": shop.wallet("USD"), "payment_account_id": account, "amount": number("1.00"),
        "currency": "USD", "expires_at": soon()});
    let jobs: Vec<usize> = (0..8).collect();
    all_at_once(&jobs, |n| {
        if n % 2 == 0 {
            server.fund(&shop, "USD", "25.00");
        } else {
            shop.api.post("/v1/sessions/payout", &body).ok();
        }
    });
    shop.assert_balance("USD", "100.00", "0.00");
    server.verify_ledger();
}
