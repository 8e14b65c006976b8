//! Parties: the persons and firms that a merchant deals with.

use axum::Json;
use axum::extract::State;
use domain::directory::create_party::{self, NewParty};
use domain::directory::party::Party;
use domain::directory::roles::Action;
use domain::kernel::ids::PartyId;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::api::describe::op;
use crate::api::error::ApiError;
use crate::api::extract::{Body, Ids, Query};
use crate::api::fields::{Email, Id, OptionalCountry, Phone, Text};
use crate::api::listing::Listing;
use crate::api::response::{JsonResult, Limit, ListResult, Time, page};
use crate::api::routes::Routes;
use crate::app::App;
use crate::net::principal::Tenant;
use crate::payload;

payload! {
    /// Creates a party.
    pub struct CreateParty {
        /// The full name.
        fullname: Text<255>,
        /// The phone number: digits with the country code, without a plus sign.
        phone: Phone,
        /// The email address.
        email: Option<Email>,
        /// The country by two or three letters of ISO 3166, in upper or lower case. Answers have
        /// two letters.
        country_code: OptionalCountry,
    }

    /// The filter of parties.
    pub struct ListParties {
        /// A part of the name. The case of A to Z is ignored.
        fullname: Option<Text<255>>,
        /// The maximum number of entries in the answer.
        limit: Option<Limit>,
        /// The id of the last entry of the previous page.
        after_id: Option<Id>,
    }
}

/// A party.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "PartyAnswer")]
pub struct PartyResponse {
    id: i64,
    fullname: String,
    email: Option<String>,
    phone: String,
    country_code: Option<String>,
    created_at: Time,
    updated_at: Time,
}

impl From<Party> for PartyResponse {
    fn from(party: Party) -> Self {
        Self {
            id: party.id.0,
            fullname: party.fullname,
            email: party.email,
            phone: party.phone,
            country_code: party.country_code,
            created_at: Time::from(party.created_at),
            updated_at: Time::from(party.updated_at),
        }
    }
}

async fn create(
    State(app): State<App>,
    tenant: Tenant,
    Body(payload): Body<CreateParty>,
) -> JsonResult<PartyResponse> {
    let new = NewParty {
        fullname: payload.fullname.0,
        phone: payload.phone.0,
        email: payload.email.map(|email| email.0),
        country_code: payload.country_code.0.map(|country| country.0),
    };
    let party = app
        .engine
        .submit(tenant.caller, create_party::CreateParty { merchant_id: tenant.id(), party: new })
        .await?;
    Ok(Json(party.into()))
}

/// What a list takes: whoever may not see names does not search by them.
pub(super) const fn to_search(fullname: Option<&str>) -> Action {
    match fullname {
        Some(_) => Action::SeeContacts,
        None => Action::ReadPayments,
    }
}

async fn list_all(
    State(app): State<App>,
    listing: Listing,
    Query(query): Query<ListParties>,
) -> ListResult<PartyResponse> {
    let page = page(query.limit, query.after_id);
    let fullname = query.fullname.as_ref().map(|text| text.0.as_str());
    let found = listing.tenant.reads(&app, to_search(fullname))?.parties(fullname, page).await?;
    listing.respond(page, found, PartyResponse::from, |row| row.id)
}

async fn retrieve(
    State(app): State<App>,
    tenant: Tenant,
    Ids([id]): Ids<1>,
) -> JsonResult<PartyResponse> {
    let party = tenant
        .reads(&app, Action::ReadPayments)?
        .party(PartyId(id))
        .await?
        .ok_or(ApiError::NotFound)?;
    Ok(Json(party.into()))
}

#[must_use]
pub fn routes() -> Routes {
    Routes::new()
        .post(
            "/v1/parties/create",
            create,
            op("create_party", "Create a party")
                .example(json!({ "fullname": "Ama Kollie", "phone": "231880000001" })),
        )
        .get("/v1/parties/list", list_all, op("list_parties", "List parties"))
        .get("/v1/parties/retrieve/{id}", retrieve, op("retrieve_party", "Read a party"))
}
