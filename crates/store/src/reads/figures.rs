//! What figures of a merchant's payments are made from: sums of a span of time, and what has become
//! of payments since.
//!
//! The amounts, fees and times of an execution never change once it is final, and its final state
//! does not either. So a sum has to be read once, and is kept right by the events after it.

use std::sync::LazyLock;

use domain::decision::event::{EventEntity, EventType};
use domain::kernel::currency::Currency;
use domain::kernel::ids::NetworkAccountId;
use domain::kernel::names::{Method, Operation};
use domain::kernel::time::{MerchantTime, ServerTime, seconds};
use domain::payments::execution::{Execution, ExecutionStatus};

use crate::StoreError;
use crate::reads::scope::{InstallationReads, MerchantReads};
use crate::workspace::codes::Coded;
use crate::workspace::record::{Column, Record, RowReader};
use crate::workspace::sql_value::{ResultRow, params};

/// The times that payments are counted by, in seconds: how many completed within each.
pub const WITHIN_SECONDS: [i64; 36] = [
    1, 2, 3, 5, 7, 10, 15, 20, 30, 45, 60, 90, 120, 180, 240, 300, 420, 600, 900, 1_200, 1_800,
    2_700, 3_600, 5_400, 7_200, 10_800, 14_400, 21_600, 28_800, 43_200, 64_800, 86_400, 129_600,
    172_800, 345_600, 604_800,
];

/// How many payments under way are looked at for the oldest of them.
pub const WAITING_LOOKED_AT: i64 = 5_000;

/// A sum is read in two parts, since the sum of amounts may be larger than any amount.
const PART: i64 = 1 << 32;

/// What payments are told apart by.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FigureKey {
    pub operation: Operation,
    pub method: Method,
    /// The currency of what moved at the provider.
    pub currency: Currency,
    /// The currency of the fees: that of the source or wallet.
    pub fee_currency: Currency,
}

/// Payments that are alike, summed up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PaymentGroup {
    pub key: FigureKey,
    pub status: ExecutionStatus,
    /// The place in [`WITHIN_SECONDS`] of the first time within which they completed; its length for
    /// those that took longer, or did not complete.
    pub within: usize,
    pub count: i64,
    /// In minor units: what moved at the provider, and the fees.
    pub amount: i128,
    pub platform_fee: i128,
    pub gateway_fee: i128,
    pub fx_fee: i128,
}

/// The payments of a span of time that are alike, as they were after an event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CountedGroup {
    /// The position of the merchant's last event when they were counted.
    pub position: i64,
    pub group: PaymentGroup,
}

/// An event about a payment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PaymentChange {
    pub created_at: MerchantTime,
    /// Whether it is the first event of the payment.
    pub is_first: bool,
    /// The final state that the payment got by this event.
    pub outcome: Option<ExecutionStatus>,
    /// The payment alone, as it is now: perhaps later than the event.
    pub payment: PaymentGroup,
}

/// The oldest payment that waits for its network, with how many were looked at.
#[derive(Clone, Debug)]
pub struct OldestWaiting {
    pub execution: Execution,
    pub looked_at: i64,
}

/// How many payments of all merchants are looked at for how networks do: the newest.
pub const RECENT_LOOKED_AT: i64 = 10_000;

/// Payments of all merchants that are alike, among the newest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RecentGroup {
    /// `None` where no network is involved.
    pub account: Option<NetworkAccountId>,
    pub method: Method,
    pub operation: Operation,
    pub status: ExecutionStatus,
    /// As in [`PaymentGroup`].
    pub within: usize,
    /// Whether they were made in the last hour.
    pub in_last_hour: bool,
    /// Whether they were made in the last day.
    pub in_last_day: bool,
    pub count: i64,
    /// When the oldest of them was made.
    pub oldest: ServerTime,
}

/// Payments that were sent and of which the network has not said how they ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UnderWay {
    pub account: NetworkAccountId,
    pub method: Method,
    pub count: i64,
}

/// What moved at the provider, as [`Execution::outside_amount`] has it.
fn outside_minor() -> String {
    let collection = Operation::Collection.code();
    format!("CASE WHEN executions.operation = {collection} THEN payer_minor ELSE payee_minor END")
}

/// The first place in [`WITHIN_SECONDS`] that the time until an execution completed fits in: since it
/// was made or, where a second person had to approve it, since that. What people wait for is no time of
/// a network. The statement has [`joined_approval`].
fn within(table: &str) -> String {
    let cases = WITHIN_SECONDS.iter().enumerate().map(|(place, bound)| {
        let bound = seconds(*bound);
        format!(
            "WHEN completed_at - coalesce(decided_at, {table}.created_at) <= {bound} THEN {place}"
        )
    });
    let cases: Vec<String> = cases.collect();
    format!("CAST(CASE {} ELSE {} END AS BIGINT)", cases.join(" "), WITHIN_SECONDS.len())
}

