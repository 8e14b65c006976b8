//! The capacity of wallets: what was begun can always be booked, and no merchant fills another's
//! wallet.

use crate::stage::{CLEARING, Stage, currency, declined, paid, usd};
use domain::exceptions::review::{Resolution, ReviewKind};
use domain::kernel::ids::PaymentAccountId;
use domain::kernel::money::{MAX_MINOR, Money};
use domain::kernel::names::{FeeBearer, Method, Operation};
use domain::kernel::refusal::Refusal;
use domain::kernel::time::minutes;
use domain::ledger::account::{Account, AccountKind};
use domain::ledger::fund_wallet::FundWallet;
use domain::ledger::wallet::{Owner, WALLET_LIMIT_MINOR, Wallet};
use domain::payments::claim_execution::ClaimExecution;
use domain::payments::create_session::NewSession;
use domain::payments::execute::OperationDetails;
use domain::payments::execution::{Execution, ExecutionStatus};
use domain::payments::outcome::ProviderOutcome;

const QUINTILLION: i64 = 1_000_000_000_000_000_000;

fn momo(stage: &mut Stage) -> PaymentAccountId {
    let party = stage.party("231880000002");
    stage.account(party, Method::MTN_MOMO_LBR, Operation::Collection)
}

/// Begins a collection of `minor`, whose fees the payee bears.
fn begin(
    stage: &mut Stage,
    account: PaymentAccountId,
    minor: i64,
) -> Result<Execution, Vec<Refusal>> {
    let source = stage.invoice(minor, FeeBearer::Payee);
    stage.collect(source, account, "USD")
}

/// Gives a wallet so much money out of nothing.
fn give(stage: &mut Stage, owner: Owner, minor: i64) {
    let wallet = stage.wallet(owner, "USD");
    stage.work.put(Wallet { available_minor: minor, ..wallet });
    stage.work.accept_draft(&|_, _, _| String::new()).unwrap();
}

fn incoming(stage: &Stage) -> i64 {
    stage.wallet(Owner::Merchant(stage.merchant), "USD").incoming_minor
}

#[test]
fn a_wallet_knows_what_is_on_its_way_in() {
    let mut stage = Stage::new();
    let account = momo(&mut stage);
    let [first, second, third] =
        [100_000, 20_000, 3_000].map(|minor| begin(&mut stage, account, minor).unwrap());
    assert_eq!(incoming(&stage), 97_000 + 19_400 + 2_910);
    stage.hear(first.id, ProviderOutcome::Accepted);
    assert_eq!(incoming(&stage), 97_000 + 19_400 + 2_910);
    stage.hear(second.id, declined());
    assert_eq!(incoming(&stage), 97_000 + 2_910);
    stage.hear(first.id, paid("t1"));
    assert_eq!((incoming(&stage), stage.mine("USD")), (2_910, (97_000, 0)));
    // An amount other than the requested one is in suspense, and the payment stays open until a
    // person decides.
    let other = ProviderOutcome::Succeeded { transaction_id: "t3".into(), amount: Some(usd(1)) };
    stage.hear(third.id, other);
    assert_eq!(incoming(&stage), 2_910);
    let review = stage.review(third.id, ReviewKind::AmountMismatch);
    stage.resolve(review.id, Resolution::ToWallet).unwrap();
    assert_eq!((incoming(&stage), stage.mine("USD")), (0, (97_001, 0)));
    stage.check_books();
}

/// However a collection ends, it no longer counts in its wallet's incoming amount, and other
/// collections still do.
#[test]
fn every_end_of_a_collection_ends_what_is_on_its_way_in_and_once() {
    /// How the review is resolved that the outcomes or a passed deadline open.
    type Resolved = Option<(ReviewKind, Resolution)>;

    let late = minutes(25 * 60);
    let mismatch =
        || ProviderOutcome::Succeeded { transaction_id: "t".into(), amount: Some(usd(1)) };
    let deadline = ReviewKind::DeadlinePassed;
    let ends: [(&[ProviderOutcome], Resolved); 10] = [
        (&[paid("t")], None),
        (&[declined()], None),
        (&[ProviderOutcome::Accepted, paid("t"), paid("t")], None),
        (&[ProviderOutcome::NeverSeen], None),
        (&[ProviderOutcome::Unknown], Some((deadline, Resolution::Completed))),
        (&[ProviderOutcome::Unknown], Some((deadline, Resolution::Failed))),
        (&[mismatch()], Some((ReviewKind::AmountMismatch, Resolution::ToWallet))),
        (&[mismatch()], Some((ReviewKind::AmountMismatch, Resolution::ToPayer))),
        (&[declined(), paid("t")], Some((ReviewKind::SuccessAfterFailure, Resolution::ToWallet))),
        (&[paid("t"), declined()], Some((ReviewKind::FailureAfterSuccess, Resolution::ToWallet))),
    ];
    for (words, resolved) in ends {
        let mut stage = Stage::new();
        let account = momo(&mut stage);
        stage.fund(1_000_000);
        let own = begin(&mut stage, account, 10_000).unwrap();
        begin(&mut stage, account, 2_000).unwrap();
        assert_eq!(incoming(&stage), 9_700 + 1_940);
        if words == [ProviderOutcome::NeverSeen]
            || matches!(resolved, Some((ReviewKind::DeadlinePassed, _)))
        {
            stage.now = stage.now.plus(late);
        }
        for word in words {
            stage.hear(own.id, word.clone());
        }
        if let Some((kind, how)) = resolved {
            stage.now = stage.now.plus(late);
            stage.decide(&ClaimExecution { execution_id: own.id }).unwrap();
            let review = stage.review(own.id, kind);
            stage.resolve(review.id, how).unwrap();
        }
        assert_eq!(incoming(&stage), 1_940, "{words:?}, {resolved:?}");
        stage.check_books();
    }
}

