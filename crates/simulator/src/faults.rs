//! How often things go wrong in a run.

use crate::rng::Rng;

/// How often things go wrong, in thousandths. The rates are drawn for each seed, so that some runs
/// are calm and some are not.
#[derive(Clone, Copy, Default, Debug)]
pub struct FaultRates {
    /// A process dies at a call to its store.
    pub crash: u32,
    /// The database asks for the transaction to be run again.
    pub conflict: u32,
    /// A row stays locked for longer than a transaction waits.
    pub busy: u32,
    /// The connection is lost.
    pub away: u32,
    /// A commit has no answer.
    pub unknown: u32,
    /// Another process runs a batch in the middle of this one.
    pub interleave: u32,
    /// A queue is full.
    pub full: u32,
    /// An answer does not reach its client.
    pub lost_answer: u32,
    /// A clock jumps.
    pub clock: u32,
    /// The database is away for some seconds.
    pub outage: u32,
    /// An operator changes a fee or a rate.
    pub prices: u32,
    /// A process sleeps.
    pub sleep: u32,
    /// A provider misbehaves.
    pub provider: u32,
    /// An answer of a provider is handed in after the lease of its call has run out.
    pub late_answer: u32,
    /// An operator does something about accounts at real networks.
    pub contracts: u32,
    /// A real network refuses a token, fails for a while, or wants fewer calls.
    pub network: u32,
    /// Hours pass, or a day.
    pub long_time: u32,
}

impl FaultRates {
    /// The order of the draws is part of what a seed means.
    pub fn draw(rng: &mut Rng) -> Self {
        let mut rate = |most: i64| {
            if rng.chance(350) { 0 } else { u32::try_from(rng.between(1, most)).unwrap_or(0) }
        };
        Self {
            crash: rate(4),
            conflict: rate(10),
            busy: rate(5),
            away: rate(5),
            unknown: rate(30),
            interleave: 20 + rate(150),
            full: rate(10),
            lost_answer: rate(80),
            clock: rate(20),
            outage: rate(8),
            prices: rate(10),
            sleep: rate(30),
            provider: rate(500),
            late_answer: rate(150),
            contracts: rate(30),
            network: rate(30),
            long_time: rate(4),
        }
    }
}
