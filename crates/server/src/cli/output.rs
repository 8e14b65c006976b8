//! The answer of a command: text for people, or with `--json` one document for a program. If it
//! cannot be written completely, that is reported as an error. Nothing here panics.

use std::fmt::{Display, Write as _};
use std::io::{self, ErrorKind, IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use crate::api::fields::is_refused_in_line;
use crate::cli::{masking, progress};

/// Whether `--json` was given. It is global because standard output is, too.
static IN_JSON: AtomicBool = AtomicBool::new(false);

/// Prints all answers from now on as JSON.
pub fn answer_in_json() {
    IN_JSON.store(true, Ordering::Relaxed);
}

/// Whether answers are printed as JSON.
pub fn is_json() -> bool {
    IN_JSON.load(Ordering::Relaxed)
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
    // With an answer the work is done.
    store::progress::end();
    // The standard library would say that it was written.
    if !is_writable() {
        return Err(io::Error::new(ErrorKind::PermissionDenied, "it is not open for writing"));
    }
    progress::instead(|| {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()
    })
}

/// Refuses to begin where nobody could read the answer. A command that prints a secret once asks this
/// before it makes anything.
///
/// The standard library opens /dev/null in the place of a standard output that is closed, and takes one
/// that cannot be written for one that was. Both look like success, and to whoever needs the secret they
/// are the same as a /dev/null that was asked for.
///
/// # Errors
/// Standard output is closed, is /dev/null, or is open for reading only.
pub fn check_is_read() -> anyhow::Result<()> {
    anyhow::ensure!(
        !leads_nowhere() && is_writable(),
        "nothing was made: its secret is shown only once, and standard output is closed, cannot be written \
         or is /dev/null; let it lead to a terminal, a file or a program"
    );
    Ok(())
}

/// Whether what is written to standard output is thrown away.
pub fn leads_nowhere() -> bool {
    #[cfg(unix)]
    {
        use std::os::fd::AsFd as _;
        use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
        let out = io::stdout().as_fd().try_clone_to_owned().map(std::fs::File::from);
        let out = out.and_then(|out| out.metadata());
        // What cannot be looked at is closed.
        let Ok(out) = out else { return true };
        let null = std::fs::metadata("/dev/null");
        out.file_type().is_char_device() && null.is_ok_and(|null| null.rdev() == out.rdev())
    }
    #[cfg(not(unix))]
    false
}

/// Whether standard output was opened for writing.
fn is_writable() -> bool {
    #[cfg(unix)]
    {
        use rustix::fs::{OFlags, fcntl_getfl};
        fcntl_getfl(io::stdout()).is_ok_and(|flags| flags.intersects(OFlags::WRONLY | OFlags::RDWR))
    }
    #[cfg(not(unix))]
    true
}

fn chosen(json: &Value, text: &str) -> String {
    let chosen = if is_json() { escaped_json(&json.to_string()) } else { escaped(text) };
    format!("{}\n", chosen.trim_end_matches('\n'))
}

/// Whether a character is an order to a terminal, or turns the text around it. Lines end.
fn is_order(c: char) -> bool {
    c != '\n' && is_refused_in_line(c)
}

/// A text without what a terminal would obey. Names and notes of strangers are in it.
pub fn escaped(text: &str) -> String {
    with_each_order(text, |c| c.escape_default().to_string())
}

/// A document that a program reads as before. JSON itself escapes only the first 32 characters.
fn escaped_json(json: &str) -> String {
    // All of them are in the basic plane, and all of them are in texts.
    with_each_order(json, |c| format!("\\u{:04x}", u32::from(c)))
}

fn with_each_order(text: &str, write: impl Fn(char) -> String) -> String {
    if !text.contains(is_order) {
        return text.to_owned();
    }
    text.chars().map(|c| if is_order(c) { write(c) } else { c.to_string() }).collect()
}

/// Prints the answer of a command that changed nothing.
///
/// # Errors
/// If it cannot be written; [`NobodyReads`].
pub fn tell(json: &Value, text: &str) -> anyhow::Result<()> {
    written(&chosen(json, text))
}

/// Prints one of several answers, each in a line of its own. `json` is written as it is.
///
/// # Errors
/// See [`tell`].
pub fn document(json: &str, text: &str) -> anyhow::Result<()> {
    if is_json() { whole_document(json) } else { line(text) }
}

/// Prints a document, whether `--json` was given or not.
///
/// # Errors
/// See [`tell`].
pub fn whole_document(json: &str) -> anyhow::Result<()> {
    written(&format!("{}\n", escaped_json(json)))
}

/// Prints a text of the program's own, which a shell reads.
///
/// # Errors
/// See [`tell`].
pub fn script(json: &Value, text: &str) -> anyhow::Result<()> {
    if is_json() { whole_document(&json.to_string()) } else { written(text) }
}

/// Prints a table for a program, as it is: what reads it has its own rules. At a terminal nobody but a
/// person reads it.
///
/// # Errors
/// See [`tell`].
pub fn csv(text: &str) -> anyhow::Result<()> {
    if io::stdout().is_terminal() {
        written(&escaped(&text.replace('\r', "")))
    } else {
        written(text)
    }
}

/// Prints a line about what a command does. With `--json` it is on standard error, so that standard
/// output has nothing but the answer.
///
/// # Errors
/// See [`tell`].
pub fn notice(text: &str) -> anyhow::Result<()> {
    if is_json() {
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

/// Prints a part of an answer as soon as it is known. With `--json` the whole answer is printed at
/// the end.
///
/// # Errors
/// See [`tell`].
pub fn part(text: &str) -> anyhow::Result<()> {
    if is_json() { Ok(()) } else { line(text) }
}

/// Prints a line.
///
/// # Errors
/// See [`tell`].
pub fn line(text: &str) -> anyhow::Result<()> {
    written(&format!("{}\n", escaped(text)))
}

fn written(text: &str) -> anyhow::Result<()> {
    match write(text) {
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

/// Prints a message on standard error, without the passwords of URLs that it quotes. A failure is
/// ignored: there is nowhere to report it.
pub fn warn(text: &str) {
    let text = escaped(&masking::in_text(text));
    progress::instead(|| {
        let _ = writeln!(io::stderr(), "kola: {text}");
    });
}

/// Formats rows as a table with headings. Columns that have only numbers are aligned to the right. At
/// a terminal that is too narrow for it a row takes several lines.
pub fn table<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> String {
    let width = io::stdout().is_terminal().then(terminal_size::terminal_size).flatten();
    table_within(head, rows, width.map_or(usize::MAX, |(width, _)| width.0.into()))
}

/// How far what goes on in another line is moved to the right.
const INDENT: usize = 4;
/// How much room the last column needs before it begins another line; it is wrapped.
const LAST_MIN: usize = 24;

fn table_within<const N: usize>(head: [&str; N], rows: &[[String; N]], width: usize) -> String {
    // A name with the end of a line in it would begin another row.
    let rows = rows.iter().map(|row| row.each_ref().map(|cell| escaped(cell).replace('\n', "\\n")));
    let rows: Vec<[String; N]> = rows.collect();
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
    for cells in std::iter::once(head.map(str::to_owned)).chain(rows) {
        let (mut line, mut used) = (String::new(), 0);
        for (at, ((cell, column), number)) in cells.iter().zip(widths).zip(numbers).enumerate() {
            let is_last = at + 1 == N;
            let needed = if is_last { column.min(LAST_MIN) } else { column };
            if used > 0 && used + needed > width {
                end_line(&mut text, &line);
                (line, used) = (" ".repeat(INDENT), INDENT);
            }
            // Writing to a string cannot fail.
            let _ = if number {
                write!(line, "{cell:>column$}  ")
            } else if is_last {
                write!(line, "{}", hanging(cell, used, width))
            } else {
                write!(line, "{cell:<column$}  ")
            };
            used += column + 2;
        }
        end_line(&mut text, &line);
    }
    text
}

fn end_line(text: &mut String, line: &str) {
    text.push_str(line.trim_end());
    text.push('\n');
}

/// A text that begins at a column and goes on below itself.
fn hanging(text: &str, column: usize, width: usize) -> String {
    let room = width.saturating_sub(column).max(1);
    if text.chars().count() <= room {
        return text.to_owned();
    }
    wrapped(text, room).join(&format!("\n{}", " ".repeat(column)))
}

/// Lines of a text that are no longer than `width`, unless a single word is.
pub fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![];
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in paragraph.split_whitespace() {
            if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    lines
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
    fn a_table_that_is_too_wide_takes_several_lines() {
        let row = ["7", "COLLECTION", "MTN_MOMO_LBR", "one of the words that are many"];
        let rows = [row.map(str::to_owned)];
        let head = ["id", "operation", "method", "what"];
        assert_eq!(
            table_within(head, &rows, 54),
            "id  operation   method        what\n 7  COLLECTION  MTN_MOMO_LBR  one of the words that\n\
             \u{20}                             are many\n"
        );
        assert_eq!(
            table_within(head, &rows, 34),
            "id  operation   method\n    what\n 7  COLLECTION  MTN_MOMO_LBR\n    one of the words that are many\n"
        );
        // As wide as it is; a narrower terminal than any is no reason to panic.
        assert_eq!(table_within(head, &rows, 200).lines().count(), 2);
        assert!(table_within(head, &rows, 0).contains("many"));
    }

    #[test]
    fn what_a_terminal_would_obey_is_escaped() {
        let odd = "a\u{1b}[2J\u{9b}2J\u{7f}\u{202e}\u{2066}\r\tb\n";
        assert_eq!(escaped(odd), "a\\u{1b}[2J\\u{9b}2J\\u{7f}\\u{202e}\\u{2066}\\r\\tb\n");
        assert_eq!(escaped("Ama Kollie, 5 % ✓ é"), "Ama Kollie, 5 % ✓ é");
        let document = serde_json::json!({ "name": odd });
        let written = escaped_json(&document.to_string());
        assert!(!written.contains(is_order), "{written}");
        assert_eq!(serde_json::from_str::<Value>(&written).unwrap(), document);
        let rows = [["7".to_owned(), "A\n8  B".to_owned()]];
        assert_eq!(table(["id", "name"], &rows), "id  name\n 7  A\\n8  B\n");
    }

    #[test]
    fn a_time_is_for_people() {
        assert_eq!(moment(ServerTime(1_764_306_581_250_000)), "2025-11-28 05:09:41 UTC");
    }
}
