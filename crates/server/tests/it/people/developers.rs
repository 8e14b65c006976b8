//! Keys, webhooks, events and requests on pages, for who connects programs.

use super::reviews::of_installation;
use super::*;
use crate::support::process::Credentials;
use crate::support::{id, key, wait_for};

fn home(shop: &Merchant) -> String {
    format!("/app/developers/{}", shop.credentials.merchant_id)
}

/// What is shown once.
#[track_caller]
fn secret(page: &str) -> String {
    let notice = between(page, "role=\"status\">", "</div>");
    between(notice, "<p><code dir=\"ltr\">", "<").to_owned()
}

#[track_caller]
fn owner_of(server: &Server, shop: &Merchant) -> Person {
    member(server, shop, "OWNER", "ama@shop.example")
}

#[test]
fn a_key_is_made_shown_once_narrowed_and_revoked() {
    let (server, shop) = open_with_key();
    let mut ama = owner_of(&server, &shop);
    let home = home(&shop);
    let fields = [("role", "DEVELOPER"), ("operations", "list_events, list_requests")];
    let made = ama.browser.post(&format!("{home}/keys/create"), &fields);
    assert_eq!(made.status, 200, "{}", text(&made));
    let client_secret = secret(text(&made));
    let sql = "SELECT client_id FROM api_keys ORDER BY id DESC LIMIT 1";
    let client_id = server.database.value(sql);
    assert!(text(&made).contains(&client_id));
    let page = ama.browser.get(&home);
    assert!(!text(&page).contains(&client_secret), "shown once");
    assert!(text(&page).contains("Only: list_events, list_requests"), "{}", text(&page));
    assert!(text(&page).contains("</time> by <bdi>A Person</bdi>"), "{}", text(&page));
    assert!(text(&page).contains("</time> by <bdi>the operator</bdi>"), "{}", text(&page));
    let signed_in =
        server.sign_in(&Credentials { client_id, client_secret, ..shop.credentials.clone() });
    signed_in.api.get("/v1/events/list").ok();
    signed_in.api.get("/v1/api-keys/list").refused(403);
    let key = server.database.value("SELECT max(id) FROM api_keys");
    let revoke = format!("{home}/keys/{key}/revoke");
    assert_eq!(leads(&ama.browser.post(&revoke, &[])), home);
    assert_eq!(signed_in.api.get("/v1/events/list").status, 401);
    assert!(text(&ama.browser.get(&home)).contains("<strong>revoked</strong>"));
    for fields in [[("role", "KING"), ("operations", "")], [("role", "OWNER"), ("operations", "x")]]
    {
        let page = ama.browser.post(&format!("{home}/keys/create"), &fields);
        assert_eq!(page.status, 422, "{fields:?}");
    }
    // Nobody makes a key that may do more than they may.
    let mut kofi = member(&server, &shop, "DEVELOPER", "kofi@shop.example");
    kofi.set_up_codes(&server);
    let more = kofi.browser.post(&format!("{home}/keys/create"), &[("role", "OWNER")]);
    assert_eq!(more.status, 403, "{}", text(&more));
    assert_eq!(server.database.value("SELECT max(id) FROM api_keys"), key);
}

