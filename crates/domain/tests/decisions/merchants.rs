//! Passcodes and API keys of merchants, and changes by an operator.

use crate::stage::{Stage, reference, usd};
use domain::decision::command::Command;
use domain::decision::row::Lookup;
use domain::directory::api_keys::CreateApiKey;
use domain::directory::api_keys::RevokeApiKey;
use domain::directory::brand::{Colour, Logo};
use domain::directory::merchant::Merchant;
use domain::directory::principal::Caller;
use domain::directory::roles::Rights;
use domain::directory::set_passcode::ReplacePasscode;
use domain::directory::set_passcode::SetPasscode;
use domain::directory::set_passcode::UnlockPasscode;
use domain::directory::signing_key::SigningKey;
use domain::directory::try_passcode::FinishPasscodeAttempt;
use domain::directory::try_passcode::ReservePasscodeChange;
use domain::directory::update_merchant::MerchantChanges;
use domain::directory::update_merchant::UpdateMerchant;
use domain::kernel::ids::{ApiKeyId, MerchantId, PasscodeTryId, SessionId, SigningKeyId};
use domain::kernel::names::FeeBearer;
use domain::kernel::patch::Patch;
use domain::kernel::refusal::Refusal;
use domain::kernel::time::{minutes, seconds};
use domain::ledger::fund_wallet::FundWallet;
use domain::ledger::wallet::Wallet;
use domain::payments::execute::{Execute, OperationDetails};
use domain::payments::reserve_passcode_attempt::PasscodeReservation;
use domain::payments::reserve_passcode_attempt::ReservePasscodeAttempt;

const KEY: ApiKeyId = ApiKeyId(7);
const OTHER: ApiKeyId = ApiKeyId(8);

/// A stage whose merchant has a passcode.
fn guarded() -> Stage {
    let mut stage = Stage::new();
    stage.decide(&SetPasscode { merchant_id: stage.merchant, hash: Some("hash".into()) }).unwrap();
    stage
}

fn payout(stage: &Stage) -> Execute {
    let details = OperationDetails::Payout { account_id: None, passcode_verified: true };
    Execute {
        merchant_id: stage.merchant,
        reference_id: reference(1),
        session_id: SessionId(999),
        details,
        shown: None,
    }
}

fn reserve(stage: &mut Stage, key: ApiKeyId) -> Result<PasscodeTryId, Refusal> {
    match stage.decide(&ReservePasscodeAttempt { execute: payout(stage), api_key_id: key }) {
        Ok(PasscodeReservation::Reserved(Some(attempt))) => Ok(attempt.id),
        Ok(other) => panic!("{other:?}"),
        Err(reasons) => Err(reasons[0].clone()),
    }
}

fn end(stage: &mut Stage, which: PasscodeTryId, right: bool) {
    stage
        .decide(&FinishPasscodeAttempt { merchant_id: stage.merchant, attempt_id: which, right })
        .unwrap();
}

fn guess(stage: &mut Stage, key: ApiKeyId) -> Result<(), Refusal> {
    let which = reserve(stage, key)?;
    end(stage, which, false);
    Ok(())
}

#[test]
fn guesses_between_right_ones_add_up() {
    let mut stage = guarded();
    for _ in 0..5 {
        guess(&mut stage, KEY).unwrap();
        if let Ok(right) = reserve(&mut stage, KEY) {
            end(&mut stage, right, true);
        }
    }
    assert_eq!(guess(&mut stage, KEY), Err(Refusal::PasscodeLocked { seconds: 900 }));
    assert_eq!(guess(&mut stage, OTHER), Ok(()), "another key is not locked");
    stage.now = stage.now.plus(minutes(15));
    assert_eq!(guess(&mut stage, KEY), Ok(()), "the lock has an end");
}

#[test]
fn a_right_passcode_does_not_count_whatever_becomes_of_the_payout() {
    let mut stage = guarded();
    for _ in 0..30 {
        let right = reserve(&mut stage, KEY).unwrap();
        end(&mut stage, right, true);
        let request = payout(&stage);
        assert!(matches!(stage.decide(&request).unwrap_err()[0], Refusal::UnknownId { .. }));
    }
}

