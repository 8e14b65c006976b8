//! `cargo xtask disk-full`: the file system under PostgreSQL runs full while clients trade, stays
//! full for a while, and is given room again. What was acknowledged must be there, and what was
//! not, tried again with the same key, must be done once.

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use crate::bench::place::Place;
use crate::bench::server::{Kola, Server};
use crate::bench::{self, Workspace};
use crate::clients::{Difference, Load, Tally};
use crate::cluster::{self, Cluster};
use crate::trade::Shop;

const SHOPS: usize = 4;
/// A server that has not gone on by then never will.
const PATIENCE: Duration = Duration::from_secs(60);
/// Room for a cluster, and for some seconds of trade.
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

/// A file system of its own, in memory.
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

    /// Writes until there is no room.
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
    let dir = Workspace::create(target.join("disk-full"))?;
    let disk = SmallDisk::mount(dir.0.join("disk"))?;
    let kola = Kola { binary: target.join("release/kola") };
    let good = trade(options, &kola, &disk, &dir.0)?;
    println!("{}", if good { "PASSED" } else { "FAILED" });
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn trade(options: &Options, kola: &Kola, disk: &SmallDisk, folder: &Path) -> anyhow::Result<bool> {
    // A log that is cut often, so that there is trade until the disk is full, and not for as long
    // as one piece of it lasts.
    let settings = cluster::Options::new(&disk.0)
        .with("max_wal_size", "32MB")
        .with("checkpoint_timeout", "30s");
    let cluster = Arc::new(Cluster::start(&settings)?);
    let place = Place::on(Arc::clone(&cluster), "trade", folder);
    place.create()?;
    let shops = (0..SHOPS).map(|number| Shop::create(kola, &place, &format!("Shop {number}")));
    let mut shops = shops.collect::<anyhow::Result<Vec<_>>>()?;
    let server = kola.serve(&place, 0, &[])?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(Shop::furnish_all(&mut shops, server.address))?;
    let load = Arc::new(Load::new(vec![server.address], shops));
    let (counts, tally) = load
        .beside(&runtime, options.connections, || play(options, disk, &cluster, &load, &server))?;
    let retried = runtime.block_on(load.try_again(&tally.open))?;
    let difference = tally.compare(&place)?;
    server.stop()?;
    println!("kola ledger verify                       {}", kola.ledger_verify(&place)?);
    Ok(report(&counts, &tally, retried, difference))
}

/// Executions acknowledged by the end of each part, and whether PostgreSQL ended by itself.
struct Counts {
    before: u64,
    full: u64,
    after: u64,
    postgres_ended: bool,
}

/// What happens to the disk while the trade goes on.
fn play(
    options: &Options,
    disk: &SmallDisk,
    cluster: &Cluster,
    load: &Load,
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
    let begun = Instant::now();
    while !load.all_went_on() && begun.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(50));
    }
    ensure!(
        load.all_went_on(),
        "the server did not go on when there was room again\n{}",
        server.log()
    );
    std::thread::sleep(part);
    Ok(Counts { before, full, after: acknowledged(), postgres_ended })
}

fn report(counts: &Counts, tally: &Tally, retried: usize, difference: Difference) -> bool {
    let line = |name: &str, value: &dyn std::fmt::Display| println!("{name:<40}{value}");
    line("acknowledged before the disk was full", &counts.before);
    line("acknowledged while it was full", &(counts.full - counts.before));
    line("acknowledged when it had room again", &(counts.after - counts.full));
    line("PostgreSQL ended by itself", &counts.postgres_ended);
    line("requests answered 503", &tally.refused.len());
    line("requests without an answer", &tally.broken.len());
    line("slowest answer", &format!("{:.2?}", tally.slowest));
    line("other answers", &tally.odd.len());
    tally.odd.iter().take(5).for_each(|odd| println!("  {odd}"));
    line(
        "not acknowledged, tried again",
        &format!("{}, {retried} acknowledged then", tally.open.len()),
    );
    line("acknowledged and missing", &difference.missing);
    line("keys without exactly one execution", &difference.not_once);
    line("executions that nobody asked for", &difference.strangers);
    // Without a refusal the disk was never full, and nothing was tried.
    counts.before > 0
        && !tally.refused.is_empty()
        && tally.odd.is_empty()
        && tally.broken.is_empty()
        && retried == tally.open.len()
        && difference == Difference::default()
}
