//! A lane's own connection: reads and writes many rows at a time, and sends what does not depend on
//! an answer in one go.

use std::collections::{HashMap, HashSet};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use domain::decision::prefetch::LockKey;
use domain::decision::row::{Lookup, LookupOf, Row as DomainRow};
use domain::decision::workspace::{IdBlock, Loaded, RowChange, RowKey, Table, Tables, Workspace};
use domain::each_table;
use domain::kernel::ids::MerchantId;
use domain::ledger::wallet::Owner;
use domain::tariff::tariff::Tariff;
use tokio::runtime::Runtime;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row, Statement};

use crate::schema::{installation, tariff};
use crate::workspace::postgres::sql_array::SqlArray;
use crate::workspace::postgres::{Address, connect, runtime};
use crate::workspace::record::{Column, KeyedRecord, Record};
use crate::workspace::sql::{OwnedRow, integer};
use crate::workspace::sql_value::{ColumnType, SqlValue};
use crate::{Store, StoreError};

/// Statements of a lane find rows by keys and nothing else, so plans are made once, for indexes:
/// those made while a table is small would stay when it has grown.
const SESSION: &str = "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET enable_hashjoin = off; \
     SET enable_mergejoin = off; SET enable_bitmapscan = off; SET enable_sort = on";
/// A batch has so long, all its statements together. The server's own time-outs end a statement
/// earlier; past this, nobody answers any more.
pub const BATCH_DEADLINE: Duration = Duration::from_secs(6);
/// To find out about a commit without an answer, each time.
const RECOVERY_DEADLINE: Duration = Duration::from_secs(2);
/// Merchants whose wallets and accounts a lane remembers the keys of.
const REMEMBERED: usize = 10_000;
/// Keys remembered of one merchant.
const REMEMBERED_KEYS: usize = 32;

/// One lane of this process: what it wrote last is known under its id after a lost connection too.
const OPEN_LANE: &str = "INSERT INTO lanes (id, batch, seen_at) VALUES ($1, 0, (extract(epoch FROM now()) * 1000000)::bigint) \
     ON CONFLICT (id) DO NOTHING";
const CLOSE_LANE: &str = "DELETE FROM lanes WHERE id = $1";
/// Rows of lanes whose process was killed. One that is only idle makes its row again.
const SWEEP_LANES: &str =
    "DELETE FROM lanes WHERE seen_at < ((extract(epoch FROM now()) - 7 * 86400) * 1000000)::bigint";
const WRITE_BATCH: &str = "UPDATE lanes SET batch = $2, seen_at = (extract(epoch FROM now()) * 1000000)::bigint WHERE id = $1";
/// Waits for a transaction of this lane that the server may still be ending.
const READ_BATCH: &str = "SELECT batch FROM lanes WHERE id = $1 FOR UPDATE";
const RESERVE_IDS: &str = "UPDATE installation SET next_id = next_id + $1 RETURNING next_id";
const BOOK_VERSION: &str = "SELECT book_version FROM installation";

/// What a lane sends beside the statements of tables: a test has PostgreSQL read them.
#[cfg(test)]
pub(crate) const STATEMENTS: [&str; 7] =
    [OPEN_LANE, CLOSE_LANE, SWEEP_LANES, WRITE_BATCH, READ_BATCH, RESERVE_IDS, BOOK_VERSION];

/// A connection with what was prepared on it.
struct Link {
    client: Client,
    prepared: HashMap<&'static str, Statement>,
}

/// A parameter of a lane's statement.
#[derive(Debug)]
enum BulkParam<'a> {
    Int(i64),
    Array(SqlArray<'a>),
}

/// A statement to run.
struct Ask<'a> {
    sql: &'static str,
    params: Vec<BulkParam<'a>>,
    /// How many rows it must change, and of which table.
    changes: Option<(&'static str, usize)>,
}

impl<'a> Ask<'a> {
    const fn new(sql: &'static str, params: Vec<BulkParam<'a>>) -> Self {
        Self { sql, params, changes: None }
    }
}

