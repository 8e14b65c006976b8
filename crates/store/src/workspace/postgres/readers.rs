//! The pool of read-only connections.

use std::collections::HashMap;
use std::sync::LazyLock;
use std::time::Duration;

use deadpool_postgres::{
    Connect, Hook, HookError, Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod,
    Runtime, Timeouts,
};
use domain::directory::merchant::{ApiKey, Merchant};
use domain::kernel::ids::ApiKeyId;
use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_postgres::types::{ToSql, Type as PgType};
use tokio_postgres::{Client, Config, Row};

use crate::StoreError;
use crate::reads::PoolUse;
use crate::workspace::postgres::{Address, SESSION, describe, hosts, types, values};
use crate::workspace::record::Record;
use crate::workspace::sql::numbered;
use crate::workspace::sql_value::Params;

/// A read that gets no connection for so long is refused.
const POOL_TIMEOUT: Duration = Duration::from_secs(3);
/// Longer than the server's own statement time-out: a read without an answer after this deadline
/// means that the server is unreachable.
const READ_DEADLINE: Duration = Duration::from_secs(6);
/// A safeguard: connections that read cannot write.
const READ_ONLY: &str = "SET default_transaction_read_only = on";
/// Makes the planner read a list in the order of its index. With a bitmap scan all rows of a
/// merchant would be read and sorted, if the generic plan was made for merchants that have few.
pub(crate) const IN_ORDER: &str = "SET enable_seqscan = off; SET enable_bitmapscan = off";
/// The most tenant lookups that wait at the same time.
const MAX_WAITING_LOOKUPS: usize = 8_192;
/// The most tenant lookups answered by one statement.
const TENANT_BATCH: usize = 256;

/// The pool. Cheap to clone.
#[derive(Clone)]
pub struct PostgresReaders {
    pool: Pool,
    tenants: mpsc::Sender<TenantLookup>,
}

/// A key and its merchant.
type Tenant = (ApiKey, Merchant);

struct TenantLookup {
    id: ApiKeyId,
    answer: oneshot::Sender<Result<Option<Tenant>, StoreError>>,
}

/// Connects to the host that accepts writes.
struct AnyHost(Address);

impl Connect for AnyHost {
    fn connect(
        &self,
        _: &Config,
    ) -> BoxFuture<'_, Result<(Client, JoinHandle<()>), tokio_postgres::Error>> {
        Box::pin(hosts::connect(&self.0))
    }
}

impl From<PoolError> for StoreError {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Backend(error) => error.into(),
            other => Self::Pool(describe(&other)),
        }
    }
}

impl PostgresReaders {
    /// A pool of at most `count` connections, each opened when it is first needed. Must be called
    /// within a Tokio runtime.
    pub fn open(address: &Address, count: usize) -> Result<Self, StoreError> {
        // A connection is not tested before it is used, which would cost a round trip for each
        // read. Instead a read whose connection turns out to be lost is repeated, see `rows`.
        let settings = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager =
            Manager::from_connect(address.config.clone(), AnyHost(address.clone()), settings);
        let prepare = Hook::async_fn(|client, _| {
            Box::pin(async move {
                client.batch_execute(SESSION).await.map_err(HookError::Backend)?;
                client.batch_execute(READ_ONLY).await.map_err(HookError::Backend)?;
                client.batch_execute(IN_ORDER).await.map_err(HookError::Backend)
            })
        });
        let pool = Pool::builder(manager)
            .max_size(count)
            .runtime(Runtime::Tokio1)
            .timeouts(Timeouts {
                wait: Some(POOL_TIMEOUT),
                create: Some(POOL_TIMEOUT),
                recycle: Some(POOL_TIMEOUT),
            })
            .post_create(prepare)
            .build()
            .map_err(|error| StoreError::Pool(describe(&error)))?;
        let (tenants, lookups) = mpsc::channel(MAX_WAITING_LOOKUPS);
        tokio::spawn(answer_tenants(pool.clone(), lookups));
        Ok(Self { pool, tenants })
    }

