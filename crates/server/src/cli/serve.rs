//! `kola serve`: the server.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use axum::http::HeaderValue;
use clap::Args;
use domain::command::{Command, Settings};
use domain::currency::Currency;
use domain::execution::Patience;
use domain::merchant::MerchantType;
use domain::money::{Decimal, Money};
use domain::recipient::TransferLimits;
use domain::session::Lifetimes;
use domain::time::minutes;
use domain::wallet;

use super::Place;
use super::merchant::{self, Created};
use crate::config::{Config, RateLimit};
use crate::http::{cors, listen};
use crate::server::Server;
use crate::store::installation;

/// Money that the first sandbox merchant starts with, in major units, by currency.
const FUNDS: [(&str, &str); 3] = [("USD", "10000"), ("LRD", "2000000"), ("RWF", "15000000")];
/// Requests that are being answered when the server is told to stop have so long to end.
const DRAIN: Duration = Duration::from_secs(20);

#[derive(Args)]
pub struct Serve {
    /// Address and port; port 0 takes a free one.
    #[arg(long, env = "KOLA_LISTEN", default_value = "127.0.0.1:8080", value_name = "ADDRESS:PORT")]
    listen: SocketAddr,
    /// Where people reach this server, for links; without it, the address that it listens on.
    #[arg(long, env = "KOLA_PUBLIC_URL", value_name = "URL", value_parser = public_url)]
    public_url: Option<String>,
    /// The built-in sandbox provider takes so long to finish, in milliseconds.
    #[arg(long, env = "KOLA_SANDBOX_DELAY_MS", default_value_t = 1_000, value_name = "MS")]
    sandbox_delay_ms: u64,
    /// How much one merchant may call, and one address ask for tokens: requests/seconds, as 600/60; no limit if not given.
    #[arg(long, env = "KOLA_RATE_LIMIT", value_name = "N/SECONDS")]
    rate_limit: Option<RateLimit>,
    /// The most connections that are open at once; the next one waits. Fewer where the system allows fewer open files.
    #[arg(long, env = "KOLA_CONNECTIONS_MAX", default_value_t = 16_384, value_name = "N",
        value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=1_000_000))]
    connections_max: usize,
    /// A connection on which no request arrives, or whose client takes nothing of an answer, for so long is closed. A proxy in
    /// front should close sooner.
    #[arg(long, env = "KOLA_IDLE_SECONDS", default_value_t = 75, value_name = "SECONDS",
        value_parser = clap::value_parser!(u64).range(1..=86_400))]
    idle_seconds: u64,
    /// Origins whose pages may call this server from a browser, with commas between them: https://shop.example. None if not
    /// given.
    #[arg(long, env = "KOLA_CORS_ORIGINS", value_name = "ORIGINS", value_delimiter = ',', value_parser = cors::origin)]
    cors_origins: Vec<HeaderValue>,
    /// How far ahead the `expires_at` of a session or a page may be, in days.
    #[arg(long, env = "KOLA_EXPIRY_MAX_DAYS", default_value_t = 366, value_name = "DAYS",
        value_parser = clap::value_parser!(i64).range(1..=3_650))]
    expiry_max_days: i64,
    // At most a day, the least that `expiry_max_days` can be: a lifetime that nobody asked for is never too long.
    /// How long a checkout session lives, in minutes.
    #[arg(long, env = "KOLA_CHECKOUT_MINUTES", default_value_t = 30, value_name = "MINUTES",
        value_parser = clap::value_parser!(i64).range(1..=1_440))]
    checkout_minutes: i64,
    /// How long a payout session lives whose caller gives no `expires_at`, in minutes.
    #[arg(long, env = "KOLA_PAYOUT_MINUTES", default_value_t = 15, value_name = "MINUTES",
        value_parser = clap::value_parser!(i64).range(1..=1_440))]
    payout_minutes: i64,
    /// How long an execution call waits for the first outcome at the provider before it answers what is known, in
    /// milliseconds.
    // No longer than a provider is waited for (`dispatch::CALL`).
    #[arg(long, env = "KOLA_ANSWER_WITHIN_MS", default_value_t = 2_000, value_name = "MS",
        value_parser = clap::value_parser!(u64).range(1..=10_000))]
    answer_within_ms: u64,
    /// How long a payer may take to confirm a card payment (3-D Secure) before it is canceled, in minutes.
    #[arg(long, env = "KOLA_ACTION_MINUTES", default_value_t = 30, value_name = "MINUTES",
        value_parser = clap::value_parser!(i64).range(1..=1_440))]
    action_minutes: i64,
    /// How long a payment may be without a final word of its provider before it is listed for review, in hours.
    #[arg(long, env = "KOLA_REVIEW_AFTER_HOURS", default_value_t = 24, value_name = "HOURS",
        value_parser = clap::value_parser!(i64).range(1..=720))]
    review_after_hours: i64,
    /// The most that a wallet may have, hold and await after a transfer from another merchant, in minor units of its currency.
    #[arg(long, env = "KOLA_TRANSFER_FILL_MAX", default_value_t = 100_000_000_000_000_000, value_name = "MINOR",
        value_parser = clap::value_parser!(i64).range(1..=wallet::ROOM_MINOR))]
    transfer_fill_max: i64,
    /// Of how many parties an hour, of which it was not told before, a merchant is told who receives a transfer to them.
    #[arg(long, env = "KOLA_TRANSFER_RECIPIENTS_PER_HOUR", default_value_t = 1_000, value_name = "N",
        value_parser = clap::value_parser!(i64).range(1..=1_000_000))]
    transfer_recipients_per_hour: i64,
    /// The most commands in one transaction.
    #[arg(long, env = "KOLA_BATCH_MAX", default_value_t = 256, hide = true)]
    batch_max: usize,
    /// Offer POST /v1/noop, a yardstick for benchmarks.
    #[arg(long, env = "KOLA_BENCH_ROUTES", hide = true, value_parser = clap::builder::BoolishValueParser::new(), default_value = "0")]
    bench_routes: bool,
}

