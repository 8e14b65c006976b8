//! Backup and restore of a SQLite database file. A backup is made while servers use the database.
//!
//! `VACUUM INTO` reads one snapshot, however long it takes and however much is written meanwhile;
//! writers do not wait for it. SQLite's other way, the backup API, copies pages as they are and
//! starts again whenever another process has written between two of its steps. `VACUUM INTO` also
//! writes every row anew, so the copy is compact.
//!
//! A copy has a temporary name until it is complete: an interrupted one is never taken for a
//! backup.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use crate::progress::{self, Unit};
use crate::schema::networks;
use crate::schema::verify::{self, Report};
use crate::workspace::{file, sqlite};
use crate::{Database, StoreError, clock};

/// Copies the database file at `from` into a new file, which only its owner may read, and checks
/// the copy. Returns its size in bytes.
///
/// # Errors
/// [`StoreError`]; then the new file does not exist.
pub fn sqlite(from: &Path, to: &Path) -> Result<u64, StoreError> {
    let source = sqlite::open_as_it_is(from)?;
    let aside = file::aside(to, "partial")?;
    // Without following links: a dangling link is in the way, too.
    if fs::symlink_metadata(to).is_ok() {
        return Err(StoreError::Refused(
            "it exists, and nothing is written over: give another name".to_owned(),
        ));
    }
    let whole = copy(&source, &aside).and_then(|()| publish(&aside, to));
    whole.inspect_err(|_| file::remove(&aside))
}

fn publish(aside: &Path, to: &Path) -> Result<u64, StoreError> {
    file::publish(aside, to).map_err(|error| StoreError::Open { path: to.to_owned(), error })
}

