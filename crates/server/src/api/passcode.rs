//! The passcode: set and removed by whoever knows the one before; each try reserved before it is
//! compared, and compared outside the engine.

use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use domain::decision::command::{Command, Output};
use domain::directory::caller::Caller;
use domain::directory::try_passcode::PasscodeAttempt;
use domain::kernel::ids::{MerchantId, PasscodeTryId};
use domain::kernel::refusal::Refusal;
use domain::payments::execution::Execution;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::api::answer::Answered;
use crate::api::describe::op;
use crate::api::error::ApiError;
use crate::api::extract::Body;
use crate::api::fields::Text;
use crate::api::routes::Routes;
use crate::app::App;
use crate::credentials::hashing::HashingPermit;
use crate::credentials::secrets;
use crate::engine::Failure;
use crate::net::principal::Tenant;
use crate::payload;

/// A call waits so long until its try can be reserved, because others are being compared.
const WAIT: Duration = Duration::from_secs(2);
/// Between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// How a try went is told to a database that is away for so long; then the try counts as wrong in
/// any case.
const TELL_FOR: u32 = 30;

payload! {
    /// A passcode to set.
    pub struct SetPasscode {
        /// The new one.
        passcode: Text<128, 4>,
        /// The one before, where there is one.
        current: Option<Text<128>>,
    }

    /// A passcode to remove.
    pub struct RemovePasscode {
        /// The one that is set.
        current: Text<128>,
    }
}

/// Whether payouts need a passcode.
#[derive(Serialize, JsonSchema)]
pub struct PasscodeAnswer {
    has_passcode: bool,
}

/// What came of a try.
pub enum Tried {
    /// The call was made before: it needs no passcode.
    Replayed(Box<Execution>),
    /// None is set.
    NotSet,
    /// It was compared and found right; the hash that it was compared with.
    Right(String),
}

fn crowded() -> ApiError {
    ApiError::TooMany(1)
}

