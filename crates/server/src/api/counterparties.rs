//! Counterparties: what a party is to a merchant.

use axum::Json;
use axum::extract::State;
use domain::directory::counterparties;
use domain::directory::merchant::{Merchant, MerchantType};
use domain::directory::party::{Counterparty, Party, Relationship};
use domain::directory::roles::Action;
use domain::kernel::ids::{CounterpartyId, PartyId};
use domain::kernel::patch::Patch;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::api::describe::op;
use crate::api::error::ApiError;
use crate::api::extract::{Body, Ids, Query};
use crate::api::fields::{Id, Name, Text};
use crate::api::listing::Listing;
use crate::api::parties::PartyResponse;
use crate::api::parties::to_search;
use crate::api::response::{JsonResult, Limit, ListResult, Time, page};
use crate::api::routes::Routes;
use crate::app::App;
use crate::net::principal::Tenant;
use crate::payload;

payload! {
    /// Creates a counterparty.
    pub struct CreateCounterparty {
        /// The party's relationship to the merchant.
        relationship_type: Relationship,
        /// The counterparty's party.
        party_id: Option<Id>,
    }

    /// Changes a counterparty. Absent fields stay as they are; `null` clears a field that may be
    /// empty.
    pub struct UpdateCounterparty {
        /// The party's relationship to the merchant.
        relationship_type: Option<Relationship>,
        /// The counterparty's party. `null` removes it.
        party_id: Patch<Id>,
    }

    /// The filter of counterparties.
    pub struct ListCounterparties {
        /// A part of the party's name. The case of A to Z is ignored.
        fullname: Option<Text<255>>,
        /// Only those with this relationship.
        relationship_type: Option<Relationship>,
        /// The maximum number of entries in the answer.
        limit: Option<Limit>,
        /// The id of the last entry of the previous page.
        after_id: Option<Id>,
    }
}

/// A counterparty.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "CounterpartyAnswer")]
pub struct CounterpartyResponse {
    id: i64,
    relationship_type: Name<Relationship>,
    party_id: Option<i64>,
    owner_party_type: Name<MerchantType>,
    owner_party_id: i64,
    created_at: Time,
    updated_at: Time,
}

impl CounterpartyResponse {
    /// A counterparty of this merchant.
    #[must_use]
    pub fn new(row: &Counterparty, merchant: &Merchant) -> Self {
        Self {
            id: row.id.0,
            relationship_type: Name(row.relationship),
            party_id: row.party_id.map(|id| id.0),
            owner_party_type: Name(merchant.kind),
            owner_party_id: merchant.id.0,
            created_at: Time::from(row.created_at),
            updated_at: Time::from(row.updated_at),
        }
    }
}

/// A counterparty with its party.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "CounterpartyWithPartyAnswer")]
pub struct CounterpartyWithPartyResponse {
    #[serde(flatten)]
    counterparty: CounterpartyResponse,
    party: Option<PartyResponse>,
}

impl CounterpartyWithPartyResponse {
    /// A counterparty of this merchant.
    #[must_use]
    pub fn new(row: &Counterparty, party: Option<Party>, merchant: &Merchant) -> Self {
        Self {
            counterparty: CounterpartyResponse::new(row, merchant),
            party: party.map(Into::into),
        }
    }
}

fn party_id(id: Option<Id>) -> Option<PartyId> {
    id.map(|id| PartyId(id.0))
}

async fn create(
    State(app): State<App>,
    tenant: Tenant,
    Body(payload): Body<CreateCounterparty>,
) -> JsonResult<CounterpartyResponse> {
    let command = counterparties::CreateCounterparty {
        merchant_id: tenant.id(),
        relationship: payload.relationship_type,
        party_id: party_id(payload.party_id),
        shown: None,
    };
    let row = app.engine.submit(tenant.caller, command).await?;
    Ok(Json(CounterpartyResponse::new(&row, &tenant.merchant)))
}

async fn update(
    State(app): State<App>,
    tenant: Tenant,
    Ids([id]): Ids<1>,
    Body(payload): Body<UpdateCounterparty>,
) -> JsonResult<CounterpartyResponse> {
    let (relationship, party) =
        (payload.relationship_type, payload.party_id.map(|id| PartyId(id.0)));
    let command = counterparties::UpdateCounterparty {
        merchant_id: tenant.id(),
        counterparty_id: CounterpartyId(id),
        relationship,
        party_id: party,
    };
    let row = app.engine.submit(tenant.caller, command).await?;
    Ok(Json(CounterpartyResponse::new(&row, &tenant.merchant)))
}

async fn list_all(
    State(app): State<App>,
    listing: Listing,
    Query(query): Query<ListCounterparties>,
) -> ListResult<CounterpartyWithPartyResponse> {
    let page = page(query.limit, query.after_id);
    let fullname = query.fullname.as_ref().map(|text| text.0.as_str());
    let reads = listing.tenant.reads(&app, to_search(fullname))?;
    let found = reads.counterparties(fullname, query.relationship_type, page).await?;
    let merchant = listing.tenant.merchant.clone();
    let answer = |(row, party)| CounterpartyWithPartyResponse::new(&row, party, &merchant);
    listing.respond(page, found, answer, |row| row.counterparty.id)
}

async fn retrieve(
    State(app): State<App>,
    tenant: Tenant,
    Ids([id]): Ids<1>,
) -> JsonResult<CounterpartyWithPartyResponse> {
    let found = tenant.reads(&app, Action::ReadPayments)?.counterparty(CounterpartyId(id)).await?;
    let (row, party) = found.ok_or(ApiError::NotFound)?;
    Ok(Json(CounterpartyWithPartyResponse::new(&row, party, &tenant.merchant)))
}

#[must_use]
pub fn routes() -> Routes {
    Routes::new()
        .post(
            "/v1/counterparties/create",
            create,
            op("create_counterparty", "Create a counterparty")
                .example(json!({ "relationship_type": "CUSTOMER", "party_id": 1 })),
        )
        .get("/v1/counterparties/list", list_all, op("list_counterparties", "List counterparties"))
        .get(
            "/v1/counterparties/retrieve/{id}",
            retrieve,
            op("retrieve_counterparty", "Read a counterparty"),
        )
        .put(
            "/v1/counterparties/update/{id}",
            update,
            op("update_counterparty", "Change a counterparty")
                .example(json!({ "relationship_type": "SUPPLIER" })),
        )
}
