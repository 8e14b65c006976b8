//! The yardstick of SQLite: writes the rows of a transfer's execution to the product's schema, one
//! transaction for each batch, without HTTP and without any rules. The product cannot be faster.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use hdrhistogram::Histogram;
use rusqlite::config::DbConfig;
use rusqlite::{CachedStatement, Connection, params};
use store::workspace::codes::with_codes;

use super::jobs::Random;

/// As the server opens its writing connection (`crates/store/src/workspace/sqlite.rs`): other
/// settings, other figures.
const PRAGMAS: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA foreign_keys = ON;
    PRAGMA temp_store = MEMORY;
    PRAGMA wal_autocheckpoint = 8000;
    PRAGMA cache_size = -32768;";

const PAYER: i64 = 11;
const RECEIVER: i64 = 12;
const API_KEY: i64 = 31;
const PLATFORM_FEE: i64 = 41;
const GATEWAY_FEE: i64 = 42;
const FIRST_SESSION: i64 = 1000;

pub struct Outcome {
    pub executions: usize,
    pub elapsed: Duration,
    /// The latencies of transactions, not of executions.
    pub latencies: Histogram<u64>,
}

/// A database of the product that is written without the product.
pub struct Raw {
    connection: Connection,
    sql: Sql,
    now: i64,
    next_id: i64,
    /// The position of the merchant's last event.
    position: i64,
    payer: Balance,
    receiver: Balance,
    random: Random,
}

#[derive(Clone, Copy)]
struct Balance {
    wallet: i64,
    minor: i64,
    last_entry: Option<i64>,
}

impl Balance {
    fn add(&mut self, minor: i64, entry: i64) -> Option<i64> {
        self.minor += minor;
        self.last_entry.replace(entry)
    }
}

impl Raw {
    pub fn create(path: &Path, migrations: &Path) -> anyhow::Result<Self> {
        let connection = Connection::open(path)?;
        connection.execute_batch(PRAGMAS)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        let mut files = fs::read_dir(migrations)?
            .map(|file| Ok(file?.path()))
            .collect::<std::io::Result<Vec<_>>>()?;
        files.sort();
        for file in files {
            let text = fs::read_to_string(&file)?;
            connection.execute_batch(&text).with_context(|| file.display().to_string())?;
        }
        connection.set_prepared_statement_cache_capacity(32);
        let payer = Balance { wallet: PAYER, minor: 100_000_000_000, last_entry: None };
        let receiver = Balance { wallet: RECEIVER, minor: 0, last_entry: None };
        connection.execute(
            "INSERT INTO merchants (id, name, type, mode, verified, fee_tier, clock_offset_us, created_at, updated_at) \
             VALUES (1, 'Raw', 'ORGANIZATION', 'SANDBOX', 1, 'default', 0, 0, 0)",
            [],
        )?;
        for (balance, owner_type, owner) in [(payer, "MERCHANT", 1), (receiver, "PARTY", 2)] {
            connection.execute(
                "INSERT INTO wallets (id, merchant_id, owner_type, owner_id, currency, available_minor, held_minor, status, created_at, \
                 updated_at) VALUES (?, 1, ?, ?, 'USD', ?, 0, 'ACTIVE', 0, 0)",
                params![balance.wallet, owner_type, owner, balance.minor],
            )?;
        }
        let now = jiff::Timestamp::from_second(1_800_000_000)?.as_microsecond();
        Ok(Self {
            connection,
            sql: Sql::new(),
            now,
            next_id: FIRST_SESSION,
            position: 0,
            payer,
            receiver,
            random: Random::seeded(),
        })
    }

