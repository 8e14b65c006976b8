//! The HTTP client for all networks: HTTP/1.1 over pooled connections, TLS with the certificates that
//! the operating system trusts, no redirects.
//!
//! What counts is what is known when a call fails: a request that could not be sent moved no money, and
//! one without an answer may have.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{HeaderValue, USER_AGENT};
use hyper::{Request, Response, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::connect::{Connect, HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::{ClientConfig, RootCertStore};
use tower_service::Service;

use crate::exchange::{HttpRequest, HttpResponse};

mod base_url;
pub mod circuit;
mod download;
pub mod limit;
mod opened;

pub use base_url::{BaseUrl, authority_of};
pub use download::download_request;
pub use opened::{OpenError, Opened};

/// How long a whole call may take. It is shorter than the lease of an attempt.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection may take, from the name of the host to the end of the TLS handshake.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long an unused connection is kept. Servers close theirs after a minute or later.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// The most of an answer that is read.
const BODY_MAX_BYTES: usize = 1 << 20;

/// What this program says that it is.
pub(crate) const PRODUCT: &str = concat!("kola/", env!("CARGO_PKG_VERSION"));

type Pool<C> = legacy::Client<ConnectWithin<HttpsConnector<C>>, Full<Bytes>>;

/// The client. Clones share its connections.
#[derive(Clone)]
pub struct Client {
    direct: Pool<HttpConnector>,
    /// For everything but this machine, where a proxy is set.
    proxied: Option<Pool<Tunnel<HttpConnector>>>,
}

/// Why a call has no answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CallError {
    /// The request certainly did not reach the network: there was no connection.
    NotSent { reason: String },
    /// The request may have reached the network.
    Unanswered { reason: String },
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSent { reason } => write!(f, "it could not be sent: {reason}"),
            Self::Unanswered { reason } => write!(f, "it was not answered: {reason}"),
        }
    }
}

impl Error for CallError {}

/// Whether a call shows that the network does not work, for its
/// [`Circuit`](circuit::Circuit): no connection, no answer, or an error of the server.
#[must_use]
pub fn is_failure(call: &Result<HttpResponse, CallError>) -> bool {
    call.as_ref().map_or(true, |response| response.status >= 500)
}

impl Client {
    /// A client that trusts the certificates of the operating system. `proxy` is
    /// `http://[user:password@]host:port`; what is on this machine is called without it.
    ///
    /// # Errors
    /// The operating system trusts no certificate, or the proxy cannot be one.
    pub fn new(proxy: Option<&str>) -> Result<Self, String> {
        Self::with_roots(system_roots()?, proxy)
    }

    /// Whether a proxy can be one.
    ///
    /// # Errors
    /// How it is written.
    pub fn check_proxy(proxy: &str) -> Result<(), String> {
        tunnel(proxy, HttpConnector::new()).map(drop)
    }

    /// The same, and it trusts these certificates instead.
    ///
    /// # Errors
    /// TLS cannot be set up, or the proxy cannot be one.
    pub fn with_roots(roots: RootCertStore, proxy: Option<&str>) -> Result<Self, String> {
        let tls = tls_config(roots)?;
        let mut tcp = HttpConnector::new();
        // Otherwise it refuses the https addresses that TLS is put on.
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        let proxied = match proxy {
            Some(proxy) => Some(pool(tunnel(proxy, tcp.clone())?, tls.clone())),
            None => None,
        };
        Ok(Self { direct: pool(tcp, tls), proxied })
    }

    /// Makes a call that ends within `timeout`, usually [`CALL_TIMEOUT`]. Any status is an answer.
    ///
    /// # Errors
    /// [`CallError`]
    pub async fn call(
        &self,
        base: &BaseUrl,
        request: &HttpRequest,
        timeout: Duration,
    ) -> Result<HttpResponse, CallError> {
        let request =
            http_request(base, request).map_err(|reason| CallError::NotSent { reason })?;
        let answer = async {
            let response = match &self.proxied {
                Some(proxied) if !base.is_plain() => send(proxied, request).await?,
                _ => send(&self.direct, request).await?,
            };
            read(response).await
        };
        // Connecting ends long before this, so that the request may have reached the network.
        tokio::time::timeout(timeout, answer).await.unwrap_or_else(|_| {
            let reason = format!("no answer within {} ms", timeout.as_millis());
            Err(CallError::Unanswered { reason })
        })
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Client(proxy: {})", self.proxied.is_some())
    }
}

/// The certificates that the operating system trusts.
///
/// # Errors
/// There is none, and what to do.
pub fn system_roots() -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err("the operating system trusts no certificates (package ca-certificates): \
                    set SSL_CERT_FILE to a file of them"
            .to_owned());
    }
    Ok(roots)
}

/// TLS with servers whose certificates these roots vouch for.
///
/// # Errors
/// TLS cannot be set up.
pub fn tls_config(roots: RootCertStore) -> Result<ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

