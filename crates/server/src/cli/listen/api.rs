//! What `kola listen` asks of a server, and what its refusals mean for whoever typed the command.

use std::fmt::Display;
use std::time::Duration;

use anyhow::anyhow;
use axum::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, LOCATION, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderName, Method, Request, StatusCode, Uri};
use domain::decision::event::EventType;
use hyper::body::Bytes;
use networks::client::{Client, OpenError, Opened};
use serde_json::{Value, json};

use super::sse::{EventReader, StreamedEvent};
use crate::api::fields::is_refused_in_line;

/// How long an answer may take, and the head of a stream.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a stream may be silent. A heartbeat comes every 15 seconds.
const SILENCE_MAX: Duration = Duration::from_secs(45);
/// The most characters of an answer that a message shows.
const SHOWN_MAX: usize = 300;
/// The type of the event by which the server says that the token has ended.
const TOKEN_EXPIRED: &str = "token_expired";

/// Why the server did not do what it was asked for.
#[derive(Debug)]
pub enum Trouble {
    /// It may be over soon: no connection, or too much to do.
    Passing(anyhow::Error),
    /// It stays until somebody does something.
    Lasting(anyhow::Error),
}

impl Trouble {
    fn passing(reason: impl Display) -> Self {
        Self::Passing(anyhow!("{reason}"))
    }

    fn lasting(reason: impl Display) -> Self {
        Self::Lasting(anyhow!("{reason}"))
    }

    /// For a command that does not wait until it is over.
    pub fn into_error(self) -> anyhow::Error {
        match self {
            Self::Passing(error) | Self::Lasting(error) => error,
        }
    }
}

/// The id and the secret of an API key.
pub struct Credentials {
    pub client_id: String,
    pub client_secret: String,
}

/// A client of the API at one server.
pub struct Api {
    client: Client,
    /// Without a slash at its end.
    url: String,
    credentials: Credentials,
    token: Option<String>,
}

/// Where a stream begins.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    /// After the event at this position.
    pub position: i64,
    /// After this event instead, once one was seen.
    pub last_seen: Option<i64>,
}

/// A stream of events.
pub struct Stream {
    answer: Opened,
    reader: EventReader,
}

/// What comes next of a stream.
pub enum Next {
    Event(StreamedEvent),
    /// The token has ended: the stream goes on with another one.
    TokenExpired,
    /// The connection is of no use any more, and why.
    Broken(String),
}

impl Api {
    pub const fn new(client: Client, url: String, credentials: Credentials) -> Self {
        Self { client, url, credentials, token: None }
    }

    /// The token is not used any more; the next request obtains another one.
    pub fn forget_token(&mut self) {
        self.token = None;
    }

    /// The position of the merchant's last event; 0 where there is none.
    pub async fn last_position(&mut self) -> Result<i64, Trouble> {
        let found = self.get_json("/v1/events/list?limit=1").await?;
        match found.as_array().map(Vec::as_slice) {
            Some([]) => Ok(0),
            Some([event]) => self.position_of(event),
            _ => Err(self.no_kola("its list of events is none")),
        }
    }

    /// The position of an event.
    pub async fn position(&mut self, event_id: i64) -> Result<i64, Trouble> {
        let path = format!("/v1/events/retrieve/{event_id}");
        let answer = self.get(&path, &[]).await?;
        if answer.status == StatusCode::NOT_FOUND {
            let text = format!(
                "there is no event {event_id} of this merchant: `GET /v1/events/list` has their ids"
            );
            return Err(Trouble::lasting(text));
        }
        let event = self.json_of(&path, answer).await?;
        self.position_of(&event)
    }

