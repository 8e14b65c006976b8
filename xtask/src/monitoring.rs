//! `cargo xtask test --monitoring`: what `ops` has for Prometheus and Grafana, tried with the real
//! programs. A server that trades is scraped, and each question of an alert or of a panel must find what
//! it asks for. None of them reaches more than this machine.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use serde_json::Value;

use crate::bench::database::Database;
use crate::bench::server::{Kola, Server};
use crate::cluster::{self, Cluster};
use crate::contract::environment;
use crate::programs::{Program, output, without_proxies};
use crate::test::{apt_install, quiet};

/// Its parser of OpenMetrics accepts what the standard says, and nothing else.
const PARSER: [&str; 1] = ["prometheus-client==0.26.0"];

pub fn run() -> anyhow::Result<()> {
    if !quiet(&["promtool", "--version"]) {
        apt_install(&["prometheus"]);
    }
    rules()?;
    let target = crate::target_dir()?;
    let directory = target.join("monitoring");
    let python = environment(&directory.join("python"), &PARSER)?;
    crate::contract::built(&["kola", "fakes"])?;
    let run = directory.join("run");
    if run.exists() {
        std::fs::remove_dir_all(&run)?;
    }
    std::fs::create_dir_all(&run)?;
    let stage = Stage {
        kola: Kola { binary: target.join("debug/kola") },
        database: Database::Sqlite(run.join("kola.db")),
        fakes: target.join("debug/fakes"),
        python,
        run,
    };
    stage.watch()
}

#[derive(clap::Args)]
pub struct Options {
    /// Only the faults of these alerts
    only: Vec<String>,
}

/// `cargo xtask alerts`: a real fault for each alert, and a real Prometheus that says that it fires.
pub fn alerts(options: &Options) -> anyhow::Result<()> {
    ensure!(rustix::process::geteuid().is_root(), "only root may mount a small disk");
    for (program, package) in [("promtool", "prometheus"), ("faketime", "faketime")] {
        if !quiet(&[program, "--version"]) {
            apt_install(&[package]);
        }
    }
    let target = crate::target_dir()?;
    let python = environment(&target.join("monitoring/python"), &PARSER)?;
    crate::contract::built(&["kola", "fakes"])?;
    let run = target.join("monitoring/alerts");
    let disk = SmallDisk(run.join("disk"));
    disk.unmount();
    if run.exists() {
        std::fs::remove_dir_all(&run)?;
    }
    std::fs::create_dir_all(&run)?;
    let cluster = Cluster::start(&cluster::Options::fast())?;
    cluster.sql("postgres", "CREATE DATABASE kola")?;
    let mut faults = script(&python, "faults.py");
    faults
        .arg(target.join("debug"))
        .arg(crate::root())
        .arg(&run)
        .arg(cluster.url("kola"))
        .args(&options.only);
    let status = faults.status().context("python3")?;
    ensure!(status.success(), "faults.py ended with {status}; logs are in {}", run.display());
    Ok(())
}

/// The disk that `faults.py` mounts and fills.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Whatever has mounted it, a run that was killed too.
    fn unmount(&self) {
        Command::new("umount").arg(&self.0).stderr(Stdio::null()).status().ok();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        self.unmount();
    }
}

/// The files of `ops`.
fn ops() -> PathBuf {
    crate::root().join("ops")
}

/// Each alert is silent before its fault, and fires after it.
fn rules() -> anyhow::Result<()> {
    let folder = ops().join("prometheus");
    for arguments in [["check", "rules", "alerts.yml"], ["test", "rules", "alerts.test.yml"]] {
        let mut promtool = Command::new("promtool");
        output(promtool.args(arguments).current_dir(&folder), None)?;
    }
    println!("the alerts are silent before their faults, and fire after them");
    Ok(())
}

/// A server that trades, and what watches it.
struct Stage {
    kola: Kola,
    database: Database,
    fakes: PathBuf,
    python: PathBuf,
    run: PathBuf,
}

