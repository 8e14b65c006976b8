//! The OpenAPI 3.1 document of the API, generated from the routes.

use std::sync::LazyLock;

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use domain::decision::event::{EventEntity, EventType};
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::api::describe::resource;
use crate::api::error;
use crate::api::fields::{Name, Schemas};
use crate::api::messages::Message;
use crate::api::routes::Routes;
use crate::api::{event_types, messages};

/// Name, title and description of each resource, in the order in which a new user needs them.
const TAGS: [(&str, &str, &str); 22] = [
    (
        "jwt",
        "Tokens",
        "A client exchanges its id and secret for an access token, and sends the token with every other call.",
    ),
    ("parties", "Parties", "The people and firms that a merchant deals with."),
    (
        "counterparties",
        "Counterparties",
        "A party's relationship to the merchant: customer, supplier, friend and so on.",
    ),
    (
        "payment-accounts",
        "Payment accounts",
        "Where money is collected from or paid out to: mobile money, a card, a wallet.",
    ),
    ("invoices", "Invoices", "Requests for payment to a counterparty."),
    ("orders", "Orders", "Purchases of a counterparty."),
    (
        "checkouts",
        "Checkouts",
        "An invoice or order with its payer and its payment page, created in one call.",
    ),
    ("links", "Links", "Links to pages for payment and for receipts."),
    (
        "sessions",
        "Sessions",
        "Declared intents: checkouts, payouts, transfers and refunds. No money moves until a session is executed.",
    ),
    (
        "executions",
        "Executions",
        "Sessions that are carried out, each once. `reference_id` is the idempotency key, which never expires.",
    ),
    ("status", "Status", "The status of executions, invoices and orders."),
    ("payment-intents", "Payment intents", "Executions with their events and ledger entries."),
    (
        "wallets",
        "Wallets",
        "The balances of the merchant and its parties, and the ledger entries behind them.",
    ),
    ("events", "Events", "What happened, in order; each event names its object."),
    (
        "predictions",
        "Predictions",
        "What a payment would cost now, and what a phone number or card supports.",
    ),
    ("fees", "Fees", "The fees of the tariff."),
    ("merchants", "Merchants", "The calling merchant, and its passcode."),
    ("api-keys", "API keys", "The credentials with which a merchant obtains tokens."),
    (
        "realtime-keys",
        "Realtime keys",
        "Tokens with which a payer's page can listen to one payment.",
    ),
    ("sandbox", "Sandbox", "A clock that can be advanced, and a payer whose decision can be made."),
    ("healthz", "Health", "Whether the server is running."),
    ("readyz", "Readiness", "Whether the server can serve requests."),
];

const DESCRIPTION: &str = "Declare what is to be paid as a session, then execute it. Obtain a token with \
    `POST /v1/jwt/client/obtain/token` and send it as `Authorization: Bearer ...` with every other call.\n\n\
    Success is always 200. Ids are integers; a request may send them as strings of digits. Money is a JSON number, exact to \
    its currency's decimals. An explicit `null` counts as absent, and unknown fields are ignored. Every error is JSON with \
    a `detail`.";

/// The title of a resource that is not in [`TAGS`]: `payment-accounts` is `Payment accounts`.
fn titled(name: &str) -> String {
    sentence(&name.replace('-', " "))
}

/// The tags of the document: the resources of [`TAGS`] that have routes, then all others.
fn tags(used: &[&str]) -> Vec<Value> {
    let known = TAGS.iter().filter(|(name, ..)| used.contains(name));
    let known = known.map(
        |(name, title, text)| json!({ "name": name, "x-displayName": title, "description": text }),
    );
    let others = used.iter().filter(|name| TAGS.iter().all(|(known, ..)| known != *name));
    known.chain(others.map(|name| json!({ "name": name, "x-displayName": titled(name) }))).collect()
}

/// The document that describes these routes.
#[must_use]
pub fn document(routes: &Routes) -> Value {
    let mut settings = SchemaSettings::draft2020_12().for_serialize();
    settings.definitions_path = "/components/schemas".into();
    settings.meta_schema = None;
    let mut schemas = settings.into_generator();
    let mut paths = Map::new();
    let mut used = vec![];
    for route in routes.list() {
        let Some(operation) = route.operation(&mut schemas) else { continue };
        let tag = resource(route.path);
        if !used.contains(&tag) {
            used.push(tag);
        }
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.method.to_ascii_lowercase()] = operation;
    }
    let messages = message_schemas(&mut schemas);
    let responses = error::responses(&mut schemas);
    let mut definitions = schemas.take_definitions(true);
    definitions.extend(messages);
    definitions.sort_keys();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "kola",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Payment sessions with a ledger",
            "description": DESCRIPTION,
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/", "description": "This server" }],
        "tags": tags(&used),
        "paths": paths,
        "webhooks": webhooks(),
        "components": {
            "securitySchemes": { "HTTPBearer": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT" } },
            "parameters": message_headers(),
            "responses": responses,
            "schemas": definitions,
        },
    })
}

