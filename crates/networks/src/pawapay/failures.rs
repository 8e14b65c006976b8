//! pawaPay's failure codes, in words for the merchant. The set is open: a code that is not listed
//! fails a payment all the same where its status says so.

/// Who has to know of a failure.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Concerns {
    /// The merchant, or who pays or is paid.
    Payment,
    /// The operator, too: the account at pawaPay or the request that was made is wrong.
    Operator,
}

/// What a code means.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Explanation {
    /// For the merchant: the code, and what it means.
    pub message: String,
    /// For the operator, where it concerns the operator.
    pub alarm: Option<String>,
}

/// The code of a refund that was not taken because another one of the same deposit is under way.
pub(super) const REFUND_IN_PROGRESS: &str = "REFUND_IN_PROGRESS";

/// Code, words for the merchant, whom it concerns.
const EXPLANATIONS: &[(&str, &str, Concerns)] = {
    use Concerns::{Operator, Payment};
    &[
        // Of deposits, after they were taken.
        ("PAYMENT_NOT_APPROVED", "the payer did not approve the payment", Payment),
        ("INSUFFICIENT_BALANCE", "the payer has not enough money", Payment),
        ("PAYER_NOT_FOUND", "the number has no account with this mobile operator", Payment),
        ("PAYER_LIMIT_REACHED", "the payer has reached a limit", Payment),
        (
            "PAYMENT_IN_PROGRESS",
            "the payer has another payment to approve first; it may take ten minutes to end",
            Payment,
        ),
        // Of payouts and refunds, after they were taken.
        ("RECIPIENT_NOT_FOUND", "the number has no account with this mobile operator", Payment),
        ("WALLET_LIMIT_REACHED", "the recipient's account cannot take the amount", Payment),
        ("RECIPIENT_LIMIT_REACHED", "the recipient has reached a limit", Payment),
        ("MANUALLY_CANCELLED", "it was cancelled while it waited for the mobile operator", Payment),
        // Of all of them.
        ("UNSPECIFIED_FAILURE", "the mobile operator gave no reason", Payment),
        ("UNKNOWN_ERROR", "the network gave no reason", Operator),
        // Not taken, and nothing is wrong with the account.
        (
            "PROVIDER_TEMPORARILY_UNAVAILABLE",
            "the mobile operator takes no payments at the moment",
            Payment,
        ),
        ("AMOUNT_OUT_OF_BOUNDS", "the mobile operator does not take amounts of this size", Payment),
        (
            "INVALID_AMOUNT",
            "the mobile operator does not take an amount with these decimals",
            Operator,
        ),
        ("INVALID_PHONE_NUMBER", "the number is not one of this country", Payment),
        ("NOT_FOUND", "the network does not know the payment that is to be refunded", Operator),
        (
            "INVALID_STATE",
            "the payment that is to be refunded is not completed at the network",
            Operator,
        ),
        ("AMOUNT_TOO_LARGE", "more is refunded than is left of the payment", Operator),
        ("DEPOSIT_ALREADY_REFUNDED", "the payment was already refunded in full", Operator),
        (REFUND_IN_PROGRESS, "another refund of the payment is under way", Payment),
        // Not taken, because of the account.
        (
            "PAWAPAY_WALLET_OUT_OF_FUNDS",
            "the money that is kept for payouts with this operator does not suffice at the moment",
            Operator,
        ),
        ("INVALID_CURRENCY", "the network does not take this currency for the operator", Operator),
        ("INVALID_PROVIDER", "the network does not reach this operator", Operator),
        ("DEPOSITS_NOT_ALLOWED", "the network does not allow collections", Operator),
        ("PAYOUTS_NOT_ALLOWED", "the network does not allow payouts", Operator),
        ("REFUNDS_NOT_ALLOWED", "the network does not allow refunds", Operator),
        // Not taken, because the request was wrong.
        ("INVALID_INPUT", UNREADABLE, Operator),
        ("MISSING_PARAMETER", UNREADABLE, Operator),
        ("UNSUPPORTED_PARAMETER", UNREADABLE, Operator),
        ("INVALID_PARAMETER", UNREADABLE, Operator),
        ("DUPLICATE_METADATA_FIELD", UNREADABLE, Operator),
    ]
};

const UNREADABLE: &str = "the network could not read the request";

