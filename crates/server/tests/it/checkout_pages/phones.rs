//! Phone numbers as people write them.

use super::{MTN_LRD, ORANGE_LRD, WITHIN_AN_HOUR, assert_executions, checkout, executions};
use crate::support::payer::{Browser as _, Payer, shows};
use crate::support::{open_with, shown};

/// The number that was asked for the newest payment.
#[track_caller]
fn asked(server: &crate::support::Server, shop: &crate::support::Merchant) -> String {
    let newest = executions(shop).remove(0);
    let account = shown(&newest, "payment_account_id");
    server
        .database
        .value(&format!("SELECT account_number FROM payment_accounts WHERE id = {account}"))
}

#[test]
fn a_number_is_understood_in_every_local_form() {
    let (server, shop) = open_with(&WITHIN_AN_HOUR);
    for (method, typed, number) in [
        (MTN_LRD, "0880000011", "231880000011"),
        (MTN_LRD, "880000012", "231880000012"),
        (MTN_LRD, "231880000013", "231880000013"),
        (MTN_LRD, "+231880000014", "231880000014"),
        (MTN_LRD, "00231880000015", "231880000015"),
        (MTN_LRD, " 088 000 0016 ", "231880000016"),
        (MTN_LRD, "+231 (0)88-000-0017", "231880000017"),
        (MTN_LRD, "+231 88 000 00 18", "231880000018"),
        (MTN_LRD, "088\u{a0}000\u{a0}0021", "231880000021"),
        (MTN_LRD, "٠٨٨٠٠٠٠٠٢٢", "231880000022"),
        (MTN_LRD, "0555000011", "231555000011"),
        (ORANGE_LRD, "0770000011", "231770000011"),
        (ORANGE_LRD, "770000012", "231770000012"),
        (ORANGE_LRD, "077-000-0013", "231770000013"),
    ] {
        let checkout = checkout(&shop);
        let mut payer = Payer::at(&server, &checkout.link);
        payer.choose("method", method);
        payer.fill("phone", typed);
        payer.go_on();
        assert_eq!(payer.status(), 200, "{typed}: {}", payer.text());
        shows(&mut payer, &["•••", &number[number.len() - 4..]]);
        payer.go_on();
        shows(&mut payer, &["Check your phone"]);
        assert_eq!(asked(&server, &shop), number, "{typed}");
    }
    server.verify_ledger();
}

#[test]
fn a_number_that_is_none_is_told_beside_its_field() {
    let (server, shop) = open_with(&WITHIN_AN_HOUR);
    let checkout = checkout(&shop);
    for typed in [
        "",
        " ",
        "088",
        "0880000000011111",
        "my number",
        "088000000a",
        "+250780000001",
        "+1 202 555 0100",
        "0000000000",
        "0880000001, 0880000002",
        "0880000001\u{0}",
        "<b>0880000001</b>",
        &"8".repeat(3_000),
    ] {
        let mut payer = Payer::at(&server, &checkout.link);
        payer.choose("method", MTN_LRD);
        payer.fill("phone", typed);
        payer.go_on();
        assert_eq!(payer.status(), 422, "{typed:?}: {}", payer.text());
        let field = "[name=phone]:not([type=hidden])";
        assert_eq!(payer.attribute(field, "aria-invalid").as_deref(), Some("true"), "{typed:?}");
        let beside = payer.attribute(field, "aria-describedby").unwrap_or_default();
        let sentence: String = beside
            .split_whitespace()
            .flat_map(|id| payer.words(&format!("[id=\"{id}\"]")))
            .collect();
        assert!(sentence.len() > 10, "{typed:?}: {}", payer.source());
        // And in a summary above, which leads to the field.
        let id = payer.attribute(field, "id").expect("an id");
        assert!(
            payer.attribute(&format!("a[href=\"#{id}\"]"), "href").is_some(),
            "{typed:?}: {}",
            payer.source()
        );
        // What was typed is there to be mended.
        if !typed.trim().is_empty() && typed.len() < 30 && !typed.contains('\u{0}') {
            assert_eq!(payer.attribute(field, "value").as_deref(), Some(typed), "{typed:?}");
        }
        assert!(payer.words("title")[0].len() < 200, "{typed:?}");
        assert_executions(&shop, &[]);
    }
    // The fault is mended on the same page.
    let mut payer = Payer::at(&server, &checkout.link);
    payer.choose("method", MTN_LRD);
    payer.fill("phone", "088");
    payer.go_on();
    payer.fill("phone", "0880000001");
    payer.go_on();
    payer.go_on();
    shows(&mut payer, &["Check your phone"]);
    assert_executions(&shop, &["PROCESSING"]);
}
