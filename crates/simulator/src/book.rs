//! The market of a simulated installation: the shipped one.

use domain::book::{Book, Effective, Fee, GatewayFee, Market, PlatformFee, Rate, Tier};
use domain::currency::Currency;
use domain::money::Ratio;
use domain::names::{Method, Operation, Provider};
use domain::time::Timestamp;

const ALWAYS: Effective = Effective { from: Timestamp(0), to: None };
const START: Timestamp = Timestamp(0);

/// Methods with their provider, what they do and in which currencies.
const MARKETS: &[(Method, Provider, &[Operation], &[&str])] = &[
    (Method::MtnMomoLbr, Provider::PawaPay, &[Operation::Collection, Operation::Payout], &["LRD", "USD"]),
    (Method::MtnMomoRwa, Provider::PawaPay, &[Operation::Collection, Operation::Payout], &["RWF"]),
    (Method::CreditCard, Provider::Stripe, &[Operation::Collection], &["USD", "LRD", "RWF"]),
    (Method::Wallet, Provider::Platform, &[Operation::Collection, Operation::Payout], &["USD", "LRD", "RWF"]),
];

fn platform(operation: Operation, percentage_ppm: i64) -> PlatformFee {
    PlatformFee {
        id: 1,
        tier: "default".to_owned(),
        operation,
        fee: Fee { percentage_ppm, fixed: None },
        fx_percentage_ppm: 10_000,
        effective: ALWAYS,
        created_at: START,
    }
}

fn gateway(provider: Provider, method: Method, operation: Operation, percentage_ppm: i64, usd: i64) -> GatewayFee {
    let fixed = Currency::parse("USD").filter(|_| usd > 0).map(|currency| (usd, currency));
    let fee = Fee { percentage_ppm, fixed };
    GatewayFee { id: 1, provider, method, operation, fee, effective: ALWAYS, created_at: START, updated_at: START }
}

/// The book.
pub fn shipped() -> Book {
    let mut book = Book {
        version: 1,
        tiers: vec![Tier { id: 1, name: "default".to_owned(), is_default: true, created_at: START, updated_at: START }],
        platform_fees: vec![platform(Operation::Collection, 10_000), platform(Operation::Payout, 5_000)],
        gateway_fees: vec![gateway(Provider::Stripe, Method::CreditCard, Operation::Collection, 29_000, 30)],
        ..Book::default()
    };
    for method in [Method::MtnMomoLbr, Method::MtnMomoRwa] {
        book.gateway_fees.push(gateway(Provider::PawaPay, method, Operation::Collection, 20_000, 0));
        book.gateway_fees.push(gateway(Provider::PawaPay, method, Operation::Payout, 10_000, 0));
    }
    for (code, units) in [("LRD", 192), ("RWF", 1_440)] {
        if let (Some(from), Some(to), Some(rate)) = (Currency::parse("USD"), Currency::parse(code), Ratio::new(units, 1)) {
            book.rates.push(Rate { id: 1, from, to, rate, effective: ALWAYS });
        }
    }
    for (method, provider, operations, codes) in MARKETS {
        for operation in *operations {
            for currency in codes.iter().filter_map(|code| Currency::parse(code)) {
                let country = "LR".to_owned();
                book.markets.push(Market {
                    method: *method,
                    provider: *provider,
                    operation: *operation,
                    currency,
                    country,
                    effective: ALWAYS,
                });
            }
        }
    }
    book
}
