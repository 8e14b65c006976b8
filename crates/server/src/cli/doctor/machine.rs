//! What this machine says: disks, files, limits and its clock.

use std::path::{Path, PathBuf};

use crate::cli::Target;
use crate::cli::doctor::database;
use crate::credentials::sealing::KeyFile;
use crate::telemetry::disk::DiskSpace;

/// What was seen of the machine. `None` where it cannot be seen.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct MachineFacts {
    /// Of an SQLite database.
    pub disk: Option<Disk>,
    /// Whether the directory of an SQLite database can be written.
    pub directory_is_writable: Option<bool>,
    /// Files that only their owner may read, with their modes.
    pub files: Vec<(PathBuf, u32)>,
    /// How many files a process may have open.
    pub open_files: Option<u64>,
    /// Whether the system says that its clock is synchronised.
    pub clock_is_synchronised: Option<bool>,
}

/// The file system of a database.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Disk {
    pub free_bytes: u64,
    pub bytes: u64,
    /// The name of a file system that is not on this machine.
    pub remote: Option<&'static str>,
}

pub fn look(target: &Target, private_files: &[PathBuf]) -> MachineFacts {
    let file = database::file(&target.database);
    let directory = file.map(|file| match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    });
    let mut files: Vec<PathBuf> = file.into_iter().cloned().collect();
    match target.secrets_key() {
        KeyFile::Given(path) | KeyFile::BesideDatabase(path) => files.push(path),
        KeyFile::Unknown => {}
    }
    // It may have the database's password.
    files.extend(target.file.path().map(Path::to_owned));
    files.extend_from_slice(private_files);
    let files = files.into_iter().filter_map(|path| mode(&path).map(|mode| (path, mode)));
    MachineFacts {
        disk: directory.and_then(disk),
        directory_is_writable: directory.map(is_writable),
        files: files.collect(),
        open_files: open_files(),
        clock_is_synchronised: clock_is_synchronised(),
    }
}

#[cfg(unix)]
fn mode(path: &Path) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).ok().map(|found| found.permissions().mode() & 0o777)
}

#[cfg(not(unix))]
fn mode(_: &Path) -> Option<u32> {
    None
}

#[cfg(unix)]
fn is_writable(directory: &Path) -> bool {
    rustix::fs::access(directory, rustix::fs::Access::WRITE_OK).is_ok()
}

#[cfg(not(unix))]
fn is_writable(_: &Path) -> bool {
    true
}

#[cfg(unix)]
fn open_files() -> Option<u64> {
    use rustix::process::{Resource, getrlimit};
    // The server raises its limit to the most that it may.
    Some(getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX))
}

#[cfg(not(unix))]
fn open_files() -> Option<u64> {
    None
}

#[cfg(unix)]
fn disk(directory: &Path) -> Option<Disk> {
    let DiskSpace { free_bytes, bytes } = DiskSpace::of(directory)?;
    Some(Disk { free_bytes, bytes, remote: remote(directory) })
}

#[cfg(not(unix))]
fn disk(_: &Path) -> Option<Disk> {
    None
}

/// The name of a file system whose locks and syncs cannot be trusted.
#[cfg(target_os = "linux")]
fn remote(directory: &Path) -> Option<&'static str> {
    let kind = rustix::fs::statfs(directory).ok()?.f_type;
    remote_by_number(u32::try_from(kind & 0xffff_ffff).ok()?)
}

#[cfg(all(unix, not(target_os = "linux")))]
fn remote(_: &Path) -> Option<&'static str> {
    None
}

/// By the numbers that Linux gives file systems.
fn remote_by_number(number: u32) -> Option<&'static str> {
    match number {
        0x6969 => Some("NFS"),
        0xff53_4d42 | 0xfe53_4d42 | 0x517b => Some("SMB"),
        0x6573_5546 => Some("FUSE"),
        0x0102_1997 => Some("9P"),
        _ => None,
    }
}

/// What systemd-timesyncd leaves behind. Other programs leave nothing that can be read without asking
/// them.
fn clock_is_synchronised() -> Option<bool> {
    let mark = Path::new("/run/systemd/timesync/synchronized");
    if mark.exists() {
        return Some(true);
    }
    mark.parent().filter(|directory| directory.exists()).map(|_| false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_systems_of_other_machines_are_known_by_their_numbers() {
        let names = [0x6969, 0xff53_4d42, 0x6573_5546].map(remote_by_number);
        assert_eq!(names, [Some("NFS"), Some("SMB"), Some("FUSE")]);
        // ext4, xfs, btrfs, tmpfs, overlayfs.
        for local in [0xef53, 0x5846_5342, 0x9123_683e, 0x0102_1994, 0x794c_7630] {
            assert_eq!(remote_by_number(local), None);
        }
    }
}
