//! The passcode of payouts: it is required if set, and a try is counted before it is compared.

use jiff::Timestamp;

use crate::support::process::Credentials;
use crate::support::shop::GOOD;
use crate::support::{
    Database, Merchant, Reply, Server, all_at_once, id, json, key, open, shown, spawn, wait_for,
};

const RIGHT: &str = "482913";
const WRONG: &str = "000000";

/// A server, a merchant with money and a passcode, and an account to pay out to.
fn guarded() -> (Server, Merchant, i64) {
    guarded_by(|database| Server::start(database, &[]))
}

/// The same with the server as a process.
fn guarded_by_a_process() -> (Server, Merchant, i64) {
    guarded_by(|database| Server::spawn(database, &[]))
}

fn guarded_by(start: impl FnOnce(Database) -> Server) -> (Server, Merchant, i64) {
    let database = Database::with_schema();
    let credentials = database.merchant("Shop");
    let merchant = credentials.merchant_id.to_string();
    database
        .kola_with_input(
            &["merchant", "set-passcode", "--merchant", &merchant],
            &format!("{RIGHT}\n"),
        )
        .ok();
    let server = start(database);
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
    assert!(
        shop.api
            .post("/v1/executions/payout", &body)
            .refused_in_words(403)
            .contains("passcode required")
    );
}

#[test]
fn one_of_another_shape_is_told_where_one_is_needed() {
    let (server, shop, account) = guarded();
    let (session, reference) = (session(&shop, account), key());
    let with = |shop: &Merchant, session: i64, passcode: &serde_json::Value| {
        let body = json!({"session_id": session, "reference_id": reference, "passcode": passcode});
        shop.api.post("/v1/executions/payout", &body)
    };
    with(&shop, session, &json!("482913"))
        .fault("body.passcode")
        .says("value is not a valid dict", "type_error.dict");
    with(&shop, session, &json!({"token": {"code": 482_913}}))
        .faults_are_at(&["body.passcode.token.code"]);
    assert!(
        with(&shop, session, &json!(null)).refused_in_words(403).starts_with("passcode required")
    );
    assert_eq!(
        with(&shop, session, &json!({"token": {"code": RIGHT}})).ok()["status"],
        "COMPLETED"
    );
    assert_eq!(
        with(&shop, session, &json!("482913")).ok()["status"],
        "COMPLETED",
        "a replay needs none"
    );
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
    let seconds: u32 =
        locked.header("retry-after").and_then(|text| text.parse().ok()).expect("how long to wait");
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
    server
        .database
        .kola_with_input(&["merchant", "set-passcode", "--merchant", &merchant], RIGHT)
        .ok();
    assert_eq!(pay(&shop, session, &key(), RIGHT).ok()["status"], "COMPLETED");
}

/// A lock lasts by server time, not by the clock that the merchant can advance.
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

/// Otherwise an attacker could hide its guesses behind right ones of the victim.
#[test]
fn guesses_between_right_ones_add_up() {
    let (_server, shop, account) = guarded();
    for _ in 0..4 {
        pay(&shop, session(&shop, account), &key(), WRONG).refused_in_words(403);
        assert_eq!(pay(&shop, session(&shop, account), &key(), RIGHT).ok()["status"], "COMPLETED");
    }
    pay(&shop, session(&shop, account), &key(), WRONG).refused_in_words(403);
    assert!(
        pay(&shop, session(&shop, account), &key(), RIGHT).refused_in_words(403).contains("locked")
    );
}

/// The same merchant with another API key.
fn by_another_key(server: &Server, shop: &Merchant) -> Merchant {
    let made = shop.api.call("POST", "/v1/api-keys/create", None).ok();
    let (client_id, client_secret) = (shown(&made, "client_id"), shown(&made, "client_secret"));
    server.sign_in(&Credentials { client_id, client_secret, ..shop.credentials.clone() })
}

#[test]
fn one_key_does_not_lock_another() {
    let (server, shop, account) = guarded();
    let till = by_another_key(&server, &shop);
    for _ in 0..5 {
        pay(&till, session(&shop, account), &key(), WRONG).refused_in_words(403);
    }
    assert!(
        pay(&till, session(&shop, account), &key(), RIGHT).refused_in_words(403).contains("locked")
    );
    assert_eq!(pay(&shop, session(&shop, account), &key(), RIGHT).ok()["status"], "COMPLETED");
}

