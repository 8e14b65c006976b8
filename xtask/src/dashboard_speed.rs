//! `cargo xtask dashboard-speed`: how long the pages of a merchant with many payments take, how fast
//! its payments are downloaded, and what both cost another merchant.
#![expect(clippy::float_arithmetic, reason = "rates and shares of a measurement; no money")]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use tokio::task::JoinSet;

use crate::bench::client::Client;
use crate::bench::database::Database;
use crate::bench::machine::memory_mb;
use crate::bench::server::{Kola, Server};
use crate::bench::{self, Kind, ScratchDir};
use crate::cluster::{self, Cluster};
use crate::common;
use crate::trade::Shop;

/// The payments are spread over so many days of the merchant's clock.
const DAYS: u32 = 30;
/// So many clients make them.
const CLIENTS: u32 = 32;
/// How often each page is read.
const TURNS: usize = 100;
/// The target for the 95th percentile of a page.
const MAX_TIME: Duration = Duration::from_millis(200);
/// The target for rows a second of a download.
const MIN_ROWS: f64 = 100_000.0;
/// The target for the memory that a download takes, in megabytes.
const MAX_MEMORY: f64 = 50.0;
/// What another merchant keeps of its payments a second while pages are read and payments downloaded.
const MIN_SHARE: f64 = 0.9;
/// How often the other merchant is measured alone and beside the reader, in turns.
const ROUNDS: usize = 7;
const WINDOW: Duration = Duration::from_secs(4);
/// Between two pages of the reader: as often as many people at once open one.
const PAUSE: Duration = Duration::from_millis(50);
/// The connections of the other merchant.
const CONNECTIONS: u32 = 16;

#[derive(clap::Args)]
pub struct Options {
    /// So many payments, about
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1..))]
    payments: u32,
    /// Where they are
    #[arg(long, default_value = "sqlite")]
    database: Kind,
    /// The server's program; built if it is not given
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
}

pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    if cfg!(debug_assertions) {
        return bench::as_release();
    }
    let kola = Kola { binary: bench::program(options.binary.as_deref(), "kola")? };
    let dir = ScratchDir::create(crate::target_dir()?.join("dashboard-speed"))?;
    let database = match options.database {
        Kind::Sqlite => Database::Sqlite(dir.0.join("large.db")),
        Kind::Postgres => {
            let settings = cluster::Options::new(&dir.0).with("max_wal_size", "8GB");
            Database::on_cluster(Arc::new(Cluster::start(&settings)?), "large", &dir.0)
        }
    };
    database.create()?;
    let mut large = Shop::create(&kola, &database, "Large")?;
    let mut other = Shop::create(&kola, &database, "Other")?;
    let server = kola.serve(&database, 0, &[])?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let begun = Instant::now();
    runtime.block_on(async {
        let mut client = Client::connect(server.address).await?;
        large.set_up(&mut client, 0).await?;
        other.set_up(&mut client, 1).await?;
        fill(&mut client, &server, &mut large, options.payments).await?;
        other.sign_in(&mut client).await
    })?;
    println!(
        "{} payments in {:.0} s, {} MB",
        database.executions()?,
        begun.elapsed().as_secs_f64(),
        database.bytes()? / 1_000_000
    );
    database.vacuum()?;
    let reader = Reader::of(&kola, &database, &server, &large, &runtime)?;
    let mut good = runtime.block_on(reader.pages())?;
    good &= reader.download(database.executions()?)?;
    good &= beside(&reader, &runtime, &other)?;
    server.stop()?;
    Ok(common::conclude(good))
}

/// Makes payments of a month: transfers for the most part, payouts, and collections of invoices.
async fn fill(
    client: &mut Client,
    server: &Server,
    shop: &mut Shop,
    payments: u32,
) -> anyhow::Result<()> {
    for day in 0..DAYS {
        shop.sign_in(client).await?;
        let mut clients = JoinSet::new();
        for _ in 0..CLIENTS {
            let (shop, address) = (shop.clone(), server.address);
            clients.spawn(async move {
                let mut client = Client::connect(address).await?;
                for number in 0..(payments / DAYS / CLIENTS).max(1) {
                    let mut order = match number % 20 {
                        0 => shop.collection(&mut client, false).await?,
                        1 => shop.payout(&mut client, false).await?,
                        _ => shop.transfer(&mut client).await?,
                    };
                    order.execute(&mut client, &shop).await?;
                }
                anyhow::Ok(())
            });
        }
        while let Some(done) = clients.join_next().await {
            done??;
        }
        if day + 1 < DAYS {
            shop.advance(client, 86_400).await?;
        }
    }
    Ok(())
}

