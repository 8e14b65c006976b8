//! Carrying a session out: one decision, in which every check of the session's creation is made
//! again.
//!
//! Order: a replay is answered; then verification, passcode, the session's state, the object's
//! state. Only too little money, too little room for a refund and a receiver's wallet that takes
//! nothing are recorded as `FAILED`; every other refusal leaves session and key as they were.

use crate::decision::event::{EventEntity, EventType};
use crate::decision::events;
use crate::decision::settings::Settings;
use crate::decision::workspace::{Stop, Workspace};
use crate::directory::merchant::Merchant;
use crate::directory::payment_account::PaymentAccount;
use crate::directory::try_passcode;
use crate::directory::use_payment_account;
use crate::kernel::currency::Currency;
use crate::kernel::ids::{ExecutionId, MerchantId, PaymentAccountId, SessionId};
use crate::kernel::money::Money;
use crate::kernel::names::{Method, Operation, Provider};
use crate::kernel::refusal::Refusal;
use crate::kernel::time::Timestamp;
use crate::ledger::incoming;
use crate::ledger::open_wallet;
use crate::ledger::post;
use crate::ledger::recipes::{self, DebitFrom};
use crate::ledger::wallet::{self, Owner, Wallet};
use crate::mutant;
use crate::payments::checks;
use crate::payments::execution::{Execution, ExecutionStatus, LEASE_US};
use crate::payments::provider_call::{self, CallKind, ProviderCall, provider_request_id};
use crate::payments::recipient;
use crate::payments::refund;
use crate::payments::session::{Session, SessionInput};
use crate::payments::settle;
use crate::sales::source::{Source, SourceInput};
use crate::tariff::fees::{self, Quote, Route};

/// What an execution request says, by operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OperationDetails {
    /// Take from this account in this currency.
    Collection {
        /// The payer's account.
        account_id: PaymentAccountId,
        /// The payer's currency.
        currency: Currency,
    },
    /// Send to the session's account.
    Payout {
        /// Must be the session's, where it is given.
        account_id: Option<PaymentAccountId>,
        /// Whether a passcode was compared and found right.
        passcode_verified: bool,
    },
    /// Move to the session's counterparty.
    Transfer,
    /// Give back the session's collection.
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
    /// The caller's UUID, lower-case.
    pub reference_id: String,
    pub session_id: SessionId,
    /// The rest.
    pub details: OperationDetails,
}

/// The execution, and what is to be done next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Executed {
    /// As it is now.
    pub execution: Execution,
    /// Whether it was there before.
    pub replayed: bool,
    /// The provider call that this commit made due; this process holds the lease.
    pub call: Option<ProviderCall>,
}

/// The stored execution under this key, if the request says the same.
///
/// # Errors
/// [`Refusal::DuplicateReference`].
pub fn replay(request: &Execute, work: &Workspace) -> Result<Option<Execution>, Stop> {
    let name = (request.merchant_id, request.reference_id.clone());
    if mutant!(SkipReference) {
        work.find::<Execution>(&name)?;
        return Ok(None);
    }
    let Some(found) = work.find::<Execution>(&name)? else { return Ok(None) };
    let same = found.operation == request.details.operation()
        && found.session_id == request.session_id
        && match request.details {
            OperationDetails::Collection { account_id, currency } => {
                found.payment_account_id == Some(account_id) && found.payer.currency == currency
            }
            OperationDetails::Payout { account_id, .. } => {
                account_id.is_none() || found.payment_account_id == account_id
            }
            OperationDetails::Transfer | OperationDetails::Refund => true,
        };
    if same { Ok(Some((*found).clone())) } else { Err(Refusal::DuplicateReference.into()) }
}

