//! Each state of the page: what it says, what can be done on it, and what comes next.

use super::{
    CARD_USD, IN_LRD, IN_USD, MTN_LRD, MTN_USD, ORANGE_LRD, WITHIN_AN_HOUR, assert_executions,
    checkout, checkout_of, executions, is_open, order, pay, review, stage,
};
use crate::reviews::{find, resolve};
use crate::support::payer::{Browser as _, Payer, hides, shows, until};
use crate::support::shop::ending;
use crate::support::{after, all_at_once, id, json, key, open, open_with, shown, wait_for};

#[test]
fn an_open_page_names_everything_and_every_price() {
    let (server, shop) = open();
    let mut body = order();
    body["note"] = json!("Delivered on Friday");
    body["expires_at"] = json!(after(3600));
    let checkout = checkout_of(&shop, &body);
    let mut payer = Payer::at(&server, &checkout.link);
    assert_eq!(payer.status(), 200);
    shows(
        &mut payer,
        &[
            "First Shop",
            &checkout.number,
            "Rice, 25 kg",
            "Delivered on Friday",
            "39.00 USD",
            "How do you want to pay?",
            "MTN Mobile Money",
            IN_LRD,
            "299.52",
            IN_USD,
            "Orange Money",
            "Sandbox",
        ],
    );
    for method in [MTN_LRD, MTN_USD, ORANGE_LRD, "ORANGE_MONEY_LBR:USD", CARD_USD] {
        assert!(payer.offers("method", method), "{method}: {}", payer.text());
    }
    // A wallet proves nothing about who pays.
    let words = payer.text();
    assert!(!payer.source().contains("WALLET") && !words.contains("Wallet"), "{words}");
    assert_executions(&shop, &[]);
}

#[test]
fn a_frozen_wallet_is_told_before_anything_is_chosen() {
    let (server, shop, checkout) = stage(&WITHIN_AN_HOUR);
    server.fund(&shop, "USD", "1.00");
    let mut payer = Payer::at(&server, &checkout.link);
    payer.choose("method", MTN_LRD);
    payer.fill("phone", "0880000001");
    payer.go_on();
    // It is frozen while the payer is about to send the request.
    server.set_wallet(shop.wallet("USD"), "FROZEN");
    let none = "First Shop cannot take payments now.";
    payer.go_on();
    shows(&mut payer, &[none]);
    hides(&mut payer, &["How do you want to pay?", "not offered any more"]);
    let mut later = Payer::at(&server, &checkout.link);
    assert_eq!(later.status(), 200);
    shows(&mut later, &[none]);
    hides(&mut later, &["How do you want to pay?", "MTN"]);
    assert_executions(&shop, &[]);
    server.set_wallet(shop.wallet("USD"), "ACTIVE");
    let mut again = Payer::at(&server, &checkout.link);
    assert!(again.offers("method", MTN_LRD), "{}", again.text());
}

#[test]
fn a_payment_from_open_to_its_receipt() {
    let (server, shop, checkout) = stage(&WITHIN_AN_HOUR);
    let mut payer = Payer::at(&server, &checkout.link);
    payer.choose("method", MTN_LRD);
    assert_eq!(payer.status(), 200);
    assert_eq!(
        payer.attribute("[name=phone]", "autocomplete").as_deref(),
        Some("tel"),
        "{}",
        payer.source()
    );
    assert_executions(&shop, &[]);
    payer.fill("phone", "0880000001");
    payer.go_on();
    assert_eq!(payer.status(), 200);
    shows(&mut payer, &[IN_LRD, "First Shop", "1 USD = 192 LRD", "PIN", "0001", "•••"]);
    hides(&mut payer, &["231880000001"]);
    assert_executions(&shop, &[]);
    payer.go_on();
    assert_eq!(payer.path(), payer.path_of(&checkout.link), "a decision is followed by its page");
    shows(&mut payer, &["Check your phone", "PIN", "You can close this page"]);
    hides(&mut payer, &["Paid", "How do you want to pay?"]);
    assert_executions(&shop, &["PROCESSING"]);
    assert_eq!(shop.order_status(&checkout), "PROCESSING");
    shop.advance(3600);
    until(&mut payer, "Paid");
    shows(&mut payer, &[IN_LRD, "Receipt"]);
    hides(&mut payer, &["Check your phone", "How do you want to pay?"]);
    assert_eq!(payer.link("shop").as_deref(), Some("https://shop.example/thanks?order=7"));
    payer.follow("Receipt");
    shows(&mut payer, &["First Shop", &checkout.number, IN_LRD, "39.00 USD"]);
    assert_executions(&shop, &["COMPLETED"]);
    assert_eq!(shop.order_status(&checkout), "PAID");
    shop.assert_balance("USD", "39.00", "0.00");
    server.verify_ledger();
}

