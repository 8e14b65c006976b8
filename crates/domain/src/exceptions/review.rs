//! Reviews: cases that only an operator can decide. A provider contradicted itself, or never gave a
//! final outcome.

use crate::api_enum;
use crate::decision::event::HasEvents;
use crate::decision::row::Row;
use crate::exceptions::dispute::DisputeStanding;
use crate::kernel::checked::{Inconsistent, difference, sum};
use crate::kernel::ids::{ExecutionId, MerchantId, ReviewId};
use crate::kernel::money::Money;
use crate::kernel::time::ServerTime;

api_enum! {
    /// Why an operator has to decide.
    ReviewKind {
        /// A provider reported success of a payment that had failed.
        SuccessAfterFailure = "SUCCESS_AFTER_FAILURE",
        /// A provider reported failure of a payment that had succeeded.
        FailureAfterSuccess = "FAILURE_AFTER_SUCCESS",
        /// A provider moved another amount or currency.
        AmountMismatch = "AMOUNT_MISMATCH",
        /// The payer's bank disputes a card payment.
        Dispute = "DISPUTE",
        /// The provider gave no final outcome before the deadline.
        DeadlinePassed = "DEADLINE_PASSED",
    }
}

api_enum! {
    ReviewStatus {
        Open = "OPEN",
        Resolved = "RESOLVED",
    }
}

/// An open or resolved case. An execution has at most one of each kind.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Review {
    pub id: ReviewId,
    pub merchant_id: MerchantId,
    pub execution_id: ExecutionId,
    pub kind: ReviewKind,
    pub status: ReviewStatus,
    /// What was posted to suspense: above zero is money found, below zero money missing. Zero for a
    /// passed deadline, and for a dispute of which no money is withdrawn.
    pub amount: Money,
    /// The sum of its amounts when it was open before, in the same currency.
    pub earlier_minor: i64,
    /// What of `earlier_minor` was returned to the payer or recovered outside.
    pub earlier_returned_minor: i64,
    /// What happened, as text for the operator.
    pub reason: String,
    /// [`Resolution::as_str`], or the status that a provider's final outcome led to.
    pub resolution: Option<String>,
    /// The operator's evidence for the resolution.
    pub evidence: Option<String>,
    /// Dispute: the network's id of the one that it is about.
    pub dispute_id: Option<String>,
    /// Dispute: whether the network told that it took the money.
    pub dispute_withdrawn: bool,
    /// Dispute: whether the network told that it gave the money back.
    pub dispute_reinstated: bool,
    /// Dispute: when its network said what is known of it, which is what stands below.
    pub dispute_told_at: Option<ServerTime>,
    pub dispute_standing: Option<DisputeStanding>,
    /// Dispute: the network's own word for its state.
    pub dispute_status: Option<String>,
    /// Dispute: the network's own word for why.
    pub dispute_reason: Option<String>,
    /// Dispute: how much is disputed, in the currency of `amount`, also before it is withdrawn.
    pub dispute_amount_minor: Option<i64>,
    /// Dispute: until when it can be answered; `None` where that is not known, or is over.
    pub dispute_due_at: Option<ServerTime>,
    /// Dispute: the page in the network's dashboard where it is answered.
    pub dispute_link: Option<String>,
    /// Dispute: how many pieces of evidence were noted. They are its last so many events of the type.
    pub dispute_notes: i64,
    /// How many events are about it.
    pub event_count: i64,
    pub created_at: ServerTime,
    pub resolved_at: Option<ServerTime>,
}

impl Review {
    /// How much is disputed, where it is known.
    #[must_use]
    pub fn disputed(&self) -> Option<Money> {
        self.dispute_amount_minor.map(|minor| Money::new(minor, self.amount.currency))
    }

    /// All money that it was ever about: the differences that were booked to suspense.
    ///
    /// # Errors
    /// [`Inconsistent`] for sums that do not fit.
    pub fn total_minor(&self) -> Result<i64, Inconsistent> {
        sum(self.earlier_minor, self.amount.minor)
    }

