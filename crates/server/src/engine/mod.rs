//! The only door to writing.

use domain::command::{Answer, Command};
use domain::rejection::Rejection;

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

/// The door to the lane that writes. Cheap to clone.
#[derive(Clone)]
pub struct Engine {}

impl Engine {
    /// Hands a command in and waits until it is decided and on disk.
    ///
    /// # Errors
    /// See [`Failure`]. A caller that stops waiting does not stop the command.
    pub async fn submit(&self, command: Command) -> Result<Answer, Failure> {
        let _ = command;
        Err(Failure::Overloaded)
    }
}
