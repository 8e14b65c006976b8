//! Realtime: websockets of clients of Supabase, which watch payments.

mod client;
mod keys;
mod purposes;

use serde_json::{Value, json};

use crate::support::http::raw;
use crate::support::shop::{GOOD, ending};
use crate::support::{
    Merchant, Server, key, on_postgres_only, open, open_two, open_with, shown, spawn, spawn_with,
    wait_for,
};
use client::{Client, Frame, handshake_status};

const TABLE: &str = "checkout_payment_intent_public_status";

/// Everybody's key.
fn anon(server: &Server) -> String {
    let printed = server.kola(&["keys", "anon"]).ok();
    printed.trim_end().lines().last().expect("a key").to_owned()
}

/// A payment that is not made yet, and a token for it.
struct Payment {
    session: i64,
    reference: String,
    token: String,
}

impl Payment {
    #[track_caller]
    fn of(shop: &Merchant) -> Self {
        let session = shop.checkout(shop.invoice("USD", "100.00"));
        let reference = key();
        let body =
            json!({"session_id": session, "source_type": "INVOICE", "reference_id": reference});
        let answer = shop.api.post("/v1/realtime-keys/collection", &body).ok();
        Self { session, reference, token: shown(&answer, "access_token") }
    }

    fn topic(&self) -> String {
        format!("realtime:payment-intent:{}:{}", self.session, self.reference)
    }

    /// What a client sends to join.
    fn join(&self, token: Option<&str>) -> Value {
        let mut payload = json!({"config": {"broadcast": {"ack": false, "self": false},
            "presence": {"key": "", "enabled": false}, "private": false,
            "postgres_changes": [{"event": "*", "schema": "public", "table": TABLE,
                "filter": format!("reference_id=eq.{}", self.reference)}]}});
        if let Some(token) = token {
            payload["access_token"] = json!(token);
        }
        payload
    }

    fn pay(&self, shop: &Merchant) -> Value {
        shop.collect(self.session, shop.momo("COLLECTION", GOOD), "USD", &self.reference).ok()
    }
}

impl Client {
    /// Joins and expects to be let in.
    #[track_caller]
    fn watch(&mut self, payment: &Payment) {
        self.send(&payment.topic(), "phx_join", &payment.join(Some(&payment.token)));
        let reply = self.next();
        assert_eq!((reply.event.as_str(), &reply.payload["status"]), ("phx_reply", &json!("ok")));
        let entry = &reply.payload["response"]["postgres_changes"][0];
        assert_eq!(entry["table"], TABLE);
        assert!(entry["id"].as_i64().is_some_and(|id| id > 0), "{entry}");
        let system = self.next();
        assert_eq!((system.event.as_str(), &system.payload["status"]), ("system", &json!("ok")));
    }

    /// The reason why a join is refused.
    #[track_caller]
    fn refused(&mut self, topic: &str, payload: &Value) -> String {
        self.send(topic, "phx_join", payload);
        let reply = self.next();
        assert_eq!(
            (reply.event.as_str(), &reply.payload["status"]),
            ("phx_reply", &json!("error"))
        );
        shown(&reply.payload["response"], "reason")
    }

    /// The changes up to one with this status: their types and rows.
    #[track_caller]
    fn until(&mut self, status: &str) -> Vec<(String, Value)> {
        let mut seen = vec![];
        loop {
            let Frame { event, mut payload, .. } = self.next();
            assert_eq!(event, "postgres_changes", "{payload}");
            let mut data = payload["data"].take();
            let record = data["record"].take();
            let is_last = record["status"] == status;
            seen.push((shown(&data, "type"), record));
            if is_last {
                return seen;
            }
        }
    }
}

/// A client that watches a payment which is not made yet.
#[track_caller]
fn watching(server: &Server, shop: &Merchant, vsn: &str) -> (Payment, Client) {
    let payment = Payment::of(shop);
    let mut client = Client::open(server, &anon(server), vsn);
    client.watch(&payment);
    (payment, client)
}

fn types(seen: &[(String, Value)]) -> Vec<&str> {
    seen.iter().map(|(kind, _)| kind.as_str()).collect()
}

