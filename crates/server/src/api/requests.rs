//! The request log: the last requests of a merchant's programs, for who connects them.

use axum::extract::State;
use domain::directory::roles::Action;
use schemars::JsonSchema;
use serde::Serialize;

use crate::api::describe::op;
use crate::api::extract::Query;
use crate::api::fields::Id;
use crate::api::listing::Listing;
use crate::api::response::{Limit, ListResult, Time, page};
use crate::api::routes::Routes;
use crate::app::App;
use crate::net::request_log::LoggedRequest;
use crate::payload;

payload! {
    /// The page of requests.
    pub struct ListRequests {
        /// Whether only those are listed that were refused or failed: answered with 400 or above.
        only_failed: Option<bool>,
        /// The maximum number of entries in the answer.
        limit: Option<Limit>,
        /// The id of the last entry of the previous page.
        after_id: Option<Id>,
    }
}

/// A request that was answered.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "RequestAnswer")]
pub struct RequestResponse {
    id: i64,
    method: String,
    /// The route, with the names of ids in their places.
    route: String,
    status: i64,
    /// The id that an error answers, and that the audit and the server's log have.
    request_id: Option<String>,
    duration_ms: i64,
    created_at: Time,
}

impl From<LoggedRequest> for RequestResponse {
    fn from(request: LoggedRequest) -> Self {
        Self {
            id: request.id,
            method: request.method.to_string(),
            route: request.route.as_str().to_owned(),
            status: request.status.as_u16().into(),
            request_id: request.request_id.map(|id| id.to_string()),
            duration_ms: request.duration_ms,
            created_at: Time::from(request.at),
        }
    }
}

async fn list_all(
    State(app): State<App>,
    listing: Listing,
    Query(query): Query<ListRequests>,
) -> ListResult<RequestResponse> {
    let page = page(query.limit, query.after_id);
    // What is listed is no row, but whoever may not read rows of this kind may not read it.
    listing.tenant.reads(&app, Action::ReadIntegration)?;
    let only_failed = query.only_failed.unwrap_or(false);
    let found = app.requests.list(listing.tenant.id(), only_failed, page);
    listing.respond(page, found, RequestResponse::from, |row| row.id)
}

#[must_use]
pub fn routes() -> Routes {
    Routes::new().get(
        "/v1/requests/list",
        list_all,
        op("list_requests", "List the last requests").details(
            "The last 1,000 that this process has answered, the newest first, without their bodies. They are in its \
             memory: another process has others, and after a restart there are none.",
        ),
    )
}
