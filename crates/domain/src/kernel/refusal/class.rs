//! How a refusal is reported: its class, the field of the request, and the machine-readable type.

use crate::kernel::refusal::Refusal;

/// The kinds of response to a refusal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    /// HTTP 401.
    Unauthenticated,
    /// HTTP 403.
    Forbidden,
    /// HTTP 404.
    NotFound,
    /// HTTP 422, on a field.
    Invalid,
    /// HTTP 429.
    TooMany,
}

impl Refusal {
    #[must_use]
    pub const fn class(&self) -> Class {
        match self {
            Self::KeyRevoked | Self::SigningKeyRetired | Self::TokenExpired => {
                Class::Unauthenticated
            }
            Self::NotFound => Class::NotFound,
            Self::NotVerified
            | Self::PasscodeRequired
            | Self::PasscodeInvalid
            | Self::PasscodeLocked { .. }
            | Self::PasscodeLockedForAll => Class::Forbidden,
            Self::TooManyPasscodeChecks | Self::TooManyRecipients { .. } => Class::TooMany,
            _ => Class::Invalid,
        }
    }

    /// The field of the request body that is refused; empty where the path names the object.
    #[must_use]
    pub const fn field(&self) -> &'static str {
        match self {
            Self::NotFound
            | Self::KeyRevoked
            | Self::SigningKeyRetired
            | Self::TokenExpired
            | Self::NotVerified
            | Self::PasscodeRequired
            | Self::PasscodeInvalid
            | Self::PasscodeLocked { .. }
            | Self::PasscodeLockedForAll
            | Self::TooManyPasscodeChecks
            | Self::TooManyRecipients { .. } => "",
            Self::DuplicateReference => "reference_id",
            Self::DuplicateFunding => "key",
            Self::UnknownId { field, .. }
            | Self::InvalidState { field, .. }
            | Self::InReview { field, .. }
            | Self::AccountInactive { field }
            | Self::AccountForOtherOperation { field, .. }
            | Self::WalletState { field, .. }
            | Self::CurrencyNotSupported { field, .. }
            | Self::AmountTooSmall { field }
            | Self::AmountTooLarge { field }
            | Self::NoFee { field, .. }
            | Self::WalletLimitExceeded { field }
            | Self::TooManyDecimals { field, .. } => field,
            Self::NoItems { .. }
            | Self::TooManyItems { .. }
            | Self::NotAwaitingAuthentication
            | Self::ReviewNotResolvable { .. }
            | Self::ReviewFundsInsufficient => "",
            Self::SessionExpired { .. } | Self::RecipientChanged => "session_id",
            Self::ExpiryInPast { .. } | Self::ExpiryTooFar { .. } => "expires_at",
            Self::CurrencyMismatch { .. } | Self::NoRate { .. } | Self::NoWallet { .. } => {
                "currency"
            }
            Self::AccountMismatch => "payout_account_id",
            Self::NoMarket { .. } => "method",
            Self::PhoneMismatch => "counterparty_id",
            Self::CounterpartyWithoutParty | Self::TransferToSelf => "to_counterparty_id",
            Self::NotRefundable { .. } => "original_payment_intent_id",
            Self::RefundExceeds { .. } => "amount",
            Self::PhoneTaken | Self::UnknownOperator => "phone",
            Self::InvalidPhoneNumber | Self::PhoneOfOtherCountry { .. } => "insensitive_account_number",
            Self::CheckoutExpired { .. } => "source_id",
            Self::UnknownCard => "payment_method_id",
            Self::ClockTooFar { .. } => "seconds",
            Self::UnknownFeeTier => "fee_tier",
            Self::NotSandbox | Self::WalletNotEmpty => "wallet_id",
        }
    }

    /// The machine-readable type, in the style of pydantic v1.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::NotFound | Self::UnknownId { .. } => "value_error.not_found",
            Self::KeyRevoked | Self::SigningKeyRetired | Self::TokenExpired => {
                "value_error.credentials"
            }
            Self::NotVerified => "value_error.not_verified",
            Self::PasscodeRequired
            | Self::PasscodeInvalid
            | Self::PasscodeLocked { .. }
            | Self::PasscodeLockedForAll
            | Self::TooManyPasscodeChecks => "value_error.passcode",
            Self::DuplicateReference | Self::DuplicateFunding | Self::PhoneTaken => {
                "value_error.duplicate"
            }
            Self::InvalidState { .. }
            | Self::NotRefundable { .. }
            | Self::ReviewNotResolvable { .. }
            | Self::NotAwaitingAuthentication => "value_error.state",
            Self::InReview { .. } => "value_error.review",
            Self::NoItems { .. } => "value_error.empty",
            Self::TooManyItems { .. } => "value_error.list.max_items",
            Self::SessionExpired { .. } | Self::CheckoutExpired { .. } => "value_error.expired",
            Self::ExpiryInPast { .. } | Self::ExpiryTooFar { .. } => "value_error.expires_at",
            Self::CurrencyMismatch { .. }
            | Self::CurrencyNotSupported { .. }
            | Self::NoWallet { .. } => "value_error.currency",
            Self::NoRate { .. } => "value_error.rate",
            Self::AccountInactive { .. } | Self::AccountForOtherOperation { .. } | Self::AccountMismatch => {
                "value_error.account"
            }
            Self::NoMarket { .. } => "value_error.market",
            Self::UnknownOperator | Self::InvalidPhoneNumber | Self::PhoneOfOtherCountry { .. } => "value_error.phone",
            Self::UnknownCard => "value_error.card",
            Self::ClockTooFar { .. } => "value_error.clock",
            Self::UnknownFeeTier => "value_error.fee_tier",
            Self::CounterpartyWithoutParty | Self::PhoneMismatch => "value_error.party",
            Self::TransferToSelf => "value_error.self_transfer",
            Self::RecipientChanged | Self::TooManyRecipients { .. } => "value_error.recipient",
            Self::WalletState { .. } | Self::WalletNotEmpty | Self::NotSandbox => {
                "value_error.wallet"
            }
            Self::RefundExceeds { .. } => "value_error.refund",
            Self::ReviewFundsInsufficient => "value_error.balance",
            Self::AmountTooSmall { .. } | Self::AmountTooLarge { .. } | Self::WalletLimitExceeded { .. } => {
                "value_error.amount"
            }
            Self::NoFee { .. } => "value_error.fee",
            Self::TooManyDecimals { .. } => "value_error.decimal.max_places",
        }
    }
}
