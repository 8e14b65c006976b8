//! Executing sessions, and moving the money.

use domain::decision::command::Output;
use domain::kernel::currency::Currency;
use domain::kernel::ids::SessionId;
use domain::kernel::names::{Method, Operation, Provider};
use domain::kernel::refusal::Subject;
use domain::kernel::time::MerchantTime;
use domain::ledger::account::AccountKind;
use domain::ledger::wallet::WalletStatus;
use domain::payments::attempt::Gate;
use domain::payments::execute::{Execute, Executed, OperationDetails};
use domain::payments::execution::ExecutionStatus;
use domain::payments::reserve_passcode_attempt::PasscodeReservation;
use domain::payments::session::SessionStatus;
use domain::sales::source::SourceStatus;

use super::figures::{self, Figures, Prices};
use super::model::{Account, Execution, Mismatch, Model, Recipient, Session, Wallet};
use super::network_accounts::Asked;
use super::{Observed, Reason, gates, network, output};

/// What a wallet may have available, held and incoming together when a payment to it begins, in
/// minor units.
pub(super) const WALLET_LIMIT: i64 = 4_000_000_000_000_000_000;
/// The same where the payment is a transfer from another merchant. It is so low that wallets reach
/// it in a simulation.
pub const TRANSFER_FILL_LIMIT: i64 = 2_000;

/// What must become of a request: the reason of its refusal, or the status of its execution.
pub(super) struct Expectation {
    pub(super) refused: Option<Reason>,
    status: ExecutionStatus,
}

const fn refused_for(reason: Reason) -> Expectation {
    Expectation { refused: Some(reason), status: ExecutionStatus::Failed }
}

const fn expect_refusal(subject: Subject, error_type: &'static str) -> Expectation {
    refused_for((subject, error_type))
}

const fn expect_status(status: ExecutionStatus) -> Expectation {
    Expectation { refused: None, status }
}

const fn operation_of(details: OperationDetails) -> Operation {
    match details {
        OperationDetails::Collection { .. } => Operation::Collection,
        OperationDetails::Payout { .. } => Operation::Payout,
        OperationDetails::Transfer => Operation::Transfer,
        OperationDetails::Refund => Operation::Refund,
    }
}

pub(super) const fn takes_credit(status: WalletStatus) -> bool {
    matches!(status, WalletStatus::Active | WalletStatus::Restricted)
}

/// A request's session, its payment account, and the execution that it would record.
pub(super) struct Prepared {
    session: Session,
    account: Option<(i64, Account)>,
    pub(super) execution: Execution,
}

impl Model {
    pub(super) fn executed(
        &mut self,
        request: &Execute,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        let name = (request.merchant_id.0, request.reference_id);
        if let Some(id) = self.references.get(&name).copied() {
            return self.replayed(id, request, observed);
        }
        let before = self.before_session(request);
        let prepared = self.prepare(request, observed.now, &self.prices.at(observed.now));
        let expectation = match (before, &prepared) {
            (Some(reason), _) => refused_for(reason),
            (None, None) => expect_refusal(Subject::Session, "not_found"),
            (None, Some(prepared)) => self.expectation(request, prepared, observed.now),
        };
        // An execution that fails for lack of money changes nothing that others see: it may have
        // been decided by the rows before another batch.
        let failed = matches!(observed.outcome, Ok(Output::Execute(done)) if done.execution.status == ExecutionStatus::Failed);
        let observed =
            Observed { lenient: observed.lenient || (observed.overlapped && failed), ..observed };
        let mut refused: Vec<Reason> = expectation.refused.into_iter().collect();
        // An unknown session and a bad account are refused together.
        if let (None, None, OperationDetails::Collection { account_id, .. }) =
            (before, &prepared, request.details)
        {
            refused.extend(self.reasons_against_account(
                request.merchant_id.0,
                account_id.0,
                Operation::Collection,
            ));
        }
        if !observed.check_acceptance(refused)? {
            return Ok(());
        }
        let done = output!(observed, Output::Execute(done) => done);
        let seen = &done.execution;
        let prepared = prepared.ok_or_else(|| format!("executed without a session: {seen:?}"))?;
        let late = observed.overlapped && seen.status == ExecutionStatus::Failed;
        if seen.status != expectation.status && !observed.lenient && !late {
            return Err(format!("{} instead of {}: {seen:?}", seen.status, expectation.status));
        }
        let with_prices =
            |model: &Self, prices: &Prices| model.prepare(request, observed.now, prices);
        self.begun(&done, prepared, &with_prices, observed)
    }

