//! Checkouts: an invoice or order with who is to pay and the page on which it is shown, made in one call.

use crate::api_enum;
use crate::change::Patch;
use crate::currency::Currency;
use crate::ids::{CheckoutConfigId, CounterpartyId, MerchantId, SourceId};
use crate::merchant::Merchant;
use crate::money::MAX_MINOR;
use crate::names::FeeBearer;
use crate::party::{self, Counterparty, NewParty, Party, Relationship};
use crate::refusal::{Refusals, Refusal};
use crate::session::{self, Lifetimes};
use crate::source::{self, NewItem, NewSource, Source, SourceRef, SourceType};
use crate::time::Timestamp;
use crate::workspace::{Stop, Row, Workspace};

api_enum! {
    /// Who shows a checkout to the payer.
    PageMode {
        /// kola's own page.
        Hosted = "HOSTED",
        /// A page of the merchant's.
        Direct = "DIRECT",
    }
}

/// The mode of a page that nobody configured.
pub const HOSTED: &str = PageMode::Hosted.as_str();
/// The most items of a checkout: the ids of one command are fewer than [`IDS_PER_COMMAND`](crate::workspace::IDS_PER_COMMAND).
pub const MAX_ITEMS: usize = 50;

/// The page on which an invoice or order is shown and paid. A source has one at most.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CheckoutConfig {
    /// Its id.
    pub id: CheckoutConfigId,
    /// Whose it is.
    pub merchant_id: MerchantId,
    /// Of which invoice or order.
    pub source_id: SourceId,
    /// `HOSTED` or `DIRECT`; earlier versions took any text.
    pub mode: String,
    /// Where the payer is sent when it is paid.
    pub success_url: Option<String>,
    /// Where the payer is sent when they give up.
    pub cancel_url: Option<String>,
    /// Merchant time from which the page takes no payment; open when `None`.
    pub expires_at: Option<Timestamp>,
    /// Who has it may see the page.
    pub token: String,
    /// Merchant time.
    pub created_at: Timestamp,
    /// The token of the page that was made when a link was asked for after this one's time: it takes payments without an end.
    pub link_token: Option<String>,
    /// When that was; merchant time.
    pub linked_at: Option<Timestamp>,
}

impl CheckoutConfig {
    /// The merchant time that still binds what is declared for the source.
    #[must_use]
    pub const fn ends_at(&self) -> Option<Timestamp> {
        if self.link_token.is_some() { None } else { self.expires_at }
    }

    /// Whether nothing can be paid any more on the pages that there are.
    #[must_use]
    pub fn is_over(&self, time: Timestamp) -> bool {
        self.ends_at().is_some_and(|end| end <= time)
    }

    /// The token that a link leads to.
    #[must_use]
    pub fn current_token(&self) -> &str {
        self.link_token.as_deref().unwrap_or(&self.token)
    }

    /// This page as who comes by `token` sees it: the link's has no end and leads nowhere else.
    #[must_use]
    pub fn seen_by(self, token: &str) -> Self {
        if self.link_token.as_deref() == Some(token) {
            Self { expires_at: None, success_url: None, cancel_url: None, token: token.to_owned(), ..self }
        } else {
            self
        }
    }
}

impl Row for CheckoutConfig {
    type Id = CheckoutConfigId;
    type AltKey = SourceId;

    fn id(&self) -> CheckoutConfigId {
        self.id
    }

    fn alt_key(&self) -> Option<SourceId> {
        Some(self.source_id)
    }
}

/// What is needed to make a checkout.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewCheckout {
    /// Who is to pay: found by the phone, else made.
    pub party: NewParty,
    /// What a counterparty that is made is to the merchant.
    pub relationship: Relationship,
    /// The counterparty, where there is one already.
    pub counterparty_id: Option<CounterpartyId>,
    /// Invoice or order.
    pub kind: SourceType,
    /// Its currency.
    pub currency: Currency,
    /// What it is for.
    pub note: String,
    /// The merchant's own reference.
    pub reference_id: Option<String>,
    /// When it is due.
    pub due_date: Option<Timestamp>,
    /// Its lines, at most [`MAX_ITEMS`].
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
    /// The page.
    pub config: CheckoutConfig,
    /// The invoice or order, published.
    pub source: Source,
    /// Who is to pay.
    pub counterparty: Counterparty,
    /// The party behind it.
    pub party: Party,
}