#[test]
fn right_ones_at_once_wait_and_do_not_lock() {
    let mut stage = guarded();
    for _ in 0..3 {
        guess(&mut stage, KEY).unwrap();
    }
    let under_way = [reserve(&mut stage, KEY).unwrap(), reserve(&mut stage, KEY).unwrap()];
    assert_eq!(
        reserve(&mut stage, KEY),
        Err(Refusal::TooManyPasscodeChecks),
        "with the wrong ones they would lock"
    );
    for which in under_way {
        end(&mut stage, which, true);
    }
    assert!(reserve(&mut stage, KEY).is_ok());
}

#[test]
fn one_that_nobody_ends_counts_as_wrong_after_half_a_minute() {
    let mut stage = guarded();
    for _ in 0..4 {
        guess(&mut stage, KEY).unwrap();
    }
    let lost = reserve(&mut stage, KEY).unwrap();
    stage.now = stage.now.plus(seconds(29));
    assert_eq!(reserve(&mut stage, KEY), Err(Refusal::TooManyPasscodeChecks));
    stage.now = stage.now.plus(seconds(1));
    assert_eq!(reserve(&mut stage, KEY), Err(Refusal::PasscodeLocked { seconds: 900 }));
    // The process was only slow, and the passcode was right.
    end(&mut stage, lost, true);
    assert!(reserve(&mut stage, KEY).is_ok());
}

#[test]
fn twenty_of_all_keys_lock_until_the_operator_lifts_it() {
    let mut stage = guarded();
    for key in 1..=5 {
        for _ in 0..4 {
            guess(&mut stage, ApiKeyId(key)).unwrap();
        }
    }
    for later in [0, 3 * 24 * 60] {
        stage.now = stage.now.plus(minutes(later));
        assert_eq!(guess(&mut stage, ApiKeyId(9)), Err(Refusal::PasscodeLockedForAll));
        let change = stage.decide(&ReservePasscodeChange {
            merchant_id: stage.merchant,
            api_key_id: ApiKeyId(9),
        });
        assert_eq!(change, Err(vec![Refusal::PasscodeLockedForAll]), "a change is a try, too");
    }
    stage.decide(&UnlockPasscode { merchant_id: stage.merchant }).unwrap();
    assert_eq!(guess(&mut stage, ApiKeyId(1)), Ok(()));
    assert_eq!(
        stage.decide(&UnlockPasscode { merchant_id: MerchantId(987) }),
        Err(vec![Refusal::NotFound])
    );
}

#[test]
fn a_passcode_replaces_only_the_one_that_was_compared() {
    let mut stage = Stage::new();
    let replace = |replaces: Option<&str>, hash: Option<&str>| ReplacePasscode {
        merchant_id: MerchantId(1),
        replaces: replaces.map(str::to_owned),
        hash: hash.map(str::to_owned),
    };
    assert_eq!(stage.merchant, MerchantId(1));
    stage.decide(&replace(None, Some("first"))).unwrap();
    assert_eq!(stage.decide(&replace(None, Some("late"))), Err(vec![Refusal::PasscodeRequired]));
    assert_eq!(
        stage.decide(&replace(Some("other"), Some("late"))),
        Err(vec![Refusal::PasscodeInvalid])
    );
    assert_eq!(stage.decide(&replace(Some("other"), None)), Err(vec![Refusal::PasscodeInvalid]));
    for _ in 0..4 {
        guess(&mut stage, KEY).unwrap();
    }
    stage.decide(&replace(Some("first"), Some("second"))).unwrap();
    guess(&mut stage, KEY).unwrap();
    assert!(
        matches!(guess(&mut stage, KEY), Err(Refusal::PasscodeLocked { .. })),
        "the count goes on"
    );
}

#[test]
fn a_passcode_is_removed_and_its_count_is_not() {
    let mut stage = guarded();
    for _ in 0..4 {
        guess(&mut stage, KEY).unwrap();
    }
    let remove =
        ReplacePasscode { merchant_id: stage.merchant, replaces: Some("hash".into()), hash: None };
    stage.decide(&remove).unwrap();
    assert_eq!(
        stage.decide(&ReservePasscodeAttempt { execute: payout(&stage), api_key_id: KEY }),
        Ok(PasscodeReservation::Reserved(None))
    );
    let unguarded = Execute {
        details: OperationDetails::Payout { account_id: None, passcode_verified: false },
        ..payout(&stage)
    };
    assert!(matches!(stage.decide(&unguarded).unwrap_err()[0], Refusal::UnknownId { .. }));
    stage
        .decide(&ReplacePasscode {
            merchant_id: stage.merchant,
            replaces: None,
            hash: Some("new".into()),
        })
        .unwrap();
    guess(&mut stage, KEY).unwrap();
    assert!(matches!(guess(&mut stage, KEY), Err(Refusal::PasscodeLocked { .. })));
    stage.decide(&SetPasscode { merchant_id: stage.merchant, hash: None }).unwrap();
    stage.decide(&SetPasscode { merchant_id: stage.merchant, hash: Some("newer".into()) }).unwrap();
    assert_eq!(guess(&mut stage, KEY), Ok(()), "what the operator sets begins a new count");
}

