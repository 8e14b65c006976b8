//! `kola db`: backup, restore and copy of a whole database.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Subcommand;
use domain::kernel::time::ServerTime;
use domain::ledger::installation_check::{CheckKind, CheckOutcome, RecordCheck};
use serde_json::json;

use crate::cli::arguments::time;
use crate::cli::{Target, ledger, output};
use store::schema::backup::{self, Restored};
use store::schema::copy::{self, Copied};
use store::schema::networks;
use store::workspace::file;
use store::{Database, clock};

#[derive(Subcommand)]
pub enum Db {
    /// Copy a stopped installation into a new database of either kind. The source is left as it is.
    Copy {
        // Parsed after clap, which would print a URL that it refuses. It may contain a password.
        /// The database to read.
        #[arg(long, value_name = "URL", env = "KOLA_COPY_FROM", hide_env_values = true)]
        from: String,
        /// The database to write: one without merchants, or a new file.
        #[arg(long, value_name = "URL", env = "KOLA_COPY_TO", hide_env_values = true)]
        to: String,
    },
    /// Replace a SQLite database by a backup, while no server runs. The old database is kept beside
    /// it.
    Restore {
        /// The backup to restore.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Back up a SQLite database into a new file. A server may be running.
    Backup {
        /// The file to create.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Put on record that another program has made a backup, so that the server tells how old the last
    /// one is. For the end of a script of pgBackRest, pg_dump or pg_basebackup.
    NoteBackup {
        /// When it was complete. Without it: now.
        #[arg(long, value_name = "TIME", value_parser = time)]
        at: Option<ServerTime>,
        /// It failed. The last good one stays on record.
        #[arg(long)]
        failed: bool,
    },
}

impl Db {
    pub fn run(self, target: &Target) -> anyhow::Result<()> {
        match self {
            Self::Backup { file } => backup(target, &file),
            Self::NoteBackup { at, failed } => note_backup(target, at, failed),
            Self::Restore { file } => restore(&file, target),
            Self::Copy { from, to } => {
                let read = |url: &str, name| {
                    url.parse::<Database>().map_err(|error| anyhow::Error::msg(error).context(name))
                };
                copy(
                    &read(&from, "--from, or KOLA_COPY_FROM")?,
                    &read(&to, "--to, or KOLA_COPY_TO")?,
                )
            }
        }
    }
}

fn backup(target: &Target, file: &Path) -> anyhow::Result<()> {
    let database = &target.database;
    let Database::Sqlite(path) = database else {
        bail!(
            "PostgreSQL is backed up by its own programs: pg_dump for one database, pg_basebackup for the whole server; \
             `kola db note-backup` puts on record that they did"
        );
    };
    let begun_at = clock::now();
    let copied = backup::sqlite(path, file);
    record_backup(target, begun_at, clock::now(), copied.is_ok());
    let bytes = copied
        .with_context(|| format!("{} was not copied to {}", path.display(), file.display()))?;
    let keys = networks::secrets_keys(database.open_as_it_is()?.as_mut()).unwrap_or_default();
    let json = json!({ "file": file.display().to_string(), "bytes": bytes, "secrets_keys": keys });
    let mut text = format!("{}: {bytes} bytes, on disk and checked", file.display());
    if !keys.is_empty() {
        text.push_str(&format!(
            "\nits secrets need the key {}, which is not in it: keep the key file, too",
            keys.join(" and ")
        ));
    }
    output::done(&json, &text)
}

fn record_backup(target: &Target, begun_at: ServerTime, ended_at: ServerTime, is_good: bool) {
    // Of a database with another schema only the copy is made: a backup migrates nothing.
    if !target.is_current() {
        return;
    }
    ledger::record(target, backup_check(begun_at, ended_at, is_good));
}

fn backup_check(begun_at: ServerTime, ended_at: ServerTime, is_good: bool) -> RecordCheck {
    RecordCheck {
        kind: CheckKind::Backup,
        begun_at,
        ended_at,
        outcome: if is_good { CheckOutcome::Good } else { CheckOutcome::Failed },
        violations: 0,
        detail: None,
        holder: None,
    }
}

fn note_backup(target: &Target, at: Option<ServerTime>, failed: bool) -> anyhow::Result<()> {
    let now = clock::now();
    let at = at.unwrap_or(now);
    if at.since(now) > 0 {
        bail!("--at: {at} is still to come");
    }
    drop(target.open_existing()?);
    let row = target.run_once(backup_check(at, at, !failed))?;
    let good_at = row.good_at.map(|at| at.to_string());
    let json = json!({ "ended_at": at.to_string(), "good": !failed, "last_good_at": good_at });
    let last = good_at.unwrap_or_else(|| "never".to_owned());
    output::done(&json, &format!("on record; the last good backup: {last}"))
}

/// What to say of the key of a restored database, unless it is in its place.
fn missing_key(target: &Target) -> anyhow::Result<Option<String>> {
    let needed = networks::secrets_keys(target.database.open_as_it_is()?.as_mut())?;
    let file = target.secrets_key();
    let found = file.read(false).ok();
    let is_there = found.is_some_and(|key| needed.iter().all(|needed| needed == key.id()));
    Ok((!needed.is_empty() && !is_there).then(|| {
        format!(
            "its secrets need the key {}, which is not at {file}: without it nobody logs in with a code of a phone",
            needed.join(" and ")
        )
    }))
}

fn restore(file: &Path, target: &Target) -> anyhow::Result<()> {
    let Database::Sqlite(path) = &target.database else {
        bail!(
            "PostgreSQL is restored by its own programs: pg_restore, or the copy of pg_basebackup"
        );
    };
    let restored = backup::restore(file, path);
    let Restored { report, held_accounts, before } =
        restored.with_context(|| format!("{} was not restored", file.display()))?;
    let before = before.map(|before| before.display().to_string());
    // It is restored, whatever is with its key.
    let missing_key = missing_key(target).unwrap_or_default();
    let json = json!({
        "database": path.display().to_string(), "before": before, "entries": report.entries, "executions": report.executions,
        "wallets": report.wallets, "rules": report.checks, "missing_key": missing_key,
    });
    let mut text = format!(
        "{} is {} now: {} entries, {} executions, {} wallets; {} rules checked, 0 violations",
        path.display(),
        file.display(),
        report.entries,
        report.executions,
        report.wallets,
        report.checks
    );
    text.push_str(&held(held_accounts));
    if let Some(missing) = missing_key {
        text.push_str(&format!("\n{missing}"));
    }
    if let Some(before) = before {
        text.push_str(&format!("\nwhat was there before is {before}"));
    }
    output::done(&json, &text)
}

fn copy(from: &Database, to: &Database) -> anyhow::Result<()> {
    if is_same(from, to) {
        bail!("--from and --to are the same database: {from}");
    }
    if let Database::Sqlite(path) = from
        && file::exists(path)?
    {
        // This checks that no server runs. It must come before this process opens the file: the
        // lock would not hold against itself, and closing any descriptor of the file releases it.
        drop(file::lock_exclusively(path)?);
    }
    let new_file = match to {
        Database::Sqlite(path) if !file::exists(path)? => Some(path),
        _ => None,
    };
    let mut source = from.open_as_it_is().with_context(|| format!("cannot open {from}"))?;
    let mut target = to.open(None).with_context(|| format!("cannot open {to}"))?;
    let copied = copy::copy(source.as_mut(), target.as_mut())
        .with_context(|| format!("{from} was not copied to {to}"));
    drop(target);
    if let (Err(_), Some(path)) = (&copied, new_file) {
        file::remove(path);
    }
    tell(&copied?)
}

/// What to say where networks are not called before an operator says so.
fn held(accounts: u64) -> String {
    if accounts == 0 {
        return String::new();
    }
    format!(
        "\n{accounts} network accounts are held: nothing is sent before `kola networks resume`. Make sure \
         first that no other server works with the old database"
    )
}

fn is_same(from: &Database, to: &Database) -> bool {
    match (from, to) {
        // A file may have several names. A file that does not exist yet cannot be the same.
        (Database::Sqlite(from), Database::Sqlite(to)) => {
            from == to
                || from
                    .canonicalize()
                    .ok()
                    .zip(to.canonicalize().ok())
                    .is_some_and(|(from, to)| from == to)
        }
        _ => from.to_string() == to.to_string(),
    }
}

fn tell(copied: &Copied) -> anyhow::Result<()> {
    let tables = copied.tables.iter().map(
        |copied| json!({ "table": copied.table, "rows": copied.rows, "checksum": copied.checksum }),
    );
    let json = json!({
        "tables": tables.collect::<Vec<_>>(), "rules": copied.report.checks, "lanes_left": copied.lanes,
    });
    let cells = copied
        .tables
        .iter()
        .map(|copied| [copied.table.to_owned(), copied.rows.to_string(), copied.checksum.clone()]);
    let mut text = format!(
        "{}rows and checksums are the same at both ends; {} rules of the ledger checked at both, 0 violations",
        output::table(["table", "rows", "checksum"], &cells.collect::<Vec<_>>()),
        copied.report.checks
    );
    text.push_str(&held(copied.held_accounts));
    if copied.lanes > 0 {
        output::warn(&format!(
            "{} lanes of the source did not sign off: make sure that no server runs on it",
            copied.lanes
        ));
    }
    output::done(&json, &text)
}
