//! Executions: sessions carried out.

pub(crate) mod passcode;

use axum::Json;
use axum::extract::State;
use domain::directory::principal::{Caller, Principal};
use domain::kernel::currency::Currency;
use domain::kernel::ids::{PaymentAccountId, SessionId};
use domain::kernel::names::Operation;
use domain::kernel::refusal::{Refusal, Subject};
use domain::payments::attempt::{Gate, ProviderAttempt, UNAPPROVED_US, WithAttempt};
use domain::payments::execute::{Execute, Executed, OperationDetails};
use domain::payments::execution::ExecutionStatus;
use domain::payments::provider_call::ProviderCall;
use domain::payments::reserve_passcode_attempt::ReservePasscodeAttempt;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::api::describe::op;
use crate::api::error::ApiError;
use crate::api::extract::Body;
use crate::api::fields::{Code, Deferred, Fault, Id, Name, Part, Reference};
use crate::api::passcode::{PasscodeCheck, check_code};
use crate::api::refusals::{self, FieldOf};
use crate::api::response::{Amount, JsonResult, Time};
use crate::api::routes::Routes;
use crate::app::App;
use crate::net::principal::Tenant;
use crate::payload;
use crate::request_id;
pub use passcode::{PasscodeDevice, PasscodeToken, VerifyPasscode};

payload! {
    /// Executes a checkout session: collects from the payer.
    pub struct ExecuteCollection {
        /// The session.
        session_id: Id,
        /// The payer's account.
        payment_account_id: Id,
        /// The payer's currency.
        currency: Currency,
        /// The idempotency key: a UUID of version 4, chosen by the caller.
        reference_id: Reference,
    }

    /// Executes a payout session.
    pub struct ExecutePayout {
        /// The session.
        session_id: Id,
        /// If given, it must be the session's account.
        payout_account_id: Option<Id>,
        /// The idempotency key: a UUID of version 4, chosen by the caller.
        reference_id: Reference,
        /// Required if the merchant has set a passcode.
        passcode: Deferred<VerifyPasscode>,
    }

    /// Executes a transfer or refund session.
    pub struct ExecuteSession {
        /// The session.
        session_id: Id,
        /// The idempotency key: a UUID of version 4, chosen by the caller.
        reference_id: Reference,
    }
}

/// Where a request to execute names what is refused. The session stands for all that is not named
/// besides it: its source, wallet, amount and so on.
const fn field_of(details: OperationDetails) -> FieldOf {
    match details {
        OperationDetails::Collection { .. } => collection_field,
        OperationDetails::Payout { .. } => payout_field,
        OperationDetails::Transfer | OperationDetails::Refund => session_field,
    }
}

/// The account of a collection has a wallet and a method, for which there may be no fee.
pub(crate) const fn collection_field(refusal: &Refusal) -> Option<&'static str> {
    match refusal.subject() {
        Subject::Account | Subject::AccountWallet | Subject::Method => Some("payment_account_id"),
        Subject::Currency => Some("currency"),
        _ => session_field(refusal),
    }
}

/// The account of a payout is the session's. One that the request names can only be another one.
pub(crate) const fn payout_field(refusal: &Refusal) -> Option<&'static str> {
    match refusal {
        Refusal::AccountMismatch => Some("payout_account_id"),
        _ => session_field(refusal),
    }
}

const fn session_field(refusal: &Refusal) -> Option<&'static str> {
    Some(match refusal {
        Refusal::DuplicateReference => "reference_id",
        // Clients know it by this name, though only a collection has such a field.
        Refusal::NoRate { .. } | Refusal::CurrencyMismatch { .. } => "currency",
        _ => "session_id",
    })
}

/// An execution.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ExecutionAnswer")]
pub struct ExecutionResponse {
    reference_id: String,
    status: Name<ExecutionStatus>,
    // For a refund: what it holds of the wallet while in progress, and what it took once completed.
    payer_amount: Amount,
    payer_currency: Code,
    payee_currency: Code,
    payee_amount: Amount,
    operation_type: Name<Operation>,
    provider_transaction_id: Option<String>,
    gateway_message: Option<String>,
    wallet_message: Option<String>,
    client_secret: Option<String>,
    #[schemars(
        description = "Only present beside a `client_secret` of Stripe: the key with which Stripe.js uses it in the payer's \
                       browser."
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    publishable_key: Option<String>,
    requires_action: bool,
    payment_intent_id: i64,
    #[schemars(
        description = "Only present if true: the collection failed, and a review found that it was paid after all. \
                       It counts as\ncompleted: its invoice or order is paid, and it can be refunded."
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    settled_by_review: Option<bool>,
    /// Why it is not final, when it is checked again, and when it goes to review, or fails if nobody has
    /// approved it.
    #[serde(flatten)]
    waiting: Option<PendingDetails>,
}