/// Executes a session.
///
/// # Errors
/// Every refusal of an execution.
pub fn execute(
    request: &Execute,
    settings: &Settings,
    work: &mut Workspace,
    now: Timestamp,
) -> Result<Executed, Stop> {
    if let Some(execution) = replay(request, work)? {
        return Ok(Executed { execution, replayed: true, call: None });
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
        session.merchant_id == merchant.id && session.kind.operation() == operation
    });
    let Some(session) = found else {
        return Err(unknown_session(request, merchant.id, work)?.into());
    };
    let used = session.after(SessionInput::Execute, time)?;

    let case = Case { request, merchant: &merchant, session: &session, settings, time, now };
    let executed = match request.details {
        OperationDetails::Collection { account_id, currency } => {
            case.collection(account_id, currency, work)?
        }
        OperationDetails::Payout { account_id, .. } => case.payout(account_id, work)?,
        OperationDetails::Transfer => case.transfer(work)?,
        OperationDetails::Refund => case.refund(work)?,
    };
    if !mutant!(SessionTwice) {
        work.put(Session { payment_account_id: executed.execution.payment_account_id, ..used });
    }
    Ok(executed)
}

/// What is wrong with a request without its session: the account may be, too.
fn unknown_session(
    request: &Execute,
    merchant_id: MerchantId,
    work: &Workspace,
) -> Result<Vec<Refusal>, Stop> {
    // Another kind of session has an id of this merchant's, too.
    let what = match request.details.operation() {
        Operation::Collection => "a checkout session",
        Operation::Payout => "a payout session",
        Operation::Transfer => "a transfer session",
        Operation::Refund => "a refund session",
    };
    let mut refusals = vec![Refusal::Unknown { field: "session_id", what }];
    if let OperationDetails::Collection { account_id, .. } = request.details {
        let account = use_payment_account::usable(
            merchant_id,
            account_id,
            Operation::Collection,
            "payment_account_id",
            work,
        )?;
        refusals.extend(account.err());
    }
    Ok(refusals)
}

/// One execution being decided.
struct Case<'a> {
    request: &'a Execute,
    merchant: &'a Merchant,
    session: &'a Session,
    settings: &'a Settings,
    time: Timestamp,
    now: Timestamp,
}

