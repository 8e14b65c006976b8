//! QR codes as SVG images.

use fast_qr::QRBuilder;
use std::fmt::Write as _;

use crate::api::error::ApiError;

/// The light border that scanners need, in modules.
const BORDER: usize = 4;

/// A QR code of `text`: black on white whatever the colours around it, so that it can be scanned.
///
/// # Errors
/// [`ApiError`] for a text that is too long for a QR code.
pub fn svg(text: &str) -> Result<String, ApiError> {
    let code = QRBuilder::new(text)
        .build()
        .map_err(|error| ApiError::internal(format!("a link has no QR code: {error:?}")))?;
    let size = code.size + 2 * BORDER;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {size} {size}\" shape-rendering=\"crispEdges\">\
         <path fill=\"#fff\" d=\"M0 0h{size}v{size}H0z\"/><path d=\""
    );
    for (y, row) in code.data.chunks(code.size).take(code.size).enumerate() {
        let mut x = BORDER;
        // Neighbouring modules of one colour are one rectangle.
        for run in row.chunk_by(|one, next| one.value() == next.value()) {
            let width = run.len();
            if run.first().is_some_and(|module| module.value()) {
                let _ = write!(svg, "M{x} {}h{width}v1h-{width}z", y + BORDER);
            }
            x += width;
        }
    }
    svg.push_str("\"/></svg>");
    Ok(svg)
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
}
