//! Sessions: declared payment intents. No money moves or is reserved until a session is executed.

use crate::api_enum;
use crate::decision::event::HasEvents;
use crate::decision::row::{Lookup, NoAltKey, Row};
use crate::decision::workspace::RowKey;
use crate::kernel::ids::{
    CounterpartyId, ExecutionId, MerchantId, PartyId, PaymentAccountId, SessionId, SourceId,
    WalletId,
};
use crate::kernel::masks::initials;
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
    /// The stored status. It may still be `ACTIVE` after the expiry; see [`Session::status_at`].
    pub status: SessionStatus,
    pub intent: Intent,
    /// Merchant time from which it cannot be executed.
    pub expires_at: MerchantTime,
    /// How many events are about it.
    pub event_count: i64,
    pub created_at: MerchantTime,
    pub updated_at: MerchantTime,
}

/// What a session declares, with the fields of its kind.
///
/// A `payer_account_id` is not declared: only the execution says which account is collected from. It
/// stands here and not in the session, so that the account of a payout never changes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Intent {
    /// The amount is the total of the source.
    Checkout {
        /// The invoice or order to collect for.
        source_id: SourceId,
        /// The account that was collected from, once executed.
        payer_account_id: Option<PaymentAccountId>,
    },
    Payout {
        /// The wallet to debit.
        wallet_id: WalletId,
        payee_account_id: PaymentAccountId,
        amount: Money,
    },
    Transfer {
        /// The wallet to debit.
        wallet_id: WalletId,
        /// The receiver.
        counterparty_id: CounterpartyId,
        /// The counterparty's party when the session was created.
        party_id: PartyId,
        /// `None` in sessions that ended before this was stored.
        recipient: Option<Recipient>,
        amount: Money,
    },
    Refund {
        /// The collection to refund.
        original_execution_id: ExecutionId,
        /// The wallet to debit: the one that the collection credited.
        wallet_id: WalletId,
        /// In the currency of the collection's payer.
        amount: Money,
        /// The merchant's reason.
        reason: Option<String>,
        /// The account that is refunded to, once executed: that of the collection.
        payer_account_id: Option<PaymentAccountId>,
    },
}

impl Intent {
    #[must_use]
    pub const fn kind(&self) -> SessionKind {
        match self {
            Self::Checkout { .. } => SessionKind::Checkout,
            Self::Payout { .. } => SessionKind::Payout,
            Self::Transfer { .. } => SessionKind::Transfer,
            Self::Refund { .. } => SessionKind::Refund,
        }
    }
}

impl Session {
    #[must_use]
    pub const fn kind(&self) -> SessionKind {
        self.intent.kind()
    }

    /// The invoice or order of a checkout.
    #[must_use]
    pub const fn source_id(&self) -> Option<SourceId> {
        match self.intent {
            Intent::Checkout { source_id, .. } => Some(source_id),
            Intent::Payout { .. } | Intent::Transfer { .. } | Intent::Refund { .. } => None,
        }
    }

    /// The rows that it refers to, which its execution reads.
    #[must_use]
    pub fn referenced_keys(&self) -> Vec<RowKey> {
        let wallet = |id| RowKey::Wallet(Lookup::Id(id));
        match self.intent {
            Intent::Checkout { source_id, .. } => vec![RowKey::Source(Lookup::Id(source_id))],
            Intent::Payout { wallet_id, payee_account_id, .. } => {
                vec![wallet(wallet_id), RowKey::PaymentAccount(Lookup::Id(payee_account_id))]
            }
            Intent::Transfer { wallet_id, party_id, ref recipient, .. } => {
                let mut keys = vec![wallet(wallet_id), RowKey::Party(Lookup::Id(party_id))];
                // Another merchant who receives it is told.
                if let Some(Recipient { owner: Owner::Merchant(receiver), .. }) = recipient {
                    keys.push(RowKey::EventPosition(Lookup::Id(*receiver)));
                }
                keys
            }
            Intent::Refund { wallet_id, original_execution_id, .. } => {
                vec![wallet(wallet_id), RowKey::Execution(Lookup::Id(original_execution_id))]
            }
        }
    }

    /// This session with the payer's account of its execution. Payouts and transfers have none.
    #[must_use]
    pub fn with_payer_account(mut self, account_id: Option<PaymentAccountId>) -> Self {
        match &mut self.intent {
            Intent::Checkout { payer_account_id, .. } | Intent::Refund { payer_account_id, .. } => {
                *payer_account_id = account_id;
            }
            Intent::Payout { .. } | Intent::Transfer { .. } => {}
        }
        self
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

impl Session {
    /// For readers who may not see names.
    #[must_use]
    pub fn without_contacts(mut self) -> Self {
        if let Intent::Transfer { recipient: Some(recipient), .. } = &mut self.intent {
            recipient.name = initials(&recipient.name);
        }
        self
    }
}

impl HasEvents for Session {
    fn event_count_mut(&mut self) -> &mut i64 {
        &mut self.event_count
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
            status: SessionStatus::Active,
            intent: Intent::Checkout { source_id: SourceId(1), payer_account_id: None },
            expires_at: MerchantTime(expires_at),
            created_at: MerchantTime(0),
            event_count: 0,
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
