//! Invoices and orders: what a checkout session collects for.

use crate::api_enum;
use crate::change::Patch;
use crate::currency::Currency;
use crate::event::{self, EventEntity, EventType};
use crate::ids::{CounterpartyId, ItemId, MerchantId, SourceId};
use crate::merchant::Merchant;
use crate::money::{Decimal, MAX_MINOR, Money};
use crate::mutant;
use crate::names::FeeBearer;
use crate::party;
use crate::refusal::{self, Refusal};
use crate::time::Timestamp;
use crate::workspace::{Stop, NoAltKey, Row, Workspace};

/// The most items of a source: whoever reads it, on a page too, reads all of them.
pub const MAX_ITEMS: i64 = 200;

api_enum! {
    /// What a source is.
    SourceType {
        /// An invoice.
        Invoice = "INVOICE",
        /// An order.
        Order = "ORDER",
    }
}

impl SourceType {
    /// The word in a sentence.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Invoice => "invoice",
            Self::Order => "order",
        }
    }

    const fn prefix(self) -> &'static str {
        match self {
            Self::Invoice => "INV",
            Self::Order => "ORD",
        }
    }
}

api_enum! {
    /// Where a source is in its life.
    SourceStatus {
        /// Being written.
        Idle = "IDLE",
        /// Published: it can be paid.
        Active = "ACTIVE",
        /// A collection for it is under way.
        Processing = "PROCESSING",
        /// Paid.
        Paid = "PAID",
        /// Withdrawn.
        Canceled = "CANCELED",
    }
}

/// What happens to a source.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SourceInput {
    /// Its fields or items are changed.
    Edit,
    /// It is published.
    Publish,
    /// It is withdrawn.
    Cancel,
    /// A collection for it starts.
    Collect,
    /// That collection completed.
    Collected,
    /// That collection failed.
    CollectionFailed,
    /// A review found that a collection which had failed was paid all the same.
    Settled,
}

impl SourceInput {
    /// Every input.
    pub const ALL: &'static [Self] =
        &[Self::Edit, Self::Publish, Self::Cancel, Self::Collect, Self::Collected, Self::CollectionFailed, Self::Settled];
}

impl SourceStatus {
    /// Whether nothing can happen to it any more.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Paid | Self::Canceled)
    }

    /// The state after `input`.
    ///
    /// # Errors
    /// The states that the input needs, as a text for a message.
    pub const fn on(self, input: SourceInput) -> Result<Self, &'static str> {
        use SourceInput::{Cancel, Collect, Collected, CollectionFailed, Edit, Publish, Settled};
        match (self, input) {
            (Self::Idle, Edit) => Ok(Self::Idle),
            (Self::Idle, Publish) => Ok(Self::Active),
            (Self::Idle | Self::Active, Cancel) => Ok(Self::Canceled),
            (Self::Active, Collect) => Ok(Self::Processing),
            (Self::Processing, Collected) | (Self::Active, Settled) => Ok(Self::Paid),
            (Self::Processing, CollectionFailed) => Ok(Self::Active),
            (Self::Active | Self::Processing | Self::Paid | Self::Canceled, Edit | Publish) => Err("IDLE"),
            (Self::Processing | Self::Paid | Self::Canceled, Cancel) => Err("IDLE or ACTIVE"),
            (Self::Idle | Self::Processing | Self::Paid | Self::Canceled, Collect | Settled) => Err("ACTIVE"),
            (Self::Idle | Self::Active | Self::Paid | Self::Canceled, Collected | CollectionFailed) => Err("PROCESSING"),
        }
    }
}

