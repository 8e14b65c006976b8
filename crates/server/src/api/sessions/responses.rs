//! Responses about sessions.

use std::borrow::Cow;

use domain::kernel::time::MerchantTime;
use domain::ledger::wallet::OwnerType;
use domain::payments::session::{Recipient, Session, SessionKind, SessionStatus};
use domain::sales::source::SourceType;
use schemars::{JsonSchema, Schema};
use serde::Serialize;

use crate::api::fields::{Code, Name, NeverNull, Schemas, one_object};
use crate::api::response::{Amount, Time};

/// A response about a session: of one kind, or of any kind.
pub trait SessionView: Serialize + JsonSchema + Sized + Send + 'static {
    /// The session as of the merchant's `time`. Only checkouts have a `source_type`.
    fn new(session: Session, source_type: Option<SourceType>, time: MerchantTime) -> Self;
}

/// A session of any kind.
#[derive(Serialize)]
#[serde(untagged)]
pub enum SessionResponse {
    Checkout(CheckoutSessionResponse),
    Payout(PayoutSessionResponse),
    Transfer(TransferSessionResponse),
    Refund(RefundSessionResponse),
}

impl JsonSchema for SessionResponse {
    fn schema_name() -> Cow<'static, str> {
        "SessionAnswer".into()
    }

    fn json_schema(schemas: &mut Schemas) -> Schema {
        let forms = [
            CheckoutSessionResponse::json_schema(schemas),
            PayoutSessionResponse::json_schema(schemas),
            TransferSessionResponse::json_schema(schemas),
            RefundSessionResponse::json_schema(schemas),
        ];
        one_object("A session of any kind: it has the fields of its kind.", &forms)
    }
}

/// A checkout session. It has exactly the fields of the customer's document.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "CheckoutSessionAnswer")]
pub struct CheckoutSessionResponse {
    id: i64,
    source_id: NeverNull<i64>,
    source_type: NeverNull<Name<SourceType>>,
    status: Name<SessionStatus>,
    /// The account that was collected from; null until the session is executed.
    payment_account_id: Option<i64>,
    #[serde(flatten)]
    times: SessionTimes,
}

/// A payout session. Both names of the account have the same value.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "PayoutSessionAnswer")]
pub struct PayoutSessionResponse {
    id: i64,
    wallet_id: NeverNull<i64>,
    payment_account_id: NeverNull<i64>,
    payout_account_id: NeverNull<i64>,
    #[serde(flatten)]
    money: SessionAmount,
    status: Name<SessionStatus>,
    #[serde(flatten)]
    times: SessionTimes,
}

/// A transfer session: money moves between wallets.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "TransferSessionAnswer")]
pub struct TransferSessionResponse {
    id: i64,
    from_wallet_id: NeverNull<i64>,
    to_counterparty_id: NeverNull<i64>,
    #[schemars(
        description = "Who receives; null where it was carried out, withdrawn or expired before this was written down."
    )]
    recipient: Option<RecipientResponse>,
    #[serde(flatten)]
    money: SessionAmount,
    status: Name<SessionStatus>,
    #[serde(flatten)]
    times: SessionTimes,
}

/// The receiver of a transfer, which is fixed when the transfer is declared.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "RecipientAnswer")]
struct RecipientResponse {
    /// `MERCHANT` if a merchant has the party's phone, otherwise `PARTY`.
    #[serde(rename = "type")]
    kind: Name<OwnerType>,
    name: String,
}

impl From<Recipient> for RecipientResponse {
    fn from(recipient: Recipient) -> Self {
        Self { kind: Name(recipient.owner.parts().0), name: recipient.name }
    }
}

/// A refund session.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "RefundSessionAnswer")]
pub struct RefundSessionResponse {
    id: i64,
    original_payment_intent_id: NeverNull<i64>,
    #[serde(flatten)]
    money: SessionAmount,
    reason: Option<String>,
    status: Name<SessionStatus>,
    #[serde(flatten)]
    times: SessionTimes,
}

#[derive(Serialize, JsonSchema)]
struct SessionAmount {
    amount: NeverNull<Amount>,
    currency: NeverNull<Code>,
}

impl SessionAmount {
    fn of(session: &Session) -> Self {
        Self {
            amount: NeverNull(session.amount.map(Amount)),
            currency: NeverNull(session.amount.map(|amount| Code(amount.currency))),
        }
    }
}

#[derive(Serialize, JsonSchema)]
struct SessionTimes {
    expires_at: Time,
    created_at: Time,
    updated_at: Time,
}

impl SessionTimes {
    fn of(session: &Session, time: MerchantTime) -> Self {
        Self {
            expires_at: Time::from(session.expires_at),
            created_at: Time::from(session.created_at),
            updated_at: Time::from(session.updated_at_as_of(time)),
        }
    }
}

impl SessionView for CheckoutSessionResponse {
    fn new(session: Session, source_type: Option<SourceType>, time: MerchantTime) -> Self {
        Self {
            id: session.id.0,
            source_id: NeverNull(session.source_id.map(|id| id.0)),
            source_type: NeverNull(source_type.map(Name)),
            status: Name(session.status_at(time)),
            payment_account_id: session.payment_account_id.map(|id| id.0),
            times: SessionTimes::of(&session, time),
        }
    }
}

