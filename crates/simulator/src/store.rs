//! A lane's connection to the database in memory, which can be lost at any time.

use std::rc::Rc;
use std::sync::Arc;

use domain::world::{IdBlock, Key, Tables, World};
use kola::store::{Store, StoreError};

use crate::db::{busy, conflict};
use crate::net::{Net, Running};

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

    fn state(&self) -> Running {
        self.net.running.borrow()[self.process]
    }

    fn set(&self, change: impl FnOnce(&mut Running)) {
        change(&mut self.net.running.borrow_mut()[self.process]);
    }

    fn chance(&self, per_mille: u32) -> bool {
        self.net.rng.borrow_mut().chance(per_mille)
    }

    fn die(&self) {
        self.net.db.borrow_mut().rollback(self.process);
        self.set(|state| state.dead = true);
    }

    /// What may happen at each call: another process runs, the database refuses, this process dies.
    fn call(&self) -> Result<(), StoreError> {
        if self.state().dead {
            return Err(busy());
        }
        self.net.interleave(self.process);
        let faults = self.net.faults.get();
        if self.chance(faults.crash) {
            self.die();
            return Err(busy());
        }
        if self.chance(faults.conflict) {
            return Err(conflict());
        }
        if self.chance(faults.busy) {
            return Err(busy());
        }
        if self.chance(faults.away) {
            return Err(StoreError::Silent);
        }
        Ok(())
    }

    /// For how many questions a commit without an answer stays so.
    fn doubt(&self) -> u32 {
        let state = self.state();
        // Once each command is tried by itself, the rows do not tell which of them were done.
        let long = state.may_stay_unknown && state.rollbacks < BATCH_TRIES && self.chance(300);
        if long { 1_000 } else { u32::from(self.chance(500)) }
    }

    fn lost() -> StoreError {
        StoreError::Unknown(Box::new(StoreError::Silent))
    }
}

impl Store for SimStore {
    fn at_hand(&self) -> bool {
        false
    }

    fn reserve_ids(&mut self, count: i64) -> Result<IdBlock, StoreError> {
        self.call()?;
        let end = self.net.db.borrow_mut().reserve(count);
        Ok(IdBlock { next: end - count, end })
    }

    fn open(&mut self, ids: IdBlock, subjects: &[Key], keys: &[Key]) -> Result<World, StoreError> {
        self.set(|state| state.opens += 1);
        self.call()?;
        let mut world = World::new(Arc::clone(&self.net.book), [7; 16], ids);
        let mut db = self.net.db.borrow_mut();
        for key in subjects {
            db.lock(self.process, key)?;
            db.rows.load(key, &mut world.tables);
        }
        for key in keys.iter().filter(|key| !subjects.contains(key)) {
            db.rows.load(key, &mut world.tables);
        }
        Ok(world)
    }

    fn load(&mut self, keys: &[Key], tables: &mut Tables) -> Result<(), StoreError> {
        self.call()?;
        let db = self.net.db.borrow();
        keys.iter().for_each(|key| db.rows.load(key, tables));
        Ok(())
    }

    fn confirm(&mut self, tables: &mut Tables) -> Result<bool, StoreError> {
        self.call()?;
        self.net.db.borrow_mut().confirm(self.process, tables)
    }

    fn persist(&mut self, world: &World) -> Result<(), StoreError> {
        self.call()?;
        self.net.db.borrow_mut().persist(self.process, world)
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        self.call()?;
        let faults = self.net.faults.get();
        if self.chance(faults.unknown) {
            self.net.db.borrow_mut().rollback(self.process);
            let doubt = self.doubt();
            self.set(|state| state.doubt = (false, doubt));
            return Err(Self::lost());
        }
        self.net.db.borrow_mut().commit(self.process)?;
        self.set(|state| state.committed = true);
        if self.chance(faults.crash) {
            // It is on disk; who asked for it never hears.
            self.set(|state| state.dead = true);
            return Ok(());
        }
        if self.chance(faults.unknown) {
            let doubt = self.doubt();
            self.set(|state| state.doubt = (true, doubt));
            return Err(Self::lost());
        }
        Ok(())
    }

    fn is_committed(&mut self) -> Result<bool, StoreError> {
        let state = self.state();
        if state.doubt.1 > 0 {
            self.set(|state| state.doubt.1 -= 1);
            return Err(StoreError::Silent);
        }
        Ok(state.doubt.0)
    }

    fn rollback(&mut self) {
        self.set(|state| state.rollbacks += 1);
        if !self.state().dead {
            self.net.db.borrow_mut().rollback(self.process);
        }
    }
}
