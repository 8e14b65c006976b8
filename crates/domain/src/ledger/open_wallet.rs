//! Opening a wallet on first use.

use crate::decision::workspace::{Stop, Workspace};
use crate::kernel::currency::Currency;
use crate::kernel::ids::{MerchantId, WalletId};
use crate::kernel::time::ServerTime;
use crate::ledger::wallet::{Owner, Wallet, WalletStatus};

/// The owner's wallet in that currency, which is opened if there is none.
///
/// # Errors
/// None of its own.
pub fn open(
    merchant_id: MerchantId,
    owner: Owner,
    currency: Currency,
    work: &mut Workspace,
    now: ServerTime,
) -> Result<Wallet, Stop> {
    if let Some(wallet) = work.find::<Wallet>(&(owner, currency))? {
        return Ok((*wallet).clone());
    }
    let (owner_type, owner_id) = owner.parts();
    let wallet = Wallet {
        id: WalletId(work.new_id()?),
        merchant_id,
        owner_type,
        owner_id,
        currency,
        available_minor: 0,
        held_minor: 0,
        incoming_minor: 0,
        open_reviews: 0,
        status: WalletStatus::Active,
        sent_day: 0,
        sent_minor: 0,
        last_entry_id: None,
        event_count: 0,
        created_at: now,
        updated_at: now,
    };
    work.put(wallet.clone());
    Ok(wallet)
}
