//! Both databases have the same schema. The test creates SQLite's tables in PostgreSQL, too, in a
//! schema of their own, and compares how PostgreSQL describes the two. So conditions are compared
//! in PostgreSQL's own spelling.

use domain::network_accounts::account;

use std::sync::Barrier;
use std::time::Duration;

use crate::Database;
use crate::schema::migrate;
use crate::testing::{OwnDatabase, Stage, superuser};
use crate::workspace::postgres::PostgresSql;
use crate::workspace::sql::Sql as _;
use crate::workspace::sqlite;

/// Queries for the tables, columns, constraints, indexes and triggers of PostgreSQL's current
/// schema, one to a line.
const STRUCTURE: [&str; 5] = [
    // Tables.
    "SELECT 'table ' || relname FROM pg_class WHERE relnamespace = current_schema::regnamespace AND relkind = 'r'",
    // Columns in order, with type, default and NOT NULL.
    "SELECT 'column ' || attrelid::regclass || ' ' || lpad((row_number() OVER (PARTITION BY attrelid ORDER BY attnum))::text, 2, '0') || ' ' || attname || ' ' \
     || format_type(atttypid, atttypmod) || CASE WHEN attnotnull THEN ' NOT NULL' ELSE '' END \
     || coalesce(' DEFAULT ' || pg_get_expr(adbin, adrelid), '') || CASE attidentity WHEN '' THEN '' ELSE ' IDENTITY' END \
     FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid \
     LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum \
     WHERE relnamespace = current_schema::regnamespace AND relkind = 'r' AND attnum > 0 AND NOT attisdropped",
    // Constraints (primary, foreign and unique keys, checks) without their names.
    "SELECT 'rule ' || conrelid::regclass || ' ' || pg_get_constraintdef(oid) FROM pg_constraint \
     WHERE connamespace = current_schema::regnamespace",
    // Indexes that do not belong to a constraint.
    "SELECT replace(pg_get_indexdef(indexrelid), current_schema || '.', '') FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid \
     WHERE relnamespace = current_schema::regnamespace \
     AND NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conindid = indexrelid)",
    // The triggers that keep the ledger append-only. Only their names are compared: a trigger calls
    // a function in PostgreSQL, and is a statement in SQLite.
    "SELECT 'trigger ' || tgrelid::regclass || ' ' || tgname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid \
     WHERE relnamespace = current_schema::regnamespace AND NOT tgisinternal",
];

fn structure(postgres: &mut Stage) -> Vec<String> {
    let mut lines: Vec<String> = STRUCTURE.iter().flat_map(|sql| postgres.texts(sql)).collect();
    lines.sort_unstable();
    lines
}

/// A statement of SQLite's schema in the dialect of PostgreSQL.
fn translated(sql: &str) -> String {
    // A UUID is bytes on SQLite, whose number a rule keeps right.
    let mut sql = sql.to_owned();
    while let Some((before, rule)) = sql.split_once(" CHECK (length(") {
        let (_, after) = rule.split_once(") = 16)").expect("a length of 16 bytes");
        sql = format!("{before}{after}");
    }
    with_lists(&sql)
        .replace("INTEGER", "BIGINT")
        .replace(" BLOB", " UUID")
        .replace(" INT ", " SMALLINT ")
        .replace(" INT,", " SMALLINT,")
        .replace(") STRICT", ")")
        .replace("instr(", "strpos(")
}

/// The statement with `a IN (1, 2, 3)` for `(a = 1 OR a = 2 OR a = 3)`: SQLite is quicker with the
/// one, and PostgreSQL writes both in its own way.
fn with_lists(sql: &str) -> String {
    let mut text = String::new();
    let mut rest = sql;
    while let Some((before, after)) = rest.split_once('(') {
        text.push_str(before);
        let inner = after.split_once(')').map_or("", |(inner, _)| inner);
        match list_of(inner) {
            Some(list) => {
                text.push_str(&list);
                rest = after.get(inner.len() + 1..).unwrap_or_default();
            }
            None => {
                text.push('(');
                rest = after;
            }
        }
    }
    text + rest
}

