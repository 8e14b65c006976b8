//! The command line. Each group of commands has its own file.

mod arguments;
mod audit;
mod config;
mod config_file;
mod db;
mod demo;
mod doctor;
mod errors;
mod events;
pub mod exit;
mod fees;
mod input;
mod keys;
mod ledger;
mod listen;
mod log;
mod logo;
mod manual;
mod markets;
mod masking;
pub mod merchant;
mod networks;
mod output;
mod payouts;
mod phones;
mod progress;
mod public_address;
mod rates;
mod ready;
mod reconcile;
mod refunds;
mod review;
mod secrets;
pub mod serve;
mod tariff_rows;
mod user;
mod wallet;

use std::ffi::OsString;
use std::fmt::Display;
use std::io::{IsTerminal, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand};
use domain::decision::command::{ListedDecision, Request};
use domain::decision::settings::Settings;
use domain::directory::principal::Principal;
use domain::kernel::refusal::Refusal;
use domain::payments::provider_call::WriteBody;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::credentials::sealing::KeyFile;
use crate::engine::{Failure, Lane};
use crate::reconciliation::ledger::OwnLedger;
use store::reads::scope::OperatorReads;
use store::schema::migrate;
use store::workspace::file;
use store::workspace::sql::Sql;
use store::{Database, Store, StoreError, clock};

use config::Resolved;
use config_file::{ConfigFile, Fault};
use exit::Exit;
use log::LogFormat;
use output::{NobodyReads, warn};

const AFTER_HELP: &str = "\
Exit codes: 0 done, 1 failed or refused, 2 mistyped or a wrong config file;
`kola ledger verify` has more. docs/command-line.md has the table.";

/// Payment sessions, executions and a double-entry ledger in one self-hosted binary.
#[derive(Parser)]
#[command(name = "kola", version, about, max_term_width = 100, after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Option<Group>,
    /// A file with settings in TOML, by the long names of their flags. Variables of the environment
    /// win over it, and flags over both.
    #[arg(long, global = true, env = "KOLA_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// The database: sqlite:PATH or postgres://USER:PASSWORD@HOST:PORT/DATABASE.
    // Parsed after clap, which would print a URL that it refuses; and its help must not show the
    // variable's value. Either may contain a password.
    #[arg(
        long,
        global = true,
        env = "KOLA_DATABASE",
        default_value = "sqlite:kola.db",
        value_name = "URL",
        hide_env_values = true
    )]
    database: String,
    /// The file with the tariff of a new database, in the format of config.default.toml. Without it
    /// a new database gets the shipped tariff.
    #[arg(long, global = true, env = "KOLA_MARKET", value_name = "FILE")]
    market: Option<PathBuf>,
    /// The file with the key that the secrets of network accounts are encrypted with. Beside an SQLite
    /// database it is made when it is needed, as DATABASE.key.
    #[arg(long, global = true, env = "KOLA_SECRETS_KEY_FILE", value_name = "FILE")]
    secrets_key_file: Option<PathBuf>,
    /// How much is logged: off, error, warn, info, debug or trace.
    #[arg(long, global = true, env = "KOLA_LOG", default_value = "warn", value_name = "LEVEL",
        value_parser = log_level)]
    log: LevelFilter,
    /// How the log is written: as text, or as a JSON object a line.
    #[arg(
        long,
        global = true,
        env = "KOLA_LOG_FORMAT",
        value_enum,
        default_value_t = LogFormat::Text,
        ignore_case = true,
        value_name = "FORMAT"
    )]
    log_format: LogFormat,
    /// Print the answer as one JSON document.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Group {
    /// Run the server. This is the default command.
    ///
    /// SIGTERM and SIGINT stop it after the current requests have ended. SIGHUP does the same at a
    /// terminal, and nothing without one.
    Serve(Box<serve::Serve>),
    /// Play all four kinds of session over HTTP and show the ledger.
    Demo(demo::Demo),
    /// Ask whether a server can serve requests: 0 when it can, 1 when it cannot.
    Ready(ready::Ready),
    /// Print the events of a merchant as they happen, and forward them to a program on your machine.
    Listen(listen::Listen),
    /// Send an event to a program on your machine once more.
    #[command(subcommand)]
    Events(events::Events),
    /// Create and change merchants, their API keys and passcodes.
    #[command(subcommand)]
    Merchant(merchant::Merchant),
    /// Invite people who log in at /app, and change what they may do.
    #[command(subcommand)]
    User(user::Users),
    /// List who decided what.
    #[command(subcommand)]
    Audit(audit::Audit),
    /// List wallets, fund them, and change their status.
    #[command(subcommand)]
    Wallet(wallet::Wallet),
    /// Verify the ledger.
    #[command(subcommand)]
    Ledger(ledger::Ledger),
    /// List and resolve reviews: cases that only a person can decide.
    #[command(subcommand)]
    Review(review::Reviews),
    /// List and set the fees of payments.
    #[command(subcommand)]
    Fees(fees::Fees),
    /// List and set exchange rates.
    #[command(subcommand)]
    Rates(rates::Rates),
    /// List, open and close markets: methods that are offered for an operation in a currency.
    #[command(subcommand)]
    Markets(markets::Markets),
    /// List and assign the phone prefixes of mobile-money operators.
    #[command(subcommand)]
    Phones(phones::Phones),
    /// Add, list and change accounts at payment networks, their tokens and keys.
    #[command(subcommand)]
    Networks(networks::Networks),
    /// Compare statements of networks with the ledger, explain what differs, and book what is accepted.
    #[command(subcommand)]
    Reconcile(Box<reconcile::Reconcile>),
    /// Stop payouts and refunds, and take back those that wait.
    #[command(subcommand)]
    Payouts(payouts::Payouts),
    /// Make refunds that merchants may no longer make.
    #[command(subcommand)]
    Refunds(refunds::Refunds),
    /// Make and change the key that the secrets of network accounts are encrypted with.
    #[command(subcommand)]
    Secrets(secrets::Secrets),
    /// Rotate the keys that sign access tokens, and print the key of realtime clients.
    #[command(subcommand)]
    Keys(keys::Keys),
    /// Back up, restore and copy the database.
    #[command(subcommand)]
    Db(db::Db),
    /// Look at the installation and at what it stands on, and say what to do. Changes nothing.
    Doctor(doctor::Doctor),
    /// Check the config file, and print the settings and where they come from.
    #[command(subcommand)]
    Config(Box<config::Config>),
    /// Print the catalogue of the API's errors.
    Errors,
    /// Print the completions of a shell, for packages.
    #[command(hide = true)]
    Completions(manual::Completions),
    /// Write the manual pages, for packages.
    #[command(hide = true)]
    Manual(manual::Manual),
    /// Print the OpenAPI document of the API.
    #[command(hide = true)]
    Openapi,
}

