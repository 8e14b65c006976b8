//! Payers who enter their card on Stripe's own page, to which ours leads.

use serde_json::json;

use super::stage::Stage;
use crate::checkout_pages::{CARD_USD, Checkout, assert_executions, checkout, is_open, until_open};
use crate::support::payer::{Browser as _, Payer, hides, pay, review, shows, until};
use crate::support::{Reply, shown};

const HALF_AN_HOUR_US: i64 = 1_800_000_000;

const GOOD_CARD: &str = "4242424242424242";
const DECLINED_CARD: &str = "4000000000000002";
const CHALLENGED_CARD: &str = "4000000000003220";

/// The main button of our page that leads to Stripe's.
const TO_STRIPE: &str = "a.button.main";

impl Stage {
    /// A payer who has chosen to pay a checkout by card.
    #[track_caller]
    fn at_card(&self) -> (Checkout, Payer) {
        let checkout = checkout(&self.shop);
        let mut payer = Payer::new(&self.server);
        pay(&mut payer, &checkout.link, CARD_USD, "");
        (checkout, payer)
    }

    /// Opens Stripe's page, to which the payer's page leads.
    #[track_caller]
    fn opens(&self, payer: &Payer) -> StripesPage<'_> {
        let url = payer.attribute(TO_STRIPE, "href");
        let url =
            url.unwrap_or_else(|| panic!("no way to Stripe: {}", payer.words("main").join(" ")));
        let path = url.strip_prefix(&self.fakes.stripe_url()).expect("a page of Stripe's");
        let page = StripesPage { stage: self, path: path.to_owned() };
        assert_eq!(page.send("GET", path, "").status, 200);
        page
    }

    /// How the sessions at Stripe stand, sorted.
    fn sessions(&self) -> Vec<String> {
        let sessions = self.at_stripe("sessions");
        let mut states: Vec<String> = sessions.iter().map(|one| shown(one, "status")).collect();
        states.sort();
        states
    }
}

/// What a page of Stripe's says.
fn text(page: &Reply) -> &str {
    page.body.as_str().unwrap_or_default()
}

/// Stripe's page in the payer's browser.
struct StripesPage<'a> {
    stage: &'a Stage,
    path: String,
}

impl StripesPage<'_> {
    fn send(&self, method: &str, path: &str, body: &str) -> Reply {
        let api = self.stage.at_stripes_pages(None);
        let form = [("Content-Type", "application/x-www-form-urlencoded")];
        api.exchange(method, path, &form, body.as_bytes()).expect("an answer of Stripe's page")
    }

    /// Enters a card.
    fn enter(&self, card: &str) -> Reply {
        self.send("POST", &self.path, &format!("card={card}"))
    }

    /// Enters a card that is taken. Returns where the payer is led.
    #[track_caller]
    fn pay(&self) -> String {
        let reply = self.enter(GOOD_CARD);
        reply.header("location").unwrap_or_else(|| panic!("{reply:?}")).to_owned()
    }
}

#[test]
fn a_decline_on_stripes_page_is_no_outcome_and_another_card_pays() {
    let stage = Stage::open();
    let (checkout, mut payer) = stage.at_card();
    shows(&mut payer, &["page of Stripe"]);
    let page = stage.opens(&payer);
    for card in [DECLINED_CARD, DECLINED_CARD] {
        let declined = page.enter(card);
        assert!(text(&declined).contains("declined"), "{declined:?}");
        stage.fakes.flush_on_threads();
        stage.make_due();
        payer.reload();
        assert_eq!(payer.words(TO_STRIPE).len(), 1, "{}", payer.text());
        assert_executions(&stage.shop, &["PROCESSING"]);
    }
    let back = page.pay();
    assert!(checkout.link.ends_with(payer.path()) && back.ends_with(payer.path()), "{back}");
    payer.open(&back);
    until(&mut payer, "Paid");
    hides(&mut payer, &["Stripe’s page"]);
    assert_eq!(stage.shop.order_status(&checkout), "PAID");
    assert_eq!(stage.sessions(), ["complete"]);
    // It is refunded like any other payment.
    let paid = stage.shop.api.get("/v1/payment-intents/list").rows()[0].clone();
    let refund = stage.shop.refund(&json!({"payment_intent_id": paid["id"]}), "10.00");
    stage.becomes("refund", &refund, "COMPLETED");
    stage.assert_books_equal();
}

