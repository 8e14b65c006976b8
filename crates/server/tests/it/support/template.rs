//! New databases without the work of the migrations: copies of one that has the schema already.
//!
//! Each copy draws an identity of its own, as the first start does: two installations never share
//! a signing key.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rusqlite::Connection;
use tempfile::TempDir;

use super::{key, postgres};

/// Writes a database with the schema and the market that is shipped into a new file.
pub(super) fn write_sqlite(file: &Path) {
    static TEMPLATE: OnceLock<Vec<u8>> = OnceLock::new();
    let template = TEMPLATE.get_or_init(|| {
        let dir = TempDir::new().expect("a directory");
        let path = dir.path().join("template.db");
        // Closed again, so that all of it is in the file and nothing in a log beside it.
        drop(store::Database::Sqlite(path.clone()).open(None).expect("a database"));
        fs::read(path).expect("a database")
    });
    let mut options = fs::OpenOptions::new();
    let file_is = options.write(true).create_new(true).mode(0o600).open(file);
    file_is.expect("a file").write_all(template).expect("a file is written");
    let connection = Connection::open(file).expect("the database");
    // Nobody needs this after a crash of the machine.
    connection
        .execute_batch(&format!("PRAGMA synchronous = OFF; {}", new_identity()))
        .expect("an identity");
}

/// The name of a PostgreSQL database with the schema and the market that is shipped. It is made
/// once for each state of what it is made of, and stays: runs of the same state share it.
pub(super) fn postgres_name(admin: &str) -> &'static str {
    static TEMPLATE: OnceLock<String> = OnceLock::new();
    TEMPLATE.get_or_init(|| {
        let state = state_of_the_schema();
        let name = format!("kola_template_{state:016x}");
        let mut client = postgres::connect(admin);
        // Another test process may be making it: it is not there under its name before it is whole.
        client
            .execute("SELECT pg_advisory_lock($1)", &[&i64::from_ne_bytes(state.to_ne_bytes())])
            .expect("a lock");
        let found = client
            .query("SELECT 1 FROM pg_database WHERE datname = $1", &[&name])
            .expect("a list of databases");
        if found.is_empty() {
            let own = postgres::PostgresDatabase::create(admin, "template0");
            let database: store::Database = own.url.parse().expect("a URL");
            drop(database.open(None).expect("a database"));
            own.end_all_connections();
            own.rename(&name);
        }
        name
    })
}

/// The statements that give a copy a UUID and a signing key of its own.
pub(super) fn new_identity() -> String {
    let secret = format!("{}{}", key(), key()).replace('-', "");
    let uuid = key();
    format!("UPDATE installation SET uuid = '{uuid}'; UPDATE signing_keys SET secret = '{secret}';")
}

/// A number that changes with the files that decide what is in a new database.
fn state_of_the_schema() -> u64 {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let mut files = vec![root.join("config.default.toml")];
    files_below(&root.join("migrations/postgres"), &mut files);
    files_below(&root.join("crates/store/src/schema"), &mut files);
    files.sort();
    let mut hasher = DefaultHasher::new();
    for file in files {
        fs::read(&file).expect("a file").hash(&mut hasher);
    }
    hasher.finish()
}

fn files_below(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { files_below(&path, files) } else { files.push(path) }
    }
}