    /// Compares an execution that was begun with the one that was `prepared`, and adds it.
    /// `with_prices` prepares it with other prices.
    pub(super) fn begun(
        &mut self,
        done: &Executed,
        mut prepared: Prepared,
        with_prices: &dyn Fn(&Self, &Prices) -> Option<Prepared>,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        let seen = &done.execution;
        if done.replayed {
            return Err(format!("a first call answered as a replay: {seen:?}"));
        }
        let failed = seen.status == ExecutionStatus::Failed;
        let fits = |own: &Execution| {
            let rate = (seen.rate.num().into(), seen.rate.den().into());
            self.check_figures(seen, own).is_ok()
                && own.rate.is(rate, own.wallet_currency, own.outside_currency)
        };
        if observed.lenient && !fits(&prepared.execution) {
            // Another batch may have changed the tariff after this one had read it, and small amounts
            // cost the same before and after.
            let earlier = self.prices.before_last_changes(observed.now);
            let mut prepared_so = earlier.filter_map(|prices| with_prices(self, &prices));
            if let Some(other) = prepared_so.find(|other| fits(&other.execution)) {
                prepared = other;
            }
        }
        if observed.overlapped && failed {
            let fees = [seen.platform_fee_minor, seen.gateway_fee_minor, seen.fx_fee_minor];
            let (payer, payee, total) = (seen.payer.minor, seen.payee.minor, seen.total_minor);
            prepared.execution.figures = Figures { payer, payee, total, fees };
        }
        if observed.overlapped {
            // The merchant's clock may have been advanced in the middle of the batch.
            (prepared.execution.created, prepared.execution.sent) =
                (seen.created_at.0, seen.created_at.0);
        } else if seen.created_at.0 != prepared.execution.created {
            return Err(format!(
                "created at {} instead of {}",
                seen.created_at,
                MerchantTime(prepared.execution.created)
            ));
        }
        self.check_figures(seen, &prepared.execution)?;
        let created = prepared.execution.created;
        let is_pending = seen.status == ExecutionStatus::Pending;
        let noted = self.noted_attempts.get(&seen.id.0).filter(|_| observed.lenient).copied();
        if let Some(noted) = noted {
            // Another batch may have changed the accounts after this one had read them.
            prepared.execution.network_account = Some(noted.account);
        }
        let between_wallets = prepared.execution.provider == Provider::Platform;
        let waits = is_pending
            && (between_wallets
                || done.attempt.as_ref().is_some_and(|row| row.gate == Some(Gate::Approval)));
        if waits != (is_pending && self.needs_approval(&prepared.execution)) && !observed.lenient {
            return Err(format!("waits for approval: {waits}: {done:?}"));
        }
        let gate = match noted {
            _ if waits => Some(Gate::Approval).filter(|_| !between_wallets),
            Some(noted) => noted.gate,
            None => self.closed_gate(None, &prepared.execution),
        };
        let gate = gate.filter(|_| is_pending);
        let is_sent = is_pending && gate.is_none() && !between_wallets;
        let execution = Execution {
            status: seen.status,
            sends: i64::from(is_sent),
            gate,
            look_at: created + gates::LOOK,
            unsent_since: created,
            deadline: created + gates::DEADLINE,
            lease: is_sent.then_some(observed.now + network::LEASE),
            ..prepared.execution
        };
        let session = prepared.session;
        self.check_call(seen.id.0, &execution, done.call.as_ref(), is_sent, observed)?;
        if is_sent {
            self.note_first_sending(seen.id.0, &execution);
        }
        if waits {
            self.approval_requested(seen.id.0, &execution)?;
        }
        self.record_execution(seen.id.0, execution, session)
    }

