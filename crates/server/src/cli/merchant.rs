//! `kola merchant`: merchants and their credentials.

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::{ArgGroup, Args, Subcommand};
use domain::directory::api_keys::CreateApiKey;
use domain::directory::api_keys::RevokeApiKey;
use domain::directory::brand::{Colour, NAME_CHARACTERS};
use domain::directory::create_merchant::{CreateMerchant, CreatedMerchant};
use domain::directory::merchant::{Merchant as MerchantRow, MerchantType};
use domain::directory::merchant_limits::{MerchantLimits, SetMerchantLimits, typed_limit};
use domain::directory::roles::{Operations, Rights, Role};
use domain::directory::set_passcode::SetPasscode;
use domain::directory::set_passcode::UnlockPasscode;
use domain::directory::update_merchant::MerchantChanges;
use domain::directory::update_merchant::UpdateMerchant;
use domain::kernel::currency::Currency;
use domain::kernel::ids::{MerchantId, NetworkAccountId, WalletId};
use domain::kernel::money::{Decimal, Money};
use domain::kernel::names::{FeeBearer, Mode, Provider};
use domain::kernel::patch::Patch;
use domain::kernel::phone::is_phone;
use domain::ledger::fund_wallet::FundWallet;
use domain::network_accounts::account::AccountStatus;
use serde_json::{Value, json};

use crate::api::OPERATION_IDS;
use crate::api::fields::typed_name;
use crate::cli::arguments::currency;
use crate::cli::networks::network;
use crate::cli::output::{self, moment};
use crate::cli::{Target, input, logo};
use crate::credentials::secrets::{HashMemory, NewKey, PASSCODE_CHARS, hash_passcode};
use store::schema::installation;

/// The currencies in which a new merchant gets wallets.
pub const CURRENCIES: [&str; 3] = ["USD", "LRD", "RWF"];
/// How many rows a list reads at a time.
pub const LIST_STEP: u32 = 1_000;

#[derive(Subcommand)]
pub enum Merchant {
    /// Create a merchant that can be used at once: verified, with wallets of USD, LRD and RWF, which
    /// have money unless it is a live one. Its secret is shown only once.
    Create {
        /// The merchant's name.
        #[arg(long)]
        name: String,
        /// The merchant's type: ORGANIZATION or MICRO_ORGANIZATION.
        #[arg(long = "type", value_name = "TYPE", value_parser = merchant_type)]
        kind: MerchantType,
        /// The merchant's phone, in digits with the country code. Transfers to a party with this
        /// phone reach the merchant.
        #[arg(long, value_parser = phone)]
        phone: Option<String>,
        /// Create a verified merchant. This is the default.
        #[arg(long, hide = true)]
        verified: bool,
        /// Create an unverified merchant: it may not pay out, transfer, refund or create links
        /// until `kola merchant set --verified true`.
        #[arg(long, conflicts_with = "verified")]
        unverified: bool,
        /// Put no money into the wallets: `kola wallet fund` does it later.
        #[arg(long)]
        empty: bool,
        /// sandbox for the built-in networks, test for the networks' own test systems, live for real
        /// money. test and live need a network account (`kola networks add`). It is never changed.
        #[arg(long, default_value = "sandbox", value_name = "MODE", value_parser = mode)]
        mode: Mode,
        /// The same as --mode live.
        #[arg(long, hide = true, conflicts_with = "mode")]
        live: bool,
    },
    /// List the merchants, oldest first.
    List,
    /// Change a merchant. A running server uses the change at once. Options that are not given
    /// leave their value as it is.
    #[command(group(ArgGroup::new("what").required(true).multiple(true)))]
    Set {
        /// The merchant's id.
        #[arg(long)]
        merchant: i64,
        /// Whether the merchant may pay out, transfer and refund.
        #[arg(long, group = "what", value_name = "true|false")]
        verified: Option<bool>,
        /// The name of the merchant's fee tier.
        #[arg(long, group = "what", value_name = "NAME")]
        fee_tier: Option<String>,
        /// Who bears the fees of the merchant's checkouts: PAYER or PAYEE.
        #[arg(long, group = "what", value_name = "PAYER|PAYEE", value_parser = fee_bearer)]
        fee_bearer: Option<FeeBearer>,
        /// The network account through which its new payments at that network go, instead of the
        /// oldest one of its mode. May be given once for each network.
        #[arg(long, group = "what", value_name = "ID")]
        network_account: Vec<i64>,
        /// The network (pawapay, stripe) at which the oldest account of its mode counts again.
        #[arg(long, group = "what", value_name = "NETWORK", value_parser = network)]
        no_network_account: Vec<Provider>,
        #[command(flatten)]
        brand: Brand,
    },
    /// Create another API key for a merchant, even if all others are revoked. Its secret is shown
    /// only once.
    CreateKey {
        /// The merchant's id.
        #[arg(long)]
        merchant: i64,
        /// The role that the key is limited to: VIEWER, SUPPORT, DEVELOPER, FINANCE or MANAGER.
        /// OWNER, the default, may do all that the merchant may.
        #[arg(long, value_name = "ROLE", default_value = "OWNER", value_parser = role)]
        role: Role,
        /// The operations that the key is limited to, by their names in the API's document, separated
        /// by commas: retrieve_wallet,list_wallets.
        #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = operation)]
        operations: Option<Vec<String>>,
    },
    /// Show the limits that a merchant sets for its own people and programs, or set them in a currency.
    #[command(group(ArgGroup::new("limit").multiple(true).requires_all(["currency"])))]
    Limits {
        /// The merchant's id.
        #[arg(long)]
        merchant: i64,
        /// The currency of the limits.
        #[arg(long, value_name = "CURRENCY", value_parser = currency)]
        currency: Option<Currency>,
        #[command(flatten)]
        given: GivenLimits,
    },
    /// Set the passcode that a merchant's payouts need. It is read from standard input.
    SetPasscode {
        /// The merchant's id.
        #[arg(long)]
        merchant: i64,
    },
    /// Lift the locks after wrong passcodes, or remove the passcode. A running server uses the
    /// change at once.
    #[command(group(ArgGroup::new("action").required(true)))]
    Passcode {
        /// The merchant's id.
        #[arg(long)]
        merchant: i64,
        /// Forget the wrong passcodes: the merchant's API keys may try again at once.
        #[arg(long, group = "action")]
        unlock: bool,
        /// Remove the passcode: the merchant's payouts no longer need one.
        #[arg(long, group = "action")]
        remove: bool,
    },
}

