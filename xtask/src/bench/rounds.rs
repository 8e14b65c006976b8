//! The order of the measurements. Everything is measured once in each round, so that a machine that
//! slows down for a minute slows down both sides of a ratio.

mod networks;
mod push;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;

use super::database::Database;
use super::jobs::{Common, Item, Job, Tenant};
use super::load::{Generator, Items, Outcome, Target, Window};
use super::machine::peak_memory_mb;
use super::pgbench::Pgbench;
use super::raw::Raw;
use super::server::{Kola, Server};
use super::{Figures, Kind, Options, Phase, Sample, ServerStats, setup};
use crate::cluster::{self, Cluster};
pub use networks::LATENCY_MS;
pub use push::{ENDPOINTS, SITE_SOCKETS, SOCKETS};

const SPREAD: usize = 100;
/// How many payments a process makes before its memory is measured.
pub const PAYMENTS: i64 = 100_000;
/// The connections for preparations, which are not measured.
const CROWD: usize = 64;
/// So many payers pay on pages of one merchant at the same time.
const PAYERS: usize = 500;
/// How often each number of rows is measured.
const GROWN_WINDOWS: u32 = 5;
/// The connections of measurements in which the number of rows changes.
const GROWN_CONNECTIONS: usize = 128;
/// How many executions the raw yardstick writes in a transaction. A server's batches are within
/// this range.
const RAW_BATCHES: [usize; 4] = [1, 32, 64, 128];

/// The yardstick server, with the number of connections at which it is fastest.
const STATEMENTS: [(Phase, usize); 2] = [(Phase::StatementsHot, 32), (Phase::StatementsSpread, 16)];

pub struct Rounds<'a> {
    options: &'a Options,
    kola: Kola,
    /// The program that plays the networks, where it is wanted.
    fakes: Option<PathBuf>,
    dir: &'a Path,
    generator: Generator,
    template: Database,
    pgbench: Option<Pgbench>,
    tenants: Vec<Tenant>,
    figures: Figures,
}

impl<'a> Rounds<'a> {
    pub fn prepare(
        options: &'a Options,
        kola: Kola,
        fakes: Option<PathBuf>,
        dir: &'a Path,
    ) -> anyhow::Result<Self> {
        let generator = Generator::new()?;
        let template = match options.database {
            Kind::Sqlite => Database::Sqlite(dir.join("template.db")),
            Kind::Postgres => {
                // Durability is full, by default. The log may grow large, so that no checkpoint
                // falls into a measurement of some seconds, on either side.
                let settings = cluster::Options::new(dir)
                    .with("max_connections", "300")
                    .with("max_wal_size", "4GB");
                let settings = settings.with("shared_buffers", "512MB");
                let more = |settings: cluster::Options, (name, value): &(String, String)| {
                    settings.with(name, value)
                };
                let cluster =
                    Arc::new(Cluster::start(&options.settings.iter().fold(settings, more))?);
                Database::on_cluster(cluster, "template", dir)
            }
        };
        let pgbench = match &template {
            Database::Postgres { cluster, .. } if options.wants(Phase::Pgbench) => {
                Some(Pgbench::prepare(Arc::clone(cluster))?)
            }
            _ => None,
        };
        let (tenants, figures) = (Vec::new(), Figures::default());
        let mut rounds =
            Self { options, kola, fakes, dir, generator, template, pgbench, tenants, figures };
        if !rounds.wants_only_yardsticks() {
            let merchants = if options.wants_merchants() { 1 + SPREAD } else { 1 };
            rounds.tenants = setup::template(
                &rounds.kola,
                &rounds.generator,
                &rounds.template,
                merchants,
                &in_an_hour()?,
            )?;
        }
        Ok(rounds)
    }

    fn wants_only_yardsticks(&self) -> bool {
        let alone = |phase: &Phase| matches!(phase, Phase::Raw | Phase::Pgbench);
        !self.options.only.is_empty() && self.options.only.iter().all(alone)
    }

