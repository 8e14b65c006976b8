//! Authentication: tokens, and what a 401 says.

use serde_json::Value;

use crate::support::http::raw;
use crate::support::{Reply, json, open, spawn_with};

const CHECKOUT: &str = "/v1/sessions/checkout";

fn forged(claims: &str) -> String {
    // {"alg":"none","typ":"JWT"} and the claims, in base64 without padding, without a signature.
    format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{claims}.")
}

/// Fails unless the refusal says what is wrong and what helps.
#[track_caller]
fn assert_challenge(reply: &Reply, error: &str, helps: &str) {
    let challenge = reply.header("www-authenticate").expect("a challenge");
    assert!(
        challenge.starts_with(&format!("Bearer error=\"{error}\", error_description=\"")),
        "{challenge}"
    );
    assert!(challenge.contains(helps), "{challenge}");
}

#[test]
fn an_expired_token_and_a_revoked_key_are_told_apart() {
    let (server, shop) = spawn_with(&[("KOLA_LOG", "info")]);
    // A token that is signed with the server's key, and has expired.
    let secret = server.database.value("SELECT secret FROM signing_keys");
    let secret: Vec<u8> = (0..32)
        .map(|n| u8::from_str_radix(&secret[2 * n..2 * n + 2], 16).expect("a byte"))
        .collect();
    let header =
        jsonwebtoken::Header { kid: Some("1".to_owned()), ..jsonwebtoken::Header::default() };
    let own = shop.api.get("/v1/api-keys/list").rows()[0]["id"].to_string();
    let claims = json!({"sub": own, "iat": 1_700_000_000, "exp": 1_700_003_600});
    let over =
        jsonwebtoken::encode(&header, &claims, &jsonwebtoken::EncodingKey::from_secret(&secret))
            .expect("a token");
    let expired = shop.api.with_token(Some(&over)).get("/v1/parties/list");
    assert_eq!(expired.refused_in_words(401), "Could not validate credentials");
    assert_challenge(&expired, "invalid_token", "expired");
    shop.api.call("POST", &format!("/v1/api-keys/revoke/{own}"), None).ok();
    let revoked = shop.api.get("/v1/parties/list");
    assert_eq!(revoked.refused_in_words(401), "Could not validate credentials");
    assert_challenge(&revoked, "invalid_token", "revoked");
    let body = json!({"client_id": shop.credentials.client_id, "client_secret": shop.credentials.client_secret});
    let obtained = server.api.post("/v1/jwt/client/obtain/token", &body);
    assert_challenge(&obtained, "invalid_token", "revoked");
    let log = server.log();
    assert!(
        log.contains("the access token expired") && log.contains("the API key was revoked"),
        "{log}"
    );
    assert!(!log.contains(&over) && !log.contains(&shop.credentials.client_secret), "{log}");
}

#[test]
fn health_needs_no_token() {
    let (server, _shop) = open();
    assert_eq!(server.api.get("/healthz").status, 200);
}

#[test]
fn without_a_token_nobody_is_authenticated() {
    let (server, _shop) = open();
    for (method, path) in [
        ("GET", "/v1/parties/list"),
        ("POST", CHECKOUT),
        ("POST", "/v1/executions/payout"),
        ("GET", "/v1/wallets/list"),
        ("POST", "/v1/sandbox/clock/advance"),
        ("PUT", "/v1/invoices/publish/1"),
    ] {
        let reply = server.api.call(method, path, Some(&json!({})).filter(|_| method == "POST"));
        assert_eq!(reply.refused_in_words(401), "Not authenticated", "{method} {path}");
        assert_eq!(reply.header("www-authenticate"), Some("Bearer"), "{method} {path}");
    }
}

#[test]
fn a_bad_token_is_not_validated() {
    let (_server, shop) = open();
    let token = shop.api.token.clone().expect("a token");
    let (start, signature) = token.rsplit_once('.').expect("a signed token");
    let flipped: String = signature.chars().rev().collect();
    let claims = start.rsplit_once('.').expect("claims").1;
    for bad in [
        "x".to_owned(),
        "a.b.c".to_owned(),
        format!("{start}."),
        format!("{start}.{flipped}"),
        forged(claims),
    ] {
        let reply = shop.api.with_token(Some(&bad)).get("/v1/parties/list");
        assert_eq!(reply.refused_in_words(401), "Could not validate credentials", "{bad}");
        assert_challenge(&reply, "invalid_token", "POST /v1/jwt/client/obtain/token");
    }
}

#[test]
fn a_token_of_another_installation_is_not_validated() {
    let ((_here, shop), (_there, stranger)) = (open(), open());
    let token = stranger.api.token.as_deref();
    let reply = shop.api.with_token(token).get("/v1/parties/list");
    assert_eq!(reply.refused_in_words(401), "Could not validate credentials");
}

#[test]
fn another_scheme_is_not_a_token() {
    let (server, _shop) = open();
    let head = format!(
        "GET /v1/parties/list HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nAuthorization: Basic eDp5\r\n",
        server.api.address
    );
    let reply = raw(&server.api.address, head.as_bytes(), b"").expect("an answer");
    assert_eq!(reply.refused_in_words(401), "Could not validate credentials");
    assert_challenge(&reply, "invalid_request", "Authorization: Bearer");
}

#[test]
fn credentials_are_checked_and_named_when_missing() {
    let (server, shop) = open();
    let obtain = |body: Value| server.api.post("/v1/jwt/client/obtain/token", &body);
    let client = &shop.credentials.client_id;
    let wrong = obtain(json!({"client_id": client, "client_secret": "wrong"}));
    assert_eq!(wrong.refused_in_words(401), "Could not validate credentials");
    let unknown =
        obtain(json!({"client_id": "nobody", "client_secret": shop.credentials.client_secret}));
    assert_eq!(unknown.refused_in_words(401), "Could not validate credentials");
    for reply in [&wrong, &unknown] {
        assert_challenge(reply, "invalid_client", "client_secret");
    }
    assert_eq!(
        wrong.header("www-authenticate"),
        unknown.header("www-authenticate"),
        "which clients there are is not told"
    );
    obtain(json!({})).faults_are_at(&["body.client_id", "body.client_secret"]);
    let right =
        obtain(json!({"client_id": client, "client_secret": shop.credentials.client_secret})).ok();
    assert_eq!(right["expires_in"], json!(60));
}

#[test]
fn the_token_is_checked_before_the_body() {
    let (server, _shop) = open();
    server.api.post_bytes(CHECKOUT, "application/json", b"{broken").refused_in_words(401);
}
