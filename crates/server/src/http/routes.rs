//! The list of routes: what the router serves is what the list says.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

use axum::Router;
use axum::extract::Request;
use axum::handler::Handler;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, delete, get, post, put};

use super::error::ApiError;
use crate::app::App;

/// A router under construction, and the methods and paths in it.
pub struct Routes<S = App> {
    list: Vec<(String, String)>,
    router: Router<S>,
}

macro_rules! methods { ($($name:ident = $method:literal)*) => {$(
    #[doc = concat!("Adds a ", $method, " route.")]
    #[must_use]
    pub fn $name<H: Handler<T, S>, T: 'static>(self, path: impl Into<String>, handler: H) -> Self {
        self.add($method, path.into(), $name(handler))
    }
)*}}

impl<S: Clone + Send + Sync + 'static> Default for Routes<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: Clone + Send + Sync + 'static> Routes<S> {
    /// None.
    #[must_use]
    pub fn new() -> Self {
        Self { list: vec![], router: Router::new() }
    }

    methods! { get = "GET" post = "POST" put = "PUT" delete = "DELETE" }

    fn add(mut self, method: &str, path: String, handler: MethodRouter<S, Infallible>) -> Self {
        self.router = self.router.route(&path, handler);
        self.list.push((method.to_owned(), path));
        self
    }

    /// These routes and others.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.list.extend(other.list);
        Self { list: self.list, router: self.router.merge(other.router) }
    }

    /// The methods and paths.
    #[must_use]
    pub fn list(self) -> Vec<(String, String)> {
        self.list
    }

    /// The router, which answers JSON to whatever comes.
    pub fn build(self, state: S) -> Router {
        self.router
            .fallback(async || ApiError::NotFound)
            .method_not_allowed_fallback(async || ApiError::MethodNotAllowed)
            .layer(from_fn(catch_panics))
            .with_state(state)
    }
}

/// A panic is a bug of one request: it is answered with 500, and the process lives on.
async fn catch_panics(request: Request, next: Next) -> Response {
    let mut answer = pin!(next.run(request));
    let caught = poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| answer.as_mut().poll(context))) {
        Ok(Poll::Ready(response)) => Poll::Ready(Some(response)),
        Ok(Poll::Pending) => Poll::Pending,
        Err(_) => Poll::Ready(None),
    });
    caught.await.unwrap_or_else(|| ApiError::internal("a handler panicked").into_response())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::{Body, to_bytes};
    use tower::ServiceExt;

    async fn broken() -> &'static str {
        panic!("a bug")
    }

    async fn call(method: &str, path: &str) -> (u16, String, String) {
        let routes = Routes::<()>::new().get("/fine", async || "fine").put("/fine", async || "put").get("/broken", broken);
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        let response = routes.build(()).oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let allow = response.headers().get("allow").map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
        let body = to_bytes(response.into_body(), 10_000).await.unwrap();
        (status, allow, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn whatever_comes_is_answered_with_json() {
        assert_eq!(call("GET", "/fine").await, (200, String::new(), "fine".to_owned()));
        assert_eq!(call("GET", "/other").await, (404, String::new(), r#"{"detail":"Not found"}"#.to_owned()));
        let (status, allow, body) = call("POST", "/fine").await;
        assert_eq!((status, body.as_str()), (405, r#"{"detail":"Method not allowed"}"#));
        assert!(allow.contains("GET") && allow.contains("PUT"), "{allow}");
    }

    #[tokio::test]
    async fn a_panic_is_answered_with_500() {
        let (status, _, body) = call("GET", "/broken").await;
        assert_eq!(status, 500);
        assert!(body.starts_with(r#"{"detail":"Internal server error","request_id":""#), "{body}");
    }
}
