//! Rows of the tariff on the command line: the `list` command that fees, rates, markets and phone
//! prefixes share, and how a fee and a period of validity are printed.

use domain::decision::command::ListedDecision;
use domain::kernel::money::{Money, Ratio};
use domain::kernel::refusal::Refusal;
use domain::kernel::time::ServerTime;
use domain::tariff::{Effective, Fee, NewMethodNeeds, Tariff, TariffFault};
use serde_json::{Value, json};

use crate::cli::Target;
use crate::cli::output::{self, moment};
use crate::engine::Failure;
use store::clock;

/// A row of the tariff as its `list` command prints it.
pub trait TariffRow<const COLUMNS: usize> {
    /// The headings of the table.
    const HEAD: [&'static str; COLUMNS];

    fn effective(&self) -> Effective;

    /// The cells of the table.
    fn cells(&self) -> [String; COLUMNS];

    /// The row for a program.
    fn as_json(&self) -> Value;
}

/// The rows that hold now or will hold later; with `all`, also those that held once.
pub fn list<const COLUMNS: usize, R: TariffRow<COLUMNS>>(
    target: &Target,
    all: bool,
    rows: impl FnOnce(&Tariff) -> &[R],
) -> anyhow::Result<()> {
    let tariff = target.read_existing(async |reads| reads.for_system().tariff().await)?;
    let tariff = as_counted(&tariff);
    let rows = listed(rows(&tariff), all, clock::now());
    output::tell(&rows.iter().map(|row| row.as_json()).collect(), &table(&rows))
}

/// The tariff with each fee and rate in effect only while it is the one that counts: a row that is set
/// ends where one begins that was planned before.
pub fn as_counted(tariff: &Tariff) -> Tariff {
    let within = |whole: Effective, counts: &[Effective]| match (counts.first(), counts.last()) {
        (Some(first), Some(last)) => Effective { from: first.from, to: last.to },
        // It never counts.
        _ => Effective { to: Some(whole.from), ..whole },
    };
    let mut counted = tariff.clone();
    for (row, of) in counted.platform_fees.iter_mut().zip(&tariff.platform_fees) {
        row.effective = within(of.effective, &tariff.platform_fee_counts(of));
    }
    for (row, of) in counted.gateway_fees.iter_mut().zip(&tariff.gateway_fees) {
        row.effective = within(of.effective, &tariff.gateway_fee_counts(of));
    }
    for (row, of) in counted.rates.iter_mut().zip(&tariff.rates) {
        row.effective = within(of.effective, &tariff.rate_counts(of));
    }
    counted
}

/// What a list shows of `rows` at `now`.
pub fn listed<const COLUMNS: usize, R: TariffRow<COLUMNS>>(
    rows: &[R],
    all: bool,
    now: ServerTime,
) -> Vec<&R> {
    let is_over =
        |effective: Effective| effective.to.is_some_and(|to| to <= now || to <= effective.from);
    rows.iter().filter(|row| all || !is_over(row.effective())).collect()
}

/// The text of a list.
pub fn table<const COLUMNS: usize, R: TariffRow<COLUMNS>>(rows: &[&R]) -> String {
    output::table(R::HEAD, &rows.iter().map(|row| row.cells()).collect::<Vec<_>>())
}

/// Runs a change of the tariff. A server may be running on the same database, and uses it at once.
pub fn change<D: ListedDecision>(target: &Target, decision: D) -> anyhow::Result<D::Output> {
    target.run_once(decision).map_err(|error| match error.downcast_ref::<Failure>() {
        Some(Failure::Refused(reasons)) => match reasons.as_slice() {
            [Refusal::Tariff(fault)] => match remedy(fault) {
                Some(remedy) => anyhow::anyhow!("{fault}: {remedy}"),
                None => error,
            },
            _ => error,
        },
        _ => error,
    })
}

/// What to add to a refused command.
fn remedy(fault: &TariffFault) -> Option<String> {
    match fault {
        TariffFault::NewMethod { needs, .. } => {
            let flag = |needs: &NewMethodNeeds| match needs {
                NewMethodNeeds::Network => "--provider",
                NewMethodNeeds::NetworkCode => "--network-code",
                NewMethodNeeds::Country => "--country",
                NewMethodNeeds::DialPrefix => "--dial-prefix",
                NewMethodNeeds::Decimals => "--decimals",
                NewMethodNeeds::DisplayName => "--display-name",
            };
            Some(format!("say {}", needs.iter().map(flag).collect::<Vec<_>>().join(", ")))
        }
        TariffFault::NoGatewayFee { .. } => {
            Some("say --percentage, 0 where the network takes nothing".to_owned())
        }
        _ => None,
    }
}

/// The period of validity in one phrase.
pub fn period(effective: Effective) -> String {
    let [since, until] = since_and_until(effective);
    if effective.to.is_some() {
        format!("since {since} until {until}")
    } else {
        format!("since {since}")
    }
}

/// The period of validity in two columns of a list.
pub fn since_and_until(effective: Effective) -> [String; 2] {
    let since = if effective.from.0 <= 0 { "ever".to_owned() } else { moment(effective.from) };
    [since, effective.to.map_or_else(|| "-".to_owned(), moment)]
}

/// Adds the period of validity to the JSON of a row.
pub fn with_period(mut row: Value, effective: Effective) -> Value {
    row["effective_from"] = json!(format!("{:.6}", effective.from));
    row["effective_to"] = json!(effective.to.map(|to| format!("{to:.6}")));
    row
}

/// Prints that a row was ended. `again` is when a later row begins, which still holds.
pub fn report_ended(mut json: Value, text: &str, again: Option<ServerTime>) -> anyhow::Result<()> {
    json["effective_again"] = json!(again.map(|from| format!("{from:.6}")));
    let until = again.map(|from| format!(" until {}", moment(from))).unwrap_or_default();
    output::done(&json, &format!("{text}{until}"))
}

/// A percentage for a program: `"2.9"`.
pub fn percent_json(ppm: i64) -> Value {
    json!(Ratio::new(ppm, 10_000).map(|percent| percent.to_text(4)))
}

/// A fee for a program.
pub fn fee_json(fee: Fee) -> Value {
    json!({
        "percentage": percent_json(fee.percentage_ppm),
        "fixed_fee": fee.fixed.map(|(minor, currency)| Money::new(minor, currency).to_string()),
        "fixed_fee_currency": fee.fixed.map(|(_, currency)| currency.code().to_owned()),
    })
}