/// The headers of messages, by the names of their descriptions.
fn message_headers() -> Value {
    let header = |name: &str, description: &str| {
        json!({ "name": name, "in": "header", "required": true, "schema": { "type": "string" },
            "description": description })
    };
    json!({
        "MessageId": header("webhook-id", "The id of the event, the same in every attempt."),
        "MessageTimestamp":
            header("webhook-timestamp", "When this attempt was made, in seconds since 1970."),
        "MessageSignature": header(
            "webhook-signature",
            "As Standard Webhooks has it: a signature of each secret that holds, separated by spaces.",
        ),
    })
}

/// The messages to the webhook endpoints of a merchant, one for each type of event.
fn webhooks() -> Value {
    let headers = ["MessageId", "MessageTimestamp", "MessageSignature"];
    let parameters =
        headers.map(|name| json!({ "$ref": format!("#/components/parameters/{name}") }));
    let operation = |kind: &EventType| {
        let (about, description) = event_types::described(*kind);
        let schema = format!("#/components/schemas/{}", message_name(about));
        let operation = json!({ "post": {
            "operationId": format!("on_{}", kind.as_str().replace('.', "_")),
            "summary": sentence(description),
            "tags": ["webhook-endpoints"],
            "security": [],
            "parameters": parameters,
            "requestBody": {
                "required": true,
                "content": { "application/json": { "schema": { "$ref": schema } } },
            },
            "responses": {
                "2XX": { "description": "It has arrived. The body is not looked at." },
                "410": { "description": "The endpoint is gone, and is told nothing any more." },
                "default": { "description": "It is tried again, for about three days." },
            },
        } });
        (kind.as_str().to_owned(), operation)
    };
    EventType::OF_MERCHANTS.iter().map(operation).collect::<Map<_, _>>().into()
}

/// The name of the schema of messages about a kind of object: `ExecutionMessage`.
fn message_name(about: EventEntity) -> String {
    let words = about.as_str().split('_');
    words.map(|word| sentence(&word.to_ascii_lowercase())).collect::<String>() + "Message"
}

/// The schemas of messages. Each has one kind of object: for a client a thing that is one of several
/// is hard to write.
fn message_schemas(schemas: &mut Schemas) -> Map<String, Value> {
    let mut settings = SchemaSettings::draft2020_12().for_serialize();
    settings.inline_subschemas = true;
    settings.meta_schema = None;
    let any = settings.into_generator().into_root_schema_for::<Message>().to_value();
    let schema = |about: &EventEntity| {
        let mut schema = any.clone();
        if let Some(schema) = schema.as_object_mut() {
            schema.retain(|name, _| name != "title" && name != "$defs");
        }
        schema["properties"]["type"] = schemas.subschema_for::<Name<EventType>>().to_value();
        schema["properties"]["data"]["properties"]["object"] =
            messages::object_schema(*about, schemas).to_value();
        (message_name(*about), schema)
    };
    EventEntity::OF_MERCHANTS.iter().map(schema).collect()
}

