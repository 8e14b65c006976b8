//! `cargo xtask screens`: pictures of every state of the pages, to be looked at.

use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, ensure};

use crate::test::{apt_install, in_browser, quiet};

/// The most bytes of a picture of the handbook.
const PICTURE_MAX: u64 = 60 * 1024;

#[derive(clap::Args)]
pub struct Options {
    /// Also write the pictures of the handbook into docs/pictures
    #[arg(long)]
    docs: bool,
}

pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let screens = crate::target_dir()?.join("screens");
    if screens.exists() {
        std::fs::remove_dir_all(&screens)?;
    }
    let passed = in_browser("screens::", None, &[("KOLA_SCREENS", screens.clone())], &[])?;
    println!("the pictures are in {}", screens.display());
    if passed && options.docs {
        for_handbook(&screens, &crate::root().join("docs/pictures"))?;
    }
    Ok(crate::common::conclude(passed))
}

/// Writes the pictures that the handbook shows, of a phone in light colours, in few colours, which
/// makes them small.
fn for_handbook(screens: &Path, pictures: &Path) -> anyhow::Result<()> {
    if !quiet(&["pngquant", "--version"]) {
        apt_install(&["pngquant"]);
    }
    let page = std::fs::read_to_string(pictures.with_file_name("checkout.md"))?;
    std::fs::create_dir_all(pictures)?;
    for entry in std::fs::read_dir(screens)? {
        let screen = entry?.path();
        let name = screen.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let Some(state) = name.strip_suffix("-phone-light.png") else { continue };
        let file = format!("{state}.png");
        if !page.contains(&format!("(pictures/{file})")) {
            continue;
        }
        let picture = pictures.join(file);
        let reduced = Command::new("pngquant")
            .args(["24", "--force", "--strip", "--output"])
            .args([&picture, &screen])
            .status()
            .context("pngquant, which makes pictures small")?;
        ensure!(reduced.success(), "pngquant {name} ended with {reduced}");
        let size = std::fs::metadata(&picture)?.len();
        ensure!(size <= PICTURE_MAX, "{} has {size} bytes", picture.display());
    }
    Ok(())
}
