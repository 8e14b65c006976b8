//! Calls to providers, built from committed rows, so that a retry sends the same request.

use crate::decision::workspace::{Stop, Workspace};
use crate::directory::merchant::Merchant;
use crate::directory::payment_account::PaymentAccount;
use crate::kernel::ids::{ExecutionId, MerchantId, NetworkAccountId};
use crate::kernel::money::Money;
use crate::kernel::names::{Method, Mode, Operation, Provider};
use crate::kernel::time::{MerchantTime, ServerTime};
use crate::kernel::trace::TraceContext;
use crate::kernel::uuids::{Fingerprint, NetworkRequestId, ReferenceId};
use crate::network_accounts::account::Parameters;
use crate::payments::attempt::{LEASE_US, NetworkPayment, ProviderAttempt};
use crate::payments::execution::Execution;
use crate::tariff::Tariff;

/// The idempotency key of a request at its network: the first 16 bytes of SHA-256 over the
/// installation, the merchant, the caller's own idempotency key and the operation, as a version 4
/// UUID. A retry after a crash has the same key, and two installations never collide. The key does
/// not depend on a number that the database gives: a database that lost its last moments gives such
/// a number again, to another payment.
#[must_use]
pub fn network_request_id(
    installation: &[u8; 16],
    merchant: MerchantId,
    reference: ReferenceId,
    operation: Operation,
) -> NetworkRequestId {
    let fingerprint = Fingerprint::of(&[
        installation,
        &merchant.0.to_be_bytes(),
        reference.0.as_bytes(),
        operation.as_str().as_bytes(),
    ]);
    let bytes = fingerprint.0.into_bytes();
    NetworkRequestId(uuid::Builder::from_random_bytes(bytes).into_uuid())
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
    /// [`network_request_id`]; payments made before it was introduced have another id.
    pub request_id: NetworkRequestId,
    /// Refund: the request id of the collection.
    pub original_request_id: Option<NetworkRequestId>,
    /// The trace of the request that began the payment, if that is traced.
    pub trace: Option<TraceContext>,
    pub method: Method,
    /// The payer's or payee's number.
    pub account_number: Option<String>,
    /// The method of the operator that the tariff assigns the number to, if any. Only the sandbox
    /// uses it: a real network knows the operator, since numbers are ported.
    pub operator: Option<Method>,
    pub amount: Money,
    /// How often it was sent, including this time.
    pub send_count: i64,
    /// When it was last sent, merchant time.
    pub sent_at: MerchantTime,
    /// Whether the payer has to authenticate it.
    pub requires_action: bool,
    /// Whether its cancellation was requested.
    pub cancel_asked: bool,
    /// Whether the payer pays on a page of ours. A card is then entered on a page of the network, to
    /// which ours leads.
    pub from_page: bool,
    /// What a real network must be told besides.
    pub details: Box<RequestDetails>,
    /// Merchant time now.
    pub time: MerchantTime,
}

/// What a real network must be told of a payment; the sandbox needs none of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RequestDetails {
    pub network_account_id: NetworkAccountId,
    /// The caller's own idempotency key.
    pub reference_id: ReferenceId,
    /// The name that payers know.
    pub merchant_name: String,
    /// Which parameters the account's requests have.
    pub parameters: Parameters,
    /// The network's own code of the operator; `None` for a card.
    pub network_code: Option<String>,
    /// How many decimals the network takes.
    pub decimals: u32,
    /// The network's own id of this request, if it is known.
    pub reference: Option<String>,
    /// Refund: the network's own id of the collection, if it is known.
    pub original_reference: Option<String>,
    /// The body of the request as it was first sent.
    pub body: Option<String>,
    /// The page that the payer comes back to. Known only when the body is written.
    pub page: Option<ReturnPage>,
    /// When the request may first have reached the network.
    pub created_at: MerchantTime,
}

/// The page of ours that the network's page leads back to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReturnPage {
    pub url: String,
    /// When it ends.
    pub ends_at: Option<MerchantTime>,
}

/// Writes the body of the request with which a payment is first sent to a real network. The domain
/// knows no network's words, and the body must be on disk with the payment, so that it is repeated
/// word by word whatever changes afterwards. `Err` says why the network cannot be asked.
#[derive(Clone, Copy, Debug)]
pub struct WriteBody(pub fn(Provider, &ProviderRequest) -> Result<String, String>);

impl Default for WriteBody {
    fn default() -> Self {
        Self(|network, _| Err(format!("{network} is not connected")))
    }
}

