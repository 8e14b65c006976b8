//! Canceling a session.

use crate::decision::event::{EventEntity, EventType};
use crate::decision::events;
use crate::decision::workspace::{Stop, Workspace};
use crate::directory::merchant::Merchant;
use crate::kernel::ids::{MerchantId, SessionId};
use crate::kernel::refusal::Refusal;
use crate::kernel::time::Timestamp;
use crate::mutant;
use crate::payments::session::{Session, SessionInput, SessionKind};

/// Cancels a session that was not executed.
///
/// # Errors
/// [`Refusal::NotFound`], [`Refusal::SessionExpired`], [`Refusal::InvalidState`].
pub fn cancel(
    merchant_id: MerchantId,
    kind: SessionKind,
    id: SessionId,
    work: &mut Workspace,
    now: Timestamp,
) -> Result<Session, Stop> {
    let time = work.require::<Merchant>(merchant_id)?.time(now);
    let found = work
        .get::<Session>(id)?
        .filter(|session| session.merchant_id == merchant_id && session.kind == kind);
    let found = found.ok_or(Refusal::NotFound)?;
    let session = canceled(&found, time)?;
    work.put(session.clone());
    events::record(
        merchant_id,
        EventType::SessionCanceled,
        (EventEntity::Session, id.0),
        None,
        work,
        now,
    )?;
    Ok(session)
}

fn canceled(session: &Session, time: Timestamp) -> Result<Session, Refusal> {
    mutant!(CancelExecuted => return cancel_executed(session));
    session.after(SessionInput::Cancel, time)
}
