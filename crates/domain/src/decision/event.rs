//! What happened, for the timeline, for clients that listen, and as the header of each ledger
//! transaction.

use crate::api_enum;
use crate::kernel::ids::{EventId, MerchantId};
use crate::kernel::time::Timestamp;

api_enum! {
    /// What an event is about.
    EventEntity {
        Session = "SESSION",
        Execution = "EXECUTION",
        Source = "SOURCE",
        Wallet = "WALLET",
        Review = "REVIEW",
    }
}

api_enum! {
    /// What happened to it.
    EventType {
        /// A session was declared.
        SessionCreated = "session.created",
        /// A session's time was over before it was executed.
        SessionExpired = "session.expired",
        /// A session was canceled.
        SessionCanceled = "session.canceled",
        /// An execution was recorded; its hold, if it has one, was posted.
        ExecutionPending = "execution.pending",
        /// The provider has it, or may have it.
        ExecutionProcessing = "execution.processing",
        /// The payer has to do something: to confirm a card payment.
        ExecutionRequiresAction = "execution.requires_action",
        /// Money moved.
        ExecutionCompleted = "execution.completed",
        /// No money moved; a hold was released.
        ExecutionFailed = "execution.failed",
        /// A review gave the wallet the money of a collection that had failed, as if it had
        /// completed.
        ExecutionSettled = "execution.settled_by_review",
        /// An invoice or order can be paid.
        SourcePublished = "source.published",
        /// A collection for it was started.
        SourceProcessing = "source.processing",
        /// It was paid.
        SourcePaid = "source.paid",
        /// The collection failed; it can be paid again.
        SourceReopened = "source.reopened",
        /// It was canceled.
        SourceCanceled = "source.canceled",
        /// Sandbox money was put into a wallet.
        WalletFunded = "wallet.funded",
        /// A wallet's status was changed.
        WalletStatus = "wallet.status",
        /// A case for a human was opened.
        ReviewOpened = "review.opened",
        /// A provider said something more about it.
        ReviewHeard = "review.heard",
        /// It was resolved.
        ReviewResolved = "review.resolved",
    }
}

/// Something that happened. Never changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event {
    /// Its id, and that of the ledger transaction that it caused.
    pub id: EventId,
    pub merchant_id: MerchantId,
    pub kind: EventType,
    /// To what kind of thing,
    pub entity: EventEntity,
    /// and to which.
    pub entity_id: i64,
    /// What a person should know.
    pub note: Option<String>,
    /// Server time.
    pub created_at: Timestamp,
}

impl Event {
    /// What its merchant may read of the note: the evidence for a resolution is the operator's own.
    #[must_use]
    pub fn public_note(&self) -> Option<&str> {
        let note = self.note.as_deref()?;
        match self.kind {
            EventType::ReviewResolved => {
                Some(note.split_once(EVIDENCE_SEPARATOR).map_or(note, |(resolution, _)| resolution))
            }
            _ => Some(note),
        }
    }
}

/// Stands between a resolution and the evidence for it.
pub const EVIDENCE_SEPARATOR: &str = ": ";
