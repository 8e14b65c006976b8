//! Payouts and transfers at `/app`: the list, and new ones with their price first.

use super::approvals::set_limits;
use super::invoices::drawn;
use super::payments::everybody;
use super::person::{Person, between, leads, text};
use super::wallets::wallet;
use super::{member, open_with_key};
use crate::support::shop::{GOOD, ending};
use crate::support::{Merchant, Reply, Server, all_at_once, id, json, key, open_two, shown};

fn payouts(shop: &Merchant) -> String {
    format!("/app/payouts/{}", shop.credentials.merchant_id)
}

/// The form for an account.
fn form(shop: &Merchant, account: i64) -> String {
    format!("{}/account/{account}", payouts(shop))
}

/// The page with the price of so many minor units from the merchant's dollars.
fn price(shop: &Merchant, account: i64, minor: i64) -> String {
    format!("{}/{}/{minor}", form(shop, account), shop.wallet("USD"))
}

/// What the form carries of the price that its page shows.
#[track_caller]
fn figures(page: &Reply) -> String {
    between(text(page), "name=\"figures\" value=\"", "\"").to_owned()
}

/// Opens the page with the price, and confirms it.
#[track_caller]
fn pay(person: &mut Person, price: &str) -> Reply {
    let page = person.browser.get(price);
    assert_eq!(page.status, 200, "{}", text(&page));
    confirm(person, price, &page)
}

/// Confirms the price of a page.
#[track_caller]
fn confirm(person: &mut Person, price: &str, page: &Reply) -> Reply {
    let (key, figures) = (drawn(page), figures(page));
    person.browser.post(price, &[("key", &key), ("figures", &figures)])
}

/// Somebody requests a payout.
#[track_caller]
pub(super) fn request_one(server: &Server, shop: &Merchant, person: &mut Person) {
    server.fund(shop, "USD", "100.00");
    request_to(shop, person, shop.momo("PAYOUT", GOOD));
}

/// Somebody requests a payout to an account.
#[track_caller]
pub(super) fn request_to(shop: &Merchant, person: &mut Person, account: i64) {
    let reply = pay(person, &price(shop, account, 1_000));
    assert_eq!(reply.status, 303, "{}", text(&reply));
}

fn executions(server: &Server) -> String {
    server.database.value("SELECT count(*) FROM executions")
}

/// How many sessions wait to be executed.
fn active(server: &Server) -> String {
    server.database.value(
        "SELECT count(*) FROM sessions WHERE status = \
        (SELECT code FROM stored_codes WHERE type = 'session_status' AND name = 'ACTIVE')",
    )
}

#[test]
fn each_role_sees_payouts_and_makes_them_as_it_may() {
    let (server, shop, other) = open_two();
    server.fund(&shop, "USD", "500.00");
    let account = shop.momo("PAYOUT", GOOD);
    let sent = shop.send(account, "USD", "10.00");
    let customer = shop.customer();
    shop.transfer(customer, "USD", "5.00");
    let theirs = other.momo("PAYOUT", GOOD);
    let before = executions(&server);
    for (role, person) in &mut everybody(&server, &shop) {
        let list = person.browser.get(&payouts(&shop));
        assert_eq!(list.status, 200, "{role}: {}", text(&list));
        let sees = !["VIEWER", "DEVELOPER", "AUDITOR"].contains(role);
        let row =
            format!("/app/payments/{}/{}", shop.credentials.merchant_id, sent["payment_intent_id"]);
        for part in ["10.00 USD", "paid out", "Fees <span class=\"n\">0.15 USD", &row] {
            assert!(text(&list).contains(part), "{role} {part}: {}", text(&list));
        }
        assert_eq!(text(&list).contains("<bdi>Amara Kollie</bdi>"), sees, "{role}");
        assert_eq!(text(&list).contains(GOOD), sees, "{role}");
        assert!(!text(&list).contains("5.00 USD</strong>"), "{role}: a transfer is listed apart");
        let transfers = person.browser.get(&format!("{}?kind=transfers", payouts(&shop)));
        assert!(text(&transfers).contains("5.00 USD</strong>"), "{role}: {}", text(&transfers));
        let pays = ["OWNER", "FINANCE", "MANAGER"].contains(role);
        assert_eq!(text(&list).contains("Pay out or transfer"), pays, "{role}");
        if *role == "MANAGER" {
            // What moves money takes a code, which the role does not need for anything else.
            assert_eq!(leads(&person.browser.get(&form(&shop, account))), "/app/profile");
            person.set_up_codes(&server);
        }
        let status = if pays { 200 } else { 403 };
        for path in [
            format!("{}/new", payouts(&shop)),
            form(&shop, account),
            price(&shop, account, 100),
            format!("{}/customer/{customer}", payouts(&shop)),
        ] {
            let page = person.browser.get(&path);
            assert_eq!(page.status, status, "{role} {path}: {}", text(&page));
        }
        if !pays {
            let forged = key();
            let reply = person.browser.post(&price(&shop, account, 100), &[("key", &forged)]);
            assert_eq!(reply.status, 403, "{role}");
        }
        // Another merchant's account, customer or wallet is not there, whatever the role.
        let foreign = format!("{}/{}/100", form(&shop, account), other.wallet("USD"));
        for path in [form(&shop, theirs), price(&shop, theirs, 100), foreign] {
            let status = if pays { 404 } else { 403 };
            assert_eq!(person.browser.get(&path).status, status, "{role} {path}");
            let forged = key();
            if path.ends_with("/100") {
                let reply = person.browser.post(&path, &[("key", &forged)]);
                assert_eq!(reply.status, status, "{role} {path}");
            }
        }
        let elsewhere = person.browser.get(&form(&other, theirs)).status;
        let of_installation = ["OPERATOR", "AUDITOR"].contains(role);
        assert_eq!(elsewhere, if of_installation { 403 } else { 404 }, "{role}");
        // Without the token of a page.
        let forged = key();
        let bare = person.browser.post_bare(&price(&shop, account, 100), &[("key", &forged)]);
        assert_eq!(bare.status, 403, "{role}");
    }
    assert_eq!(executions(&server), before);
    server.verify_ledger();
}

