//! Positions of events, when another process has recorded events of the same merchant meanwhile.

use crate::stage::Stage;
use domain::decision::event::EventPosition;

#[test]
fn events_follow_those_of_another_process_without_a_second_decision() {
    let mut stage = Stage::new();
    stage.fund(1_000);
    let merchant = stage.merchant;
    let begun = stage.work.events.iter().map(|event| event.position).collect::<Vec<_>>();
    let last = |stage: &Stage| stage.work.require::<EventPosition>(merchant).unwrap().last;
    // As if another process had recorded seven events since the batch was begun.
    let mut loaded = Stage::new();
    let before = EventPosition { merchant_id: loaded.merchant, last: 100, endpoints: 0 };
    let key = domain::decision::row::Lookup::Id(loaded.merchant);
    loaded.work.tables.event_positions = Default::default();
    loaded.work.tables.event_positions.load(key, Some(before.clone()));
    loaded.work.events.clear();
    loaded.fund(1_000);
    let meanwhile = EventPosition { last: 107, ..before };
    assert!(loaded.work.tables.event_positions.confirm(meanwhile));
    loaded.work.move_positions();
    let moved = loaded.work.events.iter().map(|event| event.position).collect::<Vec<_>>();
    assert_eq!(moved.len(), begun.len());
    assert_eq!(moved.first(), Some(&108));
    assert_eq!(moved.last().copied(), Some(last(&loaded)));
    // Without another process nothing moves.
    let unchanged = stage.work.events.clone();
    stage.work.move_positions();
    assert_eq!(stage.work.events, unchanged);
    assert_eq!(begun.last().copied(), Some(last(&stage)));
}
