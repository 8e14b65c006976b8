//! `expires_at`: which times are accepted, and what happens a second before and after one.

use std::time::{Duration, Instant};

use crate::support::shop::GOOD;
use crate::support::{Merchant, Reply, after, id, instant, json, key, open};

const DAY: i64 = 24 * 3600;

fn payout(shop: &Merchant, account: i64, expires: &str) -> Reply {
    let body = json!({"wallet_id": shop.wallet("USD"), "payment_account_id": account, "amount": 10, "currency": "USD",
        "expires_at": expires});
    shop.api.post("/v1/sessions/payout", &body)
}

/// Advances the clock to shortly before an expiry and runs `act` there. If the machine was too slow
/// for that, it tries again with another session and twice the time.
#[track_caller]
fn just_before_expiry<T>(shop: &Merchant, account: i64, act: impl Fn(i64) -> T) -> T {
    for spare in (0..8).map(|n| 1 << n) {
        let start = Instant::now();
        let session = payout(shop, account, &after_the_shops_clock(shop, account, 1000)).ok();
        shop.advance(999 - spare);
        let done = act(id(&session));
        if start.elapsed() < Duration::from_secs(spare.unsigned_abs()) {
            return done;
        }
    }
    panic!("this machine is too slow to act within two minutes");
}

/// The time `seconds` after merchant time, which a new session shows.
#[track_caller]
fn after_the_shops_clock(shop: &Merchant, account: i64, seconds: i64) -> String {
    let probe = payout(shop, account, &after(360 * DAY)).ok();
    let now = instant(&probe["created_at"]).as_second();
    jiff::Timestamp::from_second(now + seconds).expect("a date").to_string()
}

#[test]
fn the_documents_own_date_is_past_and_the_answer_says_so() {
    let (_server, shop) = open();
    let reply = payout(&shop, shop.momo("PAYOUT", GOOD), "2025-06-15T18:00:00Z");
    reply.faults_are_at(&["body.expires_at"]);
    let fault = reply.state_fault("body.expires_at");
    assert!(fault.msg.to_lowercase().contains("past"), "{}", fault.msg);
}

#[test]
fn a_session_is_usable_until_its_expiry() {
    let (server, shop) = open();
    server.fund(&shop, "USD", "1000.00");
    let account = shop.momo("PAYOUT", GOOD);
    let reply =
        just_before_expiry(&shop, account, |session| shop.execute("payout", session, &key()));
    assert_eq!(reply.ok()["status"], "COMPLETED");
}

#[test]
fn a_session_shows_active_until_its_expiry() {
    let (_server, shop) = open();
    let account = shop.momo("PAYOUT", GOOD);
    assert_eq!(
        just_before_expiry(&shop, account, |session| shop.session_status("payout", session)),
        "ACTIVE"
    );
}

#[test]
fn a_session_is_refused_at_its_expiry() {
    let (server, shop) = open();
    server.fund(&shop, "USD", "1000.00");
    let session = id(&payout(&shop, shop.momo("PAYOUT", GOOD), &after(1000)).ok());
    shop.advance(1000);
    shop.execute("payout", session, &key()).state_fault("body.session_id");
    shop.assert_balance("USD", "1000.00", "0.00");
}

#[test]
fn an_expired_session_shows_so_at_once() {
    let (_server, shop) = open();
    let session = id(&payout(&shop, shop.momo("PAYOUT", GOOD), &after(1000)).ok());
    shop.advance(1000);
    assert_eq!(shop.session_status("payout", session), "EXPIRED");
    assert_eq!(shop.api.get("/v1/sessions/payout/list").rows()[0]["status"], "EXPIRED");
}

#[test]
fn an_expired_session_cannot_be_canceled() {
    let (_server, shop) = open();
    let session = id(&payout(&shop, shop.momo("PAYOUT", GOOD), &after(1000)).ok());
    shop.advance(1001);
    shop.api.call("POST", &format!("/v1/sessions/payout/cancel/{session}"), None).refused(422);
    assert_eq!(shop.session_status("payout", session), "EXPIRED");
}

#[test]
fn a_checkout_session_expires_after_half_an_hour() {
    let (_server, shop) = open();
    let (invoice, account) = (shop.invoice("USD", "5.00"), shop.momo("COLLECTION", GOOD));
    let session = shop.checkout(invoice);
    shop.advance(1800);
    shop.collect(session, account, "USD", &key()).state_fault("body.session_id");
    assert_eq!(shop.source_status("invoices", invoice), "ACTIVE");
    shop.collect(shop.checkout(invoice), account, "USD", &key()).ok();
}

