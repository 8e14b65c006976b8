//! Closing a market.

use crate::decision::use_case::{Context, Decision, LockKey};
use crate::decision::workspace::{Stop, Workspace};
use crate::directory::roles::Action;
use crate::kernel::currency::Currency;
use crate::kernel::names::{Method, Operation};
use crate::kernel::refusal::Refusal;
use crate::kernel::time::ServerTime;
use crate::tariff::change::{self, Change};
use crate::tariff::{Market, TariffFault};

/// Closes a market from now on. A row that begins later still opens it again when its time comes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CloseMarket {
    pub method: Method,
    pub operation: Operation,
    pub currency: Currency,
}

impl Decision for CloseMarket {
    /// When the market opens again.
    type Output = Option<ServerTime>;

    fn action(&self) -> Option<Action> {
        Some(Action::ManageInstallation)
    }

    fn lock_key(&self) -> Option<LockKey> {
        Some(change::lock_key())
    }

    fn decide(
        &self,
        work: &mut Workspace,
        context: &Context<'_>,
    ) -> Result<Option<ServerTime>, Stop> {
        let mut change = Change::begin(work, context.now)?;
        let Self { method, operation, currency } = *self;
        let is_it = |row: &Market| {
            (row.method, row.operation, row.currency) == (method, operation, currency)
        };
        if !change.end(is_it)? {
            let fault = TariffFault::MarketNotOpen { method, operation, currency };
            return Err(Refusal::Tariff(fault).into());
        }
        let again = change.next_start(is_it);
        change.finish(format!("market closed: {method} {operation} {currency}"))?;
        Ok(again)
    }
}
