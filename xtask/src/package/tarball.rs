//! The tarball, for systems without Debian's packages.

use std::path::PathBuf;

use super::Release;
use super::contents::{Contents, source};
use super::tools::{File, gzip, place, reproducible_tar, run};

pub fn make(release: &Release, contents: &Contents) -> anyhow::Result<PathBuf> {
    let staged = release.staging("tarball")?;
    let name = format!("kola-{}", release.version);
    place(&files(contents), &staged.join(&name))?;
    let plain = release.work.join("kola.tar");
    run(reproducible_tar(release)
        .arg("--file")
        .arg(&plain)
        .arg("--directory")
        .arg(&staged)
        .arg(&name))?;
    let made = release.named(".tar.gz");
    gzip(&plain, &made)?;
    std::fs::remove_file(plain)?;
    Ok(made)
}

/// As it is unpacked below `/usr/local`, apart from what stands at its top.
fn files(contents: &Contents) -> Vec<File> {
    let root = crate::root();
    let mut files = vec![
        File::program(&contents.program, "bin/kola"),
        File::plain(root.join("LICENSE"), "LICENSE"),
        File::plain(source("kola.service"), "systemd/kola.service"),
        File::plain(source("kola.toml"), "kola.toml"),
    ];
    let pages = contents.manual.iter();
    files.extend(pages.map(|(name, from)| File::plain(from, format!("share/man/man1/{name}"))));
    for (shell, from) in &contents.completions {
        files.push(File::plain(from, shell.place.trim_start_matches("usr/")));
    }
    files.extend(contents.documents("share/doc/kola/"));
    files.extend(contents.ops("share/kola/ops/"));
    files
}
