//! A line of a statement, as its network reports it: the same for every network and every file.

use crate::api_enum;
use crate::kernel::money::Money;
use crate::kernel::time::ServerTime;
use crate::kernel::uuids::Uuid;

api_enum! {
    /// What moved the balance of an account at a network.
    LineKind {
        /// A payer paid.
        Collection = "COLLECTION",
        /// A recipient was paid.
        Payout = "PAYOUT",
        /// A payer got money back.
        Refund = "REFUND",
        /// A payment was taken back by the network: a payout or refund that failed after it had left.
        Reversal = "REVERSAL",
        /// The bank of a payer took the money of a disputed payment.
        DisputeWithdrawn = "DISPUTE_WITHDRAWN",
        /// A disputed payment was given back.
        DisputeReinstated = "DISPUTE_REINSTATED",
        /// The operator put money in.
        TopUp = "TOP_UP",
        /// Money went to the operator's bank, or came back from there.
        BankTransfer = "BANK_TRANSFER",
        /// A fee that belongs to no single payment.
        Fee = "FEE",
        /// What the network has a word for that is not known here.
        Other = "OTHER",
    }
}

impl LineKind {
    /// Whether a line of this kind is about a payment.
    #[must_use]
    pub const fn is_of_payment(self) -> bool {
        match self {
            Self::Collection
            | Self::Payout
            | Self::Refund
            | Self::Reversal
            | Self::DisputeWithdrawn
            | Self::DisputeReinstated => true,
            Self::TopUp | Self::BankTransfer | Self::Fee | Self::Other => false,
        }
    }
}

/// A line of a statement.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReportedLine {
    pub kind: LineKind,
    /// The network's own id of the line, where its lines have one (`txn_…`).
    pub line_id: Option<String>,
    /// Our id of the request that the payment was made with.
    pub request_id: Option<Uuid>,
    /// The network's reference of the payment (`pi_…`, the operator's transaction id).
    pub reference: Option<String>,
    /// What moved, before fees, in the currency of the payment: above zero where the balance rose.
    pub amount: Money,
    /// What moved, before fees, in the currency of the balance, where that is another one.
    pub settled: Option<Money>,
    /// What the network took for it, in the currency of the balance: above zero where the balance fell.
    /// `None` where the statement has no fees.
    pub fee: Option<Money>,
    pub occurred_at: ServerTime,
}
