//! `kola merchant`: merchants and their credentials.

use std::io::Read;

use anyhow::{Context, bail};
use clap::{ArgGroup, Subcommand};
use domain::command::{Answer, Command};
use domain::currency::Currency;
use domain::ids::{MerchantId, WalletId};
use domain::merchant::{Merchant as MerchantRow, MerchantChanges, MerchantType, NewMerchant};
use domain::names::{FeeBearer, Mode};
use serde_json::json;

use super::{Place, print_json};
use crate::http::fields::{FromValue, Text};
use crate::secrets::{NewKey, PASSCODE_CHARS, Scratch, hash_passcode};

/// The currencies in which a new merchant gets wallets.
pub const CURRENCIES: [&str; 3] = ["USD", "LRD", "RWF"];
/// Rows that a list reads at a time.
pub const LIST_STEP: u32 = 1_000;

#[derive(Subcommand)]
pub enum Merchant {
    /// Make a sandbox merchant with wallets in USD, LRD and RWF. Its secret is shown only here.
    Create {
        /// Its name.
        #[arg(long)]
        name: String,
        /// ORGANIZATION or MICRO_ORGANIZATION.
        #[arg(long = "type", value_name = "TYPE", value_parser = merchant_type)]
        kind: MerchantType,
        /// Its phone, digits with the country code: transfers to a party with this phone reach it.
        #[arg(long, value_parser = phone)]
        phone: Option<String>,
        /// It may pay out, transfer and refund.
        #[arg(long)]
        verified: bool,
        /// Its money is real. Refused as long as no live provider is configured.
        #[arg(long)]
        live: bool,
        /// Answer in JSON.
        #[arg(long)]
        json: bool,
    },
    /// The merchants, oldest first.
    List {
        /// Answer in JSON.
        #[arg(long)]
        json: bool,
    },
    /// Change a merchant; a running server takes it up at once. What is not given stays as it is.
    #[command(group(ArgGroup::new("what").required(true).multiple(true)))]
    Set {
        /// The merchant's id.
        #[arg(long)]
        merchant: i64,
        /// Whether it may pay out, transfer and refund.
        #[arg(long, group = "what", value_name = "true|false")]
        verified: Option<bool>,
        /// The name of its fee tier.
        #[arg(long, group = "what", value_name = "NAME")]
        fee_tier: Option<String>,
        /// Who bears the fees of its checkouts: PAYER or PAYEE.
        #[arg(long, group = "what", value_name = "PAYER|PAYEE", value_parser = fee_bearer)]
        fee_bearer: Option<FeeBearer>,
    },
    /// Make another API key for a merchant, be it that all others are revoked. Its secret is shown only here.
    CreateKey {
        /// The merchant's id.
        #[arg(long)]
        merchant: i64,
        /// Answer in JSON.
        #[arg(long)]
        json: bool,
    },
    /// Set the passcode that payouts of a merchant need. It is read from standard input.
    SetPasscode {
        /// The merchant's id.
        #[arg(long)]
        merchant: i64,
    },
    /// Lift the locks that wrong passcodes brought about, or remove the passcode. A running server takes it up at once.
    #[command(group(ArgGroup::new("deed").required(true)))]
    Passcode {
        /// The merchant's id.
        #[arg(long)]
        merchant: i64,
        /// Forget the wrong ones: its API keys may try again at once.
        #[arg(long, group = "deed")]
        unlock: bool,
        /// Its payouts need no passcode any more.
        #[arg(long, group = "deed")]
        remove: bool,
    },
}

fn merchant_type(text: &str) -> Result<MerchantType, String> {
    MerchantType::parse(text).ok_or_else(|| "use ORGANIZATION or MICRO_ORGANIZATION".to_owned())
}

fn fee_bearer(text: &str) -> Result<FeeBearer, String> {
    FeeBearer::parse(text).ok_or_else(|| "use PAYER or PAYEE".to_owned())
}

fn phone(text: &str) -> Result<String, String> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    if digits && (8..=15).contains(&text.len()) && !text.starts_with('0') {
        Ok(text.to_owned())
    } else {
        Err("8 to 15 digits with the country code and no plus sign".to_owned())
    }
}

