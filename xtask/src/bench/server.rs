//! The server under test: its command line, its process, and the files it runs on.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use rusqlite::{Connection, OpenFlags};
use rustix::process::{Pid, Signal, kill_process};

/// A server that needs longer to start or to drain has a fault of its own.
const PATIENCE: Duration = Duration::from_secs(30);

const LISTENING: &str = "kola listening on http://";

/// The program, as a user would run it.
pub struct Kola {
    pub binary: PathBuf,
}

impl Kola {
    pub fn merchant_create(&self, database: &Path, name: &str) -> anyhow::Result<serde_json::Value> {
        let arguments = ["merchant", "create", "--name", name, "--type", "ORGANIZATION", "--verified", "--json"];
        Ok(serde_json::from_str(&self.output(database, &arguments)?)?)
    }

    pub fn wallet_fund(&self, database: &Path, wallet: u64, amount: &str) -> anyhow::Result<()> {
        self.output(database, &["wallet", "fund", "--wallet", &wallet.to_string(), "--amount", amount]).map(drop)
    }

    /// Every figure is worthless if the money does not add up afterwards.
    pub fn ledger_verify(&self, database: &Path) -> anyhow::Result<()> {
        self.output(database, &["ledger", "verify"]).map(drop)
    }

    fn output(&self, database: &Path, arguments: &[&str]) -> anyhow::Result<String> {
        let output = self.command(database, arguments).output().with_context(|| format!("{}", self.binary.display()))?;
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

    /// Settings of the caller's shell must not change what is measured.
    fn command(&self, database: &Path, arguments: &[&str]) -> Command {
        let mut url = OsString::from("sqlite:");
        url.push(database);
        let mut command = Command::new(&self.binary);
        command.args(arguments).arg("--database").arg(url).stdin(Stdio::null()).env_remove("RUST_LOG");
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("KOLA_") {
                command.env_remove(name);
            }
        }
        command
    }

    pub fn serve(&self, database: &Path, settings: &[(&str, &str)]) -> anyhow::Result<Server> {
        let log = database.with_extension("log");
        let mut child = self
            .command(database, &["serve", "--listen", "127.0.0.1:0"])
            .envs([("KOLA_SANDBOX_DELAY_MS", "0"), ("KOLA_BENCH_ROUTES", "1")])
            .envs(settings.iter().copied())
            .stdout(Stdio::piped())
            .stderr(File::create(&log)?)
            .spawn()
            .with_context(|| format!("{}", self.binary.display()))?;
        let stdout = child.stdout.take().context("the standard output of the server")?;
        // From here on the process ends with this value, however the start goes.
        let mut server = Server { child, address: SocketAddr::from(([0, 0, 0, 0], 0)), database: database.to_owned(), log };
        let (found, address) = std::sync::mpsc::channel();
        // It is read to its end, or the server would wait for room in the pipe.
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if let Some(address) = line.trim().strip_prefix(LISTENING) {
                    found.send(address.to_owned()).ok();
                }
            }
        });
        let address = address.recv_timeout(PATIENCE);
        let address = address.with_context(|| format!("the server did not print where it listens\n{}", server.log()))?;
        server.address = address.parse().with_context(|| format!("the address {address:?}"))?;
        Ok(server)
    }
}

/// A running server. Dropping it kills the process.
pub struct Server {
    child: Child,
    pub address: SocketAddr,
    pub database: PathBuf,
    log: PathBuf,
}

impl Server {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it as an operator would, and expects that it ends well.
    pub fn stop(mut self) -> anyhow::Result<()> {
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            ensure!(begun.elapsed() < PATIENCE, "the server did not end after SIGTERM\n{}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        };
        ensure!(status.success(), "the server ended with {status}\n{}", self.log());
        Ok(())
    }

    /// The last lines that the server wrote about itself.
    pub fn log(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<_> = text.lines().rev().take(20).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    /// A look into its database from outside, between the measurements.
    fn look<T>(&self, statement: &str, of: impl FnOnce(&rusqlite::Row<'_>) -> rusqlite::Result<T>) -> anyhow::Result<T> {
        let connection = Connection::open_with_flags(&self.database, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        connection.busy_timeout(PATIENCE)?;
        Ok(connection.query_row(statement, [], of)?)
    }

    pub fn database_bytes(&self) -> anyhow::Result<i64> {
        self.look("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size", |row| row.get(0))
    }

    pub fn executions(&self) -> anyhow::Result<i64> {
        self.look("SELECT count(*) FROM executions", |row| row.get(0))
    }

    /// The number of transactions that have been committed to the log, by a counter that wraps. SQLite keeps it in the header
    /// of the log's index, as the third number (`iChange`), so that it costs the server nothing to be asked.
    pub fn commits(&self) -> anyhow::Result<u32> {
        let mut index = self.database.clone().into_os_string();
        index.push("-shm");
        let mut header = [[0; 4]; 3];
        File::open(&index)
            .and_then(|mut file| file.read_exact(header.as_flattened_mut()))
            .with_context(|| format!("{}", PathBuf::from(index).display()))?;
        Ok(u32::from_ne_bytes(header[2]))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has ended already, unless an error is on its way up.
        if let Ok(None) = self.child.try_wait() {
            self.child.kill().ok();
            self.child.wait().ok();
        }
    }
}

/// Moves everything from the log of a database that nobody has open into its one file, so that the file can be copied.
pub fn fold_log(database: &Path) -> anyhow::Result<()> {
    let connection = Connection::open(database)?;
    let busy: i64 = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    ensure!(busy == 0, "{} is still open", database.display());
    Ok(())
}
