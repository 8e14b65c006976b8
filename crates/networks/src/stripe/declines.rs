//! Why a card was declined, in words for the merchant.

/// What the merchant reads of a decline whose reason it must not learn, or that Stripe does not
/// give.
const GENERIC: &str = "card_declined: the card was declined";

/// Stripe's reasons that nobody but the operator reads: they would tell a thief that the card was
/// found out.
const HIDDEN: &[&str] = &[
    "fraudulent",
    "lost_card",
    "merchant_blacklist",
    "pickup_card",
    "security_violation",
    "stolen_card",
];

/// Stripe's codes and decline codes, and what they mean. Both are open sets: what is not here is
/// told in general terms.
const REASONS: &[(&str, &str)] = &[
    // Decline codes.
    ("approve_with_id", "the bank could not authorize the payment; the payer may try again"),
    ("authentication_required", "the bank asks the payer to authenticate the payment"),
    ("call_issuer", "the bank declined the card; the payer has to ask the bank"),
    ("card_not_supported", "the card cannot be used for this kind of payment"),
    ("card_velocity_exceeded", "the card has reached its limit of money or of payments"),
    ("currency_not_supported", "the card does not take this currency"),
    ("do_not_honor", "the bank declined the card without a reason; the payer has to ask the bank"),
    ("duplicate_transaction", "the card was charged the same amount a moment before"),
    ("expired_card", "the card has expired"),
    ("generic_decline", "the bank declined the card without a reason"),
    ("incorrect_address", "the address is not the card's"),
    ("incorrect_cvc", "the security code is wrong"),
    ("incorrect_number", "the card number is wrong"),
    ("incorrect_pin", "the PIN is wrong"),
    ("incorrect_zip", "the postal code is not the card's"),
    ("insufficient_funds", "the card has too little money for the payment"),
    ("invalid_account", "the card, or the account behind it, cannot be used"),
    ("invalid_amount", "the card does not take this amount"),
    ("invalid_cvc", "the security code is wrong"),
    ("invalid_expiry_month", "the month of expiry is wrong"),
    ("invalid_expiry_year", "the year of expiry is wrong"),
    ("invalid_number", "the card number is wrong"),
    ("issuer_not_available", "the bank could not be reached; the payer may try again"),
    ("live_mode_test_card", "a test card cannot pay real money"),
    ("new_account_information_available", "the card, or the account behind it, cannot be used"),
    ("no_action_taken", "the bank declined the card; the payer has to ask the bank"),
    ("not_permitted", "the bank does not permit the payment"),
    ("pin_try_exceeded", "a wrong PIN was entered too often"),
    ("processing_error", "the card could not be processed; the payer may try again"),
    ("reenter_transaction", "the bank could not process the payment; the payer may try again"),
    ("restricted_card", "the card is restricted; the payer has to ask the bank"),
    ("service_not_allowed", "the bank does not permit the payment"),
    ("stop_payment_order", "the payer has stopped payments of this card"),
    ("testmode_decline", "a real card cannot pay in test mode"),
    ("transaction_not_allowed", "the bank does not permit the payment"),
    ("try_again_later", "the bank could not process the payment; the payer may try again"),
    ("withdrawal_count_limit_exceeded", "the card has reached its limit of money or of payments"),
    // Codes of errors that say more than `card_declined`.
    (
        "card_decline_rate_limit_exceeded",
        "the card was declined too often; it may be tried tomorrow",
    ),
    ("expired_payment_method", "the card has expired"),
    ("payment_intent_authentication_failure", "the payer did not authenticate the payment"),
    ("payment_intent_payment_attempt_expired", "the payer took too long"),
    ("payment_intent_payment_attempt_failed", "the bank declined the payment"),
    ("payment_method_customer_decline", "the payer declined the payment"),
    ("payment_method_provider_decline", "the bank declined the payment"),
    ("payment_method_restricted", "the card is restricted; the payer has to ask the bank"),
];

/// Whether an error's code says that the card was declined.
#[must_use]
pub fn is_decline(code: &str) -> bool {
    code == "card_declined" || words(code).is_some()
}

/// What the merchant reads of a decline: the decline code says more than the error's code.
#[must_use]
pub fn message(code: Option<&str>, decline_code: Option<&str>) -> String {
    let codes = [decline_code, code];
    if codes.iter().flatten().any(|code| HIDDEN.contains(code)) {
        return GENERIC.to_owned();
    }
    let known = codes.into_iter().flatten().find_map(|code| Some((code, words(code)?)));
    known.map_or_else(|| GENERIC.to_owned(), |(code, words)| format!("{code}: {words}"))
}

fn words(code: &str) -> Option<&'static str> {
    REASONS.iter().find(|(known, _)| *known == code).map(|(_, words)| *words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_decline_code_says_why() {
        for (code, decline_code, expected) in [
            (
                Some("card_declined"),
                Some("insufficient_funds"),
                "insufficient_funds: the card has too little money for the payment",
            ),
            (
                Some("card_declined"),
                Some("generic_decline"),
                "generic_decline: the bank declined the card without a reason",
            ),
            (Some("expired_card"), Some("expired_card"), "expired_card: the card has expired"),
            (Some("incorrect_cvc"), None, "incorrect_cvc: the security code is wrong"),
            (
                Some("payment_intent_authentication_failure"),
                None,
                "payment_intent_authentication_failure: the payer did not authenticate the payment",
            ),
            (Some("card_declined"), None, GENERIC),
            (Some("card_declined"), Some("brand_new_reason"), GENERIC),
            // The code counts where the decline code is unknown.
            (Some("expired_card"), Some("brand_new_reason"), "expired_card: the card has expired"),
            (Some("brand_new_code"), None, GENERIC),
            (None, None, GENERIC),
        ] {
            assert_eq!(message(code, decline_code), expected, "{code:?} {decline_code:?}");
        }
    }

    #[test]
    fn nobody_learns_that_a_card_is_known_as_stolen() {
        for reason in
            ["lost_card", "stolen_card", "fraudulent", "pickup_card", "merchant_blacklist"]
        {
            assert_eq!(message(Some("card_declined"), Some(reason)), GENERIC, "{reason}");
            assert_eq!(message(Some(reason), Some("insufficient_funds")), GENERIC, "{reason}");
        }
        assert!(HIDDEN.iter().all(|hidden| words(hidden).is_none()));
    }

    #[test]
    fn every_documented_decline_code_has_words() {
        for code in [
            "generic_decline",
            "insufficient_funds",
            "do_not_honor",
            "card_velocity_exceeded",
            "authentication_required",
            "expired_card",
            "incorrect_cvc",
            "processing_error",
            "restricted_card",
            "transaction_not_allowed",
            "try_again_later",
        ] {
            assert_eq!(
                message(Some("card_declined"), Some(code)),
                format!("{code}: {}", words(code).unwrap())
            );
        }
        for (code, _) in REASONS {
            assert_eq!(REASONS.iter().filter(|(other, _)| other == code).count(), 1, "{code}");
        }
    }
}