    /// Creates sessions and executes them in batches, until the time is over or the sessions are
    /// used up.
    pub fn run(
        &mut self,
        sessions: usize,
        batch: usize,
        limit: Duration,
    ) -> anyhow::Result<Outcome> {
        let sessions = self.make_sessions(sessions)?;
        let work: Vec<_> = sessions.into_iter().map(|id| (id, self.random.uuid_bytes())).collect();
        let mut outcome =
            Outcome { executions: 0, elapsed: Duration::ZERO, latencies: Histogram::new(3)? };
        let begun = Instant::now();
        for batch in work.chunks_exact(batch) {
            let before = Instant::now();
            self.commit(batch)?;
            outcome.latencies.record(u64::try_from(before.elapsed().as_nanos())?)?;
            outcome.executions += batch.len();
            if begun.elapsed() >= limit {
                break;
            }
        }
        outcome.elapsed = begun.elapsed();
        Ok(outcome)
    }

    fn id(&mut self) -> i64 {
        self.next_id += 1;
        self.next_id
    }

    fn make_sessions(&mut self, count: usize) -> anyhow::Result<Vec<i64>> {
        let ids: Vec<i64> = (0..count).map(|_| self.id()).collect();
        self.connection.execute_batch("BEGIN IMMEDIATE")?;
        let mut insert = self.connection.prepare(&with_codes(
            "INSERT INTO sessions (id, merchant_id, kind, status, wallet_id, counterparty_id, party_id, recipient_type, \
             recipient_id, recipient_name, amount_minor, currency, event_count, expires_at, created_at, updated_at) \
             VALUES (?, 1, {session_kind TRANSFER}, {session_status ACTIVE}, 11, 21, 2, 'PARTY', 2, 'Amara Kollie', 1, 'USD', \
             1, ?, ?, ?)",
        ))?;
        for id in &ids {
            insert.execute(params![id, self.now + 3_600_000_000, self.now, self.now])?;
        }
        drop(insert);
        self.connection.execute_batch("COMMIT")?;
        // Without this checkpoint the first measurement would pay for the rows written before it.
        self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        Ok(ids)
    }

    fn commit(&mut self, batch: &[(i64, [u8; 16])]) -> anyhow::Result<()> {
        self.now += 1000;
        let Self { connection, sql, now, next_id, position, payer, receiver, .. } = self;
        let now = *now;
        connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        {
            let mut rows = Rows::prepare(connection, sql)?;
            for (session, reference) in batch {
                let (execution, event, debit, credit) =
                    (*next_id + 1, *next_id + 2, *next_id + 3, *next_id + 4);
                *next_id += 4;
                rows.session.execute(params![now, session])?;
                rows.execution.execute(params![execution, reference, session, now, now, now])?;
                *position += 1;
                rows.event.execute(params![event, execution, *position, now])?;
                let previous = payer.add(-1, debit);
                rows.entry.execute(params![
                    debit,
                    event,
                    execution,
                    payer.wallet,
                    -1,
                    payer.minor,
                    previous
                ])?;
                let previous = receiver.add(1, credit);
                rows.entry.execute(params![
                    credit,
                    event,
                    execution,
                    receiver.wallet,
                    1,
                    receiver.minor,
                    previous
                ])?;
            }
            rows.position.execute(params![*position])?;
            for balance in [payer, receiver] {
                rows.wallet.execute(params![
                    balance.minor,
                    balance.last_entry,
                    now,
                    balance.wallet
                ])?;
            }
        }
        connection.prepare_cached("COMMIT")?.execute([])?;
        Ok(())
    }
}

/// The SQL of all statements.
struct Sql {
    session: String,
    execution: String,
    event: String,
    position: String,
    entry: String,
    wallet: String,
}

