//! Sends messages to webhook endpoints: HTTP/1.1 over pooled connections, without redirects and
//! proxies.
//!
//! An endpoint may be anything that a stranger chose. What it is connected to is checked at every
//! connection, since a name may mean another address than a moment ago; what it answers is read
//! only as far as somebody may want to look at it; and an attempt ends in time, whatever the
//! endpoint does.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, DATE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::header::{InvalidHeaderValue, USER_AGENT};
use hyper::{Method, Request};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};
use tower_service::Service;

use super::address::{self, AddressRefused, Reach};
use super::url::EndpointUrl;
use crate::client::{ConnectWithin, PRODUCT, cause, system_roots, tls_config};

/// How long a connection may take, from the name of the host to the end of the TLS handshake.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long it may take after the name was looked up, over all addresses of the host.
const TCP_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an unused connection is kept. Servers close theirs after a minute or later.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// How many unused connections are kept for a host.
const IDLE_PER_HOST: usize = 4;
/// The most of the head of an answer that is read.
const HEAD_MAX_BYTES: usize = 16 << 10;
const HEADERS_MAX: usize = 100;
/// The most of the body of an answer that is read, and the most that is kept.
const BODY_MAX_BYTES: usize = 16 << 10;
const TEXT_MAX_BYTES: usize = 4 << 10;
/// The most of an error's own words that is kept.
const REASON_MAX_BYTES: usize = 300;
/// The longest time that an endpoint is believed to want to wait.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// How long the body of an answer is waited for: the status has been said by then.
const BODY_TIME: Duration = Duration::from_secs(1);
/// The most addresses of a name that are tried.
const ADDRESSES_MAX: usize = 8;
/// How many names may be looked up at once. A lookup holds a thread until the system gives up,
/// which may be long after the attempt has ended; this is half of the threads that the runtime has
/// for such things.
const LOOKUPS_AT_ONCE: usize = 256;

/// What a lookup of a name answers, some time later.
pub type LookupFuture = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;
/// Looks up the addresses of a name.
pub type Lookup = Arc<dyn Fn(String) -> LookupFuture + Send + Sync>;

type Pool = legacy::Client<ConnectWithin<HttpsConnector<HttpConnector<Names>>>, Full<Bytes>>;

/// Sends messages. Clones share their connections.
///
/// There is a pool of connections for each reach, so that a connection to a private address is
/// never used for somebody who may not have one.
#[derive(Clone)]
pub struct Sender {
    public: Pool,
    private_too: Pool,
}

/// What came of an attempt.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Attempt {
    /// The answer, if its head arrived.
    pub result: Result<Answered, Failed>,
    /// How long it took.
    pub took: Duration,
}

impl Attempt {
    /// Whether the endpoint has taken the message: it answered 2xx.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.result.as_ref().is_ok_and(|answered| (200..=299).contains(&answered.status))
    }
}

/// The answer of an endpoint, with whatever status.
///
/// An endpoint has answered once the head of its answer is there. A body that is too long, too slow
/// or breaks off changes nothing about what the endpoint said by its status, so that it is cut
/// there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answered {
    pub status: u16,
    /// For how long the endpoint wants to be left alone, by `Retry-After`, at most 30 days. A date
    /// there is compared with the endpoint's own `Date`, so that its clock need not be right;
    /// without one it is ignored.
    pub retry_after: Option<Duration>,
    /// The beginning of the body, at most 4 KiB. Control characters are replaced.
    pub text: String,
}

/// Why there is no answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failed {
    /// For the merchant to read. It names the host, and neither its addresses nor a path.
    pub reason: String,
    pub kind: FailureKind,
}

/// Where an attempt failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FailureKind {
    /// The request cannot be written: a header with a newline, for example.
    Request,
    /// No address of the host is one that webhooks may go to.
    Refused,
    /// The host has no address, or its name could not be looked up.
    Lookup,
    /// No connection.
    Connection,
    /// No agreement on TLS: usually the certificate.
    Tls,
    /// The connection ended before the answer, or the answer was none. The message may have
    /// arrived.
    Answer,
    /// The time was over. The message may have arrived.
    Timeout,
}

impl Sender {
    /// A sender that trusts the certificates of the operating system and looks names up by it.
    ///
    /// # Errors
    /// The operating system trusts no certificate.
    pub fn new() -> Result<Self, String> {
        Self::with(system_roots()?, system_lookup())
    }

