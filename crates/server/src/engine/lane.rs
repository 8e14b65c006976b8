//! A lane runs one batch after another: load, decide, persist, commit.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use domain::decision::command::Request;
use domain::decision::settings::Settings;
use domain::decision::use_case::{Context, LockKey};
use domain::decision::workspace::{IDS_PER_COMMAND, IdBlock, RowKey, Stop, Workspace};
use domain::kernel::time::ServerTime;
use domain::kernel::trace::TraceContext;
use domain::webhooks::subject::MessageWriter;

use crate::engine::timer::{SystemTimer, Timer};
use crate::engine::{Failure, Outcome};
use crate::telemetry::metrics::{CommitEnd, EngineMetrics};
use crate::telemetry::traces::Traces;
use store::{Store, StoreError, clock};

/// How many ids are reserved at a time. The rest of a block is never used when a process ends.
const ID_BLOCK: i64 = 10_000;
/// How often a batch is run that the database refuses. After that each command runs by itself.
const BATCH_TRIES: usize = 3;
/// How often a command is decided again, by itself, when its decision found inconsistent rows.
const INCONSISTENT_TRIES: usize = 2;
/// A decision reads fewer rows than this. More would be an endless loop.
const MAX_LOADS: usize = 256;
/// A batch is decided within fewer rounds than this, each of which loads missing rows or repeats
/// the decisions on rows that others changed.
const MAX_ROUNDS: usize = 64;
/// How long the lane tries to find out whether a commit without an answer was done.
const FIND_OUT_MAX: Duration = Duration::from_secs(3);
/// The pause between two tries to find out.
const FIND_OUT_PAUSE: Duration = Duration::from_millis(200);
/// The pause before the next try when the database cannot be reached.
const UNREACHABLE_PAUSE: Duration = Duration::from_millis(50);
/// A batch that took longer than this is not tried again: its callers would time out.
const RETRY_WITHIN: Duration = Duration::from_secs(3);

/// Runs batches of commands on a store.
pub struct Lane<S> {
    store: S,
    settings: Settings,
    clock: Arc<dyn Fn() -> ServerTime + Send + Sync>,
    write_message: Arc<MessageWriter>,
    timer: Arc<dyn Timer>,
    metrics: Option<EngineMetrics>,
    ids: IdBlock,
    id_block: i64,
    traces: Traces,
}

/// The end of a batch that was not rolled back.
enum BatchEnd {
    Committed(Vec<Outcome>),
    /// The commit had no answer, and the lane could not find out whether it was done.
    Unknown,
}

impl<S: Store> Lane<S> {
    pub fn new(
        store: S,
        settings: Settings,
        clock: Arc<dyn Fn() -> ServerTime + Send + Sync>,
        write_message: Arc<MessageWriter>,
    ) -> Self {
        let timer = Arc::new(SystemTimer::default());
        let ids = IdBlock { next: 0, end: 0 };
        let (metrics, traces) = (None, Traces::default());
        let id_block = ID_BLOCK;
        Self { store, settings, clock, write_message, timer, metrics, ids, id_block, traces }
    }

    /// Makes it a lane for a few commands: it reserves no more ids than one command needs.
    #[must_use]
    pub fn short_lived(self) -> Self {
        Self { id_block: IDS_PER_COMMAND, ..self }
    }

    /// Replaces how the lane waits. In the simulator, time is virtual.
    #[must_use]
    pub fn with_timer(self, timer: Arc<dyn Timer>) -> Self {
        Self { timer, ..self }
    }

    /// Counts and measures its batches.
    #[must_use]
    pub fn with_metrics(self, metrics: EngineMetrics) -> Self {
        Self { metrics: Some(metrics), ..self }
    }

    /// Records the steps of commands that are traced.
    #[must_use]
    pub fn with_traces(self, traces: Traces) -> Self {
        Self { traces, ..self }
    }

    pub const fn store(&self) -> &S {
        &self.store
    }

