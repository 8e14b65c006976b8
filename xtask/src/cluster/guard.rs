//! A process that stops and removes a cluster when the chore that started it cannot: after Ctrl-C,
//! a kill or a crash.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::Context as _;

use super::Programs;

/// Waits for the end of its standard input, which comes when the chore has ended, in whatever way.
/// If the folder still exists then, the cluster is stopped and the folder removed. `$1` is the
/// folder, `$2` is `pg_ctl`.
const SCRIPT: &str = r#"
read -r _
[ -d "$1" ] || exit 0
"$2" -D "$1/data" -m immediate -w stop
rm -rf -- "$1"
"#;

/// The guard process.
pub struct Guard(Child);

impl Guard {
    pub fn set(programs: &Programs, folder: &Path) -> anyhow::Result<Self> {
        let mut shell = Command::new("sh");
        shell.args(["-c", SCRIPT, "sh"]).arg(folder).arg(programs.path("pg_ctl"));
        let mut shell = programs.as_account(shell);
        in_own_process_group(&mut shell)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Ok(Self(shell.spawn().context("sh")?))
    }

    /// Closes the guard's standard input, so that it cleans up if necessary, and waits for its end.
    pub fn dismiss(&mut self) {
        drop(self.0.stdin.take());
        self.0.wait().ok();
    }
}

/// Puts a process into a group of its own, which Ctrl-C in a terminal does not reach: only the
/// chore or the guard stops it.
pub fn in_own_process_group(command: &mut Command) -> &mut Command {
    command.process_group(0)
}
