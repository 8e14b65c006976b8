//! What calls on sessions answer.

use std::borrow::Cow;

use domain::kernel::time::Timestamp;
use domain::ledger::wallet::OwnerType;
use domain::payments::session::{Recipient, Session, SessionKind, SessionStatus};
use domain::sales::source::SourceType;
use schemars::{JsonSchema, Schema};
use serde::Serialize;

use crate::api::answer::{Amount, Time};
use crate::api::fields::{Always, Code, Name, Schemas, one_object};

/// What a session is as an answer: one of a kind, or any.
pub trait SessionView: Serialize + JsonSchema + Sized + Send + 'static {
    /// A session as it is at the merchant's `time`; the type is a checkout's source's.
    fn new(session: Session, source_type: Option<SourceType>, time: Timestamp) -> Self;
}

/// A session of any kind.
#[derive(Serialize)]
#[serde(untagged)]
pub enum SessionAnswer {
    Checkout(CheckoutSessionAnswer),
    Payout(PayoutSessionAnswer),
    Transfer(TransferSessionAnswer),
    Refund(RefundSessionAnswer),
}

impl JsonSchema for SessionAnswer {
    fn schema_name() -> Cow<'static, str> {
        "SessionAnswer".into()
    }

    fn json_schema(schemas: &mut Schemas) -> Schema {
        let forms = [
            CheckoutSessionAnswer::json_schema(schemas),
            PayoutSessionAnswer::json_schema(schemas),
            TransferSessionAnswer::json_schema(schemas),
            RefundSessionAnswer::json_schema(schemas),
        ];
        one_object("A session of any kind: it has the fields of its kind.", &forms)
    }
}

/// An intent to collect. The customer's document has this table, field for field.
#[derive(Serialize, JsonSchema)]
pub struct CheckoutSessionAnswer {
    id: i64,
    source_id: Always<i64>,
    source_type: Always<Name<SourceType>>,
    status: Name<SessionStatus>,
    /// Where it was collected from; null until it is executed.
    payment_account_id: Option<i64>,
    #[serde(flatten)]
    times: Times,
}

/// An intent to pay out. Both dialects' names of the account have the same value.
#[derive(Serialize, JsonSchema)]
pub struct PayoutSessionAnswer {
    id: i64,
    wallet_id: Always<i64>,
    payment_account_id: Always<i64>,
    payout_account_id: Always<i64>,
    #[serde(flatten)]
    money: Price,
    status: Name<SessionStatus>,
    #[serde(flatten)]
    times: Times,
}

/// An intent to move money between wallets.
#[derive(Serialize, JsonSchema)]
pub struct TransferSessionAnswer {
    id: i64,
    from_wallet_id: Always<i64>,
    to_counterparty_id: Always<i64>,
    #[schemars(
        description = "Who receives; null where it was carried out, withdrawn or expired before this was written down."
    )]
    recipient: Option<RecipientAnswer>,
    #[serde(flatten)]
    money: Price,
    status: Name<SessionStatus>,
    #[serde(flatten)]
    times: Times,
}

/// Who receives a transfer. It is fixed when the transfer is declared.
#[derive(Serialize, JsonSchema)]
struct RecipientAnswer {
    /// `MERCHANT` where a merchant has the party's phone, else `PARTY`.
    #[serde(rename = "type")]
    kind: Name<OwnerType>,
    name: String,
}

impl From<Recipient> for RecipientAnswer {
    fn from(recipient: Recipient) -> Self {
        Self { kind: Name(recipient.owner.parts().0), name: recipient.name }
    }
}

/// An intent to give back.
#[derive(Serialize, JsonSchema)]
pub struct RefundSessionAnswer {
    id: i64,
    original_payment_intent_id: Always<i64>,
    #[serde(flatten)]
    money: Price,
    reason: Option<String>,
    status: Name<SessionStatus>,
    #[serde(flatten)]
    times: Times,
}

#[derive(Serialize, JsonSchema)]
struct Price {
    amount: Always<Amount>,
    currency: Always<Code>,
}

impl Price {
    fn of(session: &Session) -> Self {
        Self {
            amount: Always(session.amount.map(Amount)),
            currency: Always(session.amount.map(|amount| Code(amount.currency))),
        }
    }
}

#[derive(Serialize, JsonSchema)]
struct Times {
    expires_at: Time,
    created_at: Time,
    updated_at: Time,
}

impl Times {
    fn of(session: &Session, time: Timestamp) -> Self {
        Self {
            expires_at: Time(session.expires_at),
            created_at: Time(session.created_at),
            updated_at: Time(session.updated_at_as_of(time)),
        }
    }
}

impl SessionView for CheckoutSessionAnswer {
    fn new(session: Session, source_type: Option<SourceType>, time: Timestamp) -> Self {
        Self {
            id: session.id.0,
            source_id: Always(session.source_id.map(|id| id.0)),
            source_type: Always(source_type.map(Name)),
            status: Name(session.status_at(time)),
            payment_account_id: session.payment_account_id.map(|id| id.0),
            times: Times::of(&session, time),
        }
    }
}

impl SessionView for PayoutSessionAnswer {
    fn new(session: Session, _: Option<SourceType>, time: Timestamp) -> Self {
        let account = Always(session.payment_account_id.map(|id| id.0));
        Self {
            id: session.id.0,
            wallet_id: Always(session.wallet_id.map(|id| id.0)),
            payment_account_id: account,
            payout_account_id: account,
            money: Price::of(&session),
            status: Name(session.status_at(time)),
            times: Times::of(&session, time),
        }
    }
}

impl SessionView for TransferSessionAnswer {
    fn new(session: Session, _: Option<SourceType>, time: Timestamp) -> Self {
        Self {
            id: session.id.0,
            from_wallet_id: Always(session.wallet_id.map(|id| id.0)),
            to_counterparty_id: Always(session.counterparty_id.map(|id| id.0)),
            money: Price::of(&session),
            status: Name(session.status_at(time)),
            times: Times::of(&session, time),
            recipient: session.recipient.map(Into::into),
        }
    }
}

impl SessionView for RefundSessionAnswer {
    fn new(session: Session, _: Option<SourceType>, time: Timestamp) -> Self {
        Self {
            id: session.id.0,
            original_payment_intent_id: Always(session.original_execution_id.map(|id| id.0)),
            money: Price::of(&session),
            status: Name(session.status_at(time)),
            times: Times::of(&session, time),
            reason: session.reason,
        }
    }
}

impl SessionView for SessionAnswer {
    fn new(session: Session, source_type: Option<SourceType>, time: Timestamp) -> Self {
        match session.kind {
            SessionKind::Checkout => Self::Checkout(SessionView::new(session, source_type, time)),
            SessionKind::Payout => Self::Payout(SessionView::new(session, source_type, time)),
            SessionKind::Transfer => Self::Transfer(SessionView::new(session, source_type, time)),
            SessionKind::Refund => Self::Refund(SessionView::new(session, source_type, time)),
        }
    }
}

impl SessionAnswer {
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

    const AT: Timestamp = Timestamp(1_795_348_800_000_000);
    const TIMES: &str = r#""expires_at":"2026-11-22T12:30:00.000000Z","created_at":"2026-11-22T12:00:00.000000Z","updated_at":"2026-11-22T12:00:00.000000Z"}"#;

    fn written(kind: SessionKind, time: Timestamp) -> String {
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
        let answer = SessionAnswer::new(session, Some(SourceType::Invoice), time);
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
