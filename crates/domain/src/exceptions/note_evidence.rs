//! Noting evidence for a dispute, for whoever answers the payer's bank.

use crate::decision::event::{EventEntity, EventType};
use crate::decision::events;
use crate::decision::use_case::{Context, Decision};
use crate::decision::workspace::{Stop, Workspace};
use crate::directory::roles::Action;
use crate::exceptions::review::{Review, ReviewKind, ReviewStatus};
use crate::kernel::checked::sum;
use crate::kernel::ids::ReviewId;
use crate::kernel::refusal::Refusal;

/// The longest evidence, in characters.
pub const EVIDENCE_MAX: usize = 4_000;
/// How many pieces of evidence a dispute has at most: a page shows all of them.
pub const NOTES_MAX: i64 = 100;

/// Notes a piece of evidence. It is kept as an event of the review and sent to nobody: a network takes
/// evidence in its dashboard.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NoteEvidence {
    pub review_id: ReviewId,
    pub text: String,
}

impl Decision for NoteEvidence {
    type Output = Review;

    /// Who asks networks and answers payers answers their banks.
    fn action(&self) -> Option<Action> {
        Some(Action::FollowUp)
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<Review, Stop> {
        let review = (*work.get::<Review>(self.review_id)?.ok_or(Refusal::NotFound)?).clone();
        let why = match (review.kind, review.status) {
            (ReviewKind::Dispute, ReviewStatus::Open) if review.dispute_notes < NOTES_MAX => None,
            (ReviewKind::Dispute, ReviewStatus::Open) => Some("it has 100 pieces of evidence"),
            (ReviewKind::Dispute, ReviewStatus::Resolved) => Some("it is resolved"),
            _ => Some("it is not about a dispute"),
        };
        if let Some(why) = why {
            return Err(Refusal::EvidenceNotTaken { why }.into());
        }
        let review = Review { dispute_notes: sum(review.dispute_notes, 1)?, ..review };
        work.put(review.clone());
        let entity = (EventEntity::Review, review.id.0);
        let note = Some(self.text.clone());
        let kind = EventType::ReviewEvidenceNoted;
        events::record(review.merchant_id, kind, entity, note, work, context.now)?;
        Ok(review)
    }
}