#[derive(Serialize, JsonSchema)]
struct PendingDetails {
    waiting_for: Option<String>,
    next_check_at: Option<Time>,
    deadline_at: Time,
}

impl ExecutionResponse {
    /// An execution that may wait for the payer's browser.
    #[must_use]
    pub fn new(app: &App, found: WithAttempt) -> Self {
        let key = found.attempt.as_ref().and_then(|attempt| publishable_key(app, attempt));
        Self { publishable_key: key, ..Self::from(found) }
    }
}

/// The key with which Stripe.js uses the client secret of an attempt. The sandbox has none, and a
/// payer on a page of Stripe's needs none.
fn publishable_key(app: &App, attempt: &ProviderAttempt) -> Option<String> {
    if attempt.client_secret.is_none() || attempt.page_id.is_some() {
        return None;
    }
    let called = app.dispatcher.networks().accounts.get(attempt.network_account_id)?;
    called.account.credentials.publishable_key.clone()
}

impl From<WithAttempt> for ExecutionResponse {
    fn from(WithAttempt { execution, attempt }: WithAttempt) -> Self {
        let paid = execution.paid();
        let (operation, settled_by_review_at) =
            (execution.operation(), execution.settled_by_review_at());
        // What waits for an approval ends with it. Between wallets there is no attempt.
        let of_approval = execution.created_at.plus(UNAPPROVED_US);
        let deadline_at = match &attempt {
            Some(attempt) if attempt.gate != Some(Gate::Approval) => attempt.deadline_at,
            _ => of_approval,
        };
        let waiting = (!execution.status.is_final()).then(|| PendingDetails {
            waiting_for: execution.waiting_for,
            next_check_at: attempt
                .as_ref()
                .and_then(|attempt| attempt.next_check_at)
                .map(Time::from),
            deadline_at: Time::from(deadline_at),
        });
        Self {
            reference_id: execution.reference_id.to_string(),
            status: Name(execution.status),
            payer_amount: Amount(paid),
            payer_currency: Code(paid.currency),
            payee_currency: Code(execution.payee.currency),
            payee_amount: Amount(execution.payee),
            operation_type: Name(operation),
            provider_transaction_id: execution.provider_transaction_id,
            gateway_message: execution.gateway_message,
            wallet_message: execution.wallet_message,
            requires_action: attempt.as_ref().is_some_and(|attempt| attempt.requires_action),
            client_secret: attempt.and_then(|attempt| attempt.client_secret),
            publishable_key: None,
            payment_intent_id: execution.id.0,
            settled_by_review: settled_by_review_at.map(|_| true),
            waiting,
        }
    }
}

/// The execution after the provider's first outcome, if it arrives within `answer_within`;
/// otherwise the execution as committed. The provider call continues in either case.
pub async fn first_outcome(
    app: &App,
    committed: WithAttempt,
    job: Option<ProviderCall>,
) -> WithAttempt {
    let Some(job) = job else { return committed };
    match tokio::time::timeout(app.config.answer_within, app.dispatcher.spawn(job)).await {
        Ok(Ok(Some(execution))) => execution,
        _ => committed,
    }
}

async fn execute(app: &App, caller: Caller, request: Execute) -> Result<WithAttempt, ApiError> {
    let refused = ApiError::on_fields(field_of(request.details));
    let executed = app.engine.submit(caller, request).await.map_err(refused)?;
    let Executed { execution, attempt, call, .. } = executed;
    Ok(first_outcome(app, WithAttempt { execution, attempt }, call).await)
}

async fn execute_payout(
    app: &App,
    caller: Caller,
    request: Execute,
    code: Option<String>,
) -> Result<WithAttempt, ApiError> {
    let Some(code) = code else { return execute(app, caller, request).await };
    let reserve =
        ReservePasscodeAttempt { execute: request.clone(), api_key_id: caller.api_key_id };
    let by = (caller.merchant_id, Principal::ApiKey(caller));
    match check_code(app, by, &reserve, &code).await? {
        PasscodeCheck::Replayed(found) => Ok(*found),
        PasscodeCheck::NotSet => execute(app, caller, request).await,
        PasscodeCheck::Correct(_) => {
            let details = match request.details {
                OperationDetails::Payout { account_id, .. } => {
                    OperationDetails::Payout { account_id, passcode_verified: true }
                }
                other => other,
            };
            execute(app, caller, Execute { details, ..request }).await
        }
    }
}

/// Runs what makes a payment in its own task: whoever asked may go away without canceling a payment
/// that has begun.
///
/// # Errors
/// [`ApiError`] when it panics.
pub async fn run_to_completion<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> Result<T, ApiError> {
    let done = request_id::spawn(work).await;
    done.map_err(|_| ApiError::internal("a payment's task panicked"))
}

