//! Pictures of every state: `cargo xtask screens` writes them into `target/screens`, and with
//! `--docs` those of the handbook into `docs/pictures`.

use std::path::{Path, PathBuf};

use crate::browser::chromium::{Chromium, DESKTOP, PHONE};
use crate::browser::stage::Stage;

/// Where pictures are written.
const SCREENS: &str = "KOLA_SCREENS";
/// Where the pictures of the handbook are written; unset, none are.
const DOCS: &str = "KOLA_DOCS_PICTURES";

/// The most bytes of a picture of the handbook.
const DOCS_MAX: usize = 60 * 1024;

#[track_caller]
fn write(folder: &Path, name: &str, picture: &[u8]) {
    let file = folder.join(format!("{name}.png"));
    std::fs::write(&file, picture).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
}

#[test]
#[ignore = "needs Chromium: cargo xtask screens"]
fn every_state_is_pictured() {
    let screens = PathBuf::from(std::env::var_os(SCREENS).expect("a folder"));
    let docs = std::env::var_os(DOCS).map(PathBuf::from);
    for folder in [Some(&screens), docs.as_ref()].into_iter().flatten() {
        std::fs::create_dir_all(folder).expect("a folder");
    }
    let stage = Stage::new();
    let mut browser = Chromium::start(&stage.server);
    let mut too_large = vec![];
    stage.each(&mut browser, |browser, state| {
        for (device, width, height) in [("phone", PHONE, 640), ("desktop", DESKTOP, 800)] {
            for scheme in ["light", "dark"] {
                browser.resize(width, height, 1.0);
                browser.prefer(scheme);
                let picture = browser.picture(width);
                write(&screens, &format!("{state}-{device}-{scheme}"), &picture);
                if let (Some(docs), "phone", "light") = (&docs, device, scheme) {
                    write(docs, state, &picture);
                    if picture.len() > DOCS_MAX {
                        too_large.push(format!("{state}: {} bytes", picture.len()));
                    }
                }
            }
        }
    });
    assert!(too_large.is_empty(), "{too_large:?}");
}
