//! Payloads that declare sessions.

use std::borrow::Cow;

use domain::kernel::currency::Currency;
use domain::kernel::ids::{CounterpartyId, ExecutionId, PaymentAccountId, SourceId, WalletId};
use domain::kernel::money::{Decimal, Money};
use domain::kernel::refusal::{Refusal, Subject};
use domain::payments::create_session::NewSession;
use domain::sales::source::SourceType;
use schemars::{JsonSchema, Schema};

use crate::api::fields::{Expiry, Fields, Id, Payload, Schemas, Text, one_object};
use crate::api::refusals::usual_field;
use crate::api::response::Limit;
use crate::payload;

payload! {
    /// Declares a checkout: the collection of an invoice or order.
    pub struct CreateCheckoutSession {
        /// The invoice or order.
        source_id: Id,
        /// The type: invoice or order.
        source_type: SourceType,
    }

    /// Declares a payout, with the field names of the customer's document.
    pub struct CreatePayoutSession {
        /// The wallet to debit.
        wallet_id: Id,
        /// The account to pay to.
        payment_account_id: Id,
        /// The amount.
        amount: Money,
        /// The currency of the amount.
        currency: Currency,
        /// When the session expires.
        expires_at: Expiry,
    }

    /// Declares a payout, with the field names of the newer reference.
    pub struct CreatePayoutSessionToAccount {
        /// The account to pay to.
        payout_account_id: Id,
        /// The amount.
        amount: Money,
        /// The currency of the amount.
        currency: Currency,
        /// The wallet to debit. Without it the merchant's wallet of the currency.
        wallet_id: Option<Id>,
        /// When the session expires. Without it after the time that the operator has set: a quarter
        /// of an hour by default.
        expires_at: Option<Expiry>,
    }

    /// Declares a transfer to a counterparty.
    pub struct CreateTransferSession {
        /// The wallet to debit.
        from_wallet_id: Id,
        /// The receiver.
        to_counterparty_id: Id,
        /// The amount.
        amount: Money,
        /// The currency of the amount.
        currency: Currency,
        /// When the session expires.
        expires_at: Expiry,
    }

    /// Declares a refund: a payment is given back in full or in part.
    pub struct CreateRefundSession {
        /// The payment.
        original_payment_intent_id: Id,
        /// The amount, in the payer's currency.
        amount: Decimal,
        /// When the session expires.
        expires_at: Expiry,
        /// The reason for the refund.
        reason: Option<Text<255>>,
    }

    /// The page of sessions.
    pub struct ListSessions {
        /// The maximum number of entries in the answer.
        limit: Option<Limit>,
        /// The id of the last entry of the previous page.
        after_id: Option<Id>,
    }
}

/// A payout session in either dialect.
pub enum AnyPayoutSession {
    /// With the field names of the customer's document.
    Document(CreatePayoutSession),
    /// With the field names of the newer reference.
    Reference(CreatePayoutSessionToAccount),
}

impl Payload for AnyPayoutSession {
    /// A body with a `payout_account_id` is the newer dialect; the faults of any other are named by
    /// the document's fields.
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        if fields.get("payout_account_id").is_some() {
            Payload::read(fields).map(Self::Reference)
        } else {
            Payload::read(fields).map(Self::Document)
        }
    }
}

impl JsonSchema for AnyPayoutSession {
    fn schema_name() -> Cow<'static, str> {
        "CreatePayoutSession".into()
    }

    /// One object with the fields of both: generators make one type of it, and of a choice between
    /// two none that works.
    fn json_schema(schemas: &mut Schemas) -> Schema {
        let forms = [
            CreatePayoutSession::json_schema(schemas),
            CreatePayoutSessionToAccount::json_schema(schemas),
        ];
        one_object(
            "Declares a payout. It needs `payout_account_id`, or `payment_account_id` with `wallet_id` and `expires_at`. Both name \
             the account to pay to.",
            &forms,
        )
    }
}

/// The amount of a checkout session is that of its source.
pub const fn checkout_field(refusal: &Refusal) -> Option<&'static str> {
    match refusal.subject() {
        Subject::Amount => Some("source_id"),
        _ => usual_field(refusal),
    }
}

pub const fn payout_to_account_field(refusal: &Refusal) -> Option<&'static str> {
    match refusal.subject() {
        Subject::Account => Some("payout_account_id"),
        _ => usual_field(refusal),
    }
}

