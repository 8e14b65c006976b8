//! The database file of a server: removed, replaced, restored, or with another file's log; and
//! files that are no database of kola.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::support::shop::GOOD;
use crate::support::{
    Database, Merchant, Server, on_postgres_only, on_sqlite_only, spawn, wait_for,
};

fn file(database: &Database, name: &str) -> PathBuf {
    database.dir.path().join(name)
}

/// Checks every kind of answer of a server without its file.
#[track_caller]
fn is_refused(server: &Server, shop: &Merchant) {
    wait_for("reads that are refused", || {
        (shop.api.get("/v1/wallets/list").status == 503).then_some(())
    });
    let body = serde_json::json!({"fullname": "Ama Kollie", "phone": "231770999990"});
    let answer = shop.api.post("/v1/parties/create", &body);
    assert_eq!(answer.status, 503, "{}", answer.body);
    assert!(answer.header("retry-after").is_some());
    assert_eq!(server.api.get("/readyz").status, 503);
    let said = || {
        server
            .log()
            .contains("was removed, moved or replaced while this process had it open")
            .then_some(())
    };
    wait_for("a loud log", said);
}

#[test]
fn a_server_whose_file_is_gone_or_another_acknowledges_nothing() {
    on_sqlite_only!();
    for name in ["kola.db", "kola.db-wal", "kola.db-shm"] {
        let (server, shop) = spawn();
        let (there, away) = (file(&server.database, name), file(&server.database, "away"));
        shop.party();
        fs::rename(&there, &away).expect("a file");
        // A write comes first: it must notice by itself, without an earlier request that did.
        let body = serde_json::json!({"fullname": "Ama Kollie", "phone": "231770999991"});
        assert_eq!(shop.api.post("/v1/parties/create", &body).status, 503, "{name}");
        is_refused(&server, &shop);
        fs::copy(&away, &there).expect("another file");
        is_refused(&server, &shop);
        fs::rename(&away, &there).expect("the same file");
        wait_for("the server to go on", || {
            (shop.api.get("/v1/wallets/list").status == 200).then_some(())
        });
        shop.party();
        server.verify_ledger();
    }
}

#[test]
fn what_others_write_beside_an_index_that_is_gone_is_kept() {
    on_sqlite_only!();
    let (mut server, shop) = spawn();
    server.fund(&shop, "USD", "100.00");
    fs::remove_file(file(&server.database, "kola.db-shm")).expect("an index");
    is_refused(&server, &shop);
    // Another process creates a new index of the log, which does not show that a server is running.
    let wallets: serde_json::Value =
        serde_json::from_str(&server.kola(&["wallet", "list", "--json"]).ok()).expect("JSON");
    let usd = wallets
        .as_array()
        .expect("rows")
        .iter()
        .find(|row| row["currency"] == "USD")
        .expect("a wallet");
    server.kola(&["wallet", "fund", "--wallet", &usd["id"].to_string(), "--amount", "1.00"]).ok();
    server.terminate();
    server.restart(&[]);
    shop.at(&server).assert_balance("USD", "101.00", "0.00");
    server.verify_ledger();
}

/// Makes a payment, a backup, and another payment, and then kills the server.
fn with_a_backup() -> (Server, Merchant) {
    let (mut server, shop) = spawn();
    server.fund(&shop, "USD", "100.00");
    server.kola(&["db", "backup", "backup.db"]).ok();
    shop.settled("payout", &shop.send(shop.momo("PAYOUT", GOOD), "USD", "10.00"));
    server.kill();
    (server, shop)
}

