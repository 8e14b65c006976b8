//! Gates: why a request is not sent yet to a real network, how long it waits, and how that ends. What
//! is behind a gate was never sent: its network is asked nothing about it, and says nothing of it.

use domain::decision::command::Output;
use domain::decision::event::Actor;
use domain::kernel::names::{Operation, Provider};
use domain::kernel::refusal::Subject;
use domain::kernel::uuids::ReferenceId;
use domain::payments::approval::ApprovalStatus;
use domain::payments::attempt::{Gate, ProviderAttempt};
use domain::payments::defer_send::DeferSend;
use domain::payments::provider_call::ProviderCall;

use super::model::{Execution, Mismatch, Model};
use super::{Observed, first, network, output};

const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;
/// How often a gate is looked at, and after which time at most where a network said when.
pub const LOOK: i64 = 10 * SECOND;
const LONGEST: i64 = 25 * SECOND;
/// How far the clocks of processes may be apart before a check is taken for one that a wrong clock has
/// put off.
const SKEW: i64 = 30 * SECOND;
/// After sending, a payment without a final word goes to review.
pub const DEADLINE: i64 = 24 * 60 * MINUTE;

/// The rows of an attempt that a batch has changed, as far as another process may have decided them.
#[derive(Clone, Copy, Debug)]
pub struct Noted {
    pub account: i64,
    pub gate: Option<Gate>,
}

impl Noted {
    pub const fn new(row: &ProviderAttempt) -> Self {
        Self { account: row.network_account_id.0, gate: row.gate }
    }
}

impl Execution {
    /// How long it may wait without being sent.
    const fn unsent_limit(&self) -> i64 {
        match self.operation {
            Operation::Collection => 15 * MINUTE,
            Operation::Payout | Operation::Transfer | Operation::Refund => 24 * 60 * MINUTE,
        }
    }

    /// Whether its gate is to be looked at: the time has come, or it is so far away that only a wrong
    /// clock can have written it.
    fn is_gate_due(&self, time: i64) -> bool {
        let to_deadline = self.deadline - time;
        let longest = 15 * MINUTE;
        let longest = if to_deadline > 0 { longest.min(to_deadline.max(SECOND)) } else { longest };
        let interval = ((time - self.created) / 2).clamp(SECOND, longest);
        self.look_at <= time || self.look_at - time > interval + SKEW
    }

    /// Whether it was never sent, and may be.
    pub const fn is_unsent(&self) -> bool {
        self.sends == 0 && !self.is_final()
    }

    /// A real network carries out one refund of a payment after the other.
    fn waits_its_turn(&self) -> Option<i64> {
        self.original.filter(|_| self.is_real && matches!(self.provider, Provider::PawaPay))
    }
}

impl Model {
    /// Why a request may not be sent now.
    pub(super) fn closed_gate(&self, id: Option<i64>, own: &Execution) -> Option<Gate> {
        if !own.is_real {
            return None;
        }
        if self.is_stopped(own) {
            return Some(Gate::Held);
        }
        let last = self.executions.get(&own.waits_its_turn()?)?.last_refund?;
        let under_way = self.executions.get(&last).is_some_and(|last| !last.is_final());
        (under_way && id != Some(last)).then_some(Gate::RefundQueue)
    }

    /// Notes that a request is sent for the first time, and with a payment which refund that is.
    pub(super) fn note_first_sending(&mut self, id: i64, own: &Execution) {
        if let Some(payment) = own.waits_its_turn() {
            self.executions.entry(payment).and_modify(|payment| payment.last_refund = Some(id));
        }
    }

    /// Ends what was never sent: nothing of it is held or awaited any more.
    pub(super) fn fail_unsent(&mut self, id: i64) -> Result<(), Mismatch> {
        self.fail(id)?;
        self.close_deadline(id);
        Ok(())
    }

    /// A process looks at the gate of a payment that was not sent.
    pub(super) fn gate_looked_at(
        &mut self,
        id: i64,
        own: &Execution,
        call: Option<&ProviderCall>,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        if own.gate == Some(Gate::Approval) {
            return match call {
                Some(call) => Err(format!("nobody has approved it, and it is sent: {call:?}")),
                None => Ok(()),
            };
        }
        let time = self.time(own.merchant, observed.now);
        let over = own.cancel_requested || time >= own.unsent_since + own.unsent_limit();
        let asked_first = self.is_asked_first(own, observed.now);
        let due = own.is_gate_due(time);
        if !due || over && !asked_first {
            if let Some(call) = call {
                return Err(format!("due {due}, over {over}, and sent: {call:?}"));
            }
            return if due { self.fail_unsent(id) } else { Ok(()) };
        }
        self.past_gate(id, own, call, over, observed)
    }

