//! The tariff: which markets are open, what a payment costs, what currencies exchange for. Rows
//! with effective dates that an operator may change; one version of it serves a whole batch.

use crate::kernel::currency::Currency;
use crate::kernel::money::Ratio;
use crate::kernel::names::{Method, Operation, Provider};
use crate::kernel::time::Timestamp;
use crate::mutant;

/// The time in which a row of the tariff holds: from, inclusive, to, exclusive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Effective {
    /// Server time.
    pub from: Timestamp,
    /// Server time; open when `None`.
    pub to: Option<Timestamp>,
}

impl Effective {
    /// Whether the row holds at `now`.
    #[must_use]
    pub fn at(&self, now: Timestamp) -> bool {
        self.from <= now && self.to.is_none_or(|to| now < to)
    }
}

/// A fee: a share and a fixed part.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fee {
    /// The share, in millionths: 1 % is 10 000.
    pub percentage_ppm: i64,
    /// The fixed part in minor units, with its currency.
    pub fixed: Option<(i64, Currency)>,
}

impl Fee {
    /// No fee.
    pub const NONE: Self = Self { percentage_ppm: 0, fixed: None };
}

/// What a tier pays the platform for an operation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PlatformFee {
    pub id: i64,
    pub tier: String,
    pub operation: Operation,
    pub fee: Fee,
    /// The share for exchange, in millionths.
    pub fx_percentage_ppm: i64,
    pub effective: Effective,
    /// Server time.
    pub created_at: Timestamp,
}

/// What a method's network charges for an operation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GatewayFee {
    pub id: i64,
    pub provider: Provider,
    pub method: Method,
    pub operation: Operation,
    pub fee: Fee,
    pub effective: Effective,
    /// Server time.
    pub created_at: Timestamp,
    /// Server time.
    pub updated_at: Timestamp,
}

/// An exchange rate: one unit of `from` is `rate` units of `to`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rate {
    pub id: i64,
    /// From this currency,
    pub from: Currency,
    /// to this one,
    pub to: Currency,
    /// in major units.
    pub rate: Ratio,
    pub effective: Effective,
}

/// A method, through a network, doing an operation in a currency.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Market {
    pub method: Method,
    pub provider: Provider,
    pub operation: Operation,
    pub currency: Currency,
    /// ISO 3166, two letters.
    pub country: String,
    /// When it is open.
    pub effective: Effective,
}

/// A fee tier.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tier {
    pub id: i64,
    pub name: String,
    /// Whether new merchants get it.
    pub is_default: bool,
    /// Server time.
    pub created_at: Timestamp,
    /// Server time.
    pub updated_at: Timestamp,
}

/// Numbers of a mobile-money operator.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PhonePrefix {
    /// The first digits, country code and all.
    pub prefix: String,
    /// How many digits such a number has.
    pub digits: i64,
    /// The operator, by the name that people know.
    pub carrier: String,
    /// ISO 3166, two letters.
    pub country: String,
    /// The operator's method.
    pub method: Method,
    /// When the numbers are the operator's.
    pub effective: Effective,
}

/// All of it.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Tariff {
    /// Raised with each change.
    pub version: i64,
    pub tiers: Vec<Tier>,
    pub platform_fees: Vec<PlatformFee>,
    pub gateway_fees: Vec<GatewayFee>,
    pub rates: Vec<Rate>,
    pub markets: Vec<Market>,
    /// Which numbers are whose.
    pub phone_prefixes: Vec<PhonePrefix>,
}

impl Tariff {
    /// The tier of new merchants.
    #[must_use]
    pub fn default_tier(&self) -> &str {
        self.tiers.iter().find(|tier| tier.is_default).map_or("default", |tier| tier.name.as_str())
    }

    /// The tier of that name.
    #[must_use]
    pub fn tier(&self, name: &str) -> Option<&Tier> {
        self.tiers.iter().find(|tier| tier.name == name)
    }

    /// The network that carries a method at `now`; each has one.
    #[must_use]
    pub fn provider_of(&self, method: Method, now: Timestamp) -> Option<Provider> {
        self.markets
            .iter()
            .find(|market| market.method == method && market.effective.at(now))
            .map(|market| market.provider)
    }