/// Runs the command line.
#[must_use]
pub fn main() -> ExitCode {
    let given = match Given::read(std::env::args_os().collect()) {
        Ok(given) => given,
        Err(error) => return explain(&error).into(),
    };
    if given.cli.json {
        output::answer_in_json();
    }
    given.run().into()
}

/// What was typed, completed by the environment and the config file.
struct Given {
    cli: Cli,
    matches: ArgMatches,
    file: ConfigFile,
    faults: Vec<Fault>,
}

impl Given {
    fn read(mut typed: Vec<OsString>) -> Result<Self, clap::Error> {
        let mut matches =
            prepared(Cli::command(), &ConfigFile::none()).try_get_matches_from(&typed)?;
        if matches.subcommand_name().is_none() {
            // The default command has its settings from the environment and the file, too.
            typed.insert(typed.len().min(1), "serve".into());
            matches = prepared(Cli::command(), &ConfigFile::none()).try_get_matches_from(&typed)?;
        }
        if let Some(conflict) = conflict(&matches) {
            return Err(conflict);
        }
        let cli = Cli::from_arg_matches(&matches)?;
        let path = match &cli.config {
            Some(path) if cli.command.as_ref().is_some_and(Group::has_settings) => path,
            _ => return Ok(Self { cli, matches, file: ConfigFile::none(), faults: vec![] }),
        };
        let (file, faults) = ConfigFile::read(path, &command());
        let matches = prepared(Cli::command(), &file).try_get_matches_from(&typed)?;
        Ok(Self { cli: Cli::from_arg_matches(&matches)?, matches, file, faults })
    }

