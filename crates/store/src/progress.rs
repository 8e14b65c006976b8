//! How far a long piece of work has come, for whoever waits for it.
//!
//! It is kept once for the process, as its terminal is: a command does one thing at a time. Unless
//! somebody watches, nothing is counted.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

static BOARD: Board = Board::new();

/// What work consists of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unit {
    Rows,
    Bytes,
    Steps,
}

impl Unit {
    /// Its name after a number. Bytes are counted in mebibytes.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rows => " rows",
            Self::Bytes => " MiB",
            Self::Steps => " steps",
        }
    }
}

/// How far work has come.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Work {
    pub what: &'static str,
    pub unit: Unit,
    pub done: u64,
    /// How much there is, where that is known.
    pub total: Option<u64>,
    /// How long this work has taken so far.
    pub took: Duration,
    /// How long it has taken together with the works before it.
    pub waited: Duration,
}

/// Says whether somebody watches.
pub fn watch(is_watched: bool) {
    BOARD.watch(is_watched);
}

/// Whether somebody watches, so that it is worth to count what there is to do.
#[must_use]
pub fn is_watched() -> bool {
    BOARD.is_watched()
}

/// Begins a work, in the place of the one before.
pub fn begin(what: &'static str, unit: Unit, total: Option<u64>) {
    BOARD.begin(what, unit, total, None);
}

/// Begins to write a file that will have about so many bytes.
pub fn begin_file(what: &'static str, file: &Path, bytes: u64) {
    BOARD.begin(what, Unit::Bytes, Some(bytes), Some(file));
}

/// Counts what was done.
pub fn add(done: usize) {
    BOARD.add(done);
}

/// The last work is done.
pub fn end() {
    BOARD.end();
}

/// How far the work has come that is being done.
#[must_use]
pub fn now() -> Option<Work> {
    BOARD.now()
}

struct Board {
    is_watched: AtomicBool,
    done: AtomicU64,
    current: Mutex<Option<Current>>,
}

/// The work that is being done.
struct Current {
    what: &'static str,
    unit: Unit,
    total: Option<u64>,
    /// The file whose size says how much is done.
    file: Option<PathBuf>,
    begun: Instant,
    /// When the first of several works began that followed each other.
    waiting_since: Instant,
}

impl Board {
    const fn new() -> Self {
        Self {
            is_watched: AtomicBool::new(false),
            done: AtomicU64::new(0),
            current: Mutex::new(None),
        }
    }

    fn watch(&self, is_watched: bool) {
        self.is_watched.store(is_watched, Ordering::Relaxed);
        if !is_watched {
            self.end();
        }
    }

    fn is_watched(&self) -> bool {
        self.is_watched.load(Ordering::Relaxed)
    }

    fn begin(&self, what: &'static str, unit: Unit, total: Option<u64>, file: Option<&Path>) {
        if !self.is_watched() {
            return;
        }
        let now = Instant::now();
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting_since = current.as_ref().map_or(now, |before| before.waiting_since);
        self.done.store(0, Ordering::Relaxed);
        let file = file.map(Path::to_owned);
        *current = Some(Current { what, unit, total, file, begun: now, waiting_since });
    }

    fn add(&self, done: usize) {
        if self.is_watched() {
            self.done.fetch_add(u64::try_from(done).unwrap_or(0), Ordering::Relaxed);
        }
    }

    fn end(&self) {
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn now(&self) -> Option<Work> {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let Current { what, unit, total, file, begun, waiting_since } = current.as_ref()?;
        let done = match file {
            Some(file) => std::fs::metadata(file).map_or(0, |about| about.len()),
            None => self.done.load(Ordering::Relaxed),
        };
        Some(Work {
            what,
            unit: *unit,
            done,
            total: *total,
            took: begun.elapsed(),
            waited: waiting_since.elapsed(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_counted_while_somebody_watches() {
        let board = Board::new();
        let done = || board.now().map(|work| (work.what, work.done, work.total));
        board.begin("verifying", Unit::Rows, Some(9), None);
        board.add(5);
        assert_eq!(done(), None);
        board.watch(true);
        board.begin("verifying", Unit::Rows, Some(9), None);
        board.add(5);
        board.add(2);
        assert_eq!(done(), Some(("verifying", 7, Some(9))));
        board.begin("copying", Unit::Rows, None, None);
        assert_eq!(done(), Some(("copying", 0, None)));
        let work = board.now().unwrap();
        assert!(work.waited >= work.took);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("copy");
        board.begin("copying", Unit::Bytes, Some(100), Some(&file));
        assert_eq!(done(), Some(("copying", 0, Some(100))));
        std::fs::write(&file, [0; 40]).unwrap();
        assert_eq!(done(), Some(("copying", 40, Some(100))));
        board.watch(false);
        assert_eq!(done(), None);
    }
}
