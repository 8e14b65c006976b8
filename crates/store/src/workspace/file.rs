//! A database file of SQLite's as a file: which one may be opened, how a new one comes to its name,
//! whose log lies beside it, and whether it is still the one that was opened.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use crate::hex::hex;
use crate::{StoreError, clock};

/// How a database of SQLite's begins.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";
/// Where its header has the number that says whose file it is.
const APPLICATION: std::ops::Range<usize> = 68..72;
/// The end of the name of a log's index.
const INDEX: &str = "-shm";
/// That number of a backup which nobody has opened: it has no log, so that a log beside it is
/// another file's.
pub const UNOPENED: i32 = i32::from_be_bytes(*b"kolc");

fn refused(why: String) -> StoreError {
    StoreError::Refused(why)
}

fn failed(path: &Path) -> impl Fn(io::Error) -> StoreError {
    move |error| StoreError::Open { path: path.to_owned(), error }
}

/// SQLite's own files beside the database: `-wal`, the log of what was committed lately, and
/// `-shm`, its index.
#[must_use]
pub fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    name.into()
}

/// The ends of the names of SQLite's own files beside a database.
const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];

/// A name in the same folder for what is not finished.
///
/// # Errors
/// When the path has no file name, SQLite would read it as a URI, or take the file for one of its
/// own: a copy of `kola.db` that is named `kola.db-journal` keeps others from opening `kola.db`,
/// and is removed with the next start.
pub fn aside(path: &Path, ending: &str) -> Result<PathBuf, StoreError> {
    let name = path.file_name().and_then(|name| name.to_str()).filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| {
        refused(format!("{} is no name for a file, or not UTF-8", path.display()))
    })?;
    if path.to_str().is_none_or(|path| path.starts_with("file:")) {
        return Err(refused(format!(
            "{} looks like a URI: write a path, like ./{name}",
            path.display()
        )));
    }
    if BESIDE.iter().any(|ending| name.ends_with(ending)) {
        return Err(refused(format!(
            "{}: SQLite gives such names to its own files beside a database",
            path.display()
        )));
    }
    Ok(path.with_file_name(format!(".{name}.{}.{ending}", hex(&clock::random::<6>()?))))
}

/// Makes an empty file that only its owner may read, where there is none.
///
/// # Errors
/// When there is one, or it cannot be made.
pub fn create_new(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

/// Gives a finished file its name, with all that is in it on disk. Nothing that has the name is
/// written over.
///
/// # Errors
/// [`ErrorKind::AlreadyExists`], and whatever the disk says.
pub fn publish(aside: &Path, path: &Path) -> io::Result<u64> {
    let file = File::open(aside)?;
    file.sync_all()?;
    rename_without_replacing(aside, path)?;
    let folder =
        path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()?;
    Ok(file.metadata()?.len())
}

fn rename_without_replacing(from: &Path, to: &Path) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            Ok(()) => return Ok(()),
            Err(error) if error == rustix::io::Errno::EXIST => return Err(error.into()),
            // A file system that cannot.
            Err(_) => {}
        }
    }
    fs::hard_link(from, to)?;
    fs::remove_file(from)
}

/// Removes a database file that nobody needs, and what lies beside it.
pub fn remove(path: &Path) {
    for path in std::iter::once(path.to_owned()).chain(BESIDE.map(|ending| beside(path, ending))) {
        if let Err(error) = fs::remove_file(&path)
            && error.kind() != ErrorKind::NotFound
        {
            tracing::warn!(%error, path = %path.display(), "a file that is not needed any more could not be removed");
        }
    }
}

/// Whether there is a database at this path. Before SQLite touches it: it would fill an empty file,
/// follow a link to nothing, and read the log of another file into this one.
///
/// # Errors
/// [`StoreError::Refused`] for what is no database, or lies beside a log that is not its own.
pub fn is_there(path: &Path) -> Result<bool, StoreError> {
    let name = path.display();
    if path.to_str().is_some_and(|path| path.starts_with("file:")) {
        return Err(refused(format!("{name} looks like a URI: write a path, like ./{name}")));
    }
    let log = beside(path, "-wal");
    let has_log = fs::metadata(&log).is_ok_and(|log| log.len() > 0);
    let log = log.display();
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound && has_log => {
            return Err(refused(format!(
                "{log} is the log of a database that is not there, with payments that are nowhere else: put {name} back \
                 beside it, or move the log away and use `kola db restore`"
            )));
        }
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(failed(path)(error)),
        Ok(_) => {}
    }
    let found = fs::metadata(path)
        .map_err(|_| refused(format!("{name} is a link to what is not there")))?;
    if !found.is_file() {
        return Err(refused(format!("{name} is no file")));
    }
    if found.len() == 0 {
        return Err(refused(format!(
            "{name} is empty, and no database: kola writes to no file that it has not made; remove it"
        )));
    }
    if owner(path).map_err(failed(path))?.is_none() {
        return Err(refused(format!("{name} is no database of SQLite's")));
    }
    if has_log && is_anothers(path).map_err(failed(path))? {
        return Err(refused(format!(
            "{log} is not the log of {name}, which was put in the place of another file: SQLite would read payments of that one \
             into it. Use `kola db restore` to put a backup in a database's place, or move {log} and its -shm away"
        )));
    }
    Ok(true)
}