/// Reserves a try by `reserve`, compares the code and writes down what came of it.
///
/// # Errors
/// 403 when it is wrong or locked; 429 when too many are compared at once; what the engine refuses.
pub async fn try_code(
    app: &App,
    caller: Caller,
    reserve: &Command,
    code: &str,
) -> Result<Tried, ApiError> {
    let mut waiting_since = None;
    loop {
        // Memory first: a try that is reserved does not wait for it, and keeps no other out
        // meanwhile.
        let mut permit = app.hashing.acquire(caller.merchant_id).await.ok_or_else(crowded)?;
        match app.engine.submit(caller, reserve.clone()).await {
            Ok(Output::Executed(executed)) => {
                return Ok(Tried::Replayed(Box::new(executed.execution)));
            }
            Ok(Output::Passcode(None)) => return Ok(Tried::NotSet),
            Ok(Output::Passcode(Some(attempt))) => {
                return compare(app, caller.merchant_id, attempt, code, &mut permit).await;
            }
            Ok(_) => return Err(ApiError::another_answer()),
            Err(Failure::Refused(reasons)) if reasons.contains(&Refusal::PasscodeBusy) => {}
            Err(failure) => return Err(failure.into()),
        }
        drop(permit);
        if waiting_since.get_or_insert_with(Instant::now).elapsed() >= WAIT {
            return Err(crowded());
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

async fn compare(
    app: &App,
    merchant: MerchantId,
    attempt: PasscodeAttempt,
    code: &str,
    permit: &mut HashingPermit,
) -> Result<Tried, ApiError> {
    let (hash, code) = (attempt.hash.clone(), code.to_owned());
    let compared = permit
        .run_blocking(move |memory| secrets::is_passcode(&code, &hash, memory))
        .await
        .flatten();
    // A hash that is broken is no wrong guess.
    end(app, merchant, attempt.id, compared.unwrap_or(true)).await?;
    match compared {
        Some(true) => Ok(Tried::Right(attempt.hash)),
        Some(false) => Err(ApiError::Forbidden(Refusal::PasscodeInvalid.to_string())),
        None => Err(ApiError::internal("a stored passcode hash is broken")),
    }
}

/// Writes down how a try went. Where the database is away that is tried again behind the caller's
/// back: what stays open would count as wrong.
async fn end(
    app: &App,
    merchant: MerchantId,
    which: PasscodeTryId,
    right: bool,
) -> Result<(), ApiError> {
    let command = Command::FinishPasscodeAttempt(merchant, which, right);
    let Err(failure) = app.engine.submit_for(merchant, command.clone()).await else {
        return Ok(());
    };
    let engine = app.engine.clone();
    tokio::spawn(async move {
        for _ in 0..TELL_FOR {
            tokio::time::sleep(Duration::from_secs(1)).await;
            if engine.submit_for(merchant, command.clone()).await.is_ok() {
                return;
            }
        }
    });
    Err(failure.into())
}

/// The hash of the passcode that is to be replaced, if the current one was given and is right;
/// `None` where none is set, or none was given.
async fn compared(
    app: &App,
    caller: Caller,
    current: Option<String>,
) -> Result<Option<String>, ApiError> {
    let Some(current) = current else { return Ok(None) };
    let reserve = Command::ReservePasscodeChange(caller.merchant_id, caller.api_key_id);
    match try_code(app, caller, &reserve, &current).await? {
        Tried::Right(hash) => Ok(Some(hash)),
        Tried::NotSet => Ok(None),
        Tried::Replayed(_) => Err(ApiError::another_answer()),
    }
}

async fn hashed(app: &App, merchant: MerchantId, passcode: String) -> Result<String, ApiError> {
    let mut permit = app.hashing.acquire(merchant).await.ok_or_else(crowded)?;
    let hash = permit.run_blocking(move |memory| secrets::hash_passcode(&passcode, memory)).await;
    hash.ok_or_else(|| ApiError::internal("a hash was not finished"))?.map_err(ApiError::internal)
}

/// Puts a passcode, or none, in the place of the current one.
async fn change(
    app: App,
    caller: Caller,
    current: Option<String>,
    new: Option<String>,
) -> Answered<PasscodeAnswer> {
    let replaces = compared(&app, caller, current).await?;
    let hash = match new {
        Some(passcode) => Some(hashed(&app, caller.merchant_id, passcode).await?),
        None => None,
    };
    let has_passcode = hash.is_some();
    match app
        .engine
        .submit(caller, Command::ReplacePasscode(caller.merchant_id, replaces, hash))
        .await?
    {
        Output::Done => Ok(Json(PasscodeAnswer { has_passcode })),
        _ => Err(ApiError::another_answer()),
    }
}

/// In a task of its own: a client that goes away leaves no try behind that is never ended.
async fn change_to_the_end(
    app: App,
    caller: Caller,
    current: Option<String>,
    new: Option<String>,
) -> Answered<PasscodeAnswer> {
    let done = tokio::spawn(change(app, caller, current, new)).await;
    done.map_err(|_| ApiError::internal("the task of a passcode panicked"))?
}

async fn set(
    State(app): State<App>,
    tenant: Tenant,
    Body(payload): Body<SetPasscode>,
) -> Answered<PasscodeAnswer> {
    let current = payload.current.map(|current| current.0);
    change_to_the_end(app, tenant.caller, current, Some(payload.passcode.0)).await
}

async fn remove(
    State(app): State<App>,
    tenant: Tenant,
    Body(payload): Body<RemovePasscode>,
) -> Answered<PasscodeAnswer> {
    change_to_the_end(app, tenant.caller, Some(payload.current.0), None).await
}

/// Setting and removing the passcode.
#[must_use]
pub fn routes() -> Routes {
    let set_it = op("set_passcode", "Set the passcode that payouts need").details(
        "`current` is the one before, where one is set. Wrong ones count as those of payouts do: 5 of an API key in 15 minutes \
         lock the key's payouts and changes for 15 minutes, 20 of all keys in a day those of the merchant until an operator \
         lifts it.",
    );
    let remove_it = op("remove_passcode", "Remove the passcode: payouts need none any more");
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
