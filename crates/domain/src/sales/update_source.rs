//! Changing an invoice or order before it is published.

use crate::decision::use_case::{Context, Decision};
use crate::decision::workspace::{Stop, Workspace};
use crate::directory::roles::Action;
use crate::kernel::names::FeeBearer;
use crate::kernel::patch::Patch;
use crate::kernel::time::MerchantTime;
use crate::sales::edit_items::ShownItems;
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
    pub due_date: Patch<MerchantTime>,
}

/// Changes an invoice or order that is `IDLE`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UpdateSource {
    pub source: SourceRef,
    pub changes: SourceChanges,
    /// Where it is given, only what was shown is changed: nobody sets back what another has changed
    /// meanwhile.
    pub shown: Option<ShownItems>,
}

impl Decision for UpdateSource {
    type Output = Source;

    fn action(&self) -> Option<Action> {
        Some(Action::Sell)
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<Source, Stop> {
        let time = context.merchant_time(self.source.merchant_id, work)?;
        if let Some(shown) = self.shown {
            shown.check(self.source, SourceInput::Edit, work, time)?;
        }
        update(self.source, &self.changes, work, time)
    }
}

/// Changes a source that is `IDLE`.
///
/// # Errors
/// [`Refusal::NotFound`], [`Refusal::InvalidState`].
fn update(
    which: SourceRef,
    changes: &SourceChanges,
    work: &mut Workspace,
    time: MerchantTime,
) -> Result<Source, Stop> {
    let mut source = which.existing(work)?.after(SourceInput::Edit, time)?;
    source.note = changes.note.clone().apply_to(Some(source.note)).unwrap_or_default();
    source.fee_bearer = changes.fee_bearer.unwrap_or(source.fee_bearer);
    source.reference_id = changes.reference_id.clone().apply_to(source.reference_id);
    source.due_date = changes.due_date.apply_to(source.due_date);
    work.put(source.clone());
    Ok(source)
}
