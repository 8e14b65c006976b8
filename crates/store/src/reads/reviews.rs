//! Reviews.

use domain::exceptions::review::Review;
use domain::payments::execution::Execution;

use crate::StoreError;
use crate::reads::scope::OperatorReads;
use crate::workspace::record::Record;
use crate::workspace::sql_value::ResultRow;

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