    pub fn run(mut self) -> anyhow::Result<Figures> {
        let mut parts = [
            Self::raw,
            Self::pgbench,
            Self::statements,
            Self::hot,
            Self::spread,
            Self::two_servers,
            Self::batch_one,
            Self::fakes_alone,
            Self::network,
            Self::waiting,
            Self::listening,
            Self::deliveries,
            Self::sockets,
        ];
        for round in 0..self.options.runs {
            for part in parts {
                part(&mut self, round)?;
            }
            if round == 0 {
                self.grown()?;
            }
            // The machine is cool at the start of a round and warm at its end, so the next round
            // has the opposite order.
            parts.reverse();
        }
        Ok(self.figures)
    }

    fn raw(&mut self, round: u32) -> anyhow::Result<()> {
        if !self.options.wants(Phase::Raw) {
            return Ok(());
        }
        let dir = self.dir.join("raw");
        fs::create_dir(&dir)?;
        let mut raw = Raw::create(&dir.join("raw.db"), &crate::root().join("migrations/sqlite"))?;
        for batch in RAW_BATCHES {
            let sessions = self.enough(Phase::Raw, batch, batch);
            let outcome = raw.run(sessions, batch, self.options.window())?;
            self.note(Sample {
                round,
                phase: Phase::Raw,
                width: batch,
                per_second: outcome.executions as f64 / outcome.elapsed.as_secs_f64(),
                p50_ms: outcome.latencies.value_at_quantile(0.5) as f64 / 1e6,
                p99_ms: outcome.latencies.value_at_quantile(0.99) as f64 / 1e6,
                server_cpu: None,
                load_cpu: None,
                batch: Some(batch as f64),
            });
        }
        drop(raw);
        fs::remove_dir_all(dir)?;
        Ok(())
    }

    fn pgbench(&mut self, round: u32) -> anyhow::Result<()> {
        let Some(pgbench) = &self.pgbench else { return Ok(()) };
        let mut samples = Vec::new();
        for connections in self.options.high_connection_counts() {
            samples.push(pgbench.run(round, connections, self.options.window())?);
        }
        samples.into_iter().for_each(|sample| self.note(sample));
        Ok(())
    }

    /// Lets the product create sessions; then the yardstick server executes them on the same
    /// database.
    fn statements(&mut self, round: u32) -> anyhow::Result<()> {
        for (phase, connections) in STATEMENTS {
            if !self.options.wants(phase) {
                continue;
            }
            let mut site = self.open(round, phase.name(), 1, &[])?;
            site.replace_by_statements(phase, connections)?;
            site.measure(phase, connections)?;
            site.close()?;
        }
        Ok(())
    }

    fn two_servers(&mut self, round: u32) -> anyhow::Result<()> {
        for phase in [Phase::TwoHot, Phase::TwoSpread] {
            if self.options.wants(phase) {
                let mut site = self.open(round, phase.name(), 2, &[])?;
                for connections in site.rounds.options.high_connection_counts() {
                    site.measure(phase, connections)?;
                }
                site.close()?;
            }
        }
        Ok(())
    }

    fn hot(&mut self, round: u32) -> anyhow::Result<()> {
        let options = self.options;
        let phases = [
            Phase::Noop,
            Phase::Status,
            Phase::Prediction,
            Phase::Page,
            Phase::Execute,
            Phase::Payment,
            Phase::Checkout,
            Phase::PagePayment,
        ];
        let last = round + 1 == options.runs && options.wants(Phase::Memory);
        if !last && !phases.into_iter().any(|phase| options.wants(phase)) {
            return Ok(());
        }
        let mut site = self.open(round, "one wallet", 1, &[])?;
        for &connections in &options.connections {
            site.measure(Phase::Execute, connections)?;
        }
        for &connections in &options.connections {
            site.measure(Phase::Noop, connections)?;
        }
        for connections in options.high_connection_counts() {
            site.measure(Phase::Status, connections)?;
            site.measure(Phase::Prediction, connections)?;
            site.measure(Phase::Page, connections)?;
        }
        for connections in options.high_connection_counts() {
            site.measure(Phase::Payment, connections)?;
        }
        for connections in options.high_connection_counts() {
            site.measure(Phase::Checkout, connections)?;
        }
        site.measure(Phase::PagePayment, PAYERS)?;
        if last {
            site.fill_up(PAYMENTS)?;
        }
        site.close()
    }

