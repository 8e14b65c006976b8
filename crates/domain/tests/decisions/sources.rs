//! Invoices and orders: the limit of their items.

use crate::stage::{Stage, currency, usd};
use domain::kernel::ids::ItemId;
use domain::kernel::names::FeeBearer;
use domain::kernel::patch::Patch;
use domain::kernel::refusal::{Refusal, Subject};
use domain::kernel::time::ServerTime;
use domain::sales::cancel_source::CancelSource;
use domain::sales::create_source::CreateSource;
use domain::sales::create_source::NewSource;
use domain::sales::edit_items::AddItem;
use domain::sales::edit_items::NewItem;
use domain::sales::edit_items::RemoveItem;
use domain::sales::edit_items::ShownItems;
use domain::sales::find_source::SourceRef;
use domain::sales::publish_source::PublishSource;
use domain::sales::source::{MAX_SOURCE_ITEMS, SourceType};
use domain::sales::update_source::{SourceChanges, UpdateSource};

fn draft(stage: &mut Stage) -> SourceRef {
    let party = stage.party("231880000001");
    let new = NewSource {
        kind: SourceType::Order,
        counterparty_id: stage.counterparty(party),
        currency: currency("USD"),
        note: String::new(),
        fee_bearer: FeeBearer::Payer,
        as_payment_link: false,
        reference_id: None,
        idempotency_key: None,
        due_date: None,
    };
    let Ok(source) = stage.decide(&CreateSource { merchant_id: stage.merchant, source: new })
    else {
        panic!("no source")
    };
    SourceRef { merchant_id: stage.merchant, kind: SourceType::Order, id: source.id }
}

fn add(stage: &mut Stage, which: SourceRef) -> Result<ItemId, Vec<Refusal>> {
    let item = NewItem { name: "i".into(), currency: currency("USD"), qty: 1, amount: usd(1) };
    stage.decide(&AddItem { source: which, item, shown: None }).map(|item| item.id)
}

#[test]
fn a_source_has_so_many_items_and_no_more() {
    let mut stage = Stage::new();
    let which = draft(&mut stage);
    let items: Vec<ItemId> =
        (0..MAX_SOURCE_ITEMS).map(|_| add(&mut stage, which).unwrap()).collect();
    let full = vec![Refusal::TooManyItems { what: "order", most: MAX_SOURCE_ITEMS }];
    assert_eq!(add(&mut stage, which), Err(full.clone()));
    stage.decide(&RemoveItem { source: which, item_id: items[0] }).unwrap();
    assert_eq!(
        stage.decide(&RemoveItem { source: which, item_id: items[0] }),
        Err(vec![Refusal::NotFound])
    );
    add(&mut stage, which).unwrap();
    assert_eq!(add(&mut stage, which), Err(full));
    let Ok(published) = stage.decide(&PublishSource { source: which, shown: None }) else {
        panic!("not published")
    };
    assert_eq!((published.item_count, published.total_minor), (MAX_SOURCE_ITEMS, MAX_SOURCE_ITEMS));
}

#[test]
fn an_item_is_added_to_what_was_shown() {
    let mut stage = Stage::new();
    let which = draft(&mut stage);
    let shown = |stage: &Stage| ShownItems::from(&which.existing(&stage.work).unwrap());
    let add = |stage: &mut Stage, shown| {
        stage.now = ServerTime(stage.now.0 + 1);
        let item = NewItem { name: "i".into(), currency: currency("USD"), qty: 1, amount: usd(1) };
        stage.decide(&AddItem { source: which, item, shown: Some(shown) }).map(|item| item.id)
    };
    let changed = Err(vec![Refusal::ChangedMeanwhile { subject: Subject::Source, what: "order" }]);
    let empty = shown(&stage);
    let first = add(&mut stage, empty).unwrap();
    // The same form again.
    assert_eq!(add(&mut stage, empty), changed);
    let one = shown(&stage);
    assert_eq!((one.item_count, one.total_minor), (1, 1));
    // What was taken out and put in again is another list, with the same sum.
    stage.now = ServerTime(stage.now.0 + 1);
    stage.decide(&RemoveItem { source: which, item_id: first }).unwrap();
    let again = shown(&stage);
    add(&mut stage, again).unwrap();
    assert_eq!((shown(&stage).item_count, shown(&stage).total_minor), (1, 1));
    assert_eq!(add(&mut stage, one), changed);
    // Within one moment it is told by what it has.
    let now = shown(&stage);
    for other in [ShownItems { item_count: 0, ..now }, ShownItems { total_minor: 2, ..now }] {
        assert_eq!(add(&mut stage, other), changed);
    }
    add(&mut stage, now).unwrap();
    stage.decide(&PublishSource { source: which, shown: None }).unwrap();
    let Err(refused) = add(&mut stage, now) else { panic!("it is published") };
    assert!(matches!(refused[..], [Refusal::InvalidState { .. }]), "{refused:?}");
    assert_eq!(shown(&stage).item_count, 2);
}

/// Of two people at one draft, neither publishes, cancels or changes what the other has made of it
/// meanwhile.
#[test]
fn just_what_was_shown_is_published_canceled_and_changed() {
    let mut stage = Stage::new();
    let which = draft(&mut stage);
    let shown = |stage: &Stage| Some(ShownItems::from(&which.existing(&stage.work).unwrap()));
    add(&mut stage, which).unwrap();
    let old = shown(&stage);
    stage.now = ServerTime(stage.now.0 + 1);
    add(&mut stage, which).unwrap();
    let changed = vec![Refusal::ChangedMeanwhile { subject: Subject::Source, what: "order" }];
    let note = |text: &str, shown| UpdateSource {
        source: which,
        changes: SourceChanges { note: Patch::Set(text.to_owned()), ..SourceChanges::default() },
        shown,
    };
    assert_eq!(stage.decide(&PublishSource { source: which, shown: old }), Err(changed.clone()));
    assert_eq!(stage.decide(&CancelSource { source: which, shown: old }), Err(changed.clone()));
    assert_eq!(stage.decide(&note("mine", old)), Err(changed.clone()));
    let now = shown(&stage);
    stage.now = ServerTime(stage.now.0 + 1);
    assert_eq!(stage.decide(&note("mine", now)).unwrap().note, "mine");
    // Without a change of its items it is another one, too.
    assert_eq!(stage.decide(&note("theirs", now)), Err(changed));
    let now = shown(&stage);
    stage.decide(&PublishSource { source: which, shown: now }).unwrap();
    // What cannot be done at all is refused for that.
    let refused = stage.decide(&PublishSource { source: which, shown: now }).unwrap_err();
    assert!(matches!(refused[..], [Refusal::InvalidState { .. }]), "{refused:?}");
    let published = shown(&stage);
    stage.decide(&CancelSource { source: which, shown: published }).unwrap();
}
