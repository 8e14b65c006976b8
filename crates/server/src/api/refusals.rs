//! How the API answers the refusals of decisions: the status, the machine-readable type, the
//! message, and the field of the request where it is reported.
//!
//! A refusal names an object and a fact, and nothing of HTTP. The matches here have no `_`, so that
//! a new refusal or subject does not compile before its answer is written. A resource whose request
//! names an object by another field than the [usual one](usual_field) has a function of its own
//! beside its payloads.

use axum::http::StatusCode;
use domain::kernel::refusal::{Refusal, Subject};

/// Where a request names the object that is refused: the field of its body, or `None` where the path
/// names it.
pub type FieldOf = fn(&Refusal) -> Option<&'static str>;

#[must_use]
pub const fn status(refusal: &Refusal) -> StatusCode {
    status_and_type(refusal).0
}

/// The machine-readable type, in the style of pydantic v1.
#[must_use]
pub const fn error_type(refusal: &Refusal) -> &'static str {
    status_and_type(refusal).1
}

/// The one table of answers. Only a 422 is reported on a field.
const fn status_and_type(refusal: &Refusal) -> (StatusCode, &'static str) {
    let error_type = match refusal {
        Refusal::KeyRevoked | Refusal::SigningKeyRetired | Refusal::TokenExpired => {
            return (StatusCode::UNAUTHORIZED, "value_error.credentials");
        }
        Refusal::LoginEnded => return (StatusCode::UNAUTHORIZED, "value_error.login"),
        Refusal::SecondFactorMissing | Refusal::SecondFactorNotSetUp => {
            return (StatusCode::FORBIDDEN, "value_error.second_factor");
        }
        Refusal::NotPermitted { .. }
        | Refusal::MoreThanOwn
        | Refusal::OwnRequest
        | Refusal::OwnInvitation
        | Refusal::RoleTakesTwo { .. }
        | Refusal::LimitsRaised
        | Refusal::NotMember
        | Refusal::AboveSupportLimit { .. } => {
            return (StatusCode::FORBIDDEN, "value_error.role");
        }
        Refusal::TooManyLogins { .. } => {
            return (StatusCode::TOO_MANY_REQUESTS, "value_error.login");
        }
        Refusal::WrongPassword | Refusal::WrongCode => {
            return (StatusCode::FORBIDDEN, "value_error.login");
        }
        Refusal::InvitationEnded | Refusal::InvitationWaits => "value_error.invitation",
        Refusal::EmailTaken | Refusal::AlreadyMember | Refusal::LastOwner => "value_error.user",
        Refusal::NotVerified => return (StatusCode::FORBIDDEN, "value_error.not_verified"),
        Refusal::PasscodeRequired
        | Refusal::PasscodeInvalid
        | Refusal::PasscodeLocked { .. }
        | Refusal::PasscodeLockedForAll => {
            return (StatusCode::FORBIDDEN, "value_error.passcode");
        }
        Refusal::NotFound => return (StatusCode::NOT_FOUND, "value_error.not_found"),
        Refusal::TooManyPasscodeChecks => {
            return (StatusCode::TOO_MANY_REQUESTS, "value_error.passcode");
        }
        Refusal::TooManyRecipients { .. } => {
            return (StatusCode::TOO_MANY_REQUESTS, "value_error.recipient");
        }
        Refusal::TooManyPayments { .. } => {
            return (StatusCode::TOO_MANY_REQUESTS, "value_error.payments");
        }
        Refusal::UnknownId { .. } => "value_error.not_found",
        Refusal::DuplicateReference | Refusal::DuplicateFunding | Refusal::PhoneTaken => {
            "value_error.duplicate"
        }
        Refusal::InvalidState { .. }
        | Refusal::NotRefundable { .. }
        | Refusal::ReviewNotResolvable { .. }
        | Refusal::StatementState { .. }
        | Refusal::EvidenceNotTaken { .. }
        | Refusal::NotAwaitingAuthentication => "value_error.state",
        Refusal::ChangedMeanwhile { .. } => "value_error.changed",
        Refusal::InReview { .. } => "value_error.review",
        Refusal::PaymentLinkClosed { .. } => "value_error.payment_link",
        Refusal::NoItems { .. } => "value_error.empty",
        Refusal::TooManyItems { .. } => "value_error.list.max_items",
        Refusal::SessionExpired { .. } | Refusal::CheckoutExpired { .. } => "value_error.expired",
        Refusal::ExpiryInPast { .. } | Refusal::ExpiryTooFar { .. } => "value_error.expires_at",
        Refusal::CurrencyMismatch { .. }
        | Refusal::CurrencyNotSupported { .. }
        | Refusal::NoWallet { .. } => "value_error.currency",
        Refusal::NoRate { .. } => "value_error.rate",
        Refusal::AccountInactive
        | Refusal::AccountForOtherOperation { .. }
        | Refusal::AccountMismatch => "value_error.account",
        Refusal::NoMarket { .. } => "value_error.market",
        Refusal::UnknownOperator
        | Refusal::InvalidPhoneNumber
        | Refusal::PhoneOfOtherCountry { .. } => "value_error.phone",
        Refusal::UnknownCard => "value_error.card",
        Refusal::ClockTooFar { .. } => "value_error.clock",
        Refusal::UnknownFeeTier => "value_error.fee_tier",
        Refusal::Tariff(_) => "value_error.tariff",
        Refusal::NetworkAccount(_) => "value_error.network_account",
        Refusal::NoNetworkAccount { .. } | Refusal::Unsendable { .. } => "value_error.network",
        Refusal::OperatorUnavailable { .. } => "value_error.unavailable",
        Refusal::PayoutsStopped => "value_error.payouts_stopped",
        Refusal::CounterpartyWithoutParty | Refusal::PhoneMismatch => "value_error.party",
        Refusal::TransferToSelf => "value_error.self_transfer",
        Refusal::RecipientChanged => "value_error.recipient",
        Refusal::WalletState { .. } | Refusal::WalletNotEmpty | Refusal::NotSandbox => {
            "value_error.wallet"
        }
        Refusal::RefundExceeds { .. } | Refusal::RefundTooLate { .. } => "value_error.refund",
        Refusal::ReviewFundsInsufficient => "value_error.balance",
        Refusal::AmountTooSmall
        | Refusal::AmountTooLarge
        | Refusal::AmountRangeEmpty
        | Refusal::AmountOutOfRange { .. }
        | Refusal::OutsideNetworkBounds { .. }
        | Refusal::QuoteChanged
        | Refusal::WalletLimitExceeded => "value_error.amount",
        Refusal::NoFee { .. } => "value_error.fee",
        Refusal::TooManyEndpoints { .. }
        | Refusal::TooManySecrets { .. }
        | Refusal::EndpointDisabled
        | Refusal::EndpointDeleted
        | Refusal::EndpointChanged => "value_error.webhook_endpoint",
        Refusal::TooManyDecimals { .. } | Refusal::NetworkDecimals { .. } => {
            "value_error.decimal.max_places"
        }
    };
    (StatusCode::UNPROCESSABLE_ENTITY, error_type)
}

