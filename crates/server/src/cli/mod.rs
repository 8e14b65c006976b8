//! The command line: one file a group of commands.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::{Parser, Subcommand};
use domain::command::{Answer, Command};

use crate::clock;
use crate::config::Config;
use crate::engine::Lane;
use crate::store::queries::Queries;
use crate::store::sqlite::{self, SqliteStore};

mod demo;
mod errors;
mod fees;
mod keys;
mod ledger;
mod merchant;
mod rates;
mod review;
mod serve;
mod wallet;

/// Payment sessions, executions and a double-entry ledger in one self-hosted binary.
#[derive(Parser)]
#[command(name = "kola", version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Option<Group>,
    /// Where everything is kept: sqlite:PATH.
    #[arg(long, global = true, env = "KOLA_DATABASE", default_value = "sqlite:kola.db", value_name = "URL")]
    database: Database,
    /// The market of a new database, in the format of config.default.toml; without it, the one that is shipped.
    #[arg(long, global = true, env = "KOLA_MARKET", value_name = "FILE")]
    market: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Group {
    /// Run the server. This is also what happens without a command.
    Serve(serve::Serve),
    /// Play all four sessions over HTTP and show the ledger.
    Demo(demo::Demo),
    /// Merchants.
    #[command(subcommand)]
    Merchant(merchant::Merchant),
    /// Wallets.
    #[command(subcommand)]
    Wallet(wallet::Wallet),
    /// The ledger.
    #[command(subcommand)]
    Ledger(ledger::Ledger),
    /// Cases that only a human can decide.
    #[command(subcommand)]
    Review(review::Review),
    /// What payments cost.
    #[command(subcommand)]
    Fees(fees::Fees),
    /// What currencies exchange for.
    #[command(subcommand)]
    Rates(rates::Rates),
    /// Keys that sign access tokens.
    #[command(subcommand)]
    Keys(keys::Keys),
    /// Print the catalogue of errors that the API answers.
    Errors,
    /// Print the OpenAPI document of the API.
    #[command(hide = true)]
    Openapi,
}

/// Runs the command line.
#[must_use]
pub fn main() -> ExitCode {
    let mut cli = Cli::parse();
    cli.database.market = cli.market;
    start_log();
    let done = match cli.command.unwrap_or_else(|| Group::Serve(serve::Serve::default())) {
        Group::Serve(command) => command.run(&cli.database),
        Group::Demo(command) => command.run(),
        Group::Merchant(command) => command.run(&cli.database),
        Group::Wallet(command) => command.run(&cli.database),
        Group::Ledger(command) => return command.run(&cli.database),
        Group::Review(command) => command.run(&cli.database),
        Group::Fees(command) => command.run(&cli.database),
        Group::Rates(command) => command.run(&cli.database),
        Group::Keys(command) => command.run(&cli.database),
        Group::Errors => {
            print!("{}", errors::catalogue());
            Ok(())
        }
        Group::Openapi => {
            print!("{}", *crate::http::openapi::DOCUMENT);
            Ok(())
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("kola: {error:#}");
    ExitCode::FAILURE
}

/// The log goes to standard error, so that standard output stays what a command answers.
fn start_log() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("KOLA_LOG").unwrap_or_else(|_| "warn".into());
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours).init();
}

/// A database URL.
#[derive(Clone, Debug)]
pub struct Database {
    path: PathBuf,
    market: Option<PathBuf>,
}

impl FromStr for Database {
    type Err = String;

    fn from_str(url: &str) -> Result<Self, String> {
        let Some(path) = url.strip_prefix("sqlite:") else {
            return Err("a database URL looks like sqlite:kola.db".to_owned());
        };
        let path = path.strip_prefix("//").unwrap_or(path);
        if path.is_empty() || path.starts_with(":memory:") {
            return Err("sqlite: needs the path of a file: what is acknowledged is kept on disk".to_owned());
        }
        Ok(Self { path: path.into(), market: None })
    }
}

impl Database {
    /// A database at a path.
    #[must_use]
    pub const fn at(path: PathBuf) -> Self {
        Self { path, market: None }
    }

    /// Opens the database to write; makes it, or brings it up to date.
    fn open(&self) -> anyhow::Result<SqliteStore> {
        let opened = sqlite::open_with(&self.path, self.market.as_deref());
        let connection = opened.with_context(|| format!("cannot open {}", self.path.display()))?;
        Ok(SqliteStore::new(connection)?)
    }

    /// Opens a database that must be there already.
    fn open_existing(&self) -> anyhow::Result<SqliteStore> {
        if !self.path.exists() {
            bail!("there is no database at {}; `kola serve` or `kola merchant create` makes one", self.path.display());
        }
        self.open()
    }

    fn queries(&self, readers: usize) -> anyhow::Result<Queries> {
        Ok(Queries::open(&self.path, readers)?)
    }
}

/// Runs one command on its own lane; works beside a running server.
fn run_once(store: SqliteStore, command: Command) -> anyhow::Result<Answer> {
    let mut lane = Lane::new(store, Config::default().settings, Arc::new(clock::now)).short_lived();
    let outcome = lane.run(&[command]).pop().context("the lane gave no answer")?;
    Ok(outcome?)
}

/// Runs a read to its end.
fn block_on<T>(read: impl Future<Output = T>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    Ok(runtime.block_on(read))
}

/// Prints JSON on one line.
fn print_json(value: &serde_json::Value) {
    println!("{value}");
}
