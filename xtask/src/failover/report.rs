//! The result of a round.

use std::fmt;
use std::time::{Duration, Instant};

use crate::payment_load::{ClientResults, Difference};

pub struct Round {
    killed: Instant,
    promoted: Instant,
    /// Executions acknowledged before the kill.
    before: u64,
    pub results: ClientResults,
    /// By server: when the first execution that was requested after the kill was acknowledged.
    pub first: Vec<Option<Instant>>,
    pub retried: usize,
    pub difference: Difference,
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
            results: ClientResults::default(),
            first: vec![],
            retried: 0,
            difference: Difference::default(),
            unfinished: 0,
            ledger: Err("not looked at".to_owned()),
            log: vec![],
        }
    }

    pub fn is_good(&self) -> bool {
        self.before > 0
            && self.first.iter().all(Option::is_some)
            && self.results.unexpected.is_empty()
            && self.log.is_empty()
            && self.retried == self.results.open.len()
            && self.difference == Difference::default()
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
        let first = |at: &Option<Instant>| {
            at.map_or("never".to_owned(), |at| format!("{:.2?}", self.since_kill(at)))
        };
        line(
            "executions acknowledged",
            format!("{}, {} of them before the kill", self.results.acknowledged.len(), self.before),
        )?;
        line("standby is the primary, after the kill", first(&Some(self.promoted)))?;
        line(
            "first execution acknowledged, by server",
            self.first.iter().map(first).collect::<Vec<_>>().join(", "),
        )?;
        line("requests answered 503", self.span(&self.results.refused))?;
        line("requests without an answer", self.span(&self.results.unanswered))?;
        line("slowest answer", format!("{:.2?}", self.results.slowest))?;
        line("other answers", self.results.unexpected.len().to_string())?;
        line("acknowledged and missing", self.difference.missing.to_string())?;
        line(
            "not acknowledged, tried again",
            format!("{}, {} acknowledged then", self.results.open.len(), self.retried),
        )?;
        line("keys without exactly one execution", self.difference.not_once.to_string())?;
        line("executions that nobody asked for", self.difference.unrequested.to_string())?;
        line("executions without an end", self.unfinished.to_string())?;
        line("kola ledger verify", self.ledger.clone().unwrap_or_else(|error| error))?;
        for odd in self.results.unexpected.iter().chain(&self.log).take(10) {
            writeln!(f, "  !!! {odd}")?;
        }
        Ok(())
    }
}
