//! Paying through a payment link: one decision makes the order of this payer, its page and its
//! payment.

use crate::decision::row::Lookup;
use crate::decision::settings::Settings;
use crate::decision::use_case::{Context, Decision, LockKey};
use crate::decision::workspace::{RowKey, Stop, Workspace};
use crate::directory::create_party::NewParty;
use crate::directory::merchant::Merchant;
use crate::directory::party::Relationship;
use crate::kernel::ids::{MerchantId, PaymentLinkId};
use crate::kernel::money::{Decimal, Money};
use crate::kernel::refusal::{self, Refusal};
use crate::kernel::time::ServerTime;
use crate::ledger::wallet::Owner;
use crate::payments::execute::Executed;
use crate::payments::execution::Execution;
use crate::payments::pay_on_page::{self, PagePayment};
use crate::sales::checkout::{CheckoutConfig, PageMode, PageToken};
use crate::sales::create_checkout::{self, Checkout, NewCheckout};
use crate::sales::edit_items::NewItem;
use crate::sales::payment_link::{self, LinkPrice, PaymentLink, PaymentLinkItem, UNPAID_ORDER_US};
use crate::sales::source::{Source, SourceType};

/// Pays through a payment link.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PayLink {
    pub merchant_id: MerchantId,
    pub link_id: PaymentLinkId,
    /// The payer: found by the phone, or else created.
    pub payer: NewParty,
    /// What the payer chose, where the link leaves that open.
    pub amount: Option<Decimal>,
    /// The random token of the order's page.
    pub token: PageToken,
    pub payment: PagePayment,
}

/// The order of a payer, and its payment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PaidLink {
    pub order: Source,
    /// The page on which the payer sees what becomes of it, and can try again.
    pub page: CheckoutConfig,
    /// In a box, because the outputs of other decisions are much smaller.
    pub executed: Box<Executed>,
}

impl Decision for PayLink {
    type Output = PaidLink;

    fn lock_key(&self) -> Option<LockKey> {
        let key = RowKey::PaymentLink(Lookup::Id(self.link_id));
        Some(LockKey { key, owner: Some(self.merchant_id) })
    }

    fn hints(&self) -> Vec<RowKey> {
        vec![
            RowKey::Execution(Lookup::AltKey((self.merchant_id, self.payment.reference_id))),
            RowKey::PaymentLink(Lookup::Id(self.link_id)),
            RowKey::Merchant(Lookup::Id(self.merchant_id)),
            RowKey::EventPosition(Lookup::Id(self.merchant_id)),
            RowKey::Party(Lookup::AltKey((self.merchant_id, self.payer.phone.clone()))),
        ]
    }

    fn likely_keys(&self, work: &Workspace) -> Vec<RowKey> {
        let Ok(Some(link)) = work.get::<PaymentLink>(self.link_id) else { return vec![] };
        let mut keys = link.item_keys();
        let wallet = (Owner::Merchant(self.merchant_id), link.currency);
        keys.push(RowKey::Wallet(Lookup::AltKey(wallet)));
        keys
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<PaidLink, Stop> {
        pay(self, context.settings, work, context.now)
    }
}

/// Makes the order of a payer and pays it.
///
/// # Errors
/// [`Refusal::NotFound`], [`Refusal::PaymentLinkClosed`], [`Refusal::AmountOutOfRange`],
/// [`Refusal::TooManyDecimals`], and what may be refused of a payment on a page.
fn pay(
    request: &PayLink,
    settings: &Settings,
    work: &mut Workspace,
    now: ServerTime,
) -> Result<PaidLink, Stop> {
    if let Some(replayed) = replay(request, settings, work, now)? {
        return Ok(replayed);
    }
    let Checkout { source, config: page, .. } = create_order(request, settings, work, now)?;
    // The collection reserves the use.
    let executed = pay_on_page::pay(&page, &request.payment, settings, work, now)?;
    let order = (*work.require::<Source>(source.id)?).clone();
    Ok(PaidLink { order, page, executed: Box::new(executed) })
}

/// The payment that the same form made before.
fn replay(
    request: &PayLink,
    settings: &Settings,
    work: &mut Workspace,
    now: ServerTime,
) -> Result<Option<PaidLink>, Stop> {
    let key = (request.merchant_id, request.payment.reference_id);
    let Some(found) = work.find::<Execution>(&key)? else { return Ok(None) };
    let Some(id) = found.source_id() else { return Err(Refusal::DuplicateReference.into()) };
    let order = (*work.require::<Source>(id)?).clone();
    let page = work.find::<CheckoutConfig>(&id)?;
    let page = page.filter(|_| order.payment_link_id == Some(request.link_id));
    let page = (*page.ok_or(Refusal::DuplicateReference)?).clone();
    let executed = pay_on_page::pay(&page, &request.payment, settings, work, now)?;
    Ok(Some(PaidLink { order, page, executed: Box::new(executed) }))
}

/// Creates the published order of a payer, with its page.
fn create_order(
    request: &PayLink,
    settings: &Settings,
    work: &mut Workspace,
    now: ServerTime,
) -> Result<Checkout, Stop> {
    let merchant_id = request.merchant_id;
    let time = work.require::<Merchant>(merchant_id)?.time(now);
    let link = payment_link::owned(merchant_id, request.link_id, work)?;
    link.check_open(time)?;
    let new = NewCheckout {
        party: request.payer.clone(),
        relationship: Relationship::Customer,
        counterparty_id: None,
        party_id: None,
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
        idempotency_key: None,
        as_draft: false,
    };
    let (bearer, lifetimes) = (Some(link.fee_bearer), settings.lifetimes);
    let checkout = create_checkout::create(merchant_id, &new, bearer, lifetimes, work, now)?;
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
    if let LinkPrice::Open { .. } = link.price {
        let amount = link.chosen_amount(amount)?;
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

impl PaymentLink {
    /// What a payer pays who chose this amount: the sum of the items, where there are some.
    ///
    /// # Errors
    /// [`Refusal::AmountOutOfRange`], [`Refusal::TooManyDecimals`].
    pub fn chosen_amount(&self, amount: Option<Decimal>) -> Result<Money, Refusal> {
        let (min, max) = match self.price {
            LinkPrice::Items { total_minor, .. } => {
                return Ok(Money::new(total_minor, self.currency));
            }
            LinkPrice::Open { min_minor, max_minor } => (min_minor, max_minor),
        };
        let with_currency =
            |minor| format!("{} {}", Money::new(minor, self.currency), self.currency);
        let out_of_range =
            Refusal::AmountOutOfRange { least: with_currency(min), most: with_currency(max) };
        let Some(amount) = amount else { return Err(out_of_range) };
        match refusal::request_amount(amount, self.currency) {
            Ok(chosen) if (min..=max).contains(&chosen.minor) => Ok(chosen),
            // The payer is better told what the link allows than what any amount must be.
            Ok(_) | Err(Refusal::AmountTooSmall | Refusal::AmountTooLarge) => Err(out_of_range),
            Err(refusal) => Err(refusal),
        }
    }
}
