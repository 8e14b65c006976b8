//! API keys: created, listed and revoked, by the merchant and by the operator.

use crate::support::process::Credentials;
use crate::support::{Merchant, Reply, Server, id, instant, json, open, open_two, shown};

/// Creates a key. Returns its id and its credentials.
#[track_caller]
fn another(shop: &Merchant) -> (i64, Credentials) {
    let made = shop.api.call("POST", "/v1/api-keys/create", None).ok();
    let (client_id, client_secret) = (shown(&made, "client_id"), shown(&made, "client_secret"));
    (id(&made), Credentials { client_id, client_secret, ..shop.credentials.clone() })
}

fn revoke(shop: &Merchant, key: i64) -> Reply {
    shop.api.call("POST", &format!("/v1/api-keys/revoke/{key}"), None)
}

fn obtain(server: &Server, credentials: &Credentials) -> Reply {
    let body =
        json!({"client_id": credentials.client_id, "client_secret": credentials.client_secret});
    server.api.post("/v1/jwt/client/obtain/token", &body)
}

#[test]
fn a_new_key_signs_its_merchant_in() {
    let (server, shop) = open();
    let party = shop.party();
    let made = shop.api.call("POST", "/v1/api-keys/create", None);
    assert_eq!(made.header("cache-control"), Some("no-store"));
    let (_, credentials) = another(&shop);
    let again = server.sign_in(&credentials);
    assert_eq!(id(&again.api.get(&format!("/v1/parties/retrieve/{party}")).ok()), party);
}

#[test]
fn a_new_key_and_its_end_are_events() {
    let (server, shop) = open();
    let (key, _) = another(&shop);
    revoke(&shop, key).ok();
    revoke(&shop, key).ok();
    let events = shop.api.get(&format!("/v1/events/list?subject_id={key}")).rows();
    let kinds: Vec<String> = events.iter().rev().map(|event| shown(event, "type")).collect();
    assert_eq!(kinds, ["api_key.created", "api_key.revoked"], "repeating changes nothing");
    assert_eq!(events[0]["sequence"], 2);
    assert_eq!(events[0]["subject_type"], "API_KEY");
    server.verify_ledger();
}

#[test]
fn a_list_of_keys_has_no_secret_and_no_hash() {
    let (_server, shop) = open();
    let (key, credentials) = another(&shop);
    let rows = shop.api.get("/v1/api-keys/list").rows();
    let ids: Vec<String> = rows.iter().map(|row| shown(row, "client_id")).collect();
    assert_eq!(
        ids,
        [credentials.client_id.clone(), shop.credentials.client_id.clone()],
        "newest first"
    );
    for row in &rows {
        let mut fields: Vec<&str> =
            row.as_object().expect("an object").keys().map(String::as_str).collect();
        fields.sort_unstable();
        assert_eq!(fields, ["client_id", "created_at", "id", "operations", "revoked_at", "role"]);
    }
    let first = shop.api.get("/v1/api-keys/list?limit=1");
    assert!(first.header("link").is_some_and(|link| link.contains(&format!("after_id={key}"))));
    assert_eq!(shop.api.get(&format!("/v1/api-keys/list?after_id={key}")).rows(), rows[1..]);
}

#[test]
fn a_revoked_key_is_refused_at_once() {
    let (server, shop) = open();
    let (key, credentials) = another(&shop);
    let doomed = server.sign_in(&credentials);
    doomed.api.get("/v1/parties/list").ok();
    let revoked = revoke(&shop, key).ok();
    instant(&revoked["revoked_at"]);
    assert_eq!(
        doomed.api.get("/v1/parties/list").refused_in_words(401),
        "Could not validate credentials"
    );
    assert_eq!(
        obtain(&server, &credentials).refused_in_words(401),
        "Could not validate credentials"
    );
    assert_eq!(revoke(&shop, key).ok(), revoked, "a second time changes nothing");
    shop.api.get("/v1/parties/list").ok();
    revoke(&shop, 987_654).refused(404);
}

#[test]
fn the_last_key_may_be_revoked_and_the_operator_makes_another() {
    let (server, shop) = open();
    let own = id(&shop.api.get("/v1/api-keys/list").rows()[0]);
    revoke(&shop, own).ok();
    shop.api.get("/v1/api-keys/list").refused(401);
    let merchant = shop.credentials.merchant_id.to_string();
    let made = server.kola(&["merchant", "create-key", "--merchant", &merchant, "--json"]).ok();
    let made: serde_json::Value = serde_json::from_str(&made).expect("JSON");
    let (client_id, client_secret) = (shown(&made, "client_id"), shown(&made, "client_secret"));
    let back =
        server.sign_in(&Credentials { client_id, client_secret, ..shop.credentials.clone() });
    assert_eq!(back.api.get("/v1/api-keys/list").rows().len(), 2);
    assert!(
        server
            .kola(&["merchant", "create-key", "--merchant", &merchant])
            .ok()
            .contains("client_secret")
    );
    server.kola(&["merchant", "create-key", "--merchant", "987654"]).refused();
}

#[test]
fn a_merchant_revokes_only_its_own_keys() {
    let (_server, shop, stranger) = open_two();
    let (key, _) = another(&shop);
    revoke(&stranger, key).refused(404);
    assert_eq!(stranger.api.get("/v1/api-keys/list").rows().len(), 1);
    assert!(shop.api.get("/v1/api-keys/list").rows().iter().all(|row| row["revoked_at"].is_null()));
}

/// Whether a key is valid is read from the database: a revocation by another process counts in the
/// very next request.
#[test]
fn a_key_that_another_process_revokes_is_refused_at_once() {
    let (server, shop) = open();
    let second = server.spawn_another(&[]);
    let there = shop.at(&second);
    for _ in 0..5 {
        let (key, credentials) = another(&shop);
        let token = server.sign_in(&credentials).api.token.expect("a token");
        let known = shop.api.with_token(Some(&token));
        known.get("/v1/parties/list").ok();
        revoke(&there, key).ok();
        assert_eq!(
            known.get("/v1/parties/list").refused_in_words(401),
            "Could not validate credentials"
        );
        obtain(&server, &credentials).refused(401);
    }
}
