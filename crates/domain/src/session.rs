//! Sessions: declared intents. Nothing moves and nothing is reserved until one is executed.

use crate::account;
use crate::api_enum;
use crate::checkout::CheckoutConfig;
use crate::command::Settings;
use crate::event::{self, EventEntity, EventType};
use crate::execution::Execution;
use crate::ids::{CounterpartyId, ExecutionId, MerchantId, PartyId, PaymentAccountId, SessionId, SourceId, WalletId};
use crate::merchant::Merchant;
use crate::money::{Decimal, Money};
use crate::mutant;
use crate::names::{Operation, Provider};
use crate::party;
use crate::recipient::{self, Recipient};
use crate::refusal::{self, Refusals, Refusal};
use crate::source::{SourceInput, SourceRef, SourceType};
use crate::time::{Timestamp, minutes, seconds};
use crate::wallet::{Owner, Wallet};
use crate::workspace::{Stop, RowKey, Lookup, NoAltKey, Row, Workspace};

api_enum! {
    /// What a session declares.
    SessionKind {
        /// To collect for an invoice or order.
        Checkout = "CHECKOUT",
        /// To pay out to an account outside.
        Payout = "PAYOUT",
        /// To transfer to a counterparty.
        Transfer = "TRANSFER",
        /// To refund a collection.
        Refund = "REFUND",
    }
}

impl SessionKind {
    /// The operation that executes it.
    #[must_use]
    pub const fn operation(self) -> Operation {
        match self {
            Self::Checkout => Operation::Collection,
            Self::Payout => Operation::Payout,
            Self::Transfer => Operation::Transfer,
            Self::Refund => Operation::Refund,
        }
    }
}

api_enum! {
    /// Where a session is in its life.
    SessionStatus {
        /// It can be executed until it expires.
        Active = "ACTIVE",
        /// It was.
        Executed = "EXECUTED",
        /// Its time was over.
        Expired = "EXPIRED",
        /// It was withdrawn.
        Canceled = "CANCELED",
    }
}

/// What happens to a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SessionInput {
    /// An execution is recorded.
    Execute,
    /// Its time is over.
    Expire,
    /// It is withdrawn.
    Cancel,
}

impl SessionInput {
    /// Every input.
    pub const ALL: &'static [Self] = &[Self::Execute, Self::Expire, Self::Cancel];
}

impl SessionStatus {
    /// The state after `input`; `None` when the session is used up.
    #[must_use]
    pub const fn on(self, input: SessionInput) -> Option<Self> {
        match (self, input) {
            (Self::Active, SessionInput::Execute) => Some(Self::Executed),
            (Self::Active, SessionInput::Expire) => Some(Self::Expired),
            (Self::Active, SessionInput::Cancel) => Some(Self::Canceled),
            (
                Self::Executed | Self::Expired | Self::Canceled,
                SessionInput::Execute | SessionInput::Expire | SessionInput::Cancel,
            ) => None,
        }
    }
}

/// A declared intent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// Whose it is.
    pub merchant_id: MerchantId,
    /// What it declares.
    pub kind: SessionKind,
    /// As stored; see [`Session::status_at`].
    pub status: SessionStatus,
    /// Checkout: what is to be paid.
    pub source_id: Option<SourceId>,
    /// Payout, transfer, refund: the wallet to debit.
    pub wallet_id: Option<WalletId>,
    /// Payout: where to. Checkout: from where, once executed.
    pub payment_account_id: Option<PaymentAccountId>,
    /// Transfer: to whom.
    pub counterparty_id: Option<CounterpartyId>,
    /// Transfer: the party behind the counterparty when the session was made.
    pub party_id: Option<PartyId>,
    /// Transfer: who receives; `None` in those that were used up before it was written down.
    pub recipient: Option<Recipient>,
    /// Refund: the collection to give back.
    pub original_execution_id: Option<ExecutionId>,
    /// How much; a checkout's is its source's total.
    pub amount: Option<Money>,
    /// Refund: why.
    pub reason: Option<String>,
    /// Merchant time from which it cannot be used.
    pub expires_at: Timestamp,
    /// Merchant time.
    pub created_at: Timestamp,
    /// Merchant time.
    pub updated_at: Timestamp,
}

