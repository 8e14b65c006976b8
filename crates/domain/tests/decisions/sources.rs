//! Invoices and orders: the limit of their items.

use crate::stage::{Stage, currency, usd};
use domain::decision::command::{Command, Output};
use domain::kernel::ids::ItemId;
use domain::kernel::names::FeeBearer;
use domain::kernel::refusal::Refusal;
use domain::sales::create_source::NewSource;
use domain::sales::edit_items::NewItem;
use domain::sales::find_source::SourceRef;
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
        due_date: None,
    };
    let Ok(Output::Source(source)) = stage.decide(&Command::CreateSource(stage.merchant, new))
    else {
        panic!("no source")
    };
    SourceRef { merchant_id: stage.merchant, kind: SourceType::Order, id: source.id }
}

fn add(stage: &mut Stage, which: SourceRef) -> Result<ItemId, Vec<Refusal>> {
    let item = NewItem { name: "i".into(), currency: currency("USD"), qty: 1, amount: usd(1) };
    stage.decide(&Command::AddItem(which, item)).map(|answer| match answer {
        Output::Item(item) => item.id,
        other => panic!("{other:?}"),
    })
}

#[test]
fn a_source_has_so_many_items_and_no_more() {
    let mut stage = Stage::new();
    let which = draft(&mut stage);
    let items: Vec<ItemId> =
        (0..MAX_SOURCE_ITEMS).map(|_| add(&mut stage, which).unwrap()).collect();
    let full = vec![Refusal::TooManyItems { what: "order", most: MAX_SOURCE_ITEMS }];
    assert_eq!(add(&mut stage, which), Err(full.clone()));
    stage.decide(&Command::RemoveItem(which, items[0])).unwrap();
    assert_eq!(stage.decide(&Command::RemoveItem(which, items[0])), Err(vec![Refusal::NotFound]));
    add(&mut stage, which).unwrap();
    assert_eq!(add(&mut stage, which), Err(full));
    let Ok(Output::Source(published)) = stage.decide(&Command::PublishSource(which)) else {
        panic!("not published")
    };
    assert_eq!((published.item_count, published.total_minor), (MAX_SOURCE_ITEMS, MAX_SOURCE_ITEMS));
}