fn copy(source: &Connection, to: &Path) -> Result<(), StoreError> {
    file::create_new(to).map_err(|error| StoreError::Open { path: to.to_owned(), error })?;
    let name = to
        .to_str()
        .ok_or_else(|| StoreError::Refused("the name of the file is not UTF-8".to_owned()))?;
    progress::begin_file("copying", to, size_of(source)?);
    source.execute("VACUUM INTO ?1", [name])?;
    progress::begin("checking the copy", Unit::Steps, None);
    // The mark says that no server has opened this file yet. A log found beside an unopened
    // database belongs to another file and must not be applied to it.
    let copy = Connection::open_with_flags(
        to,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    copy.pragma_update(None, "application_id", file::UNOPENED)?;
    drop(copy);
    check(to)
}

/// The bytes of a database without its free pages: a compact copy has about as many.
fn size_of(database: &Connection) -> Result<u64, StoreError> {
    let text = "SELECT (page_count - freelist_count) * page_size \
                FROM pragma_page_count, pragma_freelist_count, pragma_page_size";
    let bytes: i64 = database.query_row(text, [], |row| row.get(0))?;
    Ok(bytes.unsigned_abs())
}

/// Opens the copy as any program would, and checks all of its pages.
fn check(path: &Path) -> Result<(), StoreError> {
    let copy = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    let said: String = copy.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if said == "ok" {
        Ok(())
    } else {
        Err(StoreError::Refused(format!("the copy is damaged: {said}")))
    }
}

/// What a restore did.
pub struct Restored {
    /// How many accounts at real networks are held until an operator resumes them.
    pub held_accounts: u64,
    /// The verification of the restored database.
    pub report: Report,
    /// Where the previous database is kept now.
    pub before: Option<PathBuf>,
}

/// Restores a backup in the place of a stopped installation's database. The backup is copied,
/// migrated and verified before anything is touched. The previous database is kept beside it, with
/// its log.
///
/// # Errors
/// [`StoreError`]; then the database is as it was.
pub fn restore(from: &Path, to: &Path) -> Result<Restored, StoreError> {
    let to = &fs::canonicalize(to).unwrap_or_else(|_| to.to_owned());
    if fs::canonicalize(from).is_ok_and(|from| from == *to) {
        return Err(StoreError::Refused(format!("{} is the database itself", from.display())));
    }
    let aside = file::aside(to, "restoring")?;
    let done = prepare(from, &aside).and_then(|(report, held_accounts)| {
        Ok(Restored { report, held_accounts, before: exchange(&aside, to)? })
    });
    done.inspect_err(|_| file::remove(&aside))
}

fn prepare(from: &Path, aside: &Path) -> Result<(Report, u64), StoreError> {
    copy(&sqlite::open_as_it_is(from)?, aside)?;
    let mut sql = Database::Sqlite(aside.to_owned()).open(None)?;
    // Before the verification, which makes the connection one that only reads.
    let held_accounts = networks::hold(sql.as_mut(), Some(clock::now()))?;
    // What was used after the backup is not used again: others may have seen it.
    sql.execute("UPDATE installation SET next_id = next_id + 100000000000", &vec![])?;
    let report = verify::verify(sql.as_mut())?;
    match report.violations.first() {
        None => Ok((report, held_accounts)),
        Some((rule, place)) => Err(StoreError::Refused(format!(
            "the ledger of {} is broken: {rule}: {place}; {} violations in all",
            from.display(),
            report.violations.len()
        ))),
    }
}

/// A free name under which the previous database is kept. Another database may have been put away
/// in the same second.
fn free_name(to: &Path, now: &str) -> PathBuf {
    let first = file::with_suffix(to, &format!(".before-{now}"));
    let others = (2_u32..).map(|n| file::with_suffix(&first, &format!("-{n}")));
    let is_free = |path: &PathBuf| {
        [path, &file::with_suffix(path, "-wal")]
            .iter()
            .all(|path| fs::symlink_metadata(path).is_err())
    };
    std::iter::once(first.clone()).chain(others).find(is_free).unwrap_or_else(|| first.clone())
}

/// Moves the previous database out of the way and the new one into its place. The database is moved
/// before its log: after a crash in between, a log without its database is noticed, while a
/// database without its log would silently lack its last commits.
fn exchange(aside: &Path, to: &Path) -> Result<Option<PathBuf>, StoreError> {
    let failed = |error| StoreError::Open { path: to.to_owned(), error };
    // The lock proves that no process uses the database. It is held until the exchange is done.
    let lock = match file::lock_exclusively(to) {
        Ok(lock) => Some(lock),
        Err(StoreError::Open { error, .. }) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let now = clock::now().to_string().replace(':', "");
    let before = free_name(to, now.split(['.', 'Z']).next().unwrap_or_default());
    if lock.is_some() {
        fs::rename(to, &before).map_err(failed)?;
    }
    let done = move_log(to, &before).map_err(failed).and_then(|()| publish(aside, to));
    match done {
        Ok(_) => Ok(lock.map(|_| before)),
        Err(error) => {
            move_back(&before, to);
            Err(error)
        }
    }
}

/// Moves the log (`-wal`) of a database to its new name. The log's index (`-shm`) is removed:
/// SQLite rebuilds it from the log.
fn move_log(from: &Path, to: &Path) -> io::Result<()> {
    ignore_missing(fs::rename(file::with_suffix(from, "-wal"), file::with_suffix(to, "-wal")))?;
    ignore_missing(fs::remove_file(file::with_suffix(from, "-shm")))
}

fn ignore_missing(done: io::Result<()>) -> io::Result<()> {
    done.or_else(|error| if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

/// Gives the previous database its name again. The log comes first, so that the database is never
/// in its place without it.
fn move_back(before: &Path, to: &Path) {
    let back = move_log(before, to).and_then(|()| ignore_missing(fs::rename(before, to)));
    if let Err(error) = back {
        tracing::error!(%error, database = %before.display(), "the database that was there could not be given its name again");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_exchanged_stays_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let (to, nothing) = (folder.path().join("kola.db"), folder.path().join("nothing"));
        let log = file::with_suffix(&to, "-wal");
        for (path, text) in [(&to, "database"), (&log, "log")] {
            fs::write(path, text).unwrap();
        }
        exchange(&nothing, &to).unwrap_err();
        assert_eq!(
            [fs::read_to_string(&to).unwrap(), fs::read_to_string(&log).unwrap()],
            ["database", "log"]
        );
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn what_was_put_away_in_the_same_second_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kola.db");
        let name = |path: PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
        let kept = || free_name(&path, "2026-01-02T030405");
        assert_eq!(name(kept()), "kola.db.before-2026-01-02T030405");
        fs::write(kept(), "a database").unwrap();
        assert_eq!(name(kept()), "kola.db.before-2026-01-02T030405-2");
        fs::write(file::with_suffix(&kept(), "-wal"), "a log").unwrap();
        assert_eq!(name(kept()), "kola.db.before-2026-01-02T030405-3");
    }
}
