//! Changes of the tariff: what ends, what begins, what is refused, and that no change is decided on a
//! stale tariff.

use std::sync::Arc;

use crate::stage::{Stage, currency, tariff, usd};
use domain::decision::event::{EventEntity, EventType};
use domain::decision::row::Lookup;
use domain::decision::settings::Settings;
use domain::decision::use_case::{Context, Decision};
use domain::decision::workspace::{IdBlock, Stop, Workspace};
use domain::kernel::country::Country;
use domain::kernel::ids::MerchantId;
use domain::kernel::money::Ratio;
use domain::kernel::names::{FeeBearer, Method, Operation, Provider};
use domain::kernel::refusal::Refusal;
use domain::kernel::time::{ServerTime, minutes};
use domain::tariff::assign_phone_prefix::AssignPhonePrefix;
use domain::tariff::close_market::CloseMarket;
use domain::tariff::end_phone_prefix::EndPhonePrefix;
use domain::tariff::fees::{self, QuoteRequest, Route};
use domain::tariff::open_market::OpenMarket;
use domain::tariff::rates::RateFault;
use domain::tariff::set_gateway_fee::SetGatewayFee;
use domain::tariff::set_platform_fee::SetPlatformFee;
use domain::tariff::set_rate::SetRate;
use domain::tariff::{
    Effective, Fee, NewMethodNeeds as Needs, PlatformFee, TariffFault, TariffVersion,
};

const COLLECTION: Operation = Operation::Collection;

fn platform(percentage_ppm: i64) -> SetPlatformFee {
    let fee = Fee { percentage_ppm, fixed: None };
    let tier = "default".to_owned();
    SetPlatformFee { tier, operation: COLLECTION, fee, fx_percentage_ppm: None, from: None }
}

fn refused(fault: TariffFault) -> Vec<Refusal> {
    vec![Refusal::Tariff(fault)]
}

fn open_in_euros(provider: Option<Provider>, fee: Option<Fee>) -> OpenMarket {
    let (method, currency) = (Method::CREDIT_CARD, currency("EUR"));
    OpenMarket { provider, fee, ..OpenMarket::as_before(method, COLLECTION, currency) }
}

#[test]
fn a_change_ends_the_row_in_effect_and_begins_the_next() {
    let mut stage = Stage::new();
    let before = stage.work.tariff.platform_fee("default", COLLECTION, stage.now).unwrap().clone();
    let row = stage.decide(&platform(20_000)).unwrap();
    assert_eq!(row.effective, Effective { from: stage.now, to: None });
    assert_eq!(row.fx_percentage_ppm, before.fx_percentage_ppm, "what is left out stays");
    let ended = stage.work.require::<PlatformFee>(before.id).unwrap();
    assert_eq!(ended.effective, Effective { to: Some(stage.now), ..before.effective });
    assert_eq!(*stage.work.require::<PlatformFee>(row.id).unwrap(), row);
    let version = stage.work.require::<TariffVersion>(TariffVersion::ID).unwrap().version;
    assert_eq!((version, stage.work.tariff.version), (2, 2));
}

