//! Several processes on one database: answers and effects are those of one server, whichever
//! process is asked.

use std::time::{Duration, Instant};

use crate::crash::{Load, completed_of_each};
use crate::support::shop::{GOOD, new_phone, source_for};
use crate::support::{
    Database, Merchant, Reply, Server, WAIT_MAX, all_at_once, cents, id, json, key,
    on_postgres_only, one_of_many, shown, spawn_with, wait_for, with_status,
};
use serde_json::Value;

const PROCESSES: usize = 3;

/// Processes on one database, and the same merchant as a client of each.
struct Fleet {
    servers: Vec<Server>,
    shops: Vec<Merchant>,
}

impl Fleet {
    #[track_caller]
    fn start(environment: &[(&str, &str)]) -> Self {
        let (first, shop) = spawn_with(environment);
        let mut servers = vec![first];
        for _ in 1..PROCESSES {
            servers.push(servers[0].spawn_another(environment));
        }
        let shops = servers.iter().map(|server| shop.at(server)).collect();
        Self { servers, shops }
    }

    /// The client of one process; successive turns go to the processes in rotation.
    fn shop(&self, turn: usize) -> &Merchant {
        &self.shops[turn % self.shops.len()]
    }

    #[track_caller]
    fn fund(&self, currency: &str, amount: &str) {
        self.servers[0].fund(&self.shops[0], currency, amount);
    }

    /// Runs `act` `width` times at the same moment, spread over the processes.
    fn crowd<R: Send>(&self, width: usize, act: impl Fn(usize, &Merchant) -> R + Sync) -> Vec<R> {
        let turns: Vec<usize> = (0..width).collect();
        all_at_once(&turns, |turn| act(*turn, self.shop(*turn)))
    }

    /// Fails unless every process answers this balance and the ledger is right.
    #[track_caller]
    fn balances(&self, currency: &str, available: &str, held: &str) {
        for shop in &self.shops {
            shop.assert_balance(currency, available, held);
        }
        self.servers[0].verify_ledger();
    }
}

#[test]
fn ten_processes_that_start_at_once_make_one_schema() {
    on_postgres_only!();
    let database = Database::new();
    let servers = all_at_once(&[(); 10], |()| Server::spawn(database.clone(), &[]));
    for table in ["installation", "signing_keys"] {
        assert_eq!(database.value(&format!("SELECT count(*) FROM {table}")), "1", "{table}");
    }
    let shop = servers[0].sign_in(&database.merchant("Shop"));
    // A token of one process is valid at all, and each reads what another has written.
    for (server, reader) in servers.iter().zip(servers.iter().rev()) {
        let party = shop.at(server).party();
        shop.at(reader).api.get(&format!("/v1/parties/retrieve/{party}")).ok();
    }
    servers[0].verify_ledger();
}

#[test]
fn transfers_with_one_key_answer_alike_at_every_process() {
    on_postgres_only!();
    let fleet = Fleet::start(&[]);
    fleet.fund("USD", "1000.00");
    let customer = fleet.shop(0).customer();
    for round in 0..15 {
        let session = id(&fleet.shop(round).open_transfer(customer, "USD", "10.00").ok());
        let reference = key();
        let answers = fleet.crowd(24, |_, shop| shop.execute("transfer", session, &reference).ok());
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
        assert_eq!(answers[0]["status"], "COMPLETED");
    }
    assert_eq!(fleet.shop(0).api.get("/v1/payment-intents/list").rows().len(), 15);
    fleet.balances("USD", "850.00", "0.00");
}

#[test]
fn payouts_and_collections_with_one_key_are_one_at_every_process() {
    on_postgres_only!();
    let fleet = Fleet::start(&[]);
    fleet.fund("USD", "1000.00");
    let shop = fleet.shop(0);
    let (payee, payer) = (shop.momo("PAYOUT", GOOD), shop.momo("COLLECTION", GOOD));
    let one = |answers: Vec<Value>, kind: &str| {
        assert!(
            answers
                .iter()
                .all(|answer| answer["payment_intent_id"] == answers[0]["payment_intent_id"]),
            "{answers:?}"
        );
        assert_eq!(shop.settled(kind, &answers[0])["status"], "COMPLETED");
    };
    for _ in 0..5 {
        let (session, reference) = (id(&shop.open_payout(payee, "USD", "10.00").ok()), key());
        one(fleet.crowd(24, |_, shop| shop.execute("payout", session, &reference).ok()), "payout");
        let (session, reference) = (shop.checkout(shop.invoice("USD", "10.00")), key());
        one(
            fleet.crowd(24, |_, shop| shop.collect(session, payer, "USD", &reference).ok()),
            "collection",
        );
    }
    assert_eq!(shop.api.get("/v1/payment-intents/list").rows().len(), 10);
    // 1,000.00 less five payouts of 10.15, plus five collections of 10.00.
    fleet.balances("USD", "999.25", "0.00");
}

