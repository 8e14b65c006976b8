//! What happens at a later time: calls to networks and to endpoints, what came of them, callbacks.

use domain::decision::command::Command;
use domain::kernel::names::Mode;
use domain::kernel::time::{minutes, seconds};
use domain::payments::check_now::CheckNow;
use domain::payments::outcome::{Heard, OutcomeSource, ProviderOutcome};
use domain::payments::record_outcome::RecordOutcome;
use kola::jobs::call_sequence::CallSequence;
use kola::jobs::dispatch::CALL;
use networks::calls::Called;

use crate::oracle::network::LEASE;
use crate::providers::ProviderEvent;
use crate::queued_command::{Origin, QueuedCommand};
use crate::rng::hash_uuid;
use crate::sim::{Sim, stream};
use crate::webhooks::{Answered, Sending};

/// Something that happens at a later time.
pub enum Scheduled {
    ProviderEvent(ProviderEvent),
    /// A process is about to call a provider.
    CallProvider(usize, u64, Box<CallSequence>),
    /// What came of a call is on its way to a process.
    Called(usize, u64, Box<CallSequence>, Called),
    /// A process is about to post a message of a webhook.
    PostMessage(usize, u64, Box<Sending>),
    /// What came of that is on its way to the process.
    MessageAnswered(usize, u64, Box<Answered>),
    /// A process records once more what came of an attempt to deliver.
    RecordAgain(usize, u64, Box<QueuedCommand>),
    /// A command is submitted, or submitted again.
    Submit(Box<QueuedCommand>),
}

/// The command with which a process hands in what came of its call; `None` where it was not made.
fn hand_in(calls: CallSequence, called: Called) -> Option<QueuedCommand> {
    match called {
        Called::Answered { outcome, heard } => {
            let (_, command) = calls.record(outcome, heard);
            Some(QueuedCommand::untagged(command, Origin::CallSequence(calls)))
        }
        Called::NotSent { gate, after, exchanges } => {
            let after = i64::try_from(after.as_micros()).unwrap_or(i64::MAX);
            let (_, command) = calls.defer(gate, after, exchanges);
            Some(QueuedCommand::untagged(command, Origin::Callback))
        }
        Called::NotAsked => None,
    }
}

impl Sim {
    /// Runs what is scheduled until a time.
    pub fn take_due(&mut self, batches: &mut [Vec<QueuedCommand>], until: i64) {
        let due = std::mem::take(&mut self.providers.state().due);
        for (at, what) in due {
            self.order += 1;
            self.scheduled.insert((at, self.order), Scheduled::ProviderEvent(what));
        }
        while let Some(entry) = self.scheduled.first_entry().filter(|entry| entry.key().0 <= until)
        {
            match entry.remove() {
                Scheduled::ProviderEvent(what) => self.outside(what, batches),
                Scheduled::CallProvider(process, incarnation, calls) => {
                    self.call(process, incarnation, *calls)
                }
                Scheduled::Called(process, incarnation, calls, called) => {
                    if self.incarnations[process] == incarnation {
                        batches[process].extend(hand_in(*calls, called));
                    }
                }
                Scheduled::PostMessage(process, incarnation, sending) => {
                    self.post_message(process, incarnation, *sending);
                }
                Scheduled::MessageAnswered(process, incarnation, answered) => {
                    let item = self.message_answered(process, incarnation, *answered);
                    batches[process].extend(item);
                }
                Scheduled::RecordAgain(process, incarnation, item) => {
                    if self.incarnations[process] == incarnation {
                        batches[process].push(*item);
                    }
                }
                Scheduled::Submit(item) => {
                    let any =
                        self.rng_for(&[stream::FOLLOW, item.tag, self.step]).below(batches.len());
                    batches[any].push(*item);
                }
            }
        }
    }

