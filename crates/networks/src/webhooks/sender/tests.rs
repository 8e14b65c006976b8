//! The sender against servers of a few lines, on loopback.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::*;
use crate::client::test_server::{read_request, self_signed};
use crate::webhooks::signature::{HmacSecret, headers};

/// For what is answered, also on a machine that is busy.
const LONG: Duration = Duration::from_secs(30);
/// For what is not.
const SHORT: Duration = Duration::from_millis(300);

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// A lookup that answers these addresses, one list after the other and the last one again and
/// again.
fn lookup(answers: &[&[&str]]) -> Lookup {
    let parse = |list: &&[&str]| list.iter().map(|text| text.parse().unwrap()).collect();
    let answers: Vec<Vec<IpAddr>> = answers.iter().map(parse).collect();
    let turn = AtomicUsize::new(0);
    Arc::new(move |_| {
        let turn = turn.fetch_add(1, Ordering::Relaxed).min(answers.len() - 1);
        let answer = answers[turn].clone();
        Box::pin(async move { Ok(answer) })
    })
}

fn sender(answers: &[&[&str]]) -> Sender {
    Sender::with(RootCertStore::empty(), lookup(answers)).unwrap()
}

/// For URLs with an address.
fn plain() -> Sender {
    sender(&[&[]])
}

fn url(text: &str) -> EndpointUrl {
    EndpointUrl::parse(text, Reach::PrivateToo).unwrap()
}

fn public(text: &str) -> EndpointUrl {
    EndpointUrl::parse(text, Reach::Public).unwrap()
}

struct Server {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    /// The requests, as they came.
    requests: UnboundedReceiver<String>,
    /// Whatever its connections tell: that the client has closed one, for example.
    news: UnboundedReceiver<&'static str>,
}

impl Server {
    fn url(&self) -> EndpointUrl {
        url(&format!("http://{}/hooks?token=T0KEN", self.address))
    }

    /// Its URL by a name, which the lookup has to know.
    fn named(&self) -> String {
        format!("https://hooks.example:{}/hooks?token=T0KEN", self.address.port())
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

type Serving = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A server that does this with each connection, after each request on it.
async fn server<F>(act: F) -> Server
where
    F: Fn(TcpStream, UnboundedSender<String>, UnboundedSender<&'static str>) -> Serving,
    F: Send + Sync + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let (heard, requests) = unbounded_channel();
    let (told, news) = unbounded_channel();
    let accepted = connections.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            accepted.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(act(stream, heard.clone(), told.clone()));
        }
    });
    Server { address, connections, requests, news }
}

/// A server that answers each request with these bytes, and tells when the client closes.
async fn answering(answer: impl AsRef<[u8]> + Clone + Send + Sync + 'static) -> Server {
    server(move |mut stream, heard, told| {
        let answer = answer.clone();
        Box::pin(async move {
            while let Some(request) = read_request(&mut stream).await {
                let _ = heard.send(request);
                let _ = stream.write_all(answer.as_ref()).await;
            }
            let _ = told.send("closed");
        })
    })
    .await
}

async fn deliver(sender: &Sender, url: &EndpointUrl) -> Result<Answered, Failed> {
    let attempt = sender.deliver(url, &[], Bytes::from_static(b"{}"), LONG).await;
    let is_success = attempt.result.as_ref().is_ok_and(|answered| answered.status / 100 == 2);
    assert_eq!(attempt.is_success(), is_success);
    attempt.result
}

/// Nothing that a merchant may read tells the path, the query or an address that its name has.
fn failure(result: Result<Answered, Failed>, kind: FailureKind, reason: &str) {
    let failed = result.unwrap_err();
    assert_eq!(failed.kind, kind, "{}", failed.reason);
    assert!(failed.reason.contains(reason), "{}", failed.reason);
    for secret in ["hooks?", "/hooks", "T0KEN"] {
        assert!(!failed.reason.contains(secret), "{}", failed.reason);
    }
    assert!(failed.reason.len() < 400, "{}", failed.reason);
}

