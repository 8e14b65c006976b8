//! One payment, whatever is clicked, repeated, or opened twice.

use std::collections::BTreeSet;

use super::{
    CARD_USD, IN_LRD, MTN_LRD, ORANGE_LRD, WITHIN_AN_HOUR, assert_executions, checkout, executions,
    pay, review, stage,
};
use crate::support::payer::{Browser as _, Form, Payer, hides, shows, until};
use crate::support::shop::ending;
use crate::support::{all_at_once, on_postgres_only, open, shown, spawn_with};

#[test]
fn a_double_click_pays_once() {
    let (server, shop) = open();
    for round in 1..=5 {
        let checkout = checkout(&shop);
        let mut payer = Payer::new(&server);
        review(&mut payer, &checkout.link, MTN_LRD, &ending(&format!("{round}00")));
        let form = payer.form();
        let statuses = all_at_once(&[(); 8], |()| payer.answer_to(&form).status);
        assert!(statuses.iter().all(|status| *status == 303), "{statuses:?}");
        payer.open(&checkout.link);
        until(&mut payer, "Paid");
        assert_eq!(executions(&shop).len(), round);
    }
    server.verify_ledger();
}

/// The form is sent again after it was answered: by the back button, or a network that repeats.
#[test]
fn a_form_that_is_sent_again_later_shows_what_came_of_it() {
    let (server, shop, checkout) = stage(&WITHIN_AN_HOUR);
    let mut payer = Payer::new(&server);
    review(&mut payer, &checkout.link, MTN_LRD, "0880000001");
    let form = payer.form();
    for _ in 0..3 {
        payer.submit(&form);
        shows(&mut payer, &["Check your phone"]);
    }
    assert_executions(&shop, &["PROCESSING"]);
    shop.advance(3600);
    until(&mut payer, "Paid");
    payer.submit(&form);
    shows(&mut payer, &["Paid", "Receipt"]);
    assert_executions(&shop, &["COMPLETED"]);
    server.verify_ledger();
}

/// After a failure the form of before is sent again: nothing is paid by it that was not looked at.
#[test]
fn a_form_of_a_failed_payment_pays_nothing_more() {
    let (server, shop, checkout) = stage(&[]);
    let mut payer = Payer::new(&server);
    review(&mut payer, &checkout.link, MTN_LRD, &ending("039"));
    let form = payer.form();
    payer.submit(&form);
    until(&mut payer, "not approved");
    payer.submit(&form);
    shows(&mut payer, &["not approved"]);
    assert_executions(&shop, &["FAILED"]);
}

#[test]
fn a_reload_in_any_state_sends_nothing() {
    let (server, shop, checkout) = stage(&WITHIN_AN_HOUR);
    let mut payer = Payer::at(&server, &checkout.link);
    let reload = |payer: &mut Payer| {
        for _ in 0..3 {
            payer.reload();
        }
    };
    reload(&mut payer);
    pay(&mut payer, &checkout.link, MTN_LRD, &ending("039"));
    reload(&mut payer);
    assert_executions(&shop, &["PROCESSING"]);
    shop.advance(3600);
    until(&mut payer, "not approved");
    reload(&mut payer);
    pay(&mut payer, &checkout.link, MTN_LRD, "0880000001");
    reload(&mut payer);
    shop.advance(3600);
    until(&mut payer, "Paid");
    reload(&mut payer);
    assert_executions(&shop, &["FAILED", "COMPLETED"]);
}

/// Two tabs have their own keys; the one that is later sees the payment of the first.
#[test]
fn two_tabs_pay_once() {
    let (server, shop) = open();
    for (round, second) in [MTN_LRD, ORANGE_LRD, CARD_USD].into_iter().enumerate() {
        let checkout = checkout(&shop);
        let tabs: Vec<(Payer, Form)> = [MTN_LRD, second]
            .iter()
            .map(|method| {
                let mut tab = Payer::new(&server);
                let phone = if *method == ORANGE_LRD { "0770000001" } else { "0880000001" };
                review(&mut tab, &checkout.link, method, phone);
                let form = tab.form();
                (tab, form)
            })
            .collect();
        assert_ne!(tabs[0].1.value("key"), tabs[1].1.value("key"));
        let statuses = all_at_once(&tabs, |(tab, form)| tab.answer_to(form).status);
        assert!(statuses.iter().all(|status| matches!(status, 200 | 303)), "{statuses:?}");
        assert_eq!(executions(&shop).len(), round + 1);
        for (mut tab, _) in tabs {
            tab.open(&checkout.link);
            hides(&mut tab, &["How do you want to pay?"]);
            if tab.offers("result", "succeed") {
                tab.choose("result", "succeed");
            }
            until(&mut tab, "Paid");
        }
        assert_eq!(shop.order_status(&checkout), "PAID");
    }
    server.verify_ledger();
}

