//! Payments as lists show them: each with whom it is with, and while it is under way with its
//! attempt.

use std::collections::HashMap;

use domain::directory::roles::Action;
use domain::kernel::ids::{ExecutionId, PaymentAccountId, SessionId};
use domain::kernel::money::Money;
use domain::kernel::names::Operation;
use domain::payments::attempt::{ProviderAttempt, WithAttempt};
use domain::payments::execution::Execution;
use store::reads::executions::ExecutionFilter;
use store::reads::pages::{Page, PageOfRows};
use store::reads::scope::MerchantReads;

use crate::api::error::ApiError;
use crate::app::App;
use crate::net::csv::Table;
use crate::net::principal::Tenant;

/// Whom a payment is with: its payer, or who is paid. As whoever reads may see them.
#[derive(Clone, Default)]
pub struct Other {
    pub name: String,
    /// The number of a phone or the network's name of a card.
    pub number: Option<String>,
}

/// A payment of a list.
pub struct Payment {
    pub execution: Execution,
    /// While it is under way.
    pub attempt: Option<ProviderAttempt>,
    pub other: Other,
}

/// What a payment changes of the merchant's wallet: below zero for what is taken from it. What
/// failed changes nothing.
#[must_use]
pub fn net(execution: &Execution) -> Money {
    let taken = execution.paid();
    match execution.operation() {
        Operation::Collection => execution.payee,
        Operation::Payout | Operation::Transfer | Operation::Refund => {
            Money::new(taken.minor.saturating_neg(), taken.currency)
        }
    }
}

/// A page of the merchant's payments, newest first.
///
/// # Errors
/// [`ApiError`].
pub async fn read(
    reads: &MerchantReads<'_>,
    filter: ExecutionFilter,
    page: Page,
) -> Result<PageOfRows<Payment>, ApiError> {
    let found = reads.executions(filter, page).await?;
    let rows = with_others(reads, found.rows).await?;
    Ok(PageOfRows { rows, scanned_to: found.scanned_to })
}

/// Executions in their order, each with whom it is with. All that belongs to them is read by one
/// statement each.
///
/// # Errors
/// [`ApiError`].
pub async fn with_others(
    reads: &MerchantReads<'_>,
    executions: Vec<Execution>,
) -> Result<Vec<Payment>, ApiError> {
    let attempts = reads.open_attempts(&executions).await?;
    let mut attempts: HashMap<ExecutionId, ProviderAttempt> =
        attempts.into_iter().map(|attempt| (attempt.execution_id, attempt)).collect();
    let accounts = reads.payment_accounts_of(&executions).await?;
    let accounts: HashMap<PaymentAccountId, Other> = accounts
        .into_iter()
        .map(|account| {
            (account.id, Other { name: account.account_name, number: account.account_number })
        })
        .collect();
    let recipients = reads.recipients_of_transfers(&executions).await?;
    let recipients: HashMap<SessionId, Other> = recipients
        .into_iter()
        .filter_map(|(id, name)| Some((id, Other { name: name?, number: None })))
        .collect();
    let rows = executions.into_iter().map(|execution| {
        let other = match execution.payment_account_id() {
            Some(account) => accounts.get(&account),
            None => recipients.get(&execution.session_id),
        };
        let other = other.cloned().unwrap_or_default();
        Payment { attempt: attempts.remove(&execution.id), execution, other }
    });
    Ok(rows.collect())
}

impl From<Payment> for WithAttempt {
    fn from(Payment { execution, attempt, .. }: Payment) -> Self {
        Self { execution, attempt }
    }
}

/// The columns of payments as CSV.
pub const HEAD: &[&str] = &[
    "id",
    "created_at",
    "completed_at",
    "reference_id",
    "operation_type",
    "status",
    "settled_by_review_at",
    "name",
    "number",
    "method",
    "amount",
    "currency",
    "net",
    "net_currency",
    "platform_fee",
    "gateway_fee",
    "fx_fee",
    "provider_transaction_id",
    "waiting_for",
    "message",
];

/// The cells of a payment.
#[must_use]
pub fn cells(Payment { execution, attempt: _, other }: &Payment) -> Vec<String> {
    let time = |at: Option<_>| at.map(|at| format!("{at:.6}")).unwrap_or_default();
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let currency = execution.wallet_currency();
    let fee = |minor| Money::new(minor, currency).to_string();
    let (amount, net) = (execution.outside_amount(), net(execution));
    let message = execution.gateway_message.as_ref().or(execution.wallet_message.as_ref());
    vec![
        execution.id.to_string(),
        time(Some(execution.created_at)),
        time(execution.completed_at),
        execution.reference_id.to_string(),
        execution.operation().to_string(),
        execution.status.to_string(),
        time(execution.settled_by_review_at()),
        other.name.clone(),
        text(&other.number),
        execution.method.to_string(),
        amount.to_string(),
        amount.currency.to_string(),
        net.to_string(),
        net.currency.to_string(),
        fee(execution.platform_fee_minor),
        fee(execution.gateway_fee_minor),
        fee(execution.fx_fee_minor),
        text(&execution.provider_transaction_id),
        text(&execution.waiting_for),
        message.cloned().unwrap_or_default(),
    ]
}

/// The payments of a merchant, as an API key reads them.
pub struct OfKey {
    pub app: App,
    pub tenant: Tenant,
    pub filter: ExecutionFilter,
}

impl Table for OfKey {
    type Row = Execution;
    const HEAD: &'static [&'static str] = HEAD;

    async fn page(&self, page: Page) -> Result<PageOfRows<Execution>, ApiError> {
        // The answer may take long.
        self.tenant.holds(&self.app).await?;
        let reads = self.tenant.reads(&self.app, Action::ReadWallets)?;
        Ok(reads.executions(self.filter, page).await?)
    }

    fn app(&self) -> &App {
        &self.app
    }

    fn id(execution: &Execution) -> i64 {
        execution.id.0
    }

    async fn cells(&self, rows: Vec<Execution>) -> Result<Vec<Vec<String>>, ApiError> {
        let reads = self.tenant.reads(&self.app, Action::ReadWallets)?;
        Ok(with_others(&reads, rows).await?.iter().map(cells).collect())
    }
}
