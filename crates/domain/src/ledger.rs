//! The double-entry ledger: append-only entries, balanced transactions, and the recipe of each money movement.
//!
//! Credits are positive, debits negative. A transaction has the id of the event that caused it; its entries sum to zero in
//! each currency. A wallet is what the merchant (or party) has with us, so money that comes in credits it and debits
//! clearing, which is what the provider holds for us.

use crate::api_enum;
use crate::currency::Currency;
use crate::ids::{AccountId, EntryId, EventId, ExecutionId, MerchantId, WalletId};
use crate::money::Money;
use crate::mutant;
use crate::names::Provider;
use crate::time::Timestamp;
use crate::wallet::Wallet;
use crate::workspace::{Stop, Row, Workspace, sum};

api_enum! {
    /// The system accounts. Each exists per merchant and currency, so that no row is shared by all merchants.
    AccountKind {
        /// What pawaPay holds for us (debit balance) or we owe it.
        ClearingPawaPay = "CLEARING_PAWAPAY",
        /// What Stripe holds for us.
        ClearingStripe = "CLEARING_STRIPE",
        /// The platform's fees earned.
        FeePlatform = "FEE_PLATFORM",
        /// The networks' fees, to be paid to them: clearing is gross.
        FeeGateway = "FEE_GATEWAY",
        /// The fees for exchange earned.
        FeeFx = "FEE_FX",
        /// The exchange position: what was taken in one currency and given in another.
        Position = "POSITION",
        /// Money whose place a human has to decide.
        Suspense = "SUSPENSE",
        /// Where sandbox money comes from.
        Funding = "FUNDING",
    }
}

impl AccountKind {
    /// The clearing account of a network; `None` for wallets, which need none.
    #[must_use]
    pub const fn clearing(provider: Provider) -> Option<Self> {
        match provider {
            Provider::PawaPay => Some(Self::ClearingPawaPay),
            Provider::Stripe => Some(Self::ClearingStripe),
            Provider::Platform => None,
        }
    }
}

/// A system account.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// Whose it is.
    pub merchant_id: MerchantId,
    /// What it is for.
    pub kind: AccountKind,
    /// Its currency.
    pub currency: Currency,
    /// Credits less debits, beyond whole [`ROUND`]s.
    pub balance_minor: i64,
    /// How many whole [`ROUND`]s the balance has, below zero for debits. Clearing is gross and positions are never squared, so
    /// that no number of 64 bits is large enough for ever; and what a network reports must always be booked.
    pub balance_rounds: i64,
    /// Server time.
    pub created_at: Timestamp,
    /// Server time.
    pub updated_at: Timestamp,
}

/// A round of a system account's balance, in minor units. It is a multiple of the number by which `ledger verify` divides
/// balances, for which a round more or less is the same.
pub const ROUND: i64 = 4_000_012_000_000_000_000;

impl Account {
    /// Credits less debits.
    #[must_use]
    pub fn balance(&self) -> i128 {
        i128::from(self.balance_rounds) * i128::from(ROUND) + i128::from(self.balance_minor)
    }

    /// The account with so much more.
    ///
    /// # Errors
    /// [`Stop::Inconsistent`] for more rounds than anybody can count to.
    fn credited(self, minor: i64) -> Result<Self, Stop> {
        let whole = self.balance() + i128::from(minor);
        let part = |part: i128| i64::try_from(part).map_err(|_| Stop::Inconsistent(format!("account {} overflows", self.id)));
        let round = i128::from(ROUND);
        Ok(Self { balance_minor: part(whole % round)?, balance_rounds: part(whole / round)?, ..self })
    }
}

impl Row for Account {
    type Id = AccountId;
    type AltKey = (MerchantId, AccountKind, Currency);

    fn id(&self) -> AccountId {
        self.id
    }

    fn alt_key(&self) -> Option<(MerchantId, AccountKind, Currency)> {
        Some((self.merchant_id, self.kind, self.currency))
    }
}

api_enum! {
    /// Which balance an entry changes.
    Bucket {
        /// What a wallet can spend.
        Available = "AVAILABLE",
        /// What a wallet holds for payments under way.
        Held = "HELD",
        /// The one balance of a system account.
        System = "SYSTEM",
    }
}

