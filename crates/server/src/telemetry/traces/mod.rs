//! Traces: what a sampled request did and how long each step took, from the call of the API to the
//! settlement.
//!
//! Spans are recorded when they have ended, with both of their times, and not while they are open: a
//! commit belongs to all requests of its batch, and each gets a span of its own. Whether a request is
//! traced is decided before anything is done for it, so that the others cost nothing. A trace goes on
//! by its [`TraceContext`], which is with the request that is answered, with its commands, and on disk
//! with the attempt at a network.
//!
//! No attribute has anything of a caller but the method: no path, no id, no number, no name.

#[cfg(feature = "otlp")]
pub mod export;
mod request;
mod share;

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use domain::decision::command::RequestId;
use domain::kernel::time::ServerTime;
use domain::kernel::trace::TraceContext;
use tokio::sync::mpsc;

pub use request::RequestSpan;
pub use share::Share;
use store::clock;

/// So many spans wait for the exporter. More are dropped: nobody waits for it.
#[cfg_attr(not(feature = "otlp"), expect(dead_code, reason = "nothing is exported"))]
const QUEUE: usize = 8_192;

/// Where spans are recorded. Cheap to clone, and nothing at all where no traces are made.
#[derive(Clone, Debug, Default)]
pub struct Traces(Option<Arc<Recorder>>);

#[derive(Debug)]
struct Recorder {
    sampled: Share,
    queue: mpsc::Sender<Span>,
    /// How many spans did not fit into the queue and were not yet spoken of.
    dropped: AtomicU64,
}

/// A step that has ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Span {
    pub context: TraceContext,
    /// `None` for the first span of a trace.
    pub parent: Option<u64>,
    pub kind: Kind,
    pub name: Cow<'static, str>,
    pub begun: ServerTime,
    pub ended: ServerTime,
    pub failed: bool,
    pub attributes: Vec<(&'static str, Value)>,
}

/// What a span is in the terms of OpenTelemetry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A step of this process.
    Internal,
    /// A request that it answers.
    Server,
    /// A request that it makes.
    Client,
}

/// The value of an attribute.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Value {
    Text(Cow<'static, str>),
    Int(i64),
}

impl From<&'static str> for Value {
    fn from(text: &'static str) -> Self {
        Self::Text(text.into())
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<usize> for Value {
    fn from(value: usize) -> Self {
        Self::Int(i64::try_from(value).unwrap_or(i64::MAX))
    }
}

/// A step that has begun: its id is known, so that others can continue it.
#[derive(Clone, Copy, Debug)]
pub struct OpenSpan {
    pub context: TraceContext,
    parent: u64,
    begun: ServerTime,
}

impl OpenSpan {
    /// The same step, which began at another time.
    #[must_use]
    pub const fn since(self, begun: ServerTime) -> Self {
        Self { begun, ..self }
    }
}

impl Traces {
    /// Records a share of all requests. The spans are taken from the other end.
    #[cfg(feature = "otlp")]
    pub(crate) fn recording(sampled: Share) -> (Self, mpsc::Receiver<Span>) {
        let (queue, spans) = mpsc::channel(QUEUE);
        let recorder = Recorder { sampled, queue, dropped: AtomicU64::new(0) };
        (Self(Some(Arc::new(recorder))), spans)
    }

    #[must_use]
    pub const fn are_on(&self) -> bool {
        self.0.is_some()
    }

    /// Whether a request is traced. Its id is random, so that no number has to be drawn.
    fn samples(&self, id: Option<RequestId>) -> bool {
        let share = self.0.as_ref().map(|recorder| recorder.sampled);
        matches!((share, id), (Some(share), Some(RequestId(drawn))) if share.has(drawn))
    }

    /// The trace, if anything is recorded of it.
    #[must_use]
    pub fn of(&self, trace: Option<TraceContext>) -> Option<TraceContext> {
        trace.filter(|_| self.are_on())
    }

    /// Begins a step of a trace; `None` where there is none.
    #[must_use]
    pub fn open(&self, trace: Option<TraceContext>) -> Option<OpenSpan> {
        let TraceContext { trace_id, span_id: parent } = self.of(trace)?;
        let context = TraceContext { trace_id, span_id: draw_span_id() };
        Some(OpenSpan { context, parent, begun: clock::now() })
    }

    /// Ends a step.
    pub fn close(
        &self,
        span: OpenSpan,
        kind: Kind,
        name: &'static str,
        failed: bool,
        attributes: Vec<(&'static str, Value)>,
    ) {
        let OpenSpan { context, parent, begun } = span;
        self.record(Span {
            context,
            parent: Some(parent),
            kind,
            name: name.into(),
            begun,
            ended: clock::now(),
            failed,
            attributes,
        });
    }

    /// Records a step of this process whose times are known.
    pub fn step(
        &self,
        trace: TraceContext,
        name: &'static str,
        (begun, ended): (ServerTime, ServerTime),
        failed: bool,
        attributes: Vec<(&'static str, Value)>,
    ) {
        let TraceContext { trace_id, span_id: parent } = trace;
        self.record(Span {
            context: TraceContext { trace_id, span_id: draw_span_id() },
            parent: Some(parent),
            kind: Kind::Internal,
            name: name.into(),
            begun,
            ended,
            failed,
            attributes,
        });
    }

    /// Hands a span to the exporter, or drops it where that does not keep up.
    fn record(&self, span: Span) {
        let Some(recorder) = &self.0 else { return };
        // The clock may be set back meanwhile; a span that ends before it begins is refused by readers.
        let span = Span { ended: span.ended.max(span.begun), ..span };
        if recorder.queue.try_send(span).is_err() {
            recorder.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many spans were dropped since this was last asked.
    #[cfg(feature = "otlp")]
    fn take_dropped(&self) -> u64 {
        self.0.as_ref().map_or(0, |recorder| recorder.dropped.swap(0, Ordering::Relaxed))
    }
}

/// An id of a span: random, and not zero.
fn draw_span_id() -> u64 {
    clock::random_number().max(1)
}

/// An id of a trace: random, and not zero.
fn draw_trace_id() -> u128 {
    (u128::from(clock::random_number()) << 64 | u128::from(clock::random_number())).max(1)
}
