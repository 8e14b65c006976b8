//! Endpoints: making, changing, rotating, deleting, and which URLs are none.

use serde_json::json;

use super::receiver::Receiver;
use super::{Stage, secret};
use crate::support::{
    Database, Server, all_at_once, assert_fields, id, on_postgres_only, shown, spawn_with, wait_for,
};

#[test]
fn an_endpoint_is_made_listed_changed_and_deleted() {
    let stage = Stage::open();
    let made = stage.endpoint_with(&json!({
        "event_types": ["execution.failed", "execution.completed", "execution.failed"],
        "description": "the shop",
    }));
    assert_fields(
        &made,
        &[
            ("url", &stage.receiver.url()),
            ("description", "the shop"),
            ("enabled", "true"),
            ("disabled_reason", "null"),
            ("signing", "HMAC"),
            ("public_key", "null"),
        ],
    );
    assert_eq!(made["event_types"], json!(["execution.completed", "execution.failed"]));
    assert!(secret(&made).starts_with("whsec_"), "{made}");

    let mut expected = made.clone();
    expected.as_object_mut().expect("an object").remove("secret");
    assert_eq!(stage.read(&made), expected, "the secret is shown once");
    assert_eq!(stage.shop.api.get("/v1/webhook-endpoints/list").rows(), [expected.clone()]);

    let path = format!("/v1/webhook-endpoints/update/{}", id(&made));
    let changed = stage.shop.api.put(&path, &json!({"event_types": null, "enabled": false})).ok();
    assert_fields(
        &changed,
        &[
            ("event_types", "null"),
            ("enabled", "false"),
            ("disabled_reason", "MERCHANT"),
            ("description", "the shop"),
        ],
    );
    let changed = stage.shop.api.put(&path, &json!({"enabled": true, "description": null})).ok();
    assert_fields(
        &changed,
        &[("enabled", "true"), ("disabled_reason", "null"), ("description", "null")],
    );

    let delete = format!("/v1/webhook-endpoints/delete/{}", id(&made));
    stage.shop.api.post(&delete, &json!({})).ok();
    stage.shop.api.post(&delete, &json!({})).refused(404);
    assert!(stage.shop.api.get("/v1/webhook-endpoints/list").rows().is_empty());
    let listening = stage.server.database.value("SELECT max(endpoints) FROM event_positions");
    assert_eq!(listening, "0");
}

#[test]
fn a_merchant_has_at_most_sixteen_endpoints() {
    let stage = Stage::open();
    let made: Vec<_> = (0..16).map(|_| stage.endpoint()).collect();
    let body = json!({ "url": stage.receiver.url() });
    let refused = stage.shop.api.post("/v1/webhook-endpoints/create", &body);
    refused.refused(422);
    let delete = format!("/v1/webhook-endpoints/delete/{}", id(&made[3]));
    stage.shop.api.post(&delete, &json!({})).ok();
    stage.endpoint();
}

#[test]
fn secrets_are_sealed_in_the_database() {
    let stage = Stage::open();
    let made = stage.endpoint_with(&json!({"signing": "ED25519"}));
    assert!(shown(&made, "public_key").starts_with("whpk_"), "{made}");
    let rows =
        stage.server.database.rows("SELECT signing, sealed FROM webhook_secrets ORDER BY id");
    assert_eq!(rows.iter().map(|row| row[0].as_str()).collect::<Vec<_>>(), ["HMAC", "ED25519"]);
    let secret = secret(&made);
    let plain = secret.trim_start_matches("whsec_");
    assert!(rows.iter().all(|row| !row[1].contains(plain)), "{rows:?}");
}

#[test]
fn while_secrets_overlap_each_of_them_signs() {
    let stage = Stage::open();
    let made = stage.endpoint_with(&json!({"event_types": ["wallet.funded"]}));
    let path = format!("/v1/webhook-endpoints/rotate-secret/{}", id(&made));
    let rotated = stage.shop.api.post(&path, &json!({"overlap_hours": 1})).ok();
    let (first, second) = (secret(&made), secret(&rotated));
    assert_ne!(first, second);
    stage.test(&made);
    let told = &stage.receiver.wait_for("webhook.test", 1)[0];
    assert!(told.is_signed_by(&first) && told.is_signed_by(&second), "{told:?}");

    let third = secret(&stage.shop.api.post(&path, &json!({"overlap_hours": 0})).ok());
    stage.test(&made);
    let told = &stage.receiver.wait_for("webhook.test", 2)[1];
    assert!(told.is_signed_by(&third), "{told:?}");
    assert!(!told.is_signed_by(&first) && !told.is_signed_by(&second), "{told:?}");

    // Without a body the overlap is that of a day.
    let fourth = secret(&stage.shop.api.call("POST", &path, None).ok());
    stage.test(&made);
    let told = &stage.receiver.wait_for("webhook.test", 3)[2];
    assert!(told.is_signed_by(&third) && told.is_signed_by(&fourth), "{told:?}");
}

