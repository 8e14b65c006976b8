//! Payment links: offers that many payers can pay, each with an order of its own. A donation box
//! and a sticker at a till are payment links.
//!
//! A link may be limited to a number of uses. An order holds a use while a collection for it is
//! under way, and keeps it when it is paid. So what is reserved and paid follows from the statuses
//! of the link's orders: `PROCESSING` and `PAID`.

use std::sync::Arc;

use crate::api_enum;
use crate::decision::event::{EventEntity, EventType, HasEvents};
use crate::decision::events;
use crate::decision::row::{Lookup, Row};
use crate::decision::workspace::{RowKey, Stop, Workspace};
use crate::kernel::checked::{difference, sum};
use crate::kernel::currency::Currency;
use crate::kernel::ids::{MerchantId, PaymentLinkId, PaymentLinkItemId, SourceId};
use crate::kernel::money::Money;
use crate::kernel::names::FeeBearer;
use crate::kernel::refusal::Refusal;
use crate::kernel::time::{MerchantTime, ServerTime, minutes};
use crate::kernel::uuids::ReferenceId;
use crate::mutant;
use crate::sales::checkout::PageToken;
use crate::sales::source::{Source, SourceStatus};

/// The limit of items in a link. One decision makes an order of them and its payment, and its ids
/// are fewer than [`IDS_PER_COMMAND`](crate::decision::workspace::IDS_PER_COMMAND).
pub const MAX_LINK_ITEMS: usize = 40;

/// An unpaid order of a link is canceled after this time; in microseconds of merchant time.
pub const UNPAID_ORDER_US: i64 = minutes(24 * 60);

api_enum! {
    LinkStatus {
        Active = "ACTIVE",
        /// No payment begins any more. It stays so.
        Deactivated = "DEACTIVATED",
    }
}

api_enum! {
    /// Whether a link can be paid at a moment.
    LinkState {
        Open = "OPEN",
        /// All of its uses are paid, or reserved for payments under way.
        UsedUp = "USED_UP",
        Expired = "EXPIRED",
        Deactivated = "DEACTIVATED",
    }
}

/// What a payer of a link pays.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LinkPrice {
    /// The sum of the link's items.
    Items {
        count: i64,
        /// In minor units.
        total_minor: i64,
    },
    /// What the payer chooses, between two limits in minor units.
    Open { min_minor: i64, max_minor: i64 },
}

/// A payment link.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PaymentLink {
    pub id: PaymentLinkId,
    pub merchant_id: MerchantId,
    pub title: String,
    pub currency: Currency,
    pub price: LinkPrice,
    /// How many payers can pay it; `None` for no limit.
    pub max_uses: Option<i64>,
    pub fee_bearer: FeeBearer,
    /// Merchant time from which it accepts no payment; `None` for no limit.
    pub expires_at: Option<MerchantTime>,
    /// Where the payer is redirected after the payment.
    pub success_url: Option<String>,
    pub token: PageToken,
    /// The key of the form that created it, which creates one link however often it is sent.
    pub idempotency_key: Option<ReferenceId>,
    pub status: LinkStatus,
    /// The number of its orders that are `PROCESSING`.
    pub uses_reserved: i64,
    /// The number of its orders that are `PAID`.
    pub uses_paid: i64,
    /// How many events are about it.
    pub event_count: i64,
    pub created_at: MerchantTime,
    pub updated_at: MerchantTime,
}

impl PaymentLink {
    /// What it says at merchant time `time`.
    #[must_use]
    pub fn state(&self, time: MerchantTime) -> LinkState {
        if self.status == LinkStatus::Deactivated {
            LinkState::Deactivated
        } else if self.expires_at.is_some_and(|end| end <= time) {
            LinkState::Expired
        } else if self.is_used_up() {
            LinkState::UsedUp
        } else {
            LinkState::Open
        }
    }

    /// Whether each of its uses is paid or reserved.
    #[must_use]
    pub fn is_used_up(&self) -> bool {
        let taken = self.uses_reserved.saturating_add(self.uses_paid);
        self.max_uses.is_some_and(|most| taken >= most)
    }

    /// Checks that a payer can pay it at merchant time `time`.
    ///
    /// # Errors
    /// [`Refusal::PaymentLinkClosed`].
    pub fn check_open(&self, time: MerchantTime) -> Result<(), Refusal> {
        match self.state(time) {
            LinkState::Open => Ok(()),
            state => Err(Refusal::PaymentLinkClosed { state: state.as_str() }),
        }
    }

