//! A collector of traces: takes OTLP over HTTP and keeps what came.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1 as proto;
use prost::Message;

use store::hex::hex;

use crate::support::wait_for;

/// A span, with its ids in hexadecimal.
#[derive(Clone, Debug)]
pub(super) struct Span {
    pub(super) trace: String,
    pub(super) id: String,
    /// Empty for the first span of a trace.
    pub(super) parent: String,
    pub(super) name: String,
    pub(super) kind: i32,
    pub(super) begun: u64,
    pub(super) ended: u64,
    pub(super) failed: bool,
    pub(super) attributes: BTreeMap<String, String>,
}

impl Span {
    fn new(span: &proto::Span) -> Self {
        let attributes = span.attributes.iter().map(|attribute| {
            let value = attribute.value.as_ref().and_then(|value| value.value.as_ref());
            let shown = match value.expect("a value") {
                Value::StringValue(text) => text.clone(),
                Value::IntValue(value) => value.to_string(),
                other => panic!("{other:?}"),
            };
            (attribute.key.clone(), shown)
        });
        Self {
            trace: hex(&span.trace_id),
            id: hex(&span.span_id),
            parent: hex(&span.parent_span_id),
            name: span.name.clone(),
            kind: span.kind,
            begun: span.start_time_unix_nano,
            ended: span.end_time_unix_nano,
            failed: span.status.as_ref().is_some_and(|status| status.code == 2),
            attributes: attributes.collect(),
        }
    }

    pub(super) fn attribute(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }
}

#[derive(Default)]
struct Taken {
    spans: Vec<Span>,
    bytes: Vec<u8>,
}

pub(super) struct Collector {
    address: SocketAddr,
    taken: Arc<Mutex<Taken>>,
}

impl Collector {
    pub(super) fn open() -> Self {
        Self::with(true)
    }

    /// One that accepts connections and never answers.
    pub(super) fn silent() -> Self {
        Self::with(false)
    }

    fn with(answers: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let taken = Arc::<Mutex<Taken>>::default();
        let of_threads = Arc::clone(&taken);
        // The threads end with the test process.
        std::thread::spawn(move || {
            let mut kept = vec![];
            for stream in listener.incoming().flatten() {
                if answers {
                    let taken = Arc::clone(&of_threads);
                    std::thread::spawn(move || serve(stream, &taken));
                } else {
                    kept.push(stream);
                }
            }
        });
        Self { address, taken }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) fn spans(&self) -> Vec<Span> {
        self.taken.lock().expect("a lock").spans.clone()
    }

    /// All that came, as it came.
    pub(super) fn bytes(&self) -> Vec<u8> {
        self.taken.lock().expect("a lock").bytes.clone()
    }

    /// The spans of a trace, once this is among them.
    #[track_caller]
    pub(super) fn trace_with(&self, trace: &str, is_meant: impl Fn(&Span) -> bool) -> Vec<Span> {
        wait_for(&format!("a span of the trace {trace}"), || {
            let spans = self.spans();
            let spans: Vec<Span> = spans.into_iter().filter(|span| span.trace == trace).collect();
            spans.iter().any(&is_meant).then_some(spans)
        })
    }
}

fn serve(mut stream: TcpStream, taken: &Mutex<Taken>) {
    let mut reader = BufReader::new(stream.try_clone().expect("a copy"));
    while let Some((head, body)) = read(&mut reader) {
        assert!(head.starts_with("POST /v1/traces HTTP/1.1"), "{head}");
        assert!(head.contains("content-type: application/x-protobuf"), "{head}");
        let message = ExportTraceServiceRequest::decode(&*body).expect("a message");
        let spans = message.resource_spans.iter().flat_map(|resource| &resource.scope_spans);
        let spans = spans.flat_map(|scope| &scope.spans).map(Span::new);
        {
            let mut taken = taken.lock().expect("a lock");
            taken.spans.extend(spans);
            taken.bytes.extend(head.into_bytes());
            taken.bytes.extend(body);
        }
        if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").is_err() {
            return;
        }
    }
}

/// A request: its head in lower case but for its first line, and its body.
fn read(reader: &mut BufReader<TcpStream>) -> Option<(String, Vec<u8>)> {
    let mut head = String::new();
    reader.read_line(&mut head).ok().filter(|read| *read > 0)?;
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        head.push_str(&line);
        head.push('\n');
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((head, body))
}
