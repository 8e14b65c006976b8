//! A database for one test, in this crate or another, and a record of the reads from it.
//!
//! Tests that need PostgreSQL run only if `KOLA_TEST_POSTGRES` has the URL of its superuser, as
//! `cargo xtask test` sets it.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]
use crate::hex::hex;
use crate::reads::Queries;
pub use crate::reads::recorder::take_reads;
use crate::schema::page_tokens;
use crate::workspace::codes::with_codes;
use crate::workspace::postgres::readers::IN_ORDER;
use crate::workspace::postgres::{Address, PostgresSql};
use crate::workspace::sql::{Dialect, OwnedRow, Sql, numbered};
use crate::workspace::sql_value::{ColumnType, Param, Params, SqlValue, params};
use crate::{Database, StoreError, clock};
use domain::sales::checkout::PageToken;
use std::io::Write as _;
use tokio::runtime::Runtime;

/// The URL of PostgreSQL's superuser. If there is none, this says so on standard error, past the
/// test runner's capture, so that skipped tests are noticed.
#[expect(clippy::explicit_write, reason = "the test runner captures what eprintln! writes")]
pub(crate) fn superuser() -> Option<String> {
    let url = std::env::var("KOLA_TEST_POSTGRES").ok().filter(|url| !url.is_empty());
    if url.is_none() {
        writeln!(std::io::stderr(), "SKIPPED the tests of store that are about PostgreSQL")
            .unwrap();
    }
    url
}

/// A PostgreSQL database that is dropped together with this value.
pub struct OwnDatabase {
    admin: String,
    name: String,
}

impl OwnDatabase {
    /// Runs a statement as the superuser, without a time-out.
    pub fn run(admin: &str, sql: &str) -> Result<(), StoreError> {
        let mut admin = PostgresSql::connect(&Address::parse(admin).unwrap())?;
        admin.script("SET statement_timeout = 0")?;
        admin.script(sql)
    }

    pub fn create(admin: &str) -> (Self, Database) {
        let name = format!("kola_store_{}", hex(&clock::random::<8>().unwrap()));
        // A database with connections cannot be copied. Nobody ever connects to template0, so many
        // tests can copy it at once.
        Self::run(admin, &format!("CREATE DATABASE {name} TEMPLATE template0")).unwrap();
        let (server, database) = admin.rsplit_once('/').unwrap();
        let parameters = database.find('?').map_or("", |at| &database[at..]);
        let database = format!("{server}/{name}{parameters}").parse().unwrap();
        (Self { admin: admin.to_owned(), name }, database)
    }
}

impl Drop for OwnDatabase {
    fn drop(&mut self) {
        let _dropped =
            Self::run(&self.admin, &format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
    }
}

/// What removes a test's database when it is dropped.
pub enum Cleanup {
    Sqlite(tempfile::TempDir),
    Postgres(OwnDatabase),
}

/// A new database with the current schema, the reads of the product on it, and a connection of the
/// test's own.
pub struct Stage {
    pub queries: Queries,
    pub runtime: Runtime,
    pub sql: Box<dyn Sql>,
    pub database: Database,
    _cleanup: Cleanup,
}

impl Stage {
    pub fn open(database: &Database, cleanup: Cleanup) -> Self {
        let sql = database.open(None).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let queries = runtime.block_on(async { database.queries().unwrap() });
        // From here on the reads of this thread are recorded, for `Stage::plans`.
        take_reads();
        Self { queries, runtime, sql, database: database.clone(), _cleanup: cleanup }
    }

    pub fn sqlite() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let database = Database::Sqlite(directory.path().join("kola.db"));
        Self::open(&database, Cleanup::Sqlite(directory))
    }

    pub fn postgres() -> Option<Self> {
        let (own, database) = OwnDatabase::create(&superuser()?);
        Some(Self::open(&database, Cleanup::Postgres(own)))
    }

    /// A stage on SQLite, and one on PostgreSQL if there is a server for tests.
    pub fn both() -> impl Iterator<Item = Self> {
        std::iter::once(Self::sqlite()).chain(Self::postgres())
    }