impl Case<'_> {
    /// A new execution with the figures of `quote`, through `provider`.
    fn draft(
        &self,
        quote: &Quote,
        (provider, method): (Provider, Method),
        work: &mut Workspace,
    ) -> Result<Execution, Stop> {
        let id = ExecutionId(work.new_id()?);
        let operation = self.request.details.operation();
        Ok(Execution {
            id,
            merchant_id: self.merchant.id,
            reference_id: self.request.reference_id.clone(),
            operation,
            session_id: self.session.id,
            status: ExecutionStatus::Pending,
            source_id: self.session.source_id,
            payment_account_id: None,
            original_execution_id: self.session.original_execution_id,
            wallet_id: self.session.wallet_id,
            other_wallet_id: None,
            payer: quote.payer,
            payee: quote.payee,
            total_minor: quote.total,
            platform_fee_minor: quote.platform_fee,
            gateway_fee_minor: quote.gateway_fee,
            fx_fee_minor: quote.fx_fee,
            rate: quote.rate,
            rules: fees::ROUNDING_RULES,
            platform_fee_id: quote.platform_fee_id,
            gateway_fee_id: quote.gateway_fee_id,
            refunded_minor: 0,
            over_refunded_minor: 0,
            given_back_minor: 0,
            refunded_total_minor: 0,
            over_refunded_total_minor: 0,
            released_minor: 0,
            provider,
            method,
            provider_request_id: provider_request_id(&work.installation, id, operation),
            provider_transaction_id: None,
            gateway_message: None,
            wallet_message: None,
            client_secret: None,
            requires_action: false,
            cancel_asked: false,
            in_review: false,
            attempts: 0,
            sent_at: None,
            waiting_for: None,
            next_check_at: None,
            lease_until: None,
            deadline_at: self.time.plus(self.settings.deadlines.deadline_us),
            completed_at: None,
            settled_by_review_at: None,
            created_at: self.time,
            updated_at: self.time,
        })
    }

    fn amount(&self) -> Result<Money, Stop> {
        self.session
            .amount
            .ok_or_else(|| Stop::Inconsistent(format!("session {} has no amount", self.session.id)))
    }

    fn route(&self, provider: Provider, method: Method) -> Route<'_> {
        Route {
            tier: &self.merchant.fee_tier,
            operation: self.request.details.operation(),
            provider,
            method,
        }
    }

    fn collection(
        &self,
        account_id: PaymentAccountId,
        currency: Currency,
        work: &mut Workspace,
    ) -> Result<Executed, Stop> {
        let source_id = self.session.source_id.ok_or_else(|| {
            Stop::Inconsistent(format!("session {} has no source", self.session.id))
        })?;
        let source = work.require::<Source>(source_id)?;
        let processing = source.after(SourceInput::Collect, "session_id", self.time)?;
        let account = use_payment_account::usable(
            self.merchant.id,
            account_id,
            Operation::Collection,
            "payment_account_id",
            work,
        )??;
        if !work.tariff.takes(
            account.method,
            account.provider,
            Operation::Collection,
            currency,
            self.now,
        ) {
            return Err(Refusal::CurrencyNotTaken {
                field: "currency",
                currency,
                method: account.method.as_str(),
            }
            .into());
        }
        let wallet = work.find::<Wallet>(&(Owner::Merchant(self.merchant.id), source.currency))?;
        if let Some(wallet) = wallet.as_ref().filter(|wallet| !wallet.status.allows_credit()) {
            return Err(Refusal::WalletState {
                field: "session_id",
                state: wallet.status.as_str(),
            }
            .into());
        }
        let route = self.route(account.provider, account.method);
        let quote = fees::quote_collection(
            source.total(),
            currency,
            source.fee_bearer,
            route,
            &work.tariff,
            self.now,
        )?;
        let draft = self.draft(&quote, (account.provider, account.method), work)?;
        let mut execution = Execution { payment_account_id: Some(account_id), ..draft };

        if account.provider == Provider::Platform {
            if let Some(wallet) = &wallet {
                check_room(wallet, execution.payee, wallet::ROOM_MINOR)?;
            }
            let payer = work.find::<Wallet>(&(Owner::Party(account.party_id), currency))?;
            if let Some(payer) = payer.as_deref().filter(|payer| !payer.status.allows_debit()) {
                return Err(Refusal::WalletState {
                    field: "payment_account_id",
                    state: payer.status.as_str(),
                }
                .into());
            }
            let Some(payer) = spendable(payer.as_deref(), execution.payer) else {
                return self.fail(too_little(execution, payer.as_deref()), work);
            };
            execution.other_wallet_id = Some(payer);
            work.put(processing);
            return self.complete(execution, work);
        }
        work.put(processing);
        let entity = (EventEntity::Source, source_id.0);
        events::record(
            work,
            self.merchant.id,
            EventType::SourceProcessing,
            entity,
            None,
            self.now,
        )?;
        self.dispatch(execution, Some(&account), work)
    }

    fn payout(
        &self,
        account_id: Option<PaymentAccountId>,
        work: &mut Workspace,
    ) -> Result<Executed, Stop> {
        let amount = self.amount()?;
        let of_session = self.session.payment_account_id.ok_or_else(|| {
            Stop::Inconsistent(format!("session {} has no account", self.session.id))
        })?;
        if account_id.is_some_and(|id| id != of_session) {
            return Err(Refusal::AccountMismatch.into());
        }
        let account = use_payment_account::usable(
            self.merchant.id,
            of_session,
            Operation::Payout,
            "session_id",
            work,
        )??;
        if !work.tariff.takes(
            account.method,
            account.provider,
            Operation::Payout,
            amount.currency,
            self.now,
        ) {
            return Err(Refusal::CurrencyNotTaken {
                field: "session_id",
                currency: amount.currency,
                method: account.method.as_str(),
            }
            .into());
        }
        let wallet = checks::recheck_wallet(self.session, amount, work)?;
        let quote = fees::quote_outgoing(
            amount,
            self.route(account.provider, account.method),
            &work.tariff,
            self.now,
        )?;
        let draft = self.draft(&quote, (account.provider, account.method), work)?;
        let mut execution = Execution { payment_account_id: Some(of_session), ..draft };
        if spendable(Some(&wallet), execution.payer).is_none() {
            return self.fail(too_little(execution, Some(&wallet)), work);
        }
        if account.provider == Provider::Platform {
            let payee = open_wallet::open(
                work,
                self.merchant.id,
                Owner::Party(account.party_id),
                amount.currency,
                self.now,
            )?;
            if payee.id == wallet.id {
                return Err(
                    Refusal::WalletState { field: "session_id", state: "the payee's own" }.into()
                );
            }
            if !payee.status.allows_credit() {
                return self.fail(self.closed_to_credit(execution, &payee), work);
            }
            check_room(&payee, amount, wallet::ROOM_MINOR)?;
            execution.other_wallet_id = Some(payee.id);
            return self.complete(execution, work);
        }
        self.dispatch(execution, Some(&account), work)
    }

    fn transfer(&self, work: &mut Workspace) -> Result<Executed, Stop> {
        let amount = self.amount()?;
        let wallet = checks::recheck_wallet(self.session, amount, work)?;
        let target = recipient::destination(self.merchant, self.session, amount.currency, work)?;
        if target.owner == wallet.owner() {
            return Err(
                Refusal::WalletState { field: "session_id", state: "the receiver's own" }.into()
            );
        }
        let network = (Provider::Platform, Method::Wallet);
        let quote =
            fees::quote_outgoing(amount, self.route(network.0, network.1), &work.tariff, self.now)?;
        let mut execution = self.draft(&quote, network, work)?;
        if let Some(receiver) =
            target.wallet.as_ref().filter(|wallet| !wallet.status.allows_credit())
        {
            return self.fail(self.closed_to_credit(execution, receiver), work);
        }
        if spendable(Some(&wallet), execution.payer).is_none() {
            return self.fail(too_little(execution, Some(&wallet)), work);
        }
        let receiver =
            open_wallet::open(work, target.merchant_id, target.owner, amount.currency, self.now)?;
        let from_outside = target.merchant_id != self.merchant.id;
        check_room(
            &receiver,
            amount,
            if from_outside { self.settings.transfers.fill_minor } else { wallet::ROOM_MINOR },
        )?;
        execution.other_wallet_id = Some(receiver.id);
        self.complete(execution, work)
    }

    fn refund(&self, work: &mut Workspace) -> Result<Executed, Stop> {
        let amount = self.amount()?;
        let original_id = self.session.original_execution_id.ok_or_else(|| {
            Stop::Inconsistent(format!("session {} has no original", self.session.id))
        })?;
        let original = work.require::<Execution>(original_id)?;
        checks::recheck_original(&original)?;
        let wallet_id = original
            .wallet_id
            .ok_or_else(|| Stop::Inconsistent(format!("collection {original_id} has no wallet")))?;
        let wallet = work.require::<Wallet>(wallet_id)?;
        if !wallet.status.allows_debit() {
            return Err(Refusal::WalletState {
                field: "session_id",
                state: wallet.status.as_str(),
            }
            .into());
        }
        let room = checks::check_refund_room(&original, amount);
        let holds = refund::hold_amount(&original, amount)
            .ok_or(Refusal::AmountTooLarge { field: "session_id" })?;
        // What is final at once holds nothing: it takes what is due.
        let at_once = original.provider == Provider::Platform && room.is_ok();
        let share =
            if at_once { refund::charge_on_completion(&original, amount, holds)? } else { holds };
        let quote = Quote {
            payer: Money::new(share, wallet.currency),
            payee: amount,
            total: share,
            platform_fee: 0,
            gateway_fee: 0,
            fx_fee: 0,
            rate: original.rate,
            platform_fee_id: None,
            gateway_fee_id: None,
        };
        let draft = self.draft(&quote, (original.provider, original.method), work)?;
        let mut execution = Execution {
            payment_account_id: original.payment_account_id,
            wallet_id: Some(wallet_id),
            ..draft
        };
        if let Err(no_room) = room {
            execution.gateway_message = Some(no_room.to_string());
            return self.fail(execution, work);
        }
        if spendable(Some(&wallet), execution.payer).is_none() {
            return self.fail(too_little(execution, Some(&wallet)), work);
        }
        if original.provider == Provider::Platform {
            let payer_id = original.other_wallet_id.ok_or_else(|| {
                Stop::Inconsistent(format!("collection {original_id} has no payer"))
            })?;
            let payer = work.require::<Wallet>(payer_id)?;
            if !payer.status.allows_credit() {
                return self.fail(self.closed_to_credit(execution, &payer), work);
            }
            check_room(&payer, amount, wallet::ROOM_MINOR)?;
            execution.other_wallet_id = Some(payer_id);
        }
        let minor = if mutant!(ForgetRefundSum) { 0 } else { amount.minor };
        work.put(original.with_refund_capacity_change(0, minor)?);
        if original.provider == Provider::Platform {
            return self.complete(execution, work);
        }
        self.dispatch(execution, None, work)
    }

    /// What became of another merchant's wallet is not for everybody who knows their phone.
    fn closed_to_credit(&self, execution: Execution, receiver: &Wallet) -> Execution {
        let message = if receiver.merchant_id == self.merchant.id {
            format!("the receiving wallet is {}", receiver.status)
        } else {
            "the receiving wallet cannot be credited".to_owned()
        };
        Execution { wallet_message: Some(message), ..execution }
    }

    /// Records an execution that is final at once, settled from what is available.
    fn complete(&self, execution: Execution, work: &mut Workspace) -> Result<Executed, Stop> {
        let execution =
            settle::complete(execution, DebitFrom::Available, None, self.time, work, self.now)?;
        Ok(Executed { execution, replayed: false, call: None })
    }

    /// Records an execution that cannot be carried out.
    fn fail(&self, execution: Execution, work: &mut Workspace) -> Result<Executed, Stop> {
        let execution = Execution { status: ExecutionStatus::Failed, ..execution };
        let note = execution.wallet_message.clone().or_else(|| execution.gateway_message.clone());
        let entity = (EventEntity::Execution, execution.id.0);
        events::record(work, self.merchant.id, EventType::ExecutionFailed, entity, note, self.now)?;
        work.put(execution.clone());
        Ok(Executed { execution, replayed: false, call: None })
    }

    /// Records an execution for its provider, holds what it needs, and leases the first call to
    /// this process.
    fn dispatch(
        &self,
        execution: Execution,
        account: Option<&PaymentAccount>,
        work: &mut Workspace,
    ) -> Result<Executed, Stop> {
        let lease = self.now.plus(LEASE_US);
        let execution = Execution {
            attempts: 1,
            sent_at: Some(self.time),
            waiting_for: Some("the provider's answer".to_owned()),
            next_check_at: Some(self.time.plus(LEASE_US)),
            lease_until: Some(lease),
            ..execution
        };
        let entity = (EventEntity::Execution, execution.id.0);
        let event = events::record(
            work,
            self.merchant.id,
            EventType::ExecutionPending,
            entity,
            None,
            self.now,
        )?;
        if let Some(money) = execution.incoming() {
            incoming::begin(work, self.merchant.id, money, self.now)?;
        }
        if let Some((wallet, money)) = execution.hold().filter(|_| !mutant!(HoldNotTaken)) {
            post::post(work, event, Some(execution.id), &recipes::hold(wallet, money)?, self.now)?;
        }
        let call = provider_call::build(&execution, account, CallKind::Send, work, self.now)?;
        work.put(execution.clone());
        Ok(Executed { execution, replayed: false, call: Some(call) })
    }
}

/// The wallet's id, if it has so much.
fn spendable(wallet: Option<&Wallet>, amount: Money) -> Option<crate::kernel::ids::WalletId> {
    wallet
        .filter(|wallet| wallet.status.allows_debit() || mutant!(FrozenPays))
        .filter(|wallet| wallet.available_minor >= amount.minor || mutant!(BelowZero))
        .map(|wallet| wallet.id)
}

fn check_room(wallet: &Wallet, amount: Money, most: i64) -> Result<(), Refusal> {
    if wallet.has_room(amount.minor, most) {
        Ok(())
    } else {
        Err(Refusal::NoRoom { field: "session_id" })
    }
}

fn too_little(execution: Execution, wallet: Option<&Wallet>) -> Execution {
    let need = execution.payer;
    let has = Money::new(wallet.map_or(0, |wallet| wallet.available_minor), need.currency);
    let message = format!(
        "insufficient balance: {need} {cur} needed, {has} {cur} available",
        cur = need.currency
    );
    Execution { wallet_message: Some(message), ..execution }
}
