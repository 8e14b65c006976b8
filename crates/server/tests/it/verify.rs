//! `kola ledger verify` beside a server that works: it sees one point in time, at which every rule holds.

use crate::crash::Load;
use crate::support::{Server, open_with};

/// How many entries and executions a look has seen.
#[track_caller]
fn look(server: &Server) -> (i64, i64) {
    let said = server.kola(&["ledger", "verify"]).ok();
    let number = |word: &str| {
        let before = said.split(word).next().and_then(|before| before.trim().rsplit(' ').next());
        before.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("no number of {word} in {said}"))
    };
    (number(" entries"), number(" executions"))
}

#[test]
fn a_ledger_that_is_being_written_is_seen_at_one_point_in_time() {
    let (mut server, shop) = open_with(&[("KOLA_SANDBOX_DELAY_MS", "20")]);
    server.fund(&shop, "USD", "100000.00");
    let load = Load::new(&shop);
    let (load, shop) = (&load, &shop);
    std::thread::scope(|scope| {
        for kind in ["payout", "collection", "payout", "collection"] {
            scope.spawn(move || load.run(shop, kind));
        }
        let looks: Vec<(i64, i64)> = (0..10).map(|_| look(&server)).collect();
        // The load ends with the server.
        server.kill();
        // Each look was at another time: something was written between them, and while they were under way.
        let moved = looks.windows(2).filter(|pair| pair[0].0 < pair[1].0 && pair[0].1 < pair[1].1).count();
        assert!(moved >= 7, "the server stood still: {looks:?}");
    });
    server.restart(&[]);
    server.verify_ledger();
}
