//! The jobs of each process that tell merchants what happened: they make the deliveries of
//! messages, claim what is due, try it at a simulated receiver, and record what came of it. They do
//! what the product's jobs do (`crates/server/src/jobs/webhooks.rs`), in simulated time.

use std::time::Duration;

use domain::decision::command::{Command, Output};
use domain::decision::event::Event;
use domain::kernel::ids::{MerchantId, WebhookEndpointId};
use domain::kernel::time::ServerTime;
use domain::webhooks::attempt::Attempted;
use domain::webhooks::claim_deliveries::{ClaimDeliveries, ClaimedDeliveries};
use domain::webhooks::delivery::{DeliveryStatus, LEASE_US, WebhookDelivery};
use domain::webhooks::endpoint::DisabledReason;
use domain::webhooks::fan_out_messages::FanOutMessages;
use domain::webhooks::record_attempt::RecordDeliveryAttempt;
use domain::webhooks::schedule::JITTER_PERMILLE;
use domain::webhooks::subject::Subject;
use kola::engine::Outcome;
use kola::jobs::webhook_pace::{Ended, Pace};
use kola::jobs::webhooks::is_recorded_again;

use crate::db::Map;
use crate::plan::Event as Planned;
use crate::queued_command::{Origin, QueuedCommand};
use crate::receivers::Receivers;
use crate::rng::{Rng, hash};
use crate::scheduled::Scheduled;
use crate::sim::{Sim, stream};

/// How many messages are looked for at once, and how many deliveries one command makes.
const MESSAGES_AT_ONCE: usize = 512;
const DELIVERIES_A_COMMAND: usize = 48;
/// How many deliveries to a disabled endpoint are given up at once.
const GIVEN_UP_AT_ONCE: usize = 200;
/// After how long an outcome that could not be recorded is recorded again.
const RECORD_PAUSE: i64 = 200_000;

/// The message about an event, in the words that the oracle reads again.
pub fn write_message(event: &Event, subject: &Subject, before: Option<&'static str>) -> String {
    let (status, before) = (subject.status().unwrap_or("-"), before.unwrap_or("-"));
    let Event { id, kind, entity, entity_id, sequence, .. } = event;
    format!("{id} {kind} {entity} {entity_id} {sequence} {status} {before}")
}

/// Who uses webhooks in a run. Drawn apart from all else, so that the rest of a seed stays.
#[derive(Clone, Default)]
pub struct WebhookUse {
    /// Whether each of the first merchants has endpoints.
    pub merchants: Vec<bool>,
    /// A merchant makes no more endpoints than about so many.
    pub endpoints_max: usize,
    /// How often a day and more passes in a step, in ten thousandths.
    pub days: usize,
}

impl WebhookUse {
    pub fn draw(rng: &mut Rng) -> Self {
        // Most merchants have none: then nothing of all this happens.
        let merchants = match rng.below(10) {
            0..=2 => vec![],
            3..=5 => vec![true],
            6 | 7 => vec![false, true],
            _ => vec![true, true],
        };
        let endpoints_max = if rng.chance(40) { 18 } else { 1 + rng.below(3) };
        let days = if merchants.is_empty() || rng.chance(500) { 0 } else { 20 };
        Self { merchants, endpoints_max, days }
    }
}

/// What the jobs of all processes have in their memory, and the receivers.
pub struct DeliveryJobs {
    /// How endpoints have answered each process lately.
    paces: Vec<Map<WebhookEndpointId, Pace>>,
    pub receivers: Receivers,
    /// How often each message has arrived at each endpoint.
    arrivals: Map<(i64, i64), u64>,
    pub violation: Option<String>,
}

impl DeliveryJobs {
    pub fn new(seed: u64, processes: usize) -> Self {
        Self {
            paces: vec![Map::default(); processes],
            receivers: Receivers::new(seed),
            arrivals: Map::default(),
            violation: None,
        }
    }

    /// A process has died.
    pub fn forget(&mut self, process: usize) {
        self.paces[process].clear();
    }

    fn pace(&mut self, process: usize, endpoint: WebhookEndpointId) -> &mut Pace {
        self.paces[process].entry(endpoint).or_default()
    }

    /// Somebody asks a process for deliveries to an endpoint now: it is not left alone any longer.
    fn wake(&mut self, process: usize, endpoint: WebhookEndpointId) {
        if let Some(pace) = self.paces[process].get_mut(&endpoint) {
            pace.forget_failures();
        }
    }
}

fn micros(time: i64) -> Duration {
    Duration::from_micros(time.unsigned_abs())
}

/// A message that a process is about to post.
pub struct Sending {
    url: String,
    delivery: WebhookDelivery,
}

/// What came of posting it, on its way to the process.
pub struct Answered {
    endpoint: WebhookEndpointId,
    command: RecordDeliveryAttempt,
}

