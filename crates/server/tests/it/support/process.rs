//! The binary: its command line, and the server as a process.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use domain::directory::merchant::MerchantType;
use kola::cli::merchant;
use serde_json::Value;

use super::{Database, in_process, wait_for};

/// The exit code and the output of a command; no code where a signal ended it.
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

impl Database {
    pub(super) fn command_at(&self, url: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kola"));
        command.args(arguments).args(["--database", url]).current_dir(self.dir.path());
        if let Some(file) = self.secrets_key() {
            command.env("KOLA_SECRETS_KEY_FILE", file);
        }
        command
    }

    /// Makes the key for secrets of network accounts, which all further commands and servers use.
    #[track_caller]
    pub(crate) fn make_secrets_key(&self) {
        self.kola(&["secrets", "init-key", "secrets.key"]).ok();
    }

    /// Writes such a key without the command, which is a process: for tests that are not about keys.
    pub(crate) fn give_secrets_key(&self) {
        let file = self.dir.path().join("secrets.key");
        std::fs::write(file, "5a".repeat(32)).expect("a key");
    }

    /// The file of that key, if it was made.
    pub(crate) fn secrets_key(&self) -> Option<PathBuf> {
        Some(self.dir.path().join("secrets.key")).filter(|file| file.exists())
    }

    pub(crate) fn kola(&self, arguments: &[&str]) -> Run {
        self.kola_with_input(arguments, "")
    }

    /// Runs a command that is to find the database at this URL.
    pub(crate) fn kola_at(&self, url: &str, arguments: &[&str]) -> Run {
        run(self.command_at(url, arguments), "")
    }

    /// Runs a command that reads `input`.
    pub(crate) fn kola_with_input(&self, arguments: &[&str], input: &str) -> Run {
        run(self.command_at(&self.url(), arguments), input)
    }

    /// A merchant that may pay out, without a phone and without money.
    #[track_caller]
    pub(crate) fn merchant(&self, name: &str) -> Credentials {
        if !self.has_schema || self.has_server() {
            return self.merchant_with(name, &["--verified"]);
        }
        let place = in_process::place(self);
        let created = merchant::create(&place, name, MerchantType::Organization, None, true);
        Credentials::of(
            &created.unwrap_or_else(|error| panic!("no merchant: {error:#}")).as_json(true),
        )
    }

    /// A merchant without money; without `--verified` among `more` it may not pay out.
    #[track_caller]
    pub(crate) fn merchant_with(&self, name: &str, more: &[&str]) -> Credentials {
        let mut arguments = vec![
            "merchant",
            "create",
            "--name",
            name,
            "--type",
            "ORGANIZATION",
            "--empty",
            "--json",
        ];
        arguments.extend(more);
        if !more.contains(&"--verified") {
            arguments.push("--unverified");
        }
        Credentials::read(&self.kola(&arguments).ok())
    }
}

/// A program that connects to the server directly, whatever proxy the environment names.
pub(crate) fn straight(program: &str) -> Command {
    let mut command = Command::new(program);
    for proxy in
        ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"]
    {
        command.env_remove(proxy);
    }
    command
}

pub(super) fn run(mut command: Command, input: &str) -> Run {
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
        Self::of(
            &serde_json::from_str(printed).unwrap_or_else(|e| panic!("not JSON: {e}: {printed}")),
        )
    }

    #[track_caller]
    fn of(value: &Value) -> Self {
        let text = |field: &str| {
            value[field].as_str().unwrap_or_else(|| panic!("no {field} in {value}")).to_owned()
        };
        let wallets =
            value["wallets"].as_array().unwrap_or_else(|| panic!("no wallets in {value}"));
        let wallet =
            |w: &Value| (w["currency"].as_str().expect("currency").to_owned(), super::id(w));
        Self {
            merchant_id: value["merchant_id"]
                .as_i64()
                .unwrap_or_else(|| panic!("no merchant_id in {value}")),
            client_id: text("client_id"),
            client_secret: text("client_secret"),
            wallets: wallets.iter().map(wallet).collect(),
        }
    }
}

/// The settings that all servers of the tests share: a sandbox without delay, whose outcome is waited
/// for on a slow machine, too.
pub(super) const SETTINGS: [(&str, &str); 2] =
    [("KOLA_SANDBOX_DELAY_MS", "0"), ("KOLA_ANSWER_WITHIN_MS", "10000")];

pub(super) const SERVE: &[&str] = &["serve", "--listen", "127.0.0.1:0"];

/// `kola serve` as a process, which is killed when this is dropped.
pub(super) struct Process {
    child: Child,
    log: PathBuf,
    printed: Arc<Mutex<String>>,
}

impl Process {
    /// Runs the command with these environment variables, and its standard error appended to a file
    /// in `dir`. Answers the address on which it listens, too.
    #[track_caller]
    pub(super) fn start(
        command: Command,
        dir: &Path,
        environment: &[(&str, &str)],
    ) -> (Self, String) {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let log = dir.join(format!("stderr-{}.log", NEXT.fetch_add(1, Ordering::Relaxed)));
        let (child, printed) = spawn(command, &log, environment);
        let mut process = Self { child, log, printed };
        let address = process.await_address();
        (process, address)
    }

    /// Runs the command in place of the process, which is killed if it has not ended; the log goes on.
    #[track_caller]
    pub(super) fn start_again(&mut self, command: Command, environment: &[(&str, &str)]) -> String {
        self.end();
        (self.child, self.printed) = spawn(command, &self.log, environment);
        self.await_address()
    }

    #[track_caller]
    fn await_address(&mut self) -> String {
        wait_for("the line that says where kola listens", || {
            if let Some(status) = self.child.try_wait().expect("a child") {
                panic!("kola ended with {status}: {}", self.log());
            }
            let printed = self.printed();
            let address = printed
                .lines()
                .find_map(|line| line.trim().strip_prefix("kola listening on http://"))?;
            Some(address.trim().to_owned())
        })
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has printed on its standard output so far.
    pub(super) fn printed(&self) -> String {
        self.printed.lock().expect("a lock").clone()
    }

    /// What it has logged so far.
    pub(super) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// `kill -9`.
    pub(super) fn kill(&mut self) {
        self.child.kill().expect("a running server");
        self.child.wait().expect("its end");
    }

    /// Sends SIGTERM and waits; answers the exit code.
    #[track_caller]
    pub(super) fn terminate(&mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status().expect("kill");
        assert!(sent.success(), "SIGTERM was not delivered");
        wait_for("its end after SIGTERM", || self.child.try_wait().expect("a child")).code()
    }
}

impl Process {
    fn end(&mut self) {
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
        if std::thread::panicking() {
            let log = self.log();
            let start = log.len().saturating_sub(4000);
            eprintln!("--- the server's log:\n{}", log.get(start..).unwrap_or(&log));
        }
    }
}

fn spawn(
    mut command: Command,
    log: &Path,
    environment: &[(&str, &str)],
) -> (Child, Arc<Mutex<String>>) {
    let log = File::options().create(true).append(true).open(log).expect("a log");
    command.envs(SETTINGS).envs(environment.iter().copied());
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
