//! pawaPay's adapter and the client against the fake pawaPay, which is another reading of the same
//! documentation.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

use std::time::Duration;

use domain::kernel::currency::Currency;
use domain::kernel::money::Money;
use domain::kernel::names::Operation::{self, Collection, Payout, Refund};
use domain::kernel::time::{ServerTime, millis, seconds};
use domain::kernel::uuids::Uuid;
use domain::payments::outcome::ProviderOutcome;
use fakes::{Fakes, PAWAPAY_TOKEN, Settings};
use networks::client::{BaseUrl, CALL_TIMEOUT, CallError, Client};
use networks::exchange::{HttpRequest, HttpResponse, Payment};
use networks::pawapay::active_conf::{Availability, read_active_conf};
use networks::pawapay::answers::{Cancellation, read_fail_enqueued, read_initiation, read_status};
use networks::pawapay::balances::read_wallet_balances;
use networks::pawapay::callback::read_callback;
use networks::pawapay::requests;
use networks::pawapay::signature::{
    PublicKey, RequestSigner, SignatureFault, SignedMessage, read_public_keys, verify,
};
use networks::pawapay::statements::{
    Statement, StatementOf, read_statement, read_statement_status, statement, statement_status,
};
use networks::reading::{Reading, Word};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// The fake on a clock that stands, the client, and who receives the callbacks.
struct Stage {
    fakes: Fakes,
    base: BaseUrl,
    client: Client,
    callbacks: mpsc::UnboundedReceiver<Received>,
    authority: String,
}

/// A callback as it came.
struct Received {
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

const PATH: &str = "/callbacks/pawapay/3/token";

impl Stage {
    async fn new() -> Self {
        let (authority, callbacks) = receive_callbacks().await;
        let settings = Settings {
            delay_ms: 1_000,
            clock_stands_at: Some(1_795_906_800_000),
            pawapay_callback: Some(format!("http://{authority}{PATH}")),
            ..Settings::default()
        };
        let fakes = Fakes::start(settings).await.unwrap();
        let base = BaseUrl::parse(&fakes.pawapay_url()).unwrap();
        Self { fakes, base, client: Client::new(None).unwrap(), callbacks, authority }
    }

    async fn ask(&self, request: HttpRequest) -> HttpResponse {
        let request = request.with_bearer(PAWAPAY_TOKEN);
        self.client.call(&self.base, &request, CALL_TIMEOUT).await.unwrap()
    }

    async fn start(&self, payment: &Payment) -> Reading {
        let response = self.ask(requests::initiation(payment).unwrap()).await;
        read_initiation(payment.operation, payment.request_id, &response)
    }

    async fn status(&self, payment: &Payment) -> Reading {
        let request = requests::status(payment.operation, payment.request_id).unwrap();
        read_status(payment.operation, payment.request_id, &self.ask(request).await)
    }

    async fn outcome(&self, payment: &Payment) -> ProviderOutcome {
        word(self.status(payment).await).outcome
    }

    fn now(&self) -> ServerTime {
        ServerTime(millis(self.fakes.now()))
    }

    fn control(&self, path: &str, body: serde_json::Value) {
        self.fakes.control(path, &body).unwrap();
    }

    async fn keys(&self) -> Vec<PublicKey> {
        read_public_keys(&self.ask(requests::public_keys()).await.body).unwrap()
    }

    /// The next callback.
    async fn callback(&mut self) -> Received {
        self.fakes.flush().await;
        self.callbacks.try_recv().unwrap()
    }

    fn verified(&self, received: &Received, keys: &[PublicKey]) -> Result<(), SignatureFault> {
        let message = SignedMessage {
            method: "POST",
            authority: &self.authority,
            path: PATH,
            headers: &received.headers,
            body: &received.body,
        };
        verify(&message, keys, self.now())
    }
}

/// A server that takes every callback.
async fn receive_callbacks() -> (String, mpsc::UnboundedReceiver<Received>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let authority = listener.local_addr().unwrap().to_string();
    let (heard, callbacks) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let heard = heard.clone();
            tokio::spawn(async move {
                let mut bytes = vec![];
                while stream.read_buf(&mut bytes).await.is_ok_and(|count| count > 0) {
                    let Some(received) = parse(&bytes) else { continue };
                    bytes.clear();
                    heard.send(received).unwrap();
                    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
                    stream.write_all(answer).await.unwrap();
                }
            });
        }
    });
    (authority, callbacks)
}

