//! QR codes as squares: for PDFs, and as SVG for pages.

use std::fmt::Write as _;

use fast_qr::QRBuilder;

use crate::api::error::ApiError;

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
        let code = QRBuilder::new(text).build().ok()?;
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

/// A QR code of `text`: black on white whatever the colours around it, so that it can be scanned.
///
/// # Errors
/// [`ApiError`] for a text that is too long for a QR code.
pub fn svg(text: &str) -> Result<String, ApiError> {
    let code = Qr::new(text).ok_or_else(|| ApiError::internal("a link has no QR code"))?;
    let (side, path) = (code.side(), code.path());
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {side} {side}\" shape-rendering=\"crispEdges\">\
         <path fill=\"#fff\" d=\"M0 0h{side}v{side}H0z\"/><path d=\"{path}\"/></svg>"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_becomes_a_small_image() {
        let svg = svg("https://pay.example/pay/0123456789abcdef0123456789abcdef").unwrap();
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
}
