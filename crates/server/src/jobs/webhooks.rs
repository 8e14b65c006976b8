//! Tells merchants what happened: makes the deliveries of messages, and delivers.
//!
//! What is to be done stands in committed rows. A nudge only makes the jobs look sooner.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use domain::directory::principal::Principal;
use domain::kernel::ids::{EventId, MerchantId, WebhookEndpointId};
use domain::kernel::time::ServerTime;
use domain::kernel::trace::TraceContext;
use domain::webhooks::attempt::Attempted;
use domain::webhooks::claim_deliveries::{ClaimDeliveries, ClaimedDeliveries};
use domain::webhooks::delivery::WebhookDelivery;
use domain::webhooks::endpoint::{Signing, WebhookEndpoint};
use domain::webhooks::fan_out_messages::FanOutMessages;
use domain::webhooks::record_attempt::RecordDeliveryAttempt;
use domain::webhooks::schedule::JITTER_PERMILLE;
use domain::webhooks::secret::WebhookSecret;
use futures_util::future::join_all;
use networks::webhooks::address::Reach;
use networks::webhooks::sender::{Sender, system_lookup};
use networks::webhooks::signature::{self, Ed25519Secret, HmacSecret, SigningSecret};
use networks::webhooks::url::EndpointUrl;
use rustls::RootCertStore;
use store::StoreError;
use store::clock;
use store::hex::unhex;
use store::reads::webhooks::DueEndpoint;
use tokio::sync::Notify;
use tokio::task::{JoinError, JoinSet};

use crate::api::webhook_endpoints;
use crate::app::App;
use crate::engine::Failure;
use crate::jobs::webhook_pace::{Ended, Pace};
use crate::request_id;
use crate::telemetry::traces::Kind;

/// How often the jobs look without a nudge: other processes write messages, too.
const EVERY: Duration = Duration::from_millis(200);
/// After a nudge they look this often, because the commit may take a moment.
const SOON: Duration = Duration::from_millis(5);
/// For how long they look that often.
const SOON_FOR: Duration = Duration::from_millis(100);
/// How often the same fault is logged.
const LOG_EVERY: Duration = Duration::from_secs(60);
/// How many messages are looked for at once.
const MESSAGES_AT_ONCE: u32 = 512;
/// How many deliveries one command makes: its ids are bounded.
const DELIVERIES_A_COMMAND: usize = 48;
/// How many deliveries are under way to the endpoints of one merchant, and in all.
const OF_ONE_MERCHANT: usize = 64;
const AT_ONCE: usize = 256;
/// So many of them at most are to endpoints that are slow, or of which nothing is known yet.
const AT_SLOW_ONES: usize = 128;
/// To how many endpoints deliveries are claimed at the same time: each claim waits for a commit.
const CLAIMS_AT_ONCE: usize = 16;
/// How many deliveries to a disabled endpoint are given up at once.
const GIVEN_UP_AT_ONCE: usize = 200;
/// How often an outcome that could not be recorded is tried again. Later the lease runs out, and
/// the delivery is tried again: at least once is promised, and not once only.
const RECORD_TRIES: u32 = 3;

/// What handlers and jobs know of webhooks.
#[derive(Default)]
pub struct Webhooks {
    nudged: Notify,
    fanned_out: Notify,
    /// Whether the operator has said that sandbox merchants may be told at private addresses.
    private_given: bool,
    /// Whether nobody but this machine reaches the server, as far as its addresses tell.
    is_local: bool,
    /// Whether a request came through a proxy.
    was_forwarded: AtomicBool,
    /// Endpoints whose pause is over, because somebody asks for deliveries now.
    woken: Mutex<Vec<WebhookEndpointId>>,
    /// Until when endpoints that keep failing are left alone by this process.
    paused: Mutex<HashMap<WebhookEndpointId, ServerTime>>,
}

impl Webhooks {
    #[must_use]
    pub fn new(private_given: bool, is_local: bool) -> Self {
        Self { private_given, is_local, ..Self::default() }
    }

