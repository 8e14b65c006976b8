//! Asking a network about a payment before its next check, because its payer asks or the network
//! hints at news.

use crate::decision::row::Lookup;
use crate::decision::use_case::{Context, Decision, LockKey};
use crate::decision::workspace::{RowKey, Stop, Workspace};
use crate::directory::roles::Action;
use crate::kernel::ids::{ExecutionId, MerchantId};
use crate::kernel::time::seconds;
use crate::payments::attempt::{self, LEASE_US, NetworkPayment, ProviderAttempt};
use crate::payments::provider_call::{self, CallKind, ProviderCall};

/// A network is not asked about a payment more often than this because of a payer or a hint, in
/// microseconds.
const MIN_INTERVAL_US: i64 = seconds(10);

/// Takes the lease to ask the network how a payment stands. The output is the call; `None` if the
/// payment is final, or it was sent or asked about a moment ago.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CheckNow {
    pub merchant_id: MerchantId,
    pub execution_id: ExecutionId,
    /// Whether a final payment is asked about, too, because its network hints at something else.
    pub even_if_final: bool,
}

impl Decision for CheckNow {
    type Output = Option<ProviderCall>;

    fn action(&self) -> Option<Action> {
        Some(Action::FollowUp)
    }

    fn lock_key(&self) -> Option<LockKey> {
        let key = RowKey::Execution(Lookup::Id(self.execution_id));
        Some(LockKey { key, owner: Some(self.merchant_id) })
    }

    fn hints(&self) -> Vec<RowKey> {
        attempt::keys_of(self.merchant_id, self.execution_id)
    }

    fn decide(
        &self,
        work: &mut Workspace,
        context: &Context<'_>,
    ) -> Result<Option<ProviderCall>, Stop> {
        let Some(payment) = attempt::open_payment(self.merchant_id, self.execution_id, work)?
        else {
            return self.ask_about_final(work, context);
        };
        let (now, time) = (context.now, context.merchant_time(self.merchant_id, work)?);
        let attempt = &payment.attempt;
        let last = attempt.asked_at.max(attempt.sent_at);
        let is_recent = last.is_none_or(|at| time.since(at) < MIN_INTERVAL_US);
        // What waits at a gate was not sent: the network knows nothing of it. It may have been asked
        // all the same, by another process before the sending was put back.
        if !attempt.was_sent() || is_recent || attempt.is_leased(now) {
            return Ok(None);
        }
        let kind = if attempt.cancel_asked { CallKind::Cancel } else { CallKind::Query };
        provider_call::take_lease(payment, kind, work, time, now).map(Some)
    }
}

impl CheckNow {
    /// The question about a final payment, without a lease: no poll competes with it.
    fn ask_about_final(
        &self,
        work: &mut Workspace,
        context: &Context<'_>,
    ) -> Result<Option<ProviderCall>, Stop> {
        if !self.even_if_final {
            return Ok(None);
        }
        let payment = NetworkPayment::require(self.execution_id, work)?;
        let (now, time) = (context.now, context.merchant_time(self.merchant_id, work)?);
        if payment.attempt.asked_at.is_some_and(|at| time.since(at) < MIN_INTERVAL_US) {
            return Ok(None);
        }
        let mut call = provider_call::build(&payment, None, CallKind::Query, work, now)?;
        call.lease_until = now.plus(LEASE_US);
        work.put(ProviderAttempt { asked_at: Some(time), ..payment.attempt });
        Ok(Some(call))
    }
}
