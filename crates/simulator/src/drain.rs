//! The end of a run: no more requests and no more faults. Everything that is open must settle.

use std::collections::BTreeSet;

use domain::decision::command::Command;
use domain::exceptions::resolve_review::ResolveReview;
use domain::exceptions::review::Resolution;
use domain::kernel::ids::ExecutionId;
use domain::kernel::time::seconds;
use domain::kernel::uuids::NetworkRequestId;
use domain::ledger::batch_chain::LEASE_US;
use domain::network_accounts::change_account::{AccountChange, ChangeNetworkAccount};
use domain::payments::attempt::MAX_CLOCK_SKEW_US;
use domain::payments::claim_execution::ClaimExecution;
use domain::payments::decide_approval::ExpireApproval;
use domain::payments::outcome::{Heard, OutcomeSource};
use domain::payments::record_outcome::RecordOutcome;
use domain::webhooks::resend::ResendDeliveries;

use crate::checks::{CheckResult, Violation, rule};
use crate::clients::network_accounts;
use crate::compare;
use crate::contracts::{ACCOUNTS, CALLS_PER_SECOND};
use crate::faults::FaultRates;
use crate::queued_command::{Origin, QueuedCommand};
use crate::sim::Sim;

/// Everything must be settled after so many rounds without requests and faults.
const MAX_ROUNDS: usize = 20_000;
/// And everybody must be told after so many more.
const MAX_WEBHOOK_ROUNDS: usize = 200_000;

impl Sim {
    /// Runs without new requests and without faults until nothing is open, then checks that the
    /// money is where the model says.
    pub fn drain(&mut self) -> CheckResult {
        self.fault_rates = FaultRates::default();
        self.environment.fault_rates.set(self.fault_rates);
        *self.environment.planned_faults.borrow_mut() = None;
        self.environment.away_until.set(0);
        for process in 0..self.processes.count() {
            self.processes.skew(process, 0);
        }
        self.real_networks.recover();
        self.reconcile_early()?;
        let mut reported = BTreeSet::new();
        let mut idle = true;
        for round in 0..MAX_ROUNDS {
            self.now = self.next_time();
            self.begin();
            // Both of what follows go through all rows, so they are not done in each round.
            let thorough = idle || round.is_multiple_of(32);
            if thorough {
                self.providers.state().decide_everything();
            }
            let mut batches: Vec<Vec<QueuedCommand>> =
                (0..self.processes.count()).map(|_| vec![]).collect();
            self.take_due(&mut batches, i64::MAX);
            let now = self.processes.now(0).0;
            for (id, _) in self.environment.db.borrow().due_executions(now, 100) {
                batches[0].push(QueuedCommand::untagged(
                    ClaimExecution { execution_id: id },
                    Origin::Claim,
                ));
            }
            batches[0].extend(self.approvals_to_end(now));
            idle = batches.iter().all(Vec::is_empty) && self.scheduled.is_empty();
            if idle || thorough {
                batches[0].extend(self.reviews_to_resolve());
                batches[0].extend(self.accounts_to_resume());
            }
            if idle && batches.iter().all(Vec::is_empty) {
                batches[0].extend(self.statement(&mut reported));
            }
            let over = batches.iter().all(Vec::is_empty) && idle;
            self.run(
                batches.into_iter().enumerate().filter(|(_, items)| !items.is_empty()).collect(),
            )?;
            let db = self.environment.db.borrow();
            if over && db.next_due().is_none() && db.next_approval().is_none() {
                break;
            }
        }
        self.check_everything()?;
        compare::all_settled(&self.environment.db.borrow().rows)?;
        let cleared = self.checks.cleared(&self.environment.db.borrow().rows);
        for (id, moved) in &self.providers.state().moved {
            let booked = -cleared.get(id).copied().unwrap_or(0);
            rule(booked == *moved, "clearing is not what providers hold", || {
                let row = self.environment.db.borrow().rows.executions.get(id.0).cloned();
                format!("{moved} is there, {booked} is booked of {row:?}")
            })?;
        }
        compare::clearing(&self.environment.db.borrow().rows, &self.providers.state().held)?;
        self.drain_webhooks()?;
        self.reconcile()?;
        self.chain_all()?;
        self.check_everything()
    }

    /// Runs the jobs of webhooks until everybody has been told of what happened, or cannot be. What was
    /// given up is recovered once. So an endpoint that never takes anything fails for five days.
    fn drain_webhooks(&mut self) -> CheckResult {
        self.delivery_jobs.receivers.settle();
        let mut is_recovered = false;
        for round in 0..MAX_WEBHOOK_ROUNDS {
            self.now = self.next_webhook_time();
            self.begin();
            let mut batches: Vec<Vec<QueuedCommand>> =
                (0..self.processes.count()).map(|_| vec![]).collect();
            self.take_due(&mut batches, self.now);
            let process = round % batches.len();
            batches[process].extend(self.fan_out(process));
            batches[process].extend(self.claim_deliveries(process));
            let is_open = {
                let db = self.environment.db.borrow();
                db.has_new_messages() || db.next_delivery().is_some()
            };
            if !is_open && batches.iter().all(Vec::is_empty) && self.scheduled.is_empty() {
                if is_recovered {
                    break;
                }
                is_recovered = true;
                batches[process].extend(self.deliveries_to_recover());
            }
            self.run(
                batches.into_iter().enumerate().filter(|(_, items)| !items.is_empty()).collect(),
            )?;
        }
        self.chain_all()?;
        self.check_everything()?;
        let told = self.model.webhooks.all_told();
        told.map_err(|what| Violation { check: "oracle: everybody is told", what })
    }

