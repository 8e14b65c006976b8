//! The settings of a server, with their defaults.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use axum::http::HeaderValue;
use domain::decision::settings::Settings;

use crate::credentials::sealing::KeyFile;
use crate::reconciliation::mapping::Mapping;
#[cfg(feature = "otlp")]
use crate::telemetry::traces::export;
use crate::web::language::PageLanguages;

/// A limit of so many requests in so many seconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RateLimit {
    /// From 1 to 1,000,000.
    pub requests: u32,
    /// From 1 to 86,400.
    pub seconds: u32,
}

impl FromStr for RateLimit {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text
            .split_once('/')
            .and_then(|(n, seconds)| Some((n.trim().parse().ok()?, seconds.trim().parse().ok()?)));
        match parts {
            Some((requests @ 1..=1_000_000, seconds @ 1..=86_400)) => {
                Ok(Self { requests, seconds })
            }
            _ => Err("requests/seconds, as 600/60: at most 1000000 in at most 86400"),
        }
    }
}

#[derive(Clone, Debug)]
pub struct Config {
    /// The settings that decisions depend on.
    pub settings: Settings,
    /// How long an execution call waits for the provider's first outcome.
    pub answer_within: Duration,
    /// How long the sandbox provider takes to finish a payment.
    pub sandbox_delay: Duration,
    /// The URL at which people reach this server, without a slash at its end. Links begin with it.
    pub public_url: String,
    /// The folder of the database file, whose disk is watched. `None` on PostgreSQL.
    pub database_folder: Option<PathBuf>,
    /// The maximum number of commands in one transaction.
    pub batch_max: usize,
    /// The limit for the requests of each merchant, and for the token requests of each address.
    pub rate_limit: Option<RateLimit>,
    /// The maximum number of open connections.
    pub connections_max: usize,
    /// The maximum number of open websockets of realtime clients, which are not counted above.
    pub realtime_sockets_max: usize,
    /// A connection is closed when no whole request head arrives on it for so long.
    pub idle_max: Duration,
    /// The origins whose pages may call this server from a browser: `https://shop.example`.
    pub cors_origins: Vec<HeaderValue>,
    /// Where the key is that secrets of network accounts are encrypted with.
    pub secrets_key: KeyFile,
    /// The proxy through which networks are called.
    pub network_proxy: Option<String>,
    /// The languages that pages for payers are offered in.
    pub page_languages: PageLanguages,
    /// Whether webhooks of sandbox merchants may go to private addresses.
    pub webhooks_private_addresses: bool,
    /// Whether the server listens on this machine only, and its public URL names this machine.
    pub is_local: bool,
    /// How long an attempt to deliver a webhook may take.
    pub webhook_timeout: Duration,
    /// Where traces are sent, if they are made.
    #[cfg(feature = "otlp")]
    pub traces: Option<export::Settings>,
    /// How often the server verifies the ledger by itself.
    pub verify_every: Option<Duration>,
    /// Whether a violation that it finds so stops payouts and refunds.
    pub stop_on_violation: bool,
    /// Whether networks are asked for their statements every night.
    pub reconcile_nightly: bool,
    /// Whether it is compared then what networks took as fees.
    pub reconcile_fees: bool,
    /// How the columns of pawaPay's statements are read.
    pub statement_columns: Mapping,
    /// Whether `POST /v1/noop` is served, which benchmarks compare with.
    pub bench_routes: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            settings: Settings::default(),
            answer_within: Duration::from_secs(2),
            sandbox_delay: Duration::from_secs(1),
            public_url: "http://127.0.0.1:8080".to_owned(),
            database_folder: None,
            batch_max: 256,
            rate_limit: None,
            connections_max: 16_384,
            realtime_sockets_max: 10_000,
            idle_max: Duration::from_secs(75),
            cors_origins: vec![],
            secrets_key: KeyFile::Unknown,
            network_proxy: None,
            page_languages: PageLanguages::default(),
            webhooks_private_addresses: false,
            is_local: false,
            webhook_timeout: Duration::from_secs(15),
            #[cfg(feature = "otlp")]
            traces: None,
            verify_every: None,
            stop_on_violation: false,
            reconcile_nightly: true,
            reconcile_fees: true,
            statement_columns: Mapping::default(),
            bench_routes: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_limit_is_requests_in_seconds() {
        assert_eq!("600/60".parse(), Ok(RateLimit { requests: 600, seconds: 60 }));
        for text in ["", "600", "0/60", "600/0", "-1/60", "1/86401", "1000001/1", "600/1m", "a/b/c"]
        {
            assert!(text.parse::<RateLimit>().is_err(), "{text}");
        }
    }
}
