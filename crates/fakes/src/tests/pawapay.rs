//! pawaPay.

use std::time::Duration;

use base64::Engine as _;
use serde_json::{Value, json};

use super::{Answer, Received, Stage};
use crate::PAWAPAY_TOKEN;
use crate::pawapay::verify_callback;

/// The id of the payment number `number`: a version 4 UUID.
fn id(number: u32) -> String {
    format!("00000000-0000-4000-8000-{number:012}")
}

fn deposit(number: u32, phone: &str, amount: &str) -> Value {
    json!({
        "depositId": id(number),
        "amount": amount,
        "currency": "RWF",
        "payer": {
            "type": "MMO",
            "accountDetails": { "phoneNumber": phone, "provider": "MTN_MOMO_RWA" },
        },
        "customerMessage": "Shop in Kigali",
        "clientReferenceId": "reference",
        "metadata": [{ "merchant": "7" }, { "execution": "8", "isPII": false }],
    })
}

fn payout(number: u32, phone: &str, amount: &str) -> Value {
    json!({
        "payoutId": id(number),
        "amount": amount,
        "currency": "RWF",
        "recipient": {
            "type": "MMO",
            "accountDetails": { "phoneNumber": phone, "provider": "MTN_MOMO_RWA" },
        },
    })
}

const COMPLETES: &str = "250783456789";
const STUCK: &str = "250783456129";

impl Stage {
    async fn pawapay(&self, method: &str, path: &str, body: &str) -> Result<Answer, String> {
        let token = format!("Bearer {PAWAPAY_TOKEN}");
        let url = format!("{}{path}", self.fakes.pawapay_url());
        let headers = [("authorization", token.as_str()), ("content-type", "application/json")];
        self.send(method, &url, &headers, body).await
    }

    async fn take(&self, path: &str, body: &Value) -> Value {
        self.pawapay("POST", path, &body.to_string()).await.unwrap().json()
    }

    async fn status(&self, path: &str, number: u32) -> Value {
        self.pawapay("GET", &format!("/v2/{path}/{}", id(number)), "").await.unwrap().json()
    }

    async fn data(&self, path: &str, number: u32) -> Value {
        self.status(path, number).await["data"].clone()
    }

    async fn completed_deposit(&self, number: u32, amount: &str) {
        let taken = self.take("/v2/deposits", &deposit(number, COMPLETES, amount)).await;
        assert_eq!(taken["status"], "ACCEPTED");
        self.pass(1).await;
        self.received();
    }

    async fn public_key(&self) -> Value {
        self.pawapay("GET", "/v2/public-key/http", "").await.unwrap().json()
    }

    /// Whether a callback's signature holds by the key that is published now.
    async fn is_signed(&self, callback: &Received) -> bool {
        let keys = self.public_key().await;
        let pem = keys[0]["key"].as_str().unwrap().to_owned();
        let key_id = keys[0]["id"].as_str().unwrap().to_owned();
        let header = |name: &str| callback.headers.get(name).cloned();
        assert_eq!(header("host").as_deref(), Some(self.authority.as_str()));
        verify_callback(&callback.path, &header, &callback.body, (&key_id, &pem), self.fakes.now())
    }
}

#[tokio::test]
async fn a_deposit_is_taken_and_completed_and_told() {
    let stage = Stage::new().await;
    let taken = stage.take("/v2/deposits", &deposit(1, COMPLETES, "1000")).await;
    assert_eq!(
        taken,
        json!({
            "depositId": id(1),
            "status": "ACCEPTED",
            "created": "2026-11-28T23:00:00Z",
            "nextStep": "FINAL_STATUS",
        })
    );
    let data = stage.data("deposits", 1).await;
    assert_eq!(data["status"], "PROCESSING");
    assert_eq!(data["clientReferenceId"], "reference");
    stage.pass(1).await;
    let data = stage.data("deposits", 1).await;
    assert_eq!(data["status"], "COMPLETED");
    assert_eq!(data["amount"], "1000.00");
    assert_eq!(data["metadata"], json!({ "merchant": "7", "execution": "8" }));
    assert!(data["providerTransactionId"].is_string());

    let received = stage.received();
    let [callback] = received.as_slice() else { panic!("{received:?}") };
    assert_eq!(callback.path, "/callbacks/pawapay");
    let told = callback.json();
    assert_eq!(told["status"], "COMPLETED");
    assert_eq!(told["amount"], "1000.00");
    assert_eq!(told.get("clientReferenceId"), None);
    assert!(stage.is_signed(callback).await);

    let books = stage.fakes.books();
    let payment = &books["pawapay"]["payments"][0];
    assert_eq!(payment["moved_minor"], 1_000);
    assert_eq!(payment["fee_minor"], 10);
    let wallets = books["pawapay"]["wallets"].as_array().unwrap();
    let rwf = wallets.iter().find(|wallet| wallet["currency"] == "RWF").unwrap();
    assert_eq!(rwf["minor"], 10_000_990);
}

