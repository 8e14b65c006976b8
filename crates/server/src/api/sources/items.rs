//! The items of an invoice or order.

use axum::Json;
use axum::extract::State;
use domain::kernel::currency::Currency;
use domain::kernel::ids::ItemId;
use domain::kernel::money::{Decimal, Money};
use domain::sales::edit_items::{self, RemoveItem};
use domain::sales::edit_items::{ItemChanges, NewItem};
use domain::sales::source::SourceType;
use schemars::JsonSchema;
use serde::Serialize;

use crate::api::error::ApiError;
use crate::api::extract::{Body, Ids};
use crate::api::fields::{Int, Text};
use crate::api::response::JsonResult;
use crate::api::sources::kind::{Kind, source_ref};
use crate::api::sources::payloads::field_of;
use crate::api::sources::responses::ItemResponse;
use crate::app::App;
use crate::engine::Failure;
use crate::net::principal::Tenant;
use crate::payload;

/// How many of an item.
type Quantity = Int<1, 1_000_000_000>;

payload! {
    /// Adds an item.
    pub struct AddItem {
        /// The name of the item.
        name: Text<255>,
        /// The currency of the invoice or order.
        currency: Currency,
        /// The quantity.
        qty: Quantity,
        /// The price of one piece.
        amount: Money,
    }

    /// Changes an item. Absent fields stay as they are.
    pub struct UpdateItem {
        /// The name of the item.
        name: Option<Text<255>>,
        /// The quantity.
        qty: Option<Quantity>,
        /// The price of one piece, in the currency of the invoice or order.
        amount: Option<Decimal>,
    }
}

/// The answer after an item was removed: an empty object.
#[derive(Serialize, JsonSchema)]
pub struct Removed {}

/// Refusals because of a state are about the invoice or order, so they are located at its parameter
/// of the path, not at the item's.
fn refused<K: Kind>() -> impl Fn(Failure) -> ApiError {
    let parameter = match K::TYPE {
        SourceType::Invoice => "invoice_id",
        SourceType::Order => "order_id",
    };
    ApiError::on_fields_or_path(field_of, parameter)
}

pub async fn add<K: Kind>(
    State(app): State<App>,
    tenant: Tenant,
    Ids([id]): Ids<1>,
    Body(payload): Body<AddItem>,
) -> JsonResult<ItemResponse> {
    let new = NewItem {
        name: payload.name.0,
        currency: payload.currency,
        qty: payload.qty.0,
        amount: payload.amount,
    };
    let item = app
        .engine
        .submit(
            tenant.caller,
            edit_items::AddItem { source: source_ref::<K>(&tenant, id), item: new, shown: None },
        )
        .await
        .map_err(refused::<K>())?;
    Ok(Json(item.into()))
}

pub async fn update<K: Kind>(
    State(app): State<App>,
    tenant: Tenant,
    Ids([id, item]): Ids<2>,
    Body(payload): Body<UpdateItem>,
) -> JsonResult<ItemResponse> {
    let changes = ItemChanges {
        name: payload.name.map(|name| name.0),
        qty: payload.qty.map(|qty| qty.0),
        amount: payload.amount,
    };
    let command = edit_items::UpdateItem {
        source: source_ref::<K>(&tenant, id),
        item_id: ItemId(item),
        changes,
    };
    let item = app.engine.submit(tenant.caller, command).await.map_err(refused::<K>())?;
    Ok(Json(item.into()))
}

pub async fn remove<K: Kind>(
    State(app): State<App>,
    tenant: Tenant,
    Ids([id, item]): Ids<2>,
) -> JsonResult<Removed> {
    let command = RemoveItem { source: source_ref::<K>(&tenant, id), item_id: ItemId(item) };
    app.engine.submit(tenant.caller, command).await.map_err(refused::<K>())?;
    Ok(Json(Removed {}))
}