/// Makes a checkout. Who bears the fees is the merchant's setting.
///
/// # Errors
/// [`Refusal::ExpiryPast`], [`Refusal::ExpiryFar`], [`Refusal::Unknown`] and [`Refusal::PhoneMismatch`] on
/// `counterparty_id`, [`Refusal::CurrencyMismatch`], [`Refusal::AmountTooLarge`] on `items`.
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
        refusals.take(session::check_expiry(expires_at, time, lifetimes));
    }
    let given = match new.counterparty_id {
        None => None,
        Some(id) => refusals.take(party::owned_counterparty(merchant_id, id, "counterparty_id", work)?),
    };
    let total = new.items.iter().try_fold(0_i64, |sum, item| sum.checked_add(item.qty.checked_mul(item.amount.minor)?));
    refusals.unless(total.is_some_and(|total| total <= MAX_MINOR), Refusal::AmountTooLarge { field: "items" });
    refusals.finish()?;

    let (counterparty, party) = payer(merchant_id, new, given, work, time)?;
    let source = source::create(merchant_id, &new_source(new, counterparty.id, merchant.fee_bearer), work, time)?;
    let which = SourceRef { merchant_id, kind: source.kind, id: source.id };
    for item in &new.items {
        source::add_item(which, item, work, time)?;
    }
    let source = source::publish(which, work, now)?;
    let config = put_page(
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
        let party = party::by_phone(merchant_id, &new.party, work, time)?;
        let counterparty = party::create_counterparty(merchant_id, new.relationship, Some(party.id), work, time)?;
        return Ok((counterparty, party));
    };
    match counterparty.party_id {
        None => {
            let party = party::by_phone(merchant_id, &new.party, work, time)?;
            let counterparty =
                party::update_counterparty(merchant_id, counterparty.id, None, Patch::Set(party.id), work, time)?;
            Ok((counterparty, party))
        }
        Some(id) => {
            let party = (*work.require::<Party>(id)?).clone();
            if party.phone == new.party.phone { Ok((counterparty, party)) } else { Err(Refusal::PhoneMismatch.into()) }
        }
    }
}

fn new_source(new: &NewCheckout, counterparty_id: CounterpartyId, fee_bearer: FeeBearer) -> NewSource {
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

/// Writes a page; a source that has one keeps it.
fn put_page(config: CheckoutConfig, work: &mut Workspace) -> Result<CheckoutConfig, Stop> {
    if let Some(there) = work.find::<CheckoutConfig>(&config.source_id)? {
        return Ok((*there).clone());
    }
    work.put(config.clone());
    Ok(config)
}

/// The page of a source. One without further settings is made when there is none, or when the checkout's time is over while it
/// could still be paid: the checkout's own page goes on to say that it expired.
///
/// # Errors
/// [`Refusal::NotFound`].
pub fn open_page(which: SourceRef, token: &str, work: &mut Workspace, now: Timestamp) -> Result<CheckoutConfig, Stop> {
    let source = which.in_path(work)?;
    let time = work.require::<Merchant>(which.merchant_id)?.time(now);
    if let Some(there) = work.find::<CheckoutConfig>(&source.id)?
        && there.is_over(time)
        && !source.status.is_final()
    {
        let again = CheckoutConfig { link_token: Some(token.to_owned()), linked_at: Some(time), ..(*there).clone() };
        work.put(again.clone());
        return Ok(again);
    }
    let id = CheckoutConfigId(work.new_id()?);
    put_page(
        CheckoutConfig {
            id,
            merchant_id: which.merchant_id,
            source_id: source.id,
            mode: HOSTED.to_owned(),
            success_url: None,
            cancel_url: None,
            expires_at: None,
            token: token.to_owned(),
            created_at: time,
            link_token: None,
            linked_at: None,
        },
        work,
    )
}
