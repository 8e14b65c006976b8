//! The harness: a server and a database for every test, a client, and the steps that most tests
//! begin with.

pub(crate) mod database;
pub(crate) mod http;
mod in_process;
pub(crate) mod page_rules;
pub(crate) mod papers;
pub(crate) mod payer;
mod postgres;
pub(crate) mod process;
pub(crate) mod proxy;
mod server;
pub(crate) mod shop;
mod template;
mod wire;
pub(crate) mod words;

use std::io::Write;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

pub(crate) use database::Database;
pub(crate) use http::{Api, Reply};
pub(crate) use process::{Run, straight};
pub(crate) use serde_json::json;
pub(crate) use server::Server;
pub(crate) use shop::{Merchant, open, open_two, open_with, spawn, spawn_two, spawn_with};

/// The longest that a test waits for something that must happen.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(60);

/// Ends a test that is about PostgreSQL, when this run is on SQLite.
macro_rules! on_postgres_only {
    () => {
        if $crate::support::database::postgres().is_none() {
            return $crate::support::skipped(module_path!(), "PostgreSQL");
        }
    };
}
/// Ends a test that is about SQLite, when this run is on PostgreSQL.
macro_rules! on_sqlite_only {
    () => {
        if $crate::support::database::postgres().is_some() {
            return $crate::support::skipped(module_path!(), "SQLite");
        }
    };
}
pub(crate) use {on_postgres_only, on_sqlite_only};

/// Prints directly to standard error, which the test runner does not capture.
pub(crate) fn skipped(module: &str, database: &str) {
    let module = module.trim_start_matches("it::");
    writeln!(std::io::stderr(), "SKIPPED the tests of {module} that are about {database}")
        .expect("stderr");
}

/// Calls `look` until it returns something; fails after [`WAIT_MAX`].
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < WAIT_MAX, "never came true: {what}");
        std::thread::sleep(Duration::from_millis(25));
    }
}

/// A JSON number, digit for digit as in the text.
pub(crate) fn number(text: &str) -> Value {
    serde_json::from_str(text).expect("a JSON number")
}

/// A new version 4 UUID, lower-case.
pub(crate) fn key() -> String {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("randomness");
    uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
}

/// The real time, `seconds` from now, in whole seconds and UTC.
pub(crate) fn after(seconds: i64) -> String {
    let now = Timestamp::from_second(Timestamp::now().as_second()).expect("now");
    now.checked_add(SignedDuration::from_secs(seconds)).expect("a date").to_string()
}

/// In an hour: an expiry that no test reaches.
pub(crate) fn soon() -> String {
    after(3600)
}

/// A timestamp in an answer.
#[track_caller]
pub(crate) fn instant(value: &Value) -> Timestamp {
    let text = value.as_str().unwrap_or_else(|| panic!("not a date: {value}"));
    text.parse().unwrap_or_else(|e| panic!("not a date with its offset: {text}: {e}"))
}

/// A field as text; a number digit for digit, so that `500.00` and `500.0` differ.
pub(crate) fn shown(value: &Value, field: &str) -> String {
    match &value[field] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Fails unless every field has the expected text.
#[track_caller]
pub(crate) fn assert_fields(value: &Value, expected: &[(&str, &str)]) {
    for (field, text) in expected {
        assert_eq!(&shown(value, field), text, "field {field} of {value}");
    }
}

/// Fails unless each money field is a JSON number with the expected digits.
#[track_caller]
pub(crate) fn assert_money(value: &Value, expected: &[(&str, &str)]) {
    for (field, text) in expected {
        assert!(value[*field].is_number(), "{field} is not a JSON number in {value}");
        assert_eq!(&shown(value, field), text, "field {field} of {value}");
    }
}

/// The id of an answer.
#[track_caller]
pub(crate) fn id(value: &Value) -> i64 {
    value["id"].as_i64().unwrap_or_else(|| panic!("no integer id in {value}"))
}

/// Minor units of an amount with two decimals.
#[track_caller]
pub(crate) fn cents(text: &str) -> i64 {
    let (whole, part) = text.split_once('.').unwrap_or_else(|| panic!("no decimals in {text}"));
    assert_eq!(part.len(), 2, "two decimals in {text}");
    format!("{whole}{part}").parse().unwrap_or_else(|e| panic!("{text}: {e}"))
}

/// Runs `act` for all items at the same moment, each on its own thread. Returns the results in the
/// order of the items.
pub(crate) fn all_at_once<T: Sync, R: Send>(items: &[T], act: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let gate = Barrier::new(items.len());
    let run = |item| {
        gate.wait();
        act(item)
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = items.iter().map(|item| scope.spawn(|| run(item))).collect();
        threads.into_iter().map(|t| t.join().expect("a thread")).collect()
    })
}

/// How many of the answers have this status.
pub(crate) fn with_status(rows: &[Value], status: &str) -> usize {
    rows.iter().filter(|r| r["status"] == status).count()
}

/// Fails unless one reply is a success and every other a 422 on this field.
#[track_caller]
pub(crate) fn one_of_many(replies: &[Reply], loc: &str) {
    assert_eq!(replies.iter().filter(|r| r.status == 200).count(), 1, "{replies:?}");
    for reply in replies.iter().filter(|r| r.status != 200) {
        reply.state_fault(loc);
    }
}