impl Session {
    /// The rows that it refers to, and that carrying it out is about.
    #[must_use]
    pub fn referenced_keys(&self) -> Vec<RowKey> {
        let mut keys = vec![];
        keys.extend(self.source_id.map(|id| RowKey::Source(Lookup::Id(id))));
        keys.extend(self.wallet_id.map(|id| RowKey::Wallet(Lookup::Id(id))));
        keys.extend(self.payment_account_id.map(|id| RowKey::PaymentAccount(Lookup::Id(id))));
        keys.extend(self.party_id.map(|id| RowKey::Party(Lookup::Id(id))));
        keys.extend(self.original_execution_id.map(|id| RowKey::Execution(Lookup::Id(id))));
        keys
    }

    /// The status at a merchant's `time`: an active session is expired from `expires_at` on, swept or not.
    #[must_use]
    pub fn status_at(&self, time: Timestamp) -> SessionStatus {
        match self.status {
            SessionStatus::Active if time >= self.expires_at && !mutant!(SkipExpiry) => SessionStatus::Expired,
            status => status,
        }
    }

    /// When what is seen of it at a merchant's `time` changed last: an active session expired at `expires_at`, swept or not.
    #[must_use]
    pub fn updated_at_as_of(&self, time: Timestamp) -> Timestamp {
        if self.status == SessionStatus::Active && self.status_at(time) == SessionStatus::Expired {
            self.expires_at
        } else {
            self.updated_at
        }
    }

    /// This session, used up by `input` at a merchant's `time`.
    ///
    /// # Errors
    /// [`Refusal::SessionExpired`], [`Refusal::State`] on `session_id`.
    pub fn after(&self, input: SessionInput, time: Timestamp) -> Result<Self, Refusal> {
        let status = match input {
            SessionInput::Expire => self.status,
            SessionInput::Execute | SessionInput::Cancel => self.status_at(time),
        };
        match status.on(input) {
            Some(status) => Ok(Self { status, updated_at: time, ..self.clone() }),
            None if status == SessionStatus::Expired => Err(Refusal::SessionExpired { at: self.expires_at }),
            None => Err(Refusal::State { field: "session_id", what: "session", state: status.as_str(), needs: "ACTIVE" }),
        }
    }
}

impl Row for Session {
    type Id = SessionId;
    type AltKey = NoAltKey;

    fn id(&self) -> SessionId {
        self.id
    }

    fn alt_key(&self) -> Option<NoAltKey> {
        None
    }
}

/// How long sessions may live, where an operator has not set it otherwise.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lifetimes {
    /// A checkout session, in microseconds.
    pub checkout_us: i64,
    /// A payout session whose caller gives no expiry, in microseconds.
    pub payout_us: i64,
    /// The furthest `expires_at`, in days.
    pub max_days: i64,
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self { checkout_us: minutes(30), payout_us: minutes(15), max_days: 366 }
    }
}

/// A request to declare an intent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NewSession {
    /// To collect for a source.
    Checkout {
        /// Its kind.
        kind: SourceType,
        /// Its id.
        source_id: SourceId,
    },
    /// To pay out.
    Payout {
        /// Which dialect the request is in: the field that holds the account.
        account_field: &'static str,
        /// The wallet; `None` for the merchant's wallet of the currency.
        wallet_id: Option<WalletId>,
        /// Where to.
        account_id: PaymentAccountId,
        /// How much.
        amount: Money,
        /// Until when; `None` for the default.
        expires_at: Option<Timestamp>,
    },
    /// To transfer.
    Transfer {
        /// The wallet.
        wallet_id: WalletId,
        /// To whom.
        counterparty_id: CounterpartyId,
        /// How much.
        amount: Money,
        /// Until when.
        expires_at: Timestamp,
    },
    /// To refund.
    Refund {
        /// The collection.
        original_id: ExecutionId,
        /// How much, in its payer's currency.
        amount: Decimal,
        /// Until when.
        expires_at: Timestamp,
        /// Why.
        reason: Option<String>,
    },
}