/// The number in a database's header that says whose file it is; `None` where that is no header.
fn owner(path: &Path) -> io::Result<Option<[u8; 4]>> {
    let mut head = [0; 100];
    match File::open(path)?.read_exact(&mut head) {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
        Ok(()) if !head.starts_with(MAGIC) => Ok(None),
        Ok(()) => Ok(head.get(APPLICATION).and_then(|number| number.try_into().ok())),
    }
}

/// Whether a log holds another number than the database beside it.
fn is_anothers(path: &Path) -> io::Result<bool> {
    let differ = || {
        let (owner, of_log) = (owner(path)?, owner_in_log(&beside(path, "-wal"))?);
        Ok(owner == Some(UNOPENED.to_be_bytes()) || of_log.is_some() && of_log != owner)
    };
    if !differ()? {
        return Ok(false);
    }
    // A server may be renewing the number at this very moment.
    std::thread::sleep(Duration::from_millis(250));
    differ()
}

/// The number as the log has it: in its last copy of the database's first page. `None` where it has
/// no such copy.
fn owner_in_log(path: &Path) -> io::Result<Option<[u8; 4]>> {
    const HEADER: usize = 32;
    const FRAME: usize = 24;
    let mut log = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        opened => BufReader::new(opened?),
    };
    let mut header = [0; HEADER];
    if log.read_exact(&mut header).is_err() {
        return Ok(None);
    }
    let word = |bytes: &[u8], at: usize| {
        bytes.get(at..at + 4).and_then(|word| word.try_into().ok()).map_or(0, u32::from_be_bytes)
    };
    let (page, salts) = (i64::from(word(&header, 8)), (word(&header, 16), word(&header, 20)));
    let mut found = None;
    let mut frame = [0; FRAME];
    // What follows with other salts is left of an earlier round.
    while log.read_exact(&mut frame).is_ok() && (word(&frame, 8), word(&frame, 12)) == salts {
        if word(&frame, 0) != 1 {
            log.seek_relative(page)?;
            continue;
        }
        let mut first = [0; 100];
        if log.read_exact(&mut first).is_err() {
            break;
        }
        found = first.get(APPLICATION).and_then(|number| number.try_into().ok());
        log.seek_relative(page.saturating_sub(100))?;
    }
    Ok(found)
}

/// Gives the database of a server that starts a new number, in the file itself and at the beginning
/// of its log: so this log is not taken for that of a copy which was made before. Where another
/// process has the file open, both keep the number they have.
pub fn renew(connection: &Connection) -> Result<(), StoreError> {
    let mode = |mode: &str| {
        connection
            .pragma_update_and_check(None, "journal_mode", mode, |row| row.get::<_, String>(0))
    };
    match mode("DELETE").map_err(StoreError::from) {
        Ok(now) if now == "delete" => {
            let [a, b, c] = clock::random::<3>()?;
            connection.pragma_update(None, "application_id", i32::from_be_bytes([1, a, b, c]))?;
            mode("WAL")?;
        }
        Ok(_) => {}
        Err(error) if error.is_busy() => return Ok(()),
        Err(error) => return Err(error),
    }
    // Writes the first page, and nothing else.
    let version =
        connection.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))?;
    Ok(connection.pragma_update(None, "user_version", version)?)
}

/// A file that no process may use meanwhile.
pub struct Alone(
    #[expect(dead_code, reason = "the lock is held as long as the file is open")] File,
);

/// Makes sure that no other process has a database open. Only before this process opens it.
///
/// # Errors
/// [`StoreError::Refused`] when one has.
pub fn alone(path: &Path) -> Result<Alone, StoreError> {
    let file = OpenOptions::new().read(true).write(true).open(path).map_err(failed(path))?;
    // Every connection of SQLite's to a database with a log holds a lock on some bytes of the file
    // until it is closed.
    #[cfg(unix)]
    match rustix::fs::fcntl_lock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::AGAIN | rustix::io::Errno::ACCESS) => {
            return Err(refused(format!(
                "{} is in use: stop the server, and whatever else has it open",
                path.display()
            )));
        }
        Err(error) => return Err(failed(path)(error.into())),
    }
    Ok(Alone(file))
}

/// What a file is known by while it has names.
type Identity = (u64, u64);

