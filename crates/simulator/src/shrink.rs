//! Makes a failing history short: leaves out what it does not need.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::sim::{self, Choice, Report};

/// What a run leaves out.
#[derive(Clone, Default)]
pub struct Left(BTreeSet<Choice>);

impl Left {
    pub fn keeps(&self, choice: Choice) -> bool {
        !self.0.contains(&choice)
    }
}

/// The shortest failing history that was found in the time.
pub fn shrink(seed: u64, steps: u64, first: &Report, time: Duration) -> Report {
    let Some((end, violation)) = &first.violation else { return sim::run(seed, steps, &Left::default(), true) };
    let begun = Instant::now();
    let mut left = Left::default();
    let fails = |left: &Left| {
        let report = sim::run(seed, *end, left, false);
        report.violation.filter(|(_, found)| found.check == violation.check).is_some()
    };
    let whole_steps: Vec<Choice> = (1..=*end).map(Choice::Step).collect();
    leave_out(&mut left, whole_steps, &fails, begun, time / 2);
    // What is left of the steps: single requests of clients.
    let report = sim::run(seed, *end, &left, true);
    leave_out(&mut left, report.choices, &fails, begun, time);
    sim::run(seed, *end, &left, true)
}

/// Delta debugging: leaves out ever smaller parts of the choices, as long as the rest still fails.
fn leave_out(left: &mut Left, choices: Vec<Choice>, fails: &dyn Fn(&Left) -> bool, begun: Instant, time: Duration) {
    let mut rest = choices;
    let mut parts = 2;
    while !rest.is_empty() && begun.elapsed() < time {
        let size = rest.len().div_ceil(parts).max(1);
        let mut smaller = None;
        for part in rest.chunks(size) {
            let mut tried = left.clone();
            tried.0.extend(part);
            if begun.elapsed() < time && fails(&tried) {
                smaller = Some(tried);
                break;
            }
        }
        match smaller {
            Some(tried) => {
                rest.retain(|choice| tried.keeps(*choice));
                *left = tried;
                parts = parts.saturating_sub(1).max(2);
            }
            None if size == 1 => break,
            None => parts = (parts * 2).min(rest.len()),
        }
    }
}
