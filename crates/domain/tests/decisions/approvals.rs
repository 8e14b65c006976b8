//! Payouts and transfers that a second person has to approve.

use domain::decision::command::Output;
use domain::decision::row::Lookup;
use domain::directory::api_keys::CreateApiKey;
use domain::directory::merchant_limits::SetMerchantLimits;
use domain::directory::principal::{Caller, Principal};
use domain::directory::roles::{Rights, Role};
use domain::directory::signing_key::SigningKey;
use domain::directory::update_merchant::{MerchantChanges, UpdateMerchant};
use domain::kernel::ids::{ApprovalId, SigningKeyId};
use domain::kernel::names::{Method, Operation};
use domain::kernel::patch::Patch;
use domain::kernel::refusal::{Refusal, Subject};
use domain::kernel::time::{minutes, seconds};
use domain::ledger::wallet::Owner;
use domain::payments::approval::{Approval, ApprovalLimit, ApprovalStatus};
use domain::payments::attempt::{Gate, LEASE_US, UNSENT_OUTGOING_US};
use domain::payments::cancel_enqueued::CancelEnqueued;
use domain::payments::claim_execution::ClaimExecution;
use domain::payments::create_session::NewSession;
use domain::payments::decide_approval::{Approve, Decided, ExpireApproval, Refuse};
use domain::payments::defer_send::DeferSend;
use domain::payments::execute::{Execute, OperationDetails, ShownPrice};
use domain::payments::execution::{Execution, ExecutionStatus};

use crate::people::Somebody;
use crate::stage::{Stage, currency, paid, reference, usd};

const DAY: i64 = minutes(24 * 60);

/// A merchant with 1,000.00 USD, where one payout above 100.00 and a day above 250.00 need a second
/// person, and two people who may pay out and approve.
fn stage() -> (Stage, Somebody, Somebody) {
    let mut stage = Stage::new();
    stage.fund(100_000);
    set_limits(&mut stage, Patch::Set(10_000), Patch::Set(25_000));
    let ama = finance(&mut stage, 1);
    let efua = finance(&mut stage, 2);
    (stage, ama, efua)
}

/// Somebody in finance who has given a code now.
fn finance(stage: &mut Stage, n: u32) -> Somebody {
    let member = stage.member(n, Role::Finance);
    member.confirm(stage, 1);
    member
}

fn set_limits(stage: &mut Stage, payment_minor: Patch<i64>, day_minor: Patch<i64>) {
    let set = SetMerchantLimits {
        merchant_id: stage.merchant,
        currency: currency("USD"),
        support_refund_minor: None,
        payment_minor,
        day_minor,
        bind_api_keys: None,
    };
    stage.decide(&set).unwrap();
}

/// A payout that somebody requests.
fn payout(stage: &mut Stage, by: Principal, minor: i64, number: u128) -> Execution {
    let party = stage.party("231880000001");
    let account = stage.account(party, Method::MTN_MOMO_LBR, Operation::Payout);
    let amount = usd(minor);
    let declare =
        NewSession::Payout { wallet_id: None, account_id: account, amount, expires_at: None };
    let session_id = stage.declare(declare).unwrap();
    let details = OperationDetails::Payout { account_id: None, passcode_verified: false };
    let reference_id = reference(1_000 + number);
    let request =
        Execute { merchant_id: stage.merchant, reference_id, session_id, details, shown: None };
    match stage.decide_for(by, request).unwrap() {
        Output::Execute(done) => {
            assert_eq!(done.call.is_none(), stage.attempt(done.execution.id).gate.is_some());
            done.execution
        }
        other => panic!("{other:?}"),
    }
}

