//! PostgreSQL's own programs: where they are, and as whom they run.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};

/// Debian keeps the programs of a server here, one folder a version, and not on the path.
const DEBIAN: &str = "/usr/lib/postgresql";
/// A folder that lacks one of these has a client only.
const NEEDED: [&str; 5] = ["initdb", "postgres", "pg_ctl", "psql", "pgbench"];
const ADVICE: &str = "there is no PostgreSQL on this machine: `apt-get install postgresql`, or put a folder with its programs \
                      (initdb, postgres, pg_ctl, psql, pgbench) on the path";

/// The folder of the programs, and the account that runs them.
#[derive(Clone, Debug)]
pub struct Programs {
    folder: PathBuf,
    account: Option<Account>,
}

/// PostgreSQL refuses to run as root, so that root runs it as somebody else.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Account {
    pub uid: u32,
    pub gid: u32,
}

impl Programs {
    /// Looks along the path first, then where Debian puts them.
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

    /// The same, after Debian's package has been installed where it can be. The package starts a
    /// cluster of its own, which is nobody's business here.
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

    /// A command under the account. What the caller's shell says about another PostgreSQL must not
    /// lead it there, and the account may not be allowed into the current folder.
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

    /// An account by its line `name:x:uid:gid:...`.
    fn read(accounts: &str, name: &str) -> Option<Self> {
        let line = accounts.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        let mut fields = line.split(':').skip(1);
        Some(Self { uid: fields.next()?.parse().ok()?, gid: fields.next()?.parse().ok()? })
    }
}

fn is_whole(folder: &Path) -> bool {
    NEEDED.iter().all(|program| folder.join(program).is_file())
}

/// The programs of the highest version under `/usr/lib/postgresql`.
fn newest(versions: &Path) -> Option<PathBuf> {
    let folders = std::fs::read_dir(versions).ok()?.filter_map(Result::ok);
    let version = |name: OsString| name.to_str()?.parse::<u32>().ok();
    let whole =
        folders.filter_map(|entry| Some((version(entry.file_name())?, entry.path().join("bin"))));
    whole.filter(|(_, folder)| is_whole(folder)).max().map(|(_, folder)| folder)
}

/// Runs a command to its end; answers what it printed.
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
