//! The engine: the only way to write.
//!
//! Commands wait in a bounded queue. A lane takes all that are queued as one batch, decides them in
//! the order of arrival, writes what changed and commits once: a lone command commits at once, many
//! share a commit. With several lanes, a merchant's commands are always decided by the same one.

mod lane;
mod timer;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use domain::decision::command::{Command, ListedDecision, Output, Request};
use domain::decision::preview::Preview;
use domain::decision::settings::Settings;
use domain::directory::principal::{Caller, Principal};
use domain::kernel::ids::MerchantId;
use domain::kernel::refusal::Refusal;
use domain::kernel::time::ServerTime;
use domain::webhooks::subject::MessageWriter;
use tokio::sync::{mpsc, oneshot};

use crate::request_id;
use crate::telemetry::metrics::{EngineMetrics, Refused};
use crate::telemetry::traces::Traces;
use store::{Store, clock};

pub use lane::Lane;
pub use timer::{SystemTimer, Timer};

/// The capacity of a lane's queue, in commands. A command for a full queue fails at once.
pub const QUEUE: usize = 4_096;

/// A command that no lane has begun within this time is withdrawn: the database is slow, and the
/// queue would only grow.
const QUEUE_TIMEOUT: Duration = Duration::from_secs(4);

/// While batches take no longer than this, a command may run on the thread that serves its request.
const INLINE_MAX: Duration = Duration::from_millis(2);

