//! The list of all commands and of their outputs.

use crate::directory::caller::Caller;
use crate::directory::create_merchant::NewMerchant;
use crate::directory::create_party::NewParty;
use crate::directory::create_payment_account::NewAccount;
use crate::directory::merchant::{ApiKey, Merchant};
use crate::directory::party::{Counterparty, Party, Relationship};
use crate::directory::payment_account::PaymentAccount;
use crate::directory::try_passcode::PasscodeAttempt;
use crate::directory::update_merchant::MerchantChanges;
use crate::exceptions::review::{Resolution, Review};
use crate::kernel::currency::Currency;
use crate::kernel::ids::{
    ApiKeyId, CounterpartyId, ExecutionId, ItemId, MerchantId, PartyId, PasscodeTryId,
    PaymentAccountId, ReviewId, SessionId, WalletId,
};
use crate::kernel::money::Money;
use crate::kernel::patch::Patch;
use crate::kernel::time::MerchantTime;
use crate::ledger::wallet::{Wallet, WalletStatus};
use crate::payments::create_session::NewSession;
use crate::payments::execute::{Execute, Executed};
use crate::payments::outcome::ProviderOutcome;
use crate::payments::provider_call::ProviderCall;
use crate::payments::record_outcome::RecordedOutcome;
use crate::payments::session::{Session, SessionKind};
use crate::sales::checkout::CheckoutConfig;
use crate::sales::create_checkout::{Checkout, NewCheckout};
use crate::sales::create_source::NewSource;
use crate::sales::edit_items::{ItemChanges, NewItem};
use crate::sales::find_source::SourceRef;
use crate::sales::source::{Item, Source};
use crate::sales::update_source::SourceChanges;

/// A request to change something. Each command is decided in one transaction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// A command of an API caller. It is refused unless the caller's credentials are valid when it is
    /// decided.
    Authenticated(Caller, Box<Command>),
    CreateMerchant(NewMerchant),
    /// For the operator only.
    UpdateMerchant(MerchantId, MerchantChanges),
    /// Client id, and SHA-256 of the client secret in hexadecimal.
    CreateApiKey(MerchantId, String, String),
    RevokeApiKey(MerchantId, ApiKeyId),
    /// Sets a merchant's passcode to an argon2id hash, or removes it. For the operator only, who need
    /// not know the one before.
    SetPasscode(MerchantId, Option<String>),
    /// Clears the locks that wrong passcodes caused.
    UnlockPasscode(MerchantId),
    /// Reserves an attempt at the current passcode before it is compared, for a change of it.
    ReservePasscodeChange(MerchantId, ApiKeyId),
    /// Replaces the passcode with the first hash (`None`: there was none) by the second (`None`:
    /// removes it).
    ReplacePasscode(MerchantId, Option<String>, Option<String>),
    /// Reserves an attempt at a payout's passcode before it is compared.
    ReservePasscodeAttempt(Execute, ApiKeyId),
    /// Records whether the passcode of a reserved attempt was right.
    FinishPasscodeAttempt(MerchantId, PasscodeTryId, bool),
    /// Advances a merchant's sandbox clock by a number of seconds.
    AdvanceClock(MerchantId, i64),
    /// Credits sandbox money to a wallet, once per idempotency key.
    FundWallet(WalletId, Money, Option<String>),
    /// The last value says whether something is under way that could still credit the wallet.
    SetWalletStatus(WalletId, WalletStatus, bool),
    CreateParty(MerchantId, NewParty),
    CreateCounterparty(MerchantId, Relationship, Option<PartyId>),
    UpdateCounterparty(MerchantId, CounterpartyId, Option<Relationship>, Patch<PartyId>),
    CreateAccount(MerchantId, NewAccount),
    DeactivateAccount(MerchantId, PaymentAccountId),
    /// Creates an invoice or order.
    CreateSource(MerchantId, NewSource),
    UpdateSource(SourceRef, SourceChanges),
    PublishSource(SourceRef),
    CancelSource(SourceRef),
    AddItem(SourceRef, NewItem),
    UpdateItem(SourceRef, ItemId, ItemChanges),
    RemoveItem(SourceRef, ItemId),
    /// Creates a published invoice or order with its payer and its checkout page.
    CreateCheckout(MerchantId, NewCheckout),
    /// Creates a page under this token for an invoice or order, unless it has one that accepts payments.
    OpenCheckoutPage(SourceRef, String),
    CreateSession(MerchantId, NewSession),
    CancelSession(MerchantId, SessionKind, SessionId),
    /// Stores that a session expired.
    ExpireSession(SessionId),
    /// Executes a session.
    Execute(Execute),
    /// Takes the lease of an execution that is due.
    ClaimExecution(ExecutionId),
    /// Records the outcome that a provider reports.
    RecordOutcome(ExecutionId, ProviderOutcome),
    /// Whether the payer of a sandbox card payment, given by its `reference_id`, authenticated it.
    AuthenticateCard(MerchantId, String, bool),
    /// The resolution of an operator, with its evidence.
    ResolveReview(ReviewId, Resolution, String),
}

/// The output of an accepted command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Output {
    Done,
    /// Whether something changed.
    Changed(bool),
    /// A new merchant with its wallets.
    Merchant(Merchant, Vec<(WalletId, Currency)>),
    UpdatedMerchant(Merchant),
    ApiKey(ApiKey),
    /// The reserved attempt; `None` if the merchant has no passcode.
    Passcode(Option<PasscodeAttempt>),
    /// Merchant time now.
    Time(MerchantTime),
    Wallet(Wallet),
    Party(Party),
    Counterparty(Counterparty),
    Account(PaymentAccount),
    Source(Source),
    Item(Item),
    Checkout(Box<Checkout>),
    Page(CheckoutConfig),
    Session(Session),
    Executed(Box<Executed>),
    /// The call to make under the lease; `None` if the execution is not due any more.
    Claimed(Option<Box<ProviderCall>>),
    OutcomeRecorded(Box<RecordedOutcome>),
    Review(Review),
}

impl Command {
    /// The command as that of a caller, whose credentials are checked when it is decided.
    #[must_use]
    pub fn authenticated(self, caller: Caller) -> Self {
        Self::Authenticated(caller, Box::new(self))
    }

    /// The merchant whose rows the command mostly changes, if the command contains it. The commands of
    /// one merchant go to the same lane, so that they do not wait for each other's locks.
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
