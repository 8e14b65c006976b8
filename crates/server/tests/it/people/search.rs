//! The search at `/app` and of the API.

use serde_json::Value;

use super::payments::everybody;
use super::person::{Person, text};
use super::{member, open_with_key};
use crate::support::shop::{GOOD, source_for};
use crate::support::{Merchant, Reply, id, json, key, number, open_two, shown};

fn search(person: &mut Person, shop: &Merchant, asked: &str) -> Reply {
    let query = form_urlencoded::Serializer::new(String::new()).append_pair("q", asked).finish();
    let page = person.browser.get(&format!("/app/search/{}?{query}", shop.credentials.merchant_id));
    assert_eq!(page.status, 200, "{asked}: {}", text(&page));
    page
}

/// Whether a page has the line of a payment.
fn has(page: &Reply, payment: &Value) -> bool {
    text(page).contains(&format!("/{}\"><strong", payment["payment_intent_id"]))
}

/// What the API finds: by what, and the id.
fn found(shop: &Merchant, asked: &str) -> Vec<(String, i64)> {
    let query = form_urlencoded::Serializer::new(String::new()).append_pair("q", asked).finish();
    let answer = shop.api.get(&format!("/v1/search?{query}")).ok();
    let rows = answer["payments"].as_array().expect("payments").iter();
    rows.map(|row| (shown(row, "found_by"), id(&row["payment_intent"]))).collect()
}

/// A payment for an invoice with a reference, by somebody of this name and number.
#[track_caller]
fn paid_by(
    shop: &Merchant,
    name: &str,
    phone: &str,
    reference: &str,
    amount: &str,
) -> (Value, Value) {
    let party = json!({"fullname": name, "phone": phone});
    let party = id(&shop.api.post("/v1/parties/create", &party).ok());
    let mut invoice = source_for(shop.counterparty(party));
    invoice["currency"] = json!("USD");
    invoice["reference_id"] = json!(reference);
    let invoice = shop.api.post("/v1/invoices/create", &invoice).ok();
    let item = json!({"name": "Rice", "currency": "USD", "qty": 1, "amount": number(amount)});
    shop.api.post(&format!("/v1/invoices/{}/items/add", id(&invoice)), &item).ok();
    shop.api.call("PUT", &format!("/v1/invoices/publish/{}", id(&invoice)), None).ok();
    let account = shop.account(party, "COLLECTION", "MTN_MOMO_LBR", Some(phone));
    let session = shop.checkout(id(&invoice));
    (shop.collect(session, account, "USD", &key()).ok(), invoice)
}

#[test]
fn a_payment_is_found_by_all_that_is_known_of_it() {
    let (server, shop, other) = open_two();
    server.database.give_secrets_key();
    let mut kofi = member(&server, &shop, "SUPPORT", "kofi@shop.example");
    let page = search(&mut kofi, &shop, "");
    assert!(!text(&page).contains("Nothing found"), "{}", text(&page));
    let (paid, invoice) = paid_by(&shop, "Ama Serwaa Kollie", "231880000071", "po/7711", "17.00");
    let (second, _) = paid_by(&shop, "Yaa Mensah", "231880000072", "po/7712", "20.00");
    let code = {
        let page = kofi.browser.get(&format!(
            "/app/payments/{}/{}",
            shop.credentials.merchant_id, paid["payment_intent_id"]
        ));
        super::person::between(text(&page), "Receipt code</th><td><bdi>", "<").to_owned()
    };
    let whole = shop.api.get(&format!("/v1/invoices/retrieve/{}", id(&invoice))).ok();
    let number = shown(&whole, "invoice_number");
    let network = shown(&paid, "provider_transaction_id");
    let reference = shown(&paid, "reference_id");
    let intent = paid["payment_intent_id"].as_i64().expect("an id");
    for (asked, by) in [
        (reference.as_str(), "NUMBER"),
        (&reference.to_uppercase(), "NUMBER"),
        (&network, "NUMBER"),
        (&intent.to_string(), "NUMBER"),
        (&code, "RECEIPT_CODE"),
        (&code.to_lowercase().replace('-', " "), "RECEIPT_CODE"),
        (&number, "SOURCE"),
        (&number.to_lowercase(), "SOURCE"),
        ("po/7711", "SOURCE"),
        ("231880000071", "PHONE"),
        ("+231 88 000 0071", "PHONE"),
        ("088 000 0071", "PHONE"),
        ("Ama Serwaa Kollie", "NAME"),
        ("ama ser", "NAME"),
        ("  AMA   S ", "NAME"),
        ("serwaa", "NAME"),
        ("17.51", "AMOUNT"),
        ("17.51 USD", "AMOUNT"),
        ("17", "AMOUNT"),
    ] {
        assert_eq!(found(&shop, asked), [(by.to_owned(), intent)], "{asked}");
        let page = search(&mut kofi, &shop, asked);
        assert!(has(&page, &paid), "{asked}: {}", text(&page));
        assert!(!has(&page, &second), "{asked}: {}", text(&page));
        // Nobody else finds it.
        assert!(found(&other, asked).is_empty(), "{asked}");
    }
    for asked in ["a", "kollie ama", "%", "_", "am%", "231880000073", "INV-0", "18.51", "17.51 LRD"]
    {
        assert!(found(&shop, asked).is_empty(), "{asked}: {:?}", found(&shop, asked));
        let page = search(&mut kofi, &shop, asked);
        assert!(text(&page).contains("Nothing found"), "{asked}: {}", text(&page));
    }
    // What is typed is a text, whatever it looks like.
    for asked in ["<b>x</b>", "' OR 1=1 --", "\u{0}\u{1}zero", &"x".repeat(300)] {
        let page = search(&mut kofi, &shop, asked);
        assert!(!text(&page).contains("<b>x"), "{asked}");
    }
    server.verify_ledger();
}