    fn spread(&mut self, round: u32) -> anyhow::Result<()> {
        if !self.options.wants(Phase::Spread) {
            return Ok(());
        }
        let mut site = self.open(round, "100 merchants", 1, &[])?;
        for connections in site.rounds.options.high_connection_counts() {
            site.measure(Phase::Spread, connections)?;
        }
        site.close()
    }

    /// Measures whether the cost of an execution depends on how many there are.
    fn grown(&mut self) -> anyhow::Result<()> {
        if self.options.grow.is_empty() {
            return Ok(());
        }
        let mut site = self.open(0, "grown", 1, &[])?;
        for &rows in &site.rounds.options.grow {
            site.fill_up(rows)?;
            // The vacuum and checkpoint after filling the tables must not fall into a measurement.
            site.database.vacuum()?;
            for phase in [Phase::Grown, Phase::GrownSpread] {
                // After a checkpoint PostgreSQL logs each page completely when it is first changed,
                // and a large index has many pages. So there are several measurements, of which the
                // report has the median.
                for _ in 0..GROWN_WINDOWS {
                    site.measure_with(phase, GROWN_CONNECTIONS, usize::try_from(rows)?)?;
                    site.sessions.clear();
                }
            }
        }
        site.close()
    }

    fn batch_one(&mut self, round: u32) -> anyhow::Result<()> {
        if !self.options.wants(Phase::BatchOne) {
            return Ok(());
        }
        let mut site = self.open(round, "batch of one", 1, &[("KOLA_BATCH_MAX", "1")])?;
        for connections in site.rounds.options.high_connection_counts() {
            site.measure(Phase::BatchOne, connections)?;
        }
        site.close()
    }

    fn open(
        &mut self,
        round: u32,
        name: &'static str,
        servers: usize,
        settings: &[(&str, &str)],
    ) -> anyhow::Result<Site<'_, 'a>> {
        let database = self.fresh_database()?;
        self.open_on(round, name, database, servers, settings)
    }

    fn fakes_binary(&self) -> anyhow::Result<&Path> {
        self.fakes.as_deref().context("no program that plays the networks")
    }

    fn fresh_database(&self) -> anyhow::Result<Database> {
        let database = self.template.sibling("run");
        database.copy(&self.template)?;
        Ok(database)
    }

    fn open_on(
        &mut self,
        round: u32,
        name: &'static str,
        database: Database,
        servers: usize,
        settings: &[(&str, &str)],
    ) -> anyhow::Result<Site<'_, 'a>> {
        let servers = (0..servers)
            .map(|number| self.kola.serve(&database, number, settings))
            .collect::<Result<Vec<_>, _>>()?;
        let server = servers.first().context("no server")?;
        setup::log_in_all(&self.generator, server.address, &mut self.tenants)
            .with_context(|| server.log())?;
        let common = Common {
            tenants: self.tenants.clone(),
            expires_at: in_an_hour()?,
            callbacks: Vec::new(),
        };
        let common = Arc::new(common);
        Ok(Site {
            rounds: self,
            round,
            name,
            database,
            servers,
            common,
            sessions: Vec::new(),
            invoices: Vec::new(),
            bytes_per_payment: None,
        })
    }

    /// How many items to prepare so that a measurement does not run out of them: by the rate of
    /// earlier measurements, or else a guess that is above the rate of a fast machine.
    fn enough(&self, phase: Phase, width: usize, connections: usize) -> usize {
        let seen = self
            .figures
            .samples
            .iter()
            .rev()
            .find(|sample| sample.phase == phase && sample.width == width);
        let guess = match phase {
            Phase::BatchOne => 4_000.0,
            Phase::StatementsHot | Phase::StatementsSpread => 3_000.0,
            Phase::Checkout | Phase::SandboxCheckout => 4_000.0,
            Phase::NetworkCheckout | Phase::NetworkLatency => 4_000.0,
            Phase::Raw if width > 1 => 30_000.0,
            _ if width < 4 => 3_000.0,
            _ if width < 32 => 10_000.0,
            _ if self.options.database == Kind::Postgres => 12_000.0,
            _ => 20_000.0,
        };
        let rate = seen.map_or(guess, |sample| sample.per_second * 1.25);
        (rate * self.options.seconds) as usize + connections
    }

