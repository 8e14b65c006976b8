//! What payers do on pages after they have begun to pay: they ask how it stands, or leave the page on
//! which they were to enter a card.

use domain::decision::command::Output;
use domain::kernel::refusal::Subject;
use domain::payments::provider_call::ProviderCall;

use super::model::{Execution, Mismatch, Model};
use super::{Observed, first, network, output};

/// A network is asked for a payer only so long after the payment was last sent or asked about.
const QUIET: i64 = 10 * 1_000_000;

/// Whether another process may be calling the network now.
fn is_leased(own: &Execution, observed: Observed<'_>) -> bool {
    own.lease.is_some_and(|until| observed.now < until)
}

impl Model {
    fn execution_of(&self, merchant: i64, id: i64) -> Option<&Execution> {
        self.executions.get(&id).filter(|own| own.merchant == merchant)
    }

    /// The network is asked to cancel a card payment that a payer began on a page and has not
    /// finished. Only the network's word ends it.
    pub(super) fn card_page_left(
        &mut self,
        merchant: i64,
        id: i64,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        let own = self.execution_of(merchant, id).cloned();
        // What was not sent is withdrawn at once.
        if own.as_ref().is_some_and(|own| own.is_unsent() && own.page.is_some()) {
            if observed.check_acceptance(vec![])? {
                if let Some(call) = output!(observed, Output::LeaveCardPage(call) => call) {
                    return Err(format!("it was never sent, and the network is called: {call:?}"));
                }
                self.fail_unsent(id)?;
            }
            return Ok(());
        }
        let idle = own.as_ref().is_some_and(|own| {
            own.is_final() || own.page.is_none() || !own.requires_action || own.cancel_requested
        });
        if !observed.check_acceptance(first(&[
            (own.is_none(), (Subject::Target, "not_found")),
            (idle, (Subject::Execution, "state")),
        ]))? {
            return Ok(());
        }
        let call = output!(observed, Output::LeaveCardPage(call) => call);
        let leased = own.as_ref().is_some_and(|own| is_leased(own, observed));
        if call.is_some() == leased {
            return Err(format!("leased: {leased}, and the call is {call:?}"));
        }
        match call {
            Some(call) => self.asked(id, &call, |_| true, observed),
            // Whoever asks next cancels.
            None => {
                self.executions.entry(id).and_modify(|known| known.cancel_requested = true);
                Ok(())
            }
        }
    }

    pub(super) fn checked_now(
        &mut self,
        merchant: i64,
        id: i64,
        even_if_final: bool,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        let own = self.execution_of(merchant, id).cloned();
        let unknown = (own.is_none(), (Subject::Target, "not_found"));
        if !observed.check_acceptance(first(&[unknown]))? {
            return Ok(());
        }
        let own = own.ok_or_else(|| format!("execution {id} is not known"))?;
        let call = output!(observed, Output::CheckNow(call) => call);
        // The merchant's clock may have been advanced in the middle of the batch.
        let seen = call.as_ref().map(|call| call.request.time.0).filter(|_| observed.overlapped);
        let time = seen.unwrap_or_else(|| self.time(merchant, observed.now));
        if own.is_final() {
            return self.checked_after_end(id, &own, call.as_ref(), even_if_final, time, observed);
        }
        let last = own.asked.map_or(own.sent, |asked| asked.max(own.sent));
        let due = own.sends > 0 && !is_leased(&own, observed) && time >= last + QUIET;
        match call {
            Some(call) if due => self.asked(id, &call, |_| own.cancel_requested, observed),
            None if !due || observed.overlapped => Ok(()),
            call => Err(format!("last sent or asked at {last}, now it is {time}: {call:?}")),
        }
    }

    /// A network hints at news of a payment that is final: it is asked, though nobody waits for it.
    fn checked_after_end(
        &mut self,
        id: i64,
        own: &Execution,
        call: Option<&ProviderCall>,
        even_if_final: bool,
        time: i64,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        let due = even_if_final && own.asked.is_none_or(|asked| time >= asked + QUIET);
        if call.is_some() != due && !observed.overlapped {
            return Err(format!("asked at {:?}, now it is {time}: {call:?}", own.asked));
        }
        if call.is_some() {
            let lease = Some(observed.now + network::LEASE);
            let asked = Execution { lease, ..own.clone() };
            self.check_call(id, &asked, call, false, observed)?;
            self.executions.entry(id).and_modify(|known| known.asked = Some(time));
        }
        Ok(())
    }
}
