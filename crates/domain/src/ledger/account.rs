//! System accounts, and the entries of accounts and wallets.

use crate::api_enum;
use crate::decision::row::Row;
use crate::kernel::checked::Inconsistent;
use crate::kernel::currency::Currency;
use crate::kernel::ids::{AccountId, EntryId, EventId, ExecutionId, MerchantId, NetworkAccountId};
use crate::kernel::time::ServerTime;

/// The system accounts. Each exists per merchant and currency, so that merchants do not wait for
/// each other's row locks.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum AccountKind {
    /// The balance with an account at a network: a debit balance is what it holds for us, a credit
    /// balance what we owe it.
    Clearing(NetworkAccountId),
    /// Earned platform fees.
    FeePlatform,
    /// Gateway fees, owed to the networks: clearing is booked gross.
    FeeGateway,
    /// Earned exchange fees.
    FeeFx,
    /// The foreign exchange position: what was received in one currency and paid in another.
    Position,
    /// Money whose destination an operator has to decide.
    Suspense,
    /// The source of sandbox money.
    Funding,
    /// What an account at a network has exchanged into another currency, and what went from it to the
    /// bank and came back. The installation's.
    Settlement(NetworkAccountId),
    /// What an account at a network has moved beyond what payments explain, and an operator has booked.
    /// The installation's.
    Difference(NetworkAccountId),
}

/// A system account.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Account {
    pub id: AccountId,
    pub merchant_id: MerchantId,
    pub kind: AccountKind,
    pub currency: Currency,
    /// Credits less debits, without the whole [`ROUND`]s.
    pub balance_minor: i64,
    /// The whole [`ROUND`]s of the balance, below zero for debits. Clearing is booked gross and
    /// positions are never closed, so that 64 bits do not last for ever; and what a network reports
    /// must always be bookable.
    pub balance_rounds: i64,
    pub created_at: ServerTime,
    pub updated_at: ServerTime,
}

/// The unit of [`Account::balance_rounds`], in minor units. `ledger verify` compares balances
/// modulo a number of which this is a multiple, so that whole rounds make no difference there.
pub const ROUND: i64 = 4_000_012_000_000_000_000;

impl Account {
    /// Credits less debits, in minor units.
    #[must_use]
    pub fn balance(&self) -> i128 {
        i128::from(self.balance_rounds) * i128::from(ROUND) + i128::from(self.balance_minor)
    }

    /// The account after a credit of `minor`; below zero a debit.
    ///
    /// # Errors
    /// [`Inconsistent`] when the number of rounds overflows.
    pub(crate) fn credited(self, minor: i64) -> Result<Self, Inconsistent> {
        let whole = self.balance() + i128::from(minor);
        let part = |part: i128| {
            i64::try_from(part).map_err(|_| Inconsistent(format!("account {} overflows", self.id)))
        };
        let round = i128::from(ROUND);
        // Both operators truncate towards zero: the two parts have the sign of the balance.
        Ok(Self {
            balance_minor: part(whole % round)?,
            balance_rounds: part(whole / round)?,
            ..self
        })
    }
}

impl Row for Account {
    type Id = AccountId;
    type AltKey = (MerchantId, AccountKind, Currency);

    fn id(&self) -> AccountId {
        self.id
    }

    fn alt_key(&self) -> Option<(MerchantId, AccountKind, Currency)> {
        Some((self.merchant_id, self.kind, self.currency))
    }
}

api_enum! {
    /// The balance that an entry changes.
    Bucket {
        /// What a wallet can spend.
        Available = "AVAILABLE",
        /// What a wallet holds for outgoing payments under way.
        Held = "HELD",
        /// The one balance of a system account.
        System = "SYSTEM",
    }
}

/// One entry of a ledger transaction. Entries are never changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    pub id: EntryId,
    /// The merchant of the wallet or system account.
    pub merchant_id: MerchantId,
    /// The event that caused the transaction.
    pub transaction_id: EventId,
    /// The execution whose settlement, hold or release it belongs to.
    pub execution_id: Option<ExecutionId>,
    /// The id of the wallet or system account.
    pub account_id: i64,
    pub bucket: Bucket,
    /// Above zero a credit, below zero a debit.
    pub amount_minor: i64,
    pub currency: Currency,
    /// The balance after this entry; of a system account without the whole [`ROUND`]s.
    pub balance_minor: i64,
    /// The entry of the same wallet before this one.
    pub previous_entry_id: Option<EntryId>,
}
