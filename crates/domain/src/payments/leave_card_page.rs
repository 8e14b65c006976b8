//! Ending a card payment that the payer began on a page and does not want to finish.

use crate::decision::row::Lookup;
use crate::decision::use_case::{Context, Decision, LockKey};
use crate::decision::workspace::{RowKey, Stop, Workspace};
use crate::directory::merchant::Merchant;
use crate::kernel::ids::{ExecutionId, MerchantId};
use crate::kernel::refusal::Refusal;
use crate::payments::attempt::{self, LEASE_US, NetworkPayment, ProviderAttempt};
use crate::payments::execution::Execution;
use crate::payments::pay_on_page;
use crate::payments::provider_call::{self, CallKind, ProviderCall};

/// Asks the network to cancel a card payment. Only the network's word ends it: a payment that was
/// made in the meantime counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LeaveCardPage {
    pub merchant_id: MerchantId,
    pub execution_id: ExecutionId,
}

impl Decision for LeaveCardPage {
    /// The call to make; `None` if another process is calling the network now, which then cancels
    /// next.
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
        let Some(attempt) =
            attempt::open_attempt(&execution, work)?.filter(pay_on_page::is_on_card_page)
        else {
            return Err(Refusal::NotAwaitingAuthentication.into());
        };
        let cancelled = ProviderAttempt { cancel_asked: true, ..attempt };
        if cancelled.lease_until.is_some_and(|until| now < until) {
            work.put(ProviderAttempt { next_check_at: Some(time), ..cancelled });
            return Ok(None);
        }
        let attempt = ProviderAttempt {
            asked_at: Some(time),
            next_check_at: Some(time.plus(LEASE_US)),
            lease_until: Some(now.plus(LEASE_US)),
            ..cancelled
        };
        let payment = NetworkPayment { execution: (*execution).clone(), attempt };
        let call = provider_call::build(&payment, None, CallKind::Cancel, work, now)?;
        work.put(payment.attempt);
        Ok(Some(call))
    }
}
