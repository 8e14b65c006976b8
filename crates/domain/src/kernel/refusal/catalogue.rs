//! An example of each refusal.

use crate::directory::roles::{Action, Role};
use crate::kernel::currency::Currency;
use crate::kernel::names::{Method, Provider};
use crate::kernel::refusal::{Refusal, Subject};
use crate::kernel::time::MerchantTime;
use crate::network_accounts::fault::NetworkAccountFault;
use crate::payments::request_limit::RequestLimitKind;
use crate::tariff::TariffFault;

impl Refusal {
    /// One of each refusal with example values, for the error catalogue. A test fails when one is
    /// left out.
    #[must_use]
    pub fn catalogue() -> Vec<Self> {
        let (Some(usd), Some(lrd)) = (Currency::parse("USD"), Currency::parse("LRD")) else {
            return vec![];
        };
        let at = MerchantTime(1_795_500_000_000_000);
        vec![
            Self::NotFound,
            Self::KeyRevoked,
            Self::SigningKeyRetired,
            Self::NotPermitted { role: Role::Finance, action: Action::Sell },
            Self::MoreThanOwn,
            Self::OwnRequest,
            Self::OwnInvitation,
            Self::InvitationWaits,
            Self::RoleTakesTwo { role: Role::Finance },
            Self::LimitsRaised,
            Self::AboveSupportLimit { limit: format!("50.00 {usd}") },
            Self::LoginEnded,
            Self::SecondFactorMissing,
            Self::SecondFactorNotSetUp,
            Self::NotMember,
            Self::TooManyLogins { seconds: 840 },
            Self::WrongPassword,
            Self::WrongCode,
            Self::InvitationEnded,
            Self::EmailTaken,
            Self::AlreadyMember,
            Self::LastOwner,
            Self::TokenExpired,
            Self::NotVerified,
            Self::PasscodeRequired,
            Self::PasscodeInvalid,
            Self::PasscodeLocked { seconds: 900 },
            Self::PasscodeLockedForAll,
            Self::TooManyPasscodeChecks,
            Self::DuplicateReference,
            Self::DuplicateFunding,
            Self::UnknownId { subject: Subject::Wallet, what: "a wallet" },
            Self::InvalidState {
                subject: Subject::Source,
                what: "invoice",
                state: "PAID",
                needs: "ACTIVE",
            },
            Self::ChangedMeanwhile { subject: Subject::Source, what: "invoice" },
            Self::InReview { what: "invoice" },
            Self::NoItems { what: "invoice" },
            Self::TooManyItems { what: "invoice", most: 200 },
            Self::PaymentLinkClosed { state: "USED_UP" },
            Self::SessionExpired { at },
            Self::CheckoutExpired { at },
            Self::ExpiryInPast { now: at },
            Self::ExpiryTooFar { days: 366 },
            Self::CurrencyMismatch { what: "wallet", has: lrd },
            Self::CurrencyNotSupported { currency: usd, method: Method::MTN_MOMO_RWA },
            Self::NoRate { from: usd, to: lrd },
            Self::NoWallet { currency: usd },
            Self::AccountInactive,
            Self::AccountForOtherOperation { made_for: "PAYOUT" },
            Self::AccountMismatch,
            Self::NoMarket {
                method: Method::CREDIT_CARD,
                provider: "PAWAPAY",
                operation: "COLLECTION",
            },
            Self::UnknownOperator,
            Self::InvalidPhoneNumber,
            Self::PhoneOfOtherCountry { method: Method::MTN_MOMO_LBR, code: "231".to_owned() },
            Self::UnknownCard,
            Self::ClockTooFar { years: 100 },
            Self::UnknownFeeTier,
            Self::Tariff(TariffFault::MethodWithoutMarket(Method::CREDIT_CARD)),
            Self::NetworkAccount(NetworkAccountFault::InUse { payments: 3 }),
            Self::NoNetworkAccount { network: Provider::PawaPay },
            Self::OperatorUnavailable { method: Method::MTN_MOMO_LBR },
            Self::PayoutsStopped,
            Self::OutsideNetworkBounds {
                subject: Subject::Amount,
                bound: "least",
                amount: "0.50 USD".to_owned(),
            },
            Self::NetworkDecimals { subject: Subject::Amount, allowed: 0 },
            Self::Unsendable { reason: "cards cannot be charged in LYD".to_owned() },
            Self::CounterpartyWithoutParty,
            Self::PhoneMismatch,
            Self::TransferToSelf,
            Self::RecipientChanged,
            Self::TooManyRecipients { seconds: 4 },
            Self::WalletState { subject: Subject::Wallet, state: "FROZEN" },
            Self::NotRefundable { state: "PROCESSING" },
            Self::RefundTooLate { days: 90 },
            Self::RefundExceeds { left: "3.00 USD".to_owned() },
            Self::AmountTooSmall,
            Self::AmountTooLarge,
            Self::AmountRangeEmpty,
            Self::AmountOutOfRange { least: "1.00 USD".to_owned(), most: "500.00 USD".to_owned() },
            Self::NoFee { what: "gateway", of: "MTN_MOMO_LBR".to_owned(), operation: "COLLECTION" },
            Self::WalletLimitExceeded,
            Self::TooManyDecimals { allowed: 2 },
            Self::PhoneTaken,
            Self::NotSandbox,
            Self::WalletNotEmpty,
            Self::ReviewNotResolvable { needs: "it was resolved before" },
            Self::StatementState { needs: "the difference was closed before" },
            Self::EvidenceNotTaken { why: "it is resolved" },
            Self::ReviewFundsInsufficient,
            Self::NotAwaitingAuthentication,
            Self::QuoteChanged,
            Self::TooManyPayments { kind: RequestLimitKind::Phone, seconds: 1_200 },
            Self::TooManyEndpoints { most: 16 },
            Self::TooManySecrets { most: 5 },
            Self::EndpointDisabled,
            Self::EndpointDeleted,
            Self::EndpointChanged,
        ]
    }
}
