//! The market of a new database, as a file that people read and write: `config.default.toml`, or an operator's own.

use domain::currency::Currency;
use domain::money::{Decimal, MAX_MINOR};
use domain::names::{Method, Operation, Provider};
use domain::time::Timestamp;
use serde::de::{Deserialize, Deserializer, Error};

/// The market that is shipped.
const SHIPPED: &str = include_str!("../../../config.default.toml");

/// A millionth part is the finest share: 1 % is 10 000 of them.
const PPM_PER_PERCENT: i64 = 10_000;

/// A value that stands in the file as a text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Word<T>(pub T);

/// What a text of the file can be read as.
pub trait FromWord: Sized {
    /// What a text should be that cannot be read.
    const WHAT: &'static str;

    /// Reads it.
    fn from_word(text: &str) -> Option<Self>;
}

impl<'de, T: FromWord> Deserialize<'de> for Word<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        T::from_word(&text).map(Self).ok_or_else(|| D::Error::custom(format!("\"{text}\" is not {}", T::WHAT)))
    }
}

macro_rules! words { ($($type:ty, $what:literal, $read:expr;)*) => {$(
    impl FromWord for $type {
        const WHAT: &'static str = $what;

        fn from_word(text: &str) -> Option<Self> {
            $read(text)
        }
    }
)*}}
words! {
    Method, "a method", Self::parse;
    Provider, "a provider", Self::parse;
    Operation, "an operation", Self::parse;
    Currency, "a currency of ISO 4217", Self::parse;
    Timestamp, "a time like 2027-01-01T00:00:00Z", Self::parse;
    Decimal, "a number", Self::parse;
    Percentage, "a percentage from 0 to 100 with at most four decimals", Self::parse;
    Country, "a country of ISO 3166, two letters", Self::parse;
    Digits, "the first digits of a number, without plus sign", Self::parse;
}

/// A share, written in percent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Percentage {
    /// In millionths.
    pub ppm: i64,
}

impl Percentage {
    /// Reads `2.9` as 2.9 %.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let ratio = Decimal::parse(text)?.to_ratio()?;
        let parts = i128::from(ratio.num()) * i128::from(PPM_PER_PERCENT);
        let den = i128::from(ratio.den());
        let ppm = i64::try_from(parts / den).ok().filter(|_| parts % den == 0)?;
        (0..=100 * PPM_PER_PERCENT).contains(&ppm).then_some(Self { ppm })
    }
}

/// A country code.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Country(pub String);

impl Country {
    fn parse(text: &str) -> Option<Self> {
        (text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase())).then(|| Self(text.to_owned()))
    }
}

/// The first digits of a number.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Digits(pub String);

impl Digits {
    fn parse(text: &str) -> Option<Self> {
        let digits = (1..=15).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        (digits && !text.starts_with('0')).then(|| Self(text.to_owned()))
    }
}

/// A fixed part of a fee, which may be zero.
#[derive(serde::Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(deny_unknown_fields)]
pub struct Fixed {
    amount: Word<Decimal>,
    currency: Word<Currency>,
}

impl Fixed {
    /// A fixed part of this amount.
    #[must_use]
    pub const fn new(amount: Decimal, currency: Currency) -> Self {
        Self { amount: Word(amount), currency: Word(currency) }
    }

    /// In minor units, with its currency.
    ///
    /// # Errors
    /// A sentence, when the amount is below zero, too large, or has more decimals than the currency.
    pub fn minor(self) -> Result<(i64, Currency), String> {
        let (amount, currency) = (self.amount.0, self.currency.0);
        let zero = amount.to_ratio().is_some_and(|ratio| ratio.num() == 0);
        let minor = if zero { Some(0) } else { amount.to_money(currency).ok().map(|money| money.minor) };
        let bad = || format!("a fixed fee in {currency} has {} decimals and is not below zero", currency.exponent());
        minor.filter(|minor| *minor <= MAX_MINOR).map(|minor| (minor, currency)).ok_or_else(bad)
    }
}

/// A fee tier.
#[derive(serde::Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct TierEntry {
    /// Its name.
    pub name: String,
    /// Whether new merchants get it.
    #[serde(default)]
    pub default: bool,
}

