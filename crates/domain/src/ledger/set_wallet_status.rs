//! Changing the status of a wallet.

use crate::decision::event::{EventEntity, EventType};
use crate::decision::events;
use crate::decision::use_case::{Context, Decision};
use crate::decision::workspace::{Stop, Workspace};
use crate::kernel::ids::WalletId;
use crate::kernel::refusal::{Refusal, Subject};
use crate::kernel::time::ServerTime;
use crate::ledger::wallet::{Wallet, WalletStatus};

/// Changes the status of a wallet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SetWalletStatus {
    pub wallet_id: WalletId,
    pub status: WalletStatus,
    /// Whether something is under way that could still credit the wallet.
    pub open_credits: bool,
}

impl Decision for SetWalletStatus {
    type Output = Wallet;

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<Wallet, Stop> {
        set_status(self.wallet_id, self.status, self.open_credits, work, context.now)
    }
}

/// Changes the status of a wallet. `open_credits` says whether something is under way that could still
/// credit it: such a wallet cannot be closed.
///
/// # Errors
/// [`Refusal::UnknownId`], [`Refusal::WalletNotEmpty`].
fn set_status(
    id: WalletId,
    status: WalletStatus,
    open_credits: bool,
    work: &mut Workspace,
    now: ServerTime,
) -> Result<Wallet, Stop> {
    let wallet = work
        .get::<Wallet>(id)?
        .ok_or(Refusal::UnknownId { subject: Subject::Wallet, what: "a wallet" })?;
    let empty = wallet.available_minor == 0
        && wallet.held_minor == 0
        && wallet.incoming_minor == 0
        && !open_credits;
    if status == WalletStatus::Closed && !empty {
        return Err(Refusal::WalletNotEmpty.into());
    }
    let wallet = Wallet { status, updated_at: now, ..(*wallet).clone() };
    work.put(wallet.clone());
    let note = Some(status.as_str().to_owned());
    events::record(
        wallet.merchant_id,
        EventType::WalletStatus,
        (EventEntity::Wallet, id.0),
        note,
        work,
        now,
    )?;
    Ok(wallet)
}