#[test]
fn twenty_of_all_keys_in_a_day_lock_until_the_operator_lifts_it() {
    let (server, shop, account) = guarded();
    let session = session(&shop, account);
    for _ in 0..4 {
        let till = by_another_key(&server, &shop);
        for _ in 0..5 {
            pay(&till, session, &key(), WRONG).refused_in_words(403);
        }
    }
    let locked = pay(&shop, session, &key(), RIGHT);
    assert!(
        locked.refused_in_words(403).contains("kola merchant passcode --merchant ID --unlock"),
        "{locked:?}"
    );
    assert_eq!(locked.header("retry-after"), Some("86400"));
    let merchant = shop.credentials.merchant_id.to_string();
    server.kola(&["merchant", "passcode", "--merchant", &merchant, "--unlock"]).ok();
    assert_eq!(pay(&shop, session, &key(), RIGHT).ok()["status"], "COMPLETED");
    server.kola(&["merchant", "passcode", "--merchant", "987654", "--unlock"]).refused();
    server.kola(&["merchant", "passcode", "--merchant", &merchant]).refused();
}

/// Writes reserved tries as dead processes left them behind, with these ages in seconds.
fn leave_reserved(server: &Server, shop: &Merchant, ages: &[i64]) {
    let api_key = id(&shop.api.get("/v1/api-keys/list").rows()[0]);
    let now = Timestamp::now().as_microsecond();
    let tries = ages
        .iter()
        .zip(1..)
        .map(|(age, n)| format!("{n} {api_key} {} reserved", now - age * 1_000_000));
    let text = tries.collect::<Vec<_>>().join(", ");
    server.database.sql(&format!("UPDATE passcodes SET tries = '{text}'"));
}

#[test]
fn where_tries_under_way_would_lock_a_call_waits_for_a_place_and_is_then_told_to_come_back() {
    let (server, shop, account) = guarded();
    let session = session(&shop, account);
    // The tries are of a process whose clock is ahead, so that they stay reserved as long as this
    // test needs.
    leave_reserved(&server, &shop, &[-600; 5]);
    let crowded = pay(&shop, session, &key(), RIGHT);
    crowded.refused_in_words(429);
    assert_eq!(crowded.header("retry-after"), Some("1"));
    leave_reserved(&server, &shop, &[-600; 4]);
    assert_eq!(pay(&shop, session, &key(), RIGHT).ok()["status"], "COMPLETED");
}

/// A process that died after reserving a try may already have answered that it was wrong.
#[test]
fn what_a_process_that_died_had_reserved_counts_as_wrong() {
    let (server, shop, account) = guarded();
    leave_reserved(&server, &shop, &[31; 4]);
    assert_eq!(pay(&shop, session(&shop, account), &key(), RIGHT).ok()["status"], "COMPLETED");
    pay(&shop, session(&shop, account), &key(), WRONG).refused_in_words(403);
    assert!(
        pay(&shop, session(&shop, account), &key(), RIGHT).refused_in_words(403).contains("locked")
    );
}

/// The reservation is on disk before the passcode is compared: killing the process in between does
/// not give a guess back.
#[test]
fn a_guess_counts_though_the_process_is_killed_while_it_compares() {
    let (mut server, shop, account) = guarded_by_a_process();
    let session = session(&shop, account);
    let database = server.database.clone();
    let tries = || database.value("SELECT tries FROM passcodes");
    loop {
        let guess = json!({"session_id": session, "reference_id": key(),
            "passcode": {"token": {"code": WRONG, "user_id": null, "phone": null}, "device": null}});
        let api = server.api.with_token(server.sign_in(&shop.credentials).api.token.as_deref());
        std::thread::scope(|scope| {
            let guessing =
                scope.spawn(move || api.try_call("POST", "/v1/executions/payout", Some(&guess)));
            wait_for("the guess", || {
                (tries().contains("reserved") || guessing.is_finished()).then_some(())
            });
            server.kill();
        });
        server.restart(&[]);
        if tries().contains("reserved") {
            break;
        }
        // The try had been compared before the process was killed.
        server.database.sql("UPDATE passcodes SET tries = ''");
    }
    let shop = server.sign_in(&shop.credentials);
    let left = tries();
    let words: Vec<&str> = left.split(' ').collect();
    let at: i64 = words[2].parse().expect("a time");
    let aged = format!("{} {} {} {}", words[0], words[1], at - 30_000_000, words[3]);
    database.sql(&format!("UPDATE passcodes SET tries = '{aged}'"));
    for _ in 0..4 {
        assert!(
            pay(&shop, session, &key(), WRONG)
                .refused_in_words(403)
                .starts_with("passcode invalid")
        );
    }
    assert!(pay(&shop, session, &key(), RIGHT).refused_in_words(403).contains("locked"));
}

