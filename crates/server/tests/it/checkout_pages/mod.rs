//! The page of a checkout, as a payer without scripts uses it: every state, every number of the
//! sandbox, and what must come of clicks that are repeated, late or forged.

mod abuse;
mod changes;
mod forms;
mod links;
mod once;
mod phones;
mod states;
mod texts;
mod ways;

use serde_json::Value;

use crate::support::payer::{Browser, pay, review};
use crate::support::{Merchant, Server, json, open_with, shop::new_phone, shown, wait_for};

/// The sandbox answers after an hour of the merchant's clock, so that a payment waits until a test
/// lets it go on.
pub(crate) const WITHIN_AN_HOUR: [(&str, &str); 1] = [("KOLA_SANDBOX_DELAY_MS", "3600000")];

pub(crate) const MTN_LRD: &str = "MTN_MOMO_LBR:LRD";
pub(crate) const MTN_USD: &str = "MTN_MOMO_LBR:USD";
pub(crate) const ORANGE_LRD: &str = "ORANGE_MONEY_LBR:LRD";
pub(crate) const CARD_USD: &str = "CREDIT_CARD:USD";

/// What an order of 39.00 USD costs its payer by mobile money: 1 % and 2 % of fees, and in Liberian
/// dollars 1 % for the exchange.
pub(crate) const IN_LRD: &str = "7,787.52 LRD";
pub(crate) const IN_USD: &str = "40.17 USD";

/// A checkout that is to be paid on its page.
pub(crate) struct Checkout {
    pub(crate) link: String,
    pub(crate) source: i64,
    pub(crate) number: String,
}

/// The body of an order of 39.00 USD: two bags of rice.
pub(crate) fn order() -> Value {
    json!({"mode": "HOSTED", "source_kind": "ORDER", "party_name": "Ama Kollie", "party_phone": new_phone(),
        "currency": "USD", "success_url": "https://shop.example/thanks?order=7",
        "cancel_url": "https://shop.example/basket",
        "items": [{"name": "Rice, 25 kg", "currency": "USD", "qty": 2, "amount": 19.5}]})
}

#[track_caller]
pub(crate) fn checkout_of(shop: &Merchant, body: &Value) -> Checkout {
    let made = shop.api.post("/v1/checkouts/create", body).ok();
    Checkout {
        link: shown(&made, "url"),
        source: made["source_id"].as_i64().expect("a source"),
        number: shown(&made, "source_number"),
    }
}

#[track_caller]
pub(crate) fn checkout(shop: &Merchant) -> Checkout {
    checkout_of(shop, &order())
}

/// A server, its merchant, and a checkout.
#[track_caller]
fn stage(settings: &[(&str, &str)]) -> (Server, Merchant, Checkout) {
    let (server, shop) = open_with(settings);
    let checkout = checkout(&shop);
    (server, shop, checkout)
}

/// All executions of the merchant.
#[track_caller]
pub(crate) fn executions(shop: &Merchant) -> Vec<Value> {
    shop.api.get("/v1/payment-intents/list").rows()
}

/// Fails unless the merchant has executions with exactly these states, in any order.
#[track_caller]
pub(crate) fn assert_executions(shop: &Merchant, states: &[&str]) {
    let rows = executions(shop);
    let mut found: Vec<String> = rows.iter().map(|row| shown(row, "status")).collect();
    found.sort();
    let mut expected = states.to_vec();
    expected.sort_unstable();
    assert_eq!(found, expected, "{rows:?}");
}

/// Whether somebody can choose how to pay.
pub(crate) fn is_open(browser: &mut (impl Browser + ?Sized)) -> bool {
    browser.offers("method", MTN_USD)
}

/// Loads the page again until somebody can choose how to pay.
#[track_caller]
pub(crate) fn until_open(browser: &mut (impl Browser + ?Sized)) {
    wait_for("an open page", || {
        if is_open(browser) {
            return Some(());
        }
        browser.reload();
        None
    });
}

impl Merchant {
    #[track_caller]
    pub(crate) fn order_status(&self, checkout: &Checkout) -> String {
        self.source_status("orders", checkout.source)
    }
}
