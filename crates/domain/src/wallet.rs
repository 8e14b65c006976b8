//! Wallets: balances of merchants and of parties under a merchant.

use crate::api_enum;
use crate::currency::Currency;
use crate::event::{self, EventEntity, EventType};
use crate::ids::{EntryId, FundingId, MerchantId, PartyId, WalletId};
use crate::ledger::{self, AccountKind, Leg, Postings};
use crate::merchant::Merchant;
use crate::money::Money;
use crate::names::Mode;
use crate::refusal::Refusal;
use crate::time::Timestamp;
use crate::workspace::{Stop, Row, Workspace, sum};

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

/// The most minor units that a wallet may have, hold and await when a payment to it begins. It is less than half of what fits,
/// so that what a review gives it, which nobody has asked it for, fits too.
pub const ROOM_MINOR: i64 = 4_000_000_000_000_000_000;

/// A balance in one currency: what is available, what is held for payments under way, and what is on its way in.
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
    /// Who owns it.
    #[must_use]
    pub const fn owner(&self) -> Owner {
        Owner::from_parts(self.owner_type, self.owner_id)
    }

    /// Whether it can take `minor` more without passing `most`, be it that all comes back that it holds, and all arrives that
    /// is on its way in.
    #[must_use]
    pub fn has_room(&self, minor: i64, most: i64) -> bool {
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
    type AltKey = String;

    fn id(&self) -> FundingId {
        self.id
    }

    fn alt_key(&self) -> Option<String> {
        Some(self.key.clone())
    }
}

/// The owner's wallet of that currency; opens it when there is none.
///
/// # Errors
/// None of its own.
pub fn open(
    work: &mut Workspace,
    merchant_id: MerchantId,
    owner: Owner,
    currency: Currency,
    now: Timestamp,
) -> Result<Wallet, Stop> {
    if let Some(wallet) = work.find::<Wallet>(&(owner, currency))? {
        return Ok((*wallet).clone());
    }
    let (owner_type, owner_id) = owner.parts();
    let wallet = Wallet {
        id: WalletId(work.new_id()?),
        merchant_id,
        owner_type,
        owner_id,
        currency,
        available_minor: 0,
        held_minor: 0,
        incoming_minor: 0,
        status: WalletStatus::Active,
        last_entry_id: None,
        created_at: now,
        updated_at: now,
    };
    work.put(wallet.clone());
    Ok(wallet)
}

/// A collection begins: opens its wallet, which from now on keeps room for it.
///
/// # Errors
/// [`Refusal::NoRoom`] on `session_id`.
pub fn await_collection(work: &mut Workspace, merchant_id: MerchantId, amount: Money, now: Timestamp) -> Result<(), Stop> {
    let wallet = open(work, merchant_id, Owner::Merchant(merchant_id), amount.currency, now)?;
    if !wallet.has_room(amount.minor, ROOM_MINOR) {
        return Err(Refusal::NoRoom { field: "session_id" }.into());
    }
    let incoming_minor = sum(wallet.incoming_minor, amount.minor)?;
    work.put(Wallet { incoming_minor, updated_at: now, ..wallet });
    Ok(())
}

/// A collection ends, well or not: its wallet awaits it no longer. The network has spoken, so nothing here may refuse it.
///
/// # Errors
/// None of its own.
pub fn end_collection(work: &mut Workspace, merchant_id: MerchantId, amount: Money, now: Timestamp) -> Result<(), Stop> {
    let wallet = open(work, merchant_id, Owner::Merchant(merchant_id), amount.currency, now)?;
    let incoming_minor = wallet.incoming_minor.saturating_sub(amount.minor).max(0);
    work.put(Wallet { incoming_minor, updated_at: now, ..wallet });
    Ok(())
}

/// Puts sandbox money into a wallet of a sandbox merchant. What was done under the key before is not done again.
///
/// # Errors
/// [`Refusal::Unknown`], [`Refusal::NotSandbox`], [`Refusal::WalletState`] and [`Refusal::NoRoom`] on
/// `wallet_id`; [`Refusal::DuplicateFunding`].
pub fn fund(id: WalletId, amount: Money, key: Option<&str>, work: &mut Workspace, now: Timestamp) -> Result<Wallet, Stop> {
    let wallet = work.get::<Wallet>(id)?.ok_or(Refusal::Unknown { field: "wallet_id", what: "a wallet" })?;
    if let Some(key) = key
        && let Some(before) = work.find::<Funding>(&key.to_owned())?
    {
        let same = (before.wallet_id, before.amount) == (id, amount);
        return if same { Ok((*wallet).clone()) } else { Err(Refusal::DuplicateFunding.into()) };
    }
    let merchant = work.require::<Merchant>(wallet.merchant_id)?;
    if merchant.mode != Mode::Sandbox {
        return Err(Refusal::NotSandbox.into());
    }
    if !wallet.status.allows_credit() {
        return Err(Refusal::WalletState { field: "wallet_id", state: wallet.status.as_str() }.into());
    }
    if !wallet.has_room(amount.minor, ROOM_MINOR) {
        return Err(Refusal::NoRoom { field: "wallet_id" }.into());
    }
    let note = Some(format!("{amount} {}", amount.currency));
    let event = event::record(work, merchant.id, EventType::WalletFunded, (EventEntity::Wallet, id.0), note, now)?;
    let postings = Postings::balanced(vec![
        Leg::system(AccountKind::Funding, merchant.id, -amount.minor, amount.currency),
        Leg::available(id, amount.minor, amount.currency),
    ])?;
    ledger::post(work, event, None, &postings, now)?;
    if let Some(key) = key {
        let id = FundingId(work.new_id()?);
        let (merchant_id, key) = (merchant.id, key.to_owned());
        work.put(Funding { id, merchant_id, wallet_id: wallet.id, key, amount, created_at: now });
    }
    Ok((*work.require::<Wallet>(id)?).clone())
}

/// Changes what may be started on a wallet. `open_credits` says whether something is under way that could still credit it.
///
/// # Errors
/// [`Refusal::Unknown`], [`Refusal::WalletNotEmpty`] on `wallet_id`.
pub fn set_status(
    id: WalletId,
    status: WalletStatus,
    open_credits: bool,
    work: &mut Workspace,
    now: Timestamp,
) -> Result<Wallet, Stop> {
    let wallet = work.get::<Wallet>(id)?.ok_or(Refusal::Unknown { field: "wallet_id", what: "a wallet" })?;
    let empty = wallet.available_minor == 0 && wallet.held_minor == 0 && wallet.incoming_minor == 0 && !open_credits;
    if status == WalletStatus::Closed && !empty {
        return Err(Refusal::WalletNotEmpty.into());
    }
    let wallet = Wallet { status, updated_at: now, ..(*wallet).clone() };
    work.put(wallet.clone());
    let note = Some(status.as_str().to_owned());
    event::record(work, wallet.merchant_id, EventType::WalletStatus, (EventEntity::Wallet, id.0), note, now)?;
    Ok(wallet)
}
