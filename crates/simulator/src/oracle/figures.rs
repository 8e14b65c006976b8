//! What payments cost, as a second opinion: from the published rules, on plain integers, without
//! the product's arithmetic.

use domain::kernel::currency::Currency;
use domain::kernel::names::{FeeBearer, Method, Operation};

/// The fees and rates that an operator may change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Prices {
    /// The worth of a US cent in Liberian cents and in Rwandan francs, in tenths.
    pub lrd: i128,
    pub rwf: i128,
    /// The platform's fee of a collection and of a payout, in hundredths of a percent.
    pub collecting: i128,
    pub paying_out: i128,
}

impl Prices {
    /// Those of a new installation.
    pub const FIRST: Self = Self { lrd: 1_920, rwf: 144, collecting: 100, paying_out: 50 };

    /// The worth of a US cent in minor units of a currency, in tenths.
    fn units_per_us_cent(&self, currency: Currency) -> i128 {
        match currency.code() {
            "LRD" => self.lrd,
            "RWF" => self.rwf,
            _ => 10,
        }
    }

    /// The rate between `s`, the wallet's currency, and `p`, the network's.
    pub fn between(&self, s: Currency, p: Currency) -> ExchangeRate {
        if s == p {
            ExchangeRate::SAME
        } else {
            ExchangeRate { inside: self.units_per_us_cent(s), outside: self.units_per_us_cent(p) }
        }
    }
}

/// `inside` units of the wallet's currency are worth `outside` units of the network's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ExchangeRate {
    inside: i128,
    outside: i128,
}

impl ExchangeRate {
    /// No exchange.
    pub const SAME: Self = Self { inside: 1, outside: 1 };

    /// Whether it is this many whole units of the network's currency for one of the wallet's, as a
    /// fraction.
    pub fn is(self, (num, den): (i128, i128), s: Currency, p: Currency) -> bool {
        let minor = |currency: Currency| i128::from(currency.minor_per_major());
        self.outside * den * minor(s) == self.inside * num * minor(p)
    }
}

/// `n / d` rounded half up; neither is negative.
fn divide_half_up(n: i128, d: i128) -> i64 {
    i64::try_from((2 * n + d) / (2 * d)).unwrap_or(i64::MAX)
}

/// `n / d` rounded up.
fn divide_up(n: i128, d: i128) -> i64 {
    i64::try_from((n + d - 1) / d).unwrap_or(i64::MAX)
}

/// The platform's fee and the network's, each as hundredths of a percent and fixed US cents.
fn fee_terms(prices: &Prices, method: Method, operation: Operation) -> [(i128, i128); 2] {
    let platform = match operation {
        Operation::Collection => prices.collecting,
        Operation::Payout => prices.paying_out,
        Operation::Transfer | Operation::Refund => 0,
    };
    let network = match (operation, method) {
        (Operation::Collection, Method::CREDIT_CARD) => (290, 30),
        (Operation::Transfer | Operation::Refund, _) | (_, Method::WALLET) => (0, 0),
        (Operation::Collection, _) => (200, 0),
        (Operation::Payout, _) => (100, 0),
    };
    [(platform, 0), network]
}

fn fee(prices: &Prices, base: i64, currency: Currency, terms: (i128, i128), unit: i64) -> i64 {
    let (hundredths, cents) = terms;
    // base × h / 10 000 + cents × per / 10. A fee that rounds to nothing is one unit: it is zero only
    // where the tariff asks for nothing.
    let parts = i128::from(base) * hundredths + cents * prices.units_per_us_cent(currency) * 1_000;
    divide_half_up(parts, 10_000 * i128::from(unit)).max(i64::from(parts > 0)) * unit
}

/// Amounts of a payment in minor units; the fees are the platform's, the network's and the
/// exchange's.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Figures {
    pub payer: i64,
    pub payee: i64,
    pub total: i64,
    pub fees: [i64; 3],
}

/// A collection of `base` in `s` that is paid in `p`, of which the network takes whole units; `None`
/// when nothing would be left.
pub fn collection(
    prices: &Prices,
    base: i64,
    (s, p): (Currency, Currency),
    bearer: FeeBearer,
    method: Method,
    unit: i64,
) -> Option<Figures> {
    let fee_unit = if s == p { unit } else { 1 };
    let [platform, network] = fee_terms(prices, method, Operation::Collection)
        .map(|terms| fee(prices, base, s, terms, fee_unit));
    let exchange = if s == p { 0 } else { fee(prices, base, s, (100, 0), 1) };
    let all = platform + network + exchange;
    let (total, payee) = match bearer {
        FeeBearer::Payer => (base + all, base),
        FeeBearer::Payee => (base, base - all),
    };
    let payer = if s == p {
        total
    } else {
        let worth = i128::from(total) * prices.units_per_us_cent(p);
        divide_up(worth, prices.units_per_us_cent(s) * i128::from(unit)) * unit
    };
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
        fee_terms(prices, method, operation).map(|terms| fee(prices, amount, currency, terms, 1));
    let total = amount + platform + network;
    Figures { payer: total, payee: amount, total, fees: [platform, network, 0] }
}

/// What `r` of the network's currency is worth in the wallet's, rounded up to a minor unit.
pub fn inside_rounded_up(r: i64, rate: ExchangeRate) -> i64 {
    let (n, d) = (i128::from(r) * rate.inside, rate.outside);
    i64::try_from((n + d - 1) / d).unwrap_or(i64::MAX)
}

/// What it costs the wallet to give back `back` of a payment that was `paid` in the network's
/// currency and `total` in the wallet's.
///
/// It is rounded up once for all refunds together, so that it does not depend on how many there
/// are, and the whole payment costs no more than its total. What goes beyond the payment is added.
pub fn cost_of(back: i64, paid: i64, total: i64, rate: ExchangeRate) -> i64 {
    if back <= paid {
        return inside_rounded_up(back, rate).min(total);
    }
    inside_rounded_up(paid, rate).min(total) + inside_rounded_up(back, rate)
        - inside_rounded_up(paid, rate)
}

/// What `r` of the network's currency is worth in the wallet's, rounded down to a minor unit.
pub fn inside_rounded_down(r: i64, rate: ExchangeRate) -> i64 {
    i64::try_from(i128::from(r) * rate.inside / rate.outside).unwrap_or(i64::MAX)
}

/// The calling code of a method's country.
pub fn calling_code(method: Method) -> Option<&'static str> {
    match method {
        Method::MTN_MOMO_LBR | Method::ORANGE_MONEY_LBR => Some("231"),
        Method::MTN_MOMO_RWA | Method::AIRTEL_RWA | Method::ORANGE_MONEY_RWA => Some("250"),
        _ => None,
    }
}

/// Whether a method supports an operation in a currency.
pub fn is_supported(method: Method, operation: Operation, currency: Currency) -> bool {
    let codes: &[&str] = match (method, operation) {
        (Method::MTN_MOMO_LBR, _) => &["LRD", "USD"],
        (Method::MTN_MOMO_RWA, _) => &["RWF"],
        (Method::CREDIT_CARD, Operation::Collection) | (Method::WALLET, _) => {
            &["USD", "LRD", "RWF"]
        }
        _ => &[],
    };
    codes.contains(&currency.code())
}
