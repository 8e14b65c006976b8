//! Figures of merchants' payments: sums of the last 30 days, in memory.
//!
//! A scan of so many payments at each view would take too long, and a row of sums that each payment
//! writes would slow payments down. So each process counts the days of a merchant whose figures are
//! asked for, once, and from then on reads the events after those that it knows, in the order of
//! their positions, by which no change of any process is missed. The rows stay the truth: what is in
//! memory is counted anew after a start, and says up to when it goes.

mod days;
mod total;

pub use days::{DAYS, DayFigures, Snapshot, Sums, SumsByKey, Within, sum_of};
pub use total::Total;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use domain::directory::merchant::Merchant;
use domain::kernel::ids::MerchantId;
use domain::kernel::time::ServerTime;
use store::reads::Queries;
use store::{StoreError, clock};

use days::Days;

/// The figures of how many merchants are kept.
const MERCHANTS_KEPT: usize = 64;
/// How many events are read at once.
const EVENTS_READ: u32 = 1_000;
/// For so long a page waits for figures that are being counted. What it has then is shown.
pub const PAGE_WAITS: Duration = Duration::from_millis(100);
/// For so long a program waits for them.
pub const PROGRAM_WAITS: Duration = Duration::from_secs(5);

/// The figures of merchants.
#[derive(Default)]
pub struct Figures(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    of: HashMap<MerchantId, Entry>,
    /// How often figures were asked for.
    asked: u64,
}

struct Entry {
    shared: Arc<Shared>,
    /// When they were asked for last, by the count of questions.
    last_asked: u64,
}

#[derive(Default)]
struct Shared {
    /// What is being counted, by one task at a time.
    counting: tokio::sync::Mutex<Option<Counting>>,
    shown: RwLock<Option<Arc<Snapshot>>>,
}

impl Shared {
    fn shown(&self) -> Option<Arc<Snapshot>> {
        self.shown.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn show(&self, snapshot: Snapshot) {
        let mut shown = self.shown.write().unwrap_or_else(PoisonError::into_inner);
        *shown = Some(Arc::new(snapshot));
    }
}

struct Counting {
    days: Days,
    /// The events up to this position are in them.
    position: i64,
    /// All that was committed before this time is in them.
    as_of: Option<ServerTime>,
}

impl Figures {
    /// A merchant's figures as of now, or as of the last time that they were counted if that takes
    /// longer than `patience`; `None` if they were not counted at all yet.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn of(
        &self,
        queries: &Queries,
        merchant: &Merchant,
        patience: Duration,
    ) -> Result<Option<Arc<Snapshot>>, StoreError> {
        let shared = self.shared(merchant.id);
        let asked_at = clock::now();
        // In a task of its own: what was begun is of use to the next who asks, too.
        let task = tokio::spawn(bring_up_to_date(
            Arc::clone(&shared),
            queries.clone(),
            merchant.clone(),
            asked_at,
        ));
        match tokio::time::timeout(patience, task).await {
            Ok(done) => done.map_err(|_| StoreError::Panicked)??,
            Err(_) => tracing::debug!(merchant = merchant.id.0, "figures are still being counted"),
        }
        Ok(shared.shown())
    }

    fn shared(&self, id: MerchantId) -> Arc<Shared> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.asked += 1;
        let asked = kept.asked;
        if !kept.of.contains_key(&id) && kept.of.len() >= MERCHANTS_KEPT {
            let oldest = kept.of.iter().min_by_key(|(_, entry)| entry.last_asked);
            if let Some(oldest) = oldest.map(|(id, _)| *id) {
                kept.of.remove(&oldest);
            }
        }
        let fresh = || Entry { shared: Arc::default(), last_asked: asked };
        let entry = kept.of.entry(id).or_insert_with(fresh);
        entry.last_asked = asked;
        Arc::clone(&entry.shared)
    }
}

/// Counts what is not counted yet, and what has happened since.
async fn bring_up_to_date(
    shared: Arc<Shared>,
    queries: Queries,
    merchant: Merchant,
    asked_at: ServerTime,
) -> Result<(), StoreError> {
    let reads = queries.of(&merchant);
    let mut counting = shared.counting.lock().await;
    let today = merchant.time(asked_at).day_number();
    if let Some(known) = counting.as_mut() {
        known.days.roll(today);
    } else {
        let position = reads.last_event_position().await?;
        *counting = Some(Counting { days: Days::new(today), position, as_of: None });
    }
    let Some(now) = counting.as_mut() else { return Ok(()) };
    // Whoever held the lock began after this was asked for.
    let is_done = now.as_of.is_some_and(|as_of| as_of > asked_at);
    if is_done && now.days.next_to_count().is_none() {
        return Ok(());
    }
    while let Some(pieces) = now.days.next_to_count() {
        let known = reads.last_event_position().await?;
        for piece in pieces {
            let groups = reads.payment_groups(piece.from, piece.until).await?;
            now.days.count(piece, &groups, known);
        }
        shared.show(now.days.snapshot(now.as_of.unwrap_or(asked_at)));
    }
    loop {
        let begun = clock::now();
        let events = reads.payment_changes_after(now.position, EVENTS_READ).await?;
        for (position, change) in &events {
            if let Some(change) = change {
                now.days.apply(*position, change);
            }
            now.position = *position;
        }
        let is_full = u32::try_from(events.len()).is_ok_and(|read| read >= EVENTS_READ);
        if !is_full {
            now.as_of = Some(begun);
            shared.show(now.days.snapshot(begun));
            return Ok(());
        }
    }
}