#[test]
fn a_payout_has_its_price_first_and_is_made_once() {
    let (server, shop) = open_with_key();
    server.fund(&shop, "USD", "100.00");
    let account = shop.momo("PAYOUT", GOOD);
    let mut ama = member(&server, &shop, "FINANCE", "ama@shop.example");
    let found = ama.browser.get(&format!("{}/new?q=amara", payouts(&shop)));
    assert!(
        text(&found).contains(&format!("href=\"{}\"", form(&shop, account))),
        "{}",
        text(&found)
    );
    let by_number = ama.browser.get(&format!("{}/new?q={GOOD}", payouts(&shop)));
    assert!(text(&by_number).contains(&form(&shop, account)), "{}", text(&by_number));
    let asked = format!("{}?wallet={}&amount=40", form(&shop, account), shop.wallet("USD"));
    let shown_price = ama.browser.get(&asked);
    assert_eq!(leads(&shown_price), price(&shop, account, 4_000));
    let page = ama.browser.get(&price(&shop, account, 4_000));
    // 0.5 percent and 1 percent on top.
    for part in ["40.00 USD", "0.20 USD", "0.40 USD", "40.60 USD", "59.40 USD", "Pay it out"] {
        assert!(text(&page).contains(part), "{part}: {}", text(&page));
    }
    assert_eq!(executions(&server), "0", "looking at a price makes nothing");
    shop.assert_balance("USD", "100.00", "0.00");
    let (drawn, token) = (drawn(&page), ama.browser.form_token());
    let seen = figures(&page);
    let fields =
        [("form_token", token.as_str()), ("key", drawn.as_str()), ("figures", seen.as_str())];
    // All at once: the second of two would find too little money.
    let path = price(&shop, account, 4_000);
    let made = all_at_once(&[0, 1, 2, 3], |_| {
        leads(&ama.browser.clone().post_bare(&path, &fields)).to_owned()
    });
    assert!(made.iter().all(|to| *to == made[0]), "{made:?}");
    assert_eq!(executions(&server), "1");
    assert_eq!(active(&server), "0", "none of the forms that came too late stays declared");
    let again = ama.browser.post_bare(&path, &fields);
    assert_eq!(leads(&again), made[0]);
    // The same form for another amount is another payment, which its key cannot have.
    let other = ama.browser.post_bare(&price(&shop, account, 1_000), &fields);
    assert_eq!(other.status, 422, "{}", text(&other));
    assert!(text(&other).contains("This form was sent before"), "{}", text(&other));
    assert!(text(&other).contains(&format!("href=\"{}\"", made[0])), "{}", text(&other));
    assert_eq!(executions(&server), "1");
    let payment = ama.browser.get(&made[0]);
    assert!(text(&payment).contains("Payout of <span class=\"n\">40.00 USD"), "{}", text(&payment));
    shop.assert_balance("USD", "59.40", "0.00");
    let audit = "SELECT count(*) FROM audit WHERE actor_kind = {actor_kind USER} \
        AND command = {audited_command execute}";
    assert_eq!(server.database.value(audit), "1");
    server.verify_ledger();
}