/// A payout is made at the price that was shown, or not at all: not as a failed one, either.
#[test]
fn a_payout_is_made_at_the_price_that_was_shown() {
    let (mut stage, ama, _) = stage();
    let party = stage.party("231880000001");
    let account_id = stage.account(party, Method::MTN_MOMO_LBR, Operation::Payout);
    // What it costs, of one that is made without having been shown its price.
    let made = payout(&mut stage, user(&ama), 1_000, 1);
    let shown = ShownPrice {
        payer: made.payer,
        payee: made.payee,
        platform_fee_minor: made.platform_fee_minor,
        gateway_fee_minor: made.gateway_fee_minor,
        needs_approval: false,
    };
    let before = stage.mine("USD");
    let mut number = 10;
    let mut send = |stage: &mut Stage, minor, shown| {
        let amount = usd(minor);
        let declare = NewSession::Payout { wallet_id: None, account_id, amount, expires_at: None };
        let session_id = stage.declare(declare).unwrap();
        number += 1;
        let request = Execute {
            merchant_id: stage.merchant,
            reference_id: reference(1_000 + number),
            session_id,
            details: OperationDetails::Payout { account_id: None, passcode_verified: false },
            shown: Some(shown),
        };
        stage.decide_for(user(&ama), request).map(drop)
    };
    let other = |minor: i64| usd(shown.payer.minor + minor);
    for changed in [
        ShownPrice { payer: other(1), ..shown },
        ShownPrice { payee: usd(999), ..shown },
        ShownPrice { platform_fee_minor: shown.platform_fee_minor + 1, ..shown },
        ShownPrice { gateway_fee_minor: shown.gateway_fee_minor + 1, ..shown },
        ShownPrice { needs_approval: true, ..shown },
    ] {
        assert_eq!(send(&mut stage, 1_000, changed), Err(vec![Refusal::QuoteChanged]));
    }
    // Nor is one recorded as failed that the wallet cannot pay at its new price.
    assert_eq!(send(&mut stage, 99_900, shown), Err(vec![Refusal::QuoteChanged]));
    assert_eq!(stage.mine("USD"), before);
    send(&mut stage, 1_000, shown).unwrap();
    assert_eq!(stage.mine("USD").1, before.1 + shown.payer.minor);
}

const fn user(somebody: &Somebody) -> Principal {
    Principal::User(somebody.person)
}

fn approval(stage: &Stage, execution: &Execution) -> Approval {
    (*stage.work.find::<Approval>(&execution.id).unwrap().unwrap()).clone()
}

fn approve(
    stage: &mut Stage,
    by: Principal,
    execution: &Execution,
) -> Result<Decided, Vec<Refusal>> {
    let approval_id = approval(stage, execution).id;
    let approve = Approve { merchant_id: stage.merchant, approval_id };
    match stage.decide_for(by, approve)? {
        Output::Approve(decided) => Ok(decided),
        other => panic!("{other:?}"),
    }
}

fn refuse(
    stage: &mut Stage,
    by: Principal,
    execution: &Execution,
) -> Result<Decided, Vec<Refusal>> {
    let approval_id = approval(stage, execution).id;
    let refuse = Refuse { merchant_id: stage.merchant, approval_id, note: None };
    match stage.decide_for(by, refuse)? {
        Output::Refuse(decided) => Ok(decided),
        other => panic!("{other:?}"),
    }
}

fn stored(stage: &Stage, execution: &Execution) -> Execution {
    (*stage.work.require::<Execution>(execution.id).unwrap()).clone()
}

/// An API key that somebody makes, with a token.
pub(crate) fn key_of(stage: &mut Stage, by: Principal, name: &str) -> Caller {
    let create = CreateApiKey {
        merchant_id: stage.merchant,
        client_id: name.into(),
        secret_hash: String::new(),
        rights: Rights::ALL,
    };
    let Output::CreateApiKey(key) = stage.decide_for(by, create).unwrap() else { panic!() };
    let signing_key_id = SigningKeyId(77);
    let signing_key = SigningKey { id: signing_key_id, retired_at: None };
    stage.work.tables.signing_keys.load(Lookup::Id(signing_key_id), Some(signing_key));
    Caller {
        merchant_id: stage.merchant,
        api_key_id: key.id,
        signing_key_id,
        until: stage.now.plus(100 * DAY),
    }
}