fn public_url(text: &str) -> Result<String, String> {
    let host = ["https://", "http://"].iter().find_map(|scheme| text.strip_prefix(scheme)).unwrap_or_default();
    let odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '?' | '#' | '"' | '<' | '>');
    if host.is_empty() || host.starts_with('/') || text.contains(odd) {
        return Err("use http:// or https:// and a host".to_owned());
    }
    Ok(text.trim_end_matches('/').to_owned())
}

impl Default for Serve {
    fn default() -> Self {
        // The same defaults, and the environment, as if `serve` had been typed.
        #[derive(clap::Parser)]
        struct Alone {
            #[command(flatten)]
            serve: Serve,
        }
        <Alone as clap::Parser>::parse_from(["kola"]).serve
    }
}

impl Serve {
    /// All that was set, but where people reach the server: that may follow from the address.
    fn config(&self) -> Config {
        let lifetimes = Lifetimes {
            checkout_us: minutes(self.checkout_minutes),
            payout_us: minutes(self.payout_minutes),
            max_days: self.expiry_max_days,
        };
        let patience = Patience {
            deadline_us: minutes(self.review_after_hours.saturating_mul(60)),
            action_us: minutes(self.action_minutes),
        };
        let transfers =
            TransferLimits { fill_minor: self.transfer_fill_max, recipients_per_hour: self.transfer_recipients_per_hour };
        Config {
            settings: Settings { lifetimes, patience, transfers },
            answer_within: Duration::from_millis(self.answer_within_ms),
            sandbox_delay: Duration::from_millis(self.sandbox_delay_ms),
            batch_max: self.batch_max,
            rate_limit: self.rate_limit,
            connections_max: listen::within_open_files(self.connections_max),
            idle_max: Duration::from_secs(self.idle_seconds),
            cors_origins: self.cors_origins.clone(),
            bench_routes: self.bench_routes,
            ..Config::default()
        }
    }

