//! What is told, and what becomes of deliveries that fail.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Stage, secret};
use crate::support::shop::ending;
use crate::support::{id, instant, key, shown, wait_for};

/// How far in the future the next attempt is, in seconds.
fn delay(delivery: &Value) -> i64 {
    let until = instant(&delivery["next_attempt_at"]).as_second();
    until - instant(&delivery["updated_at"]).as_second()
}

#[test]
fn a_payment_is_told_signed_and_in_full() {
    let stage = Stage::open();
    let made = stage.endpoint();
    let paid = stage.shop.paid_hundred();
    let done = stage.receiver.wait_for("execution.completed", 1).remove(0);
    stage.receiver.wait_for("source.paid", 1);
    assert!(done.is_signed_by(&secret(&made)), "{done:?}");
    assert_eq!(done.header("content-type"), "application/json");
    let body = done.json();
    assert_eq!(done.header("webhook-id"), body["id"].to_string());
    assert_eq!(body["api_version"], "1");
    let before = shown(&body["data"], "previous_status");
    assert!(["PENDING", "PROCESSING"].contains(&before.as_str()), "{body}");
    let object = &body["data"]["object"];
    for field in ["reference_id", "payment_intent_id", "payer_amount", "payer_currency"] {
        assert_eq!(object[field], paid[field], "{field}");
    }
    assert_eq!(object["status"], "COMPLETED");

    // Each event of the API is told, with the sequence that it has there.
    let events = stage.shop.api.get("/v1/events/list?limit=100").rows();
    let known: BTreeMap<i64, i64> = events
        .iter()
        .filter(|event| event["type"] != "wallet.funded")
        .map(|event| (id(event), event["sequence"].as_i64().unwrap()))
        .collect();
    let told = wait_for("all events", || {
        let told: BTreeMap<i64, i64> = stage
            .receiver
            .received()
            .iter()
            .map(|message| {
                let body = message.json();
                (id(&body), body["sequence"].as_i64().unwrap())
            })
            .collect();
        (told.len() >= known.len()).then_some(told)
    });
    assert_eq!(told, known);
    let filter = format!("execution_id={}", paid["payment_intent_id"]);
    let delivery = stage.becomes(&format!("{filter}&type=execution.completed"), "DELIVERED");
    let path = format!("/v1/webhook-deliveries/retrieve/{}", id(&delivery));
    let delivery = stage.shop.api.get(&path).ok();
    assert_eq!(delivery["tries"][0]["response_status"], 204, "{delivery}");
}

#[test]
fn no_message_has_the_secret_of_a_card_payment() {
    let stage = Stage::open();
    stage.endpoint();
    let shop = &stage.shop;
    let card = shop.account(
        shop.party(),
        "COLLECTION",
        "CREDIT_CARD",
        Some("pm_card_authenticationRequired"),
    );
    let taken = shop.take(card, "USD", "10.00");
    assert!(taken["client_secret"].is_string(), "{taken}");
    let told = stage.receiver.wait_for("execution.requires_action", 1);
    assert!(told.iter().all(|message| message.json()["data"]["object"]["client_secret"].is_null()));
    let secret = shown(&taken, "client_secret");
    assert!(stage.receiver.received().iter().all(|message| !message.body.contains(&secret)));
}

#[test]
fn who_has_no_endpoint_costs_nothing() {
    let stage = Stage::open();
    stage.shop.paid_hundred();
    let count = |table: &str| stage.server.database.value(&format!("SELECT count(*) FROM {table}"));
    assert_eq!(count("webhook_messages"), "0");
    assert_eq!(count("webhook_deliveries"), "0");
}

#[test]
fn what_fails_is_tried_again_with_the_same_words() {
    let stage = Stage::open();
    let made = stage.endpoint_with(&json!({"event_types": ["wallet.funded"]}));
    stage.receiver.answer(|_| (500, String::new()));
    let event = stage.test(&made);
    let failed = stage.becomes("type=webhook.test", "FAILED");
    assert_eq!(failed["event_id"], event);
    assert_eq!(failed["attempts"], 1);
    assert!((3..=7).contains(&delay(&failed)), "{failed}");
    stage.make_due();
    stage.receiver.wait_for("webhook.test", 2);
    let failed = wait_for("the second attempt on record", || {
        stage.deliveries("type=webhook.test").into_iter().find(|row| row["attempts"] == 2)
    });
    assert!((47..=73).contains(&delay(&failed)), "{failed}");
    stage.receiver.answer(|_| (204, String::new()));
    stage.make_due();
    let done = stage.becomes("type=webhook.test", "DELIVERED");
    assert_eq!(done["attempts"], 3);
    assert_eq!(done["next_attempt_at"], Value::Null);
    let told = stage.receiver.wait_for("webhook.test", 3);
    assert!(told.iter().all(|message| message.body == told[0].body));
    assert!(told.iter().all(|message| message.header("webhook-id") == event.to_string()));
    assert!(told.iter().all(|message| message.is_signed_by(&secret(&made))));
    let path = format!("/v1/webhook-deliveries/retrieve/{}", id(&done));
    let tries = stage.shop.api.get(&path).ok()["tries"].clone();
    let said: Vec<_> =
        tries.as_array().unwrap().iter().map(|one| &one["response_status"]).collect();
    assert_eq!(said, [500, 500, 204]);
    assert_eq!(tries[0]["response"], "answered 500");
}

