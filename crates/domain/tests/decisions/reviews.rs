//! Reviews: cases that only a person can decide.

use crate::stage::{CLEARING, Stage, declined, paid, usd};
use domain::exceptions::review::{Resolution, Review, ReviewKind, ReviewStatus};
use domain::kernel::currency::Currency;
use domain::kernel::ids::SourceId;
use domain::kernel::money::Money;
use domain::kernel::names::{FeeBearer, Method, Operation};
use domain::kernel::refusal::Refusal;
use domain::kernel::time::minutes;
use domain::ledger::account::AccountKind;
use domain::payments::claim_execution::ClaimExecution;
use domain::payments::execution::{Execution, ExecutionStatus};
use domain::payments::outcome::ProviderOutcome;
use domain::sales::source::SourceStatus;

/// Begins a collection of 100 dollars, which is then with its provider.
fn collection(stage: &mut Stage) -> Execution {
    let source = stage.invoice(10_000, FeeBearer::Payee);
    let party = stage.party("231880000002");
    let account = stage.account(party, Method::MTN_MOMO_LBR, Operation::Collection);
    stage.collect(source, account, "USD").unwrap()
}

#[test]
fn a_contradiction_opens_a_review_and_changes_nothing_final() {
    for (how, wallet, clearing) in
        [(Resolution::ToWallet, 10_000, -10_300), (Resolution::ToPayer, 0, 0)]
    {
        let mut stage = Stage::new();
        let source = stage.invoice(10_000, FeeBearer::Payer);
        let party = stage.party("231880000179");
        let account = stage.account(party, Method::MTN_MOMO_LBR, Operation::Collection);
        let execution = stage.collect(source, account, "USD").unwrap();
        stage.hear(execution.id, declined());
        let after = stage.hear(execution.id, paid("late"));
        assert_eq!(
            (after.status, stage.source(source)),
            (ExecutionStatus::Failed, SourceStatus::Active)
        );
        assert_eq!(stage.system(AccountKind::Suspense, "USD"), 10_300);
        stage.hear(execution.id, paid("late"));
        assert_eq!(stage.system(AccountKind::Suspense, "USD"), 10_300, "once");

        let review = stage.review(execution.id, ReviewKind::SuccessAfterFailure);
        assert!(stage.resolve(review.id, Resolution::Completed).is_err());
        stage.resolve(review.id, how).unwrap();
        assert!(stage.resolve(review.id, how).is_err(), "a review is resolved once");
        assert_eq!(stage.system(AccountKind::Suspense, "USD"), 0);
        assert_eq!(stage.mine("USD").0, wallet);
        assert_eq!(stage.system(CLEARING, "USD"), clearing);
        stage.check_books();
    }
}

#[test]
fn a_success_taken_back_is_missing_money() {
    let mut stage = Stage::new();
    let source = stage.invoice(10_000, FeeBearer::Payee);
    let party = stage.party("231880000002");
    let account = stage.account(party, Method::MTN_MOMO_LBR, Operation::Collection);
    let execution = stage.collect(source, account, "USD").unwrap();
    stage.hear(execution.id, paid("t"));
    let after = stage.hear(execution.id, declined());
    assert_eq!(
        (after.status, stage.source(source)),
        (ExecutionStatus::Completed, SourceStatus::Paid)
    );
    assert_eq!(stage.system(AccountKind::Suspense, "USD"), -10_000);
    let review = stage.review(execution.id, ReviewKind::FailureAfterSuccess);
    assert_eq!(
        stage.resolve(review.id, Resolution::ToWallet).unwrap_err(),
        [Refusal::ReviewFundsInsufficient]
    );
    stage.fund(1_000);
    stage.resolve(review.id, Resolution::ToWallet).unwrap();
    assert_eq!((stage.mine("USD").0, stage.system(AccountKind::Suspense, "USD")), (700, 0));
    stage.check_books();
}