impl Sim {
    /// Draws what the jobs of webhooks do, and what merchants ask for about their endpoints.
    pub fn draw_webhooks(&self, events: &mut Vec<Planned>) {
        let users: Vec<i64> = self
            .merchants
            .iter()
            .zip(&self.webhook_use.merchants)
            .filter(|(_, uses)| **uses)
            .map(|(id, _)| *id)
            .collect();
        if users.is_empty() {
            return;
        }
        for process in 0..self.processes.count() {
            let place = u64::try_from(process).unwrap_or(0);
            let mut rng = self.rng_of_webhooks(&[place, 0]);
            if rng.chance(300) {
                events.push(Planned::FanOut(process));
            }
            if rng.chance(400) {
                events.push(Planned::Deliver(process));
            }
            if !rng.chance(60) {
                continue;
            }
            let Some(merchant) = rng.pick(&users) else { continue };
            let most = self.webhook_use.endpoints_max;
            if let Some(item) = self.clients(&mut rng).webhooks(merchant, most) {
                let tag = hash(&[stream::WEBHOOKS, self.step, place]);
                let mut items = vec![(process, QueuedCommand { tag, ..item.clone() })];
                if rng.chance(50) {
                    let tag = hash(&[tag]);
                    items.push((rng.below(self.processes.count()), QueuedCommand { tag, ..item }));
                }
                events.push(Planned::Requests(items));
            }
        }
    }

    /// A process's job makes the deliveries of messages.
    pub fn fan_out(&self, process: usize) -> Vec<QueuedCommand> {
        let db = self.environment.db.borrow();
        let place = u64::try_from(process).unwrap_or(0);
        let mut rng = self.rng_of_webhooks(&[place, 2]);
        let mut items = vec![];
        for (merchant, messages) in db.messages_to_fan_out(MESSAGES_AT_ONCE) {
            // Read after the messages: no endpoint is missing that a message was written for.
            let mut endpoints = db.endpoints_of(merchant);
            if rng.chance(200) {
                // A caller who names endpoints of others, which must not be told.
                let others = self.merchants.iter().filter(|other| **other != merchant.0);
                let others = others.map(|id| db.endpoints_of(MerchantId(*id)));
                endpoints.extend(others.flatten().take(2));
            }
            let at_once = (DELIVERIES_A_COMMAND / endpoints.len().max(1)).max(1);
            for messages in messages.chunks(at_once) {
                let command =
                    FanOutMessages { messages: messages.to_vec(), endpoints: endpoints.clone() };
                items.push(QueuedCommand::untagged(command, Origin::FanOut));
            }
        }
        items
    }

    /// A process's job claims the deliveries that are due, as far as it has room for them.
    pub fn claim_deliveries(&mut self, process: usize) -> Vec<QueuedCommand> {
        let now = self.processes.now(process).0;
        let db = self.environment.db.borrow();
        let mut items = vec![];
        for endpoint in db.due_endpoints(now) {
            let places = if endpoint.is_enabled {
                self.delivery_jobs.pace(process, endpoint.id).places(micros(now))
            } else {
                GIVEN_UP_AT_ONCE
            };
            let ids = db.due_deliveries(endpoint.id, now, places);
            if !ids.is_empty() {
                let command = ClaimDeliveries { endpoint_id: endpoint.id, ids };
                items.push(QueuedCommand::untagged(command, Origin::DeliveryClaim));
            }
        }
        items
    }

    /// A process has claimed deliveries, and is about to post them.
    pub fn deliveries_claimed(&mut self, process: usize, outcome: Outcome) {
        let Ok(Output::ClaimDeliveries(ClaimedDeliveries { endpoint, deliveries, .. })) = outcome
        else {
            return;
        };
        let incarnation = self.incarnations[process];
        self.delivery_jobs.pace(process, endpoint.id).begun(deliveries.len());
        for delivery in deliveries {
            let rate = self.fault_rates.sleep;
            let rng = self.delivery_jobs.receivers.rng(&endpoint.url);
            let sleeps = rng.chance(rate);
            let wait = if sleeps { rng.between(0, LEASE_US * 2) } else { rng.between(0, 20_000) };
            self.statistics.fault("process sleeps before it posts a message", u64::from(sleeps));
            let sending = Sending { url: endpoint.url.clone(), delivery };
            self.schedule(wait, Scheduled::PostMessage(process, incarnation, Box::new(sending)));
        }
    }

