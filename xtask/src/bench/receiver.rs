//! An endpoint of webhooks that takes everything and counts it, at as little cost as it can: it shares
//! the machine with the server.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

const ANSWER: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";

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
async fn take(mut stream: TcpStream, count: Arc<AtomicUsize>) {
    let mut input = Vec::with_capacity(8 * 1024);
    loop {
        match request(&input) {
            Some(length) => {
                input.drain(..length);
                count.fetch_add(1, Ordering::Relaxed);
                if stream.write_all(ANSWER).await.is_err() {
                    return;
                }
            }
            None => match stream.read_buf(&mut input).await {
                Ok(1..) => {}
                Ok(0) | Err(_) => return,
            },
        }
    }
}

/// The length of the request that the input begins with, once all of it is there.
fn request(input: &[u8]) -> Option<usize> {
    let head = input.windows(4).position(|window| window == b"\r\n\r\n")?;
    let text = std::str::from_utf8(input.get(..head)?).ok()?;
    let length = text.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    let end = head + 4 + length.unwrap_or(0_usize);
    (input.len() >= end).then_some(end)
}
