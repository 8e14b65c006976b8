//! The tables of the schema by name, for a copy, which treats all of them alike.

use crate::StoreError;
use crate::workspace::sql::{Dialect, OwnedRow, Sql};
use crate::workspace::sql_value::{ColumnType, params};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Table {
    pub name: &'static str,
    /// The column of the primary key, an integer.
    pub key: &'static str,
    /// Whether a new database has rows in this table from the start.
    pub seeded: bool,
}

const fn seeded(name: &'static str) -> Table {
    Table { name, key: "id", seeded: true }
}

const fn filled(name: &'static str) -> Table {
    Table { name, key: "id", seeded: false }
}

/// All tables of an installation. No row refers to one of a later table, so they can be copied in
/// this order.
pub const TABLES: [Table; 61] = [
    seeded("installation"),
    seeded("signing_keys"),
    seeded("tariff"),
    seeded("fee_tiers"),
    seeded("platform_fees"),
    seeded("gateway_fees"),
    seeded("rates"),
    seeded("markets"),
    seeded("phone_prefixes"),
    seeded("network_accounts"),
    filled("network_secrets"),
    filled("operator_terms"),
    filled("merchants"),
    Table { name: "logos", key: "merchant_id", seeded: false },
    filled("merchant_limits"),
    filled("users"),
    filled("memberships"),
    filled("saved_filters"),
    filled("logins"),
    filled("invitations"),
    filled("login_tries"),
    filled("api_keys"),
    Table { name: "passcodes", key: "merchant_id", seeded: false },
    filled("parties"),
    filled("counterparties"),
    filled("payment_accounts"),
    filled("wallets"),
    filled("fundings"),
    filled("payment_links"),
    filled("payment_link_items"),
    filled("sources"),
    filled("source_items"),
    filled("counters"),
    filled("checkout_configs"),
    filled("request_limits"),
    filled("sessions"),
    filled("executions"),
    Table { name: "provider_attempts", key: "execution_id", seeded: false },
    filled("reviews"),
    filled("approvals"),
    filled("accounts"),
    filled("events"),
    Table { name: "event_positions", key: "merchant_id", seeded: false },
    filled("audit"),
    filled("entries"),
    filled("exchanges"),
    filled("unmatched_callbacks"),
    filled("webhook_endpoints"),
    filled("webhook_secrets"),
    Table { name: "webhook_messages", key: "event_id", seeded: false },
    filled("webhook_deliveries"),
    filled("webhook_attempts"),
    filled("batches"),
    seeded("batch_chain"),
    filled("chain_keys"),
    seeded("installation_checks"),
    filled("reconciliations"),
    filled("statements"),
    filled("statement_lines"),
    filled("statement_differences"),
    filled("network_balances"),
];

/// The columns of a table with their types, ordered by name: migrations may have added them in
/// another order in the other database.
///
/// # Errors
/// [`StoreError::Refused`] for a missing table, or a column of a type that kola has not.
pub fn columns(sql: &mut dyn Sql, table: &str) -> Result<Vec<(String, ColumnType)>, StoreError> {
    let text = match sql.dialect() {
        Dialect::Sqlite => "SELECT name, lower(type) FROM pragma_table_info(:table) ORDER BY name",
        Dialect::Postgres => {
            "SELECT column_name::text, data_type::text FROM information_schema.columns \
             WHERE table_schema = current_schema() AND table_name = :table ORDER BY column_name::text COLLATE \"C\""
        }
    };
    let rows = sql.rows(text, &params!["table" = table])?;
    if rows.is_empty() {
        return Err(StoreError::Refused(format!("there is no table {table}")));
    }
    rows.iter().map(|row| column(row, table)).collect()
}

fn column(row: &OwnedRow, table: &str) -> Result<(String, ColumnType), StoreError> {
    let (name, kind) = (row.text(0).unwrap_or_default(), row.text(1).unwrap_or_default());
    let kind = match kind {
        "integer" | "bigint" => ColumnType::Int,
        "int" | "smallint" => ColumnType::Code,
        "text" => ColumnType::Text,
        "blob" | "uuid" => ColumnType::Uuid,
        other => {
            return Err(StoreError::Refused(format!(
                "{table}.{name} is of the type {other}, which is not kola's"
            )));
        }
    };
    Ok((name.to_owned(), kind))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::Database;

    /// Tables that are not copied: what processes and migrations record about themselves, and
    /// rows that migrations insert and nobody changes.
    const NOT_COPIED: [&str; 3] = ["lanes", "schema_versions", "stored_codes"];

    fn fresh() -> (tempfile::TempDir, Box<dyn Sql>) {
        let dir = tempfile::tempdir().unwrap();
        let sql = Database::Sqlite(dir.path().join("kola.db")).open(None).unwrap();
        (dir, sql)
    }

    #[test]
    fn every_table_of_the_migrations_is_in_the_list() {
        let (_dir, mut sql) = fresh();
        let names =
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
        let rows = sql.rows(names, &vec![]).unwrap();
        let there: BTreeSet<&str> = rows.iter().filter_map(|row| row.text(0)).collect();
        let listed = TABLES.iter().map(|table| table.name);
        // SQLite has no table of lanes: there is no connection on which a commit's answer could be
        // lost.
        let known: BTreeSet<&str> =
            listed.chain(NOT_COPIED).filter(|name| *name != "lanes").collect();
        assert_eq!(there, known);
    }

    #[test]
    fn no_row_refers_to_one_of_a_later_table() {
        let (_dir, mut sql) = fresh();
        for (index, table) in TABLES.iter().enumerate() {
            let refers = format!("SELECT \"table\" FROM pragma_foreign_key_list('{}')", table.name);
            for row in sql.rows(&refers, &vec![]).unwrap() {
                let earlier =
                    TABLES[..index].iter().any(|earlier| Some(earlier.name) == row.text(0));
                assert!(earlier, "{} refers to {row:?}", table.name);
            }
        }
    }

    #[test]
    fn the_seeded_tables_are_those_that_a_new_database_has_rows_of() {
        let (_dir, mut sql) = fresh();
        for table in TABLES {
            let count = sql.rows(&format!("SELECT count(*) FROM {}", table.name), &vec![]).unwrap();
            assert_eq!(count[0].integer().unwrap() > 0, table.seeded, "{}", table.name);
        }
    }

    #[test]
    fn the_key_of_each_is_its_primary_key() {
        let (_dir, mut sql) = fresh();
        for table in TABLES {
            let keys = sql
                .rows(
                    &format!("SELECT name FROM pragma_table_info('{}') WHERE pk > 0", table.name),
                    &vec![],
                )
                .unwrap();
            assert_eq!(
                keys.iter().map(|row| row.text(0).unwrap()).collect::<Vec<_>>(),
                [table.key]
            );
        }
    }
}
