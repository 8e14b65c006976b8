//! The project's chores. `cargo xtask help` lists them.

mod bench;
mod clients;
mod cluster;
mod common;
mod contract;
mod copies;
mod crash_points;
mod dashboard_speed;
mod disk_full;
mod failover;
mod merchant;
mod migration_time;
mod monitoring;
mod networks;
mod new;
mod openapi;
mod package;
mod payment_load;
mod programs;
mod receipt_speed;
mod reconcile_speed;
mod screens;
mod soak;
mod test;
mod trade;
mod verify_speed;
mod webhooks;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The project's chores")]
enum Chore {
    /// Install what the tests need where that is possible, and run every test of the workspace
    Test(test::Options),
    /// Measure the release build on this machine, and compare it with yardsticks of the same run
    Bench(bench::Options),
    /// Measure two release builds in turns, and say whether the second is slower
    Pairs(bench::pairs::Options),
    /// End the server at every call of its store and provider, and check that every payment is made
    /// exactly once
    CrashPoints(crash_points::Options),
    /// Trade for a long time with a server that is killed again and again
    Soak(soak::Options),
    /// Time `kola ledger verify` on a large database
    VerifySpeed(verify_speed::Options),
    /// Time the pages and the download of a merchant with many payments
    DashboardSpeed(dashboard_speed::Options),
    /// Time a large statement of a network, beside ledger verify
    ReconcileSpeed(reconcile_speed::Options),
    /// Time receipts as PDF
    ReceiptSpeed,
    /// Time the migration of a large database from one release build to another
    MigrationTime(migration_time::Options),
    /// Measure how many bytes of each table and index a payment takes
    Sizes(bench::sizes::Options),
    /// Plot the figures of `bench --json`
    Plot(bench::plot::Options),
    /// The yardstick server of `bench --database postgres`
    #[command(hide = true)]
    Statements(bench::statements::Options),
    /// Let the disk of PostgreSQL run full under load, and check that nothing is lost or doubled
    DiskFull(disk_full::Options),
    /// Plant a real fault for each alert, and see a real Prometheus say that it fires; as root, some minutes
    Alerts(monitoring::Options),
    /// Kill the primary of two PostgreSQL clusters under load, promote the standby, and check that
    /// nothing is lost or doubled
    Failover(failover::Options),
    /// Print the checklist of places to touch for a new decision, route or row type
    New(new::Options),
    /// Take pictures of every state of the pages in Chromium, into target/screens
    Screens(screens::Options),
    /// Make what users install: a Debian package, a tarball and a container image, into target/packages
    Package(package::Options),
    /// As root: install, upgrade and remove the packages in a bare Debian, and run what is in them
    PackageTrial(package::trial::Options),
    /// Write openapi.json, the document of the API, from the code
    Openapi,
}

fn main() -> anyhow::Result<ExitCode> {
    match Chore::parse() {
        Chore::Test(options) => test::run(&options),
        Chore::Bench(options) => bench::run(&options),
        Chore::Pairs(options) => bench::pairs::run(&options),
        Chore::CrashPoints(options) => crash_points::run(&options),
        Chore::Soak(options) => soak::run(&options),
        Chore::VerifySpeed(options) => verify_speed::run(&options),
        Chore::DashboardSpeed(options) => dashboard_speed::run(&options),
        Chore::ReconcileSpeed(options) => reconcile_speed::run(&options),
        Chore::ReceiptSpeed => receipt_speed::run(),
        Chore::MigrationTime(options) => migration_time::run(&options),
        Chore::Sizes(options) => bench::sizes::run(&options),
        Chore::Plot(options) => bench::plot::run(&options).map(|()| ExitCode::SUCCESS),
        Chore::Statements(options) => bench::statements::run(&options).map(|()| ExitCode::SUCCESS),
        Chore::DiskFull(options) => disk_full::run(&options),
        Chore::Alerts(options) => monitoring::alerts(&options).map(|()| ExitCode::SUCCESS),
        Chore::Failover(options) => failover::run(&options),
        Chore::New(options) => new::run(&options),
        Chore::Screens(options) => screens::run(&options),
        Chore::Package(options) => package::run(&options),
        Chore::PackageTrial(options) => package::trial::run(&options),
        Chore::Openapi => openapi::run(),
    }
}

/// The root of the workspace.
fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Where cargo puts what it builds: this program lies two levels below, wherever the caller has put
/// the directory.
fn target_dir() -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe().context("the path of this program")?;
    let dir = program.ancestors().nth(2).context("this program lies outside a target directory")?;
    Ok(dir.to_owned())
}
