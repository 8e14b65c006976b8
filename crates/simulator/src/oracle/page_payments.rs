//! Paying an invoice or order on its page: the payer's account, the session and its execution in one,
//! at the price that the payer was shown, and not too often.

use domain::decision::command::Output;
use domain::kernel::currency::Currency;
use domain::kernel::ids::{MerchantId, PaymentAccountId, SessionId};
use domain::kernel::money::Money;
use domain::kernel::names::{Method, Operation};
use domain::kernel::refusal::{Refusal, Subject};
use domain::payments::execute::{Execute, Executed, OperationDetails};
use domain::payments::execution::ExecutionStatus;
use domain::payments::pay_on_page::{PagePayment, PayOnPage, PayerChoice};
use domain::payments::request_limit::RequestLimitKind;
use domain::payments::session::SessionStatus;
use domain::sales::find_source::SourceRef;
use kola::engine::{Failure, Outcome};

use super::directory::reasons_against_number;
use super::figures::{self, Prices};
use super::model::{Account, Mismatch, Model, Session, Source};
use super::payments::Prepared;
use super::{Observed, Reason};

/// Who pays.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Payer {
    Party(i64),
    /// A party by the phone, who is created.
    New,
}

/// What must become of a payment on a page.
pub(super) struct Expected {
    payer: Payer,
    /// The account that was given, if it is the payer's for what was chosen. Otherwise one is created.
    account: Option<i64>,
    /// The limit that is reached.
    limit: Option<(RequestLimitKind, i64)>,
}

impl Expected {
    /// The same of another payer.
    pub(super) fn by(self, payer: Payer) -> Self {
        Self { payer, ..self }
    }
}

/// Whether an account is the one that the payer has chosen.
fn is_chosen(account: &Account, choice: &PayerChoice) -> bool {
    (account.method, account.provider) == (choice.method, choice.provider)
        && account.number == choice.phone
}

/// The payment that a payer has begun.
fn begun_payment(outcome: &Outcome) -> Option<&Executed> {
    match outcome {
        Ok(Output::PayOnPage(done)) => Some(done),
        Ok(Output::PayLink(paid)) => Some(&paid.executed),
        _ => None,
    }
}

impl Model {
    /// What a source costs its payer in a currency of which the network takes whole units, in minor
    /// units; `None` where it cannot be paid so.
    pub fn page_price(
        prices: &Prices,
        source: &Source,
        method: Method,
        currency: Currency,
        unit: i64,
    ) -> Option<Money> {
        let currencies = (source.currency, currency);
        let (total, bearer) = (source.total, source.bearer);
        let figures = figures::collection(prices, total, currencies, bearer, method, unit)?;
        Some(Money::new(figures.payer, currency))
    }

    pub(super) fn paid_on_page(
        &mut self,
        request: &PayOnPage,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        let PayOnPage { merchant_id, page_id, source_id, payment } = request;
        let found = self.sources.get(&source_id.0).filter(|found| found.merchant == merchant_id.0);
        let Some(source) =
            found.filter(|_| self.pages.get(&source_id.0) == Some(&page_id.0)).cloned()
        else {
            return observed.check_acceptance(vec![(Subject::Target, "not_found")]).map(|_| ());
        };
        let which = SourceRef { merchant_id: *merchant_id, kind: source.kind, id: *source_id };
        if let Some(id) = self.references.get(&(merchant_id.0, payment.reference_id)).copied() {
            return self.replayed_on_page(id, Some(source_id.0), payment, observed);
        }
        let time = self.payment_time(merchant_id.0, observed);
        let expected = self.expected_on_page(which, &source, payment, time, observed.now);
        let Some(done) = self.page_payment_accepted(expected, payment, observed)? else {
            return Ok(());
        };
        self.page_forms.insert(done.execution.id.0, request.clone());
        self.page_payment_begun(which, page_id.0, payment, &done, observed)
    }

    /// The merchant's time at which a payment was begun, or refused.
    pub(super) fn payment_time(&self, merchant: i64, observed: Observed<'_>) -> i64 {
        match begun_payment(observed.outcome) {
            // The merchant's clock may have been advanced in the middle of the batch.
            Some(done) if observed.overlapped => done.execution.created_at.0,
            _ => self.time(merchant, observed.now),
        }
    }

