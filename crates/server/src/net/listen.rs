//! The listener: limits on connections and request heads.
//!
//! Anybody can open connections, so that their cost is bounded: their number, and the size of a
//! request head and the time for it. The limits of bodies are in `extract.rs`, where they are read.
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
use hyper::server::conn::http1::{self, UpgradeableConnection};
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::metrics::gauge::Gauge;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tower_service::Service as _;

/// The backlog of connections that are not accepted yet. One more is dropped by the kernel, and its
/// client tries again after a second or more.
const BACKLOG: u32 = 4_096;
/// Heads are some hundred bytes; a larger one is answered with 431.
const HEAD_MAX: usize = 16 * 1024;
/// What is read ahead of whoever handles the request.
const BUFFER_MAX: usize = 32 * 1024;
/// While more than half of the permits are taken, a new connection must send its request within
/// this.
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

/// So many connections and websockets as are wanted, but no more than the process may have files
/// open, once it may have as many as it can.
#[must_use]
pub fn within_open_files(connections: usize, sockets: usize) -> (usize, usize) {
    let most = usize::try_from(open_files().saturating_sub(OTHER_FILES)).unwrap_or(usize::MAX);
    let allowed = share(most, connections, sockets);
    if allowed != (connections, sockets) {
        // Nobody has to do anything about it, unless so many are really needed.
        tracing::info!(
            connections = allowed.0,
            websockets = allowed.1,
            "fewer connections at once than asked for: the system allows so many open files"
        );
    }
    allowed
}

/// Divides files among connections and websockets: if there are too few, websockets have at most a
/// quarter.
fn share(files: usize, connections: usize, sockets: usize) -> (usize, usize) {
    if connections.saturating_add(sockets) <= files {
        return (connections, sockets);
    }
    let sockets = sockets.min((files / 4).max(files.saturating_sub(connections)));
    (connections.min(files.saturating_sub(sockets)).max(1), sockets)
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

/// Listens on an address. To be called within a tokio runtime.
///
/// # Errors
/// When the address is not available.
pub fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A server that is started again takes its address back at once.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves until `stop` resolves, and says in `open` how many connections there are; then lets the requests that have begun end.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    open: Gauge,
    stop: impl Future<Output = ()>,
) {
    let permits = Arc::new(Semaphore::new(limits.connections));
    let stopped = watch::Sender::new(false);
    let mut stop = pin!(stop);
    loop {
        let (stream, peer, permit) = tokio::select! {
            next = accept(&listener, &permits) => next,
            () = &mut stop => break,
        };
        unread_no_longer_than(&stream, limits.idle);
        let crowded = permits.available_permits() < limits.connections / 2;
        let idle = if crowded { limits.idle.min(CROWDED) } else { limits.idle };
        let service = ConnectionService { router: router.clone(), peer };
        let connection = protocol(idle).serve_connection(TokioIo::new(stream), service);
        // A websocket ends here: it is no connection for requests any more.
        let connection = serve_connection(connection.with_upgrades(), stopped.subscribe());
        open.inc();
        let open = open.clone();
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended");
            }
            open.dec();
            drop(permit);
        });
    }
    drop(listener);
    stopped.send_replace(true);
    let all = u32::try_from(limits.connections).unwrap_or(u32::MAX);
    // The semaphore is never closed.
    let _all = permits.acquire_many(all).await;
}

/// Serves a connection. When the server stops, it ends after the request that has begun.
async fn serve_connection(
    connection: UpgradeableConnection<TokioIo<TcpStream>, ConnectionService>,
    mut stopped: watch::Receiver<bool>,
) -> hyper::Result<()> {
    let mut connection = pin!(connection);
    tokio::select! {
        ended = &mut connection => return ended,
        _ = stopped.wait_for(|stopped| *stopped) => {}
    }
    connection.as_mut().graceful_shutdown();
    connection.await
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

/// Accepts the next connection, once a permit is free.
async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> (TcpStream, SocketAddr, Option<OwnedSemaphorePermit>) {
    // The semaphore is never closed.
    let permit = Arc::clone(permits).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return (stream, peer, permit),
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

/// The router, with the peer of this connection.
struct ConnectionService {
    router: Router,
    peer: SocketAddr,
}

impl Service<Request<Incoming>> for ConnectionService {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_shared() {
        assert_eq!(share(1_000, 600, 400), (600, 400));
        assert_eq!(share(1_000, 600, 1_000), (600, 400));
        assert_eq!(share(1_000, 2_000, 1_000), (750, 250));
        assert_eq!(share(1_000, 2_000, 0), (1_000, 0));
        assert_eq!(share(0, 10, 10), (1, 0));
    }
}
