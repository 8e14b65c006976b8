//! Connections that read, in a pool.

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
use crate::workspace::postgres::{Address, SESSION, describe, hosts, types, values};
use crate::workspace::record::Record;
use crate::workspace::sql::numbered;
use crate::workspace::sql_value::Params;

/// A read that finds no free connection for so long is refused.
const POOL_TIMEOUT: Duration = Duration::from_secs(3);
/// A read that is not answered for so long: the server's own time-out has ended it, or nobody
/// answers any more.
const READ_DEADLINE: Duration = Duration::from_secs(6);
/// To be on the safe side, what reads cannot write.
const READ_ONLY: &str = "SET default_transaction_read_only = on";
/// A list is read along the index that has its order. Rows that are gathered in another order have
/// to be sorted: all of a merchant's, where a plan was made for merchants that have few.
pub(crate) const IN_ORDER: &str = "SET enable_seqscan = off; SET enable_bitmapscan = off";
/// Questions for tenants that wait at once.
const ASKING: usize = 8_192;
/// Tenants read with one statement.
const TOGETHER: usize = 256;

/// The pool. Cheap to clone.
#[derive(Clone)]
pub struct PostgresReaders {
    pool: Pool,
    tenants: mpsc::Sender<Asking>,
}

/// A key and its merchant.
type Tenant = (ApiKey, Merchant);

struct Asking {
    id: ApiKeyId,
    answer: oneshot::Sender<Result<Option<Tenant>, StoreError>>,
}

/// How the pool connects.
struct AnyHost(Address);

impl Connect for AnyHost {
    fn connect(
        &self,
        _: &Config,
    ) -> BoxFuture<'_, Result<(Client, JoinHandle<()>), tokio_postgres::Error>> {
        Box::pin(hosts::reach(&self.0))
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
    /// At most `count` connections, each made when it is first needed. Within a runtime.
    pub fn open(address: &Address, count: usize) -> Result<Self, StoreError> {
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
        let (tenants, asking) = mpsc::channel(ASKING);
        tokio::spawn(answer_tenants(pool.clone(), asking));
        Ok(Self { pool, tenants })
    }

    /// The rows that a statement answers. One that finds its connection gone is asked again on
    /// another: it only reads.
    pub async fn rows(&self, sql: &str, params: &Params<'_>) -> Result<Vec<Row>, StoreError> {
        rows(&self.pool, &numbered(sql, params), &types(params), &values(params)).await
    }

    /// The API key of that id with its merchant. Who asks while others are being answered is
    /// answered with all who asked meanwhile, by one statement that begins after the last of them
    /// asked: so a revoked key is refused at once, and a crowd of one merchant's requests costs one
    /// row.
    pub async fn tenant(&self, id: ApiKeyId) -> Result<Option<Tenant>, StoreError> {
        let (answer, answered) = oneshot::channel();
        self.tenants
            .try_send(Asking { id, answer })
            .map_err(|_| StoreError::Pool("too many requests are waiting".to_owned()))?;
        answered.await.map_err(|_| StoreError::Unexpected("nobody answers for tenants"))?
    }
}

/// Asks, and once more when the connection turned out to be gone.
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
    let asked = tokio::time::timeout(READ_DEADLINE, async {
        let statement = client.prepare_typed_cached(text, types).await?;
        client.query(&statement, values).await
    });
    match asked.await {
        Ok(rows) => Ok(rows?),
        Err(_) => {
            // Whoever took it next from the pool would wait as long.
            drop(Object::take(client));
            Err(StoreError::NoAnswer)
        }
    }
}

async fn answer_tenants(pool: Pool, mut asking: mpsc::Receiver<Asking>) {
    let mut batch = Vec::with_capacity(TOGETHER);
    while asking.recv_many(&mut batch, TOGETHER).await > 0 {
        let mut ids: Vec<i64> = batch.iter().map(|asking: &Asking| asking.id.0).collect();
        ids.sort_unstable();
        ids.dedup();
        let found = tenants(&pool, ids).await;
        for Asking { id, answer } in batch.drain(..) {
            let one = match &found {
                Ok(found) => Ok(found.get(&id.0).cloned()),
                Err(error) => Err(StoreError::Pool(error.to_string())),
            };
            // Who went away does not need the answer.
            let _ = answer.send(one);
        }
    }
}

async fn tenants(pool: &Pool, ids: Vec<i64>) -> Result<HashMap<i64, Tenant>, StoreError> {
    static SQL: LazyLock<String> = LazyLock::new(|| {
        format!(
            "SELECT {}, {} FROM api_keys JOIN merchants ON merchants.id = api_keys.merchant_id WHERE api_keys.id = ANY($1)",
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
