//! What stands in the database and in the memory of the server, read when somebody asks.
//!
//! The database is read at most once in [`EVERY`], whoever asks and however often, and with a limit of
//! time. Where it does not answer, `kola_database_up` is 0 and what it would say is left out: an old
//! number would look like a good one.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use domain::exceptions::review::ReviewKind;
use domain::kernel::currency::Currency;
use domain::kernel::time::ServerTime;
use domain::ledger::installation_check::{CheckKind, InstallationCheck};
use domain::network_accounts::account::{AccountStatus, NetworkAccount};
use domain::reconciliation::balance::NetworkBalance;
use domain::tariff::Tariff;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use store::reads::Queries;
use store::reads::backlog::{OpenAmount, WaitingDeliveries};
use store::reads::due::DueKind;
use store::reads::scope::SystemReads;
use store::schema::migrate;
use store::{StoreError, clock};
use tokio::sync::Mutex;

use crate::app::App;
use crate::telemetry::disk::DiskSpace;

type SecondsGauge = Gauge<f64, std::sync::atomic::AtomicU64>;

/// How often the database is read at most.
const EVERY: Duration = Duration::from_secs(5);
/// Longer than this nobody waits for the database: Prometheus gives up after ten seconds.
const WITHIN: Duration = Duration::from_secs(4);

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct LaneLabel {
    lane: u32,
}

