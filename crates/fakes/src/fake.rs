//! What both fakes have in common: a lock around their books, what they do by themselves as time
//! passes, and the delivery of their callbacks.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Uri;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio::sync::{Notify, Semaphore, watch};

use crate::clock::{Clock, iso};
use crate::faults::{Candidate, Faults, Kind, Stage};
use crate::random::Random;

/// How many callbacks are delivered at once. The others wait for their turn.
const DELIVERIES_AT_ONCE: usize = 128;
/// A receiver that has not answered by then has not taken the callback.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(10);
/// How many requests and deliveries are kept to be looked at.
const KEPT: usize = 10_000;

/// A network that is played: its books, and how it signs.
pub(crate) trait Network: Send + Sized + 'static {
    /// What it does by itself when it is due.
    type Job: Send;
    /// What its callbacks are signed with.
    type Signer: Clone + Send + Sync;
    /// How long after each failed delivery a callback is sent again, in milliseconds.
    const RETRIES: &'static [i64];

    fn common(&mut self) -> &mut Common<Self>;

    /// Does what was due at `now`.
    fn run(&mut self, job: Self::Job, now: i64);

    /// The headers that sign a callback.
    fn sign(signer: &Self::Signer, callback: &Signing<'_>) -> Vec<(&'static str, String)>;

    /// Whether the answer to a request with this idempotency key is still under way.
    fn set_key_in_use(&mut self, _key: &str, _in_use: bool) {}

    /// The body of an answer that refuses a request with this status.
    fn refusal(status: u16) -> Value;
}

/// A callback at the moment when it is signed.
pub(crate) struct Signing<'a> {
    pub url: &'a Uri,
    pub body: &'a [u8],
    /// In milliseconds.
    pub now: i64,
    /// Whether to sign with another key than the network's.
    pub forged: bool,
}

/// How a callback is signed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Signature {
    Good,
    Unsigned,
    Forged,
    Expired,
    /// The body is another than the one that was signed.
    Tampered,
}

impl Signature {
    /// As the control port names it.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "GOOD" => Self::Good,
            "UNSIGNED" => Self::Unsigned,
            "FORGED" => Self::Forged,
            "EXPIRED" => Self::Expired,
            "TAMPERED" => Self::Tampered,
            _ => return None,
        })
    }
}

/// A callback to deliver.
pub(crate) struct Callback<N: Network> {
    pub url: String,
    /// What it is about: `DEPOSIT`, `charge.refunded`.
    pub event: String,
    /// The id of the payment or of the event.
    pub subject: String,
    pub body: Bytes,
    pub signer: N::Signer,
    pub signature: Signature,
    /// How often its delivery has failed.
    pub failed: usize,
}

impl<N: Network> Clone for Callback<N> {
    fn clone(&self) -> Self {
        Self {
            url: self.url.clone(),
            event: self.event.clone(),
            subject: self.subject.clone(),
            body: self.body.clone(),
            signer: self.signer.clone(),
            signature: self.signature,
            failed: self.failed,
        }
    }
}

enum Task<N: Network> {
    Job(N::Job),
    Deliver(Callback<N>),
}

/// The part of a network's state that does not depend on the network.
pub(crate) struct Common<N: Network> {
    pub random: Random,
    pub faults: Faults,
    /// By the time when it is due, then by the order in which it was planned.
    schedule: BTreeMap<(i64, u64), Task<N>>,
    planned: u64,
    outgoing: Vec<Callback<N>>,
    deliveries: VecDeque<Value>,
    requests: VecDeque<Value>,
}

