//! The log: it has the id of every server error, and never a secret.

use std::process::Command;

use serde_json::Value;

use crate::support::shop::GOOD;
use crate::support::{
    Database, Reply, Server, id, json, key, on_postgres_only, spawn, spawn_with, wait_for,
};

/// Fails unless the answer is a server error whose id is in the log.
#[track_caller]
fn assert_logged(server: &Server, reply: &Reply, status: u16) {
    reply.refused_in_words(status);
    let request_id = reply.body["request_id"].as_str().expect("a request id").to_owned();
    assert_eq!(reply.header("x-request-id"), Some(request_id.as_str()));
    assert!(request_id.len() >= 8, "{request_id}");
    wait_for("the log line", || server.log().contains(&request_id).then_some(()));
}

#[test]
fn a_fault_of_the_server_has_an_id_that_the_log_has_too() {
    let (server, shop) = spawn();
    let customer = shop.customer();
    server.database.sql(&format!(
        "UPDATE counterparties SET relationship_type = 'NONSENSE' WHERE id = {customer}"
    ));
    let first = shop.api.get(&format!("/v1/counterparties/retrieve/{customer}"));
    let second = shop.api.get(&format!("/v1/counterparties/retrieve/{customer}"));
    assert_logged(&server, &first, 500);
    assert_logged(&server, &second, 500);
    assert_ne!(first.body["request_id"], second.body["request_id"]);
    assert!(
        !first.body.to_string().contains("NONSENSE"),
        "a fault's cause is the log's: {}",
        first.body
    );
}

#[test]
fn what_the_engine_logs_of_a_command_has_the_id_of_its_request() {
    let (server, shop) = spawn();
    server.fund(&shop, "USD", "100.00");
    let session = id(&shop.open_transfer(shop.customer(), "USD", "1.00").ok());
    server.database.damage(&format!("UPDATE sessions SET wallet_id = 1 WHERE id = {session}"));
    let reply = shop.execute("transfer", session, &key());
    assert_logged(&server, &reply, 500);
    let request_id = reply.header("x-request-id").expect("a request id");
    let log = server.log();
    assert!(
        log.lines()
            .any(|line| line.contains("a decision could not be made") && line.contains(request_id)),
        "{log}"
    );
}

#[test]
fn a_database_that_fails_is_answered_with_an_id_too() {
    let (server, shop) = spawn();
    server.database.sql("ALTER TABLE payment_accounts RENAME TO gone");
    let reply = shop.api.get("/v1/payment-accounts/list");
    assert_logged(&server, &reply, 503);
    assert!(reply.header("retry-after").is_some());
    let body = json!({"account_name": "Amara", "provider": "PAWAPAY", "method": "MTN_MOMO_LBR", "party_id": shop.party()});
    let reply = shop.api.post("/v1/payment-accounts/create?operation_type=PAYOUT", &body);
    assert_logged(&server, &reply, 503);
    assert!(server.log().contains(server.database.no_such_table()), "the log says why");
}

#[test]
fn the_log_has_no_secret_however_much_it_says() {
    assert_no_secret_in_the_log("text");
}

#[test]
fn the_log_as_json_has_no_secret_either() {
    let log = assert_no_secret_in_the_log("json");
    for line in log.lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        for name in ["timestamp", "level", "target"] {
            assert!(line[name].is_string(), "no {name} in {line}");
        }
    }
}

