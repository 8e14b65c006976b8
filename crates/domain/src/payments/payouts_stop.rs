//! Stopping what leaves the installation: payouts and refunds through a network.
//!
//! Where the books may be wrong, what has left cannot be put right, and everything else can. So
//! collections go on, and so do payments between wallets: what they move stays in the books.

use crate::decision::use_case::{Context, Decision, LockKey};
use crate::decision::workspace::{Stop, Workspace};
use crate::kernel::ids::NetworkAccountId;
use crate::kernel::names::Operation;
use crate::kernel::time::ServerTime;
use crate::tariff::Tariff;
use crate::tariff::change::{self, Change};

/// Since when payouts and refunds are stopped, and why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PayoutsStop {
    pub since: ServerTime,
    pub reason: String,
}

impl Tariff {
    /// Whether payments of this operation may not go out at present.
    #[must_use]
    pub const fn stops(&self, operation: Operation) -> bool {
        let leaves = matches!(operation, Operation::Payout | Operation::Refund);
        leaves && self.payouts_stop.is_some()
    }

    /// Whether nothing of this operation may be sent through an account at present.
    #[must_use]
    pub fn holds_back(&self, operation: Operation, account: NetworkAccountId) -> bool {
        self.is_stopped(account) || self.stops(operation)
    }
}

/// Stops payouts and refunds, of sandbox merchants, too. Where they are stopped already, the first
/// reason stays.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StopPayouts {
    pub reason: String,
}

/// Lets payouts and refunds go on. Those that wait are sent within seconds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ResumePayouts {
    /// Why it is right to go on, for the record.
    pub evidence: String,
}

impl Decision for StopPayouts {
    type Output = PayoutsStop;

    fn lock_key(&self) -> Option<LockKey> {
        Some(change::lock_key())
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<PayoutsStop, Stop> {
        let mut change = Change::begin(work, context.now)?;
        if let Some(stop) = &change.tariff.payouts_stop {
            return Ok(stop.clone());
        }
        let stop = PayoutsStop { since: context.now, reason: self.reason.clone() };
        change.set_payouts_stop(Some(stop.clone()));
        change.finish(format!("payouts and refunds stopped: {}", self.reason))?;
        Ok(stop)
    }
}

impl Decision for ResumePayouts {
    /// The stop that was ended, if there was one.
    type Output = Option<PayoutsStop>;

    fn lock_key(&self) -> Option<LockKey> {
        Some(change::lock_key())
    }

    fn decide(
        &self,
        work: &mut Workspace,
        context: &Context<'_>,
    ) -> Result<Option<PayoutsStop>, Stop> {
        let mut change = Change::begin(work, context.now)?;
        let stop = change.tariff.payouts_stop.clone();
        if stop.is_some() {
            change.set_payouts_stop(None);
            change.finish(format!("payouts and refunds resumed: {}", self.evidence))?;
        }
        Ok(stop)
    }
}