    fn check_figures(
        &self,
        seen: &domain::payments::execution::Execution,
        own: &Execution,
    ) -> Result<(), Mismatch> {
        let fees = [seen.platform_fee_minor, seen.gateway_fee_minor, seen.fx_fee_minor];
        let figures = Figures {
            payer: seen.payer.minor,
            payee: seen.payee.minor,
            total: seen.total_minor,
            fees,
        };
        let crossing = match seen.operation() {
            Operation::Collection => seen.payer,
            Operation::Payout | Operation::Transfer | Operation::Refund => seen.payee,
        };
        if figures != own.figures || crossing.currency != own.outside_currency {
            return Err(format!(
                "{figures:?} in {} instead of {:?} in {}",
                crossing.currency, own.figures, own.outside_currency
            ));
        }
        Ok(())
    }

    fn replayed(&self, id: i64, request: &Execute, observed: Observed<'_>) -> Result<(), Mismatch> {
        let stored =
            self.executions.get(&id).ok_or_else(|| format!("execution {id} is not known"))?;
        // Another batch may have given whoever asks their rights in the middle of this one.
        if observed.read_back || observed.overlapped && observed.is_refused_for_the_caller() {
            return Ok(());
        }
        let same = stored.operation == operation_of(request.details)
            && stored.session == request.session_id.0
            && match request.details {
                OperationDetails::Collection { account_id, currency } => {
                    stored.account == Some(account_id.0) && stored.outside_currency == currency
                }
                OperationDetails::Payout { account_id, .. } => {
                    account_id.is_none_or(|account| stored.account == Some(account.0))
                }
                OperationDetails::Transfer | OperationDetails::Refund => true,
            };
        let refused = if same { vec![] } else { vec![(Subject::IdempotencyKey, "duplicate")] };
        if !(Observed { lenient: false, overlapped: false, ..observed }
            .check_acceptance(refused)?)
        {
            return Ok(());
        }
        let (execution, is_replay) = output!(observed,
            Output::Execute(done) => {
                let is_replay = done.replayed && done.call.is_none();
                (done.execution, is_replay)
            }
            Output::ReservePasscodeAttempt(PasscodeReservation::Replayed(replayed)) => {
                (replayed.execution, true)
            }
        );
        let same = execution.status == stored.status || observed.overlapped;
        if is_replay && execution.id.0 == id && same {
            Ok(())
        } else {
            Err(format!("a replay of {id}, which is {}: {execution:?}", stored.status))
        }
    }

    /// An attempt at a passcode: a replay needs none, and an unverified merchant is refused before.
    pub(super) fn attempt_reserved_for(
        &mut self,
        request: &Execute,
        key: i64,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        let merchant = request.merchant_id.0;
        if let Some(id) = self.references.get(&(merchant, request.reference_id)) {
            return self.replayed(*id, request, observed);
        }
        if !self.merchant(merchant).verified
            && !observed.check_acceptance(vec![(Subject::Caller, "not_verified")])?
        {
            return Ok(());
        }
        // The merchant is verified, or it was when the attempt was counted, before another batch in
        // the middle of this one changed that.
        self.attempt_reserved(merchant, key, observed)
    }

    /// The reason against a request that is checked before its session is read.
    fn before_session(&self, request: &Execute) -> Option<Reason> {
        let merchant = self.merchants.get(&request.merchant_id.0)?;
        let operation = operation_of(request.details);
        if operation != Operation::Collection && !merchant.verified {
            return Some((Subject::Caller, "not_verified"));
        }
        match request.details {
            OperationDetails::Payout { passcode_verified: false, .. }
                if merchant.passcode_hash().is_some() =>
            {
                Some((Subject::Caller, "passcode"))
            }
            _ => None,
        }
    }

