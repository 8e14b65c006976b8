//! Asking a network about a payment before its next check, because its payer asks.

use crate::decision::row::Lookup;
use crate::decision::use_case::{Context, Decision, LockKey};
use crate::decision::workspace::{RowKey, Stop, Workspace};
use crate::directory::merchant::Merchant;
use crate::kernel::ids::{ExecutionId, MerchantId};
use crate::kernel::refusal::Refusal;
use crate::kernel::time::seconds;
use crate::payments::attempt::{self, LEASE_US, NetworkPayment, ProviderAttempt};
use crate::payments::execution::Execution;
use crate::payments::provider_call::{self, CallKind, ProviderCall};

/// A network is not asked about a payment more often than this because a payer asks, in
/// microseconds.
const MIN_INTERVAL_US: i64 = seconds(10);

/// Takes the lease to ask the network how a payment stands. The output is the call; `None` if the
/// payment is final, or it was sent or asked about a moment ago.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CheckNow {
    pub merchant_id: MerchantId,
    pub execution_id: ExecutionId,
}

impl Decision for CheckNow {
    type Output = Option<ProviderCall>;

    fn lock_key(&self) -> Option<LockKey> {
        let key = RowKey::Execution(Lookup::Id(self.execution_id));
        Some(LockKey { key, owner: Some(self.merchant_id) })
    }

    fn hints(&self) -> Vec<RowKey> {
        vec![
            RowKey::Merchant(Lookup::Id(self.merchant_id)),
            RowKey::Execution(Lookup::Id(self.execution_id)),
            RowKey::ProviderAttempt(Lookup::Id(self.execution_id)),
        ]
    }

    fn decide(
        &self,
        work: &mut Workspace,
        context: &Context<'_>,
    ) -> Result<Option<ProviderCall>, Stop> {
        let found = work.get::<Execution>(self.execution_id)?;
        let execution = found
            .filter(|execution| execution.merchant_id == self.merchant_id)
            .ok_or(Refusal::NotFound)?;
        let merchant = work.require::<Merchant>(self.merchant_id)?;
        let (now, time) = (context.now, merchant.time(context.now));
        let Some(attempt) = attempt::open_attempt(&execution, work)? else { return Ok(None) };
        // An attempt that waits at a gate was not sent: the network knows nothing of it.
        let last = attempt.asked_at.max(attempt.sent_at);
        let is_recent = last.is_none_or(|at| time.since(at) < MIN_INTERVAL_US);
        if is_recent || attempt.lease_until.is_some_and(|until| now < until) {
            return Ok(None);
        }
        let kind = if attempt.cancel_asked { CallKind::Cancel } else { CallKind::Query };
        let attempt = ProviderAttempt {
            asked_at: Some(time),
            next_check_at: Some(time.plus(LEASE_US)),
            lease_until: Some(now.plus(LEASE_US)),
            ..attempt
        };
        let payment = NetworkPayment { execution: (*execution).clone(), attempt };
        let call = provider_call::build(&payment, None, kind, work, now)?;
        work.put(payment.attempt);
        Ok(Some(call))
    }
}
