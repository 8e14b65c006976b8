//! Deactivating a payment link.

use crate::decision::event::{EventEntity, EventType};
use crate::decision::events;
use crate::decision::row::Lookup;
use crate::decision::use_case::{Context, Decision, LockKey};
use crate::decision::workspace::{RowKey, Stop, Workspace};
use crate::directory::merchant::Merchant;
use crate::directory::roles::Action;
use crate::kernel::ids::{MerchantId, PaymentLinkId};
use crate::kernel::time::ServerTime;
use crate::sales::payment_link::{self, LinkStatus, PaymentLink};

/// Deactivates a payment link for good. Payments under way continue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DeactivatePaymentLink {
    pub merchant_id: MerchantId,
    pub link_id: PaymentLinkId,
}

impl Decision for DeactivatePaymentLink {
    type Output = PaymentLink;

    fn action(&self) -> Option<Action> {
        Some(Action::Sell)
    }

    fn lock_key(&self) -> Option<LockKey> {
        let key = RowKey::PaymentLink(Lookup::Id(self.link_id));
        Some(LockKey { key, owner: Some(self.merchant_id) })
    }

    fn hints(&self) -> Vec<RowKey> {
        vec![
            RowKey::PaymentLink(Lookup::Id(self.link_id)),
            RowKey::Merchant(Lookup::Id(self.merchant_id)),
            RowKey::EventPosition(Lookup::Id(self.merchant_id)),
        ]
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<PaymentLink, Stop> {
        deactivate(self.merchant_id, self.link_id, work, context.now)
    }
}

/// Deactivates a link for good. Repeating the request changes nothing.
///
/// # Errors
/// [`Refusal::NotFound`](crate::kernel::refusal::Refusal::NotFound).
fn deactivate(
    merchant_id: MerchantId,
    id: PaymentLinkId,
    work: &mut Workspace,
    now: ServerTime,
) -> Result<PaymentLink, Stop> {
    let time = work.require::<Merchant>(merchant_id)?.time(now);
    let link = payment_link::owned(merchant_id, id, work)?;
    if link.status == LinkStatus::Deactivated {
        return Ok(link);
    }
    let link = PaymentLink { status: LinkStatus::Deactivated, updated_at: time, ..link };
    work.put(link.clone());
    events::record(
        merchant_id,
        EventType::PaymentLinkDeactivated,
        (EventEntity::PaymentLink, id.0),
        None,
        work,
        now,
    )?;
    Ok(link)
}
