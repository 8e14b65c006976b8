//! A copy of a database file while servers use it.
//!
//! `VACUUM INTO` reads one snapshot, however long it takes and however much is written meanwhile; writers do not wait for it.
//! SQLite's other way, the backup API, copies pages as they are and begins anew whenever another process has written between
//! two of its steps. Here every row is read through the tables and written anew, so the copy is compact, too.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::{StoreError, sqlite};

/// Copies the database file at `from` into a new file, which only its owner may read, and makes sure that it can be used.
/// Answers its size in bytes.
///
/// # Errors
/// [`StoreError`]; then there is no such file.
pub fn sqlite(from: &Path, to: &Path) -> Result<u64, StoreError> {
    let source = sqlite::open_as_it_is(from)?;
    let name = to.to_str().ok_or_else(|| StoreError::Refused("the name of the file is not UTF-8".to_owned()))?;
    let failed = |error| StoreError::Open { path: to.to_owned(), error };
    sqlite::create_new(to).map_err(failed)?;
    let copied = source.execute("VACUUM INTO ?1", [name]).map_err(StoreError::from);
    let whole = copied.and_then(|_| check(to)).and_then(|()| on_disk(to).map_err(failed));
    if whole.is_err()
        && let Err(error) = std::fs::remove_file(to)
    {
        tracing::warn!(%error, "a backup that failed could not be removed");
    }
    whole
}

/// Opens the copy as any program would, and reads all of it.
fn check(path: &Path) -> Result<(), StoreError> {
    let copy = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    let said: String = copy.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if said == "ok" { Ok(()) } else { Err(StoreError::Refused(format!("the copy is damaged: {said}"))) }
}

/// The file and its name are on disk, not only in memory.
fn on_disk(path: &Path) -> std::io::Result<u64> {
    let file = std::fs::File::open(path)?;
    file.sync_all()?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::File::open(folder)?.sync_all()?;
    Ok(file.metadata()?.len())
}
