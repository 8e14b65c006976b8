//! The page of a payment link: many payers with one link, each of whom gets an order.

use serde_json::Value;

use crate::checkout_pages::{CARD_USD, MTN_USD, WITHIN_AN_HOUR, assert_executions, executions};
use crate::payment_links::{create, donation, of_rice};
use crate::reviews;
use crate::support::payer::{Browser as _, Form, Payer, hides, shows, until};
use crate::support::shop::ending;
use crate::support::{
    Merchant, after, all_at_once, assert_fields, assert_money, id, json, open, open_with, shown,
    wait_for,
};

const USED_UP: &str = "This link has been used up";

pub(crate) struct Link {
    id: i64,
    url: String,
}

/// A new link of rice and beans for 22.50 USD, with these fields besides.
#[track_caller]
pub(crate) fn link_with(shop: &Merchant, fields: &Value) -> Link {
    let mut body = of_rice();
    for (name, value) in fields.as_object().expect("fields") {
        body[name] = value.clone();
    }
    let made = create(shop, &body);
    Link { id: id(&made), url: shown(&made, "url") }
}

#[track_caller]
fn retrieve(shop: &Merchant, link: &Link) -> Value {
    shop.api.get(&format!("/v1/payment-links/retrieve/{}", link.id)).ok()
}

#[track_caller]
fn assert_uses(shop: &Merchant, link: &Link, reserved: &str, paid: &str) {
    let now = retrieve(shop, link);
    assert_fields(&now, &[("uses_reserved", reserved), ("uses_paid", paid)]);
}

fn orders(shop: &Merchant) -> Vec<Value> {
    shop.api.get("/v1/orders/list").rows()
}

/// From a link to the page that shows what will be asked for.
#[track_caller]
fn review(payer: &mut Payer, link: &Link, phone: &str) {
    payer.open(&link.url);
    payer.choose("method", MTN_USD);
    payer.fill("name", "Ama Kollie");
    payer.fill("phone", phone);
    payer.go_on();
}

/// From a link to what follows the payer's last button.
#[track_caller]
pub(crate) fn pay(payer: &mut Payer, link: &Link, phone: &str) {
    review(payer, link, phone);
    payer.go_on();
}

/// Nothing can be sent from the page.
#[track_caller]
fn is_closed(payer: &Payer) {
    assert!(payer.forms().iter().all(|form| !form.post), "{}", payer.source());
}

#[test]
fn two_people_pay_and_the_third_is_told_that_it_is_used_up() {
    let (server, shop) = open();
    let link = link_with(&shop, &json!({"max_uses": 2}));
    let mut third = Payer::new(&server);
    review(&mut third, &link, &ending("300"));
    for (number, phone) in ["100", "200"].into_iter().enumerate() {
        let mut payer = Payer::at(&server, &link.url);
        shows(&mut payer, &["First Shop", "Rice and beans", "22.50 USD", "Beans"]);
        pay(&mut payer, &link, &ending(phone));
        assert!(payer.path().starts_with("/pay/"), "{}", payer.path());
        until(&mut payer, "Paid");
        shows(&mut payer, &["22.50 USD", "Receipt"]);
        assert_uses(&shop, &link, "0", &(number + 1).to_string());
    }
    third.go_on();
    shows(&mut third, &[USED_UP, "First Shop takes no more payments through it."]);
    is_closed(&third);
    third.open(&link.url);
    shows(&mut third, &[USED_UP]);
    assert_fields(&retrieve(&shop, &link), &[("status", "ACTIVE"), ("state", "USED_UP")]);
    let orders = orders(&shop);
    assert_eq!(orders.len(), 2, "{orders:?}");
    for order in &orders {
        assert_fields(order, &[("status", "PAID"), ("note", "Rice and beans")]);
        assert_money(order, &[("total_amount", "22.50")]);
    }
    let events = shop.api.get(&format!("/v1/events/list?subject_id={}", link.id)).rows();
    let kinds: Vec<_> = events.iter().map(|event| shown(event, "type")).collect();
    assert_eq!(kinds, ["payment_link.used_up", "payment_link.created"]);
    server.verify_ledger();
}

