//! The recipe of each movement of money: which accounts it debits and credits.

use crate::decision::workspace::Stop;
use crate::kernel::ids::{MerchantId, WalletId};
use crate::kernel::money::Money;
use crate::ledger::account::AccountKind;
use crate::ledger::postings::{Leg, PostingTarget, Postings};
use crate::mutant;

/// The figures that a recipe needs. S is the currency of the wallet, P that of the payer (see
/// `fees`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PaymentAmounts {
    /// Whose system accounts.
    pub merchant: MerchantId,
    /// The merchant's wallet that is credited or debited.
    pub wallet: WalletId,
    /// Clearing, or the other wallet where no network is involved.
    pub outside: PostingTarget,
    /// What crosses the border to the outside, in its currency.
    pub outside_amount: Money,
    /// What the wallet gets or gives, in S; for outgoing payments with fees.
    pub wallet_amount: Money,
    /// T: the worth in S of what crosses the border.
    pub total: i64,
    /// What an outgoing payment held more than it takes, in S.
    pub released: i64,
    /// The platform's fee, in S.
    pub platform_fee: i64,
    /// The network's fee, in S.
    pub gateway_fee: i64,
    /// The fee for exchange, in S.
    pub fx_fee: i64,
}

impl PaymentAmounts {
    fn fees(&self) -> [Leg; 3] {
        let s = self.wallet_amount.currency;
        [
            Leg::system(AccountKind::FeePlatform, self.merchant, self.platform_fee, s),
            Leg::system(AccountKind::FeeGateway, self.merchant, self.gateway_fee, s),
            Leg::system(AccountKind::FeeFx, self.merchant, self.fx_fee, s),
        ]
    }

    /// The two lines that exchange `total` of S for the outside amount of P; none where both are
    /// one currency. `sign` is 1 where money comes in, -1 where it goes out.
    fn position(&self, sign: i64) -> Vec<Leg> {
        let (s, p) = (self.wallet_amount.currency, self.outside_amount.currency);
        if s == p {
            return vec![];
        }
        vec![
            Leg::system(AccountKind::Position, self.merchant, sign * self.outside_amount.minor, p),
            Leg::system(AccountKind::Position, self.merchant, -sign * self.total, s),
        ]
    }

    const fn outside(&self, sign: i64) -> Leg {
        let money = Money::new(sign * self.outside_amount.minor, self.outside_amount.currency);
        Leg { place: self.outside, money }
    }
}

/// | collection completes | |
/// |---|---|
/// | debit | outside\[P\] payer amount; position\[S\] T |
/// | credit | position\[P\] payer amount; wallet\[S\] payee amount; each fee\[S\] |
///
/// # Errors
/// [`Stop::Inconsistent`] when the figures do not balance.
pub fn collection_completes(f: &PaymentAmounts) -> Result<Postings, Stop> {
    let mut legs = vec![f.outside(-1)];
    legs.extend(f.position(1));
    if mutant!(DoubleCredit) {
        let all = f.platform_fee + f.gateway_fee + f.fx_fee;
        legs.push(Leg::available(f.wallet, f.wallet_amount.minor + all, f.wallet_amount.currency));
        return Postings::balanced(legs);
    }
    legs.push(Leg::available(f.wallet, f.wallet_amount.minor, f.wallet_amount.currency));
    legs.extend(f.fees());
    Postings::balanced(legs)
}

/// A payout or refund starts: debit the wallet's available, credit its held, amount and fees.
///
/// # Errors
/// None of its own.
pub fn hold(wallet: WalletId, amount: Money) -> Result<Postings, Stop> {
    Postings::balanced(vec![
        Leg::available(wallet, -amount.minor, amount.currency),
        Leg::held(wallet, amount.minor, amount.currency),
    ])
}

/// A payout or refund fails: debit the wallet's held, credit its available.
///
/// # Errors
/// None of its own.
pub fn release(wallet: WalletId, amount: Money) -> Result<Postings, Stop> {
    hold(wallet, Money::new(-amount.minor, amount.currency))
}

/// From which of the wallet's balances an outgoing payment is settled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DebitFrom {
    /// It is final at once.
    Available,
    /// It was held before.
    Held,
}

