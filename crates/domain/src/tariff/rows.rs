//! The tariff: markets, fees, exchange rates and phone prefixes. Its rows have effective dates, and the
//! operator changes it by adding rows. All commands of a batch are decided with one version of it.

use crate::decision::event::HasEvents;
use crate::decision::row::rows_without_alt_key;
use crate::kernel::country;
use crate::kernel::currency::Currency;
use crate::kernel::ids::{GatewayFeeId, MarketId, PhonePrefixId, PlatformFeeId, RateId, TariffId};
use crate::kernel::money::{Money, Ratio};
use crate::kernel::names::{Method, Operation, Provider};
use crate::kernel::time::ServerTime;
use crate::mutant;
use crate::network_accounts::account::NetworkAccount;
use crate::network_accounts::operator_terms::OperatorTerms;
use crate::payments::payouts_stop::PayoutsStop;
use std::collections::BTreeSet;
use std::fmt;

/// The time in which a row of the tariff is in effect.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Effective {
    /// Server time, inclusive.
    pub from: ServerTime,
    /// Server time, exclusive; `None` for no end.
    pub to: Option<ServerTime>,
}

impl Effective {
    /// Whether the row is in effect at `now`.
    #[must_use]
    pub fn at(&self, now: ServerTime) -> bool {
        self.from <= now && self.to.is_none_or(|to| now < to)
    }
}

/// The times in which a row counts, in order: of all times in which it is in effect, those at which
/// `counts` says that it is the one. `others` are the times of all rows that could take its place.
fn counting(
    row: Effective,
    others: impl Iterator<Item = Effective>,
    counts: impl Fn(ServerTime) -> bool,
) -> Vec<Effective> {
    let changes = others.flat_map(|other| [Some(other.from), other.to]).flatten();
    let within = changes.filter(|at| *at > row.from && row.at(*at));
    let begins: BTreeSet<ServerTime> =
        within.chain([row.from].into_iter().filter(|at| row.at(*at))).collect();
    let ends = begins.iter().skip(1).copied().map(Some).chain([row.to]);
    let mut periods: Vec<Effective> = vec![];
    for (from, to) in begins.iter().copied().zip(ends).filter(|(from, _)| counts(*from)) {
        match periods.last_mut() {
            Some(last) if last.to == Some(from) => last.to = to,
            _ => periods.push(Effective { from, to }),
        }
    }
    periods
}

/// A percentage and a fixed part.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fee {
    /// In millionths: 1 % is 10 000.
    pub percentage_ppm: i64,
    /// Minor units of a currency.
    pub fixed: Option<(i64, Currency)>,
}

impl Fee {
    pub const NONE: Self = Self { percentage_ppm: 0, fixed: None };
}

impl fmt::Display for Fee {
    /// For people: `2.9 % + 0.30 USD`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&percent(self.percentage_ppm))?;
        match self.fixed {
            Some((minor, currency)) => write!(f, " + {} {currency}", Money::new(minor, currency)),
            None => Ok(()),
        }
    }
}

/// A percentage for people: `2.9 %`.
#[must_use]
pub fn percent(ppm: i64) -> String {
    Ratio::new(ppm, 10_000).map_or_else(String::new, |percent| format!("{} %", percent.to_text(4)))
}

/// The version of the tariff. Every change of the tariff changes this row, so that two changes are
/// decided one after the other.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TariffVersion {
    pub id: TariffId,
    pub version: i64,
    /// How many events are about it.
    pub event_count: i64,
    /// Since when payouts and refunds are stopped, and why; see [`Tariff::payouts_stop`].
    pub payouts_stopped_at: Option<ServerTime>,
    pub payouts_stopped_for: Option<String>,
}

impl HasEvents for TariffVersion {
    fn event_count_mut(&mut self) -> &mut i64 {
        &mut self.event_count
    }
}

impl TariffVersion {
    /// The id of the only row.
    pub const ID: TariffId = TariffId(1);

    /// The row of a tariff in this version, while nothing is stopped and no event is about it.
    #[must_use]
    pub const fn new(version: i64) -> Self {
        Self {
            id: Self::ID,
            version,
            event_count: 0,
            payouts_stopped_at: None,
            payouts_stopped_for: None,
        }
    }

    #[must_use]
    pub fn payouts_stop(&self) -> Option<PayoutsStop> {
        let reason = self.payouts_stopped_for.clone().unwrap_or_default();
        self.payouts_stopped_at.map(|since| PayoutsStop { since, reason })
    }
}

