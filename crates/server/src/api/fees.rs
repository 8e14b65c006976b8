//! Fees of the tariff. Executions and predictions are computed from the same rows.

use axum::Json;
use axum::extract::State;
use domain::directory::merchant::MerchantType;
use domain::kernel::money::{Money, Ratio};
use domain::kernel::names::{Method, Operation, Provider};
use domain::tariff::{Fee, GatewayFee, PlatformFee, Tariff, Tier};
use schemars::{JsonSchema, Schema, json_schema};
use serde::{Serialize, Serializer};
use serde_json::Number;

use crate::api::describe::op;
use crate::api::error::ApiError;
use crate::api::extract::Query;
use crate::api::fields::{Code, Id, Name, Schemas, Text};
use crate::api::listing::Listing;
use crate::api::names::OwnerKind;
use crate::api::response::{Amount, JsonResult, Limit, ListResult, Time, page};
use crate::api::routes::Routes;
use crate::app::App;
use crate::net::principal::Tenant;
use crate::payload;
use store::reads::pages::PageOfRows;

payload! {
    /// The query of a gateway fee.
    pub struct GatewayFeeQuery {
        /// The method.
        payment_method: Method,
        /// The operation.
        operation_type: Operation,
    }

    /// The query of a platform fee.
    pub struct PlatformFeeQuery {
        /// The operation.
        operation_type: Operation,
        /// The tier's name.
        fee_tier_name: Text<255>,
    }

    /// The query of a merchant's tier. Only the caller's own is found.
    pub struct MerchantTierQuery {
        /// The type of the owner.
        owner_type: OwnerKind,
        /// The owner's id.
        owner_id: Id,
    }

    /// The page of fee tiers.
    pub struct ListTiers {
        /// The maximum number of entries in the answer.
        limit: Option<Limit>,
        /// The id of the last entry of the previous page.
        after_id: Option<Id>,
    }
}

/// Millionths as percent: 29 000 is `2.9`.
fn percent(ppm: i64) -> String {
    Ratio::new(ppm, 10_000).map_or_else(|| "0".to_owned(), |percent| percent.to_text(4))
}

/// A share in millionths, written as a JSON number of percent, exactly.
struct Percent(i64);

impl Serialize for Percent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let number: Number = percent(self.0).parse().map_err(serde::ser::Error::custom)?;
        number.serialize(serializer)
    }
}

impl JsonSchema for Percent {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Percent".into()
    }

    fn json_schema(_: &mut Schemas) -> Schema {
        json_schema!({ "type": "number", "format": "double" })
    }
}

fn fixed(fee: Fee) -> (Option<Amount>, Option<Code>) {
    fee.fixed.map(|(minor, currency)| (Amount(Money::new(minor, currency)), Code(currency))).unzip()
}

/// The fee that the network of a method takes.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "GatewayFeeAnswer")]
pub struct GatewayFeeResponse {
    id: i64,
    provider_id: i64,
    operation_type: Name<Operation>,
    payment_method: Name<Method>,
    percentage: Percent,
    fixed_fee: Option<Amount>,
    fixed_fee_currency: Option<Code>,
    effective_from: Time,
    effective_to: Option<Time>,
    created_at: Time,
    updated_at: Time,
}

/// The published API numbers the networks, which are an enumeration here.
const fn provider_id(provider: Provider) -> i64 {
    match provider {
        Provider::PawaPay => 1,
        Provider::Stripe => 2,
        Provider::Platform => 3,
    }
}

impl From<&GatewayFee> for GatewayFeeResponse {
    fn from(row: &GatewayFee) -> Self {
        let (fixed_fee, fixed_fee_currency) = fixed(row.fee);
        Self {
            id: row.id.0,
            provider_id: provider_id(row.provider),
            operation_type: Name(row.operation),
            payment_method: Name(row.method),
            percentage: Percent(row.fee.percentage_ppm),
            fixed_fee,
            fixed_fee_currency,
            effective_from: Time::from(row.effective.from),
            effective_to: row.effective.to.map(Time::from),
            created_at: Time::from(row.created_at),
            updated_at: Time::from(row.updated_at),
        }
    }
}

/// A fee tier.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "TierAnswer")]
pub struct TierResponse {
    id: i64,
    name: String,
    is_default: bool,
    created_at: Time,
    updated_at: Time,
}

impl From<&Tier> for TierResponse {
    fn from(tier: &Tier) -> Self {
        Self {
            id: tier.id,
            name: tier.name.clone(),
            is_default: tier.is_default,
            created_at: Time::from(tier.created_at),
            updated_at: Time::from(tier.updated_at),
        }
    }
}

/// The fee that the platform takes of merchants in a tier.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "PlatformFeeAnswer")]
pub struct PlatformFeeResponse {
    id: i64,
    operation_type: Name<Operation>,
    /// Always null: a platform fee is the same for all methods.
    payment_method: Option<Name<Method>>,
    percentage: String,
    fx_percentage: String,
    fixed_fee: Option<Amount>,
    fixed_fee_currency: Option<Code>,
    effective_from: Time,
    effective_to: Option<Time>,
    created_at: Time,
    tier: Option<TierResponse>,
}

