//! A lane's connection to the database in memory, which can be lost at any time.

use std::rc::Rc;
use std::sync::Arc;

use domain::decision::prefetch::LockKey;
use domain::decision::workspace::{IdBlock, RowKey, Tables, Workspace};
use store::{Store, StoreError};

use crate::db::{busy, conflict};
use crate::net::{Faults, Net, Running};
use crate::plan::{Call, Fault, Spot};
use crate::rng::Rng;

/// So often a lane tries a batch as a whole.
const BATCH_TRIES: usize = 3;

/// One process's connection.
pub struct SimStore {
    net: Rc<Net>,
    process: usize,
}

impl SimStore {
    pub const fn new(net: Rc<Net>, process: usize) -> Self {
        Self { net, process }
    }

    fn get<T>(&self, read: impl FnOnce(&Running) -> T) -> T {
        read(&self.net.running.borrow()[self.process])
    }

    fn set(&self, change: impl FnOnce(&mut Running)) {
        change(&mut self.net.running.borrow_mut()[self.process]);
    }

    /// What may happen at each call: another process runs, the database refuses, this process dies.
    fn call(&self, call: Call) -> Result<Spot, StoreError> {
        if self.get(|state| state.dead) {
            return Err(busy());
        }
        let spot = self.net.spot(self.process, call);
        self.net.interleave(spot);
        if self.net.now.get() < self.net.away_until.get() {
            self.set(|state| state.faults.push((spot, Fault::InOutage)));
            return Err(StoreError::NoAnswer);
        }
        let wanted =
            |fault| matches!(fault, Fault::Crash | Fault::Conflict | Fault::Busy | Fault::Away);
        let drawn = |rng: &mut Rng, faults: Faults| {
            let list = [
                (faults.crash, Fault::Crash),
                (faults.conflict, Fault::Conflict),
                (faults.busy, Fault::Busy),
                (faults.away, Fault::Away),
            ];
            list.into_iter().find(|(rate, _)| rng.chance(*rate)).map(|(_, fault)| fault)
        };
        match self.net.fault(spot, wanted, drawn) {
            Some(Fault::Crash) => {
                self.net.db.borrow_mut().rollback(self.process);
                self.set(|state| state.dead = true);
                Err(busy())
            }
            Some(Fault::Conflict) => Err(conflict()),
            Some(Fault::Busy) => Err(busy()),
            Some(Fault::Away) => Err(StoreError::NoAnswer),
            _ => Ok(spot),
        }
    }

    /// How a commit ends that the database is asked for.
    fn end(&self, spot: Spot) -> Option<Fault> {
        let wanted = |fault| matches!(fault, Fault::CrashAfter | Fault::Unknown(..));
        // Once each command is tried by itself, the rows do not tell which of them were done.
        let long = self.get(|state| state.may_stay_unknown && state.rollbacks < BATCH_TRIES);
        let drawn = |rng: &mut Rng, faults: Faults| {
            if rng.chance(faults.crash) {
                return Some(Fault::CrashAfter);
            }
            let questions =
                if long && rng.chance(300) { 1_000 } else { u32::from(rng.chance(500)) };
            rng.chance(faults.unknown * 2).then(|| Fault::Unknown(rng.chance(500), questions))
        };
        match self.net.fault(spot, wanted, drawn) {
            Some(Fault::Unknown(done, questions)) if !long => {
                Some(Fault::Unknown(done, questions.min(1)))
            }
            end => end,
        }
    }

    fn lost() -> StoreError {
        StoreError::CommitUnknown(Box::new(StoreError::NoAnswer))
    }
}

impl Store for SimStore {
    fn is_local(&self) -> bool {
        false
    }

    fn reserve_ids(&mut self, count: i64) -> Result<IdBlock, StoreError> {
        self.call(Call::Reserve)?;
        let end = self.net.db.borrow_mut().reserve(count);
        Ok(IdBlock { next: end - count, end })
    }

    fn open(
        &mut self,
        ids: IdBlock,
        lock_keys: &[LockKey],
        keys: &[RowKey],
    ) -> Result<Workspace, StoreError> {
        self.set(|state| state.opens += 1);
        self.call(Call::Open)?;
        let mut work = Workspace::new(Arc::clone(&self.net.tariff.borrow()), [7; 16], ids);
        let mut db = self.net.db.borrow_mut();
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
        self.call(Call::Load)?;
        let db = self.net.db.borrow();
        keys.iter().for_each(|key| db.rows.load(key, tables));
        Ok(())
    }

    fn confirm(&mut self, tables: &mut Tables) -> Result<bool, StoreError> {
        self.call(Call::Confirm)?;
        self.net.db.borrow_mut().confirm(self.process, tables)
    }

    fn persist(&mut self, work: &Workspace) -> Result<(), StoreError> {
        self.call(Call::Persist)?;
        self.net.db.borrow_mut().persist(self.process, work)
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        let spot = self.call(Call::Commit)?;
        let end = self.end(spot);
        if let Some(Fault::Unknown(false, questions)) = end {
            self.net.db.borrow_mut().rollback(self.process);
            self.set(|state| state.doubt = (false, questions));
            return Err(Self::lost());
        }
        self.net.db.borrow_mut().commit(self.process)?;
        self.set(|state| state.committed = true);
        match end {
            // It is on disk; who asked for it never hears.
            Some(Fault::CrashAfter) => self.set(|state| state.dead = true),
            Some(Fault::Unknown(_, questions)) => {
                self.set(|state| state.doubt = (true, questions));
                return Err(Self::lost());
            }
            _ => {}
        }
        Ok(())
    }

    fn is_committed(&mut self) -> Result<bool, StoreError> {
        let (done, questions) = self.get(|state| state.doubt);
        if questions > 0 {
            self.set(|state| state.doubt.1 -= 1);
            return Err(StoreError::NoAnswer);
        }
        Ok(done)
    }

    fn rollback(&mut self) {
        self.set(|state| state.rollbacks += 1);
        if !self.get(|state| state.dead) {
            self.net.db.borrow_mut().rollback(self.process);
        }
    }
}
