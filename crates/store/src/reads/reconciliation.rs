//! Statements, their lines and their differences, and what the ledger knows of the payments that they
//! are about.

use domain::kernel::currency::Currency;
use domain::kernel::ids::{
    DifferenceId, EventId, ExecutionId, MerchantId, NetworkAccountId, StatementId, StatementLineId,
};
use domain::kernel::money::Money;
use domain::kernel::names::Operation;
use domain::kernel::time::ServerTime;
use domain::kernel::uuids::{Fingerprint, Uuid};
use domain::ledger::account::ROUND;
use domain::payments::execution::ExecutionStatus;
use domain::reconciliation::balance::NetworkBalance;
use domain::reconciliation::compare::Booked;
use domain::reconciliation::difference::{Difference, DifferenceKind, DifferenceStatus};
use domain::reconciliation::line::{LineStanding, StatementLine};
use domain::reconciliation::reported::LineKind;
use domain::reconciliation::run::Reconciliation;
use domain::reconciliation::statement::{Statement, StatementStatus};

use crate::StoreError;
use crate::reads::Queries;
use crate::reads::pages::{ListQuery, Page, PageOfRows, comma_separated};
use crate::reads::scope::{InstallationReads, SystemReads};
use crate::workspace::codes::{Coded as _, with_codes};
use crate::workspace::record::{Column, Record, RowReader};
use crate::workspace::sql::{Dialect, integer};
use crate::workspace::sql_value::{Params, ResultRow, params};

/// A line that is on record already.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KnownLine {
    pub identity: Fingerprint,
    pub standing: LineStanding,
    pub amount: Money,
    pub settled: Option<Money>,
    pub fee: Option<Money>,
    pub is_booked: bool,
    /// How far its statement is.
    pub status: StatementStatus,
}

/// A line that is on record, as far as other lines of its payment are compared with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PaymentLine {
    pub execution_id: ExecutionId,
    pub identity: Fingerprint,
    pub kind: LineKind,
    pub amount: Money,
}

/// An open difference of a payment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OpenDifference {
    pub execution_id: ExecutionId,
    pub kind: DifferenceKind,
    pub subject: Fingerprint,
}

/// Which differences are listed.
#[derive(Clone, Copy, Default, Debug)]
pub struct DifferenceFilter {
    pub account: Option<NetworkAccountId>,
    pub statement: Option<StatementId>,
    pub kind: Option<DifferenceKind>,
    pub status: Option<DifferenceStatus>,
}

/// How many lines of a statement are in one state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LineCount {
    pub standing: LineStanding,
    pub is_booked: bool,
    pub lines: i64,
}

/// What lines moved in a time, by kind and currency.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Moved {
    pub kind: LineKind,
    pub currency: Currency,
    pub lines: i64,
    pub minor: i128,
}

/// What is in a balance beside its payments: the part of a payment that its reviews have booked. A
/// review in another currency than the payment's is not part of it.
const OF_REVIEWS: &str = "(SELECT CAST(coalesce(sum(r.earlier_minor - r.earlier_returned_minor \
     + CASE WHEN r.resolution = 'to payer' THEN 0 ELSE r.amount_minor END), 0) AS BIGINT) FROM reviews AS r \
     WHERE r.execution_id = e.id AND r.kind <> 'DEADLINE_PASSED' AND r.currency = \
     CASE e.operation WHEN {operation COLLECTION} THEN e.payer_currency ELSE e.payee_currency END)";

/// What differences of a payment have booked in its currency, where an operator said that the network
/// is right.
const OF_DIFFERENCES: &str = "(SELECT CAST(coalesce(sum(\
     CASE WHEN d.theirs_currency = found.currency THEN d.theirs_minor ELSE 0 END \
     - CASE WHEN d.ours_currency = found.currency THEN d.ours_minor ELSE 0 END), 0) AS BIGINT) \
     FROM (SELECT CASE e.operation WHEN {operation COLLECTION} THEN e.payer_currency ELSE e.payee_currency END AS currency) AS found \
     JOIN statement_differences AS d ON d.execution_id = e.id AND d.resolution = 'BOOKED' \
     AND d.network_account_id = a.network_account_id)";