/// What a statement answered.
struct Answered {
    rows: Vec<Row>,
    changed: u64,
}

/// The lane's connection, made anew when it is lost.
pub struct PostgresStore {
    address: Address,
    /// `None` only when the store is being dropped.
    runtime: Option<Runtime>,
    link: Option<Link>,
    /// When what is being done must have its answers.
    deadline: Instant,
    installation: [u8; 16],
    tariff: Arc<Tariff>,
    /// This lane, and the last batch that it tried to commit.
    lane: i64,
    batch: i64,
    in_transaction: bool,
    /// The rows that this transaction has locked.
    locked: HashSet<RowKey>,
    /// The merchants' own wallets and accounts that earlier batches wrote: read ahead, since the
    /// next will need them.
    remembered: HashMap<MerchantId, Vec<RowKey>>,
}

impl PostgresStore {
    /// A store on a database whose schema is up to date. Never within a runtime.
    pub fn open(address: &Address) -> Result<Self, StoreError> {
        let mut store = Self {
            address: address.clone(),
            runtime: Some(runtime()?),
            link: None,
            deadline: Instant::now() + BATCH_DEADLINE,
            installation: [0; 16],
            tariff: Arc::default(),
            lane: 0,
            batch: 0,
            in_transaction: false,
            locked: HashSet::new(),
            remembered: HashMap::new(),
        };
        let lane = store.reserve_ids(1)?.next;
        store.run(vec![
            Ask::new(SWEEP_LANES, vec![]),
            Ask::new(OPEN_LANE, vec![BulkParam::Int(lane)]),
        ])?;
        store.lane = lane;
        let read = store.run(vec![Ask::new(installation::UUID, vec![])])?;
        let uuid = read
            .first()
            .and_then(|answer| answer.rows.first())
            .map(|row| OwnedRow::read(row, 1))
            .transpose()?;
        store.installation = installation::uuid(uuid.as_ref())?;
        Ok(store)
    }

    /// Runs statements, in order and without waiting in between. All of them are answered before
    /// the first error is.
    fn run(&mut self, asks: Vec<Ask<'_>>) -> Result<Vec<Answered>, StoreError> {
        let (address, lane) = (&self.address, self.lane);
        let link = &mut self.link;
        let left = self.deadline.saturating_duration_since(Instant::now());
        let runtime = self.runtime.as_ref().ok_or(StoreError::Unexpected("the store is closed"))?;
        let done = runtime.block_on(async {
            let work = async {
                let link = match link {
                    Some(open) => open,
                    None => link.insert(open(address, lane).await?),
                };
                link.run(&asks).await
            };
            tokio::time::timeout(left, work).await.unwrap_or(Err(StoreError::NoAnswer))
        });
        let lost_lane =
            |error: &StoreError| matches!(error, StoreError::RowsAffected { table: "lanes", .. });
        if done.as_ref().is_err_and(|error| error.is_unavailable() || lost_lane(error)) {
            // Whatever it was in the middle of: the server rolls it back when the connection is
            // gone.
            self.link = None;
            self.in_transaction = false;
        }
        done
    }

    /// Starts the transaction with statements that do not wait for its start.
    fn run_first(&mut self, mut asks: Vec<Ask<'_>>) -> Result<Vec<Answered>, StoreError> {
        // A connection that was closed meanwhile is found out before the transaction begins, not in
        // its middle.
        if self.link.as_ref().is_some_and(|link| link.client.is_closed()) {
            self.link = None;
        }
        self.locked.clear();
        self.in_transaction = true;
        self.deadline = Instant::now() + BATCH_DEADLINE;
        asks.insert(0, Ask::new("BEGIN", vec![]));
        let mut answers = self.run(asks)?;
        answers.remove(0);
        Ok(answers)
    }

