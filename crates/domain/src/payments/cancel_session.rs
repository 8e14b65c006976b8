//! Canceling a session.

use crate::decision::event::{EventEntity, EventType};
use crate::decision::events;
use crate::decision::row::Lookup;
use crate::decision::use_case::{Context, Decision, LockKey};
use crate::decision::workspace::{RowKey, Stop, Workspace};
use crate::directory::merchant::Merchant;
use crate::directory::roles::Action;
use crate::kernel::ids::{MerchantId, SessionId};
use crate::kernel::refusal::Refusal;
use crate::kernel::time::{MerchantTime, ServerTime};
use crate::mutant;
use crate::payments::session::{Session, SessionInput, SessionKind};

/// Cancels a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CancelSession {
    pub merchant_id: MerchantId,
    pub kind: SessionKind,
    pub session_id: SessionId,
}

impl Decision for CancelSession {
    type Output = Session;

    fn action(&self) -> Option<Action> {
        Some(Action::to(self.kind.operation()))
    }

    fn lock_key(&self) -> Option<LockKey> {
        Some(LockKey {
            key: RowKey::Session(Lookup::Id(self.session_id)),
            owner: Some(self.merchant_id),
        })
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<Session, Stop> {
        cancel(self.merchant_id, self.kind, self.session_id, work, context.now)
    }
}

/// Cancels a session that was not executed.
///
/// # Errors
/// [`Refusal::NotFound`], [`Refusal::SessionExpired`], [`Refusal::InvalidState`].
fn cancel(
    merchant_id: MerchantId,
    kind: SessionKind,
    id: SessionId,
    work: &mut Workspace,
    now: ServerTime,
) -> Result<Session, Stop> {
    let time = work.require::<Merchant>(merchant_id)?.time(now);
    let found = work
        .get::<Session>(id)?
        .filter(|session| session.merchant_id == merchant_id && session.kind() == kind);
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

fn canceled(session: &Session, time: MerchantTime) -> Result<Session, Refusal> {
    mutant!(CancelExecuted => return cancel_executed(session));
    session.after(SessionInput::Cancel, time)
}
