//! Free texts, secrets and countries.

use std::ops::RangeInclusive;

use domain::kernel::country::Country;
use schemars::{Schema, json_schema};
use serde_json::Value;

use crate::api::fields::kinds::string;
use crate::api::fields::{FaultKind, Field, Fields, FromValue, Schemas};

/// Invisible characters: Unicode's `Default_Ignorable_Code_Point`, the Braille blank and annotation
/// marks. Scripts and emoji need them between other characters, but a text must not consist of them
/// alone.
const INVISIBLE: [RangeInclusive<char>; 18] = [
    '\u{ad}'..='\u{ad}',
    '\u{34f}'..='\u{34f}',
    '\u{61c}'..='\u{61c}',
    '\u{115f}'..='\u{1160}',
    '\u{17b4}'..='\u{17b5}',
    '\u{180b}'..='\u{180f}',
    '\u{200b}'..='\u{200f}',
    '\u{202a}'..='\u{202e}',
    '\u{2060}'..='\u{206f}',
    '\u{2800}'..='\u{2800}',
    '\u{3164}'..='\u{3164}',
    '\u{fe00}'..='\u{fe0f}',
    '\u{feff}'..='\u{feff}',
    '\u{ffa0}'..='\u{ffa0}',
    '\u{fff0}'..='\u{fffb}',
    '\u{1bca0}'..='\u{1bca3}',
    '\u{1d173}'..='\u{1d17a}',
    '\u{e0000}'..='\u{e0fff}',
];

/// Characters that change the direction of text, deprecated formatting characters and annotation
/// marks: with them a text looks different from what is stored. Names and emoji need none of them.
const TURNING: [RangeInclusive<char>; 3] =
    ['\u{202a}'..='\u{202e}', '\u{2066}'..='\u{206f}', '\u{fff9}'..='\u{fffb}'];

fn is_turning(c: char) -> bool {
    TURNING.iter().any(|range| range.contains(&c))
}

/// Characters that a text of one line must not contain.
pub(crate) fn is_refused_in_line(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') || is_turning(c)
}

/// Characters that a text of several lines must not contain.
fn is_refused_in_lines(c: char) -> bool {
    (c.is_control() && !matches!(c, '\n' | '\r')) || is_turning(c)
}

/// Whether a character shows something by itself. Marks that stand on another character do not, and
/// what no script has is drawn by no font.
fn is_base(c: char) -> bool {
    // The standard library escapes what extends a character, and what is not printable.
    let is_plain = c.escape_debug().len() == 1 || matches!(c, '"' | '\'' | '\\');
    is_plain && is_visible(c)
}

/// Whether a character is none in any text: Unicode keeps these for programs.
fn is_noncharacter(c: char) -> bool {
    matches!(c, '\u{fdd0}'..='\u{fdef}') || u32::from(c) & 0xfffe == 0xfffe
}

fn is_visible(c: char) -> bool {
    !c.is_whitespace() && !c.is_control() && !INVISIBLE.iter().any(|range| range.contains(&c))
}

/// The trimmed text, if it has `min` to `max` characters, at least one of them visible and none
/// refused.
fn read(
    text: &str,
    (min, max): (usize, usize),
    is_refused: fn(char) -> bool,
) -> Result<&str, FaultKind> {
    let text = text.trim();
    if text.chars().take(min).count() < min || !text.chars().any(is_visible) {
        Err(FaultKind::TooShort(min))
    } else if text.chars().nth(max).is_some() {
        Err(FaultKind::TooLong(max))
    } else if text.chars().any(is_refused) {
        Err(FaultKind::ControlCharacter)
    } else {
        Ok(text)
    }
}

/// Control characters, in the syntax of a regular expression.
const CONTROLS: &str = r"\x00-\x1f\x7f-\x9f";
/// [`is_refused_in_line`] as a regular expression.
const REFUSED_IN_LINE: &str = r"\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u206f\ufff9-\ufffb";
/// [`is_refused_in_lines`] as a regular expression.
const REFUSED_IN_LINES: &str =
    r"\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u206f\ufff9-\ufffb";

