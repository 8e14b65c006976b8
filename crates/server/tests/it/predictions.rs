//! Predictions agree with the executions that follow them, to the minor unit.

use serde_json::Value;

use crate::support::shop::GOOD;
use crate::support::{Merchant, Reply, assert_fields, json, key, open, shown};

/// Each method with its provider, a number that succeeds, and the payer's currencies.
const METHODS: [(&str, &str, Option<&str>, &[&str]); 7] = [
    ("MTN_MOMO_LBR", "PAWAPAY", Some(GOOD), &["USD", "LRD"]),
    ("ORANGE_MONEY_LBR", "ORANGE_MONEY_LBR", Some("231770000001"), &["USD", "LRD"]),
    ("MTN_MOMO_RWA", "PAWAPAY", Some("250780000001"), &["RWF"]),
    ("AIRTEL_RWA", "AIRTEL_RWA", Some("250730000001"), &["RWF"]),
    ("ORANGE_MONEY_RWA", "PAWAPAY", Some("250750000001"), &["RWF"]),
    ("CREDIT_CARD", "STRIPE", Some("pm_card_visa"), &["USD", "LRD", "RWF"]),
    ("WALLET", "PLATFORM", None, &["USD", "LRD", "RWF"]),
];
/// Amounts whose fees and conversions have to be rounded.
const SOURCES: [(&str, &str); 3] = [("USD", "33.35"), ("LRD", "1001.55"), ("RWF", "7777")];

fn ask(shop: &Merchant, what: &str, fields: &[(&str, &str)]) -> Reply {
    let query: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
    shop.api.get(&format!("/v1/predictions/{what}?{}", query.join("&")))
}

fn amount_of(
    shop: &Merchant,
    base: (&str, &str),
    target: &str,
    method: (&str, &str),
    operation: &str,
    bearer: &str,
) -> Reply {
    ask(
        shop,
        "amount-and-fees",
        &[
            ("base_amount", base.1),
            ("base_currency", base.0),
            ("target_currency", target),
            ("payment_method", method.0),
            ("provider", method.1),
            ("operation_type", operation),
            ("fee_bearer", bearer),
        ],
    )
}

/// Fails unless amounts and currencies are the same. A prediction has them as texts.
#[track_caller]
fn agree(predicted: &Value, executed: &Value) {
    for field in ["payer_amount", "payee_amount", "platform_fee"] {
        assert!(predicted[field].is_string(), "{field} of {predicted}");
    }
    for field in ["payer_amount", "payer_currency", "payee_amount", "payee_currency"] {
        assert_eq!(
            shown(predicted, field),
            shown(executed, field),
            "{field} of {predicted} and {executed}"
        );
    }
}

#[test]
fn a_collection_comes_out_as_predicted() {
    let (server, shop) = open();
    for currency in ["USD", "LRD", "RWF"] {
        server.fund(&shop, currency, "900000");
    }
    let payer = shop.party();
    let counterparty = shop.counterparty(payer);
    for currency in ["USD", "LRD", "RWF"] {
        shop.transfer(counterparty, currency, "400000");
    }
    for (method, provider, number, currencies) in METHODS {
        let account = shop.account(payer, "COLLECTION", method, number);
        for target in currencies {
            for (currency, amount) in SOURCES {
                for bearer in ["PAYER", "PAYEE"] {
                    let case = format!("{amount} {currency} by {method} in {target}, {bearer}");
                    let invoice = shop.source("invoices", currency, bearer, amount);
                    let predicted = amount_of(
                        &shop,
                        (currency, amount),
                        target,
                        (method, provider),
                        "COLLECTION",
                        bearer,
                    )
                    .ok();
                    let of_source = ask(
                        &shop,
                        "payment-source/amount-and-fees",
                        &[
                            ("target_currency", target),
                            ("payment_method", method),
                            ("provider", provider),
                            ("source_type", "INVOICE"),
                            ("source_id", &invoice.to_string()),
                        ],
                    );
                    assert_eq!(of_source.ok(), predicted, "{case}");
                    let done = shop.collect(shop.checkout(invoice), account, target, &key()).ok();
                    assert_eq!(done["status"], "COMPLETED", "{case}");
                    agree(&predicted, &done);
                    let receipt = shop.api.get(&format!("/v1/invoices/receipt/{invoice}")).ok();
                    for fee in [
                        "platform_fee",
                        "platform_currency",
                        "gateway_fee",
                        "gateway_currency",
                        "fx_fee",
                    ] {
                        assert_eq!(shown(&predicted, fee), shown(&receipt, fee), "{fee}: {case}");
                    }
                }
            }
        }
    }
    server.verify_ledger();
}

