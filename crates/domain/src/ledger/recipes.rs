//! The posting recipe of each movement of money: which accounts are debited and credited.

use crate::decision::workspace::Stop;
use crate::kernel::ids::{MerchantId, WalletId};
use crate::kernel::money::Money;
use crate::ledger::account::AccountKind;
use crate::ledger::postings::{Leg, PostingTarget, Postings};
use crate::mutant;
use crate::reconciliation::difference::Difference;
use crate::reconciliation::line::StatementLine;
use crate::reconciliation::reported::LineKind;

/// The amounts that a recipe needs. S is the currency of the wallet, P that of the payer (see
/// [`fees`](crate::tariff::fees)).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PaymentAmounts {
    /// The merchant whose system accounts are used.
    pub merchant: MerchantId,
    /// The merchant's wallet that is credited or debited.
    pub wallet: WalletId,
    /// The counter account: a network's clearing account, or the other wallet where no network is
    /// involved.
    pub outside: PostingTarget,
    /// What moves on `outside`, in that currency.
    pub outside_amount: Money,
    /// What the wallet is credited or debited, in S; of outgoing payments with fees.
    pub wallet_amount: Money,
    /// T: the value of `outside_amount` in S.
    pub total: i64,
    /// What an outgoing payment held beyond what it is charged, in S.
    pub released: i64,
    /// In S.
    pub platform_fee: i64,
    /// In S.
    pub gateway_fee: i64,
    /// In S.
    pub fx_fee: i64,
}

impl PaymentAmounts {
    fn fee_legs(&self) -> [Leg; 3] {
        let s = self.wallet_amount.currency;
        [
            Leg::system(AccountKind::FeePlatform, self.merchant, self.platform_fee, s),
            Leg::system(AccountKind::FeeGateway, self.merchant, self.gateway_fee, s),
            Leg::system(AccountKind::FeeFx, self.merchant, self.fx_fee, s),
        ]
    }

    /// The two legs that exchange `total` in S for the outside amount in P; none where S and P are
    /// the same. `sign` is 1 for incoming money, -1 for outgoing. Through the position account each
    /// currency of the transaction balances by itself.
    fn position_legs(&self, sign: i64) -> Vec<Leg> {
        let (s, p) = (self.wallet_amount.currency, self.outside_amount.currency);
        if s == p {
            return vec![];
        }
        vec![
            Leg::system(AccountKind::Position, self.merchant, sign * self.outside_amount.minor, p),
            Leg::system(AccountKind::Position, self.merchant, -sign * self.total, s),
        ]
    }

    const fn outside_leg(&self, sign: i64) -> Leg {
        let money = Money::new(sign * self.outside_amount.minor, self.outside_amount.currency);
        Leg { target: self.outside, money }
    }
}

/// | collection completes | |
/// |---|---|
/// | debit | outside\[P\] payer amount; position\[S\] T |
/// | credit | position\[P\] payer amount; wallet\[S\] payee amount; each fee\[S\] |
///
/// # Errors
/// [`Stop::Inconsistent`] when the amounts do not balance.
pub fn collection_completes(amounts: &PaymentAmounts) -> Result<Postings, Stop> {
    let mut legs = vec![amounts.outside_leg(-1)];
    legs.extend(amounts.position_legs(1));
    mutant!(DoubleCredit => return credit_with_fees(amounts, &legs));
    let Money { minor, currency } = amounts.wallet_amount;
    legs.push(Leg::available(amounts.wallet, minor, currency));
    legs.extend(amounts.fee_legs());
    Postings::balanced(legs)
}

/// A payout or refund starts: debit the wallet's available balance, credit its held balance, by the
/// amount with fees.
///
/// # Errors
/// None of its own.
pub fn hold(wallet: WalletId, amount: Money) -> Result<Postings, Stop> {
    Postings::balanced(vec![
        Leg::available(wallet, -amount.minor, amount.currency),
        Leg::held(wallet, amount.minor, amount.currency),
    ])
}

/// A payout or refund fails: the reverse of [`hold`].
///
/// # Errors
/// None of its own.
pub fn release(wallet: WalletId, amount: Money) -> Result<Postings, Stop> {
    hold(wallet, Money::new(-amount.minor, amount.currency))
}

/// The balance of the wallet that an outgoing payment debits when it completes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DebitFrom {
    /// For a payment that is final at once and held nothing.
    Available,
    /// For a payment that was held before.
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
/// [`Stop::Inconsistent`] when the amounts do not balance.
pub fn outgoing_completes(amounts: &PaymentAmounts, from: DebitFrom) -> Result<Postings, Stop> {
    let PaymentAmounts { wallet, wallet_amount, released, .. } = *amounts;
    let Money { minor, currency } = wallet_amount;
    let mut legs = vec![match from {
        DebitFrom::Available => Leg::available(wallet, -minor, currency),
        DebitFrom::Held => Leg::held(wallet, -minor, currency),
    }];
    legs.extend(amounts.position_legs(-1));
    legs.push(amounts.outside_leg(1));
    legs.extend(amounts.fee_legs());
    // A refund holds its share rounded up by itself, and may be charged less.
    if from == DebitFrom::Held {
        legs.extend([
            Leg::held(wallet, -released, currency),
            Leg::available(wallet, released, currency),
        ]);
    }
    Postings::balanced(legs)
}

