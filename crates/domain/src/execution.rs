//! Executions: sessions carried out. The API calls them payment intents too.

use sha2::{Digest, Sha256};

use crate::api_enum;
use crate::currency::Currency;
use crate::ids::{ExecutionId, MerchantId, PaymentAccountId, SessionId, SourceId, WalletId};
use crate::ledger::{AccountKind, PaymentAmounts, PostingTarget};
use crate::money::{Money, Ratio};
use crate::mutant;
use crate::names::{Method, Mode, Operation, Provider};
use crate::time::{Timestamp, minutes, seconds};
use crate::wallet::Owner;
use crate::workspace::{Stop, RowKey, Lookup, Row, difference, sum};

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

/// What a provider said of a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ProviderOutcome {
    /// It has the request and will say more.
    Accepted,
    /// The payer has to act; the secret lets the payer's page do so.
    NeedsAction {
        /// Stripe's client secret.
        client_secret: String,
    },
    /// Money moved.
    Succeeded {
        /// The provider's own id of it.
        transaction_id: String,
        /// How much, where the provider says so.
        amount: Option<Money>,
    },
    /// No money moved, and none will.
    Declined {
        /// Why, for the merchant.
        message: String,
    },
    /// Silence: a time-out, a 5xx, a broken connection, an unreadable answer. Never a failure.
    Unknown,
    /// It does not know the request.
    NeverSeen,
}

/// The inputs of the state machine: a [`ProviderOutcome`] without its contents.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OutcomeKind {
    /// See [`ProviderOutcome::Accepted`].
    Accepted,
    /// See [`ProviderOutcome::NeedsAction`].
    NeedsAction,
    /// [`ProviderOutcome::Succeeded`] with the right amount.
    Succeeded,
    /// [`ProviderOutcome::Succeeded`] with another amount or currency.
    Mismatch,
    /// See [`ProviderOutcome::Declined`].
    Declined,
    /// See [`ProviderOutcome::Unknown`].
    Unknown,
    /// See [`ProviderOutcome::NeverSeen`].
    NeverSeen,
}

impl OutcomeKind {
    /// Every input.
    pub const ALL: &'static [Self] =
        &[Self::Accepted, Self::NeedsAction, Self::Succeeded, Self::Mismatch, Self::Declined, Self::Unknown, Self::NeverSeen];
}

/// What an input does to an execution.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transition {
    /// Nothing that was not known.
    Unchanged,
    /// It is with the provider; it is asked again later.
    Wait,
    /// Wait for the payer.
    WaitForAction,
    /// Settle.
    Complete,
    /// Release.
    Fail,
    /// Send again with the same id, or give up when its time is over.
    Resend,
    /// The word contradicts what is final, or the request: a human decides.
    Review,
}

impl ExecutionStatus {
    /// What `input` does in this state.
    #[must_use]
    pub const fn on(self, input: OutcomeKind) -> Transition {
        match (self, input) {
            (Self::Pending | Self::Processing, OutcomeKind::Accepted | OutcomeKind::Unknown) => Transition::Wait,
            (Self::Pending | Self::Processing, OutcomeKind::NeedsAction) => Transition::WaitForAction,
            (Self::Pending | Self::Processing, OutcomeKind::Succeeded) => Transition::Complete,
            (Self::Pending | Self::Processing, OutcomeKind::Declined) => Transition::Fail,
            (Self::Pending | Self::Processing, OutcomeKind::NeverSeen) => Transition::Resend,
            (Self::Pending | Self::Processing | Self::Completed | Self::Failed, OutcomeKind::Mismatch) => Transition::Review,
            (Self::Completed, OutcomeKind::Declined) => Transition::Review,
            (Self::Failed, OutcomeKind::Succeeded) => Transition::Review,
            (Self::Completed, OutcomeKind::Succeeded) | (Self::Failed, OutcomeKind::Declined) => Transition::Unchanged,
            (Self::Completed | Self::Failed, OutcomeKind::Accepted | OutcomeKind::NeedsAction | OutcomeKind::Unknown | OutcomeKind::NeverSeen) => {
                Transition::Unchanged
            }
        }
    }
}

