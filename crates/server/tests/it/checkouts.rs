//! Checkouts: one call makes a source with its payer and its page.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::shop::{GOOD, new_phone};
use crate::support::{
    Merchant, Server, after, assert_fields, assert_money, id, instant, json, key, number, open,
    open_two, open_with, shown, words::words,
};

fn checkout(phone: &str) -> Value {
    json!({"mode": "HOSTED", "source_kind": "INVOICE", "party_phone": phone, "currency": "USD",
        "items": [{"name": "Rice", "currency": "USD", "amount": number("12.50"), "qty": 3},
                  {"name": "Beans", "currency": "USD", "amount": "2.5"}]})
}

fn create(shop: &Merchant, body: &Value) -> Value {
    shop.api.post("/v1/checkouts/create", body).ok()
}

/// The path of a URL of this server.
#[track_caller]
fn path_of(server: &Server, url: &Value) -> String {
    let base = format!("http://{}", server.api.address);
    let url = url.as_str().unwrap_or_else(|| panic!("no url: {url}"));
    url.strip_prefix(&base).unwrap_or_else(|| panic!("{url} is not under {base}")).to_owned()
}

#[test]
fn a_checkout_makes_everything_that_it_needs() {
    let (server, shop) = open();
    let phone = new_phone();
    let mut body = checkout(&phone);
    body["party_name"] = json!("Ama Kollie");
    body["party_email"] = json!("ama@example.com");
    body["reference_id"] = json!("basket 7");
    body["note"] = json!("October");
    body["success_url"] = json!("https://shop.example/thanks");
    body["cancel_url"] = json!("https://shop.example/basket?x=1");
    body["expires_at"] = json!(after(3600));
    body["due_date"] = json!(after(7200));
    let made = create(&shop, &body);
    assert_money(&made, &[("total_amount", "40.00")]);
    assert_fields(
        &made,
        &[
            ("mode", "HOSTED"),
            ("source_type", "INVOICE"),
            ("source_status", "ACTIVE"),
            ("currency", "USD"),
            ("reference_id", "basket 7"),
            ("success_url", "https://shop.example/thanks"),
            ("cancel_url", "https://shop.example/basket?x=1"),
        ],
    );
    assert_eq!(instant(&made["expires_at"]), instant(&body["expires_at"]));
    assert_eq!(
        shown(&made, "due_date"),
        format!("{}T00:00:00.000000Z", &shown(&body, "due_date")[..10])
    );
    assert_eq!(made["id"], made["source_checkout_config_id"]);
    assert_eq!(
        made["url"],
        json!(format!("http://{}{}", server.api.address, shown(&made, "hosted_path_or_token")))
    );
    let invoice = shop.api.get(&format!("/v1/invoices/retrieve/{}", made["source_id"])).ok();
    assert_fields(&invoice, &[("status", "ACTIVE"), ("fee_bearer", "PAYER"), ("note", "October")]);
    assert_eq!(invoice["invoice_number"], made["source_number"]);
    assert_eq!(invoice["invoice_items"].as_array().map(Vec::len), Some(2));
    assert_fields(&invoice["invoice_items"][1], &[("qty", "1"), ("amount", "2.50")]);
    let counterparty = &invoice["counterparty"];
    assert_eq!(
        [&counterparty["id"], &counterparty["party"]["id"]],
        [&made["counterparty_id"], &made["party_id"]]
    );
    assert_fields(counterparty, &[("relationship_type", "CUSTOMER")]);
    assert_fields(
        &counterparty["party"],
        &[("fullname", "Ama Kollie"), ("phone", &phone), ("email", "ama@example.com")],
    );
    let session = shop.checkout(made["source_id"].as_i64().expect("an id"));
    let paid = shop.collect(session, shop.momo("COLLECTION", GOOD), "USD", &key()).ok();
    assert_fields(&paid, &[("status", "COMPLETED"), ("payee_amount", "40.00")]);
    server.verify_ledger();
}