    fn note(&mut self, sample: Sample) {
        let Sample { round, phase, width, per_second, p50_ms, .. } = &sample;
        eprintln!(
            "run {}: {} × {width}: {per_second:.0}/s, p50 {p50_ms:.2} ms",
            round + 1,
            phase.name()
        );
        self.figures.samples.push(sample);
    }
}

pub fn in_an_hour() -> anyhow::Result<String> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the server under test has a clock of its own, and it is the real one"
    )]
    let now = jiff::Timestamp::now();
    Ok(jiff::Timestamp::from_second(now.as_second() + 3600)?.to_string())
}

/// A server of a round, with the items that were prepared on it.
struct Site<'r, 'a> {
    rounds: &'r mut Rounds<'a>,
    round: u32,
    name: &'static str,
    database: Database,
    servers: Vec<Server>,
    common: Arc<Common>,
    sessions: Vec<Item>,
    invoices: Vec<Item>,
    bytes_per_payment: Option<f64>,
}

impl Site<'_, '_> {
    fn measure(&mut self, phase: Phase, connections: usize) -> anyhow::Result<()> {
        self.measure_with(phase, connections, connections)
    }

    /// Measures, and records the figures under another number than that of the connections.
    fn measure_with(
        &mut self,
        phase: Phase,
        connections: usize,
        width: usize,
    ) -> anyhow::Result<()> {
        if !self.rounds.options.wants(phase) {
            return Ok(());
        }
        let enough = self.rounds.enough(phase, width, connections);
        let (job, items) = match phase {
            Phase::Noop => (Job::Noop, hot(usize::MAX)),
            Phase::Status => (Job::Status, hot(usize::MAX)),
            Phase::Prediction => (Job::Prediction, hot(usize::MAX)),
            Phase::Page => (Job::Page, hot(usize::MAX)),
            Phase::PagePayment => (Job::PagePayment, hot(usize::MAX)),
            Phase::Payment | Phase::Raw | Phase::Memory => (Job::Payment, hot(usize::MAX)),
            Phase::Execute | Phase::BatchOne | Phase::TwoHot | Phase::Grown | Phase::Listening => {
                (Job::Execute, self.take_sessions(hot, enough)?)
            }
            Phase::Spread | Phase::TwoSpread | Phase::GrownSpread => {
                (Job::Execute, self.take_sessions(spread, enough)?)
            }
            // The product has created the sessions before.
            Phase::StatementsHot | Phase::StatementsSpread => {
                (Job::Execute, Items::Made(std::mem::take(&mut self.sessions)))
            }
            Phase::Pgbench | Phase::FakesAlone | Phase::Deliveries | Phase::Sockets => {
                return Ok(());
            }
            Phase::Checkout | Phase::SandboxCheckout => {
                (Job::Checkout, self.take_invoices(hot, enough)?)
            }
            Phase::NetworkCheckout | Phase::NetworkLatency => {
                (Job::NetworkCheckout, self.take_invoices(at_network, enough)?)
            }
            Phase::NetworkTransfer | Phase::NetworkWaiting => {
                (Job::Execute, self.take_sessions(at_network, enough)?)
            }
            Phase::Callbacks => (Job::Callback, at_network(self.common.callbacks.len())),
        };
        let items = Arc::new(items);
        let (commits, bytes) = (self.database.commits()?, self.database.bytes()?);
        // Each callback settles a payment that waits for it: all of them are sent.
        let limit = (phase != Phase::Callbacks).then(|| self.rounds.options.window());
        let outcome = self.run(job, connections, &items, limit)?;
        let commits = self.database.commits()?.wrapping_sub(commits);
        if phase == Phase::Payment {
            let grown = self.database.bytes()? - bytes;
            self.bytes_per_payment = Some(grown as f64 / outcome.turns.max(1) as f64);
        }
        self.put_back(job, items, outcome.turns);
        self.rounds.note(Sample {
            round: self.round,
            phase,
            width,
            per_second: outcome.per_second(),
            p50_ms: outcome.quantile_ms(0.5),
            p99_ms: outcome.quantile_ms(0.99),
            server_cpu: Some(outcome.server_cpu),
            load_cpu: Some(outcome.load_cpu),
            batch: (job == Job::Execute && commits > 0)
                .then(|| outcome.turns as f64 / f64::from(commits.max(1))),
        });
        Ok(())
    }