#[tokio::test]
async fn an_operator_with_two_currencies_takes_decimals() {
    let stage = Stage::new().await;
    for (number, currency) in [(1, "LRD"), (2, "USD")] {
        let mut body = deposit(number, "231771234567", "10.5");
        body["currency"] = json!(currency);
        body["payer"]["accountDetails"]["provider"] = json!("ORANGE_LBR");
        assert_eq!(stage.take("/v2/deposits", &body).await["status"], "ACCEPTED");
        stage.pass(1).await;
        let data = stage.data("deposits", number).await;
        assert_eq!(
            (data["amount"].as_str(), data["country"].as_str()),
            (Some("10.50"), Some("LBR"))
        );
    }
    let payments = stage.fakes.books()["pawapay"]["payments"].clone();
    assert_eq!(
        (payments[0]["moved_minor"].as_i64(), payments[1]["fee_minor"].as_i64()),
        (Some(1_050), Some(11))
    );
}

#[tokio::test]
async fn the_number_decides_the_outcome() {
    let stage = Stage::new().await;
    for (number, (suffix, code)) in (1..).zip([
        ("019", "PAYER_LIMIT_REACHED"),
        ("029", "PAYER_NOT_FOUND"),
        ("039", "PAYMENT_NOT_APPROVED"),
        ("049", "INSUFFICIENT_BALANCE"),
        ("059", "PAYMENT_IN_PROGRESS"),
        ("069", "UNSPECIFIED_FAILURE"),
    ]) {
        stage.take("/v2/deposits", &deposit(number, &format!("250783456{suffix}"), "500")).await;
        stage.pass(1).await;
        let data = stage.data("deposits", number).await;
        assert_eq!(data["status"], "FAILED", "{suffix}");
        assert_eq!(data["failureReason"]["failureCode"], code);
    }
    for (number, (suffix, code)) in (1..).zip([
        ("089", "RECIPIENT_NOT_FOUND"),
        ("099", "WALLET_LIMIT_REACHED"),
        ("109", "RECIPIENT_LIMIT_REACHED"),
        ("119", "UNSPECIFIED_FAILURE"),
    ]) {
        stage.take("/v2/payouts", &payout(number, &format!("250783456{suffix}"), "500")).await;
        stage.pass(1).await;
        assert_eq!(stage.data("payouts", number).await["failureReason"]["failureCode"], code);
    }
    stage.take("/v2/deposits", &deposit(20, STUCK, "500")).await;
    stage.pass(1_000_000).await;
    assert_eq!(stage.data("deposits", 20).await["status"], "PROCESSING");
}

#[tokio::test]
async fn requests_are_read_strictly() {
    let stage = Stage::new().await;
    let with = |name: &str, value: Value| {
        let mut body = deposit(1, COMPLETES, "500");
        body.as_object_mut().unwrap().insert(name.to_owned(), value);
        body
    };
    let phone = |phone: &str, provider: &str| {
        let details = json!({ "phoneNumber": phone, "provider": provider });
        with("payer", json!({ "type": "MMO", "accountDetails": details }))
    };
    let repeated = json!([{ "a": "1" }, { "a": "2" }]);
    for (body, status, code) in [
        (with("country", json!("RWA")), 400, "UNSUPPORTED_PARAMETER"),
        (with("amount", Value::Null), 400, "MISSING_PARAMETER"),
        (with("amount", json!(500)), 400, "INVALID_PARAMETER"),
        (with("amount", json!("500.00")), 400, "INVALID_PARAMETER"),
        (with("amount", json!("0500")), 400, "INVALID_PARAMETER"),
        (with("customerMessage", json!("no!")), 400, "INVALID_PARAMETER"),
        (
            with("depositId", json!("00000000-0000-1000-8000-000000000001")),
            400,
            "INVALID_PARAMETER",
        ),
        (with("metadata", repeated), 400, "DUPLICATE_METADATA_FIELD"),
        (with("amount", json!("500.5")), 200, "INVALID_AMOUNT"),
        (with("amount", json!("4")), 200, "AMOUNT_OUT_OF_BOUNDS"),
        (with("amount", json!("2000001")), 200, "AMOUNT_OUT_OF_BOUNDS"),
        (with("currency", json!("USD")), 200, "INVALID_CURRENCY"),
        (phone(COMPLETES, "VODACOM_RWA"), 200, "INVALID_PROVIDER"),
        (phone("0783456789", "MTN_MOMO_RWA"), 200, "INVALID_PHONE_NUMBER"),
    ] {
        let answer = stage.pawapay("POST", "/v2/deposits", &body.to_string()).await.unwrap();
        let told = answer.json();
        assert_eq!(answer.status, status, "{body}");
        assert_eq!(told["status"], "REJECTED", "{body}");
        assert_eq!(told["failureReason"]["failureCode"], code, "{body}");
    }
    let broken = stage.pawapay("POST", "/v2/deposits", "{").await.unwrap();
    assert_eq!(broken.json()["failureReason"]["failureCode"], "INVALID_INPUT");
    assert_eq!(stage.status("deposits", 1).await, json!({ "status": "NOT_FOUND" }));
    stage.pass(10).await;
    assert!(stage.received().is_empty(), "a rejected payment has no callback");
}

#[tokio::test]
async fn tokens_are_checked_and_can_be_rotated() {
    let stage = Stage::new().await;
    let url = format!("{}/v2/wallet-balances", stage.fakes.pawapay_url());
    let none = stage.send("GET", &url, &[], "").await.unwrap();
    assert_eq!(none.status, 401);
    assert_eq!(none.json()["failureReason"]["failureCode"], "NO_AUTHENTICATION");
    let other = [("authorization", "Bearer second")];
    assert_eq!(stage.send("GET", &url, &other, "").await.unwrap().status, 403);
    stage.control("/pawapay/tokens", &json!({ "add": "second" }));
    assert_eq!(stage.send("GET", &url, &other, "").await.unwrap().status, 200);
    assert!(stage.fakes.control("/pawapay/tokens", &json!({ "add": "third" })).is_err());
    stage.control("/pawapay/tokens", &json!({ "revoke": PAWAPAY_TOKEN }));
    assert_eq!(stage.pawapay("GET", "/v2/wallet-balances", "").await.unwrap().status, 403);
}

