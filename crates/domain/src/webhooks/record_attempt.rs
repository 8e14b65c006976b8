//! Recording what came of an attempt.

use crate::decision::event::{EventEntity, EventType};
use crate::decision::events;
use crate::decision::row::Lookup;
use crate::decision::use_case::{Context, Decision};
use crate::decision::workspace::{RowKey, Stop, Workspace};
use crate::kernel::ids::{WebhookAttemptId, WebhookDeliveryId};
use crate::mutant;
use crate::webhooks::attempt::{Attempted, WebhookAttempt};
use crate::webhooks::delivery::{DeliveryStatus, WebhookDelivery};
use crate::webhooks::endpoint::{DisabledReason, WebhookEndpoint};
use crate::webhooks::schedule::{DISABLED_AFTER_US, next_attempt_at};

/// Records an attempt, and when the next one is. What fails for days, or is gone, is disabled.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecordDeliveryAttempt {
    pub delivery_id: WebhookDeliveryId,
    pub attempted: Attempted,
    /// What the endpoint asked for, in microseconds.
    pub retry_after_us: Option<i64>,
    /// Drawn by the caller; see [`next_attempt_at`].
    pub jitter: i64,
}

/// What an attempt led to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecordedAttempt {
    pub delivery: WebhookDelivery,
    /// Why the endpoint was disabled by it, if it was.
    pub disabled: Option<DisabledReason>,
}

impl Decision for RecordDeliveryAttempt {
    type Output = RecordedAttempt;

    fn hints(&self) -> Vec<RowKey> {
        vec![RowKey::WebhookDelivery(Lookup::Id(self.delivery_id))]
    }

    fn likely_keys(&self, work: &Workspace) -> Vec<RowKey> {
        let known = work.get::<WebhookDelivery>(self.delivery_id).ok().flatten();
        known.map(|row| RowKey::WebhookEndpoint(Lookup::Id(row.endpoint_id))).into_iter().collect()
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<RecordedAttempt, Stop> {
        let now = context.now;
        let row = (*work.require::<WebhookDelivery>(self.delivery_id)?).clone();
        let endpoint = (*work.require::<WebhookEndpoint>(row.endpoint_id)?).clone();
        let attempts = row.attempts.saturating_add(1);
        let id = WebhookAttemptId(work.new_id()?);
        work.put(WebhookAttempt {
            id,
            merchant_id: row.merchant_id,
            delivery_id: row.id,
            number: attempts,
            attempted: self.attempted.clone(),
        });
        mutant!(MessageRewritten => rewrite_message(&row, work)?);
        let was_enabled = endpoint.is_enabled();
        let disabled = self.count_failure(endpoint, work, context)?;
        let is_success = self.attempted.is_success();
        let failures = row.failures.saturating_add(i64::from(!is_success));
        // Two processes may have tried it, where a lease ran out: what was taken stays taken.
        let was_taken = row.status == DeliveryStatus::Delivered && !mutant!(TakenFails);
        let is_taken = is_success || was_taken;
        let number = if mutant!(ScheduleReset) { failures.min(1) } else { failures };
        let next_attempt_at = next_attempt_at(number, self.jitter, self.retry_after_us, now)
            .filter(|_| !is_taken && was_enabled && disabled.is_none());
        let status = match next_attempt_at {
            _ if is_taken => DeliveryStatus::Delivered,
            Some(_) => DeliveryStatus::Failed,
            None => DeliveryStatus::Dead,
        };
        let row = WebhookDelivery {
            status,
            attempts,
            failures,
            next_attempt_at,
            is_under_way: false,
            updated_at: now,
            ..row
        };
        work.put(row.clone());
        Ok(RecordedAttempt { delivery: row, disabled })
    }
}

impl RecordDeliveryAttempt {
    /// Notes at the endpoint since when it fails, and disables it when that is too long. Returns why
    /// it was disabled, if it was.
    fn count_failure(
        &self,
        endpoint: WebhookEndpoint,
        work: &mut Workspace,
        context: &Context<'_>,
    ) -> Result<Option<DisabledReason>, Stop> {
        let now = context.now;
        if !endpoint.is_enabled() {
            return Ok(None);
        }
        if self.attempted.is_success() {
            if endpoint.failing_since.is_some() && !mutant!(FailuresKept) {
                work.put(WebhookEndpoint { failing_since: None, ..endpoint });
            }
            return Ok(None);
        }
        let since = endpoint.failing_since.unwrap_or(self.attempted.begun_at);
        let is_long = now.since(since) >= DISABLED_AFTER_US || mutant!(DisabledAtOnce);
        let reason = if self.attempted.is_gone() && !mutant!(GoneIsTried) {
            Some(DisabledReason::Gone)
        } else {
            is_long.then_some(DisabledReason::Failing)
        };
        if reason.is_none() && endpoint.failing_since.is_some() {
            return Ok(None);
        }
        let about = (EventEntity::WebhookEndpoint, endpoint.id.0);
        let merchant = endpoint.merchant_id;
        work.put(WebhookEndpoint {
            failing_since: Some(since),
            disabled: reason,
            updated_at: if reason.is_some() { now } else { endpoint.updated_at },
            ..endpoint
        });
        let Some(reason) = reason else { return Ok(None) };
        let kind = EventType::WebhookEndpointDisabled;
        events::record(merchant, kind, about, Some(reason.to_string()), work, now)?;
        Ok(Some(reason))
    }
}
