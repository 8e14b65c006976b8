//! Writing down that a session has expired.

use crate::decision::event::{EventEntity, EventType};
use crate::decision::events;
use crate::decision::workspace::{Stop, Workspace};
use crate::directory::merchant::Merchant;
use crate::kernel::ids::SessionId;
use crate::kernel::time::Timestamp;
use crate::payments::session::{Session, SessionInput, SessionStatus};

/// Writes down that a session's time is over. Does nothing when it is not, or when the session was
/// used up otherwise.
///
/// # Errors
/// [`Stop::Inconsistent`] when the session is not there.
pub fn expire(id: SessionId, work: &mut Workspace, now: Timestamp) -> Result<bool, Stop> {
    let session = work.require::<Session>(id)?;
    let time = work.require::<Merchant>(session.merchant_id)?.time(now);
    if session.status != SessionStatus::Active || time < session.expires_at {
        return Ok(false);
    }
    // Seen by everybody since then; that it is written down is no news.
    let session = session.after(SessionInput::Expire, session.expires_at)?;
    events::record(
        work,
        session.merchant_id,
        EventType::SessionExpired,
        (EventEntity::Session, id.0),
        None,
        now,
    )?;
    work.put(session);
    Ok(true)
}
