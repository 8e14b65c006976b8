//! The client against servers of a few lines, on loopback.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::time::Instant;

use super::*;
use crate::client::test_server::{read_request, self_signed};

/// For what is answered, also on a machine that is busy.
const LONG: Duration = Duration::from_secs(10);
/// For what is not.
const SHORT: Duration = Duration::from_millis(300);

fn client() -> Client {
    Client::with_roots(RootCertStore::empty(), None).unwrap()
}

fn base(address: SocketAddr) -> BaseUrl {
    BaseUrl::parse(&format!("http://{address}")).unwrap()
}

/// What a server does with a connection, after it has read the head and the body of a request.
#[derive(Clone, Copy)]
enum Act {
    /// Answers, and waits for the next request.
    Answer(&'static str),
    /// Answers, and closes.
    AnswerAndClose(&'static str),
    /// Closes.
    Close,
    /// Keeps silent.
    Silence,
}

struct Server {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    /// The requests, as they came.
    requests: tokio::sync::mpsc::UnboundedReceiver<String>,
}

/// A server that does these things, one for each request, and the last one again and again.
async fn server(acts: &'static [Act]) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let (heard, requests) = tokio::sync::mpsc::unbounded_channel();
    let (accepted, served) = (connections.clone(), Arc::new(AtomicUsize::new(0)));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            accepted.fetch_add(1, Ordering::Relaxed);
            let (heard, served) = (heard.clone(), served.clone());
            tokio::spawn(async move {
                while let Some(request) = read_request(&mut stream).await {
                    let _ = heard.send(request);
                    let turn = served.fetch_add(1, Ordering::Relaxed).min(acts.len() - 1);
                    match acts[turn] {
                        Act::Answer(answer) => stream.write_all(answer.as_bytes()).await.unwrap(),
                        Act::AnswerAndClose(answer) => {
                            stream.write_all(answer.as_bytes()).await.unwrap();
                            return;
                        }
                        Act::Close => return,
                        Act::Silence => tokio::time::sleep(Duration::from_secs(60)).await,
                    }
                }
            });
        }
    });
    Server { address, connections, requests }
}

const OK: Act = Act::Answer("HTTP/1.1 200 OK\r\nX-Thing: 7\r\ncontent-length: 2\r\n\r\n{}");

async fn call(client: &Client, server: &Server) -> Result<HttpResponse, CallError> {
    let request = HttpRequest::post("/v2/deposits", "application/json", "{\"a\":1}");
    client.call(&base(server.address), &request.with_bearer("token"), LONG).await
}

async fn call_briefly(server: &Server) -> Result<HttpResponse, CallError> {
    client().call(&base(server.address), &HttpRequest::get("/"), SHORT).await
}

fn unanswered(result: Result<HttpResponse, CallError>) -> String {
    match result {
        Err(CallError::Unanswered { reason }) => reason,
        other => panic!("{other:?}"),
    }
}