#[test]
fn a_payment_is_told_from_its_recording_to_its_end() {
    let (server, shop) = open();
    let anon = anon(&server);
    for vsn in ["1.0.0", "2.0.0"] {
        let payment = Payment::of(&shop);
        let mut client = Client::open(&server, &anon, vsn);
        client.watch(&payment);
        let paid = payment.pay(&shop);
        assert_eq!(paid["status"], "COMPLETED");
        let seen = client.until("COMPLETED");
        assert_eq!(types(&seen)[0], "INSERT");
        assert!(types(&seen)[1..].iter().all(|kind| *kind == "UPDATE"), "{seen:?}");
        let (_, row) = seen.last().expect("a change");
        assert_eq!(row["id"], paid["payment_intent_id"]);
        assert_eq!(
            [&row["session_id"], &row["source_type"]],
            [&json!(payment.session), &json!("INVOICE")]
        );
        assert_eq!(row["reference_id"], payment.reference);
        assert_eq!(
            [&row["payer_amount"], &row["payer_currency"]],
            [&json!("103.00"), &json!("USD")]
        );
        assert_eq!(row["requires_action"], false);
        for time in ["created_at", "updated_at"] {
            assert!(shown(row, time).ends_with("+00:00"), "{row}");
        }
        let known = shop.api.get(&format!("/v1/payment-intents/retrieve/{}", row["id"])).ok();
        assert_eq!(row["source_id"], known["source_id"]);
        assert_eq!(row.as_object().map(serde_json::Map::len), Some(12), "no secret is among it");
    }
}

#[test]
fn who_joins_late_is_told_the_present_state() {
    let (server, shop) = open();
    let payment = Payment::of(&shop);
    payment.pay(&shop);
    let mut client = Client::open(&server, &anon(&server), "2.0.0");
    client.watch(&payment);
    let seen = client.until("COMPLETED");
    assert_eq!(types(&seen), ["UPDATE"]);
}

#[test]
fn a_failed_payment_says_why() {
    let (server, shop) = open();
    let (payment, mut client) = watching(&server, &shop, "2.0.0");
    let account = shop.momo("COLLECTION", &ending("0001"));
    let paid = shop.collect(payment.session, account, "USD", &payment.reference).ok();
    let status = shown(&paid, "status");
    let seen = client.until(&status);
    assert_eq!(seen.last().expect("a change").1["gateway_message"], paid["gateway_message"]);
}

#[test]
fn a_token_opens_its_own_channel_and_nothing_else() {
    let (server, shop, other) = open_two();
    let (mine, neighbour, theirs) = (Payment::of(&shop), Payment::of(&shop), Payment::of(&other));
    let anon = anon(&server);
    let mut client = Client::open(&server, &anon, "2.0.0");
    let denied = |payment: &Payment| {
        format!(
            "Unauthorized: You do not have permissions to read from this Channel topic: \
             payment-intent:{}:{}",
            payment.session, payment.reference
        )
    };
    for payment in [&neighbour, &theirs] {
        let join = payment.join(Some(&mine.token));
        assert_eq!(client.refused(&payment.topic(), &join), denied(payment));
    }
    // The right topic and another payment's filter.
    let join = neighbour.join(Some(&mine.token));
    assert_eq!(client.refused(&mine.topic(), &join), denied(&mine));
    for token in [None, Some(""), Some(anon.as_str())] {
        assert_eq!(client.refused(&mine.topic(), &mine.join(token)), denied(&mine), "{token:?}");
    }
    let api = shop.api.token.clone().expect("a token");
    for token in [api.as_str(), "a.b.c", "nonsense"] {
        let reason = client.refused(&mine.topic(), &mine.join(Some(token)));
        assert_eq!(reason, "MalformedJWT: The token provided is not a valid JWT");
    }
    client.watch(&mine);
    client.send(&mine.topic(), "access_token", &json!({"access_token": neighbour.token}));
    let system = client.next();
    assert_eq!(
        [&system.payload["status"], &system.payload["message"]],
        [&json!("error"), &json!(denied(&mine))]
    );
    assert_eq!(client.next().event, "phx_close");
    mine.pay(&shop);
    client.watch(&neighbour);
    neighbour.pay(&shop);
    let seen = client.until("COMPLETED");
    assert!(seen.iter().all(|(_, row)| row["reference_id"] == neighbour.reference), "{seen:?}");
}

