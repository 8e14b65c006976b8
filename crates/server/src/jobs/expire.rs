//! Writes `EXPIRED` into sessions whose time is over. Only for the lists: an expired session is
//! refused, swept or not.

use domain::decision::command::Command;
use domain::kernel::ids::{MerchantId, SessionId};

use crate::app::App;
use crate::jobs::turns::{MERCHANTS, Turns};
use crate::jobs::{PAGE, TICK};
use store::clock;

/// Sweeps for ever.
pub async fn run(app: App) {
    let mut turns = Turns::default();
    loop {
        if !round(&app, &mut turns).await {
            tokio::time::sleep(TICK).await;
        }
    }
}

/// Sweeps what some merchants have; answers whether there is more.
async fn round(app: &App, turns: &mut Turns) -> bool {
    let seen =
        match app.queries.merchants_with_sessions(turns.after(), clock::now(), MERCHANTS).await {
            Ok(seen) => seen,
            Err(error) => {
                tracing::warn!(%error, "merchants with sessions could not be read");
                return false;
            }
        };
    let served = turns.deal(&seen, PAGE);
    let sweep = |merchant: &MerchantId| tokio::spawn(share(app.clone(), *merchant, served.share));
    let sweeps: Vec<_> = served.merchants.iter().map(sweep).collect();
    let mut more = false;
    for sweep in sweeps {
        more |= sweep.await.unwrap_or(false);
    }
    more
}

/// Sweeps a merchant's share; answers whether that was all swept and there may be more.
async fn share(app: App, merchant: MerchantId, share: u32) -> bool {
    let due = match app.queries.due_sessions(merchant, clock::now(), share).await {
        Ok(due) => due,
        Err(error) => {
            tracing::warn!(%error, "due sessions could not be read");
            return false;
        }
    };
    let sweeps: Vec<_> =
        due.into_iter().map(|id| tokio::spawn(expire(app.clone(), merchant, id))).collect();
    let mut swept = 0;
    for sweep in sweeps {
        swept += u32::from(sweep.await.unwrap_or(false));
    }
    swept >= share
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