#[test]
fn each_refusal_stands_beside_its_field() {
    let (server, shop) = open_with_key();
    server.fund(&shop, "USD", "100.00");
    let account = shop.momo("PAYOUT", GOOD);
    let mut ama = member(&server, &shop, "FINANCE", "ama@shop.example");
    let (usd, lrd) = (shop.wallet("USD"), shop.wallet("LRD"));
    let ask = |ama: &mut Person, wallet: &str, amount: &str| {
        ama.browser.get(&format!("{}?wallet={wallet}&amount={amount}", form(&shop, account)))
    };
    let beside = |page: &Reply, field: &str, status: u16, words: &str| {
        assert_eq!(page.status, status, "{field}: {}", text(page));
        let place = format!("id=\"{field}-fault\"");
        assert!(text(page).contains(&place), "{field}: {}", text(page));
        assert!(text(page).contains(words), "{words}: {}", text(page));
    };
    let usd = usd.to_string();
    for amount in ["", "much", "0", "-5", "1.001", "5+LRD"] {
        beside(&ask(&mut ama, &usd, amount), "amount", 422, "Give an amount above zero in USD");
    }
    let page = ask(&mut ama, &usd, "5+LRD");
    assert!(text(&page).contains("value=\"5 LRD\""), "the form keeps what was typed");
    for wallet in ["", "x", "987654"] {
        beside(&ask(&mut ama, wallet, "5"), "wallet", 422, "Choose a wallet.");
    }
    // Too little money: 99.00 and its fees of 1.49.
    let page = ask(&mut ama, &usd, "99");
    beside(&page, "amount", 422, "has 100.00 USD available, and this takes 100.49 USD");
    beside(&ask(&mut ama, &lrd.to_string(), "5"), "amount", 422, "has 0.00 LRD available");
    // Between the price and its confirmation something may have changed.
    let open = |ama: &mut Person| drawn(&ama.browser.get(&price(&shop, account, 4_000)));
    let confirm = |ama: &mut Person, key: &str| {
        ama.browser.post(&price(&shop, account, 4_000), &[("key", key)])
    };
    let drawn_key = open(&mut ama);
    server.set_wallet(shop.wallet("USD"), "FROZEN");
    beside(&confirm(&mut ama, &drawn_key), "wallet", 422, "FROZEN");
    beside(&ask(&mut ama, &usd, "40"), "wallet", 422, "FROZEN");
    server.set_wallet(shop.wallet("USD"), "ACTIVE");
    let drawn_key = open(&mut ama);
    let merchant = shop.credentials.merchant_id.to_string();
    server.kola(&["merchant", "set", "--merchant", &merchant, "--verified", "false"]).ok();
    let page = confirm(&mut ama, &drawn_key);
    assert_eq!(page.status, 403, "{}", text(&page));
    assert!(text(&page).contains("role=\"alert\""), "{}", text(&page));
    server.kola(&["merchant", "set", "--merchant", &merchant, "--verified", "true"]).ok();
    let drawn_key = open(&mut ama);
    let off = format!("/v1/payment-accounts/deactivate/{account}");
    shop.api.call("POST", &off, None).ok();
    beside(&confirm(&mut ama, &drawn_key), "recipient", 422, "");
    let nonsense = ama.browser.post(&price(&shop, account, 4_000), &[("key", "1")]);
    assert_eq!(nonsense.status, 422);
    assert_eq!((executions(&server).as_str(), active(&server).as_str()), ("0", "0"));
    shop.assert_balance("USD", "100.00", "0.00");
    server.verify_ledger();
}

/// Two people at once, and money for one of them.
#[test]
fn of_two_payouts_at_once_one_finds_the_money() {
    let (server, shop) = open_with_key();
    server.fund(&shop, "USD", "50.00");
    let account = shop.momo("PAYOUT", GOOD);
    let people = [
        member(&server, &shop, "FINANCE", "ama@shop.example"),
        member(&server, &shop, "OWNER", "kofi@shop.example"),
    ];
    let path = price(&shop, account, 4_000);
    let forms: Vec<_> = people
        .iter()
        .map(|person| {
            let mut person = person.clone();
            let page = person.browser.get(&path);
            (person, page)
        })
        .collect();
    let statuses =
        all_at_once(&forms, |(person, page)| confirm(&mut person.clone(), &path, page).status);
    assert!(statuses.contains(&303), "{statuses:?}");
    assert!(statuses.iter().all(|status| [303, 422].contains(status)), "{statuses:?}");
    let paid = "SELECT count(*) FROM executions WHERE status <> {execution_status FAILED}";
    assert_eq!(server.database.value(paid), "1");
    shop.assert_balance("USD", "9.40", "0.00");
    assert_eq!(active(&server), "0");
    server.verify_ledger();
}

#[test]
fn a_code_is_asked_for_again_and_leads_back_to_the_price() {
    let (server, shop) = open_with_key();
    server.fund(&shop, "USD", "50.00");
    let account = shop.momo("PAYOUT", GOOD);
    let mut ama = member(&server, &shop, "FINANCE", "ama@shop.example");
    let path = price(&shop, account, 1_000);
    let drawn_key = drawn(&ama.browser.get(&path));
    server.database.sql("UPDATE logins SET second_factor_at = second_factor_at - 300000000");
    let asked = format!("/app/second-factor?next={path}");
    assert_eq!(
        leads(&ama.browser.post(&path, &[("key", &drawn_key)])),
        format!("{asked}&to={path}")
    );
    assert_eq!(leads(&ama.browser.get(&path)), format!("{asked}&opens=1"));
    assert_eq!(executions(&server), "0");
    // The page of the code says what it is for, with whom and how much.
    let kept = [("key", drawn_key.as_str())];
    let prompt = ama.browser.post(&format!("{asked}&to={path}"), &kept);
    for part in ["Pay out 10.00 USD to <bdi>Amara Kollie</bdi>", GOOD] {
        assert!(text(&prompt).contains(part), "{part}: {}", text(&prompt));
    }
    // The list may still be read.
    assert_eq!(ama.browser.get(&payouts(&shop)).status, 200);
    ama.give_code(&server);
    assert!(leads(&pay(&mut ama, &path)).starts_with("/app/payments/"));
    shop.assert_balance("USD", "39.85", "0.00");
}