#[test]
fn another_amount_than_asked_for_waits_for_a_human() {
    let mut stage = Stage::new();
    let source = stage.invoice(10_000, FeeBearer::Payee);
    let party = stage.party("231880000002");
    let account = stage.account(party, Method::MTN_MOMO_LBR, Operation::Collection);
    let execution = stage.collect(source, account, "USD").unwrap();
    let word = ProviderOutcome::Succeeded { transaction_id: "t".into(), amount: Some(usd(9_000)) };
    assert_eq!(stage.hear(execution.id, word).status, ExecutionStatus::Processing);
    assert_eq!(stage.system(AccountKind::Suspense, "USD"), 9_000);
    let review = stage.review(execution.id, ReviewKind::AmountMismatch);
    stage.resolve(review.id, Resolution::ToWallet).unwrap();
    assert_eq!((stage.mine("USD").0, stage.source(source)), (9_000, SourceStatus::Active));
    stage.check_books();
}

/// A collection of which the provider moved nine tenths, and its review.
fn short_paid(stage: &mut Stage) -> (SourceId, Execution, Review) {
    let source = stage.invoice(10_000, FeeBearer::Payee);
    let party = stage.party("231880000002");
    let account = stage.account(party, Method::MTN_MOMO_LBR, Operation::Collection);
    let execution = stage.collect(source, account, "USD").unwrap();
    let execution = stage.hear(
        execution.id,
        ProviderOutcome::Succeeded { transaction_id: "t".into(), amount: Some(usd(9_000)) },
    );
    let review = stage.review(execution.id, ReviewKind::AmountMismatch);
    (source, execution, review)
}

#[test]
fn what_is_in_review_is_not_settled_on_top() {
    let mut stage = Stage::new();
    let (source, execution, review) = short_paid(&mut stage);
    let after = stage.hear(execution.id, paid("t"));
    assert_eq!(
        (after.status, stage.source(source)),
        (ExecutionStatus::Processing, SourceStatus::Processing)
    );
    assert_eq!(stage.mine("USD").0, 0);
    let updated = stage.work.events.last().unwrap();
    assert_eq!(
        updated.kind,
        domain::decision::event::EventType::ReviewUpdated,
        "the operator is told"
    );

    stage.now = stage.now.plus(minutes(25 * 60));
    assert!(matches!(stage.decide(&ClaimExecution { execution_id: execution.id }), Ok(Some(_))));
    let deadline = stage.review(execution.id, ReviewKind::DeadlinePassed);
    assert!(matches!(
        stage.resolve(deadline.id, Resolution::Completed).unwrap_err()[0],
        Refusal::ReviewNotResolvable { .. }
    ));
    stage.resolve(review.id, Resolution::ToWallet).unwrap();
    assert_eq!((stage.mine("USD").0, stage.system(AccountKind::Suspense, "USD")), (9_000, 0));
    stage.check_books();
}

#[test]
fn a_review_of_a_deadline_never_touches_what_is_final() {
    let mut stage = Stage::new();
    stage.fund(100_000);
    let party = stage.party("231880000002");
    let account = stage.account(party, Method::MTN_MOMO_LBR, Operation::Payout);
    let (execution, other) =
        (stage.payout(account, usd(1_000)).unwrap(), stage.payout(account, usd(1_000)).unwrap());
    stage.now = stage.now.plus(minutes(25 * 60));
    assert!(matches!(stage.decide(&ClaimExecution { execution_id: execution.id }), Ok(Some(_))));
    let review = stage.review(execution.id, ReviewKind::DeadlinePassed);
    // The decision is made by a process that has not yet seen that the merchant's clock was
    // advanced. The review is closed anyway.
    stage.now = stage.now.plus(-minutes(20 * 60));
    stage.hear(execution.id, paid("t"));
    assert_eq!(
        stage.review(execution.id, ReviewKind::DeadlinePassed).status,
        ReviewStatus::Resolved
    );
    let (entries, mine) = (stage.work.entries.len(), stage.mine("USD"));
    let _ = stage.resolve(review.id, Resolution::Failed);
    assert_eq!((stage.work.entries.len(), stage.mine("USD")), (entries, mine));
    stage.hear(other.id, paid("o"));
    assert_eq!(
        stage.mine("USD"),
        (100_000 - 2 * 1_025, 0),
        "the other payment's hold was left alone"
    );
    stage.check_books();
}

