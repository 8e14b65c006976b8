//! Payment accounts: where money is taken from or sent to.

use crate::country;
use crate::ids::{MerchantId, PartyId, PaymentAccountId};
use crate::merchant::Merchant;
use crate::names::{Method, Operation, Provider};
use crate::party;
use crate::refusal::{Refusals, Refusal};
use crate::time::Timestamp;
use crate::workspace::{Stop, NoAltKey, Row, Workspace};

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
    type AltKey = NoAltKey;

    fn id(&self) -> PaymentAccountId {
        self.id
    }

    fn alt_key(&self) -> Option<NoAltKey> {
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
/// [`Refusal::Unknown`] on `party_id`, [`Refusal::NoMarket`] on `method`, [`Refusal::PhoneCountry`] on
/// `insensitive_account_number`.
pub fn create(merchant_id: MerchantId, new: &NewAccount, work: &mut Workspace, now: Timestamp) -> Result<PaymentAccount, Stop> {
    let time = work.require::<Merchant>(merchant_id)?.time(now);
    let mut refusals = Refusals::default();
    let party = refusals.take(party::owned(merchant_id, new.party_id, "party_id", work)?);
    let (method, provider, operation) = (new.method, new.provider, new.operation);
    refusals.unless(
        work.tariff.has_market(method, provider, operation, now),
        Refusal::NoMarket { method: method.as_str(), provider: provider.as_str(), operation: operation.as_str() },
    );
    let phone = party.filter(|_| method.is_mobile_money()).map(|party| party.phone);
    let number = new.account_number.clone().or(phone);
    if let Some(number) = number.as_deref().filter(|_| method.is_mobile_money()) {
        let country = work.tariff.country_of(method, provider, operation, now);
        if let Some(code) = country.and_then(country::calling_code).filter(|code| !number.starts_with(code)) {
            refusals.add(Refusal::PhoneCountry { method: method.as_str(), code });
        }
    }
    refusals.finish()?;
    let account = PaymentAccount {
        id: PaymentAccountId(work.new_id()?),
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
    work.put(account.clone());
    Ok(account)
}

/// Takes an account out of use, for good. What was started with it goes on. Once more changes nothing.
///
/// # Errors
/// [`Refusal::NotFound`].
pub fn deactivate(
    merchant_id: MerchantId,
    id: PaymentAccountId,
    work: &mut Workspace,
    time: Timestamp,
) -> Result<PaymentAccount, Stop> {
    let found = work.get::<PaymentAccount>(id)?.filter(|row| row.merchant_id == merchant_id);
    let mut account = (*found.ok_or(Refusal::NotFound)?).clone();
    if account.is_active {
        account.is_active = false;
        account.updated_at = time;
        work.put(account.clone());
    }
    Ok(account)
}

/// This merchant's account of that id, active and made for `operation`.
///
/// # Errors
/// [`Refusal::Unknown`], [`Refusal::AccountInactive`] or [`Refusal::AccountPurpose`] on `field`.
pub fn usable(
    merchant_id: MerchantId,
    id: PaymentAccountId,
    operation: Operation,
    field: &'static str,
    work: &Workspace,
) -> Result<Result<PaymentAccount, Refusal>, Stop> {
    let found = work.get::<PaymentAccount>(id)?.filter(|row| row.merchant_id == merchant_id);
    Ok(match found {
        None => Err(Refusal::Unknown { field, what: "a payment account" }),
        Some(account) if !account.is_active => Err(Refusal::AccountInactive { field }),
        Some(account) if account.operation != operation => {
            Err(Refusal::AccountPurpose { field, made_for: account.operation.as_str() })
        }
        Some(account) => Ok((*account).clone()),
    })
}
