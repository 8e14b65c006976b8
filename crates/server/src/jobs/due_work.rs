//! The loop for work that falls due: merchant by merchant, each with its share of a round.
//!
//! Nothing is queued in memory. Each round reads from the rows which merchants have due work, so
//! that a restarted process goes on where another one stopped.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use domain::kernel::ids::MerchantId;

use crate::jobs::round_robin::RoundRobin;
use store::StoreError;

/// The pause before the next round, unless some merchant has more work than its share.
pub const PAUSE: Duration = Duration::from_millis(250);
/// The most items in one round, of all merchants together.
pub const ITEMS_PER_ROUND: u32 = 100;

/// Merchants, each with its first item that is due, if any is.
pub type FirstDue<Id> = Vec<(MerchantId, Option<Id>)>;

/// A kind of work that falls due.
pub trait DueWork: Send + Sync + 'static {
    /// An item of work.
    type Id: Copy + Debug + Send + 'static;

    /// The merchants that may have items, for the log.
    const MERCHANTS: &'static str;
    /// The items, for the log.
    const ITEMS: &'static str;

    /// The most items that may be begun now.
    fn capacity(&self) -> u32;

    /// Merchants above `after` in the order of their ids, each with its first item that is due, if
    /// any is. At most [`MERCHANTS_PER_ROUND`](crate::jobs::round_robin::MERCHANTS_PER_ROUND).
    fn merchants(
        &self,
        after: MerchantId,
    ) -> impl Future<Output = Result<FirstDue<Self::Id>, StoreError>> + Send;

    /// Up to `limit` items of a merchant that are due.
    fn due(
        &self,
        merchant: MerchantId,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<Self::Id>, StoreError>> + Send;

    /// Does one item. Answers whether it was done or begun: an item that was not is still due, and
    /// is no reason to start another round at once.
    fn process(&self, merchant: MerchantId, id: Self::Id) -> impl Future<Output = bool> + Send;
}

/// Does what is due, for ever.
pub async fn run<W: DueWork>(work: W) {
    let work = Arc::new(work);
    let mut turns = RoundRobin::default();
    loop {
        if !round(&work, &mut turns).await {
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// One round over some merchants. Answers whether one of them may have more than its share.
async fn round<W: DueWork>(work: &Arc<W>, turns: &mut RoundRobin) -> bool {
    let seen = match work.merchants(turns.after()).await {
        Ok(seen) => seen,
        Err(error) => {
            tracing::warn!(%error, "{} could not be read", W::MERCHANTS);
            return false;
        }
    };
    let round = turns.next_round(&seen, work.capacity());
    let shares: Vec<_> = round
        .merchants
        .iter()
        .map(|merchant| tokio::spawn(process_share(Arc::clone(work), *merchant, round.share)))
        .collect();
    let mut has_more = false;
    for share in shares {
        has_more |= share.await.unwrap_or(false);
    }
    has_more
}

/// Does a merchant's share. Answers whether all of it was done, so that there may be more.
async fn process_share<W: DueWork>(work: Arc<W>, merchant: MerchantId, share: u32) -> bool {
    match work.due(merchant, share).await {
        Ok(due) => process_all(&work, merchant, due).await >= share,
        Err(error) => {
            tracing::warn!(%error, "{} could not be read", W::ITEMS);
            false
        }
    }
}

/// Does all items at once, so that they share a commit. Answers how many were done or begun.
pub async fn process_all<W: DueWork>(
    work: &Arc<W>,
    merchant: MerchantId,
    items: Vec<W::Id>,
) -> u32 {
    let process = |id| {
        let work = Arc::clone(work);
        tokio::spawn(async move { work.process(merchant, id).await })
    };
    let tasks: Vec<_> = items.into_iter().map(process).collect();
    let mut processed = 0;
    for task in tasks {
        processed += u32::from(task.await.unwrap_or(false));
    }
    processed
}
