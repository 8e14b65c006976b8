//! Executions: executed sessions. The API also calls them payment intents.

use crate::api_enum;
use crate::decision::event::HasEvents;
use crate::decision::row::{Lookup, Row};
use crate::decision::workspace::RowKey;
use crate::kernel::checked::{Inconsistent, difference, sum};
use crate::kernel::currency::Currency;
use crate::kernel::ids::{
    ExecutionId, MerchantId, PaymentAccountId, SessionId, SourceId, WalletId,
};
use crate::kernel::money::{Money, Ratio};
use crate::kernel::names::{Method, Operation, Provider};
use crate::kernel::time::MerchantTime;
use crate::kernel::uuids::ReferenceId;
use crate::ledger::account::AccountKind;
use crate::ledger::postings::PostingTarget;
use crate::ledger::recipes::PaymentAmounts;
use crate::ledger::wallet::Owner;
use crate::mutant;
use crate::payments::execution_intent::{Collection, ExecutionIntent, RefundTotals};

/// What an execution waits for that is being sent.
pub(crate) const WAITING_FOR_ANSWER: &str = "the provider's answer";

api_enum! {
    ExecutionStatus {
        /// Committed, not yet known to the provider.
        Pending = "PENDING",
        /// The provider has the request, or may have it.
        Processing = "PROCESSING",
        /// Money moved. Final.
        Completed = "COMPLETED",
        /// No money moved, as far as the provider said. Final. A review may have found otherwise: see
        /// [`Execution::is_settled`].
        Failed = "FAILED",
    }
}

impl ExecutionStatus {
    /// Whether the status never changes again.
    #[must_use]
    pub const fn is_final(self) -> bool {
        match self {
            Self::Completed | Self::Failed => true,
            Self::Pending | Self::Processing => false,
        }
    }
}

/// An executed session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Execution {
    pub id: ExecutionId,
    pub merchant_id: MerchantId,
    pub reference_id: ReferenceId,
    pub session_id: SessionId,
    pub status: ExecutionStatus,
    pub intent: ExecutionIntent,
    /// What the payer pays, with the fees that the payer bears. Refund: what it holds.
    pub payer: Money,
    pub payee: Money,
    /// The payer's amount in the currency of the source or wallet; refunds: what is held.
    pub total_minor: i64,
    /// In the currency of the source or wallet, like the other fees.
    pub platform_fee_minor: i64,
    pub gateway_fee_minor: i64,
    pub fx_fee_minor: i64,
    /// Units of the payer's currency (refund: of the payee's) for one unit of the source's or
    /// wallet's.
    pub rate: Ratio,
    /// The version of the rounding rules that its amounts were computed by:
    /// [`ROUNDING_RULES`](crate::tariff::fees::ROUNDING_RULES) when it was made.
    pub rules: i64,
    /// What its amounts were rounded to, in minor units of the payer's currency; `None` for one.
    pub unit_minor: Option<i64>,
    /// The tariff's row of the platform fee, if there was one.
    pub platform_fee_id: Option<i64>,
    /// The tariff's row of the gateway fee, if there was one.
    pub gateway_fee_id: Option<i64>,
    pub provider: Provider,
    pub method: Method,
    /// The provider's id of the payment.
    pub provider_transaction_id: Option<String>,
    /// The provider's message, for people.
    pub gateway_message: Option<String>,
    /// Why a wallet could not be debited or credited, for people.
    pub wallet_message: Option<String>,
    /// Whether a review about its money is open.
    pub in_review: bool,
    /// Why it is not final, for people.
    pub waiting_for: Option<String>,
    pub completed_at: Option<MerchantTime>,
    pub created_at: MerchantTime,
    /// How many events are about it.
    pub event_count: i64,
    pub updated_at: MerchantTime,
}

impl HasEvents for Execution {
    fn event_count_mut(&mut self) -> &mut i64 {
        &mut self.event_count
    }
}

impl Row for Execution {
    type Id = ExecutionId;
    type AltKey = (MerchantId, ReferenceId);

    fn id(&self) -> ExecutionId {
        self.id
    }

