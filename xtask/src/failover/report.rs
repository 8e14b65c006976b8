//! What a round came to.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::time::{Duration, Instant};

use super::load::{Open, Tally};

pub struct Round {
    killed: Instant,
    promoted: Instant,
    /// Executions acknowledged before the kill.
    before: u64,
    pub acknowledged: Vec<String>,
    pub open: Vec<Open>,
    refused: Vec<Instant>,
    broken: Vec<Instant>,
    odd: Vec<String>,
    slowest: Duration,
    /// By server: the first execution that was asked for after the kill and acknowledged.
    pub first: Vec<Option<Instant>>,
    pub retried: usize,
    missing: usize,
    not_once: usize,
    strangers: usize,
    pub unfinished: i64,
    pub ledger: Result<String, String>,
    pub log: Vec<String>,
}

impl Round {
    pub fn new(before: u64, killed: Instant, promoted: Instant) -> Self {
        Self {
            killed,
            promoted,
            before,
            acknowledged: vec![],
            open: vec![],
            refused: vec![],
            broken: vec![],
            odd: vec![],
            slowest: Duration::ZERO,
            first: vec![],
            retried: 0,
            missing: 0,
            not_once: 0,
            strangers: 0,
            unfinished: 0,
            ledger: Err("not looked at".to_owned()),
            log: vec![],
        }
    }

    pub fn add(&mut self, tally: Tally) {
        self.acknowledged.extend(tally.acknowledged);
        self.open.extend(tally.open);
        self.refused.extend(tally.refused);
        self.broken.extend(tally.broken);
        self.odd.extend(tally.odd);
        self.slowest = self.slowest.max(tally.slowest);
    }

    /// Holds what the clients know against what is in the database.
    pub fn compare(&mut self, there: &HashMap<String, u64>) {
        let count = |reference: &str| there.get(reference).copied().unwrap_or(0);
        self.missing = self.acknowledged.iter().filter(|reference| count(reference) == 0).count();
        let known: HashSet<&str> =
            self.acknowledged.iter().chain(self.open.iter().map(|open| &open.reference)).map(String::as_str).collect();
        self.not_once = known.iter().filter(|reference| count(reference) != 1).count();
        self.strangers = there.keys().filter(|reference| !known.contains(reference.as_str())).count();
    }

    pub fn is_good(&self) -> bool {
        self.before > 0
            && self.first.iter().all(Option::is_some)
            && self.odd.is_empty()
            && self.log.is_empty()
            && self.retried == self.open.len()
            && [self.missing, self.not_once, self.strangers] == [0; 3]
            && self.unfinished == 0
            && self.ledger.is_ok()
    }

    fn since_kill(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.killed)
    }

    fn span(&self, moments: &[Instant]) -> String {
        match (moments.iter().min(), moments.iter().max()) {
            (Some(first), Some(last)) => {
                format!(
                    "{}, from {:.2?} to {:.2?} after the kill",
                    moments.len(),
                    self.since_kill(*first),
                    self.since_kill(*last)
                )
            }
            _ => "0".to_owned(),
        }
    }
}

impl fmt::Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = |name: &str, value: String| writeln!(f, "  {name:<44} {value}");
        let first = |at: &Option<Instant>| at.map_or("never".to_owned(), |at| format!("{:.2?}", self.since_kill(at)));
        line("executions acknowledged", format!("{}, {} of them before the kill", self.acknowledged.len(), self.before))?;
        line("standby is the primary, after the kill", first(&Some(self.promoted)))?;
        line("first execution acknowledged, by server", self.first.iter().map(first).collect::<Vec<_>>().join(", "))?;
        line("requests answered 503", self.span(&self.refused))?;
        line("requests without an answer", self.span(&self.broken))?;
        line("slowest answer", format!("{:.2?}", self.slowest))?;
        line("other answers", self.odd.len().to_string())?;
        line("acknowledged and missing", self.missing.to_string())?;
        line("not acknowledged, tried again", format!("{}, {} acknowledged then", self.open.len(), self.retried))?;
        line("keys without exactly one execution", self.not_once.to_string())?;
        line("executions that nobody asked for", self.strangers.to_string())?;
        line("executions without an end", self.unfinished.to_string())?;
        line("kola ledger verify", self.ledger.clone().unwrap_or_else(|error| error))?;
        for odd in self.odd.iter().chain(&self.log).take(10) {
            writeln!(f, "  !!! {odd}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_or_doubled_is_found() {
        let mut round = Round::new(1, Instant::now(), Instant::now());
        round.acknowledged = ["kept", "lost", "twice"].map(str::to_owned).into();
        let there = [("kept", 1), ("twice", 2), ("stranger", 1)].map(|(reference, count)| (reference.to_owned(), count));
        round.compare(&there.into());
        assert_eq!((round.missing, round.not_once, round.strangers), (1, 2, 1));
        assert!(!round.is_good());
    }
}
