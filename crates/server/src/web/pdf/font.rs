//! The font of the PDFs: which characters it has, how wide they are, and where lines break.
//!
//! Lengths are twips, the twentieth part of a point: integers that are exact enough for any printer.

use ttf_parser::Face;

/// Of what cannot be shown, and the sign that the reader knows for it.
const REPLACEMENT: char = '\u{fffd}';

pub const REGULAR: &[u8] = include_bytes!("../../../assets/fonts/NotoSans-Regular.ttf");
pub const BOLD: &[u8] = include_bytes!("../../../assets/fonts/NotoSans-Bold.ttf");

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Weight {
    Regular,
    Bold,
}

/// How a text is set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Style {
    /// The size of the font, in twips.
    pub size: i32,
    pub weight: Weight,
}

/// The measures of the two fonts.
pub struct Measures {
    regular: Face<'static>,
    bold: Face<'static>,
}

impl Measures {
    /// `None` for files that are no fonts.
    #[must_use]
    pub fn read() -> Option<Self> {
        Some(Self { regular: Face::parse(REGULAR, 0).ok()?, bold: Face::parse(BOLD, 0).ok()? })
    }

    const fn face(&self, weight: Weight) -> &Face<'static> {
        match weight {
            Weight::Regular => &self.regular,
            Weight::Bold => &self.bold,
        }
    }

    /// The text as the font can show it, and whether that is all of it. What is invisible is left
    /// out; white space becomes a blank, but line breaks stay.
    #[must_use]
    pub fn printable(&self, text: &str) -> (String, bool) {
        let mut is_whole = true;
        let mut shown = String::with_capacity(text.len());
        // Both fonts have the same characters.
        let face = self.face(Weight::Regular);
        for character in text.chars().filter(|character| !is_invisible(*character)) {
            shown.push(match character {
                '\n' => '\n',
                character if face.glyph_index(character).is_some() => character,
                character if character.is_whitespace() => ' ',
                _ => {
                    is_whole = false;
                    REPLACEMENT
                }
            });
        }
        (shown, is_whole)
    }

    /// The width of a text that is [printable](Self::printable).
    #[must_use]
    pub fn width(&self, text: &str, style: Style) -> i32 {
        let face = self.face(style.weight);
        in_style(text.chars().map(|character| advance(face, character)).sum(), face, style)
    }

    /// The lines of a printable text that is at most `width` wide. All but the last end with a blank,
    /// so that a program which reads the text aloud does not join two words.
    #[must_use]
    pub fn lines(&self, text: &str, style: Style, width: i32) -> Vec<String> {
        text.split('\n').flat_map(|paragraph| self.broken(paragraph, style, width)).collect()
    }

    fn broken(&self, paragraph: &str, style: Style, width: i32) -> Vec<String> {
        let mut lines = vec![];
        let mut line = String::new();
        for word in paragraph.split(' ').filter(|word| !word.is_empty()) {
            let joined = if line.is_empty() { word.to_owned() } else { format!("{line} {word}") };
            if self.width(&joined, style) <= width {
                line = joined;
                continue;
            }
            if !line.is_empty() {
                line.push(' ');
                lines.push(line);
            }
            let mut parts = self.parts_of_word(word, style, width);
            line = parts.pop().unwrap_or_default();
            lines.extend(parts);
        }
        lines.push(line);
        lines
    }

    /// A word that may be wider than a line, in parts that fit. A mark stays with its letter.
    fn parts_of_word(&self, word: &str, style: Style, width: i32) -> Vec<String> {
        let face = self.face(style.weight);
        let mut parts = vec![];
        let mut part = String::new();
        // The width of the part in units of the font.
        let mut units = 0i32;
        for character in word.chars() {
            let further = advance(face, character);
            let is_mark = further == 0;
            if !is_mark && !part.is_empty() && in_style(units + further, face, style) > width {
                parts.push(std::mem::take(&mut part));
                units = 0;
            }
            part.push(character);
            units += further;
        }
        parts.push(part);
        parts
    }
}