/// The columns of a payment that [`booked`] reads.
fn booked_columns() -> String {
    with_codes(&format!(
        "e.merchant_id, e.id, a.request_id, e.operation, e.status, e.payer_minor, e.payer_currency, \
         e.payee_minor, e.payee_currency, e.gateway_fee_minor, e.created_at, e.completed_at, {OF_REVIEWS} + {OF_DIFFERENCES}"
    ))
}

fn booked(row: &dyn ResultRow) -> Result<Booked, StoreError> {
    let mut reader = RowReader::new(row, "executions", 0);
    let (merchant_id, execution_id, request_id) = Column::read(&mut reader)?;
    let operation = Operation::read_code(&mut reader)?;
    let status = ExecutionStatus::read(&mut reader)?;
    let (payer, payee) = <(Money, Money)>::read(&mut reader)?;
    let (fee, created_at, completed_at) = Column::read(&mut reader)?;
    let of_decisions = i64::read(&mut reader)?;
    let (moved, wallet) = match operation {
        Operation::Collection => (payer, payee.currency),
        Operation::Payout | Operation::Transfer | Operation::Refund => {
            (Money::new(-payee.minor, payee.currency), payer.currency)
        }
    };
    let is_completed = status == ExecutionStatus::Completed;
    let minor = if is_completed { moved.minor } else { 0 };
    let sum = minor.checked_add(of_decisions);
    let sum = sum.ok_or_else(|| reader.inconsistent("its amounts do not fit".to_owned()))?;
    Ok(Booked {
        merchant_id,
        execution_id,
        request_id,
        amount: Money::new(sum, moved.currency),
        fee: Money::new(fee, wallet),
        is_open: matches!(status, ExecutionStatus::Pending | ExecutionStatus::Processing),
        is_settled: is_completed || of_decisions != 0,
        created_at,
        completed_at,
    })
}

/// UUIDs as one text, for [`uuids_of`].
fn hexadecimal(ids: impl Iterator<Item = Uuid>) -> String {
    ids.map(|id| id.as_simple().to_string()).collect::<Vec<_>>().join(",")
}

/// The table `wanted` with the column `value`, of the UUIDs in `:ids`.
const fn uuids_of(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => {
            "(SELECT unhex(value) AS value FROM json_each('[\"' || replace(:ids, ',', '\",\"') || '\"]')) AS wanted"
        }
        Dialect::Postgres => "unnest(string_to_array(:ids, ',')::uuid[]) AS wanted (value)",
    }
}

