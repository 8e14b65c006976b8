//! Network accounts: their sealed secrets, the payments under way through them, and what was said to
//! their networks.

use domain::decision::retention::Retained;
use domain::kernel::ids::{ExecutionId, MerchantId, NetworkAccountId};
use domain::kernel::time::ServerTime;
use domain::kernel::trace::TraceContext;
use domain::kernel::uuids::{NetworkRequestId, Uuid};
use domain::network_accounts::exchange::Exchange;
use domain::network_accounts::secret::NetworkSecret;
use domain::network_accounts::unmatched_callback::UnmatchedCallback;

use crate::StoreError;
use crate::reads::scope::{MerchantReads, OperatorReads, SystemReads};
use crate::workspace::deleting::DeleteSql as _;
use crate::workspace::record::{Column, Record, RowReader};
use crate::workspace::sql::integer;
use crate::workspace::sql_value::{ResultRow, params};

/// A payment, and what its trace continues if it is traced.
type TracedPayment = (MerchantId, ExecutionId, Option<TraceContext>);

impl SystemReads<'_> {
    /// The secrets that are not retired, the newest first.
    pub async fn network_secrets(&self) -> Result<Vec<NetworkSecret>, StoreError> {
        let sql = format!(
            "SELECT {} FROM network_secrets WHERE retired_at IS NULL ORDER BY id DESC",
            NetworkSecret::statements().columns
        );
        self.0.rows(&sql, &vec![], |row| NetworkSecret::from_row(row, 0)).await
    }

    /// The payment that has this request id at a real network, if it is one of the account.
    pub async fn payment_of_request(
        &self,
        account: NetworkAccountId,
        request: Uuid,
    ) -> Result<Option<TracedPayment>, StoreError> {
        const SQL: &str = "SELECT merchant_id, execution_id, trace_id, span_id FROM provider_attempts \
             WHERE request_id = :request AND body IS NOT NULL AND network_account_id = :account";
        let params = params!["request" = NetworkRequestId(request), "account" = account.0];
        let read = |row: &dyn ResultRow| {
            TracedPayment::read(&mut RowReader::new(row, "provider_attempts", 0))
        };
        Ok(self.0.rows(SQL, &params, read).await?.pop())
    }

    /// The collection from a card that has this id at its network, if it is one of the account.
    pub async fn card_payment(
        &self,
        account: NetworkAccountId,
        transaction_id: &str,
    ) -> Result<Option<(MerchantId, ExecutionId)>, StoreError> {
        const SQL: &str = "SELECT e.merchant_id, e.id FROM executions AS e \
             JOIN provider_attempts AS a ON a.execution_id = e.id \
             WHERE e.provider_transaction_id = :transaction AND e.method = 'CREDIT_CARD' \
             AND e.source_id IS NOT NULL AND a.network_account_id = :account";
        let params = params!["transaction" = transaction_id.to_owned(), "account" = account.0];
        let read = |row: &dyn ResultRow| {
            <(MerchantId, ExecutionId)>::read(&mut RowReader::new(row, "executions", 0))
        };
        Ok(self.0.rows(SQL, &params, read).await?.pop())
    }
}

impl SystemReads<'_> {
    /// How many callbacks about unknown payments an account has on record.
    pub async fn unmatched_callbacks(&self, account: NetworkAccountId) -> Result<i64, StoreError> {
        const SQL: &str =
            "SELECT count(*) FROM unmatched_callbacks WHERE network_account_id = :account";
        let rows = self.0.rows(SQL, &params!["account" = account.0], integer).await?;
        Ok(rows.first().copied().unwrap_or(0))
    }

    /// The ids of rows that were kept long enough, the oldest first.
    pub async fn kept_long_enough(
        &self,
        table: Retained,
        now: ServerTime,
        limit: u32,
    ) -> Result<Vec<i64>, StoreError> {
        let before = now.plus(-table.kept_for());
        let params = params!["before" = before.0, "limit" = i64::from(limit)];
        self.0.rows(table.find_old(), &params, integer).await
    }
}

impl OperatorReads {
    /// Callbacks about unknown payments, the newest first.
    pub async fn list_unmatched_callbacks(
        &self,
        account: NetworkAccountId,
        limit: u32,
    ) -> Result<Vec<UnmatchedCallback>, StoreError> {
        let sql = format!(
            "SELECT {} FROM unmatched_callbacks WHERE network_account_id = :account \
             ORDER BY id DESC LIMIT :limit",
            UnmatchedCallback::statements().columns
        );
        let params = params!["account" = account.0, "limit" = i64::from(limit)];
        self.0.rows(&sql, &params, |row| UnmatchedCallback::from_row(row, 0)).await
    }

    /// How many payments of an account are under way.
    pub async fn open_payments(&self, account: NetworkAccountId) -> Result<i64, StoreError> {
        const SQL: &str = "SELECT count(*) FROM provider_attempts \
             WHERE next_check_at IS NOT NULL AND network_account_id = :account";
        let rows = self.0.rows(SQL, &params!["account" = account.0], integer).await?;
        Ok(rows.first().copied().unwrap_or(0))
    }
}

impl MerchantReads<'_> {
    /// What was said to a network about an execution, oldest first. Names of people may stand in
    /// it, so whoever may not see them reads only when and how it went.
    pub async fn exchanges(&self, execution: ExecutionId) -> Result<Vec<Exchange>, StoreError> {
        let params = params!["execution" = execution.0];
        let mut found: Vec<Exchange> = self.many("execution_id = :execution", "id", params).await?;
        if !self.shows_contacts() {
            for Exchange { said, .. } in &mut found {
                said.request.clear();
                said.answer.clear();
            }
        }
        Ok(found)
    }
}
