//! Parties: what of them can be changed, and by whom without having seen it.

use crate::stage::Stage;
use domain::directory::create_party::{CreateParty, NewParty};
use domain::directory::create_payment_account::{CreateAccount, NewAccount};
use domain::directory::party::Party;
use domain::directory::update_party::{PartyChanges, ShownParty, UpdateParty};
use domain::kernel::ids::{MerchantId, PartyId};
use domain::kernel::names::{Method, Operation, Provider};
use domain::kernel::patch::Patch;
use domain::kernel::refusal::{Refusal, Subject};
use domain::kernel::time::ServerTime;

const PHONE: &str = "231880000001";

fn named(name: &str) -> PartyChanges {
    PartyChanges { fullname: Some(name.to_owned()), ..PartyChanges::default() }
}

fn with_email(email: &str) -> PartyChanges {
    PartyChanges { email: Patch::Set(email.to_owned()), ..PartyChanges::default() }
}

fn update(
    stage: &mut Stage,
    party_id: PartyId,
    changes: PartyChanges,
    shown: Option<&Party>,
) -> Result<Party, Vec<Refusal>> {
    let merchant_id = stage.merchant;
    let shown = shown.map(ShownParty::from);
    stage.decide(&UpdateParty { merchant_id, party_id, changes, shown })
}

#[test]
fn a_party_is_called_otherwise_and_found_by_the_same_phone() {
    let mut stage = Stage::new();
    let id = stage.party(PHONE);
    let before = update(&mut stage, id, PartyChanges::default(), None).unwrap();
    let changes = PartyChanges {
        fullname: Some("Ama Kollie".to_owned()),
        email: Patch::Set("ama@example.com".to_owned()),
        country_code: Patch::Set("LR".to_owned()),
    };
    let after = update(&mut stage, id, changes, None).unwrap();
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(after.fullname, "Ama Kollie");
    assert_eq!((&after.email, &after.country_code), (&text("ama@example.com"), &text("LR")));
    let of_phone = |party: &Party| (party.phone.clone(), party.found_by.clone(), party.created_at);
    assert_eq!(of_phone(&after), of_phone(&before));
    assert_eq!(after.found_by, text(PHONE));
    let cleared = PartyChanges { email: Patch::Clear, ..PartyChanges::default() };
    let cleared = update(&mut stage, id, cleared, None).unwrap();
    assert_eq!((cleared.email, cleared.country_code), (None, text("LR")));
    assert_eq!(cleared.fullname, "Ama Kollie");
}

#[test]
fn what_stands_there_already_changes_nothing() {
    let mut stage = Stage::new();
    let id = stage.party(PHONE);
    let ama = update(&mut stage, id, named("Ama"), None).unwrap();
    let shown = Party { fullname: "P".to_owned(), ..ama.clone() };
    stage.now = ServerTime(stage.now.0 + 1_000_000);
    for shown in [None, Some(&ama), Some(&shown)] {
        assert_eq!(update(&mut stage, id, named("Ama"), shown).unwrap(), ama, "{shown:?}");
    }
}

#[test]
fn nobody_undoes_a_change_that_they_have_not_seen() {
    let mut stage = Stage::new();
    let id = stage.party(PHONE);
    let shown = update(&mut stage, id, PartyChanges::default(), None).unwrap();
    update(&mut stage, id, named("Ama"), Some(&shown)).unwrap();
    let of_another = Refusal::ChangedMeanwhile { subject: Subject::Party, what: "customer" };
    assert_eq!(update(&mut stage, id, named("Efua"), Some(&shown)), Err(vec![of_another]));
    // Another value was left alone, so both changes hold.
    let both = update(&mut stage, id, with_email("ama@example.com"), Some(&shown)).unwrap();
    assert_eq!(both.fullname, "Ama");
    assert_eq!(both.email.as_deref(), Some("ama@example.com"));
    // Whoever has seen it changes it.
    assert_eq!(update(&mut stage, id, named("Efua"), Some(&both)).unwrap().fullname, "Efua");
    // A program that says nothing of what it was shown is not held up.
    assert_eq!(update(&mut stage, id, named("Yaa"), None).unwrap().fullname, "Yaa");
}

#[test]
fn a_party_of_another_merchant_is_none() {
    let mut stage = Stage::new();
    let id = stage.party(PHONE);
    let other: MerchantId = stage.new_merchant("231880000099");
    let decision =
        UpdateParty { merchant_id: other, party_id: id, changes: named("Ama"), shown: None };
    assert_eq!(stage.decide(&decision), Err(vec![Refusal::NotFound]));
}

#[test]
fn a_party_that_is_known_by_its_phone_is_not_made_twice() {
    let mut stage = Stage::new();
    let merchant_id = stage.merchant;
    let mut make = |name: &str, unless_known| {
        let (fullname, phone) = (name.to_owned(), PHONE.to_owned());
        let party = NewParty { fullname, phone, email: None, country_code: None };
        stage.decide(&CreateParty { merchant_id, party, unless_known }).unwrap()
    };
    let ama = make("Ama", true);
    assert_eq!(make("Ama", true), ama);
    assert_eq!(make("Efua", true), ama);
    assert_ne!(make("Ama", false).id, ama.id);
}

/// Even while the clock stands still.
#[test]
fn an_account_is_made_once_for_a_party_that_was_shown() {
    let mut stage = Stage::new();
    let (merchant_id, party_id) = (stage.merchant, stage.party(PHONE));
    let party = |stage: &mut Stage| update(stage, party_id, PartyChanges::default(), None).unwrap();
    let shown = party(&mut stage).updated_at;
    let make = |stage: &mut Stage, shown| {
        let account = NewAccount {
            party_id,
            account_name: "Ama".to_owned(),
            provider: Provider::PawaPay,
            method: Method::MTN_MOMO_LBR,
            operation: Operation::Payout,
            country_code: None,
            account_number: None,
        };
        stage.decide(&CreateAccount { merchant_id, account, shown }).map(|account| account.id)
    };
    make(&mut stage, Some(shown)).unwrap();
    let changed = Refusal::ChangedMeanwhile { subject: Subject::Party, what: "customer" };
    assert_eq!(make(&mut stage, Some(shown)), Err(vec![changed]));
    let now = party(&mut stage).updated_at;
    assert!(now > shown);
    make(&mut stage, Some(now)).unwrap();
    // A program that says nothing of what it was shown makes as many as it asks for.
    make(&mut stage, None).unwrap();
    make(&mut stage, None).unwrap();
}
