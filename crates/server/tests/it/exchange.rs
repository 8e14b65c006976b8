//! Payments in another currency than the source's, at 1 USD = 192 LRD = 1,440 RWF.

use crate::reviews;
use crate::support::shop::GOOD;
use crate::support::{
    Merchant, after, assert_fields, assert_money, cents, id, json, key, open, shown, spawn,
    wait_for,
};
use serde_json::Value;

fn collect(shop: &Merchant, account: i64, source: (&str, &str, &str), payer: &str) -> Value {
    let (bearer, currency, amount) = source;
    let session = shop.checkout(shop.source("invoices", currency, bearer, amount));
    let done = shop.collect(session, account, payer, &key()).ok();
    assert_fields(
        &done,
        &[("status", "COMPLETED"), ("payer_currency", payer), ("payee_currency", currency)],
    );
    done
}

fn rwandan(shop: &Merchant) -> i64 {
    shop.account(shop.party(), "COLLECTION", "MTN_MOMO_RWA", Some("250780000001"))
}

fn card(shop: &Merchant) -> i64 {
    shop.account(shop.party(), "COLLECTION", "CREDIT_CARD", Some("pm_card_visa"))
}

/// Fees of 100.00 USD: platform 1.00, gateway 2.00, exchange 1.00. 104.00 × 192.
#[test]
fn dollars_paid_in_liberian_dollars() {
    let (server, shop) = open();
    let account = shop.momo("COLLECTION", GOOD);
    let done = collect(&shop, account, ("PAYER", "USD", "100.00"), "LRD");
    assert_money(&done, &[("payer_amount", "19968.00"), ("payee_amount", "100.00")]);
    let done = collect(&shop, account, ("PAYEE", "USD", "100.00"), "LRD");
    assert_money(&done, &[("payer_amount", "19200.00"), ("payee_amount", "96.00")]);
    shop.assert_balance("USD", "196.00", "0.00");
    shop.assert_balance("LRD", "0.00", "0.00");
    server.verify_ledger();
}

/// 1,000.00 LRD + fees of 10.00, 20.00 and 10.00 = 1,040.00; ÷ 192 = 5.4167.
#[test]
fn liberian_dollars_paid_in_dollars() {
    let (server, shop) = open();
    let done = collect(&shop, shop.momo("COLLECTION", GOOD), ("PAYER", "LRD", "1000.00"), "USD");
    assert_money(&done, &[("payer_amount", "5.42"), ("payee_amount", "1000.00")]);
    shop.assert_balance("LRD", "1000.00", "0.00");
    server.verify_ledger();
}

/// 10.00 USD + fees of 0.10, 0.20 and 0.10 = 10.40; × 1,440.
#[test]
fn dollars_paid_in_rwandan_francs() {
    let (server, shop) = open();
    let done = collect(&shop, rwandan(&shop), ("PAYER", "USD", "10.00"), "RWF");
    assert_money(&done, &[("payer_amount", "14976"), ("payee_amount", "10.00")]);
    server.verify_ledger();
}

/// The card's fixed fee of 0.30 USD is 432 RWF. So the fees are 290 + 432 (gateway), 100 (platform)
/// and 100 (exchange). 10,922 ÷ 1,440 = 7.5847, rounded up to the next cent.
#[test]
fn rwandan_francs_paid_by_card_in_dollars() {
    let (server, shop) = open();
    let done = collect(&shop, card(&shop), ("PAYER", "RWF", "10000"), "USD");
    assert_money(&done, &[("payer_amount", "7.59"), ("payee_amount", "10000")]);
    let done = collect(&shop, card(&shop), ("PAYEE", "RWF", "10000"), "USD");
    // 10,000 ÷ 1,440 = 6.944
    assert_money(&done, &[("payer_amount", "6.95"), ("payee_amount", "9078")]);
    shop.assert_balance("RWF", "19078", "0");
    server.verify_ledger();
}

/// Through the dollar: 1 LRD = 7.5 RWF. 1,000 RWF + 10 + 20 + 10 = 1,040; ÷ 7.5 = 138.667.
#[test]
fn rwandan_francs_paid_in_liberian_dollars() {
    let (server, shop) = open();
    let done = collect(&shop, shop.momo("COLLECTION", GOOD), ("PAYER", "RWF", "1000"), "LRD");
    assert_money(&done, &[("payer_amount", "138.67"), ("payee_amount", "1000")]);
    server.verify_ledger();
}

