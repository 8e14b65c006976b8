//! Changing the items of an invoice or order before it is published.

use crate::decision::use_case::{Context, Decision};
use crate::decision::workspace::{Stop, Workspace};
use crate::directory::roles::Action;
use crate::kernel::currency::Currency;
use crate::kernel::ids::ItemId;
use crate::kernel::money::{Decimal, MAX_MINOR, Money};
use crate::kernel::refusal::{self, Refusal, Subject};
use crate::kernel::time::MerchantTime;
use crate::sales::find_source::SourceRef;
use crate::sales::source::{Item, MAX_SOURCE_ITEMS, Source, SourceInput};

/// A request to add an item.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewItem {
    pub name: String,
    pub currency: Currency,
    /// At least one.
    pub qty: i64,
    /// The unit price.
    pub amount: Money,
}

/// The total of new items, in minor units.
///
/// # Errors
/// [`Refusal::AmountTooLarge`].
pub(crate) fn total(items: &[NewItem]) -> Result<i64, Refusal> {
    items
        .iter()
        .try_fold(0_i64, |sum, item| sum.checked_add(item.qty.checked_mul(item.amount.minor)?))
        .filter(|total| *total <= MAX_MINOR)
        .ok_or(Refusal::AmountTooLarge)
}

/// Changes of an item. `None` leaves a value as it is.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct ItemChanges {
    pub name: Option<String>,
    /// At least one.
    pub qty: Option<i64>,
    /// The unit price. Its decimals are checked against the source's currency.
    pub amount: Option<Decimal>,
}

/// Adds an item to an invoice or order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AddItem {
    pub source: SourceRef,
    pub item: NewItem,
    /// Where it is given, the item is added only to what was shown: a form that is sent twice adds once,
    /// and of two people who add to it each has seen what the other did.
    pub shown: Option<ShownItems>,
}

/// What whoever changes an invoice or order was shown of it.
///
/// Each change of it has a time of its own, unless clocks differ: of changes in the same moment most
/// have another number of items or another total.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ShownItems {
    pub updated_at: MerchantTime,
    pub item_count: i64,
    pub total_minor: i64,
}

impl From<&Source> for ShownItems {
    fn from(source: &Source) -> Self {
        Self {
            updated_at: source.updated_at,
            item_count: source.item_count,
            total_minor: source.total_minor,
        }
    }
}

impl Decision for AddItem {
    type Output = Item;

    fn action(&self) -> Option<Action> {
        Some(Action::Sell)
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<Item, Stop> {
        let time = context.merchant_time(self.source.merchant_id, work)?;
        if let Some(shown) = self.shown {
            shown.check(self.source, SourceInput::Edit, work, time)?;
        }
        add_item(self.source, &self.item, work, time)
    }
}

impl ShownItems {
    /// Refuses to change what is another than was shown. What cannot be done with it at all is
    /// refused for that.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], [`Refusal::InvalidState`], [`Refusal::ChangedMeanwhile`].
    pub(crate) fn check(
        self,
        which: SourceRef,
        input: SourceInput,
        work: &Workspace,
        time: MerchantTime,
    ) -> Result<(), Stop> {
        let source = which.existing(work)?;
        source.after(input, time)?;
        if Self::from(&source) == self {
            return Ok(());
        }
        let what = source.kind.word();
        Err(Refusal::ChangedMeanwhile { subject: Subject::Source, what }.into())
    }
}

/// Changes an item of an invoice or order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UpdateItem {
    pub source: SourceRef,
    pub item_id: ItemId,
    pub changes: ItemChanges,
}

impl Decision for UpdateItem {
    type Output = Item;

    fn action(&self) -> Option<Action> {
        Some(Action::Sell)
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<Item, Stop> {
        let time = context.merchant_time(self.source.merchant_id, work)?;
        update_item(self.source, self.item_id, &self.changes, work, time)
    }
}

/// Removes an item from an invoice or order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RemoveItem {
    pub source: SourceRef,
    pub item_id: ItemId,
}

impl Decision for RemoveItem {
    type Output = ();

    fn action(&self) -> Option<Action> {
        Some(Action::Sell)
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<(), Stop> {
        let time = context.merchant_time(self.source.merchant_id, work)?;
        remove_item(self.source, self.item_id, work, time)
    }
}

/// Adds an item to a source that is `IDLE`.
///
/// # Errors
/// [`Refusal::NotFound`], [`Refusal::InvalidState`], [`Refusal::CurrencyMismatch`],
/// [`Refusal::TooManyItems`], [`Refusal::AmountTooLarge`].
pub fn add_item(
    which: SourceRef,
    new: &NewItem,
    work: &mut Workspace,
    time: MerchantTime,
) -> Result<Item, Stop> {
    let mut source = which.existing(work)?.after(SourceInput::Edit, time)?;
    if new.currency != source.currency {
        return Err(
            Refusal::CurrencyMismatch { what: source.kind.word(), has: source.currency }.into()
        );
    }
    if source.item_count >= MAX_SOURCE_ITEMS {
        return Err(
            Refusal::TooManyItems { what: source.kind.word(), most: MAX_SOURCE_ITEMS }.into()
        );
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
    replace_line_total(source, 0, item.line_total(), work)?;
    work.put(item.clone());
    Ok(item)
}

fn item_of(which: SourceRef, id: ItemId, work: &Workspace) -> Result<Item, Stop> {
    let found = work.get::<Item>(id)?.filter(|item| item.source_id == which.id && !item.removed);
    Ok((*found.ok_or(Refusal::NotFound)?).clone())
}

/// Stores the source with `old` replaced by `new` in its total.
fn replace_line_total(
    mut source: Source,
    old: i64,
    new: Option<i64>,
    work: &mut Workspace,
) -> Result<(), Stop> {
    source.total_minor = new
        .and_then(|new| source.total_minor.checked_sub(old)?.checked_add(new))
        .filter(|total| *total <= MAX_MINOR)
        .ok_or(Refusal::AmountTooLarge)?;
    work.put(source);
    Ok(())
}

/// Changes an item of a source that is `IDLE`.
///
/// # Errors
/// [`Refusal::NotFound`], [`Refusal::InvalidState`], [`Refusal::TooManyDecimals`],
/// [`Refusal::AmountTooLarge`].
fn update_item(
    which: SourceRef,
    id: ItemId,
    changes: &ItemChanges,
    work: &mut Workspace,
    time: MerchantTime,
) -> Result<Item, Stop> {
    let source = which.existing(work)?;
    let old = item_of(which, id, work)?;
    let source = source.after(SourceInput::Edit, time)?;
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
    replace_line_total(source, old.line_total().unwrap_or(0), item.line_total(), work)?;
    work.put(item.clone());
    Ok(item)
}

/// Removes an item from a source that is `IDLE`.
///
/// # Errors
/// [`Refusal::NotFound`], [`Refusal::InvalidState`].
fn remove_item(
    which: SourceRef,
    id: ItemId,
    work: &mut Workspace,
    time: MerchantTime,
) -> Result<(), Stop> {
    let source = which.existing(work)?;
    let item = item_of(which, id, work)?;
    let mut source = source.after(SourceInput::Edit, time)?;
    source.item_count = source.item_count.saturating_sub(1).max(0);
    replace_line_total(source, item.line_total().unwrap_or(0), Some(0), work)?;
    work.put(Item { removed: true, updated_at: time, ..item });
    Ok(())
}
