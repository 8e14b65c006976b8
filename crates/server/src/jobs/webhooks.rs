//! Tells merchants what happened: makes the deliveries of messages, and delivers.
//!
//! What is to be done stands in committed rows. A nudge only makes the jobs look sooner.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use domain::directory::principal::Principal;
use domain::kernel::ids::{MerchantId, WebhookDeliveryId, WebhookEndpointId};
use domain::kernel::time::ServerTime;
use domain::webhooks::attempt::Attempted;
use domain::webhooks::claim_deliveries::{ClaimDeliveries, ClaimedDeliveries};
use domain::webhooks::delivery::WebhookDelivery;
use domain::webhooks::endpoint::{Signing, WebhookEndpoint};
use domain::webhooks::fan_out_messages::FanOutMessages;
use domain::webhooks::record_attempt::RecordDeliveryAttempt;
use domain::webhooks::schedule::JITTER_PERMILLE;
use networks::webhooks::address::Reach;
use networks::webhooks::sender::Sender;
use networks::webhooks::signature::{self, Ed25519Secret, HmacSecret, SigningSecret};
use networks::webhooks::url::EndpointUrl;
use store::clock;
use store::hex::unhex;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::api::webhook_endpoints;
use crate::app::App;
use crate::engine::Failure;

/// How often the jobs look without a nudge: other processes write messages, too.
const EVERY: Duration = Duration::from_millis(200);
/// After a nudge they look this often, because the commit may take a moment.
const SOON: Duration = Duration::from_millis(5);
/// For how long they look that often.
const SOON_FOR: Duration = Duration::from_millis(100);
/// How many messages are looked for at once.
const MESSAGES_AT_ONCE: u32 = 512;
/// How many deliveries one command makes: its ids are bounded.
const DELIVERIES_A_COMMAND: usize = 48;
/// How many deliveries are under way to one endpoint that takes them, and in all.
const AT_ONE_ENDPOINT: usize = 8;
const AT_ONCE: usize = 256;
/// After so many failures in a row an endpoint is left alone for a while.
const FAILURES_MAX: u32 = 20;
const PAUSE_MIN: Duration = Duration::from_secs(60);
const PAUSE_MAX: Duration = Duration::from_secs(15 * 60);
/// How often an outcome that could not be recorded is tried again. Later the lease runs out, and
/// the delivery is tried again: at least once is promised, and not once only.
const RECORD_TRIES: u32 = 3;

/// What handlers and jobs know of webhooks.
#[derive(Default)]
pub struct Webhooks {
    nudged: Notify,
    fanned_out: Notify,
    /// Whether sandbox merchants may be told at private addresses, as far as the settings say.
    private_allowed: bool,
    /// Whether the operator has said so.
    private_given: bool,
    /// Whether a request came through a proxy.
    was_forwarded: AtomicBool,
}

impl Webhooks {
    /// `given` is what the operator has said; `is_local` whether nobody but this machine reaches the
    /// server, as far as its addresses tell.
    #[must_use]
    pub fn new(given: bool, is_local: bool) -> Self {
        Self { private_allowed: given || is_local, private_given: given, ..Self::default() }
    }

    /// A message is being written: the jobs look soon.
    pub fn nudge(&self) {
        self.nudged.notify_one();
        self.fanned_out.notify_one();
    }

    /// A request came through a proxy: so the server is reached from elsewhere, and a private address
    /// may be one of the operator's own services.
    pub fn note_forwarded(&self) {
        if !self.was_forwarded.load(Ordering::Relaxed) {
            self.was_forwarded.store(true, Ordering::Relaxed);
        }
    }