#[test]
fn above_the_limit_it_waits_for_an_approval_and_may_be_taken_back() {
    let (server, shop) = open_with_key();
    server.fund(&shop, "USD", "500.00");
    set_limits(&server, &shop, &["--payment", "100", "--day", "250"]);
    let account = shop.momo("PAYOUT", GOOD);
    let mut ama = member(&server, &shop, "FINANCE", "ama@shop.example");
    let mut kofi = member(&server, &shop, "FINANCE", "kofi@shop.example");
    let path = price(&shop, account, 12_000);
    let page = ama.browser.get(&path);
    for part in ["somebody else has to approve it", "Ask for the approval", "121.80 USD"] {
        assert!(text(&page).contains(part), "{part}: {}", text(&page));
    }
    let payment = leads(&pay(&mut ama, &path)).to_owned();
    let page = ama.browser.get(&payment);
    assert!(text(&page).contains("Waits for: approval."), "{}", text(&page));
    for part in [
        "waits until a second person here has approved it",
        "<strong>Approval requested</strong>, by <bdi>",
        "above the limit of one payment",
        "data-state=\"PENDING REQUESTED\"",
    ] {
        assert!(text(&page).contains(part), "{part}: {}", text(&page));
    }
    assert!(!text(&page).contains("is under way"), "{}", text(&page));
    shop.assert_balance("USD", "378.20", "121.80");
    let list = ama.browser.get(&payouts(&shop));
    for part in ["121.80 USD</span> held", "Requested by <bdi>", "Take it back"] {
        assert!(text(&list).contains(part), "{part}: {}", text(&list));
    }
    // Nobody takes another's back here.
    let theirs = kofi.browser.get(&payouts(&shop));
    assert!(!text(&theirs).contains("Take it back"), "{}", text(&theirs));
    let take_back = format!("/app/approvals/{}/", shop.credentials.merchant_id);
    let end = between(text(&list), &format!("action=\"{take_back}"), "\"").to_owned();
    let approvals = take_back.trim_end_matches('/').to_owned();
    assert_eq!(leads(&ama.browser.post(&format!("{take_back}{end}"), &[])), approvals);
    shop.assert_balance("USD", "500.00", "0.00");
    let list = ama.browser.get(&payouts(&shop));
    for part in [", refused by", "failed", "Why: it was taken back."] {
        assert!(text(&list).contains(part), "{part}: {}", text(&list));
    }
    let page = ama.browser.get(&payment);
    assert!(text(&page).contains("<strong>Refused</strong>, by <bdi>"), "{}", text(&page));
    // Another person approves; the list says who.
    let payment = leads(&pay(&mut ama, &path)).to_owned();
    let approval = id(&shop.api.get("/v1/approvals/list?status=REQUESTED").rows()[0]);
    let approve = format!("{take_back}{approval}/approve");
    assert_eq!(ama.browser.post(&approve, &[]).status, 403);
    assert_eq!(leads(&kofi.browser.post(&approve, &[])), approvals);
    let page = kofi.browser.get(&payment);
    let requested = text(&page).find("<strong>Approval requested</strong>, by <bdi>");
    let approved = text(&page).find("<strong>Approved</strong>, by <bdi>");
    let completed = text(&page).find("<strong>Completed</strong>");
    let order = requested.zip(approved).zip(completed);
    let in_order = order.is_some_and(|((first, then), last)| first < then && then < last);
    assert!(in_order && text(&page).contains("paid out"), "{}", text(&page));
    assert!(text(&kofi.browser.get(&payouts(&shop))).contains(", approved by"));
    // From the audit both the request and its answer lead to the payment.
    let audit = format!("/app/audit/{}", shop.credentials.merchant_id);
    for subject in ["EXECUTION", "APPROVAL"] {
        let page = kofi.browser.get(&format!("{audit}?subject={subject}"));
        assert!(text(&page).contains(&format!("<a href=\"{payment}\">")), "{}", text(&page));
    }
    // With the 120.00 of before, 131.00 would be too much for a day, and 100.00 is not.
    let page = ama.browser.get(&price(&shop, account, 10_000));
    assert!(text(&page).contains("Pay it out"), "{}", text(&page));
    assert!(leads(&pay(&mut ama, &price(&shop, account, 10_000))).starts_with("/app/payments/"));
    let page = ama.browser.get(&price(&shop, account, 3_100));
    assert!(text(&page).contains("what this wallet may send in a day"), "{}", text(&page));
    server.verify_ledger();
    // What people wait for is no time of the network.
    let waited = 5_i64 * 3_600_000_000;
    server.database.sql(&format!(
        "UPDATE executions SET created_at = created_at - {waited} WHERE id = {}",
        payment.rsplit_once('/').expect("a number").1
    ));
    let mut operator = super::reviews::of_installation(&server, "operator");
    let page = operator.browser.get("/app/networks");
    let within = between(text(&page), ", 95 of 100 within ", ". Sent");
    assert!(within.ends_with(" s"), "{within}");
}

