//! Open executions: by which clock they are due, and what a claim changes.

use crate::stage::{Stage, answered, usd};
use domain::directory::advance_clock::AdvanceClock;
use domain::kernel::names::{FeeBearer, Method, Operation};
use domain::kernel::time::{minutes, seconds};
use domain::payments::attempt::{LEASE_US, MAX_CLOCK_SKEW_US};
use domain::payments::claim_execution::ClaimExecution;
use domain::payments::create_session::NewSession;
use domain::payments::execution::{Execution, ExecutionStatus};
use domain::payments::expire_session::ExpireSession;
use domain::payments::outcome::ProviderOutcome;
use domain::payments::session::{Session, SessionStatus};
use domain::sales::source::SourceType;

fn card_payment(stage: &mut Stage) -> Execution {
    let source = stage.invoice(10_000, FeeBearer::Payer);
    let party = stage.party("231880000002");
    let account = stage.account(party, Method::CREDIT_CARD, Operation::Collection);
    stage.collect(source, account, "USD").unwrap()
}

fn payout(stage: &mut Stage) -> Execution {
    stage.fund(100_000);
    let party = stage.party("231880000129");
    let account = stage.account(party, Method::MTN_MOMO_LBR, Operation::Payout);
    stage.payout(account, usd(1_000)).unwrap()
}

/// Claims an execution. Returns whether the claim was granted.
fn claim(stage: &mut Stage, execution: &Execution) -> bool {
    match stage.decide(&ClaimExecution { execution_id: execution.id }) {
        Ok(call) => call.is_some(),
        other => panic!("{other:?}"),
    }
}

fn stored(stage: &Stage, execution: &Execution) -> Execution {
    (*stage.work.get::<Execution>(execution.id).unwrap().unwrap()).clone()
}

fn advance(stage: &mut Stage, by_seconds: i64) {
    assert!(stage.decide(&AdvanceClock { merchant_id: stage.merchant, by_seconds }).is_ok());
}

#[test]
fn only_what_is_seen_of_an_execution_is_a_change_of_it() {
    let needs_action = || ProviderOutcome::NeedsAction { client_secret: "s".into() };
    let words = [
        (ProviderOutcome::Accepted, true),
        (ProviderOutcome::Accepted, false),
        (needs_action(), true),
        (needs_action(), false),
        (ProviderOutcome::NeedsAction { client_secret: "another".into() }, true),
        (ProviderOutcome::Unknown, true),
        (ProviderOutcome::Unknown, false),
        (ProviderOutcome::NeverSeen, true),
        (ProviderOutcome::NeverSeen, false),
        (ProviderOutcome::Accepted, true),
        (ProviderOutcome::Accepted, false),
    ];
    let mut stage = Stage::new();
    let mut before = card_payment(&mut stage);
    for (word, is_news) in words {
        let attempt = stage.attempt(before.id);
        stage.set_time(attempt.next_check_at.unwrap().plus(1));
        stage.now = stage.now.max(attempt.lease_until.unwrap_or(stage.now).plus(1));
        assert!(claim(&mut stage, &before));
        assert_eq!(stored(&stage, &before).updated_at, before.updated_at, "a claim is no news");
        stage.now = stage.now.plus(seconds(1));
        let after = stage.hear(before.id, word.clone());
        assert!(
            stage.attempt(after.id).next_check_at > attempt.next_check_at,
            "{word:?}: {after:?}"
        );
        assert_eq!(
            after.updated_at,
            if is_news { stage.time() } else { before.updated_at },
            "{word:?}: {after:?}"
        );
        before = after;
    }
    let after = stage.hear(before.id, crate::stage::paid("t"));
    assert_eq!((after.status, after.updated_at), (ExecutionStatus::Completed, stage.time()));
}

