//! Reviews.

use domain::exceptions::review::Review;
use domain::kernel::ids::{ExecutionId, ReviewId, SourceId};
use domain::payments::execution::Execution;

use crate::StoreError;
use crate::reads::scope::{MerchantReads, OperatorReads};
use crate::workspace::record::Record;
use crate::workspace::sql_value::{ResultRow, params};

impl MerchantReads<'_> {
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