/// What the network keeps in its queue, because its operator is delayed, and what was not sent yet.
#[test]
fn a_payout_that_waits_is_canceled() {
    let (server, shop, other) = open_two();
    server.fund(&shop, "USD", "100.00");
    let mut people = everybody(&server, &shop);
    for person in people.values_mut().filter(|person| person.secret.is_none()) {
        person.set_up_codes(&server);
    }
    let sent = shop.send(shop.momo("PAYOUT", &ending("129")), "USD", "10.00");
    let payment = sent["payment_intent_id"].to_string();
    let cancel = format!("{}/{payment}/cancel", payouts(&shop));
    let shown_to =
        |person: &mut Person| text(&person.browser.get(&payouts(&shop))).contains(&cancel);
    let may = |role: &str| ["OWNER", "FINANCE", "MANAGER"].contains(&role);
    for (role, person) in &mut people {
        assert!(!shown_to(person), "{role}: the network has it");
    }
    server.database.sql(&format!(
        "UPDATE executions SET waiting_for = '{}' WHERE id = {payment}",
        domain::payments::outcome::ENQUEUED.replace('\'', "''")
    ));
    let asked = "SELECT count(*) FROM audit WHERE command = {audited_command cancel_enqueued}";
    for (role, person) in &mut people {
        assert_eq!(shown_to(person), may(role), "{role}");
        if !may(role) {
            assert_eq!(person.browser.post(&cancel, &[]).status, 403, "{role}");
        }
        let theirs = format!("{}/{payment}/cancel", payouts(&other));
        let status = if ["OPERATOR", "AUDITOR"].contains(role) { 403 } else { 404 };
        assert_eq!(person.browser.post(&theirs, &[]).status, status, "{role}");
        assert_eq!(person.browser.post_bare(&cancel, &[]).status, 403, "{role}");
    }
    assert_eq!(server.database.value(asked), "0");
    let manager = people.get_mut("MANAGER").expect("a manager");
    assert_eq!(leads(&manager.browser.post(&cancel, &[])), payouts(&shop));
    assert_eq!(server.database.value(asked), "1");
    assert!(!shown_to(manager), "it was asked for");
    // What is final is not canceled, and the page says so.
    let done = shop.send(shop.momo("PAYOUT", GOOD), "USD", "1.00");
    let late = format!("{}/{}/cancel", payouts(&shop), done["payment_intent_id"]);
    let page = manager.browser.post(&late, &[]);
    assert_eq!(page.status, 422, "{}", text(&page));
    assert!(text(&page).contains("role=\"alert\""), "{}", text(&page));
    // By the API alike.
    let path = |id: &str| format!("/v1/payment-intents/cancel/{id}");
    shop.api.call("POST", &path(&done["payment_intent_id"].to_string()), None).refused(422);
    other.api.call("POST", &path(&payment), None).refused(404);
    let again = shop.api.call("POST", &path(&payment), None).ok();
    assert_eq!(shown(&again, "waiting_for"), "the network, which was asked to cancel it");
}

#[test]
fn a_payout_needs_the_passcode_of_the_merchant_too() {
    let (server, shop) = open_with_key();
    server.fund(&shop, "USD", "50.00");
    let account = shop.momo("PAYOUT", GOOD);
    shop.api.post("/v1/merchants/passcode/set", &json!({"passcode": "482913"})).ok();
    let mut ama = member(&server, &shop, "FINANCE", "ama@shop.example");
    let path = price(&shop, account, 1_000);
    let asked = pay(&mut ama, &path);
    assert_eq!(asked.status, 403, "{}", text(&asked));
    assert!(text(&asked).contains("id=\"passcode-fault\""), "{}", text(&asked));
    let (drawn_key, seen) = (drawn(&asked), figures(&asked));
    let give = |ama: &mut Person, code: &str| {
        ama.browser.post(&path, &[("key", &drawn_key), ("figures", &seen), ("passcode", code)])
    };
    // Wrong ones are counted, and then even the right one is refused.
    for _ in 0..5 {
        let page = give(&mut ama, "000000");
        assert_eq!(page.status, 403, "{}", text(&page));
        assert!(text(&page).contains("id=\"passcode-fault\""), "{}", text(&page));
        assert!(!text(&page).contains("value=\"000000\""), "a passcode is shown again");
    }
    let page = give(&mut ama, "482913");
    assert_eq!(page.status, 403);
    assert!(
        text(&page).contains("too many wrong passcodes: try again in 15 minutes"),
        "{}",
        text(&page)
    );
    assert!(!text(&page).contains("API key") && !text(&page).contains("Retry-After"));
    assert_eq!((executions(&server).as_str(), active(&server).as_str()), ("0", "0"));
    let mut kofi = member(&server, &shop, "OWNER", "kofi@shop.example");
    let page = kofi.browser.get(&path);
    let (drawn_key, seen) = (drawn(&page), figures(&page));
    let fields = [("key", drawn_key.as_str()), ("figures", seen.as_str()), ("passcode", "482913")];
    assert!(leads(&kofi.browser.post(&path, &fields)).starts_with("/app/payments/"));
    shop.assert_balance("USD", "39.85", "0.00");
    server.verify_ledger();
}

