//! Executing a session: one decision, which repeats every check of the session's creation.
//!
//! The order of the checks: a replay is answered first; then verification, passcode, the state of
//! the session, the state of what it is about. Insufficient funds, too little refund capacity and a
//! receiving wallet that cannot be credited are recorded as a `FAILED` execution. Every other
//! refusal leaves the session and its idempotency key unused.

mod collection;
mod context;
mod payout;
mod refund;
mod transfer;

use crate::decision::row::Lookup;
use crate::decision::settings::Settings;
use crate::decision::use_case::{Context, Decision, LockKey};
use crate::decision::workspace::{RowKey, Stop, Workspace};
use crate::directory::merchant::Merchant;
use crate::directory::roles::Action;
use crate::directory::try_passcode;
use crate::directory::use_payment_account;
use crate::kernel::currency::Currency;
use crate::kernel::ids::{CheckoutConfigId, MerchantId, PaymentAccountId, SessionId};
use crate::kernel::money::Money;
use crate::kernel::names::Operation;
use crate::kernel::refusal::{Refusal, Subject};
use crate::kernel::time::ServerTime;
use crate::kernel::uuids::ReferenceId;
use crate::mutant;
use crate::payments::approval::ApprovalLimit;
use crate::payments::attempt::{self, ProviderAttempt, WithAttempt};
use crate::payments::execute::context::ExecutionContext;
use crate::payments::execution::Execution;
use crate::payments::provider_call::{ProviderCall, ReturnPage};
use crate::payments::session::{Intent, Session, SessionInput};
use crate::sales::payment_link;
use crate::tariff::fees::Quote;

/// What an execution request contains, by operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OperationDetails {
    Collection {
        /// The payer's account.
        account_id: PaymentAccountId,
        /// The payer's currency.
        currency: Currency,
    },
    Payout {
        /// Must be that of the session, if given.
        account_id: Option<PaymentAccountId>,
        /// Whether a passcode was compared and found right.
        passcode_verified: bool,
    },
    Transfer,
    Refund,
}

impl OperationDetails {
    /// The payment account that the request names.
    #[must_use]
    pub const fn account(self) -> Option<PaymentAccountId> {
        match self {
            Self::Collection { account_id, .. } => Some(account_id),
            Self::Payout { account_id, .. } => account_id,
            Self::Transfer | Self::Refund => None,
        }
    }

    const fn operation(self) -> Operation {
        match self {
            Self::Collection { .. } => Operation::Collection,
            Self::Payout { .. } => Operation::Payout,
            Self::Transfer => Operation::Transfer,
            Self::Refund => Operation::Refund,
        }
    }
}

/// A request to execute a session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Execute {
    pub merchant_id: MerchantId,
    /// The idempotency key.
    pub reference_id: ReferenceId,
    pub session_id: SessionId,
    pub details: OperationDetails,
    /// Where it is given, it is executed only at the price that was shown.
    pub shown: Option<ShownPrice>,
}

/// What whoever pays out or transfers was shown before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ShownPrice {
    /// What the wallet is debited by, or what is held of it.
    pub payer: Money,
    /// What arrives.
    pub payee: Money,
    pub platform_fee_minor: i64,
    pub gateway_fee_minor: i64,
    /// Whether somebody else has to approve it.
    pub needs_approval: bool,
}

impl ShownPrice {
    /// The price of a quote.
    #[must_use]
    pub const fn new(quote: &Quote, above: Option<ApprovalLimit>) -> Self {
        Self {
            payer: quote.payer,
            payee: quote.payee,
            platform_fee_minor: quote.platform_fee,
            gateway_fee_minor: quote.gateway_fee,
            needs_approval: above.is_some(),
        }
    }
}

/// The page on which a payer pays.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PaysOn {
    pub id: CheckoutConfigId,
    pub return_page: ReturnPage,
}

/// The execution, and the provider call that is due next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Executed {
    pub execution: Execution,
    /// Its attempt at a network, while it is under way.
    pub attempt: Option<ProviderAttempt>,
    /// Whether an earlier request with the same idempotency key made it.
    pub replayed: bool,
    /// The provider call that this commit made due; this process holds the lease.
    pub call: Option<ProviderCall>,
}

impl Decision for Execute {
    type Output = Executed;

    fn action(&self) -> Option<Action> {
        Some(Action::to(self.details.operation()))
    }

    fn lock_key(&self) -> Option<LockKey> {
        let key = RowKey::Session(Lookup::Id(self.session_id));
        Some(LockKey { key, owner: Some(self.merchant_id) })
    }

    fn hints(&self) -> Vec<RowKey> {
        let mut keys = vec![
            RowKey::Execution(Lookup::AltKey((self.merchant_id, self.reference_id))),
            RowKey::Merchant(Lookup::Id(self.merchant_id)),
            RowKey::Session(Lookup::Id(self.session_id)),
            RowKey::EventPosition(Lookup::Id(self.merchant_id)),
        ];
        keys.extend(self.details.account().map(|id| RowKey::PaymentAccount(Lookup::Id(id))));
        keys
    }