/// Does what may be logged at the level that says most. Returns the log.
#[track_caller]
fn assert_no_secret_in_the_log(format: &str) -> String {
    let (server, shop) = spawn_with(&[("KOLA_LOG", "trace"), ("KOLA_LOG_FORMAT", format)]);
    server.fund(&shop, "USD", "1000.00");
    let (passcode, wrong, next) = ("4829130057", "1111122222", "9988776655");
    let (payer, payee, lost) = ("231770123401", GOOD, "231770567139");
    let new = shop.api.call("POST", "/v1/api-keys/create", None).ok();
    shop.api.post("/v1/merchants/passcode/set", &json!({"passcode": passcode})).ok();
    shop.take(shop.momo("COLLECTION", payer), "USD", "100.00");
    shop.take(
        shop.account(
            shop.party(),
            "COLLECTION",
            "CREDIT_CARD",
            Some("pm_card_authenticationRequired"),
        ),
        "USD",
        "5.00",
    );
    for (number, code) in [(payee, passcode), (lost, passcode), (payee, wrong)] {
        let session = id(&shop.open_payout(shop.momo("PAYOUT", number), "USD", "5.00").ok());
        let body = json!({"session_id": session, "reference_id": key(),
            "passcode": {"token": {"code": code, "user_id": null, "phone": null}, "device": null}});
        shop.api.post("/v1/executions/payout", &body);
    }
    let change = json!({"passcode": next, "current": wrong});
    shop.api.post("/v1/merchants/passcode/set", &change).refused(403);
    shop.api
        .post("/v1/merchants/passcode/set", &json!({"passcode": next, "current": passcode}))
        .ok();
    // Errors are logged with their causes.
    server
        .database
        .sql("ALTER TABLE passcodes RENAME TO gone; ALTER TABLE payment_accounts RENAME TO lost");
    shop.api
        .post("/v1/merchants/passcode/set", &json!({"passcode": passcode, "current": next}))
        .refused(503);
    shop.create_account(shop.party(), "PAYOUT", "MTN_MOMO_LBR", Some(lost)).refused(503);
    shop.api.with_token(Some("a token that is none")).get("/v1/parties/list").refused(401);
    let log = server.log();
    assert!(
        log.contains("a request failed") && log.contains(server.database.no_such_table()),
        "this log says too little to prove anything: {log}"
    );
    let token = shop.api.token.clone().expect("a token");
    let secret = new["client_secret"].as_str().expect("a secret");
    for (what, text) in [
        ("client secret", shop.credentials.client_secret.as_str()),
        ("secret of the new key", secret),
        ("token", &token),
        ("bad token", "a token that is none"),
        ("passcode", passcode),
        ("wrong passcode", wrong),
        ("next passcode", next),
        ("hash of a passcode", "$argon2"),
        ("payer's number", payer),
        ("payee's number", payee),
        ("number that was not stored", lost),
    ] {
        assert!(!log.contains(text), "the log has the {what}: {log}");
    }
    log
}

#[test]
fn a_line_of_json_tells_of_a_request() {
    let (server, shop) = spawn_with(&[("KOLA_LOG", "debug"), ("KOLA_LOG_FORMAT", "json")]);
    let party = shop.party();
    server.database.sql("ALTER TABLE payment_accounts RENAME TO gone");
    let read = shop.api.get(&format!("/v1/parties/retrieve/{party}"));
    let failed = shop.api.get("/v1/payment-accounts/list?limit=7");
    let lines_of = |reply: &Reply| {
        let request_id = reply.header("x-request-id").expect("a request id");
        wait_for("the lines of a request", || {
            let log = server.log();
            let lines = log.lines().map(|line| serde_json::from_str(line).expect("an object"));
            let lines: Vec<Value> =
                lines.filter(|line: &Value| line["request_id"] == request_id).collect();
            lines.iter().any(|line| line["message"] == "answered").then_some(lines)
        })
    };
    let answered = |lines: &[Value]| {
        let line = lines.iter().find(|line| line["message"] == "answered").expect("a line");
        ["level", "target", "method", "path", "status"].map(|name| line[name].clone())
    };
    assert_eq!(
        answered(&lines_of(&read)),
        [
            json!("DEBUG"),
            json!("kola::net::log"),
            json!("GET"),
            json!(format!("/v1/parties/retrieve/{party}")),
            json!(200)
        ]
    );
    // The cause of a fault has the id of its request, too.
    let lines = lines_of(&failed);
    assert_eq!((&answered(&lines)[0], &answered(&lines)[4]), (&json!("INFO"), &json!(503)));
    assert!(lines.iter().any(|line| line["message"] == "a request failed"), "{lines:?}");
    assert!(!server.log().contains("limit=7"), "queries are not logged");
}