    fn run(
        &self,
        job: Job,
        connections: usize,
        items: &Arc<Items>,
        limit: Option<Duration>,
    ) -> anyhow::Result<Outcome> {
        let window = Window { job, connections, items: Arc::clone(items), limit };
        let target = |server: &Server| Target { address: server.address, pid: server.pid() };
        let targets: Vec<_> = self.servers.iter().map(target).collect();
        let outcome = self.rounds.generator.run(&targets, &self.common, &window);
        let logs = || self.servers.iter().map(Server::log).collect::<Vec<_>>().join("\n");
        outcome.with_context(|| format!("the server's log ends with:\n{}", logs()))
    }

    fn take_sessions(&mut self, turns: fn(usize) -> Items, count: usize) -> anyhow::Result<Items> {
        let missing = count.saturating_sub(self.sessions.len());
        let made = self.run(Job::Session, CROWD, &Arc::new(turns(missing)), None)?.made;
        self.sessions.extend(made);
        Ok(Items::Made(std::mem::take(&mut self.sessions)))
    }

    fn take_invoices(&mut self, turns: fn(usize) -> Items, count: usize) -> anyhow::Result<Items> {
        let missing = count.saturating_sub(self.invoices.len());
        let made = self.run(Job::Invoice, CROWD, &Arc::new(turns(missing)), None)?.made;
        self.invoices.extend(made);
        Ok(Items::Made(std::mem::take(&mut self.invoices)))
    }

    /// Keeps unused items for the next measurement. Items are used in order, so those after the
    /// last turn are unused.
    fn put_back(&mut self, job: Job, items: Arc<Items>, used: usize) {
        if let Ok(Items::Made(mut items)) = Arc::try_unwrap(items).map_err(drop) {
            items.drain(..used);
            match job {
                Job::Checkout | Job::NetworkCheckout => self.invoices = items,
                _ => self.sessions = items,
            }
        }
    }

    /// Makes payments until there are so many executions.
    fn fill_up(&mut self, executions: i64) -> anyhow::Result<()> {
        let mut missing = usize::try_from(executions - self.database.executions()?).unwrap_or(0);
        // In parts, because all of them may take a slow machine longer than a time-out.
        while missing > 0 {
            let portion = missing.min(10_000);
            self.run(Job::Payment, CROWD, &Arc::new(hot(portion)), None)?;
            missing -= portion;
        }
        Ok(())
    }

    /// Creates sessions and stops the product's server, so that the yardstick server can execute
    /// them.
    fn replace_by_statements(&mut self, phase: Phase, connections: usize) -> anyhow::Result<()> {
        let turns = if phase == Phase::StatementsHot { hot } else { spread };
        let enough = self.rounds.enough(phase, connections, connections);
        if let Items::Made(made) = self.take_sessions(turns, enough)? {
            self.sessions = made;
        }
        for server in self.servers.drain(..) {
            server.stop()?;
        }
        self.servers.push(Kola::serve_statements(&self.database, connections)?);
        Ok(())
    }

    fn close(self) -> anyhow::Result<()> {
        let peak = self
            .servers
            .iter()
            .map(|server| peak_memory_mb(server.pid()))
            .collect::<Result<Vec<_>, _>>()?;
        let peak = peak.into_iter().fold(0.0, f64::max);
        let visit = ServerStats {
            round: self.round,
            name: self.name,
            executions: self.database.executions()?,
            peak_memory_mb: peak,
            database_mb: self.database.bytes()? as f64 / 1e6,
            bytes_per_payment: self.bytes_per_payment,
        };
        for server in self.servers {
            server.stop()?;
        }
        self.rounds.kola.ledger_verify(&self.database)?;
        self.rounds.figures.visits.push(visit);
        self.database.remove()
    }
}

/// Turns that all go to the merchant with the hot wallet.
fn hot(turns: usize) -> Items {
    Items::Turns { turns, first: 0, merchants: 1 }
}

/// Turns that all go to the merchant whose payments go to the fakes.
fn at_network(turns: usize) -> Items {
    Items::Turns { turns, first: networks::TENANT, merchants: 1 }
}

fn spread(turns: usize) -> Items {
    Items::Turns { turns, first: 1, merchants: SPREAD }
}
