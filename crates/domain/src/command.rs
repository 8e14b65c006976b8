//! Every way to change something, and the one function that decides it.

use crate::account::{self, NewAccount, PaymentAccount};
use crate::caller::Caller;
use crate::change::Patch;
use crate::checkout::{self, Checkout, CheckoutConfig, NewCheckout};
use crate::contradiction;
use crate::currency::Currency;
use crate::execute::{self, Execute, Executed};
use crate::execution::{Execution, ProviderCall, Deadlines, ProviderOutcome};
use crate::ids::{
    ApiKeyId, CounterpartyId, ExecutionId, ItemId, MerchantId, PartyId, PasscodeTryId, PaymentAccountId, ReviewId, SessionId,
    WalletId,
};
use crate::merchant::{self, ApiKey, Merchant, MerchantChanges, NewMerchant};
use crate::money::Money;
use crate::party::{self, Counterparty, NewParty, Party, Relationship};
use crate::passcode::{self, PasscodeAttempt};
use crate::recipient::TransferLimits;
use crate::refusal::Refusal;
use crate::review::{self, Resolution, Review, ReviewKind};
use crate::session::{self, NewSession, Lifetimes, Session, SessionKind};
use crate::settle::{self, Settled};
use crate::source::{self, Item, ItemChanges, NewItem, NewSource, Source, SourceChanges, SourceRef};
use crate::time::Timestamp;
use crate::wallet::{self, Wallet, WalletStatus};
use crate::workspace::{Stop, RowKey, Lookup, Workspace};

/// What an operator may set.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Settings {
    /// How long sessions live.
    pub lifetimes: Lifetimes,
    /// How long executions may take.
    pub deadlines: Deadlines,
    /// What merchants may do to each other by transfers.
    pub transfers: TransferLimits,
}

/// A request to change something. Each is decided in one transaction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// A command of a caller, refused unless its credentials hold in the moment in which it is decided.
    Authenticated(Caller, Box<Command>),
    /// Make a merchant.
    CreateMerchant(NewMerchant),
    /// Change a merchant: the operator may.
    UpdateMerchant(MerchantId, MerchantChanges),
    /// Add an API key: its client id, and the SHA-256 of its secret.
    CreateApiKey(MerchantId, String, String),
    /// Revoke an API key.
    RevokeApiKey(MerchantId, ApiKeyId),
    /// Set a merchant's passcode to an argon2id hash, or remove it, whatever was set before: the operator may.
    SetPasscode(MerchantId, Option<String>),
    /// Lift the locks that wrong passcodes brought about.
    UnlockPasscode(MerchantId),
    /// Reserve a try of an API key at the passcode that is to be replaced or removed, before it is compared.
    ReservePasscodeChange(MerchantId, ApiKeyId),
    /// Set the passcode in place of the one with the first hash, or where there was none; without a second, remove it.
    ReplacePasscode(MerchantId, Option<String>, Option<String>),
    /// Reserve a try of an API key at a payout's passcode before it is compared.
    ReservePasscodeAttempt(Execute, ApiKeyId),
    /// A passcode was compared; whether it is right.
    FinishPasscodeAttempt(MerchantId, PasscodeTryId, bool),
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
    UpdateCounterparty(MerchantId, CounterpartyId, Option<Relationship>, Patch<PartyId>),
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
    OpenCheckoutPage(SourceRef, String),
    /// NewSession an intent.
    CreateSession(MerchantId, NewSession),
    /// Withdraw a session.
    CancelSession(MerchantId, SessionKind, SessionId),
    /// Write down that a session's time is over.
    ExpireSession(SessionId),
    /// Carry a session out.
    Execute(Execute),
    /// Take the lease of an execution that is due.
    ClaimExecution(ExecutionId),
    /// Take in what a provider said.
    RecordOutcome(ExecutionId, ProviderOutcome),
    /// The payer of a sandbox card payment confirmed it, or refused to.
    AuthenticateCard(MerchantId, String, bool),
    /// A human decided.
    ResolveReview(ReviewId, Resolution, String),
}