/// An invoice or an order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Source {
    /// Its id.
    pub id: SourceId,
    /// Whose it is.
    pub merchant_id: MerchantId,
    /// Invoice or order.
    pub kind: SourceType,
    /// Its number: `INV-2026-00042`.
    pub number: String,
    /// Who is to pay.
    pub counterparty_id: CounterpartyId,
    /// Its currency.
    pub currency: Currency,
    /// Σ qty × amount of its items, in minor units.
    pub total_minor: i64,
    /// How many items it has, while it is `IDLE`: afterwards it gets no more.
    pub item_count: i64,
    /// Where it is in its life.
    pub status: SourceStatus,
    /// What it is for.
    pub note: String,
    /// Who bears the fees.
    pub fee_bearer: FeeBearer,
    /// Whether it is shown as a payment link.
    pub as_payment_link: bool,
    /// The merchant's own reference.
    pub reference_id: Option<String>,
    /// The day on which it is due: its midnight in UTC.
    pub due_date: Option<Timestamp>,
    /// Merchant time of the payment.
    pub paid_at: Option<Timestamp>,
    /// How many open reviews there are of money of its collections: while there is one it may have been paid already.
    pub open_reviews: i64,
    /// Merchant time.
    pub created_at: Timestamp,
    /// Merchant time.
    pub updated_at: Timestamp,
}

impl Source {
    /// What is to be paid.
    #[must_use]
    pub const fn total(&self) -> Money {
        Money::new(self.total_minor, self.currency)
    }

    /// This source after `input`.
    ///
    /// # Errors
    /// [`Refusal::State`], [`Refusal::InReview`] on `field`.
    pub fn after(&self, input: SourceInput, field: &'static str, time: Timestamp) -> Result<Self, Refusal> {
        let status = self.status.on(input).map_err(|needs| Refusal::State {
            field,
            what: self.kind.word(),
            state: self.status.as_str(),
            needs,
        })?;
        if input == SourceInput::Collect && self.open_reviews > 0 && !mutant!(CollectInReview) {
            return Err(Refusal::InReview { field, what: self.kind.word() });
        }
        Ok(Self { status, updated_at: time, ..self.clone() })
    }
}

impl Row for Source {
    type Id = SourceId;
    type AltKey = NoAltKey;

    fn id(&self) -> SourceId {
        self.id
    }

    fn alt_key(&self) -> Option<NoAltKey> {
        None
    }
}

/// A line of a source.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Item {
    /// Its id.
    pub id: ItemId,
    /// Whose it is.
    pub merchant_id: MerchantId,
    /// Of which source.
    pub source_id: SourceId,
    /// What it is.
    pub name: String,
    /// How many, at least one.
    pub qty: i64,
    /// The price of one, in minor units.
    pub amount_minor: i64,
    /// The source's currency.
    pub currency: Currency,
    /// Whether it was taken out again.
    pub removed: bool,
    /// Merchant time.
    pub created_at: Timestamp,
    /// Merchant time.
    pub updated_at: Timestamp,
}

impl Item {
    fn line_total(&self) -> Option<i64> {
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
    /// Its id.
    pub id: i64,
    /// Whose it is.
    pub merchant_id: MerchantId,
    /// Invoices or orders.
    pub kind: SourceType,
    /// The calendar year, UTC, in merchant time.
    pub year: i64,
    /// The last number.
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

/// What is needed to make a source.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewSource {
    /// Invoice or order.
    pub kind: SourceType,
    /// Who is to pay.
    pub counterparty_id: CounterpartyId,
    /// Its currency.
    pub currency: Currency,
    /// What it is for.
    pub note: String,
    /// Who bears the fees.
    pub fee_bearer: FeeBearer,
    /// Whether it is shown as a payment link.
    pub as_payment_link: bool,
    /// The merchant's own reference.
    pub reference_id: Option<String>,
    /// The day on which it is due: its midnight in UTC.
    pub due_date: Option<Timestamp>,
}

/// Changes to a source; what is `None` stays.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct SourceChanges {
    /// What it is for; no text where it is cleared.
    pub note: Patch<String>,
    /// Who bears the fees.
    pub fee_bearer: Option<FeeBearer>,
    /// The merchant's own reference.
    pub reference_id: Patch<String>,
    /// The day on which it is due.
    pub due_date: Patch<Timestamp>,
}

