//! What is told is what the OpenAPI document says.

use serde_json::{Value, json};

use super::Stage;
use crate::support::{id, soon};

fn document() -> Value {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../openapi.json");
    serde_json::from_str(&std::fs::read_to_string(file).expect("openapi.json")).expect("JSON")
}

/// Fails unless a value has all that a schema requires, and nothing that it does not name.
#[track_caller]
fn fits(document: &Value, schema: &Value, value: &Value) {
    if let Some(target) = schema["$ref"].as_str() {
        let target = document.pointer(target.trim_start_matches('#')).expect("a schema");
        return fits(document, target, value);
    }
    if let (Some(parts), Value::Object(object)) = (schema["properties"].as_object(), value) {
        for name in schema["required"].as_array().into_iter().flatten() {
            let name = name.as_str().expect("a name");
            assert!(object.contains_key(name), "no {name} in {value}");
        }
        for (name, value) in object {
            let part = parts.get(name).unwrap_or_else(|| panic!("{name} is not described"));
            fits(document, part, value);
        }
    }
    if let Some(names) = schema["enum"].as_array() {
        assert!(names.contains(value), "{value} is none of {names:?}");
    }
}

#[test]
fn messages_are_as_the_document_describes_them() {
    let stage = Stage::open();
    let made = stage.endpoint();
    let shop = &stage.shop;
    shop.paid_hundred();
    let link = json!({"title": "Rice", "currency": "USD", "fee_bearer": "PAYER", "expires_at": soon(),
        "items": [{"name": "Rice", "currency": "USD", "qty": 1, "amount": 5}]});
    let link = id(&shop.api.post("/v1/payment-links/create", &link).ok());
    shop.api.post(&format!("/v1/payment-links/deactivate/{link}"), &json!({})).ok();
    stage.server.fund(shop, "USD", "1.00");
    stage.test(&made);
    let document = document();
    let kinds = ["session.created", "execution.completed", "source.paid", "wallet.funded"];
    for kind in kinds.into_iter().chain(["payment_link.created", "webhook.test"]) {
        let message = stage.receiver.wait_for(kind, 1).remove(0).json();
        let body = &document["webhooks"][kind]["post"]["requestBody"];
        let schema = &body["content"]["application/json"]["schema"];
        assert!(schema.is_object(), "{kind}");
        fits(&document, schema, &message);
        assert!(message["data"]["object"].as_object().is_some_and(|object| object.len() > 3));
    }
}
