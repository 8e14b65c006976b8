//! Stripe's objects, and how they are shown.

use serde_json::{Map, Value, json};

use super::cards::Card;
use crate::clock::{iso, seconds};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum IntentStatus {
    RequiresPaymentMethod,
    RequiresConfirmation,
    RequiresAction,
    Processing,
    Canceled,
    Succeeded,
}

impl IntentStatus {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::RequiresPaymentMethod => "requires_payment_method",
            Self::RequiresConfirmation => "requires_confirmation",
            Self::RequiresAction => "requires_action",
            Self::Processing => "processing",
            Self::Canceled => "canceled",
            Self::Succeeded => "succeeded",
        }
    }
}

/// A PaymentMethod that is attached to an intent.
#[derive(Clone, Debug)]
pub(crate) struct Method {
    pub id: String,
    pub card: &'static Card,
}

/// Amounts are in minor units, times in milliseconds.
#[derive(Clone, Debug)]
pub(crate) struct Intent {
    pub number: u64,
    pub id: String,
    pub client_secret: String,
    pub amount: i64,
    pub received: i64,
    pub currency: String,
    pub status: IntentStatus,
    /// What it shows in place of a status that is not final.
    pub word: Option<String>,
    pub method: Option<Method>,
    pub metadata: Map<String, Value>,
    pub description: Option<String>,
    pub receipt_email: Option<String>,
    pub return_url: Option<String>,
    /// `automatic_payment_methods`; `None` where types were listed.
    pub automatic: Option<Value>,
    pub created: i64,
    pub canceled_at: Option<i64>,
    pub cancellation_reason: Option<String>,
    pub latest_charge: Option<String>,
    pub last_error: Option<Value>,
    /// Where the payer authenticates; `None` where the page does it with Stripe.js.
    pub redirect_to: Option<String>,
    /// The Checkout Session that it belongs to.
    pub session: Option<String>,
    /// What a fault lets it receive.
    pub other_amount: Option<i64>,
}

impl Intent {
    fn next_action(&self) -> Value {
        match (self.status, &self.redirect_to) {
            (IntentStatus::RequiresAction, Some(url)) => json!({
                "type": "redirect_to_url",
                "redirect_to_url": { "url": url, "return_url": self.return_url },
            }),
            (IntentStatus::RequiresAction, None) => json!({
                "type": "use_stripe_sdk",
                "use_stripe_sdk": { "type": "three_d_secure_redirect" },
            }),
            _ => Value::Null,
        }
    }

    pub(crate) fn show(&self) -> Value {
        let is_final = matches!(self.status, IntentStatus::Canceled | IntentStatus::Succeeded);
        let word = self.word.as_deref().filter(|_| !is_final);
        json!({
            "id": self.id,
            "object": "payment_intent",
            "amount": self.amount,
            "amount_capturable": 0,
            "amount_received": self.received,
            "automatic_payment_methods": self.automatic,
            "canceled_at": self.canceled_at.map(seconds),
            "cancellation_reason": self.cancellation_reason,
            "capture_method": "automatic",
            "client_secret": self.client_secret,
            "confirmation_method": "automatic",
            "created": seconds(self.created),
            "currency": self.currency,
            "customer": null,
            "description": self.description,
            "last_payment_error": self.last_error,
            "latest_charge": self.latest_charge,
            "livemode": false,
            "metadata": self.metadata,
            "next_action": self.next_action(),
            "payment_method": self.method.as_ref().map(|method| &method.id),
            "payment_method_types": ["card"],
            "receipt_email": self.receipt_email,
            "status": word.unwrap_or_else(|| self.status.name()),
        })
    }