pub const fn transfer_field(refusal: &Refusal) -> Option<&'static str> {
    match refusal.subject() {
        Subject::Wallet => Some("from_wallet_id"),
        Subject::Counterparty => Some("to_counterparty_id"),
        _ => usual_field(refusal),
    }
}

impl From<CreateCheckoutSession> for NewSession {
    fn from(payload: CreateCheckoutSession) -> Self {
        Self::Checkout { kind: payload.source_type, source_id: SourceId(payload.source_id.0) }
    }
}

impl From<AnyPayoutSession> for NewSession {
    fn from(payload: AnyPayoutSession) -> Self {
        match payload {
            AnyPayoutSession::Document(payload) => Self::Payout {
                wallet_id: Some(WalletId(payload.wallet_id.0)),
                account_id: PaymentAccountId(payload.payment_account_id.0),
                amount: payload.amount,
                expires_at: Some(payload.expires_at.0),
            },
            AnyPayoutSession::Reference(payload) => Self::Payout {
                wallet_id: payload.wallet_id.map(|id| WalletId(id.0)),
                account_id: PaymentAccountId(payload.payout_account_id.0),
                amount: payload.amount,
                expires_at: payload.expires_at.map(|expiry| expiry.0),
            },
        }
    }
}

impl From<CreateTransferSession> for NewSession {
    fn from(payload: CreateTransferSession) -> Self {
        Self::Transfer {
            wallet_id: WalletId(payload.from_wallet_id.0),
            counterparty_id: CounterpartyId(payload.to_counterparty_id.0),
            amount: payload.amount,
            expires_at: payload.expires_at.0,
        }
    }
}

impl From<CreateRefundSession> for NewSession {
    fn from(payload: CreateRefundSession) -> Self {
        Self::Refund {
            original_id: ExecutionId(payload.original_payment_intent_id.0),
            amount: payload.amount,
            expires_at: payload.expires_at.0,
            reason: payload.reason.map(|text| text.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::fields;
    use crate::api::sessions::CreateSession;
    use serde_json::{Value, json};

    fn payout(body: &Value) -> Result<NewSession, Vec<String>> {
        let read = fields::read::<AnyPayoutSession>(body.as_object().unwrap(), None);
        read.map(NewSession::from)
            .map_err(|faults| faults.iter().map(|fault| format!("{:?}", fault.loc[0])).collect())
    }

    /// The field on which the refusal of the account is reported.
    fn account_field(body: &Value) -> Option<&'static str> {
        let payload = fields::read::<AnyPayoutSession>(body.as_object().unwrap(), None).unwrap();
        payload.fields()(&Refusal::AccountInactive)
    }

    #[test]
    fn the_documents_sample_is_read() {
        let body = json!({
            "wallet_id": 3, "payment_account_id": 18, "amount": 500.00, "currency": "USD",
            "expires_at": "2025-06-15T18:00:00Z", "payout_account_id": null,
        });
        let Ok(NewSession::Payout { wallet_id, account_id, amount, expires_at }) = payout(&body)
        else {
            panic!("not a payout")
        };
        assert_eq!(account_field(&body), Some("payment_account_id"));
        assert_eq!((wallet_id, account_id), (Some(WalletId(3)), PaymentAccountId(18)));
        assert_eq!((amount.minor, amount.currency.code()), (50_000, "USD"));
        assert_eq!(expires_at.unwrap().to_string(), "2025-06-15T18:00:00Z");
    }

    #[test]
    fn the_reference_needs_less() {
        let body = json!({"payout_account_id": "18", "amount": 5, "currency": "USD"});
        let Ok(NewSession::Payout { wallet_id: None, account_id, expires_at: None, .. }) =
            payout(&body)
        else {
            panic!("not a payout of the newer dialect")
        };
        assert_eq!(account_field(&body), Some("payout_account_id"));
        assert_eq!(account_id, PaymentAccountId(18));
    }

    #[test]
    fn what_is_missing_is_named_by_the_dialect() {
        let named = |names: &[&str]| {
            Err(names.iter().map(|name| format!("Name({name:?})")).collect::<Vec<_>>())
        };
        assert_eq!(
            payout(&json!({})),
            named(&["wallet_id", "payment_account_id", "amount", "currency", "expires_at"])
        );
        assert_eq!(payout(&json!({"payout_account_id": 1})), named(&["amount", "currency"]));
    }
}