#[test]
fn a_frozen_wallet_is_told_instead_of_the_ways_to_pay() {
    let (server, shop) = open();
    server.fund(&shop, "USD", "1.00");
    let link = link_with(&shop, &json!({}));
    let mut payer = Payer::new(&server);
    review(&mut payer, &link, &ending("100"));
    server.set_wallet(shop.wallet("USD"), "FROZEN");
    // The decision refuses it; the page does not offer the same methods again.
    payer.go_on();
    assert_eq!(payer.status(), 422);
    let none = "First Shop cannot take payments now.";
    let open_amount = shown(&create(&shop, &donation()), "url");
    for mut payer in [payer, Payer::at(&server, &link.url), Payer::at(&server, &open_amount)] {
        shows(&mut payer, &[none]);
        hides(&mut payer, &["How do you want to pay?", "not offered any more"]);
        is_closed(&payer);
    }
    assert_eq!(orders(&shop), Vec::<Value>::new());
    assert_executions(&shop, &[]);
    // Restricted means that money may still come in.
    server.set_wallet(shop.wallet("USD"), "RESTRICTED");
    assert!(Payer::at(&server, &link.url).offers("method", MTN_USD));
}

#[test]
fn of_two_who_pay_the_last_use_at_once_one_is_asked() {
    let (server, shop) = open_with(&WITHIN_AN_HOUR);
    let link = link_with(&shop, &json!({"max_uses": 1}));
    let payers: Vec<(Payer, Form)> = ["100", "200", "300", "400"]
        .into_iter()
        .map(|phone| {
            let mut payer = Payer::new(&server);
            review(&mut payer, &link, &ending(phone));
            let form = payer.form();
            (payer, form)
        })
        .collect();
    let answers = all_at_once(&payers, |(payer, form)| {
        let reply = payer.answer_to(form);
        assert_eq!(reply.status, 303, "{reply:?}");
        payer.path_of(reply.header("location").expect("a way on"))
    });
    let led_to_order = answers.iter().filter(|path| path.starts_with("/pay/")).count();
    let led_back = answers.iter().filter(|path| link.url.ends_with(path.as_str())).count();
    assert_eq!((led_to_order, led_back), (1, 3), "{answers:?}");
    assert_uses(&shop, &link, "1", "0");
    let mut other = Payer::at(&server, &link.url);
    shows(&mut other, &[USED_UP, "Others are paying the last of it at present."]);
    shop.advance(3_600);
    until(&mut other, "takes no more payments");
    assert_executions(&shop, &["COMPLETED"]);
    assert_eq!(orders(&shop).len(), 1);
    server.verify_ledger();
}

#[test]
fn a_form_that_is_sent_twice_pays_once() {
    let (server, shop) = open();
    let link = link_with(&shop, &json!({"max_uses": 1}));
    let mut payer = Payer::new(&server);
    review(&mut payer, &link, &ending("100"));
    let form = payer.form();
    let places = all_at_once(&[(); 6], |()| {
        let reply = payer.answer_to(&form);
        reply.header("location").unwrap_or_else(|| panic!("{reply:?}")).to_owned()
    });
    assert!(places.iter().all(|place| place == &places[0]), "{places:?}");
    payer.open(&places[0]);
    until(&mut payer, "Paid");
    // Much later, when the link is used up.
    payer.submit(&form);
    shows(&mut payer, &["Paid", "Receipt"]);
    assert_executions(&shop, &["COMPLETED"]);
    assert_eq!(orders(&shop).len(), 1);
    assert_uses(&shop, &link, "0", "1");
}

#[test]
fn who_pays_again_is_the_same_party() {
    let (server, shop) = open();
    let link = link_with(&shop, &json!({}));
    for _ in 0..2 {
        let mut payer = Payer::new(&server);
        pay(&mut payer, &link, "0880000100");
        until(&mut payer, "Paid");
    }
    let parties = shop.api.get("/v1/parties/list").rows();
    let of_payer: Vec<_> =
        parties.iter().filter(|party| party["phone"] == json!(ending("100"))).collect();
    assert_eq!(of_payer.len(), 1, "{parties:?}");
    assert_fields(of_payer[0], &[("fullname", "Ama Kollie")]);
    assert_eq!(orders(&shop).len(), 2);
    assert_uses(&shop, &link, "0", "2");
}

