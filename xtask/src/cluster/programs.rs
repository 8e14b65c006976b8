//! PostgreSQL's programs: where they are, and under which account they run.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};

/// Debian keeps the server's programs here, in a folder for each version, and not on the path.
const DEBIAN: &str = "/usr/lib/postgresql";
/// A folder without one of these has only a client.
const NEEDED: [&str; 5] = ["initdb", "postgres", "pg_ctl", "psql", "pgbench"];
const ADVICE: &str = "there is no PostgreSQL on this machine: `apt-get install postgresql`, or put a folder with its programs \
                      (initdb, postgres, pg_ctl, psql, pgbench) on the path";

/// The folder of the programs, and the account that runs them.
#[derive(Clone, Debug)]
pub struct Programs {
    folder: PathBuf,
    account: Option<Account>,
}

/// An account. PostgreSQL refuses to run as root, so root runs it under another one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Account {
    pub uid: u32,
    pub gid: u32,
}

impl Programs {
    /// Looks for the programs on the path, then in Debian's folder.
    pub fn find() -> anyhow::Result<Self> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folder = std::env::split_paths(&path)
            .find(|folder| is_whole(folder))
            .or_else(|| newest(Path::new(DEBIAN)));
        let folder = folder.context(ADVICE)?;
        let account = if rustix::process::geteuid().is_root() {
            Some(Account::of_somebody_else()?)
        } else {
            None
        };
        Ok(Self { folder, account })
    }

    /// Looks for the programs, and if they are missing tries to install Debian's package. The
    /// package starts its own cluster, which is not used here.
    pub fn find_or_install() -> anyhow::Result<Self> {
        Self::find().or_else(|_missing| {
            crate::test::apt_install(&["postgresql"]);
            Self::find()
        })
    }

    pub fn account(&self) -> Option<Account> {
        self.account
    }

    pub fn path(&self, program: &str) -> PathBuf {
        self.folder.join(program)
    }

    pub fn command(&self, program: &str) -> Command {
        self.as_account(Command::new(self.path(program)))
    }

    /// Makes a command run under the account. PostgreSQL's environment variables are removed, so
    /// that it does not connect to another server, and it runs in `/`, because the account may not
    /// be allowed into the current folder.
    pub fn as_account(&self, mut command: Command) -> Command {
        if let Some(account) = self.account {
            command.uid(account.uid).gid(account.gid);
        }
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("PG") {
                command.env_remove(name);
            }
        }
        command.env("LC_ALL", "C").current_dir("/");
        command
    }
}

impl Account {
    fn of_somebody_else() -> anyhow::Result<Self> {
        let accounts = std::fs::read_to_string("/etc/passwd").context("/etc/passwd")?;
        let found = ["postgres", "nobody"].iter().find_map(|name| Self::read(&accounts, name));
        found.context("PostgreSQL refuses to run as root, and there is neither an account `postgres` nor `nobody`")
    }

    /// Finds an account in the lines `name:x:uid:gid:...` of `/etc/passwd`.
    fn read(accounts: &str, name: &str) -> Option<Self> {
        let line = accounts.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        let mut fields = line.split(':').skip(1);
        Some(Self { uid: fields.next()?.parse().ok()?, gid: fields.next()?.parse().ok()? })
    }
}

fn is_whole(folder: &Path) -> bool {
    NEEDED.iter().all(|program| folder.join(program).is_file())
}

/// The folder of the highest version under `/usr/lib/postgresql`.
fn newest(versions: &Path) -> Option<PathBuf> {
    let folders = std::fs::read_dir(versions).ok()?.filter_map(Result::ok);
    let version = |name: OsString| name.to_str()?.parse::<u32>().ok();
    let whole =
        folders.filter_map(|entry| Some((version(entry.file_name())?, entry.path().join("bin"))));
    whole.filter(|(_, folder)| is_whole(folder)).max().map(|(_, folder)| folder)
}

/// Runs a command to its end and returns what it printed.
pub fn output(command: &mut Command) -> anyhow::Result<String> {
    let shown = command.get_program().display().to_string();
    let output =
        command.stdin(std::process::Stdio::null()).output().with_context(|| shown.clone())?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{shown} ended with {}:\n{said}", output.status);
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_read_from_its_own_line() {
        let accounts = "root:x:0:0:root:/root:/bin/sh\npostgres2:x:7:8::/:/bin/sh\npostgres:x:101:104:,,,:/var/lib:/bin/sh\n";
        assert_eq!(Account::read(accounts, "postgres"), Some(Account { uid: 101, gid: 104 }));
        assert_eq!(Account::read(accounts, "nobody"), None);
    }
}
