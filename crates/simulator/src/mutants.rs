//! Tries every deliberate fault: the simulator must find each.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use domain::mutants::ALL;
use domain::mutants::choose;

use crate::plan::Script;
use crate::sim;

/// How many times each fault is tried, on different seeds, where no time is given.
const TRIALS: u64 = 5;
/// The length of a history: many short ones find more than one long one.
const STEPS: u64 = 600;
/// A fault that is not found within so many steps counts as not found.
const MAX_STEPS: u64 = 150_000;

/// A trial of one fault.
struct Trial {
    steps: u64,
    commands: u64,
    /// The check that found it.
    by: Option<&'static str>,
}

/// Runs seeds with the chosen fault until one finds it.
fn find(trial: u64) -> Trial {
    let (mut steps, mut commands) = (0, 0);
    let mut seed = trial * 1_000 + 1;
    while steps < MAX_STEPS {
        let report = sim::run(seed, STEPS, Script::Draw, true, false);
        steps += report.statistics.steps;
        commands += report.statistics.commands;
        if let Some(found) = report.found {
            return Trial { steps, commands, by: Some(found.violation.check) };
        }
        seed += 1;
    }
    Trial { steps, commands, by: None }
}

/// Tries all faults in turn, as often as there is time for and at least once, and prints the table.
/// Returns whether all were found each time.
pub fn table(time: Option<Duration>) -> bool {
    let begun = Instant::now();
    let mut trials: Vec<Vec<Trial>> = ALL.iter().map(|_| vec![]).collect();
    let mut round = 0;
    let mut longest = Duration::ZERO;
    loop {
        let round_begun = Instant::now();
        for (number, trials) in (1..).zip(&mut trials) {
            choose(number);
            trials.push(find(round));
        }
        choose(0);
        round += 1;
        longest = longest.max(round_begun.elapsed());
        let over = time.map_or(round >= TRIALS, |time| begun.elapsed() + longest > time);
        if over {
            break;
        }
    }
    println!("| bug | found by | steps: median | worst | commands: median | worst |");
    println!("|---|---|---:|---:|---:|---:|");
    for ((_, what), trials) in ALL.iter().zip(&trials) {
        let (steps, most_steps) = median_and_worst(trials.iter().map(|trial| trial.steps));
        let (commands, most_commands) = median_and_worst(trials.iter().map(|trial| trial.commands));
        println!(
            "| {what} | {} | {steps} | {most_steps} | {commands} | {most_commands} |",
            checks(trials)
        );
    }
    let escaped = trials.iter().flatten().filter(|trial| trial.by.is_none()).count();
    let took = begun.elapsed().as_secs();
    println!(
        "\n{} bugs, {round} trials each, {took} s, {escaped} not found within {MAX_STEPS} steps",
        ALL.len()
    );
    escaped == 0
}

/// The checks that found a fault, the most frequent first.
fn checks(trials: &[Trial]) -> String {
    let mut by: BTreeMap<&str, usize> = BTreeMap::new();
    for trial in trials {
        *by.entry(trial.by.unwrap_or("NOT FOUND")).or_default() += 1;
    }
    let mut by: Vec<(&str, usize)> = by.into_iter().collect();
    by.sort_by_key(|(_, times)| std::cmp::Reverse(*times));
    let by: Vec<String> =
        by.into_iter().map(|(check, times)| format!("{check} ({times})")).collect();
    by.join(", ")
}

fn median_and_worst(figures: impl Iterator<Item = u64>) -> (u64, u64) {
    let mut figures: Vec<u64> = figures.collect();
    figures.sort_unstable();
    let middle = figures.get(figures.len() / 2).copied().unwrap_or(0);
    (middle, figures.last().copied().unwrap_or(0))
}