#[tokio::test]
async fn a_message_and_its_answer() {
    let mut server = answering(OK).await;
    let secret = HmacSecret::parse("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD").unwrap();
    let body = br#"{"email":"test@example.com","username":"test_user"}"#;
    let id = "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk";
    let headers = headers(id, 1_649_367_553, body, &[secret.into()]);
    let attempt = plain().deliver(&server.url(), &headers, Bytes::from_static(body), LONG).await;
    assert!(attempt.is_success() && attempt.took < LONG, "{attempt:?}");
    let answered = attempt.result.unwrap();
    assert_eq!(answered, Answered { status: 200, retry_after: None, text: "ok".to_owned() });
    let request = server.requests.recv().await.unwrap();
    let (head, sent) = request.split_once("\r\n\r\n").unwrap();
    assert_eq!(sent.as_bytes(), body);
    let lines: Vec<_> = head.lines().collect();
    assert_eq!(lines[0], "POST /hooks?token=T0KEN HTTP/1.1");
    for line in [
        format!("host: {}", server.address),
        format!("user-agent: kola/{}", env!("CARGO_PKG_VERSION")),
        "content-type: application/json".to_owned(),
        format!("content-length: {}", body.len()),
        format!("webhook-id: {id}"),
        "webhook-timestamp: 1649367553".to_owned(),
        "webhook-signature: v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=".to_owned(),
    ] {
        assert!(lines.contains(&line.as_str()), "{line} in {lines:?}");
    }
}