/// | payout, transfer | |
/// |---|---|
/// | debit | wallet amount and fees |
/// | credit | outside amount; each fee |
///
/// | refund | |
/// |---|---|
/// | debit | wallet w\[S\]; position\[P\] r |
/// | credit | position\[S\] w; outside\[P\] r |
///
/// | refund completes for less than it holds | |
/// |---|---|
/// | debit, also | held, the rest |
/// | credit, also | available, the rest |
///
/// # Errors
/// [`Stop::Inconsistent`] when the figures do not balance.
pub fn outgoing_completes(f: &PaymentAmounts, from: DebitFrom) -> Result<Postings, Stop> {
    let (minor, currency) = (-f.wallet_amount.minor, f.wallet_amount.currency);
    let mut legs = vec![match from {
        DebitFrom::Available => Leg::available(f.wallet, minor, currency),
        DebitFrom::Held => Leg::held(f.wallet, minor, currency),
    }];
    legs.extend(f.position(-1));
    legs.push(f.outside(1));
    legs.extend(f.fees());
    if from == DebitFrom::Held {
        legs.extend([
            Leg::held(f.wallet, -f.released, currency),
            Leg::available(f.wallet, f.released, currency),
        ]);
    }
    Postings::balanced(legs)
}

/// Money turned up (or turned out missing, below zero) at a provider against the books: it goes to
/// suspense until a human has decided.
///
/// # Errors
/// None of its own.
pub fn to_suspense(
    merchant: MerchantId,
    clearing: AccountKind,
    money: Money,
) -> Result<Postings, Stop> {
    Postings::balanced(vec![
        Leg::system(clearing, merchant, -money.minor, money.currency),
        Leg::system(AccountKind::Suspense, merchant, money.minor, money.currency),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::currency::Currency;
    use proptest::prelude::*;

    fn currency(code: &str) -> Currency {
        Currency::parse(code).unwrap()
    }

    fn figures(outside: Money, wallet: Money, fees: [i64; 3]) -> PaymentAmounts {
        PaymentAmounts {
            merchant: MerchantId(1),
            wallet: WalletId(2),
            outside: PostingTarget::System(MerchantId(1), AccountKind::ClearingPawaPay),
            outside_amount: outside,
            wallet_amount: wallet,
            total: if outside.currency == wallet.currency {
                outside.minor
            } else {
                wallet.minor + fees.iter().sum::<i64>()
            },
            released: 0,
            platform_fee: fees[0],
            gateway_fee: fees[1],
            fx_fee: fees[2],
        }
    }

    #[test]
    fn a_collection_without_exchange_has_no_position() {
        let usd = currency("USD");
        let f = figures(Money::new(10_300, usd), Money::new(10_000, usd), [100, 200, 0]);
        let legs: Vec<i64> =
            collection_completes(&f).unwrap().legs().iter().map(|leg| leg.money.minor).collect();
        assert_eq!(legs, [-10_300, 10_000, 100, 200]);
    }

    #[test]
    fn legs_that_do_not_balance_cannot_be_posted() {
        let usd = currency("USD");
        let f = figures(Money::new(10_300, usd), Money::new(10_001, usd), [100, 200, 0]);
        assert!(matches!(collection_completes(&f), Err(Stop::Inconsistent(_))));
        // In two currencies that cancel out in number only.
        let legs = vec![
            Leg::available(WalletId(1), 5, usd),
            Leg::available(WalletId(2), -5, currency("LRD")),
        ];
        assert!(Postings::balanced(legs).is_err());
    }

    proptest! {
        #[test]
        fn every_recipe_balances_per_currency(
            payee in 1..=1_000_000_000_i64,
            fees in [0..=1_000_i64, 0..=1_000_i64, 0..=1_000_i64],
            outside in 1..=1_000_000_000_i64,
            exchange in any::<bool>(),
        ) {
            let usd = currency("USD");
            let all: i64 = fees.iter().sum();
            let paid = if exchange { Money::new(outside, currency("RWF")) } else { Money::new(payee + all, usd) };
            let incoming = figures(paid, Money::new(payee, usd), fees);
            prop_assert!(collection_completes(&incoming).is_ok());

            let sent = PaymentAmounts { outside_amount: Money::new(payee, usd), ..figures(Money::new(payee, usd), Money::new(payee + all, usd), fees) };
            prop_assert!(outgoing_completes(&sent, DebitFrom::Held).is_ok());

            let given_back = Money::new(if exchange { outside } else { payee }, paid.currency);
            let refund = PaymentAmounts { total: payee, ..figures(given_back, Money::new(payee, usd), [0; 3]) };
            prop_assert!(outgoing_completes(&refund, DebitFrom::Available).is_ok());
            let for_less = PaymentAmounts { released: all, ..refund };
            prop_assert!(outgoing_completes(&for_less, DebitFrom::Held).is_ok());
            prop_assert!(hold(WalletId(1), Money::new(payee, usd)).is_ok());
            prop_assert!(release(WalletId(1), Money::new(payee, usd)).is_ok());
        }
    }
}
