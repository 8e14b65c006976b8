//! Amounts in requests are read exactly as they are written, and amounts that their currency cannot
//! have are refused.

use crate::support::shop::GOOD;
use crate::support::{Merchant, Reply, assert_money, json, number, open, soon};
use serde_json::Value;

fn payout(shop: &Merchant, account: i64, currency: &str, amount: &Value) -> Reply {
    let body = json!({"wallet_id": shop.wallet(currency), "payment_account_id": account, "amount": amount,
        "currency": currency, "expires_at": soon()});
    shop.api.post("/v1/sessions/payout", &body)
}

#[test]
fn every_spelling_of_an_amount_is_one_amount() {
    let (_server, shop) = open();
    let account = shop.momo("PAYOUT", GOOD);
    let spellings = [
        number("500.00"),
        number("500"),
        number("500.0"),
        number("5e2"),
        number("5E+2"),
        number("50000e-2"),
        json!("500.00"),
        json!("500"),
    ];
    for spelling in spellings {
        assert_money(&payout(&shop, account, "USD", &spelling).ok(), &[("amount", "500.00")]);
    }
}

#[test]
fn an_amount_is_never_a_binary_float() {
    let (_server, shop) = open();
    let account = shop.momo("PAYOUT", GOOD);
    for text in
        ["0.01", "0.29", "1.15", "4.35", "1.10", "8.41", "9007199254740.99", "9999999999999.99"]
    {
        assert_money(&payout(&shop, account, "USD", &number(text)).ok(), &[("amount", text)]);
    }
}

#[test]
fn an_amount_has_no_more_decimals_than_its_currency() {
    let (_server, shop) = open();
    let account = shop.momo("PAYOUT", GOOD);
    let rwandan = shop.account(shop.party(), "PAYOUT", "MTN_MOMO_RWA", Some("250780000001"));
    for (account, currency, text) in [
        (account, "USD", "1.001"),
        (account, "USD", "0.001"),
        (account, "LRD", "10.125"),
        (account, "USD", "1e-3"),
        (rwandan, "RWF", "10.5"),
        (rwandan, "RWF", "1e-1"),
    ] {
        payout(&shop, account, currency, &number(text)).faults_are_at(&["body.amount"]);
    }
    assert_money(&payout(&shop, rwandan, "RWF", &number("1200")).ok(), &[("amount", "1200")]);
}

#[test]
fn an_amount_that_is_too_large_names_the_limit_however_long_it_is() {
    let (_server, shop) = open();
    let account = shop.momo("PAYOUT", GOOD);
    for text in ["99999999999999999999999999999999", "1e400", "1e40000", "10000000000000.01"] {
        let reply = payout(&shop, account, "USD", &number(text));
        reply.fault("body.amount").says(
            "ensure this value is less than or equal to 10000000000000",
            "value_error.number.not_le",
        );
    }
    let reply = payout(&shop, account, "USD", &number("1.0000000000000000000000000000000001"));
    assert_eq!(reply.fault("body.amount").kind, "value_error.decimal.max_places");
}

#[test]
fn an_amount_is_above_zero() {
    let (_server, shop) = open();
    let account = shop.momo("PAYOUT", GOOD);
    for text in ["0", "0.00", "-1", "-0.01", "-0", "0e5"] {
        let fault = payout(&shop, account, "USD", &number(text)).fault("body.amount");
        fault.says("ensure this value is greater than 0", "value_error.number.not_gt");
    }
}

#[test]
fn an_amount_has_at_most_ten_to_the_fifteen_minor_units() {
    let (_server, shop) = open();
    let account = shop.momo("PAYOUT", GOOD);
    assert_money(
        &payout(&shop, account, "USD", &number("10000000000000.00")).ok(),
        &[("amount", "10000000000000.00")],
    );
    for text in [
        "10000000000000.01",
        "1e14",
        "1e30",
        "1e400",
        "1e999999999",
        "92233720368547758.08",
        "1e99999999999999999999",
    ] {
        payout(&shop, account, "USD", &number(text)).faults_are_at(&["body.amount"]);
    }
}

#[test]
fn a_tiny_exponent_is_refused_too() {
    let (_server, shop) = open();
    let account = shop.momo("PAYOUT", GOOD);
    for text in ["1e-400", "1e-999999999", "1e-99999999999999999999"] {
        payout(&shop, account, "USD", &number(text)).faults_are_at(&["body.amount"]);
    }
}

#[test]
fn what_is_no_number_is_no_amount() {
    let (_server, shop) = open();
    let account = shop.momo("PAYOUT", GOOD);
    for value in [
        json!(true),
        json!(false),
        json!("NaN"),
        json!("Infinity"),
        json!("-inf"),
        json!("ten"),
        json!(""),
        json!("1,000.00"),
        json!([1]),
        json!({"value": 1}),
    ] {
        payout(&shop, account, "USD", &value).faults_are_at(&["body.amount"]);
    }
    payout(&shop, account, "USD", &json!("ten"))
        .fault("body.amount")
        .says("value is not a valid float", "type_error.float");
    payout(&shop, account, "USD", &json!([1]))
        .fault("body.amount")
        .says("value is not a valid float", "type_error.float");
}

#[test]
fn an_absent_amount_is_missing() {
    let (_server, shop) = open();
    payout(&shop, shop.momo("PAYOUT", GOOD), "USD", &json!(null)).fault("body.amount").is_missing();
}

#[test]
fn every_session_with_an_amount_checks_it() {
    let (_server, shop) = open();
    let paid = shop.paid_hundred();
    let (counterparty, wallet) = (shop.customer(), shop.wallet("USD"));
    for bad in ["0", "-5", "1.005", "1e20"] {
        let body = json!({"from_wallet_id": wallet, "to_counterparty_id": counterparty, "amount": number(bad),
            "currency": "USD", "expires_at": soon()});
        shop.api.post("/v1/sessions/transfer", &body).faults_are_at(&["body.amount"]);
        shop.open_refund(&paid["payment_intent_id"], bad).faults_are_at(&["body.amount"]);
    }
}
