//! Forms that no page of ours sent: of another site, late, with fields that are missing, doubled or
//! huge. Each is answered with a page, and nothing is half done.

use super::{
    CARD_USD, IN_LRD, MTN_LRD, WITHIN_AN_HOUR, assert_executions, checkout, checkout_of,
    executions, is_open, order, pay, review, stage,
};
use crate::support::payer::{Browser as _, Form, Payer, hides, shows, until};
use crate::support::shop::ending;
use crate::support::{Reply, after, json, open, open_with, spawn_with};

/// Fails unless an answer is a page for people with one of these statuses.
#[track_caller]
fn is_page(reply: &Reply, statuses: &[u16], what: &str) {
    assert!(statuses.contains(&reply.status), "{what}: {} {}", reply.status, reply.body);
    if reply.status != 303 {
        assert_eq!(reply.header("content-type"), Some("text/html; charset=utf-8"), "{what}");
        let text = reply.body.as_str().unwrap_or_else(|| panic!("{what}: {}", reply.body));
        assert!(text.contains("<h1") && !text.contains("\"detail\""), "{what}: {text}");
    }
}

/// The headers with which browsers tell that a form stood on another site, or on none.
#[test]
fn a_form_of_another_site_is_refused() {
    let (server, shop, checkout) = stage(&[]);
    let own = format!("http://{}", server.api.address);
    let port = server.api.address.rsplit(':').next().expect("a port");
    let other_port = format!("http://127.0.0.1:1{port}");
    let mut payer = Payer::new(&server);
    review(&mut payer, &checkout.link, MTN_LRD, "0880000001");
    let form = payer.form();
    let kind = ("Content-Type", "application/x-www-form-urlencoded");
    for headers in [
        vec![("Sec-Fetch-Site", "cross-site"), ("Origin", "https://shop.example")],
        vec![("Sec-Fetch-Site", "same-site"), ("Origin", "https://shop.example")],
        vec![("Sec-Fetch-Site", "cross-site"), ("Origin", own.as_str())],
        vec![("Sec-Fetch-Site", "cross-site")],
        // Browsers of before 2020 send only the origin.
        vec![("Origin", "https://shop.example")],
        vec![("Origin", "null")],
        vec![("Origin", other_port.as_str())],
        // A name that was made to lead here.
        vec![("Origin", "http://shop.example"), ("Host", "shop.example")],
    ] {
        let mut all = vec![kind];
        all.extend(headers.iter().copied());
        let reply = payer.send("POST", &form.action, &all, &form.body());
        is_page(&reply, &[403], &format!("{headers:?}"));
        for first in ["method", "phone", "check"] {
            let step = Form { fields: vec![("step".into(), first.into())], ..form.clone() };
            let reply = payer.send("POST", &step.action, &all, &step.body());
            is_page(&reply, &[403], &format!("{first}: {headers:?}"));
        }
    }
    assert_executions(&shop, &[]);
    // The page's own form is not refused, with the origin alone, too.
    let reply = payer.send("POST", &form.action, &[kind, ("Origin", &own)], &form.body());
    is_page(&reply, &[303], "the origin of the page");
    assert_eq!(executions(&shop).len(), 1);
}

/// Behind a proxy that speaks TLS the origin is that of the links.
#[test]
fn the_public_url_is_where_forms_come_from() {
    let (server, shop) = open_with(&[("KOLA_PUBLIC_URL", "https://pay.example/kola")]);
    let checkout = checkout(&shop);
    // The proxy removes its part of the path.
    let path = checkout.link.replace("https://pay.example/kola", "");
    let payer = Payer::new(&server);
    let kind = ("Content-Type", "application/x-www-form-urlencoded");
    let body = "step=method&method=MTN_MOMO_LBR%3ALRD";
    for (origin, statuses) in [
        ("https://pay.example", &[200][..]),
        ("http://pay.example", &[403]),
        ("https://pay.example.evil.example", &[403]),
        ("https://evil.example", &[403]),
    ] {
        let reply = payer.send("POST", &path, &[kind, ("Origin", origin)], body);
        is_page(&reply, statuses, origin);
    }
}

