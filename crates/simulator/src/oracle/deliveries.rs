//! Deliveries of webhooks: who must be told of what, in which words, and when it is tried again.

use std::collections::BTreeMap;

use domain::decision::command::Output;
use domain::decision::event::{Event, EventEntity, EventType};
use domain::kernel::ids::{MerchantId, WebhookDeliveryId};
use domain::kernel::refusal::Subject;
use domain::kernel::time::{minutes, seconds};
use domain::webhooks::attempt::WebhookAttempt;
use domain::webhooks::claim_deliveries::ClaimDeliveries;
use domain::webhooks::delivery::{DeliveryStatus, WebhookDelivery};
use domain::webhooks::endpoint::DisabledReason;
use domain::webhooks::message::WebhookMessage;
use domain::webhooks::record_attempt::{RecordDeliveryAttempt, RecordedAttempt};
use domain::webhooks::resend::ResendDeliveries;

use super::model::{Mismatch, Model};
use super::webhooks::{Endpoint, FAILING_MAX, Wants, Webhooks};
use super::{Observed, first, output};

/// The delays after each failed attempt. After the last there is no other.
const DELAYS: [i64; 10] = [
    seconds(5),
    minutes(1),
    minutes(5),
    minutes(30),
    minutes(120),
    minutes(300),
    minutes(600),
    minutes(840),
    minutes(1_200),
    minutes(1_440),
];
/// A claim is kept for longer than an attempt may take, and not for ever.
const ATTEMPT_MAX: i64 = seconds(30);
const CLAIM_MAX: i64 = minutes(5);

/// An event that somebody may have to be told of.
#[derive(Debug)]
pub struct Told {
    pub merchant: i64,
    kind: EventType,
    /// The batch that committed it, and the clock of its process.
    batch: u64,
    created: i64,
    /// The endpoint that alone is told.
    only: Option<i64>,
    /// The bytes that every attempt must send; `None` where nobody has to be told.
    pub body: Option<String>,
    is_fanned_out: bool,
}

/// A delivery.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub merchant: i64,
    pub endpoint: i64,
    pub event: i64,
    pub status: DeliveryStatus,
    pub attempts: i64,
    /// How often a process has tried to deliver it.
    pub tried: i64,
    /// How many of them are on record.
    pub kept: i64,
    /// Failed attempts since the first, or since it was sent again by hand.
    pub failures: usize,
    /// When it is tried, or when somebody else may try it.
    pub due: Option<i64>,
    pub is_claimed: bool,
    /// Whether an endpoint has taken it.
    pub is_taken: bool,
    /// Whether another process may have given it up in the middle of a batch.
    may_be_given_up: bool,
}

impl Delivery {
    fn is_as(&self, row: &WebhookDelivery) -> bool {
        let own = (self.merchant, self.endpoint, self.event, self.status, self.attempts);
        let ids = (row.merchant_id.0, row.endpoint_id.0, row.event_id.0);
        let next = row.next_attempt_at.map(|at| at.0);
        own == (ids.0, ids.1, ids.2, row.status, row.attempts)
            && usize::try_from(row.failures) == Ok(self.failures)
            && (self.due, self.is_claimed) == (next, row.is_under_way)
    }

    const fn give_up(&mut self) {
        (self.status, self.due, self.is_claimed) = (DeliveryStatus::Dead, None, false);
    }
}

/// What a message says, as the simulator writes it.
pub struct Words<'a> {
    event: &'a str,
    kind: &'a str,
    entity: &'a str,
    entity_id: &'a str,
    sequence: &'a str,
    pub status: &'a str,
    before: &'a str,
}

impl<'a> Words<'a> {
    pub fn read(body: &'a str) -> Option<Self> {
        let words: Vec<&str> = body.split(' ').collect();
        let [event, kind, entity, entity_id, sequence, status, before] = words.as_slice() else {
            return None;
        };
        Some(Self { event, kind, entity, entity_id, sequence, status, before })
    }

    /// Whether they are about the event. Its status has changed, if one from before is told.
    fn is_about(&self, event: &Event) -> bool {
        let about =
            (self.entity, self.entity_id) == (event.entity.as_str(), &*event.entity_id.to_string());
        about
            && (self.event, self.sequence) == (&*event.id.to_string(), &*event.sequence.to_string())
            && self.kind == event.kind.as_str()
            && (self.before == "-" || self.before != self.status)
    }
}