    pub fn run(self, place: &Place) -> anyhow::Result<()> {
        let mut config = self.config();
        tracing::info!(version = env!("CARGO_PKG_VERSION"), database = place.database.kind(), at = %place.database, "starting");
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let listener = runtime.block_on(async { listen::bind(self.listen) });
        let listener = listener.with_context(|| format!("cannot listen on {}", self.listen))?;
        let address = listener.local_addr()?;
        if let Some(created) = first_merchant(place)? {
            // Its secret is shown once: before anything else can fail.
            introduce(&created, address);
            if let Err(error) = fund(place, &created) {
                println!("The wallets are not filled ({error:#}): that is left to `kola wallet fund`.");
            }
        }
        let stores = place.database.stores().with_context(|| format!("cannot open {}", place.database))?;
        runtime.block_on(async {
            config.public_url = self.public_url.unwrap_or_else(|| format!("http://{address}"));
            let server = Server::start(&place.database, stores, config).await?;
            let stop = stop_signal();
            println!("kola listening on http://{address}");
            tracing::info!(%address, public_url = server.app().config.public_url, "listening");
            server.run(listener, stop, DRAIN).await
        })
    }
}

/// Resolves when the process is told to stop. It listens from the call on, so that who has read that the server is there can
/// stop it.
fn stop_signal() -> impl Future<Output = ()> {
    #[cfg(unix)]
    let signals = {
        use tokio::signal::unix::{SignalKind, signal};
        signal(SignalKind::terminate()).and_then(|terminate| Ok((terminate, signal(SignalKind::hangup())?)))
    };
    // Asked now: a terminal that has hung up is none any more.
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
                // There will be none.
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

/// Whether somebody started this process at a terminal, whose end SIGHUP is then. A service has none, nor has what `nohup`
/// keeps running.
#[cfg(unix)]
fn has_terminal() -> bool {
    use std::io::IsTerminal as _;
    std::io::stdin().is_terminal() || std::io::stdout().is_terminal() || std::io::stderr().is_terminal()
}

/// On an empty database, for the first process that asks: a verified sandbox merchant.
///
/// # Errors
/// When the database cannot be opened or written: then the next process that asks makes one.
pub fn first_merchant(place: &Place) -> anyhow::Result<Option<Created>> {
    let mut sql = place.open()?;
    if !installation::claim_first_merchant(sql.as_mut())? {
        return Ok(None);
    }
    match merchant::create(place, "Sandbox merchant", MerchantType::Organization, None, true) {
        Ok(created) => Ok(Some(created)),
        Err(error) => {
            installation::give_back_first_merchant(sql.as_mut())?;
            Err(error)
        }
    }
}

/// What a wallet of the first merchant starts with, in major units.
fn funds(currency: Currency) -> &'static str {
    FUNDS.iter().find(|(code, _)| *code == currency.code()).map_or("0", |(_, amount)| amount)
}

/// Puts money into the wallets of the first merchant.
///
/// # Errors
/// When the database cannot be opened or written.
pub fn fund(place: &Place, created: &Created) -> anyhow::Result<()> {
    for (id, currency) in &created.wallets {
        let funds = Decimal::parse(funds(*currency)).and_then(|amount| amount.to_money(*currency).ok());
        let funds = funds.unwrap_or(Money::new(0, *currency));
        place.run_once(Command::FundWallet(*id, funds))?;
    }
    Ok(())
}

fn introduce(created: &Created, address: SocketAddr) {
    let Created { merchant, client_id, client_secret, wallets } = created;
    println!("The database was empty, so here is a sandbox merchant. Its secret is shown only now:");
    println!();
    println!("  merchant       {}", merchant.id);
    println!("  client_id      {client_id}");
    println!("  client_secret  {client_secret}");
    for (id, currency) in wallets {
        println!("  wallet         {id}: {} {currency}", funds(*currency));
    }
    println!();
    println!("Get a token:");
    println!();
    println!("  curl -s http://{address}/v1/jwt/client/obtain/token -H 'Content-Type: application/json' \\");
    println!("    -d '{{\"client_id\":\"{client_id}\",\"client_secret\":\"{client_secret}\"}}'");
    println!();
    let program = std::env::args().next().unwrap_or_else(|| "kola".to_owned());
    println!("See all four sessions at work: {program} demo");
    println!();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_sets_is_the_same_for_a_server_and_for_a_demo() {
        let (typed, default) = (Serve::default().config(), Config::default());
        assert_eq!(typed.settings, default.settings);
        assert_eq!((typed.answer_within, typed.sandbox_delay), (default.answer_within, default.sandbox_delay));
        assert_eq!((typed.idle_max, typed.batch_max), (default.idle_max, default.batch_max));
    }
}
