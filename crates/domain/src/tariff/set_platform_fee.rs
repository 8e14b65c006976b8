//! Setting what the platform takes.

use crate::decision::use_case::{Context, Decision, LockKey};
use crate::decision::workspace::{Stop, Workspace};
use crate::directory::roles::Action;
use crate::kernel::ids::PlatformFeeId;
use crate::kernel::names::Operation;
use crate::kernel::refusal::Refusal;
use crate::kernel::time::ServerTime;
use crate::tariff::change::{self, Change};
use crate::tariff::rates;
use crate::tariff::{Fee, PlatformFee, TariffFault, percent};

/// Sets the platform's fee of an operation for merchants in a tier, from now or a later time on. A row
/// that begins after that still takes over when its time comes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SetPlatformFee {
    pub tier: String,
    pub operation: Operation,
    pub fee: Fee,
    /// The fee for currency exchange, in millionths. `None` keeps the one in effect.
    pub fx_percentage_ppm: Option<i64>,
    /// When it begins; `None` for now.
    pub from: Option<ServerTime>,
}

impl Decision for SetPlatformFee {
    type Output = PlatformFee;

    fn action(&self) -> Option<Action> {
        Some(Action::ManageInstallation)
    }

    fn lock_key(&self) -> Option<LockKey> {
        Some(change::lock_key())
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<PlatformFee, Stop> {
        let mut change = Change::begin_from(work, context.now, self.from)?;
        if self.operation == Operation::Refund {
            return Err(Refusal::Tariff(TariffFault::FeeOnRefund).into());
        }
        if change.tariff.tier(&self.tier).is_none() {
            return Err(Refusal::Tariff(TariffFault::UnknownTier(self.tier.clone())).into());
        }
        rates::check_fixed_part(self.fee, self.operation, |_| true, &change.tariff, change.from)?;
        let before = change.tariff.platform_fee(&self.tier, self.operation, change.from);
        let before = before.map_or(0, |row| row.fx_percentage_ppm);
        change
            .end(|row: &PlatformFee| (&row.tier, row.operation) == (&self.tier, self.operation))?;
        let row = PlatformFee {
            id: PlatformFeeId(change.new_id()?),
            tier: self.tier.clone(),
            operation: self.operation,
            fee: self.fee,
            fx_percentage_ppm: self.fx_percentage_ppm.unwrap_or(before),
            effective: change.open_ended(),
            created_at: change.now,
        };
        change.add(row.clone());
        let since = change.since();
        change.finish(format!(
            "platform fee of {} in tier {}: {}, exchange {}{since}",
            row.operation,
            row.tier,
            row.fee,
            percent(row.fx_percentage_ppm)
        ))?;
        Ok(row)
    }
}