/// This holds for every command of a caller, also for those that would be refused anyway.
#[test]
fn nothing_is_decided_for_credentials_that_do_not_hold() {
    let mut stage = Stage::new();
    let key = stage
        .decide(&CreateApiKey {
            merchant_id: stage.merchant,
            client_id: "c".into(),
            secret_hash: "h".into(),
            rights: Rights::ALL,
        })
        .unwrap();
    let signed_by = SigningKey { id: SigningKeyId(1), retired_at: None };
    stage.work.tables.signing_keys.load(Lookup::Id(signed_by.id), Some(signed_by.clone()));
    let retired = SigningKey { id: SigningKeyId(2), retired_at: Some(stage.now) };
    stage.work.tables.signing_keys.load(Lookup::Id(retired.id), Some(retired.clone()));
    let until = stage.now.plus(minutes(60));
    let good = Caller {
        merchant_id: stage.merchant,
        api_key_id: key.id,
        signing_key_id: signed_by.id,
        until,
    };
    let add = || CreateApiKey {
        merchant_id: MerchantId(1),
        client_id: "d".into(),
        secret_hash: "h".into(),
        rights: Rights::ALL,
    };
    for (caller, reason) in [
        (Caller { signing_key_id: retired.id, ..good }, Refusal::SigningKeyRetired),
        (Caller { signing_key_id: SigningKeyId(3), ..good }, Refusal::SigningKeyRetired),
        (Caller { api_key_id: ApiKeyId(987), ..good }, Refusal::KeyRevoked),
        (Caller { merchant_id: MerchantId(987), ..good }, Refusal::KeyRevoked),
        (Caller { until: stage.now, ..good }, Refusal::TokenExpired),
    ] {
        assert_eq!(stage.decide_as(caller, add()).map(|_| ()), Err(vec![reason]));
    }
    assert!(stage.decide_as(good, add()).is_ok());
    stage.decide(&RevokeApiKey { merchant_id: stage.merchant, api_key_id: key.id }).unwrap();
    let request = payout(&stage);
    let reserve = ReservePasscodeAttempt { execute: request.clone(), api_key_id: key.id };
    for command in [Command::from(request), reserve.into(), add().into()] {
        assert_eq!(stage.decide_as(good, command), Err(vec![Refusal::KeyRevoked]));
    }
}

#[test]
fn a_key_is_revoked_once_and_by_its_merchant() {
    let mut stage = Stage::new();
    let key = stage
        .decide(&CreateApiKey {
            merchant_id: stage.merchant,
            client_id: "c".into(),
            secret_hash: "h".into(),
            rights: Rights::ALL,
        })
        .unwrap();
    let revoke = RevokeApiKey { merchant_id: stage.merchant, api_key_id: key.id };
    assert_eq!(
        stage.decide(&RevokeApiKey { merchant_id: MerchantId(999), api_key_id: key.id }),
        Err(vec![Refusal::NotFound])
    );
    let first = stage.decide(&revoke).unwrap();
    let events = stage.work.events.len();
    stage.now = stage.now.plus(minutes(1));
    assert_eq!(stage.decide(&revoke).unwrap().revoked_at, first.revoked_at);
    assert_eq!(stage.work.events.len(), events, "repeating it is no event");
    let lost = CreateApiKey {
        merchant_id: MerchantId(999),
        client_id: "d".into(),
        secret_hash: "h".into(),
        rights: Rights::ALL,
    };
    assert_eq!(stage.decide(&lost), Err(vec![Refusal::NotFound]));
}

