//! The market file: the tariff of a new database in TOML, which people read and write. It is
//! `config.default.toml`, or an operator's own.

pub(crate) mod check;
pub(crate) mod parsed;

use domain::kernel::country::calling_code;
use domain::kernel::currency::Currency;
use domain::kernel::money::Decimal;
use domain::kernel::names::{Method, Operation, Provider};
use domain::kernel::time::ServerTime;
use domain::tariff::open_market::OpenMarket;
use domain::tariff::{MethodDetails, Tariff};

pub use domain::kernel::country::Country;
pub use parsed::{Digits, DisplayName, Fixed, FromText, NetworkCode, Parsed, Percentage};

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
    /// What the network calls the method. A shipped method has its own, as with the two that follow.
    pub network_code: Option<Parsed<NetworkCode>>,
    pub country: Parsed<Country>,
    /// What the numbers of its customers begin with. Only mobile money has it.
    pub dial_prefix: Option<Parsed<Digits>>,
    /// What payers see, without the country.
    pub display_name: Option<Parsed<DisplayName>>,
    /// How many decimals the network takes. Without it as many as the currency has.
    pub decimals: Option<u8>,
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

    /// What the row says of its method; `None` where it leaves out what it must say.
    #[must_use]
    pub fn details(&self) -> Option<MethodDetails> {
        Some(MethodDetails {
            network_code: self.network_code.as_ref()?.0.0.clone(),
            display_name: self.display_name.as_ref()?.0.0.clone(),
        })
    }

    #[must_use]
    pub fn dial_prefix(&self) -> Option<&str> {
        self.dial_prefix.as_ref().map(|prefix| prefix.0.0.as_str())
    }

    /// How many decimals of a currency the network takes.
    #[must_use]
    pub fn decimals(&self, currency: Currency) -> i64 {
        self.decimals.map_or_else(|| currency.exponent().into(), i64::from)
    }

    /// Adds what the row leaves out and the shipped row of the method says.
    fn complete(&mut self, shipped: &Self) {
        let Self { network_code, dial_prefix, display_name, country, .. } = self;
        *network_code = network_code.take().or_else(|| shipped.network_code.clone());
        *display_name = display_name.take().or_else(|| shipped.display_name.clone());
        // In another country the numbers begin otherwise.
        if *country == shipped.country {
            *dial_prefix = dial_prefix.take().or_else(|| shipped.dial_prefix.clone());
        }
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
        let parse = |text| toml::from_str::<Self>(text).map_err(|error| error.to_string());
        let mut file = parse(text)?;
        let shipped = parse(SHIPPED)?;
        for entry in &mut file.markets {
            if let Some(shipped) = shipped.markets.iter().find(|row| row.method == entry.method) {
                entry.complete(shipped);
            }
        }
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

/// The opening of a market with what the shipped market says, for a shipped method that has never been
/// open here.
///
/// # Errors
/// Why the shipped market file cannot be read.
pub fn as_shipped(
    command: OpenMarket,
    tariff: &Tariff,
    now: ServerTime,
) -> Result<OpenMarket, String> {
    let OpenMarket { method, currency, .. } = command;
    let file = MarketFile::shipped()?;
    let shipped = file.markets.iter().find(|row| row.method.0 == method);
    let (None, Some(row)) = (tariff.latest_market(method, now), shipped) else {
        return Ok(command);
    };
    let elsewhere = command.country.as_ref().filter(|country| **country != row.country.0);
    let prefix = match elsewhere {
        Some(country) => calling_code(&country.0).filter(|_| method.is_mobile_money()),
        None => row.dial_prefix(),
    };
    let prefix = prefix.map(str::to_owned);
    let details = row.details();
    let code = details.as_ref().map(|details| details.network_code.clone());
    Ok(OpenMarket {
        network_code: command.network_code.or(code),
        dial_prefix: command.dial_prefix.or(prefix),
        decimals: command.decimals.or_else(|| Some(currency.exponent().into())),
        display_name: command.display_name.or(details.map(|details| details.display_name)),
        ..command
    })
}

#[cfg(test)]
mod tests;
