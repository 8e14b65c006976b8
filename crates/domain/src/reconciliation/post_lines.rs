//! Booking the lines of an accepted statement: each once.

use crate::decision::event::{EventEntity, EventType};
use crate::decision::events;
use crate::decision::row::Lookup;
use crate::decision::use_case::{Context, Decision, LockKey};
use crate::decision::workspace::{RowKey, Stop, Workspace};
use crate::kernel::ids::{MerchantId, StatementId, StatementLineId};
use crate::ledger::post;
use crate::ledger::postings::{Leg, Postings};
use crate::ledger::recipes;
use crate::mutant;
use crate::reconciliation::line::StatementLine;
use crate::reconciliation::statement::Statement;

/// How many lines one command books at most. They have one transaction together, with one entry for
/// each account: what each of them has to do with it is computed from the line.
pub const AT_ONCE: usize = 200;

/// Books lines of a statement that was accepted. Those that were booked before, and those that somebody
/// has to explain first, are left alone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PostLines {
    pub statement_id: StatementId,
    /// At most [`AT_ONCE`].
    pub lines: Vec<StatementLineId>,
}

impl Decision for PostLines {
    /// How many were booked.
    type Output = usize;

    fn lock_key(&self) -> Option<LockKey> {
        Some(LockKey { key: RowKey::Statement(Lookup::Id(self.statement_id)), owner: None })
    }

    fn hints(&self) -> Vec<RowKey> {
        self.lines.iter().map(|id| RowKey::StatementLine(Lookup::Id(*id))).collect()
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<usize, Stop> {
        let statement = work.require::<Statement>(self.statement_id)?;
        if statement.accepted_at.is_none() {
            return Ok(0);
        }
        let mut due = vec![];
        for id in &self.lines {
            let line = work.require::<StatementLine>(*id)?;
            let again = mutant!(StatementLineTwice);
            if line.statement_id == statement.id
                && (line.event_id.is_none() || again)
                && line.standing.is_settled()
            {
                due.push(line);
            }
        }
        if due.is_empty() {
            return Ok(0);
        }
        let mut legs: Vec<Leg> = vec![];
        for line in &due {
            for leg in recipes::statement_line(line) {
                add(&mut legs, leg)?;
            }
        }
        let entity = (EventEntity::Statement, statement.id.0);
        let kind = EventType::StatementPosted;
        let event =
            events::record(MerchantId::INSTALLATION, kind, entity, None, work, context.now)?;
        post::post(event, None, &Postings::balanced(legs)?, work, context.now)?;
        for line in &due {
            work.put(StatementLine { event_id: Some(event), ..(**line).clone() });
        }
        Ok(due.len())
    }
}

/// Adds a leg to the one on the same balance, if there is one.
fn add(legs: &mut Vec<Leg>, leg: Leg) -> Result<(), Stop> {
    let same =
        |other: &&mut Leg| other.target == leg.target && other.money.currency == leg.money.currency;
    match legs.iter_mut().find(same) {
        Some(known) => {
            known.money.minor = crate::kernel::checked::sum(known.money.minor, leg.money.minor)?
        }
        None => legs.push(leg),
    }
    Ok(())
}
