//! Every refusal of a decision, with the field it stands on, its message and its type.

use crate::kernel::currency::Currency;
use crate::kernel::money::{AmountFault, Decimal, Money};
use crate::kernel::time::Timestamp;

/// Why a command is refused. A refused command changes nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// The id in the path is not one of this merchant's.
    NotFound,
    /// The API key of the access token was revoked.
    KeyRevoked,
    /// The key that signed the access token was retired.
    SigningKeyRetired,
    TokenExpired,
    /// Payouts, transfers, refunds and links are for verified merchants.
    NotVerified,
    /// The merchant has set a passcode, and the request has none.
    PasscodeRequired,
    PasscodeInvalid,
    /// Too many wrong passcodes of one API key in a short time.
    PasscodeLocked {
        /// Until then.
        seconds: i64,
    },
    /// Too many wrong passcodes of all keys in a day.
    PasscodeLockedForAll,
    /// As many passcodes are being compared as wrong ones would lock.
    PasscodeBusy,
    /// The `reference_id` was used with other contents.
    DuplicateReference,
    /// The key of a funding was used with another wallet or amount.
    DuplicateFunding,
    /// An id in the body that is not one of this merchant's.
    Unknown {
        /// The field that holds the id.
        field: &'static str,
        /// What it should be the id of, with its article: "an invoice".
        what: &'static str,
    },
    /// The object is in a state that does not allow the call.
    State {
        /// The field that names the object; empty when the path does.
        field: &'static str,
        /// The object: "invoice".
        what: &'static str,
        /// Its state.
        state: &'static str,
        /// What the call needs: "ACTIVE".
        needs: &'static str,
    },
    /// A review of an earlier payment of the invoice or order is open: it may have been paid.
    InReview {
        /// The field that names the object.
        field: &'static str,
        /// "invoice" or "order".
        what: &'static str,
    },
    /// An invoice or order without items cannot be published.
    Empty {
        /// "invoice" or "order".
        what: &'static str,
    },
    /// An invoice or order has as many items as it can have.
    TooManyItems {
        /// "invoice" or "order".
        what: &'static str,
        most: i64,
    },
    SessionExpired {
        /// When it was over.
        at: Timestamp,
    },
    /// The checkout's time is over, and nobody has asked for a link since.
    CheckoutExpired {
        /// When it was over.
        at: Timestamp,
    },
    /// `expires_at` is not in the future.
    ExpiryPast {
        /// The merchant's time.
        now: Timestamp,
    },
    /// `expires_at` is too far ahead.
    ExpiryFar {
        /// The most days ahead.
        days: i64,
    },
    /// The wallet or source has another currency.
    CurrencyMismatch {
        /// What has it: "wallet", "invoice".
        what: &'static str,
        has: Currency,
    },
    /// The account's method does not take the currency.
    CurrencyNotTaken {
        /// The field that holds it, or names the object that does.
        field: &'static str,
        /// The currency asked for.
        currency: Currency,
        method: &'static str,
    },
    NoRate {
        /// From this currency,
        from: Currency,
        /// to this one.
        to: Currency,
    },
    /// The merchant has no wallet of that currency.
    NoWallet {
        currency: Currency,
    },
    AccountInactive {
        /// The field that holds its id.
        field: &'static str,
    },
    /// The account was made for another operation.
    AccountPurpose {
        /// The field that holds its id.
        field: &'static str,
        /// The operation that it was made for.
        made_for: &'static str,
    },
    /// The execution names another account than its session.
    AccountMismatch,
    /// The market has no such method, provider, operation.
    NoMarket {
        method: &'static str,
        provider: &'static str,
        operation: &'static str,
    },
    /// No operator is known whose numbers begin so.
    NoOperator,
    /// The number of a mobile-money account that is no phone's.
    NoPhone,
    /// A mobile-money number of another country than the method's.
    PhoneCountry {
        method: &'static str,
        /// What numbers of its country begin with.
        code: &'static str,
    },
    /// No card is known by this name.
    NoCard,
    /// The sandbox clock would be further ahead than it may.
    ClockFar {
        /// So many years it may be.
        years: i64,
    },
    /// No fee tier has this name.
    NoTier,
    /// The counterparty has no party behind it.
    CounterpartyWithoutParty,
    /// The counterparty's party has another phone than the request.
    PhoneMismatch,
    /// Sender and receiver are the same wallet.
    TransferToSelf,
    /// Another than when the transfer was declared would receive it.
    OtherRecipient,
    /// The merchant was told who receives transfers to too many parties.
    TooManyRecipients {
        /// Until then.
        seconds: i64,
    },
    /// The wallet is closed to this movement.
    WalletState {
        /// The field that names it.
        field: &'static str,
        /// Its state.
        state: &'static str,
    },
    /// The payment to refund is not a completed collection.
    NotRefundable {
        /// Its state.
        state: &'static str,
    },
    /// More than is left to refund.
    RefundExceeds {
        /// What is left, with its currency.
        left: String,
    },
    /// What comes out for payer or payee is zero or less.
    AmountTooSmall {
        /// The field to change.
        field: &'static str,
    },
    /// A sum does not fit.
    AmountTooLarge {
        /// The field to change.
        field: &'static str,
    },
    /// The tariff has no row for a fee that every such payment has, be it of zero.
    NoFee {
        /// The field to change.
        field: &'static str,
        /// Whose fee: platform, gateway.
        what: &'static str,
        /// Of which tier or method.
        of: String,
        operation: &'static str,
    },
    /// The wallet that is to be credited would have more than it may.
    NoRoom {
        /// The field that names it, or what credits it.
        field: &'static str,
    },
    /// More decimals than the currency has.
    TooManyDecimals {
        field: &'static str,
        /// How many the currency has.
        allowed: u32,
    },
    /// The phone belongs to another merchant of the same mode.
    PhoneTaken,
    /// The wallet belongs to a live merchant.
    NotSandbox,
    /// A wallet is closed only at zero with nothing open.
    WalletNotEmpty,
    /// The review was resolved before, or cannot be resolved that way.
    ReviewNotOpen {
        /// What is needed instead.
        needs: &'static str,
    },
    /// The wallet has not enough to settle the review.
    ReviewInsufficient,
    /// The execution does not wait for an authentication.
    NoActionNeeded,
}

