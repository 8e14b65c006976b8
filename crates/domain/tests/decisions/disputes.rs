//! Disputes of card payments, whose news come in any order and more than once.

use crate::stage::{CLEARING, Stage, paid, usd};
use domain::decision::event::EventType;
use domain::exceptions::dispute::{
    Dispute, DisputeChange, DisputeStanding, OtherDisputeOpen, RecordDispute,
};
use domain::exceptions::note_evidence::{NOTES_MAX, NoteEvidence};
use domain::exceptions::review::{Resolution, Review, ReviewKind, ReviewStatus};
use domain::kernel::ids::{ExecutionId, ReviewId};
use domain::kernel::names::{FeeBearer, Method, Operation};
use domain::kernel::refusal::Refusal;
use domain::kernel::time::{ServerTime, seconds};
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
        told_at: stage.now,
        status: Some(format!("{change:?}")),
        cause: None,
        due_at: None,
        link: None,
        amount: Some(usd(10_000)),
        reason: format!("{change:?} {standing:?}"),
    };
    stage.decide(&RecordDispute { execution_id, dispute, exchanges: vec![] }).unwrap()
}

fn tell(stage: &mut Stage, execution: ExecutionId, news: News) {
    tell_of(stage, execution, "du_1", news).unwrap();
}

/// What is said of a dispute of 100 dollars at this second, with these words.
fn said(
    execution_id: ExecutionId,
    (change, standing): News,
    second: i64,
    word: &str,
) -> RecordDispute {
    let told_at = ServerTime(seconds(1_000 + second));
    let takes_answer = word.ends_with("needs_response");
    let dispute = Dispute {
        id: "du_1".to_owned(),
        change,
        standing,
        told_at,
        status: Some(word.to_owned()),
        cause: Some("fraudulent".to_owned()),
        due_at: takes_answer.then(|| told_at.plus(seconds(86_400))),
        link: Some("https://network.example/du_1".to_owned()),
        amount: Some(usd(10_000)),
        reason: format!("in words: {word}"),
    };
    RecordDispute { execution_id, dispute, exchanges: vec![] }
}

/// What is known of a dispute: its state in the network's word, whether it can be answered, and the
/// text of its review.
fn known(stage: &Stage, execution: ExecutionId) -> (String, bool, String) {
    let review = stage.review(execution, ReviewKind::Dispute);
    let word = review.dispute_status.clone().unwrap_or_default();
    (word, review.dispute_due_at.is_some(), review.reason.clone())
}

fn is_known(word: &str, takes_answer: bool) -> (String, bool, String) {
    (word.to_owned(), takes_answer, format!("in words: {word}"))
}

#[test]
fn a_dispute_keeps_what_its_network_says_of_it() {
    let mut stage = Stage::new();
    let execution = collected(&mut stage);
    stage.decide(&said(execution, (Created, UnderWay), 0, "needs_response")).unwrap().unwrap();
    let review = stage.review(execution, ReviewKind::Dispute);
    // What is disputed is known before it is withdrawn.
    assert_eq!((review.disputed(), review.amount), (Some(usd(10_000)), usd(0)));
    assert_eq!(review.dispute_reason.as_deref(), Some("fraudulent"));
    assert_eq!(review.dispute_due_at, Some(ServerTime(seconds(1_000 + 86_400))));
    assert_eq!(review.dispute_link.as_deref(), Some("https://network.example/du_1"));
    stage.decide(&said(execution, (Updated, UnderWay), 5, "under_review")).unwrap().unwrap();
    assert_eq!(known(&stage, execution), is_known("under_review", false));
    stage.decide(&said(execution, (Updated, Lost), 9, "lost")).unwrap().unwrap();
    let review = stage.review(execution, ReviewKind::Dispute);
    assert_eq!(review.dispute_standing, Some(Lost));
    // An appeal goes on.
    let appeal = said(execution, (Updated, UnderWay), 12, "appeal_needs_response");
    stage.decide(&appeal).unwrap().unwrap();
    assert_eq!(known(&stage, execution), is_known("appeal_needs_response", true));
}