    /// How many connections are in use.
    pub fn pool_use(&self, name: &'static str) -> PoolUse {
        let status = self.pool.status();
        let idle = status.available;
        PoolUse { name, in_use: status.size.saturating_sub(idle), idle }
    }

    /// The rows of a statement's result. If the connection was lost, the statement is run again on
    /// another one, which is safe since it only reads.
    pub async fn rows(&self, sql: &str, params: &Params<'_>) -> Result<Vec<Row>, StoreError> {
        rows(&self.pool, &numbered(sql, params), &types(params), &values(params)).await
    }

    /// The API key of this id with its merchant. Lookups that arrive while a statement is running
    /// are collected and answered together by the next statement. That statement begins after the
    /// last of them arrived, so a revoked key is refused at once; and many requests of one merchant
    /// at the same time read one row.
    pub async fn tenant(&self, id: ApiKeyId) -> Result<Option<Tenant>, StoreError> {
        let (answer, result) = oneshot::channel();
        self.tenants
            .try_send(TenantLookup { id, answer })
            .map_err(|_| StoreError::Pool("too many requests are waiting".to_owned()))?;
        result.await.map_err(|_| StoreError::Unexpected("nobody answers for tenants"))?
    }
}

/// Runs a statement, and repeats it once if the connection was lost.
async fn rows(
    pool: &Pool,
    text: &str,
    types: &[PgType],
    values: &[&(dyn ToSql + Sync)],
) -> Result<Vec<Row>, StoreError> {
    match once(pool, text, types, values).await {
        Err(StoreError::Postgres { gone: true, .. }) => once(pool, text, types, values).await,
        done => done,
    }
}

async fn once(
    pool: &Pool,
    text: &str,
    types: &[PgType],
    values: &[&(dyn ToSql + Sync)],
) -> Result<Vec<Row>, StoreError> {
    let client = pool.get().await?;
    let result = tokio::time::timeout(READ_DEADLINE, async {
        let statement = client.prepare_typed_cached(text, types).await?;
        client.query(&statement, values).await
    });
    match result.await {
        Ok(rows) => Ok(rows?),
        Err(_) => {
            // Do not return the connection to the pool: the next read would wait as long.
            drop(Object::take(client));
            Err(StoreError::NoAnswer)
        }
    }
}

async fn answer_tenants(pool: Pool, mut lookups: mpsc::Receiver<TenantLookup>) {
    let mut batch = Vec::with_capacity(TENANT_BATCH);
    while lookups.recv_many(&mut batch, TENANT_BATCH).await > 0 {
        let mut ids: Vec<i64> = batch.iter().map(|lookup: &TenantLookup| lookup.id.0).collect();
        ids.sort_unstable();
        ids.dedup();
        let found = tenants(&pool, ids).await;
        for TenantLookup { id, answer } in batch.drain(..) {
            let one = match &found {
                Ok(found) => Ok(found.get(&id.0).cloned()),
                Err(error) => Err(StoreError::Pool(error.to_string())),
            };
            // An error means that the caller has gone.
            let _ = answer.send(one);
        }
    }
}

async fn tenants(pool: &Pool, ids: Vec<i64>) -> Result<HashMap<i64, Tenant>, StoreError> {
    // The array is of a length that no plan knows. A plan for the length of a parameter seems cheaper than the
    // generic one, and PostgreSQL would plan each time, which takes six times as long as the lookup.
    static SQL: LazyLock<String> = LazyLock::new(|| {
        format!(
            "SELECT {}, {} FROM api_keys JOIN merchants ON merchants.id = api_keys.merchant_id \
             WHERE api_keys.id = ANY(ARRAY(SELECT UNNEST($1::bigint[])))",
            ApiKey::statements().columns,
            Merchant::statements().columns
        )
    });
    let rows = rows(pool, &SQL, &[PgType::INT8_ARRAY], &[&ids]).await?;
    rows.iter()
        .map(|row| {
            let tenant: Tenant =
                (ApiKey::from_row(row, 0)?, Merchant::from_row(row, ApiKey::WIDTH)?);
            Ok((tenant.0.id.0, tenant))
        })
        .collect()
}
