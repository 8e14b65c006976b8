//! Stripe's test cards.

/// What becomes of a payment with a card.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Behaviour {
    Succeeds,
    /// Error code and decline code.
    Declines(&'static str, &'static str),
    /// The payer has to authenticate; then it succeeds.
    Challenges,
    /// The payer has to authenticate; then it is declined.
    ChallengesAndDeclines,
    /// It succeeds, and is disputed at once.
    IsDisputed,
    /// It succeeds, and its refunds succeed and fail afterwards.
    RefundsFail,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Card {
    pub number: &'static str,
    /// The PaymentMethod by which a server names it.
    pub alias: &'static str,
    pub behaviour: Behaviour,
    pub description: &'static str,
}

const fn card(
    number: &'static str,
    alias: &'static str,
    behaviour: Behaviour,
    description: &'static str,
) -> Card {
    Card { number, alias, behaviour, description }
}

use Behaviour::{Challenges, ChallengesAndDeclines, Declines, IsDisputed, RefundsFail, Succeeds};

pub(crate) static CARDS: [Card; 19] = [
    card("4242424242424242", "pm_card_visa", Succeeds, "succeeds"),
    card("5555555555554444", "pm_card_mastercard", Succeeds, "succeeds"),
    card(
        "4000000000000002",
        "pm_card_visa_chargeDeclined",
        Declines("card_declined", "generic_decline"),
        "is declined",
    ),
    card(
        "4000000000009995",
        "pm_card_visa_chargeDeclinedInsufficientFunds",
        Declines("card_declined", "insufficient_funds"),
        "has too little money",
    ),
    card(
        "4000000000009987",
        "pm_card_visa_chargeDeclinedLostCard",
        Declines("card_declined", "lost_card"),
        "was lost",
    ),
    card(
        "4000000000009979",
        "pm_card_visa_chargeDeclinedStolenCard",
        Declines("card_declined", "stolen_card"),
        "was stolen",
    ),
    card(
        "4000000000000069",
        "pm_card_chargeDeclinedExpiredCard",
        Declines("expired_card", "expired_card"),
        "has expired",
    ),
    card(
        "4000000000000127",
        "pm_card_chargeDeclinedIncorrectCvc",
        Declines("incorrect_cvc", "incorrect_cvc"),
        "has another CVC",
    ),
    card(
        "4000000000000119",
        "pm_card_chargeDeclinedProcessingError",
        Declines("processing_error", "processing_error"),
        "cannot be processed",
    ),
    card(
        "4000000000000341",
        "pm_card_chargeCustomerFail",
        Declines("card_declined", "generic_decline"),
        "is declined",
    ),
    card("4000000000003220", "pm_card_threeDSecure2Required", Challenges, "must be authenticated"),
    card(
        "4000002760003184",
        "pm_card_authenticationRequired",
        Challenges,
        "must be authenticated each time",
    ),
    card(
        "4000008400001629",
        "pm_card_threeDSecureRequiredChargeDeclined",
        ChallengesAndDeclines,
        "must be authenticated, then is declined",
    ),
    card("4000000000003055", "pm_card_threeDSecureOptional", Succeeds, "succeeds"),
    card("378282246310005", "pm_card_amex_threeDSecureNotSupported", Succeeds, "succeeds"),
    card("4000000000000259", "pm_card_createDispute", IsDisputed, "succeeds, then is disputed"),
    card("4000000000005126", "pm_card_refundFail", RefundsFail, "succeeds; refunds fail later"),
    card(
        "4000000000000101",
        "pm_card_cvcCheckFail",
        Declines("incorrect_cvc", "incorrect_cvc"),
        "fails the check of its CVC",
    ),
    card(
        "4100000000000019",
        "pm_card_radarBlock",
        Declines("card_declined", "fraudulent"),
        "is blocked as fraudulent",
    ),
];

/// The card of a PaymentMethod's alias.
pub(crate) fn by_alias(alias: &str) -> Option<&'static Card> {
    // Two names of one card.
    let alias = match alias {
        "pm_card_chargeDeclined" => "pm_card_visa_chargeDeclined",
        "pm_card_chargeDeclinedInsufficientFunds" => "pm_card_visa_chargeDeclinedInsufficientFunds",
        "pm_card_chargeDeclinedLostCard" => "pm_card_visa_chargeDeclinedLostCard",
        "pm_card_chargeDeclinedStolenCard" => "pm_card_visa_chargeDeclinedStolenCard",
        "pm_card_visa_chargeDeclinedExpiredCard" => "pm_card_chargeDeclinedExpiredCard",
        "pm_card_visa_chargeDeclinedIncorrectCvc" => "pm_card_chargeDeclinedIncorrectCvc",
        "pm_card_visa_chargeDeclinedProcessingError" => "pm_card_chargeDeclinedProcessingError",
        other => other,
    };
    CARDS.iter().find(|card| card.alias == alias)
}

pub(crate) fn by_number(number: &str) -> Option<&'static Card> {
    let digits: String = number.chars().filter(char::is_ascii_digit).collect();
    CARDS.iter().find(|card| card.number == digits)
}

/// What a decline says to the payer.
pub(crate) const fn decline_message(code: &str) -> &'static str {
    match code.as_bytes() {
        b"expired_card" => "Your card has expired.",
        b"incorrect_cvc" => "Your card's security code is incorrect.",
        b"processing_error" => {
            "An error occurred while processing your card. Try again in a little bit."
        }
        _ => "Your card was declined.",
    }
}
