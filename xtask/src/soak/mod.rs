//! `cargo xtask soak`: many clients make payments for a long time with a server that is killed again
//! and again. No execution may be lost or done twice, and each must have the status that its client
//! was answered.
#![expect(
    clippy::float_arithmetic,
    clippy::as_conversions,
    reason = "rates and memory of a measurement; no money"
)]

mod load;

use std::collections::HashMap;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::ensure;
use tokio::runtime::Runtime;

use crate::bench::client::Client;
use crate::bench::database::Database;
use crate::bench::jobs::Random;
use crate::bench::machine::memory_mb;
use crate::bench::server::{Kola, Server};
use crate::bench::{self, Kind, ScratchDir};
use crate::cluster::{self, Cluster};
use crate::common::{conclude, wait_until};
use crate::trade::Shop;
use load::{KnownExecution, TraderPool};

const SHOPS: usize = 8;
/// How long the greatest rate is approached, and then measured.
const WARM_UP: Duration = Duration::from_secs(3);
const TOP: Duration = Duration::from_secs(12);
/// The share of the greatest rate that is used. The machine runs the clients as well.
const SHARE: f64 = 0.7;
/// The last part of the run is without kills: this share, but not longer than ten minutes.
const STRETCH: f64 = 0.2;
const STRETCH_MAX: Duration = Duration::from_secs(600);
/// After so long a server has filled its caches.
const SETTLED: Duration = Duration::from_secs(5);
/// After the last request every open execution must end within this; a lease is fifteen seconds.
const ENDS: Duration = Duration::from_secs(90);
/// Between two kills, in milliseconds.
const KILLS: (u64, u64) = (2_000, 10_000);

#[derive(clap::Args)]
pub struct Options {
    /// For so long, after the top has been measured
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    minutes: u32,
    /// Where the server keeps its rows
    #[arg(long, default_value = "sqlite")]
    database: Kind,
}

/// A server under load, its clients, and what they know.
struct Soak {
    kola: Kola,
    database: Database,
    runtime: Runtime,
    pool: Arc<TraderPool>,
}

pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    if cfg!(debug_assertions) {
        return bench::as_release();
    }
    bench::build("kola")?;
    let target = crate::target_dir()?;
    let dir = ScratchDir::create(target.join("soak"))?;
    let soak = Soak::prepare(target.join("release/kola").as_path(), options.database, &dir.0)?;
    let passed = soak.work(Duration::from_secs(60 * u64::from(options.minutes)))?;
    Ok(conclude(passed))
}

impl Soak {
    fn prepare(binary: &Path, database: Kind, dir: &Path) -> anyhow::Result<Self> {
        let database = match database {
            Kind::Sqlite => Database::Sqlite(dir.join("soak.db")),
            Kind::Postgres => {
                let cluster = Arc::new(Cluster::start(
                    &cluster::Options::new(dir).with("max_wal_size", "4GB"),
                )?);
                Database::on_cluster(cluster, "soak", dir)
            }
        };
        database.create()?;
        let kola = Kola { binary: binary.to_owned() };
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let names = (0..SHOPS).map(|number| format!("Shop {number}"));
        let shops = names
            .map(|name| Shop::create(&kola, &database, &name))
            .collect::<anyhow::Result<Vec<_>>>()?;
        Ok(Self { kola, database, runtime, pool: Arc::new(TraderPool::new(shops)) })
    }

    /// Returns whether nothing was lost.
    fn work(&self, length: Duration) -> anyhow::Result<bool> {
        let mut server = self.open(true)?;
        let traders = self.pool.start(&self.runtime);
        std::thread::sleep(WARM_UP);
        let (begun, before) = (Instant::now(), self.pool.answered());
        std::thread::sleep(TOP);
        let top = (self.pool.answered() - before) as f64 / begun.elapsed().as_secs_f64();
        println!("top {top:.0} executions/s; from here on {:.0}", top * SHARE);
        self.pool.set_pace(top * SHARE);
        let stretch = length.mul_f64(STRETCH).min(STRETCH_MAX);
        let kills = self.kill_for(length - stretch, &mut server)?;
        let memory = self.watch(&server, stretch)?;
        self.pool.stop();
        self.runtime.block_on(traders)?;
        self.wait_until_settled()?;
        server.stop()?;
        let begun = Instant::now();
        self.kola.ledger_verify(&self.database)?;
        println!("ledger verify: no violation, in {:.1} s", begun.elapsed().as_secs_f64());
        self.report(kills, memory)
    }