#[test]
fn a_payout_comes_out_as_predicted() {
    let (server, shop) = open();
    for currency in ["USD", "LRD", "RWF"] {
        server.fund(&shop, currency, "900000");
    }
    let payee = shop.party();
    for (method, provider, number, currencies) in
        METHODS.iter().filter(|row| row.0 != "CREDIT_CARD")
    {
        let account = shop.account(payee, "PAYOUT", method, *number);
        for (currency, amount) in
            SOURCES.iter().filter(|(currency, _)| currencies.contains(currency))
        {
            // The bearer of the fees makes no difference here.
            let ask = |bearer| {
                amount_of(&shop, (currency, amount), currency, (method, provider), "PAYOUT", bearer)
                    .ok()
            };
            let predicted = ask("PAYER");
            assert_eq!(ask("PAYEE"), predicted);
            agree(&predicted, &shop.send(account, currency, amount));
        }
    }
    server.verify_ledger();
}

#[test]
fn transfers_and_refunds_come_out_as_predicted() {
    let (server, shop) = open();
    server.fund(&shop, "USD", "500.00");
    let house = ("WALLET", "PLATFORM");
    let predicted = amount_of(&shop, ("USD", "33.35"), "USD", house, "TRANSFER", "PAYER").ok();
    agree(&predicted, &shop.transfer(shop.customer(), "USD", "33.35"));
    let predicted =
        amount_of(&shop, ("USD", "33.35"), "USD", ("MTN_MOMO_LBR", "PAWAPAY"), "REFUND", "PAYER")
            .ok();
    agree(&predicted, &shop.refund(&shop.paid_hundred(), "33.35"));
    assert_fields(
        &predicted,
        &[("platform_fee", "0.00"), ("gateway_fee", "0.00"), ("fx_fee", "null")],
    );
}

#[test]
fn the_published_example_has_texts() {
    let (_server, shop) = open();
    let predicted = amount_of(
        &shop,
        ("USD", "100"),
        "LRD",
        ("MTN_MOMO_LBR", "MTN_MOMO_LBR"),
        "COLLECTION",
        "PAYER",
    )
    .ok();
    assert_eq!(
        predicted,
        json!({"payer_amount": "19968.00", "payer_currency": "LRD", "payee_amount": "100.00", "payee_currency": "USD",
            "platform_fee": "1.00", "platform_currency": "USD", "fx_fee": "1.00", "gateway_fee": "2.00",
            "gateway_currency": "USD"})
    );
}

#[test]
fn what_cannot_be_paid_is_not_predicted() {
    let (_server, shop) = open();
    let momo = ("MTN_MOMO_LBR", "PAWAPAY");
    let ask = |base, target, method, operation| {
        amount_of(&shop, base, target, method, operation, "PAYER")
    };
    let usd = ("USD", "10");
    ask(usd, "RWF", momo, "COLLECTION").state_fault("query.target_currency");
    ask(usd, "LRD", momo, "PAYOUT").state_fault("query.target_currency");
    ask(usd, "EUR", ("CREDIT_CARD", "STRIPE"), "COLLECTION").state_fault("query.target_currency");
    ask(usd, "USD", ("CREDIT_CARD", "STRIPE"), "PAYOUT").state_fault("query.payment_method");
    ask(usd, "USD", momo, "TRANSFER").state_fault("query.payment_method");
    amount_of(&shop, ("RWF", "1"), "USD", momo, "COLLECTION", "PAYEE")
        .state_fault("query.base_amount");
    ask(("RWF", "0.5"), "RWF", momo, "COLLECTION").fault("query.base_amount");
    assert_eq!(
        ask(usd, "USD", ("MTN_MOMO_LBR", "AIRTEL_RWA"), "COLLECTION").fault("query.provider").kind,
        "type_error.enum"
    );
    ask(usd, "USD", ("MTN_MOMO_LBR", "STRIPE"), "COLLECTION").state_fault("query.payment_method");
    shop.api.get("/v1/predictions/amount-and-fees").faults_are_at(&[
        "query.base_amount",
        "query.base_currency",
        "query.target_currency",
        "query.payment_method",
        "query.operation_type",
        "query.provider",
        "query.fee_bearer",
    ]);
    let draft = shop.draft("invoices", "USD", "PAYER");
    let path = format!(
        "/v1/predictions/payment-source/amount-and-fees?target_currency=USD&payment_method=CREDIT_CARD&provider=STRIPE\
         &source_type=INVOICE&source_id={draft}"
    );
    shop.api.get(&path).state_fault("query.source_id");
}

