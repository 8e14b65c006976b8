//! The stream of events.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Merchant, id, open, open_two, spawn};

/// An event of the stream.
#[derive(Debug)]
struct Streamed {
    id: i64,
    kind: String,
    data: Value,
}

/// A client that reads a stream.
struct Client {
    reader: BufReader<TcpStream>,
}

impl Client {
    #[track_caller]
    fn open(shop: &Merchant, query: &str, more: &str) -> Self {
        let (status, client) = Self::try_open(shop, query, more);
        assert_eq!(status, 200);
        client
    }

    fn try_open(shop: &Merchant, query: &str, more: &str) -> (u16, Self) {
        let mut stream = TcpStream::connect(&shop.api.address).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a limit");
        let token = shop.api.token.as_deref().unwrap_or_default();
        let head = format!(
            "GET /v1/events/stream?{query} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {token}\r\n{more}\r\n"
        );
        stream.write_all(head.as_bytes()).expect("a request");
        let mut client = Self { reader: BufReader::new(stream) };
        let status = client.line().and_then(|line| line.split(' ').nth(1)?.parse().ok());
        while client.line().is_some_and(|line| !line.is_empty()) {}
        (status.expect("a status"), client)
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        self.reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        Some(line.trim_end().to_owned())
    }

    /// The next event; `None` at the end of the stream.
    fn next(&mut self) -> Option<Streamed> {
        let mut event = Streamed { id: 0, kind: String::new(), data: Value::Null };
        loop {
            // Lengths of chunks stand between.
            let line = self.line()?;
            if let Some(text) = line.strip_prefix("id: ") {
                event.id = text.parse().expect("an id");
            } else if let Some(text) = line.strip_prefix("event: ") {
                event.kind = text.to_owned();
            } else if let Some(text) = line.strip_prefix("data: ") {
                event.data = serde_json::from_str(text).expect("JSON");
                return Some(event);
            }
        }
    }

    /// The events up to one of that type.
    #[track_caller]
    fn until(&mut self, kind: &str) -> Vec<Streamed> {
        let mut events = vec![];
        loop {
            let event = self.next().unwrap_or_else(|| panic!("no {kind} in {events:?}"));
            let is_last = event.kind == kind;
            events.push(event);
            if is_last {
                return events;
            }
        }
    }
}

#[test]
fn what_happens_is_streamed_and_a_break_loses_nothing() {
    let (server, shop) = open();
    let mut client = Client::open(&shop, "", "");
    let paid = shop.paid_hundred();
    let mut seen = client.until("source.paid");
    let done = seen.iter().find(|event| event.kind == "execution.completed").expect("it");
    assert_eq!(done.data["id"], done.id);
    assert_eq!(done.data["data"]["object"]["reference_id"], paid["reference_id"]);
    assert_eq!(done.data["data"]["object"]["client_secret"], Value::Null);
    drop(client);

    shop.paid_hundred();
    let last = seen.last().expect("an event").id;
    let mut again = Client::open(&shop, "after_id=1", &format!("last-event-id: {last}\r\n"));
    seen.extend(again.until("source.paid"));
    server.fund(&shop, "USD", "1.00");
    seen.extend(again.until("wallet.funded"));
    let streamed: Vec<i64> = seen.iter().map(|event| event.id).collect();
    let known = shop.api.get("/v1/events/list?after_position=0&limit=1000").rows();
    let known: Vec<i64> = known.iter().map(id).collect();
    let begun = known.iter().position(|id| *id == streamed[0]).expect("the first");
    assert_eq!(streamed, known[begun..], "none is missing, none comes twice");
}

#[test]
fn only_the_types_that_were_asked_for_are_streamed() {
    let (server, shop) = open();
    let mut client = Client::open(&shop, "types=wallet.funded,source.paid", "");
    shop.paid_hundred();
    server.fund(&shop, "USD", "1.00");
    let kinds: Vec<String> =
        client.until("wallet.funded").into_iter().map(|event| event.kind).collect();
    assert_eq!(kinds, ["source.paid", "wallet.funded"]);
    for none in ["nothing", "tariff.changed", "source.paid,"] {
        shop.api.get(&format!("/v1/events/stream?types={none}")).fault("query.types");
    }
}

