//! The pages for payers, which say the same of a payment as the receipt of the API.

use serde_json::Value;

use crate::support::shop::{GOOD, ending, source_for};
use crate::support::words::words;
use crate::support::{
    Merchant, Reply, Server, assert_fields, assert_money, id, json, key, open, open_with, shown,
};

/// What an invoice's page says.
#[track_caller]
fn page(server: &Server, shop: &Merchant, what: &str, invoice: i64) -> String {
    words(&source(server, shop, what, invoice))
}

/// An invoice's page.
#[track_caller]
fn source(server: &Server, shop: &Merchant, what: &str, invoice: i64) -> String {
    let number =
        shown(&shop.api.get(&format!("/v1/invoices/retrieve/{invoice}")).ok(), "invoice_number");
    let url = shown(
        &shop.api.get(&format!("/v1/links/{what}?source_type=INVOICE&source_number={number}")).ok(),
        "url",
    );
    let reply = server
        .api
        .get(url.strip_prefix(&format!("http://{}", server.api.address)).expect("our own address"));
    assert_eq!(reply.status, 200);
    reply.body.as_str().expect("a page").to_owned()
}

#[track_caller]
fn tells(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "no {part}: {text}");
    }
}

/// Pays an invoice. Returns it and its execution.
#[track_caller]
fn paid(shop: &Merchant, currency: &str, amount: &str) -> (i64, Value) {
    let invoice = shop.invoice(currency, amount);
    let execution =
        shop.collect(shop.checkout(invoice), shop.momo("COLLECTION", GOOD), currency, &key()).ok();
    (invoice, execution)
}

#[test]
fn what_was_paid_stands_on_both_pages() {
    let (server, shop) = open();
    let (invoice, _) = paid(&shop, "USD", "100.00");
    for what in ["pay", "receipt"] {
        let text = page(&server, &shop, what, invoice);
        tells(
            &text,
            &["Total 100.00 USD", "Paid 103.00 USD", "Platform fee", "MTN Mobile Money, Liberia"],
        );
        assert!(!text.contains("Refund"), "{text}");
    }
}

#[test]
fn refunds_are_told_each_and_what_is_left() {
    let (server, shop) = open();
    let (invoice, collection) = paid(&shop, "USD", "100.00");
    let receipt = || shop.api.get(&format!("/v1/invoices/receipt/{invoice}")).ok();
    assert_money(&receipt(), &[("refundable_amount", "103.00")]);
    assert_eq!(receipt()["refunds"], json!([]));
    for amount in ["10.00", "2.50"] {
        assert_eq!(shop.refund(&collection, amount)["status"], "COMPLETED");
    }
    let told = receipt();
    assert_money(&told, &[("refundable_amount", "90.50"), ("payer_amount", "103.00")]);
    let refunds = told["refunds"].as_array().expect("refunds");
    assert_eq!(refunds.len(), 2);
    for (refund, amount) in refunds.iter().zip(["10.00", "2.50"]) {
        assert_money(refund, &[("amount", amount)]);
        assert_fields(refund, &[("status", "COMPLETED"), ("currency", "USD")]);
        shop.status("refund", &shown(refund, "reference_id"));
    }
    for what in ["pay", "receipt"] {
        let text = page(&server, &shop, what, invoice);
        tells(&text, &["Refunded on", " 10.00 USD", " 2.50 USD", "Left of the payment 90.50 USD"]);
    }
    // The receipt of an unpaid invoice has none.
    let other = shop.invoice("USD", "5.00");
    let unpaid = shop.api.get(&format!("/v1/invoices/receipt/{other}")).ok();
    assert_eq!([&unpaid["refunds"], &unpaid["refundable_amount"]], [&json!([]), &json!(null)]);
}

#[test]
fn a_refund_under_way_and_one_that_failed() {
    let (server, shop) = open();
    // Refunds to the first number fail, and refunds to the second stay open. Collections of both
    // complete.
    for (digits, status, said) in
        [("089", "FAILED", None), ("129", "PROCESSING", Some("Refund under way since"))]
    {
        let invoice = shop.invoice("USD", "100.00");
        let begun = shop
            .collect(
                shop.checkout(invoice),
                shop.momo("COLLECTION", &ending(digits)),
                "USD",
                &key(),
            )
            .ok();
        if digits == "129" {
            tells(
                &page(&server, &shop, "pay", invoice),
                &["Check your phone and approve with your PIN.", "Do not pay again"],
            );
            shop.advance(15 * 60);
        }
        let collection = shop.settled("collection", &begun);
        assert_eq!(collection["status"], "COMPLETED", "{collection}");
        assert_eq!(shop.refund(&collection, "10.00")["status"], status);
        let told = shop.api.get(&format!("/v1/invoices/receipt/{invoice}")).ok();
        let text = page(&server, &shop, "receipt", invoice);
        match said {
            Some(said) => {
                assert_money(&told, &[("refundable_amount", "93.00")]);
                assert_fields(
                    &told["refunds"][0],
                    &[("status", "PROCESSING"), ("completed_at", "null")],
                );
                tells(&text, &[said, "Left of the payment 93.00 USD"]);
            }
            None => {
                assert_eq!(told["refunds"], json!([]));
                assert!(!text.contains("Refund"), "{text}");
            }
        }
    }
}

