//! A program of merchants that takes webhooks, and that fails at random where a chore wants it to.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

use crate::bench::jobs::Random;

/// What it does with a request.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Mood {
    Take,
    /// Takes it after a while.
    Late,
    Refuse,
    /// Asks to be left alone for longer than the server would.
    Busy,
    /// Ends the connection by a reset, after it has read all.
    Reset,
    /// Says half of an answer.
    Half,
    /// Says nothing until the server gives up.
    Hang,
    /// Answers 204 when the server has given up.
    TooLate,
}

impl Mood {
    const ALL: [Self; 8] = [
        Self::Take,
        Self::Late,
        Self::Refuse,
        Self::Busy,
        Self::Reset,
        Self::Half,
        Self::Hang,
        Self::TooLate,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Take => "taken",
            Self::Late => "taken late",
            Self::Refuse => "answered 500",
            Self::Busy => "answered 503 with Retry-After",
            Self::Reset => "reset",
            Self::Half => "answered by half",
            Self::Hang => "not answered",
            Self::TooLate => "answered after the server had gone",
        }
    }

    /// In thousandths.
    const fn share(self) -> u64 {
        match self {
            Self::Take => 700,
            Self::Late => 60,
            Self::Refuse => 80,
            Self::Busy => 30,
            Self::Reset => 50,
            Self::Half => 30,
            Self::Hang => 30,
            Self::TooLate => 20,
        }
    }

    fn drawn() -> Self {
        let mut rest = Random::seeded().next() % 1_000;
        for mood in Self::ALL {
            match rest.checked_sub(mood.share()) {
                Some(left) => rest = left,
                None => return mood,
            }
        }
        Self::Take
    }
}

/// What an endpoint was told of an event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Told {
    /// How often the message arrived in full.
    pub requests: u64,
    /// How often it was answered 2xx.
    pub taken: u64,
    /// A hash of the body.
    pub body: u64,
    pub sequence: u64,
}

/// A server that dies while its request is here.
struct Trap {
    /// How many requests still arrive, that one included.
    left: u32,
    server: Pid,
}

#[derive(Default)]
struct State {
    /// By the path of the endpoint and the id of the event.
    told: Mutex<HashMap<String, HashMap<u64, Told>>>,
    moods: Mutex<HashMap<Mood, u64>>,
    /// What must not be: another body in another attempt, an id that is not the body's.
    wrong: Mutex<Vec<String>>,
    trap: Mutex<Option<Trap>>,
    is_moody: AtomicBool,
    /// How long the server waits for an answer.
    patience: Duration,
}

pub struct Receiver {
    pub address: SocketAddr,
    state: Arc<State>,
    /// Dropping it ends all connections.
    _runtime: Runtime,
}