/// Comparisons of one column with several values, as a list.
fn list_of(condition: &str) -> Option<String> {
    let pairs: Vec<(&str, &str)> =
        condition.split(" OR ").map(|one| one.split_once(" = ")).collect::<Option<_>>()?;
    let (column, _) = pairs.first()?;
    let is_list = pairs.len() > 2 && pairs.iter().all(|(name, _)| name == column);
    let values: Vec<&str> = pairs.iter().map(|(_, value)| *value).collect();
    is_list.then(|| format!("{column} IN ({})", values.join(", ")))
}

/// Statements that create SQLite's schema in PostgreSQL: tables before indexes, each in the order
/// of their creation, and triggers that only have a name.
fn of_sqlite() -> Vec<String> {
    let mut sqlite = Stage::sqlite();
    let made = "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND type IN ('table', 'index') ORDER BY type DESC, rowid";
    let mut statements: Vec<String> =
        sqlite.texts(made).iter().map(|sql| translated(sql)).collect();
    statements.extend(sqlite.texts(
        "SELECT 'CREATE TRIGGER ' || name || ' BEFORE DELETE ON ' || tbl_name \
         || ' FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change()' FROM sqlite_schema WHERE type = 'trigger'",
    ));
    statements
}

/// Whether a line of PostgreSQL's structure has no counterpart in SQLite.
fn only_on_postgres(line: &str) -> bool {
    // In this table a lane looks up whether a commit without an answer is on disk. There is no
    // connection to lose on SQLite.
    ["table lanes", "column lanes ", "rule lanes "].iter().any(|start| line.starts_with(start))
}

/// The line without what only PostgreSQL needs.
fn without_postgres_only(line: &str) -> String {
    // The condition keeps PostgreSQL from using an index for lists to look up a phone or a
    // reference.
    match line.strip_suffix(" WHERE (merchant_id > 0)") {
        Some(list)
            if list.contains(" executions_of_merchant ON ")
                || list.contains(" parties_of_merchant ON ") =>
        {
            list.to_owned()
        }
        // SQLite compares texts by their bytes, and an index for beginnings of names has to.
        _ if line.contains(" INDEX parties_by_") => line.replace(" COLLATE \"C\"", ""),
        _ => line.to_owned(),
    }
}

#[test]
fn both_databases_have_one_schema() {
    let Some(mut postgres) = Stage::postgres() else { return };
    let found = structure(&mut postgres);
    let expected: Vec<String> = found
        .iter()
        .filter(|line| !only_on_postgres(line))
        .map(|line| without_postgres_only(line))
        .collect();
    assert!(expected.len() < found.len() && expected.len() > 300, "{found:#?}");
    postgres.sql.script("CREATE SCHEMA of_sqlite; SET search_path = of_sqlite").unwrap();
    // A migration may add a reference to a table that is younger than the referring one. So a
    // statement that fails is tried again after the others.
    let mut statements = of_sqlite();
    while !statements.is_empty() {
        let mut refused = Vec::new();
        for statement in &statements {
            if let Err(error) = postgres.sql.script(statement) {
                refused.push((statement.clone(), error));
            }
        }
        assert!(refused.len() < statements.len(), "{refused:#?}");
        statements = refused.into_iter().map(|(statement, _)| statement).collect();
    }
    let sqlite = structure(&mut postgres);
    let missing = |of: &[String], than: &[String]| -> Vec<String> {
        of.iter().filter(|line| !than.contains(line)).cloned().collect()
    };
    assert_eq!(
        missing(&expected, &sqlite),
        missing(&sqlite, &expected),
        "only on PostgreSQL, only on SQLite"
    );
    assert_eq!(expected, sqlite, "a rule is there twice");
}