/// In whatever order fees and rates are set: when a row is said to count, it is the one that prices.
#[test]
fn each_row_counts_when_it_is_the_one_that_prices() {
    let days = [0, 1, 2, 3];
    let orders = [[0, 1, 2, 3], [3, 0, 1, 2], [2, 3, 0, 1], [3, 2, 1, 0], [1, 3, 0, 2]];
    for order in orders {
        let mut stage = Stage::new();
        let begun = stage.now;
        let at = |day: i64| begun.plus(days_of(day));
        for day in order {
            let from = (day > 0).then(|| at(day));
            let set = SetPlatformFee { from, ..platform(10_000 * (day + 1)) };
            stage.decide(&set).unwrap();
            let (method, operation) = (Method::MTN_MOMO_LBR, Operation::Payout);
            let fee = Fee { percentage_ppm: 10_000 * (day + 1), fixed: None };
            stage.decide(&SetGatewayFee { method, operation, fee, from }).unwrap();
            // In one direction, and the other.
            let pair = [currency("USD"), currency("LRD")];
            let [from, to] = if day % 2 == 0 { pair } else { [pair[1], pair[0]] };
            let rate = if day % 2 == 0 { (200 + day, 1) } else { (1, 200 + day) };
            let rate = Ratio::new(rate.0, rate.1).unwrap();
            stage.decide(&SetRate { from, to, rate, since: (day > 0).then(|| at(day)) }).unwrap();
        }
        let tariff = &stage.work.tariff;
        for day in days {
            for now in [at(day), at(day).plus(1), at(day + 1).plus(-1)] {
                let holds = |periods: Vec<Effective>| {
                    assert!(periods.iter().all(|of| of.to.is_none_or(|to| to > of.from)));
                    periods.iter().any(|period| period.at(now))
                };
                let platform = |of: &&PlatformFee| {
                    (of.tier.as_str(), of.operation) == ("default", COLLECTION)
                        && holds(tariff.platform_fee_counts(of))
                };
                let counting: Vec<i64> = tariff
                    .platform_fees
                    .iter()
                    .filter(platform)
                    .map(|of| of.fee.percentage_ppm)
                    .collect();
                assert_eq!(counting, [10_000 * (day + 1)], "{order:?} on {day}");
                let gateway = tariff.gateway_fees.iter().filter(|of| {
                    (of.method, of.operation) == (Method::MTN_MOMO_LBR, Operation::Payout)
                        && holds(tariff.gateway_fee_counts(of))
                });
                let counting: Vec<i64> = gateway.map(|of| of.fee.percentage_ppm).collect();
                assert_eq!(counting, [10_000 * (day + 1)], "{order:?} on {day}");
                let rates = tariff.rates.iter().filter(|of| {
                    let pair = [currency("USD"), currency("LRD")];
                    pair.contains(&of.from)
                        && pair.contains(&of.to)
                        && holds(tariff.rate_counts(of))
                });
                assert_eq!(rates.count(), 1, "{order:?} on {day}");
                let rate = tariff.rate(currency("USD"), currency("LRD"), now);
                assert_eq!(rate, Ratio::new(200 + day, 1), "{order:?} on {day}");
            }
        }
    }
}

fn days_of(days: i64) -> i64 {
    days * 24 * 60 * minutes(1)
}

#[test]
fn a_change_is_an_event_of_the_installation() {
    let mut stage = Stage::new();
    stage.decide(&platform(29_000)).unwrap();
    let event = stage.work.events.last().unwrap();
    assert_eq!(
        (event.merchant_id, event.kind),
        (MerchantId::INSTALLATION, EventType::TariffChanged)
    );
    assert_eq!((event.entity, event.entity_id), (EventEntity::Tariff, 1));
    let note = "platform fee of COLLECTION in tier default: 2.9 %, exchange 1 %";
    assert_eq!(event.note.as_deref(), Some(note));
}

#[test]
fn later_commands_of_a_batch_are_decided_by_the_changed_tariff() {
    let mut stage = Stage::new();
    let route = Route {
        tier: "default",
        operation: COLLECTION,
        provider: Provider::PawaPay,
        method: Method::MTN_MOMO_LBR,
        unit_minor: 1,
    };
    let (base, target) = (usd(10_000), currency("USD"));
    let question = QuoteRequest { base, target, bearer: FeeBearer::Payer, route };
    let fee = |stage: &Stage| {
        fees::predict(question, &stage.work.tariff, stage.now).unwrap().platform_fee
    };
    assert_eq!(fee(&stage), 100);
    stage.decide(&platform(20_000)).unwrap();
    stage.decide(&platform(30_000)).unwrap();
    assert_eq!(fee(&stage), 300);
    // A refused change leaves nothing.
    stage.decide(&SetPlatformFee { tier: "no".to_owned(), ..platform(0) }).unwrap_err();
    assert_eq!(fee(&stage), 300);
    stage.work.reset_to_loaded();
    assert_eq!(fee(&stage), 100);
}