impl<N: Network> Common<N> {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            random: Random::of_seed(seed),
            faults: Faults::default(),
            schedule: BTreeMap::new(),
            planned: 0,
            outgoing: Vec::new(),
            deliveries: VecDeque::new(),
            requests: VecDeque::new(),
        }
    }

    fn plan(&mut self, at: i64, task: Task<N>) {
        self.planned += 1;
        self.schedule.insert((at, self.planned), task);
    }

    /// When the next thing is due.
    fn next(&self) -> Option<i64> {
        self.schedule.first_key_value().map(|((at, _), _)| *at)
    }

    /// Plans what the network does by itself at `at`.
    pub(crate) fn at(&mut self, at: i64, job: N::Job) {
        self.plan(at, Task::Job(job));
    }

    pub(crate) fn payment_faults(&mut self, path: &str, body: &[u8]) -> Vec<Kind> {
        let candidate = Candidate { method: "POST", path, event: "", body };
        self.faults.take(Stage::Payment, candidate, &mut self.random)
    }

    pub(crate) fn callback_faults(&mut self, event: &str, body: &[u8]) -> Vec<Kind> {
        let candidate = Candidate { method: "POST", path: "", event, body };
        self.faults.take(Stage::Callback, candidate, &mut self.random)
    }

    /// Sends a callback, as its faults (of [`Self::callback_faults`]) leave it.
    pub(crate) fn send(&mut self, mut callback: Callback<N>, faults: &[Kind], now: i64) {
        let (mut at, mut copies) = (now, 1);
        for fault in faults {
            match fault {
                Kind::CallbackLost => copies = 0,
                Kind::CallbackLate { by } => at = now.saturating_add(*by),
                Kind::CallbackRepeated { copies: wanted } => copies = *wanted,
                Kind::CallbackUnsigned => callback.signature = Signature::Unsigned,
                Kind::CallbackForged => callback.signature = Signature::Forged,
                Kind::CallbackExpired => callback.signature = Signature::Expired,
                Kind::CallbackTampered => callback.signature = Signature::Tampered,
                _ => {}
            }
        }
        for _ in 0..copies {
            self.plan(at, Task::Deliver(callback.clone()));
        }
    }

    fn delivered(&mut self, mut callback: Callback<N>, result: Result<u16, String>, now: i64) {
        let answer = match &result {
            Ok(status) => json!(status),
            Err(error) => json!(error),
        };
        keep(
            &mut self.deliveries,
            json!({
                "at": iso(now),
                "at_ms": now,
                "event": callback.event,
                "subject": callback.subject,
                "url": callback.url,
                "attempt": callback.failed + 1,
                "answer": answer,
            }),
        );
        if result.is_ok_and(|status| (200..300).contains(&status)) {
            return;
        }
        if let Some(pause) = N::RETRIES.get(callback.failed) {
            callback.failed += 1;
            self.plan(now.saturating_add(*pause), Task::Deliver(callback));
        }
    }

    pub(crate) fn keep_request(&mut self, request: Value) {
        keep(&mut self.requests, request);
    }

    pub(crate) fn requests(&self) -> Value {
        self.requests.iter().cloned().collect()
    }

    pub(crate) fn deliveries(&self) -> Value {
        self.deliveries.iter().cloned().collect()
    }
}

fn keep(list: &mut VecDeque<Value>, value: Value) {
    if list.len() >= KEPT {
        list.pop_front();
    }
    list.push_back(value);
}

/// A network that is played on a clock.
pub(crate) struct Fake<N: Network> {
    pub clock: Arc<Clock>,
    network: Mutex<N>,
    client: Client<HttpConnector, Full<Bytes>>,
    /// Where callbacks are delivered, whatever thread they come from.
    runtime: tokio::runtime::Handle,
    /// Told when the time of what is due next has changed.
    changed: Notify,
    /// How many callbacks were sent and are not answered yet.
    in_flight: watch::Sender<usize>,
    deliveries: Semaphore,
}

impl<N: Network> Fake<N> {
    /// Must be called on a runtime of tokio.
    pub(crate) fn new(network: N, clock: Arc<Clock>) -> Arc<Self> {
        Arc::new(Self {
            clock,
            network: Mutex::new(network),
            client: Client::builder(TokioExecutor::new()).build_http(),
            runtime: tokio::runtime::Handle::current(),
            changed: Notify::new(),
            in_flight: watch::Sender::new(0),
            deliveries: Semaphore::new(DELIVERIES_AT_ONCE),
        })
    }