/// Joins when an execution was approved. Only payouts and transfers are looked up, since nothing else
/// is approved.
fn joined_approval(table: &str) -> String {
    let (payout, transfer) = (Operation::Payout.code(), Operation::Transfer.code());
    format!(
        "LEFT JOIN (SELECT execution_id AS approved_id, decided_at FROM approvals) AS approved \
         ON approved_id = CASE WHEN {table}.operation IN ({payout}, {transfer}) THEN {table}.id END"
    )
}

/// The columns of a [`PaymentGroup`] in a statement without groups.
fn columns_of_one() -> String {
    let amount = outside_minor();
    let sums = [amount.as_str(), "platform_fee_minor", "gateway_fee_minor", "fx_fee_minor"]
        .map(|sum| format!("CAST(0 AS BIGINT), {sum}"));
    format!(
        "executions.operation, executions.status, method, payer_currency, payee_currency, {}, CAST(1 AS BIGINT), {}",
        within("executions"),
        sums.join(", ")
    )
}

/// Reads what [`columns_of_one`] selects, or the same with sums.
fn read_group(reader: &mut RowReader<'_>) -> Result<PaymentGroup, StoreError> {
    let operation = Operation::read_code(reader)?;
    let status = ExecutionStatus::read(reader)?;
    let (method, payer, payee): (Method, Currency, Currency) = Column::read(reader)?;
    let within = i64::read(reader)?;
    let within = usize::try_from(within)
        .map_err(|_| reader.inconsistent(format!("{within} is no place")))?;
    let count = i64::read(reader)?;
    let mut sum = || {
        let (high, low): (i64, i64) = Column::read(reader)?;
        Ok::<_, StoreError>(i128::from(high) * i128::from(PART) + i128::from(low))
    };
    let (amount, platform_fee, gateway_fee, fx_fee) = (sum()?, sum()?, sum()?, sum()?);
    // As `Execution::outside_amount` and `Execution::wallet_currency` have it.
    let (currency, fee_currency) =
        if operation == Operation::Collection { (payer, payee) } else { (payee, payer) };
    let key = FigureKey { operation, method, currency, fee_currency };
    Ok(PaymentGroup { key, status, within, count, amount, platform_fee, gateway_fee, fx_fee })
}

impl MerchantReads<'_> {
    /// The payments that were made in a span of time, grouped, all as they were at one moment: after
    /// the event whose position each group has.
    pub async fn payment_groups(
        &self,
        from: MerchantTime,
        until: MerchantTime,
    ) -> Result<Vec<CountedGroup>, StoreError> {
        static SQL: LazyLock<String> = LazyLock::new(|| {
            let sum = |column: &str| {
                format!(
                    "CAST(sum({column} / {PART}) AS BIGINT), CAST(sum({column} % {PART}) AS BIGINT)"
                )
            };
            let sums = [
                format!("({})", outside_minor()),
                "platform_fee_minor".to_owned(),
                "gateway_fee_minor".to_owned(),
                "fx_fee_minor".to_owned(),
            ];
            let sums = sums.map(|column| sum(&column));
            format!(
                "SELECT (SELECT last FROM event_positions WHERE merchant_id = :merchant), operation, \
                 status, method, payer_currency, payee_currency, {} AS took, count(*), {} \
                 FROM executions {} WHERE merchant_id = :merchant AND created_at >= :from \
                 AND created_at < :until AND merchant_id > 0 \
                 GROUP BY operation, status, method, payer_currency, payee_currency, took",
                within("executions"),
                sums.join(", "),
                joined_approval("executions")
            )
        });
        let _permit = self.list_permit().await?;
        let read = |row: &dyn ResultRow| {
            let mut reader = RowReader::new(row, "executions", 0);
            let position: Option<i64> = Column::read(&mut reader)?;
            Ok(CountedGroup { position: position.unwrap_or(0), group: read_group(&mut reader)? })
        };
        let params = params!["from" = from.0, "until" = until.0];
        self.list_rows(SQL.clone(), params, read).await
    }

    /// At most `limit` events after a position, in the order of their positions. Those that are not
    /// about payments are `None`, so that whoever reads goes on after them.
    pub async fn payment_changes_after(
        &self,
        position: i64,
        limit: u32,
    ) -> Result<Vec<(i64, Option<PaymentChange>)>, StoreError> {
        static SQL: LazyLock<String> = LazyLock::new(|| {
            format!(
                "SELECT v.position, v.sequence, v.type, executions.created_at, {} FROM events AS v \
                 LEFT JOIN executions ON executions.id = v.subject_id AND v.subject_type = {} {} \
                 WHERE v.merchant_id = :merchant AND v.position > :after \
                 ORDER BY v.position LIMIT :limit",
                columns_of_one(),
                EventEntity::Execution.code(),
                joined_approval("executions")
            )
        });
        let _permit = self.list_permit().await?;
        let read = |row: &dyn ResultRow| {
            let mut reader = RowReader::new(row, "events", 0);
            let (position, sequence, kind): (i64, i64, EventType) = Column::read(&mut reader)?;
            let Some(created_at) = Column::read(&mut reader)? else {
                return Ok((position, None));
            };
            let outcome = match kind {
                EventType::ExecutionCompleted => Some(ExecutionStatus::Completed),
                EventType::ExecutionFailed => Some(ExecutionStatus::Failed),
                _ => None,
            };
            let payment = read_group(&mut reader)?;
            let change = PaymentChange { created_at, is_first: sequence == 1, outcome, payment };
            Ok((position, Some(change)))
        };
        let params = params!["after" = position, "limit" = limit];
        self.list_rows(SQL.clone(), params, read).await
    }

    /// The oldest of the merchant's payments that wait for their network. Of more than
    /// [`WAITING_LOOKED_AT`] those are looked at that are asked about first.
    pub async fn oldest_waiting(&self) -> Result<Option<OldestWaiting>, StoreError> {
        let sql = format!(
            "WITH found AS (SELECT execution_id FROM provider_attempts \
             WHERE merchant_id = :merchant AND next_check_at IS NOT NULL \
             ORDER BY next_check_at LIMIT :most) \
             SELECT {}, (SELECT count(*) FROM found) FROM executions \
             WHERE id IN (SELECT execution_id FROM found) ORDER BY created_at, id LIMIT 1",
            Execution::statements().columns
        );
        let _permit = self.list_permit().await?;
        let read = |row: &dyn ResultRow| {
            let execution = Execution::from_row(row, 0)?;
            let mut reader = RowReader::new(row, "executions", Execution::WIDTH);
            Ok(OldestWaiting { execution, looked_at: Column::read(&mut reader)? })
        };
        Ok(self.list_rows(sql, params!["most" = WAITING_LOOKED_AT], read).await?.pop())
    }
}