#[test]
fn a_field_that_is_missing_or_doubled_pays_nothing() {
    let (server, shop, checkout) = stage(&[]);
    let mut payer = Payer::new(&server);
    review(&mut payer, &checkout.link, MTN_LRD, "0880000001");
    let whole = payer.form();
    for field in ["step", "method", "phone", "quote", "key"] {
        let value = whole.value(field).unwrap_or_else(|| panic!("no {field} in {whole:?}"));
        for (what, form) in [
            ("missing", whole.without(field)),
            ("empty", whole.with(field, "")),
            ("doubled", whole.and(field, value)),
            ("two", whole.and(field, "x")),
            ("nonsense", whole.with(field, "💸\u{0}'\"<b>")),
            ("long", whole.with(field, &"9".repeat(5_000))),
        ] {
            let reply = payer.answer_to(&form);
            is_page(&reply, &[200, 400, 422], &format!("{field} {what}"));
            assert_eq!(executions(&shop).len(), 0, "{field} {what}");
        }
    }
    // What no page of ours sends is ignored.
    payer.submit(&whole.and("utm_source", "sms"));
    until(&mut payer, "Paid");
    assert_executions(&shop, &["COMPLETED"]);
    server.verify_ledger();
}

#[test]
fn what_is_written_into_a_form_by_hand_is_no_offer() {
    let (server, shop, checkout) = stage(&[]);
    let mut payer = Payer::new(&server);
    review(&mut payer, &checkout.link, MTN_LRD, "0880000001");
    let whole = payer.form();
    for form in [
        whole.with("quote", "1"),
        whole.with("quote", "-778752"),
        whole.with("quote", "7787.52"),
        whole.with("quote", "99999999999999999999"),
        whole.with("method", "WALLET:USD"),
        whole.with("method", "MTN_MOMO_RWA:RWF"),
        whole.with("method", "MTN_MOMO_LBR:EUR"),
        whole.with("method", "MTN_MOMO_LBR"),
        whole.with("method", CARD_USD),
        whole.with("phone", "250780000001"),
        whole.with("phone", "1"),
        whole.with("key", "not-a-uuid"),
        whole.with("key", "00000000-0000-1000-8000-000000000000"),
        whole.with("step", "card").and("result", "succeed"),
        whole.with("step", "leave_card"),
        whole.with("step", "refund"),
    ] {
        let reply = payer.answer_to(&form);
        is_page(&reply, &[200, 303, 400, 422], &format!("{form:?}"));
        assert_eq!(executions(&shop).len(), 0, "{form:?}");
    }
    payer.open(&checkout.link);
    assert!(is_open(&mut payer), "{}", payer.text());
}

/// A body of a megabyte, of another type, or not of UTF-8.
#[test]
fn a_body_that_is_no_form_is_answered_with_a_page() {
    let (server, shop, checkout) = stage(&[]);
    let payer = Payer::at(&server, &checkout.link);
    let own = format!("http://{}", server.api.address);
    let site = [("Sec-Fetch-Site", "same-origin"), ("Origin", own.as_str())];
    let form = "application/x-www-form-urlencoded";
    let megabyte = format!("step=method&method={}", "x".repeat(1_000_000));
    let many = "step=method&".repeat(5_000);
    for (what, kind, body, statuses) in [
        ("1 MB", form, megabyte.as_str(), &[413][..]),
        ("many fields", form, &many, &[200, 400, 422]),
        ("nothing", form, "", &[200, 400, 422]),
        ("broken", form, "step=%ZZ&%=%&&&===", &[200, 400, 422]),
        ("not UTF-8", form, "step=%FF%FE&method=%C0%80", &[200, 400, 422]),
        ("JSON", "application/json", "{\"step\":\"pay\"}", &[200, 400, 415, 422]),
        ("text", "text/plain", "step=method", &[200, 400, 415, 422]),
        ("parts", "multipart/form-data; boundary=x", "--x--", &[200, 400, 415, 422]),
    ] {
        let mut headers = vec![("Content-Type", kind)];
        headers.extend(site);
        is_page(&payer.send("POST", payer.path(), &headers, body), statuses, what);
    }
    assert_executions(&shop, &[]);
}

