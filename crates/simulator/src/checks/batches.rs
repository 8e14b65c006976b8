//! What must be true of batches and of their chain.

use std::collections::BTreeMap;

use domain::kernel::digest::Digest;
use domain::kernel::ids::BatchId;
use domain::ledger::batch_chain::{Batch, BatchChain};
use store::chain::{self, HASHED, HashedRow};
use store::workspace::record::Record;

use super::{CheckResult, Violation, rule};
use crate::batch_chain::LINK_KEY;
use crate::db::{Commit, Committed};

/// The batches and links as of the last commit observed.
#[derive(Default)]
pub struct BatchChecks {
    /// The end of each range of ids, by its beginning.
    ranges: BTreeMap<i64, i64>,
    position: i64,
    link: Option<Digest>,
}

impl BatchChecks {
    /// Each row that a commit inserts is in a batch of that commit, which covers these rows alone and
    /// follows a batch that is there. What is chained follows the last link.
    pub fn observe(&mut self, commit: &Commit, rows: &Committed) -> CheckResult {
        let mut inserted: Vec<HashedRow> = vec![];
        for (place, table) in HASHED.iter().enumerate() {
            match table.name {
                "events" => hash(place, &commit.events, &mut inserted)?,
                "entries" => hash(place, &commit.entries, &mut inserted)?,
                "audit" => hash(place, &commit.audit, &mut inserted)?,
                other => return violation(format!("{other} is hashed, and not observed")),
            }
        }
        inserted.sort_unstable();
        let mut covered = 0;
        for (_, batch) in commit.changes.batches.iter().filter(|(before, _)| before.is_none()) {
            let of_batch: Vec<HashedRow> = inserted
                .iter()
                .filter(|row| (batch.id.0..batch.end_id).contains(&row.id))
                .copied()
                .collect();
            covered += of_batch.len();
            self.new_batch(batch, &of_batch, rows)?;
        }
        rule(covered == inserted.len(), "a committed row is in no batch", || {
            format!("{covered} of {} rows", inserted.len())
        })?;
        let mut chained: Vec<_> =
            commit.changes.batches.iter().filter(|(_, after)| after.position.is_some()).collect();
        chained.sort_by_key(|(_, after)| after.position);
        for (before, batch) in chained {
            let is_new = before.as_ref().is_some_and(|row| row.position.is_none());
            rule(is_new, "a batch is chained twice", || format!("{before:?} -> {batch:?}"))?;
            self.chained(batch, rows)?;
        }
        for (_, end) in &commit.changes.batch_chain {
            let BatchChain { position, link, .. } = **end;
            let same = (position, link) == (self.position, self.link.unwrap_or(Digest::ZERO));
            rule(same, "the end of the chain is not its last link", || {
                format!("{end:?}, and the last position is {}", self.position)
            })?;
        }
        Ok(())
    }

    fn new_batch(
        &mut self,
        batch: &Batch,
        of_batch: &[HashedRow],
        rows: &Committed,
    ) -> CheckResult {
        let previous = match batch.previous_id {
            None => None,
            Some(id) => match rows.batches.get(id) {
                Some(previous) => Some(previous.digest),
                None => return violation(format!("{batch:?} follows one that is not there")),
            },
        };
        let digest = chain::batch_digest(batch, previous.unwrap_or(Digest::ZERO), of_batch);
        rule(digest == batch.digest, CHAIN, || format!("{batch:?} has another digest"))?;
        let before = self.ranges.range(..batch.end_id).next_back().map(|(_, end)| *end);
        rule(before.is_none_or(|end| end <= batch.id.0), "two batches have one id", || {
            format!("{batch:?}")
        })?;
        self.ranges.insert(batch.id.0, batch.end_id);
        Ok(())
    }

    fn chained(&mut self, batch: &Batch, rows: &Committed) -> CheckResult {
        self.position += 1;
        rule(batch.position == Some(self.position), "a position is left out", || {
            format!("{batch:?} is number {}", self.position)
        })?;
        let before = self.link.unwrap_or(Digest::ZERO);
        let link = chain::link(Some(&LINK_KEY), before, self.position, batch);
        rule(batch.link == Some(link), CHAIN, || format!("{batch:?} has another link"))?;
        self.link = Some(link);
        let previous = batch.previous_id.and_then(|id| rows.batches.get(id));
        let ordered = previous.is_none_or(|row| row.position.is_some_and(|at| at < self.position));
        rule(ordered, "a batch is chained before the one that it follows", || format!("{batch:?}"))
    }

    /// At the end of a run every batch is chained, and the links lead from the first to the last.
    pub fn all_chained(&self, rows: &Committed) -> CheckResult {
        let mut all: Vec<&Batch> = rows.batches.by_id.values().map(|row| &**row).collect();
        all.sort_by_key(|batch| batch.position);
        let mut before = Digest::ZERO;
        for (batch, position) in all.iter().zip(1..) {
            before = chain::link(Some(&LINK_KEY), before, position, batch);
            let BatchId(id) = batch.id;
            let right = batch.position == Some(position) && batch.link == Some(before);
            rule(right, CHAIN, || format!("batch {id} is not at position {position}: {batch:?}"))?;
        }
        Ok(())
    }
}

const CHAIN: &str = "the chain of batches is broken";

fn violation(what: String) -> CheckResult {
    Err(Violation { check: CHAIN, what })
}

fn hash<R: Record>(place: usize, rows: &[R], hashed: &mut Vec<HashedRow>) -> CheckResult {
    for row in rows {
        let mut values = Vec::with_capacity(R::WIDTH);
        row.write(&mut values);
        match HASHED.get(place).map(|table| table.row(place, &values)) {
            Some(Ok(row)) => hashed.push(row),
            other => return violation(format!("{other:?}")),
        }
    }
    Ok(())
}
