//! The server inside the test process: started by the code of `kola serve`, with real sockets and a
//! database of its own.
//!
//! Two things belong to a process and not to a server. The log: what servers log is captured like
//! the output of their test, and shown where it fails. SQLite's locks: when any code of the process
//! closes the database file, all locks of the process on it are lost, so that a `kola` command in
//! another process would take the file for unused, and remove the log that the server writes to.
//! SQLite itself sees to that; the start of a server and of a command does not, because it reads
//! the file's header. Therefore nothing but one server is ever started on a database within the
//! test process: other servers and commands are processes of their own (`Database::has_server`).

use std::net::SocketAddr;
use std::sync::Once;
use std::time::Duration;

use kola::cli::Target;
use kola::cli::serve::Serve;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tracing_subscriber::filter::LevelFilter;

use super::Database;
use super::process::SETTINGS;

/// As long as a server may take to stop, before its tasks are abandoned.
const STOP_WITHIN: Duration = Duration::from_secs(1);

/// A server that stops when this is dropped.
pub(super) struct InProcess {
    runtime: Option<Runtime>,
    stop: Option<oneshot::Sender<()>>,
    serving: Option<JoinHandle<anyhow::Result<()>>>,
    /// Where metrics are, if anywhere.
    pub(super) metrics: Option<SocketAddr>,
}

impl InProcess {
    /// Starts a server with these settings, by the names of their environment variables. Answers
    /// its address, too.
    #[track_caller]
    pub(super) fn start(database: &Database, settings: &[(&str, &str)]) -> (Self, String) {
        capture_the_log();
        let mut all = vec![("KOLA_LISTEN", "127.0.0.1:0")];
        all.extend(
            SETTINGS.iter().filter(|(name, _)| !settings.iter().any(|(own, _)| own == name)),
        );
        all.extend(settings);
        let serve = Serve::from_settings(&all).unwrap_or_else(|error| panic!("{error}"));
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let started = serve.start(&place(database), &runtime);
        let started = started.unwrap_or_else(|error| panic!("kola does not start: {error:#}"));
        let metrics = started.metrics;
        let (stop, stopped) = oneshot::channel();
        let stopped = async {
            let _dropped = stopped.await;
        };
        let serving = runtime.spawn(started.server.run(started.listener, stopped, Duration::ZERO));
        let server =
            Self { runtime: Some(runtime), stop: Some(stop), serving: Some(serving), metrics };
        (server, started.address.to_string())
    }
}

impl Drop for InProcess {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let (Some(runtime), Some(serving)) = (self.runtime.take(), self.serving.take()) {
            // A connection that the test left open keeps the server from stopping.
            let _stopped =
                runtime.block_on(async { tokio::time::timeout(STOP_WITHIN, serving).await });
            runtime.shutdown_timeout(STOP_WITHIN);
        }
    }
}

pub(super) fn place(database: &Database) -> Target {
    let target = Target::new(database.url().parse().unwrap_or_else(|error| panic!("{error}")));
    match database.secrets_key() {
        Some(file) => target.with_secrets_key_file(file),
        None => target,
    }
}

/// Threads that a test starts, and those that they start, write into the captured output of that
/// test: so do all threads of its server.
fn capture_the_log() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        tracing_subscriber::fmt()
            .with_test_writer()
            .with_ansi(false)
            .with_max_level(LevelFilter::WARN)
            .init();
    });
}