    /// Reads or changes the network at the present time of its clock. Whatever is due is done
    /// before and after, in the order of time, however far the clock has jumped; so an answer never
    /// depends on whether a timer was in time.
    pub(crate) fn with<R>(self: &Arc<Self>, act: impl FnOnce(&mut N, i64) -> R) -> R {
        let (result, outgoing, next_changed) = {
            let mut network = self.network.lock().unwrap_or_else(PoisonError::into_inner);
            let next_before = network.common().next();
            self.catch_up(&mut network);
            let result = act(&mut network, self.clock.now());
            self.catch_up(&mut network);
            let outgoing = std::mem::take(&mut network.common().outgoing);
            // Counted under the lock: whoever sees the change waits for its callbacks, too.
            self.in_flight.send_modify(|count| *count += outgoing.len());
            (result, outgoing, network.common().next() != next_before)
        };
        for callback in outgoing {
            self.runtime.spawn(Self::deliver(Arc::clone(self), callback));
        }
        if next_changed {
            self.changed.notify_one();
        }
        result
    }

    /// Does what became due by a jump of the clock, and waits anew for what is due next.
    pub(crate) fn clock_moved(self: &Arc<Self>) {
        self.with(|_, _| ());
        self.changed.notify_one();
    }

    fn catch_up(&self, network: &mut N) {
        while let Some(entry) = network.common().schedule.first_entry() {
            let (at, _) = *entry.key();
            if at > self.clock.now() {
                return;
            }
            match entry.remove() {
                Task::Job(job) => network.run(job, at),
                Task::Deliver(callback) => network.common().outgoing.push(callback),
            }
        }
    }

    /// Does what falls due as time passes. Never ends.
    pub(crate) async fn keep_time(self: Arc<Self>) {
        loop {
            let next = {
                let mut network = self.network.lock().unwrap_or_else(PoisonError::into_inner);
                network.common().next()
            };
            match next {
                Some(at) if at <= self.clock.now() => self.with(|_, _| ()),
                Some(at) if self.clock.runs() => {
                    let left = u64::try_from(at - self.clock.now()).unwrap_or(0);
                    // Either the time has come or something earlier was planned.
                    let _ =
                        tokio::time::timeout(Duration::from_millis(left), self.changed.notified())
                            .await;
                }
                _ => self.changed.notified().await,
            }
        }
    }

    /// Waits until each callback that is due was delivered or has failed.
    pub(crate) async fn flush(self: &Arc<Self>) {
        self.with(|_, _| ());
        // The sender is in `self`: there is no error.
        let _ = self.in_flight.subscribe().wait_for(|count| *count == 0).await;
    }

    async fn deliver(self: Arc<Self>, callback: Callback<N>) {
        let result = {
            let _permit = self.deliveries.acquire().await;
            match tokio::time::timeout(DELIVERY_TIMEOUT, self.post(&callback)).await {
                Ok(result) => result,
                Err(_) => Err("no answer in time".to_owned()),
            }
        };
        self.with(|network, now| network.common().delivered(callback, result, now));
        self.in_flight.send_modify(|count| *count = count.saturating_sub(1));
    }

    async fn post(&self, callback: &Callback<N>) -> Result<u16, String> {
        let url: Uri = callback.url.parse().map_err(|_| "no URL".to_owned())?;
        let age = if callback.signature == Signature::Expired { 3_600_000 } else { 0 };
        let signing = Signing {
            url: &url,
            body: &callback.body,
            now: self.clock.now() - age,
            forged: callback.signature == Signature::Forged,
        };
        let headers = match callback.signature {
            Signature::Unsigned => Vec::new(),
            _ => N::sign(&callback.signer, &signing),
        };
        let mut request =
            hyper::Request::post(url).header("content-type", "application/json; charset=UTF-8");
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let mut body = callback.body.clone();
        if callback.signature == Signature::Tampered {
            // White space at the end leaves the JSON as it was.
            body = [&body[..], b" "].concat().into();
        }
        let request = request.body(Full::new(body)).map_err(|error| error.to_string())?;
        let answer = self.client.request(request).await.map_err(|error| error.to_string())?;
        let status = answer.status().as_u16();
        // Read to the end, so that the connection can be used again.
        let _ = answer.into_body().collect().await;
        Ok(status)
    }
}
