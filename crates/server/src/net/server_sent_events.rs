//! Answers that are sent bit by bit, as things happen.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName};
use axum::response::{IntoResponse, Response};
use hyper::body::Frame;
use tokio::sync::mpsc;

pub const EVENT_STREAM: &str = "text/event-stream";
/// How often a line without meaning is sent, by which both sides see that the other is there.
pub const HEARTBEAT: Duration = Duration::from_secs(15);

/// What is sent, as it comes.
struct StreamBody(mpsc::Receiver<Bytes>);

impl hyper::body::Body for StreamBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.0.poll_recv(context).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}

/// An answer whose body is what the channel receives. It ends with the channel.
#[must_use]
pub fn response(receiver: mpsc::Receiver<Bytes>) -> Response {
    let headers = [
        (CONTENT_TYPE, EVENT_STREAM),
        (CACHE_CONTROL, "no-store"),
        // nginx would gather what is to arrive at once.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    (headers, Body::new(StreamBody(receiver))).into_response()
}
