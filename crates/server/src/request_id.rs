//! The HTTP request that is being answered: its id, which connects the answer with the log lines about
//! the request and with the audit, also where the lane decides its command; and where it came from.

use std::future::Future;
use std::net::IpAddr;

use domain::decision::command::RequestId;
use tokio::task::JoinHandle;

use store::clock;

#[derive(Clone, Copy, Default)]
struct Origin {
    id: Option<RequestId>,
    address: Option<IpAddr>,
}

tokio::task_local! {
    static CURRENT: Origin;
}

/// Answers a request from an address under a new, random id.
pub async fn with_new<F: Future>(address: Option<IpAddr>, answer: F) -> F::Output {
    CURRENT.scope(Origin { id: draw(), address }, answer).await
}

fn origin() -> Origin {
    CURRENT.try_with(|origin| *origin).unwrap_or_default()
}

/// `None` in tasks that answer no request, such as those of jobs.
#[must_use]
pub fn current() -> Option<RequestId> {
    origin().id
}

/// Where the request came from, as the server saw it.
#[must_use]
pub fn address() -> Option<IpAddr> {
    origin().address
}

/// Spawns a task that goes on with the current request, under its id.
pub fn spawn<F>(work: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    tokio::spawn(CURRENT.scope(origin(), work))
}

/// `None` when the operating system has no random bytes.
fn draw() -> Option<RequestId> {
    clock::random::<8>().ok().map(|bytes| RequestId(u64::from_be_bytes(bytes)))
}
