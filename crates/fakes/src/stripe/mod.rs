//! Stripe's API: cards by PaymentIntents and Checkout Sessions.

mod balance;
mod cards;
mod checkout;
mod control;
mod error;
mod events;
mod form;
mod intents;
mod objects;
mod refunds;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, Uri};
use axum::response::Response;
use axum::routing::get;
use base64::Engine as _;
use serde_json::{Value, json};

use self::balance::Settlement;
use self::error::ApiError;
use self::events::{API_VERSION, Endpoint, Event};
use self::form::Params;
use self::objects::{
    BalanceTransaction, Charge, Dispute, Intent, IntentStatus, Method as PaymentMethod, Payout,
    Refund, Session,
};
use crate::Settings;
use crate::fake::{Common, Fake, Network, Signing};
use crate::serve::{AnswerWithServerError, answer, with_faults};

/// The secret key that is accepted at the beginning.
pub const SECRET_KEY: &str = "sk_test_fakestripe00000000";
/// The key for the payer's page.
pub const PUBLISHABLE_KEY: &str = "pk_test_fakestripe00000000";
/// The secret of the webhook endpoint at the beginning.
pub const WEBHOOK_SECRET: &str = "whsec_fakestripe00000000";

const DAY: i64 = 24 * 60 * 60 * 1_000;
/// How long it takes until search finds what was created.
const SEARCH_LAG: i64 = 60_000;

/// What Stripe does by itself.
pub(crate) enum Job {
    /// A card's bank answers late; with the code of a decline.
    Charge(String, Option<(String, String)>),
    /// A refund gets this status, with the reason of a failure.
    Refund(String, &'static str, Option<String>),
    Dispute(String),
    ExpireSession(String),
}

#[derive(Clone)]
pub(crate) struct Signer {
    secrets: Vec<String>,
}

/// The answer that is kept for an idempotency key.
struct Answer {
    /// Method, path and parameters.
    request: (String, String, Vec<(String, String)>),
    status: u16,
    body: Value,
    at: i64,
}

/// One account at Stripe, with all that it has.
pub(crate) struct Stripe {
    common: Common<Self>,
    /// How long events and late failures take, in milliseconds.
    delay: i64,
    search_lag: i64,
    /// The exchange into the one currency that the balance is kept in; `None` keeps each currency.
    settlement: Option<Settlement>,
    base_url: String,
    keys: Vec<String>,
    endpoints: Vec<Endpoint>,
    /// Counts what is made, so that lists have an order.
    made: u64,
    intents: BTreeMap<String, Intent>,
    methods: BTreeMap<String, PaymentMethod>,
    charges: BTreeMap<String, Charge>,
    refunds: BTreeMap<String, Refund>,
    disputes: BTreeMap<String, Dispute>,
    sessions: BTreeMap<String, Session>,
    transactions: BTreeMap<String, BalanceTransaction>,
    payouts: BTreeMap<String, Payout>,
    /// The last ones.
    events: VecDeque<Event>,
    /// By idempotency key.
    answers: BTreeMap<String, Answer>,
    /// Idempotency keys whose answers are still under way.
    keys_in_use: BTreeSet<String>,

    // What holds for the request or the job that is under way.
    now: i64,
    request_id: Option<String>,
    idempotency_key: Option<String>,
    version: String,
    /// Events leave at once.
    hasten: bool,
}

impl Network for Stripe {
    type Job = Job;
    type Signer = Signer;
    /// In test mode three more times over a few hours.
    const RETRIES: &'static [i64] = &[3_600_000, 7_200_000, 14_400_000];

    fn common(&mut self) -> &mut Common<Self> {
        &mut self.common
    }

    fn run(&mut self, job: Job, now: i64) {
        self.at(now);
        match job {
            Job::Charge(id, declined) => {
                let waits = |intent: &Intent| intent.status == IntentStatus::Processing;
                if self.intents.get(&id).is_some_and(waits) {
                    // A decline is told by events; there is no request to answer.
                    let _ = self.end_charge(&id, declined);
                }
            }
            Job::Refund(id, status, reason) => self.end_refund(&id, status, reason),
            Job::Dispute(id) => {
                self.open_dispute(&id, None, "fraudulent", None);
            }
            Job::ExpireSession(id) => self.end_session(&id),
        }
    }

    fn sign(signer: &Signer, callback: &Signing<'_>) -> Vec<(&'static str, String)> {
        events::sign(signer, callback)
    }

