//! `kola serve`: the server.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use axum::http::HeaderValue;
use clap::Args;
use domain::decision::settings::{Deadlines, Lifetimes, RefundLimits, Settings, TransferLimits};
use domain::directory::create_party::NewParty;
use domain::directory::merchant::MerchantType;
use domain::directory::party::Relationship;
use domain::directory::roles::Role;
use domain::kernel::currency::Currency;
use domain::kernel::ids::MerchantId;
use domain::kernel::money::Decimal;
use domain::kernel::time::minutes;
use domain::ledger::wallet;
use domain::payments::provider_call::WriteBody;
use domain::payments::request_limit::PageLimits;
use domain::people::invitation::InvitedTo;
use domain::sales::checkout::PageMode;
use domain::sales::create_checkout::CreateCheckout;
use domain::sales::create_checkout::NewCheckout;
use domain::sales::edit_items::NewItem;
use domain::sales::source::SourceType;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use crate::api::links::{draw_token, pay_path};
use crate::cli::merchant::{self, Created, opening_balance};
use crate::cli::public_address::public_url;
use crate::cli::{Target, arguments, output, user};
use crate::config::{Config, RateLimit};
use crate::net::{cors, listen};
use crate::server::Server;
#[cfg(feature = "otlp")]
use crate::telemetry::traces::{Share, export};
use crate::web::language::PageLanguages;
use networks::client::Client;
use store::Database;
use store::schema::installation;

/// How long current requests have to end after the server was told to stop.
const DRAIN: Duration = Duration::from_secs(20);