#[test]
fn a_payer_is_authenticated_on_stripes_page() {
    let stage = Stage::open();
    for success in [false, true] {
        let (checkout, mut payer) = stage.at_card();
        let page = stage.opens(&payer);
        let led = page.enter(CHALLENGED_CARD);
        let challenge = led.header("location").expect("a challenge").to_owned();
        let path = challenge.strip_prefix(&stage.fakes.stripe_url()).expect("a path").to_owned();
        page.send("POST", &path, &format!("success={success}"));
        if !success {
            // Another card on the same page.
            page.pay();
        }
        until(&mut payer, "Paid");
        assert_eq!(stage.shop.order_status(&checkout), "PAID");
    }
    stage.assert_books_equal();
}

/// Scenario 23, second half: whoever comes back says nothing of the payment.
#[test]
fn who_comes_back_without_paying_has_not_paid() {
    let stage = Stage::open();
    stage.lose_events();
    let (checkout, mut payer) = stage.at_card();
    let to_stripe = payer.attribute(TO_STRIPE, "href");
    for lie in ["payment_intent=pi_1&redirect_status=succeeded", "session_id=cs_1", "paid=true"] {
        payer.open(&format!("{}?{lie}", checkout.link));
        hides(&mut payer, &["Receipt"]);
        assert_eq!(payer.attribute(TO_STRIPE, "href"), to_stripe, "{lie}");
    }
    assert_executions(&stage.shop, &["PROCESSING"]);
    // Nobody pays: after half an hour the page at Stripe is closed, and only then it has failed.
    stage.age(HALF_AN_HOUR_US);
    stage.make_due();
    until_open(&mut payer);
    assert_executions(&stage.shop, &["FAILED"]);
    assert_eq!(stage.sessions(), ["expired"]);
    stage.assert_books_equal();
}

#[test]
fn reload_and_back_lead_to_the_same_page_at_stripe() {
    let stage = Stage::open();
    let checkout = checkout(&stage.shop);
    let mut payer = Payer::new(&stage.server);
    review(&mut payer, &checkout.link, CARD_USD, "");
    let form = payer.form();
    payer.submit(&form);
    let to_stripe = payer.attribute(TO_STRIPE, "href").expect("a way to Stripe");
    payer.reload();
    assert_eq!(payer.attribute(TO_STRIPE, "href").as_ref(), Some(&to_stripe));
    // Back, and the same form again; and the link on another device.
    payer.submit(&form);
    assert_eq!(payer.attribute(TO_STRIPE, "href").as_ref(), Some(&to_stripe));
    let other = Payer::at(&stage.server, &checkout.link);
    assert_eq!(other.attribute(TO_STRIPE, "href").as_ref(), Some(&to_stripe));
    assert!(!is_open(&mut payer));
    assert_eq!(stage.sessions(), ["open"]);
    stage.opens(&payer).pay();
    until(&mut payer, "Paid");
    payer.submit(&form);
    shows(&mut payer, &["Paid"]);
    assert_executions(&stage.shop, &["COMPLETED"]);
    stage.assert_books_equal();
}

