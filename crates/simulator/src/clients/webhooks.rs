//! What merchants do with their webhook endpoints.

use domain::decision::command::Command;
use domain::decision::event::EventType;
use domain::kernel::ids::{MerchantId, WebhookDeliveryId, WebhookEndpointId};
use domain::kernel::patch::Patch;
use domain::kernel::time::{ServerTime, minutes};
use domain::webhooks::change_endpoint::{
    DeleteWebhookEndpoint, EndpointChanges, RotateWebhookSecret, UpdateWebhookEndpoint,
};
use domain::webhooks::create_endpoint::{CreateWebhookEndpoint, TestWebhookEndpoint};
use domain::webhooks::delivery::DeliveryStatus;
use domain::webhooks::endpoint::{EventTypes, Signing};
use domain::webhooks::resend::ResendDeliveries;
use domain::webhooks::secret::NewWebhookSecret;

use super::Clients;
use crate::queued_command::QueuedCommand;
use crate::rng::Rng;

/// How often a merchant does each: create, change, delete, rotate, test, resend, recover.
const WEIGHTS: &[u32] = &[5, 5, 1, 3, 4, 6, 4];
/// So many deliveries at most are recovered at once.
const RECOVERED_MAX: usize = 20;

/// A new address, at which another receiver is.
fn url(rng: &mut Rng) -> String {
    format!("https://shop.example/{}", rng.next())
}

fn event_types(rng: &mut Rng) -> Option<EventTypes> {
    if rng.chance(120) {
        return None;
    }
    let count = 1 + rng.below(5);
    let drawn = (0..count).filter_map(|_| rng.pick(EventType::OF_MERCHANTS));
    let mut types: Vec<EventType> = drawn.collect();
    types.sort_unstable();
    types.dedup();
    Some(EventTypes(types))
}

fn new_secret() -> NewWebhookSecret {
    let (sealed, key_id) = ("sealed".to_owned(), "key".to_owned());
    NewWebhookSecret { signing: Signing::Hmac, sealed, key_id }
}

impl Clients<'_> {
    /// Something that a merchant does with its endpoints, who makes about so many at most.
    pub fn webhooks(&mut self, id: i64, endpoints_max: usize) -> Option<QueuedCommand> {
        let merchant_id = MerchantId(id);
        let has_some = self.model.webhooks.of_merchant.contains_key(&id);
        let what = if has_some { self.rng.weighted(WEIGHTS) } else { 0 };
        let command = match what {
            0 if self.model.endpoint_count(id) >= endpoints_max && self.rng.chance(900) => {
                return None;
            }
            0 => Command::CreateWebhookEndpoint(CreateWebhookEndpoint {
                merchant_id,
                url: url(self.rng),
                event_types: event_types(self.rng),
                description: None,
                signing: Signing::Hmac,
                public_key: None,
                secrets: vec![new_secret()],
            }),
            1 => Command::UpdateWebhookEndpoint(UpdateWebhookEndpoint {
                merchant_id,
                endpoint_id: self.endpoint(id)?,
                changes: self.endpoint_changes(),
            }),
            2 => Command::DeleteWebhookEndpoint(DeleteWebhookEndpoint {
                merchant_id,
                endpoint_id: self.endpoint(id)?,
            }),
            3 => Command::RotateWebhookSecret(RotateWebhookSecret {
                merchant_id,
                endpoint_id: self.endpoint(id)?,
                secrets: vec![new_secret()],
                public_key: None,
                overlap_us: minutes(self.rng.pick(&[0, 1, 60, 24 * 60])?),
                // Read when it is sent.
                known: vec![],
                as_of: ServerTime(0),
            }),
            4 => Command::TestWebhookEndpoint(TestWebhookEndpoint {
                merchant_id,
                endpoint_id: self.endpoint(id)?,
            }),
            5 => {
                let of = self.webhook_merchant(id)?;
                let deliveries = self.model.webhooks.deliveries_of.get(&of)?;
                let chosen = WebhookDeliveryId(self.rng.recent(deliveries)?);
                let ids = vec![chosen];
                Command::ResendDeliveries(ResendDeliveries {
                    merchant_id,
                    ids,
                    even_delivered: true,
                })
            }
            _ => self.recover(id)?,
        };
        Some(QueuedCommand::from_client(command))
    }

    /// The merchant itself; now and then another, whose rows it must not reach.
    fn webhook_merchant(&mut self, id: i64) -> Option<i64> {
        if self.rng.chance(15) { self.rng.pick(self.merchants) } else { Some(id) }
    }

    fn endpoint(&mut self, id: i64) -> Option<WebhookEndpointId> {
        let of = self.webhook_merchant(id)?;
        let endpoints = self.model.webhooks.of_merchant.get(&of)?;
        self.rng.recent(endpoints).map(WebhookEndpointId)
    }

    /// What is disabled is mostly enabled again.
    fn endpoint_changes(&mut self) -> EndpointChanges {
        let event_types = match self.rng.below(10) {
            0 => Patch::Clear,
            1..=4 => event_types(self.rng).map_or(Patch::Keep, Patch::Set),
            _ => Patch::Keep,
        };
        EndpointChanges {
            url: if self.rng.chance(200) { Some(url(self.rng)) } else { None },
            event_types,
            description: Patch::Keep,
            enabled: if self.rng.chance(700) { Some(self.rng.chance(750)) } else { None },
        }
    }

    /// What has failed at an endpoint is tried again.
    fn recover(&mut self, id: i64) -> Option<Command> {
        let endpoint = self.endpoint(id)?;
        let failed = |delivery: &&i64| {
            self.model.webhooks.deliveries.get(delivery).is_some_and(|known| {
                known.endpoint == endpoint.0
                    && matches!(known.status, DeliveryStatus::Failed | DeliveryStatus::Dead)
            })
        };
        let all = self.model.webhooks.deliveries_of.get(&id)?.iter().rev().take(200);
        let failed = all.filter(failed).take(RECOVERED_MAX);
        let ids: Vec<WebhookDeliveryId> = failed.map(|id| WebhookDeliveryId(*id)).collect();
        (!ids.is_empty()).then_some(Command::ResendDeliveries(ResendDeliveries {
            merchant_id: MerchantId(id),
            ids,
            even_delivered: false,
        }))
    }
}
