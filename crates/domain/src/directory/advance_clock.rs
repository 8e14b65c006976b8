//! Advancing the clock of a sandbox merchant.

use crate::decision::use_case::{Context, Decision};
use crate::decision::workspace::{Stop, Workspace};
use crate::directory::merchant::Merchant;
use crate::directory::roles::Action;
use crate::kernel::ids::MerchantId;
use crate::kernel::names::Mode;
use crate::kernel::refusal::Refusal;
use crate::kernel::time::{MerchantTime, ServerTime, seconds};

/// The maximal advance in one call, in seconds: 366 days.
pub const MAX_ADVANCE_SECONDS: i64 = 31_622_400;

/// How far the clock can be ahead in all, in years: times must stay before the year 10000, with what
/// queries add to them.
pub const MAX_AHEAD_YEARS: i64 = 100;

/// Advances the clock of a sandbox merchant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AdvanceClock {
    pub merchant_id: MerchantId,
    pub by_seconds: i64,
}

impl Decision for AdvanceClock {
    type Output = MerchantTime;

    fn action(&self) -> Option<Action> {
        Some(Action::ChangeIntegration)
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<MerchantTime, Stop> {
        advance(self.merchant_id, self.by_seconds, work, context.now)
    }
}

/// Advances the clock of a sandbox merchant. Executions are due by merchant time, so that nothing but
/// the merchant's row has to be changed.
///
/// # Errors
/// [`Refusal::NotFound`] for a live merchant, [`Refusal::ClockTooFar`].
fn advance(
    id: MerchantId,
    by_seconds: i64,
    work: &mut Workspace,
    now: ServerTime,
) -> Result<MerchantTime, Stop> {
    let merchant = work.require::<Merchant>(id)?;
    if merchant.mode != Mode::Sandbox {
        return Err(Refusal::NotFound.into());
    }
    let mut merchant = (*merchant).clone();
    merchant.clock_offset_us =
        merchant.clock_offset_us.saturating_add(seconds(by_seconds.clamp(0, MAX_ADVANCE_SECONDS)));
    if merchant.clock_offset_us > seconds(MAX_AHEAD_YEARS * MAX_ADVANCE_SECONDS) {
        return Err(Refusal::ClockTooFar { years: MAX_AHEAD_YEARS }.into());
    }
    merchant.updated_at = now;
    let time = merchant.time(now);
    work.put(merchant);
    Ok(time)
}