    /// Runs a batch in one transaction. When it returns, the outcomes are on disk; they are in the
    /// order of the commands.
    pub fn run(&mut self, requests: &[Request]) -> Vec<Outcome> {
        let all = |failure: &Failure| requests.iter().map(|_| Err(failure.clone())).collect();
        let start = self.timer.elapsed();
        for attempt in 1..=BATCH_TRIES {
            match self.run_counted(requests) {
                Ok(BatchEnd::Committed(outcomes)) => {
                    return self.decide_inconsistent_again(requests, outcomes);
                }
                Ok(BatchEnd::Unknown) => return all(&Failure::Unknown),
                Err(error) => {
                    if matches!(error, StoreError::FileMoved { .. }) {
                        // The watch of the database file logs it.
                        return all(&Failure::Unavailable(error.to_string()));
                    }
                    tracing::warn!(%error, attempt, commands = requests.len(), "a batch was rolled back");
                    if error.is_busy() {
                        // The batch waited for the lock already; so would each command by itself.
                        return all(&Failure::Unavailable("the database is busy".to_owned()));
                    }
                    if error.is_unavailable() {
                        if attempt == BATCH_TRIES || self.since(start) > RETRY_WITHIN {
                            return all(&Failure::Unavailable(
                                "the database cannot be reached".to_owned(),
                            ));
                        }
                        self.timer.sleep(UNREACHABLE_PAUSE);
                    }
                }
            }
        }
        // One command may be the cause: each runs by itself, so that the others do not fail with
        // it.
        requests.iter().map(|request| self.run_single(request)).collect()
    }

    /// Runs a command again, by itself, if its decision found inconsistent rows.
    ///
    /// On PostgreSQL the rows of a batch are read without locks at several points in time. Another
    /// process may have changed some of them in between, and rows that the decision does not change
    /// are never locked and compared. Only a command that fails on fresh rows, too, is a bug.
    fn decide_inconsistent_again(
        &mut self,
        requests: &[Request],
        mut outcomes: Vec<Outcome>,
    ) -> Vec<Outcome> {
        if self.store.is_local() {
            return outcomes;
        }
        for (request, outcome) in requests.iter().zip(&mut outcomes) {
            for _ in 0..INCONSISTENT_TRIES {
                if matches!(outcome, Err(Failure::Internal(_))) {
                    *outcome = self.run_single(request);
                }
            }
        }
        outcomes
    }

    fn since(&self, start: Duration) -> Duration {
        self.timer.elapsed().saturating_sub(start)
    }

    fn run_single(&mut self, request: &Request) -> Outcome {
        match self.run_counted(std::slice::from_ref(request)) {
            Ok(BatchEnd::Committed(outcomes)) => first(outcomes),
            Ok(BatchEnd::Unknown) => Err(Failure::Unknown),
            Err(error) => Err(Failure::Unavailable(error.to_string())),
        }
    }

    /// Runs a batch once, and counts it unless it was committed, which is counted with its rows at hand.
    fn run_counted(&mut self, requests: &[Request]) -> Result<BatchEnd, StoreError> {
        let end = self.run_once(requests);
        if let Some(metrics) = &self.metrics {
            match end {
                Ok(BatchEnd::Committed(_)) => {}
                Ok(BatchEnd::Unknown) => metrics.ended(CommitEnd::Unknown),
                Err(_) => metrics.ended(CommitEnd::RolledBack),
            }
        }
        end
    }

    /// Runs a batch once. A panic rolls it back; the lane survives.
    fn run_once(&mut self, requests: &[Request]) -> Result<BatchEnd, StoreError> {
        let end = catch_unwind(AssertUnwindSafe(|| {
            let end = self.transact(requests);
            if end.is_err() {
                self.store.rollback();
            }
            end
        }));
        end.unwrap_or_else(|_| {
            self.store.rollback();
            Err(StoreError::Panicked)
        })
    }

