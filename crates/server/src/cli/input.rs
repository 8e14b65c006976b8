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
    let text = piped_in().with_context(|| format!("no {what} on standard input"))?;
    Ok(cleaned(&text).to_owned())
}

/// Reads a secret that somebody else made: at a terminal it is typed once and not shown, otherwise it
/// is standard input. `variable` is where else it could be given.
///
/// # Errors
/// There is none.
pub fn known_secret(what: &str, variable: &str) -> anyhow::Result<String> {
    let missing = || format!("no {what}: set {variable}, or type it or pipe it in");
    let text = if std::io::stdin().is_terminal() {
        rpassword::prompt_password(format!("{what}: ")).with_context(missing)?
    } else {
        piped_in().with_context(missing)?
    };
    let secret = cleaned(&text);
    if secret.is_empty() {
        bail!(missing());
    }
    Ok(secret.to_owned())
}

fn piped_in() -> std::io::Result<String> {
    let mut text = String::new();
    std::io::stdin().take(MAX_BYTES).read_to_string(&mut text)?;
    Ok(text)
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
