//! Changing a merchant.

use crate::decision::workspace::{Stop, Workspace};
use crate::directory::merchant::Merchant;
use crate::kernel::ids::MerchantId;
use crate::kernel::names::FeeBearer;
use crate::kernel::refusal::Refusal;
use crate::kernel::time::Timestamp;

/// The changes of an operator to a merchant. `None` leaves a value as it is.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct MerchantChanges {
    /// Whether it may pay out, transfer and refund.
    pub verified: Option<bool>,
    pub fee_tier: Option<String>,
    /// Who bears the fees of its checkouts.
    pub fee_bearer: Option<FeeBearer>,
}

/// Changes a merchant. The changes apply to new decisions; executions under way keep their amounts.
///
/// # Errors
/// [`Refusal::NotFound`], [`Refusal::UnknownFeeTier`].
pub fn update(
    id: MerchantId,
    changes: &MerchantChanges,
    work: &mut Workspace,
    now: Timestamp,
) -> Result<Merchant, Stop> {
    let mut merchant = (*work.get::<Merchant>(id)?.ok_or(Refusal::NotFound)?).clone();
    if let Some(tier) = changes.fee_tier.as_ref().filter(|tier| **tier != merchant.fee_tier) {
        if work.tariff.tier(tier).is_none() {
            return Err(Refusal::UnknownFeeTier.into());
        }
        merchant.fee_tier.clone_from(tier);
        merchant.fee_tier_assigned_at = Some(now);
    }
    merchant.verified = changes.verified.unwrap_or(merchant.verified);
    merchant.fee_bearer = changes.fee_bearer.unwrap_or(merchant.fee_bearer);
    // Written even if nothing else changes: a changed row is locked and compared, so that a concurrent
    // change by another process is noticed.
    merchant.updated_at = now;
    work.put(merchant.clone());
    Ok(merchant)
}
