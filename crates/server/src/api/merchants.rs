//! The merchant's own data.

use axum::Json;
use axum::extract::State;
use domain::directory::merchant::MerchantType;
use schemars::JsonSchema;
use serde::Serialize;

use crate::api::describe::op;
use crate::api::error::ApiError;
use crate::api::extract::Query;
use crate::api::fields::{Id, Name};
use crate::api::response::JsonResult;
use crate::api::routes::Routes;
use crate::app::App;
use crate::net::principal::Tenant;
use crate::payload;

payload! {
    /// The query of a merchant. Only the caller itself is found.
    pub struct MerchantInfoQuery {
        /// The merchant's id.
        merchant_id: Id,
        /// The merchant's legal form.
        merchant_type: MerchantType,
    }
}

/// A merchant.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "MerchantInfoAnswer")]
pub struct MerchantInfoResponse {
    id: i64,
    name: String,
    r#type: Name<MerchantType>,
    email: Option<String>,
    phone: Option<String>,
}

async fn info(
    State(_): State<App>,
    tenant: Tenant,
    Query(query): Query<MerchantInfoQuery>,
) -> JsonResult<MerchantInfoResponse> {
    let merchant = tenant.merchant;
    if query.merchant_id.0 != merchant.id.0 || query.merchant_type != merchant.kind {
        return Err(ApiError::NotFound);
    }
    Ok(Json(MerchantInfoResponse {
        id: merchant.id.0,
        name: merchant.name,
        r#type: Name(merchant.kind),
        email: merchant.email,
        phone: merchant.phone,
    }))
}

#[must_use]
pub fn routes() -> Routes {
    Routes::new().get(
        "/v1/merchants/merchant-info",
        info,
        op("get_merchant_info", "Read the merchant").or(404),
    )
}
