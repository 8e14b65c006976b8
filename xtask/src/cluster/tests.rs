use super::*;

/// Whether PostgreSQL is installed. If not, this says so on standard error, past the test runner's
/// capture.
fn there_is_one() -> bool {
    let found = Programs::find();
    if let Err(missing) = &found {
        use std::io::Write as _;
        writeln!(std::io::stderr(), "SKIPPED the private cluster: {missing:#}").unwrap();
    }
    found.is_ok()
}

fn assert_soon(what: &str, mut holds: impl FnMut() -> bool) {
    let held = wait_until(TIMEOUT, Duration::from_millis(20), || Ok(holds())).unwrap();
    assert!(held, "never came true: {what}");
}

#[test]
fn a_cluster_starts_and_restarts_and_leaves_nothing() {
    if !there_is_one() {
        return;
    }
    let cluster = Cluster::start(&Options::fast()).unwrap();
    let folder = cluster.folder.clone();
    assert_eq!(cluster.sql("postgres", "SELECT 1").unwrap(), "1");
    assert_eq!(cluster.sql("postgres", "SHOW max_connections").unwrap(), "500");
    cluster.sql("postgres", "CREATE TABLE kept AS SELECT 7 AS n").unwrap();
    let port = cluster.port();
    cluster.restart().unwrap();
    cluster.kill_hard().unwrap();
    assert!(cluster.sql("postgres", "SELECT 1").is_err());
    cluster.restart().unwrap();
    assert_eq!(
        (cluster.sql("postgres", "SELECT n FROM kept").unwrap().as_str(), cluster.port()),
        ("7", port)
    );
    drop(cluster);
    assert!(!folder.exists());
}

#[test]
fn a_standby_has_what_the_primary_had_and_takes_over() {
    if !there_is_one() {
        return;
    }
    let primary = Cluster::start(&Options::fast()).unwrap();
    let standby = primary.standby(&Options::fast()).unwrap();
    primary.sql("postgres", "CREATE TABLE kept AS SELECT 7 AS n").unwrap();
    assert_soon("the table is on the standby", || {
        standby.sql("postgres", "SELECT n FROM kept").is_ok_and(|n| n == "7")
    });
    assert!(
        standby.sql("postgres", "INSERT INTO kept VALUES (8)").is_err(),
        "a standby is only read"
    );
    primary.kill_hard().unwrap();
    standby.promote().unwrap();
    standby.sql("postgres", "INSERT INTO kept VALUES (8)").unwrap();
    assert_eq!(standby.sql("postgres", "SELECT sum(n) FROM kept").unwrap(), "15");
}

// This is what happens when the chore is killed: `drop` does not run, and the guard's input ends.
#[test]
fn a_cluster_is_cleared_away_when_its_chore_is_gone() {
    if !there_is_one() {
        return;
    }
    let mut cluster = Cluster::start(&Options::fast()).unwrap();
    let mut postmaster = cluster.postmaster().take().unwrap();
    cluster.guard.dismiss();
    assert!(!cluster.folder.exists());
    assert_soon("the postmaster's end", || postmaster.try_wait().unwrap().is_some());
}