    /// Runs a read to its end.
    pub fn ask<T>(&self, read: impl AsyncFnOnce(&Queries) -> T) -> T {
        self.runtime.block_on(read(&self.queries))
    }

    /// The first column of the rows that a statement returns.
    pub fn texts(&mut self, sql: &str) -> Vec<String> {
        let rows = self.sql.rows(sql, &vec![]).unwrap_or_else(|error| panic!("{error}: {sql}"));
        rows.iter().map(|row| row.text(0).unwrap_or_default().to_owned()).collect()
    }

    /// The plans of the reads that this thread made since the last call. PostgreSQL first plans a
    /// statement for its parameters, and after some runs switches to a generic plan if that seems
    /// to cost no more. So there both plans are returned.
    pub fn plans(&mut self) -> Vec<(String, Vec<String>)> {
        let asked = take_reads();
        asked.into_iter().map(|(sql, params)| (sql.clone(), self.plans_of(&sql, &params))).collect()
    }

    pub fn plans_of(&mut self, sql: &str, params: &Params<'_>) -> Vec<String> {
        let text = |rows: Vec<OwnedRow>, column: usize| {
            rows.iter()
                .map(|row| row.text(column).unwrap_or_default().to_owned())
                .collect::<Vec<_>>()
                .join("\n")
        };
        match self.sql.dialect() {
            Dialect::Sqlite => {
                vec![text(self.sql.rows(&format!("EXPLAIN QUERY PLAN {sql}"), params).unwrap(), 3)]
            }
            Dialect::Postgres => {
                let (types, values): (Vec<_>, Vec<_>) = params.iter().map(literal).unzip();
                let (types, values) = (list(&types), list(&values));
                self.sql.script(IN_ORDER).unwrap();
                self.sql
                    .script(&format!("PREPARE often {types} AS {}", numbered(sql, params)))
                    .unwrap();
                let mut run = || {
                    text(
                        self.sql.rows(&format!("EXPLAIN EXECUTE often {values}"), &vec![]).unwrap(),
                        0,
                    )
                };
                // PostgreSQL chooses between the two plans from the sixth run on.
                let (at_first, later) = (run(), (0..6).map(|_| run()).last().unwrap());
                self.sql.script("DEALLOCATE often").unwrap();
                vec![at_first, later]
            }
        }
    }
}

/// The type and the value of a parameter, as PostgreSQL spells them.
pub(crate) fn literal(param: &Param<'_>) -> (&'static str, String) {
    let type_name = match param.column_type {
        ColumnType::Int | ColumnType::Code => "bigint",
        ColumnType::Text => "text",
        ColumnType::Uuid => "uuid",
    };
    let value = match &param.value {
        SqlValue::Null => "NULL".to_owned(),
        SqlValue::Int(value) => value.to_string(),
        SqlValue::Text(text) => format!("'{}'", text.replace('\'', "''")),
        SqlValue::Uuid(uuid) => format!("'{uuid}'"),
    };
    (type_name, value)
}

/// A list in parentheses; an empty text for an empty list.
pub(crate) fn list<T: std::borrow::Borrow<str>>(parts: &[T]) -> String {
    if parts.is_empty() { String::new() } else { format!("({})", parts.join(", ")) }
}

pub const ROWS: i64 = 1_500;
pub const MERCHANTS: i64 = 8;

