//! Runs kola's own decisions and lanes on a simulated database, clock, network and providers: one thread, one seed. What an
//! oracle and the invariants find can be run again exactly.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use clap::Parser;

use crate::shrink::Left;

mod book;
mod checks;
mod clients;
mod compare;
mod db;
mod item;
#[cfg(feature = "mutants")]
mod mutants;
mod net;
mod networks;
mod oracle;
mod rng;
mod shrink;
mod sim;
mod store;

/// A failing history is made shorter for so long.
const SHRINK: Duration = Duration::from_secs(60);

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
    /// A failing history is not made shorter.
    #[arg(long)]
    whole: bool,
    /// Runs with a deliberate fault: its number.
    #[cfg(feature = "mutants")]
    #[arg(long, default_value_t = 0)]
    mutant: usize,
    /// Tries all deliberate faults, and says after how many steps each was found.
    #[cfg(feature = "mutants")]
    #[arg(long)]
    mutants: bool,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    // A panic of the product is an outcome: the lane reports it.
    std::panic::set_hook(Box::new(|_| {}));
    #[cfg(feature = "mutants")]
    {
        if args.mutants {
            return mutants::table();
        }
        domain::mutants::choose(args.mutant);
    }
    match (args.seed, args.seconds) {
        (Some(seed), _) => one(seed, &args),
        (None, Some(seconds)) => fresh(Duration::from_secs(seconds), &args),
        (None, None) => one(1, &args),
    }
}

fn one(seed: u64, args: &Args) -> anyhow::Result<()> {
    let report = sim::run(seed, args.steps, &Left::default(), true);
    if report.violation.is_none() {
        show(seed, &report, args.history);
        return Ok(());
    }
    if args.whole {
        show(seed, &report, args.history);
    } else {
        let short = shrink::shrink(seed, args.steps, &report, SHRINK);
        show(seed, &short, usize::MAX);
    }
    let (step, violation) = report.violation.unwrap_or_default();
    anyhow::bail!("--seed {seed} --steps {} found in step {step}: {}", args.steps, violation.check)
}

/// Fresh seeds for so long; the first that finds something is shown.
fn fresh(time: Duration, args: &Args) -> anyhow::Result<()> {
    let begun = Instant::now();
    let first = u64::from_be_bytes(kola::clock::random()?) >> 16;
    let (mut seeds, mut commands, mut running) = (0, 0, Duration::ZERO);
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    while begun.elapsed() < time {
        let seed = first + seeds;
        let report = sim::run(seed, args.steps, &Left::default(), false);
        if report.violation.is_some() {
            return one(seed, args);
        }
        seeds += 1;
        commands += report.commands;
        running += report.time;
        for (what, count) in report.counts {
            *counts.entry(what).or_default() += count;
        }
    }
    println!("{seeds} seeds from {first} on, {commands} commands, {} a second", rate(commands, running));
    print_counts(&counts);
    Ok(())
}

fn rate(commands: u64, time: Duration) -> u64 {
    let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX).max(1);
    commands.saturating_mul(1_000_000) / micros
}

fn print_counts(counts: &BTreeMap<String, u64>) {
    for (what, count) in counts {
        println!("{count:>12} {what}");
    }
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
    print_counts(&report.counts);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seeds that once found something: seed, steps, what it was.
    #[test]
    fn what_was_found_before_stays_mended() {
        for line in include_str!("../seeds.txt").lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
            let mut words = line.split_whitespace();
            let (seed, steps) = (words.next().unwrap().parse().unwrap(), words.next().unwrap().parse().unwrap());
            let report = sim::run(seed, steps, &Left::default(), false);
            assert!(report.violation.is_none(), "{line}: {:?}", report.violation);
        }
    }

    #[test]
    fn fresh_seeds_find_nothing_and_one_seed_is_one_history() {
        for seed in 1..=6 {
            let (first, second) = (sim::run(seed, 150, &Left::default(), true), sim::run(seed, 150, &Left::default(), true));
            assert!(first.violation.is_none(), "{seed}: {:?}", first.violation);
            assert!(first.history == second.history, "seed {seed} has two histories");
        }
    }
}
