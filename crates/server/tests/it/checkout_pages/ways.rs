//! Ways on after a failure, cards, and prices that change while somebody reads them.

use super::{
    CARD_USD, IN_LRD, IN_USD, MTN_LRD, MTN_USD, ORANGE_LRD, WITHIN_AN_HOUR, assert_executions,
    checkout, executions, is_open, pay, review, stage, until_open,
};
use crate::support::payer::{Browser as _, Payer, enter, hides, shows, until};
use crate::support::shop::ending;
use crate::support::{open, shown};

#[test]
fn after_a_failure_the_same_link_takes_another_number_and_another_method() {
    let (server, shop, checkout) = stage(&[]);
    let mut payer = Payer::new(&server);
    pay(&mut payer, &checkout.link, MTN_LRD, &ending("039"));
    until(&mut payer, "not approved");
    // The same number once more.
    pay(&mut payer, &checkout.link, MTN_LRD, &ending("039"));
    until(&mut payer, "not approved");
    assert_executions(&shop, &["FAILED", "FAILED"]);
    // Another number, another network.
    pay(&mut payer, &checkout.link, ORANGE_LRD, "0770000049");
    until(&mut payer, "enough money");
    hides(&mut payer, &["not approved"]);
    pay(&mut payer, &checkout.link, CARD_USD, "");
    payer.go_on();
    until(&mut payer, "Paid");
    assert_executions(&shop, &["FAILED", "FAILED", "FAILED", "COMPLETED"]);
    let references: std::collections::BTreeSet<_> =
        executions(&shop).iter().map(|row| shown(row, "reference_id")).collect();
    assert_eq!(references.len(), 4, "each try has a key of its own");
    server.verify_ledger();
}

/// What the page offers after a failure leads on without going back to the link.
#[test]
fn the_failed_page_itself_leads_on() {
    let (server, shop, checkout) = stage(&[]);
    let mut payer = Payer::new(&server);
    pay(&mut payer, &checkout.link, MTN_LRD, &ending("039"));
    until(&mut payer, "not approved");
    payer.choose("method", MTN_USD);
    enter(&mut payer, "0880000001");
    shows(&mut payer, &[IN_USD]);
    payer.go_on();
    until(&mut payer, "Paid");
    assert_executions(&shop, &["FAILED", "COMPLETED"]);
}

/// A payment that waits can be left by nobody: the network has it.
#[test]
fn nobody_pays_twice_while_a_payment_waits() {
    let (server, shop, checkout) = stage(&WITHIN_AN_HOUR);
    let mut payer = Payer::new(&server);
    review(&mut payer, &checkout.link, ORANGE_LRD, "0770000001");
    let other = payer.form();
    pay(&mut payer, &checkout.link, MTN_LRD, "0880000001");
    shows(&mut payer, &["Check your phone"]);
    for method in [MTN_LRD, MTN_USD, ORANGE_LRD, CARD_USD] {
        assert!(!payer.offers("method", method), "{method}: {}", payer.text());
    }
    payer.submit(&other);
    shows(&mut payer, &["Check your phone"]);
    assert_executions(&shop, &["PROCESSING"]);
}

const DECLINES: [&str; 7] = [
    "card_declined",
    "insufficient_funds",
    "lost_card",
    "stolen_card",
    "expired_card",
    "incorrect_cvc",
    "processing_error",
];

#[test]
fn a_card_is_declined_by_name_and_tried_again() {
    let (server, shop) = open();
    for code in DECLINES {
        let checkout = checkout(&shop);
        let mut payer = Payer::new(&server);
        pay(&mut payer, &checkout.link, CARD_USD, "");
        payer.choose("result", code);
        until_open(&mut payer);
        hides(&mut payer, &["Paid", "Receipt"]);
        assert_eq!(shop.order_status(&checkout), "ACTIVE", "{code}");
        let newest = &executions(&shop)[0];
        assert_eq!(newest["status"], "FAILED", "{code}: {newest}");
        assert!(
            newest["gateway_message"].as_str().is_some_and(|words| words.contains(code)),
            "{code}: {newest}"
        );
        pay(&mut payer, &checkout.link, CARD_USD, "");
        payer.choose("result", "succeed");
        until(&mut payer, "Paid");
        assert_eq!(shop.order_status(&checkout), "PAID", "{code}");
    }
    assert_eq!(executions(&shop).len(), 2 * DECLINES.len());
    server.verify_ledger();
}

#[test]
fn a_card_with_authentication_goes_on_step_by_step() {
    let (server, shop, checkout) = stage(&[]);
    let mut payer = Payer::new(&server);
    pay(&mut payer, &checkout.link, CARD_USD, "");
    assert_executions(&shop, &["PROCESSING"]);
    payer.choose("result", "3ds");
    // A step further: what the bank asks.
    if !payer.text().contains("Paid") {
        payer.go_on();
    }
    until(&mut payer, "Paid");
    shows(&mut payer, &["Receipt", "40.82 USD"]);
    assert_executions(&shop, &["COMPLETED"]);
    server.verify_ledger();
}