/// The limits that are given, in the currency.
#[derive(Args)]
pub struct GivenLimits {
    /// How much of one payment in this currency SUPPORT may give back in all: 50.00. 0, as at
    /// first, for nothing.
    #[arg(long, group = "limit", value_name = "AMOUNT")]
    support_refund: Option<String>,
    /// Above which one payout or transfer needs a second person: 500.00. `none` for no limit.
    #[arg(long, group = "limit", value_name = "AMOUNT")]
    payment: Option<String>,
    /// Above which all payouts and transfers of a wallet in a day need a second person. `none` for no
    /// limit.
    #[arg(long, group = "limit", value_name = "AMOUNT")]
    day: Option<String>,
    /// Whether payouts and transfers by API keys need a second person above these limits, too. At
    /// first they do not.
    #[arg(long, group = "limit", value_name = "true|false")]
    bind_api_keys: Option<bool>,
}

/// How payers see a merchant on its pages. An empty text takes a value away.
#[derive(Args)]
pub struct Brand {
    /// The name on the merchant's pages, instead of the merchant's name.
    #[arg(long, group = "what", value_name = "NAME", value_parser = display_name)]
    display_name: Option<Patch<String>>,
    /// The colour of the main button on the merchant's pages.
    #[arg(long, group = "what", value_name = "#RRGGBB", value_parser = colour)]
    colour: Option<Patch<Colour>>,
    /// A PNG or WebP for the top of the merchant's pages, shown 40 pixels high.
    #[arg(long, group = "what", value_name = "FILE", value_parser = logo_file)]
    logo: Option<Patch<PathBuf>>,
}

/// An empty text takes the value away; any other is read as one.
fn patch<T>(text: &str, read: impl FnOnce(&str) -> Result<T, String>) -> Result<Patch<T>, String> {
    if text.is_empty() { Ok(Patch::Clear) } else { read(text).map(Patch::Set) }
}

fn display_name(text: &str) -> Result<Patch<String>, String> {
    patch(text, name::<NAME_CHARACTERS>)
}

fn colour(text: &str) -> Result<Patch<Colour>, String> {
    patch(text, |text| Colour::parse(text).ok_or_else(|| "a colour such as #0B5C4B".to_owned()))
}

fn logo_file(text: &str) -> Result<Patch<PathBuf>, String> {
    patch(text, |text| Ok(PathBuf::from(text)))
}

