//! Answering a request for approval: approving, refusing, and what nobody answered in time.

use crate::decision::event::Actor;
use crate::decision::row::Lookup;
use crate::decision::use_case::{Context, Decision};
use crate::decision::workspace::{RowKey, Stop, Workspace};
use crate::directory::merchant::Merchant;
use crate::directory::roles::Action;
use crate::directory::use_payment_account;
use crate::kernel::ids::{ApprovalId, MerchantId};
use crate::kernel::names::Operation;
use crate::kernel::refusal::{Refusal, Refusals, Subject};
use crate::ledger::recipes::DebitFrom;
use crate::ledger::wallet::{self, Wallet};
use crate::mutant;
use crate::payments::approval::{self, Approval, ApprovalStatus};
use crate::payments::attempt::{self, NetworkPayment, ProviderAttempt, WithAttempt};
use crate::payments::checks;
use crate::payments::claim_execution;
use crate::payments::execution::Execution;
use crate::payments::gate;
use crate::payments::provider_call::ProviderCall;
use crate::payments::settle;

/// Approves a payment: it is sent, or carried out between wallets, at the price of the request. Nobody
/// approves their own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Approve {
    pub merchant_id: MerchantId,
    pub approval_id: ApprovalId,
}

/// Refuses a payment, which fails; what it held is released. Who requested it may take it back so.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refuse {
    pub merchant_id: MerchantId,
    pub approval_id: ApprovalId,
    /// Why, for who requested it.
    pub note: Option<String>,
}

/// Ends a request that nobody answered in time. The output is whether something changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ExpireApproval {
    pub approval_id: ApprovalId,
}

/// The answer, and what it led to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decided {
    pub approval: Approval,
    pub payment: WithAttempt,
    /// The provider call that this commit made due; this process holds the lease.
    pub call: Option<ProviderCall>,
}

impl Decision for Approve {
    type Output = Decided;

    fn action(&self) -> Option<Action> {
        Some(Action::ApprovePayouts)
    }

    fn hints(&self) -> Vec<RowKey> {
        hints(self.approval_id)
    }

    fn likely_keys(&self, work: &Workspace) -> Vec<RowKey> {
        likely_keys(self.approval_id, work)
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<Decided, Stop> {
        let Some(approval) =
            unanswered(self.merchant_id, self.approval_id, ApprovalStatus::Approved, work)?
        else {
            return stored(self.approval_id, work);
        };
        let (now, time) = (context.now, context.merchant_time(self.merchant_id, work)?);
        if time >= approval.expires_at() && !mutant!(ExpiredApproved) {
            return Err(not_open(ApprovalStatus::Expired).into());
        }
        let actor = work.actor();
        let is_own = is_own(&approval, actor, work)?;
        if is_own && !mutant!(OwnApproved) {
            return Err(Refusal::OwnRequest.into());
        }
        let execution = (*work.require::<Execution>(approval.execution_id)?).clone();
        check_again(&execution, work)?;
        let approval = approval.decided(ApprovalStatus::Approved, Some(actor), None, time);
        work.put(approval.clone());
        let Some(attempt) = attempt::open_attempt(&execution, work)? else {
            let execution = complete(execution, work, context)?;
            let payment = WithAttempt { execution, attempt: None };
            return Ok(Decided { approval, payment, call: None });
        };
        let payment =
            NetworkPayment { execution, attempt: ProviderAttempt { gate: None, ..attempt } };
        let deadlines = context.settings.deadlines;
        let call = claim_execution::pass_gate(payment, deadlines, work, time, now)?;
        Ok(Decided { payment: payment_of(&approval, work)?, approval, call })
    }
}

impl Decision for Refuse {
    type Output = Decided;

    fn action(&self) -> Option<Action> {
        Some(Action::PayOut)
    }

    fn hints(&self) -> Vec<RowKey> {
        hints(self.approval_id)
    }

    fn likely_keys(&self, work: &Workspace) -> Vec<RowKey> {
        likely_keys(self.approval_id, work)
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<Decided, Stop> {
        let Some(approval) =
            unanswered(self.merchant_id, self.approval_id, ApprovalStatus::Refused, work)?
        else {
            return stored(self.approval_id, work);
        };
        let actor = work.actor();
        let is_own = check_may_end(&approval, work)?;
        let what = if is_own { "it was taken back" } else { "it was not approved" };
        let message = match &self.note {
            Some(note) => format!("{what}: {note}"),
            None => what.to_owned(),
        };
        let (status, note) = (ApprovalStatus::Refused, self.note.clone());
        let approval = end(approval, (status, Some(actor), note), message, work, context)?;
        Ok(Decided { payment: payment_of(&approval, work)?, approval, call: None })
    }
}

impl Decision for ExpireApproval {
    type Output = bool;

    fn hints(&self) -> Vec<RowKey> {
        hints(self.approval_id)
    }

