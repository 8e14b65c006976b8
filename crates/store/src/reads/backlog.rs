//! What waits, and for how long: for whoever watches the installation as a whole.
//!
//! Each read looks at a bounded number of rows, or skips through an index from one merchant or
//! endpoint to the next, so that a large backlog is not made worse by looking at it.

use domain::exceptions::review::ReviewKind;
use domain::kernel::currency::Currency;
use domain::kernel::time::ServerTime;

use crate::StoreError;
use crate::reads::scope::SystemReads;
use crate::workspace::record::{Column, RowReader};
use crate::workspace::sql::{Dialect, integer};
use crate::workspace::sql_value::{ResultRow, params};

/// How many rows are counted at most.
pub const COUNTED_MAX: i64 = 100_000;
/// Among how many deliveries the oldest is looked for that was never tried.
const UNTRIED_MAX: i64 = 10_000;
/// How many open reviews are looked at: the oldest.
const REVIEWS_MAX: i64 = 10_000;

/// An open review, as far as it is counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OpenAmount {
    pub kind: ReviewKind,
    /// What is in suspense, in minor units: above zero money found, below zero money missing.
    pub amount_minor: i64,
    pub currency: Currency,
}

/// Deliveries of webhooks that wait.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct WaitingDeliveries {
    /// At most [`COUNTED_MAX`]. Messages whose deliveries are not made yet count as one each.
    pub count: i64,
    /// When the oldest was made of those that nobody has tried to deliver yet.
    pub oldest_untried_at: Option<ServerTime>,
}

impl SystemReads<'_> {
    /// The amounts of the oldest open reviews.
    pub async fn open_amounts(&self) -> Result<Vec<OpenAmount>, StoreError> {
        const SQL: &str = "SELECT kind, amount_minor, currency FROM reviews WHERE status = 'OPEN' \
                           ORDER BY id LIMIT :most";
        let read = |row: &dyn ResultRow| {
            let (kind, amount_minor, currency) =
                Column::read(&mut RowReader::new(row, "reviews", 0))?;
            Ok(OpenAmount { kind, amount_minor, currency })
        };
        let _permit = self.0.list_permit().await?;
        self.0.list_rows(SQL.to_owned(), params!["most" = REVIEWS_MAX], read).await
    }

    /// Until when the open dispute that is due first can be answered.
    pub async fn next_dispute_due(&self) -> Result<Option<ServerTime>, StoreError> {
        const SQL: &str = "SELECT dispute_due_at FROM reviews WHERE kind = 'DISPUTE' AND status = 'OPEN' \
                           AND merchant_id > 0 AND dispute_due_at > 0 ORDER BY dispute_due_at LIMIT 1";
        let read = |row: &dyn ResultRow| ServerTime::read(&mut RowReader::new(row, "reviews", 0));
        Ok(self.0.rows(SQL, &vec![], read).await?.pop())
    }

    /// How many requests for approval nobody has answered; at most [`COUNTED_MAX`].
    pub async fn approvals_waiting(&self) -> Result<i64, StoreError> {
        self.count("approvals WHERE status = 'REQUESTED'").await
    }

    /// The deliveries of webhooks that wait.
    pub async fn waiting_deliveries(&self) -> Result<WaitingDeliveries, StoreError> {
        let messages = self.count("webhook_messages WHERE fanned_out_at IS NULL").await?;
        let deliveries = self.count("webhook_deliveries WHERE next_attempt_at IS NOT NULL").await?;
        // What was tried has a schedule of its own. What was claimed again and again and could not be tried
        // is due a little later each time, so that the time when it is due tells nothing.
        let sql = "SELECT coalesce(min(created_at), 0) FROM (SELECT * FROM \
                   (SELECT created_at FROM webhook_messages WHERE fanned_out_at IS NULL ORDER BY event_id LIMIT 1) AS found \
                   UNION ALL SELECT created_at FROM (SELECT created_at, attempts FROM webhook_deliveries \
                   WHERE next_attempt_at IS NOT NULL LIMIT :most) AS found WHERE attempts = 0) AS waiting";
        let params = params!["most" = UNTRIED_MAX];
        let _permit = self.0.list_permit().await?;
        let oldest = self.0.list_rows(sql.to_owned(), params, integer).await?.pop();
        Ok(WaitingDeliveries {
            count: messages.saturating_add(deliveries),
            oldest_untried_at: oldest.filter(|at| *at > 0).map(ServerTime),
        })
    }

    /// By the clock of the database server; `None` on SQLite, which has none of its own.
    pub async fn database_time(&self) -> Result<Option<ServerTime>, StoreError> {
        if self.0.dialect() == Dialect::Sqlite {
            return Ok(None);
        }
        let sql = "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)";
        let found = self.0.rows(sql, &vec![], integer).await?.pop();
        Ok(found.map(ServerTime))
    }

    /// How many rows a condition finds by its index; at most [`COUNTED_MAX`].
    async fn count(&self, rows: &str) -> Result<i64, StoreError> {
        let sql = format!("SELECT count(*) FROM (SELECT 1 FROM {rows} LIMIT :most) AS found");
        let _permit = self.0.list_permit().await?;
        let found = self.0.list_rows(sql, params!["most" = COUNTED_MAX], integer).await?.pop();
        Ok(found.unwrap_or(0))
    }
}