#[test]
fn a_transfer_goes_to_the_wallet_of_a_customer() {
    let (server, shop) = open_with_key();
    server.fund(&shop, "USD", "100.00");
    let party = shop.party();
    let customer = shop.counterparty(party);
    let mut ama = member(&server, &shop, "FINANCE", "ama@shop.example");
    let found = ama.browser.get(&format!("{}/new?q=Amara", payouts(&shop)));
    let form = format!("{}/customer/{customer}", payouts(&shop));
    assert!(text(&found).contains(&format!("href=\"{form}\"")), "{}", text(&found));
    let usd = shop.wallet("USD");
    let asked = ama.browser.get(&format!("{form}?wallet={usd}&amount=20"));
    let path = format!("{form}/{usd}/2000");
    assert_eq!(leads(&asked), path);
    let page = ama.browser.get(&path);
    assert!(text(&page).contains("Transfer it"), "{}", text(&page));
    let made = confirm(&mut ama, &path, &page);
    let again = confirm(&mut ama, &path, &page);
    assert_eq!(leads(&made), leads(&again));
    assert_eq!(executions(&server), "1");
    // The same form for somebody else is another transfer, which its key cannot have.
    let body = json!({"fullname": "Kweku Mensah", "phone": "231880000072"});
    let other = shop.counterparty(id(&shop.api.post("/v1/parties/create", &body).ok()));
    let path_of_other = format!("{}/customer/{other}/{usd}/2000", payouts(&shop));
    let refused = confirm(&mut ama, &path_of_other, &page);
    assert_eq!(refused.status, 422, "{}", text(&refused));
    assert!(text(&refused).contains(&format!("href=\"{}\"", leads(&made))), "{}", text(&refused));
    assert_ne!(drawn(&refused), drawn(&page), "another form makes it");
    assert_eq!(executions(&server), "1");
    let to = shop.wallet_of(party, "USD");
    assert_eq!(shop.money_in(to), ("20.00".to_owned(), "0.00".to_owned()));
    shop.assert_balance("USD", "80.00", "0.00");
    let received = format!("{}/{to}", super::wallets::wallets(&shop));
    assert!(text(&ama.browser.get(&received)).contains("Transfer received"));
    assert!(text(&ama.browser.get(&wallet(&shop, "USD"))).contains("Transfer"));
    // A wallet that takes nothing: the payment is on record as failed, and says why.
    server.set_wallet(to, "FROZEN");
    let failed = leads(&pay(&mut ama, &path)).to_owned();
    assert!(text(&ama.browser.get(&failed)).contains("failed"));
    shop.assert_balance("USD", "80.00", "0.00");
    let list = ama.browser.get(&format!("{}?kind=transfers", payouts(&shop)));
    for part in ["transferred", "failed", "the receiving wallet is FROZEN"] {
        assert!(text(&list).contains(part), "{part}: {}", text(&list));
    }
    server.verify_ledger();
}

/// A customer who was made at `/app`, or by the API, has no counterparty yet.
#[test]
fn a_new_customer_is_transferred_to() {
    let (server, shop, other) = open_two();
    server.database.give_secrets_key();
    server.fund(&shop, "USD", "100.00");
    let mut ama = member(&server, &shop, "FINANCE", "ama@shop.example");
    let customers = format!("/app/customers/{}", shop.credentials.merchant_id);
    let fields = [("name", "Zebulon Togba"), ("phone", "231880000081")];
    let made = leads(&ama.browser.post(&customers, &fields)).to_owned();
    let party = made.rsplit('/').next().expect("an id").split('?').next().expect("an id");
    // The API makes another customer of the same name and phone. Their numbers tell them apart.
    let body = json!({"fullname": "Zebulon Togba", "phone": "231880000081"});
    let twin = id(&shop.api.post("/v1/parties/create", &body).ok());
    let counterparties = || server.database.value("SELECT count(*) FROM counterparties");
    for asked in ["Zebulon", "231880000081", ""] {
        let page = ama.browser.get(&format!("{}/new?q={asked}", payouts(&shop)));
        for id in [party, twin.to_string().as_str()] {
            assert!(text(&page).contains(&format!("customer {id}</small>")), "{}", text(&page));
            let form = format!("action=\"{}/party/{id}\"", payouts(&shop));
            assert!(text(&page).contains(&form), "{form}: {}", text(&page));
        }
    }
    assert_eq!(counterparties(), "0", "looking makes nothing");
    let path = format!("{}/party/{party}", payouts(&shop));
    let token = ama.browser.form_token();
    let forms = all_at_once(&[0, 1, 2, 3], |_| {
        let fields = [("form_token", token.as_str())];
        leads(&ama.browser.clone().post_bare(&path, &fields)).to_owned()
    });
    assert!(forms.iter().all(|form| *form == forms[0]), "{forms:?}");
    assert_eq!(counterparties(), "1");
    assert_eq!(leads(&ama.browser.post(&path, &[])), forms[0]);
    let page = ama.browser.get(&forms[0]);
    assert!(text(&page).contains("Zebulon Togba"), "{}", text(&page));
    let price = format!("{}/{}/2000", forms[0], shop.wallet("USD"));
    pay(&mut ama, &price);
    let to = shop.wallet_of(party.parse().expect("a number"), "USD");
    assert_eq!(shop.money_in(to), ("20.00".to_owned(), "0.00".to_owned()));
    // For who pays out, to customers of this merchant.
    let mut support = member(&server, &shop, "SUPPORT", "kofi@shop.example");
    assert_eq!(support.browser.post(&path, &[]).status, 403);
    let theirs = format!("/app/payouts/{}/party/{party}", other.credentials.merchant_id);
    assert_eq!(ama.browser.post(&theirs, &[]).status, 404);
    let body = json!({"fullname": "Elsewhere", "phone": "231880000082"});
    let foreign = id(&other.api.post("/v1/parties/create", &body).ok());
    let foreign = format!("{}/party/{foreign}", payouts(&shop));
    assert_eq!(ama.browser.post(&foreign, &[]).status, 404);
    assert_eq!(counterparties(), "1");
    server.verify_ledger();
}

