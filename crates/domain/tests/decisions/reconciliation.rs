//! Statements of networks: what is read of them, accepted and booked.

use crate::stage::{Stage, usd};
use domain::kernel::ids::{DifferenceId, NetworkAccountId, StatementId, StatementLineId};
use domain::kernel::money::Money;
use domain::kernel::refusal::Refusal;
use domain::kernel::time::{ServerTime, minutes, seconds};
use domain::kernel::uuids::Fingerprint;
use domain::reconciliation::accept::AcceptStatement;
use domain::reconciliation::balance::{ReadBalance, RecordBalances};
use domain::reconciliation::close_difference::CloseDifference;
use domain::reconciliation::compare::{Found, OtherLines, Verdict, compare};
use domain::reconciliation::difference::{
    Difference, DifferenceKind, DifferenceResolution, DifferenceStatus,
};
use domain::reconciliation::line::{LineStanding, StatementLine, identity};
use domain::reconciliation::post_lines::PostLines;
use domain::reconciliation::record_lines::{JudgedLine, RecordLines, Recorded};
use domain::reconciliation::reported::{LineKind, ReportedLine};
use domain::reconciliation::run::{
    BeginStatement, ClaimReconciliation, EndStatement, LEASE_US, Reconciliation,
};
use domain::reconciliation::statement::{Counts, Statement, StatementSource};

const AT: NetworkAccountId = NetworkAccountId(2);
const HOLDER: i64 = 5;

fn begin(stage: &mut Stage) -> StatementId {
    let begin = BeginStatement {
        account_id: AT,
        source: StatementSource::Network,
        name: None,
        digest: None,
        from_at: ServerTime(0),
        to_at: stage.now,
    };
    stage.decide(&begin).unwrap().id
}

fn end(stage: &mut Stage, statement_id: StatementId, problem: Option<&str>) {
    let problem = problem.map(str::to_owned);
    let end = EndStatement {
        statement_id,
        account_id: AT,
        holder: HOLDER,
        counts: Counts::default(),
        problem,
    };
    stage.decide(&end).unwrap();
}

/// A line of a day ago, with a fee of three cents.
fn line(stage: &Stage, kind: LineKind, minor: i64) -> ReportedLine {
    ReportedLine {
        kind,
        line_id: Some(format!("{kind:?}")),
        request_id: None,
        reference: None,
        amount: usd(minor),
        settled: None,
        fee: Some(usd(3)),
        occurred_at: stage.now.plus(-seconds(2 * 86_400)),
    }
}

/// Keeps a line with what the comparison says of it, where no payment is known.
fn record(stage: &mut Stage, statement: StatementId, line: &ReportedLine) -> Recorded {
    let verdict = compare(line, None, OtherLines::default(), stage.now);
    record_as(stage, statement, line, verdict, vec![])
}

fn record_as(
    stage: &mut Stage,
    statement_id: StatementId,
    line: &ReportedLine,
    verdict: Verdict,
    settles: Vec<(DifferenceKind, Fingerprint)>,
) -> Recorded {
    let identity = identity(line, 0);
    let judged = JudgedLine { line: line.clone(), identity, payment: None, verdict, settles };
    stage.decide(&RecordLines { account_id: AT, statement_id, lines: vec![judged] }).unwrap()
}

fn kept(stage: &mut Stage, line: &ReportedLine) -> StatementLine {
    let identity = identity(line, 0);
    let row = stage.work.find::<StatementLine>(&(AT, identity)).unwrap().unwrap();
    (*row).clone()
}

fn difference(stage: &mut Stage, line: &ReportedLine, kind: DifferenceKind) -> Option<Difference> {
    let row = stage.work.find::<Difference>(&(AT, kind, identity(line, 0)));
    row.ok().flatten().map(|row| (*row).clone())
}

fn differs(kind: DifferenceKind, theirs: Money) -> Verdict {
    let found =
        Found { kind, ours: Some(usd(1_000)), theirs: Some(theirs), reason: "why".to_owned() };
    Verdict { standing: LineStanding::Differs, found: Some(found) }
}

fn accept(stage: &mut Stage, statement_id: StatementId) -> Result<Statement, Vec<Refusal>> {
    stage.decide(&AcceptStatement { statement_id })
}

fn post(stage: &mut Stage, statement_id: StatementId, lines: &[StatementLineId]) -> usize {
    stage.decide(&PostLines { statement_id, lines: lines.to_vec() }).unwrap()
}

fn close(stage: &mut Stage, id: DifferenceId, book: bool) -> Result<Difference, Vec<Refusal>> {
    let evidence = "a mail".to_owned();
    stage.decide(&CloseDifference { difference_id: id, book, evidence })
}

