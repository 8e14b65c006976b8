//! Settings of the operator that decisions depend on.

use crate::kernel::refusal::Refusal;
use crate::kernel::time::{MerchantTime, minutes, seconds};
use crate::ledger::wallet;
use crate::payments::provider_call::WriteBody;
use crate::payments::request_limit::PageLimits;

#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Settings {
    pub lifetimes: Lifetimes,
    pub deadlines: Deadlines,
    pub transfers: TransferLimits,
    pub refunds: RefundLimits,
    pub page_limits: PageLimits,
    pub write_body: WriteBody,
}

/// How long sessions can be executed. The defaults hold unless the operator sets other values.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lifetimes {
    /// Of a checkout session, in microseconds.
    pub checkout_us: i64,
    /// Of a payout session without an `expires_at` in its request, in microseconds.
    pub payout_us: i64,
    /// The furthest `expires_at`, in days from now.
    pub max_days: i64,
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self { checkout_us: minutes(30), payout_us: minutes(15), max_days: 366 }
    }
}

/// Checks that `expires_at` is in the future and not too far ahead.
///
/// # Errors
/// [`Refusal::ExpiryInPast`], [`Refusal::ExpiryTooFar`].
pub fn check_expiry(
    expires_at: MerchantTime,
    time: MerchantTime,
    lifetimes: Lifetimes,
) -> Result<MerchantTime, Refusal> {
    if expires_at <= time {
        Err(Refusal::ExpiryInPast { now: time })
    } else if expires_at > time.plus(seconds(lifetimes.max_days.saturating_mul(86_400))) {
        Err(Refusal::ExpiryTooFar { days: lifetimes.max_days })
    } else {
        Ok(expires_at)
    }
}

/// How long executions may take. The defaults hold unless the operator sets other values.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Deadlines {
    /// An execution that is not final after this time goes to review; in microseconds of merchant
    /// time.
    pub deadline_us: i64,
    /// A payment that the payer has not authenticated after this time is canceled; in microseconds of
    /// merchant time.
    pub action_us: i64,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self { deadline_us: minutes(24 * 60), action_us: minutes(30) }
    }
}

/// Limits on what merchants can do to each other by transfers. The defaults hold unless the operator
/// sets other values.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TransferLimits {
    /// The limit of a wallet's available, held and incoming amounts together, in minor units, after a
    /// transfer from another merchant. It is far below the [limit](wallet::WALLET_LIMIT_MINOR) for the
    /// merchant's own payments, so that no stranger can fill the wallet until collections are refused.
    pub balance_max_minor: i64,
    /// For how many new parties per hour a merchant may learn who receives a transfer to them, which
    /// reveals whose phone number is a merchant's.
    pub recipients_per_hour: i64,
}

impl Default for TransferLimits {
    fn default() -> Self {
        Self { balance_max_minor: wallet::WALLET_LIMIT_MINOR / 40, recipients_per_hour: 1_000 }
    }
}

/// Limits on refunds. The defaults hold unless the operator sets other values.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RefundLimits {
    /// For so many days after it was settled a merchant refunds a payment that was exchanged. A refund
    /// is made at the rate of its payment: without a limit it would be a free option on the currency.
    /// Later only the operator refunds it.
    pub exchanged_days: i64,
}

impl Default for RefundLimits {
    fn default() -> Self {
        Self { exchanged_days: 90 }
    }
}
