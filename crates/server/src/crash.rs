//! Crash points: ends the process at a named point, so that a test can examine what is left. Only
//! with the feature `crash-points`; no released program has it.
//!
//! `KOLA_CRASH_AT=before-commit:3` aborts the server when its lanes are about to commit for the
//! third time.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use anyhow::{Context, ensure};
use domain::decision::use_case::LockKey;
use domain::decision::workspace::{IdBlock, RowChange, RowKey, Tables, Workspace};
use domain::payments::outcome::ProviderOutcome;
use domain::payments::provider_call::ProviderRequest;

use networks::{OutcomeFuture, Provider};
use store::{Store, StoreError};

const SETTING: &str = "KOLA_CRASH_AT";
/// The calls with a point before them and one after them. A commit has further names by what it
/// writes of webhooks: a new message, that its deliveries were made, that deliveries were claimed,
/// and what came of an attempt.
const CALLS: [&str; 14] = [
    "reserve_ids",
    "open",
    "load",
    "confirm",
    "persist",
    "commit",
    "start",
    "status",
    "cancel",
    COMMIT_MESSAGE,
    COMMIT_FAN_OUT,
    COMMIT_CLAIM,
    DELIVER,
    COMMIT_ATTEMPT,
];
const COMMIT_MESSAGE: &str = "commit_message";
const COMMIT_FAN_OUT: &str = "commit_fan_out";
const COMMIT_CLAIM: &str = "commit_claim";
const COMMIT_ATTEMPT: &str = "commit_attempt";
/// The request to an endpoint, until its answer was read.
const DELIVER: &str = "deliver";

/// The plan of this process, for what is neither a store nor a provider.
static PLAN: OnceLock<Plan> = OnceLock::new();

/// The point where the process ends. Clones share the count.
#[derive(Clone)]
pub struct Plan {
    point: Arc<str>,
    /// How often the point is still reached, the last time included.
    left: Arc<AtomicU32>,
}

impl Plan {
    /// Reads `KOLA_CRASH_AT`.
    ///
    /// # Errors
    /// For a point that does not exist: a test would wait for it for ever.
    pub fn from_environment() -> anyhow::Result<Option<Self>> {
        let Ok(text) = std::env::var(SETTING) else { return Ok(None) };
        let (point, nth) = text.split_once(':').unwrap_or((&text, "1"));
        let call = point
            .strip_prefix("before-")
            .or_else(|| point.strip_prefix("after-"))
            .unwrap_or_default();
        ensure!(CALLS.contains(&call), "{SETTING}: there is no point {point}");
        let nth: u32 = nth.parse().context(SETTING)?;
        ensure!(nth > 0, "{SETTING}: passings are counted from 1");
        let plan = Self { point: point.into(), left: Arc::new(AtomicU32::new(nth)) };
        Ok(Some(PLAN.get_or_init(|| plan).clone()))
    }

    /// Aborts the process when this is the point, reached for the last time of the count.
    fn pass(&self, when: &str, call: &str) {
        let here = self.point.strip_prefix(when).is_some_and(|point| point == call);
        if here && self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            eprintln!("crash point {}", self.point);
            // No destructor runs and no buffer is flushed, as in a crash.
            std::process::abort();
        }
    }

    fn around<T>(&self, name: &str, call: impl FnOnce() -> T) -> T {
        self.pass("before-", name);
        let result = call();
        self.pass("after-", name);
        result
    }

    async fn around_call<'a>(
        &self,
        name: &str,
        call: impl FnOnce() -> OutcomeFuture<'a>,
    ) -> ProviderOutcome {
        self.pass("before-", name);
        let outcome = call().await;
        self.pass("after-", name);
        outcome
    }

    /// The same stores, with crash points.
    #[must_use]
    pub fn stores(&self, stores: Vec<Box<dyn Store + Send>>) -> Vec<Box<dyn Store + Send>> {
        let wrap = |inner| -> Box<dyn Store + Send> {
            Box::new(CrashingStore { plan: self.clone(), inner, written: Vec::new() })
        };
        stores.into_iter().map(wrap).collect()
    }

    /// The same provider, with crash points.
    #[must_use]
    pub fn provider(&self, inner: Arc<dyn Provider>) -> Arc<dyn Provider> {
        Arc::new(CrashingProvider { plan: self.clone(), inner })
    }
}