/// A lease on a provider call, in microseconds: longer than any provider's time-out.
pub const LEASE_US: i64 = seconds(15);
/// Clocks of two processes differ by less. What is further ahead than anything that is written now could be was written by a
/// clock that has been set back since.
pub const CLOCKS_APART_US: i64 = seconds(30);
/// Between two looks at an execution at least.
pub const SHORTEST_WAIT_US: i64 = seconds(1);
/// Between two looks at an execution in the sandbox, whose provider is at hand, at most: an answer that crosses an advance of
/// the clock does not wait for longer.
pub const LONGEST_WAIT_SANDBOX_US: i64 = seconds(10);
/// The same where it is not.
pub const LONGEST_WAIT_US: i64 = minutes(15);
/// A request that is never seen is given up so long after it was last sent, and not before its deadline.
pub const NEVER_SEEN_US: i64 = minutes(15);
/// Stripe forgets idempotency keys after 24 hours: an older request is not sent again.
pub const STRIPE_RESEND_US: i64 = minutes(23 * 60);

/// How long executions may take, where an operator has not set it otherwise.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Deadlines {
    /// After this, in microseconds of merchant time, an execution that is not final goes to review.
    pub deadline_us: i64,
    /// After this, in microseconds of merchant time, a payer who does not act is given up.
    pub action_us: i64,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self { deadline_us: minutes(24 * 60), action_us: minutes(30) }
    }
}

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
    /// Units of the payer's currency (refund: of the payee's) for one unit of the source's or wallet's.
    pub rate: Ratio,
    /// The version of the rules by which its amounts were rounded: [`RULES`](crate::fees::RULES), or that of its time.
    pub rules: i64,
    /// The row of the platform's fee, where there was one.
    pub platform_fee_id: Option<i64>,
    /// The row of the network's fee, where there was one.
    pub gateway_fee_id: Option<i64>,
    /// Collection: what counts against its room for refunds, in the payer's currency: what refunds have taken or are under way to
    /// take, and what its provider took back.
    pub refunded_minor: i64,
    /// Collection: what of the same goes beyond what was paid.
    pub over_refunded_minor: i64,
    /// Collection: what its payer has back for good, in the payer's currency; see [`crate::refund`].
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
    /// Whether a word of its provider contradicts the books: an open review says what is to be decided.
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
    /// The rows that it refers to, and that a provider's word on it is about.
    #[must_use]
    pub fn referenced_keys(&self) -> Vec<RowKey> {
        let mut keys = vec![RowKey::Merchant(Lookup::Id(self.merchant_id))];
        keys.extend(self.source_id.map(|id| RowKey::Source(Lookup::Id(id))));
        keys.extend(self.wallet_id.map(|id| RowKey::Wallet(Lookup::Id(id))));
        let awaiting = |money: Money| (Owner::Merchant(self.merchant_id), money.currency);
        keys.extend(self.incoming().map(|money| RowKey::Wallet(Lookup::AltKey(awaiting(money)))));
        keys.extend(self.other_wallet_id.map(|id| RowKey::Wallet(Lookup::Id(id))));
        keys.extend(self.payment_account_id.map(|id| RowKey::PaymentAccount(Lookup::Id(id))));
        keys.extend(self.original_execution_id.map(|id| RowKey::Execution(Lookup::Id(id))));
        keys
    }

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

    /// Whether its money is where it was to go: it completed, or a review found that it had although it is `FAILED`.
    #[must_use]
    pub const fn is_settled(&self) -> bool {
        matches!(self.status, ExecutionStatus::Completed) || self.settled_by_review_at.is_some()
    }

    /// When its money was settled, merchant time.
    #[must_use]
    pub fn settled_at(&self) -> Option<Timestamp> {
        self.completed_at.or(self.settled_by_review_at)
    }

    /// What the payer pays; of a refund what it holds while it is under way, and what it took once it completed.
    #[must_use]
    pub const fn paid(&self) -> Money {
        Money::new(self.payer.minor.saturating_sub(self.released_minor), self.payer.currency)
    }

    /// This payment, of whose room a refund, or what its provider took back, takes `after` instead of `before`. What there is no
    /// room for is counted apart, so that room that another refund gives back is not given to a third: no refund is begun of
    /// what the payer has already.
    ///
    /// # Errors
    /// [`Stop::Inconsistent`] for sums that do not fit.
    pub fn recounted(&self, before: i64, after: i64) -> Result<Self, Stop> {
        let taken = difference(sum(sum(self.refunded_minor, self.over_refunded_minor)?, after)?, before)?;
        if taken < 0 {
            return Err(Stop::Inconsistent(format!("of payment {} less than nothing would be refunded", self.id)));
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
            (Operation::Payout | Operation::Transfer | Operation::Refund, Some(wallet)) => Some((wallet, self.payer)),
            _ => None,
        }
    }

    /// What its merchant's wallet awaits of it while it is under way; `None` for those that bring nothing in from outside.
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
    /// [`Stop::Inconsistent`] without a wallet, or without a second one where no network is involved.
    pub fn figures(&self) -> Result<PaymentAmounts, Stop> {
        let broken = |what: &str| Stop::Inconsistent(format!("execution {} has no {what}", self.id));
        let outside = match (AccountKind::clearing(self.provider), self.other_wallet_id) {
            (Some(clearing), _) => PostingTarget::System(self.merchant_id, clearing),
            (None, Some(wallet)) => PostingTarget::Wallet(wallet, crate::ledger::Bucket::Available),
            (None, None) => return Err(broken("second wallet")),
        };
        Ok(PaymentAmounts {
            merchant: self.merchant_id,
            wallet: self.wallet_id.ok_or_else(|| broken("wallet"))?,
            outside,
            outside_amount: self.outside_amount(),
            wallet_amount: if self.operation == Operation::Collection { self.payee } else { self.paid() },
            total: difference(self.total_minor, self.released_minor)?,
            released: self.released_minor,
            platform_fee: self.platform_fee_minor,
            gateway_fee: self.gateway_fee_minor,
            fx_fee: self.fx_fee_minor,
        })
    }

    /// How long to wait for the next look after waiting since `created_at`: not for long at first, then half the time waited,
    /// up to an end, and not past the deadline.
    fn wait(&self, mode: Mode, time: Timestamp) -> i64 {
        let longest = match mode {
            Mode::Sandbox => LONGEST_WAIT_SANDBOX_US,
            Mode::Live => LONGEST_WAIT_US,
        };
        let to_deadline = self.deadline_at.since(time);
        let longest = if to_deadline > 0 { longest.min(to_deadline.max(SHORTEST_WAIT_US)) } else { longest };
        (time.since(self.created_at) / 2).clamp(SHORTEST_WAIT_US, longest)
    }

    /// When to look again.
    #[must_use]
    pub fn next_check(&self, mode: Mode, time: Timestamp) -> Timestamp {
        time.plus(self.wait(mode, time))
    }

    /// Whether it is to be looked at, at a merchant's `time` and at server time `now`: its time has come and nobody holds its
    /// lease, or a clock that was ahead has put it off. The later a look, the later the next, so that one which is further away
    /// than from now was put off by a later time.
    #[must_use]
    pub fn is_due(&self, mode: Mode, time: Timestamp, now: Timestamp) -> bool {
        let Some(at) = self.next_check_at else { return false };
        match self.lease_until.filter(|until| now < *until && !mutant!(LeaseIgnored)) {
            Some(until) => until.since(now) > LEASE_US + CLOCKS_APART_US,
            None => at <= time || at.since(time) > self.wait(mode, time) + CLOCKS_APART_US,
        }
    }

    /// This execution as it is written after `before`: its last change was now if a caller sees one. When it is looked at, and by
    /// whom, is none.
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

