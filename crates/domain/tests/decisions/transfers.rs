//! Transfers, and the wallets of parties.

use crate::stage::{Stage, usd};
use domain::decision::settings::TransferLimits;
use domain::kernel::ids::{PartyId, SessionId};
use domain::kernel::names::{FeeBearer, Method, Operation};
use domain::kernel::refusal::Refusal;
use domain::kernel::time::minutes;
use domain::ledger::wallet::Owner;
use domain::payments::create_session::NewSession;
use domain::payments::execute::OperationDetails;
use domain::payments::execution::ExecutionStatus;
use domain::payments::session::{Intent, Session};
use domain::sales::source::SourceStatus;

#[test]
fn a_transfer_reaches_the_merchant_with_the_partys_phone_else_the_party() {
    let mut stage = Stage::new();
    let wallet_id = stage.fund(10_000);
    let other = stage.new_merchant("231770000002");
    let expires_at = stage.time().plus(minutes(5));
    for (phone, owner) in [("231770000002", None), ("231880000009", Some(()))] {
        let party = stage.party(phone);
        let counterparty_id = stage.counterparty(party);
        let session = stage
            .declare(NewSession::Transfer {
                wallet_id,
                counterparty_id,
                amount: usd(1_000),
                expires_at,
            })
            .unwrap();
        let (execution, call) = stage.execute(session, OperationDetails::Transfer).unwrap();
        assert_eq!((execution.status, call), (ExecutionStatus::Completed, None));
        let owner = owner.map_or(Owner::Merchant(other), |()| Owner::Party(party));
        assert_eq!(stage.wallet(owner, "USD").available_minor, 1_000);
    }
    let party = stage.party("231770000001");
    let counterparty_id = stage.counterparty(party);
    let refused = stage
        .declare(NewSession::Transfer { wallet_id, counterparty_id, amount: usd(1), expires_at })
        .unwrap_err();
    assert_eq!(refused, [Refusal::TransferToSelf]);
    stage.check_books();
}

/// Declares a transfer of 1.00 USD to the party with this phone.
fn declared(stage: &mut Stage, phone: &str) -> SessionId {
    let wallet_id = stage.wallet(Owner::Merchant(stage.merchant), "USD").id;
    let party = stage.party(phone);
    let counterparty_id = stage.counterparty(party);
    let expires_at = stage.time().plus(minutes(5));
    stage
        .declare(NewSession::Transfer { wallet_id, counterparty_id, amount: usd(100), expires_at })
        .unwrap()
}

/// The party of a declared transfer, and its recipient.
fn receiver(stage: &Stage, session: SessionId) -> (PartyId, Owner) {
    let session = stage.work.get::<Session>(session).unwrap().unwrap();
    let Intent::Transfer { party_id, recipient, .. } = &session.intent else {
        panic!("{session:?} is no transfer")
    };
    (*party_id, recipient.as_ref().unwrap().owner)
}

fn recipient(stage: &Stage, session: SessionId) -> Owner {
    receiver(stage, session).1
}

#[test]
fn who_receives_is_fixed_when_a_transfer_is_declared() {
    let mut stage = Stage::new();
    stage.fund(10_000);
    let phone = "231880000009";
    let session = declared(&mut stage, phone);
    assert!(matches!(recipient(&stage, session), Owner::Party(_)));
    let newcomer = stage.new_merchant(phone);
    for _ in 0..2 {
        // The refusal leaves the session as it was, so it is refused again.
        assert_eq!(
            stage.execute(session, OperationDetails::Transfer).unwrap_err(),
            [Refusal::RecipientChanged]
        );
    }
    assert_eq!(stage.mine("USD"), (10_000, 0));
    let again = declared(&mut stage, phone);
    assert_eq!(recipient(&stage, again), Owner::Merchant(newcomer));
    assert_eq!(
        stage.execute(again, OperationDetails::Transfer).unwrap().0.status,
        ExecutionStatus::Completed
    );
    assert_eq!(stage.wallet(Owner::Merchant(newcomer), "USD").available_minor, 100);
}

#[test]
fn only_a_merchant_of_the_same_mode_receives_for_its_phone() {
    let mut stage = Stage::new();
    stage.fund(10_000);
    let phone = "231880000009";
    stage.new_live_merchant(phone);
    let session = declared(&mut stage, phone);
    assert!(matches!(recipient(&stage, session), Owner::Party(_)));
}

#[test]
fn phones_cannot_be_sounded_out() {
    let mut stage = Stage::new();
    stage.fund(10_000);
    let most = TransferLimits::default().recipients_per_hour;
    let known = declared(&mut stage, "231880000000");
    for n in 1..most {
        declared(&mut stage, &format!("23188{n:07}"));
    }
    let wallet_id = stage.wallet(Owner::Merchant(stage.merchant), "USD").id;
    let declare = |stage: &mut Stage, party| {
        let counterparty_id = stage.counterparty(party);
        let expires_at = stage.time().plus(minutes(5));
        stage.declare(NewSession::Transfer {
            wallet_id,
            counterparty_id,
            amount: usd(100),
            expires_at,
        })
    };
    let stranger = stage.party("231990000000");
    let refused = declare(&mut stage, stranger).unwrap_err();
    assert_eq!(refused, [Refusal::TooManyRecipients { seconds: 4 }]);
    // A recipient that the merchant already knows does not count again, and declared sessions are
    // still executed.
    let (party, _) = receiver(&stage, known);
    declare(&mut stage, party).unwrap();
    stage.execute(known, OperationDetails::Transfer).unwrap();
    stage.now = stage.now.plus(minutes(60) / most);
    let session = declare(&mut stage, stranger).unwrap();
    assert_eq!(receiver(&stage, session).0, stranger);
    let stranger = stage.party("231990000001");
    assert!(declare(&mut stage, stranger).is_err(), "one more an interval");
    // A clock that was set back by hours does not make anybody wait for hours.
    stage.now = stage.now.plus(-minutes(180));
    declare(&mut stage, stranger).unwrap();
}

#[test]
fn wallets_of_parties_pay_and_are_paid_without_a_network() {
    let mut stage = Stage::new();
    stage.fund(50_000);
    let party = stage.party("231880000002");
    let out = stage.account(party, Method::WALLET, Operation::Payout);
    let into = stage.account(party, Method::WALLET, Operation::Collection);
    let source = stage.invoice(10_000, FeeBearer::Payer);
    let failed = stage.collect(source, into, "USD").unwrap();
    assert_eq!(
        (failed.status, stage.source(source)),
        (ExecutionStatus::Failed, SourceStatus::Active)
    );

    assert_eq!(stage.payout(out, usd(20_000)).unwrap().status, ExecutionStatus::Completed);
    let collected = stage.collect(source, into, "USD").unwrap();
    assert_eq!(
        (collected.status, stage.source(source)),
        (ExecutionStatus::Completed, SourceStatus::Paid)
    );
    assert_eq!(stage.wallet(Owner::Party(party), "USD").available_minor, 20_000 - 10_100);
    let refund = stage.refund(collected.id, "101").unwrap();
    assert_eq!(refund.status, ExecutionStatus::Completed);
    assert_eq!(stage.wallet(Owner::Party(party), "USD").available_minor, 20_000);
    stage.check_books();
}
