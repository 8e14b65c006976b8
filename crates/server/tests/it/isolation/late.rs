//! Credentials are checked when a request is decided: a body that arrives after they were revoked
//! has no effect.

use serde_json::Value;

use super::estate::{Estate, Own};
use super::{body_probes, is_of, path_probes, routes};
use crate::payment_links;
use crate::support::http::Begun;
use crate::support::process::Credentials;
use crate::support::shop::GOOD;
use crate::support::{Merchant, Server, id, json, open, shown};

/// A merchant, its second API key, and its rows.
struct Stage {
    server: Server,
    shop: Merchant,
    other: (i64, Merchant),
    estate: Estate,
    own: Own,
}

impl Stage {
    fn build() -> Self {
        let (server, shop) = open();
        server.fund(&shop, "USD", "500.00");
        let made = shop.api.call("POST", "/v1/api-keys/create", None).ok();
        let (client_id, client_secret) = (shown(&made, "client_id"), shown(&made, "client_secret"));
        let other =
            server.sign_in(&Credentials { client_id, client_secret, ..shop.credentials.clone() });
        let (estate, own) = (Estate::build(&server, &shop), Own::build(&shop));
        Self { server, other: (id(&made), other), shop, estate, own }
    }

    /// Every call with a body, on rows of the caller.
    fn calls(&self) -> Vec<(&'static str, String, Value)> {
        let probes =
            path_probes(&self.estate).into_iter().chain(body_probes(&self.estate, &self.own));
        let mut calls: Vec<_> = probes
            .filter_map(|probe| probe.body.map(|body| (probe.method, probe.path, body)))
            .collect();
        calls.push((
            "POST",
            "/v1/parties/create".to_owned(),
            json!({"fullname": "Late", "phone": GOOD}),
        ));
        calls.push((
            "POST",
            "/v1/merchants/passcode/set".to_owned(),
            json!({"passcode": "482913"}),
        ));
        calls.push((
            "POST",
            "/v1/merchants/passcode/remove".to_owned(),
            json!({"current": "482913"}),
        ));
        calls.push(("POST", "/v1/payment-links/create".to_owned(), payment_links::of_rice()));
        let endpoint = json!({"url": "https://shop.example/"});
        calls.push(("POST", "/v1/webhook-endpoints/create".to_owned(), endpoint));
        calls.push(("POST", "/v1/sandbox/clock/advance".to_owned(), json!({"seconds": 86_400})));
        calls
    }

    /// What the owner sees, without the times of the next checks, which jobs change meanwhile, and
    /// without the address of the server that answers.
    fn view(&self, shop: &Merchant) -> Vec<(String, Value)> {
        let mut view = self.estate.view(shop);
        view.iter_mut().for_each(|(_, value)| forget_looks(value));
        view
    }

    fn begin(&self, by: &Merchant) -> Vec<(String, Begun)> {
        let begin = |(method, path, body): (&str, String, Value)| {
            let begun = by.api.begin(method, &path, &body);
            (format!("{method} {path}"), begun)
        };
        self.calls().into_iter().map(begin).collect()
    }
}

fn forget_looks(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| name != "updated_at" && name != "next_check_at");
            if let Some(Value::String(url)) = fields.get_mut("url") {
                *url = url.split('/').skip(3).collect::<Vec<_>>().join("/");
            }
            fields.values_mut().for_each(forget_looks);
        }
        Value::Array(rows) => rows.iter_mut().for_each(forget_looks),
        _ => {}
    }
}

#[track_caller]
fn assert_refused(begun: Vec<(String, Begun)>, said: &str) {
    for (what, begun) in begun {
        let reply = begun.finish();
        assert_eq!(reply.status, 401, "{what}: {}", reply.body);
        assert_eq!(reply.refused_in_words(401), "Could not validate credentials", "{what}");
        let challenge = reply.header("www-authenticate").unwrap_or_default();
        assert!(
            challenge.contains("invalid_token") && challenge.contains(said),
            "{what}: {challenge}"
        );
    }
}

#[test]
fn a_body_that_comes_after_its_key_was_revoked_changes_nothing() {
    let stage = Stage::build();
    let (key, other) = &stage.other;
    let begun = stage.begin(other);
    stage.shop.api.call("POST", &format!("/v1/api-keys/revoke/{key}"), None).ok();
    let before = stage.view(&stage.shop);
    assert_refused(begun, "revoked");
    assert_eq!(before, stage.view(&stage.shop));
    let after =
        stage.shop.api.post("/v1/merchants/passcode/remove", &json!({"current": "482913"})).ok();
    assert_eq!(after, json!({"has_passcode": false}));
    stage.server.verify_ledger();
}

#[test]
fn a_body_that_comes_after_the_signing_key_was_retired_changes_nothing() {
    let stage = Stage::build();
    let begun = stage.begin(&stage.other.1);
    let before = stage.view(&stage.shop);
    stage.server.kola(&["keys", "rotate", "--retire"]).ok();
    assert_refused(begun, "retired");
    // A second server, which has only known the new key.
    let first_url = format!("http://{}", stage.server.api.address);
    // Answers have links, so both servers have one public URL.
    let second = stage.server.spawn_another(&[("KOLA_PUBLIC_URL", &first_url)]);
    let shop = second.sign_in(&stage.shop.credentials);
    assert_eq!(before, stage.view(&shop));
    stage.server.verify_ledger();
}

/// Every route with a body must be among the calls.
#[test]
fn every_route_with_a_body_is_called_late() {
    let stage = Stage::build();
    let calls = stage.calls();
    let bodiless = [
        "/publish/",
        "/cancel/",
        "/revoke/",
        "/deactivate/",
        "/remove",
        "/api-keys/create",
        "/obtain/token",
        "/delete/",
        "/test/",
        "/resend/",
        "/approvals/",
        "/check/",
    ];
    let bare: Vec<String> = routes()
        .into_iter()
        .filter(|(method, route)| method != "GET" && route.starts_with("/v1/"))
        .filter(|(_, route)| {
            !bodiless.iter().any(|part| route.contains(part)) || route.contains("/passcode/")
        })
        .filter(|(method, route)| {
            !calls.iter().any(|(m, path, _)| m == method && is_of(route, path))
        })
        .map(|(method, route)| format!("{method} {route}"))
        .collect();
    assert!(bare.is_empty(), "nobody called these late: {bare:?}");
}
