//! The logo of a merchant: read from a file, made as large as pages show it, and written as PNG, so
//! that nothing of the file reaches a browser but its pixels.

use std::io::Cursor;
use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::imageops::FilterType::Lanczos3;
use image::{DynamicImage, ImageFormat, ImageReader, Limits};
use store::small_file;

/// What a file may have at most, in bytes.
const FILE_BYTES: u64 = 4 << 20;

/// What the picture may have at most, in bytes.
const LOGO_BYTES: usize = 50 << 10;

/// A picture that is larger is made smaller. Pages show a logo 40 pixels high and at most 128 wide;
/// on a dense screen that is three times as many.
const SIZE: (u32, u32) = (384, 120);

/// What a picture may have at most on a side, and in memory.
const SIDE: u32 = 8_192;
const MEMORY_BYTES: u64 = 256 << 20;

/// Reads a picture from a file and returns it as PNG, in Base64.
///
/// # Errors
/// If the file is no PNG or WebP, or the picture is too large.
pub fn read(path: &Path) -> anyhow::Result<String> {
    let bytes = small_file::read(path, FILE_BYTES)
        .with_context(|| format!("{} cannot be read", path.display()))?;
    let png = as_png(&bytes).with_context(|| format!("{} is no logo", path.display()))?;
    Ok(BASE64.encode(png))
}

fn as_png(bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format()?;
    if !matches!(reader.format(), Some(ImageFormat::Png | ImageFormat::WebP)) {
        bail!("give a PNG or WebP");
    }
    let mut limits = Limits::default();
    limits.max_image_width = Some(SIDE);
    limits.max_image_height = Some(SIDE);
    limits.max_alloc = Some(MEMORY_BYTES);
    reader.limits(limits);
    let image = reader.decode()?;
    let fits = image.width() <= SIZE.0 && image.height() <= SIZE.1;
    let image = if fits { image } else { image.resize(SIZE.0, SIZE.1, Lanczos3) };
    let mut png = vec![];
    let encoder =
        PngEncoder::new_with_quality(&mut png, CompressionType::Best, FilterType::Adaptive);
    // Eight bits a channel are what screens show; metadata such as a place or a camera is left out.
    DynamicImage::ImageRgba8(image.into_rgba8()).write_with_encoder(encoder)?;
    ensure!(
        png.len() <= LOGO_BYTES,
        "it has {} KB as PNG, at most {} are allowed: use a picture with fewer colours",
        png.len() >> 10,
        LOGO_BYTES >> 10
    );
    Ok(png)
}

#[cfg(test)]
mod tests {
    use image::{Rgba, RgbaImage};

    use super::*;

    fn encoded(image: &RgbaImage, format: ImageFormat) -> Vec<u8> {
        let mut bytes = vec![];
        DynamicImage::ImageRgba8(image.clone())
            .write_to(&mut Cursor::new(&mut bytes), format)
            .unwrap();
        bytes
    }

    fn size(png: &[u8]) -> (u32, u32) {
        let image = image::load_from_memory_with_format(png, ImageFormat::Png).unwrap();
        (image.width(), image.height())
    }

    #[test]
    fn a_picture_becomes_a_small_png() {
        let red = Rgba([200, 0, 0, 128]);
        for format in [ImageFormat::Png, ImageFormat::WebP] {
            let png = as_png(&encoded(&RgbaImage::from_pixel(80, 40, red), format)).unwrap();
            let image = image::load_from_memory(&png).unwrap().into_rgba8();
            assert_eq!((image.dimensions(), *image.get_pixel(79, 39)), ((80, 40), red));
            let wide = as_png(&encoded(&RgbaImage::from_pixel(3_000, 300, red), format)).unwrap();
            assert_eq!(size(&wide), (384, 38));
        }
    }

    #[test]
    fn what_is_no_logo_is_refused() {
        let reason = |bytes: &[u8]| format!("{:#}", as_png(bytes).unwrap_err());
        for other in
            [&b""[..], b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"GIF89a\x01\x00\x01\x00"]
        {
            assert_eq!(reason(other), "give a PNG or WebP");
        }
        let whole = encoded(&RgbaImage::new(8, 8), ImageFormat::Png);
        as_png(&whole).unwrap();
        as_png(&whole[..whole.len() / 2]).unwrap_err();
        // A header that promises more pixels than anybody shows.
        let mut huge = whole;
        huge[16..24].copy_from_slice(&[0, 0, 0x40, 0, 0, 0, 0x40, 0]);
        as_png(&huge).unwrap_err();
        // Noise has no pattern that could be stored in fewer bytes.
        let mut state = 1u32;
        let noise = RgbaImage::from_fn(384, 120, |_, _| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            Rgba(state.to_be_bytes())
        });
        let refused = reason(&encoded(&noise, ImageFormat::Png));
        assert!(refused.contains("at most 50 are allowed"), "{refused}");
    }
}
