//! Pictures of every state: `cargo xtask screens` writes them into `target/screens`.

use std::path::PathBuf;

use crate::browser::app_stage::AppStage;
use crate::browser::chromium::{Chromium, DESKTOP, PHONE};
use crate::browser::stage::Stage;

/// Where pictures are written.
const SCREENS: &str = "KOLA_SCREENS";

/// Pictures of what a browser shows: of a phone and a desktop, in light and in dark colours.
#[track_caller]
fn picture(browser: &Chromium, state: &str) {
    let screens = PathBuf::from(std::env::var_os(SCREENS).expect("a folder"));
    std::fs::create_dir_all(&screens).expect("a folder");
    for (device, width, height) in [("phone", PHONE, 640), ("desktop", DESKTOP, 800)] {
        for scheme in ["light", "dark"] {
            browser.resize(width, height, 1.0);
            browser.prefer(scheme);
            let file = screens.join(format!("{state}-{device}-{scheme}.png"));
            std::fs::write(&file, browser.picture(width))
                .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        }
    }
}

#[test]
#[ignore = "needs Chromium: cargo xtask screens"]
fn every_state_is_pictured() {
    let stage = Stage::new();
    let mut browser = Chromium::start(&stage.server);
    stage.each(&mut browser, |browser, state| picture(browser, state));
}

#[test]
#[ignore = "needs Chromium: cargo xtask screens"]
fn every_state_of_the_pages_of_people_is_pictured() {
    let stage = AppStage::new();
    let mut browser = Chromium::start(&stage.server);
    stage.each(&mut browser, |browser, state| picture(browser, state));
}