/// The kinds of answer that a refusal gives.
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
    /// The kind of answer.
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

    /// The field of the body that the refusal stands on; empty where the path names the object.
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

impl std::fmt::Display for Refusal {
    /// One plain sentence for the developer who reads the answer.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotFound => f.write_str("Not found"),
            Self::KeyRevoked => f.write_str("the API key of this access token was revoked"),
            Self::SigningKeyRetired => f.write_str("the key that signed this access token was retired: obtain a new token"),
            Self::TokenExpired => f.write_str("the access token expired: obtain a new one"),
            Self::NotVerified => {
                f.write_str("merchant not verified: an operator sets it with `kola merchant set --merchant ID --verified true`")
            }
            Self::PasscodeRequired => f.write_str(
                "passcode required: payouts of this merchant need it as `passcode.token.code`, and a change of it as `current`",
            ),
            Self::PasscodeInvalid => {
                f.write_str("passcode invalid: an operator sets another with `kola merchant set-passcode --merchant ID`")
            }
            Self::PasscodeLocked { .. } => f.write_str(
                "passcode locked for this API key: 5 wrong passcodes in 15 minutes; try again after `Retry-After`, \
                 or have an operator lift it with `kola merchant passcode --merchant ID --unlock`",
            ),
            Self::PasscodeLockedForAll => f.write_str(
                "passcode locked for this merchant: 20 wrong passcodes in a day; \
                 an operator lifts it with `kola merchant passcode --merchant ID --unlock`",
            ),
            Self::PasscodeBusy => f.write_str("too many passcodes are being compared, try again"),
            Self::DuplicateReference => f.write_str("this reference_id was used before with other values"),
            Self::DuplicateFunding => f.write_str("this key was used before for another wallet or amount"),
            Self::Unknown { what, .. } => write!(f, "not the id of {what} of this merchant"),
            Self::State { what, state, needs, .. } => write!(f, "the {what} is {state} and must be {needs}"),
            Self::InReview { what, .. } => {
                write!(f, "a review of an earlier payment of this {what} is open: it cannot be paid before that is resolved")
            }
            Self::Empty { what } => write!(f, "the {what} has no items"),
            Self::TooManyItems { what, most } => write!(f, "the {what} has {most} items, and cannot have more"),
            Self::SessionExpired { at } => write!(f, "the session expired at {at}"),
            Self::CheckoutExpired { at } => write!(f, "the checkout expired at {at}; a link asked for now can be paid again"),
            Self::ExpiryPast { now } => write!(f, "expires_at is in the past: it is {now} now"),
            Self::ExpiryFar { days } => write!(f, "expires_at is more than {days} days ahead"),
            Self::CurrencyMismatch { what, has } => write!(f, "the {what} is in {has}"),
            Self::CurrencyNotTaken { currency, method, .. } => write!(f, "{method} does not take {currency}"),
            Self::NoRate { from, to } => write!(f, "there is no exchange rate from {from} to {to}"),
            Self::NoWallet { currency } => write!(f, "this merchant has no wallet in {currency}"),
            Self::AccountInactive { .. } => f.write_str("the payment account is not active"),
            Self::AccountPurpose { made_for, .. } => write!(f, "the payment account was made for {made_for}"),
            Self::AccountMismatch => f.write_str("not the payment account of the session"),
            Self::NoMarket { method, provider, operation } => write!(f, "{method} through {provider} does no {operation}"),
            Self::NoOperator => f.write_str("no mobile-money operator is known for this number"),
            Self::NoPhone => {
                f.write_str("not a phone number: 8 to 15 digits with the country code and no plus sign, such as 231770000001")
            }
            Self::PhoneCountry { method, code } => {
                write!(f, "a number of another country: those that {method} serves begin with {code}")
            }
            Self::NoCard => f.write_str(
                "no card is known by this name; the sandbox takes the names of Stripe's test payment methods: \
                 pm_card_visa, pm_card_mastercard, pm_card_chargeDeclined, ...",
            ),
            Self::ClockFar { years } => write!(f, "the sandbox clock would be more than {years} years ahead"),
            Self::NoTier => f.write_str("no fee tier has this name"),
            Self::CounterpartyWithoutParty => f.write_str("the counterparty has no party"),
            Self::PhoneMismatch => f.write_str("the counterparty's party has another phone"),
            Self::OtherRecipient => {
                f.write_str("another would receive it than when it was declared: declare the transfer again")
            }
            Self::TooManyRecipients { seconds } => {
                write!(f, "transfers to too many new recipients: try again in {seconds} seconds")
            }
            Self::TransferToSelf => f.write_str("the receiving wallet is the sending wallet"),
            Self::WalletState { state, .. } => write!(f, "the wallet is {state}"),
            Self::NotRefundable { state } => write!(f, "only a COMPLETED collection can be refunded; this one is {state}"),
            Self::RefundExceeds { left } => write!(f, "more than is left to refund: {left}"),
            Self::AmountTooSmall { .. } => f.write_str("after fees and exchange nothing is left to pay"),
            Self::AmountTooLarge { .. } => f.write_str("the total is too large"),
            Self::NoFee { what, of, operation, .. } => {
                write!(
                    f,
                    "no {what} fee is set for {operation} by {of}: the operator sets one, be it zero, before it is offered"
                )
            }
            Self::NoRoom { .. } => f.write_str("the wallet to be credited has no room for so much"),
            Self::TooManyDecimals { allowed, .. } => write!(f, "ensure that there are no more than {allowed} decimal places"),
            Self::PhoneTaken => f.write_str("another merchant has this phone"),
            Self::NotSandbox => f.write_str("only a sandbox merchant's wallet can be funded"),
            Self::WalletNotEmpty => f.write_str("a wallet is closed only at zero, with nothing open that could credit it"),
            Self::ReviewNotOpen { needs } => write!(f, "the review cannot be resolved so: {needs}"),
            Self::ReviewInsufficient => f.write_str("the wallet has not enough available to settle the review"),
            Self::NoActionNeeded => f.write_str("the execution does not wait for an authentication"),
        }
    }
}

