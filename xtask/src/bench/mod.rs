//! `cargo xtask bench`: measures the release build on this machine, over HTTP and with durable
//! commits. It compares with yardsticks that are measured in the same run. On SQLite these are a
//! request that only passes through HTTP, and writing the same rows without a server. On PostgreSQL
//! they are pgbench, and a server that makes the same execution statement by statement.
#![expect(
    clippy::float_arithmetic,
    clippy::as_conversions,
    reason = "rates, shares and times of a measurement; no money"
)]

mod callbacks;
pub mod client;
pub mod database;
mod fakes;
pub mod jobs;
mod load;
pub mod machine;
pub mod pairs;
mod pgbench;
pub mod plot;
mod raw;
mod receiver;
mod report;
mod rounds;
pub mod server;
mod setup;
pub mod sizes;
pub mod statements;

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context as _, ensure};

use crate::common::cargo;
use machine::Machine;
use rounds::Rounds;
use server::Kola;

#[derive(Clone, clap::Args)]
pub struct Options {
    /// How long each measurement takes, in seconds
    #[arg(long, default_value_t = 3.0, value_parser = seconds)]
    seconds: f64,
    /// How often everything is measured; the report has the medians
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Run only this phase; may be given several times. A ratio needs both of its phases
    #[arg(long, value_name = "NAME")]
    only: Vec<Phase>,
    /// The numbers of connections of the load generator; by default 1,8,64,256 on SQLite and
    /// 1,8,32,128 on PostgreSQL
    #[arg(long, value_delimiter = ',')]
    connections: Vec<usize>,
    /// Also measure with so many executions in the database: 10000,100000,1000000
    #[arg(long, value_delimiter = ',')]
    grow: Vec<i64>,
    /// The kind of database
    #[arg(long, default_value = "sqlite")]
    database: Kind,
    /// Add a setting of the private cluster, as in postgresql.conf; may be given several times
    #[arg(long = "setting", value_name = "NAME=VALUE", value_parser = setting)]
    settings: Vec<(String, String)>,
    /// Also write every figure to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Measure this server instead of building one
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
    /// Play the networks with this program instead of building one
    #[arg(long, value_name = "PATH")]
    fakes: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// A SQLite file
    Sqlite,
    /// A private PostgreSQL cluster with full durability
    Postgres,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Phase {
    /// A POST that only passes the token check and the JSON parser
    Noop,
    /// The status of one execution, read again and again
    Status,
    /// A prediction of amount and fees
    Prediction,
    /// The payment page of one open order, read again and again
    Page,
    /// Checkouts that are created, opened and paid on their page, 500 payers at once
    PagePayment,
    /// Execution of transfers out of one wallet
    Execute,
    /// Session, execution and status of transfers out of one wallet
    Payment,
    /// Session, execution and source status of invoices, through the sandbox provider
    Checkout,
    /// Execution of transfers spread over 100 merchants
    Spread,
    /// Execution of transfers out of one wallet, each with its own commit
    BatchOne,
    /// Writing the rows of an execution to SQLite, without a server
    Raw,
    /// Memory of the server after 100,000 payments
    Memory,
    /// PostgreSQL's own benchmark: TPC-B-like, scale 50
    Pgbench,
    /// The same execution statement by statement out of one wallet
    StatementsHot,
    /// The same execution statement by statement, spread over 100 merchants
    StatementsSpread,
    /// Execution of transfers out of one wallet, in a database with many executions
    Grown,
    /// The same, spread over 100 merchants
    GrownSpread,
    /// Execution of transfers out of one wallet, through two servers on one database
    TwoHot,
    /// The same, spread over 100 merchants
    TwoSpread,
    /// Deposits at the fake pawaPay without kola, with their callbacks
    FakesAlone,
    /// Checkouts in the sandbox, by the server that the next two are made by
    SandboxCheckout,
    /// Checkouts through the fake pawaPay
    NetworkCheckout,
    /// The same when it takes 200 ms to answer
    NetworkLatency,
    /// Execution of transfers, by the server that the next two are made by
    NetworkTransfer,
    /// The same while 10,000 payments wait at the fake pawaPay
    NetworkWaiting,
    /// The callbacks by which these 10,000 are settled
    Callbacks,
    /// Execution of transfers out of one wallet, of which a webhook endpoint is told
    Listening,
    /// Messages to 64 webhook endpoints
    Deliveries,
    /// 10,000 sockets that watch payments, while 500 a second are made
    Sockets,
}

/// The phases that need the fakes.
const NETWORK_PHASES: [Phase; 7] = [
    Phase::FakesAlone,
    Phase::SandboxCheckout,
    Phase::NetworkCheckout,
    Phase::NetworkLatency,
    Phase::NetworkTransfer,
    Phase::NetworkWaiting,
    Phase::Callbacks,
];
/// The server that payments at a network wait at.
const SITE_WAITING: &str = "10000 wait at pawaPay";

impl Phase {
    pub fn name(self) -> &'static str {
        match self {
            Self::Noop => "no-op POST",
            Self::Status => "read status",
            Self::Prediction => "prediction",
            Self::Page => "payment page",
            Self::PagePayment => "payment on the page",
            Self::Execute => "execute",
            Self::Payment => "create + execute + status",
            Self::Checkout => "checkout",
            Self::Spread => "execute, 100 merchants",
            Self::BatchOne => "execute, batch of one",
            Self::Raw => "raw SQLite",
            Self::Memory => "memory",
            Self::Pgbench => "pgbench",
            Self::StatementsHot => "statement by statement",
            Self::StatementsSpread => "statement by statement, 100 merchants",
            Self::Grown => "execute, by executions there",
            Self::GrownSpread => "execute, 100 merchants, by executions there",
            Self::TwoHot => "execute, two servers",
            Self::TwoSpread => "execute, two servers, 100 merchants",
            Self::FakesAlone => "the fake pawaPay alone",
            Self::SandboxCheckout => "checkout in the sandbox",
            Self::NetworkCheckout => "checkout at pawaPay",
            Self::NetworkLatency => "checkout at pawaPay, 200 ms away",
            Self::NetworkTransfer => "execute, nothing waits",
            Self::NetworkWaiting => "execute, 10000 wait at pawaPay",
            Self::Callbacks => "callbacks of pawaPay",
            Self::Listening => "execute, an endpoint listens",
            Self::Deliveries => "messages to 64 endpoints",
            Self::Sockets => "payments that 10000 sockets watch",
        }
    }
}

