//! Approvals: payouts and transfers above the merchant's limit, which a second person has to approve.

use axum::Json;
use axum::extract::State;
use domain::directory::roles::Action;
use domain::kernel::ids::ApprovalId;
use domain::kernel::names::Operation;
use domain::kernel::time::MerchantTime;
use domain::payments::approval::{Approval, ApprovalLimit, ApprovalStatus};
use domain::payments::decide_approval::{Approve, Decided, Refuse};
use domain::payments::execution::{Execution, ExecutionStatus};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::api::describe::op;
use crate::api::executions::{first_outcome, run_to_completion};
use crate::api::extract::{Ids, OptionalBody, Query};
use crate::api::fields::{Code, Id, Name, Text};
use crate::api::listing::Listing;
use crate::api::payment_intents::ActorResponse;
use crate::api::response::{Amount, JsonResult, Limit, ListResult, Time, page};
use crate::api::routes::Routes;
use crate::app::App;
use crate::net::principal::Tenant;
use crate::payload;

crate::api_names! { ApprovalStatus ApprovalLimit }

payload! {
    /// Refuses a payment.
    pub struct RefuseApproval {
        /// Why, for who requested it.
        note: Option<Text<255>>,
    }

    /// The page of approvals.
    pub struct ListApprovals {
        /// Only those with this status: `REQUESTED` for what waits.
        status: Option<ApprovalStatus>,
        /// The maximum number of entries in the answer.
        limit: Option<Limit>,
        /// The id of the last entry of the previous page.
        after_id: Option<Id>,
    }
}

/// A payment that a second person has to approve, and what became of it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ApprovalAnswer")]
pub struct ApprovalResponse {
    id: i64,
    status: Name<ApprovalStatus>,
    /// The limit that it is above: of one `PAYMENT`, or of its wallet's `DAY`.
    above: Name<ApprovalLimit>,
    payment_intent_id: i64,
    /// That of the payment.
    reference_id: String,
    operation_type: Name<Operation>,
    /// What the recipient gets.
    amount: Amount,
    currency: Code,
    /// The state of the payment. One that was approved may still fail.
    execution_status: Name<ExecutionStatus>,
    requested_by: ActorResponse,
    /// Who approved or refused it; nobody when it expired.
    decided_by: Option<ActorResponse>,
    note: Option<String>,
    decided_at: Option<Time>,
    /// When it fails if nobody answers.
    expires_at: Time,
    created_at: Time,
}

impl ApprovalResponse {
    fn new((approval, execution): (Approval, Execution)) -> Self {
        let time = |at: MerchantTime| Time::from(at);
        Self {
            id: approval.id.0,
            status: Name(approval.status),
            above: Name(approval.above),
            payment_intent_id: execution.id.0,
            reference_id: execution.reference_id.to_string(),
            operation_type: Name(execution.operation()),
            amount: Amount(execution.payee),
            currency: Code(execution.payee.currency),
            execution_status: Name(execution.status),
            requested_by: approval.requested_by.into(),
            decided_by: approval.decided_by.map(Into::into),
            decided_at: approval.decided_at.map(time),
            expires_at: time(approval.expires_at()),
            created_at: time(approval.created_at),
            note: approval.note,
        }
    }
}

/// The answer as the payment is after its provider's first word, if that arrives in time.
pub async fn sent(app: &App, decided: Decided) -> (Approval, Execution) {
    let Decided { approval, payment, call } = decided;
    (approval, first_outcome(app, payment, call).await.execution)
}

async fn list_all(
    State(app): State<App>,
    listing: Listing,
    Query(query): Query<ListApprovals>,
) -> ListResult<ApprovalResponse> {
    let page = page(query.limit, query.after_id);
    let reads = listing.tenant.reads(&app, Action::ReadPayments)?;
    let found = reads.approvals(query.status, page).await?;
    listing.respond(page, found, ApprovalResponse::new, |row| row.id)
}

async fn approve(
    State(app): State<App>,
    tenant: Tenant,
    Ids([id]): Ids<1>,
) -> JsonResult<ApprovalResponse> {
    let command = Approve { merchant_id: tenant.id(), approval_id: ApprovalId(id) };
    let done = run_to_completion(async move {
        let decided = app.engine.submit(tenant.caller, command).await?;
        Ok(sent(&app, decided).await)
    });
    done.await?.map(|found| Json(ApprovalResponse::new(found)))
}

async fn refuse(
    State(app): State<App>,
    tenant: Tenant,
    Ids([id]): Ids<1>,
    OptionalBody(payload): OptionalBody<RefuseApproval>,
) -> JsonResult<ApprovalResponse> {
    let command = Refuse {
        merchant_id: tenant.id(),
        approval_id: ApprovalId(id),
        note: payload.note.map(|note| note.0),
    };
    let Decided { approval, payment, .. } = app.engine.submit(tenant.caller, command).await?;
    Ok(Json(ApprovalResponse::new((approval, payment.execution))))
}

#[must_use]
pub fn routes() -> Routes {
    Routes::new()
        .get(
            "/v1/approvals/list",
            list_all,
            op("list_approvals", "List approvals").details(
                "Payouts and transfers above a limit of the merchant, the newest first. Their executions are \
                 `PENDING` with `waiting_for: approval`, and the money is held.",
            ),
        )
        .post(
            "/v1/approvals/approve/{id}",
            approve,
            op("approve_payment", "Approve a payout or transfer")
                .details(
                    "It is sent at the price of the request. Nobody approves what they requested, and a key counts \
                     as who made it. Repeating the call changes nothing.",
                )
                .or(403),
        )
        .post(
            "/v1/approvals/refuse/{id}",
            refuse,
            op("refuse_payment", "Refuse a payout or transfer")
                .details("It is `FAILED`, and what it held is released. Who requested it may take it back so.")
                .example(json!({ "note": "twice the same invoice" }))
                .or(403),
        )
}