    /// Whether sandbox merchants may be told at private addresses.
    #[must_use]
    pub fn may_be_private(&self) -> bool {
        self.private_given || (self.private_allowed && !self.was_forwarded.load(Ordering::Relaxed))
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
        match fan_out_once(&app).await {
            Ok(0) => wait(&app.webhooks.nudged, &mut last_nudge).await,
            Ok(_) => app.webhooks.fanned_out.notify_one(),
            Err(error) => {
                tracing::warn!(error, "deliveries of webhooks could not be made");
                tokio::time::sleep(EVERY).await;
            }
        }
    }
}

/// Returns how many messages were found.
async fn fan_out_once(app: &App) -> Result<usize, String> {
    let reads = app.queries.for_system();
    let found = reads.messages_to_fan_out(MESSAGES_AT_ONCE).await.map_err(|e| e.to_string())?;
    let mut of_merchants: HashMap<MerchantId, Vec<_>> = HashMap::new();
    for message in &found {
        of_merchants.entry(message.merchant_id).or_default().push(message.event_id);
    }
    let mut commands = JoinSet::new();
    for (merchant, messages) in of_merchants {
        // Read after the messages: no endpoint is missing that a message was written for.
        let endpoints = reads.endpoints_of(merchant).await.map_err(|error| error.to_string())?;
        let at_once = DELIVERIES_A_COMMAND / endpoints.len().max(1);
        for messages in messages.chunks(at_once.max(1)) {
            let command =
                FanOutMessages { messages: messages.to_vec(), endpoints: endpoints.clone() };
            let engine = app.engine.clone();
            commands.spawn(
                async move { engine.submit_for(merchant, Principal::System, command).await },
            );
        }
    }
    let mut failed = None;
    while let Some(ended) = commands.join_next().await {
        match ended {
            Ok(Ok(())) => {}
            Ok(Err(failure)) => failed = Some(failure.to_string()),
            Err(error) => failed = Some(error.to_string()),
        }
    }
    failed.map_or(Ok(found.len()), Err)
}

/// An endpoint as this process has met it lately.
#[derive(Default)]
struct Met {
    under_way: usize,
    /// Whether the last attempt that ended was taken. Until then only one is under way, so that many
    /// endpoints that hang leave room for the others.
    is_proven: bool,
    failures: u32,
    paused_until: Option<Instant>,
    pause: Duration,
}

impl Met {
    /// How many deliveries more may be under way.
    fn places(&self) -> usize {
        let most = if self.is_proven { AT_ONE_ENDPOINT } else { 1 };
        let is_paused = self.paused_until.is_some_and(|until| Instant::now() < until);
        if is_paused { 0 } else { most.saturating_sub(self.under_way) }
    }

    fn ended(&mut self, is_success: bool) {
        self.under_way = self.under_way.saturating_sub(1);
        self.is_proven = is_success;
        if is_success {
            (self.failures, self.paused_until, self.pause) = (0, None, Duration::ZERO);
            return;
        }
        self.failures = self.failures.saturating_add(1);
        if self.failures >= FAILURES_MAX {
            self.pause = (self.pause * 2).clamp(PAUSE_MIN, PAUSE_MAX);
            self.paused_until = Some(Instant::now() + self.pause);
        }
    }

    /// Whether it is like an endpoint that was never met.
    fn is_forgettable(&self) -> bool {
        self.under_way == 0 && self.failures == 0 && !self.is_proven
    }
}

/// Delivers, for ever.
pub async fn deliver(app: App) {
    let sender = match Sender::new() {
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
        under_way: JoinSet::new(),
        begin_after: WebhookEndpointId(0),
    };
    let mut last_nudge = None;
    loop {
        let begun = match job.begin().await {
            Ok(begun) => begun,
            Err(error) => {
                tracing::warn!(error, "due deliveries of webhooks could not be claimed");
                tokio::time::sleep(EVERY).await;
                0
            }
        };
        job.take_ended();
        if begun == 0 {
            let app = job.app.clone();
            tokio::select! {
                ended = job.under_way.join_next(), if !job.under_way.is_empty() => {
                    if let Some(Ok((endpoint, is_success))) = ended {
                        job.met.entry(endpoint).or_default().ended(is_success);
                    }
                }
                () = wait(&app.webhooks.fanned_out, &mut last_nudge) => {}
            }
        }
    }
}

