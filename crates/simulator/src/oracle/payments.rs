//! Carrying sessions out, and moving the money.

use domain::decision::command::Output;
use domain::kernel::currency::Currency;
use domain::kernel::ids::SessionId;
use domain::kernel::names::{Method, Operation, Provider};
use domain::kernel::time::Timestamp;
use domain::ledger::account::AccountKind;
use domain::ledger::wallet::WalletStatus;
use domain::payments::execute::{Execute, OperationDetails};
use domain::payments::execution::ExecutionStatus;
use domain::payments::session::SessionStatus;
use domain::sales::source::SourceStatus;

use super::books::{Account, Books, Execution, Recipient, Session, Wallet, Wrong};
use super::figures::{self, Figures};
use super::{Told, taken};

/// What a wallet may have, hold and await when a payment to it begins.
const ROOM: i64 = 4_000_000_000_000_000_000;
/// The same when the payment is a transfer from another merchant. It is set so low that wallets are
/// filled.
pub const FILL: i64 = 2_000;

/// What must become of a request.
struct Fate {
    refused: Option<&'static str>,
    status: ExecutionStatus,
}

const fn refuse(reason: &'static str) -> Fate {
    Fate { refused: Some(reason), status: ExecutionStatus::Failed }
}

const fn ends(status: ExecutionStatus) -> Fate {
    Fate { refused: None, status }
}

const fn operation_of(details: OperationDetails) -> Operation {
    match details {
        OperationDetails::Collection { .. } => Operation::Collection,
        OperationDetails::Payout { .. } => Operation::Payout,
        OperationDetails::Transfer => Operation::Transfer,
        OperationDetails::Refund => Operation::Refund,
    }
}

const fn takes_credit(status: WalletStatus) -> bool {
    matches!(status, WalletStatus::Active | WalletStatus::Restricted)
}

/// What is at hand for a request: its session, the account it goes through, its figures.
struct Case {
    session: Session,
    account: Option<(i64, Account)>,
    execution: Execution,
}

impl Books {
    pub(super) fn executed(&mut self, request: &Execute, told: Told<'_>) -> Result<(), Wrong> {
        let name = (request.merchant_id.0, request.reference_id.clone());
        if let Some(id) = self.references.get(&name).copied() {
            return self.replayed(id, request, told);
        }
        let before = self.before_session(request);
        let case = self.case(request, told.now);
        let fate = match (before, &case) {
            (Some(reason), _) => refuse(reason),
            (None, None) => refuse("not_found"),
            (None, Some(case)) => self.fate(request, case, told.now),
        };
        // What fails for too little money changes nothing that others see: it may have been decided
        // before what was committed meanwhile.
        let failed = matches!(told.outcome, Ok(Output::Executed(done)) if done.execution.status == ExecutionStatus::Failed);
        let told = Told { lenient: told.lenient || (told.overlapped && failed), ..told };
        let mut refused: Vec<&str> = fate.refused.into_iter().collect();
        // What is wrong with the ids of a body is told at once.
        if let (None, None, OperationDetails::Collection { account_id, .. }) =
            (before, &case, request.details)
        {
            refused.extend(self.against_account(
                request.merchant_id.0,
                account_id.0,
                Operation::Collection,
            ));
        }
        if !told.accepted(refused)? {
            return Ok(());
        }
        let done = taken!(told, Output::Executed(done) => done);
        let seen = &done.execution;
        let case = case.ok_or_else(|| format!("executed without a session: {seen:?}"))?;
        if done.replayed {
            return Err(format!("a first call answered as a replay: {seen:?}"));
        }
        let late = told.overlapped && seen.status == ExecutionStatus::Failed;
        if seen.status != fate.status && !told.lenient && !late {
            return Err(format!("{} instead of {}: {seen:?}", seen.status, fate.status));
        }
        let mut case = case;
        if told.overlapped && failed {
            let fees = [seen.platform_fee_minor, seen.gateway_fee_minor, seen.fx_fee_minor];
            let (payer, payee, total) = (seen.payer.minor, seen.payee.minor, seen.total_minor);
            case.execution.figures = Figures { payer, payee, total, fees };
        }
        if told.overlapped {
            // The merchant's clock may have been advanced in the middle of it.
            (case.execution.created, case.execution.sent) = (seen.created_at.0, seen.created_at.0);
        } else if seen.created_at.0 != case.execution.created {
            return Err(format!(
                "created at {} instead of {}",
                seen.created_at,
                Timestamp(case.execution.created)
            ));
        }
        self.check_figures(seen, &case.execution)?;
        let execution = Execution {
            status: seen.status,
            request: seen.provider_request_id.clone(),
            ..case.execution
        };
        self.record(seen.id.0, execution, case.session)
    }