#[test]
fn one_process_at_a_time_reads_the_statements_of_an_account() {
    let mut stage = Stage::new();
    let claim = |stage: &mut Stage, account_id, holder, not_since| {
        stage.decide(&ClaimReconciliation { account_id, holder, not_since }).unwrap()
    };
    assert!(claim(&mut stage, AT, 1, None));
    assert!(!claim(&mut stage, AT, 2, None));
    // Another account is another matter, and the holder extends its lease.
    assert!(claim(&mut stage, NetworkAccountId(3), 2, None));
    stage.now = stage.now.plus(LEASE_US - 1);
    assert!(!claim(&mut stage, AT, 2, None) && claim(&mut stage, AT, 1, None));
    stage.now = stage.now.plus(LEASE_US);
    assert!(claim(&mut stage, AT, 2, None) && !claim(&mut stage, AT, 1, None));
    // A clock that was set back by a day holds nobody up.
    stage.now = stage.now.plus(-minutes(24 * 60));
    assert!(claim(&mut stage, AT, 1, None));
    // What falls due once is begun once.
    stage.now = stage.now.plus(LEASE_US);
    let due = Some(stage.now);
    assert!(claim(&mut stage, AT, 1, due) && !claim(&mut stage, AT, 1, due));
}

#[test]
fn the_end_of_a_statement_gives_the_lease_back_to_its_holder_only() {
    let mut stage = Stage::new();
    let claim = ClaimReconciliation { account_id: AT, holder: 9, not_since: None };
    assert!(stage.decide(&claim).unwrap());
    let statement = begin(&mut stage);
    end(&mut stage, statement, Some(&"x".repeat(2_000)));
    let row = stage.work.require::<Statement>(statement).unwrap();
    assert!(row.problem.as_ref().is_some_and(|text| text.len() <= 500));
    let lease = stage.work.require::<Reconciliation>(AT).unwrap().leased_until;
    assert!(lease > stage.now, "another process has it");
}

#[test]
fn only_a_complete_statement_is_accepted_and_once() {
    let mut stage = Stage::new();
    assert_eq!(accept(&mut stage, StatementId(77)), Err(vec![Refusal::NotFound]));
    let statement = begin(&mut stage);
    assert!(accept(&mut stage, statement).is_err(), "it is being read");
    end(&mut stage, statement, Some("cut off"));
    assert!(accept(&mut stage, statement).is_err(), "it broke off");
    let statement = begin(&mut stage);
    end(&mut stage, statement, None);
    let first = accept(&mut stage, statement).unwrap();
    stage.now = stage.now.plus(1);
    assert_eq!(accept(&mut stage, statement).unwrap().accepted_at, first.accepted_at);
}

#[test]
fn a_line_is_booked_once_and_only_of_an_accepted_statement() {
    let mut stage = Stage::new();
    let statement = begin(&mut stage);
    let top_up = line(&stage, LineKind::TopUp, 500);
    assert_eq!(record(&mut stage, statement, &top_up), Recorded { lines: 1, differences: 0 });
    assert_eq!(record(&mut stage, statement, &top_up), Recorded::default());
    let id = kept(&mut stage, &top_up).id;
    end(&mut stage, statement, None);
    assert_eq!(post(&mut stage, statement, &[id]), 0);
    accept(&mut stage, statement).unwrap();
    assert_eq!(post(&mut stage, statement, &[id]), 1);
    let event = kept(&mut stage, &top_up).event_id;
    assert!(event.is_some());
    assert_eq!(post(&mut stage, statement, &[id]), 0);
    // What was booked stays, whatever its network says now.
    let later = begin(&mut stage);
    let corrected = ReportedLine { amount: usd(501), ..top_up.clone() };
    record(&mut stage, later, &corrected);
    let row = kept(&mut stage, &top_up);
    assert_eq!((row.amount, row.event_id, row.statement_id), (usd(500), event, statement));
}

#[test]
fn the_lines_of_a_statement_that_broke_off_are_of_the_next_one() {
    let mut stage = Stage::new();
    let broken = begin(&mut stage);
    let top_up = line(&stage, LineKind::TopUp, 500);
    let unknown = line(&stage, LineKind::Collection, 700);
    record(&mut stage, broken, &top_up);
    record(&mut stage, broken, &unknown);
    end(&mut stage, broken, Some("cut off"));
    let whole = begin(&mut stage);
    let again = record(&mut stage, whole, &top_up);
    assert_eq!(again, Recorded { lines: 1, differences: 0 });
    assert_eq!(record(&mut stage, whole, &unknown), Recorded { lines: 1, differences: 0 });
    end(&mut stage, whole, None);
    for line in [&top_up, &unknown] {
        assert_eq!(kept(&mut stage, line).statement_id, whole);
    }
    // From a complete one nothing is taken.
    let later = begin(&mut stage);
    assert_eq!(record(&mut stage, later, &top_up), Recorded::default());
    assert_eq!(kept(&mut stage, &top_up).statement_id, whole);
}

