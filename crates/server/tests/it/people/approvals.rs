//! Payouts and transfers above a limit, which a second person approves.

use serde_json::Value;

use super::{id_of, member, open_with_key};
use crate::people::person::{Person, leads, text};
use crate::support::process::Credentials;
use crate::support::shop::GOOD;
use crate::support::{
    Merchant, Reply, Server, after, all_at_once, id, json, key, number, open, open_two, shown,
};

const DAY: i64 = 86_400;

/// A merchant with 500.00 USD whose payouts and transfers above 100.00, or 250.00 a day, need a second
/// person, those of programs, too.
fn limited() -> (Server, Merchant) {
    let (server, shop) = open_with_key();
    server.fund(&shop, "USD", "500.00");
    set_limits(&server, &shop, &["--payment", "100", "--day", "250", "--bind-api-keys", "true"]);
    (server, shop)
}

#[track_caller]
pub(crate) fn set_limits(server: &Server, shop: &Merchant, limits: &[&str]) -> String {
    let id = shop.credentials.merchant_id.to_string();
    let mut all = vec!["merchant", "limits", "--merchant", &id, "--currency", "USD"];
    all.extend_from_slice(limits);
    server.kola(&all).ok()
}

/// A key of the merchant that the operator has made: another holder than the first.
#[track_caller]
pub(super) fn operators_key(server: &Server, shop: &Merchant, role: &str) -> Merchant {
    let id = shop.credentials.merchant_id.to_string();
    let made =
        server.kola(&["merchant", "create-key", "--merchant", &id, "--role", role, "--json"]).ok();
    sign_in(server, shop, &serde_json::from_str(&made).expect("JSON"))
}

#[track_caller]
fn sign_in(server: &Server, shop: &Merchant, made: &Value) -> Merchant {
    let (client_id, client_secret) = (shown(made, "client_id"), shown(made, "client_secret"));
    server.sign_in(&Credentials { client_id, client_secret, ..shop.credentials.clone() })
}

/// The only request that waits.
#[track_caller]
fn waiting(shop: &Merchant) -> Value {
    let mut rows = shop.api.get("/v1/approvals/list?status=REQUESTED").rows();
    assert_eq!(rows.len(), 1, "{rows:?}");
    rows.remove(0)
}

#[track_caller]
fn answer(shop: &Merchant, how: &str, approval: i64) -> Reply {
    shop.api.post(&format!("/v1/approvals/{how}/{approval}"), &json!({}))
}

fn payout(shop: &Merchant, amount: &str) -> Value {
    let account = shop.momo("PAYOUT", GOOD);
    shop.send(account, "USD", amount)
}

#[test]
fn a_payout_above_the_limit_waits_until_somebody_else_approves_it() {
    let (server, shop) = limited();
    let held = payout(&shop, "120.00");
    assert_eq!((shown(&held, "status"), shown(&held, "waiting_for")), both("PENDING", "approval"));
    assert_eq!(held["next_check_at"], Value::Null);
    // With the fee of 1.5 percent.
    shop.assert_balance("USD", "378.20", "121.80");
    let found = waiting(&shop);
    assert_eq!((shown(&found, "above"), shown(&found, "amount")), both("PAYMENT", "120.00"));
    assert_eq!(found["requested_by"]["type"], "API_KEY");
    assert_eq!(shown(&found, "reference_id"), shown(&held, "reference_id"));
    // Nobody sends it meanwhile, however long that takes.
    shop.advance(2 * DAY);
    let reference = shown(&held, "reference_id");
    assert_eq!(shown(&shop.status("payout", &reference), "status"), "PENDING");
    // Whoever asked for it cannot, by the same key or by one that they make.
    let own = answer(&shop, "approve", id(&found));
    assert!(own.refused_in_words(403).contains("somebody else"));
    let made = shop.api.post("/v1/api-keys/create", &json!({"role": "FINANCE"})).ok();
    let theirs = sign_in(&server, &shop, &made);
    let again = answer(&theirs, "approve", id(&found));
    assert!(again.refused_in_words(403).contains("somebody else"));
    // Nor can who may not.
    let manager = operators_key(&server, &shop, "MANAGER");
    answer(&manager, "approve", id(&found)).refused(403);
    answer(&manager, "refuse", id(&found)).refused(403);
    let finance = operators_key(&server, &shop, "FINANCE");
    let done = answer(&finance, "approve", id(&found)).ok();
    assert_eq!(shown(&done, "status"), "APPROVED");
    assert_eq!(done["decided_by"]["type"], "API_KEY");
    let paid = shop.settled("payout", &held);
    assert_eq!(shown(&paid, "status"), "COMPLETED");
    shop.assert_balance("USD", "378.20", "0.00");
    // The same answer again changes nothing, and another one is too late.
    assert_eq!(shown(&answer(&finance, "approve", id(&found)).ok(), "status"), "APPROVED");
    answer(&finance, "refuse", id(&found)).refused(422);
    shop.assert_balance("USD", "378.20", "0.00");
    assert!(shop.api.get("/v1/approvals/list?status=REQUESTED").rows().is_empty());
    server.verify_ledger();
}

