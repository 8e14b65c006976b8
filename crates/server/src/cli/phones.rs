//! `kola phones`: whose numbers begin how. A change is a new row that holds from now on.

use anyhow::bail;
use clap::{Args, Subcommand};
use domain::kernel::names::Method;
use domain::tariff::PhonePrefix;
use serde_json::{Value, json};

use crate::api::fields::{FromValue, Text};
use crate::cli::Place;
use crate::cli::arguments::{columns, country, dated, is_over, method, period, prefix};
use crate::cli::output::{self, moment};
use store::clock;
use store::schema::market::{Country, Digits};
use store::schema::tariff::{self, NewPrefix};

#[derive(Subcommand)]
pub enum Phones {
    /// The first digits that are an operator's now, and those whose time is to come.
    List {
        /// Those that were an operator's once, too.
        #[arg(long)]
        all: bool,
    },
    /// Give first digits to an operator from now on; whose they were before loses them.
    Add {
        #[command(flatten)]
        which: Which,
        /// The operator, by the name that people know.
        #[arg(long, value_name = "NAME")]
        carrier: String,
        /// Two letters of ISO 3166, or three.
        #[arg(long, value_parser = country)]
        country: Country,
        /// The operator's method: MTN_MOMO_LBR, ...
        #[arg(long, value_parser = method)]
        method: Method,
    },
    /// Take first digits from their operator from now on; a longer or shorter prefix may still tell
    /// whose a number is.
    End {
        #[command(flatten)]
        which: Which,
    },
}

#[derive(Args)]
pub struct Which {
    /// How the numbers begin, with the country code and no plus sign: 23188.
    #[arg(value_parser = prefix)]
    prefix: Digits,
    /// How many digits they have together.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(8..=15))]
    digits: u8,
}

impl Phones {
    pub fn run(self, place: &Place) -> anyhow::Result<()> {
        match self {
            Self::List { all } => list(place, all),
            Self::Add { which, carrier, country, method } => {
                let Which { prefix, digits } = which;
                add(
                    place,
                    NewPrefix {
                        prefix,
                        digits,
                        carrier: carrier.trim().to_owned(),
                        country,
                        method,
                    },
                )
            }
            Self::End { which } => end(place, &which),
        }
    }
}

fn list(place: &Place, all: bool) -> anyhow::Result<()> {
    drop(place.open_existing()?);
    let tariff = place.read(async |queries| queries.tariff().await)?;
    let now = clock::now();
    let rows: Vec<_> =
        tariff.phone_prefixes.iter().filter(|row| all || !is_over(row.effective, now)).collect();
    let cells = rows.iter().map(|row| {
        let [since, until] = columns(row.effective);
        let (method, digits) = (row.method.as_str().to_owned(), row.digits.to_string());
        [row.prefix.clone(), digits, method, row.country.clone(), since, until, row.carrier.clone()]
    });
    let head = ["prefix", "digits", "method", "country", "since", "until", "carrier"];
    let text = output::table(head, &cells.collect::<Vec<_>>());
    output::tell(&rows.iter().map(|row| as_json(row)).collect(), &text)
}

fn as_json(row: &PhonePrefix) -> Value {
    let fields = json!({
        "prefix": row.prefix,
        "digits": row.digits,
        "carrier": row.carrier,
        "country": row.country,
        "payment_method": row.method.as_str(),
    });
    dated(fields, row.effective)
}

fn shown(row: &PhonePrefix) -> String {
    let (prefix, digits, method, country) =
        (&row.prefix, row.digits, row.method.as_str(), &row.country);
    format!("{prefix:<10}  {digits:>2} digits  {method:<16}  {country}  {}", row.carrier)
}

fn add(place: &Place, new: NewPrefix) -> anyhow::Result<()> {
    let mut sql = place.open_existing()?;
    // As a request's names are: payers read it.
    let Ok(Text(carrier)) = Text::<255>::read(&json!(new.carrier)) else {
        bail!("a carrier's name has 1 to 255 characters that can be read as they are written");
    };
    let new = NewPrefix { carrier, ..new };
    if new.prefix.0.len() > new.digits.into() {
        bail!("numbers of {} digits cannot begin with {}", new.digits, new.prefix.0);
    }
    let effective = tariff::add_prefix(sql.as_mut(), &new, clock::now())?;
    let (digits, method) = (new.digits.into(), new.method);
    let row = PhonePrefix {
        prefix: new.prefix.0,
        digits,
        carrier: new.carrier,
        country: new.country.0,
        method,
        effective,
    };
    output::done(&as_json(&row), &format!("{}  {}", shown(&row), period(effective)))
}

fn end(place: &Place, Which { prefix, digits }: &Which) -> anyhow::Result<()> {
    let mut sql = place.open_existing()?;
    let again = tariff::end_prefix(sql.as_mut(), prefix, *digits, clock::now())?;
    let until = again.map(|from| format!(" until {}", moment(from))).unwrap_or_default();
    let json = json!({ "prefix": prefix.0, "digits": digits, "effective_again": again.map(|from| format!("{from:.6}")) });
    output::done(&json, &format!("{}  {digits} digits  nobody's{until}", prefix.0))
}