#[tokio::test]
async fn a_repeated_request_is_ignored() {
    let stage = Stage::new().await;
    stage.take("/v2/payouts", &payout(1, COMPLETES, "500")).await;
    let again = stage.take("/v2/payouts", &payout(1, COMPLETES, "700")).await;
    assert_eq!(again["status"], "DUPLICATE_IGNORED");
    stage.pass(1).await;
    let books = stage.fakes.books();
    assert_eq!(books["pawapay"]["payments"].as_array().unwrap().len(), 1);
    assert_eq!(books["pawapay"]["payments"][0]["moved_minor"], 500);

    stage.fault(&json!({ "network": "PAWAPAY", "kind": "SAYS_DUPLICATE" }));
    let first = stage.take("/v2/payouts", &payout(2, COMPLETES, "500")).await;
    assert_eq!(first, json!({ "payoutId": id(2), "status": "DUPLICATE_IGNORED" }));
    assert_eq!(stage.data("payouts", 2).await["status"], "PROCESSING");
}

#[tokio::test]
async fn connections_fail_before_and_after_a_payment_was_taken() {
    let stage = Stage::new().await;
    let kinds = [
        ("REQUEST_LOST", false),
        ("RESET", true),
        ("CUT_ANSWER", true),
        ("ANSWER_LOST", true),
        ("BAD_GATEWAY", true),
        ("EMPTY_ANSWER", true),
        ("SERVER_ERROR", true),
    ];
    for (number, (kind, taken)) in (1..).zip(kinds) {
        stage.fault(&json!({ "network": "PAWAPAY", "kind": kind, "match": { "method": "POST" } }));
        let body = deposit(number, COMPLETES, "500").to_string();
        let call = stage.pawapay("POST", "/v2/deposits", &body);
        tokio::pin!(call);
        // Only what is never answered may be left after a short time: once it was taken.
        let patience = if kind == "ANSWER_LOST" {
            let payments = || stage.fakes.books()["pawapay"]["payments"].as_array().map(Vec::len);
            let before = payments();
            while payments() == before {
                let _ = tokio::time::timeout(Duration::from_millis(1), &mut call).await;
            }
            Duration::from_millis(300)
        } else {
            Duration::from_secs(30)
        };
        let answer = tokio::time::timeout(patience, call).await;
        match (kind, answer) {
            ("ANSWER_LOST", Err(_)) => {}
            ("REQUEST_LOST" | "RESET" | "CUT_ANSWER", Ok(Err(_))) => {}
            ("BAD_GATEWAY", Ok(Ok(answer))) => {
                assert_eq!(answer.status, 502);
                assert!(answer.body.starts_with(b"<html>"));
            }
            ("EMPTY_ANSWER", Ok(Ok(answer))) => {
                assert_eq!((answer.status, answer.body.len()), (200, 0));
            }
            ("SERVER_ERROR", Ok(Ok(answer))) => {
                assert_eq!(answer.status, 500);
                assert_eq!(answer.json()["failureReason"]["failureCode"], "UNKNOWN_ERROR");
                assert_eq!(answer.json().get("status"), None);
            }
            (_, answer) => {
                let answer = answer.map(|answer| answer.map(|answer| answer.status));
                panic!("{kind}: {answer:?}");
            }
        }
        let found = if taken { "FOUND" } else { "NOT_FOUND" };
        assert_eq!(stage.status("deposits", number).await["status"], found, "{kind}");
    }
}

