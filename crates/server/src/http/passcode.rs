//! The passcode: set by whoever knows the one before, counted before it is compared, and compared outside the engine.

use axum::Json;
use axum::extract::State;
use domain::command::{Answer, Command};
use domain::rejection::Rejection;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::answer::{Answered, submit};
use super::describe::op;
use super::error::ApiError;
use super::extract::Body;
use super::fields::Text;
use super::routes::Routes;
use super::tenant::Tenant;
use crate::app::App;
use crate::{payload, secrets};

/// A hash takes 19 MiB and a core: so many at a time, and fewer than the wrong tries that lock.
static HASHES: Semaphore = Semaphore::const_new(4);

payload! {
    /// A passcode to set.
    pub struct SetPasscode {
        /// The new one.
        passcode: Text<128, 4>,
        /// The one before, where there is one.
        current: Option<Text<128>>,
    }
}

/// Whether payouts need a passcode.
#[derive(Serialize, JsonSchema)]
pub struct PasscodeAnswer {
    has_passcode: bool,
}

/// A place to compare in. Taken before a try is counted and kept until a right one is uncounted: fewer tries are under way
/// than lock, so that right passcodes at the same time do not lock each other out.
///
/// # Errors
/// None, as long as the server runs.
pub async fn place() -> Result<SemaphorePermit<'static>, ApiError> {
    HASHES.acquire().await.map_err(|error| ApiError::internal(error.to_string()))
}

/// Hashes on a thread that serves no requests.
async fn apart<T: Send + 'static>(work: impl FnOnce() -> Result<T, ApiError> + Send + 'static) -> Result<T, ApiError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| ApiError::internal(error.to_string()))?
}

/// Whether the hash is that of the code. Only within a [`place`].
///
/// # Errors
/// For a hash that is broken.
pub async fn is_code(hash: String, code: String) -> Result<bool, ApiError> {
    apart(move || secrets::is_passcode(&code, &hash).ok_or_else(|| ApiError::internal("a stored passcode hash is broken")))
        .await
}

/// Counts a try of the passcode that is to be replaced, and compares it. Answers its hash; `None` where none is set.
async fn compared(app: &App, tenant: &Tenant, current: String) -> Result<Option<String>, ApiError> {
    let Some(hash) = submit!(app, Command::ReserveChange(tenant.id()), Answer::Passcode) else { return Ok(None) };
    if is_code(hash.clone(), current).await? {
        Ok(Some(hash))
    } else {
        Err(ApiError::Forbidden(Rejection::PasscodeInvalid.to_string()))
    }
}

async fn set(State(app): State<App>, tenant: Tenant, Body(payload): Body<SetPasscode>) -> Answered<PasscodeAnswer> {
    let _place = place().await?;
    let replaces = match payload.current {
        Some(current) => compared(&app, &tenant, current.0).await?,
        None => None,
    };
    let passcode = payload.passcode.0;
    let hash = apart(move || secrets::hash_passcode(&passcode).map_err(ApiError::internal)).await?;
    // The new one resets the count.
    match app.engine.submit(Command::ReplacePasscode(tenant.id(), replaces, hash)).await? {
        Answer::Done => Ok(Json(PasscodeAnswer { has_passcode: true })),
        _ => Err(ApiError::another_answer()),
    }
}

/// Setting the passcode.
#[must_use]
pub fn routes() -> Routes {
    let said = op("set_passcode", "Set the passcode that payouts need").example(json!({ "passcode": "246810" })).or(403);
    Routes::new().post("/v1/merchants/passcode/set", set, said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_code_is_compared_with_its_hash() {
        let hash = secrets::hash_passcode("1234").unwrap();
        assert_eq!(is_code(hash.clone(), "1234".to_owned()).await, Ok(true));
        assert_eq!(is_code(hash, "1235".to_owned()).await, Ok(false));
        assert!(is_code("nonsense".to_owned(), "1234".to_owned()).await.is_err());
    }
}