    /// Chains all batches.
    fn chain_all(&mut self) -> CheckResult {
        for _ in 0..MAX_ROUNDS {
            // The lease may have been given by a clock that was ahead.
            self.now += LEASE_US + MAX_CLOCK_SKEW_US;
            self.begin();
            let Some(item) = self.batches_to_chain(0) else { break };
            self.run(vec![(0, vec![item])])?;
        }
        self.checks.all_chained(&self.environment.db.borrow().rows)
    }

    /// When the next attempt ends or the next delivery falls due. What is due and waits for an endpoint
    /// that is left alone is looked at again a little later.
    fn next_webhook_time(&self) -> i64 {
        let ended = self.scheduled.first_key_value().map(|((at, _), _)| *at);
        let due = self.environment.db.borrow().next_delivery();
        let due = due.map(|at| if at > self.now { at } else { self.now + seconds(10) });
        ended.into_iter().chain(due).min().unwrap_or(self.now + seconds(1)).max(self.now)
    }

    fn deliveries_to_recover(&self) -> Vec<QueuedCommand> {
        let dead = self.model.webhooks.dead_deliveries().into_iter();
        let item = |(merchant, ids)| {
            let command = ResendDeliveries { merchant_id: merchant, ids, even_delivered: false };
            QueuedCommand::untagged(command, Origin::Client(9))
        };
        dead.map(item).collect()
    }

    /// Nobody answers any more.
    fn approvals_to_end(&self, now: i64) -> Vec<QueuedCommand> {
        let ids = self.environment.db.borrow().due_approvals(now, 100).into_iter();
        let end =
            |approval_id| QueuedCommand::untagged(ExpireApproval { approval_id }, Origin::Sweep);
        ids.map(end).collect()
    }

    /// The time of the next scheduled event or due execution or approval; in two seconds where there is
    /// none.
    fn next_time(&self) -> i64 {
        let later = self.scheduled.first_key_value().map(|((at, _), _)| *at);
        let db = self.environment.db.borrow();
        let due = db.next_due().into_iter().chain(db.next_approval());
        let next = later.into_iter().chain(due).min().unwrap_or(0);
        if next > self.now { next } else { self.now + seconds(2) }
    }

    /// The provider's statement: outcomes that differ from what is booked, because a callback was
    /// lost. Each is reported once.
    fn statement(&self, reported: &mut BTreeSet<NetworkRequestId>) -> Vec<QueuedCommand> {
        let db = self.environment.db.borrow();
        let is_final =
            |id: ExecutionId| db.rows.executions.get(id).is_some_and(|row| row.status.is_final());
        let booked = |id: ExecutionId| self.model.recorded_movements(id.0).filter(|_| is_final(id));
        let mut providers = self.providers.state();
        let mut items = vec![];
        for id in providers.unreported(booked).into_iter().filter(|id| reported.insert(*id)) {
            let outcome = providers.outcome(id);
            items.extend(providers.requests.get(&id).map(|request| {
                QueuedCommand::untagged(
                    Command::RecordOutcome(RecordOutcome {
                        execution_id: request.execution,
                        source: OutcomeSource::Callback,
                        outcome,
                        heard: Heard::default(),
                    }),
                    Origin::Callback,
                )
            }));
        }
        items
    }

    /// Operators let payments go again, and as many calls a second as at the beginning: where questions
    /// alone use a limit up, what has to be sent again may never have its turn.
    fn accounts_to_resume(&self) -> Vec<QueuedCommand> {
        let mut items = vec![];
        for (account_id, network, _) in ACCOUNTS {
            let Some(known) = self.model.contracts.get(&account_id.0) else { continue };
            let changes = [
                known.held.then_some(AccountChange::Resume),
                (known.calls_per_second < CALLS_PER_SECOND)
                    .then_some(AccountChange::CallsPerSecond(CALLS_PER_SECOND)),
            ];
            for change in changes.into_iter().flatten() {
                let command =
                    Command::ChangeNetworkAccount(ChangeNetworkAccount { account_id, change });
                items.push(QueuedCommand::untagged(command, Origin::Client(9)));
            }
            if known.refused.is_some() {
                let command = network_accounts::new_secret(account_id, network);
                items.push(QueuedCommand::untagged(command, Origin::Client(9)));
            }
        }
        items
    }

    fn reviews_to_resolve(&self) -> Vec<QueuedCommand> {
        let open = self.model.review_ids.iter().filter(|(_, key)| {
            self.model.reviews.get(key).is_some_and(|review| review.open)
                && key.1 != domain::exceptions::review::ReviewKind::DeadlinePassed
        });
        let item = |(id, _): (&i64, &_)| {
            let command = Command::ResolveReview(ResolveReview {
                review_id: domain::kernel::ids::ReviewId(*id),
                resolution: Resolution::ToPayer,
                evidence: "end".to_owned(),
            });
            QueuedCommand::untagged(command, Origin::Client(9))
        };
        open.map(item).collect()
    }
}
