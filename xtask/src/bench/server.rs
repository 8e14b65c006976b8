//! The server under test: its command line, its process and its files.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use rustix::process::{Pid, Signal, kill_process};

use super::database::Database;
use crate::common::{poll, tail};

/// How long a server may take to start or to stop.
const TIMEOUT: Duration = Duration::from_secs(30);

/// What a server prints when it is ready, before its address.
pub const LISTENING: &str = "kola listening on http://";

/// What it prints before the address of its metrics, which comes first.
const METRICS: &str = "Metrics: ";

/// The program `kola`, run as a user would run it.
pub struct Kola {
    pub binary: PathBuf,
}

impl Kola {
    pub fn merchant_create(
        &self,
        database: &Database,
        name: &str,
    ) -> anyhow::Result<serde_json::Value> {
        self.merchant_create_with(database, name, &[])
    }

    /// The same with further arguments, which an older release may not know.
    pub fn merchant_create_with(
        &self,
        database: &Database,
        name: &str,
        more: &[&str],
    ) -> anyhow::Result<serde_json::Value> {
        let usual = [
            "merchant",
            "create",
            "--name",
            name,
            "--type",
            "ORGANIZATION",
            "--verified",
            "--empty",
            "--json",
        ];
        let arguments = [&usual, more].concat();
        Ok(serde_json::from_str(&self.output(database, &arguments)?)?)
    }

    /// The key of realtime clients.
    pub fn keys_anon(&self, database: &Database) -> anyhow::Result<String> {
        let printed = self.output(database, &["keys", "anon"])?;
        Ok(printed.trim_end().lines().last().context("no key")?.to_owned())
    }

    pub fn wallet_fund(
        &self,
        database: &Database,
        wallet: u64,
        amount: &str,
    ) -> anyhow::Result<()> {
        self.output(
            database,
            &["wallet", "fund", "--wallet", &wallet.to_string(), "--amount", amount],
        )
        .map(drop)
    }

