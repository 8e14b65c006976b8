//! Reviews.

use domain::exceptions::review::{Review, ReviewKind, ReviewStatus};
use domain::kernel::ids::{ExecutionId, ReviewId, SourceId};
use domain::payments::execution::Execution;

use crate::StoreError;
use crate::reads::pages::{ListQuery, Page, PageOfRows};
use crate::reads::scope::{InstallationReads, MerchantReads, OperatorReads};
use crate::workspace::record::{Column, Record, RowReader};
use crate::workspace::sql_value::{ResultRow, params};

/// Which reviews are listed.
#[derive(Clone, Copy, Default, Debug)]
pub struct ReviewFilter {
    pub status: Option<ReviewStatus>,
    pub kind: Option<ReviewKind>,
}

/// An open review as it is listed for who runs the installation.
#[derive(Clone, Debug)]
pub struct OpenReview {
    pub review: Review,
    pub execution: Execution,
    pub merchant_name: String,
}

/// A dispute as it is listed, open or not.
pub type ListedDispute = OpenReview;

/// How many open disputes are listed at most: those that are due first.
pub const OPEN_DISPUTES_MAX: u32 = 200;

/// Merchants have ids above zero. With the condition an index is found that begins with the merchant.
const OF_ALL: &str = "reviews.merchant_id > 0";

/// Reviews with their executions and the names of their merchants.
fn select() -> String {
    format!(
        "SELECT {}, {}, merchants.name FROM reviews \
         JOIN executions ON executions.id = reviews.execution_id \
         JOIN merchants ON merchants.id = reviews.merchant_id",
        Review::statements().columns,
        Execution::statements().columns
    )
}

fn read_listed(row: &dyn ResultRow) -> Result<OpenReview, StoreError> {
    let width = Review::WIDTH + Execution::WIDTH;
    Ok(OpenReview {
        review: Review::from_row(row, 0)?,
        execution: Execution::from_row(row, Review::WIDTH)?,
        merchant_name: String::read(&mut RowReader::new(row, "merchants", width))?,
    })
}

/// The open disputes of these merchants, the first due first, and last those that nobody knows the day of.
fn open_disputes(merchants: &str) -> String {
    format!(
        "{} WHERE reviews.kind = 'DISPUTE' AND reviews.status = 'OPEN' AND {merchants} \
         ORDER BY CASE WHEN reviews.dispute_due_at IS NULL THEN 1 ELSE 0 END, \
         reviews.dispute_due_at, reviews.id LIMIT :limit",
        select()
    )
}

impl MerchantReads<'_> {
    /// Reviews, the newest first.
    pub async fn reviews(
        &self,
        filter: ReviewFilter,
        page: Page,
    ) -> Result<PageOfRows<Review>, StoreError> {
        let (status, kind) =
            (filter.status.map(ReviewStatus::as_str), filter.kind.map(ReviewKind::as_str));
        let list = ListQuery::all().filter("reviews.status = :status", ":status", status).filter(
            "reviews.kind = :kind",
            ":kind",
            kind,
        );
        self.list(list, page).await
    }

    pub async fn review(&self, id: ReviewId) -> Result<Option<Review>, StoreError> {
        self.one("id = :id", params!["id" = id.0]).await
    }

    /// The open disputes that are due first, at most [`OPEN_DISPUTES_MAX`].
    pub async fn open_disputes(&self) -> Result<Vec<ListedDispute>, StoreError> {
        let sql = open_disputes("reviews.merchant_id = :merchant");
        let _permit = self.list_permit().await?;
        self.list_rows(sql, params!["limit" = OPEN_DISPUTES_MAX], read_listed).await
    }

    /// Disputes, the newest first: all, or those with a status.
    pub async fn disputes(
        &self,
        status: Option<ReviewStatus>,
        page: Page,
    ) -> Result<PageOfRows<ListedDispute>, StoreError> {
        let kind = Some(ReviewKind::Dispute.as_str());
        let list = ListQuery::all().filter("reviews.kind = :kind", ":kind", kind).filter(
            "reviews.status = :status",
            ":status",
            status.map(ReviewStatus::as_str),
        );
        self.list_joined::<Review, _>(&select(), list, page, read_listed).await
    }

    /// All reviews, open and resolved, of an execution, oldest first.
    pub async fn reviews_of_execution(
        &self,
        execution: ExecutionId,
    ) -> Result<Vec<Review>, StoreError> {
        self.many("execution_id = :execution", "id", params!["execution" = execution.0]).await
    }

    /// All reviews, open and resolved, of collections for a source, oldest first.
    pub async fn reviews_of(&self, source: SourceId) -> Result<Vec<Review>, StoreError> {
        let sql = format!(
            "SELECT {} FROM executions JOIN reviews ON reviews.execution_id = executions.id \
             WHERE executions.merchant_id = :merchant AND executions.source_id = :source \
             ORDER BY reviews.id",
            Review::statements().columns
        );
        let read_row = |row: &dyn ResultRow| Review::from_row(row, 0);
        self.rows(&sql, params!["source" = source.0], read_row).await
    }
}

