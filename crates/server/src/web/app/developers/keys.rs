//! API keys: made, shown once, and revoked.

use axum::http::StatusCode;
use axum::response::Response;
use domain::decision::event::Actor;
use domain::directory::api_keys::{CreateApiKey, RevokeApiKey};
use domain::directory::merchant::ApiKey;
use domain::directory::roles::{Operations, Rights, Role};
use domain::kernel::ids::ApiKeyId;

use crate::api::OPERATION_IDS;
use crate::api::error::ApiError;
use crate::credentials::secrets::NewKey;
use crate::web::app::approvals::{Names, name_of};
use crate::web::app::developers::{
    Asked, Beside, Secret, Typed, at_fault, may_change, names, refused, render,
};
use crate::web::app::frame::{self, Fault, Moment};
use crate::web::app::person::Posted;

pub(super) struct Key {
    pub(super) id: i64,
    pub(super) client_id: String,
    pub(super) role: &'static str,
    pub(super) operations: Option<String>,
    pub(super) created: Moment,
    pub(super) by: String,
    pub(super) revoked: Option<Moment>,
}

impl Key {
    pub(super) fn new(key: ApiKey, names: &Names) -> Self {
        Self {
            by: name_of(key.made_by.unwrap_or(Actor::Operator), names),
            id: key.id.0,
            client_id: key.client_id,
            role: key.rights.role.as_str(),
            operations: key.rights.operations.map(|operations| operations.names().join(", ")),
            created: Moment(key.created_at),
            revoked: key.revoked_at.map(Moment),
        }
    }
}

/// The operations of the API of these names; the first name that is of none.
fn operations(text: &str) -> Result<Option<Operations>, String> {
    if let Some(unknown) = names(text).find(|name| !OPERATION_IDS.contains(name)) {
        return Err(unknown.to_owned());
    }
    let mut known = names(text).map(str::to_owned).peekable();
    Ok(known.peek().is_some().then(|| Operations::new(names(text).map(str::to_owned))))
}

pub(super) async fn create_key(
    Posted { app, visitor, me, ids: [merchant], form }: Posted<1>,
) -> Result<Response, ApiError> {
    let asked = Asked { app: &app, me: &me, visitor, merchant };
    if let Err(answer) = may_change(&asked).await {
        return answer;
    }
    let text = |name| form.field(name).unwrap_or_default().to_owned();
    let typed = Typed { role: text("role"), operations: text("operations"), ..Typed::default() };
    let Some(role) = Role::parse_of_merchant(&typed.role) else {
        return at_fault(&asked, Fault::of_field("role", "Choose a role."), typed).await;
    };
    let operations = match operations(&typed.operations) {
        Ok(operations) => operations,
        Err(name) => {
            let sentence = format!("There is no operation {name}.");
            return at_fault(&asked, Fault::of_field("operations", sentence), typed).await;
        }
    };
    let new = NewKey::draw().map_err(|error| ApiError::internal(error.to_string()))?;
    let decision = CreateApiKey {
        merchant_id: asked.id(),
        client_id: new.client_id,
        secret_hash: new.secret_hash,
        rights: Rights { role, operations },
    };
    match me.submit(&app, Some(asked.id()), decision).await {
        Ok(key) => {
            let secret = Secret {
                what: "API key",
                name: key.client_id,
                secret: new.client_secret,
                public_key: None,
            };
            let beside = Beside { secret: Some(secret), ..Beside::default() };
            render(StatusCode::OK, &asked, beside).await
        }
        Err(failure) => refused(&asked, failure, typed).await,
    }
}

pub(super) async fn revoke_key(
    Posted { app, visitor, me, ids: [merchant, id], .. }: Posted<2>,
) -> Result<Response, ApiError> {
    let asked = Asked { app: &app, me: &me, visitor, merchant };
    let decision = RevokeApiKey { merchant_id: asked.id(), api_key_id: ApiKeyId(id) };
    match me.submit(&app, Some(asked.id()), decision).await {
        Ok(_) => Ok(frame::lead_to(&asked.path())),
        Err(failure) => refused(&asked, failure, Typed::default()).await,
    }
}