/// The id under which a provider knows a request: the first 16 bytes of SHA-256 of the installation, the execution and the
/// operation, as a UUID of version 4. A retry after a crash is the same request, and two installations never collide.
#[must_use]
pub fn provider_request_id(installation: &[u8; 16], id: ExecutionId, operation: Operation) -> String {
    let hash =
        Sha256::new().chain_update(installation).chain_update(id.0.to_be_bytes()).chain_update(operation.as_str()).finalize();
    let mut hex = String::with_capacity(36);
    for (i, byte) in hash.iter().take(16).enumerate() {
        let byte = match i {
            6 => (byte & 0x0f) | 0x40,
            8 => (byte & 0x3f) | 0x80,
            _ => *byte,
        };
        if matches!(i, 4 | 6 | 8 | 10) {
            hex.push('-');
        }
        hex.push_str(&format!("{byte:02x}"));
    }
    hex
}

/// What a provider is asked to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CallKind {
    /// Carry the request out.
    Send,
    /// Say what became of it.
    Query,
    /// Cancel it, then say what became of it.
    Cancel,
}

/// All that a provider needs to know of an execution. Built from committed rows, so that a retry says the same.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProviderRequest {
    /// Whose it is.
    pub merchant_id: MerchantId,
    /// The execution.
    pub execution_id: ExecutionId,
    /// What it does.
    pub operation: Operation,
    /// The id under which the provider knows it.
    pub request_id: String,
    /// Refund: the id under which the provider knows the collection.
    pub original_request_id: Option<String>,
    /// The method.
    pub method: Method,
    /// The payer's or payee's number.
    pub account_number: Option<String>,
    /// The method of the operator that the number is given to by the tariff, where it knows one. The sandbox goes by it; a real
    /// network knows better, for numbers are ported.
    pub operator: Option<Method>,
    /// How much is moved outside.
    pub amount: Money,
    /// How often it was sent, this time included.
    pub attempts: i64,
    /// When it was last sent, merchant time.
    pub sent_at: Timestamp,
    /// Whether it waits for the payer.
    pub requires_action: bool,
    /// Whether it was asked to be canceled.
    pub cancel_asked: bool,
    /// Merchant time now.
    pub time: Timestamp,
}

