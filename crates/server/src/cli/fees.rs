//! `kola fees`: the fees of payments. A change is a new row that holds from now on.

use anyhow::bail;
use clap::{Args, Subcommand};
use domain::kernel::names::{Method, Operation};
use domain::kernel::time::ServerTime;
use domain::tariff::set_gateway_fee::SetGatewayFee;
use domain::tariff::set_platform_fee::SetPlatformFee;
use domain::tariff::{Effective, Fee, GatewayFee, PlatformFee, Tariff, TariffFault, percent};
use serde_json::{Value, json};

use crate::cli::arguments::{FixedFee, method, operation, percentage, time};
use crate::cli::tariff_rows::{
    TariffRow, as_counted, change, fee_json, listed, percent_json, since_and_until, table,
    with_period,
};
use crate::cli::{Target, output};
use store::clock;
use store::schema::market::Percentage;

#[derive(Subcommand)]
pub enum Fees {
    /// List the fees that hold now or will hold later.
    List {
        /// List past fees, too.
        #[arg(long)]
        all: bool,
    },
    /// Set a fee, from now on or from a later time. A running server uses it at once.
    #[command(subcommand)]
    Set(Set),
}

#[derive(Subcommand)]
pub enum Set {
    /// Set what the platform takes of merchants in a fee tier.
    Platform {
        /// The name of the fee tier.
        #[arg(long, default_value = "default")]
        tier: String,
        /// The additional percentage for exchange. Without it the current one stays.
        #[arg(long, value_name = "PERCENT", value_parser = percentage)]
        exchange_percentage: Option<Percentage>,
        #[command(flatten)]
        new: NewFee,
    },
    /// Set what the network of a method takes.
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
    /// The operation: COLLECTION, PAYOUT or TRANSFER.
    #[arg(long, value_parser = operation)]
    operation: Operation,
    /// The percentage of the amount: 2.9.
    #[arg(long, value_name = "PERCENT", value_parser = percentage)]
    percentage: Percentage,
    #[command(flatten)]
    fixed: FixedFee,
    /// When it begins: a day such as 2027-01-01, in UTC, or a time such as 2027-01-01T06:00:00Z. Without
    /// it, now.
    #[arg(long, value_name = "TIME", value_parser = time)]
    from: Option<ServerTime>,
}

impl Fees {
    pub fn run(self, target: &Target) -> anyhow::Result<()> {
        match self {
            Self::List { all } => list(target, all),
            Self::Set(Set::Platform { tier, exchange_percentage, new }) => {
                set_platform(target, tier, exchange_percentage, &new)
            }
            Self::Set(Set::Gateway { method, new }) => set_gateway(target, method, &new),
        }
    }
}

impl NewFee {
    fn fee(&self) -> anyhow::Result<Fee> {
        if self.operation == Operation::Refund {
            bail!("{}", TariffFault::FeeOnRefund);
        }
        self.fixed.with(self.percentage)
    }
}

fn set_platform(
    target: &Target,
    tier: String,
    exchange: Option<Percentage>,
    new: &NewFee,
) -> anyhow::Result<()> {
    drop(target.open_existing()?);
    let (operation, fee, from) = (new.operation, new.fee()?, new.from);
    let fx_percentage_ppm = exchange.map(|share| share.ppm);
    let row = change(target, SetPlatformFee { tier, operation, fee, fx_percentage_ppm, from })?;
    let exchange = percent(row.fx_percentage_ppm);
    let text =
        format!("platform  {}  {}  {}, exchange {exchange}", row.tier, row.operation, row.fee);
    let json = platform_json(fee_json(row.fee), &row.tier, row.operation, row.fx_percentage_ppm);
    output::done(&json, &text)
}

fn set_gateway(target: &Target, method: Method, new: &NewFee) -> anyhow::Result<()> {
    drop(target.open_existing()?);
    let (operation, fee, from) = (new.operation, new.fee()?, new.from);
    let row = change(target, SetGatewayFee { method, operation, fee, from })?;
    let text = format!("gateway  {}  {}  {}", row.method, row.operation, row.fee);
    output::done(&gateway_json(fee_json(row.fee), row.method, row.operation), &text)
}

/// A row of either kind of fee: the list shows both in one table.
enum FeeRow<'a> {
    Platform(&'a PlatformFee),
    Gateway(&'a GatewayFee),
}

impl TariffRow<7> for FeeRow<'_> {
    const HEAD: [&'static str; 7] =
        ["whose", "tier or method", "operation", "fee", "exchange", "since", "until"];

    fn effective(&self) -> Effective {
        match self {
            Self::Platform(row) => row.effective,
            Self::Gateway(row) => row.effective,
        }
    }

    fn cells(&self) -> [String; 7] {
        let (whose, of, operation, fee, exchange) = match self {
            Self::Platform(row) => {
                let exchange = percent(row.fx_percentage_ppm);
                ("platform", row.tier.as_str(), row.operation, row.fee, exchange)
            }
            Self::Gateway(row) => {
                ("gateway", row.method.as_str(), row.operation, row.fee, "-".to_owned())
            }
        };
        let [since, until] = since_and_until(self.effective());
        [whose, of, operation.as_str(), &fee.to_string(), &exchange, &since, &until]
            .map(str::to_owned)
    }

    fn as_json(&self) -> Value {
        match self {
            Self::Platform(row) => {
                let fee = with_period(fee_json(row.fee), row.effective);
                platform_json(fee, &row.tier, row.operation, row.fx_percentage_ppm)
            }
            Self::Gateway(row) => {
                let fee = with_period(fee_json(row.fee), row.effective);
                gateway_json(fee, row.method, row.operation)
            }
        }
    }
}

fn list(target: &Target, all: bool) -> anyhow::Result<()> {
    let tariff = target.read_existing(async |reads| reads.for_system().tariff().await)?;
    let tariff = as_counted(&tariff);
    let rows = rows_of(&tariff);
    let rows = listed(&rows, all, clock::now());
    let (platform, gateway): (Vec<&FeeRow<'_>>, _) =
        rows.iter().copied().partition(|row| matches!(row, FeeRow::Platform(_)));
    let as_json =
        |rows: Vec<&FeeRow<'_>>| -> Value { rows.iter().map(|row| row.as_json()).collect() };
    let json = json!({ "platform": as_json(platform), "gateway": as_json(gateway) });
    output::tell(&json, &table(&rows))
}

fn rows_of(tariff: &Tariff) -> Vec<FeeRow<'_>> {
    let gateway = tariff.gateway_fees.iter().map(FeeRow::Gateway);
    tariff.platform_fees.iter().map(FeeRow::Platform).chain(gateway).collect()
}

/// Adds to the JSON of a fee what only a platform fee has.
fn platform_json(
    mut fee: Value,
    tier: &str,
    operation: Operation,
    fx_percentage_ppm: i64,
) -> Value {
    fee["tier"] = json!(tier);
    fee["operation_type"] = json!(operation.as_str());
    fee["exchange_percentage"] = percent_json(fx_percentage_ppm);
    fee
}

/// Adds to the JSON of a fee what only a gateway fee has.
fn gateway_json(mut fee: Value, method: Method, operation: Operation) -> Value {
    fee["payment_method"] = json!(method.as_str());
    fee["operation_type"] = json!(operation.as_str());
    fee
}