#[test]
fn a_party_is_found_by_its_phone_the_first_of_several() {
    let (_server, shop) = open();
    let phone = new_phone();
    let first = shop.party_with_phone(&phone);
    shop.party_with_phone(&phone);
    let mut body = checkout(&phone);
    body["party_name"] = json!("Somebody Else");
    let made = create(&shop, &body);
    assert_eq!(made["party_id"], json!(first));
    assert_eq!(create(&shop, &body)["party_id"], json!(first));
    let party = shop.api.get(&format!("/v1/parties/retrieve/{first}")).ok();
    assert_eq!(party["fullname"], "Amara Kollie", "a party that is found stays as it is");
}

#[test]
fn a_counterparty_can_be_given() {
    let (_server, shop) = open();
    let phone = new_phone();
    let party = shop.party_with_phone(&phone);
    let counterparty = shop.counterparty(party);
    let mut body = checkout(&phone);
    body["counterparty_id"] = json!(counterparty);
    let made = create(&shop, &body);
    assert_eq!(
        [&made["counterparty_id"], &made["party_id"]],
        [&json!(counterparty), &json!(party)]
    );
    body["party_phone"] = json!(new_phone());
    shop.api.post("/v1/checkouts/create", &body).state_fault("body.counterparty_id");
    // A counterparty without a party gets the party with the phone.
    let bare = id(&shop
        .api
        .post("/v1/counterparties/create", &json!({"relationship_type": "DONOR"}))
        .ok());
    body["counterparty_id"] = json!(bare);
    let made = create(&shop, &body);
    let whole = shop.api.get(&format!("/v1/counterparties/retrieve/{bare}")).ok();
    assert_eq!(
        [&whole["party"]["id"], &whole["relationship_type"]],
        [&made["party_id"], &json!("DONOR")]
    );
}

#[test]
fn another_merchants_party_is_not_found() {
    let (_server, shop, other) = open_two();
    let phone = new_phone();
    let theirs = shop.party_with_phone(&phone);
    let made = create(&other, &checkout(&phone));
    assert_ne!(made["party_id"], json!(theirs));
}

#[test]
fn orders_and_other_modes_are_checkouts_too() {
    let (server, shop) = open();
    let mut body = checkout(&new_phone());
    body["mode"] = json!("DIRECT");
    body["source_kind"] = json!("ORDER");
    body["party_relationship"] = json!("DONOR");
    let made = create(&shop, &body);
    assert_fields(
        &made,
        &[
            ("mode", "DIRECT"),
            ("source_type", "ORDER"),
            ("source_status", "ACTIVE"),
            ("expires_at", "null"),
        ],
    );
    assert!(shown(&made, "source_number").starts_with("ORD-"));
    let path = path_of(&server, &made["url"]);
    assert_eq!(path, format!("/pay/{}", shown(&made, "hosted_path_or_token")));
    let party = shop.api.get(&format!("/v1/parties/retrieve/{}", made["party_id"])).ok();
    assert_eq!(party["fullname"], party["phone"], "who has no name goes by the phone");
}

#[test]
fn what_is_wrong_is_told_all_at_once_and_leaves_nothing() {
    let (_server, shop) = open();
    let reply = shop.api.post("/v1/checkouts/create", &json!({}));
    reply.faults_are_at(&[
        "body.mode",
        "body.source_kind",
        "body.party_phone",
        "body.currency",
        "body.items",
    ]);
    let mut body = checkout("0880000001");
    body["items"] = json!([{"name": "x", "currency": "USD", "amount": 0}, {"name": "x", "currency": "USD", "amount": 1, "qty": 0}]);
    body["success_url"] = json!("javascript:alert(1)");
    body["party_relationship"] = json!("ENEMY");
    body["expires_at"] = json!("2025-06-15T18:00:00Z");
    let reply = shop.api.post("/v1/checkouts/create", &body);
    reply.faults_are_at(&[
        "body.party_phone",
        "body.items.0.amount",
        "body.items.1.qty",
        "body.success_url",
        "body.party_relationship",
        "body.expires_at",
    ]);
    let mut body = checkout(&new_phone());
    body["items"][1]["currency"] = json!("LRD");
    shop.api.post("/v1/checkouts/create", &body).state_fault("body.items.1.currency");
    let mut body = checkout(&new_phone());
    body["expires_at"] = json!("2025-06-15T18:00:00Z");
    body["counterparty_id"] = json!(987_654);
    shop.api
        .post("/v1/checkouts/create", &body)
        .faults_are_at(&["body.expires_at", "body.counterparty_id"]);
    let mut body = checkout(&new_phone());
    body["items"][0] =
        json!({"name": "x", "currency": "USD", "amount": number("9000000000000"), "qty": 2});
    shop.api.post("/v1/checkouts/create", &body).state_fault("body.items");
    body["items"] = json!([]);
    assert_eq!(
        shop.api.post("/v1/checkouts/create", &body).fault("body.items").kind,
        "value_error.list.min_items"
    );
    body["items"] = (0..51).map(|_| json!({"name": "x", "currency": "USD", "amount": 1})).collect();
    assert_eq!(
        shop.api.post("/v1/checkouts/create", &body).fault("body.items").kind,
        "value_error.list.max_items"
    );
    for what in ["parties", "counterparties", "invoices"] {
        assert!(shop.api.get(&format!("/v1/{what}/list")).rows().is_empty(), "{what}");
    }
    body["items"] = (0..50).map(|_| json!({"name": "x", "currency": "USD", "amount": 1})).collect();
    assert_money(&create(&shop, &body), &[("total_amount", "50.00")]);
}