fn request(
    tenant: &Tenant,
    session_id: Id,
    reference: Reference,
    details: OperationDetails,
) -> Execute {
    Execute {
        merchant_id: tenant.id(),
        reference_id: reference.0,
        session_id: SessionId(session_id.0),
        details,
        shown: None,
    }
}

async fn collection(
    State(app): State<App>,
    tenant: Tenant,
    Body(payload): Body<ExecuteCollection>,
) -> JsonResult<ExecutionResponse> {
    let account_id = PaymentAccountId(payload.payment_account_id.0);
    let details = OperationDetails::Collection { account_id, currency: payload.currency };
    let request = request(&tenant, payload.session_id, payload.reference_id, details);
    let own = app.clone();
    let done =
        run_to_completion(async move { execute(&own, tenant.caller, request).await }).await?;
    Ok(Json(ExecutionResponse::new(&app, done?)))
}

async fn payout(
    State(app): State<App>,
    tenant: Tenant,
    Body(payload): Body<ExecutePayout>,
) -> JsonResult<ExecutionResponse> {
    let account_id = payload.payout_account_id.map(|id| PaymentAccountId(id.0));
    let details = OperationDetails::Payout { account_id, passcode_verified: false };
    let request = request(&tenant, payload.session_id, payload.reference_id, details);
    let (code, malformed) = match payload.passcode.0 {
        Ok(passcode) => (passcode.map(|passcode| passcode.token.code.0), None),
        Err(kind) => (None, Some(kind)),
    };
    let done = run_to_completion(async move {
        let done = execute_payout(&app, tenant.caller, request, code).await;
        match (done, malformed) {
            // A passcode was given, but it is malformed. This is only an error where the merchant
            // has set a passcode.
            (Err(ApiError::Forbidden(message)), Some(kind))
                if message == refusals::message(&Refusal::PasscodeRequired) =>
            {
                let faults = Fault::spread(Part::Name("passcode"), kind);
                Err(ApiError::Invalid(
                    faults.into_iter().map(|fault| fault.under(Part::Name("body"))).collect(),
                ))
            }
            (done, _) => done,
        }
    })
    .await?;
    Ok(Json(done?.into()))
}

async fn transfer(
    State(app): State<App>,
    tenant: Tenant,
    Body(payload): Body<ExecuteSession>,
) -> JsonResult<ExecutionResponse> {
    let request =
        request(&tenant, payload.session_id, payload.reference_id, OperationDetails::Transfer);
    // Final in its commit, or it waits for an approval: nothing follows that a client who goes away
    // could stop.
    Ok(Json(execute(&app, tenant.caller, request).await?.into()))
}

async fn refund(
    State(app): State<App>,
    tenant: Tenant,
    Body(payload): Body<ExecuteSession>,
) -> JsonResult<ExecutionResponse> {
    let request =
        request(&tenant, payload.session_id, payload.reference_id, OperationDetails::Refund);
    let done =
        run_to_completion(async move { execute(&app, tenant.caller, request).await }).await?;
    Ok(Json(done?.into()))
}

const ONCE: &str = "Repeating the call with the same `reference_id` returns the same execution and does nothing twice. An execution is \
    `PENDING` (on disk), `PROCESSING` (the provider has it, or may have it), `COMPLETED` or `FAILED`; the last two never change. \
    If the wallet has too little money, a `FAILED` execution is recorded. Every other refusal leaves session and key unused.";

/// An idempotency key for the examples.
const KEY: &str = "3f2a9c1e-5b7d-4e8a-9f60-1c2d3e4f5a6b";

#[must_use]
pub fn routes() -> Routes {
    Routes::new()
        .post(
            "/v1/executions/collection",
            collection,
            op("execute_collection", "Execute a checkout session").details(ONCE).example(json!({
                "session_id": 1, "payment_account_id": 1, "currency": "USD", "reference_id": KEY,
            })),
        )
        .post(
            "/v1/executions/payout",
            payout,
            op("execute_payout", "Execute a payout session")
                .details(ONCE)
                .example(json!({ "session_id": 1, "reference_id": KEY }))
                .or(403),
        )
        .post(
            "/v1/executions/transfer",
            transfer,
            op("execute_transfer", "Execute a transfer session")
                .details(ONCE)
                .example(json!({ "session_id": 1, "reference_id": KEY }))
                .or(403),
        )
        .post(
            "/v1/executions/refund",
            refund,
            op("execute_refund", "Execute a refund session")
                .details(ONCE)
                .example(json!({ "session_id": 1, "reference_id": KEY }))
                .or(403),
        )
}

#[cfg(test)]
mod tests;
