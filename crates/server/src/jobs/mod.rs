//! What falls due. Pending work is found in the payments' own rows; after a crash nothing has to be
//! rebuilt.

pub mod callbacks;
pub mod calls;
pub mod dispatch;
pub mod expire;
pub mod keys;
pub mod place;
pub mod poll;
pub mod turns;

use std::time::Duration;

use tokio::task::JoinSet;

use crate::app::App;

/// A worker looks for what is due so often, and again at once while somebody has more than a share
/// of it.
pub const TICK: Duration = Duration::from_millis(250);
/// So much is worked off in one go.
pub const PAGE: u32 = 100;

/// Starts the workers. They end when the set is dropped.
#[must_use]
pub fn start(
    app: &App,
    inbox: tokio::sync::mpsc::Receiver<networks::sandbox::Callback>,
) -> JoinSet<()> {
    let mut workers = JoinSet::new();
    workers.spawn(callbacks::run(app.engine.clone(), inbox));
    workers.spawn(poll::run(app.clone()));
    workers.spawn(poll::search(app.clone()));
    workers.spawn(expire::run(app.clone()));
    workers
}
