//! Runs kola's own decisions and lanes on a simulated database, clock, network and providers: one thread, one seed. What an
//! oracle and the invariants find can be run again exactly.

use std::time::Duration;

use clap::Parser;

mod book;
mod checks;
mod clients;
mod compare;
mod db;
mod item;
mod net;
mod networks;
mod oracle;
mod rng;
mod sim;
mod store;

/// What to run.
#[derive(Parser)]
struct Args {
    /// The history to run.
    #[arg(long)]
    seed: Option<u64>,
    /// How long it is: in each step every process may run a batch.
    #[arg(long, default_value_t = 2_000)]
    steps: u64,
    /// Fresh seeds for so many seconds.
    #[arg(long)]
    seconds: Option<u64>,
    /// How many commands of a failing history are printed.
    #[arg(long, default_value_t = 30)]
    history: usize,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    std::panic::set_hook(Box::new(|_| {}));
    let seed = args.seed.unwrap_or(1);
    let report = sim::run(seed, args.steps, &|_| true, true);
    show(seed, &report, args.history);
    Ok(())
}

fn rate(commands: u64, time: Duration) -> u64 {
    let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX).max(1);
    commands.saturating_mul(1_000_000) / micros
}

fn show(seed: u64, report: &sim::Report, history: usize) {
    if let Some((step, violation)) = &report.violation {
        for line in report.history.iter().rev().take(history).rev() {
            println!("{line}");
        }
        println!("seed {seed}, step {step}: {}: {}", violation.check, violation.what);
    }
    println!(
        "seed {seed}: {} steps, {} commands, {} a second",
        report.steps,
        report.commands,
        rate(report.commands, report.time)
    );
    for (what, count) in &report.counts {
        println!("  {what}: {count}");
    }
}
