//! Deposits, payouts and refunds, and how they are shown.

use serde_json::{Map, Value, json};

use crate::clock::iso;
use crate::money::text_of;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Operation {
    Deposit,
    Payout,
    Refund,
}

impl Operation {
    pub(crate) const ALL: [Self; 3] = [Self::Deposit, Self::Payout, Self::Refund];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Deposit => "DEPOSIT",
            Self::Payout => "PAYOUT",
            Self::Refund => "REFUND",
        }
    }

    /// The field that has the id.
    pub(crate) const fn id_field(self) -> &'static str {
        match self {
            Self::Deposit => "depositId",
            Self::Payout => "payoutId",
            Self::Refund => "refundId",
        }
    }

    /// The part of a path that names it.
    pub(crate) const fn path(self) -> &'static str {
        match self {
            Self::Deposit => "deposits",
            Self::Payout => "payouts",
            Self::Refund => "refunds",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operation| operation.name() == name)
    }

    /// The field of whoever pays or is paid.
    const fn account_field(self) -> &'static str {
        match self {
            Self::Deposit => "payer",
            Self::Payout | Self::Refund => "recipient",
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Status {
    Processing,
    /// The operator is delayed.
    Enqueued,
    InReconciliation,
    Completed,
    Failed,
}

impl Status {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Processing => "PROCESSING",
            Self::Enqueued => "ENQUEUED",
            Self::InReconciliation => "IN_RECONCILIATION",
            Self::Completed => "COMPLETED",
            Self::Failed => "FAILED",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        [Self::Processing, Self::Enqueued, Self::InReconciliation, Self::Completed, Self::Failed]
            .into_iter()
            .find(|status| status.name() == name)
    }

    pub(crate) const fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed)
    }
}

/// How a payment will end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    Completed,
    Failed(String),
    /// Not by itself.
    Stuck,
}

impl Outcome {
    /// What the number decides, by its last three digits.
    pub(crate) fn of_number(operation: Operation, phone: &str) -> Self {
        let suffix = phone.get(phone.len().saturating_sub(3)..).unwrap_or_default();
        let code = match (operation, suffix) {
            (_, "129") => return Self::Stuck,
            (Operation::Deposit, "019") => "PAYER_LIMIT_REACHED",
            (Operation::Deposit, "029") => "PAYER_NOT_FOUND",
            (Operation::Deposit, "039") => "PAYMENT_NOT_APPROVED",
            (Operation::Deposit, "049") => "INSUFFICIENT_BALANCE",
            (Operation::Deposit, "059") => "PAYMENT_IN_PROGRESS",
            (Operation::Deposit, "069") => "UNSPECIFIED_FAILURE",
            (Operation::Payout | Operation::Refund, "089") => "RECIPIENT_NOT_FOUND",
            (Operation::Payout | Operation::Refund, "099") => "WALLET_LIMIT_REACHED",
            (Operation::Payout | Operation::Refund, "109") => "RECIPIENT_LIMIT_REACHED",
            (Operation::Payout | Operation::Refund, "119") => "UNSPECIFIED_FAILURE",
            _ => return Self::Completed,
        };
        Self::Failed(code.to_owned())
    }
}

/// An amount in minor units of a currency.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Money {
    pub minor: i64,
    pub currency: String,
}

