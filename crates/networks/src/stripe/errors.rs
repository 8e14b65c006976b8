//! Stripe's errors: what each code says of the payment that was asked for.

use super::declines;

/// What an error says of the request that it answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Meaning {
    /// The card was declined. The intent exists, and could still be paid with another card.
    Declined,
    /// The request was refused before it did anything, and always would be.
    Refused {
        /// In words for the merchant.
        words: &'static str,
        /// Whether the operator has to see to it: the account or its settings are the reason.
        alarm: bool,
    },
    /// Another request about the same object is under way. This one did nothing.
    Busy,
    /// Too many requests. This one did nothing.
    RateLimited,
    /// The object is in another state than the request supposes.
    OtherState,
    /// The key of the account is not what it should be.
    AccountRefused,
}

const fn refused(words: &'static str) -> Meaning {
    Meaning::Refused { words, alarm: false }
}

const fn misconfigured(words: &'static str) -> Meaning {
    Meaning::Refused { words, alarm: true }
}

const MALFORMED: Meaning = misconfigured("the card network did not take the request");

/// Codes of errors that are no decline of a card; those are in [`declines`].
const CODES: &[(&str, Meaning)] = &[
    ("amount_too_large", refused("the amount is above what a card can be charged")),
    ("amount_too_small", refused("the amount is below what a card can be charged")),
    ("api_key_expired", Meaning::AccountRefused),
    ("balance_insufficient", misconfigured("the operator's balance at Stripe is too low")),
    (
        "capability_not_active",
        misconfigured("the operator's account cannot take card payments yet"),
    ),
    ("charge_already_refunded", refused("the payment has been refunded already")),
    ("charge_disputed", refused("the payer's bank disputes the payment, which cannot be refunded")),
    ("charge_not_refundable", refused("the payment cannot be refunded")),
    ("country_unsupported", misconfigured("the operator's account cannot take card payments")),
    ("idempotency_key_in_use", Meaning::Busy),
    ("intent_invalid_state", Meaning::OtherState),
    ("invalid_charge_amount", refused("a card cannot be charged the amount")),
    ("livemode_mismatch", Meaning::AccountRefused),
    ("lock_timeout", Meaning::Busy),
    ("payment_intent_incompatible_payment_method", refused("the card cannot pay this")),
    ("payment_intent_invalid_parameter", MALFORMED),
    ("payment_intent_rate_limit_exceeded", Meaning::RateLimited),
    ("payment_intent_unexpected_state", Meaning::OtherState),
    ("payment_method_invalid_parameter", refused("the card cannot be used")),
    ("payment_method_not_available", refused("the card cannot be used now")),
    (
        "payment_method_unactivated",
        misconfigured("the operator's account cannot take card payments"),
    ),
    ("payment_method_unexpected_state", refused("the card cannot be used")),
    ("payment_method_unsupported_type", refused("only cards can be charged")),
    ("rate_limit", Meaning::RateLimited),
    (
        "refund_disputed_payment",
        refused("the payer's bank disputes the payment, which cannot be refunded"),
    ),
    ("resource_missing", misconfigured("Stripe does not know the card or the payment")),
    ("secret_key_required", Meaning::AccountRefused),
    ("testmode_charges_only", Meaning::AccountRefused),
    ("token_already_used", refused("the card was entered for another payment")),
    ("token_in_use", Meaning::Busy),
    ("url_invalid", misconfigured("the card network did not take the address of the page")),
];

/// What a code means; `None` for one that nobody here knows.
#[must_use]
pub fn meaning(code: &str) -> Option<Meaning> {
    if declines::is_decline(code) {
        return Some(Meaning::Declined);
    }
    // `parameter_unknown`, `parameters_exclusive` and others: a parameter is refused before anything
    // is done.
    if code.starts_with("parameter_") || code.starts_with("parameters_") {
        return Some(MALFORMED);
    }
    CODES.iter().find(|(known, _)| *known == code).map(|(_, meaning)| *meaning)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The codes that the API's documentation names for card payments and refunds.
    #[test]
    fn what_each_documented_code_means() {
        #[derive(PartialEq, Debug)]
        enum Is {
            Declined,
            Refused,
            Alarm,
            Busy,
            RateLimited,
            OtherState,
            AccountRefused,
        }
        let class = |meaning| match meaning {
            Meaning::Declined => Is::Declined,
            Meaning::Refused { alarm: false, .. } => Is::Refused,
            Meaning::Refused { alarm: true, .. } => Is::Alarm,
            Meaning::Busy => Is::Busy,
            Meaning::RateLimited => Is::RateLimited,
            Meaning::OtherState => Is::OtherState,
            Meaning::AccountRefused => Is::AccountRefused,
        };
        for (code, expected) in [
            ("card_declined", Is::Declined),
            ("expired_card", Is::Declined),
            ("incorrect_cvc", Is::Declined),
            ("incorrect_number", Is::Declined),
            ("invalid_expiry_month", Is::Declined),
            ("invalid_expiry_year", Is::Declined),
            ("insufficient_funds", Is::Declined),
            ("processing_error", Is::Declined),
            ("authentication_required", Is::Declined),
            ("payment_intent_authentication_failure", Is::Declined),
            ("payment_intent_payment_attempt_failed", Is::Declined),
            ("expired_payment_method", Is::Declined),
            ("payment_method_restricted", Is::Declined),
            ("payment_intent_unexpected_state", Is::OtherState),
            ("amount_too_small", Is::Refused),
            ("amount_too_large", Is::Refused),
            ("parameter_missing", Is::Alarm),
            ("parameter_unknown", Is::Alarm),
            ("parameter_invalid_integer", Is::Alarm),
            ("parameter_invalid_empty", Is::Alarm),
            ("parameters_exclusive", Is::Alarm),
            ("charge_already_refunded", Is::Refused),
            ("charge_disputed", Is::Refused),
            ("charge_not_refundable", Is::Refused),
            ("refund_disputed_payment", Is::Refused),
            ("balance_insufficient", Is::Alarm),
            ("capability_not_active", Is::Alarm),
            ("resource_missing", Is::Alarm),
            ("rate_limit", Is::RateLimited),
            ("lock_timeout", Is::Busy),
            ("idempotency_key_in_use", Is::Busy),
            ("api_key_expired", Is::AccountRefused),
            ("testmode_charges_only", Is::AccountRefused),
        ] {
            assert_eq!(meaning(code).map(class), Some(expected), "{code}");
        }
    }

    #[test]
    fn unknown_codes_have_no_meaning() {
        for code in ["", "brand_new_code", "CARD_DECLINED", "invoice_upcoming_none"] {
            assert_eq!(meaning(code), None, "{code}");
        }
    }

    #[test]
    fn each_code_has_one_meaning() {
        for (code, _) in CODES {
            assert_eq!(CODES.iter().filter(|(other, _)| other == code).count(), 1, "{code}");
            assert!(!declines::is_decline(code), "{code}");
        }
    }
}