#[test]
fn one_endpoint_too_many_is_refused_on_its_url() {
    let stage = Stage::open();
    for _ in 0..16 {
        stage.endpoint();
    }
    let body = json!({"url": "https://shop.example/"});
    let refused = stage.shop.api.post("/v1/webhook-endpoints/create", &body);
    assert_eq!(refused.refused(422)[0]["loc"], json!(["body", "url"]));
}

#[test]
fn what_is_no_url_for_webhooks_is_refused_with_the_reason() {
    let stage = Stage::open();
    let long = format!("https://shop.example/{}", "a".repeat(3_000));
    for (url, why) in [
        ("https://user:pass@shop.example/", "user"),
        ("https://shop.example/#part", "fragment"),
        ("https://shop.example:99999/", "port"),
        ("https://shop.example:25/", "port 25"),
        ("https://münchen.example/", "punycode"),
        ("https://169.254.169.254/latest", "link-local"),
        ("https://[fe80::1]/", "link-local"),
        ("https://[::ffff:169.254.169.254]/", "link-local"),
        ("https://224.0.0.1/", "multicast"),
        ("https://2130706433/", "number"),
        ("ftp://shop.example/", "https://"),
        ("shop.example", "https://"),
        (&long, "2048"),
    ] {
        let reply = stage.shop.api.post("/v1/webhook-endpoints/create", &json!({ "url": url }));
        let fault = reply.fault("body.url");
        assert!(fault.msg.to_lowercase().contains(why), "{url}: {}", fault.msg);
    }
    assert!(stage.shop.api.get("/v1/webhook-endpoints/list").rows().is_empty());
}

#[test]
fn private_addresses_are_for_sandbox_merchants_that_only_this_machine_reaches() {
    let stage = Stage::open_with(&[("KOLA_PUBLIC_URL", "https://pay.example")]);
    for url in ["https://127.0.0.1/", "https://10.0.0.1/", "https://[::1]/", "https://localhost/"] {
        let body = json!({ "url": url });
        stage.shop.api.post("/v1/webhook-endpoints/create", &body).fault("body.url");
    }
    let body = json!({ "url": "http://shop.example/" });
    stage.shop.api.post("/v1/webhook-endpoints/create", &body).fault("body.url");
    let body = json!({ "url": "https://shop.example/" });
    stage.shop.api.post("/v1/webhook-endpoints/create", &body).ok();
}

#[test]
fn behind_a_proxy_nothing_goes_to_private_addresses() {
    let stage = Stage::open();
    let made = stage.endpoint();
    let head = format!(
        "GET /v1/webhook-endpoints/list HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
         x-forwarded-for: 192.0.2.1\r\nauthorization: Bearer {}\r\n\r\n",
        stage.shop.api.token.as_deref().unwrap_or_default()
    );
    let reply = crate::support::http::raw(&stage.server.api.address, head.as_bytes(), b"");
    assert_eq!(reply.expect("an answer").status, 200);
    let body = json!({ "url": stage.receiver.url() });
    stage.shop.api.post("/v1/webhook-endpoints/create", &body).fault("body.url");
    // The endpoint from before is told nothing any more, and the delivery says why.
    stage.test(&made);
    let failed = stage.becomes("type=webhook.test", "FAILED");
    let path = format!("/v1/webhook-deliveries/retrieve/{}", id(&failed));
    let tries = stage.shop.api.get(&path).ok()["tries"].clone();
    assert!(shown(&tries[0], "response").contains("https"), "{tries}");
    assert!(stage.receiver.received().is_empty());
}

#[test]
fn the_operator_may_allow_private_addresses() {
    let stage = Stage::open_with(&[
        ("KOLA_PUBLIC_URL", "https://pay.example"),
        ("KOLA_WEBHOOKS_PRIVATE_ADDRESSES", "true"),
    ]);
    stage.test(&stage.endpoint());
    stage.receiver.wait_for("webhook.test", 1);
    // Never to where a cloud keeps its credentials.
    let body = json!({ "url": "http://169.254.169.254/" });
    stage.shop.api.post("/v1/webhook-endpoints/create", &body).fault("body.url");
}

