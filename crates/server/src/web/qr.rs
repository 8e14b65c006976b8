//! QR codes as squares, for pages and PDFs.

use fast_qr::{ECL, QRBuilder};

/// The blank squares that a QR code needs on each side.
const QUIET: usize = 4;

/// A QR code. Its squares are counted from the upper left corner of the blank border.
pub struct Qr {
    /// How many squares a side has, with the blank border.
    side: usize,
    runs: Vec<Run>,
}

/// Dark squares beside each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Run {
    pub column: usize,
    pub row: usize,
    pub length: usize,
}

impl Qr {
    /// `None` for a text that is too long for any QR code, from some 2,300 bytes on.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let code = QRBuilder::new(text).ecl(ECL::M).build().ok()?;
        let mut runs: Vec<Run> = vec![];
        for row in 0..code.size {
            for column in (0..code.size).filter(|column| code[row][*column].value()) {
                let (column, row) = (column + QUIET, row + QUIET);
                match runs.last_mut() {
                    Some(last) if last.row == row && last.column + last.length == column => {
                        last.length += 1;
                    }
                    _ => runs.push(Run { column, row, length: 1 }),
                }
            }
        }
        Some(Self { side: code.size + 2 * QUIET, runs })
    }

    #[must_use]
    pub const fn side(&self) -> usize {
        self.side
    }

    #[must_use]
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// The dark squares as the path of an SVG whose view box has as many units as the code has
    /// squares.
    #[must_use]
    pub fn svg_path(&self) -> String {
        let square =
            |Run { column, row, length }: &Run| format!("M{column} {row}h{length}v1h-{length}z");
        self.runs.iter().map(square).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_three_corners_and_a_blank_border() {
        let code = Qr::new("https://pay.example/verify?code=7KQ2-9M4X").unwrap();
        let corner = |column, row| code.runs().contains(&Run { column, row, length: 7 });
        let last = code.side() - QUIET - 7;
        assert!(corner(QUIET, QUIET) && corner(last, QUIET) && corner(QUIET, last));
        for run in code.runs() {
            assert!(run.column >= QUIET && run.column + run.length <= code.side() - QUIET);
            assert!(run.row >= QUIET && run.row < code.side() - QUIET);
        }
        assert!(code.svg_path().starts_with("M4 4h7v1h-7z"));
    }

    #[test]
    fn a_text_without_end_has_no_code() {
        assert!(Qr::new(&"x".repeat(2_000)).is_some());
        assert!(Qr::new(&"x".repeat(3_000)).is_none());
    }
}