    fn alt_key(&self) -> Option<(MerchantId, ReferenceId)> {
        Some((self.merchant_id, self.reference_id))
    }
}

impl Execution {
    #[must_use]
    pub const fn operation(&self) -> Operation {
        self.intent.operation()
    }

    /// Collection: the invoice or order that is paid.
    #[must_use]
    pub const fn source_id(&self) -> Option<SourceId> {
        match &self.intent {
            ExecutionIntent::Collection(collection) => Some(collection.source_id),
            ExecutionIntent::Payout { .. }
            | ExecutionIntent::Transfer { .. }
            | ExecutionIntent::Refund { .. } => None,
        }
    }

    /// Collection: the payer's account. Payout: the payee's. Refund: that of the collection.
    #[must_use]
    pub const fn payment_account_id(&self) -> Option<PaymentAccountId> {
        match &self.intent {
            ExecutionIntent::Collection(collection) => Some(collection.payer_account_id),
            ExecutionIntent::Payout { payee_account_id: account_id, .. }
            | ExecutionIntent::Refund { payer_account_id: account_id, .. } => Some(*account_id),
            ExecutionIntent::Transfer { .. } => None,
        }
    }

    /// Refund: the collection that is refunded.
    #[must_use]
    pub const fn original_execution_id(&self) -> Option<ExecutionId> {
        match &self.intent {
            ExecutionIntent::Refund { original_execution_id, .. } => Some(*original_execution_id),
            ExecutionIntent::Collection(_)
            | ExecutionIntent::Payout { .. }
            | ExecutionIntent::Transfer { .. } => None,
        }
    }

    /// The merchant's wallet: debited; of a collection credited, and only known once it is settled.
    #[must_use]
    pub const fn wallet_id(&self) -> Option<WalletId> {
        match &self.intent {
            ExecutionIntent::Collection(collection) => collection.credited_wallet_id,
            ExecutionIntent::Payout { wallet_id, .. }
            | ExecutionIntent::Transfer { wallet_id, .. }
            | ExecutionIntent::Refund { wallet_id, .. } => Some(*wallet_id),
        }
    }

    /// The counter wallet, where no network is involved.
    #[must_use]
    pub const fn counter_wallet_id(&self) -> Option<WalletId> {
        match &self.intent {
            ExecutionIntent::Collection(collection) => collection.payer_wallet_id,
            ExecutionIntent::Payout { payee_wallet_id: wallet_id, .. }
            | ExecutionIntent::Transfer { receiver_wallet_id: wallet_id, .. }
            | ExecutionIntent::Refund { payer_wallet_id: wallet_id, .. } => *wallet_id,
        }
    }

    /// This execution with its counter wallet, where no network is involved.
    #[must_use]
    pub fn with_counter_wallet(mut self, id: WalletId) -> Self {
        match &mut self.intent {
            ExecutionIntent::Collection(collection) => collection.payer_wallet_id = Some(id),
            ExecutionIntent::Payout { payee_wallet_id: wallet_id, .. }
            | ExecutionIntent::Transfer { receiver_wallet_id: wallet_id, .. }
            | ExecutionIntent::Refund { payer_wallet_id: wallet_id, .. } => *wallet_id = Some(id),
        }
        self
    }

    /// What was refunded of it; nothing for all that is no collection.
    #[must_use]
    pub const fn refunds(&self) -> RefundTotals {
        match &self.intent {
            ExecutionIntent::Collection(collection) => collection.refunds,
            ExecutionIntent::Payout { .. }
            | ExecutionIntent::Transfer { .. }
            | ExecutionIntent::Refund { .. } => RefundTotals::NONE,
        }
    }

    /// Collection: when a review settled it although it is `FAILED`.
    #[must_use]
    pub const fn settled_by_review_at(&self) -> Option<MerchantTime> {
        match &self.intent {
            ExecutionIntent::Collection(collection) => collection.settled_by_review_at,
            ExecutionIntent::Payout { .. }
            | ExecutionIntent::Transfer { .. }
            | ExecutionIntent::Refund { .. } => None,
        }
    }

