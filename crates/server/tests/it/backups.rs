//! `kola db backup`: a copy of the database file while a server is running.

use std::os::unix::fs::PermissionsExt;
use std::time::Instant;

use crate::crash::Load;
use crate::support::{Database, WAIT_MAX, on_postgres_only, on_sqlite_only, spawn};

#[test]
fn a_backup_under_load_is_whole_and_has_what_was_acknowledged_before_it() {
    on_sqlite_only!();
    let (mut server, shop) = spawn();
    server.fund(&shop, "USD", "100000.00");
    let load = Load::new(&shop);
    let copies: Vec<_> =
        (0..3).map(|n| server.database.dir.path().join(format!("backup-{n}.db"))).collect();
    let mut before = Vec::new();
    std::thread::scope(|scope| {
        for kind in ["payout", "collection", "payout", "collection"] {
            scope.spawn(|| load.run(&shop, kind));
        }
        for copy in &copies {
            let (start, goal) = (Instant::now(), load.acknowledged().len() + 20);
            while load.acknowledged().len() < goal && start.elapsed() < WAIT_MAX {
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            before.push(load.acknowledged());
            let run = server.kola(&["db", "backup", &copy.display().to_string()]);
            before.last_mut().expect("a copy").push(run.code.unwrap_or(-1).to_string());
        }
        // The load ends only with the server, so a failure is reported after that.
        server.kill();
    });
    for (copy, acknowledged) in copies.iter().zip(&mut before) {
        assert_eq!(acknowledged.pop().as_deref(), Some("0"), "the backup failed");
        assert!(acknowledged.len() >= 20, "too little was acknowledged: {}", acknowledged.len());
        assert_eq!(std::fs::metadata(copy).expect("a file").permissions().mode() & 0o777, 0o600);
        let database = rusqlite::Connection::open(copy).expect("a database");
        for reference in acknowledged {
            let there =
                "SELECT count(*) FROM executions WHERE reference_id = unhex(replace(?1, '-', ''))";
            let count: i64 =
                database.query_row(there, [&*reference], |row| row.get(0)).expect("a count");
            assert_eq!(count, 1, "{reference} is not in {}", copy.display());
        }
        drop(database);
        server.database.kola_at(&format!("sqlite:{}", copy.display()), &["ledger", "verify"]).ok();
    }
}

#[test]
fn a_file_that_is_there_is_not_written_over() {
    on_sqlite_only!();
    let database = Database::new();
    database.merchant("Shop");
    let file = database.dir.path().join("letter.txt");
    std::fs::write(&file, "dear").expect("a file");
    let said = database.kola(&["db", "backup", "letter.txt"]).refused();
    assert!(said.contains("exists"), "{said}");
    assert_eq!(std::fs::read_to_string(&file).expect("a file"), "dear");
    database.kola(&["db", "backup", "new.db"]).ok();
    let said = database.kola(&["db", "backup", "new.db"]).refused();
    assert!(said.contains("it exists, and nothing is written over: give another name"), "{said}");
}

#[test]
fn a_backup_that_fails_leaves_no_file() {
    on_sqlite_only!();
    let database = Database::new();
    let kola = |from: &str| {
        database.kola_at(&format!("sqlite:{from}"), &["db", "backup", "new.db"]).refused()
    };
    kola("missing.db");
    std::fs::write(database.dir.path().join("letter.txt"), "this is a letter ".repeat(100))
        .expect("a file");
    kola("letter.txt");
    assert!(
        !database.dir.path().join("new.db").exists()
            && !database.dir.path().join("missing.db").exists()
    );
}

#[test]
fn postgresql_has_programs_of_its_own_for_it() {
    on_postgres_only!();
    let said = Database::new().kola(&["db", "backup", "new.db"]).refused();
    assert!(said.contains("pg_dump") && said.contains("pg_basebackup"), "{said}");
}
