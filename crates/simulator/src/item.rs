//! A command on its way, and who waits for its answer.

use domain::decision::command::Command;
use domain::kernel::ids::ExecutionId;
use domain::payments::execute::Execute;
use kola::jobs::call_sequence::CallSequence;

/// Who waits.
#[derive(Clone, Debug)]
pub enum Origin {
    /// A client, who has asked so often.
    Client(u32),
    /// A process that has called a provider.
    CallSequence(CallSequence),
    /// A provider that calls back.
    Callback,
    /// A worker that looks for due executions.
    Claim,
    /// A worker that looks for expired sessions.
    Sweep,
    /// A payout's passcode is to be compared; whether it is right.
    Try(Execute, bool),
    /// That a passcode was right is written down, then the payout follows.
    Right(Execute),
    /// A card's payer acts.
    Payer(ExecutionId),
}

/// A command on its way.
#[derive(Clone, Debug)]
pub struct Item {
    pub command: Command,
    pub origin: Origin,
    /// The request that led to it, by a number that is the same in every run that has the request;
    /// zero for what nobody asked for.
    pub tag: u64,
}

impl Item {
    /// A client's first request; the simulation tags it.
    pub const fn asked(command: Command) -> Self {
        Self { command, origin: Origin::Client(0), tag: 0 }
    }

    /// What nobody asked for.
    pub const fn untagged(command: Command, origin: Origin) -> Self {
        Self { command, origin, tag: 0 }
    }
}
