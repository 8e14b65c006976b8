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
use crate::kernel::names::{Method, Mode, Operation, Provider};
use crate::kernel::time::{MerchantTime, ServerTime, minutes, seconds};
use crate::ledger::account::AccountKind;
use crate::ledger::postings::PostingTarget;
use crate::ledger::recipes::PaymentAmounts;
use crate::ledger::wallet::Owner;
use crate::mutant;

api_enum! {
    ExecutionStatus {
        /// Committed, not yet known to the provider.
        Pending = "PENDING",
        /// The provider has the request, or may have it.
        Processing = "PROCESSING",
        /// Money moved. Final.
        Completed = "COMPLETED",
        /// No money moved. Final.
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

/// How long a lease on a provider call lasts, in microseconds: longer than any provider's time-out.
pub const LEASE_US: i64 = seconds(15);

/// The clocks of two processes differ by less, in microseconds. A time further ahead than any that
/// could be written now was written by a clock that has been set back since.
pub const MAX_CLOCK_SKEW_US: i64 = seconds(30);

/// The shortest time between two polls of an execution, in microseconds.
pub const MIN_POLL_INTERVAL_US: i64 = seconds(1);

/// The longest time between two polls in the sandbox, in microseconds. Its provider is in this
/// process and cheap to ask; an outcome that came due by an advance of the clock is seen this soon.
pub const MAX_POLL_INTERVAL_SANDBOX_US: i64 = seconds(10);

/// The longest time between two polls of a live execution, in microseconds.
pub const MAX_POLL_INTERVAL_US: i64 = minutes(15);

/// A request that the provider does not know is failed this long after it was last sent, in
/// microseconds, and not before its deadline.
pub const NEVER_SEEN_US: i64 = minutes(15);

/// Stripe forgets idempotency keys after 24 hours: an older request is not sent again.
pub const STRIPE_RESEND_US: i64 = minutes(23 * 60);

/// An executed session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Execution {
    pub id: ExecutionId,
    pub merchant_id: MerchantId,
    /// The caller's idempotency key: a UUID in lower case, unique per merchant for ever.
    pub reference_id: String,
    pub operation: Operation,
    pub session_id: SessionId,
    pub status: ExecutionStatus,
    /// Collection: the invoice or order that is paid.
    pub source_id: Option<SourceId>,
    /// Collection: the payer's account. Payout: the payee's. Refund: that of the collection.
    pub payment_account_id: Option<PaymentAccountId>,
    /// Refund: the collection that is refunded.
    pub original_execution_id: Option<ExecutionId>,
    /// The merchant's wallet: debited; of a collection credited, and set when it is settled.
    pub wallet_id: Option<WalletId>,
    /// The counter wallet, where no network is involved.
    pub other_wallet_id: Option<WalletId>,
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
    /// The tariff's row of the platform fee, if there was one.
    pub platform_fee_id: Option<i64>,
    /// The tariff's row of the gateway fee, if there was one.
    pub gateway_fee_id: Option<i64>,
    /// Collection: the refund capacity used, in the payer's currency: by refunds completed or under
    /// way, and by what the provider took back. At most what was paid.
    pub refunded_minor: i64,
    /// Collection: the refund capacity used beyond what was paid.
    pub over_refunded_minor: i64,
    /// Collection: the net amount refunded for good, in the payer's currency; see
    /// [`refund`](crate::payments::refund).
    pub given_back_minor: i64,
    /// Collection: what the wallet was charged for `given_back_minor`, without holds; at most
    /// `total_minor`.
    pub refunded_total_minor: i64,
    /// Collection: what the wallet was charged beyond `total_minor`.
    pub over_refunded_total_minor: i64,
    /// Refund: what was released of its hold when it completed, because less was due.
    pub released_minor: i64,
    pub provider: Provider,
    pub method: Method,
    /// Our id of the request at the provider, derived from the execution's id.
    pub provider_request_id: String,
    /// The provider's id of the payment.
    pub provider_transaction_id: Option<String>,
    /// The provider's message, for people.
    pub gateway_message: Option<String>,
    /// Why a wallet could not be debited or credited, for people.
    pub wallet_message: Option<String>,
    /// The secret with which the payer's page authenticates a card payment.
    pub client_secret: Option<String>,
    /// Whether the payer has to authenticate the payment.
    pub requires_action: bool,
    /// Whether the provider was asked to cancel it.
    pub cancel_asked: bool,
    /// Whether a review about its money is open.
    pub in_review: bool,
    /// How often it was sent to the provider.
    pub attempts: i64,
    /// When it was last sent.
    pub sent_at: Option<MerchantTime>,
    /// Why it is not final, for people.
    pub waiting_for: Option<String>,
    /// When it is polled next; `None` when final.
    pub next_check_at: Option<MerchantTime>,
    /// Until when the process that holds the lease alone may call the provider.
    pub lease_until: Option<ServerTime>,
    /// When it goes to review.
    pub deadline_at: MerchantTime,
    pub completed_at: Option<MerchantTime>,
    /// Collection: when a review settled it although it is `FAILED`.
    pub settled_by_review_at: Option<MerchantTime>,
    /// How many events are about it.
    pub event_count: i64,
    pub created_at: MerchantTime,
    pub updated_at: MerchantTime,
}

impl HasEvents for Execution {
    fn event_count_mut(&mut self) -> &mut i64 {
        &mut self.event_count
    }
}

impl Row for Execution {
    type Id = ExecutionId;
    type AltKey = (MerchantId, String);

    fn id(&self) -> ExecutionId {
        self.id
    }

    fn alt_key(&self) -> Option<(MerchantId, String)> {
        Some((self.merchant_id, self.reference_id.clone()))
    }
}

impl Execution {
    /// The rows that it refers to, which an outcome may change.
    #[must_use]
    pub fn referenced_keys(&self) -> Vec<RowKey> {
        let mut keys = vec![
            RowKey::Merchant(Lookup::Id(self.merchant_id)),
            RowKey::EventPosition(Lookup::Id(self.merchant_id)),
        ];
        keys.extend(self.source_id.map(|id| RowKey::Source(Lookup::Id(id))));
        keys.extend(self.wallet_id.map(|id| RowKey::Wallet(Lookup::Id(id))));
        let credited = |money: Money| (Owner::Merchant(self.merchant_id), money.currency);
        keys.extend(self.incoming().map(|money| RowKey::Wallet(Lookup::AltKey(credited(money)))));
        keys.extend(self.other_wallet_id.map(|id| RowKey::Wallet(Lookup::Id(id))));
        keys.extend(self.payment_account_id.map(|id| RowKey::PaymentAccount(Lookup::Id(id))));
        keys.extend(self.original_execution_id.map(|id| RowKey::Execution(Lookup::Id(id))));
        keys
    }

    /// The currency of the source or wallet, in which fees, holds and `total_minor` are.
    #[must_use]
    pub const fn wallet_currency(&self) -> Currency {
        match self.operation {
            Operation::Collection => self.payee.currency,
            Operation::Payout | Operation::Transfer | Operation::Refund => self.payer.currency,
        }
    }

    /// What moves at the provider: what the payer pays, or what the payee is sent.
    #[must_use]
    pub const fn outside_amount(&self) -> Money {
        match self.operation {
            Operation::Collection => self.payer,
            Operation::Payout | Operation::Transfer | Operation::Refund => self.payee,
        }
    }

    /// Whether the money was booked as intended: it completed, or a review settled it although it is
    /// `FAILED`.
    #[must_use]
    pub const fn is_settled(&self) -> bool {
        matches!(self.status, ExecutionStatus::Completed) || self.settled_by_review_at.is_some()
    }

    /// The wallet that this settled collection credited.
    ///
    /// # Errors
    /// [`Inconsistent`] for a collection that is not settled.
    pub fn credited_wallet(&self) -> Result<WalletId, Inconsistent> {
        self.wallet_id.ok_or_else(|| Inconsistent(format!("collection {} has no wallet", self.id)))
    }

    #[must_use]
    pub fn settled_at(&self) -> Option<MerchantTime> {
        self.completed_at.or(self.settled_by_review_at)
    }

    /// What the payer pays. Refund: what it holds while it is under way, and what the wallet was
    /// charged once it completed.
    #[must_use]
    pub const fn paid(&self) -> Money {
        Money::new(self.payer.minor.saturating_sub(self.released_minor), self.payer.currency)
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
        let used =
            difference(sum(sum(self.refunded_minor, self.over_refunded_minor)?, after)?, before)?;
        if used < 0 {
            return Err(Inconsistent(format!(
                "of payment {} less than nothing would be refunded",
                self.id
            )));
        }
        let refunded_minor = used.min(self.payer.minor);
        let over = difference(used, refunded_minor)?;
        let over_refunded_minor = if mutant!(ForgetOverRefund) { 0 } else { over };
        Ok(Self { refunded_minor, over_refunded_minor, ..self.clone() })
    }

    /// The wallet and amount that it holds while it is under way; `None` for operations that hold
    /// nothing.
    #[must_use]
    pub const fn hold(&self) -> Option<(WalletId, Money)> {
        match (self.operation, self.wallet_id) {
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
        match (self.operation, self.provider) {
            (Operation::Collection, Provider::PawaPay | Provider::Stripe) => Some(self.payee),
            _ => None,
        }
    }

    /// The amounts for the ledger's recipes, once its wallet is known.
    ///
    /// # Errors
    /// [`Inconsistent`] without a wallet, or without a second one where no network is involved.
    pub fn payment_amounts(&self) -> Result<PaymentAmounts, Inconsistent> {
        let missing = |what: &str| Inconsistent(format!("execution {} has no {what}", self.id));
        let outside = match (AccountKind::clearing(self.provider), self.other_wallet_id) {
            (Some(clearing), _) => PostingTarget::System(self.merchant_id, clearing),
            (None, Some(wallet)) => {
                PostingTarget::Wallet(wallet, crate::ledger::account::Bucket::Available)
            }
            (None, None) => return Err(missing("second wallet")),
        };
        Ok(PaymentAmounts {
            merchant: self.merchant_id,
            wallet: self.wallet_id.ok_or_else(|| missing("wallet"))?,
            outside,
            outside_amount: self.outside_amount(),
            wallet_amount: if self.operation == Operation::Collection {
                self.payee
            } else {
                self.paid()
            },
            total: difference(self.total_minor, self.released_minor)?,
            released: self.released_minor,
            platform_fee: self.platform_fee_minor,
            gateway_fee: self.gateway_fee_minor,
            fx_fee: self.fx_fee_minor,
        })
    }

    /// The time until the next poll: half the time since `created_at`, within the shortest and
    /// longest interval, and not past the deadline.
    fn poll_interval(&self, mode: Mode, time: MerchantTime) -> i64 {
        let longest = match mode {
            Mode::Sandbox => MAX_POLL_INTERVAL_SANDBOX_US,
            Mode::Live => MAX_POLL_INTERVAL_US,
        };
        let to_deadline = self.deadline_at.since(time);
        let longest = if to_deadline > 0 {
            longest.min(to_deadline.max(MIN_POLL_INTERVAL_US))
        } else {
            longest
        };
        (time.since(self.created_at) / 2).clamp(MIN_POLL_INTERVAL_US, longest)
    }

    #[must_use]
    pub fn next_check(&self, mode: Mode, time: MerchantTime) -> MerchantTime {
        time.plus(self.poll_interval(mode, time))
    }

    /// Whether it is to be polled, at merchant time `time` and server time `now`: its next check is
    /// due and nobody holds the lease.
    ///
    /// A lease or a next check further ahead than one written now could be was written by a process
    /// whose clock was ahead. It must not delay the execution, so such an execution is due too.
    /// Poll intervals only grow with time, so a next check beyond today's interval is the proof.
    #[must_use]
    pub fn is_due(&self, mode: Mode, time: MerchantTime, now: ServerTime) -> bool {
        let Some(at) = self.next_check_at else { return false };
        match self.lease_until.filter(|until| now < *until && !mutant!(LeaseIgnored)) {
            Some(until) => until.since(now) > LEASE_US + MAX_CLOCK_SKEW_US,
            None => {
                at <= time || at.since(time) > self.poll_interval(mode, time) + MAX_CLOCK_SKEW_US
            }
        }
    }

    /// This execution with its `updated_at`, as the successor of `before`: now where a caller of the
    /// API sees a change, else unchanged. Polls and leases are no change to callers.
    #[must_use]
    pub fn with_updated_at(self, before: &Self, time: MerchantTime) -> Self {
        let visible = Self {
            cancel_asked: before.cancel_asked,
            attempts: before.attempts,
            sent_at: before.sent_at,
            next_check_at: before.next_check_at,
            lease_until: before.lease_until,
            updated_at: before.updated_at,
            ..self.clone()
        };
        let updated_at = if visible == *before { before.updated_at } else { time };
        Self { updated_at, ..self }
    }
}
