//! What is true of a file of SQLite's and of no other database.

use std::os::unix::fs::PermissionsExt;

use crate::support::{Database, Server, on_sqlite_only};

#[test]
fn only_its_owner_may_read_the_file() {
    on_sqlite_only!();
    let database = Database::new();
    database.merchant("Shop");
    let server = Server::start(database, &[]);
    // The log beside it has the same rows, and more of them while a server runs.
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
    for arguments in [&["ledger", "verify"][..], &["merchant", "create", "--name", "A", "--type", "ORGANIZATION"]] {
        database.kola(arguments).refused();
    }
    assert_eq!(std::fs::read_to_string(&file).expect("a file"), text);
}
