//! Creating, canceling and expiring sessions.

use domain::decision::command::Output;
use domain::kernel::money::{Decimal, Money};
use domain::kernel::names::{Operation, Provider};
use domain::kernel::refusal::{Refusal, Subject};
use domain::kernel::time::MerchantTime;
use domain::ledger::wallet::{Owner, WalletStatus};
use domain::payments::create_session::NewSession;
use domain::payments::session::{Intent, SessionKind, SessionStatus};
use domain::sales::find_source::SourceRef;
use domain::sales::source::SourceStatus;
use kola::engine::Failure;

use super::model::{Mismatch, Model, Recipient, Session, Wallet};
use super::network_accounts::Asked;
use super::{Observed, Reason, figures, output, reasons};

const DAY: i64 = 86_400_000_000;
const MINUTE: i64 = 60_000_000;
/// How long a checkout session can be executed.
const CHECKOUT: i64 = 30 * MINUTE;

impl Model {
    pub(super) fn session_created(
        &mut self,
        merchant: i64,
        request: &NewSession,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        let time = self.time(merchant, observed.now);
        let verified = self.merchant(merchant).verified;
        let mut refused = match request {
            _ if !verified && !matches!(request, NewSession::Checkout { .. }) => {
                vec![(Subject::Caller, "not_verified")]
            }
            NewSession::Checkout { kind, source_id } => {
                let merchant_id = domain::kernel::ids::MerchantId(merchant);
                let which = SourceRef { merchant_id, kind: *kind, id: *source_id };
                self.reasons_against_checkout(which, time)
            }
            NewSession::Payout { wallet_id, account_id, amount, .. } => self
                .reasons_against_payout(merchant, wallet_id.map(|id| id.0), account_id.0, *amount),
            NewSession::Transfer { wallet_id, counterparty_id, amount, .. } => {
                self.reasons_against_transfer(merchant, wallet_id.0, counterparty_id.0, *amount)
            }
            NewSession::Refund { original_id, amount, .. } => {
                self.reasons_against_giving_back(merchant, original_id.0, *amount)
            }
        };
        let (given, default) = expiry(request);
        let expires = given.map_or(time + default, |at| at.0);
        let expires = match request {
            // A checkout's expiry binds its sessions, too. A session that is refused for it is not
            // refused for its own expiry besides.
            NewSession::Checkout { source_id, .. } if refused.is_empty() => {
                self.page_ends.get(&source_id.0).map_or(expires, |end| expires.min(*end))
            }
            _ => expires,
        };
        if verified || matches!(request, NewSession::Checkout { .. }) {
            refused.extend(reasons(&[(
                expires <= time || expires > time + 366 * DAY,
                (Subject::Expiry, "expires_at"),
            )]));
        }
        // Nobody here has a thousand new recipients in an hour, but a clock that was an hour ahead
        // can make it look so.
        if let Err(Failure::Refused(refusals)) = observed.outcome
            && let [Refusal::TooManyRecipients { seconds: ..=64 }] = refusals[..]
        {
            return Ok(());
        }
        if !observed.check_acceptance(refused)? {
            return Ok(());
        }
        let made = output!(observed, Output::CreateSession(made) => made);
        if made.expires_at.0 != expires && !observed.lenient {
            return Err(format!(
                "session {} expires at {} instead of {}",
                made.id,
                made.expires_at,
                MerchantTime(expires)
            ));
        }
        if let NewSession::Transfer { counterparty_id, .. } = request {
            let party = self.counterparties.get(&counterparty_id.0).and_then(|(_, party)| *party);
            let expected = party.map(|party| self.recipient(party));
            if announced_recipient(&made) != expected && !observed.lenient {
                return Err(format!("{:?} receives instead of {expected:?}", made.intent));
            }
        }
        self.add_session(merchant, request, &made);
        Ok(())
    }

    /// Why an invoice or order cannot be paid now.
    pub(super) fn reasons_against_checkout(&self, which: SourceRef, time: i64) -> Vec<Reason> {
        let end = self.page_ends.get(&which.id.0);
        match self.source_at(which) {
            None => vec![(Subject::Source, "not_found")],
            Some(source) if source.status != SourceStatus::Active => {
                vec![(Subject::Source, "state")]
            }
            Some(_) if self.open_reviews_of(which.id.0) > 0 => vec![(Subject::Source, "review")],
            Some(source) if self.is_link_closed(source.link) => {
                vec![(Subject::Source, "payment_link")]
            }
            Some(_) if end.is_some_and(|end| *end <= time) => vec![(Subject::Source, "expired")],
            Some(_) => vec![],
        }
    }

    /// The session of an invoice or order that is paid on its page, from `time` on.
    pub(super) fn checkout_session(&self, merchant: i64, source: i64, time: i64) -> Session {
        let expires = time + CHECKOUT;
        Session {
            merchant,
            kind: SessionKind::Checkout,
            status: SessionStatus::Active,
            expires: self.page_ends.get(&source).map_or(expires, |end| expires.min(*end)),
            source: Some(source),
            wallet: None,
            account: None,
            party: None,
            recipient: None,
            original: None,
            amount: 0,
            currency: None,
        }
    }

