//! What falls due. Pending work is found in the payments' own rows; after a crash nothing has to be rebuilt.

use std::future::Future;
use std::time::Duration;

use tokio::task::JoinSet;

pub mod callbacks;
pub mod dispatch;
pub mod errand;
pub mod expire;
pub mod keys;
pub mod place;
pub mod reconcile;

use crate::app::App;

/// A worker looks for what is due so often, and again at once while it finds a full page.
pub const TICK: Duration = Duration::from_millis(250);
/// A page of due work.
pub const PAGE: u32 = 100;

/// Starts the workers. They end when the set is dropped.
#[must_use]
pub fn start(app: &App, inbox: tokio::sync::mpsc::Receiver<crate::providers::sandbox::Callback>) -> JoinSet<()> {
    let mut workers = JoinSet::new();
    workers.spawn(callbacks::run(app.engine.clone(), inbox));
    workers.spawn(every_tick(app.clone(), reconcile::page));
    workers.spawn(every_tick(app.clone(), expire::page));
    workers
}

/// Works off pages of what is due, for ever. A page answers how much it found.
async fn every_tick<F: Future<Output = usize>>(app: App, page: impl Fn(App) -> F) {
    loop {
        let found = page(app.clone()).await;
        if found < usize::try_from(PAGE).unwrap_or(usize::MAX) {
            tokio::time::sleep(TICK).await;
        }
    }
}