#[test]
fn a_failed_payment_gives_its_use_back() {
    let (server, shop) = open();
    let link = link_with(&shop, &json!({"max_uses": 1}));
    let mut first = Payer::new(&server);
    pay(&mut first, &link, &ending("039"));
    until(&mut first, "not approved");
    assert_uses(&shop, &link, "0", "0");
    // On the page of the order, with another number.
    let order_page = first.path().to_owned();
    first.choose("method", MTN_USD);
    first.fill("phone", &ending("100"));
    first.go_on();
    let late = first.form();
    let mut second = Payer::new(&server);
    pay(&mut second, &link, &ending("200"));
    until(&mut second, "Paid");
    first.submit(&late);
    shows(&mut first, &[USED_UP]);
    first.open(&order_page);
    assert_executions(&shop, &["FAILED", "COMPLETED"]);
    assert_uses(&shop, &link, "0", "1");
    server.verify_ledger();
}

#[test]
fn after_a_failure_the_order_is_paid_on_its_own_page() {
    let (server, shop) = open();
    let link = link_with(&shop, &json!({"max_uses": 1}));
    let mut payer = Payer::new(&server);
    pay(&mut payer, &link, &ending("039"));
    until(&mut payer, "not approved");
    payer.choose("method", MTN_USD);
    payer.fill("phone", &ending("100"));
    payer.go_on();
    payer.go_on();
    until(&mut payer, "Paid");
    assert_uses(&shop, &link, "0", "1");
    assert_eq!(orders(&shop).len(), 1);
    server.verify_ledger();
}

#[test]
fn an_order_that_nobody_pays_is_canceled_after_a_day() {
    let (server, shop) = open();
    let link = link_with(&shop, &json!({}));
    let mut payer = Payer::new(&server);
    pay(&mut payer, &link, &ending("039"));
    until(&mut payer, "not approved");
    shop.advance(86_000);
    payer.reload();
    assert!(payer.offers("method", MTN_USD), "{}", payer.text());
    shop.advance(400);
    wait_for("the end of the order", || {
        (shown(&orders(&shop)[0], "status") == "CANCELED").then_some(())
    });
    payer.reload();
    shows(&mut payer, &["Canceled"]);
    is_closed(&payer);
    // The link itself goes on.
    pay(&mut payer, &link, &ending("100"));
    until(&mut payer, "Paid");
    server.verify_ledger();
}

/// The network says that it failed, the link is used up meanwhile, and then the payment succeeded all
/// the same: a person decides, and the limit does not hold what was paid.
#[test]
fn a_late_success_beyond_the_limit_is_a_review() {
    let (server, shop) = open();
    let link = link_with(&shop, &json!({"max_uses": 1}));
    let (mut late, mut other) = (Payer::new(&server), Payer::new(&server));
    pay(&mut late, &link, &ending("179"));
    let reference = shown(&executions(&shop)[0], "reference_id");
    pay(&mut other, &link, &ending("100"));
    until(&mut other, "Paid");
    let review = wait_for("the review", || reviews::find(&server, &reference));
    late.reload();
    shows(&mut late, &["Do not pay again"]);
    assert_uses(&shop, &link, "0", "1");
    reviews::resolve(&server, &review, &["--to", "wallet", "--evidence", "statement"]).ok();
    until(&mut late, "Paid");
    assert_uses(&shop, &link, "0", "2");
    assert!(orders(&shop).iter().all(|order| order["status"] == "PAID"));
    server.verify_ledger();
}

#[test]
fn a_payer_chooses_the_amount() {
    let (server, shop) = open();
    let made = create(&shop, &donation());
    let link = Link { id: id(&made), url: shown(&made, "url") };
    let mut payer = Payer::at(&server, &link.url);
    shows(&mut payer, &["A roof", "Amount in USD", "From 1.00 USD to 500.00 USD"]);
    hides(&mut payer, &["How do you want to pay?", " 0.00 USD"]);
    for (typed, sentence) in [
        ("", "Write the amount that you want to pay."),
        ("five", "This is not an amount."),
        ("1.0015", "This amount has more decimals than USD has."),
        ("0.50", "The amount must be from 1.00 USD to 500.00 USD."),
        ("500.01", "The amount must be from 1.00 USD to 500.00 USD."),
    ] {
        payer.fill("amount", typed);
        payer.go_on();
        assert_eq!(payer.status(), 422, "{typed}");
        shows(&mut payer, &["There is a problem", sentence]);
        assert_eq!(payer.attribute("#amount", "value").as_deref(), Some(typed));
    }
    payer.fill("amount", "12,50");
    payer.go_on();
    shows(&mut payer, &["12.50 USD", "How do you want to pay?"]);
    payer.choose("method", MTN_USD);
    payer.fill("name", "Ama Kollie");
    payer.fill("phone", &ending("100"));
    payer.go_on();
    let form = payer.form();
    assert_eq!(form.value("amount"), Some("12.50"));
    // An amount that was changed by hand is checked again, and the price is another one.
    payer.submit(&form.with("amount", "0.5"));
    shows(&mut payer, &["The amount must be from 1.00 USD to 500.00 USD."]);
    payer.submit(&form.with("amount", "2.00"));
    hides(&mut payer, &["Check your phone"]);
    assert_executions(&shop, &[]);
    payer.submit(&form);
    until(&mut payer, "Paid");
    assert_money(&orders(&shop)[0], &[("total_amount", "12.50")]);
    assert_uses(&shop, &link, "0", "1");
    server.verify_ledger();
}

