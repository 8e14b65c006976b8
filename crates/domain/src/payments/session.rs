//! Sessions: declared payment intents. No money moves or is reserved until a session is executed.

use crate::api_enum;
use crate::decision::row::{Lookup, NoAltKey, Row};
use crate::decision::workspace::RowKey;
use crate::kernel::ids::{
    CounterpartyId, ExecutionId, MerchantId, PartyId, PaymentAccountId, SessionId, SourceId,
    WalletId,
};
use crate::kernel::money::Money;
use crate::kernel::names::Operation;
use crate::kernel::refusal::{Refusal, Subject};
use crate::kernel::time::MerchantTime;
use crate::ledger::wallet::Owner;
use crate::mutant;

api_enum! {
    SessionKind {
        /// Collects for an invoice or order.
        Checkout = "CHECKOUT",
        /// Pays out to a payment account.
        Payout = "PAYOUT",
        /// Transfers to the wallet of a counterparty.
        Transfer = "TRANSFER",
        /// Refunds a collection.
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
        /// Can be executed until it expires.
        Active = "ACTIVE",
        Executed = "EXECUTED",
        Expired = "EXPIRED",
        Canceled = "CANCELED",
    }
}

/// What happens to a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SessionInput {
    Execute,
    Expire,
    Cancel,
}

impl SessionInput {
    pub const ALL: &'static [Self] = &[Self::Execute, Self::Expire, Self::Cancel];
}

impl SessionStatus {
    /// The status after `input`; `None` when the session is no longer active.
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

/// A declared payment intent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Session {
    pub id: SessionId,
    pub merchant_id: MerchantId,
    pub kind: SessionKind,
    /// The stored status. It may still be `ACTIVE` after the expiry; see [`Session::status_at`].
    pub status: SessionStatus,
    /// Checkout: the invoice or order to collect for.
    pub source_id: Option<SourceId>,
    /// Payout, transfer, refund: the wallet to debit.
    pub wallet_id: Option<WalletId>,
    /// Payout: the payee's account. Checkout: the payer's account, once executed.
    pub payment_account_id: Option<PaymentAccountId>,
    /// Transfer: the receiver.
    pub counterparty_id: Option<CounterpartyId>,
    /// Transfer: the counterparty's party when the session was created.
    pub party_id: Option<PartyId>,
    /// Transfer: `None` in sessions that ended before this was stored.
    pub recipient: Option<Recipient>,
    /// Refund: the collection to refund.
    pub original_execution_id: Option<ExecutionId>,
    /// `None` for a checkout, whose amount is the total of its source.
    pub amount: Option<Money>,
    /// Refund: the merchant's reason.
    pub reason: Option<String>,
    /// Merchant time from which it cannot be executed.
    pub expires_at: MerchantTime,
    pub created_at: MerchantTime,
    pub updated_at: MerchantTime,
}

impl Session {
    /// The rows that it refers to, which its execution reads.
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

    /// The status at merchant time `time`: an active session is expired from `expires_at` on, even if
    /// that is not stored yet.
    #[must_use]
    pub fn status_at(&self, time: MerchantTime) -> SessionStatus {
        match self.status {
            SessionStatus::Active if time >= self.expires_at && !mutant!(SkipExpiry) => {
                SessionStatus::Expired
            }
            status => status,
        }
    }

    /// When the session, as a caller sees it at merchant time `time`, last changed. The expiry of an
    /// active session is a change at `expires_at`, even if it is not stored yet.
    #[must_use]
    pub fn updated_at_as_of(&self, time: MerchantTime) -> MerchantTime {
        if self.status == SessionStatus::Active && self.status_at(time) == SessionStatus::Expired {
            self.expires_at
        } else {
            self.updated_at
        }
    }

    /// This session after `input` at merchant time `time`.
    ///
    /// # Errors
    /// [`Refusal::SessionExpired`], [`Refusal::InvalidState`].
    pub fn after(&self, input: SessionInput, time: MerchantTime) -> Result<Self, Refusal> {
        let status = match input {
            SessionInput::Expire => self.status,
            SessionInput::Execute | SessionInput::Cancel => self.status_at(time),
        };
        match status.on(input) {
            Some(status) => Ok(Self { status, updated_at: time, ..self.clone() }),
            None if status == SessionStatus::Expired => {
                Err(Refusal::SessionExpired { at: self.expires_at })
            }
            None => Err(Refusal::InvalidState {
                subject: Subject::Session,
                what: "session",
                state: status.as_str(),
                needs: "ACTIVE",
            }),
        }
    }
}

/// The receiver of a transfer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recipient {
    /// The owner of the wallet that is credited.
    pub owner: Owner,
    /// The owner's name when the transfer was declared.
    pub name: String,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decision::settings::{self, Lifetimes};

    /// Every (state, input) pair; only an active session has a way on.
    #[test]
    fn the_life_of_a_session() {
        use SessionStatus::{Active, Canceled, Executed, Expired};
        let mut pairs = 0;
        for state in SessionStatus::ALL {
            for (input, next) in SessionInput::ALL.iter().zip([Executed, Expired, Canceled]) {
                assert_eq!(
                    state.on(*input),
                    (*state == Active).then_some(next),
                    "{state} on {input:?}"
                );
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
            expires_at: MerchantTime(expires_at),
            created_at: MerchantTime(0),
            updated_at: MerchantTime(0),
        }
    }

    #[test]
    fn expiry_is_exact_to_the_microsecond() {
        let session = session(1_000_000);
        let execute =
            |time| session.after(SessionInput::Execute, MerchantTime(time)).map(|s| s.status);
        assert_eq!(execute(999_999), Ok(SessionStatus::Executed));
        assert_eq!(
            execute(1_000_000),
            Err(Refusal::SessionExpired { at: MerchantTime(1_000_000) })
        );
        assert_eq!(session.status_at(MerchantTime(999_999)), SessionStatus::Active);
        assert_eq!(session.status_at(MerchantTime(1_000_000)), SessionStatus::Expired);
        let cancel = session.after(SessionInput::Cancel, MerchantTime(1_000_000));
        assert_eq!(cancel, Err(Refusal::SessionExpired { at: MerchantTime(1_000_000) }));
    }

    #[test]
    fn expires_at_is_in_the_future_and_at_most_366_days_ahead() {
        let now = MerchantTime::parse("2026-11-22T12:00:00Z").unwrap();
        let check = |text| {
            settings::check_expiry(MerchantTime::parse(text).unwrap(), now, Lifetimes::default())
        };
        assert!(check("2026-11-22T12:00:00.000001Z").is_ok());
        assert_eq!(check("2026-11-22T12:00:00Z"), Err(Refusal::ExpiryInPast { now }));
        assert_eq!(check("2025-06-15T18:00:00Z"), Err(Refusal::ExpiryInPast { now }));
        assert!(check("2027-11-23T12:00:00Z").is_ok());
        assert_eq!(check("2027-11-23T12:00:00.000001Z"), Err(Refusal::ExpiryTooFar { days: 366 }));
    }
}