fn pool<C>(connector: C, tls: ClientConfig) -> Pool<C>
where
    C: Clone,
    ConnectWithin<HttpsConnector<C>>: Connect + Clone,
{
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_http1()
        .wrap_connector(connector);
    // A request that was handed to a connection which turns out to be closed is repeated by the pool
    // only if nothing of it was written.
    legacy::Client::builder(TokioExecutor::new())
        .pool_idle_timeout(IDLE_TIMEOUT)
        .pool_timer(TokioTimer::new())
        .build(ConnectWithin { connector, limit: CONNECT_TIMEOUT })
}

/// A connector that reaches hosts through a proxy, by `CONNECT`.
fn tunnel(proxy: &str, tcp: HttpConnector) -> Result<Tunnel<HttpConnector>, String> {
    let wrong = || "a proxy is http://host:port or http://user:password@host:port".to_owned();
    let uri: Uri = proxy.parse().map_err(|_| wrong())?;
    let authority = uri.authority().ok_or_else(wrong)?;
    if uri.scheme_str() != Some("http") || uri.path() != "/" || authority.port().is_none() {
        return Err(wrong());
    }
    let (user, host) = match authority.as_str().rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, authority.as_str()),
    };
    let uri = Uri::builder().scheme("http").authority(host).path_and_query("/").build();
    let tunnel = Tunnel::new(uri.map_err(|_| wrong())?, tcp);
    Ok(match user {
        Some(user) => {
            let value = format!("Basic {}", BASE64.encode(user));
            tunnel.with_auth(HeaderValue::try_from(value).map_err(|_| wrong())?)
        }
        None => tunnel,
    })
}

fn http_request(base: &BaseUrl, request: &HttpRequest) -> Result<Request<Full<Bytes>>, String> {
    let mut builder = Request::builder()
        .method(request.method)
        .uri(base.with_path(&request.path)?)
        .header(USER_AGENT, PRODUCT);
    for (name, value) in &request.headers {
        // A token with a newline, for example; its value is not told.
        let value = HeaderValue::try_from(value.as_str())
            .map_err(|_| format!("the header {name} has characters that are not allowed"))?;
        builder = builder.header(*name, value);
    }
    let body = Full::new(Bytes::from(request.body.clone()));
    builder.body(body).map_err(|error| error.to_string())
}

async fn send<C>(
    pool: &Pool<C>,
    request: Request<Full<Bytes>>,
) -> Result<Response<Incoming>, CallError>
where
    ConnectWithin<HttpsConnector<C>>: Connect + Clone + Send + Sync + 'static,
{
    pool.request(request).await.map_err(|error| {
        let reason = with_causes(&error);
        if error.is_connect() {
            CallError::NotSent { reason }
        } else {
            CallError::Unanswered { reason }
        }
    })
}

async fn read(response: Response<Incoming>) -> Result<HttpResponse, CallError> {
    let (head, body) = response.into_parts();
    let body = Limited::new(body, BODY_MAX_BYTES).collect().await.map_err(|error| {
        let reason = if error.is::<LengthLimitError>() {
            format!("the answer has more than {BODY_MAX_BYTES} bytes")
        } else {
            with_causes(error.as_ref())
        };
        CallError::Unanswered { reason }
    })?;
    let headers = head.headers.iter().map(|(name, value)| {
        (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    });
    Ok(HttpResponse {
        status: head.status.as_u16(),
        headers: headers.collect(),
        body: body.to_bytes().to_vec(),
    })
}

/// An error with what caused it. The library's own errors name the step only.
fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.ends_with(&said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    text
}

/// The first error of a type among the causes of another.
pub(crate) fn cause<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        // The source of an error of I/O is not what it wraps, but the source of that.
        next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(wrapped) => Some(wrapped),
            None => error.source(),
        };
    }
    None
}

/// A connector that gives up after a while, whatever it waits for: a name, a connection, a handshake.
/// What it gives up was certainly not sent.
#[derive(Clone)]
pub(crate) struct ConnectWithin<C> {
    pub(crate) connector: C,
    pub(crate) limit: Duration,
}

impl<C> Service<Uri> for ConnectWithin<C>
where
    C: Service<Uri>,
    C::Future: Send + 'static,
    C::Response: 'static,
    C::Error: Into<BoxError>,
{
    type Response = C::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<C::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.connector.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, address: Uri) -> Self::Future {
        let connecting = self.connector.call(address);
        let limit = self.limit;
        Box::pin(async move {
            match tokio::time::timeout(limit, connecting).await {
                Ok(connected) => connected.map_err(Into::into),
                Err(_) => {
                    let reason = format!("no connection within {} s", limit.as_secs());
                    Err(io::Error::new(io::ErrorKind::TimedOut, reason).into())
                }
            }
        })
    }
}

pub(crate) type BoxError = Box<dyn Error + Send + Sync>;

#[cfg(test)]
pub(crate) mod test_server;
#[cfg(test)]
mod tests;