    fn add_session(
        &mut self,
        merchant: i64,
        request: &NewSession,
        made: &domain::payments::session::Session,
    ) {
        let amount = match &made.intent {
            Intent::Checkout { .. } => None,
            Intent::Payout { amount, .. }
            | Intent::Transfer { amount, .. }
            | Intent::Refund { amount, .. } => Some(*amount),
        };
        let blank = Session {
            merchant,
            kind: SessionKind::Checkout,
            status: SessionStatus::Active,
            expires: made.expires_at.0,
            source: None,
            wallet: None,
            account: None,
            party: None,
            recipient: None,
            original: None,
            amount: amount.map_or(0, |amount| amount.minor),
            currency: amount.map(|amount| amount.currency),
        };
        let session = match request {
            NewSession::Checkout { source_id, .. } => {
                Session { source: Some(source_id.0), ..blank }
            }
            NewSession::Payout { wallet_id, account_id, amount, .. } => Session {
                kind: SessionKind::Payout,
                wallet: wallet_id
                    .map(|id| id.0)
                    .or_else(|| self.own_wallet(merchant, amount.currency).map(|(id, _)| id)),
                account: Some(account_id.0),
                ..blank
            },
            NewSession::Transfer { wallet_id, .. } => Session {
                kind: SessionKind::Transfer,
                wallet: Some(wallet_id.0),
                party: match made.intent {
                    Intent::Transfer { party_id, .. } => Some(party_id.0),
                    _ => None,
                },
                recipient: announced_recipient(made),
                ..blank
            },
            NewSession::Refund { original_id, .. } => {
                let wallet =
                    self.executions.get(&original_id.0).and_then(|original| original.wallet);
                Session {
                    kind: SessionKind::Refund,
                    wallet,
                    original: Some(original_id.0),
                    ..blank
                }
            }
        };
        self.sessions.insert(made.id.0, session);
        self.merchant(merchant).sessions.push(made.id.0);
    }

    /// Why an account cannot be used for an operation.
    pub(super) fn reasons_against_account(
        &self,
        merchant: i64,
        id: i64,
        operation: Operation,
    ) -> Option<Reason> {
        match self.accounts.get(&id).filter(|account| account.merchant == merchant) {
            None => Some((Subject::Account, "not_found")),
            Some(account) if !account.active || account.operation != operation => {
                Some((Subject::Account, "account"))
            }
            Some(_) => None,
        }
    }

    fn reasons_against_debit(wallet: &Wallet, amount: Money) -> Vec<Reason> {
        reasons(&[
            (wallet.status != WalletStatus::Active, (Subject::Wallet, "wallet")),
            (wallet.currency != amount.currency, (Subject::Currency, "currency")),
        ])
    }

    fn reasons_against_payout(
        &self,
        merchant: i64,
        wallet: Option<i64>,
        account: i64,
        amount: Money,
    ) -> Vec<Reason> {
        let mut refused: Vec<_> = self
            .reasons_against_account(merchant, account, Operation::Payout)
            .into_iter()
            .collect();
        let usable = self.accounts.get(&account).filter(|_| refused.is_empty());
        let found = match wallet {
            None => self.own_wallet(merchant, amount.currency).map(|(_, wallet)| wallet),
            Some(id) => self.wallets.get(&id).copied().filter(|found| {
                let fits = found
                    .party
                    .is_none_or(|party| usable.is_none_or(|account| account.party == party));
                found.merchant == merchant && fits
            }),
        };
        match &found {
            None => refused.push(if wallet.is_none() {
                (Subject::Currency, "currency")
            } else {
                (Subject::Wallet, "not_found")
            }),
            Some(found) => refused.extend(Self::reasons_against_debit(found, amount)),
        }
        if let Some(account) = usable {
            let own = found.is_some_and(|found| found.party == Some(account.party));
            let taken = figures::is_supported(account.method, Operation::Payout, amount.currency);
            refused.extend(reasons(&[
                (own && account.provider == Provider::Platform, (Subject::Wallet, "wallet")),
                (!taken, (Subject::Currency, "currency")),
            ]));
            let asked = Asked {
                provider: account.provider,
                method: account.method,
                operation: Operation::Payout,
                amount: amount.minor,
                currency: amount.currency,
                of_payment: None,
            };
            refused.extend(self.reason_against_network(merchant, asked));
        }
        refused
    }

    fn reasons_against_transfer(
        &self,
        merchant: i64,
        wallet: i64,
        counterparty: i64,
        amount: Money,
    ) -> Vec<Reason> {
        let wallet = self
            .wallets
            .get(&wallet)
            .filter(|wallet| wallet.merchant == merchant && wallet.party.is_none());
        let mut refused = wallet.map_or(vec![(Subject::Wallet, "not_found")], |wallet| {
            Self::reasons_against_debit(wallet, amount)
        });
        match self.counterparties.get(&counterparty).filter(|(owner, _)| *owner == merchant) {
            None => refused.push((Subject::Counterparty, "not_found")),
            Some((_, None)) => refused.push((Subject::Counterparty, "party")),
            Some((_, Some(party))) => {
                let own =
                    wallet.is_some() && self.recipient(*party) == Recipient::Merchant(merchant);
                refused.extend(reasons(&[(own, (Subject::Counterparty, "self_transfer"))]));
            }
        }
        refused
    }

