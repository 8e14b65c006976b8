//! pawaPay's callbacks: when they come, how often, by whom they are signed, and what kola makes of what
//! is none.

use serde_json::{Value, json};

use super::stage::{Stage, add_account, pawapay_secrets};
use crate::support::http::raw;
use crate::support::shop::GOOD;
use crate::support::{key, shown, wait_for};

/// A collection of 100.00 USD that pawaPay has taken and does not end by itself.
fn open_payment(stage: &Stage) -> Value {
    stage.pawapay_fault("/v2/deposits", "STUCK", &json!({}));
    let paid = stage.shop.take(stage.shop.momo("COLLECTION", GOOD), "USD", "100.00");
    assert_eq!(paid["status"], "PROCESSING", "{paid}");
    paid
}

/// A collection of 100.00 USD that is completed.
fn completed_payment(stage: &Stage) -> Value {
    let paid = stage.shop.take(stage.shop.momo("COLLECTION", GOOD), "USD", "100.00");
    let paid = stage.becomes("collection", &paid, "COMPLETED");
    stage.fakes.flush_on_threads();
    paid
}

/// How often kola has asked pawaPay for the keys of callbacks.
fn keys_fetched(stage: &Stage) -> usize {
    stage.pawapay_requests("GET", "/v2/public-key/http").len()
}

/// How much is written of the merchant's payments.
fn written(stage: &Stage) -> [String; 3] {
    let merchant = stage.shop.credentials.merchant_id;
    let count = |table| format!("SELECT count(*) FROM {table} WHERE merchant_id = {merchant}");
    ["events", "exchanges", "reviews"].map(|table| stage.server.database.value(&count(table)))
}

fn settlements(stage: &Stage) -> String {
    let count = "SELECT count(*) FROM events WHERE type = {event_type execution.completed}";
    stage.server.database.value(count)
}

#[test]
fn a_callback_before_the_answer_settles_once() {
    let stage = Stage::open();
    for path in ["/v2/deposits", "/v2/payouts", "/v2/refunds"] {
        stage.pawapay_fault(path, "CALLBACK_FIRST", &json!({}));
    }
    let shop = &stage.shop;
    let paid = shop.take(shop.momo("COLLECTION", GOOD), "USD", "100.00");
    assert_eq!(paid["status"], "COMPLETED", "{paid}");
    let sent = shop.send(shop.momo("PAYOUT", GOOD), "USD", "20.00");
    assert_eq!(sent["status"], "COMPLETED", "{sent}");
    let back = shop.refund(&paid, "30.00");
    assert_eq!(back["status"], "COMPLETED", "{back}");
    assert_eq!(stage.callback_answers(), [200, 200, 200]);
    assert_eq!(settlements(&stage), "3");
    stage.assert_books_equal();
}

#[test]
fn a_hundred_callbacks_at_once_settle_once() {
    let stage = Stage::open();
    let paid = open_payment(&stage);
    let copies = json!({"network": "PAWAPAY", "kind": "CALLBACK_REPEATED", "copies": 100});
    stage.fault(&copies);
    stage.change_at_pawapay(&paid, &json!({"status": "COMPLETED"}));
    assert_eq!(stage.callback_answers(), [200; 100]);
    assert_eq!(stage.now("collection", &paid)["status"], "COMPLETED");
    assert_eq!(settlements(&stage), "1");
    stage.shop.assert_balance("USD", "100.00", "0.00");
    stage.assert_books_equal();
}

#[test]
fn an_older_callback_changes_nothing() {
    let stage = Stage::open();
    let paid = completed_payment(&stage);
    for status in ["PROCESSING", "ACCEPTED", "IN_RECONCILIATION", "COMPLETED"] {
        let answers = stage.call_back(&paid, &json!({"set": {"status": status}}));
        assert_eq!(answers, [200], "{status}");
        assert_eq!(stage.now("collection", &paid), paid, "{status}");
    }
    assert_eq!(settlements(&stage), "1");
    stage.assert_no_review(&paid);
    stage.assert_books_equal();
}