    fn set_key_in_use(&mut self, key: &str, in_use: bool) {
        if in_use {
            self.keys_in_use.insert(key.to_owned());
        } else {
            self.keys_in_use.remove(key);
        }
    }

    fn refusal(status: u16) -> Value {
        ApiError::of_status(status).body()
    }
}

impl Stripe {
    pub(crate) fn new(settings: &Settings, base_url: String) -> Self {
        let endpoint = |url: &String| Endpoint {
            url: url.clone(),
            secrets: vec![WEBHOOK_SECRET.to_owned()],
            types: Vec::new(),
        };
        Self {
            common: Common::new(settings.seed ^ 0x5354_5249_5045),
            delay: settings.delay_ms,
            search_lag: SEARCH_LAG,
            settlement: None,
            base_url,
            keys: vec![SECRET_KEY.to_owned()],
            endpoints: settings.stripe_webhook.iter().map(endpoint).collect(),
            made: 0,
            intents: BTreeMap::new(),
            methods: BTreeMap::new(),
            charges: BTreeMap::new(),
            refunds: BTreeMap::new(),
            disputes: BTreeMap::new(),
            sessions: BTreeMap::new(),
            transactions: BTreeMap::new(),
            payouts: BTreeMap::new(),
            events: VecDeque::new(),
            answers: BTreeMap::new(),
            keys_in_use: BTreeSet::new(),
            now: 0,
            request_id: None,
            idempotency_key: None,
            version: API_VERSION.to_owned(),
            hasten: false,
        }
    }

    /// Begins something at `now` that no request of the API asks for.
    pub(crate) fn at(&mut self, now: i64) -> &mut Self {
        self.now = now;
        self.request_id = None;
        self.idempotency_key = None;
        API_VERSION.clone_into(&mut self.version);
        self.hasten = false;
        self
    }

    fn next_number(&mut self) -> u64 {
        self.made += 1;
        self.made
    }

    /// Does what a request asks for, once for each idempotency key.
    fn answer(&mut self, request: &ApiRequest<'_>, now: i64) -> Answered {
        self.at(now);
        let request_id = format!("req_{}", self.common.random.letters(14));
        self.request_id = Some(request_id.clone());
        let answered = |status, body, replayed| Answered {
            status,
            body,
            replayed,
            request_id: request_id.clone(),
            callbacks_first: false,
        };
        if let Err(error) = self.admit(request) {
            return answered(error.status, error.body(), false);
        }
        let Some(key) = request.key.filter(|_| request.method == "POST") else {
            let (status, body) = self.carry_out(request).unwrap_or_else(|e| (e.status, e.body()));
            let callbacks_first = self.hasten;
            return Answered { callbacks_first, ..answered(status, body, false) };
        };
        if key.is_empty() || key.len() > 255 {
            let message = "Idempotency keys have 1 to 255 characters";
            let error = ApiError::parameter("parameter_invalid", "Idempotency-Key", message);
            return answered(error.status, error.body(), false);
        }
        self.idempotency_key = Some(key.to_owned());
        if self.keys_in_use.contains(key) {
            let error = ApiError::of_status(409);
            return answered(error.status, error.body(), false);
        }
        let fingerprint = request.fingerprint();
        if let Some(kept) = self.answers.get(key).filter(|kept| kept.at + DAY > now) {
            if kept.request == fingerprint {
                return answered(kept.status, kept.body.clone(), true);
            }
            let error = ApiError::other_parameters(key);
            return answered(error.status, error.body(), false);
        }
        let (status, body, keep) = match self.carry_out(request) {
            Ok((status, body)) => (status, body, true),
            Err(error) => (error.status, error.body(), error.executed),
        };
        if keep {
            // Whoever asks for nothing new for a day leaves nothing behind.
            if self.answers.len() % 4_096 == 4_095 {
                self.answers.retain(|_, kept| kept.at + DAY > now);
            }
            let body = body.clone();
            let kept = Answer { request: fingerprint, status, body, at: now };
            self.answers.insert(key.to_owned(), kept);
        }
        let callbacks_first = self.hasten;
        Answered { callbacks_first, ..answered(status, body, false) }
    }

