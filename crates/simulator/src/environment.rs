//! What all processes of a simulation share: the database, true time, the tariff, and what goes
//! wrong at the calls of their lanes to their stores.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use domain::tariff::Tariff;

use crate::db::Database;
use crate::faults::FaultRates;
use crate::plan::{CallSite, Fault, StoreCall};
use crate::rng::Rng;

/// The batch that a process's lane runs now.
#[derive(Clone, Default)]
pub struct BatchState {
    /// The process is dead: nothing that it does has an effect.
    pub dead: bool,
    /// How often its transaction was begun.
    pub opens: usize,
    /// How often its transaction was rolled back.
    pub rollbacks: usize,
    pub committed: bool,
    /// A commit without an answer: whether it took place, and how many questions about it have no
    /// answer either.
    pub unanswered_commit: (bool, u32),
    /// The calls to the store so far.
    pub calls: Vec<StoreCall>,
    pub faults: Vec<(CallSite, Fault)>,
    /// Whether the rows tell the outcome of a commit that never gets an answer.
    pub may_stay_unknown: bool,
}

/// Shared by all processes.
pub struct Environment {
    pub db: RefCell<Database>,
    /// The seed of the random numbers of this step.
    pub step_seed: Cell<u64>,
    /// The faults of this step in a replay; `None` where they are drawn.
    pub planned_faults: RefCell<Option<Vec<(CallSite, Fault)>>>,
    /// The database is away until then, in true time.
    pub away_until: Cell<i64>,
    /// True time, in microseconds.
    pub now: Cell<i64>,
    /// The tariff as it was read last.
    tariff: RefCell<Arc<Tariff>>,
    pub fault_rates: Cell<FaultRates>,
    /// By process.
    pub batches: RefCell<Vec<BatchState>>,
}

impl Environment {
    pub fn new(processes: usize, tariff: Tariff) -> Self {
        Self {
            db: RefCell::new(Database::new(&tariff)),
            step_seed: Cell::new(0),
            planned_faults: RefCell::new(None),
            away_until: Cell::new(0),
            now: Cell::new(0),
            tariff: RefCell::new(Arc::new(tariff)),
            fault_rates: Cell::new(FaultRates::default()),
            batches: RefCell::new(vec![BatchState::default(); processes]),
        }
    }

    /// The tariff of the database, which is read again when its version has changed.
    pub fn tariff(&self) -> Arc<Tariff> {
        let (mut known, db) = (self.tariff.borrow_mut(), self.db.borrow());
        if db.rows.tariff_version() != known.version {
            *known = Arc::new(db.rows.read_tariff(&known));
        }
        Arc::clone(&known)
    }

    pub fn is_database_away(&self) -> bool {
        self.now.get() < self.away_until.get()
    }

    /// Counts a call to the store in the process's batch.
    pub fn next_call_site(&self, process: usize, call: StoreCall) -> CallSite {
        let mut batches = self.batches.borrow_mut();
        let calls = &mut batches[process].calls;
        calls.push(call);
        let nth = calls.iter().filter(|other| **other == call).count();
        CallSite { process, call, nth: u32::try_from(nth).unwrap_or(u32::MAX) }
    }

    /// What goes wrong at a call: as it was written down in the plan, or as it is drawn. `draw`
    /// returns one of the `wanted`.
    pub fn fault(
        &self,
        site: CallSite,
        wanted: impl Fn(Fault) -> bool,
        draw: impl FnOnce(&mut Rng, FaultRates) -> Option<Fault>,
    ) -> Option<Fault> {
        let found = match &*self.planned_faults.borrow() {
            Some(planned) => planned
                .iter()
                .find(|(at, fault)| *at == site && wanted(*fault))
                .map(|(_, fault)| *fault),
            None => {
                // Each question at a call has random numbers of its own.
                let (first, last) = (wanted(Fault::Interleave), wanted(Fault::CrashAfter));
                let question = u64::from(first) << 1 | u64::from(last);
                let process = u64::try_from(site.process).unwrap_or(0);
                let part = [question, process, call_number(site.call), u64::from(site.nth)];
                draw(&mut Rng::of(self.step_seed.get(), &part), self.fault_rates.get())
            }
        };
        if let Some(fault) = found {
            self.batches.borrow_mut()[site.process].faults.push((site, fault));
        }
        found
    }
}

const fn call_number(call: StoreCall) -> u64 {
    match call {
        StoreCall::Reserve => 0,
        StoreCall::Open => 1,
        StoreCall::Load => 2,
        StoreCall::Confirm => 3,
        StoreCall::Persist => 4,
        StoreCall::Commit => 5,
    }
}
