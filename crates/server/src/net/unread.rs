//! Bodies that nobody has read when their request is answered: of a call that takes none, or that
//! was refused before.
//!
//! What is left of such a body stands before the next request of the connection. It is read and
//! dropped where it is small; else the answer says that the connection ends with it. Otherwise the
//! server would close a connection that its client is just sending the next request on.

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

/// So much is read to keep a connection: as much as a whole body may be.
const DROPPED_MAX: u64 = 64 * 1024;
/// And for so long.
const WITHIN: Duration = Duration::from_secs(2);

/// Where a body is found that was not read to its end.
type Rest = Arc<Mutex<Option<Body>>>;

/// A body that comes back when it is dropped before its end.
struct Lent {
    body: Body,
    rest: Rest,
}

impl Drop for Lent {
    fn drop(&mut self) {
        if !self.body.is_end_stream() {
            let body = std::mem::replace(&mut self.body, Body::empty());
            *self.rest.lock().unwrap_or_else(PoisonError::into_inner) = Some(body);
        }
    }
}

impl HttpBody for Lent {
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

/// Leaves nothing of a request's body before the next request, or says that there is no next one.
pub async fn drop_rest(request: Request, next: Next) -> Response {
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    // Whoever asks first whether it may send a body is not asked for one that nobody wants.
    let asks = request.headers().contains_key(EXPECT);
    let rest = Rest::default();
    let lent = request.map(|body| Body::new(Lent { body, rest: Arc::clone(&rest) }));
    let mut response = next.run(lent).await;
    let rest = rest.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(rest) = rest else { return response };
    let is_late = response.status() == StatusCode::REQUEST_TIMEOUT;
    if asks || is_late || !is_dropped(rest).await {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Reads what is left, if it is not too much and not too slow.
async fn is_dropped(mut rest: Body) -> bool {
    let read = async {
        let mut left = DROPPED_MAX;
        if rest.size_hint().lower() > left {
            return false;
        }
        while let Some(frame) =
            std::future::poll_fn(|context| Pin::new(&mut rest).poll_frame(context)).await
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
    tokio::time::timeout(WITHIN, read).await.unwrap_or(false)
}