#[test]
fn what_the_endpoint_asks_for_is_obeyed() {
    let stage = Stage::open();
    let made = stage.endpoint();
    stage.receiver.answer(|_| (503, "retry-after: 15\r\n".to_owned()));
    stage.test(&made);
    let failed = stage.becomes("type=webhook.test", "FAILED");
    assert!((14..=16).contains(&delay(&failed)), "{failed}");
}

#[test]
fn after_the_last_attempt_it_is_given_up_and_can_be_recovered() {
    let stage = Stage::open();
    let made = stage.endpoint();
    stage.receiver.answer(|_| (500, String::new()));
    stage.test(&made);
    for attempts in 1..=11 {
        wait_for("the attempt on record", || {
            let rows = stage.deliveries("type=webhook.test");
            rows.into_iter().find(|row| row["attempts"] == attempts)
        });
        stage.make_due();
    }
    let dead = stage.becomes("type=webhook.test", "DEAD");
    assert_eq!((&dead["attempts"], &dead["next_attempt_at"]), (&json!(11), &Value::Null));
    stage.receiver.answer(|_| (204, String::new()));
    let path = format!("/v1/webhook-endpoints/recover/{}", id(&made));
    let later = json!({"since": "2100-01-01T00:00:00Z"});
    assert_eq!(stage.shop.api.post(&path, &later).ok()["deliveries"], 0);
    let all = json!({"since": "2000-01-01T00:00:00Z"});
    assert_eq!(stage.shop.api.post(&path, &all).ok()["deliveries"], 1);
    let done = stage.becomes("type=webhook.test", "DELIVERED");
    assert_eq!(done["attempts"], 12);
    assert_eq!(stage.shop.api.post(&path, &all).ok()["deliveries"], 0, "there is nothing left");
}

#[test]
fn what_arrived_is_sent_once_more_when_asked() {
    let stage = Stage::open();
    let made = stage.endpoint();
    stage.test(&made);
    let done = stage.becomes("type=webhook.test", "DELIVERED");
    let path = format!("/v1/webhook-deliveries/resend/{}", id(&done));
    stage.shop.api.post(&path, &json!({})).ok();
    let told = stage.receiver.wait_for("webhook.test", 2);
    assert_eq!(told[0].body, told[1].body);
    let done = stage.becomes("type=webhook.test", "DELIVERED");
    assert_eq!(done["attempts"], 2);
    let off = format!("/v1/webhook-endpoints/update/{}", id(&made));
    stage.shop.api.put(&off, &json!({"enabled": false})).ok();
    stage.shop.api.post(&path, &json!({})).refused(422);
    let test = format!("/v1/webhook-endpoints/test/{}", id(&made));
    stage.shop.api.post(&test, &json!({})).refused(422);
}

#[test]
fn an_endpoint_that_is_gone_is_disabled_and_the_others_are_told() {
    let stage = Stage::open();
    let gone = super::Receiver::answering(|_| (410, String::new()));
    let body = json!({ "url": gone.url(), "event_types": ["wallet.status"] });
    let made = stage.shop.api.post("/v1/webhook-endpoints/create", &body).ok();
    stage.endpoint_with(&json!({"event_types": ["webhook_endpoint.disabled"]}));
    stage.test(&made);
    let told = stage.receiver.wait_for("webhook_endpoint.disabled", 1).remove(0).json();
    assert_eq!(told["data"]["object"]["id"], made["id"]);
    assert_eq!(told["data"]["object"]["disabled_reason"], "GONE");
    let read = stage.read(&made);
    assert_eq!((&read["enabled"], &read["disabled_reason"]), (&json!(false), &json!("GONE")));
    assert_eq!(stage.becomes("type=webhook.test", "DEAD")["attempts"], 1);
}

#[test]
fn five_days_of_nothing_but_failure_disable_an_endpoint() {
    let stage = Stage::open();
    let made = stage.endpoint();
    stage.receiver.answer(|_| (500, String::new()));
    stage.test(&made);
    stage.becomes("type=webhook.test", "FAILED");
    let day: i64 = 86_400_000_000;
    let earlier = |days: i64| {
        let sql =
            format!("UPDATE webhook_endpoints SET failing_since = failing_since - {}", days * day);
        stage.server.database.sql(&sql);
    };
    earlier(4);
    stage.make_due();
    stage.receiver.wait_for("webhook.test", 2);
    wait_for("the second attempt on record", || {
        stage.deliveries("type=webhook.test").into_iter().find(|row| row["attempts"] == 2)
    });
    assert_eq!(stage.read(&made)["enabled"], true, "four days are not enough");
    earlier(1);
    stage.make_due();
    wait_for("the end of it", || (stage.read(&made)["enabled"] == false).then_some(()));
    assert_eq!(stage.read(&made)["disabled_reason"], "FAILING");
    // It begins anew when it is enabled again.
    let path = format!("/v1/webhook-endpoints/update/{}", id(&made));
    stage.shop.api.put(&path, &json!({"enabled": true})).ok();
    stage.receiver.answer(|_| (204, String::new()));
    let recover = format!("/v1/webhook-endpoints/recover/{}", id(&made));
    let since = json!({"since": "2000-01-01T00:00:00Z"});
    assert_eq!(stage.shop.api.post(&recover, &since).ok()["deliveries"], 1);
    stage.becomes("type=webhook.test", "DELIVERED");
}