#[test]
fn the_money_is_held_and_nothing_is_sent_until_somebody_else_approves() {
    let (mut stage, ama, efua) = stage();
    let held = payout(&mut stage, user(&ama), 10_001, 1);
    assert_eq!(
        (held.status, held.waiting_for.as_deref()),
        (ExecutionStatus::Pending, Some("approval"))
    );
    assert_eq!(stage.mine("USD"), (100_000 - held.payer.minor, held.payer.minor));
    let attempt = stage.attempt(held.id);
    assert_eq!((attempt.gate, attempt.next_check_at), (Some(Gate::Approval), None));
    let open = approval(&stage, &held);
    assert_eq!((open.status, open.above), (ApprovalStatus::Requested, ApprovalLimit::Payment));
    assert_eq!(stage.decide(&ClaimExecution { execution_id: held.id }), Ok(None));
    let decided = approve(&mut stage, user(&efua), &held).unwrap();
    assert_eq!(decided.approval.decided_by, Some(user(&efua).actor()));
    let call = decided.call.unwrap();
    assert_eq!(call.request.send_count, 1);
    let attempt = stage.attempt(held.id);
    assert_eq!((attempt.gate, attempt.sent_at), (None, Some(stage.time())));
    assert_eq!(attempt.next_check_at, Some(stage.time().plus(LEASE_US)), "found after a crash");
    stage.hear(held.id, paid("t"));
    assert_eq!(stage.mine("USD"), (100_000 - held.payer.minor, 0));
    stage.check_books();
}

#[test]
fn nobody_is_a_second_person_by_another_login_or_a_key() {
    let (mut stage, mut ama, efua) = stage();
    let held = payout(&mut stage, user(&ama), 10_001, 1);
    let own = Err(vec![Refusal::OwnRequest]);
    assert_eq!(approve(&mut stage, user(&ama), &held), own);
    // An owner makes keys, too.
    let mut owner = stage.member(3, Role::Owner);
    owner.confirm(&mut stage, 1);
    let of_owner = payout(&mut stage, user(&owner), 10_002, 2);
    let key = key_of(&mut stage, user(&owner), "one");
    let second = key_of(&mut stage, Principal::ApiKey(key), "two");
    for key in [key, second] {
        assert_eq!(approve(&mut stage, Principal::ApiKey(key), &of_owner), own);
    }
    owner.log_in(&mut stage);
    let asked = approve(&mut stage, user(&owner), &of_owner);
    assert_eq!(asked, Err(vec![Refusal::SecondFactorMissing]), "the other login has no code yet");
    // What a key requests is its maker's request.
    let bound = SetMerchantLimits {
        merchant_id: stage.merchant,
        currency: currency("USD"),
        support_refund_minor: None,
        payment_minor: Patch::Keep,
        day_minor: Patch::Keep,
        bind_api_keys: Some(true),
    };
    stage.decide(&bound).unwrap();
    let of_key = payout(&mut stage, Principal::ApiKey(second), 10_003, 3);
    assert_eq!(approve(&mut stage, Principal::ApiKey(key), &of_key), own);
    for held in [&of_owner, &of_key, &held] {
        assert!(approve(&mut stage, user(&efua), held).is_ok());
    }
    ama.log_in(&mut stage);
}

#[test]
fn an_answer_is_given_once() {
    let (mut stage, ama, efua) = stage();
    let kofi = finance(&mut stage, 3);
    let held = payout(&mut stage, user(&ama), 10_001, 1);
    let first = approve(&mut stage, user(&efua), &held).unwrap();
    let again = approve(&mut stage, user(&efua), &held).unwrap();
    assert_eq!((again.approval, again.call), (first.approval, None), "a click too many");
    let late = Err(vec![Refusal::InvalidState {
        subject: Subject::Approval,
        what: "approval",
        state: "APPROVED",
        needs: "REQUESTED",
    }]);
    assert_eq!(approve(&mut stage, user(&kofi), &held), late);
    assert_eq!(refuse(&mut stage, user(&efua), &held), late);
    assert_eq!(stage.attempt(held.id).send_count, 1);
    let other = payout(&mut stage, user(&ama), 10_001, 2);
    let before = stage.mine("USD");
    let refused = refuse(&mut stage, user(&efua), &other).unwrap();
    assert_eq!(refused.payment.execution.status, ExecutionStatus::Failed);
    assert_eq!(stage.mine("USD").0 - before.0, other.payer.minor);
    assert_eq!(refuse(&mut stage, user(&efua), &other).unwrap().approval, refused.approval);
    assert!(approve(&mut stage, user(&kofi), &other).is_err());
    stage.check_books();
}