    pub(crate) fn entry(&self) -> Value {
        json!({
            "id": self.id,
            "status": self.status.name(),
            "asked_minor": self.amount,
            "received_minor": self.received,
            "currency": self.currency,
            "metadata": self.metadata,
            "session": self.session,
            "created": iso(self.created),
        })
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Charge {
    pub number: u64,
    pub id: String,
    pub intent: String,
    pub method: Option<Method>,
    pub amount: i64,
    pub refunded: i64,
    pub currency: String,
    pub metadata: Map<String, Value>,
    /// Error code and decline code of a charge that was declined.
    pub failure: Option<(String, String)>,
    pub disputed: bool,
    pub created: i64,
    pub balance_transaction: Option<String>,
}

impl Charge {
    pub(crate) fn show(&self) -> Value {
        let paid = self.failure.is_none();
        let last4 = self.method.as_ref().map(|method| {
            let number = method.card.number;
            number.get(number.len().saturating_sub(4)..).unwrap_or_default()
        });
        let message = self.failure.as_ref().map(|(code, _)| super::cards::decline_message(code));
        json!({
            "id": self.id,
            "object": "charge",
            "amount": self.amount,
            "amount_captured": if paid { self.amount } else { 0 },
            "amount_refunded": self.refunded,
            "balance_transaction": self.balance_transaction,
            "captured": paid,
            "created": seconds(self.created),
            "currency": self.currency,
            "disputed": self.disputed,
            "failure_code": self.failure.as_ref().map(|(code, _)| code),
            "failure_message": message,
            "livemode": false,
            "metadata": self.metadata,
            "outcome": {
                "network_decline_code": self.failure.as_ref().map(|_| "05"),
                "network_status": if paid { "approved_by_network" } else { "declined_by_network" },
                "reason": self.failure.as_ref().map(|(_, decline)| decline),
                "type": if paid { "authorized" } else { "issuer_declined" },
            },
            "paid": paid,
            "payment_intent": self.intent,
            "payment_method": self.method.as_ref().map(|method| &method.id),
            "payment_method_details": {
                "type": "card",
                "card": { "brand": "visa", "last4": last4, "exp_month": 12, "exp_year": 2034 },
            },
            "refunded": self.refunded >= self.amount && paid,
            "status": if paid { "succeeded" } else { "failed" },
        })
    }

    pub(crate) fn entry(&self) -> Value {
        json!({
            "id": self.id,
            "payment_intent": self.intent,
            "paid": self.failure.is_none(),
            "minor": self.amount,
            "refunded_minor": self.refunded,
            "currency": self.currency,
            "disputed": self.disputed,
        })
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Refund {
    pub number: u64,
    pub id: String,
    pub charge: String,
    pub intent: String,
    pub amount: i64,
    pub currency: String,
    pub reason: Option<String>,
    /// `pending`, `requires_action`, `succeeded`, `failed`, `canceled`.
    pub status: String,
    pub failure_reason: Option<String>,
    pub metadata: Map<String, Value>,
    pub created: i64,
    pub balance_transaction: Option<String>,
    pub failure_balance_transaction: Option<String>,
}

impl Refund {
    pub(crate) fn show(&self) -> Value {
        let mut shown = json!({
            "id": self.id,
            "object": "refund",
            "amount": self.amount,
            "balance_transaction": self.balance_transaction,
            "charge": self.charge,
            "created": seconds(self.created),
            "currency": self.currency,
            "metadata": self.metadata,
            "payment_intent": self.intent,
            "reason": self.reason,
            "receipt_number": null,
            "status": self.status,
        });
        if let Some(object) = shown.as_object_mut() {
            let mut put = |name: &str, value: Value| object.insert(name.to_owned(), value);
            if let Some(reason) = &self.failure_reason {
                put("failure_reason", json!(reason));
                put("failure_balance_transaction", json!(self.failure_balance_transaction));
            }
            if self.status == "pending" {
                put("pending_reason", json!("processing"));
            }
        }
        shown
    }

    pub(crate) fn entry(&self) -> Value {
        json!({
            "id": self.id,
            "payment_intent": self.intent,
            "status": self.status,
            "minor": self.amount,
            "currency": self.currency,
            "metadata": self.metadata,
        })
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Dispute {
    pub number: u64,
    pub id: String,
    pub charge: String,
    pub intent: String,
    pub amount: i64,
    pub currency: String,
    pub reason: String,
    pub status: String,
    pub created: i64,
    pub due_by: i64,
    pub balance_transactions: Vec<String>,
}

impl Dispute {
    pub(crate) fn show(&self) -> Value {
        json!({
            "id": self.id,
            "object": "dispute",
            "amount": self.amount,
            "balance_transactions": self.balance_transactions,
            "charge": self.charge,
            "created": seconds(self.created),
            "currency": self.currency,
            "evidence_details": {
                "due_by": seconds(self.due_by),
                "has_evidence": false,
                "past_due": false,
                "submission_count": 0,
            },
            "is_charge_refundable": false,
            "livemode": false,
            "metadata": {},
            "payment_intent": self.intent,
            "reason": self.reason,
            "status": self.status,
        })
    }

    pub(crate) fn entry(&self) -> Value {
        json!({
            "id": self.id,
            "payment_intent": self.intent,
            "status": self.status,
            "minor": self.amount,
            "currency": self.currency,
        })
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub number: u64,
    pub id: String,
    pub amount: i64,
    pub currency: String,
    pub product: String,
    pub client_reference_id: Option<String>,
    pub customer_email: Option<String>,
    pub success_url: String,
    pub cancel_url: Option<String>,
    pub url: String,
    pub created: i64,
    pub expires_at: i64,
    pub metadata: Map<String, Value>,
    pub intent_metadata: Map<String, Value>,
    pub intent_description: Option<String>,
    /// Made when the payer first tries to pay.
    pub intent: Option<String>,
    /// `open`, `complete`, `expired`.
    pub status: &'static str,
    pub paid: bool,
}

impl Session {
    pub(crate) fn show(&self) -> Value {
        json!({
            "id": self.id,
            "object": "checkout.session",
            "amount_subtotal": self.amount,
            "amount_total": self.amount,
            "cancel_url": self.cancel_url,
            "client_reference_id": self.client_reference_id,
            "created": seconds(self.created),
            "currency": self.currency,
            "customer": null,
            "customer_email": self.customer_email,
            "expires_at": seconds(self.expires_at),
            "livemode": false,
            "metadata": self.metadata,
            "mode": "payment",
            "payment_intent": self.intent,
            "payment_method_types": ["card"],
            "payment_status": if self.paid { "paid" } else { "unpaid" },
            "status": self.status,
            "success_url": self.success_url,
            "url": (self.status == "open").then_some(&self.url),
        })
    }

    pub(crate) fn entry(&self) -> Value {
        json!({
            "id": self.id,
            "status": self.status,
            "paid": self.paid,
            "payment_intent": self.intent,
            "minor": self.amount,
            "currency": self.currency,
            "client_reference_id": self.client_reference_id,
        })
    }
}

#[derive(Clone, Debug)]
pub(crate) struct BalanceTransaction {
    pub number: u64,
    pub id: String,
    /// `charge`, `refund`, `refund_failure`, `adjustment`, `payout`.
    pub kind: &'static str,
    pub category: &'static str,
    pub source: String,
    pub amount: i64,
    pub fee: i64,
    pub currency: String,
    /// By which it was exchanged from the payment's currency: `0.00071`.
    pub rate: Option<String>,
    pub created: i64,
    pub available_on: i64,
    /// The payout to the bank that it was part of.
    pub payout: Option<String>,
}

impl BalanceTransaction {
    pub(crate) const fn net(&self) -> i64 {
        self.amount - self.fee
    }

    pub(crate) fn show(&self, now: i64) -> Value {
        // A JSON number as it was written, which no float has changed.
        let rate = self.rate.as_ref().and_then(|rate| serde_json::from_str::<Value>(rate).ok());
        json!({
            "id": self.id,
            "object": "balance_transaction",
            "amount": self.amount,
            "available_on": seconds(self.available_on),
            "created": seconds(self.created),
            "currency": self.currency,
            "description": null,
            "exchange_rate": rate,
            "fee": self.fee,
            "fee_details": if self.fee == 0 { json!([]) } else { json!([{
                "amount": self.fee,
                "application": null,
                "currency": self.currency,
                "description": "Stripe processing fees",
                "type": "stripe_fee",
            }]) },
            "net": self.net(),
            "reporting_category": self.category,
            "source": self.source,
            "status": if self.available_on <= now { "available" } else { "pending" },
            "type": self.kind,
        })
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Payout {
    pub number: u64,
    pub id: String,
    pub amount: i64,
    pub currency: String,
    pub created: i64,
    pub balance_transaction: String,
}

impl Payout {
    pub(crate) fn show(&self) -> Value {
        json!({
            "id": self.id,
            "object": "payout",
            "amount": self.amount,
            "arrival_date": seconds(self.created),
            "automatic": true,
            "balance_transaction": self.balance_transaction,
            "created": seconds(self.created),
            "currency": self.currency,
            "livemode": false,
            "method": "standard",
            "reconciliation_status": "completed",
            "status": "paid",
            "type": "bank_account",
        })
    }
}
