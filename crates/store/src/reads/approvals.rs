//! Requests for approval.

use domain::kernel::ids::ExecutionId;
use domain::payments::approval::{Approval, ApprovalStatus};
use domain::payments::execution::Execution;

use crate::StoreError;
use crate::reads::of_merchant;
use crate::reads::pages::{ListQuery, Page, PageOfRows, comma_separated};
use crate::reads::scope::MerchantReads;
use crate::workspace::record::Record;
use crate::workspace::sql_value::{ResultRow, params};

impl MerchantReads<'_> {
    /// Requests with their payments, the newest first.
    pub async fn approvals(
        &self,
        status: Option<ApprovalStatus>,
        page: Page,
    ) -> Result<PageOfRows<(Approval, Execution)>, StoreError> {
        let list = match status {
            Some(status) => ListQuery::by_merchant_and(
                "approvals.status = :status",
                params!["status" = status.as_str()],
            ),
            None => ListQuery::all(),
        };
        self.list_joined::<Approval, _>(&select(), list, page, with_execution).await
    }

    /// The requests for approval of those of these executions that have one, in no particular order.
    pub async fn approvals_of<'e>(
        &self,
        executions: impl IntoIterator<Item = &'e Execution>,
    ) -> Result<Vec<Approval>, StoreError> {
        let ids: Vec<ExecutionId> = executions.into_iter().map(|execution| execution.id).collect();
        if ids.is_empty() {
            return Ok(vec![]);
        }
        let condition = of_merchant(&format!("execution_id IN {}", self.dialect().integers_of()));
        let columns = &Approval::statements().columns;
        let sql = format!("SELECT {columns} FROM approvals WHERE {condition}");
        let params = params!["ids" = comma_separated(&ids)];
        self.related_rows(ids.len(), sql, params, |row| Approval::from_row(row, 0)).await
    }
}

fn select() -> String {
    format!(
        "SELECT {}, {} FROM approvals JOIN executions ON executions.id = approvals.execution_id",
        Approval::statements().columns,
        Execution::statements().columns
    )
}

fn with_execution(row: &dyn ResultRow) -> Result<(Approval, Execution), StoreError> {
    Ok((Approval::from_row(row, 0)?, Execution::from_row(row, Approval::WIDTH)?))
}
