//! The job of each process that chains batches: see `kola::jobs::batch_chain`.

use domain::ledger::batch_chain::{Batch, BatchChain, ChainBatches, NewLink};
use store::chain::{self, LinkKey};

use crate::queued_command::{Origin, QueuedCommand};
use crate::sim::Sim;

/// The key of all links.
pub const LINK_KEY: LinkKey = [7; 32];
const KEY_ID: &str = "simulated";
/// How many batches are chained at once.
const MOST: usize = 60;

impl Sim {
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
        let link = |(batch, position): (&std::sync::Arc<Batch>, i64)| {
            before = chain::link(Some(&LINK_KEY), before, position, batch);
            NewLink { batch_id: batch.id, link: before, key_id: Some(KEY_ID.to_owned()) }
        };
        let links = batches.zip(end.position + 1..).map(link).collect();
        let command = ChainBatches { holder, after: (end.position, end.link), older: None, links };
        Some(QueuedCommand::untagged(command, Origin::Sweep))
    }
}
