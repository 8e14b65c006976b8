//! Parties and counterparties.

use crate::support::shop::{GOOD, new_phone};
use crate::support::{Merchant, Reply, assert_fields, id, instant, json, number, open, soon};
use serde_json::Value;

fn create(shop: &Merchant, change: &Value) -> Reply {
    let mut body = json!({"fullname": "Amara Kollie", "phone": new_phone()});
    for (field, value) in change.as_object().expect("an object") {
        body[field] = value.clone();
    }
    shop.api.post("/v1/parties/create", &body)
}

#[test]
fn a_party_is_answered_as_it_was_given() {
    let (_server, shop) = open();
    let phone = new_phone();
    let body = json!({"fullname": "Amara Kollie", "phone": phone, "email": "amara@example.com", "country_code": "LR"});
    let party = shop.api.post("/v1/parties/create", &body).ok();
    assert_fields(
        &party,
        &[
            ("fullname", "Amara Kollie"),
            ("phone", &phone),
            ("email", "amara@example.com"),
            ("country_code", "LR"),
        ],
    );
    instant(&party["created_at"]);
    instant(&party["updated_at"]);
    assert_eq!(shop.api.get(&format!("/v1/parties/retrieve/{}", id(&party))).ok(), party);
}

#[test]
fn a_party_needs_name_and_phone() {
    let (_server, shop) = open();
    let reply = shop.api.post("/v1/parties/create", &json!({}));
    reply.faults_are_at(&["body.fullname", "body.phone"]);
    reply.fault("body.phone").is_missing();
}

#[test]
fn a_phone_is_eight_to_fifteen_digits_without_leading_zero_or_plus() {
    let (_server, shop) = open();
    for phone in [
        "",
        "0770123456",
        "+231770123456",
        "2317701",
        "2317701234567890",
        "231-770-123",
        "23177012345x",
        "231 770 123",
    ] {
        create(&shop, &json!({"phone": phone})).faults_are_at(&["body.phone"]);
    }
    for phone in ["12345678", "123456789012345"] {
        create(&shop, &json!({"phone": phone})).ok();
    }
}

#[test]
fn email_and_country_are_checked() {
    let (_server, shop) = open();
    for email in ["amara", "amara@", "@example.com", "a b@example.com"] {
        create(&shop, &json!({"email": email})).faults_are_at(&["body.email"]);
    }
    for country in ["12", "Liberia the Republic", "ZZZZ", "ZZZ"] {
        create(&shop, &json!({"country_code": country})).faults_are_at(&["body.country_code"]);
    }
    for country in ["LR", "lr", "LBR", "Lbr"] {
        assert_eq!(
            create(&shop, &json!({"country_code": country})).ok()["country_code"],
            "LR",
            "{country}"
        );
    }
    for country in [json!(""), json!(null)] {
        assert_eq!(
            create(&shop, &json!({"country_code": country})).ok()["country_code"],
            json!(null)
        );
    }
}

#[test]
fn a_name_is_trimmed_and_has_1_to_255_characters() {
    let (_server, shop) = open();
    assert_eq!(create(&shop, &json!({"fullname": "  Amara  "})).ok()["fullname"], "Amara");
    assert_eq!(
        create(&shop, &json!({"fullname": "é".repeat(255)})).ok()["fullname"],
        json!("é".repeat(255))
    );
    for name in [String::new(), "   ".to_owned(), "\u{200b}\u{200f}".to_owned(), "é".repeat(256)] {
        let fault = create(&shop, &json!({"fullname": name})).fault("body.fullname");
        assert!(fault.kind.starts_with("value_error."), "{fault:?}");
    }
    let long = create(&shop, &json!({"fullname": "a".repeat(256)})).fault("body.fullname");
    long.says("ensure this value has at most 255 characters", "value_error.any_str.max_length");
    let short = create(&shop, &json!({"fullname": ""})).fault("body.fullname");
    assert_eq!(short.kind, "value_error.any_str.min_length");
}

#[test]
fn control_characters_are_refused() {
    let (_server, shop) = open();
    for name in ["A\u{0}mara", "A\u{7}mara", "Ama\u{1b}[31mra", "Ama\u{7f}ra"] {
        create(&shop, &json!({"fullname": name})).faults_are_at(&["body.fullname"]);
    }
}

