//! Recording events.

use crate::decision::event::{Actor, Event, EventEntity, EventPosition, EventType};
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
    entity: (EventEntity, i64),
    note: Option<String>,
    work: &mut Workspace,
    now: ServerTime,
) -> Result<EventId, Stop> {
    let actor = work.actor();
    record_by(actor, merchant_id, kind, entity, note, work, now)
}

/// Records an event by somebody else than who asks for the command: no merchant sees the API keys of
/// another.
///
/// # Errors
/// See [`record`].
pub fn record_by(
    actor: Actor,
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
    // The merchant's row of `event_positions` is locked until the commit. So the events of two
    // processes are committed in the order of their positions, and a reader that continues after a
    // position never misses an event of a transaction that was still open.
    let known = work.get::<EventPosition>(merchant_id)?;
    let (last, endpoints) = known.map_or((0, 0), |position| (position.last, position.endpoints));
    let position = if mutant!(PositionTwice) && last % 5 == 4 { last } else { last + 1 };
    work.put(EventPosition { merchant_id, last: position, endpoints });
    work.events.push(Event {
        id,
        merchant_id,
        kind,
        entity,
        entity_id,
        note,
        position,
        // Set when the draft is accepted: the decision may still replace the entity's row.
        sequence: 0,
        actor: Some(actor),
        created_at: now,
    });
    Ok(id)
}