/// A request, once it is there in full.
fn parse(bytes: &[u8]) -> Option<Received> {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let headers: Vec<(String, String)> = head
        .lines()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length")?.1.parse().ok()?;
    (body.len() >= length).then(|| Received { headers, body: body.as_bytes().to_vec() })
}

fn payment(number: u128, operation: Operation, phone: &str) -> Payment {
    Payment {
        request_id: uuid(number),
        original_request_id: None,
        original_reference: None,
        reference: None,
        operation,
        amount: money(1_500, "RWF"),
        decimals: 0,
        phone: Some(phone.to_owned()),
        network_code: Some("MTN_MOMO_RWA".to_owned()),
        card: None,
        merchant_id: 7,
        execution_id: 42,
        reference_id: uuid(number + 1_000),
        merchant_name: "Kigali Books".to_owned(),
        page_url: None,
        page_ends_at: None,
    }
}

fn refund(number: u128, of: &Payment, minor: i64) -> Payment {
    Payment {
        original_request_id: Some(of.request_id),
        amount: money(minor, "RWF"),
        ..payment(number, Refund, COMPLETES)
    }
}

/// A UUID of version 4.
fn uuid(number: u128) -> Uuid {
    Uuid::from_u128(0x4000_8000_0000_0000_0000 + number)
}

fn money(minor: i64, code: &str) -> Money {
    Money::new(minor, Currency::parse(code).unwrap())
}

const COMPLETES: &str = "250783456789";
const STUCK: &str = "250783456129";

fn word(reading: Reading) -> Word {
    match reading {
        Reading::Word(word) => word,
        other => panic!("{other:?}"),
    }
}