#[test]
fn names_of_every_script_survive() {
    let (_server, shop) = open();
    for name in [
        "Ñandú Óscar",
        "世界 さくら",
        "محمد علي",
        "👩🏾‍🌾 Kollie",
        "O'Brien \"Bo\" \\ <b>",
        "Zoë; DROP TABLE parties--",
    ] {
        let party = create(&shop, &json!({"fullname": name})).ok();
        assert_eq!(party["fullname"], json!(name));
        assert_eq!(
            shop.api.get(&format!("/v1/parties/retrieve/{}", id(&party))).ok()["fullname"],
            json!(name)
        );
    }
}

#[test]
fn parties_are_found_by_a_part_of_their_name() {
    let (_server, shop) = open();
    for name in ["Amara Kollie", "Bendu Kollie", "Sekou Doe"] {
        create(&shop, &json!({"fullname": name})).ok();
    }
    let found = |query: &str| shop.api.get(&format!("/v1/parties/list{query}")).rows().len();
    assert_eq!(
        (found(""), found("?fullname=Kollie"), found("?fullname=ekou"), found("?fullname=Nobody")),
        (3, 2, 1, 0)
    );
}

#[test]
fn an_unknown_party_is_not_found() {
    let (_server, shop) = open();
    assert_eq!(shop.api.get("/v1/parties/retrieve/987654").refused_in_words(404), "Not found");
    assert_eq!(
        shop.api.get("/v1/counterparties/retrieve/987654").refused_in_words(404),
        "Not found"
    );
}

#[test]
fn a_counterparty_shows_its_party() {
    let (_server, shop) = open();
    let party = shop.party();
    let made = shop
        .api
        .post(
            "/v1/counterparties/create",
            &json!({"relationship_type": "SUPPLIER", "party_id": party}),
        )
        .ok();
    assert_eq!(made["relationship_type"], "SUPPLIER");
    assert_eq!(made["party_id"], json!(party));
    let whole = shop.api.get(&format!("/v1/counterparties/retrieve/{}", id(&made))).ok();
    assert_eq!(id(&whole["party"]), party);
    assert_eq!(whole["owner_party_id"], json!(shop.credentials.merchant_id));
}

#[test]
fn a_counterparty_has_one_of_the_known_relationships() {
    let (_server, shop) = open();
    shop.api
        .post("/v1/counterparties/create", &json!({}))
        .fault("body.relationship_type")
        .is_missing();
    let fault = shop
        .api
        .post("/v1/counterparties/create", &json!({"relationship_type": "ENEMY"}))
        .fault("body.relationship_type");
    assert_eq!(fault.kind, "type_error.enum");
    assert!(
        fault.msg.starts_with(
            "value is not a valid enumeration member; permitted: 'CUSTOMER', 'FRIEND'"
        ),
        "{}",
        fault.msg
    );
}

#[test]
fn a_counterparty_needs_a_known_party() {
    let (_server, shop) = open();
    let body = json!({"relationship_type": "CUSTOMER", "party_id": 987_654});
    shop.api.post("/v1/counterparties/create", &body).state_fault("body.party_id");
    let made = shop.customer();
    let update =
        shop.api.put(&format!("/v1/counterparties/update/{made}"), &json!({"party_id": 987_654}));
    update.state_fault("body.party_id");
}

#[test]
fn a_counterparty_changes_its_relationship() {
    let (_server, shop) = open();
    let made = shop.customer();
    let changed = shop
        .api
        .put(&format!("/v1/counterparties/update/{made}"), &json!({"relationship_type": "PARTNER"}))
        .ok();
    assert_eq!((id(&changed), changed["relationship_type"].as_str()), (made, Some("PARTNER")));
    shop.api
        .put("/v1/counterparties/update/987654", &json!({"relationship_type": "PARTNER"}))
        .refused(404);
}

#[test]
fn counterparties_are_filtered() {
    let (_server, shop) = open();
    shop.customer();
    let party = id(&create(&shop, &json!({"fullname": "Sekou Doe"})).ok());
    shop.api
        .post(
            "/v1/counterparties/create",
            &json!({"relationship_type": "PARTNER", "party_id": party}),
        )
        .ok();
    let found = |query: &str| shop.api.get(&format!("/v1/counterparties/list{query}")).rows().len();
    assert_eq!(
        (
            found(""),
            found("?relationship_type=PARTNER"),
            found("?fullname=Sekou"),
            found("?relationship_type=DONOR")
        ),
        (2, 1, 1, 0)
    );
    let reply = shop.api.get("/v1/counterparties/list?relationship_type=ENEMY");
    assert_eq!(reply.fault("query.relationship_type").kind, "type_error.enum");
}

