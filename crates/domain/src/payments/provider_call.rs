//! A call at a provider: built from committed rows, so that a retry says the same.

use crate::decision::workspace::{Stop, Workspace};
use crate::directory::merchant::Merchant;
use crate::directory::payment_account::PaymentAccount;
use crate::kernel::ids::{ExecutionId, MerchantId};
use crate::kernel::money::Money;
use crate::kernel::names::{Method, Mode, Operation, Provider};
use crate::kernel::time::Timestamp;
use crate::payments::execution::Execution;
use sha2::{Digest, Sha256};

/// The id under which a provider knows a request: the first 16 bytes of SHA-256 of the
/// installation, the execution and the operation, as a UUID of version 4. A retry after a crash is
/// the same request, and two installations never collide.
#[must_use]
pub fn provider_request_id(
    installation: &[u8; 16],
    id: ExecutionId,
    operation: Operation,
) -> String {
    let hash = Sha256::new()
        .chain_update(installation)
        .chain_update(id.0.to_be_bytes())
        .chain_update(operation.as_str())
        .finalize();
    let mut hex = String::with_capacity(36);
    for (i, byte) in hash.iter().take(16).enumerate() {
        let byte = match i {
            6 => (byte & 0x0f) | 0x40,
            8 => (byte & 0x3f) | 0x80,
            _ => *byte,
        };
        if matches!(i, 4 | 6 | 8 | 10) {
            hex.push('-');
        }
        hex.push_str(&format!("{byte:02x}"));
    }
    hex
}

/// What a provider is asked to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CallKind {
    /// Carry the request out.
    Send,
    /// Say what became of it.
    Query,
    /// Cancel it, then say what became of it.
    Cancel,
}

/// All that a provider needs to know of an execution. Built from committed rows, so that a retry
/// says the same.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProviderRequest {
    pub merchant_id: MerchantId,
    pub execution_id: ExecutionId,
    pub operation: Operation,
    /// The id under which the provider knows it.
    pub request_id: String,
    /// Refund: the id under which the provider knows the collection.
    pub original_request_id: Option<String>,
    pub method: Method,
    /// The payer's or payee's number.
    pub account_number: Option<String>,
    /// The method of the operator that the number is given to by the tariff, where it knows one.
    /// The sandbox goes by it; a real network knows better, for numbers are ported.
    pub operator: Option<Method>,
    /// How much is moved outside.
    pub amount: Money,
    /// How often it was sent, this time included.
    pub attempts: i64,
    /// When it was last sent, merchant time.
    pub sent_at: Timestamp,
    /// Whether it waits for the payer.
    pub requires_action: bool,
    /// Whether it was asked to be canceled.
    pub cancel_asked: bool,
    /// Merchant time now.
    pub time: Timestamp,
}

/// Work at a provider that a commit has made due.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProviderCall {
    /// At which network.
    pub provider: Provider,
    /// In which mode.
    pub mode: Mode,
    /// Server time until which the call may be begun: from then on another process may begin one.
    pub lease_until: Timestamp,
    /// What to do.
    pub kind: CallKind,
    /// For what.
    pub request: ProviderRequest,
}

/// The call at a provider for an execution, from its rows.
///
/// # Errors
/// [`Stop::NotLoaded`], [`Stop::Inconsistent`].
pub fn build(
    execution: &Execution,
    account: Option<&PaymentAccount>,
    kind: CallKind,
    work: &Workspace,
    now: Timestamp,
) -> Result<ProviderCall, Stop> {
    let merchant = work.require::<Merchant>(execution.merchant_id)?;
    let account_number = match (account, execution.payment_account_id) {
        (Some(account), _) => account.account_number.clone(),
        (None, Some(id)) => work.require::<PaymentAccount>(id)?.account_number.clone(),
        (None, None) => None,
    };
    let original_request_id = match execution.original_execution_id {
        Some(id) => Some(work.require::<Execution>(id)?.provider_request_id.clone()),
        None => None,
    };
    let time = merchant.time(now);
    Ok(ProviderCall {
        provider: execution.provider,
        mode: merchant.mode,
        lease_until: execution.lease_until.unwrap_or(now),
        kind,
        request: ProviderRequest {
            merchant_id: execution.merchant_id,
            execution_id: execution.id,
            operation: execution.operation,
            request_id: execution.provider_request_id.clone(),
            original_request_id,
            method: execution.method,
            operator: account_number
                .as_deref()
                .and_then(|number| work.tariff.operator(number, now))
                .map(|row| row.method),
            account_number,
            amount: execution.outside_amount(),
            attempts: execution.attempts,
            sent_at: execution.sent_at.unwrap_or(time),
            requires_action: execution.requires_action,
            cancel_asked: execution.cancel_asked,
            time,
        },
    })
}