    fn transact(&mut self, requests: &[Request]) -> Result<BatchEnd, StoreError> {
        let begun = self.timer.elapsed();
        let mut steps = BatchSteps::begin(requests, self.traces.clone());
        self.reserve_ids(requests.len())?;
        let lock_keys: Vec<LockKey> =
            requests.iter().filter_map(|request| request.command.lock_key()).collect();
        let hints: Vec<RowKey> = requests.iter().flat_map(Request::hints).collect();
        let mut work = self.store.open(self.ids, &lock_keys, &hints)?;
        let outcomes = if self.store.is_local() {
            self.decide_loading(requests, &mut work)?
        } else {
            self.decide_in_rounds(requests, &mut work)?
        };
        steps.end("decide", false);
        if domain::mutant!(AnswerBeforeCommit) && requests.len() > 4 {
            self.store.rollback();
            return Ok(BatchEnd::Committed(outcomes));
        }
        let persisted = self.store.persist(&work);
        steps.end("persist", persisted.is_err());
        persisted?;
        let persisted_at = self.timer.elapsed();
        let committed = self.store.commit();
        steps.end("commit", committed.is_err());
        match committed {
            Ok(()) => {}
            Err(StoreError::CommitUnknown(_)) if domain::mutant!(UnknownIsDone) => {}
            Err(StoreError::CommitUnknown(error)) if domain::mutant!(UnknownIsUndone) => {
                return Err(*error);
            }
            Err(StoreError::CommitUnknown(error)) => match self.find_out(&error) {
                Some(true) => {}
                Some(false) => return Err(*error),
                None => {
                    // Rows with these ids may be on disk: the ids must not be used again.
                    self.ids = work.ids;
                    return Ok(BatchEnd::Unknown);
                }
            },
            Err(error) => return Err(error),
        }
        if let Some(metrics) = &self.metrics {
            metrics.committed(requests.len(), self.since(begun), self.since(persisted_at), &work);
        }
        // Only after the commit: on SQLite a block of ids is reserved in the batch's transaction,
        // and a rollback gives it back.
        self.ids = work.ids;
        Ok(BatchEnd::Committed(outcomes))
    }

    /// Reserves all ids that a batch may need, where they are reserved in a transaction of their
    /// own (PostgreSQL).
    fn reserve_ids(&mut self, commands: usize) -> Result<(), StoreError> {
        let needed = IDS_PER_COMMAND.saturating_mul(i64::try_from(commands).unwrap_or(i64::MAX));
        if !self.store.is_local() && self.ids.end - self.ids.next < needed {
            // Enough for many batches: the rest of a block is lost when a batch needs more than
            // that.
            let block = if self.id_block == ID_BLOCK {
                needed.max(ID_BLOCK).saturating_mul(8)
            } else {
                needed
            };
            self.ids = self.store.reserve_ids(block)?;
        }
        Ok(())
    }

    /// Finds out whether a commit without an answer was done. `None` when the database gives no
    /// answer within [`FIND_OUT_MAX`].
    fn find_out(&mut self, error: &StoreError) -> Option<bool> {
        tracing::warn!(%error, "a commit has no answer");
        let start = self.timer.elapsed();
        loop {
            match self.store.is_committed() {
                Ok(committed) => {
                    tracing::warn!(committed, "the commit that had no answer was found out about");
                    return Some(committed);
                }
                Err(error) if self.since(start) > FIND_OUT_MAX => {
                    tracing::error!(%error, "a commit stays without an answer");
                    return None;
                }
                Err(_) => self.timer.sleep(FIND_OUT_PAUSE),
            }
        }
    }

    /// Decides the commands in order, and loads each missing row at once: the database is local, a
    /// read takes microseconds.
    fn decide_loading(
        &mut self,
        requests: &[Request],
        work: &mut Workspace,
    ) -> Result<Vec<Outcome>, StoreError> {
        requests.iter().map(|request| self.load_and_decide(request, work)).collect()
    }

    fn load_and_decide(
        &mut self,
        request: &Request,
        work: &mut Workspace,
    ) -> Result<Outcome, StoreError> {
        if work.ids.end - work.ids.next < IDS_PER_COMMAND {
            work.refill_ids(self.store.reserve_ids(self.id_block)?);
        }
        let now = (self.clock)();
        for _ in 0..MAX_LOADS {
            match self.decide(request, work, now) {
                Ok(outcome) => return Ok(outcome),
                Err(key) => self.store.load(&[key], &mut work.tables)?,
            }
        }
        Ok(Err(Failure::Internal("a decision reads without end".to_owned())))
    }