    /// What was not sent is sent, unless a gate is closed. What is `over` is only asked about.
    pub(super) fn past_gate(
        &mut self,
        id: i64,
        own: &Execution,
        call: Option<&ProviderCall>,
        over: bool,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        let time = self.time(own.merchant, observed.now);
        let mut gate = self.closed_gate(Some(id), own);
        if observed.lenient {
            // Another batch has changed the account, or ended the refund that it waits for.
            let noted = self.noted_attempts.get(&id).and_then(|noted| noted.gate);
            gate = if call.is_some() { None } else { noted.or(gate) };
        }
        if gate.is_some() {
            if let Some(call) = call {
                return Err(format!("{gate:?} is closed, and it is sent: {call:?}"));
            }
            let look_at = time + LOOK;
            self.executions.insert(id, Execution { gate, look_at, ..own.clone() });
            return Ok(());
        }
        let sent = Execution {
            gate: None,
            sends: 1,
            sent: time,
            lease: Some(observed.now + network::LEASE),
            // What is too late to be sent is asked about, and never sent.
            deadline: if over { time } else { time + DEADLINE },
            ..own.clone()
        };
        self.check_call(id, &sent, call, true, observed)?;
        self.note_first_sending(id, &sent);
        self.executions.insert(id, sent);
        Ok(())
    }

    /// A request that was not taken goes back behind its gate, unless it was sent before or is final.
    pub(super) fn deferred(
        &mut self,
        request: &DeferSend,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        if !observed.check_acceptance(vec![])? {
            return Ok(());
        }
        let id = request.execution_id.0;
        let Some(own) = self.executions.get(&id).cloned() else {
            return Err(format!("execution {id} is not known"));
        };
        let seen = output!(observed, Output::DeferSend(seen) => seen);
        if own.is_final() || request.send_count != own.sends {
            return Ok(());
        }
        // What happened in the middle of the batch was committed before, and is known here.
        let look_at =
            self.time(own.merchant, observed.now) + request.again_after_us.clamp(0, LONGEST);
        let never_sent = own.sends <= 1;
        self.executions.entry(id).and_modify(|known| {
            known.sends -= 1;
            known.lease = None;
            known.look_at = look_at;
            known.gate = never_sent.then_some(request.gate);
        });
        let waits = seen.execution.waiting_for.as_deref() == Some(request.gate.waiting_for());
        let gate = seen.attempt.as_ref().map(|attempt| attempt.gate);
        if waits && gate == Some(Some(request.gate).filter(|_| never_sent)) {
            Ok(())
        } else {
            Err(format!("never sent: {never_sent}, and put back as {seen:?}"))
        }
    }

    /// A payout or refund is taken back: at once if it was not sent, else by its network's word.
    pub(super) fn enqueued_canceled(
        &mut self,
        merchant: i64,
        reference: ReferenceId,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        let id = self.references.get(&(merchant, reference)).copied();
        let own = id.and_then(|id| self.executions.get(&id)).cloned();
        let idle = own.as_ref().is_some_and(|own| {
            let goes_out = matches!(own.operation, Operation::Payout | Operation::Refund);
            own.is_final() || !goes_out || own.provider != Provider::PawaPay
        });
        if !observed.check_acceptance(first(&[
            (own.is_none(), (Subject::Target, "not_found")),
            (idle, (Subject::Execution, "state")),
        ]))? {
            return Ok(());
        }
        let (Some(id), Some(own)) = (id, own) else { return Ok(()) };
        let seen = output!(observed, Output::CancelEnqueued(seen) => seen);
        let ends = own.is_unsent() && !self.is_asked_first(&own, observed.now);
        if let Some(approval) = self.open_approval_of(id) {
            let by = Some(Actor::Operator);
            self.approval_ended(approval, ApprovalStatus::Refused, by, observed.now)?;
        } else if own.is_unsent() {
            self.withdraw(id, observed.now)?;
        } else {
            self.executions.entry(id).and_modify(|known| known.cancel_requested = true);
        }
        if seen.execution.status.is_final() == ends {
            Ok(())
        } else {
            Err(format!("never sent: {}, and then {seen:?}", own.is_unsent()))
        }
    }
}
