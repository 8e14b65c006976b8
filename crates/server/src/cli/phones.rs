//! `kola phones`: the phone prefixes of mobile-money operators. A change is a new row that holds
//! from now on.

use clap::{Args, Subcommand};
use domain::kernel::names::Method;
use domain::tariff::assign_phone_prefix::AssignPhonePrefix;
use domain::tariff::end_phone_prefix::EndPhonePrefix;
use domain::tariff::{Effective, PhonePrefix};
use serde_json::{Value, json};

use crate::api::fields::typed_name;
use crate::cli::arguments::{country, method, prefix};
use crate::cli::tariff_rows::{
    TariffRow, change, list, period, report_ended, since_and_until, with_period,
};
use crate::cli::{Target, output};
use store::schema::market::{Country, Digits};

#[derive(Subcommand)]
pub enum Phones {
    /// List the phone prefixes that operators have now or will have later.
    List {
        /// List past prefixes, too.
        #[arg(long)]
        all: bool,
    },
    /// Assign a phone prefix to an operator from now on. An operator that has it now loses it.
    Add {
        #[command(flatten)]
        which: Which,
        /// The operator's name, as people know it.
        #[arg(long, value_name = "NAME")]
        carrier: String,
        /// The country, by two or three letters of ISO 3166.
        #[arg(long, value_parser = country)]
        country: Country,
        /// The operator's method: MTN_MOMO_LBR, ...
        #[arg(long, value_parser = method)]
        method: Method,
    },
    /// Take a phone prefix from its operator from now on. A longer or shorter prefix may still
    /// match its numbers.
    End {
        #[command(flatten)]
        which: Which,
    },
}

#[derive(Args)]
pub struct Which {
    /// The prefix, with the country code and without a plus sign: 23188.
    #[arg(value_parser = prefix)]
    prefix: Digits,
    /// How many digits a whole number has.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(8..=15))]
    digits: u8,
}

impl Phones {
    pub fn run(self, target: &Target) -> anyhow::Result<()> {
        match self {
            Self::List { all } => list(target, all, |tariff| &tariff.phone_prefixes),
            Self::Add { which, carrier, country, method } => {
                let Which { prefix, digits } = which;
                add(
                    target,
                    AssignPhonePrefix {
                        prefix: prefix.0,
                        digits: digits.into(),
                        carrier: carrier.trim().to_owned(),
                        country,
                        method,
                    },
                )
            }
            Self::End { which } => end(target, which),
        }
    }
}

impl TariffRow<7> for PhonePrefix {
    const HEAD: [&'static str; 7] =
        ["prefix", "digits", "method", "country", "since", "until", "carrier"];

    fn effective(&self) -> Effective {
        self.effective
    }

    fn cells(&self) -> [String; 7] {
        let [since, until] = since_and_until(self.effective);
        let (method, digits) = (self.method.as_str(), self.digits.to_string());
        [&self.prefix, &digits, method, &self.country, &since, &until, &self.carrier]
            .map(str::to_owned)
    }

    fn as_json(&self) -> Value {
        let fields = json!({
            "prefix": self.prefix,
            "digits": self.digits,
            "carrier": self.carrier,
            "country": self.country,
            "payment_method": self.method.as_str(),
        });
        with_period(fields, self.effective)
    }
}

fn shown(row: &PhonePrefix) -> String {
    let (prefix, digits, method, country) =
        (&row.prefix, row.digits, row.method.as_str(), &row.country);
    format!("{prefix:<10}  {digits:>2} digits  {method:<16}  {country}  {}", row.carrier)
}

fn add(target: &Target, new: AssignPhonePrefix) -> anyhow::Result<()> {
    drop(target.open_existing()?);
    // Read as a name in a request is: payers see it.
    let wrong = "a carrier's name has 1 to 255 characters in one line";
    let carrier = typed_name(&new.carrier, 255)
        .map_err(|fault| anyhow::anyhow!("{}", fault.sentence("the carrier's name", wrong)))?;
    let row = change(target, AssignPhonePrefix { carrier, ..new })?;
    output::done(&row.as_json(), &format!("{}  {}", shown(&row), period(row.effective)))
}

fn end(target: &Target, Which { prefix, digits }: Which) -> anyhow::Result<()> {
    drop(target.open_existing()?);
    let prefix = prefix.0;
    let json = json!({ "prefix": prefix, "digits": digits });
    let text = format!("{prefix}  {digits} digits  nobody's");
    let again = change(target, EndPhonePrefix { prefix, digits: digits.into() })?;
    report_ended(json, &text, again)
}
