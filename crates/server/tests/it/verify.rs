//! `kola ledger verify` beside a server that works: it sees one point in time, at which every rule
//! holds.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crate::crash::Load;
use crate::support::{Server, spawn_with, wait_for};

/// How many entries and executions a look has seen.
#[track_caller]
fn look(server: &Server) -> (i64, i64) {
    let said = server.kola(&["ledger", "verify"]).ok();
    let number = |word: &str| {
        let before = said.split(word).next().and_then(|before| before.trim().rsplit(' ').next());
        before
            .and_then(|number| number.parse().ok())
            .unwrap_or_else(|| panic!("no number of {word} in {said}"))
    };
    (number(" entries"), number(" executions"))
}

#[test]
fn a_ledger_that_is_being_written_is_seen_at_one_point_in_time() {
    let (mut server, shop) = spawn_with(&[("KOLA_SANDBOX_DELAY_MS", "20")]);
    server.fund(&shop, "USD", "100000.00");
    let load = Load::new(&shop);
    let (load, shop) = (&load, &shop);
    let looks = std::thread::scope(|scope| {
        for kind in ["payout", "collection", "payout", "collection"] {
            scope.spawn(move || load.run(shop, kind));
        }
        let looks = catch_unwind(AssertUnwindSafe(|| {
            let mut looks = vec![look(&server)];
            for _ in 0..8 {
                // The next look is at a state in which more is done, while more is under way.
                let (_, seen) = looks[looks.len() - 1];
                wait_for("another execution", || {
                    let there = server.database.value("SELECT count(*) FROM executions");
                    (there.parse::<i64>().expect("a count") > seen).then_some(())
                });
                looks.push(look(&server));
            }
            looks
        }));
        // The load ends with the server: also when a look failed, which else would never be told.
        server.kill();
        looks.unwrap_or_else(|failure| resume_unwind(failure))
    });
    for pair in looks.windows(2) {
        // A collection that has just begun has no entries yet.
        assert!(pair[1].0 >= pair[0].0 && pair[1].1 > pair[0].1, "{looks:?}");
    }
    assert!(looks[8].0 > looks[0].0, "{looks:?}");
    server.restart(&[]);
    server.verify_ledger();
}
