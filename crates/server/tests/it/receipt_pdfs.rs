//! Receipts as PDF, which say what their page says, and invoices as PDF.

use serde_json::Value;

use crate::support::papers::{Paper, without_spaces};
use crate::support::shop::{GOOD, ending, source_for};
use crate::support::{Merchant, Server, assert_fields, id, json, key, number, open, shown};

/// Pays an invoice by a method. Returns it and its execution.
#[track_caller]
fn paid(shop: &Merchant, invoice: i64, method: &str, number: &str, currency: &str) -> Value {
    let account = shop.account(shop.party(), "COLLECTION", method, Some(number));
    shop.collect(shop.checkout(invoice), account, currency, &key()).ok()
}

#[track_caller]
fn add_item(shop: &Merchant, invoice: i64, name: &str) {
    let item = json!({"name": name, "currency": "USD", "qty": 1, "amount": number("1.00")});
    shop.api.post(&format!("/v1/invoices/{invoice}/items/add"), &item).ok();
}

/// The page of a receipt and its PDF.
#[track_caller]
fn both(server: &Server, shop: &Merchant, invoice: i64) -> (Paper, Paper) {
    let url = shop.link("receipt", invoice);
    (server.paper(&url), server.paper(&format!("{url}.pdf")))
}

/// Fails unless everything in the tables of the page stands in the PDF, and these texts in both.
#[track_caller]
fn says_the_same(page: &Paper, pdf: &Paper, texts: &[&str]) {
    let (words, cells) = (page.words(), page.cells());
    assert!(cells.len() > 10, "{cells:?}");
    let Some(printed) = pdf.pdf_words() else { return };
    for text in texts {
        assert!(words.contains(text), "no {text} on the page: {words}");
    }
    for text in cells.iter().map(String::as_str).chain(texts.iter().copied()) {
        assert!(printed.contains(&without_spaces(text)), "no {text} in the PDF: {printed}");
    }
}

#[test]
fn the_pdf_of_a_receipt_says_what_the_page_says() {
    let (server, shop) = open();
    for (method, number, currency, texts) in [
        ("MTN_MOMO_LBR", GOOD, "USD", &["103.00 USD", "MTN Mobile Money, Liberia", "GMT"][..]),
        (
            "MTN_MOMO_LBR",
            GOOD,
            "LRD",
            &["19,968.00 LRD", "104.00 USD", "1 USD = 192 LRD", "Exchange fee"],
        ),
        ("CREDIT_CARD", "pm_card_visa", "USD", &["104.20 USD", "3.20 USD", "Card", "UTC"]),
    ] {
        let invoice = shop.invoice("USD", "100.00");
        paid(&shop, invoice, method, number, currency);
        let receipt = shop.api.get(&format!("/v1/invoices/receipt/{invoice}")).ok();
        let (page, pdf) = both(&server, &shop, invoice);
        says_the_same(&page, &pdf, texts);
        let (number, transaction) =
            (shown(&receipt, "invoice_number"), shown(&receipt, "provider_transaction_id"));
        let said = [number.as_str(), &transaction, "100.00 USD", "First Shop", "no real money"];
        says_the_same(&page, &pdf, &said[..3]);
        if let Some(printed) = pdf.pdf_words() {
            assert!(said.iter().all(|text| printed.contains(&without_spaces(text))), "{printed}");
        }
        assert!(pdf.bytes.len() < 200 * 1024, "{}", pdf.bytes.len());
        assert_eq!(
            [pdf.header("cache-control"), pdf.header("x-robots-tag")],
            ["no-store", "noindex"]
        );
        assert_eq!(
            pdf.header("content-disposition"),
            format!("inline; filename=\"receipt-{number}.pdf\"")
        );
        assert!(pdf.header("content-security-policy").contains("frame-ancestors 'none'"));
    }
}

#[test]
fn refunds_stand_on_a_receipt_as_soon_as_they_are_made() {
    let (server, shop) = open();
    let invoice = shop.invoice("USD", "100.00");
    let begun = paid(&shop, invoice, "MTN_MOMO_LBR", &ending("129"), "USD");
    shop.advance(15 * 60);
    let collection = shop.settled("collection", &begun);
    let (page, pdf) = both(&server, &shop, invoice);
    assert!(!page.words().contains("Refund"), "{}", page.words());
    assert!(!pdf.pdf_words().is_some_and(|printed| printed.contains("Refund")));
    assert_eq!(shop.refund(&collection, "10.00")["status"], "PROCESSING");
    let (page, pdf) = both(&server, &shop, invoice);
    let texts = ["Refund under way since", "10.00 USD", "Left of the payment", "93.00 USD"];
    says_the_same(&page, &pdf, &texts);
    shop.advance(15 * 60);
    let done = || {
        let (page, pdf) = both(&server, &shop, invoice);
        page.words().contains("Refunded on").then_some((page, pdf))
    };
    let (page, pdf) = crate::support::wait_for("a refund", done);
    says_the_same(&page, &pdf, &["Refunded on", "10.00 USD", "93.00 USD"]);
}

