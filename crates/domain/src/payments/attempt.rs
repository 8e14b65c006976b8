//! The attempt at a network to carry out an execution: its request, when it was sent, who may call
//! the network now, and when the network is asked again.

use crate::api_enum;
use crate::decision::row::{Lookup, NoAltKey, Row};
use crate::decision::settings::Deadlines;
use crate::decision::use_case::LockKey;
use crate::decision::workspace::{RowKey, Stop, Workspace};
use crate::kernel::ids::{CheckoutConfigId, ExecutionId, MerchantId, NetworkAccountId};
use crate::kernel::names::{Mode, Operation};
use crate::kernel::refusal::Refusal;
use crate::kernel::time::{MerchantTime, ServerTime, minutes, seconds};
use crate::kernel::trace::TraceContext;
use crate::kernel::uuids::NetworkRequestId;
use crate::ledger::account::AccountKind;
use crate::mutant;
use crate::payments::execution::Execution;

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

api_enum! {
    /// Why an attempt may not be sent yet.
    Gate {
        /// The network fails so often that it is left alone.
        Circuit = "CIRCUIT",
        /// The network account has reached its calls a second.
        Rate = "RATE",
        /// Another refund of the same payment is under way.
        RefundQueue = "REFUND_QUEUE",
        /// Somebody has to approve it.
        Approval = "APPROVAL",
        /// The network account is held by an operator.
        Held = "HELD",
    }
}

impl Gate {
    /// What an execution waits for behind it, for the merchant.
    #[must_use]
    pub const fn waiting_for(self) -> &'static str {
        match self {
            Self::Circuit => "the network, which does not answer at present; it was not sent yet",
            Self::Rate => {
                "the network, which takes no more requests at present; it was not sent yet"
            }
            Self::RefundQueue => "another refund of this payment, which is under way",
            Self::Approval => "approval",
            Self::Held => {
                "the operator, who has stopped payments at this network; it was not sent yet"
            }
        }
    }
}

/// How often a gate is looked at again, in microseconds.
pub const GATE_CHECK_US: i64 = seconds(10);

/// A collection that was not sent within this time is failed, in microseconds: nobody is asked for a
/// PIN hours later, at an old rate.
pub const UNSENT_COLLECTION_US: i64 = minutes(15);

/// A payout or refund that was not sent within this time is failed, in microseconds.
pub const UNSENT_OUTGOING_US: i64 = minutes(24 * 60);

/// One that nobody approved within this time is failed, in microseconds.
pub const UNAPPROVED_US: i64 = minutes(72 * 60);

/// The attempt at a network to carry out an execution. The id of a request at a network follows from
/// the execution, so that there is one attempt for each: it is sent again, never replaced.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProviderAttempt {
    pub execution_id: ExecutionId,
    pub merchant_id: MerchantId,
    /// All calls and callbacks of the payment, and of its refunds, go to this account.
    pub network_account_id: NetworkAccountId,
    /// Our id of the request; see
    /// [`network_request_id`](crate::payments::provider_call::network_request_id).
    pub request_id: NetworkRequestId,
    /// The network's own id of the request, from the moment it is known. The sandbox has none. An
    /// execution's `provider_transaction_id` is the id of the payment, which a receipt shows.
    pub network_reference: Option<String>,
    /// Why it may not be sent yet; `None` for all requests to the sandbox.
    pub gate: Option<Gate>,
    /// How often it was sent.
    pub send_count: i64,
    /// When it was last sent.
    pub sent_at: Option<MerchantTime>,
    /// When the network was last asked how the payment stands.
    pub asked_at: Option<MerchantTime>,
    /// The body of the request as it is first sent, so that it is repeated word by word.
    pub body: Option<String>,
    /// When the network is asked next; `None` when the execution is final, or waits for an approval.
    pub next_check_at: Option<MerchantTime>,
    /// Until when the process that holds the lease alone may call the network.
    pub lease_until: Option<ServerTime>,
    /// When the execution goes to review.
    pub deadline_at: MerchantTime,
    /// Whether the network was asked to cancel it. One that was not sent is not to be sent any more.
    pub cancel_asked: bool,
    /// Whether the payer has to authenticate the payment.
    pub requires_action: bool,
    /// The secret with which the payer's page authenticates a card payment.
    pub client_secret: Option<String>,
    /// The page on which the payer began it. A card is then entered on a page of the network, which
    /// leads back to this one.
    pub page_id: Option<CheckoutConfigId>,
    /// The refund of this payment that was sent last. A network takes one at a time: the next one
    /// waits until it is final.
    pub last_refund_id: Option<ExecutionId>,
    /// The request that began it, if that is traced: calls, callbacks and the settlement continue its
    /// trace, also after a restart.
    pub trace: Option<TraceContext>,
}

