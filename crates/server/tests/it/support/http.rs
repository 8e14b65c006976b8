//! A small HTTP/1.1 client: one connection per request, so that no request is retried unnoticed.

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::net::TcpStream;

use serde_json::Value;

use super::WAIT_MAX;

/// A client with (or without) a token.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) address: String,
    pub(crate) token: Option<String>,
}

impl Api {
    pub(crate) fn get(&self, path: &str) -> Reply {
        self.call("GET", path, None)
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Reply {
        self.call("POST", path, Some(body))
    }

    pub(crate) fn put(&self, path: &str, body: &Value) -> Reply {
        self.call("PUT", path, Some(body))
    }

    /// A call that must be answered, with any status.
    #[track_caller]
    pub(crate) fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Reply {
        self.try_call(method, path, body)
            .unwrap_or_else(|e| panic!("{method} {path}: no answer: {e}"))
    }

    /// A call to a server that may be killed meanwhile.
    pub(crate) fn try_call(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> io::Result<Reply> {
        match body {
            Some(json) => self.exchange(
                method,
                path,
                &[("Content-Type", "application/json")],
                json.to_string().as_bytes(),
            ),
            None => self.exchange(method, path, &[], b""),
        }
    }

    /// A POST of any bytes with any content type.
    #[track_caller]
    pub(crate) fn post_bytes(&self, path: &str, content_type: &str, body: &[u8]) -> Reply {
        let sent = self.exchange("POST", path, &[("Content-Type", content_type)], body);
        sent.unwrap_or_else(|e| panic!("POST {path}: no answer: {e}"))
    }

    /// The same client with another token.
    pub(crate) fn with_token(&self, token: Option<&str>) -> Self {
        Self { address: self.address.clone(), token: token.map(str::to_owned) }
    }

    /// A request with these headers. One named `Host` replaces the usual one.
    pub(crate) fn exchange(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<Reply> {
        let mut head = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
        if !headers.iter().any(|(name, _)| *name == "Host") {
            head.push_str(&format!("Host: {}\r\n", self.address));
        }
        if let Some(token) = &self.token {
            head.push_str(&format!("Authorization: Bearer {token}\r\n"));
        }
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !matches!(method, "GET" | "HEAD") || !body.is_empty() {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        raw(&self.address, head.as_bytes(), body)
    }
}

/// A request whose head the server has read and whose body is not sent yet.
pub(crate) struct Begun {
    stream: TcpStream,
    body: Vec<u8>,
}

impl Api {
    /// Sends the head of a request and waits for `100 Continue`: by then the server has checked the
    /// token.
    #[track_caller]
    pub(crate) fn begin(&self, method: &str, path: &str, body: &Value) -> Begun {
        let body = body.to_string().into_bytes();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nAuthorization: Bearer {}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\nExpect: 100-continue\r\n\r\n",
            self.address,
            self.token.as_deref().unwrap_or_default(),
            body.len()
        );
        let mut stream = TcpStream::connect(&self.address).expect("a connection");
        stream.set_read_timeout(Some(WAIT_MAX)).expect("a timeout");
        stream.write_all(head.as_bytes()).expect("a head is sent");
        let mut asked = Vec::new();
        while !asked.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("an interim answer");
            asked.extend(byte);
        }
        let asked = String::from_utf8_lossy(&asked).into_owned();
        assert!(
            asked.starts_with("HTTP/1.1 100 "),
            "{method} {path} is answered before its body: {asked}"
        );
        Begun { stream, body }
    }
}

impl Begun {
    /// Sends the body.
    #[track_caller]
    pub(crate) fn finish(mut self) -> Reply {
        self.stream.write_all(&self.body).expect("a body is sent");
        let mut answer = Vec::new();
        self.stream.read_to_end(&mut answer).expect("an answer");
        Reply::parse(&answer).expect("an answer of HTTP")
    }
}

/// Sends a head (without its empty line) and a body unchanged. The server may answer before it has
/// read all of it.
pub(crate) fn raw(address: &str, head: &[u8], body: &[u8]) -> io::Result<Reply> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(2 * WAIT_MAX))?;
    stream.set_nodelay(true)?;
    let mut request = head.to_vec();
    request.extend_from_slice(b"\r\n");
    request.extend_from_slice(body);
    let sent = stream.write_all(&request);
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    let reply =
        if head.starts_with(b"HEAD ") { Reply::parse_head(&answer) } else { Reply::parse(&answer) };
    reply.ok_or_else(|| {
        sent.err().or(read.err()).unwrap_or_else(|| io::ErrorKind::UnexpectedEof.into())
    })
}

/// A response.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Value,
    /// The number of bytes of the body as it was sent: compressed, if the client allowed that.
    pub(crate) size: usize,
}

/// One entry of a 422's `detail`.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) loc: String,
    pub(crate) msg: String,
    pub(crate) kind: String,
}

impl Reply {
    /// The answer to a HEAD, whose headers tell of a body that is not sent.
    fn parse_head(raw: &[u8]) -> Option<Self> {
        let end = raw.windows(4).position(|w| w == b"\r\n\r\n")?;
        let head = std::str::from_utf8(raw.get(..end)?).ok()?;
        let mut lines = head.split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let size = raw.len() - end - 4;
        Some(Self { status, headers, body: Value::Null, size })
    }

