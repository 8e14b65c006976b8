//! Deletes rows that were kept for the time that they are kept for, a few at once.

use std::time::Duration;

use domain::decision::retention::{DeleteRetained, Retained};
use domain::directory::principal::Principal;
use domain::kernel::ids::MerchantId;

use crate::app::App;
use store::clock;

/// How often rows are looked for that were kept long enough.
const EVERY: Duration = Duration::from_secs(600);
/// How many rows are deleted in one commit, so that no payment waits long for it.
const ROWS_AT_ONCE: u32 = 500;
/// The pause between two commits, in which payments go on.
const PAUSE: Duration = Duration::from_millis(100);

/// Deletes what was kept long enough, for ever.
pub async fn run(app: App) {
    loop {
        for table in Retained::ALL {
            while sweep(&app, table).await {
                tokio::time::sleep(PAUSE).await;
            }
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// Deletes rows once. Returns whether there may be more.
async fn sweep(app: &App, table: Retained) -> bool {
    let reads = app.queries.for_system();
    let ids = match reads.kept_long_enough(table, clock::now(), ROWS_AT_ONCE).await {
        Ok(ids) => ids,
        Err(error) => {
            tracing::warn!(%error, ?table, "old rows could not be looked for");
            return false;
        }
    };
    if ids.is_empty() {
        return false;
    }
    let may_be_more = u32::try_from(ids.len()) == Ok(ROWS_AT_ONCE);
    let delete = DeleteRetained { table, ids };
    match app.engine.submit_for(MerchantId::INSTALLATION, Principal::System, delete).await {
        Ok(()) => may_be_more,
        Err(failure) => {
            tracing::warn!(%failure, ?table, "old rows could not be deleted");
            false
        }
    }
}