    /// The currencies in which a method does an operation, in the order of the alphabet.
    #[must_use]
    pub fn currencies(
        &self,
        method: Method,
        provider: Provider,
        operation: Operation,
        now: Timestamp,
    ) -> Vec<Currency> {
        sorted(self.markets_of(method, provider, operation).filter(|row| row.effective.at(now)))
    }

    /// The currencies in which a method gives back what it collected, in the order of the alphabet:
    /// be its market closed by now, what came in through it still goes back.
    #[must_use]
    pub fn refund_currencies(
        &self,
        method: Method,
        provider: Provider,
        now: Timestamp,
    ) -> Vec<Currency> {
        sorted(
            self.markets_of(method, provider, Operation::Collection)
                .filter(|row| row.effective.from <= now),
        )
    }

    /// Whose number it is: the row of the longest prefix. Numbers are ported, so this is a guess.
    #[must_use]
    pub fn operator(&self, phone: &str, now: Timestamp) -> Option<&PhonePrefix> {
        let length = i64::try_from(phone.len()).ok()?;
        let rows = self
            .phone_prefixes
            .iter()
            .filter(|row| row.digits == length && phone.starts_with(&row.prefix));
        rows.filter(|row| row.effective.at(now)).max_by_key(|row| row.prefix.len())
    }

    /// The country in which a method does an operation at `now`.
    #[must_use]
    pub fn country_of(
        &self,
        method: Method,
        provider: Provider,
        operation: Operation,
        now: Timestamp,
    ) -> Option<&str> {
        self.markets_of(method, provider, operation)
            .find(|row| row.effective.at(now))
            .map(|row| row.country.as_str())
    }

    /// Whether the method does the operation in any currency.
    #[must_use]
    pub fn has_market(
        &self,
        method: Method,
        provider: Provider,
        operation: Operation,
        now: Timestamp,
    ) -> bool {
        self.markets_of(method, provider, operation).any(|row| row.effective.at(now))
    }

