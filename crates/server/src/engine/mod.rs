//! The only door to writing.
//!
//! Commands wait in a bounded queue; the lane takes all that wait, decides them in the order of
//! arrival, writes what changed and commits once. A lone command commits at once, a crowd shares.
//! Where there are several lanes, a merchant's commands are always decided by the same one.

mod lane;
mod pause;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use domain::decision::command::{Command, Output};
use domain::decision::settings::Settings;
use domain::directory::caller::Caller;
use domain::kernel::ids::MerchantId;
use domain::kernel::refusal::Refusal;
use domain::kernel::time::Timestamp;
use tokio::sync::{mpsc, oneshot};

use store::Store;

pub use lane::Lane;
pub use pause::{Pause, RealPause};

/// The most commands that wait. A full queue answers at once that it is full.
pub const QUEUE: usize = 4_096;

/// A command that nobody has begun for so long is taken back: the database is slow, and the queue
/// would only grow.
const WAIT: Duration = Duration::from_secs(4);

/// A batch that takes no longer may be run on a thread that serves requests.
const QUICK: Duration = Duration::from_millis(2);

/// Why a command has no answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Failure {
    /// It was refused, for all of these reasons. Nothing changed.
    Refused(Vec<Refusal>),
    /// The queue is full: nothing was done, the caller may try again.
    Overloaded,
    /// The database could not do it: nothing was done, the caller may try again.
    Unavailable(String),
    /// The connection was lost in the middle of a commit: it may be done or not. The same request
    /// with the same key tells.
    Unknown,
    /// A fault of ours. Nothing was done.
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

/// What a command comes to.
pub type Outcome = Result<Output, Failure>;

/// A command in the queue.
struct Waiting {
    command: Command,
    /// Set by the lane that begins it, or by the caller who has waited enough: whoever is first.
    taken: Arc<AtomicBool>,
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

/// The door to the lanes that write. Cheap to clone; the lanes end when the last is dropped and
/// their queues are empty.
#[derive(Clone)]
pub struct Engine {
    doors: Arc<[Door]>,
}

/// The door to one lane.
struct Door {
    queue: mpsc::Sender<Waiting>,
    /// The lane, when a batch may run on a thread that serves requests.
    inline: Option<Arc<Inline>>,
}

/// A lane that is shared with the threads that serve requests, and whether its last batch was
/// quick.
struct Inline {
    quick: AtomicBool,
    lane: Mutex<Box<dyn Runner>>,
}

impl Inline {
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
    /// Starts a lane for each store, on a thread of its own.
    ///
    /// # Errors
    /// When the operating system has no thread.
    pub fn start<S: Store + Send + 'static>(
        stores: Vec<S>,
        options: &Options,
    ) -> std::io::Result<(Self, Vec<JoinHandle<()>>)> {
        let mut doors = Vec::with_capacity(stores.len());
        let mut threads = Vec::with_capacity(stores.len());
        for store in stores {
            let (door, thread) = open_door(store, options)?;
            doors.push(door);
            threads.push(thread);
        }
        Ok((Self { doors: doors.into() }, threads))
    }

    /// Hands a caller's command in and waits until it is decided, while the caller's credentials
    /// hold, and on disk.
    ///
    /// # Errors
    /// See [`Failure`]. A caller that stops waiting does not stop the command.
    pub async fn submit(&self, caller: Caller, command: Command) -> Outcome {
        self.hand_in(Some(caller.merchant_id), command.authenticated(caller)).await
    }

    /// The same for what follows from a merchant's commands, whose credentials do not matter any
    /// more. It is decided where the merchant's other commands are, so that they need not wait for
    /// each other's locks.
    ///
    /// # Errors
    /// See [`Engine::submit`].
    pub async fn submit_for(&self, merchant: MerchantId, command: Command) -> Outcome {
        self.hand_in(Some(merchant), command).await
    }