/// The name of a merchant, which people must be able to read.
fn name<const MAX: usize>(text: &str) -> Result<String, String> {
    typed_name(text, MAX).map_err(|fault| {
        let wrong = format!("a name has 1 to {MAX} characters in one line");
        fault.sentence("it", &wrong)
    })
}

fn merchant_type(text: &str) -> Result<MerchantType, String> {
    MerchantType::parse(text).ok_or_else(|| "use ORGANIZATION or MICRO_ORGANIZATION".to_owned())
}

fn mode(text: &str) -> Result<Mode, String> {
    Mode::parse(&text.to_ascii_uppercase()).ok_or_else(|| "use sandbox, test or live".to_owned())
}

pub(super) fn role(text: &str) -> Result<Role, String> {
    let names: Vec<&str> = Role::OF_MERCHANTS.iter().map(|role| role.as_str()).collect();
    Role::parse_of_merchant(&text.to_ascii_uppercase())
        .ok_or_else(|| format!("use one of {}", names.join(", ")))
}

fn operation(text: &str) -> Result<String, String> {
    if OPERATION_IDS.contains(&text) {
        return Ok(text.to_owned());
    }
    Err(format!("no operation of the API has this name; there are {}", OPERATION_IDS.join(", ")))
}

fn fee_bearer(text: &str) -> Result<FeeBearer, String> {
    FeeBearer::parse(text).ok_or_else(|| "use PAYER or PAYEE".to_owned())
}

fn phone(text: &str) -> Result<String, String> {
    if is_phone(text) {
        Ok(text.to_owned())
    } else {
        Err("8 to 15 digits with the country code and no plus sign".to_owned())
    }
}

/// A new merchant with its credentials.
pub struct Created {
    pub merchant: MerchantRow,
    pub wallets: Vec<(WalletId, Currency)>,
    pub client_id: String,
    /// The secret, of which the database has only a hash.
    pub client_secret: String,
}

impl Merchant {
    pub fn run(self, target: &Target) -> anyhow::Result<()> {
        match self {
            Self::Create { name, kind, phone, verified: _, unverified, empty, mode, live } => {
                let mode = if live { Mode::Live } else { mode };
                // Real money comes from payers, not from nothing.
                let empty = empty || mode == Mode::Live;
                output::check_is_read()?;
                drop(target.open()?);
                check_network_account(target, mode)?;
                let created = create_in(target, mode, &name, kind, phone, !unverified)?;
                created.show_or_undo(target, &created.as_json(empty), &created.as_text(empty))?;
                if empty { Ok(()) } else { created.fund(target) }
            }
            Self::List => list(target),
            Self::Set {
                merchant,
                verified,
                fee_tier,
                fee_bearer,
                network_account,
                no_network_account,
                brand,
            } => {
                let Brand { display_name, colour, logo } = brand;
                let logo = match logo.unwrap_or_default() {
                    Patch::Set(path) => Patch::Set(logo::read(&path)?),
                    Patch::Clear => Patch::Clear,
                    Patch::Keep => Patch::Keep,
                };
                let changes = MerchantChanges {
                    verified,
                    fee_tier,
                    fee_bearer,
                    display_name: display_name.unwrap_or_default(),
                    colour: colour.unwrap_or_default(),
                    logo,
                    network_accounts: network_account.into_iter().map(NetworkAccountId).collect(),
                    unbound_networks: no_network_account,
                };
                set(target, MerchantId(merchant), changes)
            }
            Self::CreateKey { merchant, role, operations } => {
                output::check_is_read()?;
                let rights = Rights { role, operations: operations.map(Operations::new) };
                create_key(target, MerchantId(merchant), rights)
            }
            Self::Limits { merchant, currency, given } => {
                limits(target, MerchantId(merchant), currency, &given)
            }
            Self::SetPasscode { merchant } => set_passcode(target, merchant),
            Self::Passcode { merchant, remove, .. } => change_passcode(target, merchant, remove),
        }
    }
}

/// Refuses a merchant that nothing could be paid to.
fn check_network_account(target: &Target, mode: Mode) -> anyhow::Result<()> {
    let tariff = target.read(async |reads| reads.for_system().tariff().await)?;
    let is_there = tariff
        .network_accounts
        .iter()
        .any(|account| account.mode == mode && account.status != AccountStatus::Closed);
    if mode != Mode::Sandbox && !is_there {
        let word = mode.as_str().to_ascii_lowercase();
        bail!(
            "there is no {mode} account at a network, so that nothing could be paid: add one with \
             `kola networks add --mode {word}`"
        );
    }
    Ok(())
}