#[tokio::test]
async fn every_status_is_an_answer() {
    for (answer, status, seconds, text) in [
        ("204 No Content\r\n\r\n", 204, None, ""),
        ("500 Oh\r\ncontent-length: 6\r\n\r\n<html>", 500, None, "<html>"),
        ("410 Gone\r\ncontent-length: 0\r\n\r\n", 410, None, ""),
        ("429 Slow\r\nretry-after: 120\r\ncontent-length: 0\r\n\r\n", 429, Some(120), ""),
        ("503 No\r\nretry-after: soon\r\ncontent-length: 0\r\n\r\n", 503, None, ""),
    ] {
        let server = answering(format!("HTTP/1.1 {answer}")).await;
        let answered = deliver(&plain(), &server.url()).await.unwrap();
        let retry_after = seconds.map(Duration::from_secs);
        assert_eq!(answered, Answered { status, retry_after, text: text.to_owned() });
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = answering(OK).await;
    for status in [301, 302, 303, 307, 308] {
        let location = format!("http://{}/", elsewhere.address);
        let answer =
            format!("HTTP/1.1 {status} No\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n");
        let server = answering(answer).await;
        assert_eq!(deliver(&plain(), &server.url()).await.unwrap().status, status);
        assert_eq!(server.connections(), 1);
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn connections_are_used_again() {
    let server = answering(OK).await;
    let sender = plain();
    for _ in 0..5 {
        deliver(&sender, &server.url()).await.unwrap();
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_long_answer_is_cut() {
    let body = "x".repeat(10_000_000);
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: 10000000\r\n\r\n{body}");
    let mut server = answering(answer).await;
    let answered = deliver(&plain(), &server.url()).await.unwrap();
    assert_eq!((answered.status, answered.text), (200, "x".repeat(4_096)));
    // The rest is not waited for.
    assert_eq!(server.news.recv().await, Some("closed"));
}

#[tokio::test]
async fn an_answer_without_end_is_cut() {
    for head in ["connection: close\r\n\r\n", "transfer-encoding: chunked\r\n\r\n"] {
        let is_chunked = head.starts_with("transfer");
        let mut server = server(move |mut stream, _, told| {
            Box::pin(async move {
                read_request(&mut stream).await;
                stream.write_all(b"HTTP/1.1 500 Oh\r\n").await.unwrap();
                stream.write_all(head.as_bytes()).await.unwrap();
                let part: &[u8] = if is_chunked { b"4\r\nabcd\r\n" } else { b"abcd" };
                while stream.write_all(part).await.is_ok() {}
                let _ = told.send("closed");
            })
        })
        .await;
        let answered = deliver(&plain(), &server.url()).await.unwrap();
        assert_eq!((answered.status, answered.text), (500, "abcd".repeat(1_024)));
        assert_eq!(server.news.recv().await, Some("closed"));
    }
}

/// A slow answer is cut, and its status counts. How long the head of the answer takes is the
/// machine's business, so that more time is given until there is one.
#[tokio::test]
async fn a_slow_answer_is_cut() {
    let server = server(|mut stream, _, _| {
        Box::pin(async move {
            read_request(&mut stream).await;
            let head = b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n";
            let _ = stream.write_all(head).await;
            while stream.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        })
    })
    .await;
    for within in [SHORT, SHORT * 10, LONG] {
        let attempt = plain().deliver(&server.url(), &[], Bytes::new(), within).await;
        match attempt.result {
            Ok(answered) => {
                let least = within.min(BODY_TIME);
                assert!(
                    attempt.took >= least && attempt.took < within + LONG,
                    "{:?}",
                    attempt.took
                );
                assert_eq!((answered.status, answered.text.trim_matches('x')), (200, ""));
                return;
            }
            Err(failed) => {
                assert!(
                    attempt.took >= within && attempt.took < within + LONG,
                    "{:?}",
                    attempt.took
                );
                assert_eq!(failed.kind, FailureKind::Timeout);
            }
        }
    }
    panic!("no answer");
}

#[tokio::test]
async fn a_body_that_breaks_off_changes_nothing() {
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\nzz\r\n",
    ] {
        let server = server(move |mut stream, _, _| {
            Box::pin(async move {
                read_request(&mut stream).await;
                stream.write_all(answer.as_bytes()).await.unwrap();
            })
        })
        .await;
        let answered = deliver(&plain(), &server.url()).await.unwrap();
        assert_eq!((answered.status, answered.text.as_str()), (200, "half"));
    }
}

#[tokio::test]
async fn headers_without_end_are_not_read() {
    for header in ["x: y\r\n", "x-long: abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz", ""] {
        let mut server = server(move |mut stream, _, told| {
            Box::pin(async move {
                read_request(&mut stream).await;
                stream.write_all(b"HTTP/1.1 200 OK\r\n").await.unwrap();
                let header = if header.is_empty() { "x: " } else { header };
                stream.write_all(header.as_bytes()).await.unwrap();
                while stream.write_all(header.as_bytes()).await.is_ok() {}
                let _ = told.send("closed");
            })
        })
        .await;
        let result = deliver(&plain(), &server.url()).await;
        failure(result, FailureKind::Answer, "the headers of the answer of 127.0.0.1 are too long");
        assert_eq!(server.news.recv().await, Some("closed"));
    }
}

#[tokio::test]
async fn what_is_not_http_is_no_answer() {
    for answer in ["hello\r\n\r\n", "SSH-2.0-OpenSSH\r\n", "220 mail.example ESMTP\r\n", "\0\0\0"] {
        let server = answering(answer).await;
        failure(deliver(&plain(), &server.url()).await, FailureKind::Answer, "is not HTTP/1.1");
    }
}

#[tokio::test]
async fn a_connection_that_ends_before_the_answer_is_a_failure() {
    let server = server(|mut stream, _, _| {
        Box::pin(async move {
            read_request(&mut stream).await;
            stream.set_zero_linger().unwrap();
        })
    })
    .await;
    let result = deliver(&plain(), &server.url()).await;
    failure(result, FailureKind::Answer, "127.0.0.1 closed the connection before it answered");
    assert_eq!(server.connections(), 1, "sent once, not again");
}

#[tokio::test]
async fn half_a_head_is_a_failure() {
    let server = server(|mut stream, _, _| {
        Box::pin(async move {
            read_request(&mut stream).await;
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-le").await.unwrap();
        })
    })
    .await;
    failure(deliver(&plain(), &server.url()).await, FailureKind::Answer, "before it answered");
}

#[tokio::test]
async fn silence_ends() {
    let mut server = answering("").await;
    let attempt = plain().deliver(&server.url(), &[], Bytes::from_static(b"{}"), SHORT).await;
    assert!(attempt.took >= SHORT && attempt.took < LONG, "{attempt:?}");
    failure(attempt.result, FailureKind::Timeout, "127.0.0.1 did not answer within 300 ms");
    // Nor is the connection kept, if there was one in time.
    if server.connections() > 0 {
        assert_eq!(server.news.recv().await, Some("closed"));
    }
}

#[tokio::test]
async fn a_lookup_that_takes_for_ever_ends() {
    let never: Lookup = Arc::new(|_| Box::pin(std::future::pending()));
    let sender = Sender::with(RootCertStore::empty(), never).unwrap();
    let url = public("https://hooks.example/hooks?token=T0KEN");
    let attempt = sender.deliver(&url, &[], Bytes::new(), SHORT).await;
    failure(attempt.result, FailureKind::Timeout, "hooks.example did not answer within 300 ms");
}

#[tokio::test]
async fn nobody_there_is_a_failure() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let sender = sender(&[&["127.0.0.1"]]);
    let result = deliver(&sender, &url(&format!("http://hooks.example:{port}/hooks"))).await;
    let reason = format!("no connection to hooks.example:{port}: connection refused");
    assert!(!result.as_ref().unwrap_err().reason.contains("127.0.0.1"));
    failure(result, FailureKind::Connection, &reason);
}

#[tokio::test]
async fn a_name_without_address_is_a_failure() {
    let url = public("https://hooks.example/hooks?token=T0KEN");
    let result = deliver(&sender(&[&[]]), &url).await;
    failure(result, FailureKind::Lookup, "hooks.example has no address");
    let broken: Lookup = Arc::new(|_| Box::pin(async { Err(io::Error::other("no server")) }));
    let sender = Sender::with(RootCertStore::empty(), broken).unwrap();
    let result = deliver(&sender, &url).await;
    failure(result, FailureKind::Lookup, "hooks.example was not found: no server");
}

#[tokio::test]
async fn the_system_knows_this_machine() {
    let found = system_lookup()("localhost".to_owned()).await.unwrap();
    assert!(!found.is_empty() && found.iter().all(IpAddr::is_loopback), "{found:?}");
}

#[tokio::test]
async fn a_name_of_this_machine_is_refused_to_the_public() {
    let server = answering(OK).await;
    for address in ["127.0.0.1", "::ffff:127.0.0.1", "10.0.0.1", "169.254.169.254", "::1"] {
        let result = deliver(&sender(&[&[address]]), &public(&server.named())).await;
        let reason = result.as_ref().unwrap_err().reason.clone();
        assert!(reason.ends_with(", and webhooks are not sent there"), "{reason}");
        assert!(!reason.contains(address), "{reason}");
        failure(result, FailureKind::Refused, "hooks.example leads to a");
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn an_address_is_checked_when_it_is_sent_to() {
    let server = answering(OK).await;
    // As if less were allowed now than when it was read.
    let address = format!("https://{}/hooks?token=T0KEN", server.address);
    assert!(EndpointUrl::parse(&address, Reach::Public).is_err());
    let kept = url(&address).with_reach(Reach::Public);
    let result = deliver(&plain(), &kept).await;
    failure(result, FailureKind::Refused, "127.0.0.1 leads to a loopback address");
    assert_eq!(server.connections(), 0);
}

/// A name that means a permitted address at first, and then another one.
#[tokio::test]
async fn a_name_is_checked_at_every_connection() {
    let mut server = server(|mut stream, heard, _| {
        Box::pin(async move {
            let _ = heard.send(read_request(&mut stream).await.unwrap());
            let answer = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
            stream.write_all(answer).await.unwrap();
        })
    })
    .await;
    let sender = sender(&[&["127.0.0.1"], &["169.254.169.254"], &["127.0.0.1"]]);
    let url = url(&format!("http://hooks.example:{}/hooks?token=T0KEN", server.address.port()));
    assert_eq!(deliver(&sender, &url).await.unwrap().status, 200);
    let reason = "hooks.example leads to a link-local address, and webhooks are not sent there";
    failure(deliver(&sender, &url).await, FailureKind::Refused, reason);
    assert_eq!(deliver(&sender, &url).await.unwrap().status, 200);
    assert_eq!(server.connections(), 2);
    assert!(server.requests.recv().await.unwrap().contains("\r\nhost: hooks.example:"));
}

/// The same for the public, without a connection to the internet: what the connector is told.
#[tokio::test]
async fn a_public_name_that_becomes_private_is_refused() {
    let lookup = lookup(&[&["8.8.8.8"], &["192.168.1.1"], &["8.8.8.8", "127.0.0.1", "1.1.1.1"]]);
    let mut names = Names { lookup, reach: Reach::Public };
    let mut ask = async || {
        let found = names.call("hooks.example".parse().unwrap()).await;
        found.map(|found| found.map(|address| address.ip().to_string()).collect::<Vec<_>>())
    };
    assert_eq!(ask().await.unwrap(), ["8.8.8.8"]);
    let refused = ask().await.unwrap_err();
    assert!(matches!(refused, NoAddress::Refused(AddressRefused::Private)), "{refused:?}");
    // Of several, those that are permitted are left.
    assert_eq!(ask().await.unwrap(), ["8.8.8.8", "1.1.1.1"]);
}

#[test]
fn few_addresses_are_tried() {
    let many: Vec<IpAddr> = (0..200).map(|last| IpAddr::from([8, 8, 8, last])).collect();
    assert_eq!(permitted(&many, Reach::Public).unwrap().len(), 8);
}

#[tokio::test]
async fn a_forbidden_address_beside_a_permitted_one_is_not_used() {
    let server = answering(OK).await;
    let sender = sender(&[&["169.254.169.254", "127.0.0.1", "0.0.0.0"]]);
    let url = url(&format!("http://hooks.example:{}/", server.address.port()));
    assert_eq!(deliver(&sender, &url).await.unwrap().status, 200);
}

/// A server with a certificate of its own for `hooks.example`.
async fn tls_server() -> (Server, RootCertStore) {
    let (config, roots) = self_signed("hooks.example");
    let acceptor = tokio_rustls::TlsAcceptor::from(config);
    let server = server(move |stream, heard, _| {
        let acceptor = acceptor.clone();
        Box::pin(async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            while let Some(request) = read_request(&mut stream).await {
                let _ = heard.send(request);
                stream.write_all(OK).await.unwrap();
                stream.flush().await.unwrap();
            }
        })
    })
    .await;
    (server, roots)
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_not_sent_to() {
    let (mut server, _) = tls_server().await;
    let result = deliver(&sender(&[&["127.0.0.1"]]), &url(&server.named())).await;
    failure(result, FailureKind::Tls, "no TLS with hooks.example: invalid peer certificate");
    assert!(server.requests.try_recv().is_err());
}

#[tokio::test]
async fn a_certificate_of_somebody_else_is_not_sent_to() {
    let (mut server, roots) = tls_server().await;
    let sender = Sender::with(roots, lookup(&[&["127.0.0.1"]])).unwrap();
    let other = format!("https://other.example:{}/hooks", server.address.port());
    let result = deliver(&sender, &url(&other)).await;
    failure(result, FailureKind::Tls, "no TLS with other.example: invalid peer certificate");
    assert!(server.requests.try_recv().is_err());
}

#[tokio::test]
async fn what_speaks_no_tls_is_not_sent_to() {
    let mut server = server(|mut stream, heard, _| {
        Box::pin(async move {
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
            if let Some(request) = read_request(&mut stream).await {
                let _ = heard.send(request);
            }
        })
    })
    .await;
    let result = deliver(&sender(&[&["127.0.0.1"]]), &url(&server.named())).await;
    failure(result, FailureKind::Tls, "no TLS with hooks.example");
    assert!(server.requests.try_recv().is_err());
}

/// A connection to a private address is there, and whoever may not have one does not get it.
#[tokio::test]
async fn a_private_connection_is_not_used_for_the_public() {
    let (server, roots) = tls_server().await;
    let sender = Sender::with(roots, lookup(&[&["127.0.0.1"]])).unwrap();
    for _ in 0..2 {
        assert_eq!(deliver(&sender, &url(&server.named())).await.unwrap().text, "ok");
    }
    let result = deliver(&sender, &public(&server.named())).await;
    failure(result, FailureKind::Refused, "hooks.example leads to a loopback address");
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_header_with_a_newline_is_not_sent_and_not_told() {
    let server = answering(OK).await;
    let headers = [("webhook-signature", "v1,hun\r\nter2".to_owned())];
    let attempt = plain().deliver(&server.url(), &headers, Bytes::new(), LONG).await;
    let reason = "the header webhook-signature has characters that are not allowed";
    failure(attempt.result, FailureKind::Request, reason);
    assert_eq!(server.connections(), 0);
}

#[test]
fn when_to_come_again() {
    let date = "Sun, 06 Nov 1994 08:49:37 GMT";
    for (after, date, seconds) in [
        ("0", None, Some(0)),
        ("120", None, Some(120)),
        (" 7 ", None, Some(7)),
        ("2592001", None, Some(2_592_000)),
        ("99999999999999999999999", None, Some(2_592_000)),
        ("", None, None),
        ("-1", None, None),
        ("+1", None, None),
        ("1.5", None, None),
        ("soon", Some(date), None),
        // A date counts from the endpoint's own.
        ("Sun, 06 Nov 1994 08:51:37 GMT", Some(date), Some(120)),
        ("Sun, 06 Nov 1994 08:49:37 GMT", Some(date), Some(0)),
        ("Sun, 06 Nov 1994 08:49:36 GMT", Some(date), Some(0)),
        ("Fri, 31 Dec 9999 23:59:59 GMT", Some(date), Some(2_592_000)),
        ("Sun, 06 Nov 1994 08:51:37 GMT", None, None),
        ("Sun, 06 Nov 1994 08:51:37 GMT", Some("today"), None),
    ] {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_str(after).unwrap());
        if let Some(date) = date {
            headers.insert(DATE, HeaderValue::from_str(date).unwrap());
        }
        assert_eq!(retry_after(&headers), seconds.map(Duration::from_secs), "{after}");
    }
    assert_eq!(retry_after(&HeaderMap::new()), None);
}

#[test]
fn what_is_kept_is_text() {
    for (bytes, is_cut, kept) in [
        (&b"fine"[..], false, "fine"),
        (b"a\r\n\tb", false, "a   b"),
        (b"\0\x1b[31mred\x7f", false, "\u{fffd}\u{fffd}[31mred\u{fffd}"),
        ("é\u{85}".as_bytes(), false, "é\u{fffd}"),
        (b"caf\xc3", false, "caf\u{fffd}"),
        (b"caf\xc3", true, "caf"),
        (b"\xff\xfeA", true, "\u{fffd}\u{fffd}A"),
    ] {
        assert_eq!(text(bytes, is_cut), kept, "{bytes:?}");
    }
    // Each of these bytes takes three when it is replaced.
    assert_eq!(text(&[0xff; 4_096], false), "\u{fffd}".repeat(4_096 / 3));
}