    /// A process calls a provider, if its lease still allows it.
    fn call(&mut self, process: usize, incarnation: u64, calls: CallSequence) {
        if self.incarnations[process] != incarnation {
            return;
        }
        if !calls.may_call(self.processes.now(process)) {
            self.statistics.fault("lease run out while the process slept", 1);
            return;
        }
        let execution = calls.call().request.execution_id.0;
        let reference =
            self.model.executions.get(&execution).map_or(0, |known| hash_uuid(known.reference.0));
        let numbers = self.rng_for(&[stream::PROVIDER, reference]);
        let called = match calls.call().mode {
            Mode::Sandbox => Called::answered(self.providers.call(calls.call(), numbers)),
            Mode::Test | Mode::Live => self.call_real_network(process, calls.call(), numbers),
        };
        let longest = i64::try_from(CALL.as_micros()).unwrap_or(0);
        let rate = self.fault_rates;
        let rng = self.execution_rng(execution);
        let slow = rng.chance(rate.provider / 5);
        let takes = if slow { rng.between(0, 2 * longest) } else { rng.between(0, 300_000) };
        let asleep = if rng.chance(rate.sleep) { rng.between(0, seconds(60)) } else { 0 };
        // Long enough for another process, or this one, to ask and send again meanwhile.
        let is_late = rng.chance(rate.late_answer);
        let asleep = if is_late { rng.between(LEASE, LEASE + seconds(60)) } else { asleep };
        self.statistics.fault("answer handed in after its lease", u64::from(is_late));
        self.statistics.fault("time-out of a call", u64::from(takes >= longest));
        self.statistics.fault("process sleeps before it hands an answer in", u64::from(asleep > 0));
        let called = match called {
            Called::Answered { .. } if takes >= longest => {
                Called::answered(ProviderOutcome::Unknown)
            }
            called => called,
        };
        self.schedule(
            takes.min(longest) + asleep,
            Scheduled::Called(process, incarnation, Box::new(calls), called),
        );
    }

    /// A provider calls back, or reverses its decision.
    fn outside(&mut self, what: ProviderEvent, batches: &mut [Vec<QueuedCommand>]) {
        let id = match &what {
            ProviderEvent::Callback(id)
            | ProviderEvent::Reversal(id)
            | ProviderEvent::PayerActs(id, _) => *id,
        };
        let Some(request) = self.providers.state().requests.get(&id).cloned() else { return };
        let Some(row) =
            self.environment.db.borrow().rows.executions.get(request.execution).cloned()
        else {
            return;
        };
        if matches!(what, ProviderEvent::Reversal(_)) {
            let Some(there) = request.moved_money() else { return };
            if !row.status.is_final() || self.model.recorded_movements(row.id.0) != Some(there) {
                // The product has not recorded the first decision yet: the provider reverses it later,
                // or not at all.
                let rng = self.execution_rng(row.id.0);
                let (wait, again) = (rng.between(seconds(1), minutes(5)), rng.chance(900));
                if again {
                    self.schedule(wait, Scheduled::ProviderEvent(what));
                }
                return;
            }
            self.providers.state().reverse(id);
        }
        if let ProviderEvent::PayerActs(_, pays) = what {
            if request.decided.is_some() {
                return;
            }
            self.providers.state().force(id, pays);
        }
        let outcome = self.providers.state().outcome(id);
        let any = self.execution_rng(row.id.0).below(batches.len());
        let known = self.model.executions.get(&row.id.0);
        let contract = known
            .and_then(|known| known.network_account)
            .and_then(|id| self.model.contracts.get(&id));
        if contract.is_some_and(|contract| !contract.signed) {
            // Nobody has signed it: whatever it says, the network is asked.
            let (merchant_id, execution_id) = (row.merchant_id, row.id);
            let check = CheckNow { merchant_id, execution_id, even_if_final: true };
            self.statistics.fault("callback without a signature", 1);
            batches[any].push(QueuedCommand::untagged(check, Origin::Hint));
            return;
        }
        let waiting_for = match (&outcome, contract) {
            (ProviderOutcome::Accepted, Some(_)) => request.waits_for().map(str::to_owned),
            _ => None,
        };
        batches[any].push(QueuedCommand::untagged(
            Command::RecordOutcome(RecordOutcome {
                execution_id: request.execution,
                source: OutcomeSource::Callback,
                outcome,
                heard: Heard { waiting_for, ..Heard::default() },
            }),
            Origin::Callback,
        ));
    }
}