/// Why a command has no answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Failure {
    /// The command was refused, for all of these reasons. Nothing changed.
    Refused(Vec<Refusal>),
    /// The queue is full, or the command waited in it for too long. Nothing was done; the caller may
    /// try again.
    Overloaded,
    /// The database failed. Nothing was done; the caller may try again.
    Unavailable(String),
    /// The connection was lost during the commit: the command is done or it is not. Repeating the
    /// request with the same key tells which.
    Unknown,
    /// A bug in kola. Nothing was done.
    Internal(String),
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused(reasons) => {
                let reasons: Vec<String> = reasons.iter().map(ToString::to_string).collect();
                f.write_str(&reasons.join("; "))
            }
            Self::Overloaded => f.write_str("too many requests are waiting"),
            Self::Unknown => {
                f.write_str("whether it was done is not known: repeat the same request to find out")
            }
            Self::Unavailable(what) | Self::Internal(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for Failure {}

/// The result of a request to a lane.
pub type Outcome = Result<Output, Failure>;

struct QueuedRequest {
    request: Request,
    /// Set by the lane when it begins the command, or by the caller when it withdraws it. Whoever
    /// sets it first decides which of the two happens.
    claimed: Arc<AtomicBool>,
    queued_at: Instant,
    answer: oneshot::Sender<Outcome>,
    /// Since when it waits, if it is traced.
    traced_at: Option<ServerTime>,
}

/// Hides which store a lane writes to.
trait BatchRunner: Send {
    fn run(&mut self, requests: &[Request]) -> Vec<Outcome>;
}

impl<S: Store + Send> BatchRunner for Lane<S> {
    fn run(&mut self, requests: &[Request]) -> Vec<Outcome> {
        Self::run(self, requests)
    }
}

/// Submits commands to the lanes. Cheap to clone; the lanes end when the last clone is dropped and
/// their queues are empty.
#[derive(Clone)]
pub struct Engine {
    lanes: Arc<[LaneHandle]>,
    /// How many commands were submitted so far.
    submitted: Arc<AtomicU64>,
    metrics: EngineMetrics,
    traces: Traces,
}

/// The sending end of one lane.
struct LaneHandle {
    queue: mpsc::Sender<QueuedRequest>,
    /// The lane itself, if commands may also run on the threads that serve requests: only where the
    /// store is local.
    shared: Option<Arc<SharedLane>>,
}

/// A lane that its own thread shares with the threads that serve requests.
struct SharedLane {
    /// Whether the last batch took less than [`INLINE_MAX`].
    is_quick: AtomicBool,
    lane: Mutex<Box<dyn BatchRunner>>,
}

impl SharedLane {
    fn run(&self, lane: &mut dyn BatchRunner, requests: &[Request]) -> Vec<Outcome> {
        let start = Instant::now();
        let outcomes = lane.run(requests);
        self.is_quick.store(start.elapsed() < INLINE_MAX, Ordering::Relaxed);
        outcomes
    }
}

/// How the lanes work.
#[derive(Clone)]
pub struct Options {
    /// The settings that decisions depend on.
    pub settings: Settings,
    /// The most commands in one transaction.
    pub batch_max: usize,
    pub clock: Arc<dyn Fn() -> ServerTime + Send + Sync>,
    /// Writes what merchants are told of events.
    pub write_message: Arc<MessageWriter>,
    pub metrics: EngineMetrics,
    /// Where the steps of traced commands are recorded.
    pub traces: Traces,
}

impl Engine {
    /// Starts a lane for each store, on a thread of its own.
    ///
    /// # Errors
    /// When the operating system cannot start a thread.
    pub fn start<S: Store + Send + 'static>(
        stores: Vec<S>,
        options: &Options,
    ) -> std::io::Result<(Self, Vec<JoinHandle<()>>)> {
        let mut lanes = Vec::with_capacity(stores.len());
        let mut threads = Vec::with_capacity(stores.len());
        for store in stores {
            let (lane, thread) = start_lane(store, options)?;
            lanes.push(lane);
            threads.push(thread);
        }
        let (metrics, traces) = (options.metrics.clone(), options.traces.clone());
        Ok((Self { lanes: lanes.into(), submitted: Arc::default(), metrics, traces }, threads))
    }

    /// Submits a caller's command and waits until it is decided and on disk. It is refused if the
    /// caller's credentials do not hold when it is decided.
    ///
    /// # Errors
    /// See [`Failure`]. A caller that stops waiting does not stop the command.
    pub async fn submit<D: ListedDecision>(
        &self,
        caller: Caller,
        decision: D,
    ) -> Result<D::Output, Failure> {
        self.submit_for(caller.merchant_id, Principal::ApiKey(caller), decision).await
    }

    /// Submits a command about a merchant's rows. It is decided by the merchant's lane, so that the
    /// merchant's commands need not wait for each other's locks.
    ///
    /// # Errors
    /// See [`Engine::submit`].
    pub async fn submit_for<D: ListedDecision>(
        &self,
        merchant: MerchantId,
        principal: Principal,
        decision: D,
    ) -> Result<D::Output, Failure> {
        let request = Request::new(principal, decision)
            .with_origin(request_id::current(), request_id::address())
            .with_trace(self.traces.of(request_id::trace()));
        let output = self.enqueue(merchant, request).await?;
        D::output(output)
            .ok_or_else(|| Failure::Internal("the output of another decision".to_owned()))
    }

    /// Submits a command of any kind as the server itself, which is about no merchant.
    ///
    /// # Errors
    /// See [`Engine::submit`].
    pub async fn submit_any(&self, command: Command) -> Outcome {
        self.enqueue(MerchantId::INSTALLATION, Request::new(Principal::System, command)).await
    }

    /// What a command would post now, which changes nothing.
    ///
    /// # Errors
    /// See [`Engine::submit`].
    pub async fn preview(
        &self,
        merchant: MerchantId,
        principal: Principal,
        decision: impl ListedDecision,
    ) -> Result<Preview, Failure> {
        match self.enqueue(merchant, Request::new(principal, decision).preview()).await? {
            Output::Preview(preview) => Ok(preview),
            _ => Err(Failure::Internal("a preview was done".to_owned())),
        }
    }

    /// How many commands were submitted so far: while it grows, somebody pays.
    #[must_use]
    pub fn submitted(&self) -> u64 {
        self.submitted.load(Ordering::Relaxed)
    }

    /// Where steps of traces are recorded.
    #[must_use]
    pub const fn traces(&self) -> &Traces {
        &self.traces
    }

    async fn enqueue(&self, merchant: MerchantId, request: Request) -> Outcome {
        let closed = || Failure::Unavailable("the server is stopping".to_owned());
        let lane = self.lane_of(merchant).ok_or_else(closed)?;
        self.submitted.fetch_add(1, Ordering::Relaxed);
        let traced_at = request.trace.map(|_| clock::now());
        if let Some(outcome) = lane.run_inline(&request, traced_at, &self.traces) {
            self.metrics.waited(Duration::ZERO);
            return outcome;
        }
        let (answer, mut outcome) = oneshot::channel();
        let claimed = Arc::new(AtomicBool::new(false));
        let claimed_by = Arc::clone(&claimed);
        let queued_at = Instant::now();
        let queued = QueuedRequest { request, claimed: claimed_by, queued_at, answer, traced_at };
        lane.queue.try_send(queued).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => self.overloaded(Refused::Full),
            mpsc::error::TrySendError::Closed(_) => closed(),
        })?;
        let decided = match tokio::time::timeout(QUEUE_TIMEOUT, &mut outcome).await {
            Ok(decided) => decided,
            Err(_) if !claimed.swap(true, Ordering::AcqRel) => {
                return Err(self.overloaded(Refused::TimedOut));
            }
            // The lane was first: the command is being decided, and its outcome must be awaited.
            Err(_) => outcome.await,
        };
        decided.map_err(|_| Failure::Internal("the lane gave no answer".to_owned()))?
    }

    fn overloaded(&self, why: Refused) -> Failure {
        self.metrics.refused(why);
        Failure::Overloaded
    }

    /// How many commands wait in each lane's queue.
    pub fn queued(&self) -> impl Iterator<Item = usize> {
        let waiting = |queue: &mpsc::Sender<QueuedRequest>| queue.max_capacity() - queue.capacity();
        self.lanes.iter().map(move |lane| waiting(&lane.queue))
    }

    /// The lane of a merchant: always the same one.
    fn lane_of(&self, MerchantId(id): MerchantId) -> Option<&LaneHandle> {
        // Ids of rows that were made together are close to each other: their low digits alone would
        // send many merchants to the same lane. So the id is multiplied by 2^64 / golden ratio.
        let hash = id.unsigned_abs().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        let lanes = u64::try_from(self.lanes.len()).ok()?;
        self.lanes.get(usize::try_from(hash.checked_rem(lanes)?).ok()?)
    }
}