#[test]
fn who_may_not_approve_takes_back_only_their_own() {
    let (mut stage, ama, _) = stage();
    let manager = stage.member(3, Role::Manager);
    manager.confirm(&mut stage, 1);
    let own = payout(&mut stage, user(&manager), 10_001, 1);
    let other = payout(&mut stage, user(&ama), 10_001, 2);
    assert!(matches!(
        refuse(&mut stage, user(&manager), &other).unwrap_err()[..],
        [Refusal::NotPermitted { .. }]
    ));
    let taken = refuse(&mut stage, user(&manager), &own).unwrap();
    assert_eq!(taken.payment.execution.gateway_message.as_deref(), Some("it was taken back"));
    stage.check_books();
}

#[test]
fn nobody_answers_for_three_days() {
    let (mut stage, ama, efua) = stage();
    let held = payout(&mut stage, user(&ama), 10_001, 1);
    let id = approval(&stage, &held).id;
    let expire = ExpireApproval { approval_id: id };
    stage.now = stage.now.plus(3 * DAY - seconds(1));
    assert_eq!(stage.decide(&expire), Ok(false));
    stage.now = stage.now.plus(seconds(1));
    let efua = relogged(&mut stage, efua, 3);
    let late = approve(&mut stage, user(&efua), &held);
    assert!(late.is_err(), "{late:?}");
    assert_eq!(stage.decide(&expire), Ok(true));
    assert_eq!(stage.decide(&expire), Ok(false));
    let failed = stored(&stage, &held);
    assert_eq!(failed.status, ExecutionStatus::Failed);
    assert_eq!(failed.gateway_message.as_deref(), Some("nobody approved it within 72 hours"));
    assert_eq!(stage.mine("USD"), (100_000, 0));
    stage.check_books();
}

/// A day's wait for the approval is none for the network.
#[test]
fn what_was_approved_late_may_wait_for_its_network_all_the_same() {
    let (mut stage, ama, efua) = stage();
    let held = payout(&mut stage, user(&ama), 10_001, 1);
    stage.now = stage.now.plus(2 * DAY);
    let efua = relogged(&mut stage, efua, 3);
    approve(&mut stage, user(&efua), &held).unwrap();
    let put_back = DeferSend {
        execution_id: held.id,
        send_count: 1,
        gate: Gate::Circuit,
        again_after_us: seconds(2),
        exchanges: vec![],
    };
    stage.decide(&put_back).unwrap();
    stage.now = stage.now.plus(seconds(2));
    let claim = ClaimExecution { execution_id: held.id };
    assert!(stage.decide(&claim).unwrap().is_some(), "sent, not failed");
    let again = DeferSend { send_count: 1, ..put_back };
    stage.decide(&again).unwrap();
    stage.now = stage.now.plus(UNSENT_OUTGOING_US);
    assert_eq!(stage.decide(&claim), Ok(None));
    assert_eq!(stored(&stage, &held).status, ExecutionStatus::Failed);
    stage.check_books();
}

/// The same person, who has logged in again and given the code of a step.
fn relogged(stage: &mut Stage, mut somebody: Somebody, step: i64) -> Somebody {
    somebody.log_in(stage);
    somebody.give_step(stage, step);
    somebody
}

