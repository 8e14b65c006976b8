//! Keeping what a statement says, and what was found in it.
//!
//! Lines are compared before, by [`compare`](crate::reconciliation::compare), so that a statement of a
//! million lines does not hold up payments: what comes here is written as it is, once. Whoever reads a
//! statement again writes nothing.

use crate::decision::row::Lookup;
use crate::decision::use_case::{Context, Decision};
use crate::decision::workspace::{RowKey, Stop, Workspace};
use crate::kernel::ids::{
    DifferenceId, ExecutionId, MerchantId, NetworkAccountId, StatementId, StatementLineId,
};
use crate::kernel::time::ServerTime;
use crate::kernel::uuids::{Fingerprint, NetworkRequestId};
use crate::mutant;
use crate::reconciliation::compare::{Found, Verdict};
use crate::reconciliation::difference::{
    Difference, DifferenceKind, DifferenceResolution, DifferenceStatus,
};
use crate::reconciliation::line::{LineStanding, StatementLine};
use crate::reconciliation::reported::ReportedLine;
use crate::reconciliation::statement::{Statement, StatementStatus};

/// How many lines or payments one command takes at most: each may need two ids.
pub const AT_ONCE: usize = 30;

/// Keeps lines of a statement.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecordLines {
    pub account_id: NetworkAccountId,
    pub statement_id: StatementId,
    /// At most [`AT_ONCE`].
    pub lines: Vec<JudgedLine>,
}

/// A line with what the comparison has found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct JudgedLine {
    pub line: ReportedLine,
    pub identity: Fingerprint,
    pub payment: Option<(MerchantId, ExecutionId)>,
    pub verdict: Verdict,
    /// The differences of its payment that are open and settled by it.
    pub settles: Vec<(DifferenceKind, Fingerprint)>,
}

/// Keeps that payments are not in a statement.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecordMissing {
    pub account_id: NetworkAccountId,
    pub statement_id: StatementId,
    /// At most [`AT_ONCE`].
    pub payments: Vec<MissingPayment>,
}

/// A payment that a statement should have.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MissingPayment {
    pub request_id: NetworkRequestId,
    pub merchant_id: MerchantId,
    pub execution_id: ExecutionId,
    pub found: Found,
}

/// How many rows were new.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Recorded {
    pub lines: i64,
    pub differences: i64,
}

impl Decision for RecordLines {
    type Output = Recorded;

    fn hints(&self) -> Vec<RowKey> {
        let mut keys = vec![];
        for JudgedLine { identity, verdict, settles, .. } in &self.lines {
            keys.push(RowKey::StatementLine(Lookup::AltKey((self.account_id, *identity))));
            let found = verdict.found.iter().map(|found| (found.kind, *identity));
            keys.extend(found.chain(settles.iter().copied()).map(|(kind, subject)| {
                RowKey::Difference(Lookup::AltKey((self.account_id, kind, subject)))
            }));
        }
        keys
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<Recorded, Stop> {
        let mut recorded = Recorded::default();
        for judged in &self.lines {
            let (line_id, standing, is_new) = self.keep(judged, work)?;
            recorded.lines += i64::from(is_new);
            if let (LineStanding::Differs, Some(found)) = (standing, &judged.verdict.found) {
                let about = About {
                    statement_id: self.statement_id,
                    subject: judged.identity,
                    line_id: Some(line_id),
                    payment: judged.payment,
                };
                let is_new = open(self.account_id, about, found, work, context.now)?;
                recorded.differences += i64::from(is_new);
            }
            for (kind, subject) in &judged.settles {
                let is_other = *subject != judged.identity;
                settle((self.account_id, *kind, *subject), is_other, work, context.now)?;
            }
        }
        Ok(recorded)
    }
}

impl RecordLines {
    /// The line's row, how it stands, and whether it is a new one. What an operator has explained, what
    /// was booked, and what agrees and says the same again stays as it is.
    fn keep(
        &self,
        judged: &JudgedLine,
        work: &mut Workspace,
    ) -> Result<(StatementLineId, LineStanding, bool), Stop> {
        let JudgedLine { line, identity, payment, verdict, .. } = judged;
        let known = work.find::<StatementLine>(&(self.account_id, *identity))?;
        let is_first = match &known {
            Some(known) => self.is_of_unfinished(known, work)?,
            None => true,
        };
        if let Some(known) = &known
            && (known.event_id.is_some() || !known.is_compared_with(line))
        {
            if is_first {
                work.put(StatementLine { statement_id: self.statement_id, ..(**known).clone() });
            }
            return Ok((known.id, known.standing, is_first));
        }
        let id = match &known {
            Some(known) => known.id,
            None => StatementLineId(work.new_id()?),
        };
        let ReportedLine { kind, line_id, request_id, reference, .. } = line.clone();
        work.put(StatementLine {
            id,
            network_account_id: self.account_id,
            statement_id: match &known {
                Some(known) if !is_first => known.statement_id,
                _ => self.statement_id,
            },
            identity: *identity,
            kind,
            line_id,
            request_id: request_id.map(NetworkRequestId),
            reference,
            amount: line.amount,
            settled: line.settled,
            fee: line.fee,
            occurred_at: line.occurred_at,
            standing: verdict.standing,
            merchant_id: payment.map(|(merchant, _)| merchant),
            execution_id: payment.map(|(_, execution)| execution),
            event_id: None,
        });
        Ok((id, verdict.standing, is_first))
    }

