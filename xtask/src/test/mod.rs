//! `cargo xtask test`: the tests that every change must pass. It needs only a clean clone.

mod browser;
mod runtimes;
mod summary;

use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{ExitCode, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::Context as _;

use crate::cluster::{self, Cluster, Programs};
use crate::contract::Seed;
pub use runtimes::{apt_install, quiet};
use summary::Summary;

/// The variable with the URL of PostgreSQL's superuser, under which each integration test creates
/// its own database.
const POSTGRES: &str = "KOLA_TEST_POSTGRES";
/// The variable with the file of PostgreSQL's certificate, for tests with encrypted connections.
const CERTIFICATE: &str = "KOLA_TEST_POSTGRES_CERTIFICATE";
const WITHOUT: &str = "`cargo xtask test --sqlite` runs what needs no PostgreSQL";

#[derive(clap::Args)]
pub struct Options {
    /// Install nothing; skip examples in languages that are not installed
    #[arg(long)]
    no_install: bool,
    /// Run only the half on SQLite: unit tests and integration tests, without PostgreSQL
    #[arg(long, conflicts_with = "postgres")]
    sqlite: bool,
    /// Run only the half on PostgreSQL: the integration tests, and the unit tests of the store
    #[arg(long)]
    postgres: bool,
    /// Test the server against its OpenAPI document with Schemathesis, for about two minutes,
    /// instead of running the tests
    #[arg(long, conflicts_with_all = ["sqlite", "postgres"])]
    contract: bool,
    /// Pay with programs of others, for half a minute, instead of running the tests: kola through
    /// localstripe, and Stripe's own client at the fake of Stripe
    #[arg(long, conflicts_with_all = ["sqlite", "postgres", "contract"])]
    networks: bool,
    /// Tell programs of others what happens, for half a minute, instead of running the tests: verifiers
    /// of webhooks, and clients of Supabase Realtime
    #[arg(long, conflicts_with_all = ["sqlite", "postgres", "contract", "networks"])]
    clients: bool,
    /// Watch a server with Prometheus, for half a minute, instead of running the tests: every alert and
    /// every panel of `ops` finds what it asks for
    #[arg(long, conflicts_with_all = ["sqlite", "postgres", "contract", "networks", "clients"])]
    monitoring: bool,
    /// Run the tests of the pages in Chromium, which is installed if it is missing, instead
    /// of the other tests; on SQLite, or with `--postgres` on PostgreSQL
    #[arg(long, conflicts_with_all = ["sqlite", "contract", "networks", "clients", "monitoring"])]
    browser: bool,
    /// The seed of the cases of `--contract`: a number, or `random` to explore
    #[arg(long, requires = "contract", value_name = "N|random")]
    seed: Option<Seed>,
    /// Arguments of the test programs, after `--`: a name runs only the tests whose names contain
    /// it
    #[arg(last = true)]
    arguments: Vec<String>,
}

pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let begun = Instant::now();
    let passed = if options.contract {
        crate::contract::run(options.seed.unwrap_or_default())?
    } else if options.networks {
        crate::networks::run().map(|()| true)?
    } else if options.clients {
        crate::clients::run().map(|()| true)?
    } else if options.monitoring {
        crate::monitoring::run().map(|()| true)?
    } else if options.browser {
        let axe = vec![("KOLA_TEST_AXE", browser::axe()?)];
        let cluster = if options.postgres { Some(cluster(options)?) } else { None };
        in_browser("browser::", cluster.as_ref(), &axe, &options.arguments)?
    } else {
        both(options)?
    };
    println!("{} in {} s", if passed { "PASSED" } else { "FAILED" }, begun.elapsed().as_secs());
    Ok(crate::common::exit_code(passed))
}

/// Runs both halves, even if the first one fails.
fn both(options: &Options) -> anyhow::Result<bool> {
    if !options.no_install {
        runtimes::install();
    }
    // Started before the first half, so that a missing PostgreSQL is reported at once and not
    // minutes later.
    let cluster = if options.sqlite { None } else { Some(cluster(options)?) };
    let mut halves = Vec::new();
    if !options.postgres {
        let everything = cargo_test(&[], None, &[], &options.arguments)?;
        halves.push(("SQLite: unit tests and integration tests", everything));
    }
    if let Some(cluster) = cluster {
        // The choice of packages is the same as in the first half, so that nothing is built again.
        let again =
            cargo_test(&["--lib", "--test", "it"], Some(&cluster), &[], &options.arguments)?;
        halves.push((
            "PostgreSQL: integration tests, and unit tests that hold both databases together",
            again,
        ));
    }
    for (name, half) in &halves {
        print!("\n{name}: {}{}", if half.passed { "" } else { "FAILED: " }, half.summary);
    }
    Ok(halves.iter().all(|(_, half)| half.passed))
}