impl SystemReads<'_> {
    /// Those of these lines that are on record.
    pub async fn known_lines(
        &self,
        account: NetworkAccountId,
        identities: &[Fingerprint],
    ) -> Result<Vec<KnownLine>, StoreError> {
        if identities.is_empty() {
            return Ok(vec![]);
        }
        let sql = format!(
            "SELECT l.identity, l.standing, l.amount_minor, l.currency, l.settled_minor, l.settled_currency, \
             l.fee_minor, l.fee_currency, l.event_id, s.status FROM {} CROSS JOIN statement_lines AS l \
             JOIN statements AS s ON s.id = l.statement_id WHERE l.network_account_id = :account AND l.identity = wanted.value",
            uuids_of(self.0.dialect())
        );
        let ids = hexadecimal(identities.iter().map(|identity| identity.0));
        let read = |row: &dyn ResultRow| {
            let mut reader = RowReader::new(row, "statement_lines", 0);
            let (identity, standing) = Column::read(&mut reader)?;
            let amount = Money::read(&mut reader)?;
            let (settled, fee) = <(Option<Money>, Option<Money>)>::read(&mut reader)?;
            let (event, status) = <(Option<EventId>, StatementStatus)>::read(&mut reader)?;
            let is_booked = event.is_some();
            Ok(KnownLine { identity, standing, amount, settled, fee, is_booked, status })
        };
        self.of_many(identities.len(), sql, params!["account" = account.0, "ids" = ids], read).await
    }

    /// The payments of an account whose requests had these ids.
    pub async fn booked_by_request(
        &self,
        account: NetworkAccountId,
        requests: &[Uuid],
    ) -> Result<Vec<Booked>, StoreError> {
        if requests.is_empty() {
            return Ok(vec![]);
        }
        let sql = format!(
            "SELECT {} FROM {} CROSS JOIN provider_attempts AS a JOIN executions AS e ON e.id = a.execution_id \
             WHERE a.request_id = wanted.value AND a.body IS NOT NULL AND a.network_account_id = :account",
            booked_columns(),
            uuids_of(self.0.dialect())
        );
        let params = params!["account" = account.0, "ids" = hexadecimal(requests.iter().copied())];
        self.of_many(requests.len(), sql, params, booked).await
    }

    /// The payment of an account that has this id at its network.
    pub async fn booked_by_reference(
        &self,
        account: NetworkAccountId,
        reference: &str,
    ) -> Result<Option<Booked>, StoreError> {
        // The merchant's own payment first, not a refund of it: a refund has a reference of its own.
        let sql = format!(
            "SELECT {} FROM executions AS e JOIN provider_attempts AS a ON a.execution_id = e.id \
             WHERE e.provider_transaction_id = :reference AND a.body IS NOT NULL \
             AND a.network_account_id = :account ORDER BY e.id LIMIT 1",
            booked_columns()
        );
        let params = params!["reference" = reference.to_owned(), "account" = account.0];
        Ok(self.0.rows(&sql, &params, booked).await?.pop())
    }

    /// The lines on record of payments, in the order in which they were first read.
    pub async fn lines_of_payments(
        &self,
        account: NetworkAccountId,
        executions: &[ExecutionId],
    ) -> Result<Vec<PaymentLine>, StoreError> {
        if executions.is_empty() {
            return Ok(vec![]);
        }
        let sql = format!(
            "SELECT execution_id, identity, kind, amount_minor, currency FROM statement_lines \
             WHERE execution_id IN {} AND +network_account_id = :account ORDER BY id",
            self.0.dialect().integers_of()
        );
        let read = |row: &dyn ResultRow| {
            let mut reader = RowReader::new(row, "statement_lines", 0);
            let (execution_id, identity, kind) = Column::read(&mut reader)?;
            let amount = Money::read(&mut reader)?;
            Ok(PaymentLine { execution_id, identity, kind, amount })
        };
        let params = params!["account" = account.0, "ids" = comma_separated(executions)];
        self.of_many(executions.len(), sql, params, read).await
    }

    /// The open differences of payments.
    pub async fn open_differences_of(
        &self,
        account: NetworkAccountId,
        executions: &[ExecutionId],
    ) -> Result<Vec<OpenDifference>, StoreError> {
        if executions.is_empty() {
            return Ok(vec![]);
        }
        let sql = format!(
            "SELECT execution_id, kind, subject FROM statement_differences \
             WHERE execution_id IN {} AND +network_account_id = :account AND status || '' = 'OPEN'",
            self.0.dialect().integers_of()
        );
        let read = |row: &dyn ResultRow| {
            let (execution_id, kind, subject) =
                Column::read(&mut RowReader::new(row, "statement_differences", 0))?;
            Ok(OpenDifference { execution_id, kind, subject })
        };
        let params = params!["account" = account.0, "ids" = comma_separated(executions)];
        self.of_many(executions.len(), sql, params, read).await
    }

    /// The payments that a merchant began in a time and that no line of a statement is about, through
    /// an account, the oldest first, from after one on.
    pub async fn booked_without_line(
        &self,
        account: NetworkAccountId,
        merchant: MerchantId,
        (from, to): (ServerTime, ServerTime),
        after: Option<(ServerTime, ExecutionId)>,
        limit: u32,
    ) -> Result<Vec<Booked>, StoreError> {
        let (after_at, after_id) = after.map_or((from.0, 0), |(at, id)| (at.0, id.0));
        let sql = format!(
            "SELECT {} FROM executions AS e JOIN provider_attempts AS a ON a.execution_id = e.id \
             WHERE e.merchant_id = :merchant AND e.merchant_id > 0 AND e.created_at >= :after_at AND e.created_at < :to \
             AND (e.created_at > :after_at OR e.id > :after_id) \
             AND a.network_account_id = :account AND a.body IS NOT NULL \
             AND NOT EXISTS (SELECT 1 FROM statement_lines AS l WHERE l.execution_id = e.id AND +l.network_account_id = :account) \
             ORDER BY e.created_at, e.id LIMIT :limit",
            booked_columns()
        );
        let params = params![
            "merchant" = merchant.0,
            "after_at" = after_at,
            "after_id" = after_id,
            "to" = to.0,
            "account" = account.0,
            "limit" = i64::from(limit),
        ];
        let _permit = self.0.list_permit().await?;
        self.0.list_rows(sql, params, booked).await
    }

    /// The merchants whose payments have moved money through an account, in the order of their ids.
    pub async fn merchants_at(
        &self,
        account: NetworkAccountId,
    ) -> Result<Vec<MerchantId>, StoreError> {
        const SQL: &str = "SELECT DISTINCT merchant_id FROM accounts \
             WHERE kind = 'CLEARING' AND network_account_id = :account AND merchant_id > 0 ORDER BY merchant_id";
        let _permit = self.0.list_permit().await?;
        let params = params!["account" = account.0];
        let found = self.0.list_rows(SQL.to_owned(), params, integer).await?;
        Ok(found.into_iter().map(MerchantId).collect())
    }

    /// Lines of an accepted statement that are to be booked, from after one on.
    pub async fn lines_to_post(
        &self,
        statement: StatementId,
        after: StatementLineId,
        limit: u32,
    ) -> Result<Vec<StatementLineId>, StoreError> {
        let sql = with_codes(
            "SELECT l.id FROM statement_lines AS l JOIN statements AS s ON s.id = l.statement_id \
             WHERE l.statement_id = :statement AND l.id > :after AND l.event_id IS NULL \
             AND l.standing IN ({line_standing MATCHED}, {line_standing EXPLAINED}, {line_standing NO_PAYMENT}) \
             AND s.accepted_at IS NOT NULL ORDER BY l.id LIMIT :limit",
        );
        let params =
            params!["statement" = statement.0, "after" = after.0, "limit" = i64::from(limit)];
        let _permit = self.0.list_permit().await?;
        let found = self.0.list_rows(sql, params, integer).await?;
        Ok(found.into_iter().map(StatementLineId).collect())
    }

    /// The accepted statements that have lines to be booked.
    pub async fn statements_to_post(&self) -> Result<Vec<StatementId>, StoreError> {
        let sql = with_codes(
            "SELECT s.id FROM statements AS s WHERE s.accepted_at IS NOT NULL AND EXISTS (\
             SELECT 1 FROM statement_lines AS l WHERE l.statement_id = s.id AND l.event_id IS NULL \
             AND l.standing IN ({line_standing MATCHED}, {line_standing EXPLAINED}, {line_standing NO_PAYMENT})) \
             ORDER BY s.id",
        );
        let _permit = self.0.list_permit().await?;
        let found = self.0.list_rows(sql, vec![], integer).await?;
        Ok(found.into_iter().map(StatementId).collect())
    }

    pub async fn statement(&self, id: StatementId) -> Result<Option<Statement>, StoreError> {
        self.0.one("id = :id", &params!["id" = id.0]).await
    }

    pub async fn difference(&self, id: DifferenceId) -> Result<Option<Difference>, StoreError> {
        self.0.one("id = :id", &params!["id" = id.0]).await
    }

    /// The balances at networks, as they were last read.
    pub async fn network_balances(&self) -> Result<Vec<NetworkBalance>, StoreError> {
        self.0.many("id > 0", "network_account_id, currency", &vec![]).await
    }

    /// How an account is reconciled; `None` if it never was.
    pub async fn reconciliation(
        &self,
        account: NetworkAccountId,
    ) -> Result<Option<Reconciliation>, StoreError> {
        self.0.one("id = :id", &params!["id" = account.0]).await
    }

    /// How many differences are open, of each account.
    pub async fn open_differences(&self) -> Result<Vec<(NetworkAccountId, i64)>, StoreError> {
        const SQL: &str = "SELECT network_account_id, count(*) FROM statement_differences \
             WHERE status = 'OPEN' GROUP BY network_account_id ORDER BY network_account_id";
        let read = |row: &dyn ResultRow| {
            Column::read(&mut RowReader::new(row, "statement_differences", 0))
        };
        let _permit = self.0.list_permit().await?;
        self.0.list_rows(SQL.to_owned(), vec![], read).await
    }

    /// What the clearing accounts say that an account at a network holds, in each currency.
    pub async fn cleared(
        &self,
        account: NetworkAccountId,
    ) -> Result<Vec<(Currency, i128)>, StoreError> {
        // Summed in multiples of 10^9 and remainders, so that no sum overflows.
        const SQL: &str = "SELECT currency, CAST(sum(balance_rounds) AS BIGINT), \
             CAST(sum(balance_minor / 1000000000) AS BIGINT), CAST(sum(balance_minor % 1000000000) AS BIGINT) \
             FROM accounts WHERE kind = 'CLEARING' AND network_account_id = :account GROUP BY currency ORDER BY currency";
        let read = |row: &dyn ResultRow| {
            let mut reader = RowReader::new(row, "accounts", 0);
            let currency = Currency::read(&mut reader)?;
            let (rounds, milliards, rest) = <(i64, i64, i64)>::read(&mut reader)?;
            let credited = i128::from(rounds) * i128::from(ROUND)
                + i128::from(milliards) * 1_000_000_000
                + i128::from(rest);
            Ok((currency, -credited))
        };
        let _permit = self.0.list_permit().await?;
        self.0.list_rows(SQL.to_owned(), params!["account" = account.0], read).await
    }

    /// What the lines of an account that are not booked yet will change of
    /// [`cleared`](Self::cleared), in each currency.
    pub async fn unposted(
        &self,
        account: NetworkAccountId,
    ) -> Result<Vec<(Currency, i128)>, StoreError> {
        let sql = effects("network_account_id = :account AND event_id IS NULL");
        let read = |row: &dyn ResultRow| {
            let (currency, milliards, rest) =
                <(Currency, i64, i64)>::read(&mut RowReader::new(row, "statement_lines", 0))?;
            Ok((currency, i128::from(milliards) * 1_000_000_000 + i128::from(rest)))
        };
        let _permit = self.0.list_permit().await?;
        self.0.list_rows(sql, params!["account" = account.0], read).await
    }

    /// Reads what belongs to many rows of a statement, without holding up single reads.
    async fn of_many<T: Send + 'static>(
        &self,
        count: usize,
        sql: String,
        params: Params<'static>,
        read: impl Fn(&dyn ResultRow) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<Vec<T>, StoreError> {
        self.0.related_rows(count, sql, params, read).await
    }
}