    /// Whether a line was read in a statement that did not come to its end: nobody can accept that
    /// one, so its lines are of the next one that has them.
    fn is_of_unfinished(&self, known: &StatementLine, work: &Workspace) -> Result<bool, Stop> {
        if known.statement_id == self.statement_id || known.event_id.is_some() {
            return Ok(false);
        }
        let statement = work.require::<Statement>(known.statement_id)?;
        Ok(statement.status != StatementStatus::Complete)
    }
}

impl Decision for RecordMissing {
    type Output = Recorded;

    fn hints(&self) -> Vec<RowKey> {
        let key = |missing: &MissingPayment| {
            let subject = Fingerprint(missing.request_id.0);
            RowKey::Difference(Lookup::AltKey((
                self.account_id,
                DifferenceKind::MissingThere,
                subject,
            )))
        };
        self.payments.iter().map(key).collect()
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<Recorded, Stop> {
        let mut recorded = Recorded::default();
        for missing in &self.payments {
            let about = About {
                statement_id: self.statement_id,
                subject: Fingerprint(missing.request_id.0),
                line_id: None,
                payment: Some((missing.merchant_id, missing.execution_id)),
            };
            let is_new = open(self.account_id, about, &missing.found, work, context.now)?;
            recorded.differences += i64::from(is_new);
        }
        Ok(recorded)
    }
}

struct About {
    statement_id: StatementId,
    subject: Fingerprint,
    line_id: Option<StatementLineId>,
    payment: Option<(MerchantId, ExecutionId)>,
}

/// Opens a difference. One that is open says from now on what was found last; one that had closed by
/// itself is open again; one that an operator has closed stays closed. Whether it is open now and was
/// not before.
fn open(
    account: NetworkAccountId,
    about: About,
    found: &Found,
    work: &mut Workspace,
    now: ServerTime,
) -> Result<bool, Stop> {
    if let Some(known) = work.find::<Difference>(&(account, found.kind, about.subject))? {
        let is_open = known.status == DifferenceStatus::Open;
        if !is_open && known.resolution != Some(DifferenceResolution::Agreed) {
            return Ok(false);
        }
        let again = Difference {
            merchant_id: about.payment.map(|(merchant, _)| merchant),
            execution_id: about.payment.map(|(_, execution)| execution),
            status: DifferenceStatus::Open,
            ours: found.ours,
            theirs: found.theirs,
            reason: found.reason.clone(),
            resolution: None,
            evidence: None,
            found_at: if is_open { known.found_at } else { now },
            closed_at: None,
            ..(*known).clone()
        };
        if again != *known {
            work.put(again);
        }
        mutant!(DifferenceTwice => find_again((account, found.kind, about.subject), work)?);
        return Ok(!is_open);
    }
    let id = DifferenceId(work.new_id()?);
    work.put(Difference {
        id,
        network_account_id: account,
        kind: found.kind,
        subject: about.subject,
        statement_id: about.statement_id,
        line_id: about.line_id,
        merchant_id: about.payment.map(|(merchant, _)| merchant),
        execution_id: about.payment.map(|(_, execution)| execution),
        status: DifferenceStatus::Open,
        ours: found.ours,
        theirs: found.theirs,
        reason: found.reason.clone(),
        resolution: None,
        evidence: None,
        event_id: None,
        found_at: now,
        closed_at: None,
    });
    Ok(true)
}

/// Closes a difference that is none any more. If it is of another line, that one agrees from now on.
fn settle(
    key: (NetworkAccountId, DifferenceKind, Fingerprint),
    is_of_other: bool,
    work: &mut Workspace,
    now: ServerTime,
) -> Result<(), Stop> {
    let Some(known) = work.find::<Difference>(&key)? else { return Ok(()) };
    if known.status == DifferenceStatus::Closed {
        return Ok(());
    }
    work.put(known.closed(DifferenceResolution::Agreed, "both sides agree now", now));
    if let Some(line) = known.line_id.filter(|_| is_of_other) {
        let line = (*work.require::<StatementLine>(line)?).clone();
        work.put(StatementLine { standing: LineStanding::Matched, ..line });
    }
    Ok(())
}
