//! The binary: its database, its command line, and the server as a process that dies with the test.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tempfile::TempDir;

use super::{Api, wait_for};

/// A fresh SQLite database in a directory of its own, which goes with the last who has it.
#[derive(Clone)]
pub(crate) struct Database {
    pub(crate) dir: Arc<TempDir>,
}

/// What a command left behind.
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// What `kola merchant create` prints.
#[derive(Clone, Debug)]
pub(crate) struct Credentials {
    pub(crate) merchant_id: i64,
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
    pub(crate) wallets: Vec<(String, i64)>,
}

/// A running server.
pub(crate) struct Server {
    pub(crate) database: Database,
    pub(crate) api: Api,
    child: Child,
    printed: Arc<Mutex<String>>,
}

impl Database {
    pub(crate) fn new() -> Self {
        Self { dir: Arc::new(TempDir::new().expect("a directory")) }
    }

    pub(crate) fn url(&self) -> String {
        format!("sqlite:{}", self.dir.path().join("kola.db").display())
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kola"));
        command.args(arguments).args(["--database", &self.url()]).current_dir(self.dir.path());
        command
    }

    pub(crate) fn kola(&self, arguments: &[&str]) -> Run {
        self.kola_with_input(arguments, "")
    }

    /// Runs a command that reads `input`.
    pub(crate) fn kola_with_input(&self, arguments: &[&str], input: &str) -> Run {
        let mut command = self.command(arguments);
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().expect("kola starts");
        // A command that refuses its arguments ends without reading: that write may fail.
        let _unread = child.stdin.take().expect("a pipe").write_all(input.as_bytes());
        let output = child.wait_with_output().expect("kola ends");
        Run {
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// A merchant that may pay out, without a phone.
    #[track_caller]
    pub(crate) fn merchant(&self, name: &str) -> Credentials {
        self.merchant_with(name, &["--verified"])
    }

    #[track_caller]
    pub(crate) fn merchant_with(&self, name: &str, more: &[&str]) -> Credentials {
        let mut arguments = vec!["merchant", "create", "--name", name, "--type", "ORGANIZATION", "--json"];
        arguments.extend(more);
        Credentials::read(&self.kola(&arguments).ok())
    }
}

impl Run {
    /// The output of a command that worked.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "stdout: {}\nstderr: {}", self.out, self.err);
        self.out
    }

    /// The message of a command that was refused: not a crash, and not silent.
    #[track_caller]
    pub(crate) fn refused(self) -> String {
        let said = format!("{}{}", self.out, self.err);
        assert!(self.code.is_some_and(|code| code != 0), "not refused: {:?} {said}", self.code);
        assert!(!said.trim().is_empty(), "refused without a word");
        assert!(!said.contains("panicked at"), "a panic is no message: {said}");
        said
    }
}

impl Credentials {
    #[track_caller]
    pub(crate) fn read(printed: &str) -> Self {
        let value: Value = serde_json::from_str(printed).unwrap_or_else(|e| panic!("not JSON: {e}: {printed}"));
        let text = |field: &str| value[field].as_str().unwrap_or_else(|| panic!("no {field} in {value}")).to_owned();
        let wallets = value["wallets"].as_array().unwrap_or_else(|| panic!("no wallets in {value}"));
        let wallet = |w: &Value| (w["currency"].as_str().expect("currency").to_owned(), super::id(w));
        Self {
            merchant_id: value["merchant_id"].as_i64().unwrap_or_else(|| panic!("no merchant_id in {value}")),
            client_id: text("client_id"),
            client_secret: text("client_secret"),
            wallets: wallets.iter().map(wallet).collect(),
        }
    }
}

impl Server {
    /// Serves `database`, with these environment variables besides a sandbox without delay.
    #[track_caller]
    pub(crate) fn start(database: Database, environment: &[(&str, &str)]) -> Self {
        let (child, printed) = spawn(&database, environment);
        let mut server = Self { database, api: Api { address: String::new(), token: None }, child, printed };
        server.api.address = server.await_address();
        server
    }

    #[track_caller]
    fn await_address(&mut self) -> String {
        wait_for("the line that says where kola listens", || {
            if let Some(status) = self.child.try_wait().expect("a child") {
                panic!("kola ended with {status}: {}", self.log());
            }
            let printed = self.printed();
            let address = printed.lines().find_map(|line| line.trim().strip_prefix("kola listening on http://"))?;
            Some(address.trim().to_owned())
        })
    }

    /// What it has printed on its standard output so far.
    pub(crate) fn printed(&self) -> String {
        self.printed.lock().expect("a lock").clone()
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.database.dir.path().join("stderr.log")).unwrap_or_default()
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("a running server");
        self.child.wait().expect("its end");
    }

    /// Starts it again on the same file. It may listen elsewhere: sign in again.
    #[track_caller]
    pub(crate) fn restart(&mut self, environment: &[(&str, &str)]) {
        (self.child, self.printed) = spawn(&self.database, environment);
        self.api.address = self.await_address();
    }

    /// Asks it to stop and waits; answers its exit code.
    #[track_caller]
    pub(crate) fn terminate(&mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status().expect("kill");
        assert!(sent.success(), "SIGTERM was not delivered");
        wait_for("its end after SIGTERM", || self.child.try_wait().expect("a child")).code()
    }

    pub(crate) fn kola(&self, arguments: &[&str]) -> Run {
        self.database.kola(arguments)
    }

    /// The books must balance.
    #[track_caller]
    pub(crate) fn verify_ledger(&self) {
        self.kola(&["ledger", "verify"]).ok();
    }

    #[track_caller]
    pub(crate) fn set_wallet(&self, wallet: i64, status: &str) {
        self.kola(&["wallet", "status", "--wallet", &wallet.to_string(), "--set", status]).ok();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _status = self.child.wait();
        if std::thread::panicking() {
            let log = self.log();
            let start = log.len().saturating_sub(4000);
            eprintln!("--- the server's log:\n{}", log.get(start..).unwrap_or(&log));
        }
    }
}

fn spawn(database: &Database, environment: &[(&str, &str)]) -> (Child, Arc<Mutex<String>>) {
    let log = File::options().create(true).append(true).open(database.dir.path().join("stderr.log")).expect("a log");
    let mut command = database.command(&["serve", "--listen", "127.0.0.1:0"]);
    command.env("KOLA_SANDBOX_DELAY_MS", "0").envs(environment.iter().copied());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
    let mut child = command.spawn().expect("kola starts");
    let lines = BufReader::new(child.stdout.take().expect("a pipe"));
    let printed = Arc::new(Mutex::new(String::new()));
    let sink = Arc::clone(&printed);
    std::thread::spawn(move || {
        for line in lines.lines().map_while(Result::ok) {
            let mut text = sink.lock().expect("a lock");
            text.push_str(&line);
            text.push('\n');
        }
    });
    (child, printed)
}