#[test]
fn what_is_set_of_a_merchant_leaves_the_rest_as_it_is() {
    let mut stage = Stage::new();
    stage.now = stage.now.plus(minutes(1));
    let update = |stage: &mut Stage, id: MerchantId, changes: &MerchantChanges| {
        stage.decide(&UpdateMerchant { merchant_id: id, changes: changes.clone() })
    };
    let id = stage.merchant;
    let nothing = MerchantChanges {
        fee_tier: Some("default".into()),
        verified: Some(true),
        ..MerchantChanges::default()
    };
    let before = update(&mut stage, id, &nothing).unwrap();
    assert_eq!(
        (before.updated_at, before.fee_bearer, before.fee_tier_assigned_at),
        (stage.now, FeeBearer::Payer, None)
    );

    let bearer =
        MerchantChanges { fee_bearer: Some(FeeBearer::Payee), ..MerchantChanges::default() };
    let expected = Merchant { fee_bearer: FeeBearer::Payee, ..before };
    assert_eq!(update(&mut stage, id, &bearer), Ok(expected.clone()));
    let unverified = MerchantChanges { verified: Some(false), ..MerchantChanges::default() };
    assert_eq!(update(&mut stage, id, &unverified), Ok(Merchant { verified: false, ..expected }));

    let no_tier = MerchantChanges {
        fee_tier: Some("gold".into()),
        verified: Some(true),
        ..MerchantChanges::default()
    };
    assert_eq!(update(&mut stage, id, &no_tier), Err(vec![Refusal::UnknownFeeTier]));
    assert!(
        !stage.work.get::<Merchant>(id).unwrap().unwrap().verified,
        "refused is refused as a whole"
    );
    assert_eq!(update(&mut stage, MerchantId(999), &bearer), Err(vec![Refusal::NotFound]));
}

#[test]
fn a_merchant_looks_as_it_was_set() {
    let mut stage = Stage::new();
    let id = stage.merchant;
    let mut set = |changes| {
        let merchant = stage.decide(&UpdateMerchant { merchant_id: id, changes }).unwrap();
        (merchant, stage.work.get::<Logo>(id).ok().flatten())
    };
    let (plain, logo) = set(MerchantChanges::default());
    assert_eq!((plain.shown_name(), plain.colour, plain.logo, logo), ("M", None, None, None));
    let (set_up, logo) = set(MerchantChanges {
        display_name: Patch::Set("Ama’s Shop".to_owned()),
        colour: Patch::Set(Colour::parse("#FFCC00").unwrap()),
        logo: Patch::Set("iVBORw0KGgo=".to_owned()),
        ..MerchantChanges::default()
    });
    let first = logo.unwrap();
    assert_eq!(
        (set_up.shown_name(), set_up.colour, set_up.logo, first.png.as_str()),
        ("Ama’s Shop", Some(Colour(0xFF_CC_00)), Some(first.fingerprint), "iVBORw0KGgo=")
    );
    // What is not named stays as it is.
    let (same, _) = set(MerchantChanges::default());
    assert_eq!(same, set_up);
    // Another picture has another name, so that no browser shows the old one.
    let (other, logo) =
        set(MerchantChanges { logo: Patch::Set("AAAA".to_owned()), ..MerchantChanges::default() });
    assert!(other.logo.is_some() && other.logo != set_up.logo);
    assert_eq!(other.logo, logo.map(|logo| logo.fingerprint));
    let (none, _) = set(MerchantChanges {
        display_name: Patch::Clear,
        colour: Patch::Clear,
        logo: Patch::Clear,
        ..MerchantChanges::default()
    });
    assert_eq!((none.shown_name(), none.colour, none.logo), ("M", None, None));
}

#[test]
fn money_is_given_once_under_a_key() {
    let mut stage = Stage::new();
    let wallet = stage.fund(100);
    let give = |minor: i64, key: Option<&str>| FundWallet {
        wallet_id: wallet,
        amount: usd(minor),
        key: key.map(str::to_owned),
    };
    let available = |answer: Result<Wallet, Vec<Refusal>>| answer.unwrap().available_minor;
    assert_eq!(available(stage.decide(&give(50, Some("a")))), 150);
    assert_eq!(available(stage.decide(&give(50, Some("a")))), 150);
    assert_eq!(stage.decide(&give(60, Some("a"))).unwrap_err(), vec![Refusal::DuplicateFunding]);
    assert_eq!(available(stage.decide(&give(50, Some("b")))), 200);
    assert_eq!(available(stage.decide(&give(50, None))), 250);
}