rows_without_alt_key!(
    TariffVersion: TariffId,
    PlatformFee: PlatformFeeId,
    GatewayFee: GatewayFeeId,
    Rate: RateId,
    Market: MarketId,
    PhonePrefix: PhonePrefixId,
);

/// The platform's fee for an operation of a merchant in a tier.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PlatformFee {
    pub id: PlatformFeeId,
    pub tier: String,
    pub operation: Operation,
    pub fee: Fee,
    /// The fee for currency exchange, in millionths.
    pub fx_percentage_ppm: i64,
    pub effective: Effective,
    pub created_at: ServerTime,
}

/// The network's fee for an operation of a method.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GatewayFee {
    pub id: GatewayFeeId,
    pub provider: Provider,
    pub method: Method,
    pub operation: Operation,
    pub fee: Fee,
    pub effective: Effective,
    pub created_at: ServerTime,
    pub updated_at: ServerTime,
}

/// An exchange rate: one unit of `from` is `rate` units of `to`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rate {
    pub id: RateId,
    pub from: Currency,
    pub to: Currency,
    /// In major units.
    pub rate: Ratio,
    pub effective: Effective,
    pub created_at: ServerTime,
}

/// What the markets of a method say about it: those that are open at one time say the same.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MethodDetails {
    /// What the network calls the method: `ORANGE_LBR`.
    pub network_code: String,
    /// What payers see, without the country: `Orange Money`.
    pub display_name: String,
}

/// The availability of an operation of a method in a currency.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Market {
    pub id: MarketId,
    pub method: Method,
    pub provider: Provider,
    pub operation: Operation,
    pub currency: Currency,
    /// How many decimals of the currency the network takes.
    pub decimals: i64,
    /// ISO 3166, two letters.
    pub country: String,
    /// What the phone numbers of its customers begin with; `None` for the calling code of the
    /// country, and for a method that asks nobody on a phone.
    pub dial_prefix: Option<String>,
    pub details: MethodDetails,
    pub effective: Effective,
}

impl Market {
    /// What the phone numbers of the market begin with, where that is known.
    #[must_use]
    pub fn number_start(&self) -> Option<&str> {
        self.dial_prefix.as_deref().or_else(|| country::calling_code(&self.country))
    }
}

/// A fee tier, to which merchants are assigned.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tier {
    pub id: i64,
    pub name: String,
    /// Whether new merchants are assigned to it.
    pub is_default: bool,
    pub created_at: ServerTime,
    pub updated_at: ServerTime,
}

/// A range of phone numbers of a mobile-money operator.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PhonePrefix {
    pub id: PhonePrefixId,
    /// The first digits, with the country code.
    pub prefix: String,
    /// The total number of digits of such a number.
    pub digits: i64,
    /// The operator's name.
    pub carrier: String,
    /// ISO 3166, two letters.
    pub country: String,
    pub method: Method,
    pub effective: Effective,
}

#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Tariff {
    /// Incremented with each change.
    pub version: i64,
    pub tiers: Vec<Tier>,
    pub platform_fees: Vec<PlatformFee>,
    pub gateway_fees: Vec<GatewayFee>,
    pub rates: Vec<Rate>,
    pub markets: Vec<Market>,
    pub phone_prefixes: Vec<PhonePrefix>,
    /// The operator's accounts at networks, and what the networks say that can be done with them. They
    /// are no prices, but like prices every process must see a change of them at once.
    pub network_accounts: Vec<NetworkAccount>,
    pub operator_terms: Vec<OperatorTerms>,
    /// Whether payouts and refunds are stopped. That stands here for the same reason.
    pub payouts_stop: Option<PayoutsStop>,
}

impl Tariff {
    /// The name of the tier of new merchants.
    #[must_use]
    pub fn default_tier(&self) -> &str {
        self.tiers.iter().find(|tier| tier.is_default).map_or("default", |tier| tier.name.as_str())
    }

    #[must_use]
    pub fn tier(&self, name: &str) -> Option<&Tier> {
        self.tiers.iter().find(|tier| tier.name == name)
    }

    /// All methods that have or had a market, cards and wallets: mobile money first, the shipped
    /// methods in the order of the documentation and before others.
    #[must_use]
    pub fn methods(&self) -> Vec<Method> {
        let has_market = |method: Method| self.markets.iter().any(|row| row.method == method);
        let is_shipped = |method: Method| Method::SHIPPED.contains(&method);
        let mobile = |method: &Method| method.is_mobile_money();
        let others: BTreeSet<Method> =
            self.markets.iter().map(|row| row.method).filter(|of| !is_shipped(*of)).collect();
        let shipped = Method::SHIPPED.iter().copied().filter(mobile).filter(|of| has_market(*of));
        shipped.chain(others).chain([Method::CREDIT_CARD, Method::WALLET]).collect()
    }