impl Row for ProviderAttempt {
    type Id = ExecutionId;
    type AltKey = NoAltKey;

    fn id(&self) -> ExecutionId {
        self.execution_id
    }

    fn alt_key(&self) -> Option<NoAltKey> {
        None
    }
}

impl ProviderAttempt {
    /// The attempt of an execution that is final: nothing is asked any more.
    #[must_use]
    pub fn ended(self) -> Self {
        Self {
            gate: None,
            next_check_at: None,
            lease_until: None,
            client_secret: None,
            requires_action: false,
            ..self
        }
    }

    /// This attempt, sent for the first time. Its deadline begins now.
    #[must_use]
    pub fn first_sent(self, deadlines: Deadlines, time: MerchantTime, now: ServerTime) -> Self {
        Self {
            gate: None,
            send_count: 1,
            sent_at: Some(time),
            next_check_at: Some(time.plus(LEASE_US)),
            lease_until: Some(now.plus(LEASE_US)),
            deadline_at: time.plus(deadlines.deadline_us),
            ..self
        }
    }

    /// Whether it was ever sent. What was not is not asked about: the network cannot know it.
    #[must_use]
    pub const fn was_sent(&self) -> bool {
        self.send_count > 0
    }

    /// Whether a process may be calling the network at server time `now`.
    #[must_use]
    pub fn is_leased(&self, now: ServerTime) -> bool {
        self.lease_until.is_some_and(|until| now < until)
    }

    /// The ledger's account for money at the network.
    #[must_use]
    pub const fn clearing(&self) -> AccountKind {
        AccountKind::Clearing(self.network_account_id)
    }
}

/// An execution that a network carries out, with its attempt there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NetworkPayment {
    pub execution: Execution,
    pub attempt: ProviderAttempt,
}

impl NetworkPayment {
    /// An execution with its attempt.
    ///
    /// # Errors
    /// [`Stop::NotLoaded`]; [`Stop::Inconsistent`] when one of them is not there.
    pub fn require(id: ExecutionId, work: &Workspace) -> Result<Self, Stop> {
        Ok(Self {
            execution: (*work.require::<Execution>(id)?).clone(),
            attempt: (*work.require::<ProviderAttempt>(id)?).clone(),
        })
    }

    pub(crate) fn put(&self, work: &mut Workspace) {
        work.put(self.execution.clone());
        work.put(self.attempt.clone());
    }

    /// This payment, which was not sent, behind a gate that is looked at again at `check_at`; for one
    /// that waits for an approval there is nothing to look at.
    #[must_use]
    pub(crate) fn behind(self, gate: Gate, check_at: MerchantTime) -> Self {
        let waiting_for = Some(gate.waiting_for().to_owned());
        Self {
            execution: Execution { waiting_for, ..self.execution },
            attempt: ProviderAttempt {
                gate: Some(gate),
                next_check_at: Some(check_at).filter(|_| gate != Gate::Approval),
                ..self.attempt
            },
        }
    }

    /// This payment with its `updated_at`, as the successor of `before`: `time` where a caller
    /// of the API sees a change, else unchanged. Polls and leases are no change to callers.
    #[must_use]
    pub fn with_updated_at(self, before: &Self, time: MerchantTime) -> Self {
        let seen =
            |attempt: &ProviderAttempt| (attempt.requires_action, attempt.client_secret.clone());
        let execution = if seen(&self.attempt) == seen(&before.attempt) {
            self.execution.with_updated_at(&before.execution, time)
        } else {
            Execution { updated_at: time, ..self.execution }
        };
        Self { execution, ..self }
    }

    /// The time until the next poll: half the time since `created_at`, within the shortest and
    /// longest interval, and not past the deadline.
    fn poll_interval(&self, mode: Mode, time: MerchantTime) -> i64 {
        let longest = match mode {
            Mode::Sandbox => MAX_POLL_INTERVAL_SANDBOX_US,
            Mode::Test | Mode::Live => MAX_POLL_INTERVAL_US,
        };
        let to_deadline = self.attempt.deadline_at.since(time);
        let longest = if to_deadline > 0 {
            longest.min(to_deadline.max(MIN_POLL_INTERVAL_US))
        } else {
            longest
        };
        (time.since(self.execution.created_at) / 2).clamp(MIN_POLL_INTERVAL_US, longest)
    }

