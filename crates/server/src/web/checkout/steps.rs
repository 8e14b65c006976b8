//! What a payer has sent with the forms of a page that takes payments.

use domain::kernel::currency::Currency;
use domain::kernel::money::Money;
use domain::kernel::names::{Operation, Provider};
use domain::kernel::time::ServerTime;
use domain::kernel::uuids::{ReferenceId, Uuid};
use domain::payments::pay_on_page::PayerChoice;
use domain::tariff::{Market, Tariff};

use crate::api::error::ApiError;
use crate::web::checkout::phone;
use crate::web::checkout::view::{Choices, Notice, PayWith, PhoneFault, Price};
use crate::web::form::Form;
use store::clock;

/// A method that is offered, as the payer chose it.
#[derive(Clone, Copy)]
pub struct Chosen {
    pub pay_with: PayWith,
    pub provider: Provider,
    pub price: Price,
}

impl Chosen {
    /// The choice as a decision takes it.
    #[must_use]
    pub fn by(self, phone: Option<String>) -> PayerChoice {
        PayerChoice {
            method: self.pay_with.method,
            provider: self.provider,
            currency: self.pay_with.currency,
            phone,
        }
    }
}

/// The method that the form names, if it is offered now.
///
/// # Errors
/// What the page then says.
pub fn chosen(form: &Form, choices: &Choices) -> Result<Chosen, Notice> {
    let text = form.field("method").ok_or(Notice::FormIncomplete)?;
    let pay_with = PayWith::parse(text).ok_or(Notice::FormIncomplete)?;
    let offer = choices.methods.iter().find(|offer| offer.pay_with == pay_with);
    let (provider, price) = offer
        .and_then(|offer| Some((offer.provider, offer.price.ok()?)))
        .ok_or(Notice::MethodNotOffered)?;
    Ok(Chosen { pay_with, provider, price })
}

/// The number of the form, in international form.
///
/// # Errors
/// What is wrong with it.
pub fn phone(
    form: &Form,
    chosen: Chosen,
    tariff: &Tariff,
    now: ServerTime,
) -> Result<String, PhoneFault> {
    let method = chosen.pay_with.method;
    let market = tariff.open_market(method, chosen.provider, Operation::Collection, now);
    let code = market.and_then(Market::number_start).unwrap_or_default();
    phone::read(form.field("phone").unwrap_or_default(), code)
}

/// The method whose number this looks like, if it is offered and another one than chosen. A number
/// whose operator is another one may have been ported: the payer knows.
#[must_use]
pub fn looks_like(
    phone: &str,
    pay_with: PayWith,
    choices: &Choices,
    tariff: &Tariff,
    now: ServerTime,
) -> Option<PayWith> {
    let other = PayWith { method: tariff.operator(phone, now)?.method, ..pay_with };
    let is_offered =
        choices.methods.iter().any(|offer| offer.pay_with == other && offer.price.is_ok());
    (other != pay_with && is_offered).then_some(other)
}

/// A key for a form that asks for money: sent twice, it pays once.
///
/// # Errors
/// [`ApiError`] when the operating system has no random numbers.
pub fn draw_key() -> Result<Uuid, ApiError> {
    let random = clock::random::<16>().map_err(|error| ApiError::internal(error.to_string()))?;
    Ok(uuid::Builder::from_random_bytes(random).into_uuid())
}

/// The key of a form that asks for money, and the amount that the payer was shown.
#[must_use]
pub fn key_and_quote(form: &Form, currency: Currency) -> Option<(ReferenceId, Money)> {
    let key = Uuid::try_parse(form.field("key")?).ok();
    let key = key.filter(|key| key.get_version() == Some(uuid::Version::Random))?;
    let quote = form.field("quote")?.parse::<i64>().ok()?;
    Some((ReferenceId(key), Money::new(quote, currency)))
}
