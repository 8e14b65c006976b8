//! The load generator: connections that repeat one job, for a time or until the prepared items are
//! used up.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use hdrhistogram::Histogram;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use super::client::Client;
use super::jobs::{Common, Item, Job, Random};
use super::machine::cpu_seconds;

/// How long a call may still take after the end of a measurement.
const TIMEOUT: Duration = Duration::from_secs(60);

pub struct Window {
    pub job: Job,
    pub connections: usize,
    pub items: Arc<Items>,
    /// Without a limit the measurement ends with the items.
    pub limit: Option<Duration>,
}

/// The inputs of a measurement's turns. Each is used once.
pub enum Items {
    /// Prepared sessions or invoices.
    Made(Vec<Item>),
    /// `turns` inputs that need no prepared object. The merchants from `first` on take turns.
    Turns { turns: usize, first: usize, merchants: usize },
}

impl Items {
    fn get(&self, at: usize) -> Option<Item> {
        match self {
            Self::Made(items) => items.get(at).copied(),
            Self::Turns { turns, first, merchants } => {
                let item =
                    || Item { tenant: first + at % merchants, id: u64::try_from(at).unwrap_or(0) };
                (at < *turns).then(item)
            }
        }
    }
}

/// The result of a measurement. All turns in it succeeded: one wrong answer fails the whole run.
pub struct Outcome {
    pub turns: usize,
    pub elapsed: Duration,
    pub latencies: Histogram<u64>,
    /// In cores: 1.0 is one core, fully used.
    pub server_cpu: f64,
    pub load_cpu: f64,
    pub made: Vec<Item>,
}

impl Outcome {
    pub fn per_second(&self) -> f64 {
        self.turns as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }

    pub fn quantile_ms(&self, quantile: f64) -> f64 {
        self.latencies.value_at_quantile(quantile) as f64 / 1e6
    }
}

/// A running server.
#[derive(Clone, Copy)]
pub struct Target {
    pub address: SocketAddr,
    pub pid: u32,
}

fn all_cpu_seconds(servers: &[Target]) -> anyhow::Result<f64> {
    servers.iter().map(|server| cpu_seconds(server.pid)).sum()
}

pub struct Generator {
    runtime: Runtime,
}

impl Generator {
    /// One thread keeps 256 connections busy with a quarter of a core. A second one would gain
    /// nothing and take time from the server.
    pub fn new() -> anyhow::Result<Self> {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        Ok(Self { runtime })
    }

    pub fn block_on<T>(
        &self,
        future: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<T> {
        self.runtime.block_on(future)
    }

    /// Spreads the connections evenly over the servers.
    pub fn run(
        &self,
        servers: &[Target],
        common: &Arc<Common>,
        window: &Window,
    ) -> anyhow::Result<Outcome> {
        let timeout = window.limit.unwrap_or(TIMEOUT) + TIMEOUT;
        let outcome = run(servers, common, window);
        self.runtime
            .block_on(async { tokio::time::timeout(timeout, outcome).await })
            .with_context(|| format!("{:?}: calls were not answered", window.job))?
            .with_context(|| format!("{:?} over {} connections", window.job, window.connections))
    }
}

#[derive(Default)]
struct WorkerResult {
    latencies: Vec<Duration>,
    made: Vec<Item>,
}

async fn run(servers: &[Target], common: &Arc<Common>, window: &Window) -> anyhow::Result<Outcome> {
    // Connecting is not measured.
    let mut clients = Vec::new();
    for server in servers.iter().cycle().take(window.connections) {
        clients.push(Client::connect(server.address).await?);
    }
    let next = Arc::new(AtomicUsize::new(0));
    let mut random = Random::seeded();
    let (server_before, load_before) =
        (all_cpu_seconds(servers)?, cpu_seconds(std::process::id())?);
    let begun = Instant::now();
    let mut workers = JoinSet::new();
    for client in clients {
        let worker = Worker {
            client,
            job: window.job,
            items: Arc::clone(&window.items),
            next: Arc::clone(&next),
            end: window.limit.map(|limit| begun + limit),
            common: Arc::clone(common),
            random: Random(random.next()),
        };
        workers.spawn(worker.run());
    }
    let mut results = Vec::new();
    while let Some(result) = workers.join_next().await {
        results.push(result??);
    }
    let elapsed = begun.elapsed();
    let share = |before: f64, after: f64| (after - before) / elapsed.as_secs_f64().max(1e-9);
    let server_cpu = share(server_before, all_cpu_seconds(servers)?);
    let load_cpu = share(load_before, cpu_seconds(std::process::id())?);
    let mut outcome = Outcome {
        turns: 0,
        elapsed,
        latencies: Histogram::new(3)?,
        server_cpu,
        load_cpu,
        made: Vec::new(),
    };
    for result in results {
        outcome.turns += result.latencies.len();
        outcome.made.extend(result.made);
        for latency in result.latencies {
            outcome.latencies.record(u64::try_from(latency.as_nanos())?)?;
        }
    }
    // Sessions will be executed in the order in which they were created, as in real use.
    outcome.made.sort_unstable_by_key(|item| item.id);
    Ok(outcome)
}

struct Worker {
    client: Client,
    job: Job,
    items: Arc<Items>,
    next: Arc<AtomicUsize>,
    end: Option<Instant>,
    common: Arc<Common>,
    random: Random,
}

impl Worker {
    async fn run(mut self) -> anyhow::Result<WorkerResult> {
        let mut result = WorkerResult::default();
        loop {
            let begun = Instant::now();
            if self.end.is_some_and(|end| begun >= end) {
                return Ok(result);
            }
            let Some(item) = self.items.get(self.next.fetch_add(1, Ordering::Relaxed)) else {
                return Ok(result);
            };
            let id = self.job.turn(&mut self.client, &self.common, item, &mut self.random).await?;
            result.latencies.push(begun.elapsed());
            if id != 0 {
                result.made.push(Item { tenant: item.tenant, id });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_go_round_the_merchants() {
        let items = Items::Turns { turns: 4, first: 1, merchants: 3 };
        let tenants: Vec<_> =
            (0..6).map_while(|at| items.get(at)).map(|item| item.tenant).collect();
        assert_eq!(tenants, [1, 2, 3, 1]);
    }
}
