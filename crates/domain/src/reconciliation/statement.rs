//! Statements of accounts at networks: one row for each that was read.

use crate::api_enum;
use crate::decision::event::HasEvents;
use crate::decision::row::rows_without_alt_key;
use crate::kernel::ids::{NetworkAccountId, StatementId};
use crate::kernel::time::ServerTime;

api_enum! {
    /// Where a statement came from.
    StatementSource {
        /// The network was asked for it.
        Network = "NETWORK",
        /// An operator had it as a file.
        File = "FILE",
    }
}

api_enum! {
    /// How far a statement is.
    StatementStatus {
        /// It is being read, or whoever read it did not come to the end.
        Reading = "READING",
        /// All of it was compared.
        Complete = "COMPLETE",
        /// It could not be read to its end. What was read of it stays.
        Failed = "FAILED",
    }
}

/// What was found in a statement. A line that an earlier one had counts, too.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Counts {
    pub lines: i64,
    /// Lines that no earlier statement had.
    pub new: i64,
    /// Lines of payments that agree.
    pub matched: i64,
    /// Lines of payments that may still be under way.
    pub under_way: i64,
    /// Differences, with those of payments that the statement has not.
    pub differences: i64,
}

/// A statement that was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Statement {
    pub id: StatementId,
    pub network_account_id: NetworkAccountId,
    pub source: StatementSource,
    /// The name of the file.
    pub name: Option<String>,
    /// The SHA-256 of the file, as hexadecimal digits.
    pub digest: Option<String>,
    /// From when it tells of what moved.
    pub from_at: ServerTime,
    /// Until when; exclusive.
    pub to_at: ServerTime,
    pub status: StatementStatus,
    pub counts: Counts,
    /// Why it could not be read to its end.
    pub problem: Option<String>,
    /// When an operator accepted it.
    pub accepted_at: Option<ServerTime>,
    /// How many events are about it.
    pub event_count: i64,
    pub begun_at: ServerTime,
    pub ended_at: Option<ServerTime>,
}

rows_without_alt_key!(Statement: StatementId);

impl HasEvents for Statement {
    fn event_count_mut(&mut self) -> &mut i64 {
        &mut self.event_count
    }
}