/// However many have come since.
#[test]
fn who_is_transferred_to_is_found_among_all_customers() {
    let (server, shop, other) = open_two();
    server.database.give_secrets_key();
    let named = |shop: &Merchant, name: &str, phone: &str| {
        let body = json!({"fullname": name, "phone": phone});
        id(&shop.api.post("/v1/parties/create", &body).ok())
    };
    let efua = named(&shop, "Efua Nana Owusu", "231880000071");
    // She came back, and has a counterparty of each time.
    let (first, second) = (shop.counterparty(efua), shop.counterparty(efua));
    let account = shop.account(efua, "PAYOUT", "MTN_MOMO_LBR", Some(GOOD));
    let retired = shop.account(efua, "PAYOUT", "MTN_MOMO_LBR", Some(GOOD));
    shop.api.call("POST", &format!("/v1/payment-accounts/deactivate/{retired}"), None).ok();
    let takes = shop.account(efua, "COLLECTION", "MTN_MOMO_LBR", Some(GOOD));
    let alone = named(&shop, "Efua Alone", "231880000072");
    let theirs = other.counterparty(named(&other, "Efua Elsewhere", "231880000073"));
    let merchant = shop.credentials.merchant_id;
    let many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5100) \
        SELECT 100000000 + i AS id, 10000000 + i AS number FROM n";
    server.database.sql(&format!(
        "INSERT INTO parties (id, merchant_id, fullname, phone, created_at, updated_at) \
         SELECT id, {merchant}, 'Somebody', '2318' || number, 4102444800000000, 4102444800000000 \
         FROM ({many}) AS many"
    ));
    server.database.sql(&format!(
        "INSERT INTO counterparties (id, merchant_id, party_id, relationship_type, created_at, updated_at) \
         SELECT id + 100000000, {merchant}, id, 'CUSTOMER', 4102444800000000, 4102444800000000 \
         FROM parties WHERE fullname = 'Somebody'"
    ));
    let mut ama = member(&server, &shop, "FINANCE", "ama@shop.example");
    let mut look = |asked: &str| ama.browser.get(&format!("{}/new?q={asked}", payouts(&shop)));
    let customer = |id: i64| format!("href=\"{}/customer/{id}\"", payouts(&shop));
    let paid = |id: i64| format!("href=\"{}\"", form(&shop, id));
    let known =
        ["efua", "EFUA+NANA", "++nana+owu+", "0880000071", "%2B231-88-000-0071", "efua%00+nana"];
    for asked in known {
        let page = look(asked);
        let page = text(&page);
        assert!(page.contains(&customer(first)), "{asked}: {page}");
        assert!(!page.contains(&customer(second)), "{asked}: she is one customer: {page}");
        assert!(page.contains(&paid(account)), "{asked}: {page}");
        for other in [retired, takes] {
            assert!(!page.contains(&paid(other)), "{asked}: {page}");
        }
        assert!(!page.contains("Efua Elsewhere"), "{asked}: {page}");
        assert!(!page.contains(&customer(theirs)), "{asked}: {page}");
    }
    assert!(look("efua+nobody").body.to_string().contains("No customer of this name or number"));
    // Whom nobody has paid or sold to yet is offered, too, by a form.
    let offered = format!("action=\"{}/party/{alone}\"", payouts(&shop));
    let page = look("efua+alone");
    assert!(text(&page).contains(&offered), "{}", text(&page));
    let counterparty = shop.counterparty(alone);
    let page = look("efua+alone");
    assert!(text(&page).contains(&customer(counterparty)), "{}", text(&page));
    assert!(!text(&page).contains(&offered), "{}", text(&page));
    for asked in ["e", "owusu", "7", "231880000099", "%25", "_fua"] {
        let page = look(asked);
        assert!(!text(&page).contains(&customer(first)), "{asked}: {}", text(&page));
    }
    // Without a text the newest are there, each once.
    let page = look("");
    assert_eq!(text(&page).matches("/customer/").count(), 20, "{}", text(&page));
}

