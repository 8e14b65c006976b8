//! Invoices and orders: the sources of checkout sessions.

use crate::api_enum;
use crate::decision::event::HasEvents;
use crate::decision::row::{NoAltKey, Row};
use crate::kernel::currency::Currency;
use crate::kernel::ids::{CounterpartyId, ItemId, MerchantId, PaymentLinkId, SourceId};
use crate::kernel::money::Money;
use crate::kernel::names::FeeBearer;
use crate::kernel::refusal::{Refusal, Subject};
use crate::kernel::time::MerchantTime;
use crate::kernel::uuids::ReferenceId;
use crate::mutant;

/// The limit of items in a source: whoever reads a source, on a page too, reads all of them.
pub const MAX_SOURCE_ITEMS: i64 = 200;

api_enum! {
    SourceType {
        Invoice = "INVOICE",
        Order = "ORDER",
    }
}

impl SourceType {
    /// The noun for messages.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Invoice => "invoice",
            Self::Order => "order",
        }
    }

    pub(crate) const fn prefix(self) -> &'static str {
        match self {
            Self::Invoice => "INV",
            Self::Order => "ORD",
        }
    }
}

api_enum! {
    /// Where a source is in its life.
    SourceStatus {
        /// A draft: its fields and items can be changed.
        Idle = "IDLE",
        /// Published: it can be paid.
        Active = "ACTIVE",
        /// A collection for it is under way.
        Processing = "PROCESSING",
        Paid = "PAID",
        Canceled = "CANCELED",
    }
}

/// What happens to a source.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SourceInput {
    /// A field or item is changed.
    Edit,
    Publish,
    Cancel,
    /// A collection starts.
    Collect,
    /// The collection completed.
    Collected,
    /// The collection failed.
    CollectionFailed,
    /// A review settled an earlier collection that had failed.
    Settled,
}

impl SourceInput {
    pub const ALL: &'static [Self] = &[
        Self::Edit,
        Self::Publish,
        Self::Cancel,
        Self::Collect,
        Self::Collected,
        Self::CollectionFailed,
        Self::Settled,
    ];
}

impl SourceStatus {
    /// Whether the status never changes again.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Paid | Self::Canceled)
    }

    /// The status after `input`.
    ///
    /// # Errors
    /// The statuses that the input requires, as text for a message.
    pub const fn on(self, input: SourceInput) -> Result<Self, &'static str> {
        use SourceInput::{Cancel, Collect, Collected, CollectionFailed, Edit, Publish, Settled};
        match (self, input) {
            (Self::Idle, Edit) => Ok(Self::Idle),
            (Self::Idle, Publish) => Ok(Self::Active),
            (Self::Idle | Self::Active, Cancel) => Ok(Self::Canceled),
            (Self::Active, Collect) => Ok(Self::Processing),
            (Self::Processing, Collected) | (Self::Active, Settled) => Ok(Self::Paid),
            (Self::Processing, CollectionFailed) => Ok(Self::Active),
            (Self::Active | Self::Processing | Self::Paid | Self::Canceled, Edit | Publish) => {
                Err("IDLE")
            }
            (Self::Processing | Self::Paid | Self::Canceled, Cancel) => Err("IDLE or ACTIVE"),
            (Self::Idle | Self::Processing | Self::Paid | Self::Canceled, Collect | Settled) => {
                Err("ACTIVE")
            }
            (
                Self::Idle | Self::Active | Self::Paid | Self::Canceled,
                Collected | CollectionFailed,
            ) => Err("PROCESSING"),
        }
    }
}

/// An invoice or an order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Source {
    pub id: SourceId,
    pub merchant_id: MerchantId,
    pub kind: SourceType,
    /// Such as `INV-2026-00042`.
    pub number: String,
    pub counterparty_id: CounterpartyId,
    pub currency: Currency,
    /// Σ qty × amount of its items, in minor units.
    pub total_minor: i64,
    /// The number of its items; only maintained while it is `IDLE` and can get more.
    pub item_count: i64,
    pub status: SourceStatus,
    pub note: String,
    pub fee_bearer: FeeBearer,
    /// Whether it is shown as a payment link.
    pub as_payment_link: bool,
    /// The merchant's own reference.
    pub reference_id: Option<String>,
    /// The key of the form that created it, which creates one source however often it is sent.
    pub idempotency_key: Option<ReferenceId>,
    /// The day on which it is due: midnight in UTC.
    pub due_date: Option<MerchantTime>,
    /// Merchant time of the payment.
    pub paid_at: Option<MerchantTime>,
    /// The number of open reviews about money of its collections. While there is one, it may have been
    /// paid already, and no collection starts.
    pub open_reviews: i64,
    /// The payment link that it is an order of.
    pub payment_link_id: Option<PaymentLinkId>,
    /// Merchant time from which an order of a payment link is canceled if it is not paid; `None` for
    /// other sources, and from when it is paid or canceled.
    pub cancel_at: Option<MerchantTime>,
    /// How many events are about it.
    pub event_count: i64,
    pub created_at: MerchantTime,
    pub updated_at: MerchantTime,
}