impl Options {
    pub fn wants(&self, phase: Phase) -> bool {
        let other_kind = match self.database {
            Kind::Sqlite => {
                matches!(
                    phase,
                    Phase::Pgbench
                        | Phase::StatementsHot
                        | Phase::StatementsSpread
                        | Phase::TwoHot
                        | Phase::TwoSpread
                )
            }
            Kind::Postgres => phase == Phase::Raw,
        };
        let grown = matches!(phase, Phase::Grown | Phase::GrownSpread);
        if grown {
            return !self.grow.is_empty();
        }
        if self.only.is_empty() { !other_kind } else { self.only.contains(&phase) && !other_kind }
    }

    fn wants_networks(&self) -> bool {
        NETWORK_PHASES.into_iter().any(|phase| self.wants(phase))
    }

    fn wants_merchants(&self) -> bool {
        let phases = [
            Phase::Spread,
            Phase::StatementsSpread,
            Phase::TwoSpread,
            Phase::GrownSpread,
            Phase::Deliveries,
            Phase::Sockets,
        ];
        phases.into_iter().any(|phase| self.wants(phase))
    }

    fn with_defaults(mut self) -> Self {
        if self.connections.is_empty() {
            self.connections = match self.database {
                Kind::Sqlite => vec![1, 8, 64, 256],
                Kind::Postgres => vec![1, 8, 32, 128],
            };
        }
        self
    }

    fn window(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }

