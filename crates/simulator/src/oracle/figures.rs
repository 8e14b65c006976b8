//! What payments cost, computed once more: from the published rules, on plain integers, without the product's arithmetic.

use domain::currency::Currency;
use domain::names::{FeeBearer, Method, Operation};

/// The worth of a US cent in minor units of a currency, in tenths.
fn per_cent(currency: Currency) -> i128 {
    match currency.code() {
        "LRD" => 1_920,
        "RWF" => 144,
        _ => 10,
    }
}

/// `n / d` rounded half up; nothing here is negative.
fn nearest(n: i128, d: i128) -> i64 {
    i64::try_from((2 * n + d) / (2 * d)).unwrap_or(i64::MAX)
}

/// Percentage in hundredths of a percent and US cents: the platform's, the network's.
fn tariff(method: Method, operation: Operation) -> [(i128, i128); 2] {
    let platform = match operation {
        Operation::Collection => 100,
        Operation::Payout => 50,
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

fn fee(base: i64, currency: Currency, (hundredths, cents): (i128, i128)) -> i64 {
    // base × h / 10 000 + cents × per / 10
    nearest(i128::from(base) * hundredths + cents * per_cent(currency) * 1_000, 10_000)
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
pub fn collection(base: i64, s: Currency, p: Currency, bearer: FeeBearer, method: Method) -> Option<Figures> {
    let [platform, network] = tariff(method, Operation::Collection).map(|tariff| fee(base, s, tariff));
    let exchange = if s == p { 0 } else { fee(base, s, (100, 0)) };
    let all = platform + network + exchange;
    let (total, payee) = match bearer {
        FeeBearer::Payer => (base + all, base),
        FeeBearer::Payee => (base, base - all),
    };
    let payer = if s == p { total } else { nearest(i128::from(total) * per_cent(p), per_cent(s)) };
    (payer > 0 && payee > 0).then_some(Figures { payer, payee, total, fees: [platform, network, exchange] })
}

/// A payout or transfer of `amount`.
pub fn outgoing(amount: i64, currency: Currency, method: Method, operation: Operation) -> Figures {
    let [platform, network] = tariff(method, operation).map(|tariff| fee(amount, currency, tariff));
    let total = amount + platform + network;
    Figures { payer: total, payee: amount, total, fees: [platform, network, 0] }
}

/// What giving back `r` of `p` takes from a wallet in `s` when `left` is left of the total.
pub fn giving_back(r: i64, p: Currency, s: Currency, left: i64) -> i64 {
    if p == s {
        return r.min(left);
    }
    let (n, d) = (i128::from(r) * per_cent(s), per_cent(p));
    i64::try_from((n + d - 1) / d).unwrap_or(i64::MAX).min(left)
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
