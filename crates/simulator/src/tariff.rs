//! The tariff of a simulated installation: the shipped one, and what an operator changes in it.

use domain::decision::command::Command;
use domain::kernel::country::Country;
use domain::kernel::currency::Currency;
use domain::kernel::ids::{GatewayFeeId, MarketId, PlatformFeeId, RateId};
use domain::kernel::money::Ratio;
use domain::kernel::names::{Method, Operation, Provider};
use domain::kernel::time::ServerTime;
use domain::tariff::assign_phone_prefix::AssignPhonePrefix;
use domain::tariff::close_market::CloseMarket;
use domain::tariff::end_phone_prefix::EndPhonePrefix;
use domain::tariff::open_market::OpenMarket;
use domain::tariff::set_gateway_fee::SetGatewayFee;
use domain::tariff::set_platform_fee::SetPlatformFee;
use domain::tariff::set_rate::SetRate;
use domain::tariff::{
    Effective, Fee, GatewayFee, Market, MethodDetails, PlatformFee, Rate, Tariff, Tier,
};

use crate::rng::Rng;

const ALWAYS: Effective = Effective { from: ServerTime(0), to: None };
const START: ServerTime = ServerTime(0);

/// The available methods with their provider, operations and currencies.
const MARKETS: &[(Method, Provider, &[Operation], &[&str])] = &[
    (
        Method::MTN_MOMO_LBR,
        Provider::PawaPay,
        &[Operation::Collection, Operation::Payout],
        &["LRD", "USD"],
    ),
    (
        Method::MTN_MOMO_RWA,
        Provider::PawaPay,
        &[Operation::Collection, Operation::Payout],
        &["RWF"],
    ),
    (Method::CREDIT_CARD, Provider::Stripe, &[Operation::Collection], &["USD", "LRD", "RWF"]),
    (
        Method::WALLET,
        Provider::Platform,
        &[Operation::Collection, Operation::Payout],
        &["USD", "LRD", "RWF"],
    ),
];

fn platform(operation: Operation, percentage_ppm: i64) -> PlatformFee {
    PlatformFee {
        id: PlatformFeeId(0),
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
        id: GatewayFeeId(0),
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
            Method::CREDIT_CARD,
            Operation::Collection,
            29_000,
            30,
        )],
        ..Tariff::default()
    };
    for method in [Method::MTN_MOMO_LBR, Method::MTN_MOMO_RWA] {
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
        tariff.gateway_fees.push(gateway(Provider::Platform, Method::WALLET, operation, 0, 0));
    }
    for (code, units) in [("LRD", 192), ("RWF", 1_440)] {
        if let (Some(from), Some(to), Some(rate)) =
            (Currency::parse("USD"), Currency::parse(code), Ratio::new(units, 1))
        {
            tariff.rates.push(Rate {
                id: RateId(0),
                from,
                to,
                rate,
                effective: ALWAYS,
                created_at: START,
            });
        }
    }
    for (method, provider, operations, codes) in MARKETS {
        for operation in *operations {
            for currency in codes.iter().filter_map(|code| Currency::parse(code)) {
                let country = if *method == Method::MTN_MOMO_RWA { "RW" } else { "LR" }.to_owned();
                let details = MethodDetails {
                    network_code: method.to_string(),
                    display_name: method.to_string(),
                };
                tariff.markets.push(Market {
                    id: MarketId(0),
                    method: *method,
                    provider: *provider,
                    operation: *operation,
                    currency,
                    decimals: currency.exponent().into(),
                    country,
                    dial_prefix: None,
                    details,
                    effective: ALWAYS,
                });
            }
        }
    }
    let mut ids = 1..;
    let mut id = || ids.next().unwrap_or(0);
    tariff.platform_fees.iter_mut().for_each(|row| row.id = PlatformFeeId(id()));
    tariff.gateway_fees.iter_mut().for_each(|row| row.id = GatewayFeeId(id()));
    tariff.rates.iter_mut().for_each(|row| row.id = RateId(id()));
    tariff.markets.iter_mut().for_each(|row| row.id = MarketId(id()));
    tariff
}

/// A phone prefix and a market that no payment uses, so that a change of them changes no payment.
pub const PREFIX: &str = "999";
const PREFIX_DIGITS: i64 = 12;
const UNUSED: (Method, Operation, &str) = (Method::CREDIT_CARD, Operation::Collection, "EUR");

/// Draws a change of the tariff: of a price, which may keep its value, or of what no payment uses.
pub fn change(rng: &mut Rng) -> Option<Command> {
    let (method, operation, code) = UNUSED;
    let (usd, currency) = (Currency::parse("USD")?, Currency::parse(code)?);
    let prefix = PREFIX.to_owned();
    Some(match rng.below(10) {
        0 | 1 => rate(usd, "LRD", rng.between(1_500, 2_500), (1, 10))?,
        2 | 3 => rate(usd, "RWF", rng.between(100, 200), (10, 1))?,
        at @ (4 | 5) => {
            let (operation, most) =
                [(Operation::Collection, 300), (Operation::Payout, 150)][at - 4];
            let percentage_ppm = rng.between(0, most) * 100;
            Command::SetPlatformFee(SetPlatformFee {
                tier: if rng.chance(50) { "none" } else { "default" }.to_owned(),
                operation,
                fee: Fee { percentage_ppm, fixed: None },
                fx_percentage_ppm: None,
                from: None,
            })
        }
        6 => {
            // The fee that is in effect already: the oracle's figures do not know another.
            let fee = Fee { percentage_ppm: 29_000, fixed: Some((30, usd)) };
            Command::SetGatewayFee(SetGatewayFee { method, operation, fee, from: None })
        }
        7 => Command::OpenMarket(OpenMarket::as_before(method, operation, currency)),
        8 if rng.chance(500) => Command::CloseMarket(CloseMarket { method, operation, currency }),
        8 => Command::EndPhonePrefix(EndPhonePrefix { prefix, digits: PREFIX_DIGITS }),
        _ => Command::AssignPhonePrefix(AssignPhonePrefix {
            prefix,
            digits: PREFIX_DIGITS,
            carrier: "C".to_owned(),
            country: Country::parse("LR")?,
            method: Method::MTN_MOMO_LBR,
        }),
    })
}

/// A rate is set in the one direction or in the other.
fn rate(usd: Currency, code: &str, tenths: i64, (times, parts): (i64, i64)) -> Option<Command> {
    let other = Currency::parse(code)?;
    let (from, to, rate) = match tenths % 2 {
        0 => (usd, other, Ratio::new(tenths * times, parts)?),
        _ => (other, usd, Ratio::new(parts, tenths * times)?),
    };
    Some(Command::SetRate(SetRate { from, to, rate, since: None }))
}