/// A reservation is on disk before the passcode is compared, and a right try leaves nothing.
#[test]
fn tries_are_rows_and_right_ones_leave_none() {
    let (server, shop, account) = guarded();
    let tries = || server.database.value("SELECT tries FROM passcodes");
    assert_eq!(pay(&shop, session(&shop, account), &key(), RIGHT).ok()["status"], "COMPLETED");
    assert_eq!(tries(), "");
    pay(&shop, session(&shop, account), &key(), WRONG).refused_in_words(403);
    assert!(tries().ends_with(" wrong"), "{}", tries());
    assert_eq!(server.database.value("SELECT attempts FROM passcodes"), "1");
}

#[test]
fn right_ones_at_once_at_three_processes_do_not_lock() {
    let (server, shop, account) = guarded();
    for _ in 0..2 {
        pay(&shop, session(&shop, account), &key(), WRONG).refused_in_words(403);
    }
    let others = [server.spawn_another(&[]), server.spawn_another(&[])];
    let doors = [shop.at(&server), shop.at(&others[0]), shop.at(&others[1])];
    let sessions: Vec<(usize, i64)> = (0..12).map(|n| (n % 3, session(&shop, account))).collect();
    let replies = all_at_once(&sessions, |(door, session)| {
        loop {
            let reply = pay(&doors[*door], *session, &key(), RIGHT);
            if reply.status != 429 {
                return reply;
            }
        }
    });
    for reply in replies {
        assert_eq!(reply.ok()["status"], "COMPLETED");
    }
}

fn remove(shop: &Merchant, current: &str) -> Reply {
    shop.api.post("/v1/merchants/passcode/remove", &json!({"current": current}))
}

#[test]
fn a_passcode_is_removed_by_who_knows_it() {
    let (_server, shop, account) = guarded();
    assert!(remove(&shop, WRONG).refused_in_words(403).starts_with("passcode invalid"));
    shop.api.post("/v1/merchants/passcode/remove", &json!({})).fault("body.current").is_missing();
    assert_eq!(remove(&shop, RIGHT).ok(), json!({"has_passcode": false}));
    assert_eq!(shop.execute("payout", session(&shop, account), &key()).ok()["status"], "COMPLETED");
    assert_eq!(
        remove(&shop, RIGHT).ok(),
        json!({"has_passcode": false}),
        "once more changes nothing"
    );
    set(&shop, "a new one", None).ok();
    pay(&shop, session(&shop, account), &key(), RIGHT).refused_in_words(403);
    assert_eq!(
        pay(&shop, session(&shop, account), &key(), "a new one").ok()["status"],
        "COMPLETED"
    );
}

/// Wrong passcodes in a change count like others.
#[test]
fn a_passcode_is_not_guessed_by_removing_it() {
    let (_server, shop, account) = guarded();
    for _ in 0..5 {
        remove(&shop, WRONG).refused_in_words(403);
    }
    assert!(remove(&shop, RIGHT).refused_in_words(403).contains("locked"));
    assert!(
        pay(&shop, session(&shop, account), &key(), RIGHT).refused_in_words(403).contains("locked")
    );
}

#[test]
fn the_operator_removes_a_passcode() {
    let (server, shop, account) = guarded();
    let merchant = shop.credentials.merchant_id.to_string();
    server.kola(&["merchant", "passcode", "--merchant", &merchant, "--remove"]).ok();
    assert_eq!(shop.execute("payout", session(&shop, account), &key()).ok()["status"], "COMPLETED");
    server.kola(&["merchant", "passcode", "--merchant", "987654", "--remove"]).refused();
}

/// Each hash takes 19 MiB. The memory for many of them must not stay with the process.
#[cfg(target_os = "linux")]
#[test]
fn a_crowd_of_hashes_takes_little_memory() {
    let (server, shop) = spawn();
    let before = server.memory_peak_kib();
    let codes: Vec<String> = (0..40).map(|n| format!("code {n}")).collect();
    // Only the first one is set; the others are hashed and then refused.
    let statuses = all_at_once(&codes, |code| set(&shop, code, None).status);
    assert!(statuses.iter().all(|status| matches!(status, 200 | 403 | 429)), "{statuses:?}");
    // Two hashes are made at a time, and the program without optimization is not small itself.
    let taken = server.memory_peak_kib() - before;
    assert!(taken < 60_000, "{taken} KiB");
}

