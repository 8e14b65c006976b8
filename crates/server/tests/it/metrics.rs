//! What Prometheus reads: it is true, it is well formed, and it tells nothing of anybody.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::support::shop::{GOOD, ending};
use crate::support::{Database, Server, WAIT_MAX, json, open_with, shown, spawn_with};

const METRICS: &[(&str, &str)] = &[("KOLA_METRICS", "127.0.0.1:0")];

/// The value of each series, by its name with its labels as they are written.
fn series(text: &str) -> BTreeMap<String, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let pair = |line: &str| {
        let (name, value) = line.rsplit_once(' ').expect("a value");
        (name.to_owned(), value.parse().expect("a number"))
    };
    lines.map(pair).collect()
}

#[track_caller]
fn text(server: &Server) -> String {
    let reply = server.metrics().get("/metrics");
    assert_eq!(reply.status, 200);
    reply.body.as_str().expect("a text").to_owned()
}

#[track_caller]
fn read(server: &Server) -> BTreeMap<String, f64> {
    series(&text(server))
}

#[test]
fn payments_and_requests_are_counted_by_what_became_of_them() {
    let (server, shop) = open_with(METRICS);
    let before = read(&server);
    let state = |operation: &str, state: &str| {
        format!("kola_executions_total{{operation=\"{operation}\",state=\"{state}\"}}")
    };
    // Before anything happens each series is there: the first step would be lost otherwise.
    assert_eq!(before[&state("COLLECTION", "COMPLETED")], 0.0);
    assert_eq!(before[&state("REFUND", "FAILED")], 0.0);
    assert_eq!(before["kola_disputes_open"], 0.0);
    assert_eq!(before["kola_dispute_next_due_timestamp_seconds"], 0.0);
    shop.paid_hundred();
    shop.paid_hundred();
    let unlucky = shop.momo("COLLECTION", &ending("049"));
    assert_eq!(shop.take(unlucky, "USD", "10.00")["status"], "FAILED");
    for _ in 0..3 {
        shop.api.get("/v1/sessions/checkout/77").refused(404);
    }
    let after = read(&server);
    assert_eq!(after[&state("COLLECTION", "PENDING")], 3.0);
    assert_eq!(after[&state("COLLECTION", "COMPLETED")], 2.0);
    assert_eq!(after[&state("COLLECTION", "FAILED")], 1.0);
    assert_eq!(after[&state("PAYOUT", "COMPLETED")], 0.0);
    let sent = |outcome: &str| {
        format!(
            "kola_network_calls_total{{network=\"sandbox\",call=\"send\",outcome=\"{outcome}\"}}"
        )
    };
    let outcomes = ["accepted", "succeeded", "declined"];
    let calls: f64 = outcomes.iter().filter_map(|outcome| after.get(&sent(outcome))).sum();
    assert_eq!(calls, 3.0);
    let executed = "kola_http_requests_total{route=\"/v1/executions/collection\",method=\"POST\",status_class=\"2xx\"}";
    assert_eq!(after[executed], 3.0);
    let took = "kola_http_request_duration_seconds_count{route=\"/v1/executions/collection\",method=\"POST\"}";
    assert_eq!(after[took], 3.0);
    let committed = "kola_commits_total{outcome=\"committed\"}";
    assert!(after[committed] >= before[committed] + 6.0);
    // A job may have committed while the text was written.
    assert!(after["kola_batch_commands_count"] >= before[committed] + 6.0);
    assert!(after["kola_commit_duration_seconds_count"] >= before[committed] + 6.0);
    assert_eq!(after["kola_database_up"], 1.0);
    assert_eq!(after["kola_reviews_open{kind=\"DISPUTE\"}"], 0.0);
}

