//! Routes with their documentation. The router and the OpenAPI document are built from one list.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::handler::Handler;
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, delete, get, post, put};

use tower_http::compression::CompressionLayer;

use crate::api::describe::{DescribeHandler, OperationDoc, Route};
use crate::api::error::ApiError;
use crate::app::App;
use crate::net::limits;
use crate::net::log::RequestLog;
use crate::net::request_log::Begun;
use crate::request_id;
use crate::telemetry::metrics::HttpMetrics;
use crate::telemetry::traces::{RequestSpan, Traces};
use crate::web::language::PageLanguages;
use crate::web::refusal;

/// A router under construction, and the list of its routes.
pub struct Routes<S = App> {
    list: Vec<Route>,
    router: Router<S>,
}

macro_rules! methods { ($($name:ident = $method:literal)*) => {$(
    #[doc = concat!("Adds a ", $method, " route: described by `doc` and its handler's types.")]
    #[must_use]
    pub fn $name<H, T, D>(self, path: &'static str, handler: H, doc: OperationDoc) -> Self
    where
        H: Handler<T, S> + DescribeHandler<D>,
        T: 'static,
    {
        self.add(Route { method: $method, path, doc: Some((doc, H::describe)) }, $name(handler))
    }
)*}}

impl<S: Clone + Send + Sync + 'static> Default for Routes<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: Clone + Send + Sync + 'static> Routes<S> {
    #[must_use]
    pub fn new() -> Self {
        Self { list: vec![], router: Router::new() }
    }

    methods! { get = "GET" post = "POST" put = "PUT" delete = "DELETE" }

    /// Adds an HTML page or one of its files, which is not part of the OpenAPI document.
    #[must_use]
    pub fn page<H: Handler<T, S>, T: 'static>(self, path: &'static str, handler: H) -> Self {
        self.add(Route { method: "GET", path, doc: None }, compressed(get(handler)))
    }

    /// Adds what a form of an HTML page is sent to.
    #[must_use]
    pub fn form<H: Handler<T, S>, T: 'static>(self, path: &'static str, handler: H) -> Self {
        self.add(Route { method: "POST", path, doc: None }, compressed(post(handler)))
    }

    /// Adds a connection that stays open, for clients that no OpenAPI document describes.
    #[must_use]
    pub fn live<H: Handler<T, S>, T: 'static>(self, path: &'static str, handler: H) -> Self {
        self.add(Route { method: "GET", path, doc: None }, get(handler))
    }

    /// Adds what a network calls by itself. It is no operation of the API.
    #[must_use]
    pub fn callback<H: Handler<T, S>, T: 'static>(self, path: &'static str, handler: H) -> Self {
        self.add(Route { method: "POST", path, doc: None }, post(handler))
    }

    fn add(mut self, route: Route, handler: MethodRouter<S, Infallible>) -> Self {
        self.router = self.router.route(route.path, handler);
        self.list.push(route);
        self
    }

    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.list.extend(other.list);
        Self { list: self.list, router: self.router.merge(other.router) }
    }

    /// With a layer around the answers to all of these routes.
    #[must_use]
    pub fn answered_by<F, R>(self, answer: F) -> Self
    where
        F: Fn(Request, Next) -> R + Clone + Send + Sync + 'static,
        R: Future<Output = Response> + Send + 'static,
    {
        Self { list: self.list, router: self.router.layer(from_fn(answer)) }
    }

    /// The routes in the order in which they were added.
    #[must_use]
    pub fn list(&self) -> &[Route] {
        &self.list
    }

    /// Builds the router. Errors are JSON, but HTML below the paths of pages.
    pub fn build(self, state: S, finishing: Finishing) -> Router {
        self.router
            .fallback(async || ApiError::NotFound)
            .method_not_allowed_fallback(async || ApiError::MethodNotAllowed)
            .layer(from_fn_with_state(finishing, finish_response))
            .with_state(state)
    }
}

/// Compresses what is answered, for slow networks.
fn compressed<S: Clone + Send + Sync + 'static>(
    handler: MethodRouter<S, Infallible>,
) -> MethodRouter<S, Infallible> {
    handler.layer(CompressionLayer::new())
}

/// What every response is completed with.
#[derive(Clone)]
pub struct Finishing {
    /// The languages of errors on pages.
    pub languages: PageLanguages,
    /// What counts requests.
    pub metrics: HttpMetrics,
    /// Where the steps of traced requests are recorded.
    pub traces: Traces,
}

impl Finishing {
    /// In the default languages, with metrics that nobody reads.
    #[cfg(test)]
    pub fn unread() -> Self {
        Self {
            languages: PageLanguages::default(),
            metrics: HttpMetrics::unread(),
            traces: Traces::default(),
        }
    }
}

