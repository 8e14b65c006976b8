//! The market of a new database, as a file that people read and write: `config.default.toml`, or an
//! operator's own.

pub(crate) mod check;
pub(crate) mod parsed;

use domain::kernel::currency::Currency;
use domain::kernel::money::Decimal;
use domain::kernel::names::{Method, Operation, Provider};
use domain::kernel::time::ServerTime;

pub use check::NO_REFUND_FEES;
pub use domain::kernel::country::Country;
pub use parsed::{Digits, Fixed, FromText, Parsed, Percentage};

/// The market that is shipped.
const SHIPPED: &str = include_str!("../../../../config.default.toml");

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
    pub operation: Parsed<Operation>,
    /// A share.
    pub percentage: Parsed<Percentage>,
    /// And a fixed part.
    pub fixed: Option<Fixed>,
    /// And a share for exchange.
    pub exchange_percentage: Parsed<Percentage>,
    /// Since then.
    pub from: Option<Parsed<ServerTime>>,
    /// Until then.
    pub to: Option<Parsed<ServerTime>>,
}

/// What the network of methods takes.
#[derive(serde::Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct GatewayEntry {
    /// Of these methods.
    pub methods: Vec<Parsed<Method>>,
    /// For this operation.
    pub operation: Parsed<Operation>,
    /// A share.
    pub percentage: Parsed<Percentage>,
    /// And a fixed part.
    pub fixed: Option<Fixed>,
    /// Since then.
    pub from: Option<Parsed<ServerTime>>,
    /// Until then.
    pub to: Option<Parsed<ServerTime>>,
}

/// What a method does.
#[derive(serde::Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct MarketEntry {
    /// The method.
    pub method: Parsed<Method>,
    /// Its network.
    pub provider: Parsed<Provider>,
    /// Its country.
    pub country: Parsed<Country>,
    /// Which operations it does
    pub operations: Vec<Parsed<Operation>>,
    /// in which currencies.
    pub currencies: Vec<Parsed<Currency>>,
    /// Since then.
    pub from: Option<Parsed<ServerTime>>,
    /// Until then.
    pub to: Option<Parsed<ServerTime>>,
}

impl MarketEntry {
    /// Each operation in each currency.
    pub fn pairs(&self) -> impl Iterator<Item = (Operation, Currency)> {
        self.operations
            .iter()
            .flat_map(|operation| self.currencies.iter().map(|currency| (operation.0, currency.0)))
    }
}

/// An exchange rate.
#[derive(serde::Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct RateEntry {
    /// One unit of this currency
    pub from_currency: Parsed<Currency>,
    /// is in this one
    pub to_currency: Parsed<Currency>,
    /// so many units.
    pub rate: Parsed<Decimal>,
    /// Since then.
    pub from: Option<Parsed<ServerTime>>,
    /// Until then.
    pub to: Option<Parsed<ServerTime>>,
}

/// Whose numbers begin so.
#[derive(serde::Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct PhoneEntry {
    /// The operator.
    pub carrier: String,
    /// Its country.
    pub country: Parsed<Country>,
    /// Its method.
    pub method: Parsed<Method>,
    /// How many digits such a number has.
    pub digits: u8,
    /// How it begins.
    pub prefixes: Vec<Parsed<Digits>>,
    /// Since then.
    pub from: Option<Parsed<ServerTime>>,
    /// Until then.
    pub to: Option<Parsed<ServerTime>>,
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
}

#[cfg(test)]
mod tests;
