//! Watches the database file. What is written into a file that was deleted or renamed would be gone
//! when the process ends.

use std::time::Duration;

use store::reads::Queries;

/// How often the file is looked for.
const EVERY: Duration = Duration::from_millis(500);
/// While the file is missing, one of so many checks is logged.
const LOG_EVERY: u32 = 20;

/// Checks the file, for ever. Reads are refused from the first check on that finds it missing; a
/// batch checks for itself.
pub async fn run(queries: Queries) {
    let mut missed = 0_u32;
    loop {
        match queries.for_system().check_file() {
            Ok(()) if missed > 0 => {
                tracing::warn!("the database file is back");
                missed = 0;
            }
            Ok(()) => {}
            Err(error) => {
                if missed.is_multiple_of(LOG_EVERY) {
                    tracing::error!(%error, "every request is answered with 503");
                }
                missed = missed.saturating_add(1);
            }
        }
        tokio::time::sleep(EVERY).await;
    }
}
