//! Requests that were not sent: they wait behind a gate, and nothing is said of what was sent.

use crate::stage::{Stage, paid, usd};
use domain::kernel::names::{Method, Operation};
use domain::kernel::time::{minutes, seconds};
use domain::payments::attempt::Gate;
use domain::payments::cancel_enqueued::CancelEnqueued;
use domain::payments::check_now::CheckNow;
use domain::payments::claim_execution::ClaimExecution;
use domain::payments::defer_send::DeferSend;
use domain::payments::execution::{Execution, ExecutionStatus};
use domain::payments::outcome::{Heard, OutcomeSource, ProviderOutcome};
use domain::payments::provider_call::{CallKind, ProviderCall};
use domain::payments::record_outcome::{RecordOutcome, RecordedOutcome};

/// A payout of 10.00 USD that is being sent for the first time.
fn sending(stage: &mut Stage) -> Execution {
    stage.fund(100_000);
    let party = stage.party("231880000001");
    let account = stage.account(party, Method::MTN_MOMO_LBR, Operation::Payout);
    stage.payout(account, usd(1_000)).unwrap()
}

fn defer(stage: &mut Stage, execution: &Execution, send_count: i64, gate: Gate) {
    let put_back = DeferSend {
        execution_id: execution.id,
        send_count,
        gate,
        again_after_us: seconds(2),
        exchanges: vec![],
    };
    stage.decide(&put_back).unwrap();
}

fn claim(stage: &mut Stage, execution: &Execution) -> Option<ProviderCall> {
    stage.decide(&ClaimExecution { execution_id: execution.id }).unwrap()
}

fn answer(
    stage: &mut Stage,
    execution: &Execution,
    send_count: i64,
    outcome: ProviderOutcome,
) -> RecordedOutcome {
    let source = OutcomeSource::Answer { send_count };
    let heard = Heard::default();
    stage.decide(&RecordOutcome { execution_id: execution.id, source, outcome, heard }).unwrap()
}

fn stored(stage: &Stage, execution: &Execution) -> Execution {
    (*stage.work.require::<Execution>(execution.id).unwrap()).clone()
}

#[test]
fn it_goes_back_to_its_gate_and_is_sent_again_as_for_the_first_time() {
    let mut stage = Stage::new();
    let execution = sending(&mut stage);
    defer(&mut stage, &execution, 1, Gate::Rate);
    let attempt = stage.attempt(execution.id);
    assert_eq!((attempt.gate, attempt.send_count, attempt.sent_at), (Some(Gate::Rate), 0, None));
    assert_eq!(attempt.lease_until, None);
    let waiting = stored(&stage, &execution);
    assert_eq!(waiting.status, ExecutionStatus::Pending);
    assert_eq!(waiting.waiting_for.as_deref(), Some(Gate::Rate.waiting_for()));
    assert_eq!(claim(&mut stage, &execution), None, "not due yet");
    stage.now = stage.now.plus(seconds(2));
    let call = claim(&mut stage, &execution).unwrap();
    assert_eq!((call.kind, call.request.send_count), (CallKind::Send, 1));
    let attempt = stage.attempt(execution.id);
    assert_eq!((attempt.gate, attempt.sent_at), (None, Some(stage.time())));
    let sent = stored(&stage, &execution);
    assert_eq!(sent.waiting_for, execution.waiting_for, "what was sent is not `not sent yet`");
    answer(&mut stage, &execution, 1, paid("t"));
    stage.check_books();
}

#[test]
fn nobody_asks_about_what_was_put_back_after_another_process_had_asked() {
    let mut stage = Stage::new();
    let execution = sending(&mut stage);
    stage.now = stage.now.plus(seconds(16));
    assert_eq!(claim(&mut stage, &execution).unwrap().kind, CallKind::Query);
    defer(&mut stage, &execution, 1, Gate::Rate);
    assert_eq!(stage.attempt(execution.id).send_count, 0);
    stage.now = stage.now.plus(seconds(20));
    let check = CheckNow {
        merchant_id: execution.merchant_id,
        execution_id: execution.id,
        even_if_final: true,
    };
    assert_eq!(stage.decide(&check).unwrap(), None);
    assert_eq!(stage.attempt(execution.id).lease_until, None);
}

