//! The yardstick of PostgreSQL: a server that executes a transfer in the usual way, statement by
//! statement. Each request has its own transaction and locks the rows that it changes. Tables and
//! rows are the same as the product's, which `kola ledger verify` confirms afterwards. It does not
//! check tokens, which is an advantage for it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use anyhow::{Context as _, ensure};
use axum::extract::State;
use axum::http::StatusCode;
use axum::{Json, Router, routing::post};
use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod};
use serde_json::{Value, json};
use store::workspace::codes::with_codes;
use tokio_postgres::types::ToSql;
use tokio_postgres::{NoTls, Row};

/// The number of reserved ids, which no run uses up.
const IDS: i64 = 1_000_000_000;

#[derive(clap::Args)]
pub struct Options {
    #[arg(long)]
    url: String,
    /// The maximum number of connections to the database
    #[arg(long)]
    connections: usize,
}

/// The state that the requests share.
struct Shop {
    pool: Pool,
    next_id: AtomicI64,
    sql: Sql,
    /// An API key of each merchant, which is taken for the one that asks.
    api_keys: HashMap<i64, i64>,
    /// The fees of transfers, which are none.
    platform_fee: i64,
    gateway_fee: i64,
}

/// The statements with codes.
struct Sql {
    lock_session: String,
    execute_session: String,
    insert_execution: String,
    insert_event: String,
    insert_entry: String,
}

impl Sql {
    fn new() -> Self {
        Self {
            lock_session: with_codes(
                "SELECT merchant_id, wallet_id, party_id, amount_minor, currency, status = {session_status ACTIVE} \
                 FROM sessions WHERE id = $1 FOR UPDATE",
            ),
            execute_session: with_codes(
                "UPDATE sessions SET status = {session_status EXECUTED}, updated_at = $2 WHERE id = $1",
            ),
            insert_execution: with_codes(
                "INSERT INTO executions (id, merchant_id, reference_id, operation, session_id, status, wallet_id, counter_wallet_id, \
                 payer_minor, payer_currency, payee_minor, payee_currency, total_minor, platform_fee_minor, gateway_fee_minor, \
                 fx_fee_minor, rate_num, rate_den, rules, platform_fee_id, gateway_fee_id, provider, method, in_review, event_count, \
                 completed_at, created_at, updated_at) VALUES \
                 ($1, $2, $3::text::uuid, {operation TRANSFER}, $4, {execution_status COMPLETED}, $5, $6, $7, $8, $7, $8, $7, \
                 0, 0, 0, 1, 1, 2, $10, $11, 'PLATFORM', 'WALLET', 0, 1, $9, $9, $9)",
            ),
            insert_event: with_codes(
                "INSERT INTO events (id, merchant_id, type, subject_type, subject_id, position, sequence, actor_kind, actor_id, \
                 created_at) SELECT $1, $2, {event_type execution.completed}, {event_entity EXECUTION}, $3, last, 1, \
                 {actor_kind API_KEY}, $5, $4 FROM event_positions WHERE merchant_id = $2",
            ),
            insert_entry: with_codes(
                "INSERT INTO entries (id, merchant_id, transaction_id, execution_id, account_id, bucket, amount_minor, \
                 currency, balance_minor, previous_entry_id) \
                 VALUES ($1, $2, $3, $4, $5, {bucket AVAILABLE}, $6, $7, $8, $9)",
            ),
        }
    }
}

pub fn run(options: &Options) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let manager_config = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_config(options.url.parse()?, NoTls, manager_config);
        let pool = Pool::builder(manager).max_size(options.connections).build()?;
        let reserved = "UPDATE installation SET next_id = next_id + $1 RETURNING next_id - $1";
        let client = pool.get().await?;
        let next_id: i64 = client.query_one(reserved, &[&IDS]).await?.get(0);
        let api_keys = "SELECT merchant_id, min(id) FROM api_keys GROUP BY merchant_id";
        let api_keys = client.query(api_keys, &[]).await?;
        let platform_fee =
            "SELECT id FROM platform_fees WHERE tier = 'default' AND operation = 'TRANSFER'";
        let gateway_fee =
            "SELECT id FROM gateway_fees WHERE method = 'WALLET' AND operation = 'TRANSFER'";
        let platform_fee = client.query_one(platform_fee, &[]).await?.get(0);
        let gateway_fee = client.query_one(gateway_fee, &[]).await?.get(0);
        drop(client);
        let shop = Arc::new(Shop {
            pool,
            next_id: AtomicI64::new(next_id),
            sql: Sql::new(),
            api_keys: api_keys.iter().map(|row| (row.get(0), row.get(1))).collect(),
            platform_fee,
            gateway_fee,
        });
        let listener = tokio::net::TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
        println!("{}{}", super::server::LISTENING, listener.local_addr()?);
        let router = Router::new().route("/v1/executions/transfer", post(execute)).with_state(shop);
        axum::serve(listener, router).with_graceful_shutdown(stopped()).await?;
        Ok(())
    })
}

