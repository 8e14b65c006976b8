//! Who is told what happens: webhooks, and sockets of realtime clients.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use hdrhistogram::Histogram;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::{CROWD, Rounds, Site};
use crate::bench::client::Client;
use crate::bench::jobs::{Item, Job, Random, Tenant};
use crate::bench::load::Items;
use crate::bench::receiver::Receiver;
use crate::bench::{Phase, Sample};

/// How many endpoints there are, of four merchants.
pub const ENDPOINTS: usize = 64;
const LISTENERS: usize = 4;
/// How many payments each merchant's endpoints are told of.
const TOLD: usize = 3_000;
/// How long all of it may take to arrive.
const ARRIVED_WITHIN: Duration = Duration::from_secs(120);

/// How many sockets are open.
pub const SOCKETS: usize = 10_000;
/// So many merchants have them: one alone may not take all places.
const WATCHED_MERCHANTS: usize = 2;
/// How many of the payments that are watched are made.
const SETTLED: usize = 5_000;
/// 500 a second.
const MICROS_BETWEEN: u64 = 2_000;
/// The server that has them.
pub const SITE_SOCKETS: &str = "10000 sockets";
const WATCH_SETTINGS: [(&str, &str); 2] =
    [("KOLA_CONNECTIONS_MAX", "1000"), ("KOLA_REALTIME_SOCKETS_MAX", "10100")];

impl<'a> Rounds<'a> {
    /// A server that tells endpoints on this machine.
    fn open_to_tell(&mut self, round: u32, name: &'static str) -> anyhow::Result<Site<'_, 'a>> {
        let key = self.secrets_key()?.display().to_string();
        let settings =
            [("KOLA_WEBHOOKS_PRIVATE_ADDRESSES", "true"), ("KOLA_SECRETS_KEY_FILE", &key)];
        self.open(round, name, 1, &settings)
    }

    /// Execution while an endpoint of the merchant is told of everything.
    pub(super) fn listening(&mut self, round: u32) -> anyhow::Result<()> {
        if !self.options.wants(Phase::Listening) {
            return Ok(());
        }
        let receiver = Receiver::start()?;
        let mut site = self.open_to_tell(round, "an endpoint listens")?;
        site.add_endpoints(0, 1, &receiver)?;
        for connections in site.rounds.options.high_connection_counts() {
            site.measure(Phase::Listening, connections)?;
        }
        site.close()
    }

    /// How fast what has happened is told to many endpoints.
    pub(super) fn deliveries(&mut self, round: u32) -> anyhow::Result<()> {
        if !self.options.wants(Phase::Deliveries) {
            return Ok(());
        }
        let receiver = Receiver::start()?;
        let mut site = self.open_to_tell(round, "64 endpoints")?;
        for tenant in 1..=LISTENERS {
            site.add_endpoints(tenant, ENDPOINTS / LISTENERS, &receiver)?;
        }
        let turns = |turns| Items::Turns { turns, first: 1, merchants: LISTENERS };
        let sessions = Arc::new(site.take_sessions(turns, TOLD)?);
        site.run(Job::Execute, CROWD, &sessions, None)?;
        // What was told beside the payments is not measured.
        let (begun, before) = (Instant::now(), receiver.count());
        let all = TOLD * ENDPOINTS / LISTENERS;
        while receiver.count() < all && begun.elapsed() < ARRIVED_WITHIN {
            std::thread::sleep(Duration::from_millis(2));
        }
        let (elapsed, count) = (begun.elapsed().as_secs_f64(), receiver.count());
        ensure!(count == all, "{count} messages have arrived, not {all}");
        site.rounds.note(Sample {
            round,
            phase: Phase::Deliveries,
            width: ENDPOINTS,
            per_second: (all - before) as f64 / elapsed,
            p50_ms: f64::NAN,
            p99_ms: f64::NAN,
            server_cpu: None,
            load_cpu: None,
            batch: None,
        });
        site.close()
    }

