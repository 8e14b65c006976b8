//! Incoming amounts: a wallet reserves capacity for each collection under way, so that it can
//! always be credited when the network reports success.

use crate::decision::workspace::{Stop, Workspace};
use crate::kernel::checked::sum;
use crate::kernel::ids::MerchantId;
use crate::kernel::money::Money;
use crate::kernel::refusal::Refusal;
use crate::kernel::time::ServerTime;
use crate::ledger::open_wallet;
use crate::ledger::wallet::{Owner, WALLET_LIMIT_MINOR, Wallet};

/// A collection starts: opens its wallet if necessary, and reserves capacity in it.
///
/// # Errors
/// [`Refusal::WalletLimitExceeded`].
pub fn begin(
    merchant_id: MerchantId,
    amount: Money,
    work: &mut Workspace,
    now: ServerTime,
) -> Result<(), Stop> {
    let wallet =
        open_wallet::open(merchant_id, Owner::Merchant(merchant_id), amount.currency, work, now)?;
    if !wallet.has_capacity_for(amount.minor, WALLET_LIMIT_MINOR) {
        return Err(Refusal::WalletLimitExceeded.into());
    }
    let incoming_minor = sum(wallet.incoming_minor, amount.minor)?;
    work.put(Wallet { incoming_minor, updated_at: now, ..wallet });
    Ok(())
}

/// A collection completed or failed: its wallet's reserved capacity is released. The network has
/// decided, so nothing here may refuse it.
///
/// # Errors
/// None of its own.
pub fn end(
    merchant_id: MerchantId,
    amount: Money,
    work: &mut Workspace,
    now: ServerTime,
) -> Result<(), Stop> {
    let wallet =
        open_wallet::open(merchant_id, Owner::Merchant(merchant_id), amount.currency, work, now)?;
    // Clamped instead of checked: a wrong figure must not keep the money from being booked. `ledger
    // verify` finds a wallet whose figure differs from its open collections.
    let incoming_minor = wallet.incoming_minor.saturating_sub(amount.minor).max(0);
    work.put(Wallet { incoming_minor, updated_at: now, ..wallet });
    Ok(())
}