/// 104.00 LRD × 7.5.
#[test]
fn liberian_dollars_paid_in_rwandan_francs() {
    let (server, shop) = open();
    let done = collect(&shop, rwandan(&shop), ("PAYER", "LRD", "100.00"), "RWF");
    assert_money(&done, &[("payer_amount", "780"), ("payee_amount", "100.00")]);
    server.verify_ledger();
}

/// The fees of 0.50 USD: platform 0.005 → 0.01, gateway 0.01, exchange 0.005 → 0.01. The total of
/// 0.53 is converted once, after the fees: × 192.
#[test]
fn fees_are_rounded_before_the_one_conversion() {
    let (server, shop) = open();
    let done = collect(&shop, shop.momo("COLLECTION", GOOD), ("PAYER", "USD", "0.50"), "LRD");
    assert_money(&done, &[("payer_amount", "101.76"), ("payee_amount", "0.50")]);
    server.verify_ledger();
}

/// 1 RWF is worth less than half a cent, and costs a whole one. Each of the three fees is a franc,
/// so a payee who bears them cannot take 1 RWF.
#[test]
fn a_payment_that_leaves_nothing_is_refused() {
    let (server, shop) = open();
    let done = collect(&shop, shop.momo("COLLECTION", GOOD), ("PAYER", "RWF", "1"), "USD");
    assert_money(&done, &[("payer_amount", "0.01"), ("payee_amount", "1")]);
    server.verify_ledger();
    let invoice = shop.source("invoices", "RWF", "PAYEE", "1");
    let session = shop.checkout(invoice);
    shop.collect(session, shop.momo("COLLECTION", GOOD), "USD", &key()).refused(422);
    assert_eq!(shop.source_status("invoices", invoice), "ACTIVE");
    assert_eq!(shop.session_status("checkout", session), "ACTIVE");
}

#[test]
fn the_receipt_shows_the_exchange() {
    let (_server, shop) = open();
    let invoice = shop.invoice("USD", "100.00");
    shop.collect(shop.checkout(invoice), shop.momo("COLLECTION", GOOD), "LRD", &key()).ok();
    let receipt = shop.api.get(&format!("/v1/invoices/receipt/{invoice}")).ok();
    assert_money(
        &receipt,
        &[
            ("total_amount", "100.00"),
            ("payer_amount", "19968.00"),
            ("payee_amount", "100.00"),
            ("platform_fee", "1.00"),
            ("gateway_fee", "2.00"),
            ("fx_fee", "1.00"),
        ],
    );
    assert_fields(
        &receipt,
        &[
            ("payer_currency", "LRD"),
            ("payee_currency", "USD"),
            ("platform_currency", "USD"),
            ("gateway_currency", "USD"),
        ],
    );
    let mut currencies = [receipt["fx_currency_from"].clone(), receipt["fx_currency_to"].clone()];
    currencies.sort_by_key(Value::to_string);
    assert_eq!(currencies, [json!("LRD"), json!("USD")]);
    assert_eq!(receipt["fx_rate"], "192");
}

/// A rate rounded to eight decimals would be wrong by 54.87 USD here.
#[test]
fn the_rate_of_a_receipt_has_enough_digits_to_multiply_out() {
    let (server, shop) = open();
    let invoice = shop.source("invoices", "RWF", "PAYEE", "12345678901");
    let paid = shop.collect(shop.checkout(invoice), card(&shop), "USD", &key()).ok();
    let receipt = shop.api.get(&format!("/v1/invoices/receipt/{invoice}")).ok();
    let rate = receipt["fx_rate"]
        .as_str()
        .expect("a text")
        .strip_prefix("0.")
        .expect("less than a dollar");
    let parts = 10_i128.pow(u32::try_from(rate.len()).expect("a length"));
    // In cents, rounded up.
    let dollars = 12_345_678_901 * rate.parse::<i128>().expect("digits") * 100;
    let expected = (dollars + parts - 1) / parts;
    assert_eq!(shown(&paid, "payer_amount").replace('.', ""), expected.to_string(), "{receipt}");
    server.verify_ledger();
}

