//! A step of a migration that SQL cannot do: it recomputes the refund totals of payments whose
//! provider contradicted itself.
//!
//! Before schema 4 the refund capacity did not follow what a provider moved when that was another
//! amount than asked for, nor what it took back. Before schema 6 nobody counted what was given back
//! for good.

use std::sync::Arc;

use domain::exceptions::contradiction;
use domain::exceptions::review::{Review, ReviewKind};
use domain::kernel::checked::{Inconsistent, sum};
use domain::kernel::money::Money;
use domain::kernel::names::Operation;
use domain::payments::execution::Execution;
use domain::payments::execution_intent::{Collection, RefundTotals};
use domain::tariff::fees;

use crate::StoreError;
use crate::workspace::codes::with_codes;
use crate::workspace::record::Record;
use crate::workspace::sql::Sql;
use crate::workspace::sql_value::{Params, params};

/// The payments with a contradiction of their own provider or of the provider of one of their
/// refunds.
const PAYMENTS: &str = "SELECT coalesce(e.original_execution_id, e.id) FROM reviews JOIN executions AS e ON e.id = reviews.execution_id \
     WHERE reviews.kind <> 'DEADLINE_PASSED' AND e.operation IN ({operation COLLECTION}, {operation REFUND})";

/// Recomputes the totals within the caller's transaction.
pub fn run(sql: &mut dyn Sql) -> Result<(), StoreError> {
    let concerned = |column: &str| format!("executions.{column} IN ({})", with_codes(PAYMENTS));
    let payments: Vec<Execution> = rows(sql, &concerned("id"))?;
    let refunds: Vec<Execution> = rows(sql, &concerned("original_execution_id"))?;
    let reviews: Vec<Review> = rows(sql, &format!("kind <> '{}'", ReviewKind::DeadlinePassed))?;
    let reviews: Vec<Arc<Review>> = reviews.into_iter().map(Arc::new).collect();
    for payment in payments.into_iter().filter(|row| row.operation() == Operation::Collection) {
        let of_payment =
            refunds.iter().filter(|refund| refund.original_execution_id() == Some(payment.id));
        let all: Vec<&Execution> = of_payment.chain([&payment]).collect();
        let counted =
            counted(&payment, &all, &reviews).map_err(|stop| StoreError::Inconsistent {
                table: Execution::TABLE,
                id: payment.id.0,
                what: format!("{stop:?}"),
            })?;
        write(sql, &counted)?;
    }
    Ok(())
}

fn rows<R: Record>(sql: &mut dyn Sql, condition: &str) -> Result<Vec<R>, StoreError> {
    let text = format!("SELECT {} FROM {} WHERE {condition}", R::statements().columns, R::TABLE);
    sql.rows(&text, &Params::new())?.iter().map(|row| R::from_row(row, 0)).collect()
}

fn counted(
    payment: &Execution,
    all: &[&Execution],
    reviews: &[Arc<Review>],
) -> Result<Execution, Inconsistent> {
    let nothing = payment
        .clone()
        .with_collection(|collection| Collection { refunds: RefundTotals::NONE, ..collection })?;
    all.iter().try_fold(nothing, |counted, execution| {
        let own: Vec<Arc<Review>> =
            reviews.iter().filter(|review| review.execution_id == execution.id).cloned().collect();
        let back = contradiction::net_refunded(execution, &own)?.unwrap_or(0).max(0);
        let cost = sum(counted.refund_cost_charged()?, cost_alone(execution, back)?)?;
        counted
            .with_refund_capacity_change(
                0,
                contradiction::refund_capacity_used_by(execution, &own)?,
            )?
            .with_refund_totals(sum(counted.refunds().given_back_minor, back)?, cost)
    })
}

/// What the wallet paid for the amount `back` that one execution gave back. Before schema 6 each
/// refund was rounded by itself, so this rounds here and does not share a total.
fn cost_alone(execution: &Execution, back: i64) -> Result<i64, Inconsistent> {
    let asked = execution.outside_amount();
    if back == asked.minor {
        return Ok(execution.total_minor);
    }
    fees::to_wallet_rounded_up(
        Money::new(back, asked.currency),
        execution.rate,
        execution.wallet_currency(),
    )
    .ok_or_else(|| Inconsistent(format!("{back} of execution {} has no worth", execution.id)))
}

fn write(sql: &mut dyn Sql, payment: &Execution) -> Result<(), StoreError> {
    let totals = payment.refunds();
    let row = params![
        "id" = payment.id.0,
        "refunded" = totals.refunded_minor,
        "over" = totals.over_refunded_minor,
        "given" = totals.given_back_minor,
        "total" = totals.refunded_total_minor,
        "over_total" = totals.over_refunded_total_minor
    ];
    let text = "UPDATE executions SET refunded_minor = :refunded, over_refunded_minor = :over, given_back_minor = :given, \
                refunded_total_minor = :total, over_refunded_total_minor = :over_total, rules = 0 WHERE id = :id";
    sql.execute(text, &row).map(|_| ())
}
