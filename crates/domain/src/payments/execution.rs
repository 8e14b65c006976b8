//! Executions: sessions carried out. The API calls them payment intents too.

use crate::api_enum;
use crate::decision::row::Row;
use crate::kernel::checked::Inconsistent;
use crate::kernel::checked::{difference, sum};
use crate::kernel::currency::Currency;
use crate::kernel::ids::{
    ExecutionId, MerchantId, PaymentAccountId, SessionId, SourceId, WalletId,
};
use crate::kernel::money::{Money, Ratio};
use crate::kernel::names::{Method, Mode, Operation, Provider};
use crate::kernel::time::{Timestamp, minutes, seconds};
use crate::ledger::account::AccountKind;
use crate::ledger::postings::PostingTarget;
use crate::ledger::recipes::PaymentAmounts;
use crate::mutant;

api_enum! {
    /// Where an execution is in its life.
    ExecutionStatus {
        /// On disk, not yet taken by the provider.
        Pending = "PENDING",
        /// The provider has it, or may have it.
        Processing = "PROCESSING",
        /// Money moved. Final.
        Completed = "COMPLETED",
        /// No money moved. Final.
        Failed = "FAILED",
    }
}

impl ExecutionStatus {
    /// Whether it never changes again.
    #[must_use]
    pub const fn is_final(self) -> bool {
        match self {
            Self::Completed | Self::Failed => true,
            Self::Pending | Self::Processing => false,
        }
    }
}

/// A lease on a provider call, in microseconds: longer than any provider's time-out.
pub const LEASE_US: i64 = seconds(15);

/// Clocks of two processes differ by less. What is further ahead than anything that is written now
/// could be was written by a clock that has been set back since.
pub const CLOCKS_APART_US: i64 = seconds(30);

/// Between two looks at an execution at least.
pub const SHORTEST_WAIT_US: i64 = seconds(1);

/// Between two looks at an execution in the sandbox, whose provider is at hand, at most: an answer
/// that crosses an advance of the clock does not wait for longer.
pub const LONGEST_WAIT_SANDBOX_US: i64 = seconds(10);

/// The same where it is not.
pub const LONGEST_WAIT_US: i64 = minutes(15);

/// A request that is never seen is given up so long after it was last sent, and not before its
/// deadline.
pub const NEVER_SEEN_US: i64 = minutes(15);

/// Stripe forgets idempotency keys after 24 hours: an older request is not sent again.
pub const STRIPE_RESEND_US: i64 = minutes(23 * 60);

