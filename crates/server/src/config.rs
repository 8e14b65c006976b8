//! What an operator may set. Each setting has a default that is right for a start.

use std::time::Duration;

use domain::command::Settings;

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
            bench_routes: false,
        }
    }
}
