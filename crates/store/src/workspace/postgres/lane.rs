//! A lane's connection to PostgreSQL. It reads and writes many rows with one statement, and sends
//! statements that do not depend on each other's results without waiting in between.

mod connection;
mod loading;
mod locking;
mod writing;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::decision::row::Lookup;
use domain::decision::use_case::LockKey;
use domain::decision::workspace::{IdBlock, RowChange, RowKey, Tables, Workspace};
use domain::kernel::ids::MerchantId;
use domain::ledger::wallet::Owner;
use domain::tariff::Tariff;
use tokio::runtime::Runtime;

use crate::chain::{self, LaneChain};
use crate::schema::{installation, tariff};
use crate::workspace::postgres::lane::connection::{
    BulkParam, Connection, OPEN_LANE, Statement, StatementResult, open,
};
use crate::workspace::postgres::lane::loading::Lookups;
use crate::workspace::postgres::lane::locking::{LockKeys, authorizing_rows, changed_rows};
use crate::workspace::postgres::lane::writing::{append, delete, write_all};
use crate::workspace::postgres::{Address, runtime};
use crate::workspace::sql::{OwnedRow, integer};
use crate::{Store, StoreError};

/// For all statements of a batch together. The server's own time-outs end a single statement
/// earlier; after this deadline the server is taken for unreachable.
pub const BATCH_DEADLINE: Duration = Duration::from_secs(6);
/// For each attempt to find out whether a batch was committed, and to roll back or close.
const RECOVERY_DEADLINE: Duration = Duration::from_secs(2);
/// The most merchants for which a lane remembers keys of wallets and accounts.
const MAX_REMEMBERED_MERCHANTS: usize = 10_000;
/// The most keys remembered for one merchant.
const MAX_REMEMBERED_KEYS: usize = 32;

const CLOSE_LANE: &str = "DELETE FROM lanes WHERE id = $1";
/// Removes the rows of lanes whose process was killed. A lane that was only idle inserts its row
/// again.
const SWEEP_LANES: &str =
    "DELETE FROM lanes WHERE seen_at < ((extract(epoch FROM now()) - 7 * 86400) * 1000000)::bigint";
const WRITE_BATCH: &str = "UPDATE lanes SET batch = $2, seen_at = (extract(epoch FROM now()) * 1000000)::bigint WHERE id = $1";
/// `FOR UPDATE` waits for a transaction of this lane that the server may still be ending.
const READ_BATCH: &str = "SELECT batch FROM lanes WHERE id = $1 FOR UPDATE";
const RESERVE_IDS: &str = "UPDATE installation SET next_id = next_id + $1 RETURNING next_id";

/// The statements of a lane that are not about a decision's tables, for the test that prepares
/// them.
#[cfg(test)]
pub(crate) const STATEMENTS: [&str; 8] = [
    chain::NEWEST,
    OPEN_LANE,
    CLOSE_LANE,
    SWEEP_LANES,
    WRITE_BATCH,
    READ_BATCH,
    RESERVE_IDS,
    tariff::VERSION,
];

/// A lane's store. A lost connection is opened again.
pub struct PostgresStore {
    address: Address,
    /// `None` only when the store is being dropped.
    runtime: Option<Runtime>,
    connection: Option<Connection>,
    /// The time by which the current batch or operation must have its results.
    deadline: Instant,
    installation: [u8; 16],
    tariff: Arc<Tariff>,
    /// The id of this lane, and below it the number of the last batch that it tried to commit.
    lane: i64,
    batch: i64,
    chain: LaneChain,
    in_transaction: bool,
    /// The rows that this transaction has locked.
    locked: HashSet<RowKey>,
    /// The merchants' own wallets and accounts that earlier batches wrote. They are loaded in the
    /// first round, since the next payment of the merchant will need them.
    remembered: HashMap<MerchantId, Vec<RowKey>>,
}

impl PostgresStore {
    /// On a database whose schema is up to date. Must not be called within a Tokio runtime.
    pub fn open(address: &Address) -> Result<Self, StoreError> {
        let mut store = Self {
            address: address.clone(),
            runtime: Some(runtime()?),
            connection: None,
            deadline: Instant::now() + BATCH_DEADLINE,
            installation: [0; 16],
            tariff: Arc::default(),
            lane: 0,
            batch: 0,
            chain: LaneChain::after(None),
            in_transaction: false,
            locked: HashSet::new(),
            remembered: HashMap::new(),
        };
        let lane = store.reserve_ids(1)?.next;
        store.run(vec![
            Statement::new(SWEEP_LANES, vec![]),
            Statement::new(OPEN_LANE, vec![BulkParam::Int(lane)]),
        ])?;
        store.lane = lane;
        let read = store.run(vec![
            Statement::new(installation::UUID, vec![]),
            Statement::new(chain::NEWEST, vec![]),
        ])?;
        let mut read = read.iter().map(|result| result.rows.first());
        let uuid = read.next().flatten().map(|row| OwnedRow::read(row, 1)).transpose()?;
        store.installation = installation::uuid(uuid.as_ref())?;
        let newest = read.next().flatten().map(|row| chain::Followed::read(row)).transpose()?;
        store.chain = LaneChain::after(newest);
        Ok(store)
    }