fn both(a: &str, b: &str) -> (String, String) {
    (a.to_owned(), b.to_owned())
}

#[test]
fn what_is_refused_or_forgotten_fails_and_gives_its_money_back() {
    let (server, shop) = limited();
    let finance = operators_key(&server, &shop, "FINANCE");
    let refused = payout(&shop, "120.00");
    let approval = id(&waiting(&shop));
    let body = json!({"note": "twice the same invoice"});
    let done = finance.api.post(&format!("/v1/approvals/refuse/{approval}"), &body).ok();
    assert_eq!(
        (shown(&done, "status"), shown(&done, "execution_status")),
        both("REFUSED", "FAILED")
    );
    let failed = shop.status("payout", &shown(&refused, "reference_id"));
    assert_eq!(shown(&failed, "gateway_message"), "it was not approved: twice the same invoice");
    shop.assert_balance("USD", "500.00", "0.00");
    // Whoever asked for it takes it back.
    payout(&shop, "120.00");
    let own = id(&waiting(&shop));
    assert_eq!(shown(&answer(&shop, "refuse", own).ok(), "status"), "REFUSED");
    answer(&finance, "approve", own).refused(422);
    // Nobody answers.
    let forgotten = payout(&shop, "120.00");
    let late = id(&waiting(&shop));
    shop.advance(3 * DAY);
    answer(&finance, "approve", late).refused(422);
    let failed = shop.settled("payout", &forgotten);
    assert_eq!(shown(&failed, "gateway_message"), "nobody approved it within 72 hours");
    let rows = shop.api.get("/v1/approvals/list?status=EXPIRED").rows();
    assert_eq!((rows.len(), id(&rows[0])), (1, late));
    shop.assert_balance("USD", "500.00", "0.00");
    server.verify_ledger();
}

/// A payout session that is good for three days.
#[track_caller]
fn declared(shop: &Merchant, account: i64, amount: &str) -> i64 {
    let body = json!({
        "wallet_id": shop.wallet("USD"), "payment_account_id": account, "amount": number(amount),
        "currency": "USD", "expires_at": after(3 * DAY),
    });
    id(&shop.api.post("/v1/sessions/payout", &body).ok())
}

