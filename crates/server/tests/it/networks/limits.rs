//! pawaPay refuses calls: tokens, too many of them, outages, operators that do not work.

use serde_json::{Value, json};

use super::stage::Stage;
use crate::support::shop::GOOD;
use crate::support::{all_at_once, key, shown, wait_for};

#[test]
fn a_revoked_token_fails_nothing_and_what_is_open_goes_on_with_the_next() {
    let stage = Stage::spawn();
    stage.lose_pawapay_callbacks();
    let shop = &stage.shop;
    stage.pawapay_fault("/v2/deposits", "LATE", &json!({"seconds": 3_600}));
    let open = shop.take(shop.momo("COLLECTION", GOOD), "USD", "100.00");
    assert_eq!(open["status"], "PROCESSING", "{open}");
    stage.control("/pawapay/tokens", &json!({"revoke": fakes::PAWAPAY_TOKEN}));
    let accounts = [(); 4].map(|()| shop.momo("COLLECTION", GOOD));
    let new = all_at_once(&accounts, |account| shop.take(*account, "USD", "10.00"));
    for paid in &new {
        assert_eq!(paid["status"], "PENDING", "{paid}");
        stage.waits_for("collection", paid, "the operator, who has stopped payments");
    }
    stage.waits_for("collection", &open, "refuses the operator's token");
    assert_eq!(stage.now("collection", &open)["status"], "PROCESSING");
    wait_for("the mark", || {
        stage.make_due();
        let listed = stage.server.kola(&["networks", "list"]).ok();
        listed.contains("TOKEN_REFUSED").then_some(())
    });
    assert!(stage.server.log().contains("a network refuses the token of an account"));
    stage.fakes.advance(3_600);
    stage.control("/pawapay/tokens", &json!({"add": "the-next-token"}));
    let id = stage.pawapay.to_string();
    let set = ["networks", "set-token", "--account", &id];
    stage.server.database.kola_with_input(&set, "the-next-token\n").ok();
    for paid in new.iter().chain([&open]) {
        stage.becomes("collection", paid, "COMPLETED");
    }
    let listed = stage.server.kola(&["networks", "list"]).ok();
    assert!(!listed.contains("TOKEN_REFUSED"), "{listed}");
    assert_eq!(stage.pawapay_payments().len(), 5);
    assert!(!stage.server.log().contains("the-next-token"));
    stage.assert_books_equal();
}

/// When a request was answered, in milliseconds.
fn at_ms(request: &Value) -> i64 {
    request["at_ms"].as_i64().unwrap_or_else(|| panic!("no time in {request}"))
}

#[test]
fn a_pause_that_pawapay_asks_for_is_made() {
    let stage = Stage::open();
    stage.lose_pawapay_callbacks();
    let seconds = 4;
    stage.pawapay_fault("/v2/deposits", "REFUSED", &json!({"status": 429, "retry_after": seconds}));
    let shop = &stage.shop;
    let refused = shop.take(shop.momo("COLLECTION", GOOD), "USD", "10.00");
    assert_eq!(refused["status"], "PENDING", "{refused}");
    assert!(shown(&refused, "waiting_for").contains("takes no more requests"), "{refused}");
    let accounts = [(); 5].map(|()| shop.momo("COLLECTION", GOOD));
    let others = all_at_once(&accounts, |account| shop.take(*account, "USD", "10.00"));
    for paid in others.iter().chain([&refused]) {
        stage.becomes("collection", paid, "COMPLETED");
    }
    let deposits = stage.pawapay_requests("POST", "/v2/deposits");
    assert_eq!(deposits[0]["status"], 429, "{deposits:?}");
    let mut later: Vec<&Value> = deposits.iter().skip(1).collect();
    let questions = stage.pawapay_requests("GET", "/v2/deposits/");
    later.extend(&questions);
    let first = later.iter().map(|request| at_ms(request)).min().expect("a request");
    assert!(first >= at_ms(&deposits[0]) + seconds * 1_000, "{deposits:?} {questions:?}");
    assert_eq!(stage.pawapay_payments().len(), 6);
    stage.assert_books_equal();
}

