//! The sandbox on a page: its clock, and the numbers that decide what happens.

use super::payments::everybody;
use super::*;
use crate::support::shop::ending;

fn page_of(shop: &Merchant) -> String {
    format!("/app/developers/{}/sandbox", shop.credentials.merchant_id)
}

fn offset(server: &Server, shop: &Merchant) -> i64 {
    let id = shop.credentials.merchant_id;
    let sql = format!("SELECT clock_offset_us FROM merchants WHERE id = {id}");
    server.database.value(&sql).parse::<i64>().expect("a number") / 1_000_000
}

#[test]
fn a_clock_is_advanced_once_for_each_form() {
    let (server, shop) = open_with_key();
    let mut ama = member(&server, &shop, "DEVELOPER", "ama@shop.example");
    let (path, advance) = (page_of(&shop), format!("{}/advance", page_of(&shop)));
    let page = ama.browser.get(&format!("/app/developers/{}", shop.credentials.merchant_id));
    assert!(text(&page).contains(&format!("href=\"{path}\"")), "{}", text(&page));
    assert!(!text(&ama.browser.get(&path)).contains("ahead of the server"));
    // It changes what keys and webhooks do, and such changes need a phone.
    ama.set_up_codes(&server);
    let fields = [("ahead", "0"), ("seconds", "900")];
    for _ in 0..2 {
        assert_eq!(leads(&ama.browser.post(&advance, &fields)), path);
    }
    assert_eq!(offset(&server, &shop), 900);
    let page = ama.browser.get(&path);
    assert!(text(&page).contains("900 seconds ahead of the server"), "{}", text(&page));
    for seconds in ["", "0", "-5", "1.5", "31622401"] {
        let fields = [("ahead", "900"), ("seconds", seconds)];
        let page = ama.browser.post(&advance, &fields);
        assert_eq!(page.status, 422, "{seconds}");
        assert!(text(&page).contains("id=\"seconds-fault\""), "{}", text(&page));
    }
    assert_eq!(ama.browser.post_bare(&advance, &fields).status, 403, "without the form's token");
    assert_eq!(offset(&server, &shop), 900);
    server.verify_ledger();
}

#[test]
fn each_role_may_do_with_the_sandbox_what_it_may() {
    let (server, shop, other) = open_two();
    server.database.give_secrets_key();
    for (role, person) in &mut everybody(&server, &shop) {
        let page = person.browser.get(&page_of(&shop));
        let reads = ["OWNER", "DEVELOPER", "OPERATOR", "AUDITOR"].contains(role);
        assert_eq!(page.status, if reads { 200 } else { 403 }, "{role}");
        let changes = ["OWNER", "DEVELOPER"].contains(role);
        assert_eq!(text(&page).contains("/advance\""), changes, "{role}");
        if person.secret.is_none() {
            person.set_up_codes(&server);
        }
        let before = offset(&server, &shop);
        let fields = [("ahead", before.to_string()), ("seconds", "60".to_owned())];
        let fields = fields.each_ref().map(|(name, value)| (*name, value.as_str()));
        let reply = person.browser.post(&format!("{}/advance", page_of(&shop)), &fields);
        assert_eq!(reply.status, if changes { 303 } else { 403 }, "{role}: {}", text(&reply));
        let moved = offset(&server, &shop) - before;
        assert_eq!(moved, if changes { 60 } else { 0 }, "{role}");
        let of_installation = ["OPERATOR", "AUDITOR"].contains(role);
        let status = person.browser.get(&page_of(&other)).status;
        assert_eq!(status, if of_installation { 200 } else { 404 }, "{role}");
        let reply = person.browser.post(&format!("{}/advance", page_of(&other)), &fields);
        assert_eq!(reply.status, if of_installation { 403 } else { 404 }, "{role}");
    }
    assert_eq!(offset(&server, &other), 0);
}

/// A number does what its line says.
#[test]
fn the_numbers_that_are_listed_do_what_is_said() {
    let (server, shop) = open_with_key();
    server.fund(&shop, "USD", "500.00");
    let mut ama = member(&server, &shop, "DEVELOPER", "ama@shop.example");
    let page = ama.browser.get(&page_of(&shop));
    let table = between(text(&page), "digits of a number</caption>", "</table>");
    let rows = table.split("<code dir=\"ltr\">").skip(1);
    let rows: Vec<(&str, &str)> = rows
        .map(|row| (row.split('<').next().expect("digits"), between(row, "<td>", "<")))
        .collect();
    assert!(rows.len() > 10, "{rows:?}");
    for (digits, what) in rows {
        if what.starts_with("collections fail") {
            let paid = shop.take(shop.momo("COLLECTION", &ending(digits)), "USD", "1.00");
            assert_eq!(paid["status"], "FAILED", "{digits}: {paid}");
        } else if what.starts_with("payouts and refunds fail") {
            let sent = shop.send(shop.momo("PAYOUT", &ending(digits)), "USD", "1.00");
            assert_eq!(sent["status"], "FAILED", "{digits}: {sent}");
        }
    }
}

#[test]
fn a_live_merchant_has_no_sandbox() {
    let (server, shop) = open_with_key();
    let mut ama = member(&server, &shop, "DEVELOPER", "ama@shop.example");
    ama.set_up_codes(&server);
    let id = shop.credentials.merchant_id;
    server.database.sql(&format!("UPDATE merchants SET mode = 'LIVE' WHERE id = {id}"));
    assert_eq!(ama.browser.get(&page_of(&shop)).status, 404);
    let fields = [("ahead", "0"), ("seconds", "900")];
    assert_eq!(ama.browser.post(&format!("{}/advance", page_of(&shop)), &fields).status, 404);
    let page = ama.browser.get(&format!("/app/developers/{id}"));
    assert!(!text(&page).contains(&page_of(&shop)), "{}", text(&page));
    assert_eq!(offset(&server, &shop), 0);
}
