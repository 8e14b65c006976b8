//! `kola db`: the database as a whole.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Subcommand;

use super::Place;
use crate::store::copy::{self, Copied};
use crate::store::{Database, backup};

#[derive(Subcommand)]
pub enum Db {
    /// Move an installation whose servers are stopped into a new database, of either kind. The source is left as it is.
    Copy {
        /// The database to read.
        #[arg(long, value_name = "URL")]
        from: Database,
        /// A database without merchants; a new file is made.
        #[arg(long, value_name = "URL")]
        to: Database,
    },
    /// Copy a SQLite database into a new file, beside a running server.
    Backup {
        /// The new file.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

impl Db {
    pub fn run(self, place: &Place) -> anyhow::Result<()> {
        match self {
            Self::Backup { file } => backup(&place.database, &file),
            Self::Copy { from, to } => copy(&from, &to),
        }
    }
}

fn backup(database: &Database, file: &Path) -> anyhow::Result<()> {
    let Database::Sqlite(path) = database else {
        bail!("PostgreSQL is backed up by its own programs: pg_dump for one database, pg_basebackup for the whole server");
    };
    let bytes =
        backup::sqlite(path, file).with_context(|| format!("{} was not copied to {}", path.display(), file.display()))?;
    println!("{}: {bytes} bytes, on disk and checked", file.display());
    Ok(())
}

fn copy(from: &Database, to: &Database) -> anyhow::Result<()> {
    if is_same(from, to) {
        bail!("--from and --to are the same database: {from}");
    }
    if let Database::Sqlite(path) = from
        && !path.exists()
    {
        bail!("there is no database at {from}");
    }
    let mut source = from.open_as_it_is().with_context(|| format!("cannot open {from}"))?;
    let mut target = to.open(None).with_context(|| format!("cannot open {to}"))?;
    let copied = copy::copy(source.as_mut(), target.as_mut()).with_context(|| format!("{from} was not copied to {to}"))?;
    tell(&copied);
    Ok(())
}

fn is_same(from: &Database, to: &Database) -> bool {
    match (from, to) {
        // A file may be named in more than one way; one that is not there yet is no other's.
        (Database::Sqlite(from), Database::Sqlite(to)) => {
            from == to || from.canonicalize().ok().zip(to.canonicalize().ok()).is_some_and(|(from, to)| from == to)
        }
        _ => from.to_string() == to.to_string(),
    }
}

fn tell(copied: &Copied) {
    println!("{:<16}  {:>12}  checksum", "table", "rows");
    for moved in &copied.tables {
        println!("{:<16}  {:>12}  {}", moved.table, moved.rows, moved.checksum);
    }
    println!(
        "rows and checksums are the same at both ends; {} rules of the ledger checked at both, 0 violations",
        copied.report.checks
    );
    if copied.lanes > 0 {
        eprintln!(
            "kola: {} lanes at the source did not say that they ended: make sure that no server runs there",
            copied.lanes
        );
    }
}