#[test]
fn a_storm_of_503_makes_pauses_and_all_payments_end() {
    let stage = Stage::open();
    stage.lose_pawapay_callbacks();
    let storm = json!({"network": "PAWAPAY", "kind": "REFUSED", "status": 503, "times": 4});
    stage.fault(&storm);
    let shop = &stage.shop;
    let accounts = [(); 4].map(|()| shop.momo("COLLECTION", GOOD));
    let taken = accounts.map(|account| shop.take(account, "USD", "10.00"));
    for paid in &taken {
        stage.becomes("collection", paid, "COMPLETED");
    }
    let mut refused = stage.pawapay_requests("", "");
    refused.retain(|request| request["status"] == 503);
    assert_eq!(refused.len(), 4);
    // The first payment was alone: nothing else is sent in the pause of at least half a second.
    assert!(at_ms(&refused[1]) - at_ms(&refused[0]) >= 500, "{refused:?}");
    assert_eq!(stage.pawapay_payments().len(), taken.len());
    stage.assert_books_equal();
}

#[test]
fn a_storm_of_500_opens_the_circuit_and_all_payments_end() {
    let stage = Stage::open();
    stage.lose_pawapay_callbacks();
    let storm = json!({"network": "PAWAPAY", "kind": "REFUSED", "status": 500, "times": 1_000});
    stage.fault(&storm);
    let shop = &stage.shop;
    let mut taken = vec![];
    let first_behind = wait_for("the circuit", || {
        let paid = shop.take(shop.momo("COLLECTION", GOOD), "USD", "10.00");
        taken.push(paid.clone());
        let waits = shown(&paid, "waiting_for").contains("does not answer at present");
        waits.then_some(paid)
    });
    assert_eq!(first_behind["status"], "PENDING", "{first_behind}");
    let sent = stage.pawapay_requests("POST", "/v2/deposits").len();
    assert!(taken[..taken.len() - 1].iter().all(|paid| paid["status"] == "PROCESSING"));
    let held = shop.take(shop.momo("COLLECTION", GOOD), "USD", "10.00");
    assert_eq!(held["status"], "PENDING", "{held}");
    taken.push(held);
    // Nothing was sent meanwhile but probes, one every five seconds.
    let probes = stage.pawapay_requests("POST", "/v2/deposits").split_off(sent);
    let far_apart = |pair: &[Value]| at_ms(&pair[1]) - at_ms(&pair[0]) >= 5_000;
    assert!(probes.windows(2).all(far_apart), "{probes:?}");
    stage.end_faults();
    stage.lose_pawapay_callbacks();
    for paid in &taken {
        stage.becomes("collection", paid, "COMPLETED");
    }
    assert_eq!(stage.pawapay_payments().len(), taken.len());
    stage.assert_books_equal();
}

#[test]
fn an_operator_that_does_not_work_is_refused_before_it_is_asked() {
    let stage = Stage::open();
    let shop = &stage.shop;
    let account = shop.momo("COLLECTION", GOOD);
    let session = shop.checkout(shop.invoice("USD", "10.00"));
    let paid = shop.take(account, "USD", "100.00");
    stage.becomes("collection", &paid, "COMPLETED");
    let operator = |status: &str| {
        let change = json!({"provider": "MTN_MOMO_LBR", "status": status});
        stage.control("/pawapay/operators", &change);
    };
    // As long as kola does not know it, pawaPay refuses it: a clean failure.
    operator("CLOSED");
    let failed = shop.take(account, "USD", "10.00");
    assert_eq!(failed["status"], "FAILED", "{failed}");
    let message = shown(&failed, "gateway_message");
    assert!(message.contains("PROVIDER_TEMPORARILY_UNAVAILABLE"), "{failed}");
    let sent = shop.send(shop.momo("PAYOUT", GOOD), "USD", "10.00");
    assert_eq!(sent["status"], "FAILED", "{sent}");
    shop.assert_balance("USD", "100.00", "0.00");
    for status in ["CLOSED", "DELAYED"] {
        operator(status);
        stage.refresh_terms();
        let before = stage.pawapay_requests("POST", "/v2/").len();
        let refused = wait_for("the operator's terms", || {
            let reply = shop.collect(session, account, "USD", &key());
            (reply.status == 422).then_some(reply)
        });
        let fault = refused.state_fault("body.payment_account_id");
        assert!(fault.msg.contains("temporarily unavailable"), "{fault:?}");
        assert_eq!(shop.session_status("checkout", session), "ACTIVE");
        assert_eq!(stage.pawapay_requests("POST", "/v2/").len(), before);
    }
    let payout = shop.send(shop.momo("PAYOUT", GOOD), "USD", "10.00");
    assert_eq!(payout["status"], "PROCESSING", "{payout}");
    operator("OPERATIONAL");
    stage.refresh_terms();
    stage.becomes("payout", &payout, "COMPLETED");
    wait_for("the operator's terms", || {
        let reply = shop.collect(session, account, "USD", &key());
        (reply.status == 200).then(|| stage.becomes("collection", &reply.body, "COMPLETED"))
    });
    stage.assert_books_equal();
}

