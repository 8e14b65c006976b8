//! `kola markets`: which methods are offered. A change is a new row that holds from now on.

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use domain::kernel::currency::Currency;
use domain::kernel::names::{Method, Operation, Provider};
use domain::kernel::time::Timestamp;
use domain::tariff::{Fee, Market, Tariff};
use serde_json::{Value, json};

use crate::cli::Place;
use crate::cli::arguments::{
    columns, country, currency, dated, is_over, method, operation, period, provider,
};
use crate::cli::fees::{self, fee_json, fee_of, percentage};
use crate::cli::output::{self, moment};
use store::clock;
use store::schema::market::{Country, Percentage};
use store::schema::tariff::{self, NewMarket};

#[derive(Subcommand)]
pub enum Markets {
    /// The markets that are open now, and those whose time is to come.
    List {
        /// Those that were open once, too.
        #[arg(long)]
        all: bool,
    },
    /// Open a market from now on; a running server takes it up at once.
    Open {
        #[command(flatten)]
        which: Which,
        /// PAWAPAY, STRIPE or PLATFORM; without it, the one that carries the method.
        #[arg(long, value_parser = provider)]
        provider: Option<Provider>,
        /// Two letters of ISO 3166, or three; without it, what it was before, or the method's.
        #[arg(long, value_parser = country)]
        country: Option<Country>,
        #[command(flatten)]
        price: Price,
    },
    /// Close a market from now on: it takes no payment any more, be it declared already. What is
    /// with the provider goes on, and what was collected can be refunded.
    Close {
        #[command(flatten)]
        which: Which,
    },
}

#[derive(Args, Clone, Copy)]
pub struct Which {
    /// MTN_MOMO_LBR, CREDIT_CARD, ...
    #[arg(value_parser = method)]
    method: Method,
    /// COLLECTION or PAYOUT.
    #[arg(value_parser = operation)]
    operation: Operation,
    /// A code of ISO 4217: USD.
    #[arg(value_parser = currency)]
    currency: Currency,
}

/// What the network takes of the operation, in whatever currency; without it, what it does already.
#[derive(Args)]
pub struct Price {
    /// The network's share from now on, in percent: 2.9. Needed where it has no fee for the
    /// operation yet; 0 takes nothing.
    #[arg(long, value_name = "PERCENT", value_parser = percentage)]
    percentage: Option<Percentage>,
    /// A fixed part on top: 0.30.
    #[arg(long, value_name = "AMOUNT", requires_all = ["percentage", "fixed_currency"])]
    fixed: Option<String>,
    /// The currency of the fixed part.
    #[arg(long, value_name = "CURRENCY", requires = "fixed", value_parser = currency)]
    fixed_currency: Option<Currency>,
}

impl Price {
    fn fee(&self) -> anyhow::Result<Option<Fee>> {
        let fee = |percentage| fee_of(percentage, self.fixed.as_deref(), self.fixed_currency);
        self.percentage.map(fee).transpose()
    }
}

impl Which {
    fn is(self, row: &Market) -> bool {
        (row.method, row.operation, row.currency) == (self.method, self.operation, self.currency)
    }
}

impl Markets {
    pub fn run(self, place: &Place) -> anyhow::Result<()> {
        match self {
            Self::List { all } => list(place, all),
            Self::Open { which, provider, country, price } => {
                open(place, which, provider, country, &price)
            }
            Self::Close { which } => close(place, which),
        }
    }
}

fn list(place: &Place, all: bool) -> anyhow::Result<()> {
    drop(place.open_existing()?);
    let tariff = place.read(async |queries| queries.tariff().await)?;
    let now = clock::now();
    let rows: Vec<_> =
        tariff.markets.iter().filter(|row| all || !is_over(row.effective, now)).collect();
    let cells = rows.iter().map(|row| {
        let [since, until] = columns(row.effective);
        let (method, operation, provider) =
            (row.method.as_str(), row.operation.as_str(), row.provider.as_str());
        let words =
            [method, operation, row.currency.code(), provider, &row.country, &since, &until];
        words.map(str::to_owned)
    });
    let head = ["method", "operation", "currency", "provider", "country", "since", "until"];
    let text = output::table(head, &cells.collect::<Vec<_>>());
    output::tell(&rows.iter().map(|row| as_json(row)).collect(), &text)
}

