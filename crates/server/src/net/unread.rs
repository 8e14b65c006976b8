//! Request bodies that are unread when the response is ready: the route takes no body, or the request
//! was refused before.
//!
//! The rest of such a body precedes the next request on the connection. A small rest is read and
//! discarded; for a large one the response says that the connection closes. Otherwise the server
//! would close a connection on which the client is just sending its next request.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Error;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::header::{CONNECTION, EXPECT};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use hyper::body::{Frame, SizeHint};

/// The most bytes that are discarded to keep a connection: as many as a whole body may have.
const DISCARD_MAX: u64 = 64 * 1024;
/// How long discarding may take.
const DISCARD_WITHIN: Duration = Duration::from_secs(2);

/// Where a [`RecoverableBody`] leaves what was not read of it.
type UnreadBody = Arc<Mutex<Option<Body>>>;

/// A request body that is recovered when the handler drops it before its end.
struct RecoverableBody {
    body: Body,
    unread: UnreadBody,
}

impl Drop for RecoverableBody {
    fn drop(&mut self) {
        if !self.body.is_end_stream() {
            let body = std::mem::replace(&mut self.body, Body::empty());
            *self.unread.lock().unwrap_or_else(PoisonError::into_inner) = Some(body);
        }
    }
}

impl HttpBody for RecoverableBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Discards what a handler left unread of the request's body, or announces that the connection
/// closes.
pub async fn discard_unread(request: Request, next: Next) -> Response {
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    // `Expect: 100-continue`: to read the body now would ask the client to send it.
    let expects_continue = request.headers().contains_key(EXPECT);
    let unread = UnreadBody::default();
    let request =
        request.map(|body| Body::new(RecoverableBody { body, unread: Arc::clone(&unread) }));
    let mut response = next.run(request).await;
    let unread = unread.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(unread) = unread else { return response };
    let timed_out = response.status() == StatusCode::REQUEST_TIMEOUT;
    if expects_continue || timed_out || !discard(unread).await {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Reads a body to its end. `false` when it is too large or too slow.
async fn discard(mut body: Body) -> bool {
    let read = async {
        let mut left = DISCARD_MAX;
        if body.size_hint().lower() > left {
            return false;
        }
        while let Some(frame) =
            std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await
        {
            let Ok(frame) = frame else { return false };
            let length = frame.data_ref().map_or(0, Bytes::len);
            let Some(less) = u64::try_from(length).ok().and_then(|length| left.checked_sub(length))
            else {
                return false;
            };
            left = less;
        }
        true
    };
    tokio::time::timeout(DISCARD_WITHIN, read).await.unwrap_or(false)
}
