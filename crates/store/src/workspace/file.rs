//! SQLite's database file: which file may be opened, how a new one is given its name, whether the
//! write-ahead log (`-wal`) of its name is its own, and whether the file was moved while it is
//! open.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use crate::hex::hex;
use crate::{StoreError, clock};

/// The first bytes of every database of SQLite.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";
/// The position of the application id in the header. kola gives each database a random one, to tell
/// whether a log belongs to it.
const APPLICATION_ID: std::ops::Range<usize> = 68..72;
/// The suffix of the index of the log, a file that the processes share as memory.
const INDEX_SUFFIX: &str = "-shm";
/// The application id of a backup that was never opened. It has no log, so a log of its name
/// belongs to another file.
pub const UNOPENED: i32 = i32::from_be_bytes(*b"kolc");

fn refused(why: String) -> StoreError {
    StoreError::Refused(why)
}

fn failed(path: &Path) -> impl Fn(io::Error) -> StoreError {
    move |error| StoreError::Open { path: path.to_owned(), error }
}

/// The path of one of SQLite's own files in the database's folder: `-wal` is the log of recent
/// commits, `-shm` its index.
#[must_use]
pub fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

/// The suffixes of SQLite's own files in the database's folder.
const SQLITE_SUFFIXES: [&str; 3] = ["-wal", "-shm", "-journal"];

/// A temporary name in the same folder, for a file that is still being written.
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
    if SQLITE_SUFFIXES.iter().any(|ending| name.ends_with(ending)) {
        return Err(refused(format!(
            "{}: SQLite gives such names to its own files beside a database",
            path.display()
        )));
    }
    Ok(path.with_file_name(format!(".{name}.{}.{ending}", hex(&clock::random::<6>()?))))
}

/// Creates an empty file that only its owner may read.
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

/// Syncs a finished file and renames it to its final name, without replacing an existing file.
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
            // The file system does not support it.
            Err(_) => {}
        }
    }
    fs::hard_link(from, to)?;
    fs::remove_file(from)
}

/// Removes a database file that is no longer needed, with SQLite's own files of its name.
pub fn remove(path: &Path) {
    for path in std::iter::once(path.to_owned())
        .chain(SQLITE_SUFFIXES.map(|suffix| with_suffix(path, suffix)))
    {
        if let Err(error) = fs::remove_file(&path)
            && error.kind() != ErrorKind::NotFound
        {
            tracing::warn!(%error, path = %path.display(), "a file that is not needed any more could not be removed");
        }
    }
}

/// Whether there is a database at this path. This is checked before SQLite opens it, because SQLite
/// would fill an empty file, follow a dangling link, and apply the log of another file to this one.
///
/// # Errors
/// [`StoreError::Refused`] for what is no database, or lies beside a log that is not its own.
pub fn exists(path: &Path) -> Result<bool, StoreError> {
    let name = path.display();
    if path.to_str().is_some_and(|path| path.starts_with("file:")) {
        return Err(refused(format!("{name} looks like a URI: write a path, like ./{name}")));
    }
    let log = with_suffix(path, "-wal");
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
    if application_id(path).map_err(failed(path))?.is_none() {
        return Err(refused(format!("{name} is no database of SQLite's")));
    }
    if has_log && has_foreign_log(path).map_err(failed(path))? {
        return Err(refused(format!(
            "{log} is not the log of {name}, which was put in the place of another file: SQLite would read payments of that one \
             into it. Use `kola db restore` to put a backup in a database's place, or move {log} and its -shm away"
        )));
    }
    Ok(true)
}

/// The application id in a database's header; `None` if the file has no such header.
fn application_id(path: &Path) -> io::Result<Option<[u8; 4]>> {
    let mut head = [0; 100];
    match File::open(path)?.read_exact(&mut head) {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
        Ok(()) if !head.starts_with(MAGIC) => Ok(None),
        Ok(()) => Ok(head.get(APPLICATION_ID).and_then(|number| number.try_into().ok())),
    }
}

/// Whether the log of this name belongs to another database: their application ids differ.
fn has_foreign_log(path: &Path) -> io::Result<bool> {
    let differ = || {
        let (of_file, of_log) =
            (application_id(path)?, application_id_in_log(&with_suffix(path, "-wal"))?);
        Ok(of_file == Some(UNOPENED.to_be_bytes()) || of_log.is_some() && of_log != of_file)
    };
    if !differ()? {
        return Ok(false);
    }
    // A server may be changing the application id at this moment: check a second time.
    std::thread::sleep(Duration::from_millis(250));
    differ()
}

/// The application id in the log's last copy of the database's first page; `None` if the log has no
/// such copy.
fn application_id_in_log(path: &Path) -> io::Result<Option<[u8; 4]>> {
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
    // Frames with other salts are left over from before the last checkpoint.
    while log.read_exact(&mut frame).is_ok() && (word(&frame, 8), word(&frame, 12)) == salts {
        if word(&frame, 0) != 1 {
            log.seek_relative(page)?;
            continue;
        }
        let mut first = [0; 100];
        if log.read_exact(&mut first).is_err() {
            break;
        }
        found = first.get(APPLICATION_ID).and_then(|number| number.try_into().ok());
        log.seek_relative(page.saturating_sub(100))?;
    }
    Ok(found)
}