impl Money {
    /// With two decimals, as answers have it whatever the operator's decimals are.
    pub(crate) fn text(&self) -> String {
        text_of(self.minor, &self.currency, 2)
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Payment {
    pub operation: Operation,
    pub id: String,
    /// A refund's deposit.
    pub deposit_id: Option<String>,
    /// What was asked for.
    pub asked: Money,
    /// What moves, which is something else only by a fault.
    pub moved: Money,
    /// In minor units of what moves, once it is completed.
    pub fee: i64,
    pub country: &'static str,
    pub provider: &'static str,
    pub phone: String,
    pub customer_message: Option<String>,
    pub client_reference: Option<String>,
    pub metadata: Map<String, Value>,
    pub created: i64,
    pub status: Status,
    /// What it shows in place of a status that is not final.
    pub word: Option<String>,
    pub hidden_until: i64,
    pub failure_code: Option<String>,
    pub transaction_id: Option<String>,
    pub outcome: Outcome,
    /// How long it takes to be final, or to be in reconciliation.
    pub takes: i64,
    /// For how long it will be in reconciliation.
    pub reconciling: i64,
    /// How long after its final state it is reversed.
    pub reversed_after: Option<i64>,
}

impl Payment {
    /// A payment that has just been taken, and that no fault has touched.
    pub(crate) fn taken(
        operation: Operation,
        id: String,
        money: Money,
        (country, provider): (&'static str, &'static str),
        phone: String,
        status: Status,
    ) -> Self {
        Self {
            outcome: Outcome::of_number(operation, &phone),
            operation,
            id,
            deposit_id: None,
            asked: money.clone(),
            moved: money,
            fee: 0,
            country,
            provider,
            phone,
            customer_message: None,
            client_reference: None,
            metadata: Map::new(),
            created: 0,
            status,
            word: None,
            hidden_until: 0,
            failure_code: None,
            transaction_id: None,
            takes: 0,
            reconciling: 0,
            reversed_after: None,
        }
    }

    /// As the status check shows it.
    pub(crate) fn data(&self) -> Value {
        let word = self.word.as_deref().filter(|_| !self.status.is_final());
        let mut data = Map::new();
        let mut put = |name: &str, value: Value| data.insert(name.to_owned(), value);
        put(self.operation.id_field(), json!(self.id));
        put("status", json!(word.unwrap_or_else(|| self.status.name())));
        put("amount", json!(self.moved.text()));
        put("currency", json!(self.moved.currency));
        put("country", json!(self.country));
        put(
            self.operation.account_field(),
            json!({
                "type": "MMO",
                "accountDetails": { "phoneNumber": self.phone, "provider": self.provider },
            }),
        );
        if let Some(message) = &self.customer_message {
            put("customerMessage", json!(message));
        }
        if let Some(reference) = &self.client_reference {
            put("clientReferenceId", json!(reference));
        }
        put("created", json!(iso(self.created)));
        if let Some(id) = &self.transaction_id {
            put("providerTransactionId", json!(id));
        }
        if let Some(code) = &self.failure_code {
            put("failureReason", failure_reason(code));
        }
        if !self.metadata.is_empty() {
            put("metadata", Value::Object(self.metadata.clone()));
        }
        Value::Object(data)
    }

    /// As a callback tells it.
    pub(crate) fn callback_data(&self) -> Value {
        let mut data = self.data();
        if let Some(object) = data.as_object_mut() {
            object.shift_remove("clientReferenceId");
        }
        data
    }

    /// As the books have it.
    pub(crate) fn entry(&self) -> Value {
        json!({
            "operation": self.operation.name(),
            "id": self.id,
            "deposit_id": self.deposit_id,
            "status": self.status.name(),
            "asked_minor": self.asked.minor,
            "asked_currency": self.asked.currency,
            "moved_minor": if self.status == Status::Completed { self.moved.minor } else { 0 },
            "moved_currency": self.moved.currency,
            "open_minor": if self.status.is_final() { 0 } else { self.moved.minor },
            "fee_minor": if self.status == Status::Completed { self.fee } else { 0 },
            "failure_code": self.failure_code,
            "provider": self.provider,
            "phone": self.phone,
            "client_reference": self.client_reference,
            "created": iso(self.created),
            "transaction_id": self.transaction_id,
        })
    }
}

pub(crate) fn failure_reason(code: &str) -> Value {
    let message = match code {
        "PAYER_LIMIT_REACHED" => "The customer has reached a limit of their wallet.",
        "PAYER_NOT_FOUND" => "The phone number does not belong to the provider.",
        "PAYMENT_NOT_APPROVED" => "The customer did not approve the payment.",
        "INSUFFICIENT_BALANCE" => "The customer does not have enough funds.",
        "PAYMENT_IN_PROGRESS" => "The customer has another payment to approve.",
        "RECIPIENT_NOT_FOUND" => "The phone number does not belong to the provider.",
        "WALLET_LIMIT_REACHED" | "RECIPIENT_LIMIT_REACHED" => {
            "The customer has reached a limit of their wallet."
        }
        "MANUALLY_CANCELLED" => "The payment was cancelled while it was enqueued.",
        "PROVIDER_TEMPORARILY_UNAVAILABLE" => "The provider is not available at the moment.",
        "PAWAPAY_WALLET_OUT_OF_FUNDS" => "The balance of your wallet is too low.",
        "NO_AUTHENTICATION" => "There is no API token in the request.",
        "AUTHENTICATION_ERROR" => "The API token is not valid.",
        "INVALID_INPUT" => "We were unable to parse the body of the request.",
        "NOT_FOUND" => "There is no such payment.",
        "INVALID_STATE" => "The payment is in another state.",
        "UNKNOWN_ERROR" => "Unable to process the request due to an unknown problem.",
        "UNSPECIFIED_FAILURE" => "The provider gave no reason.",
        _ => "See the failure code.",
    };
    json!({ "failureCode": code, "failureMessage": message })
}
