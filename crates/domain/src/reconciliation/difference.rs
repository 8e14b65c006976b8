//! What a network's statement and the ledger do not agree on.

use crate::api_enum;
use crate::decision::row::Row;
use crate::kernel::ids::{
    DifferenceId, EventId, ExecutionId, MerchantId, NetworkAccountId, StatementId, StatementLineId,
};
use crate::kernel::money::Money;
use crate::kernel::time::ServerTime;
use crate::kernel::uuids::Fingerprint;

api_enum! {
    DifferenceKind {
        /// The statement has a payment that moved no money here.
        MissingHere = "MISSING_HERE",
        /// A payment that moved money here is not in the statement.
        MissingThere = "MISSING_THERE",
        /// The amount, the currency or the direction differs.
        AmountDiffers = "AMOUNT_DIFFERS",
        /// The network took another fee than was expected.
        FeeDiffers = "FEE_DIFFERS",
        /// The statement has a payment more than once.
        DuplicateThere = "DUPLICATE_THERE",
    }
}

api_enum! {
    DifferenceStatus {
        Open = "OPEN",
        Closed = "CLOSED",
    }
}

api_enum! {
    /// How a difference was closed.
    DifferenceResolution {
        /// There is a reason why it is right as it is: nothing was booked.
        Explained = "EXPLAINED",
        /// The network is right: what differs was booked.
        Booked = "BOOKED",
        /// A later statement, or the payment itself, agrees: it closed by itself.
        Agreed = "AGREED",
    }
}

/// A difference between a statement and the ledger. Amounts are signed as in the statement: above zero
/// where the balance at the network rose.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    pub id: DifferenceId,
    pub network_account_id: NetworkAccountId,
    pub kind: DifferenceKind,
    /// What it is about: the identity of a line, or of a payment that is missing there the id of its
    /// request.
    pub subject: Fingerprint,
    /// The statement in which it was found.
    pub statement_id: StatementId,
    pub line_id: Option<StatementLineId>,
    pub merchant_id: Option<MerchantId>,
    pub execution_id: Option<ExecutionId>,
    pub status: DifferenceStatus,
    /// What was booked here.
    pub ours: Option<Money>,
    /// What the statement says.
    pub theirs: Option<Money>,
    /// Why it is one, for the operator.
    pub reason: String,
    pub resolution: Option<DifferenceResolution>,
    /// The operator's evidence for the resolution.
    pub evidence: Option<String>,
    /// The event under which what differs was booked.
    pub event_id: Option<EventId>,
    pub found_at: ServerTime,
    pub closed_at: Option<ServerTime>,
}

impl Row for Difference {
    type Id = DifferenceId;
    type AltKey = (NetworkAccountId, DifferenceKind, Fingerprint);

    fn id(&self) -> DifferenceId {
        self.id
    }

    fn alt_key(&self) -> Option<(NetworkAccountId, DifferenceKind, Fingerprint)> {
        Some((self.network_account_id, self.kind, self.subject))
    }
}

impl Difference {
    /// This difference, closed.
    #[must_use]
    pub fn closed(&self, how: DifferenceResolution, evidence: &str, now: ServerTime) -> Self {
        Self {
            status: DifferenceStatus::Closed,
            resolution: Some(how),
            evidence: Some(evidence.to_owned()),
            closed_at: Some(now),
            ..self.clone()
        }
    }
}
