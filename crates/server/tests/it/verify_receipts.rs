//! `/verify`: whether a receipt is genuine, for whoever has its code and the amount.

use scraper::Html;
use serde_json::Value;

use crate::support::papers::{Paper, selector};
use crate::support::shop::{GOOD, ending};
use crate::support::{Merchant, Server, key, open, shown};

const ADDRESS: &str = "203.0.113.7";

/// Pays an invoice in LRD by mobile money. Returns the code of its receipt and the execution.
#[track_caller]
fn paid(server: &Server, shop: &Merchant, number: &str) -> (String, Value) {
    let invoice = shop.invoice("USD", "40.00");
    let begun =
        shop.collect(shop.checkout(invoice), shop.momo("COLLECTION", number), "LRD", &key()).ok();
    if begun["status"] != "COMPLETED" {
        shop.advance(15 * 60);
    }
    let collection = shop.settled("collection", &begun);
    assert_eq!(collection["status"], "COMPLETED", "{collection}");
    let page = server.paper(&shop.link("receipt", invoice));
    let html = Html::parse_document(&page.text());
    let code = html.select(&selector(".code")).next().expect("a code").text().collect();
    (code, collection)
}

/// The page without what was typed.
fn outcome(page: &Paper) -> String {
    page.words()
}

#[test]
fn whoever_has_a_receipt_learns_that_it_is_genuine() {
    let (server, shop) = open();
    let (code, collection) = paid(&server, &shop, GOOD);
    assert_eq!((code.len(), code.as_bytes()[4]), (9, b'-'), "{code}");
    let amount = shown(&collection, "payer_amount");
    let bare = code.replace('-', "");
    for (code, amount) in [
        (code.clone(), amount.clone()),
        (bare.to_lowercase(), format!("{amount} LRD")),
        (format!(" {} {} ", &bare[..4], &bare[4..]), amount.replace('.', ",")),
    ] {
        let page = server.check_receipt(ADDRESS, &code, &amount);
        let words = page.words();
        assert_eq!(page.status, 200, "{words}");
        for text in ["Genuine: paid", "LRD on", "GMT", "First Shop", "INV-", "no real money"] {
            assert!(words.contains(text), "no {text} for {code}: {words}");
        }
        assert!(!words.contains("refunded"), "{words}");
    }
    shop.refund(&collection, "1920.00");
    let words = server.check_receipt(ADDRESS, &code, &amount).words();
    assert!(words.contains("; 1,920.00 LRD refunded since."), "{words}");
}

#[test]
fn a_refund_under_way_is_told_as_such() {
    let (server, shop) = open();
    let (code, collection) = paid(&server, &shop, &ending("129"));
    shop.refund(&collection, "1920.00");
    let amount = shown(&collection, "payer_amount");
    let words = server.check_receipt(ADDRESS, &code, &amount).words();
    assert!(words.contains("; a refund of 1,920.00 LRD is under way."), "{words}");
}

#[test]
fn a_wrong_code_and_a_wrong_amount_are_told_apart_by_nobody() {
    let (server, shop) = open();
    let (code, collection) = paid(&server, &shop, GOOD);
    let amount = shown(&collection, "payer_amount");
    let first = if code.starts_with('0') { "1" } else { "0" };
    let other_code = format!("{first}{}", &code[1..]);
    let answers: Vec<String> = [
        (other_code.as_str(), amount.as_str()),
        (code.as_str(), "1.00"),
        (code.as_str(), &format!("{amount} USD")),
        (code.as_str(), "much"),
        ("no code", &amount),
        ("7KQ2-9M4", &amount),
        ("' OR 1=1 --", "<script>"),
    ]
    .map(|(code, amount)| {
        let page = server.check_receipt(ADDRESS, code, amount);
        assert_eq!(page.status, 200, "{}", page.text());
        assert!(!page.text().contains("<script>alert") && !page.text().contains("\"<script>"));
        outcome(&page)
    })
    .into();
    assert!(answers[0].contains("No receipt has this code and this amount."), "{}", answers[0]);
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:#?}");
    for (code, amount) in [("", amount.as_str()), (code.as_str(), ""), ("", "")] {
        let page = server.check_receipt(ADDRESS, code, amount);
        assert_eq!(page.status, 422);
        assert!(page.words().contains("Both are needed"), "{}", page.words());
    }
}

/// The executions of other operations, and those that failed, have no receipt.
#[test]
fn only_what_was_paid_has_a_receipt() {
    let (server, shop) = open();
    let invoice = shop.invoice("USD", "40.00");
    let account = shop.momo("COLLECTION", &ending("049"));
    shop.collect(shop.checkout(invoice), account, "USD", &key()).ok();
    let page = server.paper(&shop.link("receipt", invoice));
    assert!(!page.text().contains("class=\"code\""), "{}", page.text());
}

#[test]
fn guessing_is_limited_by_address() {
    let (server, shop) = open();
    let (code, collection) = paid(&server, &shop, GOOD);
    let amount = shown(&collection, "payer_amount");
    let genuine =
        |address| server.check_receipt(address, &code, &amount).words().contains("Genuine");
    for n in 0..20 {
        assert!(genuine(ADDRESS), "what is right is not counted");
        let page = server.check_receipt(ADDRESS, "0000-0000", &n.to_string());
        assert_eq!(page.status, 200, "guess {n}");
    }
    let page = server.check_receipt(ADDRESS, "0000-0000", "1");
    assert_eq!(page.status, 429);
    let wait: u64 = page.header("retry-after").parse().expect("seconds");
    assert!((1..=180).contains(&wait), "{wait}");
    assert!(page.words().contains("Too many receipts were asked for that do not exist"));
    assert!(!genuine(ADDRESS), "nobody learns anything any more");
    assert!(genuine("203.0.113.8"), "another address");
}

#[test]
fn the_form_is_filled_by_the_link_of_a_receipt() {
    let (server, shop) = open();
    let (code, _) = paid(&server, &shop, GOOD);
    let field = |path: &str| {
        let page = server.paper(path);
        assert_eq!(page.status, 200, "{path}");
        let html = Html::parse_document(&page.text());
        let input = html.select(&selector("input[name=code]")).next().expect("a field");
        input.value().attr("value").unwrap_or_default().to_owned()
    };
    assert_eq!(field("/verify"), "");
    assert_eq!(field(&format!("/verify?code={code}")), code);
    assert_eq!(field("/verify?code=%22%3E%3Cb%3E"), "\"><b>");
    assert_eq!(field(&format!("/verify?code={}", "7".repeat(1_000))), "");
    assert_eq!(server.api.with_token(None).call("DELETE", "/verify", None).status, 405);
}
