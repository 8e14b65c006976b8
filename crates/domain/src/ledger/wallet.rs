//! Wallets: balances of merchants and of parties under a merchant.

use crate::api_enum;
use crate::decision::row::Row;
use crate::kernel::currency::Currency;
use crate::kernel::ids::{EntryId, MerchantId, PartyId, WalletId};
use crate::kernel::money::Money;
use crate::kernel::time::Timestamp;

api_enum! {
    /// The kind of a wallet's owner.
    OwnerType {
        Merchant = "MERCHANT",
        Party = "PARTY",
    }
}

api_enum! {
    /// What may be started on a wallet. What is in flight always ends as the provider says.
    WalletStatus {
        /// Debits and credits.
        Active = "ACTIVE",
        /// Credits only.
        Restricted = "RESTRICTED",
        /// Neither.
        Frozen = "FROZEN",
        /// Neither, and it is empty.
        Closed = "CLOSED",
    }
}

impl WalletStatus {
    /// Whether a new debit may be started.
    #[must_use]
    pub const fn allows_debit(self) -> bool {
        match self {
            Self::Active => true,
            Self::Restricted | Self::Frozen | Self::Closed => false,
        }
    }

    /// Whether a new credit may be started.
    #[must_use]
    pub const fn allows_credit(self) -> bool {
        match self {
            Self::Active | Self::Restricted => true,
            Self::Frozen | Self::Closed => false,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Owner {
    Merchant(MerchantId),
    Party(PartyId),
}

impl Owner {
    /// The kind and the id, as they are stored.
    #[must_use]
    pub const fn parts(self) -> (OwnerType, i64) {
        match self {
            Self::Merchant(id) => (OwnerType::Merchant, id.0),
            Self::Party(id) => (OwnerType::Party, id.0),
        }
    }

    /// The owner of a stored kind and id.
    #[must_use]
    pub const fn from_parts(kind: OwnerType, id: i64) -> Self {
        match kind {
            OwnerType::Merchant => Self::Merchant(MerchantId(id)),
            OwnerType::Party => Self::Party(PartyId(id)),
        }
    }
}

/// The most minor units that a wallet may have, hold and await when a payment to it begins. It is
/// less than half of what fits, so that what a review gives it, which nobody has asked it for, fits
/// too.
pub const WALLET_LIMIT_MINOR: i64 = 4_000_000_000_000_000_000;

/// A balance in one currency: what is available, what is held for payments under way, and what is
/// on its way in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wallet {
    pub id: WalletId,
    pub merchant_id: MerchantId,
    pub owner_type: OwnerType,
    pub owner_id: i64,
    pub currency: Currency,
    /// What can be spent, never below zero.
    pub available_minor: i64,
    /// What is held for payments under way, never below zero.
    pub held_minor: i64,
    /// What collections under way will credit it with, never below zero.
    pub incoming_minor: i64,
    /// What may be started on it.
    pub status: WalletStatus,
    /// The last ledger entry; each entry knows the one before.
    pub last_entry_id: Option<EntryId>,
    /// Server time.
    pub created_at: Timestamp,
    /// Server time.
    pub updated_at: Timestamp,
}

impl Wallet {
    #[must_use]
    pub const fn owner(&self) -> Owner {
        Owner::from_parts(self.owner_type, self.owner_id)
    }

    /// Whether it can take `minor` more without passing `most`, be it that all comes back that it
    /// holds, and all arrives that is on its way in.
    #[must_use]
    pub fn has_capacity_for(&self, minor: i64, most: i64) -> bool {
        let all = [self.available_minor, self.held_minor, self.incoming_minor, minor];
        all.into_iter().map(i128::from).sum::<i128>() <= i128::from(most)
    }

    /// What can be spent.
    #[must_use]
    pub const fn available(&self) -> Money {
        Money::new(self.available_minor, self.currency)
    }
}

impl Row for Wallet {
    type Id = WalletId;
    type AltKey = (Owner, Currency);

    fn id(&self) -> WalletId {
        self.id
    }

    fn alt_key(&self) -> Option<(Owner, Currency)> {
        Some((self.owner(), self.currency))
    }
}