#[test]
fn an_advance_of_the_clock_writes_nothing_of_what_waits_and_it_falls_due_at_once() {
    let mut stage = Stage::new();
    let execution = payout(&mut stage);
    advance(&mut stage, 3_600);
    assert_eq!(answered(stored(&stage, &execution)), answered(execution.clone()));
    assert!(!claim(&mut stage, &execution), "the call that began with it is under way");
    let execution = stage.hear(execution.id, ProviderOutcome::Accepted);
    let time = stage.time();
    let next = stage.attempt(execution.id).next_check_at.unwrap();
    assert!(
        next > time && next <= time.plus(seconds(10)),
        "by the merchant's clock: {next} at {time}"
    );
    assert!(!claim(&mut stage, &execution));
    advance(&mut stage, 11);
    assert_eq!(answered(stored(&stage, &execution)), answered(execution.clone()));
    assert!(claim(&mut stage, &execution));
    let claimed = stage.attempt(execution.id);
    let ends = stage.now.plus(LEASE_US);
    assert_eq!(
        (claimed.lease_until, claimed.next_check_at),
        (Some(ends), Some(stage.time().plus(LEASE_US)))
    );
    // The lease is in server time: advancing the merchant's clock does not end it.
    advance(&mut stage, 1_000_000);
    assert!(!claim(&mut stage, &execution));
    stage.now = ends;
    assert!(claim(&mut stage, &execution));
}

#[test]
fn what_a_clock_that_was_ahead_put_off_is_due() {
    let day = minutes(60 * 24);
    for ahead in [minutes(1), minutes(9), day, 366 * day] {
        let mut stage = Stage::new();
        let right = stage.now;
        stage.now = right.plus(ahead);
        let sent = payout(&mut stage);
        let heard = payout(&mut stage);
        stage.now = stage.now.plus(seconds(1));
        let heard = stage.hear(heard.id, ProviderOutcome::Accepted);
        stage.now = right;
        assert!(claim(&mut stage, &sent), "leased by a clock that was {ahead} ahead");
        assert!(claim(&mut stage, &heard), "put off by a clock that was {ahead} ahead");
        assert!(!claim(&mut stage, &heard), "the lease is this clock's now");
        let after = stage.hear(heard.id, ProviderOutcome::Accepted);
        assert!(
            stage.attempt(after.id).next_check_at.unwrap() <= stage.time().plus(seconds(10)),
            "{after:?}"
        );
    }
}

#[test]
fn clocks_that_differ_a_little_take_no_lease_and_look_no_sooner() {
    let mut stage = Stage::new();
    let ahead = stage.now.plus(MAX_CLOCK_SKEW_US);
    let right = std::mem::replace(&mut stage.now, ahead);
    let execution = payout(&mut stage);
    stage.now = right;
    assert!(!claim(&mut stage, &execution), "its call may be under way");
    stage.now = ahead;
    let execution = stage.hear(execution.id, ProviderOutcome::Accepted);
    stage.now = right;
    assert!(!claim(&mut stage, &execution));
}

#[test]
fn that_an_expired_session_is_swept_is_not_seen() {
    let mut stage = Stage::new();
    let source = stage.invoice(10_000, FeeBearer::Payer);
    let id = stage
        .declare(NewSession::Checkout { kind: SourceType::Invoice, source_id: source })
        .unwrap();
    let session = |stage: &Stage| (*stage.work.get::<Session>(id).unwrap().unwrap()).clone();
    let declared = session(&stage);
    let seen = |session: &Session, time| (session.status_at(time), session.updated_at_as_of(time));
    let until = declared.expires_at;
    assert_eq!(seen(&declared, until.plus(-1)), (SessionStatus::Active, declared.created_at));
    assert_eq!(seen(&declared, until.plus(7)), (SessionStatus::Expired, until));
    stage.set_time(until.plus(minutes(3)));
    assert_eq!(stage.decide(&ExpireSession { session_id: id }), Ok(true));
    let swept = session(&stage);
    assert_eq!(swept.status, SessionStatus::Expired);
    assert_eq!(seen(&swept, until.plus(7)), (SessionStatus::Expired, until));
}
