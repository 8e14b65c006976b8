//! pawaPay's merchant API, version 2: mobile money. Payments are deposits, payouts and refunds there,
//! each under an id that we make: the request id of the attempt.
//!
//! Everything here is a translation, without a connection, a clock or an account's token.

use domain::kernel::names::Operation;
use serde_json::Value;

pub mod active_conf;
pub mod answers;
pub mod balances;
pub mod callback;
mod failures;
pub mod redaction;
pub mod requests;
pub mod signature;
pub mod statements;

/// A kind of payment at pawaPay.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Deposit,
    Payout,
    Refund,
}

impl Kind {
    /// `None` for what never leaves kola.
    const fn of(operation: Operation) -> Option<Self> {
        match operation {
            Operation::Collection => Some(Self::Deposit),
            Operation::Payout => Some(Self::Payout),
            Operation::Refund => Some(Self::Refund),
            Operation::Transfer => None,
        }
    }

    const fn operation(self) -> Operation {
        match self {
            Self::Deposit => Operation::Collection,
            Self::Payout => Operation::Payout,
            Self::Refund => Operation::Refund,
        }
    }

    const fn path(self) -> &'static str {
        match self {
            Self::Deposit => "/v2/deposits",
            Self::Payout => "/v2/payouts",
            Self::Refund => "/v2/refunds",
        }
    }

    /// The field of the request id.
    const fn id_field(self) -> &'static str {
        match self {
            Self::Deposit => "depositId",
            Self::Payout => "payoutId",
            Self::Refund => "refundId",
        }
    }
}

/// The text at a JSON pointer. A number counts as the text that it was written with, since pawaPay
/// writes amounts as text and some of its examples do not.
fn text_at(value: &Value, pointer: &str) -> Option<String> {
    match value.pointer(pointer)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The elements of the list at a JSON pointer; none where there is no list.
fn list_at<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}