    /// A stream of events of these types, or of all.
    pub async fn stream(&mut self, start: Start, types: &[EventType]) -> Result<Stream, Trouble> {
        let mut path = format!("/v1/events/stream?after_position={}", start.position);
        if !types.is_empty() {
            let names: Vec<&str> = types.iter().map(|kind| kind.as_str()).collect();
            path = format!("{path}&types={}", names.join(","));
        }
        let mut headers = vec![(ACCEPT, "text/event-stream".to_owned())];
        if let Some(id) = start.last_seen {
            headers.push((HeaderName::from_static("last-event-id"), id.to_string()));
        }
        let answer = self.get(&path, &headers).await?;
        if let (StatusCode::NOT_FOUND, Some(id)) = (answer.status, start.last_seen) {
            return Err(Trouble::lasting(format!(
                "{} does not know event {id} any more, which it has sent: it has another database \
                 now. Start the command again",
                self.url
            )));
        }
        if answer.status != StatusCode::OK {
            return Err(self.refusal("/v1/events/stream", answer).await);
        }
        let kind = text_of(&answer.headers, &CONTENT_TYPE);
        if !kind.starts_with("text/event-stream") {
            return Err(self.no_kola(format!("its stream of events is {kind:?}")));
        }
        Ok(Stream { answer, reader: EventReader::default() })
    }

    fn position_of(&self, event: &Value) -> Result<i64, Trouble> {
        event["position"].as_i64().ok_or_else(|| self.no_kola("an event has no position"))
    }

    async fn get_json(&mut self, path: &str) -> Result<Value, Trouble> {
        let answer = self.get(path, &[]).await?;
        self.json_of(path, answer).await
    }

    /// The answer to a GET with a token. One that has ended is replaced.
    async fn get(
        &mut self,
        path: &str,
        headers: &[(HeaderName, String)],
    ) -> Result<Opened, Trouble> {
        let is_fresh = self.token.is_none();
        let answer = self.get_once(path, headers).await?;
        if answer.status != StatusCode::UNAUTHORIZED || is_fresh {
            return Ok(answer);
        }
        self.forget_token();
        self.get_once(path, headers).await
    }

    async fn get_once(
        &mut self,
        path: &str,
        headers: &[(HeaderName, String)],
    ) -> Result<Opened, Trouble> {
        let token = match &self.token {
            Some(token) => token,
            None => self.token.insert(self.obtain_token().await?),
        };
        let mut headers = headers.to_vec();
        headers.push((AUTHORIZATION, format!("Bearer {token}")));
        self.send(Method::GET, path, &headers, Bytes::new()).await
    }

