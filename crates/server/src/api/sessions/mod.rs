//! Sessions: declared intents.

pub(crate) mod answers;
pub(crate) mod payloads;

use answers::{
    CheckoutSessionAnswer, PayoutSessionAnswer, RefundSessionAnswer, SessionView,
    TransferSessionAnswer,
};

pub(crate) use answers::SessionAnswer;
pub use payloads::{
    AnyPayoutSession, CreateCheckoutSession, CreatePayoutSession, CreatePayoutSessionToAccount,
    CreateRefundSession, CreateTransferSession, ListSessions,
};

use std::collections::HashMap;

use axum::Json;
use axum::extract::State;
use domain::decision::command::{Command, Output};
use domain::kernel::ids::{SessionId, SourceId};
use domain::kernel::time::Timestamp;
use domain::payments::create_session::NewSession;
use domain::payments::session::{Session, SessionKind};
use domain::sales::source::SourceType;
use serde_json::json;

use crate::api::answer::{Answered, Listed, page, submit};
use crate::api::describe::op;
use crate::api::error::ApiError;
use crate::api::extract::{Body, PathSegment, PathSegmentAndId, Query};
use crate::api::fields::Payload;
use crate::api::listing::Listing;
use crate::api::routes::Routes;
use crate::app::App;
use crate::net::principal::Tenant;

/// What declares an intent, with what the session then is as an answer.
trait Declares: Payload + Into<NewSession> + Send + 'static {
    /// A session of that kind.
    type Answer: SessionView;
}

impl Declares for CreateCheckoutSession {
    type Answer = CheckoutSessionAnswer;
}

impl Declares for AnyPayoutSession {
    type Answer = PayoutSessionAnswer;
}

impl Declares for CreateTransferSession {
    type Answer = TransferSessionAnswer;
}

impl Declares for CreateRefundSession {
    type Answer = RefundSessionAnswer;
}

/// Declares an intent; the payload's type says of which kind.
async fn create<P: Declares>(
    State(app): State<App>,
    tenant: Tenant,
    Body(payload): Body<P>,
) -> Answered<P::Answer> {
    let request = payload.into();
    let source_type = match &request {
        NewSession::Checkout { kind, .. } => Some(*kind),
        NewSession::Payout { .. } | NewSession::Transfer { .. } | NewSession::Refund { .. } => None,
    };
    let session =
        submit!(app, tenant.caller, Command::CreateSession(tenant.id(), request), Output::Session);
    Ok(Json(P::Answer::new(session, source_type, tenant.time())))
}

/// What the sources of sessions are, asked once for all.
async fn source_types(
    app: &App,
    tenant: &Tenant,
    of: &[Session],
) -> Result<HashMap<SourceId, SourceType>, ApiError> {
    let mut sources: Vec<SourceId> = of.iter().filter_map(|session| session.source_id).collect();
    sources.sort_unstable();
    sources.dedup();
    Ok(app.queries.source_types(tenant.id(), &sources).await?.into_iter().collect())
}

fn answer_with(
    types: &HashMap<SourceId, SourceType>,
    session: Session,
    time: Timestamp,
) -> SessionAnswer {
    let source_type = session.source_id.and_then(|id| types.get(&id).copied());
    SessionAnswer::new(session, source_type, time)
}

/// A stored session as an answer.
pub(crate) async fn answer(
    app: &App,
    tenant: &Tenant,
    session: Session,
) -> Result<SessionAnswer, ApiError> {
    let types = source_types(app, tenant, std::slice::from_ref(&session)).await?;
    Ok(answer_with(&types, session, tenant.time()))
}

async fn retrieve(
    State(app): State<App>,
    tenant: Tenant,
    PathSegmentAndId(kind, id): PathSegmentAndId<SessionKind>,
) -> Answered<SessionAnswer> {
    let found = app.queries.session(tenant.id(), kind, SessionId(id)).await?;
    Ok(Json(answer(&app, &tenant, found.ok_or(ApiError::NotFound)?).await?))
}

async fn list_all(
    State(app): State<App>,
    listing: Listing,
    PathSegment(kind): PathSegment<SessionKind>,
    Query(query): Query<ListSessions>,
) -> Listed<SessionAnswer> {
    let page = page(query.limit, query.after_id);
    let found = app.queries.sessions(listing.tenant.id(), kind, page).await?;
    let types = source_types(&app, &listing.tenant, &found.rows).await?;
    let time = listing.tenant.time();
    listing.answer(page, found, |session| answer_with(&types, session, time), SessionAnswer::id)
}

async fn cancel(
    State(app): State<App>,
    tenant: Tenant,
    PathSegmentAndId(kind, id): PathSegmentAndId<SessionKind>,
) -> Answered<SessionAnswer> {
    let command = Command::CancelSession(tenant.id(), kind, SessionId(id));
    match app.engine.submit(tenant.caller, command).await.map_err(ApiError::on_path)? {
        Output::Session(session) => Ok(Json(answer(&app, &tenant, session).await?)),
        _ => Err(ApiError::another_answer()),
    }
}

/// Until when sessions are good, in examples. Within 366 days: whoever tries one out puts a time of
/// their own.
const UNTIL: &str = "2027-01-01T00:00:00Z";

/// What a caller must know of a payout's two forms.
const DIALECTS: &str = "In either of two forms: with `wallet_id`, `payment_account_id` and `expires_at`, or with \
    `payout_account_id` alone, for which the server takes the merchant's wallet of the currency and a quarter of an hour, \
    if its operator has not set another time.";

/// Declaring, reading, listing and withdrawing intents.
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
        .post("/v1/sessions/{kind}/cancel/{id}", cancel, op("cancel_session", "Withdraw a session"))
}