/// Somebody of the merchant with many payments.
struct Reader<'a> {
    server: &'a Server,
    shop: &'a Shop,
    merchant: String,
    cookie: String,
}

impl<'a> Reader<'a> {
    fn of(
        kola: &Kola,
        database: &Database,
        server: &'a Server,
        shop: &'a Shop,
        runtime: &tokio::runtime::Runtime,
    ) -> anyhow::Result<Self> {
        let merchant = shop.merchant_id().to_string();
        let arguments = ["user", "invite", "--merchant", &merchant, "--role", "MANAGER", "--json"];
        let link = kola.command(database, &arguments).output()?.stdout;
        let link: serde_json::Value = serde_json::from_slice(&link)?;
        let link = link.get("link").and_then(|link| link.as_str()).context("no link")?;
        let path = link.find("/app/").and_then(|at| link.get(at..)).context("no path")?;
        let form = "email=ama%40shop.example&name=Ama&password=correct+horse+battery";
        let cookie = runtime.block_on(async {
            let mut client = Client::connect(server.address).await?;
            client.log_in(path, form).await?;
            client.cookie.context("no cookie")
        })?;
        Ok(Self { server, shop, merchant, cookie })
    }

    fn paths(&self) -> Vec<(&'static str, String)> {
        let list = format!("/app/payments/{}", self.merchant);
        let search = |text: &str| format!("/app/search/{}?q={text}", self.merchant);
        vec![
            ("home", format!("/app/overview/{}", self.merchant)),
            ("payments", list.clone()),
            ("wallets", format!("/app/wallets/{}", self.merchant)),
            (
                "entries of a wallet",
                format!("/app/wallets/{}/{}", self.merchant, self.shop.wallet()),
            ),
            ("payouts", format!("/app/payouts/{}", self.merchant)),
            ("invoices", format!("/app/invoices/{}", self.merchant)),
            ("customers", format!("/app/customers/{}", self.merchant)),
            ("payments that failed", format!("{list}?state=FAILED")),
            ("collections", format!("{list}?operation=COLLECTION")),
            ("search by phone", search("231880000001")),
            ("search by name", search("Amara")),
            ("search by amount", search("0.10")),
            ("search without a result", search("nobody")),
        ]
    }

    async fn client(&self) -> anyhow::Result<Client> {
        let mut client = Client::connect(self.server.address).await?;
        client.cookie = Some(self.cookie.clone());
        Ok(client)
    }

    /// Reads each page; whether all were fast enough.
    async fn pages(&self) -> anyhow::Result<bool> {
        let mut client = self.client().await?;
        let mut good = true;
        for (name, path) in self.paths() {
            let mut times = Vec::with_capacity(TURNS);
            let mut bytes = 0;
            for _ in 0..TURNS {
                let begun = Instant::now();
                bytes = client.get("", &path).await?.0.len();
                times.push(begun.elapsed());
            }
            good &= report(name, &mut times, bytes);
        }
        // From page to page, as who looks for an old one.
        let mut path = format!("/app/payments/{}", self.merchant);
        let (mut times, mut bytes) = (Vec::with_capacity(TURNS), 0);
        for _ in 0..TURNS {
            let begun = Instant::now();
            let page = client.get("", &path).await?;
            times.push(begun.elapsed());
            bytes = page.0.len();
            let text = String::from_utf8_lossy(page.0);
            let Some((before, _)) = text.split_once("\">Older") else { break };
            let (_, next) = before.rsplit_once("href=\"").context("a link")?;
            path = next.replace("&amp;", "&");
        }
        good &= report("older payments", &mut times, bytes);
        Ok(good)
    }