    /// Starts a server and signs the shops in: a token is good for an hour, and a run may be longer.
    fn open(&self, first: bool) -> anyhow::Result<Server> {
        // The provider finishes by a callback, so that every kill finds payments on their way.
        let server = self.kola.serve(&self.database, 0, &[("KOLA_SANDBOX_DELAY_MS", "50")])?;
        let mut shops = self.pool.shops().to_vec();
        self.runtime.block_on(async {
            let mut client = Client::connect(server.address).await?;
            for (number, shop) in shops.iter_mut().enumerate() {
                if first {
                    shop.set_up(&mut client, number).await?
                } else {
                    shop.sign_in(&mut client).await?
                }
            }
            anyhow::Ok(())
        })?;
        self.pool.open(shops, server.address);
        Ok(server)
    }

    fn kill_for(&self, length: Duration, server: &mut Server) -> anyhow::Result<u32> {
        let (begun, mut kills, mut random) = (Instant::now(), 0, Random::seeded());
        while begun.elapsed() < length {
            let pause = KILLS.0 + random.next() % (KILLS.1 - KILLS.0);
            std::thread::sleep(
                Duration::from_millis(pause).min(length.saturating_sub(begun.elapsed())),
            );
            ensure!(server.ended()?.is_none(), "the server ended by itself:\n{}", server.log());
            self.pool.close();
            server.kill()?;
            *server = self.open(false)?;
            kills += 1;
        }
        Ok(kills)
    }

    /// Memory in MB at the start and at the end of a time without kills.
    fn watch(&self, server: &Server, length: Duration) -> anyhow::Result<(f64, f64)> {
        std::thread::sleep(SETTLED.min(length));
        let start = memory_mb(server.pid())?;
        std::thread::sleep(length.saturating_sub(SETTLED));
        Ok((start, memory_mb(server.pid())?))
    }

    fn wait_until_settled(&self) -> anyhow::Result<()> {
        let settled = wait_until(ENDS, Duration::from_millis(200), || {
            let open = "SELECT count(*) FROM executions \
                        WHERE status IN ({execution_status PENDING}, {execution_status PROCESSING})";
            Ok(self.database.number(open)? == 0)
        })?;
        ensure!(settled, "executions stay open");
        Ok(())
    }

    fn report(&self, kills: u32, memory: (f64, f64)) -> anyhow::Result<bool> {
        let rows = self.database.references()?;
        let there: HashMap<&str, &str> =
            rows.iter().map(|(reference, status)| (reference.as_str(), status.as_str())).collect();
        let known = self.pool.known();
        let lost = known.iter().filter(|known| !there.contains_key(known.key.as_str())).count();
        let other = known
            .iter()
            .filter(|known| contradicts(known, there.get(known.key.as_str()).copied()))
            .count();
        let odd = self.pool.unexpected();
        println!("executions done: {}", known.len());
        println!("kills survived: {kills}");
        println!("executions lost: {lost}");
        println!("executions that are not what their client was told: {other}");
        println!(
            "executions that nobody asked for: {}",
            rows.len().saturating_sub(known.len() - lost)
        );
        println!("turns given up before an execution was asked for: {}", self.pool.given_up());
        println!("answers that should not be: {}", odd.len());
        odd.iter().take(5).for_each(|odd| println!("  {odd}"));
        println!(
            "memory at the start and the end of the last stretch: {:.1} and {:.1} MB",
            memory.0, memory.1
        );
        let bytes = self.database.bytes()? / i64::try_from(rows.len().max(1))?;
        println!("bytes of the database per execution, with its session, invoice and all: {bytes}");
        Ok(lost == 0
            && other == 0
            && rows.len() == known.len()
            && odd.is_empty()
            && !known.is_empty())
    }
}

/// Whether a client was answered a final status that is not the stored one, or an open one that
/// never ended.
fn contradicts(known: &KnownExecution, there: Option<&str>) -> bool {
    there.is_some_and(|there| {
        if known.is_final {
            there != known.status
        } else {
            !matches!(there, "COMPLETED" | "FAILED")
        }
    })
}