/// Many requests at once create one party, and the numbers of their orders have no gap.
#[test]
fn a_crowd_with_one_phone_makes_one_party() {
    let (server, shop) = open();
    let phone = new_phone();
    let body = checkout(&phone);
    let made: Vec<Value> = std::thread::scope(|scope| {
        let calls: Vec<_> = (0..32).map(|_| scope.spawn(|| create(&shop, &body))).collect();
        calls.into_iter().map(|call| call.join().expect("an answer")).collect()
    });
    let distinct = |field: &str| made.iter().map(|one| shown(one, field)).collect::<BTreeSet<_>>();
    assert_eq!(distinct("party_id").len(), 1);
    assert_eq!(shop.api.get("/v1/parties/list").rows().len(), 1);
    for field in ["source_number", "counterparty_id", "source_checkout_config_id", "url"] {
        assert_eq!(distinct(field).len(), 32, "{field}");
    }
    let numbers = distinct("source_number");
    assert!(numbers.last().is_some_and(|last| last.ends_with("-00032")), "{numbers:?}");
    server.verify_ledger();
}

#[test]
fn the_page_says_what_is_to_be_paid_and_how_far_it_is() {
    let (server, shop) = open();
    let mut body = checkout(&new_phone());
    body["items"][0]["name"] = json!("<script>alert(1)</script>");
    body["expires_at"] = json!(after(3600));
    let made = create(&shop, &body);
    let path = path_of(&server, &made["url"]);
    let page = |path: &str| server.api.get(path);
    let reply = page(&path);
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(
        [reply.header("cache-control"), reply.header("referrer-policy")],
        [Some("no-store"), Some("same-origin")]
    );
    let text = reply.body.as_str().expect("a page").to_owned();
    for part in [
        "First Shop",
        &shown(&made, "source_number"),
        "40.00 USD",
        "To be paid by",
        "Beans",
        "Sandbox",
    ] {
        assert!(text.contains(part), "no {part}: {text}");
    }
    assert!(!text.contains("<script>") && words(&text).contains("<script>"), "{text}");
    let text_of = |path: &str| page(path).body.as_str().expect("a page").to_owned();
    let source = made["source_id"].as_i64().expect("an id");
    assert!(text_of(&path).contains("How do you want to pay?"));
    // The page, its sessions and their payments end at the same time.
    shop.advance(3000);
    let session = shop
        .api
        .post("/v1/sessions/checkout", &json!({"source_id": source, "source_type": "INVOICE"}))
        .ok();
    assert_eq!(
        instant(&session["expires_at"]),
        instant(&made["expires_at"]),
        "half an hour would be longer"
    );
    shop.advance(600);
    let expired = text_of(&path);
    assert!(
        expired.contains("This link expired on")
            && expired.contains("can send a new one")
            && !expired.contains("How do you want to pay?"),
        "{expired}"
    );
    shop.collect(id(&session), shop.momo("COLLECTION", GOOD), "USD", &key())
        .state_fault("body.session_id");
    let reply = shop
        .api
        .post("/v1/sessions/checkout", &json!({"source_id": source, "source_type": "INVOICE"}));
    assert_eq!(reply.fault("body.source_id").kind, "value_error.expired");
    // A link that is requested afterwards leads to another page, on which the source can be paid.
    let asked = |what| {
        format!(
            "/v1/links/{what}?source_type=INVOICE&source_number={}",
            shown(&made, "source_number")
        )
    };
    let link = path_of(&server, &shop.api.get(&asked("pay")).ok()["url"]);
    assert_ne!(link, path);
    assert_eq!(
        path_of(&server, &shop.api.get(&asked("pay")).ok()["url"]),
        link,
        "the same when asked again"
    );
    let reopened = text_of(&link);
    assert!(
        reopened.contains("To be paid<") && reopened.contains("How do you want to pay?"),
        "{reopened}"
    );
    assert!(text_of(&path).contains("This link expired on"));
    let session = shop.checkout(source);
    shop.collect(session, shop.momo("COLLECTION", GOOD), "USD", &key()).ok();
    let receipt = path.replace("/pay/", "/receipt/");
    assert!(
        text_of(&link).contains("<h1>Paid</h1>")
            && text_of(&path).contains("<h1>Paid</h1>")
            && text_of(&path).contains(&format!("href=\"{receipt}\""))
    );
    assert!(text_of(&receipt).contains("Paid on"));
}

