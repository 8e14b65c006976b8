//! Arguments that several groups of commands read, and how rows of the tariff are told.

use domain::kernel::currency::Currency;
use domain::kernel::names::{Method, Operation, Provider};
use domain::kernel::time::Timestamp;
use domain::tariff::Effective;
use serde_json::{Value, json};

use crate::cli::output::moment;
use store::schema::market::{Country, Digits, FromText};

fn one_of<T: Copy>(all: &[T], name: impl Fn(T) -> &'static str) -> String {
    format!("use one of {}", all.iter().map(|member| name(*member)).collect::<Vec<_>>().join(", "))
}

pub fn method(text: &str) -> Result<Method, String> {
    Method::parse(text).ok_or_else(|| one_of(Method::ALL, Method::as_str))
}

pub fn operation(text: &str) -> Result<Operation, String> {
    Operation::parse(text).ok_or_else(|| one_of(Operation::ALL, Operation::as_str))
}

pub fn provider(text: &str) -> Result<Provider, String> {
    Provider::parse(text).ok_or_else(|| one_of(Provider::ALL, Provider::as_str))
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

/// Whether a row's time is over.
pub fn is_over(effective: Effective, now: Timestamp) -> bool {
    effective.to.is_some_and(|to| to <= now)
}

/// When a row holds.
pub fn period(effective: Effective) -> String {
    let [since, until] = columns(effective);
    if effective.to.is_some() {
        format!("since {since} until {until}")
    } else {
        format!("since {since}")
    }
}

/// The same in two columns of a list.
pub fn columns(effective: Effective) -> [String; 2] {
    let since = if effective.from.0 <= 0 { "ever".to_owned() } else { moment(effective.from) };
    [since, effective.to.map_or_else(|| "-".to_owned(), moment)]
}

/// The same, for a program.
pub fn dated(mut row: Value, effective: Effective) -> Value {
    row["effective_from"] = json!(format!("{:.6}", effective.from));
    row["effective_to"] = json!(effective.to.map(|to| format!("{to:.6}")));
    row
}