#[tokio::test]
async fn a_storm_refuses_and_takes_nothing() {
    let stage = Stage::new().await;
    stage.fault(&json!({
        "network": "PAWAPAY", "kind": "REFUSED", "status": 429, "retry_after": 3, "times": 2,
        "match": { "path": "/v2/deposits" },
    }));
    let body = deposit(1, COMPLETES, "500").to_string();
    for _ in 0..2 {
        let refused = stage.pawapay("POST", "/v2/deposits", &body).await.unwrap();
        assert_eq!(refused.status, 429);
        assert_eq!(refused.headers["retry-after"], "3");
    }
    assert_eq!(stage.status("deposits", 1).await["status"], "NOT_FOUND");
    assert_eq!(stage.pawapay("POST", "/v2/deposits", &body).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_callback_can_be_first_or_late_or_lost_or_many() {
    let stage = Stage::new().await;
    stage.fault(&json!({ "network": "PAWAPAY", "kind": "CALLBACK_FIRST" }));
    let taken = stage.take("/v2/deposits", &deposit(1, COMPLETES, "500")).await;
    assert_eq!(taken["status"], "ACCEPTED");
    assert_eq!(stage.received().len(), 1, "it was delivered before the answer");

    stage.fault(&json!({ "network": "PAWAPAY", "kind": "CALLBACK_REPEATED", "copies": 100 }));
    stage.take("/v2/deposits", &deposit(2, COMPLETES, "500")).await;
    stage.pass(1).await;
    assert_eq!(stage.received().len(), 100);

    stage.fault(&json!({ "network": "PAWAPAY", "kind": "CALLBACK_LATE", "seconds": 3600 }));
    stage.take("/v2/deposits", &deposit(3, COMPLETES, "500")).await;
    stage.pass(3_600).await;
    assert!(stage.received().is_empty());
    assert_eq!(stage.data("deposits", 3).await["status"], "COMPLETED");
    stage.pass(1).await;
    assert_eq!(stage.received().len(), 1);

    stage.fault(&json!({ "network": "PAWAPAY", "kind": "CALLBACK_LOST" }));
    stage.take("/v2/deposits", &deposit(4, COMPLETES, "500")).await;
    stage.pass(86_400).await;
    assert!(stage.received().is_empty());
    let path = format!("/v2/deposits/resend-callback/{}", id(4));
    assert_eq!(stage.take(&path, &json!({})).await["status"], "ACCEPTED");
    stage.pass(0).await;
    assert_eq!(stage.received().len(), 1);
}

#[tokio::test]
async fn signatures_can_be_wrong() {
    let stage = Stage::new().await;
    let kinds = ["CALLBACK_UNSIGNED", "CALLBACK_FORGED", "CALLBACK_EXPIRED", "CALLBACK_TAMPERED"];
    for (number, kind) in (1..).zip(kinds) {
        stage.fault(&json!({ "network": "PAWAPAY", "kind": kind }));
        stage.take("/v2/deposits", &deposit(number, COMPLETES, "500")).await;
        stage.pass(1).await;
        let received = stage.received();
        assert_eq!(received.len(), 1);
        assert!(!stage.is_signed(&received[0]).await, "{kind}");
        assert_eq!(received[0].headers.contains_key("signature"), kind != "CALLBACK_UNSIGNED");
    }
    stage.control("/pawapay/settings", &json!({ "signed_callbacks": false }));
    stage.completed_deposit(9, "500").await;
    let conf = stage.pawapay("GET", "/v2/active-conf", "").await.unwrap().json();
    assert_eq!(conf["signatureConfiguration"]["signedCallbacks"], false);
}

#[tokio::test]
async fn the_key_of_callbacks_can_be_rotated() {
    let stage = Stage::new().await;
    let before = stage.public_key().await;
    assert_eq!(before[0]["id"], "HTTP_EC_P256_KEY:1");
    stage.control("/pawapay/rotate-key", &json!({}));
    assert_eq!(stage.public_key().await[0]["id"], "HTTP_EC_P256_KEY:2");
    stage.take("/v2/deposits", &deposit(1, COMPLETES, "500")).await;
    stage.pass(1).await;
    let received = stage.received();
    assert!(received[0].headers["signature-input"].contains("HTTP_EC_P256_KEY:2"));
    assert!(stage.is_signed(&received[0]).await);
}

#[tokio::test]
async fn an_undelivered_callback_is_sent_again_for_a_quarter_of_an_hour() {
    let stage = Stage::new().await;
    stage.answer_callbacks_with(503);
    stage.take("/v2/deposits", &deposit(1, COMPLETES, "500")).await;
    stage.pass(1).await;
    assert_eq!(stage.received().len(), 1);
    let mut again = 0;
    for _ in 0..30 {
        stage.pass(60).await;
        again += stage.received().len();
    }
    assert_eq!(again, 7);
    let deliveries = stage.fakes.look("/deliveries").unwrap();
    let last = deliveries["pawapay"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((last["attempt"].as_i64(), last["answer"].as_i64()), (Some(8), Some(503)));

    stage.take("/v2/deposits", &deposit(2, COMPLETES, "500")).await;
    stage.pass(1).await;
    stage.answer_callbacks_with(200);
    stage.pass(10).await;
    assert_eq!(stage.received().len(), 2, "once refused, once taken");
    stage.pass(86_400).await;
    assert!(stage.received().is_empty());
}

#[tokio::test]
async fn other_money_moves_than_was_asked_for() {
    let stage = Stage::new().await;
    stage.fault(&json!({ "network": "PAWAPAY", "kind": "OTHER_AMOUNT", "amount": "499" }));
    stage.completed_deposit(1, "500").await;
    assert_eq!(stage.data("deposits", 1).await["amount"], "499.00");
    let entry = stage.fakes.books()["pawapay"]["payments"][0].clone();
    assert_eq!(
        (entry["asked_minor"].as_i64(), entry["moved_minor"].as_i64()),
        (Some(500), Some(499))
    );

    stage.fault(&json!({ "network": "PAWAPAY", "kind": "OTHER_CURRENCY", "currency": "USD" }));
    stage.completed_deposit(2, "500").await;
    assert_eq!(stage.data("deposits", 2).await["currency"], "USD");

    let other = json!({ "network": "PAWAPAY", "kind": "OTHER_NUMBER", "phone": "250780000000" });
    stage.fault(&other);
    stage.completed_deposit(4, "500").await;
    let payer = &stage.data("deposits", 4).await["payer"]["accountDetails"];
    assert_eq!(payer["phoneNumber"], "250780000000");

    stage.fault(&json!({ "network": "PAWAPAY", "kind": "CALLBACK_AMOUNT", "amount": "1" }));
    stage.take("/v2/deposits", &deposit(3, COMPLETES, "500")).await;
    stage.pass(1).await;
    assert_eq!(stage.received()[0].json()["amount"], "1");
    assert_eq!(stage.data("deposits", 3).await["amount"], "500.00");
}

#[tokio::test]
async fn payments_take_other_ways_to_their_end() {
    let stage = Stage::new().await;
    stage.fault(&json!({ "network": "PAWAPAY", "kind": "LATE", "seconds": 259_200 }));
    stage.take("/v2/deposits", &deposit(1, COMPLETES, "500")).await;
    stage.pass(259_200).await;
    assert_eq!(stage.data("deposits", 1).await["status"], "PROCESSING");
    stage.pass(1).await;
    assert_eq!(stage.data("deposits", 1).await["status"], "COMPLETED");

    stage.fault(&json!({ "network": "PAWAPAY", "kind": "REVERSED", "seconds": 86_400 }));
    stage.take("/v2/deposits", &deposit(2, COMPLETES, "500")).await;
    stage.pass(1).await;
    assert_eq!(stage.data("deposits", 2).await["status"], "COMPLETED");
    stage.received();
    stage.pass(86_400).await;
    assert_eq!(stage.data("deposits", 2).await["status"], "FAILED");
    assert_eq!(stage.received()[0].json()["status"], "FAILED");

    stage.fault(&json!({ "network": "PAWAPAY", "kind": "IN_RECONCILIATION", "seconds": 259_200 }));
    stage.take("/v2/deposits", &deposit(3, COMPLETES, "500")).await;
    stage.pass(1).await;
    assert_eq!(stage.data("deposits", 3).await["status"], "IN_RECONCILIATION");
    stage.pass(259_200).await;
    assert_eq!(stage.data("deposits", 3).await["status"], "COMPLETED");

    stage.fault(&json!({ "network": "PAWAPAY", "kind": "WORD", "status": "LIMBO" }));
    stage.fault(&json!({ "network": "PAWAPAY", "kind": "STUCK" }));
    stage.take("/v2/deposits", &deposit(4, COMPLETES, "500")).await;
    stage.pass(100).await;
    assert_eq!(stage.data("deposits", 4).await["status"], "LIMBO");

    stage.fault(&json!({ "network": "PAWAPAY", "kind": "HIDDEN", "seconds": 60 }));
    stage.take("/v2/deposits", &deposit(5, STUCK, "500")).await;
    assert_eq!(stage.status("deposits", 5).await["status"], "NOT_FOUND");
    stage.pass(60).await;
    assert_eq!(stage.status("deposits", 5).await["status"], "FOUND");
}

#[tokio::test]
async fn an_operator_is_delayed_or_closed() {
    let stage = Stage::new().await;
    let set = |status: &str| {
        let operator = json!({ "provider": "MTN_MOMO_RWA", "status": status });
        stage.control("/pawapay/operators", &operator);
    };
    set("DELAYED");
    let unavailable = "PROVIDER_TEMPORARILY_UNAVAILABLE";
    let refused = stage.take("/v2/deposits", &deposit(1, COMPLETES, "500")).await;
    assert_eq!(refused["failureReason"]["failureCode"], unavailable);
    for number in [1, 2] {
        let taken = stage.take("/v2/payouts", &payout(number, COMPLETES, "500")).await;
        assert_eq!(taken["status"], "ACCEPTED");
    }
    stage.pass(3_600).await;
    assert_eq!(stage.data("payouts", 1).await["status"], "ENQUEUED");
    let conf = stage
        .pawapay("GET", "/v2/availability?country=RWA&operationType=PAYOUT", "")
        .await
        .unwrap();
    assert_eq!(
        conf.json()[0]["providers"][0],
        json!({ "provider": "MTN_MOMO_RWA", "operationTypes": { "PAYOUT": "DELAYED" } })
    );

    let cancel = |number| format!("/v2/payouts/fail-enqueued/{}", id(number));
    assert_eq!(stage.take(&cancel(1), &json!({})).await["status"], "ACCEPTED");
    stage.pass(1).await;
    let cancelled = stage.data("payouts", 1).await;
    assert_eq!(cancelled["failureReason"]["failureCode"], "MANUALLY_CANCELLED");
    let again = stage.take(&cancel(1), &json!({})).await;
    assert_eq!(again["failureReason"]["failureCode"], "INVALID_STATE");
    let unknown = stage.take(&cancel(9), &json!({})).await;
    assert_eq!(unknown["failureReason"]["failureCode"], "NOT_FOUND");

    set("OPERATIONAL");
    stage.pass(1).await;
    assert_eq!(stage.data("payouts", 2).await["status"], "COMPLETED");
    set("CLOSED");
    let refused = stage.take("/v2/payouts", &payout(3, COMPLETES, "500")).await;
    assert_eq!(refused["failureReason"]["failureCode"], unavailable);
}

#[tokio::test]
async fn refunds_go_one_by_one_and_never_beyond_the_deposit() {
    let stage = Stage::new().await;
    let refund = |number: u32, amount: Option<&str>| {
        let mut body = json!({ "refundId": id(number), "depositId": id(1) });
        if let (Some(amount), Some(object)) = (amount, body.as_object_mut()) {
            object.insert("amount".to_owned(), json!(amount));
            object.insert("currency".to_owned(), json!("RWF"));
        }
        body
    };
    let code = |answer: &Value| answer["failureReason"]["failureCode"].as_str().map(str::to_owned);
    let unknown = stage.take("/v2/refunds", &refund(1, None)).await;
    assert_eq!(code(&unknown).as_deref(), Some("NOT_FOUND"));
    stage.take("/v2/deposits", &deposit(1, COMPLETES, "1000")).await;
    let early = stage.take("/v2/refunds", &refund(1, None)).await;
    assert_eq!(code(&early).as_deref(), Some("INVALID_STATE"));
    stage.pass(1).await;

    assert_eq!(stage.take("/v2/refunds", &refund(1, Some("300"))).await["status"], "ACCEPTED");
    let second = stage.take("/v2/refunds", &refund(2, Some("300"))).await;
    assert_eq!(code(&second).as_deref(), Some("REFUND_IN_PROGRESS"));
    stage.pass(1).await;
    let too_much = stage.take("/v2/refunds", &refund(2, Some("701"))).await;
    assert_eq!(code(&too_much).as_deref(), Some("AMOUNT_TOO_LARGE"));
    assert_eq!(stage.take("/v2/refunds", &refund(2, None)).await["status"], "ACCEPTED");
    stage.pass(1).await;
    assert_eq!(stage.data("refunds", 2).await["amount"], "700.00");
    assert_eq!(stage.data("refunds", 2).await["recipient"]["type"], "MMO");
    let third = stage.take("/v2/refunds", &refund(3, None)).await;
    assert_eq!(code(&third).as_deref(), Some("DEPOSIT_ALREADY_REFUNDED"));
}

#[tokio::test]
async fn payouts_reserve_their_money() {
    let stage = Stage::new().await;
    let wallet = || {
        let books = stage.fakes.books();
        let wallets = books["pawapay"]["wallets"].as_array().unwrap();
        let rwf = wallets.iter().find(|wallet| wallet["currency"] == "RWF").unwrap();
        rwf["minor"].as_i64().unwrap()
    };
    let set = json!({ "country": "RWA", "currency": "RWF", "minor": 1_000 });
    stage.control("/pawapay/wallets", &set);
    stage.take("/v2/payouts", &payout(1, COMPLETES, "600")).await;
    assert_eq!(wallet(), 400);
    let refused = stage.take("/v2/payouts", &payout(2, COMPLETES, "600")).await;
    assert_eq!(refused["failureReason"]["failureCode"], "PAWAPAY_WALLET_OUT_OF_FUNDS");
    stage.pass(1).await;
    assert_eq!(wallet(), 397, "half a percent is the fee");
    stage.take("/v2/payouts", &payout(3, "250783456089", "300")).await;
    assert_eq!(wallet(), 97);
    stage.pass(1).await;
    assert_eq!(wallet(), 397, "what failed came back");
}

#[tokio::test]
async fn payouts_in_bulk_are_taken_one_by_one() {
    let stage = Stage::new().await;
    let list = json!([payout(1, COMPLETES, "500"), payout(2, COMPLETES, "1"), { "x": 1 }]);
    let answers = stage.take("/v2/payouts/bulk", &list).await;
    let statuses = answers.as_array().unwrap().iter().map(|answer| answer["status"].clone());
    assert_eq!(statuses.collect::<Vec<_>>(), ["ACCEPTED", "REJECTED", "REJECTED"]);
}

#[tokio::test]
async fn a_payment_and_its_callbacks_can_be_changed_by_hand() {
    let stage = Stage::new().await;
    stage.take("/v2/deposits", &deposit(1, STUCK, "500")).await;
    stage.control("/pawapay/payments", &json!({ "id": id(1), "status": "FAILED" }));
    stage.pass(0).await;
    assert_eq!(stage.received()[0].json()["status"], "FAILED");
    stage.control("/pawapay/payments", &json!({ "id": id(1), "status": "COMPLETED" }));
    stage.pass(0).await;
    assert_eq!(stage.received()[0].json()["status"], "COMPLETED");
    stage.control(
        "/pawapay/callbacks",
        &json!({ "id": id(1), "set": { "status": "PROCESSING" }, "copies": 2 }),
    );
    stage.control(
        "/pawapay/callbacks",
        &json!({ "id": id(1), "set": { "depositId": id(99) }, "signature": "FORGED" }),
    );
    stage.pass(0).await;
    let mut received = stage.received();
    received.sort_by_key(|callback| callback.json()["depositId"].to_string());
    let statuses = received.iter().map(|callback| callback.json()["status"].clone());
    assert_eq!(statuses.collect::<Vec<_>>(), ["PROCESSING", "PROCESSING", "COMPLETED"]);
    assert!(!stage.is_signed(&received[2]).await);
    let no_one = json!({ "id": id(77), "status": "FAILED" });
    assert!(stage.fakes.control("/pawapay/payments", &no_one).is_err());
}

#[tokio::test]
async fn the_toolkit_answers() {
    let stage = Stage::new().await;
    let typed = json!({ "phoneNumber": "25007 834-56789a" });
    assert_eq!(
        stage.take("/v2/predict-provider", &typed).await,
        json!({ "country": "RWA", "provider": "MTN_MOMO_RWA", "phoneNumber": COMPLETES })
    );
    let wrong = stage.take("/v2/predict-provider", &json!({ "phoneNumber": "1" })).await;
    assert_eq!(wrong["failureReason"]["failureCode"], "INVALID_PARAMETER");
    let path = "/v2/active-conf?country=RWA&operationType=DEPOSIT";
    let conf = stage.pawapay("GET", path, "").await.unwrap().json();
    let airtel = &conf["countries"][0]["providers"][1];
    assert_eq!(airtel["provider"], "AIRTEL_RWA");
    let deposit = &airtel["currencies"][0]["operationTypes"]["DEPOSIT"];
    assert_eq!(deposit["minAmount"], "100");
    assert_eq!(deposit["decimalsInAmount"], "NONE");
    assert_eq!(deposit["pinPrompt"], "AUTOMATIC");
    let balances = stage.pawapay("GET", "/v2/wallet-balances?country=LBR", "").await.unwrap();
    assert_eq!(balances.json()["balances"].as_array().unwrap().len(), 2);
    assert_eq!(balances.json()["balances"][0]["balance"], "10000000.00");
}

#[tokio::test]
async fn a_statement_lists_what_moved() {
    let stage = Stage::new().await;
    stage.completed_deposit(1, "1000").await;
    stage.completed_deposit(2, "2000").await;
    let ask = json!({
        "wallet": { "country": "RWA", "currency": "RWF" },
        "callbackUrl": format!("http://{}/statements", stage.authority),
        "startDate": "2026-11-28T00:00:00",
        "endDate": "2026-11-29T00:00:00Z",
        "compressed": false,
    });
    stage.pass(3_000).await;
    let asked = stage.take("/v2/statements", &ask).await;
    assert_eq!(asked["status"], "ACCEPTED");
    stage.pass(1).await;
    let path = format!("/v2/statements/{}", asked["statementId"].as_str().unwrap());
    let status = stage.pawapay("GET", &path, "").await.unwrap().json();
    assert_eq!(status["data"]["status"], "COMPLETED");
    let url = status["data"]["downloadUrl"].as_str().unwrap();
    let file = stage.send("GET", url, &[], "").await.unwrap();
    let csv = String::from_utf8(file.body.to_vec()).unwrap();
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines.len(), 3);
    let expected =
        format!("2026-11-28T23:00:01Z,{COMPLETES},{},1000,RWF,RWA,MTN_MOMO_RWA,DEPOSIT,10", id(1));
    assert_eq!(lines[1], expected);
    assert_eq!(stage.received()[0].path, "/statements");
    let with_token = [("authorization", "Bearer token")];
    assert_eq!(stage.send("GET", url, &with_token, "").await.unwrap().status, 400);

    for (change, count) in [("REMOVE", 2), ("REPEAT", 2)] {
        let number = if change == "REMOVE" { 1 } else { 2 };
        stage.control("/pawapay/statement-lines", &json!({ "id": id(number), "change": change }));
        let lines = stage.fakes.books()["pawapay"]["statement_lines"].as_array().unwrap().len();
        assert_eq!(lines, if change == "REMOVE" { 1 } else { count });
    }
    stage.pass(90_000).await;
    assert_eq!(stage.send("GET", url, &[], "").await.unwrap().status, 403, "after a day");
    let long = json!({
        "wallet": { "country": "RWA", "currency": "RWF" },
        "callbackUrl": "http://127.0.0.1:1/",
        "startDate": "2026-01-01T00:00:00Z",
        "endDate": "2026-02-02T00:00:00Z",
    });
    assert_eq!(stage.take("/v2/statements", &long).await["status"], "REJECTED");
}

#[tokio::test]
async fn files_of_statements_are_written_as_they_are_told_to_be() {
    let stage = Stage::new().await;
    stage.completed_deposit(1, "1000").await;
    stage.completed_deposit(2, "2000").await;
    stage.pass(3_000).await;
    let ask = json!({
        "wallet": { "country": "RWA", "currency": "RWF" },
        "callbackUrl": format!("http://{}/statements", stage.authority),
        "startDate": "2026-11-28T00:00:00",
        "endDate": "2026-11-29T00:00:00Z",
    });
    let file = async |how: Value| {
        stage.control("/pawapay/statement-files", &how);
        let asked = stage.take("/v2/statements", &ask).await;
        stage.pass(1).await;
        let path = format!("/v2/statements/{}", asked["statementId"].as_str().unwrap());
        let data = stage.pawapay("GET", &path, "").await.unwrap().json()["data"].take();
        let url = data["downloadUrl"].as_str().unwrap().to_owned();
        let file = stage.send("GET", &url, &[], "").await.unwrap().body.to_vec();
        (file, data["fileSIze"].as_u64().and_then(|size| usize::try_from(size).ok()).unwrap())
    };
    let amounts = |file: &[u8]| -> Vec<String> {
        let text = String::from_utf8(file.to_vec()).unwrap();
        text.lines().skip(1).map(|line| line.split(',').nth(3).unwrap().to_owned()).collect()
    };
    let (plain, size) = file(json!({})).await;
    assert_eq!((amounts(&plain), plain.len()), (vec!["1000".to_owned(), "2000".to_owned()], size));
    let (doubled, _) = file(json!({ "doubled": true, "reordered": true })).await;
    assert_eq!(amounts(&doubled), ["2000", "2000", "1000", "1000"]);
    let (cut, said) = file(json!({ "cut": "MIDDLE" })).await;
    assert_eq!((cut.as_slice(), said), (&plain[..size / 2], size / 2));
    let (cut, said) = file(json!({ "cut": "LINES" })).await;
    assert_eq!((amounts(&cut), said), (vec!["1000".to_owned()], size));
    let (fewer, _) = file(json!({ "columns": ["Fee", "Amount"] })).await;
    assert_eq!(String::from_utf8(fewer).unwrap(), "Fee,Amount\n10,1000\n20,2000\n");
    let (little, _) = file(json!({ "encoding": "UTF-16LE" })).await;
    assert_eq!((&little[..4], little.len()), (&b"\xff\xfeC\0"[..], 2 * size + 2));
    let (big, _) = file(json!({ "encoding": "UTF-16BE" })).await;
    assert_eq!(&big[..4], b"\xfe\xff\0C");
    for wrong in [json!({ "cut": "ALL" }), json!({ "columns": ["Tax"] }), json!({ "size": 1 })] {
        assert!(stage.fakes.control("/pawapay/statement-files", &wrong).is_err(), "{wrong}");
    }
}

#[tokio::test]
async fn signed_requests_can_be_demanded() {
    let stage = Stage::new().await;
    let settings = json!({ "signed_requests_only": true });
    stage.control("/pawapay/settings", &settings);
    let body = deposit(1, COMPLETES, "500").to_string();
    let refused = stage.pawapay("POST", "/v2/deposits", &body).await.unwrap();
    assert_eq!(refused.status, 403);
    assert_eq!(refused.json()["failureReason"]["failureCode"], "HTTP_SIGNATURE_ERROR");

    let (pem, headers) =
        crate::pawapay::sign_as_merchant(&stage.fakes.pawapay_url(), &body, stage.fakes.now());
    let key = json!({ "request_key": { "id": "merchant", "pem": pem } });
    stage.control("/pawapay/settings", &key);
    let token = format!("Bearer {PAWAPAY_TOKEN}");
    let mut all = vec![
        ("authorization", token.as_str()),
        ("content-type", "application/json; charset=UTF-8"),
    ];
    all.extend(headers.iter().map(|(name, value)| (*name, value.as_str())));
    let url = format!("{}/v2/deposits", stage.fakes.pawapay_url());
    let taken = stage.send("POST", &url, &all, &body).await.unwrap();
    assert_eq!(taken.json()["status"], "ACCEPTED", "{}", taken.json());
    let changed = body.replace("500", "600");
    assert_eq!(stage.send("POST", &url, &all, &changed).await.unwrap().status, 403);
}

/// Whatever goes wrong: a wallet has what it had, what statements say moved, and less what is
/// reserved for payments under way.
#[tokio::test]
async fn the_books_agree_with_the_statements_under_faults() {
    let stage = Stage::new().await;
    for (kind, field, value) in [
        ("REVERSED", "seconds", json!(30)),
        ("FAILS", "code", json!("UNSPECIFIED_FAILURE")),
        ("OTHER_AMOUNT", "amount", json!("77")),
        ("STUCK", "percent", json!(10)),
        ("IN_RECONCILIATION", "seconds", json!(20)),
        ("CALLBACK_REPEATED", "copies", json!(3)),
        ("CALLBACK_LOST", "percent", json!(10)),
    ] {
        stage.fault(&json!({
            "network": "PAWAPAY", "kind": kind, "times": 1_000, "percent": 20, field: value,
        }));
    }
    for number in 0..150 {
        match number % 3 {
            0 => stage.take("/v2/deposits", &deposit(number, COMPLETES, "500")).await,
            1 => stage.take("/v2/payouts", &payout(number, COMPLETES, "300")).await,
            _ => {
                let body = json!({
                    "refundId": id(number), "depositId": id(number - 2 - number % 9 / 3 * 3),
                    "amount": "40", "currency": "RWF",
                });
                stage.take("/v2/refunds", &body).await
            }
        };
        stage.pass(i64::from(number % 4)).await;
    }
    stage.pass(3_600).await;
    let books = stage.fakes.books()["pawapay"].clone();
    let sum = |list: &str, amount: &dyn Fn(&Value) -> i64| -> i64 {
        books[list].as_array().unwrap().iter().map(amount).sum()
    };
    let int = |value: &Value| value.as_i64().unwrap();
    let moved = sum("statement_lines", &|line| int(&line["minor"]) - int(&line["fee_minor"]));
    let open =
        |payment: &Value| payment["status"] == "PROCESSING" && payment["operation"] != "DEPOSIT";
    let reserved = sum("payments", &|of| if open(of) { int(&of["open_minor"]) } else { 0 });
    let wallet = sum("wallets", &|of| if of["currency"] == "RWF" { int(&of["minor"]) } else { 0 });
    assert_eq!(wallet, 10_000_000 + moved - reserved);
    let completed = sum("payments", &|of| i64::from(of["status"] == "COMPLETED"));
    let failed = sum("payments", &|of| i64::from(of["status"] == "FAILED"));
    assert!(completed > 30 && failed > 20 && reserved > 0, "{completed} {failed} {reserved}");
    let refunded: i64 = sum("payments", &|of| {
        if of["operation"] == "REFUND" { int(&of["moved_minor"]) } else { 0 }
    });
    assert!(refunded > 0);
}

#[tokio::test]
async fn the_same_seed_gives_the_same_world() {
    let run = || async {
        let stage = Stage::new().await;
        stage.completed_deposit(1, "500").await;
        (stage.public_key().await, stage.fakes.books())
    };
    assert_eq!(run().await, run().await);
}

#[test]
fn a_published_key_is_pem() {
    let pem = crate::pawapay::sign_as_merchant("http://127.0.0.1", "", 0).0;
    let inner = pem.lines().filter(|line| !line.starts_with('-')).collect::<String>();
    let der = base64::engine::general_purpose::STANDARD.decode(inner).unwrap();
    assert_eq!(der.len(), 91, "a SubjectPublicKeyInfo of P-256");
}
