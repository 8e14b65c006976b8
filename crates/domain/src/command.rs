//! Every way to change something, and the one function that decides it.

use crate::account::{self, NewAccount, PaymentAccount};
use crate::caller::Caller;
use crate::change::Change;
use crate::checkout::{self, Checkout, CheckoutConfig, NewCheckout};
use crate::contradiction;
use crate::currency::Currency;
use crate::execute::{self, Execute, Executed};
use crate::execution::{Execution, Job, Patience, Word};
use crate::ids::{
    ApiKeyId, CounterpartyId, ExecutionId, ItemId, MerchantId, PartyId, PasscodeTryId, PaymentAccountId, ReviewId, SessionId,
    WalletId,
};
use crate::merchant::{self, ApiKey, Merchant, MerchantChanges, NewMerchant};
use crate::money::Money;
use crate::party::{self, Counterparty, NewParty, Party, Relationship};
use crate::passcode::{self, Attempt};
use crate::recipient::TransferLimits;
use crate::rejection::Rejection;
use crate::review::{self, Resolution, Review, ReviewKind};
use crate::session::{self, Declare, Lifetimes, Session, SessionKind};
use crate::settle::{self, Settled};
use crate::source::{self, Item, ItemChanges, NewItem, NewSource, Source, SourceChanges, SourceRef};
use crate::time::Timestamp;
use crate::wallet::{self, Wallet, WalletStatus};
use crate::world::{Halt, Key, Lookup, World};

/// What an operator may set.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Settings {
    /// How long sessions live.
    pub lifetimes: Lifetimes,
    /// How long executions may take.
    pub patience: Patience,
    /// What merchants may do to each other by transfers.
    pub transfers: TransferLimits,
}

/// A request to change something. Each is decided in one transaction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// A command of a caller, refused unless its credentials hold in the moment in which it is decided.
    By(Caller, Box<Command>),
    /// Make a merchant.
    CreateMerchant(NewMerchant),
    /// Change a merchant: the operator may.
    UpdateMerchant(MerchantId, MerchantChanges),
    /// Add an API key: its client id, and the SHA-256 of its secret.
    CreateKey(MerchantId, String, String),
    /// Revoke an API key.
    RevokeKey(MerchantId, ApiKeyId),
    /// Set a merchant's passcode to an argon2id hash, or remove it, whatever was set before: the operator may.
    SetPasscode(MerchantId, Option<String>),
    /// Lift the locks that wrong passcodes brought about.
    UnlockPasscode(MerchantId),
    /// Reserve a try of an API key at the passcode that is to be replaced or removed, before it is compared.
    ReserveChange(MerchantId, ApiKeyId),
    /// Set the passcode in place of the one with the first hash, or where there was none; without a second, remove it.
    ReplacePasscode(MerchantId, Option<String>, Option<String>),
    /// Reserve a try of an API key at a payout's passcode before it is compared.
    ReserveAttempt(Execute, ApiKeyId),
    /// A passcode was compared; whether it is right.
    EndAttempt(MerchantId, PasscodeTryId, bool),
    /// Move a merchant's sandbox clock forward by seconds.
    AdvanceClock(MerchantId, i64),
    /// Put sandbox money into a wallet; under one key it happens once.
    FundWallet(WalletId, Money, Option<String>),
    /// Change what may be started on a wallet; the last says whether something could still credit it.
    SetWalletStatus(WalletId, WalletStatus, bool),
    /// Make a party.
    CreateParty(MerchantId, NewParty),
    /// Make a counterparty.
    CreateCounterparty(MerchantId, Relationship, Option<PartyId>),
    /// Change a counterparty.
    UpdateCounterparty(MerchantId, CounterpartyId, Option<Relationship>, Change<PartyId>),
    /// Make a payment account.
    CreateAccount(MerchantId, NewAccount),
    /// Take a payment account out of use.
    DeactivateAccount(MerchantId, PaymentAccountId),
    /// Make an invoice or order.
    CreateSource(MerchantId, NewSource),
    /// Change one.
    UpdateSource(SourceRef, SourceChanges),
    /// Publish one.
    PublishSource(SourceRef),
    /// Withdraw one.
    CancelSource(SourceRef),
    /// Add an item to one.
    AddItem(SourceRef, NewItem),
    /// Change an item of one.
    UpdateItem(SourceRef, ItemId, ItemChanges),
    /// Take an item out of one.
    RemoveItem(SourceRef, ItemId),
    /// Make a checkout: an invoice or order, published, with its page and who is to pay.
    CreateCheckout(MerchantId, NewCheckout),
    /// Make a page for an invoice or order that has none which could be paid on, under this token.
    OpenPage(SourceRef, String),
    /// Declare an intent.
    Declare(MerchantId, Declare),
    /// Withdraw a session.
    CancelSession(MerchantId, SessionKind, SessionId),
    /// Write down that a session's time is over.
    ExpireSession(SessionId),
    /// Carry a session out.
    Execute(Execute),
    /// Take the lease of an execution that is due.
    Claim(ExecutionId),
    /// Take in what a provider said.
    Hear(ExecutionId, Word),
    /// The payer of a sandbox card payment confirmed it, or refused to.
    Authenticate(MerchantId, String, bool),
    /// A human decided.
    ResolveReview(ReviewId, Resolution, String),
}

