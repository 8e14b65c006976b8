//! Setting an exchange rate.

use crate::decision::use_case::{Context, Decision, LockKey};
use crate::decision::workspace::{Stop, Workspace};
use crate::directory::roles::Action;
use crate::kernel::currency::Currency;
use crate::kernel::ids::RateId;
use crate::kernel::money::Ratio;
use crate::kernel::refusal::Refusal;
use crate::kernel::time::ServerTime;
use crate::tariff::change::{self, Change};
use crate::tariff::rates::{self, Quoted};
use crate::tariff::{Rate, TariffFault};

/// Sets an exchange rate from now or a later time on: one unit of `from` is worth `rate` units of `to`.
/// It also gives the opposite direction, so the rates in effect between the two currencies end in both.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SetRate {
    pub from: Currency,
    pub to: Currency,
    /// In major units.
    pub rate: Ratio,
    /// When it begins; `None` for now.
    pub since: Option<ServerTime>,
}

/// The most decimals of a rate in a note. A rate is a fraction of integers below 2^63, so its decimals
/// are no more if they end at all, as those of every rate do that was written as a decimal number.
const MAX_DECIMALS: u32 = 63;

impl Decision for SetRate {
    type Output = Rate;

    fn action(&self) -> Option<Action> {
        Some(Action::ManageInstallation)
    }

    fn lock_key(&self) -> Option<LockKey> {
        Some(change::lock_key())
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<Rate, Stop> {
        let mut change = Change::begin_from(work, context.now, self.since)?;
        let Self { from, to, rate, since: _ } = *self;
        let is_over = |row: &Rate| row.effective.to.is_some_and(|end| end <= change.now);
        let others: Vec<Quoted> =
            change.tariff.rates.iter().filter(|row| !is_over(row)).map(Quoted::from).collect();
        rates::check(Quoted { from, to, rate }, &others)
            .map_err(|fault| Refusal::Tariff(TariffFault::Rate(fault)))?;
        change.end(|row: &Rate| [(from, to), (to, from)].contains(&(row.from, row.to)))?;
        let row = Rate {
            id: RateId(change.new_id()?),
            from,
            to,
            rate,
            effective: change.open_ended(),
            created_at: change.now,
        };
        change.add(row.clone());
        let since = change.since();
        change.finish(format!("rate: 1 {from} = {} {to}{since}", rate.to_text(MAX_DECIMALS)))?;
        Ok(row)
    }
}
