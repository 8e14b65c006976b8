//! Connections, and what goes wrong with them.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tower_service::Service;

use crate::clock::iso;
use crate::fake::{Fake, Network};
use crate::faults::{Candidate, Kind, Stage};

const BODY_MAX: usize = 1 << 20;
/// How much of a request's body is kept to be looked at.
const KEPT_BODY: usize = 4_096;
/// For how long a connection without an answer stays open.
const SILENCE: Duration = Duration::from_secs(60);

/// In an answer's extensions: the connection ends instead.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Abort {
    Close,
    Reset,
}

/// In a request's extensions: what is done is answered with 500.
#[derive(Clone, Copy)]
pub(crate) struct AnswerWithServerError;

/// In an answer's extensions: it waits until all callbacks that are due were delivered.
#[derive(Clone, Copy)]
pub(crate) struct CallbacksFirst;

/// A JSON answer.
pub(crate) fn answer(status: u16, body: &Value) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

fn abort(how: Abort) -> Response {
    let mut response = Response::default();
    response.extensions_mut().insert(how);
    response
}

/// The routes of a network, with the faults that happen to its requests.
pub(crate) fn with_faults<N: Network>(fake: &Arc<Fake<N>>, routes: Router) -> Router {
    routes.layer(axum::middleware::from_fn_with_state(Arc::clone(fake), play::<N>))
}

async fn play<N: Network>(
    State(fake): State<Arc<Fake<N>>>,
    request: Request,
    next: Next,
) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, BODY_MAX).await else {
        return answer(413, &N::refusal(413));
    };
    let method = parts.method.to_string();
    let uri = parts.uri.clone();
    let key = parts.headers.get("idempotency-key").and_then(|key| key.to_str().ok());
    let key = key.map(str::to_owned);
    let traceparent = parts.headers.get("traceparent").and_then(|value| value.to_str().ok());
    let traceparent = traceparent.map(str::to_owned);
    let fault = fake.with(|network, _| {
        let candidate = Candidate { method: &method, path: uri.path(), event: "", body: &body };
        let common = network.common();
        common.faults.take(Stage::Request, candidate, &mut common.random).pop()
    });

    let mut request = Request::from_parts(parts, Body::from(body.clone()));
    if fault == Some(Kind::ServerError) {
        request.extensions_mut().insert(AnswerWithServerError);
    }
    let response = match &fault {
        Some(Kind::RequestLost) => abort(Abort::Close),
        Some(Kind::Refused { status, retry_after }) => {
            let mut refusal = answer(*status, &N::refusal(*status));
            if let Some(seconds) = retry_after {
                refusal.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(*seconds));
            }
            refusal
        }
        _ => next.run(request).await,
    };
    if response.extensions().get::<CallbacksFirst>().is_some() {
        fake.flush().await;
    }

    let status = response.status().as_u16();
    fake.with(|network, now| {
        let seen = body.get(..KEPT_BODY).unwrap_or(&body);
        network.common().keep_request(json!({
            "at": iso(now),
            "at_ms": now,
            "method": method,
            "path": uri.to_string(),
            "idempotency_key": key,
            "traceparent": traceparent,
            "body": String::from_utf8_lossy(seen),
            "status": status,
            "fault": fault.as_ref().map(|fault| format!("{fault:?}")),
        }));
    });
    match fault {
        Some(Kind::AnswerLost) => {
            // The client gives up long before.
            tokio::time::sleep(SILENCE).await;
            abort(Abort::Close)
        }
        Some(Kind::Reset) => abort(Abort::Reset),
        Some(Kind::BadGateway) => {
            let page = "<html><body><h1>502 Bad Gateway</h1></body></html>";
            (StatusCode::BAD_GATEWAY, [(header::CONTENT_TYPE, "text/html")], page).into_response()
        }
        Some(Kind::EmptyAnswer) => StatusCode::OK.into_response(),
        Some(Kind::ServerError) if response.status().is_success() => answer(500, &N::refusal(500)),
        Some(Kind::Slow { milliseconds }) => {
            // Released also when the client goes away meanwhile, which ends this future.
            let _in_use = key.map(|key| KeyInUse::new(&fake, key));
            tokio::time::sleep(Duration::from_millis(milliseconds)).await;
            response
        }
        Some(Kind::CutAnswer) => cut(response).await,
        _ => response,
    }
}

/// An idempotency key whose answer is under way.
struct KeyInUse<N: Network> {
    fake: Arc<Fake<N>>,
    key: String,
}

impl<N: Network> KeyInUse<N> {
    fn new(fake: &Arc<Fake<N>>, key: String) -> Self {
        fake.with(|network, _| network.set_key_in_use(&key, true));
        Self { fake: Arc::clone(fake), key }
    }
}

impl<N: Network> Drop for KeyInUse<N> {
    fn drop(&mut self) {
        self.fake.with(|network, _| network.set_key_in_use(&self.key, false));
    }
}

/// The first half of an answer, after which its connection closes.
async fn cut(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    let half = body.slice(..body.len() / 2);
    Response::from_parts(parts, Body::new(HalfBody { half: Some(half), pause: None }))
}

struct HalfBody {
    half: Option<Bytes>,
    /// Lets the half leave before the connection ends.
    pause: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl hyper::body::Body for HalfBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Some(half) = self.half.take() {
            return Poll::Ready(Some(Ok(Frame::data(half))));
        }
        let pause = self
            .pause
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(Duration::from_millis(20))));
        ready!(pause.as_mut().poll(context));
        Poll::Ready(Some(Err(io::ErrorKind::ConnectionAborted.into())))
    }
}

/// A connection that can be reset.
struct Socket {
    stream: TcpStream,
    reset: Arc<AtomicBool>,
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.reset.load(Ordering::SeqCst) {
            // Closing without lingering sends a RST. If that fails, it is closed as usual.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// Serves connections. Never ends; what it has begun ends with it.
pub(crate) async fn serve(listener: TcpListener, router: Router) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of files, most likely: wait for some to be closed.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        // Answers are small and written at once: there is nothing to wait for.
        let _ = stream.set_nodelay(true);
        while connections.try_join_next().is_some() {}
        connections.spawn(serve_connection(stream, router.clone()));
    }
}

async fn serve_connection(stream: TcpStream, router: Router) {
    let reset = Arc::new(AtomicBool::new(false));
    let socket = Socket { stream, reset: Arc::clone(&reset) };
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let (mut router, reset) = (router.clone(), Arc::clone(&reset));
        async move {
            let answered: Result<Response, Infallible> = router.call(request.map(Body::new)).await;
            let Ok(response) = answered;
            match response.extensions().get::<Abort>() {
                None => Ok(response),
                Some(how) => {
                    reset.store(*how == Abort::Reset, Ordering::SeqCst);
                    // An error of the service ends the connection without an answer.
                    Err(io::Error::from(io::ErrorKind::ConnectionAborted))
                }
            }
        }
    });
    // A client that goes away is no fault of this side.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(socket), service).await;
}
