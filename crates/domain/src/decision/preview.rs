//! What a command would post, found by deciding it and dropping what it changes.

use crate::decision::workspace::{Stop, Workspace};
use crate::kernel::currency::Currency;
use crate::kernel::ids::{AccountId, MerchantId, WalletId};
use crate::kernel::money::Money;
use crate::ledger::account::{Account, AccountKind, Bucket};
use crate::ledger::wallet::{Owner, Wallet};

/// The entries that a command would write, in their order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Preview {
    pub entries: Vec<PreviewedEntry>,
}

/// One of them: where it is written, and how much is credited there; below zero a debit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PreviewedEntry {
    pub place: Place,
    pub amount: Money,
}

/// A balance of the ledger. It is named by what it is: a wallet or an account that the command would
/// open has no id yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// What a wallet can spend, or what it holds.
    Wallet(Owner, Bucket),
    System(MerchantId, AccountKind),
}

impl Preview {
    /// The entries of the command that is being decided.
    pub(crate) fn of_draft(work: &Workspace) -> Result<Self, Stop> {
        let mut entries = vec![];
        for entry in work.draft_entries() {
            let place = match entry.bucket {
                Bucket::Available | Bucket::Held => {
                    let wallet = work.require::<Wallet>(WalletId(entry.account_id))?;
                    Place::Wallet(wallet.owner(), entry.bucket)
                }
                Bucket::System => {
                    let account = work.require::<Account>(AccountId(entry.account_id))?;
                    Place::System(account.merchant_id, account.kind)
                }
            };
            entries.push(PreviewedEntry {
                place,
                amount: Money::new(entry.amount_minor, entry.currency),
            });
        }
        Ok(Self { entries })
    }

    /// What would be credited to one place in all, below zero debited.
    #[must_use]
    pub fn total(&self, place: Place, currency: Currency) -> i128 {
        let of_place =
            |entry: &&PreviewedEntry| entry.place == place && entry.amount.currency == currency;
        self.entries.iter().filter(of_place).map(|entry| i128::from(entry.amount.minor)).sum()
    }
}
