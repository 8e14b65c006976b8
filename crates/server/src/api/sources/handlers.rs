//! The handlers of invoices and orders.

use axum::Json;
use axum::extract::State;
use domain::decision::command::ListedDecision;
use domain::directory::roles::Action;
use domain::kernel::ids::SourceId;
use domain::sales::cancel_source::CancelSource;
use domain::sales::create_source::CreateSource;
use domain::sales::publish_source::PublishSource;
use domain::sales::source::Source;
use domain::sales::update_source::UpdateSource;

use crate::api::error::ApiError;
use crate::api::extract::{Body, Ids, PathSegments, Query};
use crate::api::listing::Listing;
use crate::api::response::{JsonResult, LargeJson, ListResult, page};
use crate::api::sources::kind::{Kind, source_ref};
use crate::api::sources::payloads::{ListSources, field_of};
use crate::api::sources::responses::{KindResponse, SourceDetailResponse, SourceResponse};
use crate::app::App;
use crate::net::principal::Tenant;
use crate::net::response_permits::ResponsePermit;
use store::reads::sources::SourceFilter;

pub async fn create<K: Kind>(
    State(app): State<App>,
    tenant: Tenant,
    Body(payload): Body<K::Create>,
) -> JsonResult<KindResponse<K, SourceResponse>> {
    let source = app
        .engine
        .submit(tenant.caller, CreateSource { merchant_id: tenant.id(), source: payload.into() })
        .await?;
    Ok(respond(source, &tenant))
}

pub async fn list_all<K: Kind>(
    State(app): State<App>,
    listing: Listing,
    Query(query): Query<ListSources>,
) -> ListResult<KindResponse<K, SourceResponse>> {
    let page = page(query.limit, query.after_id);
    let reference = query.reference_id.map(|text| text.0);
    let filter = SourceFilter { currency: query.currency, status: query.status, reference };
    let found =
        listing.tenant.reads(&app, Action::ReadPayments)?.sources(K::TYPE, filter, page).await?;
    let merchant = listing.tenant.merchant.clone();
    listing.respond(
        page,
        found,
        |source| KindResponse::new(SourceResponse::new(source, &merchant)),
        KindResponse::id,
    )
}

/// This merchant's source of that id.
pub async fn by_id<K: Kind>(app: &App, tenant: &Tenant, id: i64) -> Result<Source, ApiError> {
    tenant
        .reads(app, Action::ReadPayments)?
        .source(K::TYPE, SourceId(id))
        .await?
        .ok_or(ApiError::NotFound)
}

/// This merchant's source of that number.
pub async fn by_number<K: Kind>(
    app: &App,
    tenant: &Tenant,
    number: &str,
) -> Result<Source, ApiError> {
    tenant
        .reads(app, Action::ReadPayments)?
        .source_by_number(K::TYPE, number)
        .await?
        .ok_or(ApiError::NotFound)
}

pub type LargeJsonResult<T> = Result<LargeJson<T>, ApiError>;

/// A permit for a response with all items, which may be large.
pub async fn permit(app: &App, tenant: &Tenant) -> Result<ResponsePermit, ApiError> {
    app.details.acquire(tenant.id()).await.ok_or(ApiError::TooMany(1))
}

pub async fn detail<K: Kind>(
    app: &App,
    tenant: &Tenant,
    source: Source,
) -> LargeJsonResult<KindResponse<K, SourceDetailResponse>> {
    let permit = permit(app, tenant).await?;
    let reads = tenant.reads(app, Action::ReadPayments)?;
    let items = reads.items(source.id, None).await?;
    let counterparty = reads.counterparty(source.counterparty_id).await?;
    LargeJson::new(
        permit,
        &KindResponse::new(SourceDetailResponse::new(
            source,
            items,
            counterparty,
            &tenant.merchant,
        )),
    )
}

pub async fn retrieve<K: Kind>(
    State(app): State<App>,
    tenant: Tenant,
    Ids([id]): Ids<1>,
) -> LargeJsonResult<KindResponse<K, SourceDetailResponse>> {
    let source = by_id::<K>(&app, &tenant, id).await?;
    detail(&app, &tenant, source).await
}

pub async fn retrieve_by_number<K: Kind>(
    State(app): State<App>,
    tenant: Tenant,
    PathSegments([number]): PathSegments<1>,
) -> LargeJsonResult<KindResponse<K, SourceDetailResponse>> {
    let source = by_number::<K>(&app, &tenant, &number).await?;
    detail(&app, &tenant, source).await
}

fn respond<K: Kind>(source: Source, tenant: &Tenant) -> Json<KindResponse<K, SourceResponse>> {
    Json(KindResponse::new(SourceResponse::new(source, &tenant.merchant)))
}

/// Submits a change of the source that the path names.
async fn change<K: Kind>(
    app: &App,
    tenant: &Tenant,
    decision: impl ListedDecision<Output = Source>,
) -> JsonResult<KindResponse<K, SourceResponse>> {
    let refused = ApiError::on_fields(field_of);
    let source = app.engine.submit(tenant.caller, decision).await.map_err(refused)?;
    Ok(respond(source, tenant))
}

pub async fn update<K: Kind>(
    State(app): State<App>,
    tenant: Tenant,
    Ids([id]): Ids<1>,
    Body(payload): Body<K::Update>,
) -> JsonResult<KindResponse<K, SourceResponse>> {
    let decision =
        UpdateSource { source: source_ref::<K>(&tenant, id), changes: payload.into(), shown: None };
    change(&app, &tenant, decision).await
}

pub async fn publish<K: Kind>(
    State(app): State<App>,
    tenant: Tenant,
    Ids([id]): Ids<1>,
) -> JsonResult<KindResponse<K, SourceResponse>> {
    let decision = PublishSource { source: source_ref::<K>(&tenant, id), shown: None };
    change(&app, &tenant, decision).await
}

pub async fn cancel<K: Kind>(
    State(app): State<App>,
    tenant: Tenant,
    Ids([id]): Ids<1>,
) -> JsonResult<KindResponse<K, SourceResponse>> {
    let decision = CancelSource { source: source_ref::<K>(&tenant, id), shown: None };
    change(&app, &tenant, decision).await
}