#[test]
fn a_change_from_a_later_time_leaves_what_holds_until_then() {
    let mut stage = Stage::new();
    let from = stage.now.plus(1_000);
    let at = |stage: &Stage, time| {
        let tariff = &stage.work.tariff;
        let fee = tariff.platform_fee("default", COLLECTION, time).unwrap();
        let (rwf, usd) = (currency("RWF"), currency("USD"));
        (fee.fee.percentage_ppm, tariff.rate(usd, rwf, time))
    };
    let now = at(&stage, stage.now);
    stage.decide(&SetPlatformFee { from: Some(from), ..platform(30_000) }).unwrap();
    let rate = Ratio::new(1, 2_000).unwrap();
    let (rwf, usd) = (currency("RWF"), currency("USD"));
    stage.decide(&SetRate { from: rwf, to: usd, rate, since: Some(from) }).unwrap();
    assert_eq!(at(&stage, stage.now), now);
    assert_eq!(at(&stage, from.plus(-1)), now);
    assert_eq!(at(&stage, from), (30_000, rate.inverse()));
    // A change in between ends where the later one begins.
    stage.decide(&platform(20_000)).unwrap();
    assert_eq!(at(&stage, from.plus(-1)).0, 20_000);
    assert_eq!(at(&stage, from).0, 30_000);
    let past = Some(stage.now.plus(-1));
    let late = stage.decide(&SetPlatformFee { from: past, ..platform(0) });
    assert_eq!(late, Err(refused(TariffFault::BeginsInPast)));
    let fee = Fee { percentage_ppm: 20_000, fixed: None };
    let method = Method::ORANGE_MONEY_LBR;
    let set = SetGatewayFee { method, operation: COLLECTION, fee, from: past };
    assert_eq!(stage.decide(&set).map(drop), Err(refused(TariffFault::BeginsInPast)));
}

#[test]
fn a_change_is_never_decided_on_a_stale_tariff() {
    let mut work = Workspace::new(Arc::new(tariff()), [7; 16], IdBlock { next: 1, end: i64::MAX });
    let newer = TariffVersion::new(2);
    work.tables.tariff.load(Lookup::Id(newer.id), Some(newer));
    let settings = Settings::default();
    let context = Context { now: ServerTime(1), settings: &settings };
    let stop = platform(1).decide(&mut work, &context).unwrap_err();
    assert!(matches!(stop, Stop::Inconsistent(_)), "{stop:?}");
}

#[test]
fn what_cannot_be_charged_is_refused() {
    let mut stage = Stage::new();
    let (method, operation) = (Method::ORANGE_MONEY_LBR, COLLECTION);
    let none = Fee::NONE;
    let is = |decided: Result<_, Vec<Refusal>>, fault| {
        assert_eq!(decided, Err(refused(fault)));
    };
    is(
        stage.decide(&SetPlatformFee { tier: "gold".to_owned(), ..platform(0) }).map(drop),
        TariffFault::UnknownTier("gold".to_owned()),
    );
    let refund = SetPlatformFee { operation: Operation::Refund, ..platform(0) };
    is(stage.decide(&refund).map(drop), TariffFault::FeeOnRefund);
    is(
        stage.decide(&SetGatewayFee { method, operation, fee: none, from: None }).map(drop),
        TariffFault::MethodWithoutMarket(method),
    );
    let fixed = Fee { percentage_ppm: 0, fixed: Some((30, currency("EUR"))) };
    let (eur, taken_in) = (currency("EUR"), currency("USD"));
    is(
        stage.decide(&SetPlatformFee { fee: fixed, ..platform(0) }).map(drop),
        TariffFault::NoRateForFixedPart { fixed: eur, taken_in },
    );
    let usd = currency("USD");
    is(
        stage.decide(&SetRate { from: usd, to: usd, rate: Ratio::ONE, since: None }).map(drop),
        TariffFault::Rate(RateFault::SameCurrency),
    );
    assert_eq!(stage.work.tariff.version, 1);
}

/// Mobile money in Zambia, which no market says anything of.
fn open_zambia(operation: Operation) -> OpenMarket {
    let method = Method::parse("MTN_MOMO_ZMB").unwrap();
    OpenMarket {
        provider: Some(Provider::PawaPay),
        country: Country::parse("ZM"),
        dial_prefix: Some("260".to_owned()),
        network_code: Some("MTN_MOMO_ZMB".to_owned()),
        display_name: Some("MTN Mobile Money".to_owned()),
        decimals: Some(2),
        fee: Some(Fee::NONE),
        ..OpenMarket::as_before(method, operation, currency("ZMW"))
    }
}