    /// Reads the tariff again when its version is another.
    fn renew_tariff(&mut self, version: i64) -> Result<(), StoreError> {
        if self.tariff.version == version {
            return Ok(());
        }
        let asks = tariff::QUERIES.iter().map(|sql| Ask::new(sql, vec![])).collect();
        let mut tables = Vec::with_capacity(tariff::QUERIES.len());
        for answer in self.run(asks)? {
            tables.push(
                answer
                    .rows
                    .iter()
                    .map(|row| OwnedRow::read(row, row.len()))
                    .collect::<Result<Vec<_>, _>>()?,
            );
        }
        self.tariff = Arc::new(tariff::build(&tables)?);
        Ok(())
    }

    /// Keeps in mind which wallets and accounts a merchant's payments move money on.
    fn remember(&mut self, tables: &Tables) {
        if self.remembered.len() > REMEMBERED {
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
            if keys.len() < REMEMBERED_KEYS && !keys.contains(&key) {
                keys.push(key);
            }
        }
    }
}

async fn open(address: &Address, lane: i64) -> Result<Link, StoreError> {
    let client = connect(address).await?;
    client.batch_execute(SESSION).await?;
    if lane != 0 {
        client.execute(OPEN_LANE, &[&lane]).await?;
    }
    Ok(Link { client, prepared: HashMap::new() })
}

impl Link {
    async fn run(&mut self, asks: &[Ask<'_>]) -> Result<Vec<Answered>, StoreError> {
        for ask in asks {
            if !self.prepared.contains_key(ask.sql) {
                self.prepared.insert(ask.sql, self.client.prepare(ask.sql).await?);
            }
        }
        let mut answers = Vec::with_capacity(asks.len());
        for (ask, answer) in asks.iter().zip(in_order(asks.iter().map(|ask| self.one(ask))).await) {
            let answer = answer?;
            if let Some((table, expected)) = ask.changes
                && usize::try_from(answer.changed) != Ok(expected)
            {
                return Err(StoreError::RowsAffected {
                    table,
                    count: usize::try_from(answer.changed).unwrap_or(usize::MAX),
                    expected,
                });
            }
            answers.push(answer);
        }
        Ok(answers)
    }

    async fn one(&self, ask: &Ask<'_>) -> Result<Answered, StoreError> {
        let statement = self
            .prepared
            .get(ask.sql)
            .ok_or(StoreError::Unexpected("a statement was not prepared"))?;
        let params = ask.params.iter().map(|param| -> &(dyn ToSql + Sync) {
            match param {
                BulkParam::Int(value) => value,
                BulkParam::Array(array) => array.as_sql(),
            }
        });
        let stream = self.client.query_raw(statement, params.collect::<Vec<_>>()).await?;
        let mut stream = std::pin::pin!(stream);
        let mut rows = Vec::new();
        while let Some(row) = futures_util::StreamExt::next(&mut stream).await {
            rows.push(row?);
        }
        Ok(Answered { rows, changed: stream.rows_affected().unwrap_or(0) })
    }
}

/// Awaits all futures. Each is first polled, which sends its statement, in the order of the list.
async fn in_order<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut waiting: Vec<Pin<Box<F>>> = futures.map(Box::pin).collect();
    let mut done: Vec<Option<F::Output>> = waiting.iter().map(|_| None).collect();
    std::future::poll_fn(move |context| {
        let mut all = true;
        for (future, done) in waiting.iter_mut().zip(&mut done) {
            if done.is_none() {
                match future.as_mut().poll(context) {
                    Poll::Ready(output) => *done = Some(output),
                    Poll::Pending => all = false,
                }
            }
        }
        if all {
            Poll::Ready(done.iter_mut().filter_map(Option::take).collect())
        } else {
            Poll::Pending
        }
    })
    .await
}

// Rows in and out
// ---------------------------------------------------------------------------------------------------------

/// The values of rows as one array a column.
fn arrays<'a>(
    types: impl Iterator<Item = ColumnType>,
    rows: &[Vec<SqlValue<'a>>],
) -> Result<Vec<BulkParam<'a>>, StoreError> {
    let column = |(index, column_type)| {
        SqlArray::of_column(column_type, rows.iter().map(|row| row.get(index)))
    };
    types.enumerate().map(column).map(|array| array.map(BulkParam::Array)).collect()
}