    /// Refund: what was released of its hold when it completed, because less was due.
    #[must_use]
    pub const fn released_minor(&self) -> i64 {
        match &self.intent {
            ExecutionIntent::Refund { released_minor, .. } => *released_minor,
            ExecutionIntent::Collection(_)
            | ExecutionIntent::Payout { .. }
            | ExecutionIntent::Transfer { .. } => 0,
        }
    }

    /// This collection with other fields of its intent.
    ///
    /// # Errors
    /// [`Inconsistent`] for an execution that is no collection.
    pub fn with_collection(
        self,
        change: impl FnOnce(Collection) -> Collection,
    ) -> Result<Self, Inconsistent> {
        let ExecutionIntent::Collection(collection) = self.intent else {
            return Err(Inconsistent(format!("execution {} is no collection", self.id)));
        };
        Ok(Self { intent: ExecutionIntent::Collection(change(collection)), ..self })
    }

    /// Whether a network moves its money. If so, it has a
    /// [`ProviderAttempt`](crate::payments::attempt::ProviderAttempt).
    #[must_use]
    pub const fn has_network(&self) -> bool {
        match self.provider {
            Provider::PawaPay | Provider::Stripe => true,
            Provider::Platform => false,
        }
    }

    /// The rows that a command about it will probably read.
    #[must_use]
    pub fn referenced_keys(&self) -> Vec<RowKey> {
        let mut keys = vec![
            RowKey::Merchant(Lookup::Id(self.merchant_id)),
            RowKey::EventPosition(Lookup::Id(self.merchant_id)),
        ];
        if self.has_network() {
            keys.push(RowKey::ProviderAttempt(Lookup::Id(self.id)));
        }
        keys.extend(self.source_id().map(|id| RowKey::Source(Lookup::Id(id))));
        keys.extend(self.wallet_id().map(|id| RowKey::Wallet(Lookup::Id(id))));
        let credited = |money: Money| (Owner::Merchant(self.merchant_id), money.currency);
        keys.extend(self.incoming().map(|money| RowKey::Wallet(Lookup::AltKey(credited(money)))));
        keys.extend(self.counter_wallet_id().map(|id| RowKey::Wallet(Lookup::Id(id))));
        keys.extend(self.payment_account_id().map(|id| RowKey::PaymentAccount(Lookup::Id(id))));
        if let Some(original) = self.original_execution_id() {
            keys.push(RowKey::Execution(Lookup::Id(original)));
            keys.extend(
                self.has_network().then_some(RowKey::ProviderAttempt(Lookup::Id(original))),
            );
        }
        keys
    }

    /// The currency of the source or wallet, in which fees, holds and `total_minor` are.
    #[must_use]
    pub const fn wallet_currency(&self) -> Currency {
        match self.operation() {
            Operation::Collection => self.payee.currency,
            Operation::Payout | Operation::Transfer | Operation::Refund => self.payer.currency,
        }
    }

    /// What moves at the provider: what the payer pays, or what the payee is sent.
    #[must_use]
    pub const fn outside_amount(&self) -> Money {
        match self.operation() {
            Operation::Collection => self.payer,
            Operation::Payout | Operation::Transfer | Operation::Refund => self.payee,
        }
    }

    /// Whether the money was booked as intended: it completed, or a review settled it although it is
    /// `FAILED`.
    #[must_use]
    pub const fn is_settled(&self) -> bool {
        matches!(self.status, ExecutionStatus::Completed) || self.settled_by_review_at().is_some()
    }

    /// The wallet that this settled collection credited.
    ///
    /// # Errors
    /// [`Inconsistent`] for a collection that is not settled.
    pub fn credited_wallet(&self) -> Result<WalletId, Inconsistent> {
        self.wallet_id()
            .ok_or_else(|| Inconsistent(format!("collection {} has no wallet", self.id)))
    }

    #[must_use]
    pub fn settled_at(&self) -> Option<MerchantTime> {
        self.completed_at.or(self.settled_by_review_at())
    }

