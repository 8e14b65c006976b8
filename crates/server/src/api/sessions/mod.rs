//! Sessions: declared intents.

pub(crate) mod payloads;
pub(crate) mod responses;

use responses::{
    CheckoutSessionResponse, NewSessionResponse, PayoutSessionResponse, RefundSessionResponse,
    TransferSessionResponse,
};

pub use payloads::{
    AnyPayoutSession, CreateCheckoutSession, CreatePayoutSession, CreatePayoutSessionToAccount,
    CreateRefundSession, CreateTransferSession, ListSessions,
};
pub(crate) use responses::SessionResponse;

use std::collections::HashMap;

use axum::Json;
use axum::extract::State;
use domain::directory::roles::Action;
use domain::kernel::ids::{SessionId, SourceId};
use domain::kernel::time::MerchantTime;
use domain::payments::cancel_session::CancelSession;
use domain::payments::create_session::{self, NewSession};
use domain::payments::session::{Session, SessionKind};
use domain::sales::source::SourceType;
use schemars::JsonSchema;
use serde_json::json;

use crate::api::describe::op;
use crate::api::error::ApiError;
use crate::api::extract::{Body, PathSegment, PathSegmentAndId, Query};
use crate::api::fields::Payload;
use crate::api::listing::Listing;
use crate::api::refusals::{FieldOf, usual_field};
use crate::api::response::{JsonResult, ListResult, page};
use crate::api::routes::Routes;
use crate::app::App;
use crate::net::principal::Tenant;

/// A payload that declares a session, with the type of its response.
trait CreateSession: Payload + Into<NewSession> + Send + 'static {
    type Response: JsonSchema + Send + 'static;

    /// How this request names what may be refused.
    fn fields(&self) -> FieldOf {
        usual_field
    }
}

impl CreateSession for CreateCheckoutSession {
    type Response = CheckoutSessionResponse;

    fn fields(&self) -> FieldOf {
        payloads::checkout_field
    }
}

impl CreateSession for AnyPayoutSession {
    type Response = PayoutSessionResponse;

    fn fields(&self) -> FieldOf {
        match self {
            Self::Document(_) => usual_field,
            Self::Reference(_) => payloads::payout_to_account_field,
        }
    }
}

impl CreateSession for CreateTransferSession {
    type Response = TransferSessionResponse;

    fn fields(&self) -> FieldOf {
        payloads::transfer_field
    }
}

impl CreateSession for CreateRefundSession {
    type Response = RefundSessionResponse;
}

/// Declares a session of the kind that the payload's type says.
async fn create<P: CreateSession>(
    State(app): State<App>,
    tenant: Tenant,
    Body(payload): Body<P>,
) -> JsonResult<NewSessionResponse<P::Response>> {
    let refused = ApiError::on_fields(payload.fields());
    let request = payload.into();
    let source_type = match &request {
        NewSession::Checkout { kind, .. } => Some(*kind),
        NewSession::Payout { .. } | NewSession::Transfer { .. } | NewSession::Refund { .. } => None,
    };
    let command = create_session::CreateSession { merchant_id: tenant.id(), session: request };
    let session = app.engine.submit(tenant.caller, command).await.map_err(refused)?;
    Ok(Json(SessionResponse::new(session, source_type, tenant.time()).into()))
}

/// The types of the sessions' sources, with one query for all.
async fn source_types(
    app: &App,
    tenant: &Tenant,
    of: &[Session],
) -> Result<HashMap<SourceId, SourceType>, ApiError> {
    let mut sources: Vec<SourceId> = of.iter().filter_map(Session::source_id).collect();
    sources.sort_unstable();
    sources.dedup();
    Ok(tenant.reads(app, Action::ReadPayments)?.source_types(&sources).await?.into_iter().collect())
}

fn response_with(
    types: &HashMap<SourceId, SourceType>,
    session: Session,
    time: MerchantTime,
) -> SessionResponse {
    let source_type = session.source_id().and_then(|id| types.get(&id).copied());
    SessionResponse::new(session, source_type, time)
}

