//! PostgreSQL: how to reach it, and what it answers.

pub(crate) mod address;
pub(crate) mod hosts;
pub mod lane;
pub mod readers;

use std::time::Duration;

use tokio::runtime::Runtime;
use tokio_postgres::types::{ToSql, Type as SqlType};
use tokio_postgres::{Client, Row};

use crate::StoreError;
use crate::workspace::bulk_sql;
use crate::workspace::sql::{Dialect, OwnedRow, Params, Sql, Value, numbered};
use crate::workspace::sql_value::{Cell, Found, Type};

pub use address::Address;

/// A command line that reaches no database in so long tells so.
const PATIENCE: Duration = Duration::from_secs(10);

/// What every connection sets. A statement ends after five seconds and a wait for another process's
/// transaction after three; the server ends a transaction whose process is stopped in its middle.
/// Commits wait for the disk even where the server's default says otherwise. What a statement means
/// does not depend on the settings of the server, database or user.
const SESSION: &str = "SET standard_conforming_strings = on; SET transform_null_equals = off; \
     SET default_transaction_isolation = 'read committed'; SET default_transaction_read_only = off; \
     SET statement_timeout = 5000; SET lock_timeout = 3000; SET idle_in_transaction_session_timeout = 10000; \
     SET jit = off; \
     SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'";

/// An error with its causes: the driver's own text names only the kind.
fn describe(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", describe(source)),
        None => error.to_string(),
    }
}

impl From<tokio_postgres::Error> for StoreError {
    fn from(error: tokio_postgres::Error) -> Self {
        let code = error.code().map(|code| code.code().to_owned());
        let gone = error.is_closed()
            || std::error::Error::source(&error)
                .is_some_and(|source| source.is::<std::io::Error>());
        Self::Postgres { code, gone, what: describe(&error) }
    }
}

/// A connection, whose other half runs as a task of the runtime that this is called in.
async fn connect(address: &Address) -> Result<Client, StoreError> {
    let (client, _) = hosts::reach(address).await?;
    client.batch_execute(SESSION).await?;
    Ok(client)
}

impl Found for Row {
    fn cell(&self, index: usize) -> Result<Cell<'_>, StoreError> {
        let column = self.columns().get(index).ok_or(StoreError::Odd("a column is missing"))?;
        let cell = match *column.type_() {
            SqlType::INT8 => self.try_get::<_, Option<i64>>(index)?.map(Cell::Int),
            SqlType::INT4 => {
                self.try_get::<_, Option<i32>>(index)?.map(|value| Cell::Int(value.into()))
            }
            SqlType::TEXT | SqlType::VARCHAR | SqlType::NAME => {
                self.try_get::<_, Option<&str>>(index)?.map(|text| Cell::Text(text.into()))
            }
            _ => return Err(StoreError::Odd("a column is neither integer nor text")),
        };
        Ok(cell.unwrap_or(Cell::Null))
    }
}

/// The types of parameters, for a statement to be prepared with: a null tells none.
fn types(params: &Params<'_>) -> Vec<SqlType> {
    let kind = |value: &Value<'_>| match value.kind() {
        Type::Int => SqlType::INT8,
        Type::Text => SqlType::TEXT,
    };
    params.iter().map(|(_, value)| kind(value)).collect()
}

/// The values of parameters, as the driver takes them.
fn values<'a>(params: &'a Params<'_>) -> Vec<&'a (dyn ToSql + Sync)> {
    fn value<'a>(value: &'a Value<'_>) -> &'a (dyn ToSql + Sync) {
        match value {
            Value::Int(value) => value,
            Value::Text(text) => text,
        }
    }
    params.iter().map(|(_, v)| value(v)).collect()
}

/// The values of one column of rows.
fn array<'a>(
    rows: &'a [OwnedRow],
    index: usize,
    kind: Type,
) -> Result<Box<dyn ToSql + Sync + 'a>, StoreError> {
    let odd = || StoreError::Odd("a value is not of its column's type");
    let cells = rows.iter().map(|row| row.cells().get(index).ok_or_else(odd));
    Ok(match kind {
        Type::Int => Box::new(
            cells
                .map(|cell| match cell? {
                    Cell::Int(value) => Ok(Some(*value)),
                    Cell::Null => Ok(None),
                    Cell::Text(_) => Err(odd()),
                })
                .collect::<Result<Vec<_>, _>>()?,
        ),
        Type::Text => Box::new(
            cells
                .map(|cell| match cell? {
                    Cell::Text(text) => Ok(Some(&**text)),
                    Cell::Null => Ok(None),
                    Cell::Int(_) => Err(odd()),
                })
                .collect::<Result<Vec<_>, _>>()?,
        ),
    })
}

/// A connection that is waited for.
pub struct PostgresSql {
    client: Client,
    runtime: Runtime,
}

impl PostgresSql {
    /// Connects, and leaves the schema as it is. Never within a runtime.
    pub fn connect(address: &Address) -> Result<Self, StoreError> {
        let runtime = runtime()?;
        let client =
            runtime.block_on(async { tokio::time::timeout(PATIENCE, connect(address)).await });
        let client = client.unwrap_or(Err(StoreError::Silent))?;
        Ok(Self { client, runtime })
    }
}

/// A runtime for one thread that waits.
fn runtime() -> Result<Runtime, StoreError> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(StoreError::Runtime)
}

impl Sql for PostgresSql {
    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    fn rows(&mut self, sql: &str, params: &Params<'_>) -> Result<Vec<OwnedRow>, StoreError> {
        let text = numbered(sql, params);
        let rows = self.runtime.block_on(async {
            let statement = self.client.prepare_typed(&text, &types(params)).await?;
            self.client.query(&statement, &values(params)).await
        })?;
        rows.iter().map(|row| OwnedRow::read(row, row.len())).collect()
    }

    fn execute(&mut self, sql: &str, params: &Params<'_>) -> Result<u64, StoreError> {
        let text = numbered(sql, params);
        Ok(self.runtime.block_on(async {
            let statement = self.client.prepare_typed(&text, &types(params)).await?;
            self.client.execute(&statement, &values(params)).await
        })?)
    }

    fn script(&mut self, sql: &str) -> Result<(), StoreError> {
        Ok(self.runtime.block_on(self.client.batch_execute(sql))?)
    }

    fn append(
        &mut self,
        table: &str,
        columns: &[(String, Type)],
        rows: &[OwnedRow],
    ) -> Result<(), StoreError> {
        let text = bulk_sql::append(table, columns);
        let arrays = columns.iter().enumerate().map(|(index, (_, kind))| array(rows, index, *kind));
        let arrays = arrays.collect::<Result<Vec<_>, _>>()?;
        let arrays: Vec<&(dyn ToSql + Sync)> = arrays.iter().map(|array| &**array).collect();
        self.runtime.block_on(self.client.execute(&text, &arrays))?;
        Ok(())
    }
}