    fn session_of(&self, merchant: i64, id: SessionId, operation: Operation) -> Option<Session> {
        let found = self.sessions.get(&id.0).copied();
        found
            .filter(|session| session.merchant == merchant && session.kind.operation() == operation)
    }

    /// The execution that would be recorded.
    fn prepare(&self, request: &Execute, now: i64, prices: &Prices) -> Option<Prepared> {
        let operation = operation_of(request.details);
        let session = self.session_of(request.merchant_id.0, request.session_id, operation)?;
        let account_id = match request.details {
            OperationDetails::Collection { account_id, .. } => Some(account_id.0),
            _ => session.account,
        };
        let account = account_id.and_then(|id| Some((id, self.accounts.get(&id)?.clone())));
        self.prepare_with(request, session, account, now, prices)
    }

    /// The execution that would be recorded of this session and account.
    pub(super) fn prepare_with(
        &self,
        request: &Execute,
        session: Session,
        account: Option<(i64, Account)>,
        now: i64,
        prices: &Prices,
    ) -> Option<Prepared> {
        let merchant = request.merchant_id.0;
        let operation = operation_of(request.details);
        let original = session.original.and_then(|id| self.executions.get(&id));
        let source = session.source.and_then(|id| self.sources.get(&id));
        let (wallet_currency, outside_currency) = match (request.details, original) {
            (OperationDetails::Collection { currency, .. }, _) => (source?.currency, currency),
            (OperationDetails::Refund, Some(original)) => {
                (original.wallet_currency, original.outside_currency)
            }
            _ => (session.currency?, session.currency?),
        };
        let (provider, method) = match operation {
            Operation::Transfer => (Provider::Platform, Method::WALLET),
            Operation::Refund => (original?.provider, Method::WALLET),
            Operation::Collection | Operation::Payout => {
                account.as_ref().map(|(_, account)| (account.provider, account.method))?
            }
        };
        let rate = original.map_or_else(
            || prices.between(wallet_currency, outside_currency),
            |original| original.rate,
        );
        let figures = match (operation, original, source) {
            (Operation::Collection, _, Some(source)) => figures::collection(
                prices,
                source.total,
                (wallet_currency, outside_currency),
                source.bearer,
                method,
                self.unit_of(request.merchant_id.0, (provider, method), outside_currency),
            )
            .unwrap_or_default(),
            (Operation::Refund, Some(original), _) => {
                let held =
                    figures::inside_rounded_up(session.amount, rate).min(original.figures.total);
                // A refund inside the platform completes at once and holds nothing.
                let fits = original.refunded + session.amount <= original.figures.payer;
                let at_once = fits && provider == Provider::Platform;
                let taken =
                    if at_once { original.cost_of_refund(session.amount, held) } else { held };
                Figures { payer: taken, payee: session.amount, total: taken, fees: [0; 3] }
            }
            _ => figures::outgoing(prices, session.amount, wallet_currency, method, operation),
        };
        let time = self.time(merchant, now);
        let execution = Execution {
            merchant,
            reference: request.reference_id,
            operation,
            session: request.session_id.0,
            status: ExecutionStatus::Pending,
            figures,
            wallet_currency,
            outside_currency,
            rate,
            provider,
            network_account: match original {
                Some(original) => original.network_account,
                None => self.account_for(merchant, provider),
            },
            is_real: provider != Provider::Platform && self.is_real(merchant),
            source: session.source,
            account: match operation {
                Operation::Refund => original?.account,
                _ => account.as_ref().map(|(id, _)| *id),
            },
            wallet: session.wallet.or_else(|| original.and_then(|original| original.wallet)),
            other_wallet: None,
            original: session.original,
            refunded: 0,
            given_back_minor: 0,
            cost: 0,
            with_payer: 0,
            released: 0,
            reported: vec![],
            returned: vec![],
            in_review: false,
            settled_by_review: false,
            requires_action: false,
            cancel_requested: false,
            page: None,
            created: time,
            sends: 0,
            sent: time,
            gate: None,
            look_at: 0,
            unsent_since: time,
            deadline: 0,
            last_refund: None,
            asked: None,
            lease: None,
            request: network::request_id(merchant, request.reference_id, operation),
        };
        Some(Prepared { session, account, execution })
    }

