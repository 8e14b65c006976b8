//! Reviews: what only a human can decide. A provider contradicted itself, or never gave a final
//! word.

use crate::api_enum;
use crate::decision::row::Row;
use crate::kernel::checked::Inconsistent;
use crate::kernel::checked::{difference, sum};
use crate::kernel::ids::{ExecutionId, MerchantId, ReviewId};
use crate::kernel::money::Money;
use crate::kernel::time::Timestamp;

api_enum! {
    /// Why a human is needed.
    ReviewKind {
        /// A provider reported success of what it had refused.
        SuccessAfterFailure = "SUCCESS_AFTER_FAILURE",
        /// A provider took back a success.
        FailureAfterSuccess = "FAILURE_AFTER_SUCCESS",
        /// A provider moved another amount or currency.
        AmountMismatch = "AMOUNT_MISMATCH",
        /// No final word before the deadline.
        DeadlinePassed = "DEADLINE_PASSED",
    }
}

api_enum! {
    /// Whether it is decided.
    ReviewStatus {
        /// Not yet.
        Open = "OPEN",
        /// It is.
        Resolved = "RESOLVED",
    }
}

/// A case for a human.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Review {
    /// Its id.
    pub id: ReviewId,
    /// Whose it is.
    pub merchant_id: MerchantId,
    /// About which execution.
    pub execution_id: ExecutionId,
    /// Why a human is needed.
    pub kind: ReviewKind,
    /// Whether it is decided.
    pub status: ReviewStatus,
    /// What was put into suspense: above zero is money found, below zero money missing. Zero for a
    /// passed deadline.
    pub amount: Money,
    /// What it was about when it was open before: the sum, in the same currency,
    pub earlier_minor: i64,
    /// and what of that went back to the payer or was recovered.
    pub earlier_returned_minor: i64,
    /// What happened, for a person.
    pub reason: String,
    /// What was decided.
    pub resolution: Option<String>,
    /// On what evidence.
    pub evidence: Option<String>,
    /// Server time.
    pub created_at: Timestamp,
    /// Server time.
    pub resolved_at: Option<Timestamp>,
}

impl Review {
    /// All money that it was ever about: what the books took in of the provider's words.
    ///
    /// # Errors
    /// [`Inconsistent`] for sums that do not fit.
    pub fn all_minor(&self) -> Result<i64, Inconsistent> {
        sum(self.earlier_minor, self.amount.minor)
    }

    /// The same without what went back to the payer or was recovered outside.
    ///
    /// # Errors
    /// [`Inconsistent`] for sums that do not fit.
    pub fn kept_minor(&self) -> Result<i64, Inconsistent> {
        difference(self.all_minor()?, self.returned_minor()?)
    }

    /// What of it was decided to be the wallet's: the same without what is open.
    ///
    /// # Errors
    /// [`Inconsistent`] for sums that do not fit.
    pub fn booked_minor(&self) -> Result<i64, Inconsistent> {
        let open = if self.status == ReviewStatus::Open { self.amount.minor } else { 0 };
        difference(self.kept_minor()?, open)
    }

    fn returned_minor(&self) -> Result<i64, Inconsistent> {
        let returned = self.resolution.as_deref() == Some(Resolution::ToPayer.as_str());
        sum(self.earlier_returned_minor, if returned { self.amount.minor } else { 0 })
    }

    /// This case, opened again; its resolutions until now are events.
    pub(crate) fn again(&self) -> Result<Self, Inconsistent> {
        Ok(Self {
            status: ReviewStatus::Open,
            earlier_minor: self.all_minor()?,
            earlier_returned_minor: self.returned_minor()?,
            resolution: None,
            evidence: None,
            resolved_at: None,
            ..self.clone()
        })
    }
}

impl Row for Review {
    type Id = ReviewId;
    type AltKey = (ExecutionId, ReviewKind);

    /// Whoever opens or resolves one changes its execution too, which tells others.
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
    /// The payment completed: as if the provider had said so.
    Completed,
    /// The payment failed: as if the provider had said so.
    Failed,
    /// What is in suspense belongs to the merchant's wallet (or is taken from it, where it is
    /// missing).
    ToWallet,
    /// What is in suspense goes back to the payer (or is recovered) outside: the provider's balance
    /// changes.
    ToPayer,
}

impl Resolution {
    /// As it is written down.
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
pub const MONEY_KINDS: [ReviewKind; 3] =
    [ReviewKind::SuccessAfterFailure, ReviewKind::FailureAfterSuccess, ReviewKind::AmountMismatch];
