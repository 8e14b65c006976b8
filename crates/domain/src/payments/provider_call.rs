//! Calls to providers, built from committed rows, so that a retry sends the same request.

use crate::decision::workspace::{Stop, Workspace};
use crate::directory::merchant::Merchant;
use crate::directory::payment_account::PaymentAccount;
use crate::kernel::ids::{ExecutionId, MerchantId};
use crate::kernel::money::Money;
use crate::kernel::names::{Method, Mode, Operation, Provider};
use crate::kernel::time::{MerchantTime, ServerTime};
use crate::payments::execution::Execution;
use sha2::{Digest, Sha256};

/// The idempotency key of a request at its provider: the first 16 bytes of SHA-256 over the
/// installation, the execution and the operation, as a version 4 UUID. A retry after a crash has the
/// same key, and two installations never collide.
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

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CallKind {
    /// Send the payment request.
    Send,
    /// Query its status.
    Query,
    /// Request its cancellation, then query its status.
    Cancel,
}

/// All that a provider needs to know of an execution.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProviderRequest {
    pub merchant_id: MerchantId,
    pub execution_id: ExecutionId,
    pub operation: Operation,
    /// [`provider_request_id`].
    pub request_id: String,
    /// Refund: the request id of the collection.
    pub original_request_id: Option<String>,
    pub method: Method,
    /// The payer's or payee's number.
    pub account_number: Option<String>,
    /// The method of the operator that the tariff assigns the number to, if any. Only the sandbox
    /// uses it: a real network knows the operator, since numbers are ported.
    pub operator: Option<Method>,
    pub amount: Money,
    /// How often it was sent, including this time.
    pub attempts: i64,
    /// When it was last sent, merchant time.
    pub sent_at: MerchantTime,
    /// Whether the payer has to authenticate it.
    pub requires_action: bool,
    /// Whether its cancellation was requested.
    pub cancel_asked: bool,
    /// Merchant time now.
    pub time: MerchantTime,
}

/// A call that a commit has made due.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProviderCall {
    pub provider: Provider,
    pub mode: Mode,
    /// Server time until which the call may be started. After that another process may start one.
    pub lease_until: ServerTime,
    pub kind: CallKind,
    pub request: ProviderRequest,
}

/// Builds the call for an execution. `account` is its payment account, if the caller has it at hand.
///
/// # Errors
/// [`Stop::NotLoaded`], [`Stop::Inconsistent`].
pub fn build(
    execution: &Execution,
    account: Option<&PaymentAccount>,
    kind: CallKind,
    work: &Workspace,
    now: ServerTime,
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