#[test]
fn older_payouts_stand_on_further_pages() {
    let (server, shop) = open_with_key();
    server.fund(&shop, "USD", "100.00");
    let mut ama = member(&server, &shop, "VIEWER", "ama@shop.example");
    let page = ama.browser.get(&payouts(&shop));
    assert!(text(&page).contains("No payout yet."), "{}", text(&page));
    let account = shop.momo("PAYOUT", GOOD);
    for _ in 0..51 {
        assert_eq!(shown(&shop.send(account, "USD", "1.00"), "status"), "COMPLETED");
    }
    // What was only declared is none.
    shop.open_payout(account, "USD", "1.00").ok();
    let rows = |page: &Reply| text(page).matches("<li>\n<p><a href=\"/app/payments/").count();
    let first = ama.browser.get(&payouts(&shop));
    assert_eq!(rows(&first), 49);
    let (before, _) = text(&first).split_once("\">Older").expect("a link to older ones");
    let older = before.rsplit_once("href=\"").expect("its address").1.replace("&#38;", "&");
    let second = ama.browser.get(&older);
    assert_eq!(rows(&second), 2);
    assert!(!text(&second).contains(">Older<"));
}

/// The operator changes a fee between the look at a price and its confirmation, which may be the
/// button after the code of a phone.
#[test]
fn a_price_that_has_changed_is_shown_again_before_anything_is_paid() {
    let (server, shop) = open_with_key();
    server.fund(&shop, "USD", "100.00");
    let account = shop.momo("PAYOUT", GOOD);
    let customer = shop.customer();
    let mut ama = member(&server, &shop, "FINANCE", "ama@shop.example");
    let transfer = format!("{}/customer/{customer}/{}/700", payouts(&shop), shop.wallet("USD"));
    for (path, operation) in [(price(&shop, account, 700), "PAYOUT"), (transfer, "TRANSFER")] {
        let fee = |percentage: &str| {
            let set = ["fees", "set", "platform", "--operation", operation, "--percentage"];
            server.kola(&[&set[..], &[percentage]].concat()).ok();
        };
        fee("0.5");
        let before = executions(&server);
        let (available, _) = shop.money_in(shop.wallet("USD"));
        let page = ama.browser.get(&path);
        fee("50");
        let refused = confirm(&mut ama, &path, &page);
        assert_eq!(refused.status, 422, "{}", text(&refused));
        for part in ["The price has changed, so nothing was done yet", "3.50 USD"] {
            assert!(text(&refused).contains(part), "{part}: {}", text(&refused));
        }
        // Nor is it paid without a price, or at one that was made up.
        let key = drawn(&page);
        for fields in [vec![("key", key.as_str())], vec![("key", &key), ("figures", "700-700-0-0")]]
        {
            let reply = ama.browser.post(&path, &fields);
            assert_eq!(reply.status, 422, "{}", text(&reply));
            assert!(text(&reply).contains("role=\"alert\""), "{}", text(&reply));
        }
        assert_eq!(executions(&server), before);
        shop.assert_balance("USD", &available, "0.00");
        assert_eq!(active(&server), "0");
        // The same form again, at the price that is shown now.
        assert_eq!(drawn(&refused), drawn(&page));
        assert!(leads(&confirm(&mut ama, &path, &refused)).starts_with("/app/payments/"));
        assert_ne!(executions(&server), before);
    }
    // What is to be approved now was not when it was shown.
    let path = price(&shop, account, 1_000);
    let page = ama.browser.get(&path);
    set_limits(&server, &shop, &["--payment", "5"]);
    let refused = confirm(&mut ama, &path, &page);
    assert_eq!(refused.status, 422, "{}", text(&refused));
    assert!(text(&refused).contains("somebody else has to approve it"), "{}", text(&refused));
    server.verify_ledger();
}

/// A typed 600 is not to become 600 of whatever wallet happens to be first.
#[test]
fn of_wallets_in_several_currencies_none_is_chosen() {
    let (server, shop) = open_with_key();
    server.fund(&shop, "USD", "100.00");
    let account = shop.momo("PAYOUT", GOOD);
    let mut ama = member(&server, &shop, "FINANCE", "ama@shop.example");
    let page = ama.browser.get(&form(&shop, account));
    let select = between(text(&page), "<select id=\"wallet\"", "</select>");
    assert!(select.contains("<option value=\"\" selected>Choose a wallet"), "{select}");
    assert_eq!(select.matches(" selected").count(), 1, "{select}");
    let page = ama.browser.get(&format!("{}?wallet=&amount=600", form(&shop, account)));
    assert_eq!(page.status, 422, "{}", text(&page));
    assert!(text(&page).contains("id=\"wallet-fault\""), "{}", text(&page));
    assert!(text(&page).contains("value=\"600\""), "{}", text(&page));
    // One that was chosen stays so.
    let usd = shop.wallet("USD");
    let page = ama.browser.get(&format!("{}?wallet={usd}&amount=x", form(&shop, account)));
    let select = between(text(&page), "<select id=\"wallet\"", "</select>");
    assert!(!select.contains("Choose a wallet"), "{select}");
    assert!(select.contains(&format!("value=\"{usd}\" selected")), "{select}");
}