    async fn hand_in(&self, merchant: Option<MerchantId>, command: Command) -> Outcome {
        let closed = || Failure::Unavailable("the server is stopping".to_owned());
        let door = self.door(merchant).ok_or_else(closed)?;
        if let Some(outcome) = door.run_alone(&command) {
            return outcome;
        }
        let (answer, mut outcome) = oneshot::channel();
        let taken = Arc::new(AtomicBool::new(false));
        door.queue.try_send(Waiting { command, taken: Arc::clone(&taken), answer }).map_err(
            |error| match error {
                mpsc::error::TrySendError::Full(_) => Failure::Overloaded,
                mpsc::error::TrySendError::Closed(_) => closed(),
            },
        )?;
        let decided = match tokio::time::timeout(WAIT, &mut outcome).await {
            Ok(decided) => decided,
            Err(_) if !taken.swap(true, Ordering::AcqRel) => return Err(Failure::Overloaded),
            Err(_) => outcome.await,
        };
        decided.map_err(|_| Failure::Internal("the lane gave no answer".to_owned()))?
    }

    /// A merchant is always at the same door.
    fn door(&self, merchant: Option<MerchantId>) -> Option<&Door> {
        // Ids of rows made together are near each other: their low digits alone would choose the
        // same door for many.
        let mixed = merchant.map_or(0, |MerchantId(id)| {
            id.unsigned_abs().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32
        });
        let doors = u64::try_from(self.doors.len()).ok()?;
        self.doors.get(usize::try_from(mixed.checked_rem(doors)?).ok()?)
    }
}

impl Door {
    /// Runs a command where it is submitted, when nobody else waits and the lane is idle: to wake
    /// the lane's thread and to be woken by it would take as long as a third of the commit. `None`
    /// when there is a crowd to share a commit with.
    ///
    /// One commit at a time is made so, and only while commits are quick: on a slow disk, or behind
    /// another process's transaction, no thread that serves requests is kept.
    fn run_alone(&self, command: &Command) -> Option<Outcome> {
        let shared = self.inline.as_ref()?;
        let crowd = self.queue.capacity() < self.queue.max_capacity();
        if crowd || !shared.quick.load(Ordering::Relaxed) {
            return None;
        }
        let mut lane = shared.lane.try_lock().ok()?;
        shared.run(lane.as_mut(), std::slice::from_ref(command)).pop()
    }
}

fn open_door(
    store: impl Store + Send + 'static,
    options: &Options,
) -> std::io::Result<(Door, JoinHandle<()>)> {
    let (queue, waiting) = mpsc::channel(QUEUE);
    let batch_max = options.batch_max.max(1);
    let is_local = store.is_local();
    let mut lane: Box<dyn Runner> =
        Box::new(Lane::new(store, options.settings, Arc::clone(&options.clock)));
    let builder = std::thread::Builder::new().name("lane".to_owned());
    if !is_local {
        let thread =
            builder.spawn(move || serve(waiting, batch_max, |commands| lane.run(commands)))?;
        return Ok((Door { queue, inline: None }, thread));
    }
    let inline = Arc::new(Inline { quick: AtomicBool::new(false), lane: Mutex::new(lane) });
    let served = Arc::clone(&inline);
    let thread = builder.spawn(move || {
        serve(waiting, batch_max, |commands| {
            let mut lane = served.lane.lock().unwrap_or_else(PoisonError::into_inner);
            served.run(lane.as_mut(), commands)
        });
    })?;
    Ok((Door { queue, inline: Some(inline) }, thread))
}

fn serve(
    mut waiting: mpsc::Receiver<Waiting>,
    batch_max: usize,
    mut run: impl FnMut(&[Command]) -> Vec<Outcome>,
) {
    let mut batch = Vec::with_capacity(batch_max);
    while let Some(first) = waiting.blocking_recv() {
        batch.push(first);
        while batch.len() < batch_max
            && let Ok(next) = waiting.try_recv()
        {
            batch.push(next);
        }
        // Whose caller has given up is not begun: nothing is done behind its back.
        let begun = batch.drain(..).filter(|waiting| !waiting.taken.swap(true, Ordering::AcqRel));
        let (commands, answers): (Vec<Command>, Vec<_>) =
            begun.map(|waiting| (waiting.command, waiting.answer)).unzip();
        if commands.is_empty() {
            continue;
        }
        for (answer, outcome) in answers.into_iter().zip(run(&commands)) {
            // Who went away does not need the answer; what was decided stands.
            let _ = answer.send(outcome);
        }
    }
}

#[cfg(test)]
mod tests;
