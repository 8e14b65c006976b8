//! Finds executions that are due: asks their provider, sends again what it never saw, cancels what
//! nobody confirms, and puts on the review list what is past its deadline.

use std::time::Duration;

use domain::decision::command::{Command, Output};
use domain::kernel::ids::{ExecutionId, MerchantId};
use domain::payments::provider_call::ProviderCall;

use crate::app::App;
use crate::engine::{Failure, Outcome};
use crate::jobs::turns::{MERCHANTS, Turns};
use crate::jobs::{PAGE, TICK};
use store::{StoreError, clock};

/// What a clock that was ahead has put off is searched for so often, among all that waits.
const SEARCH_EVERY: Duration = Duration::from_secs(20);

/// How many may be claimed. No more than can be called at once: a claim that waits for its call
/// would outlive its lease.
#[must_use]
pub fn limit(free_places: usize) -> u32 {
    u32::try_from(free_places).unwrap_or(PAGE).min(PAGE)
}

/// What is handed in for an execution that is due.
#[must_use]
pub const fn claim(id: ExecutionId) -> Command {
    Command::ClaimExecution(id)
}

/// The workspace that follows from a claim, if it was granted.
///
/// # Errors
/// Why it could not be decided.
pub fn granted(outcome: Outcome) -> Result<Option<ProviderCall>, Failure> {
    match outcome? {
        Output::Claimed(job) => Ok(job.map(|job| *job)),
        _ => Ok(None),
    }
}

/// Works off what is due, for ever.
pub async fn run(app: App) {
    let mut turns = Turns::default();
    loop {
        if !round(&app, &mut turns).await {
            tokio::time::sleep(TICK).await;
        }
    }
}

/// Searches for what a clock that was ahead has put off, for ever.
pub async fn search(app: App) {
    loop {
        if let Err(error) = search_once(&app).await {
            tracing::warn!(%error, "what was put off by a clock that was ahead could not be read");
        }
        tokio::time::sleep(SEARCH_EVERY).await;
    }
}

/// Comes to each merchant with something that waits.
async fn search_once(app: &App) -> Result<(), StoreError> {
    let mut after = MerchantId(0);
    loop {
        let seen = app.queries.merchants_with_executions(after, clock::now(), MERCHANTS).await?;
        for (merchant, _) in &seen {
            while put_off(app, *merchant).await? {}
            after = *merchant;
        }
        if seen.len() < usize::try_from(MERCHANTS).unwrap_or(usize::MAX) {
            return Ok(());
        }
    }
}

/// Works off what was put off of a merchant's; answers whether there may be more.
async fn put_off(app: &App, merchant: MerchantId) -> Result<bool, StoreError> {
    let limit = limit(app.dispatcher.free_places());
    let found = app.queries.postponed_executions(merchant, clock::now(), limit).await?;
    if found.is_empty() {
        return Ok(false);
    }
    tracing::warn!(
        found = found.len(),
        "payments were put off by a clock that was ahead: they are looked at now"
    );
    Ok(claim_all(app, found.into_iter().map(|id| (id, merchant))).await >= limit)
}

/// Works off what some merchants have; answers whether there is more.
async fn round(app: &App, turns: &mut Turns) -> bool {
    let seen =
        match app.queries.merchants_with_executions(turns.after(), clock::now(), MERCHANTS).await {
            Ok(seen) => seen,
            Err(error) => {
                tracing::warn!(%error, "merchants with due executions could not be read");
                return false;
            }
        };
    let served = turns.deal(&seen, limit(app.dispatcher.free_places()));
    let work = |merchant: &MerchantId| tokio::spawn(share(app.clone(), *merchant, served.share));
    let works: Vec<_> = served.merchants.iter().map(work).collect();
    let mut more = false;
    for work in works {
        more |= work.await.unwrap_or(false);
    }
    more
}

/// Works off a merchant's share; answers whether all of it was claimed and there may be more.
async fn share(app: App, merchant: MerchantId, share: u32) -> bool {
    match app.queries.due_executions(merchant, clock::now(), share).await {
        Ok(due) => claim_all(&app, due.into_iter().map(|id| (id, merchant))).await >= share,
        Err(error) => {
            tracing::warn!(%error, "due executions could not be read");
            false
        }
    }
}

/// Claims executions and has their providers asked; answers how many could be claimed.
async fn claim_all(app: &App, due: impl Iterator<Item = (ExecutionId, MerchantId)>) -> u32 {
    let checks: Vec<_> =
        due.map(|(id, merchant)| tokio::spawn(check(app.clone(), id, merchant))).collect();
    let mut claimed = 0;
    for check in checks {
        claimed += u32::from(check.await.unwrap_or(false));
    }
    claimed
}

async fn check(app: App, id: ExecutionId, merchant: MerchantId) -> bool {
    match granted(app.engine.submit_for(merchant, claim(id)).await) {
        Ok(Some(job)) => {
            // Not waited for: a slow provider must not keep others from being asked. The lease
            // keeps the row ours meanwhile.
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