/// All of them write the same.
impl PartialEq for WriteBody {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for WriteBody {}

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

/// Builds the call for a payment. `account` is its payment account, if the caller has it at hand.
///
/// # Errors
/// [`Stop::NotLoaded`], [`Stop::Inconsistent`].
pub fn build(
    payment: &NetworkPayment,
    account: Option<&PaymentAccount>,
    kind: CallKind,
    work: &Workspace,
    now: ServerTime,
) -> Result<ProviderCall, Stop> {
    let NetworkPayment { execution, attempt } = payment;
    let merchant = work.require::<Merchant>(execution.merchant_id)?;
    let account_number = match (account, execution.payment_account_id()) {
        (Some(account), _) => account.account_number.clone(),
        (None, Some(id)) => work.require::<PaymentAccount>(id)?.account_number.clone(),
        (None, None) => None,
    };
    let (original_request_id, original_reference) = match execution.original_execution_id() {
        Some(id) => {
            let reference = work.require::<Execution>(id)?.provider_transaction_id.clone();
            (Some(work.require::<ProviderAttempt>(id)?.request_id), reference)
        }
        None => (None, None),
    };
    let time = merchant.time(now);
    Ok(ProviderCall {
        provider: execution.provider,
        mode: merchant.mode,
        lease_until: attempt.lease_until.unwrap_or(now),
        kind,
        request: ProviderRequest {
            merchant_id: execution.merchant_id,
            execution_id: execution.id,
            operation: execution.operation(),
            request_id: attempt.request_id,
            original_request_id,
            trace: attempt.trace,
            method: execution.method,
            operator: account_number
                .as_deref()
                .and_then(|number| work.tariff.operator(number, now))
                .map(|row| row.method),
            account_number,
            amount: execution.outside_amount(),
            send_count: attempt.send_count,
            sent_at: attempt.sent_at.unwrap_or(time),
            requires_action: attempt.requires_action,
            cancel_asked: attempt.cancel_asked,
            from_page: attempt.page_id.is_some(),
            details: Box::new(RequestDetails {
                network_account_id: attempt.network_account_id,
                reference_id: execution.reference_id,
                merchant_name: merchant.shown_name().to_owned(),
                parameters: work.tariff.parameters(attempt.network_account_id),
                network_code: work.tariff.network_code(execution.method).map(str::to_owned),
                decimals: decimals(execution, attempt, &work.tariff),
                reference: attempt.network_reference.clone(),
                original_reference,
                body: attempt.body.clone(),
                page: None,
                created_at: execution.created_at,
            }),
            time,
        },
    })
}

/// How many decimals the network takes of the amount that moves outside.
fn decimals(execution: &Execution, attempt: &ProviderAttempt, tariff: &Tariff) -> u32 {
    let currency = execution.outside_amount().currency;
    let terms = tariff.network_code(execution.method).and_then(|code| {
        let account = attempt.network_account_id;
        tariff.operator_terms(account, code, currency, execution.operation())
    });
    terms.map_or(currency.exponent(), |terms| u32::try_from(terms.decimals).unwrap_or(0))
}

/// Takes the lease of a payment to ask its network how it stands, or to cancel it (`kind`). Returns the
/// call to make under the lease.
///
/// # Errors
/// [`Stop::NotLoaded`], [`Stop::Inconsistent`].
pub(crate) fn take_lease(
    payment: NetworkPayment,
    kind: CallKind,
    work: &mut Workspace,
    time: MerchantTime,
    now: ServerTime,
) -> Result<ProviderCall, Stop> {
    let attempt = ProviderAttempt {
        cancel_asked: kind == CallKind::Cancel,
        asked_at: Some(time),
        next_check_at: Some(time.plus(LEASE_US)),
        lease_until: Some(now.plus(LEASE_US)),
        ..payment.attempt
    };
    let payment = NetworkPayment { attempt, ..payment };
    let call = build(&payment, None, kind, work, now)?;
    work.put(payment.attempt);
    Ok(call)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_at_a_network_is_a_uuid_v4_that_differs_by_all_that_it_is_made_of() {
        let key = |number| ReferenceId(uuid::Uuid::from_u128(number));
        let of = |installation: u8, merchant, reference, operation| {
            network_request_id(&[installation; 16], MerchantId(merchant), reference, operation)
        };
        let id = of(0, 1, key(1), Operation::Payout);
        assert_eq!(id.0.get_version(), Some(uuid::Version::Random));
        assert_eq!(id.0.get_variant(), uuid::Variant::RFC4122);
        assert_eq!(id, of(0, 1, key(1), Operation::Payout));
        assert_ne!(id, of(1, 1, key(1), Operation::Payout));
        assert_ne!(id, of(0, 2, key(1), Operation::Payout));
        assert_ne!(id, of(0, 1, key(2), Operation::Payout));
        assert_ne!(id, of(0, 1, key(1), Operation::Refund));
    }
}