/// Creates a sandbox merchant.
///
/// # Errors
/// If another merchant has the phone, or the database cannot be written.
pub fn create(
    target: &Target,
    name: &str,
    kind: MerchantType,
    phone: Option<String>,
    verified: bool,
) -> anyhow::Result<Created> {
    create_in(target, Mode::Sandbox, name, kind, phone, verified)
}

fn create_in(
    target: &Target,
    mode: Mode,
    name: &str,
    kind: MerchantType,
    phone: Option<String>,
    verified: bool,
) -> anyhow::Result<Created> {
    let name = self::name::<255>(name).map_err(anyhow::Error::msg)?;
    let NewKey { client_id, client_secret, secret_hash } = NewKey::draw()?;
    let new = CreateMerchant {
        name,
        kind,
        mode,
        phone,
        email: None,
        verified,
        client_id: client_id.clone(),
        secret_hash,
        currencies: CURRENCIES.iter().filter_map(|code| Currency::parse(code)).collect(),
    };
    let CreatedMerchant { merchant, wallets } = target.run_once(new)?;
    Ok(Created { merchant, wallets, client_id, client_secret })
}

/// The money that a sandbox merchant starts with, in major units.
const FUNDS: [(&str, &str); 3] = [("USD", "10000"), ("LRD", "2000000"), ("RWF", "15000000")];

/// The money that a wallet of a new sandbox merchant starts with.
pub fn opening_balance(currency: Currency) -> Money {
    let units =
        FUNDS.iter().find(|(code, _)| *code == currency.code()).map_or("0", |(_, units)| units);
    let amount = Decimal::parse(units).and_then(|units| units.to_money(currency).ok());
    amount.unwrap_or(Money::new(0, currency))
}

impl Created {
    /// Prints the credentials. If that fails, the merchant is deleted again: the secret is stored
    /// nowhere, so nobody could use the merchant.
    ///
    /// # Errors
    /// If the credentials cannot be printed.
    pub fn show_or_undo(&self, target: &Target, json: &Value, text: &str) -> anyhow::Result<()> {
        let Err(error) = output::show(json, text) else { return Ok(()) };
        let id = self.merchant.id;
        match installation::delete_unused_merchant(target.open()?.as_mut(), id.0) {
            Ok(true) => bail!("no merchant was made: its secret cannot be shown: {error}"),
            Ok(false) => {
                bail!(
                    "the secret of merchant {id} cannot be shown: {error}; `kola merchant create-key` makes another"
                )
            }
            Err(undo) => bail!(
                "the secret of merchant {id} cannot be shown: {error}; and the merchant could not be deleted: {undo}"
            ),
        }
    }

    /// Puts money into the wallets. Each is funded once, however often this is called.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub fn fund(&self, target: &Target) -> anyhow::Result<()> {
        for (id, currency) in &self.wallets {
            let key = format!("opening-balance-{id}");
            let funded = target.run_once(FundWallet {
                wallet_id: *id,
                amount: opening_balance(*currency),
                key: Some(key),
            });
            funded.with_context(|| {
                format!("wallet {id} has no money yet: `kola wallet fund` puts some into it")
            })?;
        }
        Ok(())
    }

    /// The answer for a program.
    pub fn as_json(&self, empty: bool) -> Value {
        let wallet = |(id, currency): &(WalletId, Currency)| {
            let available =
                if empty { Money::new(0, *currency) } else { opening_balance(*currency) };
            json!({ "id": id.0, "currency": currency.code(), "available": available.to_string() })
        };
        json!({
            "merchant_id": self.merchant.id.0,
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "verified": self.merchant.verified,
            "wallets": self.wallets.iter().map(wallet).collect::<Vec<_>>(),
        })
    }

    fn as_text(&self, empty: bool) -> String {
        let mut lines = vec![
            format!("merchant       {}", self.merchant.id),
            format!("client_id      {}", self.client_id),
            format!("client_secret  {}   (shown only now)", self.client_secret),
        ];
        for (id, currency) in &self.wallets {
            let money =
                if empty { "empty".to_owned() } else { opening_balance(*currency).to_string() };
            lines.push(format!("wallet         {id}: {money} {currency}"));
        }
        if !self.merchant.verified {
            let command =
                format!("kola merchant set --merchant {} --verified true", self.merchant.id);
            lines.push(format!("It is not verified: it may not pay out, transfer, refund or make links until `{command}`."));
        }
        if empty {
            lines.push(
                "Its wallets are empty: `kola wallet fund --wallet ID --amount 1000` puts sandbox money into them.".to_owned(),
            );
        }
        lines.join("\n")
    }
}