#[test]
fn parallel_guesses_do_not_outrun_the_lock() {
    let (_server, shop, account) = guarded();
    let session = session(&shop, account);
    let answers: Vec<String> = std::thread::scope(|scope| {
        let guesses: Vec<_> =
            (0..16).map(|_| scope.spawn(|| pay(&shop, session, &key(), WRONG))).collect();
        guesses.into_iter().map(|g| g.join().expect("a guess").body["detail"].to_string()).collect()
    });
    let compared = answers.iter().filter(|said| said.contains("passcode invalid")).count();
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
    // Each try counts until it was compared. With the two wrong ones they would be enough for a
    // lock.
    let sessions: Vec<i64> = (0..8).map(|_| session(&shop, account)).collect();
    std::thread::scope(|scope| {
        let paying: Vec<_> = sessions
            .iter()
            .map(|session| scope.spawn(|| pay(&shop, *session, &key(), RIGHT).ok()))
            .collect();
        for paid in paying {
            assert_eq!(paid.join().expect("an answer")["status"], "COMPLETED");
        }
    });
}

#[test]
fn the_count_survives_a_restart() {
    let (mut server, shop, account) = guarded_by_a_process();
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

/// The `reference_id` is checked before the passcode: a replay is no guess.
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

/// The passcode is checked before the state: a guess with an unknown session is still a guess.
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
    assert!(
        shop.execute("payout", session, &key())
            .refused_in_words(403)
            .starts_with("passcode required")
    );
    assert_eq!(pay(&shop, session, &key(), RIGHT).ok()["status"], "COMPLETED");
}

#[test]
fn a_passcode_is_replaced_by_who_knows_it() {
    let (_server, shop, account) = guarded();
    assert!(set(&shop, "new one", None).refused_in_words(403).starts_with("passcode required"));
    assert!(
        set(&shop, "new one", Some(WRONG)).refused_in_words(403).starts_with("passcode invalid")
    );
    set(&shop, "new one", Some(RIGHT)).ok();
    pay(&shop, session(&shop, account), &key(), RIGHT).refused_in_words(403);
    assert_eq!(pay(&shop, session(&shop, account), &key(), "new one").ok()["status"], "COMPLETED");
}

/// Payouts and changes share one count: guesses at one lock the other, too.
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
    assert!(
        pay(&shop, session(&shop, account), &key(), RIGHT).refused_in_words(403).contains("locked")
    );
}

#[test]
fn one_that_is_not_given_is_no_guess() {
    let (_server, shop, _account) = guarded();
    for _ in 0..6 {
        assert!(set(&shop, "new one", None).refused_in_words(403).starts_with("passcode required"));
    }
    set(&shop, "new one", Some(RIGHT)).ok();
}

#[test]
fn of_two_first_passcodes_one_is_set() {
    let (_server, shop) = open();
    let codes: Vec<String> = (0..4).map(|n| format!("code {n}")).collect();
    let shop = &shop;
    let set_ones: Vec<&String> = std::thread::scope(|scope| {
        let tries: Vec<_> = codes
            .iter()
            .map(|code| scope.spawn(move || (code, set(shop, code, None).status)))
            .collect();
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
    shop.api
        .post("/v1/merchants/passcode/set", &json!({"current": 7}))
        .faults_are_at(&["body.passcode", "body.current"]);
    set(&shop, &"9".repeat(128), None).ok();
}

/// A passcode that no request could send must not be set: no payout would be possible.
#[test]
fn the_operator_sets_only_what_a_request_can_say() {
    let (server, shop) = open();
    server.fund(&shop, "USD", "1000.00");
    let account = shop.momo("PAYOUT", GOOD);
    let merchant = shop.credentials.merchant_id.to_string();
    let set = |code: &str| {
        server
            .database
            .kola_with_input(&["merchant", "set-passcode", "--merchant", &merchant], code)
    };
    set("12\t34\n").refused();
    set("  482913 \n").ok();
    assert_eq!(pay(&shop, session(&shop, account), &key(), RIGHT).ok()["status"], "COMPLETED");
}