    fn expectation(&self, request: &Execute, prepared: &Prepared, now: i64) -> Expectation {
        if let Some(reason) = self.reasons_against_use(&prepared.session, now).first() {
            return refused_for(*reason);
        }
        match request.details {
            OperationDetails::Collection { account_id, currency } => {
                self.expected_collection(prepared, account_id.0, currency)
            }
            OperationDetails::Payout { account_id, .. } => {
                self.expected_payout(prepared, account_id.map(|id| id.0))
            }
            OperationDetails::Transfer => self.expected_transfer(prepared),
            OperationDetails::Refund => self.expected_refund(prepared),
        }
    }

    fn expected_collection(
        &self,
        prepared: &Prepared,
        account_id: i64,
        currency: Currency,
    ) -> Expectation {
        let own = &prepared.execution;
        let source = own.source.and_then(|id| self.sources.get(&id));
        if source.is_none_or(|source| source.status != SourceStatus::Active) {
            return expect_refusal(Subject::Source, "state");
        }
        if own.source.is_some_and(|source| self.open_reviews_of(source) > 0) {
            return expect_refusal(Subject::Source, "review");
        }
        if self.is_link_closed(source.and_then(|source| source.link)) {
            return expect_refusal(Subject::Source, "payment_link");
        }
        if let Some(reason) =
            self.reasons_against_account(own.merchant, account_id, Operation::Collection)
        {
            return refused_for(reason);
        }
        let Some((_, account)) = &prepared.account else {
            return expect_refusal(Subject::Account, "not_found");
        };
        self.expected_collection_from(account, own, currency)
    }

    /// What must become of a collection from an account that may be used for it.
    pub(super) fn expected_collection_from(
        &self,
        account: &Account,
        own: &Execution,
        currency: Currency,
    ) -> Expectation {
        if !figures::is_supported(account.method, Operation::Collection, currency) {
            return expect_refusal(Subject::Currency, "currency");
        }
        if self
            .own_wallet(own.merchant, own.wallet_currency)
            .is_some_and(|(_, wallet)| !takes_credit(wallet.status))
        {
            return expect_refusal(Subject::Wallet, "wallet");
        }
        let unit = self.unit_of(own.merchant, (account.provider, account.method), currency);
        let source = own.source.and_then(|id| self.sources.get(&id));
        let fits = source.is_none_or(|source| source.total % unit == 0);
        if currency == own.wallet_currency && !fits {
            return expect_refusal(Subject::Account, "decimal.max_places");
        }
        if own.figures == Figures::default() {
            return expect_refusal(Subject::Amount, "amount");
        }
        let asked = Asked {
            provider: account.provider,
            method: account.method,
            operation: Operation::Collection,
            amount: own.figures.payer,
            currency,
            of_payment: None,
        };
        if let Some(reason) = self.reason_against_network(own.merchant, asked) {
            return refused_for(reason);
        }
        let wallet = self.own_wallet(own.merchant, own.wallet_currency);
        if wallet.is_some_and(|(_, wallet)| wallet.is_filled_by(own.figures.payee, WALLET_LIMIT)) {
            return expect_refusal(Subject::Wallet, "amount");
        }
        if account.provider != Provider::Platform {
            return expect_status(ExecutionStatus::Pending);
        }
        match self.party_wallet(account.party, currency) {
            Some((_, wallet)) if wallet.status != WalletStatus::Active => {
                expect_refusal(Subject::AccountWallet, "wallet")
            }
            Some((_, wallet)) if wallet.available >= own.figures.payer => {
                expect_status(ExecutionStatus::Completed)
            }
            _ => expect_status(ExecutionStatus::Failed),
        }
    }

