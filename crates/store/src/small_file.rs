//! Files that are read whole: config files, keys, tariffs, pictures.
//!
//! A file of another kind could keep a command waiting for ever, fill the memory, or do something when
//! it is opened, as a watchdog does. A pipe is one that people mean: `--config <(sops -d kola.toml)`. It
//! is read to the same limit, and has to end soon.

use std::fs::{self, File};
use std::io::{self, Error, Read as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

/// How long a pipe may take: what decrypts a file asks a server for the key.
const PIPE_ENDS_WITHIN: Duration = Duration::from_secs(30);

/// Reads a file of at most `max` bytes.
///
/// # Errors
/// It cannot be read, is larger, or is neither a file nor a pipe that ends.
pub fn read(path: &Path, max: u64) -> io::Result<Vec<u8>> {
    read_within(path, max, PIPE_ENDS_WITHIN)
}

/// Reads the text of a file of at most `max` bytes.
///
/// # Errors
/// As [`read`], or it is not UTF-8.
pub fn read_text(path: &Path, max: u64) -> io::Result<String> {
    String::from_utf8(read(path, max)?).map_err(|_| Error::other("it is no text in UTF-8"))
}

fn read_within(path: &Path, max: u64, pipe_ends_within: Duration) -> io::Result<Vec<u8>> {
    // Without opening it.
    let about = fs::metadata(path)?;
    if about.is_file() || is_null(&about) {
        return read_open(File::open(path)?, max);
    }
    if !is_pipe(&about) {
        let kind = if about.is_dir() { "a folder" } else { "no file but a device or a socket" };
        return Err(Error::other(format!("it is {kind}")));
    }
    let (path, (sender, receiver)) = (PathBuf::from(path), mpsc::channel());
    // A pipe that nobody writes to is not even opened. The command fails then, and its thread ends
    // with it.
    std::thread::spawn(move || {
        let _ = sender.send(File::open(path).and_then(|file| read_open(file, max)));
    });
    receiver.recv_timeout(pipe_ends_within).unwrap_or_else(|_| {
        let seconds = pipe_ends_within.as_secs();
        Err(Error::other(format!("it is a pipe that did not end within {seconds} s")))
    })
}

fn read_open(file: File, max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![];
    file.take(max.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|size| size > max) {
        return Err(Error::other(format!("it is larger than {}", in_words(max))));
    }
    Ok(bytes)
}

fn in_words(bytes: u64) -> String {
    match bytes {
        _ if bytes >= 1 << 20 => format!("{} MiB", bytes >> 20),
        _ => format!("{} KiB", bytes >> 10),
    }
}

#[cfg(unix)]
fn is_pipe(about: &fs::Metadata) -> bool {
    std::os::unix::fs::FileTypeExt::is_fifo(&about.file_type())
}

#[cfg(not(unix))]
const fn is_pipe(_: &fs::Metadata) -> bool {
    false
}

/// Whether it is /dev/null, by which people say that there is no file.
#[cfg(unix)]
fn is_null(about: &fs::Metadata) -> bool {
    use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
    about.file_type().is_char_device()
        && fs::metadata("/dev/null").is_ok_and(|null| null.rdev() == about.rdev())
}

#[cfg(not(unix))]
const fn is_null(_: &fs::Metadata) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use rustix::fs::{CWD, Mode, mkfifoat};

    use super::*;

    fn pipe(folder: &tempfile::TempDir, name: &str) -> PathBuf {
        let path = folder.path().join(name);
        mkfifoat(CWD, &path, Mode::RUSR | Mode::WUSR).unwrap();
        path
    }

    #[test]
    fn a_file_and_a_pipe_that_ends_are_read_to_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "four").unwrap();
        assert_eq!(read(&file, 4).unwrap(), b"four");
        assert!(read(&file, 3).unwrap_err().to_string().contains("larger"));
        assert_eq!(read(Path::new("/dev/null"), 4).unwrap(), b"");
        let pipe = pipe(&folder, "pipe");
        for (max, is_read) in [(4, true), (3, false)] {
            let path = pipe.clone();
            let writer = std::thread::spawn(move || File::create(path).unwrap().write_all(b"four"));
            assert_eq!(read(&pipe, max).is_ok(), is_read);
            writer.join().unwrap().unwrap();
        }
        // A file of gigabytes, of which nothing is on the disk.
        File::create(&file).unwrap().set_len(1 << 40).unwrap();
        assert!(read(&file, 1 << 20).unwrap_err().to_string().contains("larger than 1 MiB"));
    }

    #[test]
    fn what_is_no_file_is_refused_without_waiting() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        for odd in [folder.path(), &socket, Path::new("/dev/zero")] {
            let said = read(odd, 4).unwrap_err().to_string();
            assert!(said.starts_with("it is "), "{}: {said}", odd.display());
        }
    }

    #[test]
    fn a_pipe_that_does_not_end_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (silent, endless) = (pipe(&folder, "silent"), pipe(&folder, "endless"));
        let wait = Duration::from_millis(50);
        let refused = |path: &Path| read_within(path, 4, wait).unwrap_err().to_string();
        assert!(refused(&silent).contains("did not end"));
        let path = endless.clone();
        let writer = std::thread::spawn(move || {
            let mut pipe = File::create(path).unwrap();
            pipe.write_all(b"a").unwrap();
            pipe
        });
        assert!(refused(&endless).contains("did not end"));
        drop(writer.join().unwrap());
    }
}