    /// Refuses whoever has no key, or asks in another language.
    fn admit(&mut self, request: &ApiRequest<'_>) -> Result<(), ApiError> {
        let key = request.api_key.as_deref().ok_or_else(|| {
            ApiError::unauthorised(
                "You did not provide an API key. You need to provide your API key in the \
                 Authorization header, using Bearer auth.",
            )
        })?;
        if !self.keys.iter().any(|known| known == key) && !self.is_payers(key, request) {
            let shown = key.get(..12).unwrap_or(key);
            let message = format!("Invalid API Key provided: {shown}***");
            return Err(ApiError::unauthorised(&message));
        }
        if let Some(version) = request.version {
            let date = version.split('.').next().unwrap_or_default();
            if date.parse::<jiff::civil::Date>().is_err() || date.len() != 10 {
                let message = format!("Invalid Stripe API version: {version}");
                return Err(ApiError::invalid("", &message));
            }
            version.clone_into(&mut self.version);
        }
        let form = "application/x-www-form-urlencoded";
        let is_form = request.content_type.is_some_and(|kind| kind.starts_with(form));
        if request.method == "POST" && !request.body.is_empty() && !is_form {
            let message = "Invalid request: bodies are application/x-www-form-urlencoded";
            return Err(ApiError::invalid("", message));
        }
        Ok(())
    }

    /// Whether a payer's page may ask this: it has the publishable key and the intent's secret.
    fn is_payers(&self, key: &str, request: &ApiRequest<'_>) -> bool {
        let segments: Vec<&str> = request.path.trim_matches('/').split('/').collect();
        let id = match (request.method, segments.as_slice()) {
            ("GET", ["v1", "payment_intents", id])
            | ("POST", ["v1", "payment_intents", id, "confirm"]) => *id,
            _ => return false,
        };
        let secret = self.intents.get(id).map(|intent| intent.client_secret.as_str());
        let given = form_urlencoded::parse(request.parameters())
            .any(|(name, value)| name == "client_secret" && secret == Some(&*value));
        key == PUBLISHABLE_KEY && given
    }

    fn carry_out(&mut self, request: &ApiRequest<'_>) -> Result<(u16, Value), ApiError> {
        let mut params = Params::parse(request.parameters())?;
        let expand = params.texts("expand")?;
        let mut shown = self.route(request, params)?;
        for path in expand {
            let fields: Vec<&str> = path.split('.').collect();
            self.expand(&mut shown, &fields);
        }
        if request.fails {
            let error = ApiError::of_status(500);
            return Err(error);
        }
        Ok((200, shown))
    }

    fn route(&mut self, request: &ApiRequest<'_>, mut params: Params) -> Result<Value, ApiError> {
        let path = request.path.trim_matches('/');
        let segments: Vec<&str> = path.split('/').collect();
        let ["v1", segments @ ..] = segments.as_slice() else {
            return Err(ApiError::unknown_path(request.method, request.path));
        };
        match (request.method, segments) {
            ("POST", ["payment_intents"]) => self.create_intent(params),
            ("GET", ["payment_intents", "search"]) => self.search_intents(params),
            ("POST", ["payment_intents", id]) => self.update_intent(id, params),
            ("POST", ["payment_intents", id, "confirm"]) => self.confirm_intent(id, params),
            ("POST", ["payment_intents", id, "cancel"]) => self.cancel_intent(id, params),
            ("POST", ["checkout", "sessions"]) => self.create_session(params),
            ("POST", ["checkout", "sessions", id, "expire"]) => self.expire_session(id, &params),
            ("POST", ["refunds"]) => self.create_refund(params),
            ("POST", ["refunds", id]) => self.update_refund(id, params),
            ("POST", ["refunds", id, "cancel"]) => Err(self.cancel_refund(id)),
            ("GET", ["balance"]) => {
                params.end()?;
                Ok(self.show_balance())
            }
            ("GET", ["checkout", "sessions"]) => self.list("checkout/sessions", params),
            ("GET", ["checkout", "sessions", id]) => {
                params.end()?;
                self.find(id).ok_or_else(|| ApiError::missing("checkout.session", id, "session"))
            }
            ("GET", [kind]) if is_listed(kind) => self.list(kind, params),
            ("GET", [kind, id]) if is_listed(kind) => {
                params.text("client_secret")?;
                params.end()?;
                let singular = kind.trim_end_matches('s');
                self.find(id).ok_or_else(|| ApiError::missing(singular, id, "id"))
            }
            _ => Err(ApiError::unknown_path(request.method, request.path)),
        }
    }

    /// Any object by its id.
    fn find(&self, id: &str) -> Option<Value> {
        match id.split('_').next().unwrap_or_default() {
            "pi" => self.intents.get(id).map(Intent::show),
            "ch" => self.charges.get(id).map(Charge::show),
            "re" => self.refunds.get(id).map(Refund::show),
            "du" => self.disputes.get(id).map(Dispute::show),
            "cs" => self.sessions.get(id).map(Session::show),
            "txn" => self.transactions.get(id).map(|transaction| transaction.show(self.now)),
            "po" => self.payouts.get(id).map(Payout::show),
            "evt" => self.event(id).map(Event::show),
            _ => None,
        }
    }

