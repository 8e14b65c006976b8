//! Reviews: what only the operator of the server can decide.

use axum::Json;
use axum::extract::State;
use domain::directory::roles::Action;
use domain::exceptions::review::{ReviewKind, ReviewStatus};
use domain::kernel::ids::ReviewId;
use store::reads::reviews::ReviewFilter;

use crate::api::describe::op;
use crate::api::error::ApiError;
use crate::api::extract::{Ids, Query};
use crate::api::fields::Id;
use crate::api::listing::Listing;
use crate::api::messages::ReviewResponse;
use crate::api::response::{JsonResult, Limit, ListResult, page};
use crate::api::routes::Routes;
use crate::app::App;
use crate::net::principal::Tenant;
use crate::payload;

payload! {
    /// The page of reviews.
    pub struct ListReviews {
        /// Only those with this status: `OPEN` for what waits for the operator.
        status: Option<ReviewStatus>,
        /// Only those of this kind.
        kind: Option<ReviewKind>,
        /// The maximum number of entries in the answer.
        limit: Option<Limit>,
        /// The id of the last entry of the previous page.
        after_id: Option<Id>,
    }
}

async fn list_all(
    State(app): State<App>,
    listing: Listing,
    Query(query): Query<ListReviews>,
) -> ListResult<ReviewResponse> {
    let page = page(query.limit, query.after_id);
    let reads = listing.tenant.reads(&app, Action::ReadReviews)?;
    let filter = ReviewFilter { status: query.status, kind: query.kind };
    let found = reads.reviews(filter, page).await?;
    listing.respond(page, found, |review| ReviewResponse::from(&review), |row| row.id())
}

async fn retrieve(
    State(app): State<App>,
    tenant: Tenant,
    Ids([id]): Ids<1>,
) -> JsonResult<ReviewResponse> {
    let found = tenant.reads(&app, Action::ReadReviews)?.review(ReviewId(id)).await?;
    Ok(Json(ReviewResponse::from(&found.ok_or(ApiError::NotFound)?)))
}

#[must_use]
pub fn routes() -> Routes {
    Routes::new()
        .get(
            "/v1/reviews/list",
            list_all,
            op("list_reviews", "List reviews").details(
                "Payments of which the network says something else than before, or nothing, the newest first. \
                 Their money is in suspense until the operator of the server decides.",
            ),
        )
        .get("/v1/reviews/retrieve/{id}", retrieve, op("retrieve_review", "Get a review"))
}