/// What a command answers when it is accepted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// Nothing to say.
    Done,
    /// Whether it changed something.
    Changed(bool),
    /// A merchant and its wallets.
    Merchant(Merchant, Vec<(WalletId, Currency)>),
    /// A merchant that was changed.
    UpdatedMerchant(Merchant),
    /// An API key.
    ApiKey(ApiKey),
    /// The try of a passcode that was reserved; `None` when none is set.
    Passcode(Option<Attempt>),
    /// The merchant's time now.
    Time(Timestamp),
    /// A wallet.
    Wallet(Wallet),
    /// A party.
    Party(Party),
    /// A counterparty.
    Counterparty(Counterparty),
    /// A payment account.
    Account(PaymentAccount),
    /// An invoice or order.
    Source(Source),
    /// An item.
    Item(Item),
    /// A checkout.
    Checkout(Box<Checkout>),
    /// The page of an invoice or order.
    Page(CheckoutConfig),
    /// A session, and the merchant's time.
    Session(Session),
    /// An execution.
    Executed(Box<Executed>),
    /// A lease, if it was to be had.
    Claimed(Option<Box<Job>>),
    /// An execution after a provider's word.
    Settled(Box<Settled>),
    /// A review.
    Review(Review),
}

/// The row that a command is about.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Subject {
    /// Where it is to be found.
    pub key: Key,
    /// Whose it must be, where a caller named it: another's row is left alone, and not kept from its owner for a moment.
    pub owner: Option<MerchantId>,
}

impl Command {
    /// The merchant whose rows it is mostly about, where the command says so: what is decided for one merchant at one time
    /// had better be decided together.
    #[must_use]
    pub const fn merchant(&self) -> Option<MerchantId> {
        match self {
            Self::By(caller, _) => Some(caller.merchant_id),
            Self::UpdateMerchant(id, _)
            | Self::CreateKey(id, ..)
            | Self::RevokeKey(id, _)
            | Self::SetPasscode(id, _)
            | Self::UnlockPasscode(id)
            | Self::ReserveChange(id, _)
            | Self::ReplacePasscode(id, ..)
            | Self::EndAttempt(id, ..)
            | Self::AdvanceClock(id, _)
            | Self::CreateParty(id, _)
            | Self::CreateCounterparty(id, ..)
            | Self::UpdateCounterparty(id, ..)
            | Self::CreateAccount(id, _)
            | Self::DeactivateAccount(id, _)
            | Self::CreateSource(id, _)
            | Self::CreateCheckout(id, _)
            | Self::Declare(id, _)
            | Self::CancelSession(id, ..)
            | Self::Authenticate(id, ..) => Some(*id),
            Self::UpdateSource(which, _)
            | Self::PublishSource(which)
            | Self::CancelSource(which)
            | Self::AddItem(which, _)
            | Self::UpdateItem(which, ..)
            | Self::RemoveItem(which, _)
            | Self::OpenPage(which, _) => Some(which.merchant_id),
            Self::Execute(request) | Self::ReserveAttempt(request, _) => Some(request.merchant_id),
            Self::CreateMerchant(_)
            | Self::FundWallet(..)
            | Self::SetWalletStatus(..)
            | Self::ExpireSession(_)
            | Self::Claim(_)
            | Self::Hear(..)
            | Self::ResolveReview(..) => None,
        }
    }

    /// The row that the command is about, when it changes that row whenever it is accepted. Where rows are locked it is locked
    /// before anything is read, so that of two processes with one command the second sees all that the first did.
    #[must_use]
    pub fn subject(&self) -> Option<Subject> {
        let (key, owner) = match self {
            Self::By(_, command) => return command.subject(),
            Self::Execute(request) => (Key::Session(Lookup::Id(request.session_id)), Some(request.merchant_id)),
            Self::CancelSession(owner, _, id) => (Key::Session(Lookup::Id(*id)), Some(*owner)),
            Self::ExpireSession(id) => (Key::Session(Lookup::Id(*id)), None),
            Self::Claim(id) | Self::Hear(id, _) => (Key::Execution(Lookup::Id(*id)), None),
            _ => return None,
        };
        Some(Subject { key, owner })
    }