/// Nobody waits for what has happened already because of a place that is none.
#[test]
fn a_place_that_no_event_has_is_refused() {
    let (server, shop) = open();
    server.fund(&shop, "USD", "1.00");
    let last = shop.api.get("/v1/events/list?limit=1").rows()[0]["position"].as_i64().unwrap();
    shop.api.get("/v1/events/stream?after_id=999999999").fault("query.after_id");
    let ahead = format!("/v1/events/stream?after_position={}", last + 1);
    shop.api.get(&ahead).fault("query.after_position");
    for seen in ["abc", "999999999", "-1"] {
        let header = format!("last-event-id: {seen}\r\n");
        assert_eq!(Client::try_open(&shop, "", &header).0, 422, "{seen}");
    }
    let (mut at_the_end, mut empty) = (
        Client::open(&shop, &format!("after_position={last}"), ""),
        Client::open(&shop, "", "last-event-id: \r\n"),
    );
    server.fund(&shop, "USD", "2.00");
    for client in [&mut at_the_end, &mut empty] {
        assert_eq!(client.next().expect("an event").data["data"]["object"]["currency"], "USD");
    }
}

#[test]
fn a_stream_begins_at_a_position() {
    let (server, shop) = open();
    server.fund(&shop, "USD", "1.00");
    server.fund(&shop, "USD", "2.00");
    let known = shop.api.get("/v1/events/list?after_position=0").rows();
    let begins_with =
        |query: &str, more: &str| Client::open(&shop, query, more).next().expect("an event").id;
    assert_eq!(begins_with("after_position=0", ""), id(&known[0]));
    assert_eq!(begins_with("after_position=1", ""), id(&known[1]));
    assert_eq!(
        begins_with(&format!("after_position=0&after_id={}", id(&known[0])), ""),
        id(&known[0])
    );
    let seen = format!("last-event-id: {}\r\n", id(&known[0]));
    assert_eq!(begins_with("after_position=0", &seen), id(&known[1]));
    shop.api.get("/v1/events/stream?after_position=-1").fault("query.after_position");
}

#[test]
fn a_merchant_sees_its_own_events_only() {
    let (server, shop, other) = open_two();
    let mut client = Client::open(&shop, "", "");
    other.paid_hundred();
    server.fund(&shop, "USD", "1.00");
    let first = client.next().expect("an event");
    assert_eq!(first.kind, "wallet.funded");
    let theirs = id(&other.api.get("/v1/events/list?limit=1").rows()[0]);
    shop.api.get(&format!("/v1/events/stream?after_id={theirs}")).fault("query.after_id");
}

#[test]
fn a_revoked_key_ends_the_stream() {
    let (_server, shop) = open();
    let mut client = Client::open(&shop, "", "");
    let key = id(&shop.api.get("/v1/api-keys/list").rows()[0]);
    shop.api.post(&format!("/v1/api-keys/revoke/{key}"), &json!({})).ok();
    assert_eq!(client.next().expect("the last event").kind, "token_expired");
    assert!(client.next().is_none(), "nothing follows");
}

#[test]
fn a_merchant_has_at_most_a_hundred_streams() {
    let (_server, shop) = open();
    let mut clients: Vec<Client> = (0..100).map(|_| Client::open(&shop, "", "")).collect();
    let (status, _) = Client::try_open(&shop, "", "");
    assert_eq!(status, 429);
    clients.pop();
    crate::support::wait_for("a place", || {
        let (status, _client) = Client::try_open(&shop, "", "");
        (status == 200).then_some(())
    });
}

#[test]
fn a_stream_does_not_keep_the_server_from_stopping() {
    let (mut server, shop) = spawn();
    let mut client = Client::open(&shop, "", "");
    assert_eq!(server.terminate(), Some(0));
    assert!(client.next().is_none());
}
