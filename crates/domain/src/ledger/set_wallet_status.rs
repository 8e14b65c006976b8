//! Changing the status of a wallet.

use crate::decision::event::{EventEntity, EventType};
use crate::decision::events;
use crate::decision::row::Lookup;
use crate::decision::use_case::{Context, Decision};
use crate::decision::workspace::{Loaded, RowKey, Stop, Workspace};
use crate::directory::roles::Action;
use crate::kernel::ids::WalletId;
use crate::kernel::refusal::{Refusal, Subject};
use crate::ledger::wallet::{Wallet, WalletStatus};

/// Changes the status of a wallet. It is closed only at zero, with nothing open that could credit
/// it: payments out of it hold money, collections into it are incoming, and open reviews are counted
/// on it. Whatever begins one of them changes the wallet's row, too, so that closing and beginning
/// are decided one after the other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SetWalletStatus {
    pub wallet_id: WalletId,
    pub status: WalletStatus,
}

impl Decision for SetWalletStatus {
    type Output = Wallet;

    fn action(&self) -> Option<Action> {
        Some(Action::ManageInstallation)
    }

    fn hints(&self) -> Vec<RowKey> {
        vec![Wallet::key(Lookup::Id(self.wallet_id))]
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<Wallet, Stop> {
        let Self { wallet_id: id, status } = *self;
        let wallet = work
            .get::<Wallet>(id)?
            .ok_or(Refusal::UnknownId { subject: Subject::Wallet, what: "a wallet" })?;
        if status == WalletStatus::Closed && !wallet.can_be_closed() {
            return Err(Refusal::WalletNotEmpty.into());
        }
        let wallet = Wallet { status, updated_at: context.now, ..(*wallet).clone() };
        work.put(wallet.clone());
        events::record(
            wallet.merchant_id,
            EventType::WalletStatus,
            (EventEntity::Wallet, id.0),
            Some(status.as_str().to_owned()),
            work,
            context.now,
        )?;
        Ok(wallet)
    }
}
