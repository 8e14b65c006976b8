//! What is promised whatever happens: everything is told at least once, in the words of its moment,
//! and nobody waits for an endpoint that hangs.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::net::TcpListener;

use serde_json::{Value, json};

use super::make_due;
use super::receiver::{Received, Receiver};
use crate::support::{Merchant, Server, all_at_once, id, open_two, open_with, spawn, wait_for};

/// The ids of the merchant's events that are told to an endpoint for everything.
fn events(shop: &Merchant) -> BTreeSet<i64> {
    let mut ids = BTreeSet::new();
    let mut position = 0;
    loop {
        let path = format!("/v1/events/list?after_position={position}&limit=1000");
        let rows = shop.api.get(&path).rows();
        let Some(last) = rows.last() else { return ids };
        position = last["position"].as_i64().expect("a position");
        ids.extend(rows.iter().map(id));
    }
}

/// The ids of the events that arrived.
fn told(receiver: &Receiver) -> BTreeSet<i64> {
    receiver.received().iter().map(|message| id(&message.json())).collect()
}

/// Fails unless the sequence of each object has no gap, and each event has one body only.
fn assert_whole(received: &[Received]) {
    let mut bodies: BTreeMap<i64, &str> = BTreeMap::new();
    let mut sequences: BTreeMap<String, BTreeSet<i64>> = BTreeMap::new();
    for message in received {
        let body = message.json();
        let known = bodies.entry(id(&body)).or_insert(&message.body);
        assert_eq!(*known, message.body, "another body in another attempt");
        let object = &body["data"]["object"];
        let kind = message.kind();
        let name = kind.split('.').next().unwrap_or_default();
        let of = object.get("payment_intent_id").unwrap_or(&object["id"]);
        let sequence = body["sequence"].as_i64().expect("a sequence");
        sequences.entry(format!("{name} {of}")).or_default().insert(sequence);
    }
    for (object, numbers) in sequences.iter().filter(|(object, _)| !object.starts_with("wallet")) {
        let last = *numbers.last().expect("a number");
        assert_eq!(i64::try_from(numbers.len()), Ok(last), "{object}: {numbers:?}");
    }
}

/// A receiver that fails every third time.
fn moody() -> Receiver {
    let mut count = 0;
    Receiver::answering(move |_| {
        count += 1;
        if count % 3 == 0 { (500, String::new()) } else { (204, String::new()) }
    })
}

fn add_endpoint(shop: &Merchant, url: &str) -> Value {
    shop.api.post("/v1/webhook-endpoints/create", &json!({ "url": url })).ok()
}

/// Waits until everything is told.
fn wait_until_told(server: &Server, shop: &Merchant, receiver: &Receiver) {
    wait_for("everything to be told", || {
        let missing = events(shop).difference(&told(receiver)).count();
        if missing > 0 {
            make_due(server);
        }
        (missing == 0).then_some(())
    });
}

#[test]
fn what_was_acknowledged_is_told_after_a_kill() {
    let (mut server, mut shop) = spawn();
    let receiver = moody();
    add_endpoint(&shop, &receiver.url());
    server.fund(&shop, "USD", "1000.00");
    for _ in 0..3 {
        let accounts: Vec<i64> = (0..6).map(|_| shop.momo("COLLECTION", "231880000001")).collect();
        all_at_once(&accounts, |account| shop.take(*account, "USD", "10.00"));
        // In the midst of payments, messages and deliveries.
        server.kill();
        server.restart(&[]);
        shop = shop.at(&server);
    }
    wait_for("the end of all payments", || {
        let rows = shop.api.get("/v1/payment-intents/list?limit=1000").rows();
        rows.iter().all(|row| row["status"] == "COMPLETED").then_some(())
    });
    wait_until_told(&server, &shop, &receiver);
    assert_whole(&receiver.received());
    let by_status = "SELECT count(*) FROM webhook_messages WHERE fanned_out_at IS NULL";
    wait_for("no message without its deliveries", || {
        (server.database.value(by_status) == "0").then_some(())
    });
    server.verify_ledger();
}

#[test]
fn two_processes_tell_everything_once_more_at_most() {
    let (server, shop) = spawn();
    let another = server.spawn_another(&[]);
    let receiver = Receiver::open();
    add_endpoint(&shop, &receiver.url());
    let shops = [shop.at(&server), shop.at(&another)];
    let work: Vec<usize> = (0..12).collect();
    all_at_once(&work, |n| shops[n % 2].paid_hundred());
    wait_until_told(&server, &shop, &receiver);
    assert_whole(&receiver.received());
    // Nothing failed: so each event was delivered once, although two processes look for what is due.
    let deliveries = server.database.value("SELECT count(*) FROM webhook_deliveries");
    assert_eq!(deliveries, events(&shop).len().to_string());
    server.verify_ledger();
}

#[test]
fn endpoints_that_hang_hold_up_nobody() {
    let (server, shop) = open_with(&[("KOLA_WEBHOOK_SECONDS", "30")]);
    // It takes what is sent, and never answers.
    let hole = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = hole.local_addr().expect("an address");
    std::thread::spawn(move || {
        let mut held = vec![];
        for mut stream in hole.incoming().flatten() {
            let copy = stream.try_clone();
            std::thread::spawn(move || {
                let mut bytes = vec![];
                let _ended = stream.read_to_end(&mut bytes);
            });
            held.push(copy);
        }
    });
    let hanging: Vec<i64> =
        (0..15).map(|n| id(&add_endpoint(&shop, &format!("http://{address}/{n}")))).collect();
    let receiver = Receiver::open();
    let body = json!({"url": receiver.url(), "event_types": ["wallet.funded"]});
    shop.api.post("/v1/webhook-endpoints/create", &body).ok();
    // More than may be under way to each of those that hang.
    (0..4).for_each(|_| drop(shop.paid_hundred()));
    server.fund(&shop, "USD", "1.00");
    receiver.wait_for("wallet.funded", 1);
    for endpoint in hanging {
        let path = format!("/v1/webhook-deliveries/list?endpoint_id={endpoint}&limit=1000");
        let rows = shop.api.get(&path).rows();
        assert!(rows.iter().all(|row| row["attempts"] == 0), "the hanging ones ended first");
    }
}

#[test]
fn an_endpoint_that_cannot_be_read_holds_up_no_other() {
    let (server, broken, shop) = open_two();
    let receiver = Receiver::open();
    let made = add_endpoint(&broken, &receiver.url());
    add_endpoint(&shop, &receiver.url());
    // As if a later release had stored a type that this one does not know.
    server.database.sql(&format!(
        "UPDATE webhook_endpoints SET event_types = 'later.type' WHERE id = {}",
        id(&made)
    ));
    server.fund(&broken, "USD", "1.00");
    server.fund(&shop, "USD", "2.00");
    let told = receiver.wait_for("wallet.funded", 1).remove(0).json();
    assert_eq!(told["data"]["object"]["id"], json!(shop.wallet("USD")));
    server
        .database
        .sql(&format!("UPDATE webhook_endpoints SET event_types = NULL WHERE id = {}", id(&made)));
    receiver.wait_for("wallet.funded", 2);
}