#[test]
fn a_payer_says_who_pays() {
    let (server, shop) = open();
    let link = link_with(&shop, &json!({}));
    let mut payer = Payer::at(&server, &link.url);
    payer.choose("method", MTN_USD);
    for (name, phone, sentences) in [
        ("", "088", &["Write your name", "This phone number is too short."][..]),
        (" ", "0880000100", &["Write your name"]),
        ("Ama", "", &["Enter the phone number that pays."]),
        ("Ama <b>K</b>", "250780000001", &["This is not a number of Liberia."]),
    ] {
        payer.fill("name", name);
        payer.fill("phone", phone);
        payer.go_on();
        assert_eq!(payer.status(), 422, "{name} {phone}");
        shows(&mut payer, sentences);
        assert_eq!(payer.attribute("#name", "value").as_deref(), Some(name.trim()));
        assert_eq!(payer.attribute("#phone", "value").as_deref(), Some(phone));
    }
    assert_executions(&shop, &[]);
    assert_eq!(orders(&shop).len(), 0);
}

#[test]
fn a_link_is_paid_by_card() {
    let (server, shop) = open();
    let link = link_with(&shop, &json!({"max_uses": 1}));
    let mut payer = Payer::at(&server, &link.url);
    payer.choose("method", CARD_USD);
    shows(&mut payer, &["Who pays?"]);
    payer.fill("name", "Ama Kollie");
    payer.fill("phone", "+44 1632 960001");
    payer.go_on();
    shows(&mut payer, &["by card"]);
    payer.go_on();
    assert_uses(&shop, &link, "1", "0");
    payer.choose("result", "succeed");
    until(&mut payer, "Paid");
    assert_uses(&shop, &link, "0", "1");
    let parties = shop.api.get("/v1/parties/list").rows();
    assert!(parties.iter().any(|party| party["phone"] == "441632960001"), "{parties:?}");
    server.verify_ledger();
}

#[test]
fn an_expired_link_and_a_deactivated_one_say_so() {
    let (server, shop) = open();
    let link = link_with(&shop, &json!({"expires_at": after(3_600)}));
    let mut payer = Payer::new(&server);
    review(&mut payer, &link, &ending("100"));
    let late = payer.form();
    shop.advance(3_700);
    for form in [None, Some(&late)] {
        match form {
            None => payer.open(&link.url),
            Some(form) => payer.submit(form),
        }
        shows(&mut payer, &["This link expired on"]);
        is_closed(&payer);
    }
    let link = link_with(&shop, &json!({}));
    review(&mut payer, &link, &ending("100"));
    let late = payer.form();
    let path = format!("/v1/payment-links/deactivate/{}", link.id);
    shop.api.call("POST", &path, None).ok();
    for form in [None, Some(&late)] {
        match form {
            None => payer.open(&link.url),
            Some(form) => payer.submit(form),
        }
        shows(&mut payer, &["This link is not used any more", "First Shop takes no more payments"]);
        is_closed(&payer);
    }
    assert_executions(&shop, &[]);
}

/// What was begun before goes on.
#[test]
fn a_link_that_is_deactivated_keeps_the_payments_under_way() {
    let (server, shop) = open_with(&WITHIN_AN_HOUR);
    let link = link_with(&shop, &json!({}));
    let mut payer = Payer::new(&server);
    pay(&mut payer, &link, &ending("100"));
    shop.api.call("POST", &format!("/v1/payment-links/deactivate/{}", link.id), None).ok();
    shop.advance(3_600);
    until(&mut payer, "Paid");
    assert_uses(&shop, &link, "0", "1");
    server.verify_ledger();
}