/// A provider holds more (or, below zero, less) than the books say: the difference stays in
/// suspense until an operator has decided.
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

/// What a line of a statement tells beyond its payment, which is booked gross. All of it is the
/// installation's. With a, f and s for the line's amount, its fee and what it is in the currency of the
/// balance:
///
/// | line | |
/// |---|---|
/// | each | debit fees f; credit clearing f |
/// | in another currency than the balance | debit settlement a, clearing s; credit clearing a, settlement s |
/// | to or from the bank | debit clearing a; credit settlement a |
/// | a fee of no payment | debit clearing a; credit fees a |
#[must_use]
pub fn statement_line(line: &StatementLine) -> Vec<Leg> {
    let account = line.network_account_id;
    let leg = |kind, minor, currency| Leg::system(kind, MerchantId::INSTALLATION, minor, currency);
    let (clearing, settlement) = (AccountKind::Clearing(account), AccountKind::Settlement(account));
    let mut legs = vec![];
    if let Some(fee) = line.fee {
        let taken = if mutant!(StatementFeeCredited) { -fee.minor } else { fee.minor };
        legs.push(leg(AccountKind::FeeGateway, -taken, fee.currency));
        legs.push(leg(clearing, taken, fee.currency));
    }
    let amount = line.amount;
    if let Some(settled) = line.settled {
        legs.push(leg(clearing, amount.minor, amount.currency));
        legs.push(leg(settlement, -amount.minor, amount.currency));
        legs.push(leg(clearing, -settled.minor, settled.currency));
        legs.push(leg(settlement, settled.minor, settled.currency));
    }
    // What kola does not know is booked when an operator closes its difference, or not at all.
    let other = match line.kind {
        LineKind::TopUp | LineKind::BankTransfer => Some(settlement),
        LineKind::Fee => Some(AccountKind::FeeGateway),
        _ => None,
    };
    if let Some(other) = other {
        legs.push(leg(clearing, -amount.minor, amount.currency));
        legs.push(leg(other, amount.minor, amount.currency));
    }
    legs
}

/// What a network has moved beyond what is booked here, where an operator says that the network is
/// right: debit clearing, credit differences, by what the statement says less what was booked.
///
/// # Errors
/// None of its own.
pub fn difference(difference: &Difference) -> Result<Postings, Stop> {
    let account = difference.network_account_id;
    let leg = |kind, minor, currency| Leg::system(kind, MerchantId::INSTALLATION, minor, currency);
    let mut legs = vec![];
    let mut book = |money: Money, sign: i64| {
        legs.push(leg(AccountKind::Clearing(account), -sign * money.minor, money.currency));
        legs.push(leg(AccountKind::Difference(account), sign * money.minor, money.currency));
    };
    if let Some(theirs) = difference.theirs {
        book(theirs, 1);
    }
    if let Some(ours) = difference.ours {
        book(ours, -1);
    }
    Postings::balanced(legs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::currency::Currency;
    use crate::kernel::ids::NetworkAccountId;
    use proptest::prelude::*;

    fn currency(code: &str) -> Currency {
        Currency::parse(code).unwrap()
    }

    fn amounts(outside: Money, wallet: Money, fees: [i64; 3]) -> PaymentAmounts {
        PaymentAmounts {
            merchant: MerchantId(1),
            wallet: WalletId(2),
            outside: PostingTarget::System(
                MerchantId(1),
                AccountKind::Clearing(NetworkAccountId(1)),
            ),
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
        let f = amounts(Money::new(10_300, usd), Money::new(10_000, usd), [100, 200, 0]);
        let legs: Vec<i64> =
            collection_completes(&f).unwrap().legs().iter().map(|leg| leg.money.minor).collect();
        assert_eq!(legs, [-10_300, 10_000, 100, 200]);
    }

    #[test]
    fn legs_that_do_not_balance_cannot_be_posted() {
        let usd = currency("USD");
        let f = amounts(Money::new(10_300, usd), Money::new(10_001, usd), [100, 200, 0]);
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
            let incoming = amounts(paid, Money::new(payee, usd), fees);
            prop_assert!(collection_completes(&incoming).is_ok());

            let sent = PaymentAmounts { outside_amount: Money::new(payee, usd), ..amounts(Money::new(payee, usd), Money::new(payee + all, usd), fees) };
            prop_assert!(outgoing_completes(&sent, DebitFrom::Held).is_ok());

            let given_back = Money::new(if exchange { outside } else { payee }, paid.currency);
            let refund = PaymentAmounts { total: payee, ..amounts(given_back, Money::new(payee, usd), [0; 3]) };
            prop_assert!(outgoing_completes(&refund, DebitFrom::Available).is_ok());
            let for_less = PaymentAmounts { released: all, ..refund };
            prop_assert!(outgoing_completes(&for_less, DebitFrom::Held).is_ok());
            prop_assert!(hold(WalletId(1), Money::new(payee, usd)).is_ok());
            prop_assert!(release(WalletId(1), Money::new(payee, usd)).is_ok());
        }
    }
}
