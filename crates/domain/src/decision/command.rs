//! Every way to change something, and the one function that decides it.

use crate::decision::settings::Settings;
use crate::decision::workspace::{Stop, Workspace};
use crate::directory::advance_clock;
use crate::directory::api_keys;
use crate::directory::caller::Caller;
use crate::directory::counterparties;
use crate::directory::create_merchant::{self, NewMerchant};
use crate::directory::create_party::{self, NewParty};
use crate::directory::create_payment_account::{self, NewAccount};
use crate::directory::merchant::{ApiKey, Merchant};
use crate::directory::party::{Counterparty, Party, Relationship};
use crate::directory::payment_account::PaymentAccount;
use crate::directory::set_passcode;
use crate::directory::try_passcode::{self, PasscodeAttempt};
use crate::directory::update_merchant::{self, MerchantChanges};
use crate::directory::use_payment_account;
use crate::exceptions::resolve_review;
use crate::exceptions::review::{Resolution, Review};
use crate::kernel::currency::Currency;
use crate::kernel::ids::{
    ApiKeyId, CounterpartyId, ExecutionId, ItemId, MerchantId, PartyId, PasscodeTryId,
    PaymentAccountId, ReviewId, SessionId, WalletId,
};
use crate::kernel::money::Money;
use crate::kernel::patch::Patch;
use crate::kernel::refusal::Refusal;
use crate::kernel::time::Timestamp;
use crate::ledger::fund_wallet;
use crate::ledger::set_wallet_status;
use crate::ledger::wallet::{Wallet, WalletStatus};
use crate::payments::authenticate_card;
use crate::payments::cancel_session;
use crate::payments::claim_execution;
use crate::payments::create_session::{self, NewSession};
use crate::payments::execute::{self, Execute, Executed};
use crate::payments::expire_session;
use crate::payments::outcome::ProviderOutcome;
use crate::payments::provider_call::ProviderCall;
use crate::payments::record_outcome::{self, RecordedOutcome};
use crate::payments::session::{Session, SessionKind};
use crate::sales::cancel_source;
use crate::sales::checkout::CheckoutConfig;
use crate::sales::create_checkout::{self, Checkout, NewCheckout};
use crate::sales::create_source::{self, NewSource};
use crate::sales::edit_items::{self, ItemChanges, NewItem};
use crate::sales::find_source::SourceRef;
use crate::sales::open_checkout_page;
use crate::sales::publish_source;
use crate::sales::source::{Item, Source};
use crate::sales::update_source::{self, SourceChanges};

/// A request to change something. Each is decided in one transaction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// A command of a caller, refused unless its credentials hold in the moment in which it is
    /// decided.
    Authenticated(Caller, Box<Command>),
    /// Make a merchant.
    CreateMerchant(NewMerchant),
    /// Change a merchant: the operator may.
    UpdateMerchant(MerchantId, MerchantChanges),
    /// Add an API key: its client id, and the SHA-256 of its secret.
    CreateApiKey(MerchantId, String, String),
    /// Revoke an API key.
    RevokeApiKey(MerchantId, ApiKeyId),
    /// Set a merchant's passcode to an argon2id hash, or remove it, whatever was set before: the
    /// operator may.
    SetPasscode(MerchantId, Option<String>),
    /// Lift the locks that wrong passcodes brought about.
    UnlockPasscode(MerchantId),
    /// Reserve a try of an API key at the passcode that is to be replaced or removed, before it is
    /// compared.
    ReservePasscodeChange(MerchantId, ApiKeyId),
    /// Set the passcode in place of the one with the first hash, or where there was none; without a
    /// second, remove it.
    ReplacePasscode(MerchantId, Option<String>, Option<String>),
    /// Reserve a try of an API key at a payout's passcode before it is compared.
    ReservePasscodeAttempt(Execute, ApiKeyId),
    /// A passcode was compared; whether it is right.
    FinishPasscodeAttempt(MerchantId, PasscodeTryId, bool),
    /// Move a merchant's sandbox clock forward by seconds.
    AdvanceClock(MerchantId, i64),
    /// Put sandbox money into a wallet; under one key it happens once.
    FundWallet(WalletId, Money, Option<String>),
    /// Change what may be started on a wallet; the last says whether something could still credit
    /// it.
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
    ApiKey(ApiKey),
    /// The try of a passcode that was reserved; `None` when none is set.
    Passcode(Option<PasscodeAttempt>),
    /// The merchant's time now.
    Time(Timestamp),
    Wallet(Wallet),
    Party(Party),
    Counterparty(Counterparty),
    Account(PaymentAccount),
    Source(Source),
    Item(Item),
    Checkout(Box<Checkout>),
    /// The page of an invoice or order.
    Page(CheckoutConfig),
    /// A session, and the merchant's time.
    Session(Session),
    Executed(Box<Executed>),
    /// A lease, if it was to be had.
    Claimed(Option<Box<ProviderCall>>),
    /// An execution after a provider's word.
    OutcomeRecorded(Box<RecordedOutcome>),
    Review(Review),
}

