//! `cargo xtask test --networks`: payments with programs that others have made. kola pays through
//! localstripe, a fake of Stripe, and Stripe's own client pays at the fake of this project. None of
//! them reaches more than this machine.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use crate::bench::database::Database;
use crate::bench::server::Kola;
use crate::contract::environment;
use crate::programs::{Program, output, without_proxies};

/// localstripe, and the HTTP server that it stands on.
const LOCALSTRIPE: [&str; 2] = ["localstripe==1.15.10", "aiohttp==3.14.5"];
/// Stripe's client of the version that speaks [`API_VERSION`], and the HTTP client under it.
const STRIPE: [&str; 2] = ["stripe==15.6.2", "requests==2.34.2"];
/// The version of Stripe's API that kola asks for.
const API_VERSION: &str = "2026-08-26.dahlia";

/// Pays with the programs of others, and compares what they know with what kola has booked.
pub fn run() -> anyhow::Result<()> {
    let target = crate::target_dir()?;
    let directory = target.join("networks");
    let localstripe = environment(&directory.join("localstripe"), &LOCALSTRIPE)?;
    let stripe = environment(&directory.join("stripe"), &STRIPE)?;
    crate::contract::built(&["kola", "fakes"])?;
    let run = directory.join("run");
    if run.exists() {
        std::fs::remove_dir_all(&run)?;
    }
    std::fs::create_dir_all(&run)?;
    stripes_client(&Python(stripe), &target.join("debug/fakes"))
        .context("Stripe's client at the fake of Stripe")?;
    pay_through_localstripe(&Python(localstripe), Kola { binary: target.join("debug/kola") }, &run)
        .context("kola with localstripe")
}

fn stripes_client(python: &Python, fakes: &Path) -> anyhow::Result<()> {
    let mut command = Command::new(fakes);
    command.args(["--delay-ms", "0"]);
    for server in ["--pawapay", "--stripe", "--control"] {
        command.args([server, "127.0.0.1:0"]);
    }
    let fakes = Program::start(command)?;
    let stripe = fakes.says("Stripe:")?;
    let keys = fakes.says("publishable key")?;
    let control = fakes.says("control:")?;
    let mut client = python.script("stripe_client.py");
    client
        .env("API_VERSION", API_VERSION)
        .env("FAKE_STRIPE_URL", word(&stripe, 0)?)
        .env("FAKE_SECRET_KEY", word(&stripe, 5)?)
        .env("FAKE_PUBLISHABLE_KEY", word(&keys, 0)?.trim_end_matches(','))
        .env("FAKE_CONTROL_URL", word(&control, 0)?);
    println!("{}", output(&mut client, None)?.trim());
    Ok(())
}

fn pay_through_localstripe(python: &Python, kola: Kola, run: &Path) -> anyhow::Result<()> {
    let localstripe = Program::start(python.script("localstripe_server.py"))?;
    let url = localstripe.says("localstripe:")?;
    let database = Database::Sqlite(run.join("kola.db"));
    let secrets = json!({
        "secret_key": "sk_test_localstripe",
        "publishable_key": "pk_test_localstripe",
        "webhook_secret": "whsec_localstripe",
    })
    .to_string();
    let add = ["networks", "add", "--network", "stripe", "--mode", "test", "--json"];
    let mut command = kola.command(&database, &add);
    command.args(["--name", "localstripe", "--parameters", "basic", "--base-url", &url]);
    let account: Value = serde_json::from_str(&output(&mut command, Some(&secrets))?)?;
    let callback = account.get("callback_url").and_then(Value::as_str).unwrap_or_default();
    let path = callback.find("/callbacks/").and_then(|at| callback.get(at..));
    let merchant = kola.merchant_create_with(&database, "Localstripe", &["--mode", "test"])?;
    let server = kola.serve(&database, 0, &[])?;
    let mut payments = python.script("localstripe_payments.py");
    payments
        .env("KOLA_URL", format!("http://{}", server.address))
        .env("LOCALSTRIPE_URL", &url)
        .env("CALLBACK_PATH", path.context("no callback URL")?)
        .env("MERCHANT", merchant.to_string())
        .env("SECRETS", &secrets);
    let paid = output(&mut payments, None)
        .with_context(|| format!("the server's own words:\n{}", server.log()))?;
    server.stop()?;
    let verified = kola.ledger_verify(&database).context("the ledger")?;
    let told: Value = serde_json::from_str(&paid)?;
    let held = told.get("held_minor").and_then(Value::as_i64).context("no held_minor")?;
    let booked = database.held_by_test_networks()?;
    ensure!(booked == held, "booked are {booked}, and localstripe holds {held}");
    println!("kola with {}: {}; {verified}", LOCALSTRIPE[0], paid.trim());
    Ok(())
}

/// A virtual environment of Python.
struct Python(PathBuf);

impl Python {
    fn script(&self, name: &str) -> Command {
        let mut command = Command::new(self.0.join("bin/python3"));
        without_proxies(&mut command);
        command.arg("-B").arg(crate::root().join("xtask/networks").join(name));
        command
    }
}

fn word(line: &str, index: usize) -> anyhow::Result<&str> {
    line.split(' ').nth(index).with_context(|| format!("too short: {line}"))
}
