//! Setting what the network of a method takes.

use crate::decision::use_case::{Context, Decision, LockKey};
use crate::decision::workspace::{Stop, Workspace};
use crate::directory::roles::Action;
use crate::kernel::ids::GatewayFeeId;
use crate::kernel::names::{Method, Operation, Provider};
use crate::kernel::refusal::Refusal;
use crate::kernel::time::ServerTime;
use crate::tariff::change::{self, Change};
use crate::tariff::rates;
use crate::tariff::{Fee, GatewayFee, Market, TariffFault};

/// Sets the network's fee of an operation of a method, from now or a later time on. A row that begins
/// after that still takes over when its time comes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SetGatewayFee {
    pub method: Method,
    pub operation: Operation,
    pub fee: Fee,
    /// When it begins; `None` for now.
    pub from: Option<ServerTime>,
}

impl Decision for SetGatewayFee {
    type Output = GatewayFee;

    fn action(&self) -> Option<Action> {
        Some(Action::ManageInstallation)
    }

    fn lock_key(&self) -> Option<LockKey> {
        Some(change::lock_key())
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<GatewayFee, Stop> {
        let mut change = Change::begin_from(work, context.now, self.from)?;
        let Self { method, operation, fee, from: _ } = *self;
        if operation == Operation::Refund {
            return Err(Refusal::Tariff(TariffFault::FeeOnRefund).into());
        }
        // The network is that of any market of the method: a fee may be set while the market is
        // closed.
        let provider = change
            .tariff
            .latest_market(method, change.now)
            .ok_or(Refusal::Tariff(TariffFault::MethodWithoutMarket(method)))?
            .provider;
        let is_for = |row: &Market| (row.method, row.provider) == (method, provider);
        rates::check_fixed_part(fee, operation, is_for, &change.tariff, change.from)?;
        let row = replace(provider, *self, &mut change)?;
        let since = change.since();
        change.finish(format!(
            "gateway fee of {operation} by {method} on {provider}: {fee}{since}"
        ))?;
        Ok(row)
    }
}

/// Ends the fee in effect, and begins the new one.
pub(super) fn replace(
    provider: Provider,
    new: SetGatewayFee,
    change: &mut Change<'_>,
) -> Result<GatewayFee, Stop> {
    let SetGatewayFee { method, operation, fee, from: _ } = new;
    change.end(|row: &GatewayFee| {
        (row.provider, row.method, row.operation) == (provider, method, operation)
    })?;
    let row = GatewayFee {
        id: GatewayFeeId(change.new_id()?),
        provider,
        method,
        operation,
        fee,
        effective: change.open_ended(),
        created_at: change.now,
        updated_at: change.now,
    };
    change.add(row.clone());
    Ok(row)
}
