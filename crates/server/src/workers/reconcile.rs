//! Finds executions that are due: asks their provider, sends again what it never saw, cancels what nobody confirms, and puts
//! on the review list what is past its deadline.

use domain::command::{Answer, Command};
use domain::execution::Job;
use domain::ids::{ExecutionId, MerchantId};

use super::PAGE;
use crate::app::App;
use crate::clock;
use crate::engine::{Failure, Outcome};

/// How many may be claimed. No more than can be called at once: a claim that waits for its call would outlive its lease.
#[must_use]
pub fn limit(free_places: usize) -> u32 {
    u32::try_from(free_places).unwrap_or(PAGE).min(PAGE)
}

/// What is handed in for an execution that is due.
#[must_use]
pub const fn claim(id: ExecutionId) -> Command {
    Command::Claim(id)
}

/// The work that follows from a claim, if it was granted.
///
/// # Errors
/// Why it could not be decided.
pub fn granted(outcome: Outcome) -> Result<Option<Job>, Failure> {
    match outcome? {
        Answer::Claimed(job) => Ok(job.map(|job| *job)),
        _ => Ok(None),
    }
}

/// Works off one page; answers how many it could claim.
pub async fn page(app: App) -> usize {
    let limit = limit(app.dispatcher.free_places());
    let due = match app.queries.due_executions(clock::now(), limit).await {
        Ok(due) => due,
        Err(error) => {
            tracing::warn!(%error, "due executions could not be read");
            return 0;
        }
    };
    let checks: Vec<_> = due.into_iter().map(|(id, merchant)| tokio::spawn(check(app.clone(), id, merchant))).collect();
    let mut claimed = 0;
    for check in checks {
        claimed += usize::from(check.await.unwrap_or(false));
    }
    claimed
}

async fn check(app: App, id: ExecutionId, merchant: MerchantId) -> bool {
    match granted(app.engine.submit_for(merchant, claim(id)).await) {
        Ok(Some(job)) => {
            // Not waited for: a slow provider must not keep others from being asked. The lease keeps the row ours meanwhile.
            tokio::spawn(async move { app.dispatcher.run(job).await });
            true
        }
        Ok(None) => false,
        Err(failure) => {
            tracing::warn!(%failure, execution = id.0, "a due execution could not be claimed");
            false
        }
    }
}