/// A regular expression for texts without the `refused` characters, of at least `min` characters
/// without surrounding blanks and with a visible one. It leaves out characters beyond 16 bits,
/// which not every dialect can name.
fn plain_text(min: usize, refused: &str) -> String {
    let narrow = INVISIBLE.iter().filter(|range| u32::from(*range.end()) <= 0xffff);
    let hidden: String = narrow
        .map(|range| {
            format!("\\u{:04x}-\\u{:04x}", u32::from(*range.start()), u32::from(*range.end()))
        })
        .collect();
    let (any, solid) = (format!("[^{refused}]"), format!(r"[^\s{CONTROLS}{hidden}]"));
    match min.checked_sub(2) {
        Some(between) => format!("^{any}*{solid}{any}{{{between},}}{solid}{any}*$"),
        None => format!("^{any}*{solid}{any}*$"),
    }
}

/// A text of one line with `MIN` to `MAX` characters. It is trimmed; control characters and changes
/// of direction are refused.
#[derive(Clone, PartialEq, Eq)]
pub struct Text<const MAX: usize, const MIN: usize = 1>(pub String);

impl<const MAX: usize, const MIN: usize> FromValue for Text<MAX, MIN> {
    fn read(value: &Value) -> Result<Self, FaultKind> {
        read(string(value)?, (MIN, MAX), is_refused_in_line).map(|text| Self(text.to_owned()))
    }

    fn schema(_: &mut Schemas) -> Schema {
        json_schema!({ "type": "string", "minLength": MIN, "maxLength": MAX, "pattern": plain_text(MIN, REFUSED_IN_LINE) })
    }
}

/// Why a name that a person has typed is not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NameFault {
    /// It is none of at most so many characters in one line.
    Invalid,
    /// It has this character, which nobody sees: with it two names look alike, or run in another
    /// direction than they are written.
    Hidden(char),
}

impl NameFault {
    /// What to say of it; `what` is how it is called, `other` is said of a name that is none.
    #[must_use]
    pub fn sentence(self, what: &str, other: &str) -> String {
        match self {
            Self::Invalid => other.to_owned(),
            Self::Hidden(c) => format!(
                "{what} has an invisible character, U+{:04X}: type it again, without pasting it.",
                u32::from(c)
            ),
        }
    }
}

/// A name or title that a person types, for other people to read: trimmed, of 1 to `max` characters in
/// one line, of which one at least is seen by itself, and without a character that nobody sees. What programs send may have those that
/// [`Text`] takes, and so has what was stored before: pages show every name in a `bdi`, so that it
/// turns nothing around it.
///
/// # Errors
/// [`NameFault`].
pub fn typed_name(text: &str, max: usize) -> Result<String, NameFault> {
    let text = text.trim();
    let around = |(before, (c, after)): (Option<char>, (char, Option<char>))| {
        is_hidden(before, c, after).then_some(c)
    };
    let befores = std::iter::once(None).chain(text.chars().map(Some));
    let afters = text.chars().skip(1).map(Some).chain([None]);
    if let Some(c) = befores.zip(text.chars().zip(afters)).find_map(around) {
        return Err(NameFault::Hidden(c));
    }
    if let Some(c) = text.chars().next().filter(|_| !text.chars().any(is_base)) {
        return Err(NameFault::Hidden(c));
    }
    let read = read(text, (1, max), is_refused_in_line);
    read.map(str::to_owned).map_err(|_| NameFault::Invalid)
}

/// The character for which a text that a person has typed is not taken, though it is short enough: one
/// that turns what is written, or the first of nothing but invisible ones.
#[must_use]
pub fn hidden_in_text(text: &str) -> Option<char> {
    let text = text.trim();
    let all_hidden = !text.chars().any(is_visible);
    text.chars().find(|c| is_turning(*c) || all_hidden && !c.is_whitespace() && !c.is_control())
}

