//! What comes of batches: the oracle is told, the rows are checked, and who waits goes on.

use domain::decision::command::{Command, Output};
use domain::exceptions::review::{Resolution, ReviewKind};
use domain::kernel::ids::{ExecutionId, MerchantId};
use domain::kernel::names::Operation;
use domain::kernel::time::{minutes, seconds};
use domain::ledger::account::AccountKind;
use domain::payments::execute::{Execute, OperationDetails};
use domain::payments::execution::ExecutionStatus;
use domain::payments::outcome::ProviderOutcome;
use kola::engine::{Failure, Outcome};
use kola::jobs::call_sequence::{CallSequence, Next};
use kola::jobs::poll;

use crate::checks::{Checked, Violation, rule};
use crate::compare;
use crate::describe;
use crate::item::{Item, Origin};
use crate::net::Done;
use crate::networks::Outside;
use crate::oracle::Told;
use crate::plan::Fault;
use crate::rng::name_of;
use crate::sim::{Later, Sim};

impl Sim {
    /// Takes in a batch: the oracle is told, the rows are checked, and who waits goes on.
    pub fn take_in(&mut self, done: Done, soft: u64) -> Checked {
        let Done { process, now, items, mut outcomes, commits, nested, crashed, faults } = done;
        for (spot, fault) in faults.iter().filter(|(_, fault)| *fault != Fault::InOutage) {
            self.tell(|| {
                format!(
                    "p{process} {} ({} {})",
                    describe::fault(*fault),
                    describe::call(spot.call),
                    spot.nth
                )
            });
        }
        let acknowledged = outcomes.iter().any(Result::is_ok);
        rule(!acknowledged || !commits.is_empty(), "acknowledged before it was committed", || {
            format!("{:?}", items[0].command)
        })?;
        compare::take_fresh(&mut self.books, &commits);
        compare::take_deadlines(&mut self.books, &commits);
        for (item, outcome) in items.iter().zip(&mut outcomes) {
            let read = *outcome == Err(Failure::Unknown) && !commits.is_empty();
            if read {
                *outcome = compare::find_out(&item.command, &commits, &self.net.db.borrow().rows);
            }
            let creates =
                matches!(item.command, Command::CreateSession(..) | Command::CreateCheckout(..));
            let overlapped = nested > 0;
            let told = Told {
                outcome,
                now: now.0,
                overlapped,
                lenient: overlapped && (creates || self.books.soft != soft),
                read,
            };
            self.note(process, item, outcome);
            self.tally.command(&item.command, kind_of(outcome));
            self.books.told(&item.command, told).map_err(|what| Violation {
                check: oracle_check(&item.command),
                what: format!("{}: {what}", describe::command(&item.command)),
            })?;
            self.tally_special(&item.command, outcome);
            if let (Some(names), Ok(answer)) = (&mut self.names, &*outcome) {
                names.made(item.tag, answer);
            }
            compare::exists(outcome, &self.net.db.borrow().rows)?;
            if let (Ok(Output::Merchant(merchant, _)), false) =
                (&*outcome, self.merchants.len() > 4)
            {
                self.merchants.push(merchant.id.0);
            }
        }
        if let Some(names) = &mut self.names {
            names.followed(&commits);
        }
        compare::rows(&mut self.books, &commits)?;
        for commit in commits {
            self.checks.observe(commit, &self.net.db.borrow().rows)?;
        }
        if crashed {
            self.lives[process] += 1;
        }
        for (item, outcome) in items.into_iter().zip(outcomes) {
            if let (Command::ResolveReview(id, how, _), Ok(_)) = (&item.command, &outcome) {
                self.resolved(id.0, *how);
            }
            let outcome = if crashed { Err(Failure::Unknown) } else { outcome };
            self.follow(process, item, outcome);
        }
        Ok(())
    }

