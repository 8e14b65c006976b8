//! Stripe.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Answer, NOW, Stage};
use crate::{STRIPE_PUBLISHABLE_KEY, STRIPE_SECRET_KEY};

const INTENT: &str = "amount=2500&currency=usd&payment_method_types[]=card&metadata[request]=r-1";

impl Stage {
    async fn stripe_with(
        &self,
        method: &str,
        path: &str,
        body: &str,
        headers: &[(&str, &str)],
    ) -> Answer {
        let key = format!("Bearer {STRIPE_SECRET_KEY}");
        let mut all = vec![("authorization", key.as_str())];
        if method == "POST" {
            all.push(("content-type", "application/x-www-form-urlencoded"));
        }
        // A later header of the same name counts.
        all.retain(|(name, _)| !headers.iter().any(|(other, _)| other == name));
        all.extend(headers);
        let url = format!("{}{path}", self.fakes.stripe_url());
        self.send(method, &url, &all, body).await.unwrap()
    }

    async fn post(&self, path: &str, body: &str) -> Answer {
        self.stripe_with("POST", path, body, &[]).await
    }

    async fn get(&self, path: &str) -> Value {
        self.stripe_with("GET", path, "", &[]).await.json()
    }

    /// An intent with this test card, created and confirmed.
    async fn pay(&self, card: &str) -> Answer {
        let body = format!("{INTENT}&confirm=true&payment_method={card}");
        self.post("/v1/payment_intents", &body).await
    }

