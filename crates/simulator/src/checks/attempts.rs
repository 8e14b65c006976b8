//! Attempts at networks: each execution through a network has one, it goes on and never becomes
//! another, and what is behind a gate was never sent.

use std::collections::BTreeSet;
use std::sync::Arc;

use domain::kernel::ids::{ExecutionId, NetworkAccountId};
use domain::kernel::names::{Mode, Provider};
use domain::payments::attempt::{Gate, LEASE_US, MAX_CLOCK_SKEW_US, ProviderAttempt};

use super::{CheckResult, Checks, is_open, rule};
use crate::db::{Commit, Committed};
use crate::oracle::network;

impl Checks {
    /// What changed of the attempts at networks, and that each execution through a network has its
    /// attempt and no other has one.
    pub(super) fn attempts(
        &mut self,
        commit: &Commit,
        rows: &Committed,
        heard: &BTreeSet<ExecutionId>,
    ) -> CheckResult {
        for (before, after) in &commit.changes.provider_attempts {
            if let Some(before) = before {
                Self::attempt_goes_on(before, after, heard)?;
                Self::lease(before, after, heard)?;
            }
            self.attempts.insert(after.execution_id, Arc::clone(after));
        }
        for (_, after) in &commit.changes.executions {
            self.executions.insert(after.id, Arc::clone(after));
        }
        for (before, row) in &commit.changes.provider_attempts {
            self.attempt_of_execution(row.execution_id, before.is_none(), rows)?;
        }
        for (_, row) in &commit.changes.executions {
            self.attempt_of_execution(row.id, false, rows)?;
        }
        Ok(())
    }

    fn attempt_goes_on(
        before: &ProviderAttempt,
        after: &ProviderAttempt,
        heard: &BTreeSet<ExecutionId>,
    ) -> CheckResult {
        let fixed = |row: &ProviderAttempt| {
            (row.merchant_id, row.network_account_id, row.request_id, row.page_id, row.body.clone())
        };
        rule(fixed(before) == fixed(after), "an attempt became another", || {
            format!("{before:?} -> {after:?}")
        })?;
        // The deadline runs from the first sending.
        let is_first = before.send_count == 0 && after.send_count > 0;
        let same = before.deadline_at == after.deadline_at || is_first;
        rule(same, "a deadline moved", || format!("{before:?} -> {after:?}"))?;
        // A real network did not take it, as a process has told: then it does not count.
        let put_back = after.body.is_some() && heard.contains(&after.execution_id);
        let counted = after.send_count >= before.send_count || put_back;
        rule(counted, "a sending was forgotten", || format!("{before:?} -> {after:?}"))?;
        let waits = after.gate.is_none() || after.send_count == 0 && after.sent_at.is_none();
        rule(waits, "behind a gate, and sent", || format!("{before:?} -> {after:?}"))?;
        let asked = after.cancel_asked || !before.cancel_asked;
        rule(asked, "a cancellation was forgotten", || format!("{before:?} -> {after:?}"))
    }

    /// The id of its request is computed only while the attempt is new: it never changes.
    fn attempt_of_execution(&self, id: ExecutionId, is_new: bool, rows: &Committed) -> CheckResult {
        let (row, attempt) = (self.executions.get(&id), self.attempts.get(&id));
        let through_network = row.is_some_and(|row| row.provider != Provider::Platform);
        rule(
            row.is_some() && through_network == attempt.is_some(),
            "an execution through a network without its attempt, or an attempt without one",
            || format!("{row:?} with {attempt:?}"),
        )?;
        let (Some(row), Some(attempt)) = (row, attempt) else { return Ok(()) };
        let open = is_open(row.status);
        rule(
            attempt.next_check_at.is_some() == (open && attempt.gate != Some(Gate::Approval)),
            "open without a reason and a due time, or final with one",
            || format!("{row:?} with {attempt:?}"),
        )?;
        let over = attempt.lease_until.is_none()
            && attempt.client_secret.is_none()
            && !attempt.requires_action;
        rule(open || over, "the attempt of a final execution goes on", || format!("{attempt:?}"))?;
        rule(
            attempt.requires_action == attempt.client_secret.is_some(),
            "an action without a secret, or a secret without an action",
            || format!("{attempt:?}"),
        )?;
        // One that failed before it was sent has an attempt too.
        let sent = (attempt.send_count > 0, attempt.sent_at.is_some());
        let fits =
            sent == (true, true) || (sent == (false, false) && open == attempt.gate.is_some());
        rule(fits, "open and never sent, or sent at no time", || format!("{attempt:?}"))?;
        if !is_new {
            return Ok(());
        }
        let expected = network::request_id(row.merchant_id.0, row.reference_id, row.operation());
        let named = attempt.request_id == expected && attempt.merchant_id == row.merchant_id;
        rule(named, "a request has another id than follows from its execution", || {
            format!("{attempt:?} instead of {expected}")
        })?;
        let mode = rows.merchants.get(row.merchant_id).map(|merchant| merchant.mode);
        let account = attempt.network_account_id;
        rule(
            mode.is_some_and(|mode| is_account_of(account, row.provider, mode, rows)),
            "an attempt at a network account of another mode or network",
            || format!("{attempt:?} of {row:?}"),
        )
    }

    /// A lease is taken over only after it has ended; its holder may send again.
    fn lease(
        before: &ProviderAttempt,
        after: &ProviderAttempt,
        heard: &BTreeSet<ExecutionId>,
    ) -> CheckResult {
        let (Some(old), Some(new)) = (before.lease_until, after.lease_until) else { return Ok(()) };
        let taken_at = new.plus(-LEASE_US);
        let resent = after.send_count != before.send_count;
        // A lease by a clock that is far ahead is ignored.
        let clock_ahead = old.since(taken_at) > LEASE_US + MAX_CLOCK_SKEW_US;
        // An outcome ends a lease. In the same commit a payer may ask, or the next check may be due
        // because the merchant's clock was advanced.
        let ended = heard.contains(&after.execution_id);
        rule(
            old == new || resent || clock_ahead || ended || taken_at >= old,
            "a lease was taken from its holder",
            || format!("{before:?} -> {after:?}"),
        )
    }
}

/// Whether an account is one at this network, of this mode.
pub(super) fn is_account_of(
    id: NetworkAccountId,
    provider: Provider,
    mode: Mode,
    rows: &Committed,
) -> bool {
    match mode {
        Mode::Sandbox => network::sandbox_account(provider) == Some(id.0),
        Mode::Test | Mode::Live => rows
            .network_accounts
            .get(id)
            .is_some_and(|row| (row.network, row.mode) == (provider, mode)),
    }
}