#[test]
fn a_payout_of_another_amount_is_paid_for_from_its_own_hold() {
    let mut stage = Stage::new();
    stage.fund(10_250);
    let party = stage.party("231880000002");
    let account = stage.account(party, Method::MTN_MOMO_LBR, Operation::Payout);
    let execution = stage.payout(account, usd(10_000)).unwrap();
    assert_eq!(stage.mine("USD"), (0, 10_250));
    stage.hear(
        execution.id,
        ProviderOutcome::Succeeded { transaction_id: "t".into(), amount: Some(usd(9_000)) },
    );
    let review = stage.review(execution.id, ReviewKind::AmountMismatch);
    stage.resolve(review.id, Resolution::ToWallet).unwrap();
    assert_eq!((stage.mine("USD"), stage.system(AccountKind::Suspense, "USD")), ((1_250, 0), 0));
    stage.check_books();
}

#[test]
fn a_refund_that_paid_after_all_keeps_its_room_when_the_one_that_had_taken_it_fails() {
    let mut stage = Stage::new();
    let collection = collection(&mut stage);
    stage.hear(collection.id, paid("t"));
    stage.fund(20_000);
    let first = stage.refund(collection.id, "90").unwrap();
    stage.hear(first.id, declined());
    let second = stage.refund(collection.id, "100").unwrap();
    stage.hear(first.id, paid("late"));
    stage.hear(second.id, declined());
    assert!(stage.refund(collection.id, "10.01").is_err(), "90 of 100 are with the payer");
    assert!(stage.refund(collection.id, "10").is_ok());
    stage.check_books();
}

/// A collection of 100 dollars that was paid as 144,000 francs, and an open refund of all of it,
/// from a wallet that has dollars left.
fn exchanged() -> (Stage, Execution, Execution) {
    let mut stage = Stage::new();
    let source = stage.invoice(10_000, FeeBearer::Payee);
    let party = stage.party("231880000002");
    let account = stage.account(party, Method::MTN_MOMO_LBR, Operation::Collection);
    let collection = stage.collect(source, account, "RWF").unwrap();
    stage.hear(collection.id, paid("t"));
    stage.fund(10_000);
    let refund = stage.refund(collection.id, "144000").unwrap();
    (stage, collection, refund)
}

#[test]
fn a_refund_that_paid_after_all_is_charged_at_its_rate_and_keeps_its_room() {
    let (mut stage, collection, refund) = exchanged();
    stage.hear(refund.id, declined());
    let before = stage.mine("USD").0;
    stage.hear(refund.id, paid("late"));
    assert_eq!(stage.system(AccountKind::Suspense, "RWF"), -144_000);
    assert!(stage.refund(collection.id, "1").is_err(), "the payer has it all back");
    let review = stage.review(refund.id, ReviewKind::SuccessAfterFailure);
    stage.resolve(review.id, Resolution::ToWallet).unwrap();
    assert_eq!(
        (stage.mine("USD").0, stage.system(AccountKind::Suspense, "RWF")),
        (before - 10_000, 0)
    );
    assert_eq!(stage.system(AccountKind::Position, "RWF"), 0);
    stage.check_books();
}

/// A provider's report that it moved `minor` cents.
fn moved(minor: i64) -> ProviderOutcome {
    ProviderOutcome::Succeeded { transaction_id: "t".into(), amount: Some(usd(minor)) }
}