#[test]
fn the_owner_of_the_tier_is_the_caller() {
    let (_server, shop) = open();
    let fields = |owner: &str, owner_id: i64| {
        format!(
            "/v1/predictions/amount-and-fees?base_amount=10&base_currency=USD&target_currency=USD&payment_method=CREDIT_CARD\
             &provider=STRIPE&operation_type=COLLECTION&fee_bearer=PAYER&owner_type={owner}&owner_id={owner_id}"
        )
    };
    let id = shop.credentials.merchant_id;
    shop.api.get(&fields("ORGANIZATION", id)).ok();
    shop.api.get(&fields("ORGANIZATION", id + 1)).refused(404);
    shop.api.get(&fields("USER", id)).refused(404);
}

#[test]
fn a_numbers_operator_is_told_by_its_prefix() {
    let (_server, shop) = open();
    let ask = |phone: &str, operation: &str| {
        shop.api.get(&format!(
            "/v1/predictions/mmo-provider-info?phone={phone}&operation_type={operation}"
        ))
    };
    for (phone, method, country, currencies) in [
        ("231880000001", "MTN_MOMO_LBR", "LR", json!(["LRD", "USD"])),
        ("%2B231555000001", "MTN_MOMO_LBR", "LR", json!(["LRD", "USD"])),
        ("+231%2077%20000%200001", "ORANGE_MONEY_LBR", "LR", json!(["LRD", "USD"])),
        ("231760000001", "ORANGE_MONEY_LBR", "LR", json!(["LRD", "USD"])),
        ("2316123456", "MTN_MOMO_LBR", "LR", json!(["LRD", "USD"])),
        ("250780000001", "MTN_MOMO_RWA", "RW", json!(["RWF"])),
        ("250730000001", "AIRTEL_RWA", "RW", json!(["RWF"])),
    ] {
        let info = ask(phone, "PAYOUT").ok();
        assert_fields(
            &info,
            &[
                ("payment_method", method),
                ("country", country),
                ("gateway_provider", method),
                ("operation_type", "PAYOUT"),
            ],
        );
        assert_eq!(info["currencies"], currencies);
        assert!(shown(&info, "phone").bytes().all(|digit| digit.is_ascii_digit()), "{info}");
        assert!(!shown(&info, "carrier").is_empty());
    }
    for phone in ["231220000001", "231765000001", "2318800000012", "14155550100"] {
        assert_eq!(ask(phone, "PAYOUT").state_fault("query.phone").kind, "value_error.phone");
    }
    ask("0880000001", "PAYOUT").fault("query.phone");
    ask("231880000001", "TRANSFER").state_fault("query.operation_type");
    ask("231880000001", "REFUND").ok();
}

#[test]
fn a_test_card_is_known_by_its_name() {
    let (_server, shop) = open();
    let ask = |card: &str, more: &str| {
        shop.api.get(&format!("/v1/predictions/card-provider-info?payment_method_id={card}&operation_type=COLLECTION{more}"))
    };
    let visa = ask("pm_card_visa", "").ok();
    assert_eq!(
        visa,
        json!({"brand": "visa", "country": "US", "currencies": ["EUR", "LRD", "RWF", "USD"],
            "payment_method": "CREDIT_CARD", "gateway_provider": "STRIPE"})
    );
    assert_eq!(ask("pm_card_visa", "&provider=STRIPE").ok(), visa);
    ask("pm_card_visa", "&provider=PAWAPAY").fault("query.provider");
    // The name is free text, so the name of an unknown card is not malformed.
    assert_eq!(ask("pm_1", "").state_fault("query.payment_method_id").kind, "value_error.card");
    shop.api
        .get("/v1/predictions/card-provider-info?payment_method_id=pm_card_visa&operation_type=PAYOUT")
        .state_fault("query.operation_type");
}
