//! Splits a script into its statements.
//!
//! The splitter knows the lexical rules that decide which semicolons end a statement, and no more
//! of SQL. It cannot be wrong silently: each statement is sent as a prepared one, for which the
//! server accepts exactly one command. A part of a command is a syntax error, and so are two
//! commands in one text.

/// The statements of a script, without the semicolons that end them. What has only comments is no
/// statement.
pub fn statements(script: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let (mut start, mut at) = (0, 0);
    let mut has_command = false;
    while let Some(token) = script.get(at..).and_then(Token::first) {
        let end = at + token.length;
        match token.kind {
            Kind::Semicolon => {
                if has_command {
                    found.extend(script.get(start..at));
                }
                (start, has_command) = (end, false);
            }
            Kind::Command => has_command = true,
            Kind::Space => {}
        }
        at = end;
    }
    if has_command {
        found.extend(script.get(start..));
    }
    found.into_iter().map(str::trim).collect()
}

enum Kind {
    /// Ends a statement.
    Semicolon,
    /// A comment or white space.
    Space,
    /// A part of a statement.
    Command,
}

struct Token {
    kind: Kind,
    length: usize,
}

impl Token {
    /// The first token of a text; `None` at its end. What is not closed reaches to the end of the
    /// text, and the server refuses it.
    fn first(text: &str) -> Option<Self> {
        let command = |length| Self { kind: Kind::Command, length };
        let space = |length| Self { kind: Kind::Space, length };
        let first = text.chars().next()?;
        Some(match first {
            ';' => Self { kind: Kind::Semicolon, length: 1 },
            '-' if text.starts_with("--") => space(text.find('\n').unwrap_or(text.len())),
            '/' if text.starts_with("/*") => space(block_comment(text)),
            // A doubled quote ends one literal and begins the next one.
            '\'' | '"' => command(end_of(text, &text[..1])),
            '$' => command(dollar_tag(text).map_or(1, |tag| end_of(text, tag))),
            // A name may contain dollar signs, which begin no body.
            _ if is_of_name(first) => {
                let rest = |c: char| !is_of_name(c) && c != '$';
                command(text.find(rest).unwrap_or(text.len()))
            }
            _ if first.is_whitespace() => space(first.len_utf8()),
            _ => command(first.len_utf8()),
        })
    }
}

fn is_of_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The length of the text that begins with this mark and ends with its next occurrence.
fn end_of(text: &str, mark: &str) -> usize {
    let inner = text.get(mark.len()..).unwrap_or_default();
    inner.find(mark).map_or(text.len(), |length| length + 2 * mark.len())
}

/// The mark that begins a dollar-quoted body: `$$`, or a name between the dollar signs. `$1` is a
/// parameter.
fn dollar_tag(text: &str) -> Option<&str> {
    let name = text.get(1..)?.split_once('$')?.0;
    let is_name = !name.starts_with(|c: char| c.is_ascii_digit()) && name.chars().all(is_of_name);
    is_name.then(|| text.get(..name.len() + 2))?
}

/// The length of a comment in `/* */`. In PostgreSQL such comments nest.
fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0_u32, 0);
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        if rest.starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest.starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_semicolon_ends_a_statement() {
        assert_eq!(statements("SELECT 1;\n\nSELECT 2 ;"), ["SELECT 1", "SELECT 2"]);
        assert_eq!(statements("SELECT 1; SELECT 2"), ["SELECT 1", "SELECT 2"]);
    }

    #[test]
    fn what_has_only_comments_is_no_statement() {
        assert!(statements("").is_empty());
        assert!(statements(" ;; -- nothing;\n /* nothing; */ ;").is_empty());
        assert_eq!(statements("SELECT 1; -- the end"), ["SELECT 1"]);
    }

    #[test]
    fn a_comment_belongs_to_the_statement_after_it() {
        assert_eq!(statements("-- One; two.\nSELECT 1;"), ["-- One; two.\nSELECT 1"]);
        assert_eq!(statements("SELECT 1 /* a; /* b; */ c; */ + 1; SELECT 2").len(), 2);
        assert_eq!(statements("SELECT 4 - 1 / 2; SELECT 2").len(), 2);
    }

    #[test]
    fn a_semicolon_in_quotes_ends_nothing() {
        for one in [
            "SELECT 'a;b'",
            "SELECT 'it''s; -- no comment'",
            "SELECT ';''', ';'",
            "SELECT \"a;\"\"b;\" FROM t",
            "SELECT 'é;' || 'ü;'",
            "SELECT '/*;' , '*/;'",
            "SELECT '$$;' || '$$;'",
        ] {
            assert_eq!(statements(&format!("{one}; SELECT 2")), [one, "SELECT 2"], "{one}");
        }
    }

    #[test]
    fn a_semicolon_in_a_body_ends_nothing() {
        for one in [
            "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$\nBEGIN\n  RAISE 'it''s'; -- don't\nEND\n$$",
            "DO $body$ BEGIN PERFORM $$;$$; PERFORM '$'; END $body$",
            "DO $ä_1$ ; $ä_1$",
        ] {
            assert_eq!(statements(&format!("{one}; SELECT 2")), [one, "SELECT 2"], "{one}");
        }
    }

    #[test]
    fn a_dollar_sign_of_a_parameter_or_name_begins_no_body() {
        let parameters = "SELECT $1; SELECT $2; SELECT a$b$; SELECT c$b$";
        assert_eq!(statements(parameters).len(), 4);
    }

    #[test]
    fn what_is_not_closed_reaches_to_the_end() {
        for open in ["SELECT 'a; b", "SELECT \"a; b", "DO $$ a; b", "DO $x$ a; $$ b", "SELECT $"] {
            assert_eq!(statements(open), [open]);
        }
        assert!(statements("/* a; b").is_empty());
    }
}
