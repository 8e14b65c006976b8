//! Takes the callbacks of a network in place of the server, so that they can be sent to it at a time
//! and at a speed that the measurement chooses.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use tokio::runtime::Runtime;

/// A callback as it came, without the headers that belong to its connection.
#[derive(Clone, Debug)]
pub struct Callback {
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// Listens on a free port of this machine until it is dropped.
pub struct Recorder {
    pub address: SocketAddr,
    taken: Arc<Mutex<Vec<Callback>>>,
    /// Its thread serves the connections.
    _runtime: Runtime,
}

impl Recorder {
    pub fn start() -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_io()
            .enable_time()
            .build()?;
        let listener = runtime.block_on(tokio::net::TcpListener::bind(("127.0.0.1", 0)))?;
        let address = listener.local_addr()?;
        let taken = Arc::new(Mutex::new(Vec::new()));
        let router = Router::new().fallback(take).with_state(Arc::clone(&taken));
        runtime.spawn(async move { axum::serve(listener, router).await });
        Ok(Self { address, taken, _runtime: runtime })
    }

    /// What has come so far.
    pub fn take(&self) -> Vec<Callback> {
        std::mem::take(&mut *self.taken.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn take(
    State(taken): State<Arc<Mutex<Vec<Callback>>>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) {
    let of_connection = ["host", "content-length", "connection", "transfer-encoding"];
    let headers = headers.iter().filter(|(name, _)| !of_connection.contains(&name.as_str()));
    let headers = headers.map(|(name, value)| {
        (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    });
    let callback =
        Callback { path: uri.path().to_owned(), headers: headers.collect(), body: body.to_vec() };
    taken.lock().unwrap_or_else(PoisonError::into_inner).push(callback);
}