    /// A process posts a message, unless it has died.
    pub fn post_message(&mut self, process: usize, incarnation: u64, sending: Sending) {
        if self.incarnations[process] != incarnation {
            self.statistics.fault("process dies between claim and attempt", 1);
            return;
        }
        let Sending { url, delivery } = sending;
        let begun_at = self.processes.now(process);
        let body =
            self.environment.db.borrow().rows.webhook_messages.get(delivery.event_id).cloned();
        let Some(body) = body else {
            self.delivery_jobs.violation = Some(format!("no message for {delivery:?}"));
            return;
        };
        self.model.webhooks.tried(delivery.id);
        let answer = self.delivery_jobs.receivers.post(&url, self.now);
        if answer.arrives {
            if let Err(what) = self.model.webhooks.arrives(&delivery, &body.body) {
                self.delivery_jobs.violation = Some(what);
            }
            let place = (delivery.endpoint_id.0, delivery.event_id.0);
            let arrivals = self.delivery_jobs.arrivals.entry(place).or_default();
            *arrivals += 1;
            self.statistics.fault("message arrives again", u64::from(*arrivals > 1));
        }
        self.statistics.fault(answer.what, 1);
        let rate = self.fault_rates.late_answer / 2;
        let rng = self.delivery_jobs.receivers.rng(&url);
        let is_late = rng.chance(rate);
        let asleep = if is_late { rng.between(LEASE_US, LEASE_US * 2) } else { 0 };
        let jitter = rng.between(-JITTER_PERMILLE, JITTER_PERMILLE);
        self.statistics.fault("answer of an endpoint after its claim", u64::from(is_late));
        let attempted = Attempted {
            begun_at,
            duration_us: answer.took,
            status: answer.status,
            said: String::new(),
        };
        let command = RecordDeliveryAttempt {
            delivery_id: delivery.id,
            attempted,
            retry_after_us: answer.retry_after,
            jitter,
        };
        let answered = Answered { endpoint: delivery.endpoint_id, command };
        let after = answer.took + asleep;
        self.schedule(after, Scheduled::MessageAnswered(process, incarnation, Box::new(answered)));
    }

    /// A process records what came of an attempt, unless it has died.
    pub fn message_answered(
        &mut self,
        process: usize,
        incarnation: u64,
        answered: Answered,
    ) -> Option<QueuedCommand> {
        if self.incarnations[process] != incarnation {
            self.statistics.fault("process dies before an attempt is recorded", 1);
            return None;
        }
        let Answered { endpoint, command } = answered;
        let now = self.processes.now(process).0;
        let attempted = &command.attempted;
        let ended =
            Ended { is_success: attempted.is_success(), took: micros(attempted.duration_us) };
        self.delivery_jobs.pace(process, endpoint).ended(ended, micros(now));
        Some(QueuedCommand::untagged(command, Origin::DeliveryAttempt(1)))
    }

    /// An attempt that could not be recorded is recorded a moment later. In the end its claim runs
    /// out.
    pub fn attempt_recorded(
        &mut self,
        process: usize,
        item: QueuedCommand,
        tries: u32,
        outcome: &Outcome,
    ) {
        let what = match outcome {
            Ok(Output::RecordDeliveryAttempt(recorded)) => match recorded.disabled {
                Some(DisabledReason::Gone) => "endpoint disabled, gone",
                Some(_) => "endpoint disabled after days of failure",
                None if recorded.delivery.status == DeliveryStatus::Dead => "delivery given up",
                None => return,
            },
            Err(failure) if is_recorded_again(failure, tries) => {
                let incarnation = self.incarnations[process];
                let item = QueuedCommand { origin: Origin::DeliveryAttempt(tries + 1), ..item };
                let again = Scheduled::RecordAgain(process, incarnation, Box::new(item));
                self.schedule(RECORD_PAUSE, again);
                "attempt recorded a moment later"
            }
            _ => "attempt never recorded",
        };
        self.statistics.fault(what, 1);
    }

    /// What a merchant asks for at a process ends the pause of an endpoint there.
    pub fn wake_endpoint(&mut self, process: usize, command: &Command, outcome: &Outcome) {
        let endpoint = match (command, outcome) {
            (_, Ok(Output::UpdateWebhookEndpoint(row))) => row.id,
            (Command::TestWebhookEndpoint(request), Ok(_)) => request.endpoint_id,
            (_, Ok(Output::ResendDeliveries(rows))) => {
                let is_again = |row: &&WebhookDelivery| {
                    row.status == DeliveryStatus::Pending && row.attempts > 0
                };
                let count = rows.iter().filter(is_again).count();
                let count = u64::try_from(count).unwrap_or(0);
                self.statistics.fault("delivery sent once more by hand", count);
                match rows.first() {
                    Some(row) => row.endpoint_id,
                    None => return,
                }
            }
            _ => return,
        };
        self.delivery_jobs.wake(process, endpoint);
    }

    /// Fills in what a handler reads before it asks for other secrets.
    pub fn read_before(&self, item: &mut QueuedCommand) {
        let Command::RotateWebhookSecret(request) = &mut item.command else { return };
        let db = self.environment.db.borrow();
        let secrets = db.rows.webhook_secrets.by_id.values();
        let own = secrets.filter(|row| row.endpoint_id == request.endpoint_id);
        request.known = own.map(|row| row.id).collect();
        request.known.sort_unstable();
        let endpoint = db.rows.webhook_endpoints.get(request.endpoint_id);
        request.as_of = endpoint.map_or(ServerTime(0), |row| row.updated_at);
    }
}