/// Work at a provider that a commit has made due.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProviderCall {
    /// At which network.
    pub provider: Provider,
    /// In which mode.
    pub mode: Mode,
    /// Server time until which the call may be begun: from then on another process may begin one.
    pub lease_until: Timestamp,
    /// What to do.
    pub kind: CallKind,
    /// For what.
    pub request: ProviderRequest,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every (state, input) pair.
    #[test]
    fn the_life_of_an_execution() {
        use Transition::{Complete, Fail, Resend, Review, Unchanged, Wait, WaitForAction};
        let open = [Wait, WaitForAction, Complete, Review, Fail, Wait, Resend];
        let table = [
            (ExecutionStatus::Pending, open),
            (ExecutionStatus::Processing, open),
            (ExecutionStatus::Completed, [Unchanged, Unchanged, Unchanged, Review, Review, Unchanged, Unchanged]),
            (ExecutionStatus::Failed, [Unchanged, Unchanged, Review, Review, Unchanged, Unchanged, Unchanged]),
        ];
        assert_eq!(table.len(), ExecutionStatus::ALL.len());
        for (state, steps) in table {
            for (input, step) in OutcomeKind::ALL.iter().zip(steps) {
                assert_eq!(state.on(*input), step, "{state} on {input:?}");
            }
        }
    }

    #[test]
    fn silence_is_never_failure() {
        for state in [ExecutionStatus::Pending, ExecutionStatus::Processing] {
            assert_eq!(state.on(OutcomeKind::Unknown), Transition::Wait);
        }
    }

    #[test]
    fn the_id_for_a_provider_is_a_uuid_v4_that_differs_by_installation_execution_and_operation() {
        let id = provider_request_id(&[0; 16], ExecutionId(1), Operation::Payout);
        assert_eq!(id.len(), 36);
        assert_eq!(&id[14..15], "4");
        assert!("89ab".contains(&id[19..20]));
        assert_eq!(id, provider_request_id(&[0; 16], ExecutionId(1), Operation::Payout));
        assert_ne!(id, provider_request_id(&[1; 16], ExecutionId(1), Operation::Payout));
        assert_ne!(id, provider_request_id(&[0; 16], ExecutionId(2), Operation::Payout));
        assert_ne!(id, provider_request_id(&[0; 16], ExecutionId(1), Operation::Refund));
    }
}
