//! Persistent connections: after any answer the next request on the connection is answered, too,
//! unless the answer has said that the connection will be closed.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::support::{Merchant, Server, json, open, open_with, spawn_with, wait_for};

/// A connection that is used for several requests.
struct Connection {
    stream: BufReader<TcpStream>,
    token: Option<String>,
}

/// What the tests need of an answer.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn closes(&self) -> bool {
        self.head.contains("\r\nconnection: close\r\n")
    }
}

impl Connection {
    fn open(server: &Server, token: Option<&str>) -> Self {
        let stream = TcpStream::connect(&server.api.address).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
        stream.set_nodelay(true).expect("no delay");
        Self { stream: BufReader::new(stream), token: token.map(str::to_owned) }
    }

    /// Sends a head with these fields. The body is sent separately.
    fn head(&mut self, method: &str, path: &str, fields: &str) {
        self.whole(method, path, fields, "");
    }

    /// Sends a head and a body in one piece.
    fn whole(&mut self, method: &str, path: &str, fields: &str, body: &str) {
        let token = self
            .token
            .as_ref()
            .map(|token| format!("Authorization: Bearer {token}\r\n"))
            .unwrap_or_default();
        self.send(
            format!("{method} {path} HTTP/1.1\r\nHost: x\r\n{token}{fields}\r\n{body}").as_bytes(),
        );
    }

    fn send(&mut self, bytes: &[u8]) {
        // The server may have closed the connection after its answer.
        let _sent = self.stream.get_mut().write_all(bytes);
    }

    /// The next answer; `None` if the connection was closed.
    fn answer(&mut self) -> Option<Answer> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.stream.read_line(&mut head).ok()? == 0 {
                return None;
            }
        }
        let lower = head.to_ascii_lowercase();
        let length = lower
            .split("content-length: ")
            .nth(1)
            .and_then(|rest| rest.split("\r\n").next()?.parse().ok())
            .unwrap_or(0);
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).ok()?;
        let status = head.get(9..12)?.parse().ok()?;
        Some(Answer { status, head: lower, body: String::from_utf8_lossy(&body).into_owned() })
    }

    /// Fails unless the answer has this status, and the connection then does what the answer said:
    /// it stays open, or is closed.
    #[track_caller]
    fn expect_answer(&mut self, status: u16) -> bool {
        let answer = self.answer().expect("an answer");
        assert_eq!(answer.status, status, "{answer:?}");
        if answer.closes() {
            return false;
        }
        self.head("GET", "/healthz", "");
        let next = self.answer().unwrap_or_else(|| {
            panic!("the connection was closed without an announcement after {answer:?}")
        });
        assert_eq!((next.status, next.body.as_str()), (200, "{\"status\":\"ok\"}\n"));
        true
    }
}

const JSON: &str = "Content-Type: application/json\r\n";

fn sized(length: usize) -> String {
    format!("{JSON}Content-Length: {length}\r\n")
}

/// Calls that are answered without reading their body: method, path, whether they have a token, and
/// the status.
fn unread(shop: &Merchant) -> Vec<(&'static str, String, bool, u16)> {
    let draft = shop.draft("invoices", "USD", "PAYER");
    shop.add_item("invoices", draft, "USD", 1, "5.00");
    let other = shop.draft("orders", "USD", "PAYER");
    vec![
        ("PUT", format!("/v1/invoices/publish/{draft}"), true, 200),
        ("PUT", format!("/v1/orders/publish/{other}"), true, 422),
        ("DELETE", format!("/v1/orders/cancel/{other}"), true, 200),
        ("GET", "/v1/parties/list".to_owned(), true, 200),
        ("POST", "/v1/api-keys/revoke/999999".to_owned(), true, 404),
        ("POST", "/v1/parties/create".to_owned(), false, 401),
        ("POST", "/v1/nowhere".to_owned(), true, 404),
        ("PUT", "/v1/invoices/publish/987654".to_owned(), true, 404),
        ("PATCH", "/v1/parties/list".to_owned(), true, 405),
        ("OPTIONS", "/v1/parties/list".to_owned(), false, 405),
        ("GET", "/pay/none".to_owned(), false, 404),
    ]
}

#[test]
fn a_body_that_nobody_reads_costs_no_connection() {
    let (server, shop) = open();
    for (method, path, with_token, status) in unread(&shop) {
        let token = shop.api.token.as_deref().filter(|_| with_token);
        let mut connection = Connection::open(&server, token);
        connection.head(method, &path, &sized(2));
        // The body is sent after the answer, which does not wait for it.
        std::thread::sleep(Duration::from_millis(50));
        connection.send(b"{}");
        connection.expect_answer(status);
    }
}

#[test]
fn all_in_one_piece_the_connection_is_kept() {
    let (server, shop) = open();
    for (method, path, with_token, status) in unread(&shop) {
        let token = shop.api.token.as_deref().filter(|_| with_token);
        let mut connection = Connection::open(&server, token);
        connection.whole(method, &path, &sized(2), "{}");
        assert!(connection.expect_answer(status), "{method} {path}: it was closed");
    }
    // A chunked body of the length that the server still reads.
    let mut connection = Connection::open(&server, Some("x"));
    connection.head("POST", "/v1/parties/create", &format!("{JSON}Transfer-Encoding: chunked\r\n"));
    connection.send(
        format!("8000\r\n{}\r\n7000\r\n{}\r\n0\r\n\r\n", " ".repeat(0x8000), " ".repeat(0x7000))
            .as_bytes(),
    );
    assert!(connection.expect_answer(401), "chunks");
}

