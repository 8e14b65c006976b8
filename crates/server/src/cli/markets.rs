//! `kola markets`: the methods that are offered for an operation in a currency. A change is a new
//! row that holds from now on.

use clap::{Args, Subcommand};
use domain::kernel::currency::Currency;
use domain::kernel::names::{Method, Operation, Provider};
use domain::tariff::close_market::CloseMarket;
use domain::tariff::open_market::OpenMarket;
use domain::tariff::{Effective, Fee, Market};
use serde_json::{Value, json};

use crate::cli::arguments::{
    FixedFee, country, currency, display_name, method, network_code, operation, percentage, prefix,
    provider,
};
use crate::cli::tariff_rows::{
    TariffRow, change, fee_json, list, period, report_ended, since_and_until, with_period,
};
use crate::cli::{Target, output};
use store::clock;
use store::schema::market::{Country, Digits, DisplayName, NetworkCode, Percentage, as_shipped};

#[derive(Subcommand)]
pub enum Markets {
    /// List the markets that are open now or will open later.
    List {
        /// List past markets, too.
        #[arg(long)]
        all: bool,
    },
    /// Open a market from now on. A running server uses it at once.
    Open {
        #[command(flatten)]
        which: Which,
        /// The network: PAWAPAY, STRIPE or PLATFORM. Without it the method's current network.
        #[arg(long, value_parser = provider)]
        provider: Option<Provider>,
        #[command(flatten)]
        details: Box<Details>,
        #[command(flatten)]
        price: Price,
    },
    /// Close a market from now on: it accepts no more payments, not even for declared sessions.
    /// Payments that are with the provider go on, and collected payments can be refunded.
    Close {
        #[command(flatten)]
        which: Which,
    },
}

#[derive(Args, Clone, Copy)]
pub struct Which {
    /// The method: MTN_MOMO_LBR, CREDIT_CARD, ...
    #[arg(value_parser = method)]
    method: Method,
    /// The operation: COLLECTION or PAYOUT.
    #[arg(value_parser = operation)]
    operation: Operation,
    /// The currency, by its code of ISO 4217: USD.
    #[arg(value_parser = currency)]
    currency: Currency,
}

/// What the market says of its method. A method that is opened for the first time must say all of it.
#[derive(Args)]
pub struct Details {
    /// What the network calls the method: MTN_MOMO_ZMB. Without it the method's last code.
    #[arg(long, value_name = "CODE", value_parser = network_code)]
    network_code: Option<NetworkCode>,
    /// The country, by two or three letters of ISO 3166. Without it the market's last country,
    /// or the method's.
    #[arg(long, value_parser = country)]
    country: Option<Country>,
    /// What the numbers of its customers begin with: 260. Without it the market's last prefix, or
    /// the calling code of the country.
    #[arg(long, value_name = "DIGITS", value_parser = prefix)]
    dial_prefix: Option<Digits>,
    /// How many decimals of the currency the network takes. Without it what the market said last,
    /// or as many as the currency has.
    #[arg(long, value_name = "NUMBER")]
    decimals: Option<u8>,
    /// What payers see, without the country: "MTN Mobile Money". Without it the method's last name.
    #[arg(long, value_name = "NAME", value_parser = display_name)]
    display_name: Option<DisplayName>,
}

/// The gateway fee of the operation, which holds in all currencies. Without it the current fee
/// stays.
#[derive(Args)]
pub struct Price {
    /// The percentage that the network takes from now on: 2.9. It is required if the operation has
    /// no fee yet; 0 if the network takes nothing.
    #[arg(long, value_name = "PERCENT", value_parser = percentage)]
    percentage: Option<Percentage>,
    #[command(flatten)]
    fixed: FixedFee,
}

impl Price {
    fn fee(&self) -> anyhow::Result<Option<Fee>> {
        self.percentage.map(|percentage| self.fixed.with(percentage)).transpose()
    }
}