/// The response about a stored session.
pub(crate) async fn response(
    app: &App,
    tenant: &Tenant,
    session: Session,
) -> Result<SessionResponse, ApiError> {
    let types = source_types(app, tenant, std::slice::from_ref(&session)).await?;
    Ok(response_with(&types, session, tenant.time()))
}

async fn retrieve(
    State(app): State<App>,
    tenant: Tenant,
    PathSegmentAndId(kind, id): PathSegmentAndId<SessionKind>,
) -> JsonResult<SessionResponse> {
    let found = tenant.reads(&app, Action::ReadPayments)?.session(kind, SessionId(id)).await?;
    Ok(Json(response(&app, &tenant, found.ok_or(ApiError::NotFound)?).await?))
}

async fn list_all(
    State(app): State<App>,
    listing: Listing,
    PathSegment(kind): PathSegment<SessionKind>,
    Query(query): Query<ListSessions>,
) -> ListResult<SessionResponse> {
    let page = page(query.limit, query.after_id);
    let found = listing.tenant.reads(&app, Action::ReadPayments)?.sessions(kind, page).await?;
    let types = source_types(&app, &listing.tenant, &found.rows).await?;
    let time = listing.tenant.time();
    listing.respond(
        page,
        found,
        |session| response_with(&types, session, time),
        SessionResponse::id,
    )
}

async fn cancel(
    State(app): State<App>,
    tenant: Tenant,
    PathSegmentAndId(kind, id): PathSegmentAndId<SessionKind>,
) -> JsonResult<SessionResponse> {
    let command = CancelSession { merchant_id: tenant.id(), kind, session_id: SessionId(id) };
    let session =
        app.engine.submit(tenant.caller, command).await.map_err(ApiError::on_path("id"))?;
    Ok(Json(response(&app, &tenant, session).await?))
}

/// When sessions expire in the examples.
const UNTIL: &str = "2027-01-01T00:00:00Z";

const DIALECTS: &str = "The body has one of two forms: with `wallet_id`, `payment_account_id` and `expires_at`, or with \
    `payout_account_id` alone. The second form uses the merchant's wallet of the currency, and expires after a quarter of an \
    hour, or after the time that the operator has set.";

#[must_use]
pub fn routes() -> Routes {
    Routes::new()
        .post(
            "/v1/sessions/checkout",
            create::<CreateCheckoutSession>,
            op("create_checkout_session", "Declare a checkout").example(json!({ "source_id": 1, "source_type": "INVOICE" })),
        )
        .post(
            "/v1/sessions/payout",
            create::<AnyPayoutSession>,
            op("create_payout_session", "Declare a payout").details(DIALECTS).or(403).example(json!({
                "wallet_id": 1, "payment_account_id": 1, "amount": 500, "currency": "USD", "expires_at": UNTIL,
            })),
        )
        .post(
            "/v1/sessions/transfer",
            create::<CreateTransferSession>,
            op("create_transfer_session", "Declare a transfer").or(403).example(json!({
                "from_wallet_id": 1, "to_counterparty_id": 1, "amount": 25, "currency": "USD", "expires_at": UNTIL,
            })),
        )
        .post(
            "/v1/sessions/refund",
            create::<CreateRefundSession>,
            op("create_refund_session", "Declare a refund").or(403).example(json!({
                "original_payment_intent_id": 1, "amount": 40, "expires_at": UNTIL, "reason": "one item returned",
            })),
        )
        .get("/v1/sessions/{kind}/retrieve/{id}", retrieve, op("retrieve_session", "Read a session"))
        .get("/v1/sessions/{kind}/list", list_all, op("list_sessions", "List sessions of a kind"))
        .post("/v1/sessions/{kind}/cancel/{id}", cancel, op("cancel_session", "Cancel a session"))
}
