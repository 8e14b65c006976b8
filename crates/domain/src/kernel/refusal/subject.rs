//! Which object a refusal is about.

use crate::kernel::refusal::Refusal;

/// The object that is refused, by its role in the command.
///
/// It is a role and not the object's id: whoever sent the command knows the id and needs to know
/// which of the named objects is meant, and what is refused often has no id, such as an amount. A
/// caller of the domain translates the role into its own words, such as a field of a request.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Subject {
    /// The merchant and its credentials, passcode and limits: whatever the command is about.
    Caller,
    /// The object that the command is about, where it does not exist.
    Target,
    Session,
    /// The key by which a repeated execution is recognized.
    IdempotencyKey,
    /// An execution that was named by its idempotency key.
    Execution,
    Review,
    /// A statement of an account at a network, or one of its differences.
    Statement,
    /// A request for approval.
    Approval,
    /// An invoice or order.
    Source,
    /// The collection that is refunded.
    Original,
    /// A payment account.
    Account,
    /// The wallet behind a payment account: that of its party.
    AccountWallet,
    /// The number of a payment account that is created.
    AccountNumber,
    /// The wallet that is debited, or credited by the merchant's own payments.
    Wallet,
    Counterparty,
    Party,
    Amount,
    Currency,
    /// A payment method, for which the tariff has no market or no fee.
    Method,
    /// When a session or page ends.
    Expiry,
    Phone,
    Card,
    /// By how much the sandbox clock is advanced.
    ClockAdvance,
    FeeTier,
    /// The tariff of the installation, which a command changes.
    Tariff,
    /// An account at a network, which a command changes.
    NetworkAccount,
    /// The key by which a repeated funding is recognized.
    FundingKey,
    /// Where a merchant is told.
    WebhookEndpoint,
    /// A person, by their name at login.
    User,
    /// The link by which somebody joins.
    Invitation,
}

impl Refusal {
    #[must_use]
    pub const fn subject(&self) -> Subject {
        match self {
            Self::KeyRevoked
            | Self::SigningKeyRetired
            | Self::TokenExpired
            | Self::NotPermitted { .. }
            | Self::MoreThanOwn
            | Self::OwnRequest
            | Self::OwnInvitation
            | Self::RoleTakesTwo { .. }
            | Self::LimitsRaised
            | Self::AboveSupportLimit { .. }
            | Self::LoginEnded
            | Self::SecondFactorMissing
            | Self::SecondFactorNotSetUp
            | Self::NotMember
            | Self::TooManyLogins { .. }
            | Self::WrongPassword
            | Self::WrongCode
            | Self::NotVerified
            | Self::PasscodeRequired
            | Self::PasscodeInvalid
            | Self::PasscodeLocked { .. }
            | Self::PasscodeLockedForAll
            | Self::TooManyPasscodeChecks
            | Self::TooManyRecipients { .. }
            | Self::TooManyPayments { .. } => Subject::Caller,
            Self::NotFound => Subject::Target,
            Self::EmailTaken | Self::AlreadyMember | Self::LastOwner => Subject::User,
            Self::InvitationEnded | Self::InvitationWaits => Subject::Invitation,
            Self::UnknownId { subject, .. }
            | Self::InvalidState { subject, .. }
            | Self::ChangedMeanwhile { subject, .. }
            | Self::WalletState { subject, .. }
            | Self::OutsideNetworkBounds { subject, .. }
            | Self::NetworkDecimals { subject, .. } => *subject,
            // Another recipient than declared is no fault of the recipient: the session is out of
            // date.
            Self::SessionExpired { .. } | Self::RecipientChanged => Subject::Session,
            Self::DuplicateReference => Subject::IdempotencyKey,
            Self::NotAwaitingAuthentication => Subject::Execution,
            Self::StatementState { .. } => Subject::Statement,
            Self::ReviewNotResolvable { .. }
            | Self::EvidenceNotTaken { .. }
            | Self::ReviewFundsInsufficient => Subject::Review,
            Self::InReview { .. }
            | Self::NoItems { .. }
            | Self::TooManyItems { .. }
            | Self::PaymentLinkClosed { .. }
            | Self::CheckoutExpired { .. } => Subject::Source,
            Self::NotRefundable { .. } | Self::RefundTooLate { .. } => Subject::Original,
            Self::AccountInactive
            | Self::AccountForOtherOperation { .. }
            | Self::AccountMismatch => Subject::Account,
            Self::InvalidPhoneNumber | Self::PhoneOfOtherCountry { .. } => Subject::AccountNumber,
            Self::WalletLimitExceeded | Self::NotSandbox | Self::WalletNotEmpty => Subject::Wallet,
            Self::CounterpartyWithoutParty | Self::PhoneMismatch | Self::TransferToSelf => {
                Subject::Counterparty
            }
            Self::QuoteChanged
            | Self::AmountTooSmall
            | Self::AmountTooLarge
            | Self::AmountRangeEmpty
            | Self::AmountOutOfRange { .. }
            | Self::TooManyDecimals { .. }
            | Self::RefundExceeds { .. } => Subject::Amount,
            Self::CurrencyMismatch { .. }
            | Self::CurrencyNotSupported { .. }
            | Self::NoRate { .. }
            | Self::NoWallet { .. } => Subject::Currency,
            Self::NoMarket { .. }
            | Self::NoFee { .. }
            | Self::NoNetworkAccount { .. }
            | Self::OperatorUnavailable { .. }
            | Self::PayoutsStopped
            | Self::Unsendable { .. } => Subject::Method,
            Self::ExpiryInPast { .. } | Self::ExpiryTooFar { .. } => Subject::Expiry,
            Self::PhoneTaken | Self::UnknownOperator => Subject::Phone,
            Self::UnknownCard => Subject::Card,
            Self::ClockTooFar { .. } => Subject::ClockAdvance,
            Self::UnknownFeeTier => Subject::FeeTier,
            Self::Tariff(_) => Subject::Tariff,
            Self::NetworkAccount(_) => Subject::NetworkAccount,
            Self::DuplicateFunding => Subject::FundingKey,
            Self::TooManyEndpoints { .. }
            | Self::TooManySecrets { .. }
            | Self::EndpointDisabled
            | Self::EndpointDeleted
            | Self::EndpointChanged => Subject::WebhookEndpoint,
        }
    }
}