fn as_json(row: &Market) -> Value {
    let fields = json!({
        "payment_method": row.method.as_str(),
        "operation_type": row.operation.as_str(),
        "currency": row.currency.code(),
        "provider": row.provider.as_str(),
        "country": row.country,
    });
    dated(fields, row.effective)
}

fn shown(row: &Market) -> String {
    let (method, operation, provider) =
        (row.method.as_str(), row.operation.as_str(), row.provider.as_str());
    format!("{method:<16}  {operation:<10}  {}  {provider:<8}  {}", row.currency, row.country)
}

/// The method's row that holds, else the last of it: network and country are seldom new.
pub fn latest(tariff: &Tariff, method: Method, now: Timestamp) -> Option<&Market> {
    let rows = tariff.markets.iter().filter(|row| row.method == method);
    rows.max_by_key(|row| (row.effective.at(now), row.effective.from))
}

fn open(
    place: &Place,
    which: Which,
    provider: Option<Provider>,
    country: Option<Country>,
    price: &Price,
) -> anyhow::Result<()> {
    let fee = price.fee()?;
    let mut sql = place.open_existing()?;
    let Which { method, operation, currency } = which;
    if !matches!(operation, Operation::Collection | Operation::Payout) {
        bail!(
            "a transfer stays in the house and a refund goes back the way of its collection: neither has a market"
        );
    }
    let now = clock::now();
    let tariff = place.read(async |queries| queries.tariff().await)?;
    let known = latest(&tariff, method, now);
    let provider = provider.or(known.map(|row| row.provider));
    let provider = provider.with_context(|| format!("{method} is new: say --provider"))?;
    let before =
        tariff.markets.iter().filter(|row| which.is(row)).max_by_key(|row| row.effective.from);
    let country = country.or(before.or(known).map(|row| Country(row.country.clone())));
    let country = country.with_context(|| format!("{method} is new: say --country"))?;
    let same =
        |row: &&Market| which.is(row) && row.provider == provider && row.country == country.0;
    if let Some(row) =
        tariff.markets.iter().filter(|row| row.effective.at(now) && fee.is_none()).find(same)
    {
        return output::tell(
            &as_json(row),
            &format!("{}  {}: it is open already", shown(row), period(row.effective)),
        );
    }
    let new = NewMarket { method, provider, operation, currency, country };
    let effective = tariff::open_market(sql.as_mut(), &new, fee, now)?;
    let row = Market { method, provider, operation, currency, country: new.country.0, effective };
    let (mut json, mut text) = (as_json(&row), format!("{}  {}", shown(&row), period(effective)));
    if let Some(fee) = fee {
        text.push_str(&format!(", fee {}", fees::shown(fee)));
        if let (Some(fields), Value::Object(of_fee)) = (json.as_object_mut(), fee_json(fee)) {
            fields.extend(of_fee);
        }
    }
    output::done(&json, &text)
}

fn close(place: &Place, which: Which) -> anyhow::Result<()> {
    let mut sql = place.open_existing()?;
    let Which { method, operation, currency } = which;
    let again = tariff::close_market(sql.as_mut(), (method, operation, currency), clock::now())?;
    let until = again.map(|from| format!(" until {}", moment(from))).unwrap_or_default();
    let json = json!({
        "payment_method": method.as_str(), "operation_type": operation.as_str(), "currency": currency.code(),
        "effective_again": again.map(|from| format!("{from:.6}")),
    });
    output::done(&json, &format!("{method}  {operation}  {currency}  closed{until}"))
}
