//! The end of a run: nobody asks for anything any more, nothing breaks, and everything must come to
//! rest.

use std::collections::BTreeSet;

use domain::decision::command::Command;
use domain::exceptions::review::Resolution;
use domain::kernel::ids::ExecutionId;
use domain::kernel::time::seconds;
use kola::jobs::poll;

use crate::checks::{Checked, rule};
use crate::compare;
use crate::item::{Item, Origin};
use crate::net::Faults;
use crate::sim::Sim;

/// When all is quiet, everything must be settled after so many rounds.
const QUIET_ROUNDS: usize = 20_000;

impl Sim {
    /// Nobody asks for anything any more and nothing breaks: everything must come to an end, and
    /// the money must be where the books say.
    pub fn quiet(&mut self) -> Checked {
        self.faults = Faults::default();
        self.net.faults.set(self.faults);
        *self.net.script.borrow_mut() = None;
        self.net.away_until.set(0);
        for process in 0..self.net.processes() {
            self.net.skew(process, 0);
        }
        let mut told = BTreeSet::new();
        let mut idle = true;
        for round in 0..QUIET_ROUNDS {
            self.now = self.next_time();
            self.begin();
            // Both look at all that there is, so not each time.
            let thorough = idle || round.is_multiple_of(32);
            if thorough {
                self.door.inside().hurry();
            }
            let mut batches: Vec<Vec<Item>> = (0..self.net.processes()).map(|_| vec![]).collect();
            self.take_due(&mut batches, i64::MAX);
            let now = self.net.now(0).0;
            for (id, _) in self.net.db.borrow().due_executions(now, 100) {
                batches[0].push(Item::untagged(poll::claim(id), Origin::Claim));
            }
            idle = batches.iter().all(Vec::is_empty) && self.later.is_empty();
            if idle || thorough {
                batches[0].extend(self.reviews_to_resolve());
            }
            if idle && batches.iter().all(Vec::is_empty) {
                batches[0].extend(self.statement(&mut told));
            }
            let over = batches.iter().all(Vec::is_empty) && idle;
            self.run(
                batches.into_iter().enumerate().filter(|(_, items)| !items.is_empty()).collect(),
            )?;
            if over && self.net.db.borrow().next_due().is_none() {
                break;
            }
        }
        self.fold()?;
        compare::settled(&self.net.db.borrow().rows)?;
        let cleared = self.checks.cleared(&self.net.db.borrow().rows);
        for (id, moved) in &self.door.inside().moved {
            let booked = -cleared.get(id).copied().unwrap_or(0);
            rule(booked == *moved, "clearing is not what providers hold", || {
                let row = self.net.db.borrow().rows.executions.get(id.0).cloned();
                format!("{moved} is there, {booked} is booked of {row:?}")
            })?;
        }
        compare::outside(&self.net.db.borrow().rows, &self.door.inside().truth)
    }

    /// When something happens next; in two seconds, when nothing is known to.
    fn next_time(&self) -> i64 {
        let later = self.later.first_key_value().map(|((at, _), _)| *at);
        let due = self.net.db.borrow().next_due();
        let next = later.into_iter().chain(due).min().unwrap_or(0);
        if next > self.now { next } else { self.now + seconds(2) }
    }

    /// What a provider tells when its books are compared with ours: a callback that was lost is
    /// told here at last, once.
    fn statement(&self, told: &mut BTreeSet<String>) -> Vec<Item> {
        let db = self.net.db.borrow();
        let is_final =
            |id: ExecutionId| db.rows.executions.get(id).is_some_and(|row| row.status.is_final());
        let booked = |id: ExecutionId| self.books.heard_of(id.0).filter(|_| is_final(id));
        let mut networks = self.door.inside();
        let mut items = vec![];
        for id in networks.unheard(booked).into_iter().filter(|id| told.insert(id.clone())) {
            let word = networks.word(&id);
            items.extend(networks.requests.get(&id).map(|request| {
                Item::untagged(Command::RecordOutcome(request.execution, word), Origin::Callback)
            }));
        }
        items
    }

    fn reviews_to_resolve(&self) -> Vec<Item> {
        let open = self.books.review_ids.iter().filter(|(_, key)| {
            self.books.reviews.get(key).is_some_and(|review| review.open)
                && key.1 != domain::exceptions::review::ReviewKind::DeadlinePassed
        });
        let item = |(id, _): (&i64, &_)| {
            let command = Command::ResolveReview(
                domain::kernel::ids::ReviewId(*id),
                Resolution::ToPayer,
                "end".to_owned(),
            );
            Item::untagged(command, Origin::Client(9))
        };
        open.map(item).collect()
    }
}
