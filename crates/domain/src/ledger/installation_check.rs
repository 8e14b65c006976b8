//! What is known of the checks of the installation: its last verification and its last backup.
//!
//! Who verifies or backs up records how that ended ([`RecordCheck`]). A verification that falls due is
//! made by the process that claims it ([`ClaimCheck`]), and an operator may ask for one
//! ([`RequestCheck`]).

use crate::api_enum;
use crate::decision::row::{Lookup, rows_without_alt_key};
use crate::decision::use_case::{Context, Decision, LockKey};
use crate::decision::workspace::{RowKey, Stop, Workspace};
use crate::directory::roles::Action;
use crate::kernel::ids::InstallationCheckId;
use crate::kernel::time::{ServerTime, minutes, seconds};
use crate::payments::attempt::MAX_CLOCK_SKEW_US;

/// For how long one process alone verifies, in microseconds. It extends its lease while it works.
pub const LEASE_US: i64 = seconds(60);

/// What could not be verified is tried again after this time, in microseconds, if not earlier.
const AGAIN_US: i64 = minutes(10);

/// No detail is kept longer than this, in characters.
const DETAIL_MAX: usize = 500;

api_enum! {
    /// What is checked.
    CheckKind {
        /// The ledger is verified as a whole.
        Verify = "VERIFY",
        /// The database is backed up.
        Backup = "BACKUP",
    }
}

impl CheckKind {
    /// The id of its only row.
    #[must_use]
    pub const fn id(self) -> InstallationCheckId {
        InstallationCheckId(match self {
            Self::Verify => 1,
            Self::Backup => 2,
        })
    }
}

api_enum! {
    /// How a check ended.
    CheckOutcome {
        Good = "GOOD",
        /// It has found violations.
        Bad = "BAD",
        /// It did not come to its end.
        Failed = "FAILED",
    }
}

/// The last check of one kind. There is one row of each.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InstallationCheck {
    pub id: InstallationCheckId,
    pub kind: CheckKind,
    /// When the last one that ended began; `None` while there was none.
    pub begun_at: Option<ServerTime>,
    pub ended_at: Option<ServerTime>,
    pub outcome: Option<CheckOutcome>,
    /// How many violations the last one has listed.
    pub violations: i64,
    /// The names of the rules that are violated, or why it failed. It names no amount and nobody.
    pub detail: Option<String>,
    /// When the last one ended that was good.
    pub good_at: Option<ServerTime>,
    /// When somebody asked for one that has not been made yet.
    pub requested_at: Option<ServerTime>,
    /// The process that works at one until `leased_until`.
    pub holder: i64,
    pub leased_until: ServerTime,
}

rows_without_alt_key!(InstallationCheck: InstallationCheckId);

impl InstallationCheck {
    /// Whether one is to be made now: it was asked for, or the last one is `every` microseconds ago.
    #[must_use]
    pub fn is_due(&self, every: Option<i64>, now: ServerTime) -> bool {
        let Some(ended_at) = self.ended_at else {
            return self.requested_at.is_some() || every.is_some();
        };
        let pause = |every: i64| match self.outcome {
            Some(CheckOutcome::Failed) => every.min(AGAIN_US),
            _ => every,
        };
        self.requested_at.is_some()
            || every.is_some_and(|every| now.since(ended_at) >= pause(every))
    }

    /// When the last one ended that came to an end.
    #[must_use]
    pub fn completed_at(&self) -> Option<ServerTime> {
        match self.outcome {
            Some(CheckOutcome::Failed) | None => self.good_at,
            Some(CheckOutcome::Good | CheckOutcome::Bad) => self.ended_at,
        }
    }

    /// Whether another process than `holder` works at one. A lease that ends later than any that is
    /// given now was given by a clock that has been set back since.
    #[must_use]
    pub fn is_leased(&self, holder: i64, now: ServerTime) -> bool {
        self.holder != holder && self.is_running(now)
    }

    /// Whether some process works at one.
    #[must_use]
    pub fn is_running(&self, now: ServerTime) -> bool {
        let left = self.leased_until.since(now);
        left > 0 && left <= LEASE_US + MAX_CLOCK_SKEW_US
    }
}

fn lock_key(kind: CheckKind) -> LockKey {
    LockKey { key: RowKey::InstallationCheck(Lookup::Id(kind.id())), owner: None }
}

/// Takes the lease of a check that is due, or extends the own one. Its output is whether the process
/// has the lease.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClaimCheck {
    pub kind: CheckKind,
    /// The process that asks.
    pub holder: i64,
    /// How often one is made, in microseconds; `None` where only those are made that were asked for.
    pub every: Option<i64>,
}

impl Decision for ClaimCheck {
    type Output = bool;

    fn lock_key(&self) -> Option<LockKey> {
        Some(lock_key(self.kind))
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<bool, Stop> {
        let row = (*work.require::<InstallationCheck>(self.kind.id())?).clone();
        let is_due = row.is_due(self.every, context.now);
        if !is_due || row.is_leased(self.holder, context.now) {
            return Ok(false);
        }
        let leased_until = context.now.plus(LEASE_US);
        work.put(InstallationCheck { holder: self.holder, leased_until, ..row });
        Ok(true)
    }
}

/// Records how a check ended. The last one counts that ended, whoever tells of it first.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecordCheck {
    pub kind: CheckKind,
    pub begun_at: ServerTime,
    pub ended_at: ServerTime,
    pub outcome: CheckOutcome,
    pub violations: i64,
    pub detail: Option<String>,
    /// The process whose lease ends with it; `None` for who had none.
    pub holder: Option<i64>,
}

impl Decision for RecordCheck {
    type Output = InstallationCheck;

    fn lock_key(&self) -> Option<LockKey> {
        Some(lock_key(self.kind))
    }

    fn decide(
        &self,
        work: &mut Workspace,
        context: &Context<'_>,
    ) -> Result<InstallationCheck, Stop> {
        let mut row = (*work.require::<InstallationCheck>(self.kind.id())?).clone();
        if self.holder == Some(row.holder) {
            row.leased_until = row.leased_until.min(context.now);
        }
        if row.ended_at.is_none_or(|known| known <= self.ended_at) {
            row.begun_at = Some(self.begun_at);
            row.ended_at = Some(self.ended_at);
            row.outcome = Some(self.outcome);
            if self.outcome != CheckOutcome::Failed {
                row.violations = self.violations;
            }
            row.detail = self.detail.as_ref().map(|text| text.chars().take(DETAIL_MAX).collect());
        }
        if self.outcome == CheckOutcome::Good {
            row.good_at = row.good_at.max(Some(self.ended_at));
        }
        // One that began before it was asked for may not have seen what the asker has in mind.
        row.requested_at = row.requested_at.filter(|asked| *asked > self.begun_at);
        work.put(row.clone());
        Ok(row)
    }
}

/// Asks for a check as soon as a process can make it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RequestCheck {
    pub kind: CheckKind,
}

impl Decision for RequestCheck {
    type Output = InstallationCheck;

    fn action(&self) -> Option<Action> {
        Some(Action::ManageInstallation)
    }

    fn lock_key(&self) -> Option<LockKey> {
        Some(lock_key(self.kind))
    }

    fn decide(
        &self,
        work: &mut Workspace,
        context: &Context<'_>,
    ) -> Result<InstallationCheck, Stop> {
        let row = (*work.require::<InstallationCheck>(self.kind.id())?).clone();
        let requested_at = row.requested_at.or(Some(context.now));
        let row = InstallationCheck { requested_at, ..row };
        work.put(row.clone());
        Ok(row)
    }
}
