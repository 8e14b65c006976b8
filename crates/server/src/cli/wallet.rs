//! `kola wallet`: money for sandbox wallets, and what may be started on a wallet.

use anyhow::{Context, bail};
use clap::Subcommand;
use domain::command::{Answer, Command};
use domain::ids::WalletId;
use domain::money::{AmountFault, Decimal, Money};
use domain::wallet::WalletStatus;

use super::Place;

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
    let before = wallet.status;
    let mut open_credits = false;
    if status == WalletStatus::Closed {
        place.run_once(Command::SetWalletStatus(id, WalletStatus::Frozen, false))?;
        std::thread::sleep(place.longest_batch());
        open_credits = place.read(async |queries| queries.has_open_credits(&wallet).await)?;
    }
    let closed = place.run_once(Command::SetWalletStatus(id, status, open_credits));
    if closed.is_err() && status == WalletStatus::Closed {
        place.run_once(Command::SetWalletStatus(id, before, false))?;
    }
    let wallet = expect_wallet(closed?)?;
    let held = Money::new(wallet.held_minor, wallet.currency);
    println!("wallet {id} is {}: {} {} available, {held} held", wallet.status, wallet.available(), wallet.currency);
    Ok(())
}

fn expect_wallet(answer: Answer) -> anyhow::Result<domain::wallet::Wallet> {
    match answer {
        Answer::Wallet(wallet) => Ok(wallet),
        other => bail!("unexpected answer {other:?}"),
    }
}