/// Whether a character is neither seen nor needed where it stands. Joiners shape the letters of many
/// scripts and join emoji; variation selectors choose the form of an emoji, a Mongolian letter or an
/// ideograph. Anywhere else they do nothing that anybody sees.
fn is_hidden(before: Option<char>, c: char, after: Option<char>) -> bool {
    let is_joined = |c: Option<char>| c.is_some_and(|c| is_visible(c) && !has_no_joiners(c));
    match c {
        '\u{200c}' | '\u{200d}' => {
            matches!(before, Some('\u{200c}' | '\u{200d}'))
                || !is_joined(before) && !is_joined(after)
        }
        '\u{fe00}'..='\u{fe0f}' => {
            !before.is_some_and(|c| is_visible(c) && !c.is_ascii() && !c.is_alphabetic())
        }
        '\u{180b}'..='\u{180d}' | '\u{180f}' => !matches!(before, Some('\u{1820}'..='\u{18aa}')),
        '\u{e0100}'..='\u{e01ef}' => !matches!(
            before,
            Some('\u{2e80}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
        ),
        _ => is_noncharacter(c) || INVISIBLE.iter().chain(&TURNING).any(|range| range.contains(&c)),
    }
}

/// Whether a character is of a script that has no joiners: Latin, Greek or Cyrillic.
const fn has_no_joiners(c: char) -> bool {
    matches!(c, '\0'..='\u{52f}' | '\u{1e00}'..='\u{1fff}')
}

const NOTE_MAX: usize = 2_000;

/// A text of several lines.
#[derive(Clone, PartialEq, Eq)]
pub struct Note(pub String);

impl FromValue for Note {
    fn read(value: &Value) -> Result<Self, FaultKind> {
        read(string(value)?, (1, NOTE_MAX), is_refused_in_lines).map(|text| Self(text.to_owned()))
    }

    fn schema(_: &mut Schemas) -> Schema {
        json_schema!({ "type": "string", "minLength": 1, "maxLength": NOTE_MAX, "pattern": plain_text(1, REFUSED_IN_LINES) })
    }
}

/// A text of several lines, of at most so many characters.
#[derive(Clone, PartialEq, Eq)]
pub struct Lines<const MAX: usize>(pub String);

impl<const MAX: usize> FromValue for Lines<MAX> {
    fn read(value: &Value) -> Result<Self, FaultKind> {
        read(string(value)?, (1, MAX), is_refused_in_lines).map(|text| Self(text.to_owned()))
    }

    fn schema(_: &mut Schemas) -> Schema {
        json_schema!({ "type": "string", "minLength": 1, "maxLength": MAX, "pattern": plain_text(1, REFUSED_IN_LINES) })
    }
}

/// A secret. It is never displayed, so that only control characters are refused: existing secrets
/// must stay valid.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

const SECRET_MAX: usize = 255;

impl FromValue for Secret {
    fn read(value: &Value) -> Result<Self, FaultKind> {
        read(string(value)?, (1, SECRET_MAX), char::is_control).map(|text| Self(text.to_owned()))
    }

    fn schema(_: &mut Schemas) -> Schema {
        json_schema!({
            "type": "string", "minLength": 1, "maxLength": SECRET_MAX, "pattern": plain_text(1, CONTROLS),
            "format": "password", "writeOnly": true,
        })
    }
}

/// A country that may be absent: two or three letters of ISO 3166, in any case. An empty text
/// counts as absent, because HTML forms send one for a field that was left out.
#[derive(Clone, PartialEq, Eq)]
pub struct OptionalCountry(pub Option<Country>);

impl OptionalCountry {
    const PATTERN: &'static str = "^([A-Za-z]{2,3})?$";

    fn read(value: &Value) -> Result<Self, FaultKind> {
        let text = string(value)?.trim();
        if text.is_empty() {
            return Ok(Self(None));
        }
        if !(2..=3).contains(&text.len()) || !text.bytes().all(|byte| byte.is_ascii_alphabetic()) {
            return Err(FaultKind::Pattern(Self::PATTERN));
        }
        Country::parse(text).map(|country| Self(Some(country))).ok_or(FaultKind::NotCountry)
    }
}

impl Field for OptionalCountry {
    const REQUIRED: bool = false;

    fn take(fields: &mut Fields<'_>, name: &'static str) -> Option<Self> {
        let country = fields.get(name).map_or(Ok(Self(None)), Self::read);
        fields.record(name, country)
    }

    fn schema(_: &mut Schemas) -> Schema {
        json_schema!({ "type": ["string", "null"], "pattern": Self::PATTERN })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::fields::Secret;
    use serde_json::json;

    fn kind<T: FromValue>(value: &Value) -> &'static str {
        T::read(value).err().map_or("fine", |kind| kind.kind())
    }

    #[test]
    fn texts_are_trimmed_and_bounded() {
        assert_eq!(Text::<3>::read(&json!("  äöü ")).map(|text| text.0), Ok("äöü".to_owned()));
        assert_eq!(kind::<Text<3>>(&json!("   ")), "value_error.any_str.min_length");
        assert_eq!(kind::<Text<3>>(&json!("abcd")), "value_error.any_str.max_length");
        assert_eq!(kind::<Text<3>>(&json!("a\0b")), "value_error.str.control");
        assert_eq!(kind::<Text<3>>(&json!(12)), "type_error.str");
    }

    #[test]
    fn a_name_can_be_seen() {
        for hidden in [
            "\u{200b}",
            "\u{200f}\u{200e}",
            "\u{feff}",
            " \u{2066}\u{2069} ",
            "\u{3164}",
            "\u{e0041}",
            "\u{2800}",
            "\u{ad}",
        ] {
            assert_eq!(
                kind::<Text<255>>(&json!(hidden)),
                "value_error.any_str.min_length",
                "{hidden:?}"
            );
        }
        for seen in ["می\u{200c}خواهم", "👨\u{200d}👩\u{200d}👧", "\u{200f}عمرو", "❤\u{fe0f}", "."]
        {
            assert_eq!(kind::<Text<255>>(&json!(seen)), "fine", "{seen:?}");
        }
    }

    #[test]
    fn a_text_is_read_as_it_is_stored() {
        for turned in [
            "Shop \u{202e}DSU 001",
            "\u{202a}x\u{202c}",
            "a\u{2066}b\u{2069}",
            "a\u{206e}b",
            "\u{fff9}a\u{fffa}b\u{fffb}",
        ] {
            assert_eq!(kind::<Text<255>>(&json!(turned)), "value_error.str.control", "{turned:?}");
            assert_eq!(kind::<Note>(&json!(turned)), "value_error.str.control", "{turned:?}");
        }
        // Line breaks are for notes, whatever character they are.
        for broken in ["a\u{2028}b", "a\u{2029}b"] {
            assert_eq!(kind::<Text<255>>(&json!(broken)), "value_error.str.control", "{broken:?}");
            assert_eq!(kind::<Note>(&json!(broken)), "fine", "{broken:?}");
        }
        for kept in [
            "a\u{200e}b",
            "\u{200f}عمرو (1)\u{200f}",
            "می\u{200c}خواهم",
            "ක්\u{200d}ෂ",
            "ខ្ញុំ\u{200b}ទៅ",
            "a\u{ad}b",
        ] {
            assert_eq!(
                [kind::<Text<255>>(&json!(kept)), kind::<Note>(&json!(kept))],
                ["fine"; 2],
                "{kept:?}"
            );
        }
    }

    #[test]
    fn what_a_person_types_is_seen_as_it_is_stored() {
        for hidden in [
            '\u{200e}',
            '\u{200f}',
            '\u{61c}',
            '\u{200b}',
            '\u{feff}',
            '\u{ad}',
            '\u{2060}',
            '\u{34f}',
            '\u{202a}',
            '\u{202b}',
            '\u{202c}',
            '\u{202d}',
            '\u{202e}',
            '\u{2066}',
            '\u{2067}',
            '\u{2068}',
            '\u{2069}',
            '\u{3164}',
            '\u{2800}',
            '\u{e0041}',
            '\u{fff9}',
            '\u{180e}',
        ] {
            for name in [format!("Am{hidden}a"), format!("{hidden}Ama"), format!("عمرو{hidden}")]
            {
                assert_eq!(typed_name(&name, 255), Err(NameFault::Hidden(hidden)), "{name:?}");
            }
        }
        // Where they do nothing, those that some scripts need are as invisible.
        for (name, hidden) in [
            ("Am\u{200d}a", '\u{200d}'),
            ("Am\u{200c}a", '\u{200c}'),
            ("Ama\u{200d}", '\u{200d}'),
            ("Élo\u{200d}die", '\u{200d}'),
            ("می\u{200c}\u{200c}خواهم", '\u{200c}'),
            ("Ama\u{fe0f}", '\u{fe0f}'),
            ("Ama\u{e0100}", '\u{e0100}'),
            ("Ama\u{180b}", '\u{180b}'),
        ] {
            assert_eq!(typed_name(name, 255), Err(NameFault::Hidden(hidden)), "{name:?}");
        }
        for kept in [
            "Ama Kollie",
            "Élodie N'Goran-Öz",
            "عمرو دياب",
            "می\u{200c}خواهم",
            "Facebook\u{200c}ها",
            "ක්\u{200d}ෂ",
            "क्\u{200d}ष",
            "👨\u{200d}👩\u{200d}👧",
            "❤\u{fe0f}\u{200d}🔥",
            "辻\u{e0100}さん",
            "ᠠ\u{180b}",
            "米 & 🍚",
        ] {
            assert_eq!(typed_name(&format!(" {kept} "), 255).as_deref(), Ok(kept), "{kept:?}");
        }
        // Marks without a letter, and what no font draws.
        for (name, hidden) in [
            ("\u{301}", '\u{301}'),
            (" \u{301}\u{302} ", '\u{301}'),
            ("\u{20dd}", '\u{20dd}'),
            ("\u{e000}", '\u{e000}'),
            ("\u{fdd0}", '\u{fdd0}'),
            ("Ama\u{fdd0}", '\u{fdd0}'),
            ("Ama\u{10ffff}", '\u{10ffff}'),
        ] {
            assert_eq!(typed_name(name, 255), Err(NameFault::Hidden(hidden)), "{name:?}");
        }
        for kept in ["E\u{301}lodie", "e\u{301}", "กิ่ง", "שָׁלוֹם", "\"", "'", "\\", "$", "🍚"]
        {
            assert_eq!(typed_name(kept, 255).as_deref(), Ok(kept), "{kept:?}");
        }
        for none in ["", "  ", "a\nb", "a\u{2028}b", "abcdef"] {
            assert_eq!(typed_name(none, 5), Err(NameFault::Invalid), "{none:?}");
        }
        let said = NameFault::Hidden('\u{200e}').sentence("A name", "Give a name.");
        assert!(said.starts_with("A name has an invisible character, U+200E"), "{said}");
        assert_eq!(NameFault::Invalid.sentence("A name", "Give a name."), "Give a name.");
    }

    #[test]
    fn what_somebody_uses_already_opens_still() {
        assert_eq!(kind::<Secret>(&json!("pass\u{2066}code")), "fine");
        assert_eq!(kind::<Secret>(&json!("pass\ncode")), "value_error.str.control");
    }

    #[test]
    fn a_note_has_lines_and_nothing_else_that_is_not_written() {
        assert_eq!(
            Note::read(&json!(" one\r\ntwo\n")).map(|note| note.0),
            Ok("one\r\ntwo".to_owned())
        );
        for (note, expected) in
            [("\n\n", "value_error.any_str.min_length"), ("a\tb", "value_error.str.control")]
        {
            assert_eq!(kind::<Note>(&json!(note)), expected, "{note:?}");
        }
        assert_eq!(kind::<Note>(&json!("x".repeat(2_001))), "value_error.any_str.max_length");
    }

    #[test]
    fn a_country_goes_by_two_letters_or_three() {
        let read = |text: &str| {
            OptionalCountry::read(&json!(text))
                .map(|country| country.0.map(|country| country.0))
                .map_err(|kind| kind.kind())
        };
        for text in ["LR", "lr", "LBR", "lbr", " Lbr "] {
            assert_eq!(read(text), Ok(Some("LR".to_owned())), "{text}");
        }
        assert_eq!([read(""), read(" ")], [Ok(None), Ok(None)]);
        assert_eq!(
            [read("ZZZ"), read("Liberia")],
            [Err("value_error.country"), Err("value_error.str.regex")]
        );
    }
}