#[derive(Args)]
pub struct Serve {
    /// The address or name and the port to listen on. Port 0 takes a free port; `:8080` listens on
    /// all IPv4 addresses of the machine.
    #[arg(long, env = "KOLA_LISTEN", default_value = "127.0.0.1:8080", value_name = "ADDRESS:PORT", value_parser = listen_on)]
    listen: Listen,
    /// The URL at which people reach this server, for links. Without it links use the address that
    /// the server listens on.
    #[arg(long, env = "KOLA_PUBLIC_URL", value_name = "URL", value_parser = public_url)]
    public_url: Option<String>,
    /// Create a sandbox merchant on an empty database, and print its credentials. A service whose
    /// output is kept somewhere should not.
    #[arg(long, env = "KOLA_SAMPLE_MERCHANT", num_args = 0..=1, require_equals = true, value_name = "true|false",
          default_value_t = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    sample_merchant: bool,
    /// How long the built-in sandbox provider takes to finish a payment, in milliseconds.
    #[arg(long, env = "KOLA_SANDBOX_DELAY_MS", default_value_t = 1_000, value_name = "MS")]
    sandbox_delay_ms: u64,
    /// The address and port to answer Prometheus on, at /metrics: 127.0.0.1:9464. Whoever reaches it
    /// reads it. Without it there is no such listener.
    #[arg(long, env = "KOLA_METRICS", value_name = "ADDRESS:PORT", value_parser = listen_on)]
    metrics: Option<Listen>,
    /// Limit the requests of each merchant, and the token requests of each address, to N in
    /// SECONDS: 600/60. Without it there is no limit.
    #[arg(long, env = "KOLA_RATE_LIMIT", value_name = "N/SECONDS")]
    rate_limit: Option<RateLimit>,
    /// The maximum number of open connections; the next one waits. It is lowered if the system
    /// allows fewer open files.
    #[arg(long, env = "KOLA_CONNECTIONS_MAX", default_value_t = 16_384, value_name = "N",
        value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=1_000_000))]
    connections_max: usize,
    /// The maximum number of open websockets of realtime clients, beside the connections.
    #[arg(long, env = "KOLA_REALTIME_SOCKETS_MAX", default_value_t = 10_000, value_name = "N",
        value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(0..=1_000_000))]
    realtime_sockets_max: usize,
    /// Close a connection on which no request arrives, or whose client reads nothing of an answer,
    /// for so long, in seconds. A proxy in front should close sooner.
    #[arg(long, env = "KOLA_IDLE_SECONDS", default_value_t = 75, value_name = "SECONDS",
        value_parser = clap::value_parser!(u64).range(1..=86_400))]
    idle_seconds: u64,
    /// The origins whose pages may call this server from a browser, separated by commas:
    /// https://shop.example. Without it no page may.
    #[arg(long, env = "KOLA_CORS_ORIGINS", value_name = "ORIGINS", value_delimiter = ',', value_parser = cors::origin)]
    cors_origins: Vec<HeaderValue>,
    /// The languages of the pages for payers, separated by commas: en, fr, rw. Kinyarwanda (rw) has
    /// not been read by a speaker yet.
    #[arg(long, env = "KOLA_PAGE_LANGUAGES", default_value = "en,fr", value_name = "LANGUAGES")]
    page_languages: PageLanguages,
    /// Lets webhooks of sandbox merchants go to private addresses and plain http, such as a program on
    /// this machine. They may anyway while the server listens on this machine only.
    #[arg(long, env = "KOLA_WEBHOOKS_PRIVATE_ADDRESSES", num_args = 0..=1, require_equals = true,
          default_value_t = false, default_missing_value = "true", action = clap::ArgAction::Set)]
    webhooks_private_addresses: bool,
    /// How long an attempt to deliver a webhook may take, in seconds.
    #[arg(long, env = "KOLA_WEBHOOK_SECONDS", default_value_t = 15, value_name = "SECONDS",
          value_parser = clap::value_parser!(u64).range(1..=30))]
    webhook_seconds: u64,
    /// The proxy through which networks are called: http://host:port or
    /// http://user:password@host:port.
    #[arg(long, env = "KOLA_NETWORK_PROXY", hide_env_values = true, value_name = "URL", value_parser = proxy)]
    network_proxy: Option<String>,
    /// The collector that traces are sent to, by OTLP over HTTP: http://127.0.0.1:4318. Without it no
    /// traces are made.
    #[cfg(feature = "otlp")]
    #[arg(long, env = "KOLA_OTLP_ENDPOINT", value_name = "URL", value_parser = export::endpoint)]
    otlp_endpoint: Option<export::Endpoint>,
    /// The share of requests that is traced, from 0 to 1.
    #[cfg(feature = "otlp")]
    #[arg(long, env = "KOLA_TRACES_SAMPLED", default_value_t = Share::DEFAULT, value_name = "SHARE")]
    traces_sampled: Share,
    /// How far ahead the `expires_at` of a session or a page may be, in days.
    #[arg(long, env = "KOLA_EXPIRY_MAX_DAYS", default_value_t = 366, value_name = "DAYS",
        value_parser = clap::value_parser!(i64).range(1..=3_650))]
    expiry_max_days: i64,
    // At most a day, which is the least that `expiry_max_days` can be: a default lifetime never
    // exceeds the allowed one.
    /// How long a checkout session lives, in minutes.
    #[arg(long, env = "KOLA_CHECKOUT_MINUTES", default_value_t = 30, value_name = "MINUTES",
        value_parser = clap::value_parser!(i64).range(1..=1_440))]
    checkout_minutes: i64,
    /// How long a payout session lives if its caller gives no `expires_at`, in minutes. Only the form of
    /// the call with `payout_account_id` may leave it out.
    #[arg(long, env = "KOLA_PAYOUT_MINUTES", default_value_t = 15, value_name = "MINUTES",
        value_parser = clap::value_parser!(i64).range(1..=1_440))]
    payout_minutes: i64,
    /// How long an execution call waits for the provider's first outcome before it answers with the
    /// current state, in milliseconds.
    // At most the time limit of a call to a provider (`dispatch::CALL`).
    #[arg(long, env = "KOLA_ANSWER_WITHIN_MS", default_value_t = 2_000, value_name = "MS",
        value_parser = clap::value_parser!(u64).range(1..=10_000))]
    answer_within_ms: u64,
    /// How long a payer may take to confirm a card payment (3-D Secure) before the payment is
    /// canceled, in minutes.
    #[arg(long, env = "KOLA_ACTION_MINUTES", default_value_t = 30, value_name = "MINUTES",
        value_parser = clap::value_parser!(i64).range(1..=1_440))]
    action_minutes: i64,
    /// How long a payment may lack a final outcome of its provider before it is listed for review,
    /// in hours.
    #[arg(long, env = "KOLA_REVIEW_AFTER_HOURS", default_value_t = 24, value_name = "HOURS",
        value_parser = clap::value_parser!(i64).range(1..=720))]
    review_after_hours: i64,
    /// For how many days after its settlement a merchant may refund a payment that was exchanged. Later
    /// only `kola refunds create` refunds it.
    #[arg(long, env = "KOLA_REFUND_EXCHANGED_DAYS", default_value_t = 90, value_name = "DAYS",
        value_parser = clap::value_parser!(i64).range(1..=3_650))]
    refund_exchanged_days: i64,
    /// The most that a wallet may have (available, held and incoming) after a transfer from another
    /// merchant, in minor units of its currency.
    #[arg(long, env = "KOLA_TRANSFER_FILL_MAX", default_value_t = 100_000_000_000_000_000, value_name = "MINOR",
        value_parser = clap::value_parser!(i64).range(1..=wallet::WALLET_LIMIT_MINOR))]
    transfer_fill_max: i64,
    /// For how many new parties per hour a merchant may learn who receives a transfer to them.
    #[arg(long, env = "KOLA_TRANSFER_RECIPIENTS_PER_HOUR", default_value_t = 1_000, value_name = "N",
        value_parser = clap::value_parser!(i64).range(1..=1_000_000))]
    transfer_recipients_per_hour: i64,
    /// How many payments an hour the pages of a merchant begin with one phone.
    #[arg(long, env = "KOLA_PAGE_PAYMENTS_PER_PHONE", default_value_t = 3, value_name = "N",
        value_parser = clap::value_parser!(i64).range(1..=1_000_000))]
    page_payments_per_phone: i64,
    /// How many payments an hour are begun on the page of one invoice or order.
    #[arg(long, env = "KOLA_PAGE_PAYMENTS_PER_LINK", default_value_t = 10, value_name = "N",
        value_parser = clap::value_parser!(i64).range(1..=1_000_000))]
    page_payments_per_link: i64,
    /// How many payments an hour the pages of a merchant begin for one address.
    #[arg(long, env = "KOLA_PAGE_PAYMENTS_PER_ADDRESS", default_value_t = 30, value_name = "N",
        value_parser = clap::value_parser!(i64).range(1..=1_000_000))]
    page_payments_per_address: i64,
    /// Verify the ledger in the background so often: 24h, 90m. Without it nobody verifies but who asks
    /// for it.
    #[arg(long, env = "KOLA_VERIFY_EVERY", value_name = "TIME", value_parser = arguments::interval)]
    verify_every: Option<Duration>,
    /// Stop payouts and refunds when that finds the ledger broken. `kola payouts resume` lets them go
    /// on.
    #[arg(long, env = "KOLA_STOP_ON_VIOLATION", num_args = 0..=1, require_equals = true,
          default_value_t = false, default_missing_value = "true", action = clap::ArgAction::Set)]
    stop_on_violation: bool,
    /// Ask networks every night for their statements of the two days before, and compare them with the
    /// ledger: --reconcile-nightly=false for a server that is not to ask.
    #[arg(long, env = "KOLA_RECONCILE_NIGHTLY", num_args = 0..=1, require_equals = true,
          default_value_t = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    reconcile_nightly: bool,
    /// Compare what networks took as fees with the gateway fees of the tariff: --reconcile-fees=false
    /// where merchants pay other fees than the network takes.
    #[arg(long, env = "KOLA_RECONCILE_FEES", num_args = 0..=1, require_equals = true,
          default_value_t = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    reconcile_fees: bool,
    /// A file that says how the columns of pawaPay's statements are read: see `kola reconcile columns`.
    #[arg(long, env = "KOLA_STATEMENT_COLUMNS", value_name = "FILE")]
    statement_columns: Option<PathBuf>,
    /// The maximum number of commands in one transaction.
    #[arg(long, env = "KOLA_BATCH_MAX", default_value_t = 256, hide = true)]
    batch_max: usize,
    /// Serve POST /v1/noop, which benchmarks compare with.
    #[arg(long, env = "KOLA_BENCH_ROUTES", hide = true, value_parser = clap::builder::BoolishValueParser::new(), default_value = "0")]
    bench_routes: bool,
}