    /// Decides all commands in order, in rounds: until no row that they read is missing, and the
    /// rows that they change are locked and unchanged since they were read.
    fn decide_in_rounds(
        &mut self,
        requests: &[Request],
        work: &mut Workspace,
    ) -> Result<Vec<Outcome>, StoreError> {
        // Rows that the loaded ones refer to will be read: one round trip for all, instead of one
        // for each.
        let likely =
            not_loaded(requests.iter().flat_map(|request| request.command.likely_keys(work)), work);
        if !likely.is_empty() {
            self.store.load(&likely, &mut work.tables)?;
        }
        for _ in 0..MAX_ROUNDS {
            let mut outcomes = Vec::with_capacity(requests.len());
            let mut missing = vec![];
            for request in requests {
                match self.decide(request, work, (self.clock)()) {
                    Ok(outcome) => outcomes.push(outcome),
                    // The later commands are still decided, although they lack the effects of this
                    // one: their outcomes are thrown away, but the rows that they lack are loaded
                    // in the same round trip.
                    Err(key) => missing.push(key),
                }
            }
            if !missing.is_empty() {
                work.reset_to_loaded();
                self.store.load(&not_loaded(missing.into_iter(), work), &mut work.tables)?;
            } else if domain::mutant!(SkipConfirm) || self.store.confirm(&mut work.tables)? {
                work.move_positions();
                return Ok(outcomes);
            } else {
                work.reset_after_conflict();
            }
        }
        Err(StoreError::Unexpected("a batch is not decided after many rounds"))
    }

    /// Decides one command on the loaded rows.
    ///
    /// # Errors
    /// The key of a row that the decision needs and that is not loaded.
    fn decide(
        &self,
        request: &Request,
        work: &mut Workspace,
        now: ServerTime,
    ) -> Result<Outcome, RowKey> {
        let context = Context { now, settings: &self.settings };
        let decided = catch_unwind(AssertUnwindSafe(|| {
            let answer = request.decide(work, &context)?;
            work.accept_draft(&*self.write_message)?;
            Ok(answer)
        }));
        let stop = match decided {
            Ok(Ok(answer)) => return Ok(Ok(answer)),
            Ok(Err(stop)) => stop,
            // A decision changes only its draft. So its panic harms no other command of the batch.
            Err(_) => Stop::Inconsistent("a decision panicked".to_owned()),
        };
        work.discard_draft();
        match stop {
            Stop::NotLoaded(key) => Err(key),
            Stop::Refused(reasons) => Ok(Err(Failure::Refused(reasons))),
            Stop::Inconsistent(what) => {
                let request_id = request.request_id.map(tracing::field::display);
                tracing::error!(what, request_id, "a decision could not be made");
                Ok(Err(Failure::Internal(what)))
            }
        }
    }
}

/// The steps of a batch, for those of its commands that are traced: each gets spans of its own, with
/// the times of the batch.
struct BatchSteps<'a> {
    traced: Vec<(&'a Request, TraceContext)>,
    /// How many commands the batch has.
    batch: usize,
    traces: Traces,
    begun: ServerTime,
}

impl<'a> BatchSteps<'a> {
    fn begin(requests: &'a [Request], traces: Traces) -> Self {
        let context = |request: &'a Request| traces.of(request.trace).map(|trace| (request, trace));
        let traced: Vec<_> = requests.iter().filter_map(context).collect();
        let begun = if traced.is_empty() { ServerTime(0) } else { clock::now() };
        Self { traced, batch: requests.len(), traces, begun }
    }

    /// Records a step; the next one begins now.
    fn end(&mut self, step: &'static str, failed: bool) {
        if self.traced.is_empty() {
            return;
        }
        let ended = clock::now();
        for (request, trace) in &self.traced {
            let attributes = vec![
                ("kola.command", request.command.name().into()),
                ("kola.batch_commands", self.batch.into()),
            ];
            self.traces.step(*trace, step, (self.begun, ended), failed, attributes);
        }
        self.begun = ended;
    }
}

/// The keys that are not loaded, each once.
fn not_loaded(keys: impl Iterator<Item = RowKey>, work: &Workspace) -> Vec<RowKey> {
    let mut keys: Vec<RowKey> = keys.filter(|key| !work.tables.is_loaded(key)).collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

fn first(outcomes: Vec<Outcome>) -> Outcome {
    outcomes
        .into_iter()
        .next()
        .unwrap_or_else(|| Err(Failure::Internal("a batch without an outcome".to_owned())))
}
