//! Invoices and orders: their states, items, numbers and receipts. Both kinds follow the same
//! rules.

use crate::support::shop::{GOOD, source_for};
use crate::support::{
    Merchant, Reply, assert_fields, assert_money, id, instant, json, key, number, open, open_with,
    shown,
};
use serde_json::Value;

const KINDS: [&str; 2] = ["invoices", "orders"];

fn number_field(kind: &str) -> String {
    format!("{}_number", kind.trim_end_matches('s'))
}

fn put(shop: &Merchant, path: &str, body: &Value) -> Reply {
    shop.api.put(path, body)
}

fn publish(shop: &Merchant, kind: &str, source: i64) -> Reply {
    shop.api.call("PUT", &format!("/v1/{kind}/publish/{source}"), None)
}

fn cancel(shop: &Merchant, kind: &str, source: i64) -> Reply {
    shop.api.call("DELETE", &format!("/v1/{kind}/cancel/{source}"), None)
}

#[track_caller]
fn names_the_state(reply: &Reply, state: &str) {
    let [fault] = reply.faults().try_into().expect("one fault");
    assert!(fault.msg.contains(state), "does not name {state}: {fault:?}");
    assert!(fault.loc.starts_with("path."), "{fault:?}");
    assert_eq!(fault.kind, "value_error.state");
}

/// Checks that a source in this state cannot be changed in any way.
#[track_caller]
fn cannot_be_edited(shop: &Merchant, kind: &str, source: i64, item: i64, state: &str) {
    let before = shop.api.get(&format!("/v1/{kind}/retrieve/{source}")).ok();
    names_the_state(
        &put(shop, &format!("/v1/{kind}/update/{source}"), &json!({"note": "Beans"})),
        state,
    );
    let more = json!({"name": "Beans", "currency": "USD", "qty": 1, "amount": 1});
    names_the_state(&shop.api.post(&format!("/v1/{kind}/{source}/items/add"), &more), state);
    names_the_state(
        &put(shop, &format!("/v1/{kind}/{source}/items/{item}/update"), &json!({"qty": 9})),
        state,
    );
    names_the_state(
        &shop.api.call("DELETE", &format!("/v1/{kind}/{source}/items/{item}/remove"), None),
        state,
    );
    names_the_state(&publish(shop, kind, source), state);
    assert_eq!(shop.api.get(&format!("/v1/{kind}/retrieve/{source}")).ok(), before);
}

#[test]
fn a_new_source_is_idle_and_empty() {
    let (_server, shop) = open();
    for kind in KINDS {
        let customer = shop.customer();
        let body = json!({"counterparty_id": customer, "currency": "USD", "note": "Rice", "fee_bearer": "PAYEE",
            "as_payment_link": true, "reference_id": "my-7"});
        let source = shop.api.post(&format!("/v1/{kind}/create"), &body).ok();
        assert_eq!(source["counterparty_id"], json!(customer));
        assert_eq!(source["as_payment_link"], json!(true));
        assert_money(&source, &[("total_amount", "0.00")]);
        assert_fields(
            &source,
            &[
                ("status", "IDLE"),
                ("currency", "USD"),
                ("note", "Rice"),
                ("fee_bearer", "PAYEE"),
                ("reference_id", "my-7"),
                ("paid_at", "null"),
                ("owner_type", "ORGANIZATION"),
            ],
        );
        assert_eq!(source["owner_id"], json!(shop.credentials.merchant_id));
        instant(&source["created_at"]);
    }
}

