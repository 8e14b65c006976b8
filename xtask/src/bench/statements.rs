//! The yardstick of PostgreSQL: a server that executes a transfer in the usual way, statement by
//! statement. Each request has its own transaction and locks the rows that it changes. Tables and
//! rows are the same as the product's, which `kola ledger verify` confirms afterwards. It does not
//! check tokens, which is an advantage for it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use anyhow::{Context as _, ensure};
use axum::extract::State;
use axum::http::StatusCode;
use axum::{Json, Router, routing::post};
use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod};
use serde_json::{Value, json};
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
}

pub fn run(options: &Options) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let manager_config = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_config(options.url.parse()?, NoTls, manager_config);
        let pool = Pool::builder(manager).max_size(options.connections).build()?;
        let reserved = "UPDATE installation SET next_id = next_id + $1 RETURNING next_id - $1";
        let next_id: i64 = pool.get().await?.query_one(reserved, &[&IDS]).await?.get(0);
        let shop = Arc::new(Shop { pool, next_id: AtomicI64::new(next_id) });
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
        let found = one(
            "SELECT merchant_id, wallet_id, party_id, amount_minor, currency, status FROM sessions WHERE id = $1 FOR UPDATE",
            &[&session],
        )
        .await?
        .context("no such session")?;
        let (merchant, wallet, party): (i64, i64, i64) = (found.get(0), found.get(1), found.get(2));
        let (minor, currency, status): (i64, String, String) =
            (found.get(3), found.get(4), found.get(5));
        ensure!(status == "ACTIVE", "the session is {status}");
        let replay = "SELECT id FROM executions WHERE merchant_id = $1 AND reference_id = $2";
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
        write(
            "UPDATE sessions SET status = 'EXECUTED', updated_at = $2 WHERE id = $1",
            &[&session, &now],
        )
        .await?;
        write(
            "INSERT INTO executions (id, merchant_id, reference_id, operation, session_id, status, wallet_id, other_wallet_id, \
             payer_minor, payer_currency, payee_minor, payee_currency, total_minor, platform_fee_minor, gateway_fee_minor, \
             fx_fee_minor, rate_num, rate_den, refunded_minor, refunded_total_minor, provider, method, provider_request_id, \
             requires_action, cancel_asked, disputed, attempts, deadline_at, completed_at, created_at, updated_at) VALUES \
             ($1, $2, $3, 'TRANSFER', $4, 'COMPLETED', $5, $6, $7, $8, $7, $8, $7, 0, 0, 0, 1, 1, 0, 0, 'PLATFORM', 'WALLET', \
             $3, 0, 0, 0, 0, $9, $9, $9, $9)",
            &[&execution, &merchant, &reference, &session, &payer.id, &payee.id, &minor, &currency, &now],
        )
        .await?;
        write(
            "INSERT INTO event_positions (merchant_id, last) VALUES ($1, 1) \
             ON CONFLICT (merchant_id) DO UPDATE SET last = event_positions.last + 1",
            &[&merchant],
        )
        .await?;
        // The codes of `execution.completed` and `EXECUTION`.
        write(
            "INSERT INTO events (id, merchant_id, type, subject_type, subject_id, position, sequence, created_at) \
             SELECT $1, $2, 7, 2, $3, last, 1, $4 FROM event_positions WHERE merchant_id = $2",
            &[&event, &merchant, &execution, &now],
        )
        .await?;
        for (entry, wallet, moved) in [(debit, &payer, -minor), (credit, &payee, minor)] {
            let balance = wallet.minor + moved;
            write(
                "INSERT INTO entries (id, merchant_id, transaction_id, execution_id, account_id, bucket, amount_minor, \
                 currency, balance_minor, previous_entry_id, created_at) \
                 VALUES ($1, $2, $3, $4, $5, 'AVAILABLE', $6, $7, $8, $9, $10)",
                &[&entry, &merchant, &event, &execution, &wallet.id, &moved, &currency, &balance, &wallet.last_entry, &now],
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
