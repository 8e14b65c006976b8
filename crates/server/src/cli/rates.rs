//! `kola rates`: what currencies exchange for. A change is a new row that holds from now on.

use anyhow::Context;
use clap::Subcommand;
use domain::kernel::currency::Currency;
use domain::kernel::money::Decimal;
use serde_json::json;

use crate::cli::arguments::{columns, currency, dated, is_over};
use crate::cli::{Place, output};
use store::clock;
use store::schema::tariff::{self, NewRate};

/// At most so many decimals of a rate are printed: the least rate has nine, and one that is set has
/// 18 digits.
const PLACES: u32 = 27;

#[derive(Subcommand)]
pub enum Rates {
    /// The rates that hold now, and those whose time is to come.
    List {
        /// Those that held once, too.
        #[arg(long)]
        all: bool,
    },
    /// Set a rate and the way back from now on; a running server takes it up at once.
    Set {
        /// One unit of this currency
        #[arg(value_parser = currency)]
        from: Currency,
        /// is in this one
        #[arg(value_parser = currency)]
        to: Currency,
        /// so many units: 192.5.
        rate: String,
    },
}

impl Rates {
    pub fn run(self, place: &Place) -> anyhow::Result<()> {
        match self {
            Self::List { all } => list(place, all),
            Self::Set { from, to, rate } => set(place, from, to, &rate),
        }
    }
}

fn list(place: &Place, all: bool) -> anyhow::Result<()> {
    drop(place.open_existing()?);
    let tariff = place.read(async |queries| queries.tariff().await)?;
    let now = clock::now();
    let rows: Vec<_> =
        tariff.rates.iter().filter(|row| all || !is_over(row.effective, now)).collect();
    let json = rows.iter().map(|row| {
        let fields = json!({ "from": row.from.code(), "to": row.to.code(), "rate": row.rate.to_text(PLACES) });
        dated(fields, row.effective)
    });
    let cells = rows.iter().map(|row| {
        let [since, until] = columns(row.effective);
        [format!("1 {} = {} {}", row.from, row.rate.to_text(PLACES), row.to), since, until]
    });
    let text = output::table(["rate", "since", "until"], &cells.collect::<Vec<_>>());
    output::tell(&json.collect(), &text)
}

fn set(place: &Place, from: Currency, to: Currency, rate: &str) -> anyhow::Result<()> {
    let mut sql = place.open_existing()?;
    let rate = Decimal::parse(rate).context("the rate is not a number")?;
    let rate = rate
        .to_ratio()
        .filter(|rate| rate.num() > 0)
        .context("a rate is above zero and has at most 18 digits")?;
    tariff::set_rate(sql.as_mut(), &NewRate { from, to, rate }, clock::now())?;
    let json = json!({ "from": from.code(), "to": to.code(), "rate": rate.to_text(PLACES) });
    output::done(&json, &format!("1 {from} = {} {to}", rate.to_text(PLACES)))
}
