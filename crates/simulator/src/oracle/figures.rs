//! What payments cost, computed once more: from the published rules, on plain integers, without the
//! product's arithmetic.

use domain::kernel::currency::Currency;
use domain::kernel::names::{FeeBearer, Method, Operation};

/// What an operator may change, from a time on: server time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Prices {
    pub since: i64,
    /// The worth of a US cent in Liberian cents and in Rwandan francs, in tenths.
    pub lrd: i128,
    pub rwf: i128,
    /// What the platform takes of a collection and of a payout, in hundredths of a percent.
    pub collecting: i128,
    pub paying_out: i128,
}

impl Prices {
    /// Those that are shipped.
    pub const FIRST: Self =
        Self { since: i64::MIN, lrd: 1_920, rwf: 144, collecting: 100, paying_out: 50 };

    /// The worth of a US cent in minor units of a currency, in tenths.
    fn per_cent(&self, currency: Currency) -> i128 {
        match currency.code() {
            "LRD" => self.lrd,
            "RWF" => self.rwf,
            _ => 10,
        }
    }

    /// How amounts in `s` and in `p` compare.
    pub fn between(&self, s: Currency, p: Currency) -> Worth {
        if s == p {
            Worth::SAME
        } else {
            Worth { inside: self.per_cent(s), outside: self.per_cent(p) }
        }
    }
}

/// So much inside is worth so much outside.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Worth {
    inside: i128,
    outside: i128,
}

impl Worth {
    /// One currency.
    pub const SAME: Self = Self { inside: 1, outside: 1 };
}

/// `n / d` rounded half up; nothing here is negative.
fn nearest(n: i128, d: i128) -> i64 {
    i64::try_from((2 * n + d) / (2 * d)).unwrap_or(i64::MAX)
}

/// `n / d` rounded up.
fn up(n: i128, d: i128) -> i64 {
    i64::try_from((n + d - 1) / d).unwrap_or(i64::MAX)
}

/// Percentage in hundredths of a percent and US cents: the platform's, the network's.
fn tariff(prices: &Prices, method: Method, operation: Operation) -> [(i128, i128); 2] {
    let platform = match operation {
        Operation::Collection => prices.collecting,
        Operation::Payout => prices.paying_out,
        Operation::Transfer | Operation::Refund => 0,
    };
    let network = match (operation, method) {
        (Operation::Collection, Method::CreditCard) => (290, 30),
        (Operation::Transfer | Operation::Refund, _) | (_, Method::Wallet) => (0, 0),
        (Operation::Collection, _) => (200, 0),
        (Operation::Payout, _) => (100, 0),
    };
    [(platform, 0), network]
}

fn fee(prices: &Prices, base: i64, currency: Currency, (hundredths, cents): (i128, i128)) -> i64 {
    // base × h / 10 000 + cents × per / 10; a fee is nothing only where nothing is asked for.
    let parts = i128::from(base) * hundredths + cents * prices.per_cent(currency) * 1_000;
    nearest(parts, 10_000).max(i64::from(parts > 0))
}

/// The figures of a payment.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Figures {
    pub payer: i64,
    pub payee: i64,
    pub total: i64,
    pub fees: [i64; 3],
}

/// A collection of `base` in `s`, paid in `p`; `None` when nothing would be left.
pub fn collection(
    prices: &Prices,
    base: i64,
    (s, p): (Currency, Currency),
    bearer: FeeBearer,
    method: Method,
) -> Option<Figures> {
    let [platform, network] =
        tariff(prices, method, Operation::Collection).map(|tariff| fee(prices, base, s, tariff));
    let exchange = if s == p { 0 } else { fee(prices, base, s, (100, 0)) };
    let all = platform + network + exchange;
    let (total, payee) = match bearer {
        FeeBearer::Payer => (base + all, base),
        FeeBearer::Payee => (base, base - all),
    };
    let payer =
        if s == p { total } else { up(i128::from(total) * prices.per_cent(p), prices.per_cent(s)) };
    (payer > 0 && payee > 0).then_some(Figures {
        payer,
        payee,
        total,
        fees: [platform, network, exchange],
    })
}

/// A payout or transfer of `amount`.
pub fn outgoing(
    prices: &Prices,
    amount: i64,
    currency: Currency,
    method: Method,
    operation: Operation,
) -> Figures {
    let [platform, network] =
        tariff(prices, method, operation).map(|tariff| fee(prices, amount, currency, tariff));
    let total = amount + platform + network;
    Figures { payer: total, payee: amount, total, fees: [platform, network, 0] }
}

/// What giving back `r` outside is worth inside, up to a whole unit.
pub fn giving_back(r: i64, worth: Worth) -> i64 {
    let (n, d) = (i128::from(r) * worth.inside, worth.outside);
    i64::try_from((n + d - 1) / d).unwrap_or(i64::MAX)
}

/// What `back` of a payment costs that came to `paid` outside and `total` inside: up to a whole
/// unit, once, and the whole payment no more than its total; what goes beyond it, besides.
pub fn cost_of(back: i64, paid: i64, total: i64, worth: Worth) -> i64 {
    if back <= paid {
        return giving_back(back, worth).min(total);
    }
    giving_back(paid, worth).min(total) + giving_back(back, worth) - giving_back(paid, worth)
}

/// What `r` outside is worth inside, without parts of a unit.
pub fn whole(r: i64, worth: Worth) -> i64 {
    i64::try_from(i128::from(r) * worth.inside / worth.outside).unwrap_or(i64::MAX)
}

/// What the numbers of a method's country begin with.
pub const fn code(method: Method) -> Option<&'static str> {
    match method {
        Method::MtnMomoLbr | Method::OrangeMoneyLbr => Some("231"),
        Method::MtnMomoRwa | Method::AirtelRwa | Method::OrangeMoneyRwa => Some("250"),
        Method::CreditCard | Method::Wallet => None,
    }
}

/// Methods, and the currencies that they take.
pub fn takes(method: Method, operation: Operation, currency: Currency) -> bool {
    let codes: &[&str] = match (method, operation) {
        (Method::MtnMomoLbr, _) => &["LRD", "USD"],
        (Method::MtnMomoRwa, _) => &["RWF"],
        (Method::CreditCard, Operation::Collection) | (Method::Wallet, _) => &["USD", "LRD", "RWF"],
        _ => &[],
    };
    codes.contains(&currency.code())
}
