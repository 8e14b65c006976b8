//! Checks that every row can be read as what it is. A row with a code that nothing has, or with a
//! column that its kind has not, is answered with an error wherever it is listed, so that it is found
//! here and not by a client.

use domain::audit::AuditRow;
use domain::decision::event::Event;
use domain::ledger::account::Entry;

use crate::StoreError;
use crate::progress;
use crate::workspace::record::Record;
use crate::workspace::sql::Sql;
use crate::workspace::sql_value::params;

pub(crate) const RULE: &str = "row that cannot be read";

/// How many rows are read at a time.
const PAGE: i64 = 5_000;

macro_rules! by_table {
    ($($(#[$doc:meta])* $table:ident: $name:ident = $row:path),+ $(,)?) => {
        fn check_tables(sql: &mut dyn Sql, found: &mut Vec<String>) -> Result<(), StoreError> {
            $(check_table::<$row>(sql, found)?;)+
            Ok(())
        }
    };
}
domain::each_table!(by_table);

/// Describes the rows that cannot be read.
///
/// # Errors
/// [`StoreError`] when the database cannot be read.
pub(crate) fn unreadable(sql: &mut dyn Sql) -> Result<Vec<String>, StoreError> {
    let mut found = vec![];
    check_tables(sql, &mut found)?;
    check_table::<Event>(sql, &mut found)?;
    check_table::<Entry>(sql, &mut found)?;
    check_table::<AuditRow>(sql, &mut found)?;
    Ok(found)
}

fn check_table<R: Record>(sql: &mut dyn Sql, found: &mut Vec<String>) -> Result<(), StoreError> {
    let statements = R::statements();
    let key = statements.all.first().map_or("id", |(name, _)| name);
    let text = format!(
        "SELECT {} FROM {} WHERE {key} > :after ORDER BY {key} LIMIT :page",
        statements.columns,
        R::TABLE
    );
    let mut after = i64::MIN;
    loop {
        let rows = sql.rows(&text, &params!["after" = after, "page" = PAGE])?;
        progress::add(rows.len());
        let Some(last) = rows.last() else { return Ok(()) };
        after = last.integer()?;
        for row in &rows {
            match R::from_row(row, 0) {
                Ok(_) => {}
                Err(StoreError::Inconsistent { table, id, what }) => {
                    found.push(format!("{table} {id}: {what}"));
                }
                Err(error) => return Err(error),
            }
        }
    }
}