    /// A form that was sent before is answered with its payment, unless it says something else.
    /// `source` is the one that may have been paid with it.
    pub(super) fn replayed_on_page(
        &self,
        id: i64,
        source: Option<i64>,
        payment: &PagePayment,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        let stored =
            self.executions.get(&id).ok_or_else(|| format!("execution {id} is not known"))?;
        if observed.read_back {
            return Ok(());
        }
        let choice = &payment.choice;
        let account = stored.account.and_then(|account| self.accounts.get(&account));
        let same = source.is_some()
            && (stored.source, stored.outside_currency) == (source, choice.currency)
            && account.is_some_and(|account| is_chosen(account, choice));
        let refused = if same { vec![] } else { vec![(Subject::IdempotencyKey, "duplicate")] };
        // Another process that had the same form in the middle of the batch may have been quicker. Then
        // this one finds the source being paid, and the page shows the payer that payment.
        if !(Observed { lenient: false, ..observed }.check_acceptance(refused)?) {
            return Ok(());
        }
        let done = begun_payment(observed.outcome)
            .ok_or_else(|| format!("an answer of another kind: {:?}", observed.outcome))?;
        let is_replay = done.replayed && done.call.is_none();
        let as_stored = done.execution.status == stored.status || observed.overlapped;
        if is_replay && done.execution.id.0 == id && as_stored {
            Ok(())
        } else {
            Err(format!("a replay of {id}, which is {}: {done:?}", stored.status))
        }
    }

    /// The answer, if the payment was accepted and had to be.
    pub(super) fn page_payment_accepted(
        &self,
        expected: Result<Expected, Vec<Reason>>,
        payment: &PagePayment,
        observed: Observed<'_>,
    ) -> Result<Option<Executed>, Mismatch> {
        let mut refused = expected.as_ref().err().cloned().unwrap_or_default();
        let limit = expected.as_ref().ok().and_then(|expected| expected.limit);
        refused.extend(limit.map(|_| (Subject::Caller, "payments")));
        if !observed.check_acceptance(refused)? {
            let Err(Failure::Refused(refusals)) = observed.outcome else { return Ok(None) };
            return match (refusals.as_slice(), limit) {
                ([Refusal::TooManyPayments { kind, seconds }], Some(limit))
                    if (*kind, *seconds) != limit && !observed.overlapped =>
                {
                    Err(format!("{kind:?} for {seconds} s instead of {limit:?}"))
                }
                _ => Ok(None),
            };
        }
        let done = begun_payment(observed.outcome)
            .ok_or_else(|| format!("an answer of another kind: {:?}", observed.outcome))?;
        let seen = &done.execution;
        if seen.payer != payment.quoted {
            return Err(format!("{} was shown: {seen:?}", payment.quoted));
        }
        if seen.status != ExecutionStatus::Pending && !observed.read_back {
            return Err(format!("it is sent first, and was not: {seen:?}"));
        }
        let used = seen.payment_account_id().map_or(0, |id| id.0);
        let made = self.made_accounts.get(&used).copied();
        let fits = expected.is_ok_and(|expected| match (made, expected.payer) {
            (None, _) => expected.account == Some(used),
            (Some(party), Payer::Party(payer)) => expected.account.is_none() && party == payer,
            (Some(party), Payer::New) => {
                expected.account.is_none() && !self.parties.contains_key(&party)
            }
        });
        // The party or the account may have been changed in the middle of the batch.
        if fits || observed.lenient {
            Ok(Some(done.clone()))
        } else {
            Err(format!("account {used} of party {made:?}, made now, is another's: {seen:?}"))
        }
    }

    /// The payer of a source who has chosen how to pay.
    fn payer_of(&self, source: &Source, choice: &PayerChoice) -> Result<Payer, Reason> {
        let party = self.counterparties.get(&source.counterparty).and_then(|(_, party)| *party);
        match (party, &choice.phone) {
            (Some(party), _) => Ok(Payer::Party(party)),
            (None, None) => Err((Subject::Counterparty, "party")),
            (None, Some(phone)) => {
                let first = self.first_party.get(&(source.merchant, phone.clone()));
                Ok(first.map_or(Payer::New, |party| Payer::Party(*party)))
            }
        }
    }

    /// The party who pays a source, if there is one yet.
    pub fn paying_party(&self, source: &Source, choice: &PayerChoice) -> Option<i64> {
        match self.payer_of(source, choice) {
            Ok(Payer::Party(party)) => Some(party),
            Ok(Payer::New) | Err(_) => None,
        }
    }

    /// An account of the payer's that may be used again for what was chosen.
    pub fn account_to_use_again(
        &self,
        id: i64,
        party: i64,
        choice: &PayerChoice,
    ) -> Option<&Account> {
        self.accounts.get(&id).filter(|account| {
            account.party == party
                && account.operation == Operation::Collection
                && account.active
                && is_chosen(account, choice)
        })
    }