    /// Downloads all payments; whether that was fast and took little memory.
    fn download(&self, payments: i64) -> anyhow::Result<bool> {
        let before = memory_mb(self.server.pid())?;
        let mut peak = before;
        let begun = Instant::now();
        let lines = download(self.server.address, &self.shop.token, |_| {
            if let Ok(now) = memory_mb(self.server.pid()) {
                peak = peak.max(now);
            }
            true
        })?;
        let took = begun.elapsed().as_secs_f64();
        // The lines in which HTTP says how long a piece is are counted, too.
        ensure!(lines > payments, "{lines} lines of {payments} payments");
        let a_second = f64::from(u32::try_from(payments)?) / took;
        println!(
            "download: {payments} rows in {took:.1} s, {a_second:.0} rows a second, {:.0} MB more",
            peak - before
        );
        Ok(a_second >= MIN_ROWS && peak - before <= MAX_MEMORY)
    }
}

fn report(name: &str, times: &mut [Duration], bytes: usize) -> bool {
    times.sort_unstable();
    let at = |percent: usize| times.get(times.len() * percent / 100).copied().unwrap_or_default();
    println!(
        "{name}: median {} ms, p95 {} ms, {bytes} bytes",
        at(50).as_millis(),
        at(95).as_millis()
    );
    at(95) <= MAX_TIME
}

/// Downloads all payments as CSV for as long as `go_on` says, which is asked after each piece. Returns
/// the number of lines.
fn download(
    address: SocketAddr,
    token: &str,
    mut go_on: impl FnMut(usize) -> bool,
) -> anyhow::Result<i64> {
    let mut stream = TcpStream::connect(address)?;
    write!(
        stream,
        "GET /v1/payment-intents/export HTTP/1.1\r\nHost: bench\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\r\n"
    )?;
    let mut piece = vec![0; 256 * 1024];
    let (mut lines, mut is_first) = (0_usize, true);
    loop {
        let count = stream.read(&mut piece)?;
        let part = piece.get(..count).unwrap_or_default();
        if is_first {
            ensure!(part.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(part));
            is_first = false;
        }
        lines += part.iter().filter(|byte| **byte == b'\n').count();
        if count == 0 || !go_on(count) {
            return Ok(i64::try_from(lines)?);
        }
    }
}

/// How much another merchant pays a second beside a reader, against alone; whether that is enough.
fn beside(
    reader: &Reader<'_>,
    runtime: &tokio::runtime::Runtime,
    other: &Shop,
) -> anyhow::Result<bool> {
    let mut shares = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let alone = runtime.block_on(pay(reader.server.address, other))?;
        let stop = AtomicBool::new(false);
        let with = std::thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(Ordering::SeqCst) {
                    let goes_on = |_| !stop.load(Ordering::SeqCst);
                    download(reader.server.address, &reader.shop.token, goes_on).ok();
                }
            });
            scope.spawn(|| {
                let own = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                own.block_on(async {
                    let mut client = reader.client().await?;
                    while !stop.load(Ordering::SeqCst) {
                        for (_, path) in reader.paths() {
                            client.get("", &path).await?;
                            tokio::time::sleep(PAUSE).await;
                        }
                    }
                    anyhow::Ok(())
                })
            });
            let with = runtime.block_on(pay(reader.server.address, other));
            stop.store(true, Ordering::SeqCst);
            with
        })?;
        println!(
            "another merchant: {alone:.0} payments a second alone, {with:.0} beside the reader"
        );
        shares.push(with / alone);
    }
    shares.sort_unstable_by(f64::total_cmp);
    let share = shares.get(ROUNDS / 2).copied().unwrap_or_default();
    println!("another merchant keeps {share:.2} of its payments a second");
    Ok(share >= MIN_SHARE)
}

/// Transfers for a while; how many a second.
async fn pay(server: SocketAddr, shop: &Shop) -> anyhow::Result<f64> {
    let (begun, paid) = (Instant::now(), Arc::new(AtomicU64::new(0)));
    let mut clients = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (shop, paid) = (shop.clone(), Arc::clone(&paid));
        clients.spawn(async move {
            let mut client = Client::connect(server).await?;
            while begun.elapsed() < WINDOW {
                shop.transfer(&mut client).await?.execute(&mut client, &shop).await?;
                paid.fetch_add(1, Ordering::Relaxed);
            }
            anyhow::Ok(())
        });
    }
    while let Some(done) = clients.join_next().await {
        done??;
    }
    Ok(f64::from(u32::try_from(paid.load(Ordering::Relaxed))?) / begun.elapsed().as_secs_f64())
}