    /// Keys that the decision will likely ask for, as far as the rows that are loaded tell.
    #[must_use]
    pub fn follows(&self, world: &World) -> Vec<Key> {
        match self {
            Self::By(_, command) => command.follows(world),
            Self::Execute(request) => match world.get::<Session>(request.session_id) {
                Ok(Some(session)) => session.points_at(),
                _ => vec![],
            },
            Self::Claim(id) | Self::Hear(id, _) => match world.get::<Execution>(*id) {
                Ok(Some(execution)) => {
                    // A word to what is final may contradict an earlier one; what it makes final may be past its deadline.
                    let kinds: &[ReviewKind] = match self {
                        Self::Hear(..) if execution.status.is_final() => &contradiction::KINDS,
                        Self::Hear(..) => &[ReviewKind::DeadlinePassed],
                        _ => &[],
                    };
                    let mut keys = execution.points_at();
                    keys.extend(kinds.iter().map(|kind| Key::Review(Lookup::Name((*id, *kind)))));
                    keys
                }
                _ => vec![],
            },
            _ => vec![],
        }
    }

    /// Keys that the decision will certainly ask for: loaded ahead, so that it rarely has to be made twice.
    #[must_use]
    pub fn hints(&self) -> Vec<Key> {
        match self {
            Self::By(caller, command) => {
                let mut keys = command.hints();
                keys.extend(caller.keys());
                keys
            }
            Self::Execute(request) | Self::ReserveAttempt(request, _) => {
                let mut keys = vec![
                    Key::Execution(Lookup::Name((request.merchant_id, request.reference_id.clone()))),
                    Key::Merchant(Lookup::Id(request.merchant_id)),
                    Key::Session(Lookup::Id(request.session_id)),
                ];
                keys.extend(request.terms.account().map(|id| Key::PaymentAccount(Lookup::Id(id))));
                keys
            }
            Self::Claim(id) | Self::Hear(id, _) => vec![Key::Execution(Lookup::Id(*id))],
            Self::Declare(merchant, request) => {
                let mut keys = vec![Key::Merchant(Lookup::Id(*merchant))];
                match request {
                    Declare::Checkout { source_id, .. } => {
                        keys.extend([Key::Source(Lookup::Id(*source_id)), Key::CheckoutConfig(Lookup::Name(*source_id))]);
                    }
                    Declare::Payout { account_id, .. } => keys.push(Key::PaymentAccount(Lookup::Id(*account_id))),
                    Declare::Transfer { counterparty_id, .. } => keys.push(Key::Counterparty(Lookup::Id(*counterparty_id))),
                    Declare::Refund { original_id, .. } => keys.push(Key::Execution(Lookup::Id(*original_id))),
                }
                keys
            }
            Self::CreateCheckout(merchant, new) => {
                vec![Key::Merchant(Lookup::Id(*merchant)), Key::Party(Lookup::Name((*merchant, new.party.phone.clone())))]
            }
            _ => vec![],
        }
    }
}

