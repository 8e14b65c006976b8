//! What requests on invoices and orders say.

use domain::kernel::currency::Currency;
use domain::kernel::ids::CounterpartyId;
use domain::kernel::names::FeeBearer;
use domain::kernel::patch::Patch;
use domain::kernel::refusal::{Refusal, Subject};
use domain::sales::create_source::NewSource;
use domain::sales::source::{SourceStatus, SourceType};
use domain::sales::update_source::SourceChanges;

use crate::api::fields::{Day, Id, Note, Text};
use crate::api::refusals::usual_field;
use crate::api::response::Limit;
use crate::payload;

payload! {
    /// Creates an invoice.
    pub struct CreateInvoice {
        /// The counterparty who has to pay.
        counterparty_id: Id,
        /// The currency.
        currency: Currency,
        /// What it is for; empty by default.
        note: Option<Note>,
        /// The bearer of the fees.
        fee_bearer: FeeBearer,
        /// Whether it is shown as a payment link.
        as_payment_link: bool,
        /// The merchant's own reference.
        reference_id: Option<Text<255>>,
        /// The due date: a date, or any time of that day.
        due_date: Option<Day>,
    }

    /// Creates an order.
    pub struct CreateOrder {
        /// The counterparty who has to pay.
        counterparty_id: Id,
        /// The currency.
        currency: Currency,
        /// What it is for; empty by default.
        note: Option<Note>,
        /// The bearer of the fees.
        fee_bearer: FeeBearer,
        /// Whether it is shown as a payment link.
        as_payment_link: bool,
        /// The merchant's own reference.
        reference_id: Option<Text<255>>,
    }

    /// Changes an invoice. Absent fields stay as they are; `null` clears a field that may be empty.
    pub struct UpdateInvoice {
        /// The merchant's own reference. `null` removes it.
        reference_id: Patch<Text<255>>,
        /// What it is for. `null` clears it.
        note: Patch<Note>,
        /// The bearer of the fees.
        fee_bearer: Option<FeeBearer>,
        /// The due date: a date, or any time of that day. `null` removes it.
        due_date: Patch<Day>,
    }

    /// Changes an order. Absent fields stay as they are; `null` clears a field that may be empty.
    pub struct UpdateOrder {
        /// The merchant's own reference. `null` removes it.
        reference_id: Patch<Text<255>>,
        /// What it is for. `null` clears it.
        note: Patch<Note>,
        /// The bearer of the fees.
        fee_bearer: Option<FeeBearer>,
    }

    /// The filter of invoices or orders.
    pub struct ListSources {
        /// Only those in this currency.
        currency: Option<Currency>,
        /// Only those in this state.
        status: Option<SourceStatus>,
        /// Only those with this reference of the merchant's own.
        reference_id: Option<Text<255>>,
        /// The maximum number of entries in the answer.
        limit: Option<Limit>,
        /// The id of the last entry of the previous page.
        after_id: Option<Id>,
    }
}

/// The path names the invoice or order.
pub const fn field_of(refusal: &Refusal) -> Option<&'static str> {
    match refusal.subject() {
        Subject::Source => None,
        _ => usual_field(refusal),
    }
}

impl From<CreateInvoice> for NewSource {
    fn from(payload: CreateInvoice) -> Self {
        Self {
            kind: SourceType::Invoice,
            counterparty_id: CounterpartyId(payload.counterparty_id.0),
            currency: payload.currency,
            note: payload.note.map(|note| note.0).unwrap_or_default(),
            fee_bearer: payload.fee_bearer,
            as_payment_link: payload.as_payment_link,
            reference_id: payload.reference_id.map(|text| text.0),
            idempotency_key: None,
            due_date: payload.due_date.map(|day| day.0),
        }
    }
}

impl From<CreateOrder> for NewSource {
    fn from(payload: CreateOrder) -> Self {
        Self {
            kind: SourceType::Order,
            counterparty_id: CounterpartyId(payload.counterparty_id.0),
            currency: payload.currency,
            note: payload.note.map(|note| note.0).unwrap_or_default(),
            fee_bearer: payload.fee_bearer,
            as_payment_link: payload.as_payment_link,
            reference_id: payload.reference_id.map(|text| text.0),
            idempotency_key: None,
            due_date: None,
        }
    }
}

impl From<UpdateInvoice> for SourceChanges {
    fn from(payload: UpdateInvoice) -> Self {
        Self {
            note: payload.note.map(|note| note.0),
            fee_bearer: payload.fee_bearer,
            reference_id: payload.reference_id.map(|text| text.0),
            due_date: payload.due_date.map(|day| day.0),
        }
    }
}

impl From<UpdateOrder> for SourceChanges {
    fn from(payload: UpdateOrder) -> Self {
        Self {
            note: payload.note.map(|note| note.0),
            fee_bearer: payload.fee_bearer,
            reference_id: payload.reference_id.map(|text| text.0),
            due_date: Patch::Keep,
        }
    }
}
