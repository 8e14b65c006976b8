//! Creating a payment account.

use crate::decision::use_case::{Context, Decision};
use crate::decision::workspace::{Stop, Workspace};
use crate::directory::create_party;
use crate::directory::merchant::Merchant;
use crate::directory::party::Party;
use crate::directory::payment_account::PaymentAccount;
use crate::directory::roles::Action;
use crate::kernel::ids::{MerchantId, PartyId, PaymentAccountId};
use crate::kernel::names::{Method, Operation, Provider};
use crate::kernel::refusal::{Refusal, Refusals, Subject};
use crate::kernel::time::{MerchantTime, ServerTime};
use crate::tariff::Market;

/// A request to create a payment account.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewAccount {
    pub party_id: PartyId,
    pub account_name: String,
    pub provider: Provider,
    pub method: Method,
    /// What it is for.
    pub operation: Operation,
    /// ISO 3166, two letters.
    pub country_code: Option<String>,
    /// Mobile money defaults to the party's phone.
    pub account_number: Option<String>,
}

/// Creates a payment account.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CreateAccount {
    pub merchant_id: MerchantId,
    pub account: NewAccount,
    /// Where it is given, when the party was changed last as whoever asks saw it. The account is made
    /// only if that still holds, and changes it: a form that is sent twice makes one.
    pub shown: Option<MerchantTime>,
}

impl Decision for CreateAccount {
    type Output = PaymentAccount;

    fn action(&self) -> Option<Action> {
        Some(Action::EditCustomers)
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<PaymentAccount, Stop> {
        let made = create(self.merchant_id, &self.account, work, context.now)?;
        if let Some(shown) = self.shown {
            mark(made.party_id, shown, work, made.created_at)?;
        }
        Ok(made)
    }
}

/// Marks the party as changed, if it was not since it was shown.
///
/// # Errors
/// [`Refusal::ChangedMeanwhile`].
pub(super) fn mark(
    party_id: PartyId,
    shown: MerchantTime,
    work: &mut Workspace,
    time: MerchantTime,
) -> Result<(), Stop> {
    let party = work.require::<Party>(party_id)?;
    if party.updated_at != shown {
        let what = "customer";
        return Err(Refusal::ChangedMeanwhile { subject: Subject::Party, what }.into());
    }
    // Clocks differ and stand still: each change has a time of its own.
    let updated_at = time.max(MerchantTime(shown.0.saturating_add(1)));
    work.put(Party { updated_at, ..(*party).clone() });
    Ok(())
}

/// Creates a payment account. A mobile-money number must be of the method's country. Its operator is not
/// checked: numbers are ported, and only the network knows.
///
/// # Errors
/// [`Refusal::UnknownId`] of the party, [`Refusal::NoMarket`], [`Refusal::PhoneOfOtherCountry`].
pub(crate) fn create(
    merchant_id: MerchantId,
    new: &NewAccount,
    work: &mut Workspace,
    now: ServerTime,
) -> Result<PaymentAccount, Stop> {
    let time = work.require::<Merchant>(merchant_id)?.time(now);
    let mut refusals = Refusals::default();
    let party = refusals.take(create_party::owned(merchant_id, new.party_id, work)?);
    let (method, provider, operation) = (new.method, new.provider, new.operation);
    refusals.unless(
        work.tariff.has_market(method, provider, operation, now),
        Refusal::NoMarket { method, provider: provider.as_str(), operation: operation.as_str() },
    );
    let phone = party.filter(|_| method.is_mobile_money()).map(|party| party.phone);
    let number = new.account_number.clone().or(phone);
    if let Some(number) = number.as_deref().filter(|_| method.is_mobile_money()) {
        let market = work.tariff.open_market(method, provider, operation, now);
        let start = market.and_then(Market::number_start);
        if let Some(code) = start.filter(|start| !number.starts_with(start)) {
            refusals.add(Refusal::PhoneOfOtherCountry { method, code: code.to_owned() });
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