#[test]
fn the_page_shows_lines_that_add_up_and_the_ways_on() {
    let (server, shop) = open();
    let body = json!({"mode": "HOSTED", "source_kind": "INVOICE", "party_phone": new_phone(), "currency": "USD",
        "success_url": "https://shop.example/thanks?a=1&b=2", "cancel_url": "https://shop.example/cart",
        "due_date": "2030-02-03T04:05:00Z",
        "items": [{"name": "Beans", "currency": "USD", "qty": 1500, "amount": number("2.50")}]});
    let made = create(&shop, &body);
    let path = path_of(&server, &made["url"]);
    let text = server.api.get(&path).body.as_str().expect("a page").to_owned();
    let said = words(&text);
    for part in [
        "Beans 1500 × 2.50 USD 3,750.00 USD",
        "Total 3,750.00 USD",
        "Due on 3 February 2030",
        // 1 % and 2 %.
        "3,862.50 USD fees of 112.50 USD included",
    ] {
        assert!(said.contains(part), "no {part}: {said}");
    }
    assert!(text.contains("href=\"https://shop.example/cart\""), "{text}");
    assert!(!text.contains("thanks"), "{text}");
    let session = shop.checkout(made["source_id"].as_i64().expect("an id"));
    shop.collect(session, shop.momo("COLLECTION", GOOD), "USD", &key()).ok();
    let text = server.api.get(&path).body.as_str().expect("a page").to_owned();
    assert!(
        text.contains("href=\"https://shop.example/thanks?a=1&#38;b=2\"")
            && !text.contains("/cart"),
        "{text}"
    );
    assert!(!text.contains("How do you want to pay?"), "{text}");
}

#[test]
fn a_link_that_leads_nowhere_says_so_to_people() {
    let (server, _shop) = open();
    for path in ["/pay/00000000000000000000000000000000", "/receipt/x", "/pay/%00"] {
        let reply = server.api.get(path);
        assert_eq!(
            (reply.status, reply.header("content-type")),
            (404, Some("text/html; charset=utf-8")),
            "{path}"
        );
        assert!(
            reply.body.as_str().is_some_and(|text| text.contains("This link leads nowhere")),
            "{}",
            reply.body
        );
    }
}

#[test]
fn links_begin_as_the_operator_says() {
    let (_server, shop) = open_with(&[("KOLA_PUBLIC_URL", "https://pay.example/kola/")]);
    let made = create(&shop, &checkout(&new_phone()));
    let path = shown(&made, "hosted_path_or_token");
    assert_eq!(shown(&made, "url"), format!("https://pay.example/kola{path}"));
    let asked = format!(
        "/v1/links/pay?source_type=INVOICE&source_number={}",
        shown(&made, "source_number")
    );
    assert_eq!(shop.api.get(&asked).ok()["url"], made["url"]);
}
