//! Creating an endpoint, and asking for a test of it.

use crate::decision::event::{EventEntity, EventType};
use crate::decision::events;
use crate::decision::row::Lookup;
use crate::decision::use_case::{Context, Decision};
use crate::decision::workspace::{RowKey, Stop, Workspace};
use crate::directory::roles::Action;
use crate::kernel::ids::{MerchantId, WebhookEndpointId};
use crate::kernel::refusal::Refusal;
use crate::webhooks::endpoint::{self, EventTypes, Signing, WebhookEndpoint};
use crate::webhooks::secret::{self, NewWebhookSecret};

/// Creates an endpoint. Its URL was checked by the caller, who knows addresses.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CreateWebhookEndpoint {
    pub merchant_id: MerchantId,
    pub url: String,
    pub event_types: Option<EventTypes>,
    pub description: Option<String>,
    pub signing: Signing,
    pub public_key: Option<String>,
    pub secrets: Vec<NewWebhookSecret>,
}

impl Decision for CreateWebhookEndpoint {
    type Output = WebhookEndpoint;

    fn action(&self) -> Option<Action> {
        Some(Action::ChangeIntegration)
    }

    fn hints(&self) -> Vec<RowKey> {
        vec![RowKey::EventPosition(Lookup::Id(self.merchant_id))]
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<WebhookEndpoint, Stop> {
        endpoint::count(self.merchant_id, 1, work)?;
        let id = WebhookEndpointId(work.new_id()?);
        let Self { merchant_id, url, event_types, description, signing, public_key, secrets } =
            self.clone();
        let row = WebhookEndpoint {
            id,
            merchant_id,
            url,
            event_types,
            description,
            disabled: None,
            signing,
            public_key,
            failing_since: None,
            event_count: 0,
            created_at: context.now,
            updated_at: context.now,
            deleted_at: None,
        };
        work.put(row.clone());
        for new in &secrets {
            secret::put(&row, new, work, context.now)?;
        }
        Ok(row)
    }
}

/// Asks for a test: an event of its own, of which this endpoint alone is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TestWebhookEndpoint {
    pub merchant_id: MerchantId,
    pub endpoint_id: WebhookEndpointId,
}

impl Decision for TestWebhookEndpoint {
    type Output = i64;

    fn action(&self) -> Option<Action> {
        Some(Action::ChangeIntegration)
    }

    fn hints(&self) -> Vec<RowKey> {
        vec![
            RowKey::WebhookEndpoint(Lookup::Id(self.endpoint_id)),
            RowKey::EventPosition(Lookup::Id(self.merchant_id)),
        ]
    }

    /// The id of the event.
    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<i64, Stop> {
        let row = WebhookEndpoint::of(self.merchant_id, self.endpoint_id, work)?;
        if !row.is_enabled() {
            return Err(Refusal::EndpointDisabled.into());
        }
        let about = (EventEntity::WebhookEndpoint, row.id.0);
        let event = events::record(
            self.merchant_id,
            EventType::WebhookTest,
            about,
            None,
            work,
            context.now,
        )?;
        Ok(event.0)
    }
}