/// Whether `expires_at` is in the future and not too far.
///
/// # Errors
/// [`Refusal::ExpiryPast`], [`Refusal::ExpiryFar`].
pub fn check_expiry(expires_at: Timestamp, time: Timestamp, lifetimes: Lifetimes) -> Result<Timestamp, Refusal> {
    if expires_at <= time {
        Err(Refusal::ExpiryPast { now: time })
    } else if expires_at > time.plus(seconds(lifetimes.max_days.saturating_mul(86_400))) {
        Err(Refusal::ExpiryFar { days: lifetimes.max_days })
    } else {
        Ok(expires_at)
    }
}

/// Declares an intent.
///
/// # Errors
/// Every refusal of `behaviour` for the kind, all at once.
pub fn declare(
    merchant_id: MerchantId,
    request: &NewSession,
    settings: &Settings,
    work: &mut Workspace,
    now: Timestamp,
) -> Result<Session, Stop> {
    let lifetimes = settings.lifetimes;
    let merchant = work.require::<Merchant>(merchant_id)?;
    let time = merchant.time(now);
    if !merchant.verified && !matches!(request, NewSession::Checkout { .. }) {
        return Err(Refusal::NotVerified.into());
    }
    let blank = Session {
        id: SessionId(0),
        merchant_id,
        kind: SessionKind::Checkout,
        status: SessionStatus::Active,
        source_id: None,
        wallet_id: None,
        payment_account_id: None,
        counterparty_id: None,
        party_id: None,
        recipient: None,
        original_execution_id: None,
        amount: None,
        reason: None,
        expires_at: time.plus(lifetimes.checkout_us),
        created_at: time,
        updated_at: time,
    };
    let session = match request {
        NewSession::Checkout { kind, source_id } => {
            check_source(merchant_id, *kind, *source_id, work)?;
            let expires_at = within_checkout(*source_id, blank.expires_at, time, work)?;
            Session { source_id: Some(*source_id), expires_at, ..blank }
        }
        NewSession::Payout { account_field, wallet_id, account_id, amount, expires_at } => {
            let expires_at = expires_at.unwrap_or_else(|| time.plus(lifetimes.payout_us));
            let mut refusals = Refusals::default();
            let payee = (*account_id, *account_field);
            let wallet = payout_wallet(merchant_id, *wallet_id, payee, *amount, work, now, &mut refusals)?;
            refusals.take(check_expiry(expires_at, time, lifetimes));
            refusals.finish()?;
            Session {
                kind: SessionKind::Payout,
                wallet_id: wallet.map(|wallet| wallet.id),
                payment_account_id: Some(*account_id),
                amount: Some(*amount),
                expires_at,
                ..blank
            }
        }
        NewSession::Transfer { wallet_id, counterparty_id, amount, expires_at } => {
            let mut refusals = Refusals::default();
            let wallet = own_wallet(merchant_id, *wallet_id, "from_wallet_id", *amount, work, &mut refusals)?;
            let counterparty =
                refusals.take(party::owned_counterparty(merchant_id, *counterparty_id, "to_counterparty_id", work)?);
            let party_id = counterparty.as_ref().and_then(|counterparty| counterparty.party_id);
            if counterparty.is_some() && party_id.is_none() {
                refusals.add(Refusal::CounterpartyWithoutParty);
            }
            let recipient = party_id.map(|party_id| recipient::of(&merchant, party_id, work)).transpose()?;
            if let (Some(wallet), Some(recipient)) = (&wallet, &recipient) {
                refusals.unless(recipient.owner != wallet.owner(), Refusal::TransferToSelf);
            }
            refusals.take(check_expiry(*expires_at, time, lifetimes));
            refusals.finish()?;
            if let Some(party_id) = party_id {
                recipient::tell(&merchant, party_id, settings.transfers, work, now)?;
            }
            Session {
                kind: SessionKind::Transfer,
                wallet_id: Some(*wallet_id),
                counterparty_id: Some(*counterparty_id),
                party_id,
                recipient,
                amount: Some(*amount),
                expires_at: *expires_at,
                ..blank
            }
        }
        NewSession::Refund { original_id, amount, expires_at, reason } => {
            let mut refusals = Refusals::default();
            let original = refusals.take(refundable(merchant_id, *original_id, work)?);
            let amount = original.as_ref().and_then(|original| {
                let amount = refusals.take(refusal::request_amount(*amount, original.payer.currency))?;
                refusals.take(check_refund_room(original, amount))
            });
            refusals.take(check_expiry(*expires_at, time, lifetimes));
            refusals.finish()?;
            Session {
                kind: SessionKind::Refund,
                wallet_id: original.and_then(|original| original.wallet_id),
                original_execution_id: Some(*original_id),
                amount,
                reason: reason.clone(),
                expires_at: *expires_at,
                ..blank
            }
        }
    };
    let session = Session { id: SessionId(work.new_id()?), ..session };
    work.put(session.clone());
    event::record(work, merchant_id, EventType::SessionCreated, (EventEntity::Session, session.id.0), None, now)?;
    Ok(session)
}

