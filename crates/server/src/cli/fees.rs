//! `kola fees`: what payments cost. A change is a new row that holds from now on.

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use domain::kernel::currency::Currency;
use domain::kernel::money::{Decimal, Money, Ratio};
use domain::kernel::names::{Method, Operation};
use domain::kernel::time::Timestamp;
use domain::tariff::{Effective, Fee, Tariff};
use serde_json::{Value, json};

use crate::cli::arguments::{columns, currency, dated, is_over, method, operation};
use crate::cli::{Place, output};
use store::clock;
use store::schema::market::{Fixed, NO_REFUND_FEES, Percentage};
use store::schema::tariff::{self, NewGatewayFee, NewPlatformFee};

#[derive(Subcommand)]
pub enum Fees {
    /// The fees that hold now, and those whose time is to come.
    List {
        /// Those that held once, too.
        #[arg(long)]
        all: bool,
    },
    /// Set a fee from now on; a running server takes it up at once.
    #[command(subcommand)]
    Set(Set),
}

#[derive(Subcommand)]
pub enum Set {
    /// What the platform takes of a tier's merchants.
    Platform {
        /// The tier.
        #[arg(long, default_value = "default")]
        tier: String,
        /// The share for exchange, in percent; without it, what it was.
        #[arg(long, value_name = "PERCENT", value_parser = percentage)]
        exchange_percentage: Option<Percentage>,
        #[command(flatten)]
        new: NewFee,
    },
    /// What a method's network takes.
    Gateway {
        /// The method: MTN_MOMO_LBR, CREDIT_CARD, ...
        #[arg(long, value_parser = method)]
        method: Method,
        #[command(flatten)]
        new: NewFee,
    },
}

#[derive(Args)]
pub struct NewFee {
    /// COLLECTION, PAYOUT or TRANSFER.
    #[arg(long, value_parser = operation)]
    operation: Operation,
    /// The share, in percent: 2.9.
    #[arg(long, value_name = "PERCENT", value_parser = percentage)]
    percentage: Percentage,
    /// A fixed part on top: 0.30.
    #[arg(long, value_name = "AMOUNT", requires = "fixed_currency")]
    fixed: Option<String>,
    /// The currency of the fixed part.
    #[arg(long, value_name = "CURRENCY", requires = "fixed", value_parser = currency)]
    fixed_currency: Option<Currency>,
}

pub fn percentage(text: &str) -> Result<Percentage, String> {
    Percentage::parse(text)
        .ok_or_else(|| "use a percentage from 0 to 100 with at most four decimals".to_owned())
}

impl Fees {
    pub fn run(self, place: &Place) -> anyhow::Result<()> {
        match self {
            Self::List { all } => list(place, all),
            Self::Set(Set::Platform { tier, exchange_percentage, new }) => {
                set_platform(place, tier, exchange_percentage, &new)
            }
            Self::Set(Set::Gateway { method, new }) => set_gateway(place, method, &new),
        }
    }
}

impl NewFee {
    fn fee(&self) -> anyhow::Result<Fee> {
        if self.operation == Operation::Refund {
            bail!("{NO_REFUND_FEES}");
        }
        fee_of(self.percentage, self.fixed.as_deref(), self.fixed_currency)
    }
}

/// A fee as it is said on the command line.
pub fn fee_of(
    percentage: Percentage,
    fixed: Option<&str>,
    currency: Option<Currency>,
) -> anyhow::Result<Fee> {
    let fixed = match (fixed, currency) {
        (Some(amount), Some(currency)) => {
            let amount = Decimal::parse(amount).context("--fixed is not a number")?;
            Some(Fixed::new(amount, currency).minor().map_err(anyhow::Error::msg)?)
        }
        _ => None,
    };
    Ok(Fee { percentage_ppm: percentage.ppm, fixed })
}

fn set_platform(
    place: &Place,
    tier: String,
    exchange: Option<Percentage>,
    new: &NewFee,
) -> anyhow::Result<()> {
    let mut sql = place.open_existing()?;
    let fee = new.fee()?;
    let now = clock::now();
    let tariff = place.read(async |queries| queries.tariff().await)?;
    if tariff.tier(&tier).is_none() {
        bail!("there is no tier {tier}");
    }
    let before =
        tariff.platform_fee(&tier, new.operation, now).map_or(0, |row| row.fx_percentage_ppm);
    let fx_percentage_ppm = exchange.map_or(before, |share| share.ppm);
    let row = NewPlatformFee { tier, operation: new.operation, fee, fx_percentage_ppm };
    tariff::set_platform_fee(sql.as_mut(), &row, now)?;
    let text = format!(
        "platform  {}  {}  {}, exchange {}",
        row.tier,
        row.operation,
        shown(row.fee),
        percent(fx_percentage_ppm)
    );
    let mut json = fee_json(row.fee);
    json["tier"] = json!(row.tier);
    json["operation_type"] = json!(row.operation.as_str());
    json["exchange_percentage"] = percent_json(fx_percentage_ppm);
    output::done(&json, &text)
}

