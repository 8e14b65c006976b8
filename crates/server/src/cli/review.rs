//! `kola review`: a provider contradicted itself, or never gave a final word, and a human decides.

use anyhow::{Context, bail};
use clap::{ArgGroup, Subcommand, ValueEnum};
use domain::command::{Answer, Command};
use domain::ids::ReviewId;
use domain::review::Resolution;
use serde_json::json;

use super::{Place, print_json};

#[derive(Subcommand)]
pub enum Review {
    /// The open reviews, oldest first.
    List {
        /// Answer in JSON.
        #[arg(long)]
        json: bool,
    },
    /// Resolve one. It acts as the provider's word.
    #[command(group(ArgGroup::new("how").required(true)))]
    Resolve {
        /// The review's id.
        id: i64,
        /// The payment completed or failed: for one without a final word.
        #[arg(long, group = "how", value_enum)]
        outcome: Option<Outcome>,
        /// Where money in suspense belongs: to the merchant's wallet, or back to the payer outside.
        #[arg(long, group = "how", value_enum)]
        to: Option<To>,
        /// What shows it: a statement, a ticket, a call.
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

impl Review {
    pub fn run(self, place: &Place) -> anyhow::Result<()> {
        match self {
            Self::List { json } => list(place, json),
            Self::Resolve { id, outcome, to, evidence } => resolve(place, ReviewId(id), outcome, to, evidence.trim()),
        }
    }
}

fn list(place: &Place, as_json: bool) -> anyhow::Result<()> {
    drop(place.open_existing()?);
    let reviews = place.read(async |queries| queries.open_reviews().await)?;
    if as_json {
        let rows = reviews.iter().map(|(review, execution)| {
            json!({
                "id": review.id.0,
                "merchant_id": review.merchant_id.0,
                "execution_id": execution.id.0,
                "reference_id": execution.reference_id,
                "kind": review.kind.as_str(),
                "status": review.status.as_str(),
                "amount": review.amount.to_string(),
                "currency": review.amount.currency.code(),
                "reason": review.reason,
                "created_at": format!("{:.6}", review.created_at),
            })
        });
        print_json(&rows.collect());
        return Ok(());
    }
    if reviews.is_empty() {
        println!("no open reviews");
    }
    for (review, execution) in reviews {
        println!("{}  {}  {} {}  in suspense", review.id, review.kind, review.amount, review.amount.currency);
        println!("    {} {} of merchant {}", execution.operation, execution.reference_id, review.merchant_id);
        println!("    {}", review.reason);
    }
    Ok(())
}

fn resolve(place: &Place, id: ReviewId, outcome: Option<Outcome>, to: Option<To>, evidence: &str) -> anyhow::Result<()> {
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
    drop(place.open_existing()?);
    match place.run_once(Command::ResolveReview(id, how, evidence.to_owned())).with_context(|| format!("review {id}"))? {
        Answer::Review(review) => println!("review {} is resolved: {}", review.id, review.resolution.unwrap_or_default()),
        other => bail!("unexpected answer {other:?}"),
    }
    Ok(())
}
