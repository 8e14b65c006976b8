//! Events: the timeline of a payment, the feed for clients, and the header of each ledger transaction.

use crate::api_enum;
use crate::decision::row::{NoAltKey, Row};
use crate::kernel::ids::{ApiKeyId, EventId, MerchantId, UserId};
use crate::kernel::time::ServerTime;
use crate::mutant;

api_enum! {
    /// What an event is about.
    EventEntity {
        Session = "SESSION",
        Execution = "EXECUTION",
        Source = "SOURCE",
        Wallet = "WALLET",
        Review = "REVIEW",
        PaymentLink = "PAYMENT_LINK",
        WebhookEndpoint = "WEBHOOK_ENDPOINT",
        ApiKey = "API_KEY",
        /// The tariff of the installation.
        Tariff = "TARIFF",
        /// A statement of an account at a network.
        Statement = "STATEMENT",
    }
}

impl EventEntity {
    /// What events of merchants are about, which the API shows.
    pub const OF_MERCHANTS: &'static [Self] = match Self::ALL {
        [of_merchants @ .., Self::Tariff, Self::Statement] => of_merchants,
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
        /// No money moved, as far as the provider says; a hold, if there was one, was released.
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
        /// The network keeps a payout or refund in its queue: the operator of the phones is delayed.
        PayoutEnqueued = "payout.enqueued",
        /// Sandbox money was credited to a wallet.
        WalletFunded = "wallet.funded",
        /// A wallet's status was changed.
        WalletStatus = "wallet.status",
        /// A transfer of another merchant was credited to a wallet.
        WalletTransferReceived = "wallet.transfer_received",
        ReviewOpened = "review.opened",
        /// A provider reported another outcome while the review was open.
        ReviewUpdated = "review.heard",
        ReviewResolved = "review.resolved",
        /// Somebody noted evidence for a dispute.
        ReviewEvidenceNoted = "review.evidence_noted",
        PaymentLinkCreated = "payment_link.created",
        PaymentLinkDeactivated = "payment_link.deactivated",
        /// As many of its orders are paid as may be.
        PaymentLinkUsedUp = "payment_link.used_up",
        /// Nothing is delivered to the endpoint any more: it is gone, or failed for days.
        WebhookEndpointDisabled = "webhook_endpoint.disabled",
        /// The merchant asked for a test of the endpoint, which alone is told.
        WebhookTest = "webhook.test",
        ApiKeyCreated = "api_key.created",
        ApiKeyRevoked = "api_key.revoked",
        /// The operator changed a fee, a rate, a market or a phone prefix.
        TariffChanged = "tariff.changed",
        /// Lines of an accepted statement were booked.
        StatementPosted = "statement.posted",
        /// An operator closed a difference between a statement and the ledger.
        DifferenceClosed = "statement.difference_closed",
    }
}

api_enum! {
    ActorKind {
        ApiKey = "API_KEY",
        Operator = "OPERATOR",
        Network = "NETWORK",
        /// The server itself: its jobs.
        System = "SYSTEM",
        /// Whoever has the link of a page and pays on it.
        Payer = "PAYER",
        /// A person who has logged in.
        User = "USER",
    }
}

/// Who asked for a change, as it is kept with each event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Actor {
    ApiKey(ApiKeyId),
    Operator,
    Network,
    System,
    Payer,
    User(UserId),
}

impl Actor {
    #[must_use]
    pub const fn kind(self) -> ActorKind {
        match self {
            Self::ApiKey(_) => ActorKind::ApiKey,
            Self::Operator => ActorKind::Operator,
            Self::Network => ActorKind::Network,
            Self::System => ActorKind::System,
            Self::Payer => ActorKind::Payer,
            Self::User(_) => ActorKind::User,
        }
    }

    /// The id of the API key or of the person.
    #[must_use]
    pub const fn id(self) -> Option<i64> {
        match self {
            Self::ApiKey(ApiKeyId(id)) | Self::User(UserId(id)) => Some(id),
            Self::Operator | Self::Network | Self::System | Self::Payer => None,
        }
    }

    /// The actor of a kind; `None` unless kind and id fit: API keys and people have ids, nobody else
    /// has.
    #[must_use]
    pub const fn from_parts(kind: ActorKind, id: Option<i64>) -> Option<Self> {
        match (kind, id) {
            (ActorKind::ApiKey, Some(id)) => Some(Self::ApiKey(ApiKeyId(id))),
            (ActorKind::User, Some(id)) => Some(Self::User(UserId(id))),
            (ActorKind::Operator, None) => Some(Self::Operator),
            (ActorKind::Network, None) => Some(Self::Network),
            (ActorKind::System, None) => Some(Self::System),
            (ActorKind::Payer, None) => Some(Self::Payer),
            _ => None,
        }
    }
}

/// The position of a merchant's last event, and whether somebody wants to be told of the next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EventPosition {
    pub merchant_id: MerchantId,
    pub last: i64,
    /// How many webhook endpoints the merchant has.
    pub endpoints: i64,
}

impl Row for EventPosition {
    type Id = MerchantId;
    type AltKey = NoAltKey;

    fn id(&self) -> MerchantId {
        self.merchant_id
    }

    fn alt_key(&self) -> Option<NoAltKey> {
        None
    }

    /// No decision depends on a position: the events of the batch follow those of the other process.
    /// Otherwise two processes that write for one merchant would decide most batches twice. But
    /// whether messages are written depends on the endpoints.
    fn rebased(&self, loaded: &Self, locked: &Self) -> Option<Self> {
        if loaded.endpoints != locked.endpoints && !mutant!(EndpointOverlooked) {
            return None;
        }
        let taken = self.last.saturating_sub(loaded.last);
        Some(Self { last: locked.last.saturating_add(taken), ..self.clone() })
    }
}

/// A row that events are about. It counts them: the count is the sequence of its last event.
pub trait HasEvents {
    fn event_count_mut(&mut self) -> &mut i64;
}

impl EventType {
    /// The types of events of merchants, which the API shows.
    pub const OF_MERCHANTS: &'static [Self] = match Self::ALL {
        [of_merchants @ .., Self::TariffChanged, Self::StatementPosted, Self::DifferenceClosed] => {
            of_merchants
        }
        all => all,
    };

    /// The type of this name, if merchants have such events.
    #[must_use]
    pub fn parse_of_merchant(name: &str) -> Option<Self> {
        Self::parse(name).filter(|kind| Self::OF_MERCHANTS.contains(kind))
    }
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
    /// Its place among all events of the merchant, from 1, without gaps, in the order of the
    /// commits. So whoever continues after the last position read misses no event.
    pub position: i64,
    /// Its place among the events of its entity, from 1, without gaps.
    pub sequence: i64,
    /// `None` for an event that was recorded before actors were.
    pub actor: Option<Actor>,
    pub created_at: ServerTime,
}

impl Event {
    /// The part of the note that the merchant may read: the operator's evidence for a resolution is
    /// not shown, and evidence for a dispute only where the dispute is: whoever reads events need not
    /// read reviews.
    #[must_use]
    pub fn public_note(&self) -> Option<&str> {
        let note = self.note.as_deref()?;
        match self.kind {
            EventType::ReviewResolved => {
                Some(note.split_once(EVIDENCE_SEPARATOR).map_or(note, |(resolution, _)| resolution))
            }
            EventType::ReviewEvidenceNoted => None,
            _ => Some(note),
        }
    }
}

/// Separates a resolution from its evidence in the note of an event.
pub const EVIDENCE_SEPARATOR: &str = ": ";
