//! Events: the timeline of a payment, the feed for clients, and the header of each ledger transaction.

use crate::api_enum;
use crate::kernel::ids::{EventId, MerchantId};
use crate::kernel::time::ServerTime;

api_enum! {
    /// What an event is about.
    EventEntity {
        Session = "SESSION",
        Execution = "EXECUTION",
        Source = "SOURCE",
        Wallet = "WALLET",
        Review = "REVIEW",
        /// The tariff of the installation.
        Tariff = "TARIFF",
    }
}

impl EventEntity {
    /// What events of merchants are about, which the API shows.
    pub const OF_MERCHANTS: &'static [Self] = match Self::ALL {
        [of_merchants @ .., Self::Tariff] => of_merchants,
        all => all,
    };
}

api_enum! {
    EventType {
        SessionCreated = "session.created",
        SessionExpired = "session.expired",
        SessionCanceled = "session.canceled",
        /// An execution was recorded; its hold, if it has one, was posted.
        ExecutionPending = "execution.pending",
        /// The provider has the request, or may have it.
        ExecutionProcessing = "execution.processing",
        /// The payer has to authenticate a card payment.
        ExecutionRequiresAction = "execution.requires_action",
        /// Money moved.
        ExecutionCompleted = "execution.completed",
        /// No money moved; a hold was released.
        ExecutionFailed = "execution.failed",
        /// A review settled a failed collection as if it had completed.
        ExecutionSettled = "execution.settled_by_review",
        /// An invoice or order can be paid.
        SourcePublished = "source.published",
        /// A collection for it was started.
        SourceProcessing = "source.processing",
        SourcePaid = "source.paid",
        /// The collection failed; it can be paid again.
        SourceReopened = "source.reopened",
        SourceCanceled = "source.canceled",
        /// Sandbox money was credited to a wallet.
        WalletFunded = "wallet.funded",
        /// A wallet's status was changed.
        WalletStatus = "wallet.status",
        ReviewOpened = "review.opened",
        /// A provider reported another outcome while the review was open.
        ReviewUpdated = "review.heard",
        ReviewResolved = "review.resolved",
        /// The operator changed a fee, a rate, a market or a phone prefix.
        TariffChanged = "tariff.changed",
    }
}

impl EventType {
    /// The types of events of merchants, which the API shows.
    pub const OF_MERCHANTS: &'static [Self] = match Self::ALL {
        [of_merchants @ .., Self::TariffChanged] => of_merchants,
        all => all,
    };
}

/// An event. Events are never changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event {
    /// Also the id of the ledger transaction that it caused.
    pub id: EventId,
    pub merchant_id: MerchantId,
    pub kind: EventType,
    pub entity: EventEntity,
    pub entity_id: i64,
    /// Details for people; see [`Event::public_note`].
    pub note: Option<String>,
    pub created_at: ServerTime,
}

impl Event {
    /// The part of the note that the merchant may read: the operator's evidence for a resolution is
    /// not shown.
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

/// Separates a resolution from its evidence in the note of an event.
pub const EVIDENCE_SEPARATOR: &str = ": ";
