//! What the jobs of webhooks look for: messages without deliveries, and deliveries that are due.

use std::collections::{BTreeMap, BTreeSet};

use domain::kernel::ids::{EventId, MerchantId, WebhookDeliveryId, WebhookEndpointId};
use domain::webhooks::endpoint::WebhookEndpoint;

use super::{Changes, Database};

/// An endpoint that has a delivery which is due.
#[derive(Clone, Copy)]
pub struct DueEndpoint {
    pub id: WebhookEndpointId,
    pub is_enabled: bool,
}

/// The indexes of the tables of webhooks.
#[derive(Default)]
pub struct WebhookIndexes {
    new_messages: BTreeSet<EventId>,
    /// The endpoints of each merchant that were not deleted.
    endpoints: BTreeMap<MerchantId, BTreeSet<WebhookEndpointId>>,
    /// The deliveries that are tried again, by endpoint and time.
    due: BTreeMap<WebhookEndpointId, BTreeSet<(i64, WebhookDeliveryId)>>,
}

impl WebhookIndexes {
    pub fn apply(&mut self, changes: &Changes) {
        for (_, row) in &changes.webhook_messages {
            if row.fanned_out_at.is_none() {
                self.new_messages.insert(row.event_id);
            } else {
                self.new_messages.remove(&row.event_id);
            }
        }
        for (_, row) in &changes.webhook_endpoints {
            let of_merchant = self.endpoints.entry(row.merchant_id).or_default();
            if row.deleted_at.is_none() {
                of_merchant.insert(row.id);
            } else {
                of_merchant.remove(&row.id);
            }
        }
        for (before, row) in &changes.webhook_deliveries {
            let due = self.due.entry(row.endpoint_id).or_default();
            if let Some(at) = before.as_ref().and_then(|before| before.next_attempt_at) {
                due.remove(&(at.0, row.id));
            }
            if let Some(at) = row.next_attempt_at {
                due.insert((at.0, row.id));
            }
        }
    }
}

impl Database {
    /// The first messages whose deliveries are not made yet, by merchant.
    pub fn messages_to_fan_out(&self, limit: usize) -> BTreeMap<MerchantId, Vec<EventId>> {
        let mut found: BTreeMap<MerchantId, Vec<EventId>> = BTreeMap::new();
        for id in self.webhooks.new_messages.iter().take(limit) {
            if let Some(row) = self.rows.webhook_messages.get(*id) {
                found.entry(row.merchant_id).or_default().push(*id);
            }
        }
        found
    }

    pub fn endpoints_of(&self, merchant: MerchantId) -> Vec<WebhookEndpointId> {
        self.webhooks.endpoints.get(&merchant).into_iter().flatten().copied().collect()
    }

    pub fn due_endpoints(&self, now: i64) -> Vec<DueEndpoint> {
        let is_due = |due: &BTreeSet<(i64, WebhookDeliveryId)>| {
            due.first().is_some_and(|(at, _)| *at <= now)
        };
        let ids = self.webhooks.due.iter().filter(|(_, due)| is_due(due)).map(|(id, _)| *id);
        let rows = ids.filter_map(|id| self.rows.webhook_endpoints.get(id));
        let due = |row: &WebhookEndpoint| DueEndpoint { id: row.id, is_enabled: row.is_enabled() };
        rows.map(|row| due(row)).collect()
    }

    /// The deliveries to an endpoint that are due, the most overdue first.
    pub fn due_deliveries(
        &self,
        endpoint: WebhookEndpointId,
        now: i64,
        limit: usize,
    ) -> Vec<WebhookDeliveryId> {
        let due = self.webhooks.due.get(&endpoint).into_iter().flatten();
        due.take_while(|(at, _)| *at <= now).take(limit).map(|(_, id)| *id).collect()
    }

    /// When the next delivery falls due.
    pub fn next_delivery(&self) -> Option<i64> {
        self.webhooks.due.values().filter_map(|due| due.first()).map(|(at, _)| *at).min()
    }

    /// Whether messages wait for their deliveries to be made.
    pub fn has_new_messages(&self) -> bool {
        !self.webhooks.new_messages.is_empty()
    }
}