    /// The wallet that is debited and whether it has enough; else the refusal.
    fn debit(&self, own: &Execution) -> Result<(Wallet, bool), Expectation> {
        let wallet = own
            .wallet
            .and_then(|id| self.wallets.get(&id))
            .copied()
            .ok_or(expect_refusal(Subject::Wallet, "not_found"))?;
        if wallet.status != WalletStatus::Active {
            return Err(expect_refusal(Subject::Wallet, "wallet"));
        }
        Ok((wallet, wallet.available >= own.figures.payer))
    }

    fn expected_payout(&self, prepared: &Prepared, named: Option<i64>) -> Expectation {
        let own = &prepared.execution;
        let Some((id, account)) = &prepared.account else {
            return expect_refusal(Subject::Account, "not_found");
        };
        let id = *id;
        if named.is_some_and(|named| named != id) {
            return expect_refusal(Subject::Account, "account");
        }
        if let Some(reason) = self.reasons_against_account(own.merchant, id, Operation::Payout) {
            return refused_for(reason);
        }
        if !figures::is_supported(account.method, Operation::Payout, own.wallet_currency) {
            return expect_refusal(Subject::Currency, "currency");
        }
        let enough = match self.debit(own) {
            Ok((_, enough)) => enough,
            Err(expectation) => return expectation,
        };
        let asked = Asked {
            provider: account.provider,
            method: account.method,
            operation: Operation::Payout,
            amount: own.figures.payee,
            currency: own.wallet_currency,
            of_payment: None,
        };
        if let Some(reason) = self.reason_against_network(own.merchant, asked) {
            return refused_for(reason);
        }
        if !enough {
            return expect_status(ExecutionStatus::Failed);
        }
        if account.provider != Provider::Platform {
            return expect_status(ExecutionStatus::Pending);
        }
        match self.party_wallet(account.party, own.wallet_currency) {
            Some((id, _)) if Some(id) == own.wallet => expect_refusal(Subject::Wallet, "wallet"),
            Some((_, wallet)) if !takes_credit(wallet.status) => {
                expect_status(ExecutionStatus::Failed)
            }
            _ if self.needs_approval(own) => expect_status(ExecutionStatus::Pending),
            _ => expect_status(ExecutionStatus::Completed),
        }
    }

    /// The owner of the wallet that a transfer credits: a merchant, or a party under the sender.
    const fn transfer_owner(own: &Execution, session: &Session) -> (i64, Option<i64>) {
        match session.recipient {
            Some(Recipient::Merchant(merchant)) => (merchant, None),
            Some(Recipient::Party(party)) => (own.merchant, Some(party)),
            None => (own.merchant, session.party),
        }
    }

    fn expected_transfer(&self, prepared: &Prepared) -> Expectation {
        let own = &prepared.execution;
        let (wallet, enough) = match self.debit(own) {
            Ok(found) => found,
            Err(expectation) => return expectation,
        };
        if prepared
            .session
            .party
            .is_some_and(|party| prepared.session.recipient != Some(self.recipient(party)))
        {
            return expect_refusal(Subject::Session, "recipient");
        }
        let (merchant, party) = Self::transfer_owner(own, &prepared.session);
        if party.is_none() && wallet.party.is_none() && merchant == wallet.merchant {
            return expect_refusal(Subject::Wallet, "wallet");
        }
        let receiver = match party {
            Some(party) => self.party_wallet(party, own.wallet_currency),
            None => self.own_wallet(merchant, own.wallet_currency),
        };
        let closed = receiver.is_some_and(|(_, wallet)| !takes_credit(wallet.status));
        let most = if merchant == own.merchant { WALLET_LIMIT } else { TRANSFER_FILL_LIMIT };
        let amount = own.figures.payee;
        // A wallet that would be opened for it has the same limit.
        let full = receiver.map_or(amount > most, |(_, wallet)| wallet.is_filled_by(amount, most));
        if !closed && enough && full {
            return expect_refusal(Subject::Wallet, "amount");
        }
        expect_status(if closed || !enough {
            ExecutionStatus::Failed
        } else if self.needs_approval(own) {
            ExecutionStatus::Pending
        } else {
            ExecutionStatus::Completed
        })
    }