    async fn obtain_token(&self) -> Result<String, Trouble> {
        const PATH: &str = "/v1/jwt/client/obtain/token";
        let Credentials { client_id, client_secret } = &self.credentials;
        let body = json!({ "client_id": client_id, "client_secret": client_secret }).to_string();
        let headers = [(CONTENT_TYPE, "application/json".to_owned())];
        let answer = self.send(Method::POST, PATH, &headers, body.into()).await?;
        let answer = self.json_of(PATH, answer).await?;
        let token = answer["access_token"].as_str();
        Ok(token.ok_or_else(|| self.no_kola("it gave no token"))?.to_owned())
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(HeaderName, String)],
        body: Bytes,
    ) -> Result<Opened, Trouble> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let request = request.body(body).map_err(Trouble::lasting)?;
        match tokio::time::timeout(ANSWER_TIMEOUT, self.client.open(request)).await {
            Ok(answer) => answer.map_err(|error| self.unreachable(&error)),
            Err(_) => Err(self.silent()),
        }
    }

    /// The JSON of an answer with status 200.
    async fn json_of(&self, path: &str, answer: Opened) -> Result<Value, Trouble> {
        if answer.status != StatusCode::OK {
            return Err(self.refusal(path, answer).await);
        }
        let body = self.body_of(answer).await?;
        let json = serde_json::from_slice(&body);
        json.map_err(|_| self.no_kola(format!("what it answers to {path} is no JSON")))
    }

    async fn body_of(&self, answer: Opened) -> Result<Bytes, Trouble> {
        match tokio::time::timeout(ANSWER_TIMEOUT, answer.whole()).await {
            Ok(body) => body.map_err(|error| self.unreachable(&error)),
            Err(_) => Err(self.silent()),
        }
    }

    fn silent(&self) -> Trouble {
        let seconds = ANSWER_TIMEOUT.as_secs();
        Trouble::passing(format!("{} did not answer within {seconds} s", self.url))
    }

    fn no_kola(&self, why: impl Display) -> Trouble {
        Trouble::lasting(format!(
            "{} is not a kola server of this version: {why}. --url names the server",
            self.url
        ))
    }

    fn unreachable(&self, error: &OpenError) -> Trouble {
        let url = &self.url;
        match error {
            OpenError::Connection(_) => Trouble::passing(format!(
                "no server at {url} ({error}): `kola serve` starts one, and --url names another"
            )),
            OpenError::Tls(_) if error.to_string().contains("InvalidContentType") => {
                let plain = url.replacen("https://", "http://", 1);
                Trouble::lasting(format!("{url} speaks no TLS ({error}): is it --url {plain}?"))
            }
            OpenError::Tls(_) => Trouble::lasting(format!(
                "{url} cannot be trusted ({error}): where its certificate is of an authority of \
                 your own, set SSL_CERT_FILE to that authority's"
            )),
            OpenError::NotHttp if url.starts_with("http://") => {
                let with_tls = url.replacen("http://", "https://", 1);
                Trouble::lasting(format!("{url} speaks no HTTP: is it --url {with_tls}?"))
            }
            OpenError::NotHttp | OpenError::Closed(_) => {
                Trouble::passing(format!("{url}: {error}"))
            }
        }
    }

    /// What an answer means that is no success.
    async fn refusal(&self, path: &str, answer: Opened) -> Trouble {
        let (status, url) = (answer.status, &self.url);
        let challenge = description(&text_of(&answer.headers, &WWW_AUTHENTICATE));
        let location = text_of(&answer.headers, &LOCATION);
        let said = match self.body_of(answer).await {
            Ok(body) => detail_of(&body),
            Err(trouble) => return trouble,
        };
        match status {
            StatusCode::UNAUTHORIZED => {
                let why = challenge.unwrap_or(said);
                Trouble::lasting(format!("{url} refuses the client id or its secret: {why}"))
            }
            StatusCode::TOO_MANY_REQUESTS => {
                Trouble::passing(format!("{url} answers {status}: {said}"))
            }
            StatusCode::NOT_FOUND => self.no_kola(format!("it knows no {path}")),
            _ if status.is_server_error() => {
                Trouble::passing(format!("{url} answers {status}: {said}"))
            }
            _ if status.is_redirection() => Trouble::lasting(format!(
                "{url} leads to {location}: give the address that it leads to as --url"
            )),
            _ => Trouble::lasting(format!("{url} answers {status} to {path}: {said}")),
        }
    }
}

impl Stream {
    /// Waits for what comes next.
    ///
    /// # Errors
    /// What comes is no stream of events.
    pub async fn next(&mut self) -> anyhow::Result<Next> {
        loop {
            if let Some(event) = self.reader.next()? {
                return Ok(if event.kind == TOKEN_EXPIRED {
                    Next::TokenExpired
                } else {
                    Next::Event(event)
                });
            }
            match tokio::time::timeout(SILENCE_MAX, self.answer.chunk()).await {
                Ok(Ok(Some(bytes))) => self.reader.push(&bytes),
                Ok(Ok(None)) => return Ok(Next::Broken("the server ended the stream".to_owned())),
                Ok(Err(error)) => return Ok(Next::Broken(error.to_string())),
                Err(_) => {
                    let seconds = SILENCE_MAX.as_secs();
                    return Ok(Next::Broken(format!("nothing came for {seconds} s")));
                }
            }
        }
    }
}

/// The URL of a server: its scheme and host, and a path where a proxy has it below one. It has no
/// slash at its end.
///
/// # Errors
/// What is wrong with it, and what to do.
pub fn server_url(text: &str) -> Result<String, String> {
    let uri: Uri = text.parse().map_err(|_| "write it like https://kola.example.com")?;
    let authority = uri.authority().ok_or("no scheme and host: write http:// or https://")?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err("write http:// or https://".to_owned());
    }
    if authority.as_str().contains('@') || uri.query().is_some() || text.contains('#') {
        return Err("the URL of a server has no user, no query and no fragment".to_owned());
    }
    Ok(text.trim_end_matches('/').to_owned())
}

/// Whether a secret that is sent to this URL can be read on its way.
pub fn is_readable_on_its_way(url: &str) -> bool {
    let Ok(uri) = url.parse::<Uri>() else { return false };
    let host = uri.host().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    let is_here = host.eq_ignore_ascii_case("localhost")
        || address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    uri.scheme_str() == Some("http") && !is_here
}