    /// Payments that are watched by as many sockets as there may be.
    pub(super) fn sockets(&mut self, round: u32) -> anyhow::Result<()> {
        if !self.options.wants(Phase::Sockets) {
            return Ok(());
        }
        let mut site = self.open(round, SITE_SOCKETS, 1, &WATCH_SETTINGS)?;
        let anon = site.rounds.kola.keys_anon(&site.database)?;
        let turns = |turns| Items::Turns { turns, first: 1, merchants: WATCHED_MERCHANTS };
        let Items::Made(invoices) = site.take_invoices(turns, SOCKETS)? else {
            anyhow::bail!("no invoices");
        };
        let address = site.servers.first().context("no server")?.address;
        let tenants = Arc::new(site.common.tenants.clone());
        let generator = &site.rounds.generator;
        let (per_second, latencies) = generator.block_on(async {
            let payments = declare(address, &tenants, &invoices).await?;
            let told = watch(address, &anon, &payments).await?;
            settle(address, &tenants, &payments, &told).await
        })?;
        let quantile = |quantile| latencies.value_at_quantile(quantile) as f64 / 1e6;
        site.rounds.note(Sample {
            round,
            phase: Phase::Sockets,
            width: SOCKETS,
            per_second,
            p50_ms: quantile(0.5),
            p99_ms: quantile(0.99),
            server_cpu: None,
            load_cpu: None,
            batch: None,
        });
        site.close()
    }
}

impl Site<'_, '_> {
    /// Endpoints of a merchant that are told of completed executions.
    fn add_endpoints(
        &self,
        tenant: usize,
        count: usize,
        receiver: &Receiver,
    ) -> anyhow::Result<()> {
        let address = self.servers.first().context("no server")?.address;
        let tenant = self.common.tenants.get(tenant).context("no merchant")?;
        self.rounds.generator.block_on(async {
            let mut client = Client::connect(address).await?;
            for number in 0..count {
                let url = format!("http://{}/{number}", receiver.address);
                let types = if count == 1 { json!(null) } else { json!(["execution.completed"]) };
                let body = json!({ "url": url, "event_types": types }).to_string();
                client.post(&tenant.token, "/v1/webhook-endpoints/create", &body).await?;
            }
            Ok(())
        })
    }
}

/// A payment that is watched before it is made.
struct Declared {
    tenant: usize,
    session: u64,
    reference: String,
    token: String,
}

/// When a socket was told that its payment is completed.
type Told = Arc<Mutex<Option<Instant>>>;

