//! Delivers the callbacks of the sandbox, each after its delay.

use domain::payments::outcome::{Heard, OutcomeSource};
use domain::payments::record_outcome::RecordOutcome;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::engine::Engine;
use crate::jobs::settlement;
use networks::sandbox::Callback;

/// The most callbacks that wait. One more is lost, as callbacks may be: the poll asks for the
/// status.
pub const WAITING: usize = 10_000;

/// Delivers callbacks until all senders are gone.
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
    let command = RecordOutcome {
        execution_id: callback.execution_id,
        source: OutcomeSource::Callback,
        outcome: callback.outcome,
        heard: Heard::default(),
    };
    let (merchant, trace) = (callback.merchant_id, callback.trace);
    if let Err(failure) = settlement::record(&engine, merchant, trace, command).await {
        tracing::warn!(%failure, execution = callback.execution_id.0, "a callback could not be stored");
    }
}