/// With a capital letter.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// Serves the document.
#[must_use]
pub fn routes(document: &'static LazyLock<String>) -> Routes {
    let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-cache")];
    Routes::new().page("/openapi.json", async move || (headers, document.as_str()))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::api::DOCUMENT;

    #[test]
    fn every_operation_has_an_id_of_its_own_a_summary_and_errors() {
        let document: Value = serde_json::from_str(&DOCUMENT).unwrap();
        let operations = document["paths"]
            .as_object()
            .unwrap()
            .values()
            .flat_map(|path| path.as_object().unwrap().values());
        let mut ids = HashSet::new();
        for operation in operations {
            let id = operation["operationId"].as_str().unwrap();
            assert!(ids.insert(id), "{id} is there twice");
            assert!(!operation["summary"].as_str().unwrap().is_empty(), "{id}");
            let tag = &operation["tags"][0];
            assert!(
                document["tags"].as_array().unwrap().iter().any(|known| known["name"] == *tag),
                "{id}"
            );
        }
        assert!(ids.len() > 50);
    }

    #[test]
    fn every_reference_leads_to_something() {
        let document: Value = serde_json::from_str(&DOCUMENT).unwrap();
        let mut waiting = vec![&document];
        while let Some(value) = waiting.pop() {
            if let Some(target) = value.get("$ref").and_then(Value::as_str) {
                assert!(document.pointer(target.trim_start_matches('#')).is_some(), "{target}");
            }
            match value {
                Value::Object(object) => waiting.extend(object.values()),
                Value::Array(values) => waiting.extend(values),
                _ => {}
            }
        }
    }

    /// Every object of the document but its examples, with the way to it.
    fn objects(value: &Value, way: &str, all: &mut Vec<(String, Map<String, Value>)>) {
        match value {
            Value::Object(object) => {
                all.push((way.to_owned(), object.clone()));
                for (name, value) in object.iter().filter(|(name, _)| *name != "example") {
                    objects(value, &format!("{way}/{name}"), all);
                }
            }
            Value::Array(values) => values.iter().for_each(|value| objects(value, way, all)),
            _ => {}
        }
    }

    /// Generators of clients make no type, or one that does not work, of whatever is not so plain.
    #[test]
    fn everything_has_one_plain_type() {
        let document: Value = serde_json::from_str(&DOCUMENT).unwrap();
        let mut all = vec![];
        objects(&document["paths"], "", &mut all);
        objects(&document["components"]["schemas"], "", &mut all);
        let is = |object: &Map<String, Value>, name: &str| match object.get("type") {
            Some(Value::String(of)) => of == name,
            Some(Value::Array(of)) => of.iter().any(|of| of == name),
            _ => false,
        };
        for (way, object) in &all {
            let choices = object.get("anyOf").and_then(Value::as_array).map_or(1, |choices| {
                choices
                    .iter()
                    .filter(|choice| choice["type"] != "null")
                    .filter(|choice| choice.as_object() != Some(&Map::new()))
                    .count()
            });
            assert_eq!(choices, 1, "{way} is one of several things");
            assert!(!object.contains_key("oneOf") && !object.contains_key("allOf"), "{way}");
            assert!(
                !object.contains_key("$ref") || !object.contains_key("properties"),
                "{way} is a reference and more"
            );
            assert!(
                !is(object, "integer")
                    || object.get("format").is_some_and(|format| format == "int64"),
                "{way}"
            );
            assert!(
                !is(object, "number")
                    || object.get("format").is_some_and(|format| format == "double"),
                "{way}"
            );
            let values = object.get("enum").and_then(Value::as_array);
            assert!(
                values.is_none() || !way.contains("/properties/"),
                "{way} has values and no name"
            );
        }
    }

    #[test]
    fn no_two_schemas_are_one_type_in_some_language() {
        let document: Value = serde_json::from_str(&DOCUMENT).unwrap();
        let names: Vec<&String> =
            document["components"]["schemas"].as_object().unwrap().keys().collect();
        let small: HashSet<String> = names.iter().map(|name| name.to_ascii_lowercase()).collect();
        assert_eq!(small.len(), names.len(), "two differ by case alone");
        // What makes an `X` in Go is called `NewX`.
        let made = |name: &&String| names.iter().any(|other| **other == format!("New{name}"));
        assert_eq!(names.iter().find(|name| made(name)), None);
    }

    #[test]
    fn operations_are_called_by_what_they_do_to_what() {
        let document: Value = serde_json::from_str(&DOCUMENT).unwrap();
        for operation in document["paths"]
            .as_object()
            .unwrap()
            .values()
            .flat_map(|path| path.as_object().unwrap().values())
        {
            let id = operation["operationId"].as_str().unwrap();
            let words: Vec<&str> = id.split('_').collect();
            let plain = |word: &&str| {
                !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase())
            };
            assert!(words.len() > 1 && words.iter().all(plain), "{id}");
            let lists = operation["responses"]["200"]["content"]["application/json"]["schema"]["type"]
                == "array";
            assert_eq!(words[0] == "list", lists, "{id}");
            assert!(!lists || id.ends_with('s') || id.ends_with("ies"), "{id} is of several");
        }
    }

    #[test]
    fn every_body_has_an_example_that_is_read() {
        for route in crate::api::api().list() {
            assert_eq!(route.check_example(&mut Schemas::default()), Ok(()));
        }
    }

    #[test]
    fn resources_that_nobody_named_have_a_title_all_the_same() {
        assert_eq!(titled("payment-accounts"), "Payment accounts");
        assert_eq!(tags(&["links", "jwt"]).len(), 2);
    }
}
