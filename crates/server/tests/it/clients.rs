//! Requests as public clients of the API send them: they work, or are refused in a shape that these
//! clients can read.

use serde_json::Value;

use crate::support::shop::{GOOD, new_phone, source_for};
use crate::support::{Merchant, Reply, assert_fields, id, json, key, open, shown};

/// A donation site sends countries in three letters, the operator's names as predicted, and ids as
/// texts.
#[test]
fn a_donation_goes_through_as_public_sites_make_it() {
    let (_server, shop) = open();
    let asked = format!("/v1/predictions/mmo-provider-info?phone={GOOD}&operation_type=COLLECTION");
    let operator = shop.api.get(&asked).ok();
    assert_fields(
        &operator,
        &[("gateway_provider", "MTN_MOMO_LBR"), ("payment_method", "MTN_MOMO_LBR")],
    );
    let party = json!({"fullname": "Amara Kollie", "phone": GOOD, "email": "amara@example.com", "country_code": "LBR"});
    let party = shop.api.post("/v1/parties/create", &party).ok();
    assert_eq!(party["country_code"], "LR");
    let checkout = json!({"mode": "hosted", "source_kind": "ORDER", "party_name": "Amara Kollie", "party_phone": GOOD,
        "currency": "USD", "items": [{"name": "Donation", "currency": "USD", "qty": 1, "amount": 25}]});
    let checkout = shop.api.post("/v1/checkouts/create", &checkout).ok();
    assert_eq!(checkout["mode"], "HOSTED");
    let session = json!({"source_id": shown(&checkout, "source_id"), "source_type": "ORDER"});
    let session = shop.api.post("/v1/sessions/checkout", &session).ok();
    let account = json!({"account_name": "Amara", "provider": operator["gateway_provider"],
        "method": operator["gateway_provider"], "party_id": shown(&checkout, "party_id"), "country_code": "lbr",
        "insensitive_account_number": GOOD});
    let account =
        shop.api.post("/v1/payment-accounts/create?operation_type=COLLECTION", &account).ok();
    assert_fields(
        &account,
        &[("provider", "PAWAPAY"), ("method", "MTN_MOMO_LBR"), ("country_code", "LR")],
    );
    let execution = json!({"session_id": shown(&session, "id"), "payment_account_id": shown(&account, "id"), "currency": "USD",
        "reference_id": key()});
    assert_eq!(shop.api.post("/v1/executions/collection", &execution).ok()["status"], "COMPLETED");
}

/// Every call with a network accepts the names that a prediction returns.
#[test]
fn predicted_names_are_taken_wherever_a_network_is() {
    let (_server, shop) = open();
    let invoice = shop.invoice("USD", "5.00");
    for provider in ["MTN_MOMO_LBR", "PAWAPAY"] {
        let network = format!("payment_method=MTN_MOMO_LBR&provider={provider}");
        let amount = "base_amount=5&base_currency=USD&target_currency=USD&operation_type=COLLECTION&fee_bearer=PAYER";
        shop.api.get(&format!("/v1/predictions/amount-and-fees?{amount}&{network}")).ok();
        let source = format!("target_currency=USD&source_type=INVOICE&source_id={invoice}");
        shop.api
            .get(&format!("/v1/predictions/payment-source/amount-and-fees?{source}&{network}"))
            .ok();
    }
}

#[test]
fn a_mode_is_hosted_or_direct() {
    let (_server, shop) = open();
    let with = |mode: Value| {
        let item = json!({"name": "Rice", "currency": "USD", "amount": 5});
        let body = json!({"mode": mode, "source_kind": "ORDER", "party_phone": new_phone(), "currency": "USD", "items": [item]});
        shop.api.post("/v1/checkouts/create", &body)
    };
    for (sent, answered) in [("HOSTED", "HOSTED"), ("Hosted", "HOSTED"), ("direct", "DIRECT")] {
        assert_eq!(with(json!(sent)).ok()["mode"], answered);
    }
    for mode in [json!("online"), json!("EMBEDDED"), json!(""), json!(1)] {
        let fault = with(mode).fault("body.mode");
        fault.says(
            "value is not a valid enumeration member; permitted: 'HOSTED', 'DIRECT'",
            "type_error.enum",
        );
    }
    assert_eq!(shop.api.get("/v1/orders/list").rows().len(), 3);
}

#[test]
fn a_note_may_be_missing_and_may_have_lines() {
    let (_server, shop) = open();
    for kind in ["invoices", "orders"] {
        let mut body = source_for(shop.customer());
        for note in [json!(null), json!("first\nsecond\r\nthird")] {
            body["note"] = note.clone();
            let made = shop.api.post(&format!("/v1/{kind}/create"), &body).ok();
            assert_eq!(made["note"], if note.is_null() { json!("") } else { note });
        }
        body.as_object_mut().expect("an object").remove("note");
        assert_eq!(shop.api.post(&format!("/v1/{kind}/create"), &body).ok()["note"], "");
        body["note"] = json!("a\u{7}b");
        assert_eq!(
            shop.api.post(&format!("/v1/{kind}/create"), &body).fault("body.note").kind,
            "value_error.str.control"
        );
    }
}

fn put(shop: &Merchant, path: &str, body: &Value) -> Reply {
    shop.api.put(path, body)
}

