//! The passcode of payouts. Setting or removing it needs the current one. Each attempt is reserved
//! as a row before the hash is compared, so that a crash never gives an attempt away for free; the
//! comparison itself is slow and runs outside the engine.

use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use domain::decision::command::ListedDecision;
use domain::directory::principal::{Caller, Principal};
use domain::directory::set_passcode::ReplacePasscode;
use domain::directory::try_passcode::FinishPasscodeAttempt;
use domain::directory::try_passcode::PasscodeAttempt;
use domain::directory::try_passcode::ReservePasscodeChange;
use domain::kernel::ids::{MerchantId, PasscodeTryId};
use domain::kernel::refusal::Refusal;
use domain::payments::attempt::WithAttempt;
use domain::payments::reserve_passcode_attempt::{PasscodeReservation, ReservePasscodeAttempt};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::api::describe::op;
use crate::api::error::ApiError;
use crate::api::extract::Body;
use crate::api::fields::Text;
use crate::api::refusals;
use crate::api::response::JsonResult;
use crate::api::routes::Routes;
use crate::app::App;
use crate::credentials::hashing::HashingPermit;
use crate::credentials::secrets;
use crate::engine::Failure;
use crate::net::principal::Tenant;
use crate::payload;
use crate::request_id;

/// How long a call waits to reserve its attempt while other attempts are being compared.
const WAIT: Duration = Duration::from_secs(2);
const RETRY_INTERVAL: Duration = Duration::from_millis(50);
/// How often, once a second, recording an attempt's outcome is retried while the database is
/// unavailable. After that the attempt counts as wrong.
const OUTCOME_RETRIES: u32 = 30;

payload! {
    /// Sets or replaces the passcode.
    pub struct SetPasscode {
        /// The new passcode.
        passcode: Text<128, 4>,
        /// The current passcode; required if one is set.
        current: Option<Text<128>>,
    }

    /// Removes the passcode.
    pub struct RemovePasscode {
        /// The current passcode.
        current: Text<128>,
    }
}

/// Whether payouts need a passcode.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "PasscodeAnswer")]
pub struct PasscodeResponse {
    has_passcode: bool,
}

/// The outcome of checking a passcode.
pub enum PasscodeCheck {
    /// The request is a repetition: its stored execution is returned without a passcode.
    Replayed(Box<WithAttempt>),
    /// The merchant has no passcode.
    NotSet,
    /// The passcode is correct. Holds the hash that it was compared with, so that the decision can
    /// detect a passcode that was replaced meanwhile.
    Correct(String),
}

fn too_many_attempts() -> ApiError {
    ApiError::TooMany(1)
}

/// A decision that reserves an attempt at a passcode.
pub trait ReservesAttempt: ListedDecision {
    fn reservation(output: Self::Output) -> PasscodeReservation;
}

impl ReservesAttempt for ReservePasscodeAttempt {
    fn reservation(output: PasscodeReservation) -> PasscodeReservation {
        output
    }
}

impl ReservesAttempt for ReservePasscodeChange {
    fn reservation(output: Option<PasscodeAttempt>) -> PasscodeReservation {
        PasscodeReservation::Reserved(output)
    }
}

/// Reserves an attempt with the command `reserve`, compares the code and records the outcome.
///
/// # Errors
/// 403 when the code is wrong or locked; 429 when too many attempts are being compared; what the
/// engine refuses.
pub async fn check_code<D: ReservesAttempt>(
    app: &App,
    (merchant, by): (MerchantId, Principal),
    reserve: &D,
    code: &str,
) -> Result<PasscodeCheck, ApiError> {
    let mut waiting_since = None;
    loop {
        // Memory for the hash comes first: a reserved attempt must not block others while it waits
        // for memory.
        let mut permit = app.hashing.acquire(merchant).await.ok_or_else(too_many_attempts)?;
        let reserved = app.engine.submit_for(merchant, by, reserve.clone()).await;
        match reserved.map(D::reservation) {
            Ok(PasscodeReservation::Replayed(execution)) => {
                return Ok(PasscodeCheck::Replayed(execution));
            }
            Ok(PasscodeReservation::Reserved(None)) => return Ok(PasscodeCheck::NotSet),
            Ok(PasscodeReservation::Reserved(Some(attempt))) => {
                return compare(app, merchant, attempt, code, &mut permit).await;
            }
            Err(Failure::Refused(reasons)) if reasons.contains(&Refusal::TooManyPasscodeChecks) => {
            }
            Err(failure) => return Err(failure.into()),
        }
        drop(permit);
        if waiting_since.get_or_insert_with(Instant::now).elapsed() >= WAIT {
            return Err(too_many_attempts());
        }
        tokio::time::sleep(RETRY_INTERVAL).await;
    }
}

