//! A line on standard error that says how far a long piece of work has come. It is shown at a
//! terminal only, and only of work that takes longer than [`PATIENCE`].

use std::io::{self, IsTerminal, Write as _};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use store::progress::{self, Unit, Work};

/// How long nobody minds to wait.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often the line is written anew.
const PACE: Duration = Duration::from_millis(500);
/// The longest line. One that is wrapped cannot be written over.
const WIDTH: usize = 79;

/// Whether the line stands on the terminal now. Who writes there holds the lock.
static IS_DRAWN: Mutex<bool> = Mutex::new(false);

/// Shows the line while this value lives.
pub struct Shown {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Shows how far the work of this process has come. Nothing where standard error is no terminal, or
/// one that cannot write a line over.
pub fn shown() -> Option<Shown> {
    let is_dumb = std::env::var_os("TERM").is_some_and(|terminal| terminal == "dumb");
    if is_dumb || !io::stderr().is_terminal() {
        return None;
    }
    progress::watch(true);
    let (stop, stopped) = mpsc::channel();
    let thread = std::thread::Builder::new().spawn(move || {
        while stopped.recv_timeout(PACE) == Err(RecvTimeoutError::Timeout) {
            draw();
        }
    });
    Some(Shown { stop: Some(stop), thread: thread.ok() })
}

impl Drop for Shown {
    fn drop(&mut self) {
        progress::watch(false);
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It cannot panic; and if it did, the work is done all the same.
            let _ = thread.join();
        }
        instead(|| ());
    }
}

fn draw() {
    let mut is_drawn = IS_DRAWN.lock().unwrap_or_else(PoisonError::into_inner);
    match progress::now().and_then(|work| line(&work, PATIENCE)) {
        Some(line) => {
            *is_drawn = true;
            let _ = write!(io::stderr(), "\r\x1b[K{line}");
        }
        None => clear(&mut is_drawn),
    }
}

fn clear(is_drawn: &mut bool) {
    if std::mem::take(is_drawn) {
        let _ = write!(io::stderr(), "\r\x1b[K");
    }
}

/// Writes something else to the terminal, where the line may stand now.
pub fn instead<T>(write: impl FnOnce() -> T) -> T {
    let mut is_drawn = IS_DRAWN.lock().unwrap_or_else(PoisonError::into_inner);
    clear(&mut is_drawn);
    write()
}

/// What there is to say of work, once it has taken longer than `patience`.
fn line(work: &Work, patience: Duration) -> Option<String> {
    if work.waited < patience {
        return None;
    }
    let Work { what, unit, done, total, took, .. } = work;
    if *done == 0 && total.is_none() {
        // Nothing is known but that it goes on.
        return Some(format!("{what}: {}", time(took.as_secs())));
    }
    let mut line = format!("{what}: {}", amount(*done, *unit));
    if let Some(total) = total {
        line.push_str(&format!(" of {}", amount(*total.max(done), *unit)));
    }
    line.push_str(unit.name());
    if let Some(rate) = per_second(*done, *took) {
        line.push_str(&format!(", {}{}/s", amount(rate, *unit), unit.name()));
    }
    if let Some(left) = left(*done, *total, *took) {
        line.push_str(&format!(", {} left", time(left)));
    }
    Some(line.chars().take(WIDTH).collect())
}

fn per_second(done: u64, took: Duration) -> Option<u64> {
    let ms = u64::try_from(took.as_millis()).ok()?;
    done.checked_mul(1_000)?.checked_div(ms).filter(|rate| *rate > 0)
}

/// How many seconds the rest takes, if it goes on as before.
fn left(done: u64, total: Option<u64>, took: Duration) -> Option<u64> {
    let rest = u128::from(total?.checked_sub(done)?);
    let ms = (rest * took.as_millis()).checked_div(u128::from(done))?;
    u64::try_from(ms.div_ceil(1_000)).ok().filter(|seconds| *seconds > 0)
}

fn time(seconds: u64) -> String {
    match (seconds / 3_600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

/// A number with commas between its thousands; bytes in mebibytes.
fn amount(number: u64, unit: Unit) -> String {
    let number = if unit == Unit::Bytes { number >> 20 } else { number };
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn work(unit: Unit, done: u64, total: Option<u64>, seconds: u64) -> Work {
        let took = Duration::from_secs(seconds);
        Work { what: "verifying", unit, done, total, took, waited: took }
    }

    #[test]
    fn the_line_has_the_rate_and_the_time_left() {
        let said = |work: &Work| line(work, PATIENCE).unwrap_or_default();
        assert_eq!(
            said(&work(Unit::Rows, 1_200_000, Some(4_800_000), 60)),
            "verifying: 1,200,000 of 4,800,000 rows, 20,000 rows/s, 3 min 0 s left"
        );
        assert_eq!(said(&work(Unit::Rows, 999, None, 2)), "verifying: 999 rows, 499 rows/s");
        assert_eq!(
            said(&work(Unit::Bytes, 512 << 20, Some(2_048 << 20), 4)),
            "verifying: 512 of 2,048 MiB, 128 MiB/s, 12 s left"
        );
        assert_eq!(
            said(&work(Unit::Steps, 1, Some(30_000), 5)),
            "verifying: 1 of 30,000 steps, 41 h 39 min left"
        );
        assert_eq!(said(&work(Unit::Steps, 0, None, 75)), "verifying: 1 min 15 s");
        // Nothing is divided by nothing, and more than all is all.
        assert_eq!(said(&work(Unit::Rows, 0, Some(7), 3)), "verifying: 0 of 7 rows");
        assert_eq!(said(&work(Unit::Rows, 9, Some(7), 3)), "verifying: 9 of 9 rows, 3 rows/s");
        let most = work(Unit::Rows, u64::MAX, Some(u64::MAX), u64::MAX / 1_000);
        assert!(said(&most).chars().count() <= WIDTH);
    }

    #[test]
    fn nothing_is_said_of_what_is_done_soon() {
        let mut soon = work(Unit::Rows, 1, Some(2), 0);
        soon.waited = Duration::from_millis(1_999);
        assert_eq!(line(&soon, PATIENCE), None);
    }
}
