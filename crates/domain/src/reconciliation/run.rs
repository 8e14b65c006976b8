//! Reading a statement: who reads, which statement, and how it ended.

use crate::decision::row::{Lookup, rows_without_alt_key};
use crate::decision::use_case::{Context, Decision, LockKey};
use crate::decision::workspace::{RowKey, Stop, Workspace};
use crate::kernel::ids::{NetworkAccountId, StatementId};
use crate::kernel::time::{ServerTime, minutes};
use crate::payments::attempt::MAX_CLOCK_SKEW_US;
use crate::reconciliation::statement::{Counts, Statement, StatementSource, StatementStatus};

/// For how long one process alone reads statements of an account, in microseconds. It extends its
/// lease while it works.
pub const LEASE_US: i64 = minutes(5);

/// No reason for a failure is kept longer than this, in characters.
const PROBLEM_MAX: usize = 500;

/// How an account is reconciled: a row for each account that ever was.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reconciliation {
    /// The account's.
    pub id: NetworkAccountId,
    /// The process that reads its statements until `leased_until`.
    pub holder: i64,
    pub leased_until: ServerTime,
    /// When the last one that falls due every night was begun.
    pub nightly_at: Option<ServerTime>,
    /// When a statement was last read to its end.
    pub completed_at: Option<ServerTime>,
}

rows_without_alt_key!(Reconciliation: NetworkAccountId);

fn lock_key(account: NetworkAccountId) -> LockKey {
    LockKey { key: RowKey::Reconciliation(Lookup::Id(account)), owner: None }
}

fn of_account(account: NetworkAccountId, work: &Workspace) -> Result<Reconciliation, Stop> {
    let known = work.get::<Reconciliation>(account)?;
    Ok(known.map_or(
        Reconciliation {
            id: account,
            holder: 0,
            leased_until: ServerTime(0),
            nightly_at: None,
            completed_at: None,
        },
        |known| (*known).clone(),
    ))
}

/// Takes the lease of an account, or extends the own one. Its output is whether the process has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClaimReconciliation {
    pub account_id: NetworkAccountId,
    /// The process that asks.
    pub holder: i64,
    /// For what falls due: only if none was begun since then.
    pub not_since: Option<ServerTime>,
}

impl Decision for ClaimReconciliation {
    type Output = bool;

    fn lock_key(&self) -> Option<LockKey> {
        Some(lock_key(self.account_id))
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<bool, Stop> {
        let known = of_account(self.account_id, work)?;
        // A lease that ends later than any that is given now was given by a clock that has been set
        // back since.
        let left = known.leased_until.since(context.now);
        let is_leased = left > 0 && left <= LEASE_US + MAX_CLOCK_SKEW_US;
        let is_done = match (self.not_since, known.nightly_at) {
            (Some(due), Some(begun)) => begun >= due,
            (None, _) | (_, None) => false,
        };
        if is_done || (is_leased && known.holder != self.holder) {
            return Ok(false);
        }
        work.put(Reconciliation {
            holder: self.holder,
            leased_until: context.now.plus(LEASE_US),
            nightly_at: if self.not_since.is_some() { Some(context.now) } else { known.nightly_at },
            ..known
        });
        Ok(true)
    }
}

/// Begins to read a statement.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BeginStatement {
    pub account_id: NetworkAccountId,
    pub source: StatementSource,
    pub name: Option<String>,
    pub digest: Option<String>,
    pub from_at: ServerTime,
    pub to_at: ServerTime,
}

impl Decision for BeginStatement {
    type Output = Statement;

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<Statement, Stop> {
        let Self { account_id, source, name, digest, from_at, to_at } = self.clone();
        let statement = Statement {
            id: StatementId(work.new_id()?),
            network_account_id: account_id,
            source,
            name,
            digest,
            from_at,
            to_at,
            status: StatementStatus::Reading,
            counts: Counts::default(),
            problem: None,
            accepted_at: None,
            event_count: 0,
            begun_at: context.now,
            ended_at: None,
        };
        work.put(statement.clone());
        Ok(statement)
    }
}

/// Ends the reading of a statement, and gives the lease back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EndStatement {
    pub statement_id: StatementId,
    pub account_id: NetworkAccountId,
    pub holder: i64,
    pub counts: Counts,
    /// Why it could not be read to its end.
    pub problem: Option<String>,
}

impl Decision for EndStatement {
    type Output = Statement;

    fn lock_key(&self) -> Option<LockKey> {
        Some(lock_key(self.account_id))
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<Statement, Stop> {
        let statement = (*work.require::<Statement>(self.statement_id)?).clone();
        let failed = self.problem.is_some();
        let cut = |text: &String| text.chars().take(PROBLEM_MAX).collect();
        let statement = Statement {
            status: if failed { StatementStatus::Failed } else { StatementStatus::Complete },
            counts: self.counts,
            problem: self.problem.as_ref().map(cut),
            ended_at: Some(context.now),
            ..statement
        };
        work.put(statement.clone());
        let known = of_account(self.account_id, work)?;
        let mine = known.holder == self.holder;
        work.put(Reconciliation {
            leased_until: if mine { context.now } else { known.leased_until },
            completed_at: if failed { known.completed_at } else { Some(context.now) },
            ..known
        });
        Ok(statement)
    }
}
