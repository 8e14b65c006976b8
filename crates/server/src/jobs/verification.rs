//! The server verifies by itself: the whole ledger now and then, in the background.
//!
//! What is due follows from the row of the last verification, so a restart changes nothing, and of
//! several processes the one with the lease verifies. It works over a connection of its own, never one
//! that requests wait for, one rule after the other, and rests after each as long as that took.

use std::collections::BTreeSet;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use domain::decision::command::ListedDecision;
use domain::directory::principal::Principal;
use domain::kernel::ids::MerchantId;
use domain::kernel::time::ServerTime;
use domain::ledger::installation_check::{
    CheckKind, CheckOutcome, ClaimCheck, LEASE_US, RecordCheck,
};
use domain::payments::payouts_stop::StopPayouts;
use tokio::sync::oneshot;

use crate::app::App;
use crate::engine::Failure;
use store::schema::verify::chain::ChainCheck;
use store::schema::verify::{self, Report};
use store::workspace::sql::Interrupter;
use store::{Database, StoreError, clock};

/// How often it is looked whether a verification is due: somebody may have asked for one.
const EVERY: Duration = Duration::from_secs(2);
/// The pause after one that could not be begun or recorded.
const AFTER_ERROR: Duration = Duration::from_secs(30);
/// How often the lease is extended.
const EXTEND: Duration = Duration::from_micros(LEASE_US.unsigned_abs() / 3);

/// Verifies whenever that is due, for ever.
pub async fn run(app: App, database: Database) {
    let every = app.config.verify_every;
    let claim = ClaimCheck {
        kind: CheckKind::Verify,
        holder: i64::from_be_bytes(clock::random_number().to_be_bytes()),
        every: every.map(|every| i64::try_from(every.as_micros()).unwrap_or(i64::MAX)),
    };
    loop {
        let pause = match once(&app, &database, &claim).await {
            Ok(()) => EVERY,
            Err(error) => {
                tracing::warn!("the ledger could not be verified: {error:#}");
                AFTER_ERROR
            }
        };
        tokio::time::sleep(pause).await;
    }
}

/// Verifies if that is due, and records the verdict.
async fn once(app: &App, database: &Database, claim: &ClaimCheck) -> anyhow::Result<()> {
    let known = app.queries.for_system().installation_check(claim.kind).await?;
    let now = clock::now();
    let is_due = known.is_due(claim.every, now) && !known.is_leased(claim.holder, now);
    if !is_due || !submit(app, claim.clone()).await? {
        return Ok(());
    }
    let begun_at = clock::now();
    let verified = verified(app, database, claim).await;
    if let Ok(report) = &verified {
        tell(report);
        // Before the verdict is on record: whoever dies in between leaves it due, and it is found again.
        if app.config.stop_on_violation && !report.violations.is_empty() {
            let reason = format!("the books break {}", broken_rules(report));
            submit(app, StopPayouts { reason }).await?;
        }
    }
    let record = match &verified {
        Ok(report) => verdict(report, begun_at, Some(claim.holder)),
        Err(error) => {
            tracing::error!("the verification of the ledger did not come to its end: {error:#}");
            failed(begun_at, Some(claim.holder))
        }
    };
    submit(app, record).await?;
    Ok(())
}

async fn submit<D: ListedDecision>(app: &App, decision: D) -> Result<D::Output, Failure> {
    app.engine.submit_for(MerchantId::INSTALLATION, Principal::System, decision).await
}

fn tell(report: &Report) {
    let count = report.violations.len();
    if count == 0 {
        tracing::info!(entries = report.entries, rules = report.checks, "the ledger is right");
    } else {
        let rules = broken_rules(report);
        tracing::error!(
            violations = count,
            rules,
            "the ledger is broken: run `kola ledger verify`"
        );
    }
}

/// The names of the rules that are broken.
fn broken_rules(report: &Report) -> String {
    let rules: BTreeSet<&str> = report.violations.iter().map(|(rule, _)| *rule).collect();
    rules.into_iter().collect::<Vec<_>>().join("; ")
}

/// The record of a verification that came to its end.
#[must_use]
pub fn verdict(report: &Report, begun_at: ServerTime, holder: Option<i64>) -> RecordCheck {
    let is_good = report.violations.is_empty();
    RecordCheck {
        kind: CheckKind::Verify,
        begun_at,
        ended_at: clock::now(),
        outcome: if is_good { CheckOutcome::Good } else { CheckOutcome::Bad },
        violations: i64::try_from(report.violations.len()).unwrap_or(i64::MAX),
        detail: Some(broken_rules(report)).filter(|_| !is_good),
        holder,
    }
}

/// The record of a verification that did not.
fn failed(begun_at: ServerTime, holder: Option<i64>) -> RecordCheck {
    RecordCheck {
        kind: CheckKind::Verify,
        begun_at,
        ended_at: clock::now(),
        outcome: CheckOutcome::Failed,
        violations: 0,
        detail: Some("it did not come to its end: the log of the server says why".to_owned()),
        holder,
    }
}

/// Verifies on a thread of its own. It is no thread of the runtime, which would wait for it when the
/// server stops.
async fn verified(app: &App, database: &Database, claim: &ClaimCheck) -> anyhow::Result<Report> {
    let stored = app.queries.for_system().chain_keys().await?;
    let key = app.config.secrets_key.read_if_there()?;
    let with = ChainCheck { keys: key.map(|key| key.link_keys(&stored)), head: None };
    let (running, ended) = channel();
    let work = Work { running: Some(running), interrupter: Arc::default() };
    let (done, mut answer) = oneshot::channel();
    let (database, interrupter) = (database.clone(), Arc::clone(&work.interrupter));
    std::thread::Builder::new().name("verification".to_owned()).spawn(move || {
        // Nobody waits for it any more when the server stops.
        let _unheard = done.send(work_through(&database, &with, &interrupter, &ended));
    })?;
    let report = loop {
        match tokio::time::timeout(EXTEND, &mut answer).await {
            Ok(report) => break report,
            // The row may have been changed by another verification: this one is finished anyway.
            Err(_) => drop(submit(app, claim.clone()).await),
        }
    };
    drop(work);
    Ok(report.context("its thread panicked")??)
}

/// A verification under way. When it is dropped, its thread ends.
struct Work {
    running: Option<Sender<()>>,
    interrupter: Arc<Mutex<Option<Interrupter>>>,
}

impl Drop for Work {
    fn drop(&mut self) {
        // First no other rule begins, then the one that runs is interrupted.
        self.running = None;
        let known = self.interrupter.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(interrupt) = known.as_ref() {
            interrupt();
        }
    }
}

fn work_through(
    database: &Database,
    with: &ChainCheck,
    interrupter: &Mutex<Option<Interrupter>>,
    ended: &Receiver<()>,
) -> Result<Report, StoreError> {
    let mut sql = database.open_beside()?;
    let interrupt = sql.interrupter();
    *interrupter.lock().unwrap_or_else(PoisonError::into_inner) = Some(interrupt);
    verify::verify_slowly(sql.as_mut(), with, |took| {
        ended.recv_timeout(took) == Err(RecvTimeoutError::Timeout)
    })
}
