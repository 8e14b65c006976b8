//! `cargo xtask crash-points`: the real server is ended before and after every call to its store and
//! its provider, each time it is made, while a client executes payments. Then the same client goes on
//! with a new server and the same keys until all payments are final. So it is at each step by which
//! webhooks are told, until the endpoints were told of everything.

mod table;
mod trial;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, ensure};

use crate::bench::ScratchDir;
use crate::bench::database::Database;
use crate::bench::server::Kola;
use crate::cluster::{self, Cluster};
use crate::common::{cargo, conclude};
use table::Row;
use trial::{AT_THE_RECEIVER, Trial, TrialCounts};

/// The calls that have a point before and one after; the server refuses a name that is none.
const CALLS: [&str; 9] =
    ["reserve_ids", "open", "load", "confirm", "persist", "commit", "start", "status", "cancel"];
/// The same of webhooks. They are passed by a merchant with endpoints only.
const WEBHOOK_CALLS: [&str; 5] =
    ["commit_message", "commit_fan_out", "commit_claim", "deliver", "commit_attempt"];
const DOCUMENT: &str = "docs/reliability.md";

#[derive(clap::Args)]
pub struct Options {
    /// Only the points of this name, as before-commit or commit; may be given several times
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// The most passings of a point at which the server is ended, half as many at those of webhooks,
    /// which are passed twice as often
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..))]
    most: u32,
    /// Also write the table into docs/reliability.md
    #[arg(long, conflicts_with = "only")]
    write: bool,
}

impl Options {
    fn points(&self) -> Vec<String> {
        let around = |call: &&str| {
            let during = format!("during-{call}");
            let during = Some(during).filter(|point| point == AT_THE_RECEIVER);
            let around = [Some(format!("before-{call}")), during, Some(format!("after-{call}"))];
            around.into_iter().flatten()
        };
        let all = CALLS.iter().chain(&WEBHOOK_CALLS).flat_map(around);
        all.filter(|point| {
            self.only.is_empty() || self.only.iter().any(|name| point.ends_with(name.as_str()))
        })
        .collect()
    }
}

/// Whether it is passed by a merchant with webhook endpoints only.
fn is_of_webhooks(point: &str) -> bool {
    point.split_once('-').is_some_and(|(_, call)| WEBHOOK_CALLS.contains(&call))
}

pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let points = options.points();
    ensure!(!points.is_empty(), "there is no such point");
    let target = crate::target_dir()?;
    let dir = ScratchDir::create(target.join("crash-points"))?;
    let kola = Kola { binary: built(&target, &dir.0)? };
    let key = dir.0.join("secrets.key");
    kola.secrets_init_key(&key)?;
    let cluster = Arc::new(Cluster::start(&cluster::Options::fast())?);
    // The two kinds of database at the same time: most of a trial is a server that starts.
    let (sqlite, postgres) = std::thread::scope(|scope| {
        let files = scope.spawn(|| {
            trials(options, &points, &kola, &key, |point| {
                Database::Sqlite(dir.0.join(format!("{point}.db")))
            })
        });
        let databases = trials(options, &points, &kola, &key, |point| {
            Database::on_cluster(Arc::clone(&cluster), &point.replace('-', "_"), &dir.0)
        });
        (files.join().map_err(|_panic| anyhow::anyhow!("the trials on SQLite panicked")), databases)
    });
    let rows: Vec<Row> = points.into_iter().zip(sqlite?).zip(postgres).map(Row::from).collect();
    let table = table::markdown(&rows);
    print!("{table}");
    if options.write {
        table::write(&crate::root().join(DOCUMENT), &table)?;
    }
    let passed = rows.iter().all(Row::is_good);
    Ok(conclude(passed))
}

/// The result of each point. A failure of one does not hide the others.
fn trials(
    options: &Options,
    points: &[String],
    kola: &Kola,
    key: &Path,
    database: impl Fn(&str) -> Database,
) -> Vec<Result<TrialCounts, String>> {
    let each = |point: &String| {
        let database = database(point);
        let key = Some(key).filter(|_| is_of_webhooks(point));
        let most = if key.is_some() { options.most.div_ceil(2) } else { options.most };
        let tally = Trial::run(kola, &database, point, most, key);
        let tally = tally.map_err(|error| format!("{error:#}"));
        eprintln!(
            "{} {point}: {tally:?}",
            if matches!(database, Database::Sqlite(_)) { "SQLite" } else { "PostgreSQL" }
        );
        tally
    };
    points.iter().map(each).collect()
}

/// The server built with crash points, in a folder where no other build overwrites it.
fn built(target: &Path, dir: &Path) -> anyhow::Result<PathBuf> {
    let mut cargo = cargo();
    cargo.args(["build", "--package", "kola", "--features", "crash-points"]);
    let status = cargo.status().context("cargo build")?;
    ensure!(status.success(), "cargo build ended with {status}");
    let binary = dir.join("kola");
    fs::copy(target.join("debug/kola"), &binary).context("the server that was built")?;
    Ok(binary)
}
