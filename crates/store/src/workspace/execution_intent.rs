//! The columns of an execution's intent: each operation uses some of them, and the others are null.

use domain::kernel::ids::{ExecutionId, PaymentAccountId, SourceId, WalletId};
use domain::kernel::names::Operation;
use domain::kernel::time::MerchantTime;
use domain::payments::execution_intent::{Collection, ExecutionIntent, RefundTotals};

use crate::StoreError;
use crate::workspace::codes::Coded;
use crate::workspace::record::{Column, PartlyChanging, RowReader, none_left, required};
use crate::workspace::sql_value::{ColumnType, SqlValue};

/// The values of all columns, besides the operation.
#[derive(Default)]
struct Columns {
    source_id: Option<SourceId>,
    payment_account_id: Option<PaymentAccountId>,
    original_execution_id: Option<ExecutionId>,
    counter_wallet_id: Option<WalletId>,
    wallet_id: Option<WalletId>,
    refunds: Option<RefundTotals>,
    released_minor: Option<i64>,
    settled_by_review_at: Option<MerchantTime>,
}

impl Columns {
    fn of(intent: &ExecutionIntent) -> Self {
        match intent {
            ExecutionIntent::Collection(collection) => Self {
                source_id: Some(collection.source_id),
                payment_account_id: Some(collection.payer_account_id),
                counter_wallet_id: collection.payer_wallet_id,
                wallet_id: collection.credited_wallet_id,
                refunds: Some(collection.refunds),
                settled_by_review_at: collection.settled_by_review_at,
                ..Self::default()
            },
            ExecutionIntent::Payout { wallet_id, payee_account_id, payee_wallet_id } => Self {
                payment_account_id: Some(*payee_account_id),
                counter_wallet_id: *payee_wallet_id,
                wallet_id: Some(*wallet_id),
                ..Self::default()
            },
            ExecutionIntent::Transfer { wallet_id, receiver_wallet_id } => Self {
                counter_wallet_id: *receiver_wallet_id,
                wallet_id: Some(*wallet_id),
                ..Self::default()
            },
            ExecutionIntent::Refund {
                original_execution_id,
                wallet_id,
                payer_account_id,
                payer_wallet_id,
                released_minor,
            } => Self {
                payment_account_id: Some(*payer_account_id),
                original_execution_id: Some(*original_execution_id),
                counter_wallet_id: *payer_wallet_id,
                wallet_id: Some(*wallet_id),
                released_minor: Some(*released_minor),
                ..Self::default()
            },
        }
    }

    /// The intent of these columns. Takes what the operation uses; all else must be null.
    fn into_intent(mut self, operation: Operation) -> Result<ExecutionIntent, String> {
        let intent = match operation {
            Operation::Collection => ExecutionIntent::Collection(Collection {
                source_id: required(self.source_id.take(), "source_id")?,
                payer_account_id: required(self.payment_account_id.take(), "payment_account_id")?,
                payer_wallet_id: self.counter_wallet_id.take(),
                credited_wallet_id: self.wallet_id.take(),
                refunds: required(self.refunds.take(), "refunded_minor")?,
                settled_by_review_at: self.settled_by_review_at.take(),
            }),
            Operation::Payout => ExecutionIntent::Payout {
                wallet_id: required(self.wallet_id.take(), "wallet_id")?,
                payee_account_id: required(self.payment_account_id.take(), "payment_account_id")?,
                payee_wallet_id: self.counter_wallet_id.take(),
            },
            Operation::Transfer => ExecutionIntent::Transfer {
                wallet_id: required(self.wallet_id.take(), "wallet_id")?,
                receiver_wallet_id: self.counter_wallet_id.take(),
            },
            Operation::Refund => ExecutionIntent::Refund {
                original_execution_id: required(
                    self.original_execution_id.take(),
                    "original_execution_id",
                )?,
                wallet_id: required(self.wallet_id.take(), "wallet_id")?,
                payer_account_id: required(self.payment_account_id.take(), "payment_account_id")?,
                payer_wallet_id: self.counter_wallet_id.take(),
                released_minor: required(self.released_minor.take(), "released_minor")?,
            },
        };
        none_left(&[
            (self.source_id.is_some(), "source_id"),
            (self.payment_account_id.is_some(), "payment_account_id"),
            (self.original_execution_id.is_some(), "original_execution_id"),
            (self.counter_wallet_id.is_some(), "counter_wallet_id"),
            (self.wallet_id.is_some(), "wallet_id"),
            (self.refunds.is_some(), "refunded_minor"),
            (self.released_minor.is_some(), "released_minor"),
            (self.settled_by_review_at.is_some(), "settled_by_review_at"),
        ])?;
        Ok(intent)
    }