fn list(target: &Target) -> anyhow::Result<()> {
    drop(target.open_existing()?);
    let merchants = all(target)?;
    let cells = merchants.iter().map(|merchant| {
        let phone = merchant.phone.clone().unwrap_or_else(|| "-".to_owned());
        let (kind, mode, verified) =
            (merchant.kind.as_str(), merchant.mode.as_str(), yes_or_no(merchant.verified));
        let (since, bearer) = (moment(merchant.created_at), merchant.fee_bearer.as_str());
        let words =
            [kind, mode, verified, &merchant.fee_tier, bearer, &phone, &since, &merchant.name];
        let [kind, mode, verified, tier, bearer, phone, since, name] = words.map(str::to_owned);
        [merchant.id.to_string(), kind, mode, verified, tier, bearer, phone, since, name]
    });
    let head = ["id", "type", "mode", "verified", "tier", "fees", "phone", "since", "name"];
    let text = output::table(head, &cells.collect::<Vec<_>>());
    output::tell(&merchants.iter().map(row_as_json).collect(), &text)
}

fn row_as_json(merchant: &MerchantRow) -> Value {
    json!({
        "id": merchant.id.0,
        "name": merchant.name,
        "type": merchant.kind.as_str(),
        "mode": merchant.mode.as_str(),
        "verified": merchant.verified,
        "fee_tier": merchant.fee_tier,
        "fee_bearer": merchant.fee_bearer.as_str(),
        "phone": merchant.phone,
        "display_name": merchant.display_name,
        "colour": merchant.colour.map(|colour| colour.to_string()),
        "pawapay_account_id": merchant.network_accounts.pawapay.map(|id| id.0),
        "stripe_account_id": merchant.network_accounts.stripe.map(|id| id.0),
        "has_logo": merchant.logo.is_some(),
        "created_at": format!("{:.6}", merchant.created_at),
    })
}

const fn yes_or_no(is_so: bool) -> &'static str {
    if is_so { "yes" } else { "no" }
}

/// Reads every merchant, oldest first.
///
/// # Errors
/// If the database cannot be read.
pub fn all(target: &Target) -> anyhow::Result<Vec<MerchantRow>> {
    target.read(async |reads| {
        let mut found: Vec<MerchantRow> = vec![];
        loop {
            let last = found.last().map_or(MerchantId(0), |merchant| merchant.id);
            let more = reads.merchants_after(last, LIST_STEP).await?;
            if more.is_empty() {
                return Ok(found);
            }
            found.extend(more);
        }
    })
}

fn set(target: &Target, id: MerchantId, changes: MerchantChanges) -> anyhow::Result<()> {
    drop(target.open_existing()?);
    let merchant = target.run_on("merchant", id, UpdateMerchant { merchant_id: id, changes })?;
    let lines = [
        format!("merchant    {id}"),
        format!("verified    {}", yes_or_no(merchant.verified)),
        format!("fee tier    {}", merchant.fee_tier),
        format!("fee bearer  {}", merchant.fee_bearer),
        format!("shown as    {}", merchant.shown_name()),
        format!(
            "colour      {}",
            merchant.colour.map_or("-".to_owned(), |colour| colour.to_string())
        ),
        format!("logo        {}", yes_or_no(merchant.logo.is_some())),
    ];
    output::done(&row_as_json(&merchant), &lines.join("\n"))
}

fn create_key(target: &Target, merchant: MerchantId, rights: Rights) -> anyhow::Result<()> {
    let NewKey { client_id, client_secret, secret_hash } = NewKey::draw()?;
    let command = CreateApiKey {
        merchant_id: merchant,
        client_id: client_id.clone(),
        secret_hash,
        rights: rights.clone(),
    };
    drop(target.open_existing()?);
    let key = target.run_on("merchant", merchant, command)?;
    let names = rights.operations.as_ref().map(Operations::names);
    let json = json!({
        "id": key.id.0,
        "client_id": client_id,
        "client_secret": client_secret,
        "role": rights.role.as_str(),
        "operations": names,
    });
    let limited = names.map_or(String::new(), |names| format!(", only {}", names.join(", ")));
    let lines = [
        format!("api key        {}", key.id),
        format!("role           {}{limited}", rights.role),
        format!("client_id      {client_id}"),
        format!("client_secret  {client_secret}   (shown only now)"),
    ];
    if let Err(error) = output::show(&json, &lines.join("\n")) {
        target
            .run_once(RevokeApiKey { merchant_id: merchant, api_key_id: key.id })
            .with_context(|| format!("key {} cannot be revoked", key.id))?;
        bail!("key {} is revoked again: its secret cannot be shown: {error}", key.id);
    }
    Ok(())
}

