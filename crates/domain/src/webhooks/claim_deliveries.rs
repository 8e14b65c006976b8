//! Claiming deliveries that are due: nobody else tries them under the lease.

use crate::decision::row::Lookup;
use crate::decision::use_case::{Context, Decision};
use crate::decision::workspace::{RowKey, Stop, Workspace};
use crate::directory::merchant::Merchant;
use crate::kernel::ids::{WebhookDeliveryId, WebhookEndpointId};
use crate::kernel::names::Mode;
use crate::mutant;
use crate::webhooks::delivery::{DeliveryStatus, LEASE_US, WebhookDelivery};
use crate::webhooks::endpoint::WebhookEndpoint;

/// Claims deliveries of one endpoint. Whoever has claimed one and dies leaves it due again when the
/// lease has run out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClaimDeliveries {
    pub endpoint_id: WebhookEndpointId,
    pub ids: Vec<WebhookDeliveryId>,
}

/// What the caller must deliver, and to where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClaimedDeliveries {
    pub endpoint: WebhookEndpoint,
    /// The mode of the merchant.
    pub mode: Mode,
    pub deliveries: Vec<WebhookDelivery>,
}

impl Decision for ClaimDeliveries {
    type Output = ClaimedDeliveries;

    fn hints(&self) -> Vec<RowKey> {
        let deliveries = self.ids.iter().map(|id| RowKey::WebhookDelivery(Lookup::Id(*id)));
        deliveries.chain([RowKey::WebhookEndpoint(Lookup::Id(self.endpoint_id))]).collect()
    }

    fn likely_keys(&self, work: &Workspace) -> Vec<RowKey> {
        let known = work.get::<WebhookEndpoint>(self.endpoint_id).ok().flatten();
        known.map(|row| RowKey::Merchant(Lookup::Id(row.merchant_id))).into_iter().collect()
    }

    fn decide(
        &self,
        work: &mut Workspace,
        context: &Context<'_>,
    ) -> Result<ClaimedDeliveries, Stop> {
        let endpoint = (*work.require::<WebhookEndpoint>(self.endpoint_id)?).clone();
        let mode = work.require::<Merchant>(endpoint.merchant_id)?.mode;
        let mut deliveries = vec![];
        for id in &self.ids {
            // Whoever looked for what is due took no lock.
            let Some(row) = work.get::<WebhookDelivery>(*id)? else { continue };
            let is_due = row.next_attempt_at.is_some_and(|at| at <= context.now)
                || mutant!(ClaimTwice) && row.is_under_way;
            if row.endpoint_id != endpoint.id || !is_due {
                continue;
            }
            let row = (*row).clone();
            if endpoint.is_enabled() {
                let lease = Some(context.now.plus(LEASE_US)).filter(|_| !mutant!(ClaimLost));
                let row = WebhookDelivery { next_attempt_at: lease, is_under_way: true, ..row };
                work.put(row.clone());
                deliveries.push(row);
            } else {
                work.put(WebhookDelivery {
                    status: DeliveryStatus::Dead,
                    next_attempt_at: None,
                    is_under_way: false,
                    updated_at: context.now,
                    ..row
                });
            }
        }
        Ok(ClaimedDeliveries { endpoint, mode, deliveries })
    }
}
