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
    /// An invoice to make.
    pub struct CreateInvoice {
        /// Who is to pay.
        counterparty_id: Id,
        /// Its currency.
        currency: Currency,
        /// What it is for; nothing, where it is absent.
        note: Option<Note>,
        /// Who bears the fees.
        fee_bearer: FeeBearer,
        /// Whether it is shown as a payment link.
        as_payment_link: bool,
        /// The merchant's own reference.
        reference_id: Option<Text<255>>,
        /// The day on which it is due: a date, or any time of it.
        due_date: Option<Day>,
    }

    /// An order to make.
    pub struct CreateOrder {
        /// Who is to pay.
        counterparty_id: Id,
        /// Its currency.
        currency: Currency,
        /// What it is for; nothing, where it is absent.
        note: Option<Note>,
        /// Who bears the fees.
        fee_bearer: FeeBearer,
        /// Whether it is shown as a payment link.
        as_payment_link: bool,
        /// The merchant's own reference.
        reference_id: Option<Text<255>>,
    }

    /// Changes to an invoice; what is absent stays, and `null` empties what may be empty.
    pub struct UpdateInvoice {
        /// The merchant's own reference; none, where it is `null`.
        reference_id: Patch<Text<255>>,
        /// What it is for; nothing, where it is `null`.
        note: Patch<Note>,
        /// Who bears the fees.
        fee_bearer: Option<FeeBearer>,
        /// The day on which it is due: a date, or any time of it; none, where it is `null`.
        due_date: Patch<Day>,
    }

    /// Changes to an order; what is absent stays, and `null` empties what may be empty.
    pub struct UpdateOrder {
        /// The merchant's own reference; none, where it is `null`.
        reference_id: Patch<Text<255>>,
        /// What it is for; nothing, where it is `null`.
        note: Patch<Note>,
        /// Who bears the fees.
        fee_bearer: Option<FeeBearer>,
    }

    /// Which invoices or orders.
    pub struct ListSources {
        /// Only in this currency.
        currency: Option<Currency>,
        /// Only in this state.
        status: Option<SourceStatus>,
        /// Only with this reference of the merchant's own.
        reference_id: Option<Text<255>>,
        /// At most so many.
        limit: Option<Limit>,
        /// Continue after this one.
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
