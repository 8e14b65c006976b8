//! Realtime keys: tokens for the channel of one payment, and for nothing else.

use crate::support::{Api, id, json, key, open, shown};
use serde_json::Value;

/// The claims of a token.
#[track_caller]
fn claims(token: &str) -> Value {
    let part = token.split('.').nth(1).expect("three parts");
    let bits: Vec<u8> = part
        .bytes()
        .flat_map(|c| {
            let digit = match c {
                b'A'..=b'Z' => c - b'A',
                b'a'..=b'z' => c - b'a' + 26,
                b'0'..=b'9' => c - b'0' + 52,
                b'-' => 62,
                _ => 63,
            };
            (0..6).rev().map(move |bit| digit >> bit & 1)
        })
        .collect();
    let bytes: Vec<u8> =
        bits.chunks_exact(8).map(|byte| byte.iter().fold(0, |sum, bit| sum << 1 | bit)).collect();
    serde_json::from_slice(&bytes).expect("JSON")
}

#[test]
fn a_realtime_key_names_its_channel_and_opens_nothing_else() {
    let (_server, shop) = open();
    let session = shop.checkout(shop.invoice("USD", "5.00"));
    let reference = key();
    let body = json!({"session_id": session, "source_type": "INVOICE", "reference_id": reference.to_uppercase()});
    let answer = shop.api.post("/v1/realtime-keys/collection", &body).ok();
    assert_eq!(answer["expires_in"], 3600);
    let token = shown(&answer, "access_token");
    let said = claims(&token);
    let channel = format!("payment-intent:{session}:{reference}");
    assert_eq!([&said["channel"], &said["sub"]], [&json!(channel), &json!(channel)]);
    assert_eq!([&said["aud"], &said["reference_id"]], [&json!("realtime"), &json!(reference)]);
    assert_eq!(said["exp"].as_i64(), said["iat"].as_i64().map(|iat| iat + 3600));
    let api: Api = shop.api.with_token(Some(&token));
    assert_eq!(api.get("/v1/parties/list").refused_in_words(401), "Could not validate credentials");
}

#[test]
fn a_realtime_key_needs_a_checkout_session_of_such_a_source() {
    let (server, shop) = open();
    server.fund(&shop, "USD", "10.00");
    let session = shop.checkout(shop.invoice("USD", "5.00"));
    let transfer = id(&shop.open_transfer(shop.customer(), "USD", "1.00").ok());
    let ask = |session: i64, kind: &str| {
        shop.api.post(
            "/v1/realtime-keys/collection",
            &json!({"session_id": session, "source_type": kind, "reference_id": key()}),
        )
    };
    for reply in [ask(session, "ORDER"), ask(transfer, "INVOICE"), ask(987_654, "INVOICE")] {
        reply.state_fault("body.session_id");
    }
    let reply = shop.api.post(
        "/v1/realtime-keys/collection",
        &json!({"reference_id": "x", "source_type": "SUBSCRIPTION"}),
    );
    reply.faults_are_at(&["body.session_id", "body.source_type", "body.reference_id"]);
}