#[test]
fn one_session_has_one_key_and_one_key_one_session_at_every_process() {
    on_postgres_only!();
    let fleet = Fleet::start(&[]);
    fleet.fund("USD", "1000.00");
    let account = fleet.shop(0).momo("PAYOUT", GOOD);
    let open = || id(&fleet.shop(0).open_payout(account, "USD", "100.00").ok());
    let session = open();
    one_of_many(
        &fleet.crowd(15, |_, shop| shop.execute("payout", session, &key())),
        "body.session_id",
    );
    let (sessions, reference): (Vec<i64>, String) = ((0..15).map(|_| open()).collect(), key());
    let replies = fleet.crowd(15, |turn, shop| shop.execute("payout", sessions[turn], &reference));
    one_of_many(&replies, "body.reference_id");
    fleet.balances("USD", "797.00", "0.00");
}

/// 103.00 were paid, and 45 refunds of 5.00 are requested while each of them would fit: 20 do.
#[test]
fn refunds_at_every_process_never_exceed_the_payment() {
    on_postgres_only!();
    let fleet = Fleet::start(&[]);
    fleet.fund("USD", "1000.00");
    let paid = fleet.shop(0).paid_hundred();
    let open = |turn| id(&fleet.shop(turn).open_refund(&paid["payment_intent_id"], "5.00").ok());
    let sessions: Vec<i64> = (0..45).map(open).collect();
    let answers = fleet.crowd(45, |turn, shop| shop.execute("refund", sessions[turn], &key()).ok());
    let ends: Vec<Value> =
        answers.iter().map(|answer| fleet.shop(0).settled("refund", answer)).collect();
    assert_eq!((with_status(&ends, "COMPLETED"), with_status(&ends, "FAILED")), (20, 25));
    fleet.balances("USD", "1000.00", "0.00");
}

/// A payout costs 10.15, so nine of them fit into 100.00.
#[test]
fn payouts_at_every_process_never_take_more_than_there_is() {
    on_postgres_only!();
    let fleet = Fleet::start(&[]);
    fleet.fund("USD", "100.00");
    let account = fleet.shop(0).momo("PAYOUT", GOOD);
    let sessions: Vec<i64> = (0..30)
        .map(|turn| id(&fleet.shop(turn).open_payout(account, "USD", "10.00").ok()))
        .collect();
    let answers = fleet.crowd(30, |turn, shop| {
        let answer = shop.execute("payout", sessions[turn], &key()).ok();
        let (available, held) = shop.money_in(shop.wallet("USD"));
        assert!(cents(&available) >= 0 && cents(&held) >= 0, "{available} {held}");
        answer
    });
    let ends: Vec<Value> =
        answers.iter().map(|answer| fleet.shop(0).settled("payout", answer)).collect();
    assert_eq!((with_status(&ends, "COMPLETED"), with_status(&ends, "FAILED")), (9, 21));
    fleet.balances("USD", "8.65", "0.00");
}

#[test]
fn only_one_process_collects_a_source() {
    on_postgres_only!();
    let fleet = Fleet::start(&[("KOLA_SANDBOX_DELAY_MS", "604800000")]);
    let (invoice, account) =
        (fleet.shop(0).invoice("USD", "100.00"), fleet.shop(0).momo("COLLECTION", GOOD));
    let sessions: Vec<i64> = (0..12).map(|turn| fleet.shop(turn).checkout(invoice)).collect();
    let replies =
        fleet.crowd(12, |turn, shop| shop.collect(sessions[turn], account, "USD", &key()));
    let (made, refused): (Vec<Reply>, Vec<Reply>) =
        replies.into_iter().partition(|reply| reply.status == 200);
    assert_eq!(
        (made.len(), fleet.shop(1).source_status("invoices", invoice).as_str()),
        (1, "PROCESSING")
    );
    for reply in refused {
        reply.refused(422);
    }
    fleet.balances("USD", "0.00", "0.00");
}