    fn expected_refund(&self, prepared: &Prepared) -> Expectation {
        let own = &prepared.execution;
        let Some(original) = own.original.and_then(|id| self.executions.get(&id)) else {
            return expect_refusal(Subject::Original, "not_found");
        };
        if original.in_review || !original.is_settled() {
            return expect_refusal(Subject::Original, "state");
        }
        let sum = original.refunded + own.figures.payee;
        let currency = original.outside_currency;
        if let Some(reason) = self.people.reason_against_giving_back(own.merchant, sum, currency) {
            return refused_for(reason);
        }
        if let Some(reason) = self.reason_against_refund_at(original, own.figures.payee) {
            return refused_for(reason);
        }
        let enough = match self.debit(own) {
            Ok((_, enough)) => enough,
            Err(expectation) => return expectation,
        };
        if original.refunded + own.figures.payee > original.figures.payer || !enough {
            return expect_status(ExecutionStatus::Failed);
        }
        if own.provider != Provider::Platform {
            return expect_status(ExecutionStatus::Pending);
        }
        let payer = original.other_wallet.and_then(|id| self.wallets.get(&id));
        match payer {
            Some(wallet) if !takes_credit(wallet.status) => expect_status(ExecutionStatus::Failed),
            _ => expect_status(ExecutionStatus::Completed),
        }
    }

    /// Adds a new execution to the model and moves its money.
    fn record_execution(
        &mut self,
        id: i64,
        execution: Execution,
        session: Session,
    ) -> Result<(), Mismatch> {
        let status = execution.status;
        self.references.insert((execution.merchant, execution.reference), id);
        self.merchant(execution.merchant).executions.push(id);
        if let Some(session) = self.sessions.get_mut(&execution.session) {
            session.status = SessionStatus::Executed;
        }
        let mut execution = execution;
        let between_wallets = execution.provider == Provider::Platform;
        if between_wallets && status != ExecutionStatus::Failed {
            execution.other_wallet = Some(self.other_side(&execution, &session)?);
        }
        if status != ExecutionStatus::Failed {
            self.count_sent(&execution);
            if let Some(original) = execution.original.and_then(|id| self.executions.get_mut(&id)) {
                original.refunded += execution.figures.payee;
            }
            self.set_source_status(execution.source, SourceStatus::Processing);
        }
        if status == ExecutionStatus::Pending && execution.is_incoming() {
            self.add_incoming(&execution, execution.figures.payee)?;
        }
        if status == ExecutionStatus::Pending && execution.operation != Operation::Collection {
            let amount = execution.figures.payer;
            self.add(execution.wallet.unwrap_or(0), -amount, amount)?;
        }
        self.executions.insert(id, Execution { status: ExecutionStatus::Pending, ..execution });
        match status {
            ExecutionStatus::Completed => self.complete(id, false),
            ExecutionStatus::Failed => {
                self.executions.entry(id).and_modify(|known| known.status = status);
                Ok(())
            }
            ExecutionStatus::Pending | ExecutionStatus::Processing => Ok(()),
        }
    }

    /// The wallet on the other side of a movement inside the platform.
    fn other_side(&mut self, own: &Execution, session: &Session) -> Result<i64, Mismatch> {
        let party_of = |model: &Self| {
            own.account.and_then(|id| model.accounts.get(&id)).map(|account| account.party)
        };
        match own.operation {
            Operation::Collection => {
                self.open_wallet(own.merchant, party_of(self), own.outside_currency)
            }
            Operation::Payout => {
                self.open_wallet(own.merchant, party_of(self), own.wallet_currency)
            }
            Operation::Transfer => {
                let (merchant, party) = Self::transfer_owner(own, session);
                self.open_wallet(merchant, party, own.wallet_currency)
            }
            Operation::Refund => {
                let original = own.original.and_then(|id| self.executions.get(&id));
                original
                    .and_then(|original| original.other_wallet)
                    .ok_or_else(|| "a refund to nobody".to_owned())
            }
        }
    }