#[test]
fn a_day_of_small_ones_is_counted_without_those_that_failed() {
    let (mut stage, ama, efua) = stage();
    // Not near midnight.
    let midnight = (stage.time().day_number() + 1) * DAY;
    stage.set_time(domain::kernel::time::MerchantTime(midnight + minutes(60)));
    let ama = relogged(&mut stage, ama, 3);
    let efua = relogged(&mut stage, efua, 3);
    for number in 1..=2 {
        assert_ne!(
            payout(&mut stage, user(&ama), 10_000, number).waiting_for.as_deref(),
            Some("approval")
        );
    }
    let above = payout(&mut stage, user(&ama), 5_001, 3);
    assert_eq!(approval(&stage, &above).above, ApprovalLimit::Day);
    let wallet = |stage: &Stage| stage.wallet(Owner::Merchant(stage.merchant), "USD").sent_minor;
    assert_eq!(wallet(&stage), 25_001);
    refuse(&mut stage, user(&efua), &above).unwrap();
    assert_eq!(wallet(&stage), 20_000);
    let within = payout(&mut stage, user(&ama), 5_000, 4);
    assert_ne!(within.waiting_for.as_deref(), Some("approval"));
    // What programs send counts, though they are not bound.
    stage.payout(within.payment_account_id().unwrap(), usd(1_000)).unwrap();
    assert_eq!(wallet(&stage), 26_000);
    stage.now = stage.now.plus(DAY);
    let ama = relogged(&mut stage, ama, 4);
    let next_day = payout(&mut stage, user(&ama), 9_000, 5);
    assert_ne!(next_day.waiting_for.as_deref(), Some("approval"));
    assert_eq!(wallet(&stage), 9_000);
    // A failure of yesterday's is not taken out of today.
    stage.hear(within.id, crate::stage::declined());
    assert_eq!(wallet(&stage), 9_000);
    stage.check_books();
}

#[test]
fn the_operator_takes_back_what_waits() {
    let (mut stage, ama, _) = stage();
    let held = payout(&mut stage, user(&ama), 10_001, 1);
    let cancel = CancelEnqueued { merchant_id: stage.merchant, reference_id: held.reference_id };
    let canceled = stage.decide(&cancel).unwrap();
    assert_eq!(canceled.execution.status, ExecutionStatus::Failed);
    assert_eq!(approval(&stage, &held).status, ApprovalStatus::Refused);
    assert_eq!(stage.mine("USD"), (100_000, 0));
    stage.check_books();
}

#[test]
fn who_may_not_approve_cancels_only_what_is_their_own() {
    let (mut stage, ama, _) = stage();
    let kofi = stage.member(3, Role::Manager);
    kofi.confirm(&mut stage, 1);
    let theirs = payout(&mut stage, user(&ama), 10_001, 1);
    let merchant_id = stage.merchant;
    let cancel = |of: &Execution| CancelEnqueued { merchant_id, reference_id: of.reference_id };
    assert!(stage.decide_for(user(&kofi), cancel(&theirs)).is_err());
    assert_eq!(approval(&stage, &theirs).status, ApprovalStatus::Requested);
    let own = payout(&mut stage, user(&kofi), 10_001, 2);
    stage.decide_for(user(&kofi), cancel(&own)).unwrap();
    assert_eq!(approval(&stage, &own).status, ApprovalStatus::Refused);
    stage.decide_for(user(&ama), cancel(&theirs)).unwrap();
    assert_eq!(approval(&stage, &theirs).status, ApprovalStatus::Refused);
    assert_eq!(stage.mine("USD"), (100_000, 0));
    stage.check_books();
}

#[test]
fn what_changed_meanwhile_is_looked_at_again() {
    let (mut stage, ama, efua) = stage();
    let held = payout(&mut stage, user(&ama), 10_001, 1);
    let verified = |verified| UpdateMerchant {
        merchant_id: held.merchant_id,
        changes: MerchantChanges { verified: Some(verified), ..MerchantChanges::default() },
    };
    stage.decide(&verified(false)).unwrap();
    assert_eq!(approve(&mut stage, user(&efua), &held), Err(vec![Refusal::NotVerified]));
    stage.decide(&verified(true)).unwrap();
    assert!(approve(&mut stage, user(&efua), &held).is_ok());
    let unknown = Approve { merchant_id: held.merchant_id, approval_id: ApprovalId(0) };
    assert_eq!(stage.decide_for(user(&efua), unknown), Err(vec![Refusal::NotFound]));
}