    /// The recipient of a transfer that is created now: the merchant with the party's phone, else
    /// the party.
    pub(super) fn recipient(&self, party: i64) -> Recipient {
        let merchant = self.parties.get(&party).and_then(|(merchant, phone)| {
            let mode = self.merchants.get(merchant).and_then(|known| known.real_mode);
            self.phones.get(&(mode, phone.clone())).copied()
        });
        merchant.map_or(Recipient::Party(party), Recipient::Merchant)
    }

    /// A refund needs a settled collection that is not in review.
    pub(super) fn reasons_against_refund(&self, merchant: i64, original: i64) -> Vec<Reason> {
        let found = self.executions.get(&original);
        match found
            .filter(|found| found.merchant == merchant && found.operation == Operation::Collection)
        {
            None => vec![(Subject::Original, "not_found")],
            Some(found) if !found.is_settled() || found.in_review => {
                vec![(Subject::Original, "state")]
            }
            Some(_) => vec![],
        }
    }

    fn reasons_against_giving_back(
        &self,
        merchant: i64,
        original: i64,
        amount: Decimal,
    ) -> Vec<Reason> {
        let refused = self.reasons_against_refund(merchant, original);
        match self.executions.get(&original).filter(|_| refused.is_empty()) {
            None => refused,
            Some(found) => {
                let asked = amount.to_money(found.outside_currency).map_or(0, |money| money.minor);
                if asked > found.figures.payer - found.refunded {
                    return vec![(Subject::Amount, "refund")];
                }
                let sum = found.refunded + asked;
                let currency = found.outside_currency;
                let limit = self.people.reason_against_giving_back(merchant, sum, currency);
                limit.into_iter().chain(self.reason_against_refund_at(found, asked)).collect()
            }
        }
    }

    pub(super) fn session_canceled(
        &mut self,
        merchant: i64,
        kind: SessionKind,
        id: i64,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        let found = self
            .sessions
            .get(&id)
            .filter(|session| session.merchant == merchant && session.kind == kind);
        let refused = match found {
            None => vec![(Subject::Target, "not_found")],
            Some(session) => self.reasons_against_use(session, observed.now),
        };
        if observed.check_acceptance(refused)?
            && let Some(session) = self.sessions.get_mut(&id)
        {
            session.status = SessionStatus::Canceled;
        }
        Ok(())
    }

    /// Why a session cannot be used now.
    pub(super) fn reasons_against_use(&self, session: &Session, now: i64) -> Vec<Reason> {
        let over = self.time(session.merchant, now) >= session.expires;
        match session.status {
            SessionStatus::Active if over => vec![(Subject::Session, "expired")],
            SessionStatus::Expired => vec![(Subject::Session, "expired")],
            SessionStatus::Active => vec![],
            SessionStatus::Executed | SessionStatus::Canceled => vec![(Subject::Session, "state")],
        }
    }

    pub(super) fn session_expired(
        &mut self,
        id: i64,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        if !observed.check_acceptance(vec![])? {
            return Ok(());
        }
        let Some(session) = self.sessions.get(&id).copied() else {
            return Err(format!("session {id} is not known"));
        };
        let over = session.status == SessionStatus::Active
            && self.time(session.merchant, observed.now) >= session.expires;
        let swept = output!(observed, Output::ExpireSession(swept) => swept);
        if swept != over && !(observed.lenient && session.status == SessionStatus::Active) {
            return Err(format!("session {id}: swept {swept}, its time is over {over}"));
        }
        if swept && let Some(session) = self.sessions.get_mut(&id) {
            session.status = SessionStatus::Expired;
        }
        Ok(())
    }
}

/// The recipient of a transfer, as the answer names it.
fn announced_recipient(made: &domain::payments::session::Session) -> Option<Recipient> {
    let Intent::Transfer { recipient, .. } = &made.intent else { return None };
    recipient.as_ref().map(|recipient| match recipient.owner {
        Owner::Merchant(id) => Recipient::Merchant(id.0),
        Owner::Party(id) => Recipient::Party(id.0),
    })
}

/// The expiry that a request gives, and the lifetime in microseconds where it gives none.
fn expiry(request: &NewSession) -> (Option<MerchantTime>, i64) {
    match request {
        NewSession::Checkout { .. } => (None, CHECKOUT),
        NewSession::Payout { expires_at, .. } => (*expires_at, 15 * MINUTE),
        NewSession::Transfer { expires_at, .. } | NewSession::Refund { expires_at, .. } => {
            (Some(*expires_at), 0)
        }
    }
}
