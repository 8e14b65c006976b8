//! `kola ledger`: verification of the ledger.

use std::process::ExitCode;

use clap::Subcommand;
use domain::kernel::currency::Currency;
use domain::kernel::money::{Decimal, Money};
use serde_json::json;

use crate::cli::output::{self, NobodyReads};
use crate::cli::{Target, fail};
use store::schema::verify::{self, Report};

/// The exit code when the ledger is right and an exchange position is beyond its limit.
const BEYOND_LIMIT: u8 = 3;

#[derive(Subcommand)]
pub enum Ledger {
    /// Recompute everything from the ledger entries and list the violations. A server may be
    /// running.
    Verify {
        /// Exit with 3 if the exchange position of a currency is further from zero than this:
        /// USD=1000.00. Separate several limits by commas.
        #[arg(
            long = "position-limit",
            env = "KOLA_POSITION_LIMIT",
            value_name = "CURRENCY=AMOUNT",
            value_delimiter = ',',
            value_parser = limit
        )]
        limits: Vec<Money>,
    },
}

/// A limit, which may be zero.
fn limit(text: &str) -> Result<Money, String> {
    let wrong = || "use a currency and an amount in it: USD=1000.00".to_owned();
    let (code, amount) = text.split_once('=').ok_or_else(wrong)?;
    let currency = Currency::parse(code.trim()).ok_or_else(wrong)?;
    let amount = Decimal::parse(amount).ok_or_else(wrong)?;
    match amount.to_ratio().map(|ratio| ratio.num()) {
        Some(0) => Ok(Money::new(0, currency)),
        _ => amount.to_money(currency).map_err(|_| wrong()),
    }
}

impl Ledger {
    /// The exit code is 0 if the ledger is right, 1 if it has violations, and 3 if only a position
    /// is beyond its limit.
    pub fn run(self, target: &Target) -> ExitCode {
        let Self::Verify { limits } = self;
        match target.open_existing().and_then(|mut sql| Ok(verify::verify(sql.as_mut())?)) {
            Ok(report) => tell(&report, &limits),
            Err(error) => fail(&error),
        }
    }
}

fn tell(report: &Report, limits: &[Money]) -> ExitCode {
    let violations =
        report.violations.iter().map(|(name, place)| json!({ "rule": name, "place": place }));
    let positions = report
        .positions
        .iter()
        .map(|sum| json!({ "currency": sum.currency.code(), "amount": sum.to_string() }));
    let json = json!({
        "entries": report.entries,
        "executions": report.executions,
        "wallets": report.wallets,
        "rules": report.checks,
        "open_reviews": report.open_reviews,
        "positions": positions.collect::<Vec<_>>(),
        "violations": violations.collect::<Vec<_>>(),
    });
    let open = match report.open_reviews {
        0 => String::new(),
        n => format!("; {n} open reviews"),
    };
    let mut lines: Vec<String> =
        report.violations.iter().map(|(name, place)| format!("{name}: {place}")).collect();
    if !report.positions.is_empty() {
        let positions = report.positions.iter().map(|sum| format!("{sum} {}", sum.currency));
        lines.push(format!("exchange positions: {}", positions.collect::<Vec<_>>().join(", ")));
    }
    lines.push(format!(
        "{} entries, {} executions, {} wallets; {} rules checked, {} violations{open}",
        report.entries,
        report.executions,
        report.wallets,
        report.checks,
        report.violations.len()
    ));
    let beyond = beyond(report, limits);
    for (position, limit) in &beyond {
        let currency = limit.currency;
        output::warn(&format!(
            "the exchange position is {position} {currency}, beyond its limit of {limit} {currency}"
        ));
    }
    let told = output::tell(&json, &lines.join("\n"));
    if !report.violations.is_empty() {
        return ExitCode::FAILURE;
    }
    match told {
        // If nobody reads the answer to its end, the exit code still tells the result.
        Err(error) if !error.is::<NobodyReads>() => fail(&error),
        _ if !beyond.is_empty() => ExitCode::from(BEYOND_LIMIT),
        _ => ExitCode::SUCCESS,
    }
}

/// Positions that are further from zero than their limit.
fn beyond(report: &Report, limits: &[Money]) -> Vec<(Money, Money)> {
    let of = |limit: &Money| {
        let position =
            report.positions.iter().find(|position| position.currency == limit.currency)?;
        (position.minor.unsigned_abs() > limit.minor.unsigned_abs()).then_some((*position, *limit))
    };
    limits.iter().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_an_amount_of_a_currency() {
        let minor = |text| limit(text).map(|money| (money.minor, money.currency.to_string()));
        assert_eq!(minor("USD=1000.00"), Ok((100_000, "USD".to_owned())));
        assert_eq!(
            [minor("RWF=0"), minor("RWF=5e3")],
            [Ok((0, "RWF".to_owned())), Ok((5_000, "RWF".to_owned()))]
        );
        for text in ["USD", "USD=", "USD=-1", "USD=0.001", "XXX=1", "=1"] {
            limit(text).unwrap_err();
        }
    }
}
