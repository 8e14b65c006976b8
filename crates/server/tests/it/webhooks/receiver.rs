//! A program of a merchant that takes webhooks.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::support::wait_for;

/// A message as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    pub(crate) fn kind(&self) -> String {
        self.json()["type"].as_str().unwrap_or_default().to_owned()
    }

    /// Whether one of its signatures is by this secret, as the standard has it.
    pub(crate) fn is_signed_by(&self, secret: &str) -> bool {
        let key = STANDARD.decode(secret.strip_prefix("whsec_").expect("whsec_")).expect("base64");
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &key);
        let (id, time) = (self.header("webhook-id"), self.header("webhook-timestamp"));
        let signed = format!("{id}.{time}.{}", self.body);
        let expected = STANDARD.encode(ring::hmac::sign(&key, signed.as_bytes()));
        self.header("webhook-signature").split(' ').any(|one| one == format!("v1,{expected}"))
    }
}

/// What it answers: a status with more headers, each with its line break.
pub(crate) type Answer = (u16, String);

struct State {
    received: Vec<Received>,
    answer: Box<dyn FnMut(&Received) -> Answer + Send>,
}

pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Receiver {
    /// Answers 204 to everything.
    pub(crate) fn open() -> Self {
        Self::answering(|_| (204, String::new()))
    }

    pub(crate) fn answering(answer: impl FnMut(&Received) -> Answer + Send + 'static) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").expect("a port"), answer)
    }

    pub(crate) fn on(
        listener: TcpListener,
        answer: impl FnMut(&Received) -> Answer + Send + 'static,
    ) -> Self {
        let address = listener.local_addr().expect("an address");
        let state = State { received: vec![], answer: Box::new(answer) };
        let state = Arc::new(Mutex::new(state));
        let of_threads = Arc::clone(&state);
        // The threads end with the test process.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&of_threads);
                std::thread::spawn(move || serve(stream, &state));
            }
        });
        Self { address, state }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hooks?of=test", self.address)
    }

    /// From now on it answers so.
    pub(crate) fn answer(&self, answer: impl FnMut(&Received) -> Answer + Send + 'static) {
        self.state.lock().expect("a lock").answer = Box::new(answer);
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.state.lock().expect("a lock").received.clone()
    }

    /// The messages of that type, once there are so many.
    #[track_caller]
    pub(crate) fn wait_for(&self, kind: &str, count: usize) -> Vec<Received> {
        wait_for(&format!("{count} × {kind}"), || {
            let found: Vec<_> =
                self.received().into_iter().filter(|message| message.kind() == kind).collect();
            (found.len() >= count).then_some(found)
        })
    }
}

fn serve(mut stream: TcpStream, state: &Mutex<State>) {
    let _set = stream.set_read_timeout(Some(Duration::from_secs(60)));
    let Ok(copy) = stream.try_clone() else { return };
    let mut reader = BufReader::new(copy);
    while let Some(received) = read(&mut reader) {
        let (status, headers) = {
            let mut state = state.lock().expect("a lock");
            state.received.push(received.clone());
            (state.answer)(&received)
        };
        let body = format!("answered {status}");
        let answer = format!(
            "HTTP/1.1 {status} Said\r\n{headers}content-length: {}\r\n\r\n{body}",
            body.len()
        );
        let answer = if status == 204 {
            format!("HTTP/1.1 204 No Content\r\n{headers}\r\n")
        } else {
            answer
        };
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Received> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length: usize = headers.get("content-length")?.parse().ok()?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Received { headers, body: String::from_utf8(body).ok()? })
}
