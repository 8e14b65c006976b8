//! What an operator may set. Each setting has a default that is right for a start.

use std::str::FromStr;
use std::time::Duration;

use axum::http::HeaderValue;
use domain::decision::settings::Settings;

/// So many requests in so many seconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RateLimit {
    /// The requests, 1 to 1,000,000.
    pub requests: u32,
    /// The seconds, 1 to 86,400.
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

/// The settings of a server.
#[derive(Clone, Debug)]
pub struct Config {
    /// What the decisions need.
    pub settings: Settings,
    /// How long an execution call waits for the provider's first outcome.
    pub answer_within: Duration,
    /// The sandbox provider takes so long to finish.
    pub sandbox_delay: Duration,
    /// Where people reach this server: links begin so.
    pub public_url: String,
    /// The most commands in one transaction.
    pub batch_max: usize,
    /// How much one merchant may call, and one address ask for tokens.
    pub rate_limit: Option<RateLimit>,
    /// Connections that are open at once.
    pub connections_max: usize,
    /// A connection on which no whole request head arrives for so long is closed.
    pub idle_max: Duration,
    /// Whose pages may call this server from a browser: `https://shop.example`. Nobody's, where
    /// there is none.
    pub cors_origins: Vec<HeaderValue>,
    /// Whether `POST /v1/noop` is there, as a yardstick for benchmarks.
    pub bench_routes: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            settings: Settings::default(),
            answer_within: Duration::from_secs(2),
            sandbox_delay: Duration::from_secs(1),
            public_url: "http://127.0.0.1:8080".to_owned(),
            batch_max: 256,
            rate_limit: None,
            connections_max: 16_384,
            idle_max: Duration::from_secs(75),
            cors_origins: vec![],
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