impl Refusal {
    /// One of each refusal, with plain values, for the error catalogue. The test beside it fails
    /// when one is left out.
    #[must_use]
    pub fn catalogue() -> Vec<Self> {
        let (Some(usd), Some(lrd)) = (Currency::parse("USD"), Currency::parse("LRD")) else {
            return vec![];
        };
        let at = Timestamp(1_795_500_000_000_000);
        vec![
            Self::NotFound,
            Self::KeyRevoked,
            Self::SigningKeyRetired,
            Self::TokenExpired,
            Self::NotVerified,
            Self::PasscodeRequired,
            Self::PasscodeInvalid,
            Self::PasscodeLocked { seconds: 900 },
            Self::PasscodeLockedForAll,
            Self::PasscodeBusy,
            Self::DuplicateReference,
            Self::DuplicateFunding,
            Self::Unknown { field: "wallet_id", what: "a wallet" },
            Self::State { field: "session_id", what: "invoice", state: "PAID", needs: "ACTIVE" },
            Self::InReview { field: "source_id", what: "invoice" },
            Self::Empty { what: "invoice" },
            Self::TooManyItems { what: "invoice", most: 200 },
            Self::SessionExpired { at },
            Self::CheckoutExpired { at },
            Self::ExpiryPast { now: at },
            Self::ExpiryFar { days: 366 },
            Self::CurrencyMismatch { what: "wallet", has: lrd },
            Self::CurrencyNotTaken { field: "currency", currency: usd, method: "MTN_MOMO_RWA" },
            Self::NoRate { from: usd, to: lrd },
            Self::NoWallet { currency: usd },
            Self::AccountInactive { field: "payment_account_id" },
            Self::AccountPurpose { field: "payment_account_id", made_for: "PAYOUT" },
            Self::AccountMismatch,
            Self::NoMarket { method: "CREDIT_CARD", provider: "PAWAPAY", operation: "COLLECTION" },
            Self::NoOperator,
            Self::NoPhone,
            Self::PhoneCountry { method: "MTN_MOMO_LBR", code: "231" },
            Self::NoCard,
            Self::ClockFar { years: 100 },
            Self::NoTier,
            Self::CounterpartyWithoutParty,
            Self::PhoneMismatch,
            Self::TransferToSelf,
            Self::OtherRecipient,
            Self::TooManyRecipients { seconds: 4 },
            Self::WalletState { field: "from_wallet_id", state: "FROZEN" },
            Self::NotRefundable { state: "PROCESSING" },
            Self::RefundExceeds { left: "3.00 USD".to_owned() },
            Self::AmountTooSmall { field: "session_id" },
            Self::AmountTooLarge { field: "amount" },
            Self::NoFee {
                field: "payment_account_id",
                what: "gateway",
                of: "MTN_MOMO_LBR".to_owned(),
                operation: "COLLECTION",
            },
            Self::NoRoom { field: "session_id" },
            Self::TooManyDecimals { field: "amount", allowed: 2 },
            Self::PhoneTaken,
            Self::NotSandbox,
            Self::WalletNotEmpty,
            Self::ReviewNotOpen { needs: "it was resolved before" },
            Self::ReviewInsufficient,
            Self::NoActionNeeded,
        ]
    }
}