#[test]
fn what_is_exact_comes_first_and_the_newest_before_older() {
    let (server, shop) = open_with_key();
    let account = shop.momo("COLLECTION", GOOD);
    let first = shop.take(account, "USD", "1.00");
    let last = shop.take(account, "USD", "1.00");
    let ids = |by: &str, all: &[&Value]| -> Vec<(String, i64)> {
        let id = |one: &&Value| one["payment_intent_id"].as_i64().expect("an id");
        all.iter().map(|one| (by.to_owned(), id(one))).collect()
    };
    // A moment later by the clock of the merchant, so that they have not one time.
    shop.advance(1);
    let refund = shop.refund(&first, "0.50");
    let mut expected = ids("PHONE", &[&refund, &last, &first]);
    expected.sort_by_key(|(_, id)| std::cmp::Reverse(*id));
    let mut phone = found(&shop, GOOD);
    assert_eq!(phone[0], ids("PHONE", &[&refund])[0], "the newest first");
    phone.sort_by_key(|(_, id)| std::cmp::Reverse(*id));
    assert_eq!(phone, expected);
    // A number that is an amount, too.
    let intent = first["payment_intent_id"].to_string();
    server
        .database
        .sql(&format!("UPDATE executions SET provider_transaction_id = '1' WHERE id = {intent}"));
    let hits = found(&shop, "1");
    assert_eq!(hits[0], ids("NUMBER", &[&first])[0], "{hits:?}");
    assert_eq!(hits[1..], ids("AMOUNT", &[&last])[..], "each once");
}

#[test]
fn people_are_found_by_who_may_see_them() {
    let (server, shop, other) = open_two();
    server.database.give_secrets_key();
    let (paid, _) = paid_by(&shop, "Ama Serwaa Kollie", "231880000071", "po/7711", "17.00");
    let path = |shop: &Merchant| format!("/app/search/{}?q=ama", shop.credentials.merchant_id);
    for (role, person) in &mut everybody(&server, &shop) {
        let sees = !["VIEWER", "DEVELOPER", "AUDITOR"].contains(role);
        for asked in ["ama", "231880000071"] {
            let page = search(person, &shop, asked);
            assert_eq!(has(&page, &paid), sees, "{role} {asked}: {}", text(&page));
            assert_eq!(!text(&page).contains("not searched for your role"), sees, "{role}");
        }
        assert!(has(&search(person, &shop, "po/7711"), &paid), "{role}");
        let of_installation = ["OPERATOR", "AUDITOR"].contains(role);
        let status = person.browser.get(&path(&other)).status;
        assert_eq!(status, if of_installation { 200 } else { 404 }, "{role}");
    }
    let viewer = super::approvals::operators_key(&server, &shop, "VIEWER");
    assert!(found(&viewer, "ama").is_empty() && found(&viewer, "231880000071").is_empty());
    assert_eq!(found(&viewer, "po/7711").len(), 1);
    shop.api.get("/v1/search").refused(422);
}
