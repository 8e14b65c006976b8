//! Responses about sessions.

use std::borrow::Cow;
use std::marker::PhantomData;

use domain::kernel::money::Money;
use domain::kernel::time::MerchantTime;
use domain::ledger::wallet::OwnerType;
use domain::payments::session::{Intent, Recipient, Session, SessionStatus};
use domain::sales::source::SourceType;
use schemars::{JsonSchema, Schema};
use serde::Serialize;

use crate::api::fields::{Code, Name, NeverNull, Schemas, one_object};
use crate::api::response::{Amount, Time};

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

/// A new session, which the document describes as `R`: the response of its kind.
#[derive(Serialize)]
#[serde(transparent)]
pub struct NewSessionResponse<R> {
    session: SessionResponse,
    #[serde(skip)]
    kind: PhantomData<R>,
}

impl<R> From<SessionResponse> for NewSessionResponse<R> {
    fn from(session: SessionResponse) -> Self {
        Self { session, kind: PhantomData }
    }
}

impl<R: JsonSchema> JsonSchema for NewSessionResponse<R> {
    fn inline_schema() -> bool {
        R::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        R::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        R::schema_id()
    }

    fn json_schema(schemas: &mut Schemas) -> Schema {
        R::json_schema(schemas)
    }
}

/// A checkout session. It has exactly the fields of the customer's document.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "CheckoutSessionAnswer")]
pub struct CheckoutSessionResponse {
    id: i64,
    source_id: i64,
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
    wallet_id: i64,
    payment_account_id: i64,
    payout_account_id: i64,
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
    from_wallet_id: i64,
    to_counterparty_id: i64,
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
    original_payment_intent_id: i64,
    #[serde(flatten)]
    money: SessionAmount,
    reason: Option<String>,
    status: Name<SessionStatus>,
    #[serde(flatten)]
    times: SessionTimes,
}

#[derive(Serialize, JsonSchema)]
struct SessionAmount {
    amount: Amount,
    currency: Code,
}

impl From<Money> for SessionAmount {
    fn from(money: Money) -> Self {
        Self { amount: Amount(money), currency: Code(money.currency) }
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

impl SessionResponse {
    /// The session as of the merchant's `time`. Only checkouts have a `source_type`.
    pub fn new(session: Session, source_type: Option<SourceType>, time: MerchantTime) -> Self {
        let id = session.id.0;
        let status = Name(session.status_at(time));
        let times = SessionTimes::of(&session, time);
        match session.intent {
            Intent::Checkout { source_id, payer_account_id } => {
                Self::Checkout(CheckoutSessionResponse {
                    id,
                    source_id: source_id.0,
                    source_type: NeverNull(source_type.map(Name)),
                    status,
                    payment_account_id: payer_account_id.map(|id| id.0),
                    times,
                })
            }
            Intent::Payout { wallet_id, payee_account_id, amount } => {
                Self::Payout(PayoutSessionResponse {
                    id,
                    wallet_id: wallet_id.0,
                    payment_account_id: payee_account_id.0,
                    payout_account_id: payee_account_id.0,
                    money: amount.into(),
                    status,
                    times,
                })
            }
            Intent::Transfer { wallet_id, counterparty_id, recipient, amount, .. } => {
                Self::Transfer(TransferSessionResponse {
                    id,
                    from_wallet_id: wallet_id.0,
                    to_counterparty_id: counterparty_id.0,
                    recipient: recipient.map(Into::into),
                    money: amount.into(),
                    status,
                    times,
                })
            }
            Intent::Refund { original_execution_id, amount, reason, .. } => {
                Self::Refund(RefundSessionResponse {
                    id,
                    original_payment_intent_id: original_execution_id.0,
                    money: amount.into(),
                    reason,
                    status,
                    times,
                })
            }
        }
    }

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
        CounterpartyId, ExecutionId, MerchantId, PartyId, PaymentAccountId, SessionId, SourceId,
        WalletId,
    };
    use domain::kernel::time::minutes;
    use domain::ledger::wallet::Owner;
    use domain::payments::session::SessionKind;

    const AT: MerchantTime = MerchantTime(1_795_348_800_000_000);
    const TIMES: &str = r#""expires_at":"2026-11-22T12:30:00.000000Z","created_at":"2026-11-22T12:00:00.000000Z","updated_at":"2026-11-22T12:00:00.000000Z"}"#;

    fn intent(kind: SessionKind) -> Intent {
        let wallet_id = WalletId(3);
        let account_id = PaymentAccountId(18);
        let amount = Money::new(50_000, Currency::parse("USD").unwrap());
        match kind {
            SessionKind::Checkout => {
                Intent::Checkout { source_id: SourceId(101), payer_account_id: Some(account_id) }
            }
            SessionKind::Payout => {
                Intent::Payout { wallet_id, payee_account_id: account_id, amount }
            }
            SessionKind::Transfer => Intent::Transfer {
                wallet_id,
                counterparty_id: CounterpartyId(5),
                party_id: PartyId(6),
                recipient: Some(Recipient {
                    owner: Owner::Merchant(MerchantId(2)),
                    name: "Shop".to_owned(),
                }),
                amount,
            },
            SessionKind::Refund => Intent::Refund {
                original_execution_id: ExecutionId(9),
                wallet_id,
                amount,
                reason: None,
                payer_account_id: None,
            },
        }
    }

    fn written(kind: SessionKind, time: MerchantTime) -> String {
        let session = Session {
            id: SessionId(7),
            merchant_id: MerchantId(1),
            status: SessionStatus::Active,
            intent: intent(kind),
            expires_at: AT.plus(minutes(30)),
            created_at: AT,
            event_count: 0,
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
