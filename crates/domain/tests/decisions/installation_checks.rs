//! Checks of the installation: who makes one that is due, and what is on record of it; and that payouts
//! and refunds are stopped.

use domain::decision::row::Lookup;
use domain::kernel::time::{ServerTime, minutes, seconds};
use domain::ledger::installation_check::{
    CheckKind, CheckOutcome, ClaimCheck, InstallationCheck, LEASE_US, RecordCheck, RequestCheck,
};
use domain::payments::payouts_stop::{PayoutsStop, ResumePayouts, StopPayouts};

use crate::stage::Stage;

const KIND: CheckKind = CheckKind::Verify;
const DAY: i64 = minutes(24 * 60);

const NEVER: InstallationCheck = InstallationCheck {
    id: KIND.id(),
    kind: KIND,
    begun_at: None,
    ended_at: None,
    outcome: None,
    violations: 0,
    detail: None,
    good_at: None,
    requested_at: None,
    holder: 0,
    leased_until: ServerTime(0),
};

fn stage(row: InstallationCheck) -> Stage {
    let mut stage = Stage::new();
    stage.work.tables.installation_checks.load(Lookup::Id(row.id), Some(row));
    stage
}

fn row(stage: &Stage) -> InstallationCheck {
    (*stage.work.get::<InstallationCheck>(KIND.id()).unwrap().unwrap()).clone()
}

fn claim(stage: &mut Stage, holder: i64, every: Option<i64>) -> bool {
    stage.decide(&ClaimCheck { kind: KIND, holder, every }).unwrap()
}

fn ended(at: ServerTime, outcome: CheckOutcome, holder: Option<i64>) -> RecordCheck {
    RecordCheck {
        kind: KIND,
        begun_at: at.plus(-seconds(5)),
        ended_at: at,
        outcome,
        violations: i64::from(outcome == CheckOutcome::Bad),
        detail: None,
        holder,
    }
}

#[test]
fn one_process_makes_what_is_due() {
    let mut stage = stage(NEVER);
    assert!(!claim(&mut stage, 7, None), "nobody asked for one");
    assert!(claim(&mut stage, 7, Some(DAY)), "there was none");
    assert!(!claim(&mut stage, 8, Some(DAY)), "another process works at it");
    stage.now = stage.now.plus(LEASE_US / 2);
    assert!(claim(&mut stage, 7, Some(DAY)), "the lease is extended");
    stage.now = stage.now.plus(LEASE_US);
    assert!(claim(&mut stage, 8, Some(DAY)), "whoever had it has died");
    let now = stage.now;
    stage.decide(&ended(now, CheckOutcome::Good, Some(8))).unwrap();
    assert!(!row(&stage).is_running(now));
    stage.now = now.plus(DAY - 1);
    assert!(!claim(&mut stage, 7, Some(DAY)));
    stage.now = now.plus(DAY);
    assert!(!claim(&mut stage, 7, None));
    assert!(claim(&mut stage, 7, Some(DAY)));
}

#[test]
fn what_did_not_come_to_its_end_is_tried_again_soon() {
    let mut stage = stage(NEVER);
    let now = stage.now;
    stage.decide(&ended(now, CheckOutcome::Failed, None)).unwrap();
    assert_eq!((row(&stage).completed_at(), row(&stage).good_at), (None, None));
    stage.now = now.plus(minutes(9));
    assert!(!claim(&mut stage, 7, Some(DAY)));
    stage.now = now.plus(minutes(10));
    assert!(claim(&mut stage, 7, Some(DAY)));
}

#[test]
fn the_last_end_counts_and_the_last_good_one_is_known() {
    let mut stage = stage(NEVER);
    let (first, second) = (stage.now, stage.now.plus(seconds(60)));
    stage.decide(&ended(first, CheckOutcome::Good, None)).unwrap();
    stage.decide(&ended(second, CheckOutcome::Bad, None)).unwrap();
    // Somebody tells later of one that ended earlier.
    stage.decide(&ended(first.plus(1), CheckOutcome::Good, None)).unwrap();
    let known = row(&stage);
    assert_eq!((known.outcome, known.violations), (Some(CheckOutcome::Bad), 1));
    assert_eq!((known.ended_at, known.good_at), (Some(second), Some(first.plus(1))));
    // One that fails has found nothing, and does not take back what was found.
    let failed = stage.decide(&ended(second.plus(1), CheckOutcome::Failed, None)).unwrap();
    assert_eq!((failed.violations, failed.good_at), (1, Some(first.plus(1))));
}

#[test]
fn who_asks_gets_one_that_begins_afterwards() {
    let mut stage = stage(NEVER);
    let now = stage.now;
    stage.decide(&ended(now, CheckOutcome::Good, None)).unwrap();
    stage.decide(&RequestCheck { kind: KIND }).unwrap();
    // This one began before.
    stage.decide(&ended(now.plus(seconds(1)), CheckOutcome::Good, None)).unwrap();
    stage.now = now.plus(seconds(2));
    assert!(claim(&mut stage, 7, None));
    let begun_at = stage.now;
    let last = RecordCheck { begun_at, ..ended(stage.now, CheckOutcome::Good, Some(7)) };
    stage.decide(&last).unwrap();
    assert!(!claim(&mut stage, 7, None));
}

#[test]
fn payouts_are_stopped_once_and_resumed() {
    let mut stage = Stage::new();
    let since = stage.now;
    let stop = |reason: &str| StopPayouts { reason: reason.to_owned() };
    let first = stage.decide(&stop("the books are broken")).unwrap();
    stage.now = since.plus(1);
    assert_eq!(stage.decide(&stop("once more")).unwrap(), first);
    let expected = PayoutsStop { since, reason: "the books are broken".to_owned() };
    assert_eq!(stage.work.tariff.payouts_stop, Some(expected.clone()));
    let version = stage.work.tariff.version;
    let resume = ResumePayouts { evidence: "put right".to_owned() };
    assert_eq!(stage.decide(&resume).unwrap(), Some(expected));
    assert_eq!(stage.work.tariff.payouts_stop, None);
    assert_eq!(stage.decide(&resume).unwrap(), None);
    assert_eq!(stage.work.tariff.version, version + 1);
}