/// The sum that was shown is the one that is asked for.
#[test]
fn each_price_is_what_is_paid() {
    let (server, shop) = open();
    for (method, phone, price, minor) in [
        (MTN_LRD, "0880000001", IN_LRD, "7787.52"),
        (MTN_USD, "0880000001", IN_USD, "40.17"),
        (ORANGE_LRD, "0770000001", IN_LRD, "7787.52"),
        // 39.00 and 1 % and 2.9 % and 0.30.
        (CARD_USD, "", "40.82 USD", "40.82"),
    ] {
        let checkout = checkout(&shop);
        let mut payer = Payer::new(&server);
        review(&mut payer, &checkout.link, method, phone);
        shows(&mut payer, &[price]);
        payer.go_on();
        if method == CARD_USD {
            payer.go_on();
        }
        until(&mut payer, "Paid");
        shows(&mut payer, &[price]);
        let newest = &executions(&shop)[0];
        assert_eq!(shown(newest, "payer_amount"), minor, "{newest}");
    }
    server.verify_ledger();
}

/// Each number of the sandbox, by what its payer is told.
#[test]
fn every_number_leads_to_its_end() {
    let (server, shop) = open_with(&WITHIN_AN_HOUR);
    let mut states = vec![];
    for (digits, end) in [
        ("001", "Paid"),
        ("019", "limit"),
        ("029", "no account"),
        ("039", "not approved"),
        ("049", "enough money"),
        ("069", "no reason"),
        ("089", "Paid"),
        ("099", "Paid"),
        ("119", "Paid"),
        ("139", "Paid"),
        ("149", "Paid"),
        ("159", "Paid"),
        ("169", "Paid"),
    ] {
        let checkout = checkout(&shop);
        let mut payer = Payer::new(&server);
        pay(&mut payer, &checkout.link, MTN_USD, &ending(digits));
        // What these say comes at once, or may.
        if !["139", "149", "169"].contains(&digits) {
            shows(&mut payer, &["Check your phone"]);
            hides(&mut payer, &["Paid", "Receipt"]);
        }
        shop.advance(3600);
        if digits == "149" {
            // It is sent a second time, and takes another hour from then on.
            wait_for("the second try", || {
                let sent = "SELECT max(send_count) FROM provider_attempts";
                (server.database.value(sent) == "2").then_some(())
            });
            shop.advance(3600);
        }
        until(&mut payer, end);
        hides(&mut payer, &["Check your phone"]);
        let (order, execution) =
            if end == "Paid" { ("PAID", "COMPLETED") } else { ("ACTIVE", "FAILED") };
        assert_eq!(shop.order_status(&checkout), order, "{digits}");
        states.push(execution);
        assert_executions(&shop, &states);
        if end == "Paid" {
            shows(&mut payer, &["Receipt", IN_USD]);
        } else {
            shows(&mut payer, &["No money was taken"]);
            hides(&mut payer, &["Paid", "Receipt"]);
            assert!(payer.offers("method", MTN_USD), "{digits}: {}", payer.text());
        }
    }
    server.verify_ledger();
}

