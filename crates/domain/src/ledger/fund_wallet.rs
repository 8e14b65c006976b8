//! Crediting sandbox money to a wallet.

use crate::decision::event::{EventEntity, EventType};
use crate::decision::events;
use crate::decision::use_case::{Context, Decision};
use crate::decision::workspace::{Stop, Workspace};
use crate::directory::merchant::Merchant;
use crate::directory::roles::Action;
use crate::kernel::ids::{FundingId, WalletId};
use crate::kernel::money::Money;
use crate::kernel::names::Mode;
use crate::kernel::refusal::{Refusal, Subject};
use crate::kernel::time::ServerTime;
use crate::ledger::account::AccountKind;
use crate::ledger::funding::Funding;
use crate::ledger::post;
use crate::ledger::postings::{Leg, Postings};
use crate::ledger::wallet::{WALLET_LIMIT_MINOR, Wallet};

/// Credits sandbox money to a wallet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FundWallet {
    pub wallet_id: WalletId,
    pub amount: Money,
    /// An idempotency key.
    pub key: Option<String>,
}

impl Decision for FundWallet {
    type Output = Wallet;

    fn action(&self) -> Option<Action> {
        Some(Action::ManageInstallation)
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<Wallet, Stop> {
        fund(self.wallet_id, self.amount, self.key.as_deref(), work, context.now)
    }
}

/// Credits sandbox money to a wallet of a sandbox merchant. Repeating the request with the same key
/// changes nothing.
///
/// # Errors
/// [`Refusal::UnknownId`], [`Refusal::NotSandbox`], [`Refusal::WalletState`],
/// [`Refusal::WalletLimitExceeded`], [`Refusal::DuplicateFunding`].
fn fund(
    id: WalletId,
    amount: Money,
    key: Option<&str>,
    work: &mut Workspace,
    now: ServerTime,
) -> Result<Wallet, Stop> {
    let wallet = work
        .get::<Wallet>(id)?
        .ok_or(Refusal::UnknownId { subject: Subject::Wallet, what: "a wallet" })?;
    // Before the other checks: a repeated request is answered even if the wallet was frozen since.
    if let Some(key) = key
        && let Some(before) = work.find::<Funding>(&key.to_owned())?
    {
        let same = (before.wallet_id, before.amount) == (id, amount);
        return if same { Ok((*wallet).clone()) } else { Err(Refusal::DuplicateFunding.into()) };
    }
    let merchant = work.require::<Merchant>(wallet.merchant_id)?;
    // The money of a network's test system is no real money either.
    if merchant.mode == Mode::Live {
        return Err(Refusal::NotSandbox.into());
    }
    if !wallet.status.allows_credit() {
        return Err(Refusal::WalletState {
            subject: Subject::Wallet,
            state: wallet.status.as_str(),
        }
        .into());
    }
    if !wallet.has_capacity_for(amount.minor, WALLET_LIMIT_MINOR) {
        return Err(Refusal::WalletLimitExceeded.into());
    }
    let note = Some(format!("{amount} {}", amount.currency));
    let event = events::record(
        merchant.id,
        EventType::WalletFunded,
        (EventEntity::Wallet, id.0),
        note,
        work,
        now,
    )?;
    let postings = Postings::balanced(vec![
        Leg::system(AccountKind::Funding, merchant.id, -amount.minor, amount.currency),
        Leg::available(id, amount.minor, amount.currency),
    ])?;
    post::post(event, None, &postings, work, now)?;
    if let Some(key) = key {
        let id = FundingId(work.new_id()?);
        let (merchant_id, key) = (merchant.id, key.to_owned());
        work.put(Funding { id, merchant_id, wallet_id: wallet.id, key, amount, created_at: now });
    }
    Ok((*work.require::<Wallet>(id)?).clone())
}
