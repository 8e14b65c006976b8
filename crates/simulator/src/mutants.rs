//! Tries every deliberate fault: the simulator must find each.

use std::collections::BTreeMap;

use domain::mutants::{ALL, choose};

use crate::shrink::Left;
use crate::sim;

/// So many times each, on other seeds.
const TRIALS: u64 = 5;
/// The length of a history; many short ones find more than a long one.
const STEPS: u64 = 600;
/// A fault that is not found in so many steps is not found.
const MOST: u64 = 60_000;

/// After how many steps the fault that was chosen is found, and by which check.
fn find(trial: u64) -> (u64, Option<&'static str>) {
    let mut before = 0;
    for seed in (trial * 1_000 + 1).. {
        let report = sim::run(seed, STEPS, &Left::default(), false);
        match report.violation {
            Some((step, violation)) => return (before + step, Some(violation.check)),
            None if before + STEPS >= MOST => break,
            None => before += STEPS,
        }
    }
    (MOST, None)
}

/// Prints the table.
pub fn table() -> anyhow::Result<()> {
    println!("| mutant | what it does | found after steps (median of {TRIALS}) | by |");
    println!("|---:|---|---:|---|");
    let mut escaped = 0;
    for (number, (_, what)) in (1..).zip(ALL) {
        choose(number);
        let mut found: Vec<_> = (0..TRIALS).map(find).collect();
        found.sort_unstable_by_key(|(steps, _)| *steps);
        let mut by: BTreeMap<&str, usize> = BTreeMap::new();
        for (_, check) in &found {
            *by.entry(check.unwrap_or("NOT FOUND")).or_default() += 1;
        }
        let median = found.get(found.len() / 2).map_or(0, |(steps, _)| *steps);
        escaped += found.iter().filter(|(_, check)| check.is_none()).count();
        let by: Vec<String> = by.into_iter().map(|(check, times)| format!("{check} ({times})")).collect();
        println!("| {number} | {what} | {median} | {} |", by.join(", "));
    }
    if escaped > 0 {
        anyhow::bail!("{escaped} of the trials found nothing");
    }
    Ok(())
}