#[test]
fn a_party_is_changed_and_keeps_its_phone() {
    let (_server, shop) = open();
    let phone = new_phone();
    let made = create(&shop, &json!({"phone": phone, "email": "amara@example.com"})).ok();
    let path = format!("/v1/parties/update/{}", id(&made));
    let change = json!({"fullname": " Amara Kollie-Doe ", "country_code": "lbr", "phone": GOOD});
    let changed = shop.api.put(&path, &change).ok();
    assert_fields(
        &changed,
        &[
            ("fullname", "Amara Kollie-Doe"),
            ("phone", &phone),
            ("email", "amara@example.com"),
            ("country_code", "LR"),
        ],
    );
    assert_eq!(shop.api.get(&format!("/v1/parties/retrieve/{}", id(&made))).ok(), changed);
    assert!(instant(&changed["updated_at"]) >= instant(&made["updated_at"]));
    // What stands there already is no change.
    let again = json!({"fullname": "Amara Kollie-Doe", "country_code": "LR"});
    assert_eq!(shop.api.put(&path, &again).ok(), changed);
    assert_eq!(shop.api.put(&path, &json!({})).ok(), changed);
    let cleared = shop.api.put(&path, &json!({"email": null, "country_code": ""})).ok();
    assert_eq!((&cleared["email"], &cleared["country_code"]), (&json!(null), &json!(null)));
    assert_eq!(cleared["fullname"], "Amara Kollie-Doe");
    for (body, field) in [
        (json!({"fullname": ""}), "fullname"),
        (json!({"fullname": "a\u{202e}b"}), "fullname"),
        (json!({"email": "amara"}), "email"),
        (json!({"country_code": "ZZZ"}), "country_code"),
    ] {
        shop.api.put(&path, &body).faults_are_at(&[&format!("body.{field}")]);
    }
    let unknown = shop.api.put("/v1/parties/update/987654", &json!({"fullname": "x"}));
    assert_eq!(unknown.refused_in_words(404), "Not found");
    // It is the same one that pays by this phone, and it is not called by another name for that.
    let checkout = json!({"mode": "HOSTED", "source_kind": "INVOICE", "party_phone": phone, "party_name": "Somebody",
        "currency": "USD", "items": [{"name": "x", "currency": "USD", "amount": 1}]});
    let checkout = shop.api.post("/v1/checkouts/create", &checkout).ok();
    assert_eq!(checkout["party_id"], json!(id(&made)));
    let found = shop.api.get("/v1/parties/list?fullname=Kollie-Doe").rows();
    assert_eq!(found, [cleared]);
}

/// What a change of a name changes, and what it does not.
#[test]
fn what_was_paid_keeps_the_name_of_its_account() {
    let (server, shop) = open();
    let party = shop.party();
    let account = shop.account(party, "COLLECTION", "MTN_MOMO_LBR", Some(GOOD));
    let counterparty = shop.counterparty(party);
    server.fund(&shop, "USD", "20.00");
    let body = json!({"from_wallet_id": shop.wallet("USD"), "to_counterparty_id": counterparty,
        "amount": number("1.00"), "currency": "USD", "expires_at": soon()});
    let transfer = shop.api.post("/v1/sessions/transfer", &body).ok();
    let taken = shop.take(account, "USD", "5.00");
    let change = json!({"fullname": "Efua Doe"});
    shop.api.put(&format!("/v1/parties/update/{party}"), &change).ok();
    let path = format!("/v1/payment-accounts/retrieve/{account}");
    assert_eq!(shop.api.get(&path).ok()["account_name"], "Amara Kollie");
    let declared = format!("/v1/sessions/transfer/retrieve/{}", id(&transfer));
    assert_eq!(shop.api.get(&declared).ok()["recipient"]["name"], "Amara Kollie");
    let paid = format!("/v1/payment-intents/retrieve/{}", taken["payment_intent_id"]);
    assert!(!shop.api.get(&paid).ok().to_string().contains("Efua Doe"));
    let whole = shop.api.get(&format!("/v1/counterparties/retrieve/{counterparty}")).ok();
    assert_eq!(whole["party"]["fullname"], "Efua Doe");
    server.verify_ledger();
}