/// Fills the database with [`MERCHANTS`] merchants that have [`ROWS`] rows in each table. Rows of
/// different merchants alternate, as they do in use, and every sixteen rows have the same time.
pub fn fill(stage: &mut Stage) {
    stage.fill(
        "INSERT INTO merchants (id, name, type, mode, verified, fee_tier, clock_offset_us, created_at, updated_at) \
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) \
         SELECT i, 'A', 'ORGANIZATION', 'SANDBOX', 1, 'default', 0, 0, 0 FROM n",
    );
    let rows = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :rows), \
                rows AS (SELECT 10 + i AS id, 1 + i % :merchants AS merchant, i / 16 AS at FROM n)";
    // A UUID that is the id as a number.
    let uuid = match stage.sql.dialect() {
        Dialect::Sqlite => "unhex(printf('%032x', id))",
        Dialect::Postgres => "lpad(to_hex(id), 32, '0')::uuid",
    };
    let insert = |stage: &mut Stage, table: &str, columns: &str, values: &str| {
        let sql = format!(
            "INSERT INTO {table} (id, merchant_id, {columns}) {rows} SELECT id, merchant, {values} FROM rows"
        );
        stage.fill(
            &sql.replace(":rows", &(ROWS * MERCHANTS).to_string())
                .replace(":merchants", &MERCHANTS.to_string()),
        );
    };
    insert(
        stage,
        "parties",
        "fullname, phone, created_at, updated_at",
        "'Ama', '231770000001', at, at",
    );
    insert(
        stage,
        "counterparties",
        "party_id, relationship_type, created_at, updated_at",
        "id, 'CUSTOMER', at, at",
    );
    insert(stage, "api_keys", "client_id, secret_hash, created_at", "'k' || id, 'h', at");
    stage.fill(
        "INSERT INTO users (id, email, name, password_hash, totp_step, recovery_codes, login_generation, created_at, updated_at) \
         SELECT id, 'e' || id, 'Ama', 'h', 0, '', 0, created_at, created_at FROM api_keys",
    );
    stage.fill(
        "INSERT INTO merchant_limits (id, merchant_id, currency, support_refund_minor, updated_at) \
         SELECT min(id), merchant_id, 'USD', 1, 1 FROM api_keys GROUP BY merchant_id",
    );
    insert(
        stage,
        "saved_filters",
        "user_id, name, query, created_at, updated_at",
        "id, 'Failed', '?state=FAILED', at, at",
    );
    insert(stage, "memberships", "user_id, role, created_at, updated_at", "id, 'VIEWER', at, at");
    stage.fill(&format!(
        "INSERT INTO logins (id, user_id, generation, token, address, browser, created_at, last_used_at) \
         SELECT id, id, 0, {uuid}, 'a', 'b', created_at, created_at FROM users"
    ));
    insert(
        stage,
        "invitations",
        "token, role, invited_by, created_at",
        &format!("{uuid}, 'VIEWER', id, at"),
    );
    stage.fill(&format!(
        "INSERT INTO login_tries (id, subject, tries, updated_at) SELECT id, {uuid}, '', created_at FROM users"
    ));
    insert(
        stage,
        "payment_accounts",
        "party_id, account_name, provider, method, operation_type, is_active, created_at, updated_at",
        "id, 'Ama', 'PAWAPAY', 'MTN_MOMO_LBR', 'PAYOUT', 1, at, at",
    );
    insert(
        stage,
        "wallets",
        "owner_type, owner_id, currency, available_minor, held_minor, status, created_at, updated_at",
        "'PARTY', id, 'USD', 0, 0, 'ACTIVE', at, at",
    );
    insert(
        stage,
        "sources",
        "type, number, counterparty_id, currency, total_minor, status, note, fee_bearer, as_payment_link, reference_id, created_at, \
         updated_at",
        "'INVOICE', 'INV-' || id, id, 'USD', 0, 'IDLE', '', 'PAYER', 0, 'x' || id, at, at",
    );
    insert(
        stage,
        "sessions",
        "kind, status, wallet_id, payment_account_id, amount_minor, currency, expires_at, created_at, updated_at",
        "{session_kind PAYOUT}, {session_status EXECUTED}, id, id, 1, 'USD', at, at, at",
    );
    insert(
        stage,
        "executions",
        "reference_id, operation, session_id, status, payment_account_id, wallet_id, payer_minor, payer_currency, payee_minor, \
         payee_currency, total_minor, platform_fee_minor, gateway_fee_minor, fx_fee_minor, rate_num, rate_den, rules, \
         provider, method, in_review, completed_at, created_at, updated_at",
        &format!(
            "{uuid}, {{operation PAYOUT}}, id, {{execution_status COMPLETED}}, id, id, 1, 'USD', 1, 'USD', 1, 0, 0, 0, 1, 1, 2, \
             'PAWAPAY', 'MTN_MOMO_LBR', 0, at, at, at"
        ),
    );
    stage.fill(
        "INSERT INTO approvals (id, merchant_id, execution_id, above, requested_by_kind, requested_by_id, status, created_at) \
         SELECT id, merchant_id, id, 'DAY', 1, 1, 'REQUESTED', created_at FROM executions",
    );
    stage.fill(&format!(
        "INSERT INTO provider_attempts (execution_id, merchant_id, network_account_id, request_id, send_count, deadline_at, \
         cancel_asked, requires_action) SELECT id, merchant_id, 1, {uuid}, 1, created_at, 0, 0 FROM executions"
    ));
    insert(
        stage,
        "exchanges",
        "execution_id, network_account_id, is_callback, begun_at, duration_us, request, status, answer, digest",
        "id, 1, 0, at, 1, 'GET /', 200, '{}', 'd'",
    );
    stage.fill(
        "INSERT INTO unmatched_callbacks (id, network_account_id, received_at, is_signed, request_id, body) \
         SELECT id, 1, created_at, 0, 'r', '{}' FROM executions",
    );
    stage.fill(
        "INSERT INTO reconciliations (id, holder, leased_until) SELECT id, 0, 0 FROM network_accounts",
    );
    stage.fill(
        "INSERT INTO statements (id, network_account_id, source, from_at, to_at, status, lines, new_lines, matched, under_way, \
         differences, accepted_at, event_count, begun_at, ended_at) \
         SELECT id, 1, 'FILE', created_at, created_at + 1, 'COMPLETE', 1, 1, 1, 0, 0, CASE WHEN id < 20 THEN 1 END, 0, created_at, 1 \
         FROM executions",
    );
    // Half of the payments have a line.
    stage.fill(&format!(
        "INSERT INTO statement_lines (id, network_account_id, statement_id, merchant_id, execution_id, amount_minor, fee_minor, \
         occurred_at, identity, kind, standing, currency, fee_currency) \
         SELECT id, 1, id, merchant_id, id, -1, 1, created_at, {uuid}, {{line_kind PAYOUT}}, {{line_standing MATCHED}}, 'USD', 'USD' \
         FROM executions WHERE id % 2 = 0"
    ));
    stage.fill(&format!(
        "INSERT INTO statement_differences (id, network_account_id, statement_id, merchant_id, execution_id, kind, subject, status, \
         ours_minor, ours_currency, reason, found_at) \
         SELECT id, 1, id, merchant_id, id, 'MISSING_THERE', {uuid}, 'OPEN', -1, 'USD', 'r', created_at FROM executions"
    ));
    stage.fill(
        "INSERT INTO network_balances (id, network_account_id, currency, network_minor, ledger_minor, unposted_minor, read_at) \
         SELECT id, id, 'USD', 0, 0, 0, 0 FROM network_accounts",
    );
    insert(
        stage,
        "webhook_endpoints",
        "url, signing, event_count, created_at, updated_at",
        "'u', 'HMAC', 0, at, at",
    );
    insert(
        stage,
        "webhook_secrets",
        "endpoint_id, signing, sealed, key_id, created_at",
        "id, 'HMAC', 's', 'k', at",
    );
    insert(
        stage,
        "webhook_deliveries",
        "endpoint_id, event_id, type, execution_id, created_at, status, attempts, failures, next_attempt_at, updated_at",
        "id, id, {event_type wallet.funded}, id, at, 'FAILED', 1, 1, at, at",
    );
    insert(
        stage,
        "webhook_attempts",
        "delivery_id, number, begun_at, duration_us, status, said",
        "id, 1, at, 1, 500, ''",
    );
    stage.fill(
        "INSERT INTO webhook_messages (event_id, merchant_id, type, body, created_at) \
         SELECT id, merchant_id, {event_type wallet.funded}, '{}', created_at FROM executions",
    );
    insert(
        stage,
        "source_items",
        "source_id, name, qty, amount_minor, currency, removed, created_at, updated_at",
        "id, 'Rice', 1, 1, 'USD', 0, at, at",
    );
    insert(
        stage,
        "payment_links",
        "item_count, total_minor, uses_reserved, uses_paid, event_count, title, currency, fee_bearer, token, token_hash, status, \
         created_at, updated_at",
        &format!("1, 1, 0, 0, 0, 'Rice', 'USD', 'PAYER', 'l' || id, {uuid}, 'ACTIVE', at, at"),
    );
    let hash = PageToken("l10".to_owned()).fingerprint();
    stage
        .sql
        .execute(
            "UPDATE payment_links SET token_hash = :hash WHERE id = 10",
            &params!["hash" = hash],
        )
        .unwrap();
    insert(
        stage,
        "payment_link_items",
        "payment_link_id, position, name, qty, amount_minor",
        "id, 0, 'Rice', 1, 1",
    );
    insert(
        stage,
        "checkout_configs",
        "source_id, mode, token, created_at",
        "id, 'HOSTED', 't' || id, at",
    );
    page_tokens::run(stage.sql.as_mut()).unwrap();
    stage.fill(&format!(
        "INSERT INTO logos (merchant_id, fingerprint, png, updated_at) SELECT id, {uuid}, 'iVBOR', created_at FROM merchants"
    ));
    insert(stage, "request_limits", "kind, subject, full_at", &format!("'PHONE', {uuid}, at"));
    insert(
        stage,
        "reviews",
        "execution_id, kind, status, amount_minor, currency, reason, created_at, resolved_at",
        "id, 'DEADLINE_PASSED', 'RESOLVED', 0, 'USD', 'r', at, at",
    );
    insert(
        stage,
        "accounts",
        "kind, currency, balance_minor, created_at, updated_at",
        "'FEE_FX', 'X' || id, 0, at, at",
    );
    // A chain of entries for the first wallet of each merchant, each entry with a transaction of its
    // own whose event was made in the merchant's turn before.
    insert(
        stage,
        "entries",
        "transaction_id, account_id, bucket, amount_minor, currency, balance_minor, previous_entry_id",
        "CASE WHEN id >= 10 + :merchants THEN id - :merchants ELSE id END, 9 + merchant, {bucket AVAILABLE}, 1, 'USD', 1, CASE WHEN id >= 10 + :merchants THEN id - :merchants END",
    );
    insert(
        stage,
        "events",
        "type, subject_type, subject_id, position, sequence, created_at",
        "{event_type execution.completed}, {event_entity EXECUTION}, id, id, 1, at",
    );
    stage.fill(
        "INSERT INTO event_positions (merchant_id, last) SELECT merchant_id, max(position) FROM events GROUP BY merchant_id",
    );
    insert(
        stage,
        "audit",
        "created_at, actor_kind, actor_id, command, entity, entity_id, changes",
        "at, {actor_kind API_KEY}, id, {audited_command execute}, {audit_entity EXECUTION}, id, 'status'",
    );
    // And as many that are about no merchant, by people of the merchants.
    stage.fill(
        "INSERT INTO audit (id, merchant_id, created_at, actor_kind, actor_id, command, entity, entity_id) \
         SELECT id + 1000000, 0, created_at, {actor_kind USER}, actor_id, {audited_command finish_login}, {audit_entity LOGIN}, id \
         FROM audit",
    );
    stage.fill(&format!(
        "INSERT INTO batches (id, end_id, created_at, digest_1, digest_2, marks, position, link_1, link_2) \
         SELECT id, id + 1, created_at, {uuid}, {uuid}, 'AAAA', id, {uuid}, {uuid} FROM events"
    ));
    stage.fill(
        "UPDATE batches SET position = NULL, link_1 = NULL, link_2 = NULL WHERE id % 1000 = 0",
    );
    if stage.sql.dialect() == Dialect::Postgres {
        stage.sql.script("ANALYZE").unwrap();
    }
}

impl Stage {
    /// Inserts rows without checking their foreign keys. The codes of enums are in the form of
    /// [`with_codes`].
    pub fn fill(&mut self, sql: &str) {
        let unchecked = match self.sql.dialect() {
            Dialect::Sqlite => "PRAGMA foreign_keys = OFF",
            Dialect::Postgres => "SET session_replication_role = replica",
        };
        self.sql.script(&format!("{unchecked}; {}", with_codes(sql))).unwrap();
    }
}
