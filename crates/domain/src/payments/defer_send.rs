//! Putting off a request that was not sent: the network is left alone for now.

use crate::decision::use_case::{Context, Decision, LockKey};
use crate::decision::workspace::{RowKey, Stop, Workspace};
use crate::directory::merchant::Merchant;
use crate::kernel::ids::ExecutionId;
use crate::kernel::time::{ServerTime, seconds};
use crate::mutant;
use crate::network_accounts::exchange::{self, Said};
use crate::payments::attempt::{self, Gate, NetworkPayment, ProviderAttempt};
use crate::payments::execution::Execution;

/// Puts a request back behind a gate, because it certainly did not reach the network. Only the
/// process that holds the lease may say so.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeferSend {
    pub execution_id: ExecutionId,
    /// How often the request had been sent with the sending that did not happen.
    pub send_count: i64,
    pub gate: Gate,
    /// When the gate is looked at again, in microseconds from now; at most [`LONGEST_US`].
    pub again_after_us: i64,
    /// The call that was not taken, where there was one.
    pub exchanges: Vec<Said>,
}

/// A gate is looked at again after at most this time, in microseconds: a check that is further ahead
/// would look as if a wrong clock had put it off.
const LONGEST_US: i64 = seconds(25);

impl Decision for DeferSend {
    /// The payment, while it is under way.
    type Output = attempt::WithAttempt;

    fn lock_key(&self) -> Option<LockKey> {
        Some(attempt::lock_key(self.execution_id))
    }

    fn hints(&self) -> Vec<RowKey> {
        attempt::keys(self.execution_id)
    }

    fn likely_keys(&self, work: &Workspace) -> Vec<RowKey> {
        attempt::referenced_keys(self.execution_id, work)
    }

    fn decide(
        &self,
        work: &mut Workspace,
        context: &Context<'_>,
    ) -> Result<attempt::WithAttempt, Stop> {
        defer(self, work, context.now)
    }
}

fn defer(
    request: &DeferSend,
    work: &mut Workspace,
    now: ServerTime,
) -> Result<attempt::WithAttempt, Stop> {
    let payment = NetworkPayment::require(request.execution_id, work)?;
    let merchant = payment.execution.merchant_id;
    exchange::record(merchant, payment.execution.id, &request.exchanges, work)?;
    let is_latest = payment.attempt.send_count == request.send_count;
    if payment.execution.status.is_final() || !is_latest {
        let attempt = Some(payment.attempt).filter(|_| !payment.execution.status.is_final());
        return Ok(attempt::WithAttempt { execution: payment.execution, attempt });
    }
    let time = work.require::<Merchant>(payment.execution.merchant_id)?.time(now);
    let NetworkPayment { execution, attempt } = payment.clone();
    mutant!(TokenRefusalFails => return fail_refused(&payment, request.gate, time, work, now));
    let never_sent = attempt.send_count <= 1 || mutant!(DeferredForgotten);
    let attempt = ProviderAttempt {
        send_count: attempt.send_count.saturating_sub(1),
        // What was sent before may be at the network: it is asked about, and has no gate.
        gate: Some(request.gate).filter(|_| never_sent),
        sent_at: attempt.sent_at.filter(|_| !never_sent),
        next_check_at: Some(time.plus(request.again_after_us.clamp(0, LONGEST_US))),
        lease_until: None,
        ..attempt
    };
    let waiting_for = Some(request.gate.waiting_for().to_owned());
    let after = NetworkPayment { attempt, execution: Execution { waiting_for, ..execution } }
        .with_updated_at(&payment, time);
    after.put(work);
    let NetworkPayment { execution, attempt } = after;
    Ok(attempt::WithAttempt { execution, attempt: Some(attempt) })
}
