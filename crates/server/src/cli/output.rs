//! The answer of a command: text for people, or with `--json` one document for a program. If it
//! cannot be written completely, that is reported as an error. Nothing here panics.

use std::fmt::{Display, Write as _};
use std::io::{self, ErrorKind, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

/// Whether `--json` was given. It is global because standard output is, too.
static IN_JSON: AtomicBool = AtomicBool::new(false);

/// Prints all answers from now on as JSON.
pub fn answer_in_json() {
    IN_JSON.store(true, Ordering::Relaxed);
}

/// The reader of the answer closed the pipe, as in `kola wallet list | head -1`. This is no
/// failure.
#[derive(thiserror::Error, Debug)]
#[error("nobody reads the answer")]
pub struct NobodyReads;

/// Writes to standard output and flushes it.
///
/// # Errors
/// If it cannot be written.
pub fn write(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

fn chosen(json: &Value, text: &str) -> String {
    let chosen = if IN_JSON.load(Ordering::Relaxed) { &json.to_string() } else { text };
    format!("{}\n", chosen.trim_end_matches('\n'))
}

/// Prints the answer of a command that changed nothing.
///
/// # Errors
/// If it cannot be written; [`NobodyReads`].
pub fn tell(json: &Value, text: &str) -> anyhow::Result<()> {
    line(chosen(json, text).trim_end_matches('\n'))
}

/// Prints one of several answers, each in a line of its own. `json` is written as it is.
///
/// # Errors
/// See [`tell`].
pub fn document(json: &str, text: &str) -> anyhow::Result<()> {
    line(if IN_JSON.load(Ordering::Relaxed) { json } else { text })
}

/// Prints a line about what a command does. With `--json` it is on standard error, so that standard
/// output has nothing but the answer.
///
/// # Errors
/// See [`tell`].
pub fn notice(text: &str) -> anyhow::Result<()> {
    if IN_JSON.load(Ordering::Relaxed) {
        warn(text);
        return Ok(());
    }
    line(text)
}

/// Whether nobody can read the answer any more. Elsewhere than on Unix this is known only once
/// something is printed.
pub fn is_closed() -> bool {
    #[cfg(unix)]
    {
        use rustix::event::{PollFd, PollFlags, poll};
        let out = io::stdout();
        let mut places = [PollFd::new(&out, PollFlags::empty())];
        let now = rustix::event::Timespec::default();
        let any = poll(&mut places, Some(&now));
        any.is_ok_and(|count| count > 0)
            && places[0].revents().intersects(PollFlags::ERR | PollFlags::HUP)
    }
    #[cfg(not(unix))]
    false
}

/// Prints a line of progress.
///
/// # Errors
/// See [`tell`].
pub fn line(text: &str) -> anyhow::Result<()> {
    match write(&format!("{text}\n")) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(NobodyReads.into()),
        Err(error) => Err(anyhow::anyhow!("the answer cannot be written: {error}")),
    }
}

/// Prints the answer of a command that changed something.
///
/// # Errors
/// If it cannot be written. The change stands, so the error says what was done.
pub fn done(json: &Value, text: &str) -> anyhow::Result<()> {
    let answer = chosen(json, text);
    write(&answer).map_err(|error| {
        anyhow::anyhow!(
            "it was done, but the answer cannot be written ({error}): {}",
            answer.trim_end()
        )
    })
}

/// Prints a secret that is not stored anywhere.
///
/// # Errors
/// If it cannot be written. Then the caller has to undo what the secret belongs to.
pub fn show(json: &Value, text: &str) -> io::Result<()> {
    write(&chosen(json, text))
}

/// Prints a message on standard error. A failure is ignored: there is nowhere to report it.
pub fn warn(text: &str) {
    let _ = writeln!(io::stderr(), "kola: {text}");
}

/// Formats rows as a table with headings. Columns that have only numbers are aligned to the right.
pub fn table<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> String {
    let widths = std::array::from_fn::<usize, N, _>(|column| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([head[column].chars().count()]).max().unwrap_or(0)
    });
    let numbers = std::array::from_fn::<bool, N, _>(|column| {
        let is_number = |text: &String| {
            !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-'))
        };
        !rows.is_empty() && rows.iter().all(|row| is_number(&row[column]))
    });
    let mut text = String::new();
    for cells in std::iter::once(head.map(str::to_owned)).chain(rows.iter().cloned()) {
        let mut line = String::new();
        for ((cell, width), number) in cells.iter().zip(widths).zip(numbers) {
            // Writing to a string cannot fail.
            let _ = if number {
                write!(line, "{cell:>width$}  ")
            } else {
                write!(line, "{cell:<width$}  ")
            };
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// A time for people: in UTC, without fractions of a second.
pub fn moment(time: impl Display) -> String {
    let text = time.to_string();
    match text.split_once('T') {
        Some((date, hours)) => format!(
            "{date} {} UTC",
            hours.trim_end_matches('Z').split('.').next().unwrap_or_default()
        ),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::kernel::time::ServerTime;

    #[test]
    fn a_table_has_its_headings_above_its_columns() {
        let rows = [["7".to_owned(), "Shop".to_owned()], ["1234".to_owned(), "A".to_owned()]];
        assert_eq!(table(["id", "name"], &rows), "  id  name\n   7  Shop\n1234  A\n");
        assert_eq!(table(["id", "name"], &[]), "id  name\n");
    }

    #[test]
    fn a_time_is_for_people() {
        assert_eq!(moment(ServerTime(1_764_306_581_250_000)), "2025-11-28 05:09:41 UTC");
    }
}
