//! Approvals: payouts and transfers above a merchant's limit wait for a second person, with their money
//! held.

use domain::decision::command::Output;
use domain::decision::event::Actor;
use domain::directory::principal::Principal;
use domain::directory::roles::Action;
use domain::kernel::names::{Operation, Provider};
use domain::kernel::refusal::Subject;
use domain::payments::approval::ApprovalStatus;
use domain::payments::attempt::Gate;
use domain::payments::decide_approval::{Approve, Refuse};
use domain::payments::execution::ExecutionStatus;

use super::model::{Execution, Mismatch, Model};
use super::payments::{TRANSFER_FILL_LIMIT, WALLET_LIMIT, takes_credit};
use super::people::may;
use super::{Observed, Reason, first, output};

const DAY: i64 = 86_400_000_000;
/// How long somebody may take to answer.
const LASTS: i64 = 3 * DAY;
const NOT_FOUND: Reason = (Subject::Target, "not_found");
const STATE: Reason = (Subject::Approval, "state");
const ROLE: Reason = (Subject::Caller, "role");

/// The limits of a merchant in a currency, in minor units.
#[derive(Clone, Copy, Default, Debug)]
pub struct Limits {
    /// How much of a payment support may give back.
    pub support_refund: i64,
    /// What one payout or transfer, and all of a wallet's day, need nobody else for.
    pub payment: Option<i64>,
    pub day: Option<i64>,
    pub bind_api_keys: bool,
}

#[derive(Clone, Copy, Debug)]
pub struct Approval {
    pub merchant: i64,
    pub execution: i64,
    pub requested_by: Actor,
    pub status: ApprovalStatus,
    pub decided_by: Option<Actor>,
    pub created: i64,
}

impl Approval {
    pub const fn is_over(&self, time: i64) -> bool {
        time >= self.created + LASTS
    }
}

impl Execution {
    /// Whether it counts in what its wallet sends in a day: then the wallet and the day.
    const fn counted(&self) -> Option<(i64, i64)> {
        match (self.operation, self.wallet) {
            (Operation::Payout | Operation::Transfer, Some(wallet)) => {
                Some((wallet, self.created.div_euclid(DAY)))
            }
            _ => None,
        }
    }
}

impl Model {
    /// Whether a payment that is about to begin needs a second person.
    pub(super) fn needs_approval(&self, own: &Execution) -> bool {
        let Some((wallet, day)) = own.counted() else { return false };
        let key = (own.merchant, own.wallet_currency);
        let Some(limits) = self.people.limits.get(&key) else { return false };
        let is_bound = match self.people.actor {
            Some(Actor::User(_)) => true,
            Some(Actor::ApiKey(_)) => limits.bind_api_keys,
            _ => false,
        };
        let amount = own.figures.payee;
        let last = self.wallets.get(&wallet).map_or(0, |wallet| wallet.sent_day);
        let before = if last < day { 0 } else { self.sent_on(wallet, last) };
        is_bound
            && (limits.payment.is_some_and(|most| amount > most)
                || limits.day.is_some_and(|most| before + amount > most))
    }

    /// What the payouts and transfers of a wallet's day take to their receivers.
    pub fn sent_on(&self, wallet: i64, day: i64) -> i64 {
        self.sent.get(&(wallet, day)).copied().unwrap_or(0)
    }

    /// A payout or transfer is under way or done.
    pub(super) fn count_sent(&mut self, own: &Execution) {
        let Some((wallet, day)) = own.counted() else { return };
        *self.sent.entry((wallet, day)).or_default() += own.figures.payee;
        self.wallets.entry(wallet).and_modify(|wallet| wallet.sent_day = wallet.sent_day.max(day));
    }

    /// A payout or transfer has failed.
    pub(super) fn uncount_sent(&mut self, own: &Execution) {
        if let Some((wallet, day)) = own.counted() {
            *self.sent.entry((wallet, day)).or_default() -= own.figures.payee;
        }
    }

    /// A payment waits for somebody else than who asked for it.
    pub(super) fn approval_requested(&mut self, id: i64, own: &Execution) -> Result<(), Mismatch> {
        let made = self.noted_approvals.remove(&id);
        let made = made.ok_or_else(|| format!("nobody is asked to approve {id}"))?;
        let approval = Approval {
            merchant: own.merchant,
            execution: id,
            requested_by: self.people.actor.unwrap_or(Actor::System),
            status: ApprovalStatus::Requested,
            decided_by: None,
            created: own.created,
        };
        self.approvals.insert(made, approval);
        self.approval_list.push(made);
        Ok(())
    }

    /// Who is behind somebody: of a key, whoever made it.
    pub fn behind(&self, actor: Actor) -> Actor {
        match actor {
            Actor::ApiKey(id) => {
                self.people.keys.get(&id.0).and_then(|key| key.made_by).unwrap_or(actor)
            }
            other => other,
        }
    }