    fn run(self) -> Exit {
        let Self { cli, matches, file, faults } = self;
        let path = cli.config.unwrap_or_default();
        let command = match cli.command {
            Some(Group::Config(command)) => {
                return command.run(&Resolved {
                    path: &path,
                    matches: &matches,
                    file: &file,
                    faults,
                });
            }
            command => command,
        };
        if !faults.is_empty() {
            faults.iter().for_each(|fault| warn(&fault.in_file(&path)));
            return Exit::Mistaken;
        }
        let database = match cli.database.parse() {
            Ok(database) => database,
            Err(error) => {
                warn(&format!("--database, or KOLA_DATABASE: {error}"));
                return Exit::Mistaken;
            }
        };
        start_log(cli.log, cli.log_format);
        let _progress = progress::shown();
        let target =
            Target { database, market: cli.market, secrets_key_file: cli.secrets_key_file, file };
        match command.map(|command| command.run(&target)) {
            Some(Ok(exit)) => exit,
            Some(Err(error)) => fail(&error),
            None => Exit::Mistaken,
        }
    }
}

impl Group {
    /// Whether settings mean anything to the command. A program that installs kola calls the others
    /// where no config file is in order yet.
    fn has_settings(&self) -> bool {
        match self {
            Self::Errors | Self::Openapi | Self::Completions(_) | Self::Manual(_) => false,
            Self::Config(command) => !matches!(**command, config::Config::Sample),
            _ => true,
        }
    }

    fn run(self, target: &Target) -> anyhow::Result<Exit> {
        let done = match self {
            Self::Serve(command) => command.run(target),
            Self::Demo(command) => command.run(),
            Self::Ready(command) => return command.run(),
            Self::Listen(command) => command.run(),
            Self::Events(command) => command.run(),
            Self::Merchant(command) => command.run(target),
            Self::User(command) => command.run(target),
            Self::Audit(command) => command.run(target),
            Self::Wallet(command) => command.run(target),
            Self::Ledger(command) => return Ok(command.run(target)),
            Self::Doctor(command) => return Ok(command.run(target)),
            Self::Review(command) => command.run(target),
            Self::Fees(command) => command.run(target),
            Self::Rates(command) => command.run(target),
            Self::Markets(command) => command.run(target),
            Self::Phones(command) => command.run(target),
            Self::Networks(command) => command.run(target),
            Self::Reconcile(command) => command.run(target),
            Self::Payouts(command) => command.run(target),
            Self::Refunds(command) => command.run(target),
            Self::Secrets(command) => command.run(target),
            Self::Keys(command) => command.run(target),
            Self::Db(command) => command.run(target),
            // It was run before the log was started.
            Self::Config(_) => Ok(()),
            Self::Errors => output::tell(&errors::as_json(), &errors::catalogue()),
            Self::Completions(command) => command.run(),
            Self::Manual(command) => command.run(),
            Self::Openapi => output::whole_document(crate::api::DOCUMENT.trim_end()),
        };
        done.map(|()| Exit::Done)
    }
}

/// The command line as it is without environment and config file; for lists of its commands and
/// settings.
#[must_use]
pub fn command() -> clap::Command {
    let mut command = Cli::command();
    command.build();
    adapted(command, "", None)
}

/// The commands as clap parses them.
fn prepared(mut command: clap::Command, file: &ConfigFile) -> clap::Command {
    // Copies the global options into each command, where they can be adapted.
    command.build();
    adapted(command, "", Some(file))
}

/// The display order of the global options in a help text: after a command's own options, before
/// `--help`.
const COMMON_OPTIONS: usize = 900;

/// A negative number is taken as a value, so that the message is the value's own and not one about
/// an unknown option. An empty environment variable counts as unset. What the config file says is the
/// default. Without a file neither counts. The help of a command shows only the options that it uses.
fn adapted(command: clap::Command, path: &str, file: Option<&ConfigFile>) -> clap::Command {
    let adapt = |argument: clap::Arg| {
        let takes_values = argument.get_action().takes_values();
        let is_empty = argument
            .get_env()
            .is_some_and(|name| std::env::var_os(name).is_some_and(|value| value.is_empty()));
        let is_shown = is_used(path, argument.get_id().as_str());
        let argument = argument.allow_negative_numbers(takes_values);
        let argument = if argument.is_global_set() {
            argument.display_order(COMMON_OPTIONS)
        } else {
            argument
        };
        let variable = argument.get_env().map(|name| name.to_string_lossy().into_owned());
        let of_file = file.zip(variable).and_then(|(file, variable)| file.value(&variable));
        let argument = match of_file {
            Some(value) => argument.default_value(value.to_owned()),
            None => argument,
        };
        let argument =
            if is_empty && file.is_some() { argument.env(None::<&str>) } else { argument };
        if is_shown { argument } else { argument.hide(true) }
    };
    let adapt_subcommand = |command: clap::Command| {
        let path = format!("{path} {}", command.get_name());
        adapted(command, path.trim_start(), file)
    };
    command.mut_args(adapt).mut_subcommands(adapt_subcommand)
}

