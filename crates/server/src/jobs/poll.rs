//! Polls providers for executions that are due: asks for their status, sends again what the
//! provider never saw, cancels what no payer authenticates, and opens a review of what is past its
//! deadline.

use std::sync::Arc;
use std::time::Duration;

use domain::directory::principal::Principal;
use domain::kernel::ids::{ExecutionId, MerchantId, NetworkAccountId};
use domain::payments::claim_execution::ClaimExecution;

use crate::app::App;
use crate::jobs::due_work::{self, DueWork, ITEMS_PER_ROUND};
use crate::jobs::round_robin::MERCHANTS_PER_ROUND;
use store::{StoreError, clock};

/// How often all open executions are searched for those whose check was put off by a clock that
/// was ahead. Their index entry lies in the future, so that the usual look-up does not find them.
const SEARCH_EVERY: Duration = Duration::from_secs(20);

/// Polls what is due, for ever.
pub async fn run(app: App) {
    due_work::run(PollExecutions(app)).await;
}

/// Searches for executions that were put off by a clock that was ahead, for ever.
pub async fn search(app: App) {
    let work = Arc::new(PollExecutions(app));
    loop {
        if let Err(error) = search_once(&work).await {
            tracing::warn!(%error, "what was put off by a clock that was ahead could not be read");
        }
        tokio::time::sleep(SEARCH_EVERY).await;
    }
}

/// Searches the executions of all merchants that have open ones.
async fn search_once(work: &Arc<PollExecutions>) -> Result<(), StoreError> {
    let mut after = MerchantId(0);
    loop {
        let seen = work.merchants(after).await?;
        for (merchant, _) in &seen {
            while poll_put_off(work, *merchant).await? {}
            after = *merchant;
        }
        if seen.len() < usize::try_from(MERCHANTS_PER_ROUND).unwrap_or(usize::MAX) {
            return Ok(());
        }
    }
}

/// Polls a merchant's executions that were put off. Answers whether there may be more.
async fn poll_put_off(
    work: &Arc<PollExecutions>,
    merchant: MerchantId,
) -> Result<bool, StoreError> {
    let limit = work.capacity();
    let found = work
        .0
        .queries
        .for_system()
        .postponed_executions(merchant, clock::now(), limit, &work.busy())
        .await?;
    if found.is_empty() {
        return Ok(false);
    }
    tracing::warn!(
        found = found.len(),
        "payments were put off by a clock that was ahead: they are looked at now"
    );
    Ok(due_work::process_all(work, merchant, found).await >= limit)
}

struct PollExecutions(App);

impl PollExecutions {
    /// The network accounts that could not begin the calls of a whole round. What is due there waits
    /// for the next one: a claim that had to wait for its call could outlive its lease.
    fn busy(&self) -> Vec<NetworkAccountId> {
        let round = usize::try_from(ITEMS_PER_ROUND).unwrap_or(usize::MAX);
        self.0.dispatcher.networks().accounts.busy(round)
    }
}

impl DueWork for PollExecutions {
    type Id = ExecutionId;

    const MERCHANTS: &'static str = "merchants with due executions";
    const ITEMS: &'static str = "due executions";

    fn capacity(&self) -> u32 {
        ITEMS_PER_ROUND
    }

    async fn merchants(
        &self,
        after: MerchantId,
    ) -> Result<Vec<(MerchantId, Option<ExecutionId>)>, StoreError> {
        self.0
            .queries
            .for_system()
            .merchants_with_executions(after, clock::now(), MERCHANTS_PER_ROUND, &self.busy())
            .await
    }

    async fn due(&self, merchant: MerchantId, limit: u32) -> Result<Vec<ExecutionId>, StoreError> {
        self.0
            .queries
            .for_system()
            .due_executions(merchant, clock::now(), limit, &self.busy())
            .await
    }

    async fn process(&self, merchant: MerchantId, id: ExecutionId) -> bool {
        let claim = ClaimExecution { execution_id: id };
        match self.0.engine.submit_for(merchant, Principal::System, claim).await {
            Ok(Some(call)) => {
                // Not awaited: a slow provider must not keep others from being asked. The lease
                // keeps other processes away meanwhile.
                self.0.dispatcher.spawn(call);
                true
            }
            Ok(None) => false,
            Err(failure) => {
                tracing::warn!(%failure, execution = id.0, "a due execution could not be claimed");
                false
            }
        }
    }
}