/// The payer paid 19,968.00 LRD, which are 104.00 USD. The wallet got 100.00 USD of them.
#[test]
fn a_refund_is_taken_at_the_collections_own_rate() {
    let (server, shop) = open();
    server.fund(&shop, "USD", "10.00");
    let paid = collect(&shop, shop.momo("COLLECTION", GOOD), ("PAYER", "USD", "100.00"), "LRD");
    let half = shop.refund(&paid, "9984.00");
    assert_fields(
        &half,
        &[
            ("status", "COMPLETED"),
            ("operation_type", "REFUND"),
            ("payer_currency", "USD"),
            ("payee_currency", "LRD"),
        ],
    );
    assert_money(&half, &[("payer_amount", "52.00"), ("payee_amount", "9984.00")]);
    shop.assert_balance("USD", "58.00", "0.00");
    shop.open_refund(&paid["payment_intent_id"], "9984.01").state_fault("body.amount");
    assert_money(&shop.refund(&paid, "9984.00"), &[("payer_amount", "52.00")]);
    shop.assert_balance("USD", "6.00", "0.00");
    server.verify_ledger();
}

/// 1.00 LRD is 0.0052 USD, 2.92 LRD are 0.0152, 4.85 LRD are 0.0253. The sum of all refunds is
/// rounded up once.
#[test]
fn a_refund_costs_the_wallet_the_next_whole_cent() {
    let (server, shop) = open();
    let paid = collect(&shop, shop.momo("COLLECTION", GOOD), ("PAYER", "USD", "100.00"), "LRD");
    for (back, cost) in
        [("1.00", "0.01"), ("1.92", "0.01"), ("1.93", "0.01"), ("0.91", "0.00"), ("0.01", "0.01")]
    {
        assert_money(&shop.refund(&paid, back), &[("payer_amount", cost), ("payee_amount", back)]);
    }
    shop.assert_balance("USD", "99.96", "0.00");
    server.verify_ledger();
}

/// Together the refunds are 1.00 LRD, which is 0.0052 USD.
#[test]
fn a_hundred_small_refunds_cost_what_one_of_all_would() {
    let (server, shop) = open();
    let paid = collect(&shop, shop.momo("COLLECTION", GOOD), ("PAYER", "USD", "100.00"), "LRD");
    for _ in 0..100 {
        assert_eq!(shop.refund(&paid, "0.01")["status"], "COMPLETED");
    }
    shop.assert_balance("USD", "99.99", "0.00");
    let wallet = shop.wallet("USD");
    let entries = shop.api.get(&format!("/v1/wallets/{wallet}/entries")).rows();
    assert!(entries.iter().all(|entry| entry["amount"] != json!(0)), "{entries:?}");
    server.verify_ledger();
}

/// The available and the held amount of the wallet, in minor units.
fn cents_in(shop: &Merchant, currency: &str) -> (i64, i64) {
    let (available, held) = shop.money_in(shop.wallet(currency));
    (cents(&available), cents(&held))
}

/// Ten cents are 144 francs, and 134 francs are 9.3 cents. Small refunds hold ten cents while the
/// large one begins, and then fail.
#[test]
fn a_large_refund_costs_its_share_whatever_small_ones_hold() {
    let (mut server, shop) = spawn();
    server.fund(&shop, "USD", "10.00");
    let paid = collect(&shop, rwandan(&shop), ("PAYEE", "USD", "0.10"), "RWF");
    assert_money(&paid, &[("payer_amount", "144")]);
    // The restarted server's provider takes a week.
    assert_eq!(server.terminate(), Some(0));
    server.restart(&[("KOLA_SANDBOX_DELAY_MS", "604800000")]);
    let shop = server.sign_in(&shop.credentials);
    let (before, _) = cents_in(&shop, "USD");
    let mut refunds: Vec<(Value, &str)> =
        (0..10).map(|_| (shop.refund(&paid, "1"), "failed")).collect();
    refunds.push((shop.refund(&paid, "134"), "completed"));
    let large = refunds[10].0.clone();
    assert_fields(&large, &[("status", "PROCESSING")]);
    assert_money(&large, &[("payer_amount", "0.10"), ("payee_amount", "134")]);
    assert_eq!(cents_in(&shop, "USD"), (before - 20, 20), "each holds its own share");
    let intent = format!("/v1/payment-intents/retrieve/{}", paid["payment_intent_id"]);
    assert_money(&shop.api.get(&intent).ok(), &[("refunded_amount", "144")]);

    shop.advance(25 * 3600);
    for (refund, outcome) in &refunds {
        let review =
            wait_for("the review", || reviews::find(&server, &shown(refund, "reference_id")));
        reviews::resolve(&server, &review, &["--outcome", outcome, "--evidence", "statement"]).ok();
        assert_eq!(shop.settled("refund", refund)["status"], outcome.to_uppercase());
    }
    assert_eq!(cents_in(&shop, "USD"), (before - 10, 0), "it costs its share");
    assert_money(&shop.settled("refund", &large), &[("payer_amount", "0.10")]);
    assert_money(&shop.api.get(&intent).ok(), &[("refunded_amount", "134")]);
    server.verify_ledger();

    // The total has been taken already.
    assert_eq!(server.terminate(), Some(0));
    server.restart(&[]);
    let shop = server.sign_in(&shop.credentials);
    let body = json!({"original_payment_intent_id": paid["payment_intent_id"], "amount": 10, "expires_at": after(48 * 3600)});
    let session = id(&shop.api.post("/v1/sessions/refund", &body).ok());
    let rest = shop.execute("refund", session, &key()).ok();
    assert_money(&rest, &[("payer_amount", "0.00"), ("payee_amount", "10")]);
    assert_eq!(cents_in(&shop, "USD"), (before - 10, 0), "the whole payment costs its total");
    server.verify_ledger();
}