#[test]
fn an_endpoint_is_told_what_it_asked_for() {
    let stage = Stage::open();
    let made = stage.endpoint_with(&json!({"event_types": ["execution.failed"]}));
    let shop = &stage.shop;
    shop.paid_hundred();
    let session = shop.checkout(shop.invoice("USD", "10.00"));
    shop.collect(session, shop.momo("COLLECTION", &ending("039")), "USD", &key()).ok();
    let told = stage.receiver.wait_for("execution.failed", 1);
    assert_eq!(told[0].json()["data"]["object"]["status"], "FAILED");
    stage.test(&made);
    stage.receiver.wait_for("webhook.test", 1);
    let kinds: Vec<_> = stage.receiver.received().iter().map(|message| message.kind()).collect();
    assert!(
        kinds.iter().all(|kind| kind == "execution.failed" || kind == "webhook.test"),
        "{kinds:?}"
    );
}

#[test]
fn what_happens_while_an_endpoint_is_off_is_not_told() {
    let stage = Stage::open();
    let made = stage.endpoint();
    let path = format!("/v1/webhook-endpoints/update/{}", id(&made));
    stage.shop.api.put(&path, &json!({"enabled": false})).ok();
    stage.server.fund(&stage.shop, "USD", "1.00");
    wait_for("the message without deliveries", || {
        let sql = "SELECT count(*) FROM webhook_messages WHERE fanned_out_at IS NOT NULL";
        (stage.server.database.value(sql) == "1").then_some(())
    });
    stage.shop.api.put(&path, &json!({"enabled": true})).ok();
    stage.server.fund(&stage.shop, "USD", "2.00");
    let told = stage.receiver.wait_for("wallet.funded", 1);
    assert_eq!(told.len(), 1);
    assert_eq!(stage.deliveries("type=wallet.funded").len(), 1);
}

#[test]
fn a_dead_endpoint_holds_up_nobody() {
    let stage = Stage::open();
    // A port that nobody listens at.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let body = json!({ "url": format!("http://{nobody}/") });
    let dead = stage.shop.api.post("/v1/webhook-endpoints/create", &body).ok();
    stage.endpoint();
    stage.shop.paid_hundred();
    stage.receiver.wait_for("source.paid", 1);
    let failed = stage.becomes(&format!("endpoint_id={}", id(&dead)), "FAILED");
    let path = format!("/v1/webhook-deliveries/retrieve/{}", id(&failed));
    let tries = stage.shop.api.get(&path).ok()["tries"].clone();
    assert_eq!(tries[0]["response_status"], Value::Null);
    assert!(shown(&tries[0], "response").contains("127.0.0.1"), "{tries}");
}

#[test]
fn an_endpoint_that_is_left_alone_says_until_when() {
    let stage = Stage::open();
    let made = stage.endpoint();
    let path = format!("/v1/webhook-endpoints/retrieve/{}", id(&made));
    let paused = || stage.shop.api.get(&path).ok()["paused_until"].clone();
    assert_eq!(paused(), Value::Null);
    stage.receiver.answer(|_| (500, String::new()));
    for _ in 0..20 {
        stage.server.fund(&stage.shop, "USD", "1.00");
    }
    wait_for("a pause", || (!paused().is_null()).then_some(()));
    let until = instant(&paused());
    let rows = stage.shop.api.get("/v1/webhook-endpoints/list").rows();
    assert_eq!(instant(&rows[0]["paused_until"]), until);
    // Who asks for a delivery ends it.
    stage.receiver.answer(|_| (204, String::new()));
    stage.test(&made);
    stage.receiver.wait_for("webhook.test", 1);
    wait_for("the end of the pause", || paused().is_null().then_some(()));
}

#[test]
fn nothing_is_sent_again_to_a_deleted_endpoint() {
    let stage = Stage::open();
    let made = stage.endpoint();
    stage.test(&made);
    stage.receiver.wait_for("webhook.test", 1);
    let told = stage.becomes(&format!("endpoint_id={}", id(&made)), "DELIVERED");
    let of_endpoint = |what: &str| format!("/v1/webhook-endpoints/{what}/{}", id(&made));
    let resend = || {
        let path = format!("/v1/webhook-deliveries/resend/{}", id(&told));
        stage.shop.api.call("POST", &path, None)
    };
    stage.shop.api.put(&of_endpoint("update"), &json!({"enabled": false})).ok();
    assert!(resend().refused(422)[0]["msg"].to_string().contains("enable it first"));
    stage.shop.api.call("POST", &of_endpoint("delete"), None).ok();
    assert!(resend().refused(422)[0]["msg"].to_string().contains("was deleted"));
}
