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
    // What happened before the endpoint was disabled was still due then. It is given up like the
    // deliveries that were made already, so that it can be recovered. (That it was disabled happened
    // at that very time, and is for the others.) Where the endpoint was changed later, a little of
    // what happened while it was disabled may be given up too, which is better than to lose something.
    let is_given_up = row.deleted_at.is_none()
        && message.created_at < row.updated_at
        && !mutant!(GivenUpForgotten);
    if !is_own || !is_addressed || !is_enabled && !is_given_up {
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
        status: if is_enabled { DeliveryStatus::Pending } else { DeliveryStatus::Dead },
        attempts: 0,
        failures: 0,
        next_attempt_at: is_enabled.then_some(context.now),
        is_under_way: false,
        updated_at: context.now,
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::decision::event::EventType;
    use crate::decision::settings::Settings;
    use crate::decision::workspace::IdBlock;
    use crate::kernel::ids::MerchantId;
    use crate::kernel::time::ServerTime;
    use crate::tariff::Tariff;
    use crate::webhooks::endpoint::{DisabledReason, Signing};

    const ENDPOINT: WebhookEndpointId = WebhookEndpointId(1);
    const EVENT: EventId = EventId(2);

    /// The delivery of what happened at a time to an endpoint that was disabled at another.
    fn made(happened: i64, disabled: i64, deleted: bool) -> Option<WebhookDelivery> {
        let endpoint = WebhookEndpoint {
            id: ENDPOINT,
            merchant_id: MerchantId(1),
            url: "https://shop.example".to_owned(),
            event_types: None,
            description: None,
            disabled: Some(DisabledReason::Merchant),
            signing: Signing::Hmac,
            public_key: None,
            failing_since: None,
            event_count: 0,
            created_at: ServerTime(0),
            updated_at: ServerTime(disabled),
            deleted_at: deleted.then_some(ServerTime(disabled)),
        };
        let message = WebhookMessage {
            event_id: EVENT,
            merchant_id: MerchantId(1),
            kind: EventType::SourcePaid,
            execution_id: None,
            only_endpoint_id: None,
            body: String::new(),
            created_at: ServerTime(happened),
            fanned_out_at: None,
        };
        let ids = IdBlock { next: 10, end: 20 };
        let mut work = Workspace::new(Arc::new(Tariff::default()), [0; 16], ids);
        let tables = &mut work.tables;
        tables.webhook_endpoints.load(Lookup::Id(ENDPOINT), Some(endpoint));
        tables.webhook_messages.load(Lookup::Id(EVENT), Some(message));
        tables.webhook_deliveries.load(Lookup::AltKey((ENDPOINT, EVENT)), None);
        let settings = Settings::default();
        let context = Context { now: ServerTime(1_000), settings: &settings };
        let command = FanOutMessages { messages: vec![EVENT], endpoints: vec![ENDPOINT] };
        command.decide(&mut work, &context).unwrap();
        let found = work.find::<WebhookDelivery>(&(ENDPOINT, EVENT)).unwrap();
        found.map(|row| (*row).clone())
    }

    #[test]
    fn what_was_due_when_an_endpoint_was_disabled_is_given_up_and_can_be_recovered() {
        let row = made(100, 200, false).unwrap();
        assert_eq!((row.status, row.next_attempt_at), (DeliveryStatus::Dead, None));
        assert_eq!(made(200, 200, false), None, "that it was disabled is told to the others");
        assert_eq!(made(300, 200, false), None, "it happened while the endpoint was disabled");
        assert_eq!(made(100, 200, true), None, "a deleted endpoint is told nothing more");
    }
}
