//! Checkouts: a source with its payer and its page, in one call.

use crate::stage::{Stage, currency, reference, usd};
use domain::decision::workspace::IDS_PER_COMMAND;
use domain::directory::create_party::{CreateParty, NewParty};
use domain::directory::party::Relationship;
use domain::directory::update_merchant::MerchantChanges;
use domain::directory::update_merchant::UpdateMerchant;
use domain::kernel::ids::PartyId;
use domain::kernel::names::FeeBearer;
use domain::kernel::refusal::{Refusal, Subject};
use domain::kernel::time::minutes;
use domain::payments::create_session::CreateSession;
use domain::payments::create_session::NewSession;
use domain::sales::cancel_source::CancelSource;
use domain::sales::checkout::{PageMode, PageToken};
use domain::sales::create_checkout::CreateCheckout;
use domain::sales::create_checkout::{MAX_CHECKOUT_ITEMS, NewCheckout};
use domain::sales::edit_items::{AddItem, NewItem};
use domain::sales::find_source::SourceRef;
use domain::sales::open_checkout_page::OpenCheckoutPage;
use domain::sales::publish_source::PublishSource;
use domain::sales::source::{SourceStatus, SourceType};

fn checkout(phone: &str, items: usize) -> NewCheckout {
    let item = NewItem { name: "Rice".into(), currency: currency("USD"), qty: 2, amount: usd(100) };
    NewCheckout {
        party: NewParty {
            fullname: "Ama".into(),
            phone: phone.into(),
            email: None,
            country_code: None,
        },
        relationship: Relationship::Customer,
        counterparty_id: None,
        party_id: None,
        kind: SourceType::Order,
        currency: currency("USD"),
        note: String::new(),
        reference_id: None,
        due_date: None,
        items: vec![item; items],
        mode: PageMode::Hosted,
        success_url: None,
        cancel_url: None,
        expires_at: None,
        token: PageToken("t".into()),
        idempotency_key: None,
        as_draft: false,
    }
}

#[test]
fn the_largest_checkout_takes_no_more_ids_than_a_command_may() {
    let mut stage = Stage::new();
    let before = stage.work.ids.next;
    let answer = stage.decide(&CreateCheckout {
        merchant_id: stage.merchant,
        checkout: checkout("231880000009", MAX_CHECKOUT_ITEMS),
    });
    let Ok(made) = answer else { panic!("{answer:?}") };
    assert!(stage.work.ids.next - before < IDS_PER_COMMAND);
    assert_eq!((made.source.status, made.source.total_minor), (SourceStatus::Active, 10_000));
    assert_eq!(made.counterparty.party_id, Some(made.party.id));
}

#[test]
fn a_refused_checkout_leaves_no_party_and_no_number() {
    let mut stage = Stage::new();
    let expired = NewCheckout { expires_at: Some(stage.time()), ..checkout("231880000009", 1) };
    assert!(
        stage.decide(&CreateCheckout { merchant_id: stage.merchant, checkout: expired }).is_err()
    );
    let Ok(first) = stage.decide(&CreateCheckout {
        merchant_id: stage.merchant,
        checkout: checkout("231880000009", 1),
    }) else {
        panic!("refused")
    };
    assert!(first.source.number.ends_with("-00001"), "{}", first.source.number);
    let which =
        SourceRef { merchant_id: stage.merchant, kind: SourceType::Order, id: first.source.id };
    let Ok(page) =
        stage.decide(&OpenCheckoutPage { source: which, token: PageToken("another".into()) })
    else {
        panic!("refused")
    };
    assert_eq!(page, first.config, "a source has one page");
}

/// A form that is sent twice creates one invoice, whatever else it says the second time.
#[test]
fn a_checkout_is_created_once_for_its_key() {
    let mut stage = Stage::new();
    let keyed = |key, items| NewCheckout {
        idempotency_key: Some(reference(key)),
        ..checkout("231880000009", items)
    };
    let (merchant_id, now) = (stage.merchant, stage.time());
    let mut create = |checkout| stage.decide(&CreateCheckout { merchant_id, checkout }).unwrap();
    let first = create(keyed(1, 1));
    let late = NewCheckout { expires_at: Some(now), ..keyed(1, 3) };
    let again = create(late);
    assert_eq!((again.source.id, again.source.total_minor), (first.source.id, 200));
    assert_eq!((again.config, again.party), (first.config, first.party));
    let second = create(keyed(2, 1));
    assert_ne!(second.source.id, first.source.id);
    assert!(second.source.number.ends_with("-00002"), "{}", second.source.number);
}

#[test]
fn a_draft_is_a_checkout_that_is_published_later() {
    let mut stage = Stage::new();
    let merchant_id = stage.merchant;
    let draft = NewCheckout { as_draft: true, ..checkout("231880000009", 0) };
    let made = stage.decide(&CreateCheckout { merchant_id, checkout: draft }).unwrap();
    assert_eq!((made.source.status, made.source.total_minor), (SourceStatus::Idle, 0));
    let source = SourceRef { merchant_id, kind: SourceType::Order, id: made.source.id };
    let refused = stage.decide(&PublishSource { source, shown: None }).unwrap_err();
    assert_eq!(refused, [Refusal::NoItems { what: "order" }]);
    let item = NewItem { name: "Rice".into(), currency: currency("USD"), qty: 2, amount: usd(100) };
    stage.decide(&AddItem { source, item, shown: None }).unwrap();
    let published = stage.decide(&PublishSource { source, shown: None }).unwrap();
    assert_eq!((published.status, published.total_minor), (SourceStatus::Active, 200));
}

