//! Refusals: every reason for which a command is not accepted.
//!
//! A refusal says which object is refused and why. How it is answered over HTTP (status, field,
//! type) is known to the API alone.

mod catalogue;
mod collect;
mod message;
mod subject;

pub use collect::{Refusals, request_amount};
pub use subject::Subject;

use crate::directory::roles::{Action, Role};
use crate::kernel::currency::Currency;
use crate::kernel::names::{Method, Provider};
use crate::kernel::time::MerchantTime;
use crate::network_accounts::fault::NetworkAccountFault;
use crate::payments::request_limit::RequestLimitKind;
use crate::tariff::TariffFault;

/// Why a command is refused. A refused command changes nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// The object that the command is about is not one of this merchant's.
    NotFound,
    /// The API key of the access token was revoked.
    KeyRevoked,
    /// The key that signed the access token was retired.
    SigningKeyRetired,
    TokenExpired,
    /// The role of whoever asks does not allow it.
    NotPermitted {
        role: Role,
        action: Action,
    },
    /// There is no login, or it is over.
    LoginEnded,
    /// The login needs a code of the phone, again or for the first time.
    SecondFactorMissing,
    /// The role needs a second factor, and the person has none yet.
    SecondFactorNotSetUp,
    /// The person has no role there.
    NotMember,
    /// Too many wrong passwords or codes.
    TooManyLogins {
        /// The time until the next try.
        seconds: i64,
    },
    WrongPassword,
    /// A code that is wrong, too old, or was used before.
    WrongCode,
    /// The link was used, taken back, or is older than three days.
    InvitationEnded,
    /// Somebody else logs in by this name.
    EmailTaken,
    AlreadyMember,
    /// A merchant has at least one owner.
    LastOwner,
    /// Only up to its limit may the support of a merchant refund a payment.
    AboveSupportLimit {
        /// With its currency.
        limit: String,
    },
    /// A second person has to approve it.
    OwnRequest,
    /// The second person for an invitation is not who made it.
    OwnInvitation,
    /// A second person has to confirm the invitation first.
    InvitationWaits,
    /// The role takes a second person to give.
    RoleTakesTwo {
        role: Role,
    },
    /// Only the operator raises the limits of payouts or takes them away.
    LimitsRaised,
    /// An API key or a role that would allow more than whoever gives it may do.
    MoreThanOwn,
    /// Only verified merchants may pay out, transfer, refund and create links.
    NotVerified,
    /// The merchant has a passcode, and the command has none.
    PasscodeRequired,
    PasscodeInvalid,
    /// One API key sent too many wrong passcodes.
    PasscodeLocked {
        /// The time until it may try again.
        seconds: i64,
    },
    /// All keys of the merchant together sent too many wrong passcodes in a day.
    PasscodeLockedForAll,
    /// So many passcodes are being compared that, if all were wrong, they would lock.
    TooManyPasscodeChecks,
    /// The idempotency key was used before for a different request.
    DuplicateReference,
    /// The key of a funding was used before for another wallet or amount.
    DuplicateFunding,
    /// An object that the command names besides its own is not one of this merchant's.
    UnknownId {
        subject: Subject,
        /// What it should be the id of, with its article: "an invoice".
        what: &'static str,
    },
    /// The object is in a state that does not allow the command.
    InvalidState {
        subject: Subject,
        /// The object, such as "invoice".
        what: &'static str,
        state: &'static str,
        /// The state that the command requires, such as "ACTIVE".
        needs: &'static str,
    },
    /// The object is not what whoever changes it was shown.
    ChangedMeanwhile {
        subject: Subject,
        /// The object, such as "invoice".
        what: &'static str,
    },
    /// A review of an earlier payment of the invoice or order is open: it may have been paid.
    InReview {
        /// "invoice" or "order".
        what: &'static str,
    },
    /// An invoice or order without items cannot be published.
    NoItems {
        /// "invoice" or "order".
        what: &'static str,
    },
    /// The invoice or order has the maximal number of items.
    TooManyItems {
        /// "invoice" or "order".
        what: &'static str,
        most: i64,
    },
    /// The payment link of an order accepts no payment.
    PaymentLinkClosed {
        /// "USED_UP", "EXPIRED" or "DEACTIVATED".
        state: &'static str,
    },
    SessionExpired {
        at: MerchantTime,
    },
    /// The checkout expired, and no link was requested since.
    CheckoutExpired {
        at: MerchantTime,
    },
    /// The expiry is not in the future.
    ExpiryInPast {
        now: MerchantTime,
    },
    /// The expiry is too far ahead.
    ExpiryTooFar {
        /// The maximum.
        days: i64,
    },
    /// The wallet or source has another currency.
    CurrencyMismatch {
        /// The object, such as "wallet" or "invoice".
        what: &'static str,
        has: Currency,
    },
    /// The account's method does not support the currency.
    CurrencyNotSupported {
        currency: Currency,
        method: Method,
    },
    NoRate {
        from: Currency,
        to: Currency,
    },
    /// The merchant has no wallet of that currency.
    NoWallet {
        currency: Currency,
    },
    AccountInactive,
    /// The account was made for another operation.
    AccountForOtherOperation {
        made_for: &'static str,
    },
    /// The execution names another account than its session.
    AccountMismatch,
    /// The tariff has no market for the method, provider and operation.
    NoMarket {
        method: Method,
        provider: &'static str,
        operation: &'static str,
    },
    /// No mobile-money operator is known for the number.
    UnknownOperator,
    /// The number of a mobile-money account is not a phone number.
    InvalidPhoneNumber,
    /// The mobile-money number is of another country than the method.
    PhoneOfOtherCountry {
        method: Method,
        /// What the numbers that the method serves begin with.
        code: String,
    },
    /// No card is known by this name.
    UnknownCard,
    /// The sandbox clock would be further ahead than it may.
    ClockTooFar {
        /// The maximum.
        years: i64,
    },
    /// No fee tier has this name.
    UnknownFeeTier,
    /// A change of the tariff is not possible.
    Tariff(TariffFault),
    /// A change of a network account is not possible.
    NetworkAccount(NetworkAccountFault),
    /// No account at the network takes payments of the merchant.
    NoNetworkAccount {
        network: Provider,
    },
    /// The network says that the operator takes no payments now.
    OperatorUnavailable {
        method: Method,
    },
    /// Payouts and refunds are stopped in the whole installation.
    PayoutsStopped,
    /// The network does not take amounts as small or as large.
    OutsideNetworkBounds {
        /// [`Subject::Account`] of a collection, whose fees count too, or [`Subject::Amount`].
        subject: Subject,
        /// "least" or "most".
        bound: &'static str,
        /// The bound, with its currency.
        amount: String,
    },
    /// The network takes fewer decimals than the currency has.
    NetworkDecimals {
        /// As in [`Self::OutsideNetworkBounds`].
        subject: Subject,
        allowed: u32,
    },
    /// The payment cannot be said in the network's terms.
    Unsendable {
        reason: String,
    },
    /// The counterparty has no party.
    CounterpartyWithoutParty,
    /// The counterparty's party has another phone than the payer of the checkout.
    PhoneMismatch,
    /// Sender and receiver are the same wallet.
    TransferToSelf,
    /// The transfer would be received by another owner than when it was declared.
    RecipientChanged,
    /// The merchant reached the limit of new recipients of transfers.
    TooManyRecipients {
        /// The time until it may try again.
        seconds: i64,
    },
    /// The wallet's status does not allow the debit or credit.
    WalletState {
        /// [`Subject::Wallet`] or [`Subject::AccountWallet`].
        subject: Subject,
        state: &'static str,
    },
    /// The payment to refund is not a completed collection.
    NotRefundable {
        state: &'static str,
    },
    /// More than is left to refund.
    RefundExceeds {
        /// What is left, with its currency.
        left: String,
    },
    /// The payment was exchanged too long ago: only the operator refunds it.
    RefundTooLate {
        days: i64,
    },
    /// The amount for the payer or payee would be zero or less.
    AmountTooSmall,
    /// A sum does not fit.
    AmountTooLarge,
    /// The smallest amount that a payer may choose is larger than the largest.
    AmountRangeEmpty,
    /// The payer chose no amount, or one that the payment link does not allow.
    AmountOutOfRange {
        /// With its currency.
        least: String,
        /// With its currency.
        most: String,
    },
    /// The tariff has no row for a fee. Every such payment requires one, even of zero.
    NoFee {
        /// "platform" or "gateway".
        what: &'static str,
        /// The tier or method.
        of: String,
        operation: &'static str,
    },
    /// The credit would exceed the limit of the wallet.
    WalletLimitExceeded,
    /// More decimals than the currency has.
    TooManyDecimals {
        allowed: u32,
    },
    /// The phone belongs to another merchant of the same mode.
    PhoneTaken,
    /// The wallet belongs to a live merchant.
    NotSandbox,
    /// A wallet is closed only at zero with nothing open.
    WalletNotEmpty,
    /// The review is resolved already, or cannot be resolved this way.
    ReviewNotResolvable {
        /// What is required instead.
        needs: &'static str,
    },
    /// The statement cannot be accepted, or its difference cannot be closed this way.
    StatementState {
        /// What is required instead.
        needs: &'static str,
    },
    /// Evidence is noted for open disputes only, and not without end.
    EvidenceNotTaken {
        why: &'static str,
    },
    /// The wallet's available balance is too low to resolve the review.
    ReviewFundsInsufficient,
    /// The execution does not wait for an authentication.
    NotAwaitingAuthentication,
    /// The payment would cost another amount than the payer was shown.
    QuoteChanged,
    /// Too many payments were begun on pages.
    TooManyPayments {
        /// What they are counted by.
        kind: RequestLimitKind,
        /// The time until another may be begun.
        seconds: i64,
    },
    /// The merchant has as many webhook endpoints as it may have.
    TooManyEndpoints {
        most: i64,
    },
    /// The endpoint has as many secrets that still sign as it may have.
    TooManySecrets {
        most: usize,
    },
    /// Nothing is delivered to a disabled endpoint.
    EndpointDisabled,
    /// Nothing is delivered to a deleted endpoint.
    EndpointDeleted,
    /// Somebody else changed the endpoint in the same moment.
    EndpointChanged,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many refusals there are: a new one goes into the catalogue too.
    const VARIANTS: usize = 95;

    #[test]
    fn the_catalogue_has_each_refusal_once() {
        let kinds: std::collections::HashSet<_> =
            Refusal::catalogue().iter().map(std::mem::discriminant).collect();
        assert_eq!((kinds.len(), Refusal::catalogue().len()), (VARIANTS, VARIANTS));
    }

    #[test]
    fn every_refusal_reads_as_a_sentence() {
        for refusal in Refusal::catalogue() {
            assert!(refusal.to_string().len() > 8, "{refusal:?}");
        }
    }
}