/// What a command answers when it is accepted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Output {
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
    Passcode(Option<PasscodeAttempt>),
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
    Claimed(Option<Box<ProviderCall>>),
    /// An execution after a provider's word.
    Settled(Box<Settled>),
    /// A review.
    Review(Review),
}

/// The row that a command is about.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LockKey {
    /// Where it is to be found.
    pub key: RowKey,
    /// Whose it must be, where a caller named it: another's row is left alone, and not kept from its owner for a moment.
    pub owner: Option<MerchantId>,
}

impl Command {
    /// The merchant whose rows it is mostly about, where the command says so: what is decided for one merchant at one time
    /// had better be decided together.
    #[must_use]
    pub const fn merchant(&self) -> Option<MerchantId> {
        match self {
            Self::Authenticated(caller, _) => Some(caller.merchant_id),
            Self::UpdateMerchant(id, _)
            | Self::CreateApiKey(id, ..)
            | Self::RevokeApiKey(id, _)
            | Self::SetPasscode(id, _)
            | Self::UnlockPasscode(id)
            | Self::ReservePasscodeChange(id, _)
            | Self::ReplacePasscode(id, ..)
            | Self::FinishPasscodeAttempt(id, ..)
            | Self::AdvanceClock(id, _)
            | Self::CreateParty(id, _)
            | Self::CreateCounterparty(id, ..)
            | Self::UpdateCounterparty(id, ..)
            | Self::CreateAccount(id, _)
            | Self::DeactivateAccount(id, _)
            | Self::CreateSource(id, _)
            | Self::CreateCheckout(id, _)
            | Self::CreateSession(id, _)
            | Self::CancelSession(id, ..)
            | Self::AuthenticateCard(id, ..) => Some(*id),
            Self::UpdateSource(which, _)
            | Self::PublishSource(which)
            | Self::CancelSource(which)
            | Self::AddItem(which, _)
            | Self::UpdateItem(which, ..)
            | Self::RemoveItem(which, _)
            | Self::OpenCheckoutPage(which, _) => Some(which.merchant_id),
            Self::Execute(request) | Self::ReservePasscodeAttempt(request, _) => Some(request.merchant_id),
            Self::CreateMerchant(_)
            | Self::FundWallet(..)
            | Self::SetWalletStatus(..)
            | Self::ExpireSession(_)
            | Self::ClaimExecution(_)
            | Self::RecordOutcome(..)
            | Self::ResolveReview(..) => None,
        }
    }

    /// The row that the command is about, when it changes that row whenever it is accepted. Where rows are locked it is locked
    /// before anything is read, so that of two processes with one command the second sees all that the first did.
    #[must_use]
    pub fn lock_key(&self) -> Option<LockKey> {
        let (key, owner) = match self {
            Self::Authenticated(_, command) => return command.lock_key(),
            Self::Execute(request) => (RowKey::Session(Lookup::Id(request.session_id)), Some(request.merchant_id)),
            Self::CancelSession(owner, _, id) => (RowKey::Session(Lookup::Id(*id)), Some(*owner)),
            Self::ExpireSession(id) => (RowKey::Session(Lookup::Id(*id)), None),
            Self::ClaimExecution(id) | Self::RecordOutcome(id, _) => (RowKey::Execution(Lookup::Id(*id)), None),
            _ => return None,
        };
        Some(LockKey { key, owner })
    }

    /// Keys that the decision will likely ask for, as far as the rows that are loaded tell.
    #[must_use]
    pub fn likely_keys(&self, work: &Workspace) -> Vec<RowKey> {
        match self {
            Self::Authenticated(_, command) => command.likely_keys(work),
            Self::Execute(request) => match work.get::<Session>(request.session_id) {
                Ok(Some(session)) => session.referenced_keys(),
                _ => vec![],
            },
            Self::ClaimExecution(id) | Self::RecordOutcome(id, _) => match work.get::<Execution>(*id) {
                Ok(Some(execution)) => {
                    // A word to what is final may contradict an earlier one; what it makes final may be past its deadline.
                    let kinds: &[ReviewKind] = match self {
                        Self::RecordOutcome(..) if execution.status.is_final() => &contradiction::KINDS,
                        Self::RecordOutcome(..) => &[ReviewKind::DeadlinePassed],
                        _ => &[],
                    };
                    let mut keys = execution.referenced_keys();
                    keys.extend(kinds.iter().map(|kind| RowKey::Review(Lookup::AltKey((*id, *kind)))));
                    keys
                }
                _ => vec![],
            },
            _ => vec![],
        }
    }

