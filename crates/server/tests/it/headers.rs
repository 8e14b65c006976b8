//! The headers of every answer: they protect browsers, and tell strangers nothing about the server.

use crate::support::{Reply, json, open};

/// Answers of every kind: of the API, errors, pages, and of an unknown path.
fn answers() -> Vec<(&'static str, Reply)> {
    let (server, shop) = open();
    let credentials = json!({"client_id": shop.credentials.client_id, "client_secret": shop.credentials.client_secret});
    let counterparty = shop.customer();
    let source = json!({"counterparty_id": counterparty, "currency": "USD", "note": "x", "fee_bearer": "PAYER", "as_payment_link": true});
    let invoice = shop.api.post("/v1/invoices/create", &source).ok();
    shop.api.call("PUT", &format!("/v1/invoices/publish/{}", invoice["id"]), None);
    let number = invoice["invoice_number"]
        .as_str()
        .or_else(|| invoice["number"].as_str())
        .unwrap_or_default()
        .to_owned();
    let link = shop.api.get(&format!("/v1/links/pay?source_type=INVOICE&source_number={number}"));
    let path = link
        .body
        .to_string()
        .split("/pay/")
        .nth(1)
        .map(|rest| rest.split('"').next().unwrap_or_default().to_owned());
    let pay = server
        .api
        .get(&format!("/pay/{}", path.unwrap_or_else(|| panic!("no link in {}", link.body))));
    assert_eq!(pay.status, 200, "{}", pay.body);
    vec![
        ("token", server.api.post("/v1/jwt/client/obtain/token", &credentials)),
        ("key", shop.api.call("POST", "/v1/api-keys/create", None)),
        ("realtime key", shop.api.post("/v1/realtime-keys/collection", &json!({}))),
        ("list", shop.api.get("/v1/parties/list")),
        ("fault", shop.api.post("/v1/parties/create", &json!({}))),
        ("stranger", server.api.get("/v1/parties/list")),
        ("no route", server.api.get("/nowhere")),
        ("no method", server.api.post("/healthz", &json!({}))),
        ("health", server.api.get("/healthz")),
        ("document", server.api.get("/openapi.json")),
        ("docs", server.api.get("/docs")),
        ("pay", pay),
    ]
}

#[test]
fn no_answer_is_guessed_at_kept_or_signed_by_a_program() {
    for (what, reply) in answers() {
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"), "{what}");
        let kept = reply.header("cache-control").unwrap_or_default();
        assert!(kept == "no-store" || (what == "document" && kept == "no-cache"), "{what}: {kept}");
        for banner in ["server", "x-powered-by", "via"] {
            assert_eq!(reply.header(banner), None, "{what}");
        }
        for version in [env!("CARGO_PKG_VERSION"), "axum", "hyper", "panicked"] {
            let told =
                what != "document" && what != "docs" && reply.body.to_string().contains(version);
            assert!(!told, "{what} tells {version}: {}", reply.body);
        }
    }
}

#[test]
fn pages_run_nothing_and_stand_in_nobodys_frame() {
    let pages: Vec<_> =
        answers().into_iter().filter(|(what, _)| ["docs", "pay"].contains(what)).collect();
    assert_eq!(pages.len(), 2);
    for (what, page) in pages {
        let policy = page
            .header("content-security-policy")
            .unwrap_or_else(|| panic!("{what} has no policy"));
        assert!(
            policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{what}: {policy}"
        );
        assert!(!policy.contains("unsafe"), "{what}: {policy}");
        // A form of a page must say where it comes from; the documentation has none.
        let referrer = if what == "pay" { "same-origin" } else { "no-referrer" };
        assert_eq!(page.header("referrer-policy"), Some(referrer), "{what}");
    }
}
