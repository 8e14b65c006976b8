//! The project's chores. `cargo xtask help` lists them.

mod bench;
mod cluster;
mod contract;
mod failover;
mod openapi;
mod test;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The project's chores")]
enum Chore {
    /// Install what the tests need where that is possible, and run every test of the workspace
    Test(test::Options),
    /// Measure the release build against the raw speed of SQLite on this machine
    Bench(bench::Options),
    /// Kill the primary of two PostgreSQL clusters under load, promote the standby, and look whether anything is lost or doubled
    Failover(failover::Options),
    /// Write openapi.json, the document of the API, from the code
    Openapi,
}

fn main() -> anyhow::Result<ExitCode> {
    match Chore::parse() {
        Chore::Test(options) => test::run(&options),
        Chore::Bench(options) => bench::run(&options),
        Chore::Failover(options) => failover::run(&options),
        Chore::Openapi => openapi::run(),
    }
}

/// The root of the workspace.
fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Where cargo puts what it builds: this program lies two levels below, wherever the caller has put the directory.
fn target_dir() -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe().context("the path of this program")?;
    let dir = program.ancestors().nth(2).context("this program lies outside a target directory")?;
    Ok(dir.to_owned())
}
