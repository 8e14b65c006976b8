//! Approvals: payouts and transfers above a merchant's limit, which a second person has to approve.

use crate::api_enum;
use crate::decision::event::Actor;
use crate::decision::row::Row;
use crate::decision::workspace::{Stop, Workspace};
use crate::directory::merchant::ApiKey;
use crate::directory::merchant_limits::MerchantLimits;
use crate::kernel::checked::difference;
use crate::kernel::ids::{ApprovalId, ExecutionId, MerchantId, WalletId};
use crate::kernel::money::Money;
use crate::kernel::names::Operation;
use crate::kernel::refusal::Refusal;
use crate::kernel::time::MerchantTime;
use crate::ledger::wallet::Wallet;
use crate::mutant;
use crate::payments::attempt::{Gate, UNAPPROVED_US};
use crate::payments::execution::Execution;

api_enum! {
    ApprovalStatus {
        /// It waits for somebody. The money is held.
        Requested = "REQUESTED",
        /// Final. What became of the payment then, its execution says.
        Approved = "APPROVED",
        /// Final, and so is the execution: `FAILED`.
        Refused = "REFUSED",
        /// Nobody answered in time. Final, and so is the execution: `FAILED`.
        Expired = "EXPIRED",
    }
}

api_enum! {
    /// Which limit of the merchant a payment is above.
    ApprovalLimit {
        /// That of one payment.
        Payment = "PAYMENT",
        /// That of all payouts and transfers of a wallet in a day.
        Day = "DAY",
    }
}

/// A payment that a second person has to approve, and what became of that.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Approval {
    pub id: ApprovalId,
    pub merchant_id: MerchantId,
    pub execution_id: ExecutionId,
    pub above: ApprovalLimit,
    pub requested_by: Actor,
    pub status: ApprovalStatus,
    /// Who approved or refused it.
    pub decided_by: Option<Actor>,
    /// Why it was refused, in the words of who refused it.
    pub note: Option<String>,
    pub decided_at: Option<MerchantTime>,
    pub created_at: MerchantTime,
}

impl Row for Approval {
    type Id = ApprovalId;
    type AltKey = ExecutionId;

    fn id(&self) -> ApprovalId {
        self.id
    }

    fn alt_key(&self) -> Option<ExecutionId> {
        Some(self.execution_id)
    }
}

impl Approval {
    /// Who requested it and, once somebody has, who answered.
    pub fn people(&self) -> impl Iterator<Item = Actor> + use<> {
        [Some(self.requested_by), self.decided_by].into_iter().flatten()
    }

    /// When it expires if nobody answers.
    #[must_use]
    pub const fn expires_at(&self) -> MerchantTime {
        self.created_at.plus(UNAPPROVED_US)
    }

    /// This approval with an answer.
    #[must_use]
    pub(crate) fn decided(
        self,
        status: ApprovalStatus,
        decided_by: Option<Actor>,
        note: Option<String>,
        time: MerchantTime,
    ) -> Self {
        Self { status, decided_by, note, decided_at: Some(time), ..self }
    }
}

/// The limit that a payment of the wallet is above, if whoever asks is bound by it.
///
/// People always are, programs where the merchant says so. Who runs the installation never is.
///
/// # Errors
/// [`Stop::NotLoaded`].
pub(crate) fn limit_exceeded(
    wallet: &Wallet,
    amount: Money,
    time: MerchantTime,
    work: &Workspace,
) -> Result<Option<ApprovalLimit>, Stop> {
    let found = work.find::<MerchantLimits>(&(wallet.merchant_id, wallet.currency))?;
    let Some(limits) = found else { return Ok(None) };
    let is_bound = match work.actor() {
        Actor::User(_) => true,
        Actor::ApiKey(_) => limits.bind_api_keys,
        Actor::Operator | Actor::Network | Actor::System | Actor::Payer => false,
    };
    if !is_bound || mutant!(ApprovalSkipped) {
        return Ok(None);
    }
    Ok(exceeded(&limits, wallet, amount, time))
}

/// The limit that a payment of the wallet is above, for whoever is bound by it.
#[must_use]
pub fn exceeded(
    limits: &MerchantLimits,
    wallet: &Wallet,
    amount: Money,
    time: MerchantTime,
) -> Option<ApprovalLimit> {
    if limits.payment_minor.is_some_and(|limit| amount.minor > limit) {
        return Some(ApprovalLimit::Payment);
    }
    // A clock that was set back does not begin the day again.
    let before = if wallet.sent_day < time.day_number() { 0 } else { wallet.sent_minor };
    let of_day = before.saturating_add(amount.minor);
    let is_above =
        limits.day_minor.is_some_and(|limit| of_day > limit) && !mutant!(DayLimitIgnored);
    is_above.then_some(ApprovalLimit::Day)
}

