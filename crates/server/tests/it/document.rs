//! The document of the API: served, and checked in as it is generated.

use crate::support::{Database, open};

const CHECKED_IN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../openapi.json");

#[test]
fn the_checked_in_document_is_what_the_code_generates() {
    let generated = Database::new().kola(&["openapi"]).ok();
    let checked_in = std::fs::read_to_string(CHECKED_IN).unwrap_or_default();
    assert!(generated == checked_in, "openapi.json is out of date: run `cargo xtask openapi` and commit what it writes");
}

#[test]
fn the_document_is_served_without_a_token() {
    let (server, shop) = open();
    let anonymous = shop.api.with_token(None);
    let served = anonymous.get("/openapi.json").ok();
    assert_eq!(served["openapi"], "3.1.0");
    assert!(served["paths"]["/v1/parties/create"]["post"]["requestBody"]["content"]["application/json"]["example"].is_object());
    drop(server);
}
