//! `kola wallet`: lists wallets, funds sandbox wallets, and sets what a wallet may be used for.

use anyhow::Context;
use clap::Subcommand;
use domain::kernel::ids::{MerchantId, WalletId};
use domain::kernel::money::{AmountFault, Decimal, Money};
use domain::ledger::fund_wallet::FundWallet;
use domain::ledger::set_wallet_status::SetWalletStatus;
use domain::ledger::wallet::{Wallet as WalletRow, WalletStatus};
use serde_json::{Value, json};

use crate::cli::{Target, merchant, not_found, output};
use crate::engine::Failure;
use store::clock;
use store::reads::pages::Page;
use store::reads::wallets::WalletFilter;

#[derive(Subcommand)]
pub enum Wallet {
    /// Put sandbox money into a wallet. A server may be running.
    Fund {
        /// The wallet's id.
        #[arg(long)]
        wallet: i64,
        /// The amount, in the wallet's currency: 1000.00.
        #[arg(long)]
        amount: String,
        /// The idempotency key: the wallet is funded once under a key, however often that is tried.
        /// Without it a random key is used and printed.
        #[arg(long, value_name = "KEY", value_parser = key)]
        key: Option<String>,
    },
    /// List the wallets of merchants and their parties.
    List {
        /// List only those of this merchant.
        #[arg(long, value_name = "ID")]
        merchant: Option<i64>,
    },
    /// Set the status of a wallet, which says what it may be used for.
    Status {
        /// The wallet's id.
        #[arg(long)]
        wallet: i64,
        /// The status: ACTIVE, RESTRICTED (credits only), FROZEN (neither credits nor debits) or
        /// CLOSED (neither; the wallet must be empty).
        #[arg(long = "set", value_name = "STATUS", value_parser = status)]
        status: WalletStatus,
    },
}

fn key(text: &str) -> Result<String, String> {
    let text = text.trim();
    let plain = (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    if plain {
        Ok(text.to_owned())
    } else {
        Err("use 1 to 64 letters, digits and signs, without blanks".to_owned())
    }
}

fn status(text: &str) -> Result<WalletStatus, String> {
    WalletStatus::parse(text).ok_or_else(|| "use ACTIVE, RESTRICTED, FROZEN or CLOSED".to_owned())
}

impl Wallet {
    pub fn run(self, target: &Target) -> anyhow::Result<()> {
        match self {
            Self::Fund { wallet, amount, key } => fund(target, WalletId(wallet), &amount, key),
            Self::List { merchant } => list(target, merchant.map(MerchantId)),
            Self::Status { wallet, status } => set_status(target, WalletId(wallet), status),
        }
    }
}

fn fund(target: &Target, id: WalletId, amount: &str, key: Option<String>) -> anyhow::Result<()> {
    let wallet = find(target, id)?;
    let amount = Decimal::parse(amount).context("--amount is not a number")?;
    let amount =
        amount.to_money(wallet.currency).map_err(|fault| explain(fault, wallet.currency.code()))?;
    let key = match key {
        Some(key) => key,
        None => {
            let key = uuid::Builder::from_random_bytes(clock::random()?).into_uuid().to_string();
            // Printed first, so that the key is known even if the answer is lost.
            output::warn(&format!("the key of this funding is {key}"));
            key
        }
    };
    let funded = target.run_once(FundWallet { wallet_id: id, amount, key: Some(key.clone()) }).map_err(|error| {
        match error.downcast_ref::<Failure>() {
            // Nothing was done, and the same command would be refused again.
            Some(Failure::Refused(_)) => error,
            _ => error.context(format!(
                "to try again, add `--key {key}`: should the money have arrived after all, it is not given twice"
            )),
        }
    });
    let wallet = funded?;
    let json = json!({
        "id": id.0,
        "currency": wallet.currency.code(),
        "available": wallet.available().to_string(),
        "held": held(&wallet).to_string(),
        "key": key,
    });
    let text = format!(
        "wallet {id} has {} {} available; the key of this funding is {key}",
        wallet.available(),
        wallet.currency
    );
    output::done(&json, &text)
}

fn list(target: &Target, only: Option<MerchantId>) -> anyhow::Result<()> {
    drop(target.open_existing()?);
    let merchants = match only {
        Some(id) => {
            let found = target.read(async |reads| reads.merchant(id).await)?;
            vec![found.with_context(|| not_found("merchant", id))?.id]
        }
        None => merchant::all(target)?.into_iter().map(|merchant| merchant.id).collect(),
    };
    let mut wallets = vec![];
    for id in merchants {
        wallets.extend(of_merchant(target, id)?);
    }
    let cells = wallets.iter().map(|wallet| {
        let owner = format!("{} {}", wallet.owner_type.as_str(), wallet.owner_id);
        let (id, merchant, status) = (
            wallet.id.to_string(),
            wallet.merchant_id.to_string(),
            wallet.status.as_str().to_owned(),
        );
        let (available, held) = (wallet.available().to_string(), held(wallet).to_string());
        [id, merchant, owner, status, available, held, wallet.currency.code().to_owned()]
    });
    let head = ["id", "merchant", "owner", "status", "available", "held", "currency"];
    let text = output::table(head, &cells.collect::<Vec<_>>());
    output::tell(&wallets.iter().map(as_json).collect(), &text)
}

fn as_json(wallet: &WalletRow) -> Value {
    json!({
        "id": wallet.id.0,
        "merchant_id": wallet.merchant_id.0,
        "owner_type": wallet.owner_type.as_str(),
        "owner_id": wallet.owner_id,
        "currency": wallet.currency.code(),
        "available": wallet.available().to_string(),
        "held": held(wallet).to_string(),
        "incoming": Money::new(wallet.incoming_minor, wallet.currency).to_string(),
        "status": wallet.status.as_str(),
    })
}

/// Reads the wallets of a merchant and of its parties, oldest first.
fn of_merchant(target: &Target, id: MerchantId) -> anyhow::Result<Vec<WalletRow>> {
    let mut found = target.read(async |reads| {
        let mut found: Vec<WalletRow> = vec![];
        loop {
            let page = Page {
                limit: merchant::LIST_STEP,
                after_id: found.last().map(|wallet| wallet.id.0),
            };
            let more = reads.of(id).wallets(WalletFilter::default(), page).await?.rows;
            if more.is_empty() {
                return Ok(found);
            }
            found.extend(more);
        }
    })?;
    found.reverse();
    Ok(found)
}

const fn held(wallet: &WalletRow) -> Money {
    Money::new(wallet.held_minor, wallet.currency)
}

fn find(target: &Target, id: WalletId) -> anyhow::Result<WalletRow> {
    drop(target.open_existing()?);
    target.read(async |reads| reads.wallet(id).await)?.with_context(|| not_found("wallet", id))
}

fn explain(fault: AmountFault, currency: &str) -> anyhow::Error {
    match fault {
        AmountFault::NotPositive => anyhow::anyhow!("--amount must be above zero"),
        AmountFault::TooManyDecimals { allowed } => {
            anyhow::anyhow!("{currency} has {allowed} decimals")
        }
        AmountFault::TooLarge => anyhow::anyhow!("--amount is too large"),
    }
}

fn set_status(target: &Target, id: WalletId, status: WalletStatus) -> anyhow::Result<()> {
    find(target, id)?;
    let wallet = target.run_once(SetWalletStatus { wallet_id: id, status })?;
    let held = held(&wallet);
    let text = format!(
        "wallet {id} is {}: {} {} available, {held} held",
        wallet.status,
        wallet.available(),
        wallet.currency
    );
    output::done(&as_json(&wallet), &text)
}