    /// The network of a method at `now`. A method has one network at a time.
    #[must_use]
    pub fn provider_of(&self, method: Method, now: ServerTime) -> Option<Provider> {
        self.markets
            .iter()
            .find(|market| market.method == method && market.effective.at(now))
            .map(|market| market.provider)
    }

    /// The market of a method that is open at `now`, or else the one that opened last or will open
    /// last: a method's network and country seldom change.
    #[must_use]
    pub fn latest_market(&self, method: Method, now: ServerTime) -> Option<&Market> {
        let rows = self.markets.iter().filter(|row| row.method == method);
        rows.max_by_key(|row| (row.effective.at(now), row.effective.from))
    }

    /// The currencies in which a method supports an operation, in alphabetical order.
    #[must_use]
    pub fn currencies(
        &self,
        method: Method,
        provider: Provider,
        operation: Operation,
        now: ServerTime,
    ) -> Vec<Currency> {
        sorted(self.markets_of(method, provider, operation).filter(|row| row.effective.at(now)))
    }

    /// The currencies in which a method can refund collections, in alphabetical order. A collection can
    /// be refunded even after its market was closed.
    #[must_use]
    pub fn refund_currencies(
        &self,
        method: Method,
        provider: Provider,
        now: ServerTime,
    ) -> Vec<Currency> {
        sorted(
            self.markets_of(method, provider, Operation::Collection)
                .filter(|row| row.effective.from <= now),
        )
    }

    /// The probable operator of a number: the row with the longest matching prefix. Numbers are ported,
    /// so it may be another.
    #[must_use]
    pub fn operator(&self, phone: &str, now: ServerTime) -> Option<&PhonePrefix> {
        let length = i64::try_from(phone.len()).ok()?;
        let rows = self
            .phone_prefixes
            .iter()
            .filter(|row| row.digits == length && phone.starts_with(&row.prefix));
        rows.filter(|row| row.effective.at(now)).max_by_key(|row| row.prefix.len())
    }

    /// A market of the method and operation that is open at `now`, in whatever currency.
    #[must_use]
    pub fn open_market(
        &self,
        method: Method,
        provider: Provider,
        operation: Operation,
        now: ServerTime,
    ) -> Option<&Market> {
        self.markets_of(method, provider, operation).find(|row| row.effective.at(now))
    }

    /// Whether the method supports the operation in any currency.
    #[must_use]
    pub fn has_market(
        &self,
        method: Method,
        provider: Provider,
        operation: Operation,
        now: ServerTime,
    ) -> bool {
        self.open_market(method, provider, operation, now).is_some()
    }

    /// Whether the method supports the operation in that currency.
    #[must_use]
    pub fn accepts_currency(
        &self,
        method: Method,
        provider: Provider,
        operation: Operation,
        currency: Currency,
        now: ServerTime,
    ) -> bool {
        self.markets_of(method, provider, operation)
            .any(|row| row.currency == currency && row.effective.at(now))
    }

    fn markets_of(
        &self,
        method: Method,
        provider: Provider,
        operation: Operation,
    ) -> impl Iterator<Item = &Market> {
        self.markets.iter().filter(move |row| {
            row.method == method && row.provider == provider && row.operation == operation
        })
    }

    /// The platform's fee. Of several rows in effect, the one that began last counts.
    #[must_use]
    pub fn platform_fee(
        &self,
        tier: &str,
        operation: Operation,
        now: ServerTime,
    ) -> Option<&PlatformFee> {
        self.platform_fees
            .iter()
            .filter(|row| row.tier == tier && row.operation == operation && row.effective.at(now))
            .max_by_key(|row| (row.effective.from, row.id))
    }

    /// The network's fee. Of several rows in effect, the one that began last counts.
    #[must_use]
    pub fn gateway_fee(
        &self,
        provider: Provider,
        method: Method,
        operation: Operation,
        now: ServerTime,
    ) -> Option<&GatewayFee> {
        self.gateway_fees
            .iter()
            .filter(|row| {
                row.provider == provider
                    && row.method == method
                    && row.operation == operation
                    && row.effective.at(now)
            })
            .max_by_key(|row| (row.effective.from, row.id))
    }