impl Webhooks {
    /// Notes an event of a batch, and the message that was written in its commit.
    pub fn event(
        &mut self,
        event: &Event,
        message: Option<&WebhookMessage>,
    ) -> Result<(), Mismatch> {
        let merchant = event.merchant_id.0;
        let is_there = |id: &i64| {
            let endpoint = self.endpoints.get(id);
            let mut states = endpoint.into_iter().flat_map(|one| one.since(self.batch));
            states.any(|(_, wants)| !wants.is_deleted)
        };
        let is_told = self.of_merchant.get(&merchant).into_iter().flatten().any(is_there);
        if !is_told || event.entity == EventEntity::Tariff {
            return match message {
                Some(message) => Err(format!("a message that nobody wants: {message:?}")),
                None => Ok(()),
            };
        }
        let only = (event.kind == EventType::WebhookTest).then_some(event.entity_id);
        let told = Told {
            merchant,
            kind: event.kind,
            batch: self.batch,
            created: event.created_at.0,
            only,
            body: message.map(|message| message.body.clone()),
            is_fanned_out: false,
        };
        let must = self.must_be_told(&told, event.id.0).first().copied();
        match (message, must) {
            (None, Some(endpoint)) => {
                return Err(format!("no message for endpoint {endpoint}: {event:?}"));
            }
            (Some(message), _) => {
                let is_right = Words::read(&message.body)
                    .is_some_and(|words| words.is_about(event))
                    && message.merchant_id == event.merchant_id
                    && message.kind == event.kind
                    && message.only_endpoint_id.map(|id| id.0) == only;
                if !is_right {
                    return Err(format!("other words than of {event:?}: {message:?}"));
                }
            }
            (None, None) => {}
        }
        self.told.insert(event.id.0, told);
        Ok(())
    }

    /// The endpoints that must be told of an event: those that have wanted it all the time since
    /// the batch that committed it, and were there before it.
    fn must_be_told(&self, told: &Told, event: i64) -> Vec<i64> {
        let wants = |(_, wants): &(u64, Wants)| match told.only {
            Some(_) => wants.is_enabled(),
            None => wants.wants(told.kind),
        };
        let all = self.of_merchant.get(&told.merchant).into_iter().flatten();
        let must = all.copied().filter(|id| {
            let Some(endpoint) = self.endpoints.get(id) else { return false };
            // Ids rise within a batch, so they tell which of the two came first.
            let was_there = endpoint.was_there_before(told.batch)
                || endpoint.history.first().is_some_and(|(at, _)| *at == told.batch && *id < event);
            let is_addressed = told.only.is_none_or(|only| only == *id);
            was_there && is_addressed && endpoint.since(told.batch).iter().all(wants)
        });
        must.collect()
    }

    /// Whether an endpoint may be told of an event: it is the merchant's, and has wanted it at some
    /// time since. What `is_given_up` is told only if it is asked for, after it was disabled.
    fn may_be_told(&self, told: &Told, id: i64, is_given_up: bool) -> bool {
        let Some(endpoint) = self.endpoints.get(&id) else { return false };
        let since = endpoint.since(told.batch);
        let wants = |(_, wants): &(u64, Wants)| {
            let disabled = wants.disabled.filter(|_| !is_given_up);
            let wants = Wants { disabled, ..wants.clone() };
            told.only
                .map_or_else(|| wants.wants(told.kind), |only| only == id && wants.is_enabled())
        };
        let was_disabled = since.iter().any(|(_, wants)| wants.disabled.is_some());
        let is_own = endpoint.merchant == told.merchant;
        is_own && since.iter().any(wants) && (was_disabled || !is_given_up)
    }

    /// Whether an event was due at an endpoint that was disabled since. It is told if that is
    /// enabled again, and else it is given up and can be recovered: by the clocks of the processes
    /// it came first. `begun` is the first batch in the middle of this one.
    fn was_due(&self, told: &Told, id: i64, begun: u64) -> bool {
        let Some(endpoint) = self.endpoints.get(&id) else { return false };
        let wanted = |(at, wants): &(u64, Wants)| {
            let disabled = wants.disabled.filter(|_| *at <= told.batch);
            let wants = Wants { disabled, ..wants.clone() };
            told.only
                .map_or_else(|| wants.wants(told.kind), |only| only == id && wants.is_enabled())
        };
        endpoint.was_there_before(told.batch)
            && endpoint.changed_in < begun
            && (endpoint.is_enabled() || told.created < endpoint.updated)
            && endpoint.since(told.batch).iter().all(wanted)
    }