#[test]
fn a_backup_beside_another_files_log_is_noticed() {
    on_sqlite_only!();
    let (mut server, shop) = with_a_backup();
    let database = server.database.clone();
    assert!(fs::metadata(file(&database, "kola.db-wal")).expect("a log").len() > 0);
    fs::copy(file(&database, "backup.db"), file(&database, "kola.db")).expect("a copy");
    for command in [
        &["serve", "--listen", "127.0.0.1:0"][..],
        &["ledger", "verify"],
        &["db", "backup", "other.db"],
    ] {
        let said = database.kola(command).refused();
        assert!(said.contains("is not the log of") && said.contains("kola db restore"), "{said}");
    }
    database.kola(&["db", "restore", "backup.db"]).ok();
    server.restart(&[]);
    shop.at(&server).assert_balance("USD", "100.00", "0.00");
    server.verify_ledger();
}

/// The database file was copied by hand while no server ran, and is put back.
#[test]
fn an_earlier_copy_beside_a_later_log_is_noticed() {
    on_sqlite_only!();
    let (mut server, shop) = spawn();
    server.fund(&shop, "USD", "100.00");
    assert_eq!(server.terminate(), Some(0));
    let (there, copy) = (file(&server.database, "kola.db"), file(&server.database, "copy.db"));
    assert!(!file(&server.database, "kola.db-wal").exists());
    fs::copy(&there, &copy).expect("a copy");
    server.restart(&[]);
    let shop = shop.at(&server);
    shop.settled("payout", &shop.send(shop.momo("PAYOUT", GOOD), "USD", "10.00"));
    server.kill();
    // The file and its own log belong together.
    server.kola(&["ledger", "verify"]).ok();
    server.restart(&[]);
    server.kill();
    fs::copy(&copy, &there).expect("a copy");
    let said = server.kola(&["serve", "--listen", "127.0.0.1:0"]).refused();
    assert!(said.contains("is not the log of"), "{said}");
}

#[test]
fn a_log_without_its_database_is_noticed() {
    on_sqlite_only!();
    let (server, _) = with_a_backup();
    fs::remove_file(file(&server.database, "kola.db")).expect("a file");
    for command in [
        &["serve", "--listen", "127.0.0.1:0"][..],
        &["merchant", "create", "--name", "A", "--type", "ORGANIZATION"],
    ] {
        let said = server.kola(command).refused();
        assert!(said.contains("the log of a database that is not there"), "{said}");
    }
    assert!(!file(&server.database, "kola.db").exists());
}

#[test]
fn a_backup_is_restored_and_what_was_there_is_kept() {
    on_sqlite_only!();
    let (mut server, shop) = with_a_backup();
    let database = server.database.clone();
    let restored: serde_json::Value =
        serde_json::from_str(&database.kola(&["db", "restore", "backup.db", "--json"]).ok())
            .expect("JSON");
    let before = restored["before"].as_str().expect("what was there").to_owned();
    server.restart(&[]);
    shop.at(&server).assert_balance("USD", "100.00", "0.00");
    server.verify_ledger();
    for name in ["kola.db", "kola.db-wal", "kola.db-shm"] {
        assert_eq!(
            fs::metadata(file(&database, name)).expect("a file").permissions().mode() & 0o777,
            0o600,
            "{name}"
        );
    }
    // The kept database has the payment after the backup, which was only in its log.
    let kept = format!("sqlite:{before}");
    database.kola_at(&kept, &["ledger", "verify"]).ok();
    let listed: serde_json::Value =
        serde_json::from_str(&database.kola_at(&kept, &["wallet", "list", "--json"]).ok())
            .expect("JSON");
    let usd = listed
        .as_array()
        .expect("rows")
        .iter()
        .find(|row| row["currency"] == "USD")
        .expect("a wallet");
    assert_ne!(usd["available"], "100.00");
    // A restore also works where there was no database.
    database.kola_at("sqlite:elsewhere.db", &["db", "restore", "backup.db"]).ok();
    database.kola_at("sqlite:elsewhere.db", &["ledger", "verify"]).ok();
}