impl PlatformFeeResponse {
    fn new(row: &PlatformFee, tariff: &Tariff) -> Self {
        let (fixed_fee, fixed_fee_currency) = fixed(row.fee);
        Self {
            id: row.id.0,
            operation_type: Name(row.operation),
            payment_method: None,
            percentage: percent(row.fee.percentage_ppm),
            fx_percentage: percent(row.fx_percentage_ppm),
            fixed_fee,
            fixed_fee_currency,
            effective_from: Time::from(row.effective.from),
            effective_to: row.effective.to.map(Time::from),
            created_at: Time::from(row.created_at),
            tier: tariff.tier(&row.tier).map(Into::into),
        }
    }
}

/// The fee tier of a merchant.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "MerchantTierAnswer")]
pub struct MerchantTierResponse {
    id: i64,
    owner_type: Name<MerchantType>,
    owner_id: i64,
    assigned_at: Time,
    /// Always null: nobody's name is stored.
    assigned_by: Option<String>,
    tier: Option<TierResponse>,
}

async fn gateway(
    State(app): State<App>,
    tenant: Tenant,
    Query(query): Query<GatewayFeeQuery>,
) -> JsonResult<GatewayFeeResponse> {
    let tariff = app.queries.for_system().tariff().await?;
    let (method, operation) = (query.payment_method, query.operation_type);
    let provider = tariff.provider_of(method, tenant.now).ok_or(ApiError::NotFound)?;
    let row =
        tariff.gateway_fee(provider, method, operation, tenant.now).ok_or(ApiError::NotFound)?;
    Ok(Json(row.into()))
}

async fn platform(
    State(app): State<App>,
    tenant: Tenant,
    Query(query): Query<PlatformFeeQuery>,
) -> JsonResult<PlatformFeeResponse> {
    let tariff = app.queries.for_system().tariff().await?;
    let row = tariff
        .platform_fee(&query.fee_tier_name.0, query.operation_type, tenant.now)
        .ok_or(ApiError::NotFound)?;
    Ok(Json(PlatformFeeResponse::new(row, &tariff)))
}

async fn merchant_tier(
    State(app): State<App>,
    tenant: Tenant,
    Query(query): Query<MerchantTierQuery>,
) -> JsonResult<MerchantTierResponse> {
    let merchant = &tenant.merchant;
    if query.owner_type.merchant() != Some(merchant.kind) || query.owner_id.0 != merchant.id.0 {
        return Err(ApiError::NotFound);
    }
    let tariff = app.queries.for_system().tariff().await?;
    Ok(Json(MerchantTierResponse {
        id: merchant.id.0,
        owner_type: Name(merchant.kind),
        owner_id: merchant.id.0,
        assigned_at: Time::from(merchant.fee_tier_assigned_at.unwrap_or(merchant.created_at)),
        assigned_by: None,
        tier: tariff.tier(&merchant.fee_tier).map(Into::into),
    }))
}

async fn tiers(
    State(app): State<App>,
    listing: Listing,
    Query(query): Query<ListTiers>,
) -> ListResult<TierResponse> {
    let page = page(query.limit, query.after_id);
    let tariff = app.queries.for_system().tariff().await?;
    let mut tiers: Vec<&Tier> = tariff.tiers.iter().collect();
    tiers.sort_unstable_by_key(|tier| std::cmp::Reverse((tier.created_at, tier.id)));
    let after = |id| {
        tiers
            .iter()
            .position(|tier| tier.id == id)
            .map(|at| at + 1)
            .ok_or_else(ApiError::unknown_cursor)
    };
    let start = page.after_id.map_or(Ok(0), after)?;
    let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
    let found =
        PageOfRows { rows: tiers.into_iter().skip(start).take(limit).collect(), scanned_to: None };
    listing.respond(page, found, TierResponse::from, |row| row.id)
}

#[must_use]
pub fn routes() -> Routes {
    Routes::new()
        .get(
            "/v1/fees/gateway",
            gateway,
            op("get_gateway_fee", "Read the gateway fee of a method").or(404),
        )
        .get(
            "/v1/fees/platform",
            platform,
            op("get_platform_fee", "Read the platform fee of a tier").or(404),
        )
        .get(
            "/v1/fees/merchant-tier",
            merchant_tier,
            op("get_merchant_fee_tier", "Read the fee tier of a merchant").or(404),
        )
        .get("/v1/fees/tiers", tiers, op("list_fee_tiers", "List fee tiers"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_written_in_percent() {
        assert_eq!(
            [29_000, 5_000, 0, 1, 1_000_000].map(percent),
            ["2.9", "0.5", "0", "0.0001", "100"]
        );
        assert_eq!(serde_json::to_string(&Percent(29_000)).unwrap(), "2.9");
    }
}
