//! Connections: how many, how long, and how much of a request is read before anybody looks at it.
//!
//! Strangers can open connections. What each may cost is bounded here: a number of connections, a
//! time for the head of a request, a size of it. A body has its own largest size and time where it
//! is read (`extract.rs`).
//!
//! hyper has one time for the head of a request and for the wait before it. It must be longer than
//! the time after which a proxy closes a connection that it does not use (nginx: 60 seconds), or
//! the proxy would send requests into connections that are just being closed; but while many
//! connections are open it is short, so that idle ones make room.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower_service::Service as _;

/// Connections that wait to be taken. One more is dropped by the kernel, and its client tries again
/// after a second or more.
const WAITING: u32 = 4_096;
/// Heads are some hundred bytes; a larger one is answered with 431.
const HEAD_MAX: usize = 16 * 1024;
/// What is read ahead of whoever handles the request.
const BUFFER_MAX: usize = 32 * 1024;
/// Where more than half of the places are taken, a newcomer must send its request within this.
const CROWDED: Duration = Duration::from_secs(5);
/// After an accept that failed because the process, or the system, has too many files open.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Files beside the connections: the database's, the log's, the runtime's own.
const OTHER_FILES: u64 = 256;

/// What connections may cost.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How many are open at once.
    pub connections: usize,
    /// Closed when no whole head arrives, or nothing of an answer is taken, for so long.
    pub idle: Duration,
}

/// So many connections as are wanted, but no more than the process may have files open, once it may
/// have as many as it can.
#[must_use]
pub fn within_open_files(wanted: usize) -> usize {
    let most = open_files().saturating_sub(OTHER_FILES).max(1);
    let connections = usize::try_from(most).unwrap_or(usize::MAX).min(wanted);
    if connections < wanted {
        tracing::warn!(
            connections,
            "fewer connections at once than asked for: the system allows so many open files"
        );
    }
    connections
}

#[cfg(unix)]
fn open_files() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // Where this is refused, what was allowed before still holds.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

#[cfg(not(unix))]
fn open_files() -> u64 {
    u64::MAX
}

/// Opens the door. Within a runtime.
///
/// # Errors
/// When the address is not to be had.
pub fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A server that is started again takes its address back at once.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(WAITING)
}

/// Serves until `stop` resolves; then lets the requests that have begun end.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    stop: impl Future<Output = ()>,
) {
    let places = Arc::new(Semaphore::new(limits.connections));
    let graceful = GracefulShutdown::new();
    let mut stop = pin!(stop);
    loop {
        let (stream, peer, place) = tokio::select! {
            next = accept(&listener, &places) => next,
            () = &mut stop => break,
        };
        unread_no_longer_than(&stream, limits.idle);
        let crowded = places.available_permits() < limits.connections / 2;
        let idle = if crowded { limits.idle.min(CROWDED) } else { limits.idle };
        let caller = Caller { router: router.clone(), peer };
        let connection =
            graceful.watch(protocol(idle).serve_connection(TokioIo::new(stream), caller));
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended");
            }
            drop(place);
        });
    }
    drop(listener);
    graceful.shutdown().await;
}

/// Lets the kernel end a connection whose other side takes nothing of what was written to it: hyper
/// waits for ever.
#[cfg(target_os = "linux")]
fn unread_no_longer_than(stream: &TcpStream, time: Duration) {
    let milliseconds = u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
    if let Err(error) = rustix::net::sockopt::set_tcp_user_timeout(stream, milliseconds) {
        tracing::debug!(%error, "a connection has no limit for what is not read");
    }
}

#[cfg(not(target_os = "linux"))]
const fn unread_no_longer_than(_stream: &TcpStream, _time: Duration) {}

/// The next connection, once there is a place for it.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> (TcpStream, SocketAddr, Option<OwnedSemaphorePermit>) {
    // The semaphore is never closed.
    let place = Arc::clone(places).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return (stream, peer, place),
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::error!(%error, "a connection could not be taken");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Whether only this connection failed, which was given up before it was taken.
fn is_of_one_connection(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

fn protocol(idle: Duration) -> http1::Builder {
    let mut protocol = http1::Builder::new();
    protocol
        .timer(TokioTimer::new())
        .header_read_timeout(idle)
        .max_header_size(HEAD_MAX)
        .max_buf_size(BUFFER_MAX);
    protocol
}

/// The router, and who calls it on this connection.
struct Caller {
    router: Router,
    peer: SocketAddr,
}

impl Service<Request<Incoming>> for Caller {
    type Response = Response;
    type Error = Infallible;
    type Future = <Router as tower_service::Service<Request<Body>>>::Future;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(self.peer));
        // A router is always ready.
        self.router.clone().call(request)
    }
}