    pub(super) fn approved(
        &mut self,
        request: &Approve,
        by: Principal,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        let (merchant, id) = (request.merchant_id.0, request.approval_id.0);
        let known = self.approvals.get(&id).filter(|known| known.merchant == merchant).copied();
        let time = self.time(merchant, observed.now);
        let actor = by.actor();
        let again = known.is_some_and(|known| {
            known.status == ApprovalStatus::Approved && known.decided_by == Some(actor)
        });
        let is = |holds: bool| holds && !again;
        let mut refused = first(&[
            (known.is_none(), NOT_FOUND),
            (is(known.is_some_and(|one| one.status != ApprovalStatus::Requested)), STATE),
            (is(known.is_some_and(|one| one.is_over(time))), STATE),
            (
                is(known.is_some_and(|one| self.behind(one.requested_by) == self.behind(actor))),
                ROLE,
            ),
            (is(!self.merchant(merchant).verified), (Subject::Caller, "not_verified")),
        ]);
        let own = known.and_then(|known| self.executions.get(&known.execution)).cloned();
        if let (true, false, Some(own)) = (refused.is_empty(), again, &own) {
            refused.extend(self.reasons_against_sending(own));
        }
        if !observed.check_acceptance(refused)? || again {
            return Ok(());
        }
        let (Some(known), Some(own)) = (known, own) else { return Ok(()) };
        let seen = output!(observed, Output::Approve(seen) => seen);
        self.approvals.entry(id).and_modify(|one| {
            (one.status, one.decided_by) = (ApprovalStatus::Approved, Some(actor));
        });
        if own.provider != Provider::Platform {
            let own = Execution { gate: None, unsent_since: time, ..own };
            return self.past_gate(known.execution, &own, seen.call.as_ref(), false, observed);
        }
        let receiver = own.other_wallet.and_then(|id| self.wallets.get(&id));
        let fits = receiver.is_some_and(|receiver| {
            let is_own = receiver.merchant == own.merchant;
            let most = if is_own { WALLET_LIMIT } else { TRANSFER_FILL_LIMIT };
            takes_credit(receiver.status) && !receiver.is_filled_by(own.figures.payee, most)
        });
        let has_failed = seen.payment.execution.status == ExecutionStatus::Failed;
        if has_failed && (!fits || observed.overlapped) {
            return self.fail(known.execution);
        }
        self.complete(known.execution, true)?;
        if has_failed { Err(format!("approved, and failed: {seen:?}")) } else { Ok(()) }
    }

    /// Why a payment that was approved must not begin now.
    fn reasons_against_sending(&self, own: &Execution) -> Vec<Reason> {
        let wallet = own.wallet.and_then(|id| self.wallets.get(&id));
        let is_closed = wallet.is_none_or(|wallet| !wallet.status.allows_debit());
        let mut refused = first(&[(is_closed, (Subject::Wallet, "wallet"))]);
        if let Some(account) = own.account {
            refused.extend(self.reasons_against_account(own.merchant, account, Operation::Payout));
        }
        refused
    }

    pub(super) fn approval_refused(
        &mut self,
        request: &Refuse,
        by: Principal,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        let (merchant, id) = (request.merchant_id.0, request.approval_id.0);
        let known = self.approvals.get(&id).filter(|known| known.merchant == merchant).copied();
        let actor = by.actor();
        let again = known.is_some_and(|known| {
            known.status == ApprovalStatus::Refused && known.decided_by == Some(actor)
        });
        let is_own =
            known.is_some_and(|known| self.behind(known.requested_by) == self.behind(actor));
        let asking = self.people.asking.as_ref();
        let may_answer = asking.is_none_or(|rights| may(rights.role, Action::ApprovePayouts));
        let is_done = known.is_some_and(|known| known.status != ApprovalStatus::Requested);
        let refused = first(&[
            (known.is_none(), NOT_FOUND),
            (is_done && !again, STATE),
            (!is_own && !may_answer && !again, ROLE),
        ]);
        if observed.check_acceptance(refused)? && !again {
            self.approval_ended(id, ApprovalStatus::Refused, Some(actor), observed.now)?;
        }
        Ok(())
    }

    pub(super) fn approval_expired(
        &mut self,
        id: i64,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        if !observed.check_acceptance(vec![])? {
            return Ok(());
        }
        let Some(known) = self.approvals.get(&id).copied() else {
            return Err(format!("approval {id} is not known"));
        };
        let time = self.time(known.merchant, observed.now);
        let is_due = known.status == ApprovalStatus::Requested && known.is_over(time);
        let has_ended = output!(observed, Output::ExpireApproval(changed) => changed);
        if has_ended {
            self.approval_ended(id, ApprovalStatus::Expired, None, observed.now)?;
        }
        if has_ended == is_due || observed.overlapped {
            Ok(())
        } else {
            Err(format!("ended: {has_ended}, and due: {is_due}: {known:?}"))
        }
    }

    /// Nobody pays what was not approved. Where its network may know it from before a backup was put
    /// back, that is asked first.
    pub(super) fn approval_ended(
        &mut self,
        id: i64,
        status: ApprovalStatus,
        by: Option<Actor>,
        now: i64,
    ) -> Result<(), Mismatch> {
        let Some(known) = self.approvals.get_mut(&id) else {
            return Err(format!("approval {id} is not known"));
        };
        (known.status, known.decided_by) = (status, by);
        let execution = known.execution;
        self.withdraw(execution, now)
    }

    /// Ends what was never sent, or has its network asked first.
    pub(super) fn withdraw(&mut self, execution: i64, now: i64) -> Result<(), Mismatch> {
        let own = self.executions.get(&execution);
        let own = own.ok_or_else(|| format!("execution {execution} is not known"))?;
        if !self.is_asked_first(own, now) {
            return self.fail_unsent(execution);
        }
        let look_at = self.time(own.merchant, now);
        self.executions.entry(execution).and_modify(|own| {
            (own.gate, own.look_at, own.cancel_requested) = (Some(Gate::Held), look_at, true);
        });
        Ok(())
    }

    /// The request for the approval of a payment, if one is open.
    pub(super) fn open_approval_of(&self, execution: i64) -> Option<i64> {
        let is_of = |id: &&i64| {
            self.approvals.get(id).is_some_and(|known| {
                known.execution == execution && known.status == ApprovalStatus::Requested
            })
        };
        self.approval_list.iter().rev().find(is_of).copied()
    }
}
