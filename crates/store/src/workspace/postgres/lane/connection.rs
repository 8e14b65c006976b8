//! The connection of a lane, its statements and their parameters.

use std::collections::HashMap;
use std::pin::Pin;
use std::task::Poll;

use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row, Statement as Prepared};

use crate::StoreError;
use crate::workspace::postgres::sql_array::SqlArray;
use crate::workspace::postgres::{Address, connect};
use crate::workspace::sql_value::{ColumnType, SqlValue};

/// Statements of a lane find rows by keys only. Their plans are made once and must use indexes: a
/// plan made while a table is small would still be used when the table has grown. A
/// `plan_cache_mode` in the URL is kept (its source is `client`): an engine that distributes tables
/// over nodes cannot make generic plans for all statements.
const SESSION: &str = "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; \
     SET enable_bitmapscan = off; SET enable_sort = on; \
     SELECT set_config(name, 'force_generic_plan', false) FROM pg_settings \
     WHERE name = 'plan_cache_mode' AND source <> 'client'";
/// Each lane has a row with the number of its last batch. After a lost connection the row tells
/// whether that batch was committed.
pub(super) const OPEN_LANE: &str = "INSERT INTO lanes (id, batch, seen_at) VALUES ($1, 0, (extract(epoch FROM now()) * 1000000)::bigint) \
     ON CONFLICT (id) DO NOTHING";

/// A connection with its prepared statements.
pub(super) struct Connection {
    pub(super) client: Client,
    pub(super) prepared: HashMap<&'static str, Prepared>,
}

#[derive(Debug)]
pub(super) enum BulkParam<'a> {
    Int(i64),
    Array(SqlArray<'a>),
}

pub(super) struct Statement<'a> {
    pub(super) sql: &'static str,
    pub(super) params: Vec<BulkParam<'a>>,
    /// The table and the number of rows that the statement must change.
    pub(super) changes: Option<(&'static str, usize)>,
}

impl<'a> Statement<'a> {
    pub(super) const fn new(sql: &'static str, params: Vec<BulkParam<'a>>) -> Self {
        Self { sql, params, changes: None }
    }
}

pub(super) struct StatementResult {
    pub(super) rows: Vec<Row>,
    pub(super) changed: u64,
}

pub(super) async fn open(address: &Address, lane: i64) -> Result<Connection, StoreError> {
    let client = connect(address).await?;
    client.batch_execute(SESSION).await?;
    if lane != 0 {
        client.execute(OPEN_LANE, &[&lane]).await?;
    }
    Ok(Connection { client, prepared: HashMap::new() })
}

impl Connection {
    pub(super) async fn run(
        &mut self,
        statements: &[Statement<'_>],
    ) -> Result<Vec<StatementResult>, StoreError> {
        // All statements are prepared before the first one is sent: preparing waits for the server,
        // and would interrupt the sequence.
        for statement in statements {
            if !self.prepared.contains_key(statement.sql) {
                self.prepared.insert(statement.sql, self.client.prepare(statement.sql).await?);
            }
        }
        let mut results = Vec::with_capacity(statements.len());
        for (statement, result) in statements
            .iter()
            .zip(join_in_order(statements.iter().map(|statement| self.run_one(statement))).await)
        {
            // The first error is the cause: the server refuses all later statements of the
            // transaction.
            let result = result?;
            // An UPDATE that finds fewer rows is no error for the server, but changes would be
            // lost.
            if let Some((table, expected)) = statement.changes
                && usize::try_from(result.changed) != Ok(expected)
            {
                return Err(StoreError::RowsAffected {
                    table,
                    count: usize::try_from(result.changed).unwrap_or(usize::MAX),
                    expected,
                });
            }
            results.push(result);
        }
        Ok(results)
    }

    async fn run_one(&self, statement: &Statement<'_>) -> Result<StatementResult, StoreError> {
        let prepared = self
            .prepared
            .get(statement.sql)
            .ok_or(StoreError::Unexpected("a statement was not prepared"))?;
        let params = statement.params.iter().map(|param| -> &(dyn ToSql + Sync) {
            match param {
                BulkParam::Int(value) => value,
                BulkParam::Array(array) => array.as_sql(),
            }
        });
        let stream = self.client.query_raw(prepared, params.collect::<Vec<_>>()).await?;
        let mut stream = std::pin::pin!(stream);
        let mut rows = Vec::new();
        while let Some(row) = futures_util::StreamExt::next(&mut stream).await {
            rows.push(row?);
        }
        Ok(StatementResult { rows, changed: stream.rows_affected().unwrap_or(0) })
    }
}

/// Awaits all futures. They are first polled in the order of the list, and the first poll sends the
/// statement: so the statements are sent in order, without waiting for results.
async fn join_in_order<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
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

/// The values of rows as one array parameter for each column.
pub(super) fn column_arrays<'a>(
    types: impl Iterator<Item = ColumnType>,
    rows: &[Vec<SqlValue<'a>>],
) -> Result<Vec<BulkParam<'a>>, StoreError> {
    let column = |(index, column_type)| {
        SqlArray::of_column(column_type, rows.iter().map(|row| row.get(index)))
    };
    types.enumerate().map(column).map(|array| array.map(BulkParam::Array)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Database;
    use crate::testing::{OwnDatabase, superuser};
    use crate::workspace::postgres::runtime;

    fn plan_cache_mode(address: &Address) -> String {
        let mode = async {
            let connection = open(address, 0).await.unwrap();
            let rows = connection.client.query_one("SHOW plan_cache_mode", &[]).await;
            rows.unwrap().get(0)
        };
        runtime().unwrap().block_on(mode)
    }

    #[test]
    fn the_plan_cache_mode_of_the_url_is_kept() {
        let Some(admin) = superuser() else { return };
        let (_own, database) = OwnDatabase::create(&admin);
        let Database::Postgres(mut address) = database else { panic!("{database:?}") };
        assert_eq!(plan_cache_mode(&address), "force_generic_plan");
        let url = "postgres://db/kola?options=-c%20plan_cache_mode%3Dforce_custom_plan";
        let options = Address::parse(url).unwrap().config.get_options().unwrap().to_owned();
        address.config.options(options);
        assert_eq!(plan_cache_mode(&address), "force_custom_plan");
        // The default of a database or user is none for kola.
        address.config.options("");
        let name = address.config.get_dbname().unwrap();
        let default = format!("ALTER DATABASE {name} SET plan_cache_mode = 'auto'");
        OwnDatabase::run(&admin, &default).unwrap();
        assert_eq!(plan_cache_mode(&address), "force_generic_plan");
    }
}