#[test]
fn leaving_the_card_page_closes_it_at_stripe_before_another_way_is_offered() {
    let stage = Stage::open();
    let (checkout, mut payer) = stage.at_card();
    let page = stage.opens(&payer);
    page.enter(DECLINED_CARD);
    // What was asked is not answered: nothing else may be started yet.
    stage.fault(&json!({"network": "STRIPE", "kind": "REFUSED", "status": 500, "times": 10_000,
        "match": {"path": "/v1/checkout/sessions/*"}}));
    payer.choose("step", "leave_card");
    assert!(!is_open(&mut payer), "{}", payer.text());
    assert_eq!(payer.attribute(TO_STRIPE, "href"), None, "{}", payer.text());
    assert_executions(&stage.shop, &["PROCESSING"]);
    stage.end_faults();
    stage.make_due();
    until_open(&mut payer);
    assert_eq!(stage.sessions(), ["expired"]);
    assert!(text(&page.enter(GOOD_CARD)).contains("expired"));
    pay(&mut payer, &checkout.link, CARD_USD, "");
    stage.opens(&payer).pay();
    until(&mut payer, "Paid");
    assert_executions(&stage.shop, &["FAILED", "COMPLETED"]);
    assert_eq!(stage.sessions(), ["complete", "expired"]);
    stage.assert_books_equal();
}

#[test]
fn a_paid_answer_wins_over_leaving() {
    let stage = Stage::open();
    stage.lose_events();
    // Also where the bank takes its time.
    for late in [false, true] {
        let (checkout, mut payer) = stage.at_card();
        let page = stage.opens(&payer);
        // Our page does not look before the payer leaves.
        stage
            .fault(&json!({"network": "STRIPE", "kind": "REFUSED", "status": 500, "times": 10_000,
            "match": {"method": "GET"}}));
        if late {
            stage.fault(&json!({"network": "STRIPE", "kind": "ANSWER_LOST",
                "match": {"method": "POST", "path": "*/expire"}}));
        }
        page.pay();
        payer.choose("step", "leave_card");
        stage.end_faults();
        stage.lose_events();
        stage.make_due();
        until(&mut payer, "Paid");
        assert_eq!(stage.shop.order_status(&checkout), "PAID");
    }
    assert_executions(&stage.shop, &["COMPLETED", "COMPLETED"]);
    stage.assert_books_equal();
}

/// Our page ends while the payer is on Stripe's: that is closed, too.
#[test]
fn the_end_of_our_page_closes_the_one_at_stripe() {
    let stage = Stage::open();
    stage.lose_events();
    let (checkout, mut payer) = stage.at_card();
    let page = stage.opens(&payer);
    page.enter(DECLINED_CARD);
    stage.server.database.sql("UPDATE checkout_configs SET expires_at = 1");
    stage.make_due();
    until(&mut payer, "expired");
    assert_executions(&stage.shop, &["FAILED"]);
    assert_eq!(stage.sessions(), ["expired"]);
    assert!(text(&page.enter(GOOD_CARD)).contains("expired"));
    assert_eq!(stage.shop.order_status(&checkout), "ACTIVE");
    stage.assert_books_equal();
}

/// The answer to the request that makes the page is lost: the same request finds it.
#[test]
fn a_card_page_whose_answer_is_lost_is_found() {
    let stage = Stage::open();
    stage.lose_events();
    for kind in ["REQUEST_LOST", "ANSWER_LOST", "CUT_ANSWER", "BAD_GATEWAY"] {
        stage.fault(&json!({"network": "STRIPE", "kind": kind,
            "match": {"path": "/v1/checkout/sessions"}}));
        let (_, mut payer) = stage.at_card();
        until(&mut payer, "page of Stripe");
        stage.opens(&payer).pay();
        stage.make_due();
        until(&mut payer, "Paid");
    }
    assert_eq!(stage.at_stripe("sessions").len(), 4);
    stage.assert_books_equal();
}

/// The event comes, and nobody asks.
#[test]
fn the_event_of_a_paid_page_settles_it() {
    let stage = Stage::open();
    let (checkout, payer) = stage.at_card();
    let page = stage.opens(&payer);
    stage.fault(&json!({"network": "STRIPE", "kind": "REFUSED", "status": 500, "times": 10_000,
        "match": {"method": "GET"}}));
    page.pay();
    stage.fakes.flush_on_threads();
    assert_eq!(stage.shop.order_status(&checkout), "PAID");
    stage.assert_books_equal();
}
