//! Requests that repeat a key, and commands that are refused.

use crate::stage::{Stage, answered, reference, usd};
use domain::kernel::ids::MerchantId;
use domain::kernel::refusal::Refusal;
use domain::kernel::time::minutes;
use domain::payments::create_session::NewSession;
use domain::payments::execute::{Execute, OperationDetails};
use domain::payments::session::SessionStatus;

#[test]
fn the_same_key_is_answered_or_refused() {
    let mut stage = Stage::new();
    let wallet_id = stage.fund(10_000);
    let party = stage.party("231880000009");
    let counterparty_id = stage.counterparty(party);
    let expires_at = stage.time().plus(minutes(5));
    let request = NewSession::Transfer { wallet_id, counterparty_id, amount: usd(100), expires_at };
    let (first, second) =
        (stage.declare(request.clone()).unwrap(), stage.declare(request).unwrap());
    let key = |session| Execute {
        merchant_id: MerchantId(1),
        reference_id: reference(1),
        session_id: session,
        details: OperationDetails::Transfer,
        shown: None,
    };
    let Ok(done) = stage.decide(&key(first)) else { panic!("not executed") };
    stage.now = stage.now.plus(minutes(60 * 24 * 400));
    let Ok(again) = stage.decide(&key(first)) else { panic!("not replayed") };
    assert!(again.replayed);
    assert_eq!(answered(again.execution), answered(done.execution));
    assert_eq!(stage.decide(&key(second)), Err(vec![Refusal::DuplicateReference]));
    assert_eq!(stage.mine("USD").0, 9_900);
}

#[test]
fn a_refused_command_changes_nothing() {
    let mut stage = Stage::new();
    let wallet_id = stage.fund(10_000);
    let party = stage.party("231880000009");
    let counterparty_id = stage.counterparty(party);
    let expires_at = stage.time().plus(minutes(5));
    let session = stage
        .declare(NewSession::Transfer { wallet_id, counterparty_id, amount: usd(100), expires_at })
        .unwrap();
    let (events, next_id) = (stage.work.events.len(), stage.work.ids.next);
    stage.set_time(expires_at);
    assert_eq!(
        stage.execute(session, OperationDetails::Transfer),
        Err(vec![Refusal::SessionExpired { at: expires_at }])
    );
    assert_eq!((stage.work.events.len(), stage.work.ids.next), (events, next_id));
    let stored = stage.work.get::<domain::payments::session::Session>(session).unwrap().unwrap();
    assert_eq!(stored.status, SessionStatus::Active);
}
