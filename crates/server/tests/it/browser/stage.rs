//! Every state of the pages, one after the other.

use serde_json::json;

use super::chromium::Chromium;
use crate::checkout_pages::{
    CARD_USD, Checkout, MTN_LRD, MTN_USD, WITHIN_AN_HOUR, checkout, checkout_of, executions, order,
    until_open,
};
use crate::reviews::find;
use crate::support::payer::{Browser as _, enter, pay, review, until};
use crate::support::shop::ending;
use crate::support::{Merchant, Server, after, id, key, number, open_with, shown, wait_for};

/// Two servers: at one a payment waits until its test lets it go on, at the other it ends at once.
pub(crate) struct Stage {
    pub(crate) server: Server,
    shop: Merchant,
    at_once: (Server, Merchant),
}

impl Stage {
    #[track_caller]
    pub(crate) fn new() -> Self {
        let (server, shop) = open_with(&WITHIN_AN_HOUR);
        Self { server, shop, at_once: open_with(&[]) }
    }

    /// Brings the browser to each state, and calls `see` there with the state's name.
    #[track_caller]
    pub(crate) fn each(&self, browser: &mut Chromium, mut see: impl FnMut(&mut Chromium, &str)) {
        self.open_until_paid(browser, &mut see);
        self.failed(browser, &mut see);
        self.card(browser, &mut see);
        self.closed(browser, &mut see);
        self.not_sent(browser, &mut see);
        self.others(browser, &mut see);
        self.in_review(browser, &mut see);
        self.limited(browser, &mut see);
    }

    fn open_until_paid(&self, browser: &mut Chromium, see: &mut impl FnMut(&mut Chromium, &str)) {
        let Self { server, shop, .. } = self;
        server.fund(shop, "USD", "100.00");
        let mut body = order();
        body["note"] = json!("Delivered on Friday.\nPlease be at home.");
        body["expires_at"] = json!(after(12 * 3600));
        let checkout = checkout_of(shop, &body);
        browser.open(&checkout.link);
        see(browser, "open");
        browser.choose("method", MTN_LRD);
        see(browser, "phone");
        browser.fill("phone", "088 12");
        browser.go_on();
        see(browser, "phone-fault");
        browser.fill("phone", "0770000001");
        browser.go_on();
        see(browser, "phone-of-another-network");
        if !browser.has_field("phone") {
            browser.choose("step", "method");
        }
        browser.fill("phone", "0880000001");
        browser.go_on();
        see(browser, "review");
        server.kola(&["rates", "set", "USD", "LRD", "200"]).ok();
        browser.go_on();
        see(browser, "review-changed");
        browser.go_on();
        until(browser, "Check your phone");
        see(browser, "waiting");
        shop.advance(600);
        browser.reload();
        see(browser, "waiting-long");
        shop.advance(3_000);
        until(browser, "Paid");
        see(browser, "paid");
        browser.follow("Receipt");
        see(browser, "receipt");
        let paid = executions(shop).remove(0);
        // The merchant's clock is ahead.
        let refund = json!({"original_payment_intent_id": paid["payment_intent_id"], "amount": number("1000.00"),
            "expires_at": after(24 * 3600), "reason": "Returned"});
        let session = id(&shop.api.post("/v1/sessions/refund", &refund).ok());
        shop.execute("refund", session, &key()).ok();
        shop.advance(3_600);
        browser.open(&checkout.link);
        until(browser, "efunded");
        see(browser, "paid-refunded");
        browser.follow("Receipt");
        see(browser, "receipt-refunded");
        server.kola(&["rates", "set", "USD", "LRD", "192"]).ok();
    }

    fn failed(&self, browser: &mut Chromium, see: &mut impl FnMut(&mut Chromium, &str)) {
        let checkout = checkout(&self.shop);
        pay(browser, &checkout.link, MTN_LRD, &ending("039"));
        self.shop.advance(3_600);
        until(browser, "not approved");
        see(browser, "failed");
    }

