//! Finding payments by what people know of them. Each read finds its rows by an index, and at most
//! so many that a page shows them.

use domain::directory::party::Party;
use domain::directory::payment_account::PaymentAccount;
use domain::kernel::ids::{ExecutionId, PartyId, PaymentAccountId, SourceId};
use domain::kernel::time::MerchantTime;
use domain::kernel::uuids::{NetworkRequestId, ReferenceId, Uuid};
use domain::payments::execution::Execution;

use crate::StoreError;
use crate::reads::scope::MerchantReads;
use crate::workspace::record::Record;
use crate::workspace::sql::Dialect;
use crate::workspace::sql_value::params;

/// The most payments that one read finds.
const PAYMENTS_MAX: u32 = 50;
/// The most people or accounts that one read finds.
const PEOPLE_MAX: u32 = 20;
/// Follows every text that begins like another.
const AFTER_ALL: char = char::MAX;

impl MerchantReads<'_> {
    /// The execution of this reference, whatever its operation.
    pub async fn execution_of_reference(
        &self,
        reference: ReferenceId,
    ) -> Result<Option<Execution>, StoreError> {
        let condition = "merchant_id = :merchant AND reference_id = :reference";
        self.one(condition, params!["reference" = reference]).await
    }

    /// The execution whose request has this id at a real network.
    pub async fn execution_of_request(
        &self,
        request: Uuid,
    ) -> Result<Option<Execution>, StoreError> {
        let condition = "id IN (SELECT execution_id FROM provider_attempts WHERE request_id = :request AND body IS NOT NULL)";
        self.one(condition, params!["request" = NetworkRequestId(request)]).await
    }

    /// The executions to which a network gave this number.
    pub async fn executions_by_network_id(&self, id: &str) -> Result<Vec<Execution>, StoreError> {
        let order = format!("created_at DESC, id DESC LIMIT {PAYMENTS_MAX}");
        self.many("provider_transaction_id = :id", &order, params!["id" = id]).await
    }

    /// The collections for an invoice or order, newest first.
    pub async fn executions_of_source(
        &self,
        source: SourceId,
    ) -> Result<Vec<Execution>, StoreError> {
        let order = format!("created_at DESC, id DESC LIMIT {PAYMENTS_MAX}");
        self.many("source_id = :source", &order, params!["source" = source.0]).await
    }

    /// The newest payments with an account.
    pub async fn executions_of_account(
        &self,
        account: PaymentAccountId,
    ) -> Result<Vec<Execution>, StoreError> {
        let order = format!("created_at DESC, id DESC LIMIT {PAYMENTS_MAX}");
        self.many("payment_account_id = :account", &order, params!["account" = account.0]).await
    }

    /// The newest payments with an account before a place in the list of its payments.
    pub async fn executions_of_account_before(
        &self,
        account: PaymentAccountId,
        (at, id): (MerchantTime, ExecutionId),
    ) -> Result<Vec<Execution>, StoreError> {
        let condition = "payment_account_id = :account AND created_at <= :at AND (created_at < :at OR id < :id)";
        let order = format!("created_at DESC, id DESC LIMIT {PAYMENTS_MAX}");
        let params = params!["account" = account.0, "at" = at.0, "id" = id.0];
        self.many(condition, &order, params).await
    }

    /// Accounts of this number.
    pub async fn accounts_by_number(
        &self,
        number: &str,
    ) -> Result<Vec<PaymentAccount>, StoreError> {
        let condition = "merchant_id = :merchant AND account_number = :number";
        let order = format!("id DESC LIMIT {PEOPLE_MAX}");
        self.many(condition, &order, params!["number" = number]).await
    }

    /// The newest accounts of a party.
    pub async fn accounts_of_party(
        &self,
        party: PartyId,
    ) -> Result<Vec<PaymentAccount>, StoreError> {
        let order = format!("created_at DESC, id DESC LIMIT {PEOPLE_MAX}");
        self.many("party_id = :party", &order, params!["party" = party.0]).await
    }

    /// Parties with this phone number.
    pub async fn parties_by_phone(&self, phone: &str) -> Result<Vec<Party>, StoreError> {
        let condition = "merchant_id = :merchant AND phone = :phone";
        let order = format!("id LIMIT {PEOPLE_MAX}");
        self.many(condition, &order, params!["phone" = phone]).await
    }

    /// Parties whose name, or what of it follows the first word, begins like this, in either case.
    pub async fn parties_by_name(&self, start: &str) -> Result<Vec<Party>, StoreError> {
        let (name, further, collation) = match self.dialect() {
            Dialect::Sqlite => {
                ("lower(fullname)", "lower(substr(fullname, instr(fullname, ' ') + 1))", "")
            }
            Dialect::Postgres => (
                "lower(fullname)",
                "lower(substr(fullname, strpos(fullname, ' ') + 1))",
                " COLLATE \"C\"",
            ),
        };
        let columns = &Party::statements().columns;
        let of = |name: &str| {
            format!(
                "SELECT id FROM (SELECT id FROM parties WHERE merchant_id = :merchant \
                 AND {name}{collation} >= lower(:start){collation} \
                 AND {name}{collation} < (lower(:start) || :after_all){collation} \
                 ORDER BY {name}{collation} LIMIT {PEOPLE_MAX}) AS found"
            )
        };
        let sql = format!(
            "SELECT {columns} FROM parties WHERE id IN ({} UNION {}) AND +merchant_id = :merchant \
             ORDER BY lower(fullname){collation}, id LIMIT {PEOPLE_MAX}",
            of(name),
            of(further)
        );
        let params = params!["start" = start.to_owned(), "after_all" = AFTER_ALL.to_string()];
        let found = self.rows(&sql, params, |row| Party::from_row(row, 0)).await?;
        Ok(found.into_iter().map(|party| self.shown(party)).collect())
    }
}
