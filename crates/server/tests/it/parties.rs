//! Parties and counterparties.

use crate::support::shop::new_phone;
use crate::support::{Merchant, Reply, assert_fields, id, instant, json, open};
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