/// What a new merchant is given. The secret is nowhere else.
pub struct Created {
    /// The merchant.
    pub merchant: MerchantRow,
    /// Its wallets.
    pub wallets: Vec<(WalletId, Currency)>,
    /// The public half of its key.
    pub client_id: String,
    /// The secret half.
    pub client_secret: String,
}

impl Merchant {
    pub fn run(self, place: &Place) -> anyhow::Result<()> {
        match self {
            Self::Create { live: true, .. } => {
                bail!("no live provider is configured: a live merchant's payments would never be carried out")
            }
            Self::Create { name, kind, phone, verified, live: false, json } => {
                drop(place.open()?);
                let created = create(place, &name, kind, phone, verified)?;
                if json {
                    print_json(&as_json(&created))
                } else {
                    print(&created)
                }
                Ok(())
            }
            Self::List { json } => list(place, json),
            Self::Set { merchant, verified, fee_tier, fee_bearer } => {
                set(place, MerchantId(merchant), MerchantChanges { verified, fee_tier, fee_bearer })
            }
            Self::CreateKey { merchant, json } => create_key(place, merchant, json),
            Self::SetPasscode { merchant } => set_passcode(place, merchant),
            Self::Passcode { merchant, remove, .. } => change_passcode(place, merchant, remove),
        }
    }
}

/// Makes a sandbox merchant.
///
/// # Errors
/// When the phone is taken, or the database cannot be written.
pub fn create(place: &Place, name: &str, kind: MerchantType, phone: Option<String>, verified: bool) -> anyhow::Result<Created> {
    let Ok(Text(name)) = Text::<255>::read(&json!(name)) else {
        bail!("a name has 1 to 255 characters, and one that can be seen");
    };
    let NewKey { client_id, client_secret, secret_hash } = NewKey::draw()?;
    let new = NewMerchant {
        name,
        kind,
        mode: Mode::Sandbox,
        phone,
        email: None,
        verified,
        client_id: client_id.clone(),
        secret_hash,
        currencies: CURRENCIES.iter().filter_map(|code| Currency::parse(code)).collect(),
    };
    match place.run_once(Command::CreateMerchant(new))? {
        Answer::Merchant(merchant, wallets) => Ok(Created { merchant, wallets, client_id, client_secret }),
        other => bail!("unexpected answer {other:?}"),
    }
}

fn as_json(created: &Created) -> serde_json::Value {
    let wallets: Vec<_> =
        created.wallets.iter().map(|(id, currency)| json!({"id": id.0, "currency": currency.code()})).collect();
    json!({
        "merchant_id": created.merchant.id.0,
        "client_id": created.client_id,
        "client_secret": created.client_secret,
        "wallets": wallets,
    })
}

fn print(created: &Created) {
    println!("merchant       {}", created.merchant.id);
    println!("client_id      {}", created.client_id);
    println!("client_secret  {}   (shown only now)", created.client_secret);
    for (id, currency) in &created.wallets {
        println!("wallet         {id} {currency}");
    }
}

fn list(place: &Place, as_json: bool) -> anyhow::Result<()> {
    drop(place.open_existing()?);
    let merchants = all(place)?;
    if as_json {
        let rows = merchants.iter().map(|merchant| {
            json!({
                "id": merchant.id.0,
                "name": merchant.name,
                "type": merchant.kind.as_str(),
                "mode": merchant.mode.as_str(),
                "verified": merchant.verified,
                "fee_tier": merchant.fee_tier,
                "fee_bearer": merchant.fee_bearer.as_str(),
                "phone": merchant.phone,
                "created_at": format!("{:.6}", merchant.created_at),
            })
        });
        print_json(&rows.collect());
        return Ok(());
    }
    println!(
        "{:>6}  {:<18}  {:<7}  {:<8}  {:<10}  {:<6}  {:<15}  name",
        "id", "type", "mode", "verified", "tier", "fees", "phone"
    );
    for merchant in merchants {
        let verified = yes_or_no(merchant.verified);
        let phone = merchant.phone.as_deref().unwrap_or("-");
        let (id, kind, mode) = (merchant.id.0, merchant.kind.as_str(), merchant.mode.as_str());
        let (tier, bearer) = (merchant.fee_tier, merchant.fee_bearer.as_str());
        println!("{id:>6}  {kind:<18}  {mode:<7}  {verified:<8}  {tier:<10}  {bearer:<6}  {phone:<15}  {}", merchant.name);
    }
    Ok(())
}