/// The execution's row is what a batch is compared by: it changes each time, so that a final word in
/// the same moment is never overlooked.
#[test]
fn a_cancellation_changes_the_execution_as_often_as_it_is_asked_for() {
    let mut stage = Stage::new();
    let execution = sending(&mut stage);
    let (merchant_id, reference_id) = (execution.merchant_id, execution.reference_id);
    for _ in 0..2 {
        stage.now = stage.now.plus(seconds(1));
        let asked = stage.decide(&CancelEnqueued { merchant_id, reference_id }).unwrap();
        assert!(asked.attempt.unwrap().cancel_asked);
        assert_eq!(stored(&stage, &execution).updated_at, stage.time());
    }
    stage.hear(execution.id, paid("t"));
    assert!(stage.decide(&CancelEnqueued { merchant_id, reference_id }).is_err());
    assert_eq!(stage.attempt(execution.id).next_check_at, None);
}

#[test]
fn nothing_is_put_back_of_what_was_settled_meanwhile() {
    let mut stage = Stage::new();
    let execution = sending(&mut stage);
    stage.hear(execution.id, paid("by a callback"));
    let before = (stored(&stage, &execution), stage.attempt(execution.id));
    defer(&mut stage, &execution, 1, Gate::Circuit);
    assert_eq!((stored(&stage, &execution), stage.attempt(execution.id)), before);
    assert_eq!(before.0.status, ExecutionStatus::Completed);
    stage.check_books();
}

#[test]
fn of_what_was_sent_before_only_the_last_sending_is_put_back() {
    let mut stage = Stage::new();
    let execution = sending(&mut stage);
    let again = answer(&mut stage, &execution, 1, ProviderOutcome::NeverSeen);
    assert_eq!(again.call.unwrap().request.send_count, 2);
    let before = stage.attempt(execution.id);
    defer(&mut stage, &execution, 1, Gate::Rate);
    assert_eq!(stage.attempt(execution.id), before, "an older sending");
    defer(&mut stage, &execution, 2, Gate::Rate);
    let attempt = stage.attempt(execution.id);
    assert_eq!((attempt.gate, attempt.send_count), (None, 1));
    assert!(attempt.sent_at.is_some());
    stage.now = stage.now.plus(seconds(2));
    assert_eq!(claim(&mut stage, &execution).unwrap().kind, CallKind::Query);
}

#[test]
fn a_network_says_nothing_of_what_it_was_not_sent_but_that_money_moved() {
    let mut stage = Stage::new();
    let execution = sending(&mut stage);
    defer(&mut stage, &execution, 1, Gate::Circuit);
    let before = (stored(&stage, &execution), stage.attempt(execution.id));
    for outcome in [ProviderOutcome::NeverSeen, ProviderOutcome::Unknown, crate::stage::declined()]
    {
        answer(&mut stage, &execution, 1, outcome);
        assert_eq!((stored(&stage, &execution), stage.attempt(execution.id)), before);
    }
    let moved = answer(&mut stage, &execution, 1, paid("t"));
    assert_eq!(moved.execution.status, ExecutionStatus::Completed);
    stage.check_books();
}

#[test]
fn what_could_not_be_sent_for_too_long_is_failed_and_its_money_released() {
    let mut stage = Stage::new();
    let execution = sending(&mut stage);
    let before = stage.mine("USD");
    defer(&mut stage, &execution, 1, Gate::Circuit);
    stage.now = stage.now.plus(minutes(24 * 60) - 1);
    assert_eq!(claim(&mut stage, &execution).unwrap().kind, CallKind::Send);
    defer(&mut stage, &execution, 1, Gate::Circuit);
    stage.now = stage.now.plus(seconds(2));
    assert_eq!(claim(&mut stage, &execution), None);
    let failed = stored(&stage, &execution);
    assert_eq!(failed.status, ExecutionStatus::Failed);
    assert!(failed.gateway_message.unwrap().contains("could not be sent in time"));
    assert_eq!(stage.mine("USD"), (before.0 + before.1, 0));
    stage.check_books();
}
