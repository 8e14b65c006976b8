//! QR codes as squares: for PDFs, and as SVG for pages.

use std::fmt::Write as _;

use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Response};
use fast_qr::{ECL, QRBuilder};

use crate::api::error::ApiError;
use crate::api::response::Svg;
use crate::web::text::escape;

/// The light border that scanners need, in squares.
pub const BORDER: i32 = 4;

/// A QR code. Its squares are counted from the upper left corner of the light border.
pub struct Qr {
    /// How many squares a side has, with the border.
    side: i32,
    runs: Vec<Run>,
}

/// Dark squares beside each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Run {
    pub column: i32,
    pub row: i32,
    pub length: i32,
}

impl Qr {
    /// `None` for a text that is too long for any QR code, from some 1,600 bytes on.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        Self::with(text, ECL::M)
    }

    fn with(text: &str, correction: ECL) -> Option<Self> {
        let code = QRBuilder::new(text).ecl(correction).build().ok()?;
        let mut runs: Vec<Run> = vec![];
        for (row, squares) in (BORDER..).zip((0..code.size).map(|row| &code[row])) {
            for (column, _) in (BORDER..).zip(squares).filter(|(_, square)| square.value()) {
                match runs.last_mut() {
                    Some(last) if last.row == row && last.column + last.length == column => {
                        last.length += 1;
                    }
                    _ => runs.push(Run { column, row, length: 1 }),
                }
            }
        }
        Some(Self { side: i32::try_from(code.size).ok()? + 2 * BORDER, runs })
    }

    #[must_use]
    pub const fn side(&self) -> i32 {
        self.side
    }

    /// How wide a square may be in a code that is so wide.
    #[must_use]
    pub const fn square(&self, width: i32) -> i32 {
        width / self.side
    }

    #[must_use]
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// The dark squares as the path of an SVG whose view box has as many units as the code has
    /// squares.
    #[must_use]
    pub fn path(&self) -> String {
        let mut path = String::with_capacity(self.runs.len() * 16);
        for Run { column, row, length } in &self.runs {
            let _ = write!(path, "M{column} {row}h{length}v1h-{length}z");
        }
        path
    }
}

/// The height of a line of a title, in modules.
const LINE: i32 = 4;
/// The limit of characters in a line of a title: more would be wider than the code.
const LINE_CHARACTERS: usize = 26;
/// The limit of lines of a title.
const LINES_MAX: usize = 4;

/// A QR code of `text`: black on white whatever the colours around it, so that it can be scanned.
///
/// # Errors
/// [`ApiError`] for a text that is too long for a QR code.
pub fn svg(text: &str) -> Result<String, ApiError> {
    let code = Qr::new(text).ok_or_else(too_long)?;
    Ok(format!("{}<path d=\"{}\"/></svg>", head(code.side(), code.side()), code.path()))
}

/// The answer with the QR code of a page's URL, which never changes.
///
/// # Errors
/// See [`svg`].
pub fn of_page(url: &str) -> Result<Response, ApiError> {
    let cached = [(CACHE_CONTROL, "private, max-age=31536000, immutable")];
    Ok((cached, Svg(svg(url)?)).into_response())
}

/// A QR code for printing, with a title below. It can be scanned although a quarter of it is dirty or
/// torn.
///
/// # Errors
/// [`ApiError`] for a text that is too long for a QR code.
pub fn svg_with_title(text: &str, title: &str) -> Result<String, ApiError> {
    let code = Qr::with(text, ECL::Q).ok_or_else(too_long)?;
    let lines = lines(title);
    let width = code.side();
    let below = i32::try_from(lines.len()).unwrap_or(0) * LINE;
    let mut svg = format!(
        "{}<title>{}</title><path d=\"{}\"/>\
         <g font-family=\"sans-serif\" font-size=\"3\" text-anchor=\"middle\">",
        head(width, width + below + LINE / 2),
        escape(title),
        code.path()
    );
    for (line, text) in (1..).zip(&lines) {
        let y = width - BORDER / 2 + line * LINE;
        let _ = write!(svg, "<text x=\"{}\" y=\"{y}\">{}</text>", width / 2, escape(text));
    }
    svg.push_str("</g></svg>");
    Ok(svg)
}

fn too_long() -> ApiError {
    ApiError::internal("a link has no QR code")
}

/// The beginning of an image, with its white ground.
fn head(width: i32, height: i32) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" shape-rendering=\"crispEdges\">\
         <path fill=\"#fff\" d=\"M0 0h{width}v{height}H0z\"/>"
    )
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
    fn a_code_has_three_corners_and_a_light_border() {
        let code = Qr::new("https://pay.example/verify?code=7KQ2-9M4X").unwrap();
        let corner = |column, row| code.runs().contains(&Run { column, row, length: 7 });
        let last = code.side() - BORDER - 7;
        assert!(corner(BORDER, BORDER) && corner(last, BORDER) && corner(BORDER, last));
        for run in code.runs() {
            assert!(run.column >= BORDER && run.column + run.length <= code.side() - BORDER);
            assert!(run.row >= BORDER && run.row < code.side() - BORDER);
        }
        assert!(code.path().starts_with("M4 4h7v1h-7z"));
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
}
