//! The lines of statements, as they are kept.

use crate::api_enum;
use crate::decision::row::Row;
use crate::kernel::ids::{
    EventId, ExecutionId, MerchantId, NetworkAccountId, StatementId, StatementLineId,
};
use crate::kernel::money::Money;
use crate::kernel::time::ServerTime;
use crate::kernel::uuids::{Fingerprint, NetworkRequestId, Uuid};
use crate::reconciliation::reported::{LineKind, ReportedLine};

api_enum! {
    /// What is known of a line.
    LineStanding {
        /// It agrees with the payment.
        Matched = "MATCHED",
        /// Its payment may still be under way.
        UnderWay = "UNDER_WAY",
        /// It differs from what is known here, and nobody has explained it.
        Differs = "DIFFERS",
        /// An operator has explained how it differs.
        Explained = "EXPLAINED",
        /// It is about no payment.
        NoPayment = "NO_PAYMENT",
    }
}

impl LineStanding {
    /// Whether a line can be booked when its statement is accepted.
    #[must_use]
    pub const fn is_settled(self) -> bool {
        matches!(self, Self::Matched | Self::Explained | Self::NoPayment)
    }
}

/// A line of a statement. One that several statements have is kept once, with the first of them that was
/// read to its end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StatementLine {
    pub id: StatementLineId,
    pub network_account_id: NetworkAccountId,
    pub statement_id: StatementId,
    /// By which the line is known again; see [`identity`].
    pub identity: Fingerprint,
    pub kind: LineKind,
    pub line_id: Option<String>,
    pub request_id: Option<NetworkRequestId>,
    pub reference: Option<String>,
    pub amount: Money,
    pub settled: Option<Money>,
    pub fee: Option<Money>,
    pub occurred_at: ServerTime,
    pub standing: LineStanding,
    /// Whose payment it is about.
    pub merchant_id: Option<MerchantId>,
    pub execution_id: Option<ExecutionId>,
    /// The event under which it was booked.
    pub event_id: Option<EventId>,
}

impl Row for StatementLine {
    type Id = StatementLineId;
    type AltKey = (NetworkAccountId, Fingerprint);

    fn id(&self) -> StatementLineId {
        self.id
    }

    fn alt_key(&self) -> Option<(NetworkAccountId, Fingerprint)> {
        Some((self.network_account_id, self.identity))
    }
}

impl StatementLine {
    /// Whether a line that is on record is compared when a statement has it again: not where a person
    /// has explained it, and not where it agrees and its network has not corrected it since.
    #[must_use]
    pub fn is_compared_with(&self, again: &ReportedLine) -> bool {
        let said = (self.amount, self.settled, self.fee);
        is_compared(self.standing, said, again)
    }
}

/// See [`StatementLine::is_compared_with`]; `said` are the amounts on record.
#[must_use]
pub fn is_compared(
    standing: LineStanding,
    said: (Money, Option<Money>, Option<Money>),
    again: &ReportedLine,
) -> bool {
    match standing {
        LineStanding::UnderWay | LineStanding::Differs => true,
        LineStanding::Explained => false,
        LineStanding::Matched | LineStanding::NoPayment => {
            said != (again.amount, again.settled, again.fee)
        }
    }
}

/// By what a line is known again in another statement: the network's own id of it, or else what it is
/// about, when, and the how manieth such line of its statement it is. Its amounts do not count, so that
/// a line that its network corrects stays the same line.
///
/// It begins with the time, so that lines of a time lie together in the index.
#[must_use]
pub fn identity(line: &ReportedLine, nth: u32) -> Fingerprint {
    let direction = [u8::from(line.amount.minor < 0)];
    let parts: [&[u8]; 9] = match &line.line_id {
        Some(id) => [b"id", id.as_bytes(), b"", b"", b"", b"", b"", b"", b""],
        None => [
            b"line",
            line.kind.as_str().as_bytes(),
            line.request_id.as_ref().map_or(&[], |id| id.as_bytes().as_slice()),
            b"/",
            line.reference.as_ref().map_or(&[], |text| text.as_bytes()),
            line.amount.currency.code().as_bytes(),
            &direction,
            &line.occurred_at.0.to_be_bytes(),
            &nth.to_be_bytes(),
        ],
    };
    let mut bytes = *Fingerprint::of(&parts).0.as_bytes();
    let milliseconds = (line.occurred_at.0 / 1_000).to_be_bytes();
    bytes.iter_mut().zip(milliseconds.iter().skip(2)).for_each(|(byte, time)| *byte = *time);
    Fingerprint(Uuid::from_bytes(bytes))
}