async fn stopped() {
    if let Ok(mut signal) =
        tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
    {
        signal.recv().await;
    }
}

async fn execute(
    State(shop): State<Arc<Shop>>,
    Json(body): Json<Value>,
) -> Result<Json<Value>, (StatusCode, String)> {
    let done = async {
        let session = body.get("session_id").and_then(Value::as_i64).context("session_id")?;
        let reference = body.get("reference_id").and_then(Value::as_str).context("reference_id")?;
        shop.execute(session, reference).await
    };
    done.await
        .map(Json)
        .map_err(|error: anyhow::Error| (StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}")))
}

/// A wallet whose row is locked.
struct Locked {
    id: i64,
    minor: i64,
    last_entry: Option<i64>,
}

impl Locked {
    fn read(row: &Row) -> Self {
        Self { id: row.get(0), minor: row.get(1), last_entry: row.get(2) }
    }
}

impl Shop {
    async fn execute(&self, session: i64, reference: &str) -> anyhow::Result<Value> {
        let mut client = self.pool.get().await?;
        let transaction = client.transaction().await?;
        let one =
            async |sql: &str, params: &[&(dyn ToSql + Sync)]| -> anyhow::Result<Option<Row>> {
                Ok(transaction.query_opt(&transaction.prepare_cached(sql).await?, params).await?)
            };
        let found = one(&self.sql.lock_session, &[&session]).await?.context("no such session")?;
        let (merchant, wallet, party): (i64, i64, i64) = (found.get(0), found.get(1), found.get(2));
        let (minor, currency, is_active): (i64, String, bool) =
            (found.get(3), found.get(4), found.get(5));
        ensure!(is_active, "the session is not active");
        let api_key = self.api_keys.get(&merchant).context("a merchant without an API key")?;
        let replay =
            "SELECT id FROM executions WHERE merchant_id = $1 AND reference_id = $2::text::uuid";
        ensure!(one(replay, &[&merchant, &reference]).await?.is_none(), "the reference is used");
        let lock =
            "SELECT id, available_minor, last_entry_id FROM wallets WHERE id = $1 FOR UPDATE";
        let payer = Locked::read(&one(lock, &[&wallet]).await?.context("no wallet")?);
        ensure!(payer.minor >= minor, "not enough money");
        let lock = "SELECT id, available_minor, last_entry_id FROM wallets \
                    WHERE owner_type = 'PARTY' AND owner_id = $1 AND currency = $2 FOR UPDATE";
        let payee = Locked::read(
            &one(lock, &[&party, &currency]).await?.context("no wallet of the party")?,
        );

        let now: i64 = one("SELECT (extract(epoch FROM now()) * 1000000)::bigint", &[])
            .await?
            .context("no time")?
            .get(0);
        let id = self.next_id.fetch_add(4, Ordering::Relaxed);
        let (execution, event, debit, credit) = (id, id + 1, id + 2, id + 3);
        let write = async |sql: &str, params: &[&(dyn ToSql + Sync)]| -> anyhow::Result<()> {
            let count =
                transaction.execute(&transaction.prepare_cached(sql).await?, params).await?;
            ensure!(count == 1, "{count} rows: {sql}");
            Ok(())
        };
        write(&self.sql.execute_session, &[&session, &now]).await?;
        write(
            &self.sql.insert_execution,
            &[
                &execution,
                &merchant,
                &reference,
                &session,
                &payer.id,
                &payee.id,
                &minor,
                &currency,
                &now,
                &self.platform_fee,
                &self.gateway_fee,
            ],
        )
        .await?;
        write(
            "INSERT INTO event_positions (merchant_id, last) VALUES ($1, 1) \
             ON CONFLICT (merchant_id) DO UPDATE SET last = event_positions.last + 1",
            &[&merchant],
        )
        .await?;
        write(&self.sql.insert_event, &[&event, &merchant, &execution, &now, api_key]).await?;
        for (entry, wallet, moved) in [(debit, &payer, -minor), (credit, &payee, minor)] {
            let balance = wallet.minor + moved;
            write(
                &self.sql.insert_entry,
                &[
                    &entry,
                    &merchant,
                    &event,
                    &execution,
                    &wallet.id,
                    &moved,
                    &currency,
                    &balance,
                    &wallet.last_entry,
                ],
            )
            .await?;
            write(
                "UPDATE wallets SET available_minor = $2, last_entry_id = $3, updated_at = $4 WHERE id = $1",
                &[&wallet.id, &balance, &entry, &now],
            )
            .await?;
        }
        transaction.commit().await?;
        Ok(
            json!({ "reference_id": reference, "status": "COMPLETED", "payment_intent_id": execution }),
        )
    }
}