#[test]
fn a_body_that_is_too_long_to_read_ends_the_connection_with_a_word() {
    let (server, shop) = open();
    for (method, path, with_token, status) in unread(&shop) {
        let token = shop.api.token.as_deref().filter(|_| with_token);
        let mut connection = Connection::open(&server, token);
        connection.head(method, &path, &sized(100_000));
        assert!(!connection.expect_answer(status), "{method} {path}: it goes on");
        assert!(connection.answer().is_none(), "{method} {path}");
    }
    let mut chunks = Connection::open(&server, None);
    chunks.head("POST", "/v1/parties/create", &format!("{JSON}Transfer-Encoding: chunked\r\n"));
    chunks.send(format!("18000\r\n{}\r\n0\r\n\r\n", " ".repeat(0x1_8000)).as_bytes());
    assert!(!chunks.expect_answer(401), "chunks");
}

#[test]
fn nobody_is_asked_for_a_body_that_is_not_read() {
    let (server, shop) = open();
    let mut connection = Connection::open(&server, None);
    connection.head(
        "POST",
        "/v1/parties/create",
        &format!("{}Expect: 100-continue\r\n", sized(100)),
    );
    assert!(!connection.expect_answer(401), "the body may or may not come");
    let mut connection = Connection::open(&server, shop.api.token.as_deref());
    let party = json!({"fullname": "Ama", "phone": "231880000001"}).to_string();
    connection.head(
        "POST",
        "/v1/parties/create",
        &format!("{}Expect: 100-continue\r\n", sized(party.len())),
    );
    assert_eq!(connection.answer().expect("an answer").status, 100);
    connection.send(party.as_bytes());
    assert!(connection.expect_answer(200));
}

#[test]
fn one_connection_hears_all_kinds_of_answers() {
    let (server, shop) = open_with(&[("KOLA_RATE_LIMIT", "6/50000")]);
    let mut connection = Connection::open(&server, shop.api.token.as_deref());
    let call = |connection: &mut Connection,
                method: &str,
                path: &str,
                fields: &str,
                body: &str,
                status: u16| {
        connection.whole(
            method,
            path,
            &format!("{fields}Content-Length: {}\r\n", body.len()),
            body,
        );
        assert!(connection.expect_answer(status), "{method} {path}: closed after {status}");
    };
    for _ in 0..2 {
        call(&mut connection, "GET", "/v1/parties/list", "", "", 200);
        call(&mut connection, "POST", "/v1/parties/create", JSON, "{}", 422);
        call(
            &mut connection,
            "POST",
            "/v1/parties/create",
            "Content-Type: text/plain\r\n",
            "{}",
            415,
        );
    }
    for _ in 0..3 {
        call(&mut connection, "POST", "/v1/parties/create", JSON, "{}", 429);
        call(&mut connection, "GET", "/v1/parties/list", JSON, "{}", 429);
        call(&mut connection, "PATCH", "/v1/parties/list", JSON, "{}", 405);
        call(&mut connection, "GET", "/nowhere", "", "", 404);
    }
}

#[test]
fn a_hangup_ends_nothing_where_there_is_no_terminal() {
    let (mut server, shop) = spawn_with(&[("KOLA_LOG", "info")]);
    let sent = std::process::Command::new("kill")
        .args(["-HUP", &server.pid().to_string()])
        .status()
        .expect("kill");
    assert!(sent.success());
    wait_for("a line about it", || {
        server.log().contains("SIGHUP does nothing without a terminal").then_some(())
    });
    shop.party();
    assert_eq!(server.terminate(), Some(0));
}

/// The program `script` runs another program at a new terminal.
#[test]
fn a_hangup_ends_a_server_at_a_terminal_in_peace() {
    use std::process::{Command, Stdio};
    let database = crate::support::Database::new();
    let serve = format!(
        "exec {} serve --listen 127.0.0.1:0 --database '{}'",
        env!("CARGO_BIN_EXE_kola"),
        database.url()
    );
    let mut terminal = Command::new("script");
    terminal.args(["--quiet", "--return", "--command", &serve, "/dev/null"]);
    let started =
        terminal.env("KOLA_LOG", "info").stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let Ok(mut terminal) = started else {
        return crate::support::skipped(module_path!(), "terminals");
    };
    let mut printed = BufReader::new(terminal.stdout.take().expect("a pipe"));
    let mut said = String::new();
    while !said.contains("kola listening on") {
        assert_ne!(printed.read_line(&mut said).expect("a line"), 0, "{said}");
    }
    let hung_up = Command::new("pkill")
        .args(["-HUP", "--parent", &terminal.id().to_string()])
        .status()
        .expect("pkill");
    assert!(hung_up.success());
    printed.read_to_string(&mut said).expect("its last words");
    assert_eq!(terminal.wait().expect("its end").code(), Some(0), "{said}");
    assert!(said.contains("told to stop"), "{said}");
}