fn not_sent(result: Result<HttpResponse, CallError>) -> String {
    match result {
        Err(CallError::NotSent { reason }) => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_request_and_its_answer() {
    let mut server = server(&[OK]).await;
    let response = call(&client(), &server).await.unwrap();
    assert_eq!((response.status, response.body.as_slice()), (200, b"{}".as_slice()));
    assert_eq!(response.header("x-thing"), Some("7"));
    let request = server.requests.recv().await.unwrap();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert_eq!(body, "{\"a\":1}");
    let lines: Vec<_> = head.lines().collect();
    assert_eq!(lines[0], "POST /v2/deposits HTTP/1.1");
    for line in [
        format!("host: {}", server.address),
        format!("user-agent: kola/{}", env!("CARGO_PKG_VERSION")),
        "authorization: Bearer token".to_owned(),
        "content-type: application/json".to_owned(),
        "content-length: 7".to_owned(),
    ] {
        assert!(lines.contains(&line.as_str()), "{line} in {lines:?}");
    }
}

#[tokio::test]
async fn every_status_is_an_answer() {
    for (answer, status) in [
        ("HTTP/1.1 502 Bad Gateway\r\ncontent-length: 6\r\n\r\n<html>", 502),
        ("HTTP/1.1 429 Slow Down\r\nretry-after: 3\r\ncontent-length: 0\r\n\r\n", 429),
        ("HTTP/1.1 204 No Content\r\n\r\n", 204),
    ] {
        let server = server(Box::leak(Box::new([Act::Answer(answer)]))).await;
        let response = call(&client(), &server).await;
        assert_eq!(response.as_ref().unwrap().status, status);
        assert_eq!(is_failure(&response), status >= 500);
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let mut server = server(&[Act::Answer(
        "HTTP/1.1 307 Temporary Redirect\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n",
    )])
    .await;
    assert_eq!(call(&client(), &server).await.unwrap().status, 307);
    server.requests.recv().await.unwrap();
    assert!(server.requests.try_recv().is_err());
}

#[tokio::test]
async fn connections_are_used_again() {
    let server = server(&[OK]).await;
    let client = client();
    for _ in 0..5 {
        call(&client, &server).await.unwrap();
    }
    assert_eq!(server.connections.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_connection_that_was_closed_meanwhile_is_replaced() {
    let server =
        server(&[Act::AnswerAndClose("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")]).await;
    let client = client();
    for _ in 0..3 {
        call(&client, &server).await.unwrap();
        // Until the end of the connection has arrived. In several turns of the runtime, so that on a
        // busy machine the sockets are looked at before the time is over.
        for _ in 0..50 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    assert_eq!(server.connections.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn without_a_connection_nothing_was_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let result = client().call(&base(address), &HttpRequest::get("/"), LONG).await;
    assert!(is_failure(&result));
    assert!(not_sent(result).contains("refused"));
}

#[tokio::test]
async fn a_name_that_does_not_exist_was_not_sent_to() {
    let nowhere = BaseUrl::parse("https://kola.invalid").unwrap();
    not_sent(client().call(&nowhere, &HttpRequest::get("/"), LONG).await);
}

#[tokio::test]
async fn a_server_that_takes_a_request_and_closes_may_have_done_it() {
    let server = server(&[Act::Close]).await;
    unanswered(call(&client(), &server).await);
    assert_eq!(server.connections.load(Ordering::Relaxed), 1, "sent once, not again");
}

#[tokio::test]
async fn silence_ends() {
    let server = server(&[Act::Silence]).await;
    let started = Instant::now();
    assert_eq!(unanswered(call_briefly(&server).await), "no answer within 300 ms");
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn half_an_answer_is_none() {
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"status\":",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{\"sta",
        "HTTP/1.1 200",
        "hello\r\n\r\n",
    ] {
        let server = server(Box::leak(Box::new([Act::AnswerAndClose(answer)]))).await;
        unanswered(call(&client(), &server).await);
    }
    // The rest never comes.
    let server =
        server(&[Act::Answer("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"status\":")]).await;
    assert!(unanswered(call_briefly(&server).await).contains("300 ms"));
}

#[tokio::test]
async fn an_answer_without_end_is_not_read() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n").await.unwrap();
        while stream.write_all(&[b'x'; 65_536]).await.is_ok() {}
    });
    let result = client().call(&base(address), &HttpRequest::get("/"), LONG).await;
    assert_eq!(unanswered(result), "the answer has more than 1048576 bytes");
}

/// A server with a certificate of its own for `localhost`, which answers one request.
async fn tls_server() -> (BaseUrl, RootCertStore, tokio::task::JoinHandle<Option<String>>) {
    let (config, roots) = self_signed("localhost");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let base = BaseUrl::parse(&format!("https://localhost:{port}")).unwrap();
    let served = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(config);
        let mut stream = acceptor.accept(stream).await.ok()?;
        let request = read_request(&mut stream).await?;
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
        stream.flush().await.unwrap();
        Some(request)
    });
    (base, roots, served)
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_not_sent_to() {
    let (base, _, served) = tls_server().await;
    let request = HttpRequest::get("/").with_bearer("token");
    let reason = not_sent(client().call(&base, &request, LONG).await);
    assert!(reason.contains("UnknownIssuer"), "{reason}");
    assert_eq!(served.await.unwrap(), None);
}

#[tokio::test]
async fn a_certificate_that_is_vouched_for_is_sent_to() {
    let (base, roots, served) = tls_server().await;
    let client = Client::with_roots(roots, None).unwrap();
    let request = HttpRequest::get("/v2/active-conf").with_bearer("token");
    assert_eq!(client.call(&base, &request, LONG).await.unwrap().status, 204);
    let sent = served.await.unwrap().unwrap();
    assert!(sent.starts_with("GET /v2/active-conf HTTP/1.1\r\n"), "{sent}");
    assert!(sent.contains(&format!("\r\nhost: {}\r\n", base.authority())), "{sent}");
}

#[tokio::test]
async fn a_token_with_a_newline_is_not_sent_and_not_told() {
    let server = server(&[OK]).await;
    let request = HttpRequest::get("/").with_bearer("to\nken");
    let reason = not_sent(client().call(&base(server.address), &request, LONG).await);
    assert_eq!(reason, "the header authorization has characters that are not allowed");
    assert_eq!(server.connections.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_proxy_is_asked_for_a_tunnel() {
    let mut proxy =
        server(&[Act::AnswerAndClose("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n")]).await;
    let address = format!("http://kola:pass@{}", proxy.address);
    let client = Client::with_roots(RootCertStore::empty(), Some(&address)).unwrap();
    let far = BaseUrl::parse("https://api.pawapay.io").unwrap();
    not_sent(client.call(&far, &HttpRequest::get("/v2/active-conf"), LONG).await);
    let request = proxy.requests.recv().await.unwrap();
    assert!(request.starts_with("CONNECT api.pawapay.io:443 HTTP/1.1\r\n"), "{request}");
    assert!(request.to_lowercase().contains("proxy-authorization: basic"), "{request}");
    assert!(request.contains(&BASE64.encode("kola:pass")), "{request}");
    // What is on this machine is called directly.
    let near = server(&[OK]).await;
    client.call(&base(near.address), &HttpRequest::get("/"), LONG).await.unwrap();
}

#[test]
fn what_is_no_proxy_is_refused() {
    for proxy in ["", "proxy:3128", "https://proxy:3128", "http://proxy", "http://proxy:1/path"] {
        let error = Client::with_roots(RootCertStore::empty(), Some(proxy)).unwrap_err();
        assert!(error.starts_with("a proxy is http://host:port"), "{proxy}");
    }
}

fn get_of(uri: &str) -> Request<Bytes> {
    Request::get(uri).body(Bytes::new()).unwrap()
}

async fn open(server: &Server) -> Result<Opened, OpenError> {
    client().open(get_of(&format!("http://{}/stream", server.address))).await
}

#[tokio::test]
async fn an_answer_is_read_while_it_comes() {
    let (config, roots) = self_signed("localhost");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    // The second piece is sent once the first one was read.
    let (was_read, first_read) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = tokio_rustls::TlsAcceptor::from(config).accept(stream).await.unwrap();
        read_request(&mut stream).await.unwrap();
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n")
            .await
            .unwrap();
        stream.flush().await.unwrap();
        let _: Result<(), _> = first_read.await;
        stream.write_all(b"3\r\ntwo\r\n0\r\n\r\n").await.unwrap();
        stream.flush().await.unwrap();
    });
    let client = Client::with_roots(roots, None).unwrap();
    let mut answer = client.open(get_of(&format!("https://localhost:{port}/"))).await.unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.chunk().await.unwrap().unwrap(), "one");
    was_read.send(()).unwrap();
    assert_eq!(answer.chunk().await.unwrap().unwrap(), "two");
    assert_eq!(answer.chunk().await.unwrap(), None);
}

#[tokio::test]
async fn an_answer_that_breaks_off_says_so() {
    let server = server(&[Act::AnswerAndClose(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n",
    )])
    .await;
    let mut answer = open(&server).await.unwrap();
    assert_eq!(answer.chunk().await.unwrap().unwrap(), "one");
    assert!(matches!(answer.chunk().await, Err(OpenError::Closed(_))));
    assert!(matches!(open(&server).await.unwrap().whole().await, Err(OpenError::Closed(_))));
}

#[tokio::test]
async fn why_an_answer_was_not_opened() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let error = client().open(get_of(&nobody)).await.unwrap_err();
    assert!(
        matches!(&error, OpenError::Connection(reason) if reason.contains("refused")),
        "{error}"
    );
    let error = client().open(get_of("http://kola.invalid/")).await.unwrap_err();
    assert!(matches!(error, OpenError::Connection(_)), "{error}");

    let (base, _, _) = tls_server().await;
    let error = client().open(get_of(&format!("{base}/"))).await.unwrap_err();
    assert!(
        matches!(&error, OpenError::Tls(reason) if reason.contains("UnknownIssuer")),
        "{error}"
    );
    let plain = server(&[Act::Close]).await;
    let error = client().open(get_of(&format!("https://{}/", plain.address))).await.unwrap_err();
    assert!(!matches!(error, OpenError::NotHttp), "{error}");

    let error = open(&server(&[Act::Close]).await).await.unwrap_err();
    assert!(matches!(error, OpenError::Closed(_)), "{error}");
    // What a server of TLS answers to plain HTTP.
    let alert = server(&[Act::AnswerAndClose("\u{15}\u{3}\u{3}\0\u{2}\u{2}F\r\n\r\n")]).await;
    assert_eq!(open(&alert).await.unwrap_err(), OpenError::NotHttp);
}
