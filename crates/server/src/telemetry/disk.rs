//! The space of a disk.

use std::path::Path;

/// What a disk has left for this process, and what it has in all.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DiskSpace {
    pub free_bytes: u64,
    pub bytes: u64,
}

impl DiskSpace {
    /// The space of the disk with a folder; `None` where it cannot be seen.
    #[cfg(unix)]
    #[must_use]
    pub fn of(folder: &Path) -> Option<Self> {
        let found = rustix::fs::statvfs(folder).ok()?;
        let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
        Some(Self { free_bytes: bytes(found.f_bavail), bytes: bytes(found.f_blocks) })
    }

    #[cfg(not(unix))]
    #[must_use]
    pub fn of(_: &Path) -> Option<Self> {
        None
    }
}
