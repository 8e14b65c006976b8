//! The only door to writing.
//!
//! Commands wait in a bounded queue; the lane takes all that wait, decides them in the order of arrival, writes what changed
//! and commits once. A lone command commits at once, a crowd shares.

use std::sync::Arc;
use std::thread::JoinHandle;

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

/// The door to the lane that writes. Cheap to clone; the lane ends when the last is dropped and its queue is empty.
#[derive(Clone)]
pub struct Engine {
    queue: mpsc::Sender<Waiting>,
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
        let mut lane = Lane::new(store, options.settings, options.clock);
        let thread = std::thread::Builder::new().name("lane".to_owned()).spawn(move || serve(&mut lane, waiting, batch_max))?;
        Ok((Self { queue }, thread))
    }

    /// Hands a command in and waits until it is decided and on disk.
    ///
    /// # Errors
    /// See [`Failure`]. A caller that stops waiting does not stop the command.
    pub async fn submit(&self, command: Command) -> Outcome {
        let (answer, outcome) = oneshot::channel();
        self.queue.try_send(Waiting { command, answer }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Failure::Overloaded,
            mpsc::error::TrySendError::Closed(_) => Failure::Unavailable("the server is stopping".to_owned()),
        })?;
        outcome.await.map_err(|_| Failure::Internal("the lane gave no answer".to_owned()))?
    }
}

fn serve(lane: &mut Lane<impl Store>, mut waiting: mpsc::Receiver<Waiting>, batch_max: usize) {
    let mut batch = Vec::with_capacity(batch_max);
    while let Some(first) = waiting.blocking_recv() {
        batch.push(first);
        while batch.len() < batch_max
            && let Ok(next) = waiting.try_recv()
        {
            batch.push(next);
        }
        let (commands, answers): (Vec<Command>, Vec<_>) = batch.drain(..).map(|w| (w.command, w.answer)).unzip();
        for (answer, outcome) in answers.into_iter().zip(lane.run(&commands)) {
            // Who went away does not need the answer; what was decided stands.
            let _ = answer.send(outcome);
        }
    }
}
