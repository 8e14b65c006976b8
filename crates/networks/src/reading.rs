//! What a network's answer or callback says, in the terms of every network.

use std::time::Duration;

use domain::kernel::currency::Currency;
use domain::kernel::money::{Decimal, Money};
use domain::payments::outcome::ProviderOutcome;

use crate::exchange::HttpResponse;

/// What was read out of an answer or a callback.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reading {
    /// How the payment stands.
    Word(Word),
    /// 401, 403: the network refuses the account's credentials. Says nothing of the payment.
    AccountRefused {
        /// For the operator.
        reason: String,
    },
    /// 429, or 503 with `Retry-After`: not taken now. Says nothing of the payment.
    Later {
        /// How long the network asks to wait.
        after: Option<Duration>,
    },
    /// Another refund of the same payment is under way at the network: this one was not taken.
    RefundInProgress,
}

/// How a payment stands at its network.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Word {
    pub outcome: ProviderOutcome,
    /// Why it waits, in words for the merchant ("the operator is delayed: it is in the network's
    /// queue").
    pub waits_for: Option<String>,
    /// The network's own id of the request (`pi_…`, `cs_…`), from the moment it is known: also from
    /// the body of a decline.
    pub reference: Option<String>,
    /// The number that the network charged or paid, where it says so. Another one than was asked for
    /// is a mismatch, like another amount.
    pub account_number: Option<String>,
    /// What to tell the operator: an unknown word, a body that cannot be read.
    pub alarm: Option<String>,
}

impl Word {
    #[must_use]
    pub const fn new(outcome: ProviderOutcome) -> Self {
        Self { outcome, waits_for: None, reference: None, account_number: None, alarm: None }
    }

    #[must_use]
    pub const fn accepted() -> Self {
        Self::new(ProviderOutcome::Accepted)
    }

    #[must_use]
    pub const fn never_seen() -> Self {
        Self::new(ProviderOutcome::NeverSeen)
    }

    /// An answer that says nothing of the payment, and that nobody needs to look at.
    #[must_use]
    pub const fn unknown() -> Self {
        Self::new(ProviderOutcome::Unknown)
    }

    /// An answer that should say how the payment stands and cannot be understood. The money may have
    /// moved.
    #[must_use]
    pub fn unreadable(alarm: impl Into<String>) -> Self {
        Self { alarm: Some(alarm.into()), ..Self::unknown() }
    }

    #[must_use]
    pub fn declined(message: impl Into<String>) -> Self {
        Self::new(ProviderOutcome::Declined { message: message.into() })
    }

    /// The network took the request, and it waits there for something else than the payer.
    #[must_use]
    pub fn waits_for(reason: impl Into<String>) -> Self {
        Self { waits_for: Some(reason.into()), ..Self::accepted() }
    }

    /// Money moved, and this is how much the network says it was.
    ///
    /// An amount that is none of the currency, or a currency that nobody knows, cannot be booked and
    /// is not what was asked for: then nothing is settled, the payment waits, and the operator is
    /// told.
    #[must_use]
    pub fn succeeded(
        transaction_id: impl Into<String>,
        amount: Result<Money, UnreadableAmount>,
    ) -> Self {
        match amount {
            Ok(amount) => Self::new(ProviderOutcome::Succeeded {
                transaction_id: transaction_id.into(),
                amount: Some(amount),
            }),
            Err(UnreadableAmount(written)) => Self {
                waits_for: Some("the network reports an amount that cannot be booked".to_owned()),
                ..Self::unreadable(format!(
                    "money moved, but the network reports an amount that cannot be booked: {written}"
                ))
            },
        }
    }

    #[must_use]
    pub fn with_reference(mut self, reference: impl Into<String>) -> Self {
        self.reference = Some(reference.into());
        self
    }
}

/// An amount that cannot be booked, as the network wrote it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnreadableAmount(pub String);

