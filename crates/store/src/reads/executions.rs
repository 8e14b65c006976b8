//! Executions.

use domain::directory::payment_account::PaymentAccount;
use domain::kernel::currency::Currency;
use domain::kernel::ids::{ExecutionId, SessionId, SourceId};
use domain::kernel::masks::initials;
use domain::kernel::money::Decimal;
use domain::kernel::names::{Method, Operation};
use domain::kernel::time::MerchantTime;
use domain::kernel::uuids::ReferenceId;
use domain::payments::attempt::{ProviderAttempt, WithAttempt};
use domain::payments::execution::{Execution, ExecutionStatus};
use domain::payments::execution_intent::ExecutionIntent;
use domain::payments::session::Session;

use crate::StoreError;
use crate::reads::of_merchant;
use crate::reads::pages::{ListQuery, Page, PageOfRows, comma_separated};
use crate::reads::scope::MerchantReads;
use crate::workspace::codes::Coded;
use crate::workspace::record::{Column, Record, RowReader};
use crate::workspace::sql_value::{ResultRow, params};

/// The most refunds of one payment that are read: a payment may have as many as minor units.
const MAX_REFUNDS_READ: u32 = 200;

/// Which executions are listed.
#[derive(Clone, Copy, Default, Debug)]
pub struct ExecutionFilter {
    pub status: Option<ExecutionStatus>,
    pub operation: Option<Operation>,
    pub method: Option<Method>,
    /// What the payer pays, or what the payee is to have.
    pub amount: Option<Decimal>,
    /// Of either side.
    pub currency: Option<Currency>,
    /// Of what moves at the provider.
    pub amount_currency: Option<Currency>,
    /// Of the fees: that of the source or wallet.
    pub fee_currency: Option<Currency>,
    pub is_final: Option<bool>,
    /// Inclusive.
    pub from: Option<MerchantTime>,
    /// Exclusive.
    pub until: Option<MerchantTime>,
}

impl ExecutionFilter {
    /// Adds the currencies of what moved and of the fees, and whether it is final.
    fn narrow_by_outcome(self, list: ListQuery) -> ListQuery {
        let code = |currency: Option<Currency>| currency.map(|one| one.code().to_owned());
        let amount = by_operation("payer_currency", "payee_currency");
        let fees = by_operation("payee_currency", "payer_currency");
        let list = list
            .filter(&format!("{amount} = :moved"), ":moved", code(self.amount_currency))
            .filter(&format!("{fees} = :of_fees"), ":of_fees", code(self.fee_currency));
        let Some(is_final) = self.is_final else { return list };
        let wanted = ExecutionStatus::ALL.iter().filter(|status| status.is_final() == is_final);
        let codes: Vec<String> = wanted.map(|status| status.code().to_string()).collect();
        list.filter_by(format!("status IN ({})", codes.join(", ")), params![])
    }

    /// Adds the amount and the currency, of which either side of a payment may be.
    fn narrow_by_amount(self, list: ListQuery) -> ListQuery {
        let of_either = |condition: &dyn Fn(&str) -> String| {
            format!("({} OR {})", condition("payer"), condition("payee"))
        };
        let list = match self.currency {
            None => list,
            Some(currency) => {
                let condition = of_either(&|side| format!("{side}_currency = :currency"));
                list.filter_by(condition, params!["currency" = currency.code().to_owned()])
            }
        };
        let Some(number) = self.amount else { return list };
        // The same number is another count of minor units by the currency's decimals. No amount is
        // below zero, so what no currency of so many decimals can have finds none.
        let minor = |exponent| {
            let mut known = Currency::codes().filter_map(Currency::parse);
            let one = known.find(|currency| currency.exponent() == exponent);
            one.and_then(|one| number.to_money(one).ok()).map_or(-1, |money| money.minor)
        };
        let (none, three) = (quoted_codes(0), quoted_codes(3));
        let condition = of_either(&|side| {
            let is_asked_for = match self.currency {
                None => String::new(),
                Some(_) => format!(" AND {side}_currency = :currency"),
            };
            format!(
                "{side}_minor = CASE WHEN {side}_currency IN ({none}) THEN :amount_0 \
                 WHEN {side}_currency IN ({three}) THEN :amount_3 ELSE :amount_2 END{is_asked_for}"
            )
        });
        let (none, two, three) = (minor(0), minor(2), minor(3));
        list.filter_by(condition, params!["amount_0" = none, "amount_2" = two, "amount_3" = three])
    }
}

/// One side of a payment for collections, and the other one for everything else.
fn by_operation(of_collections: &str, of_others: &str) -> String {
    let collection = Operation::Collection.code();
    format!("CASE WHEN operation = {collection} THEN {of_collections} ELSE {of_others} END")
}

