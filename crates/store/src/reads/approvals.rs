//! Requests for approval.

use domain::payments::approval::{Approval, ApprovalStatus};
use domain::payments::execution::Execution;

use crate::StoreError;
use crate::reads::pages::{ListQuery, Page, PageOfRows};
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