    /// Checks that a collection for one of its orders can begin. Its end does not count here: the
    /// order's page has the same one.
    fn check_use(&self) -> Result<(), Refusal> {
        let state = match self.status {
            LinkStatus::Deactivated => LinkState::Deactivated,
            LinkStatus::Active if self.is_used_up() && !mutant!(LinkOverused) => LinkState::UsedUp,
            LinkStatus::Active => return Ok(()),
        };
        Err(Refusal::PaymentLinkClosed { state: state.as_str() })
    }

    /// The price of one use, where it is fixed.
    #[must_use]
    pub const fn total(&self) -> Option<Money> {
        match self.price {
            LinkPrice::Items { total_minor, .. } => Some(Money::new(total_minor, self.currency)),
            LinkPrice::Open { .. } => None,
        }
    }

    /// The keys of its items.
    #[must_use]
    pub fn item_keys(&self) -> Vec<RowKey> {
        let count = match self.price {
            LinkPrice::Items { count, .. } => count,
            LinkPrice::Open { .. } => 0,
        };
        (0..count)
            .map(|position| RowKey::PaymentLinkItem(Lookup::AltKey((self.id, position))))
            .collect()
    }

    /// Its items, in their order.
    ///
    /// # Errors
    /// [`Stop::Inconsistent`] when one is not there.
    pub fn items(&self, work: &Workspace) -> Result<Vec<Arc<PaymentLinkItem>>, Stop> {
        let LinkPrice::Items { count, .. } = self.price else { return Ok(vec![]) };
        let item = |position| {
            work.find::<PaymentLinkItem>(&(self.id, position))?.ok_or_else(|| {
                Stop::Inconsistent(format!("payment link {} has no item {position}", self.id))
            })
        };
        (0..count).map(item).collect()
    }
}

impl HasEvents for PaymentLink {
    fn event_count_mut(&mut self) -> &mut i64 {
        &mut self.event_count
    }
}

impl Row for PaymentLink {
    type Id = PaymentLinkId;
    type AltKey = (MerchantId, ReferenceId);

    fn id(&self) -> PaymentLinkId {
        self.id
    }

    fn alt_key(&self) -> Option<(MerchantId, ReferenceId)> {
        self.idempotency_key.map(|key| (self.merchant_id, key))
    }
}

/// An item of a payment link. Items are never changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PaymentLinkItem {
    pub id: PaymentLinkItemId,
    pub merchant_id: MerchantId,
    pub payment_link_id: PaymentLinkId,
    /// Its place among the link's items, from 0.
    pub position: i64,
    pub name: String,
    /// At least one.
    pub qty: i64,
    /// The unit price, in minor units of the link's currency.
    pub amount_minor: i64,
}

impl Row for PaymentLinkItem {
    type Id = PaymentLinkItemId;
    type AltKey = (PaymentLinkId, i64);

    fn id(&self) -> PaymentLinkItemId {
        self.id
    }

    fn alt_key(&self) -> Option<(PaymentLinkId, i64)> {
        Some((self.payment_link_id, self.position))
    }
}

/// The key of the link whose order a source is, if the source is loaded.
#[must_use]
pub fn likely_key(source: Option<SourceId>, work: &Workspace) -> Option<RowKey> {
    let source = work.get::<Source>(source?).ok()??;
    source.payment_link_id.map(|id| RowKey::PaymentLink(Lookup::Id(id)))
}

/// The merchant's link of that id.
///
/// # Errors
/// [`Refusal::NotFound`].
pub(crate) fn owned(
    merchant_id: MerchantId,
    id: PaymentLinkId,
    work: &Workspace,
) -> Result<PaymentLink, Stop> {
    let found = work.get::<PaymentLink>(id)?.filter(|link| link.merchant_id == merchant_id);
    Ok((*found.ok_or(Refusal::NotFound)?).clone())
}

fn link_of(source: &Source, work: &Workspace) -> Result<Option<Arc<PaymentLink>>, Stop> {
    source.payment_link_id.map(|id| work.require::<PaymentLink>(id)).transpose()
}

/// Checks that a collection for a source can begin: it is no order of a link, or the link has a use
/// left.
///
/// # Errors
/// [`Refusal::PaymentLinkClosed`].
pub fn check_use(source: &Source, work: &Workspace) -> Result<(), Stop> {
    match link_of(source, work)? {
        Some(link) => Ok(link.check_use()?),
        None => Ok(()),
    }
}

/// Reserves a use for a collection that begins, if the source is an order of a link. Of two payers
/// the second is decided on the link as the first has left it, since both change its row.
///
/// # Errors
/// [`Refusal::PaymentLinkClosed`].
pub(crate) fn reserve(
    source: &Source,
    time: MerchantTime,
    work: &mut Workspace,
) -> Result<(), Stop> {
    let Some(link) = link_of(source, work)? else { return Ok(()) };
    link.check_use()?;
    let uses_reserved = sum(link.uses_reserved, 1)?;
    work.put(PaymentLink { uses_reserved, updated_at: time, ..(*link).clone() });
    Ok(())
}