/// Whether a command uses a global option.
fn is_used(path: &str, option: &str) -> bool {
    if matches!(path, "config show" | "config check") {
        // They take all settings, and `kola serve --help` tells them.
        return matches!(option, "config" | "json" | "help");
    }
    // They print what the program itself has.
    let is_fixed =
        matches!(path, "errors" | "openapi" | "completions" | "manual" | "config sample");
    match option {
        "config" | "log" => !is_fixed,
        "database" => {
            !is_fixed
                && !matches!(
                    path,
                    "demo" | "ready" | "listen" | "events" | "events resend" | "db copy" | "config"
                )
        }
        "market" => matches!(path, "" | "serve" | "merchant create"),
        "secrets_key_file" => {
            matches!(path, "" | "serve")
                || path.starts_with("networks")
                || matches!(path, "secrets rekey" | "ledger verify" | "doctor")
        }
        "json" => !matches!(path, "" | "openapi"),
        _ => true,
    }
}

/// Options that ask for two different things, where clap does not see it: `--json` may stand before
/// the command, and a variable is there for other commands, too.
const CONFLICTS: [(&str, [&str; 2]); 3] = [
    ("audit list", ["csv", "json"]),
    ("ready", ["url", "listen"]),
    ("demo", ["url", "sandbox_delay_ms"]),
];

/// The message about options that were typed together and exclude each other.
fn conflict(matches: &ArgMatches) -> Option<clap::Error> {
    let (mut kola, mut matches, mut path) = (command(), matches, String::new());
    while let Some((name, below)) = matches.subcommand() {
        path = format!("{path} {name}").trim_start().to_owned();
        kola = kola.find_subcommand(name)?.clone();
        matches = below;
    }
    let is_typed = |id: &str| matches.value_source(id) == Some(ValueSource::CommandLine);
    let typed =
        CONFLICTS.iter().find(|(of, both)| *of == path && both.iter().all(|id| is_typed(id)));
    let [one, other] = typed?.1.map(|id| id.replace('_', "-"));
    let message = format!("the argument '--{one}' cannot be used with '--{other}'");
    Some(kola.error(ErrorKind::ArgumentConflict, message))
}

/// Prints clap's help or error message. It quotes what was typed or stands in a variable, where URLs
/// may have a password.
fn explain(error: &clap::Error) -> Exit {
    let is_mistake = error.use_stderr();
    let text = if is_mistake { masked_message(error) } else { error.render().to_string() };
    let written = if is_mistake {
        std::io::stderr().write_all(text.as_bytes())
    } else {
        output::write(&text)
    };
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => match written {
            // As of any other answer: `kola --help | head -1` is no failure.
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Exit::Failed,
            _ => Exit::Done,
        },
        _ => Exit::Mistaken,
    }
}

fn masked_message(error: &clap::Error) -> String {
    let words = |word: OsString| word.to_string_lossy().into_owned();
    let of_kola =
        std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("KOLA_"));
    let given = std::env::args_os().skip(1).chain(of_kola.map(|(_, value)| value)).map(words);
    let masked = masking::in_text(&masking::without(&error.render().to_string(), given));
    let variable =
        variable_of(error).map(|name| format!("\nThe value stands in the variable {name}.\n"));
    output::escaped(&masked) + &variable.unwrap_or_default()
}

