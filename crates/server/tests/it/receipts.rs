//! Receipts of paid invoices and orders, and the status of a source.

use serde_json::Value;

use crate::support::shop::GOOD;
use crate::support::{assert_fields, assert_money, id, instant, json, key, open, shown};

const KINDS: [&str; 2] = ["invoices", "orders"];

#[test]
fn a_paid_invoice_has_a_receipt() {
    let (_server, shop) = open();
    let invoice = shop.invoice("USD", "100.00");
    shop.collect(shop.checkout(invoice), shop.momo("COLLECTION", GOOD), "USD", &key()).ok();
    let receipt = shop.api.get(&format!("/v1/invoices/receipt/{invoice}")).ok();
    assert_eq!(receipt["invoice_id"], json!(invoice));
    is_receipt(&receipt);
    let number = shown(&receipt, "invoice_number");
    assert_eq!(shop.api.get(&format!("/v1/invoices/receipt/number/{number}")).ok(), receipt);
}

/// The page has the same contents as the answer of the API.
#[test]
fn the_receipt_for_people_says_what_was_paid() {
    let (server, shop) = open();
    for (method, number, currency, said) in [
        (
            "MTN_MOMO_LBR",
            GOOD,
            "USD",
            vec!["103.00 USD", "1.00 USD", "2.00 USD", "MTN Mobile Money, Liberia"],
        ),
        (
            "MTN_MOMO_LBR",
            GOOD,
            "LRD",
            vec!["19,968.00 LRD", "1.00 USD", "2.00 USD", "Exchange fee", "1 USD = 192 LRD"],
        ),
        ("CREDIT_CARD", "pm_card_visa", "USD", vec!["104.20 USD", "1.00 USD", "3.20 USD", "Card"]),
    ] {
        let invoice = shop.invoice("USD", "100.00");
        let account = shop.account(shop.party(), "COLLECTION", method, Some(number));
        shop.collect(shop.checkout(invoice), account, currency, &key()).ok();
        let receipt = shop.api.get(&format!("/v1/invoices/receipt/{invoice}")).ok();
        let asked = format!(
            "/v1/links/receipt?source_type=INVOICE&source_number={}",
            shown(&receipt, "invoice_number")
        );
        let url = shown(&shop.api.get(&asked).ok(), "url");
        let page = server.api.get(
            url.strip_prefix(&format!("http://{}", server.api.address)).expect("our own address"),
        );
        let text = page.body.as_str().expect("a page");
        let transaction = shown(&receipt, "provider_transaction_id");
        for part in said.into_iter().chain([
            "100.00 USD",
            "Platform fee",
            "Payment method fee",
            transaction.as_str(),
        ]) {
            assert!(text.contains(part), "no {part}: {text}");
        }
    }
}

#[test]
fn a_paid_order_has_a_receipt() {
    let (_server, shop) = open();
    let order = shop.source("orders", "USD", "PAYER", "100.00");
    let session = id(&shop
        .api
        .post("/v1/sessions/checkout", &json!({"source_id": order, "source_type": "ORDER"}))
        .ok());
    shop.collect(session, shop.momo("COLLECTION", GOOD), "USD", &key()).ok();
    let receipt = shop.api.get(&format!("/v1/orders/receipt/{order}")).ok();
    assert_eq!(receipt["order_id"], json!(order));
    is_receipt(&receipt);
    let number = shown(&receipt, "order_number");
    assert_eq!(shop.api.get(&format!("/v1/orders/receipt/number/{number}")).ok(), receipt);
}

#[track_caller]
fn is_receipt(receipt: &Value) {
    assert_money(
        receipt,
        &[
            ("total_amount", "100.00"),
            ("payer_amount", "103.00"),
            ("payee_amount", "100.00"),
            ("platform_fee", "1.00"),
            ("gateway_fee", "2.00"),
        ],
    );
    assert_fields(
        receipt,
        &[
            ("status", "PAID"),
            ("currency", "USD"),
            ("payer_currency", "USD"),
            ("payee_currency", "USD"),
            ("payment_method", "MTN_MOMO_LBR"),
            ("payment_provider", "PAWAPAY"),
            ("account_name", "Amara Kollie"),
            ("counterparty_name", "Amara Kollie"),
            ("relationship_type", "CUSTOMER"),
            ("fee_bearer", "PAYER"),
        ],
    );
    instant(&receipt["paid_at"]);
    let items = receipt["items"].as_array().expect("items");
    assert_eq!(items.len(), 1);
    assert_money(&items[0], &[("amount", "100.00"), ("qty", "1")]);
}

#[test]
fn the_receipt_of_what_is_not_paid_has_no_payment() {
    let (_server, shop) = open();
    for kind in KINDS {
        let source = shop.source(kind, "USD", "PAYER", "5.00");
        let receipt = shop.api.get(&format!("/v1/{kind}/receipt/{source}")).ok();
        assert_fields(
            &receipt,
            &[
                ("status", "ACTIVE"),
                ("paid_at", "null"),
                ("payer_amount", "null"),
                ("payment_method", "null"),
            ],
        );
    }
}

/// In the published format the counterparty's fields are texts, never null.
#[test]
fn the_receipt_for_a_counterparty_without_a_party_has_texts() {
    let (_server, shop) = open();
    let bare = id(&shop
        .api
        .post("/v1/counterparties/create", &json!({"relationship_type": "DONOR"}))
        .ok());
    let invoice =
        id(&shop.api.post("/v1/invoices/create", &crate::support::shop::source_for(bare)).ok());
    let receipt = shop.api.get(&format!("/v1/invoices/receipt/{invoice}")).ok();
    assert_eq!([&receipt["counterparty_name"], &receipt["counterparty_phone"]], ["", ""]);
    assert_fields(&receipt, &[("relationship_type", "DONOR"), ("counterparty_email", "null")]);
}

#[test]
fn the_status_of_a_source_is_asked_by_type_and_id() {
    let (_server, shop) = open();
    let invoice = shop.invoice("USD", "100.00");
    let path = format!("/v1/status/source?source_type=INVOICE&source_id={invoice}");
    let before = shop.api.get(&path).ok();
    assert_money(&before, &[("total_amount", "100.00")]);
    assert_fields(
        &before,
        &[
            ("source_type", "INVOICE"),
            ("status", "ACTIVE"),
            ("currency", "USD"),
            ("paid_at", "null"),
        ],
    );
    assert_eq!(before["source_id"], json!(invoice));
    assert!(shown(&before, "source_number").starts_with("INV-"));
    shop.collect(shop.checkout(invoice), shop.momo("COLLECTION", GOOD), "USD", &key()).ok();
    let after = shop.api.get(&path).ok();
    assert_eq!(after["status"], "PAID");
    instant(&after["paid_at"]);
}

#[test]
fn the_status_of_a_source_needs_type_and_id() {
    let (_server, shop) = open();
    let reply = shop.api.get("/v1/status/source");
    reply.faults_are_at(&["query.source_type", "query.source_id"]);
    reply.fault("query.source_id").is_missing();
    let reply = shop.api.get("/v1/status/source?source_type=GIFT&source_id=x");
    reply.faults_are_at(&["query.source_type", "query.source_id"]);
    assert_eq!(reply.fault("query.source_type").kind, "type_error.enum");
    shop.api.get("/v1/status/source?source_type=INVOICE&source_id=987654").refused_as_unknown();
}
