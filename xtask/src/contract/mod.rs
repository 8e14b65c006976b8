//! `cargo xtask test --contract`: tests the server against its OpenAPI document with Schemathesis,
//! a property-based tester of APIs, and with clients that are generated from the document.

mod clients;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::str::FromStr;

use anyhow::{Context as _, ensure};

use crate::bench::database::Database;
use crate::bench::server::Kola;
use crate::merchant::usd_wallet;

/// The version of Schemathesis. Another one may find other things.
const SCHEMATHESIS: &str = "4.32.5";
/// The number of requests for each operation, in each kind of test. More requests test more deeply;
/// the whole run takes about two minutes.
const EXAMPLES: &str = "60";
/// Checks of Schemathesis that do not hold here. `checks.py` replaces them.
///
/// `what_the_document_allows_is_not_malformed` replaces the first: a well-formed request may still
/// be refused with 422, because of what is stored. `what_the_document_forbids_is_refused` replaces
/// the second: the server accepts more than the document says, as the document's text explains.
const REPLACED: &str = "positive_data_acceptance,negative_data_rejection";
/// The money of the sandbox merchant.
const FUNDS: &str = "1000000000.00";

/// The seed of a run's cases. The same seed gives the same cases.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Seed {
    Fixed(u128),
    /// A new seed for each run, which the run prints.
    Random,
}

impl Default for Seed {
    /// The seed of CI, which is fixed: whether a change passes must not depend on luck.
    fn default() -> Self {
        Self::Fixed(1)
    }
}

impl FromStr for Seed {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "random" {
            Ok(Self::Random)
        } else {
            text.parse().map(Self::Fixed).map_err(|_| "a number, or random")
        }
    }
}

/// Tests whether the server does what its document says.
pub fn run(seed: Seed) -> anyhow::Result<bool> {
    let target = crate::target_dir()?;
    let schemathesis = installed(&target.join("contract/schemathesis"))?;
    built(&["kola"])?;
    let kola = Kola { binary: target.join("debug/kola") };
    let directory = target.join("contract/run");
    if directory.exists() {
        std::fs::remove_dir_all(&directory)?;
    }
    std::fs::create_dir_all(&directory)?;
    let database = Database::Sqlite(directory.join("kola.db"));
    let merchants = [
        ("MERCHANT", merchant(&kola, &database, "Contract")?),
        ("ASIDE", merchant(&kola, &database, "Aside")?),
    ];
    let server = kola.serve(&database, 0, &[])?;
    let url = format!("http://{}", server.address);
    let played = clients::run(
        &target.join("contract/clients"),
        &clients::Server { url: &url, merchant: &merchants[0].1 },
    );
    let mut tester = tester(&schemathesis, &format!("{url}/openapi.json"), seed);
    tester.env("KOLA_URL", &url).envs(merchants);
    let status =
        tester.current_dir(&directory).stdin(Stdio::null()).status().context("schemathesis")?;
    println!("the server's own words:\n{}", server.log());
    println!("executions made: {}", database.executions()?);
    server.stop()?;
    kola.ledger_verify(&database).context("the ledger after the run")?;
    played?;
    Ok(status.success())
}

/// Creates a merchant with money. Returns what the command line prints, which `checks.py` reads.
fn merchant(kola: &Kola, database: &Database, name: &str) -> anyhow::Result<String> {
    let merchant = kola.merchant_create(database, name)?;
    kola.wallet_fund(database, usd_wallet(&merchant)?, FUNDS)?;
    Ok(merchant.to_string())
}

fn tester(schemathesis: &Path, document: &str, seed: Seed) -> Command {
    let mut tester = Command::new(schemathesis);
    tester.args([
        "run",
        document,
        "--checks",
        "all",
        "--exclude-checks",
        REPLACED,
        "--max-examples",
        EXAMPLES,
        // Its answer never ends.
        "--exclude-path",
        "/v1/events/stream",
    ]);
    tester.args([
        "--continue-on-failure",
        "--output-sanitize",
        "false",
        "--no-color",
        "--warnings",
        "off",
    ]);
    if let Seed::Fixed(seed) = seed {
        tester.args(["--seed", &seed.to_string()]);
    }
    tester.env("SCHEMATHESIS_HOOKS", crate::root().join("xtask/contract/checks.py"));
    tester
}

/// Installs Schemathesis in a virtual environment and returns the path of its program.
fn installed(directory: &Path) -> anyhow::Result<PathBuf> {
    Ok(environment(directory, &[&format!("schemathesis=={SCHEMATHESIS}")])?
        .join("bin/schemathesis"))
}

/// A virtual environment of Python with these packages. It lists what is installed, so that it is
/// created only once.
pub fn environment(directory: &Path, packages: &[&str]) -> anyhow::Result<PathBuf> {
    let (list, wanted) = (directory.join("packages.txt"), packages.join("\n"));
    if std::fs::read_to_string(&list).is_ok_and(|installed| installed == wanted) {
        return Ok(directory.to_owned());
    }
    println!("installing {}", packages.join(", "));
    if !crate::test::quiet(&["python3", "-c", "import ensurepip, venv"]) {
        crate::test::apt_install(&["python3-venv"]);
    }
    let made = Command::new("python3")
        .args(["-m", "venv", "--clear"])
        .arg(directory)
        .status()
        .context("python3")?;
    ensure!(made.success(), "python3 -m venv failed");
    let mut pip = Command::new(directory.join("bin/pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check"]).args(packages);
    ensure!(
        pip.status().context("pip")?.success(),
        "{} could not be installed",
        packages.join(", ")
    );
    std::fs::write(&list, wanted)?;
    Ok(directory.to_owned())
}

/// Builds the programs of these packages for debugging.
pub fn built(packages: &[&str]) -> anyhow::Result<()> {
    let mut build = crate::common::cargo();
    build.arg("build");
    for package in packages {
        build.args(["--package", package]);
    }
    ensure!(build.status().context("cargo build")?.success(), "cargo build failed");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_a_number_as_a_run_prints_it_or_random() {
        assert_eq!("random".parse(), Ok(Seed::Random));
        assert_eq!(
            "249635213019168442674616276967561619563".parse(),
            Ok(Seed::Fixed(249_635_213_019_168_442_674_616_276_967_561_619_563))
        );
        assert!("".parse::<Seed>().is_err() && "-1".parse::<Seed>().is_err());
    }
}