/// The variable that has the value which an error is about, where no flag has.
fn variable_of(error: &clap::Error) -> Option<String> {
    fn of_flag(command: &clap::Command, long: &str) -> Option<String> {
        let own = command.get_arguments().find(|argument| argument.get_long() == Some(long));
        let own = own.and_then(|argument| argument.get_env());
        own.map(|name| name.to_string_lossy().into_owned())
            .or_else(|| command.get_subcommands().find_map(|below| of_flag(below, long)))
    }
    let Some(ContextValue::String(argument)) = error.get(ContextKind::InvalidArg) else {
        return None;
    };
    let flag = argument.split(' ').next()?;
    let is_flag = |word: OsString| {
        word.to_str().and_then(|word| word.split('=').next()).is_some_and(|word| word == flag)
    };
    if std::env::args_os().any(is_flag) {
        return None;
    }
    let variable = of_flag(&command(), flag.strip_prefix("--")?)?;
    std::env::var_os(&variable).is_some_and(|value| !value.is_empty()).then_some(variable)
}

fn fail(error: &anyhow::Error) -> Exit {
    if error.is::<NobodyReads>() {
        return Exit::Done;
    }
    warn(&format!("{error:#}"));
    Exit::Failed
}

/// Parses the level of the log.
fn log_level(text: &str) -> Result<LevelFilter, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "off" => Ok(LevelFilter::OFF),
        "error" => Ok(LevelFilter::ERROR),
        "" | "warn" => Ok(LevelFilter::WARN),
        "info" => Ok(LevelFilter::INFO),
        "debug" => Ok(LevelFilter::DEBUG),
        "trace" => Ok(LevelFilter::TRACE),
        _ => Err("use one of off, error, warn, info, debug, trace".to_owned()),
    }
}

/// Whether a stream shows colours: at a terminal that knows them, unless `NO_COLOR` is set.
fn has_colours(stream: &impl IsTerminal) -> bool {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_dumb = std::env::var_os("TERM").is_some_and(|terminal| terminal == "dumb");
    stream.is_terminal() && !is_dumb && !is_set("NO_COLOR")
}

/// Starts the log.
fn start_log(level: LevelFilter, format: LogFormat) {
    // Never below a warning: the database driver logs the parameters of statements, which may be
    // secret.
    let filter = Targets::new()
        .with_default(level)
        .with_target("tokio_postgres", level.min(LevelFilter::WARN))
        // It logs the frames of clients, which have tokens.
        .with_target("tungstenite", level.min(LevelFilter::WARN))
        .with_target("tokio_tungstenite", level.min(LevelFilter::WARN));
    tracing_subscriber::registry().with(log::layer(format).with_filter(filter)).init();
}

/// The database that a command works on, and the market file for a new one.
#[derive(Clone, Debug)]
pub struct Target {
    database: Database,
    market: Option<PathBuf>,
    secrets_key_file: Option<PathBuf>,
    file: ConfigFile,
}

impl Target {
    /// A database. If it is new, it gets the shipped tariff.
    #[must_use]
    pub const fn new(database: Database) -> Self {
        Self { database, market: None, secrets_key_file: None, file: ConfigFile::none() }
    }

    /// A database in a file.
    #[must_use]
    pub const fn file(path: PathBuf) -> Self {
        Self::new(Database::Sqlite(path))
    }

    /// The same database with a secrets key in this file.
    #[must_use]
    pub fn with_secrets_key_file(self, file: PathBuf) -> Self {
        Self { secrets_key_file: Some(file), ..self }
    }

    /// A setting of the server that a command without its flag needs, by its environment variable.
    fn setting(&self, variable: &str) -> Option<String> {
        let typed = std::env::var(variable).ok().filter(|value| !value.is_empty());
        typed.or_else(|| self.file.value(variable).map(str::to_owned))
    }

    /// Where the key is that secrets are encrypted with.
    fn secrets_key(&self) -> KeyFile {
        match (&self.secrets_key_file, &self.database) {
            (Some(path), _) => KeyFile::Given(path.clone()),
            (None, Database::Sqlite(path)) => {
                let mut beside = path.clone().into_os_string();
                beside.push(".key");
                KeyFile::BesideDatabase(beside.into())
            }
            (None, Database::Postgres(_)) => KeyFile::Unknown,
        }
    }

    /// Whether the database exists and has a schema.
    fn is_made(&self) -> Result<bool, StoreError> {
        if let Database::Sqlite(path) = &self.database
            && !file::exists(path)?
        {
            return Ok(false);
        }
        let version =
            self.database.open_as_it_is().and_then(|mut sql| migrate::version(sql.as_mut()));
        Ok(version? > 0)
    }