    /// What the payer pays. Refund: what it holds while it is under way, and what the wallet was
    /// charged once it completed.
    #[must_use]
    pub const fn paid(&self) -> Money {
        Money::new(self.payer.minor.saturating_sub(self.released_minor()), self.payer.currency)
    }

    /// This collection, of whose refund capacity `after` is used in place of `before`: by a refund,
    /// or by what the provider took back.
    ///
    /// Usage beyond what was paid is counted in a field of its own. When a refund fails later and
    /// returns its part, the excess absorbs that first, so that no new refund is started of money
    /// that the payer has already.
    ///
    /// # Errors
    /// [`Inconsistent`] for sums that do not fit.
    pub fn with_refund_capacity_change(
        &self,
        before: i64,
        after: i64,
    ) -> Result<Self, Inconsistent> {
        let totals = self.refunds();
        let used = difference(
            sum(sum(totals.refunded_minor, totals.over_refunded_minor)?, after)?,
            before,
        )?;
        if used < 0 {
            return Err(Inconsistent(format!(
                "of payment {} less than nothing would be refunded",
                self.id
            )));
        }
        let refunded_minor = used.min(self.payer.minor);
        let over = difference(used, refunded_minor)?;
        let over_refunded_minor = if mutant!(ForgetOverRefund) { 0 } else { over };
        self.clone().with_collection(|collection| Collection {
            refunds: RefundTotals { refunded_minor, over_refunded_minor, ..totals },
            ..collection
        })
    }

    /// The wallet and amount that it holds while it is under way; `None` for operations that hold
    /// nothing.
    #[must_use]
    pub const fn hold(&self) -> Option<(WalletId, Money)> {
        match (self.operation(), self.wallet_id()) {
            (Operation::Payout | Operation::Transfer | Operation::Refund, Some(wallet)) => {
                Some((wallet, self.payer))
            }
            _ => None,
        }
    }

    /// What the merchant's wallet expects of it while it is under way; `None` for operations that
    /// bring in no money from a network.
    #[must_use]
    pub const fn incoming(&self) -> Option<Money> {
        match (self.operation(), self.provider) {
            (Operation::Collection, Provider::PawaPay | Provider::Stripe) => Some(self.payee),
            _ => None,
        }
    }

    /// The amounts for the ledger's recipes, once its wallet is known. `outside` is the system
    /// account in whose place the counter wallet stands where no network is involved.
    ///
    /// # Errors
    /// [`Inconsistent`] without a wallet, or without a counter wallet where no network is involved.
    pub fn payment_amounts(
        &self,
        outside: Option<AccountKind>,
    ) -> Result<PaymentAmounts, Inconsistent> {
        let missing = |what: &str| Inconsistent(format!("execution {} has no {what}", self.id));
        let outside = match (outside, self.counter_wallet_id()) {
            (Some(account), _) => PostingTarget::System(self.merchant_id, account),
            (None, Some(wallet)) => {
                PostingTarget::Wallet(wallet, crate::ledger::account::Bucket::Available)
            }
            (None, None) => return Err(missing("counter wallet")),
        };
        Ok(PaymentAmounts {
            merchant: self.merchant_id,
            wallet: self.wallet_id().ok_or_else(|| missing("wallet"))?,
            outside,
            outside_amount: self.outside_amount(),
            wallet_amount: if self.operation() == Operation::Collection {
                self.payee
            } else {
                self.paid()
            },
            total: difference(self.total_minor, self.released_minor())?,
            released: self.released_minor(),
            platform_fee: self.platform_fee_minor,
            gateway_fee: self.gateway_fee_minor,
            fx_fee: self.fx_fee_minor,
        })
    }

    /// This execution with its `updated_at`, as the successor of `before`: `time` where
    /// something changed, else unchanged.
    #[must_use]
    pub fn with_updated_at(self, before: &Self, time: MerchantTime) -> Self {
        let unchanged = Self { updated_at: before.updated_at, ..self.clone() };
        if unchanged == *before { unchanged } else { Self { updated_at: time, ..self } }
    }
}