#[test]
fn many_small_ones_of_a_day_need_somebody_too() {
    let (server, shop) = limited();
    let account = shop.momo("PAYOUT", GOOD);
    let sessions = ["100.00", "100.00", "50.00", "0.01", "90.00"];
    let sessions = sessions.map(|amount| declared(&shop, account, amount));
    let send = |at: usize| shown(&shop.execute("payout", sessions[at], &key()).ok(), "waiting_for");
    // An hour after midnight, so that no other day begins in between.
    let seconds = jiff::Timestamp::now().as_second();
    shop.advance(DAY - seconds.rem_euclid(DAY) + 3_600);
    for at in 0..3 {
        assert_ne!(send(at), "approval", "a limit may be reached");
    }
    assert_eq!(send(3), "approval");
    let open = waiting(&shop);
    assert_eq!(shown(&open, "above"), "DAY");
    // What has failed does not count.
    let sum = || server.database.value("SELECT sum(sent_minor) FROM wallets");
    assert_eq!(sum(), "25001");
    answer(&shop, "refuse", id(&open)).ok();
    assert_eq!(sum(), "25000");
    server.verify_ledger();
    shop.advance(DAY);
    assert_ne!(send(4), "approval", "of another day");
    assert_eq!(sum(), "9000");
    server.verify_ledger();
}

#[test]
fn a_transfer_waits_too_and_reaches_its_receiver_then() {
    let (server, shop) = limited();
    let party = shop.party();
    let counterparty = shop.counterparty(party);
    let held = shop.transfer(counterparty, "USD", "150.00");
    assert_eq!((shown(&held, "status"), shown(&held, "waiting_for")), both("PENDING", "approval"));
    shop.assert_balance("USD", "350.00", "150.00");
    let receiver = shop.wallet_of(party, "USD");
    assert_eq!(shop.money_in(receiver), both("0.00", "0.00"));
    let finance = operators_key(&server, &shop, "FINANCE");
    let done = answer(&finance, "approve", id(&waiting(&shop))).ok();
    assert_eq!(shown(&done, "execution_status"), "COMPLETED");
    assert_eq!(shop.money_in(receiver), both("150.00", "0.00"));
    shop.assert_balance("USD", "350.00", "0.00");
    server.verify_ledger();
    // One whose receiver cannot be credited any more fails.
    let held = shop.transfer(counterparty, "USD", "150.00");
    server.set_wallet(receiver, "FROZEN");
    let done = answer(&finance, "approve", id(&waiting(&shop))).ok();
    assert_eq!(
        (shown(&done, "status"), shown(&done, "execution_status")),
        both("APPROVED", "FAILED")
    );
    assert_eq!(shown(&shop.status("transfer", &shown(&held, "reference_id")), "status"), "FAILED");
    shop.assert_balance("USD", "350.00", "0.00");
    server.verify_ledger();
}

#[test]
fn of_two_who_approve_at_once_one_does() {
    let (server, shop) = limited();
    let held = payout(&shop, "120.00");
    let approval = id(&waiting(&shop));
    let (one, other) =
        (operators_key(&server, &shop, "FINANCE"), operators_key(&server, &shop, "OWNER"));
    let replies = all_at_once(
        &[(&one, "approve"), (&other, "approve"), (&other, "refuse")],
        |(shop, how)| answer(shop, how, approval).status,
    );
    assert_eq!(replies.iter().filter(|status| **status == 200).count(), 1, "{replies:?}");
    shop.settled("payout", &held);
    server.verify_ledger();
}