#[test]
fn an_endpoint_lives_on_its_page() {
    let (server, shop) = open_with_key();
    let mut ama = owner_of(&server, &shop);
    let home = home(&shop);
    let fields = [
        ("url", "http://127.0.0.1:9/hooks"),
        ("types", "execution.completed execution.failed"),
        ("description", "the shop's books"),
        ("public_key", "yes"),
    ];
    let made = ama.browser.post(&format!("{home}/webhooks/create"), &fields);
    assert_eq!(made.status, 200, "{}", text(&made));
    let first = secret(text(&made));
    assert!(first.starts_with("whsec_"), "{first}");
    assert!(text(&made).contains("Public key"), "{}", text(&made));
    let endpoint = server.database.value("SELECT max(id) FROM webhook_endpoints");
    let page = format!("{home}/webhooks/{endpoint}");
    let shown = ama.browser.get(&page);
    for part in ["execution.completed, execution.failed", "Nothing was delivered yet"] {
        assert!(text(&shown).contains(part), "{part}: {}", text(&shown));
    }
    assert!(!text(&shown).contains(&first) && !text(&ama.browser.get(&home)).contains(&first));
    let other = ama.browser.post(&format!("{page}/rotate"), &[]);
    assert_eq!(other.status, 200, "{}", text(&other));
    assert_ne!(secret(text(&other)), first);
    assert_eq!(leads(&ama.browser.post(&format!("{page}/test"), &[])), page);
    let delivery = wait_for("an attempt", || {
        let rows = "SELECT delivery_id FROM webhook_attempts ORDER BY id LIMIT 1";
        server.database.rows(rows).pop().map(|row| row[0].clone())
    });
    let of_delivery = format!("{home}/deliveries/{delivery}");
    assert!(text(&ama.browser.get(&page)).contains(&of_delivery));
    let none = ama.browser.get(&format!("{page}?status=DELIVERED"));
    assert!(text(&none).contains("None in this state"));
    let seen = ama.browser.get(&of_delivery);
    assert!(text(&seen).contains("no answer"), "{}", text(&seen));
    assert_eq!(leads(&ama.browser.post(&format!("{of_delivery}/resend"), &[])), of_delivery);
    let disabled =
        || server.database.value("SELECT coalesce(disabled, '-') FROM webhook_endpoints");
    assert_eq!(leads(&ama.browser.post(&format!("{page}/disable"), &[])), page);
    assert_eq!(disabled(), "MERCHANT");
    assert_eq!(leads(&ama.browser.post(&format!("{page}/enable"), &[])), page);
    assert_eq!(disabled(), "-");
    assert_eq!(leads(&ama.browser.post(&format!("{page}/delete"), &[])), home);
    assert_eq!(ama.browser.get(&page).status, 404);
    assert_eq!(ama.browser.post(&format!("{page}/test"), &[]).status, 404);
    for fields in [
        [("url", "ftp://shop.example"), ("types", "")],
        [("url", "http://127.0.0.1:9/"), ("types", "no.such")],
    ] {
        let reply = ama.browser.post(&format!("{home}/webhooks/create"), &fields);
        assert_eq!(reply.status, 422, "{fields:?}");
    }
    // No secret is in the database as it is.
    assert!(!format!("{:?}", server.database.contents(&[])).contains(&first));
}

#[test]
fn requests_are_listed_without_what_was_in_them() {
    let (server, shop, other) = open_two();
    server.database.give_secrets_key();
    let mut ama = owner_of(&server, &shop);
    let reference = key();
    shop.api.get(&format!("/v1/status/payout/{reference}?x={reference}")).refused(404);
    shop.api.get("/v1/parties/list").ok();
    other.api.get("/v1/orders/list").ok();
    let path = format!("{}/requests", home(&shop));
    let page = ama.browser.get(&path);
    assert!(text(&page).contains("GET /v1/status/payout/{reference_id}"), "{}", text(&page));
    assert!(text(&page).contains("Answered with 404"));
    assert!(!text(&page).contains(&reference) && !text(&page).contains("/v1/orders/list"));
    let failed = ama.browser.get(&format!("{path}?status=failed"));
    assert!(!text(&failed).contains("/v1/parties/list") && text(&failed).contains("404"));
    let rows = shop.api.get("/v1/requests/list?only_failed=true").rows();
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!((rows[0]["status"].as_i64(), rows[0]["method"].as_str()), (Some(404), Some("GET")));
    assert!(rows[0]["request_id"].is_string());
    assert!(other.api.get("/v1/requests/list?only_failed=true").rows().is_empty());
    // More than a page.
    for _ in 0..60 {
        shop.api.get("/v1/parties/list").ok();
    }
    let page = ama.browser.get(&path);
    let older = between(text(&page), "<p><a href=\"", "\">Older").replace("&amp;", "&");
    assert!(text(&ama.browser.get(&older)).contains("/v1/status/payout"), "{older}");
    // At most a thousand.
    for _ in 0..1_000 {
        shop.api.get("/v1/parties/list").ok();
    }
    assert_eq!(shop.api.get("/v1/requests/list?limit=1000").rows().len(), 1_000);
    assert!(shop.api.get("/v1/requests/list?only_failed=true").rows().is_empty(), "too long ago");
    assert!(!other.api.get("/v1/requests/list").rows().is_empty());
}