/// Runs the tests of a module that need Chromium, which are ignored otherwise, on this cluster or,
/// without one, on SQLite.
pub fn in_browser(
    module: &str,
    cluster: Option<&Cluster>,
    variables: &[(&str, PathBuf)],
    arguments: &[String],
) -> anyhow::Result<bool> {
    browser::install();
    browser::check()?;
    // Two browsers at once, on a machine with as few processors.
    let mut all = ["--ignored", "--test-threads=2"].map(str::to_owned).to_vec();
    // Several names would run the tests of any of them.
    if arguments.iter().all(|argument| argument.starts_with('-')) {
        all.push(module.to_owned());
    }
    all.extend_from_slice(arguments);
    // The choice of packages is that of the other tests, so that nothing is built again.
    let half = cargo_test(&["--test", "it"], cluster, variables, &all)?;
    print!("\nChromium: {}{}", if half.passed { "" } else { "FAILED: " }, half.summary);
    Ok(half.passed)
}

fn cluster(options: &Options) -> anyhow::Result<Cluster> {
    if options.no_install { Programs::find() } else { Programs::find_or_install() }
        .context(WITHOUT)?;
    Cluster::start(&cluster::Options::fast().encrypted()).context(WITHOUT)
}

/// The result of a run of the test programs.
struct Half {
    passed: bool,
    summary: Summary,
}

/// Builds and runs the tests, on this cluster or, without one, on SQLite.
fn cargo_test(
    choice: &[&str],
    cluster: Option<&Cluster>,
    variables: &[(&str, PathBuf)],
    arguments: &[String],
) -> anyhow::Result<Half> {
    // `--no-fail-fast`: a run in CI takes minutes, and should report all failures at once.
    let mut cargo = crate::common::cargo();
    cargo.args(["test", "--workspace", "--no-fail-fast"]).args(choice).arg("--").args(arguments);
    cargo.env("RUST_TEST_THREADS", tests_at_once().to_string());
    cargo.envs(variables.iter().map(|(name, value)| (name, value)));
    // The browser's driver is on this machine, whatever proxy leads to others.
    cargo.env("NO_PROXY", "127.0.0.1,localhost");
    match cluster {
        Some(cluster) => {
            cargo.env(POSTGRES, cluster.url("postgres")).env(CERTIFICATE, cluster.certificate())
        }
        None => cargo.env_remove(POSTGRES).env_remove(CERTIFICATE),
    };
    let mut child = cargo
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("cargo test")?;
    let summary = Arc::new(Mutex::new(Summary::default()));
    let errors = child.stderr.take().context("the standard error of cargo test")?;
    let of_errors = {
        let summary = Arc::clone(&summary);
        std::thread::spawn(move || pass_on(errors, &mut std::io::stderr(), &summary))
    };
    let output = child.stdout.take().context("the standard output of cargo test")?;
    pass_on(output, &mut std::io::stdout(), &summary)?;
    if let Ok(result) = of_errors.join() {
        result?;
    }
    let passed = child.wait()?.success();
    let summary = std::mem::take(&mut *summary.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(Half { passed, summary })
}

/// How many tests run at the same time: most wait most of the time, for a process, a commit or a clock.
/// With one for each of two processors they take three times as long. Each may have some twenty
/// connections to PostgreSQL.
fn tests_at_once() -> usize {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    processors.max((4 * processors).min(8))
}

/// Passes the lines on as they come, and adds them to the summary.
fn pass_on(from: impl Read, to: &mut impl Write, summary: &Mutex<Summary>) -> std::io::Result<()> {
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    while from.read_until(b'\n', &mut line)? > 0 {
        to.write_all(&line)?;
        summary
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .note(&String::from_utf8_lossy(&line));
        line.clear();
    }
    Ok(())
}
