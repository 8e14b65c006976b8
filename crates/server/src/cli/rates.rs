//! `kola rates`: exchange rates. A change is a new row that holds from now on.

use anyhow::Context;
use clap::Subcommand;
use domain::kernel::currency::Currency;
use domain::kernel::money::{Decimal, Ratio};
use domain::kernel::time::ServerTime;
use domain::tariff::set_rate::SetRate;
use domain::tariff::{Effective, Rate};
use serde_json::{Value, json};

use crate::cli::arguments::{currency, time};
use crate::cli::tariff_rows::{TariffRow, change, list, since_and_until, with_period};
use crate::cli::{Target, output};

/// The most decimals of a rate that are printed. A rate is a fraction of integers below 2^63, so that
/// a rate which was written as a decimal number has no more, and is printed as it was written.
const DECIMALS_MAX: u32 = 63;

#[derive(Subcommand)]
pub enum Rates {
    /// List the rates that hold now or will hold later.
    List {
        /// List past rates, too.
        #[arg(long)]
        all: bool,
    },
    /// Set a rate, and with it the opposite direction, from now on or from a later time. A running
    /// server uses it at once.
    Set {
        /// The currency of which one unit is quoted: USD.
        #[arg(value_parser = currency)]
        from: Currency,
        /// The currency in which it is quoted: LRD.
        #[arg(value_parser = currency)]
        to: Currency,
        /// How many units of TO one unit of FROM is worth: 192.5.
        rate: String,
        /// When it begins: a day such as 2027-01-01, in UTC, or a time such as 2027-01-01T06:00:00Z.
        /// Without it, now.
        #[arg(long, value_name = "TIME", value_parser = time)]
        since: Option<ServerTime>,
    },
}

impl Rates {
    pub fn run(self, target: &Target) -> anyhow::Result<()> {
        match self {
            Self::List { all } => list(target, all, |tariff| &tariff.rates),
            Self::Set { from, to, rate, since } => set(target, (from, to), &rate, since),
        }
    }
}

impl TariffRow<3> for Rate {
    const HEAD: [&'static str; 3] = ["rate", "since", "until"];

    fn effective(&self) -> Effective {
        self.effective
    }

    fn cells(&self) -> [String; 3] {
        let [since, until] = since_and_until(self.effective);
        [format!("1 {} = {} {}", self.from, self.rate.to_text(DECIMALS_MAX), self.to), since, until]
    }

    fn as_json(&self) -> Value {
        with_period(as_json(self.from, self.to, self.rate), self.effective)
    }
}

fn as_json(from: Currency, to: Currency, rate: Ratio) -> Value {
    json!({ "from": from.code(), "to": to.code(), "rate": rate.to_text(DECIMALS_MAX) })
}

fn set(
    target: &Target,
    (from, to): (Currency, Currency),
    rate: &str,
    since: Option<ServerTime>,
) -> anyhow::Result<()> {
    drop(target.open_existing()?);
    let rate = Decimal::parse(rate).context("the rate is not a number")?;
    let rate = rate.to_ratio().filter(|rate| rate.num() > 0).context(
        "a rate is above zero and has no more digits than fit into 63 bits: 18 always do",
    )?;
    change(target, SetRate { from, to, rate, since })?;
    let text = format!("1 {from} = {} {to}", rate.to_text(DECIMALS_MAX));
    output::done(&as_json(from, to, rate), &text)
}