    fn event(&self, id: &str) -> Option<&Event> {
        self.events.iter().rev().find(|event| event.id == id)
    }

    /// Puts the object in place of its id, also in each element of a list.
    fn expand(&self, value: &mut Value, path: &[&str]) {
        let Some((field, rest)) = path.split_first() else { return };
        match value {
            Value::Array(list) => list.iter_mut().for_each(|item| self.expand(item, path)),
            Value::Object(object) => {
                let Some(inner) = object.get_mut(*field) else { return };
                if let Some(found) = inner.as_str().and_then(|id| self.find(id)) {
                    *inner = found;
                }
                self.expand(inner, rest);
            }
            _ => {}
        }
    }

    /// A page of a list, newest first.
    fn list(&self, kind: &str, mut params: Params) -> Result<Value, ApiError> {
        let limit = params.integer("limit")?.unwrap_or(10);
        if !(1..=100).contains(&limit) {
            let message = "This value must be between 1 and 100";
            return Err(ApiError::parameter("parameter_invalid_integer", "limit", message));
        }
        let after = params.text("starting_after")?;
        let before = params.text("ending_before")?;
        if after.is_some() && before.is_some() {
            let message = "Only one of starting_after and ending_before can be given";
            return Err(ApiError::parameter("parameter_invalid", "ending_before", message));
        }
        let mut bounds = Vec::new();
        if let Some(mut created) = params.nested("created")? {
            for name in ["gte", "gt", "lte", "lt"] {
                bounds.extend(created.integer(name)?.map(|bound| (name, bound)));
            }
            created.end()?;
        }
        let mut filters = Vec::new();
        let mut payout = None;
        for name in filters_of(kind) {
            if let Some(value) = params.text(name)? {
                if *name == "payout" {
                    payout = Some(value);
                } else {
                    filters.push((*name, value));
                }
            }
        }
        params.end()?;
        let wanted = |shown: &Value| {
            filters.iter().all(|(name, value)| shown[*name].as_str() == Some(value.as_str()))
                && bounds.iter().all(|(name, bound)| {
                    let created = shown["created"].as_i64().unwrap_or_default();
                    match *name {
                        "gte" => created >= *bound,
                        "gt" => created > *bound,
                        "lte" => created <= *bound,
                        _ => created < *bound,
                    }
                })
        };
        let mut ids = self.ids(kind, payout.as_deref());
        ids.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
        let place = |bound: &str, name: &str| {
            let at = ids.iter().position(|(_, id)| *id == bound);
            at.ok_or_else(|| ApiError::missing("object", bound, name))
        };
        let is_backwards = before.is_some();
        if let Some(after) = after {
            let at = place(&after, "starting_after")?;
            ids.drain(..=at);
        } else if let Some(before) = before {
            let at = place(&before, "ending_before")?;
            ids.truncate(at);
            // The page has those that are next to the bound.
            ids.reverse();
        }
        // Only as many are shown as a page has, and one more, which tells that there are more.
        let limit = usize::try_from(limit).unwrap_or(10);
        let shown = ids.into_iter().filter_map(|(_, id)| self.find(id)).filter(wanted);
        let mut page: Vec<Value> = shown.take(limit + 1).collect();
        let has_more = page.len() > limit;
        page.truncate(limit);
        if is_backwards {
            page.reverse();
        }
        Ok(json!({
            "object": "list",
            "url": format!("/v1/{kind}"),
            "has_more": has_more,
            "data": page,
        }))
    }

    /// The objects of a list, with the order in which they were made.
    fn ids(&self, kind: &str, payout: Option<&str>) -> Vec<(u64, &str)> {
        match kind {
            "payment_intents" => self.intents.values().map(|o| (o.number, &*o.id)).collect(),
            "charges" => self.charges.values().map(|o| (o.number, &*o.id)).collect(),
            "refunds" => self.refunds.values().map(|o| (o.number, &*o.id)).collect(),
            "disputes" => self.disputes.values().map(|o| (o.number, &*o.id)).collect(),
            "checkout/sessions" => self.sessions.values().map(|o| (o.number, &*o.id)).collect(),
            "payouts" => self.payouts.values().map(|o| (o.number, &*o.id)).collect(),
            "events" => self.events.iter().map(|o| (o.number, &*o.id)).collect(),
            "balance_transactions" => self
                .transactions
                .values()
                .filter(|o| payout.is_none_or(|payout| o.payout.as_deref() == Some(payout)))
                .map(|o| (o.number, &*o.id))
                .collect(),
            _ => Vec::new(),
        }
    }