#[test]
fn the_comparison_of_schemas_sees_a_difference() {
    let Some(mut postgres) = Stage::postgres() else { return };
    let before = structure(&mut postgres);
    for change in [
        "ALTER TABLE wallets ADD COLUMN colour TEXT",
        "ALTER TABLE wallets ALTER COLUMN status DROP NOT NULL",
        "ALTER TABLE wallets ALTER COLUMN held_minor SET DEFAULT 0",
        "ALTER TABLE wallets ALTER COLUMN currency TYPE VARCHAR(3)",
        "ALTER TABLE wallets DROP CONSTRAINT wallets_held_minor_check",
        "ALTER TABLE wallets DROP CONSTRAINT wallets_merchant_id_fkey",
        "ALTER TABLE wallets DROP CONSTRAINT wallets_owner_type_owner_id_currency_key",
        "DROP INDEX wallets_of_merchant; CREATE INDEX wallets_of_merchant ON wallets (merchant_id, created_at, id) WHERE id > 0",
        "DROP TRIGGER entries_are_not_changed ON entries",
    ] {
        postgres
            .sql
            .script(&format!("BEGIN; {change}"))
            .unwrap_or_else(|error| panic!("{error}: {change}"));
        assert_ne!(structure(&mut postgres), before, "{change}");
        postgres.sql.script("ROLLBACK").unwrap();
    }
}

#[test]
fn processes_that_start_in_the_same_moment_make_one_schema() {
    let Some(admin) = superuser() else { return };
    for _ in 0..10 {
        let (_own, database) = OwnDatabase::create(&admin);
        let Database::Postgres(address) = &database else { panic!("{database:?}") };
        let starters: Vec<PostgresSql> =
            (0..8).map(|_| PostgresSql::connect(address).unwrap()).collect();
        let all_ready = Barrier::new(starters.len());
        std::thread::scope(|scope| {
            for mut sql in starters {
                let all_ready = &all_ready;
                scope.spawn(move || {
                    all_ready.wait();
                    migrate::run(&mut sql, None).unwrap();
                });
            }
        });
    }
}

#[test]
fn a_migration_beside_a_long_backup_keeps_nobody_waiting_and_is_done_after_it() {
    let Some(admin) = superuser() else { return };
    let (_own, database) = OwnDatabase::create(&admin);
    let Database::Postgres(address) = &database else { panic!("{database:?}") };
    let mut backup = PostgresSql::connect(address).unwrap();
    migrate::tests::run_to(3, &mut backup);
    backup.script("SET idle_in_transaction_session_timeout = 0; BEGIN; LOCK TABLE reviews IN ACCESS SHARE MODE").unwrap();
    let mut server = PostgresSql::connect(address).unwrap();
    let mut newcomer = PostgresSql::connect(address).unwrap();
    std::thread::scope(|scope| {
        let migration = scope.spawn(|| migrate::run(&mut newcomer, None));
        // Meanwhile the migration tries, waits and gives way several times.
        let served: Vec<_> = (0..40)
            .map(|_| {
                std::thread::sleep(Duration::from_millis(100));
                server.script("SELECT FROM reviews FOR UPDATE")
            })
            .collect();
        let waits = !migration.is_finished();
        backup.script("COMMIT").unwrap();
        migration.join().unwrap().unwrap();
        assert!(waits, "what the backup reads was changed");
        served.into_iter().collect::<Result<(), _>>().unwrap();
    });
    assert_eq!(migrate::version(&mut server).unwrap(), migrate::known());
}

#[test]
fn processes_that_start_in_the_same_moment_make_one_file() {
    for _ in 0..20 {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kola.db");
        let all_ready = Barrier::new(4);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    all_ready.wait();
                    sqlite::open(&path).unwrap();
                });
            }
        });
    }
}

#[test]
fn the_network_accounts_of_the_schema_are_those_of_the_code() {
    for mut stage in Stage::both() {
        let texts = "SELECT id || ' ' || network || ' ' || mode FROM network_accounts ORDER BY id";
        let expected: Vec<String> = account::SANDBOX
            .iter()
            .map(|(id, network)| format!("{id} {network} SANDBOX"))
            .collect();
        assert_eq!(stage.texts(texts), expected);
    }
}
