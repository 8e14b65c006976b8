//! QR codes as SVG images.

use fast_qr::{ECL, QRBuilder, QRCode};
use std::fmt::Write as _;

use crate::api::error::ApiError;
use crate::web::text::escape;

/// The light border that scanners need, in modules.
const BORDER: usize = 4;

/// The height of a line of a title, in modules.
const LINE: usize = 4;
/// The limit of characters in a line of a title: more would be wider than the code.
const LINE_CHARACTERS: usize = 26;
/// The limit of lines of a title.
const LINES_MAX: usize = 4;

/// A QR code of `text`: black on white whatever the colours around it, so that it can be scanned.
///
/// # Errors
/// [`ApiError`] for a text that is too long for a QR code.
pub fn svg(text: &str) -> Result<String, ApiError> {
    let code = encode(text, ECL::M)?;
    let size = code.size + 2 * BORDER;
    Ok(format!("{}<path d=\"{}\"/></svg>", head(size, size), modules(&code)))
}

/// A QR code for printing, with a title below. It can be scanned although a quarter of it is dirty or
/// torn.
///
/// # Errors
/// [`ApiError`] for a text that is too long for a QR code.
pub fn svg_with_title(text: &str, title: &str) -> Result<String, ApiError> {
    let code = encode(text, ECL::Q)?;
    let lines = lines(title);
    let width = code.size + 2 * BORDER;
    let mut svg = format!(
        "{}<title>{}</title><path d=\"{}\"/>\
         <g font-family=\"sans-serif\" font-size=\"3\" text-anchor=\"middle\">",
        head(width, width + lines.len() * LINE + LINE / 2),
        escape(title),
        modules(&code)
    );
    for (line, text) in (1..).zip(&lines) {
        let y = width - BORDER / 2 + line * LINE;
        let _ = write!(svg, "<text x=\"{}\" y=\"{y}\">{}</text>", width / 2, escape(text));
    }
    svg.push_str("</g></svg>");
    Ok(svg)
}

fn encode(text: &str, correction: ECL) -> Result<QRCode, ApiError> {
    QRBuilder::new(text)
        .ecl(correction)
        .build()
        .map_err(|error| ApiError::internal(format!("a link has no QR code: {error:?}")))
}

/// The beginning of an image, with its white ground.
fn head(width: usize, height: usize) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" shape-rendering=\"crispEdges\">\
         <path fill=\"#fff\" d=\"M0 0h{width}v{height}H0z\"/>"
    )
}

/// The dark modules as a path.
fn modules(code: &QRCode) -> String {
    let mut path = String::new();
    for (y, row) in code.data.chunks(code.size).take(code.size).enumerate() {
        let mut x = BORDER;
        // Neighbouring modules of one colour are one rectangle.
        for run in row.chunk_by(|one, next| one.value() == next.value()) {
            let width = run.len();
            if run.first().is_some_and(|module| module.value()) {
                let _ = write!(path, "M{x} {}h{width}v1h-{width}z", y + BORDER);
            }
            x += width;
        }
    }
    path
}

/// A title in lines, which are broken at blanks where that is possible. One that is too long ends
/// with an ellipsis.
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

    const URL: &str = "https://pay.example/pay/0123456789abcdef0123456789abcdef";

    #[test]
    fn a_link_becomes_a_small_image() {
        let svg = svg(URL).unwrap();
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>"), "{svg}");
        assert!(svg.len() < 12_000, "{}", svg.len());
        assert!(super::svg(&"x".repeat(10_000)).is_err());
    }

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
    fn a_title_stands_below_the_code_without_markup() {
        let svg = svg_with_title(URL, "<b>Rice</b> & \"beans\"").unwrap();
        assert!(
            svg.contains("<text x=\"") && svg.contains("&lt;b&gt;Rice&lt;/b&gt; &amp;"),
            "{svg}"
        );
        assert!(!svg.contains("<b>"), "{svg}");
        assert!(svg.len() < 16_000, "{}", svg.len());
        // The squares in the corners begin with seven dark modules in a row.
        assert!(svg.contains("M4 4h7v1h-7z"), "{svg}");
    }

    /// Every dark module is in the path, and no other.
    #[test]
    fn the_path_has_the_modules_of_the_code() {
        let code = encode(URL, ECL::Q).unwrap();
        let dark = (0..code.size).map(|y| code[y].iter().filter(|module| module.value()).count());
        let drawn = modules(&code)
            .split('M')
            .filter_map(|run| run.split_once('h')?.1.split_once('v')?.0.parse::<usize>().ok())
            .sum::<usize>();
        assert_eq!(drawn, dark.sum::<usize>());
    }
}