/// Decides a command. A refused one leaves its draft in the world, for [`World::forget`].
///
/// # Errors
/// [`Halt::Missing`] until all is loaded that the decision reads; [`Halt::Rejected`] when it is refused.
pub fn decide(command: &Command, settings: &Settings, world: &mut World, now: Timestamp) -> Result<Answer, Halt> {
    let time = |merchant: &MerchantId, world: &World| world.must::<Merchant>(*merchant).map(|merchant| merchant.time(now));
    Ok(match command {
        Command::By(caller, command) => {
            caller.check(world, now)?;
            decide(command, settings, world, now)?
        }
        Command::CreateMerchant(new) => {
            let (merchant, wallets) = merchant::create(new, world, now)?;
            Answer::Merchant(merchant, wallets)
        }
        Command::UpdateMerchant(id, changes) => Answer::UpdatedMerchant(merchant::change(*id, changes, world, now)?),
        Command::CreateKey(id, client_id, secret_hash) => {
            Answer::ApiKey(merchant::create_key(*id, client_id, secret_hash, world, now)?)
        }
        Command::RevokeKey(id, which) => Answer::ApiKey(merchant::revoke_key(*id, *which, world, now)?),
        Command::ReserveChange(id, key) => Answer::Passcode(passcode::reserve(*id, *key, world, now)?),
        Command::ReplacePasscode(id, replaces, hash) => {
            passcode::replace(*id, replaces.as_deref(), hash.as_deref(), world, now)?;
            Answer::Done
        }
        Command::SetPasscode(id, hash) => {
            passcode::set(*id, hash.as_deref(), world, now)?;
            Answer::Done
        }
        Command::UnlockPasscode(id) => {
            passcode::unlock(*id, world, now)?;
            Answer::Done
        }
        Command::ReserveAttempt(request, key) => reserve_attempt(request, *key, world, now)?,
        Command::EndAttempt(id, which, right) => {
            passcode::end(*id, *which, *right, world, now)?;
            Answer::Done
        }
        Command::AdvanceClock(id, by_seconds) => Answer::Time(merchant::advance_clock(*id, *by_seconds, world, now)?),
        Command::FundWallet(id, amount, key) => Answer::Wallet(wallet::fund(*id, *amount, key.as_deref(), world, now)?),
        Command::SetWalletStatus(id, status, open) => Answer::Wallet(wallet::set_status(*id, *status, *open, world, now)?),
        Command::CreateParty(id, new) => Answer::Party(party::create(*id, new, world, time(id, world)?)?),
        Command::CreateCounterparty(id, relationship, party) => {
            Answer::Counterparty(party::create_counterparty(*id, *relationship, *party, world, time(id, world)?)?)
        }
        Command::UpdateCounterparty(id, which, relationship, party) => {
            let time = time(id, world)?;
            Answer::Counterparty(party::update_counterparty(*id, *which, *relationship, *party, world, time)?)
        }
        Command::CreateAccount(id, new) => Answer::Account(account::create(*id, new, world, now)?),
        Command::DeactivateAccount(id, which) => Answer::Account(account::deactivate(*id, *which, world, time(id, world)?)?),
        Command::CreateSource(id, new) => Answer::Source(source::create(*id, new, world, time(id, world)?)?),
        Command::UpdateSource(which, changes) => {
            Answer::Source(source::update(*which, changes, world, time(&which.merchant_id, world)?)?)
        }
        Command::PublishSource(which) => Answer::Source(source::publish(*which, world, now)?),
        Command::CancelSource(which) => Answer::Source(source::cancel(*which, world, now)?),
        Command::AddItem(which, new) => Answer::Item(source::add_item(*which, new, world, time(&which.merchant_id, world)?)?),
        Command::UpdateItem(which, id, changes) => {
            Answer::Item(source::update_item(*which, *id, changes, world, time(&which.merchant_id, world)?)?)
        }
        Command::RemoveItem(which, id) => {
            source::remove_item(*which, *id, world, time(&which.merchant_id, world)?)?;
            Answer::Done
        }
        Command::CreateCheckout(id, new) => {
            Answer::Checkout(Box::new(checkout::create(*id, new, settings.lifetimes, world, now)?))
        }
        Command::OpenPage(which, token) => Answer::Page(checkout::open_page(*which, token, world, now)?),
        Command::Declare(id, request) => Answer::Session(session::declare(*id, request, settings, world, now)?),
        Command::CancelSession(id, kind, which) => Answer::Session(session::cancel(*id, *kind, *which, world, now)?),
        Command::ExpireSession(id) => Answer::Changed(session::expire(*id, world, now)?),
        Command::Execute(request) => Answer::Executed(Box::new(execute::execute(request, settings, world, now)?)),
        Command::Claim(id) => Answer::Claimed(settle::claim(*id, settings.patience, world, now)?.map(Box::new)),
        Command::Hear(id, word) => Answer::Settled(Box::new(settle::hear(*id, word, world, now)?)),
        Command::Authenticate(id, reference, success) => {
            Answer::Settled(Box::new(settle::authenticate(*id, reference, *success, world, now)?))
        }
        Command::ResolveReview(id, how, evidence) => Answer::Review(review::resolve(*id, *how, evidence, world, now)?),
    })
}

/// A replay needs no passcode, and an unverified merchant gets to no comparison: neither counts as a try.
fn reserve_attempt(request: &Execute, key: ApiKeyId, world: &mut World, now: Timestamp) -> Result<Answer, Halt> {
    if let Some(execution) = execute::replay(request, world)? {
        return Ok(Answer::Executed(Box::new(Executed { execution, replayed: true, job: None })));
    }
    if !world.must::<Merchant>(request.merchant_id)?.verified {
        return Err(Rejection::NotVerified.into());
    }
    Ok(Answer::Passcode(passcode::reserve(request.merchant_id, key, world, now)?))
}
