//! How lines of the log are written: as text, or as JSON objects. Each is one line, whatever stands in
//! a value, and has the id of the request that it is about, and that of its trace.

use std::fmt;

use clap::ValueEnum;
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::format::{self, JsonFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::registry::LookupSpan;

use crate::cli::has_colours;
use crate::request_id;

/// How the log is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For programs: an object a line.
    Json,
}

/// Writes the log to standard error: standard output is for a command's answer only.
pub fn layer<S>(log_format: LogFormat) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let colours = has_colours(&std::io::stderr()) && log_format == LogFormat::Text;
    layer_to(log_format, std::io::stderr, colours)
}

fn layer_to<S, W>(log_format: LogFormat, to: W, colours: bool) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    // A line that cannot be written is lost: reporting that on standard error would panic.
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(to)
        .with_ansi(colours)
        .log_internal_errors(false);
    let format = format::format();
    match log_format {
        LogFormat::Text => {
            let line = format.with_ansi(colours);
            Box::new(lines.event_format(OneLine { line, log_format, colours }))
        }
        LogFormat::Json => {
            let line = format.json().flatten_event(true);
            let one_line = OneLine { line, log_format, colours };
            Box::new(lines.fmt_fields(JsonFields::new()).event_format(one_line))
        }
    }
}

/// Ends a line with the ids of the request, and keeps it one line.
struct OneLine<F> {
    line: F,
    log_format: LogFormat,
    /// Whether the format itself writes escape sequences.
    colours: bool,
}

impl<S, N, F> FormatEvent<S, N> for OneLine<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = String::new();
        self.line.format_event(context, Writer::new(&mut line), event)?;
        let mut line = line.trim_end_matches('\n');
        if self.log_format == LogFormat::Json {
            line = line.strip_suffix('}').unwrap_or(line);
        }
        self.write_escaped(line, &mut writer)?;
        for (name, id) in ids() {
            if let (Some(id), None) = (id, event.metadata().fields().field(name)) {
                match self.log_format {
                    LogFormat::Text => write!(writer, " {name}=\"{id}\"")?,
                    LogFormat::Json => write!(writer, ",\"{name}\":\"{id}\"")?,
                }
            }
        }
        writer.write_str(if self.log_format == LogFormat::Json { "}\n" } else { "\n" })
    }
}

/// The ids of what this task does.
fn ids() -> [(&'static str, Option<String>); 2] {
    let trace = request_id::trace();
    [
        ("request_id", request_id::current().map(|id| id.to_string())),
        ("trace_id", trace.map(|trace| trace.shown_trace_id().to_string())),
    ]
}

impl<F> OneLine<F> {
    /// A value may have line breaks, which would begin another line, or orders to a terminal.
    fn write_escaped(&self, line: &str, writer: &mut Writer<'_>) -> fmt::Result {
        let is_bad = |letter: char| letter.is_control() && !(self.colours && letter == '\x1b');
        for piece in line.split_inclusive(is_bad) {
            let (rest, bad) = match piece.chars().next_back().filter(|letter| is_bad(*letter)) {
                Some(bad) => (piece.strip_suffix(bad).unwrap_or(piece), Some(bad)),
                None => (piece, None),
            };
            writer.write_str(rest)?;
            match bad {
                Some(bad) if self.log_format == LogFormat::Json => {
                    write!(writer, "\\u{:04x}", u32::from(bad))?;
                }
                Some(bad) => write!(writer, "{}", bad.escape_default())?,
                None => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use domain::decision::command::RequestId;
    use domain::kernel::trace::TraceContext;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    const HOSTILE: &str = "a\nb\r\n2026-01-01T00:00:00Z ERROR forged\x1b[31m\u{7f}\u{9b}\"\\ é";

    /// What is logged while a request is answered.
    fn logged(log_format: LogFormat) -> String {
        let written = Written::default();
        let of_layer = written.clone();
        let layer = layer_to(log_format, move || of_layer.clone(), false);
        let log = || {
            tracing::warn!(value = HOSTILE, shown = %HOSTILE, debug = ?HOSTILE, "{HOSTILE}");
            tracing::info!(request_id = "its own", count = 7, "known");
        };
        let trace = Some(TraceContext { trace_id: 0xab, span_id: 1 });
        let answering = request_id::answering(Some(RequestId(7)), None, trace, async { log() });
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(answering);
        });
        let bytes = written.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_line_of_text_stays_one_line() {
        let log = logged(LogFormat::Text);
        let lines: Vec<&str> = log.lines().collect();
        assert_eq!(lines.len(), 2, "{log}");
        assert!(log.replace('\n', "").chars().all(|letter| !letter.is_control()), "{log:?}");
        assert!(lines[0].contains(r"a\nb\r\n2026-01-01"), "{log}");
        assert!(
            lines[0].ends_with(
                " request_id=\"0000000000000007\" trace_id=\"000000000000000000000000000000ab\""
            ),
            "{log}"
        );
        assert_eq!(lines[1].matches("request_id=").count(), 1, "{log}");
        assert!(lines[1].contains("request_id=\"its own\""), "{log}");
    }

    #[test]
    fn a_line_of_json_is_an_object() {
        let log = logged(LogFormat::Json);
        assert_eq!(log.lines().count(), 2, "{log}");
        assert!(log.replace('\n', "").chars().all(|letter| !letter.is_control()), "{log:?}");
        let lines: Vec<serde_json::Value> =
            log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let first = &lines[0];
        for name in ["message", "value", "shown"] {
            assert_eq!(first[name], HOSTILE, "{name}: {log}");
        }
        assert_eq!(
            (&first["level"], &first["request_id"]),
            (&"WARN".into(), &"0000000000000007".into())
        );
        assert_eq!(first["trace_id"], "000000000000000000000000000000ab");
        assert_eq!(first["target"], "kola::cli::log::tests");
        let at: jiff::Timestamp = first["timestamp"].as_str().unwrap().parse().unwrap();
        assert!(at.as_second() > 0 && first["timestamp"].as_str().unwrap().ends_with('Z'));
        assert_eq!((&lines[1]["request_id"], &lines[1]["count"]), (&"its own".into(), &7.into()));
        assert_eq!(log.matches("\"request_id\"").count(), 2, "{log}");
    }
}
