//! Looks after the file of the database: what is written into one that has lost its name is gone at
//! the end of the process.

use std::time::Duration;

use store::reads::Queries;

/// How often it is looked for.
const EVERY: Duration = Duration::from_millis(500);
/// While it is missing, every so many looks the log says so again.
const SAY_EVERY: u32 = 20;

/// Looks now and then, for ever. A read is refused from the first look that finds it missing on, a
/// batch looks for itself.
pub async fn run(queries: Queries) {
    let mut missed = 0_u32;
    loop {
        match queries.check_file() {
            Ok(()) if missed > 0 => {
                tracing::warn!("the database file is back");
                missed = 0;
            }
            Ok(()) => {}
            Err(error) => {
                if missed.is_multiple_of(SAY_EVERY) {
                    tracing::error!(%error, "every request is answered with 503");
                }
                missed = missed.saturating_add(1);
            }
        }
        tokio::time::sleep(EVERY).await;
    }
}