/// 5.42 USD × 192 = 1,040.64 LRD, but the payment's total was 1,040.00.
#[test]
fn refunds_together_never_cost_more_than_the_total() {
    let (server, shop) = open();
    server.fund(&shop, "LRD", "1000.00");
    let paid = collect(&shop, shop.momo("COLLECTION", GOOD), ("PAYER", "LRD", "1000.00"), "USD");
    assert_money(
        &shop.refund(&paid, "2.00"),
        &[("payer_amount", "384.00"), ("payee_amount", "2.00")],
    );
    assert_money(
        &shop.refund(&paid, "3.42"),
        &[("payer_amount", "656.00"), ("payee_amount", "3.42")],
    );
    shop.assert_balance("LRD", "960.00", "0.00");
    server.verify_ledger();
}

#[test]
fn long_after_an_exchange_only_the_operator_refunds() {
    let (server, shop) = open();
    let paid = collect(&shop, rwandan(&shop), ("PAYER", "USD", "10.00"), "RWF");
    let plain = shop.paid_hundred();
    let refund = |paid: &Value, amount: &str| {
        let body = json!({"original_payment_intent_id": paid["payment_intent_id"],
            "amount": amount, "expires_at": after(100 * 86_400)});
        shop.api.post("/v1/sessions/refund", &body)
    };
    shop.advance(89 * 86_400);
    let early = id(&refund(&paid, "144").ok());
    shop.advance(2 * 86_400);
    // A rate that holds for ever would be an option on the currency, for nothing.
    let fault = refund(&paid, "144").fault("body.original_payment_intent_id");
    assert!(fault.msg.contains("more than 90 days ago: only the operator"), "{}", fault.msg);
    assert_eq!(fault.kind, "value_error.refund");
    let fault = shop.execute("refund", early, &key()).fault("body.session_id");
    assert!(fault.msg.contains("only the operator"), "declared in time, too: {}", fault.msg);
    // A payment in its own currency has no such end.
    let back = shop.execute("refund", id(&refund(&plain, "1.00").ok()), &key()).ok();
    assert_eq!(shop.settled("refund", &back)["status"], "COMPLETED");
    let (merchant, payment) =
        (shop.credentials.merchant_id.to_string(), shown(&paid, "reference_id"));
    let create = ["refunds", "create", &payment, "--merchant", &merchant, "--amount"];
    let refused = server.kola(&[&create[..], &["1000000"]].concat()).refused();
    assert!(refused.contains("more than is left to refund"), "{refused}");
    let made = server.kola(&[&create[..], &["144", "--reason", "A promise", "--json"]].concat());
    let made: Value = serde_json::from_str(&made.ok()).expect("JSON");
    let reference = shown(&made, "reference_id");
    let done = shop.settled("refund", &shop.status("refund", &reference));
    assert_fields(&done, &[("status", "COMPLETED"), ("payee_amount", "144")]);
    server.verify_ledger();
}