    fn check_figures(
        &self,
        seen: &domain::payments::execution::Execution,
        own: &Execution,
    ) -> Result<(), Wrong> {
        let fees = [seen.platform_fee_minor, seen.gateway_fee_minor, seen.fx_fee_minor];
        let figures = Figures {
            payer: seen.payer.minor,
            payee: seen.payee.minor,
            total: seen.total_minor,
            fees,
        };
        let crossing = match seen.operation {
            Operation::Collection => seen.payer,
            Operation::Payout | Operation::Transfer | Operation::Refund => seen.payee,
        };
        if figures != own.figures || crossing.currency != own.outside {
            return Err(format!(
                "{figures:?} in {} instead of {:?} in {}",
                crossing.currency, own.figures, own.outside
            ));
        }
        Ok(())
    }

    fn replayed(&self, id: i64, request: &Execute, told: Told<'_>) -> Result<(), Wrong> {
        let stored =
            self.executions.get(&id).ok_or_else(|| format!("execution {id} is not known"))?;
        if told.read {
            return Ok(());
        }
        let same = stored.operation == operation_of(request.details)
            && stored.session == request.session_id.0
            && match request.details {
                OperationDetails::Collection { account_id, currency } => {
                    stored.account == Some(account_id.0) && stored.outside == currency
                }
                OperationDetails::Payout { account_id, .. } => {
                    account_id.is_none_or(|account| stored.account == Some(account.0))
                }
                OperationDetails::Transfer | OperationDetails::Refund => true,
            };
        let refused = if same { vec![] } else { vec!["duplicate"] };
        if !(Told { lenient: false, overlapped: false, ..told }.accepted(refused)?) {
            return Ok(());
        }
        let done = taken!(told, Output::Executed(done) => done);
        let same = done.execution.status == stored.status || told.overlapped;
        let fine = done.replayed && done.call.is_none() && done.execution.id.0 == id && same;
        if fine {
            Ok(())
        } else {
            Err(format!("a replay of {id}, which is {}: {done:?}", stored.status))
        }
    }

    /// A try of a passcode: a replay needs none, and an unverified merchant gets to none.
    pub(super) fn attempt_of(
        &mut self,
        request: &Execute,
        key: i64,
        told: Told<'_>,
    ) -> Result<(), Wrong> {
        let merchant = request.merchant_id.0;
        if let Some(id) = self.references.get(&(merchant, request.reference_id.clone())) {
            return self.replayed(*id, request, told);
        }
        if !self.merchant(merchant).verified && !told.accepted(vec!["not_verified"])? {
            return Ok(());
        }
        // Verified, or it was when the try was counted, before another batch in the middle said
        // otherwise.
        self.attempt_reserved(merchant, key, told)
    }