fn check_source(merchant_id: MerchantId, kind: SourceType, id: SourceId, work: &Workspace) -> Result<(), Stop> {
    let what = match kind {
        SourceType::Invoice => "an invoice",
        SourceType::Order => "an order",
    };
    let source = SourceRef { merchant_id, kind, id }.look(work)?.ok_or(Refusal::Unknown { field: "source_id", what })?;
    source.after(SourceInput::Collect, "source_id", source.updated_at)?;
    if source.total_minor <= 0 {
        return Err(Refusal::AmountTooSmall { field: "source_id" }.into());
    }
    Ok(())
}

/// Until when a session may be used for a source: the end of its checkout binds it, and through it the payment.
fn within_checkout(id: SourceId, expires_at: Timestamp, time: Timestamp, work: &Workspace) -> Result<Timestamp, Stop> {
    let page = work.find::<CheckoutConfig>(&id)?;
    match page.and_then(|page| page.ends_at()) {
        Some(at) if at <= time => Err(Refusal::CheckoutExpired { at }.into()),
        Some(at) => Ok(at.min(expires_at)),
        None => Ok(expires_at),
    }
}

/// The merchant's wallet of that id, of the amount's currency, from which a debit may start.
fn own_wallet(
    merchant_id: MerchantId,
    id: WalletId,
    field: &'static str,
    amount: Money,
    work: &Workspace,
    refusals: &mut Refusals,
) -> Result<Option<Wallet>, Stop> {
    let found = work.get::<Wallet>(id)?.filter(|wallet| wallet.owner() == Owner::Merchant(merchant_id));
    let Some(wallet) = refusals.take(found.ok_or(Refusal::Unknown { field, what: "a wallet" })) else { return Ok(None) };
    check_debit(&wallet, field, amount, refusals);
    Ok(Some((*wallet).clone()))
}

fn check_debit(wallet: &Wallet, field: &'static str, amount: Money, refusals: &mut Refusals) {
    let fine = wallet.status.allows_debit() || mutant!(FrozenPays);
    refusals.unless(fine, Refusal::WalletState { field, state: wallet.status.as_str() });
    refusals.unless(wallet.currency == amount.currency, Refusal::CurrencyMismatch { what: "wallet", has: wallet.currency });
}

