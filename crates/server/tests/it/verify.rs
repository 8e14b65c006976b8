//! `kola ledger verify` while a server makes payments: it sees one point in time, at which every
//! rule holds.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crate::crash::Load;
use crate::support::{Server, spawn_with, wait_for};

/// The numbers of entries and executions that a verification has seen.
#[track_caller]
fn look(server: &Server) -> (i64, i64) {
    let printed = server.kola(&["ledger", "verify"]).ok();
    let said = printed.lines().last().expect("a line");
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
                // Wait for more executions before the next verification, so that it sees another
                // state.
                let (_, seen) = looks[looks.len() - 1];
                wait_for("another execution", || {
                    let there = server.database.value("SELECT count(*) FROM executions");
                    (there.parse::<i64>().expect("a count") > seen).then_some(())
                });
                looks.push(look(&server));
            }
            looks
        }));
        // The load ends with the server. It is killed even if a verification failed, so that the
        // failure is reported.
        server.kill();
        looks.unwrap_or_else(|failure| resume_unwind(failure))
    });
    for pair in looks.windows(2) {
        // Entries may be as many as before: a collection that has just begun has none yet.
        assert!(pair[1].0 >= pair[0].0 && pair[1].1 > pair[0].1, "{looks:?}");
    }
    assert!(looks[8].0 > looks[0].0, "{looks:?}");
    server.restart(&[]);
    server.verify_ledger();
}