    /// Money that an operator sends back leaves the provider; what an operator says of a payment
    /// holds there too.
    fn resolved(&mut self, review: i64, how: Resolution) {
        let Some(key) = self.books.review_ids.get(&review).copied() else { return };
        let (Some(review), Some(known)) =
            (self.books.reviews.get(&key), self.books.executions.get(&key.0))
        else {
            return;
        };
        let mut networks = self.door.inside();
        match how {
            Resolution::ToPayer => {
                if let Some(kind) = AccountKind::clearing(known.provider) {
                    let money = domain::kernel::money::Money::new(review.amount, review.currency);
                    networks.give_back(ExecutionId(key.0), MerchantId(known.merchant), kind, money);
                }
            }
            Resolution::Completed | Resolution::Failed => {
                let open = networks
                    .requests
                    .get(&known.request)
                    .is_some_and(|request| request.decided.is_none());
                if open {
                    networks.force(&known.request, how == Resolution::Completed);
                }
            }
            Resolution::ToWallet => {}
        }
    }

    /// Who waits for an outcome goes on.
    pub fn follow(&mut self, process: usize, item: Item, outcome: Outcome) {
        let life = self.lives[process];
        let undone = matches!(
            outcome,
            Err(Failure::Unavailable(_) | Failure::Overloaded | Failure::Unknown)
        );
        match item.origin {
            Origin::Client(tries) => {
                self.try_again(item, tries, undone);
                if let Ok(Output::Executed(executed)) = outcome
                    && let Some(job) = executed.call
                {
                    self.start(process, life, CallSequence::new(job));
                }
            }
            Origin::CallSequence(calls) => {
                if let Next::Call(next) = calls.next(outcome) {
                    self.start(process, life, next);
                }
            }
            Origin::Claim => {
                if let Ok(Some(job)) = poll::granted(outcome) {
                    self.start(process, life, CallSequence::new(job));
                }
            }
            Origin::Callback => {
                if let (true, Command::RecordOutcome(id, _)) = (undone, &item.command) {
                    self.say_again(*id);
                }
            }
            Origin::Sweep => {}
            Origin::Try(request, right) => self.tried(request, right, item.tag, &outcome),
            Origin::Right(request) => {
                if outcome.is_ok() {
                    self.give(verified(request), item.tag);
                }
            }
            Origin::Payer(id) => self.acted(id, &outcome),
        }
    }

    /// Whether a client asks again, who has no answer.
    fn try_again(&mut self, item: Item, tries: u32, undone: bool) {
        let mut rng = self.numbers_after(item.tag, tries);
        let lost =
            matches!(item.command, Command::Execute(_)) && rng.chance(self.faults.lost_answer);
        // A server draws a new name for each key, and an operator looks at a wallet anew.
        let once = matches!(
            item.command,
            Command::CreateApiKey(..) | Command::CreateMerchant(_) | Command::SetWalletStatus(..)
        );
        self.tally.fault("answer lost on its way to a client", u64::from(lost));
        if (lost || undone && rng.chance(700)) && tries < 3 && !once {
            self.tally.fault("client asks again", 1);
            let wait = rng.between(0, seconds(20));
            self.later(
                wait,
                Later::Give(Box::new(Item { origin: Origin::Client(tries + 1), ..item })),
            );
        }
    }

    /// Now and then a process sleeps for longer than its lease.
    fn start(&mut self, process: usize, life: u64, calls: CallSequence) {
        let rate = self.faults.sleep;
        let rng = self.numbers_of(calls.call().request.execution_id.0);
        let sleeps = rng.chance(rate);
        let wait = if sleeps { rng.between(0, seconds(40)) } else { rng.between(0, 20_000) };
        self.tally.fault("process sleeps before it calls", u64::from(sleeps));
        self.later(wait, Later::Start(process, life, Box::new(calls)));
    }

    fn give(&mut self, command: Command, tag: u64) {
        self.later(0, Later::Give(Box::new(Item { command, origin: Origin::Client(0), tag })));
    }

    fn say_again(&mut self, id: ExecutionId) {
        if let Some(known) = self.books.executions.get(&id.0) {
            let request = known.request.clone();
            let wait = self.numbers_of(id.0).between(seconds(1), minutes(1));
            self.later(wait, Later::Outside(Outside::Says(request)));
        }
    }

    /// A try was reserved: it is compared, and what came of it written down. Now and then the
    /// process dies before.
    fn tried(&mut self, request: Execute, right: bool, tag: u64, outcome: &Outcome) {
        match outcome {
            Ok(Output::Passcode(None)) => self.give(Command::Execute(request), tag),
            Ok(Output::Passcode(Some(attempt))) => {
                if self.numbers_after(name_of(&request.reference_id), 0).chance(50) {
                    self.tally.fault("process dies while it compares a passcode", 1);
                    return;
                }
                let command =
                    Command::FinishPasscodeAttempt(request.merchant_id, attempt.id, right);
                let origin = if right { Origin::Right(request) } else { Origin::Client(0) };
                self.later(0, Later::Give(Box::new(Item { command, origin, tag })));
            }
            _ => {}
        }
    }

