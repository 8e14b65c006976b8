//! Finds changes of the payments that are watched. One look is shared by all sockets of the process,
//! and finds what other processes wrote, too. While nobody watches, it reads nothing.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use domain::kernel::ids::{ExecutionId, MerchantId};
use domain::payments::attempt::WithAttempt;
use store::StoreError;
use store::reads::watched::{ExecutionEvent, WatchedPayment};
use tokio::time::{MissedTickBehavior, interval};

use crate::app::App;
use crate::sockets::public_status;

/// How often it looks.
const EVERY: Duration = Duration::from_millis(100);
/// How many events of a merchant are read at once. A merchant with more is read again after the
/// others.
const EVENTS_AT_ONCE: u32 = 200;

/// Looks for changes, for ever.
pub async fn run(app: App) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut has_failed = false;
    loop {
        ticks.tick().await;
        match look(&app).await {
            Ok(()) => has_failed = false,
            Err(error) => {
                // Once, and not ten times a second. Nothing is lost: it goes on where it was.
                if !has_failed {
                    tracing::warn!(%error, "changes could not be read for realtime clients");
                }
                has_failed = true;
            }
        }
    }
}

async fn look(app: &App) -> Result<(), StoreError> {
    let watched: HashMap<MerchantId, i64> = app.sockets.watches.positions().into_iter().collect();
    if watched.is_empty() {
        return Ok(());
    }
    let merchants: Vec<MerchantId> = watched.keys().copied().collect();
    let last = app.queries.for_system().last_event_positions(&merchants).await?;
    let behind = |(merchant, last)| {
        let position = *watched.get(&merchant)?;
        (position < last).then_some((merchant, position))
    };
    let mut waiting: VecDeque<(MerchantId, i64)> = last.into_iter().filter_map(behind).collect();
    let mut broken = Ok(());
    while let Some((merchant, position)) = waiting.pop_front() {
        match look_at(app, merchant, position).await {
            Ok(Some(position)) => waiting.push_back((merchant, position)),
            Ok(None) => {}
            // The rows of one merchant keep nobody else from being told.
            Err(error @ StoreError::Inconsistent { .. }) => broken = Err(error),
            Err(error) => return Err(error),
        }
    }
    broken
}

/// Tells of a merchant's next events. Returns from where to go on if there may be more.
async fn look_at(
    app: &App,
    merchant: MerchantId,
    position: i64,
) -> Result<Option<i64>, StoreError> {
    let reads = app.queries.for_system();
    let found = reads.execution_events_after(merchant, position, EVENTS_AT_ONCE).await?;
    tell(app, merchant, found.iter().filter_map(|(_, event)| *event)).await?;
    let Some((last, _)) = found.last() else { return Ok(None) };
    app.sockets.watches.told(merchant, *last);
    let is_full = found.len() >= usize::try_from(EVENTS_AT_ONCE).unwrap_or(usize::MAX);
    Ok(is_full.then_some(*last))
}

/// Tells of events. What is told is the payment as it is now, each time.
async fn tell(
    app: &App,
    merchant_id: MerchantId,
    events: impl Iterator<Item = ExecutionEvent>,
) -> Result<(), StoreError> {
    let mut read: HashMap<ExecutionId, Option<WithAttempt>> = HashMap::new();
    for event in events {
        let ExecutionEvent { session_id, reference_id, .. } = event;
        let payment = WatchedPayment { merchant_id, session_id, reference_id };
        let Some(watched) = app.sockets.watches.get(payment) else { continue };
        let found = match read.get(&event.execution_id) {
            Some(found) => found,
            None => {
                let found = app.queries.for_payment(payment).execution().await?;
                read.entry(event.execution_id).or_insert(found)
            }
        };
        // A refund that has the reference is no payment of the page.
        let Some(found) = found else { continue };
        let row = public_status::of(found, watched.source_type);
        let at = public_status::commit_timestamp(event.created_at);
        let change = if event.sequence == 1 { row.inserted(&at) } else { row.updated(&at) };
        app.sockets.watches.tell(payment, &Arc::new(change));
    }
    Ok(())
}