#[test]
fn a_callback_of_an_unknown_id_is_answered_and_changes_nothing() {
    let stage = Stage::open();
    let paid = completed_payment(&stage);
    let before = written(&stage);
    let unknown = json!({"set": {"depositId": key(), "status": "FAILED"}});
    assert_eq!(stage.call_back(&paid, &unknown), [200]);
    // The id of a payment that is made through another account is unknown, too.
    let (_, second) = add_account(
        &stage.server.database,
        &["--network", "pawapay", "--name", "second", "--base-url", &stage.fakes.pawapay_url()],
        &pawapay_secrets(),
    );
    let url = format!("http://{}{second}", stage.server.api.address);
    stage.control("/pawapay/callback-urls", &json!({ "url": url }));
    let failed = json!({"set": {"status": "FAILED"}});
    wait_for("the second account", || (stage.call_back(&paid, &failed) == [200]).then_some(()));
    assert_eq!(written(&stage), before);
    assert_eq!(stage.now("collection", &paid), paid);
    stage.assert_books_equal();
    // Both are on record for the operator, without the payer's number.
    let listed =
        |account: &str| stage.server.kola(&["networks", "unmatched", "--account", account]);
    let first = listed(&stage.pawapay.to_string()).ok();
    assert!(first.contains(&shown(&unknown["set"], "depositId")), "{first}");
    assert!(first.contains("signed, about") && !first.contains(GOOD), "{first}");
    let second = stage.server.database.value("SELECT max(network_account_id) FROM network_secrets");
    let second = listed(&second).ok();
    assert!(second.contains(&shown(&stage.at_pawapay(&paid), "id")), "{second}");
}

#[test]
fn what_was_kept_long_enough_is_deleted() {
    let mut stage = Stage::spawn();
    let old = completed_payment(&stage);
    let new = completed_payment(&stage);
    for _ in 0..2 {
        stage.call_back(&old, &json!({"set": {"depositId": key(), "status": "FAILED"}}));
    }
    let database = |stage: &Stage, query: &str| stage.server.database.value(query);
    let exchanges = |stage: &Stage, paid: &Value| {
        let of = shown(paid, "payment_intent_id");
        database(stage, &format!("SELECT count(*) FROM exchanges WHERE execution_id = {of}"))
    };
    let unmatched = |stage: &Stage| database(stage, "SELECT count(*) FROM unmatched_callbacks");
    let days = |days: i64| days * 86_400_000_000;
    let age = |stage: &Stage, table: &str, column: &str, which: &str, by: i64| {
        let sql = format!("UPDATE {table} SET {column} = {column} - {by} WHERE {which}");
        stage.server.database.sql(&sql);
    };
    let kept = exchanges(&stage, &new);
    assert!(kept != "0" && exchanges(&stage, &old) != "0");
    assert_eq!(unmatched(&stage), "2");
    age(
        &stage,
        "exchanges",
        "begun_at",
        &format!("execution_id = {}", old["payment_intent_id"]),
        days(91),
    );
    age(
        &stage,
        "exchanges",
        "begun_at",
        &format!("execution_id = {}", new["payment_intent_id"]),
        days(89),
    );
    let oldest = "id = (SELECT min(id) FROM unmatched_callbacks)";
    age(&stage, "unmatched_callbacks", "received_at", oldest, days(31));
    age(&stage, "unmatched_callbacks", "received_at", &format!("NOT {oldest}"), days(29));
    stage.server.terminate();
    stage.server.restart(&[]);
    wait_for("old rows to be deleted", || {
        (exchanges(&stage, &old) == "0" && unmatched(&stage) == "1").then_some(())
    });
    assert_eq!(exchanges(&stage, &new), kept);
}