fn text_of(headers: &HeaderMap, name: &HeaderName) -> String {
    let text = headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()));
    text.unwrap_or_default().into_owned()
}

/// The words of a challenge: `Bearer error="…", error_description="…"`.
fn description(challenge: &str) -> Option<String> {
    let (_, rest) = challenge.split_once("error_description=\"")?;
    Some(rest.split_once('"')?.0.to_owned())
}

/// The `detail` of a refusal, or the beginning of what else was answered.
fn detail_of(body: &[u8]) -> String {
    let json = serde_json::from_slice::<Value>(body).unwrap_or_default();
    let text = match &json["detail"] {
        Value::String(text) => text.clone(),
        Value::Null => String::from_utf8_lossy(body).into_owned(),
        faults => faults.to_string(),
    };
    shortened(&text)
}

/// The beginning of a text of a stranger, in one line and without what a terminal would obey.
pub fn shortened(text: &str) -> String {
    let mut words = text.trim().chars().map(|c| if is_refused_in_line(c) { ' ' } else { c });
    let mut shown: String = words.by_ref().take(SHOWN_MAX).collect();
    if words.next().is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use rustls::RootCertStore;

    use super::*;

    #[tokio::test]
    async fn a_stream_without_heartbeats_is_broken() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (done, is_done) = std::sync::mpsc::channel();
        let server = std::thread::spawn(move || {
            let (mut connection, _) = listener.accept().unwrap();
            let _request = connection.read(&mut [0; 4_096]).unwrap();
            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
            connection.write_all(format!("{head}: connected\n\n").as_bytes()).unwrap();
            is_done.recv()
        });
        let client = Client::with_roots(RootCertStore::empty(), None).unwrap();
        let credentials = Credentials { client_id: String::new(), client_secret: String::new() };
        let token = Some("token".to_owned());
        let mut api = Api { client, url, credentials, token };
        let mut stream = api.stream(Start { position: 0, last_seen: None }, &[]).await.unwrap();
        // From now on time passes as fast as nothing happens.
        tokio::time::pause();
        let begun = tokio::time::Instant::now();
        let next = stream.next().await.unwrap();
        assert!(matches!(next, Next::Broken(reason) if reason == "nothing came for 45 s"));
        assert!(begun.elapsed() >= SILENCE_MAX);
        done.send(()).unwrap();
        server.join().unwrap().unwrap();
    }

    #[test]
    fn what_is_the_url_of_a_server() {
        for (text, url) in [
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("https://kola.example/", "https://kola.example"),
            ("https://example.com/kola/", "https://example.com/kola"),
            ("http://[::1]:8080", "http://[::1]:8080"),
        ] {
            assert_eq!(server_url(text).unwrap(), url);
        }
        for text in [
            "",
            "kola.example",
            "127.0.0.1:8080",
            "ftp://kola.example",
            "https://user:hunter2@kola.example",
            "https://kola.example?a=b",
            "https://kola.example/#a",
        ] {
            let error = format!("{:#}", server_url(text).unwrap_err());
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn secrets_are_readable_on_the_way_to_other_machines_by_plain_http() {
        for url in ["http://kola:8080", "http://10.0.0.1", "http://localhost.example"] {
            assert!(is_readable_on_its_way(url), "{url}");
        }
        for url in
            ["https://kola.example", "http://127.0.0.1:8080", "http://[::1]", "http://LOCALHOST:1"]
        {
            assert!(!is_readable_on_its_way(url), "{url}");
        }
    }

    #[test]
    fn refusals_are_told_in_the_servers_words() {
        assert_eq!(detail_of(br#"{"detail": "Not found"}"#), "Not found");
        assert_eq!(detail_of(br#"{"detail": [{"msg": "x"}]}"#), r#"[{"msg":"x"}]"#);
        assert_eq!(detail_of(b"<html>\n\x1b[31m"), "<html>  [31m");
        assert_eq!(detail_of("é".repeat(301).as_bytes()), format!("{}…", "é".repeat(300)));
        let challenge = "Bearer error=\"invalid_client\", error_description=\"wrong secret\"";
        assert_eq!(description(challenge).as_deref(), Some("wrong secret"));
        assert_eq!(description("Bearer"), None);
    }
}
