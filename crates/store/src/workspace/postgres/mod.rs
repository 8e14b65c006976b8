//! PostgreSQL: connections, and the conversion of values.

pub(crate) mod address;
pub(crate) mod hosts;
pub mod lane;
pub mod readers;
pub(crate) mod script;
mod sql_array;

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::Notify;
use tokio_postgres::types::{ToSql, Type as PgType};
use tokio_postgres::{Client, Row};

use domain::kernel::uuids::Uuid;

use crate::StoreError;
use crate::workspace::bulk_sql;
use crate::workspace::postgres::sql_array::SqlArray;
use crate::workspace::sql::{Dialect, Interrupter, OwnedRow, Sql, numbered};
use crate::workspace::sql_value::{ColumnType, Param, Params, ResultRow, SqlValue};

pub use address::Address;

/// For a connection of the command line.
const CONNECT_DEADLINE: Duration = Duration::from_secs(10);

/// The settings of every connection. A statement is cancelled after 5 seconds and a wait for a lock
/// after 3; a transaction that is idle for 10 seconds is ended. Commits wait for the disk even if
/// the server's default is `synchronous_commit = off`. The first settings make the meaning of a
/// statement independent of the settings of the server, database and user.
const SESSION: &str = "SET standard_conforming_strings = on; SET transform_null_equals = off; \
     SET default_transaction_isolation = 'read committed'; SET default_transaction_read_only = off; \
     SET statement_timeout = 5000; SET lock_timeout = 3000; SET idle_in_transaction_session_timeout = 10000; \
     SET jit = off; \
     SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'";

/// An error with its causes: the driver's own text has only the kind of the error.
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

/// Opens a connection. It is driven by a task of the Tokio runtime in which this is called.
async fn connect(address: &Address) -> Result<Client, StoreError> {
    let (client, _) = hosts::connect(address).await?;
    client.batch_execute(SESSION).await?;
    Ok(client)
}

impl ResultRow for Row {
    fn value(&self, index: usize) -> Result<SqlValue<'_>, StoreError> {
        let column =
            self.columns().get(index).ok_or(StoreError::Unexpected("a column is missing"))?;
        let value = match *column.type_() {
            PgType::INT8 => self.try_get::<_, Option<i64>>(index)?.map(SqlValue::Int),
            PgType::INT2 => {
                self.try_get::<_, Option<i16>>(index)?.map(|value| SqlValue::Int(value.into()))
            }
            PgType::INT4 => {
                self.try_get::<_, Option<i32>>(index)?.map(|value| SqlValue::Int(value.into()))
            }
            PgType::TEXT | PgType::VARCHAR | PgType::NAME => {
                self.try_get::<_, Option<&str>>(index)?.map(|text| SqlValue::Text(text.into()))
            }
            PgType::UUID => self.try_get::<_, Option<Uuid>>(index)?.map(SqlValue::Uuid),
            _ => return Err(StoreError::Unexpected("a column is of a type that is not kola's")),
        };
        Ok(value.unwrap_or(SqlValue::Null))
    }
}

/// The types of parameters, to prepare a statement with.
fn types(params: &Params<'_>) -> Vec<PgType> {
    let pg_type = |param: &Param<'_>| match param.column_type {
        // PostgreSQL compares integers of different sizes, and finds them by an index of either.
        ColumnType::Int | ColumnType::Code => PgType::INT8,
        ColumnType::Text => PgType::TEXT,
        ColumnType::Uuid => PgType::UUID,
    };
    params.iter().map(pg_type).collect()
}

/// The values of parameters, as the driver takes them.
fn values<'a>(params: &'a Params<'_>) -> Vec<&'a (dyn ToSql + Sync)> {
    let value = |param: &'a Param<'_>| -> &'a (dyn ToSql + Sync) {
        match (&param.value, param.column_type) {
            (SqlValue::Null, ColumnType::Int | ColumnType::Code) => &None::<i64>,
            (SqlValue::Null, ColumnType::Text) => &None::<&str>,
            (SqlValue::Null, ColumnType::Uuid) => &None::<Uuid>,
            (SqlValue::Int(value), _) => value,
            (SqlValue::Text(text), _) => text,
            (SqlValue::Uuid(uuid), _) => uuid,
        }
    };
    params.iter().map(value).collect()
}

/// A blocking connection.
pub struct PostgresSql {
    client: Client,
    runtime: Runtime,
    interrupted: Arc<Notify>,
}

impl PostgresSql {
    /// Connects and leaves the schema as it is. Must not be called within a Tokio runtime.
    pub fn connect(address: &Address) -> Result<Self, StoreError> {
        let runtime = runtime()?;
        let client = runtime
            .block_on(async { tokio::time::timeout(CONNECT_DEADLINE, connect(address)).await });
        let client = client.unwrap_or(Err(StoreError::NoAnswer))?;
        Ok(Self { client, runtime, interrupted: Arc::default() })
    }
}

/// A runtime for one blocking thread.
fn runtime() -> Result<Runtime, StoreError> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(StoreError::Runtime)
}

impl Sql for PostgresSql {
    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    fn interrupter(&self) -> Interrupter {
        let interrupted = Arc::clone(&self.interrupted);
        Box::new(move || interrupted.notify_one())
    }

    fn rows(&mut self, sql: &str, params: &Params<'_>) -> Result<Vec<OwnedRow>, StoreError> {
        let text = numbered(sql, params);
        let rows = self.runtime.block_on(async {
            let queried = async {
                let statement = self.client.prepare_typed(&text, &types(params)).await?;
                self.client.query(&statement, &values(params)).await
            };
            tokio::select! {
                rows = queried => Ok(rows?),
                () = self.interrupted.notified() => Err(StoreError::Interrupted),
            }
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

    fn script_by_statement(&mut self, name: &str, script: &str) -> Result<(), StoreError> {
        for statement in script::statements(script) {
            // Prepared first, so that the server refuses what is not exactly one command.
            let done = self.runtime.block_on(self.client.execute(statement, &[]));
            done.map_err(|error| StoreError::in_script(name, statement, error))?;
        }
        Ok(())
    }

    fn append(
        &mut self,
        table: &str,
        columns: &[(String, ColumnType)],
        rows: &[OwnedRow],
    ) -> Result<(), StoreError> {
        let text = bulk_sql::append(table, columns);
        let array = |(index, (_, column_type)): (usize, &(String, ColumnType))| {
            SqlArray::of_column(*column_type, rows.iter().map(|row| row.values().get(index)))
        };
        let arrays = columns.iter().enumerate().map(array).collect::<Result<Vec<_>, _>>()?;
        let arrays: Vec<&(dyn ToSql + Sync)> = arrays.iter().map(SqlArray::as_sql).collect();
        self.runtime.block_on(self.client.execute(&text, &arrays))?;
        Ok(())
    }
}
