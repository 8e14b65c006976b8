//! `cargo xtask migration-time`: how long the start of a new release takes on a large database of an
//! earlier one, while it brings the schema up to date.
#![expect(
    clippy::float_arithmetic,
    clippy::as_conversions,
    reason = "seconds and megabytes of a measurement; no money"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::bench::database::Database;
use crate::bench::server::Kola;
use crate::bench::{self, Kind, ScratchDir};
use crate::cluster::{self, Cluster};
use crate::copies::{self, Turns};

/// The payments in the rows that are copied, as they are mixed in a shop: most are collections and
/// transfers.
const TURNS: Turns = Turns { collections: 900, transfers: 800, payouts: 200, refunds: 100 };
/// The same mix for databases that have fewer executions than these.
const FEW_TURNS: Turns = Turns { collections: 45, transfers: 40, payouts: 10, refunds: 5 };
/// From so many executions on, the larger number of rows is copied.
const MANY: i64 = 20_000;

#[derive(clap::Args)]
pub struct Options {
    /// The release before, whose schema the database has
    #[arg(long, value_name = "PATH")]
    before: PathBuf,
    /// The release that migrates it
    #[arg(long, value_name = "PATH")]
    after: PathBuf,
    /// So many executions, about
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(i64).range(1_000..))]
    executions: i64,
    /// Where they are
    #[arg(long, default_value = "sqlite")]
    database: Kind,
    /// Leave `kola ledger verify` of both releases out
    #[arg(long)]
    no_verify: bool,
}

pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    if cfg!(debug_assertions) {
        return bench::as_release();
    }
    let release = |binary: &PathBuf| -> anyhow::Result<Kola> {
        let binary = binary.canonicalize().with_context(|| binary.display().to_string())?;
        Ok(Kola { binary })
    };
    let (before, after) = (release(&options.before)?, release(&options.after)?);
    let dir = ScratchDir::create(crate::target_dir()?.join("migration-time"))?;
    let database = match options.database {
        Kind::Sqlite => Database::Sqlite(dir.0.join("large.db")),
        Kind::Postgres => {
            // Durability is full, by default, as it is where a release is installed.
            let settings = cluster::Options::new(&dir.0)
                .with("max_wal_size", "8GB")
                .with("shared_buffers", "512MB");
            Database::on_cluster(Arc::new(Cluster::start(&settings)?), "large", &dir.0)
        }
    };
    let turns = if options.executions < MANY { FEW_TURNS } else { TURNS };
    let made = time(|| {
        copies::create(&before, &database, async |client, shop| {
            copies::trade(client, shop, turns).await
        })
    })?;
    println!("{} payments made in {}", database.executions()?, seconds(made));
    let copied = time(|| {
        copies::fill(&database, options.executions)?;
        database.checkpoint()?;
        database.vacuum()
    })?;
    println!("copied to {} executions in {}", database.executions()?, seconds(copied));
    if !options.no_verify {
        verify(&before, &database, "before")?;
    }
    let found = Contents::of(&database)?;
    let (copied, written) = yardsticks(&database, &found)?;

    let migration = time(|| open(&after, &database))?;
    let opening = time(|| open(&after, &database))?;
    database.checkpoint()?;
    let migrated = Contents::of(&database)?;
    print!("\n{}\n", found.beside(&migrated));
    println!(
        "migration: {}; opening the database afterwards: {}",
        seconds(migration),
        seconds(opening)
    );
    println!(
        "yardsticks: a copy of the database {}, the migration takes {:.1} times as long; \
         writing the rows of {} again {}, the migration takes {:.1} times as long",
        seconds(copied),
        ratio(migration, copied),
        found.largest()?,
        seconds(written),
        ratio(migration, written),
    );
    if !options.no_verify {
        verify(&after, &database, "after")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Opens the database with a command that only reads, which brings the schema up to date first, as
/// the start of a server does.
fn open(kola: &Kola, database: &Database) -> anyhow::Result<()> {
    kola.fees_list(database).map(drop)
}

fn verify(kola: &Kola, database: &Database, release: &str) -> anyhow::Result<()> {
    let took = time(|| kola.ledger_verify(database).map(drop))?;
    println!("ledger verify of the release {release}: no violation, in {}", seconds(took));
    Ok(())
}

/// How long it takes to copy the database, and to write the rows of its largest table again.
fn yardsticks(database: &Database, found: &Contents) -> anyhow::Result<(Duration, Duration)> {
    let copy = database.sibling("copy");
    let copied = time(|| {
        copy.copy(database)?;
        match &copy {
            Database::Sqlite(path) => Ok(File::open(path)?.sync_all()?),
            Database::Postgres { .. } => Ok(()),
        }
    })?;
    let largest = found.largest()?;
    let sql = format!("CREATE TABLE yardstick AS SELECT * FROM {largest}");
    let written = time(|| copy.sql(&sql))?;
    copy.remove()?;
    Ok((copied, written))
}

/// What a database has, by table.
struct Contents {
    rows: BTreeMap<String, i64>,
    /// The bytes of each table with its indexes.
    bytes: BTreeMap<String, i64>,
    /// The whole database, with pages that are free.
    total_bytes: i64,
}

impl Contents {
    fn of(database: &Database) -> anyhow::Result<Self> {
        let mut rows = BTreeMap::new();
        for table in database.tables()? {
            let count = database.number(&format!("SELECT count(*) FROM {table}"))?;
            rows.insert(table, count);
        }
        let mut bytes = BTreeMap::new();
        for size in database.sizes()? {
            *bytes.entry(size.table).or_default() += size.bytes;
        }
        Ok(Self { rows, bytes, total_bytes: database.bytes()? })
    }

    /// The table with the most bytes.
    fn largest(&self) -> anyhow::Result<&str> {
        let largest = self.bytes.iter().max_by_key(|(_, bytes)| **bytes);
        Ok(largest.context("a database without tables")?.0)
    }

    /// A table of both states, without tables that never had a row.
    fn beside(&self, after: &Self) -> String {
        let mut text =
            "| table | rows before | rows after | MB before | MB after |\n|---|---|---|---|---|\n"
                .to_owned();
        let names: BTreeSet<&String> = self.rows.keys().chain(after.rows.keys()).collect();
        for name in names {
            let (rows, rows_after) = (self.rows.get(name), after.rows.get(name));
            if [rows, rows_after].into_iter().flatten().any(|rows| *rows > 0) {
                text += &format!(
                    "| {name} | {} | {} | {} | {} |\n",
                    count(rows),
                    count(rows_after),
                    megabytes(self.bytes.get(name)),
                    megabytes(after.bytes.get(name)),
                );
            }
        }
        text += &format!(
            "| the whole database | | | {} | {} |\n",
            megabytes(Some(&self.total_bytes)),
            megabytes(Some(&after.total_bytes)),
        );
        text
    }
}

fn count(rows: Option<&i64>) -> String {
    rows.map_or("no table".to_owned(), i64::to_string)
}

fn megabytes(bytes: Option<&i64>) -> String {
    bytes.map_or(String::new(), |bytes| format!("{:.1}", *bytes as f64 / 1e6))
}

fn time(work: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    work()?;
    Ok(begun.elapsed())
}

fn seconds(duration: Duration) -> String {
    format!("{:.2} s", duration.as_secs_f64())
}

fn ratio(duration: Duration, yardstick: Duration) -> f64 {
    duration.as_secs_f64() / yardstick.as_secs_f64().max(1e-9)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_that_come_and_go_are_in_the_comparison() {
        let contents = |tables: &[(&str, i64)], total_bytes| Contents {
            rows: tables.iter().map(|(name, rows)| ((*name).to_owned(), *rows)).collect(),
            bytes: tables.iter().map(|(name, rows)| ((*name).to_owned(), rows * 100_000)).collect(),
            total_bytes,
        };
        let before = contents(&[("entries", 30), ("never", 0), ("old", 10)], 4_000_000);
        let after = contents(&[("entries", 30), ("never", 0), ("new", 20)], 6_000_000);
        assert_eq!(before.largest().unwrap(), "entries");
        let lines = before.beside(&after);
        let lines: Vec<_> = lines.lines().skip(2).collect();
        assert_eq!(
            lines,
            [
                "| entries | 30 | 30 | 3.0 | 3.0 |",
                "| new | no table | 20 |  | 2.0 |",
                "| old | 10 | no table | 1.0 |  |",
                "| the whole database | | | 4.0 | 6.0 |",
            ]
        );
    }
}