#[test]
fn an_expiry_follows_the_merchants_clock() {
    let (_server, shop) = open();
    let account = shop.momo("PAYOUT", GOOD);
    shop.advance(7200);
    payout(&shop, account, &after(3600)).state_fault("body.expires_at");
    payout(&shop, account, &after(7300)).ok();
}

#[test]
fn an_expiry_is_at_most_366_days_ahead() {
    let (_server, shop) = open();
    let account = shop.momo("PAYOUT", GOOD);
    payout(&shop, account, &after(366 * DAY - 60)).ok();
    payout(&shop, account, &after(366 * DAY + 60)).state_fault("body.expires_at");
    for text in
        ["2999-01-01T00:00:00Z", "9999-12-30T00:00:00Z", "9999-12-31", "9999-12-31T23:59:59Z"]
    {
        let reply = payout(&shop, account, text);
        let fault = reply.fault("body.expires_at");
        fault.says("expires_at is more than 366 days ahead", "value_error.expires_at");
    }
}

#[test]
fn a_time_in_an_answer_has_six_digits_be_they_zero() {
    let (_server, shop) = open();
    let expires = after(5000);
    let session = payout(&shop, shop.momo("PAYOUT", GOOD), &expires).ok();
    assert_eq!(session["expires_at"], json!(expires.replace('Z', ".000000Z")));
    assert_eq!(
        session["created_at"].as_str().map(str::len),
        Some("2026-11-22T18:00:00.000000Z".len()),
        "{session}"
    );
}

#[test]
fn an_expiry_a_moment_ago_is_refused() {
    let (_server, shop) = open();
    let account = shop.momo("PAYOUT", GOOD);
    payout(&shop, account, &after(-1)).state_fault("body.expires_at");
    payout(&shop, account, "1970-01-01T00:00:00Z").state_fault("body.expires_at");
}

#[test]
fn an_expiry_without_an_offset_is_utc() {
    let (_server, shop) = open();
    let expires = after(5000);
    let session = payout(&shop, shop.momo("PAYOUT", GOOD), expires.trim_end_matches('Z')).ok();
    assert_eq!(instant(&session["expires_at"]), instant(&json!(expires)));
}

#[test]
fn an_expiry_may_have_any_offset() {
    let (_server, shop) = open();
    let account = shop.momo("PAYOUT", GOOD);
    let expires: jiff::Timestamp = after(5000).parse().expect("a date");
    for (hours, written) in [(2, "+02:00"), (-5, "-05:00"), (0, "+00:00")] {
        let local = jiff::tz::offset(hours).to_datetime(expires);
        let session = payout(&shop, account, &format!("{local}{written}")).ok();
        assert_eq!(instant(&session["expires_at"]), expires, "{local}{written}");
    }
}

#[test]
fn an_offset_counts_when_the_past_is_judged() {
    let (_server, shop) = open();
    let local = after(3600).trim_end_matches('Z').to_owned();
    payout(&shop, shop.momo("PAYOUT", GOOD), &format!("{local}+02:00"))
        .state_fault("body.expires_at");
}

#[test]
fn what_is_no_date_is_refused() {
    let (_server, shop) = open();
    let account = shop.momo("PAYOUT", GOOD);
    for text in [
        "tomorrow",
        "",
        "2027-13-01T00:00:00Z",
        "2027-02-30T00:00:00Z",
        "2027-01-01T25:00:00Z",
        "12:00",
        "2027-01-01T00:00:00+24:00",
    ] {
        let fault = payout(&shop, account, text).fault("body.expires_at");
        fault.says("invalid datetime format", "value_error.datetime");
    }
}

#[test]
fn transfers_and_refunds_expire_too() {
    let (server, shop) = open();
    server.fund(&shop, "USD", "100.00");
    let paid = shop.paid_hundred();
    let transfer = id(&shop.open_transfer(shop.customer(), "USD", "10.00").ok());
    let refund = id(&shop.open_refund(&paid["payment_intent_id"], "10.00").ok());
    shop.advance(3601);
    shop.execute("transfer", transfer, &key()).state_fault("body.session_id");
    shop.execute("refund", refund, &key()).state_fault("body.session_id");
    shop.assert_balance("USD", "200.00", "0.00");
    let body = json!({"original_payment_intent_id": paid["payment_intent_id"], "amount": 1, "expires_at": after(0)});
    shop.api.post("/v1/sessions/refund", &body).state_fault("body.expires_at");
}