/// Counts a payout or transfer in what its wallet sends in a day.
///
/// # Errors
/// [`Stop::NotLoaded`], [`Stop::Inconsistent`].
pub(crate) fn count(execution: &Execution, work: &mut Workspace) -> Result<(), Stop> {
    let Some((wallet, amount, day)) = counted(execution, work)? else { return Ok(()) };
    // Of a clock that was set back, the earlier day is not counted again.
    if day < wallet.sent_day {
        return Ok(());
    }
    let before = if wallet.sent_day < day { 0 } else { wallet.sent_minor };
    let sent_minor = before.checked_add(amount).ok_or(Refusal::WalletLimitExceeded)?;
    work.put(Wallet { sent_day: day, sent_minor, ..wallet });
    Ok(())
}

/// Takes a payout or transfer that failed out of what its wallet sends in a day.
///
/// # Errors
/// [`Stop::NotLoaded`], [`Stop::Inconsistent`].
pub(crate) fn uncount(execution: &Execution, work: &mut Workspace) -> Result<(), Stop> {
    let Some((wallet, amount, day)) = counted(execution, work)? else { return Ok(()) };
    if day == wallet.sent_day && !mutant!(FailedStaysCounted) {
        work.put(Wallet { sent_minor: difference(wallet.sent_minor, amount)?, ..wallet });
    }
    Ok(())
}

/// The wallet, amount and day of what counts.
fn counted(execution: &Execution, work: &Workspace) -> Result<Option<(Wallet, i64, i64)>, Stop> {
    let wallet = match (execution.operation(), execution.wallet_id()) {
        (Operation::Payout | Operation::Transfer, Some(id)) => work.require::<Wallet>(id)?,
        _ => return Ok(None),
    };
    Ok(Some(((*wallet).clone(), execution.payee.minor, execution.created_at.day_number())))
}

/// Asks for the approval of a payment, whose money is held.
///
/// # Errors
/// [`Stop::NotLoaded`], [`Stop::Inconsistent`].
pub(crate) fn request(
    execution: &Execution,
    above: ApprovalLimit,
    work: &mut Workspace,
) -> Result<(), Stop> {
    // Looked up so that later commands of the batch find it.
    if work.find::<Approval>(&execution.id)?.is_some() {
        return Err(Stop::Inconsistent(format!("execution {} is approved twice", execution.id)));
    }
    let approval = Approval {
        id: ApprovalId(work.new_id()?),
        merchant_id: execution.merchant_id,
        execution_id: execution.id,
        above,
        requested_by: work.actor(),
        status: ApprovalStatus::Requested,
        decided_by: None,
        note: None,
        decided_at: None,
        created_at: execution.created_at,
    };
    work.put(approval);
    Ok(())
}

/// Since when a payment waits to be sent: since somebody approved it, where that was needed.
///
/// # Errors
/// [`Stop::NotLoaded`].
pub(crate) fn unsent_since(
    execution: &Execution,
    gate: Option<Gate>,
    work: &Workspace,
) -> Result<MerchantTime, Stop> {
    let is_outgoing = matches!(execution.operation(), Operation::Payout | Operation::Transfer);
    if !is_outgoing || gate == Some(Gate::Approval) {
        return Ok(execution.created_at);
    }
    let approval = work.find::<Approval>(&execution.id)?;
    Ok(approval.and_then(|approval| approval.decided_at).unwrap_or(execution.created_at))
}

/// Whoever is behind a request: an API key acts for who made it, directly or by other keys. So nobody is
/// a second person by making a key.
///
/// # Errors
/// [`Stop::NotLoaded`], [`Stop::Inconsistent`].
pub(crate) fn behind(actor: Actor, work: &Workspace) -> Result<Actor, Stop> {
    match actor {
        Actor::ApiKey(id) if !mutant!(KeyIsSomebody) => {
            Ok(work.require::<ApiKey>(id)?.made_by.unwrap_or(actor))
        }
        actor => Ok(actor),
    }
}

/// The wallet that a payment takes money out of.
///
/// # Errors
/// [`Stop::Inconsistent`] for a payment that has none.
pub(crate) fn wallet_of(execution: &Execution) -> Result<WalletId, Stop> {
    execution.wallet_id().ok_or_else(|| {
        Stop::Inconsistent(format!("execution {} takes money from no wallet", execution.id))
    })
}
