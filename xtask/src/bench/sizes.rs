//! `cargo xtask sizes`: how many bytes of each table and index a payment takes.
#![expect(clippy::float_arithmetic, clippy::as_conversions, reason = "averages; no money")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;

use super::database::Database;
use super::jobs::{Common, Job};
use super::load::{Generator, Items, Target, Window};
use super::rounds::in_an_hour;
use super::server::{Kola, Server};
use super::{Kind, ScratchDir, setup};
use crate::cluster::{self, Cluster};

/// The connections of the load generator.
const CONNECTIONS: usize = 64;
/// So many payments are made before the next ones begin.
const PART: usize = 5_000;
/// Less than a tenth of a byte for each payment is not shown: pages that are there once.
const SHOWN_FROM: f64 = 0.1;

/// The payments that are measured. Each has its session, and a collection its invoice.
const PAYMENTS: [(&str, &[Job]); 2] =
    [("transfer", &[Job::Payment]), ("collection", &[Job::Invoice, Job::Checkout])];

#[derive(clap::Args)]
pub struct Options {
    /// The server, a release build
    #[arg(long, value_name = "PATH")]
    binary: PathBuf,
    /// So many payments of each kind
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1_000..))]
    payments: u32,
    /// Where they are
    #[arg(long, default_value = "sqlite")]
    database: Kind,
}

/// A table, or an index of a table; the index is empty for the table itself.
type Place = (String, String);

/// Bytes for each payment, by table and index.
type Bytes = BTreeMap<Place, f64>;

pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    if cfg!(debug_assertions) {
        return super::as_release();
    }
    let binary = options.binary.canonicalize();
    let kola = Kola { binary: binary.with_context(|| options.binary.display().to_string())? };
    let dir = ScratchDir::create(crate::target_dir()?.join("sizes"))?;
    let template = match options.database {
        Kind::Sqlite => Database::Sqlite(dir.0.join("template.db")),
        Kind::Postgres => Database::on_cluster(cluster(&dir.0)?, "template", &dir.0),
    };
    let generator = Generator::new()?;
    let mut common = Common {
        callbacks: Vec::new(),
        tenants: setup::template(&kola, &generator, &template, 1, &in_an_hour()?)?,
        expires_at: in_an_hour()?,
    };
    let mut columns = Vec::new();
    for (name, jobs) in PAYMENTS {
        let database = template.sibling(name);
        database.copy(&template)?;
        let before = occupied(&database)?;
        let server = kola.serve(&database, 0, &[])?;
        setup::log_in_all(&generator, server.address, &mut common.tenants)?;
        let payments = usize::try_from(options.payments)?;
        make(&generator, &server, &Arc::new(common.clone()), jobs, payments)
            .with_context(|| server.log())?;
        server.stop()?;
        database.checkpoint()?;
        kola.ledger_verify(&database)?;
        let grown = |(place, bytes): (Place, i64)| {
            let grown = bytes - before.get(&place).copied().unwrap_or(0);
            (place, grown as f64 / payments as f64)
        };
        columns.push((name, occupied(&database)?.into_iter().map(grown).collect()));
        database.remove()?;
    }
    print!("{}", table(&columns));
    Ok(ExitCode::SUCCESS)
}

fn cluster(dir: &Path) -> anyhow::Result<Arc<Cluster>> {
    // A crash of the machine would change no size.
    Ok(Arc::new(Cluster::start(&cluster::Options::new(dir).with("fsync", "off"))?))
}

/// Does the jobs one after the other, each with what the job before has created. In parts, because
/// all payments may take a slow machine longer than a time-out.
fn make(
    generator: &Generator,
    server: &Server,
    common: &Arc<Common>,
    jobs: &[Job],
    payments: usize,
) -> anyhow::Result<()> {
    let target = Target { address: server.address, pid: server.pid() };
    for begun in (0..payments).step_by(PART) {
        let turns = PART.min(payments - begun);
        let mut items = Items::Turns { turns, first: 0, merchants: 1 };
        for job in jobs {
            let window =
                Window { job: *job, connections: CONNECTIONS, items: Arc::new(items), limit: None };
            items = Items::Made(generator.run(&[target], common, &window)?.made);
        }
    }
    Ok(())
}

/// The bytes of each table and index once PostgreSQL has vacuumed, as it does by itself in time.
fn occupied(database: &Database) -> anyhow::Result<BTreeMap<Place, i64>> {
    database.vacuum()?;
    let sizes = database.sizes()?;
    Ok(sizes.into_iter().map(|size| ((size.table, size.index), size.bytes)).collect())
}

/// A Markdown table with a column for each kind of payment, and the sum of each.
fn table(columns: &[(&str, Bytes)]) -> String {
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    let mut text = format!(
        "| table | index | {} |\n|---|---|{}\n",
        names.join(" | "),
        "---|".repeat(names.len())
    );
    let mut places: Vec<&Place> = columns.iter().flat_map(|(_, bytes)| bytes.keys()).collect();
    places.sort_unstable();
    places.dedup();
    for place in places {
        let values: Vec<f64> =
            columns.iter().map(|(_, bytes)| bytes.get(place).copied().unwrap_or(0.0)).collect();
        if values.iter().any(|bytes| bytes.abs() >= SHOWN_FROM) {
            text += &line(&place.0, &place.1, &values);
        }
    }
    let sums: Vec<f64> = columns.iter().map(|(_, bytes)| bytes.values().sum()).collect();
    text + &line("all", "", &sums)
}

fn line(table: &str, index: &str, values: &[f64]) -> String {
    let values: Vec<String> = values.iter().map(|bytes| format!("{bytes:.1}")).collect();
    format!("| {table} | {index} | {} |\n", values.join(" | "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_grows_by_less_than_a_page_is_only_in_the_sum() {
        let bytes = |places: &[(&str, &str, f64)]| -> Bytes {
            places
                .iter()
                .map(|(table, index, bytes)| ((str::to_owned(table), str::to_owned(index)), *bytes))
                .collect()
        };
        let columns = [
            ("transfer", bytes(&[("entries", "", 120.0), ("wallets", "", 0.04)])),
            ("collection", bytes(&[("entries", "", 180.5), ("entries", "by_account", 40.0)])),
        ];
        let text = table(&columns);
        let lines: Vec<_> = text.lines().skip(2).collect();
        assert_eq!(
            lines,
            [
                "| entries |  | 120.0 | 180.5 |",
                "| entries | by_account | 0.0 | 40.0 |",
                "| all |  | 120.0 | 220.5 |",
            ]
        );
    }
}