    /// Whether the database has the schema of this version.
    fn is_current(&self) -> bool {
        let version =
            self.database.open_as_it_is().and_then(|mut sql| migrate::version(sql.as_mut()));
        version.is_ok_and(|version| version == migrate::known())
    }

    /// Connects to the database. Creates it, or migrates it to the current schema.
    fn open(&self) -> anyhow::Result<Box<dyn Sql>> {
        let cannot = || format!("cannot open {}", self.database);
        let is_ignored = self.market.is_some() && self.is_made().with_context(cannot)?;
        let market = self.market.as_deref().filter(|_| !is_ignored);
        let sql = self.database.open(market).with_context(cannot)?;
        if is_ignored {
            warn(&format!(
                "--market is for a new database, and {} has a market: `kola fees`, `rates`, `markets` and `phones` change it",
                self.database
            ));
        }
        Ok(sql)
    }

    /// Connects to a database that must exist already.
    fn open_existing(&self) -> anyhow::Result<Box<dyn Sql>> {
        self.check_made()?;
        self.open()
    }

    fn check_made(&self) -> anyhow::Result<()> {
        if !self.is_made().with_context(|| format!("cannot open {}", self.database))? {
            bail!(
                "there is no kola database at {}: `kola serve` or `kola merchant create` creates one",
                self.database
            );
        }
        Ok(())
    }

    /// Reads from a database that must exist already.
    fn read_existing<T>(
        &self,
        read: impl AsyncFnOnce(OperatorReads) -> Result<T, StoreError>,
    ) -> anyhow::Result<T> {
        drop(self.open_existing()?);
        self.read(read)
    }

    /// Reads from a database that has the current schema.
    fn read<T>(
        &self,
        read: impl AsyncFnOnce(OperatorReads) -> Result<T, StoreError>,
    ) -> anyhow::Result<T> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(runtime.block_on(async { read(self.database.operator_reads()?).await })?)
    }

    /// Runs one command on a lane of its own, on a database that has the current schema. A server
    /// may be running on the same database.
    fn run_once<D: ListedDecision>(&self, decision: D) -> anyhow::Result<D::Output> {
        let mut lane = self.lane()?.short_lived();
        let request = Request::new(Principal::Operator, decision);
        let outcome = lane.run(&[request]).pop().context("the lane gave no answer")?;
        D::output(outcome?).context("the lane gave the output of another decision")
    }

    /// The ledger, for what takes many commands on a runtime. As for [`Target::run_once`].
    fn ledger(&self, runtime: &tokio::runtime::Runtime) -> anyhow::Result<OwnLedger> {
        // The lane has a runtime of its own.
        let lane = self.lane()?;
        let queries = runtime.block_on(async { self.database.queries() })?;
        Ok(OwnLedger::new(queries, lane)?)
    }

    fn lane(&self) -> anyhow::Result<Lane<Box<dyn Store + Send>>> {
        // Who means to make a database has opened it before.
        self.check_made()?;
        // Only commands of clients and jobs depend on the server's other settings.
        let settings = Settings {
            write_body: WriteBody(::networks::calls::write_body),
            ..Settings::default()
        };
        // A server on the same database finds the messages.
        let public_url = self.setting("KOLA_PUBLIC_URL").unwrap_or_default();
        let write_message = crate::api::messages::writer(public_url, || {});
        let store = self.database.store()?;
        Ok(Lane::new(store, settings, Arc::new(clock::now), write_message))
    }

    /// Like [`Target::run_once`], for a command about one object: the error names the object, or
    /// says that it does not exist.
    fn run_on<D: ListedDecision>(
        &self,
        what: &str,
        id: impl Display,
        decision: D,
    ) -> anyhow::Result<D::Output> {
        self.run_once(decision).map_err(|error| match is_absent(&error) {
            true => anyhow::anyhow!(not_found(what, id)),
            false => error.context(format!("{what} {id}")),
        })
    }
}

/// Whether a command was refused because what it is about does not exist.
fn is_absent(error: &anyhow::Error) -> bool {
    let failure = error.downcast_ref::<Failure>();
    matches!(failure, Some(Failure::Refused(reasons)) if reasons.contains(&Refusal::NotFound))
}

/// The message for an object that does not exist. It names the command that lists the ids.
fn not_found(what: &str, id: impl Display) -> String {
    format!("there is no {what} {id}: `kola {what} list` has their ids")
}