    /// What is worth counting apart: keys that were used again, words that came too late.
    fn tally_special(&mut self, command: &Command, outcome: &Outcome) {
        let what = match (command, outcome) {
            (Command::Execute(_), Ok(Output::Executed(done))) if done.replayed => {
                "key used again, same body"
            }
            (Command::Execute(_), Ok(Output::Executed(done)))
                if done.execution.operation == Operation::Refund
                    && done.execution.gateway_message.is_some() =>
            {
                "refund that has no room any more"
            }
            (Command::Execute(_), Err(Failure::Refused(reasons))) => {
                let is = |kind: &str| reasons.iter().any(|reason| reason.kind() == kind);
                match (is("value_error.duplicate"), is("value_error.expired")) {
                    (true, _) => "key used again, another body",
                    (false, true) => "session expired",
                    (false, false) => return,
                }
            }
            (
                Command::RecordOutcome(id, ProviderOutcome::Succeeded { .. }),
                Ok(Output::Settled(done)),
            ) => {
                let after =
                    done.execution.completed_at.is_some_and(|at| at >= done.execution.deadline_at);
                match (
                    after,
                    self.books.reviews.contains_key(&(id.0, ReviewKind::SuccessAfterFailure)),
                ) {
                    (true, _) => "success after the deadline",
                    (false, true) => "success after failure",
                    (false, false) => return,
                }
            }
            _ => return,
        };
        self.tally.fault(what, 1);
    }

    /// What a card's payer did holds at the provider too, unless it had decided before: then it
    /// says so.
    fn acted(&mut self, id: ExecutionId, outcome: &Outcome) {
        let row = self.net.db.borrow().rows.executions.get(id).cloned();
        let (Ok(Output::Settled(_)) | Err(Failure::Unknown), Some(row)) = (outcome, row) else {
            return;
        };
        let mut networks = self.door.inside();
        let open = networks
            .requests
            .get(&row.provider_request_id)
            .is_some_and(|request| request.decided.is_none());
        if open && row.status.is_final() {
            networks.force(&row.provider_request_id, row.status == ExecutionStatus::Completed);
        }
        drop(networks);
        if !open {
            self.say_again(id);
        }
    }
}

/// The payout of a request whose passcode was right.
fn verified(request: Execute) -> Command {
    let details = match request.details {
        OperationDetails::Payout { account_id, .. } => {
            OperationDetails::Payout { account_id, passcode_verified: true }
        }
        other => other,
    };
    Command::Execute(Execute { details, ..request })
}

const fn kind_of(outcome: &Outcome) -> &'static str {
    match outcome {
        Ok(_) => "accepted",
        Err(Failure::Refused(_)) => "refused",
        Err(Failure::Unknown) => "unknown",
        Err(Failure::Unavailable(_) | Failure::Overloaded) => "unavailable",
        Err(Failure::Internal(_)) => "faults",
    }
}

const fn oracle_check(command: &Command) -> &'static str {
    match command {
        Command::Execute(_) => "oracle: execute",
        Command::RecordOutcome(..) => "oracle: a provider's word",
        Command::ClaimExecution(_) => "oracle: claim",
        Command::CreateSession(..) => "oracle: declare",
        Command::CancelSession(..) | Command::ExpireSession(_) => "oracle: end of a session",
        Command::ResolveReview(..) => "oracle: review",
        Command::AuthenticateCard(..) => "oracle: authenticate",
        Command::FundWallet(..) | Command::SetWalletStatus(..) => "oracle: wallet",
        Command::ReservePasscodeAttempt(..)
        | Command::FinishPasscodeAttempt(..)
        | Command::ReservePasscodeChange(..) => "oracle: passcode",
        Command::ReplacePasscode(..) | Command::SetPasscode(..) | Command::UnlockPasscode(_) => {
            "oracle: passcode"
        }
        _ => "oracle: shop",
    }
}
