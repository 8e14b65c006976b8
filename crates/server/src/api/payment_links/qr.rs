//! The QR code of a link as an SVG image for printing, with the link's title below.

use std::fmt::Write as _;

use fast_qr::{ECL, QRBuilder, QRCode};

use crate::web::text::escape;

/// The light border that readers need, in modules.
const MARGIN: usize = 4;
/// The height of a line of the title, in modules.
const LINE: usize = 4;
/// The limit of characters in a line of the title: more would be wider than the code.
const LINE_CHARACTERS: usize = 26;
/// The limit of lines of the title.
const LINES_MAX: usize = 4;

/// The image; `None` for a text that does not fit into a code.
pub fn with_title(url: &str, title: &str) -> Option<String> {
    // A quarter of the code may be dirty or torn: it hangs at a till.
    let code = QRBuilder::new(url).ecl(ECL::Q).build().ok()?;
    let lines = lines(title);
    let width = code.size + 2 * MARGIN;
    let height = width + lines.len() * LINE + LINE / 2;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" role=\"img\">\
         <title>{}</title><rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\
         <path d=\"{}\" fill=\"#000\"/>\
         <g font-family=\"sans-serif\" font-size=\"3\" text-anchor=\"middle\" fill=\"#000\">",
        escape(title),
        modules(&code)
    );
    for (line, text) in (1..).zip(&lines) {
        let y = width - MARGIN / 2 + line * LINE;
        // Writing to a string cannot fail. Without a direction of its own a line takes that of its
        // first letter, and is centered in any case.
        let _ = write!(svg, "<text x=\"{}\" y=\"{y}\">{}</text>", width / 2, escape(text));
    }
    svg.push_str("</g></svg>\n");
    Some(svg)
}

/// The dark modules as one path, each run of them in a row as one rectangle.
fn modules(code: &QRCode) -> String {
    let mut path = String::new();
    for y in 0..code.size {
        let row = &code[y];
        let mut x = 0;
        while x < code.size {
            let length = row.iter().skip(x).take_while(|module| module.value()).count();
            if length > 0 {
                let _ = write!(path, "M{} {}h{length}v1h-{length}z", x + MARGIN, y + MARGIN);
            }
            x += length.max(1);
        }
    }
    path
}

/// The title in lines, which are broken at blanks where that is possible. A title that is too long
/// ends with an ellipsis.
fn lines(title: &str) -> Vec<String> {
    let mut lines: Vec<String> = vec![];
    for word in title.split_whitespace() {
        let mut rest: Vec<char> = word.chars().collect();
        let fits = lines
            .last()
            .is_some_and(|line| line.chars().count() + 1 + rest.len() <= LINE_CHARACTERS);
        if let Some(line) = lines.last_mut().filter(|_| fits) {
            line.push(' ');
            line.extend(rest);
            continue;
        }
        while rest.len() > LINE_CHARACTERS {
            let tail = rest.split_off(LINE_CHARACTERS);
            lines.push(rest.into_iter().collect());
            rest = tail;
        }
        lines.push(rest.into_iter().collect());
    }
    if lines.len() > LINES_MAX {
        lines.truncate(LINES_MAX);
        if let Some(last) = lines.last_mut() {
            *last = last.chars().take(LINE_CHARACTERS - 1).chain(['…']).collect();
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://pay.example.org/l/0123456789abcdef0123456789abcdef";

    #[test]
    fn a_title_is_broken_into_lines_as_wide_as_the_code() {
        assert_eq!(lines("Rice, 25 kg"), ["Rice, 25 kg"]);
        assert_eq!(
            lines("Donations for the new roof of the school"),
            ["Donations for the new roof", "of the school"]
        );
        assert_eq!(lines(&"x".repeat(30)), ["x".repeat(26), "x".repeat(4)]);
        let long = lines(&"word ".repeat(51));
        assert_eq!((long.len(), long[3].chars().last()), (4, Some('…')));
        assert!(long.iter().all(|line| line.chars().count() <= LINE_CHARACTERS));
        assert!(lines(" ").is_empty());
    }

    #[test]
    fn the_image_has_the_code_and_the_title_without_markup() {
        let svg = with_title(URL, "<b>Rice</b> & \"beans\"").unwrap();
        assert!(
            svg.contains("<text x=\"") && svg.contains("&lt;b&gt;Rice&lt;/b&gt; &amp;"),
            "{svg}"
        );
        assert!(!svg.contains("<b>"), "{svg}");
        assert!(svg.len() < 16_000, "{} bytes", svg.len());
        // The three squares in the corners: seven dark modules in a row.
        assert!(svg.contains("M4 4h7v1h-7z"), "{svg}");
        assert_eq!(with_title(&"x".repeat(8_000), ""), None);
    }

    /// Every dark module is in the path, and no other.
    #[test]
    fn the_path_has_the_modules_of_the_code() {
        let code = QRBuilder::new(URL).ecl(ECL::Q).build().unwrap();
        let dark = (0..code.size).map(|y| code[y].iter().filter(|module| module.value()).count());
        let drawn = modules(&code)
            .split('M')
            .filter_map(|run| run.split_once('h')?.1.split_once('v')?.0.parse::<usize>().ok())
            .sum::<usize>();
        assert_eq!(drawn, dark.sum::<usize>());
    }
}
