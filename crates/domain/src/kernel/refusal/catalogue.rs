//! An example of each refusal.

use crate::kernel::currency::Currency;
use crate::kernel::refusal::Refusal;
use crate::kernel::time::MerchantTime;

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