#[test]
fn hostile_texts_harm_no_receipt() {
    let (server, shop) = open();
    let names = ["<b>bold</b>", "שלום עולם", "米と🍚", "a\u{200b}b", &"W".repeat(255)];
    let mut body = source_for(shop.customer());
    body["note"] = json!("<script>alert(1)</script>\n</main>");
    let invoice = id(&shop.api.post("/v1/invoices/create", &body).ok());
    for name in names {
        add_item(&shop, invoice, name);
    }
    shop.api.put(&format!("/v1/invoices/publish/{invoice}"), &json!({})).ok();
    paid(&shop, invoice, "MTN_MOMO_LBR", GOOD, "USD");
    let (page, pdf) = both(&server, &shop, invoice);
    let words = page.words();
    for name in ["<b>bold</b>", "שלום עולם", "米と🍚", "<script>alert(1)</script>"] {
        assert!(words.contains(name), "no {name}: {words}");
    }
    assert!(!page.text().contains("<script>alert") && !page.text().contains("<b>bold"));
    let Some(printed) = pdf.pdf_words() else { return };
    for text in ["<b>bold</b>", "ab", &"W".repeat(255), "<script>alert(1)</script>"] {
        assert!(printed.contains(text), "no {text}: {printed}");
    }
    assert!(printed.contains("\u{fffd}\u{fffd}\u{fffd}\u{fffd}"), "{printed}");
    let advice = format!("Thispagehasthemall:{}", shop.link("receipt", invoice));
    assert!(printed.contains(&advice), "{printed}");
}

#[test]
fn two_hundred_items_stand_on_numbered_pages() {
    let (server, shop) = open();
    let invoice = shop.draft("invoices", "USD", "PAYEE");
    for n in 0..200 {
        add_item(&shop, invoice, &format!("item number {n} of many"));
    }
    shop.api.put(&format!("/v1/invoices/publish/{invoice}"), &json!({})).ok();
    paid(&shop, invoice, "MTN_MOMO_LBR", GOOD, "USD");
    let (page, pdf) = both(&server, &shop, invoice);
    let words = page.words();
    assert!(words.contains("item number 19 of many") && !words.contains("number 20 of"), "{words}");
    assert!(words.contains("See all 200 items"), "{words}");
    assert!(page.bytes.len() < 30 * 1024 && pdf.bytes.len() < 200 * 1024);
    let Some(printed) = pdf.pdf_words() else { return };
    for n in 0..200 {
        assert!(printed.contains(&format!("itemnumber{n}ofmany")), "no item {n}: {printed}");
    }
    assert!(printed.contains("Page1of") && printed.contains("Page6of"), "{printed}");
    assert!(printed.contains("Thesellerbearsthefees"), "{printed}");
}

#[test]
fn a_receipt_is_there_once_it_is_paid() {
    let (server, shop) = open();
    let invoice = shop.invoice("USD", "100.00");
    let path = format!("/v1/invoices/receipt/{invoice}");
    let before = shop.api.get(&path).ok();
    assert_fields(&before, &[("page_url", "null"), ("pdf_url", "null")]);
    let url = shop.link("receipt", invoice);
    let open = shop.api.get(&path).ok();
    assert_fields(&open, &[("page_url", &url), ("pdf_url", "null")]);
    let page = server.paper(&url);
    assert!(page.words().contains("Not paid yet"), "{}", page.words());
    let pdf = server.paper(&format!("{url}.pdf"));
    assert_eq!((pdf.status, url.ends_with(pdf.header("location"))), (303, true));
    paid(&shop, invoice, "MTN_MOMO_LBR", GOOD, "USD");
    let after = shop.api.get(&path).ok();
    assert_fields(&after, &[("page_url", &url), ("pdf_url", &format!("{url}.pdf"))]);
    let number = shown(&after, "invoice_number");
    assert_eq!(shop.api.get(&format!("/v1/invoices/receipt/number/{number}")).ok(), after);
    assert_eq!(server.paper(&shown(&after, "pdf_url")).header("content-type"), "application/pdf");
    for path in ["/receipt/nothing.pdf", "/pay/nothing.pdf", "/receipt/.pdf"] {
        let none = server.paper(path);
        assert_eq!((none.status, none.header("content-type")), (404, "text/html; charset=utf-8"));
    }
}

#[test]
fn a_pdf_is_written_in_the_language_of_its_reader() {
    let (server, shop) = open();
    let invoice = shop.invoice("USD", "1234.00");
    paid(&shop, invoice, "MTN_MOMO_LBR", GOOD, "LRD");
    let url = shop.link("receipt", invoice);
    let (page, pdf) =
        (server.paper(&format!("{url}?lang=fr")), server.paper(&format!("{url}.pdf?lang=fr")));
    says_the_same(&page, &pdf, &["Reçu de la facture", "1 234,00 USD", "Payé"]);
    assert!(pdf.text().contains("/Lang(fr)") || pdf.text().contains("/Lang (fr)"));
}

#[test]
fn an_invoice_that_can_be_paid_has_a_pdf_with_its_link() {
    let (server, shop) = open();
    let invoice = shop.invoice("USD", "100.00");
    let url = shop.link("pay", invoice);
    let pdf = server.paper(&format!("{url}.pdf"));
    let number =
        shown(&shop.api.get(&format!("/v1/invoices/retrieve/{invoice}")).ok(), "invoice_number");
    if let Some(printed) = pdf.pdf_words() {
        for text in [&number, &url, "First Shop", "100.00 USD", "To be paid", "Fees are added"] {
            assert!(printed.contains(&without_spaces(text)), "no {text}: {printed}");
        }
    }
    paid(&shop, invoice, "MTN_MOMO_LBR", GOOD, "USD");
    let pdf = server.paper(&format!("{url}.pdf"));
    assert_eq!((pdf.status, url.ends_with(pdf.header("location"))), (303, true), "it is paid");
}