/// Who forges a line of the log by a value that has line breaks.
#[test]
fn no_value_begins_another_line() {
    for format in ["text", "json"] {
        let settings = [("KOLA_LOG", "trace"), ("KOLA_LOG_FORMAT", format)];
        let (server, shop) = spawn_with(&settings);
        let forged = "%0A2026-01-01T00:00:00Z%20ERROR%20forged%0D%0A%1B[31m";
        shop.api.get(&format!("/v1/parties/retrieve/{forged}"));
        shop.api.get(&format!("/v1/parties/list?name={forged}"));
        let name = r"a\n2026-01-01T00:00:00Z ERROR forged\r\n\u001b[31m";
        let body = format!("{{\"fullname\": \"{name}\", \"phone\": \"{name}\"}}");
        shop.api.post_bytes("/v1/parties/create", "application/json", body.as_bytes());
        let log = server.log();
        assert!(log.contains("parties/create") && log.lines().count() > 5, "{log}");
        for line in log.lines() {
            let begins =
                if format == "json" { line.starts_with('{') } else { line.starts_with("20") };
            assert!(begins && !line.starts_with("2026-01-01"), "{line:?} in {log}");
            assert!(line.chars().all(|letter| !letter.is_control()), "{line:?}");
        }
    }
}

#[test]
fn a_format_of_the_log_that_is_none_is_refused() {
    for (format, is_one) in [("json", true), ("TEXT", true), ("", true), ("xml", false)] {
        let mut kola = Command::new(env!("CARGO_BIN_EXE_kola"));
        let run = kola.arg("errors").env("KOLA_LOG_FORMAT", format).output().expect("kola runs");
        assert_eq!(run.status.success(), is_one, "{format}");
    }
}

#[test]
fn at_info_the_log_tells_what_an_operator_asks() {
    let (mut server, shop) = spawn_with(&[("KOLA_LOG", "info")]);
    shop.api.get("/v1/parties/list").ok();
    server.database.sql("ALTER TABLE payment_accounts RENAME TO gone");
    let reply = shop.api.get("/v1/payment-accounts/list?limit=7");
    let request_id = reply.header("x-request-id").expect("a request id").to_owned();
    assert_eq!(server.terminate(), Some(0));
    let log = server.log();
    let line = |what: &str| {
        log.lines()
            .find(|line| line.contains(what))
            .unwrap_or_else(|| panic!("no {what:?} in {log}"))
    };
    let kind = if log.contains("PostgreSQL") { "PostgreSQL" } else { "SQLite" };
    assert!(line("starting").contains(&format!("database=\"{kind}\"")), "{log}");
    assert!(line("listening").contains(&server.api.address), "{log}");
    let failed = line("answered");
    for said in [
        "INFO",
        "method=\"GET\"",
        "path=\"/v1/payment-accounts/list\"",
        "status=503",
        "ms=",
        request_id.as_str(),
    ] {
        assert!(failed.contains(said), "no {said} in {failed}");
    }
    assert!(log.contains("told to stop") && log.contains("stopped"), "{log}");
    assert!(!log.contains("parties") && !log.contains("limit=7"), "{log}");
}