fn values<'a, C: Column>(value: &'a C) -> Vec<SqlValue<'a>> {
    let mut values = Vec::with_capacity(C::WIDTH);
    value.put(&mut values);
    values
}

fn ids<R: KeyedRecord>(ids: impl Iterator<Item = R::Id>) -> Vec<BulkParam<'static>> {
    let number = |id: R::Id| match values(&id).first() {
        Some(SqlValue::Int(id)) => Some(*id),
        _ => None,
    };
    vec![BulkParam::Array(SqlArray::Ints(ids.map(number).collect()))]
}

/// What is asked of one table.
struct Wanted<R: Loaded> {
    ids: Vec<R::Id>,
    names: Vec<R::AltKey>,
}

impl<R: Loaded + KeyedRecord> Wanted<R> {
    const fn of(ids: Vec<R::Id>) -> Self {
        Self { ids, names: vec![] }
    }

    fn new(lookups: impl Iterator<Item = LookupOf<R>>) -> Self {
        let mut wanted = Self { ids: vec![], names: vec![] };
        for lookup in lookups {
            match lookup {
                Lookup::Id(id) => wanted.ids.push(id),
                Lookup::AltKey(name) => wanted.names.push(name),
            }
        }
        // Each once: one batch often asks for the same row many times.
        wanted.ids.sort_unstable();
        wanted.ids.dedup();
        wanted.names.sort_unstable();
        wanted.names.dedup();
        wanted
    }

    fn asks(&self, lock: bool) -> Result<Vec<Ask<'static>>, StoreError> {
        let statements = R::statements();
        let mut asks = vec![];
        if !self.ids.is_empty() {
            let sql = if lock { &statements.many.lock } else { &statements.many.by_ids };
            asks.push(Ask::new(sql, ids::<R>(self.ids.iter().copied())));
        }
        if !self.names.is_empty() {
            let mut types = vec![];
            R::AltKey::types(&mut types);
            let rows: Vec<Vec<SqlValue<'static>>> = self
                .names
                .iter()
                .map(|name| values(name).into_iter().map(SqlValue::into_owned).collect())
                .collect();
            asks.push(Ask::new(&statements.many.by_alt_keys, arrays(types.into_iter(), &rows)?));
        }
        Ok(asks)
    }

    /// Takes in what the asks were answered, absence too.
    fn take_in(
        self,
        answers: &mut impl Iterator<Item = Answered>,
        table: &mut Table<R>,
    ) -> Result<(), StoreError> {
        let mut read = || -> Result<Vec<R>, StoreError> {
            let rows = answers.next().map(|answer| answer.rows).unwrap_or_default();
            rows.iter().map(|row| R::from_row(row, 0)).collect()
        };
        if !self.ids.is_empty() {
            let mut found: HashMap<R::Id, R> =
                read()?.into_iter().map(|row| (DomainRow::id(&row), row)).collect();
            for id in self.ids {
                table.load(Lookup::Id(id), found.remove(&id));
            }
        }
        if !self.names.is_empty() {
            let mut found: HashMap<R::AltKey, R> = read()?
                .into_iter()
                .filter_map(|row| Some((DomainRow::alt_key(&row)?, row)))
                .collect();
            for name in self.names {
                let row = found.remove(&name);
                table.load(Lookup::AltKey(name), row);
            }
        }
        Ok(())
    }
}

/// Locks the rows that commands are about, as far as they are their owners'.
fn lock_statement<R: KeyedRecord>(
    lock_keys: &[(R::Id, Option<MerchantId>)],
) -> Option<Ask<'static>> {
    let owners = lock_keys.iter().map(|(_, owner)| owner.map(|owner| owner.0)).collect();
    let mut params = ids::<R>(lock_keys.iter().map(|(id, _)| *id));
    params.push(BulkParam::Array(SqlArray::Ints(owners)));
    (!lock_keys.is_empty()).then(|| Ask::new(&R::statements().many.lock_owned, params))
}

