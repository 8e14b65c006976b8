//! System accounts, and the entries of accounts and wallets.

use crate::api_enum;
use crate::decision::row::Row;
use crate::kernel::checked::Inconsistent;
use crate::kernel::currency::Currency;
use crate::kernel::ids::{AccountId, EntryId, EventId, ExecutionId, MerchantId};
use crate::kernel::names::Provider;
use crate::kernel::time::Timestamp;

api_enum! {
    /// The system accounts. Each exists per merchant and currency, so that no row is shared by all
    /// merchants.
    AccountKind {
        /// What pawaPay holds for us (debit balance) or we owe it.
        ClearingPawaPay = "CLEARING_PAWAPAY",
        /// What Stripe holds for us.
        ClearingStripe = "CLEARING_STRIPE",
        /// The platform's fees earned.
        FeePlatform = "FEE_PLATFORM",
        /// The networks' fees, to be paid to them: clearing is gross.
        FeeGateway = "FEE_GATEWAY",
        /// The fees for exchange earned.
        FeeFx = "FEE_FX",
        /// The exchange position: what was taken in one currency and given in another.
        Position = "POSITION",
        /// Money whose place a human has to decide.
        Suspense = "SUSPENSE",
        /// Where sandbox money comes from.
        Funding = "FUNDING",
    }
}

impl AccountKind {
    /// The clearing account of a network; `None` for wallets, which need none.
    #[must_use]
    pub const fn clearing(provider: Provider) -> Option<Self> {
        match provider {
            Provider::PawaPay => Some(Self::ClearingPawaPay),
            Provider::Stripe => Some(Self::ClearingStripe),
            Provider::Platform => None,
        }
    }
}

/// A system account.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Account {
    pub id: AccountId,
    pub merchant_id: MerchantId,
    pub kind: AccountKind,
    pub currency: Currency,
    /// Credits less debits, beyond whole [`ROUND`]s.
    pub balance_minor: i64,
    /// How many whole [`ROUND`]s the balance has, below zero for debits. Clearing is gross and
    /// positions are never squared, so that no number of 64 bits is large enough for ever; and what
    /// a network reports must always be booked.
    pub balance_rounds: i64,
    /// Server time.
    pub created_at: Timestamp,
    /// Server time.
    pub updated_at: Timestamp,
}

/// A round of a system account's balance, in minor units. It is a multiple of the number by which
/// `ledger verify` divides balances, for which a round more or less is the same.
pub const ROUND: i64 = 4_000_012_000_000_000_000;

impl Account {
    /// Credits less debits.
    #[must_use]
    pub fn balance(&self) -> i128 {
        i128::from(self.balance_rounds) * i128::from(ROUND) + i128::from(self.balance_minor)
    }

    /// The account with so much more.
    ///
    /// # Errors
    /// [`Inconsistent`] for more rounds than anybody can count to.
    pub(crate) fn credited(self, minor: i64) -> Result<Self, Inconsistent> {
        let whole = self.balance() + i128::from(minor);
        let part = |part: i128| {
            i64::try_from(part).map_err(|_| Inconsistent(format!("account {} overflows", self.id)))
        };
        let round = i128::from(ROUND);
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
    /// Which balance an entry changes.
    Bucket {
        /// What a wallet can spend.
        Available = "AVAILABLE",
        /// What a wallet holds for payments under way.
        Held = "HELD",
        /// The one balance of a system account.
        System = "SYSTEM",
    }
}

/// A line of a transaction. Never changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    pub id: EntryId,
    /// Whose wallet or account it is on.
    pub merchant_id: MerchantId,
    /// The event that caused the transaction.
    pub transaction_id: EventId,
    /// The execution that it settles, holds for or releases.
    pub execution_id: Option<ExecutionId>,
    /// The wallet's or system account's id.
    pub account_id: i64,
    /// Which balance of it.
    pub bucket: Bucket,
    /// Credit above zero, debit below.
    pub amount_minor: i64,
    pub currency: Currency,
    /// The balance after this entry; of a system account beyond whole [`ROUND`]s.
    pub balance_minor: i64,
    /// The wallet's entry before this one.
    pub previous_entry_id: Option<EntryId>,
    /// Server time.
    pub created_at: Timestamp,
}
