//! Canceling an invoice or order.

use crate::decision::event::{EventEntity, EventType};
use crate::decision::events;
use crate::decision::use_case::{Context, Decision};
use crate::decision::workspace::{Stop, Workspace};
use crate::directory::merchant::Merchant;
use crate::directory::roles::Action;
use crate::kernel::time::{MerchantTime, ServerTime};
use crate::sales::edit_items::ShownItems;
use crate::sales::find_source::SourceRef;
use crate::sales::source::{Source, SourceInput};

/// Cancels an invoice or order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CancelSource {
    pub source: SourceRef,
    /// Where it is given, just what was shown is canceled.
    pub shown: Option<ShownItems>,
}

impl Decision for CancelSource {
    type Output = Source;

    fn action(&self) -> Option<Action> {
        Some(Action::Sell)
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<Source, Stop> {
        if let Some(shown) = self.shown {
            let time = context.merchant_time(self.source.merchant_id, work)?;
            shown.check(self.source, SourceInput::Cancel, work, time)?;
        }
        cancel(self.source, work, context.now)
    }
}

/// Cancels a source that is `IDLE` or `ACTIVE`.
///
/// # Errors
/// [`Refusal::NotFound`], [`Refusal::InvalidState`].
fn cancel(which: SourceRef, work: &mut Workspace, now: ServerTime) -> Result<Source, Stop> {
    let time = work.require::<Merchant>(which.merchant_id)?.time(now);
    cancel_row(&which.existing(work)?, time, work, now)
}

/// Cancels a source that is loaded, with the event.
///
/// # Errors
/// [`Refusal::InvalidState`].
pub(crate) fn cancel_row(
    source: &Source,
    time: MerchantTime,
    work: &mut Workspace,
    now: ServerTime,
) -> Result<Source, Stop> {
    let source = source.after(SourceInput::Cancel, time)?;
    work.put(source.clone());
    events::record(
        source.merchant_id,
        EventType::SourceCanceled,
        (EventEntity::Source, source.id.0),
        None,
        work,
        now,
    )?;
    Ok(source)
}