    /// A message is being written: the jobs look soon.
    pub fn nudge(&self) {
        self.nudged.notify_one();
        self.fanned_out.notify_one();
    }

    /// Somebody asks for deliveries to an endpoint now: it is not left alone any longer. Other processes
    /// try it when their own pause is over.
    pub fn wake(&self, endpoint: WebhookEndpointId) {
        self.woken.lock().unwrap_or_else(PoisonError::into_inner).push(endpoint);
        self.nudge();
    }

    /// Until when this process leaves an endpoint alone.
    #[must_use]
    pub fn paused_until(&self, endpoint: WebhookEndpointId) -> Option<ServerTime> {
        let paused = self.paused.lock().unwrap_or_else(PoisonError::into_inner);
        paused.get(&endpoint).copied().filter(|until| *until > clock::now())
    }

    /// Keeps for how long an endpoint is left alone from now on, if at all.
    fn note_pause(&self, endpoint: WebhookEndpointId, left: Option<Duration>) {
        let mut paused = self.paused.lock().unwrap_or_else(PoisonError::into_inner);
        match left {
            Some(left) => {
                let left = i64::try_from(left.as_micros()).unwrap_or(i64::MAX);
                paused.insert(endpoint, clock::now().plus(left));
            }
            None => {
                paused.remove(&endpoint);
            }
        }
    }

