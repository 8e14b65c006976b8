//! Publishing an invoice or order, so that it can be paid.

use crate::decision::event::{EventEntity, EventType};
use crate::decision::events;
use crate::decision::use_case::{Context, Decision};
use crate::decision::workspace::{Stop, Workspace};
use crate::directory::merchant::Merchant;
use crate::directory::roles::Action;
use crate::kernel::refusal::Refusal;
use crate::kernel::time::ServerTime;
use crate::sales::edit_items::ShownItems;
use crate::sales::find_source::SourceRef;
use crate::sales::source::{Source, SourceInput};

/// Publishes an invoice or order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PublishSource {
    pub source: SourceRef,
    /// Where it is given, just what was shown is published.
    pub shown: Option<ShownItems>,
}

impl Decision for PublishSource {
    type Output = Source;

    fn action(&self) -> Option<Action> {
        Some(Action::Sell)
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<Source, Stop> {
        if let Some(shown) = self.shown {
            let time = context.merchant_time(self.source.merchant_id, work)?;
            shown.check(self.source, SourceInput::Publish, work, time)?;
        }
        publish(self.source, work, context.now)
    }
}

/// Publishes a source that is `IDLE` and has items.
///
/// # Errors
/// [`Refusal::NotFound`], [`Refusal::InvalidState`], [`Refusal::NoItems`].
pub fn publish(which: SourceRef, work: &mut Workspace, now: ServerTime) -> Result<Source, Stop> {
    let time = work.require::<Merchant>(which.merchant_id)?.time(now);
    let source = which.existing(work)?.after(SourceInput::Publish, time)?;
    if source.total_minor == 0 {
        return Err(Refusal::NoItems { what: source.kind.word() }.into());
    }
    work.put(source.clone());
    events::record(
        which.merchant_id,
        EventType::SourcePublished,
        (EventEntity::Source, which.id.0),
        None,
        work,
        now,
    )?;
    Ok(source)
}