/// What must be unique stays unique: an invoice's number, a party's wallet, the party of a phone.
#[test]
fn processes_share_numbers_and_names() {
    on_postgres_only!();
    let fleet = Fleet::start(&[]);
    fleet.fund("USD", "100.00");
    let year = fleet.shop(0).year();
    let body = source_for(fleet.shop(0).customer());
    let invoice = |_, shop: &Merchant| {
        shown(&shop.api.post("/v1/invoices/create", &body).ok(), "invoice_number")
    };
    let mut numbers = fleet.crowd(24, invoice);
    numbers.sort();
    let expected: Vec<String> = (1..=24).map(|n| format!("INV-{year}-{n:05}")).collect();
    assert_eq!(numbers, expected);
    let party = fleet.shop(0).party();
    let counterparty = fleet.shop(0).counterparty(party);
    let open = |turn| id(&fleet.shop(turn).open_transfer(counterparty, "USD", "1.00").ok());
    let sessions: Vec<i64> = (0..15).map(open).collect();
    let answers =
        fleet.crowd(15, |turn, shop| shop.execute("transfer", sessions[turn], &key()).ok());
    assert_eq!(with_status(&answers, "COMPLETED"), 15);
    assert_eq!(
        fleet.shop(0).api.get(&format!("/v1/wallets/list?party_id={party}")).rows().len(),
        1
    );
    let before = fleet.shop(0).api.get("/v1/parties/list").rows().len();
    let checkout = json!({"mode": "HOSTED", "source_kind": "ORDER", "party_phone": "231770999990", "currency": "USD",
        "items": [{"name": "Rice, 25 kg", "currency": "USD", "amount": 19, "qty": 1}]});
    fleet.crowd(15, |_, shop| shop.api.post("/v1/checkouts/create", &checkout).ok());
    assert_eq!(
        fleet.shop(0).api.get("/v1/parties/list").rows().len(),
        before + 1,
        "a crowd with one phone makes one party"
    );
    fleet.balances("USD", "85.00", "0.00");
}

/// Advancing the clock does not wait for payments, and payments do not wait for it.
#[test]
fn the_clock_is_advanced_at_one_process_while_others_pay() {
    on_postgres_only!();
    let fleet = Fleet::start(&[("KOLA_SANDBOX_DELAY_MS", "200")]);
    fleet.fund("USD", "100000.00");
    let shop = fleet.shop(0);
    let (payee, payer) = (shop.momo("PAYOUT", GOOD), shop.momo("COLLECTION", GOOD));
    let card = shop.account(
        shop.party(),
        "COLLECTION",
        "CREDIT_CARD",
        Some("pm_card_authenticationRequired"),
    );
    let party = || json!({"fullname": "Ama", "phone": new_phone(), "country_code": "LR"});
    // Each process does everything, while the others do something else.
    let ended: Vec<Option<(&str, Value)>> = fleet
        .crowd(30, |turn, shop| {
            let one = |round: usize| match (turn / PROCESSES + round) % 5 {
                0 => {
                    shop.advance(1);
                    None
                }
                1 => Some(("payout", shop.send(payee, "USD", "10.00"))),
                2 => Some(("collection", shop.take(payer, "USD", "10.00"))),
                3 => {
                    let waits = shop.take(card, "USD", "10.00");
                    let path = format!(
                        "/v1/sandbox/executions/{}/authenticate",
                        shown(&waits, "reference_id")
                    );
                    shop.api.post(&path, &json!({"success": true})).ok();
                    Some(("collection", waits))
                }
                _ => {
                    shop.api.post("/v1/parties/create", &party()).ok();
                    None
                }
            };
            (0..5).map(one).collect::<Vec<_>>()
        })
        .concat();
    for (kind, execution) in ended.into_iter().flatten() {
        assert_eq!(fleet.shop(1).settled(kind, &execution)["status"], "COMPLETED");
    }
    for server in &fleet.servers {
        let log = server.log();
        assert!(!log.contains("deadlock detected"), "{log}");
    }
    // The balance after 30 payouts of 10.15, and 60 collections.
    fleet.balances("USD", "100295.50", "0.00");
}

/// Orders and invoices have separate numbers, so neither waits for the other.
#[test]
fn processes_make_one_party_of_one_phone_for_whatever_kind_of_checkout() {
    on_postgres_only!();
    let fleet = Fleet::start(&[]);
    for round in 0..20 {
        let phone = format!("23177088{round:04}");
        let make = |turn: usize, shop: &Merchant| {
            let kind = if turn.is_multiple_of(2) { "ORDER" } else { "INVOICE" };
            let checkout = json!({"mode": "HOSTED", "source_kind": kind, "party_phone": phone, "currency": "USD",
                "note": "Rice", "items": [{"name": "Rice, 25 kg", "currency": "USD", "amount": 19, "qty": 1}]});
            shop.api.post("/v1/checkouts/create", &checkout).ok();
        };
        fleet.crowd(6, make);
        let made = format!("SELECT count(*) FROM parties WHERE phone = '{phone}'");
        assert_eq!(fleet.servers[0].database.value(&made), "1", "in round {round}");
    }
    // Parties that are created explicitly are new ones. A lookup by the phone finds the first.
    let parties = fleet.crowd(6, |_, shop| shop.party_with_phone("231770889999"));
    assert_eq!(parties.len(), 6);
    let found = "SELECT count(*), count(found_by) FROM parties WHERE phone = '231770889999'";
    assert_eq!(fleet.servers[0].database.rows(found), [["6", "1"]]);
}

