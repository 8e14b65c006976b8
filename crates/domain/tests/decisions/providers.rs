//! The outcomes that a provider reports, and what its silence means.

use crate::stage::{Stage, declined, paid, usd};
use domain::exceptions::review::{Resolution, ReviewKind};
use domain::kernel::names::{FeeBearer, Method, Operation};
use domain::kernel::refusal::Refusal;
use domain::kernel::time::{minutes, seconds};
use domain::payments::authenticate_card::{AuthenticateCard, CardResult};
use domain::payments::claim_execution::ClaimExecution;
use domain::payments::execution::{Execution, ExecutionStatus};
use domain::payments::outcome::{Heard, OutcomeSource, ProviderOutcome};
use domain::payments::provider_call::CallKind;
use domain::payments::record_outcome::{RecordOutcome, RecordedOutcome};
use domain::sales::source::SourceStatus;

/// The provider's answer to a call that was made after so many sends.
fn answer(
    stage: &mut Stage,
    execution: &Execution,
    send_count: i64,
    outcome: ProviderOutcome,
) -> RecordedOutcome {
    let source = OutcomeSource::Answer { send_count };
    match stage.decide(&RecordOutcome {
        execution_id: execution.id,
        source,
        outcome,
        heard: Heard::default(),
    }) {
        Ok(recorded) => recorded,
        other => panic!("{other:?}"),
    }
}

#[test]
fn silence_is_asked_about_and_never_fails() {
    let mut stage = Stage::new();
    stage.fund(100_000);
    let party = stage.party("231880000139");
    let account = stage.account(party, Method::MTN_MOMO_LBR, Operation::Payout);
    let execution = stage.payout(account, usd(1_000)).unwrap();
    let execution = stage.hear(execution.id, ProviderOutcome::Unknown);
    assert_eq!(execution.status, ExecutionStatus::Processing);
    assert!(execution.waiting_for.is_some());

    let claim =
        |stage: &mut Stage| match stage.decide(&ClaimExecution { execution_id: execution.id }) {
            Ok(call) => call,
            other => panic!("{other:?}"),
        };
    assert_eq!(claim(&mut stage), None, "not due yet");
    stage.now = stage.now.plus(seconds(2));
    assert_eq!(claim(&mut stage).unwrap().kind, CallKind::Query);
    assert_eq!(claim(&mut stage), None, "another process holds the lease");

    // The provider never saw the request, so it is sent again, with the same id.
    let settled = answer(&mut stage, &execution, 1, ProviderOutcome::NeverSeen);
    let call = settled.call.unwrap();
    assert_eq!((call.kind, call.request.send_count), (CallKind::Send, 2));
    assert_eq!(call.request.request_id, stage.attempt(execution.id).request_id);

    // After its deadline the execution is listed for review. It has still not failed.
    stage.now = stage.now.plus(minutes(24 * 60));
    assert!(claim(&mut stage).is_some());
    let review = stage.review(execution.id, ReviewKind::DeadlinePassed);
    let settled = answer(&mut stage, &execution, 2, ProviderOutcome::Unknown);
    assert_eq!(settled.execution.status, ExecutionStatus::Processing);

    stage.resolve(review.id, Resolution::Completed).unwrap();
    assert_eq!(stage.mine("USD"), (100_000 - 1_025, 0));
    stage.check_books();
}

#[test]
fn what_was_never_seen_is_given_up_only_past_its_deadline_and_a_quarter_of_an_hour_after_the_last_try()
 {
    let mut stage = Stage::new();
    stage.fund(100_000);
    let party = stage.party("231880000149");
    let account = stage.account(party, Method::MTN_MOMO_LBR, Operation::Payout);
    let execution = stage.payout(account, usd(1_000)).unwrap();
    let start = stage.now;
    let hear = |stage: &mut Stage, at| {
        stage.now = start.plus(at);
        let sent = stage.attempt(execution.id).send_count;
        let settled = answer(stage, &execution, sent, ProviderOutcome::NeverSeen);
        (settled.execution.status, settled.call.map(|call| call.kind))
    };
    let day = 24 * 60;
    assert_eq!(
        hear(&mut stage, minutes(day - 5)),
        (ExecutionStatus::Pending, Some(CallKind::Send))
    );
    assert_eq!(hear(&mut stage, minutes(day + 5)), (ExecutionStatus::Processing, None));
    assert_eq!(hear(&mut stage, minutes(day + 10)), (ExecutionStatus::Failed, None));
    assert_eq!(stage.mine("USD"), (100_000, 0));
    stage.check_books();
}

#[test]
fn a_payer_who_never_authenticates_is_canceled_at_the_provider_first() {
    let mut stage = Stage::new();
    let source = stage.invoice(10_000, FeeBearer::Payer);
    let party = stage.party("231880000002");
    let account = stage.account(party, Method::CREDIT_CARD, Operation::Collection);
    let execution = stage.collect(source, account, "USD").unwrap();
    let execution =
        stage.hear(execution.id, ProviderOutcome::NeedsAction { client_secret: "s".into() });
    assert!(stage.attempt(execution.id).requires_action);
    stage.now = stage.now.plus(minutes(30));
    let Ok(Some(call)) = stage.decide(&ClaimExecution { execution_id: execution.id }) else {
        panic!("no job")
    };
    assert_eq!(call.kind, CallKind::Cancel);
    let late = stage.decide(&AuthenticateCard {
        merchant_id: stage.merchant,
        reference_id: execution.reference_id,
        result: CardResult::Authenticated,
    });
    assert_eq!(
        late,
        Err(vec![Refusal::NotAwaitingAuthentication]),
        "its cancellation is under way"
    );
    let after = stage.hear(execution.id, declined());
    assert_eq!(
        (after.status, stage.attempt(after.id).client_secret, stage.source(source)),
        (ExecutionStatus::Failed, None, SourceStatus::Active)
    );
}

#[test]
fn an_answer_to_an_earlier_sending_changes_nothing_unless_money_moved() {
    let mut stage = Stage::new();
    stage.fund(100_000);
    let party = stage.party("231880000149");
    let account = stage.account(party, Method::MTN_MOMO_LBR, Operation::Payout);
    let execution = stage.payout(account, usd(1_000)).unwrap();
    let resent = answer(&mut stage, &execution, 1, ProviderOutcome::NeverSeen);
    assert_eq!(resent.call.map(|call| call.request.send_count), Some(2));
    let (before, attempt) = (resent.execution, stage.attempt(execution.id));
    for late in [
        ProviderOutcome::NeverSeen,
        declined(),
        ProviderOutcome::Unknown,
        ProviderOutcome::Accepted,
        ProviderOutcome::NeedsAction { client_secret: "s".into() },
    ] {
        let recorded = answer(&mut stage, &execution, 1, late.clone());
        assert_eq!((recorded.execution, recorded.call), (before.clone(), None), "{late:?}");
        assert_eq!(stage.attempt(execution.id), attempt, "{late:?}");
    }
    let recorded = answer(&mut stage, &execution, 1, paid("t"));
    assert_eq!(recorded.execution.status, ExecutionStatus::Completed);
    stage.check_books();
}
