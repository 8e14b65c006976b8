//! The market file: the tariff of a new database in TOML, which people read and write. It is
//! `config.default.toml`, or an operator's own.

pub(crate) mod check;
pub(crate) mod parsed;

use domain::kernel::currency::Currency;
use domain::kernel::money::Decimal;
use domain::kernel::names::{Method, Operation, Provider};
use domain::kernel::time::ServerTime;

pub use domain::kernel::country::Country;
pub use parsed::{Digits, Fixed, FromText, Parsed, Percentage};

/// The text of the market file that is shipped.
const SHIPPED: &str = include_str!("../../../../config.default.toml");

/// A fee tier.
#[derive(serde::Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct TierEntry {
    pub name: String,
    /// Whether new merchants get it.
    #[serde(default)]
    pub default: bool,
}

/// A platform fee: what kola's operator takes of an operation of merchants in a tier.
#[derive(serde::Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct PlatformEntry {
    pub tier: String,
    pub operation: Parsed<Operation>,
    pub percentage: Parsed<Percentage>,
    pub fixed: Option<Fixed>,
    /// The further share for exchange, where payer and payee have different currencies.
    pub exchange_percentage: Parsed<Percentage>,
    /// When the fee begins to hold, inclusive. Without it the fee has always held.
    pub from: Option<Parsed<ServerTime>>,
    /// When the fee ends, exclusive.
    pub to: Option<Parsed<ServerTime>>,
}

/// A gateway fee: what the network of some methods takes of an operation.
#[derive(serde::Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct GatewayEntry {
    pub methods: Vec<Parsed<Method>>,
    pub operation: Parsed<Operation>,
    pub percentage: Parsed<Percentage>,
    pub fixed: Option<Fixed>,
    /// When the fee begins to hold, inclusive. Without it the fee has always held.
    pub from: Option<Parsed<ServerTime>>,
    /// When the fee ends, exclusive.
    pub to: Option<Parsed<ServerTime>>,
}

/// Open markets of a method: every one of `operations` in every one of `currencies`.
#[derive(serde::Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct MarketEntry {
    pub method: Parsed<Method>,
    pub provider: Parsed<Provider>,
    pub country: Parsed<Country>,
    pub operations: Vec<Parsed<Operation>>,
    pub currencies: Vec<Parsed<Currency>>,
    /// When the markets open, inclusive. Without it they have always been open.
    pub from: Option<Parsed<ServerTime>>,
    /// When the markets close, exclusive.
    pub to: Option<Parsed<ServerTime>>,
}

impl MarketEntry {
    /// Each operation with each currency.
    pub fn pairs(&self) -> impl Iterator<Item = (Operation, Currency)> {
        self.operations
            .iter()
            .flat_map(|operation| self.currencies.iter().map(|currency| (operation.0, currency.0)))
    }
}

/// An exchange rate: one unit of `from_currency` is worth `rate` units of `to_currency`.
#[derive(serde::Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct RateEntry {
    pub from_currency: Parsed<Currency>,
    pub to_currency: Parsed<Currency>,
    /// In major units: 192 means 1 USD = 192 LRD.
    pub rate: Parsed<Decimal>,
    /// When the rate begins to hold, inclusive. Without it the rate has always held.
    pub from: Option<Parsed<ServerTime>>,
    /// When the rate ends, exclusive.
    pub to: Option<Parsed<ServerTime>>,
}

/// The phone prefixes of a mobile-money operator.
#[derive(serde::Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct PhoneEntry {
    /// The operator's name.
    pub carrier: String,
    pub country: Parsed<Country>,
    pub method: Parsed<Method>,
    /// How many digits such a number has, with its prefix.
    pub digits: u8,
    pub prefixes: Vec<Parsed<Digits>>,
    /// When the prefixes become the operator's, inclusive. Without it they have always been.
    pub from: Option<Parsed<ServerTime>>,
    /// When they stop being the operator's, exclusive.
    pub to: Option<Parsed<ServerTime>>,
}

/// The whole market file.
#[derive(serde::Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct MarketFile {
    #[serde(rename = "tier")]
    pub tiers: Vec<TierEntry>,
    #[serde(rename = "platform_fee", default)]
    pub platform_fees: Vec<PlatformEntry>,
    #[serde(rename = "market")]
    pub markets: Vec<MarketEntry>,
    #[serde(rename = "gateway_fee", default)]
    pub gateway_fees: Vec<GatewayEntry>,
    #[serde(rename = "rate", default)]
    pub rates: Vec<RateEntry>,
    #[serde(rename = "phone", default)]
    pub phones: Vec<PhoneEntry>,
}

impl MarketFile {
    /// Parses the text of a market file and checks it.
    ///
    /// # Errors
    /// A sentence that says what is wrong, and where.
    pub fn read(text: &str) -> Result<Self, String> {
        let file: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        file.check()?;
        Ok(file)
    }

    /// The market file that is shipped.
    ///
    /// # Errors
    /// Never in practice: a test parses the shipped file.
    pub fn shipped() -> Result<Self, String> {
        Self::read(SHIPPED)
    }
}

#[cfg(test)]
mod tests;
