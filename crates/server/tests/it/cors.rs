//! CORS: pages of another origin may call the API only if the operator names the origin.

use crate::support::http::raw;
use crate::support::{Database, Reply, Server, open, open_with};

const SHOP: &str = "https://shop.example";

fn asks(server: &Server, origin: &str) -> Reply {
    let head = format!(
        "OPTIONS /v1/parties/create HTTP/1.1\r\nHost: x\r\nConnection: close\r\nOrigin: {origin}\r\n\
         Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: authorization,content-type\r\n"
    );
    raw(&server.api.address, head.as_bytes(), b"").expect("an answer")
}

fn calls(server: &Server, token: Option<&str>, path: &str, origin: &str) -> Reply {
    let token = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nOrigin: {origin}\r\n{token}"
    );
    raw(&server.api.address, head.as_bytes(), b"").expect("an answer")
}

fn words(reply: &Reply, name: &str) -> Vec<String> {
    let mut words: Vec<String> = reply
        .header(name)
        .unwrap_or_default()
        .split(',')
        .map(|word| word.trim().to_ascii_lowercase())
        .collect();
    words.sort();
    words
}

#[test]
fn without_the_setting_no_page_may_call() {
    let (server, shop) = open();
    let preflight = asks(&server, SHOP);
    preflight.refused(405);
    let call = calls(&server, shop.api.token.as_deref(), "/v1/parties/list", SHOP);
    for reply in [preflight, call] {
        assert_eq!(reply.header("access-control-allow-origin"), None);
    }
}

#[test]
fn pages_of_named_origins_may_call_and_read_what_they_need() {
    let (server, shop) =
        open_with(&[("KOLA_CORS_ORIGINS", "https://shop.example, http://localhost:3000/")]);
    let preflight = asks(&server, SHOP);
    assert_eq!(
        (preflight.status, preflight.header("access-control-allow-origin")),
        (200, Some(SHOP))
    );
    assert_eq!(words(&preflight, "access-control-allow-methods"), ["delete", "get", "post", "put"]);
    assert_eq!(
        words(&preflight, "access-control-allow-headers"),
        ["accept", "authorization", "content-type"]
    );
    assert_eq!(
        asks(&server, "http://localhost:3000").header("access-control-allow-origin"),
        Some("http://localhost:3000")
    );
    for origin in
        ["https://evil.example", "https://shop.example.evil.example", "http://shop.example", "null"]
    {
        assert_eq!(asks(&server, origin).header("access-control-allow-origin"), None, "{origin}");
    }
    let token = shop.api.token.as_deref();
    for (path, token, status) in [
        ("/v1/parties/list", token, 200),
        ("/v1/parties/list", None, 401),
        ("/nowhere", token, 404),
        ("/v1/parties/create", token, 405),
    ] {
        let reply = calls(&server, token, path, SHOP);
        assert_eq!(
            (reply.status, reply.header("access-control-allow-origin")),
            (status, Some(SHOP)),
            "{path}"
        );
        assert!(words(&reply, "vary").contains(&"origin".to_owned()), "{path}");
        for exposed in [
            "link",
            "retry-after",
            "www-authenticate",
            "x-request-id",
            "ratelimit",
            "ratelimit-policy",
        ] {
            assert!(
                words(&reply, "access-control-expose-headers").contains(&exposed.to_owned()),
                "{exposed}"
            );
        }
        assert_eq!(
            reply.header("access-control-allow-credentials"),
            None,
            "the browser adds nothing by itself"
        );
    }
}

#[test]
fn an_origin_that_is_none_is_refused() {
    for origin in ["*", "shop.example", "https://shop.example/pay", "https://*.example"] {
        Database::new()
            .kola(&["serve", "--listen", "127.0.0.1:0", "--cors-origins", origin])
            .refused();
    }
}