    /// When a row is the platform's fee of its tier and operation.
    #[must_use]
    pub fn platform_fee_counts(&self, row: &PlatformFee) -> Vec<Effective> {
        let is_like =
            |other: &&PlatformFee| (&other.tier, other.operation) == (&row.tier, row.operation);
        let others = self.platform_fees.iter().filter(is_like).map(|other| other.effective);
        counting(row.effective, others, |at| {
            let fee = self.platform_fee(&row.tier, row.operation, at);
            fee.is_some_and(|fee| fee.id == row.id)
        })
    }

    /// When a row is the network's fee of its method and operation.
    #[must_use]
    pub fn gateway_fee_counts(&self, row: &GatewayFee) -> Vec<Effective> {
        let of = |row: &GatewayFee| (row.provider, row.method, row.operation);
        let others = self.gateway_fees.iter().filter(|other| of(other) == of(row));
        counting(row.effective, others.map(|other| other.effective), |at| {
            let fee = self.gateway_fee(row.provider, row.method, row.operation, at);
            fee.is_some_and(|fee| fee.id == row.id)
        })
    }

    /// When a row is the rate of its pair of currencies.
    #[must_use]
    pub fn rate_counts(&self, row: &Rate) -> Vec<Effective> {
        let pair = [(row.from, row.to), (row.to, row.from)];
        let others = self.rates.iter().filter(|other| pair.contains(&(other.from, other.to)));
        counting(row.effective, others.map(|other| other.effective), |at| {
            self.row_of_pair(row.from, row.to, at).is_some_and(|rate| rate.id == row.id)
        })
    }

    /// The units of `to` for one unit of `from`: a stored rate, its inverse, or the cross rate through
    /// USD.
    #[must_use]
    pub fn rate(&self, from: Currency, to: Currency, now: ServerTime) -> Option<Ratio> {
        if from == to {
            return Some(Ratio::ONE);
        }
        self.direct(from, to, now).or_else(|| {
            let to_usd = self.direct(from, Currency::USD, now)?;
            to_usd.times(self.direct(Currency::USD, to, now)?)
        })
    }

    fn direct(&self, from: Currency, to: Currency, now: ServerTime) -> Option<Ratio> {
        let row = self.row_of_pair(from, to, now)?;
        if row.from == from { Some(row.rate) } else { row.rate.inverse() }
    }

    /// The rate of a pair of currencies that began last, whether it is stored in this direction or the
    /// other.
    fn row_of_pair(&self, from: Currency, to: Currency, now: ServerTime) -> Option<&Rate> {
        let of_pair = |row: &&Rate| {
            [(from, to), (to, from)].contains(&(row.from, row.to)) && row.effective.at(now)
        };
        let begun = |row: &&Rate| {
            let overlooked = mutant!(RateOneWay) && row.from != from;
            (!overlooked, row.effective.from, row.id)
        };
        self.rates.iter().filter(of_pair).max_by_key(begun)
    }
}

