//! A lane's connection to the database in memory, which can be lost at any time.

use std::rc::{Rc, Weak};

use domain::decision::use_case::LockKey;
use domain::decision::workspace::{IdBlock, RowKey, Tables, Workspace};
use store::chain::LaneChain;
use store::{Store, StoreError};

use crate::db::{busy, conflict};
use crate::environment::{BatchState, Environment};
use crate::faults::FaultRates;
use crate::oracle::network::INSTALLATION;
use crate::plan::{CallSite, Fault, StoreCall};
use crate::rng::Rng;

/// How often a lane tries a batch as a whole, before it tries each command by itself.
const BATCH_TRIES: usize = 3;

/// Runs what other processes do in the middle of a batch.
pub trait Interleave {
    /// Perhaps another process runs its batch now, before the call at `site`.
    fn interleave(&self, site: CallSite);
}

/// One process's connection.
pub struct SimStore {
    environment: Rc<Environment>,
    others: Weak<dyn Interleave>,
    process: usize,
    chain: LaneChain,
}

impl SimStore {
    pub fn new(environment: Rc<Environment>, others: Weak<dyn Interleave>, process: usize) -> Self {
        let chain = LaneChain::after(environment.db.borrow().newest_batch());
        Self { environment, others, process, chain }
    }

    fn get<T>(&self, read: impl FnOnce(&BatchState) -> T) -> T {
        read(&self.environment.batches.borrow()[self.process])
    }

    fn set(&self, change: impl FnOnce(&mut BatchState)) {
        change(&mut self.environment.batches.borrow_mut()[self.process]);
    }

    /// What may happen at each call: another process runs, the database refuses, this process dies.
    fn call(&self, call: StoreCall) -> Result<CallSite, StoreError> {
        if self.get(|state| state.dead) {
            return Err(busy());
        }
        let site = self.environment.next_call_site(self.process, call);
        if let Some(others) = self.others.upgrade() {
            others.interleave(site);
        }
        if self.environment.is_database_away() {
            self.set(|state| state.faults.push((site, Fault::InOutage)));
            return Err(StoreError::NoAnswer);
        }
        let wanted =
            |fault| matches!(fault, Fault::Crash | Fault::Conflict | Fault::Busy | Fault::Away);
        let draw = |rng: &mut Rng, rates: FaultRates| {
            let list = [
                (rates.crash, Fault::Crash),
                (rates.conflict, Fault::Conflict),
                (rates.busy, Fault::Busy),
                (rates.away, Fault::Away),
            ];
            list.into_iter().find(|(rate, _)| rng.chance(*rate)).map(|(_, fault)| fault)
        };
        match self.environment.fault(site, wanted, draw) {
            Some(Fault::Crash) => {
                self.environment.db.borrow_mut().rollback(self.process);
                self.set(|state| state.dead = true);
                Err(busy())
            }
            Some(Fault::Conflict) => Err(conflict()),
            Some(Fault::Busy) => Err(busy()),
            Some(Fault::Away) => Err(StoreError::NoAnswer),
            _ => Ok(site),
        }
    }

    /// What goes wrong after the database has received a commit.
    fn commit_fault(&self, site: CallSite) -> Option<Fault> {
        let wanted = |fault| matches!(fault, Fault::CrashAfter | Fault::Unknown(..));
        // Once each command is tried by itself, the rows do not tell which of them were done.
        let long = self.get(|state| state.may_stay_unknown && state.rollbacks < BATCH_TRIES);
        let draw = |rng: &mut Rng, rates: FaultRates| {
            if rng.chance(rates.crash) {
                return Some(Fault::CrashAfter);
            }
            let questions =
                if long && rng.chance(300) { 1_000 } else { u32::from(rng.chance(500)) };
            rng.chance(rates.unknown * 2).then(|| Fault::Unknown(rng.chance(500), questions))
        };
        match self.environment.fault(site, wanted, draw) {
            Some(Fault::Unknown(done, questions)) if !long => {
                Some(Fault::Unknown(done, questions.min(1)))
            }
            end => end,
        }
    }

    fn answer_lost() -> StoreError {
        StoreError::CommitUnknown(Box::new(StoreError::NoAnswer))
    }
}

impl Store for SimStore {
    fn is_local(&self) -> bool {
        false
    }

    fn reserve_ids(&mut self, count: i64) -> Result<IdBlock, StoreError> {
        self.call(StoreCall::Reserve)?;
        let end = self.environment.db.borrow_mut().reserve(count);
        Ok(IdBlock { next: end - count, end })
    }

    fn open(
        &mut self,
        ids: IdBlock,
        lock_keys: &[LockKey],
        keys: &[RowKey],
    ) -> Result<Workspace, StoreError> {
        self.set(|state| state.opens += 1);
        self.call(StoreCall::Open)?;
        let mut work = Workspace::new(self.environment.tariff(), INSTALLATION, ids);
        let mut db = self.environment.db.borrow_mut();
        for LockKey { key, owner } in lock_keys {
            if owner.is_none_or(|owner| db.rows.is_of(key, owner)) {
                db.lock(self.process, key)?;
                db.rows.load(key, &mut work.tables);
            }
        }
        for key in keys.iter().filter(|key| lock_keys.iter().all(|lock_key| lock_key.key != **key))
        {
            db.rows.load(key, &mut work.tables);
        }
        Ok(work)
    }

    fn load(&mut self, keys: &[RowKey], tables: &mut Tables) -> Result<(), StoreError> {
        self.call(StoreCall::Load)?;
        let db = self.environment.db.borrow();
        keys.iter().for_each(|key| db.rows.load(key, tables));
        Ok(())
    }

    fn confirm(&mut self, tables: &mut Tables) -> Result<bool, StoreError> {
        self.call(StoreCall::Confirm)?;
        self.environment.db.borrow_mut().confirm(self.process, tables)
    }

    fn persist(&mut self, work: &Workspace) -> Result<(), StoreError> {
        self.call(StoreCall::Persist)?;
        let batches = self.chain.batches(work)?;
        self.environment.db.borrow_mut().persist(self.process, work, batches)
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        let site = self.call(StoreCall::Commit)?;
        let end = self.commit_fault(site);
        if let Some(Fault::Unknown(false, questions)) = end {
            self.environment.db.borrow_mut().rollback(self.process);
            self.set(|state| state.unanswered_commit = (false, questions));
            return Err(Self::answer_lost());
        }
        self.environment.db.borrow_mut().commit(self.process)?;
        self.set(|state| state.committed = true);
        match end {
            // It is on disk, and the client never receives the answer.
            Some(Fault::CrashAfter) => self.set(|state| state.dead = true),
            Some(Fault::Unknown(_, questions)) => {
                self.set(|state| state.unanswered_commit = (true, questions));
                return Err(Self::answer_lost());
            }
            _ => {}
        }
        self.chain.committed();
        Ok(())
    }

    fn is_committed(&mut self) -> Result<bool, StoreError> {
        let (done, questions) = self.get(|state| state.unanswered_commit);
        if questions > 0 {
            self.set(|state| state.unanswered_commit.1 -= 1);
            return Err(StoreError::NoAnswer);
        }
        if done {
            self.chain.committed();
        } else {
            self.chain.undone();
        }
        Ok(done)
    }

    fn rollback(&mut self) {
        self.set(|state| state.rollbacks += 1);
        self.chain.undone();
        if !self.get(|state| state.dead) {
            self.environment.db.borrow_mut().rollback(self.process);
        }
    }
}