#[test]
fn a_renewed_token_keeps_the_channel() {
    let (server, shop) = open();
    let payment = Payment::of(&shop);
    let anon = anon(&server);
    let mut client = Client::open(&server, &anon, "2.0.0");
    client.watch(&payment);
    let body = json!({"session_id": payment.session, "source_type": "INVOICE", "reference_id": payment.reference});
    let again = shop.api.post("/v1/realtime-keys/collection", &body).ok();
    for token in [shown(&again, "access_token"), anon, String::new()] {
        client.send(&payment.topic(), "access_token", &json!({"access_token": token}));
    }
    payment.pay(&shop);
    client.until("COMPLETED");
}

#[test]
fn the_handshake_needs_a_key_and_a_known_version() {
    let (server, shop) = open();
    let anon = anon(&server);
    let status = |query: &str| handshake_status(&server, query);
    assert_eq!(status(&format!("apikey={anon}")), 101);
    assert_eq!(status(&format!("apikey={anon}&vsn=2.0.0&log_level=info")), 101);
    for vsn in ["3.0.0", "", "2"] {
        assert_eq!(status(&format!("apikey={anon}&vsn={vsn}")), 400, "{vsn}");
    }
    let payment = Payment::of(&shop);
    let api = shop.api.token.clone().expect("a token");
    for key in ["", "a.b.c", &payment.token, &api, &anon[..anon.len() - 1]] {
        assert_eq!(status(&format!("apikey={key}")), 401, "{key}");
    }
    assert_eq!(status("vsn=2.0.0"), 401);
    let path = format!("/realtime/v1/websocket?apikey={anon}");
    assert_eq!(shop.api.get(&path).status, 426);
    assert_eq!(shop.api.call("POST", &path, None).status, 405);
    // It opens nothing of the API.
    shop.api.with_token(Some(&anon)).get("/v1/parties/list").refused(401);
}

#[test]
fn a_retired_key_ends_sockets_and_tokens() {
    let (server, shop) = spawn();
    let payment = Payment::of(&shop);
    let old = anon(&server);
    let mut client = Client::open(&server, &old, "2.0.0");
    client.watch(&payment);
    server.kola(&["keys", "rotate"]).ok();
    let new = anon(&server);
    assert_ne!(new, old);
    let mut later = Client::open(&server, &new, "2.0.0");
    later.watch(&payment);
    server.kola(&["keys", "rotate", "--retire"]).ok();
    assert_eq!(client.closed().0, 1008);
    assert_eq!(later.closed().0, 1008);
    assert_eq!(handshake_status(&server, &format!("apikey={new}")), 401);
    // A token of a retired key opens nothing either.
    let mut third = Client::open(&server, &anon(&server), "2.0.0");
    assert!(
        third
            .refused(&payment.topic(), &payment.join(Some(&payment.token)))
            .starts_with("MalformedJWT")
    );
}

#[test]
fn a_server_that_stops_sends_its_clients_elsewhere() {
    let (mut server, shop) = spawn();
    let (_payment, mut client) = watching(&server, &shop, "2.0.0");
    // Another one neither reads nor answers.
    let _silent = Client::open(&server, &anon(&server), "1.0.0");
    let told = std::thread::spawn(move || client.closed());
    assert_eq!(server.terminate(), Some(0));
    assert_eq!(told.join().expect("a close").0, 1012);
}

#[test]
fn sockets_have_places_of_their_own() {
    let (server, shop) =
        open_with(&[("KOLA_CONNECTIONS_MAX", "2"), ("KOLA_REALTIME_SOCKETS_MAX", "3")]);
    let anon = anon(&server);
    let mut open: Vec<Client> = (0..3).map(|_| Client::open(&server, &anon, "2.0.0")).collect();
    assert_eq!(handshake_status(&server, &format!("apikey={anon}")), 429);
    shop.api.get("/v1/parties/list").ok();
    // A merchant has half of the places.
    for client in open.iter_mut().take(2) {
        client.watch(&Payment::of(&shop));
    }
    let third = Payment::of(&shop);
    let reason = open[2].refused(&third.topic(), &third.join(Some(&third.token)));
    assert_eq!(reason, "ChannelRateLimitReached: Too many channels");
    drop(open.remove(0));
    wait_for("a place", || {
        (handshake_status(&server, &format!("apikey={anon}")) == 101).then_some(())
    });
}

