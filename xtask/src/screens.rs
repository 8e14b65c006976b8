//! `cargo xtask screens`: pictures of every state of the pages, to be looked at.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, ensure};

use crate::test::{apt_install, in_browser, quiet};

/// The most bytes of a picture of the handbook.
const PICTURE_MAX: u64 = 100 * 1024;
/// How the name of a picture of a desktop ends.
const WIDE: &str = "-wide";

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

/// Writes the pictures that the pages of the handbook show, in light colours, and in few colours, which
/// makes them small: of a phone, or of a desktop where the name ends with [`WIDE`].
fn for_handbook(screens: &Path, pictures: &Path) -> anyhow::Result<()> {
    if !quiet(&["pngquant", "--version"]) {
        apt_install(&["pngquant"]);
    }
    std::fs::create_dir_all(pictures)?;
    let docs = pictures.parent().context("the folder of the handbook")?;
    for file in shown(docs)? {
        let state = file.strip_suffix(".png").context("a picture that is no PNG")?;
        let screen = match state.strip_suffix(WIDE) {
            Some(state) => format!("{state}-desktop-light.png"),
            None => format!("{state}-phone-light.png"),
        };
        let picture = pictures.join(&file);
        let reduced = Command::new("pngquant")
            .args(["24", "--force", "--strip", "--output"])
            .args([&picture, &screens.join(&screen)])
            .status()
            .context("pngquant, which makes pictures small")?;
        ensure!(reduced.success(), "pngquant {screen} ended with {reduced}");
        let size = std::fs::metadata(&picture)?.len();
        ensure!(size <= PICTURE_MAX, "{} has {size} bytes", picture.display());
    }
    Ok(())
}

/// The files of the pictures that the pages of a folder show.
fn shown(docs: &Path) -> anyhow::Result<BTreeSet<String>> {
    let mut files = BTreeSet::new();
    for entry in std::fs::read_dir(docs)? {
        let page = entry?.path();
        if page.extension().is_some_and(|extension| extension == "md") {
            let text = std::fs::read_to_string(&page)?;
            let pictures = text.split("(pictures/").skip(1);
            files.extend(pictures.filter_map(|rest| Some(rest.split_once(')')?.0.to_owned())));
        }
    }
    Ok(files)
}