/// In an update `null` clears a field that may be empty, and is ignored for any other field.
#[test]
fn null_empties_what_may_be_empty() {
    let (_server, shop) = open();
    for kind in ["invoices", "orders"] {
        let mut body = source_for(shop.customer());
        body["reference_id"] = json!("my-7");
        body["due_date"] = json!("2030-02-03");
        let source = id(&shop.api.post(&format!("/v1/{kind}/create"), &body).ok());
        let path = format!("/v1/{kind}/update/{source}");
        let kept = put(&shop, &path, &json!({"fee_bearer": "PAYEE"})).ok();
        assert_fields(
            &kept,
            &[("reference_id", "my-7"), ("note", "Rice"), ("fee_bearer", "PAYEE")],
        );
        let emptied =
            json!({"reference_id": null, "note": null, "due_date": null, "fee_bearer": null});
        let emptied = put(&shop, &path, &emptied).ok();
        assert_fields(&emptied, &[("reference_id", "null"), ("note", ""), ("fee_bearer", "PAYEE")]);
        if kind == "invoices" {
            assert!(shown(&kept, "due_date").starts_with("2030-02-03"));
            assert_eq!(emptied["due_date"], json!(null));
        }
        let set = put(&shop, &path, &json!({"reference_id": "my-8", "note": "Beans"})).ok();
        assert_fields(&set, &[("reference_id", "my-8"), ("note", "Beans")]);
        let item = shop.add_item(kind, source, "USD", 2, "5.00");
        let path = format!("/v1/{kind}/{source}/items/{}/update", id(&item));
        let same = put(&shop, &path, &json!({"name": null, "qty": null, "amount": null})).ok();
        assert_eq!(
            [&same["name"], &same["qty"], &same["amount"]],
            [&item["name"], &item["qty"], &item["amount"]]
        );
    }
    let party = shop.party();
    let counterparty = shop.counterparty(party);
    let path = format!("/v1/counterparties/update/{counterparty}");
    assert_eq!(
        put(&shop, &path, &json!({"relationship_type": "DONOR"})).ok()["party_id"],
        json!(party)
    );
    let emptied = put(&shop, &path, &json!({"relationship_type": null, "party_id": null})).ok();
    assert_fields(&emptied, &[("relationship_type", "DONOR"), ("party_id", "null")]);
    assert_eq!(
        put(&shop, &path, &json!({"party_id": party.to_string()})).ok()["party_id"],
        json!(party)
    );
    put(&shop, &path, &json!({"party_id": 987_654})).state_fault("body.party_id");
}

#[test]
fn whole_numbers_may_be_written_with_a_point() {
    let (_server, shop) = open();
    let number = crate::support::number;
    let invoice = shop.draft("invoices", "USD", "PAYER");
    let path = format!("/v1/invoices/{invoice}/items/add");
    let item = |qty: Value| json!({"name": "Rice", "currency": "USD", "qty": qty, "amount": 5});
    assert_eq!(shop.api.post(&path, &item(number("2.0"))).ok()["qty"], json!(2));
    for qty in [number("2.5"), json!("2.0")] {
        shop.api
            .post(&path, &item(qty))
            .fault("body.qty")
            .says("value is not a valid integer", "type_error.integer");
    }
    shop.api.call("PUT", &format!("/v1/invoices/publish/{invoice}"), None).ok();
    let session = json!({"source_id": number(&format!("{invoice}.0")), "source_type": "INVOICE"});
    assert_eq!(shop.api.post("/v1/sessions/checkout", &session).ok()["source_id"], json!(invoice));
}

/// A time may have a zone after its offset. If the two contradict each other, the time is refused:
/// the server must not guess which is right.
#[test]
fn a_zone_that_contradicts_its_offset_is_refused() {
    let (server, shop) = open();
    server.fund(&shop, "USD", "100.00");
    let account = shop.momo("PAYOUT", GOOD);
    let with = |until: String| {
        let body = json!({"payout_account_id": account, "amount": 5, "currency": "USD", "expires_at": until});
        shop.api.post("/v1/sessions/payout", &body)
    };
    let until = crate::support::soon();
    let plain = until.trim_end_matches('Z');
    for zone in ["Z[UTC]", "+00:00[Africa/Monrovia]"] {
        with(format!("{plain}{zone}")).ok();
    }
    for zone in
        ["Z[Africa/Kigali]", "+02:00[Africa/Monrovia]", "[Africa/Monrovia]", "Z[Nowhere/City]"]
    {
        with(format!("{plain}{zone}"))
            .fault("body.expires_at")
            .says("invalid datetime format", "value_error.datetime");
    }
}

/// Typed clients expect a list in every 422.
#[test]
fn what_the_path_names_is_at_fault_in_a_list() {
    let (_server, shop) = open();
    let invoice = shop.invoice("USD", "5.00");
    let publish = shop.api.call("PUT", &format!("/v1/invoices/publish/{invoice}"), None);
    publish.fault("path.id").says("the invoice is ACTIVE and must be IDLE", "value_error.state");
    let item = json!({"name": "Rice", "currency": "USD", "qty": 1, "amount": 5});
    let add = shop.api.post(&format!("/v1/invoices/{invoice}/items/add"), &item);
    assert_eq!(add.fault("path.invoice_id").kind, "value_error.state");
    let order = shop.source("orders", "USD", "PAYER", "5.00");
    let add = shop.api.post(&format!("/v1/orders/{order}/items/add"), &item);
    assert_eq!(add.fault("path.order_id").kind, "value_error.state");
    let session = shop.checkout(invoice);
    let cancel = |session: i64| {
        shop.api.call("POST", &format!("/v1/sessions/checkout/cancel/{session}"), None)
    };
    cancel(session).ok();
    assert_eq!(cancel(session).fault("path.id").kind, "value_error.state");
    let paid = shop.paid_hundred();
    let path = format!("/v1/sandbox/executions/{}/authenticate", shown(&paid, "reference_id"));
    assert_eq!(
        shop.api.post(&path, &json!({"success": true})).fault("path.reference_id").kind,
        "value_error.state"
    );
}