struct DeliveryJob {
    app: App,
    sender: Sender,
    met: HashMap<WebhookEndpointId, Met>,
    under_way: JoinSet<(WebhookEndpointId, bool)>,
    /// Whose turn it is: the endpoints above this one come first.
    begin_after: WebhookEndpointId,
}

impl DeliveryJob {
    fn take_ended(&mut self) {
        while let Some(ended) = self.under_way.try_join_next() {
            if let Ok((endpoint, is_success)) = ended {
                self.met.entry(endpoint).or_default().ended(is_success);
            }
        }
        self.met.retain(|_, met| !met.is_forgettable());
    }

    /// Begins what is due, as far as there is room. Returns how many deliveries it has begun.
    async fn begin(&mut self) -> Result<usize, String> {
        let mut room = AT_ONCE.saturating_sub(self.under_way.len());
        if room == 0 {
            return Ok(0);
        }
        let reads = self.app.queries.for_system();
        let now = clock::now();
        let mut due = reads.due_endpoints(now).await.map_err(|error| error.to_string())?;
        let turn = due.partition_point(|id| *id <= self.begin_after);
        due.rotate_left(turn);
        let mut begun = 0;
        for endpoint in due {
            let places = self.met.entry(endpoint).or_default().places().min(room);
            if places == 0 {
                continue;
            }
            let ids = self.due_of(endpoint, now, places).await?;
            let claimed = self.claim(endpoint, ids).await?;
            let Some(claimed) = claimed.filter(|claimed| !claimed.deliveries.is_empty()) else {
                continue;
            };
            self.begin_after = endpoint;
            let count = claimed.deliveries.len();
            self.start(claimed).await?;
            begun += count;
            room = room.saturating_sub(count);
            if room == 0 {
                break;
            }
        }
        Ok(begun)
    }

    async fn due_of(
        &self,
        endpoint: WebhookEndpointId,
        now: ServerTime,
        places: usize,
    ) -> Result<Vec<WebhookDeliveryId>, String> {
        let limit = u32::try_from(places).unwrap_or(u32::MAX);
        let reads = self.app.queries.for_system();
        reads.due_deliveries(endpoint, now, limit).await.map_err(|error| error.to_string())
    }

    async fn claim(
        &self,
        endpoint: WebhookEndpointId,
        ids: Vec<WebhookDeliveryId>,
    ) -> Result<Option<ClaimedDeliveries>, String> {
        if ids.is_empty() {
            return Ok(None);
        }
        let claim = ClaimDeliveries { endpoint_id: endpoint, ids };
        // Any lane may claim: no merchant's row is changed.
        let lane = MerchantId(endpoint.0);
        let claimed = self.app.engine.submit_for(lane, Principal::System, claim).await;
        claimed.map(Some).map_err(|failure: Failure| failure.to_string())
    }

    async fn start(&mut self, claimed: ClaimedDeliveries) -> Result<(), String> {
        let ClaimedDeliveries { endpoint, mode, deliveries } = claimed;
        let reach = webhook_endpoints::reach(&self.app, mode);
        let target = Arc::new(Target::read(&self.app, endpoint, reach).await);
        let met = self.met.entry(target.endpoint.id).or_default();
        met.under_way += deliveries.len();
        for delivery in deliveries {
            let attempt = Attempt {
                app: self.app.clone(),
                sender: self.sender.clone(),
                target: Arc::clone(&target),
                delivery,
            };
            let endpoint = target.endpoint.id;
            self.under_way.spawn(async move { (endpoint, attempt.run().await) });
        }
        Ok(())
    }
}

/// Where is delivered to, and with what it is signed.
struct Target {
    endpoint: WebhookEndpoint,
    /// The URL as it may be called now, with the secrets that hold; or why nothing can be sent.
    ready: Result<(EndpointUrl, Vec<SigningSecret>), String>,
}

