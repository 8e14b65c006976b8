//! Accepting a statement: from then on what it says is booked.

use crate::decision::use_case::{Context, Decision};
use crate::decision::workspace::{Stop, Workspace};
use crate::directory::roles::Action;
use crate::kernel::ids::StatementId;
use crate::kernel::refusal::Refusal;
use crate::reconciliation::statement::{Statement, StatementStatus};

/// Accepts a statement. Its lines are booked afterwards, some at a time; see
/// [`PostLines`](crate::reconciliation::post_lines::PostLines). Repeating it changes nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AcceptStatement {
    pub statement_id: StatementId,
}

impl Decision for AcceptStatement {
    type Output = Statement;

    fn action(&self) -> Option<Action> {
        Some(Action::ManageInstallation)
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<Statement, Stop> {
        let statement = work.get::<Statement>(self.statement_id)?.ok_or(Refusal::NotFound)?;
        if statement.accepted_at.is_some() {
            return Ok((*statement).clone());
        }
        if statement.status != StatementStatus::Complete {
            return Err(Refusal::StatementState {
                needs: "it was not read to its end: read it again",
            }
            .into());
        }
        let statement = Statement { accepted_at: Some(context.now), ..(*statement).clone() };
        work.put(statement.clone());
        Ok(statement)
    }
}
