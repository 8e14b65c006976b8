//! Disputes of card payments, whose news come in any order and more than once.

use crate::stage::{CLEARING, Stage, paid, usd};
use domain::exceptions::dispute::{
    Dispute, DisputeChange, DisputeStanding, OtherDisputeOpen, RecordDispute,
};
use domain::exceptions::review::{Resolution, ReviewKind, ReviewStatus};
use domain::kernel::ids::ExecutionId;
use domain::kernel::names::{FeeBearer, Method, Operation};
use domain::kernel::refusal::Refusal;
use domain::ledger::account::AccountKind;

use DisputeChange::{Created, Reinstated, Updated, Withdrawn};
use DisputeStanding::{Lost, Over, UnderWay};

type News = (DisputeChange, DisputeStanding);

/// A completed collection of 100 dollars.
fn collected(stage: &mut Stage) -> ExecutionId {
    let source = stage.invoice(10_000, FeeBearer::Payee);
    let party = stage.party("231880000002");
    let account = stage.account(party, Method::MTN_MOMO_LBR, Operation::Collection);
    let execution = stage.collect(source, account, "USD").unwrap();
    stage.hear(execution.id, paid("t"));
    execution.id
}

fn tell_of(
    stage: &mut Stage,
    execution_id: ExecutionId,
    id: &str,
    (change, standing): News,
) -> Result<(), OtherDisputeOpen> {
    let dispute = Dispute {
        id: id.to_owned(),
        change,
        standing,
        amount: Some(usd(10_000)),
        reason: format!("{change:?} {standing:?}"),
    };
    stage.decide(&RecordDispute { execution_id, dispute, exchanges: vec![] }).unwrap()
}

fn tell(stage: &mut Stage, execution: ExecutionId, news: News) {
    tell_of(stage, execution, "du_1", news).unwrap();
}

fn suspense(stage: &Stage) -> i64 {
    stage.system(AccountKind::Suspense, "USD")
}

fn permutations(items: &[News]) -> Vec<Vec<News>> {
    if items.is_empty() {
        return vec![vec![]];
    }
    let mut all = vec![];
    for (place, first) in items.iter().enumerate() {
        let mut rest = items.to_vec();
        rest.remove(place);
        all.extend(permutations(&rest).into_iter().map(|tail| [vec![*first], tail].concat()));
    }
    all
}

/// Whatever the order, and however often: a dispute that was won leaves nothing behind.
#[test]
fn a_won_dispute_leaves_nothing_behind_in_any_order() {
    let won = [(Created, UnderWay), (Withdrawn, UnderWay), (Reinstated, Over), (Updated, Over)];
    for order in permutations(&won) {
        for times in [1, 2] {
            let mut stage = Stage::new();
            let execution = collected(&mut stage);
            let before = (stage.mine("USD"), stage.system(CLEARING, "USD"));
            for news in &order {
                for _ in 0..times {
                    tell(&mut stage, execution, *news);
                }
                stage.check_books();
            }
            let review = stage.review(execution, ReviewKind::Dispute);
            assert_eq!(review.status, ReviewStatus::Resolved, "{order:?}");
            assert_eq!((review.amount.minor, suspense(&stage)), (0, 0), "{order:?}");
            assert_eq!((stage.mine("USD"), stage.system(CLEARING, "USD")), before, "{order:?}");
            stage.refund(execution, "1.00").unwrap();
        }
    }
}

#[test]
fn an_open_dispute_refuses_refunds_and_hears_its_network() {
    let mut stage = Stage::new();
    let execution = collected(&mut stage);
    tell(&mut stage, execution, (Created, UnderWay));
    assert_eq!(suspense(&stage), 0);
    let refused = stage.refund(execution, "10.00").unwrap_err();
    assert!(matches!(refused[..], [Refusal::NotRefundable { .. }]), "{refused:?}");
    // That the payment succeeded stays true, and is no contradiction.
    stage.hear(execution, paid("t"));
    assert_eq!(stage.reviews(execution).len(), 1);
    tell(&mut stage, execution, (Withdrawn, UnderWay));
    assert_eq!((suspense(&stage), stage.system(CLEARING, "USD")), (-10_000, 0));
    stage.hear(execution, paid("t"));
    assert_eq!(suspense(&stage), -10_000);
    stage.check_books();
}

/// What is lost is the merchant's, by an operator's decision; what comes back after that, too.
#[test]
fn a_lost_dispute_is_resolved_by_an_operator() {
    let mut stage = Stage::new();
    let execution = collected(&mut stage);
    stage.fund(1_000);
    let wallet = stage.mine("USD").0;
    for news in [(Withdrawn, UnderWay), (Created, UnderWay), (Updated, Lost), (Updated, Lost)] {
        tell(&mut stage, execution, news);
    }
    let review = stage.review(execution, ReviewKind::Dispute);
    assert_eq!((review.status, review.amount), (ReviewStatus::Open, usd(-10_000)));
    assert_eq!(review.reason, "Updated Lost");
    stage.resolve(review.id, Resolution::ToWallet).unwrap();
    assert_eq!((suspense(&stage), stage.mine("USD").0), (0, wallet - 10_000));
    stage.check_books();
    // The payment is given back in full: nothing is left to refund. Its success is no news.
    assert!(stage.refund(execution, "1.00").is_err());
    stage.hear(execution, paid("t"));
    tell(&mut stage, execution, (Updated, Lost));
    assert_eq!(stage.reviews(execution).len(), 1);
    assert_eq!(stage.review(execution, ReviewKind::Dispute).status, ReviewStatus::Resolved);
    // The bank changes its mind.
    tell(&mut stage, execution, (Reinstated, Over));
    let review = stage.review(execution, ReviewKind::Dispute);
    assert_eq!((review.status, review.amount), (ReviewStatus::Open, usd(10_000)));
    stage.resolve(review.id, Resolution::ToWallet).unwrap();
    assert_eq!((suspense(&stage), stage.mine("USD").0), (0, wallet));
    stage.check_books();
}

/// An inquiry withdraws nothing. A person may end its review, too.
#[test]
fn a_dispute_without_money_ends_without_money() {
    for by_operator in [false, true] {
        let mut stage = Stage::new();
        let execution = collected(&mut stage);
        let wallet = stage.mine("USD");
        tell(&mut stage, execution, (Created, UnderWay));
        let review = stage.review(execution, ReviewKind::Dispute);
        if by_operator {
            stage.resolve(review.id, Resolution::ToWallet).unwrap();
        } else {
            tell(&mut stage, execution, (Updated, Over));
        }
        let review = stage.review(execution, ReviewKind::Dispute);
        assert_eq!(review.status, ReviewStatus::Resolved);
        assert_eq!((suspense(&stage), stage.mine("USD")), (0, wallet));
        stage.check_books();
    }
}

#[test]
fn a_second_dispute_waits_for_the_end_of_the_first() {
    let mut stage = Stage::new();
    let execution = collected(&mut stage);
    tell(&mut stage, execution, (Withdrawn, UnderWay));
    let other = tell_of(&mut stage, execution, "du_2", (Withdrawn, UnderWay));
    assert_eq!((other, suspense(&stage)), (Err(OtherDisputeOpen), -10_000));
    tell(&mut stage, execution, (Reinstated, Over));
    assert_eq!(suspense(&stage), 0);
    tell_of(&mut stage, execution, "du_2", (Withdrawn, UnderWay)).unwrap();
    assert_eq!(suspense(&stage), -10_000);
    let review = stage.review(execution, ReviewKind::Dispute);
    assert_eq!(review.dispute_id.as_deref(), Some("du_2"));
    stage.check_books();
}
