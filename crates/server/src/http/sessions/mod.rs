//! Sessions: declared intents.

mod answers;
mod payloads;

pub(super) use answers::SessionAnswer;
pub use payloads::{
    AnyPayoutSession, CreateCheckoutSession, CreatePayoutSession, CreatePayoutSessionToAccount, CreateRefundSession,
    CreateTransferSession, ListSessions,
};

use std::collections::HashMap;

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use domain::command::{Answer, Command};
use domain::ids::{SessionId, SourceId};
use domain::session::{Declare, Session, SessionKind};
use domain::source::SourceType;

use super::answer::{Answered, list, page, submit};
use super::auth::Tenant;
use super::error::ApiError;
use super::extract::{Body, Query, WordAndId, Words};
use super::fields::Payload;
use super::routes::Routes;
use crate::app::App;

/// Declares an intent; the payload's type says of which kind.
async fn create<P>(State(app): State<App>, tenant: Tenant, Body(payload): Body<P>) -> Answered<SessionAnswer>
where
    P: Payload + Into<Declare> + Send + 'static,
{
    let request = payload.into();
    let source_type = match &request {
        Declare::Checkout { kind, .. } => Some(*kind),
        Declare::Payout { .. } | Declare::Transfer { .. } | Declare::Refund { .. } => None,
    };
    let session = submit!(app, Command::Declare(tenant.id(), request), Answer::Session);
    Ok(Json(SessionAnswer::new(session, source_type, tenant.time())))
}

/// The kind that a path names, in small letters.
fn kind_of(word: &str) -> Result<SessionKind, ApiError> {
    let kind = SessionKind::ALL.iter().find(|kind| kind.as_str().to_ascii_lowercase() == word);
    kind.copied().ok_or(ApiError::NotFound)
}

/// Which of the two a source of this merchant is.
async fn source_type(app: &App, tenant: &Tenant, id: SourceId) -> Result<Option<SourceType>, ApiError> {
    for kind in SourceType::ALL {
        if app.queries.source(tenant.id(), *kind, id).await?.is_some() {
            return Ok(Some(*kind));
        }
    }
    Ok(None)
}

/// A stored session as an answer.
pub(super) async fn answer(app: &App, tenant: &Tenant, session: Session) -> Result<SessionAnswer, ApiError> {
    let source_type = match session.source_id {
        Some(id) => source_type(app, tenant, id).await?,
        None => None,
    };
    Ok(SessionAnswer::new(session, source_type, tenant.time()))
}

async fn retrieve(State(app): State<App>, tenant: Tenant, WordAndId(kind, id): WordAndId) -> Answered<SessionAnswer> {
    let found = app.queries.session(tenant.id(), kind_of(&kind)?, SessionId(id)).await?;
    Ok(Json(answer(&app, &tenant, found.ok_or(ApiError::NotFound)?).await?))
}

async fn list_all(
    State(app): State<App>,
    tenant: Tenant,
    Words([kind]): Words<1>,
    uri: Uri,
    Query(query): Query<ListSessions>,
) -> Result<Response, ApiError> {
    let page = page(query.limit, query.after_id);
    let found = app.queries.sessions(tenant.id(), kind_of(&kind)?, page).await?;
    let mut types = HashMap::new();
    let mut rows = Vec::with_capacity(found.len());
    for session in found {
        // Several sessions may be open on one source: it is asked for once.
        if let Some(id) = session.source_id
            && !types.contains_key(&id)
        {
            types.insert(id, source_type(&app, &tenant, id).await?);
        }
        let known = session.source_id.and_then(|id| types.get(&id).copied().flatten());
        rows.push(SessionAnswer::new(session, known, tenant.time()));
    }
    Ok(list(&uri, page, &rows, SessionAnswer::id))
}

async fn cancel(State(app): State<App>, tenant: Tenant, WordAndId(kind, id): WordAndId) -> Answered<SessionAnswer> {
    let command = Command::CancelSession(tenant.id(), kind_of(&kind)?, SessionId(id));
    match app.engine.submit(command).await.map_err(ApiError::on_path)? {
        Answer::Session(session) => Ok(Json(answer(&app, &tenant, session).await?)),
        _ => Err(ApiError::another_answer()),
    }
}

/// Declaring, reading, listing and withdrawing intents.
#[must_use]
pub fn routes() -> Routes {
    Routes::new()
        .post("/v1/sessions/checkout", create::<CreateCheckoutSession>)
        .post("/v1/sessions/payout", create::<AnyPayoutSession>)
        .post("/v1/sessions/transfer", create::<CreateTransferSession>)
        .post("/v1/sessions/refund", create::<CreateRefundSession>)
        .get("/v1/sessions/{kind}/retrieve/{id}", retrieve)
        .get("/v1/sessions/{kind}/list", list_all)
        .post("/v1/sessions/{kind}/cancel/{id}", cancel)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_the_kind_in_small_letters() {
        assert_eq!(kind_of("checkout"), Ok(SessionKind::Checkout));
        assert_eq!(kind_of("refund"), Ok(SessionKind::Refund));
        assert_eq!(kind_of("CHECKOUT"), Err(ApiError::NotFound));
    }
}
