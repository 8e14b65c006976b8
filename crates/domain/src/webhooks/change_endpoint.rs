//! Changing an endpoint: what it is told, its secrets, its end.
//!
//! None of these has a lock key: endpoints are locked with all other rows that a batch changes, in the
//! order of the tables, so that they never wait in a ring with payments.

use crate::decision::row::Lookup;
use crate::decision::use_case::{Context, Decision};
use crate::decision::workspace::{RowKey, Stop, Workspace};
use crate::directory::roles::Action;
use crate::kernel::ids::{MerchantId, WebhookEndpointId, WebhookSecretId};
use crate::kernel::patch::Patch;
use crate::kernel::refusal::Refusal;
use crate::kernel::time::ServerTime;
use crate::webhooks::endpoint::{self, DisabledReason, EventTypes, Signing, WebhookEndpoint};
use crate::webhooks::secret::{self, NewWebhookSecret, SECRETS_MAX, WebhookSecret};

/// What is changed; `None` stays as it is.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct EndpointChanges {
    pub url: Option<String>,
    /// Cleared: everything.
    pub event_types: Patch<EventTypes>,
    pub description: Patch<String>,
    pub enabled: Option<bool>,
}

/// Changes an endpoint.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UpdateWebhookEndpoint {
    pub merchant_id: MerchantId,
    pub endpoint_id: WebhookEndpointId,
    pub changes: EndpointChanges,
}

impl Decision for UpdateWebhookEndpoint {
    type Output = WebhookEndpoint;

    fn action(&self) -> Option<Action> {
        Some(Action::ChangeIntegration)
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<WebhookEndpoint, Stop> {
        let mut row = WebhookEndpoint::of(self.merchant_id, self.endpoint_id, work)?;
        let EndpointChanges { url, event_types, description, enabled } = self.changes.clone();
        if let Some(url) = url {
            // What the old URL did says nothing of the new one.
            if url != row.url {
                row.failing_since = None;
            }
            row.url = url;
        }
        row.event_types = event_types.apply_to(row.event_types);
        row.description = description.apply_to(row.description);
        match enabled {
            // It begins anew: what failed before counts no longer.
            Some(true) => (row.disabled, row.failing_since) = (None, None),
            Some(false) => row.disabled = row.disabled.or(Some(DisabledReason::Merchant)),
            None => {}
        }
        row.updated_at = context.now;
        work.put(row.clone());
        Ok(row)
    }
}

/// Deletes an endpoint. What was not delivered yet is not delivered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DeleteWebhookEndpoint {
    pub merchant_id: MerchantId,
    pub endpoint_id: WebhookEndpointId,
}

impl Decision for DeleteWebhookEndpoint {
    type Output = WebhookEndpoint;

    fn action(&self) -> Option<Action> {
        Some(Action::ChangeIntegration)
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<WebhookEndpoint, Stop> {
        let row = WebhookEndpoint::of(self.merchant_id, self.endpoint_id, work)?;
        endpoint::count(self.merchant_id, -1, work)?;
        let row = WebhookEndpoint { deleted_at: Some(context.now), updated_at: context.now, ..row };
        work.put(row.clone());
        Ok(row)
    }
}

/// Gives an endpoint other secrets. Those from before go on signing for a while.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RotateWebhookSecret {
    pub merchant_id: MerchantId,
    pub endpoint_id: WebhookEndpointId,
    pub secrets: Vec<NewWebhookSecret>,
    pub public_key: Option<String>,
    /// For how long those from before sign, in microseconds.
    pub overlap_us: i64,
    /// The secrets of the endpoint, as the caller has read them.
    pub known: Vec<WebhookSecretId>,
    /// When the endpoint was last changed, read before them.
    pub as_of: ServerTime,
}

impl Decision for RotateWebhookSecret {
    type Output = WebhookEndpoint;

    fn action(&self) -> Option<Action> {
        Some(Action::ChangeIntegration)
    }

    fn hints(&self) -> Vec<RowKey> {
        self.known.iter().map(|id| RowKey::WebhookSecret(Lookup::Id(*id))).collect()
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<WebhookEndpoint, Stop> {
        let row = WebhookEndpoint::of(self.merchant_id, self.endpoint_id, work)?;
        // Another rotation has made secrets that the caller does not know of.
        if row.updated_at != self.as_of {
            return Err(Refusal::EndpointChanged.into());
        }
        let end = context.now.plus(self.overlap_us);
        let mut holding = 1;
        for id in &self.known {
            let known = work.require::<WebhookSecret>(*id)?;
            if known.endpoint_id != row.id {
                return Err(Refusal::NotFound.into());
            }
            if !known.holds(context.now) {
                continue;
            }
            let ends = known.expires_at.map_or(end, |before| before.min(end));
            holding += usize::from(context.now < ends && known.signing == Signing::Hmac);
            work.put(WebhookSecret { expires_at: Some(ends), ..(*known).clone() });
        }
        if holding > SECRETS_MAX {
            return Err(Refusal::TooManySecrets { most: SECRETS_MAX }.into());
        }
        for new in &self.secrets {
            secret::put(&row, new, work, context.now)?;
        }
        let public_key = self.public_key.clone().or(row.public_key.clone());
        // Later than before, even if the clock stands still.
        let updated_at = context.now.max(row.updated_at.plus(1));
        let row = WebhookEndpoint { public_key, updated_at, ..row };
        work.put(row.clone());
        Ok(row)
    }
}
