//! Arguments that several groups of commands parse.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use domain::decision::event::EventType;
use domain::kernel::currency::Currency;
use domain::kernel::money::Decimal;
use domain::kernel::names::{Method, Operation, Provider};
use domain::kernel::time::ServerTime;
use domain::tariff::Fee;

use crate::api::fields::typed_name;
use crate::reconciliation::mapping::Mapping;
use store::schema::market::{
    Country, Digits, DisplayName, Fixed, FromText, NetworkCode, Percentage,
};
use store::small_file;

/// The largest mapping that is read, in bytes.
const COLUMNS_BYTES_MAX: u64 = 1 << 20;

fn one_of<T: Copy>(all: &[T], name: impl Fn(T) -> &'static str) -> String {
    format!("use one of {}", all.iter().map(|member| name(*member)).collect::<Vec<_>>().join(", "))
}

pub fn method(text: &str) -> Result<Method, String> {
    Method::parse(text).ok_or_else(|| {
        "use 3 to 40 capital letters, digits and underscores, like MTN_MOMO_LBR".to_owned()
    })
}

pub fn operation(text: &str) -> Result<Operation, String> {
    Operation::parse(text).ok_or_else(|| one_of(Operation::ALL, Operation::as_str))
}

pub fn provider(text: &str) -> Result<Provider, String> {
    Provider::parse(text).ok_or_else(|| one_of(Provider::ALL, Provider::as_str))
}

/// A type of events that merchants are told of.
pub fn event_type(text: &str) -> Result<EventType, String> {
    let kind = EventType::parse_of_merchant(text.trim());
    kind.ok_or_else(|| one_of(EventType::OF_MERCHANTS, EventType::as_str))
}

pub fn currency(text: &str) -> Result<Currency, String> {
    Currency::parse(text).ok_or_else(|| "use a code of ISO 4217, like USD".to_owned())
}

pub fn country(text: &str) -> Result<Country, String> {
    Country::from_text(text).ok_or_else(|| format!("use {}", Country::WHAT))
}

pub fn prefix(text: &str) -> Result<Digits, String> {
    Digits::from_text(text).ok_or_else(|| format!("use {}", Digits::WHAT))
}

pub fn network_code(text: &str) -> Result<NetworkCode, String> {
    NetworkCode::from_text(text).ok_or_else(|| format!("use {}", NetworkCode::WHAT))
}

pub fn display_name(text: &str) -> Result<DisplayName, String> {
    let wrong = format!("use {}", DisplayName::WHAT);
    let name = typed_name(text, DisplayName::MAX);
    name.map(DisplayName).map_err(|fault| fault.sentence("it", &wrong))
}

pub fn time(text: &str) -> Result<ServerTime, String> {
    let at = ServerTime::parse(text);
    at.ok_or_else(|| "use a date or a time: 2026-11-29 or 2026-11-29T18:00:00Z".to_owned())
}

/// The mapping of the columns of statements in a file.
pub fn columns(file: &str) -> Result<Mapping, String> {
    let text = small_file::read_text(Path::new(file), COLUMNS_BYTES_MAX)
        .map_err(|error| format!("it cannot be read: {error}"))?;
    Mapping::read(&text)
}

/// A time that passes again and again, from a minute to a year.
pub fn interval(text: &str) -> Result<Duration, String> {
    const YEAR: u64 = 365 * 24 * 3_600;
    let wrong = || "use hours or minutes: 24h, 90m; at least 1m, at most 8760h".to_owned();
    let text = text.trim();
    let unit = match text.chars().last() {
        Some('h') => 3_600,
        Some('m') => 60,
        _ => return Err(wrong()),
    };
    let count = text.trim_end_matches(['h', 'm']);
    if text.len() != count.len() + 1 || !count.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    let seconds = count.parse::<u64>().ok().and_then(|count| count.checked_mul(unit));
    let seconds = seconds.filter(|seconds| (1..=YEAR).contains(seconds)).ok_or_else(wrong)?;
    Ok(Duration::from_secs(seconds))
}

pub fn percentage(text: &str) -> Result<Percentage, String> {
    Percentage::parse(text)
        .ok_or_else(|| "use a percentage from 0 to 100 with at most four decimals".to_owned())
}

/// The fixed part of a fee, in addition to its `--percentage`.
#[derive(Args)]
pub struct FixedFee {
    /// Add a fixed part: 0.30.
    #[arg(long, value_name = "AMOUNT", requires_all = ["percentage", "fixed_currency"])]
    fixed: Option<String>,
    /// The currency of the fixed part.
    #[arg(long, value_name = "CURRENCY", requires = "fixed", value_parser = currency)]
    fixed_currency: Option<Currency>,
}

impl FixedFee {
    /// The whole fee: `percentage` and the fixed part.
    ///
    /// # Errors
    /// If the fixed part is not an amount of its currency.
    pub fn with(&self, percentage: Percentage) -> anyhow::Result<Fee> {
        let fixed = match (&self.fixed, self.fixed_currency) {
            (Some(amount), Some(currency)) => {
                let amount = Decimal::parse(amount).context("--fixed is not a number")?;
                Some(Fixed::new(amount, currency).minor().map_err(anyhow::Error::msg)?)
            }
            _ => None,
        };
        Ok(Fee { percentage_ppm: percentage.ppm, fixed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_hours_or_minutes() {
        let seconds = |text| interval(text).map(|found| found.as_secs()).ok();
        assert_eq!(
            [seconds("24h"), seconds("90m"), seconds(" 1m ")],
            [86_400, 5_400, 60].map(Some)
        );
        for text in ["", "h", "24", "0h", "-1h", "+1h", "1.5h", "1hm", "1d", "8761h", "1 h"] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }
}