impl Source {
    #[must_use]
    pub const fn total(&self) -> Money {
        Money::new(self.total_minor, self.currency)
    }

    /// This source after `input`.
    ///
    /// # Errors
    /// [`Refusal::InvalidState`], [`Refusal::InReview`].
    pub fn after(&self, input: SourceInput, time: MerchantTime) -> Result<Self, Refusal> {
        let status = self.status.on(input).map_err(|needs| Refusal::InvalidState {
            subject: Subject::Source,
            what: self.kind.word(),
            state: self.status.as_str(),
            needs,
        })?;
        if input == SourceInput::Collect && self.open_reviews > 0 && !mutant!(CollectInReview) {
            return Err(Refusal::InReview { what: self.kind.word() });
        }
        let cancel_at = self.cancel_at.filter(|_| !status.is_final());
        Ok(Self { status, cancel_at, updated_at: time, ..self.clone() })
    }
}

impl HasEvents for Source {
    fn event_count_mut(&mut self) -> &mut i64 {
        &mut self.event_count
    }
}

impl Row for Source {
    type Id = SourceId;
    type AltKey = (MerchantId, ReferenceId);

    fn id(&self) -> SourceId {
        self.id
    }

    fn alt_key(&self) -> Option<(MerchantId, ReferenceId)> {
        self.idempotency_key.map(|key| (self.merchant_id, key))
    }
}

/// An item of an invoice or order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Item {
    pub id: ItemId,
    pub merchant_id: MerchantId,
    pub source_id: SourceId,
    pub name: String,
    /// At least one.
    pub qty: i64,
    /// The unit price, in minor units.
    pub amount_minor: i64,
    pub currency: Currency,
    /// Whether it was removed from the source. The row is kept.
    pub removed: bool,
    pub created_at: MerchantTime,
    pub updated_at: MerchantTime,
}

impl Item {
    pub(crate) fn line_total(&self) -> Option<i64> {
        self.qty.checked_mul(self.amount_minor)
    }
}

impl Row for Item {
    type Id = ItemId;
    type AltKey = NoAltKey;

    fn id(&self) -> ItemId {
        self.id
    }

    fn alt_key(&self) -> Option<NoAltKey> {
        None
    }
}

/// The last number given to an invoice or order in a year.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Counter {
    pub id: i64,
    pub merchant_id: MerchantId,
    pub kind: SourceType,
    /// The calendar year of merchant time, in UTC.
    pub year: i64,
    /// The last number given.
    pub last: i64,
}

impl Row for Counter {
    type Id = i64;
    type AltKey = (MerchantId, SourceType, i64);

    fn id(&self) -> i64 {
        self.id
    }

    fn alt_key(&self) -> Option<(MerchantId, SourceType, i64)> {
        Some((self.merchant_id, self.kind, self.year))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every (state, input) pair; a dot is a refusal.
    #[test]
    fn the_life_of_a_source() {
        let table = "
            |            | Edit | Publish | Cancel   | Collect    | Collected | CollectionFailed | Settled |
            | IDLE       | IDLE | ACTIVE  | CANCELED | .          | .         | .                | .       |
            | ACTIVE     | .    | .       | CANCELED | PROCESSING | .         | .                | PAID    |
            | PROCESSING | .    | .       | .        | .          | PAID      | ACTIVE           | .       |
            | PAID       | .    | .       | .        | .          | .         | .                | .       |
            | CANCELED   | .    | .       | .        | .          | .         | .                | .       |";
        let mut rows = table
            .lines()
            .filter(|line| line.contains('|'))
            .map(|line| line.split('|').map(str::trim).skip(1).collect::<Vec<_>>());
        rows.next();
        let mut pairs = 0;
        for row in rows {
            let state = SourceStatus::parse(row[0]).unwrap();
            for (input, expected) in SourceInput::ALL.iter().zip(&row[1..]) {
                let got = state.on(*input).map_or(".", SourceStatus::as_str);
                assert_eq!(got, *expected, "{state} on {input:?}");
                pairs += 1;
            }
        }
        assert_eq!(pairs, SourceStatus::ALL.len() * SourceInput::ALL.len());
    }
}
