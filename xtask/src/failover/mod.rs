//! `cargo xtask failover`: the database's primary dies under load, its standby takes over, and the
//! servers go on by themselves. What was acknowledged must be there, and what was not, tried again
//! with the same key, must be done once.

mod report;
mod stage;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use report::Round;
use stage::Stage;

use crate::bench;
use crate::clients::Load;
use crate::trade::Shop;

#[derive(clap::Args)]
pub struct Options {
    /// How often: each time with new databases
    #[arg(long, default_value_t = 1)]
    rounds: u32,
    /// Connections to each of the two servers
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// Load before the primary is killed, and after the first execution on the new one
    #[arg(long, default_value_t = 4, value_name = "SECONDS")]
    seconds: u64,
    /// From the kill until the standby is promoted: what whoever watches over the cluster needs to
    /// notice
    #[arg(long, default_value_t = 2000, value_name = "MS")]
    notice: u64,
    /// The primary is not killed but frozen, as one whose disk or machine hangs
    #[arg(long)]
    freeze: bool,
    /// For so long the new primary is left waiting for a synchronous standby, as one is whose
    /// settings nobody adapts
    #[arg(long, default_value_t = 0, value_name = "MS")]
    hesitate: u64,
}

/// Servers that have not gone on by then never will.
const PATIENCE: Duration = Duration::from_secs(60);

pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    if cfg!(debug_assertions) {
        return bench::as_release();
    }
    bench::build("kola")?;
    let target = crate::target_dir()?;
    let binary = target.join("release/kola");
    let folder = target.join("failover");
    std::fs::create_dir_all(&folder)?;
    println!(
        "two clusters with synchronous replication, two servers, {} connections to each; half of them make transfers, half payouts",
        options.connections
    );
    let mut good = true;
    for number in 1..=options.rounds {
        let (stage, shops) = Stage::set(&binary, &folder)?;
        let round = one(options, &stage, shops)?;
        println!("\nround {number}\n{round}");
        good &= round.is_good();
    }
    println!("{}", if good { "PASSED" } else { "FAILED" });
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn one(options: &Options, stage: &Stage, mut shops: Vec<Shop>) -> anyhow::Result<Round> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let server = stage.servers().first().copied().context("no server")?;
    runtime.block_on(Shop::furnish_all(&mut shops, server))?;
    let load = Arc::new(Load::new(stage.servers(), shops));
    let (mut round, tally) =
        load.beside(&runtime, options.connections, || play(options, stage, &load))?;
    round.tally = tally;
    round.first = load.first_after();
    round.retried = runtime.block_on(load.try_again(&round.tally.open))?;
    round.difference = round.tally.compare(&stage.place)?;
    round.unfinished = stage.settle()?;
    round.ledger = stage.verify();
    stage.bury_primary()?;
    round.log = stage.faults();
    Ok(round)
}

/// What happens to the database while the load goes on.
fn play(options: &Options, stage: &Stage, load: &Load) -> anyhow::Result<Round> {
    std::thread::sleep(Duration::from_secs(options.seconds));
    let before = load.acknowledged.load(Ordering::SeqCst);
    stage.lose_primary(options.freeze)?;
    let killed = Instant::now();
    // What is asked from now on is answered by the new primary or not at all.
    load.mark(killed);
    std::thread::sleep(Duration::from_millis(options.notice));
    stage.promote()?;
    let promoted = Instant::now();
    std::thread::sleep(Duration::from_millis(options.hesitate));
    stage.stop_waiting_for_a_standby()?;
    while !load.all_went_on() && promoted.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(50));
    }
    std::thread::sleep(Duration::from_secs(options.seconds));
    Ok(Round::new(before, killed, promoted))
}
