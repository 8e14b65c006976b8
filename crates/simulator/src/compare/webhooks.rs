//! Compares endpoints, messages and deliveries with the oracle's model.

use std::collections::BTreeMap;

use domain::decision::event::{Event, EventEntity};
use domain::kernel::ids::EventId;
use domain::webhooks::delivery::{DeliveryStatus, WebhookDelivery};
use domain::webhooks::message::WebhookMessage;
use domain::webhooks::record_attempt::{RecordDeliveryAttempt, RecordedAttempt};

use super::last;
use crate::checks::{CheckResult, Violation, rule};
use crate::db::{Commit, Committed};
use crate::oracle::Model;
use crate::oracle::deliveries::Words;

const MESSAGES: &str = "oracle: messages";
const DELIVERIES: &str = "oracle: rows of webhooks";

/// A violation where the model expected something else.
fn expect(check: &'static str, result: Result<(), String>) -> CheckResult {
    result.map_err(|what| Violation { check, what })
}

/// Compares what a batch has changed, and notes what must be told of its events. So many batches of
/// other processes were committed in its middle.
pub fn webhooks(
    model: &mut Model,
    commits: &[Commit],
    nested: usize,
    rows: &Committed,
) -> CheckResult {
    let nested = u64::try_from(nested).unwrap_or(u64::MAX);
    let begun = model.webhooks.batch.saturating_sub(nested);
    for commit in commits {
        messages(model, commit, begun)?;
        for (before, row) in &commit.changes.webhook_deliveries {
            if before.is_none() {
                expect(DELIVERIES, model.webhooks.delivery_made(row))?;
            }
        }
        for (_, row) in &commit.changes.webhook_attempts {
            expect(DELIVERIES, model.webhooks.attempt_kept(row))?;
        }
    }
    for row in last(commits, |commit| &commit.changes.webhook_endpoints, |row| row.id.0) {
        expect(DELIVERIES, model.is_endpoint(&row))?;
    }
    for row in last(commits, |commit| &commit.changes.webhook_deliveries, |row| row.id.0) {
        expect(DELIVERIES, model.webhooks.is_delivery(&row))?;
    }
    for row in last(commits, |commit| &commit.changes.webhook_secrets, |row| row.endpoint_id.0) {
        let all = rows.webhook_secrets.by_id.values();
        let own = all.filter(|secret| secret.endpoint_id == row.endpoint_id);
        let mut ends: Vec<_> = own.map(|secret| secret.expires_at.map(|at| at.0)).collect();
        let endpoint = model.webhooks.endpoints.get(&row.endpoint_id.0);
        let mut known = endpoint.map(|endpoint| endpoint.secrets.clone()).unwrap_or_default();
        ends.sort_unstable();
        known.sort_unstable();
        rule(ends == known, DELIVERIES, || format!("secrets end at {ends:?} and not {known:?}"))?;
    }
    Ok(())
}

/// The status of what an event is about after the commit, if each change of it is an event.
fn status_of(event: &Event, commit: &Commit) -> Option<&'static str> {
    let id = event.entity_id;
    let changes = &commit.changes;
    match event.entity {
        EventEntity::Execution => {
            let mut rows = changes.executions.iter().filter(|(_, row)| row.id.0 == id);
            rows.next_back().map(|(_, row)| row.status.as_str())
        }
        EventEntity::Source => {
            let mut rows = changes.sources.iter().filter(|(_, row)| row.id.0 == id);
            rows.next_back().map(|(_, row)| row.status.as_str())
        }
        _ => None,
    }
}

/// Each event has its message in the same commit, where somebody must be told; and its words never
/// change.
fn messages(model: &mut Model, commit: &Commit, begun: u64) -> CheckResult {
    let written = commit.changes.webhook_messages.iter().filter(|(before, _)| before.is_none());
    let mut written: BTreeMap<EventId, &WebhookMessage> =
        written.map(|(_, row)| (row.event_id, &**row)).collect();
    for (at, event) in commit.events.iter().enumerate() {
        let message = written.remove(&event.id);
        if let Some(message) = message {
            let about = |event: &Event| (event.entity, event.entity_id);
            let mut later = commit.events.iter().skip(at + 1);
            let is_last = !later.any(|later| about(later) == about(event));
            if let Some(status) = status_of(event, commit).filter(|_| is_last) {
                let told = Words::read(&message.body).map(|words| words.status);
                rule(told == Some(status), MESSAGES, || format!("{status} is not {message:?}"))?;
            }
        }
        expect(MESSAGES, model.webhooks.event(event, message))?;
    }
    rule(written.is_empty(), MESSAGES, || format!("of no event in the commit: {written:?}"))?;
    for (before, row) in &commit.changes.webhook_messages {
        let was_fanned_out = before.as_ref().is_some_and(|before| before.fanned_out_at.is_some());
        if before.is_some() && row.fanned_out_at.is_some() && !was_fanned_out {
            let all = commit.changes.webhook_deliveries.iter();
            let made =
                all.filter(|(before, made)| before.is_none() && made.event_id == row.event_id);
            let is_given_up = |row: &WebhookDelivery| row.status == DeliveryStatus::Dead;
            let made = made.map(|(_, made)| (made.endpoint_id.0, is_given_up(made)));
            let made: Vec<(i64, bool)> = made.collect();
            expect("oracle: fan-out", model.webhooks.fanned_out(row.event_id.0, &made, begun))?;
        }
    }
    Ok(())
}

/// What the rows say of an attempt whose recording had no answer.
pub fn recorded_attempt(
    request: &RecordDeliveryAttempt,
    commits: &[Commit],
) -> Option<RecordedAttempt> {
    let changes = || commits.iter().map(|commit| &commit.changes);
    let mut attempts = changes().flat_map(|changes| &changes.webhook_attempts);
    attempts.find(|(_, row)| {
        row.delivery_id == request.delivery_id && row.attempted == request.attempted
    })?;
    let mut deliveries = changes().flat_map(|changes| &changes.webhook_deliveries);
    let (_, delivery) = deliveries.find(|(_, row)| row.id == request.delivery_id)?;
    let endpoints = changes().flat_map(|changes| &changes.webhook_endpoints);
    let mut endpoints = endpoints.filter(|(_, row)| row.id == delivery.endpoint_id);
    let disabled = endpoints.find_map(|(_, row)| row.disabled);
    Some(RecordedAttempt { delivery: (**delivery).clone(), disabled })
}

/// Compares all deliveries.
pub fn all_deliveries(model: &mut Model, rows: &Committed) -> CheckResult {
    for row in rows.webhook_endpoints.by_id.values() {
        expect(DELIVERIES, model.is_endpoint(row))?;
    }
    for row in rows.webhook_deliveries.by_id.values() {
        expect(DELIVERIES, model.webhooks.is_delivery(row))?;
    }
    let counts = (rows.webhook_endpoints.by_id.len(), rows.webhook_deliveries.by_id.len());
    let known = (model.webhooks.endpoints.len(), model.webhooks.deliveries.len());
    rule(counts == known, DELIVERIES, || format!("{counts:?} and not {known:?}"))
}