    /// Keys that the decision will certainly ask for: loaded ahead, so that it rarely has to be made twice.
    #[must_use]
    pub fn hints(&self) -> Vec<RowKey> {
        match self {
            Self::Authenticated(caller, command) => {
                let mut keys = command.hints();
                keys.extend(caller.keys());
                keys
            }
            Self::Execute(request) | Self::ReservePasscodeAttempt(request, _) => {
                let mut keys = vec![
                    RowKey::Execution(Lookup::AltKey((request.merchant_id, request.reference_id.clone()))),
                    RowKey::Merchant(Lookup::Id(request.merchant_id)),
                    RowKey::Session(Lookup::Id(request.session_id)),
                ];
                keys.extend(request.details.account().map(|id| RowKey::PaymentAccount(Lookup::Id(id))));
                keys
            }
            Self::ClaimExecution(id) | Self::RecordOutcome(id, _) => vec![RowKey::Execution(Lookup::Id(*id))],
            Self::CreateSession(merchant, request) => {
                let mut keys = vec![RowKey::Merchant(Lookup::Id(*merchant))];
                match request {
                    NewSession::Checkout { source_id, .. } => {
                        keys.extend([RowKey::Source(Lookup::Id(*source_id)), RowKey::CheckoutConfig(Lookup::AltKey(*source_id))]);
                    }
                    NewSession::Payout { account_id, .. } => keys.push(RowKey::PaymentAccount(Lookup::Id(*account_id))),
                    NewSession::Transfer { counterparty_id, .. } => keys.push(RowKey::Counterparty(Lookup::Id(*counterparty_id))),
                    NewSession::Refund { original_id, .. } => keys.push(RowKey::Execution(Lookup::Id(*original_id))),
                }
                keys
            }
            Self::CreateCheckout(merchant, new) => {
                vec![RowKey::Merchant(Lookup::Id(*merchant)), RowKey::Party(Lookup::AltKey((*merchant, new.party.phone.clone())))]
            }
            _ => vec![],
        }
    }
}