    pub(super) fn expected_on_page(
        &self,
        which: SourceRef,
        source: &Source,
        payment: &PagePayment,
        time: i64,
        now: i64,
    ) -> Result<Expected, Vec<Reason>> {
        let choice = &payment.choice;
        let refused = self.reasons_against_checkout(which, time);
        if !refused.is_empty() {
            return Err(refused);
        }
        let payer = self.payer_of(source, choice).map_err(|reason| vec![reason])?;
        // Nobody who has a link has shown to own a wallet.
        if choice.method == Method::WALLET {
            return Err(vec![(Subject::Method, "not_found")]);
        }
        let given = payment.account_id.map(|id| id.0);
        let account = given.filter(|id| match payer {
            Payer::Party(party) => self.account_to_use_again(*id, party, choice).is_some(),
            Payer::New => false,
        });
        if account.is_none() {
            let number = choice.phone.as_deref();
            let refused = reasons_against_number(choice.method, Operation::Collection, number);
            if !refused.is_empty() {
                return Err(refused);
            }
        }
        let (session, prices) =
            (self.checkout_session(source.merchant, which.id.0, time), self.prices.at(now));
        let new = new_account(source.merchant, 0, choice);
        let request = request(which.merchant_id, payment, 0, account.unwrap_or(0));
        let prepared = self.prepare_with(&request, session, Some((0, new.clone())), now, &prices);
        let Some(Prepared { execution, .. }) = prepared else {
            return Err(vec![(Subject::Source, "not_found")]);
        };
        let expectation = self.expected_collection_from(&new, &execution, choice.currency);
        if let Some(reason) = expectation.refused {
            return Err(vec![reason]);
        }
        let price = Money::new(execution.figures.payer, choice.currency);
        if price != payment.quoted {
            return Err(vec![(Subject::Amount, "amount")]);
        }
        let limit = self.request_limits.reached(source.merchant, which.id, payment, time);
        Ok(Expected { payer, account, limit })
    }

    /// Adds a payment that was accepted, with what was created for it.
    pub(super) fn page_payment_begun(
        &mut self,
        which: SourceRef,
        page: i64,
        payment: &PagePayment,
        done: &Executed,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        let (merchant, seen, choice) = (which.merchant_id.0, &done.execution, &payment.choice);
        let (session, time) = (seen.session_id.0, seen.created_at.0);
        if self.sessions.contains_key(&session) {
            return Err(format!("session {session} was there before: {seen:?}"));
        }
        let used = seen.payment_account_id().map_or(0, |id| id.0);
        if let Some(party) = self.made_accounts.remove(&used) {
            if let (false, Some(phone)) = (self.parties.contains_key(&party), &choice.phone) {
                self.add_party(party, merchant, phone);
            }
            self.add_account(used, new_account(merchant, party, choice));
        }
        let declared = self.checkout_session(merchant, which.id.0, time);
        self.sessions.insert(session, Session { status: SessionStatus::Active, ..declared });
        self.merchant(merchant).sessions.push(session);
        self.request_limits.count(merchant, which.id, payment, time);
        let request = request(which.merchant_id, payment, session, used);
        let with_prices = |model: &Self, prices: &Prices| {
            let account = model.accounts.get(&used)?.clone();
            let mut prepared = model.prepare_with(
                &request,
                declared,
                Some((used, account)),
                observed.now,
                prices,
            )?;
            prepared.execution.page = Some(page);
            Some(prepared)
        };
        let prepared = with_prices(self, &self.prices.at(observed.now))
            .ok_or_else(|| format!("paid without an account: {seen:?}"))?;
        self.begun(done, prepared, &with_prices, observed)
    }
}

fn new_account(merchant: i64, party: i64, choice: &PayerChoice) -> Account {
    Account {
        merchant,
        party,
        provider: choice.provider,
        method: choice.method,
        operation: Operation::Collection,
        number: choice.phone.clone(),
        active: true,
    }
}

/// The execution that a payment on a page asks for, once its session and account are there.
fn request(merchant: MerchantId, payment: &PagePayment, session: i64, account: i64) -> Execute {
    Execute {
        merchant_id: merchant,
        reference_id: payment.reference_id,
        session_id: SessionId(session),
        details: OperationDetails::Collection {
            account_id: PaymentAccountId(account),
            currency: payment.choice.currency,
        },
        shown: None,
    }
}