    fn take_woken(&self) -> Vec<WebhookEndpointId> {
        std::mem::take(&mut *self.woken.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A request came through a proxy: so the server is reached from elsewhere, and a private address
    /// may be one of the operator's own services.
    pub fn note_forwarded(&self) {
        let is_first = !self.was_forwarded.swap(true, Ordering::Relaxed);
        if is_first && self.is_local && !self.private_given {
            tracing::warn!(
                "a request came through a proxy, so that others may reach this server: webhooks of \
                 sandbox merchants to private addresses and localhost are refused until the server \
                 starts again; --webhooks-private-addresses allows them always"
            );
        }
    }

    /// Whether sandbox merchants may be told at private addresses.
    #[must_use]
    pub fn may_be_private(&self) -> bool {
        self.private_given || (self.is_local && !self.was_forwarded.load(Ordering::Relaxed))
    }
}

/// Waits until there may be something: longer when there was no nudge lately.
async fn wait(nudged: &Notify, last_nudge: &mut Option<Instant>) {
    let is_soon = last_nudge.is_some_and(|at| at.elapsed() < SOON_FOR);
    let pause = if is_soon { SOON } else { EVERY };
    if tokio::time::timeout(pause, nudged.notified()).await.is_ok() {
        *last_nudge = Some(Instant::now());
        // What nudged has not committed yet.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Makes the deliveries of messages, for ever.
pub async fn fan_out(app: App) {
    let mut last_nudge = None;
    loop {
        let mut after = EventId(0);
        let mut made = 0;
        // Page by page: messages that cannot be handled are passed over and hold up no others.
        loop {
            match fan_out_after(&app, after).await {
                Ok(page) => {
                    made += page.made;
                    match page.last {
                        Some(last) => after = last,
                        None => break,
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "messages of webhooks could not be looked for");
                    break;
                }
            }
        }
        if made == 0 {
            wait(&app.webhooks.nudged, &mut last_nudge).await;
        } else {
            app.webhooks.fanned_out.notify_one();
        }
    }
}

/// What came of a page of messages.
struct FannedOut {
    /// How many messages were handled.
    made: usize,
    /// The last of a full page, after which there may be more.
    last: Option<EventId>,
}

async fn fan_out_after(app: &App, after: EventId) -> Result<FannedOut, StoreError> {
    let reads = app.queries.for_system();
    let found = reads.messages_to_fan_out(after, MESSAGES_AT_ONCE).await?;
    let is_full = u32::try_from(found.len()) == Ok(MESSAGES_AT_ONCE);
    let last = found.last().filter(|_| is_full).map(|message| message.event_id);
    let mut of_merchants: HashMap<MerchantId, Vec<_>> = HashMap::new();
    for message in &found {
        of_merchants.entry(message.merchant_id).or_default().push(message.event_id);
    }
    let mut commands = JoinSet::new();
    for (merchant, messages) in of_merchants {
        // Read after the messages: no endpoint is missing that a message was written for.
        let endpoints = reads.endpoints_of(merchant).await?;
        let at_once = DELIVERIES_A_COMMAND / endpoints.len().max(1);
        for messages in messages.chunks(at_once.max(1)) {
            let command =
                FanOutMessages { messages: messages.to_vec(), endpoints: endpoints.clone() };
            let engine = app.engine.clone();
            commands.spawn(async move {
                let count = command.messages.len();
                match engine.submit_for(merchant, Principal::System, command).await {
                    Ok(()) => count,
                    Err(failure) => {
                        tracing::warn!(%merchant, %failure, "deliveries of webhooks could not be made");
                        0
                    }
                }
            });
        }
    }
    let mut made = 0;
    while let Some(ended) = commands.join_next().await {
        made += ended.unwrap_or(0);
    }
    Ok(FannedOut { made, last })
}

/// Delivers, for ever.
pub async fn deliver(app: App) {
    let sender = Sender::new().or_else(|reason| {
        tracing::error!(reason, "webhooks are delivered to no https URL");
        Sender::with(RootCertStore::empty(), system_lookup())
    });
    let sender = match sender {
        Ok(sender) => sender,
        Err(reason) => {
            tracing::error!(reason, "webhooks cannot be delivered");
            return;
        }
    };
    let mut job = DeliveryJob {
        app,
        sender,
        met: HashMap::new(),
        begun: Instant::now(),
        under_way: JoinSet::new(),
        begin_after: WebhookEndpointId(0),
        logged: None,
    };
    let mut last_nudge = None;
    loop {
        let begun = job.begin().await.unwrap_or_else(|error| {
            tracing::warn!(%error, "due deliveries of webhooks could not be looked for");
            0
        });
        job.take_ended();
        if begun == 0 {
            let app = job.app.clone();
            tokio::select! {
                Some(ended) = job.under_way.join_next() => job.take(ended),
                () = wait(&app.webhooks.fanned_out, &mut last_nudge) => {}
            }
        }
    }
}

/// An endpoint that deliveries were begun to.
struct Met {
    merchant_id: MerchantId,
    pace: Pace,
}

impl Met {
    fn new(merchant_id: MerchantId) -> Self {
        Self { merchant_id, pace: Pace::default() }
    }
}

struct DeliveryJob {
    app: App,
    sender: Sender,
    met: HashMap<WebhookEndpointId, Met>,
    /// When the job began: pauses are measured from here, by a clock that is never set.
    begun: Instant,
    under_way: JoinSet<(WebhookEndpointId, Ended)>,
    /// Whose turn it is: the endpoints above this one come first.
    begin_after: WebhookEndpointId,
    /// The fault that was logged last, and when.
    logged: Option<(String, Instant)>,
}

impl DeliveryJob {
    fn take(&mut self, ended: Result<(WebhookEndpointId, Ended), JoinError>) {
        if let Ok((endpoint, ended)) = ended
            && let Some(met) = self.met.get_mut(&endpoint)
        {
            let now = self.begun.elapsed();
            met.pace.ended(ended, now);
            self.app.webhooks.note_pause(endpoint, met.pace.pause_left(now));
        }
    }

    fn take_ended(&mut self) {
        while let Some(ended) = self.under_way.try_join_next() {
            self.take(ended);
        }
        if self.under_way.is_empty() {
            self.met.retain(|_, met| !met.pace.is_forgettable());
        }
    }

    /// How many deliveries are under way to endpoints that are not quick.
    fn at_slow_ones(&self) -> usize {
        self.met.values().filter(|met| !met.pace.is_quick()).map(|met| met.pace.under_way()).sum()
    }

    fn of_merchant(&self, merchant: MerchantId) -> usize {
        let own = self.met.values().filter(|met| met.merchant_id == merchant);
        own.map(|met| met.pace.under_way()).sum()
    }

    /// Begins what is due, as far as there is room. Returns how many deliveries it has begun.
    async fn begin(&mut self) -> Result<usize, StoreError> {
        for endpoint in self.app.webhooks.take_woken() {
            if let Some(met) = self.met.get_mut(&endpoint) {
                met.pace.forget_failures();
            }
            self.app.webhooks.note_pause(endpoint, None);
        }
        let now = clock::now();
        let mut due = self.app.queries.for_system().due_endpoints(now).await?;
        let turn = due.partition_point(|endpoint| endpoint.id <= self.begin_after);
        due.rotate_left(turn);
        let mut due = due.into_iter();
        let mut begun = 0;
        loop {
            let chosen = self.choose(&mut due);
            if chosen.is_empty() {
                return Ok(begun);
            }
            let claims = chosen.iter().map(|(endpoint, places)| {
                let claim = Claim::make(&self.app, *endpoint, now, *places);
                async move { (endpoint.id.0, claim.await) }
            });
            for (endpoint, claimed) in join_all(claims).await {
                match claimed {
                    Ok(Some(claim)) => begun += self.start(claim),
                    Ok(None) => {}
                    // It holds up no other endpoint.
                    Err(error) => {
                        tracing::warn!(
                            error,
                            endpoint,
                            "deliveries of webhooks could not be claimed"
                        );
                    }
                }
            }
        }
    }

    /// The next endpoints that there is room for, each with how many deliveries may begin.
    fn choose(&mut self, due: &mut impl Iterator<Item = DueEndpoint>) -> Vec<(DueEndpoint, usize)> {
        let mut chosen = Vec::with_capacity(CLAIMS_AT_ONCE);
        while chosen.len() < CLAIMS_AT_ONCE {
            let taken = taken(&chosen, |_| true);
            let room = AT_ONCE.saturating_sub(self.under_way.len() + taken);
            if room == 0 {
                break;
            }
            let Some(endpoint) = due.next() else { break };
            // The next look begins behind it, whatever becomes of this one.
            self.begin_after = endpoint.id;
            let places = if endpoint.is_enabled {
                self.places(endpoint, room, &chosen)
            } else {
                GIVEN_UP_AT_ONCE
            };
            if places > 0 {
                chosen.push((endpoint, places));
            }
        }
        chosen
    }

    /// How many deliveries to an endpoint may begin beside those that are chosen already.
    fn places(
        &mut self,
        endpoint: DueEndpoint,
        room: usize,
        chosen: &[(DueEndpoint, usize)],
    ) -> usize {
        let merchant = endpoint.merchant_id;
        let met = self.met.entry(endpoint.id).or_insert_with(|| Met::new(merchant));
        let (places, is_quick) = (met.pace.places(self.begun.elapsed()), met.pace.is_quick());
        let is_slow =
            |other: &DueEndpoint| self.met.get(&other.id).is_some_and(|met| !met.pace.is_quick());
        let of_slow = if is_quick {
            room
        } else {
            AT_SLOW_ONES.saturating_sub(self.at_slow_ones() + taken(chosen, is_slow))
        };
        let own = |other: &DueEndpoint| other.merchant_id == merchant;
        let of_merchant =
            OF_ONE_MERCHANT.saturating_sub(self.of_merchant(merchant) + taken(chosen, own));
        places.min(room).min(of_slow).min(of_merchant)
    }

    /// Begins what was claimed, and returns how many deliveries those are: none where this server has
    /// a fault. They are claimed again when the lease runs out.
    fn start(&mut self, claim: Claim) -> usize {
        let Claim { target, deliveries, traces } = claim;
        if let Err(NotReady::Fault(fault)) = &target.ready {
            self.log_fault(fault);
            return 0;
        }
        let begun = deliveries.len();
        let merchant = target.endpoint.merchant_id;
        let met = self.met.entry(target.endpoint.id).or_insert_with(|| Met::new(merchant));
        met.pace.begun(deliveries.len());
        for (delivery, body) in deliveries {
            let attempt = Attempt {
                trace: traces.get(&delivery.event_id).copied(),
                app: self.app.clone(),
                sender: self.sender.clone(),
                target: Arc::clone(&target),
                delivery,
                body,
            };
            let endpoint = target.endpoint.id;
            self.under_way.spawn(async move {
                let begun = Instant::now();
                // A panic is a fault of ours, and must not keep the place for ever.
                let is_success = tokio::spawn(attempt.run()).await.unwrap_or(false);
                (endpoint, Ended { is_success, took: begun.elapsed() })
            });
        }
        begun
    }

    /// Logs why nothing can be sent, once in a while: it may be the same for each delivery.
    fn log_fault(&mut self, fault: &str) {
        let is_known =
            |(logged, at): &(String, Instant)| logged == fault && at.elapsed() < LOG_EVERY;
        if !self.logged.as_ref().is_some_and(is_known) {
            tracing::error!(fault, "webhooks cannot be sent");
            self.logged = Some((fault.to_owned(), Instant::now()));
        }
    }
}

/// How many places the chosen endpoints take that are meant. Giving up takes none.
fn taken(chosen: &[(DueEndpoint, usize)], is_meant: impl Fn(&DueEndpoint) -> bool) -> usize {
    let meant = chosen.iter().filter(|(endpoint, _)| endpoint.is_enabled && is_meant(endpoint));
    meant.map(|(_, places)| places).sum()
}

/// Deliveries to an endpoint that are this process's to make.
struct Claim {
    target: Arc<Target>,
    deliveries: Vec<(WebhookDelivery, Body)>,
    /// The traces that deliveries of events continue.
    traces: HashMap<EventId, TraceContext>,
}

/// What is sent, or the fault for which it is not known.
type Body = Result<Bytes, String>;

impl Claim {
    /// Claims at most so many deliveries that are due, if there are any.
    async fn make(
        app: &App,
        endpoint: DueEndpoint,
        now: ServerTime,
        places: usize,
    ) -> Result<Option<Self>, String> {
        let limit = u32::try_from(places).unwrap_or(u32::MAX);
        let found = app.queries.for_system().due_deliveries(endpoint.id, now, limit).await;
        let ids = found.map_err(|error| error.to_string())?;
        if ids.is_empty() {
            return Ok(None);
        }
        let claim = ClaimDeliveries { endpoint_id: endpoint.id, ids };
        let claimed = app.engine.submit_for(endpoint.merchant_id, Principal::System, claim).await;
        let ClaimedDeliveries { endpoint, mode, deliveries } =
            claimed.map_err(|failure| failure.to_string())?;
        if deliveries.is_empty() {
            return Ok(None);
        }
        let reach = webhook_endpoints::reach(app, mode);
        let target = Arc::new(Target::read(app, endpoint, reach).await);
        let bodies = bodies(app, &deliveries).await;
        let with_body = |delivery: WebhookDelivery| {
            let body = match &bodies {
                Ok(bodies) => bodies
                    .get(&delivery.event_id)
                    .cloned()
                    .ok_or_else(|| "the message is no longer kept".to_owned()),
                Err(fault) => Err(fault.clone()),
            };
            (delivery, body)
        };
        let traces = traces(app, &deliveries).await;
        let deliveries = deliveries.into_iter().map(with_body).collect();
        Ok(Some(Self { target, deliveries, traces }))
    }
}

/// The traces of the payments that are told of. A delivery is made without its trace rather than not.
async fn traces(app: &App, deliveries: &[WebhookDelivery]) -> HashMap<EventId, TraceContext> {
    if !app.engine.traces().are_on() {
        return HashMap::new();
    }
    let events: Vec<EventId> = deliveries.iter().map(|delivery| delivery.event_id).collect();
    let found = app.queries.for_system().traces_of_messages(&events).await;
    found.unwrap_or_default().into_iter().collect()
}

/// What is delivered. A resent event is delivered once more, so two deliveries may have the same.
async fn bodies(
    app: &App,
    deliveries: &[WebhookDelivery],
) -> Result<HashMap<EventId, Bytes>, String> {
    let events: Vec<EventId> = deliveries.iter().map(|delivery| delivery.event_id).collect();
    let found = app.queries.for_system().message_bodies(&events).await;
    let found = found.map_err(|error| error.to_string())?;
    Ok(found.into_iter().map(|(event, body)| (event, body.into())).collect())
}

/// Where is delivered to, and with what it is signed.
struct Target {
    endpoint: WebhookEndpoint,
    /// The URL as it may be called now, with the secrets that hold.
    ready: Result<(EndpointUrl, Vec<SigningSecret>), NotReady>,
}

/// Why nothing can be sent.
enum NotReady {
    /// The URL is none that may be called: the merchant's matter, on record like an attempt.
    Url(String),
    /// A fault of this server, such as a missing secrets key. It is no attempt, does not count against
    /// the endpoint, and is tried again when the lease runs out.
    Fault(String),
}

impl Target {
    async fn read(app: &App, endpoint: WebhookEndpoint, reach: Reach) -> Self {
        let ready = match EndpointUrl::parse(&endpoint.url, reach) {
            Ok(url) => {
                let secrets = secrets(app, &endpoint).await;
                secrets.map(|secrets| (url, secrets)).map_err(NotReady::Fault)
            }
            Err(refused) => Err(NotReady::Url(refused.to_string())),
        };
        Self { endpoint, ready }
    }
}

/// The secrets of an endpoint that hold now, the newest first.
async fn secrets(app: &App, endpoint: &WebhookEndpoint) -> Result<Vec<SigningSecret>, String> {
    let key = app.config.secrets_key.read(false).map_err(|error| format!("{error:#}"))?;
    let reads = app.queries.for_system();
    let found = reads.secrets_of(endpoint.id, clock::now()).await.map_err(|e| e.to_string())?;
    let open = |secret: &WebhookSecret| {
        let text = key.open_webhook(secret).map_err(|error| format!("{error:#}"))?;
        match secret.signing {
            Signing::Hmac => {
                HmacSecret::parse(&text).map(SigningSecret::Hmac).map_err(|e| e.to_string())
            }
            Signing::Ed25519 => {
                let seed: [u8; 32] = unhex(&text).ok_or("a key that is none")?;
                Ed25519Secret::from_seed(&seed)
                    .map(SigningSecret::Ed25519)
                    .map_err(|e| e.to_string())
            }
        }
    };
    found.iter().map(open).collect()
}

/// Whether the outcome of an attempt that could not be recorded is recorded again.
///
/// Not where the commit had no answer: it may be on record, and one attempt must not count as two,
/// which would leave out a delay of the schedule. If it is not, the delivery is tried again when its
/// lease runs out.
#[must_use]
pub fn is_recorded_again(failure: &Failure, tries: u32) -> bool {
    let may_be_recorded = *failure == Failure::Unknown && !domain::mutant!(RecordedTwice);
    tries < RECORD_TRIES && !may_be_recorded
}

/// One attempt to deliver.
struct Attempt {
    app: App,
    sender: Sender,
    target: Arc<Target>,
    delivery: WebhookDelivery,
    body: Body,
    /// The trace of the payment that is told of, if it is traced.
    trace: Option<TraceContext>,
}

impl Attempt {
    /// Delivers, and records what came of it. Returns whether the endpoint took it.
    async fn run(self) -> bool {
        let span = self.app.engine.traces().open(self.trace);
        let trace = span.map(|span| span.context);
        let is_success = request_id::continuing(trace, self.deliver(trace)).await;
        if let Some(span) = span {
            let traces = self.app.engine.traces();
            traces.close(span, Kind::Client, "webhook delivery", !is_success, vec![]);
        }
        is_success
    }

    async fn deliver(&self, trace: Option<TraceContext>) -> bool {
        let begun_at = clock::now();
        let (attempted, retry_after_us) = match self.attempt(begun_at, trace).await {
            Ok(attempted) => attempted,
            Err(fault) => {
                let (endpoint, delivery) = (self.target.endpoint.id.0, self.delivery.id.0);
                tracing::error!(fault, endpoint, delivery, "a webhook could not be sent");
                return false;
            }
        };
        let is_success = attempted.is_success();
        let metrics = &self.app.metrics.webhooks;
        let took = u64::try_from(attempted.duration_us).unwrap_or(0);
        metrics.attempted(is_success, Duration::from_micros(took));
        let drawn = clock::random_number() % (2 * JITTER_PERMILLE.unsigned_abs() + 1);
        let command = RecordDeliveryAttempt {
            delivery_id: self.delivery.id,
            attempted,
            retry_after_us,
            jitter: i64::try_from(drawn).unwrap_or(0) - JITTER_PERMILLE,
        };
        let merchant = self.delivery.merchant_id;
        for tries in 1.. {
            let recorded =
                self.app.engine.submit_for(merchant, Principal::System, command.clone()).await;
            match recorded {
                Ok(recorded) => {
                    if let Some(reason) = recorded.disabled {
                        metrics.disabled.inc();
                        let endpoint = self.target.endpoint.id.0;
                        tracing::warn!(endpoint, %merchant, %reason, "a webhook endpoint was disabled");
                    }
                    break;
                }
                Err(failure) => {
                    let delivery = self.delivery.id.0;
                    tracing::warn!(%failure, delivery, tries, "the outcome of a delivery could not be recorded");
                    if !is_recorded_again(&failure, tries) {
                        break;
                    }
                    tokio::time::sleep(EVERY).await;
                }
            }
        }
        is_success
    }

    /// Makes the attempt.
    ///
    /// # Errors
    /// Why it could not be made, which is no fault of the endpoint.
    async fn attempt(
        &self,
        begun_at: ServerTime,
        trace: Option<TraceContext>,
    ) -> Result<(Attempted, Option<i64>), String> {
        let (url, secrets) = match &self.target.ready {
            Ok(ready) => ready,
            Err(NotReady::Fault(fault)) => return Err(fault.clone()),
            Err(NotReady::Url(said)) => {
                let said = said.clone();
                return Ok((Attempted { begun_at, duration_us: 0, status: None, said }, None));
            }
        };
        let body = self.body.clone()?;
        let id = self.delivery.event_id.0.to_string();
        let mut headers = signature::headers(&id, begun_at.0 / 1_000_000, &body, secrets).to_vec();
        headers.extend(trace.map(|trace| ("traceparent", trace.to_string())));
        let within = self.app.config.webhook_timeout;
        let delivery = self.sender.deliver(url, &headers, body, within);
        #[cfg(feature = "crash-points")]
        let delivery = crate::crash::around_delivery(delivery);
        let attempt = delivery.await;
        let duration_us = i64::try_from(attempt.took.as_micros()).unwrap_or(i64::MAX);
        let (status, said, retry_after) = match attempt.result {
            Ok(answered) => (Some(i64::from(answered.status)), answered.text, answered.retry_after),
            Err(failed) => (None, failed.reason, None),
        };
        let retry_after_us =
            retry_after.map(|after| i64::try_from(after.as_micros()).unwrap_or(i64::MAX));
        Ok((Attempted { begun_at, duration_us, status, said }, retry_after_us))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_that_may_be_on_record_is_not_recorded_again() {
        assert!(!is_recorded_again(&Failure::Unknown, 1));
        assert!(is_recorded_again(&Failure::Overloaded, 1));
        assert!(is_recorded_again(&Failure::Unavailable("away".to_owned()), RECORD_TRIES - 1));
        assert!(!is_recorded_again(&Failure::Overloaded, RECORD_TRIES));
    }
}