/// An older word adds the money that it tells of, and changes nothing else; of one second the end is
/// last, and the beginning first.
#[test]
fn an_older_word_of_a_dispute_changes_nothing_that_is_known() {
    let words = [
        ((Created, UnderWay), 0, "needs_response"),
        ((Withdrawn, UnderWay), 0, "needs_response"),
        ((Updated, UnderWay), 4, "under_review"),
        ((Updated, Lost), 4, "lost"),
    ];
    let mut orders = permutations(&words.map(|(news, ..)| news));
    orders.dedup();
    for order in orders {
        let mut stage = Stage::new();
        let execution = collected(&mut stage);
        for news in &order {
            let (_, second, word) = words.iter().find(|(other, ..)| other == news).unwrap();
            stage.decide(&said(execution, *news, *second, word)).unwrap().unwrap();
        }
        assert_eq!(known(&stage, execution), is_known("lost", false), "{order:?}");
        assert_eq!(suspense(&stage), -10_000, "{order:?}");
        stage.check_books();
    }
}

/// A resolved review hears how its dispute goes on, and stays resolved.
#[test]
fn a_resolved_dispute_keeps_the_last_word() {
    let mut stage = Stage::new();
    let execution = collected(&mut stage);
    stage.decide(&said(execution, (Created, UnderWay), 0, "needs_response")).unwrap().unwrap();
    let review = stage.review(execution, ReviewKind::Dispute);
    stage.resolve(review.id, Resolution::ToWallet).unwrap();
    stage.decide(&said(execution, (Updated, Lost), 7, "lost")).unwrap().unwrap();
    stage.decide(&said(execution, (Updated, UnderWay), 3, "under_review")).unwrap().unwrap();
    assert_eq!(known(&stage, execution), is_known("lost", false));
    let review = stage.review(execution, ReviewKind::Dispute);
    assert_eq!(review.status, ReviewStatus::Resolved);
}

fn note(stage: &mut Stage, review: ReviewId, text: &str) -> Result<Review, Vec<Refusal>> {
    stage.decide(&NoteEvidence { review_id: review, text: text.to_owned() })
}

#[test]
fn evidence_is_noted_while_a_dispute_is_open() {
    let mut stage = Stage::new();
    let execution = collected(&mut stage);
    tell(&mut stage, execution, (Created, UnderWay));
    let id = stage.review(execution, ReviewKind::Dispute).id;
    for (count, text) in (1..).zip(["signed on delivery", "the parcel's number: 7"]) {
        assert_eq!(note(&mut stage, id, text).unwrap().dispute_notes, count);
    }
    let noted =
        stage.work.events.iter().filter(|event| event.kind == EventType::ReviewEvidenceNoted);
    let noted: Vec<_> =
        noted.map(|event| (event.entity_id, event.note.as_deref(), event.public_note())).collect();
    let expected = ["signed on delivery", "the parcel's number: 7"];
    assert_eq!(noted, expected.map(|text| (id.0, Some(text), None)));
    let refused = |why| vec![Refusal::EvidenceNotTaken { why }];
    for _ in 2..NOTES_MAX {
        note(&mut stage, id, "more").unwrap();
    }
    let full = note(&mut stage, id, "one too many").unwrap_err();
    assert_eq!(full, refused("it has 100 pieces of evidence"));
    tell(&mut stage, execution, (Updated, Over));
    assert_eq!(note(&mut stage, id, "too late").unwrap_err(), refused("it is resolved"));
    let unknown = ReviewId(id.0 + 1_000_000);
    assert_eq!(note(&mut stage, unknown, "of nothing").unwrap_err(), vec![Refusal::NotFound]);
    // Another dispute of the payment begins without evidence.
    tell_of(&mut stage, execution, "du_2", (Created, UnderWay)).unwrap();
    assert_eq!(stage.review(execution, ReviewKind::Dispute).dispute_notes, 0);
    note(&mut stage, id, "of the second").unwrap();
    stage.check_books();
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