#[test]
fn a_wallet_opens_when_the_first_collection_in_its_currency_begins() {
    let mut stage = Stage::new();
    let account = momo(&mut stage);
    let merchant = stage.new_merchant_with("231770000003", &[]);
    let mine = std::mem::replace(&mut stage.merchant, merchant);
    let own_account = momo(&mut stage);
    assert_ne!((mine, account), (merchant, own_account));
    begin(&mut stage, own_account, 10_000).unwrap();
    let wallet = stage.wallet(Owner::Merchant(merchant), "USD");
    assert_eq!((wallet.available_minor, wallet.held_minor, wallet.incoming_minor), (0, 0, 9_700));
}

#[test]
fn no_collection_is_begun_that_its_wallet_has_no_room_for() {
    let mut stage = Stage::new();
    let account = momo(&mut stage);
    let owner = Owner::Merchant(stage.merchant);
    let open = begin(&mut stage, account, 100).unwrap();
    give(&mut stage, owner, WALLET_LIMIT_MINOR - 97 - 97);
    let no_room = vec![Refusal::WalletLimitExceeded];
    assert_eq!(begin(&mut stage, account, 101).unwrap_err(), no_room);
    let last = begin(&mut stage, account, 100).unwrap();
    assert_eq!(begin(&mut stage, account, 4).unwrap_err(), no_room);
    // A collection that fails frees its capacity.
    stage.hear(last.id, declined());
    let last = begin(&mut stage, account, 100).unwrap();
    for (id, word) in [(open.id, paid("t1")), (last.id, paid("t2"))] {
        assert_eq!(stage.hear(id, word).status, ExecutionStatus::Completed);
    }
    assert_eq!(stage.mine("USD"), (WALLET_LIMIT_MINOR, 0));
}

#[test]
fn what_was_begun_completes_however_full_its_wallet_is_by_then() {
    let mut stage = Stage::new();
    let account = momo(&mut stage);
    let open: Vec<Execution> =
        (0..5).map(|_| begin(&mut stage, account, MAX_MINOR).unwrap()).collect();
    // This is the most that a wallet can have: money from a review does not count against the
    // limit.
    let owner = Owner::Merchant(stage.merchant);
    let all: i64 = open.iter().map(|execution| execution.payee.minor).sum();
    give(&mut stage, owner, i64::MAX - all);
    for execution in &open {
        assert_eq!(stage.hear(execution.id, paid("t")).status, ExecutionStatus::Completed);
    }
    assert_eq!((stage.mine("USD"), incoming(&stage)), ((i64::MAX, 0), 0));
}

#[test]
fn a_review_gives_a_wallet_no_more_than_fits_beside_what_is_under_way() {
    let mut stage = Stage::new();
    let account = momo(&mut stage);
    let failed = begin(&mut stage, account, 10_000).unwrap();
    stage.hear(failed.id, declined());
    stage.hear(failed.id, paid("late"));
    let open = begin(&mut stage, account, 100).unwrap();
    let owner = Owner::Merchant(stage.merchant);
    give(&mut stage, owner, i64::MAX - 97 - 9_699);
    let review = stage.review(failed.id, ReviewKind::SuccessAfterFailure).id;
    let refused = stage.resolve(review, Resolution::ToWallet).unwrap_err();
    assert!(matches!(refused[0], Refusal::ReviewNotResolvable { .. }), "{refused:?}");
    stage.hear(open.id, paid("t"));
    assert_eq!(stage.mine("USD"), (i64::MAX - 9_699, 0));
    stage.resolve(review, Resolution::ToPayer).unwrap();
}

