//! Values that the market file writes as text: names, times and exact decimals.

use domain::kernel::country::Country;
use domain::kernel::currency::Currency;
use domain::kernel::money::{Decimal, MAX_MINOR};
use domain::kernel::names::{Method, Operation, Provider};
use domain::kernel::time::ServerTime;
use serde::de::{Deserialize, Deserializer, Error};

/// Parts per million in one per cent. Percentages are stored in parts per million.
const PPM_PER_PERCENT: i64 = 10_000;

/// A value that is written as text in the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Parsed<T>(pub T);

/// A type that is parsed from a text of the file.
pub trait FromText: Sized {
    /// What the text should be, for the error message: "... is not WHAT".
    const WHAT: &'static str;

    fn from_text(text: &str) -> Option<Self>;
}

impl<'de, T: FromText> Deserialize<'de> for Parsed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        T::from_text(&text)
            .map(Self)
            .ok_or_else(|| D::Error::custom(format!("\"{text}\" is not {}", T::WHAT)))
    }
}

macro_rules! from_text { ($($type:ty, $what:literal, $read:expr;)*) => {$(
    impl FromText for $type {
        const WHAT: &'static str = $what;

        fn from_text(text: &str) -> Option<Self> {
            $read(text)
        }
    }
)*}}
from_text! {
    Method, "a method", Self::parse;
    Provider, "a provider", Self::parse;
    Operation, "an operation", Self::parse;
    Currency, "a currency of ISO 4217", Self::parse;
    ServerTime, "a time like 2027-01-01T00:00:00Z", Self::parse;
    Decimal, "a number", Self::parse;
    Percentage, "a percentage from 0 to 100 with at most four decimals", Self::parse;
    Country, "a country of ISO 3166, two letters or three", Self::parse;
    NetworkCode, "a code of 3 to 40 capital letters, digits and underscores", Self::parse;
    DisplayName, "a name of 1 to 40 characters", Self::parse;
    Digits, "the first digits of a number, without plus sign", Self::parse;
}

/// A percentage, exact to four decimals.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Percentage {
    /// In parts per million.
    pub ppm: i64,
}

impl Percentage {
    /// Parses `2.9` as 2.9 %. `None` outside 0 to 100, and for more than four decimals.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let ratio = Decimal::parse(text)?.to_ratio()?;
        let parts = i128::from(ratio.num()) * i128::from(PPM_PER_PERCENT);
        let den = i128::from(ratio.den());
        let ppm = i64::try_from(parts / den).ok().filter(|_| parts % den == 0)?;
        (0..=100 * PPM_PER_PERCENT).contains(&ppm).then_some(Self { ppm })
    }
}

/// What a network calls a method. It has the form of a method's name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NetworkCode(pub String);

impl NetworkCode {
    fn parse(text: &str) -> Option<Self> {
        Method::parse(text).map(|name| Self(name.to_string()))
    }
}

/// What payers see of a method.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DisplayName(pub String);

impl DisplayName {
    /// The most characters.
    pub const MAX: usize = 40;

    fn parse(text: &str) -> Option<Self> {
        let name = text.trim();
        let fits =
            (1..=Self::MAX).contains(&name.chars().count()) && !name.contains(char::is_control);
        fits.then(|| Self(name.to_owned()))
    }
}

/// The first digits of a phone number, in international form without the plus sign.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Digits(pub String);

impl Digits {
    fn parse(text: &str) -> Option<Self> {
        let digits =
            (1..=15).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        (digits && !text.starts_with('0')).then(|| Self(text.to_owned()))
    }
}

/// The fixed part of a fee, which may be zero.
#[derive(serde::Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(deny_unknown_fields)]
pub struct Fixed {
    amount: Parsed<Decimal>,
    currency: Parsed<Currency>,
}

impl Fixed {
    #[must_use]
    pub const fn new(amount: Decimal, currency: Currency) -> Self {
        Self { amount: Parsed(amount), currency: Parsed(currency) }
    }

    /// The amount in minor units, with its currency.
    ///
    /// # Errors
    /// A sentence, if the amount is below zero, too large, or has more decimals than its currency.
    pub fn minor(self) -> Result<(i64, Currency), String> {
        let (amount, currency) = (self.amount.0, self.currency.0);
        // `to_money` refuses zero, which is no amount of a payment but is allowed for a fee.
        let zero = amount.to_ratio().is_some_and(|ratio| ratio.num() == 0);
        let minor =
            if zero { Some(0) } else { amount.to_money(currency).ok().map(|money| money.minor) };
        let bad = || {
            format!(
                "a fixed fee in {currency} has {} decimals and is not below zero",
                currency.exponent()
            )
        };
        minor.filter(|minor| *minor <= MAX_MINOR).map(|minor| (minor, currency)).ok_or_else(bad)
    }
}
