//! `cargo xtask openapi`: the document of the API, as the code generates it, into `openapi.json`.

use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, ensure};

pub fn run() -> anyhow::Result<ExitCode> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["run", "--quiet", "--package", "kola", "--", "openapi"]).current_dir(crate::root());
    let printed =
        cargo.stdin(Stdio::null()).stderr(Stdio::inherit()).output().context("kola openapi")?;
    ensure!(printed.status.success(), "kola openapi failed");
    let path = crate::root().join("openapi.json");
    std::fs::write(&path, printed.stdout)
        .with_context(|| format!("cannot write {}", path.display()))?;
    println!("wrote openapi.json");
    Ok(ExitCode::SUCCESS)
}
