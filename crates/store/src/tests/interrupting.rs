//! A long statement is ended from another thread, so that a server that stops waits for none.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::testing::Stage;
use crate::workspace::sql::Dialect;

#[test]
fn a_statement_that_runs_is_interrupted() {
    for mut stage in Stage::both() {
        // On PostgreSQL the time-out of a statement would end it otherwise.
        let endless = match stage.sql.dialect() {
            Dialect::Sqlite => {
                "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"
            }
            Dialect::Postgres => {
                stage.sql.script("SET statement_timeout = 0").unwrap();
                "SELECT CAST(NULL AS TEXT) FROM pg_sleep(3600)"
            }
        };
        let interrupt = stage.sql.interrupter();
        let ended = AtomicBool::new(false);
        std::thread::scope(|scope| {
            // It may not have begun yet.
            scope.spawn(|| {
                while !ended.load(Ordering::Relaxed) {
                    interrupt();
                    std::thread::sleep(Duration::from_millis(5));
                }
            });
            stage.sql.rows(endless, &vec![]).unwrap_err();
            ended.store(true, Ordering::Relaxed);
        });
    }
}

#[test]
fn who_does_not_want_to_go_on_gets_no_report() {
    use crate::StoreError;
    use crate::schema::verify::chain::ChainCheck;
    use crate::schema::verify::{rules, verify_slowly};
    for mut stage in Stage::both() {
        let mut rested = 0;
        let report = verify_slowly(stage.sql.as_mut(), &ChainCheck::default(), |_| {
            rested += 1;
            true
        });
        assert_eq!(report.unwrap().violations, []);
        assert!(rested > 40 && rested <= rules().count(), "{rested}");
        let stopped = verify_slowly(stage.sql.as_mut(), &ChainCheck::default(), |_| false);
        assert!(matches!(stopped, Err(StoreError::Interrupted)), "{stopped:?}");
    }
}