impl Sql {
    fn new() -> Self {
        Self {
            session: with_codes(
                "UPDATE sessions SET status = {session_status EXECUTED}, updated_at = ? WHERE id = ?",
            ),
            execution: with_codes(&format!(
                // The other columns are null.
                "INSERT INTO executions (id, merchant_id, reference_id, operation, session_id, status, wallet_id, counter_wallet_id, \
                 payer_minor, payer_currency, payee_minor, payee_currency, total_minor, platform_fee_minor, gateway_fee_minor, \
                 fx_fee_minor, rate_num, rate_den, rules, platform_fee_id, gateway_fee_id, provider, method, in_review, event_count, \
                 completed_at, created_at, updated_at) \
                 VALUES (?, 1, ?, {{operation TRANSFER}}, ?, {{execution_status COMPLETED}}, {PAYER}, {RECEIVER}, 1, 'USD', 1, 'USD', \
                 1, 0, 0, 0, 1, 1, 2, {PLATFORM_FEE}, {GATEWAY_FEE}, 'PLATFORM', 'WALLET', 0, 1, ?, ?, ?)",
            )),
            event: with_codes(&format!(
                "INSERT INTO events (id, merchant_id, type, subject_type, subject_id, position, sequence, actor_kind, actor_id, \
                 created_at) VALUES (?, 1, {{event_type execution.completed}}, {{event_entity EXECUTION}}, ?, ?, 1, \
                 {{actor_kind API_KEY}}, {API_KEY}, ?)",
            )),
            position: with_codes(
                "INSERT INTO event_positions (merchant_id, last) VALUES (1, ?) \
                 ON CONFLICT (merchant_id) DO UPDATE SET last = excluded.last",
            ),
            entry: with_codes(
                "INSERT INTO entries (id, merchant_id, transaction_id, execution_id, account_id, bucket, amount_minor, currency, \
                 balance_minor, previous_entry_id) VALUES (?, 1, ?, ?, ?, {bucket AVAILABLE}, ?, 'USD', ?, ?)",
            ),
            wallet: with_codes(
                "UPDATE wallets SET available_minor = ?, last_entry_id = ?, updated_at = ? WHERE id = ?",
            ),
        }
    }
}

struct Rows<'a> {
    session: CachedStatement<'a>,
    execution: CachedStatement<'a>,
    event: CachedStatement<'a>,
    position: CachedStatement<'a>,
    entry: CachedStatement<'a>,
    wallet: CachedStatement<'a>,
}

impl<'a> Rows<'a> {
    fn prepare(connection: &'a Connection, sql: &Sql) -> rusqlite::Result<Self> {
        Ok(Self {
            session: connection.prepare_cached(&sql.session)?,
            execution: connection.prepare_cached(&sql.execution)?,
            event: connection.prepare_cached(&sql.event)?,
            position: connection.prepare_cached(&sql.position)?,
            entry: connection.prepare_cached(&sql.entry)?,
            wallet: connection.prepare_cached(&sql.wallet)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// If this file does not follow a change of the schema, this test fails, and not only the next
    /// benchmark.
    #[test]
    fn the_rows_fit_the_schema_and_the_money_adds_up() {
        let path = std::env::temp_dir().join(format!("xtask-raw-{}.db", std::process::id()));
        let mut raw = Raw::create(&path, &crate::root().join("migrations/sqlite")).unwrap();
        let outcome = raw.run(10, 4, Duration::from_secs(60)).unwrap();
        assert_eq!(outcome.executions, 8);
        assert_eq!(outcome.latencies.len(), 2);
        let count = |statement: &str| {
            raw.connection.query_row(statement, [], |row| row.get::<_, i64>(0)).unwrap()
        };
        assert_eq!(count("SELECT count(*) FROM executions"), 8);
        assert_eq!(
            count(&with_codes(
                "SELECT count(*) FROM sessions WHERE status = {session_status ACTIVE}"
            )),
            2
        );
        assert_eq!(count("SELECT sum(amount_minor) FROM entries"), 0);
        assert_eq!(count("SELECT available_minor FROM wallets WHERE id = 12"), 8);
        assert_eq!(
            count(
                "SELECT count(*) FROM entries e JOIN entries p ON p.id = e.previous_entry_id AND p.account_id = e.account_id"
            ),
            14
        );
        drop(raw);
        for suffix in ["", "-wal", "-shm"] {
            fs::remove_file(format!("{}{suffix}", path.display())).ok();
        }
    }
}