    /// Whether the method does the operation in that currency.
    #[must_use]
    pub fn takes(
        &self,
        method: Method,
        provider: Provider,
        operation: Operation,
        currency: Currency,
        now: Timestamp,
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

    /// The platform's fee for a tier's operation; the newest row that holds.
    #[must_use]
    pub fn platform_fee(
        &self,
        tier: &str,
        operation: Operation,
        now: Timestamp,
    ) -> Option<&PlatformFee> {
        self.platform_fees
            .iter()
            .filter(|row| row.tier == tier && row.operation == operation && row.effective.at(now))
            .max_by_key(|row| (row.effective.from, row.id))
    }

    /// The network's fee for a method's operation; the newest row that holds.
    #[must_use]
    pub fn gateway_fee(
        &self,
        provider: Provider,
        method: Method,
        operation: Operation,
        now: Timestamp,
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

    /// How many units of `to` one unit of `from` is: a stored rate, its inverse, or the cross rate
    /// through USD.
    #[must_use]
    pub fn rate(&self, from: Currency, to: Currency, now: Timestamp) -> Option<Ratio> {
        if from == to {
            return Some(Ratio::ONE);
        }
        self.direct(from, to, now).or_else(|| {
            let usd = Currency::parse("USD")?;
            self.direct(from, usd, now)?.times(self.direct(usd, to, now)?)
        })
    }

    /// A pair has one rate, whichever way round it was written: the one that began last.
    fn direct(&self, from: Currency, to: Currency, now: Timestamp) -> Option<Ratio> {
        let of_pair = |row: &&Rate| {
            [(from, to), (to, from)].contains(&(row.from, row.to)) && row.effective.at(now)
        };
        let begun = |row: &&Rate| {
            let overlooked = mutant!(RateOneWay) && row.from != from;
            (!overlooked, row.effective.from, row.id)
        };
        let row = self.rates.iter().filter(of_pair).max_by_key(begun)?;
        if row.from == from { Some(row.rate) } else { row.rate.inverse() }
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

    const MOMO: (Method, Provider) = (Method::MtnMomoLbr, Provider::PawaPay);

    fn currency(code: &str) -> Currency {
        Currency::parse(code).unwrap()
    }

    /// Open from `from` to `to`, in US dollars.
    fn market(from: i64, to: Option<i64>) -> Market {
        Market {
            method: MOMO.0,
            provider: MOMO.1,
            operation: Operation::Collection,
            currency: currency("USD"),
            country: "LR".into(),
            effective: Effective { from: Timestamp(from), to: to.map(Timestamp) },
        }
    }

    #[test]
    fn a_market_is_open_from_its_first_instant_to_before_its_last() {
        let later = Market { currency: currency("LRD"), ..market(20, None) };
        let tariff = Tariff { markets: vec![later, market(10, Some(30))], ..Tariff::default() };
        let at = |now| {
            let now = Timestamp(now);
            let currencies = tariff.currencies(MOMO.0, MOMO.1, Operation::Collection, now);
            assert_eq!(
                tariff.has_market(MOMO.0, MOMO.1, Operation::Collection, now),
                !currencies.is_empty()
            );
            assert_eq!(tariff.provider_of(MOMO.0, now), (!currencies.is_empty()).then_some(MOMO.1));
            for code in ["USD", "LRD"] {
                let takes =
                    tariff.takes(MOMO.0, MOMO.1, Operation::Collection, currency(code), now);
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
    fn a_closed_market_gives_back_what_it_took() {
        let tariff = Tariff {
            markets: vec![market(10, Some(30)), market(40, Some(50)), market(90, None)],
            ..Tariff::default()
        };
        let back = |now| tariff.refund_currencies(MOMO.0, MOMO.1, Timestamp(now));
        assert_eq!(
            [back(9), back(35), back(60)],
            [vec![], vec![currency("USD")], vec![currency("USD")]]
        );
        assert!(tariff.currencies(MOMO.0, MOMO.1, Operation::Collection, Timestamp(35)).is_empty());
    }

    #[test]
    fn of_a_pair_of_currencies_the_rate_that_began_last_holds_both_ways() {
        let rate = |id, from, to, num, den, since| Rate {
            id,
            from: currency(from),
            to: currency(to),
            rate: Ratio::new(num, den).unwrap(),
            effective: Effective { from: Timestamp(since), to: None },
        };
        let rates = vec![rate(1, "USD", "LRD", 192, 1, 10), rate(2, "LRD", "USD", 1, 250, 20)];
        let tariff = Tariff { rates, ..Tariff::default() };
        let at = |from, to, now| tariff.rate(currency(from), currency(to), Timestamp(now));
        assert_eq!(at("USD", "LRD", 15), Ratio::new(192, 1));
        assert_eq!(
            (at("USD", "LRD", 25), at("LRD", "USD", 25)),
            (Ratio::new(250, 1), Ratio::new(1, 250))
        );
    }

    #[test]
    fn the_longest_prefix_that_holds_tells_the_operator() {
        let prefix = |prefix: &str, from, to: Option<i64>| PhonePrefix {
            prefix: prefix.into(),
            digits: 12,
            carrier: format!("{prefix} since {from}"),
            country: "LR".into(),
            method: MOMO.0,
            effective: Effective { from: Timestamp(from), to: to.map(Timestamp) },
        };
        let rows = vec![
            prefix("23188", 10, None),
            prefix("231880", 20, Some(30)),
            prefix("231880", 30, Some(40)),
        ];
        let tariff = Tariff { phone_prefixes: rows, ..Tariff::default() };
        let at = |now| {
            tariff.operator("231880000001", Timestamp(now)).map_or("", |row| row.carrier.as_str())
        };
        assert_eq!(
            [at(9), at(19), at(20), at(30), at(40)],
            ["", "23188 since 10", "231880 since 20", "231880 since 30", "23188 since 10"]
        );
        assert_eq!(tariff.operator("23188000001", Timestamp(20)), None, "a digit too few");
    }
}
