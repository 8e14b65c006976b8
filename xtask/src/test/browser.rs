//! What the tests in a browser need: Chromium with its driver, and axe-core, which judges whether
//! people who cannot see or use a mouse can use a page.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};

use super::runtimes::{apt_install, quiet};

/// The version of axe-core, and the sum by which the registry knows it. Another one may find other
/// things.
const AXE: &str = "axe-core@4.14.1";
const AXE_INTEGRITY: &str = "sha512-FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ==";

/// Installs Chromium, its driver and fonts if they are missing, and what reads receipts.
pub fn install() {
    let missing: Vec<&str> = [
        (
            &["chromium", "--version"][..],
            &["chromium", "fonts-liberation", "fonts-dejavu-core"][..],
        ),
        (&["chromedriver", "--version"], &["chromium-driver"]),
        (&["pdftotext", "-v"], &["poppler-utils"]),
    ]
    .into_iter()
    .filter(|(probe, _)| !quiet(probe))
    .flat_map(|(_, packages)| packages)
    .copied()
    .collect();
    if !missing.is_empty() {
        apt_install(&missing);
    }
}

/// Fails with advice if there is no browser.
pub fn check() -> anyhow::Result<()> {
    for program in ["chromium", "chromedriver"] {
        ensure!(
            quiet(&[program, "--version"]),
            "{program} is not on this machine: `apt-get install chromium chromium-driver`"
        );
    }
    Ok(())
}

/// The file with axe-core, which npm fetches once.
pub fn axe() -> anyhow::Result<PathBuf> {
    let folder = crate::target_dir()?.join("axe").join(AXE);
    let file = folder.join("package/axe.min.js");
    if file.exists() {
        return Ok(file);
    }
    if !quiet(&["npm", "--version"]) {
        apt_install(&["npm"]);
    }
    std::fs::create_dir_all(&folder)?;
    println!("fetching {AXE}");
    let packed = Command::new("npm")
        .args(["pack", "--json", AXE])
        .current_dir(&folder)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("npm, which fetches axe-core")?;
    ensure!(packed.status.success(), "npm pack {AXE} ended with {}", packed.status);
    let told: serde_json::Value =
        serde_json::from_slice(&packed.stdout).context("what npm says of the package")?;
    let integrity = told.pointer("/0/integrity").and_then(serde_json::Value::as_str);
    ensure!(integrity == Some(AXE_INTEGRITY), "{AXE} is another file than expected: {told}");
    let archive = told.pointer("/0/filename").and_then(serde_json::Value::as_str);
    let archive = archive.with_context(|| format!("npm names no file: {told}"))?;
    let unpacked = Command::new("tar")
        .args(["--extract", "--gzip", "--file", archive, "package/axe.min.js"])
        .current_dir(&folder)
        .status()
        .context("tar")?;
    ensure!(unpacked.success() && file.exists(), "{archive} has no axe.min.js");
    Ok(file)
}
