//! The command line: one file a group of commands.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use domain::command::{Answer, Command, Settings};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::clock;
use crate::engine::Lane;
use crate::store::queries::Queries;
use crate::store::sql::Sql;
use crate::store::{Database, StoreError, migrate};

mod arguments;
mod db;
mod demo;
mod errors;
mod fees;
mod keys;
mod ledger;
mod markets;
mod merchant;
mod phones;
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
    /// Where everything is kept: sqlite:PATH or postgres://USER:PASSWORD@HOST:PORT/DATABASE.
    // Read after clap, which would show a URL that it refuses, and the environment's in its help: a password may be in it.
    #[arg(
        long,
        global = true,
        env = "KOLA_DATABASE",
        default_value = "sqlite:kola.db",
        value_name = "URL",
        hide_env_values = true
    )]
    database: String,
    /// The market of a new database, in the format of config.default.toml; without it, the one that is shipped.
    #[arg(long, global = true, env = "KOLA_MARKET", value_name = "FILE")]
    market: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Group {
    /// Run the server. This is also what happens without a command.
    ///
    /// SIGTERM and SIGINT let requests end first. SIGHUP does the same where there is a terminal, and nothing where there is none.
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
    /// Which methods are offered.
    #[command(subcommand)]
    Markets(markets::Markets),
    /// Whose phone numbers begin how.
    #[command(subcommand)]
    Phones(phones::Phones),
    /// Keys that sign access tokens.
    #[command(subcommand)]
    Keys(keys::Keys),
    /// The database itself.
    #[command(subcommand)]
    Db(db::Db),
    /// Print the catalogue of errors that the API answers.
    Errors,
    /// Print the OpenAPI document of the API.
    #[command(hide = true)]
    Openapi,
}

/// Runs the command line.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::from_arg_matches(&with_negative_numbers(Cli::command()).get_matches());
    let cli = cli.unwrap_or_else(|error| error.exit());
    let database = match cli.database.parse() {
        Ok(database) => database,
        Err(error) => return fail(&anyhow::Error::msg(error).context("--database, or KOLA_DATABASE")),
    };
    let place = Place { database, market: cli.market };
    if let Err(error) = start_log() {
        return fail(&error);
    }
    let done = match cli.command.unwrap_or_else(|| Group::Serve(serve::Serve::default())) {
        Group::Serve(command) => command.run(&place),
        Group::Demo(command) => command.run(),
        Group::Merchant(command) => command.run(&place),
        Group::Wallet(command) => command.run(&place),
        Group::Ledger(command) => return command.run(&place),
        Group::Review(command) => command.run(&place),
        Group::Fees(command) => command.run(&place),
        Group::Rates(command) => command.run(&place),
        Group::Markets(command) => command.run(&place),
        Group::Phones(command) => command.run(&place),
        Group::Keys(command) => command.run(&place),
        Group::Db(command) => command.run(&place),
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

/// A number below zero is a value, so that its own message comes and not one about an unknown option.
fn with_negative_numbers(command: clap::Command) -> clap::Command {
    let takes = |argument: clap::Arg| {
        let takes_values = argument.get_action().takes_values();
        argument.allow_negative_numbers(takes_values)
    };
    command.mut_args(takes).mut_subcommands(with_negative_numbers)
}

fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("kola: {error:#}");
    ExitCode::FAILURE
}

/// How much the log says, from `KOLA_LOG`.
fn log_level(text: &str) -> anyhow::Result<LevelFilter> {
    match text.trim().to_ascii_lowercase().as_str() {
        "off" => Ok(LevelFilter::OFF),
        "error" => Ok(LevelFilter::ERROR),
        "" | "warn" => Ok(LevelFilter::WARN),
        "info" => Ok(LevelFilter::INFO),
        "debug" => Ok(LevelFilter::DEBUG),
        "trace" => Ok(LevelFilter::TRACE),
        _ => bail!("KOLA_LOG: {text:?} is no level; use one of off, error, warn, info, debug, trace"),
    }
}

/// The log goes to standard error, so that standard output stays what a command answers.
fn start_log() -> anyhow::Result<()> {
    let level = log_level(&std::env::var_os("KOLA_LOG").unwrap_or_default().to_string_lossy())?;
    // Whatever is asked for: the database's driver logs the parameters of statements, which may be secret.
    let said = Targets::new().with_default(level).with_target("tokio_postgres", level.min(LevelFilter::WARN));
    let colours = std::io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(colours);
    tracing_subscriber::registry().with(lines.with_filter(said)).init();
    Ok(())
}

/// The database, and the market of a new one.
#[derive(Clone, Debug)]
pub struct Place {
    database: Database,
    market: Option<PathBuf>,
}

impl Place {
    /// A database in a file.
    #[must_use]
    pub const fn file(path: PathBuf) -> Self {
        Self { database: Database::Sqlite(path), market: None }
    }

    /// Whether the database is there and has a schema.
    fn is_made(&self) -> bool {
        let version = self.database.open_as_it_is().and_then(|mut sql| migrate::version(sql.as_mut()));
        version.is_ok_and(|version| version > 0)
    }

    /// A connection to the database; makes it, or brings it up to date.
    fn open(&self) -> anyhow::Result<Box<dyn Sql>> {
        let has_market = self.market.is_some() && self.is_made();
        let sql = self.database.open(self.market.as_deref()).with_context(|| format!("cannot open {}", self.database))?;
        if has_market {
            eprintln!(
                "kola: --market is for a new database, and {} has a market: `kola fees`, `rates`, `markets` and `phones` change it",
                self.database
            );
        }
        Ok(sql)
    }

    /// A connection to a database that must be there already.
    fn open_existing(&self) -> anyhow::Result<Box<dyn Sql>> {
        if let Database::Sqlite(path) = &self.database
            && !path.exists()
        {
            bail!("there is no database at {}; `kola serve` or `kola merchant create` makes one", path.display());
        }
        self.open()
    }

    /// Reads to the end, on a database that is up to date.
    fn read<T>(&self, read: impl AsyncFnOnce(Queries) -> Result<T, StoreError>) -> anyhow::Result<T> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(runtime.block_on(async { read(self.database.queries()?).await })?)
    }

    /// After so long every payment that was being decided has been, or never will be.
    const fn longest_batch(&self) -> Duration {
        self.database.longest_batch()
    }

    /// Runs one command on its own lane, on a database that is up to date; works beside a running server.
    fn run_once(&self, command: Command) -> anyhow::Result<Answer> {
        // Only what clients and workers ask for depends on what is set for a server.
        let settings = Settings::default();
        let mut lane = Lane::new(self.database.store()?, settings, Arc::new(clock::now)).short_lived();
        let outcome = lane.run(&[command]).pop().context("the lane gave no answer")?;
        Ok(outcome?)
    }
}

/// Prints JSON on one line.
fn print_json(value: &serde_json::Value) {
    println!("{value}");
}
