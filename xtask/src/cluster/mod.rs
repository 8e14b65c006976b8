//! A private PostgreSQL cluster in a temporary folder, on a free port of the loopback interface. It
//! is removed when the chore that started it ends, in whatever way.

mod guard;
mod programs;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use crate::common::{poll, tail, wait_until};
use guard::Guard;
pub use programs::Programs;
use programs::output;

/// How long a cluster may take to start or to stop.
const TIMEOUT: Duration = Duration::from_secs(60);
const HOST: &str = "127.0.0.1";
/// The superuser. Every connection of this machine may log in as it, without a password.
const USER: &str = "postgres";

/// The folder and the settings of a cluster.
#[derive(Clone, Debug)]
pub struct Options {
    folder: PathBuf,
    settings: Vec<(String, String)>,
    encrypted: bool,
}

impl Options {
    /// PostgreSQL's defaults, with full durability, in a new folder under `folder`.
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), settings: Vec::new(), encrypted: false }
    }

    /// Settings for tests: many connections, and no commit waits for the disk. Commits still
    /// survive the death of a process, but not of the machine.
    pub fn fast() -> Self {
        Self::new(&std::env::temp_dir())
            .with("fsync", "off")
            .with("full_page_writes", "off")
            .with("max_connections", "500")
    }

    /// Adds a setting of `postgresql.conf`.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Allows encrypted connections; see [`Cluster::certificate`].
    pub fn encrypted(self) -> Self {
        Self { encrypted: true, ..self.with("ssl", "on") }
    }
}

/// A running cluster. Dropping it stops it and removes its folder.
pub struct Cluster {
    programs: Programs,
    folder: PathBuf,
    settings: Vec<(String, String)>,
    port: u16,
    postmaster: Mutex<Option<Child>>,
    guard: Guard,
}

impl Cluster {
    /// Creates a cluster and starts it.
    pub fn start(options: &Options) -> anyhow::Result<Self> {
        let mut cluster = Self::prepare(options)?;
        let mut initdb = cluster.programs.command("initdb");
        initdb.args([
            "--username",
            USER,
            "--auth",
            "trust",
            "--encoding",
            "UTF8",
            "--locale",
            "C",
            "--no-sync",
            "--pgdata",
        ]);
        output(initdb.arg(cluster.data()))?;
        if options.encrypted {
            cluster.certify()?;
        }
        cluster.launch_somewhere()?;
        Ok(cluster)
    }

    /// Writes a self-signed certificate for the address 127.0.0.1 to where the server expects one.
    fn certify(&self) -> anyhow::Result<()> {
        let made = rcgen::generate_simple_self_signed([HOST.to_owned()])?;
        for (path, text) in [
            (self.data().join("server.key"), made.signing_key.serialize_pem()),
            (self.certificate(), made.cert.pem()),
        ] {
            // PostgreSQL refuses a key that others may read.
            let mut file = File::options().create_new(true).write(true).mode(0o600).open(&path)?;
            file.write_all(text.as_bytes())?;
            if let Some(account) = self.programs.account() {
                chown(&path, Some(account.uid), Some(account.gid))?;
            }
        }
        Ok(())
    }

    /// The file of an encrypted cluster's certificate, which its clients have to trust.
    pub fn certificate(&self) -> PathBuf {
        self.data().join("server.crt")
    }

    pub fn url(&self, database: &str) -> String {
        self.url_with_primary(None, database)
    }

    /// The URL of a database with a second port to try. Clients use the host that takes writes.
    pub fn url_with_primary(&self, other: Option<u16>, database: &str) -> String {
        match other {
            None => format!("postgres://{USER}@{HOST}:{}/{database}", self.port),
            Some(other) => {
                format!("postgres://{USER}@{HOST}:{other},{HOST}:{}/{database}", self.port)
            }
        }
    }