    /// The types of the events that were received since the last call, sorted.
    fn event_types(&self) -> Vec<String> {
        let received = self.received();
        let types = received.iter().map(|event| event.json()["type"].as_str().unwrap().to_owned());
        let mut types: Vec<String> = types.collect();
        types.sort();
        types
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn an_intent_is_paid_and_told() {
    let stage = Stage::new().await;
    let paid = stage.pay("pm_card_visa").await;
    assert_eq!(paid.status, 200);
    assert!(paid.headers.contains_key("request-id"));
    let intent = paid.json();
    assert_eq!(intent["status"], "succeeded");
    assert_eq!(intent["amount_received"], 2_500);
    assert_eq!(intent["metadata"], json!({ "request": "r-1" }));
    stage.pass(1).await;
    let expected = ["charge.succeeded", "payment_intent.created", "payment_intent.succeeded"];
    assert_eq!(stage.event_types(), expected);

    let path = format!("/v1/payment_intents/{}", text(&intent["id"]));
    let expanded = stage.get(&format!("{path}?expand[]=latest_charge.balance_transaction")).await;
    let transaction = &expanded["latest_charge"]["balance_transaction"];
    assert_eq!(transaction["amount"], 2_500);
    assert_eq!(transaction["fee"], 103, "2.9 % rounded up, and 30 cents");
    let balance = stage.get("/v1/balance").await;
    assert_eq!(balance["pending"][0]["amount"], 2_397);
    stage.pass(2 * 86_400).await;
    assert_eq!(stage.get("/v1/balance").await["available"][0]["amount"], 2_397);
    let entry = stage.fakes.books()["stripe"]["payment_intents"][0].clone();
    assert_eq!(entry["received_minor"], 2_500);
}

#[tokio::test]
async fn a_decline_is_no_end() {
    let stage = Stage::new().await;
    let declined = stage.pay("pm_card_visa_chargeDeclinedInsufficientFunds").await;
    assert_eq!(declined.status, 402);
    let error = declined.json()["error"].clone();
    assert_eq!(error["type"], "card_error");
    assert_eq!(error["code"], "card_declined");
    assert_eq!(error["decline_code"], "insufficient_funds");
    assert_eq!(error["payment_intent"]["status"], "requires_payment_method");
    assert!(text(&error["charge"]).starts_with("ch_"));
    let id = text(&error["payment_intent"]["id"]);
    let confirm = format!("/v1/payment_intents/{id}/confirm");
    let again = stage.post(&confirm, "payment_method=pm_card_visa").await;
    assert_eq!(again.json()["status"], "succeeded");
    let late = stage.post(&format!("/v1/payment_intents/{id}/cancel"), "").await;
    assert_eq!(late.status, 400);
    assert_eq!(late.json()["error"]["code"], "payment_intent_unexpected_state");
    assert_eq!(late.json()["error"]["payment_intent"]["status"], "succeeded");
    stage.pass(1).await;
    assert!(stage.event_types().contains(&"payment_intent.payment_failed".to_owned()));
}

#[tokio::test]
async fn an_intent_is_cancelled_once() {
    let stage = Stage::new().await;
    let created = stage.post("/v1/payment_intents", INTENT).await.json();
    assert_eq!(created["status"], "requires_payment_method");
    let cancel = format!("/v1/payment_intents/{}/cancel", text(&created["id"]));
    let cancelled = stage.post(&cancel, "cancellation_reason=abandoned").await;
    assert_eq!(cancelled.json()["status"], "canceled");
    assert_eq!(stage.post(&cancel, "cancellation_reason=abandoned").await.status, 400);
}

#[tokio::test]
async fn a_challenge_is_answered_by_the_payer() {
    let stage = Stage::new().await;
    for (success, status) in [(true, "succeeded"), (false, "requires_payment_method")] {
        let waiting = stage.pay("pm_card_threeDSecure2Required").await.json();
        assert_eq!(waiting["status"], "requires_action");
        assert_eq!(waiting["next_action"]["type"], "use_stripe_sdk");
        let answer = json!({ "payment_intent": waiting["id"], "success": success });
        assert_eq!(stage.control("/stripe/authenticate", &answer)["status"], status);
    }
    let body = format!(
        "{INTENT}&confirm=true&payment_method=pm_card_threeDSecure2Required&return_url=http://shop/"
    );
    let waiting = stage.post("/v1/payment_intents", &body).await.json();
    let url = text(&waiting["next_action"]["redirect_to_url"]["url"]);
    assert!(stage.send("GET", &url, &[], "").await.unwrap().body.starts_with(b"<!doctype html>"));
    let back = stage.send("POST", &url, &[], "success=false").await.unwrap();
    assert_eq!(back.status, 303);
    let location = back.headers["location"].to_str().unwrap();
    assert!(location.starts_with("http://shop/?payment_intent=pi_"), "{location}");
    let intent = stage.get(&format!("/v1/payment_intents/{}", text(&waiting["id"]))).await;
    assert_eq!(intent["last_payment_error"]["code"], "payment_intent_authentication_failure");
}

#[tokio::test]
async fn the_payers_page_confirms_with_the_publishable_key() {
    let stage = Stage::new().await;
    let created = stage.post("/v1/payment_intents", INTENT).await.json();
    let path = format!("/v1/payment_intents/{}/confirm", text(&created["id"]));
    let key = format!("Bearer {STRIPE_PUBLISHABLE_KEY}");
    let headers = [("authorization", key.as_str())];
    let wrong = "payment_method=pm_card_visa&client_secret=other";
    assert_eq!(stage.stripe_with("POST", &path, wrong, &headers).await.status, 401);
    let secret = text(&created["client_secret"]);
    let right = format!("payment_method=pm_card_visa&client_secret={secret}");
    let confirmed = stage.stripe_with("POST", &path, &right, &headers).await;
    assert_eq!(confirmed.json()["status"], "succeeded");
    let create = stage.stripe_with("POST", "/v1/payment_intents", INTENT, &headers).await;
    assert_eq!(create.status, 401);
}

#[tokio::test]
async fn requests_are_read_strictly() {
    let stage = Stage::new().await;
    for (body, code) in [
        ("currency=usd", "parameter_missing"),
        ("amount=x&currency=usd", "parameter_invalid_integer"),
        ("amount=10&currency=usd", "amount_too_small"),
        ("amount=100000000&currency=usd", "amount_too_large"),
        ("amount=1001&currency=kwd", "parameter_invalid_integer"),
        ("amount=1000&currency=usd&colour=red", "parameter_unknown"),
        ("amount=1000&currency=usd&automatic_payment_methods[on]=1", "parameter_unknown"),
        ("amount=1000&currency=usd&payment_method=pm_nobody", "resource_missing"),
    ] {
        let answer = stage.post("/v1/payment_intents", body).await;
        assert!(matches!(answer.status, 400 | 404), "{body}");
        assert_eq!(answer.json()["error"]["code"], code, "{body}");
    }
    let json = [("content-type", "application/json")];
    let refused = stage.stripe_with("POST", "/v1/payment_intents", "{}", &json).await;
    assert_eq!(refused.status, 400);
    let version = [("stripe-version", "yesterday")];
    assert_eq!(stage.stripe_with("GET", "/v1/balance", "", &version).await.status, 400);
    let newer = [("stripe-version", "2026-10-28.endive")];
    let dropped = stage.stripe_with("POST", "/v1/payment_intents", INTENT, &newer).await;
    assert_eq!(dropped.json()["error"]["param"], "payment_method_types");
    let nobody = [("authorization", "Bearer sk_test_other")];
    assert_eq!(stage.stripe_with("GET", "/v1/balance", "", &nobody).await.status, 401);
    assert_eq!(stage.stripe_with("GET", "/v1/nothing", "", &[]).await.status, 404);
    let redirects = "amount=1000&currency=usd&confirm=true&payment_method=pm_card_visa";
    assert_eq!(stage.post("/v1/payment_intents", redirects).await.status, 400, "no return_url");
    assert_eq!(stage.fakes.books()["stripe"]["charges"], json!([]));
}

#[tokio::test]
async fn an_idempotency_key_answers_once_for_a_day() {
    let stage = Stage::new().await;
    let key = [("idempotency-key", "r-1:create")];
    let body = format!("{INTENT}&confirm=true&payment_method=pm_card_visa");
    let first = stage.stripe_with("POST", "/v1/payment_intents", &body, &key).await;
    let again = stage.stripe_with("POST", "/v1/payment_intents", &body, &key).await;
    assert_eq!(first.json(), again.json());
    assert!(!first.headers.contains_key("idempotent-replayed"));
    assert_eq!(again.headers["idempotent-replayed"], "true");
    let other = stage.stripe_with("POST", "/v1/payment_intents", INTENT, &key).await;
    assert_eq!(
        (other.status, other.json()["error"]["type"].as_str()),
        (400, Some("idempotency_error"))
    );
    stage.pass(86_400).await;
    let new = stage.stripe_with("POST", "/v1/payment_intents", &body, &key).await;
    assert_ne!(new.json()["id"], first.json()["id"], "the key was forgotten: charged twice");
    assert_eq!(stage.fakes.books()["stripe"]["charges"].as_array().unwrap().len(), 2);

    let invalid = [("idempotency-key", "r-2:create")];
    assert_eq!(
        stage.stripe_with("POST", "/v1/payment_intents", "amount=1", &invalid).await.status,
        400
    );
    let valid = stage.stripe_with("POST", "/v1/payment_intents", INTENT, &invalid).await;
    assert_eq!(valid.status, 200, "a request that was not carried out leaves its key free");
}

#[tokio::test]
async fn a_key_is_in_use_until_its_answer_has_left() {
    let stage = Stage::new().await;
    stage.fault(&json!({ "network": "STRIPE", "kind": "SLOW", "milliseconds": 3000 }));
    let key = [("idempotency-key", "r-1:create")];
    let slow = stage.stripe_with("POST", "/v1/payment_intents", INTENT, &key);
    let other = async {
        // As soon as the first was taken.
        while stage.fakes.look("/requests").unwrap()["stripe"] == json!([]) {
            tokio::task::yield_now().await;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        stage.stripe_with("POST", "/v1/payment_intents", INTENT, &key).await
    };
    let (first, second) = tokio::join!(slow, other);
    assert_eq!(first.status, 200);
    assert_eq!(second.status, 409);
    assert_eq!(second.json()["error"]["code"], "idempotency_key_in_use");
    let third = stage.stripe_with("POST", "/v1/payment_intents", INTENT, &key).await;
    assert_eq!(third.json()["id"], first.json()["id"]);
}

#[tokio::test]
async fn a_server_error_is_kept_and_replayed() {
    let stage = Stage::new().await;
    stage.fault(&json!({ "network": "STRIPE", "kind": "SERVER_ERROR" }));
    let key = [("idempotency-key", "r-1:create")];
    let body = format!("{INTENT}&confirm=true&payment_method=pm_card_visa");
    for _ in 0..2 {
        let failed = stage.stripe_with("POST", "/v1/payment_intents", &body, &key).await;
        assert_eq!(
            (failed.status, failed.json()["error"]["type"].as_str()),
            (500, Some("api_error"))
        );
    }
    let search = "/v1/payment_intents/search?query=metadata%5B%27request%27%5D%3A%27r-1%27";
    assert_eq!(stage.get(search).await["data"], json!([]), "search lags behind");
    stage.pass(60).await;
    let found = stage.get(search).await;
    assert_eq!(found["data"][0]["status"], "succeeded");
    assert_eq!(found["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn refunds_are_limited_and_can_fail_afterwards() {
    let stage = Stage::new().await;
    let intent = text(&stage.pay("pm_card_visa").await.json()["id"]);
    let refund = |amount: &str| format!("payment_intent={intent}&amount={amount}&metadata[a]=b");
    let first = stage.post("/v1/refunds", &refund("1000")).await.json();
    assert_eq!(first["status"], "succeeded");
    assert_eq!(stage.post("/v1/refunds", &refund("1501")).await.status, 400);
    assert_eq!(stage.post("/v1/refunds", &refund("1500")).await.status, 200);
    let none_left = stage.post("/v1/refunds", &refund("1")).await;
    assert_eq!(none_left.json()["error"]["code"], "charge_already_refunded");
    stage.pass(1).await;
    stage.received();

    let failed = json!({
        "refund": first["id"], "status": "failed", "failure_reason": "lost_or_stolen_card",
    });
    stage.control("/stripe/refunds", &failed);
    stage.pass(1).await;
    let expected = ["charge.refund.updated", "refund.failed", "refund.updated"];
    assert_eq!(stage.event_types(), expected);
    let shown = stage.get(&format!("/v1/refunds/{}", text(&first["id"]))).await;
    assert_eq!(shown["failure_reason"], "lost_or_stolen_card");
    let list = stage.get(&format!("/v1/refunds?payment_intent={intent}")).await;
    assert_eq!(list["data"].as_array().unwrap().len(), 2);
    assert_eq!(stage.post("/v1/refunds", &refund("1000")).await.status, 200, "there is room again");

    stage.fault(&json!({
        "network": "STRIPE", "kind": "REVERSED", "seconds": 86_400,
        "match": { "path": "/v1/refunds" },
    }));
    let intent = text(&stage.pay("pm_card_visa").await.json()["id"]);
    let last = stage.post("/v1/refunds", &format!("payment_intent={intent}")).await.json();
    assert_eq!(last["status"], "succeeded");
    stage.pass(86_400).await;
    assert_eq!(stage.get(&format!("/v1/refunds/{}", text(&last["id"]))).await["status"], "failed");
}

#[tokio::test]
async fn a_dispute_takes_the_money_and_may_give_it_back() {
    let stage = Stage::new().await;
    let intent = stage.pay("pm_card_visa").await.json();
    let opened = stage.control("/stripe/disputes", &json!({ "payment_intent": intent["id"] }));
    stage.pass(1).await;
    let types = stage.event_types();
    assert!(types.contains(&"charge.dispute.created".to_owned()));
    assert!(types.contains(&"charge.dispute.funds_withdrawn".to_owned()));
    let refund = format!("payment_intent={}", text(&intent["id"]));
    let refused = stage.post("/v1/refunds", &refund).await;
    assert_eq!(refused.json()["error"]["code"], "charge_disputed");
    let path = format!("/v1/disputes/{}", text(&opened["dispute"]));
    assert_eq!(stage.get(&path).await["status"], "needs_response");
    stage.control("/stripe/disputes", &json!({ "dispute": opened["dispute"], "status": "won" }));
    stage.pass(1).await;
    let expected = ["charge.dispute.closed", "charge.dispute.funds_reinstated"];
    assert_eq!(stage.event_types(), expected);
    let amounts = stage.get("/v1/balance_transactions?type=adjustment").await;
    let amounts = amounts["data"].as_array().unwrap().iter().map(|of| of["amount"].clone());
    assert_eq!(amounts.collect::<Vec<_>>(), [2_500, -2_500]);
    assert_eq!(stage.post("/v1/refunds", &refund).await.status, 200);
}

#[tokio::test]
async fn a_checkout_session_is_paid_on_its_page() {
    let stage = Stage::new().await;
    let ends = crate::stripe::soonest_end(NOW);
    let session = |expires_at: i64| {
        format!(
            "mode=payment&line_items[0][price_data][currency]=usd\
             &line_items[0][price_data][unit_amount]=1250\
             &line_items[0][price_data][product_data][name]=A+%3Cb%3Eshirt\
             &line_items[0][quantity]=2&client_reference_id=r-9\
             &payment_intent_data[metadata][request]=r-9&expires_at={expires_at}\
             &success_url=http://shop/back?s={{CHECKOUT_SESSION_ID}}&cancel_url=http://shop/"
        )
    };
    assert_eq!(stage.post("/v1/checkout/sessions", &session(ends - 1)).await.status, 400);
    let made = stage.post("/v1/checkout/sessions", &session(ends)).await.json();
    assert_eq!(
        (made["amount_total"].as_i64(), made["status"].as_str()),
        (Some(2_500), Some("open"))
    );
    assert_eq!(made["payment_intent"], Value::Null);
    let url = text(&made["url"]);
    let page = stage.send("GET", &url, &[], "").await.unwrap();
    let html = String::from_utf8(page.body.to_vec()).unwrap();
    assert!(html.contains("A &lt;b&gt;shirt") && html.contains("USD 25.00"), "{html}");

    let declined = stage.send("POST", &url, &[], "card=4000000000000002").await.unwrap();
    assert_eq!(declined.status, 200);
    let path = format!("/v1/checkout/sessions/{}", text(&made["id"]));
    let open = stage.get(&path).await;
    assert_eq!(
        (open["status"].as_str(), open["payment_status"].as_str()),
        (Some("open"), Some("unpaid"))
    );
    let intent = text(&open["payment_intent"]);
    let cancel = stage.post(&format!("/v1/payment_intents/{intent}/cancel"), "").await;
    assert_eq!(cancel.status, 400, "a session's intent ends with the session");

    let challenged = stage.send("POST", &url, &[], "number=4000+0000+0000+3220").await.unwrap();
    let challenge = challenged.headers["location"].to_str().unwrap().to_owned();
    let back = stage.send("POST", &challenge, &[], "success=true").await.unwrap();
    let expected = format!("http://shop/back?s={}", text(&made["id"]));
    assert_eq!(back.headers["location"].to_str().unwrap(), expected);
    let complete = stage.get(&path).await;
    assert_eq!(
        (complete["status"].as_str(), complete["payment_status"].as_str()),
        (Some("complete"), Some("paid"))
    );
    assert_eq!(
        stage.get(&format!("/v1/payment_intents/{intent}")).await["metadata"]["request"],
        "r-9"
    );
    assert_eq!(stage.post(&format!("{path}/expire"), "").await.status, 400);
    stage.pass(1).await;
    assert!(stage.event_types().contains(&"checkout.session.completed".to_owned()));

    let other = stage.post("/v1/checkout/sessions", &session(ends + 60)).await.json();
    let path = format!("/v1/checkout/sessions/{}", text(&other["id"]));
    stage.send("POST", &text(&other["url"]), &[], "card=4000000000000002").await.unwrap();
    assert_eq!(stage.post(&format!("{path}/expire"), "").await.json()["status"], "expired");
    let late =
        stage.send("POST", &text(&other["url"]), &[], "card=4242424242424242").await.unwrap();
    assert!(String::from_utf8(late.body.to_vec()).unwrap().contains("has expired"));
    let third = stage.post("/v1/checkout/sessions", &session(ends + 60)).await.json();
    stage.pass(31 * 60).await;
    let path = format!("/v1/checkout/sessions/{}", text(&third["id"]));
    assert_eq!(stage.get(&path).await["status"], "expired", "by itself");
}

#[tokio::test]
async fn faults_decide_charges() {
    let stage = Stage::new().await;
    let fault = |kind: &str, field: &str, value: Value| {
        stage.fault(&json!({ "network": "STRIPE", "kind": kind, field: value }));
    };
    fault("FAILS", "code", json!("lost_card"));
    let declined = stage.pay("pm_card_visa").await;
    assert_eq!(declined.json()["error"]["decline_code"], "lost_card");

    fault("LATE", "seconds", json!(3_600));
    let late = stage.pay("pm_card_visa").await.json();
    assert_eq!(late["status"], "processing");
    stage.pass(3_600).await;
    let path = format!("/v1/payment_intents/{}", text(&late["id"]));
    assert_eq!(stage.get(&path).await["status"], "succeeded");

    fault("OTHER_AMOUNT", "amount", json!("24.99"));
    assert_eq!(stage.pay("pm_card_visa").await.json()["amount_received"], 2_499);

    stage.pass(1).await;
    stage.received();
    stage.fault(&json!({ "network": "STRIPE", "kind": "CALLBACK_FIRST" }));
    stage.pay("pm_card_visa").await;
    assert_eq!(stage.received().len(), 2, "the charge and the intent, before the answer");
}

#[tokio::test]
async fn webhooks_are_signed_by_each_secret_and_can_be_sent_again() {
    let stage = Stage::new().await;
    let url = format!("http://{}/callbacks/stripe", stage.authority);
    let rolled = json!({
        "url": url, "secrets": ["whsec_old", "whsec_new"], "types": ["payment_intent.succeeded"],
    });
    stage.control("/stripe/webhooks", &rolled);
    stage.pay("pm_card_visa").await;
    stage.pass(1).await;
    let received = stage.received();
    let [event] = received.as_slice() else { panic!("{received:?}") };
    assert_eq!(event.headers["stripe-signature"].matches(",v1=").count(), 2);
    let shown = stage.get(&format!("/v1/events/{}", text(&event.json()["id"]))).await;
    assert_eq!(shown, event.json());

    let changed = json!({
        "event": event.json()["id"], "set_object": { "amount_received": 1 }, "copies": 2,
        "signature": "UNSIGNED",
    });
    stage.control("/stripe/events", &changed);
    stage.pass(0).await;
    let again = stage.received();
    assert_eq!(again.len(), 2);
    assert_eq!(again[0].json()["data"]["object"]["amount_received"], 1);
    assert!(!again[0].headers.contains_key("stripe-signature"));
}

#[tokio::test]
async fn the_balance_can_be_kept_in_one_currency() {
    let stage = Stage::new().await;
    let settlement = json!({ "settlement": { "currency": "usd", "rate": "0.00071" } });
    stage.control("/stripe/settings", &settlement);
    let body = "amount=100000&currency=rwf&payment_method_types[]=card&confirm=true\
                &payment_method=pm_card_visa&expand[]=latest_charge.balance_transaction";
    let paid = stage.post("/v1/payment_intents", body).await.json();
    assert_eq!(
        (paid["currency"].as_str(), paid["amount_received"].as_i64()),
        (Some("rwf"), Some(100_000))
    );
    let transaction = &paid["latest_charge"]["balance_transaction"];
    assert_eq!(transaction["currency"], "usd");
    assert_eq!(transaction["amount"], 7_100);
    assert_eq!(transaction["fee"], 236);
    assert_eq!(transaction["exchange_rate"].to_string(), "0.00071");
}

#[tokio::test]
async fn a_payout_has_its_balance_transactions() {
    let stage = Stage::new().await;
    let intent = text(&stage.pay("pm_card_visa").await.json()["id"]);
    stage.post("/v1/refunds", &format!("payment_intent={intent}&amount=500")).await;
    let usd = json!({ "currency": "usd" });
    assert_eq!(stage.control("/stripe/payouts", &usd)["payout"], Value::Null);
    stage.pass(2 * 86_400).await;
    let payout = text(&stage.control("/stripe/payouts", &usd)["payout"]);
    let path = format!("/v1/balance_transactions?payout={payout}&expand[]=data.source");
    let list = stage.get(&path).await;
    let rows: Vec<(&str, i64)> = list["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["type"].as_str().unwrap(), row["net"].as_i64().unwrap()))
        .collect();
    assert_eq!(rows, [("payout", -1_897), ("refund", -500), ("charge", 2_397)]);
    assert_eq!(list["data"][2]["source"]["payment_intent"], intent);
    let page = stage.get(&format!("/v1/balance_transactions?payout={payout}&limit=2")).await;
    assert_eq!(page["has_more"], true);
    let after = text(&page["data"][1]["id"]);
    let rest = format!("/v1/balance_transactions?payout={payout}&starting_after={after}");
    assert_eq!(stage.get(&rest).await["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_list_is_read_forwards_and_backwards() {
    let stage = Stage::new().await;
    for _ in 0..5 {
        stage.post("/v1/payment_intents", INTENT).await;
    }
    let page = async |query: &str| {
        let page = stage.get(&format!("/v1/payment_intents?{query}")).await;
        let ids = page["data"].as_array().into_iter().flatten().map(|row| text(&row["id"]));
        (ids.collect::<Vec<String>>(), page["has_more"].clone())
    };
    // The newest first.
    let (all, _) = page("limit=5").await;
    for (query, found, has_more) in [
        (format!("limit=2&starting_after={}", all[0]), &all[1..3], true),
        (format!("limit=2&starting_after={}", all[2]), &all[3..5], false),
        (format!("limit=2&ending_before={}", all[4]), &all[2..4], true),
        (format!("limit=2&ending_before={}", all[2]), &all[0..2], false),
        (format!("limit=2&ending_before={}", all[0]), &[], false),
    ] {
        assert_eq!(page(&query).await, (found.to_vec(), json!(has_more)), "{query}");
    }
    for query in ["ending_before=pi_none", &format!("starting_after={0}&ending_before={0}", all[0])]
    {
        let refused = stage.get(&format!("/v1/payment_intents?{query}")).await;
        assert_eq!(refused["error"]["type"], "invalid_request_error", "{refused}");
    }
}

/// Whatever goes wrong: the balance is what its transactions say, and a charge is refunded by as much
/// as its refunds that did not fail.
#[tokio::test]
async fn the_books_agree_with_each_other_under_faults() {
    let stage = Stage::new().await;
    for (kind, field, value) in [
        ("REVERSED", "seconds", json!(30)),
        ("FAILS", "code", json!("declined")),
        ("LATE", "seconds", json!(20)),
        ("OTHER_AMOUNT", "amount", json!("19.99")),
    ] {
        stage.fault(&json!({
            "network": "STRIPE", "kind": kind, "times": 1_000, "percent": 20, field: value,
        }));
    }
    let cards = ["pm_card_visa", "pm_card_refundFail", "pm_card_createDispute"];
    for (number, card) in (0..60).zip(cards.iter().cycle()) {
        let answer = stage.pay(card).await.json();
        let id = answer["id"].as_str().or(answer["error"]["payment_intent"]["id"].as_str());
        let body = format!("payment_intent={}&amount=700", id.unwrap());
        for _ in 0..number % 3 {
            stage.post("/v1/refunds", &body).await;
        }
        stage.pass(number % 4).await;
    }
    stage.pass(3 * 86_400).await;
    let books = stage.fakes.books()["stripe"].clone();
    let of = |list: &str| books[list].as_array().unwrap().clone();
    let refunds = of("refunds");
    for charge in of("charges") {
        let standing: i64 = refunds
            .iter()
            .filter(|refund| refund["payment_intent"] == charge["payment_intent"])
            .filter(|refund| charge["paid"] == true && refund["status"] != "failed")
            .map(|refund| refund["minor"].as_i64().unwrap())
            .sum();
        assert_eq!(charge["refunded_minor"], standing, "{charge}");
    }
    let failed = refunds.iter().filter(|refund| refund["status"] == "failed").count();
    assert!(failed > 3 && failed < refunds.len(), "{failed} of {}", refunds.len());
    let (mut net, mut after) = (0, String::new());
    loop {
        let page = stage.get(&format!("/v1/balance_transactions?limit=100{after}")).await;
        for row in page["data"].as_array().unwrap() {
            net += row["net"].as_i64().unwrap();
            after = format!("&starting_after={}", text(&row["id"]));
        }
        if page["has_more"] == false {
            break;
        }
    }
    assert_eq!(of("balances")[0]["available_minor"], net);
}