    /// The numbers of connections for which there are targets.
    fn high_connection_counts(&self) -> Vec<usize> {
        self.connections.iter().copied().filter(|connections| *connections >= 64).collect()
    }
}

fn setting(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|_error| "not a number".to_owned())?;
    if (0.1..=600.0).contains(&seconds) { Ok(seconds) } else { Err("from 0.1 to 600".to_owned()) }
}

/// One measurement.
pub struct Sample {
    pub round: u32,
    pub phase: Phase,
    /// The number of connections of the load generator. For `Raw`, the executions in a transaction.
    pub width: usize,
    pub per_second: f64,
    pub p50_ms: f64,
    pub p99_ms: f64,
    /// In cores: 1.0 is one core, fully used.
    pub server_cpu: Option<f64>,
    pub load_cpu: Option<f64>,
    /// The average number of executions in a transaction.
    pub batch: Option<f64>,
}

/// The resources that a server process had used when it was stopped.
pub struct ServerStats {
    pub round: u32,
    pub name: &'static str,
    pub executions: i64,
    pub peak_memory_mb: f64,
    pub database_mb: f64,
    pub bytes_per_payment: Option<f64>,
}

#[derive(Default)]
pub struct Figures {
    pub samples: Vec<Sample>,
    pub visits: Vec<ServerStats>,
}

pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let options = &options.clone().with_defaults();
    // The load generator shares the machine with the server: a debug build would take processor
    // time from it.
    if cfg!(debug_assertions) {
        return as_release();
    }
    ensure!(
        options.connections.iter().all(|connections| (1..=4096).contains(connections)),
        "from 1 to 4096 connections"
    );
    let binary = program(options.binary.as_deref(), "kola")?;
    let fakes = if options.wants_networks() {
        Some(program(options.fakes.as_deref(), "fakes")?)
    } else {
        None
    };
    let dir = ScratchDir::create(crate::target_dir()?.join("bench"))?;
    let machine = Machine::detect(&dir.0)?;
    println!("{machine}");
    if machine.is_in_memory() {
        eprintln!("xtask: !!! {} is in memory: nothing below is durable !!!", dir.0.display());
    }
    let figures = Rounds::prepare(options, Kola { binary }, fakes, &dir.0)?.run()?;
    print!("{}", report::text(options, &figures));
    if let Some(file) = &options.json {
        fs::write(file, format!("{:#}\n", report::json(options, &machine, &figures)))?;
    }
    Ok(ExitCode::SUCCESS)
}

pub fn as_release() -> anyhow::Result<ExitCode> {
    build("xtask")?;
    let program = crate::target_dir()?.join("release/xtask");
    Err(Command::new(&program).args(std::env::args_os().skip(1)).exec())
        .context(program.display().to_string())
}

pub fn build(package: &str) -> anyhow::Result<()> {
    let status = cargo().args(["build", "--release", "--package", package]).status()?;
    ensure!(status.success(), "cargo build --release --package {package} ended with {status}");
    Ok(())
}

/// The program that is given, or else the release build of a package.
pub fn program(given: Option<&Path>, package: &str) -> anyhow::Result<PathBuf> {
    match given {
        Some(given) => given.canonicalize().with_context(|| given.display().to_string()),
        None => {
            build(package)?;
            Ok(crate::target_dir()?.join("release").join(package))
        }
    }
}

/// A temporary folder beside the build, on the disk of the project: the system's temporary folder
/// may be in memory, where commits cost nothing.
pub struct ScratchDir(pub PathBuf);

impl ScratchDir {
    pub fn create(dir: PathBuf) -> anyhow::Result<Self> {
        // An interrupted run may have left its files.
        remove(&dir)?;
        fs::create_dir_all(&dir)?;
        Ok(Self(dir))
    }
}

impl Drop for ScratchDir {
    fn drop(&mut self) {
        remove(&self.0).ok();
    }
}

fn remove(dir: &Path) -> std::io::Result<()> {
    if dir.exists() { fs::remove_dir_all(dir) } else { Ok(()) }
}
