//! Payment accounts: where money is taken from or sent to.

use crate::country;
use crate::ids::{MerchantId, PartyId, PaymentAccountId};
use crate::merchant::Merchant;
use crate::names::{Method, Operation, Provider};
use crate::party;
use crate::rejection::{Refusals, Rejection};
use crate::time::Timestamp;
use crate::world::{Halt, NoName, Row, World};

/// A mobile-money account, card or wallet of a party.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PaymentAccount {
    /// Its id.
    pub id: PaymentAccountId,
    /// Whose it is.
    pub merchant_id: MerchantId,
    /// The party that holds it.
    pub party_id: PartyId,
    /// The holder's name on it.
    pub account_name: String,
    /// The network.
    pub provider: Provider,
    /// The method.
    pub method: Method,
    /// What it was made for.
    pub operation: Operation,
    /// ISO 3166, two letters.
    pub country_code: Option<String>,
    /// The number; for a card the provider's name for it.
    pub account_number: Option<String>,
    /// Whether it may be used.
    pub is_active: bool,
    /// Merchant time.
    pub created_at: Timestamp,
    /// Merchant time.
    pub updated_at: Timestamp,
}

impl Row for PaymentAccount {
    type Id = PaymentAccountId;
    type Name = NoName;

    fn id(&self) -> PaymentAccountId {
        self.id
    }

    fn name(&self) -> Option<NoName> {
        None
    }
}

/// What is needed to make a payment account.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewAccount {
    /// The party that holds it.
    pub party_id: PartyId,
    /// The holder's name on it.
    pub account_name: String,
    /// The network.
    pub provider: Provider,
    /// The method.
    pub method: Method,
    /// What it is for.
    pub operation: Operation,
    /// ISO 3166, two letters.
    pub country_code: Option<String>,
    /// The number; where there is none, mobile money takes the party's phone.
    pub account_number: Option<String>,
}

/// Makes a payment account. A mobile-money number must be of the method's country; of which operator it is only the network knows,
/// for numbers are ported.
///
/// # Errors
/// [`Rejection::Unknown`] on `party_id`, [`Rejection::NoMarket`] on `method`, [`Rejection::PhoneCountry`] on
/// `insensitive_account_number`.
pub fn create(merchant_id: MerchantId, new: &NewAccount, world: &mut World, now: Timestamp) -> Result<PaymentAccount, Halt> {
    let time = world.must::<Merchant>(merchant_id)?.time(now);
    let mut refusals = Refusals::default();
    let party = refusals.take(party::owned(merchant_id, new.party_id, "party_id", world)?);
    let (method, provider, operation) = (new.method, new.provider, new.operation);
    refusals.unless(
        world.book.has_market(method, provider, operation, now),
        Rejection::NoMarket { method: method.as_str(), provider: provider.as_str(), operation: operation.as_str() },
    );
    let phone = party.filter(|_| method.is_mobile_money()).map(|party| party.phone);
    let number = new.account_number.clone().or(phone);
    if let Some(number) = number.as_deref().filter(|_| method.is_mobile_money()) {
        let country = world.book.country_of(method, provider, operation, now);
        if let Some(code) = country.and_then(country::calling_code).filter(|code| !number.starts_with(code)) {
            refusals.add(Rejection::PhoneCountry { method: method.as_str(), code });
        }
    }
    refusals.finish()?;
    let account = PaymentAccount {
        id: PaymentAccountId(world.new_id()?),
        merchant_id,
        party_id: new.party_id,
        account_name: new.account_name.clone(),
        provider,
        method,
        operation,
        country_code: new.country_code.clone(),
        account_number: number,
        is_active: true,
        created_at: time,
        updated_at: time,
    };
    world.put(account.clone());
    Ok(account)
}

/// Takes an account out of use, for good. What was started with it goes on. Once more changes nothing.
///
/// # Errors
/// [`Rejection::NotFound`].
pub fn deactivate(
    merchant_id: MerchantId,
    id: PaymentAccountId,
    world: &mut World,
    time: Timestamp,
) -> Result<PaymentAccount, Halt> {
    let found = world.get::<PaymentAccount>(id)?.filter(|row| row.merchant_id == merchant_id);
    let mut account = (*found.ok_or(Rejection::NotFound)?).clone();
    if account.is_active {
        account.is_active = false;
        account.updated_at = time;
        world.put(account.clone());
    }
    Ok(account)
}

/// This merchant's account of that id, active and made for `operation`.
///
/// # Errors
/// [`Rejection::Unknown`], [`Rejection::AccountInactive`] or [`Rejection::AccountPurpose`] on `field`.
pub fn usable(
    merchant_id: MerchantId,
    id: PaymentAccountId,
    operation: Operation,
    field: &'static str,
    world: &World,
) -> Result<Result<PaymentAccount, Rejection>, Halt> {
    let found = world.get::<PaymentAccount>(id)?.filter(|row| row.merchant_id == merchant_id);
    Ok(match found {
        None => Err(Rejection::Unknown { field, what: "a payment account" }),
        Some(account) if !account.is_active => Err(Rejection::AccountInactive { field }),
        Some(account) if account.operation != operation => {
            Err(Rejection::AccountPurpose { field, made_for: account.operation.as_str() })
        }
        Some(account) => Ok((*account).clone()),
    })
}
