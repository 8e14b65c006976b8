//! Delivering again what was delivered, failed or given up.

use crate::decision::row::Lookup;
use crate::decision::use_case::{Context, Decision};
use crate::decision::workspace::{RowKey, Stop, Workspace};
use crate::directory::roles::Action;
use crate::kernel::ids::{MerchantId, WebhookDeliveryId};
use crate::kernel::refusal::Refusal;
use crate::mutant;
use crate::webhooks::delivery::{DeliveryStatus, WebhookDelivery};
use crate::webhooks::endpoint::WebhookEndpoint;

/// Makes deliveries due now, and their schedule begin anew. Those that are due already, or under way,
/// stay as they are: asking twice delivers once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ResendDeliveries {
    pub merchant_id: MerchantId,
    pub ids: Vec<WebhookDeliveryId>,
    /// Whether those that arrived are delivered again, too.
    pub even_delivered: bool,
}

impl Decision for ResendDeliveries {
    type Output = Vec<WebhookDelivery>;

    fn action(&self) -> Option<Action> {
        Some(Action::ChangeIntegration)
    }

    fn hints(&self) -> Vec<RowKey> {
        self.ids.iter().map(|id| RowKey::WebhookDelivery(Lookup::Id(*id))).collect()
    }

    fn decide(
        &self,
        work: &mut Workspace,
        context: &Context<'_>,
    ) -> Result<Vec<WebhookDelivery>, Stop> {
        let mut rows = vec![];
        for id in &self.ids {
            let found = work.get::<WebhookDelivery>(*id)?;
            let own = found.filter(|row| row.merchant_id == self.merchant_id);
            let mut row = (*own.ok_or(Refusal::NotFound)?).clone();
            let endpoint = work.require::<WebhookEndpoint>(row.endpoint_id)?;
            if endpoint.deleted_at.is_some() {
                return Err(Refusal::EndpointDeleted.into());
            }
            if !endpoint.is_enabled() {
                return Err(Refusal::EndpointDisabled.into());
            }
            let claimed =
                row.is_under_way && row.next_attempt_at.is_some_and(|at| at > context.now);
            let resent = (!claimed || mutant!(ResentTwice))
                && match row.status {
                    DeliveryStatus::Failed | DeliveryStatus::Dead => true,
                    DeliveryStatus::Delivered => self.even_delivered,
                    DeliveryStatus::Pending => false,
                };
            if resent {
                row.status = DeliveryStatus::Pending;
                row.failures = 0;
                row.next_attempt_at = Some(context.now);
                row.updated_at = context.now;
                work.put(row.clone());
            }
            rows.push(row);
        }
        Ok(rows)
    }
}
