//! The limits that a merchant sets for its own people and programs, by currency.

use crate::decision::row::Row;
use crate::decision::use_case::{Context, Decision};
use crate::decision::workspace::{Stop, Workspace};
use crate::directory::merchant::Merchant;
use crate::directory::roles::Action;
use crate::kernel::currency::Currency;
use crate::kernel::ids::{MerchantId, MerchantLimitsId};
use crate::kernel::money::{AmountFault, Decimal, Money};
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

/// Sets the limits of a merchant in the currency of the amount.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SetMerchantLimits {
    pub merchant_id: MerchantId,
    /// Zero for nothing.
    pub support_refund: Money,
}

impl Decision for SetMerchantLimits {
    type Output = MerchantLimits;

    fn action(&self) -> Option<Action> {
        Some(Action::ManageMerchant)
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<MerchantLimits, Stop> {
        let Money { minor, currency } = self.support_refund;
        work.get::<Merchant>(self.merchant_id)?.ok_or(Refusal::NotFound)?;
        if minor < 0 {
            return Err(Refusal::AmountTooSmall.into());
        }
        let id = match work.find::<MerchantLimits>(&(self.merchant_id, currency))? {
            Some(row) => row.id,
            None => MerchantLimitsId(work.new_id()?),
        };
        let row = MerchantLimits {
            id,
            merchant_id: self.merchant_id,
            currency,
            support_refund_minor: minor,
            updated_at: context.now,
        };
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

/// Checks that whoever asks may give back so much of a payment: without a limit, or with what was given
/// back already and is being given back within the limit of the merchant.
///
/// # Errors
/// [`Refusal::AboveSupportLimit`].
pub(crate) fn check_refund(
    payment: &Execution,
    amount: Money,
    work: &Workspace,
) -> Result<Result<(), Refusal>, Stop> {
    if work.rights().is_none_or(|rights| rights.role.may(Action::Refund)) {
        return Ok(Ok(()));
    }
    let currency = payment.payer.currency;
    let limits = work.find::<MerchantLimits>(&(payment.merchant_id, currency))?;
    let limit = limits.map_or(0, |limits| limits.support_refund_minor);
    let given_back = payment.refunds().refunded_minor.saturating_add(amount.minor);
    if given_back <= limit || mutant!(SupportUnlimited) {
        return Ok(Ok(()));
    }
    let limit = Money::new(limit, currency);
    Ok(Err(Refusal::AboveSupportLimit { limit: format!("{limit} {currency}") }))
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