/// A line of a transaction. Never changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Its id.
    pub id: EntryId,
    /// Whose wallet or account it is on.
    pub merchant_id: MerchantId,
    /// The event that caused the transaction.
    pub transaction_id: EventId,
    /// The execution that it settles, holds for or releases.
    pub execution_id: Option<ExecutionId>,
    /// The wallet's or system account's id.
    pub account_id: i64,
    /// Which balance of it.
    pub bucket: Bucket,
    /// Credit above zero, debit below.
    pub amount_minor: i64,
    /// The currency.
    pub currency: Currency,
    /// The balance after this entry; of a system account beyond whole [`ROUND`]s.
    pub balance_minor: i64,
    /// The wallet's entry before this one.
    pub previous_entry_id: Option<EntryId>,
    /// Server time.
    pub created_at: Timestamp,
}

/// Where a leg of a posting goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PostingTarget {
    /// A balance of a wallet.
    Wallet(WalletId, Bucket),
    /// A system account of a merchant.
    System(MerchantId, AccountKind),
}

/// One leg of a posting: credit above zero, debit below.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Leg {
    /// Where it goes.
    pub place: PostingTarget,
    /// How much.
    pub money: Money,
}

impl Leg {
    /// A leg on what a wallet can spend.
    #[must_use]
    pub const fn available(wallet: WalletId, minor: i64, currency: Currency) -> Self {
        Self { place: PostingTarget::Wallet(wallet, Bucket::Available), money: Money::new(minor, currency) }
    }

    /// A leg on what a wallet holds.
    #[must_use]
    pub const fn held(wallet: WalletId, minor: i64, currency: Currency) -> Self {
        Self { place: PostingTarget::Wallet(wallet, Bucket::Held), money: Money::new(minor, currency) }
    }

    /// A leg on a system account.
    #[must_use]
    pub const fn system(kind: AccountKind, merchant: MerchantId, minor: i64, currency: Currency) -> Self {
        Self { place: PostingTarget::System(merchant, kind), money: Money::new(minor, currency) }
    }
}

/// Legs that sum to zero in each currency: there is no other way to make one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Postings(Vec<Leg>);

impl Postings {
    /// Legs without those of zero.
    ///
    /// # Errors
    /// [`Stop::Inconsistent`] when a currency does not sum to zero.
    pub fn balanced(legs: Vec<Leg>) -> Result<Self, Stop> {
        let legs: Vec<Leg> = legs.into_iter().filter(|leg| leg.money.minor != 0).collect();
        for leg in &legs {
            let same = legs.iter().filter(|other| other.money.currency == leg.money.currency);
            let total: i128 = same.map(|other| i128::from(other.money.minor)).sum();
            if total != 0 {
                return Err(Stop::Inconsistent(format!("postings do not balance: {legs:?}")));
            }
        }
        Ok(Self(legs))
    }

    /// The legs.
    #[must_use]
    pub fn legs(&self) -> &[Leg] {
        &self.0
    }
}

/// The figures that a recipe needs. S is the currency of the wallet, P that of the payer (see `fees`).
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

    /// The two lines that exchange `total` of S for the outside amount of P; none where both are one currency.
    /// `sign` is 1 where money comes in, -1 where it goes out.
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
        legs.extend([Leg::held(f.wallet, -f.released, currency), Leg::available(f.wallet, f.released, currency)]);
    }
    Postings::balanced(legs)
}

/// Money turned up (or turned out missing, below zero) at a provider against the books: it goes to suspense until a human
/// has decided.
///
/// # Errors
/// None of its own.
pub fn to_suspense(merchant: MerchantId, clearing: AccountKind, money: Money) -> Result<Postings, Stop> {
    Postings::balanced(vec![
        Leg::system(clearing, merchant, -money.minor, money.currency),
        Leg::system(AccountKind::Suspense, merchant, money.minor, money.currency),
    ])
}