fn proxy(text: &str) -> Result<String, String> {
    Client::check_proxy(text).map(|()| text.to_owned())
}

/// The address to listen on, as it was written and as it was resolved.
#[derive(Clone, Debug)]
pub struct Listen {
    written: String,
    addresses: Vec<SocketAddr>,
}

pub fn listen_on(text: &str) -> Result<Listen, String> {
    let text = text.trim();
    let complete = if text.starts_with(':') { format!("0.0.0.0{text}") } else { text.to_owned() };
    let addresses = complete.to_socket_addrs().map_err(|error| {
        format!("use an address or a name, and a port, like 127.0.0.1:8080: {error}")
    })?;
    let mut addresses: Vec<SocketAddr> = addresses.collect();
    // IPv4 first: of the two addresses of `localhost`, some clients only try 127.0.0.1.
    addresses.sort_by_key(SocketAddr::is_ipv6);
    if addresses.is_empty() {
        Err("this name has no address".to_owned())
    } else {
        Ok(Listen { written: text.to_owned(), addresses })
    }
}

impl Listen {
    /// The URL at which this machine reaches who listens there.
    pub fn url_here(&self) -> String {
        match self.addresses.first() {
            Some(address) => format!("http://{}", reachable(*address)),
            None => format!("http://{}", self.written),
        }
    }

