//! Keys that sign access tokens are rotated while servers are running.

use crate::support::{Api, Merchant, Server, all_at_once, spawn, wait_for};

/// The status that a server answers to this token.
fn status(api: &Api, token: &str) -> u16 {
    api.with_token(Some(token)).get("/v1/parties/list").status
}

/// Obtains a new token from this server.
fn token(server: &Server, shop: &Merchant) -> String {
    server.sign_in(&shop.credentials).api.token.expect("a token")
}

/// The first part of a token, which names its key.
fn key_of(token: &str) -> &str {
    token.split('.').next().unwrap_or_default()
}

#[test]
fn a_new_key_is_known_at_once_and_the_old_one_stays_good() {
    let (server, shop) = spawn();
    let old = token(&server, &shop);
    server.kola(&["keys", "rotate"]).ok();
    let later = Server::spawn(server.database.clone(), &[]);
    let new = token(&later, &shop);
    assert_ne!(key_of(&new), key_of(&old), "the later server signs with the new key");
    for api in [&server.api, &later.api] {
        assert_eq!((status(api, &new), status(api, &old)), (200, 200));
    }
    assert_eq!(
        key_of(&token(&server, &shop)),
        key_of(&new),
        "the earlier server signs with it from now on"
    );
    assert_eq!(status(&server.api, &old), 200);
}

#[test]
fn tokens_of_a_retired_key_are_refused() {
    let (server, shop) = spawn();
    let old = token(&server, &shop);
    assert_eq!(status(&server.api, &old), 200);
    server.kola(&["keys", "rotate", "--retire"]).ok();
    // A token that is obtained right after the rotation must not be signed by the retired key.
    let new = token(&server, &shop);
    assert_ne!(key_of(&new), key_of(&old));
    assert_eq!(status(&server.api, &new), 200);
    wait_for("the refusal of the old key's token", || {
        (status(&server.api, &old) == 401).then_some(())
    });
}

#[test]
fn rotations_at_once_draw_a_key_each() {
    let (server, _shop) = spawn();
    for rotated in all_at_once(&[(); 8], |()| server.kola(&["keys", "rotate"])) {
        rotated.ok();
    }
    assert_eq!(server.database.value("SELECT count(*) FROM signing_keys"), "9");
}

#[test]
fn a_key_that_nobody_has_is_refused_and_keeps_no_other_out() {
    let (server, shop) = spawn();
    let token = token(&server, &shop);
    let claims_and_signature = token.split_once('.').expect("a signed token").1;
    // {"alg":"HS256","kid":"999"}, then {"alg":"HS256","kid":"-1"}.
    for header in ["eyJhbGciOiJIUzI1NiIsImtpZCI6Ijk5OSJ9", "eyJhbGciOiJIUzI1NiIsImtpZCI6Ii0xIn0"] {
        let forged = format!("{header}.{claims_and_signature}");
        for _ in 0..3 {
            assert_eq!((status(&server.api, &forged), status(&server.api, &token)), (401, 200));
        }
    }
}
