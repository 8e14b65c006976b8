//! Wallets: balances of merchants and of parties under a merchant.

use crate::api_enum;
use crate::currency::Currency;
use crate::event::{self, EventType, Subject};
use crate::ids::{EntryId, FundingId, MerchantId, PartyId, WalletId};
use crate::ledger::{self, AccountKind, Leg, Postings};
use crate::merchant::Merchant;
use crate::money::Money;
use crate::names::Mode;
use crate::rejection::Rejection;
use crate::time::Timestamp;
use crate::world::{Halt, Row, World};

api_enum! {
    /// The kind of a wallet's owner.
    OwnerType {
        /// The merchant.
        Merchant = "MERCHANT",
        /// A party under a merchant.
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

/// Who owns a wallet.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Owner {
    /// A merchant.
    Merchant(MerchantId),
    /// A party under a merchant.
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

/// A balance in one currency: what is available, and what is held for payments under way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wallet {
    /// Its id.
    pub id: WalletId,
    /// Under which merchant.
    pub merchant_id: MerchantId,
    /// The kind of its owner.
    pub owner_type: OwnerType,
    /// The id of its owner.
    pub owner_id: i64,
    /// Its currency.
    pub currency: Currency,
    /// What can be spent, never below zero.
    pub available_minor: i64,
    /// What is held for payments under way, never below zero.
    pub held_minor: i64,
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
    /// Who owns it.
    #[must_use]
    pub const fn owner(&self) -> Owner {
        Owner::from_parts(self.owner_type, self.owner_id)
    }

    /// Whether it has so much that no new credit may be started: what is under way must still fit.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.available_minor.saturating_add(self.held_minor) >= i64::MAX / 2
    }

    /// What can be spent.
    #[must_use]
    pub const fn available(&self) -> Money {
        Money::new(self.available_minor, self.currency)
    }
}

impl Row for Wallet {
    type Id = WalletId;
    type Name = (Owner, Currency);

    fn id(&self) -> WalletId {
        self.id
    }

    fn name(&self) -> Option<(Owner, Currency)> {
        Some((self.owner(), self.currency))
    }
}

/// Sandbox money that was put into a wallet under a key. Whoever does not know whether it was does the same again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Funding {
    /// Its id.
    pub id: FundingId,
    /// Whose wallet it is.
    pub merchant_id: MerchantId,
    /// Which wallet.
    pub wallet_id: WalletId,
    /// The key, of an installation's whole life.
    pub key: String,
    /// How much.
    pub amount: Money,
    /// Server time.
    pub created_at: Timestamp,
}

impl Row for Funding {
    type Id = FundingId;
    type Name = String;

    fn id(&self) -> FundingId {
        self.id
    }

    fn name(&self) -> Option<String> {
        Some(self.key.clone())
    }
}

/// The owner's wallet of that currency; opens it when there is none.
///
/// # Errors
/// None of its own.
pub fn open(
    world: &mut World,
    merchant_id: MerchantId,
    owner: Owner,
    currency: Currency,
    now: Timestamp,
) -> Result<Wallet, Halt> {
    if let Some(wallet) = world.find::<Wallet>(&(owner, currency))? {
        return Ok((*wallet).clone());
    }
    let (owner_type, owner_id) = owner.parts();
    let wallet = Wallet {
        id: WalletId(world.new_id()?),
        merchant_id,
        owner_type,
        owner_id,
        currency,
        available_minor: 0,
        held_minor: 0,
        status: WalletStatus::Active,
        last_entry_id: None,
        created_at: now,
        updated_at: now,
    };
    world.put(wallet.clone());
    Ok(wallet)
}

/// Puts sandbox money into a wallet of a sandbox merchant. What was done under the key before is not done again.
///
/// # Errors
/// [`Rejection::Unknown`], [`Rejection::NotSandbox`], [`Rejection::WalletState`] and [`Rejection::AmountTooLarge`] on
/// `wallet_id`; [`Rejection::DuplicateFunding`].
pub fn fund(id: WalletId, amount: Money, key: Option<&str>, world: &mut World, now: Timestamp) -> Result<Wallet, Halt> {
    let wallet = world.get::<Wallet>(id)?.ok_or(Rejection::Unknown { field: "wallet_id", what: "a wallet" })?;
    if let Some(key) = key
        && let Some(before) = world.find::<Funding>(&key.to_owned())?
    {
        let same = (before.wallet_id, before.amount) == (id, amount);
        return if same { Ok((*wallet).clone()) } else { Err(Rejection::DuplicateFunding.into()) };
    }
    let merchant = world.must::<Merchant>(wallet.merchant_id)?;
    if merchant.mode != Mode::Sandbox {
        return Err(Rejection::NotSandbox.into());
    }
    if !wallet.status.allows_credit() {
        return Err(Rejection::WalletState { field: "wallet_id", state: wallet.status.as_str() }.into());
    }
    if wallet.is_full() {
        return Err(Rejection::AmountTooLarge { field: "wallet_id" }.into());
    }
    let note = Some(format!("{amount} {}", amount.currency));
    let event = event::record(world, merchant.id, EventType::WalletFunded, (Subject::Wallet, id.0), note, now)?;
    let postings = Postings::balanced(vec![
        Leg::system(AccountKind::Funding, merchant.id, -amount.minor, amount.currency),
        Leg::available(id, amount.minor, amount.currency),
    ])?;
    ledger::post(world, event, None, &postings, now)?;
    if let Some(key) = key {
        let id = FundingId(world.new_id()?);
        let (merchant_id, key) = (merchant.id, key.to_owned());
        world.put(Funding { id, merchant_id, wallet_id: wallet.id, key, amount, created_at: now });
    }
    Ok((*world.must::<Wallet>(id)?).clone())
}

/// Changes what may be started on a wallet. `open_credits` says whether something is under way that could still credit it.
///
/// # Errors
/// [`Rejection::Unknown`], [`Rejection::WalletNotEmpty`] on `wallet_id`.
pub fn set_status(
    id: WalletId,
    status: WalletStatus,
    open_credits: bool,
    world: &mut World,
    now: Timestamp,
) -> Result<Wallet, Halt> {
    let wallet = world.get::<Wallet>(id)?.ok_or(Rejection::Unknown { field: "wallet_id", what: "a wallet" })?;
    let empty = wallet.available_minor == 0 && wallet.held_minor == 0 && !open_credits;
    if status == WalletStatus::Closed && !empty {
        return Err(Rejection::WalletNotEmpty.into());
    }
    let wallet = Wallet { status, updated_at: now, ..(*wallet).clone() };
    world.put(wallet.clone());
    let note = Some(status.as_str().to_owned());
    event::record(world, wallet.merchant_id, EventType::WalletStatus, (Subject::Wallet, id.0), note, now)?;
    Ok(wallet)
}
