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
    /// When the most overdue of them was due; none is where that is later than now.
    pub oldest_due_at: Option<ServerTime>,
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

    /// How many requests for approval nobody has answered; at most [`COUNTED_MAX`].
    pub async fn approvals_waiting(&self) -> Result<i64, StoreError> {
        self.count("approvals WHERE status = 'REQUESTED'").await
    }

    /// The deliveries of webhooks that wait.
    pub async fn waiting_deliveries(&self) -> Result<WaitingDeliveries, StoreError> {
        let messages = self.count("webhook_messages WHERE fanned_out_at IS NULL").await?;
        let deliveries = self.count("webhook_deliveries WHERE next_attempt_at IS NOT NULL").await?;
        let next = |after: &str| {
            format!(
                "(SELECT endpoint_id FROM webhook_deliveries WHERE next_attempt_at IS NOT NULL \
                 AND endpoint_id > {after} ORDER BY endpoint_id LIMIT 1)"
            )
        };
        let sql = format!(
            "WITH RECURSIVE found(id) AS (SELECT {} UNION ALL SELECT {} FROM found WHERE found.id IS NOT NULL) \
             SELECT coalesce(min((SELECT next_attempt_at FROM webhook_deliveries WHERE endpoint_id = found.id \
             AND next_attempt_at IS NOT NULL ORDER BY next_attempt_at LIMIT 1)), 0) FROM found WHERE id IS NOT NULL",
            next("0"),
            next("found.id")
        );
        let _permit = self.0.list_permit().await?;
        let oldest = self.0.list_rows(sql, vec![], integer).await?.pop();
        Ok(WaitingDeliveries {
            count: messages.saturating_add(deliveries),
            oldest_due_at: oldest.filter(|at| *at > 0).map(ServerTime),
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