/// The amount of a decimal text in major units: "100.00" and "100" are equal.
///
/// # Errors
/// The currency is unknown, or the text is no amount of it above zero.
pub fn money_of_decimal(amount: &str, currency: &str) -> Result<Money, UnreadableAmount> {
    Currency::parse(currency)
        .zip(Decimal::parse(amount))
        .and_then(|(currency, decimal)| decimal.to_money(currency).ok())
        .ok_or_else(|| UnreadableAmount(format!("{amount:?} {currency:?}")))
}

/// What the status alone says of an answer, before its body is read: refused credentials, too many
/// calls, an error of the network. `None` where the body counts.
#[must_use]
pub fn of_status(response: &HttpResponse) -> Option<Reading> {
    let after = retry_after(response);
    match (response.status, after) {
        (401 | 403, _) => Some(Reading::AccountRefused {
            reason: format!("the network answered {} to the account's token", response.status),
        }),
        (429, after) | (503, after @ Some(_)) => Some(Reading::Later { after }),
        // Whatever stands in the body: the network itself does not know what became of it.
        (500.., _) => Some(Reading::Word(Word::unknown())),
        _ => None,
    }
}

/// `Retry-After` in seconds. Its other form, a date, needs a clock and is read as absent.
#[must_use]
pub fn retry_after(response: &HttpResponse) -> Option<Duration> {
    response.header("retry-after")?.trim().parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: u16, retry_after: Option<&str>) -> HttpResponse {
        let headers = retry_after.map(|value| ("retry-after".to_owned(), value.to_owned()));
        HttpResponse { status, headers: headers.into_iter().collect(), body: vec![] }
    }

    #[test]
    fn amounts_are_compared_as_numbers() {
        for (text, currency, minor) in [
            ("100", "RWF", 100),
            ("100.00", "RWF", 100),
            ("100", "USD", 10_000),
            ("100.0", "USD", 10_000),
            ("0.5", "LRD", 50),
            ("1.250", "KWD", 1_250),
        ] {
            let money = money_of_decimal(text, currency).unwrap();
            assert_eq!((money.minor, money.currency.code()), (minor, currency), "{text}");
        }
    }

    #[test]
    fn an_amount_that_cannot_be_booked_settles_nothing() {
        for (text, currency) in [
            ("100.5", "RWF"),
            ("1.001", "USD"),
            ("100", "XXX"),
            ("100", "usd"),
            ("100", ""),
            ("", "USD"),
            ("ten", "USD"),
            ("0", "USD"),
            ("-5", "USD"),
            ("1e30", "USD"),
        ] {
            let word = Word::succeeded("t", money_of_decimal(text, currency));
            assert_eq!(word.outcome, ProviderOutcome::Unknown, "{text} {currency}");
            assert!(word.alarm.is_some_and(|alarm| alarm.contains(text)), "{text} {currency}");
        }
    }

    #[test]
    fn what_a_status_says_by_itself() {
        let later =
            |seconds: Option<u64>| Some(Reading::Later { after: seconds.map(Duration::from_secs) });
        for (status, header, expected) in [
            (429, None, later(None)),
            (429, Some("7"), later(Some(7))),
            (429, Some(" 7 "), later(Some(7))),
            (429, Some("Wed, 21 Oct 2015 07:28:00 GMT"), later(None)),
            (503, Some("3"), later(Some(3))),
            (503, None, Some(Reading::Word(Word::unknown()))),
            (500, None, Some(Reading::Word(Word::unknown()))),
            (502, None, Some(Reading::Word(Word::unknown()))),
            (599, None, Some(Reading::Word(Word::unknown()))),
            (200, None, None),
            (400, None, None),
            (402, None, None),
            (404, None, None),
        ] {
            assert_eq!(of_status(&response(status, header)), expected, "{status} {header:?}");
        }
        for status in [401, 403] {
            let reading = of_status(&response(status, None));
            assert!(matches!(reading, Some(Reading::AccountRefused { .. })), "{status}");
        }
    }
}