/// The wallet that a payout debits: the merchant's, or that of the party whose account is paid.
fn payout_wallet(
    merchant_id: MerchantId,
    wallet_id: Option<WalletId>,
    (account_id, account_field): (PaymentAccountId, &'static str),
    amount: Money,
    work: &Workspace,
    now: Timestamp,
    refusals: &mut Refusals,
) -> Result<Option<Wallet>, Stop> {
    let account = refusals.take(account::usable(merchant_id, account_id, Operation::Payout, account_field, work)?);
    let wallet = match wallet_id {
        None => {
            let found = work.find::<Wallet>(&(Owner::Merchant(merchant_id), amount.currency))?;
            refusals.take(found.ok_or(Refusal::NoWallet { currency: amount.currency }))
        }
        Some(id) => {
            // Whose account it is tells whose wallet it may be; of an account that was refused nothing is known.
            let fits = |wallet: &Wallet| match (wallet.owner(), &account) {
                (Owner::Merchant(_), _) | (Owner::Party(_), None) => true,
                (Owner::Party(owner), Some(account)) => owner == account.party_id,
            };
            let found = work.get::<Wallet>(id)?.filter(|wallet| wallet.merchant_id == merchant_id && fits(wallet));
            refusals.take(found.ok_or(Refusal::Unknown { field: "wallet_id", what: "a wallet" }))
        }
    };
    if let Some(wallet) = &wallet {
        check_debit(wallet, "wallet_id", amount, refusals);
    }
    if let Some(account) = account {
        let own = wallet.as_ref().is_some_and(|wallet| wallet.owner() == Owner::Party(account.party_id));
        if own && account.provider == Provider::Platform {
            refusals.add(Refusal::WalletState { field: "wallet_id", state: "the payee's own" });
        }
        refusals.unless(
            work.tariff.takes(account.method, account.provider, Operation::Payout, amount.currency, now),
            Refusal::CurrencyNotTaken { field: "currency", currency: amount.currency, method: account.method.as_str() },
        );
    }
    Ok(wallet.map(|wallet| (*wallet).clone()))
}

/// The completed collection of that id, or the one that a review settled.
///
/// # Errors
/// [`Refusal::Unknown`], [`Refusal::NotRefundable`] on `original_payment_intent_id`.
pub fn refundable(merchant_id: MerchantId, id: ExecutionId, work: &Workspace) -> Result<Result<Execution, Refusal>, Stop> {
    let found = work
        .get::<Execution>(id)?
        .filter(|execution| execution.merchant_id == merchant_id && execution.operation == Operation::Collection);
    Ok(match found {
        None => Err(Refusal::Unknown { field: "original_payment_intent_id", what: "a collection" }),
        Some(original) if !original.is_settled() && !mutant!(RefundOfPending) => {
            Err(Refusal::NotRefundable { state: original.status.as_str() })
        }
        Some(original) if original.in_review => Err(Refusal::NotRefundable { state: "disputed by its provider" }),
        Some(original) => Ok((*original).clone()),
    })
}

/// Makes the check of a refund's creation again, at its execution: its provider may have taken the payment back meanwhile.
///
/// # Errors
/// [`Refusal::State`] on `session_id`.
pub fn recheck_original(original: &Execution) -> Result<(), Refusal> {
    let state = if !original.is_settled() {
        original.status.as_str()
    } else if original.in_review && !mutant!(RefundOfDisputed) {
        "disputed by its provider"
    } else {
        return Ok(());
    };
    Err(Refusal::State { field: "session_id", what: "payment", state, needs: "COMPLETED and undisputed" })
}

/// Whether the refund still fits into its payment.
///
/// # Errors
/// [`Refusal::RefundExceeds`].
pub fn check_refund_room(original: &Execution, amount: Money) -> Result<Money, Refusal> {
    let left = Money::new(original.payer.minor.saturating_sub(original.refunded_minor), original.payer.currency);
    if amount.minor > left.minor {
        return Err(Refusal::RefundExceeds { left: format!("{left} {}", left.currency) });
    }
    Ok(amount)
}

/// Makes the checks of a payout's or transfer's creation again, at its execution. `field` is where they are reported.
///
/// # Errors
/// [`Stop::Refused`] with all of them.
pub fn recheck_wallet(session: &Session, amount: Money, work: &Workspace) -> Result<Wallet, Stop> {
    let id = session.wallet_id.ok_or_else(|| Stop::Inconsistent(format!("session {} has no wallet", session.id)))?;
    let wallet = work.require::<Wallet>(id)?;
    let mut refusals = Refusals::default();
    check_debit(&wallet, "session_id", amount, &mut refusals);
    refusals.finish()?;
    Ok((*wallet).clone())
}

/// Withdraws a session.
///
/// # Errors
/// [`Refusal::NotFound`], [`Refusal::SessionExpired`], [`Refusal::State`].
pub fn cancel(
    merchant_id: MerchantId,
    kind: SessionKind,
    id: SessionId,
    work: &mut Workspace,
    now: Timestamp,
) -> Result<Session, Stop> {
    let time = work.require::<Merchant>(merchant_id)?.time(now);
    let found = work.get::<Session>(id)?.filter(|session| session.merchant_id == merchant_id && session.kind == kind);
    let found = found.ok_or(Refusal::NotFound)?;
    let session = if mutant!(CancelExecuted) && found.status == SessionStatus::Executed {
        Session { status: SessionStatus::Canceled, ..(*found).clone() }
    } else {
        found.after(SessionInput::Cancel, time)?
    };
    work.put(session.clone());
    event::record(work, merchant_id, EventType::SessionCanceled, (EventEntity::Session, id.0), None, now)?;
    Ok(session)
}

/// Writes down that a session's time is over. Does nothing when it is not, or when the session was used up otherwise.
///
/// # Errors
/// [`Stop::Inconsistent`] when the session is not there.
pub fn expire(id: SessionId, work: &mut Workspace, now: Timestamp) -> Result<bool, Stop> {
    let session = work.require::<Session>(id)?;
    let time = work.require::<Merchant>(session.merchant_id)?.time(now);
    if session.status != SessionStatus::Active || time < session.expires_at {
        return Ok(false);
    }
    // Seen by everybody since then; that it is written down is no news.
    let session = session.after(SessionInput::Expire, session.expires_at)?;
    event::record(work, session.merchant_id, EventType::SessionExpired, (EventEntity::Session, id.0), None, now)?;
    work.put(session);
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every (state, input) pair; only an active session has a way on.
    #[test]
    fn the_life_of_a_session() {
        use SessionStatus::{Active, Canceled, Executed, Expired};
        let mut pairs = 0;
        for state in SessionStatus::ALL {
            for (input, next) in SessionInput::ALL.iter().zip([Executed, Expired, Canceled]) {
                assert_eq!(state.on(*input), (*state == Active).then_some(next), "{state} on {input:?}");
                pairs += 1;
            }
        }
        assert_eq!(pairs, 12);
    }

    fn session(expires_at: i64) -> Session {
        Session {
            id: SessionId(1),
            merchant_id: MerchantId(1),
            kind: SessionKind::Checkout,
            status: SessionStatus::Active,
            source_id: Some(SourceId(1)),
            wallet_id: None,
            payment_account_id: None,
            counterparty_id: None,
            party_id: None,
            recipient: None,
            original_execution_id: None,
            amount: None,
            reason: None,
            expires_at: Timestamp(expires_at),
            created_at: Timestamp(0),
            updated_at: Timestamp(0),
        }
    }

    #[test]
    fn expiry_is_exact_to_the_microsecond() {
        let session = session(1_000_000);
        let execute = |time| session.after(SessionInput::Execute, Timestamp(time)).map(|s| s.status);
        assert_eq!(execute(999_999), Ok(SessionStatus::Executed));
        assert_eq!(execute(1_000_000), Err(Refusal::SessionExpired { at: Timestamp(1_000_000) }));
        assert_eq!(session.status_at(Timestamp(999_999)), SessionStatus::Active);
        assert_eq!(session.status_at(Timestamp(1_000_000)), SessionStatus::Expired);
        let cancel = session.after(SessionInput::Cancel, Timestamp(1_000_000));
        assert_eq!(cancel, Err(Refusal::SessionExpired { at: Timestamp(1_000_000) }));
    }

    #[test]
    fn expires_at_is_in_the_future_and_at_most_366_days_ahead() {
        let now = Timestamp::parse("2026-11-22T12:00:00Z").unwrap();
        let check = |text| check_expiry(Timestamp::parse(text).unwrap(), now, Lifetimes::default());
        assert!(check("2026-11-22T12:00:00.000001Z").is_ok());
        assert_eq!(check("2026-11-22T12:00:00Z"), Err(Refusal::ExpiryPast { now }));
        assert_eq!(check("2025-06-15T18:00:00Z"), Err(Refusal::ExpiryPast { now }));
        assert!(check("2027-11-23T12:00:00Z").is_ok());
        assert_eq!(check("2027-11-23T12:00:00.000001Z"), Err(Refusal::ExpiryFar { days: 366 }));
    }
}