/// Sets what is given, and shows the limits of all currencies.
fn limits(
    target: &Target,
    merchant: MerchantId,
    currency: Option<Currency>,
    given: &GivenLimits,
) -> anyhow::Result<()> {
    drop(target.open_existing()?);
    if let Some(currency) = currency {
        let minor = |name: &str, text: &str| {
            let limit = typed_limit(text, currency);
            limit
                .map(|limit| limit.minor)
                .with_context(|| format!("--{name} is no amount of {currency}"))
        };
        let patch = |name: &str, text: Option<&str>| match text {
            None => Ok(Patch::Keep),
            Some("none") => Ok(Patch::Clear),
            Some(text) => minor(name, text).map(Patch::Set),
        };
        let support = given.support_refund.as_deref();
        let set = SetMerchantLimits {
            merchant_id: merchant,
            currency,
            support_refund_minor: support.map(|text| minor("support-refund", text)).transpose()?,
            payment_minor: patch("payment", given.payment.as_deref())?,
            day_minor: patch("day", given.day.as_deref())?,
            bind_api_keys: given.bind_api_keys,
        };
        target.run_on("merchant", merchant, set)?;
    }
    let rows = target.read(async |reads| reads.of(merchant).limits().await)?;
    let amount = |minor, row: &MerchantLimits| Money::new(minor, row.currency).to_string();
    let most = |minor: Option<i64>, row| minor.map(|minor| amount(minor, row));
    let json: Vec<Value> = rows
        .iter()
        .map(|row| {
            json!({
                "currency": row.currency.code(),
                "support_refund": amount(row.support_refund_minor, row),
                "payment": most(row.payment_minor, row),
                "day": most(row.day_minor, row),
                "bind_api_keys": row.bind_api_keys,
            })
        })
        .collect();
    let none = || "none".to_owned();
    let cells: Vec<_> = rows
        .iter()
        .map(|row| {
            [
                row.currency.code().to_owned(),
                amount(row.support_refund_minor, row),
                most(row.payment_minor, row).unwrap_or_else(none),
                most(row.day_minor, row).unwrap_or_else(none),
                if row.bind_api_keys { "people and API keys" } else { "people" }.to_owned(),
            ]
        })
        .collect();
    let heads = ["currency", "refunds by support", "one payout", "payouts of a day", "bound"];
    output::tell(&json!(json), &output::table(heads, &cells))
}

fn set_passcode(target: &Target, merchant: i64) -> anyhow::Result<()> {
    // The rules of a passcode in a request: no request could ever send one that breaks them, and
    // every payout would be refused.
    let passcode = &input::secret("passcode")?;
    if !PASSCODE_CHARS.contains(&passcode.chars().count()) || passcode.chars().any(char::is_control)
    {
        bail!("a passcode has 4 to 128 characters");
    }
    let hash =
        hash_passcode(passcode, &mut HashMemory::new()).map_err(|error| anyhow::anyhow!(error))?;
    drop(target.open_existing()?);
    target.run_on(
        "merchant",
        merchant,
        SetPasscode { merchant_id: MerchantId(merchant), hash: Some(hash) },
    )?;
    let json = json!({ "merchant_id": merchant, "passcode": "set" });
    output::done(&json, &format!("payouts of merchant {merchant} need the passcode from now on"))
}

fn change_passcode(target: &Target, merchant: i64, remove: bool) -> anyhow::Result<()> {
    let id = MerchantId(merchant);
    drop(target.open_existing()?);
    let (state, done) = if remove {
        target.run_on("merchant", merchant, SetPasscode { merchant_id: id, hash: None })?;
        ("removed", "need no passcode from now on")
    } else {
        target.run_on("merchant", merchant, UnlockPasscode { merchant_id: id })?;
        ("unlocked", "are not locked any more")
    };
    output::done(
        &json!({ "merchant_id": merchant, "passcode": state }),
        &format!("payouts of merchant {merchant} {done}"),
    )
}