#[test]
fn without_a_secrets_key_no_endpoint_is_made() {
    on_postgres_only!();
    let database = Database::with_schema();
    let credentials = database.merchant("First Shop");
    let server = Server::start(database, &[]);
    let shop = server.sign_in(&credentials);
    let body = json!({ "url": "https://shop.example/" });
    shop.api.post("/v1/webhook-endpoints/create", &body).refused(503);
}

/// A delivery that cannot be signed waits; thousands of them fill no log.
#[test]
fn a_missing_secrets_key_is_logged_once() {
    let (server, shop) = spawn_with(&[("KOLA_WEBHOOKS_PRIVATE_ADDRESSES", "true")]);
    let stage = Stage { server, shop, receiver: Receiver::open() };
    let made: Vec<_> = (0..3).map(|_| stage.endpoint()).collect();
    let key = stage.server.database.secrets_key().expect("a key");
    std::fs::rename(&key, key.with_file_name("aside")).expect("a rename");
    for made in &made {
        stage.test(made);
    }
    let claimed = "SELECT count(*) FROM webhook_deliveries WHERE is_under_way = 1";
    wait_for("three claims", || (stage.server.database.value(claimed) == "3").then_some(()));
    // What is done with a claim follows it, and the next test would come after that.
    std::fs::rename(key.with_file_name("aside"), &key).expect("a rename");
    let last = stage.endpoint();
    stage.test(&last);
    stage.receiver.wait_for("webhook.test", 1);
    let log = stage.server.log();
    assert_eq!(log.matches("webhooks cannot be sent").count(), 1, "{log}");
}

#[test]
fn after_a_change_of_the_secrets_key_it_still_signs() {
    let stage = Stage::open();
    let made = stage.endpoint_with(&json!({"signing": "ED25519"}));
    let server = &stage.server;
    server.kola(&["secrets", "init-key", "new.key"]).ok();
    let said = server.kola(&["secrets", "rekey", "new.key"]).ok();
    assert!(said.contains("2 secrets"), "{said}");
    let old = server.database.secrets_key().expect("a key");
    // Until the server has the new key, the delivery waits: that is no fault of the endpoint.
    stage.test(&made);
    let claimed = "SELECT count(*) FROM webhook_deliveries WHERE is_under_way = 1";
    wait_for("a claim", || (server.database.value(claimed) == "1").then_some(()));
    std::fs::copy(old.with_file_name("new.key"), &old).expect("a copy");
    stage.make_due();
    let told = stage.receiver.wait_for("webhook.test", 1).remove(0);
    assert!(told.is_signed_by(&secret(&made)), "{told:?}");
    assert!(told.header("webhook-signature").contains("v1a,"), "{told:?}");
    assert_eq!(stage.becomes("type=webhook.test", "DELIVERED")["attempts"], 1);
}

#[test]
fn a_missing_secrets_key_is_not_replaced_and_counts_against_nobody() {
    let stage = Stage::open();
    let made = stage.endpoint();
    let key = stage.server.database.secrets_key().expect("a key");
    let aside = key.with_file_name("aside");
    std::fs::rename(&key, &aside).expect("a rename");
    let body = json!({ "url": stage.receiver.url() });
    stage.shop.api.post("/v1/webhook-endpoints/create", &body).refused(503);
    assert!(!key.exists(), "no other key was made");
    stage.test(&made);
    let claimed = "SELECT count(*) FROM webhook_deliveries WHERE is_under_way = 1";
    wait_for("a claim", || (stage.server.database.value(claimed) == "1").then_some(()));
    std::fs::rename(&aside, &key).expect("a rename");
    stage.make_due();
    stage.receiver.wait_for("webhook.test", 1);
    let done = stage.becomes("type=webhook.test", "DELIVERED");
    let path = format!("/v1/webhook-deliveries/retrieve/{}", id(&done));
    assert_eq!(stage.shop.api.get(&path).ok()["tries"].as_array().map(Vec::len), Some(1));
}

#[test]
fn rotations_at_once_leave_one_secret_without_an_end() {
    let stage = Stage::open();
    let made = stage.endpoint_with(&json!({"signing": "ED25519"}));
    let path = format!("/v1/webhook-endpoints/rotate-secret/{}", id(&made));
    let replies = all_at_once(&[0, 1, 2], |_| stage.shop.api.post(&path, &json!({})).status);
    assert!(replies.contains(&200), "{replies:?}");
    let endless =
        "SELECT count(*) FROM webhook_secrets WHERE expires_at IS NULL AND signing = 'HMAC'";
    assert_eq!(stage.server.database.value(endless), "1");
    // Each rotation makes two secrets, of which the limit counts one.
    let more = stage.shop.api.post(&path, &json!({"overlap_hours": 1}));
    assert_eq!(more.status, 200, "{}", more.body);
}