impl InstallationReads<'_> {
    /// The newest [`RECENT_LOOKED_AT`] payments of all merchants, grouped. Those of a merchant that
    /// has advanced its clock were made, as far as can be told, by its clock of now.
    pub async fn recent_payments(&self, now: ServerTime) -> Result<Vec<RecentGroup>, StoreError> {
        static SQL: LazyLock<String> = LazyLock::new(|| {
            let columns = "merchant_id, method, operation, status, completed_at, created_at";
            format!(
                "SELECT account, method, operation, status, took, age, count(*), min(made_at) FROM \
                 (SELECT account, method, operation, status, took, made_at, \
                 CAST(CASE WHEN made_at > :hour THEN 2 WHEN made_at > :day THEN 1 ELSE 0 END AS BIGINT) AS age \
                 FROM (SELECT (SELECT network_account_id FROM provider_attempts AS a \
                 WHERE a.execution_id = found.id) AS account, method, operation, status, {} AS took, \
                 created_at - (SELECT clock_offset_us FROM merchants AS m WHERE m.id = found.merchant_id) AS made_at \
                 FROM (SELECT id, {columns} FROM executions WHERE id > 0 ORDER BY id DESC LIMIT :most) AS found {}) \
                 AS found) AS found GROUP BY account, method, operation, status, took, age",
                within("found"),
                joined_approval("found")
            )
        });
        let Self(queries) = self;
        let _permit = queries.list_permit().await?;
        let read = |row: &dyn ResultRow| {
            let mut reader = RowReader::new(row, "executions", 0);
            let account = Column::read(&mut reader)?;
            let method = Column::read(&mut reader)?;
            let operation = Operation::read_code(&mut reader)?;
            let (status, within, age): (ExecutionStatus, i64, i64) = Column::read(&mut reader)?;
            let (count, oldest) = Column::read(&mut reader)?;
            Ok(RecentGroup {
                account,
                method,
                operation,
                status,
                within: usize::try_from(within).unwrap_or(WITHIN_SECONDS.len()),
                in_last_hour: age == 2,
                in_last_day: age >= 1,
                count,
                oldest,
            })
        };
        let (hour, day) = (now.plus(-seconds(3_600)), now.plus(-seconds(86_400)));
        let params = params!["hour" = hour.0, "day" = day.0, "most" = RECENT_LOOKED_AT];
        queries.list_rows(SQL.clone(), params, read).await
    }

    /// How many payments were sent through each network account and have no end yet; of more than
    /// [`RECENT_LOOKED_AT`] so many.
    pub async fn under_way(&self) -> Result<Vec<UnderWay>, StoreError> {
        const SQL: &str = "SELECT network_account_id, method, count(*) FROM \
             (SELECT network_account_id, (SELECT method FROM executions AS e WHERE e.id = found.execution_id) AS method \
             FROM (SELECT network_account_id, execution_id FROM provider_attempts \
             WHERE next_check_at IS NOT NULL AND sent_at IS NOT NULL LIMIT :most) AS found) AS found \
             GROUP BY network_account_id, method";
        let Self(queries) = self;
        let _permit = queries.list_permit().await?;
        let read = |row: &dyn ResultRow| {
            let (account, method, count) =
                Column::read(&mut RowReader::new(row, "provider_attempts", 0))?;
            Ok(UnderWay { account, method, count })
        };
        queries.list_rows(SQL.to_owned(), params!["most" = RECENT_LOOKED_AT], read).await
    }
}
