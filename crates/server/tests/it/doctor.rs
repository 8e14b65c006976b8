//! `kola doctor` names what is wrong, and changes nothing. Faults that a test cannot plant are made up
//! of facts beside the code.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use crate::networks::stage::{add_account, pawapay_secrets};
use crate::support::{Database, Run, Server, key, on_postgres_only};

/// The lines about a check: their states, and what was found.
#[track_caller]
fn told(run: &Run, check: &str) -> Vec<(String, String)> {
    let json: Value = serde_json::from_str(&run.out)
        .unwrap_or_else(|error| panic!("{error}: {} {}", run.out, run.err));
    let lines = json["checks"].as_array().expect("checks").clone();
    let of_check = lines.iter().filter(|line| line["check"] == check);
    let text = |line: &Value, name: &str| line[name].as_str().expect("a text").to_owned();
    of_check.map(|line| (text(line, "state"), text(line, "found"))).collect()
}

#[track_caller]
fn doctor(database: &Database, more: &[&str]) -> Run {
    database.kola(&[&["doctor", "--json"], more].concat())
}

#[track_caller]
fn assert_state(database: &Database, more: &[&str], (check, state): (&str, &str)) {
    let run = doctor(database, more);
    let lines = told(&run, check);
    assert!(
        lines.iter().any(|(found, _)| found == state),
        "{check} {state}: {lines:?} {}",
        run.err
    );
    let fails = run.out.contains("\"state\":\"fail\"");
    assert_eq!(run.code, Some(if fails { 5 } else { 0 }), "{}", run.out);
}

/// What answers every request with a redirect, until it is asked once.
fn redirecting() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a request");
        let _read = stream.read(&mut [0; 4_096]);
        let answer = "HTTP/1.1 301 Moved\r\nLocation: https://elsewhere.example/\r\nContent-Length: 0\r\n\r\n";
        stream.write_all(answer.as_bytes()).expect("an answer");
    });
    format!("http://{address}")
}

#[test]
fn each_planted_fault_is_named_by_its_line() {
    let database = Database::with_schema();
    database.merchant("Shop");
    database.make_secrets_key();
    let secrets = pawapay_secrets();
    let account = ["--network", "pawapay", "--name", "momo", "--base-url", "http://127.0.0.1:1"];
    add_account(&database, &account, &secrets);
    let of = |more: &[&str], line| assert_state(&database, more, line);
    let ok = |check| of(&[], (check, "ok"));
    for check in [
        "database",
        "schema",
        "payouts",
        "network_accounts",
        "secrets_key",
        "reviews",
        "due",
        "webhooks",
    ] {
        ok(check);
    }
    of(&[], ("verification", "warn"));
    database.kola(&["ledger", "verify"]).ok();
    ok("verification");
    of(&[], ("backup", "warn"));
    database.kola(&["db", "note-backup", "--at", "2026-01-01"]).ok();
    of(&[], ("backup", "warn"));
    database.kola(&["db", "note-backup"]).ok();
    ok("backup");
    of(&[], ("public_url", "unknown"));
    of(&["--connections-max", "999999999999"], ("open_files", "warn"));
    // Files that others may read.
    let file = database.dir.path().join("kola.toml");
    std::fs::write(&file, "").expect("a file");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).expect("a mode");
    of(&["--private-file", "kola.toml"], ("file_mode", "fail"));
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("a mode");
    // Payouts, accounts and their networks.
    database.kola(&["payouts", "stop", "--reason", "a drill"]).ok();
    of(&[], ("payouts", "warn"));
    database.kola(&["payouts", "resume", "--evidence", "it was a drill"]).ok();
    database.sql("UPDATE network_accounts SET held = 1 WHERE mode = 'TEST'");
    of(&[], ("network_accounts", "warn"));
    database.sql("UPDATE network_accounts SET held = 0, token_refused_at = 1 WHERE mode = 'TEST'");
    of(&[], ("network_accounts", "fail"));
    database.sql("UPDATE network_accounts SET token_refused_at = NULL WHERE mode = 'TEST'");
    of(&["--networks"], ("network", "fail"));
    // Another key, and none.
    let key_file = database.secrets_key().expect("the key");
    let right = std::fs::read_to_string(&key_file).expect("the key");
    std::fs::write(&key_file, "5b".repeat(32)).expect("a key");
    of(&[], ("secrets_key", "fail"));
    std::fs::remove_file(&key_file).expect("no key");
    of(&[], ("secrets_key", "fail"));
    std::fs::write(&key_file, right).expect("the key");
    std::fs::set_permissions(&key_file, std::fs::Permissions::from_mode(0o600)).expect("a mode");
    ok("secrets_key");
    // Nobody answers, something else answers, and TLS that is none.
    of(&["--public-url", "http://127.0.0.1:1"], ("public_url", "fail"));
    of(&["--public-url", "http://pay.example"], ("public_url", "fail"));
    of(&["--public-url", &redirecting()], ("public_url", "fail"));
    // Broken books.
    database.damage("UPDATE merchants SET owners = owners + 1");
    assert_eq!(database.kola(&["ledger", "verify"]).code, Some(1));
    of(&[], ("verification", "fail"));
    let broken = told(&doctor(&database, &[]), "verification");
    assert!(broken[0].1.contains("owners differ from what their merchant counts"), "{broken:?}");
    // A newer schema.
    database.sql(match database.is_sqlite() {
        true => "PRAGMA user_version = 999",
        false => "INSERT INTO schema_versions VALUES (999, 1, 1)",
    });
    of(&[], ("schema", "warn"));
}

