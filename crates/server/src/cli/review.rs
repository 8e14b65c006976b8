//! `kola review`: a provider contradicted itself or never gave a final outcome, and a person
//! decides.

use anyhow::bail;
use clap::{ArgGroup, Subcommand, ValueEnum};
use domain::exceptions::note_evidence::{EVIDENCE_MAX, NoteEvidence};
use domain::exceptions::resolve_review::ResolveReview;
use domain::exceptions::review::{Resolution, Review, ReviewKind};
use domain::kernel::ids::ReviewId;
use serde_json::json;
use store::reads::scope::OperatorReads;

use crate::cli::Target;
use crate::cli::output::{self, moment};

#[derive(Subcommand)]
pub enum Reviews {
    /// List the open reviews, oldest first.
    List {
        /// Only disputes, those that have to be answered first at the top.
        #[arg(long)]
        disputes: bool,
    },
    /// Note evidence for an open dispute. It is sent to nobody: answer the dispute in the network's
    /// dashboard.
    Note {
        /// The review's id.
        id: i64,
        /// What proves that the payment was in order, at most 4000 characters.
        #[arg(long)]
        evidence: String,
    },
    /// Resolve a review. The decision counts as the provider's outcome.
    #[command(group(ArgGroup::new("how").required(true)))]
    Resolve {
        /// The review's id.
        id: i64,
        /// Whether the payment completed or failed, if its provider gave no final outcome.
        #[arg(long, group = "how", value_enum)]
        outcome: Option<Outcome>,
        /// Where the money in suspense goes: to the merchant's wallet, or back to the payer
        /// outside. A failed collection that was paid in full after all is settled by `wallet`,
        /// with its fees, and its invoice or order is paid.
        #[arg(long, group = "how", value_enum)]
        to: Option<To>,
        /// What the decision is based on: a statement, a ticket, a call.
        #[arg(long)]
        evidence: String,
    },
}

#[derive(Clone, Copy, ValueEnum)]
pub enum Outcome {
    Completed,
    Failed,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum To {
    Wallet,
    Payer,
}

impl Reviews {
    pub fn run(self, target: &Target) -> anyhow::Result<()> {
        match self {
            Self::List { disputes } => list(target, disputes),
            Self::Note { id, evidence } => note(target, ReviewId(id), evidence.trim()),
            Self::Resolve { id, outcome, to, evidence } => {
                resolve(target, ReviewId(id), outcome, to, evidence.trim())
            }
        }
    }
}

fn list(target: &Target, only_disputes: bool) -> anyhow::Result<()> {
    let read = async |reads: OperatorReads| match only_disputes {
        true => reads.open_disputes().await,
        false => reads.open_reviews().await,
    };
    let reviews = target.read_existing(read)?;
    let json = reviews.iter().map(|(review, execution)| {
        json!({
            "id": review.id.0,
            "merchant_id": review.merchant_id.0,
            "execution_id": execution.id.0,
            "reference_id": execution.reference_id.to_string(),
            "kind": review.kind.as_str(),
            "status": review.status.as_str(),
            "amount": review.amount.to_string(),
            "currency": review.amount.currency.code(),
            "reason": review.reason,
            "dispute_status": review.dispute_status,
            "dispute_reason": review.dispute_reason,
            "dispute_amount": review.disputed().map(|amount| amount.to_string()),
            "dispute_due_at": review.dispute_due_at.map(|at| format!("{at:.6}")),
            "dispute_link": review.dispute_link,
            "dispute_evidence_count": (review.kind == ReviewKind::Dispute).then_some(review.dispute_notes),
            "created_at": format!("{:.6}", review.created_at),
        })
    });
    let cells = reviews.iter().map(|(review, execution)| {
        let Review { id, merchant_id, kind, amount, reason, created_at, .. } = review;
        let suspense = format!("{amount} {}", amount.currency);
        let operation = execution.operation().as_str().to_owned();
        let (id, merchant, reference) =
            (id.to_string(), merchant_id.to_string(), execution.reference_id.to_string());
        [
            id,
            merchant,
            moment(*created_at),
            review.dispute_due_at.map(moment).unwrap_or_default(),
            kind.as_str().to_owned(),
            suspense,
            operation,
            reference,
            reason.clone(),
        ]
    });
    let head = [
        "id",
        "merchant",
        "since",
        "due",
        "kind",
        "in suspense",
        "operation",
        "reference_id",
        "reason",
    ];
    let text = output::table(head, &cells.collect::<Vec<_>>());
    let none = if only_disputes { "no open disputes" } else { "no open reviews" };
    output::tell(&json.collect(), if reviews.is_empty() { none } else { &text })
}

fn note(target: &Target, id: ReviewId, evidence: &str) -> anyhow::Result<()> {
    if evidence.is_empty() {
        bail!("--evidence is empty");
    }
    if evidence.chars().count() > EVIDENCE_MAX {
        bail!("--evidence is longer than {EVIDENCE_MAX} characters");
    }
    drop(target.open_existing()?);
    let command = NoteEvidence { review_id: id, text: evidence.to_owned() };
    let review = target.run_on("review", id, command)?;
    let count = review.dispute_notes;
    let json = json!({ "id": review.id.0, "dispute_evidence_count": count, "dispute_link": review.dispute_link });
    let place = review.dispute_link.as_deref().unwrap_or("the network's dashboard");
    let text = format!(
        "evidence {count} of review {} is noted; nothing was sent: answer at {place}",
        review.id
    );
    output::done(&json, &text)
}

fn resolve(
    target: &Target,
    id: ReviewId,
    outcome: Option<Outcome>,
    to: Option<To>,
    evidence: &str,
) -> anyhow::Result<()> {
    if evidence.is_empty() {
        bail!("--evidence is empty");
    }
    let how = match (outcome, to) {
        (Some(Outcome::Completed), _) => Resolution::Completed,
        (Some(Outcome::Failed), _) => Resolution::Failed,
        (None, Some(To::Wallet)) => Resolution::ToWallet,
        (None, Some(To::Payer)) => Resolution::ToPayer,
        (None, None) => bail!("say --outcome or --to"),
    };
    drop(target.open_existing()?);
    let command = ResolveReview { review_id: id, resolution: how, evidence: evidence.to_owned() };
    let review = target.run_on("review", id, command)?;
    let resolution = review.resolution.unwrap_or_default();
    let json =
        json!({ "id": review.id.0, "status": review.status.as_str(), "resolution": resolution });
    output::done(&json, &format!("review {} is resolved: {resolution}", review.id))
}
