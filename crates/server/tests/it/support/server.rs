//! A running server: inside the test process, or as a process where the test is about that.

use std::process::Command;

use super::in_process::InProcess;
use super::process::{Process, Run, SERVE, run};
use super::{Api, Database};

/// A running server.
pub(crate) struct Server {
    running: Running,
    pub(crate) database: Database,
    pub(crate) api: Api,
    /// The database as the server reaches it: through a proxy, or by another URL.
    url: String,
}

enum Running {
    InProcess(InProcess),
    Process(Process),
}

impl Server {
    /// A server inside the test process, with these settings by the names of their environment
    /// variables. Of the servers of one database only the first can be.
    #[track_caller]
    pub(crate) fn start(database: Database, settings: &[(&str, &str)]) -> Self {
        assert!(!database.note_server(), "a further server is a process: use `Server::spawn`");
        let (server, address) = InProcess::start(&database, settings);
        let url = database.url();
        Self::new(Running::InProcess(server), address, database, url)
    }

    /// A server as a process with these environment variables, for tests about the process: its end
    /// and start, signals, output, log, limits, or several processes on one database.
    #[track_caller]
    pub(crate) fn spawn(database: Database, environment: &[(&str, &str)]) -> Self {
        let url = database.url();
        Self::spawn_at(database, url, environment)
    }

    /// The same where the process is to reach its database at this URL.
    #[track_caller]
    pub(crate) fn spawn_at(database: Database, url: String, environment: &[(&str, &str)]) -> Self {
        let command = database.command_at(&url, SERVE);
        Self::spawn_as(command, database, url, environment)
    }

    /// The same in a process that survives a write beyond its file size limit: the write fails as
    /// on a full disk.
    #[track_caller]
    pub(crate) fn spawn_with_a_limited_disk(database: Database) -> Self {
        let url = database.url();
        let kola = database.command_at(&url, SERVE);
        let mut command = Command::new("bash");
        // A signal that a process ignores is ignored by the program that takes its place, too.
        command
            .args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""])
            .arg(kola.get_program())
            .args(kola.get_args());
        Self::spawn_as(command, database, url, &[])
    }

    /// The same with this `--listen`.
    #[track_caller]
    pub(crate) fn spawn_listening(database: Database, listen: &str) -> Self {
        let url = database.url();
        let command = database.command_at(&url, &["serve", "--listen", listen]);
        Self::spawn_as(command, database, url, &[])
    }

    #[track_caller]
    fn spawn_as(
        command: Command,
        database: Database,
        url: String,
        environment: &[(&str, &str)],
    ) -> Self {
        database.note_server();
        let (process, address) = Process::start(command, database.dir.path(), environment);
        Self::new(Running::Process(process), address, database, url)
    }

    fn new(running: Running, address: String, database: Database, url: String) -> Self {
        Self { running, database, api: Api { address, token: None }, url }
    }

    /// A client of the metrics of a server that was started with `KOLA_METRICS`.
    #[track_caller]
    pub(crate) fn metrics(&self) -> Api {
        let address = match &self.running {
            Running::InProcess(server) => server.metrics.expect("KOLA_METRICS").to_string(),
            Running::Process(process) => {
                let printed = process.printed();
                let line = printed.lines().find_map(|line| line.strip_prefix("Metrics: http://"));
                line.expect("KOLA_METRICS").trim_end_matches("/metrics").to_owned()
            }
        };
        Api { address, token: None }
    }

    #[track_caller]
    fn process(&self) -> &Process {
        match &self.running {
            Running::Process(process) => process,
            Running::InProcess(_) => panic!("{NO_PROCESS}"),
        }
    }

    #[track_caller]
    fn process_mut(&mut self) -> &mut Process {
        match &mut self.running {
            Running::Process(process) => process,
            Running::InProcess(_) => panic!("{NO_PROCESS}"),
        }
    }

    /// The most memory that the process ever had.
    #[cfg(target_os = "linux")]
    #[track_caller]
    pub(crate) fn memory_peak_kib(&self) -> u64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("a process");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("its memory");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// Another process on the same database.
    #[track_caller]
    pub(crate) fn spawn_another(&self, environment: &[(&str, &str)]) -> Self {
        Self::spawn(self.database.clone(), environment)
    }

    /// Sets how many bytes a file of the process may have; `None` for any number.
    #[track_caller]
    pub(crate) fn limit_files(&self, bytes: Option<u64>) {
        let limit = bytes.map_or_else(|| "unlimited".to_owned(), |bytes| bytes.to_string());
        let set = Command::new("prlimit")
            .args(["--pid", &self.pid().to_string(), &format!("--fsize={limit}:unlimited")])
            .status()
            .expect("prlimit");
        assert!(set.success());
    }

    #[track_caller]
    pub(crate) fn pid(&self) -> u32 {
        self.process().pid()
    }

    /// What the process has printed on its standard output so far.
    #[track_caller]
    pub(crate) fn printed(&self) -> String {
        self.process().printed()
    }

    /// What the process has logged so far.
    #[track_caller]
    pub(crate) fn log(&self) -> String {
        self.process().log()
    }

    /// `kill -9`.
    #[track_caller]
    pub(crate) fn kill(&mut self) {
        self.process_mut().kill();
    }

    /// Starts the process again on the same database. It may listen elsewhere: sign in again.
    #[track_caller]
    pub(crate) fn restart(&mut self, environment: &[(&str, &str)]) {
        let command = self.database.command_at(&self.url, SERVE);
        self.api.address = self.process_mut().start_again(command, environment);
    }

    /// Sends SIGTERM and waits; answers the exit code.
    #[track_caller]
    pub(crate) fn terminate(&mut self) -> Option<i32> {
        self.process_mut().terminate()
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

const NO_PROCESS: &str = "this server runs inside the test process: a test about the process uses `Server::spawn`, `spawn` or `spawn_with`";
