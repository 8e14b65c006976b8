//! `kill -9` under load: acknowledged payments are still there, and pending ones reach their end.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::support::shop::{GOOD, ending, source_for};
use crate::support::{
    Merchant, Server, WAIT_MAX, assert_fields, cents, id, json, key, number, shown, soon, spawn,
    spawn_with, wait_for,
};
use serde_json::Value;

/// An execution that was requested, with the status that was acknowledged, if an answer came.
struct Try {
    kind: &'static str,
    reference: String,
    acknowledged: Option<String>,
}

/// The shared state of the threads that make the load.
pub(crate) struct Load {
    counterparty: i64,
    payer: i64,
    payee: i64,
    tries: Mutex<Vec<Try>>,
}

impl Load {
    pub(crate) fn new(shop: &Merchant) -> Self {
        let (payer, payee) = (shop.momo("COLLECTION", GOOD), shop.momo("PAYOUT", GOOD));
        Self { counterparty: shop.customer(), payer, payee, tries: Mutex::new(Vec::new()) }
    }

    /// Declares a payout of 10.00 USD; `None` once the server has died.
    fn payout(&self, shop: &Merchant) -> Option<Value> {
        let body = json!({"wallet_id": shop.wallet("USD"), "payment_account_id": self.payee, "amount": number("10.00"),
            "currency": "USD", "expires_at": soon()});
        Some(json!({"session_id": id(&post(shop, "/v1/sessions/payout", &body)?)}))
    }

    /// Declares the collection of an invoice of 10.00 USD; `None` once the server has died.
    fn collection(&self, shop: &Merchant) -> Option<Value> {
        let body = source_for(self.counterparty);
        let invoice = id(&post(shop, "/v1/invoices/create", &body)?);
        let item = json!({"name": "x", "currency": "USD", "qty": 1, "amount": number("10.00")});
        post(shop, &format!("/v1/invoices/{invoice}/items/add"), &item)?;
        shop.api.try_call("PUT", &format!("/v1/invoices/publish/{invoice}"), None).ok()?.ok();
        let session = id(&post(
            shop,
            "/v1/sessions/checkout",
            &json!({"source_id": invoice, "source_type": "INVOICE"}),
        )?);
        Some(json!({"session_id": session, "payment_account_id": self.payer, "currency": "USD"}))
    }

    /// Makes payments until the server dies.
    pub(crate) fn run(&self, shop: &Merchant, kind: &'static str) {
        while let Some(mut body) =
            if kind == "payout" { self.payout(shop) } else { self.collection(shop) }
        {
            let reference = key();
            body["reference_id"] = json!(reference);
            let place = self.begin(kind, reference);
            let Some(answer) = post(shop, &format!("/v1/executions/{kind}"), &body) else {
                return;
            };
            self.tries.lock().expect("a lock")[place].acknowledged = Some(shown(&answer, "status"));
        }
    }

    fn begin(&self, kind: &'static str, reference: String) -> usize {
        let mut tries = self.tries.lock().expect("a lock");
        tries.push(Try { kind, reference, acknowledged: None });
        tries.len() - 1
    }

    /// The references of the executions that were acknowledged so far.
    pub(crate) fn acknowledged(&self) -> Vec<String> {
        let tries = self.tries.lock().expect("a lock");
        tries.iter().filter(|t| t.acknowledged.is_some()).map(|t| t.reference.clone()).collect()
    }
}

fn post(shop: &Merchant, path: &str, body: &Value) -> Option<Value> {
    Some(shop.api.try_call("POST", path, Some(body)).ok()?.ok())
}

fn rank(status: &str) -> u8 {
    match status {
        "PENDING" => 0,
        "PROCESSING" => 1,
        "COMPLETED" | "FAILED" => 2,
        other => panic!("no such status: {other}"),
    }
}

/// Loads the server from four threads, kills it after so many acknowledged executions, and starts
/// it again.
fn kill_under_load(
    server: &mut Server,
    shop: &Merchant,
    load: &Load,
    acknowledgements: usize,
    environment: &[(&str, &str)],
) {
    let goal = load.acknowledged().len() + acknowledgements;
    std::thread::scope(|scope| {
        for kind in ["payout", "collection", "payout", "collection"] {
            scope.spawn(move || load.run(shop, kind));
        }
        // The load ends only with the server, so a failure is reported after that.
        let start = Instant::now();
        while load.acknowledged().len() < goal && start.elapsed() < WAIT_MAX {
            std::thread::sleep(Duration::from_millis(5));
        }
        server.kill();
    });
    assert!(
        load.acknowledged().len() >= goal,
        "too little was acknowledged: {}",
        load.acknowledged().len()
    );
    server.restart(environment);
    server.verify_ledger();
}