#[test]
fn the_total_is_the_sum_of_its_items() {
    let (_server, shop) = open();
    for kind in KINDS {
        let source = shop.draft(kind, "USD", "PAYER");
        let first = shop.add_item(kind, source, "USD", 3, "19.99");
        assert_money(&first, &[("amount", "19.99"), ("qty", "3")]);
        let second = shop.add_item(kind, source, "USD", 1, "0.03");
        let whole = shop.api.get(&format!("/v1/{kind}/retrieve/{source}")).ok();
        assert_money(&whole, &[("total_amount", "60.00")]);
        let items = whole[format!("{}_items", kind.trim_end_matches('s'))]
            .as_array()
            .expect("items")
            .clone();
        assert_eq!(items, [first.clone(), second.clone()]);
        put(
            &shop,
            &format!("/v1/{kind}/{source}/items/{}/update", id(&first)),
            &json!({"qty": 2, "amount": 20}),
        )
        .ok();
        shop.api
            .call("DELETE", &format!("/v1/{kind}/{source}/items/{}/remove", id(&second)), None)
            .ok();
        let whole = shop.api.get(&format!("/v1/{kind}/retrieve/{source}")).ok();
        assert_money(&whole, &[("total_amount", "40.00")]);
    }
}

#[test]
fn an_idle_source_can_be_edited() {
    let (_server, shop) = open();
    for kind in KINDS {
        let source = shop.draft(kind, "USD", "PAYER");
        let edited = put(
            &shop,
            &format!("/v1/{kind}/update/{source}"),
            &json!({"note": "Beans", "fee_bearer": "PAYEE"}),
        )
        .ok();
        assert_fields(&edited, &[("note", "Beans"), ("fee_bearer", "PAYEE"), ("status", "IDLE")]);
    }
}

#[test]
fn an_empty_source_is_not_published() {
    let (_server, shop) = open();
    for kind in KINDS {
        let source = shop.draft(kind, "USD", "PAYER");
        assert_eq!(publish(&shop, kind, source).fault("path.id").kind, "value_error.empty");
        assert_eq!(shop.source_status(kind, source), "IDLE");
    }
}

#[test]
fn a_published_source_is_not_edited() {
    let (_server, shop) = open();
    for kind in KINDS {
        let source = shop.draft(kind, "USD", "PAYER");
        let item = id(&shop.add_item(kind, source, "USD", 1, "5.00"));
        assert_eq!(publish(&shop, kind, source).ok()["status"], "ACTIVE");
        cannot_be_edited(&shop, kind, source, item, "ACTIVE");
    }
}

#[test]
fn a_source_is_canceled_from_idle_or_active() {
    let (_server, shop) = open();
    for kind in KINDS {
        let draft = shop.draft(kind, "USD", "PAYER");
        let item = id(&shop.add_item(kind, draft, "USD", 1, "5.00"));
        let canceled = cancel(&shop, kind, draft).ok();
        assert_eq!((id(&canceled), canceled["status"].as_str()), (draft, Some("CANCELED")));
        cannot_be_edited(&shop, kind, draft, item, "CANCELED");
        let active = shop.source(kind, "USD", "PAYER", "5.00");
        assert_eq!(cancel(&shop, kind, active).ok()["status"], "CANCELED");
    }
}

#[test]
fn a_source_in_payment_is_neither_edited_nor_canceled() {
    let (_server, shop) = open_with(&[("KOLA_SANDBOX_DELAY_MS", "604800000")]);
    let invoice = shop.draft("invoices", "USD", "PAYER");
    let item = id(&shop.add_item("invoices", invoice, "USD", 1, "5.00"));
    publish(&shop, "invoices", invoice).ok();
    shop.collect(shop.checkout(invoice), shop.momo("COLLECTION", GOOD), "USD", &key()).ok();
    cannot_be_edited(&shop, "invoices", invoice, item, "PROCESSING");
    names_the_state(&cancel(&shop, "invoices", invoice), "PROCESSING");
}

#[test]
fn a_paid_source_is_neither_edited_nor_canceled() {
    let (_server, shop) = open();
    let invoice = shop.draft("invoices", "USD", "PAYER");
    let item = id(&shop.add_item("invoices", invoice, "USD", 1, "5.00"));
    publish(&shop, "invoices", invoice).ok();
    shop.collect(shop.checkout(invoice), shop.momo("COLLECTION", GOOD), "USD", &key()).ok();
    cannot_be_edited(&shop, "invoices", invoice, item, "PAID");
    names_the_state(&cancel(&shop, "invoices", invoice), "PAID");
    instant(&shop.api.get(&format!("/v1/invoices/retrieve/{invoice}")).ok()["paid_at"]);
}

