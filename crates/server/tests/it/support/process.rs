//! The binary: its command line, and the server as a process that dies with the test.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::{Api, Database, wait_for};

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
    /// Where it finds its database, which may be a detour.
    url: String,
    log: PathBuf,
    child: Child,
    printed: Arc<Mutex<String>>,
}

impl Database {
    fn command_at(&self, url: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kola"));
        command.args(arguments).args(["--database", url]).current_dir(self.dir.path());
        command
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
        self.merchant_with(name, &["--verified"])
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

/// A program that reaches the server directly, whatever proxy the environment names.
pub(crate) fn straight(program: &str) -> Command {
    let mut command = Command::new(program);
    for proxy in
        ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"]
    {
        command.env_remove(proxy);
    }
    command
}

fn run(mut command: Command, input: &str) -> Run {
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
        let value: Value =
            serde_json::from_str(printed).unwrap_or_else(|e| panic!("not JSON: {e}: {printed}"));
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

impl Server {
    /// Serves `database`, with these environment variables besides a sandbox without delay, whose
    /// word is waited for on a slow machine, too.
    #[track_caller]
    pub(crate) fn start(database: Database, environment: &[(&str, &str)]) -> Self {
        let url = database.url();
        Self::start_at(database, url, environment)
    }

    /// Serves `database`, which it is to find at this URL.
    #[track_caller]
    pub(crate) fn start_at(database: Database, url: String, environment: &[(&str, &str)]) -> Self {
        let command = database.command_at(&url, SERVE);
        Self::start_as(command, database, url, environment)
    }

    /// Serves `database` in a process that outlives a write beyond its limit: such a write fails as
    /// on a full disk.
    #[track_caller]
    pub(crate) fn start_with_a_limited_disk(database: Database) -> Self {
        let url = database.url();
        let kola = database.command_at(&url, SERVE);
        let mut command = Command::new("bash");
        // What a process ignores is ignored by the program that takes its place.
        command
            .args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""])
            .arg(kola.get_program())
            .args(kola.get_args());
        Self::start_as(command, database, url, &[])
    }

    /// One that is told to listen there.
    #[track_caller]
    pub(crate) fn start_listening(database: Database, listen: &str) -> Self {
        let url = database.url();
        let command = database.command_at(&url, &["serve", "--listen", listen]);
        Self::start_as(command, database, url, &[])
    }

    #[track_caller]
    fn start_as(
        command: Command,
        database: Database,
        url: String,
        environment: &[(&str, &str)],
    ) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let log = database
            .dir
            .path()
            .join(format!("stderr-{}.log", NEXT.fetch_add(1, Ordering::Relaxed)));
        let (child, printed) = spawn(command, &log, environment);
        let mut server = Self {
            database,
            api: Api { address: String::new(), token: None },
            url,
            log,
            child,
            printed,
        };
        server.api.address = server.await_address();
        server
    }

    /// The most memory that the process ever had.
    #[cfg(target_os = "linux")]
    #[track_caller]
    pub(crate) fn memory_peak_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))
            .expect("a process");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("its memory");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// Another process on the same database.
    #[track_caller]
    pub(crate) fn beside(&self, environment: &[(&str, &str)]) -> Self {
        Self::start(self.database.clone(), environment)
    }

    /// No file of the process may grow beyond so many bytes; `None` for any size.
    pub(crate) fn limit_files(&self, bytes: Option<u64>) {
        let limit = bytes.map_or_else(|| "unlimited".to_owned(), |bytes| bytes.to_string());
        let set = Command::new("prlimit")
            .args(["--pid", &self.pid().to_string(), &format!("--fsize={limit}:unlimited")])
            .status()
            .expect("prlimit");
        assert!(set.success());
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
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

    /// What it has printed on its standard output so far.
    pub(crate) fn printed(&self) -> String {
        self.printed.lock().expect("a lock").clone()
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("a running server");
        self.child.wait().expect("its end");
    }

    /// Starts it again on the same database. It may listen elsewhere: sign in again.
    #[track_caller]
    pub(crate) fn restart(&mut self, environment: &[(&str, &str)]) {
        (self.child, self.printed) =
            spawn(self.database.command_at(&self.url, SERVE), &self.log, environment);
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

    /// Runs a command with a variable in its environment.
    pub(crate) fn kola_with(&self, name: &str, value: &str, arguments: &[&str]) -> Run {
        let mut command = self.database.command_at(&self.url, arguments);
        command.env(name, value);
        run(command, "")
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

const SERVE: &[&str] = &["serve", "--listen", "127.0.0.1:0"];

fn spawn(
    mut command: Command,
    log: &Path,
    environment: &[(&str, &str)],
) -> (Child, Arc<Mutex<String>>) {
    let log = File::options().create(true).append(true).open(log).expect("a log");
    command
        .env("KOLA_SANDBOX_DELAY_MS", "0")
        .env("KOLA_ANSWER_WITHIN_MS", "10000")
        .envs(environment.iter().copied());
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