    /// Deliveries of a message were made, to these endpoints, some of them given up at once.
    /// `begun` is the first batch in the middle of the one that made them.
    pub fn fanned_out(
        &mut self,
        event: i64,
        made: &[(i64, bool)],
        begun: u64,
    ) -> Result<(), Mismatch> {
        let told = self.told.get(&event).ok_or_else(|| format!("no event {event} is known"))?;
        let is_made = |id: &i64| made.iter().any(|(made, _)| made == id);
        let must = self.must_be_told(told, event).into_iter();
        let all = self.of_merchant.get(&told.merchant).into_iter().flatten().copied();
        let was_due = all.filter(|id| self.was_due(told, *id, begun));
        if let Some(endpoint) = must.chain(was_due).find(|id| !is_made(id)) {
            return Err(format!("endpoint {endpoint} is not told of {event}: {told:?}"));
        }
        if let Some(endpoint) =
            made.iter().find(|(id, is_given_up)| !self.may_be_told(told, *id, *is_given_up))
        {
            let known = self.endpoints.get(&endpoint.0);
            return Err(format!("{endpoint:?} is told of {event}: {told:?}, {known:?}"));
        }
        self.told.entry(event).and_modify(|told| told.is_fanned_out = true);
        Ok(())
    }

    /// A delivery was made.
    pub fn delivery_made(&mut self, row: &WebhookDelivery) -> Result<(), Mismatch> {
        let is_given_up = row.status == DeliveryStatus::Dead;
        let made = Delivery {
            merchant: row.merchant_id.0,
            endpoint: row.endpoint_id.0,
            event: row.event_id.0,
            status: if is_given_up { DeliveryStatus::Dead } else { DeliveryStatus::Pending },
            attempts: 0,
            tried: 0,
            kept: 0,
            failures: 0,
            due: (!is_given_up).then_some(row.created_at.0),
            is_claimed: false,
            is_taken: false,
            may_be_given_up: false,
        };
        if !made.is_as(row) {
            return Err(format!("{made:?} was expected: {row:?}"));
        }
        self.deliveries_of.entry(made.merchant).or_default().push(row.id.0);
        self.deliveries.insert(row.id.0, made);
        Ok(())
    }

    /// Whether the row is what the delivery should be.
    pub fn is_delivery(&mut self, row: &WebhookDelivery) -> Result<(), Mismatch> {
        let Some(known) = self.deliveries.get_mut(&row.id.0) else {
            return Err(format!("a delivery that nobody made: {row:?}"));
        };
        if std::mem::take(&mut known.may_be_given_up) && row.status == DeliveryStatus::Dead {
            known.give_up();
        }
        if known.is_as(row) { Ok(()) } else { Err(format!("{known:?} was expected: {row:?}")) }
    }

    /// An attempt is on record.
    pub fn attempt_kept(&mut self, row: &WebhookAttempt) -> Result<(), Mismatch> {
        let Some(known) = self.deliveries.get_mut(&row.delivery_id.0) else {
            return Err(format!("an attempt of no delivery: {row:?}"));
        };
        known.kept += 1;
        if row.number == known.kept && known.kept <= known.attempts.min(known.tried) {
            return Ok(());
        }
        Err(format!("{} attempts are on record of {known:?}: {row:?}", known.kept))
    }

    /// A process tries to deliver.
    pub fn tried(&mut self, id: WebhookDeliveryId) {
        self.deliveries.entry(id.0).and_modify(|known| known.tried += 1);
    }

    /// A request with a message arrives where an endpoint said.
    pub fn arrives(&self, delivery: &WebhookDelivery, body: &str) -> Result<(), Mismatch> {
        let event = delivery.event_id.0;
        let told = self.told.get(&event).ok_or_else(|| format!("no event {event} is known"))?;
        if told.body.as_deref() != Some(body) {
            return Err(format!("{body:?} is told of {told:?}"));
        }
        let known = self.deliveries.get(&delivery.id.0);
        let is_known = known.is_some_and(|known| {
            (known.endpoint, known.event) == (delivery.endpoint_id.0, delivery.event_id.0)
        });
        if !is_known {
            return Err(format!("{delivery:?} is told of {told:?}"));
        }
        Ok(())
    }