impl SessionView for PayoutSessionResponse {
    fn new(session: Session, _: Option<SourceType>, time: MerchantTime) -> Self {
        let account = NeverNull(session.payment_account_id.map(|id| id.0));
        Self {
            id: session.id.0,
            wallet_id: NeverNull(session.wallet_id.map(|id| id.0)),
            payment_account_id: account,
            payout_account_id: account,
            money: SessionAmount::of(&session),
            status: Name(session.status_at(time)),
            times: SessionTimes::of(&session, time),
        }
    }
}

impl SessionView for TransferSessionResponse {
    fn new(session: Session, _: Option<SourceType>, time: MerchantTime) -> Self {
        Self {
            id: session.id.0,
            from_wallet_id: NeverNull(session.wallet_id.map(|id| id.0)),
            to_counterparty_id: NeverNull(session.counterparty_id.map(|id| id.0)),
            money: SessionAmount::of(&session),
            status: Name(session.status_at(time)),
            times: SessionTimes::of(&session, time),
            recipient: session.recipient.map(Into::into),
        }
    }
}

impl SessionView for RefundSessionResponse {
    fn new(session: Session, _: Option<SourceType>, time: MerchantTime) -> Self {
        Self {
            id: session.id.0,
            original_payment_intent_id: NeverNull(session.original_execution_id.map(|id| id.0)),
            money: SessionAmount::of(&session),
            status: Name(session.status_at(time)),
            times: SessionTimes::of(&session, time),
            reason: session.reason,
        }
    }
}

impl SessionView for SessionResponse {
    fn new(session: Session, source_type: Option<SourceType>, time: MerchantTime) -> Self {
        match session.kind {
            SessionKind::Checkout => Self::Checkout(SessionView::new(session, source_type, time)),
            SessionKind::Payout => Self::Payout(SessionView::new(session, source_type, time)),
            SessionKind::Transfer => Self::Transfer(SessionView::new(session, source_type, time)),
            SessionKind::Refund => Self::Refund(SessionView::new(session, source_type, time)),
        }
    }
}

impl SessionResponse {
    pub const fn id(&self) -> i64 {
        match self {
            Self::Checkout(session) => session.id,
            Self::Payout(session) => session.id,
            Self::Transfer(session) => session.id,
            Self::Refund(session) => session.id,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::kernel::currency::Currency;
    use domain::kernel::ids::{
        CounterpartyId, ExecutionId, MerchantId, PaymentAccountId, SessionId, SourceId, WalletId,
    };
    use domain::kernel::money::Money;
    use domain::kernel::time::minutes;
    use domain::ledger::wallet::Owner;

    const AT: MerchantTime = MerchantTime(1_795_348_800_000_000);
    const TIMES: &str = r#""expires_at":"2026-11-22T12:30:00.000000Z","created_at":"2026-11-22T12:00:00.000000Z","updated_at":"2026-11-22T12:00:00.000000Z"}"#;

    fn written(kind: SessionKind, time: MerchantTime) -> String {
        let session = Session {
            id: SessionId(7),
            merchant_id: MerchantId(1),
            kind,
            status: SessionStatus::Active,
            source_id: Some(SourceId(101)),
            wallet_id: Some(WalletId(3)),
            payment_account_id: Some(PaymentAccountId(18)),
            counterparty_id: Some(CounterpartyId(5)),
            party_id: None,
            recipient: Some(Recipient {
                owner: Owner::Merchant(MerchantId(2)),
                name: "Shop".to_owned(),
            }),
            original_execution_id: Some(ExecutionId(9)),
            amount: Some(Money::new(50_000, Currency::parse("USD").unwrap())),
            reason: None,
            expires_at: AT.plus(minutes(30)),
            created_at: AT,
            updated_at: AT,
        };
        let answer = SessionResponse::new(session, Some(SourceType::Invoice), time);
        let text = serde_json::to_string(&answer).unwrap();
        text.strip_suffix(TIMES).unwrap_or(&text).to_owned()
    }

    #[test]
    fn each_kind_has_its_own_fields() {
        assert_eq!(
            written(SessionKind::Checkout, AT),
            r#"{"id":7,"source_id":101,"source_type":"INVOICE","status":"ACTIVE","payment_account_id":18,"#
        );
        assert_eq!(
            written(SessionKind::Payout, AT),
            r#"{"id":7,"wallet_id":3,"payment_account_id":18,"payout_account_id":18,"amount":500.00,"currency":"USD","status":"ACTIVE","#
        );
        assert_eq!(
            written(SessionKind::Transfer, AT),
            r#"{"id":7,"from_wallet_id":3,"to_counterparty_id":5,"recipient":{"type":"MERCHANT","name":"Shop"},"amount":500.00,"currency":"USD","status":"ACTIVE","#
        );
        assert_eq!(
            written(SessionKind::Refund, AT),
            r#"{"id":7,"original_payment_intent_id":9,"amount":500.00,"currency":"USD","reason":null,"status":"ACTIVE","#
        );
    }

    #[test]
    fn a_session_is_expired_from_its_expiry_on() {
        assert!(written(SessionKind::Transfer, AT.plus(minutes(30) - 1)).contains("ACTIVE"));
        assert!(written(SessionKind::Transfer, AT.plus(minutes(30))).contains("EXPIRED"));
    }
}
