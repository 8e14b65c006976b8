//! The first span of a trace: a request that is answered.

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderMap, Method, StatusCode};
use domain::decision::command::RequestId;
use domain::kernel::time::ServerTime;
use domain::kernel::trace::TraceContext;

use super::{Kind, Span, Traces, Value, draw_span_id, draw_trace_id};
use store::clock;

/// The header of W3C Trace Context.
const TRACEPARENT: &str = "traceparent";

/// The span of a request that is being answered.
#[derive(Debug)]
pub struct RequestSpan {
    context: TraceContext,
    /// The span of the caller.
    parent: Option<u64>,
    method: Method,
    route: Option<MatchedPath>,
    begun: ServerTime,
}

impl RequestSpan {
    /// Begins the span; `None` for a request that is not traced.
    ///
    /// The caller's trace is continued, but whether it is sampled is decided here alone: otherwise
    /// anybody could have each request traced.
    #[must_use]
    pub fn begin(traces: &Traces, id: Option<RequestId>, request: &Request) -> Option<Self> {
        if !traces.samples(id) {
            return None;
        }
        let route = request.extensions().get::<MatchedPath>().cloned();
        if route.as_ref().is_some_and(|route| is_left_out(route.as_str())) {
            return None;
        }
        let caller = caller_of(request.headers());
        let trace_id = caller.map_or_else(draw_trace_id, |caller| caller.trace_id);
        Some(Self {
            context: TraceContext { trace_id, span_id: draw_span_id() },
            parent: caller.map(|caller| caller.span_id),
            method: request.method().clone(),
            route,
            begun: clock::now(),
        })
    }

    #[must_use]
    pub const fn context(&self) -> TraceContext {
        self.context
    }

    /// Ends the span with the answer.
    pub fn end(self, traces: &Traces, id: Option<RequestId>, status: StatusCode) {
        let route = self.route.as_ref().map_or("no route", MatchedPath::as_str);
        let method = known(&self.method);
        let request_id = id.map(|id| id.to_string()).unwrap_or_default();
        traces.record(Span {
            context: self.context,
            parent: self.parent,
            kind: Kind::Server,
            name: format!("{method} {route}").into(),
            begun: self.begun,
            ended: clock::now(),
            failed: status.is_server_error(),
            attributes: vec![
                ("http.request.method", method.into()),
                ("http.route", Value::Text(route.to_owned().into())),
                ("http.response.status_code", Value::Int(status.as_u16().into())),
                ("kola.request_id", Value::Text(request_id.into())),
            ],
        });
    }
}

/// What begins no trace: a callback continues that of its payment, and whoever looks after the server
/// asks for its health all the time.
fn is_left_out(route: &str) -> bool {
    route.starts_with("/callbacks/") || route == "/healthz" || route == "/readyz"
}

/// The caller's span, if exactly one well-formed header tells it.
fn caller_of(headers: &HeaderMap) -> Option<TraceContext> {
    let mut all = headers.get_all(TRACEPARENT).iter();
    let (first, another) = (all.next()?, all.next());
    first.to_str().ok().filter(|_| another.is_none()).and_then(TraceContext::parse)
}

/// The method, if it is one that is known: a caller may send any word.
fn known(method: &Method) -> &'static str {
    const KNOWN: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    KNOWN.into_iter().find(|known| method.as_str() == *known).unwrap_or("_OTHER")
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn one_well_formed_header_tells_the_callers_span() {
        let caller = |values: &[&[u8]]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(TRACEPARENT, (*value).try_into().unwrap());
            }
            caller_of(&headers)
        };
        assert_eq!(caller(&[GOOD.as_bytes()]), TraceContext::parse(GOOD));
        let long = format!("{GOOD}{}", "-0".repeat(10_000));
        for values in [
            vec![],
            vec![&b""[..]],
            vec![&b"00-\xff"[..]],
            vec![long.as_bytes()],
            vec![GOOD.as_bytes(), GOOD.as_bytes()],
            vec![GOOD.as_bytes(), b""],
        ] {
            assert_eq!(caller(&values), None, "{values:?}");
        }
    }
}
