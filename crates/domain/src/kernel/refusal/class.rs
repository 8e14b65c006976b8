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
            Self::PasscodeBusy | Self::TooManyRecipients { .. } => Class::TooMany,
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
            | Self::PasscodeBusy
            | Self::TooManyRecipients { .. } => "",
            Self::DuplicateReference => "reference_id",
            Self::DuplicateFunding => "key",
            Self::Unknown { field, .. }
            | Self::State { field, .. }
            | Self::InReview { field, .. }
            | Self::AccountInactive { field }
            | Self::AccountPurpose { field, .. }
            | Self::WalletState { field, .. }
            | Self::CurrencyNotTaken { field, .. }
            | Self::AmountTooSmall { field }
            | Self::AmountTooLarge { field }
            | Self::NoFee { field, .. }
            | Self::NoRoom { field }
            | Self::TooManyDecimals { field, .. } => field,
            Self::Empty { .. }
            | Self::TooManyItems { .. }
            | Self::NoActionNeeded
            | Self::ReviewNotOpen { .. }
            | Self::ReviewInsufficient => "",
            Self::SessionExpired { .. } | Self::OtherRecipient => "session_id",
            Self::ExpiryPast { .. } | Self::ExpiryFar { .. } => "expires_at",
            Self::CurrencyMismatch { .. } | Self::NoRate { .. } | Self::NoWallet { .. } => {
                "currency"
            }
            Self::AccountMismatch => "payout_account_id",
            Self::NoMarket { .. } => "method",
            Self::PhoneMismatch => "counterparty_id",
            Self::CounterpartyWithoutParty | Self::TransferToSelf => "to_counterparty_id",
            Self::NotRefundable { .. } => "original_payment_intent_id",
            Self::RefundExceeds { .. } => "amount",
            Self::PhoneTaken | Self::NoOperator => "phone",
            Self::NoPhone | Self::PhoneCountry { .. } => "insensitive_account_number",
            Self::CheckoutExpired { .. } => "source_id",
            Self::NoCard => "payment_method_id",
            Self::ClockFar { .. } => "seconds",
            Self::NoTier => "fee_tier",
            Self::NotSandbox | Self::WalletNotEmpty => "wallet_id",
        }
    }

    /// The machine-readable type, in the style of pydantic v1.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::NotFound | Self::Unknown { .. } => "value_error.not_found",
            Self::KeyRevoked | Self::SigningKeyRetired | Self::TokenExpired => {
                "value_error.credentials"
            }
            Self::NotVerified => "value_error.not_verified",
            Self::PasscodeRequired
            | Self::PasscodeInvalid
            | Self::PasscodeLocked { .. }
            | Self::PasscodeLockedForAll
            | Self::PasscodeBusy => "value_error.passcode",
            Self::DuplicateReference | Self::DuplicateFunding | Self::PhoneTaken => {
                "value_error.duplicate"
            }
            Self::State { .. }
            | Self::NotRefundable { .. }
            | Self::ReviewNotOpen { .. }
            | Self::NoActionNeeded => "value_error.state",
            Self::InReview { .. } => "value_error.review",
            Self::Empty { .. } => "value_error.empty",
            Self::TooManyItems { .. } => "value_error.list.max_items",
            Self::SessionExpired { .. } | Self::CheckoutExpired { .. } => "value_error.expired",
            Self::ExpiryPast { .. } | Self::ExpiryFar { .. } => "value_error.expires_at",
            Self::CurrencyMismatch { .. }
            | Self::CurrencyNotTaken { .. }
            | Self::NoWallet { .. } => "value_error.currency",
            Self::NoRate { .. } => "value_error.rate",
            Self::AccountInactive { .. } | Self::AccountPurpose { .. } | Self::AccountMismatch => {
                "value_error.account"
            }
            Self::NoMarket { .. } => "value_error.market",
            Self::NoOperator | Self::NoPhone | Self::PhoneCountry { .. } => "value_error.phone",
            Self::NoCard => "value_error.card",
            Self::ClockFar { .. } => "value_error.clock",
            Self::NoTier => "value_error.fee_tier",
            Self::CounterpartyWithoutParty | Self::PhoneMismatch => "value_error.party",
            Self::TransferToSelf => "value_error.self_transfer",
            Self::OtherRecipient | Self::TooManyRecipients { .. } => "value_error.recipient",
            Self::WalletState { .. } | Self::WalletNotEmpty | Self::NotSandbox => {
                "value_error.wallet"
            }
            Self::RefundExceeds { .. } => "value_error.refund",
            Self::ReviewInsufficient => "value_error.balance",
            Self::AmountTooSmall { .. } | Self::AmountTooLarge { .. } | Self::NoRoom { .. } => {
                "value_error.amount"
            }
            Self::NoFee { .. } => "value_error.fee",
            Self::TooManyDecimals { .. } => "value_error.decimal.max_places",
        }
    }
}