/// Programs that read metrics stop at the first line that they do not understand.
#[test]
fn the_text_is_open_metrics() {
    let (server, shop) = open_with(METRICS);
    shop.paid_hundred();
    let reply = server.metrics().get("/metrics");
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(reply.header("content-type"), Some(kind));
    let text = text(&server);
    assert!(text.ends_with("# EOF\n"));
    let described: Vec<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# HELP ")).collect();
    for line in &described {
        let (name, help) = line.split_once(' ').unwrap();
        assert!(name.starts_with("kola_") || name.starts_with("process_"), "{name}");
        assert!(!help.trim_end_matches('.').is_empty(), "{name}");
        assert_eq!(text.matches(&format!("# TYPE {name} ")).count(), 1, "{name}");
        // The library adds `_total` itself.
        assert!(!name.ends_with("_total"), "{name}");
    }
    assert_eq!(server.metrics().get("/").status, 404);
    assert_eq!(server.metrics().post("/metrics", &json!({})).status, 405);
    // The API's own listener has none.
    server.api.get("/metrics").refused(404);
}

/// A series is kept for ever: nobody outside may make one.
#[test]
fn strangers_add_no_series_and_nobody_is_named() {
    let (server, shop) = open_with(METRICS);
    let reference = shown(&shop.paid_hundred(), "reference_id");
    server.api.get("/nowhere/0").refused(404);
    server.api.call("BREW", "/nowhere/0", None).refused(404);
    let before = read(&server).into_keys().collect::<Vec<_>>();
    for n in 1..20 {
        server.api.get(&format!("/nowhere/{n}?a={n}")).refused(404);
        server.api.call(&format!("BREW{n}"), "/nowhere", None).refused(404);
        shop.api.get(&format!("/v1/sessions/checkout/{n}"));
    }
    let after = read(&server).into_keys().collect::<Vec<_>>();
    let added: Vec<_> = after.iter().filter(|name| !before.contains(name)).collect();
    assert!(added.iter().all(|name| name.contains("route=\"/v1/sessions/checkout/{")), "{added:?}");
    let all = text(&server);
    for word in [&shop.credentials.client_id, GOOD, &reference, "First Shop"] {
        assert!(!all.contains(word), "{word}");
    }
}

/// A program that keeps its connection, as Prometheus does, must not keep the server from ending.
#[test]
fn a_reader_that_stays_keeps_no_server_from_ending() {
    let (mut server, _shop) = spawn_with(METRICS);
    let mut reader = TcpStream::connect(&server.metrics().address).unwrap();
    reader.write_all(b"GET /metrics HTTP/1.1\r\nHost: kola\r\n\r\n").unwrap();
    let mut text = Vec::new();
    let mut part = [0; 4_096];
    while !String::from_utf8_lossy(&text).contains("# EOF") {
        let count = reader.read(&mut part).unwrap();
        assert_ne!(count, 0, "the connection is closed too early");
        text.extend_from_slice(&part[..count]);
    }
    assert_eq!(server.terminate(), Some(0));
    let log = server.log();
    assert!(!log.contains("kept the lanes from ending"), "{log}");
}

#[test]
fn a_database_that_does_not_answer_is_said_and_nothing_else_is_made_up() {
    let server = Server::start(Database::in_a_file(), METRICS);
    assert_eq!(read(&server)["kola_database_up"], 1.0);
    let path = server.database.dir.path().join("kola.db");
    let moved = path.with_extension("moved");
    std::fs::rename(&path, &moved).unwrap();
    // What was read is kept for some seconds.
    let until = Instant::now() + WAIT_MAX;
    let without = loop {
        let series = read(&server);
        if series["kola_database_up"] == 0.0 {
            break series;
        }
        assert!(Instant::now() < until, "the database is still said to be up");
        std::thread::sleep(Duration::from_millis(100));
    };
    assert!(!without.contains_key("kola_approvals_open"));
    assert!(without.contains_key("kola_lane_queue_commands{lane=\"0\"}"));
    std::fs::rename(&moved, &path).unwrap();
}
