//! What an entry of a wallet is, in words.

use domain::decision::event::EventType;
use domain::kernel::names::Operation;
use domain::ledger::account::Bucket;
use domain::ledger::wallet::OwnerType;
use store::reads::entries::WalletEntry;

/// What moved money in a wallet, in the order in which a statement lists it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Movement {
    PaymentReceived,
    TransferReceived,
    PayoutReceived,
    RefundReceived,
    FundsAdded,
    /// The payer paid from this wallet.
    PaymentMade,
    Payout,
    Transfer,
    Refund,
    HeldForPayout,
    HeldForTransfer,
    HeldForRefund,
    PayoutReleased,
    TransferReleased,
    /// The refund failed, or took less than was held for it.
    RefundReleased,
    Review,
    Other,
}

impl Movement {
    /// What an entry of a wallet of such an owner is.
    #[must_use]
    pub const fn of(row: &WalletEntry, owner: OwnerType) -> Self {
        let is_credit = row.entry.amount_minor > 0;
        let is_available = matches!(row.entry.bucket, Bucket::Available);
        match (row.kind, row.operation) {
            (EventType::WalletFunded, _) => Self::FundsAdded,
            (
                EventType::ReviewOpened
                | EventType::ReviewUpdated
                | EventType::ReviewResolved
                | EventType::ReviewEvidenceNoted,
                _,
            ) => Self::Review,
            (EventType::ExecutionPending, Some(Operation::Payout)) => Self::HeldForPayout,
            (EventType::ExecutionPending, Some(Operation::Transfer)) => Self::HeldForTransfer,
            (EventType::ExecutionPending, Some(Operation::Refund)) => Self::HeldForRefund,
            (EventType::ExecutionFailed, Some(Operation::Payout)) => Self::PayoutReleased,
            (EventType::ExecutionFailed, Some(Operation::Transfer)) => Self::TransferReleased,
            (EventType::ExecutionFailed, Some(Operation::Refund)) => Self::RefundReleased,
            (
                EventType::ExecutionCompleted | EventType::ExecutionSettled,
                Some(Operation::Collection),
            ) => {
                if is_credit {
                    Self::PaymentReceived
                } else {
                    Self::PaymentMade
                }
            }
            (EventType::ExecutionCompleted, Some(operation)) => {
                match (operation, is_credit && is_available, owner) {
                    (Operation::Payout, true, _) => Self::PayoutReceived,
                    (Operation::Payout, false, _) => Self::Payout,
                    (Operation::Transfer, true, _) => Self::TransferReceived,
                    (Operation::Transfer, false, _) => Self::Transfer,
                    (Operation::Refund, true, OwnerType::Party) => Self::RefundReceived,
                    (Operation::Refund, true, OwnerType::Merchant) => Self::RefundReleased,
                    _ => Self::Refund,
                }
            }
            // What another merchant does for this wallet is a transfer to it.
            (EventType::ExecutionCompleted, None) if is_credit => Self::TransferReceived,
            _ => Self::Other,
        }
    }

    /// One of them.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::PaymentReceived => "Payment received",
            Self::TransferReceived => "Transfer received",
            Self::PayoutReceived => "Payout received",
            Self::RefundReceived => "Refund received",
            Self::FundsAdded => "Test money added",
            Self::PaymentMade => "Payment made",
            Self::Payout => "Payout",
            Self::Transfer => "Transfer",
            Self::Refund => "Refund",
            Self::HeldForPayout => "Held for a payout",
            Self::HeldForTransfer => "Held for a transfer",
            Self::HeldForRefund => "Held for a refund",
            Self::PayoutReleased => "Released, since the payout failed",
            Self::TransferReleased => "Released, since the transfer failed",
            Self::RefundReleased => "Released by a refund",
            Self::Review => "Decided by a review",
            Self::Other => "Other",
        }
    }

    /// All of them in a month.
    #[must_use]
    pub const fn words_of_many(self) -> &'static str {
        match self {
            Self::PaymentReceived => "Payments received",
            Self::TransferReceived => "Transfers received",
            Self::PayoutReceived => "Payouts received",
            Self::RefundReceived => "Refunds received",
            Self::FundsAdded => "Test money added",
            Self::PaymentMade => "Payments made",
            Self::Payout => "Payouts",
            Self::Transfer => "Transfers",
            Self::Refund => "Refunds",
            Self::HeldForPayout => "Held for payouts",
            Self::HeldForTransfer => "Held for transfers",
            Self::HeldForRefund => "Held for refunds",
            Self::PayoutReleased => "Released by payouts that failed",
            Self::TransferReleased => "Released by transfers that failed",
            Self::RefundReleased => "Released by refunds",
            Self::Review => "Decided by reviews",
            Self::Other => "Other",
        }
    }
}
