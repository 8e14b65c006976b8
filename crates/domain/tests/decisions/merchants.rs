//! A merchant's passcode and keys, and what an operator sets.

use crate::stage::{Stage, usd};
use domain::command::{Answer, Command};
use domain::execute::{Execute, Terms};
use domain::ids::{MerchantId, SessionId};
use domain::merchant::{Merchant, MerchantChanges};
use domain::names::FeeBearer;
use domain::rejection::Rejection;
use domain::time::minutes;

#[test]
fn a_right_passcode_does_not_count_whatever_becomes_of_the_payout() {
    let mut stage = Stage::new();
    stage.decide(&Command::SetPasscode(stage.merchant, "hash".into())).unwrap();
    let terms = Terms::Payout { account_id: None, passcode_verified: true };
    let request = Execute { merchant_id: stage.merchant, reference_id: "r".into(), session_id: SessionId(999), terms };
    for _ in 0..10 {
        assert!(matches!(stage.decide(&Command::ReserveAttempt(request.clone())), Ok(Answer::Passcode(Some(_)))));
        stage.decide(&Command::ConfirmAttempt(stage.merchant)).unwrap();
        assert!(matches!(stage.decide(&Command::Execute(request.clone())).unwrap_err()[0], Rejection::Unknown { .. }));
    }
    for _ in 0..5 {
        stage.decide(&Command::ReserveAttempt(request.clone())).unwrap();
    }
    assert_eq!(stage.decide(&Command::ReserveAttempt(request.clone())), Err(vec![Rejection::PasscodeLocked { seconds: 900 }]));
    stage.now = stage.now.plus(minutes(15));
    assert!(stage.decide(&Command::ReserveAttempt(request)).is_ok());
}

#[test]
fn a_passcode_replaces_only_the_one_that_was_compared() {
    let mut stage = Stage::new();
    let replace = |replaces: Option<&str>, hash: &str| {
        Command::ReplacePasscode(MerchantId(1), replaces.map(str::to_owned), hash.to_owned())
    };
    assert_eq!(stage.merchant, MerchantId(1));
    stage.decide(&replace(None, "first")).unwrap();
    assert_eq!(stage.decide(&replace(None, "late")), Err(vec![Rejection::PasscodeRequired]));
    assert_eq!(stage.decide(&replace(Some("other"), "late")), Err(vec![Rejection::PasscodeInvalid]));
    for _ in 0..4 {
        stage.decide(&Command::ReserveChange(stage.merchant)).unwrap();
    }
    stage.decide(&replace(Some("first"), "second")).unwrap();
    for _ in 0..5 {
        let hash = stage.decide(&Command::ReserveChange(stage.merchant)).unwrap();
        assert_eq!(hash, Answer::Passcode(Some("second".into())), "the new one began a new count");
    }
    assert_eq!(stage.decide(&Command::ReserveChange(stage.merchant)), Err(vec![Rejection::PasscodeLocked { seconds: 900 }]));
}

#[test]
fn a_key_is_revoked_once_and_by_its_merchant() {
    let mut stage = Stage::new();
    let Answer::ApiKey(key) = stage.decide(&Command::CreateKey(stage.merchant, "c".into(), "h".into())).unwrap() else {
        panic!("no key")
    };
    let revoke = Command::RevokeKey(stage.merchant, key.id);
    assert_eq!(stage.decide(&Command::RevokeKey(MerchantId(999), key.id)), Err(vec![Rejection::NotFound]));
    let first = stage.decide(&revoke).unwrap();
    stage.now = stage.now.plus(minutes(1));
    assert_eq!(stage.decide(&revoke).unwrap(), first);
    let lost = Command::CreateKey(MerchantId(999), "d".into(), "h".into());
    assert_eq!(stage.decide(&lost), Err(vec![Rejection::NotFound]));
}

#[test]
fn what_is_set_of_a_merchant_leaves_the_rest_as_it_is() {
    let mut stage = Stage::new();
    stage.now = stage.now.plus(minutes(1));
    let update = |stage: &mut Stage, id: MerchantId, changes: &MerchantChanges| {
        stage.decide(&Command::UpdateMerchant(id, changes.clone())).map(|answer| match answer {
            Answer::UpdatedMerchant(merchant) => merchant,
            other => panic!("{other:?}"),
        })
    };
    let id = stage.merchant;
    let nothing = MerchantChanges { fee_tier: Some("default".into()), verified: Some(true), fee_bearer: None };
    let before = update(&mut stage, id, &nothing).unwrap();
    assert_eq!((before.updated_at, before.fee_bearer, before.fee_tier_assigned_at), (stage.now, FeeBearer::Payer, None));

    let bearer = MerchantChanges { fee_bearer: Some(FeeBearer::Payee), ..MerchantChanges::default() };
    let expected = Merchant { fee_bearer: FeeBearer::Payee, ..before };
    assert_eq!(update(&mut stage, id, &bearer), Ok(expected.clone()));
    let unverified = MerchantChanges { verified: Some(false), ..MerchantChanges::default() };
    assert_eq!(update(&mut stage, id, &unverified), Ok(Merchant { verified: false, ..expected }));

    let no_tier = MerchantChanges { fee_tier: Some("gold".into()), verified: Some(true), fee_bearer: None };
    assert_eq!(update(&mut stage, id, &no_tier), Err(vec![Rejection::NoTier]));
    assert!(!stage.world.get::<Merchant>(id).unwrap().unwrap().verified, "refused is refused as a whole");
    assert_eq!(update(&mut stage, MerchantId(999), &bearer), Err(vec![Rejection::NotFound]));
}

#[test]
fn money_is_given_once_under_a_key() {
    let mut stage = Stage::new();
    let wallet = stage.fund(100);
    let give = |minor: i64, key: Option<&str>| Command::FundWallet(wallet, usd(minor), key.map(str::to_owned));
    let available = |answer| match answer {
        Ok(Answer::Wallet(wallet)) => wallet.available_minor,
        other => panic!("{other:?}"),
    };
    assert_eq!(available(stage.decide(&give(50, Some("a")))), 150);
    assert_eq!(available(stage.decide(&give(50, Some("a")))), 150);
    assert_eq!(stage.decide(&give(60, Some("a"))).unwrap_err(), vec![Rejection::DuplicateFunding]);
    assert_eq!(available(stage.decide(&give(50, Some("b")))), 200);
    assert_eq!(available(stage.decide(&give(50, None))), 250);
}
