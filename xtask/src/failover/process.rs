//! The program under test: its command line, and the server as a process.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, ensure};

const PATIENCE: Duration = Duration::from_secs(30);
const LISTENING: &str = "kola listening on http://";

/// The program, and the database that it is to use.
pub struct Kola {
    pub binary: PathBuf,
    pub url: String,
}

impl Kola {
    /// Runs a command to its end; answers what it printed.
    pub fn output(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let output = self.command(arguments).output().with_context(|| self.binary.display().to_string())?;
        let out = String::from_utf8_lossy(&output.stdout).into_owned();
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "kola {} ended with {}:\n{out}{said}", arguments.join(" "), output.status);
        Ok(out)
    }

    /// Settings of the caller's shell must not change what is tried.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(arguments).args(["--database", &self.url]).stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("KOLA_") {
                command.env_remove(name);
            }
        }
        command
    }

    /// Starts a server, and waits until it listens.
    pub fn serve(&self, log: &Path) -> anyhow::Result<Server> {
        let mut child = self
            .command(&["serve", "--listen", "127.0.0.1:0"])
            .env("KOLA_SANDBOX_DELAY_MS", "100")
            .stdout(Stdio::piped())
            .stderr(File::create(log)?)
            .spawn()
            .with_context(|| self.binary.display().to_string())?;
        let stdout = child.stdout.take().context("the standard output of the server")?;
        // From here on the process ends with this value, however the start goes.
        let mut server = Server { child, address: SocketAddr::from(([0, 0, 0, 0], 0)), log: log.to_owned() };
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
    log: PathBuf,
}

impl Server {
    /// All that it wrote about itself.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