    /// Runs statements in order, without waiting in between. If one fails, the error is returned
    /// after all of them have been answered.
    fn run(&mut self, statements: Vec<Statement<'_>>) -> Result<Vec<StatementResult>, StoreError> {
        let (address, lane) = (&self.address, self.lane);
        let connection = &mut self.connection;
        let left = self.deadline.saturating_duration_since(Instant::now());
        let runtime = self.runtime.as_ref().ok_or(StoreError::Unexpected("the store is closed"))?;
        let done = runtime.block_on(async {
            let work = async {
                let connection = match connection {
                    Some(open) => open,
                    None => connection.insert(open(address, lane).await?),
                };
                connection.run(&statements).await
            };
            tokio::time::timeout(left, work).await.unwrap_or(Err(StoreError::NoAnswer))
        });
        // The lane's row was removed as that of a killed process, see `SWEEP_LANES`. A new
        // connection inserts it again.
        let lost_lane =
            |error: &StoreError| matches!(error, StoreError::RowsAffected { table: "lanes", .. });
        if done.as_ref().is_err_and(|error| error.is_unavailable() || lost_lane(error)) {
            // The server rolls back the open transaction of a lost connection.
            self.connection = None;
            self.in_transaction = false;
        }
        done
    }

    /// Sends BEGIN and the first statements of the transaction together.
    fn begin(
        &mut self,
        mut statements: Vec<Statement<'_>>,
    ) -> Result<Vec<StatementResult>, StoreError> {
        // If the connection was closed while it was idle, a new one is opened before the
        // transaction begins.
        if self.connection.as_ref().is_some_and(|connection| connection.client.is_closed()) {
            self.connection = None;
        }
        self.locked.clear();
        self.in_transaction = true;
        self.deadline = Instant::now() + BATCH_DEADLINE;
        statements.insert(0, Statement::new("BEGIN", vec![]));
        let mut results = self.run(statements)?;
        results.remove(0);
        Ok(results)
    }

    /// Reads the tariff again if its version has changed.
    fn refresh_tariff(&mut self, version: i64) -> Result<(), StoreError> {
        if self.tariff.version == version {
            return Ok(());
        }
        let statements = tariff::queries().iter().map(|sql| Statement::new(sql, vec![])).collect();
        let mut tables = Vec::with_capacity(tariff::queries().len());
        for result in self.run(statements)? {
            tables.push(
                result
                    .rows
                    .iter()
                    .map(|row| OwnedRow::read(row, row.len()))
                    .collect::<Result<Vec<_>, _>>()?,
            );
        }
        self.tariff = Arc::new(tariff::build(&tables)?);
        Ok(())
    }

    /// Remembers the wallets and accounts that a merchant's payments move money on.
    fn remember(&mut self, tables: &Tables) {
        // Forgetting is harmless: these keys only save a round trip.
        if self.remembered.len() > MAX_REMEMBERED_MERCHANTS {
            self.remembered.clear();
        }
        let wallets = tables.wallets.changes().into_iter().filter_map(|change| match change {
            RowChange::Insert(row) | RowChange::Update(row) => match row.owner() {
                Owner::Merchant(merchant) => Some((merchant, RowKey::Wallet(Lookup::Id(row.id)))),
                Owner::Party(_) => None,
            },
        });
        let accounts = tables.accounts.changes().into_iter().map(|change| match change {
            RowChange::Insert(row) | RowChange::Update(row) => {
                (row.merchant_id, RowKey::Account(Lookup::Id(row.id)))
            }
        });
        for (merchant, key) in wallets.chain(accounts) {
            let keys = self.remembered.entry(merchant).or_default();
            if keys.len() < MAX_REMEMBERED_KEYS && !keys.contains(&key) {
                keys.push(key);
            }
        }
    }
}

impl Store for PostgresStore {
    fn is_local(&self) -> bool {
        false
    }

    /// In a transaction of its own: all lanes share this row, so it must not stay locked for the
    /// length of a batch.
    fn reserve_ids(&mut self, count: i64) -> Result<IdBlock, StoreError> {
        self.deadline = Instant::now() + BATCH_DEADLINE;
        let results = self.run(vec![Statement::new(RESERVE_IDS, vec![BulkParam::Int(count)])])?;
        let row = results
            .first()
            .and_then(|result| result.rows.first())
            .ok_or(StoreError::Unexpected("the installation has no row"))?;
        let end = integer(row)?;
        Ok(IdBlock { next: end.saturating_sub(count), end })
    }

