//! Wallets: the balances of merchants and of their parties.

use crate::api_enum;
use crate::decision::event::HasEvents;
use crate::decision::row::Row;
use crate::kernel::currency::Currency;
use crate::kernel::ids::{EntryId, MerchantId, PartyId, WalletId};
use crate::kernel::money::Money;
use crate::kernel::time::ServerTime;

api_enum! {
    OwnerType {
        Merchant = "MERCHANT",
        Party = "PARTY",
    }
}

api_enum! {
    /// What may be started on a wallet. Payments in flight always end as their provider reports.
    WalletStatus {
        /// Debits and credits.
        Active = "ACTIVE",
        /// Credits only.
        Restricted = "RESTRICTED",
        /// No debits and no credits.
        Frozen = "FROZEN",
        /// Like frozen, and empty.
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
    /// The type and id to store.
    #[must_use]
    pub const fn parts(self) -> (OwnerType, i64) {
        match self {
            Self::Merchant(id) => (OwnerType::Merchant, id.0),
            Self::Party(id) => (OwnerType::Party, id.0),
        }
    }

    /// The owner with a stored type and id.
    #[must_use]
    pub const fn from_parts(kind: OwnerType, id: i64) -> Self {
        match kind {
            OwnerType::Merchant => Self::Merchant(MerchantId(id)),
            OwnerType::Party => Self::Party(PartyId(id)),
        }
    }
}

/// The limit of a wallet's available, held and incoming amounts together, in minor units, when a
/// new payment to it starts. It is less than half of what fits into 64 bits, so that credits by
/// reviews, which this limit does not apply to, fit too.
pub const WALLET_LIMIT_MINOR: i64 = 4_000_000_000_000_000_000;

/// The balances of an owner in one currency.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wallet {
    pub id: WalletId,
    pub merchant_id: MerchantId,
    pub owner_type: OwnerType,
    pub owner_id: i64,
    pub currency: Currency,
    /// What can be spent. Never below zero.
    pub available_minor: i64,
    /// What outgoing payments under way hold. Never below zero.
    pub held_minor: i64,
    /// What collections under way will credit. Never below zero.
    pub incoming_minor: i64,
    /// How many open reviews could credit it when they are resolved: reviews of money, of executions
    /// on this wallet or in its currency, if it is the merchant's own. Such a wallet is not closed.
    pub open_reviews: i64,
    pub status: WalletStatus,
    /// The day of the latest payout or transfer, counted from 1970 on the merchant's clock.
    pub sent_day: i64,
    /// What payouts and transfers of that day take to their receivers, without those that failed.
    pub sent_minor: i64,
    /// The latest ledger entry, the head of the chain of the wallet's entries.
    pub last_entry_id: Option<EntryId>,
    /// How many events are about it.
    pub event_count: i64,
    pub created_at: ServerTime,
    pub updated_at: ServerTime,
}

impl Wallet {
    #[must_use]
    pub const fn owner(&self) -> Owner {
        Owner::from_parts(self.owner_type, self.owner_id)
    }

    /// Whether nothing is in it and nothing is open that could credit it.
    #[must_use]
    pub const fn can_be_closed(&self) -> bool {
        self.available_minor == 0
            && self.held_minor == 0
            && self.incoming_minor == 0
            && self.open_reviews == 0
    }

    /// Whether a credit of `minor` stays within `limit`, even if all holds are released and all
    /// incoming amounts arrive.
    #[must_use]
    pub fn has_capacity_for(&self, minor: i64, limit: i64) -> bool {
        // In 128 bits: the sum of four amounts may not fit into 64.
        let all = [self.available_minor, self.held_minor, self.incoming_minor, minor];
        all.into_iter().map(i128::from).sum::<i128>() <= i128::from(limit)
    }

    #[must_use]
    pub const fn available(&self) -> Money {
        Money::new(self.available_minor, self.currency)
    }
}

impl HasEvents for Wallet {
    fn event_count_mut(&mut self) -> &mut i64 {
        &mut self.event_count
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