#[test]
fn a_refund_counts_for_what_its_provider_moved() {
    // A refund of 50 of 100 dollars: the outcomes that its provider reports, how the review is
    // resolved, and what can be refunded before and after that.
    let cases: &[(&[ProviderOutcome], Resolution, i64, i64)] = &[
        (&[moved(6_000)], Resolution::ToWallet, 4_000, 4_000),
        (&[moved(6_000)], Resolution::ToPayer, 4_000, 10_000),
        (&[moved(3_000)], Resolution::ToWallet, 5_000, 7_000),
        (&[declined(), moved(6_000)], Resolution::ToWallet, 4_000, 4_000),
        (&[declined(), moved(3_000)], Resolution::ToWallet, 7_000, 7_000),
        (&[paid("t"), moved(6_000)], Resolution::ToWallet, 4_000, 4_000),
        (&[paid("t"), moved(3_000)], Resolution::ToWallet, 5_000, 7_000),
        (&[paid("t"), moved(3_000)], Resolution::ToPayer, 5_000, 5_000),
        (&[paid("t"), declined()], Resolution::ToWallet, 5_000, 10_000),
        (&[paid("t"), declined()], Resolution::ToPayer, 5_000, 5_000),
        (&[declined(), paid("t")], Resolution::ToWallet, 5_000, 5_000),
        (&[declined(), paid("t")], Resolution::ToPayer, 5_000, 10_000),
        (&[moved(12_000)], Resolution::ToWallet, 0, 0),
    ];
    for (words, how, before, after) in cases {
        let mut stage = Stage::new();
        let collection = collection(&mut stage);
        stage.hear(collection.id, paid("t"));
        stage.fund(20_000);
        let refund = stage.refund(collection.id, "50").unwrap();
        for word in *words {
            stage.hear(refund.id, word.clone());
        }
        let room = |stage: &mut Stage| {
            10_000
                - stage.work.require::<Execution>(collection.id).unwrap().refunds().refunded_minor
        };
        assert_eq!(room(&mut stage), *before, "before {how:?} of {words:?}");
        let found = stage.reviews(refund.id);
        let [review] = &found[..] else { panic!("{found:?}") };
        stage.resolve(review.id, *how).unwrap();
        assert_eq!(room(&mut stage), *after, "after {how:?} of {words:?}");
        let more = format!("{}.01", after / 100);
        assert!(stage.refund(collection.id, &more).is_err(), "{words:?}");
        stage.check_books();
    }
}

#[test]
fn room_beyond_the_payment_is_not_given_to_another_refund() {
    let mut stage = Stage::new();
    let collection = collection(&mut stage);
    stage.hear(collection.id, paid("t"));
    stage.fund(20_000);
    let first = stage.refund(collection.id, "50").unwrap();
    let second = stage.refund(collection.id, "50").unwrap();
    stage.hear(first.id, moved(8_000));
    stage.hear(second.id, declined());
    assert!(stage.refund(collection.id, "20.01").is_err(), "80 of 100 are with the payer");
    assert!(stage.refund(collection.id, "20").is_ok());
    stage.check_books();
}

#[test]
fn money_of_a_third_currency_is_taken_from_a_wallet_of_that_currency() {
    let mut stage = Stage::new();
    stage.fund(10_250);
    let party = stage.party("231880000002");
    let account = stage.account(party, Method::MTN_MOMO_LBR, Operation::Payout);
    let execution = stage.payout(account, usd(10_000)).unwrap();
    let lrd = Money::new(50_000, Currency::parse("LRD").unwrap());
    stage.hear(
        execution.id,
        ProviderOutcome::Succeeded { transaction_id: "t".into(), amount: Some(lrd) },
    );
    assert_eq!(stage.system(AccountKind::Suspense, "LRD"), -50_000);
    let review = stage.review(execution.id, ReviewKind::AmountMismatch);
    // The payment's rate is between dollars and dollars. It does not say what Liberian dollars are
    // worth.
    assert_eq!(
        stage.resolve(review.id, Resolution::ToWallet).unwrap_err(),
        [Refusal::ReviewFundsInsufficient]
    );
    stage.resolve(review.id, Resolution::ToPayer).unwrap();
    assert_eq!((stage.mine("USD"), stage.system(AccountKind::Suspense, "LRD")), ((10_250, 0), 0));
    stage.check_books();
}

/// A collection of 100 dollars whose provider reports these outcomes in this order. Each review is
/// resolved to the wallet.
fn collected(words: &[ProviderOutcome]) -> (Stage, Execution) {
    let mut stage = Stage::new();
    let collection = collection(&mut stage);
    stage.fund(10_000);
    for word in words {
        stage.hear(collection.id, word.clone());
        for review in stage.reviews(collection.id) {
            if review.status == ReviewStatus::Open {
                stage.resolve(review.id, Resolution::ToWallet).unwrap();
            }
        }
    }
    stage.check_books();
    (stage, collection)
}

