//! Booking accepted statements. What is to be booked follows from the rows, so whoever comes first goes
//! on where another one stopped.

use domain::kernel::ids::{StatementId, StatementLineId};
use domain::reconciliation::post_lines::{AT_ONCE, PostLines};

use crate::reconciliation::ledger::{Ledger, LedgerReads as _, submit};

/// Books the lines of a statement that can be booked. How many those were.
///
/// # Errors
/// The ledger does not answer.
pub async fn post(ledger: &impl Ledger, statement: StatementId) -> anyhow::Result<usize> {
    let limit = u32::try_from(AT_ONCE)?;
    let (mut posted, mut after) = (0, StatementLineId(0));
    loop {
        let lines = ledger.reads().lines_to_post(statement, after, limit).await?;
        let Some(last) = lines.last().copied() else { return Ok(posted) };
        posted += submit(ledger, PostLines { statement_id: statement, lines }).await?;
        after = last;
    }
}

/// Books the lines of all accepted statements that can be booked. How many those were.
///
/// # Errors
/// The ledger does not answer.
pub async fn post_all(ledger: &impl Ledger) -> anyhow::Result<usize> {
    let mut posted = 0;
    for statement in ledger.reads().statements_to_post().await? {
        posted += post(ledger, statement).await?;
    }
    Ok(posted)
}