/// A new line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewItem {
    /// What it is.
    pub name: String,
    /// The source's currency.
    pub currency: Currency,
    /// How many, at least one.
    pub qty: i64,
    /// The price of one.
    pub amount: Money,
}

/// Changes to a line; what is `None` stays.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct ItemChanges {
    /// What it is.
    pub name: Option<String>,
    /// How many, at least one.
    pub qty: Option<i64>,
    /// The price of one: its decimals are checked against the source's currency.
    pub amount: Option<Decimal>,
}

/// Which source a call is about: this merchant's, of this kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SourceRef {
    /// Whose.
    pub merchant_id: MerchantId,
    /// Invoice or order.
    pub kind: SourceType,
    /// Which.
    pub id: SourceId,
}

impl SourceRef {
    /// The source, named by the path of a call.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub fn in_path(self, work: &Workspace) -> Result<Source, Stop> {
        Ok(self.look(work)?.ok_or(Refusal::NotFound)?)
    }

    /// The source; `None` when it is not this merchant's or of the other kind.
    ///
    /// # Errors
    /// [`Stop::NotLoaded`].
    pub fn look(self, work: &Workspace) -> Result<Option<Source>, Stop> {
        let found = work.get::<Source>(self.id)?.filter(|row| row.merchant_id == self.merchant_id && row.kind == self.kind);
        Ok(found.map(|row| (*row).clone()))
    }
}

fn next_number(merchant_id: MerchantId, kind: SourceType, year: i64, work: &mut Workspace) -> Result<String, Stop> {
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

/// Makes a source, `IDLE` and empty, with the next number of the merchant's year.
///
/// # Errors
/// [`Refusal::Unknown`] on `counterparty_id`.
pub fn create(merchant_id: MerchantId, new: &NewSource, work: &mut Workspace, time: Timestamp) -> Result<Source, Stop> {
    party::owned_counterparty(merchant_id, new.counterparty_id, "counterparty_id", work)??;
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
        due_date: new.due_date,
        paid_at: None,
        open_reviews: 0,
        created_at: time,
        updated_at: time,
    };
    work.put(source.clone());
    Ok(source)
}

/// Changes a source that is `IDLE`.
///
/// # Errors
/// [`Refusal::NotFound`], [`Refusal::State`].
pub fn update(which: SourceRef, changes: &SourceChanges, work: &mut Workspace, time: Timestamp) -> Result<Source, Stop> {
    let mut source = which.in_path(work)?.after(SourceInput::Edit, "", time)?;
    source.note = changes.note.clone().of(Some(source.note)).unwrap_or_default();
    source.fee_bearer = changes.fee_bearer.unwrap_or(source.fee_bearer);
    source.reference_id = changes.reference_id.clone().of(source.reference_id);
    source.due_date = changes.due_date.of(source.due_date);
    work.put(source.clone());
    Ok(source)
}

/// Publishes a source that is `IDLE` and not empty.
///
/// # Errors
/// [`Refusal::NotFound`], [`Refusal::State`], [`Refusal::Empty`].
pub fn publish(which: SourceRef, work: &mut Workspace, now: Timestamp) -> Result<Source, Stop> {
    let time = work.require::<Merchant>(which.merchant_id)?.time(now);
    let source = which.in_path(work)?.after(SourceInput::Publish, "", time)?;
    if source.total_minor == 0 {
        return Err(Refusal::Empty { what: source.kind.word() }.into());
    }
    work.put(source.clone());
    event::record(work, which.merchant_id, EventType::SourcePublished, (EventEntity::Source, which.id.0), None, now)?;
    Ok(source)
}

/// Withdraws a source that is `IDLE` or `ACTIVE`.
///
/// # Errors
/// [`Refusal::NotFound`], [`Refusal::State`].
pub fn cancel(which: SourceRef, work: &mut Workspace, now: Timestamp) -> Result<Source, Stop> {
    let time = work.require::<Merchant>(which.merchant_id)?.time(now);
    let source = which.in_path(work)?.after(SourceInput::Cancel, "", time)?;
    work.put(source.clone());
    event::record(work, which.merchant_id, EventType::SourceCanceled, (EventEntity::Source, which.id.0), None, now)?;
    Ok(source)
}