/// The text on one line and without what is invisible: for the properties of a document, where
/// control characters are not allowed.
#[must_use]
pub fn visible(text: &str) -> String {
    let visible = text.chars().filter(|character| !is_invisible(*character));
    visible.map(|character| if character.is_whitespace() { ' ' } else { character }).collect()
}

/// The width of so many units of the font. It is rounded up: no text is wider than its width.
fn in_style(units: i32, face: &Face<'_>, style: Style) -> i32 {
    let per_em = i32::from(face.units_per_em());
    units.saturating_mul(style.size).saturating_add(per_em - 1) / per_em
}

/// How far a character moves the next one, in units of the font.
fn advance(face: &Face<'_>, character: char) -> i32 {
    let glyph = face.glyph_index(character);
    glyph.and_then(|glyph| face.glyph_hor_advance(glyph)).map_or(0, i32::from)
}

/// Characters that only steer how others are shown, which a PDF does not need: without them no text
/// can turn the reading direction of what stands beside it.
const fn is_invisible(character: char) -> bool {
    matches!(character,
        '\u{0}'..='\u{8}' | '\u{b}' | '\u{c}' | '\r' | '\u{e}'..='\u{1f}' | '\u{7f}'..='\u{9f}'
        | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: Style = Style { size: 200, weight: Weight::Regular };

    fn measures() -> Measures {
        Measures::read().unwrap()
    }

    #[test]
    fn the_fonts_have_the_same_characters() {
        let measures = measures();
        for character in (0..0x2_0000).filter_map(char::from_u32) {
            let has = |weight| measures.face(weight).glyph_index(character).is_some();
            assert_eq!(has(Weight::Regular), has(Weight::Bold), "{character:?}");
        }
        for character in "Aéßłşƒƙŋɛɔ̃ạΑωЖїʼ«»„“”’–—…•·€₦№™\u{a0}\u{202f}\u{fffd}".chars()
        {
            assert!(measures.regular.glyph_index(character).is_some(), "{character:?}");
        }
    }

    #[test]
    fn what_the_font_lacks_is_replaced_and_what_nobody_sees_is_left_out() {
        let printable = |text: &str| measures().printable(text);
        assert_eq!(printable("Señor Ωmega Жук"), ("Señor Ωmega Жук".to_owned(), true));
        assert_eq!(printable("a\u{202e}b\u{200d}c\u{feff}\u{7}d"), ("abcd".to_owned(), true));
        assert_eq!(printable("a\tb\u{3000}c\nd"), ("a b c\nd".to_owned(), true));
        assert_eq!(printable("米 🍚"), ("\u{fffd} \u{fffd}".to_owned(), false));
        assert_eq!(visible("米\n🍚\u{1}\u{202e}\u{ffff}x"), "米 🍚x");
    }

    #[test]
    fn no_line_is_too_wide() {
        let measures = measures();
        let texts = [
            "rice and beans for the feast of the whole village",
            &"W".repeat(255),
            "https://pay.example/a/very/long/address/that/nobody/can/break",
            &"e\u{301}".repeat(100),
            "one\ntwo\n\nthree",
            "",
            "    ",
        ];
        for text in texts {
            for width in [300, 1_000, 4_000] {
                let lines = measures.lines(text, TEXT, width);
                for line in &lines {
                    let visible = line.trim_end();
                    assert!(measures.width(visible, TEXT) <= width, "{line:?} in {width}");
                    assert!(!visible.starts_with('\u{301}'));
                }
                let joined: String = lines.concat().split_whitespace().collect();
                assert_eq!(joined, text.split_whitespace().collect::<String>());
            }
        }
        assert_eq!(measures.lines("one\ntwo\n\nthree", TEXT, 4_000), ["one", "two", "", "three"]);
    }

    #[test]
    fn widths_are_those_of_the_font() {
        let measures = measures();
        // Ten digits of 572 thousandths at 10 points: 57.2 points.
        assert_eq!(measures.width("0123456789", TEXT), 1_144);
        assert_eq!(measures.width("", TEXT), 0);
        assert!(
            measures.width("Total", Style { weight: Weight::Bold, ..TEXT })
                > measures.width("Total", TEXT)
        );
    }
}
