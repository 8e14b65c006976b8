//! Events: what happened to a merchant's objects, with the ledger transaction that each caused.

use axum::Json;
use axum::extract::State;
use domain::decision::event::{EventEntity, EventType};
use domain::directory::roles::Action;
use domain::kernel::ids::EventId;

use crate::api::describe::op;
use crate::api::error::ApiError;
use crate::api::extract::{Ids, Query};
use crate::api::fields::{Id, Int};
use crate::api::listing::{Cursor, Listing};
use crate::api::payment_intents::{EventResponse, Transactions};
use crate::api::response::{JsonResult, Limit, ListResult, page};
use crate::api::routes::Routes;
use crate::app::App;
use crate::net::principal::Tenant;
use crate::payload;
use store::reads::events::EventFilter;

/// The greatest integer that every JSON parser reads exactly.
pub const MAX_POSITION: i64 = (1 << 53) - 1;

payload! {
    /// The filter of events.
    pub struct ListEvents {
        /// Only events of this type.
        r#type: Option<EventType>,
        /// Only events about this kind of object.
        subject_type: Option<EventEntity>,
        /// Only events about the object with this id.
        subject_id: Option<Id>,
        /// The maximum number of entries in the answer.
        limit: Option<Limit>,
        /// The id of the last entry of the previous page.
        after_id: Option<Id>,
        /// Lists the events after this position, oldest first; 0 begins with the merchant's first
        /// event. Whoever continues with the last `position` of each answer misses none. `after_id`
        /// is not used then.
        after_position: Option<Int<0, MAX_POSITION>>,
    }
}

async fn list_all(
    State(app): State<App>,
    listing: Listing,
    Query(query): Query<ListEvents>,
) -> ListResult<EventResponse> {
    let page = page(query.limit, query.after_id);
    let filter = EventFilter {
        kind: query.r#type,
        entity: query.subject_type,
        entity_id: query.subject_id.map(|id| id.0),
    };
    let reads = listing.tenant.reads(&app, Action::ReadIntegration)?;
    let (found, cursor) = match query.after_position {
        None => (reads.events(filter, page).await?, Cursor::Id(EventResponse::id)),
        Some(Int(position)) => (
            reads.events_after(filter, position, page.limit).await?,
            Cursor::Position(EventResponse::position),
        ),
    };
    let transactions = Transactions::read(&app, &listing.tenant, &found.rows).await?;
    listing.respond_with(page, found, |event| transactions.answer(event), cursor)
}

async fn retrieve(
    State(app): State<App>,
    tenant: Tenant,
    Ids([id]): Ids<1>,
) -> JsonResult<EventResponse> {
    let found = tenant
        .reads(&app, Action::ReadIntegration)?
        .event(EventId(id))
        .await?
        .ok_or(ApiError::NotFound)?;
    let transactions = Transactions::read(&app, &tenant, std::slice::from_ref(&found)).await?;
    Ok(Json(transactions.answer(found)))
}

#[must_use]
pub fn routes() -> Routes {
    Routes::new().get("/v1/events/list", list_all, op("list_events", "List events")).get(
        "/v1/events/retrieve/{id}",
        retrieve,
        op("retrieve_event", "Read an event"),
    )
}