    /// What was given up, by endpoint, where that is enabled.
    pub fn dead_deliveries(&self) -> Vec<(MerchantId, Vec<WebhookDeliveryId>)> {
        let mut dead: BTreeMap<(i64, i64), Vec<WebhookDeliveryId>> = BTreeMap::new();
        for (id, delivery) in &self.deliveries {
            let is_enabled =
                self.endpoints.get(&delivery.endpoint).is_some_and(Endpoint::is_enabled);
            if delivery.status == DeliveryStatus::Dead && is_enabled {
                let place = (delivery.merchant, delivery.endpoint);
                dead.entry(place).or_default().push(WebhookDeliveryId(*id));
            }
        }
        let sorted = |((merchant, _), mut ids): (_, Vec<WebhookDeliveryId>)| {
            ids.sort_unstable();
            (MerchantId(merchant), ids)
        };
        dead.into_iter().map(sorted).collect()
    }

    /// Everybody has been told, or cannot be.
    pub fn all_told(&self) -> Result<(), Mismatch> {
        for (event, told) in &self.told {
            if told.body.is_some() && !told.is_fanned_out {
                return Err(format!("nobody is told of {event}: {told:?}"));
            }
        }
        for (id, delivery) in &self.deliveries {
            let is_over = match delivery.status {
                DeliveryStatus::Delivered => delivery.is_taken,
                DeliveryStatus::Dead => true,
                DeliveryStatus::Pending | DeliveryStatus::Failed => false,
            };
            let endpoint = self.endpoints.get(&delivery.endpoint);
            if delivery.kept != delivery.attempts {
                return Err(format!("attempts that are not on record: {delivery:?}"));
            }
            if !is_over && endpoint.is_some_and(Endpoint::is_enabled) {
                return Err(format!("delivery {id} never ends: {delivery:?}"));
            }
        }
        Ok(())
    }
}

impl Model {
    pub(super) fn deliveries_claimed(
        &mut self,
        request: &ClaimDeliveries,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        if !observed.check_acceptance(vec![])? {
            return Ok(());
        }
        let claimed = output!(observed, Output::ClaimDeliveries(claimed) => claimed);
        let id = request.endpoint_id.0;
        let is_enabled = self.webhooks.endpoints.get(&id).is_some_and(|found| found.is_enabled());
        for own in &request.ids {
            let row = claimed.deliveries.iter().find(|row| row.id == *own);
            let Some(known) = self.webhooks.deliveries.get_mut(&own.0) else {
                return Err(format!("delivery {own} is not known"));
            };
            let is_due = known.endpoint == id && known.due.is_some_and(|at| at <= observed.now);
            let Some(row) = row else {
                match (is_due, is_enabled) {
                    _ if observed.overlapped => known.may_be_given_up = true,
                    (true, false) => known.give_up(),
                    (true, true) => return Err(format!("it was not claimed: {known:?}")),
                    (false, _) => {}
                }
                continue;
            };
            let until = row.next_attempt_at.map_or(0, |at| at.0) - observed.now;
            if !is_due || !is_enabled && !observed.lenient {
                return Err(format!("it was claimed: {known:?}"));
            }
            if !(ATTEMPT_MAX..=CLAIM_MAX).contains(&until) {
                return Err(format!("it was claimed for {until} microseconds: {row:?}"));
            }
            (known.due, known.is_claimed) = (row.next_attempt_at.map(|at| at.0), true);
            if !known.is_as(row) {
                return Err(format!("{known:?} was expected: {row:?}"));
            }
        }
        Ok(())
    }

    pub(super) fn delivery_attempted(
        &mut self,
        request: &RecordDeliveryAttempt,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        if !observed.check_acceptance(vec![])? {
            return Ok(());
        }
        let recorded = output!(observed, Output::RecordDeliveryAttempt(recorded) => recorded);
        let RecordedAttempt { delivery: row, disabled } = recorded;
        let Some(mut known) = self.webhooks.deliveries.get(&request.delivery_id.0).cloned() else {
            return Err(format!("delivery {} is not known", request.delivery_id));
        };
        let is_success = request.attempted.status.is_some_and(|status| status / 100 == 2);
        let was_enabled =
            self.webhooks.endpoints.get(&known.endpoint).is_some_and(|found| found.is_enabled());
        self.endpoint_answered(known.endpoint, request, is_success, disabled, observed)?;
        known.attempts += 1;
        known.failures += usize::from(!is_success);
        known.is_claimed = false;
        known.is_taken |= is_success;
        let next = row.next_attempt_at.map(|at| at.0);
        let delay = known.failures.checked_sub(1).and_then(|at| DELAYS.get(at)).copied();
        let goes_on = match delay {
            // It may have been enabled or disabled by another process in the middle.
            Some(_) if observed.lenient && disabled.is_none() => next.is_some(),
            Some(_) => was_enabled && disabled.is_none(),
            None => false,
        };
        (known.status, known.due) = if is_success || known.status == DeliveryStatus::Delivered {
            (DeliveryStatus::Delivered, None)
        } else if goes_on {
            (DeliveryStatus::Failed, next)
        } else {
            (DeliveryStatus::Dead, None)
        };
        if !known.is_as(&row) {
            return Err(format!("{known:?} was expected: {row:?}"));
        }
        if let (Some(delay), Some(next)) = (delay, known.due) {
            let asked = request.retry_after_us.map(|asked| asked.clamp(delay, delay * 4));
            let least = asked.unwrap_or(delay / 10 * 8);
            let most = asked.unwrap_or(0).max(delay / 10 * 12);
            let waits = next - observed.now;
            if !(least..=most).contains(&waits) {
                return Err(format!("tried again after {waits}, {least} to {most}: {row:?}"));
            }
        }
        self.webhooks.deliveries.insert(row.id.0, known);
        Ok(())
    }