impl Target {
    async fn read(app: &App, endpoint: WebhookEndpoint, reach: Reach) -> Self {
        let ready = match EndpointUrl::parse(&endpoint.url, reach) {
            Ok(url) => secrets(app, &endpoint).await.map(|secrets| (url, secrets)),
            Err(refused) => Err(refused.to_string()),
        };
        Self { endpoint, ready }
    }
}

/// The secrets of an endpoint that hold now, the newest first.
async fn secrets(app: &App, endpoint: &WebhookEndpoint) -> Result<Vec<SigningSecret>, String> {
    let key = app.config.secrets_key.read(false).map_err(|error| format!("{error:#}"))?;
    let reads = app.queries.for_system();
    let found = reads.secrets_of(endpoint.id, clock::now()).await.map_err(|e| e.to_string())?;
    let open = |secret: &domain::webhooks::secret::WebhookSecret| {
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

/// One attempt to deliver.
struct Attempt {
    app: App,
    sender: Sender,
    target: Arc<Target>,
    delivery: WebhookDelivery,
}

impl Attempt {
    /// Delivers, and records what came of it. Returns whether the endpoint took it.
    async fn run(self) -> bool {
        let begun_at = clock::now();
        let (attempted, retry_after_us) = self.attempt(begun_at).await;
        let is_success = attempted.is_success();
        let drawn = i64::try_from(clock::random_number() % 401).unwrap_or(0);
        let command = RecordDeliveryAttempt {
            delivery_id: self.delivery.id,
            attempted,
            retry_after_us,
            jitter: drawn - JITTER_PERMILLE,
        };
        let merchant = self.delivery.merchant_id;
        for attempt in 1..=RECORD_TRIES {
            let recorded =
                self.app.engine.submit_for(merchant, Principal::System, command.clone()).await;
            match recorded {
                Ok(recorded) => {
                    if let Some(reason) = recorded.disabled {
                        let endpoint = self.target.endpoint.id.0;
                        tracing::warn!(endpoint, %merchant, %reason, "a webhook endpoint was disabled");
                    }
                    break;
                }
                Err(failure) => {
                    let delivery = self.delivery.id.0;
                    tracing::warn!(%failure, delivery, attempt, "the outcome of a delivery could not be recorded");
                    tokio::time::sleep(EVERY).await;
                }
            }
        }
        is_success
    }

    async fn attempt(&self, begun_at: ServerTime) -> (Attempted, Option<i64>) {
        let not_sent =
            |said: String| (Attempted { begun_at, duration_us: 0, status: None, said }, None);
        let (url, secrets) = match &self.target.ready {
            Ok(ready) => ready,
            Err(reason) => return not_sent(reason.clone()),
        };
        let reads = self.app.queries.for_system();
        let body = match reads.message_body(self.delivery.event_id).await {
            Ok(Some(body)) => body,
            Ok(None) => return not_sent("the message is no longer kept".to_owned()),
            Err(error) => return not_sent(error.to_string()),
        };
        let id = self.delivery.event_id.0.to_string();
        let headers = signature::headers(&id, begun_at.0 / 1_000_000, body.as_bytes(), secrets);
        let within = self.app.config.webhook_timeout;
        let attempt = self.sender.deliver(url, &headers, body.into(), within).await;
        let duration_us = i64::try_from(attempt.took.as_micros()).unwrap_or(i64::MAX);
        let (status, said, retry_after) = match attempt.result {
            Ok(answered) => (Some(i64::from(answered.status)), answered.text, answered.retry_after),
            Err(failed) => (None, failed.reason, None),
        };
        let retry_after_us =
            retry_after.map(|after| i64::try_from(after.as_micros()).unwrap_or(i64::MAX));
        (Attempted { begun_at, duration_us, status, said }, retry_after_us)
    }
}