/// What the platform takes.
#[derive(serde::Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct PlatformEntry {
    /// Of this tier.
    pub tier: String,
    /// For this operation.
    pub operation: Word<Operation>,
    /// A share.
    pub percentage: Word<Percentage>,
    /// And a fixed part.
    pub fixed: Option<Fixed>,
    /// And a share for exchange.
    pub exchange_percentage: Word<Percentage>,
    /// Since then.
    pub from: Option<Word<Timestamp>>,
    /// Until then.
    pub to: Option<Word<Timestamp>>,
}

/// What the network of methods takes.
#[derive(serde::Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct GatewayEntry {
    /// Of these methods.
    pub methods: Vec<Word<Method>>,
    /// For this operation.
    pub operation: Word<Operation>,
    /// A share.
    pub percentage: Word<Percentage>,
    /// And a fixed part.
    pub fixed: Option<Fixed>,
    /// Since then.
    pub from: Option<Word<Timestamp>>,
    /// Until then.
    pub to: Option<Word<Timestamp>>,
}

/// What a method does.
#[derive(serde::Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct MarketEntry {
    /// The method.
    pub method: Word<Method>,
    /// Its network.
    pub provider: Word<Provider>,
    /// Its country.
    pub country: Word<Country>,
    /// Which operations it does
    pub operations: Vec<Word<Operation>>,
    /// in which currencies.
    pub currencies: Vec<Word<Currency>>,
}

/// An exchange rate.
#[derive(serde::Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct RateEntry {
    /// One unit of this currency
    pub from_currency: Word<Currency>,
    /// is in this one
    pub to_currency: Word<Currency>,
    /// so many units.
    pub rate: Word<Decimal>,
    /// Since then.
    pub from: Option<Word<Timestamp>>,
    /// Until then.
    pub to: Option<Word<Timestamp>>,
}

/// Whose numbers begin so.
#[derive(serde::Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct PhoneEntry {
    /// The operator.
    pub carrier: String,
    /// Its country.
    pub country: Word<Country>,
    /// Its method.
    pub method: Word<Method>,
    /// How many digits such a number has.
    pub digits: u8,
    /// How it begins.
    pub prefixes: Vec<Word<Digits>>,
}

/// All that the file says.
#[derive(serde::Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct MarketFile {
    /// Fee tiers.
    #[serde(rename = "tier")]
    pub tiers: Vec<TierEntry>,
    /// Platform fees.
    #[serde(rename = "platform_fee", default)]
    pub platform_fees: Vec<PlatformEntry>,
    /// Markets.
    #[serde(rename = "market")]
    pub markets: Vec<MarketEntry>,
    /// Gateway fees.
    #[serde(rename = "gateway_fee", default)]
    pub gateway_fees: Vec<GatewayEntry>,
    /// Exchange rates.
    #[serde(rename = "rate", default)]
    pub rates: Vec<RateEntry>,
    /// Phone numbers.
    #[serde(rename = "phone", default)]
    pub phones: Vec<PhoneEntry>,
}