/// The codes of a request that pawaPay could not read, with HTTP 400.
const BAD_REQUEST: [&str; 5] = [
    "INVALID_INPUT",
    "MISSING_PARAMETER",
    "UNSUPPORTED_PARAMETER",
    "INVALID_PARAMETER",
    "DUPLICATE_METADATA_FIELD",
];

/// Codes of version 1 that answers of version 2 still have now and then, with the name of today.
const OLD_NAMES: &[(&str, &str)] = &[
    ("TRANSACTION_ALREADY_IN_PROCESS", "PAYMENT_IN_PROGRESS"),
    ("RECIPIENT_NOT_ALLOWED_TO_RECEIVE", "WALLET_LIMIT_REACHED"),
    ("OTHER_ERROR", "UNSPECIFIED_FAILURE"),
    ("BALANCE_INSUFFICIENT", "PAWAPAY_WALLET_OUT_OF_FUNDS"),
    ("CORRESPONDENT_TEMPORARILY_UNAVAILABLE", "PROVIDER_TEMPORARILY_UNAVAILABLE"),
    ("INVALID_CORRESPONDENT", "INVALID_PROVIDER"),
    ("INVALID_PAYER_FORMAT", "INVALID_PHONE_NUMBER"),
    ("INVALID_RECIPIENT_FORMAT", "INVALID_PHONE_NUMBER"),
    ("AMOUNT_TOO_SMALL", "AMOUNT_OUT_OF_BOUNDS"),
    ("PARAMETER_INVALID", "INVALID_PARAMETER"),
    ("DEPOSIT_NOT_FOUND", "NOT_FOUND"),
    ("DEPOSIT_NOT_COMPLETED", "INVALID_STATE"),
    ("ALREADY_REFUNDED", "DEPOSIT_ALREADY_REFUNDED"),
    ("IN_PROGRESS", REFUND_IN_PROGRESS),
];

/// The name of today for a code.
pub(super) fn current_name(code: &str) -> &str {
    OLD_NAMES.iter().find(|(old, _)| *old == code).map_or(code, |(_, new)| new)
}

/// Whether a code says that the request was not taken because it could not be read.
pub(super) fn is_bad_request(code: &str) -> bool {
    BAD_REQUEST.contains(&current_name(code))
}

/// What a code means; without a code, that there was none. `detail` is pawaPay's own message, which
/// is meant for staff.
pub(super) fn explain(code: Option<&str>, detail: Option<&str>) -> Explanation {
    let Some(code) = code.filter(|code| is_code(code)).map(current_name) else {
        return Explanation {
            message: "the network refused the payment and gave no reason".to_owned(),
            alarm: Some(format!(
                "pawaPay refused a payment without a code: {}",
                staff_text(detail)
            )),
        };
    };
    match EXPLANATIONS.iter().find(|(known, _, _)| *known == code) {
        Some((_, words, concerns)) => Explanation {
            message: format!("{code}: {words}"),
            alarm: match concerns {
                Concerns::Payment => None,
                Concerns::Operator => {
                    Some(format!("pawaPay refused a payment: {code}, {}", staff_text(detail)))
                }
            },
        },
        None => Explanation {
            message: format!("{code}: the network refused the payment"),
            alarm: Some(format!(
                "pawaPay refused a payment with a code that is not known here: {code}, {}",
                staff_text(detail)
            )),
        },
    }
}