#[test]
fn a_socket_watches_a_payment_once() {
    let (server, shop) = open();
    let (payment, mut client) = watching(&server, &shop, "2.0.0");
    let loud = Payment { reference: payment.reference.to_uppercase(), ..payment };
    let reason = client.refused(&loud.topic(), &loud.join(Some(&loud.token)));
    assert_eq!(reason, "ChannelRateLimitReached: This socket watches the payment already");
    loud.pay(&shop);
    client.until("COMPLETED");
}

/// Everybody has the key. Whoever only asks, and is refused, keeps no place by that.
#[test]
fn asking_in_vain_keeps_no_place() {
    let (server, _shop) = open_with(&[("KOLA_REALTIME_SOCKETS_MAX", "1")]);
    let mut client = Client::open(&server, &anon(&server), "2.0.0");
    wait_for("the end of the socket", || {
        client.send("realtime:room", "phx_join", &json!({}));
        std::thread::sleep(std::time::Duration::from_secs(1));
        client.is_closed().then_some(())
    });
}

#[test]
fn whatever_is_sent_has_an_answer_and_others_are_served() {
    let (server, shop) = open();
    let anon = anon(&server);
    let payment = Payment::of(&shop);
    let mut good = Client::open(&server, &anon, "2.0.0");
    good.watch(&payment);

    let mut client = Client::open(&server, &anon, "2.0.0");
    client.send_text(&"x".repeat(10_000_000));
    assert_eq!(client.closed().0, 1009);
    let mut client = Client::open(&server, &anon, "2.0.0");
    client.send_text(&format!("[null,null,\"{}\",\"x\",{{}}]", "x".repeat(64 * 1024)));
    assert_eq!(client.closed().0, 1009);
    let mut client = Client::open(&server, &anon, "2.0.0");
    client.send_binary(&[3, 1, 2]);
    assert_eq!(client.closed().0, 1003);
    for text in ["", "{}", "[]", "[1,2,3]", "nonsense", "[null,null,1,\"x\",{}]"] {
        let mut client = Client::open(&server, &anon, "2.0.0");
        client.send_text(text);
        let (code, _) = client.closed();
        assert!((1002..=1008).contains(&code), "{text}: {code}");
    }
    let mut client = Client::open(&server, &anon, "2.0.0");
    for room in 0..1_000 {
        client.send(&format!("realtime:{room}"), "phx_join", &json!({}));
    }
    let reasons: Vec<String> =
        (0..1_000).map(|_| shown(&client.next_reply().payload["response"], "reason")).collect();
    let limited = reasons.iter().filter(|reason| reason.starts_with("ClientJoinRateLimitReached"));
    assert!(limited.count() > 900, "{reasons:?}");

    payment.pay(&shop);
    good.until("COMPLETED");
}

#[test]
fn another_process_tells_what_this_one_wrote() {
    on_postgres_only!();
    let (server, shop) = spawn_with(&[]);
    let other = server.spawn_another(&[]);
    let payment = Payment::of(&shop);
    let mut client = Client::open(&other, &anon(&server), "2.0.0");
    client.watch(&payment);
    payment.pay(&shop);
    let seen = client.until("COMPLETED");
    assert_eq!(types(&seen)[0], "INSERT");
}

#[test]
fn a_channel_is_left_and_joined_again() {
    let (server, shop) = open();
    let (payment, mut client) = watching(&server, &shop, "1.0.0");
    client.send(&payment.topic(), "phx_leave", &json!({}));
    assert_eq!(client.next().event, "phx_reply");
    assert_eq!(client.next().event, "phx_close");
    payment.pay(&shop);
    client.watch(&payment);
    assert_eq!(types(&client.until("COMPLETED")), ["UPDATE"]);
    client.send("phoenix", "heartbeat", &json!({}));
    assert_eq!(client.next().payload, json!({"status": "ok", "response": {}}));
}

#[test]
fn a_socket_that_breaks_off_takes_nothing_with_it() {
    let (server, shop) = open();
    let anon = anon(&server);
    let head = format!(
        "GET /realtime/v1/websocket?apikey={anon} HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\n\
         upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    // The rest of a frame never comes, or what comes is no frame.
    for bytes in [&[0x81, 0xfe][..], &[0xff; 100][..], b"GET / HTTP/1.1\r\n\r\n"] {
        let _answer = raw(&server.api.address, head.as_bytes(), bytes);
    }
    shop.api.get("/v1/parties/list").ok();
}
