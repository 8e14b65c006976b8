//! `kola payouts`: payouts and refunds that wait, and stopping all of them.

use clap::Subcommand;
use domain::kernel::ids::MerchantId;
use domain::kernel::uuids::ReferenceId;
use domain::payments::attempt::WithAttempt;
use domain::payments::cancel_enqueued::CancelEnqueued;
use domain::payments::payouts_stop::{ResumePayouts, StopPayouts};
use serde_json::json;

use crate::api::fields::{FromValue, Reference, typed_name};
use crate::cli::{Target, output};

/// How long a reason may be, in characters.
const SAID_MAX: usize = 200;

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
    /// Stop what leaves the installation: payouts and refunds through a network, of all merchants. New
    /// ones are refused; those that were not sent yet wait. Collections and payments between wallets go
    /// on.
    Stop {
        /// Why, for the record.
        #[arg(long, value_parser = said)]
        reason: String,
    },
    /// Let payouts and refunds go on that were stopped, by hand or because the ledger is broken.
    Resume {
        /// Why that is right, for the record: what was found and put right.
        #[arg(long, value_parser = said)]
        evidence: String,
    },
}

/// Words for the record.
fn said(text: &str) -> Result<String, String> {
    typed_name(text, SAID_MAX)
        .map_err(|fault| fault.sentence("it", &format!("use 1 to {SAID_MAX} characters")))
}

pub(super) fn reference(text: &str) -> Result<ReferenceId, String> {
    Reference::read(&json!(text))
        .map(|reference| reference.0)
        .map_err(|_| "a UUID of version 4".to_owned())
}

impl Payouts {
    pub fn run(self, target: &Target) -> anyhow::Result<()> {
        drop(target.open_existing()?);
        match self {
            Self::CancelEnqueued { reference, merchant } => {
                cancel_enqueued(target, reference, merchant)
            }
            Self::Stop { reason } => stop(target, reason),
            Self::Resume { evidence } => resume(target, evidence),
        }
    }
}

fn stop(target: &Target, reason: String) -> anyhow::Result<()> {
    let stop = target.run_once(StopPayouts { reason })?;
    let json = json!({ "stopped_since": stop.since.to_string(), "reason": stop.reason });
    let text = format!(
        "payouts and refunds are stopped since {}: {}\n`kola payouts resume` lets them go on",
        stop.since, stop.reason
    );
    output::done(&json, &text)
}

fn resume(target: &Target, evidence: String) -> anyhow::Result<()> {
    let ended = target.run_once(ResumePayouts { evidence })?;
    let since = ended.as_ref().map(|stop| stop.since.to_string());
    let reason = ended.as_ref().map(|stop| &stop.reason);
    let json = json!({ "was_stopped_since": since, "reason": reason });
    let text = match &ended {
        Some(stop) => format!(
            "payouts and refunds go on; they were stopped since {}: {}\nWhat waited is sent within seconds. A \
             verification stops them again if the ledger is still broken and the server runs with --stop-on-violation",
            stop.since, stop.reason
        ),
        None => "payouts and refunds were not stopped".to_owned(),
    };
    output::done(&json, &text)
}

fn cancel_enqueued(target: &Target, reference: ReferenceId, merchant: i64) -> anyhow::Result<()> {
    let merchant_id = MerchantId(merchant);
    let command = CancelEnqueued { merchant_id, reference_id: reference };
    let WithAttempt { execution, attempt } = target.run_once(command)?;
    let text = match attempt {
        Some(_) => {
            "the network is asked to take it out of its queue; whether it did, the execution says"
        }
        None => "it was not sent yet, and has failed",
    };
    output::done(&json!({ "execution": execution.id.0, "status": execution.status.as_str() }), text)
}