#[test]
fn numbers_count_from_one_without_gaps() {
    let (_server, shop) = open();
    let year = shop.year();
    for (kind, prefix) in [("invoices", "INV"), ("orders", "ORD")] {
        let customer = shop.customer();
        let mut body = source_for(customer);
        for n in 1..=3 {
            let source = shop.api.post(&format!("/v1/{kind}/create"), &body).ok();
            assert_eq!(shown(&source, &number_field(kind)), format!("{prefix}-{year}-{n:05}"));
            body["counterparty_id"] = json!(987_654);
            shop.api.post(&format!("/v1/{kind}/create"), &body).state_fault("body.counterparty_id");
            body["counterparty_id"] = json!(customer);
        }
    }
}

#[test]
fn numbers_begin_again_each_year_of_the_merchants_clock() {
    let (_server, shop) = open();
    let year = shop.year();
    shop.draft("invoices", "USD", "PAYER");
    shop.advance(366 * 24 * 3600);
    let next = shop.draft("invoices", "USD", "PAYER");
    let source = shop.api.get(&format!("/v1/invoices/retrieve/{next}")).ok();
    let made = instant(&source["created_at"]).to_zoned(jiff::tz::TimeZone::UTC).year();
    assert!(made > year);
    assert_eq!(shown(&source, "invoice_number"), format!("INV-{made}-00001"));
}

#[test]
fn a_source_is_found_by_its_number() {
    let (_server, shop) = open();
    for kind in KINDS {
        let source = shop.source(kind, "USD", "PAYER", "5.00");
        let whole = shop.api.get(&format!("/v1/{kind}/retrieve/{source}")).ok();
        let number = shown(&whole, &number_field(kind));
        assert_eq!(shop.api.get(&format!("/v1/{kind}/retrieve/number/{number}")).ok(), whole);
        shop.api.get(&format!("/v1/{kind}/retrieve/number/INV-1999-00001")).refused(404);
        shop.api.get(&format!("/v1/{kind}/retrieve/987654")).refused(404);
    }
}

#[test]
fn an_item_has_the_sources_currency_and_at_least_one_piece() {
    let (_server, shop) = open();
    for kind in KINDS {
        let source = shop.draft(kind, "USD", "PAYER");
        let path = format!("/v1/{kind}/{source}/items/add");
        let add = |body: Value| shop.api.post(&path, &body);
        add(json!({})).faults_are_at(&["body.name", "body.currency", "body.qty", "body.amount"]);
        add(json!({"name": "Rice", "currency": "LRD", "qty": 1, "amount": 1}))
            .state_fault("body.currency");
        let none = add(json!({"name": "Rice", "currency": "USD", "qty": 0, "amount": 1}))
            .fault("body.qty");
        none.says("ensure this value is greater than or equal to 1", "value_error.number.not_ge");
        add(json!({"name": "Rice", "currency": "USD", "qty": -1, "amount": 1})).fault("body.qty");
        add(json!({"name": "Rice", "currency": "USD", "qty": 1, "amount": 0})).fault("body.amount");
        add(json!({"name": "Rice", "currency": "USD", "qty": 1, "amount": number("1.005")}))
            .fault("body.amount");
        add(json!({"name": " ", "currency": "USD", "qty": 1, "amount": 1})).fault("body.name");
        assert_money(
            &shop.api.get(&format!("/v1/{kind}/retrieve/{source}")).ok(),
            &[("total_amount", "0.00")],
        );
    }
}

#[test]
fn a_source_has_two_hundred_items_at_most() {
    let (server, shop) = open();
    let source = shop.draft("orders", "USD", "PAYER");
    let item = shop.add_item("orders", source, "USD", 1, "1");
    // As if 198 more items had been added.
    server.database.sql(&format!("UPDATE sources SET item_count = 199 WHERE id = {source}"));
    shop.add_item("orders", source, "USD", 1, "1");
    let more = json!({"name": "Rice", "currency": "USD", "qty": 1, "amount": 1});
    let path = format!("/v1/orders/{source}/items/add");
    assert!(shop.api.post(&path, &more).refused(422).to_string().contains("200 items"));
    shop.api.call("DELETE", &format!("/v1/orders/{source}/items/{}/remove", id(&item)), None).ok();
    shop.api.post(&path, &more).ok();
    shop.api.post(&path, &more).refused(422);
}

