//! Making the deliveries of messages.

use crate::decision::row::Lookup;
use crate::decision::use_case::{Context, Decision};
use crate::decision::workspace::{RowKey, Stop, Workspace};
use crate::kernel::ids::{EventId, WebhookDeliveryId, WebhookEndpointId};
use crate::mutant;
use crate::webhooks::delivery::{DeliveryStatus, WebhookDelivery};
use crate::webhooks::endpoint::WebhookEndpoint;
use crate::webhooks::message::WebhookMessage;

/// Makes a delivery of each message for each endpoint that wants it. The messages are of one
/// merchant, and the endpoints are all of that merchant's, read after the messages: a message is
/// written only after the endpoint that it is for.
///
/// Deciding it again makes nothing twice.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FanOutMessages {
    pub messages: Vec<EventId>,
    pub endpoints: Vec<WebhookEndpointId>,
}

impl Decision for FanOutMessages {
    type Output = ();

    fn hints(&self) -> Vec<RowKey> {
        let messages = self.messages.iter().map(|id| RowKey::WebhookMessage(Lookup::Id(*id)));
        let endpoints = self.endpoints.iter().map(|id| RowKey::WebhookEndpoint(Lookup::Id(*id)));
        let deliveries = self.messages.iter().flat_map(|message| {
            let key = move |endpoint: &WebhookEndpointId| {
                RowKey::WebhookDelivery(Lookup::AltKey((*endpoint, *message)))
            };
            self.endpoints.iter().map(key)
        });
        messages.chain(endpoints).chain(deliveries).collect()
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<(), Stop> {
        for id in &self.messages {
            let message = work.require::<WebhookMessage>(*id)?;
            if message.fanned_out_at.is_some() {
                continue;
            }
            for endpoint in &self.endpoints {
                make_delivery(&message, *endpoint, work, context)?;
            }
            work.put(WebhookMessage { fanned_out_at: Some(context.now), ..(*message).clone() });
        }
        Ok(())
    }
}

fn make_delivery(
    message: &WebhookMessage,
    endpoint: WebhookEndpointId,
    work: &mut Workspace,
    context: &Context<'_>,
) -> Result<(), Stop> {
    let row = work.require::<WebhookEndpoint>(endpoint)?;
    let wants = || row.wants(message.kind) || mutant!(FilterIgnored);
    let is_addressed = message.only_endpoint_id.map_or_else(wants, |only| only == row.id);
    let is_own = row.merchant_id == message.merchant_id || mutant!(OthersTold);
    let is_enabled = row.is_enabled() || mutant!(DisabledTold);
    if !is_own || !is_enabled || !is_addressed {
        return Ok(());
    }
    if work.find::<WebhookDelivery>(&(row.id, message.event_id))?.is_some() {
        return Ok(());
    }
    let id = WebhookDeliveryId(work.new_id()?);
    work.put(WebhookDelivery {
        id,
        merchant_id: row.merchant_id,
        endpoint_id: row.id,
        event_id: message.event_id,
        kind: message.kind,
        execution_id: message.execution_id,
        created_at: context.now,
        status: DeliveryStatus::Pending,
        attempts: 0,
        failures: 0,
        next_attempt_at: Some(context.now),
        is_under_way: false,
        updated_at: context.now,
    });
    Ok(())
}