/// Takes in what was locked. What was not found is not known to be absent: it may be somebody
/// else's.
fn take_in_locked<R: Loaded + KeyedRecord>(
    lock_keys: &[(R::Id, Option<MerchantId>)],
    answers: &mut impl Iterator<Item = Answered>,
    table: &mut Table<R>,
    locked: &mut HashSet<RowKey>,
) -> Result<(), StoreError> {
    if lock_keys.is_empty() {
        return Ok(());
    }
    for row in &answers.next().map(|answer| answer.rows).unwrap_or_default() {
        let row = R::from_row(row, 0)?;
        let id = Lookup::Id(DomainRow::id(&row));
        locked.insert(R::key(id.clone()));
        table.load(id, Some(row));
    }
    Ok(())
}

/// The ids of stored rows that a batch changed and its transaction has not locked.
fn unlocked<R: Loaded + KeyedRecord>(table: &Table<R>, locked: &HashSet<RowKey>) -> Vec<R::Id> {
    let changed = table.changes().into_iter().filter_map(|change| match change {
        RowChange::Update(row) => Some(row.id()),
        RowChange::Insert(_) => None,
    });
    changed.filter(|id| !locked.contains(&R::key(Lookup::Id(*id)))).collect()
}

/// The statements that write what changed in a table.
fn writes<'a, R: Loaded + KeyedRecord>(
    table: &'a Table<R>,
    asks: &mut Vec<Ask<'a>>,
) -> Result<(), StoreError> {
    let (mut inserts, mut updates) = (vec![], vec![]);
    for change in table.changes() {
        let mut values = Vec::with_capacity(R::WIDTH);
        match change {
            RowChange::Insert(row) => {
                row.put(&mut values);
                inserts.push(values);
            }
            RowChange::Update(row) => {
                row.put_changes(&mut values);
                updates.push(values);
            }
        }
    }
    insert::<R>(&inserts, asks)?;
    if !updates.is_empty() {
        let statements = R::statements();
        let changing = statements
            .all
            .get(statements.fixed..)
            .unwrap_or_default()
            .iter()
            .chain(statements.all.first());
        let params = arrays(changing.map(|(_, kind)| *kind), &updates)?;
        asks.push(Ask {
            sql: &statements.many.update,
            params,
            changes: Some((R::TABLE, updates.len())),
        });
    }
    Ok(())
}

fn insert<'a, R: Record>(
    rows: &[Vec<SqlValue<'a>>],
    asks: &mut Vec<Ask<'a>>,
) -> Result<(), StoreError> {
    if !rows.is_empty() {
        let statements = R::statements();
        let params = arrays(statements.all.iter().map(|(_, kind)| *kind), rows)?;
        asks.push(Ask {
            sql: &statements.many.insert,
            params,
            changes: Some((R::TABLE, rows.len())),
        });
    }
    Ok(())
}

fn append<'a, R: Record>(rows: &'a [R], asks: &mut Vec<Ask<'a>>) -> Result<(), StoreError> {
    let all = |row: &'a R| {
        let mut values = Vec::with_capacity(R::WIDTH);
        row.put(&mut values);
        values
    };
    insert::<R>(&rows.iter().map(all).collect::<Vec<_>>(), asks)
}

