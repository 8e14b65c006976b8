//! The passcode of payouts: asked for when set, counted before it is compared.

use crate::support::shop::GOOD;
use crate::support::{Database, Merchant, Reply, Server, id, json, key, open};

const RIGHT: &str = "482913";
const WRONG: &str = "000000";

/// A merchant with money, a passcode, and an account to pay out to.
fn guarded() -> (Server, Merchant, i64) {
    let database = Database::new();
    let credentials = database.merchant("Shop");
    let merchant = credentials.merchant_id.to_string();
    database.kola_with_input(&["merchant", "set-passcode", "--merchant", &merchant], &format!("{RIGHT}\n")).ok();
    let server = Server::start(database, &[]);
    let shop = server.sign_in(&credentials);
    server.fund(&shop, "USD", "1000.00");
    let account = shop.momo("PAYOUT", GOOD);
    (server, shop, account)
}

fn session(shop: &Merchant, account: i64) -> i64 {
    id(&shop.open_payout(account, "USD", "10.00").ok())
}

fn pay(shop: &Merchant, session: i64, reference: &str, code: &str) -> Reply {
    let device = json!({"name": "till", "type": "POS", "platform": "linux", "user_agent": "t", "client_ip": "127.0.0.1"});
    let body = json!({"session_id": session, "reference_id": reference,
        "passcode": {"token": {"code": code, "user_id": null, "phone": null}, "device": device}});
    shop.api.post("/v1/executions/payout", &body)
}

#[test]
fn a_payout_without_the_passcode_is_refused() {
    let (_server, shop, account) = guarded();
    let session = session(&shop, account);
    let reply = shop.execute("payout", session, &key());
    assert!(reply.refused_in_words(403).contains("passcode required"), "{reply:?}");
    assert_eq!(shop.session_status("payout", session), "ACTIVE");
    shop.assert_balance("USD", "1000.00", "0.00");
}

#[test]
fn a_wrong_passcode_uses_up_neither_session_nor_key() {
    let (_server, shop, account) = guarded();
    let (session, reference) = (session(&shop, account), key());
    let reply = pay(&shop, session, &reference, WRONG);
    assert!(reply.refused_in_words(403).contains("passcode invalid"), "{reply:?}");
    assert_eq!(pay(&shop, session, &reference, RIGHT).ok()["status"], "COMPLETED");
    shop.assert_balance("USD", "989.85", "0.00");
}

#[test]
fn the_passcode_guards_the_newer_words_too() {
    let (_server, shop, account) = guarded();
    let session = session(&shop, account);
    let body = json!({"session_id": session, "payout_account_id": account, "reference_id": key()});
    assert!(shop.api.post("/v1/executions/payout", &body).refused_in_words(403).contains("passcode required"));
}

#[test]
fn one_of_another_shape_is_told_where_one_is_needed() {
    let (server, shop, account) = guarded();
    let (session, reference) = (session(&shop, account), key());
    let with = |shop: &Merchant, session: i64, passcode: &serde_json::Value| {
        let body = json!({"session_id": session, "reference_id": reference, "passcode": passcode});
        shop.api.post("/v1/executions/payout", &body)
    };
    with(&shop, session, &json!("482913")).fault("body.passcode").says("value is not a valid dict", "type_error.dict");
    with(&shop, session, &json!({"token": {"code": 482_913}})).faults_are_at(&["body.passcode.token.code"]);
    assert_eq!(with(&shop, session, &json!(null)).refused_in_words(403), "passcode required");
    assert_eq!(with(&shop, session, &json!({"token": {"code": RIGHT}})).ok()["status"], "COMPLETED");
    assert_eq!(with(&shop, session, &json!("482913")).ok()["status"], "COMPLETED", "a replay needs none");
    let other = server.sign_in(&server.database.merchant("Shop without one"));
    server.fund(&other, "USD", "100.00");
    let session = id(&other.open_payout(other.momo("PAYOUT", GOOD), "USD", "10.00").ok());
    assert_eq!(with(&other, session, &json!("482913")).ok()["status"], "COMPLETED");
}

#[test]
fn without_a_passcode_set_none_is_looked_at() {
    let (server, shop) = open();
    server.fund(&shop, "USD", "1000.00");
    let account = shop.momo("PAYOUT", GOOD);
    for _ in 0..6 {
        assert_eq!(pay(&shop, session(&shop, account), &key(), WRONG).ok()["status"], "COMPLETED");
    }
}

