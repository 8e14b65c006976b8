//! Webhook endpoints: what merchants may do with them, and since when each wants what.

use domain::decision::command::Output;
use domain::decision::event::EventType;
use domain::kernel::refusal::Subject;
use domain::kernel::time::minutes;
use domain::webhooks::change_endpoint::{
    DeleteWebhookEndpoint, RotateWebhookSecret, UpdateWebhookEndpoint,
};
use domain::webhooks::create_endpoint::{CreateWebhookEndpoint, TestWebhookEndpoint};
use domain::webhooks::endpoint::{DisabledReason, WebhookEndpoint};

use super::deliveries::{Delivery, Told};
use super::model::{Mismatch, Model};
use super::{Observed, Reason, first, output};
use crate::db::Map;

/// A merchant has at most so many endpoints, and an endpoint so many secrets that sign.
const ENDPOINTS_MAX: usize = 16;
const SECRETS_MAX: usize = 5;
/// Nothing but failures for so long disables an endpoint, in microseconds.
pub const FAILING_MAX: i64 = minutes(5 * 24 * 60);

const NOT_FOUND: Reason = (Subject::Target, "not_found");
const REFUSED: Reason = (Subject::WebhookEndpoint, "webhook_endpoint");

/// What an endpoint wants at a time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wants {
    /// `None` for everything.
    pub types: Option<Vec<EventType>>,
    pub disabled: Option<DisabledReason>,
    pub is_deleted: bool,
}

impl Wants {
    pub const fn is_enabled(&self) -> bool {
        self.disabled.is_none() && !self.is_deleted
    }

    pub fn wants(&self, kind: EventType) -> bool {
        self.is_enabled() && self.types.as_ref().is_none_or(|types| types.contains(&kind))
    }
}

/// An endpoint.
#[derive(Clone, Debug)]
pub struct Endpoint {
    pub merchant: i64,
    pub url: String,
    /// What it wants, each time since a batch: the last is what it wants now.
    pub history: Vec<(u64, Wants)>,
    /// When the first attempt began of those that have failed since one succeeded.
    pub failing_since: Option<i64>,
    /// Whether no other process has recorded an attempt in the middle of one.
    pub is_failing_certain: bool,
    pub updated: i64,
    /// The batch that changed it last.
    pub changed_in: u64,
    /// When each of its secrets ends.
    pub secrets: Vec<Option<i64>>,
}

impl Endpoint {
    pub fn now(&self) -> Option<&Wants> {
        self.history.last().map(|(_, wants)| wants)
    }

    pub fn is_enabled(&self) -> bool {
        self.now().is_some_and(Wants::is_enabled)
    }

    /// What it wanted at any time since a batch began: first what it wanted before, if it was
    /// there.
    pub fn since(&self, batch: u64) -> &[(u64, Wants)] {
        let later = self.history.partition_point(|(at, _)| *at < batch);
        self.history.get(later.saturating_sub(1)..).unwrap_or_default()
    }

    /// Whether it was there before a batch.
    pub fn was_there_before(&self, batch: u64) -> bool {
        self.history.first().is_some_and(|(at, _)| *at < batch)
    }

    pub fn change(&mut self, batch: u64, change: impl FnOnce(&mut Wants)) {
        let Some(mut wants) = self.now().cloned() else { return };
        change(&mut wants);
        if self.now() != Some(&wants) {
            self.history.push((batch, wants));
        }
    }
}

/// Everything about webhooks.
#[derive(Default)]
pub struct Webhooks {
    pub endpoints: Map<i64, Endpoint>,
    /// The endpoints of each merchant, in the order in which they were created.
    pub of_merchant: Map<i64, Vec<i64>>,
    pub deliveries: Map<i64, Delivery>,
    /// The deliveries of each merchant, in the order in which they were made.
    pub deliveries_of: Map<i64, Vec<i64>>,
    /// The events of merchants with an endpoint.
    pub told: Map<i64, Told>,
    /// Counts the batches.
    pub batch: u64,
}

impl Model {
    /// The endpoint, if the merchant has it.
    fn own_endpoint(&self, merchant: i64, id: i64) -> Option<&Endpoint> {
        let found = self.webhooks.endpoints.get(&id)?;
        let is_deleted = found.now().is_none_or(|wants| wants.is_deleted);
        (found.merchant == merchant && !is_deleted).then_some(found)
    }

    /// Whether a request about an endpoint of its own was accepted, which it must be if there is one.
    fn finds_endpoint(
        &self,
        merchant: i64,
        id: i64,
        observed: Observed<'_>,
    ) -> Result<bool, Mismatch> {
        let is_missing = self.own_endpoint(merchant, id).is_none();
        observed.check_acceptance(first(&[(is_missing, NOT_FOUND)]))
    }

    /// How many endpoints of a merchant are not deleted.
    pub fn endpoint_count(&self, merchant: i64) -> usize {
        let all = self.webhooks.of_merchant.get(&merchant).into_iter().flatten();
        all.filter(|id| self.own_endpoint(merchant, **id).is_some()).count()
    }

    /// Changes what an endpoint wants.
    pub(super) fn change_endpoint(&mut self, id: i64, change: impl FnOnce(&mut Wants)) {
        let batch = self.webhooks.batch;
        if let Some(endpoint) = self.webhooks.endpoints.get_mut(&id) {
            endpoint.change(batch, change);
            endpoint.changed_in = batch;
        }
        self.dependencies_version += 1;
    }