#[test]
fn people_answer_at_their_page() {
    let (server, shop) = limited();
    let page_path = format!("/app/approvals/{}", shop.credentials.merchant_id);
    let mut finance = member(&server, &shop, "FINANCE", "efua@shop.example");
    assert!(text(&finance.browser.get(&page_path)).contains("Nothing waits"));
    let held = payout(&shop, "120.00");
    let refused = payout(&shop, "110.00");
    let ids = server.database.rows("SELECT id FROM approvals ORDER BY id");
    let page = finance.browser.get(&page_path);
    for part in ["Payout of 120.00 USD", "Approve 110.00 USD", "with fees", "API key"] {
        assert!(
            text(&page).to_lowercase().contains(&part.to_lowercase()),
            "{part}: {}",
            text(&page)
        );
    }
    let of = |person: &mut Person, id: &str, how: &str, fields: &[(&str, &str)]| {
        person.browser.post(&format!("{page_path}/{id}/{how}"), fields)
    };
    let mut manager = member(&server, &shop, "MANAGER", "kofi@shop.example");
    manager.set_up_codes(&server);
    let page = manager.browser.get(&page_path);
    assert!(text(&page).contains("Payout of 120.00 USD"));
    assert!(!text(&page).contains("Approve 120.00") && !text(&page).contains(">Refuse<"));
    assert_eq!(of(&mut manager, &ids[0][0], "approve", &[]).status, 403);
    assert_eq!(of(&mut manager, &ids[0][0], "refuse", &[]).status, 403);
    let mut viewer = member(&server, &shop, "VIEWER", "yaa@shop.example");
    viewer.set_up_codes(&server);
    assert_eq!(viewer.browser.get(&page_path).status, 403);
    // A code of a moment ago is asked for.
    server.database.sql("UPDATE logins SET second_factor_at = second_factor_at - 300000000");
    let asked = of(&mut finance, &ids[0][0], "approve", &[]);
    let to = format!("{page_path}/{}/approve", ids[0][0]);
    assert_eq!(leads(&asked), format!("/app/second-factor?next={page_path}&to={to}"));
    finance.give_code(&server);
    assert_eq!(leads(&of(&mut finance, &ids[0][0], "approve", &[])), page_path);
    assert_eq!(shown(&shop.settled("payout", &held), "status"), "COMPLETED");
    let long = "x".repeat(256);
    assert_eq!(of(&mut finance, &ids[1][0], "refuse", &[("note", &long)]).status, 422);
    let note = [("note", "<b>not ours</b>")];
    assert_eq!(leads(&of(&mut finance, &ids[1][0], "refuse", &note)), page_path);
    let failed = shop.status("payout", &shown(&refused, "reference_id"));
    assert_eq!(shown(&failed, "status"), "FAILED");
    let page = finance.browser.get(&page_path);
    for part in ["approved and paid", "refused", "&#60;b&#62;not ours", "Nothing waits"] {
        assert!(text(&page).contains(part), "{part}: {}", text(&page));
    }
    // What was answered already is said in the words of the page, and why a reason is not taken.
    for (id, how, fields, said) in [
        (&ids[0][0], "refuse", &note[..], "It was approved already."),
        (&ids[1][0], "approve", &[], "It was refused already."),
        (&ids[1][0], "refuse", &[("note", "a\u{202e}b")], "invisible character, U+202E"),
    ] {
        let page = of(&mut finance, id, how, fields);
        assert_eq!(page.status, 422, "{how}: {}", text(&page));
        assert!(text(&page).contains(said), "{how} {said}: {}", text(&page));
    }
    let by =
        server.database.rows("SELECT decided_by_kind, decided_by_id FROM approvals ORDER BY id");
    let finance_id = id_of(&server, "efua@shop.example");
    assert_eq!(by, [["6".to_owned(), finance_id.clone()], ["6".to_owned(), finance_id]]);
    server.verify_ledger();
}

#[test]
fn nobody_answers_for_another_merchant() {
    let (server, shop, other) = open_two();
    server.fund(&shop, "USD", "500.00");
    set_limits(&server, &shop, &["--payment", "0", "--bind-api-keys", "true"]);
    let held = payout(&shop, "1.00");
    let approval = id(&waiting(&shop));
    assert!(other.api.get("/v1/approvals/list").rows().is_empty());
    for how in ["approve", "refuse"] {
        answer(&other, how, approval).refused(404);
    }
    assert_eq!(shown(&shop.status("payout", &shown(&held, "reference_id")), "status"), "PENDING");
    server.verify_ledger();
}