fn identity(path: &Path) -> Option<Identity> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        fs::metadata(path).ok().map(|found| (found.dev(), found.ino()))
    }
    #[cfg(not(unix))]
    {
        // A file that is open there can be neither removed nor replaced.
        fs::metadata(path).ok().map(|_| (0, 0))
    }
}

/// The files that a connection has open: the database, its log, and the index of its log. The index
/// has the locks, too: beside one without a name another process makes its own, and both write over
/// what the other has appended to the log.
#[derive(Debug)]
pub struct Opened(Vec<(PathBuf, Identity)>);

impl Opened {
    /// Those of a connection that has read already.
    #[must_use]
    pub fn of(connection: &Connection) -> Self {
        let path = connection.path().filter(|path| !path.is_empty()).map(PathBuf::from);
        let files = path.map(|path| {
            let (log, index) = (beside(&path, "-wal"), beside(&path, INDEX));
            [path, log, index]
        });
        let files = files.into_iter().flatten();
        Self(files.filter_map(|path| identity(&path).map(|found| (path, found))).collect())
    }

    /// Makes sure that they are still there under their names: what is written into a file without
    /// a name is gone when the process ends.
    ///
    /// # Errors
    /// [`StoreError::FileMoved`].
    pub fn check(&self) -> Result<(), StoreError> {
        match self.0.iter().find(|(path, opened)| identity(path) != Some(*opened)) {
            None => Ok(()),
            Some((path, _)) => Err(StoreError::FileMoved { path: path.clone() }),
        }
    }

    /// Before a connection is closed: where only the index was removed or replaced, the log is left
    /// to whoever opens the database next, who makes the index anew. By the old one it would be
    /// written back and removed without what other processes have appended since.
    pub fn leave_log(&self, connection: &Connection) {
        let is_index =
            |path: &Path| path.as_os_str().as_encoded_bytes().ends_with(INDEX.as_bytes());
        let only_index =
            matches!(self.check(), Err(StoreError::FileMoved { path }) if is_index(&path));
        if only_index
            && let Err(error) =
                connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)
        {
            tracing::error!(%error, "the log of the database cannot be left as it is");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_database_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kola.db");
        assert!(!is_there(&path).unwrap());
        let said = |path: &Path| is_there(path).unwrap_err().to_string();
        assert!(said(folder.path()).contains("is no file"));
        fs::write(&path, "").unwrap();
        assert!(said(&path).contains("is empty"));
        fs::write(&path, "a letter").unwrap();
        assert!(said(&path).contains("no database of SQLite's"));
        fs::remove_file(&path).unwrap();
        fs::write(beside(&path, "-wal"), "a log").unwrap();
        assert!(said(&path).contains("log of a database that is not there"));
        assert!(said(Path::new("file:kola.db")).contains("looks like a URI"));
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink("nowhere", folder.path().join("link")).unwrap();
            assert!(said(&folder.path().join("link")).contains("a link to what is not there"));
        }
    }

    #[test]
    fn a_log_is_known_by_the_number_of_its_database() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kola.db");
        let write = |number: i32| {
            let connection = Connection::open(&path).unwrap();
            connection
                .execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE IF NOT EXISTS t (x)")
                .unwrap();
            renew(&connection).unwrap();
            connection.execute("INSERT INTO t VALUES (?1)", [number]).unwrap();
            connection
        };
        drop(write(1));
        let earlier = fs::read(&path).unwrap();
        let open = write(2);
        let log = owner_in_log(&beside(&path, "-wal")).unwrap();
        assert!(log.is_some() && log == owner(&path).unwrap());
        assert!(!is_anothers(&path).unwrap());
        // Another connection keeps the number from being renewed.
        let second = write(3);
        assert_eq!(owner_in_log(&beside(&path, "-wal")).unwrap(), log);
        let (copy, log) = (folder.path().join("copy.db"), fs::read(beside(&path, "-wal")).unwrap());
        fs::write(&copy, earlier).unwrap();
        fs::write(beside(&copy, "-wal"), log).unwrap();
        assert!(
            is_anothers(&copy).unwrap()
                && is_there(&copy).unwrap_err().to_string().contains("is not the log of")
        );
        drop((open, second));
    }

    #[test]
    fn a_name_that_is_taken_is_not_given_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kola.db");
        let aside = aside(&path, "new").unwrap();
        create_new(&aside).unwrap();
        publish(&aside, &path).unwrap();
        create_new(&aside).unwrap();
        assert_eq!(publish(&aside, &path).unwrap_err().kind(), ErrorKind::AlreadyExists);
        for name in ["file:x", "..", "kola.db-wal", "kola.db-shm", "kola.db-journal"] {
            assert!(super::aside(Path::new(name), "new").is_err(), "{name}");
        }
    }
}
