//! Ending a payment that the payer began on a page and does not want to finish: by card, or one that
//! could not be sent yet.

use crate::decision::row::Lookup;
use crate::decision::use_case::{Context, Decision, LockKey};
use crate::decision::workspace::{RowKey, Stop, Workspace};
use crate::kernel::ids::{ExecutionId, MerchantId};
use crate::kernel::refusal::Refusal;
use crate::payments::attempt::{self, ProviderAttempt};
use crate::payments::pay_on_page;
use crate::payments::provider_call::{self, CallKind, ProviderCall};
use crate::payments::settle;

/// Asks the network to cancel a card payment. Only the network's word ends it: a payment that was
/// made in the meantime counts. What was never sent ends at once.
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
        attempt::keys_of(self.merchant_id, self.execution_id)
    }

    fn decide(
        &self,
        work: &mut Workspace,
        context: &Context<'_>,
    ) -> Result<Option<ProviderCall>, Stop> {
        let open = attempt::open_payment(self.merchant_id, self.execution_id, work)?;
        if let Some(payment) = open.as_ref().filter(|open| pay_on_page::can_withdraw(&open.attempt))
        {
            let message = "the payer withdrew it before it was sent".to_owned();
            let time = context.merchant_time(self.merchant_id, work)?;
            settle::fail(payment.execution.clone(), message, time, work, context.now)?;
            return Ok(None);
        }
        let Some(payment) = open.filter(|open| pay_on_page::is_on_card_page(&open.attempt)) else {
            return Err(Refusal::NotAwaitingAuthentication.into());
        };
        let (now, time) = (context.now, context.merchant_time(self.merchant_id, work)?);
        if payment.attempt.is_leased(now) {
            work.put(ProviderAttempt {
                cancel_asked: true,
                next_check_at: Some(time),
                ..payment.attempt
            });
            return Ok(None);
        }
        provider_call::take_lease(payment, CallKind::Cancel, work, time, now).map(Some)
    }
}