#[test]
fn at_debug_each_request_has_a_line_without_its_query() {
    let (server, shop) = spawn_with(&[("KOLA_LOG", "debug")]);
    let invoice = shop.invoice("USD", "7.00");
    let number =
        shop.api.get(&format!("/v1/invoices/retrieve/{invoice}")).ok()["invoice_number"].clone();
    let number = number.as_str().expect("a number").to_owned();
    let reply = shop.api.get(&format!("/v1/links/pay?source_type=INVOICE&source_number={number}"));
    let request_id = reply.header("x-request-id").expect("a request id").to_owned();
    let url = reply.ok()["url"].as_str().expect("a link").to_owned();
    let token = url.rsplit('/').next().expect("a token");
    server.api.get(&format!("/pay/{token}"));
    server.api.get(&format!("/pay/{token}/"));
    let log = server.log();
    let line = log
        .lines()
        .find(|line| line.contains(&request_id))
        .unwrap_or_else(|| panic!("no {request_id} in {log}"));
    assert!(line.contains("path=\"/v1/links/pay\"") && line.contains("status=200"), "{line}");
    assert!(log.contains("path=\"/pay/{token}\"") && log.contains("path=\"no route\""), "{log}");
    assert!(!log.contains(token) && !log.contains(&number), "{log}");
}

#[test]
fn a_level_that_is_none_is_refused_at_the_start() {
    for (level, is_one) in [
        ("info", true),
        ("", true),
        ("Debug", true),
        ("loud", false),
        ("kola=info", false),
        ("3", false),
    ] {
        let mut kola = Command::new(env!("CARGO_BIN_EXE_kola"));
        let run = kola.arg("errors").env("KOLA_LOG", level).output().expect("kola runs");
        assert_eq!(run.status.success(), is_one, "{level}");
        let said = String::from_utf8_lossy(&run.stderr);
        assert_eq!(
            said.contains("use one of off, error, warn, info, debug, trace"),
            !is_one,
            "{level}: {said}"
        );
    }
}

/// The URL of the database has its password. No message shows it, and no log, at any level.
#[test]
fn the_password_of_the_database_is_told_to_nobody() {
    const PASSWORD: &str = "hunter2-the-secret";
    let database = Database::new();
    for rest in [
        "127.0.0.1:1/kola",
        "127.0.0.1:1",
        "127.0.0.1:1x/kola",
        "127.0.0.1:1/kola?target_session_attrs=x",
        "[::1/kola",
    ] {
        for scheme in ["postgres", "postgresql", "mysql"] {
            let url = format!("{scheme}://kola:{PASSWORD}@{rest}");
            let said = database.kola_at(&url, &["ledger", "verify"]).refused();
            assert!(!said.contains(PASSWORD), "{said}");
            let mut help = Command::new(env!("CARGO_BIN_EXE_kola"));
            let help =
                help.arg("--help").env("KOLA_DATABASE", &url).output().expect("kola runs").stdout;
            let help = String::from_utf8_lossy(&help);
            assert!(help.contains("KOLA_DATABASE") && !help.contains(PASSWORD), "{help}");
        }
    }
}

#[test]
fn the_password_of_the_database_is_not_in_the_log_either() {
    const PASSWORD: &str = "hunter2-the-secret";
    on_postgres_only!();
    let database = Database::new();
    let credentials = database.merchant("First Shop");
    // The cluster trusts this machine, so it accepts any password.
    let url = database.url();
    let (scheme, rest) = url.split_once("://").expect("a scheme");
    let (user, place) = rest.split_once('@').expect("a user");
    let user = user.split(':').next().expect("a name");
    let with_password = format!("{scheme}://{user}:{PASSWORD}@{place}");
    let server = Server::spawn_at(database, with_password, &[("KOLA_LOG", "trace")]);
    let shop = server.sign_in(&credentials);
    shop.party();
    server.database.postgres().end_all_connections();
    server.database.sql("ALTER TABLE payment_accounts RENAME TO gone");
    wait_for("a fault", || (shop.api.get("/v1/payment-accounts/list").status == 503).then_some(()));
    wait_for("a log that says enough to prove something", || {
        server.log().contains("a request failed").then_some(())
    });
    let log = server.log();
    assert!(!log.contains(PASSWORD), "{log}");
}
