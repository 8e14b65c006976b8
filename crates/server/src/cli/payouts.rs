//! `kola payouts`: payouts and refunds that wait.

use clap::Subcommand;
use domain::kernel::ids::MerchantId;
use domain::kernel::uuids::ReferenceId;
use domain::payments::attempt::WithAttempt;
use domain::payments::cancel_enqueued::CancelEnqueued;
use serde_json::json;

use crate::api::fields::{FromValue, Reference};
use crate::cli::{Target, output};

#[derive(Subcommand)]
pub enum Payouts {
    /// Take a payout or refund back that waits: in pawaPay's queue, because its operator is delayed, or
    /// here, because it could not be sent yet. What is at the network fails only when the network says
    /// so.
    CancelEnqueued {
        /// The reference_id of the execution.
        #[arg(value_parser = reference)]
        reference: ReferenceId,
        /// The merchant's id.
        #[arg(long)]
        merchant: i64,
    },
}

pub(super) fn reference(text: &str) -> Result<ReferenceId, String> {
    Reference::read(&json!(text))
        .map(|reference| reference.0)
        .map_err(|_| "a UUID of version 4".to_owned())
}

impl Payouts {
    pub fn run(self, target: &Target) -> anyhow::Result<()> {
        let Self::CancelEnqueued { reference, merchant } = self;
        drop(target.open_existing()?);
        let merchant_id = MerchantId(merchant);
        let command = CancelEnqueued { merchant_id, reference_id: reference };
        let WithAttempt { execution, attempt } = target.run_once(command)?;
        let text = match attempt {
            Some(_) => {
                "the network is asked to take it out of its queue; whether it did, the execution says"
            }
            None => "it was not sent yet, and has failed",
        };
        output::done(
            &json!({ "execution": execution.id.0, "status": execution.status.as_str() }),
            text,
        )
    }
}
