//! What an operator may set.

use crate::kernel::refusal::Refusal;
use crate::kernel::time::{Timestamp, minutes, seconds};
use crate::ledger::wallet;

/// What an operator may set.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Settings {
    /// How long sessions live.
    pub lifetimes: Lifetimes,
    /// How long executions may take.
    pub deadlines: Deadlines,
    /// What merchants may do to each other by transfers.
    pub transfers: TransferLimits,
}

/// How long sessions may live, where an operator has not set it otherwise.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lifetimes {
    /// A checkout session, in microseconds.
    pub checkout_us: i64,
    /// A payout session whose caller gives no expiry, in microseconds.
    pub payout_us: i64,
    /// The furthest `expires_at`, in days.
    pub max_days: i64,
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self { checkout_us: minutes(30), payout_us: minutes(15), max_days: 366 }
    }
}

/// Whether `expires_at` is in the future and not too far.
///
/// # Errors
/// [`Refusal::ExpiryPast`], [`Refusal::ExpiryFar`].
pub fn check_expiry(
    expires_at: Timestamp,
    time: Timestamp,
    lifetimes: Lifetimes,
) -> Result<Timestamp, Refusal> {
    if expires_at <= time {
        Err(Refusal::ExpiryPast { now: time })
    } else if expires_at > time.plus(seconds(lifetimes.max_days.saturating_mul(86_400))) {
        Err(Refusal::ExpiryFar { days: lifetimes.max_days })
    } else {
        Ok(expires_at)
    }
}

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

/// What merchants may do to each other by transfers, where an operator has not set it otherwise.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TransferLimits {
    /// The most minor units that a wallet may have, hold and await after a transfer from another
    /// merchant: far less than its [room](wallet::WALLET_LIMIT_MINOR), so that no stranger fills it until
    /// its own collections are refused.
    pub fill_minor: i64,
    /// Of so many parties an hour a merchant may be told who receives a transfer to them: it says
    /// whose phone is a merchant's. Parties that it was told of before do not count.
    pub recipients_per_hour: i64,
}

impl Default for TransferLimits {
    fn default() -> Self {
        Self { fill_minor: wallet::WALLET_LIMIT_MINOR / 40, recipients_per_hour: 1_000 }
    }
}
