//! Executions.

use domain::kernel::ids::{ExecutionId, SourceId};
use domain::kernel::names::Operation;
use domain::kernel::uuids::ReferenceId;
use domain::payments::attempt::{ProviderAttempt, WithAttempt};
use domain::payments::execution::{Execution, ExecutionStatus};

use crate::StoreError;
use crate::reads::of_merchant;
use crate::reads::pages::{ListQuery, Page, PageOfRows, comma_separated};
use crate::reads::scope::MerchantReads;
use crate::workspace::codes::Coded;
use crate::workspace::record::Record;
use crate::workspace::sql_value::params;

/// The most refunds of one payment that are read: a payment may have as many as minor units.
const MAX_REFUNDS_READ: u32 = 200;

impl MerchantReads<'_> {
    pub async fn execution(&self, id: ExecutionId) -> Result<Option<Execution>, StoreError> {
        self.one("id = :id", params!["id" = id.0]).await
    }

    pub async fn execution_by_reference(
        &self,
        operation: Operation,
        reference: ReferenceId,
    ) -> Result<Option<Execution>, StoreError> {
        static SQL: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| {
            format!(
                "SELECT {} FROM executions WHERE merchant_id = :merchant AND reference_id = :reference",
                Execution::statements().columns
            )
        });
        let params = params!["reference" = reference];
        let found = self.rows(&SQL, params, |row| Execution::from_row(row, 0)).await?.pop();
        Ok(found.filter(|execution| execution.operation() == operation))
    }

    /// An execution with its attempt, while it is under way.
    pub async fn with_attempt(&self, execution: Execution) -> Result<WithAttempt, StoreError> {
        let attempt = self.open_attempts([&execution]).await?.pop();
        Ok(WithAttempt { execution, attempt })
    }

    /// The attempts at networks of those executions that are not final, in no particular order.
    pub async fn open_attempts<'e>(
        &self,
        executions: impl IntoIterator<Item = &'e Execution>,
    ) -> Result<Vec<ProviderAttempt>, StoreError> {
        let open = executions.into_iter().filter(|execution| !execution.status.is_final());
        let ids: Vec<ExecutionId> = open.map(|execution| execution.id).collect();
        if ids.is_empty() {
            return Ok(vec![]);
        }
        let condition = of_merchant(&format!("execution_id IN {}", self.dialect().integers_of()));
        let columns = &ProviderAttempt::statements().columns;
        let sql = format!("SELECT {columns} FROM provider_attempts WHERE {condition}");
        let params = params!["ids" = comma_separated(&ids)];
        self.related_rows(ids.len(), sql, params, |row| ProviderAttempt::from_row(row, 0)).await
    }

    pub async fn executions(&self, page: Page) -> Result<PageOfRows<Execution>, StoreError> {
        self.list(ListQuery::all(), page).await
    }

    /// The first collection of a source that completed or was settled by a review: the one that paid
    /// it. Any later one is a second payment of the same source.
    pub async fn collection_of(&self, source: SourceId) -> Result<Option<Execution>, StoreError> {
        let condition = format!(
            "source_id = :source AND (status = {} OR settled_by_review_at IS NOT NULL)",
            ExecutionStatus::Completed.code()
        );
        let order = "coalesce(completed_at, settled_by_review_at), id LIMIT 1";
        Ok(self.many(&condition, order, params!["source" = source.0]).await?.pop())
    }

    /// The refunds of a payment that did not fail, oldest first, at most [`MAX_REFUNDS_READ`].
    pub async fn refunds_of(&self, paid: ExecutionId) -> Result<Vec<Execution>, StoreError> {
        let condition = format!(
            "original_execution_id = :paid AND status <> {}",
            ExecutionStatus::Failed.code()
        );
        let order = format!("created_at, id LIMIT {MAX_REFUNDS_READ}");
        self.many(&condition, &order, params!["paid" = paid.0]).await
    }
}
