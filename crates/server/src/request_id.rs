//! The id of the HTTP request that is being answered. It connects the answer with the log lines
//! about the request, also with those of the lane that decides its command.

use std::future::Future;

use domain::decision::command::RequestId;
use tokio::task::JoinHandle;

use store::clock;

tokio::task_local! {
    static CURRENT: Option<RequestId>;
}

/// Answers a request under a new, random id.
pub async fn with_new<F: Future>(answer: F) -> F::Output {
    CURRENT.scope(draw(), answer).await
}

/// `None` in tasks that answer no request, such as those of jobs.
#[must_use]
pub fn current() -> Option<RequestId> {
    CURRENT.try_with(|id| *id).ok().flatten()
}

/// Spawns a task that goes on with the current request, under its id.
pub fn spawn<F>(work: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    tokio::spawn(CURRENT.scope(current(), work))
}

/// `None` when the operating system has no random bytes.
fn draw() -> Option<RequestId> {
    clock::random::<8>().ok().map(|bytes| RequestId(u64::from_be_bytes(bytes)))
}