/// Of two parties with one phone number, the one that is named pays.
#[test]
fn a_checkout_is_for_the_party_that_it_names() {
    let mut stage = Stage::new();
    let merchant_id = stage.merchant;
    let of_phone = checkout("231880000009", 1);
    let mut party = || {
        let party = of_phone.party.clone();
        stage.decide(&CreateParty { merchant_id, party, unless_known: false }).unwrap().id
    };
    let (first, second) = (party(), party());
    let mut pays = |party_id| {
        let checkout = NewCheckout { party_id, ..of_phone.clone() };
        stage.decide(&CreateCheckout { merchant_id, checkout }).map(|made| made.party.id)
    };
    assert_eq!(pays(None), Ok(first));
    assert_eq!(pays(Some(second)), Ok(second));
    let unknown = Refusal::UnknownId { subject: Subject::Party, what: "a party" };
    assert_eq!(pays(Some(PartyId(999_999))), Err(vec![unknown]));
}

/// Sessions for the checkout end with its page. A later page, made by a link, has no end, and nor
/// have they.
#[test]
fn the_end_of_a_checkout_binds_its_sessions() {
    let mut stage = Stage::new();
    let (begun, end) = (stage.time(), stage.time().plus(minutes(40)));
    let bound = NewCheckout { expires_at: Some(end), ..checkout("231880000009", 1) };
    let Ok(made) = stage.decide(&CreateCheckout { merchant_id: stage.merchant, checkout: bound })
    else {
        panic!("refused")
    };
    let which =
        SourceRef { merchant_id: stage.merchant, kind: SourceType::Order, id: made.source.id };
    let declare = CreateSession {
        merchant_id: stage.merchant,
        session: NewSession::Checkout { kind: SourceType::Order, source_id: made.source.id },
    };
    let until = |stage: &mut Stage| stage.decide(&declare).map(|session| session.expires_at);
    let open = |stage: &mut Stage, token: &str| match stage
        .decide(&OpenCheckoutPage { source: which, token: PageToken(token.into()) })
    {
        Ok(page) => page,
        other => panic!("{other:?}"),
    };
    assert_eq!(until(&mut stage), Ok(begun.plus(minutes(30))));
    stage.set_time(begun.plus(minutes(20)));
    assert_eq!(until(&mut stage), Ok(end));
    assert_eq!(open(&mut stage, "early"), made.config, "a checkout that can be paid has its page");
    stage.set_time(end);
    assert_eq!(until(&mut stage), Err(vec![Refusal::CheckoutExpired { at: end }]));
    let page = open(&mut stage, "link");
    assert_eq!(
        (&*page.current_token().0, &*page.token.0, page.is_expired(end)),
        ("link", "t", false)
    );
    assert_eq!(open(&mut stage, "later"), page, "the link's page has no end");
    assert_eq!(until(&mut stage), Ok(end.plus(minutes(30))));
    assert_eq!(
        page.clone().as_seen_with_token(&PageToken("t".into())).expires_at,
        Some(end),
        "the checkout's own page still says that it expired"
    );
    assert_eq!(page.as_seen_with_token(&PageToken("link".into())).expires_at, None);
}

#[test]
fn what_cannot_be_paid_any_more_gets_no_new_page() {
    let mut stage = Stage::new();
    let bound =
        NewCheckout { expires_at: Some(stage.time().plus(1)), ..checkout("231880000009", 1) };
    let Ok(made) = stage.decide(&CreateCheckout { merchant_id: stage.merchant, checkout: bound })
    else {
        panic!("refused")
    };
    let which =
        SourceRef { merchant_id: stage.merchant, kind: SourceType::Order, id: made.source.id };
    stage.decide(&CancelSource { source: which, shown: None }).unwrap();
    stage.now = stage.now.plus(minutes(1));
    let Ok(page) =
        stage.decide(&OpenCheckoutPage { source: which, token: PageToken("another".into()) })
    else {
        panic!("refused")
    };
    assert_eq!(page, made.config);
}

#[test]
fn who_bears_the_fees_of_a_checkout_is_the_merchants_setting() {
    let mut stage = Stage::new();
    for bearer in [FeeBearer::Payer, FeeBearer::Payee, FeeBearer::Payer] {
        let changes = MerchantChanges { fee_bearer: Some(bearer), ..MerchantChanges::default() };
        stage.decide(&UpdateMerchant { merchant_id: stage.merchant, changes }).unwrap();
        let answer = stage.decide(&CreateCheckout {
            merchant_id: stage.merchant,
            checkout: checkout("231880000009", 1),
        });
        let Ok(made) = answer else { panic!("{answer:?}") };
        assert_eq!(made.source.fee_bearer, bearer);
    }
}
