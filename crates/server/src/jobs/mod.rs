//! Background jobs. What is due is found in the payments' own rows: after a crash nothing has to be
//! rebuilt.

pub mod batch_chain;
pub mod call_sequence;
pub mod callbacks;
pub mod cancel_unpaid;
pub mod dispatch;
pub mod due_work;
pub mod expire;
pub mod expire_approvals;
pub mod file_watch;
pub mod network_accounts;
pub mod poll;
pub mod reconciliation;
pub mod retention;
pub mod round_robin;
pub mod settlement;
pub mod signing_keys;
pub mod verification;
pub mod webhook_pace;
pub mod webhooks;

use tokio::task::JoinSet;

use crate::app::App;

/// Starts the jobs. They end when the set is dropped.
#[must_use]
pub fn start(
    app: &App,
    callbacks: tokio::sync::mpsc::Receiver<networks::sandbox::Callback>,
) -> JoinSet<()> {
    let mut jobs = JoinSet::new();
    jobs.spawn(callbacks::run(app.engine.clone(), callbacks));
    jobs.spawn(poll::run(app.clone()));
    jobs.spawn(poll::search(app.clone()));
    jobs.spawn(expire::run(app.clone()));
    jobs.spawn(expire_approvals::run(app.clone()));
    jobs.spawn(cancel_unpaid::run(app.clone()));
    jobs.spawn(network_accounts::ask_for_terms(app.clone()));
    jobs.spawn(network_accounts::log_counters(app.clone()));
    jobs.spawn(retention::run(app.clone()));
    jobs.spawn(batch_chain::run(app.clone()));
    jobs.spawn(webhooks::fan_out(app.clone()));
    jobs.spawn(webhooks::deliver(app.clone()));
    jobs
}