/// Two of three processes die under load, one after the other. The third one has all that they
/// acknowledged, and takes over their leases.
#[test]
fn the_last_process_answers_for_those_that_were_killed() {
    on_postgres_only!();
    let mut fleet = Fleet::start(&[("KOLA_SANDBOX_DELAY_MS", "400")]);
    fleet.fund("USD", "100000.00");
    let load = Load::new(fleet.shop(0));
    let reached = |goal: usize| {
        let start = Instant::now();
        while load.acknowledged().len() < goal && start.elapsed() < WAIT_MAX {
            std::thread::sleep(Duration::from_millis(5));
        }
        load.acknowledged().len() >= goal
    };
    // The load ends only with the servers, so a failure is reported after that.
    let both = std::thread::scope(|scope| {
        for shop in &fleet.shops[..2] {
            for kind in ["payout", "collection", "payout"] {
                let load = &load;
                scope.spawn(move || load.run(shop, kind));
            }
        }
        let first = reached(20);
        fleet.servers[0].kill();
        let second = reached(load.acknowledged().len() + 15);
        fleet.servers[1].kill();
        (first, second)
    });
    assert_eq!(both, (true, true), "too little was acknowledged: {}", load.acknowledged().len());
    let shop = &fleet.shops[2];
    let (payouts, collections) = completed_of_each(shop, &load);
    let (available, held) = shop.money_in(shop.wallet("USD"));
    assert_eq!(held, "0.00");
    assert_eq!(cents(&available), 10_000_000 - 1_015 * payouts + 1_000 * collections);
    fleet.servers[2].verify_ledger();
}

/// The provider has the payment and the process that sent it is dead. Nobody advances a clock.
#[test]
fn a_lease_is_taken_over_by_another_process() {
    on_postgres_only!();
    let mut fleet = Fleet::start(&[("KOLA_SANDBOX_DELAY_MS", "1500")]);
    fleet.fund("USD", "1000.00");
    let shop = fleet.shop(0);
    let payout = shop.send(shop.momo("PAYOUT", GOOD), "USD", "100.00");
    let collection = shop.take(shop.momo("COLLECTION", GOOD), "USD", "10.00");
    fleet.servers[0].kill();
    let shop = fleet.shop(1);
    for (kind, execution) in [("payout", &payout), ("collection", &collection)] {
        let reference = shown(execution, "reference_id");
        let end = wait_for("its end", || {
            Some(shop.status(kind, &reference)).filter(|now| now["status"] == "COMPLETED")
        });
        assert_eq!(end["payment_intent_id"], execution["payment_intent_id"]);
    }
    shop.assert_balance("USD", "908.50", "0.00");
    fleet.servers[1].verify_ledger();
}

/// A reader that goes forward while several processes write sees each event once, in order.
#[test]
fn whoever_reads_events_by_position_misses_none() {
    let fleet = Fleet::start(&[]);
    fleet.fund("USD", "100.00");
    let customer = fleet.shop(0).customer();
    let finished = std::sync::atomic::AtomicBool::new(false);
    let read = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut positions: Vec<i64> = vec![];
            loop {
                // Whether all is written is known before the read that must see the last event.
                let is_last = finished.load(std::sync::atomic::Ordering::SeqCst);
                let after = positions.last().copied().unwrap_or(0);
                let rows = fleet
                    .shop(1)
                    .api
                    .get(&format!("/v1/events/list?after_position={after}"))
                    .rows();
                positions.extend(rows.iter().filter_map(|row| row["position"].as_i64()));
                if is_last && rows.is_empty() {
                    return positions;
                }
            }
        });
        for _ in 0..4 {
            fleet.crowd(12, |_, shop| {
                shop.open_transfer(customer, "USD", "0.10").ok();
            });
        }
        finished.store(true, std::sync::atomic::Ordering::SeqCst);
        reader.join().expect("the reader")
    });
    let expected: Vec<i64> = (1..=49).collect();
    assert_eq!(read, expected, "one event of the funding and 48 of sessions");
}
