//! The message of each refusal.

use crate::directory::roles::Role;
use crate::kernel::refusal::Refusal;

impl std::fmt::Display for Refusal {
    /// One sentence for people: answers, logs and the command line.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotFound => f.write_str("Not found"),
            Self::KeyRevoked => f.write_str("the API key of this access token was revoked"),
            Self::SigningKeyRetired => f.write_str("the key that signed this access token was retired: obtain a new token"),
            Self::TokenExpired => f.write_str("the access token expired: obtain a new one"),
            Self::NotPermitted { role, action } => {
                write!(f, "the role {role} may not {action}: ")?;
                f.write_str(if Role::Owner.may(*action) {
                    "an owner can do it, or gives another role or API key"
                } else {
                    "it is for who runs the installation"
                })
            }
            Self::AboveSupportLimit { limit } => {
                write!(f, "support may give back at most {limit} of a payment: ask somebody in finance, a manager or an owner")
            }
            Self::LoginEnded => f.write_str("the login is over: log in again"),
            Self::SecondFactorMissing => f.write_str("enter a code of your phone first"),
            Self::SecondFactorNotSetUp => f.write_str("set up codes of a phone first, under your profile"),
            Self::NotMember => f.write_str("you have no role here"),
            Self::TooManyLogins { seconds } => {
                write!(f, "too many wrong passwords or codes: try again in {} minutes", seconds.saturating_add(59) / 60)
            }
            Self::WrongPassword => f.write_str("the password is wrong"),
            Self::WrongCode => f.write_str("the code is wrong, too old, or was used before"),
            Self::InvitationEnded => {
                f.write_str("this link was used already, taken back, or is older than three days: ask for another one")
            }
            Self::EmailTaken => {
                f.write_str("somebody logs in with this e-mail address already: if it is yours, log in and open the link again")
            }
            Self::AlreadyMember => f.write_str("you have a role there already: an owner changes it"),
            Self::LastOwner => f.write_str("a merchant has at least one owner: make somebody else one first"),
            Self::MoreThanOwn => f.write_str("nobody can give more rights than their own"),
            Self::OwnRequest => f.write_str("somebody else has to approve what you requested"),
            Self::OwnInvitation => f.write_str("you made this link: another owner or the operator has to confirm it"),
            Self::InvitationWaits => {
                f.write_str("this link cannot be used yet: another owner or the operator has to confirm it first, under the team")
            }
            Self::RoleTakesTwo { role } => {
                write!(f, "giving the role {role} takes a second person: invite them to it, and another owner or the operator confirms the link")
            }
            Self::LimitsRaised => f.write_str(
                "a merchant lowers its limits of payouts: the operator raises them or takes them away, with `kola merchant limits`",
            ),
            Self::NotVerified => {
                f.write_str("merchant not verified: an operator sets it with `kola merchant set --merchant ID --verified true`")
            }
            Self::PasscodeRequired => {
                f.write_str("passcode required: payouts of this merchant and changes of its passcode need it")
            }
            Self::PasscodeInvalid => {
                f.write_str("passcode invalid: an operator sets another with `kola merchant set-passcode --merchant ID`")
            }
            Self::PasscodeLocked { seconds } => write!(
                f,
                "passcode locked for this API key: 5 wrong passcodes in 15 minutes; try again in {seconds} seconds, \
                 or have an operator lift it with `kola merchant passcode --merchant ID --unlock`",
            ),
            Self::PasscodeLockedForAll => f.write_str(
                "passcode locked for this merchant: 20 wrong passcodes in a day; \
                 an operator lifts it with `kola merchant passcode --merchant ID --unlock`",
            ),
            Self::TooManyPasscodeChecks => f.write_str("too many passcodes are being compared, try again"),
            Self::DuplicateReference => f.write_str("this idempotency key was used before with other values"),
            Self::DuplicateFunding => f.write_str("this key was used before for another wallet or amount"),
            Self::UnknownId { what, .. } => write!(f, "not the id of {what} of this merchant"),
            Self::InvalidState { what, state, needs, .. } => write!(f, "the {what} is {state} and must be {needs}"),
            Self::ChangedMeanwhile { what, .. } => {
                write!(f, "the {what} was changed meanwhile: look at what it has now, and try again")
            }
            Self::InReview { what } => {
                write!(f, "a review of an earlier payment of this {what} is open: it cannot be paid before that is resolved")
            }
            Self::NoItems { what } => write!(f, "the {what} has no items"),
            Self::TooManyItems { what, most } => write!(f, "the {what} has {most} items, and cannot have more"),
            Self::PaymentLinkClosed { state } => write!(f, "the payment link accepts no payment: it is {state}"),
            Self::SessionExpired { at } => write!(f, "the session expired at {at}"),
            Self::CheckoutExpired { at } => write!(f, "the checkout expired at {at}; a link asked for now can be paid again"),
            Self::ExpiryInPast { now } => write!(f, "the expiry is in the past: it is {now} now"),
            Self::ExpiryTooFar { days } => write!(f, "the expiry is more than {days} days ahead"),
            Self::CurrencyMismatch { what, has } => write!(f, "the {what} is in {has}"),
            Self::CurrencyNotSupported { currency, method } => write!(f, "{method} does not take {currency}"),
            Self::NoRate { from, to } => write!(f, "there is no exchange rate from {from} to {to}"),
            Self::NoWallet { currency } => write!(f, "this merchant has no wallet in {currency}"),
            Self::AccountInactive => f.write_str("the payment account is not active"),
            Self::AccountForOtherOperation { made_for } => write!(f, "the payment account was made for {made_for}"),
            Self::AccountMismatch => f.write_str("not the payment account of the session"),
            Self::NoMarket { method, provider, operation } => write!(f, "{method} through {provider} does no {operation}"),
            Self::UnknownOperator => f.write_str("no mobile-money operator is known for this number"),
            Self::InvalidPhoneNumber => {
                f.write_str("not a phone number: 8 to 15 digits with the country code and no plus sign, such as 231770000001")
            }
            Self::PhoneOfOtherCountry { method, code } => {
                write!(f, "a number of another country: those that {method} serves begin with {code}")
            }
            Self::UnknownCard => f.write_str(
                "no card is known by this name; the sandbox takes the names of Stripe's test payment methods: \
                 pm_card_visa, pm_card_mastercard, pm_card_chargeDeclined, ...",
            ),
            Self::ClockTooFar { years } => write!(f, "the sandbox clock would be more than {years} years ahead"),
            Self::UnknownFeeTier => f.write_str("no fee tier has this name"),
            Self::Tariff(fault) => fault.fmt(f),
            Self::NetworkAccount(fault) => fault.fmt(f),
            Self::NoNetworkAccount { network } => {
                write!(f, "{network} takes no payments of this merchant: an operator adds an account with `kola networks add`")
            }
            Self::OperatorUnavailable { method } => {
                write!(f, "{method} is temporarily unavailable: try again later, or another way to pay")
            }
            Self::PayoutsStopped => f.write_str(
                "payouts and refunds are stopped for now by whoever runs this server: nothing was recorded, try again later",
            ),
            Self::OutsideNetworkBounds { bound, amount, .. } => {
                write!(f, "the {bound} that the network takes is {amount}, fees included")
            }
            Self::NetworkDecimals { allowed: 0, .. } => f.write_str("the network takes whole amounts only"),
            Self::NetworkDecimals { allowed, .. } => {
                write!(f, "the network takes amounts with at most {allowed} decimals")
            }
            Self::Unsendable { reason } => write!(f, "the network cannot be asked for this payment: {reason}"),
            Self::CounterpartyWithoutParty => f.write_str("the counterparty has no party"),
            Self::PhoneMismatch => f.write_str("the counterparty's party has another phone"),
            Self::RecipientChanged => {
                f.write_str("another would receive it than when it was declared: declare the transfer again")
            }
            Self::TooManyRecipients { seconds } => {
                write!(f, "transfers to too many new recipients: try again in {seconds} seconds")
            }
            Self::TransferToSelf => f.write_str("the receiving wallet is the sending wallet"),
            Self::WalletState { state, .. } => write!(f, "the wallet is {state}"),
            Self::NotRefundable { state } => write!(f, "only a COMPLETED collection can be refunded; this one is {state}"),
            Self::RefundTooLate { days } => write!(
                f,
                "this payment was exchanged more than {days} days ago: only the operator of the server can refund it"
            ),
            Self::RefundExceeds { left } => write!(f, "more than is left to refund: {left}"),
            Self::AmountTooSmall => f.write_str("after fees and exchange nothing is left to pay"),
            Self::AmountRangeEmpty => f.write_str("the smallest amount is larger than the largest"),
            Self::AmountOutOfRange { least, most } => write!(f, "an amount from {least} to {most} is to be chosen"),
            Self::AmountTooLarge => f.write_str("the total is too large"),
            Self::NoFee { what, of, operation } => {
                write!(
                    f,
                    "no {what} fee is set for {operation} by {of}: the operator sets one, be it zero, before it is offered"
                )
            }
            Self::WalletLimitExceeded => f.write_str("the wallet to be credited has no room for so much"),
            Self::TooManyDecimals { allowed } => write!(f, "ensure that there are no more than {allowed} decimal places"),
            Self::PhoneTaken => f.write_str("another merchant has this phone"),
            Self::NotSandbox => f.write_str("only a sandbox merchant's wallet can be funded"),
            Self::WalletNotEmpty => f.write_str("a wallet is closed only at zero, with nothing open that could credit it"),
            Self::ReviewNotResolvable { needs } => write!(f, "the review cannot be resolved so: {needs}"),
            Self::StatementState { needs } => write!(f, "this cannot be done with the statement: {needs}"),
            Self::EvidenceNotTaken { why } => write!(f, "the review takes no evidence: {why}"),
            Self::ReviewFundsInsufficient => f.write_str("the wallet has not enough available to settle the review"),
            Self::NotAwaitingAuthentication => f.write_str("the execution does not wait for an authentication"),
            Self::QuoteChanged => f.write_str("the payment costs another amount than was shown"),
            Self::TooManyPayments { kind, seconds } => write!(
                f,
                "too many payments were begun on pages, counted by {}; try again in {seconds} seconds",
                kind.as_str().to_ascii_lowercase(),
            ),
            Self::TooManyEndpoints { most } => {
                write!(f, "there are {most} webhook endpoints, and cannot be more: delete one first")
            }
            Self::TooManySecrets { most } => {
                write!(f, "{most} secrets of the endpoint sign already: wait until one ends, or choose a shorter overlap")
            }
            Self::EndpointChanged => f.write_str("the webhook endpoint was changed in the same moment: try again"),
            Self::EndpointDisabled => f.write_str("the webhook endpoint is disabled: enable it first"),
            Self::EndpointDeleted => f.write_str("the webhook endpoint was deleted: nothing is delivered to it any more"),
        }
    }
}