#[test]
fn a_network_that_is_silent_for_long_is_told_as_such() {
    let (server, shop, checkout) = stage(&[]);
    let mut payer = Payer::new(&server);
    pay(&mut payer, &checkout.link, MTN_LRD, &ending("129"));
    shows(&mut payer, &["Check your phone"]);
    shop.advance(14 * 60);
    payer.reload();
    shows(&mut payer, &["Do not pay again"]);
    hides(&mut payer, &["Paid", "How do you want to pay?"]);
    // To ask again changes nothing of the payment.
    payer.go_on();
    shows(&mut payer, &["Do not pay again"]);
    assert_executions(&shop, &["PROCESSING"]);
    shop.advance(60);
    until(&mut payer, "Paid");
    assert_executions(&shop, &["COMPLETED"]);
    server.verify_ledger();
}

#[test]
fn a_success_after_a_failure_is_a_review() {
    let (server, shop, checkout) = stage(&[]);
    let mut payer = Payer::new(&server);
    pay(&mut payer, &checkout.link, MTN_LRD, &ending("179"));
    let reference = shown(&executions(&shop)[0], "reference_id");
    let review = wait_for("the review", || find(&server, &reference));
    payer.reload();
    shows(&mut payer, &["Do not pay again"]);
    hides(&mut payer, &["How do you want to pay?", "No money was taken", "Paid"]);
    assert!(!payer.offers("method", MTN_LRD));
    assert_executions(&shop, &["FAILED"]);
    resolve(&server, &review, &["--to", "wallet", "--evidence", "the network's statement"]).ok();
    until(&mut payer, "Paid");
    shows(&mut payer, &["Receipt", IN_LRD]);
    assert_eq!(shop.order_status(&checkout), "PAID");
    server.verify_ledger();
}

/// What a review gave back to the payer is no payment: the link can be paid again.
#[test]
fn a_review_that_gives_the_money_back_opens_the_page_again() {
    let (server, shop, checkout) = stage(&[]);
    let mut payer = Payer::new(&server);
    pay(&mut payer, &checkout.link, MTN_LRD, &ending("179"));
    let reference = shown(&executions(&shop)[0], "reference_id");
    let found = wait_for("the review", || find(&server, &reference));
    resolve(&server, &found, &["--to", "payer", "--evidence", "the network sent it back"]).ok();
    payer.reload();
    // A review was open, so nobody says that no money was taken.
    hides(&mut payer, &["No money was taken"]);
    pay(&mut payer, &checkout.link, MTN_LRD, "0880000001");
    until(&mut payer, "Paid");
    assert_executions(&shop, &["FAILED", "COMPLETED"]);
    server.verify_ledger();
}

#[test]
fn an_expired_link_says_that_nothing_was_taken() {
    let (server, shop) = open();
    let mut body = order();
    body["expires_at"] = json!(after(3600));
    let checkout = checkout_of(&shop, &body);
    let mut payer = Payer::at(&server, &checkout.link);
    shop.advance(3700);
    payer.reload();
    shows(&mut payer, &["expired", "no payment was taken"]);
    hides(&mut payer, &["How do you want to pay?"]);
    assert!(payer.forms().iter().all(|form| !form.post), "{}", payer.source());
    assert_eq!(payer.link("ack").as_deref(), Some("https://shop.example/basket"));
    assert!(!payer.source().contains("/thanks"), "{}", payer.source());
    assert_executions(&shop, &[]);
}

#[test]
fn a_payment_under_way_is_not_hidden_by_an_expiry() {
    let (server, shop) = open_with(&WITHIN_AN_HOUR);
    let mut body = order();
    body["expires_at"] = json!(after(600));
    let checkout = checkout_of(&shop, &body);
    let mut payer = Payer::new(&server);
    pay(&mut payer, &checkout.link, MTN_LRD, "0880000001");
    shop.advance(1200);
    payer.reload();
    hides(&mut payer, &["expired", "no payment was taken"]);
    shop.advance(3600);
    until(&mut payer, "Paid");
    shows(&mut payer, &["Receipt"]);
    server.verify_ledger();
}

