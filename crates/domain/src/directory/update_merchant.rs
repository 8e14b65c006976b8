//! Changing a merchant.

use crate::decision::use_case::{Context, Decision};
use crate::decision::workspace::{Stop, Workspace};
use crate::directory::brand::{Colour, Logo};
use crate::directory::merchant::Merchant;
use crate::directory::roles::Action;
use crate::kernel::ids::{MerchantId, NetworkAccountId};
use crate::kernel::names::{FeeBearer, Provider};
use crate::kernel::patch::Patch;
use crate::kernel::refusal::Refusal;
use crate::kernel::time::ServerTime;
use crate::network_accounts::fault::NetworkAccountFault;

/// The changes of an operator to a merchant. `None` and [`Patch::Keep`] leave a value as it is.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct MerchantChanges {
    /// Whether it may pay out, transfer and refund.
    pub verified: Option<bool>,
    pub fee_tier: Option<String>,
    /// Who bears the fees of its checkouts.
    pub fee_bearer: Option<FeeBearer>,
    /// What payers see instead of the name.
    pub display_name: Patch<String>,
    /// The colour of its pages.
    pub colour: Patch<Colour>,
    /// The logo of its pages, a PNG in Base64.
    pub logo: Patch<String>,
    /// The network accounts through which its new payments go.
    pub network_accounts: Vec<NetworkAccountId>,
    /// The networks at which the oldest account of its mode counts again.
    pub unbound_networks: Vec<Provider>,
}

/// Changes a merchant. For the operator only.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UpdateMerchant {
    pub merchant_id: MerchantId,
    pub changes: MerchantChanges,
}

impl Decision for UpdateMerchant {
    type Output = Merchant;

    fn action(&self) -> Option<Action> {
        Some(Action::ManageInstallation)
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<Merchant, Stop> {
        update(self.merchant_id, &self.changes, work, context.now)
    }
}

/// Changes a merchant. The changes apply to new decisions; executions under way keep their amounts.
///
/// # Errors
/// [`Refusal::NotFound`], [`Refusal::UnknownFeeTier`].
fn update(
    id: MerchantId,
    changes: &MerchantChanges,
    work: &mut Workspace,
    now: ServerTime,
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
    merchant.display_name = changes.display_name.clone().apply_to(merchant.display_name);
    merchant.colour = changes.colour.apply_to(merchant.colour);
    let logo = changes.logo.clone().map(|png| Logo::new(id, png, now));
    merchant.logo = logo.as_ref().map(|logo| logo.fingerprint).apply_to(merchant.logo);
    if let Patch::Set(logo) = logo {
        // Read, so that it is known whether there is a row to change.
        work.get::<Logo>(id)?;
        work.put(logo);
    }
    for network in &changes.unbound_networks {
        merchant.network_accounts = merchant.network_accounts.with(*network, None);
    }
    for account in &changes.network_accounts {
        // Among those of the sandbox, too: that one is of another mode is the better answer.
        let found = work.tariff.network_accounts.iter().find(|row| row.id == *account);
        let account = found.ok_or(NetworkAccountFault::Unknown(*account))?;
        if account.mode != merchant.mode {
            let modes =
                NetworkAccountFault::OtherMode { merchant: merchant.mode, account: account.mode };
            return Err(modes.into());
        }
        merchant.network_accounts =
            merchant.network_accounts.with(account.network, Some(account.id));
    }
    // Written even if nothing else changes: a changed row is locked and compared, so that a concurrent
    // change by another process is noticed.
    merchant.updated_at = now;
    work.put(merchant.clone());
    Ok(merchant)
}