#[test]
fn roles_see_what_connects_programs_and_few_change_it() {
    let (server, shop, other) = open_two();
    server.database.give_secrets_key();
    let (endpoint, delivery) = shop.told();
    let home = home(&shop);
    let api_key = id(&shop.api.get("/v1/api-keys/list").rows()[0]);
    let pages = [
        home.clone(),
        format!("{home}/events"),
        format!("{home}/requests"),
        format!("{home}/webhooks/{endpoint}"),
        format!("{home}/deliveries/{delivery}"),
    ];
    let forms = |home: &str| {
        let hook = format!("{home}/webhooks/{endpoint}");
        [
            format!("{home}/keys/create"),
            format!("{home}/keys/{api_key}/revoke"),
            format!("{home}/webhooks/create"),
            format!("{hook}/enable"),
            format!("{hook}/disable"),
            format!("{hook}/test"),
            format!("{hook}/rotate"),
            format!("{hook}/delete"),
            format!("{home}/deliveries/{delivery}/resend"),
        ]
    };
    // What people change of an endpoint: since when it fails is written when a delivery fails.
    let of_endpoint = "id, url, event_types, description, disabled, signing, deleted_at";
    let state = || {
        [("api_keys", "*"), ("webhook_endpoints", of_endpoint), ("webhook_secrets", "*")].map(
            |(table, columns)| {
                server.database.rows(&format!("SELECT {columns} FROM {table} ORDER BY id"))
            },
        )
    };
    let before = state();
    let fields = [("role", "VIEWER"), ("url", "http://127.0.0.1:9/")];
    for (role, may_read) in [
        ("VIEWER", false),
        ("SUPPORT", false),
        ("MANAGER", false),
        ("FINANCE", false),
        ("DEVELOPER", true),
        ("OWNER", true),
    ] {
        let mut person = member(&server, &shop, role, &format!("{role}@shop.example"));
        if person.secret.is_none() {
            person.set_up_codes(&server);
        }
        for page in &pages {
            let reply = person.browser.get(page);
            let expected = if may_read { 200 } else { 403 };
            assert_eq!(reply.status, expected, "{role} {page}: {}", text(&reply));
        }
        assert_eq!(text(&person.browser.get("/app")).contains(&home), may_read, "{role}");
        if may_read {
            continue;
        }
        for form in forms(&home) {
            assert_eq!(person.browser.post(&form, &fields).status, 403, "{role} {form}");
        }
    }
    // Who runs the installation looks, and changes nothing.
    for role in ["operator", "auditor"] {
        let mut person = of_installation(&server, role);
        for page in &pages {
            let reply = person.browser.get(page);
            assert_eq!(reply.status, 200, "{role} {page}");
            assert_eq!(text(&reply).matches("method=\"post\"").count(), 1, "{role} {page}");
        }
        for form in forms(&home) {
            assert_eq!(person.browser.post(&form, &fields).status, 403, "{role} {form}");
        }
    }
    // A stranger's ids, and those of another merchant below the own address.
    let mut stranger = member(&server, &other, "OWNER", "eve@other.example");
    let own = format!("/app/developers/{}", other.credentials.merchant_id);
    for page in &pages {
        assert_eq!(stranger.browser.get(page).status, 404, "{page}");
    }
    for page in [format!("{own}/webhooks/{endpoint}"), format!("{own}/deliveries/{delivery}")] {
        assert_eq!(stranger.browser.get(&page).status, 404, "{page}");
    }
    for form in forms(&home) {
        assert_eq!(stranger.browser.post(&form, &fields).status, 404, "{form}");
    }
    for form in forms(&own).iter().filter(|form| !form.ends_with("/create")) {
        assert_eq!(stranger.browser.post(form, &fields).status, 404, "{form}");
    }
    assert_eq!(state(), before);
}