/// Completes every response. A panic is a bug of one request: it is answered with 500, and the
/// process continues. Browsers must not guess the content type, and neither they nor proxies may
/// cache a response that does not allow it: nearly all of them are about somebody's payments.
async fn finish_response(
    State(finishing): State<Finishing>,
    request: Request,
    next: Next,
) -> Response {
    let traces = finishing.traces.clone();
    let (id, address) = (request_id::draw(), limits::client_of(&request));
    let span = RequestSpan::begin(&traces, id, &request);
    let trace = span.as_ref().map(RequestSpan::context);
    let answer = answer(request, next, finishing);
    let response = request_id::answering(id, address, trace, answer).await;
    if let Some(span) = span {
        span.end(&traces, id, response.status());
    }
    response
}

async fn answer(request: Request, next: Next, finishing: Finishing) -> Response {
    let Finishing { languages, metrics, .. } = finishing;
    let line = RequestLog::begin(&request);
    let for_people = refusal::is_page_path(request.uri().path())
        .then(|| refusal::ForPeople::new(&request, languages));
    let begun = Begun::of(&request, metrics);
    let response = begun.answer(catch_panic(request, next)).await;
    let mut response = match for_people {
        Some(for_people) => for_people.finish(response),
        None => end_with_newline(response).await,
    };
    if let Some(line) = line {
        line.end(&mut response);
    }
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Ends JSON with a newline, so that a terminal's prompt starts on its own line.
async fn end_with_newline(response: Response) -> Response {
    let is_json = response
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    if !is_json {
        return response;
    }
    let (parts, body) = response.into_parts();
    // The body is already in memory in one piece, which is not copied here.
    let text = match to_bytes(body, usize::MAX).await {
        Ok(text) => text,
        Err(error) => return ApiError::internal(error.to_string()).into_response(),
    };
    if text.ends_with(b"\n") {
        return Response::from_parts(parts, Body::from(text));
    }
    let mut line = Vec::with_capacity(text.len().saturating_add(1));
    line.extend_from_slice(&text);
    line.push(b'\n');
    Response::from_parts(parts, Body::from(line))
}

async fn catch_panic(request: Request, next: Next) -> Response {
    let mut answer = pin!(next.run(request));
    let caught =
        poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| answer.as_mut().poll(context))) {
            Ok(Poll::Ready(response)) => Poll::Ready(Some(response)),
            Ok(Poll::Pending) => Poll::Pending,
            Err(_) => Poll::Ready(None),
        });
    caught.await.unwrap_or_else(|| ApiError::internal("a handler panicked").into_response())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::describe::op;
    use tower::ServiceExt;

    async fn broken() -> &'static str {
        panic!("a bug")
    }

    async fn call(method: &str, path: &str) -> (u16, String, String) {
        let doc = || op("sample", "A sample");
        let routes = Routes::<()>::new().get("/fine", async || "fine", doc()).put(
            "/fine",
            async || "put",
            doc(),
        );
        let routes = routes.get("/broken", broken, doc());
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        let response = routes.build((), Finishing::unread()).oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let allow = response
            .headers()
            .get("allow")
            .map(|value| value.to_str().unwrap().to_owned())
            .unwrap_or_default();
        let body = to_bytes(response.into_body(), 10_000).await.unwrap();
        (status, allow, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn whatever_comes_is_answered_with_json() {
        assert_eq!(call("GET", "/fine").await, (200, String::new(), "fine".to_owned()));
        assert_eq!(
            call("GET", "/other").await,
            (404, String::new(), "{\"detail\":\"Not found\"}\n".to_owned())
        );
        let (status, allow, body) = call("POST", "/fine").await;
        assert_eq!((status, body.as_str()), (405, "{\"detail\":\"Method not allowed\"}\n"));
        assert!(allow.contains("GET") && allow.contains("PUT"), "{allow}");
    }

    #[tokio::test]
    async fn pages_are_compressed_for_browsers_that_ask() {
        let page = async || "<p>a page</p>".repeat(100);
        let routes = Routes::<()>::new().page("/p", page).form("/p", page);
        let router = routes.build((), Finishing::unread());
        for (method, accept, expected) in [
            ("GET", "gzip, deflate, br", Some("gzip")),
            ("POST", "gzip", Some("gzip")),
            ("GET", "identity", None),
        ] {
            let request = Request::builder().method(method).uri("/p");
            let request = request.header("accept-encoding", accept).body(Body::empty()).unwrap();
            let response = router.clone().oneshot(request).await.unwrap();
            let encoding = response.headers().get("content-encoding");
            assert_eq!(encoding.map(|value| value.to_str().unwrap()), expected, "{method}");
            assert_eq!(response.headers()["vary"], "accept-encoding");
        }
    }

    #[tokio::test]
    async fn a_panic_is_answered_with_500() {
        let (status, _, body) = call("GET", "/broken").await;
        assert_eq!(status, 500);
        assert!(body.starts_with(r#"{"detail":"Internal server error","request_id":""#), "{body}");
    }
}