/// Whether a text looks like a code, so that it may be shown to a merchant.
fn is_code(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

/// pawaPay's message to staff, on one line of a log.
pub(super) fn staff_text(detail: Option<&str>) -> String {
    let Some(detail) = detail else { return "no message".to_owned() };
    let line: String = detail.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    format!("{:?}", line.chars().take(200).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_words() {
        for (code, message, alarms) in [
            ("PAYMENT_NOT_APPROVED", "the payer did not approve the payment", false),
            ("INSUFFICIENT_BALANCE", "the payer has not enough money", false),
            ("PAYER_NOT_FOUND", "the number has no account with this mobile operator", false),
            ("PAYER_LIMIT_REACHED", "the payer has reached a limit", false),
            (
                "PAYMENT_IN_PROGRESS",
                "the payer has another payment to approve first; it may take ten minutes to end",
                false,
            ),
            ("RECIPIENT_NOT_FOUND", "the number has no account with this mobile operator", false),
            ("WALLET_LIMIT_REACHED", "the recipient's account cannot take the amount", false),
            ("RECIPIENT_LIMIT_REACHED", "the recipient has reached a limit", false),
            (
                "MANUALLY_CANCELLED",
                "it was cancelled while it waited for the mobile operator",
                false,
            ),
            ("UNSPECIFIED_FAILURE", "the mobile operator gave no reason", false),
            ("UNKNOWN_ERROR", "the network gave no reason", true),
            (
                "PROVIDER_TEMPORARILY_UNAVAILABLE",
                "the mobile operator takes no payments at the moment",
                false,
            ),
            (
                "AMOUNT_OUT_OF_BOUNDS",
                "the mobile operator does not take amounts of this size",
                false,
            ),
            (
                "INVALID_AMOUNT",
                "the mobile operator does not take an amount with these decimals",
                true,
            ),
            ("INVALID_PHONE_NUMBER", "the number is not one of this country", false),
            ("NOT_FOUND", "the network does not know the payment that is to be refunded", true),
            (
                "INVALID_STATE",
                "the payment that is to be refunded is not completed at the network",
                true,
            ),
            ("AMOUNT_TOO_LARGE", "more is refunded than is left of the payment", true),
            ("DEPOSIT_ALREADY_REFUNDED", "the payment was already refunded in full", true),
            ("REFUND_IN_PROGRESS", "another refund of the payment is under way", false),
            (
                "PAWAPAY_WALLET_OUT_OF_FUNDS",
                "the money that is kept for payouts with this operator does not suffice at the moment",
                true,
            ),
            ("INVALID_CURRENCY", "the network does not take this currency for the operator", true),
            ("INVALID_PROVIDER", "the network does not reach this operator", true),
            ("DEPOSITS_NOT_ALLOWED", "the network does not allow collections", true),
            ("PAYOUTS_NOT_ALLOWED", "the network does not allow payouts", true),
            ("REFUNDS_NOT_ALLOWED", "the network does not allow refunds", true),
            ("INVALID_INPUT", "the network could not read the request", true),
            ("MISSING_PARAMETER", "the network could not read the request", true),
            ("UNSUPPORTED_PARAMETER", "the network could not read the request", true),
            ("INVALID_PARAMETER", "the network could not read the request", true),
            ("DUPLICATE_METADATA_FIELD", "the network could not read the request", true),
        ] {
            let explained = explain(Some(code), Some("details"));
            assert_eq!(explained.message, format!("{code}: {message}"));
            let alarm = alarms.then(|| format!("pawaPay refused a payment: {code}, \"details\""));
            assert_eq!(explained.alarm, alarm, "{code}");
        }
    }

    #[test]
    fn no_code_is_there_twice() {
        let mut codes: Vec<_> = EXPLANATIONS.iter().map(|(code, _, _)| *code).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), EXPLANATIONS.len());
        for (old, new) in OLD_NAMES {
            assert!(!codes.contains(old) && codes.contains(new), "{old}");
        }
        assert!(BAD_REQUEST.iter().all(|code| codes.contains(code)));
    }

    #[test]
    fn old_names_mean_the_new_ones() {
        for (old, new) in OLD_NAMES {
            assert_eq!(explain(Some(old), None), explain(Some(new), None));
        }
    }

    #[test]
    fn a_code_that_nobody_knows_is_told_to_both() {
        let explained = explain(Some("PAYER_ON_THE_MOON"), Some("far\naway"));
        assert_eq!(explained.message, "PAYER_ON_THE_MOON: the network refused the payment");
        assert_eq!(
            explained.alarm.as_deref(),
            Some(
                "pawaPay refused a payment with a code that is not known here: PAYER_ON_THE_MOON, \
                 \"far away\""
            )
        );
    }

    #[test]
    fn what_is_no_code_is_not_shown_to_a_merchant() {
        for code in [None, Some(""), Some("<b>"), Some("lower"), Some("WITH SPACE")] {
            let explained = explain(code, None);
            assert_eq!(explained.message, "the network refused the payment and gave no reason");
            assert!(explained.alarm.is_some());
        }
        assert_eq!(
            explain(Some(&"X".repeat(65)), None).message,
            "the network refused the payment and gave no reason"
        );
    }
}