/// The codes of the currencies with so many decimals, as a list in SQL.
fn quoted_codes(exponent: u32) -> String {
    let known = Currency::codes().filter_map(Currency::parse);
    let codes = known.filter(|currency| currency.exponent() == exponent);
    codes.map(|currency| format!("'{}'", currency.code())).collect::<Vec<_>>().join(", ")
}

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

    /// Executions, newest first.
    pub async fn executions(
        &self,
        filter: ExecutionFilter,
        page: Page,
    ) -> Result<PageOfRows<Execution>, StoreError> {
        let list = match (filter.from, filter.until) {
            (None, None) => ListQuery::all(),
            (from, until) => {
                let (from, until) = (from.map_or(0, |at| at.0), until.map_or(i64::MAX, |at| at.0));
                let condition = "created_at >= :from AND created_at < :until";
                ListQuery::by_merchant_and(condition, params!["from" = from, "until" = until])
            }
        };
        let list = list
            .filter("status = :status", ":status", filter.status.map(ExecutionStatus::code))
            .filter("operation = :operation", ":operation", filter.operation.map(Operation::code))
            .filter("method = :method", ":method", filter.method.map(|method| method.to_string()));
        self.list(filter.narrow_by_outcome(filter.narrow_by_amount(list)), page).await
    }

    /// The executions of these sessions, as far as there are any, in no particular order.
    pub async fn executions_of_sessions(
        &self,
        sessions: &[SessionId],
    ) -> Result<Vec<Execution>, StoreError> {
        if sessions.is_empty() {
            return Ok(vec![]);
        }
        let condition = of_merchant(&format!("session_id IN {}", self.dialect().integers_of()));
        let columns = &Execution::statements().columns;
        let sql = format!("SELECT {columns} FROM executions WHERE {condition}");
        let params = params!["ids" = comma_separated(sessions)];
        self.related_rows(sessions.len(), sql, params, |row| Execution::from_row(row, 0)).await
    }

    /// The accounts of these executions, as far as there are any, in no particular order.
    pub async fn payment_accounts_of<'e>(
        &self,
        executions: impl IntoIterator<Item = &'e Execution>,
    ) -> Result<Vec<PaymentAccount>, StoreError> {
        let ids = executions.into_iter().filter_map(Execution::payment_account_id);
        self.by_ids(ids.map(|id| id.0).collect()).await
    }

    /// Who receives those executions that are transfers, by name, in no particular order.
    pub async fn recipients_of_transfers<'e>(
        &self,
        executions: impl IntoIterator<Item = &'e Execution>,
    ) -> Result<Vec<(SessionId, Option<String>)>, StoreError> {
        let transfers = executions
            .into_iter()
            .filter(|execution| matches!(execution.intent, ExecutionIntent::Transfer { .. }));
        let ids: Vec<SessionId> = transfers.map(|execution| execution.session_id).collect();
        if ids.is_empty() {
            return Ok(vec![]);
        }
        let condition = of_merchant(&format!("id IN {}", self.dialect().integers_of()));
        let sql = format!("SELECT id, recipient_name FROM sessions WHERE {condition}");
        let read_row = |row: &dyn ResultRow| {
            <(SessionId, Option<String>)>::read(&mut RowReader::new(row, Session::TABLE, 0))
        };
        let found = self
            .related_rows(ids.len(), sql, params!["ids" = comma_separated(&ids)], read_row)
            .await?;
        let shows = self.shows_contacts();
        let shown = |name: String| if shows { name } else { initials(&name) };
        Ok(found.into_iter().map(|(id, name)| (id, name.map(shown))).collect())
    }

    /// The sessions of these executions, in no particular order.
    pub async fn sessions_of<'e>(
        &self,
        executions: impl IntoIterator<Item = &'e Execution>,
    ) -> Result<Vec<Session>, StoreError> {
        self.by_ids(executions.into_iter().map(|execution| execution.session_id.0).collect()).await
    }

    /// The merchant's rows of these ids.
    async fn by_ids<R: Record + Send + 'static>(
        &self,
        mut ids: Vec<i64>,
    ) -> Result<Vec<R>, StoreError> {
        ids.sort_unstable();
        ids.dedup();
        if ids.is_empty() {
            return Ok(vec![]);
        }
        let condition = of_merchant(&format!("id IN {}", self.dialect().integers_of()));
        let sql = format!("SELECT {} FROM {} WHERE {condition}", R::statements().columns, R::TABLE);
        let params = params!["ids" = comma_separated(&ids)];
        let found = self.related_rows(ids.len(), sql, params, |row| R::from_row(row, 0)).await?;
        Ok(found.into_iter().map(|row| self.shown(row)).collect())
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