    fn parse(raw: &[u8]) -> Option<Self> {
        let head = Self::parse_head(raw)?;
        let rest = raw.get(raw.len() - head.size..)?;
        let chunked = head
            .header("transfer-encoding")
            .is_some_and(|encoding| encoding.eq_ignore_ascii_case("chunked"));
        let body = if chunked {
            unchunk(rest)?
        } else if let Some(length) = head.header("content-length") {
            rest.get(..length.parse().ok()?)?.to_vec()
        } else {
            rest.to_vec()
        };
        let size = body.len();
        let body = serde_json::from_slice(&body)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&body).into_owned()));
        Some(Self { body, size, ..head })
    }

    /// The values of a header that may be there several times.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers.iter().filter(move |(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// The body of a 200.
    #[track_caller]
    pub(crate) fn ok(self) -> Value {
        assert_eq!(self.status, 200, "refused: {}", self.body);
        self.assert_json();
        self.body
    }

    /// The body of a 200 that is a bare array.
    #[track_caller]
    pub(crate) fn rows(self) -> Vec<Value> {
        match self.ok() {
            Value::Array(rows) => rows,
            other => panic!("not a bare array: {other}"),
        }
    }

    /// The `detail` of an error with this status.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16) -> &Value {
        assert_eq!(self.status, status, "body: {}", self.body);
        self.assert_json();
        let detail = &self.body["detail"];
        assert!(!detail.is_null(), "no detail in {}", self.body);
        // Typed clients of the public API read the detail of a 422 as a list, and that of any other
        // error as a text.
        assert_eq!(detail.is_array(), status == 422, "a {status} with {}", self.body);
        detail
    }

    /// The `detail` of an error, where it is a text.
    #[track_caller]
    pub(crate) fn refused_in_words(&self, status: u16) -> &str {
        let detail = self.refused(status);
        let words = detail.as_str().unwrap_or_else(|| panic!("detail is not a text: {detail}"));
        assert!(!words.is_empty(), "an empty detail");
        words
    }

    /// The faults of a 422, in the order of the response.
    #[track_caller]
    pub(crate) fn faults(&self) -> Vec<Fault> {
        let detail = self.refused(422);
        let rows = detail.as_array().unwrap_or_else(|| panic!("detail is not a list: {detail}"));
        assert!(!rows.is_empty(), "an empty detail");
        rows.iter().map(Fault::read).collect()
    }

    /// The fault at `loc`, written `body.amount`.
    #[track_caller]
    pub(crate) fn fault(&self, loc: &str) -> Fault {
        let faults = self.faults();
        let found = faults.iter().find(|f| f.loc == loc);
        found.cloned().unwrap_or_else(|| panic!("no fault at {loc} in {}", self.body))
    }

    /// The fault of a 422 about a state or a reference: a `value_error.…` with a message.
    #[track_caller]
    pub(crate) fn state_fault(&self, loc: &str) -> Fault {
        let fault = self.fault(loc);
        assert!(fault.kind.starts_with("value_error."), "type {} at {loc}", fault.kind);
        assert!(!fault.msg.trim().is_empty(), "no sentence at {loc}");
        fault
    }

    /// Fails unless the faults of a 422 are at exactly these fields.
    #[track_caller]
    pub(crate) fn faults_are_at(&self, locs: &[&str]) {
        let faults = self.faults();
        let found: BTreeSet<&str> = faults.iter().map(|f| f.loc.as_str()).collect();
        assert_eq!(found, locs.iter().copied().collect(), "in {}", self.body);
    }

    /// Fails unless the answer is a 404 or a 422: the API leaves open which.
    #[track_caller]
    pub(crate) fn refused_as_unknown(&self) {
        assert!(matches!(self.status, 404 | 422), "status {}: {}", self.status, self.body);
        self.refused(self.status);
    }

    #[track_caller]
    fn assert_json(&self) {
        let kind = self.header("content-type").unwrap_or_default();
        assert!(kind.starts_with("application/json"), "content type {kind:?}: {}", self.body);
    }
}

impl Fault {
    #[track_caller]
    fn read(row: &Value) -> Self {
        let text = |field: &str| {
            row[field].as_str().unwrap_or_else(|| panic!("no {field} in {row}")).to_owned()
        };
        let parts = row["loc"].as_array().unwrap_or_else(|| panic!("no loc in {row}"));
        let loc: Vec<String> =
            parts.iter().map(|p| p.as_str().map_or_else(|| p.to_string(), str::to_owned)).collect();
        Self { loc: loc.join("."), msg: text("msg"), kind: text("type") }
    }

    /// Fails unless the fault has this message and type.
    #[track_caller]
    pub(crate) fn says(&self, msg: &str, kind: &str) {
        assert_eq!((self.msg.as_str(), self.kind.as_str()), (msg, kind), "at {}", self.loc);
    }

    #[track_caller]
    pub(crate) fn is_missing(&self) {
        self.says("field required", "value_error.missing");
    }
}

fn unchunk(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut whole = Vec::new();
    loop {
        let line = rest.windows(2).position(|w| w == b"\r\n")?;
        let size =
            usize::from_str_radix(std::str::from_utf8(rest.get(..line)?).ok()?.trim(), 16).ok()?;
        rest = rest.get(line + 2..)?;
        if size == 0 {
            return Some(whole);
        }
        whole.extend_from_slice(rest.get(..size)?);
        rest = rest.get(size + 2..)?;
    }
}