impl MarketFile {
    /// Reads a file's text.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn read(text: &str) -> Result<Self, String> {
        let file: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        file.check()?;
        Ok(file)
    }

    /// The market that is shipped.
    ///
    /// # Errors
    /// None: a test reads it.
    pub fn shipped() -> Result<Self, String> {
        Self::read(SHIPPED)
    }

    /// What holds between the rows.
    fn check(&self) -> Result<(), String> {
        let defaults = self.tiers.iter().filter(|tier| tier.default).count();
        if defaults != 1 {
            return Err(format!("{defaults} tiers say `default = true`; one must"));
        }
        distinct("tier", self.tiers.iter().map(|tier| &tier.name))?;
        if let Some(fee) = self.platform_fees.iter().find(|fee| self.tiers.iter().all(|tier| tier.name != fee.tier)) {
            return Err(format!("a platform fee is of tier \"{}\", which is not there", fee.tier));
        }
        // A method has one network: what a payment costs and where it goes follow from the method.
        distinct("market of the method", self.markets.iter().map(|market| market.method.0))?;
        let refund_costs = |operation: Operation, ppm: i64, fixed: &Option<Fixed>| {
            operation == Operation::Refund && (ppm != 0 || fixed.is_some())
        };
        if self.platform_fees.iter().any(|fee| refund_costs(fee.operation.0, fee.percentage.0.ppm, &fee.fixed))
            || self.gateway_fees.iter().any(|fee| refund_costs(fee.operation.0, fee.percentage.0.ppm, &fee.fixed))
        {
            return Err(NO_REFUND_FEES.to_owned());
        }
        for fee in &self.gateway_fees {
            if let Some(method) = fee.methods.iter().find(|method| self.provider_of(method.0).is_none()) {
                return Err(format!("a gateway fee is of {}, which has no market", method.0));
            }
        }
        let fixed = self.platform_fees.iter().filter_map(|fee| fee.fixed);
        for fixed in fixed.chain(self.gateway_fees.iter().filter_map(|fee| fee.fixed)) {
            fixed.minor()?;
        }
        if self.rates.iter().any(|rate| rate.rate.0.to_ratio().is_none_or(|ratio| ratio.num() <= 0)) {
            return Err("a rate is above zero and has at most 18 digits".to_owned());
        }
        if self.rates.iter().any(|rate| rate.from_currency == rate.to_currency) {
            return Err("a rate is between two currencies".to_owned());
        }
        if self.phones.iter().any(|phone| !(8..=15).contains(&phone.digits)) {
            return Err("a phone number has 8 to 15 digits".to_owned());
        }
        distinct("phone prefix", self.phones.iter().flat_map(|row| row.prefixes.iter().map(|p| (row.digits, &p.0.0))))
    }

    /// The network of a method.
    #[must_use]
    pub fn provider_of(&self, method: Method) -> Option<Provider> {
        self.markets.iter().find(|market| market.method.0 == method).map(|market| market.provider.0)
    }
}

/// Why a refund has no fees of its own.
pub const NO_REFUND_FEES: &str = "a refund has no fees: those of its collection stay spent";

fn distinct<T: Ord + std::fmt::Debug>(what: &str, values: impl Iterator<Item = T>) -> Result<(), String> {
    let mut seen = std::collections::BTreeSet::new();
    for value in values {
        if seen.contains(&value) {
            return Err(format!("the {what} {value:?} is there twice"));
        }
        seen.insert(value);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shipped_can_be_read() {
        let file = MarketFile::shipped().unwrap();
        assert_eq!(file.markets.len(), Method::ALL.len());
        assert_eq!(file.provider_of(Method::CreditCard), Some(Provider::Stripe));
    }

    fn refused(from: &str, to: &str) -> String {
        assert!(SHIPPED.contains(from), "{from}");
        MarketFile::read(&SHIPPED.replacen(from, to, 1)).unwrap_err()
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        assert!(refused("method = \"MTN_MOMO_LBR\"", "method = \"MTN\"").contains("\"MTN\" is not a method"));
        let said = refused("percentage = \"2.9\"", "percentage = 2.9");
        assert!(said.contains("line") && said.contains("expected a string"), "{said}");
        assert!(refused("percentage = \"2.9\"", "percentage = \"-1\"").contains("not a percentage"));
        assert!(refused("country = \"LR\"", "land = \"LR\"").contains("land"));
        assert!(refused("default = true", "default = false").contains("0 tiers"));
        assert!(refused("tier = \"default\"", "tier = \"gold\"").contains("gold"));
        assert!(refused("amount = \"0.30\"", "amount = \"0.305\"").contains("2 decimals"));
        assert!(refused("rate = \"192\"", "rate = \"0\"").contains("above zero"));
        assert!(refused("\"25073\"", "\"25072\"").contains("twice"));
        let last = SHIPPED.rfind("percentage = \"0\"").unwrap();
        let fee = format!("{}percentage = \"1\"{}", &SHIPPED[..last], &SHIPPED[last + 16..]);
        assert_eq!(MarketFile::read(&fee).unwrap_err(), NO_REFUND_FEES);
    }

    #[test]
    fn percentages_are_exact() {
        let ppm = |text| Percentage::parse(text).map(|share| share.ppm);
        assert_eq!(
            [ppm("1"), ppm("2.9"), ppm("0.0001"), ppm("0"), ppm("100")].map(Option::unwrap),
            [10_000, 29_000, 1, 0, 1_000_000]
        );
        assert_eq!([ppm("0.00001"), ppm("-1"), ppm("100.1"), ppm("x")], [None; 4]);
    }
}
