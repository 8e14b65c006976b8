//! Payment links: what a merchant makes, and what becomes of it when payers pay.

use serde_json::Value;

use crate::support::{
    Database, Merchant, Server, after, assert_fields, assert_money, id, json, number, open, shown,
};

/// A link with items.
pub(crate) fn of_rice() -> Value {
    json!({"title": "Rice and beans", "currency": "USD", "fee_bearer": "PAYEE",
        "items": [{"name": "Rice", "currency": "USD", "amount": number("10.00"), "qty": 2},
                  {"name": "Beans", "currency": "USD", "amount": "2.5"}]})
}

/// A donation box.
pub(crate) fn donation() -> Value {
    json!({"title": "A roof", "currency": "USD", "amount_open": {"min": 1, "max": number("500.00")}})
}

pub(crate) fn create(shop: &Merchant, body: &Value) -> Value {
    shop.api.post("/v1/payment-links/create", body).ok()
}

/// The id of a new link with items.
pub(crate) fn rice(shop: &Merchant) -> i64 {
    id(&create(shop, &of_rice()))
}

#[test]
fn a_link_is_made_listed_read_and_deactivated() {
    let (server, shop) = open();
    let mut body = of_rice();
    body["max_uses"] = json!(100);
    body["success_url"] = json!("https://shop.example/thanks");
    let end = after(3_600);
    body["expires_at"] = json!(end);
    let made = create(&shop, &body);
    assert_money(&made, &[("total_amount", "22.50")]);
    assert_fields(
        &made,
        &[
            ("title", "Rice and beans"),
            ("currency", "USD"),
            ("amount_open", "null"),
            ("max_uses", "100"),
            ("uses_reserved", "0"),
            ("uses_paid", "0"),
            ("status", "ACTIVE"),
            ("state", "OPEN"),
            ("success_url", "https://shop.example/thanks"),
            ("fee_bearer", "PAYEE"),
        ],
    );
    let items = json!([{"name": "Rice", "currency": "USD", "qty": 2, "amount": number("10.00")},
        {"name": "Beans", "currency": "USD", "qty": 1, "amount": number("2.50")}]);
    assert_eq!(made["items"], items);
    let url = shown(&made, "url");
    let token = url.strip_prefix(&format!("http://{}/l/", server.api.address)).expect("our own");
    assert!(token.len() == 32 && token.bytes().all(|byte| byte.is_ascii_hexdigit()), "{token}");
    assert_eq!(shop.api.get(&format!("/v1/payment-links/retrieve/{}", id(&made))).ok(), made);

    let other = create(&shop, &donation());
    assert_eq!(other["amount_open"], json!({"min": number("1.00"), "max": number("500.00")}));
    let (total, items, uses) = (&other["total_amount"], &other["items"], &other["max_uses"]);
    assert_eq!([total, items, uses], [&Value::Null, &json!([]), &Value::Null]);
    assert_fields(&other, &[("fee_bearer", "PAYER"), ("expires_at", "null")]);
    assert_ne!(shown(&other, "url"), url);
    let listed = shop.api.get("/v1/payment-links/list").rows();
    assert_eq!(listed.iter().map(id).collect::<Vec<_>>(), [id(&other), id(&made)]);
    assert_eq!(listed[1].get("items"), None, "a list has no items");
    let first = shop.api.get("/v1/payment-links/list?limit=1");
    assert!(first.header("link").is_some());

    let path = format!("/v1/payment-links/deactivate/{}", id(&made));
    let ended = shop.api.call("POST", &path, None).ok();
    assert_fields(&ended, &[("status", "DEACTIVATED"), ("state", "DEACTIVATED")]);
    assert_eq!(shop.api.call("POST", &path, None).ok(), ended, "once more changes nothing");
    let events = shop.api.get(&format!("/v1/events/list?subject_id={}", id(&made))).rows();
    let kinds: Vec<String> = events.iter().map(|event| shown(event, "type")).collect();
    assert_eq!(kinds, ["payment_link.deactivated", "payment_link.created"]);
    assert!(events.iter().all(|event| event["subject_type"] == "PAYMENT_LINK"), "{events:?}");
    server.verify_ledger();
}