impl Command {
    /// The command of a caller, to be decided only while the caller's credentials hold.
    #[must_use]
    pub fn authenticated(self, caller: Caller) -> Self {
        Self::Authenticated(caller, Box::new(self))
    }

    /// The merchant whose rows it is mostly about, where the command says so: what is decided for
    /// one merchant at one time had better be decided together.
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
            Self::Execute(request) | Self::ReservePasscodeAttempt(request, _) => {
                Some(request.merchant_id)
            }
            Self::CreateMerchant(_)
            | Self::FundWallet(..)
            | Self::SetWalletStatus(..)
            | Self::ExpireSession(_)
            | Self::ClaimExecution(_)
            | Self::RecordOutcome(..)
            | Self::ResolveReview(..) => None,
        }
    }
}

/// Decides a command. A refused one leaves its draft in the workspace, for
/// [`Workspace::discard_draft`].
///
/// # Errors
/// [`Stop::NotLoaded`] until all is loaded that the decision reads; [`Stop::Refused`] when it is
/// refused.
pub fn decide(
    command: &Command,
    settings: &Settings,
    work: &mut Workspace,
    now: Timestamp,
) -> Result<Output, Stop> {
    let time = |merchant: &MerchantId, work: &Workspace| {
        work.require::<Merchant>(*merchant).map(|merchant| merchant.time(now))
    };
    Ok(match command {
        Command::Authenticated(caller, command) => {
            caller.check(work, now)?;
            decide(command, settings, work, now)?
        }
        Command::CreateMerchant(new) => {
            let (merchant, wallets) = create_merchant::create(new, work, now)?;
            Output::Merchant(merchant, wallets)
        }
        Command::UpdateMerchant(id, changes) => {
            Output::UpdatedMerchant(update_merchant::update(*id, changes, work, now)?)
        }
        Command::CreateApiKey(id, client_id, secret_hash) => {
            Output::ApiKey(api_keys::create(*id, client_id, secret_hash, work, now)?)
        }
        Command::RevokeApiKey(id, which) => {
            Output::ApiKey(api_keys::revoke(*id, *which, work, now)?)
        }
        Command::ReservePasscodeChange(id, key) => {
            Output::Passcode(try_passcode::reserve(*id, *key, work, now)?)
        }
        Command::ReplacePasscode(id, replaces, hash) => {
            set_passcode::replace(*id, replaces.as_deref(), hash.as_deref(), work, now)?;
            Output::Done
        }
        Command::SetPasscode(id, hash) => {
            set_passcode::set(*id, hash.as_deref(), work, now)?;
            Output::Done
        }
        Command::UnlockPasscode(id) => {
            set_passcode::unlock(*id, work, now)?;
            Output::Done
        }
        Command::ReservePasscodeAttempt(request, key) => {
            reserve_passcode_attempt(request, *key, work, now)?
        }
        Command::FinishPasscodeAttempt(id, which, right) => {
            try_passcode::finish(*id, *which, *right, work, now)?;
            Output::Done
        }
        Command::AdvanceClock(id, by_seconds) => {
            Output::Time(advance_clock::advance(*id, *by_seconds, work, now)?)
        }
        Command::FundWallet(id, amount, key) => {
            Output::Wallet(fund_wallet::fund(*id, *amount, key.as_deref(), work, now)?)
        }
        Command::SetWalletStatus(id, status, open) => {
            Output::Wallet(set_wallet_status::set_status(*id, *status, *open, work, now)?)
        }
        Command::CreateParty(id, new) => {
            Output::Party(create_party::create(*id, new, work, time(id, work)?)?)
        }
        Command::CreateCounterparty(id, relationship, party) => Output::Counterparty(
            counterparties::create(*id, *relationship, *party, work, time(id, work)?)?,
        ),
        Command::UpdateCounterparty(id, which, relationship, party) => {
            let time = time(id, work)?;
            Output::Counterparty(counterparties::update(
                *id,
                *which,
                *relationship,
                *party,
                work,
                time,
            )?)
        }
        Command::CreateAccount(id, new) => {
            Output::Account(create_payment_account::create(*id, new, work, now)?)
        }
        Command::DeactivateAccount(id, which) => {
            Output::Account(use_payment_account::deactivate(*id, *which, work, time(id, work)?)?)
        }
        Command::CreateSource(id, new) => {
            Output::Source(create_source::create(*id, new, work, time(id, work)?)?)
        }
        Command::UpdateSource(which, changes) => Output::Source(update_source::update(
            *which,
            changes,
            work,
            time(&which.merchant_id, work)?,
        )?),
        Command::PublishSource(which) => {
            Output::Source(publish_source::publish(*which, work, now)?)
        }
        Command::CancelSource(which) => Output::Source(cancel_source::cancel(*which, work, now)?),
        Command::AddItem(which, new) => {
            Output::Item(edit_items::add_item(*which, new, work, time(&which.merchant_id, work)?)?)
        }
        Command::UpdateItem(which, id, changes) => Output::Item(edit_items::update_item(
            *which,
            *id,
            changes,
            work,
            time(&which.merchant_id, work)?,
        )?),
        Command::RemoveItem(which, id) => {
            edit_items::remove_item(*which, *id, work, time(&which.merchant_id, work)?)?;
            Output::Done
        }
        Command::CreateCheckout(id, new) => Output::Checkout(Box::new(create_checkout::create(
            *id,
            new,
            settings.lifetimes,
            work,
            now,
        )?)),
        Command::OpenCheckoutPage(which, token) => {
            Output::Page(open_checkout_page::open(*which, token, work, now)?)
        }
        Command::CreateSession(id, request) => {
            Output::Session(create_session::create(*id, request, settings, work, now)?)
        }
        Command::CancelSession(id, kind, which) => {
            Output::Session(cancel_session::cancel(*id, *kind, *which, work, now)?)
        }
        Command::ExpireSession(id) => Output::Changed(expire_session::expire(*id, work, now)?),
        Command::Execute(request) => {
            Output::Executed(Box::new(execute::execute(request, settings, work, now)?))
        }
        Command::ClaimExecution(id) => Output::Claimed(
            claim_execution::claim(*id, settings.deadlines, work, now)?.map(Box::new),
        ),
        Command::RecordOutcome(id, word) => {
            Output::OutcomeRecorded(Box::new(record_outcome::record(*id, word, work, now)?))
        }
        Command::AuthenticateCard(id, reference, success) => Output::OutcomeRecorded(Box::new(
            authenticate_card::authenticate(*id, reference, *success, work, now)?,
        )),
        Command::ResolveReview(id, how, evidence) => {
            Output::Review(resolve_review::resolve(*id, *how, evidence, work, now)?)
        }
    })
}

/// A replay needs no passcode, and an unverified merchant gets to no comparison: neither counts as
/// a try.
fn reserve_passcode_attempt(
    request: &Execute,
    key: ApiKeyId,
    work: &mut Workspace,
    now: Timestamp,
) -> Result<Output, Stop> {
    if let Some(execution) = execute::replay(request, work)? {
        return Ok(Output::Executed(Box::new(Executed { execution, replayed: true, call: None })));
    }
    if !work.require::<Merchant>(request.merchant_id)?.verified {
        return Err(Refusal::NotVerified.into());
    }
    Ok(Output::Passcode(try_passcode::reserve(request.merchant_id, key, work, now)?))
}