/// Decides a command. A refused one leaves its draft in the workspace, for [`Workspace::discard_draft`].
///
/// # Errors
/// [`Stop::NotLoaded`] until all is loaded that the decision reads; [`Stop::Refused`] when it is refused.
pub fn decide(command: &Command, settings: &Settings, work: &mut Workspace, now: Timestamp) -> Result<Output, Stop> {
    let time = |merchant: &MerchantId, work: &Workspace| work.require::<Merchant>(*merchant).map(|merchant| merchant.time(now));
    Ok(match command {
        Command::Authenticated(caller, command) => {
            caller.check(work, now)?;
            decide(command, settings, work, now)?
        }
        Command::CreateMerchant(new) => {
            let (merchant, wallets) = merchant::create(new, work, now)?;
            Output::Merchant(merchant, wallets)
        }
        Command::UpdateMerchant(id, changes) => Output::UpdatedMerchant(merchant::change(*id, changes, work, now)?),
        Command::CreateApiKey(id, client_id, secret_hash) => {
            Output::ApiKey(merchant::create_key(*id, client_id, secret_hash, work, now)?)
        }
        Command::RevokeApiKey(id, which) => Output::ApiKey(merchant::revoke_key(*id, *which, work, now)?),
        Command::ReservePasscodeChange(id, key) => Output::Passcode(passcode::reserve(*id, *key, work, now)?),
        Command::ReplacePasscode(id, replaces, hash) => {
            passcode::replace(*id, replaces.as_deref(), hash.as_deref(), work, now)?;
            Output::Done
        }
        Command::SetPasscode(id, hash) => {
            passcode::set(*id, hash.as_deref(), work, now)?;
            Output::Done
        }
        Command::UnlockPasscode(id) => {
            passcode::unlock(*id, work, now)?;
            Output::Done
        }
        Command::ReservePasscodeAttempt(request, key) => reserve_passcode_attempt(request, *key, work, now)?,
        Command::FinishPasscodeAttempt(id, which, right) => {
            passcode::end(*id, *which, *right, work, now)?;
            Output::Done
        }
        Command::AdvanceClock(id, by_seconds) => Output::Time(merchant::advance_clock(*id, *by_seconds, work, now)?),
        Command::FundWallet(id, amount, key) => Output::Wallet(wallet::fund(*id, *amount, key.as_deref(), work, now)?),
        Command::SetWalletStatus(id, status, open) => Output::Wallet(wallet::set_status(*id, *status, *open, work, now)?),
        Command::CreateParty(id, new) => Output::Party(party::create(*id, new, work, time(id, work)?)?),
        Command::CreateCounterparty(id, relationship, party) => {
            Output::Counterparty(party::create_counterparty(*id, *relationship, *party, work, time(id, work)?)?)
        }
        Command::UpdateCounterparty(id, which, relationship, party) => {
            let time = time(id, work)?;
            Output::Counterparty(party::update_counterparty(*id, *which, *relationship, *party, work, time)?)
        }
        Command::CreateAccount(id, new) => Output::Account(account::create(*id, new, work, now)?),
        Command::DeactivateAccount(id, which) => Output::Account(account::deactivate(*id, *which, work, time(id, work)?)?),
        Command::CreateSource(id, new) => Output::Source(source::create(*id, new, work, time(id, work)?)?),
        Command::UpdateSource(which, changes) => {
            Output::Source(source::update(*which, changes, work, time(&which.merchant_id, work)?)?)
        }
        Command::PublishSource(which) => Output::Source(source::publish(*which, work, now)?),
        Command::CancelSource(which) => Output::Source(source::cancel(*which, work, now)?),
        Command::AddItem(which, new) => Output::Item(source::add_item(*which, new, work, time(&which.merchant_id, work)?)?),
        Command::UpdateItem(which, id, changes) => {
            Output::Item(source::update_item(*which, *id, changes, work, time(&which.merchant_id, work)?)?)
        }
        Command::RemoveItem(which, id) => {
            source::remove_item(*which, *id, work, time(&which.merchant_id, work)?)?;
            Output::Done
        }
        Command::CreateCheckout(id, new) => {
            Output::Checkout(Box::new(checkout::create(*id, new, settings.lifetimes, work, now)?))
        }
        Command::OpenCheckoutPage(which, token) => Output::Page(checkout::open_page(*which, token, work, now)?),
        Command::CreateSession(id, request) => Output::Session(session::declare(*id, request, settings, work, now)?),
        Command::CancelSession(id, kind, which) => Output::Session(session::cancel(*id, *kind, *which, work, now)?),
        Command::ExpireSession(id) => Output::Changed(session::expire(*id, work, now)?),
        Command::Execute(request) => Output::Executed(Box::new(execute::execute(request, settings, work, now)?)),
        Command::ClaimExecution(id) => Output::Claimed(settle::claim(*id, settings.deadlines, work, now)?.map(Box::new)),
        Command::RecordOutcome(id, word) => Output::Settled(Box::new(settle::record_outcome(*id, word, work, now)?)),
        Command::AuthenticateCard(id, reference, success) => {
            Output::Settled(Box::new(settle::authenticate(*id, reference, *success, work, now)?))
        }
        Command::ResolveReview(id, how, evidence) => Output::Review(review::resolve(*id, *how, evidence, work, now)?),
    })
}

/// A replay needs no passcode, and an unverified merchant gets to no comparison: neither counts as a try.
fn reserve_passcode_attempt(request: &Execute, key: ApiKeyId, work: &mut Workspace, now: Timestamp) -> Result<Output, Stop> {
    if let Some(execution) = execute::replay(request, work)? {
        return Ok(Output::Executed(Box::new(Executed { execution, replayed: true, call: None })));
    }
    if !work.require::<Merchant>(request.merchant_id)?.verified {
        return Err(Refusal::NotVerified.into());
    }
    Ok(Output::Passcode(passcode::reserve(request.merchant_id, key, work, now)?))
}