    /// Listens on the first address that is free.
    fn bind(&self, option: &str) -> anyhow::Result<TcpListener> {
        let mut refused = None;
        for address in &self.addresses {
            match listen::bind(*address) {
                Ok(listener) => return Ok(listener),
                Err(error) => refused = Some(refused.unwrap_or(error)),
            }
        }
        let error = refused.map_or_else(|| anyhow::anyhow!("no address"), anyhow::Error::from);
        let is_taken = error
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| error.kind() == std::io::ErrorKind::AddrInUse);
        let hint = if is_taken {
            format!(
                ": another program listens there, maybe another kola; {option} 127.0.0.1:PORT takes another port"
            )
        } else {
            String::new()
        };
        Err(error.context(format!("cannot listen on {}{hint}", self.written)))
    }
}

/// The address at which this machine reaches a server that listens on `address`.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() {
            Ipv4Addr::LOCALHOST.into()
        } else {
            Ipv6Addr::LOCALHOST.into()
        });
    }
    address
}

/// The command `serve` as a program of its own, for its defaults.
#[derive(clap::Parser)]
struct Alone {
    #[command(flatten)]
    serve: Serve,
}

/// A server that is ready to answer requests.
pub struct Started {
    pub server: Server,
    pub listener: TcpListener,
    pub address: SocketAddr,
    /// Where metrics are, if anywhere.
    pub metrics: Option<SocketAddr>,
    /// What is told once it listens. With `--json` it was told before.
    welcome: Option<String>,
}

