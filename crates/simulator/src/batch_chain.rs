//! The job of each process that chains batches: see `kola::jobs::batch_chain`.

use std::rc::Rc;
use std::sync::Arc;

use domain::ledger::batch_chain::{Batch, BatchChain, ChainBatches, NewLink};
use store::chain::{self, LinkKey};

use crate::checks::CheckResult;
use crate::faults::FaultRates;
use crate::plan::Event;
use crate::queued_command::{Origin, QueuedCommand};
use crate::sim::Sim;

/// The key of all links.
pub const LINK_KEY: LinkKey = [7; 32];
const KEY_ID: &str = "simulated";
/// How many batches are chained at once.
const MOST: usize = 60;

impl Sim {
    /// Runs the jobs of the processes that sweep in this step. All of them have read the chain's end
    /// before the first one writes.
    ///
    /// Nothing goes wrong at their calls, so that what else happens in a history does not depend on
    /// them. What breaks the chains of lanes goes wrong at all other batches.
    pub fn chain_batches(&mut self, events: &[Rc<Event>]) -> CheckResult {
        let sweeping = events.iter().filter_map(|event| match **event {
            Event::Sweep(process) => Some(process),
            _ => None,
        });
        let batches: Vec<_> = sweeping
            .filter_map(|process| Some((process, vec![self.batches_to_chain(process)?])))
            .collect();
        if batches.is_empty() {
            return Ok(());
        }
        self.environment.fault_rates.set(FaultRates::default());
        let planned = self.environment.planned_faults.take();
        let done = self.run(batches);
        self.environment.fault_rates.set(self.fault_rates);
        *self.environment.planned_faults.borrow_mut() = planned;
        done
    }

    /// What the job of a process asks for now, if there is anything to chain.
    ///
    /// In every other simulation the lease keeps nobody away, as if the processes' clocks were far
    /// apart: then only the comparison with the chain's end keeps their links apart.
    pub fn batches_to_chain(&self, process: usize) -> Option<QueuedCommand> {
        let holder = if self.seed.is_multiple_of(2) { 0 } else { process };
        let holder = i64::try_from(holder).unwrap_or(0);
        let db = self.environment.db.borrow();
        let end = db.rows.batch_chain.get(BatchChain::ID)?;
        if db.unchained.is_empty() || end.is_leased(holder, self.processes.now(process)) {
            return None;
        }
        let batches = db.unchained.iter().take(MOST).filter_map(|id| db.rows.batches.get(*id));
        let mut before = end.link;
        let link = |(batch, position): (&Arc<Batch>, i64)| {
            before = chain::link(Some(&LINK_KEY), before, position, batch);
            NewLink { batch_id: batch.id, link: before, key_id: Some(KEY_ID.to_owned()) }
        };
        let links = batches.zip(end.position + 1..).map(link).collect();
        let command = ChainBatches { holder, after: (end.position, end.link), older: None, links };
        Some(QueuedCommand::untagged(command, Origin::Sweep))
    }
}