async fn compare(
    app: &App,
    merchant: MerchantId,
    attempt: PasscodeAttempt,
    code: &str,
    permit: &mut HashingPermit,
) -> Result<PasscodeCheck, ApiError> {
    let (hash, code) = (attempt.hash.clone(), code.to_owned());
    let compared = permit
        .run_blocking(move |scratch| secrets::is_passcode(&code, &hash, scratch))
        .await
        .flatten();
    // A broken stored hash is not the caller's wrong guess.
    end(app, merchant, attempt.id, compared.unwrap_or(true)).await?;
    match compared {
        Some(true) => Ok(PasscodeCheck::Correct(attempt.hash)),
        Some(false) => Err(ApiError::Forbidden(refusals::message(&Refusal::PasscodeInvalid))),
        None => Err(ApiError::internal("a stored passcode hash is broken")),
    }
}

/// Records the outcome of an attempt, whose key may have been revoked meanwhile. While the database is unavailable a background task retries,
/// because an attempt that stays open counts as wrong.
async fn end(
    app: &App,
    merchant: MerchantId,
    which: PasscodeTryId,
    right: bool,
) -> Result<(), ApiError> {
    let command = FinishPasscodeAttempt { merchant_id: merchant, attempt_id: which, right };
    let Err(failure) = app.engine.submit_for(merchant, Principal::System, command).await else {
        return Ok(());
    };
    let engine = app.engine.clone();
    tokio::spawn(async move {
        for _ in 0..OUTCOME_RETRIES {
            tokio::time::sleep(Duration::from_secs(1)).await;
            if engine.submit_for(merchant, Principal::System, command).await.is_ok() {
                return;
            }
        }
    });
    Err(failure.into())
}

/// The hash of the passcode to replace, if the current one was given and is correct; `None` when no
/// passcode is set or none was given.
async fn compared(
    app: &App,
    caller: Caller,
    current: Option<String>,
) -> Result<Option<String>, ApiError> {
    let Some(current) = current else { return Ok(None) };
    let reserve =
        ReservePasscodeChange { merchant_id: caller.merchant_id, api_key_id: caller.api_key_id };
    let by = (caller.merchant_id, Principal::ApiKey(caller));
    match check_code(app, by, &reserve, &current).await? {
        PasscodeCheck::Correct(hash) => Ok(Some(hash)),
        PasscodeCheck::NotSet => Ok(None),
        PasscodeCheck::Replayed(_) => {
            Err(ApiError::internal("a change of a passcode is no execution"))
        }
    }
}

async fn hashed(app: &App, merchant: MerchantId, passcode: String) -> Result<String, ApiError> {
    let mut permit = app.hashing.acquire(merchant).await.ok_or_else(too_many_attempts)?;
    let hash = permit.run_blocking(move |scratch| secrets::hash_passcode(&passcode, scratch)).await;
    hash.ok_or_else(|| ApiError::internal("a hash was not finished"))?.map_err(ApiError::internal)
}

/// Replaces the current passcode with a new one, or removes it.
async fn change(
    app: App,
    caller: Caller,
    current: Option<String>,
    new: Option<String>,
) -> JsonResult<PasscodeResponse> {
    let replaces = compared(&app, caller, current).await?;
    let hash = match new {
        Some(passcode) => Some(hashed(&app, caller.merchant_id, passcode).await?),
        None => None,
    };
    let has_passcode = hash.is_some();
    let replace = ReplacePasscode { merchant_id: caller.merchant_id, replaces, hash };
    app.engine.submit(caller, replace).await?;
    Ok(Json(PasscodeResponse { has_passcode }))
}

/// Runs in its own task, so that a client that disconnects leaves no attempt unfinished.
async fn change_to_completion(
    app: App,
    caller: Caller,
    current: Option<String>,
    new: Option<String>,
) -> JsonResult<PasscodeResponse> {
    let done = request_id::spawn(change(app, caller, current, new)).await;
    done.map_err(|_| ApiError::internal("the task of a passcode panicked"))?
}

async fn set(
    State(app): State<App>,
    tenant: Tenant,
    Body(payload): Body<SetPasscode>,
) -> JsonResult<PasscodeResponse> {
    let current = payload.current.map(|current| current.0);
    change_to_completion(app, tenant.caller, current, Some(payload.passcode.0)).await
}

async fn remove(
    State(app): State<App>,
    tenant: Tenant,
    Body(payload): Body<RemovePasscode>,
) -> JsonResult<PasscodeResponse> {
    change_to_completion(app, tenant.caller, Some(payload.current.0), None).await
}

#[must_use]
pub fn routes() -> Routes {
    let set_it = op("set_passcode", "Set the passcode that payouts need").details(
        "`current` is the current passcode, if one is set. Wrong passcodes count like those of payouts: 5 of an API key in 15 \
         minutes lock the payouts and passcode changes of that key for 15 minutes, and 20 of all keys in a day lock those of the \
         merchant until an operator lifts the lock.",
    );
    let remove_it = op("remove_passcode", "Remove the passcode: payouts no longer need it");
    Routes::new()
        .post(
            "/v1/merchants/passcode/set",
            set,
            set_it.example(json!({ "passcode": "246810" })).or(403),
        )
        .post(
            "/v1/merchants/passcode/remove",
            remove,
            remove_it.example(json!({ "current": "246810" })).or(403),
        )
}