#[test]
fn five_wrong_ones_lock_the_right_one_out() {
    let (_server, shop, account) = guarded();
    let session = session(&shop, account);
    for _ in 0..5 {
        pay(&shop, session, &key(), WRONG).refused_in_words(403);
    }
    let locked = pay(&shop, session, &key(), RIGHT);
    locked.refused_in_words(403);
    let seconds: u32 = locked.header("retry-after").and_then(|text| text.parse().ok()).expect("how long to wait");
    assert!((840..=900).contains(&seconds), "{seconds}");
    shop.assert_balance("USD", "1000.00", "0.00");
    assert_eq!(shop.session_status("payout", session), "ACTIVE");
}

#[test]
fn the_operator_lifts_the_lock() {
    let (server, shop, account) = guarded();
    let session = session(&shop, account);
    for _ in 0..5 {
        pay(&shop, session, &key(), WRONG).refused_in_words(403);
    }
    let merchant = shop.credentials.merchant_id.to_string();
    server.database.kola_with_input(&["merchant", "set-passcode", "--merchant", &merchant], RIGHT).ok();
    assert_eq!(pay(&shop, session, &key(), RIGHT).ok()["status"], "COMPLETED");
}

/// The lock lives by the server's clock, not by one that its owner can move.
#[test]
fn the_sandbox_clock_does_not_open_the_lock() {
    let (_server, shop, account) = guarded();
    for _ in 0..5 {
        pay(&shop, session(&shop, account), &key(), WRONG).refused_in_words(403);
    }
    shop.advance(1800);
    let body = json!({"payout_account_id": account, "amount": 10, "currency": "USD"});
    let later = id(&shop.api.post("/v1/sessions/payout", &body).ok());
    pay(&shop, later, &key(), RIGHT).refused_in_words(403);
    shop.assert_balance("USD", "1000.00", "0.00");
}

#[test]
fn a_right_one_forgives_the_wrong_ones() {
    let (_server, shop, account) = guarded();
    for _ in 0..2 {
        let session = session(&shop, account);
        for _ in 0..4 {
            pay(&shop, session, &key(), WRONG).refused_in_words(403);
        }
        assert_eq!(pay(&shop, session, &key(), RIGHT).ok()["status"], "COMPLETED");
    }
}

#[test]
fn parallel_guesses_do_not_outrun_the_lock() {
    let (_server, shop, account) = guarded();
    let session = session(&shop, account);
    let answers: Vec<String> = std::thread::scope(|scope| {
        let guesses: Vec<_> = (0..16).map(|_| scope.spawn(|| pay(&shop, session, &key(), WRONG))).collect();
        guesses.into_iter().map(|g| g.join().expect("a guess").refused_in_words(403).to_owned()).collect()
    });
    let locked = pay(&shop, session, &key(), WRONG).refused_in_words(403).to_owned();
    // A lock that speaks otherwise than a wrong passcode shows how many guesses were compared.
    let compared = answers.iter().filter(|said| **said != locked).count();
    assert!(compared <= 5, "{compared} guesses were compared: {answers:?}");
    pay(&shop, session, &key(), RIGHT).refused_in_words(403);
    shop.assert_balance("USD", "1000.00", "0.00");
}

#[test]
fn right_ones_at_once_do_not_lock_each_other_out() {
    let (_server, shop, account) = guarded();
    for _ in 0..2 {
        pay(&shop, session(&shop, account), &key(), WRONG).refused_in_words(403);
    }
    // Each of them is counted until it was compared: with the two wrong ones more than lock.
    let sessions: Vec<i64> = (0..8).map(|_| session(&shop, account)).collect();
    std::thread::scope(|scope| {
        let paying: Vec<_> = sessions.iter().map(|session| scope.spawn(|| pay(&shop, *session, &key(), RIGHT).ok())).collect();
        for paid in paying {
            assert_eq!(paid.join().expect("an answer")["status"], "COMPLETED");
        }
    });
}

#[test]
fn the_count_survives_a_restart() {
    let (mut server, shop, account) = guarded();
    let first = session(&shop, account);
    for _ in 0..5 {
        pay(&shop, first, &key(), WRONG).refused_in_words(403);
    }
    server.kill();
    server.restart(&[]);
    let shop = server.sign_in(&shop.credentials);
    pay(&shop, first, &key(), RIGHT).refused_in_words(403);
    shop.assert_balance("USD", "1000.00", "0.00");
}

/// The key is looked at before the passcode, and a replay is not a guess.
#[test]
fn a_replay_needs_no_passcode() {
    let (_server, shop, account) = guarded();
    let (session, reference) = (session(&shop, account), key());
    let first = pay(&shop, session, &reference, RIGHT).ok();
    assert_eq!(shop.execute("payout", session, &reference).ok(), first);
    for _ in 0..6 {
        assert_eq!(pay(&shop, session, &reference, WRONG).ok(), first);
    }
    let another = id(&shop.open_payout(account, "USD", "10.00").ok());
    assert_eq!(pay(&shop, another, &key(), RIGHT).ok()["status"], "COMPLETED");
}

