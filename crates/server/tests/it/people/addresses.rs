//! The address in the audit, where a proxy stands before the server.

use std::net::SocketAddr;

use axum::body::Body;
use axum::extract::ConnectInfo;
use kola::config::Config;
use kola::credentials::sealing::KeyFile;
use kola::server::Server as InProcess;
use serde_json::Value;
use tokio::runtime::Runtime;
use tower::ServiceExt;

use super::*;
use crate::support::json;
use crate::support::shop::new_phone;

/// A party that is not there yet.
fn party() -> Value {
    json!({"fullname": "Amara Kollie", "phone": new_phone()})
}

/// A request, and the command that it leaves in the audit.
struct Sent<'a> {
    command: &'a str,
    path: &'a str,
    headers: &'a [(&'static str, String)],
    body: String,
}

/// The address in the audit of what each of these requests does, sent by peers on this machine,
/// where a proxy may be, and by others.
#[test]
fn the_audit_has_the_address_that_a_proxy_on_this_machine_names_and_no_stranger() {
    const CLIENT: &str = "198.51.100.7";
    let database = Database::new();
    database.give_secrets_key();
    let credentials = database.merchant("Shop");
    let mut server = Server::spawn(database.clone(), &[]);
    let shop = server.sign_in(&credentials);
    let mut ama = member(&server, &shop, "VIEWER", "ama@shop.example");
    let form_token = ama.browser.form_token();

    // Over a socket of this machine.
    let address_of = |command: &str| {
        let newest = "SELECT (SELECT name FROM stored_codes \
             WHERE type = 'audited_command' AND code = command), \
             coalesce(address, '-') FROM audit ORDER BY created_at DESC, id DESC LIMIT 1";
        let row = database.rows(newest).remove(0);
        assert_eq!(row[0], command);
        row[1].clone()
    };
    for (forwarded, expected) in [
        (vec![("X-Forwarded-For", CLIENT)], CLIENT),
        (vec![("X-Forwarded-For", "203.0.113.9, 198.51.100.7")], CLIENT),
        (vec![("Forwarded", "for=198.51.100.7;proto=https")], CLIENT),
        (vec![("X-Forwarded-For", "2001:db8:1:2:3:4:5:6")], "2001:db8:1:2:3:4:5:6"),
        (vec![("X-Forwarded-For", "nonsense")], "127.0.0.1"),
        (vec![("X-Forwarded-For", CLIENT), ("Forwarded", "for=203.0.113.9")], "-"),
        (vec![], "127.0.0.1"),
    ] {
        let mut headers = vec![("Content-Type", "application/json")];
        headers.extend(&forwarded);
        let body = party().to_string();
        let made = shop.api.exchange("POST", "/v1/parties/create", &headers, body.as_bytes());
        made.expect("an answer").ok();
        assert_eq!(address_of("create_party"), expected, "{forwarded:?}");
        ama.browser.headers =
            forwarded.iter().map(|(name, at)| (*name, (*at).to_owned())).collect();
        ama.browser.post_bare("/app/profile/second-factor", &[("form_token", &form_token)]);
        assert_eq!(address_of("set_up_second_factor"), expected, "{forwarded:?}");
        let mut anew = Browser::new(&server);
        anew.headers.clone_from(&ama.browser.headers);
        assert_eq!(log_in(&mut anew, "ama@shop.example", PASSWORD).status, 303);
        assert_eq!(address_of("finish_login"), expected, "{forwarded:?}");
    }
    server.terminate();

    // A stranger's connection cannot come to a socket of the loopback, so that the router is told
    // of it.
    let place: store::Database = database.url().parse().expect("a database");
    let stores = place.stores().expect("stores");
    let runtime = Runtime::new().expect("a runtime");
    let secrets_key = database.secrets_key().map_or(KeyFile::Unknown, KeyFile::Given);
    let config = Config { secrets_key, ..Config::default() };
    let inner = runtime.block_on(InProcess::start(&place, stores, config)).expect("a server");
    let router = kola::api::router(inner.app().clone());
    let cookie = format!("kola_login={}", ama.browser.cookies["kola_login"]);
    let token = shop.api.token.clone().expect("a token");
    let form = ("content-type", "application/x-www-form-urlencoded".to_owned());
    let of_key = [
        ("content-type", "application/json".to_owned()),
        ("authorization", format!("Bearer {token}")),
    ];
    let of_person = [form.clone(), ("cookie", cookie)];
    let count = || database.value("SELECT count(*) FROM audit");
    for (peer, expected) in [
        ("127.0.0.1:1", CLIENT),
        ("[::1]:1", CLIENT),
        ("[::ffff:127.0.0.1]:1", CLIENT),
        ("203.0.113.5:1", "203.0.113.5"),
        ("[::ffff:203.0.113.5]:1", "203.0.113.5"),
        ("[2001:db8::5]:1", "2001:db8::5"),
        ("10.0.0.5:1", "10.0.0.5"),
    ] {
        let peer: SocketAddr = peer.parse().expect("an address");
        for sent in [
            Sent {
                command: "create_party",
                path: "/v1/parties/create",
                headers: &of_key,
                body: party().to_string(),
            },
            Sent {
                command: "set_up_second_factor",
                path: "/app/profile/second-factor",
                headers: &of_person,
                body: format!("form_token={form_token}"),
            },
            Sent {
                command: "finish_login",
                path: "/app/login",
                headers: std::slice::from_ref(&form),
                body: format!("email=ama%40shop.example&password={}", PASSWORD.replace(' ', "+")),
            },
        ] {
            for header in [("x-forwarded-for", CLIENT), ("forwarded", "for=198.51.100.7")] {
                let before = count();
                let mut request = axum::http::Request::post(sent.path).header("host", "kola");
                for (name, value) in sent.headers {
                    request = request.header(*name, value);
                }
                let request = request.header(header.0, header.1).extension(ConnectInfo(peer));
                let request = request.body(Body::from(sent.body.clone())).expect("a request");
                let answer = runtime.block_on(router.clone().oneshot(request));
                let status = answer.expect("a router does not fail").status().as_u16();
                assert!([200, 303].contains(&status), "{}: {status}", sent.path);
                assert_ne!(count(), before, "{}: nothing is in the audit", sent.path);
                let found = address_of(sent.command);
                assert_eq!(found, expected, "{} from {peer}: {header:?}", sent.path);
            }
        }
    }
}
