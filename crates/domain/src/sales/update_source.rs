//! Changing an invoice or order before it is published.

use crate::decision::workspace::{Stop, Workspace};
use crate::kernel::names::FeeBearer;
use crate::kernel::patch::Patch;
use crate::kernel::time::Timestamp;
use crate::sales::find_source::SourceRef;
use crate::sales::source::{Source, SourceInput};

/// Changes of a source. `None` leaves a value as it is.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct SourceChanges {
    /// Clearing it stores an empty text.
    pub note: Patch<String>,
    pub fee_bearer: Option<FeeBearer>,
    /// The merchant's own reference.
    pub reference_id: Patch<String>,
    /// The day on which it is due: midnight in UTC.
    pub due_date: Patch<Timestamp>,
}

/// Changes a source that is `IDLE`.
///
/// # Errors
/// [`Refusal::NotFound`], [`Refusal::InvalidState`].
pub fn update(
    which: SourceRef,
    changes: &SourceChanges,
    work: &mut Workspace,
    time: Timestamp,
) -> Result<Source, Stop> {
    let mut source = which.existing(work)?.after(SourceInput::Edit, time)?;
    source.note = changes.note.clone().apply_to(Some(source.note)).unwrap_or_default();
    source.fee_bearer = changes.fee_bearer.unwrap_or(source.fee_bearer);
    source.reference_id = changes.reference_id.clone().apply_to(source.reference_id);
    source.due_date = changes.due_date.apply_to(source.due_date);
    work.put(source.clone());
    Ok(source)
}