/// What lines change of what clearing says, in each currency: in multiples of 10^9 and the rest.
fn effects(condition: &str) -> String {
    with_codes(&format!(
        "SELECT currency, CAST(sum(minor / 1000000000) AS BIGINT), CAST(sum(minor % 1000000000) AS BIGINT) FROM (\
         SELECT fee_currency AS currency, -fee_minor AS minor FROM statement_lines WHERE {condition} AND fee_minor IS NOT NULL \
         UNION ALL SELECT currency, -amount_minor FROM statement_lines WHERE {condition} AND settled_minor IS NOT NULL \
         UNION ALL SELECT settled_currency, settled_minor FROM statement_lines WHERE {condition} AND settled_minor IS NOT NULL \
         UNION ALL SELECT currency, amount_minor FROM statement_lines WHERE {condition} \
         AND kind IN ({{line_kind TOP_UP}}, {{line_kind BANK_TRANSFER}}, {{line_kind FEE}})) AS found \
         GROUP BY currency ORDER BY currency"
    ))
}

impl InstallationReads<'_> {
    const fn queries(&self) -> &Queries {
        self.0
    }

    /// Statements, the newest first.
    pub async fn statements(
        &self,
        account: Option<NetworkAccountId>,
        page: Page,
    ) -> Result<PageOfRows<Statement>, StoreError> {
        let list =
            ListQuery::of_all("statements.begun_at >= 0", vec![]).ordered_by("begun_at").filter(
                "statements.network_account_id = :account",
                ":account",
                account.map(|account| account.0),
            );
        let select = format!("SELECT {} FROM statements", Statement::statements().columns);
        self.queries()
            .list_of_all::<Statement, Statement>(&select, list, page, |row| {
                Statement::from_row(row, 0)
            })
            .await
    }

    /// The lines of a statement that no earlier one had, in the order in which they were read.
    pub async fn statement_lines(
        &self,
        statement: StatementId,
        after: StatementLineId,
        limit: u32,
    ) -> Result<Vec<StatementLine>, StoreError> {
        let sql = format!(
            "SELECT {} FROM statement_lines WHERE statement_id = :statement AND id > :after ORDER BY id LIMIT :limit",
            StatementLine::statements().columns
        );
        let params =
            params!["statement" = statement.0, "after" = after.0, "limit" = i64::from(limit)];
        let _permit = self.0.list_permit().await?;
        self.0.list_rows(sql, params, |row| StatementLine::from_row(row, 0)).await
    }

    /// A line by its id.
    pub async fn statement_line(
        &self,
        id: StatementLineId,
    ) -> Result<Option<StatementLine>, StoreError> {
        self.0.one("id = :id", &params!["id" = id.0]).await
    }

    /// How many lines of a statement are in which state.
    pub async fn line_counts(&self, statement: StatementId) -> Result<Vec<LineCount>, StoreError> {
        const SQL: &str = "SELECT standing, CAST(CASE WHEN event_id IS NULL THEN 0 ELSE 1 END AS BIGINT), count(*) \
             FROM statement_lines WHERE statement_id = :statement GROUP BY 1, 2 ORDER BY 1, 2";
        let read = |row: &dyn ResultRow| {
            let mut reader = RowReader::new(row, "statement_lines", 0);
            let (standing, booked, lines) = <(LineStanding, i64, i64)>::read(&mut reader)?;
            Ok(LineCount { standing, is_booked: booked != 0, lines })
        };
        let _permit = self.0.list_permit().await?;
        self.0.list_rows(SQL.to_owned(), params!["statement" = statement.0], read).await
    }

    /// How many differences are open, of each account and kind.
    pub async fn open_difference_kinds(
        &self,
    ) -> Result<Vec<(NetworkAccountId, DifferenceKind, i64)>, StoreError> {
        // An expression keeps the databases from the index of all differences, which begins with the same
        // columns: those that are open are few.
        const SQL: &str = "SELECT network_account_id, kind || '', count(*) FROM statement_differences \
             WHERE status = 'OPEN' GROUP BY 1, 2 ORDER BY 1, 2";
        let read = |row: &dyn ResultRow| {
            Column::read(&mut RowReader::new(row, "statement_differences", 0))
        };
        let _permit = self.0.list_permit().await?;
        self.0.list_rows(SQL.to_owned(), vec![], read).await
    }

    /// All lines of a payment.
    pub async fn lines_of_payment(
        &self,
        execution: ExecutionId,
    ) -> Result<Vec<StatementLine>, StoreError> {
        self.0.many("execution_id = :id", "occurred_at, id", &params!["id" = execution.0]).await
    }

    /// Differences, the newest first.
    pub async fn differences(
        &self,
        filter: DifferenceFilter,
        page: Page,
    ) -> Result<PageOfRows<Difference>, StoreError> {
        let table = "statement_differences";
        let condition = |column: &str| format!("{table}.{column} = :{column}");
        let list = ListQuery::of_all("statement_differences.found_at >= 0", vec![])
            .ordered_by("found_at")
            .filter(
                &condition("network_account_id"),
                ":network_account_id",
                filter.account.map(|id| id.0),
            )
            .filter(&condition("statement_id"), ":statement_id", filter.statement.map(|id| id.0))
            .filter(&condition("kind"), ":kind", filter.kind.map(DifferenceKind::as_str))
            .filter(&condition("status"), ":status", filter.status.map(DifferenceStatus::as_str));
        let select =
            format!("SELECT {} FROM statement_differences", Difference::statements().columns);
        self.queries()
            .list_of_all::<Difference, Difference>(&select, list, page, |row| {
                Difference::from_row(row, 0)
            })
            .await
    }

    /// The balances at networks, as they were last read.
    pub async fn network_balances(&self) -> Result<Vec<NetworkBalance>, StoreError> {
        self.0.for_system().network_balances().await
    }

    /// What the lines of an account moved in a time, by kind and currency, and its fees as those of
    /// kind [`LineKind::Fee`].
    pub async fn moved(
        &self,
        account: NetworkAccountId,
        (from, to): (ServerTime, ServerTime),
    ) -> Result<Vec<Moved>, StoreError> {
        // An identity begins with the time, in milliseconds, so that its index finds the lines of a time.
        let condition = "network_account_id = :account AND identity >= :first AND identity < :last \
                         AND occurred_at >= :from AND occurred_at < :to";
        let sql = with_codes(&format!(
            "SELECT kind, currency, CAST(sum(n) AS BIGINT), CAST(sum(minor / 1000000000) AS BIGINT), \
             CAST(sum(minor % 1000000000) AS BIGINT) FROM (\
             SELECT kind, coalesce(settled_currency, currency) AS currency, 1 AS n, coalesce(settled_minor, amount_minor) AS minor \
             FROM statement_lines WHERE {condition} \
             UNION ALL SELECT {{line_kind FEE}}, fee_currency, 1, -fee_minor FROM statement_lines WHERE {condition} \
             AND fee_minor IS NOT NULL AND fee_minor <> 0) AS found GROUP BY kind, currency ORDER BY currency, kind"
        ));
        let bound = |time: ServerTime| {
            let milliseconds = u128::from(u64::try_from(time.0 / 1_000).unwrap_or(0)) << 80;
            Fingerprint(Uuid::from_u128(milliseconds))
        };
        let params = params![
            "account" = account.0,
            "first" = bound(from),
            "last" = bound(to.plus(1_000)),
            "from" = from.0,
            "to" = to.0,
        ];
        let read = |row: &dyn ResultRow| {
            let mut reader = RowReader::new(row, "statement_lines", 0);
            let (kind, currency, lines) = Column::read(&mut reader)?;
            let (milliards, rest) = <(i64, i64)>::read(&mut reader)?;
            let minor = i128::from(milliards) * 1_000_000_000 + i128::from(rest);
            Ok(Moved { kind, currency, lines, minor })
        };
        let _permit = self.0.list_permit().await?;
        self.0.list_rows(sql, params, read).await
    }
}