    fn write_changing(&self, values: &mut Vec<SqlValue<'_>>) {
        push(values, self.wallet_id.map(|id| id.0));
        let refunds = |total: fn(RefundTotals) -> i64| self.refunds.map(total);
        push(values, refunds(|totals| totals.refunded_minor));
        push(values, refunds(|totals| totals.over_refunded_minor));
        push(values, refunds(|totals| totals.given_back_minor));
        push(values, refunds(|totals| totals.refunded_total_minor));
        push(values, refunds(|totals| totals.over_refunded_total_minor));
        push(values, self.released_minor);
        push(values, self.settled_by_review_at.map(|time| time.0));
    }
}

fn push(values: &mut Vec<SqlValue<'_>>, value: Option<i64>) {
    values.push(value.map_or(SqlValue::Null, SqlValue::Int));
}

/// All totals, or none.
fn read_refunds(reader: &mut RowReader<'_>) -> Result<Option<RefundTotals>, StoreError> {
    let totals: [Option<i64>; 5] = [
        Column::read(reader)?,
        Column::read(reader)?,
        Column::read(reader)?,
        Column::read(reader)?,
        Column::read(reader)?,
    ];
    match totals {
        [None, None, None, None, None] => Ok(None),
        [
            Some(refunded_minor),
            Some(over_refunded_minor),
            Some(given_back_minor),
            Some(refunded_total_minor),
            Some(over_refunded_total_minor),
        ] => Ok(Some(RefundTotals {
            refunded_minor,
            over_refunded_minor,
            given_back_minor,
            refunded_total_minor,
            over_refunded_total_minor,
        })),
        _ => Err(reader.inconsistent("only some of the refund totals are null".to_owned())),
    }
}

impl Column for ExecutionIntent {
    const WIDTH: usize = 13;

    fn types(types: &mut Vec<ColumnType>) {
        types.push(ColumnType::Code);
        types.extend([ColumnType::Int; 12]);
    }

    fn write<'a>(&'a self, values: &mut Vec<SqlValue<'a>>) {
        values.push(SqlValue::Int(self.operation().code()));
        let columns = Columns::of(self);
        push(values, columns.source_id.map(|id| id.0));
        push(values, columns.payment_account_id.map(|id| id.0));
        push(values, columns.original_execution_id.map(|id| id.0));
        push(values, columns.counter_wallet_id.map(|id| id.0));
        columns.write_changing(values);
    }

    fn read(reader: &mut RowReader<'_>) -> Result<Self, StoreError> {
        let operation = Operation::read_code(reader)?;
        let columns = Columns {
            source_id: Column::read(reader)?,
            payment_account_id: Column::read(reader)?,
            original_execution_id: Column::read(reader)?,
            counter_wallet_id: Column::read(reader)?,
            wallet_id: Column::read(reader)?,
            refunds: read_refunds(reader)?,
            released_minor: Column::read(reader)?,
            settled_by_review_at: Column::read(reader)?,
        };
        columns
            .into_intent(operation)
            .map_err(|what| reader.inconsistent(format!("{operation}: {what}")))
    }
}

impl PartlyChanging for ExecutionIntent {
    fn write_changing<'a>(&'a self, values: &mut Vec<SqlValue<'a>>) {
        Columns::of(self).write_changing(values);
    }
}