async fn declare(
    address: std::net::SocketAddr,
    tenants: &Arc<Vec<Tenant>>,
    invoices: &[Item],
) -> anyhow::Result<Vec<Declared>> {
    let mut workers = JoinSet::new();
    for part in invoices.chunks(invoices.len().div_ceil(CROWD)) {
        let (part, tenants) = (part.to_vec(), Arc::clone(tenants));
        workers.spawn(async move {
            let mut client = Client::connect(address).await?;
            let mut random = Random::seeded();
            let mut made = Vec::with_capacity(part.len());
            for Item { tenant, id } in part {
                let token = &tenants.get(tenant).context("no merchant")?.token;
                let body = format!(r#"{{"source_id":{id},"source_type":"INVOICE"}}"#);
                let session = client.post(token, "/v1/sessions/checkout", &body).await?.id()?;
                let reference = random.uuid();
                let body = format!(
                    r#"{{"session_id":{session},"source_type":"INVOICE","reference_id":"{reference}"}}"#
                );
                let key = client.post(token, "/v1/realtime-keys/collection", &body).await?;
                let token = key.text("access_token").context("no token")?.to_owned();
                made.push(Declared { tenant, session, reference, token });
            }
            anyhow::Ok(made)
        });
    }
    let mut all = Vec::with_capacity(invoices.len());
    while let Some(made) = workers.join_next().await {
        all.extend(made??);
    }
    Ok(all)
}

/// Opens a socket for each payment. They are read until the program ends.
async fn watch(
    address: std::net::SocketAddr,
    anon: &str,
    payments: &[Declared],
) -> anyhow::Result<Vec<Told>> {
    let mut all = Vec::with_capacity(payments.len());
    // As many at once as the server may have connections for.
    for part in payments.chunks(200) {
        let mut workers = JoinSet::new();
        for (at, Declared { session, reference, token, .. }) in part.iter().enumerate() {
            let topic = format!("realtime:payment-intent:{session}:{reference}");
            let join = json!(["1", "1", topic, "phx_join", { "access_token": token, "config": {
                "postgres_changes": [{ "event": "*", "schema": "public",
                    "table": "checkout_payment_intent_public_status",
                    "filter": format!("reference_id=eq.{reference}") }] } }]);
            let head = format!(
                "GET /realtime/v1/websocket?vsn=2.0.0&apikey={anon} HTTP/1.1\r\nHost: bench\r\n\
                 Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                 Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            );
            workers.spawn(async move { anyhow::Ok((at, join_one(address, &head, join).await?)) });
        }
        let mut told = Vec::with_capacity(part.len());
        while let Some(joined) = workers.join_next().await {
            told.push(joined??);
        }
        told.sort_unstable_by_key(|(at, _)| *at);
        all.extend(told.into_iter().map(|(_, told)| told));
    }
    Ok(all)
}

async fn join_one(
    address: std::net::SocketAddr,
    head: &str,
    join: serde_json::Value,
) -> anyhow::Result<Told> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(&masked_text(&join.to_string())?).await?;
    let mut input = Vec::new();
    until(&mut stream, &mut input, b"Subscribed to PostgreSQL").await?;
    let told = Told::default();
    let tell = Arc::clone(&told);
    tokio::spawn(async move {
        let mut input = Vec::new();
        if until(&mut stream, &mut input, br#""status":"COMPLETED""#).await.is_ok() {
            *tell.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        }
        // It stays open: what is measured are all of them.
        let mut rest = [0; 256];
        while matches!(stream.read(&mut rest).await, Ok(1..)) {}
    });
    Ok(told)
}

/// Reads until these words have come.
async fn until(stream: &mut TcpStream, input: &mut Vec<u8>, words: &[u8]) -> anyhow::Result<()> {
    loop {
        if input.windows(words.len()).any(|window| window == words) {
            return Ok(());
        }
        let read = stream.read_buf(input).await?;
        ensure!(read > 0, "closed after: {}", String::from_utf8_lossy(input));
    }
}

/// A frame of a client, whose mask of zeros changes nothing.
fn masked_text(text: &str) -> anyhow::Result<Vec<u8>> {
    let length = u16::try_from(text.len())?;
    let mut frame = vec![0x81, 0x80 | 126];
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(text.as_bytes());
    Ok(frame)
}

/// Makes payments at a steady pace. Returns how many a second it were, and how long after the request
/// for a payment its socket was told that it is completed.
async fn settle(
    address: std::net::SocketAddr,
    tenants: &Arc<Vec<Tenant>>,
    payments: &[Declared],
    told: &[Told],
) -> anyhow::Result<(f64, Histogram<u64>)> {
    const CLIENTS: usize = 16;
    let begun = Instant::now();
    let mut workers = JoinSet::new();
    for worker in 0..CLIENTS {
        let mine: Vec<(usize, String, String)> = payments
            .iter()
            .enumerate()
            .take(SETTLED)
            .skip(worker)
            .step_by(CLIENTS)
            .filter_map(|(at, payment)| {
                let tenant = tenants.get(payment.tenant)?;
                let body = format!(
                    r#"{{"session_id":{},"payment_account_id":{},"currency":"USD","reference_id":"{}"}}"#,
                    payment.session, tenant.payment_account, payment.reference
                );
                Some((at, tenant.token.clone(), body))
            })
            .collect();
        workers.spawn(async move {
            let mut client = Client::connect(address).await?;
            let mut sent = Vec::with_capacity(mine.len());
            for (at, token, body) in mine {
                let due = begun + Duration::from_micros(u64::try_from(at)? * MICROS_BETWEEN);
                tokio::time::sleep_until(due.into()).await;
                sent.push((at, Instant::now()));
                client.post(&token, "/v1/executions/collection", &body).await?;
            }
            anyhow::Ok(sent)
        });
    }
    let mut sent = Vec::with_capacity(SETTLED);
    while let Some(done) = workers.join_next().await {
        sent.extend(done??);
    }
    let per_second = sent.len() as f64 / begun.elapsed().as_secs_f64();
    // The last ones have some time.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut latencies = Histogram::new(3)?;
    for (at, sent) in sent {
        let told = told.get(at).context("no socket")?;
        let told = *told.lock().unwrap_or_else(PoisonError::into_inner);
        let told = told.with_context(|| format!("the socket of payment {at} was told nothing"))?;
        let latency = told.saturating_duration_since(sent);
        latencies.record(u64::try_from(latency.as_nanos())?)?;
    }
    Ok((per_second, latencies))
}