#[test]
fn a_token_is_changed_under_load_and_no_payment_fails() {
    let stage = Stage::open();
    let shop = &stage.shop;
    let id = stage.pawapay.to_string();
    let rotate = || {
        stage.control("/pawapay/tokens", &json!({"add": "the-next-token"}));
        let set = ["networks", "set-token", "--account", &id];
        stage.server.database.kola_with_input(&set, "the-next-token\n").ok();
        // At once, although the server may not have taken up the next one yet.
        stage.control("/pawapay/tokens", &json!({"revoke": fakes::PAWAPAY_TOKEN}));
        vec![]
    };
    let accounts = [(); 3].map(|()| shop.momo("COLLECTION", GOOD));
    let pay = |account: i64| -> Vec<Value> {
        (0..5).map(|_| shop.take(account, "USD", "10.00")).collect()
    };
    let mut who: Vec<Option<i64>> = accounts.iter().copied().map(Some).collect();
    who.push(None);
    let taken = all_at_once(&who, |account| account.map_or_else(rotate, pay));
    let taken: Vec<Value> = taken.into_iter().flatten().collect();
    assert_eq!(taken.len(), 15);
    for paid in &taken {
        assert_ne!(paid["status"], "FAILED", "{paid}");
        stage.becomes("collection", paid, "COMPLETED");
    }
    let listed = stage.server.kola(&["networks", "list"]).ok();
    assert!(!listed.contains("TOKEN_REFUSED"), "{listed}");
    assert_eq!(stage.pawapay_payments().len(), 15);
    stage.assert_books_equal();
}

/// More calls than an account with the usual limit may have under way.
const HANGING: usize = 300;

#[test]
fn a_network_that_hangs_holds_up_nobody_else() {
    let stage = Stage::open_without_limits();
    let (shop, database) = (&stage.shop, &stage.server.database);
    let sandbox = stage.server.sign_in(&database.merchant("Sandbox Shop"));
    stage.lose_pawapay_callbacks();
    // Just within the time that a call may take.
    let hangs = json!({"milliseconds": 9_900, "times": HANGING});
    stage.pawapay_fault("/v2/deposits", "SLOW", &hangs);
    let account = shop.momo("COLLECTION", GOOD);
    let session = |_| shop.checkout(shop.invoice("USD", "1.00"));
    let sessions: Vec<i64> = (0..HANGING).map(session).collect();
    std::thread::scope(|scope| {
        for session in &sessions {
            scope.spawn(|| shop.collect(*session, account, "USD", &key()).ok());
        }
        wait_for("calls that hang", || {
            let sent = stage.pawapay_requests("POST", "/v2/deposits").len();
            (sent == HANGING).then_some(())
        });
        let by_card = stage.charge("pm_card_visa");
        let in_sandbox = sandbox.take(sandbox.momo("COLLECTION", GOOD), "USD", "10.00");
        for (merchant, paid) in [(shop, by_card), (&sandbox, in_sandbox)] {
            wait_for("a payment elsewhere", || {
                let now = merchant.status("collection", &shown(&paid, "reference_id"));
                (now["status"] == "COMPLETED").then_some(())
            });
        }
        let answered = format!(
            "SELECT count(*) FROM exchanges WHERE network_account_id = {} AND request LIKE 'POST%'",
            stage.pawapay
        );
        assert_eq!(database.value(&answered), "0", "they waited until the network answered");
    });
    let mut looks = 0;
    wait_for("the end of all payments", || {
        looks += 1;
        if looks % 40 == 0 {
            stage.make_due();
        }
        let open = "SELECT count(*) FROM provider_attempts WHERE next_check_at IS NOT NULL";
        (database.value(open) == "0").then_some(())
    });
    assert_eq!(stage.pawapay_payments().len(), HANGING);
    stage.assert_books_equal();
}
