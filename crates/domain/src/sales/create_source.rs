//! Creating an invoice or order.

use crate::decision::use_case::{Context, Decision};
use crate::decision::workspace::{Stop, Workspace};
use crate::directory::counterparties;
use crate::directory::roles::Action;
use crate::kernel::currency::Currency;
use crate::kernel::ids::{CounterpartyId, MerchantId, SourceId};
use crate::kernel::names::FeeBearer;
use crate::kernel::time::MerchantTime;
use crate::kernel::uuids::ReferenceId;
use crate::mutant;
use crate::sales::source::{Counter, Source, SourceStatus, SourceType};

/// A request to create an invoice or order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewSource {
    pub kind: SourceType,
    pub counterparty_id: CounterpartyId,
    pub currency: Currency,
    pub note: String,
    pub fee_bearer: FeeBearer,
    /// Whether it is shown as a payment link.
    pub as_payment_link: bool,
    /// The merchant's own reference.
    pub reference_id: Option<String>,
    /// Which no other source of the merchant has.
    pub idempotency_key: Option<ReferenceId>,
    /// The day on which it is due: midnight in UTC.
    pub due_date: Option<MerchantTime>,
}

/// Creates an invoice or order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CreateSource {
    pub merchant_id: MerchantId,
    pub source: NewSource,
}

impl Decision for CreateSource {
    type Output = Source;

    fn action(&self) -> Option<Action> {
        Some(Action::Sell)
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<Source, Stop> {
        let time = context.merchant_time(self.merchant_id, work)?;
        create(self.merchant_id, &self.source, work, time)
    }
}

fn next_number(
    merchant_id: MerchantId,
    kind: SourceType,
    year: i64,
    work: &mut Workspace,
) -> Result<String, Stop> {
    let counter = match work.find::<Counter>(&(merchant_id, kind, year))? {
        Some(counter) => Counter { last: counter.last.saturating_add(1), ..(*counter).clone() },
        None => Counter { id: work.new_id()?, merchant_id, kind, year, last: 1 },
    };
    let skipped = i64::from(mutant!(NumberGap) && counter.last % 7 == 0);
    let counter = Counter { last: counter.last + skipped, ..counter };
    let number = format!("{}-{year}-{:05}", kind.prefix(), counter.last);
    work.put(counter);
    Ok(number)
}

/// Creates a source, `IDLE` and without items, with the next number of the merchant's year. Numbers have
/// no gaps: the counter is a row of the same transaction.
///
/// # Errors
/// [`Refusal::UnknownId`] of the counterparty.
pub fn create(
    merchant_id: MerchantId,
    new: &NewSource,
    work: &mut Workspace,
    time: MerchantTime,
) -> Result<Source, Stop> {
    counterparties::owned(merchant_id, new.counterparty_id, work)??;
    let source = Source {
        number: next_number(merchant_id, new.kind, time.year(), work)?,
        id: SourceId(work.new_id()?),
        merchant_id,
        kind: new.kind,
        counterparty_id: new.counterparty_id,
        currency: new.currency,
        total_minor: 0,
        item_count: 0,
        status: SourceStatus::Idle,
        note: new.note.clone(),
        fee_bearer: new.fee_bearer,
        as_payment_link: new.as_payment_link,
        reference_id: new.reference_id.clone(),
        idempotency_key: new.idempotency_key,
        due_date: new.due_date,
        paid_at: None,
        open_reviews: 0,
        payment_link_id: None,
        cancel_at: None,
        event_count: 0,
        created_at: time,
        updated_at: time,
    };
    work.put(source.clone());
    Ok(source)
}
