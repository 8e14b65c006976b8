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
            "SELECT {}, {}, merchants.name FROM reviews \
             JOIN executions ON executions.id = reviews.execution_id \
             JOIN merchants ON merchants.id = reviews.merchant_id \
             WHERE reviews.status = 'OPEN' AND reviews.id > :after{of_kind} \
             ORDER BY reviews.id LIMIT :limit",
            Review::statements().columns,
            Execution::statements().columns
        );
        let mut params = params!["after" = after.map_or(0, |id| id.0), "limit" = limit];
        if let Some(kind) = kind {
            params.extend(params!["kind" = kind.as_str()]);
        }
        let _permit = queries.list_permit().await?;
        let read_row = |row: &dyn ResultRow| {
            let width = Review::WIDTH + Execution::WIDTH;
            Ok(OpenReview {
                review: Review::from_row(row, 0)?,
                execution: Execution::from_row(row, Review::WIDTH)?,
                merchant_name: String::read(&mut RowReader::new(row, "merchants", width))?,
            })
        };
        queries.list_rows(sql, params, read_row).await
    }
}