#[test]
fn a_callback_whose_signature_does_not_hold_is_refused() {
    let stage = Stage::open();
    let paid = open_payment(&stage);
    let callback = |signature: &str| json!({"set": {"status": "FAILED"}, "signature": signature});
    // Until it knows that they are signed, one that is not makes it ask.
    wait_for("the account's terms", || {
        (stage.call_back(&paid, &callback("UNSIGNED")) == [401]).then_some(())
    });
    for signature in ["FORGED", "EXPIRED", "TAMPERED", "UNSIGNED"] {
        assert_eq!(stage.call_back(&paid, &callback(signature)), [401], "{signature}");
        assert_eq!(stage.now("collection", &paid)["status"], "PROCESSING", "{signature}");
    }
    let recorded = "SELECT count(*) FROM exchanges WHERE request LIKE 'POST /callbacks/%'";
    assert_eq!(stage.server.database.value(recorded), "0");
    stage.change_at_pawapay(&paid, &json!({"status": "COMPLETED"}));
    assert_eq!(stage.now("collection", &paid)["status"], "COMPLETED");
    // Neither by a callback that was signed for another address.
    let body = json!({"depositId": stage.at_pawapay(&paid)["id"], "status": "FAILED"});
    let path = &stage.pawapay_path;
    let headers = [("Host", "elsewhere.example"), ("Content-Type", "application/json")];
    let text = body.to_string();
    let reply = stage.server.api.exchange("POST", path, &headers, text.as_bytes());
    assert_eq!(reply.expect("an answer").status, 401);
    stage.assert_no_review(&paid);
    stage.assert_books_equal();
}

#[test]
fn new_keys_of_callbacks_are_fetched_once() {
    let stage = Stage::open();
    let paid = open_payment(&stage);
    let processing = json!({"set": {"status": "PROCESSING"}});
    assert_eq!(stage.call_back(&paid, &processing), [200]);
    assert_eq!(stage.call_back(&paid, &processing), [200]);
    assert_eq!(keys_fetched(&stage), 1);
    stage.control("/pawapay/rotate-key", &json!({}));
    // Keys that were fetched a moment ago are not fetched again: a callback is refused, and repeated.
    wait_for("the new key", || (stage.call_back(&paid, &processing) == [200]).then_some(()));
    assert_eq!(stage.call_back(&paid, &processing), [200]);
    assert_eq!(keys_fetched(&stage), 2);
    stage.change_at_pawapay(&paid, &json!({"status": "COMPLETED"}));
    assert_eq!(stage.now("collection", &paid)["status"], "COMPLETED");
    stage.assert_books_equal();
}

#[test]
fn clocks_may_differ_by_five_minutes() {
    let stage = Stage::open();
    for (ahead, accepted) in [(240, true), (-240, true), (360, false), (-360, false)] {
        let paid = open_payment(&stage);
        stage.fakes.advance(ahead);
        let callback = json!({"set": {"status": "PROCESSING"}});
        let expected = if accepted { 200 } else { 401 };
        assert_eq!(stage.call_back(&paid, &callback), [expected], "{ahead} s");
        stage.change_at_pawapay(&paid, &json!({"status": "COMPLETED"}));
        if accepted {
            assert_eq!(stage.now("collection", &paid)["status"], "COMPLETED", "{ahead} s");
        }
        // Asking needs no clock.
        stage.becomes("collection", &paid, "COMPLETED");
        stage.fakes.advance(-ahead);
    }
    stage.assert_books_equal();
}

/// A stage whose pawaPay does not sign callbacks, and whose server knows it.
fn unsigned() -> Stage {
    let stage = Stage::open();
    stage.control("/pawapay/settings", &json!({"signed_callbacks": false}));
    stage.refresh_terms();
    let unknown = json!({ "depositId": key(), "status": "COMPLETED" });
    wait_for("the account's terms", || {
        let reply = stage.server.api.post(&stage.pawapay_path, &unknown);
        (reply.status == 200).then_some(())
    });
    stage
}

