//! `cargo xtask soak`: many clients make payments for a long time with servers that are killed again
//! and again. No execution may be lost or done twice, and each must have the status that its client
//! was answered. With `--webhooks` the merchants have endpoints that fail in many ways, and each must
//! have been told of everything in the end.
#![expect(
    clippy::float_arithmetic,
    clippy::as_conversions,
    reason = "rates and memory of a measurement; no money"
)]

mod load;
mod telling;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
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
use telling::Telling;

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
/// One time in so many all servers are killed, and not one of them.
const ALL_AT_ONCE: u64 = 4;
/// How many executions a second are made with `--webhooks`: endpoints that hang are told a few
/// messages a second, and what waits for them is of no use.
const RATE_WITH_WEBHOOKS: u32 = 10;

#[derive(clap::Args)]
pub struct Options {
    /// For so long, after the top has been measured
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    minutes: u32,
    /// Where the server keeps its rows
    #[arg(long, default_value = "sqlite")]
    database: Kind,
    /// How many servers share the database
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=4))]
    servers: u8,
    /// Tell endpoints of everything that fail, hang and hang up, at 10 executions a second
    #[arg(long)]
    webhooks: bool,
    /// So many executions a second, instead of 70 % of what the servers can do
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// Run this server instead of building one
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
}

impl Options {
    /// How many executions are made in a second; None for a share of what the servers can do.
    fn rate(&self) -> Option<f64> {
        self.rate.or(self.webhooks.then_some(RATE_WITH_WEBHOOKS)).map(f64::from)
    }
}

/// Servers under load, their clients, and what they know.
struct Soak {
    kola: Kola,
    database: Database,
    runtime: Runtime,
    pool: Arc<TraderPool>,
    telling: Option<Telling>,
}

pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let target = crate::target_dir()?;
    let binary = match &options.binary {
        Some(binary) => binary.clone(),
        None if cfg!(debug_assertions) => return bench::as_release(),
        None => {
            bench::build("kola")?;
            target.join("release/kola")
        }
    };
    let dir = ScratchDir::create(target.join("soak"))?;
    let mut soak = Soak::prepare(binary, options, &dir.0)?;
    Ok(conclude(soak.work(options)?))
}

impl Soak {
    fn prepare(binary: PathBuf, options: &Options, dir: &Path) -> anyhow::Result<Self> {
        let database = match options.database {
            Kind::Sqlite => Database::Sqlite(dir.join("soak.db")),
            Kind::Postgres => {
                let cluster = Arc::new(Cluster::start(
                    &cluster::Options::new(dir).with("max_wal_size", "4GB"),
                )?);
                Database::on_cluster(cluster, "soak", dir)
            }
        };
        database.create()?;
        let kola = Kola { binary };
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let names = (0..SHOPS).map(|number| format!("Shop {number}"));
        let shops = names
            .map(|name| Shop::create(&kola, &database, &name))
            .collect::<anyhow::Result<Vec<_>>>()?;
        let pool = Arc::new(TraderPool::new(shops));
        let telling = if options.webhooks {
            Some(Telling::prepare(&kola, &dir.join("secrets.key"))?)
        } else {
            None
        };
        Ok(Self { kola, database, runtime, pool, telling })
    }

    /// Returns whether nothing was lost.
    fn work(&mut self, options: &Options) -> anyhow::Result<bool> {
        let length = Duration::from_secs(60 * u64::from(options.minutes));
        let first = self.open(0, true)?;
        let mut servers = vec![first];
        for number in 1..usize::from(options.servers) {
            servers.push(self.open(number, false)?);
        }
        let traders = match options.rate() {
            Some(rate) => {
                println!("{rate:.0} executions/s");
                self.pool.set_pace(rate);
                self.pool.start(&self.runtime)
            }
            None => {
                let traders = self.pool.start(&self.runtime);
                let top = self.top();
                println!("top {top:.0} executions/s; from here on {:.0}", top * SHARE);
                self.pool.set_pace(top * SHARE);
                traders
            }
        };
        let stretch = length.mul_f64(STRETCH).min(STRETCH_MAX);
        let kills = self.kill_for(length - stretch, &mut servers)?;
        let memory = self.watch(&servers, stretch)?;
        self.pool.stop();
        self.runtime.block_on(traders)?;
        self.wait_until_settled()?;
        let told = self.wait_until_told(&servers)?;
        for server in servers {
            server.stop()?;
        }
        let begun = Instant::now();
        self.kola.ledger_verify(&self.database)?;
        println!("ledger verify: no violation, in {:.1} s", begun.elapsed().as_secs_f64());
        Ok(self.report(kills, memory)? && told)
    }

