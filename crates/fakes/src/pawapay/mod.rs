//! pawaPay's Merchant API, version 2.

mod control;
mod initiate;
mod life;
mod operators;
mod payment;
mod signature;
mod statements;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, Request, State};
use axum::http::{HeaderMap, Method, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use p256::ecdsa::VerifyingKey;
use serde_json::{Value, json};

use self::initiate::is_uuid_v4;
use self::operators::{Filter, Operator, operators};
use self::payment::{Operation, Payment, failure_reason};
use self::signature::{BodyDigest, Key, Signed};
use self::statements::{Files, Line, Statement};
use crate::Settings;
use crate::fake::{Common, Fake, Network, Signing};
use crate::fields::Fields;
use crate::money::{exponent, text_of};
use crate::random::Random;
use crate::serve::{CallbacksFirst, answer, with_faults};

/// The token that is accepted at the beginning.
pub const TOKEN: &str = "fake-pawapay-token";
/// What each wallet has at the beginning, in major units of its currency.
const OPENING_BALANCE: i64 = 10_000_000;
const JSON: &str = "application/json; charset=UTF-8";

type PaymentKey = (Operation, String);

/// What pawaPay does by itself.
pub(crate) enum Job {
    /// The time of a payment is over.
    Proceed(PaymentKey),
    Reverse(PaymentKey),
    /// An enqueued payment was asked to be cancelled.
    Cancel(PaymentKey),
    /// A statement is ready.
    Statement(String),
}

/// What callbacks are signed with.
#[derive(Clone)]
pub(crate) struct Signer {
    key: Key,
    digest: BodyDigest,
}

/// One account at pawaPay, with all that it has.
pub(crate) struct Pawapay {
    common: Common<Self>,
    /// How long a payment takes, in milliseconds.
    delay: i64,
    base_url: String,
    /// At most two are active at once.
    tokens: Vec<String>,
    signed_callbacks: bool,
    signed_requests_only: bool,
    /// The merchant's keys, by their ids.
    request_keys: BTreeMap<String, VerifyingKey>,
    /// The key that signs callbacks now.
    key: Key,
    keys_made: u32,
    digest: BodyDigest,
    callback_urls: BTreeMap<Operation, String>,
    operators: Vec<Operator>,
    /// By country and currency, in minor units.
    wallets: BTreeMap<(String, String), i64>,
    payments: BTreeMap<PaymentKey, Payment>,
    lines: Vec<Line>,
    statements: BTreeMap<String, Statement>,
    statement_files: Files,
}

/// An answer.
pub(crate) struct Reply {
    status: u16,
    body: Value,
    callbacks_first: bool,
}

impl Reply {
    const fn of(status: u16, body: Value) -> Self {
        Self { status, body, callbacks_first: false }
    }

    const fn ok(body: Value) -> Self {
        Self::of(200, body)
    }

    fn failed(status: u16, code: &str) -> Self {
        Self::of(status, json!({ "failureReason": failure_reason(code) }))
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let mut response = answer(self.status, &self.body);
        if self.callbacks_first {
            response.extensions_mut().insert(CallbacksFirst);
        }
        response
    }
}

impl Network for Pawapay {
    type Job = Job;
    type Signer = Signer;
    /// A quarter of an hour in all; the schedule is not published.
    const RETRIES: &'static [i64] = &[10_000, 20_000, 30_000, 60_000, 120_000, 240_000, 420_000];

    fn common(&mut self) -> &mut Common<Self> {
        &mut self.common
    }

    fn run(&mut self, job: Job, now: i64) {
        match job {
            Job::Proceed(key) => self.proceed(&key, now),
            Job::Reverse(key) => self.reverse(&key, now),
            Job::Cancel(key) => self.cancel(&key, now),
            Job::Statement(id) => self.complete_statement(&id, now),
        }
    }

    fn sign(signer: &Signer, callback: &Signing<'_>) -> Vec<(&'static str, String)> {
        let forged = || Key::of(signer.key.id.clone(), &[7; 32]);
        let key = if callback.forged { forged() } else { Some(signer.key.clone()) };
        key.map_or_else(Vec::new, |key| {
            signature::sign(&key, signer.digest, callback.url, JSON, callback.body, callback.now)
        })
    }

    fn refusal(status: u16) -> Value {
        let code = match status {
            400 | 413 => "INVALID_INPUT",
            401 => "NO_AUTHENTICATION",
            403 => "AUTHENTICATION_ERROR",
            _ => "UNKNOWN_ERROR",
        };
        json!({ "failureReason": failure_reason(code) })
    }
}

impl Pawapay {
    pub(crate) fn new(settings: &Settings, base_url: String) -> Self {
        let mut common = Common::new(settings.seed);
        let key = new_key(&mut common.random, 1);
        let operators = operators();
        let opening = |operator: &Operator| {
            let wallet = (operator.country.code.to_owned(), operator.currency.to_owned());
            (wallet, OPENING_BALANCE * 10_i64.pow(exponent(operator.currency)))
        };
        let callback_urls = settings
            .pawapay_callback
            .iter()
            .flat_map(|url| Operation::ALL.into_iter().map(|operation| (operation, url.clone())));
        Self {
            common,
            delay: settings.delay_ms,
            base_url,
            tokens: vec![TOKEN.to_owned()],
            signed_callbacks: true,
            signed_requests_only: false,
            request_keys: BTreeMap::new(),
            key,
            keys_made: 1,
            digest: BodyDigest::Sha512,
            callback_urls: callback_urls.collect(),
            wallets: operators.iter().map(opening).collect(),
            operators,
            payments: BTreeMap::new(),
            lines: Vec::new(),
            statements: BTreeMap::new(),
            statement_files: Files::default(),
        }
    }

    fn signer(&self) -> Signer {
        Signer { key: self.key.clone(), digest: self.digest }
    }

    /// Makes another key, with the next id. The one before it is published no more.
    pub(crate) fn rotate_key(&mut self) -> String {
        self.keys_made += 1;
        self.key = new_key(&mut self.common.random, self.keys_made);
        self.key.id.clone()
    }

    fn active_conf(&self, query: Option<&str>) -> Reply {
        let (country, operation) = filter_of(query);
        let filter = Filter { country: country.as_deref(), operation: operation.as_deref() };
        let url_of = |operation| self.callback_urls.get(&operation).cloned();
        Reply::ok(json!({
            "companyName": "Fake company",
            "signatureConfiguration": {
                "signedRequestsOnly": self.signed_requests_only,
                "signedCallbacks": self.signed_callbacks,
            },
            "countries": operators::active_conf(&self.operators, &filter, &url_of),
        }))
    }

    fn availability(&self, query: Option<&str>) -> Reply {
        let (country, operation) = filter_of(query);
        let filter = Filter { country: country.as_deref(), operation: operation.as_deref() };
        Reply::ok(operators::availability(&self.operators, &filter))
    }

    fn wallet_balances(&self, query: Option<&str>) -> Reply {
        let (country, _) = filter_of(query);
        let balances: Value = self
            .wallets
            .iter()
            .filter(|((of, _), _)| country.as_ref().is_none_or(|country| country == of))
            .map(|((country, currency), minor)| {
                json!({
                    "country": country,
                    "balance": text_of(*minor, currency, 2),
                    "currency": currency,
                    "provider": "",
                })
            })
            .collect();
        Reply::ok(json!({ "balances": balances }))
    }

    fn predict_provider(&self, body: &[u8]) -> Reply {
        let read = Fields::parse(body).and_then(|mut fields| {
            let phone = fields.required_text("phoneNumber").ok()?;
            fields.end().ok().map(|()| phone)
        });
        let found = read.and_then(|typed| operators::predict(&self.operators, &typed));
        match found {
            None => Reply::failed(400, "INVALID_PARAMETER"),
            Some((phone, operator)) => Reply::ok(json!({
                "country": operator.country.code,
                "provider": operator.provider,
                "phoneNumber": phone,
            })),
        }
    }

    /// Why a request is refused before it is read.
    fn unauthorised(&self, authorization: Option<&str>) -> Option<Reply> {
        let token = authorization.and_then(|value| value.strip_prefix("Bearer "));
        match token {
            None => Some(Reply::failed(401, "NO_AUTHENTICATION")),
            Some(token) if self.tokens.iter().any(|known| known == token) => None,
            Some(_) => Some(Reply::failed(403, "AUTHENTICATION_ERROR")),
        }
    }

    /// Why an initiation is refused for its signature.
    fn unsigned(&self, request: &Signed<'_>, now: i64) -> Option<Reply> {
        if !self.signed_requests_only {
            return None;
        }
        let key = |id: &str| self.request_keys.get(id).cloned();
        let reason = signature::verify(request, &key, now).err()?;
        let failure = json!({ "failureCode": "HTTP_SIGNATURE_ERROR", "failureMessage": reason });
        Some(Reply::of(403, json!({ "failureReason": failure })))
    }
}

fn new_key(random: &mut Random, number: u32) -> Key {
    let id = format!("HTTP_EC_P256_KEY:{number}");
    // One of 2^32 draws is no key: draw again.
    loop {
        if let Some(key) = Key::of(id.clone(), &random.bytes()) {
            return key;
        }
    }
}

/// The country and the operation of a query.
fn filter_of(query: Option<&str>) -> (Option<String>, Option<String>) {
    let query = query.unwrap_or_default();
    let find = |wanted: &str| {
        form_urlencoded::parse(query.as_bytes())
            .find(|(name, _)| name == wanted)
            .map(|(_, value)| value.into_owned())
    };
    (find("country"), find("operationType"))
}

type Shared = State<Arc<Fake<Pawapay>>>;

/// The API, with the faults that happen to it.
pub(crate) fn router(fake: &Arc<Fake<Pawapay>>) -> Router {
    let mut routes = Router::new();
    for operation in Operation::ALL {
        let path = operation.path();
        routes = routes
            .route(
                &format!("/v2/{path}"),
                post(
                    move |State(fake): Shared,
                          method: Method,
                          uri: Uri,
                          headers: HeaderMap,
                          body: Bytes| async move {
                        fake.with(|pawapay, now| {
                            let signed = Signed {
                                method: method.as_str(),
                                path: uri.path(),
                                header: &|name| text_header(&headers, name),
                                body: &body,
                            };
                            match pawapay.unsigned(&signed, now) {
                                Some(refusal) => refusal,
                                None => pawapay.initiate(operation, &body, now),
                            }
                        })
                    },
                ),
            )
            .route(
                &format!("/v2/{path}/{{id}}"),
                get(move |State(fake): Shared, Path(id): Path<String>| async move {
                    if !is_uuid_v4(&id) {
                        return Reply::failed(400, "INVALID_PARAMETER");
                    }
                    fake.with(|pawapay, now| pawapay.status(operation, &id, now))
                }),
            )
            .route(
                &format!("/v2/{path}/resend-callback/{{id}}"),
                post(move |State(fake): Shared, Path(id): Path<String>| async move {
                    fake.with(|pawapay, now| pawapay.resend_callback(operation, &id, now))
                }),
            );
        if operation != Operation::Deposit {
            routes = routes.route(
                &format!("/v2/{path}/fail-enqueued/{{id}}"),
                post(move |State(fake): Shared, Path(id): Path<String>| async move {
                    fake.with(|pawapay, now| pawapay.fail_enqueued(operation, &id, now))
                }),
            );
        }
    }
    let routes = routes
        .route("/v2/payouts/bulk", post(bulk_payouts))
        .route(
            "/v2/active-conf",
            get(|State(fake): Shared, RawQuery(query): RawQuery| async move {
                fake.with(|pawapay, _| pawapay.active_conf(query.as_deref()))
            }),
        )
        .route(
            "/v2/availability",
            get(|State(fake): Shared, RawQuery(query): RawQuery| async move {
                fake.with(|pawapay, _| pawapay.availability(query.as_deref()))
            }),
        )
        .route(
            "/v2/wallet-balances",
            get(|State(fake): Shared, RawQuery(query): RawQuery| async move {
                fake.with(|pawapay, _| pawapay.wallet_balances(query.as_deref()))
            }),
        )
        .route(
            "/v2/predict-provider",
            post(|State(fake): Shared, body: Bytes| async move {
                fake.with(|pawapay, _| pawapay.predict_provider(&body))
            }),
        )
        .route(
            "/v2/public-key/http",
            get(|State(fake): Shared| async move {
                fake.with(|pawapay, _| {
                    let key = &pawapay.key;
                    Reply::ok(json!([{ "id": key.id, "key": key.public_pem() }]))
                })
            }),
        )
        .route(
            "/v2/statements",
            post(|State(fake): Shared, body: Bytes| async move {
                fake.with(|pawapay, now| pawapay.request_statement(&body, now))
            }),
        )
        .route(
            "/v2/statements/{id}",
            get(|State(fake): Shared, Path(id): Path<String>| async move {
                fake.with(|pawapay, _| pawapay.statement_status(&id))
            }),
        )
        .layer(axum::middleware::from_fn_with_state(Arc::clone(fake), authorise))
        .route("/files/{name}", get(download))
        .fallback(|| async { Reply::failed(404, "NOT_FOUND") })
        .with_state(Arc::clone(fake));
    with_faults(fake, routes)
}

async fn authorise(State(fake): Shared, request: Request, next: Next) -> Response {
    let authorization = text_header(request.headers(), "authorization");
    let refusal = fake.with(|pawapay, _| pawapay.unauthorised(authorization.as_deref()));
    match refusal {
        Some(refusal) => refusal.into_response(),
        None => next.run(request).await,
    }
}

/// Each payout of the list is taken or refused for itself.
async fn bulk_payouts(
    State(fake): Shared,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Reply {
    let Ok(Value::Array(items)) = serde_json::from_slice(&body) else {
        return Reply::failed(400, "INVALID_INPUT");
    };
    fake.with(|pawapay, now| {
        let signed = Signed {
            method: method.as_str(),
            path: uri.path(),
            header: &|name| text_header(&headers, name),
            body: &body,
        };
        if let Some(refusal) = pawapay.unsigned(&signed, now) {
            return refusal;
        }
        let mut take = |item: &Value| {
            pawapay.initiate(Operation::Payout, item.to_string().as_bytes(), now).body
        };
        Reply::ok(items.iter().map(&mut take).collect())
    })
}

/// The address is the permission. Like other stores of files, this one refuses a request that has a
/// token as well.
async fn download(State(fake): Shared, Path(name): Path<String>, headers: HeaderMap) -> Response {
    if headers.contains_key(header::AUTHORIZATION) {
        return answer(400, &json!({}));
    }
    match fake.with(|pawapay, now| pawapay.file(&name, now)) {
        Ok(file) => ([(header::CONTENT_TYPE, "text/csv")], file).into_response(),
        Err(status) => answer(status, &json!({})),
    }
}

fn text_header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

impl Pawapay {
    /// All that it has, in exact minor units.
    pub(crate) fn books(&self) -> Value {
        let wallets: Value = self
            .wallets
            .iter()
            .map(|((country, currency), minor)| {
                json!({ "country": country, "currency": currency, "minor": minor })
            })
            .collect();
        let mut payments: Vec<&Payment> = self.payments.values().collect();
        payments.sort_by(|a, b| (a.created, &a.id).cmp(&(b.created, &b.id)));
        json!({
            "payments": payments.into_iter().map(Payment::entry).collect::<Value>(),
            "wallets": wallets,
            "statement_lines": self.lines.iter().map(Line::entry).collect::<Value>(),
        })
    }
}

/// Whether a callback's signature holds by a published key (its id and its PEM).
#[cfg(test)]
pub(crate) fn verify_callback(
    path: &str,
    header: &dyn Fn(&str) -> Option<String>,
    body: &[u8],
    (id, pem): (&str, &str),
    now: i64,
) -> bool {
    let request = Signed { method: "POST", path, header, body };
    let key = |wanted: &str| (wanted == id).then(|| signature::public_key(pem)).flatten();
    signature::verify(&request, &key, now).is_ok()
}

/// The PEM of a merchant's key, and the headers of a deposit that is signed by it.
#[cfg(test)]
pub(crate) fn sign_as_merchant(
    base_url: &str,
    body: &str,
    now: i64,
) -> (String, Vec<(&'static str, String)>) {
    let key = Key::of("merchant".to_owned(), &[9; 32]).expect("a key");
    let url = format!("{base_url}/v2/deposits").parse().expect("a URL");
    let digest = BodyDigest::Sha256;
    (key.public_pem(), signature::sign(&key, digest, &url, JSON, body.as_bytes(), now))
}