impl Stage {
    fn watch(&self) -> anyhow::Result<()> {
        let network = self.network()?;
        let key = self.run.join("key");
        let (url, token) = network.says("pawaPay:").and_then(|line| url_and_token(&line))?;
        self.kola.secrets_init_key(&key)?;
        self.kola.networks_add(&self.database, &key, &url, &token, 20)?;
        let sandbox = self.kola.merchant_create(&self.database, "Sandbox")?;
        let test = ["--mode", "test"];
        let test = self.kola.merchant_create_with(&self.database, "Test", &test)?;
        // The server would ask in an hour.
        self.kola.networks_balances(&self.database, &key)?;
        let key = key.display().to_string();
        let settings = [("KOLA_METRICS", "127.0.0.1:0"), ("KOLA_SECRETS_KEY_FILE", &*key)];
        let server = self.kola.serve(&self.database, 0, &settings)?;
        let metrics = server.metrics.clone().context("no metrics")?;
        let (_prometheus, prometheus) = self.prometheus(&metrics)?;
        let trade = Program::start(self.trade(&server, &sandbox, &test))?;
        trade.says("trading")?;
        let mut look = script(&self.python, "look.py");
        look.env("METRICS_URL", &metrics).env("PROMETHEUS_URL", &prometheus).arg(ops());
        let said = output(&mut look, None)
            .with_context(|| format!("the server's own words:\n{}", server.log()))?;
        println!("{}", said.trim());
        drop(trade);
        server.stop()
    }

    fn network(&self) -> anyhow::Result<Program> {
        let mut command = Command::new(&self.fakes);
        command.args(["--delay-ms", "100"]);
        for server in ["--pawapay", "--stripe", "--control"] {
            command.args([server, "127.0.0.1:0"]);
        }
        Program::start(command)
    }

    /// A Prometheus that scrapes the server once a second, with the alerts, and its URL.
    fn prometheus(&self, metrics: &str) -> anyhow::Result<(Program, String)> {
        let target = metrics.trim_start_matches("http://").trim_end_matches("/metrics");
        let rules = ops().join("prometheus/alerts.yml");
        let config = format!(
            "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: [{}]\n\
             scrape_configs: [{{job_name: kola, static_configs: [{{targets: ['{target}']}}]}}]\n",
            rules.display()
        );
        let file = self.run.join("prometheus.yml");
        std::fs::write(&file, config)?;
        // It cannot be asked to take any free port and to say which.
        let free = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let mut command = Command::new("prometheus");
        without_proxies(&mut command)
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", self.run.join("prometheus").display()))
            .arg(format!("--web.listen-address={free}"))
            .stderr(std::fs::File::create(self.run.join("prometheus.log"))?);
        Ok((Program::start(command)?, format!("http://{free}")))
    }

    fn trade(&self, server: &Server, sandbox: &Value, test: &Value) -> Command {
        let mut trade = script(&self.python, "trade.py");
        trade
            .env("KOLA_URL", format!("http://{}", server.address))
            .env("MERCHANT", sandbox.to_string())
            .env("TEST_MERCHANT", test.to_string());
        trade
    }
}

/// A program of ours in Python, which finds what is beside it.
fn script(python: &Path, name: &str) -> Command {
    let mut command = Command::new(python.join("bin/python3"));
    let folders = ["xtask/clients", "xtask/networks"].map(|folder| crate::root().join(folder));
    command
        .env("PYTHONPATH", std::env::join_paths(folders).unwrap_or_default())
        .arg("-B")
        .arg(crate::root().join("xtask/monitoring").join(name));
    without_proxies(&mut command);
    command
}

/// What the fakes print of pawaPay: its URL, and the token that it takes.
fn url_and_token(line: &str) -> anyhow::Result<(String, String)> {
    let mut words = line.split_whitespace();
    let url = words.next().context("no URL")?;
    let token = words.next_back().context("no token")?;
    Ok((url.to_owned(), token.to_owned()))
}
