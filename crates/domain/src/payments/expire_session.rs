//! Storing that a session has expired.

use crate::decision::event::{EventEntity, EventType};
use crate::decision::events;
use crate::decision::row::Lookup;
use crate::decision::use_case::{Context, Decision, LockKey};
use crate::decision::workspace::{RowKey, Stop, Workspace};
use crate::directory::merchant::Merchant;
use crate::kernel::ids::SessionId;
use crate::kernel::time::ServerTime;
use crate::payments::session::{Session, SessionInput, SessionStatus};

/// Stores that a session expired. The output is whether something changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ExpireSession {
    pub session_id: SessionId,
}

impl Decision for ExpireSession {
    type Output = bool;

    fn lock_key(&self) -> Option<LockKey> {
        Some(LockKey { key: RowKey::Session(Lookup::Id(self.session_id)), owner: None })
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<bool, Stop> {
        expire(self.session_id, work, context.now)
    }
}

/// Stores that a session expired, with the event. Returns `false` if it is not expired yet or is no
/// longer active.
///
/// # Errors
/// [`Stop::Inconsistent`] when the session is not there.
fn expire(id: SessionId, work: &mut Workspace, now: ServerTime) -> Result<bool, Stop> {
    let session = work.require::<Session>(id)?;
    let time = work.require::<Merchant>(session.merchant_id)?.time(now);
    if session.status != SessionStatus::Active || time < session.expires_at {
        return Ok(false);
    }
    // Callers see the session as expired since `expires_at`, so that is when it changed for them.
    let session = session.after(SessionInput::Expire, session.expires_at)?;
    events::record(
        session.merchant_id,
        EventType::SessionExpired,
        (EventEntity::Session, id.0),
        None,
        work,
        now,
    )?;
    work.put(session);
    Ok(true)
}