#[test]
fn a_second_payer_sees_the_payment_of_the_first() {
    let (server, shop, checkout) = stage(&WITHIN_AN_HOUR);
    let mut first = Payer::new(&server);
    let mut second = Payer::new(&server).with_header("X-Forwarded-For", "192.0.2.7");
    review(&mut second, &checkout.link, ORANGE_LRD, "0770000002");
    pay(&mut first, &checkout.link, MTN_LRD, "0880000001");
    second.go_on();
    shows(&mut second, &["Check your phone"]);
    assert_executions(&shop, &["PROCESSING"]);
    // Whose number is asked stays between the network and its owner.
    for payer in [&first, &second] {
        assert!(!payer.source().contains("231880000001"), "{}", payer.source());
    }
    shop.advance(3600);
    for payer in [&mut first, &mut second] {
        until(payer, "Paid");
        shows(payer, &[IN_LRD]);
    }
    assert_executions(&shop, &["COMPLETED"]);
    server.verify_ledger();
}

/// A crowd with one link, each with a number and a key of its own.
#[test]
fn a_crowd_pays_once() {
    let (server, shop, checkout) = stage(&[]);
    let payers: Vec<(Payer, Form)> = (0..12)
        .map(|place| {
            let mut payer =
                Payer::new(&server).with_header("X-Forwarded-For", &format!("192.0.2.{place}"));
            review(&mut payer, &checkout.link, MTN_LRD, &ending(&format!("{place:02}0")));
            let form = payer.form();
            (payer, form)
        })
        .collect();
    let keys: BTreeSet<_> = payers.iter().filter_map(|(_, form)| form.value("key")).collect();
    assert_eq!(keys.len(), payers.len(), "each page has a key of its own");
    all_at_once(&payers, |(payer, form)| payer.answer_to(form).status);
    let mut last = payers[0].0.clone();
    last.open(&checkout.link);
    until(&mut last, "Paid");
    assert_executions(&shop, &["COMPLETED"]);
    shop.assert_balance("USD", "39.00", "0.00");
    server.verify_ledger();
}

#[test]
fn two_processes_take_one_payment() {
    on_postgres_only!();
    let (first, shop) = spawn_with(&[]);
    let second = first.spawn_another(&[]);
    for round in 1..=4 {
        let checkout = checkout(&shop);
        let payers: Vec<(Payer, Form)> = [&first, &second, &first, &second]
            .iter()
            .enumerate()
            .map(|(place, server)| {
                let mut payer = Payer::new(server);
                let phone = ending(&format!("{round}{place}0"));
                review(&mut payer, &checkout.link, MTN_LRD, &phone);
                let form = payer.form();
                (payer, form)
            })
            .collect();
        all_at_once(&payers, |(payer, form)| payer.answer_to(form).status);
        for (mut payer, _) in payers {
            payer.open(&checkout.link);
            until(&mut payer, "Paid");
        }
        assert_eq!(executions(&shop).len(), round);
    }
    // The same form at both processes.
    let checkout = checkout(&shop);
    let mut payer = Payer::new(&first);
    review(&mut payer, &checkout.link, MTN_LRD, "0880000001");
    let form = payer.form();
    let places = [payer.clone(), payer.moved_to(&second)];
    all_at_once(&places, |payer| payer.answer_to(&form).status);
    until(&mut payer, "Paid");
    assert_eq!(executions(&shop).len(), 5);
    first.verify_ledger();
}

/// The process dies while the payer looks at the request on the phone.
#[test]
fn a_payment_survives_the_end_of_its_server() {
    let (mut server, shop) = spawn_with(&WITHIN_AN_HOUR);
    let checkout = checkout(&shop);
    let mut payer = Payer::new(&server);
    review(&mut payer, &checkout.link, MTN_LRD, "0880000001");
    let form = payer.form();
    payer.submit(&form);
    shows(&mut payer, &["Check your phone"]);
    server.kill();
    server.restart(&WITHIN_AN_HOUR);
    let mut again = payer.moved_to(&server);
    again.open(&checkout.link);
    shows(&mut again, &["Check your phone"]);
    again.submit(&form);
    shows(&mut again, &["Check your phone"]);
    let shop = shop.at(&server);
    assert_executions(&shop, &["PROCESSING"]);
    shop.advance(3600);
    until(&mut again, "Paid");
    assert_executions(&shop, &["COMPLETED"]);
    server.verify_ledger();
}

/// A form that was drawn before the server was started anew still pays, and once.
#[test]
fn a_form_outlives_its_server() {
    let (mut server, shop) = spawn_with(&[]);
    let checkout = checkout(&shop);
    let mut payer = Payer::new(&server);
    review(&mut payer, &checkout.link, MTN_LRD, "0880000001");
    let form = payer.form();
    assert_eq!(server.terminate(), Some(0));
    server.restart(&[]);
    let (shop, mut payer) = (shop.at(&server), payer.moved_to(&server));
    payer.submit(&form);
    until(&mut payer, "Paid");
    payer.submit(&form);
    shows(&mut payer, &["Paid"]);
    assert_eq!(executions(&shop).len(), 1);
    assert_eq!(shown(&executions(&shop)[0], "status"), "COMPLETED");
}
