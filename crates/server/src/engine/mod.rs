//! The only door to writing.
//!
//! Commands wait in a bounded queue; the lane takes all that wait, decides them in the order of arrival, writes what changed
//! and commits once. A lone command commits at once, a crowd shares.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use domain::command::{Answer, Command, Settings};
use domain::rejection::Rejection;
use domain::time::Timestamp;
use tokio::sync::{mpsc, oneshot};

use crate::store::Store;

mod lane;

pub use lane::Lane;

#[cfg(test)]
mod tests;

/// The most commands that wait. A full queue answers at once that it is full.
pub const QUEUE: usize = 4_096;

/// A batch that takes no longer may be run on a thread that serves requests.
const QUICK: Duration = Duration::from_millis(2);

/// Why a command has no answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Failure {
    /// It was refused, for all of these reasons. Nothing changed.
    Rejected(Vec<Rejection>),
    /// The queue is full: nothing was done, the caller may try again.
    Overloaded,
    /// The database could not do it: nothing was done, the caller may try again.
    Unavailable(String),
    /// A fault of ours. Nothing was done.
    Internal(String),
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Rejected(reasons) => {
                let reasons: Vec<String> = reasons.iter().map(ToString::to_string).collect();
                f.write_str(&reasons.join("; "))
            }
            Self::Overloaded => f.write_str("too many requests are waiting"),
            Self::Unavailable(what) | Self::Internal(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for Failure {}

/// What a command comes to.
pub type Outcome = Result<Answer, Failure>;

/// A command in the queue.
struct Waiting {
    command: Command,
    answer: oneshot::Sender<Outcome>,
}

/// A lane of whichever store.
trait Runner: Send {
    fn run(&mut self, commands: &[Command]) -> Vec<Outcome>;
}

impl<S: Store + Send> Runner for Lane<S> {
    fn run(&mut self, commands: &[Command]) -> Vec<Outcome> {
        Self::run(self, commands)
    }
}

/// The door to the lane that writes. Cheap to clone; the lane ends when the last is dropped and its queue is empty.
#[derive(Clone)]
pub struct Engine {
    queue: mpsc::Sender<Waiting>,
    shared: Arc<Shared>,
}

/// The lane, and whether its last batch was quick.
struct Shared {
    quick: AtomicBool,
    lane: Mutex<Box<dyn Runner>>,
}

impl Shared {
    fn run(&self, lane: &mut dyn Runner, commands: &[Command]) -> Vec<Outcome> {
        let start = Instant::now();
        let outcomes = lane.run(commands);
        self.quick.store(start.elapsed() < QUICK, Ordering::Relaxed);
        outcomes
    }
}

/// How a lane works.
#[derive(Clone)]
pub struct Options {
    /// What the decisions need.
    pub settings: Settings,
    /// The most commands in one transaction.
    pub batch_max: usize,
    /// Server time.
    pub clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
}

impl Engine {
    /// Starts a lane on a thread of its own.
    ///
    /// # Errors
    /// When the operating system has no thread.
    pub fn start(store: impl Store + Send + 'static, options: Options) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let batch_max = options.batch_max.max(1);
        let lane: Box<dyn Runner> = Box::new(Lane::new(store, options.settings, options.clock));
        let shared = Arc::new(Shared { quick: AtomicBool::new(false), lane: Mutex::new(lane) });
        let served = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("lane".to_owned()).spawn(move || serve(&served, waiting, batch_max))?;
        Ok((Self { queue, shared }, thread))
    }

    /// Hands a command in and waits until it is decided and on disk.
    ///
    /// # Errors
    /// See [`Failure`]. A caller that stops waiting does not stop the command.
    pub async fn submit(&self, command: Command) -> Outcome {
        if let Some(outcome) = self.run_alone(&command) {
            return outcome;
        }
        let (answer, outcome) = oneshot::channel();
        self.queue.try_send(Waiting { command, answer }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Failure::Overloaded,
            mpsc::error::TrySendError::Closed(_) => Failure::Unavailable("the server is stopping".to_owned()),
        })?;
        outcome.await.map_err(|_| Failure::Internal("the lane gave no answer".to_owned()))?
    }

    /// Runs a command where it is submitted, when nobody else waits and the lane is idle: to wake the lane's thread and to be
    /// woken by it would take as long as a third of the commit. `None` when there is a crowd to share a commit with.
    ///
    /// One commit at a time is made so, and only while commits are quick: on a slow disk, or behind another process's
    /// transaction, no thread that serves requests is kept.
    fn run_alone(&self, command: &Command) -> Option<Outcome> {
        let crowd = self.queue.capacity() < self.queue.max_capacity();
        if crowd || !self.shared.quick.load(Ordering::Relaxed) {
            return None;
        }
        let mut lane = self.shared.lane.try_lock().ok()?;
        self.shared.run(lane.as_mut(), std::slice::from_ref(command)).pop()
    }
}

fn serve(shared: &Shared, mut waiting: mpsc::Receiver<Waiting>, batch_max: usize) {
    let mut batch = Vec::with_capacity(batch_max);
    while let Some(first) = waiting.blocking_recv() {
        batch.push(first);
        while batch.len() < batch_max
            && let Ok(next) = waiting.try_recv()
        {
            batch.push(next);
        }
        let (commands, answers): (Vec<Command>, Vec<_>) = batch.drain(..).map(|w| (w.command, w.answer)).unzip();
        let mut lane = shared.lane.lock().unwrap_or_else(PoisonError::into_inner);
        let outcomes = shared.run(lane.as_mut(), &commands);
        drop(lane);
        for (answer, outcome) in answers.into_iter().zip(outcomes) {
            // Who went away does not need the answer; what was decided stands.
            let _ = answer.send(outcome);
        }
    }
}
