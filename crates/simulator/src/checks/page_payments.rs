//! What is always true of payments on pages: they pay what their page is for, are counted, and are the
//! payer's doing.

use domain::decision::event::{Actor, Event, EventType};
use domain::kernel::ids::{ExecutionId, MerchantId};
use domain::kernel::names::{Operation, Provider};

use super::{CheckResult, rule};
use crate::db::{Commit, Committed};

/// The payments that a commit has begun on pages.
fn begun(commit: &Commit) -> impl Iterator<Item = (ExecutionId, MerchantId)> {
    let attempts = commit.changes.provider_attempts.iter();
    let new = attempts.filter(|(before, after)| before.is_none() && after.page_id.is_some());
    new.map(|(_, after)| (after.execution_id, after.merchant_id))
}

/// Checks the payments that a commit has begun, and what it has counted.
pub fn observe(commit: &Commit, rows: &Committed) -> CheckResult {
    for (_, attempt) in &commit.changes.provider_attempts {
        let Some(page) = attempt.page_id else { continue };
        let (page, row) =
            (rows.checkout_configs.get(page), rows.executions.get(attempt.execution_id));
        let fits = page.zip(row).is_some_and(|(page, row)| {
            row.operation() == Operation::Collection
                && row.provider != Provider::Platform
                && row.source_id() == Some(page.source_id)
                && row.merchant_id == page.merchant_id
        });
        rule(fits, "a page's payment is for something else", || format!("{row:?} by {page:?}"))?;
    }
    for (_, limit) in &commit.changes.request_limits {
        let counts = begun(commit).any(|(_, merchant)| merchant == limit.merchant_id);
        rule(counts, "counted without a payment", || format!("{limit:?}"))?;
    }
    Ok(())
}

/// Who begins a session or an execution: the payer on a page, else whoever stands for the merchant.
pub fn who_begins(commit: &Commit, event: &Event) -> Actor {
    let session_of = |id: ExecutionId| {
        let changed = &commit.changes.executions;
        changed.iter().find(|(_, row)| row.id == id).map(|(_, row)| row.session_id.0)
    };
    let on_page = begun(commit).any(|(id, _)| match event.kind {
        EventType::SessionCreated => session_of(id) == Some(event.entity_id),
        _ => id.0 == event.entity_id,
    });
    if on_page { Actor::Payer } else { Actor::Operator }
}
