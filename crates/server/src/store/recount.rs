//! What counts against the room of payments for refunds, counted anew: before schema 4 it did not follow what a provider moved
//! when that was another amount than asked for, nor what it took back.

use std::sync::Arc;

use domain::contradiction;
use domain::execution::{Execution, Refunded};
use domain::names::Operation;
use domain::review::{Review, ReviewKind};
use domain::world::Halt;

use super::StoreError;
use super::record::Record;
use super::sql::{Params, Sql, params};

/// The payments whose provider, or that of a refund of theirs, contradicted itself.
const PAYMENTS: &str = "SELECT coalesce(e.original_execution_id, e.id) FROM reviews JOIN executions AS e ON e.id = reviews.execution_id \
     WHERE reviews.kind <> 'DEADLINE_PASSED' AND e.operation IN ('COLLECTION', 'REFUND')";

/// Counts anew, in a transaction of the caller's.
///
/// # Errors
/// [`StoreError`].
pub fn run(sql: &mut dyn Sql) -> Result<(), StoreError> {
    let concerned = |column: &str| format!("executions.{column} IN ({PAYMENTS})");
    let payments: Vec<Execution> = rows(sql, &concerned("id"))?;
    let refunds: Vec<Execution> = rows(sql, &format!("operation = 'REFUND' AND {}", concerned("original_execution_id")))?;
    let reviews: Vec<Review> = rows(sql, &format!("kind <> '{}'", ReviewKind::DeadlinePassed))?;
    let reviews: Vec<Arc<Review>> = reviews.into_iter().map(Arc::new).collect();
    for payment in payments.into_iter().filter(|row| row.operation == Operation::Collection) {
        let of_payment = refunds.iter().filter(|refund| refund.original_execution_id == Some(payment.id));
        let all: Vec<&Execution> = of_payment.chain([&payment]).collect();
        let counted = counted(&payment, &all, &reviews).map_err(|halt| StoreError::Broken {
            table: Execution::TABLE,
            id: payment.id.0,
            what: format!("{halt:?}"),
        })?;
        write(sql, &counted)?;
    }
    Ok(())
}

fn rows<R: Record>(sql: &mut dyn Sql, condition: &str) -> Result<Vec<R>, StoreError> {
    let text = format!("SELECT {} FROM {} WHERE {condition}", R::statements().columns, R::TABLE);
    sql.rows(&text, &Params::new())?.iter().map(|row| R::from_row(row, 0)).collect()
}

fn counted(payment: &Execution, all: &[&Execution], reviews: &[Arc<Review>]) -> Result<Execution, Halt> {
    let nothing = Execution {
        refunded_minor: 0,
        refunded_total_minor: 0,
        over_refunded_minor: 0,
        over_refunded_total_minor: 0,
        ..payment.clone()
    };
    all.iter().try_fold(nothing, |counted, execution| {
        let own: Vec<Arc<Review>> = reviews.iter().filter(|review| review.execution_id == execution.id).cloned().collect();
        counted.recounted(Refunded::default(), contradiction::counts(execution, &own)?)
    })
}

fn write(sql: &mut dyn Sql, payment: &Execution) -> Result<(), StoreError> {
    let row = params![
        "id" = payment.id.0,
        "refunded" = payment.refunded_minor,
        "total" = payment.refunded_total_minor,
        "over" = payment.over_refunded_minor,
        "over_total" = payment.over_refunded_total_minor
    ];
    let text = "UPDATE executions SET refunded_minor = :refunded, refunded_total_minor = :total, over_refunded_minor = :over, \
                over_refunded_total_minor = :over_total WHERE id = :id";
    sql.execute(text, &row).map(|_| ())
}