/// The code in front of the words.
fn code(outcome: &ProviderOutcome) -> &str {
    match outcome {
        ProviderOutcome::Declined { message } => message.split(':').next().unwrap(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_collection_from_start_to_end() {
    let mut stage = Stage::new().await;
    let payment = payment(1, Collection, COMPLETES);
    assert_eq!(stage.status(&payment).await, Reading::Word(Word::never_seen()));
    assert_eq!(stage.start(&payment).await, Reading::Word(Word::accepted()));
    assert_eq!(stage.outcome(&payment).await, ProviderOutcome::Accepted);
    let again = word(stage.start(&payment).await);
    assert_eq!((again.outcome, again.alarm), (ProviderOutcome::Unknown, None));

    stage.fakes.advance(1);
    let status = word(stage.status(&payment).await);
    let ProviderOutcome::Succeeded { amount, .. } = &status.outcome else { panic!("{status:?}") };
    assert_eq!(*amount, Some(payment.amount));
    assert_eq!((status.account_number.as_deref(), &status.alarm), (Some(COMPLETES), &None));

    let received = stage.callback().await;
    let told = read_callback(&received.body).unwrap();
    assert_eq!((told.operation, told.request_id), (Collection, payment.request_id));
    assert_eq!(told.word, status);
    assert_eq!(stage.verified(&received, &stage.keys().await), Ok(()));
}

#[tokio::test]
async fn every_number_fails_by_its_code() {
    let stage = Stage::new().await;
    let mut number = 0;
    for (operation, suffix, expected) in [
        (Collection, "019", "PAYER_LIMIT_REACHED"),
        (Collection, "029", "PAYER_NOT_FOUND"),
        (Collection, "039", "PAYMENT_NOT_APPROVED"),
        (Collection, "049", "INSUFFICIENT_BALANCE"),
        (Collection, "059", "PAYMENT_IN_PROGRESS"),
        (Collection, "069", "UNSPECIFIED_FAILURE"),
        (Payout, "089", "RECIPIENT_NOT_FOUND"),
        (Payout, "099", "WALLET_LIMIT_REACHED"),
        (Payout, "109", "RECIPIENT_LIMIT_REACHED"),
        (Payout, "119", "UNSPECIFIED_FAILURE"),
    ] {
        number += 1;
        let payment = payment(number, operation, &format!("250783456{suffix}"));
        assert_eq!(stage.start(&payment).await, Reading::Word(Word::accepted()), "{suffix}");
        stage.fakes.advance(1);
        let word = word(stage.status(&payment).await);
        assert_eq!((code(&word.outcome), word.alarm), (expected, None));
    }
}

#[tokio::test]
async fn what_is_refused_at_once() {
    let stage = Stage::new().await;
    let good = payment(1, Payout, COMPLETES);
    for (wrong, expected) in [
        (Payment { amount: money(1, "RWF"), ..good.clone() }, "AMOUNT_OUT_OF_BOUNDS"),
        (
            Payment { network_code: Some("MTN_MOMO_XXX".to_owned()), ..good.clone() },
            "INVALID_PROVIDER",
        ),
        (Payment { amount: money(1_000, "USD"), ..good.clone() }, "INVALID_CURRENCY"),
        (
            Payment { phone: Some("2507834567890".to_owned()), ..good.clone() },
            "INVALID_PHONE_NUMBER",
        ),
        (refund(2, &good, 100), "NOT_FOUND"),
    ] {
        assert_eq!(code(&word(stage.start(&wrong).await).outcome), expected);
    }
    // Nothing of it was taken.
    assert_eq!(stage.status(&good).await, Reading::Word(Word::never_seen()));
}

#[tokio::test]
async fn a_body_that_pawapay_cannot_read_is_final() {
    let stage = Stage::new().await;
    let body = br#"{"depositId":"x"}"#.to_vec();
    let response = stage.ask(requests::initiation_with_body(Collection, body).unwrap()).await;
    let word = word(read_initiation(Collection, uuid(1), &response));
    // The answer repeats the id, which is not ours.
    assert!(word.alarm.is_some());
    let body = format!(r#"{{"depositId":"{}","surprise":1}}"#, uuid(1)).into_bytes();
    let response = stage.ask(requests::initiation_with_body(Collection, body).unwrap()).await;
    assert_eq!(response.status, 400);
    let reading = read_initiation(Collection, uuid(1), &response);
    assert!(matches!(
        reading,
        Reading::Word(Word { outcome: ProviderOutcome::Declined { .. }, alarm: Some(_), .. })
    ));
}

#[tokio::test]
async fn refunds_go_one_after_the_other() {
    let stage = Stage::new().await;
    let deposit = payment(1, Collection, COMPLETES);
    stage.start(&deposit).await;
    stage.fakes.advance(1);
    let (first, second) = (refund(2, &deposit, 500), refund(3, &deposit, 1_000));
    assert_eq!(stage.start(&first).await, Reading::Word(Word::accepted()));
    assert_eq!(stage.start(&second).await, Reading::RefundInProgress);
    stage.fakes.advance(1);
    assert!(matches!(
        stage.outcome(&first).await,
        ProviderOutcome::Succeeded { amount: Some(amount), .. } if amount == money(500, "RWF")
    ));
    // Under the same id: it was not taken before.
    assert_eq!(stage.start(&second).await, Reading::Word(Word::accepted()));
    stage.fakes.advance(1);
    assert!(matches!(stage.outcome(&second).await, ProviderOutcome::Succeeded { .. }));
    let third = word(stage.start(&refund(4, &deposit, 100)).await);
    assert_eq!(code(&third.outcome), "DEPOSIT_ALREADY_REFUNDED");
}

#[tokio::test]
async fn a_payout_to_a_delayed_operator_waits_and_can_be_cancelled() {
    let stage = Stage::new().await;
    let delayed = json!({"provider": "MTN_MOMO_RWA", "status": "DELAYED"});
    stage.control("/pawapay/operators", delayed);
    let payout = payment(1, Payout, COMPLETES);
    assert_eq!(stage.start(&payout).await, Reading::Word(Word::accepted()));
    let waits = word(stage.status(&payout).await);
    assert_eq!(waits.outcome, ProviderOutcome::Accepted);
    assert!(waits.waits_for.unwrap().contains("the operator is delayed"));
    let collection = word(stage.start(&payment(2, Collection, COMPLETES)).await);
    assert_eq!(code(&collection.outcome), "PROVIDER_TEMPORARILY_UNAVAILABLE");

    let cancel = || requests::fail_enqueued(Payout, payout.request_id).unwrap();
    let read = |response| read_fail_enqueued(Payout, payout.request_id, &response);
    assert_eq!(read(stage.ask(cancel()).await), Cancellation::Taken);
    stage.fakes.advance(1);
    assert_eq!(code(&stage.outcome(&payout).await), "MANUALLY_CANCELLED");
    assert!(matches!(read(stage.ask(cancel()).await), Cancellation::NotTaken { .. }));
}

#[tokio::test]
async fn what_the_account_can_do() {
    let stage = Stage::new().await;
    let closed = json!({"provider": "AIRTEL_RWA", "operation": "PAYOUT", "status": "CLOSED"});
    stage.control("/pawapay/operators", closed);
    let conf = read_active_conf(&stage.ask(requests::active_conf()).await.body).unwrap();
    assert_eq!(conf.left_out, Vec::<String>::new());
    assert!(conf.signed_callbacks && !conf.signed_requests_only);
    // Five operators, two of them in two currencies, three operations each.
    assert_eq!(conf.operations.len(), 21);
    let find = |provider: &str, currency: &str, operation| {
        let mut found = conf.operations.iter().filter(|it| {
            (it.provider.as_str(), it.currency.code(), it.operation)
                == (provider, currency, operation)
        });
        found.next().unwrap()
    };
    let mtn = find("MTN_MOMO_RWA", "RWF", Collection);
    assert_eq!((mtn.decimals, mtn.prefix.as_str(), mtn.country.as_str()), (0, "250", "RWA"));
    assert!(mtn.takes_payments() && mtn.pin_prompt.as_ref().is_some_and(|it| it.automatic));
    assert!(mtn.min_minor.is_some() && mtn.max_minor > mtn.min_minor);
    assert_eq!(find("MTN_MOMO_ZMB", "ZMW", Refund).decimals, 2);
    assert_eq!(find("ORANGE_LBR", "USD", Collection).country, "LBR");
    let airtel = find("AIRTEL_RWA", "RWF", Payout);
    assert_eq!((airtel.availability, airtel.takes_payments()), (Availability::Closed, false));
    let url = format!("http://{}{PATH}", stage.authority);
    assert_eq!(mtn.callback_url.as_deref(), Some(url.as_str()));

    let balances = read_wallet_balances(&stage.ask(requests::wallet_balances()).await.body);
    let balances = balances.unwrap();
    assert!(balances.iter().any(|it| it.balance.currency.code() == "RWF" && it.country == "RWA"));
}

#[tokio::test]
async fn callbacks_that_are_not_pawapays() {
    let mut stage = Stage::new().await;
    let keys = stage.keys().await;
    let payment = payment(1, Collection, STUCK);
    stage.start(&payment).await;
    for (signature, expected) in [
        ("GOOD", Ok(())),
        ("UNSIGNED", Err(SignatureFault::Missing)),
        ("FORGED", Err(SignatureFault::Wrong)),
        ("EXPIRED", Err(SignatureFault::OutOfTime)),
        ("TAMPERED", Err(SignatureFault::OtherBody)),
    ] {
        let callback = json!({"id": payment.request_id.to_string(), "signature": signature});
        stage.control("/pawapay/callbacks", callback);
        let received = stage.callback().await;
        assert_eq!(stage.verified(&received, &keys), expected, "{signature}");
    }
    for (algorithm, digest) in [("sha-256", "sha-256=:"), ("sha-512", "sha-512=:")] {
        stage.control("/pawapay/settings", json!({"digest": algorithm}));
        stage.control("/pawapay/callbacks", json!({"id": payment.request_id.to_string()}));
        let received = stage.callback().await;
        let header = received.headers.iter().find(|(name, _)| name == "content-digest").unwrap();
        assert!(header.1.starts_with(digest));
        assert_eq!(stage.verified(&received, &keys), Ok(()));
    }
    stage.control("/pawapay/rotate-key", json!({}));
    stage.control("/pawapay/callbacks", json!({"id": payment.request_id.to_string()}));
    let received = stage.callback().await;
    let verdict = stage.verified(&received, &keys);
    assert!(matches!(verdict, Err(SignatureFault::UnknownKey(_))), "{verdict:?}");
    assert_eq!(stage.verified(&received, &stage.keys().await), Ok(()));
}

#[tokio::test]
async fn clocks_that_differ() {
    let mut stage = Stage::new().await;
    let keys = stage.keys().await;
    let payment = payment(1, Collection, STUCK);
    stage.start(&payment).await;
    stage.control("/pawapay/callbacks", json!({"id": payment.request_id.to_string()}));
    let received = stage.callback().await;
    let now = stage.now();
    for (minutes, holds) in [(-6, false), (-4, true), (0, true), (4, true), (6, false)] {
        let message = SignedMessage {
            method: "POST",
            authority: &stage.authority,
            path: PATH,
            headers: &received.headers,
            body: &received.body,
        };
        let verdict = verify(&message, &keys, now.plus(seconds(60 * minutes)));
        assert_eq!(verdict.is_ok(), holds, "{minutes}");
    }
}

#[tokio::test]
async fn an_account_that_wants_signed_requests() {
    let stage = Stage::new().await;
    let key = rcgen::KeyPair::generate().unwrap();
    let settings = json!({
        "signed_requests_only": true,
        "request_key": {"id": "KOLA:1", "pem": key.public_key_pem()},
    });
    stage.control("/pawapay/settings", settings);
    let payment = payment(1, Collection, COMPLETES);
    let Reading::AccountRefused { reason } = stage.start(&payment).await else { panic!() };
    assert!(reason.contains("HTTP_SIGNATURE_ERROR"), "{reason}");

    let signer = RequestSigner::from_pem("KOLA:1", &key.serialize_pem()).unwrap();
    let request = requests::initiation(&payment).unwrap();
    let request = signer.sign(request, stage.base.authority(), stage.now()).unwrap();
    let response = stage.ask(request).await;
    let reading = read_initiation(Collection, payment.request_id, &response);
    assert_eq!(reading, Reading::Word(Word::accepted()));
}

#[tokio::test]
async fn a_token_that_was_revoked_says_nothing_of_a_payment() {
    let stage = Stage::new().await;
    let payment = payment(1, Payout, COMPLETES);
    let request = requests::initiation(&payment).unwrap().with_bearer("revoked");
    let response = stage.client.call(&stage.base, &request, CALL_TIMEOUT).await.unwrap();
    let reading = read_initiation(Payout, payment.request_id, &response);
    assert!(matches!(reading, Reading::AccountRefused { .. }), "{reading:?}");
}

#[tokio::test]
async fn lies_on_the_wire_are_unknown() {
    let stage = Stage::new().await;
    let mut number = 0;
    for (kind, taken) in [
        ("REQUEST_LOST", false),
        ("ANSWER_LOST", true),
        ("RESET", true),
        ("BAD_GATEWAY", true),
        ("CUT_ANSWER", true),
        ("EMPTY_ANSWER", true),
        ("SERVER_ERROR", true),
    ] {
        number += 1;
        let payment = payment(number, Payout, STUCK);
        let fault = json!({"network": "PAWAPAY", "kind": kind, "match": {"method": "POST"}});
        stage.control("/faults", fault);
        let request = requests::initiation(&payment).unwrap().with_bearer(PAWAPAY_TOKEN);
        match stage.client.call(&stage.base, &request, Duration::from_secs(3)).await {
            Ok(response) => {
                let word = word(read_initiation(Payout, payment.request_id, &response));
                assert_eq!(word.outcome, ProviderOutcome::Unknown, "{kind}");
            }
            Err(error) => assert!(matches!(error, CallError::Unanswered { .. }), "{kind} {error}"),
        }
        let expected = if taken { ProviderOutcome::Accepted } else { ProviderOutcome::NeverSeen };
        assert_eq!(stage.outcome(&payment).await, expected, "{kind}");
    }
}

#[tokio::test]
async fn a_network_that_is_asked_too_often() {
    let stage = Stage::new().await;
    for status in [429, 503] {
        let refused = json!({
            "network": "PAWAPAY", "kind": "REFUSED", "status": status, "retry_after": 7,
        });
        stage.control("/faults", refused);
        let reading = stage.status(&payment(1, Payout, COMPLETES)).await;
        assert_eq!(reading, Reading::Later { after: Some(Duration::from_secs(7)) });
    }
}

#[tokio::test]
async fn other_amounts_and_words() {
    let stage = Stage::new().await;
    let fault = |kind: &str, more: serde_json::Value| {
        let mut fault = json!({"network": "PAWAPAY", "kind": kind});
        fault.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        stage.control("/faults", fault);
    };
    fault("OTHER_AMOUNT", json!({"amount": "1499"}));
    let less = payment(1, Collection, COMPLETES);
    stage.start(&less).await;
    fault("OTHER_CURRENCY", json!({"currency": "USD"}));
    let other = payment(2, Collection, COMPLETES);
    stage.start(&other).await;
    fault("WORD", json!({"status": "PONDERING"}));
    let odd = payment(3, Collection, STUCK);
    stage.start(&odd).await;
    fault("IN_RECONCILIATION", json!({"seconds": 60}));
    let reconciled = payment(4, Collection, COMPLETES);
    stage.start(&reconciled).await;
    fault("SAYS_DUPLICATE", json!({}));
    let duplicate = payment(5, Collection, COMPLETES);
    assert_eq!(word(stage.start(&duplicate).await).outcome, ProviderOutcome::Unknown);
    stage.fakes.advance(1);

    let moved = async |payment: &Payment| match stage.outcome(payment).await {
        ProviderOutcome::Succeeded { amount, .. } => amount,
        other => panic!("{other:?}"),
    };
    assert_eq!(moved(&less).await, Some(money(1_499, "RWF")));
    assert_eq!(moved(&other).await, Some(money(150_000, "USD")));
    assert_eq!(moved(&duplicate).await, Some(money(1_500, "RWF")));
    let pondering = word(stage.status(&odd).await);
    assert_eq!(pondering.outcome, ProviderOutcome::Unknown);
    assert!(pondering.alarm.unwrap().contains("PONDERING"));
    let waits = word(stage.status(&reconciled).await);
    assert_eq!(waits.outcome, ProviderOutcome::Accepted);
    assert!(waits.waits_for.is_some());
}

#[tokio::test]
async fn a_statement_is_made() {
    let stage = Stage::new().await;
    let payment = payment(1, Collection, COMPLETES);
    stage.start(&payment).await;
    stage.fakes.advance(1);
    let of = StatementOf {
        country: "RWA".to_owned(),
        currency: Currency::parse("RWF").unwrap(),
        provider: None,
        from: stage.now().plus(-seconds(86_400)),
        to: stage.now().plus(seconds(60)),
        callback_url: format!("http://{}{PATH}", stage.authority),
    };
    let response = stage.ask(statement(&of).unwrap()).await;
    let id = read_statement(&response).unwrap();
    stage.fakes.advance(1);
    let made = read_statement_status(&stage.ask(statement_status(id)).await).unwrap();
    assert!(matches!(made, Statement::Made { size_bytes: Some(1..), .. }), "{made:?}");
}