fn set_gateway(place: &Place, method: Method, new: &NewFee) -> anyhow::Result<()> {
    let mut sql = place.open_existing()?;
    let fee = new.fee()?;
    let tariff = place.read(async |queries| queries.tariff().await)?;
    let now = clock::now();
    // The network now, else the one before or to come: a fee may be set while the market is closed.
    let market = crate::cli::markets::latest(&tariff, method, now)
        .with_context(|| format!("{method} has no market"))?;
    let row = NewGatewayFee { provider: market.provider, method, operation: new.operation, fee };
    tariff::set_gateway_fee(sql.as_mut(), &row, now)?;
    let mut json = fee_json(row.fee);
    json["payment_method"] = json!(row.method.as_str());
    json["operation_type"] = json!(row.operation.as_str());
    output::done(&json, &format!("gateway  {}  {}  {}", row.method, row.operation, shown(row.fee)))
}

/// A share in percent.
pub fn percent(ppm: i64) -> String {
    Ratio::new(ppm, 10_000).map_or_else(String::new, |percent| format!("{} %", percent.to_text(4)))
}

/// A fee, for a person.
pub fn shown(fee: Fee) -> String {
    let share = percent(fee.percentage_ppm);
    match fee.fixed {
        Some((minor, currency)) => format!("{share} + {} {currency}", Money::new(minor, currency)),
        None => share,
    }
}

fn list(place: &Place, all: bool) -> anyhow::Result<()> {
    drop(place.open_existing()?);
    let tariff = place.read(async |queries| queries.tariff().await)?;
    let now = clock::now();
    let platform =
        tariff.platform_fees.iter().filter(|row| all || !is_over(row.effective, now)).map(|row| {
            let exchange = percent(row.fx_percentage_ppm);
            cells(("platform", &row.tier, row.operation), row.fee, &exchange, row.effective)
        });
    let gateway = tariff.gateway_fees.iter().filter(|row| all || !is_over(row.effective, now));
    let gateway = gateway.map(|row| {
        cells(("gateway", row.method.as_str(), row.operation), row.fee, "-", row.effective)
    });
    let head = ["whose", "tier or method", "operation", "fee", "exchange", "since", "until"];
    let text = output::table(head, &platform.chain(gateway).collect::<Vec<_>>());
    output::tell(&json_of(&tariff, all, now), &text)
}

fn cells(
    (whose, of, operation): (&str, &str, Operation),
    fee: Fee,
    exchange: &str,
    effective: Effective,
) -> [String; 7] {
    let [since, until] = columns(effective);
    [whose, of, operation.as_str(), &shown(fee), exchange, &since, &until].map(str::to_owned)
}

fn percent_json(ppm: i64) -> Value {
    json!(Ratio::new(ppm, 10_000).map(|percent| percent.to_text(4)))
}

/// A fee, for a program.
pub fn fee_json(fee: Fee) -> Value {
    json!({
        "percentage": percent_json(fee.percentage_ppm),
        "fixed_fee": fee.fixed.map(|(minor, currency)| Money::new(minor, currency).to_string()),
        "fixed_fee_currency": fee.fixed.map(|(_, currency)| currency.code().to_owned()),
    })
}

fn json_of(tariff: &Tariff, all: bool, now: Timestamp) -> Value {
    let fee = |fee: Fee, effective: Effective| dated(fee_json(fee), effective);
    let platform =
        tariff.platform_fees.iter().filter(|row| all || !is_over(row.effective, now)).map(|row| {
            let mut value = fee(row.fee, row.effective);
            value["tier"] = json!(row.tier);
            value["operation_type"] = json!(row.operation.as_str());
            value["exchange_percentage"] = percent_json(row.fx_percentage_ppm);
            value
        });
    let gateway =
        tariff.gateway_fees.iter().filter(|row| all || !is_over(row.effective, now)).map(|row| {
            let mut value = fee(row.fee, row.effective);
            value["payment_method"] = json!(row.method.as_str());
            value["operation_type"] = json!(row.operation.as_str());
            value
        });
    json!({ "platform": platform.collect::<Vec<_>>(), "gateway": gateway.collect::<Vec<_>>() })
}