#[test]
fn restoring_again_within_a_second_keeps_what_was_there() {
    on_sqlite_only!();
    let (server, _) = with_a_backup();
    let database = server.database.clone();
    let mut kept: Vec<String> = vec![];
    for _ in 0..8 {
        let restored: serde_json::Value =
            serde_json::from_str(&database.kola(&["db", "restore", "backup.db", "--json"]).ok())
                .expect("JSON");
        kept.push(restored["before"].as_str().expect("what was there").to_owned());
    }
    kept.sort_unstable();
    kept.dedup();
    assert_eq!(kept.len(), 8, "{kept:?}");
    assert!(kept.iter().all(|path| fs::exists(path).expect("a folder")), "{kept:?}");
}

#[test]
fn what_is_in_use_or_no_whole_backup_is_not_restored() {
    on_sqlite_only!();
    let (server, shop) = spawn();
    server.fund(&shop, "USD", "100.00");
    server.kola(&["db", "backup", "backup.db"]).ok();
    let said = server.kola(&["db", "restore", "backup.db"]).refused();
    assert!(said.contains("in use"), "{said}");
    let copied = server
        .kola(&["db", "copy", "--from", &server.database.url(), "--to", "sqlite:copy.db"])
        .refused();
    assert!(copied.contains("in use") && !file(&server.database, "copy.db").exists(), "{copied}");
    shop.assert_balance("USD", "100.00", "0.00");
    let mut broken = fs::read(file(&server.database, "backup.db")).expect("a backup");
    let half = broken.len() / 2;
    broken[half..].fill(7);
    fs::write(file(&server.database, "broken.db"), broken).expect("a file");
    fs::write(file(&server.database, "letter.txt"), "dear ".repeat(100)).expect("a file");
    for name in ["broken.db", "letter.txt", "missing.db", "kola.db"] {
        server.kola(&["db", "restore", name]).refused();
    }
    server.verify_ledger();
    let left = fs::read_dir(server.database.dir.path())
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name());
    let left: Vec<String> = left
        .map(|name| name.to_string_lossy().into_owned())
        .filter(|name| name.starts_with('.'))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn an_interrupted_backup_has_no_name() {
    on_sqlite_only!();
    let (server, shop) = spawn();
    server.fund(&shop, "USD", "100.00");
    // A limit of the file size makes the system end the process in the middle of its work.
    let kola = format!(
        "ulimit -f 8; exec {} db backup new.db --database {}",
        env!("CARGO_BIN_EXE_kola"),
        server.database.url()
    );
    let ended = std::process::Command::new("bash")
        .args(["-c", &kola])
        .current_dir(server.database.dir.path())
        .output();
    assert!(!ended.expect("bash runs").status.success());
    assert!(!file(&server.database, "new.db").exists());
    server.kola(&["db", "backup", "new.db"]).ok();
    server.database.kola_at("sqlite:new.db", &["ledger", "verify"]).ok();
}

#[test]
fn what_is_not_kolas_is_never_written_to() {
    on_sqlite_only!();
    let database = Database::new();
    database.merchant("Shop");
    fs::write(file(&database, "empty.db"), "").expect("a file");
    std::os::unix::fs::symlink("nowhere.db", file(&database, "link.db")).expect("a link");
    let other = rusqlite::Connection::open(file(&database, "other.db")).expect("a database");
    other
        .execute_batch("CREATE TABLE bookmarks (url TEXT); INSERT INTO bookmarks VALUES ('x')")
        .expect("a table");
    drop(other);
    let before = fs::read(file(&database, "other.db")).expect("a file");
    for name in ["empty.db", "link.db", "other.db", "file:uri.db", "file:uri.db?mode=rwc"] {
        database.kola(&["db", "backup", name]).refused();
        for command in [
            &["wallet", "list"][..],
            &["merchant", "create", "--name", "A", "--type", "ORGANIZATION"],
            &["ledger", "verify"],
        ] {
            database.kola_at(&format!("sqlite:{name}"), command).refused();
        }
    }
    assert_eq!(fs::metadata(file(&database, "empty.db")).expect("a file").len(), 0);
    assert_eq!(fs::read(file(&database, "other.db")).expect("a file"), before);
    for name in ["nowhere.db", "uri.db", "file:uri.db"] {
        assert!(!file(&database, name).exists(), "{name}");
    }
    // With `./` in front the name is a path and no URI.
    database.kola(&["db", "backup", "./file:backup.db"]).ok();
    assert_eq!(
        fs::metadata(file(&database, "file:backup.db")).expect("a file").permissions().mode()
            & 0o777,
        0o600
    );
    database.kola_at("sqlite:./file:backup.db", &["ledger", "verify"]).ok();
}

