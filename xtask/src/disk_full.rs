//! `cargo xtask disk-full`: the file system under PostgreSQL runs full while clients make payments,
//! stays full for a while, and gets room again. Acknowledged executions must be there, and the
//! others, retried with the same key, must be done exactly once.

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use crate::bench::database::Database;
use crate::bench::server::{Kola, Server};
use crate::bench::{self, ScratchDir};
use crate::cluster::{self, Cluster};
use crate::common::conclude;
use crate::payment_load::{ClientResults, Difference, PaymentLoad};
use crate::trade::Shop;

const SHOPS: usize = 4;
/// A server that has not recovered by then never will.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Room for a cluster and for some seconds of payments.
const SIZE: &str = "size=256m";

#[derive(clap::Args)]
pub struct Options {
    /// Connections to the server
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// Trade before the disk is full, while it is full, and after it has room again: each so long
    #[arg(long, default_value_t = 5, value_name = "SECONDS")]
    seconds: u64,
}

/// A small file system in memory.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(folder: PathBuf) -> anyhow::Result<Self> {
        ensure!(rustix::process::geteuid().is_root(), "only root may mount a small file system");
        std::fs::create_dir_all(&folder)?;
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", SIZE, "tmpfs"])
            .arg(&folder)
            .status()
            .context("mount")?;
        ensure!(mount.success(), "the small file system was not mounted");
        Ok(Self(folder))
    }

    /// Writes a file until the disk is full.
    fn fill(&self) -> anyhow::Result<()> {
        let mut ballast = File::create(self.ballast())?;
        let mut size = 1 << 20;
        while size > 0 {
            match ballast.write_all(&vec![0; size]) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => size /= 2,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn make_room(&self) -> anyhow::Result<()> {
        Ok(std::fs::remove_file(self.ballast())?)
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        match Command::new("umount").arg(&self.0).status() {
            Ok(status) if status.success() => {}
            other => eprintln!("xtask: {} is still mounted: {other:?}", self.0.display()),
        }
    }
}

pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    if cfg!(debug_assertions) {
        return bench::as_release();
    }
    bench::build("kola")?;
    let target = crate::target_dir()?;
    let dir = ScratchDir::create(target.join("disk-full"))?;
    let disk = SmallDisk::mount(dir.0.join("disk"))?;
    let kola = Kola { binary: target.join("release/kola") };
    let good = trade(options, &kola, &disk, &dir.0)?;
    Ok(conclude(good))
}

fn trade(options: &Options, kola: &Kola, disk: &SmallDisk, folder: &Path) -> anyhow::Result<bool> {
    // A write-ahead log that is recycled often, so that payments go on until the disk is full, and
    // not only until one segment is.
    let settings = cluster::Options::new(&disk.0)
        .with("max_wal_size", "32MB")
        .with("checkpoint_timeout", "30s");
    let cluster = Arc::new(Cluster::start(&settings)?);
    let database = Database::on_cluster(Arc::clone(&cluster), "trade", folder);
    database.create()?;
    let shops = (0..SHOPS).map(|number| Shop::create(kola, &database, &format!("Shop {number}")));
    let mut shops = shops.collect::<anyhow::Result<Vec<_>>>()?;
    let server = kola.serve(&database, 0, &[])?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(Shop::set_up_all(&mut shops, server.address))?;
    let load = Arc::new(PaymentLoad::new(vec![server.address], shops));
    let (counts, results) = load.run_while(&runtime, options.connections, || {
        run_scenario(options, disk, &cluster, &load, &server)
    })?;
    let retried = runtime.block_on(load.retry(&results.open))?;
    let difference = results.compare(&database)?;
    server.stop()?;
    println!("kola ledger verify                       {}", kola.ledger_verify(&database)?);
    Ok(report(&counts, &results, retried, difference))
}

/// Executions acknowledged by the end of each part, and whether PostgreSQL ended by itself.
struct Counts {
    before: u64,
    full: u64,
    after: u64,
    postgres_ended: bool,
}

/// Fills the disk and makes room again while payments go on.
fn run_scenario(
    options: &Options,
    disk: &SmallDisk,
    cluster: &Cluster,
    load: &PaymentLoad,
    server: &Server,
) -> anyhow::Result<Counts> {
    let part = Duration::from_secs(options.seconds);
    let acknowledged = || load.acknowledged.load(Ordering::SeqCst);
    std::thread::sleep(part);
    let before = acknowledged();
    disk.fill()?;
    std::thread::sleep(part);
    let full = acknowledged();
    disk.make_room()?;
    let postgres_ended = cluster.ended()?.is_some();
    if postgres_ended {
        cluster.restart()?;
    }
    load.mark(Instant::now());
    ensure!(
        load.wait_for_recovery(TIMEOUT)?,
        "the server did not go on when there was room again\n{}",
        server.log()
    );
    std::thread::sleep(part);
    Ok(Counts { before, full, after: acknowledged(), postgres_ended })
}

fn report(
    counts: &Counts,
    results: &ClientResults,
    retried: usize,
    difference: Difference,
) -> bool {
    let line = |name: &str, value: &dyn std::fmt::Display| println!("{name:<40}{value}");
    line("acknowledged before the disk was full", &counts.before);
    line("acknowledged while it was full", &(counts.full - counts.before));
    line("acknowledged when it had room again", &(counts.after - counts.full));
    line("PostgreSQL ended by itself", &counts.postgres_ended);
    line("requests answered 503", &results.refused.len());
    line("requests without an answer", &results.unanswered.len());
    line("slowest answer", &format!("{:.2?}", results.slowest));
    line("other answers", &results.unexpected.len());
    results.unexpected.iter().take(5).for_each(|odd| println!("  {odd}"));
    line(
        "not acknowledged, tried again",
        &format!("{}, {retried} acknowledged then", results.open.len()),
    );
    line("acknowledged and missing", &difference.missing);
    line("keys without exactly one execution", &difference.not_once);
    line("executions that nobody asked for", &difference.unrequested);
    // Without a refusal the disk was never full, and the run proves nothing.
    counts.before > 0
        && !results.refused.is_empty()
        && results.unexpected.is_empty()
        && results.unanswered.is_empty()
        && retried == results.open.len()
        && difference == Difference::default()
}