/// Adds an item to a source that is `IDLE`.
///
/// # Errors
/// [`Refusal::NotFound`], [`Refusal::State`], [`Refusal::CurrencyMismatch`], [`Refusal::TooManyItems`],
/// [`Refusal::AmountTooLarge`].
pub fn add_item(which: SourceRef, new: &NewItem, work: &mut Workspace, time: Timestamp) -> Result<Item, Stop> {
    let mut source = which.in_path(work)?.after(SourceInput::Edit, "", time)?;
    if new.currency != source.currency {
        return Err(Refusal::CurrencyMismatch { what: source.kind.word(), has: source.currency }.into());
    }
    if source.item_count >= MAX_ITEMS {
        return Err(Refusal::TooManyItems { what: source.kind.word(), most: MAX_ITEMS }.into());
    }
    source.item_count = source.item_count.saturating_add(1);
    let item = Item {
        id: ItemId(work.new_id()?),
        merchant_id: which.merchant_id,
        source_id: which.id,
        name: new.name.clone(),
        qty: new.qty,
        amount_minor: new.amount.minor,
        currency: source.currency,
        removed: false,
        created_at: time,
        updated_at: time,
    };
    replace_line(source, 0, item.line_total(), work)?;
    work.put(item.clone());
    Ok(item)
}

fn item_of(which: SourceRef, id: ItemId, work: &Workspace) -> Result<Item, Stop> {
    let found = work.get::<Item>(id)?.filter(|item| item.source_id == which.id && !item.removed);
    Ok((*found.ok_or(Refusal::NotFound)?).clone())
}

/// Writes the source's total with one line's share exchanged for another.
fn replace_line(mut source: Source, old: i64, new: Option<i64>, work: &mut Workspace) -> Result<(), Stop> {
    source.total_minor = new
        .and_then(|new| source.total_minor.checked_sub(old)?.checked_add(new))
        .filter(|total| *total <= MAX_MINOR)
        .ok_or(Refusal::AmountTooLarge { field: "amount" })?;
    work.put(source);
    Ok(())
}

/// Changes an item of a source that is `IDLE`.
///
/// # Errors
/// [`Refusal::NotFound`], [`Refusal::State`], [`Refusal::TooManyDecimals`], [`Refusal::AmountTooLarge`].
pub fn update_item(
    which: SourceRef,
    id: ItemId,
    changes: &ItemChanges,
    work: &mut Workspace,
    time: Timestamp,
) -> Result<Item, Stop> {
    let source = which.in_path(work)?;
    let old = item_of(which, id, work)?;
    let source = source.after(SourceInput::Edit, "", time)?;
    let amount_minor = match changes.amount {
        None => old.amount_minor,
        Some(amount) => refusal::request_amount(amount, source.currency)?.minor,
    };
    let item = Item {
        name: changes.name.clone().unwrap_or_else(|| old.name.clone()),
        qty: changes.qty.unwrap_or(old.qty),
        amount_minor,
        updated_at: time,
        ..old.clone()
    };
    replace_line(source, old.line_total().unwrap_or(0), item.line_total(), work)?;
    work.put(item.clone());
    Ok(item)
}

/// Takes an item out of a source that is `IDLE`.
///
/// # Errors
/// [`Refusal::NotFound`], [`Refusal::State`].
pub fn remove_item(which: SourceRef, id: ItemId, work: &mut Workspace, time: Timestamp) -> Result<(), Stop> {
    let source = which.in_path(work)?;
    let item = item_of(which, id, work)?;
    let mut source = source.after(SourceInput::Edit, "", time)?;
    source.item_count = source.item_count.saturating_sub(1).max(0);
    replace_line(source, item.line_total().unwrap_or(0), Some(0), work)?;
    work.put(Item { removed: true, updated_at: time, ..item });
    Ok(())
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
