//! The tariff of a simulated installation: the shipped one, and what an operator changes in it.

use domain::kernel::currency::Currency;
use domain::kernel::money::Ratio;
use domain::kernel::names::{Method, Operation, Provider};
use domain::kernel::time::ServerTime;
use domain::tariff::{Effective, Fee, GatewayFee, Market, PlatformFee, Rate, Tariff, Tier};

use crate::oracle::figures::Prices;
use crate::rng::Rng;

const ALWAYS: Effective = Effective { from: ServerTime(0), to: None };
const START: ServerTime = ServerTime(0);

/// The available methods with their provider, operations and currencies.
const MARKETS: &[(Method, Provider, &[Operation], &[&str])] = &[
    (
        Method::MtnMomoLbr,
        Provider::PawaPay,
        &[Operation::Collection, Operation::Payout],
        &["LRD", "USD"],
    ),
    (Method::MtnMomoRwa, Provider::PawaPay, &[Operation::Collection, Operation::Payout], &["RWF"]),
    (Method::CreditCard, Provider::Stripe, &[Operation::Collection], &["USD", "LRD", "RWF"]),
    (
        Method::Wallet,
        Provider::Platform,
        &[Operation::Collection, Operation::Payout],
        &["USD", "LRD", "RWF"],
    ),
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

fn gateway(
    provider: Provider,
    method: Method,
    operation: Operation,
    percentage_ppm: i64,
    usd: i64,
) -> GatewayFee {
    let fixed = Currency::parse("USD").filter(|_| usd > 0).map(|currency| (usd, currency));
    let fee = Fee { percentage_ppm, fixed };
    GatewayFee {
        id: 1,
        provider,
        method,
        operation,
        fee,
        effective: ALWAYS,
        created_at: START,
        updated_at: START,
    }
}

/// The tariff at the beginning.
pub fn shipped() -> Tariff {
    let mut tariff = Tariff {
        version: 1,
        tiers: vec![Tier {
            id: 1,
            name: "default".to_owned(),
            is_default: true,
            created_at: START,
            updated_at: START,
        }],
        platform_fees: vec![
            platform(Operation::Collection, 10_000),
            platform(Operation::Payout, 5_000),
        ],
        gateway_fees: vec![gateway(
            Provider::Stripe,
            Method::CreditCard,
            Operation::Collection,
            29_000,
            30,
        )],
        ..Tariff::default()
    };
    for method in [Method::MtnMomoLbr, Method::MtnMomoRwa] {
        tariff.gateway_fees.push(gateway(
            Provider::PawaPay,
            method,
            Operation::Collection,
            20_000,
            0,
        ));
        tariff.gateway_fees.push(gateway(Provider::PawaPay, method, Operation::Payout, 10_000, 0));
    }
    for operation in [Operation::Collection, Operation::Payout] {
        tariff.gateway_fees.push(gateway(Provider::Platform, Method::Wallet, operation, 0, 0));
    }
    for (code, units) in [("LRD", 192), ("RWF", 1_440)] {
        if let (Some(from), Some(to), Some(rate)) =
            (Currency::parse("USD"), Currency::parse(code), Ratio::new(units, 1))
        {
            tariff.rates.push(Rate { id: 1, from, to, rate, effective: ALWAYS });
        }
    }
    for (method, provider, operations, codes) in MARKETS {
        for operation in *operations {
            for currency in codes.iter().filter_map(|code| Currency::parse(code)) {
                let country = if *method == Method::MtnMomoRwa { "RW" } else { "LR" }.to_owned();
                tariff.markets.push(Market {
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
    tariff
}

/// Draws a change of one price; it may keep its value.
pub fn changed(prices: &Prices, rng: &mut Rng) -> Prices {
    match rng.below(4) {
        0 => Prices { lrd: i128::from(rng.between(1_500, 2_500)), ..*prices },
        1 => Prices { rwf: i128::from(rng.between(100, 200)), ..*prices },
        2 => Prices { collecting: i128::from(rng.between(0, 300)), ..*prices },
        _ => Prices { paying_out: i128::from(rng.between(0, 150)), ..*prices },
    }
}

/// The tariff after a change of prices, as the command line writes it: the row that holds ends, and
/// the next one begins.
pub fn after(tariff: &Tariff, before: &Prices, prices: &Prices) -> Tariff {
    let mut tariff = Tariff { version: tariff.version + 1, ..tariff.clone() };
    let (now, id) = (ServerTime(prices.since), tariff.version);
    let begins = Effective { from: now, to: None };
    let end = |effective: &mut Effective| effective.to = effective.to.or(Some(now));
    // A rate is stored in the one direction or in the other.
    for (code, was, is, (times, parts)) in
        [("LRD", before.lrd, prices.lrd, (1, 10)), ("RWF", before.rwf, prices.rwf, (10, 1))]
    {
        let (Some(usd), Some(other)) = (Currency::parse("USD"), Currency::parse(code)) else {
            continue;
        };
        let minor = i64::try_from(is).unwrap_or(1);
        if was == is {
            continue;
        }
        let (from, to, rate) = match minor % 2 {
            0 => (usd, other, Ratio::new(minor * times, parts)),
            _ => (other, usd, Ratio::new(parts, minor * times)),
        };
        let Some(rate) = rate else { continue };
        tariff
            .rates
            .iter_mut()
            .filter(|row| (row.from, row.to) == (from, to))
            .for_each(|row| end(&mut row.effective));
        tariff.rates.push(Rate { id, from, to, rate, effective: begins });
    }
    for (operation, was, is) in [
        (Operation::Collection, before.collecting, prices.collecting),
        (Operation::Payout, before.paying_out, prices.paying_out),
    ] {
        if was != is {
            tariff
                .platform_fees
                .iter_mut()
                .filter(|row| row.operation == operation)
                .for_each(|row| end(&mut row.effective));
            let fee = platform(operation, i64::try_from(is).unwrap_or(0) * 100);
            tariff.platform_fees.push(PlatformFee {
                id,
                effective: begins,
                created_at: now,
                ..fee
            });
        }
    }
    tariff
}
