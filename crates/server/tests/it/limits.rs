//! Rate limits: off by default; for each merchant, and for token requests for each address.

use crate::support::{Database, Reply, Server, json, open, open_with, wait_for};

/// Five requests in a time so long that none is given back while a test runs.
const FIVE: &[(&str, &str)] = &[("KOLA_RATE_LIMIT", "5/50000")];

fn left(reply: &Reply) -> String {
    reply.header("ratelimit").expect("a RateLimit field").to_owned()
}

#[test]
fn without_the_setting_there_is_no_limit() {
    let (server, shop) = open();
    for _ in 0..50 {
        let reply = shop.api.get("/v1/parties/list");
        assert_eq!(
            (reply.status, reply.header("ratelimit"), reply.header("ratelimit-policy")),
            (200, None, None)
        );
    }
    assert_eq!(server.api.get("/healthz").header("ratelimit"), None);
}

#[test]
fn a_merchant_that_calls_too_often_is_told_to_wait() {
    let (_server, shop) = open_with(FIVE);
    for n in (0..5).rev() {
        let reply = shop.api.get("/v1/parties/list");
        assert_eq!(reply.header("ratelimit-policy"), Some("\"merchant\";q=5;w=50000"));
        assert!(left(&reply).starts_with(&format!("\"merchant\";r={n};t=")), "{}", left(&reply));
        reply.ok();
    }
    let reply = shop.api.post("/v1/parties/create", &json!({}));
    assert_eq!(reply.refused_in_words(429), "Too many requests");
    let wait: u64 =
        reply.header("retry-after").and_then(|wait| wait.parse().ok()).expect("seconds");
    assert!((9_900..=10_000).contains(&wait), "{wait}");
    assert_eq!(left(&reply), format!("\"merchant\";r=0;t={wait}"));
}

#[test]
fn the_bucket_fills_again() {
    let (_server, shop) = open_with(&[("KOLA_RATE_LIMIT", "2/20")]);
    let status = || shop.api.get("/v1/parties/list").status;
    assert_eq!([status(), status(), status()], [200, 200, 429]);
    wait_for("another request", || (status() == 200).then_some(()));
}

#[test]
fn one_merchant_does_not_use_up_anothers() {
    let database = Database::with_schema();
    let (first, second) = (database.merchant("First"), database.merchant("Second"));
    let server = Server::start(database, FIVE);
    let (shop, other) = (server.sign_in(&first), server.sign_in(&second));
    let again = server.sign_in(&first);
    for _ in 0..5 {
        shop.api.get("/v1/parties/list").ok();
    }
    again.api.get("/v1/parties/list").refused(429);
    other.api.get("/v1/parties/list").ok();
}

#[test]
fn tokens_are_counted_by_the_address_that_asks() {
    let (server, shop) = open_with(FIVE);
    let obtain = |secret: &str| {
        let body = json!({"client_id": shop.credentials.client_id, "client_secret": secret});
        server.api.post("/v1/jwt/client/obtain/token", &body)
    };
    // The shop has obtained one token when it signed in.
    for n in (0..4).rev() {
        let reply = obtain("a guess");
        assert_eq!(reply.header("ratelimit-policy"), Some("\"address\";q=5;w=50000"));
        assert!(left(&reply).starts_with(&format!("\"address\";r={n};")), "{}", left(&reply));
        reply.refused(401);
    }
    let reply = obtain(&shop.credentials.client_secret);
    reply.refused_in_words(429);
    assert!(reply.header("retry-after").is_some());
    shop.api.get("/v1/parties/list").ok();
}

#[test]
fn bad_tokens_are_counted_by_the_address_that_sends_them() {
    let (server, shop) = open_with(FIVE);
    let guess = |token: &str| shop.api.with_token(Some(token)).get("/v1/parties/list");
    for n in (0..5).rev() {
        let reply = guess(&format!("guess {n}"));
        assert_eq!(reply.header("ratelimit-policy"), Some("\"bad-tokens\";q=5;w=50000"));
        assert!(left(&reply).starts_with(&format!("\"bad-tokens\";r={n};")), "{}", left(&reply));
        reply.refused(401);
    }
    let reply = guess("one too many");
    reply.refused_in_words(429);
    assert!(reply.header("retry-after").is_some());
    shop.api.get("/v1/parties/list").ok();
    server.sign_in(&shop.credentials).api.get("/v1/parties/list").ok();
}

#[test]
fn every_answer_says_how_its_caller_stands() {
    let (server, shop) = open_with(FIVE);
    for (reply, status) in [
        (server.api.get("/healthz"), 200),
        (server.api.get("/v1/parties/list"), 401),
        (server.api.get("/nowhere"), 404),
        (server.api.post("/healthz", &json!({})), 405),
    ] {
        assert_eq!(reply.status, status);
        assert_eq!(reply.header("ratelimit-policy"), Some("\"address\";q=5;w=50000"));
        assert!(
            left(&reply).starts_with("\"address\";r=4;"),
            "what is not counted uses nothing up: {}",
            left(&reply)
        );
    }
    assert!(
        left(&shop.api.post("/v1/parties/create", &json!({}))).starts_with("\"merchant\";r=4;")
    );
}

#[test]
fn a_limit_that_is_none_is_refused() {
    let database = Database::new();
    for limit in ["0/60", "many", "5"] {
        database.kola(&["serve", "--listen", "127.0.0.1:0", "--rate-limit", limit]).refused();
    }
}