const fn yes_or_no(is_so: bool) -> &'static str {
    if is_so { "yes" } else { "no" }
}

/// Every merchant, oldest first.
///
/// # Errors
/// When the database cannot be read.
pub fn all(place: &Place) -> anyhow::Result<Vec<MerchantRow>> {
    place.read(async |queries| {
        let mut found: Vec<MerchantRow> = vec![];
        loop {
            let last = found.last().map_or(MerchantId(0), |merchant| merchant.id);
            let more = queries.merchants_after(last, LIST_STEP).await?;
            if more.is_empty() {
                return Ok(found);
            }
            found.extend(more);
        }
    })
}

fn set(place: &Place, id: MerchantId, changes: MerchantChanges) -> anyhow::Result<()> {
    drop(place.open_existing()?);
    match place.run_once(Command::UpdateMerchant(id, changes)).with_context(|| format!("merchant {id}"))? {
        Answer::UpdatedMerchant(merchant) => {
            println!("merchant    {id}");
            println!("verified    {}", yes_or_no(merchant.verified));
            println!("fee tier    {}", merchant.fee_tier);
            println!("fee bearer  {}", merchant.fee_bearer);
        }
        other => bail!("unexpected answer {other:?}"),
    }
    Ok(())
}

fn create_key(place: &Place, merchant: i64, json: bool) -> anyhow::Result<()> {
    let NewKey { client_id, client_secret, secret_hash } = NewKey::draw()?;
    let command = Command::CreateKey(MerchantId(merchant), client_id.clone(), secret_hash);
    drop(place.open_existing()?);
    match place.run_once(command).with_context(|| format!("merchant {merchant}"))? {
        Answer::ApiKey(key) if json => {
            print_json(&json!({"id": key.id.0, "client_id": client_id, "client_secret": client_secret}));
        }
        Answer::ApiKey(key) => {
            println!("api key        {}", key.id);
            println!("client_id      {client_id}");
            println!("client_secret  {client_secret}   (shown only now)");
        }
        other => bail!("unexpected answer {other:?}"),
    }
    Ok(())
}

fn set_passcode(place: &Place, merchant: i64) -> anyhow::Result<()> {
    let mut passcode = String::new();
    std::io::stdin().take(1_024).read_to_string(&mut passcode).context("no passcode on standard input")?;
    // As a request's passcode is read: a blank or a control character that it cannot have would lock every payout out.
    let passcode = passcode.trim();
    if !PASSCODE_CHARS.contains(&passcode.chars().count()) || passcode.chars().any(char::is_control) {
        bail!("a passcode has 4 to 128 characters");
    }
    let hash = hash_passcode(passcode, &mut Scratch::new()).map_err(|error| anyhow::anyhow!(error))?;
    drop(place.open_existing()?);
    place.run_once(Command::SetPasscode(MerchantId(merchant), Some(hash))).with_context(|| format!("merchant {merchant}"))?;
    println!("payouts of merchant {merchant} need the passcode from now on");
    Ok(())
}

fn change_passcode(place: &Place, merchant: i64, remove: bool) -> anyhow::Result<()> {
    let id = MerchantId(merchant);
    let (command, done) = if remove {
        (Command::SetPasscode(id, None), "need no passcode from now on")
    } else {
        (Command::UnlockPasscode(id), "are not locked any more")
    };
    drop(place.open_existing()?);
    place.run_once(command).with_context(|| format!("merchant {merchant}"))?;
    println!("payouts of merchant {merchant} {done}");
    Ok(())
}