/// The passcode is looked at before the state: a guess on an unknown session is still a guess.
#[test]
fn a_wrong_passcode_is_told_before_the_state() {
    let (_server, shop, _account) = guarded();
    pay(&shop, 987_654, &key(), WRONG).refused_in_words(403);
    pay(&shop, 987_654, &key(), RIGHT).state_fault("body.session_id");
}

#[test]
fn transfers_ask_for_no_passcode() {
    let (_server, shop, _account) = guarded();
    assert_eq!(shop.transfer(shop.customer(), "USD", "10.00")["status"], "COMPLETED");
}

fn set(shop: &Merchant, passcode: &str, current: Option<&str>) -> Reply {
    shop.api.post("/v1/merchants/passcode/set", &json!({"passcode": passcode, "current": current}))
}

#[test]
fn a_merchant_sets_its_own_passcode() {
    let (server, shop) = open();
    server.fund(&shop, "USD", "1000.00");
    let account = shop.momo("PAYOUT", GOOD);
    set(&shop, RIGHT, None).ok();
    let session = session(&shop, account);
    assert_eq!(shop.execute("payout", session, &key()).refused_in_words(403), "passcode required");
    assert_eq!(pay(&shop, session, &key(), RIGHT).ok()["status"], "COMPLETED");
}

#[test]
fn a_passcode_is_replaced_by_who_knows_it() {
    let (_server, shop, account) = guarded();
    assert_eq!(set(&shop, "new one", None).refused_in_words(403), "passcode required");
    assert_eq!(set(&shop, "new one", Some(WRONG)).refused_in_words(403), "passcode invalid");
    set(&shop, "new one", Some(RIGHT)).ok();
    pay(&shop, session(&shop, account), &key(), RIGHT).refused_in_words(403);
    assert_eq!(pay(&shop, session(&shop, account), &key(), "new one").ok()["status"], "COMPLETED");
}

/// Payouts and changes share one count: who guesses here is locked out there.
#[test]
fn wrong_ones_at_a_change_lock_payouts_too() {
    let (_server, shop, account) = guarded();
    for _ in 0..3 {
        set(&shop, "new one", Some(WRONG)).refused_in_words(403);
    }
    for _ in 0..2 {
        pay(&shop, session(&shop, account), &key(), WRONG).refused_in_words(403);
    }
    assert!(set(&shop, "new one", Some(RIGHT)).refused_in_words(403).contains("locked"));
    assert!(pay(&shop, session(&shop, account), &key(), RIGHT).refused_in_words(403).contains("locked"));
}

#[test]
fn one_that_is_not_given_is_no_guess() {
    let (_server, shop, _account) = guarded();
    for _ in 0..6 {
        assert_eq!(set(&shop, "new one", None).refused_in_words(403), "passcode required");
    }
    set(&shop, "new one", Some(RIGHT)).ok();
}

#[test]
fn of_two_first_passcodes_one_is_set() {
    let (_server, shop) = open();
    let codes: Vec<String> = (0..4).map(|n| format!("code {n}")).collect();
    let shop = &shop;
    let set_ones: Vec<&String> = std::thread::scope(|scope| {
        let tries: Vec<_> = codes.iter().map(|code| scope.spawn(move || (code, set(shop, code, None).status))).collect();
        let done = tries.into_iter().map(|t| t.join().expect("a try"));
        done.filter(|(_, status)| *status == 200).map(|(code, _)| code).collect()
    });
    assert_eq!(set_ones.len(), 1, "{set_ones:?}");
    set(shop, "the next", Some(set_ones[0])).ok();
}

#[test]
fn a_passcode_has_4_to_128_characters() {
    let (_server, shop) = open();
    let fault = set(&shop, " 123 ", None).fault("body.passcode");
    fault.says("ensure this value has at least 4 characters", "value_error.any_str.min_length");
    set(&shop, &"9".repeat(129), None).fault("body.passcode");
    shop.api.post("/v1/merchants/passcode/set", &json!({"current": 7})).faults_are_at(&["body.passcode", "body.current"]);
    set(&shop, &"9".repeat(128), None).ok();
}

/// What a request cannot say must not be set: it would lock every payout out.
#[test]
fn the_operator_sets_only_what_a_request_can_say() {
    let (server, shop) = open();
    server.fund(&shop, "USD", "1000.00");
    let account = shop.momo("PAYOUT", GOOD);
    let merchant = shop.credentials.merchant_id.to_string();
    let set = |code: &str| server.database.kola_with_input(&["merchant", "set-passcode", "--merchant", &merchant], code);
    set("12\t34\n").refused();
    set("  482913 \n").ok();
    assert_eq!(pay(&shop, session(&shop, account), &key(), RIGHT).ok()["status"], "COMPLETED");
}