#[test]
fn strangers_do_not_fill_a_wallet() {
    let mut stage = Stage::new();
    let wallet_id = stage.fund(10_000);
    let other = stage.new_merchant("231770000002");
    let most = WALLET_LIMIT_MINOR / 40;
    let expires_at = stage.time().plus(minutes(5));
    let transfer = |stage: &mut Stage, phone: &str, minor: i64| {
        let party = stage.party(phone);
        let counterparty_id = stage.counterparty(party);
        let session = stage
            .declare(NewSession::Transfer {
                wallet_id,
                counterparty_id,
                amount: usd(minor),
                expires_at,
            })
            .unwrap();
        stage.execute(session, OperationDetails::Transfer).map(|(execution, _)| execution.status)
    };
    give(&mut stage, Owner::Merchant(other), most - 1_000);
    let no_room = vec![Refusal::WalletLimitExceeded];
    assert_eq!(transfer(&mut stage, "231770000002", 1_001), Err(no_room.clone()));
    assert_eq!(transfer(&mut stage, "231770000002", 1_000), Ok(ExecutionStatus::Completed));
    assert_eq!(transfer(&mut stage, "231770000002", 1), Err(no_room.clone()));
    // A party's wallet belongs to the sender, so the lower limit does not apply.
    assert_eq!(transfer(&mut stage, "231880000009", 1), Ok(ExecutionStatus::Completed));
    let party = stage.party("231880000008");
    let counterparty_id = stage.counterparty(party);
    for _ in 0..2 {
        let session = stage
            .declare(NewSession::Transfer {
                wallet_id,
                counterparty_id,
                amount: usd(1),
                expires_at,
            })
            .unwrap();
        assert_eq!(
            stage.execute(session, OperationDetails::Transfer).unwrap().0.status,
            ExecutionStatus::Completed
        );
        give(&mut stage, Owner::Party(party), most);
    }
    let theirs = stage.wallet(Owner::Merchant(other), "USD").id;
    give(&mut stage, Owner::Merchant(other), WALLET_LIMIT_MINOR);
    assert_eq!(
        stage.decide(&FundWallet { wallet_id: theirs, amount: usd(1), key: None }).unwrap_err(),
        no_room
    );
}

/// Clearing is booked gross and exchange positions are never closed: both grow for as long as a
/// merchant trades.
#[test]
fn what_a_network_reports_is_booked_though_no_account_of_64_bits_could_hold_it() {
    let mut stage = Stage::new();
    let party = stage.party("231880000002");
    let account = stage.account(party, Method::MTN_MOMO_LBR, Operation::Collection);
    let owner = Owner::Merchant(stage.merchant);
    let rwf = currency("RWF");
    let collect = |stage: &mut Stage| {
        let source = stage.invoice(130_000_000_000_000, FeeBearer::Payee);
        stage.collect(source, account, "RWF").unwrap()
    };
    let first = collect(&mut stage);
    assert!(first.payer.minor > MAX_MINOR, "{first:?}");
    stage.hear(first.id, paid("t"));
    // The following payments come as if there had been thousands before them.
    for kind in [CLEARING, AccountKind::Position] {
        let account = stage.work.find::<Account>(&(stage.merchant, kind, rwf)).unwrap().unwrap();
        let before = if kind == AccountKind::Position { 9 * QUINTILLION } else { -9 * QUINTILLION };
        stage.work.put(Account { balance_minor: before, ..(*account).clone() });
        stage.work.accept_draft(&|_, _, _| String::new()).unwrap();
    }
    let mut clearing = -9 * i128::from(QUINTILLION);
    for _ in 0..400 {
        let execution = collect(&mut stage);
        assert_eq!(stage.hear(execution.id, paid("t")).status, ExecutionStatus::Completed);
        clearing -= i128::from(execution.payer.minor);
        give(&mut stage, owner, 0);
    }
    let balance = |stage: &Stage, kind| {
        let found = stage.work.find::<Account>(&(stage.merchant, kind, rwf)).unwrap();
        found.map_or(0, |account| account.balance())
    };
    assert!(clearing < i128::from(i64::MIN), "{clearing}");
    assert_eq!(balance(&stage, CLEARING), clearing);
    assert_eq!(balance(&stage, AccountKind::Position), -clearing);
    // A network reports amounts that are far off: suspense has several times what 64 bits can hold.
    let mut suspense = 0;
    for _ in 0..4 {
        let execution = collect(&mut stage);
        let amount = Some(Money::new(5 * QUINTILLION, rwf));
        stage.hear(execution.id, ProviderOutcome::Succeeded { transaction_id: "t".into(), amount });
        clearing -= 5 * i128::from(QUINTILLION);
        suspense += 5 * i128::from(QUINTILLION);
        let review = stage.review(execution.id, ReviewKind::AmountMismatch);
        stage.hear(execution.id, paid("t"));
        assert_eq!(review.amount.minor, 5 * QUINTILLION);
    }
    assert_eq!(balance(&stage, AccountKind::Suspense), suspense);
    assert_eq!(balance(&stage, CLEARING), clearing);
}
