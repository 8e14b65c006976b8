//! Checkouts: an invoice or order with who is to pay and the page on which it is shown, made in one
//! call.

use crate::decision::settings::{self, Lifetimes};
use crate::decision::workspace::{Stop, Workspace};
use crate::directory::counterparties;
use crate::directory::create_party::{self, NewParty};
use crate::directory::merchant::Merchant;
use crate::directory::party::{Counterparty, Party, Relationship};
use crate::kernel::currency::Currency;
use crate::kernel::ids::{CheckoutConfigId, CounterpartyId, MerchantId};
use crate::kernel::money::MAX_MINOR;
use crate::kernel::names::FeeBearer;
use crate::kernel::patch::Patch;
use crate::kernel::refusal::{Refusal, Refusals};
use crate::kernel::time::Timestamp;
use crate::sales::checkout::{CheckoutConfig, PageMode};
use crate::sales::create_source::{self, NewSource};
use crate::sales::edit_items::{self, NewItem};
use crate::sales::find_source::SourceRef;
use crate::sales::open_checkout_page;
use crate::sales::publish_source;
use crate::sales::source::{Source, SourceType};

/// The most items of a checkout: the ids of one command are fewer than
/// [`IDS_PER_COMMAND`](crate::decision::workspace::IDS_PER_COMMAND).
pub const MAX_CHECKOUT_ITEMS: usize = 50;

/// What is needed to make a checkout.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewCheckout {
    /// Who is to pay: found by the phone, else made.
    pub party: NewParty,
    /// What a counterparty that is made is to the merchant.
    pub relationship: Relationship,
    /// The counterparty, where there is one already.
    pub counterparty_id: Option<CounterpartyId>,
    pub kind: SourceType,
    pub currency: Currency,
    pub note: String,
    /// The merchant's own reference.
    pub reference_id: Option<String>,
    /// When it is due.
    pub due_date: Option<Timestamp>,
    /// Its lines, at most [`MAX_CHECKOUT_ITEMS`].
    pub items: Vec<NewItem>,
    /// Who shows it to the payer.
    pub mode: PageMode,
    /// Where the payer is sent when it is paid.
    pub success_url: Option<String>,
    /// Where the payer is sent when they give up.
    pub cancel_url: Option<String>,
    /// When the page ends to take payments.
    pub expires_at: Option<Timestamp>,
    /// The page's token: drawn by the caller, for a decision draws nothing.
    pub token: String,
}

/// A checkout.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Checkout {
    pub config: CheckoutConfig,
    /// The invoice or order, published.
    pub source: Source,
    pub counterparty: Counterparty,
    pub party: Party,
}

/// Makes a checkout. Who bears the fees is the merchant's setting.
///
/// # Errors
/// [`Refusal::ExpiryPast`], [`Refusal::ExpiryFar`], [`Refusal::Unknown`] and
/// [`Refusal::PhoneMismatch`] on `counterparty_id`, [`Refusal::CurrencyMismatch`],
/// [`Refusal::AmountTooLarge`] on `items`.
pub fn create(
    merchant_id: MerchantId,
    new: &NewCheckout,
    lifetimes: Lifetimes,
    work: &mut Workspace,
    now: Timestamp,
) -> Result<Checkout, Stop> {
    let merchant = work.require::<Merchant>(merchant_id)?;
    let time = merchant.time(now);
    let mut refusals = Refusals::default();
    if let Some(expires_at) = new.expires_at {
        refusals.take(settings::check_expiry(expires_at, time, lifetimes));
    }
    let given = match new.counterparty_id {
        None => None,
        Some(id) => refusals.take(counterparties::owned(merchant_id, id, "counterparty_id", work)?),
    };
    let total = new
        .items
        .iter()
        .try_fold(0_i64, |sum, item| sum.checked_add(item.qty.checked_mul(item.amount.minor)?));
    refusals.unless(
        total.is_some_and(|total| total <= MAX_MINOR),
        Refusal::AmountTooLarge { field: "items" },
    );
    refusals.finish()?;

    let (counterparty, party) = payer(merchant_id, new, given, work, time)?;
    let source = create_source::create(
        merchant_id,
        &new_source(new, counterparty.id, merchant.fee_bearer),
        work,
        time,
    )?;
    let which = SourceRef { merchant_id, kind: source.kind, id: source.id };
    for item in &new.items {
        edit_items::add_item(which, item, work, time)?;
    }
    let source = publish_source::publish(which, work, now)?;
    let config = open_checkout_page::put_page(
        CheckoutConfig {
            id: CheckoutConfigId(work.new_id()?),
            merchant_id,
            source_id: source.id,
            mode: new.mode.as_str().to_owned(),
            success_url: new.success_url.clone(),
            cancel_url: new.cancel_url.clone(),
            expires_at: new.expires_at,
            token: new.token.clone(),
            created_at: time,
            link_token: None,
            linked_at: None,
        },
        work,
    )?;
    Ok(Checkout { config, source, counterparty, party })
}

/// Who is to pay. A counterparty that was given and has no party gets the one with the phone.
fn payer(
    merchant_id: MerchantId,
    new: &NewCheckout,
    given: Option<Counterparty>,
    work: &mut Workspace,
    time: Timestamp,
) -> Result<(Counterparty, Party), Stop> {
    let Some(counterparty) = given else {
        let party = create_party::by_phone(merchant_id, &new.party, work, time)?;
        let counterparty =
            counterparties::create(merchant_id, new.relationship, Some(party.id), work, time)?;
        return Ok((counterparty, party));
    };
    match counterparty.party_id {
        None => {
            let party = create_party::by_phone(merchant_id, &new.party, work, time)?;
            let counterparty = counterparties::update(
                merchant_id,
                counterparty.id,
                None,
                Patch::Set(party.id),
                work,
                time,
            )?;
            Ok((counterparty, party))
        }
        Some(id) => {
            let party = (*work.require::<Party>(id)?).clone();
            if party.phone == new.party.phone {
                Ok((counterparty, party))
            } else {
                Err(Refusal::PhoneMismatch.into())
            }
        }
    }
}

fn new_source(
    new: &NewCheckout,
    counterparty_id: CounterpartyId,
    fee_bearer: FeeBearer,
) -> NewSource {
    NewSource {
        kind: new.kind,
        counterparty_id,
        currency: new.currency,
        note: new.note.clone(),
        fee_bearer,
        as_payment_link: new.mode == PageMode::Hosted,
        reference_id: new.reference_id.clone(),
        due_date: new.due_date,
    }
}