impl Serve {
    /// The configuration, without the public URL: that may depend on the address.
    fn config(&self) -> Config {
        let lifetimes = Lifetimes {
            checkout_us: minutes(self.checkout_minutes),
            payout_us: minutes(self.payout_minutes),
            max_days: self.expiry_max_days,
        };
        let deadlines = Deadlines {
            deadline_us: minutes(self.review_after_hours.saturating_mul(60)),
            action_us: minutes(self.action_minutes),
        };
        let transfers = TransferLimits {
            balance_max_minor: self.transfer_fill_max,
            recipients_per_hour: self.transfer_recipients_per_hour,
        };
        let refunds = RefundLimits { exchanged_days: self.refund_exchanged_days };
        let page_limits = PageLimits {
            per_phone: self.page_payments_per_phone,
            per_source: self.page_payments_per_link,
            per_address: self.page_payments_per_address,
        };
        let (connections_max, realtime_sockets_max) =
            listen::within_open_files(self.connections_max, self.realtime_sockets_max);
        Config {
            settings: Settings {
                lifetimes,
                deadlines,
                transfers,
                refunds,
                page_limits,
                write_body: WriteBody(networks::calls::write_body),
            },
            network_proxy: self.network_proxy.clone(),
            answer_within: Duration::from_millis(self.answer_within_ms),
            sandbox_delay: Duration::from_millis(self.sandbox_delay_ms),
            batch_max: self.batch_max,
            rate_limit: self.rate_limit,
            connections_max,
            realtime_sockets_max,
            idle_max: Duration::from_secs(self.idle_seconds),
            cors_origins: self.cors_origins.clone(),
            page_languages: self.page_languages,
            webhooks_private_addresses: self.webhooks_private_addresses,
            webhook_timeout: Duration::from_secs(self.webhook_seconds),
            verify_every: self.verify_every,
            stop_on_violation: self.stop_on_violation,
            reconcile_nightly: self.reconcile_nightly,
            reconcile_fees: self.reconcile_fees,
            #[cfg(feature = "otlp")]
            traces: self
                .otlp_endpoint
                .clone()
                .map(|endpoint| export::Settings { endpoint, sampled: self.traces_sampled }),
            bench_routes: self.bench_routes,
            ..Config::default()
        }
    }

    /// Reads settings that are given by the names of their environment variables. The environment
    /// of the process is not read. For a server inside another program, like a test.
    ///
    /// # Errors
    /// For an unknown setting or a value that it cannot have.
    pub fn from_settings(settings: &[(&str, &str)]) -> Result<Self, clap::Error> {
        let mut command = <Alone as clap::CommandFactory>::command();
        let mut typed = vec!["kola".to_owned()];
        for (name, value) in settings {
            let argument = command
                .get_arguments()
                .find(|argument| argument.get_env().is_some_and(|variable| variable == *name));
            match argument.and_then(clap::Arg::get_long) {
                Some(option) => typed.push(format!("--{option}={value}")),
                None => {
                    let message = format!("`serve` has no setting {name}");
                    return Err(command.error(clap::error::ErrorKind::UnknownArgument, message));
                }
            }
        }
        let matches =
            command.mut_args(|argument| argument.env(None::<&str>)).try_get_matches_from(typed)?;
        Ok(<Alone as clap::FromArgMatches>::from_arg_matches(&matches)?.serve)
    }