fn sorted<'a>(rows: impl Iterator<Item = &'a Market>) -> Vec<Currency> {
    let mut currencies: Vec<Currency> = rows.map(|row| row.currency).collect();
    currencies.sort_unstable();
    currencies.dedup();
    currencies
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOMO: (Method, Provider) = (Method::MTN_MOMO_LBR, Provider::PawaPay);

    fn currency(code: &str) -> Currency {
        Currency::parse(code).unwrap()
    }

    /// Open from `from` to `to`, in US dollars.
    fn market(from: i64, to: Option<i64>) -> Market {
        Market {
            id: MarketId(1),
            method: MOMO.0,
            provider: MOMO.1,
            operation: Operation::Collection,
            currency: currency("USD"),
            decimals: 2,
            country: "LR".into(),
            dial_prefix: Some("231".into()),
            details: MethodDetails {
                network_code: "MTN_MOMO_LBR".into(),
                display_name: "MTN Mobile Money".into(),
            },
            effective: Effective { from: ServerTime(from), to: to.map(ServerTime) },
        }
    }

    #[test]
    fn a_market_is_open_from_its_first_instant_to_before_its_last() {
        let later = Market { currency: currency("LRD"), ..market(20, None) };
        let tariff = Tariff { markets: vec![later, market(10, Some(30))], ..Tariff::default() };
        let at = |now| {
            let now = ServerTime(now);
            let currencies = tariff.currencies(MOMO.0, MOMO.1, Operation::Collection, now);
            assert_eq!(
                tariff.has_market(MOMO.0, MOMO.1, Operation::Collection, now),
                !currencies.is_empty()
            );
            assert_eq!(tariff.provider_of(MOMO.0, now), (!currencies.is_empty()).then_some(MOMO.1));
            for code in ["USD", "LRD"] {
                let takes = tariff.accepts_currency(
                    MOMO.0,
                    MOMO.1,
                    Operation::Collection,
                    currency(code),
                    now,
                );
                assert_eq!(takes, currencies.contains(&currency(code)));
            }
            currencies.iter().map(Currency::code).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(
            [at(9), at(10), at(19), at(20), at(29), at(30)],
            ["", "USD", "USD", "LRD USD", "LRD USD", "LRD"]
        );
    }

    #[test]
    fn the_methods_are_those_of_all_markets_and_cards_and_wallets() {
        let of = |name| Market { method: Method::parse(name).unwrap(), ..market(10, Some(30)) };
        let names = ["MTN_MOMO_ZMB", "MTN_MOMO_RWA", "AIRTEL_MWI", "WALLET", "MTN_MOMO_LBR"];
        let tariff = Tariff { markets: names.map(of).to_vec(), ..Tariff::default() };
        let expected =
            ["MTN_MOMO_LBR", "MTN_MOMO_RWA", "AIRTEL_MWI", "MTN_MOMO_ZMB", "CREDIT_CARD", "WALLET"];
        assert_eq!(tariff.methods(), expected.map(|name| Method::parse(name).unwrap()));
    }

    #[test]
    fn numbers_begin_as_the_market_says_or_as_its_country_does() {
        let stated = Market { dial_prefix: Some("23188".into()), ..market(10, None) };
        assert_eq!(stated.number_start(), Some("23188"));
        let not = Market { dial_prefix: None, ..stated };
        assert_eq!(not.number_start(), Some("231"));
        assert_eq!(Market { country: "AQ".into(), ..not }.number_start(), None);
    }

    #[test]
    fn a_closed_market_gives_back_what_it_took() {
        let tariff = Tariff {
            markets: vec![market(10, Some(30)), market(40, Some(50)), market(90, None)],
            ..Tariff::default()
        };
        let back = |now| tariff.refund_currencies(MOMO.0, MOMO.1, ServerTime(now));
        assert_eq!(
            [back(9), back(35), back(60)],
            [vec![], vec![currency("USD")], vec![currency("USD")]]
        );
        assert!(
            tariff.currencies(MOMO.0, MOMO.1, Operation::Collection, ServerTime(35)).is_empty()
        );
    }

    #[test]
    fn of_a_pair_of_currencies_the_rate_that_began_last_holds_both_ways() {
        let rate = |id, from, to, num, den, since| Rate {
            id: RateId(id),
            from: currency(from),
            to: currency(to),
            rate: Ratio::new(num, den).unwrap(),
            effective: Effective { from: ServerTime(since), to: None },
            created_at: ServerTime(0),
        };
        let rates = vec![rate(1, "USD", "LRD", 192, 1, 10), rate(2, "LRD", "USD", 1, 250, 20)];
        let tariff = Tariff { rates, ..Tariff::default() };
        let at = |from, to, now| tariff.rate(currency(from), currency(to), ServerTime(now));
        assert_eq!(at("USD", "LRD", 15), Ratio::new(192, 1));
        assert_eq!(
            (at("USD", "LRD", 25), at("LRD", "USD", 25)),
            (Ratio::new(250, 1), Ratio::new(1, 250))
        );
    }

    #[test]
    fn the_longest_prefix_that_holds_tells_the_operator() {
        let prefix = |prefix: &str, from, to: Option<i64>| PhonePrefix {
            id: PhonePrefixId(from),
            prefix: prefix.into(),
            digits: 12,
            carrier: format!("{prefix} since {from}"),
            country: "LR".into(),
            method: MOMO.0,
            effective: Effective { from: ServerTime(from), to: to.map(ServerTime) },
        };
        let rows = vec![
            prefix("23188", 10, None),
            prefix("231880", 20, Some(30)),
            prefix("231880", 30, Some(40)),
        ];
        let tariff = Tariff { phone_prefixes: rows, ..Tariff::default() };
        let at = |now| {
            tariff.operator("231880000001", ServerTime(now)).map_or("", |row| row.carrier.as_str())
        };
        assert_eq!(
            [at(9), at(19), at(20), at(30), at(40)],
            ["", "23188 since 10", "231880 since 20", "231880 since 30", "23188 since 10"]
        );
        assert_eq!(tariff.operator("23188000001", ServerTime(20)), None, "a digit too few");
    }
}