#[test]
fn a_second_contradiction_is_about_what_the_first_one_left() {
    // The outcomes that the provider reports, and the balance of its clearing account after them.
    let cases: &[(&[ProviderOutcome], i64)] = &[
        (&[moved(9_000), paid("t")], 9_000),
        (&[moved(9_000), moved(10_000)], 10_000),
        (&[moved(9_000), declined()], 0),
        (&[declined(), paid("t"), moved(9_000)], 9_000),
        (&[declined(), paid("t"), declined()], 0),
        (&[paid("t"), declined(), paid("t")], 10_000),
        (&[paid("t"), declined(), moved(9_000)], 9_000),
        (&[paid("t"), moved(9_000), declined()], 0),
        (&[paid("t"), paid("t"), moved(10_000)], 10_000),
        (&[declined(), declined()], 0),
        (&[declined(), paid("t"), declined(), paid("t"), declined()], 0),
        (
            &[paid("t"), declined(), paid("t"), declined(), moved(8_000), moved(7_000), paid("t")],
            7_000,
        ),
    ];
    for (words, there) in cases {
        let (mut stage, collection) = collected(words);
        assert_eq!(-stage.system(CLEARING, "USD"), *there, "{words:?}");
        let found = stage.reviews(collection.id);
        assert!(found.iter().all(|review| review.status == ReviewStatus::Resolved), "{words:?}");
        assert!(!stage.work.require::<Execution>(collection.id).unwrap().in_review);
    }
}

#[test]
fn a_payment_in_another_currency_is_missing_in_its_own() {
    let rwf = ProviderOutcome::Succeeded {
        transaction_id: "t".into(),
        amount: Some(Money::new(144_000, Currency::parse("RWF").unwrap())),
    };
    let (stage, _) = collected(&[paid("t"), rwf.clone()]);
    let clearing = |currency| -stage.system(CLEARING, currency);
    assert_eq!((clearing("USD"), clearing("RWF")), (0, 144_000));
    assert_eq!((stage.mine("RWF").0, stage.system(AccountKind::Suspense, "USD")), (144_000, 0));
    let (stage, _) = collected(&[rwf, declined()]);
    assert_eq!(stage.system(CLEARING, "RWF"), 0);
}

#[test]
fn what_a_provider_took_back_of_a_payment_cannot_be_refunded() {
    for (words, room) in [
        (vec![paid("t"), moved(9_000)], 9_000),
        (vec![paid("t"), declined()], 0),
        (vec![paid("t"), declined(), paid("t")], 10_000),
        (vec![paid("t"), moved(11_000)], 10_000),
    ] {
        let (mut stage, collection) = collected(&words);
        stage.fund(20_000);
        assert!(stage.refund(collection.id, &format!("{}.01", room / 100)).is_err(), "{words:?}");
        assert!(
            room == 0 || stage.refund(collection.id, &format!("{}", room / 100)).is_ok(),
            "{words:?}"
        );
        stage.check_books();
    }
}

#[test]
fn what_an_exchanged_refund_gives_and_gets_back_is_of_one_wallet() {
    let (mut stage, _, refund) = exchanged();
    let before = stage.mine("USD").0;
    // The refund was paid, returned, paid again, and so on. When it is returned, its dollars are in
    // the wallet, and the francs of the collection are in the position.
    let (stands, back) = ((before, 0), (before + 10_000, 144_000));
    for (word, expected) in
        [(paid("t"), stands), (declined(), back), (paid("t"), stands), (declined(), back)]
    {
        stage.hear(refund.id, word);
        for review in
            stage.reviews(refund.id).iter().filter(|review| review.status == ReviewStatus::Open)
        {
            stage.resolve(review.id, Resolution::ToWallet).unwrap();
        }
        assert_eq!((stage.mine("USD").0, stage.system(AccountKind::Position, "RWF")), expected);
    }
    stage.check_books();
}
