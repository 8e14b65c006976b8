//! Closing a difference: an operator says why it is right, or that the network is.

use crate::decision::event::{EventEntity, EventType};
use crate::decision::events;
use crate::decision::row::Lookup;
use crate::decision::use_case::{Context, Decision, LockKey};
use crate::decision::workspace::{RowKey, Stop, Workspace};
use crate::directory::roles::Action;
use crate::kernel::ids::{DifferenceId, MerchantId};
use crate::kernel::refusal::Refusal;
use crate::ledger::post;
use crate::ledger::recipes;
use crate::mutant;
use crate::reconciliation::difference::{
    Difference, DifferenceKind, DifferenceResolution, DifferenceStatus,
};
use crate::reconciliation::line::{LineStanding, StatementLine};

/// Closes an open difference.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CloseDifference {
    pub difference_id: DifferenceId,
    /// Whether what differs is booked: the network is right.
    pub book: bool,
    pub evidence: String,
}

impl Decision for CloseDifference {
    type Output = Difference;

    fn action(&self) -> Option<Action> {
        Some(Action::ManageInstallation)
    }

    fn lock_key(&self) -> Option<LockKey> {
        Some(LockKey { key: RowKey::Difference(Lookup::Id(self.difference_id)), owner: None })
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<Difference, Stop> {
        let known = work.get::<Difference>(self.difference_id)?.ok_or(Refusal::NotFound)?;
        if known.status != DifferenceStatus::Open {
            return Err(
                Refusal::StatementState { needs: "the difference was closed before" }.into()
            );
        }
        if self.book && known.kind == DifferenceKind::FeeDiffers {
            return Err(Refusal::StatementState {
                needs: "the fee is booked when the statement is accepted; close it as explained",
            }
            .into());
        }
        let now = context.now;
        let entity = (EventEntity::Statement, known.statement_id.0);
        let kind = EventType::DifferenceClosed;
        let how =
            if self.book { DifferenceResolution::Booked } else { DifferenceResolution::Explained };
        let note = Some(format!("{} {}: {}", known.kind.as_str(), known.id, how.as_str()));
        let event = events::record(MerchantId::INSTALLATION, kind, entity, note, work, now)?;
        let mut closed = known.closed(how, &self.evidence, now);
        if self.book || mutant!(ExplainedBooked) {
            post::post(event, None, &recipes::difference(&closed)?, work, now)?;
            closed.event_id = Some(event);
        }
        work.put(closed.clone());
        if let Some(line) = known.line_id {
            let line = (*work.require::<StatementLine>(line)?).clone();
            work.put(StatementLine { standing: LineStanding::Explained, ..line });
        }
        Ok(closed)
    }
}
