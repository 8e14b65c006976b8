//! `kola wallet`: money for sandbox wallets, and what may be started on a wallet.

use anyhow::{Context, bail};
use clap::Subcommand;
use domain::command::{Answer, Command};
use domain::ids::{MerchantId, WalletId};
use domain::money::{AmountFault, Decimal, Money};
use domain::wallet::WalletStatus;
use serde_json::json;

use super::{Place, merchant, print_json};
use crate::store::lists::{Page, WalletFilter};

#[derive(Subcommand)]
pub enum Wallet {
    /// Put sandbox money into a wallet; works beside a running server.
    Fund {
        /// The wallet's id.
        #[arg(long)]
        wallet: i64,
        /// How much, in the wallet's currency: 1000.00.
        #[arg(long)]
        amount: String,
    },
    /// The wallets of merchants and their parties.
    List {
        /// Only those of this merchant.
        #[arg(long, value_name = "ID")]
        merchant: Option<i64>,
        /// Answer in JSON.
        #[arg(long)]
        json: bool,
    },
    /// Change what may be started on a wallet.
    Status {
        /// The wallet's id.
        #[arg(long)]
        wallet: i64,
        /// ACTIVE; RESTRICTED: credits only; FROZEN: neither; CLOSED: neither, and empty.
        #[arg(long = "set", value_name = "STATUS", value_parser = status)]
        status: WalletStatus,
    },
}

fn status(text: &str) -> Result<WalletStatus, String> {
    WalletStatus::parse(text).ok_or_else(|| "use ACTIVE, RESTRICTED, FROZEN or CLOSED".to_owned())
}

impl Wallet {
    pub fn run(self, place: &Place) -> anyhow::Result<()> {
        match self {
            Self::Fund { wallet, amount } => fund(place, WalletId(wallet), &amount),
            Self::List { merchant, json } => list(place, merchant.map(MerchantId), json),
            Self::Status { wallet, status } => set_status(place, WalletId(wallet), status),
        }
    }
}

fn fund(place: &Place, id: WalletId, amount: &str) -> anyhow::Result<()> {
    let wallet = find(place, id)?;
    let amount = Decimal::parse(amount).context("--amount is not a number")?;
    let amount = amount.to_money(wallet.currency).map_err(|fault| explain(fault, wallet.currency.code()))?;
    let wallet = expect_wallet(place.run_once(Command::FundWallet(id, amount))?)?;
    println!("wallet {id} has {} {} available", wallet.available(), wallet.currency);
    Ok(())
}

fn list(place: &Place, only: Option<MerchantId>, as_json: bool) -> anyhow::Result<()> {
    drop(place.open_existing()?);
    let merchants = match only {
        Some(id) => {
            let found = place.read(async |queries| queries.merchant(id).await)?;
            vec![found.with_context(|| format!("there is no merchant {id}"))?.id]
        }
        None => merchant::all(place)?.into_iter().map(|merchant| merchant.id).collect(),
    };
    let mut wallets = vec![];
    for id in merchants {
        wallets.extend(of_merchant(place, id)?);
    }
    if as_json {
        let rows = wallets.iter().map(|wallet| {
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
        });
        print_json(&rows.collect());
        return Ok(());
    }
    println!(
        "{:>6}  {:>8}  {:<16}  {:<10}  {:>20}  {:>16}  currency",
        "id", "merchant", "owner", "status", "available", "held"
    );
    for wallet in wallets {
        let owner = format!("{} {}", wallet.owner_type.as_str(), wallet.owner_id);
        let (id, merchant, status) = (wallet.id.0, wallet.merchant_id.0, wallet.status.as_str());
        let (available, held) = (wallet.available().to_string(), held(&wallet).to_string());
        println!("{id:>6}  {merchant:>8}  {owner:<16}  {status:<10}  {available:>20}  {held:>16}  {}", wallet.currency);
    }
    Ok(())
}

/// A merchant's wallets and those of its parties, oldest first.
fn of_merchant(place: &Place, id: MerchantId) -> anyhow::Result<Vec<domain::wallet::Wallet>> {
    let mut found = place.read(async |queries| {
        let mut found: Vec<domain::wallet::Wallet> = vec![];
        loop {
            let page = Page { limit: merchant::LIST_STEP, after_id: found.last().map(|wallet| wallet.id.0) };
            let more = queries.wallets(id, WalletFilter::default(), page).await?.rows;
            if more.is_empty() {
                return Ok(found);
            }
            found.extend(more);
        }
    })?;
    found.reverse();
    Ok(found)
}

const fn held(wallet: &domain::wallet::Wallet) -> Money {
    Money::new(wallet.held_minor, wallet.currency)
}

fn find(place: &Place, id: WalletId) -> anyhow::Result<domain::wallet::Wallet> {
    drop(place.open_existing()?);
    place.read(async |queries| queries.any_wallet(id).await)?.with_context(|| format!("there is no wallet {id}"))
}

fn explain(fault: AmountFault, currency: &str) -> anyhow::Error {
    match fault {
        AmountFault::NotPositive => anyhow::anyhow!("--amount must be above zero"),
        AmountFault::TooManyDecimals { allowed } => anyhow::anyhow!("{currency} has {allowed} decimals"),
        AmountFault::TooLarge => anyhow::anyhow!("--amount is too large"),
    }
}

fn set_status(place: &Place, id: WalletId, status: WalletStatus) -> anyhow::Result<()> {
    let wallet = find(place, id)?;
    // Frozen first, and what had read it before is given the time to end: nothing that could credit it can be started between
    // the look and the closing.
    let set = |status, open_credits| place.run_once(Command::SetWalletStatus(id, status, open_credits));
    let close = || {
        std::thread::sleep(place.longest_batch());
        set(status, place.read(async |queries| queries.has_open_credits(&wallet).await)?)
    };
    let done = if status == WalletStatus::Closed {
        set(WalletStatus::Frozen, false)?;
        let closed = close();
        if closed.is_err() {
            set(wallet.status, false).with_context(|| format!("wallet {id} is FROZEN and could not be set back"))?;
        }
        closed?
    } else {
        set(status, false)?
    };
    let wallet = expect_wallet(done)?;
    let held = held(&wallet);
    println!("wallet {id} is {}: {} {} available, {held} held", wallet.status, wallet.available(), wallet.currency);
    Ok(())
}

fn expect_wallet(answer: Answer) -> anyhow::Result<domain::wallet::Wallet> {
    match answer {
        Answer::Wallet(wallet) => Ok(wallet),
        other => bail!("unexpected answer {other:?}"),
    }
}