/// A form that lay open for a day: in the same server, and in one that was started anew.
#[test]
fn a_form_of_yesterday_does_nothing_by_half() {
    let (mut server, shop) = spawn_with(&[]);
    let without_end = checkout(&shop);
    let mut body = order();
    body["expires_at"] = json!(after(3600));
    let with_end = checkout_of(&shop, &body);
    let forms: Vec<(Payer, Form)> = [&without_end, &with_end]
        .iter()
        .zip(["0880000001", "0880000002"])
        .map(|(checkout, phone)| {
            let mut payer = Payer::new(&server);
            review(&mut payer, &checkout.link, MTN_LRD, phone);
            let form = payer.form();
            (payer, form)
        })
        .collect();
    shop.advance(24 * 3600);
    assert_eq!(server.terminate(), Some(0));
    server.restart(&[]);
    let shop = shop.at(&server);
    let [(open, pays), (over, refused)] = forms.as_slice() else { panic!("two forms") };
    let (mut open, mut over) = (open.moved_to(&server), over.moved_to(&server));
    over.submit(refused);
    shows(&mut over, &["expired", "no payment was taken"]);
    assert_executions(&shop, &[]);
    // The price is what it was, and so is the order.
    open.submit(pays);
    until(&mut open, "Paid");
    open.submit(pays);
    shows(&mut open, &["Paid", IN_LRD]);
    assert_executions(&shop, &["COMPLETED"]);
    server.verify_ledger();
}

/// A form of one order that is sent to the page of another.
#[test]
fn a_form_of_another_page_pays_for_that_page_alone() {
    let (server, shop) = open_with(&WITHIN_AN_HOUR);
    let (first, second) = (checkout(&shop), checkout(&shop));
    let mut payer = Payer::new(&server);
    review(&mut payer, &first.link, MTN_LRD, "0880000001");
    let form = payer.form();
    let elsewhere = Form { action: payer.path_of(&second.link), ..form.clone() };
    payer.submit(&form);
    shows(&mut payer, &["Check your phone"]);
    // The key was used: it is the payment of the other page, and says nothing of this one.
    let reply = payer.answer_to(&elsewhere);
    is_page(&reply, &[200, 303, 400, 422], "another page");
    let mut other = Payer::at(&server, &second.link);
    hides(&mut other, &["Check your phone"]);
    assert_executions(&shop, &["PROCESSING"]);
    assert_eq!(shop.order_status(&second), "ACTIVE");
}

/// The sandbox's card page is played by its forms; a payment by phone is not.
#[test]
fn a_card_result_is_for_cards_that_wait() {
    let (server, shop, checkout) = stage(&WITHIN_AN_HOUR);
    let mut payer = Payer::new(&server);
    pay(&mut payer, &checkout.link, MTN_LRD, &ending("001"));
    let path = payer.path().to_owned();
    for fields in [
        vec![("step", "card"), ("result", "succeed")],
        vec![("step", "card"), ("result", "card_declined")],
        vec![("step", "leave_card")],
    ] {
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        payer.submit(&Form { action: path.clone(), post: true, fields: fields.collect() });
        shows(&mut payer, &["Check your phone"]);
    }
    assert_executions(&shop, &["PROCESSING"]);
    // A result that no card has.
    let (server, shop) = open();
    let checkout = super::checkout(&shop);
    let mut payer = Payer::new(&server);
    pay(&mut payer, &checkout.link, CARD_USD, "");
    let form = payer.form_with("result", "succeed").expect("a card's form");
    let reply = payer.answer_to(&form.with("result", "become_rich"));
    is_page(&reply, &[200, 303, 400, 422], "no such result");
    assert_executions(&shop, &["PROCESSING"]);
}