macro_rules! by_table {
    ($($(#[$doc:meta])* $field:ident: $variant:ident = $row:ty),+ $(,)?) => {
        /// What is asked of all tables.
        struct Wants { $($field: Wanted<$row>),+ }

        impl Wants {
            fn new(keys: &[RowKey]) -> Self {
                Self { $($field: Wanted::new(keys.iter().filter_map(|key| match key {
                    RowKey::$variant(lookup) => Some(lookup.clone()),
                    _ => None,
                }))),+ }
            }

            fn asks(&self, lock: bool) -> Result<Vec<Ask<'static>>, StoreError> {
                let mut asks = vec![];
                $(asks.extend(self.$field.asks(lock)?);)+
                Ok(asks)
            }

            fn take_in(self, answers: &mut impl Iterator<Item = Answered>, tables: &mut Tables) -> Result<(), StoreError> {
                $(self.$field.take_in(answers, &mut tables.$field)?;)+
                Ok(())
            }
        }

        /// The rows that are changed and not locked, table by table: the order in which every
        /// transaction locks.
        fn to_lock(tables: &Tables, locked: &HashSet<RowKey>) -> Wants {
            Wants { $($field: Wanted::of(unlocked(&tables.$field, locked))),+ }
        }

        /// The rows that permit what was decided.
        fn permissions(tables: &Tables) -> Wants {
            Wants { $($field: Wanted::of(
                if <$row as DomainRow>::AUTHORIZES { tables.$field.stored_ids().collect() } else { vec![] }
            )),+ }
        }

        /// The rows that commands are about, table by table.
        struct LockKeys { $($field: Vec<(<$row as DomainRow>::Id, Option<MerchantId>)>),+ }

        impl LockKeys {
            fn new(lock_keys: &[LockKey]) -> Self {
                let mut all = Self { $($field: vec![]),+ };
                for LockKey { key, owner } in lock_keys {
                    match key {
                        $(RowKey::$variant(Lookup::Id(id)) => all.$field.push((*id, *owner)),)+
                        // No command is about a row that it knows by a name only.
                        $(RowKey::$variant(Lookup::AltKey(_)) => {})+
                    }
                }
                $(all.$field.sort_unstable();
                all.$field.dedup();)+
                all
            }

            fn asks(&self) -> Vec<Ask<'static>> {
                let mut asks = vec![];
                $(asks.extend(lock_statement::<$row>(&self.$field));)+
                asks
            }

            fn take_in(
                &self,
                answers: &mut impl Iterator<Item = Answered>,
                tables: &mut Tables,
                locked: &mut HashSet<RowKey>,
            ) -> Result<(), StoreError> {
                $(take_in_locked(&self.$field, answers, &mut tables.$field, locked)?;)+
                Ok(())
            }
        }

        impl Wants {
            /// Takes in rows that were read again; answers whether all are as they were read first.
            fn confirm(
                &self,
                answers: &mut impl Iterator<Item = Answered>,
                tables: &mut Tables,
            ) -> Result<bool, StoreError> {
                let mut same = true;
                $(if !self.$field.ids.is_empty() {
                    let rows = answers.next().map(|answer| answer.rows).unwrap_or_default();
                    if rows.len() != self.$field.ids.len() {
                        let (count, expected) = (rows.len(), self.$field.ids.len());
                        return Err(StoreError::RowsAffected { table: <$row as Record>::TABLE, count, expected });
                    }
                    for row in &rows {
                        same &= tables.$field.confirm(<$row as Record>::from_row(row, 0)?);
                    }
                })+
                Ok(same)
            }

            /// The keys of the ids.
            fn keys(&self) -> Vec<RowKey> {
                let mut keys = vec![];
                $(keys.extend(self.$field.ids.iter().map(|id| RowKey::$variant(Lookup::Id(*id))));)+
                keys
            }
        }

        fn all_writes<'a>(tables: &'a Tables, asks: &mut Vec<Ask<'a>>) -> Result<(), StoreError> {
            $(writes(&tables.$field, asks)?;)+
            Ok(())
        }
    };
}
each_table!(by_table);

impl Store for PostgresStore {
    fn is_local(&self) -> bool {
        false
    }