    fn likely_keys(&self, work: &Workspace) -> Vec<RowKey> {
        match work.get::<Session>(self.session_id) {
            Ok(Some(session)) => {
                let mut keys = session.referenced_keys();
                keys.extend(payment_link::likely_key(session.source_id(), work));
                keys
            }
            _ => vec![],
        }
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<Executed, Stop> {
        execute(self, None, context.settings, work, context.now)
    }
}

/// The stored execution under this idempotency key, if its request was the same.
///
/// # Errors
/// [`Refusal::DuplicateReference`].
pub fn replay(request: &Execute, work: &Workspace) -> Result<Option<WithAttempt>, Stop> {
    let key = (request.merchant_id, request.reference_id);
    mutant!(SkipReference => return ignore_reference(&key, work));
    let Some(found) = work.find::<Execution>(&key)? else { return Ok(None) };
    let same = found.operation() == request.details.operation()
        && found.session_id == request.session_id
        && match request.details {
            OperationDetails::Collection { account_id, currency } => {
                found.payment_account_id() == Some(account_id) && found.payer.currency == currency
            }
            OperationDetails::Payout { account_id, .. } => {
                account_id.is_none() || found.payment_account_id() == account_id
            }
            OperationDetails::Transfer | OperationDetails::Refund => true,
        };
    if !same {
        return Err(Refusal::DuplicateReference.into());
    }
    let attempt = attempt::open_attempt(&found, work)?;
    Ok(Some(WithAttempt { execution: (*found).clone(), attempt }))
}

/// Executes a session. `page` is the page on which the payer pays, if it is done there.
///
/// # Errors
/// Every refusal that an execution can have.
pub(crate) fn execute(
    request: &Execute,
    page: Option<&PaysOn>,
    settings: &Settings,
    work: &mut Workspace,
    now: ServerTime,
) -> Result<Executed, Stop> {
    // Before all other checks: a payment that was made is answered as stored, even if the merchant
    // or the market has changed since.
    if let Some(WithAttempt { execution, attempt }) = replay(request, work)? {
        return Ok(Executed { execution, attempt, replayed: true, call: None });
    }
    let merchant = work.require::<Merchant>(request.merchant_id)?;
    let operation = request.details.operation();
    if operation != Operation::Collection && !merchant.verified {
        return Err(Refusal::NotVerified.into());
    }
    if let OperationDetails::Payout { passcode_verified, .. } = request.details {
        try_passcode::check(merchant.id, passcode_verified, work)?;
    }
    let time = merchant.time(now);
    let found = work.get::<Session>(request.session_id)?.filter(|session| {
        session.merchant_id == merchant.id && session.kind().operation() == operation
    });
    let Some(session) = found else {
        return Err(unknown_session(request, merchant.id, work)?.into());
    };
    let executed_session = session.after(SessionInput::Execute, time)?;

    let context = ExecutionContext {
        request,
        page,
        merchant: &merchant,
        session: &session,
        settings,
        time,
        now,
    };
    let executed = match (request.details, &session.intent) {
        (
            OperationDetails::Collection { account_id, currency },
            Intent::Checkout { source_id, .. },
        ) => context.execute_collection(*source_id, account_id, currency, work)?,
        (
            OperationDetails::Payout { account_id, .. },
            Intent::Payout { wallet_id, payee_account_id, amount },
        ) => context.execute_payout(*wallet_id, *payee_account_id, *amount, account_id, work)?,
        (
            OperationDetails::Transfer,
            Intent::Transfer { wallet_id, party_id, recipient, amount, .. },
        ) => context.execute_transfer(*wallet_id, *party_id, recipient.as_ref(), *amount, work)?,
        (OperationDetails::Refund, Intent::Refund { original_execution_id, amount, .. }) => {
            context.execute_refund(*original_execution_id, *amount, work)?
        }
        // Not reached: the look-up above finds only a session for the request's operation.
        _ => return Err(unknown_session(request, merchant.id, work)?.into()),
    };
    // Also after a `FAILED` execution: a session is executed at most once.
    if !mutant!(SessionTwice) {
        work.put(executed_session.with_payer_account(executed.execution.payment_account_id()));
    }
    Ok(executed)
}

/// The refusals of a request whose session does not exist. The account is checked too, so that the
/// caller reads both at once.
fn unknown_session(
    request: &Execute,
    merchant_id: MerchantId,
    work: &Workspace,
) -> Result<Vec<Refusal>, Stop> {
    // The id may be that of another kind of session: the message says which kind is expected.
    let what = match request.details.operation() {
        Operation::Collection => "a checkout session",
        Operation::Payout => "a payout session",
        Operation::Transfer => "a transfer session",
        Operation::Refund => "a refund session",
    };
    let mut refusals = vec![Refusal::UnknownId { subject: Subject::Session, what }];
    if let OperationDetails::Collection { account_id, .. } = request.details {
        let account =
            use_payment_account::usable(merchant_id, account_id, Operation::Collection, work)?;
        refusals.extend(account.err());
    }
    Ok(refusals)
}