#[test]
fn a_callback_that_is_not_signed_only_makes_kola_ask() {
    let stage = unsigned();
    let paid = open_payment(&stage);
    let completed = json!({"set": {"status": "COMPLETED"}});
    assert_eq!(stage.call_back(&paid, &completed), [200]);
    assert_eq!(stage.now("collection", &paid)["status"], "PROCESSING");
    stage.change_at_pawapay(&paid, &json!({"status": "COMPLETED"}));
    // By the next check, and not by two at once: no question is under way afterwards.
    let paid = wait_for("the next check", || {
        let now = stage.now("collection", &paid);
        (now["status"] == "COMPLETED").then_some(now)
    });
    // Nobody asks about a payment that is final, but because of a hint.
    let questions = || stage.pawapay_requests("GET", "/v2/deposits/").len();
    let asked_ago = |microseconds: i64| {
        let set = format!("UPDATE provider_attempts SET asked_at = sent_at - {microseconds}");
        stage.server.database.sql(&set);
    };
    let failed = json!({"set": {"status": "FAILED"}});
    asked_ago(60_000_000);
    let before = questions();
    assert_eq!(stage.call_back(&paid, &failed), [200]);
    wait_for("a question", || (questions() > before).then_some(()));
    // Not more often than once in ten seconds.
    asked_ago(-3_600_000_000);
    for _ in 0..20 {
        assert_eq!(stage.call_back(&paid, &failed), [200]);
    }
    assert_eq!(questions(), before + 1);
    assert_eq!(stage.now("collection", &paid), paid);
    stage.assert_no_review(&paid);
    // What pawaPay itself says is booked.
    asked_ago(60_000_000);
    stage.change_at_pawapay(&paid, &json!({"status": "FAILED"}));
    let review = stage.review_of(&paid);
    assert_eq!(review["kind"], "FAILURE_AFTER_SUCCESS", "{review}");
    stage.assert_books_equal();
}

#[test]
fn what_is_no_callback_is_refused() {
    let stage = unsigned();
    let paid = completed_payment(&stage);
    let before = written(&stage);
    let api = &stage.server.api;
    let path = stage.pawapay_path.as_str();
    let (account, _) = path.rsplit_once('/').expect("a token");
    let other_network = path.replace("/pawapay/", "/stripe/");
    for wrong in [
        format!("{account}/wrong"),
        format!("{path}0"),
        other_network,
        "/callbacks/pawapay/987654/token".to_owned(),
        "/callbacks/pawapay/one/token".to_owned(),
        "/callbacks/pawapay/99999999999999999999/token".to_owned(),
        "/callbacks/mpesa/1/token".to_owned(),
    ] {
        let reply = api.post(&wrong, &json!({}));
        assert_eq!(reply.refused_in_words(404), "Not found", "{wrong}");
    }
    let json = "application/json";
    for body in ["letters", "", "[]", "{}", "{\"depositId\": 7}", "{\"depositId\": \"one\"}"] {
        let reply = api.post_bytes(path, json, body.as_bytes());
        assert!(!reply.refused_in_words(400).is_empty(), "{body}");
    }
    let id = shown(&stage.at_pawapay(&paid), "id");
    let large = format!(
        "{{\"depositId\": \"{id}\", \"status\": \"FAILED\", \"note\": \"{}",
        "a".repeat(300_000)
    );
    // Answered before all of it was sent.
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Type: {json}\r\n\
         Content-Length: 10000000\r\n",
        api.address
    );
    let reply = raw(&api.address, head.as_bytes(), large.as_bytes()).expect("an answer");
    assert!(reply.refused_in_words(413).contains("262144 bytes"), "{reply:?}");
    assert_eq!(written(&stage), before);
    assert_eq!(stage.now("collection", &paid), paid);
    stage.assert_books_equal();
}
