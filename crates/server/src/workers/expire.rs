//! Writes `EXPIRED` into sessions whose time is over. Only for the lists: an expired session is refused, swept or not.

use domain::command::Command;
use domain::ids::{MerchantId, SessionId};

use super::PAGE;
use crate::app::App;
use crate::clock;

/// Sweeps one page; answers how many sessions it found.
pub async fn page(app: App) -> usize {
    let due = match app.queries.due_sessions(clock::now(), PAGE).await {
        Ok(due) => due,
        Err(error) => {
            tracing::warn!(%error, "due sessions could not be read");
            return 0;
        }
    };
    let start = |(id, merchant): &(SessionId, MerchantId)| tokio::spawn(expire(app.clone(), *merchant, *id));
    let sweeps: Vec<_> = due.iter().map(start).collect();
    let mut found = 0;
    for sweep in sweeps {
        found += usize::from(sweep.await.unwrap_or(false));
    }
    found
}

/// What is handed in for a session whose time is over.
#[must_use]
pub const fn sweep(id: SessionId) -> Command {
    Command::ExpireSession(id)
}

async fn expire(app: App, merchant: MerchantId, id: SessionId) -> bool {
    match app.engine.submit_for(merchant, sweep(id)).await {
        Ok(_) => true,
        Err(failure) => {
            tracing::warn!(%failure, "a session could not be swept");
            false
        }
    }
}
