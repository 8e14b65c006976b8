//! The name, the colour and the logo of a merchant on its pages.

use std::io::Cursor;

use image::{ImageFormat, Rgb, RgbImage};
use tempfile::TempDir;

use crate::checkout_pages::{MTN_LRD, checkout};
use crate::support::payer::{Browser as _, Payer, pay, shows, until};
use crate::support::{Server, open};

/// A picture of this size in a file.
pub(crate) fn picture(
    directory: &TempDir,
    name: &str,
    format: ImageFormat,
    size: (u32, u32),
) -> String {
    let mut bytes = vec![];
    RgbImage::from_pixel(size.0, size.1, Rgb([255, 204, 0]))
        .write_to(&mut Cursor::new(&mut bytes), format)
        .expect("a picture");
    file(directory, name, &bytes)
}

fn file(directory: &TempDir, name: &str, content: &[u8]) -> String {
    let path = directory.path().join(name);
    std::fs::write(&path, content).expect("a file");
    path.to_str().expect("a path").to_owned()
}

fn set(server: &Server, merchant: i64, options: &[&str]) -> crate::support::process::Run {
    let merchant = merchant.to_string();
    server.kola(&[&["merchant", "set", "--merchant", &merchant], options].concat())
}

#[test]
fn a_payer_sees_the_name_colour_and_logo_of_the_shop() {
    let (server, shop) = open();
    let merchant = shop.credentials.merchant_id;
    let directory = TempDir::new().expect("a directory");
    let logo = picture(&directory, "logo.webp", ImageFormat::WebP, (900, 300));
    let look = ["--display-name", "Ama’s Shop", "--colour", "#ffcc00", "--logo", &logo];
    let told = set(&server, merchant, &look).ok();
    assert!(told.contains("Ama’s Shop") && told.contains("#FFCC00"), "{told}");

    let checkout = checkout(&shop);
    let mut payer = Payer::at(&server, &checkout.link);
    shows(&mut payer, &["Ama’s Shop"]);
    assert_eq!(payer.words(".brand"), ["Ama’s Shop"]);
    let styles: Vec<String> = payer
        .html()
        .select(&scraper::Selector::parse("link[rel=stylesheet]").expect("a selector"))
        .filter_map(|link| link.attr("href").map(str::to_owned))
        .collect();
    assert_eq!(styles.len(), 2, "{styles:?}");
    let css = payer.send("GET", &styles[1], &[], "");
    assert_eq!(css.header("content-type"), Some("text/css; charset=utf-8"));
    let css = css.body.as_str().expect("text").to_owned();
    assert!(css.contains("background: #FFCC00; color: #000000"), "{css}");
    let shown = payer.attribute(".brand img", "src").expect("a logo");
    let sent = server.paper(&shown);
    assert_eq!(
        (sent.status, sent.header("content-type"), sent.header("cache-control")),
        (200, "image/png", "public, max-age=31536000, immutable")
    );
    let image = image::load_from_memory_with_format(&sent.bytes, ImageFormat::Png).expect("a PNG");
    assert_eq!((image.width(), image.height()), (360, 120));
    // Names that are none of a file.
    for name in [
        "/assets/colour-ffcc00.css",
        "/assets/colour-ffcc01.0011223344556677.css",
        "/assets/logo.png",
        "/assets/logo.00000000000000000000000000000000.png",
    ] {
        assert_eq!(payer.send("GET", name, &[], "").status, 404, "{name}");
    }

    // The receipt names the merchant, too.
    pay(&mut payer, &checkout.link, MTN_LRD, "0880000001");
    until(&mut payer, "Paid");
    let receipt = payer.link("Receipt").expect("a receipt");
    payer.open(&receipt);
    shows(&mut payer, &["Ama’s Shop (First Shop)"]);

    // A new picture has a new address, and nothing is shown that was taken away.
    let png = picture(&directory, "logo.png", ImageFormat::Png, (20, 20));
    set(&server, merchant, &["--logo", &png]).ok();
    payer.open(&checkout.link);
    assert_ne!(payer.attribute(".brand img", "src").as_ref(), Some(&shown));
    assert_eq!(server.paper(&shown).status, 404);
    let used = payer.attribute(".brand img", "src").expect("a logo");
    set(&server, merchant, &["--display-name", "", "--colour", "", "--logo", ""]).ok();
    assert_eq!(server.paper(&used).status, 404);
    payer.open(&checkout.link);
    assert_eq!(
        (payer.words(".brand"), payer.attribute(".brand img", "src")),
        (vec!["First Shop".to_owned()], None)
    );
}

#[test]
fn what_is_no_name_colour_or_logo_is_refused() {
    let (server, shop) = open();
    let merchant = shop.credentials.merchant_id;
    let directory = TempDir::new().expect("a directory");
    let svg = b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>";
    let svg = file(&directory, "logo.svg", svg);
    let long = "a".repeat(101);
    for (options, reason) in [
        (["--colour", "red"], "#0B5C4B"),
        (["--colour", "#12345"], "#0B5C4B"),
        (["--display-name", "two\nlines"], "in one line"),
        (["--display-name", "\u{202e}AMA"], "invisible character, U+202E"),
        (["--display-name", "\u{3164}"], "invisible character, U+3164"),
        (["--display-name", &long], "1 to 100 characters"),
        (["--logo", &svg], "give a PNG or WebP"),
        (["--logo", "/nowhere/logo.png"], "cannot be read"),
    ] {
        let refused = set(&server, merchant, &options).refused();
        assert!(refused.contains(reason), "{options:?}: {refused}");
    }
    assert_eq!(server.database.value("SELECT count(*) FROM logos"), "0");
}