    /// In a transaction of its own: the row is everybody's, and must not stay locked for as long as
    /// a batch takes.
    fn reserve_ids(&mut self, count: i64) -> Result<IdBlock, StoreError> {
        self.deadline = Instant::now() + BATCH_DEADLINE;
        let answers = self.run(vec![Ask::new(RESERVE_IDS, vec![BulkParam::Int(count)])])?;
        let row = answers
            .first()
            .and_then(|answer| answer.rows.first())
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
        // What is locked is locked first: what is read afterwards is at least as new.
        let (lock, read) = (LockKeys::new(lock_keys), Wants::new(&wanted));
        let mut asks = lock.asks();
        asks.push(Ask::new(BOOK_VERSION, vec![]));
        let locks = asks.len() - 1;
        asks.extend(read.asks(false)?);
        let mut answers = self.run_first(asks)?;
        let version = answers.remove(locks);
        let version =
            version.rows.first().ok_or(StoreError::Unexpected("the installation has no row"))?;
        self.renew_tariff(integer(version)?)?;
        let mut work = Workspace::new(Arc::clone(&self.tariff), self.installation, ids);
        let mut answers = answers.into_iter();
        lock.take_in(&mut answers, &mut work.tables, &mut self.locked)?;
        read.take_in(&mut answers, &mut work.tables)?;
        Ok(work)
    }

    fn load(&mut self, keys: &[RowKey], tables: &mut Tables) -> Result<(), StoreError> {
        let wants = Wants::new(keys);
        let answers = self.run(wants.asks(false)?)?;
        wants.take_in(&mut answers.into_iter(), tables)
    }

    fn confirm(&mut self, tables: &mut Tables) -> Result<bool, StoreError> {
        let (lock, permissions) = (to_lock(tables, &self.locked), permissions(tables));
        let mut asks = lock.asks(true)?;
        if asks.is_empty() {
            return Ok(true);
        }
        // Read when the locks are there: whoever waited for one is not let through by what held
        // before.
        asks.extend(permissions.asks(false)?);
        let mut answers = self.run(asks)?.into_iter();
        let same = lock.confirm(&mut answers, tables)?;
        self.locked.extend(lock.keys());
        Ok(permissions.confirm(&mut answers, tables)? && same)
    }

    fn persist(&mut self, work: &Workspace) -> Result<(), StoreError> {
        self.batch += 1;
        let mut asks = vec![Ask {
            sql: WRITE_BATCH,
            params: vec![BulkParam::Int(self.lane), BulkParam::Int(self.batch)],
            changes: Some(("lanes", 1)),
        }];
        all_writes(&work.tables, &mut asks)?;
        append(&work.events, &mut asks)?;
        append(&work.entries, &mut asks)?;
        self.run(asks)?;
        self.remember(&work.tables);
        Ok(())
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        let done = self.run(vec![Ask::new("COMMIT", vec![])]);
        self.in_transaction = false;
        match done {
            Ok(_) => Ok(()),
            // No word, or the word of a server that is going down: it may be on disk.
            Err(error) if error.is_unavailable() => Err(StoreError::CommitUnknown(Box::new(error))),
            Err(error) => Err(error),
        }
    }

    fn is_committed(&mut self) -> Result<bool, StoreError> {
        self.deadline = Instant::now() + RECOVERY_DEADLINE;
        let answers = self.run(vec![Ask::new(READ_BATCH, vec![BulkParam::Int(self.lane)])])?;
        let row = answers.first().and_then(|answer| answer.rows.first());
        Ok(row.map(|row| integer(row)).transpose()? == Some(self.batch))
    }

    fn rollback(&mut self) {
        if !self.in_transaction {
            return;
        }
        self.in_transaction = false;
        self.deadline = Instant::now() + RECOVERY_DEADLINE;
        if let Err(error) = self.run(vec![Ask::new("ROLLBACK", vec![])]) {
            // The server rolls back what a connection leaves open.
            tracing::debug!(%error, "a transaction was left to the server to roll back");
            self.link = None;
        }
    }
}

impl Drop for PostgresStore {
    fn drop(&mut self) {
        // Where a start fails this may be a thread that must not wait: then the row is left for a
        // later start to sweep.
        let may_wait = tokio::runtime::Handle::try_current().is_err();
        self.deadline = Instant::now() + RECOVERY_DEADLINE;
        if may_wait
            && self.link.is_some()
            && let Err(error) =
                self.run(vec![Ask::new(CLOSE_LANE, vec![BulkParam::Int(self.lane)])])
        {
            tracing::debug!(%error, "the lane's row was left behind");
        }
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