    fn card(&self, browser: &mut Chromium, see: &mut impl FnMut(&mut Chromium, &str)) {
        let checkout = checkout(&self.shop);
        review(browser, &checkout.link, CARD_USD, "");
        see(browser, "card-review");
        browser.go_on();
        see(browser, "card");
        browser.choose("result", "insufficient_funds");
        until_open(browser);
        see(browser, "card-declined");
    }

    fn closed(&self, browser: &mut Chromium, see: &mut impl FnMut(&mut Chromium, &str)) {
        let shop = &self.shop;
        let canceled = checkout(shop);
        shop.api.call("DELETE", &format!("/v1/orders/cancel/{}", canceled.source), None).ok();
        browser.open(&canceled.link);
        see(browser, "canceled");
        let mut body = order();
        body["expires_at"] = json!(after(24 * 3600));
        let expired = checkout_of(shop, &body);
        shop.advance(24 * 3600);
        browser.open(&expired.link);
        see(browser, "expired");
    }

    /// A network that is held: the request is not sent yet.
    fn not_sent(&self, browser: &mut Chromium, see: &mut impl FnMut(&mut Chromium, &str)) {
        let (server, shop) = (&self.server, &self.shop);
        let checkout = checkout(shop);
        pay(browser, &checkout.link, MTN_USD, &ending("002"));
        server.database.sql(
            "UPDATE provider_attempts SET gate = {gate HELD}, sent_at = NULL, send_count = 0 \
             WHERE execution_id = (SELECT max(id) FROM executions)",
        );
        browser.reload();
        see(browser, "not-sent-yet");
    }

    fn others(&self, browser: &mut Chromium, see: &mut impl FnMut(&mut Chromium, &str)) {
        let shop = &self.shop;
        let invoice = shop.draft("invoices", "USD", "PAYER");
        let mut add = |place: usize| {
            let name = format!("{place}: a bag of rice from the mill at the river");
            let body = json!({"name": name, "currency": "USD", "qty": 1, "amount": number("1.25")});
            shop.api.post(&format!("/v1/invoices/{invoice}/items/add"), &body).ok();
        };
        (1..=45).for_each(&mut add);
        let number = shown(
            &shop.api.get(&format!("/v1/invoices/retrieve/{invoice}")).ok(),
            "invoice_number",
        );
        let asked = format!("/v1/links/pay?source_type=INVOICE&source_number={number}");
        let link = shown(&shop.api.get(&asked).ok(), "url");
        browser.open(&link);
        see(browser, "draft");
        shop.api.call("PUT", &format!("/v1/invoices/publish/{invoice}"), None).ok();
        browser.open(&link);
        see(browser, "open-with-many-items");
        browser.follow("tems");
        see(browser, "items");
        browser.open("/pay/nothing");
        see(browser, "no-such-page");
        browser.open("/verify");
        see(browser, "verify");
    }

    fn in_review(&self, browser: &mut Chromium, see: &mut impl FnMut(&mut Chromium, &str)) {
        let (server, shop) = &self.at_once;
        let checkout = checkout(shop);
        pay(browser, &checkout.link, MTN_LRD, &ending("179"));
        let reference = shown(&executions(shop)[0], "reference_id");
        wait_for("the review", || find(server, &reference));
        browser.reload();
        see(browser, "in-review");
    }

    fn limited(&self, browser: &mut Chromium, see: &mut impl FnMut(&mut Chromium, &str)) {
        let (_, shop) = &self.at_once;
        let Checkout { link, .. } = checkout(shop);
        for _ in 0..3 {
            pay(browser, &link, MTN_LRD, &ending("049"));
            until(browser, "enough money");
        }
        browser.choose("method", MTN_LRD);
        enter(browser, &ending("049"));
        browser.go_on();
        see(browser, "limit-reached");
    }
}
