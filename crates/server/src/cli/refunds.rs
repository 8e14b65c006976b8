//! `kola refunds`: refunds that only the operator may make.

use anyhow::Context as _;
use clap::Subcommand;
use domain::kernel::ids::MerchantId;
use domain::kernel::money::Decimal;
use domain::kernel::names::Operation;
use domain::kernel::time::minutes;
use domain::kernel::uuids::ReferenceId;
use domain::payments::create_session::{CreateSession, NewSession};
use domain::payments::execute::{Execute, OperationDetails};
use serde_json::json;

use crate::cli::payouts::reference;
use crate::cli::{Target, output};
use store::clock;

/// How long the session lives that the refund is made by, in microseconds.
const SESSION_US: i64 = minutes(5);

#[derive(Subcommand)]
pub enum Refunds {
    /// Refund a payment for its merchant, also one that was exchanged longer ago than the merchant may
    /// refund it. A running server sends it within half a minute.
    Create {
        /// The reference_id of the payment.
        #[arg(value_parser = reference)]
        payment: ReferenceId,
        /// The merchant's id.
        #[arg(long)]
        merchant: i64,
        /// How much the payer gets back, in the currency that the payer paid in.
        #[arg(long)]
        amount: String,
        /// Why, for the merchant to read.
        #[arg(long)]
        reason: Option<String>,
    },
}

impl Refunds {
    pub fn run(self, target: &Target) -> anyhow::Result<()> {
        let Self::Create { payment, merchant, amount, reason } = self;
        let amount = Decimal::parse(&amount).context("--amount is not a number")?;
        let merchant_id = MerchantId(merchant);
        let (found, row) = target.read_existing(async |reads| {
            let reads_of = reads.of(merchant_id);
            let found = reads_of.execution_by_reference(Operation::Collection, payment).await?;
            Ok((found, reads.merchant(merchant_id).await?))
        })?;
        let original = found.context("this merchant has no such payment")?;
        let merchant = row.context("there is no such merchant")?;
        let expires_at = merchant.time(clock::now()).plus(SESSION_US);
        let session = NewSession::Refund { original_id: original.id, amount, expires_at, reason };
        let session = target.run_once(CreateSession { merchant_id, session })?;
        let reference_id =
            ReferenceId(uuid::Builder::from_random_bytes(clock::random()?).into_uuid());
        let done = target.run_once(Execute {
            merchant_id,
            reference_id,
            session_id: session.id,
            details: OperationDetails::Refund,
            shown: None,
        })?;
        let execution = done.execution;
        output::done(
            &json!({
                "execution": execution.id.0,
                "reference_id": reference_id.to_string(),
                "status": execution.status.as_str(),
            }),
            &format!("refund {reference_id} is {}", execution.status),
        )
    }
}