/// Gives back the use that was reserved for a collection that failed.
///
/// # Errors
/// None of its own.
pub(crate) fn release(
    source: &Source,
    time: MerchantTime,
    work: &mut Workspace,
) -> Result<(), Stop> {
    let Some(link) = link_of(source, work)?.filter(|_| !mutant!(LinkUseKept)) else {
        return Ok(());
    };
    let uses_reserved = difference(link.uses_reserved, 1)?;
    work.put(PaymentLink { uses_reserved, updated_at: time, ..(*link).clone() });
    Ok(())
}

/// Counts a use as paid. `source` is the order before it was paid: one that was not `PROCESSING`
/// had reserved no use, because its collection had failed and a review settled it. An operator
/// decided that, so it counts beyond the limit, too.
///
/// # Errors
/// None of its own.
pub(crate) fn consume(
    source: &Source,
    time: MerchantTime,
    work: &mut Workspace,
    now: ServerTime,
) -> Result<(), Stop> {
    let Some(link) = link_of(source, work)? else { return Ok(()) };
    let reserved = i64::from(source.status == SourceStatus::Processing);
    let link = PaymentLink {
        uses_reserved: difference(link.uses_reserved, reserved)?,
        uses_paid: sum(link.uses_paid, 1)?,
        updated_at: time,
        ..(*link).clone()
    };
    if link.max_uses == Some(link.uses_paid) {
        let entity = (EventEntity::PaymentLink, link.id.0);
        let kind = EventType::PaymentLinkUsedUp;
        events::record(link.merchant_id, kind, entity, None, work, now)?;
    }
    work.put(link);
    Ok(())
}

/// Whether an order whose payment had failed would now take one use of its link more than there are:
/// whoever decides about a late success must know that.
///
/// # Errors
/// None of its own.
pub(crate) fn is_beyond_limit(source: Option<SourceId>, work: &Workspace) -> Result<bool, Stop> {
    let Some(id) = source else { return Ok(false) };
    let source = work.require::<Source>(id)?;
    let link = link_of(&source, work)?.filter(|_| source.status == SourceStatus::Active);
    Ok(link.is_some_and(|link| link.is_used_up()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link() -> PaymentLink {
        PaymentLink {
            id: PaymentLinkId(1),
            merchant_id: MerchantId(1),
            title: "T".into(),
            currency: Currency::parse("USD").unwrap(),
            price: LinkPrice::Items { count: 2, total_minor: 500 },
            max_uses: Some(2),
            fee_bearer: FeeBearer::Payer,
            expires_at: Some(MerchantTime(100)),
            success_url: None,
            token: PageToken("t".into()),
            idempotency_key: None,
            status: LinkStatus::Active,
            uses_reserved: 0,
            uses_paid: 0,
            event_count: 0,
            created_at: MerchantTime(0),
            updated_at: MerchantTime(0),
        }
    }

    #[test]
    fn a_link_is_open_until_it_is_used_up_expired_or_deactivated() {
        let state = |link: &PaymentLink| link.state(MerchantTime(99)).as_str();
        assert_eq!(state(&link()), "OPEN");
        for (reserved, paid, expected) in
            [(1, 0, "OPEN"), (0, 1, "OPEN"), (1, 1, "USED_UP"), (0, 3, "USED_UP")]
        {
            let used = PaymentLink { uses_reserved: reserved, uses_paid: paid, ..link() };
            assert_eq!(state(&used), expected);
            assert_eq!(state(&PaymentLink { max_uses: None, ..used }), "OPEN");
        }
        let used_up = PaymentLink { uses_paid: 2, ..link() };
        assert_eq!(used_up.state(MerchantTime(100)), LinkState::Expired);
        assert_eq!(
            used_up.check_open(MerchantTime(100)),
            Err(Refusal::PaymentLinkClosed { state: "EXPIRED" })
        );
        let deactivated = PaymentLink { status: LinkStatus::Deactivated, ..used_up };
        assert_eq!(deactivated.state(MerchantTime(100)), LinkState::Deactivated);
        assert_eq!(link().check_open(MerchantTime(99)), Ok(()));
    }

    #[test]
    fn its_items_are_looked_up_by_their_places() {
        let key = |position| RowKey::PaymentLinkItem(Lookup::AltKey((PaymentLinkId(1), position)));
        assert_eq!(link().item_keys(), [key(0), key(1)]);
        let open = LinkPrice::Open { min_minor: 1, max_minor: 2 };
        let open = PaymentLink { price: open, ..link() };
        assert_eq!((open.item_keys(), open.total()), (vec![], None));
    }
}