#[test]
fn a_question_makes_no_database_and_a_bad_market_none_either() {
    let database = Database::new();
    let made = |database: &Database| match crate::support::database::postgres() {
        Some(_) => database
            .rows("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace")
            .len(),
        None => usize::from(file(database, "kola.db").exists()),
    };
    for command in [
        &["wallet", "list"][..],
        &["merchant", "list"],
        &["ledger", "verify"],
        &["fees", "list"],
        &["keys", "rotate"],
        &["user", "confirm", "1", "--merchant", "1"],
        &["user", "disable", "a@shop.example"],
        &["review", "resolve", "1", "--outcome", "failed", "--evidence", "x"],
    ] {
        assert!(database.kola(command).refused().contains("no kola database"), "{command:?}");
    }
    fs::write(file(&database, "market.toml"), "nonsense").expect("a file");
    for market in ["market.toml", "missing.toml"] {
        let create =
            ["merchant", "create", "--name", "A", "--type", "ORGANIZATION", "--market", market];
        assert!(database.kola(&create).refused().contains(market));
    }
    assert_eq!(made(&database), 0);
}

#[test]
fn a_database_in_another_encoding_is_refused() {
    on_postgres_only!();
    let database = Database::new();
    let name = format!("kola_latin_{}", crate::support::key().replace('-', ""));
    database.sql(&format!(
        "CREATE DATABASE {name} TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'"
    ));
    let (server, old) =
        database.url().rsplit_once('/').map(|(a, b)| (a.to_owned(), b.to_owned())).expect("a URL");
    let parameters = old.find('?').map_or("", |at| &old[at..]);
    let said = database
        .kola_at(&format!("{server}/{name}{parameters}"), &["serve", "--listen", "127.0.0.1:0"])
        .refused();
    database.sql(&format!("DROP DATABASE {name} WITH (FORCE)"));
    assert!(said.contains("LATIN1") && said.contains("UTF8"), "{said}");
}

#[test]
fn settings_of_the_database_change_no_statement() {
    on_postgres_only!();
    let database = Database::new();
    let name = database.value("SELECT current_database()");
    for setting in [
        "standard_conforming_strings = off",
        "default_transaction_isolation = 'serializable'",
        "transform_null_equals = on",
        "default_transaction_read_only = on",
    ] {
        database.sql(&format!("ALTER DATABASE {name} SET {setting}"));
    }
    let credentials = database.merchant("Shop");
    let server = Server::spawn(database, &[]);
    let shop = server.sign_in(&credentials);
    server.fund(&shop, "USD", "100.00");
    shop.settled("payout", &shop.send(shop.momo("PAYOUT", GOOD), "USD", "10.00"));
    assert_eq!(shop.api.get("/v1/parties/list?fullname=amara%20k").rows().len(), 1);
    server.verify_ledger();
}

/// What a list finds does not depend on the locale with which the database was created.
#[test]
fn names_are_found_alike_in_every_database() {
    let (_server, shop) = spawn();
    for (name, phone) in [("Élodie Kollie", "231770999992"), ("IBRAHIM DOE", "231770999993")] {
        shop.api
            .post("/v1/parties/create", &serde_json::json!({"fullname": name, "phone": phone}))
            .ok();
    }
    let found =
        |part: &str| shop.api.get(&format!("/v1/parties/list?fullname={part}")).rows().len();
    assert_eq!(
        (found("ibrahim"), found("kollie"), found("%C3%89lodie"), found("%C3%A9lodie")),
        (1, 1, 1, 0)
    );
}
