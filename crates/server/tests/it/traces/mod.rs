//! Traces, as a collector gets them.

mod collector;

use std::net::TcpListener;

use serde_json::{Value, json};

use self::collector::{Collector, Span};
use crate::networks::stage::Stage;
use crate::support::shop::GOOD;
use crate::support::{Merchant, Reply, key, open_with, shown, spawn_with, wait_for};
use crate::webhooks::receiver::Receiver;

const CALLER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const EXECUTE: &str = "POST /v1/executions/collection";

/// The settings with which every request is traced.
fn traced(collector: &Collector) -> [(&'static str, String); 2] {
    [("KOLA_OTLP_ENDPOINT", collector.url()), ("KOLA_TRACES_SAMPLED", "1".to_owned())]
}

fn borrowed<'a>(settings: &'a [(&'static str, String)]) -> Vec<(&'a str, &'a str)> {
    settings.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

/// Collects 100.00 USD from a payer's number, in a request with these headers.
fn collect(shop: &Merchant, number: &str, headers: &[(&str, &str)]) -> Reply {
    let session = shop.checkout(shop.invoice("USD", "100.00"));
    let body = json!({"session_id": session, "payment_account_id": shop.momo("COLLECTION", number),
        "currency": "USD", "reference_id": key()});
    let mut all = vec![("Content-Type", "application/json")];
    all.extend(headers);
    let path = "/v1/executions/collection";
    let sent = shop.api.exchange("POST", path, &all, body.to_string().as_bytes());
    sent.unwrap_or_else(|error| panic!("no answer: {error}"))
}

/// The only span of this name.
#[track_caller]
fn only<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    let found: Vec<&Span> = spans.iter().filter(|span| span.name == name).collect();
    assert_eq!(found.len(), 1, "{name} in {spans:#?}");
    found[0]
}

/// The steps of a command in its lane are there, one after the other, below this span.
#[track_caller]
fn assert_steps(spans: &[Span], parent: &Span, command: &str) {
    let steps = |name: &str| {
        let mut found = spans.iter().filter(|span| {
            span.name == name
                && span.parent == parent.id
                && span.attribute("kola.command") == command
        });
        let step = found.next().unwrap_or_else(|| panic!("no {name} of {command} in {spans:#?}"));
        step.clone()
    };
    let all = ["lane wait", "decide", "persist", "commit"].map(steps);
    for pair in all.windows(2) {
        assert!(pair[0].ended <= pair[1].begun, "{pair:#?}");
    }
    assert!(
        parent.begun <= all[0].begun && all[3].ended <= parent.ended,
        "{all:#?} in {parent:#?}"
    );
    let batch: u32 = all[3].attribute("kola.batch_commands").parse().expect("a number");
    assert!(batch >= 1);
}

#[track_caller]
fn assert_sane(spans: &[Span]) {
    for span in spans {
        assert!(span.begun > 0 && span.begun <= span.ended, "{span:?}");
        assert!(span.ended - span.begun < 3_600_000_000_000, "{span:?}");
        assert!(!span.failed, "{span:?}");
        let is_child = spans.iter().any(|other| other.id == span.parent);
        assert!(is_child || span.parent == "00f067aa0ba902b7", "no parent of {span:?}");
    }
}

#[test]
fn one_trace_goes_from_the_call_to_the_settlement() {
    let collector = Collector::open();
    let stage = Stage::open_with(&borrowed(&traced(&collector)));
    stage.pawapay_fault("/v2/deposits", "STUCK", &json!({}));
    let paid = collect(&stage.shop, GOOD, &[("traceparent", CALLER)]).ok();
    assert_eq!(paid["status"], "PROCESSING", "{paid}");
    stage.change_at_pawapay(&paid, &json!({"status": "COMPLETED"}));
    assert_eq!(stage.now("collection", &paid)["status"], "COMPLETED");
    let spans = collector.trace_with(TRACE, |span| span.name == "callback");
    assert_sane(&spans);
    let request = only(&spans, EXECUTE);
    assert_eq!((request.parent.as_str(), request.kind), ("00f067aa0ba902b7", 2));
    let attributes = ["http.request.method", "http.route", "http.response.status_code"];
    assert_eq!(
        attributes.map(|name| request.attribute(name)),
        ["POST", "/v1/executions/collection", "200"]
    );
    assert_steps(&spans, request, "Execute");
    let call = only(&spans, "network call");
    assert_eq!((&call.parent, call.kind), (&request.id, 3));
    assert_eq!(
        ["network", "mode", "operation", "call", "outcome"]
            .map(|name| call.attribute(&format!("kola.{name}"))),
        ["PAWAPAY", "TEST", "COLLECTION", "send", "accepted"]
    );
    // What the network answered was recorded, too.
    let outcome = only(&spans, "outcome");
    assert_eq!(outcome.parent, request.id);
    assert_steps(&spans, outcome, "RecordOutcome");
    let callback = only(&spans, "callback");
    assert_eq!((&callback.parent, callback.kind), (&request.id, 2));
    let settlement = only(&spans, "settlement");
    assert_eq!(
        (&settlement.parent, settlement.attribute("kola.status")),
        (&callback.id, "COMPLETED")
    );
    assert_steps(&spans, settlement, "RecordOutcome");
    // The network was told of its call.
    let told = stage.pawapay_requests("POST", "/v2/deposits");
    let traceparents: Vec<String> = told.iter().map(|call| shown(call, "traceparent")).collect();
    assert_eq!(traceparents, [format!("00-{TRACE}-{}-01", call.id)]);
    stage.assert_books_equal();
}

#[test]
fn a_poll_of_another_process_continues_the_trace() {
    let collector = Collector::open();
    let settings = traced(&collector);
    let mut stage = Stage::spawn_with(&borrowed(&settings));
    stage.lose_pawapay_callbacks();
    stage.pawapay_fault("/v2/deposits", "STUCK", &json!({}));
    let paid = collect(&stage.shop, GOOD, &[("traceparent", CALLER)]).ok();
    let before = collector.trace_with(TRACE, |span| span.name == "outcome");
    stage.server.kill();
    stage.server.restart(&borrowed(&settings));
    stage.shop = stage.server.sign_in(&stage.shop.credentials);
    stage.change_at_pawapay(&paid, &json!({"status": "COMPLETED"}));
    stage.becomes("collection", &paid, "COMPLETED");
    let spans = collector.trace_with(TRACE, |span| span.name == "settlement");
    assert_sane(&spans);
    let request = only(&before, EXECUTE);
    let settlement = only(&spans, "settlement");
    assert_eq!(settlement.parent, request.id);
    assert_steps(&spans, settlement, "RecordOutcome");
    let polls = spans.iter().filter(|span| span.attribute("kola.call") == "query");
    let polls: Vec<&Span> = polls.collect();
    assert!(polls.iter().any(|poll| poll.attribute("kola.outcome") == "succeeded"), "{spans:#?}");
    assert!(polls.iter().all(|poll| poll.parent == request.id), "{polls:#?}");
    let asked = stage.pawapay_requests("GET", "/v2/deposits/");
    let asked: Vec<String> = asked.iter().map(|call| shown(call, "traceparent")).collect();
    assert!(asked.contains(&format!("00-{TRACE}-{}-01", polls[0].id)), "{asked:?}");
}

#[test]
fn the_sandbox_and_webhooks_are_in_the_trace() {
    let collector = Collector::open();
    let (server, shop) = open_with(&borrowed(&traced(&collector)));
    let receiver = Receiver::open();
    shop.api.post("/v1/webhook-endpoints/create", &json!({"url": receiver.url()})).ok();
    let paid = collect(&shop, GOOD, &[("traceparent", CALLER)]).ok();
    let reference = shown(&paid, "reference_id");
    wait_for("the payment", || {
        (shop.status("collection", &reference)["status"] == "COMPLETED").then_some(())
    });
    let told = receiver.wait_for("execution.completed", 1);
    let told = told[0].header("traceparent").to_owned();
    let spans = collector.trace_with(TRACE, |span| told.contains(&span.id));
    let request = only(&spans, EXECUTE);
    let is_delivery = |span: &&Span| told == format!("00-{TRACE}-{}-01", span.id);
    let delivery = spans.iter().find(is_delivery).expect("the delivery");
    assert_eq!((delivery.name.as_str(), &delivery.parent), ("webhook delivery", &request.id));
    let settlement = only(&spans, "settlement");
    assert_eq!(settlement.parent, request.id);
    assert_sane(&spans);
    // What is about no payment has no trace to go on with.
    let others = receiver.received().into_iter().filter(|told| told.kind().starts_with("session."));
    assert!(others.into_iter().all(|told| told.header("traceparent").is_empty()));
    server.verify_ledger();
}

#[test]
fn a_traceparent_that_is_none_is_ignored() {
    let collector = Collector::open();
    let (_server, shop) = open_with(&borrowed(&traced(&collector)));
    let long = format!("01-{TRACE}-00f067aa0ba902b7-01-{}", "x".repeat(5_000));
    let broken = [
        vec![("traceparent", "")],
        vec![("traceparent", "00-nonsense")],
        vec![("traceparent", "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")],
        vec![("traceparent", CALLER), ("traceparent", CALLER)],
    ];
    for headers in &broken {
        let reply = shop.api.exchange("GET", "/v1/parties/list", headers, b"");
        reply.expect("an answer").ok();
    }
    shop.api
        .exchange("GET", "/v1/wallets/list", &[("traceparent", &long)], b"")
        .expect("an answer")
        .ok();
    let all = |name: &str, count: usize| {
        wait_for(&format!("{count} × {name}"), || {
            let spans = collector.spans();
            let found: Vec<Span> = spans.into_iter().filter(|span| span.name == name).collect();
            (found.len() >= count).then_some(found)
        })
    };
    let mut own: Vec<String> = all("GET /v1/parties/list", broken.len())
        .into_iter()
        .map(|span| {
            assert_eq!((span.parent.as_str(), span.trace.len()), ("", 32), "{span:?}");
            assert_ne!(span.trace, TRACE);
            span.trace
        })
        .collect();
    own.sort();
    own.dedup();
    assert_eq!(own.len(), broken.len(), "each begins a trace of its own");
    // A later version may say more.
    assert_eq!(all("GET /v1/wallets/list", 1)[0].trace, TRACE);
}

#[test]
fn what_is_not_sampled_leaves_nothing() {
    let collector = Collector::open();
    let url = collector.url();
    let settings = [("KOLA_OTLP_ENDPOINT", url.as_str()), ("KOLA_TRACES_SAMPLED", "0")];
    let (mut server, shop) = spawn_with(&settings);
    let forced = CALLER.replace("b7-00", "b7-01");
    let paid = collect(&shop, GOOD, &[("traceparent", &forced)]).ok();
    let traced =
        "SELECT count(*) FROM provider_attempts WHERE trace_id IS NOT NULL OR span_id IS NOT NULL";
    assert_eq!(server.database.value(traced), "0", "{paid}");
    assert_eq!(server.database.value("SELECT count(*) FROM provider_attempts"), "1");
    // What there is would be sent at the end.
    assert_eq!(server.terminate(), Some(0));
    assert_eq!(collector.spans().len(), 0);
}

#[test]
fn what_is_left_is_sent_at_the_end() {
    let collector = Collector::open();
    let (mut server, shop) = spawn_with(&borrowed(&traced(&collector)));
    for _ in 0..20 {
        shop.api.get("/v1/parties/list").ok();
    }
    server.api.get("/healthz");
    assert_eq!(server.terminate(), Some(0));
    let spans = collector.spans();
    let count = |name: &str| spans.iter().filter(|span| span.name == name).count();
    assert_eq!((count("GET /v1/parties/list"), count("GET /healthz")), (20, 0));
}

/// Payments go on with a collector that does not take what it is sent, and the server ends in time.
#[track_caller]
fn assert_nobody_waits(url: &str) -> String {
    let settings =
        [("KOLA_OTLP_ENDPOINT", url), ("KOLA_TRACES_SAMPLED", "1"), ("KOLA_LOG", "warn")];
    let (mut server, shop) = spawn_with(&settings);
    for _ in 0..5 {
        let paid = collect(&shop, GOOD, &[]).ok();
        let reference = shown(&paid, "reference_id");
        wait_for("the payment", || {
            (shop.status("collection", &reference)["status"] == "COMPLETED").then_some(())
        });
    }
    wait_for("a line of the log", || server.log().contains("traces are lost").then_some(()));
    server.verify_ledger();
    assert_eq!(server.terminate(), Some(0));
    server.log()
}

#[test]
fn a_collector_that_is_away_keeps_nobody() {
    let nobody = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = nobody.local_addr().expect("an address");
    drop(nobody);
    let log = assert_nobody_waits(&format!("http://{address}"));
    assert!(log.contains("the collector does not take them"), "{log}");
}

#[test]
fn a_collector_that_is_silent_keeps_nobody() {
    let collector = Collector::silent();
    let log = assert_nobody_waits(&collector.url());
    assert!(log.contains("no answer in time"), "{log}");
}

#[test]
fn no_span_has_a_secret_or_anything_of_a_person() {
    let collector = Collector::open();
    let stage = Stage::open_with(&borrowed(&traced(&collector)));
    let paid = collect(&stage.shop, GOOD, &[("traceparent", CALLER)]).ok();
    stage.becomes("collection", &paid, "COMPLETED");
    let invoice = stage.shop.invoice("USD", "7.00");
    let invoice = stage.shop.api.get(&format!("/v1/invoices/retrieve/{invoice}")).ok();
    let number = shown(&invoice, "invoice_number");
    let path = format!("/v1/links/pay?source_type=INVOICE&source_number={number}");
    let link = shown(&stage.shop.api.get(&path).ok(), "url");
    let page = link.rsplit('/').next().expect("a token").to_owned();
    stage.server.api.get(&format!("/pay/{page}"));
    stage.server.api.get(&format!("/pay/{page}/nowhere"));
    stage.server.api.call(&"x".repeat(20).to_uppercase(), "/v1/parties/list", None);
    stage.shop.api.with_token(Some("a token that is none")).get("/v1/parties/list").refused(401);
    collector.trace_with(TRACE, |span| span.name == "settlement");
    for name in ["GET /pay/{token}", "GET no route", "_OTHER /v1/parties/list"] {
        wait_for(name, || collector.spans().iter().any(|span| span.name == name).then_some(()));
    }
    let sent = String::from_utf8_lossy(&collector.bytes()).into_owned();
    assert!(sent.contains(EXECUTE) && sent.contains("PAWAPAY"), "this says too little");
    let of = |value: &Value, field: &str| shown(value, field);
    for (what, text) in [
        ("payer's number", GOOD),
        ("payer's name", "Amara"),
        ("payer's name", "Kollie"),
        ("token", stage.shop.api.token.as_deref().expect("a token")),
        ("bad token", "a token that is none"),
        ("client secret", &stage.shop.credentials.client_secret),
        ("token of pawaPay", fakes::PAWAPAY_TOKEN),
        ("path of callbacks", &stage.pawapay_path),
        ("caller's key", &of(&paid, "reference_id")),
        ("token of a page", &page),
        ("number of an invoice", &number),
        ("method", "XXXXX"),
    ] {
        assert!(!sent.contains(text), "a span has the {what}");
    }
}