/// A session carried out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Execution {
    /// Its id: the payment intent's.
    pub id: ExecutionId,
    /// Whose it is.
    pub merchant_id: MerchantId,
    /// The caller's UUID, lower-case: unique for the merchant, for ever.
    pub reference_id: String,
    /// What it does.
    pub operation: Operation,
    /// The session that it carried out.
    pub session_id: SessionId,
    /// Where it is in its life.
    pub status: ExecutionStatus,
    /// Collection: what is paid.
    pub source_id: Option<SourceId>,
    /// Collection: from where. Payout: where to. Refund: back to where.
    pub payment_account_id: Option<PaymentAccountId>,
    /// Refund: the collection given back.
    pub original_execution_id: Option<ExecutionId>,
    /// The wallet debited; of a collection the wallet credited, once completed.
    pub wallet_id: Option<WalletId>,
    /// The wallet on the other side, where no network is involved.
    pub other_wallet_id: Option<WalletId>,
    /// What the payer pays: with the fees that the payer bears.
    pub payer: Money,
    /// What the payee gets.
    pub payee: Money,
    /// Collection: T, the payer's amount in the source's currency.
    pub total_minor: i64,
    /// The platform's fee, in the currency of source or wallet.
    pub platform_fee_minor: i64,
    /// The network's fee, in the same.
    pub gateway_fee_minor: i64,
    /// The fee for exchange, in the same.
    pub fx_fee_minor: i64,
    /// Units of the payer's currency (refund: of the payee's) for one unit of the source's or
    /// wallet's.
    pub rate: Ratio,
    /// The version of the rules by which its amounts were rounded:
    /// [`RULES`](crate::tariff::fees::RULES), or that of its time.
    pub rules: i64,
    /// The row of the platform's fee, where there was one.
    pub platform_fee_id: Option<i64>,
    /// The row of the network's fee, where there was one.
    pub gateway_fee_id: Option<i64>,
    /// Collection: what counts against its room for refunds, in the payer's currency: what refunds
    /// have taken or are under way to take, and what its provider took back.
    pub refunded_minor: i64,
    /// Collection: what of the same goes beyond what was paid.
    pub over_refunded_minor: i64,
    /// Collection: what its payer has back for good, in the payer's currency; see
    /// [`crate::refund`].
    pub given_back_minor: i64,
    /// Collection: what the wallet has paid for that, without holds, up to `total_minor`,
    pub refunded_total_minor: i64,
    /// and beyond.
    pub over_refunded_total_minor: i64,
    /// Refund: what of its hold was released when it completed, because less was due.
    pub released_minor: i64,
    /// The network.
    pub provider: Provider,
    /// The method.
    pub method: Method,
    /// The id under which the provider knows the request.
    pub provider_request_id: String,
    /// The provider's own id of the payment.
    pub provider_transaction_id: Option<String>,
    /// What the provider said, for a person.
    pub gateway_message: Option<String>,
    /// What the wallet said, for a person.
    pub wallet_message: Option<String>,
    /// What the payer's page needs to act.
    pub client_secret: Option<String>,
    /// Whether the payer has to act.
    pub requires_action: bool,
    /// Whether the provider was asked to cancel it.
    pub cancel_asked: bool,
    /// Whether a word of its provider contradicts the books: an open review says what is to be
    /// decided.
    pub in_review: bool,
    /// How often it was sent.
    pub attempts: i64,
    /// When it was last sent, merchant time.
    pub sent_at: Option<Timestamp>,
    /// Why it is not final.
    pub waiting_for: Option<String>,
    /// When it is looked at again, merchant time; `None` when final.
    pub next_check_at: Option<Timestamp>,
    /// Until when one process alone may call the provider for it, server time.
    pub lease_until: Option<Timestamp>,
    /// When it goes to review, merchant time.
    pub deadline_at: Timestamp,
    /// When it completed, merchant time.
    pub completed_at: Option<Timestamp>,
    /// Collection: when a review settled it although it is `FAILED`, merchant time.
    pub settled_by_review_at: Option<Timestamp>,
    /// Merchant time.
    pub created_at: Timestamp,
    /// Merchant time.
    pub updated_at: Timestamp,
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
    /// The currency of the source or wallet: that of fees, holds and `total_minor`.
    #[must_use]
    pub const fn wallet_currency(&self) -> Currency {
        match self.operation {
            Operation::Collection => self.payee.currency,
            Operation::Payout | Operation::Transfer | Operation::Refund => self.payer.currency,
        }
    }

    /// What crosses to the outside: what the payer pays in, or what the payee is sent.
    #[must_use]
    pub const fn outside_amount(&self) -> Money {
        match self.operation {
            Operation::Collection => self.payer,
            Operation::Payout | Operation::Transfer | Operation::Refund => self.payee,
        }
    }

    /// Whether its money is where it was to go: it completed, or a review found that it had
    /// although it is `FAILED`.
    #[must_use]
    pub const fn is_settled(&self) -> bool {
        matches!(self.status, ExecutionStatus::Completed) || self.settled_by_review_at.is_some()
    }

    /// When its money was settled, merchant time.
    #[must_use]
    pub fn settled_at(&self) -> Option<Timestamp> {
        self.completed_at.or(self.settled_by_review_at)
    }

    /// What the payer pays; of a refund what it holds while it is under way, and what it took once
    /// it completed.
    #[must_use]
    pub const fn paid(&self) -> Money {
        Money::new(self.payer.minor.saturating_sub(self.released_minor), self.payer.currency)
    }

    /// This payment, of whose room a refund, or what its provider took back, takes `after` instead
    /// of `before`. What there is no room for is counted apart, so that room that another refund
    /// gives back is not given to a third: no refund is begun of what the payer has already.
    ///
    /// # Errors
    /// [`Inconsistent`] for sums that do not fit.
    pub fn recounted(&self, before: i64, after: i64) -> Result<Self, Inconsistent> {
        let taken =
            difference(sum(sum(self.refunded_minor, self.over_refunded_minor)?, after)?, before)?;
        if taken < 0 {
            return Err(Inconsistent(format!(
                "of payment {} less than nothing would be refunded",
                self.id
            )));
        }
        let refunded_minor = taken.min(self.payer.minor);
        let over = difference(taken, refunded_minor)?;
        let over_refunded_minor = if mutant!(ForgetOverRefund) { 0 } else { over };
        Ok(Self { refunded_minor, over_refunded_minor, ..self.clone() })
    }

    /// What it holds of its wallet while it is under way; `None` for those that hold nothing.
    #[must_use]
    pub const fn hold(&self) -> Option<(WalletId, Money)> {
        match (self.operation, self.wallet_id) {
            (Operation::Payout | Operation::Transfer | Operation::Refund, Some(wallet)) => {
                Some((wallet, self.payer))
            }
            _ => None,
        }
    }

    /// What its merchant's wallet awaits of it while it is under way; `None` for those that bring
    /// nothing in from outside.
    #[must_use]
    pub const fn incoming(&self) -> Option<Money> {
        match (self.operation, self.provider) {
            (Operation::Collection, Provider::PawaPay | Provider::Stripe) => Some(self.payee),
            _ => None,
        }
    }

    /// The figures for the ledger's recipes, once its wallet is known.
    ///
    /// # Errors
    /// [`Inconsistent`] without a wallet, or without a second one where no network is involved.
    pub fn figures(&self) -> Result<PaymentAmounts, Inconsistent> {
        let broken = |what: &str| Inconsistent(format!("execution {} has no {what}", self.id));
        let outside = match (AccountKind::clearing(self.provider), self.other_wallet_id) {
            (Some(clearing), _) => PostingTarget::System(self.merchant_id, clearing),
            (None, Some(wallet)) => {
                PostingTarget::Wallet(wallet, crate::ledger::account::Bucket::Available)
            }
            (None, None) => return Err(broken("second wallet")),
        };
        Ok(PaymentAmounts {
            merchant: self.merchant_id,
            wallet: self.wallet_id.ok_or_else(|| broken("wallet"))?,
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

    /// How long to wait for the next look after waiting since `created_at`: not for long at first,
    /// then half the time waited, up to an end, and not past the deadline.
    fn wait(&self, mode: Mode, time: Timestamp) -> i64 {
        let longest = match mode {
            Mode::Sandbox => LONGEST_WAIT_SANDBOX_US,
            Mode::Live => LONGEST_WAIT_US,
        };
        let to_deadline = self.deadline_at.since(time);
        let longest =
            if to_deadline > 0 { longest.min(to_deadline.max(SHORTEST_WAIT_US)) } else { longest };
        (time.since(self.created_at) / 2).clamp(SHORTEST_WAIT_US, longest)
    }

    /// When to look again.
    #[must_use]
    pub fn next_check(&self, mode: Mode, time: Timestamp) -> Timestamp {
        time.plus(self.wait(mode, time))
    }

    /// Whether it is to be looked at, at a merchant's `time` and at server time `now`: its time has
    /// come and nobody holds its lease, or a clock that was ahead has put it off. The later a look,
    /// the later the next, so that one which is further away than from now was put off by a later
    /// time.
    #[must_use]
    pub fn is_due(&self, mode: Mode, time: Timestamp, now: Timestamp) -> bool {
        let Some(at) = self.next_check_at else { return false };
        match self.lease_until.filter(|until| now < *until && !mutant!(LeaseIgnored)) {
            Some(until) => until.since(now) > LEASE_US + CLOCKS_APART_US,
            None => at <= time || at.since(time) > self.wait(mode, time) + CLOCKS_APART_US,
        }
    }

    /// This execution as it is written after `before`: its last change was now if a caller sees
    /// one. When it is looked at, and by whom, is none.
    #[must_use]
    pub fn dated(self, before: &Self, time: Timestamp) -> Self {
        let unseen = Self {
            cancel_asked: before.cancel_asked,
            attempts: before.attempts,
            sent_at: before.sent_at,
            next_check_at: before.next_check_at,
            lease_until: before.lease_until,
            updated_at: before.updated_at,
            ..self.clone()
        };
        let updated_at = if unseen == *before { before.updated_at } else { time };
        Self { updated_at, ..self }
    }
}
