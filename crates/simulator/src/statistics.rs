//! Counts of what happened in one run or in several.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::decision::command::Command;

#[derive(Clone, Default)]
pub struct Statistics {
    pub seeds: u64,
    pub steps: u64,
    pub commands: u64,
    /// Without the time of the full checks.
    pub time: Duration,
    kinds: BTreeMap<&'static str, u64>,
    outcomes: BTreeMap<&'static str, u64>,
    faults: BTreeMap<&'static str, u64>,
    final_states: BTreeMap<String, u64>,
}

impl Statistics {
    /// Counts a command by its kind and by its outcome.
    pub fn command(&mut self, command: &Command, outcome: &'static str) {
        self.commands += 1;
        *self.kinds.entry(command.name()).or_default() += 1;
        *self.outcomes.entry(outcome).or_default() += 1;
    }

    pub fn fault(&mut self, what: &'static str, times: u64) {
        if times > 0 {
            *self.faults.entry(what).or_default() += times;
        }
    }

    /// Counts a row by its state at the end of the run.
    pub fn final_state(&mut self, what: String) {
        *self.final_states.entry(what).or_default() += 1;
    }

    pub fn add(&mut self, other: &Self) {
        self.seeds += other.seeds;
        self.steps += other.steps;
        self.commands += other.commands;
        self.time += other.time;
        for (kind, more) in &other.kinds {
            *self.kinds.entry(kind).or_default() += more;
        }
        for (counts, more) in
            [(&mut self.outcomes, &other.outcomes), (&mut self.faults, &other.faults)]
        {
            for (what, more) in more {
                *counts.entry(what).or_default() += more;
            }
        }
        for (what, more) in &other.final_states {
            *self.final_states.entry(what.clone()).or_default() += more;
        }
    }

    /// Commands per second.
    pub fn rate(&self) -> u64 {
        let micros = u64::try_from(self.time.as_micros()).unwrap_or(u64::MAX).max(1);
        self.commands.saturating_mul(1_000_000) / micros
    }

    /// How often each kind of command was sent.
    pub fn kinds(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        Command::NAMES.iter().map(|kind| (*kind, self.kinds.get(kind).copied().unwrap_or(0)))
    }

    #[cfg(test)]
    pub fn faults(&self) -> &BTreeMap<&'static str, u64> {
        &self.faults
    }

    pub fn print(&self) {
        let Self { seeds, steps, commands, .. } = self;
        let many = if *seeds == 1 { "seed" } else { "seeds" };
        println!("{seeds} {many}, {steps} steps, {commands} commands, {} a second", self.rate());
        section(
            "Outcomes",
            4,
            self.outcomes.iter().map(|(what, count)| ((*what).to_owned(), *count)),
        );
        section("Commands", 4, self.kinds().map(|(what, count)| (what.to_owned(), count)));
        section("Faults", 2, self.faults.iter().map(|(what, count)| ((*what).to_owned(), *count)));
        section(
            "In the end",
            3,
            self.final_states.iter().map(|(what, count)| (what.clone(), *count)),
        );
    }
}

/// Prints counts in columns.
fn section(title: &str, columns: usize, counts: impl Iterator<Item = (String, u64)>) {
    let cells: Vec<(String, u64)> = counts.collect();
    if cells.is_empty() {
        return;
    }
    println!("\n{title}");
    let width = cells.iter().map(|(what, _)| what.len()).max().unwrap_or(0);
    for row in cells.chunks(columns) {
        let row: Vec<String> =
            row.iter().map(|(what, count)| format!("{count:>9} {what:<width$}")).collect();
        println!("{}", row.join(" ").trim_end());
    }
}