#[test]
fn a_line_that_differs_waits_until_its_difference_is_closed() {
    let mut stage = Stage::new();
    let statement = begin(&mut stage);
    let unknown = line(&stage, LineKind::Collection, 700);
    assert_eq!(record(&mut stage, statement, &unknown), Recorded { lines: 1, differences: 1 });
    assert_eq!(record(&mut stage, statement, &unknown), Recorded::default());
    end(&mut stage, statement, None);
    accept(&mut stage, statement).unwrap();
    let id = kept(&mut stage, &unknown).id;
    assert_eq!(post(&mut stage, statement, &[id]), 0);
    let open = difference(&mut stage, &unknown, DifferenceKind::MissingHere).unwrap();
    let closed = close(&mut stage, open.id, true).unwrap();
    assert_eq!(closed.resolution, Some(DifferenceResolution::Booked));
    assert!(closed.event_id.is_some());
    assert!(close(&mut stage, open.id, false).is_err());
    assert_eq!(kept(&mut stage, &unknown).standing, LineStanding::Explained);
    assert_eq!(post(&mut stage, statement, &[id]), 1);
    // An operator has closed it: it is not found again.
    assert_eq!(record(&mut stage, statement, &unknown), Recorded::default());
}

#[test]
fn the_fee_of_a_line_is_booked_with_its_statement_and_not_by_itself() {
    let mut stage = Stage::new();
    let statement = begin(&mut stage);
    let paid = line(&stage, LineKind::Collection, 1_000);
    record_as(&mut stage, statement, &paid, differs(DifferenceKind::FeeDiffers, usd(3)), vec![]);
    let open = difference(&mut stage, &paid, DifferenceKind::FeeDiffers).unwrap();
    assert!(close(&mut stage, open.id, true).is_err());
    let closed = close(&mut stage, open.id, false).unwrap();
    assert_eq!((closed.resolution, closed.event_id), (Some(DifferenceResolution::Explained), None));
}

#[test]
fn a_difference_says_what_was_read_last_and_opens_again() {
    let mut stage = Stage::new();
    let statement = begin(&mut stage);
    let paid = line(&stage, LineKind::Collection, 900);
    let kind = DifferenceKind::AmountDiffers;
    record_as(&mut stage, statement, &paid, differs(kind, usd(900)), vec![]);
    let corrected = ReportedLine { amount: usd(950), ..paid.clone() };
    let again = record_as(&mut stage, statement, &corrected, differs(kind, usd(950)), vec![]);
    assert_eq!(again, Recorded::default());
    let open = difference(&mut stage, &paid, kind).unwrap();
    assert_eq!((open.status, open.theirs), (DifferenceStatus::Open, Some(usd(950))));
    // It agrees, and then no more.
    let matched = Verdict { standing: LineStanding::Matched, found: None };
    let right = ReportedLine { amount: usd(1_000), ..paid.clone() };
    let settles = vec![(kind, identity(&paid, 0))];
    record_as(&mut stage, statement, &right, matched, settles);
    let closed = difference(&mut stage, &paid, kind).unwrap();
    assert_eq!(closed.resolution, Some(DifferenceResolution::Agreed));
    let anew = record_as(&mut stage, statement, &paid, differs(kind, usd(900)), vec![]);
    assert_eq!(anew, Recorded { lines: 0, differences: 1 });
    let open = difference(&mut stage, &paid, kind).unwrap();
    assert_eq!((open.id, open.status, open.closed_at), (closed.id, DifferenceStatus::Open, None));
    assert_eq!(kept(&mut stage, &paid).standing, LineStanding::Differs);
}

#[test]
fn a_balance_says_since_when_it_differs() {
    let mut stage = Stage::new();
    let read = |stage: &mut Stage, network_minor| {
        let balance = ReadBalance {
            currency: usd(0).currency,
            network_minor,
            ledger_minor: 100,
            unposted_minor: -5,
        };
        let record = RecordBalances { account_id: AT, balances: vec![balance] };
        stage.decide(&record).unwrap()[0].clone()
    };
    assert_eq!(read(&mut stage, 95).differs_since, None);
    let since = Some(stage.now);
    let first = read(&mut stage, 96);
    assert_eq!((first.difference(), first.differs_since), (1, since));
    stage.now = stage.now.plus(7);
    assert_eq!(read(&mut stage, 97).differs_since, since);
    assert_eq!(read(&mut stage, 95).differs_since, None);
}