#[test]
fn a_new_method_says_once_what_it_is() {
    let mut stage = Stage::new();
    let first = stage.decide(&open_zambia(COLLECTION)).unwrap().market;
    let method = first.method;
    assert_eq!((first.decimals, first.number_start()), (2, Some("260")));
    let fee = Some(Fee::NONE);
    let payout = OpenMarket::as_before(method, Operation::Payout, first.currency);
    let second = stage.decide(&OpenMarket { fee, ..payout.clone() }).unwrap().market;
    assert_eq!(
        (&second.details, &second.dial_prefix, &second.country, second.decimals),
        (&first.details, &first.dial_prefix, &first.country, first.decimals)
    );
    assert!(stage.decide(&payout).unwrap().was_open);
    assert!(stage.work.tariff.methods().contains(&method));

    // Another name or code would contradict the market that is open.
    let code = Some("MTN_ZMB".to_owned());
    let other = OpenMarket { network_code: code.clone(), ..payout.clone() };
    let says = first.details.clone();
    assert_eq!(
        stage.decide(&other).unwrap_err(),
        refused(TariffFault::OtherDetails { method, says })
    );
    let close = |operation| CloseMarket { method, operation, currency: first.currency };
    stage.decide(&close(COLLECTION)).unwrap();
    let changed = stage.decide(&other).unwrap().market;
    assert_eq!(Some(changed.details.network_code), code);
    // In another country numbers begin otherwise.
    let abroad = OpenMarket { country: Country::parse("MW"), ..payout };
    assert_eq!(stage.decide(&abroad).unwrap().market.number_start(), Some("265"));
}

#[test]
fn what_a_new_method_says_must_fit() {
    let mut stage = Stage::new();
    let version = stage.work.tariff.version;
    let new = || open_zambia(COLLECTION);
    let mut fault = |command: OpenMarket| stage.decide(&command).unwrap_err();
    assert_eq!(
        fault(OpenMarket { dial_prefix: Some("231".to_owned()), ..new() }),
        refused(TariffFault::PrefixOfOtherCountry {
            prefix: "231".to_owned(),
            country: "ZM".to_owned(),
            code: "260"
        })
    );
    assert_eq!(
        fault(OpenMarket { decimals: Some(3), ..new() }),
        refused(TariffFault::TooManyDecimals(currency("ZMW")))
    );
    let taken = Method::MTN_MOMO_LBR.to_string();
    assert_eq!(
        fault(OpenMarket { network_code: Some(taken.clone()), ..new() }),
        refused(TariffFault::NetworkCodeTaken {
            code: taken,
            network: Provider::PawaPay,
            by: Method::MTN_MOMO_LBR
        })
    );
    let card = OpenMarket { dial_prefix: Some("1".to_owned()), ..open_in_euros(None, None) };
    assert_eq!(fault(card), refused(TariffFault::NoPhoneNumbers(Method::CREDIT_CARD)));
    let method = new().method;
    let prefix = AssignPhonePrefix {
        prefix: "26096".to_owned(),
        digits: 12,
        carrier: "MTN Zambia".to_owned(),
        country: Country::parse("ZM").unwrap(),
        method,
    };
    assert_eq!(
        stage.decide(&prefix).unwrap_err(),
        refused(TariffFault::MethodWithoutMarket(method))
    );
    assert_eq!(stage.work.tariff.version, version);
    stage.decide(&new()).unwrap();
    stage.decide(&prefix).unwrap();
}