    fn likely_keys(&self, work: &Workspace) -> Vec<RowKey> {
        likely_keys(self.approval_id, work)
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<bool, Stop> {
        let approval = (*work.require::<Approval>(self.approval_id)?).clone();
        let time = context.merchant_time(approval.merchant_id, work)?;
        if approval.status != ApprovalStatus::Requested || time < approval.expires_at() {
            return Ok(false);
        }
        let message = "nobody approved it within 72 hours".to_owned();
        end(approval, (ApprovalStatus::Expired, None, None), message, work, context)?;
        Ok(true)
    }
}

fn hints(id: ApprovalId) -> Vec<RowKey> {
    vec![RowKey::Approval(Lookup::Id(id))]
}

fn likely_keys(id: ApprovalId, work: &Workspace) -> Vec<RowKey> {
    let Ok(Some(approval)) = work.get::<Approval>(id) else { return vec![] };
    let mut keys = vec![
        RowKey::Merchant(Lookup::Id(approval.merchant_id)),
        RowKey::Execution(Lookup::Id(approval.execution_id)),
    ];
    keys.extend(attempt::referenced_keys(approval.execution_id, work));
    keys
}

/// The merchant's request that nobody answered yet; `None` where whoever asks has given the same answer
/// before, so that a click too many says the same again.
fn unanswered(
    merchant_id: MerchantId,
    id: ApprovalId,
    answer: ApprovalStatus,
    work: &Workspace,
) -> Result<Option<Approval>, Stop> {
    let found = work.get::<Approval>(id)?.filter(|found| found.merchant_id == merchant_id);
    let approval = (*found.ok_or(Refusal::NotFound)?).clone();
    if approval.status == ApprovalStatus::Requested || mutant!(AnsweredTwice) {
        return Ok(Some(approval));
    }
    if approval.status == answer && approval.decided_by == Some(work.actor()) {
        return Ok(None);
    }
    Err(not_open(approval.status).into())
}

/// Whether the same person is behind the request and behind this actor.
fn is_own(approval: &Approval, actor: Actor, work: &Workspace) -> Result<bool, Stop> {
    Ok(approval::behind(actor, work)? == approval::behind(approval.requested_by, work)?)
}

/// Checks that whoever asks may end the request without a payment: who may request but not approve takes
/// back only what is their own. Returns whether it is.
pub(crate) fn check_may_end(approval: &Approval, work: &Workspace) -> Result<bool, Stop> {
    let may_approve = work.rights().is_none_or(|rights| rights.role.may(Action::ApprovePayouts));
    let is_own = is_own(approval, work.actor(), work)?;
    if let Some(rights) = work.rights().filter(|_| !may_approve && !is_own) {
        rights.check(Action::ApprovePayouts)?;
    }
    Ok(is_own)
}

const fn not_open(status: ApprovalStatus) -> Refusal {
    Refusal::InvalidState {
        subject: Subject::Approval,
        what: "approval",
        state: status.as_str(),
        needs: "REQUESTED",
    }
}

/// An answer that was given before.
fn stored(id: ApprovalId, work: &Workspace) -> Result<Decided, Stop> {
    let approval = (*work.require::<Approval>(id)?).clone();
    Ok(Decided { payment: payment_of(&approval, work)?, approval, call: None })
}

fn payment_of(approval: &Approval, work: &Workspace) -> Result<WithAttempt, Stop> {
    let execution = (*work.require::<Execution>(approval.execution_id)?).clone();
    let attempt = attempt::open_attempt(&execution, work)?;
    Ok(WithAttempt { execution, attempt })
}

/// Repeats the checks of the request that may have another answer by now. The money is held.
fn check_again(execution: &Execution, work: &Workspace) -> Result<(), Stop> {
    if !work.require::<Merchant>(execution.merchant_id)?.verified {
        return Err(Refusal::NotVerified.into());
    }
    let wallet = work.require::<Wallet>(approval::wallet_of(execution)?)?;
    let mut refusals = Refusals::default();
    checks::check_debit(&wallet, execution.payer, &mut refusals);
    if let Some(account) = execution.payment_account_id() {
        refusals.take(use_payment_account::usable(
            execution.merchant_id,
            account,
            Operation::Payout,
            work,
        )?);
    }
    Ok(refusals.finish()?)
}

/// Carries out a payment between wallets, or fails it where its receiver cannot be credited any more.
fn complete(
    execution: Execution,
    work: &mut Workspace,
    context: &Context<'_>,
) -> Result<Execution, Stop> {
    let (now, time) = (context.now, context.merchant_time(execution.merchant_id, work)?);
    let receiver = execution
        .counter_wallet_id()
        .ok_or_else(|| Stop::Inconsistent(format!("execution {} has no receiver", execution.id)))?;
    let receiver = work.require::<Wallet>(receiver)?;
    let from_outside = receiver.merchant_id != execution.merchant_id;
    let limit = if from_outside {
        context.settings.transfers.balance_max_minor
    } else {
        wallet::WALLET_LIMIT_MINOR
    };
    let has_room = receiver.has_capacity_for(execution.payee.minor, limit);
    if !receiver.status.allows_credit() || !has_room {
        let message = "the receiving wallet cannot be credited".to_owned();
        let execution = Execution { wallet_message: Some(message.clone()), ..execution };
        return settle::fail(execution, message, time, work, now);
    }
    let execution = settle::complete(execution, DebitFrom::Held, None, time, work, now)?;
    settle::tell_receiver(&execution, &receiver, work, now)?;
    Ok(execution)
}

/// Ends a request without a payment.
pub(crate) fn end(
    approval: Approval,
    (status, by, note): (ApprovalStatus, Option<Actor>, Option<String>),
    message: String,
    work: &mut Workspace,
    context: &Context<'_>,
) -> Result<Approval, Stop> {
    let time = context.merchant_time(approval.merchant_id, work)?;
    let execution = (*work.require::<Execution>(approval.execution_id)?).clone();
    let approval = approval.decided(status, by, note, time);
    work.put(approval.clone());
    match attempt::open_attempt(&execution, work)? {
        Some(attempt) => {
            let payment = NetworkPayment { execution, attempt };
            gate::withdraw(payment, message, time, work, context.now)?;
        }
        None => {
            settle::fail(execution, message, time, work, context.now)?;
        }
    }
    Ok(approval)
}
