//! Invoices and orders: the limit of their items.

use crate::stage::{Stage, currency, usd};
use domain::kernel::ids::ItemId;
use domain::kernel::names::FeeBearer;
use domain::kernel::refusal::Refusal;
use domain::sales::create_source::CreateSource;
use domain::sales::create_source::NewSource;
use domain::sales::edit_items::AddItem;
use domain::sales::edit_items::NewItem;
use domain::sales::edit_items::RemoveItem;
use domain::sales::find_source::SourceRef;
use domain::sales::publish_source::PublishSource;
use domain::sales::source::{MAX_SOURCE_ITEMS, SourceType};

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
    stage.decide(&AddItem { source: which, item }).map(|item| item.id)
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
    let Ok(published) = stage.decide(&PublishSource { source: which }) else {
        panic!("not published")
    };
    assert_eq!((published.item_count, published.total_minor), (MAX_SOURCE_ITEMS, MAX_SOURCE_ITEMS));
}