impl LaneHandle {
    /// Runs a command on the calling thread, if no other command waits and the lane is idle: to
    /// wake the lane's thread and to be woken by it would take as long as a third of the commit.
    /// `None` when there are others to share a commit with.
    ///
    /// Only one commit at a time is made so, and only while commits are quick: a slow disk, or
    /// another process's transaction, must not block threads that serve requests.
    fn run_inline(
        &self,
        request: &Request,
        traced_at: Option<ServerTime>,
        traces: &Traces,
    ) -> Option<Outcome> {
        let shared = self.shared.as_ref()?;
        let others_wait = self.queue.capacity() < self.queue.max_capacity();
        if others_wait || !shared.is_quick.load(Ordering::Relaxed) {
            return None;
        }
        let mut lane = shared.lane.try_lock().ok()?;
        record_wait(request, traced_at, traces);
        shared.run(lane.as_mut(), std::slice::from_ref(request)).pop()
    }
}

fn start_lane(
    store: impl Store + Send + 'static,
    options: &Options,
) -> std::io::Result<(LaneHandle, JoinHandle<()>)> {
    let (queue, queued) = mpsc::channel(QUEUE);
    let batch_max = options.batch_max.max(1);
    let is_local = store.is_local();
    let lane = Lane::new(
        store,
        options.settings,
        Arc::clone(&options.clock),
        Arc::clone(&options.write_message),
    );
    let lane = lane.with_metrics(options.metrics.clone()).with_traces(options.traces.clone());
    let mut lane: Box<dyn BatchRunner> = Box::new(lane);
    let waits = Waits { metrics: options.metrics.clone(), traces: options.traces.clone() };
    let builder = std::thread::Builder::new().name("lane".to_owned());
    if !is_local {
        let thread = builder
            .spawn(move || serve(queued, batch_max, &waits, |requests| lane.run(requests)))?;
        return Ok((LaneHandle { queue, shared: None }, thread));
    }
    let shared = Arc::new(SharedLane { is_quick: AtomicBool::new(false), lane: Mutex::new(lane) });
    let of_thread = Arc::clone(&shared);
    let thread = builder.spawn(move || {
        serve(queued, batch_max, &waits, |requests| {
            let mut lane = of_thread.lane.lock().unwrap_or_else(PoisonError::into_inner);
            of_thread.run(lane.as_mut(), requests)
        });
    })?;
    Ok((LaneHandle { queue, shared: Some(shared) }, thread))
}

/// Takes batches from the queue and runs them, until the queue is closed and empty.
fn serve(
    mut queue: mpsc::Receiver<QueuedRequest>,
    batch_max: usize,
    waits: &Waits,
    mut run: impl FnMut(&[Request]) -> Vec<Outcome>,
) {
    let mut batch = Vec::with_capacity(batch_max);
    while let Some(first) = queue.blocking_recv() {
        batch.push(first);
        while batch.len() < batch_max
            && let Ok(next) = queue.try_recv()
        {
            batch.push(next);
        }
        // A withdrawn command is not begun: its caller was told that nothing was done.
        let begun = batch.drain(..).filter(|queued| !queued.claimed.swap(true, Ordering::AcqRel));
        let (requests, answers): (Vec<Request>, Vec<_>) = begun
            .inspect(|queued| waits.record(queued))
            .map(|queued| (queued.request, queued.answer))
            .unzip();
        if requests.is_empty() {
            continue;
        }
        for (answer, outcome) in answers.into_iter().zip(run(&requests)) {
            // Nobody receives it if the caller has gone away; what was decided stands.
            let _ = answer.send(outcome);
        }
    }
}

/// Where it is told how long commands waited for their lane.
struct Waits {
    metrics: EngineMetrics,
    traces: Traces,
}

impl Waits {
    fn record(&self, queued: &QueuedRequest) {
        self.metrics.waited(queued.queued_at.elapsed());
        record_wait(&queued.request, queued.traced_at, &self.traces);
    }
}

/// Records how long a traced command waited for its lane.
fn record_wait(request: &Request, traced_at: Option<ServerTime>, traces: &Traces) {
    if let (Some(trace), Some(traced_at)) = (request.trace, traced_at) {
        let attributes = vec![("kola.command", request.command.name().into())];
        traces.step(trace, "lane wait", (traced_at, clock::now()), false, attributes);
    }
}

#[cfg(test)]
mod tests;