    /// How long it may wait behind its gate, in microseconds.
    #[must_use]
    pub fn unsent_limit(&self) -> i64 {
        match (self.attempt.gate, self.execution.operation()) {
            (Some(Gate::Approval), _) => UNAPPROVED_US,
            (_, Operation::Collection) => UNSENT_COLLECTION_US,
            _ => UNSENT_OUTGOING_US,
        }
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
    /// Poll intervals grow with time, except towards the deadline, which no check goes past. So a next
    /// check beyond today's interval is the proof.
    #[must_use]
    pub fn is_due(&self, mode: Mode, time: MerchantTime, now: ServerTime) -> bool {
        let Some(at) = self.attempt.next_check_at else { return false };
        match self.attempt.lease_until.filter(|until| now < *until && !mutant!(LeaseIgnored)) {
            Some(until) => until.since(now) > LEASE_US + MAX_CLOCK_SKEW_US,
            None => {
                at <= time || at.since(time) > self.poll_interval(mode, time) + MAX_CLOCK_SKEW_US
            }
        }
    }
}

/// The lock key of what a network or a job decides about an execution.
pub(crate) const fn lock_key(id: ExecutionId) -> LockKey {
    LockKey { key: RowKey::Execution(Lookup::Id(id)), owner: None }
}

/// The rows that such a decision will certainly read.
pub(crate) fn keys(id: ExecutionId) -> Vec<RowKey> {
    vec![RowKey::Execution(Lookup::Id(id)), RowKey::ProviderAttempt(Lookup::Id(id))]
}

/// The rows that an execution leads to, once it is loaded.
pub(crate) fn referenced_keys(id: ExecutionId, work: &Workspace) -> Vec<RowKey> {
    match work.get::<Execution>(id) {
        Ok(Some(execution)) => execution.referenced_keys(),
        _ => vec![],
    }
}

/// The rows that a decision about a merchant's payment at its network will certainly read.
#[must_use]
pub fn keys_of(merchant: MerchantId, id: ExecutionId) -> Vec<RowKey> {
    vec![
        RowKey::Merchant(Lookup::Id(merchant)),
        RowKey::Execution(Lookup::Id(id)),
        RowKey::ProviderAttempt(Lookup::Id(id)),
    ]
}

/// A merchant's execution with its attempt, if it is under way at a network.
///
/// # Errors
/// [`Refusal::NotFound`]; [`Stop::NotLoaded`], [`Stop::Inconsistent`].
pub fn open_payment(
    merchant: MerchantId,
    id: ExecutionId,
    work: &Workspace,
) -> Result<Option<NetworkPayment>, Stop> {
    let found = work.get::<Execution>(id)?.filter(|execution| execution.merchant_id == merchant);
    let execution = (*found.ok_or(Refusal::NotFound)?).clone();
    let attempt = open_attempt(&execution, work)?;
    Ok(attempt.map(|attempt| NetworkPayment { execution, attempt }))
}

/// An execution and, while it is under way, its attempt at the network: all that its caller sees.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WithAttempt {
    pub execution: Execution,
    pub attempt: Option<ProviderAttempt>,
}

/// The attempt of an execution that is not final; `None` for one that is.
///
/// # Errors
/// [`Stop::NotLoaded`], [`Stop::Inconsistent`].
pub fn open_attempt(
    execution: &Execution,
    work: &Workspace,
) -> Result<Option<ProviderAttempt>, Stop> {
    if execution.status.is_final() || !execution.has_network() {
        return Ok(None);
    }
    Ok(Some((*work.require::<ProviderAttempt>(execution.id)?).clone()))
}

/// The ledger's account for the money that a network moves for an execution; `None` for a payment
/// between wallets.
///
/// # Errors
/// [`Stop::NotLoaded`], [`Stop::Inconsistent`].
pub(crate) fn clearing(
    execution: &Execution,
    work: &Workspace,
) -> Result<Option<AccountKind>, Stop> {
    if !execution.has_network() {
        return Ok(None);
    }
    Ok(Some(work.require::<ProviderAttempt>(execution.id)?.clearing()))
}