/// Collects the refusals of one command, so that a client reads all of them at once.
#[derive(Default, Debug)]
pub struct Refusals(Vec<Refusal>);

impl Refusals {
    /// Notes a refusal.
    pub fn add(&mut self, refusal: Refusal) {
        self.0.push(refusal);
    }

    /// Notes `refusal` unless `fine`.
    pub fn unless(&mut self, fine: bool, refusal: Refusal) {
        if !fine {
            self.add(refusal);
        }
    }

    /// The value, or notes why there is none.
    pub fn take<T>(&mut self, result: Result<T, Refusal>) -> Option<T> {
        result.map_err(|refusal| self.add(refusal)).ok()
    }

    /// `Ok` when nothing was refused.
    ///
    /// # Errors
    /// All that was noted, in order.
    pub fn finish(self) -> Result<(), Vec<Refusal>> {
        if self.0.is_empty() { Ok(()) } else { Err(self.0) }
    }
}

/// A decimal of a request as money, where the currency is known only from a row.
///
/// # Errors
/// [`Refusal::TooManyDecimals`], [`Refusal::AmountTooSmall`], [`Refusal::AmountTooLarge`] on
/// `amount`.
pub fn request_amount(amount: Decimal, currency: Currency) -> Result<Money, Refusal> {
    amount.to_money(currency).map_err(|fault| match fault {
        AmountFault::NotPositive => Refusal::AmountTooSmall { field: "amount" },
        AmountFault::TooManyDecimals { allowed } => {
            Refusal::TooManyDecimals { field: "amount", allowed }
        }
        AmountFault::TooLarge => Refusal::AmountTooLarge { field: "amount" },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many refusals there are: a new one goes into the catalogue too.
    const VARIANTS: usize = 54;

    #[test]
    fn the_catalogue_has_each_refusal_once() {
        let kinds: std::collections::HashSet<_> =
            Refusal::catalogue().iter().map(std::mem::discriminant).collect();
        assert_eq!((kinds.len(), Refusal::catalogue().len()), (VARIANTS, VARIANTS));
    }

    #[test]
    fn every_refusal_reads_as_a_sentence_on_a_typed_field() {
        for refusal in Refusal::catalogue() {
            assert!(refusal.kind().starts_with("value_error."), "{refusal:?}");
            assert!(refusal.to_string().len() > 8, "{refusal:?}");
            assert!(refusal.class() == Class::Invalid || refusal.field().is_empty(), "{refusal:?}");
        }
    }
}
