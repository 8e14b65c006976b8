//! `cargo xtask failover`: the primary of the database dies under load, its standby takes over, and
//! the servers go on by themselves. Acknowledged executions must be there, and the others, retried
//! with the same key, must be done exactly once.

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
use crate::common::conclude;
use crate::payment_load::PaymentLoad;
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

/// Servers that have not recovered by then never will.
const TIMEOUT: Duration = Duration::from_secs(60);

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
        let (stage, shops) = Stage::prepare(&binary, &folder)?;
        let round = run_round(options, &stage, shops)?;
        println!("\nround {number}\n{round}");
        good &= round.is_good();
    }
    Ok(conclude(good))
}

fn run_round(options: &Options, stage: &Stage, mut shops: Vec<Shop>) -> anyhow::Result<Round> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let server = stage.servers().first().copied().context("no server")?;
    runtime.block_on(Shop::set_up_all(&mut shops, server))?;
    let load = Arc::new(PaymentLoad::new(stage.servers(), shops));
    let (mut round, results) =
        load.run_while(&runtime, options.connections, || run_scenario(options, stage, &load))?;
    round.results = results;
    round.first = load.first_after();
    round.retried = runtime.block_on(load.retry(&round.results.open))?;
    round.difference = round.results.compare(&stage.database)?;
    round.unfinished = stage.wait_until_settled()?;
    round.ledger = stage.verify();
    stage.kill_primary_for_good()?;
    round.log = stage.logged_faults();
    Ok(round)
}

/// Kills the primary and promotes the standby while the load goes on.
fn run_scenario(options: &Options, stage: &Stage, load: &PaymentLoad) -> anyhow::Result<Round> {
    std::thread::sleep(Duration::from_secs(options.seconds));
    let before = load.acknowledged.load(Ordering::SeqCst);
    stage.lose_primary(options.freeze)?;
    let killed = Instant::now();
    // Requests from now on are answered by the new primary or not at all.
    load.mark(killed);
    std::thread::sleep(Duration::from_millis(options.notice));
    stage.promote()?;
    let promoted = Instant::now();
    std::thread::sleep(Duration::from_millis(options.hesitate));
    stage.stop_waiting_for_a_standby()?;
    // Whether they all did is in the report.
    load.wait_for_recovery(TIMEOUT.saturating_sub(promoted.elapsed()))?;
    std::thread::sleep(Duration::from_secs(options.seconds));
    Ok(Round::new(before, killed, promoted))
}