/// Gives the database a new application id when a server starts, in the file itself and at the
/// start of its log. So this log is never taken for that of a copy that was made earlier. If
/// another process has the file open, the id stays as it is.
pub fn renew_application_id(connection: &Connection) -> Result<(), StoreError> {
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
    // Writes the first page to the log, and changes nothing.
    let version =
        connection.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))?;
    Ok(connection.pragma_update(None, "user_version", version)?)
}

/// A lock on a database file: no other process can use it.
pub struct ExclusiveFileLock(
    #[expect(dead_code, reason = "the lock is held as long as the file is open")] File,
);

/// Makes sure that no other process has the database open. Must be called before this process opens
/// it.
///
/// # Errors
/// [`StoreError::Refused`] when one has.
pub fn lock_exclusively(path: &Path) -> Result<ExclusiveFileLock, StoreError> {
    let file = OpenOptions::new().read(true).write(true).open(path).map_err(failed(path))?;
    // Every connection of SQLite to a database with a log holds a lock on some bytes of the file
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
    Ok(ExclusiveFileLock(file))
}

/// Device and inode.
type Identity = (u64, u64);

fn identity(path: &Path) -> Option<Identity> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        fs::metadata(path).ok().map(|found| (found.dev(), found.ino()))
    }
    #[cfg(not(unix))]
    {
        // On such systems an open file can be neither removed nor replaced.
        fs::metadata(path).ok().map(|_| (0, 0))
    }
}

/// The files that a connection has open: the database, its log and the index of its log. The index
/// also holds the locks: if it is removed, another process creates its own, and then both overwrite
/// what the other one appended to the log.
#[derive(Debug)]
pub struct OpenFiles(Vec<(PathBuf, Identity)>);

impl OpenFiles {
    /// The files of a connection that has already read.
    #[must_use]
    pub fn of(connection: &Connection) -> Self {
        let path = connection.path().filter(|path| !path.is_empty()).map(PathBuf::from);
        let files = path.map(|path| {
            let (log, index) = (with_suffix(&path, "-wal"), with_suffix(&path, INDEX_SUFFIX));
            [path, log, index]
        });
        let files = files.into_iter().flatten();
        Self(files.filter_map(|path| identity(&path).map(|found| (path, found))).collect())
    }

    /// Makes sure that the files still have their names: a file without a name is deleted when the
    /// process ends, with everything written into it.
    ///
    /// # Errors
    /// [`StoreError::FileMoved`].
    pub fn check(&self) -> Result<(), StoreError> {
        match self.0.iter().find(|(path, opened)| identity(path) != Some(*opened)) {
            None => Ok(()),
            Some((path, _)) => Err(StoreError::FileMoved { path: path.clone() }),
        }
    }

    /// Called before a connection is closed. If only the index was removed or replaced, the
    /// connection must leave the log to the process that opens the database next and builds a new
    /// index. With the old index it would checkpoint and remove the log without what other
    /// processes appended since.
    pub fn leave_log(&self, connection: &Connection) {
        let is_index =
            |path: &Path| path.as_os_str().as_encoded_bytes().ends_with(INDEX_SUFFIX.as_bytes());
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
        assert!(!exists(&path).unwrap());
        let said = |path: &Path| exists(path).unwrap_err().to_string();
        assert!(said(folder.path()).contains("is no file"));
        fs::write(&path, "").unwrap();
        assert!(said(&path).contains("is empty"));
        fs::write(&path, "a letter").unwrap();
        assert!(said(&path).contains("no database of SQLite's"));
        fs::remove_file(&path).unwrap();
        fs::write(with_suffix(&path, "-wal"), "a log").unwrap();
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
            renew_application_id(&connection).unwrap();
            connection.execute("INSERT INTO t VALUES (?1)", [number]).unwrap();
            connection
        };
        drop(write(1));
        let earlier = fs::read(&path).unwrap();
        let open = write(2);
        let log = application_id_in_log(&with_suffix(&path, "-wal")).unwrap();
        assert!(log.is_some() && log == application_id(&path).unwrap());
        assert!(!has_foreign_log(&path).unwrap());
        // Another connection keeps the number from being renewed.
        let second = write(3);
        assert_eq!(application_id_in_log(&with_suffix(&path, "-wal")).unwrap(), log);
        let (copy, log) =
            (folder.path().join("copy.db"), fs::read(with_suffix(&path, "-wal")).unwrap());
        fs::write(&copy, earlier).unwrap();
        fs::write(with_suffix(&copy, "-wal"), log).unwrap();
        assert!(
            has_foreign_log(&copy).unwrap()
                && exists(&copy).unwrap_err().to_string().contains("is not the log of")
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
