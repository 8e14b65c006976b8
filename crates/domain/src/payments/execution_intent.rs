//! What an execution does, with the rows that it is about.

use crate::kernel::ids::{ExecutionId, PaymentAccountId, SourceId, WalletId};
use crate::kernel::names::Operation;
use crate::kernel::time::MerchantTime;

/// What an execution does, with the rows that it is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ExecutionIntent {
    Collection(Collection),
    Payout {
        /// The wallet that is debited.
        wallet_id: WalletId,
        payee_account_id: PaymentAccountId,
        /// The payee's wallet, where no network is involved.
        payee_wallet_id: Option<WalletId>,
    },
    Transfer {
        /// The wallet that is debited.
        wallet_id: WalletId,
        /// The wallet that is credited; none if the transfer failed.
        receiver_wallet_id: Option<WalletId>,
    },
    Refund {
        /// The collection that is refunded.
        original_execution_id: ExecutionId,
        /// The wallet that is debited: the one that the collection credited.
        wallet_id: WalletId,
        /// The account of the collection.
        payer_account_id: PaymentAccountId,
        /// The payer's wallet, where no network is involved.
        payer_wallet_id: Option<WalletId>,
        /// What was released of its hold when it completed, because less was due.
        released_minor: i64,
    },
}

/// Collects what an invoice or order costs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Collection {
    pub source_id: SourceId,
    pub payer_account_id: PaymentAccountId,
    /// The payer's wallet, where no network is involved; none if it has too little money.
    pub payer_wallet_id: Option<WalletId>,
    /// The merchant's wallet; set when the collection is settled.
    pub credited_wallet_id: Option<WalletId>,
    pub refunds: RefundTotals,
    /// When a review settled it although it is `FAILED`.
    pub settled_by_review_at: Option<MerchantTime>,
}

impl Collection {
    /// A collection that has not begun.
    #[must_use]
    pub const fn new(source_id: SourceId, payer_account_id: PaymentAccountId) -> Self {
        Self {
            source_id,
            payer_account_id,
            payer_wallet_id: None,
            credited_wallet_id: None,
            refunds: RefundTotals::NONE,
            settled_by_review_at: None,
        }
    }
}

/// What was refunded of a collection; see [`refund`](crate::payments::refund).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RefundTotals {
    /// The refund capacity used, in the payer's currency: by refunds completed or under way, and by
    /// what the provider took back. At most what was paid.
    pub refunded_minor: i64,
    /// The refund capacity used beyond what was paid.
    pub over_refunded_minor: i64,
    /// The net amount refunded for good, in the payer's currency.
    pub given_back_minor: i64,
    /// What the wallet was charged for `given_back_minor`, without holds; at most `total_minor`.
    pub refunded_total_minor: i64,
    /// What the wallet was charged beyond `total_minor`.
    pub over_refunded_total_minor: i64,
}

impl RefundTotals {
    /// Nothing was refunded.
    pub const NONE: Self = Self {
        refunded_minor: 0,
        over_refunded_minor: 0,
        given_back_minor: 0,
        refunded_total_minor: 0,
        over_refunded_total_minor: 0,
    };
}

impl ExecutionIntent {
    #[must_use]
    pub const fn operation(&self) -> Operation {
        match self {
            Self::Collection(_) => Operation::Collection,
            Self::Payout { .. } => Operation::Payout,
            Self::Transfer { .. } => Operation::Transfer,
            Self::Refund { .. } => Operation::Refund,
        }
    }
}