/// Checks that every execution has its acknowledged status or a later one. Returns how many payouts
/// and how many collections have completed.
pub(crate) fn completed_of_each(shop: &Merchant, load: &Load) -> (i64, i64) {
    let (mut payouts, mut collections) = (0, 0);
    for attempt in load.tries.lock().expect("a lock").iter() {
        let path = format!("/v1/status/{}/{}", attempt.kind, attempt.reference);
        let reply = shop.api.get(&path);
        if reply.status == 404 {
            assert_eq!(attempt.acknowledged, None, "{path} was acknowledged and is gone");
            continue;
        }
        let now = shown(&reply.ok(), "status");
        if let Some(was) = &attempt.acknowledged {
            assert!(rank(&now) > rank(was) || now == *was, "{path} went from {was} to {now}");
        }
        let end = wait_for("the end of a pending execution", || {
            let now = shop.status(attempt.kind, &attempt.reference);
            (rank(&shown(&now, "status")) == 2).then_some(now)
        });
        assert_eq!(end["status"], "COMPLETED", "{end}");
        if attempt.kind == "payout" { payouts += 1 } else { collections += 1 }
    }
    (payouts, collections)
}

fn survives(delay: &str) {
    let environment = [("KOLA_SANDBOX_DELAY_MS", delay)];
    let (mut server, mut shop) = spawn_with(&environment);
    server.fund(&shop, "USD", "100000.00");
    let load = Load::new(&shop);
    for _ in 0..3 {
        kill_under_load(&mut server, &shop, &load, 15, &environment);
        shop = server.sign_in(&shop.credentials);
    }
    let (payouts, collections) = completed_of_each(&shop, &load);
    let (available, held) = shop.money_in(shop.wallet("USD"));
    assert_eq!(held, "0.00");
    assert_eq!(cents(&available), 10_000_000 - 1_015 * payouts + 1_000 * collections);
    server.verify_ledger();
}

#[test]
fn killed_while_everything_finishes_at_once() {
    survives("0");
}

#[test]
fn killed_while_the_provider_still_has_it() {
    survives("400");
}

/// Money that was with the provider when the server died is neither lost nor sent twice.
#[test]
fn every_pending_execution_reaches_its_end() {
    let environment = [("KOLA_SANDBOX_DELAY_MS", "1500")];
    let (mut server, shop) = spawn_with(&environment);
    server.fund(&shop, "USD", "1000.00");
    let payout = shop.send(shop.momo("PAYOUT", GOOD), "USD", "100.00");
    let collection = shop.take(shop.momo("COLLECTION", GOOD), "USD", "10.00");
    server.kill();
    server.restart(&environment);
    server.verify_ledger();
    let shop = server.sign_in(&shop.credentials);
    for (kind, execution) in [("payout", &payout), ("collection", &collection)] {
        let end = wait_for("its end", || {
            let now = shop.status(kind, &shown(execution, "reference_id"));
            (rank(&shown(&now, "status")) == 2).then_some(now)
        });
        assert_eq!(end["status"], "COMPLETED", "{end}");
        assert_eq!(end["payment_intent_id"], execution["payment_intent_id"]);
    }
    shop.assert_balance("USD", "908.50", "0.00");
    server.verify_ledger();
}

#[test]
fn what_the_provider_never_answered_survives_too() {
    let (mut server, shop) = spawn();
    server.fund(&shop, "USD", "1000.00");
    let sent: Vec<Value> = ["129", "139", "149"]
        .map(|d| shop.send(shop.momo("PAYOUT", &ending(d)), "USD", "100.00"))
        .into();
    server.kill();
    server.restart(&[]);
    server.verify_ledger();
    let shop = server.sign_in(&shop.credentials);
    shop.advance(15 * 60);
    for payout in &sent {
        assert_fields(&shop.settled("payout", payout), &[("status", "COMPLETED")]);
    }
    shop.assert_balance("USD", "695.50", "0.00");
    server.verify_ledger();
}

#[test]
fn a_stopped_server_ends_well() {
    let (mut server, shop) = spawn();
    shop.paid_hundred();
    assert_eq!(server.terminate(), Some(0));
    server.verify_ledger();
    server.restart(&[]);
    server.sign_in(&shop.credentials).assert_balance("USD", "100.00", "0.00");
}