#[test]
fn a_look_at_a_link_changes_nothing() {
    let (server, shop) = open();
    let link = link_with(&shop, &json!({"max_uses": 1}));
    let before = retrieve(&shop, &link);
    let mut payer = Payer::at(&server, &link.url);
    for _ in 0..3 {
        payer.reload();
    }
    let path = payer.path().to_owned();
    assert_eq!(payer.send("HEAD", &path, &[], "").status, 200);
    let code = payer.send("GET", &format!("{path}/qr.svg"), &[], "");
    assert_eq!((code.status, code.header("content-type")), (200, Some("image/svg+xml")));
    review(&mut payer, &link, &ending("100"));
    assert_eq!(retrieve(&shop, &link), before);
    assert_eq!(orders(&shop).len(), 0);
    // Nor does a form of another site, or a token that is guessed.
    let form = payer.form();
    let foreign = [
        ("Sec-Fetch-Site", "cross-site"),
        ("Origin", "https://shop.example"),
        ("Content-Type", "application/x-www-form-urlencoded"),
    ];
    assert_eq!(payer.send("POST", &form.action, &foreign, &form.body()).status, 403);
    let mut other = Payer::new(&server);
    other.open("/l/0123456789abcdef0123456789abcdef");
    assert_eq!(other.status(), 404);
    assert_executions(&shop, &[]);
}

#[test]
fn a_link_is_read_in_the_payers_language() {
    let (server, shop) = open();
    let made = create(&shop, &donation());
    let url = shown(&made, "url");
    let mut payer = Payer::new(&server).with_header("Accept-Language", "fr");
    payer.open(&url);
    shows(&mut payer, &["Montant en USD", "De 1,00 USD à 500,00 USD"]);
    payer.fill("amount", "1 000,50");
    payer.go_on();
    shows(&mut payer, &["Le montant doit être compris entre 1,00 USD et 500,00 USD."]);
    payer.fill("amount", "2,50");
    payer.go_on();
    payer.choose("method", MTN_USD);
    shows(&mut payer, &["Votre nom"]);
}

/// Who paid, or is asked, and opens the link again is led to what became of it, and nobody else is.
#[test]
fn who_comes_back_to_a_link_finds_the_own_payment() {
    let (server, shop) = open_with(&WITHIN_AN_HOUR);
    let link = link_with(&shop, &json!({"max_uses": 1}));
    let mut payer = Payer::new(&server);
    pay(&mut payer, &link, "0880000001");
    let order = payer.path().to_owned();
    payer.open(&link.url);
    shows(&mut payer, &[USED_UP, "see your payment"]);
    assert_eq!(payer.attribute(".notice a", "href").as_deref(), Some(order.as_str()));
    hides(&mut Payer::at(&server, &link.url), &["see your payment"]);
    // The order of another link is none of this one's, whatever a browser says.
    let other = link_with(&shop, &json!({}));
    let token = order.rsplit('/').next().expect("a token");
    let cookie = format!("kola_order={token}");
    let mut stranger = Payer::new(&server).with_header("Cookie", &cookie);
    stranger.open(&other.url);
    hides(&mut stranger, &["see your payment"]);
    stranger.open(&link.url);
    shows(&mut stranger, &["see your payment"]);
}

/// The order of who failed to pay is not offered for payment when the link takes no more.
#[test]
fn the_page_of_an_order_says_that_its_link_has_ended() {
    let (server, shop) = open();
    let link = link_with(&shop, &json!({"max_uses": 1}));
    let mut failed = Payer::new(&server);
    pay(&mut failed, &link, &ending("039"));
    until(&mut failed, "not approved");
    pay(&mut Payer::new(&server), &link, "0880000001");
    failed.reload();
    shows(&mut failed, &[USED_UP]);
    is_closed(&failed);
    let pdf = server.paper(&format!("{}.pdf", failed.path()));
    assert_eq!(pdf.status, 303, "the page says so");
    let link = link_with(&shop, &json!({}));
    let mut failed = Payer::new(&server);
    pay(&mut failed, &link, &ending("039"));
    until(&mut failed, "not approved");
    let path = format!("/v1/payment-links/deactivate/{}", link.id);
    shop.api.post(&path, &json!({})).ok();
    failed.reload();
    shows(&mut failed, &["This link is not used any more"]);
    is_closed(&failed);
}