/// Not `job`, which is Prometheus's own label.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct WorkLabel {
    work: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct KindLabel {
    kind: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct SuspenseLabels {
    currency: String,
    direction: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct PoolLabels {
    pool: &'static str,
    state: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct AccountLabel {
    account: String,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct BalanceLabels {
    account: String,
    currency: String,
}

/// What the database said, and when.
#[derive(Default)]
pub(super) struct Watched(Mutex<Option<(Instant, Option<FromDatabase>)>>);

/// What the database says.
#[derive(Clone)]
struct FromDatabase {
    /// How long each kind's oldest due row has been due.
    overdue: Vec<(DueKind, Duration)>,
    open: Vec<OpenAmount>,
    approvals: i64,
    next_dispute_due: Option<ServerTime>,
    deliveries: WaitingDeliveries,
    verification: InstallationCheck,
    backup: InstallationCheck,
    wal_archived_at: Option<ServerTime>,
    are_payouts_stopped: bool,
    reconciled: Vec<Reconciled>,
    balances: Vec<(String, NetworkBalance)>,
    read_at: ServerTime,
    /// How far the database's clock is ahead of this process's, in microseconds.
    clock_ahead_us: i64,
}

/// How an account at a network is reconciled.
#[derive(Clone)]
struct Reconciled {
    account: String,
    open_differences: i64,
    /// When a statement of it was last compared, or else when it was added.
    compared_at: ServerTime,
}

impl Reconciled {
    async fn of_all(reads: SystemReads<'_>, tariff: &Tariff) -> Result<Vec<Self>, StoreError> {
        let open = reads.open_differences().await?;
        let mut all = vec![];
        let at_work = |account: &&NetworkAccount| account.status != AccountStatus::Closed;
        for account in tariff.real_accounts().filter(at_work) {
            let known = reads.reconciliation(account.id).await?;
            let completed_at = known.and_then(|known| known.completed_at);
            let of_account = open.iter().find(|(id, _)| *id == account.id);
            all.push(Self {
                account: account.name.clone(),
                open_differences: of_account.map_or(0, |(_, count)| *count),
                compared_at: completed_at.unwrap_or(account.created_at),
            });
        }
        Ok(all)
    }
}

impl FromDatabase {
    async fn read(queries: &Queries) -> Result<Self, StoreError> {
        let reads = queries.for_system();
        let before = clock::now();
        let database_time = reads.database_time().await?;
        let now = clock::now();
        // The database told its time in the middle of the wait for it.
        let halfway = before.plus(now.since(before) / 2);
        let mut overdue = Vec::with_capacity(DueKind::ALL.len());
        for kind in DueKind::ALL {
            let oldest = reads.oldest_due(kind, now).await?;
            overdue.push((kind, oldest.map_or(Duration::ZERO, |due_at| passed(due_at, now))));
        }
        let tariff = reads.tariff().await?;
        let with_name = |balance: NetworkBalance| {
            let account = tariff.network_account(balance.network_account_id)?;
            Some((account.name.clone(), balance))
        };
        let balances = reads.network_balances().await?.into_iter().filter_map(with_name).collect();
        Ok(Self {
            overdue,
            open: reads.open_amounts().await?,
            next_dispute_due: reads.next_dispute_due().await?,
            approvals: reads.approvals_waiting().await?,
            deliveries: reads.waiting_deliveries().await?,
            verification: reads.installation_check(CheckKind::Verify).await?,
            backup: reads.installation_check(CheckKind::Backup).await?,
            wal_archived_at: reads.wal_archived_at().await?,
            are_payouts_stopped: tariff.payouts_stop.is_some(),
            reconciled: Reconciled::of_all(reads, &tariff).await?,
            balances,
            read_at: now,
            clock_ahead_us: database_time.map_or(0, |time| time.since(halfway)),
        })
    }
}

/// How long ago a time was; nothing for one that is still to come.
fn passed(then: ServerTime, now: ServerTime) -> Duration {
    Duration::from_micros(u64::try_from(now.since(then)).unwrap_or(0))
}

/// A time as a metric: in seconds, 0 for never.
fn time(at: Option<ServerTime>) -> f64 {
    let since = at.map_or(Duration::ZERO, |at| passed(ServerTime(0), at));
    since.as_secs_f64()
}

impl Watched {
    /// What the database says, at most [`EVERY`] old. `None` while it says nothing.
    async fn read(&self, queries: &Queries) -> Option<FromDatabase> {
        let mut known = self.0.lock().await;
        if let Some((at, found)) = known.as_ref()
            && at.elapsed() < EVERY
        {
            return found.clone();
        }
        let read = tokio::time::timeout(WITHIN, FromDatabase::read(queries)).await;
        let found = match read {
            Ok(Ok(found)) => Some(found),
            Ok(Err(error)) => {
                tracing::warn!(%error, "the database could not be read for the metrics");
                None
            }
            Err(_) => {
                tracing::warn!("the database did not answer in time for the metrics");
                None
            }
        };
        *known = Some((Instant::now(), found.clone()));
        found
    }

    pub(super) async fn register(&self, app: &App, registry: &mut Registry) {
        let found = self.read(&app.queries).await;
        register_server(app, registry);
        integer(
            registry,
            "kola_database_up",
            "Whether the database answers",
            i64::from(found.is_some()),
        );
        if let Some(found) = found {
            found.register(registry);
        }
    }
}

/// What the memory of the server says.
fn register_server(app: &App, registry: &mut Registry) {
    let build = Info::new(vec![
        ("version", env!("CARGO_PKG_VERSION").to_owned()),
        ("schema", migrate::known().to_string()),
    ]);
    registry.register("kola_build", "The version of the program, and of its schema", build);
    let queued = Family::<LaneLabel, Gauge>::default();
    for (lane, waiting) in (0_u32..).zip(app.engine.queued()) {
        let waiting = i64::try_from(waiting).unwrap_or(i64::MAX);
        queued.get_or_create(&LaneLabel { lane }).set(waiting);
    }
    registry.register("kola_lane_queue_commands", "Commands that wait for a lane", queued);
    let most = i64::try_from(app.config.connections_max).unwrap_or(i64::MAX);
    integer(
        registry,
        "kola_http_connections_max",
        "How many connections may be open at once",
        most,
    );
    if let Some(space) = app.config.database_folder.as_deref().and_then(DiskSpace::of) {
        let bytes = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
        let (free_help, size_help) = (
            "Free space of the disk with the database file",
            "Size of the disk with the database file",
        );
        integer(registry, "kola_database_disk_free_bytes", free_help, bytes(space.free_bytes));
        integer(registry, "kola_database_disk_size_bytes", size_help, bytes(space.bytes));
    }
    integer(
        registry,
        "kola_realtime_sockets",
        "Open websockets, and pages that wait for a change",
        i64::try_from(app.sockets.taken()).unwrap_or(i64::MAX),
    );
    integer(
        registry,
        "kola_event_streams",
        "Open streams of events",
        i64::try_from(app.streams.taken()).unwrap_or(i64::MAX),
    );
    let pools = Family::<PoolLabels, Gauge>::default();
    for pool in app.queries.pools() {
        for (state, count) in [("in_use", pool.in_use), ("idle", pool.idle)] {
            let labels = PoolLabels { pool: pool.name, state };
            pools.get_or_create(&labels).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }
    registry.register(
        "kola_database_pool_connections",
        "Connections that read from the database",
        pools,
    );
}

impl FromDatabase {
    fn register(&self, registry: &mut Registry) {
        let overdue = Family::<WorkLabel, SecondsGauge>::default();
        for (kind, age) in &self.overdue {
            let work = match kind {
                DueKind::Executions => "poll",
                DueKind::Sessions => "expire_sessions",
                DueKind::UnpaidOrders => "cancel_unpaid",
                DueKind::Approvals => "expire_approvals",
            };
            overdue.get_or_create(&WorkLabel { work }).set(age.as_secs_f64());
        }
        registry.register(
            "kola_due_oldest_age_seconds",
            "How long the work of a job has been due that has been due for longest",
            overdue,
        );
        self.register_reviews(registry);
        self.register_checks(registry);
        self.register_reconciliation(registry);
        integer(
            registry,
            "kola_approvals_open",
            "Payouts and transfers that wait for a second person",
            self.approvals,
        );
        integer(
            registry,
            "kola_webhook_backlog",
            "Deliveries of webhooks that wait",
            self.deliveries.count,
        );
        let oldest = self.deliveries.oldest_untried_at;
        let age = oldest.map_or(Duration::ZERO, |made_at| passed(made_at, self.read_at));
        seconds(
            registry,
            "kola_webhook_oldest_age_seconds",
            "How long the oldest webhook waits of those that nobody has tried to deliver yet",
            age.as_secs_f64(),
        );
        let ahead = Duration::from_micros(self.clock_ahead_us.unsigned_abs()).as_secs_f64();
        seconds(
            registry,
            "kola_database_clock_offset_seconds",
            "How far the database's clock is ahead of this process's",
            ahead.copysign(if self.clock_ahead_us < 0 { -1.0 } else { 1.0 }),
        );
    }

    fn register_checks(&self, registry: &mut Registry) {
        let verification = &self.verification;
        seconds(
            registry,
            "kola_ledger_verify_timestamp_seconds",
            "When the last verification of the ledger came to its end; 0 for never",
            time(verification.completed_at()),
        );
        integer(
            registry,
            "kola_ledger_verify_violations",
            "How many violations the last verification of the ledger found",
            verification.violations,
        );
        let took = verification.ended_at.zip(verification.begun_at);
        let took = took.map_or(Duration::ZERO, |(ended, begun)| passed(begun, ended));
        seconds(
            registry,
            "kola_ledger_verify_duration_seconds",
            "How long the last verification of the ledger took",
            took.as_secs_f64(),
        );
        seconds(
            registry,
            "kola_backup_timestamp_seconds",
            "When the last good backup on record was complete; 0 for never",
            time(self.backup.good_at),
        );
        if let Some(at) = self.wal_archived_at {
            seconds(
                registry,
                "kola_wal_archived_timestamp_seconds",
                "When PostgreSQL last archived a piece of its log",
                time(Some(at)),
            );
        }
        integer(
            registry,
            "kola_payouts_stopped",
            "Whether payouts and refunds are stopped",
            i64::from(self.are_payouts_stopped),
        );
    }

    fn register_reconciliation(&self, registry: &mut Registry) {
        let open = Family::<AccountLabel, Gauge>::default();
        let compared = Family::<AccountLabel, SecondsGauge>::default();
        for of in &self.reconciled {
            let label = AccountLabel { account: of.account.clone() };
            open.get_or_create(&label).set(of.open_differences);
            compared.get_or_create(&label).set(time(Some(of.compared_at)));
        }
        registry.register(
            "kola_reconciliation_differences_open",
            "What the statements of an account and the ledger do not agree on, and nobody has explained",
            open,
        );
        registry.register(
            "kola_reconciliation_compared_timestamp_seconds",
            "When a statement of an account was last compared to its end, or else when it was added",
            compared,
        );
        let held = Family::<BalanceLabels, Gauge>::default();
        let differs = Family::<BalanceLabels, Gauge>::default();
        let asked = Family::<BalanceLabels, SecondsGauge>::default();
        for (account, balance) in &self.balances {
            let currency = balance.currency.code().to_owned();
            let labels = BalanceLabels { account: account.clone(), currency };
            held.get_or_create(&labels).set(balance.network_minor);
            let difference = balance.difference();
            let bound = if difference < 0 { i64::MIN } else { i64::MAX };
            differs.get_or_create(&labels).set(i64::try_from(difference).unwrap_or(bound));
            asked.get_or_create(&labels).set(time(Some(balance.read_at)));
        }
        registry.register(
            "kola_network_balance_minor",
            "What a network said that it keeps for an account, in minor units",
            held,
        );
        registry.register(
            "kola_network_balance_difference_minor",
            "What a network keeps beyond what the ledger says, with the lines that are not booked yet, in minor units",
            differs,
        );
        registry.register(
            "kola_network_balance_timestamp_seconds",
            "When a network was last asked what it keeps for an account",
            asked,
        );
    }

    fn register_reviews(&self, registry: &mut Registry) {
        let reviews = Family::<KindLabel, Gauge>::default();
        for kind in ReviewKind::ALL {
            reviews.get_or_create(&KindLabel { kind: kind.as_str() }).set(0);
        }
        let mut sums = HashMap::<(Currency, &'static str), i64>::new();
        for open in &self.open {
            reviews.get_or_create(&KindLabel { kind: open.kind.as_str() }).inc();
            let direction = if open.amount_minor < 0 { "missing" } else { "found" };
            let sum = sums.entry((open.currency, direction)).or_default();
            *sum = sum.saturating_add(open.amount_minor.saturating_abs());
        }
        let suspense = Family::<SuspenseLabels, Gauge>::default();
        for ((currency, direction), sum) in sums {
            let labels = SuspenseLabels { currency: currency.code().to_owned(), direction };
            suspense.get_or_create(&labels).set(sum);
        }
        let disputes = self.open.iter().filter(|open| open.kind == ReviewKind::Dispute).count();
        integer(
            registry,
            "kola_disputes_open",
            "Disputes of card payments that nobody has resolved",
            i64::try_from(disputes).unwrap_or(i64::MAX),
        );
        seconds(
            registry,
            "kola_dispute_next_due_timestamp_seconds",
            "Until when the open dispute that is due first can be answered; 0 for none",
            time(self.next_dispute_due),
        );
        registry.register("kola_reviews_open", "Reviews that nobody has resolved", reviews);
        registry.register(
            "kola_suspense_minor",
            "Money in suspense, in minor units: found, or missing",
            suspense,
        );
    }
}

fn integer(registry: &mut Registry, name: &str, help: &str, value: i64) {
    let gauge: Gauge = Gauge::default();
    gauge.set(value);
    registry.register(name, help, gauge);
}

fn seconds(registry: &mut Registry, name: &str, help: &str, value: f64) {
    let gauge = SecondsGauge::default();
    gauge.set(value);
    registry.register(name, help, gauge);
}