    pub(super) fn set_source_status(&mut self, source: Option<i64>, status: SourceStatus) {
        if let Some(source) = source.and_then(|id| self.sources.get_mut(&id)) {
            source.status = status;
        }
    }

    /// Books a completed payment.
    pub(super) fn complete(&mut self, id: i64, held: bool) -> Result<(), Mismatch> {
        let Some(own) = self.executions.get(&id).cloned() else {
            return Err(format!("execution {id} is not known"));
        };
        let (s, p, f) = (own.wallet_currency, own.outside_currency, own.figures);
        let spare = self.complete_refund(&own);
        if own.is_incoming() {
            self.add_incoming(&own, -f.payee)?;
        }
        let collects = own.operation == Operation::Collection;
        let sign = if collects { 1 } else { -1 };
        let wallet = match own.wallet {
            Some(wallet) if !collects => wallet,
            _ => self.open_wallet(own.merchant, None, s)?,
        };
        match own.clearing() {
            Some(clearing) => self.credit(own.merchant, clearing, p, -sign * own.outside_amount()),
            None => self.add(own.other_wallet.unwrap_or(0), -sign * own.outside_amount(), 0)?,
        }
        if s != p {
            self.credit(own.merchant, AccountKind::Position, p, sign * own.outside_amount());
            self.credit(own.merchant, AccountKind::Position, s, -sign * (f.total - spare));
        }
        if collects {
            self.add(wallet, f.payee, 0)?;
        } else if held {
            self.add(wallet, spare, -f.payer)?;
        } else {
            self.add(wallet, spare - f.payer, 0)?;
        }
        for (kind, fee) in [AccountKind::FeePlatform, AccountKind::FeeGateway, AccountKind::FeeFx]
            .into_iter()
            .zip(f.fees)
        {
            self.credit(own.merchant, kind, s, fee);
        }
        self.set_source_status(own.source, SourceStatus::Paid);
        self.change(id, |known| {
            known.status = ExecutionStatus::Completed;
            known.wallet = Some(wallet);
            known.requires_action = false;
            (known.lease, known.gate) = (None, None);
            known.reported = vec![(p, sign * own.outside_amount())];
            known.with_payer = if own.operation == Operation::Refund { f.payee } else { 0 };
            known.released = spare;
        });
        self.dependencies_version += 1;
        Ok(())
    }

    /// Counts a completed refund as given back for good; returns what it does not need of its hold.
    fn complete_refund(&mut self, own: &Execution) -> i64 {
        let Some(payment) = own.original.and_then(|id| self.executions.get_mut(&id)) else {
            return 0;
        };
        let takes = payment.cost_of_refund(own.figures.payee, own.figures.payer);
        payment.given_back_minor += own.figures.payee;
        payment.cost += takes;
        own.figures.payer - takes
    }

    /// Books a failed payment: releases what it held.
    pub(super) fn fail(&mut self, id: i64) -> Result<(), Mismatch> {
        let Some(own) = self.executions.get(&id).cloned() else {
            return Err(format!("execution {id} is not known"));
        };
        self.uncount_sent(&own);
        if own.operation != Operation::Collection {
            self.add(own.wallet.unwrap_or(0), own.figures.payer, -own.figures.payer)?;
        }
        if own.is_incoming() {
            self.add_incoming(&own, -own.figures.payee)?;
        }
        self.set_source_status(own.source, SourceStatus::Active);
        self.change(id, |known| {
            known.status = ExecutionStatus::Failed;
            known.requires_action = false;
            (known.lease, known.gate) = (None, None);
        });
        self.dependencies_version += 1;
        Ok(())
    }
}
