//! Canceling an order of a payment link that nobody paid.

use crate::decision::row::Lookup;
use crate::decision::use_case::{Context, Decision};
use crate::decision::workspace::{RowKey, Stop, Workspace};
use crate::directory::merchant::Merchant;
use crate::kernel::ids::SourceId;
use crate::kernel::time::{MerchantTime, ServerTime};
use crate::sales::cancel_source;
use crate::sales::source::{Source, SourceStatus};

/// Cancels an order of a payment link whose time is over. The output is whether something changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CancelUnpaidOrder {
    pub source_id: SourceId,
}

impl Decision for CancelUnpaidOrder {
    type Output = bool;

    fn hints(&self) -> Vec<RowKey> {
        vec![RowKey::Source(Lookup::Id(self.source_id))]
    }

    fn likely_keys(&self, work: &Workspace) -> Vec<RowKey> {
        match work.get::<Source>(self.source_id) {
            Ok(Some(source)) => vec![
                RowKey::Merchant(Lookup::Id(source.merchant_id)),
                RowKey::EventPosition(Lookup::Id(source.merchant_id)),
            ],
            _ => vec![],
        }
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<bool, Stop> {
        cancel(self.source_id, work, context.now)
    }
}

/// Whether the order is to be canceled at merchant time `time`. One that a review may show to be
/// paid waits for the review, and one with a collection under way for its end.
#[must_use]
pub fn is_due(source: &Source, time: MerchantTime) -> bool {
    source.status == SourceStatus::Active
        && source.open_reviews == 0
        && source.cancel_at.is_some_and(|at| at <= time)
}

/// Cancels an order that is due. Returns `false` for one that is not.
///
/// # Errors
/// [`Stop::Inconsistent`] when the order is not there.
fn cancel(id: SourceId, work: &mut Workspace, now: ServerTime) -> Result<bool, Stop> {
    let source = work.require::<Source>(id)?;
    let time = work.require::<Merchant>(source.merchant_id)?.time(now);
    if !is_due(&source, time) {
        return Ok(false);
    }
    cancel_source::cancel_row(&source, time, work, now)?;
    Ok(true)
}