impl Receiver {
    /// Takes everything, until it [becomes moody](Self::set_moody). `patience` is the time that the
    /// server waits for an answer.
    pub fn start(patience: Duration) -> anyhow::Result<Self> {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))?;
        let address = listener.local_addr()?;
        let state = Arc::new(State { patience, ..State::default() });
        let of_task = Arc::clone(&state);
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = Arc::clone(&of_task);
                tokio::spawn(async move { state.serve(stream).await });
            }
        });
        Ok(Self { address, state, _runtime: runtime })
    }

    pub fn set_moody(&self, is_moody: bool) {
        self.state.is_moody.store(is_moody, Ordering::Release);
    }

    /// Kills that server at its `nth` request from now on, which is not answered.
    pub fn kill_at(&self, nth: u32, server: u32) -> anyhow::Result<()> {
        let server = Pid::from_raw(i32::try_from(server)?).context("a process id")?;
        *locked(&self.state.trap) = Some(Trap { left: nth, server });
        Ok(())
    }

    /// No server is to be killed any more.
    pub fn disarm(&self) {
        *locked(&self.state.trap) = None;
    }

    /// What an endpoint was told, by the ids of the events.
    pub fn told_at(&self, path: &str) -> HashMap<u64, Told> {
        locked(&self.state.told).get(path).cloned().unwrap_or_default()
    }

    /// What was seen that must not be.
    pub fn wrong(&self) -> Vec<String> {
        locked(&self.state.wrong).clone()
    }

    /// How often it did what, in words.
    pub fn moods(&self) -> String {
        let counts = locked(&self.state.moods);
        let met = Mood::ALL
            .iter()
            .filter_map(|mood| counts.get(mood).map(|count| format!("{count} {}", mood.name())));
        met.collect::<Vec<_>>().join(", ")
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The answer to a message that is taken.
pub const TAKEN: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";

/// A message as it arrived.
pub struct Request {
    path: String,
    webhook_id: String,
    body: Vec<u8>,
}

impl State {
    async fn serve(&self, stream: TcpStream) {
        let mut stream = BufReader::new(stream);
        while let Ok(Some(request)) = read(&mut stream).await {
            let id = self.note(&request);
            if self.springs() {
                return;
            }
            let mood =
                if self.is_moody.load(Ordering::Acquire) { Mood::drawn() } else { Mood::Take };
            *locked(&self.moods).entry(mood).or_default() += 1;
            match self.answer(mood, &mut stream).await {
                Ok(true) => {
                    if let Some(id) = id {
                        self.note_taken(&request.path, id);
                    }
                }
                Ok(false) => {}
                Err(_) => return,
            }
            if matches!(mood, Mood::Reset | Mood::Half | Mood::Hang | Mood::TooLate) {
                return;
            }
        }
    }

    /// Notes a message. Returns the id of its event.
    fn note(&self, request: &Request) -> Option<u64> {
        let mut hasher = DefaultHasher::new();
        request.body.hash(&mut hasher);
        let body = hasher.finish();
        let json: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let number = |name: &str| json.get(name).and_then(Value::as_u64);
        let (id, sequence) = number("id").zip(number("sequence")).or_else(|| {
            let text = String::from_utf8_lossy(&request.body).into_owned();
            locked(&self.wrong).push(format!("a message without id and sequence: {text}"));
            None
        })?;
        if request.webhook_id != id.to_string() {
            locked(&self.wrong).push(format!("{id} has the webhook-id {}", request.webhook_id));
        }
        let mut told = locked(&self.told);
        let of_endpoint = told.entry(request.path.clone()).or_default();
        let told = of_endpoint.entry(id).or_insert(Told { requests: 0, taken: 0, body, sequence });
        told.requests += 1;
        if told.body != body {
            locked(&self.wrong).push(format!("{id} came with another body"));
        }
        Some(id)
    }

    fn note_taken(&self, path: &str, id: u64) {
        if let Some(told) = locked(&self.told).get_mut(path).and_then(|told| told.get_mut(&id)) {
            told.taken += 1;
        }
    }

    /// Kills the server whose turn it is.
    fn springs(&self) -> bool {
        let mut trap = locked(&self.trap);
        let Some(armed) = trap.as_mut() else { return false };
        armed.left = armed.left.saturating_sub(1);
        if armed.left > 0 {
            return false;
        }
        // An error means that it has ended by itself.
        kill_process(armed.server, Signal::KILL).ok();
        *trap = None;
        true
    }

    /// Returns whether the message was taken.
    async fn answer(&self, mood: Mood, stream: &mut BufReader<TcpStream>) -> io::Result<bool> {
        match mood {
            Mood::Take => stream.write_all(TAKEN).await.map(|()| true),
            Mood::Late => {
                let part = Random::seeded().next() % 700;
                let pause = self.patience * u32::try_from(part).unwrap_or_default() / 1_000;
                tokio::time::sleep(pause).await;
                stream.write_all(TAKEN).await.map(|()| true)
            }
            Mood::Refuse => {
                let answer = b"HTTP/1.1 500 Not Today\r\nContent-Length: 5\r\n\r\nNo.\r\n";
                stream.write_all(answer).await.map(|()| false)
            }
            Mood::Busy => {
                let answer = b"HTTP/1.1 503 Busy\r\nRetry-After: 15\r\nContent-Length: 0\r\n\r\n";
                stream.write_all(answer).await.map(|()| false)
            }
            // The connection ends when the caller drops it.
            Mood::Reset => stream.get_ref().set_zero_linger().map(|()| false),
            Mood::Half => stream.write_all(b"HTTP/1.1 20").await.map(|()| false),
            Mood::Hang => {
                // Until the other side closes.
                stream.read_u8().await.ok();
                Ok(false)
            }
            Mood::TooLate => {
                tokio::time::sleep(self.patience + Duration::from_millis(500)).await;
                // An error is what it expects.
                stream.write_all(TAKEN).await.ok();
                Ok(false)
            }
        }
    }
}

/// The next request; `None` when the other side has closed.
pub async fn read(stream: &mut BufReader<TcpStream>) -> io::Result<Option<Request>> {
    let mut line = String::new();
    if stream.read_line(&mut line).await? == 0 {
        return Ok(None);
    }
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let (mut webhook_id, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(None);
        }
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "webhook-id" => value.trim().clone_into(&mut webhook_id),
            "content-length" => length = value.trim().parse().unwrap_or_default(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(Some(Request { path, webhook_id, body }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(id: &str, body: &str) -> Request {
        Request { path: "/a".to_owned(), webhook_id: id.to_owned(), body: body.into() }
    }

    #[test]
    fn another_body_and_another_id_are_noticed() {
        let state = State::default();
        let body = r#"{"id": 7, "sequence": 2}"#;
        for _ in 0..2 {
            assert_eq!(state.note(&request("7", body)), Some(7));
        }
        state.note_taken("/a", 7);
        let told = locked(&state.told)["/a"][&7];
        assert_eq!((told.requests, told.taken, told.sequence), (2, 1, 2));
        assert!(locked(&state.wrong).is_empty());
        state.note(&request("7", r#"{"id":7, "sequence": 2}"#));
        state.note(&request("8", body));
        state.note(&request("9", "{}"));
        assert_eq!(locked(&state.wrong).len(), 3);
    }

    #[test]
    fn moods_have_shares_of_a_thousand() {
        assert_eq!(Mood::ALL.iter().map(|mood| mood.share()).sum::<u64>(), 1_000);
    }
}