#[test]
fn a_market_opens_once_and_on_one_network() {
    let mut stage = Stage::new();
    let new = OpenMarket { method: Method::AIRTEL_RWA, ..open_in_euros(None, None) };
    let needs = |needs| refused(TariffFault::NewMethod { method: Method::AIRTEL_RWA, needs });
    let all = [Needs::Network, Needs::NetworkCode, Needs::Country, Needs::DialPrefix];
    let all = [&all[..], &[Needs::Decimals, Needs::DisplayName]].concat();
    assert_eq!(stage.decide(&new).unwrap_err(), needs(all.clone()));
    let new = OpenMarket { provider: Some(Provider::PawaPay), ..new };
    assert_eq!(stage.decide(&new).unwrap_err(), needs(all[1..].to_vec()));
    let new = OpenMarket {
        network_code: Some("AIRTEL_RWA".to_owned()),
        dial_prefix: Some("250".to_owned()),
        decimals: Some(2),
        display_name: Some("Airtel Money".to_owned()),
        ..new
    };
    assert_eq!(stage.decide(&new).unwrap_err(), needs(vec![Needs::Country]));
    let new = OpenMarket { country: Country::parse("RW"), ..new };
    let (method, operation, network) = (Method::AIRTEL_RWA, COLLECTION, Provider::PawaPay);
    let no_fee = TariffFault::NoGatewayFee { method, operation, network };
    assert_eq!(stage.decide(&new).unwrap_err(), refused(no_fee));
    assert!(!stage.decide(&OpenMarket { fee: Some(Fee::NONE), ..new.clone() }).unwrap().was_open);

    let other = stage.decide(&open_in_euros(Some(Provider::PawaPay), None)).unwrap_err();
    let (method, network) = (Method::CREDIT_CARD, Provider::Stripe);
    assert_eq!(other, refused(TariffFault::OtherNetwork { method, network }));
    let transfer = OpenMarket { operation: Operation::Transfer, ..open_in_euros(None, None) };
    assert_eq!(stage.decide(&transfer).unwrap_err(), refused(TariffFault::OperationWithoutMarket));

    let opened = stage.decide(&open_in_euros(None, None)).unwrap();
    assert_eq!((opened.market.country.as_str(), opened.was_open), ("LR", false));
    let version = stage.work.tariff.version;
    let again = stage.decide(&open_in_euros(None, None)).unwrap();
    assert_eq!((again.market, again.was_open), (opened.market, true));
    assert_eq!(stage.work.tariff.version, version, "nothing was changed");
}

#[test]
fn what_begins_later_still_begins() {
    let mut stage = Stage::new();
    let now = stage.now;
    let later = ServerTime(now.0 + 1_000);
    let euros = CloseMarket {
        method: Method::CREDIT_CARD,
        operation: COLLECTION,
        currency: currency("EUR"),
    };
    // Another process whose clock is ahead has opened the market.
    stage.now = later;
    stage.decide(&open_in_euros(None, None)).unwrap();
    stage.now = now;
    let CloseMarket { method, operation, currency } = euros;
    let not_open = refused(TariffFault::MarketNotOpen { method, operation, currency });
    assert_eq!(stage.decide(&euros).unwrap_err(), not_open);
    let opened = stage.decide(&open_in_euros(None, None)).unwrap();
    assert_eq!(opened.market.effective, Effective { from: now, to: Some(later) });
    stage.now = ServerTime(now.0 + 10);
    assert_eq!(stage.decide(&euros), Ok(Some(later)));
}

#[test]
fn a_rate_ends_the_rates_of_both_directions() {
    let mut stage = Stage::new();
    let (rwf, usd) = (currency("RWF"), currency("USD"));
    let rate = Ratio::new(1, 1_500).unwrap();
    stage.decide(&SetRate { from: rwf, to: usd, rate, since: None }).unwrap();
    let in_effect = |row: &&domain::tariff::Rate| row.effective.at(stage.now);
    assert_eq!(stage.work.tariff.rates.iter().filter(in_effect).count(), 1);
    assert_eq!(stage.work.tariff.rate(usd, rwf, stage.now), Ratio::new(1_500, 1));
}

#[test]
fn a_phone_prefix_has_one_operator() {
    let mut stage = Stage::new();
    let prefix = "23188".to_owned();
    let ends = EndPhonePrefix { prefix: prefix.clone(), digits: 12 };
    let nobodys = TariffFault::PrefixNotAssigned { prefix: prefix.clone(), digits: 12 };
    assert_eq!(stage.decide(&ends).unwrap_err(), refused(nobodys));
    let assigned = |carrier: &str, digits| AssignPhonePrefix {
        prefix: "23188".to_owned(),
        digits,
        carrier: carrier.to_owned(),
        country: Country::parse("LR").unwrap(),
        method: Method::MTN_MOMO_LBR,
    };
    let too_long = TariffFault::PrefixTooLong { prefix, digits: 4 };
    assert_eq!(stage.decide(&assigned("One", 4)).unwrap_err(), refused(too_long));
    for carrier in ["One", "Two"] {
        stage.decide(&assigned(carrier, 12)).unwrap();
        stage.now = ServerTime(stage.now.0 + 1);
        let found = stage.work.tariff.operator("231880000001", stage.now).unwrap();
        assert_eq!(found.carrier, carrier);
    }
    assert_eq!(stage.decide(&ends), Ok(None));
    assert_eq!(stage.work.tariff.operator("231880000001", stage.now), None);
}