    /// All that it has, in exact minor units.
    pub(crate) fn books(&mut self, now: i64) -> Value {
        self.at(now);
        json!({
            "payment_intents": self.intents.values().map(Intent::entry).collect::<Value>(),
            "charges": self.charges.values().map(Charge::entry).collect::<Value>(),
            "refunds": self.refunds.values().map(Refund::entry).collect::<Value>(),
            "disputes": self.disputes.values().map(Dispute::entry).collect::<Value>(),
            "sessions": self.sessions.values().map(Session::entry).collect::<Value>(),
            "balances": self.balance_entries(),
        })
    }
}

const LISTED: [&str; 7] = [
    "payment_intents",
    "charges",
    "refunds",
    "disputes",
    "payouts",
    "events",
    "balance_transactions",
];

fn is_listed(kind: &str) -> bool {
    LISTED.contains(&kind)
}

/// By which fields a list can be filtered.
fn filters_of(kind: &str) -> &'static [&'static str] {
    match kind {
        "refunds" | "disputes" => &["charge", "payment_intent"],
        "charges" => &["payment_intent"],
        "checkout/sessions" => &["payment_intent", "status"],
        "balance_transactions" => &["payout", "source", "type", "currency"],
        "events" => &["type"],
        "payouts" => &["status"],
        _ => &[],
    }
}

/// A request of the API.
struct ApiRequest<'a> {
    method: &'a str,
    path: &'a str,
    query: &'a str,
    body: &'a [u8],
    api_key: Option<String>,
    version: Option<&'a str>,
    content_type: Option<&'a str>,
    key: Option<&'a str>,
    /// It is carried out and answered with 500.
    fails: bool,
}

impl ApiRequest<'_> {
    fn parameters(&self) -> &[u8] {
        if self.method == "POST" { self.body } else { self.query.as_bytes() }
    }

    fn fingerprint(&self) -> (String, String, Vec<(String, String)>) {
        let mut pairs: Vec<(String, String)> =
            form_urlencoded::parse(self.parameters()).into_owned().collect();
        pairs.sort();
        (self.method.to_owned(), self.path.to_owned(), pairs)
    }
}

struct Answered {
    status: u16,
    body: Value,
    /// Whether it is the kept answer of an earlier request.
    replayed: bool,
    request_id: String,
    callbacks_first: bool,
}

#[cfg(test)]
pub(crate) use self::checkout::soonest_end;

type Shared = State<Arc<Fake<Stripe>>>;

/// The API and the payer's pages, with the faults that happen to them.
pub(crate) fn router(fake: &Arc<Fake<Stripe>>) -> Router {
    let routes = Router::new()
        .route("/c/pay/{id}", get(checkout::get_session).post(checkout::post_session))
        .route("/3ds/{id}", get(checkout::get_challenge).post(checkout::post_challenge))
        .fallback(api)
        .with_state(Arc::clone(fake));
    with_faults(fake, routes)
}

async fn api(
    State(fake): Shared,
    fails: Option<axum::Extension<AnswerWithServerError>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let request = ApiRequest {
        method: method.as_str(),
        path: uri.path(),
        query: uri.query().unwrap_or_default(),
        body: &body,
        api_key: header("authorization").and_then(api_key),
        version: header("stripe-version"),
        content_type: header("content-type"),
        key: header("idempotency-key"),
        fails: fails.is_some(),
    };
    let answered = fake.with(|stripe, now| stripe.answer(&request, now));
    if answered.callbacks_first {
        fake.flush().await;
    }
    let mut response = answer(answered.status, &answered.body);
    let mut put = |name: &'static str, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(name, value);
        }
    };
    put("request-id", &answered.request_id);
    put("stripe-version", request.version.unwrap_or(API_VERSION));
    if let Some(key) = request.key {
        put("idempotency-key", key);
    }
    if answered.replayed {
        put("idempotent-replayed", "true");
    }
    response
}

/// The key of a Bearer or Basic authorization.
fn api_key(header: &str) -> Option<String> {
    if let Some(key) = header.strip_prefix("Bearer ") {
        return Some(key.to_owned());
    }
    let encoded = header.strip_prefix("Basic ")?;
    let decoded = base64::engine::general_purpose::STANDARD.decode(encoded).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    Some(text.split(':').next().unwrap_or_default().to_owned())
}