    /// What speaks against a request before its session is looked at.
    fn before_session(&self, request: &Execute) -> Option<&'static str> {
        let merchant = self.merchants.get(&request.merchant_id.0)?;
        let operation = operation_of(request.details);
        if operation != Operation::Collection && !merchant.verified {
            return Some("not_verified");
        }
        match request.details {
            OperationDetails::Payout { passcode_verified: false, .. }
                if merchant.passcode_hash().is_some() =>
            {
                Some("passcode")
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
    fn case(&self, request: &Execute, now: i64) -> Option<Case> {
        let merchant = request.merchant_id.0;
        let operation = operation_of(request.details);
        let session = self.session_of(merchant, request.session_id, operation)?;
        let account_id = match request.details {
            OperationDetails::Collection { account_id, .. } => Some(account_id.0),
            _ => session.account,
        };
        let account = account_id.and_then(|id| Some((id, *self.accounts.get(&id)?)));
        let original = session.original.and_then(|id| self.executions.get(&id));
        let source = session.source.and_then(|id| self.sources.get(&id));
        let (inside, outside) = match (request.details, original) {
            (OperationDetails::Collection { currency, .. }, _) => (source?.currency, currency),
            (OperationDetails::Refund, Some(original)) => (original.inside, original.outside),
            _ => (session.currency?, session.currency?),
        };
        let (provider, method) = match operation {
            Operation::Transfer => (Provider::Platform, Method::Wallet),
            Operation::Refund => (original?.provider, Method::Wallet),
            Operation::Collection | Operation::Payout => {
                account.map(|(_, account)| (account.provider, account.method))?
            }
        };
        let prices = self.prices_at(now);
        let worth =
            original.map_or_else(|| prices.between(inside, outside), |original| original.worth);
        let figures = match (operation, original, source) {
            (Operation::Collection, _, Some(source)) => {
                figures::collection(&prices, source.total, (inside, outside), source.bearer, method)
                    .unwrap_or_default()
            }
            (Operation::Refund, Some(original), _) => {
                let held = figures::giving_back(session.amount, worth).min(original.figures.total);
                // What is over at once holds nothing.
                let fits = original.refunded + session.amount <= original.figures.payer;
                let at_once = fits && provider == Provider::Platform;
                let taken = if at_once { original.takes(session.amount, held) } else { held };
                Figures { payer: taken, payee: session.amount, total: taken, fees: [0; 3] }
            }
            _ => figures::outgoing(&prices, session.amount, inside, method, operation),
        };
        let time = self.time(merchant, now);
        let execution = Execution {
            merchant,
            reference: request.reference_id.clone(),
            operation,
            session: request.session_id.0,
            status: ExecutionStatus::Pending,
            figures,
            inside,
            outside,
            worth,
            provider,
            source: session.source,
            account: if operation == Operation::Refund { original?.account } else { account_id },
            wallet: session.wallet.or_else(|| original.and_then(|original| original.wallet)),
            other: None,
            original: session.original,
            refunded: 0,
            back: 0,
            cost: 0,
            gone: 0,
            spare: 0,
            said: vec![],
            undone: vec![],
            disputed: false,
            late: false,
            acts: false,
            canceled: false,
            created: time,
            sent: time,
            request: String::new(),
        };
        Some(Case { session, account, execution })
    }

    fn fate(&self, request: &Execute, case: &Case, now: i64) -> Fate {
        if let Some(reason) = self.against_use(&case.session, now).first() {
            return refuse(reason);
        }
        match request.details {
            OperationDetails::Collection { account_id, currency } => {
                self.fate_of_collection(case, account_id.0, currency)
            }
            OperationDetails::Payout { account_id, .. } => {
                self.fate_of_payout(case, account_id.map(|id| id.0))
            }
            OperationDetails::Transfer => self.fate_of_transfer(case),
            OperationDetails::Refund => self.fate_of_refund(case),
        }
    }

    fn fate_of_collection(&self, case: &Case, account_id: i64, currency: Currency) -> Fate {
        let own = &case.execution;
        let source = own.source.and_then(|id| self.sources.get(&id));
        if source.is_none_or(|source| source.status != SourceStatus::Active) {
            return refuse("state");
        }
        if own.source.is_some_and(|source| self.in_review(source) > 0) {
            return refuse("review");
        }
        if let Some(reason) = self.against_account(own.merchant, account_id, Operation::Collection)
        {
            return refuse(reason);
        }
        let Some((_, account)) = case.account else { return refuse("not_found") };
        if !figures::takes(account.method, Operation::Collection, currency) {
            return refuse("currency");
        }
        if self
            .own_wallet(own.merchant, own.inside)
            .is_some_and(|(_, wallet)| !takes_credit(wallet.status))
        {
            return refuse("wallet");
        }
        if own.figures == Figures::default() {
            return refuse("amount");
        }
        let wallet = self.own_wallet(own.merchant, own.inside);
        if wallet.is_some_and(|(_, wallet)| wallet.is_filled_by(own.figures.payee, ROOM)) {
            return refuse("amount");
        }
        if account.provider != Provider::Platform {
            return ends(ExecutionStatus::Pending);
        }
        match self.party_wallet(account.party, currency) {
            Some((_, wallet)) if wallet.status != WalletStatus::Active => refuse("wallet"),
            Some((_, wallet)) if wallet.available >= own.figures.payer => {
                ends(ExecutionStatus::Completed)
            }
            _ => ends(ExecutionStatus::Failed),
        }
    }

    /// What speaks against a debit, and whether there is enough.
    fn debit(&self, own: &Execution) -> Result<(Wallet, bool), Fate> {
        let wallet =
            own.wallet.and_then(|id| self.wallets.get(&id)).copied().ok_or(refuse("not_found"))?;
        if wallet.status != WalletStatus::Active {
            return Err(refuse("wallet"));
        }
        Ok((wallet, wallet.available >= own.figures.payer))
    }

    fn fate_of_payout(&self, case: &Case, named: Option<i64>) -> Fate {
        let own = &case.execution;
        let Some((id, account)) = case.account else { return refuse("not_found") };
        if named.is_some_and(|named| named != id) {
            return refuse("account");
        }
        if let Some(reason) = self.against_account(own.merchant, id, Operation::Payout) {
            return refuse(reason);
        }
        if !figures::takes(account.method, Operation::Payout, own.inside) {
            return refuse("currency");
        }
        let enough = match self.debit(own) {
            Ok((_, enough)) => enough,
            Err(fate) => return fate,
        };
        if !enough {
            return ends(ExecutionStatus::Failed);
        }
        if account.provider != Provider::Platform {
            return ends(ExecutionStatus::Pending);
        }
        match self.party_wallet(account.party, own.inside) {
            Some((id, _)) if Some(id) == own.wallet => refuse("wallet"),
            Some((_, wallet)) if !takes_credit(wallet.status) => ends(ExecutionStatus::Failed),
            _ => ends(ExecutionStatus::Completed),
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

    fn fate_of_transfer(&self, case: &Case) -> Fate {
        let own = &case.execution;
        let (wallet, enough) = match self.debit(own) {
            Ok(found) => found,
            Err(fate) => return fate,
        };
        if case
            .session
            .party
            .is_some_and(|party| case.session.recipient != Some(self.recipient(party)))
        {
            return refuse("recipient");
        }
        let (merchant, party) = Self::transfer_owner(own, &case.session);
        if party.is_none() && wallet.party.is_none() && merchant == wallet.merchant {
            return refuse("wallet");
        }
        let receiver = match party {
            Some(party) => self.party_wallet(party, own.inside),
            None => self.own_wallet(merchant, own.inside),
        };
        let closed = receiver.is_some_and(|(_, wallet)| !takes_credit(wallet.status));
        let most = if merchant == own.merchant { ROOM } else { FILL };
        let amount = own.figures.payee;
        // A wallet that is opened for it may be too small, too.
        let full = receiver.map_or(amount > most, |(_, wallet)| wallet.is_filled_by(amount, most));
        if !closed && enough && full {
            return refuse("amount");
        }
        ends(if closed || !enough { ExecutionStatus::Failed } else { ExecutionStatus::Completed })
    }

    fn fate_of_refund(&self, case: &Case) -> Fate {
        let own = &case.execution;
        let Some(original) = own.original.and_then(|id| self.executions.get(&id)) else {
            return refuse("not_found");
        };
        if original.disputed || !original.stands() {
            return refuse("state");
        }
        let enough = match self.debit(own) {
            Ok((_, enough)) => enough,
            Err(fate) => return fate,
        };
        if original.refunded + own.figures.payee > original.figures.payer || !enough {
            return ends(ExecutionStatus::Failed);
        }
        if own.provider != Provider::Platform {
            return ends(ExecutionStatus::Pending);
        }
        let payer = original.other.and_then(|id| self.wallets.get(&id));
        match payer {
            Some(wallet) if !takes_credit(wallet.status) => ends(ExecutionStatus::Failed),
            _ => ends(ExecutionStatus::Completed),
        }
    }

    /// Writes a new execution down and moves its money.
    fn record(&mut self, id: i64, execution: Execution, session: Session) -> Result<(), Wrong> {
        let status = execution.status;
        self.references.insert((execution.merchant, execution.reference.clone()), id);
        self.merchant(execution.merchant).executions.push(id);
        if let Some(session) = self.sessions.get_mut(&execution.session) {
            session.status = SessionStatus::Executed;
        }
        let mut execution = execution;
        if status == ExecutionStatus::Completed {
            execution.other = Some(self.other_side(&execution, &session)?);
        }
        if status != ExecutionStatus::Failed {
            if let Some(original) = execution.original.and_then(|id| self.executions.get_mut(&id)) {
                original.refunded += execution.figures.payee;
            }
            self.set_source_status(execution.source, SourceStatus::Processing);
        }
        if status == ExecutionStatus::Pending && execution.comes_in() {
            self.await_more(&execution, execution.figures.payee)?;
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

    /// The wallet on the other side of a movement inside the house.
    fn other_side(&mut self, own: &Execution, session: &Session) -> Result<i64, Wrong> {
        let party_of = |books: &Self| {
            own.account.and_then(|id| books.accounts.get(&id)).map(|account| account.party)
        };
        match own.operation {
            Operation::Collection => self.open_wallet(own.merchant, party_of(self), own.outside),
            Operation::Payout => self.open_wallet(own.merchant, party_of(self), own.inside),
            Operation::Transfer => {
                let (merchant, party) = Self::transfer_owner(own, session);
                self.open_wallet(merchant, party, own.inside)
            }
            Operation::Refund => {
                let original = own.original.and_then(|id| self.executions.get(&id));
                original
                    .and_then(|original| original.other)
                    .ok_or_else(|| "a refund to nobody".to_owned())
            }
        }
    }

    pub(super) fn set_source_status(&mut self, source: Option<i64>, status: SourceStatus) {
        if let Some(source) = source.and_then(|id| self.sources.get_mut(&id)) {
            source.status = status;
        }
    }

    /// Books a payment that went through.
    pub(super) fn complete(&mut self, id: i64, held: bool) -> Result<(), Wrong> {
        let Some(own) = self.executions.get(&id).cloned() else {
            return Err(format!("execution {id} is not known"));
        };
        let (s, p, f) = (own.inside, own.outside, own.figures);
        let spare = self.refund_is_over(&own);
        if own.comes_in() {
            self.await_more(&own, -f.payee)?;
        }
        let collects = own.operation == Operation::Collection;
        let sign = if collects { 1 } else { -1 };
        let wallet = match own.wallet {
            Some(wallet) if !collects => wallet,
            _ => self.open_wallet(own.merchant, None, s)?,
        };
        match AccountKind::clearing(own.provider) {
            Some(clearing) => self.credit(own.merchant, clearing, p, -sign * own.crossing()),
            None => self.add(own.other.unwrap_or(0), -sign * own.crossing(), 0)?,
        }
        if s != p {
            self.credit(own.merchant, AccountKind::Position, p, sign * own.crossing());
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
            known.acts = false;
            known.said = vec![(p, sign * own.crossing())];
            known.gone = if own.operation == Operation::Refund { f.payee } else { 0 };
            known.spare = spare;
        });
        self.soft += 1;
        Ok(())
    }

    /// Counts a refund that went through as given back; what of its hold it does not need.
    fn refund_is_over(&mut self, own: &Execution) -> i64 {
        let Some(payment) = own.original.and_then(|id| self.executions.get_mut(&id)) else {
            return 0;
        };
        let takes = payment.takes(own.figures.payee, own.figures.payer);
        payment.back += own.figures.payee;
        payment.cost += takes;
        own.figures.payer - takes
    }

    /// Books a payment that did not go through after all.
    pub(super) fn fall_through(&mut self, id: i64) -> Result<(), Wrong> {
        let Some(own) = self.executions.get(&id).cloned() else {
            return Err(format!("execution {id} is not known"));
        };
        if own.operation != Operation::Collection {
            self.add(own.wallet.unwrap_or(0), own.figures.payer, -own.figures.payer)?;
        }
        if own.comes_in() {
            self.await_more(&own, -own.figures.payee)?;
        }
        self.set_source_status(own.source, SourceStatus::Active);
        self.change(id, |known| {
            known.status = ExecutionStatus::Failed;
            known.acts = false;
        });
        self.soft += 1;
        Ok(())
    }
}
