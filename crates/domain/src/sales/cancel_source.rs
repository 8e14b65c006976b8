//! Canceling an invoice or order.

use crate::decision::event::{EventEntity, EventType};
use crate::decision::events;
use crate::decision::workspace::{Stop, Workspace};
use crate::directory::merchant::Merchant;
use crate::kernel::time::Timestamp;
use crate::sales::find_source::SourceRef;
use crate::sales::source::{Source, SourceInput};

/// Cancels a source that is `IDLE` or `ACTIVE`.
///
/// # Errors
/// [`Refusal::NotFound`], [`Refusal::InvalidState`].
pub fn cancel(which: SourceRef, work: &mut Workspace, now: Timestamp) -> Result<Source, Stop> {
    let time = work.require::<Merchant>(which.merchant_id)?.time(now);
    let source = which.existing(work)?.after(SourceInput::Cancel, time)?;
    work.put(source.clone());
    events::record(
        which.merchant_id,
        EventType::SourceCanceled,
        (EventEntity::Source, which.id.0),
        None,
        work,
        now,
    )?;
    Ok(source)
}