/// A delivery to an endpoint, with a point before and after it.
pub async fn around_delivery<T>(delivery: impl Future<Output = T>) -> T {
    let Some(plan) = PLAN.get() else { return delivery.await };
    plan.pass("before-", DELIVER);
    let result = delivery.await;
    plan.pass("after-", DELIVER);
    result
}

/// What a transaction writes of webhooks, by the names of the points around its commit.
fn written_of_webhooks(work: &Workspace) -> Vec<&'static str> {
    let mut names = vec![];
    for change in work.tables.webhook_messages.changes() {
        names.push(match change {
            RowChange::Insert(_) => COMMIT_MESSAGE,
            RowChange::Update(_) => COMMIT_FAN_OUT,
        });
    }
    let deliveries = work.tables.webhook_deliveries.changes();
    if deliveries.iter().any(|change| matches!(change, RowChange::Update(row) if row.is_under_way))
    {
        names.push(COMMIT_CLAIM);
    }
    if !work.tables.webhook_attempts.changes().is_empty() {
        names.push(COMMIT_ATTEMPT);
    }
    names.sort_unstable();
    names.dedup();
    names
}

/// A store with a point before and after each call.
struct CrashingStore {
    plan: Plan,
    inner: Box<dyn Store + Send>,
    /// What the open transaction has written of webhooks.
    written: Vec<&'static str>,
}

/// A provider with a point before and after each call.
struct CrashingProvider {
    plan: Plan,
    inner: Arc<dyn Provider>,
}

impl Store for CrashingStore {
    fn is_local(&self) -> bool {
        self.inner.is_local()
    }

    fn reserve_ids(&mut self, count: i64) -> Result<IdBlock, StoreError> {
        self.plan.around("reserve_ids", || self.inner.reserve_ids(count))
    }

    fn open(
        &mut self,
        ids: IdBlock,
        lock_keys: &[LockKey],
        keys: &[RowKey],
    ) -> Result<Workspace, StoreError> {
        self.plan.around("open", || self.inner.open(ids, lock_keys, keys))
    }

    fn load(&mut self, keys: &[RowKey], tables: &mut Tables) -> Result<(), StoreError> {
        self.plan.around("load", || self.inner.load(keys, tables))
    }

    fn confirm(&mut self, tables: &mut Tables) -> Result<bool, StoreError> {
        self.plan.around("confirm", || self.inner.confirm(tables))
    }

    fn persist(&mut self, work: &Workspace) -> Result<(), StoreError> {
        self.written = written_of_webhooks(work);
        self.plan.around("persist", || self.inner.persist(work))
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        let written = std::mem::take(&mut self.written);
        for name in &written {
            self.plan.pass("before-", name);
        }
        let result = self.plan.around("commit", || self.inner.commit());
        for name in &written {
            self.plan.pass("after-", name);
        }
        result
    }

    fn is_committed(&mut self) -> Result<bool, StoreError> {
        self.inner.is_committed()
    }

    fn rollback(&mut self) {
        self.inner.rollback();
    }
}

impl Provider for CrashingProvider {
    fn start<'a>(&'a self, request: &'a ProviderRequest) -> OutcomeFuture<'a> {
        Box::pin(self.plan.around_call("start", || self.inner.start(request)))
    }

    fn status<'a>(&'a self, request: &'a ProviderRequest) -> OutcomeFuture<'a> {
        Box::pin(self.plan.around_call("status", || self.inner.status(request)))
    }

    fn cancel<'a>(&'a self, request: &'a ProviderRequest) -> OutcomeFuture<'a> {
        Box::pin(self.plan.around_call("cancel", || self.inner.cancel(request)))
    }
}