#[test]
fn a_link_expires_at_the_merchants_clock() {
    let (_server, shop) = open();
    let mut body = donation();
    body["expires_at"] = json!(after(3_600));
    let made = create(&shop, &body);
    assert_fields(&made, &[("state", "OPEN")]);
    shop.advance(3_600);
    let now = shop.api.get(&format!("/v1/payment-links/retrieve/{}", id(&made))).ok();
    assert_fields(&now, &[("status", "ACTIVE"), ("state", "EXPIRED")]);
}

#[test]
fn what_is_wrong_with_a_link_is_told_on_its_field() {
    let (_server, shop) = open();
    let post = |body: &Value| shop.api.post("/v1/payment-links/create", body);
    post(&json!({})).faults_are_at(&["body.title", "body.currency"]);
    let refused = |change: &dyn Fn(&mut Value), place: &str, kind: &str| {
        let mut body = of_rice();
        change(&mut body);
        let reply = post(&body);
        assert_eq!(reply.fault(place).kind, kind, "{}", reply.body);
    };
    let open = |min: Value, max: Value| {
        move |body: &mut Value| {
            body["items"] = Value::Null;
            body["amount_open"] = json!({"min": min, "max": max});
        }
    };
    refused(&|body| body["items"] = Value::Null, "body.items", "value_error.one_of");
    refused(
        &|body| body["amount_open"] = json!({"min": 1, "max": 2}),
        "body.items",
        "value_error.one_of",
    );
    refused(&|body| body["items"] = json!([]), "body.items", "value_error.list.min_items");
    let many = json!(vec![of_rice()["items"][0].clone(); 41]);
    refused(&|body| body["items"] = many.clone(), "body.items", "value_error.list.max_items");
    refused(
        &|body| body["items"][1]["currency"] = json!("LRD"),
        "body.items.1.currency",
        "value_error.currency",
    );
    refused(
        &|body| {
            body["items"][0] =
                json!({"name": "Rice", "currency": "USD", "amount": number("1e13"), "qty": 1_000})
        },
        "body.items",
        "value_error.amount",
    );
    refused(&open(json!(2), json!(1)), "body.amount_open", "value_error.amount");
    let decimals = "value_error.decimal.max_places";
    refused(&open(number("1.001"), json!(2)), "body.amount_open.min", decimals);
    refused(&open(json!(0), json!(2)), "body.amount_open.min", "value_error.number.not_gt");
    refused(&open(json!(1), number("1e14")), "body.amount_open.max", "value_error.number.not_le");
    refused(&|body| body["max_uses"] = json!(0), "body.max_uses", "value_error.number.not_ge");
    refused(
        &|body| body["success_url"] = json!("javascript:alert(1)"),
        "body.success_url",
        "value_error.str.regex",
    );
    refused(
        &|body| body["expires_at"] = json!(after(-60)),
        "body.expires_at",
        "value_error.expires_at",
    );
    assert!(shop.api.get("/v1/payment-links/list").rows().is_empty(), "nothing was made");
}

#[test]
fn links_are_made_by_verified_merchants() {
    let database = Database::with_schema();
    let credentials = database.merchant_with("Newcomer", &[]);
    let server = Server::start(database, &[]);
    let shop = server.sign_in(&credentials);
    let words = shop.api.post("/v1/payment-links/create", &of_rice());
    assert!(words.refused_in_words(403).contains("kola merchant set"), "{words:?}");
}

#[test]
fn a_link_is_printed_with_its_title() {
    let (_server, shop) = open();
    let mut body = donation();
    body["title"] = json!("Fish & <b>chips</b>");
    let made = create(&shop, &body);
    let reply = shop.api.get(&format!("/v1/payment-links/{}/qr.svg", id(&made)));
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("image/svg+xml")));
    let svg = reply.body.as_str().expect("an image").to_owned();
    assert!(
        svg.starts_with("<svg ") && svg.contains("Fish &amp; &lt;b&gt;chips&lt;/b&gt;"),
        "{svg}"
    );
    assert!(!svg.contains("<b>"), "{svg}");
    shop.api.get("/v1/payment-links/987654/qr.svg").refused(404);
    shop.api.with_token(None).get(&format!("/v1/payment-links/{}/qr.svg", id(&made))).refused(401);
}