#[test]
fn a_failure_after_the_expiry_does_not_open_the_page_again() {
    let (server, shop) = open_with(&WITHIN_AN_HOUR);
    let mut body = order();
    body["expires_at"] = json!(after(600));
    let checkout = checkout_of(&shop, &body);
    let mut payer = Payer::new(&server);
    pay(&mut payer, &checkout.link, MTN_LRD, &ending("039"));
    shop.advance(3700);
    until(&mut payer, "expired");
    hides(&mut payer, &["How do you want to pay?"]);
    assert_executions(&shop, &["FAILED"]);
}

#[test]
fn a_canceled_order_says_so() {
    let (server, shop, checkout) = stage(&[]);
    let mut payer = Payer::new(&server);
    review(&mut payer, &checkout.link, MTN_LRD, "0880000001");
    let form = payer.form();
    let path = format!("/v1/orders/cancel/{}", checkout.source);
    shop.api.call("DELETE", &path, None).ok();
    // The form of before is late.
    payer.submit(&form);
    shows(&mut payer, &["Canceled", "no payment was taken"]);
    payer.open(&checkout.link);
    shows(&mut payer, &["Canceled", "no payment was taken"]);
    assert_eq!(payer.link("ack").as_deref(), Some("https://shop.example/basket"));
    assert_executions(&shop, &[]);
}

#[test]
fn refunds_are_told_on_the_page_of_what_was_paid() {
    let (server, shop, checkout) = stage(&[]);
    server.fund(&shop, "USD", "100.00");
    let mut payer = Payer::new(&server);
    pay(&mut payer, &checkout.link, MTN_USD, "0880000001");
    until(&mut payer, "Paid");
    hides(&mut payer, &["efund"]);
    let paid = executions(&shop).remove(0);
    assert_eq!(shop.refund(&paid, "10.00")["status"], "COMPLETED");
    payer.reload();
    shows(&mut payer, &["Paid", "efunded", "10.00 USD"]);
    payer.follow("Receipt");
    shows(&mut payer, &["efunded", "10.00 USD"]);
    server.verify_ledger();
}

#[test]
fn a_draft_cannot_be_paid() {
    let (server, shop) = open();
    let invoice = shop.draft("invoices", "USD", "PAYER");
    shop.add_item("invoices", invoice, "USD", 2, "19.50");
    let number =
        shown(&shop.api.get(&format!("/v1/invoices/retrieve/{invoice}")).ok(), "invoice_number");
    let asked = format!("/v1/links/pay?source_type=INVOICE&source_number={number}");
    let link = shown(&shop.api.get(&asked).ok(), "url");
    let mut payer = Payer::at(&server, &link);
    shows(&mut payer, &["First Shop", &number]);
    assert!(!payer.offers("method", MTN_LRD), "{}", payer.text());
    shop.api.call("PUT", &format!("/v1/invoices/publish/{invoice}"), None).ok();
    pay(&mut payer, &link, MTN_LRD, "0880000001");
    until(&mut payer, "Paid");
}

/// The price of a method that takes only another currency, and of one that is closed.
#[test]
fn a_method_that_is_closed_is_not_offered() {
    let (server, shop, checkout) = stage(&[]);
    let mut payer = Payer::new(&server);
    review(&mut payer, &checkout.link, MTN_LRD, "0880000001");
    let late = payer.form();
    server.kola(&["markets", "close", "MTN_MOMO_LBR", "COLLECTION", "LRD"]).ok();
    let mut other = Payer::at(&server, &checkout.link);
    assert!(
        !other.offers("method", MTN_LRD) && other.offers("method", MTN_USD),
        "{}",
        other.text()
    );
    payer.submit(&late);
    assert_executions(&shop, &[]);
    payer.open(&checkout.link);
    assert!(is_open(&mut payer), "{}", payer.text());
}

