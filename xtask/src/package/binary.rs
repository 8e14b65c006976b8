//! The program, and its symbols apart from it.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::tools::{command, output, run};
use crate::common::cargo;

/// Builds what users run, with symbols: a separate build for them would not fit the program.
pub fn build(target: &Path) -> anyhow::Result<PathBuf> {
    run(cargo()
        .args(["build", "--locked", "--package", "kola", "--profile", "packaged"])
        .env("CARGO_INCREMENTAL", "0")
        .env("CARGO_TARGET_DIR", target))?;
    Ok(target.join("packaged/kola"))
}

/// Puts the program without its symbols into a folder, and the symbols into a file by which a
/// debugger knows them again. A program that has none leaves no such file.
pub fn split(built: &Path, folder: &Path, symbols: &Path) -> anyhow::Result<PathBuf> {
    let program = folder.join("kola");
    if symbols.exists() {
        std::fs::remove_file(symbols)?;
    }
    if !has_symbols(built)? {
        std::fs::copy(built, &program)?;
        return Ok(program);
    }
    run(command("objcopy")
        .args(["--only-keep-debug", "--compress-debug-sections"])
        .arg(built)
        .arg(symbols))?;
    std::fs::set_permissions(symbols, Permissions::from_mode(0o644))?;
    run(command("objcopy").arg("--strip-all").arg(built).arg(&program))?;
    // Debuggers look for the file by this name and its checksum.
    let beside = folder.join("kola.debug");
    std::fs::copy(symbols, &beside)?;
    run(command("objcopy").arg("--add-gnu-debuglink=kola.debug").arg("kola").current_dir(folder))?;
    std::fs::remove_file(beside)?;
    Ok(program)
}

fn has_symbols(program: &Path) -> anyhow::Result<bool> {
    let sections = output(command("readelf").args(["--section-headers", "--wide"]).arg(program))
        .context("readelf, of the package binutils")?;
    Ok(sections.contains(".symtab"))
}