    /// Makes a key that secrets are encrypted with.
    pub fn secrets_init_key(&self, file: &Path) -> anyhow::Result<()> {
        let output = Command::new(&self.binary).args(["secrets", "init-key"]).arg(file).output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    /// Adds an account at pawaPay, or what plays it.
    pub fn networks_add(
        &self,
        database: &Database,
        key: &Path,
        base_url: &str,
        token: &str,
        calls_per_second: u32,
    ) -> anyhow::Result<serde_json::Value> {
        let limit = calls_per_second.to_string();
        let arguments = ["networks", "add", "--network", "pawapay", "--mode", "test", "--json"];
        let mut command = self.command(database, &arguments);
        command
            .args(["--name", "fakes", "--base-url", base_url, "--calls-per-second", &limit])
            .arg("--secrets-key-file")
            .arg(key)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let secrets = serde_json::json!({ "token": token }).to_string();
        child.stdin.take().context("a standard input")?.write_all(secrets.as_bytes())?;
        let output = child.wait_with_output()?;
        ensure!(output.status.success(), "kola networks add ended with {}", output.status);
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// Asks what networks keep, and keeps it on record.
    pub fn networks_balances(&self, database: &Database, key: &Path) -> anyhow::Result<()> {
        let mut command = self.command(database, &["networks", "balances"]);
        command.arg("--secrets-key-file").arg(key).stdout(Stdio::null());
        let status = command.status()?;
        ensure!(status.success(), "kola networks balances ended with {status}");
        Ok(())
    }

    pub fn networks_set_limit(
        &self,
        database: &Database,
        account: &str,
        calls_per_second: u32,
    ) -> anyhow::Result<()> {
        let limit = calls_per_second.to_string();
        let arguments =
            ["networks", "set-limit", "--account", account, "--calls-per-second", &limit];
        self.output(database, &arguments).map(drop)
    }

    /// Verifies the ledger, because figures mean nothing if the money does not add up afterwards.
    /// Returns the summary that the command prints.
    pub fn ledger_verify(&self, database: &Database) -> anyhow::Result<String> {
        self.output(database, &["ledger", "verify"]).map(|said| said.trim().to_owned())
    }

    /// Prints the fees. Like every command that opens a database, it migrates one of an older
    /// release first.
    pub fn fees_list(&self, database: &Database) -> anyhow::Result<String> {
        self.output(database, &["fees", "list"])
    }

    fn output(&self, database: &Database, arguments: &[&str]) -> anyhow::Result<String> {
        let output = self
            .command(database, arguments)
            .output()
            .with_context(|| format!("{}", self.binary.display()))?;
        ensure!(
            output.status.success(),
            "kola {} ended with {}:\n{}{}",
            arguments.join(" "),
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8(output.stdout)?)
    }

    /// A command without the settings of the caller's environment, which must not change what is
    /// measured.
    pub fn command(&self, database: &Database, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command
            .args(arguments)
            .arg("--database")
            .arg(database.url())
            .stdin(Stdio::null())
            .env_remove("RUST_LOG");
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("KOLA_") {
                command.env_remove(name);
            }
        }
        command
    }

    pub fn serve(
        &self,
        database: &Database,
        number: usize,
        settings: &[(&str, &str)],
    ) -> anyhow::Result<Server> {
        self.serve_at(database, number, "127.0.0.1:0", settings)
    }

    /// Starts a server on an address.
    pub fn serve_at(
        &self,
        database: &Database,
        number: usize,
        address: &str,
        settings: &[(&str, &str)],
    ) -> anyhow::Result<Server> {
        let log = database.log(number);
        let mut command = self.command(database, &["serve", "--listen", address]);
        command
            .envs([("KOLA_SANDBOX_DELAY_MS", "0"), ("KOLA_BENCH_ROUTES", "1")])
            .envs(settings.iter().copied());
        Server::start(command, log)
    }

    /// Starts the yardstick server on a database.
    pub fn serve_statements(database: &Database, connections: usize) -> anyhow::Result<Server> {
        let mut command = Command::new(std::env::current_exe()?);
        command
            .arg("statements")
            .arg("--url")
            .arg(database.url())
            .args(["--connections", &connections.to_string()]);
        Server::start(command, database.log(0))
    }
}

/// A running server. Dropping it kills the process.
pub struct Server {
    child: Child,
    pub address: SocketAddr,
    /// Where metrics are, if they are served.
    pub metrics: Option<String>,
    log: PathBuf,
}

impl Server {
    fn start(mut command: Command, log: PathBuf) -> anyhow::Result<Self> {
        let program = command.get_program().display().to_string();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&log)?)
            .spawn()
            .context(program)?;
        let stdout = child.stdout.take().context("the standard output of the server")?;
        // From here on dropping this value ends the process, even if the start fails.
        let mut server =
            Self { child, address: SocketAddr::from(([0, 0, 0, 0], 0)), metrics: None, log };
        let (found, address) = std::sync::mpsc::channel();
        // The output is read to its end: otherwise the pipe fills up and the server blocks.
        std::thread::spawn(move || {
            let mut metrics = None;
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if let Some(url) = line.trim().strip_prefix(METRICS) {
                    metrics = Some(url.to_owned());
                }
                if let Some(address) = line.trim().strip_prefix(LISTENING) {
                    found.send((address.to_owned(), metrics.take())).ok();
                }
            }
        });
        let address = address.recv_timeout(TIMEOUT);
        let (address, metrics) = address.with_context(|| {
            format!("the server did not print where it listens\n{}", server.log())
        })?;
        server.metrics = metrics;
        server.address = address.parse().with_context(|| format!("the address {address:?}"))?;
        Ok(server)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Stops the server by a signal, as an operator would. Fails unless it ends with success.
    pub fn stop(mut self) -> anyhow::Result<()> {
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        let status = poll(TIMEOUT, Duration::from_millis(5), || self.ended())?;
        let status = status
            .with_context(|| format!("the server did not end after SIGTERM\n{}", self.log()))?;
        ensure!(status.success(), "the server ended with {status}\n{}", self.log());
        Ok(())
    }

    /// The exit status, if the process has ended.
    pub fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// `kill -9`.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// The last lines of the server's log.
    pub fn log(&self) -> String {
        tail(&self.whole_log())
    }

    /// The whole log.
    pub fn whole_log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The process still runs only if an error ended the benchmark.
        if let Ok(None) = self.child.try_wait() {
            self.child.kill().ok();
            self.child.wait().ok();
        }
    }
}