/// The message: the domain's sentence, or one that names the field or header of the request where
/// that helps the developer of a client.
#[must_use]
pub fn message(refusal: &Refusal) -> String {
    match refusal {
        Refusal::PasscodeRequired => "passcode required: payouts of this merchant need it as \
             `passcode.token.code`, and a change of it as `current`"
            .to_owned(),
        Refusal::PasscodeLocked { .. } => {
            "passcode locked for this API key: 5 wrong passcodes in 15 minutes; try again after \
             `Retry-After`, or have an operator lift it with \
             `kola merchant passcode --merchant ID --unlock`"
                .to_owned()
        }
        Refusal::DuplicateReference => {
            "this reference_id was used before with other values".to_owned()
        }
        Refusal::ExpiryInPast { now } => format!("expires_at is in the past: it is {now} now"),
        Refusal::ExpiryTooFar { days } => format!("expires_at is more than {days} days ahead"),
        other => other.to_string(),
    }
}

/// The field by which most requests name what the refusal is about.
#[must_use]
pub const fn usual_field(refusal: &Refusal) -> Option<&'static str> {
    Some(match refusal.subject() {
        // Not reported on a field, or named by the path alone.
        Subject::Caller
        | Subject::Target
        | Subject::Execution
        | Subject::Review
        | Subject::Statement
        | Subject::Approval
        | Subject::WebhookEndpoint => return None,
        Subject::Session => "session_id",
        Subject::IdempotencyKey => "reference_id",
        Subject::Source => "source_id",
        Subject::Original => "original_payment_intent_id",
        Subject::Account | Subject::AccountWallet => "payment_account_id",
        Subject::AccountNumber => "insensitive_account_number",
        Subject::Wallet => "wallet_id",
        Subject::Counterparty => "counterparty_id",
        Subject::Party => "party_id",
        Subject::Amount => "amount",
        Subject::Currency => "currency",
        Subject::Method => "method",
        Subject::Expiry => "expires_at",
        Subject::Phone => "phone",
        Subject::Card => "payment_method_id",
        Subject::ClockAdvance => "seconds",
        // Only pages and the command line name these.
        Subject::User => "email",
        Subject::Invitation => "token",
        Subject::FeeTier => "fee_tier",
        Subject::Tariff => "tariff",
        Subject::NetworkAccount => "network_account",
        Subject::FundingKey => "key",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_reads_as_a_sentence_on_a_typed_field() {
        for refusal in Refusal::catalogue() {
            assert!(error_type(&refusal).starts_with("value_error."), "{refusal:?}");
            assert!(message(&refusal).len() > 8, "{refusal:?}");
            assert!(
                status(&refusal) == StatusCode::UNPROCESSABLE_ENTITY
                    || usual_field(&refusal).is_none(),
                "{refusal:?}"
            );
        }
    }

    /// The domain's own sentences are for people who may not use HTTP at all.
    #[test]
    fn no_sentence_of_the_domain_names_a_field() {
        let fields: Vec<_> = Refusal::catalogue().iter().filter_map(usual_field).collect();
        for refusal in Refusal::catalogue() {
            let sentence = refusal.to_string();
            let mut words = sentence.split(|c: char| !(c.is_alphanumeric() || c == '_'));
            assert!(!words.any(|word| word.contains('_') && fields.contains(&word)), "{sentence}");
        }
    }
}