#[test]
fn a_failed_attempt_is_told_until_it_is_paid() {
    let (server, shop) = open();
    let invoice = shop.invoice("USD", "100.00");
    shop.collect(shop.checkout(invoice), shop.momo("COLLECTION", &ending("049")), "USD", &key())
        .ok();
    let text = page(&server, &shop, "pay", invoice);
    tells(
        &text,
        &[
            "To be paid",
            "The payment was not made",
            "There was not enough money in the account. No money was taken, says MTN.",
        ],
    );
    // Whoever has the link must not learn how much is in a wallet.
    let party = shop.party();
    let wallet = shop.account(party, "COLLECTION", "WALLET", None);
    assert_eq!(
        shop.collect(shop.checkout(invoice), wallet, "USD", &key()).ok()["status"],
        "FAILED"
    );
    let text = page(&server, &shop, "pay", invoice);
    tells(&text, &["There was not enough money in the wallet."]);
    assert!(!text.contains("available") && !text.contains("needed"), "{text}");
    shop.collect(shop.checkout(invoice), shop.momo("COLLECTION", GOOD), "USD", &key()).ok();
    assert!(!page(&server, &shop, "pay", invoice).contains("not made"));
}

#[test]
fn what_the_payer_has_to_do_is_told() {
    let (server, shop) = open_with(&[("KOLA_SANDBOX_DELAY_MS", "60000")]);
    let by = |method: &str, number: &str| {
        let invoice = shop.invoice("USD", "100.00");
        let account = shop.account(shop.party(), "COLLECTION", method, Some(number));
        shop.collect(shop.checkout(invoice), account, "USD", &key()).ok();
        page(&server, &shop, "pay", invoice)
    };
    tells(
        &by("CREDIT_CARD", "pm_card_authenticationRequired"),
        &["A payment waits for you to confirm it", "Your bank asks you"],
    );
    tells(
        &by("MTN_MOMO_LBR", GOOD),
        &["Check your phone and approve with your PIN.", "Do not pay again."],
    );
}

#[test]
fn a_long_note_is_folded_and_a_short_one_keeps_its_lines() {
    let (server, shop) = open();
    let with = |note: &str| {
        let mut body = source_for(shop.customer());
        body["note"] = json!(note);
        let invoice = id(&shop.api.post("/v1/invoices/create", &body).ok());
        source(&server, &shop, "pay", invoice)
    };
    tells(
        &with("first\nsecond <b>"),
        &["<p class=\"note\" dir=\"auto\">first\nsecond &#60;b&#62;</p>"],
    );
    let long = "rice and beans ".repeat(100);
    tells(
        &with(&long),
        &["<details class=\"note\"><summary", "…</summary><p class=\"note\"", long.trim()],
    );
}

/// A link always opens a page, even if the answer is an error.
#[test]
fn a_payer_reads_no_json() {
    let (server, shop) = open_with(&[("KOLA_RATE_LIMIT", "5/50000")]);
    let other_address =
        |path: &str, method: &str| server.api.with_token(None).call(method, path, None);
    for (path, method, status, said) in [
        ("/pay/nothing", "GET", 404, "No such page"),
        ("/receipt/nothing", "GET", 404, "No such page"),
        ("/pay/%00", "GET", 404, "No such page"),
        ("/pay/", "GET", 404, "No such page"),
        ("/receipt/a/b", "GET", 404, "No such page"),
        ("/pay/nothing", "POST", 404, "No such page"),
        ("/pay/nothing", "PUT", 405, "only be read"),
        ("/receipt/nothing", "DELETE", 405, "only be read"),
    ] {
        is_a_page(&other_address(path, method), status, said);
    }
    while server.api.get("/pay/nothing").status == 404 {}
    for path in ["/pay/nothing", "/receipt/nothing"] {
        let refused = server.api.get(path);
        is_a_page(&refused, 429, "Try again in 3 hours");
        let wait: u64 =
            refused.header("retry-after").and_then(|wait| wait.parse().ok()).expect("seconds");
        assert!((9_900..=10_000).contains(&wait), "{wait}");
        assert!(refused.header("ratelimit").is_some());
    }
    // Programs get JSON.
    server.api.get("/v1/pay/nothing").refused(404);
    shop.api.get("/v1/links/pay?source_type=INVOICE&source_number=none").refused(404);
}

/// Fails unless the answer is a page with this status, in the style and under the security policy
/// of all pages.
#[track_caller]
fn is_a_page(reply: &Reply, status: u16, said: &str) {
    assert_eq!(reply.status, status, "{}", reply.body);
    assert_eq!(reply.header("content-type"), Some("text/html; charset=utf-8"), "{}", reply.body);
    assert!(
        reply
            .header("content-security-policy")
            .is_some_and(|policy| policy.starts_with("default-src 'none'"))
    );
    assert_eq!(
        [reply.header("cache-control"), reply.header("x-robots-tag")],
        [Some("no-store"), Some("noindex")]
    );
    assert_eq!(reply.header("allow").is_some(), status == 405);
    tells(
        reply.body.as_str().expect("a page"),
        &["<h1>", said, "<link rel=\"stylesheet\" href=\"/assets/"],
    );
}
