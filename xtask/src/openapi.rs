//! `cargo xtask openapi`: the document of the API, as the code generates it, into `openapi.json`.

use std::process::{ExitCode, Stdio};

use anyhow::{Context as _, ensure};

pub fn run() -> anyhow::Result<ExitCode> {
    let mut cargo = crate::common::cargo();
    cargo.args(["run", "--quiet", "--package", "kola", "--", "openapi"]);
    let printed =
        cargo.stdin(Stdio::null()).stderr(Stdio::inherit()).output().context("kola openapi")?;
    ensure!(printed.status.success(), "kola openapi failed");
    let path = crate::root().join("openapi.json");
    std::fs::write(&path, printed.stdout)
        .with_context(|| format!("cannot write {}", path.display()))?;
    println!("wrote openapi.json");
    Ok(ExitCode::SUCCESS)
}