    /// Creates the folder and its guard. The cluster does not run yet.
    fn prepare(options: &Options) -> anyhow::Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let programs = Programs::find()?;
        let name = format!(
            "kola-postgres-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let folder = std::path::absolute(options.folder.join(name))?;
        std::fs::DirBuilder::new()
            .mode(0o700)
            .create(&folder)
            .with_context(|| folder.display().to_string())?;
        if let Some(account) = programs.account() {
            chown(&folder, Some(account.uid), Some(account.gid))?;
        }
        let guard = Guard::set(&programs, &folder)?;
        Ok(Self {
            programs,
            folder,
            settings: options.settings.clone(),
            port: 0,
            postmaster: Mutex::new(None),
            guard,
        })
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Starts the cluster on a free port. Another program may take the port before the cluster
    /// does; then the next one is tried.
    fn launch_somewhere(&mut self) -> anyhow::Result<()> {
        for _ in 0..5 {
            self.port = TcpListener::bind((HOST, 0))?.local_addr()?.port();
            match self.launch() {
                Err(_) if self.log().contains("Address already in use") => {
                    std::fs::remove_file(self.log_path())?
                }
                done => return done,
            }
        }
        bail!("no free port was found")
    }

    /// Starts the postmaster as a child process, so that its end is noticed, and waits until it
    /// answers.
    fn launch(&self) -> anyhow::Result<()> {
        let log = File::options().create(true).append(true).open(self.log_path())?;
        let mut postgres = self.programs.command("postgres");
        postgres.arg("-D").arg(self.data()).args(["-h", HOST, "-p", &self.port.to_string()]);
        // No Unix socket: its default folder may not be writable for this account.
        postgres.args(["-c", "unix_socket_directories="]);
        for (name, value) in &self.settings {
            postgres.args(["-c", &format!("{name}={value}")]);
        }
        guard::in_own_process_group(&mut postgres)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        *self.postmaster() = Some(postgres.spawn().context("postgres")?);
        let answers = wait_until(TIMEOUT, Duration::from_millis(50), || {
            let answers = self.answers();
            if !answers && let Some(status) = self.ended()? {
                bail!("postgres ended with {status}:\n{}", self.log());
            }
            Ok(answers)
        })?;
        ensure!(answers, "postgres does not answer:\n{}", self.log());
        Ok(())
    }

    fn postmaster(&self) -> MutexGuard<'_, Option<Child>> {
        self.postmaster.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The exit status, if the postmaster has ended by itself.
    pub fn ended(&self) -> anyhow::Result<Option<ExitStatus>> {
        let mut postmaster = self.postmaster();
        let ended = postmaster.as_mut().map(Child::try_wait).transpose()?.flatten();
        if ended.is_some() {
            *postmaster = None;
        }
        Ok(ended)
    }

    fn answers(&self) -> bool {
        let mut ready = self.programs.command("pg_isready");
        ready.args([
            "--quiet",
            "-h",
            HOST,
            "-p",
            &self.port.to_string(),
            "-d",
            "postgres",
            "-U",
            USER,
        ]);
        ready.status().is_ok_and(|status| status.success())
    }

    fn log_path(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// The last lines of the cluster's log.
    fn log(&self) -> String {
        let text = std::fs::read(self.log_path()).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        tail(&text)
    }

    /// Signals the postmaster to stop and waits for its end. `INT` is PostgreSQL's fast shutdown,
    /// `QUIT` its immediate one.
    fn stop(&self, signal: Signal) -> anyhow::Result<()> {
        let Some(mut postmaster) = self.postmaster().take() else { return Ok(()) };
        kill_process(Pid::from_child(&postmaster), signal)?;
        let ended = poll(TIMEOUT, Duration::from_millis(10), || Ok(postmaster.try_wait()?))?;
        if ended.is_none() {
            postmaster.kill()?;
            postmaster.wait()?;
            bail!("postgres had to be killed:\n{}", self.log());
        }
        Ok(())
    }
}

/// What chores need that make a database fail.
impl Cluster {
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Runs SQL with psql as the superuser. Returns the rows without headings.
    pub fn sql(&self, database: &str, sql: &str) -> anyhow::Result<String> {
        let mut psql = self.programs.command("psql");
        psql.args([
            "-X",
            "-q",
            "-A",
            "-t",
            "-v",
            "ON_ERROR_STOP=1",
            "-d",
            &self.url(database),
            "-c",
            sql,
        ]);
        Ok(output(&mut psql)?.trim().to_owned())
    }

    /// Runs one of PostgreSQL's programs and returns what it prints.
    pub fn program(&self, name: &str, arguments: &[&str]) -> anyhow::Result<String> {
        output(self.programs.command(name).args(arguments))
    }

    /// Kills the postmaster and all its processes by SIGKILL, which ends them between two
    /// instructions, as a power cut would.
    pub fn kill_hard(&self) -> anyhow::Result<()> {
        let Some(mut postmaster) = self.postmaster().take() else { return Ok(()) };
        // A stopped postmaster cannot start another process, which would not be killed.
        kill_process(Pid::from_child(&postmaster), Signal::STOP)?;
        for child in children(postmaster.id())? {
            // An error means that the process has ended by itself.
            kill_process(child, Signal::KILL).ok();
        }
        postmaster.kill()?;
        postmaster.wait()?;
        Ok(())
    }

    /// Stops all processes without ending them (SIGSTOP). Connections stay open and the kernel
    /// accepts new ones, but nobody answers. This lasts until the cluster is killed.
    pub fn freeze(&self) -> anyhow::Result<()> {
        let Some(postmaster) = &*self.postmaster() else { return Ok(()) };
        kill_process(Pid::from_child(postmaster), Signal::STOP)?;
        for child in children(postmaster.id())? {
            kill_process(child, Signal::STOP).ok();
        }
        Ok(())
    }

    /// Stops the cluster if it runs, and starts it on the same port.
    pub fn restart(&self) -> anyhow::Result<()> {
        self.stop(Signal::INT)?;
        self.launch()
    }

    /// Creates a hot standby of this cluster.
    pub fn standby(&self, options: &Options) -> anyhow::Result<Self> {
        let mut standby = Self::prepare(options)?;
        let name = standby
            .folder
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default()
            .replace('-', "_");
        let from = format!("host={HOST} port={} user={USER} application_name={name}", self.port);
        let mut backup = self.programs.command("pg_basebackup");
        backup.args([
            "--dbname",
            &from,
            "--checkpoint",
            "fast",
            "--wal-method",
            "stream",
            "--no-sync",
        ]);
        // A slot keeps the log that the standby has not received yet, even while it is down.
        backup.args(["--write-recovery-conf", "--create-slot", "--slot", &name, "--pgdata"]);
        output(backup.arg(standby.data()))?;
        standby.launch_somewhere()?;
        Ok(standby)
    }

    /// Promotes a standby to primary, and waits until it is one.
    pub fn promote(&self) -> anyhow::Result<()> {
        let promoted = self.sql("postgres", "SELECT pg_promote(true, 60)")?;
        ensure!(promoted == "t", "the standby was not promoted:\n{}", self.log());
        Ok(())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Err(error) = self.stop(Signal::QUIT) {
            eprintln!("xtask: {error:#}");
        }
        std::fs::remove_dir_all(&self.folder).ok();
        self.guard.dismiss();
    }
}

/// The child processes of `parent`. Linux only.
fn children(parent: u32) -> anyhow::Result<Vec<Pid>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc")?.filter_map(Result::ok) {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        // The file is gone if the process has ended meanwhile.
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        // The second field is the program's name in parentheses, which may contain spaces. The
        // fourth is the parent.
        let fields = stat.rsplit_once(')').map(|(_, rest)| rest).unwrap_or_default();
        if fields.split_whitespace().nth(1).and_then(|field| field.parse().ok()) == Some(parent) {
            found.extend(Pid::from_raw(pid));
        }
    }
    Ok(found)
}