#[test]
fn limits_are_set_and_taken_away() {
    let (server, shop) = open();
    server.fund(&shop, "USD", "500.00");
    // Programs are bound only where the merchant says so.
    let shown_limits = set_limits(&server, &shop, &["--payment", "10", "--day", "20"]);
    for part in ["10.00", "20.00", "people"] {
        assert!(shown_limits.contains(part), "{shown_limits}");
    }
    assert_ne!(shown(&payout(&shop, "50.00"), "waiting_for"), "approval");
    set_limits(&server, &shop, &["--bind-api-keys", "true"]);
    assert_eq!(shown(&payout(&shop, "50.00"), "waiting_for"), "approval");
    set_limits(&server, &shop, &["--payment", "none", "--day", "none"]);
    assert_ne!(shown(&payout(&shop, "50.00"), "waiting_for"), "approval");
    let id = shop.credentials.merchant_id.to_string();
    for bad in ["-1", "1.001", "x"] {
        let run = server.kola(&[
            "merchant",
            "limits",
            "--merchant",
            &id,
            "--currency",
            "USD",
            "--payment",
            bad,
        ]);
        assert!(run.refused().contains("no amount"), "{bad}");
    }
    server.verify_ledger();
}

#[test]
fn an_owner_lowers_the_limits_and_only_the_operator_raises_them() {
    let (server, shop) = open_with_key();
    let mut owner = member(&server, &shop, "OWNER", "ama@shop.example");
    let team = format!("/app/team/{}", shop.credentials.merchant_id);
    let set = |owner: &mut Person, payment: &str, day: &str, keys: &str| {
        let fields =
            [("currency", "usd"), ("payment", payment), ("day", day), ("bind_api_keys", keys)];
        owner.browser.post(&format!("{team}/limits"), &fields)
    };
    let stored = || {
        server.database.rows("SELECT payment_minor, day_minor, bind_api_keys FROM merchant_limits")
    };
    let said = format!("{team}?limits=USD");
    assert_eq!(leads(&set(&mut owner, "500", "", "no")), said);
    assert_eq!(leads(&set(&mut owner, "100.00", "2000", "yes")), said);
    assert_eq!(stored(), [["10000", "200000", "1"]]);
    for (payment, day, keys) in
        [("100.01", "2000", "yes"), ("", "2000", "yes"), ("100", "", "yes"), ("100", "2000", "no")]
    {
        let reply = set(&mut owner, payment, day, keys);
        assert_eq!(reply.status, 403, "{payment} {day} {keys}");
        assert!(text(&reply).contains("the operator raises them"), "{}", text(&reply));
    }
    assert_eq!(stored(), [["10000", "200000", "1"]]);
    let page = owner.browser.get(&team);
    assert!(text(&page).contains("value=\"100.00\"") && text(&page).contains("value=\"2000.00\""));
    set_limits(&server, &shop, &["--payment", "none", "--bind-api-keys", "false"]);
    assert_eq!(stored()[0][1..], ["200000", "0"]);
}

#[test]
fn a_frozen_wallet_sends_nothing_that_waits() {
    let (server, shop) = limited();
    payout(&shop, "120.00");
    let (approval, wallet) = (id(&waiting(&shop)), shop.wallet("USD"));
    let finance = operators_key(&server, &shop, "FINANCE");
    server.set_wallet(wallet, "FROZEN");
    answer(&finance, "approve", approval).refused(422);
    server.set_wallet(wallet, "ACTIVE");
    assert_eq!(shown(&answer(&finance, "approve", approval).ok(), "status"), "APPROVED");
    server.verify_ledger();
}

#[test]
fn a_repeated_request_stays_one_request() {
    let (server, shop) = limited();
    let account = shop.momo("PAYOUT", GOOD);
    let session = id(&shop.open_payout(account, "USD", "120.00").ok());
    let key = key();
    let first = shop.execute("payout", session, &key).ok();
    assert_eq!(shop.execute("payout", session, &key).ok(), first);
    assert_eq!(server.database.value("SELECT count(*) FROM approvals"), "1");
}
