//! Posting a ledger transaction: its entries, and the balances that they change.

use crate::decision::workspace::{Stop, Workspace};
use crate::kernel::checked::sum;
use crate::kernel::ids::{AccountId, EntryId, EventId, ExecutionId, MerchantId, WalletId};
use crate::kernel::money::Money;
use crate::kernel::time::ServerTime;
use crate::ledger::account::{Account, AccountKind, Bucket, Entry};
use crate::ledger::postings::{PostingTarget, Postings};
use crate::ledger::wallet::Wallet;
use crate::mutant;

/// Posts a ledger transaction under the event that caused it.
///
/// # Errors
/// [`Stop::Inconsistent`] when a wallet would fall below zero: decisions check that before they
/// post.
pub fn post(
    event: EventId,
    execution: Option<ExecutionId>,
    postings: &Postings,
    work: &mut Workspace,
    now: ServerTime,
) -> Result<(), Stop> {
    for leg in postings.legs() {
        let id = EntryId(work.new_id()?);
        let entry = match leg.target {
            PostingTarget::Wallet(wallet, bucket) => {
                wallet_entry(id, wallet, bucket, leg.money, work, now)?
            }
            PostingTarget::System(merchant, kind) => {
                system_entry(id, merchant, kind, leg.money, work, now)?
            }
        };
        work.entries.push(Entry { transaction_id: event, execution_id: execution, ..entry });
    }
    Ok(())
}

fn wallet_entry(
    id: EntryId,
    wallet: WalletId,
    bucket: Bucket,
    money: Money,
    work: &mut Workspace,
    now: ServerTime,
) -> Result<Entry, Stop> {
    let mut wallet = (*work.require::<Wallet>(wallet)?).clone();
    if wallet.currency != money.currency {
        return Err(Stop::Inconsistent(format!("{money:?} posted to {wallet:?}")));
    }
    let balance = match bucket {
        Bucket::Available => &mut wallet.available_minor,
        Bucket::Held => &mut wallet.held_minor,
        Bucket::System => {
            return Err(Stop::Inconsistent("a wallet has no system balance".to_owned()));
        }
    };
    *balance = sum(*balance, money.minor)?;
    let balance_minor = *balance;
    if balance_minor < 0 && !mutant!(BelowZero) {
        return Err(Stop::Inconsistent(format!("wallet {} would fall below zero", wallet.id)));
    }
    // The entries of a wallet form a chain: each refers to the one before it.
    let previous_entry_id = wallet.last_entry_id.replace(id);
    wallet.updated_at = now;
    let (merchant_id, account_id) = (wallet.merchant_id, wallet.id.0);
    work.put(wallet);
    Ok(entry(id, merchant_id, account_id, bucket, money, balance_minor, previous_entry_id))
}

fn system_entry(
    id: EntryId,
    merchant: MerchantId,
    kind: AccountKind,
    money: Money,
    work: &mut Workspace,
    now: ServerTime,
) -> Result<Entry, Stop> {
    // A system account is opened by its first entry. It may go below zero: what it records has
    // happened outside, so nothing here may refuse it.
    let account = match work.find::<Account>(&(merchant, kind, money.currency))? {
        Some(account) => (*account).clone(),
        None => Account {
            id: AccountId(work.new_id()?),
            merchant_id: merchant,
            kind,
            currency: money.currency,
            balance_minor: 0,
            balance_rounds: 0,
            created_at: now,
            updated_at: now,
        },
    };
    let account = Account { updated_at: now, ..account.credited(money.minor)? };
    let (account_id, balance_minor) = (account.id.0, account.balance_minor);
    work.put(account);
    Ok(entry(id, merchant, account_id, Bucket::System, money, balance_minor, None))
}

const fn entry(
    id: EntryId,
    merchant_id: MerchantId,
    account_id: i64,
    bucket: Bucket,
    money: Money,
    balance_minor: i64,
    previous_entry_id: Option<EntryId>,
) -> Entry {
    Entry {
        id,
        merchant_id,
        transaction_id: EventId(0),
        execution_id: None,
        account_id,
        bucket,
        amount_minor: money.minor,
        currency: money.currency,
        balance_minor,
        previous_entry_id,
    }
}
