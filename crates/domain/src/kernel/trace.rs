//! Where a request stands in a trace, in the terms of W3C Trace Context. The domain draws no ids: it
//! keeps the context with what the request begins, so that whatever goes on with it later continues
//! the trace.

use std::fmt;

/// The span that later spans of a trace continue. There is one only for what is traced: what is not
/// sampled has none.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct TraceContext {
    /// Not zero.
    pub trace_id: u128,
    /// Not zero.
    pub span_id: u64,
}

/// How long a `traceparent` of version 00 is.
const LENGTH: usize = 55;

impl TraceContext {
    /// Reads a `traceparent`. A later version may say more behind what is known of it. `None` for what
    /// is malformed. Whether the caller samples is not read.
    #[must_use]
    pub fn parse(traceparent: &str) -> Option<Self> {
        let (known, more) = traceparent.split_at_checked(LENGTH)?;
        let mut parts = known.split('-');
        let mut hex = |digits: usize| {
            let part = parts.next().filter(|part| part.len() == digits)?;
            let is_hex = part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
            is_hex.then_some(part).and_then(|part| u128::from_str_radix(part, 16).ok())
        };
        let (version, trace_id) = (hex(2)?, hex(32)?);
        let (span_id, _flags) = (u64::try_from(hex(16)?).ok()?, hex(2)?);
        let is_complete = more.is_empty() || (version > 0 && more.starts_with('-'));
        let is_valid = version != 0xff && trace_id != 0 && span_id != 0 && is_complete;
        is_valid.then_some(Self { trace_id, span_id })
    }

    /// The context as a log line shows it.
    #[must_use]
    pub fn shown_trace_id(&self) -> impl fmt::Display + use<> {
        let trace_id = self.trace_id;
        fmt::from_fn(move |f| write!(f, "{trace_id:032x}"))
    }
}

/// As a `traceparent`, which says that the trace is sampled.
impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-01", self.trace_id, self.span_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTEXT: TraceContext = TraceContext {
        trace_id: 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736,
        span_id: 0x00f0_67aa_0ba9_02b7,
    };

    #[test]
    fn a_context_is_read_as_it_is_written() {
        let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(
            (CONTEXT.to_string().as_str(), TraceContext::parse(text)),
            (text, Some(CONTEXT))
        );
        assert_eq!(CONTEXT.shown_trace_id().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        // The caller does not sample; a later version says more.
        for text in [
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
        ] {
            assert_eq!(TraceContext::parse(text), Some(CONTEXT), "{text}");
        }
    }

    #[test]
    fn what_is_malformed_is_no_context() {
        for text in [
            "",
            "00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01 ",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01more",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "0-04bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-600f067aa0ba902b7-01",
            "00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0é",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0-1",
        ] {
            assert_eq!(TraceContext::parse(text), None, "{text}");
        }
    }
}
