//! Parties: the persons and firms that a merchant deals with.

use axum::Json;
use axum::extract::State;
use domain::directory::create_party::{self, NewParty};
use domain::directory::party::Party;
use domain::directory::roles::Action;
use domain::directory::update_party::{self, PartyChanges};
use domain::kernel::ids::PartyId;
use domain::kernel::patch::Patch;
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

    /// Changes a party. Absent fields stay as they are; `null` clears a field that may be empty. The
    /// phone cannot be changed, because a party is found by it.
    pub struct UpdateParty {
        /// The full name.
        fullname: Option<Text<255>>,
        /// The email address. `null` removes it.
        email: Patch<Email>,
        /// The country by two or three letters of ISO 3166, in upper or lower case. `null` removes it,
        /// and so does an empty text.
        country_code: Patch<OptionalCountry>,
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
        .submit(
            tenant.caller,
            create_party::CreateParty { merchant_id: tenant.id(), party: new, unless_known: false },
        )
        .await?;
    Ok(Json(party.into()))
}

async fn update(
    State(app): State<App>,
    tenant: Tenant,
    Ids([id]): Ids<1>,
    Body(payload): Body<UpdateParty>,
) -> JsonResult<PartyResponse> {
    let country_code = match payload.country_code {
        Patch::Keep => Patch::Keep,
        Patch::Clear | Patch::Set(OptionalCountry(None)) => Patch::Clear,
        Patch::Set(OptionalCountry(Some(country))) => Patch::Set(country.0),
    };
    let changes = PartyChanges {
        fullname: payload.fullname.map(|name| name.0),
        email: payload.email.map(|email| email.0),
        country_code,
    };
    let command = update_party::UpdateParty {
        merchant_id: tenant.id(),
        party_id: PartyId(id),
        changes,
        shown: None,
    };
    let party = app.engine.submit(tenant.caller, command).await?;
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
        .put(
            "/v1/parties/update/{id}",
            update,
            op("update_party", "Change a party")
                .example(json!({ "fullname": "Ama Kollie-Doe", "email": "ama@example.com" }))
                .details(
                    "Invoices, orders, lists and answers have the name of now. Payment accounts, payments, \
                     declared transfers and messages keep what they were made with.",
                ),
        )
}