    /// A sender that trusts these certificates and looks names up in this way.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub fn with(roots: RootCertStore, lookup: Lookup) -> Result<Self, String> {
        Self::keeping(IDLE_PER_HOST, roots, lookup)
    }

    /// The same with a new connection for each message: a receiver that closes connections without a
    /// word loses none, and nobody tries again what it may have taken.
    ///
    /// # Errors
    /// See [`with`](Self::with).
    pub fn without_pool(roots: RootCertStore, lookup: Lookup) -> Result<Self, String> {
        Self::keeping(0, roots, lookup)
    }

    fn keeping(kept: usize, roots: RootCertStore, lookup: Lookup) -> Result<Self, String> {
        let tls = tls_config(roots)?;
        let public = Names { lookup: Arc::clone(&lookup), reach: Reach::Public };
        let private_too = Names { lookup, reach: Reach::PrivateToo };
        Ok(Self {
            public: pool(public, tls.clone(), kept),
            private_too: pool(private_too, tls, kept),
        })
    }

    /// Posts a message of JSON, with these headers beside its own. It ends `within` this time.
    ///
    /// A message that was certainly not written may be sent a second time within the attempt, when
    /// a connection that was kept turns out to be closed. Nothing else is repeated.
    pub async fn deliver(
        &self,
        url: &EndpointUrl,
        headers: &[(&'static str, String)],
        body: Bytes,
        within: Duration,
    ) -> Attempt {
        let started = Instant::now();
        let result = self.attempt(url, headers, body, within).await;
        Attempt { result, took: started.elapsed() }
    }

    async fn attempt(
        &self,
        url: &EndpointUrl,
        headers: &[(&'static str, String)],
        body: Bytes,
        within: Duration,
    ) -> Result<Answered, Failed> {
        let started = Instant::now();
        // The connector looks up names only, so that it does not see the address of such a URL.
        if let Some(address) = url.address() {
            address::check(address, url.reach()).map_err(|refused| not_allowed(url, refused))?;
        }
        let request = request(url, headers, body)?;
        let pool = match url.reach() {
            Reach::Public => &self.public,
            Reach::PrivateToo => &self.private_too,
        };
        let response = match timeout(within, pool.request(request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(failed(url, &error)),
            Err(_) => {
                let reason =
                    format!("{} did not answer within {} ms", url.host(), within.as_millis());
                return Err(Failed { reason, kind: FailureKind::Timeout });
            }
        };
        let (head, body) = response.into_parts();
        Ok(Answered {
            status: head.status.as_u16(),
            retry_after: retry_after(&head.headers),
            text: read(body, within.saturating_sub(started.elapsed()).min(BODY_TIME)).await,
        })
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sender(..)")
    }
}

fn pool(names: Names, tls: ClientConfig, kept: usize) -> Pool {
    let reach = names.reach;
    let mut tcp = HttpConnector::new_with_resolver(names);
    // Otherwise it refuses the https addresses that TLS is put on.
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(TCP_TIMEOUT));
    let builder = HttpsConnectorBuilder::new().with_tls_config(tls);
    let connector = match reach {
        Reach::Public => builder.https_only().enable_http1().wrap_connector(tcp),
        Reach::PrivateToo => builder.https_or_http().enable_http1().wrap_connector(tcp),
    };
    legacy::Client::builder(TokioExecutor::new())
        .pool_idle_timeout(IDLE_TIMEOUT)
        .pool_max_idle_per_host(kept)
        .pool_timer(TokioTimer::new())
        .http1_max_buf_size(HEAD_MAX_BYTES)
        .http1_max_headers(HEADERS_MAX)
        .build(ConnectWithin { connector, limit: CONNECT_TIMEOUT })
}

/// Looks names up by the operating system.
#[must_use]
pub fn system_lookup() -> Lookup {
    let places = Arc::new(Semaphore::new(LOOKUPS_AT_ONCE));
    Arc::new(move |host| {
        let places = Arc::clone(&places);
        Box::pin(async move {
            let place = places.acquire_owned().await.map_err(io::Error::other)?;
            // In a task of its own, which holds its place for as long as the system takes, also
            // after the attempt has ended.
            let looking = tokio::spawn(async move {
                let found = tokio::net::lookup_host((host.as_str(), 0)).await;
                drop(place);
                found.map(|found| found.map(|address| address.ip()).collect())
            });
            looking.await.map_err(io::Error::other)?
        })
    })
}

/// The addresses of a name that may be connected to. They are looked up and judged for each
/// connection.
#[derive(Clone)]
struct Names {
    lookup: Lookup,
    reach: Reach,
}

/// Why a name has no address that may be connected to.
#[derive(Debug)]
enum NoAddress {
    NotFound(io::Error),
    None,
    Refused(AddressRefused),
}

impl fmt::Display for NoAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound(error) => error.fmt(f),
            Self::None => f.write_str("it has no address"),
            Self::Refused(refused) => refused.fmt(f),
        }
    }
}

impl Error for NoAddress {}

impl Service<Name> for Names {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = NoAddress;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, NoAddress>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), NoAddress>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let looking = (self.lookup)(name.as_str().to_owned());
        let reach = self.reach;
        Box::pin(async move {
            let found = looking.await.map_err(NoAddress::NotFound)?;
            permitted(&found, reach).map(Vec::into_iter)
        })
    }
}

/// Those of the addresses that may be connected to. The connector sets the port.
fn permitted(found: &[IpAddr], reach: Reach) -> Result<Vec<SocketAddr>, NoAddress> {
    let mut refused = NoAddress::None;
    let mut permitted = vec![];
    for address in found {
        match address::check(*address, reach) {
            Ok(()) => permitted.push(SocketAddr::new(*address, 0)),
            Err(why) => refused = NoAddress::Refused(why),
        }
    }
    if permitted.is_empty() {
        return Err(refused);
    }
    permitted.truncate(ADDRESSES_MAX);
    Ok(permitted)
}

