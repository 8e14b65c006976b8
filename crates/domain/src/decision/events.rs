//! Recording events.

use crate::decision::event::{Event, EventEntity, EventType};
use crate::decision::workspace::{Stop, Workspace};
use crate::kernel::ids::{EventId, MerchantId};
use crate::kernel::time::ServerTime;
use crate::mutant;

/// Records an event.
///
/// # Errors
/// [`Stop::Inconsistent`] when the block of ids is used up.
pub fn record(
    merchant_id: MerchantId,
    kind: EventType,
    (entity, entity_id): (EventEntity, i64),
    note: Option<String>,
    work: &mut Workspace,
    now: ServerTime,
) -> Result<EventId, Stop> {
    let id = EventId(work.new_id()?);
    if mutant!(EventMissing) && kind == EventType::SourcePaid {
        return Ok(id);
    }
    work.events.push(Event { id, merchant_id, kind, entity, entity_id, note, created_at: now });
    Ok(id)
}
