//! The fakes as a client sees them, on a clock that stands still.

mod pawapay;
mod stripe;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::{Fakes, Settings};

/// A moment in 2026, in milliseconds.
const NOW: i64 = 1_795_906_800_000;

/// A callback that was received.
#[derive(Clone, Debug)]
struct Received {
    path: String,
    headers: BTreeMap<String, String>,
    body: Bytes,
}

impl Received {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

#[derive(Default)]
struct Inbox {
    received: Vec<Received>,
    /// What is answered; 200 unless set.
    status: Option<u16>,
}

/// Fakes on a clock that stands, whoever receives their callbacks, and a client.
struct Stage {
    fakes: Fakes,
    inbox: Arc<Mutex<Inbox>>,
    authority: String,
    client: Client<HttpConnector, Full<Bytes>>,
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

impl Stage {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let authority = listener.local_addr().unwrap().to_string();
        let inbox = Arc::new(Mutex::new(Inbox::default()));
        let router = Router::new().fallback(receive).with_state(Arc::clone(&inbox));
        tokio::spawn(crate::serve::serve(listener, router));
        let settings = Settings {
            delay_ms: 1_000,
            clock_stands_at: Some(NOW),
            pawapay_callback: Some(format!("http://{authority}/callbacks/pawapay")),
            stripe_webhook: Some(format!("http://{authority}/callbacks/stripe")),
            ..Settings::default()
        };
        let fakes = Fakes::start(settings).await.unwrap();
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { fakes, inbox, authority, client }
    }

    async fn send(
        &self,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<Answer, String> {
        let mut request = hyper::Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::from(body.to_owned()))).unwrap();
        let answer = self.client.request(request).await.map_err(|error| error.to_string())?;
        let (parts, body) = answer.into_parts();
        let body = body.collect().await.map_err(|error| error.to_string())?.to_bytes();
        Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, body })
    }

    fn control(&self, path: &str, body: &Value) -> Value {
        self.fakes.control(path, body).unwrap_or_else(|error| panic!("{path} {body}: {error}"))
    }

    fn fault(&self, fault: &Value) {
        self.control("/faults", fault);
    }

    /// Moves the clock and waits for the callbacks.
    async fn pass(&self, seconds: i64) {
        self.fakes.advance(seconds);
        self.fakes.flush().await;
    }

    /// What was received since the last call.
    fn received(&self) -> Vec<Received> {
        std::mem::take(&mut self.inbox.lock().unwrap().received)
    }

    fn answer_callbacks_with(&self, status: u16) {
        self.inbox.lock().unwrap().status = Some(status);
    }
}

async fn receive(
    State(inbox): State<Arc<Mutex<Inbox>>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    let text = |value: &axum::http::HeaderValue| value.to_str().unwrap_or_default().to_owned();
    let headers = headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    let mut inbox = inbox.lock().unwrap();
    inbox.received.push(Received { path: uri.path().to_owned(), headers, body });
    StatusCode::from_u16(inbox.status.unwrap_or(200)).unwrap()
}

#[tokio::test]
async fn the_control_port_speaks_http() {
    let stage = Stage::new().await;
    let url = stage.fakes.control_url();
    let fault = r#"{"network": "PAWAPAY", "kind": "RESET", "times": 3}"#;
    let added = stage.send("POST", &format!("{url}/faults"), &[], fault).await.unwrap();
    assert_eq!((added.status, added.json()), (200, json!({ "id": 1 })));
    let listed = stage.send("GET", &format!("{url}/faults"), &[], "").await.unwrap();
    assert_eq!(listed.json()["pawapay"][0]["left"], 3);
    let wrong = stage.send("POST", &format!("{url}/faults"), &[], "{}").await.unwrap();
    assert_eq!((wrong.status, wrong.json()["error"].as_str()), (400, Some("'network' is missing")));
    assert_eq!(stage.send("GET", &format!("{url}/nowhere"), &[], "").await.unwrap().status, 404);
    let day = r#"{"seconds": 86400}"#;
    let moved = stage.send("POST", &format!("{url}/clock/advance"), &[], day).await.unwrap();
    assert_eq!(moved.json()["offset_seconds"], 86_400);
    assert_eq!(stage.fakes.now(), NOW + 86_400_000);
    assert_eq!(stage.send("POST", &format!("{url}/flush"), &[], "").await.unwrap().status, 200);
    let cleared = stage.send("DELETE", &format!("{url}/faults"), &[], "").await.unwrap();
    assert_eq!(cleared.status, 200);
    assert_eq!(stage.fakes.look("/faults").unwrap()["pawapay"], json!([]));
}

#[test]
fn fakes_on_threads_of_their_own_keep_real_time() {
    let settings = Settings { delay_ms: 20, ..Settings::default() };
    let fakes = Fakes::start_on_threads(settings).unwrap();
    fakes.flush_on_threads();
    let before = fakes.now();
    std::thread::sleep(Duration::from_millis(5));
    assert!(fakes.now() > before);
    assert_eq!(fakes.books()["pawapay"]["payments"], json!([]));
}
