//! A copy of a database file while servers use it, and such a copy in a database's place.
//!
//! `VACUUM INTO` reads one snapshot, however long it takes and however much is written meanwhile; writers do not wait for it.
//! SQLite's other way, the backup API, copies pages as they are and begins anew whenever another process has written between
//! two of its steps. Here every row is read through the tables and written anew, so the copy is compact, too.
//!
//! What is not finished has a name of its own: an interrupted copy is never taken for a whole one.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::verify::{self, Report};
use super::{Database, StoreError, file, sqlite};
use crate::clock;

/// Copies the database file at `from` into a new file, which only its owner may read, and makes sure that it can be used.
/// Answers its size in bytes.
///
/// # Errors
/// [`StoreError`]; then there is no such file.
pub fn sqlite(from: &Path, to: &Path) -> Result<u64, StoreError> {
    let source = sqlite::open_as_it_is(from)?;
    let aside = file::aside(to, "partial")?;
    // Whatever it is, be it a link to nothing.
    if fs::symlink_metadata(to).is_ok() {
        return Err(StoreError::Refused("it exists, and nothing is written over: give another name".to_owned()));
    }
    let whole = copy(&source, &aside).and_then(|()| publish(&aside, to));
    whole.inspect_err(|_| file::remove(&aside))
}

fn publish(aside: &Path, to: &Path) -> Result<u64, StoreError> {
    file::publish(aside, to).map_err(|error| StoreError::Open { path: to.to_owned(), error })
}

fn copy(source: &Connection, to: &Path) -> Result<(), StoreError> {
    file::create_new(to).map_err(|error| StoreError::Open { path: to.to_owned(), error })?;
    let name = to.to_str().ok_or_else(|| StoreError::Refused("the name of the file is not UTF-8".to_owned()))?;
    source.execute("VACUUM INTO ?1", [name])?;
    // It was never opened: a log beside it is another file's.
    let copy = Connection::open_with_flags(to, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    copy.pragma_update(None, "application_id", file::UNOPENED)?;
    drop(copy);
    check(to)
}

/// Opens the copy as any program would, and reads all of it.
fn check(path: &Path) -> Result<(), StoreError> {
    let copy = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    let said: String = copy.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if said == "ok" { Ok(()) } else { Err(StoreError::Refused(format!("the copy is damaged: {said}"))) }
}

/// A backup that is in its place.
pub struct Restored {
    /// What was verified of it.
    pub report: Report,
    /// Where the database is now that was there before.
    pub before: Option<PathBuf>,
}

/// Puts a backup where the database of a stopped installation is. It is copied, brought up to date and verified before anything
/// is touched; the database that was there is kept beside it, with its log.
///
/// # Errors
/// [`StoreError`]; then the database is as it was.
pub fn restore(from: &Path, to: &Path) -> Result<Restored, StoreError> {
    let to = &fs::canonicalize(to).unwrap_or_else(|_| to.to_owned());
    if fs::canonicalize(from).is_ok_and(|from| from == *to) {
        return Err(StoreError::Refused(format!("{} is the database itself", from.display())));
    }
    let aside = file::aside(to, "restoring")?;
    let done = prepare(from, &aside).and_then(|report| Ok(Restored { report, before: exchange(&aside, to)? }));
    done.inspect_err(|_| file::remove(&aside))
}

fn prepare(from: &Path, aside: &Path) -> Result<Report, StoreError> {
    copy(&sqlite::open_as_it_is(from)?, aside)?;
    let mut sql = Database::Sqlite(aside.to_owned()).open(None)?;
    let report = verify::verify(sql.as_mut())?;
    match report.violations.first() {
        None => Ok(report),
        Some((rule, place)) => Err(StoreError::Refused(format!(
            "the ledger of {} is broken: {rule}: {place}; {} violations in all",
            from.display(),
            report.violations.len()
        ))),
    }
}

/// Where a database is kept that another takes the place of. What was kept by an earlier restoring, in the same second even, or
/// is left of one that was interrupted, is not written over.
fn free_name(to: &Path) -> PathBuf {
    let now = clock::now().to_string().replace(':', "");
    let first = format!(".before-{}", now.split(['.', 'Z']).next().unwrap_or_default());
    let is_free = |path: &PathBuf| ["", "-wal"].iter().all(|ending| fs::symlink_metadata(file::beside(path, ending)).is_err());
    let mut before = file::beside(to, &first);
    let mut count = 1;
    while !is_free(&before) {
        count += 1;
        before = file::beside(to, &format!("{first}-{count}"));
    }
    before
}

/// Moves what is there out of the way, the database before its log: a log without its database is noticed, a database without
/// its log is not.
fn exchange(aside: &Path, to: &Path) -> Result<Option<PathBuf>, StoreError> {
    let failed = |error| StoreError::Open { path: to.to_owned(), error };
    let alone = match file::alone(to) {
        Ok(alone) => Some(alone),
        Err(StoreError::Open { error, .. }) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let before = free_name(to);
    if alone.is_some() {
        fs::rename(to, &before).map_err(failed)?;
    }
    // The index of a log is made anew from it.
    for (ending, kept) in [("-wal", Some(file::beside(&before, "-wal"))), ("-shm", None)] {
        let path = file::beside(to, ending);
        let moved = kept.map_or_else(|| fs::remove_file(&path), |kept| fs::rename(&path, kept));
        match moved {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
    }
    publish(aside, to)?;
    Ok(alone.map(|_| before))
}
