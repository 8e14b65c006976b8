//! An endpoint of webhooks that takes everything and counts it, at as little cost as it can: it shares
//! the machine with the server.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

use crate::webhooks::receiver::{TAKEN, read};

/// Listens on a free port of this machine until it is dropped.
pub struct Receiver {
    pub address: SocketAddr,
    count: Arc<AtomicUsize>,
    /// Its thread serves the connections.
    _runtime: Runtime,
}

impl Receiver {
    pub fn start() -> anyhow::Result<Self> {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_io().build()?;
        let listener = runtime.block_on(tokio::net::TcpListener::bind(("127.0.0.1", 0)))?;
        let address = listener.local_addr()?;
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(take(stream, Arc::clone(&counted)));
            }
        });
        Ok(Self { address, count, _runtime: runtime })
    }

    /// How many messages have come so far.
    pub fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }
}

/// Answers the requests of a connection.
async fn take(stream: TcpStream, count: Arc<AtomicUsize>) {
    let mut stream = BufReader::new(stream);
    while let Ok(Some(_)) = read(&mut stream).await {
        count.fetch_add(1, Ordering::Relaxed);
        if stream.write_all(TAKEN).await.is_err() {
            return;
        }
    }
}