fn request(
    url: &EndpointUrl,
    headers: &[(&'static str, String)],
    body: Bytes,
) -> Result<Request<Full<Bytes>>, Failed> {
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = url.uri().clone();
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    request.headers_mut().insert(USER_AGENT, HeaderValue::from_static(PRODUCT));
    for (name, value) in headers {
        // Its value is not told.
        let wrong = |_: InvalidHeaderValue| Failed {
            reason: format!("the header {name} has characters that are not allowed"),
            kind: FailureKind::Request,
        };
        let value = HeaderValue::try_from(value.as_str()).map_err(wrong)?;
        let name = HeaderName::try_from(*name).map_err(|_| Failed {
            reason: format!("{name} is not the name of a header"),
            kind: FailureKind::Request,
        })?;
        request.headers_mut().insert(name, value);
    }
    Ok(request)
}

/// The beginning of a body, as far as it is there in time. What is left of a longer one is not
/// read: its connection is closed.
async fn read(mut body: Incoming, left: Duration) -> String {
    let mut kept = vec![];
    let mut count = 0;
    let reading = async {
        while count < BODY_MAX_BYTES {
            let Some(Ok(frame)) = body.frame().await else { return };
            let Some(data) = frame.data_ref() else { continue };
            count += data.len();
            kept.extend(data.iter().take(TEXT_MAX_BYTES - kept.len()));
        }
    };
    // Nobody waits for the rest.
    let _ = timeout(left, reading).await;
    let is_cut = count > kept.len();
    text(&kept, is_cut)
}

/// Bytes of a stranger as text that can be stored and shown.
fn text(bytes: &[u8], is_cut: bool) -> String {
    let text = String::from_utf8_lossy(bytes);
    // Half a character at the cut.
    let text =
        if is_cut { text.trim_end_matches(char::REPLACEMENT_CHARACTER) } else { text.as_ref() };
    let mut text: String = text
        .chars()
        .map(|character| match character {
            '\n' | '\r' | '\t' => ' ',
            _ if character.is_control() => char::REPLACEMENT_CHARACTER,
            _ => character,
        })
        .collect();
    // A byte that was replaced takes three.
    text.truncate(text.floor_char_boundary(TEXT_MAX_BYTES));
    text
}

/// For how long an endpoint wants to be left alone: seconds, or a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let of = |name| headers.get(name)?.to_str().ok().map(str::trim);
    let text: &str = of(RETRY_AFTER)?;
    let after = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More seconds than a number holds are very many.
        Duration::from_secs(text.parse().unwrap_or(u64::MAX))
    } else {
        let then = httpdate::parse_http_date(text).ok()?;
        let now = httpdate::parse_http_date(of(DATE)?).ok()?;
        then.duration_since(now).unwrap_or_default()
    };
    Some(after.min(RETRY_AFTER_MAX))
}

fn not_allowed(url: &EndpointUrl, refused: AddressRefused) -> Failed {
    let reason = format!("{} leads to {refused}, and webhooks are not sent there", url.host());
    Failed { reason, kind: FailureKind::Refused }
}

/// Why there is no answer, in words that name nothing but the host: the library's own would name
/// addresses of it, which may be of a network that the merchant does not see.
fn failed(url: &EndpointUrl, error: &legacy::Error) -> Failed {
    let host = url.host();
    if let Some(no_address) = cause::<NoAddress>(error) {
        return match no_address {
            NoAddress::Refused(refused) => not_allowed(url, *refused),
            NoAddress::None => {
                Failed { reason: format!("{host} has no address"), kind: FailureKind::Lookup }
            }
            NoAddress::NotFound(error) => {
                let reason = cut(format!("{host} was not found: {error}"));
                Failed { reason, kind: FailureKind::Lookup }
            }
        };
    }
    if let Some(error) = cause::<rustls::Error>(error) {
        let reason = cut(format!("no TLS with {host}: {error}"));
        return Failed { reason, kind: FailureKind::Tls };
    }
    let io = cause::<io::Error>(error).map(|error| format!(": {}", error.kind()));
    let io = io.unwrap_or_default();
    if error.is_connect() {
        let reason = format!("no connection to {}{io}", url.authority());
        return Failed { reason, kind: FailureKind::Connection };
    }
    let reason = match cause::<hyper::Error>(error) {
        Some(error) if error.is_parse_too_large() => {
            format!("the headers of the answer of {host} are too long")
        }
        Some(error) if error.is_parse() => format!("the answer of {host} is not HTTP/1.1"),
        _ => format!("{host} closed the connection before it answered{io}"),
    };
    Failed { reason, kind: FailureKind::Answer }
}

fn cut(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(REASON_MAX_BYTES));
    text
}

#[cfg(test)]
mod tests;
