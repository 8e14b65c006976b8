//! The limits that a merchant sets for its own people and programs, by currency.

use crate::decision::row::Row;
use crate::decision::use_case::{Context, Decision};
use crate::decision::workspace::{Stop, Workspace};
use crate::directory::merchant::Merchant;
use crate::directory::roles::Action;
use crate::kernel::currency::Currency;
use crate::kernel::ids::{MerchantId, MerchantLimitsId};
use crate::kernel::money::{AmountFault, Decimal, Money};
use crate::kernel::patch::Patch;
use crate::kernel::refusal::Refusal;
use crate::kernel::time::ServerTime;
use crate::mutant;
use crate::payments::execution::Execution;

/// The limits of a merchant in a currency. Without a row they are those of [`Self::none`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MerchantLimits {
    pub id: MerchantLimitsId,
    pub merchant_id: MerchantId,
    pub currency: Currency,
    /// How much of one payment, in its payer's currency, may be given back by who may not refund
    /// without a limit.
    pub support_refund_minor: i64,
    /// A payout or transfer above this needs a second person; `None` for no limit.
    pub payment_minor: Option<i64>,
    /// So does one with which all of a wallet in a day are above this; `None` for no limit.
    pub day_minor: Option<i64>,
    /// Whether what programs request needs a second person, too. Nobody of the merchant raises these
    /// limits or takes them away: that takes the operator, or one person could do without the second.
    pub bind_api_keys: bool,
    pub updated_at: ServerTime,
}

impl Row for MerchantLimits {
    type Id = MerchantLimitsId;
    type AltKey = (MerchantId, Currency);
    /// Payments depend on limits without changing them.
    const REREAD_ON_CONFLICT: bool = true;

    fn id(&self) -> MerchantLimitsId {
        self.id
    }

    fn alt_key(&self) -> Option<(MerchantId, Currency)> {
        Some((self.merchant_id, self.currency))
    }
}

/// Sets limits of a merchant in a currency, in its minor units.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SetMerchantLimits {
    pub merchant_id: MerchantId,
    pub currency: Currency,
    /// Zero for nothing; `None` to keep it.
    pub support_refund_minor: Option<i64>,
    pub payment_minor: Patch<i64>,
    pub day_minor: Patch<i64>,
    /// `None` to keep it.
    pub bind_api_keys: Option<bool>,
}

impl Decision for SetMerchantLimits {
    type Output = MerchantLimits;

    fn action(&self) -> Option<Action> {
        Some(Action::ManageMerchant)
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<MerchantLimits, Stop> {
        work.get::<Merchant>(self.merchant_id)?.ok_or(Refusal::NotFound)?;
        let (payment, day) = (self.payment_minor.set(), self.day_minor.set());
        let is_negative = |limit: Option<i64>| limit.is_some_and(|minor| minor < 0);
        if [self.support_refund_minor, payment, day].into_iter().any(is_negative) {
            return Err(Refusal::AmountTooSmall.into());
        }
        let before = match work.find::<MerchantLimits>(&(self.merchant_id, self.currency))? {
            Some(row) => (*row).clone(),
            None => MerchantLimits {
                id: MerchantLimitsId(work.new_id()?),
                merchant_id: self.merchant_id,
                currency: self.currency,
                support_refund_minor: 0,
                payment_minor: None,
                day_minor: None,
                bind_api_keys: false,
                updated_at: context.now,
            },
        };
        let loosens = |before: Option<i64>, after: Option<i64>| {
            before.is_some_and(|before| after.is_none_or(|after| after > before))
        };
        let row = MerchantLimits {
            support_refund_minor: self.support_refund_minor.unwrap_or(before.support_refund_minor),
            payment_minor: self.payment_minor.apply_to(before.payment_minor),
            day_minor: self.day_minor.apply_to(before.day_minor),
            bind_api_keys: self.bind_api_keys.unwrap_or(before.bind_api_keys),
            updated_at: context.now,
            ..before.clone()
        };
        let is_loosened = loosens(before.payment_minor, row.payment_minor)
            || loosens(before.day_minor, row.day_minor)
            || before.bind_api_keys && !row.bind_api_keys;
        let is_of_merchant = work.rights().is_some_and(|rights| rights.role.is_of_merchant());
        if is_loosened && is_of_merchant && !mutant!(LimitsRaised) {
            return Err(Refusal::LimitsRaised.into());
        }
        work.put(row.clone());
        Ok(row)
    }
}

/// A limit as somebody types it: an amount, or zero. `None` for what is neither.
#[must_use]
pub fn typed_limit(text: &str, currency: Currency) -> Option<Money> {
    let amount = Decimal::parse(text.trim())?;
    match amount.to_money(currency) {
        Ok(money) => Some(money),
        Err(AmountFault::NotPositive) if !text.contains('-') => Some(Money::new(0, currency)),
        Err(_) => None,
    }
}

/// Checks that whoever asks may give back so much of a payment, with what was given back already
/// and is being given back. Above the limit that the merchant sets for its support only who may
/// refund without a limit may, and a person needs a code that was given a moment ago.
///
/// # Errors
/// [`Refusal::AboveSupportLimit`], [`Refusal::SecondFactorMissing`],
/// [`Refusal::SecondFactorNotSetUp`].
pub(crate) fn check_refund(
    payment: &Execution,
    amount: Money,
    work: &Workspace,
    now: ServerTime,
) -> Result<Result<(), Refusal>, Stop> {
    let may_any = work.rights().is_none_or(|rights| rights.role.may(Action::Refund));
    // Programs have no phone: what their role allows is all there is to check.
    let person = work.person();
    if may_any && person.is_none() {
        return Ok(Ok(()));
    }
    let currency = payment.payer.currency;
    let limits = work.find::<MerchantLimits>(&(payment.merchant_id, currency))?;
    let limit = limits.map_or(0, |limits| limits.support_refund_minor);
    let given_back = payment.refunds().refunded_minor.saturating_add(amount.minor);
    if given_back <= limit || !may_any && mutant!(SupportUnlimited) {
        return Ok(Ok(()));
    }
    if !may_any {
        let limit = Money::new(limit, currency);
        return Ok(Err(Refusal::AboveSupportLimit { limit: format!("{limit} {currency}") }));
    }
    match person {
        Some(person) => Ok(person.rights_for(Action::Refund, work, now)?.map(|_| ())),
        None => Ok(Ok(())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_an_amount_or_zero() {
        let usd = Currency::parse("USD").unwrap();
        let minor = |text| typed_limit(text, usd).map(|limit| limit.minor);
        assert_eq!((minor("50.00"), minor(" 0 "), minor("0.00")), (Some(5_000), Some(0), Some(0)));
        for none in ["", "-1", "-0", "1.001", "a", "1e30"] {
            assert_eq!(minor(none), None, "{none}");
        }
    }
}
