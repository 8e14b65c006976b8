//! Reading secrets that are typed or piped in.

use std::io::{IsTerminal, Read};

use anyhow::{Context, bail};

/// The most bytes that are read of a secret.
const MAX_BYTES: u64 = 4_096;

/// Reads a secret from standard input. At a terminal it is typed twice and not shown.
///
/// # Errors
/// If standard input cannot be read, or the two inputs differ.
pub fn secret(what: &str) -> anyhow::Result<String> {
    if std::io::stdin().is_terminal() {
        let ask = |prompt: String| {
            rpassword::prompt_password(prompt).with_context(|| format!("no {what} was typed"))
        };
        let (first, second) = (ask(format!("{what}: "))?, ask(format!("{what} again: "))?);
        if first != second {
            bail!("the two differ: nothing was changed");
        }
        return Ok(cleaned(&first).to_owned());
    }
    let mut text = String::new();
    std::io::stdin()
        .take(MAX_BYTES)
        .read_to_string(&mut text)
        .with_context(|| format!("no {what} on standard input"))?;
    Ok(cleaned(&text).to_owned())
}

/// The text without what editors and shells put around it: a byte order mark, blanks, the end of
/// the line.
fn cleaned(text: &str) -> &str {
    text.trim_start_matches('\u{feff}').trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_and_the_end_of_the_line_are_no_part_of_a_secret() {
        for text in ["482913", "482913\n", "482913\r\n", "\u{feff}482913\r\n", " 482913 \n\n"] {
            assert_eq!(cleaned(text), "482913", "{text:?}");
        }
        assert_eq!(cleaned("48\n29\n"), "48\n29", "which no passcode has");
    }
}
