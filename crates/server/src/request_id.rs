//! The HTTP request that is being answered: its id, which connects the answer with the log lines about
//! the request and with the audit, also where the lane decides its command; where it came from; and the
//! trace that it is part of.

use std::future::Future;
use std::net::IpAddr;

use domain::decision::command::RequestId;
use domain::kernel::trace::TraceContext;
use tokio::task::JoinHandle;

use store::clock;

#[derive(Clone, Copy, Default)]
struct Origin {
    id: Option<RequestId>,
    address: Option<IpAddr>,
    trace: Option<TraceContext>,
}

tokio::task_local! {
    static CURRENT: Origin;
}

/// Answers a request from an address under an id.
pub async fn answering<F: Future>(
    id: Option<RequestId>,
    address: Option<IpAddr>,
    trace: Option<TraceContext>,
    answer: F,
) -> F::Output {
    CURRENT.scope(Origin { id, address, trace }, answer).await
}

/// Does what goes on with a trace, within the current request if there is one.
pub async fn continuing<F: Future>(trace: Option<TraceContext>, work: F) -> F::Output {
    CURRENT.scope(Origin { trace, ..origin() }, work).await
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

/// The trace that what is done now is part of, if it is traced.
#[must_use]
pub fn trace() -> Option<TraceContext> {
    origin().trace
}

/// Spawns a task that goes on with the current request, under its id.
pub fn spawn<F>(work: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    tokio::spawn(CURRENT.scope(origin(), work))
}

/// A new, random id. `None` when the operating system has no random bytes.
#[must_use]
pub fn draw() -> Option<RequestId> {
    clock::random::<8>().ok().map(|bytes| RequestId(u64::from_be_bytes(bytes)))
}
