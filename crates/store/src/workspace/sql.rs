//! SQL that is written once for both databases, with `:name` for a value.

use crate::StoreError;
use crate::workspace::sql_value::{ColumnType, Params, ResultRow, SqlValue};

/// Which database it is, where their SQL differs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dialect {
    /// SQLite.
    Sqlite,
    /// PostgreSQL.
    Postgres,
}

impl Dialect {
    /// A LIKE operator that ignores the case of A to Z only, whatever the locale of the database.
    #[must_use]
    pub const fn like(self) -> &'static str {
        match self {
            Self::Sqlite => "LIKE",
            Self::Postgres => "COLLATE \"C\" ILIKE",
        }
    }

    /// A subquery for `IN`: the integers of the parameter `:ids`, a text of integers separated by
    /// commas.
    #[must_use]
    pub const fn integers_of(self) -> &'static str {
        match self {
            Self::Sqlite => "(SELECT value FROM json_each('[' || :ids || ']'))",
            Self::Postgres => "(SELECT unnest(string_to_array(:ids, ',')::bigint[]))",
        }
    }
}

/// A row whose values were copied out of the result.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OwnedRow(Vec<SqlValue<'static>>);

impl OwnedRow {
    #[must_use]
    pub const fn new(values: Vec<SqlValue<'static>>) -> Self {
        Self(values)
    }

    /// The first `width` columns of a row.
    ///
    /// # Errors
    /// [`StoreError`] for a value that is neither integer nor text.
    pub fn read(row: &dyn ResultRow, width: usize) -> Result<Self, StoreError> {
        (0..width)
            .map(|index| row.value(index).map(SqlValue::into_owned))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// All its values.
    #[must_use]
    pub fn values(&self) -> &[SqlValue<'static>] {
        &self.0
    }

    /// Removes the first column.
    pub fn drop_first(&mut self) {
        self.0.drain(..1.min(self.0.len()));
    }

    /// The integer in the first column.
    ///
    /// # Errors
    /// [`StoreError::Unexpected`] when there is none.
    pub fn integer(&self) -> Result<i64, StoreError> {
        integer(self)
    }

    /// The text in a column; `None` for a null.
    #[must_use]
    pub fn text(&self, index: usize) -> Option<&str> {
        match self.0.get(index) {
            Some(SqlValue::Text(text)) => Some(text),
            _ => None,
        }
    }
}

impl ResultRow for OwnedRow {
    fn value(&self, index: usize) -> Result<SqlValue<'_>, StoreError> {
        self.0.get(index).cloned().ok_or(StoreError::Unexpected("a column is missing"))
    }
}

/// The integer in the first column.
///
/// # Errors
/// [`StoreError::Unexpected`] when there is none.
pub fn integer(row: &dyn ResultRow) -> Result<i64, StoreError> {
    match row.value(0)? {
        SqlValue::Int(value) => Ok(value),
        _ => Err(StoreError::Unexpected("an integer was expected")),
    }
}

/// Ends, from any thread, the statement that a connection runs: it fails.
pub type Interrupter = Box<dyn Fn() + Send + Sync>;

/// A blocking connection, for the command line and for starting.
pub trait Sql {
    /// Which database it is.
    fn dialect(&self) -> Dialect;

    /// What ends the statement that runs. A connection that was interrupted is of no more use.
    fn interrupter(&self) -> Interrupter;

    /// The rows of a statement's result.
    fn rows(&mut self, sql: &str, params: &Params<'_>) -> Result<Vec<OwnedRow>, StoreError>;

    /// Runs a statement and returns the number of changed rows.
    fn execute(&mut self, sql: &str, params: &Params<'_>) -> Result<u64, StoreError>;

    /// Runs statements without parameters.
    fn script(&mut self, sql: &str) -> Result<(), StoreError>;

    /// Runs statements without parameters, each sent by itself: engines that distribute tables over
    /// nodes refuse several commands in one text.
    ///
    /// # Errors
    /// [`StoreError::Script`] with the name of the script and the first line of the statement that
    /// failed.
    fn script_by_statement(&mut self, name: &str, script: &str) -> Result<(), StoreError>;

    /// Writes new rows of a table, each with a value for each of the columns.
    fn append(
        &mut self,
        table: &str,
        columns: &[(String, ColumnType)],
        rows: &[OwnedRow],
    ) -> Result<(), StoreError>;
}

/// What a transaction is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// Reads the database as it was at one point in time.
    Snapshot,
    /// Reads while nobody else writes. On SQLite it takes the write lock; on PostgreSQL the caller
    /// has to lock the tables before it reads.
    ExclusiveLock,
    /// Writes. On SQLite it takes the write lock first.
    Write,
}

/// Runs `work` in one transaction, which is rolled back if it fails.
///
/// # Errors
/// [`StoreError`]: then nothing was changed.
pub fn transaction<T>(
    sql: &mut dyn Sql,
    purpose: Purpose,
    work: impl FnOnce(&mut dyn Sql) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    sql.script(match (sql.dialect(), purpose) {
        // The first read takes the snapshot. With a write-ahead log writers do not wait for it.
        (Dialect::Sqlite, Purpose::Snapshot) => "BEGIN",
        (Dialect::Sqlite, Purpose::Write | Purpose::ExclusiveLock) => "BEGIN IMMEDIATE",
        (Dialect::Postgres, Purpose::Snapshot) => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        // The snapshot is taken by the first read, so that one after LOCK TABLE sees all that was
        // committed before the lock.
        (Dialect::Postgres, Purpose::ExclusiveLock) => "BEGIN ISOLATION LEVEL REPEATABLE READ",
        (Dialect::Postgres, Purpose::Write) => "BEGIN",
    })?;
    let done = work(sql).and_then(|value| sql.script("COMMIT").map(|()| value));
    if done.is_err()
        && let Err(error) = sql.script("ROLLBACK")
    {
        tracing::debug!(%error, "a transaction could not be rolled back: it ended by itself");
    }
    done
}

/// Replaces each `:name` by `$n`, where n is the position of the name in `params`. All occurrences
/// of a name get the same number.
pub fn numbered(sql: &str, params: &Params<'_>) -> String {
    let mut text = String::with_capacity(sql.len());
    let mut rest = sql;
    while let Some(colon) = rest.find(':') {
        text.push_str(&rest[..colon]);
        let after = &rest[colon + 1..];
        let end =
            after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
        let name = &rest[colon..=colon + end];
        match params.iter().position(|param| param.name == name) {
            Some(index) => text.push_str(&format!("${}", index + 1)),
            // A cast, like `::bigint`, or a colon in a text.
            None => text.push_str(name),
        }
        rest = &after[end..];
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::sql_value::params;

    #[test]
    fn names_become_places() {
        let params = params!["now" = 1_i64, "now_us" = 2_i64, "who" = "x"];
        let sql = "SELECT 'a:b', x::bigint FROM t WHERE :now < a AND :now_us < b AND c = :who AND d > :now";
        let numbered = numbered(sql, &params);
        assert_eq!(
            numbered,
            "SELECT 'a:b', x::bigint FROM t WHERE $1 < a AND $2 < b AND c = $3 AND d > $1"
        );
    }
}