/// The tab with the card's page is closed, and the link opened again: it goes on there.
#[test]
fn a_closed_card_page_is_there_again() {
    let (server, shop, checkout) = stage(&[]);
    let mut payer = Payer::new(&server);
    pay(&mut payer, &checkout.link, CARD_USD, "");
    let mut again = Payer::at(&server, &checkout.link);
    assert!(again.offers("result", "succeed"), "{}", again.text());
    again.choose("result", "succeed");
    until(&mut again, "Paid");
    until(&mut payer, "Paid");
    assert_executions(&shop, &["COMPLETED"]);
}

#[test]
fn another_way_than_a_card_ends_the_card_first() {
    let (server, shop, checkout) = stage(&[]);
    let mut payer = Payer::new(&server);
    pay(&mut payer, &checkout.link, CARD_USD, "");
    let late = payer.form_with("result", "succeed").expect("a form of the card");
    payer.choose("step", "leave_card");
    until_open(&mut payer);
    assert_executions(&shop, &["FAILED"]);
    // The card's page in another tab is late.
    payer.submit(&late);
    assert_executions(&shop, &["FAILED"]);
    pay(&mut payer, &checkout.link, MTN_LRD, "0880000001");
    until(&mut payer, "Paid");
    assert_executions(&shop, &["FAILED", "COMPLETED"]);
    server.verify_ledger();
}

/// Paid and left at the same moment: one of them, and money is never lost.
#[test]
fn a_card_that_is_paid_and_left_at_once_has_one_end() {
    let (server, shop) = open();
    for _ in 0..6 {
        let checkout = checkout(&shop);
        let mut payer = Payer::new(&server);
        pay(&mut payer, &checkout.link, CARD_USD, "");
        let forms = [("result", "succeed"), ("step", "leave_card")]
            .map(|(name, value)| payer.form_with(name, value).expect("a form"));
        crate::support::all_at_once(&forms, |form| payer.answer_to(form).status);
        crate::support::wait_for("an end", || {
            payer.reload();
            (payer.text().contains("Paid") || is_open(&mut payer)).then_some(())
        });
        let (paid, status) = (payer.text().contains("Paid"), shop.order_status(&checkout));
        assert_eq!(status, if paid { "PAID" } else { "ACTIVE" }, "{}", payer.text());
    }
    server.verify_ledger();
}

#[test]
fn a_price_that_changed_is_shown_before_anything_is_sent() {
    let (server, shop, checkout) = stage(&[]);
    let mut payer = Payer::new(&server);
    review(&mut payer, &checkout.link, MTN_LRD, "0880000001");
    shows(&mut payer, &[IN_LRD]);
    server.kola(&["rates", "set", "USD", "LRD", "200"]).ok();
    payer.go_on();
    // 40.56 USD for 200 instead of 192.
    shows(&mut payer, &["8,112.00 LRD", IN_LRD, "1 USD = 200 LRD"]);
    hides(&mut payer, &["Check your phone", "Paid"]);
    assert_executions(&shop, &[]);
    payer.go_on();
    until(&mut payer, "Paid");
    shows(&mut payer, &["8,112.00 LRD"]);
    assert_eq!(shown(&executions(&shop)[0], "payer_amount"), "8112.00");
    server.verify_ledger();
}

#[test]
fn a_fee_that_changed_is_shown_too() {
    let (server, shop, checkout) = stage(&[]);
    let mut payer = Payer::new(&server);
    review(&mut payer, &checkout.link, MTN_USD, "0880000001");
    let raise = ["fees", "set", "platform", "--operation", "COLLECTION", "--percentage", "2"];
    server.kola(&raise).ok();
    payer.go_on();
    shows(&mut payer, &["40.56 USD"]);
    assert_executions(&shop, &[]);
    // A sum that somebody wrote into the form is no offer.
    let forged = payer.form().with("quote", "1");
    payer.submit(&forged);
    shows(&mut payer, &["40.56 USD"]);
    assert_executions(&shop, &[]);
    payer.go_on();
    until(&mut payer, "Paid");
    assert_eq!(shown(&executions(&shop)[0], "payer_amount"), "40.56");
}

#[test]
fn a_number_of_another_network_is_told_and_may_be_right() {
    let (server, shop, checkout) = stage(&WITHIN_AN_HOUR);
    let mut payer = Payer::at(&server, &checkout.link);
    payer.choose("method", MTN_LRD);
    payer.fill("phone", "0770000001");
    payer.go_on();
    shows(&mut payer, &["looks like", "Orange", "Change the network"]);
    assert_executions(&shop, &[]);
    if payer.has_field("phone") {
        payer.go_on();
    }
    shows(&mut payer, &[IN_LRD]);
    assert_executions(&shop, &[]);
    payer.go_on();
    shows(&mut payer, &["Check your phone"]);
    // Orange answers for MTN: the sandbox knows no such number there.
    shop.advance(3600);
    until_open(&mut payer);
    assert_executions(&shop, &["FAILED"]);
}