#[test]
fn it_says_what_is_there_and_changes_nothing() {
    let database = Database::with_schema();
    database.give_secrets_key();
    database.merchant("Shop");
    // Without a server, whose jobs write.
    let before = database.contents(&[]);
    doctor(&database, &[]);
    assert_eq!(database.contents(&[]), before);
    let server = Server::start(database, &[]);
    let (database, url) = (&server.database, format!("http://{}", server.api.address));
    let run = doctor(database, &["--public-url", &url]);
    assert_eq!(told(&run, "public_url")[0].0, "ok", "{}", run.out);
    let plain_for_tls = url.replace("http:", "https:");
    assert_state(database, &["--public-url", &plain_for_tls], ("certificate", "fail"));
    let text = database.kola(&["doctor", "--strict"]);
    assert_eq!(text.code, Some(5), "{}", text.out);
    assert!(text.out.contains("warn    verification"), "{}", text.out);
    assert!(text.out.lines().last().expect("a sum").contains(" checks: "), "{}", text.out);
    assert!(!text.out.contains(&"5a".repeat(32)), "{}", text.out);
}

#[test]
fn a_database_that_is_away_is_said() {
    let database = Database::new();
    let run = database.kola_at("postgres://me:hidden-word@127.0.0.1:1/kola", &["doctor"]);
    assert_eq!(run.code, Some(5), "{} {}", run.out, run.err);
    assert!(run.out.starts_with("fail    database"), "{}", run.out);
    assert!(!format!("{}{}", run.out, run.err).contains("hidden-word"));
}

#[test]
fn a_url_that_is_not_reached_has_no_certificate_to_renew() {
    let database = Database::with_schema();
    let run = doctor(&database, &["--public-url", "https://127.0.0.1:1"]);
    assert_eq!(told(&run, "public_url")[0].0, "fail", "{}", run.out);
    assert_eq!(told(&run, "certificate"), [], "{}", run.out);
}

#[test]
fn what_helps_follows_from_what_is_wrong_with_the_file() {
    let database = Database::in_a_file();
    database.merchant("Shop");
    let at = |name: &str| database.dir.path().join(name);
    let copy = at("whole.db");
    database.kola(&["db", "backup", copy.to_str().expect("UTF-8")]).ok();
    let whole = std::fs::read(copy).expect("a backup");
    std::fs::write(at("cut.db"), &whole[..whole.len() / 2]).expect("a file");
    let mut odd = whole.clone();
    odd[100..4_096].fill(0x5a);
    std::fs::write(at("odd.db"), odd).expect("a file");
    std::fs::write(at("text.db"), "hello").expect("a file");
    std::fs::write(at("locked.db"), &whole).expect("a file");
    let holder = rusqlite::Connection::open(at("locked.db")).expect("a database");
    holder.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE").expect("a lock");
    for (name, advice) in [
        ("cut.db", "kola db restore"),
        ("odd.db", "kola db restore"),
        ("text.db", "check --database"),
        ("none.db", "check --database"),
        ("locked.db", "another program has it locked"),
    ] {
        let run = database.kola_at(&format!("sqlite:{}", at(name).display()), &["doctor"]);
        let line = run.out.lines().find(|line| line.contains(" database ")).expect("a line");
        assert!(line.starts_with("fail") && line.contains(advice), "{name}: {line}");
        assert!(!line.contains("start the database"), "{name}: {line}");
    }
}

#[test]
fn what_postgres_says_of_itself_is_told() {
    on_postgres_only!();
    let database = Database::with_schema();
    database.merchant("Shop");
    // A cluster of tests may have been told not to wait for the disk, and the doctor says so.
    for setting in ["fsync", "full_page_writes"] {
        let value = database.value(&format!("SHOW {setting}"));
        assert_state(&database, &[], (setting, if value == "on" { "ok" } else { "fail" }));
    }
    for check in
        ["version", "rights", "encoding", "synchronous_commit", "clock", "archive", "replication"]
    {
        assert_state(&database, &[], (check, "ok"));
    }
    let disk = told(&doctor(&database, &[]), "disk");
    assert_eq!(disk[0].0, "unknown", "{disk:?}");
    let role = format!("reader_{}", key().replace('-', ""));
    database.sql(&format!("CREATE ROLE {role} LOGIN PASSWORD 'x'"));
    database.sql(&format!("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}"));
    let url = database.url();
    let (scheme, rest) = url.split_once("://").expect("a URL");
    let host = rest.split_once('@').map_or(rest, |(_, host)| host);
    let run = database.kola_at(&format!("{scheme}://{role}:x@{host}"), &["doctor", "--json"]);
    database.sql(&format!("DROP OWNED BY {role}"));
    database.sql(&format!("DROP ROLE {role}"));
    let rights = told(&run, "rights");
    assert_eq!(rights[0], ("fail".to_owned(), "may not write".to_owned()), "{}", run.out);
}