    pub fn run(mut self, target: &Target) -> anyhow::Result<()> {
        if self.sample_merchant && output::leads_nowhere() {
            // A later start, whose output somebody reads, makes it.
            self.sample_merchant = false;
            if !target.is_made().unwrap_or(true) {
                tracing::warn!(
                    "no sandbox merchant is made: standard output is closed or /dev/null, and its secret is \
                     shown only once; `kola merchant create` makes one"
                );
            }
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let Started { server, listener, address, metrics, welcome } =
            self.start(target, &runtime)?;
        runtime.block_on(async {
            let stop = stop_signal();
            let metrics =
                metrics.map_or_else(String::new, |at| format!("Metrics: http://{at}/metrics\n"));
            // A closed standard output is no reason not to serve.
            let told = match welcome {
                Some(text) => {
                    output::write(&format!("{text}{metrics}kola listening on http://{address}\n"))
                }
                None => Ok(()),
            };
            if let Err(error) = told {
                tracing::warn!(%error, %address, "listening; standard output cannot be written");
            }
            tracing::info!(%address, public_url = server.app().config.public_url, "listening");
            server.run(listener, stop, DRAIN).await
        })
    }

    /// Opens the listener and the database, and starts the lanes and jobs on the runtime. On an
    /// empty database it creates a merchant and prints its credentials. Must not be called within a
    /// runtime, because it blocks.
    ///
    /// # Errors
    /// If the address is not free, or the database cannot be opened.
    pub fn start(self, target: &Target, runtime: &Runtime) -> anyhow::Result<Started> {
        let mut config = self.config();
        if let Some(file) = &self.statement_columns {
            let columns = arguments::columns(&file.to_string_lossy());
            config.statement_columns =
                columns.map_err(anyhow::Error::msg).context("--statement-columns")?;
        }
        tracing::info!(version = env!("CARGO_PKG_VERSION"), database = target.database.kind(), at = %target.database, "starting");
        let listener = runtime.block_on(async { self.listen.bind("--listen") })?;
        let metrics_listener = runtime.block_on(async {
            self.metrics.as_ref().map(|listen| listen.bind("--metrics")).transpose()
        })?;
        let metrics = metrics_listener.as_ref().map(TcpListener::local_addr).transpose()?;
        let address = listener.local_addr()?;
        config.public_url =
            self.public_url.unwrap_or_else(|| format!("http://{}", reachable(address)));
        config.database_folder = target.database.folder();
        config.secrets_key = target.secrets_key();
        config.is_local = address.ip().is_loopback()
            && crate::callbacks::public_address::is_loopback(&config.public_url);
        let created = if self.sample_merchant {
            first_merchant(target)?
        } else {
            drop(target.open()?);
            None
        };
        let welcome = if output::is_json() {
            welcome_in_json(target, created, address, metrics, &config.public_url)?;
            None
        } else {
            Some(welcome(target, created, reachable(address), &config.public_url)?)
        };
        let stores =
            target.database.stores().with_context(|| format!("cannot open {}", target.database))?;
        let mut server = runtime.block_on(Server::start(&target.database, stores, config))?;
        if let Some(listener) = metrics_listener {
            // The listener's job runs in the runtime.
            let _within = runtime.enter();
            server.serve_metrics(listener);
        }
        // What works beside the requests is nothing that anybody waits for.
        store::progress::watch(false);
        Ok(Started { server, listener, address, metrics, welcome })
    }
}

/// Resolves when the process is told to stop. The signal handlers are installed by the call, not by
/// the first poll: as soon as the server says that it is listening, a signal stops it.
pub fn stop_signal() -> impl Future<Output = ()> {
    #[cfg(unix)]
    let signals = {
        use tokio::signal::unix::{SignalKind, signal};
        signal(SignalKind::terminate())
            .and_then(|terminate| Ok((terminate, signal(SignalKind::hangup())?)))
    };
    // Asked now: after the terminal has hung up it is no terminal any more.
    #[cfg(unix)]
    let at_a_terminal = has_terminal();
    async move {
        #[cfg(unix)]
        if let Ok((mut terminate, mut hangup)) = signals {
            let hung_up = async {
                while hangup.recv().await.is_some() {
                    if at_a_terminal {
                        return;
                    }
                    tracing::info!(
                        "SIGHUP does nothing without a terminal: settings are read at the start, and the log is not kept open"
                    );
                }
                // The signal's stream has ended: no SIGHUP will come.
                std::future::pending::<()>().await;
            };
            tokio::select! {
                _ = terminate.recv() => return,
                () = hung_up => return,
                _ = tokio::signal::ctrl_c() => return,
            }
        }
        let _ = tokio::signal::ctrl_c().await;
    }
}

/// Whether this process was started at a terminal. SIGHUP then says that the terminal was closed. A
/// service has no terminal, nor has a process under `nohup`.
#[cfg(unix)]
fn has_terminal() -> bool {
    use std::io::IsTerminal as _;
    std::io::stdin().is_terminal()
        || std::io::stdout().is_terminal()
        || std::io::stderr().is_terminal()
}

/// The text that is printed at a start. The secret of a merchant that was created is shown at once.
fn welcome(
    target: &Target,
    created: Option<Created>,
    address: SocketAddr,
    public_url: &str,
) -> anyhow::Result<String> {
    let docs = format!("Read and try the API: {public_url}/docs\n");
    let Some(created) = created else {
        let program = program_on(target);
        return Ok(format!(
            "{docs}New credentials: {program} merchant create-key --merchant ID, or merchant create\n"
        ));
    };
    // The secret is shown only once, so it is shown before anything else can fail.
    if let Err(error) = created.show_or_undo(
        target,
        &created.as_json(false),
        &introduction(&created, address, &program()),
    ) {
        installation::release_first_merchant(target.open()?.as_mut())?;
        return Err(error);
    }
    let owner = InvitedTo::Merchant(created.merchant.id, Role::Owner);
    let docs = match user::invite(target, owner, public_url) {
        Ok((_, link)) => format!(
            "{docs}The dashboard: {link}\n  This link makes its first user, the owner. It is good once, for three days.\n"
        ),
        Err(error) => {
            format!("{docs}There is no link for an owner yet (kola user invite): {error:#}\n")
        }
    };
    let page = created.fund(target).and_then(|()| sample_page(target, created.merchant.id));
    Ok(match page {
        Ok(token) => format!("{docs}A payment page: {public_url}{}\n\n", pay_path(&token)),
        Err(error) => format!("{docs}The merchant has no money or payment page yet: {error:#}\n\n"),
    })
}

/// The same as one document in one line. Everything is made before the secret is shown, because there
/// is one document only. Connections that come already wait until the server takes them.
fn welcome_in_json(
    target: &Target,
    created: Option<Created>,
    address: SocketAddr,
    metrics: Option<SocketAddr>,
    public_url: &str,
) -> anyhow::Result<()> {
    let mut json = json!({
        "address": address.to_string(),
        "url": format!("http://{}", reachable(address)),
        "public_url": public_url,
        "docs": format!("{public_url}/docs"),
        "metrics": metrics.map(|at| format!("http://{at}/metrics")),
        "merchant": null,
        "owner_link": null,
        "payment_page": null,
    });
    let Some(created) = created else {
        // A closed standard output is no reason not to serve.
        if let Err(error) = output::show(&json, "") {
            tracing::warn!(%error, %address, "listening; standard output cannot be written");
        }
        return Ok(());
    };
    let owner = InvitedTo::Merchant(created.merchant.id, Role::Owner);
    match user::invite(target, owner, public_url) {
        Ok((_, link)) => json["owner_link"] = link.to_string().into(),
        Err(error) => output::warn(&format!("there is no link for an owner yet: {error:#}")),
    }
    let funded = created.fund(target);
    match funded.as_ref().map(|()| sample_page(target, created.merchant.id)) {
        Ok(Ok(token)) => json["payment_page"] = format!("{public_url}{}", pay_path(&token)).into(),
        Ok(Err(error)) => output::warn(&format!("there is no payment page yet: {error:#}")),
        Err(error) => output::warn(&format!("the merchant has no money yet: {error:#}")),
    }
    json["merchant"] = created.as_json(funded.is_err());
    if let Err(error) = created.show_or_undo(target, &json, "") {
        installation::release_first_merchant(target.open()?.as_mut())?;
        return Err(error);
    }
    Ok(())
}

/// Creates a verified sandbox merchant if the database is empty. Of several processes only one
/// does.
///
/// # Errors
/// If the database cannot be opened or written. Then the next process that asks creates one.
pub fn first_merchant(target: &Target) -> anyhow::Result<Option<Created>> {
    let mut sql = target.open()?;
    if !installation::claim_first_merchant(sql.as_mut())? {
        return Ok(None);
    }
    match merchant::create(target, "Sandbox merchant", MerchantType::Organization, None, true) {
        Ok(created) => Ok(Some(created)),
        Err(error) => {
            installation::release_first_merchant(sql.as_mut())?;
            Err(error)
        }
    }
}

/// The program's path, for commands that are printed.
fn program() -> String {
    std::env::current_exe().map_or_else(|_| "kola".to_owned(), |path| path.display().to_string())
}

/// The program's path with the option that names this database.
fn program_on(target: &Target) -> String {
    // The URL of a PostgreSQL database may have a password and is not printed.
    match &target.database {
        Database::Sqlite(path) if path.as_os_str() != "kola.db" => {
            format!("{} --database sqlite:{}", program(), path.display())
        }
        _ => program(),
    }
}

/// Creates a checkout of the new merchant, whose page a payer can look at. Returns the page's
/// token.
fn sample_page(target: &Target, merchant: MerchantId) -> anyhow::Result<String> {
    let currency = Currency::parse("USD").context("USD is no currency")?;
    let amount = Decimal::parse("19.50")
        .and_then(|amount| amount.to_money(currency).ok())
        .context("19.50 is no amount")?;
    let new = NewCheckout {
        party: NewParty {
            fullname: "Ama Kollie".into(),
            phone: "231880000001".into(),
            email: None,
            country_code: None,
        },
        relationship: Relationship::Customer,
        counterparty_id: None,
        party_id: None,
        kind: SourceType::Order,
        currency,
        note: String::new(),
        reference_id: None,
        due_date: None,
        items: vec![NewItem { name: "Rice, 25 kg".into(), currency, qty: 2, amount }],
        mode: PageMode::Hosted,
        success_url: None,
        cancel_url: None,
        expires_at: None,
        token: draw_token()?,
        idempotency_key: None,
        as_draft: false,
    };
    let created = target.run_once(CreateCheckout { merchant_id: merchant, checkout: new })?;
    Ok(created.config.token.0)
}

fn introduction(created: &Created, address: SocketAddr, program: &str) -> String {
    let Created { merchant, client_id, client_secret, wallets } = created;
    let wallets = wallets.iter().map(|(id, currency)| {
        format!("  wallet         {id}: {} {currency}\n", opening_balance(*currency))
    });
    format!(
        "The database was empty, so here is a sandbox merchant. Its secret is shown only now:

  merchant       {}
  client_id      {client_id}
  client_secret  {client_secret}
{}
Get a token:

  curl -s http://{address}/v1/jwt/client/obtain/token -H 'Content-Type: application/json' \\
    -d '{{\"client_id\":\"{client_id}\",\"client_secret\":\"{client_secret}\"}}'

See all four sessions at work: {program} demo
",
        merchant.id,
        wallets.collect::<String>()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_manager_waits_until_the_server_has_stopped_by_itself() {
        let unit = include_str!("../../../../packaging/kola.service");
        let line = unit.lines().find_map(|line| line.strip_prefix("TimeoutStopSec="));
        let seconds: u64 = line.and_then(|value| value.parse().ok()).expect("a number of seconds");
        assert!(Duration::from_secs(seconds) > DRAIN + crate::server::LANE_DRAIN);
    }

    #[test]
    fn what_nobody_sets_is_the_same_for_a_server_and_for_a_demo() {
        let serve = Serve::from_settings(&[]).unwrap();
        let (typed, default) = (serve.config(), Config::default());
        assert_eq!(typed.settings, default.settings);
        assert_eq!(
            (typed.answer_within, typed.sandbox_delay),
            (default.answer_within, default.sandbox_delay)
        );
        assert_eq!((typed.idle_max, typed.batch_max), (default.idle_max, default.batch_max));
        assert_eq!(typed.page_languages, default.page_languages);
    }
}
