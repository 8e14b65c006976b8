use domain::decision::use_case::LockKey;
use domain::decision::workspace::{IdBlock, RowKey, Tables, Workspace};

use crate::StoreError;

/// A lane's own connection to the database, as the engine uses it. A batch is: [`Store::open`], loads as
/// decisions need rows, [`Store::confirm`], [`Store::persist`], [`Store::commit`].
pub trait Store {
    /// Whether reading a row takes only some microseconds. If so, each row is loaded when a decision
    /// turns out to need it, and a batch may run on a thread that serves requests. If not, missing
    /// rows are loaded in rounds, for all commands of a batch together.
    fn is_local(&self) -> bool;

    /// Reserves `count` ids that nobody else gets: in the batch's transaction if the store is local,
    /// otherwise in a transaction of its own.
    fn reserve_ids(&mut self, count: i64) -> Result<IdBlock, StoreError>;

    /// Starts a transaction that will write. The workspace has the current tariff, the rows of
    /// `lock_keys` and the rows of `keys`. On PostgreSQL the rows of `lock_keys` are locked, as far
    /// as they belong to the owners that are given; they are read first, so that the other rows are
    /// at least as new.
    fn open(
        &mut self,
        ids: IdBlock,
        lock_keys: &[LockKey],
        keys: &[RowKey],
    ) -> Result<Workspace, StoreError>;

    /// Loads rows into the tables, including the fact that a row does not exist.
    fn load(&mut self, keys: &[RowKey], tables: &mut Tables) -> Result<(), StoreError>;

    /// Locks the rows that the workspace changes and checks that they are still as they were loaded.
    /// If the result is `false`, they have been loaded again and the batch must be decided again.
    fn confirm(&mut self, tables: &mut Tables) -> Result<bool, StoreError>;

    /// Writes the changed and new rows.
    fn persist(&mut self, work: &Workspace) -> Result<(), StoreError>;

    /// After success the batch is on disk.
    ///
    /// # Errors
    /// [`StoreError::CommitUnknown`] if the batch may be committed; after any other error the
    /// transaction may still be open.
    fn commit(&mut self) -> Result<(), StoreError>;

    /// After [`StoreError::CommitUnknown`]: whether the batch is on disk. Waits for a transaction that
    /// the server is still ending. After an error this is still unknown.
    fn is_committed(&mut self) -> Result<bool, StoreError>;

    /// Rolls back the transaction, if one is open.
    fn rollback(&mut self);
}

impl<S: Store + ?Sized> Store for Box<S> {
    fn is_local(&self) -> bool {
        (**self).is_local()
    }

    fn reserve_ids(&mut self, count: i64) -> Result<IdBlock, StoreError> {
        (**self).reserve_ids(count)
    }

    fn open(
        &mut self,
        ids: IdBlock,
        lock_keys: &[LockKey],
        keys: &[RowKey],
    ) -> Result<Workspace, StoreError> {
        (**self).open(ids, lock_keys, keys)
    }

    fn load(&mut self, keys: &[RowKey], tables: &mut Tables) -> Result<(), StoreError> {
        (**self).load(keys, tables)
    }

    fn confirm(&mut self, tables: &mut Tables) -> Result<bool, StoreError> {
        (**self).confirm(tables)
    }

    fn persist(&mut self, work: &Workspace) -> Result<(), StoreError> {
        (**self).persist(work)
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        (**self).commit()
    }

    fn is_committed(&mut self) -> Result<bool, StoreError> {
        (**self).is_committed()
    }

    fn rollback(&mut self) {
        (**self).rollback();
    }
}
