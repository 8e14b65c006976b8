//! Batches are chained by one process at a time, each once, after the end that its caller has read.

use domain::decision::row::Lookup;
use domain::kernel::digest::Digest;
use domain::kernel::ids::BatchId;
use domain::kernel::time::ServerTime;
use domain::ledger::batch_chain::{Batch, BatchChain, ChainBatches, LEASE_US, NewLink, OlderRows};
use domain::payments::attempt::MAX_CLOCK_SKEW_US;

use crate::stage::Stage;

const END: BatchChain = BatchChain {
    id: BatchChain::ID,
    position: 4,
    link: Digest([4; 32]),
    link_key_id: None,
    older_next_id: 10,
    older_end_id: 50,
    holder: 1,
    leased_until: ServerTime(0),
};

fn batch(id: i64) -> Batch {
    Batch {
        id: BatchId(id),
        end_id: id + 10,
        previous_id: None,
        created_at: ServerTime(0),
        digest: Digest([1; 32]),
        marks: None,
        position: None,
        link: None,
        link_key_id: None,
    }
}

fn stage(end: BatchChain) -> Stage {
    let mut stage = Stage::new();
    stage.work.tables.batch_chain.load(Lookup::Id(BatchChain::ID), Some(end));
    for id in [100, 200] {
        stage.work.tables.batches.load(Lookup::Id(BatchId(id)), Some(batch(id)));
    }
    stage
}

fn link(id: i64) -> NewLink {
    let link = Digest([u8::try_from(id).unwrap(); 32]);
    NewLink { batch_id: BatchId(id), link, key_id: Some("k".to_owned()) }
}

fn request(links: Vec<NewLink>) -> ChainBatches {
    ChainBatches { holder: 2, after: (4, Digest([4; 32])), older: None, links }
}

fn end(stage: &Stage) -> BatchChain {
    (*stage.work.get::<BatchChain>(BatchChain::ID).unwrap().unwrap()).clone()
}

fn position(stage: &Stage, id: i64) -> Option<i64> {
    stage.work.get::<Batch>(BatchId(id)).unwrap().unwrap().position
}

#[test]
fn batches_get_the_next_positions_and_the_last_link_is_the_end() {
    let mut stage = stage(END);
    assert_eq!(stage.decide(&request(vec![link(200), link(100)])), Ok(true));
    assert_eq!((position(&stage, 200), position(&stage, 100)), (Some(5), Some(6)));
    let after = end(&stage);
    assert_eq!((after.position, after.link), (6, Digest([100; 32])));
    assert_eq!(after.link_key_id.as_deref(), Some("k"));
    assert_eq!((after.holder, after.leased_until), (2, stage.now.plus(LEASE_US)));
    // The same once more: the end is another by now.
    assert_eq!(stage.decide(&request(vec![link(200), link(100)])), Ok(false));
    assert_eq!(end(&stage), after);
}

#[test]
fn whoever_has_not_the_lease_is_refused_until_it_ends() {
    let now = Stage::new().now;
    for (until, holder, is_accepted) in [
        (now.plus(1), 1, false),
        (now.plus(1), 2, true),
        (now, 1, true),
        // By a clock that has been set back since.
        (now.plus(LEASE_US + MAX_CLOCK_SKEW_US + 1), 1, true),
        (now.plus(LEASE_US + MAX_CLOCK_SKEW_US), 1, false),
    ] {
        let mut stage = stage(BatchChain { holder, leased_until: until, ..END });
        assert_eq!(stage.decide(&request(vec![link(100)])), Ok(is_accepted), "{until} {holder}");
        assert_eq!(position(&stage, 100), is_accepted.then_some(5));
    }
}

#[test]
fn older_rows_come_in_once_and_in_order() {
    let mut stage = stage(END);
    let piece = |id, next_id| {
        let older = Some(OlderRows { batch: Some(batch(id)), next_id });
        ChainBatches { older, ..request(vec![]) }
    };
    for id in [10, 20] {
        stage.work.tables.batches.load(Lookup::Id(BatchId(id)), None);
    }
    assert_eq!(stage.decide(&piece(10, 20)), Ok(true));
    assert_eq!((end(&stage).older_next_id, position(&stage, 10)), (20, None));
    assert_eq!(stage.decide(&piece(10, 20)), Ok(false));
    let rest = ChainBatches {
        older: Some(OlderRows { batch: None, next_id: 50 }),
        ..request(vec![link(10)])
    };
    assert_eq!(stage.decide(&rest), Ok(true));
    assert_eq!((end(&stage).older_next_id, position(&stage, 10)), (50, Some(5)));
}
