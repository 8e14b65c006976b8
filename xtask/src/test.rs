//! `cargo xtask test`: everything that a change must pass, from a clean clone.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, ExitCode, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::Context as _;

use crate::contract::Seed;

#[derive(clap::Args)]
pub struct Options {
    /// Install nothing: examples in a language that is not on this machine are skipped
    #[arg(long)]
    no_install: bool,
    /// Hold the server against its own document with Schemathesis, for about two minutes, instead of running the tests
    #[arg(long)]
    contract: bool,
    /// From where the cases of `--contract` are drawn: a number, or `random` to look for what no run has seen
    #[arg(long, requires = "contract", value_name = "N|random")]
    seed: Option<Seed>,
}

pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let begun = Instant::now();
    if !options.no_install && !options.contract {
        install();
    }
    let passed = if options.contract { crate::contract::run(options.seed.unwrap_or_default())? } else { cargo_test()? };
    println!("{} in {} s", if passed { "PASSED" } else { "FAILED" }, begun.elapsed().as_secs());
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

// What the customer's own code examples need ------------------------------------------------------------------------------

/// A language of the examples: a command that answers only where the examples can run, and what Debian calls it.
struct Runtime {
    name: &'static str,
    probe: &'static [&'static str],
    packages: &'static [&'static str],
}

/// The Debian packages are small enough to install on the way. Java and Node are not, and curl and Python are nearly always
/// there: those are only reported.
const RUNTIMES: [Runtime; 6] = [
    Runtime { name: "curl", probe: &["curl", "--version"], packages: &[] },
    Runtime { name: "Python with requests", probe: &["python3", "-c", "import requests"], packages: &[] },
    Runtime { name: "Node", probe: &["node", "--version"], packages: &[] },
    Runtime { name: "PHP with curl", probe: &["php", "-r", "curl_init() ?: exit(1);"], packages: &["php-cli", "php-curl"] },
    Runtime { name: "Java", probe: &["javac", "-version"], packages: &[] },
    Runtime { name: "Go", probe: &["go", "version"], packages: &["golang-go"] },
];

fn missing() -> Vec<&'static Runtime> {
    RUNTIMES.iter().filter(|runtime| !quiet(runtime.probe)).collect()
}

fn install() {
    let wanted: Vec<_> = missing().iter().flat_map(|runtime| runtime.packages).copied().collect();
    if !wanted.is_empty() {
        apt_install(&wanted);
    }
    // Only where there is a Python at all.
    if quiet(&["python3", "--version"]) && !quiet(&["python3", "-c", "import requests"]) {
        install_requests();
    }
    for runtime in missing() {
        loud(&format!("{} is not on this machine: its examples will be SKIPPED", runtime.name));
    }
}

/// A Python that belongs to Debian refuses pip, any other does not know Debian's packages: whichever works.
fn install_requests() {
    let pip = ["python3", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--timeout", "20", "requests"];
    if !quiet(&pip) {
        apt_install(&["python3-requests"]);
    }
}

pub fn apt_install(packages: &[&str]) {
    if !rustix::process::geteuid().is_root() || !quiet(&["apt-get", "--version"]) {
        loud(&format!("cannot install {}: that needs root on Debian or Ubuntu", packages.join(" ")));
        return;
    }
    println!("installing {}", packages.join(" "));
    // One unreachable mirror among several makes the update fail, and the installation may work all the same.
    apt(&["update"]);
    let mut install = vec!["install", "--yes", "--no-install-recommends"];
    install.extend(packages);
    if !apt(&install) {
        loud(&format!("could not install {}", packages.join(" ")));
    }
}

/// The time-outs keep a machine without a network from waiting for minutes.
fn apt(arguments: &[&str]) -> bool {
    let options = ["-qq", "-o", "DPkg::Lock::Timeout=120", "-o", "Acquire::Retries=1", "-o", "Acquire::http::Timeout=20"];
    Command::new("apt-get")
        .args(options)
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

pub fn quiet(command: &[&str]) -> bool {
    let Some((program, arguments)) = command.split_first() else {
        return false;
    };
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

fn loud(line: &str) {
    eprintln!("xtask: !!! {line} !!!");
}

// The tests ---------------------------------------------------------------------------------------------------------------

fn cargo_test() -> anyhow::Result<bool> {
    // The first failure does not hide the others: a run on a machine of the network costs minutes.
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["test", "--workspace", "--no-fail-fast"]);
    let mut child = cargo
        .current_dir(crate::root())
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
    let status = child.wait()?;
    let summary = summary.lock().unwrap_or_else(PoisonError::into_inner);
    print!("{summary}");
    Ok(status.success())
}

/// Shows the lines as they come, and keeps what the summary says about them.
fn pass_on(from: impl Read, to: &mut impl Write, summary: &Mutex<Summary>) -> std::io::Result<()> {
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    while from.read_until(b'\n', &mut line)? > 0 {
        to.write_all(&line)?;
        summary.lock().unwrap_or_else(PoisonError::into_inner).note(&String::from_utf8_lossy(&line));
        line.clear();
    }
    Ok(())
}

#[derive(Debug, Default, PartialEq)]
struct Summary {
    passed: u64,
    failed: u64,
    ignored: u64,
    failures: Vec<String>,
    /// Lines of tests that could not do their work here. The harness hides what a passing test prints, so such a test writes
    /// a line that begins with `SKIPPED` to the standard error itself.
    skipped: Vec<String>,
}

impl Summary {
    fn note(&mut self, line: &str) {
        let line = line.trim();
        if let Some(counts) = line.strip_prefix("test result: ") {
            self.passed += count(counts, " passed");
            self.failed += count(counts, " failed");
            self.ignored += count(counts, " ignored");
        } else if let Some(name) = line.strip_prefix("test ").and_then(|rest| rest.strip_suffix(" ... FAILED")) {
            self.failures.push(name.to_owned());
        } else if line.starts_with("SKIPPED") {
            self.skipped.push(line.to_owned());
        }
    }
}

/// The number before `word` in `ok. 3 passed; 0 failed; ...`.
fn count(text: &str, word: &str) -> u64 {
    let before = text.split(word).next().unwrap_or_default();
    before.rsplit(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

impl std::fmt::Display for Summary {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(out, "\n{} passed, {} failed, {} ignored", self.passed, self.failed, self.ignored)?;
        for line in &self.skipped {
            writeln!(out, "{line}")?;
        }
        for name in &self.failures {
            writeln!(out, "FAILED {name}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_adds_up_the_results_of_every_test_program() {
        let mut summary = Summary::default();
        for line in [
            "test money::adds ... ok\n",
            "test money::rounds ... FAILED\n",
            "test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n",
            "SKIPPED go: not installed\n",
            "test result: ok. 12 passed; 0 failed; 3 ignored; 0 measured; 0 filtered out; finished in 1.20s\n",
        ] {
            summary.note(line);
        }
        let expected = Summary {
            passed: 13,
            failed: 1,
            ignored: 3,
            failures: vec!["money::rounds".to_owned()],
            skipped: vec!["SKIPPED go: not installed".to_owned()],
        };
        assert_eq!(summary, expected);
    }
}
