//! Rows from before the chain of batches come into it in pieces.

use domain::ledger::batch_chain::BatchChain;

use crate::schema::verify::chain::{self, ChainCheck};
use crate::testing::{Stage, fill};
use crate::workspace::record::Record;
use crate::workspace::sql::{Dialect, OwnedRow};
use crate::workspace::sql_value::SqlValue;

fn end(stage: &Stage) -> BatchChain {
    stage.ask(async |q| q.for_system().batch_chain().await.unwrap())
}

/// How many rows are not in the chain, and what is wrong.
fn check(stage: &mut Stage) -> (i64, Vec<(&'static str, String)>) {
    let (report, found) = chain::check(stage.sql.as_mut(), &ChainCheck::default()).unwrap();
    (report.older_rows, found)
}

#[test]
fn rows_from_before_the_chain_come_into_it_in_pieces() {
    for mut stage in Stage::both() {
        fill(&mut stage);
        stage.fill("DELETE FROM batches; UPDATE batch_chain SET older_end_id = 2000000");
        assert_eq!(check(&mut stage), (48_000, vec![]));
        let columns: Vec<_> =
            crate::schema::copy::tables::columns(stage.sql.as_mut(), "batches").unwrap();
        let mut pieces = 0;
        loop {
            let chain = end(&stage);
            let older =
                async |q: &crate::reads::Queries| q.for_system().older_rows(&chain, 700).await;
            let Some(older) = stage.ask(older).unwrap() else { break };
            if let Some(batch) = &older.batch {
                let mut values: Vec<SqlValue<'_>> = vec![];
                batch.write(&mut values);
                let named = domain::ledger::batch_chain::Batch::statements().all.iter();
                let named: Vec<_> = named.map(|(name, _)| *name).zip(values).collect();
                // The columns of the database are in the order of their names.
                let ordered = columns.iter().map(|(name, _)| {
                    named.iter().find(|(other, _)| other == name).unwrap().1.clone().into_owned()
                });
                let row = OwnedRow::new(ordered.collect());
                stage.sql.append("batches", &columns, &[row]).unwrap();
                assert_eq!(batch.previous_id.is_some(), pieces > 0);
                pieces += 1;
            }
            stage
                .sql
                .script(&format!("UPDATE batch_chain SET older_next_id = {}", older.next_id))
                .unwrap();
        }
        // 12,000 entries, events and rows of the audit, of the same ids, 700 of each at a time; and as many
        // more of the audit.
        assert_eq!((pieces, check(&mut stage)), (35, (0, vec![])));
        assert_eq!(end(&stage).older_next_id, 2_000_000);
        if stage.sql.dialect() == Dialect::Sqlite {
            stage.sql.script("DROP TRIGGER events_are_not_changed").unwrap();
        }
        stage.fill("UPDATE events SET note = 'x' WHERE id = 800");
        let (_, found) = check(&mut stage);
        let [(rule, place)] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!(*rule, chain::ROWS);
        assert!(
            place.contains("of the rows with the ids 710 to 1409, one or more were changed"),
            "{place}"
        );
    }
}
