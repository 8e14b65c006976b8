//! Callbacks of the built-in provider, each at its time.

use domain::decision::command::Command;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::engine::Engine;
use networks::sandbox::Callback;

/// Callbacks that wait at once; one more is lost, as callbacks are, and the status is asked.
pub const WAITING: usize = 10_000;

/// Delivers callbacks until no one can send one any more.
pub async fn run(engine: Engine, mut inbox: mpsc::Receiver<Callback>) {
    let mut waiting = JoinSet::new();
    loop {
        tokio::select! {
            callback = inbox.recv() => match callback {
                Some(callback) if waiting.len() < WAITING => { waiting.spawn(deliver(engine.clone(), callback)); }
                Some(callback) => tracing::debug!(execution = callback.execution_id.0, "a sandbox callback was lost"),
                None => break,
            },
            Some(_) = waiting.join_next() => {}
        }
    }
}

async fn deliver(engine: Engine, callback: Callback) {
    tokio::time::sleep(callback.after).await;
    let heard = Command::RecordOutcome(callback.execution_id, callback.word);
    if let Err(failure) = engine.submit_for(callback.merchant_id, heard).await {
        tracing::warn!(%failure, execution = callback.execution_id.0, "a callback could not be stored");
    }
}