#[test]
fn a_total_that_overflows_is_refused() {
    let (_server, shop) = open();
    let source = shop.draft("invoices", "USD", "PAYER");
    let body = json!({"name": "Rice", "currency": "USD", "qty": 2_000_000_000, "amount": number("9999999999999.99")});
    shop.api.post(&format!("/v1/invoices/{source}/items/add"), &body).refused(422);
    assert_money(
        &shop.api.get(&format!("/v1/invoices/retrieve/{source}")).ok(),
        &[("total_amount", "0.00")],
    );
}

#[test]
fn a_source_names_all_its_faults() {
    let (_server, shop) = open();
    let fields = [
        "body.counterparty_id",
        "body.currency",
        "body.note",
        "body.fee_bearer",
        "body.as_payment_link",
    ];
    for kind in KINDS {
        // The note may be left out, as the published guides do: then it is empty.
        let needed = fields.into_iter().filter(|field| *field != "body.note").collect::<Vec<_>>();
        shop.api.post(&format!("/v1/{kind}/create"), &json!({})).faults_are_at(&needed);
        let body = json!({"counterparty_id": "x", "currency": "ZZZ", "note": "", "fee_bearer": "BANK", "as_payment_link": "perhaps"});
        let reply = shop.api.post(&format!("/v1/{kind}/create"), &body);
        reply.faults_are_at(&fields);
        reply
            .fault("body.counterparty_id")
            .says("value is not a valid integer", "type_error.integer");
        let permitted = "value is not a valid enumeration member; permitted: 'PAYER', 'PAYEE'";
        reply.fault("body.fee_bearer").says(permitted, "type_error.enum");
        reply
            .fault("body.as_payment_link")
            .says("value could not be parsed to a boolean", "type_error.bool");
    }
}

#[test]
fn a_failed_payment_sets_the_source_free_again() {
    let (_server, shop) = open();
    let invoice = shop.invoice("USD", "100.00");
    let bad = shop.momo("COLLECTION", &crate::support::shop::ending("049"));
    assert_eq!(shop.collect(shop.checkout(invoice), bad, "USD", &key()).ok()["status"], "FAILED");
    assert_eq!(shop.source_status("invoices", invoice), "ACTIVE");
    shop.collect(shop.checkout(invoice), shop.momo("COLLECTION", GOOD), "USD", &key()).ok();
    assert_eq!(shop.source_status("invoices", invoice), "PAID");
}

#[test]
fn a_note_has_at_most_2000_characters() {
    let (_server, shop) = open();
    for kind in KINDS {
        let mut body = source_for(shop.customer());
        body["note"] = json!("é".repeat(2000));
        assert_eq!(shop.api.post(&format!("/v1/{kind}/create"), &body).ok()["note"], body["note"]);
        body["note"] = json!("é".repeat(2001));
        let fault = shop.api.post(&format!("/v1/{kind}/create"), &body).fault("body.note");
        fault.says(
            "ensure this value has at most 2000 characters",
            "value_error.any_str.max_length",
        );
    }
}

#[test]
fn an_invoice_may_have_a_due_date() {
    let (_server, shop) = open();
    let mut body = source_for(shop.customer());
    for due in [
        "2030-02-03",
        "2030-02-03T23:59:00Z",
        "2030-02-03T00:00:00+02:00",
        "2030-02-03T23:30:00-05:00",
    ] {
        body["due_date"] = json!(due);
        let invoice = shop.api.post("/v1/invoices/create", &body).ok();
        assert_eq!(
            invoice["due_date"], "2030-02-03T00:00:00.000000Z",
            "the day that is written: {due}"
        );
    }
    body["due_date"] = json!("next week");
    let fault = shop.api.post("/v1/invoices/create", &body).fault("body.due_date");
    fault.says("invalid datetime format", "value_error.datetime");
}