    /// [`total_minor`](Self::total_minor) without what was returned to the payer or recovered
    /// outside.
    ///
    /// # Errors
    /// [`Inconsistent`] for sums that do not fit.
    pub fn kept_minor(&self) -> Result<i64, Inconsistent> {
        difference(self.total_minor()?, self.returned_minor()?)
    }

    /// What was credited to the wallet (or debited, below zero): [`kept_minor`](Self::kept_minor)
    /// without the amount that is still open.
    ///
    /// # Errors
    /// [`Inconsistent`] for sums that do not fit.
    pub fn booked_minor(&self) -> Result<i64, Inconsistent> {
        let open = if self.status == ReviewStatus::Open { self.amount.minor } else { 0 };
        difference(self.kept_minor()?, open)
    }

    /// What a payer's bank has taken back of the payment and not given back, whoever bears it; `None` for
    /// nothing, and for another review. What was recovered outside is not with the payer any more.
    #[must_use]
    pub fn taken_back(&self) -> Option<Money> {
        let kept = self.kept_minor().ok()?;
        (self.kind == ReviewKind::Dispute && kept < 0)
            .then(|| Money::new(kept.saturating_neg(), self.amount.currency))
    }

    fn returned_minor(&self) -> Result<i64, Inconsistent> {
        let returned = self.resolution.as_deref() == Some(Resolution::ToPayer.as_str());
        sum(self.earlier_returned_minor, if returned { self.amount.minor } else { 0 })
    }

    /// This review, opened again. Its earlier resolutions are kept as events.
    pub(crate) fn reopened(&self) -> Result<Self, Inconsistent> {
        Ok(Self {
            status: ReviewStatus::Open,
            earlier_minor: self.total_minor()?,
            earlier_returned_minor: self.returned_minor()?,
            resolution: None,
            evidence: None,
            resolved_at: None,
            ..self.clone()
        })
    }
}

impl HasEvents for Review {
    fn event_count_mut(&mut self) -> &mut i64 {
        &mut self.event_count
    }
}

impl Row for Review {
    type Id = ReviewId;
    type AltKey = (ExecutionId, ReviewKind);

    /// Whoever opens or resolves a review changes its execution too, so that a conflict on the
    /// execution shows that its reviews may have changed.
    const REREAD_ON_CONFLICT: bool = true;

    fn id(&self) -> ReviewId {
        self.id
    }

    fn alt_key(&self) -> Option<(ExecutionId, ReviewKind)> {
        Some((self.execution_id, self.kind))
    }
}

/// How a review is resolved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Resolution {
    /// The payment completed, as if the provider had reported it.
    Completed,
    /// The payment failed, as if the provider had reported it.
    Failed,
    /// The amount in suspense is credited to the merchant's wallet (or debited, where money is
    /// missing).
    ToWallet,
    /// The amount in suspense is returned to the payer (or recovered) outside: the provider's
    /// balance changes.
    ToPayer,
}

impl Resolution {
    /// The text in [`Review::resolution`] and in the event.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::ToWallet => "to wallet",
            Self::ToPayer => "to payer",
        }
    }
}

/// The kinds of review that are about money. An execution has one of each at most.
pub const MONEY_KINDS: [ReviewKind; 4] = [
    ReviewKind::SuccessAfterFailure,
    ReviewKind::FailureAfterSuccess,
    ReviewKind::AmountMismatch,
    ReviewKind::Dispute,
];

/// The kinds of review of a provider's contradictions. What a payer's bank disputes is none: the
/// provider's word of the payment stays that it succeeded.
pub const CONTRADICTION_KINDS: [ReviewKind; 3] =
    [ReviewKind::SuccessAfterFailure, ReviewKind::FailureAfterSuccess, ReviewKind::AmountMismatch];
