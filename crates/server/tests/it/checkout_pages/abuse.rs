//! Requests to phones are limited: by phone, by link and by address, over the end of a process.

use super::{MTN_LRD, assert_executions, checkout, executions, pay, review};
use crate::support::payer::{Browser as _, Payer, hides, shows, until};
use crate::support::shop::ending;
use crate::support::{open, spawn_with};

const NOBODY_APPROVES: &str = "not approved";

/// Fails unless the payer is told to wait, and until when.
#[track_caller]
fn is_limited(payer: &mut Payer) {
    assert_eq!(payer.status(), 429, "{}", payer.text());
    let wait: u64 = payer
        .page()
        .header("retry-after")
        .and_then(|seconds| seconds.parse().ok())
        .unwrap_or_else(|| panic!("no Retry-After: {:?}", payer.page()));
    assert!((1..=3_600).contains(&wait), "{wait}");
    hides(payer, &["Check your phone"]);
    shows(payer, &["Try again after"]);
}

#[test]
fn a_phone_is_asked_three_times_an_hour() {
    let (mut server, shop) = spawn_with(&[]);
    for _ in 0..3 {
        let checkout = checkout(&shop);
        let mut payer = Payer::new(&server);
        pay(&mut payer, &checkout.link, MTN_LRD, &ending("039"));
        until(&mut payer, NOBODY_APPROVES);
    }
    assert_eq!(executions(&shop).len(), 3);
    // By whichever link and address; however the number is written.
    let fourth = checkout(&shop);
    for phone in ["231880000039", "0880000039", "+231 88 000 0039"] {
        let mut payer = Payer::new(&server).with_header("X-Forwarded-For", "192.0.2.9");
        pay(&mut payer, &fourth.link, MTN_LRD, phone);
        is_limited(&mut payer);
    }
    // Another merchant's payers are not kept out by it.
    let other = server.sign_in(&server.database.merchant("Second Shop"));
    let theirs = checkout(&other);
    let mut payer = Payer::new(&server);
    pay(&mut payer, &theirs.link, MTN_LRD, "0880000039");
    until(&mut payer, NOBODY_APPROVES);
    // The limit survives the process.
    server.kill();
    server.restart(&[]);
    let shop = shop.at(&server);
    let mut payer = Payer::new(&server);
    pay(&mut payer, &fourth.link, MTN_LRD, "0880000039");
    is_limited(&mut payer);
    assert_eq!(executions(&shop).len(), 3);
    // Another number pays.
    let mut payer = Payer::new(&server);
    pay(&mut payer, &fourth.link, MTN_LRD, "0880000001");
    until(&mut payer, "Paid");
    server.verify_ledger();
}

#[test]
fn a_link_asks_ten_times_an_hour() {
    let (server, shop) = open();
    let checkout = checkout(&shop);
    for place in 0..10 {
        let mut payer =
            Payer::new(&server).with_header("X-Forwarded-For", &format!("192.0.2.{place}"));
        pay(&mut payer, &checkout.link, MTN_LRD, &format!("23188000{place}039"));
        until(&mut payer, NOBODY_APPROVES);
    }
    let mut payer = Payer::new(&server).with_header("X-Forwarded-For", "192.0.2.77");
    pay(&mut payer, &checkout.link, MTN_LRD, "231880010001");
    is_limited(&mut payer);
    assert_eq!(executions(&shop).len(), 10);
    // Another link is free.
    let other = super::checkout(&shop);
    pay(&mut payer, &other.link, MTN_LRD, "231880010001");
    until(&mut payer, "Paid");
}

#[test]
fn an_address_asks_thirty_times_an_hour() {
    let (server, shop) = open();
    for place in 0..30 {
        let checkout = checkout(&shop);
        let mut payer = Payer::new(&server).with_header("X-Forwarded-For", "192.0.2.1");
        pay(&mut payer, &checkout.link, MTN_LRD, &format!("2318800{place:02}039"));
        until(&mut payer, NOBODY_APPROVES);
    }
    let checkout = checkout(&shop);
    let mut payer = Payer::new(&server).with_header("X-Forwarded-For", "192.0.2.1");
    pay(&mut payer, &checkout.link, MTN_LRD, "231880020001");
    is_limited(&mut payer);
    assert_eq!(executions(&shop).len(), 30);
    let mut elsewhere = Payer::new(&server).with_header("X-Forwarded-For", "192.0.2.2");
    pay(&mut elsewhere, &checkout.link, MTN_LRD, "231880020001");
    until(&mut elsewhere, "Paid");
    server.verify_ledger();
}

/// Who only reads, or is refused, uses nothing up.
#[test]
fn only_requests_that_were_sent_count() {
    let (server, shop) = open();
    let checkout = checkout(&shop);
    let mut payer = Payer::new(&server);
    for _ in 0..12 {
        review(&mut payer, &checkout.link, MTN_LRD, "0880000001");
    }
    let form = payer.form();
    for _ in 0..5 {
        payer.answer_to(&form.with("quote", "1"));
        payer.answer_to(&form.without("key"));
    }
    payer.submit(&form);
    until(&mut payer, "Paid");
    for _ in 0..5 {
        payer.submit(&form);
        shows(&mut payer, &["Paid"]);
    }
    assert_executions(&shop, &["COMPLETED"]);
}

/// Twenty sends of one number at once, over as many links: three are sent.
#[test]
fn a_crowd_does_not_pass_the_limit() {
    let (server, shop) = open();
    let ready: Vec<_> = (0..20)
        .map(|_| {
            let checkout = checkout(&shop);
            let mut payer = Payer::new(&server);
            review(&mut payer, &checkout.link, MTN_LRD, &ending("039"));
            let form = payer.form();
            (payer, form)
        })
        .collect();
    let statuses =
        crate::support::all_at_once(&ready, |(payer, form)| payer.answer_to(form).status);
    let sent = statuses.iter().filter(|status| **status == 303).count();
    let refused = statuses.iter().filter(|status| **status == 429).count();
    assert_eq!((sent, refused), (3, 17), "{statuses:?}");
    assert_eq!(executions(&shop).len(), 3);
}
