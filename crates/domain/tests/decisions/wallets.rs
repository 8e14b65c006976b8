//! Closing a wallet: only at zero, with nothing open that could credit it.

use crate::stage::{Stage, currency, declined, paid, usd};
use domain::exceptions::review::{Resolution, ReviewKind};
use domain::kernel::money::Money;
use domain::kernel::names::{FeeBearer, Method, Operation};
use domain::kernel::refusal::Refusal;
use domain::ledger::set_wallet_status::SetWalletStatus;
use domain::ledger::wallet::{Owner, WalletStatus};
use domain::payments::claim_execution::ClaimExecution;
use domain::payments::execution::Execution;
use domain::payments::outcome::ProviderOutcome;

impl Stage {
    /// Tries to close the merchant's wallet; one that was closed is opened again.
    fn closes(&mut self, code: &str) -> bool {
        let wallet_id = self.wallet(Owner::Merchant(self.merchant), code).id;
        let closed = self.decide(&SetWalletStatus { wallet_id, status: WalletStatus::Closed });
        if let Err(reasons) = closed {
            assert_eq!(reasons, [Refusal::WalletNotEmpty]);
            return false;
        }
        self.decide(&SetWalletStatus { wallet_id, status: WalletStatus::Active }).unwrap();
        true
    }

    fn open_reviews(&self, code: &str) -> i64 {
        self.wallet(Owner::Merchant(self.merchant), code).open_reviews
    }

    /// A collection of 100 dollars, paid in `code`, that is with its provider.
    fn collection_in(&mut self, code: &str) -> Execution {
        let source = self.invoice(10_000, FeeBearer::Payee);
        let party = self.party("231880000002");
        let account = self.account(party, Method::MTN_MOMO_LBR, Operation::Collection);
        self.collect(source, account, code).unwrap()
    }
}

#[test]
fn a_wallet_is_closed_when_nothing_is_in_it_and_nothing_under_way() {
    let mut stage = Stage::new();
    assert!(stage.closes("USD"));
    let execution = stage.collection_in("USD");
    assert!(!stage.closes("USD"), "incoming");
    assert!(stage.closes("RWF"));
    stage.hear(execution.id, declined());
    assert!(stage.closes("USD"));

    let party = stage.party("231880000002");
    let account = stage.account(party, Method::MTN_MOMO_LBR, Operation::Payout);
    stage.fund(10_250);
    assert!(!stage.closes("USD"), "money");
    let execution = stage.payout(account, usd(10_000)).unwrap();
    assert_eq!(stage.mine("USD"), (0, 10_250));
    assert!(!stage.closes("USD"), "held");
    stage.hear(execution.id, paid("t"));
    assert!(stage.closes("USD"));
}

#[test]
fn a_wallet_with_an_open_review_is_not_closed() {
    for how in [Resolution::ToPayer, Resolution::ToWallet] {
        let mut stage = Stage::new();
        let execution = stage.collection_in("USD");
        stage.hear(execution.id, declined());
        stage.hear(execution.id, paid("late"));
        assert_eq!(stage.open_reviews("USD"), 1, "counted once");
        assert!(!stage.closes("USD"));
        assert!(stage.closes("RWF"));
        let review = stage.review(execution.id, ReviewKind::SuccessAfterFailure);
        stage.resolve(review.id, how).unwrap();
        assert_eq!(stage.open_reviews("USD"), 0);
        assert_eq!(stage.closes("USD"), how == Resolution::ToPayer);
        stage.check_books();
    }
}

#[test]
fn a_review_in_the_payers_currency_counts_on_both_wallets() {
    let mut stage = Stage::new();
    let execution = stage.collection_in("RWF");
    stage.hear(execution.id, declined());
    stage.hear(execution.id, paid("late"));
    let review = stage.review(execution.id, ReviewKind::SuccessAfterFailure);
    assert_eq!(review.amount.currency, currency("RWF"));
    assert_eq!((stage.open_reviews("USD"), stage.open_reviews("RWF")), (1, 1));
    assert!(!stage.closes("USD") && !stage.closes("RWF"));
    stage.resolve(review.id, Resolution::ToWallet).unwrap();
    assert_eq!((stage.open_reviews("USD"), stage.open_reviews("RWF")), (0, 0));
    assert!(stage.closes("RWF"));
}

#[test]
fn a_review_opens_the_wallet_that_it_could_credit() {
    let mut stage = Stage::new();
    let execution = stage.collection_in("USD");
    let euros = Money::new(5_000, currency("EUR"));
    let word = ProviderOutcome::Succeeded { transaction_id: "t".into(), amount: Some(euros) };
    stage.hear(execution.id, word);
    assert_eq!((stage.open_reviews("USD"), stage.open_reviews("EUR")), (1, 1));
    assert!(!stage.closes("EUR"));
    let review = stage.review(execution.id, ReviewKind::AmountMismatch);
    stage.resolve(review.id, Resolution::ToPayer).unwrap();
    assert!(stage.closes("EUR"));
}

#[test]
fn a_review_opens_on_a_closed_wallet_all_the_same() {
    let mut stage = Stage::new();
    let execution = stage.collection_in("USD");
    stage.hear(execution.id, declined());
    let wallet_id = stage.wallet(Owner::Merchant(stage.merchant), "USD").id;
    stage.decide(&SetWalletStatus { wallet_id, status: WalletStatus::Closed }).unwrap();
    stage.hear(execution.id, paid("late"));
    let wallet = stage.wallet(Owner::Merchant(stage.merchant), "USD");
    assert_eq!((wallet.status, wallet.open_reviews), (WalletStatus::Closed, 1));
    let review = stage.review(execution.id, ReviewKind::SuccessAfterFailure);
    assert!(stage.resolve(review.id, Resolution::ToWallet).is_err());
    stage.resolve(review.id, Resolution::ToPayer).unwrap();
    assert_eq!(stage.open_reviews("USD"), 0);
}

#[test]
fn a_passed_deadline_counts_by_what_is_under_way() {
    let mut stage = Stage::new();
    stage.fund(10_250);
    let party = stage.party("231880000002");
    let account = stage.account(party, Method::MTN_MOMO_LBR, Operation::Payout);
    let execution = stage.payout(account, usd(10_000)).unwrap();
    stage.now = stage.now.plus(domain::kernel::time::minutes(25 * 60));
    stage.decide(&ClaimExecution { execution_id: execution.id }).unwrap();
    let review = stage.review(execution.id, ReviewKind::DeadlinePassed);
    assert_eq!(stage.open_reviews("USD"), 0);
    assert!(!stage.closes("USD"), "held");
    stage.resolve(review.id, Resolution::Completed).unwrap();
    assert!(stage.closes("USD"));
}