    fn open(
        &mut self,
        ids: IdBlock,
        lock_keys: &[LockKey],
        keys: &[RowKey],
    ) -> Result<Workspace, StoreError> {
        let known = lock_keys.iter().map(|lock_key| &lock_key.key).collect::<HashSet<_>>();
        let mut wanted: Vec<RowKey> =
            keys.iter().filter(|key| !known.contains(key)).cloned().collect();
        for key in keys {
            if let RowKey::Merchant(Lookup::Id(merchant)) = key {
                wanted.extend(self.remembered.get(merchant).into_iter().flatten().cloned());
            }
        }
        // Lock first: whatever is read after the locks are held is at least as new as they are.
        let (lock, read) = (LockKeys::new(lock_keys), Lookups::new(&wanted));
        let mut statements = lock.statements();
        statements.push(Statement::new(tariff::VERSION, vec![]));
        let locks = statements.len() - 1;
        statements.extend(read.statements(false)?);
        let mut results = self.begin(statements)?;
        let version = results.remove(locks);
        let version =
            version.rows.first().ok_or(StoreError::Unexpected("the tariff has no version"))?;
        self.refresh_tariff(integer(version)?)?;
        let mut work = Workspace::new(Arc::clone(&self.tariff), self.installation, ids);
        let mut results = results.into_iter();
        lock.load(&mut results, &mut work.tables, &mut self.locked)?;
        read.load(&mut results, &mut work.tables)?;
        Ok(work)
    }

    fn load(&mut self, keys: &[RowKey], tables: &mut Tables) -> Result<(), StoreError> {
        let lookups = Lookups::new(keys);
        let results = self.run(lookups.statements(false)?)?;
        lookups.load(&mut results.into_iter(), tables)
    }

    fn confirm(&mut self, tables: &mut Tables) -> Result<bool, StoreError> {
        let (lock, authorizing_rows) =
            (changed_rows(tables, &self.locked), authorizing_rows(tables));
        let mut statements = lock.statements(true)?;
        if statements.is_empty() {
            return Ok(true);
        }
        // Read after the locks are held: a batch that waited for a lock must not be authorized by a
        // row, such as an API key, as it was before the wait.
        statements.extend(authorizing_rows.statements(false)?);
        let mut results = self.run(statements)?.into_iter();
        let same = lock.confirm(&mut results, tables)?;
        // Even if rows differ, they stay locked until the end of the transaction: the next round
        // finds them as they are now.
        self.locked.extend(lock.keys());
        // The authorizing rows come first in the expression, because they must be loaded again in
        // either case.
        Ok(authorizing_rows.confirm(&mut results, tables)? && same)
    }

    fn persist(&mut self, work: &Workspace) -> Result<(), StoreError> {
        // The batch's number is written in its own transaction, so that after a lost connection it
        // tells whether the transaction was committed. Each attempt has a new number: an earlier
        // batch must not be taken for this one.
        self.batch += 1;
        let mut statements = vec![Statement {
            sql: WRITE_BATCH,
            params: vec![BulkParam::Int(self.lane), BulkParam::Int(self.batch)],
            changes: Some(("lanes", 1)),
        }];
        write_all(&work.tables, &mut statements)?;
        append(&work.events, &mut statements)?;
        append(&work.entries, &mut statements)?;
        append(&work.audit, &mut statements)?;
        let batches = self.chain.batches(work)?;
        append(&batches, &mut statements)?;
        delete(&work.deletions, &mut statements)?;
        self.run(statements)?;
        self.remember(&work.tables);
        Ok(())
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        let done = self.run(vec![Statement::new("COMMIT", vec![])]);
        self.in_transaction = false;
        match done {
            Ok(_) => {
                self.chain.committed();
                Ok(())
            }
            // No answer, or the answer of a server that is shutting down: the commit may be on
            // disk.
            Err(error) if error.is_unavailable() => Err(StoreError::CommitUnknown(Box::new(error))),
            Err(error) => Err(error),
        }
    }

    fn is_committed(&mut self) -> Result<bool, StoreError> {
        self.deadline = Instant::now() + RECOVERY_DEADLINE;
        let results =
            self.run(vec![Statement::new(READ_BATCH, vec![BulkParam::Int(self.lane)])])?;
        let row = results.first().and_then(|result| result.rows.first());
        let committed = row.map(|row| integer(row)).transpose()? == Some(self.batch);
        if committed {
            self.chain.committed();
        } else {
            self.chain.undone();
        }
        Ok(committed)
    }

    fn rollback(&mut self) {
        // Also where the database has rolled back by itself, or a lost connection did.
        self.chain.undone();
        if !self.in_transaction {
            return;
        }
        self.in_transaction = false;
        self.deadline = Instant::now() + RECOVERY_DEADLINE;
        if let Err(error) = self.run(vec![Statement::new("ROLLBACK", vec![])]) {
            // The server rolls back the open transaction of a closed connection.
            tracing::debug!(%error, "a transaction was left to the server to roll back");
            self.connection = None;
        }
    }
}

impl Drop for PostgresStore {
    fn drop(&mut self) {
        // After a failed start this may be a thread of a runtime, which must not block. The lane's
        // row is then left for a later start to remove.
        let may_wait = tokio::runtime::Handle::try_current().is_err();
        self.deadline = Instant::now() + RECOVERY_DEADLINE;
        if may_wait
            && self.connection.is_some()
            && let Err(error) =
                self.run(vec![Statement::new(CLOSE_LANE, vec![BulkParam::Int(self.lane)])])
        {
            tracing::debug!(%error, "the lane's row was left behind");
        }
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
