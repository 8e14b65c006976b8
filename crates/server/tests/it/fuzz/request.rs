//! The requests of the fuzzer: an operation's example, and its mutations.

use std::collections::BTreeSet;
use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A request as it is kept in the corpus.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Request {
    /// The operation's path in the document.
    pub(crate) template: String,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    /// Each character is one byte, so that bodies that are no UTF-8 can be written down.
    pub(crate) body: Option<String>,
}

impl Request {
    pub(crate) fn to_http(&self, token: &str) -> Option<axum::http::Request<Vec<u8>>> {
        let mut request =
            axum::http::Request::builder().method(self.method.as_str()).uri(&self.path);
        for (name, value) in &self.headers {
            request = request.header(name, latin(&value.replace("{token}", token)));
        }
        request.body(self.body.as_deref().map(latin).unwrap_or_default()).ok()
    }
}

fn latin(text: &str) -> Vec<u8> {
    text.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect()
}

fn from_bytes(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

/// The kept requests, with the names of their files.
pub(crate) fn corpus(folder: &Path) -> Vec<(String, Request)> {
    let files =
        std::fs::read_dir(folder).expect("the corpus").map(|entry| entry.expect("a file").path());
    let kept = files.filter(|path| path.extension().is_some_and(|ending| ending == "json"));
    kept.map(|path| {
        let text = std::fs::read_to_string(&path).expect("a file");
        (path.display().to_string(), serde_json::from_str(&text).expect("a request"))
    })
    .collect()
}

#[derive(Clone, Debug)]
struct Operation {
    method: String,
    template: String,
    query: Vec<String>,
    example: Option<Value>,
    statuses: BTreeSet<u16>,
}

/// The operations of the document, and values that they know.
#[derive(Clone)]
pub(crate) struct Operations {
    all: Vec<Operation>,
    /// The values as JSON, for bodies. In paths and queries texts are used without their quotes.
    values: Vec<String>,
    ids: Vec<i64>,
}

/// Values that people and programs send by mistake, and values that attackers send.
const JUNK: &[&str] = &[
    "null",
    "true",
    "{}",
    "[]",
    "[[[[[[]]]]]]",
    "\"\"",
    "\" \"",
    "0",
    "-0",
    "-1",
    "1",
    "1.0",
    "0.1",
    "0.001",
    "0.10",
    "1e2",
    "1e400",
    "1e-400",
    "9007199254740993",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "99999999999999999999999999999999999999.99",
    "92233720368547758.07",
    "0.00000000000000000000000000000001",
    "\"1.00\"",
    "\"NaN\"",
    "\"2026-02-30T00:00:00Z\"",
    "\"9999-12-31T23:59:60Z\"",
    "\"0000-01-01T00:00:00Z\"",
    "\"2026-01-01\"",
    "\"2026-11\"",
    "\"+262143-01-01T00:00:00Z\"",
    "\"2026-01-01T00:00:00+99:99\"",
    "\"2099-06-01T00:00:00.000000000000Z\"",
    "\"USD\"",
    "\"usd\"",
    "\"XXX\"",
    "\"LRD\"",
    "\"\\u0000\"",
    "\"\\ud800\"",
    "\"\\uFFFF\"",
    "\"é\\u202e\\u0301\"",
    "\"' OR 1=1 --\"",
    "\"<script>\"",
    "\"%00\"",
    "\"../..\"",
    "\"INVOICE\"",
    "\"ORDER\"",
    "\"checkout\"",
    "\"payout\"",
    "\"MTN_MOMO_LBR\"",
    "\"CREDIT_CARD\"",
    "\"PAWAPAY\"",
    "\"STRIPE\"",
    "\"COLLECTION\"",
    "\"231880000001\"",
    "\"ama@example.com\"",
    "\"LR\"",
    "\"00000000-0000-0000-0000-000000000000\"",
    "\"FFFFFFFF-FFFF-4FFF-BFFF-FFFFFFFFFFFF\"",
];

const AUTHORIZATIONS: &[&str] = &[
    "",
    "Bearer",
    "Bearer ",
    "Bearer x",
    "Bearer a.b.c",
    "Basic eDp5",
    "Bearer {token}x",
    "bearer  {token}",
    "Bearer é",
    "{token}",
];
const CONTENT_TYPES: &[&str] = &[
    "",
    "text/plain",
    "application/json; charset=utf-16",
    "application/xml",
    "application/json;",
    "application/JSON",
    "é",
];
const MORE_HEADERS: &[(&str, &str)] = &[
    ("X-Forwarded-For", "::::, 999.1.1.1"),
    ("X-Request-Id", "\t\u{ff}"),
    ("Accept", "*/*;q=x"),
    ("Accept-Language", "\u{ff}"),
    ("If-None-Match", "*"),
    ("Range", "bytes=0-0,-1"),
    ("Expect", "x"),
    ("Content-Encoding", "gzip"),
    ("Idempotency-Key", ""),
];

/// A mutation of a body.
#[derive(Clone, Debug)]
enum Change {
    Remove(Index),
    Replace(Index, String),
    Add(String, String),
    Cut(Index),
    Byte(Index, u8),
    Repeat(Index),
}

impl Operations {
    pub(crate) fn read(ids: Vec<i64>, texts: &[String]) -> Self {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../openapi.json");
        let document: Value =
            serde_json::from_str(&std::fs::read_to_string(file).expect("openapi.json"))
                .expect("JSON");
        let paths = document["paths"].as_object().expect("paths");
        let each = |(path, methods): (&String, &Value)| -> Vec<Operation> {
            let methods = methods.as_object().expect("operations").clone();
            methods
                .into_iter()
                .map(|(method, said)| Operation::read(path, &method, &said))
                .collect()
        };
        let junk = JUNK.iter().map(|junk| (*junk).to_owned());
        // The ids are in the list twice, so that many requests refer to existing rows.
        let known = ids.iter().chain(&ids).map(i64::to_string);
        let texts = texts.iter().map(|text| format!("\"{text}\""));
        let values = junk.chain(known).chain(texts).collect();
        // It never ends, and a test reads answers to their end; `webhooks::stream` has its tests.
        let ends = |(path, _): &(&String, &Value)| path.as_str() != "/v1/events/stream";
        Self { all: paths.iter().filter(ends).flat_map(each).collect(), values, ids }
    }

    /// Whether the document has this status for the operation. If the mutated path leads elsewhere,
    /// it is that of another operation, or of none.
    pub(crate) fn allows(&self, request: &Request, status: u16) -> bool {
        let here = self
            .all
            .iter()
            .find(|one| one.template == request.template && one.method == request.method);
        let path = request.path.split('?').next().unwrap_or_default();
        let same = path.matches('/').count() == request.template.matches('/').count()
            && !path.ends_with('/');
        here.is_some_and(|one| one.statuses.contains(&status))
            || (!same && matches!(status, 404 | 405))
    }

    pub(crate) fn requests(&self) -> impl Strategy<Value = Request> + use<> {
        let operations = self.clone();
        let value = select(self.values.clone());
        let text = prop_oneof![3 => value.clone(), 1 => "\\PC{0,40}".prop_map(|text| Value::String(text).to_string())];
        let change = prop_oneof![
            2 => any::<Index>().prop_map(Change::Remove),
            8 => (any::<Index>(), text.clone()).prop_map(|(at, value)| Change::Replace(at, value)),
            1 => ("[a-z_]{1,12}", text.clone()).prop_map(|(name, value)| Change::Add(name, value)),
            1 => any::<Index>().prop_map(Change::Cut),
            1 => (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Byte(at, byte)),
            1 => any::<Index>().prop_map(Change::Repeat),
        ];
        let authorization = prop_oneof![12 => Just("Bearer {token}"), 1 => select(AUTHORIZATIONS)];
        let content_type = prop_oneof![12 => Just("application/json"), 1 => select(CONTENT_TYPES)];
        let more = vec(select(MORE_HEADERS), 0..2);
        let parts = (
            select((0..self.all.len()).collect::<Vec<_>>()),
            vec(change, 0..4),
            vec(text, 6),
            any::<[bool; 6]>(),
        );
        let point = select(self.ids.clone());
        (parts, authorization, content_type, more, point).prop_map(
            move |((at, changes, values, given), authorization, content_type, more, point)| {
                let operation = &operations.all[at];
                let body = operation
                    .example
                    .as_ref()
                    .map(|example| mutate(&pointed(example, point), &changes));
                let mut headers = vec![("Authorization".to_owned(), authorization.to_owned())];
                if body.is_some() {
                    headers.push(("Content-Type".to_owned(), content_type.to_owned()));
                }
                headers.extend(
                    more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
                );
                Request {
                    template: operation.template.clone(),
                    method: operation.method.clone(),
                    path: operation.path(point, &values, given),
                    headers,
                    body,
                }
            },
        )
    }
}

impl Operation {
    fn read(path: &str, method: &str, said: &Value) -> Self {
        let parameters = said["parameters"].as_array().cloned().unwrap_or_default();
        let query = parameters.iter().filter(|parameter| parameter["in"] == "query");
        let statuses = said["responses"].as_object().expect("responses").keys();
        let content = &said["requestBody"]["content"]["application/json"];
        Self {
            method: method.to_uppercase(),
            template: path.to_owned(),
            query: query
                .map(|parameter| parameter["name"].as_str().expect("a name").to_owned())
                .collect(),
            example: content
                .get("example")
                .or_else(|| content["examples"].as_object()?.values().next()?.get("value"))
                .cloned(),
            statuses: statuses.map(|status| status.parse().expect("a status")).collect(),
        }
    }

    /// The path with an existing id or with something else in it, and a query with some of its
    /// fields.
    fn path(&self, point: i64, values: &[String], given: [bool; 6]) -> String {
        let word = |n: usize| values[n % values.len()].trim_matches('"').to_owned();
        let mut used = 0;
        let words = self.template.split('/').map(|part| {
            if !part.starts_with('{') {
                return part.to_owned();
            }
            used += 1;
            if part == "{kind}" && given[0] {
                return "payout".to_owned();
            }
            if given[used % 6] { point.to_string() } else { encoded(&word(used)) }
        });
        let mut path = words.collect::<Vec<_>>().join("/");
        let fields = self.query.iter().enumerate().filter(|(n, _)| given[n % 6]);
        let query: Vec<String> =
            fields.map(|(n, name)| format!("{name}={}", encoded(&word(n)))).collect();
        if !query.is_empty() {
            path.push('?');
            path.push_str(&query.join("&"));
        }
        path
    }
}

/// Percent-encodes a value as clients usually do. Characters that are already encoded stay.
fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// The example with its ids replaced by an existing one.
fn pointed(example: &Value, point: i64) -> Value {
    match example {
        Value::Object(fields) => {
            let field = |(name, value): (&String, &Value)| {
                let value = if name.ends_with("_id") && value.is_number() {
                    point.into()
                } else {
                    pointed(value, point)
                };
                (name.clone(), value)
            };
            Value::Object(fields.iter().map(field).collect())
        }
        other => other.clone(),
    }
}

fn mutate(example: &Value, changes: &[Change]) -> String {
    // A marker is put in first and replaced in the text: some replacements are not valid JSON.
    let mut json = example.clone();
    let mut raw = Vec::new();
    for change in changes {
        match change {
            Change::Remove(at) => {
                with_field(&mut json, *at, |fields, name| drop(fields.shift_remove(name)))
            }
            Change::Replace(at, value) => {
                let marker = format!("\u{1}{}\u{1}", raw.len());
                raw.push((Value::String(marker.clone()).to_string(), value.clone()));
                with_field(&mut json, *at, |fields, name| {
                    drop(fields.insert(name.to_owned(), Value::String(marker)))
                });
            }
            Change::Add(name, value) => {
                if let (Some(fields), Ok(value)) =
                    (json.as_object_mut(), serde_json::from_str(value))
                {
                    fields.insert(name.clone(), value);
                }
            }
            _ => {}
        }
    }
    let text =
        raw.iter().fold(json.to_string(), |text, (marker, value)| text.replace(marker, value));
    let mut bytes = text.into_bytes();
    for change in changes {
        match change {
            Change::Cut(at) if !bytes.is_empty() => bytes.truncate(at.index(bytes.len())),
            Change::Byte(at, byte) if !bytes.is_empty() => {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            Change::Repeat(at) if !bytes.is_empty() => {
                let tail = bytes[at.index(bytes.len())..].to_vec();
                bytes.extend(tail);
            }
            _ => {}
        }
    }
    from_bytes(&bytes)
}

/// Changes one of the fields, at any level.
fn with_field(
    json: &mut Value,
    at: Index,
    change: impl FnOnce(&mut serde_json::Map<String, Value>, &str),
) {
    let mut places = Vec::new();
    fields_of(json, String::new(), &mut places);
    if places.is_empty() {
        return;
    }
    let (parent, name) = &places[at.index(places.len())];
    if let Some(fields) = json.pointer_mut(parent).and_then(Value::as_object_mut) {
        change(fields, name);
    }
}

fn fields_of(json: &Value, here: String, places: &mut Vec<(String, String)>) {
    for (name, value) in json.as_object().into_iter().flatten() {
        places.push((here.clone(), name.clone()));
        fields_of(value, format!("{here}/{name}"), places);
    }
}
