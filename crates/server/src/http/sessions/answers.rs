//! What calls on sessions answer.

use domain::session::{Session, SessionKind};
use domain::source::SourceType;
use domain::time::Timestamp;
use serde::Serialize;

use crate::http::answer::{Amount, Time};

/// A session of any kind.
#[derive(Serialize)]
#[serde(untagged)]
pub enum SessionAnswer {
    /// The customer's document has this table, field for field.
    Checkout {
        id: i64,
        source_id: Option<i64>,
        source_type: Option<&'static str>,
        status: &'static str,
        payment_account_id: Option<i64>,
        #[serde(flatten)]
        times: Times,
    },
    /// Both dialects' names of the account have the same value.
    Payout {
        id: i64,
        wallet_id: Option<i64>,
        payment_account_id: Option<i64>,
        payout_account_id: Option<i64>,
        #[serde(flatten)]
        money: Price,
        status: &'static str,
        #[serde(flatten)]
        times: Times,
    },
    Transfer {
        id: i64,
        from_wallet_id: Option<i64>,
        to_counterparty_id: Option<i64>,
        #[serde(flatten)]
        money: Price,
        status: &'static str,
        #[serde(flatten)]
        times: Times,
    },
    Refund {
        id: i64,
        original_payment_intent_id: Option<i64>,
        #[serde(flatten)]
        money: Price,
        reason: Option<String>,
        status: &'static str,
        #[serde(flatten)]
        times: Times,
    },
}

#[derive(Serialize)]
pub struct Price {
    amount: Option<Amount>,
    currency: Option<String>,
}

#[derive(Serialize)]
pub struct Times {
    expires_at: Time,
    created_at: Time,
    updated_at: Time,
}

impl SessionAnswer {
    /// A session as it is at the merchant's `time`; the type is a checkout's source's.
    pub fn new(session: Session, source_type: Option<SourceType>, time: Timestamp) -> Self {
        let id = session.id.0;
        let status = session.status_at(time).as_str();
        let times = Times {
            expires_at: Time(session.expires_at),
            created_at: Time(session.created_at),
            updated_at: Time(session.updated_at),
        };
        let money =
            Price { amount: session.amount.map(Amount), currency: session.amount.map(|amount| amount.currency.to_string()) };
        let wallet_id = session.wallet_id.map(|id| id.0);
        let payment_account_id = session.payment_account_id.map(|id| id.0);
        match session.kind {
            SessionKind::Checkout => Self::Checkout {
                id,
                source_id: session.source_id.map(|id| id.0),
                source_type: source_type.map(SourceType::as_str),
                status,
                payment_account_id,
                times,
            },
            SessionKind::Payout => {
                Self::Payout { id, wallet_id, payment_account_id, payout_account_id: payment_account_id, money, status, times }
            }
            SessionKind::Transfer => Self::Transfer {
                id,
                from_wallet_id: wallet_id,
                to_counterparty_id: session.counterparty_id.map(|id| id.0),
                money,
                status,
                times,
            },
            SessionKind::Refund => Self::Refund {
                id,
                original_payment_intent_id: session.original_execution_id.map(|id| id.0),
                money,
                reason: session.reason,
                status,
                times,
            },
        }
    }

    pub const fn id(&self) -> i64 {
        match self {
            Self::Checkout { id, .. } | Self::Payout { id, .. } | Self::Transfer { id, .. } | Self::Refund { id, .. } => *id,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::currency::Currency;
    use domain::ids::{CounterpartyId, ExecutionId, MerchantId, PaymentAccountId, SessionId, SourceId, WalletId};
    use domain::money::Money;
    use domain::session::SessionStatus;
    use domain::time::minutes;

    const AT: Timestamp = Timestamp(1_795_348_800_000_000);
    const TIMES: &str =
        r#""expires_at":"2026-11-22T12:30:00Z","created_at":"2026-11-22T12:00:00Z","updated_at":"2026-11-22T12:00:00Z"}"#;

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
            r#"{"id":7,"from_wallet_id":3,"to_counterparty_id":5,"amount":500.00,"currency":"USD","status":"ACTIVE","#
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