impl OperatorReads {
    /// Open reviews with their executions, oldest first.
    pub async fn open_reviews(&self) -> Result<Vec<(Review, Execution)>, StoreError> {
        let sql = format!(
            "SELECT {}, {} FROM reviews JOIN executions ON executions.id = reviews.execution_id \
             WHERE reviews.status = 'OPEN' ORDER BY reviews.id",
            Review::statements().columns,
            Execution::statements().columns
        );
        let read_row = |row: &dyn ResultRow| {
            Ok((Review::from_row(row, 0)?, Execution::from_row(row, Review::WIDTH)?))
        };
        self.0.rows(&sql, &vec![], read_row).await
    }

    /// Open disputes with their executions, the first due first.
    pub async fn open_disputes(&self) -> Result<Vec<(Review, Execution)>, StoreError> {
        let params = params!["limit" = i64::MAX];
        let read_row = |row: &dyn ResultRow| {
            let OpenReview { review, execution, .. } = read_listed(row)?;
            Ok((review, execution))
        };
        self.0.rows(&open_disputes(OF_ALL), &params, read_row).await
    }
}

impl InstallationReads<'_> {
    /// Open reviews of all merchants, oldest first, from after the review of an id.
    pub async fn oldest_open_reviews(
        &self,
        kind: Option<ReviewKind>,
        after: Option<ReviewId>,
        limit: u32,
    ) -> Result<Vec<OpenReview>, StoreError> {
        let Self(queries) = self;
        let of_kind = if kind.is_some() { " AND reviews.kind = :kind" } else { "" };
        let sql = format!(
            "{} WHERE reviews.status = 'OPEN' AND reviews.id > :after{of_kind} \
             ORDER BY reviews.id LIMIT :limit",
            select()
        );
        let mut params = params!["after" = after.map_or(0, |id| id.0), "limit" = limit];
        if let Some(kind) = kind {
            params.extend(params!["kind" = kind.as_str()]);
        }
        let _permit = queries.list_permit().await?;
        queries.list_rows(sql, params, read_listed).await
    }

    /// The open disputes of all merchants that are due first, at most [`OPEN_DISPUTES_MAX`].
    pub async fn open_disputes(&self) -> Result<Vec<ListedDispute>, StoreError> {
        let Self(queries) = self;
        let _permit = queries.list_permit().await?;
        let params = params!["limit" = OPEN_DISPUTES_MAX];
        queries.list_rows(open_disputes(OF_ALL), params, read_listed).await
    }

    /// Disputes of all merchants, those of the highest ids first: all, or those with a status.
    pub async fn disputes(
        &self,
        status: Option<ReviewStatus>,
        page: Page,
    ) -> Result<PageOfRows<ListedDispute>, StoreError> {
        let Self(queries) = self;
        let with_status = if status.is_some() { " AND reviews.status = :status" } else { "" };
        let sql = format!(
            "{} WHERE reviews.kind = 'DISPUTE' AND reviews.id < :before{with_status} \
             ORDER BY reviews.id DESC LIMIT :limit",
            select()
        );
        let before = page.after_id.unwrap_or(i64::MAX);
        let mut params = params!["before" = before, "limit" = page.limit];
        if let Some(status) = status {
            params.extend(params!["status" = status.as_str()]);
        }
        let _permit = queries.list_permit().await?;
        let rows = queries.list_rows(sql, params, read_listed).await?;
        Ok(PageOfRows { rows, scanned_to: None })
    }
}
