//! Paying through a payment link: one decision makes the order of this payer and its page.

use crate::decision::row::Lookup;
use crate::decision::settings::Lifetimes;
use crate::decision::use_case::{Context, Decision, LockKey};
use crate::decision::workspace::{RowKey, Stop, Workspace};
use crate::directory::create_party::NewParty;
use crate::directory::merchant::Merchant;
use crate::directory::party::Relationship;
use crate::kernel::ids::{MerchantId, PaymentLinkId};
use crate::kernel::money::{Decimal, Money};
use crate::kernel::refusal::{self, Refusal};
use crate::kernel::time::ServerTime;
use crate::sales::checkout::PageMode;
use crate::sales::create_checkout::{self, Checkout, NewCheckout};
use crate::sales::deactivate_payment_link;
use crate::sales::edit_items::NewItem;
use crate::sales::payment_link::{LinkPrice, PaymentLink, PaymentLinkItem, UNPAID_ORDER_US};
use crate::sales::source::{Source, SourceType};

/// Makes an order of a payment link for a payer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PayLink {
    pub merchant_id: MerchantId,
    pub link_id: PaymentLinkId,
    /// The payer: found by the phone, or else created.
    pub payer: NewParty,
    /// What the payer chose, where the link leaves that open.
    pub amount: Option<Decimal>,
    /// The random token of the order's page.
    pub token: String,
}

impl Decision for PayLink {
    type Output = Checkout;

    fn lock_key(&self) -> Option<LockKey> {
        let key = RowKey::PaymentLink(Lookup::Id(self.link_id));
        Some(LockKey { key, owner: Some(self.merchant_id) })
    }

    fn hints(&self) -> Vec<RowKey> {
        vec![
            RowKey::PaymentLink(Lookup::Id(self.link_id)),
            RowKey::Merchant(Lookup::Id(self.merchant_id)),
            RowKey::EventPosition(Lookup::Id(self.merchant_id)),
            RowKey::Party(Lookup::AltKey((self.merchant_id, self.payer.phone.clone()))),
        ]
    }

    fn likely_keys(&self, work: &Workspace) -> Vec<RowKey> {
        match work.get::<PaymentLink>(self.link_id) {
            Ok(Some(link)) => link.item_keys(),
            _ => vec![],
        }
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<Checkout, Stop> {
        create_order(self, context.settings.lifetimes, work, context.now)
    }
}

/// Creates the published order of a payer with its page. It reserves no use: the collection does.
///
/// # Errors
/// [`Refusal::NotFound`], [`Refusal::PaymentLinkClosed`], [`Refusal::AmountOutOfRange`],
/// [`Refusal::TooManyDecimals`].
fn create_order(
    request: &PayLink,
    lifetimes: Lifetimes,
    work: &mut Workspace,
    now: ServerTime,
) -> Result<Checkout, Stop> {
    let merchant_id = request.merchant_id;
    let time = work.require::<Merchant>(merchant_id)?.time(now);
    let link = deactivate_payment_link::owned(merchant_id, request.link_id, work)?;
    link.check_open(time)?;
    let new = NewCheckout {
        party: request.payer.clone(),
        relationship: Relationship::Customer,
        counterparty_id: None,
        kind: SourceType::Order,
        currency: link.currency,
        note: link.title.clone(),
        reference_id: None,
        due_date: None,
        items: items(&link, request.amount, work)?,
        mode: PageMode::Hosted,
        success_url: link.success_url.clone(),
        cancel_url: None,
        expires_at: link.expires_at,
        token: request.token.clone(),
    };
    let checkout =
        create_checkout::create(merchant_id, &new, Some(link.fee_bearer), lifetimes, work, now)?;
    let source = Source {
        payment_link_id: Some(link.id),
        cancel_at: Some(time.plus(UNPAID_ORDER_US)),
        ..checkout.source
    };
    work.put(source.clone());
    Ok(Checkout { source, ..checkout })
}

/// The items of the order: those of the link, or one of the amount that the payer chose.
fn items(
    link: &PaymentLink,
    amount: Option<Decimal>,
    work: &Workspace,
) -> Result<Vec<NewItem>, Stop> {
    let currency = link.currency;
    if let LinkPrice::Open { min_minor, max_minor } = link.price {
        let amount = chosen_amount(link, amount, min_minor, max_minor)?;
        return Ok(vec![NewItem { name: link.title.clone(), currency, qty: 1, amount }]);
    }
    let items = link.items(work)?;
    let item = |item: &PaymentLinkItem| NewItem {
        name: item.name.clone(),
        currency,
        qty: item.qty,
        amount: Money::new(item.amount_minor, currency),
    };
    Ok(items.iter().map(|row| item(row)).collect())
}

fn chosen_amount(
    link: &PaymentLink,
    amount: Option<Decimal>,
    min_minor: i64,
    max_minor: i64,
) -> Result<Money, Refusal> {
    let with_currency = |minor| {
        let money = Money::new(minor, link.currency);
        format!("{money} {}", link.currency)
    };
    let out_of_range = Refusal::AmountOutOfRange {
        least: with_currency(min_minor),
        most: with_currency(max_minor),
    };
    let chosen = match amount {
        Some(amount) => refusal::request_amount(amount, link.currency),
        None => return Err(out_of_range),
    };
    match chosen {
        Ok(chosen) if (min_minor..=max_minor).contains(&chosen.minor) => Ok(chosen),
        // The payer is better told what the link allows than what any amount must be.
        Ok(_) | Err(Refusal::AmountTooSmall | Refusal::AmountTooLarge) => Err(out_of_range),
        Err(refusal) => Err(refusal),
    }
}
