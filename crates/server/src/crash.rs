//! Ends the process at a named point, as a crash would, so that what is left can be looked at. Only
//! with the feature `crash-points`; no released program has it.
//!
//! `KOLA_CRASH_AT=before-commit:3` ends the server when one of its lanes is about to commit for the
//! third time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, ensure};
use domain::decision::prefetch::LockKey;
use domain::decision::workspace::{IdBlock, RowKey, Tables, Workspace};
use domain::execution::Word;
use domain::payments::provider_call::ProviderRequest;

use networks::{Provider, Reply};
use store::{Store, StoreError};

const SETTING: &str = "KOLA_CRASH_AT";
/// Each call has a point before it and one after it.
const CALLS: [&str; 9] =
    ["reserve_ids", "open", "load", "confirm", "persist", "commit", "start", "status", "cancel"];

/// Where the process ends. Clones count together.
#[derive(Clone)]
pub struct Plan {
    point: Arc<str>,
    /// Passings that are still survived, and the one that is not.
    left: Arc<AtomicU32>,
}

impl Plan {
    /// What the environment asks for.
    ///
    /// # Errors
    /// A point that is none: a test that waits for it would wait for ever.
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
        Ok(Some(Self { point: point.into(), left: Arc::new(AtomicU32::new(nth)) }))
    }

    /// The process ends here when this is the point, and the passing.
    fn pass(&self, when: &str, call: &str) {
        let here = self.point.strip_prefix(when).is_some_and(|point| point == call);
        if here && self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            eprintln!("crash point {}", self.point);
            // No destructor runs and nothing is flushed: what is not with the operating system is
            // lost.
            std::process::abort();
        }
    }

    fn around<T>(&self, name: &str, call: impl FnOnce() -> T) -> T {
        self.pass("before-", name);
        let done = call();
        self.pass("after-", name);
        done
    }

    async fn around_reply<'a>(&self, name: &str, call: impl FnOnce() -> Reply<'a>) -> Word {
        self.pass("before-", name);
        let word = call().await;
        self.pass("after-", name);
        word
    }

    /// Stores that end the process.
    #[must_use]
    pub fn stores(&self, stores: Vec<Box<dyn Store + Send>>) -> Vec<Box<dyn Store + Send>> {
        let wrap =
            |inner| -> Box<dyn Store + Send> { Box::new(Crashing { plan: self.clone(), inner }) };
        stores.into_iter().map(wrap).collect()
    }

    /// A provider that ends the process.
    #[must_use]
    pub fn provider(&self, inner: Arc<dyn Provider>) -> Arc<dyn Provider> {
        Arc::new(Crashing { plan: self.clone(), inner })
    }
}

/// What is called, with a point before and after each call.
struct Crashing<T> {
    plan: Plan,
    inner: T,
}

impl Store for Crashing<Box<dyn Store + Send>> {
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
        self.plan.around("persist", || self.inner.persist(work))
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        self.plan.around("commit", || self.inner.commit())
    }

    fn is_committed(&mut self) -> Result<bool, StoreError> {
        self.inner.is_committed()
    }

    fn rollback(&mut self) {
        self.inner.rollback();
    }
}

impl Provider for Crashing<Arc<dyn Provider>> {
    fn start<'a>(&'a self, request: &'a ProviderRequest) -> Reply<'a> {
        Box::pin(self.plan.around_reply("start", || self.inner.start(request)))
    }

    fn status<'a>(&'a self, request: &'a ProviderRequest) -> Reply<'a> {
        Box::pin(self.plan.around_reply("status", || self.inner.status(request)))
    }

    fn cancel<'a>(&'a self, request: &'a ProviderRequest) -> Reply<'a> {
        Box::pin(self.plan.around_reply("cancel", || self.inner.cancel(request)))
    }
}