/// Writes a transaction: its entries, and the balances that they change.
///
/// # Errors
/// [`Stop::Inconsistent`] when a wallet would fall below zero: deciders check before they post.
pub fn post(
    work: &mut Workspace,
    event: EventId,
    execution: Option<ExecutionId>,
    postings: &Postings,
    now: Timestamp,
) -> Result<(), Stop> {
    for leg in postings.legs() {
        let id = EntryId(work.new_id()?);
        let entry = match leg.place {
            PostingTarget::Wallet(wallet, bucket) => on_wallet(work, id, wallet, bucket, leg.money, now)?,
            PostingTarget::System(merchant, kind) => on_account(work, id, merchant, kind, leg.money, now)?,
        };
        work.entries.push(Entry { transaction_id: event, execution_id: execution, ..entry });
    }
    Ok(())
}

fn on_wallet(
    work: &mut Workspace,
    id: EntryId,
    wallet: WalletId,
    bucket: Bucket,
    money: Money,
    now: Timestamp,
) -> Result<Entry, Stop> {
    let mut wallet = (*work.require::<Wallet>(wallet)?).clone();
    if wallet.currency != money.currency {
        return Err(Stop::Inconsistent(format!("{money:?} posted to {wallet:?}")));
    }
    let balance = match bucket {
        Bucket::Available => &mut wallet.available_minor,
        Bucket::Held => &mut wallet.held_minor,
        Bucket::System => return Err(Stop::Inconsistent("a wallet has no system balance".to_owned())),
    };
    *balance = sum(*balance, money.minor)?;
    let balance_minor = *balance;
    if balance_minor < 0 && !mutant!(BelowZero) {
        return Err(Stop::Inconsistent(format!("wallet {} would fall below zero", wallet.id)));
    }
    let previous_entry_id = wallet.last_entry_id.replace(id);
    wallet.updated_at = now;
    let (merchant_id, account_id) = (wallet.merchant_id, wallet.id.0);
    work.put(wallet);
    Ok(entry(id, merchant_id, account_id, bucket, money, balance_minor, previous_entry_id, now))
}

fn on_account(
    work: &mut Workspace,
    id: EntryId,
    merchant: MerchantId,
    kind: AccountKind,
    money: Money,
    now: Timestamp,
) -> Result<Entry, Stop> {
    let account = match work.find::<Account>(&(merchant, kind, money.currency))? {
        Some(account) => (*account).clone(),
        None => Account {
            id: AccountId(work.new_id()?),
            merchant_id: merchant,
            kind,
            currency: money.currency,
            balance_minor: 0,
            balance_rounds: 0,
            created_at: now,
            updated_at: now,
        },
    };
    let account = Account { updated_at: now, ..account.credited(money.minor)? };
    let (account_id, balance_minor) = (account.id.0, account.balance_minor);
    work.put(account);
    Ok(entry(id, merchant, account_id, Bucket::System, money, balance_minor, None, now))
}

#[expect(clippy::too_many_arguments, reason = "the columns of a row, written in one place")]
const fn entry(
    id: EntryId,
    merchant_id: MerchantId,
    account_id: i64,
    bucket: Bucket,
    money: Money,
    balance_minor: i64,
    previous_entry_id: Option<EntryId>,
    created_at: Timestamp,
) -> Entry {
    Entry {
        id,
        merchant_id,
        transaction_id: EventId(0),
        execution_id: None,
        account_id,
        bucket,
        amount_minor: money.minor,
        currency: money.currency,
        balance_minor,
        previous_entry_id,
        created_at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
            total: if outside.currency == wallet.currency { outside.minor } else { wallet.minor + fees.iter().sum::<i64>() },
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
        let legs: Vec<i64> = collection_completes(&f).unwrap().legs().iter().map(|leg| leg.money.minor).collect();
        assert_eq!(legs, [-10_300, 10_000, 100, 200]);
    }

    #[test]
    fn legs_that_do_not_balance_cannot_be_posted() {
        let usd = currency("USD");
        let f = figures(Money::new(10_300, usd), Money::new(10_001, usd), [100, 200, 0]);
        assert!(matches!(collection_completes(&f), Err(Stop::Inconsistent(_))));
        // In two currencies that cancel out in number only.
        let legs = vec![Leg::available(WalletId(1), 5, usd), Leg::available(WalletId(2), -5, currency("LRD"))];
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