    pub(super) fn endpoint_created(
        &mut self,
        new: &CreateWebhookEndpoint,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        let merchant = new.merchant_id.0;
        let is_full = self.endpoint_count(merchant) >= ENDPOINTS_MAX;
        if !observed.check_acceptance(first(&[(is_full, REFUSED)]))? {
            return Ok(());
        }
        let row = output!(observed, Output::CreateWebhookEndpoint(row) => row);
        let wants = Wants {
            types: new.event_types.as_ref().map(|types| types.0.clone()),
            disabled: None,
            is_deleted: false,
        };
        let endpoint = Endpoint {
            merchant,
            url: new.url.clone(),
            history: vec![(self.webhooks.batch, wants)],
            failing_since: None,
            is_failing_certain: true,
            updated: row.updated_at.0,
            changed_in: self.webhooks.batch,
            secrets: new.secrets.iter().map(|_| None).collect(),
        };
        self.webhooks.endpoints.insert(row.id.0, endpoint);
        self.webhooks.of_merchant.entry(merchant).or_default().push(row.id.0);
        self.dependencies_version += 1;
        self.is_endpoint(&row)
    }

    pub(super) fn endpoint_updated(
        &mut self,
        request: &UpdateWebhookEndpoint,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        let id = request.endpoint_id.0;
        if !self.finds_endpoint(request.merchant_id.0, id, observed)? {
            return Ok(());
        }
        let row = output!(observed, Output::UpdateWebhookEndpoint(row) => row);
        let changes = request.changes.clone();
        if let Some(endpoint) = self.webhooks.endpoints.get_mut(&id) {
            let is_moved = changes.url.as_ref().is_some_and(|url| *url != endpoint.url);
            // It begins anew: what failed before counts no longer.
            if is_moved || changes.enabled == Some(true) {
                (endpoint.failing_since, endpoint.is_failing_certain) = (None, true);
            }
            endpoint.url = changes.url.unwrap_or_else(|| endpoint.url.clone());
            endpoint.updated = row.updated_at.0;
        }
        self.change_endpoint(id, |wants| {
            let types = changes.event_types.map(|types| types.0);
            wants.types = types.apply_to(wants.types.take());
            match changes.enabled {
                Some(true) => wants.disabled = None,
                Some(false) => {
                    wants.disabled = wants.disabled.or(Some(DisabledReason::Merchant));
                }
                None => {}
            }
        });
        self.is_endpoint(&row)
    }

    pub(super) fn endpoint_deleted(
        &mut self,
        request: &DeleteWebhookEndpoint,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        let id = request.endpoint_id.0;
        if !self.finds_endpoint(request.merchant_id.0, id, observed)? {
            return Ok(());
        }
        self.change_endpoint(id, |wants| wants.is_deleted = true);
        let row = output!(observed, Output::DeleteWebhookEndpoint(row) => row);
        self.is_endpoint(&row)
    }

    pub(super) fn secret_rotated(
        &mut self,
        request: &RotateWebhookSecret,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        let (id, now) = (request.endpoint_id.0, observed.now);
        let end = now + request.overlap_us;
        let found = self.own_endpoint(request.merchant_id.0, id);
        let is_changed = found.is_some_and(|found| found.updated != request.as_of.0);
        let mut secrets = found.map(|found| found.secrets.clone()).unwrap_or_default();
        for secret in &mut secrets {
            if secret.is_none_or(|before| now < before) {
                *secret = Some(secret.map_or(end, |before| before.min(end)));
            }
        }
        let holding = secrets.iter().filter(|end| end.is_none_or(|end| now < end)).count();
        let refused = first(&[
            (found.is_none(), NOT_FOUND),
            (is_changed, REFUSED),
            (holding + request.secrets.len() > SECRETS_MAX, REFUSED),
        ]);
        if !observed.check_acceptance(refused)? {
            return Ok(());
        }
        let row = output!(observed, Output::RotateWebhookSecret(row) => row);
        secrets.extend(request.secrets.iter().map(|_| None));
        let batch = self.webhooks.batch;
        if let Some(endpoint) = self.webhooks.endpoints.get_mut(&id) {
            (endpoint.secrets, endpoint.updated) = (secrets, row.updated_at.0);
            endpoint.changed_in = batch;
        }
        self.is_endpoint(&row)
    }

    pub(super) fn endpoint_tested(
        &mut self,
        request: &TestWebhookEndpoint,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        let found = self.own_endpoint(request.merchant_id.0, request.endpoint_id.0);
        let is_disabled = found.is_some_and(|found| !found.is_enabled());
        let refused = first(&[(found.is_none(), NOT_FOUND), (is_disabled, REFUSED)]);
        observed.check_acceptance(refused).map(drop)
    }

    /// Whether the row is what the endpoint should be.
    pub fn is_endpoint(&mut self, row: &WebhookEndpoint) -> Result<(), Mismatch> {
        let Some(known) = self.webhooks.endpoints.get_mut(&row.id.0) else {
            return Err(format!("an endpoint that nobody created: {row:?}"));
        };
        let wants = Wants {
            types: row.event_types.as_ref().map(|types| types.0.clone()),
            disabled: row.disabled,
            is_deleted: row.deleted_at.is_some(),
        };
        let is_same = (known.merchant, &known.url, known.now())
            == (row.merchant_id.0, &row.url, Some(&wants));
        let is_since = known.failing_since == row.failing_since.map(|at| at.0);
        known.is_failing_certain |= is_since;
        if is_same && (is_since || !known.is_failing_certain) {
            return Ok(());
        }
        Err(format!("{known:?} was expected: {row:?}"))
    }
}
