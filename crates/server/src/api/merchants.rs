//! Merchants: what one may know of itself.

use axum::Json;
use axum::extract::State;
use domain::directory::merchant::MerchantType;
use schemars::JsonSchema;
use serde::Serialize;

use crate::api::answer::Answered;
use crate::api::describe::op;
use crate::api::error::ApiError;
use crate::api::extract::Query;
use crate::api::fields::{Id, Name};
use crate::api::routes::Routes;
use crate::app::App;
use crate::net::principal::Tenant;
use crate::payload;

payload! {
    /// Which merchant. Only the caller itself is found.
    pub struct WhichMerchant {
        /// Its id.
        merchant_id: Id,
        /// Its legal form.
        merchant_type: MerchantType,
    }
}

/// A merchant.
#[derive(Serialize, JsonSchema)]
pub struct MerchantInfoAnswer {
    id: i64,
    name: String,
    r#type: Name<MerchantType>,
    email: Option<String>,
    phone: Option<String>,
}

async fn info(
    State(_): State<App>,
    tenant: Tenant,
    Query(query): Query<WhichMerchant>,
) -> Answered<MerchantInfoAnswer> {
    let merchant = tenant.merchant;
    if query.merchant_id.0 != merchant.id.0 || query.merchant_type != merchant.kind {
        return Err(ApiError::NotFound);
    }
    Ok(Json(MerchantInfoAnswer {
        id: merchant.id.0,
        name: merchant.name,
        r#type: Name(merchant.kind),
        email: merchant.email,
        phone: merchant.phone,
    }))
}

/// Reading a merchant.
#[must_use]
pub fn routes() -> Routes {
    Routes::new().get(
        "/v1/merchants/merchant-info",
        info,
        op("get_merchant_info", "Read the merchant").or(404),
    )
}