    /// How many executions are answered in a second, when as many as possible are asked for.
    fn top(&self) -> f64 {
        std::thread::sleep(WARM_UP);
        let (begun, before) = (Instant::now(), self.pool.answered());
        std::thread::sleep(TOP);
        (self.pool.answered() - before) as f64 / begun.elapsed().as_secs_f64()
    }

    /// Starts a server and signs the shops in: a token is good for an hour, and a run may be longer.
    fn open(&mut self, number: usize, first: bool) -> anyhow::Result<Server> {
        // The provider finishes by a callback, so that every kill finds payments on their way.
        let mut settings = vec![("KOLA_SANDBOX_DELAY_MS", "50")];
        settings.extend(self.telling.iter().flat_map(Telling::settings));
        let server = self.kola.serve(&self.database, number, &settings)?;
        let mut shops = self.pool.shops();
        let telling = &mut self.telling;
        self.runtime.block_on(async {
            let mut client = Client::connect(server.address).await?;
            for (number, shop) in shops.iter_mut().enumerate() {
                if !first {
                    shop.sign_in(&mut client).await?;
                    continue;
                }
                shop.set_up(&mut client, number).await?;
                if let Some(telling) = telling {
                    telling.listen(&mut client, shop).await?;
                }
            }
            anyhow::Ok(())
        })?;
        self.pool.open(shops, number, server.address);
        Ok(server)
    }

    /// Kills one server after the other, and at times all at once.
    fn kill_for(&mut self, length: Duration, servers: &mut [Server]) -> anyhow::Result<u32> {
        let (begun, mut kills, mut random) = (Instant::now(), 0, Random::seeded());
        while begun.elapsed() < length {
            let pause = KILLS.0 + random.next() % (KILLS.1 - KILLS.0);
            std::thread::sleep(
                Duration::from_millis(pause).min(length.saturating_sub(begun.elapsed())),
            );
            let count = u64::try_from(servers.len())?;
            let chosen = random.next() % count;
            let all = count > 1 && random.next() % ALL_AT_ONCE == 0;
            let is_victim = |number: u64| all || number == chosen;
            let mut victims = vec![];
            for (number, server) in (0..).zip(servers.iter_mut()) {
                ensure!(server.ended()?.is_none(), "a server ended by itself:\n{}", server.log());
                if is_victim(number) {
                    let number = usize::try_from(number)?;
                    self.pool.close(number);
                    server.kill()?;
                    victims.push((number, server));
                }
            }
            for (number, server) in victims {
                *server = self.open(number, false)?;
                kills += 1;
            }
        }
        Ok(kills)
    }

    /// Memory of the first server in MB, at the start and at the end of a time without kills.
    fn watch(&self, servers: &[Server], length: Duration) -> anyhow::Result<(f64, f64)> {
        let Some(server) = servers.first() else { return Ok((0.0, 0.0)) };
        std::thread::sleep(SETTLED.min(length));
        let start = memory_mb(server.pid())?;
        std::thread::sleep(length.saturating_sub(SETTLED));
        Ok((start, memory_mb(server.pid())?))
    }

    /// Returns whether every endpoint was told everything, where there are any.
    fn wait_until_told(&mut self, servers: &[Server]) -> anyhow::Result<bool> {
        let (Some(telling), Some(server)) = (&mut self.telling, servers.first()) else {
            return Ok(true);
        };
        self.runtime.block_on(telling.finish(server.address, &self.pool.shops(), &self.database))
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