impl Markets {
    pub fn run(self, target: &Target) -> anyhow::Result<()> {
        match self {
            Self::List { all } => list(target, all, |tariff| &tariff.markets),
            Self::Open { which, provider, details, price } => {
                open(target, which, provider, *details, &price)
            }
            Self::Close { which } => close(target, which),
        }
    }
}

impl TariffRow<11> for Market {
    const HEAD: [&'static str; 11] = [
        "method",
        "operation",
        "currency",
        "provider",
        "country",
        "since",
        "until",
        "code",
        "prefix",
        "decimals",
        "name",
    ];

    fn effective(&self) -> Effective {
        self.effective
    }

    fn cells(&self) -> [String; 11] {
        let [since, until] = since_and_until(self.effective);
        let (method, operation) = (self.method.as_str(), self.operation.as_str());
        let (currency, provider) = (self.currency.code(), self.provider.as_str());
        let (code, name) = (self.details.network_code.as_str(), self.details.display_name.as_str());
        let (prefix, decimals) = (number_start(self).unwrap_or("-"), self.decimals.to_string());
        [
            method,
            operation,
            currency,
            provider,
            &self.country,
            &since,
            &until,
            code,
            prefix,
            &decimals,
            name,
        ]
        .map(str::to_owned)
    }

    fn as_json(&self) -> Value {
        let fields = json!({
            "payment_method": self.method.as_str(),
            "operation_type": self.operation.as_str(),
            "currency": self.currency.code(),
            "provider": self.provider.as_str(),
            "country": self.country,
            "network_code": self.details.network_code,
            "dial_prefix": number_start(self),
            "decimals": self.decimals,
            "display_name": self.details.display_name,
        });
        with_period(fields, self.effective)
    }
}

/// What the numbers of a method's customers begin with, if it asks them by phone.
fn number_start(row: &Market) -> Option<&str> {
    row.number_start().filter(|_| row.method.is_mobile_money())
}

fn shown(row: &Market) -> String {
    let (method, operation, provider) =
        (row.method.as_str(), row.operation.as_str(), row.provider.as_str());
    format!("{method:<16}  {operation:<10}  {}  {provider:<8}  {}", row.currency, row.country)
}

fn open(
    target: &Target,
    which: Which,
    provider: Option<Provider>,
    details: Details,
    price: &Price,
) -> anyhow::Result<()> {
    let fee = price.fee()?;
    let tariff = target.read_existing(async |reads| reads.for_system().tariff().await)?;
    let Which { method, operation, currency } = which;
    let command = OpenMarket {
        method,
        operation,
        currency,
        provider,
        country: details.country,
        dial_prefix: details.dial_prefix.map(|prefix| prefix.0),
        network_code: details.network_code.map(|code| code.0),
        display_name: details.display_name.map(|name| name.0),
        decimals: details.decimals.map(i64::from),
        fee,
    };
    let opened =
        change(target, as_shipped(command, &tariff, clock::now()).map_err(anyhow::Error::msg)?)?;
    let row = opened.market;
    let (mut json, mut text) =
        (row.as_json(), format!("{}  {}", shown(&row), period(row.effective)));
    if opened.was_open {
        return output::tell(&json, &format!("{text}: it is open already"));
    }
    if let Some(fee) = fee {
        text.push_str(&format!(", fee {fee}"));
        if let (Some(fields), Value::Object(of_fee)) = (json.as_object_mut(), fee_json(fee)) {
            fields.extend(of_fee);
        }
    }
    output::done(&json, &text)
}

fn close(target: &Target, which: Which) -> anyhow::Result<()> {
    drop(target.open_existing()?);
    let Which { method, operation, currency } = which;
    let again = change(target, CloseMarket { method, operation, currency })?;
    let json = json!({
        "payment_method": method.as_str(), "operation_type": operation.as_str(), "currency": currency.code(),
    });
    report_ended(json, &format!("{method}  {operation}  {currency}  closed"), again)
}