    /// An endpoint answered, or gave no answer. It is disabled only by the rule: when it says that
    /// it is gone, or when nothing but failures were known for five days.
    fn endpoint_answered(
        &mut self,
        id: i64,
        request: &RecordDeliveryAttempt,
        is_success: bool,
        disabled: Option<DisabledReason>,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        let Some(endpoint) = self.webhooks.endpoints.get_mut(&id) else {
            return Err(format!("endpoint {id} is not known"));
        };
        let was_enabled = endpoint.is_enabled();
        endpoint.is_failing_certain &= !observed.overlapped;
        let since = endpoint.failing_since.unwrap_or(request.attempted.begun_at.0);
        if was_enabled {
            endpoint.failing_since = (!is_success).then_some(since);
        }
        let is_gone = request.attempted.status == Some(410);
        let expected = match (was_enabled, is_success) {
            (true, false) if is_gone => Some(DisabledReason::Gone),
            (true, false) if observed.now - since >= FAILING_MAX => Some(DisabledReason::Failing),
            _ => None,
        };
        let is_uncertain = !endpoint.is_failing_certain
            && expected == Some(DisabledReason::Failing)
            && disabled.is_none();
        let is_stale = observed.lenient && disabled.is_none();
        if disabled != expected && !is_uncertain && !is_stale {
            return Err(format!("disabled {disabled:?} and not {expected:?}: {endpoint:?}"));
        }
        if disabled.is_some() {
            endpoint.updated = observed.now;
            self.change_endpoint(id, |wants| wants.disabled = disabled);
        }
        Ok(())
    }

    pub(super) fn deliveries_resent(
        &mut self,
        request: &ResendDeliveries,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        let mut refused = vec![];
        for id in &request.ids {
            let known = self.webhooks.deliveries.get(&id.0);
            let known = known.filter(|known| known.merchant == request.merchant_id.0);
            let endpoint = known.and_then(|known| self.webhooks.endpoints.get(&known.endpoint));
            refused = first(&[
                (known.is_none(), (Subject::Target, "not_found")),
                (
                    endpoint.is_some_and(|endpoint| !endpoint.is_enabled()),
                    (Subject::WebhookEndpoint, "webhook_endpoint"),
                ),
            ]);
            if !refused.is_empty() {
                break;
            }
        }
        if !observed.check_acceptance(refused)? {
            return Ok(());
        }
        let rows = output!(observed, Output::ResendDeliveries(rows) => rows);
        if !rows.iter().map(|row| row.id).eq(request.ids.iter().copied()) {
            return Err(format!("other deliveries than {:?}: {rows:?}", request.ids));
        }
        for row in rows {
            let Some(known) = self.webhooks.deliveries.get_mut(&row.id.0) else { continue };
            let is_under_way = known.is_claimed && known.due.is_some_and(|at| at > observed.now);
            let is_revived = match known.status {
                _ if is_under_way => false,
                DeliveryStatus::Failed | DeliveryStatus::Dead => true,
                DeliveryStatus::Delivered => request.even_delivered,
                DeliveryStatus::Pending => false,
            };
            if is_revived {
                let before = known.clone();
                (known.status, known.failures) = (DeliveryStatus::Pending, 0);
                known.due = Some(observed.now);
                if !known.is_as(&row) && observed.overlapped {
                    // It was answered what was true a moment ago.
                    *known = before;
                    continue;
                }
            }
            if !known.is_as(&row) && !observed.overlapped {
                return Err(format!("{known:?} was expected: {row:?}"));
            }
        }
        Ok(())
    }
}
