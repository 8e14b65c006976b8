//! A copy of a database file while servers use it, and such a copy in a database's place.
//!
//! `VACUUM INTO` reads one snapshot, however long it takes and however much is written meanwhile;
//! writers do not wait for it. SQLite's other way, the backup API, copies pages as they are and
//! begins anew whenever another process has written between two of its steps. Here every row is
//! read through the tables and written anew, so the copy is compact, too.
//!
//! What is not finished has a name of its own: an interrupted copy is never taken for a whole one.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use crate::schema::verify::{self, Report};
use crate::workspace::{file, sqlite};
use crate::{Database, StoreError, clock};

/// Copies the database file at `from` into a new file, which only its owner may read, and makes
/// sure that it can be used. Answers its size in bytes.
///
/// # Errors
/// [`StoreError`]; then there is no such file.
pub fn sqlite(from: &Path, to: &Path) -> Result<u64, StoreError> {
    let source = sqlite::open_as_it_is(from)?;
    let aside = file::aside(to, "partial")?;
    // Whatever it is, be it a link to nothing.
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
    source.execute("VACUUM INTO ?1", [name])?;
    // It was never opened: a log beside it is another file's.
    let copy = Connection::open_with_flags(
        to,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    copy.pragma_update(None, "application_id", file::UNOPENED)?;
    drop(copy);
    check(to)
}

/// Opens the copy as any program would, and reads all of it.
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

/// A backup that is in its place.
pub struct Restored {
    /// What was verified of it.
    pub report: Report,
    /// Where the database is now that was there before.
    pub before: Option<PathBuf>,
}

/// Puts a backup where the database of a stopped installation is. It is copied, brought up to date
/// and verified before anything is touched; the database that was there is kept beside it, with its
/// log.
///
/// # Errors
/// [`StoreError`]; then the database is as it was.
pub fn restore(from: &Path, to: &Path) -> Result<Restored, StoreError> {
    let to = &fs::canonicalize(to).unwrap_or_else(|_| to.to_owned());
    if fs::canonicalize(from).is_ok_and(|from| from == *to) {
        return Err(StoreError::Refused(format!("{} is the database itself", from.display())));
    }
    let aside = file::aside(to, "restoring")?;
    let done = prepare(from, &aside)
        .and_then(|report| Ok(Restored { report, before: exchange(&aside, to)? }));
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

/// A name for what was there, which nothing has: another database may have been put away in the
/// same second.
fn kept_as(to: &Path, now: &str) -> PathBuf {
    let first = file::beside(to, &format!(".before-{now}"));
    let others = (2_u32..).map(|n| file::beside(&first, &format!("-{n}")));
    let is_free = |path: &PathBuf| {
        [path, &file::beside(path, "-wal")].iter().all(|path| fs::symlink_metadata(path).is_err())
    };
    std::iter::once(first.clone()).chain(others).find(is_free).unwrap_or_else(|| first.clone())
}

/// Moves what is there out of the way, the database before its log: a log without its database is
/// noticed, a database without its log is not.
fn exchange(aside: &Path, to: &Path) -> Result<Option<PathBuf>, StoreError> {
    let failed = |error| StoreError::Open { path: to.to_owned(), error };
    let alone = match file::lock_exclusively(to) {
        Ok(alone) => Some(alone),
        Err(StoreError::Open { error, .. }) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let now = clock::now().to_string().replace(':', "");
    let before = kept_as(to, now.split(['.', 'Z']).next().unwrap_or_default());
    if alone.is_some() {
        fs::rename(to, &before).map_err(failed)?;
    }
    let done = move_log(to, &before).map_err(failed).and_then(|()| publish(aside, to));
    match done {
        Ok(_) => Ok(alone.map(|_| before)),
        Err(error) => {
            move_back(&before, to);
            Err(error)
        }
    }
}

/// Moves the log of a database beside its new name. The index of a log is made anew from it.
fn move_log(from: &Path, to: &Path) -> io::Result<()> {
    if_there(fs::rename(file::beside(from, "-wal"), file::beside(to, "-wal")))?;
    if_there(fs::remove_file(file::beside(from, "-shm")))
}

fn if_there(done: io::Result<()>) -> io::Result<()> {
    done.or_else(|error| if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

/// Gives what was there its name again, the log first.
fn move_back(before: &Path, to: &Path) {
    let back = move_log(before, to).and_then(|()| if_there(fs::rename(before, to)));
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
        let log = file::beside(&to, "-wal");
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
        let kept = || kept_as(&path, "2026-01-02T030405");
        assert_eq!(name(kept()), "kola.db.before-2026-01-02T030405");
        fs::write(kept(), "a database").unwrap();
        assert_eq!(name(kept()), "kola.db.before-2026-01-02T030405-2");
        fs::write(file::beside(&kept(), "-wal"), "a log").unwrap();
        assert_eq!(name(kept()), "kola.db.before-2026-01-02T030405-3");
    }
}