#[test]
fn a_request_that_is_gone_from_the_phone_can_be_seen_again() {
    let (server, shop, checkout) = stage(&WITHIN_AN_HOUR);
    let mut payer = Payer::new(&server);
    pay(&mut payer, &checkout.link, MTN_LRD, "0880000001");
    hides(&mut payer, &["Dial"]);
    shop.advance(20);
    payer.reload();
    shows(&mut payer, &["Check your phone", "Dial", "*156#"]);
}

/// A payment that the shop's own server makes is the payment of the page, too.
#[test]
fn a_payment_by_the_api_is_seen_on_the_page() {
    let (server, shop, checkout) = stage(&WITHIN_AN_HOUR);
    let mut payer = Payer::new(&server);
    review(&mut payer, &checkout.link, MTN_LRD, "0880000001");
    let body = json!({"source_id": checkout.source, "source_type": "ORDER"});
    let session = id(&shop.api.post("/v1/sessions/checkout", &body).ok());
    let account = shop.momo("COLLECTION", &ending("500"));
    shop.collect(session, account, "USD", &key()).ok();
    payer.go_on();
    shows(&mut payer, &["Check your phone"]);
    assert_executions(&shop, &["PROCESSING"]);
    shop.advance(3600);
    until(&mut payer, "Paid");
    shows(&mut payer, &[IN_USD, "Receipt"]);
    // A card that the shop's own page asks about is confirmed there, and not here.
    let other = super::checkout(&shop);
    let body = json!({"source_id": other.source, "source_type": "ORDER"});
    let session = id(&shop.api.post("/v1/sessions/checkout", &body).ok());
    let card = Some("pm_card_authenticationRequired");
    let account = shop.account(shop.party(), "COLLECTION", "CREDIT_CARD", card);
    shop.collect(session, account, "USD", &key()).ok();
    payer.open(&other.link);
    shows(&mut payer, &["Do not pay again"]);
    assert!(!payer.offers("result", "succeed") && !is_open(&mut payer), "{}", payer.text());
    server.verify_ledger();
}

/// The seller bears the fees: the price is the total.
#[test]
fn a_seller_that_bears_the_fees_adds_none() {
    let (server, shop) = open();
    let invoice = shop.source("invoices", "USD", "PAYEE", "39.00");
    let number =
        shown(&shop.api.get(&format!("/v1/invoices/retrieve/{invoice}")).ok(), "invoice_number");
    let asked = format!("/v1/links/pay?source_type=INVOICE&source_number={number}");
    let link = shown(&shop.api.get(&asked).ok(), "url");
    let mut payer = Payer::new(&server);
    review(&mut payer, &link, MTN_USD, "0880000001");
    shows(&mut payer, &["39.00 USD"]);
    hides(&mut payer, &["1.17", "40.17"]);
    payer.go_on();
    until(&mut payer, "Paid");
    shop.assert_balance("USD", "37.83", "0.00");
    server.verify_ledger();
}

/// An order is canceled, and its link expires, at the moment in which somebody pays: one of them is
/// first, and the page says which.
#[test]
fn a_cancel_and_a_payment_at_once_have_one_end() {
    let (server, shop) = open();
    for round in 0..6 {
        let checkout = checkout_of(&shop, &order());
        let mut payer = Payer::new(&server);
        review(&mut payer, &checkout.link, MTN_USD, &ending(&format!("{round}40")));
        let form = payer.form();
        let path = format!("/v1/orders/cancel/{}", checkout.source);
        all_at_once(&[true, false], |pays| {
            if *pays {
                payer.answer_to(&form).status
            } else {
                shop.api.call("DELETE", &path, None).status
            }
        });
        payer.open(&checkout.link);
        if shop.order_status(&checkout) == "CANCELED" {
            shows(&mut payer, &["Canceled", "no payment was taken"]);
        } else {
            until(&mut payer, "Paid");
        }
    }
    server.verify_ledger();
}
