//! Tests of SQLite's database file.

use std::os::unix::fs::PermissionsExt;

use crate::support::shop::GOOD;
use crate::support::{Database, Server, id, key, on_sqlite_only};

#[test]
fn only_its_owner_may_read_the_file() {
    on_sqlite_only!();
    let database = Database::new();
    database.merchant("Shop");
    let server = Server::spawn(database, &[]);
    // The log has the same rows as the file, and newer ones while a server is running.
    for name in ["kola.db", "kola.db-wal", "kola.db-shm"] {
        let file = std::fs::metadata(server.database.dir.path().join(name)).expect("a file");
        assert_eq!(file.permissions().mode() & 0o777, 0o600, "{name}");
    }
}

#[test]
fn a_file_that_is_no_database_is_left_alone() {
    on_sqlite_only!();
    let database = Database::new();
    let file = database.dir.path().join("kola.db");
    let text = "this is a letter ".repeat(100);
    std::fs::write(&file, &text).expect("a file");
    for arguments in [
        &["ledger", "verify"][..],
        &["merchant", "create", "--name", "A", "--type", "ORGANIZATION"],
    ] {
        database.kola(arguments).refused();
    }
    assert_eq!(std::fs::read_to_string(&file).expect("a file"), text);
}

#[test]
fn a_full_disk_is_told_and_loses_nothing() {
    on_sqlite_only!();
    let database = Database::new();
    let credentials = database.merchant("Shop");
    let server = Server::spawn_with_a_limited_disk(database);
    let shop = server.sign_in(&credentials);
    server.fund(&shop, "USD", "100.00");
    let account = shop.momo("PAYOUT", GOOD);
    let (before, after) =
        (shop.send(account, "USD", "1.00"), id(&shop.open_payout(account, "USD", "2.00").ok()));
    // SQLite's log cannot grow any more.
    server.limit_files(Some(4_096));
    let (key, refused) = (key(), key());
    for reference in [&key, &refused] {
        let answer = shop.execute("payout", after, reference);
        assert_eq!(answer.status, 503, "{answer:?}");
        assert!(answer.header("retry-after").is_some(), "{answer:?}");
    }
    assert_eq!(shop.api.get("/healthz").status, 200);
    assert_eq!(
        shop.status("payout", before["reference_id"].as_str().expect("a key"))["status"],
        "COMPLETED"
    );
    server.limit_files(None);
    assert_eq!(
        shop.execute("payout", after, &key).ok()["reference_id"],
        key.as_str(),
        "nothing was done while it was full"
    );
    server.verify_ledger();
}
